"""The bus on asyncio: subscribe, emit, look back (spec 1, section 2)."""

import asyncio
import atexit
import copy
import inspect
import os
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime
from types import CoroutineType, TracebackType
from typing import Any, Generic, Self, TypeVar

from onex_events.enums import EventPhase, EventPriority

from .context import EventContextManager
from .dispatch import Dispatcher, logger
from .events import Event
from .history import History
from .subscription import Subscription, Subscriptions, make_subscription, running_loop
from .turn import Watch, active_turn
from .waiting import check_timeout

__all__ = ["EventBus", "QueueFullError", "get_event_bus", "set_event_bus"]

E = TypeVar("E")

FOLLOWING = 10_000
"""How many events, emitted by the handlers, an `emit_sync` delivers besides its own."""


class QueueFullError(RuntimeError):
    """What a bounded queue raises when it is full. The queue of this bus is not bounded."""


class Emitted(Coroutine[Any, Any, E], Generic[E]):
    """What ``emit`` returns: passes for a coroutine that returns the event without suspending."""

    __slots__ = ("__weakref__", "_closed", "_event")

    cr_await = None
    cr_frame = None
    cr_origin = None
    cr_running = False
    cr_suspended = False

    def __init__(self, event: E) -> None:
        self._event = event
        self._closed = False

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return CoroutineType

    def __await__(self) -> Any:
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any, /) -> Any:
        self._close()
        raise StopIteration(self._event)

    def throw(self, *error: Any) -> Any:
        self._close()
        first = error[0]
        raise first if isinstance(first, BaseException) else first(*error[1:2])

    def close(self) -> None:
        self._closed = True

    def _close(self) -> None:
        if self._closed:
            raise RuntimeError("cannot reuse already awaited coroutine")
        self._closed = True


