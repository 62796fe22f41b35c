"""Concurrency slots and ordered lanes of one subscription.

Up to ``concurrency`` calls of a handler run at once.  With ``ordered_by``, events
whose field has the same value form a lane: one at a time, in order, while other
lanes go on.  The drain starts calls here and does not wait for their end; it waits
for room when all slots are taken, or when too many events are parked behind busy
lanes.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from onex_events._core import HandlerRun
    from onex_events.drain import Drain


class Lanes:
    """The slots of one subscription; used on the loop that runs its handlers."""

    def __init__(self, concurrency: int, ordered_by: str | None, parked_limit: int) -> None:
        self.concurrency = concurrency
        self.ordered_by = ordered_by
        self.parked_limit = parked_limit
        self.free = concurrency
        self.busy: dict[Any, deque[HandlerRun]] = {}  # lane: parked behind its call
        self.parked = 0
        self.ready: deque[tuple[HandlerRun, Any]] = deque()  # waiting for a slot only
        self.holding: dict[Any, Any] = {}  # frame of a call that holds a slot: its lane
        self.waiters: list[tuple[Any, Any]] = []  # loop, future
        self.pool: ThreadPoolExecutor | None = None

    async def admit(self, drain: Drain) -> None:
        """Wait until another event may be started or parked."""
        import asyncio

        while self.free <= 0 or self.parked >= self.parked_limit:
            loop = asyncio.get_running_loop()
            room = loop.create_future()
            self.waiters.append((loop, room))
            await room

    def start(self, drain: Drain, run: HandlerRun, event: Any) -> None:
        """Start a call, or park it behind its lane."""
        lane = self if self.ordered_by is None else lane_of(event, self.ordered_by)
        if self.ordered_by is not None:
            behind = self.busy.get(lane)
            if behind is not None:
                behind.append(run)
                self.parked += 1
                return
            self.busy[lane] = deque()
        self.begin(drain, run, lane)

    def begin(self, drain: Drain, run: HandlerRun, lane: Any) -> None:
        import asyncio

        from onex_events.drain import task_class

        if self.free <= 0:
            self.ready.append((run, lane))
            return
        self.free -= 1
        self.holding[run.frame] = lane
        loop = asyncio.get_running_loop()
        task_class()(drain, loop, self.call(drain, run))

    async def call(self, drain: Drain, run: HandlerRun) -> None:
        """One call from start to end, in a task of its own."""
        import asyncio

        try:
            if not run.subscription.is_async:
                loop = asyncio.get_running_loop()
                if await loop.run_in_executor(self.threads(), run.call):
                    return
            await drain.run(0, run)
        finally:
            self.release(drain, run.frame)

    def threads(self) -> ThreadPoolExecutor:
        """Threads for synchronous handlers, as many as there are slots."""
        if self.pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self.pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="onex_events")
        return self.pool

    def release(self, drain: Drain, frame: Any) -> None:
        """Give back the slot and the lane of a call that ended or yielded."""
        lane = self.holding.pop(frame, None)
        if lane is None:
            return
        self.free += 1
        if self.ordered_by is not None:
            behind = self.busy[lane]
            if behind:
                self.parked -= 1
                self.ready.append((behind.popleft(), lane))
            else:
                del self.busy[lane]
        while self.ready and self.free > 0:
            self.begin(drain, *self.ready.popleft())
        waiters, self.waiters = self.waiters, []
        for loop, room in waiters:
            try:
                loop.call_soon_threadsafe(lambda room=room: room.done() or room.set_result(None))
            except RuntimeError:  # that loop has ended
                pass


class Keyless:
    """The lane of events whose field is missing or cannot be hashed."""


def lane_of(event: Any, field: str) -> Any:
    """The lane of an event: the value of a field, None included."""
    value = getattr(event, field, Keyless)
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return (value,)
