"""Delivery: the queue of a bus, who empties it, and where its handlers run.

One **drain** at a time delivers: it takes events off the queue in order and gives each to its
handlers in turn. It is a task of a running loop, the thread that called ``emit_sync``, or a worker
thread. What is being delivered stands in the dispatcher, not in the drain, so that another drain
can go on where one stopped. A handler's call is a **turn**. The turn is *over* when the handler
has ended, or has yielded because it waits for the bus itself; then the next one begins. An event is
*handled* when all its turns have ended.

Waiting is always the same thing: a condition over this state, and how to wake who waits for it.
Conditions are looked at after each change.
"""

import _thread
import asyncio
import contextlib
import contextvars
import functools
import inspect
import logging
import sys
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from .history import History
from .loops import ROLE_PATIENCE, Loops
from .subscription import Loop, Subscription, Subscriptions, running_loop
from .threads import Threads
from .turn import Delivery, Turn, Watch, active_turn, enter
from .waiting import Waiting, call_on

__all__ = ["Dispatcher", "logger"]

logger = logging.getLogger("onex_events")

PULSE = 0.05
"""Seconds between two looks at whether a loop in another thread still runs."""

EAGERLY = {"eager_start": True} if sys.version_info >= (3, 12) else {}
"""Options of a task that takes its first step at once."""

BATCH = 100
"""Events that a drain delivers on a program's loop before others get a turn there."""


class Drain:
    """The right to deliver, held by a task of ``loop`` or by a thread (``loop`` None)."""

    __slots__ = ("driving", "loop", "thread")

    def __init__(self, loop: Loop | None, thread: int | None = None) -> None:
        self.loop = loop
        self.thread = thread
        self.driving = False  # the thread is running the bus's own loop

    def stands_still(self) -> bool:
        return self.loop is not None and not self.loop.is_running()