class EventBus:
    """Delivers events to their subscribers, in the order of emission, one event at a time.

    ``history_size``: events kept, with their indices (0: none). Options: ``lazy`` (whether a
    decorated function makes only events that somebody listens to; default: the environment's
    ``ONEX_EVENTS_LAZY``, else True), ``propagate_context`` (handlers run in a copy of the emitter's
    context), ``overflow_timeout`` (s for which ``emit_sync`` waits for other threads; None: for
    ever), ``exit_timeout`` (s for delivery at the end of a loop or of the program; default: the
    environment's ``ONEX_EVENTS_EXIT_TIMEOUT``, else 5).
    """

    def __init__(
        self,
        history_size: int = 10000,
        *,
        lazy: bool | None = None,
        propagate_context: bool = False,
        overflow_timeout: float | None = 1.0,
        exit_timeout: float | None = None,
    ) -> None:
        if isinstance(history_size, bool) or not isinstance(history_size, int):
            raise TypeError(
                f"EventBus: argument 'history_size' is {history_size!r}, expected an int"
            )
        if history_size < 0:
            raise ValueError(
                f"EventBus: argument 'history_size' is {history_size}, expected 0 or more"
            )
        self._subscriptions = Subscriptions()
        self._history = History(history_size)
        self._parents: dict[Any, Any] = {}  # those that wait for children, by both ids of each
        self._overflow_timeout = overflow_timeout
        self._records_all = not (_lazy_by_default() if lazy is None else lazy)
        self._processing = False
        self._dispatcher = Dispatcher(
            self._subscriptions,
            self._history,
            propagate_context,
            _exit_timeout() if exit_timeout is None else exit_timeout,
        )
        _dispatchers.add(self._dispatcher)

    # Life.

    async def start(self) -> None:
        """Deliver in the background of the running loop, which becomes the home loop."""
        self._begin()
        self._dispatcher.ensure_drain()

    async def stop(self) -> None:
        """Deliver what is queued, then rest; inside a handler it does not wait for that.

        The next emission starts the bus again.
        """
        if not self._is_inside_handler():
            await self.flush()
        self._processing = False

    async def flush(self, timeout: float | None = None) -> None:
        """Wait until all that was emitted before is handled; TimeoutError after ``timeout`` s."""
        check_timeout("flush", timeout)
        if self._is_inside_handler():
            raise RuntimeError("flush: called inside a handler of this bus, would wait for itself")
        number = self._dispatcher.emitted
        self._dispatcher.ensure_drain()
        self._dispatcher.yield_turns()
        if not await self._dispatcher.waiting.until(
            lambda: self._dispatcher.settled(number), timeout
        ):
            raise TimeoutError(f"flush: not all events were handled within {timeout} s")

    def flush_sync(self, timeout: float | None = None) -> None:
        """The same for a thread without a running loop, which delivers meanwhile."""
        check_timeout("flush_sync", timeout)
        if running_loop() is not None:
            raise RuntimeError("flush_sync: called on a running loop's thread; await flush()")
        if self._is_inside_handler():
            raise RuntimeError(
                "flush_sync: called inside a handler of this bus, would wait for itself"
            )
        number = self._dispatcher.emitted
        if not self._dispatcher.deliver(lambda: self._dispatcher.settled(number), timeout):
            self._dispatcher.ensure_drain()
            raise TimeoutError(f"flush_sync: not all events were handled within {timeout} s")

    def close(self) -> None:
        """Deliver what is queued, end all subscriptions and the threads.

        On a running loop the queue is left to ``stop`` and to the background.
        """
        if self._dispatcher.may_drain_here():
            self._dispatcher.close(self._dispatcher.loops.exit_timeout)
        for subscription in self._subscriptions.all:
            self._subscriptions.remove(subscription)
        self._records_all = self._processing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    # Who listens.

    def subscribe(
        self,
        handler: Callable[[Any], Any],
        event_types: type | Iterable[type] | None = None,
        pattern: str | None = None,
        predicate: Callable[[Any], bool] | None = None,
        priority: int = EventPriority.NORMAL,
        weak: bool = False,
    ) -> Subscription:
        """Call ``handler`` with each event that fits all filters given (at least one).

        ``event_types``: a class or several, subclasses included; ``pattern``: a regular expression
        matched at the start of ``event.type``; ``predicate``: asked with the event. Handlers of
        higher ``priority`` go first. ``weak`` holds the handler (or the method's object) weakly.
        Wrong arguments raise TypeError or ValueError.
        """
        subscription = make_subscription(
            self, handler, event_types, pattern, predicate, priority, weak
        )
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription; one that is unknown or has ended changes nothing."""
        if not isinstance(subscription, Subscription):
            raise TypeError(
                f"unsubscribe: argument 'subscription' is {subscription!r}, expected a Subscription"
            )
        if subscription in self._subscriptions.all:
            self._subscriptions.remove(subscription)

    def record(self, on: bool = True) -> None:
        """Whether history is a listener: all that decorated functions can emit is made."""
        self._records_all = bool(on)

    def has_subscribers_for(self, event_type: type, type_name: str | None = None) -> bool:
        """Whether an event of exactly that class, with that type string, can have a handler.

        ``type_name`` defaults to the type string that the class gives its events.
        """
        if not isinstance(event_type, type):
            raise TypeError(
                f"has_subscribers_for: argument 'event_type' is {event_type!r}, expected a class"
            )
        return self._subscriptions.may_match(
            event_type, type_name or type_name_of(event_type), exact=True
        )

    def _listens(self) -> bool:
        return bool(self._records_all or self._subscriptions.all or self._dispatcher.watches)

    def _may_want(self, cls: type | None, type_name: str | None, exact: bool) -> bool:
        """Whether a factory's event can have a listener: see ``Subscription.may_fit``."""
        return bool(
            self._records_all
            or self._dispatcher.watches
            or self._subscriptions.may_match(cls, type_name, exact)
        )

    @property
    def _type_subscriptions(self) -> dict[type, list[Subscription]]:
        return self._subscriptions.by_type()

    @property
    def _pattern_subscriptions(self) -> list[Subscription]:
        return self._subscriptions.by_pattern()

    @property
    def _predicate_subscriptions(self) -> list[Subscription]:
        return self._subscriptions.by_predicate()

    # Emission.

    def emit(self, event: E) -> Coroutine[Any, Any, E]:
        """Queue ``event``, at the call; ``await`` the answer to get it back."""
        check_event("emit", event)
        self._begin()
        self._dispatcher.post(event)
        return Emitted(event)

    def emit_sync(self, event: E) -> E:
        """Emit from plain code: delivered before it returns, where no loop runs.

        Inside a running loop, inside a handler and on the thread that is delivering the event is
        queued. For another thread that delivers, or a loop that runs there, it waits at most
        ``overflow_timeout``.
        """
        check_event("emit_sync", event)
        if not self._emit_here(event, self._overflow_timeout):
            logger.warning(
                "emit_sync: event %r is not handled after %s s, it stays queued",
                getattr(event, "type", None),
                self._overflow_timeout,
            )
        return event

    def _emit_decorated(self, event: Any) -> None:
        """For a sync decorated function: never waits for another thread or a program's loop."""
        check_event("emit_events", event)
        self._emit_here(event, 0.0)

    def _emit_here(self, event: Any, patience: float | None) -> bool:
        """``emit_sync`` that waits for others no longer than ``patience`` s; False: in vain."""
        self._begin()
        if not self._dispatcher.may_drain_here():
            self._dispatcher.post(event)
            return True
        delivery = self._dispatcher.enqueue(event)
        if self._dispatcher.deliver(lambda: delivery.handled, patience, FOLLOWING):
            return True
        self._dispatcher.ensure_drain()
        return False

    def _begin(self) -> None:
        self._processing = True
        home = self._dispatcher.loops.home
        if home is None or home.is_closed():
            self._dispatcher.loops.adopt(running_loop())

    def _is_inside_handler(self) -> bool:
        turn = active_turn()
        while turn is not None:
            if turn.home is self._dispatcher:
                return True
            turn = turn.outer
        return False

    async def emit_and_wait(self, event: Any, timeout: float | None = None) -> list[Any]:
        """Emit, wait until the event and all that descends from it is handled.

        Returns the other events with its id as parent or of its lineage; after ``timeout`` seconds
        what there is by then.
        """
        check_event("emit_and_wait", event)
        check_timeout("emit_and_wait", timeout)
        watch = Watch(event)
        dispatcher = self._dispatcher
        with dispatcher.lock:
            dispatcher.watches = (*dispatcher.watches, watch)
        try:
            await self.emit(event)
            dispatcher.yield_turns()
            await dispatcher.waiting.until(lambda: not watch.outstanding, timeout)
        finally:
            with dispatcher.lock:
                dispatcher.watches = tuple(one for one in dispatcher.watches if one is not watch)
        return list(watch.events)

    async def emit_with_children(
        self, parent_event: E, child_generators: Iterable[Callable[[], Any]]
    ) -> E:
        """Emit the parent as STARTED, run the generators at once, emit their events as children.

        Each generator is a function without arguments, async or not, that returns one event; one
        that raises counts as a failed child, for which an event ``child_failure`` is emitted. The
        parent is then emitted, and returned, as COMPLETED, or as FAILED with the number of errors.
        """
        parent: Any = parent_event
        self._accept_parent(parent)
        generators = list(child_generators) if isinstance(child_generators, Iterable) else []
        if not isinstance(child_generators, Iterable) or not all(map(callable, generators)):
            raise TypeError(
                f"emit_with_children: argument 'child_generators' is {child_generators!r}, "
                "expected functions without arguments"
            )
        started = parent.evolve(phase=EventPhase.STARTED, pending_children=len(generators))
        ids = (started.id, parent.id)
        self._parents.update(dict.fromkeys(ids, started))
        try:
            await self.emit(started)
            with EventContextManager(started):
                children = await asyncio.gather(
                    *(self._emit_child(started, generator) for generator in generators)
                )
        finally:
            for id_ in ids:
                self._parents.pop(id_, None)
            self._dispatcher.waiting.changed()
        failed = sum(not succeeded for _, succeeded in children)
        result: Any = started.evolve(
            phase=EventPhase.FAILED if failed else EventPhase.COMPLETED,
            error=f"Failed with {failed} child errors" if failed else None,
            pending_children=0,
            completed_children=len(children) - failed,
            failed_children=failed,
            children_ids=[child.id for child, _ in children],
        )
        await self.emit(result)
        return result  # type: ignore[no-any-return]

    def _accept_parent(self, parent: Any) -> None:
        if isinstance(parent, type) or not callable(getattr(parent, "evolve", None)):
            raise TypeError(
                f"emit_with_children: argument 'parent_event' is {parent!r}, expected an Event"
            )

    async def _emit_child(self, parent: Any, generator: Callable[[], Any]) -> tuple[Any, bool]:
        succeeded = True
        try:
            child = generator()
            if inspect.isawaitable(child):
                child = await child
            if isinstance(child, type) or not hasattr(child, "parent_id"):
                raise TypeError(f"{generator!r} returned {child!r}, expected an event")
        except Exception as error:
            succeeded = False
            child = Event[Any](type="child_failure", phase=EventPhase.FAILED, error=str(error))
        child.parent_id = parent.id
        child.root_id = parent.root_id or parent.id
        await self.emit(child)
        return child, succeeded

    async def wait_for_children(self, parent_id: Any, timeout: float | None = None) -> None:
        """Wait until the children of a parent have all ended; at once if it is not known.

        After ``timeout`` seconds the parent is emitted in phase TIMEOUT, and asyncio.TimeoutError
        raised.
        """
        check_timeout("wait_for_children", timeout)
        parent = self._parents.get(parent_id)
        if parent is None:
            return
        self._dispatcher.yield_turns()
        if not await self._dispatcher.waiting.until(
            lambda: self._parents.get(parent_id) is not parent, timeout
        ):
            await self.emit(parent.evolve(phase=EventPhase.TIMEOUT))
            raise TimeoutError(
                f"wait_for_children: the children of {parent_id} did not end within {timeout} s"
            )

    # Looking back.

    def get_history(
        self,
        limit: int | None = None,
        event_type: type | str | None = None,
        since: datetime | None = None,
    ) -> list[Any]:
        """Deep copies of the events kept, the oldest first; ``limit``: the newest so many.

        ``event_type``: a class (subclasses included) or a type string; ``since``: a time; a naive
        one, here or in an event, is taken for UTC.
        """
        if limit is not None:
            if isinstance(limit, bool) or not isinstance(limit, int):
                raise TypeError(f"get_history: argument 'limit' is {limit!r}, expected an int")
            if limit < 0:
                raise ValueError(f"get_history: argument 'limit' is {limit}, expected 0 or more")
        events = self._history.events()
        if isinstance(event_type, type):
            events = [event for event in events if isinstance(event, event_type)]
        elif isinstance(event_type, str):
            events = [event for event in events if event.type == event_type]
        elif event_type is not None:
            raise TypeError(
                f"get_history: argument 'event_type' is {event_type!r}, "
                "expected an event class or a type string"
            )
        if since is not None:
            if not isinstance(since, datetime):
                raise TypeError(f"get_history: argument 'since' is {since!r}, expected a datetime")
            begin = _aware(since)
            events = [event for event in events if _aware(event.timestamp) >= begin]
        if limit is not None:
            events = events[max(len(events) - limit, 0) :]
        return [copy.deepcopy(event) for event in events]

    def get_event_by_id(self, id: Any) -> Any:
        """A deep copy of the event of that id, or None."""
        return copy.deepcopy(self._history.find(id))

    def get_children(self, parent_id: Any) -> list[Any]:
        """Deep copies of the events with that parent, the oldest first."""
        return [copy.deepcopy(event) for event in self._history.children(parent_id)]

    def get_siblings(self, event_id: Any) -> list[Any]:
        """Deep copies of the events of the same parent, itself included.

        An event without a parent is alone; an unknown one has none.
        """
        return [copy.deepcopy(event) for event in self._history.siblings(event_id)]

    def get_statistics(self) -> dict[str, Any]:
        """Figures of now; times in ms.

        emitted = handled + sum(dropped) + queue_size + in_flight at every moment.
        """
        dispatcher = self._dispatcher
        times = dict(dispatcher.handler_times)
        with dispatcher.lock:
            return {
                "total_events": self._history.total,
                "event_counts": dict(self._history.counts),
                "pending_parents": len({id(parent) for parent in self._parents.values()}),
                "history_size": len(self._history),
                "queue_size": len(dispatcher.queue),
                "processing": self._processing,
                "subscriptions": {
                    "type_based": sum(map(len, self._type_subscriptions.values())),
                    "pattern_based": len(self._pattern_subscriptions),
                    "predicate_based": len(self._predicate_subscriptions),
                },
                "emitted": dispatcher.emitted,
                "handled": dispatcher.handled,
                "dropped": dict(dispatcher.dropped),
                "in_flight": len(dispatcher.in_flight),
                "handler_errors": dispatcher.handler_errors,
                "handler_stats": {
                    name: {
                        "count": count,
                        "avg_ms": total / count,
                        "max_ms": longest,
                        "min_ms": shortest,
                    }
                    for name, (count, total, longest, shortest) in times.items()
                },
            }


