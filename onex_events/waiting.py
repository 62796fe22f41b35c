"""What waits for a bus: room in its queue, its answers, the end of what was emitted."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

    from onex_events.bus import EventBus


class Signal:
    """Something that happens once, awaited in any loop and waited for in any thread."""

    def __init__(self) -> None:
        self.happened = False
        self.futures: list[Any] = []
        self.thread_events: list[threading.Event] = []

    def set(self) -> None:
        """It has happened: everyone who waits goes on."""
        self.happened = True
        futures, self.futures = self.futures, []
        for future in futures:
            try:
                future.get_loop().call_soon_threadsafe(settle, future)
            except RuntimeError:  # that loop has ended, and its waiter with it
                pass
        for event in self.thread_events:
            event.set()

    def __await__(self) -> Generator[Any, Any, None]:
        import asyncio

        if not self.happened:
            future = asyncio.get_running_loop().create_future()
            self.futures.append(future)
            if self.happened:
                settle(future)
            yield from future

    def wait(self, timeout: float | None) -> bool:
        """Block this thread until it happens; False when the time is up."""
        event = threading.Event()
        self.thread_events.append(event)
        if self.happened:
            return True
        try:
            return event.wait(timeout)
        finally:
            self.thread_events.remove(event)


def settle(future: Any) -> None:
    """Set a future's result unless it has one."""
    if not future.done():
        future.set_result(None)


class Room(Signal):
    """Room in the queue for an event that was emitted into a full one.

    The event has its place already.  When the wait takes longer than `timeout`
    seconds it is dropped, counted and logged; when its awaiter is cancelled it stays.
    """

    def __init__(self, bus: EventBus, seq: int, timeout: float | None) -> None:
        super().__init__()
        self.bus = bus
        self.seq = seq
        self.timeout = timeout
        self.timer: Any = None
        self.arm()

    def arm(self) -> None:
        """Start the clock, where a loop runs to keep it."""
        from onex_events.drain import running_loop

        loop = running_loop()
        if self.timer is None and self.timeout is not None and loop is not None:
            self.timer = loop.call_later(self.timeout, self.expire)

    def expire(self) -> None:
        """The time is up: the event is dropped."""
        if not self.happened:
            self.bus._drop(self.seq, "queue_full")
            self.bus._forget_room(self)
            self.set()

    def __await__(self) -> Generator[Any, Any, None]:
        self.arm()
        try:
            yield from super().__await__()
        except BaseException:
            if self.timer is not None:
                self.timer.cancel()
            self.bus._forget_room(self)
            raise


class Receipt(Signal):
    """Gathers what the handlers of one event return, for `EventBus.collect`."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[Any, Any] = {}

    def result(self, subscription: Any, value: Any) -> None:
        """One handler's value, or the exception it raised."""
        self.values[subscription] = value

    def finish(self) -> None:
        """All handlers are done, or the event was dropped."""
        self.set()


class Descent(Signal):
    """An event and all that descends from it: open while any of it is queued or in
    flight."""

    def __init__(self, event: Any) -> None:
        super().__init__()
        self.event_id = event.id
        self.lineage_id = getattr(event, "lineage_id", None)
        self.known = {event.id}
        self.open: Counter[Any] = Counter()

    def emitted(self, event: Any) -> None:
        """An event was queued."""
        known = self.known
        if (
            event.id in known
            or getattr(event, "parent_id", None) in known
            or getattr(event, "root_id", None) in known
            or (self.lineage_id is not None and getattr(event, "lineage_id", None) == self.lineage_id)
        ):
            known.add(event.id)
            self.open[event.id] += 1

    def handled(self, event: Any) -> None:
        """An event's delivery is over."""
        if event.id in self.open:
            self.open[event.id] -= 1
            if self.open[event.id] <= 0:
                del self.open[event.id]
            if not self.open:
                self.set()

    def includes(self, event: Any) -> bool:
        """Is it a child of the event, or of its lineage, and not the event itself?"""
        if event.id == self.event_id:
            return False
        return getattr(event, "parent_id", None) == self.event_id or (
            self.lineage_id is not None and getattr(event, "lineage_id", None) == self.lineage_id
        )