class Dispatcher:
    """The queue and its delivery, with their accounting.

    At every moment emitted = handled + dropped + queued + in flight. ``enqueue`` never waits.
    """

    def __init__(
        self,
        subscriptions: Subscriptions,
        history: History,
        propagate_context: bool,
        exit_timeout: float,
    ) -> None:
        self.subscriptions = subscriptions
        self.history = history
        self.propagate_context = propagate_context
        self.waiting = Waiting()
        self.loops = Loops(self.waiting, exit_timeout, self.is_due)
        self.emitted = 0
        self.handled = 0
        self.dropped: Counter[str] = Counter()
        self.handler_errors = 0
        self.handler_times: dict[str, list[float]] = {}  # count, total, max, min (ms)
        # Reentrant, because a finaliser may emit while this thread holds it. No user code runs
        # under it.
        self.lock = threading.RLock()
        self.queue: deque[Delivery] = deque()
        self.in_flight: dict[int, Delivery] = {}
        self.watches: tuple[Watch, ...] = ()
        self._drain: Drain | None = None
        self._watched: Drain | None = None  # one whose loop stands still, for now
        self._current: Delivery | None = None
        self._turn: Turn | None = None
        self._own_loop: Loop | None = None
        self._own_turns = 0
        self._threads = Threads("onex-events-reference")

    # What is emitted.

    def enqueue(self, event: Any) -> Delivery:
        """Queue ``event``; nobody is asked to deliver it yet."""
        context = contextvars.copy_context() if self.propagate_context else None
        with self.lock:
            self.emitted += 1
            delivery = Delivery(event, context, self.emitted)
            for watch in self.watches:
                watch.emitted(delivery)
            self.queue.append(delivery)
        self.waiting.changed()
        return delivery

    def post(self, event: Any) -> Delivery:
        """Queue ``event`` for delivery in the background; this loop's end waits for it."""
        here = running_loop()
        if here is not None and here is not self._own_loop and not self.loops.have_ended(here):
            self.loops.keep(here)
        delivery = self.enqueue(event)
        if self._drain is None or self._drain.stands_still():
            self.ensure_drain()
        return delivery

    def may_drain_here(self) -> bool:
        """Whether ``emit_sync`` may deliver in this thread, now."""
        return (
            running_loop() is None
            and active_turn() is None
            and not self.lock._is_owned()  # type: ignore[attr-defined]
            and (self._drain is None or self._drain.thread != threading.get_ident())
        )

    def settled(self, number: int) -> bool:
        """Whether all events up to that number are handled."""
        with self.lock:
            if self.queue and self.queue[0].number <= number:
                return False
            return not any(one.number <= number for one in self.in_flight.values())

    # Who delivers.

    def ensure_drain(self) -> None:
        """See to it that somebody delivers what is due: this loop, the home loop, or a worker."""
        here = running_loop()
        with self.lock:
            if not self.is_due():
                return
            if self._drain is not None:
                if not self._drain.stands_still():
                    return
                if self._drain.loop is not None and not self._drain.loop.is_closed():
                    if self._watched is not self._drain:
                        self._watched = self._drain
                        self._start_worker(self._take_over_if_still, self._drain)
                    return
            loop = next((one for one in (here, self.loops.home) if self._can_drain(one)), None)
            drain = self._drain = Drain(loop)
        if loop is None:
            self._start_worker(self.drain_in_background, drain)
        elif loop is here:
            self._start_on_loop(drain)
        elif not call_on(loop, self._start_on_loop, drain):
            self._release(drain)

    def is_due(self) -> bool:
        """Whether there is something to deliver, or handlers go on on the bus's own loop."""
        return bool(self.queue or self._current or self._own_turns)

    def _is_due_until(self, number: int) -> bool:
        """Whether an event up to that number is to be delivered."""
        with self.lock:
            due = self._current or (self.queue[0] if self.queue else None)
        return due is not None and due.number <= number

    def _can_drain(self, loop: Loop | None) -> bool:
        return loop is not None and loop.is_running() and not self.loops.have_ended(loop)

    def _take_over_if_still(self, holder: Drain) -> None:
        self._wrest_from(holder)
        self._watched = None
        self.ensure_drain()

    def _start_worker(self, function: Callable[..., None], *args: Any) -> None:
        try:
            self._threads.submit(function, *args)
        except RuntimeError:
            # The interpreter ends: no thread can start. What is due is delivered at exit.
            if self._drain in args:
                self._drain = None

    def _release(self, drain: Drain) -> None:
        """Give the right back, and pass it on if something is due."""
        with self.lock:
            if self._drain is not drain:
                return
            self._drain = None
        self.waiting.changed()
        if self.is_due():
            self.ensure_drain()

    # What is due.

    def _proceed(self, drain: Drain) -> bool:
        """Whether ``drain`` has something to deliver and still the right to do so."""
        with self.lock:
            if self._drain is not drain:
                return False
            if drain.loop is not None and not self.loops.time_left(drain.loop):
                return False
            if self._current is not None:
                return True
            if not self.queue:
                return False
            delivery = self._current = self.queue.popleft()
            self.in_flight[delivery.number] = delivery
        event = delivery.event
        self.history.record(event)
        for watch in delivery.watches:
            watch.processed(event)
        delivery.remaining = self.subscriptions.matching(event)
        delivery.remaining.reverse()
        return True

    def _next_turn(self) -> Turn | None:
        """The turn that is not over, else the current event's next; None: it has no more."""
        if self._turn is not None and not self._turn.over:
            return self._turn
        delivery = self._current
        assert delivery is not None
        while delivery.remaining:
            subscription = delivery.remaining.pop()
            if subscription.active and self._is_wanted(subscription, delivery.event):
                delivery.pending += 1
                self._turn = Turn(self, delivery, subscription)
                return self._turn
        delivery.dispatched = True
        self._current = self._turn = None
        self._settle(delivery)
        return None

    def _is_wanted(self, subscription: Subscription, event: Any) -> bool:
        if subscription.predicate is None:
            return True
        try:
            return bool(subscription.predicate(event))
        except Exception as error:
            self.report(f"predicate of handler {subscription.name}", event, error)
            return False

    def _settle(self, delivery: Delivery) -> None:
        """The event is handled, if nothing of its delivery is left."""
        with self.lock:
            if delivery.handled or delivery.pending or not delivery.dispatched:
                return
            delivery.handled = True
            del self.in_flight[delivery.number]
            self.handled += 1
            for watch in delivery.watches:
                watch.outstanding -= 1
        self.waiting.changed()

    def report(self, what: str, event: Any, error: BaseException) -> None:
        """Count and log an exception that must not reach the program."""
        self.handler_errors += 1
        about = "" if event is None else f" on event {event.type!r}"
        with contextlib.suppress(Exception):  # of a log handler; the error has been counted
            logger.error("%s failed%s: %r", what, about, error, exc_info=error)

    # A turn.

    def _context_of(self, turn: Turn) -> contextvars.Context:
        """The handler's own context: empty, or a copy of the emitter's."""
        emitters = turn.delivery.context
        context = contextvars.Context() if emitters is None else emitters.copy()
        context.run(enter, turn)
        return context

    def _start(self, turn: Turn, here: Loop | None) -> None:
        """Give the turn to a loop, or to a worker thread. ``here``: the drain's loop."""
        turn.started = True
        turn.attempt += 1
        if turn.context is None:
            turn.context = self._context_of(turn)
        if not turn.is_async:
            try:
                self._threads.submit(self._call_in_pool, turn, here)
            except RuntimeError:  # the interpreter ends: no thread can start
                self._call_in_pool(turn, here)
            return
        loop = turn.loop = self._loop_for(turn.subscription, here)
        if loop is running_loop():
            self._start_task(turn, turn.attempt)
        elif loop is self._own_loop:
            self._own_turns += 1
            loop.call_soon_threadsafe(self._start_task, turn, turn.attempt)
        else:
            call_on(loop, self._start_task, turn, turn.attempt)

    def _loop_for(self, subscription: Subscription, here: Loop | None) -> Loop:
        """Where an async handler runs: its own loop, the home loop, this one, the bus's own."""
        for loop in (subscription.loop, self.loops.home, here):
            if loop is not None and not self.loops.have_ended(loop):
                return loop
        if self._own_loop is None:
            self._own_loop = asyncio.new_event_loop()
            weakref.finalize(self, _close_loop, self._own_loop).atexit = False
        return self._own_loop

    def _start_task(self, turn: Turn, attempt: int) -> None:
        """On the turn's loop: begin the handler as a task there."""
        if turn.attempt != attempt or turn.ended:
            return  # the loop stood still for too long; another one has the turn
        loop = asyncio.get_running_loop()
        assert turn.context is not None
        if loop is not self._own_loop:
            self.loops.keep(loop)
        turn.call = self._await(turn)
        task = self.loops.task(turn.call, loop, turn.context, **EAGERLY)
        if task.done():
            self._task_done(turn, task)
        else:
            task.add_done_callback(functools.partial(self._task_done, turn))

    async def _await(self, turn: Turn) -> None:
        turn.begin()
        try:
            if turn.rest is not None:
                await turn.rest
            elif (handler := turn.subscription.handler) is not None:
                await handler(turn.delivery.event)
        except BaseException as error:
            self._end(turn, error)
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
        else:
            self._end(turn)

    def _task_done(self, turn: Turn, task: "asyncio.Task[Any]") -> None:
        if not task.cancelled():
            task.exception()  # it has been accounted for
        elif not turn.ended:
            self._end(turn, asyncio.CancelledError("cancelled before it began"))

    def _call(self, turn: Turn) -> None:
        """Call a sync handler in this thread; what it awaits for is left to a loop."""
        assert turn.context is not None
        turn.begin()
        handler = turn.subscription.handler
        try:
            result = handler and turn.context.run(handler, turn.delivery.event)
        except BaseException as error:
            self._end(turn, error)
            if not isinstance(error, Exception):
                raise
            return
        if inspect.isawaitable(result) and not turn.over:
            turn.rest, turn.started = result, False
            self.waiting.changed()
        else:
            self._end(turn)

    def _call_in_pool(self, turn: Turn, loop: Loop | None) -> None:
        try:
            self._call(turn)
        except BaseException as error:
            if loop is None or not call_on(loop, _raise, error):
                _thread.interrupt_main()

    def _end(self, turn: Turn, error: BaseException | None = None) -> None:
        """The handler has ended: account for it and go on."""
        with self.lock:
            if turn.ended:
                return
            turn.ended = turn.over = True
            turn.delivery.pending -= 1
            if turn.loop is not None and turn.loop is self._own_loop:
                self._own_turns -= 1
            if turn.since:
                self._time(turn.subscription.name, (time.perf_counter() - turn.since) * 1000)
        if error is not None:
            self.report(f"handler {turn.subscription.name}", turn.delivery.event, error)
        self._settle(turn.delivery)
        self.waiting.changed()

    def _time(self, name: str, ms: float) -> None:
        times = self.handler_times.setdefault(name, [0, 0.0, ms, ms])
        times[0] += 1
        times[1] += ms
        times[2] = max(times[2], ms)
        times[3] = min(times[3], ms)

    def yield_turns(self) -> None:
        """This code waits for a bus: the handlers that it runs in let others go first."""
        turn = active_turn()
        while turn is not None:
            if not turn.over:
                turn.over = True
                turn.home.yielded()
            turn = turn.outer

    def yielded(self) -> None:
        """A turn is over, its handler not: if its thread was to go on delivering, another does."""
        with self.lock:
            drain = self._drain
            if drain is not None and drain.thread == threading.get_ident() and not drain.driving:
                self._drain = None
        self.waiting.changed()
        self.ensure_drain()

    def _stands_still(self, turn: Turn) -> None:
        """Deal with a turn whose loop does not run: it is due there, and nobody is there."""
        loop = turn.loop
        if loop is None or loop is self._own_loop or turn.over or loop.is_running():
            turn.still_since = None
            return
        now = time.monotonic()
        if turn.still_since is None:
            turn.still_since = now
        if loop.is_closed() and turn.begun:
            self._end(turn, RuntimeError(f"its event loop {loop!r} was closed"))
        elif loop.is_closed() or now - turn.still_since >= ROLE_PATIENCE:
            if self.loops.home is loop:
                self.loops.home = None
            if turn.subscription.loop is loop:
                turn.subscription.loop = None
            if turn.begun:  # it goes on when its loop does
                turn.over = True
            else:
                if turn.call is not None and loop.is_closed():
                    turn.call.close()  # its task never takes a step: it is no forgotten await
                turn.attempt += 1
                turn.started = False
            self.waiting.changed()

    # Delivery on a program's loop.

    def _start_on_loop(self, drain: Drain) -> None:
        loop = asyncio.get_running_loop()
        self.loops.keep(loop)
        self.loops.task(self._drain_on_loop(drain), loop, contextvars.Context())

    async def _drain_on_loop(self, drain: Drain) -> None:
        loop = asyncio.get_running_loop()
        delivered = 0
        try:
            while self._proceed(drain):
                turn = self._next_turn()
                if turn is None:
                    delivered += 1
                    if delivered % BATCH == 0:
                        await asyncio.sleep(0)
                    continue
                if not turn.started:
                    self._start(turn, loop)
                elsewhere = turn.loop is not loop
                while not turn.is_waited_for():
                    await self.waiting.until(turn.is_waited_for, PULSE if elsewhere else None)
                    if elsewhere:
                        self._stands_still(turn)
        finally:
            self._release(drain)

    # Delivery in a thread.

    def deliver(self, done: Callable[[], Any], patience: float | None, following: int = 0) -> bool:
        """Deliver in this thread until ``done()``; False when others were waited for in vain.

        ``patience`` is how many seconds it may wait for another thread, or for a loop that runs in
        another thread; None: for ever. Up to ``following`` events emitted from now on, by the
        handlers, are delivered as well. What is left is delivered by somebody else.
        """
        drain = Drain(None, threading.get_ident())
        last = self.emitted + following
        while not done():
            with self.lock:
                holder = self._drain
                if holder is None or (holder.loop is not None and holder.loop.is_closed()):
                    holder = self._drain = drain
            if holder is drain:
                try:
                    if not self._drain_in_thread(drain, done, patience):
                        return False
                    if following:
                        self._drain_in_thread(drain, lambda: not self._is_due_until(last), patience)
                finally:
                    self._release(drain)
            elif holder.stands_still() and patience != 0:
                self._wrest_from(holder)
            elif not self._until_free(holder, done, patience):
                return False
        return True

    def _until_free(self, holder: Drain, done: Callable[[], Any], timeout: float | None) -> bool:
        return self.waiting.until_in_thread(lambda: done() or self._drain is not holder, timeout)

    def _wrest_from(self, holder: Drain) -> None:
        """Take the right from a loop that goes on standing still."""
        if not self.waiting.until_in_thread(lambda: self._drain is not holder, ROLE_PATIENCE):
            with self.lock:
                if self._drain is holder and holder.stands_still():
                    self._drain = None

    def drain_in_background(self, drain: Drain) -> None:
        """Deliver, as a worker thread, all that is due."""
        drain.thread = threading.get_ident()
        try:
            while self._drain is drain and self.is_due():
                try:
                    self._drain_in_thread(drain, lambda: not self.is_due(), None)
                except (KeyboardInterrupt, SystemExit):
                    _thread.interrupt_main()
        finally:
            self._release(drain)

    def _drain_in_thread(
        self, drain: Drain, done: Callable[[], Any], patience: float | None
    ) -> bool:
        def is_needed() -> bool:
            return bool(done() or self.queue or self._drain is not drain)

        while not done() and self._drain is drain:
            if not self._proceed(drain):
                # Handlers that wait for the bus are all that is left.
                if not self._drive(drain, is_needed, None if self._own_turns else patience):
                    return False
                continue
            turn = self._next_turn()
            if turn is None:
                continue
            if not turn.started and not turn.is_async:
                turn.started = True
                turn.context = self._context_of(turn)
                self._call(turn)
                continue
            if not turn.started:
                self._start(turn, None)
            mine = turn.loop is not None and turn.loop is self._own_loop
            if not self._drive(drain, turn.is_waited_for, None if mine else patience, turn):
                return False
        return True

    def _drive(
        self,
        drain: Drain,
        condition: Callable[[], Any],
        patience: float | None,
        turn: Turn | None = None,
    ) -> bool:
        """Wait for the condition, running the bus's own loop meanwhile if it has work."""
        end = None if patience is None else time.monotonic() + patience
        while not condition():
            left = PULSE if end is None else min(PULSE, end - time.monotonic())
            if left <= 0:
                return False
            if self._own_turns and self._own_loop is not None:
                drain.driving = True
                try:
                    self._own_loop.run_until_complete(self.waiting.until(condition, left))
                finally:
                    drain.driving = False
            else:
                self.waiting.until_in_thread(condition, left)
            if turn is not None:
                self._stands_still(turn)
        return True

    # The end of a program's loop, and of the program.

    def close(self, timeout: float) -> bool:
        """Deliver what is due in this thread, end the threads and the own loop."""
        with self.lock:
            if self._drain is not None and self._drain.stands_still():
                self._drain = None
        delivered = self.deliver(lambda: not self.is_due() and not self.in_flight, timeout)
        with self.lock:
            self._threads = Threads("onex-events-reference")  # the old ones end
            loop, self._own_loop = self._own_loop, None
        if loop is not None and delivered:
            _close_loop(loop)
        return delivered


def _raise(error: BaseException) -> None:
    raise error


def _close_loop(loop: Loop) -> None:
    if not loop.is_running():
        loop.close()
