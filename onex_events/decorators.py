"""The decorators :func:`emit_events` and :func:`on`."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, get_args, get_type_hints, overload

from . import _core
from .enums import EventPriority
from .event import Event
from .factories import (
    FactoryInterest,
    call_kind,
    default_type,
    factory_interest,
    signature_mismatch,
    unwrap_callable,
)

if TYPE_CHECKING:
    from .bus import EventBus

__all__ = ["emit_events", "on"]

_F = TypeVar("_F", bound=Callable[..., Any])
_E = TypeVar("_E", bound=Event[Any])
_R = TypeVar("_R")

_COROUTINE = 1  # onex_kind of csrc/py/call.h


class Sampler(Protocol):
    """What ``sample=`` takes besides a rate."""

    def should_emit(self, event_type: str, /) -> bool:
        """Whether this call, named by its first event's type, is kept."""
        ...


_MOMENTS = (
    ("creating", None),
    ("created", "the result"),
    ("failed", "the exception"),
    ("cancelled", "the exception"),
)


def emit_events(
    creating_factory: Callable[..., object] | None = None,
    created_factory: Callable[..., object] | None = None,
    failed_factory: Callable[..., object] | None = None,
    include_timing: bool = True,
    include_args: bool = False,
    *,
    cancelled_factory: Callable[..., object] | None = None,
    enabled: bool | Callable[[], object] = True,
    bus: EventBus | None = None,
    creating_type: type | None = None,
    created_type: type | None = None,
    failed_type: type | None = None,
    cancelled_type: type | None = None,
    sample: float | Sampler | None = None,
    strict: bool = False,
    hook: str = "auto",
) -> Callable[[_F], _F]:
    """Emit events around the calls of a function, coroutine function or generator function.

    While nobody listens a call goes straight to the function. Otherwise, for each call:
    ``creating_factory(*args, **kwargs)`` before it, ``created_factory(result, *args, **kwargs)``
    after success, ``failed_factory(exception, *args, **kwargs)`` after an Exception,
    ``cancelled_factory(exception, *args, **kwargs)`` after another BaseException (cancellation,
    GeneratorExit, KeyboardInterrupt, SystemExit). Each returns one event, and is skipped when
    that event could have no listener. The creating event is the current event while the function
    runs; all events are linked under what was current before. For coroutines and generators it
    all begins with the first step; one never started makes no event.

    Args:
        creating_factory: makes the event before the call.
        created_factory: makes the event after success.
        failed_factory: makes the event after an Exception.
        include_timing: set ``duration_ms`` of end events, by the monotonic clock.
        include_args: set ``metadata["args"]`` and ``metadata["kwargs"]`` of the creating event to
            their ``str``.
        cancelled_factory: makes the event after a BaseException that is no Exception.
        enabled: False returns the function itself; a callable without arguments is asked at each
            call while somebody listens (one that raises counts as yes).
        bus: the bus to emit on; None: the default bus at the time of the call.
        creating_type: the exact class of the creating event, with its default ``type``; lets the
            factory be skipped when that class has no listener. Without it a return annotation, or
            the factory being an Event class, is taken as an upper bound.
        created_type: the same for `created_factory`.
        failed_type: the same for `failed_factory`.
        cancelled_type: the same for `cancelled_factory`.
        sample: share of calls to keep, 0 to 1, or an object whose ``should_emit(event_type)``
            decides; once a call, before any factory, inherited by the calls inside it (one that
            raises counts as yes).
        strict: let what a factory, `enabled` or `sample` raises reach the caller. Otherwise it is
            counted and logged, and the program goes on as if nobody listened.
        hook: ``"auto"``: where the interpreter allows it (CPython >= 3.12, plain functions but
            ``__init__`` and what may be a property's getter on 3.14), a copy of the function
            whose calls are observed only while somebody listens, so that nothing of this is
            left in the others; else, and with ``"wrapper"`` always, a ``SiteFunction``, which
            passes for the function. The interpreter hides two uses of a hooked function:
            assigned to ``__init__`` though it was defined under another name (>= 3.13), and
            given to ``property`` though it was defined outside of a class (3.14); decorate
            such a one with ``"wrapper"``.

    Returns:
        A decorator for functions, methods, staticmethod and classmethod objects (which stay what
        they are) and callable objects.

    Raises:
        TypeError: an argument of the wrong type; an async or generator function, or a class that
            is no Event class, as a factory; while decorating: something not callable, or with
            `strict` a factory that can never take the function's required parameters (a warning
            otherwise).
        ValueError: a rate outside of 0 to 1, or an unknown `hook`.
    """
    factories: list[FactoryInterest | None] = [
        factory_interest("emit_events", f"{moment}_factory", factory, f"{moment}_type", kind)
        for (moment, _), factory, kind in zip(
            _MOMENTS,
            (creating_factory, created_factory, failed_factory, cancelled_factory),
            (creating_type, created_type, failed_type, cancelled_type),
            strict=True,
        )
    ]
    if not isinstance(enabled, bool):
        if enabled is None or not callable(enabled):
            raise TypeError(
                f"emit_events: argument 'enabled' is {enabled!r}, "
                "expected a bool or a callable without arguments"
            )
        if call_kind(enabled):
            raise TypeError(
                f"emit_events: argument 'enabled' is {enabled!r}, expected a plain callable"
            )
    if bus is not None:
        _check_bus(bus)
    if hook not in ("auto", "wrapper"):
        raise ValueError(f"emit_events: argument 'hook' is {hook!r}, expected 'auto' or 'wrapper'")
    rate = _check_sample(sample)

    def decorate(function: Any) -> Any:
        if enabled is False:
            return function
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(decorate(function.__func__))
        if isinstance(function, type) or not callable(function):
            hint = "; decorate its __init__ or __new__" if isinstance(function, type) else ""
            raise TypeError(
                f"emit_events: cannot decorate {function!r}, expected a function, a method or a "
                f"callable object{hint}"
            )
        _check_signatures(function, factories, bool(strict))
        kind = call_kind(function)
        described = (
            kind,
            tuple(factories),
            bool(include_timing),
            bool(include_args),
            bus,
            None if enabled is True else enabled,
            (sample.should_emit, _sampled_type(function, factories))  # type: ignore[union-attr]
            if sample is not None and rate is None
            else rate,
            bool(strict),
        )
        if hook == "auto":
            hooked = _core.hook_function(function, *described)
            if hooked is not None:
                return hooked
        binds = hasattr(type(function), "__get__") and not isinstance(function, MethodType)
        site = (_core.SiteFunction if binds else _core.SiteCallable)(function, *described)
        if kind == _COROUTINE and not hasattr(function, "__code__"):
            _mark_coroutine_function(site)
        return site

    return decorate


