"""The event bus: subscribe, emit, and what waits for it.

Queueing, matching, delivery, history and accounting are in C (`onex_events._core`);
which loop or thread delivers is `onex_events.drain`'s.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
import weakref
from datetime import UTC
from typing import TYPE_CHECKING, Any, Literal

from onex_events import _core
from onex_events._core import HandlerStats, QueueFullError, Subscription
from onex_events.arguments import (
    brief,
    check_datetime,
    checked_filters,
    checked_id,
    default_type,
    env_lazy,
    env_seconds,
    env_whole,
    handler_name,
    held_weakly,
    is_async_callable,
    seconds,
    shown,
    size,
    whole,
)
from onex_events.bus_core import BusCore
from onex_events.enums import EventPhase, EventPriority

if TYPE_CHECKING:
    import re
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from datetime import datetime
    from types import TracebackType
    from uuid import UUID

    from onex_events.waiting import Signal

__all__ = [
    "EventBus",
    "QueueFullError",
    "Subscription",
    "get_event_bus",
    "set_event_bus",
]

OVERFLOW = ("block", "drop_newest", "drop_oldest", "raise")


class EventBus(BusCore):
    """Delivers events to subscribers, in order, and keeps the last of them.

    Parameters
    ----------
    history_size:
        Events kept, with their indices by id and parent (0: none).
    max_queue_size:
        Events that may wait for delivery (default 10000, or ``ONEX_EVENT_QUEUE_SIZE``).
    overflow:
        What `emit` does when the queue is full: ``"block"`` (threads wait, ``await
        emit`` suspends), ``"drop_newest"``, ``"drop_oldest"`` or ``"raise"``
        (`QueueFullError`).  Every drop is counted and logged.
    overflow_timeout:
        Seconds a wait for room may last before the event is dropped; None: for ever.
    exit_timeout:
        Seconds that delivering the rest may take when the interpreter or an event loop
        ends (default 5, or ``ONEX_EVENTS_EXIT_TIMEOUT``).
    propagate_context:
        Run handlers in a copy of the emitter's context instead of an empty one.
    lazy:
        False: decorated functions make their events whether or not anyone listens,
        for the history (default True, or ``ONEX_EVENTS_LAZY``).

    Raises TypeError or ValueError for a wrong argument or environment value.
    Source: spec 1, section 2.
    """

    def __init__(
        self,
        history_size: int = 10000,
        *,
        max_queue_size: int | None = None,
        overflow: Literal["block", "drop_newest", "drop_oldest", "raise"] = "block",
        overflow_timeout: float | None = 1.0,
        exit_timeout: float | None = None,
        propagate_context: bool = False,
        lazy: bool | None = None,
    ) -> None:
        history_size = size("history_size", history_size, 0)
        if max_queue_size is None:
            max_queue_size = env_whole("ONEX_EVENT_QUEUE_SIZE", 10000, 1)
        max_queue_size = size("max_queue_size", max_queue_size, 1)
        if overflow not in OVERFLOW:
            raise ValueError(f"overflow must be one of {', '.join(OVERFLOW)}, not {overflow!r}")
        if overflow_timeout is not None:
            overflow_timeout = seconds("overflow_timeout", overflow_timeout)
        if exit_timeout is None:
            exit_timeout = env_seconds("ONEX_EVENTS_EXIT_TIMEOUT", 5.0)
        if lazy is None:
            lazy = env_lazy()
        self._configure(history_size, max_queue_size, OVERFLOW.index(overflow), propagate_context)
        self.history_size = history_size
        self.max_queue_size = max_queue_size
        self.overflow = overflow
        self.overflow_timeout = overflow_timeout
        self.exit_timeout = seconds("exit_timeout", exit_timeout)
        self._record_all = not lazy
        self._started = False
        self._made = time.monotonic()
        self._stats: dict[str, HandlerStats] = {}
        self._pending_parents: dict[UUID, tuple[Signal, Any]] = {}  # by both ids of each
        self._forwarded: dict[UUID, frozenset[int]] = {}
        self._wanted_memo: dict[Any, bool] = {}
        self._wanted_generation = -1
        self._reset()
        self._interest_changed()
        watch_process()
        buses.add(self)

    # --- life ------------------------------------------------------------------

    async def start(self) -> None:
        """Make the running loop the home loop: async handlers without a loop run there."""
        check_open(self, "start")
        self._adopt_running_loop()
        self._started = True

    async def stop(self) -> None:
        """Deliver what is queued; inside a handler, without waiting for it.

        The next emission starts the bus again.
        """
        if self._in_handler() != 2:
            await self.flush()
        self._started = False
        self._home = None

    def start_background(self) -> None:
        """Deliver in a background thread from now on: `emit_sync` queues and returns."""
        check_open(self, "start_background")
        self._background = True
        self._get_drain().get_worker()
        self._resume()

    def close(self, timeout: float | None = None) -> None:
        """Deliver what is queued, detach the listeners and end; emitting raises then.

        Waits at most `timeout` seconds (default: `exit_timeout`), and not at all inside
        a handler or on a running loop's thread, where the delivery goes on behind it.
        """
        from onex_events.drain import running_loop

        if self._closed:
            return
        limit = self.exit_timeout if timeout is None else seconds("timeout", timeout)
        waits = running_loop() is None and self._in_handler() != 2
        if waits:
            try:
                self.flush_sync(limit)
            except TimeoutError:
                self._log("close: %d events were not delivered within %g s", self._open(), limit)
        for listener in list(self._listeners):
            self.detach(listener)
        for subscription in list(self._subs):
            self._remove(subscription)
        self._closed = True
        self._background = False
        self._interest_changed()
        self._report_drops(force=True)
        if self._drain is not None:
            if waits:
                self._drain.close()
            else:
                self._drain.dismiss()

    def __enter__(self) -> EventBus:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> EventBus:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._in_handler() != 2:
            await self.flush(self.exit_timeout)
        self.close()

    def record(self, on: bool = True) -> None:
        """Make the history a listener, so that decorated functions make every event."""
        self._record_all = bool(on)
        self._interest_changed()

    # --- subscriptions -------------------------------------------------------------

    def subscribe(
        self,
        handler: Callable[[Any], Any],
        event_types: type | Iterable[type] | None = None,
        pattern: str | re.Pattern[str] | None = None,
        predicate: Callable[[Any], Any] | None = None,
        priority: int = EventPriority.NORMAL,
        weak: bool = False,
        *,
        timeout: float | None = None,
        concurrency: int | None = None,
        ordered_by: str | None = None,
    ) -> Subscription:
        """Call `handler` with every event that matches all the filters given.

        Parameters
        ----------
        handler:
            A function or callable object, sync or async, taking the event.
        event_types:
            One class or several; events of subclasses match.
        pattern:
            Regular expression, matched at the start of ``event.type``.
        predicate:
            Called with the event; true: it matches.
        priority:
            Handlers of one event run in descending order of it.
        weak:
            Hold the handler weakly: the subscription ends when nobody else holds it.
        timeout:
            Seconds one call may take.  An async handler is cancelled then; a sync one,
            which can't be, is counted and logged when it is over.
        concurrency:
            Up to this many events of the subscription at once (default: one by one, in
            order, before the events behind it).
        ordered_by:
            With `concurrency`: events whose field of this name has the same value stay
            in order.

        Raises TypeError or ValueError naming the wrong argument; ValueError when none
        of the three filters is given.
        """
        if event_types is None and pattern is None and predicate is None:
            raise ValueError("subscribe: give at least one of event_types, pattern and predicate")
        return self._subscribe(
            handler,
            event_types,
            pattern,
            predicate,
            priority,
            weak,
            timeout,
            concurrency,
            ordered_by,
        )

    def _subscribe(
        self,
        handler: Callable[[Any], Any],
        event_types: Any = None,
        pattern: Any = None,
        predicate: Any = None,
        priority: int = EventPriority.NORMAL,
        weak: bool = False,
        timeout: float | None = None,
        concurrency: int | None = None,
        ordered_by: str | None = None,
        internal: bool = False,
    ) -> Subscription:
        from onex_events.drain import running_loop

        check_open(self, "subscribe")
        if not callable(handler):
            raise TypeError(f"subscribe: handler must be callable, not {shown(handler)}")
        if isinstance(priority, bool) or not isinstance(priority, int):
            raise TypeError(
                f"subscribe: priority must be an EventPriority or an int, not {shown(priority)}"
            )
        if not -(2**31) <= priority < 2**31:
            raise ValueError(f"subscribe: priority must fit 32 bits, not {brief(priority)}")
        types, regex, wanted = checked_filters("subscribe", event_types, pattern, predicate)
        if timeout is not None:
            timeout = seconds("subscribe: timeout", timeout)
        if concurrency is not None:
            concurrency = size("subscribe: concurrency", concurrency, 1)
        if ordered_by is not None:
            if not isinstance(ordered_by, str):
                raise TypeError(
                    f"subscribe: ordered_by must be a field's name, not {shown(ordered_by)}"
                )
            if concurrency is None:
                raise ValueError(
                    "subscribe: ordered_by needs concurrency; without it all is in order"
                )
        lanes = None
        if concurrency is not None:
            from onex_events.lanes import Lanes

            lanes = Lanes(concurrency, ordered_by, self.max_queue_size)
        loop = None if internal else running_loop()
        if loop is not None:
            drain = self._get_drain()
            if loop is drain.own_loop:
                loop = None
            else:
                drain.bid_farewell(loop)
        name = handler_name(handler)
        subscription = Subscription(
            self,
            held_weakly(handler, holder := []) if weak else handler,
            types,
            regex,
            wanted,
            int(priority),
            weak=weak,
            is_async=is_async_callable(handler),
            loop=loop,
            name=name,
            stats=None if internal else self._stats.setdefault(name, HandlerStats()),
            timeout=timeout,
            concurrency=concurrency or 0,
            ordered_by=ordered_by,
            lanes=lanes,
            internal=internal,
        )
        if weak:
            holder.append(weakref.ref(subscription))
        self._add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription; unknown or ended ones are no error."""
        if not isinstance(subscription, Subscription):
            raise TypeError(
                f"unsubscribe: subscription must be a Subscription, not {shown(subscription)}"
            )
        if subscription.bus is self:
            self._remove(subscription)

    def has_subscribers_for(self, event_type: type, type_name: str | None = None) -> bool:
        """Would an event of exactly this class be delivered to anyone?

        `type_name` is its type string (default: the class's own).  A predicate counts
        as a yes.  O(1) after the first question about a class.
        """
        if not isinstance(event_type, type):
            raise TypeError(
                f"has_subscribers_for: event_type must be a class, not {shown(event_type)}"
            )
        if type_name is not None and not isinstance(type_name, str):
            raise TypeError(f"has_subscribers_for: type_name must be a str, not {shown(type_name)}")
        if self._wanted_generation != self._generation:
            self._wanted_memo.clear()
            self._wanted_generation = self._generation
        key = (event_type, type_name)
        wanted = self._wanted_memo.get(key)
        if wanted is None:
            name = default_type(event_type) if type_name is None else type_name
            wanted = self._interest(event_type, name, True, False) != 0
            self._wanted_memo[key] = wanted
        return wanted

    @property
    def _type_subscriptions(self) -> dict[type, list[Subscription]]:
        """Subscriptions with event types, by class."""
        view: dict[type, list[Subscription]] = {}
        for sub in self._public_subscriptions():
            for cls in sub.event_types or ():
                view.setdefault(cls, []).append(sub)
        return view

    @property
    def _pattern_subscriptions(self) -> list[Subscription]:
        """Subscriptions with a pattern and no event types."""
        return [
            s
            for s in self._public_subscriptions()
            if s.event_types is None and s.pattern is not None
        ]

    @property
    def _predicate_subscriptions(self) -> list[Subscription]:
        """Subscriptions with a predicate only."""
        return [
            s for s in self._public_subscriptions() if s.event_types is None and s.pattern is None
        ]

    def _public_subscriptions(self) -> list[Subscription]:
        return [s for s in list(self._subs) if s.active and not s._internal]

    # --- listeners -----------------------------------------------------------------

    def attach(self, listener: Any) -> None:
        """Give every event to ``listener.accept(events)``, in order, in runs.

        `accept` is called by whoever delivers and must not block; what it raises is
        counted and logged.  ``listener.filter`` (classes, a pattern or a predicate; may
        be absent) limits what it gets; ``listener.flush(timeout)``, where there is one,
        is called by `detach` and `close`.
        """
        check_open(self, "attach")
        if not callable(getattr(listener, "accept", None)):
            raise TypeError(
                f"attach: listener must have accept(events), {shown(listener)} has none"
            )
        if any(known is listener for known in self._listeners):
            raise ValueError(f"attach: {listener!r} is attached already")
        wanted = getattr(listener, "filter", None)
        if wanted is not None:
            if isinstance(wanted, str) or hasattr(wanted, "match"):
                filters = checked_filters("attach", None, wanted, None)
            elif isinstance(wanted, type | list | tuple | set | frozenset):
                filters = checked_filters("attach", wanted, None, None)
            else:
                filters = checked_filters("attach", None, None, wanted)
            self._filters.append(
                Subscription(
                    self,
                    listener,
                    *filters,
                    0,
                    weak=False,
                    is_async=False,
                    loop=None,
                    name=handler_name(listener),
                    stats=None,
                    timeout=None,
                    concurrency=0,
                    ordered_by=None,
                    lanes=None,
                    internal=True,
                )
            )
            self._filters[-1]._enable()
        self._listeners.append(listener)
        self._interest_changed()

    def detach(self, listener: Any) -> None:
        """End `attach`, flushing the listener first; one that is not attached is no error."""
        if not any(known is listener for known in self._listeners):
            return
        if self._in_handler() != 2:
            from onex_events.drain import running_loop

            if running_loop() is None:
                try:
                    self.flush_sync(self.exit_timeout)
                except TimeoutError:
                    self._log("detach: not everything was delivered within %g s", self.exit_timeout)
        self._listeners[:] = [known for known in self._listeners if known is not listener]
        self._filters[:] = [sub for sub in self._filters if sub.handler is not listener]
        self._interest_changed()
        flush = getattr(listener, "flush", None)
        if callable(flush):
            try:
                flush(self.exit_timeout)
            except Exception as error:
                self._handler_errors += 1
                self._report("flush of a listener failed", listener, error)

    def _accept(self, events: list[Any]) -> None:
        """Called from C: what was delivered since the last run."""
        filters = {id(sub.handler): sub for sub in self._filters}
        interrupt: BaseException | None = None
        for listener in list(self._listeners):
            try:
                sub = filters.get(id(listener))
                wanted = events if sub is None else [e for e in events if self._wanted(sub, e)]
                if wanted:
                    listener.accept(list(wanted))
            except BaseException as error:
                self._handler_errors += 1
                self._report("a listener raised", listener, error)
                if isinstance(error, KeyboardInterrupt | SystemExit):
                    interrupt = error  # the others get theirs first
        if interrupt is not None:
            raise interrupt

    # --- history ---------------------------------------------------------------------

    def get_history(
        self,
        limit: int | None = None,
        event_type: type | str | None = None,
        since: datetime | None = None,
    ) -> list[Any]:
        """Copies of the events kept, oldest first.

        `limit`: the newest so many; `event_type`: a class, or a type string; `since`:
        with this timestamp or a later one.
        """
        if limit is not None:
            limit = whole("get_history: limit", limit, 0)
        if event_type is not None and not isinstance(event_type, type | str):
            raise TypeError(
                f"get_history: event_type must be a class or a type string, not {shown(event_type)}"
            )
        if since is not None:
            check_datetime("get_history: since", since)
        if event_type is None and since is None:
            newest = -1 if limit is None else min(limit, sys.maxsize)
            return [copied(event) for event in self._history_list(newest)]
        found = [
            event
            for event in self._history_list(-1)
            if of_type(event, event_type) and (since is None or not_before(event, since))
        ]
        if limit is not None:
            found = found[len(found) - limit :] if limit < len(found) else found
        return [copied(event) for event in found]

    def get_event_by_id(self, id: UUID) -> Any:
        """A copy of the event with this id, or None when it is not kept (any longer)."""
        event = self._history_find(checked_id("get_event_by_id: id", id))
        return None if event is None else copied(event)

    def get_children(self, parent_id: UUID) -> list[Any]:
        """Copies of the events kept whose parent_id this is, oldest first."""
        children = self._history_children(checked_id("get_children: parent_id", parent_id))
        return [copied(event) for event in children]

    def get_siblings(self, event_id: UUID) -> list[Any]:
        """Copies of the events with the same parent, the event itself among them.

        An event without a parent: itself alone; an unknown one: nothing.
        """
        event = self._history_find(checked_id("get_siblings: event_id", event_id))
        if event is None:
            return []
        parent_id = getattr(event, "parent_id", None)
        return [copied(event)] if parent_id is None else self.get_children(parent_id)

    def filter(
        self,
        cls_or_pattern: type | str | re.Pattern[str] | None = None,
        where: Callable[[Any], Any] | None = None,
        child_of: Any = None,
        past: bool | float = True,
        limit: int | None = None,
    ) -> list[Any]:
        """Copies of all events in the history that match, oldest first.

        The filters are those of `find`; `limit`: the newest so many.
        """
        from onex_events.waiting import Query

        query = Query(self, "filter", cls_or_pattern, where, child_of)
        if limit is not None:
            limit = whole("filter: limit", limit, 0)
        found = list(query.in_history(past))
        if limit is not None:
            found = found[:limit]
        return [copied(event) for event in reversed(found)]

    def tree(self, root_id: UUID) -> str:
        """Draw a lineage from the history: phases, durations, errors, by indentation."""
        from onex_events.tree import draw

        checked_id("tree: root_id", root_id)
        return draw(self, root_id)

    # --- waiting -----------------------------------------------------------------------

    async def flush(self, timeout: float | None = None) -> None:
        """Wait until all that was emitted before is handled.

        Raises TimeoutError after `timeout` seconds; RuntimeError inside a handler of
        this bus, which would wait for itself.
        """
        limit = None if timeout is None else seconds("flush: timeout", timeout)
        self._refuse_in_handler("flush")
        await self._until_settled(self._tail, limit, "flush")

    def flush_sync(self, timeout: float | None = None) -> None:
        """The same, blocking this thread; RuntimeError also on a running loop's thread."""
        from onex_events.drain import running_loop

        limit = None if timeout is None else seconds("flush_sync: timeout", timeout)
        self._refuse_in_handler("flush_sync")
        if running_loop() is not None:
            raise RuntimeError(
                "flush_sync on the thread of a running event loop would block what it waits "
                "for; use: await bus.flush()"
            )
        target = self._tail
        if self._is_settled(target):
            return
        signal = self._settled_signal(target)
        try:
            if limit is not None or self._background:
                self._resume()
            elif token := self._take():
                self._get_drain().on_caller(token, target - 1)
            if not signal.wait(limit):
                raise TimeoutError(
                    f"flush_sync: {self._open()} events were not handled within {limit:g} s"
                )
        finally:
            self._forget_signal(signal)

    def expect(
        self,
        event_class: type | str | re.Pattern[str],
        predicate: Callable[[Any], Any] | None = None,
        timeout: float | None = None,
    ) -> Awaitable[Any]:
        """The next event of a class that is delivered; armed at the call.

        Raises TimeoutError after `timeout` seconds.
        """
        from onex_events.waiting import Query

        limit = None if timeout is None else seconds("expect: timeout", timeout)
        query = Query(self, "expect", event_class, predicate, None)
        return query.next_event(limit, TimeoutError)

    def find(
        self,
        cls_or_pattern: type | str | re.Pattern[str] | None = None,
        where: Callable[[Any], Any] | None = None,
        child_of: Any = None,
        past: bool | float = True,
        future: bool | float = False,
    ) -> Awaitable[Any]:
        """The newest match in the history, else the next one to come, else None.

        `past`: False, True (all that is kept), or the last so many seconds; `future`:
        False, True (for ever), or so many seconds.  `child_of`: an event or its id.
        Armed at the call.
        """
        from onex_events.waiting import Query

        query = Query(self, "find", cls_or_pattern, where, child_of)
        return query.find(past, future)

    def collect(
        self, event: Any, timeout: float | None = None
    ) -> Awaitable[dict[Subscription, Any]]:
        """Emit, and return ``{subscription: value or exception}`` when its handlers are done.

        Raises TimeoutError after `timeout` seconds.
        """
        from onex_events.waiting import Receipt, within

        limit = None if timeout is None else seconds("collect: timeout", timeout)
        receipt = Receipt()
        emitted = self._emit_tracked(event, receipt)

        async def collected() -> dict[Subscription, Any]:
            await emitted
            self._resume()
            self._yield_turn()
            await within(receipt, limit, "collect: the handlers are not done")
            return receipt.values

        return collected()

    async def emit_and_wait(self, event: Any, timeout: float | None = None) -> list[Any]:
        """Emit and wait until the event and all that descends from it is handled.

        Returns the events with its id as parent, or of its lineage, without the event
        itself; after `timeout` seconds, those there are.
        """
        from onex_events.arguments import check_event
        from onex_events.descent import Descent, Descents
        from onex_events.waiting import within

        check_event("emit_and_wait: event", event)
        limit = None if timeout is None else seconds("emit_and_wait: timeout", timeout)
        descents = self._descents
        if descents is None:
            descents = self._descents = Descents(self)
        descent = Descent(event)
        descents.add(descent)
        try:
            await self.emit(event)
            if not descent.open:  # handled already, or dropped
                descent.set()
            self._resume()
            self._yield_turn()
            try:
                await within(descent, limit, "")
            except TimeoutError:
                pass
        finally:
            descents.remove(descent)
        return descent.related()

    # --- parents and children --------------------------------------------------------------

    async def emit_with_children(
        self, parent_event: Any, child_generators: Sequence[Callable[[], Any]]
    ) -> Any:
        """Emit a parent, the events that the generators make, and the parent's end.

        The parent is emitted as STARTED with ``pending_children``; the generators
        (functions without arguments, sync or async, each returning one event) run
        concurrently; each child is linked and emitted; one that raises gives an event of
        type ``child_failure``.  Returns the parent as COMPLETED, or as FAILED with
        ``error="Failed with N child errors"``, with the counts and ``children_ids``.
        """
        from onex_events.children import emit_with_children

        return await emit_with_children(self, parent_event, child_generators)

    async def wait_for_children(self, parent_id: UUID, timeout: float | None = None) -> None:
        """Wait until `emit_with_children` of this parent is over; unknown: return at once.

        After `timeout` seconds the parent is emitted with phase TIMEOUT and
        asyncio.TimeoutError raised.
        """
        checked_id("wait_for_children: parent_id", parent_id)
        limit = None if timeout is None else seconds("wait_for_children: timeout", timeout)
        pending = self._pending_parents.get(parent_id)
        if pending is None:
            return
        from onex_events.waiting import within

        over, parent = pending
        self._yield_turn()
        try:
            await within(over, limit, f"the children of {parent_id} are not done")
        except TimeoutError as error:
            await self.emit(parent.evolve(phase=EventPhase.TIMEOUT, error=str(error)))
            raise

    def forward(
        self,
        to: EventBus,
        event_types: type | Iterable[type] | None = None,
        pattern: str | re.Pattern[str] | None = None,
        predicate: Callable[[Any], Any] | None = None,
        priority: int = EventPriority.NORMAL,
    ) -> Subscription:
        """Emit what is delivered here on another bus too (no filter: everything).

        An event never reaches a bus twice this way, however buses forward to each other.
        """
        if not isinstance(to, EventBus):
            raise TypeError(f"forward: to must be an EventBus, not {shown(to)}")
        if to is self:
            raise ValueError("forward: to must be another bus")

        def pass_on(event: Any) -> None:
            seen = self._forwarded.get(event.id, frozenset((id(self),)))
            if id(to) in seen or to._closed:
                return
            while len(to._forwarded) >= 10000:
                del to._forwarded[next(iter(to._forwarded))]
            to._forwarded[event.id] = seen | {id(to)}
            to._emit_queued(event)

        return self._subscribe(pass_on, event_types, pattern, predicate, priority, internal=True)

    # --- figures -----------------------------------------------------------------------

    def get_statistics(self) -> dict[str, Any]:
        """Counts, sizes and times; ``emitted == handled + sum(dropped) + queue_size +
        in_flight`` at every moment."""
        counts = self._event_counts()
        subs = self._public_subscriptions()
        types = sum(1 for s in subs if s.event_types is not None)
        patterns = sum(1 for s in subs if s.event_types is None and s.pattern is not None)
        return {
            "total_events": sum(counts.values()),
            "event_counts": counts,
            "pending_parents": len({id(over) for over, _ in self._pending_parents.values()}),
            "history_size": self._history_size,
            "processing": self._started or self._token != 0,
            "subscriptions": {
                "type_based": types,
                "pattern_based": patterns,
                "predicate_based": len(subs) - types - patterns,
            },
            "handler_errors": self._handler_errors,
            "handler_stats": {
                name: figures
                for name, stats in list(self._stats.items())
                if (figures := stats.snapshot())["count"]
            },
            **self._accounting(),
        }


