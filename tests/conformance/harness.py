"""What the conformance tests share: bounded waits, recorders of events, the accounting check."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

LIMIT = 10.0
"""Seconds that any single wait of a test may last; reaching it is a failure."""


def run(main: Awaitable[Any], limit: float = LIMIT) -> Any:
    """`asyncio.run(main)` that fails with TimeoutError after `limit` seconds."""

    async def bounded() -> Any:
        async with asyncio.timeout(limit):
            return await main

    return asyncio.run(bounded())


async def until(condition: Callable[[], Any], limit: float = LIMIT) -> None:
    """Let the loop turn until `condition()` holds; TimeoutError after `limit` seconds."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not reached within {limit} s")
        await asyncio.sleep(0.001)


def wait_until(condition: Callable[[], Any], limit: float = LIMIT) -> None:
    """Block this thread until `condition()` holds; TimeoutError after `limit` seconds."""
    end = time.monotonic() + limit
    pause = threading.Event()
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not reached within {limit} s")
        pause.wait(0.001)


def in_thread(function: Callable[..., Any], *args: Any, limit: float = LIMIT) -> Any:
    """`function(*args)` in a new thread: its result, or its exception raised here."""
    outcome: list[Any] = []

    def call() -> None:
        try:
            outcome.append((function(*args), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(limit)
    if not outcome:
        raise TimeoutError(f"{function!r} still runs after {limit} s")
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def identity(bus: Any) -> dict[str, Any]:
    """The bus's statistics, after checking that they account for every event."""
    stats = bus.get_statistics()
    accounted = (
        stats["handled"] + sum(stats["dropped"].values()) + stats["queue_size"] + stats["in_flight"]
    )
    assert stats["emitted"] == accounted, f"unexplained events: {stats}"
    return stats


def settled(bus: Any) -> bool:
    """Whether nothing of the bus is queued or in flight."""
    stats = identity(bus)
    return not stats["queue_size"] and not stats["in_flight"]


def drain(bus: Any, limit: float = LIMIT) -> None:
    """Wait, outside any loop, until nothing is queued or in flight, what handlers emit included."""
    end = time.monotonic() + limit
    while True:
        bus.flush_sync(max(end - time.monotonic(), 0.001))
        if settled(bus):
            return


async def drained(bus: Any, limit: float = LIMIT) -> None:
    """Wait, on a loop, until nothing is queued or in flight, what handlers emit included."""
    end = time.monotonic() + limit
    while True:
        await bus.flush(max(end - time.monotonic(), 0.001))
        if settled(bus):
            return


class Seen(list[Any]):
    """A recorder of events: `bus.subscribe(seen.sync, …)` or `seen.asynchronous`."""

    def sync(self, event: Any) -> None:
        self.append(event)

    async def asynchronous(self, event: Any) -> None:
        self.append(event)

    @property
    def types(self) -> list[str]:
        return [event.type for event in self]

    def one(self) -> Any:
        """The only event seen."""
        assert len(self) == 1, f"expected one event, saw {self.types}"
        return self[0]

    def of(self, event_type: str) -> Any:
        """The only event of that type."""
        found = [event for event in self if event.type == event_type]
        assert len(found) == 1, f"expected one {event_type}, saw {self.types}"
        return found[0]
