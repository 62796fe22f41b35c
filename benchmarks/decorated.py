"""A decorated call with two lambda factories on either implementation, for S6 and S7."""

import asyncio
import importlib
import time
from types import ModuleType
from typing import Any

from rounds import Timed

CHUNK = 1000
"""Calls between two flushes: what is queued stays far below the queue's bound."""


def implementation(name: str) -> ModuleType:
    """``onex_events`` or ``onex_events.reference``."""
    return importlib.import_module(name)


def _saved(api: ModuleType) -> Any:
    class Saved(api.Event):  # type: ignore[misc,name-defined]
        type: str = "saved"
        path: str
        owner: str
        reason: str
        size: int

    return Saved


def _decorator(api: ModuleType, bus: Any) -> Any:
    saved = _saved(api)
    return api.emit_events(
        creating_factory=lambda x: saved(path="p", owner="o", reason="start", size=x),
        created_factory=lambda result, x: saved(path="p", owner="o", reason="end", size=result),
        bus=bus,
    )


def async_calls(name: str) -> Timed:
    """Calls below a current event, one async subscriber; the time includes handling all events."""
    api = implementation(name)
    bus = api.EventBus(lazy=False)
    seen = [0]

    async def handler(event: Any) -> None:
        seen[0] += 1

    bus.subscribe(handler, api.Event)

    @_decorator(api, bus)
    async def decorated(x: int) -> int:
        return x

    async def main(n: int) -> float:
        before = seen[0]
        with api.EventContextManager(api.Event(type="parent")):
            start = time.perf_counter()
            for begin in range(0, n, CHUNK):
                for _ in range(begin, min(n, begin + CHUNK)):
                    await decorated(1)
                await bus.flush()
            seconds = time.perf_counter() - start
        assert seen[0] - before == 2 * n, "not every event was handled"
        return seconds

    return lambda n: asyncio.run(main(n))


def sync_calls(name: str) -> Timed:
    """The same with a plain function, one sync subscriber and no loop."""
    api = implementation(name)
    bus = api.EventBus(lazy=False)
    seen = [0]

    def handler(event: Any) -> None:
        seen[0] += 1

    bus.subscribe(handler, api.Event)

    @_decorator(api, bus)
    def decorated(x: int) -> int:
        return x

    def timed(n: int) -> float:
        before = seen[0]
        with api.EventContextManager(api.Event(type="parent")):
            start = time.perf_counter()
            for _ in range(n):
                decorated(1)
            seconds = time.perf_counter() - start
        assert seen[0] - before == 2 * n, "not every event was handled"
        return seconds

    return timed