def _check_bus(bus: object) -> None:
    from .bus import EventBus

    if not isinstance(bus, EventBus):
        raise TypeError(
            f"emit_events: argument 'bus' is {bus!r}, expected an EventBus, or None for the "
            "default bus"
        )


def _check_sample(sample: object) -> float | None:
    """The rate, or None when everything is kept or a sampler decides."""
    if sample is None or callable(getattr(sample, "should_emit", None)):
        return None
    if isinstance(sample, bool) or not isinstance(sample, (int, float)):
        raise TypeError(
            f"emit_events: argument 'sample' is {sample!r}, expected a rate from 0 to 1, an "
            "object with should_emit(event_type), or None"
        )
    if not 0 <= sample <= 1:
        raise ValueError(f"emit_events: argument 'sample' is {sample!r}, expected 0 to 1")
    return float(sample)


def _sampled_type(function: object, factories: list[FactoryInterest | None]) -> str:
    """The type string that a sampler is asked about: that of the first known event."""
    for interest in factories:
        if interest is not None:
            name = interest[2] or default_type(interest[1])
            if name is not None:
                return name
    module = getattr(function, "__module__", None)
    return f"{module}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def _check_signatures(
    function: Callable[..., object], factories: list[FactoryInterest | None], strict: bool
) -> None:
    for (moment, first), interest in zip(_MOMENTS, factories, strict=True):
        if interest is None:
            continue
        problem = signature_mismatch(function, f"{moment}_factory", interest[0], first)
        if problem is None:
            continue
        if strict:
            raise TypeError(f"emit_events: {problem}")
        import warnings

        warnings.warn(f"emit_events: {problem}", UserWarning, stacklevel=3)


