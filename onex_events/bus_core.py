"""What the C core calls in its bus, and what the bus's parts share.

`BusCore` stands between the C `Bus`, which delivers, and `EventBus`, which programs
see: who is told when room is made or all is settled, what is logged, who delivers next,
and the end of the process.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from onex_events import _core
from onex_events.arguments import handler_name

if TYPE_CHECKING:
    from onex_events._core import Subscription
    from onex_events.descent import Descents
    from onex_events.drain import Drain
    from onex_events.waiting import Room, Signal

DECORATED_PATIENCE = 1.0
"""Seconds a decorated function waits for room where others wait for ever."""


class BusCore(_core.Bus):
    """The inner side of `EventBus`."""

    max_queue_size: int
    overflow_timeout: float | None
    exit_timeout: float

    def _reset(self) -> None:
        """What a forked child starts anew."""
        self._drain: Drain | None = None
        self._descents: Descents | None = None
        self._rooms: deque[Room] = deque()
        self._flushes: dict[Signal, int] = {}
        self._drops_told: dict[str, int] = {}
        self._drops_told_at = 0.0

    def _open(self) -> int:
        """Events queued or in flight."""
        return self._queue_size + self._in_flight

    # --- called by the C core ---

    def _get_drain(self) -> Drain:
        drain = self._drain
        if drain is None:
            from onex_events.drain import Drain

            drain = self._drain = Drain(self, self.exit_timeout)
        return drain

    def _dispatch(self, token: int) -> None:
        """Somebody is to deliver, with this token; after an error it is free."""
        try:
            self._get_drain().dispatch(token)
        except BaseException:
            self._release(token)
            raise

    def _resume(self) -> None:
        """Have somebody deliver, where nobody could be found at the emission."""
        token = self._take()
        if token:
            self._dispatch(token)

    def _deliver_inline(self, token: int, seq: int, step: int, decorated: bool) -> None:
        """emit_sync goes on where the C core stopped."""
        self._get_drain().on_thread(token, seq, step, following=self.max_queue_size)
        if not decorated and not self._is_settled(seq + 1):
            self._wait_delivered(seq)

    def _wait_delivered(self, seq: int) -> None:
        """emit_sync waits for its event, which somebody else delivers."""
        if not self._settled_signal(seq + 1).wait(self.overflow_timeout):
            self._log(
                "emit_sync: the event was not delivered within %g s and stays queued",
                self.overflow_timeout,
            )

    def _room(self, seq: int, decorated: bool) -> Room:
        """What an emitter into a full queue awaits."""
        from onex_events.waiting import Room

        timeout = self.overflow_timeout
        if timeout is None and decorated:
            timeout = DECORATED_PATIENCE
        room = Room(self, seq, timeout)
        self._rooms.append(room)
        self._reckon_space_for()
        return room

    # Threads change what waits (_rooms, _flushes) at any moment, each change atomic. The
    # number that the C core looks at is derived from it, so whoever writes it looks again.

    def _reckon_space_for(self) -> None:
        written = None
        while True:
            try:
                lowest = self._rooms[0].seq + 1
            except IndexError:
                lowest = 0
            if lowest == written:
                return
            self._space_for = written = lowest

    def _reckon_flush_below(self) -> None:
        written = None
        while (lowest := min(list(self._flushes.values()), default=0)) != written:
            self._flush_below = written = lowest

    def _wait_for_room(self, seq: int, decorated: bool) -> None:
        """The same for a thread."""
        room = self._room(seq, decorated)
        self._room_made()
        if not room.wait(room.timeout):
            room.expire()

    def _room_made(self) -> None:
        """The queue has got shorter: whoever has room now goes on."""
        rooms = self._rooms
        while rooms:
            try:
                room = rooms.popleft()
            except IndexError:
                break
            if room.seq >= self._head + self.max_queue_size:
                rooms.appendleft(room)
                break
            room.set()
        self._reckon_space_for()

    def _forget_room(self, room: Room) -> None:
        try:
            self._rooms.remove(room)
        except ValueError:  # somebody else has let it go
            pass
        self._reckon_space_for()

    def _watch_emitted(self, event: Any) -> None:
        for watcher in list(self._watchers):
            watcher.emitted(event)

    def _watch_handled(self, event: Any) -> None:
        for watcher in list(self._watchers):
            watcher.handled(event)

    def _flushed(self) -> None:
        """Events are handled or dropped that somebody waits for."""
        for signal, target in list(self._flushes.items()):
            if self._is_settled(target):
                self._flushes.pop(signal, None)
                signal.set()
        self._reckon_flush_below()

    def _release_slot(self, subscription: Subscription, frame: Any) -> None:
        """A handler with a concurrency slot yields it."""
        lanes = subscription._lanes
        if lanes is not None:
            lanes.release(self._get_drain(), frame)

    def _handler_failed(
        self, subscription: Subscription, event: Any, error: BaseException, timed_out: bool
    ) -> BaseException:
        """A handler raised; returns what `collect` reports."""
        import logging

        logger = logging.getLogger("onex_events")
        if timed_out:
            late = TimeoutError(
                f"handler {subscription.name} did not finish within {subscription.timeout:g} s"
            )
            late.__cause__ = error
            error = late
        try:
            logger.error(
                "handler %s failed on event %s (%s)",
                subscription.name,
                getattr(event, "type", "?"),
                getattr(event, "id", "?"),
                exc_info=error,
            )
        except Exception:
            sys.excepthook(*sys.exc_info())
        return error

    def _log_slow(self, subscription: Subscription, took: float) -> None:
        self._log(
            "handler %s took %.3f s, more than its timeout of %g s",
            subscription.name,
            took,
            subscription.timeout,
        )

    def _report(self, what: str, where: Any, error: BaseException) -> None:
        """Log an exception that goes no further."""
        import logging

        name = "" if where is None else handler_name(where) if callable(where) else repr(where)
        logging.getLogger("onex_events").error(
            "%s", " ".join(part for part in (what or "error in", name) if part), exc_info=error
        )

    def _log(self, message: str, *args: Any) -> None:
        import logging

        logging.getLogger("onex_events").warning(message, *args)

    def _dropped(self, reason: str) -> None:
        """Events were dropped: said at once, then once a second; at exit, on stderr."""
        if reason != "exit" and time.monotonic() - self._drops_told_at >= 1.0:
            self._report_drops()

    def _report_drops(self, force: bool = False) -> None:
        told, drops = self._drops_told, dict(self._drops)
        news = {reason: n - told.get(reason, 0) for reason, n in drops.items()}
        news = {reason: n for reason, n in news.items() if n > 0}
        if not news or (not force and time.monotonic() - self._drops_told_at < 1.0):
            return
        self._drops_told = drops
        self._drops_told_at = time.monotonic()
        self._log("events dropped: %s", ", ".join(f"{n} ({reason})" for reason, n in news.items()))

    # --- for the parts of the package --------------------------------------------------------

    def _adopt_running_loop(self) -> None:
        """Make the running loop the home loop unless there is a good one."""
        from onex_events.drain import running_loop

        loop = running_loop()
        if loop is None or self._closed:
            return
        home = self._home
        if home is None or home.is_closed() or (home is not loop and not home.is_running()):
            self._get_drain().adopt(loop)

    def _refuse_in_handler(self, function: str) -> None:
        if self._in_handler() == 2:
            raise RuntimeError(f"{function} inside a handler of the same bus would wait for itself")

    def _settled_signal(self, target: int) -> Signal:
        """A signal for the moment when all events below `target` are done."""
        from onex_events.waiting import Signal

        signal = Signal()
        self._flushes[signal] = target
        self._reckon_flush_below()
        if self._is_settled(target):
            self._flushed()
        return signal

    def _forget_signal(self, signal: Signal) -> None:
        self._flushes.pop(signal, None)
        self._reckon_flush_below()

    async def _until_settled(self, target: int, timeout: float | None, who: str) -> None:
        from onex_events.waiting import within

        if self._is_settled(target):
            return
        if self._drain is not None and not self._in_handler():
            self._drain.hurry()
            if self._is_settled(target):
                return
        self._resume()
        self._yield_turn()
        signal = self._settled_signal(target)
        try:
            await within(signal, timeout, f"{who}: events are not handled")
        finally:
            self._forget_signal(signal)

    async def _all_settled(self) -> None:
        """Wait until nothing is queued or in flight."""
        while not self._is_settled(self._tail):
            await self._settled_signal(self._tail)

    def _leave(self) -> None:
        """The interpreter ends: deliver what is queued, say what is left."""
        if self._closed and not self._open():
            return
        self._report_drops(force=True)
        if self._open():
            drain = self._get_drain()
            for loop in {
                id(x): x for x in (self._home, *(s._loop for s in self._subs)) if x
            }.values():
                if not loop.is_running():
                    drain.give_up(loop)
            target = self._tail
            signal = self._settled_signal(target)
            token = self._take()
            worker = drain.get_worker()
            if worker is None:
                self._exiting = True
                if token:
                    drain.deliver_at_exit(token)
            else:
                if token:
                    worker.assign(drain, token)
                else:
                    worker.watch(drain)
                signal.wait(self.exit_timeout)
        self._exiting = True
        for listener in list(self._listeners):
            flush = getattr(listener, "flush", None)
            if callable(flush):
                try:
                    flush(self.exit_timeout)
                except Exception as error:
                    self._report("flush of a listener failed", listener, error)
        left = self._open()
        if left:
            self._abandon()
        elif self._drain is not None:
            self._drain.close()
        lost = {reason: n for reason, n in self._drops.items() if n}
        if left:
            print(
                f"onex_events: {left} events were not delivered within {self.exit_timeout:g} s "
                f"at exit; dropped in all: "
                + ", ".join(f"{n} ({reason})" for reason, n in lost.items()),
                file=sys.stderr,
            )
