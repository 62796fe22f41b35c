"""What a decorator can know about a factory before it ever runs.

Which callables are refused, which event class a factory can make at most (the *interest* of
spec 1 §3: without a listener for it the factory is skipped), and whether a factory can take what
the function takes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, MethodType
from typing import Any, get_origin, get_type_hints

from .event import Event

# inspect.CO_*, without importing inspect.
_VARARGS, _VARKEYWORDS = 0x4, 0x8
_GENERATOR, _COROUTINE, _ITERABLE_COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x100, 0x200

#: (factory, event class or None, type string or None, class is exact)
FactoryInterest = tuple[Callable[..., object], type | None, str | None, bool]


def unwrap_callable(function: object) -> object:
    """The function behind partials, bound methods and objects with ``__call__``."""
    while True:
        if hasattr(function, "__code__"):
            return function
        if isinstance(function, MethodType):
            function = function.__func__
        elif hasattr(function, "func") and callable(function.func):  # functools.partial
            function = function.func
        elif isinstance(function, type):
            return function
        else:
            call = getattr(type(function), "__call__", None)  # noqa: B004
            if not hasattr(call, "__code__"):
                return function
            function = call


def _is_marked(function: object) -> bool:
    """Whether inspect.markcoroutinefunction (or asyncio, before) marked it."""
    inspect = sys.modules.get("inspect")
    is_marked = getattr(inspect, "_has_coroutine_mark", None)
    if is_marked is not None and is_marked(function):
        return True
    coroutines = sys.modules.get("asyncio.coroutines")
    mark = getattr(coroutines, "_is_coroutine", None)
    return mark is not None and getattr(function, "_is_coroutine", None) is mark


def call_kind(function: object) -> int:
    """What a call gives, as ``onex_kind`` of csrc/py/call.h numbers it."""
    code = getattr(unwrap_callable(function), "__code__", None)
    flags = getattr(code, "co_flags", 0)
    if flags & _COROUTINE or _is_marked(function):
        return 1
    if flags & _ITERABLE_COROUTINE:
        return 3
    if flags & _GENERATOR:
        return 2
    return 4 if flags & _ASYNC_GENERATOR else 0


def is_event_class(value: object) -> bool:
    """Event, a subclass, or a model of another library with an event's fields."""
    if not isinstance(value, type):
        return False
    if issubclass(value, Event):
        return True
    fields = getattr(value, "model_fields", None)
    return fields is not None and {"id", "type", "parent_id", "root_id"} <= set(fields)


def check_callable(caller: str, name: str, value: object, gives: str) -> None:
    """Raise TypeError unless `value` is None or a plain callable."""
    if value is None:
        return
    expected = f"expected a plain callable that returns {gives}, or None"
    if not callable(value):
        raise TypeError(f"{caller}: argument {name!r} is {value!r}, {expected}")
    if isinstance(value, type):
        if not is_event_class(value):
            raise TypeError(
                f"{caller}: argument {name!r} is the class {value.__qualname__}, "
                f"which is no event class; {expected}"
            )
        return
    kind = call_kind(value)
    if kind:
        what = ("a coroutine", "a generator", "a generator", "an asynchronous generator")[kind - 1]
        raise TypeError(
            f"{caller}: argument {name!r} is {value!r}, a call of which gives {what}; {expected}"
        )


def default_type(event_class: type | None) -> str | None:
    """The type string that a class gives its events by default, or None."""
    fields = getattr(event_class, "model_fields", None)
    default = getattr(fields.get("type"), "default", None) if fields else None
    return default if isinstance(default, str) else None


def _annotated_class(factory: object) -> type | None:
    """The Event class that a factory's return annotation promises, or None."""
    function = unwrap_callable(factory)
    try:
        if "return" not in getattr(function, "__annotations__", ()):
            return None
        hint = get_type_hints(function).get("return")
    except Exception:  # a name that is not there (yet): nothing is known
        return None
    if not isinstance(hint, type):
        hint = get_origin(hint)
    return hint if isinstance(hint, type) and issubclass(hint, Event) else None


def factory_interest(
    caller: str,
    name: str,
    factory: Callable[..., object] | None,
    type_name: str,
    event_class: type | None,
) -> FactoryInterest | None:
    """Check a factory and its ``*_type=`` and tell what its events can be."""
    check_callable(caller, name, factory, "an event")
    if event_class is not None and not is_event_class(event_class):
        raise TypeError(
            f"{caller}: argument {type_name!r} is {event_class!r}, expected an Event class or None"
        )
    if factory is None:
        if event_class is not None:
            raise TypeError(f"{caller}: argument {type_name!r} is given without {name!r}")
        return None
    if event_class is not None:
        return factory, event_class, default_type(event_class), True
    if isinstance(factory, type):
        bound: type | None = factory if issubclass(factory, Event) else None
    else:
        bound = _annotated_class(factory)
    return factory, bound, None, False


# Signatures.


def _takes_the_same(function: object, factory: object, first: int) -> bool:
    """A quick yes for plain functions whose positional parameters fit."""
    if not (isinstance(function, FunctionType) and type(factory) is FunctionType):
        return False
    ours: CodeType = function.__code__
    theirs: CodeType = factory.__code__
    flags = theirs.co_flags
    if theirs.co_kwonlyargcount and len(factory.__kwdefaults__ or ()) < theirs.co_kwonlyargcount:
        return False
    if ours.co_kwonlyargcount > len(function.__kwdefaults__ or ()) and not flags & _VARKEYWORDS:
        return False
    required = ours.co_argcount - len(function.__defaults__ or ()) + first
    least = theirs.co_argcount - len(factory.__defaults__ or ())
    return least <= required and (required <= theirs.co_argcount or bool(flags & _VARARGS))


def _call_shapes(signature: Any) -> Iterator[tuple[list[str], list[str]]]:
    """Positional and keyword names of each way to pass the required parameters."""
    positional: list[str] = []
    either: list[str] = []
    keyword: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.default is not parameter.empty:
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(parameter.name)
        elif parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            either.append(parameter.name)
        elif parameter.kind is parameter.KEYWORD_ONLY:
            keyword.append(parameter.name)
    for count in range(len(either), -1, -1):
        yield positional + either[:count], either[count:] + keyword


def signature_mismatch(
    function: Callable[..., object], name: str, factory: Callable[..., object], first: str | None
) -> str | None:
    """Say why `factory` can never be called with what `function` requires; None if it can.

    `first` names the argument that an end factory gets before the function's own.
    """
    leading = 0 if first is None else 1
    if _takes_the_same(function, factory, leading):
        return None
    from inspect import Parameter, signature

    try:
        ours, theirs = signature(function), signature(factory)
    except (TypeError, ValueError):  # a builtin that does not tell
        return None
    # More than the required parameters may come, unless there are no others.
    open_ended = any(
        parameter.default is not parameter.empty
        or parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
        for parameter in ours.parameters.values()
    )
    bind = theirs.bind_partial if open_ended else theirs.bind
    for positional, keywords in _call_shapes(ours):
        try:
            bind(*[None] * (leading + len(positional)), **dict.fromkeys(keywords))
        except TypeError:
            continue
        return None
    label = getattr(function, "__qualname__", repr(function))
    expected = f"{first}, followed by what {label} takes" if first else f"what {label} takes"
    return (
        f"{name} has the signature {name}{theirs}, which can never take the required parameters "
        f"of {label}{ours}: it is called with {expected}"
    )