# --- the default bus --------------------------------------------------------------------------


def get_event_bus() -> EventBus:
    """The process's default bus; inside a running loop it is started."""
    bus = _core.default_bus()
    if bus is None:
        bus = _make_default()
    if bus._home is None:
        bus._adopt_running_loop()
    return bus  # type: ignore[no-any-return]


def set_event_bus(bus: EventBus | None) -> None:
    """Replace the default bus; None: a new one is made at need."""
    if bus is not None and not isinstance(bus, EventBus):
        raise TypeError(f"set_event_bus: bus must be an EventBus or None, not {shown(bus)}")
    _core.set_default_bus(bus)
    if bus is None and not env_lazy():
        _core.set_default_listening(True)


def _make_default() -> EventBus:
    """Called by the C core too, for the first event of a decorated function."""
    bus = EventBus()
    _core.set_default_bus(bus)
    return bus


# --- the process ---------------------------------------------------------------------------------

# What `importlib.reload` keeps.
buses: weakref.WeakSet[EventBus] = globals().get("buses", weakref.WeakSet())
watching: bool = globals().get("watching", False)


def watch_process() -> None:
    """Deliver at exit, start anew in forked children."""
    global watching
    if not watching:
        watching = True
        atexit.register(leave)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=before_fork, after_in_child=after_fork)


