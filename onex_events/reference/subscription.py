"""Who wants which events: one subscription, and all those of a bus."""

import asyncio
import bisect
import functools
import inspect
import re
import threading
import weakref
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from onex_events.enums import EventPriority

if TYPE_CHECKING:
    from .bus import EventBus

__all__ = ["Subscription", "Subscriptions", "running_loop"]

Loop = asyncio.AbstractEventLoop


def running_loop() -> Loop | None:
    """The loop running in this thread, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def is_async(function: Any) -> bool:
    """Whether calling ``function`` (a function, partial or callable object) makes a coroutine."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - its method is looked at, not called
    )


class Subscription:
    """One handler and what it listens to, as ``EventBus.subscribe`` returns it.

    ``cancel()`` ends it, and so does leaving it as a context manager. ``active`` says whether it
    still listens; ``handler`` is None once a weakly held handler is gone.
    """

    def __init__(
        self,
        bus: "EventBus",
        handler: Callable[[Any], Any],
        event_types: tuple[type, ...] | None,
        pattern: re.Pattern[str] | None,
        predicate: Callable[[Any], bool] | None,
        priority: int,
        weak: bool,
    ) -> None:
        self.event_types = event_types
        self.pattern = pattern
        self.predicate = predicate
        self.priority = priority
        self.weak = weak
        self.active = True
        self.is_async = is_async(handler)
        self.name = _name_of(handler)
        # Where an async handler runs; None: on the bus's home loop.
        self.loop = running_loop() if self.is_async else None
        self._bus = weakref.ref(bus)
        self._handler: Callable[[], Any]
        if weak:
            make = weakref.WeakMethod if inspect.ismethod(handler) else weakref.ref
            self._handler = make(handler, self._handler_died)
        else:
            self._handler = lambda: handler

    @property
    def handler(self) -> Any:
        """The function or object that is called with each event."""
        return self._handler()

    def fits(self, event: Any) -> bool:
        """Whether class and type string are wanted; the predicate is not asked."""
        if self.event_types is not None and not isinstance(event, self.event_types):
            return False
        return self.pattern is None or self.pattern.match(event.type) is not None

    def may_fit(self, cls: type | None, type_name: str | None, exact: bool) -> bool:
        """Whether an event of ``cls`` (None: unknown; not ``exact``: or of a subclass) can fit.

        ``type_name`` is its type string, None when that is unknown.
        """
        if cls is not None and self.event_types is not None:
            candidates = [cls] if exact else [cls, *_subclasses(cls)]
            if not any(issubclass(c, self.event_types) for c in candidates):
                return False
        if exact and type_name is not None and self.pattern is not None:
            return self.pattern.match(type_name) is not None
        return True

    def cancel(self) -> None:
        """Stop listening; to do so again does nothing."""
        bus = self._bus()
        if bus is not None:
            bus.unsubscribe(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cancel()

    def __repr__(self) -> str:
        filters = {
            "event_types": self.event_types and [cls.__name__ for cls in self.event_types],
            "pattern": self.pattern and self.pattern.pattern,
            "predicate": self.predicate,
            "priority": self.priority,
        }
        given = ", ".join(f"{name}={value!r}" for name, value in filters.items() if value)
        return f"<Subscription {self.name} {given}{'' if self.active else ' (ended)'}>"

    def _handler_died(self, _: Any) -> None:
        self.cancel()


class Subscriptions:
    """All subscriptions of a bus, in the order in which their handlers run."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        # Replaced, never changed: whoever iterates over it does so undisturbed.
        self.all: tuple[Subscription, ...] = ()

    def add(self, subscription: Subscription) -> None:
        with self._lock:
            place = bisect.bisect_right([-one.priority for one in self.all], -subscription.priority)
            self.all = (*self.all[:place], subscription, *self.all[place:])

    def remove(self, subscription: Subscription) -> None:
        with self._lock:
            subscription.active = False
            self.all = tuple(one for one in self.all if one is not subscription)

    def matching(self, event: Any) -> list[Subscription]:
        """Those that want ``event``, their predicates still to be asked."""
        return [one for one in self.all if one.fits(event)]

    def may_match(self, cls: type | None, type_name: str | None, exact: bool) -> bool:
        """Whether one of them can want such an event: see ``Subscription.may_fit``."""
        return any(one.may_fit(cls, type_name, exact) for one in self.all)

    def by_type(self) -> dict[type, list[Subscription]]:
        """Those with ``event_types``, under each of their classes."""
        found: dict[type, list[Subscription]] = {}
        for one in self.all:
            for cls in one.event_types or ():
                found.setdefault(cls, []).append(one)
        return found

    def by_pattern(self) -> list[Subscription]:
        """Those with a pattern and no classes."""
        return [one for one in self.all if one.event_types is None and one.pattern is not None]

    def by_predicate(self) -> list[Subscription]:
        """Those with a predicate alone."""
        return [one for one in self.all if one.event_types is None and one.pattern is None]


def make_subscription(
    bus: "EventBus",
    handler: Any,
    event_types: Any,
    pattern: Any,
    predicate: Any,
    priority: Any,
    weak: Any,
) -> Subscription:
    """A checked Subscription: what is wrong raises TypeError or ValueError naming the argument."""
    if not callable(handler):
        raise TypeError(f"subscribe: argument 'handler' is {handler!r}, expected a callable")
    if event_types is None and pattern is None and predicate is None:
        raise ValueError(
            "subscribe: give at least one of 'event_types', 'pattern' and 'predicate' "
            "(event_types=Event takes every Event)"
        )
    if predicate is not None:
        if not callable(predicate) or isinstance(predicate, type):
            raise TypeError(
                f"subscribe: argument 'predicate' is {predicate!r}, expected a function"
            )
        if is_async(predicate):
            raise TypeError(
                f"subscribe: argument 'predicate' is the async {predicate!r}, expected a plain one"
            )
    if isinstance(priority, bool) or not isinstance(priority, (int, EventPriority)):
        raise TypeError(
            f"subscribe: argument 'priority' is {priority!r}, expected an EventPriority or an int"
        )
    return Subscription(
        bus,
        handler,
        None if event_types is None else _classes(event_types),
        None if pattern is None else _compiled(pattern),
        predicate,
        int(priority),
        bool(weak),
    )


def _classes(event_types: Any) -> tuple[type, ...]:
    if isinstance(event_types, type):
        return (event_types,)
    classes = tuple(event_types) if isinstance(event_types, Iterable) else (event_types,)
    if isinstance(event_types, str) or not all(isinstance(cls, type) for cls in classes):
        raise TypeError(
            f"subscribe: argument 'event_types' is {event_types!r}, "
            "expected an event class or a list of them"
        )
    if not classes:
        raise ValueError("subscribe: argument 'event_types' is empty, expected a class or a list")
    return tuple(dict.fromkeys(classes))


def _compiled(pattern: Any) -> re.Pattern[str]:
    if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
        return pattern
    if not isinstance(pattern, str):
        raise TypeError(
            f"subscribe: argument 'pattern' is {pattern!r}, expected a regular expression (str)"
        )
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"subscribe: argument 'pattern' is {pattern!r}, no regular expression: {error}"
        ) from error


def _name_of(handler: Any) -> str:
    while isinstance(handler, functools.partial):
        handler = handler.func
    named = handler if hasattr(handler, "__name__") else type(handler)
    return f"{named.__module__}.{named.__name__}"


def _subclasses(cls: type) -> set[type]:
    found: set[type] = set()
    new = [cls]
    while new:
        subclasses: list[type] = type.__subclasses__(new.pop())
        new += [one for one in subclasses if one not in found]
        found.update(subclasses)
    return found
