"""``@emit_events``, ``@on`` and ``@track_state_transition`` (spec 1, section 3).

A decorated function is an ordinary Python wrapper: it makes the events that somebody listens to,
links them to the current event, and has the creating event current while the function runs.
"""

import contextvars
import functools
import inspect
import random
import sys
import time
import types
import typing
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any, TypeVar
from uuid import UUID

from onex_events.enums import EventPriority

from .bus import EventBus, default_bus, type_name_of
from .context import Stack, get_current_parent_event, leave, link, push
from .events import StateTransitionEvent
from .factories import Factory, check_fit, make_factory
from .subscription import is_async

__all__ = ["emit_events", "on", "track_state_transition"]

F = TypeVar("F", bound=Callable[..., Any])

# What the outermost sampled call has decided for itself and all that it calls.
_sampled: contextvars.ContextVar[bool | None] = contextvars.ContextVar(
    "onex_events_reference_sampled", default=None
)


def emit_events(
    creating_factory: Callable[..., Any] | None = None,
    created_factory: Callable[..., Any] | None = None,
    failed_factory: Callable[..., Any] | None = None,
    include_timing: bool = True,
    include_args: bool = False,
    *,
    cancelled_factory: Callable[..., Any] | None = None,
    enabled: bool | Callable[[], bool] = True,
    bus: EventBus | None = None,
    creating_type: type | None = None,
    created_type: type | None = None,
    failed_type: type | None = None,
    cancelled_type: type | None = None,
    sample: Any = None,
    strict: bool = False,
    hook: str = "auto",
) -> Callable[[F], F]:
    """Emit events around each call of the decorated function, while somebody listens.

    ``creating_factory(*args, **kwargs)`` makes the event before the call, ``created_factory(result,
    *args, **kwargs)`` the one after success, ``failed_factory(exception, …)`` the one after an
    Exception and ``cancelled_factory(exception, …)`` after any other BaseException. The
    ``*_type`` arguments say which class of event exactly a factory makes. ``include_timing`` gives
    the end events ``duration_ms``; ``include_args`` puts the arguments, as text, into the creating
    event's metadata. ``enabled`` may be asked per call; ``sample`` is a rate from 0 to 1 or an
    object with ``should_emit(event_type)``. What a factory raises is logged and counted, with
    ``strict`` raised.
    ``hook`` chooses the mechanism of the C core; here there is but one.
    """
    site = Site(
        creating=make_factory("creating_factory", creating_factory, creating_type),
        created=make_factory("created_factory", created_factory, created_type),
        failed=make_factory("failed_factory", failed_factory, failed_type),
        cancelled=make_factory("cancelled_factory", cancelled_factory, cancelled_type),
        include_timing=include_timing,
        include_args=include_args,
        enabled=enabled,
        bus=bus,
        sample=sample,
        strict=strict,
    )
    if hook not in ("auto", "wrapper"):
        raise ValueError(f"emit_events: argument 'hook' is {hook!r}, expected 'auto' or 'wrapper'")

    def decorate(function: F) -> F:
        return function if site.enabled is False else typing.cast(F, site.decorate(function))

    return decorate


