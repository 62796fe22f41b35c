"""Checking arguments: errors that name the argument, what came and what is expected."""

from __future__ import annotations

import os
import sys
import weakref
from _thread import TIMEOUT_MAX
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass


def brief(value: Any) -> str:
    """A value's repr, for messages, whatever its length and whether it has one."""
    try:
        text = repr(value)
    except Exception:  # an int of too many digits has none either
        return f"<{type(value).__name__} that can't be shown>"
    return text if len(text) <= 80 else text[:77] + "..."


def shown(value: Any) -> str:
    """A value and its type, for messages."""
    text = brief(value)
    return text if isinstance(value, type) else f"{text} ({type(value).__name__})"


def whole(name: str, value: Any, least: int) -> int:
    """A whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {shown(value)}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {brief(value)}")
    return value


def size(name: str, value: Any, least: int) -> int:
    """A number of things in memory."""
    if whole(name, value, least) > sys.maxsize:
        raise ValueError(f"{name} must be at most {sys.maxsize}, not {brief(value)}")
    return int(value)


def seconds(name: str, value: Any) -> float:
    """A duration in seconds; for ever is what threads can wait, some centuries."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {shown(value)}")
    if not value >= 0:
        raise ValueError(f"{name} must be 0 or more seconds, not {brief(value)}")
    return float(min(value, TIMEOUT_MAX))


def env_whole(name: str, default: int, least: int) -> int:
    text = os.environ.get(name)
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise ValueError(
            f"environment variable {name} must be a whole number >= {least}, not {text!r}"
        )
    return value


def env_seconds(name: str, default: float) -> float:
    text = os.environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ValueError(f"environment variable {name} must be a number of seconds, not {text!r}")
    return value


def env_lazy() -> bool:
    """ONEX_EVENTS_LAZY: 1 (default) or 0."""
    text = os.environ.get("ONEX_EVENTS_LAZY", "").strip().lower()
    if text in ("", "1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    raise ValueError(f"environment variable ONEX_EVENTS_LAZY must be 0 or 1, not {text!r}")


def checked_filters(
    function: str, event_types: Any, pattern: Any, predicate: Any
) -> tuple[tuple[type, ...] | None, Any, Any]:
    """Event types as a tuple, the pattern compiled, the predicate."""
    types: tuple[type, ...] | None = None
    if event_types is not None:
        if isinstance(event_types, type):
            types = (event_types,)
        else:
            try:
                types = tuple(event_types)
            except TypeError:
                raise TypeError(
                    f"{function}: event_types must be an event class or a list of them, "
                    f"not {shown(event_types)}"
                ) from None
            if not types:
                raise ValueError(f"{function}: event_types is empty; name at least one class")
        for cls in types:
            if not isinstance(cls, type) or (cls.__module__ == "builtins" and cls is not object):
                raise TypeError(f"{function}: event_types must be event classes, not {shown(cls)}")
    regex = None
    if pattern is not None:
        regex = compiled(function, pattern)
    if predicate is not None:
        check_plain_callable(f"{function}: predicate", predicate)
    return types, regex, predicate


def compiled(function: str, pattern: Any) -> Any:
    """A regular expression, compiled."""
    import re

    if isinstance(pattern, re.Pattern):
        if not isinstance(pattern.pattern, str):
            raise TypeError(f"{function}: pattern must match str, not bytes: {pattern!r}")
        return pattern
    if not isinstance(pattern, str):
        raise TypeError(
            f"{function}: pattern must be a regular expression (str or re.Pattern), "
            f"not {shown(pattern)}"
        )
    try:
        return re.compile(pattern)
    except re.error as error:
        from onex_events.patterns import PatternError

        raise PatternError(
            f"{function}: pattern {pattern!r} is no regular expression: {error}"
        ) from error


def check_plain_callable(name: str, value: Any) -> None:
    """Must be a callable that is neither a coroutine function nor a class."""
    if not callable(value) or isinstance(value, type):
        raise TypeError(f"{name} must be a function taking the event, not {shown(value)}")
    if is_async_callable(value):
        raise TypeError(f"{name} must be a plain function, {handler_name(value)} is async")


def check_event(name: str, value: Any) -> None:
    """Must be an Event, or another object with an id and a type."""
    if isinstance(value, type) or not hasattr(value, "id") or not hasattr(value, "type"):
        raise TypeError(
            f"{name} must be an Event (or an object with id, type and parent_id), "
            f"not {shown(value)}"
        )


def check_datetime(name: str, value: Any) -> None:
    from datetime import datetime

    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime, not {shown(value)}")


def checked_id(name: str, value: Any) -> bytes:
    """The 16 bytes of a UUID."""
    from uuid import UUID

    if not isinstance(value, UUID):
        raise TypeError(f"{name} must be a UUID, not {shown(value)}")
    return value.bytes


def is_async_callable(handler: Any) -> bool:
    """Is it a coroutine function, or a callable object whose ``__call__`` is one?"""
    for _ in range(20):
        flags = getattr(getattr(handler, "__code__", None), "co_flags", None)
        if flags is not None:
            if flags & 0x80:  # inspect.CO_COROUTINE
                return True
            break
        inner = getattr(handler, "func", None) or getattr(handler, "__func__", None)
        if inner is None or not callable(inner):
            if isinstance(handler, type):
                return False
            inner = getattr(type(handler), "__call__", None)  # noqa: B004 - its code is wanted
            if inner is None or not hasattr(inner, "__code__"):
                break
        handler = inner
    if "inspect" in sys.modules:
        return bool(sys.modules["inspect"].iscoroutinefunction(handler))
    return False


def handler_name(handler: Any) -> str:
    """ "module.name" of a callable."""
    inner = getattr(handler, "func", handler)
    name = getattr(inner, "__name__", None) or type(inner).__name__
    module = getattr(inner, "__module__", None) or type(inner).__module__
    return f"{module}.{name}"


def held_weakly(handler: Any, holder: list[Any]) -> Any:
    """A weak reference that ends the subscription which `holder` will name."""

    def expire(reference: Any) -> None:
        subscription = holder[0]() if holder else None
        if subscription is not None:
            subscription._expire(reference)

    try:
        if hasattr(handler, "__self__") and hasattr(handler, "__func__"):
            return weakref.WeakMethod(handler, expire)
        return weakref.ref(handler, expire)
    except TypeError:
        raise TypeError(
            f"subscribe: weak=True needs a handler that can be weakly referenced, "
            f"not {shown(handler)}"
        ) from None


def default_type(event_class: type) -> str | None:
    """The type string that a class gives its events, or None."""
    field = getattr(event_class, "model_fields", {}).get("type")
    default = getattr(field, "default", None)
    return default if isinstance(default, str) else None