def check_event(function: str, event: Any) -> None:
    """TypeError unless ``event`` is one: any object with an id and a type."""
    if isinstance(event, type) or not (hasattr(event, "id") and hasattr(event, "type")):
        raise TypeError(
            f"{function}: argument 'event' is {event!r}, expected an event "
            "(an object with id and type)"
        )


def type_name_of(cls: type) -> str | None:
    """The type string that an event class gives its events, None when it gives none."""
    field = getattr(cls, "model_fields", {}).get("type")
    name = getattr(field, "default", None)
    return name if isinstance(name, str) else None


def _aware(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def _lazy_by_default() -> bool:
    value = os.environ.get("ONEX_EVENTS_LAZY", "1")
    if value not in ("0", "1"):
        raise ValueError(f"environment variable ONEX_EVENTS_LAZY is {value!r}, expected 0 or 1")
    return value == "1"


def _exit_timeout() -> float:
    value = os.environ.get("ONEX_EVENTS_EXIT_TIMEOUT", "5")
    try:
        return max(0.0, float(value))
    except ValueError:
        raise ValueError(
            f"environment variable ONEX_EVENTS_EXIT_TIMEOUT is {value!r}, expected seconds"
        ) from None


_default_lock = threading.RLock()
_default: EventBus | None = None


def default_bus() -> EventBus:
    """The process's default bus, made at first use; it is not started."""
    global _default
    if _default is None:
        with _default_lock:
            if _default is None:
                _default = EventBus()
    return _default


def get_event_bus() -> EventBus:
    """The process's default bus; inside a running loop it is started there."""
    bus = default_bus()
    if running_loop() is not None:
        bus._begin()
    return bus


def set_event_bus(bus: EventBus) -> None:
    """Make ``bus`` the process's default bus."""
    global _default
    if not isinstance(bus, EventBus):
        raise TypeError(f"set_event_bus: argument 'bus' is {bus!r}, expected an EventBus")
    with _default_lock:
        _default = bus


_dispatchers: weakref.WeakSet[Dispatcher] = weakref.WeakSet()


@atexit.register
def _deliver_at_exit() -> None:
    """Deliver what is queued, and say in one line what could not be."""
    for dispatcher in list(_dispatchers):
        dispatcher.loops.finish(dispatcher.loops.exit_timeout)
        dispatcher.close(dispatcher.loops.exit_timeout)
        left = len(dispatcher.queue) + len(dispatcher.in_flight)
        if left:
            print(
                f"onex_events: {left} events were not delivered within "
                f"{dispatcher.loops.exit_timeout} s at exit",
                file=sys.stderr,
            )