class Site:
    """What one ``@emit_events(…)`` asks for."""

    def __init__(
        self,
        creating: Factory | None,
        created: Factory | None,
        failed: Factory | None,
        cancelled: Factory | None,
        include_timing: bool,
        include_args: bool,
        enabled: bool | Callable[[], bool],
        bus: EventBus | None,
        sample: Any,
        strict: bool,
    ) -> None:
        if not isinstance(enabled, bool) and (not callable(enabled) or is_async(enabled)):
            raise TypeError(
                f"emit_events: argument 'enabled' is {enabled!r}, "
                "expected a bool or a plain callable"
            )
        if bus is not None and not isinstance(bus, EventBus):
            raise TypeError(f"emit_events: argument 'bus' is {bus!r}, expected an EventBus")
        self.creating = creating
        self.created = created
        self.failed = failed
        self.cancelled = cancelled
        self.factories = [one for one in (creating, created, failed, cancelled) if one is not None]
        self.include_timing = include_timing
        self.include_args = include_args
        self.enabled = enabled
        self.bus = bus
        self.sample = _sampler(sample)
        self.strict = strict

    def decorate(self, function: Any) -> Any:
        """The wrapper around ``function``."""
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(self.decorate(function.__func__))
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"emit_events: decorates functions, not {function!r}")
        for factory in self.factories:
            check_fit(function, factory, int(factory is not self.creating), self.strict)
        code = function if inspect.isroutine(function) else _called_by(function)
        if inspect.isasyncgenfunction(code):
            return self.around_async_generator(function)
        if is_async(function):
            return self.around_coroutine(function)
        if inspect.isgeneratorfunction(code):
            return self.around_generator(function)
        return self.around_function(function)

    def begin(self, function: Any, args: Any, kwargs: Any) -> "Call | None":
        """The call to be observed, or None when nobody listens to any of its events."""
        bus = self.bus or default_bus()
        if not bus._listens():
            return None
        try:
            if self.enabled is not True and not self.enabled():  # type: ignore[operator]
                return None
            if not any(factory.is_wanted(bus) for factory in self.factories):
                return None
            inherited = _sampled.get()
            decided = None
            if inherited is None and self.sample is not None:
                decided = self.sample(self.factories)
        except Exception as error:
            if self.strict:
                raise
            bus._dispatcher.report(f"enabled or sample of {_name(function)}", None, error)
            return None
        return Call(self, function, bus, args, kwargs, inherited, decided)

    def around_function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            call = self.begin(function, args, kwargs)
            if call is None:
                return function(*args, **kwargs)
            call.emit_now(call.creating())
            call.enter()
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                call.leave()
                call.emit_now(call.ended_by(error))
                raise
            call.leave()
            call.emit_now(call.created(result))
            return result

        return wrapper

    def around_coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            call = self.begin(function, args, kwargs)
            if call is None:
                return await function(*args, **kwargs)
            await call.emit(call.creating())
            try:
                result = await steps(call, function(*args, **kwargs))
            except BaseException as error:
                await call.emit(call.ended_by(error))
                raise
            await call.emit(call.created(result))
            return result

        return wrapper

    def around_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            call = self.begin(function, args, kwargs)
            if call is None:
                return (yield from function(*args, **kwargs))
            call.emit_now(call.creating())
            try:
                result = yield from steps(call, function(*args, **kwargs))
            except BaseException as error:
                call.emit_now(call.ended_by(error))
                raise
            call.emit_now(call.created(result))
            return result

        return wrapper

    def around_async_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
            call = self.begin(function, args, kwargs)
            inner = function(*args, **kwargs)
            if call is not None:
                await call.emit(call.creating())
            step = _first_step(inner)
            try:
                while True:
                    value = await (step if call is None else steps(call, step))
                    try:
                        sent = yield value
                    except GeneratorExit:
                        await (inner.aclose() if call is None else steps(call, inner.aclose()))
                        raise
                    except BaseException as error:
                        step = inner.athrow(error)
                    else:
                        step = inner.asend(sent)
            except StopAsyncIteration:
                if call is not None:
                    await call.emit(call.created(None))
            except BaseException as error:
                if call is not None:
                    await call.emit(call.ended_by(error))
                raise

        return wrapper


@types.coroutine
def steps(call: "Call", inner: Any) -> Generator[Any, Any, Any]:
    """Run a coroutine or generator with its creating event current in each of its steps.

    Between two steps, while it is suspended, what was current there is current.
    """
    running = inner.__await__() if isinstance(inner, Awaitable) else inner
    step: Callable[[Any], Any] = running.send
    given: Any = None
    while True:
        call.enter()
        try:
            yielded = step(given)
        except StopIteration as stop:
            return stop.value
        finally:
            call.leave()
        try:
            step, given = running.send, (yield yielded)
        except GeneratorExit:
            step, given = _close, running
        except BaseException as error:
            step, given = running.throw, error


