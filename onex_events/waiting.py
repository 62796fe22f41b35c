"""What waits for a bus: room in its queue, its answers, the end of what was emitted."""

from __future__ import annotations

from _thread import LockType, allocate_lock
from datetime import UTC
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator

    from onex_events.bus import EventBus
    from onex_events.bus_core import BusCore


async def within(awaitable: Awaitable[Any], timeout: float | None, what: str) -> Any:
    """Await, for `timeout` seconds at most."""
    import asyncio

    if timeout is None:
        return await awaitable
    try:
        async with asyncio.timeout(timeout):
            return await awaitable
    except TimeoutError:
        raise TimeoutError(f"{what} after {timeout:g} s") from None


class Signal:
    """Something that happens once, awaited in any loop and waited for in any thread."""

    def __init__(self) -> None:
        self.happened = False
        self.futures: list[Any] = []
        # Bare locks, each held until it is let go: a signal handler or finaliser may interrupt
        # a wait anywhere and wait itself, so whoever sets may never have to wait for a waiter,
        # as threading.Event would.
        self.locks: list[LockType] = []

    def set(self) -> None:
        """It has happened: everyone who waits goes on."""
        self.happened = True
        futures, self.futures = self.futures, []
        for future in futures:
            try:
                future.get_loop().call_soon_threadsafe(settle, future)
            except RuntimeError:  # that loop has ended, and its waiter with it
                pass
        while self.locks:
            try:
                lock = self.locks.pop()
            except IndexError:  # another thread sets it too
                break
            lock.release()

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
        lock = allocate_lock()
        lock.acquire()
        self.locks.append(lock)
        if self.happened:
            return True
        try:
            return lock.acquire(timeout=-1 if timeout is None else max(timeout, 0)) or self.happened
        finally:
            try:
                self.locks.remove(lock)
            except ValueError:  # it was set
                pass


def settle(future: Any) -> None:
    """Set a future's result unless it has one."""
    if not future.done():
        future.set_result(None)


class Room(Signal):
    """Room in the queue for an event that was emitted into a full one.

    The event has its place already.  When the wait takes longer than `timeout`
    seconds it is dropped, counted and logged; when its awaiter is cancelled it stays.
    """

    def __init__(self, bus: BusCore, seq: int, timeout: float | None) -> None:
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
            self.bus._drop(self.seq)
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


class Query:
    """What `find`, `expect` and `filter` look for."""

    def __init__(
        self, bus: EventBus, function: str, cls_or_pattern: Any, where: Any, child_of: Any
    ) -> None:
        from onex_events.arguments import check_plain_callable, checked_filters, shown

        self.bus = bus
        self.function = function
        self.cls: type | None = None
        self.pattern: Any = None
        if isinstance(cls_or_pattern, type):
            (self.cls,), _, _ = checked_filters(function, cls_or_pattern, None, None)  # type: ignore[misc]
        elif cls_or_pattern is not None:
            _, self.pattern, _ = checked_filters(function, None, cls_or_pattern, None)
        if where is not None:
            check_plain_callable(
                f"{function}: {'predicate' if function == 'expect' else 'where'}", where
            )
        self.where = where
        self.parent_id = None
        if child_of is not None:
            from uuid import UUID

            self.parent_id = (
                child_of if isinstance(child_of, UUID) else getattr(child_of, "id", None)
            )
            if self.parent_id is None:
                raise TypeError(
                    f"{function}: child_of must be an event or its id, not {shown(child_of)}"
                )

    def matches(self, event: Any) -> bool:
        """Does an event match everything that was asked for?"""
        if self.cls is not None and not isinstance(event, self.cls):
            return False
        if self.pattern is not None and not self.pattern.match(event.type):
            return False
        if self.parent_id is not None and getattr(event, "parent_id", None) != self.parent_id:
            return False
        return self.where is None or bool(self.where(event))

    def in_history(self, past: bool | float) -> Generator[Any, None, None]:
        """The matches in the history, newest first."""
        from onex_events.arguments import seconds
        from onex_events.bus import not_before

        since = None
        if not isinstance(past, bool):
            from datetime import datetime, timedelta

            since = datetime.now(UTC) - timedelta(seconds=seconds(f"{self.function}: past", past))
        elif not past:
            return
        for event in reversed(self.bus._history_list(-1)):
            if since is not None and not not_before(event, since):
                continue
            if self.matches(event):
                yield event

    def next_event(self, timeout: float | None, error: type[Exception] | None) -> Awaitable[Any]:
        """Armed now: an awaitable of the next match; None or `error` after `timeout` s."""
        arrived = Signal()
        found: list[Any] = []

        def take(event: Any) -> None:
            if not found:
                found.append(event)
                subscription.cancel()
                arrived.set()

        subscription = self.bus._subscribe(
            take,
            self.cls,
            self.pattern,
            self.matches if self.where is not None or self.parent_id is not None else None,
            priority=-(2**31),
            internal=True,
        )

        async def answer() -> Any:
            try:
                if not found:
                    self.bus._resume()
                    self.bus._yield_turn()
                    await within(arrived, timeout, f"{self.function}: no such event came")
            except TimeoutError:
                if error is not None:
                    raise
                return None
            finally:
                subscription.cancel()
            return found[0]

        return answer()

    def find(self, past: bool | float, future: bool | float) -> Awaitable[Any]:
        """See `EventBus.find`."""
        from onex_events.arguments import seconds
        from onex_events.bus import copied

        timeout = None if isinstance(future, bool) else seconds("find: future", future)
        before = next(self.in_history(past), None)
        if before is None and future is not False:
            return self.next_event(timeout, None)

        async def answer() -> Any:
            return None if before is None else copied(before)

        return answer()