def leave() -> None:
    """At exit."""
    for bus in list(buses):
        bus._leave()
    _core.end_interpreter()


def classes_changed() -> None:
    """A class below several others was made: who may listen to them is asked again."""
    for bus in list(buses):
        bus._interest_changed()


def before_fork() -> None:
    """What deliveries import at need is there, or waited for while a thread imports it.

    A module that another thread is importing stays locked in the child for ever.  Only
    ours: what registers with `os.register_at_fork` itself must not be imported here.
    """
    from onex_events import drain, waiting  # noqa: F401


def after_fork() -> None:
    """In a forked child: the subscriptions stay, everything else starts anew."""
    for bus in list(buses):
        bus._after_fork()
        if bus._descents is not None:
            bus._descents.forget()
        bus._reset()
        for subscription in bus._subs:
            subscription._loop = None  # the parent's: none of them runs here
        bus._started = False
        bus._pending_parents.clear()


# --- small parts ---


def check_open(bus: EventBus, function: str) -> None:
    if bus._closed:
        raise RuntimeError(f"{function}: the bus is closed")


def of_type(event: Any, wanted: type | str | None) -> bool:
    if wanted is None:
        return True
    return isinstance(event, wanted) if isinstance(wanted, type) else event.type == wanted


def not_before(event: Any, since: datetime) -> bool:
    """Is the event's time `since` or later?  Naive times are UTC."""

    stamp = event.timestamp
    if stamp.tzinfo is None:
        stamp = stamp.replace(tzinfo=UTC)
    if since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    return bool(stamp >= since)


def copied(event: Any) -> Any:
    """A deep copy; a shallow one where something in the event can't be copied."""
    import copy

    try:
        return copy.deepcopy(event)
    except Exception:
        return copy.copy(event)