class Call:
    """One observed call: its events and the context around it."""

    def __init__(
        self,
        site: Site,
        function: Any,
        bus: EventBus,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        inherited: bool | None,
        decided: bool | None,
    ) -> None:
        self._site = site
        self._function = function
        self._bus = bus
        self._args = args
        self._kwargs = kwargs
        self._is_kept = inherited is not False and decided is not False
        self._decided = decided  # by this call, for what it calls
        self._parent = get_current_parent_event()
        self._start: Any = None  # the creating event
        self._entered: tuple[Stack, Stack] | None = None
        self._began = time.perf_counter()

    def creating(self) -> Any:
        """The linked creating event, or None."""
        event = self._start = self._made(self._site.creating)
        self._began = time.perf_counter()
        return event

    def created(self, result: Any) -> Any:
        """The linked event of a success, or None."""
        return self._end(self._site.created, result)

    def ended_by(self, error: BaseException) -> Any:
        """The linked event of an exception, or None."""
        failed = isinstance(error, Exception)
        return self._end(self._site.failed if failed else self._site.cancelled, error)

    def enter(self) -> None:
        """Have the creating event current."""
        if self._start is not None:
            self._entered = push(self._start)
        if self._decided is not None:
            _sampled.set(self._decided)

    def leave(self) -> None:
        """Restore what was current."""
        if self._entered is not None:
            leave(*self._entered)
            self._entered = None
        if self._decided is not None:
            _sampled.set(None)

    async def emit(self, event: Any) -> None:
        """Emit through the queue."""
        if event is not None:
            await self._bus.emit(event)

    def emit_now(self, event: Any) -> None:
        """Emit as ``emit_sync`` does, without waiting for other threads."""
        if event is not None:
            self._bus._emit_decorated(event)

    def _made(self, factory: Factory | None, *outcome: Any) -> Any:
        """What the factory makes, linked; None when nobody listens to that."""
        if factory is None or not self._is_kept or not factory.is_wanted(self._bus):
            return None
        try:
            event = factory.make(*outcome, *self._args, **self._kwargs)
            if isinstance(event, type) or not (hasattr(event, "id") and hasattr(event, "type")):
                raise TypeError(f"{factory.name} returned {event!r}, expected an event")
            start, parent = self._start, self._parent
            if outcome:
                link(event, parent, start and start.lineage_id)
            else:
                link(event, parent, getattr(parent, "lineage_id", None))
                if self._site.include_args:
                    event.metadata["args"] = str(self._args)
                    event.metadata["kwargs"] = str(self._kwargs)
        except Exception as error:
            if self._site.strict:
                raise
            self._bus._dispatcher.report(f"{factory.name} of {_name(self._function)}", None, error)
            return None
        return event

    def _end(self, factory: Factory | None, outcome: Any) -> Any:
        lasted = time.perf_counter() - self._began
        event = self._made(factory, outcome)
        if event is not None and self._site.include_timing:
            event.duration_ms = lasted * 1000
        return event


def _first_step(inner: AsyncGenerator[Any, Any]) -> Any:
    """Its first ``__anext__()``, kept from the loop: the wrapper, which it knows, closes it."""
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return inner.__anext__()
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _close(running: Generator[Any, Any, Any]) -> Any:
    running.close()
    raise GeneratorExit


def _called_by(callable_object: Any) -> Any:
    """The function that runs when a callable object is called."""
    while isinstance(callable_object, functools.partial):
        callable_object = callable_object.func
    return callable_object if inspect.isroutine(callable_object) else callable_object.__call__


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", function))