def _mark_coroutine_function(site: Any) -> None:
    """Let inspect and asyncio know what they cannot read off a code object."""
    import inspect

    if hasattr(inspect, "markcoroutinefunction"):
        inspect.markcoroutinefunction(site)
    else:
        import asyncio.coroutines

        site._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]


@overload
def on(
    event_type: type[_E],
    /,
    *event_types: type[_E],
    pattern: str | None = None,
    predicate: Callable[[Any], object] | None = None,
    priority: EventPriority | int = EventPriority.NORMAL,
    weak: bool = False,
) -> Callable[[Callable[[_E], _R]], Callable[[_E], _R]]: ...


@overload
def on(
    *,
    pattern: str | None = None,
    predicate: Callable[[Any], object] | None = None,
    priority: EventPriority | int = EventPriority.NORMAL,
    weak: bool = False,
) -> Callable[[_F], _F]: ...


@overload
def on(handler: _F, /) -> _F: ...


def on(
    *event_types: Any,
    pattern: str | None = None,
    predicate: Callable[[Any], object] | None = None,
    priority: EventPriority | int = EventPriority.NORMAL,
    weak: bool = False,
) -> Any:
    """Subscribe a function on the default bus, and return it unchanged.

    ``@on(SavedEvent)``, ``@on(pattern=r"user\\.")``, or on a function whose first parameter is
    annotated with an Event class (or a union of them) just ``@on``. The arguments are those of
    ``EventBus.subscribe``.

    Raises:
        TypeError: something that is no Event class; no filter and no annotation to take it from.
        ValueError: a bad pattern or priority.
    """
    filters = pattern is not None or predicate is not None
    if len(event_types) == 1 and not isinstance(event_types[0], type) and callable(event_types[0]):
        if filters:
            raise TypeError(f"on: {event_types[0]!r} is no Event class")
        (handler,) = event_types
        return _subscribe(handler, (), None, None, priority, weak)
    for event_type in event_types:
        if not isinstance(event_type, type):
            raise TypeError(f"on: {event_type!r} is no Event class")

    def subscribe(handler: _F) -> _F:
        return _subscribe(handler, event_types, pattern, predicate, priority, weak)

    return subscribe


def _subscribe(
    handler: _F,
    event_types: tuple[type, ...],
    pattern: str | None,
    predicate: Callable[[Any], object] | None,
    priority: EventPriority | int,
    weak: bool,
) -> _F:
    from .bus import get_event_bus

    if not event_types and pattern is None and predicate is None:
        event_types = _handled_types(handler)
    get_event_bus().subscribe(
        handler,
        list(event_types) or None,
        pattern=pattern,
        predicate=predicate,
        priority=priority,
        weak=weak,
    )
    return handler


def _handled_types(handler: object) -> tuple[type, ...]:
    """The Event classes in the annotation of a handler's first parameter."""
    function = unwrap_callable(handler)
    code = getattr(function, "__code__", None)
    names = code.co_varnames[: code.co_argcount] if code is not None else ()
    if isinstance(handler, MethodType) or (function is not handler and names[:1] == ("self",)):
        names = names[1:]
    try:
        hints = get_type_hints(function)
    except NameError as error:
        raise TypeError(
            f"on: the annotations of {handler!r} cannot be resolved ({error}); "
            "name the event class: @on(SomeEvent)"
        ) from error
    except TypeError:
        hints = {}
    hint = hints.get(names[0]) if names else None
    candidates = get_args(hint) or (hint,)
    if not isinstance(hint, type) and candidates != (hint,):
        found = candidates  # a union
    else:
        found = (hint,)
    if not all(isinstance(kind, type) and issubclass(kind, Event) for kind in found):
        raise TypeError(
            f"on: {handler!r} has no Event class as the annotation of its first parameter; "
            "annotate it, or give an event class, a pattern or a predicate"
        )
    return found