def _sampler(sample: Any) -> Callable[[list[Factory]], bool] | None:
    """Asks ``sample`` whether the events of a call are wanted."""
    if sample is None:
        return None
    if callable(getattr(sample, "should_emit", None)):

        def ask(factories: list[Factory]) -> bool:
            names = (one.type_name or (one.cls and type_name_of(one.cls)) for one in factories)
            return bool(sample.should_emit(next(filter(None, names), None)))

        return ask
    if isinstance(sample, bool) or not isinstance(sample, (int, float)):
        raise TypeError(
            f"emit_events: argument 'sample' is {sample!r}, expected a rate from 0 to 1 "
            "or an object with should_emit(event_type)"
        )
    if not 0 <= sample <= 1:
        raise ValueError(f"emit_events: argument 'sample' is {sample}, expected a rate from 0 to 1")
    return lambda factories: random.random() < sample


def on(
    *event_types: Any,
    pattern: str | None = None,
    predicate: Callable[[Any], bool] | None = None,
    priority: int = EventPriority.NORMAL,
    weak: bool = False,
) -> Any:
    """Subscribe the decorated function on the default bus; it stays as it is.

    Without arguments the event class (or classes, of a union) is what the function's first
    parameter is annotated with; TypeError when there is none. The others are those of
    ``EventBus.subscribe``.
    """
    if len(event_types) == 1 and inspect.isroutine(event_types[0]):
        return on()(event_types[0])  # used without parentheses

    def subscribe(function: F) -> F:
        classes: Any = event_types or None
        if classes is None and pattern is None and predicate is None:
            classes = _annotated_classes(function)
        default_bus().subscribe(function, classes, pattern, predicate, priority, weak)
        return function

    return subscribe


def _annotated_classes(function: Callable[..., Any]) -> list[type]:
    hints = typing.get_type_hints(function)
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    annotation = hints.get(names[0]) if names else None
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    classes = typing.get_args(annotation) if union else (annotation,)
    if not classes or not all(isinstance(cls, type) for cls in classes):
        raise TypeError(
            f"on: {function!r} has no event class as the annotation of its first parameter; "
            "name one: on(SomeEvent)"
        )
    return list(classes)


def track_state_transition(state_field: str = "state", emit_event: bool = True) -> Callable[[F], F]:
    """Emit a StateTransitionEvent when the decorated method has changed ``self.<state_field>``.

    The states are given as text, the reason is the method's name, the subject is ``self`` where it
    has an ``id`` or ``ecs_id``.
    """
    if not isinstance(state_field, str):
        raise TypeError(
            f"track_state_transition: argument 'state_field' is {state_field!r}, expected a str"
        )

    def decorate(method: F) -> F:
        def changed(self: Any, before: Any) -> tuple[EventBus, Any] | None:
            after = getattr(self, state_field, None)
            bus = default_bus()
            if (
                not emit_event
                or before == after
                or not bus._may_want(StateTransitionEvent, "state_transition", exact=True)
            ):
                return None
            try:
                return bus, _transition(self, method.__name__, str(before), str(after))
            except Exception as error:
                bus._dispatcher.report(f"track_state_transition of {_name(method)}", None, error)
                return None

        if is_async(method):

            @functools.wraps(method)
            async def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
                before = getattr(self, state_field, None)
                try:
                    return await method(self, *args, **kwargs)
                finally:
                    if (made := changed(self, before)) is not None:
                        await made[0].emit(made[1])
        else:

            @functools.wraps(method)
            def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
                before = getattr(self, state_field, None)
                try:
                    return method(self, *args, **kwargs)
                finally:
                    if (made := changed(self, before)) is not None:
                        made[0]._emit_decorated(made[1])

        return typing.cast(F, wrapper)

    return decorate


def _transition(subject: Any, reason: str, before: str, after: str) -> Any:
    event: StateTransitionEvent[Any] = StateTransitionEvent(
        from_state=before, to_state=after, transition_reason=reason
    )
    id_ = getattr(subject, "id", None) or getattr(subject, "ecs_id", None)
    if isinstance(id_, UUID):
        event.subject_type, event.subject_id = type(subject), id_
    parent = get_current_parent_event()
    link(event, parent, getattr(parent, "lineage_id", None))
    return event
