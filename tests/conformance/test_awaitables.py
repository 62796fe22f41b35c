"""Handlers that return awaitables other than coroutines, and waits that are given up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from .harness import drain, run


class Twice:
    """Suspends twice by a plain iterator, which knows no throw()."""

    def __init__(self, log: list[str], steps: int = 2) -> None:
        self.log, self.steps = log, steps

    def __await__(self) -> Iterator[None]:
        return self

    def __iter__(self) -> Iterator[None]:
        return self

    def __next__(self) -> None:
        if self.steps == 0:
            self.log.append("over")
            raise StopIteration("answer")
        self.steps -= 1
        self.log.append("step")


class ByGenerator:
    def __init__(self, log: list[str]) -> None:
        self.log = log

    def __await__(self) -> Iterator[None]:
        try:
            yield
            self.log.append("over")
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise


class TestAwaitables:
    def test_of_every_kind(self, api, bus):
        log: list[str] = []

        async def main() -> None:
            loop = asyncio.get_running_loop()

            def future(event: Any) -> Any:
                made = loop.create_future()
                loop.call_soon(made.set_result, 1)
                made.add_done_callback(lambda _: log.append("future"))
                return made

            bus.subscribe(future, api.Event)
            bus.subscribe(lambda event: Twice(log), api.Event)
            bus.subscribe(lambda event: ByGenerator(log), api.Event)
            await bus.emit(api.Event(type="x"))
            await bus.flush(10)

        run(main())
        assert sorted(log) == ["future", "over", "over", "step", "step"]
        assert bus.get_statistics()["handler_errors"] == 0

    def test_without_a_loop(self, api, bus):
        log: list[str] = []
        bus.subscribe(lambda event: Twice(log), api.Event)
        bus.subscribe(lambda event: ByGenerator(log), api.Event)
        bus.emit_sync(api.Event(type="x"))
        drain(bus)
        assert sorted(log) == ["over", "over", "step", "step"]

    @pytest.mark.core_only(reason="collect is beyond the reference path")
    def test_their_results_are_collected(self, api, bus):
        async def main() -> Any:
            bus.subscribe(lambda event: Twice([]), api.Event)
            return await bus.collect(api.Event(type="x"))

        assert list(run(main()).values()) == ["answer"]

    @pytest.mark.core_only(reason="a time-out of a handler is beyond the reference path")
    @pytest.mark.parametrize("kind", ["iterator", "generator"])
    def test_a_time_out_ends_them(self, api, bus, kind):
        log: list[str] = []

        class Endless(ByGenerator):
            def __await__(self) -> Iterator[None]:
                try:
                    while True:
                        yield
                except asyncio.CancelledError:
                    log.append("cancelled")
                    raise

        made = {"iterator": lambda: Twice([], steps=-1), "generator": lambda: Endless(log)}[kind]

        async def main() -> None:
            bus.subscribe(lambda event: made(), api.Event, timeout=0.05)
            await bus.emit(api.Event(type="x"))
            await bus.flush(10)

        run(main())
        figures = bus.get_statistics()
        assert figures["handler_errors"] == 1
        assert (figures["queue_size"], figures["in_flight"]) == (0, 0)
        assert log == (["cancelled"] if kind == "generator" else [])


@pytest.mark.core_only(reason="overflow policies are beyond the reference path")
class TestWaitsForRoom:
    """A decorated coroutine that waits for room is given up while it waits."""

    @pytest.fixture
    def full(self, api, make_bus):
        bus = make_bus(max_queue_size=1, overflow="block", overflow_timeout=30)

        @api.emit_events(created_factory=lambda result: api.CreatedEvent(), bus=bus)
        async def decorated() -> int:
            return 5

        return bus, decorated

    async def waiting(self, api: Any, bus: Any, coroutine: Any) -> None:
        """Step it until it waits: the queue is full while a handler runs."""
        gate = asyncio.Event()

        async def slow(event: Any) -> None:
            await gate.wait()

        bus.subscribe(slow, api.Event)
        for _ in range(2):
            await bus.emit(api.Event(type="x"))
            await asyncio.sleep(0)
        self.gate = gate
        coroutine.send(None)

    @pytest.mark.parametrize("how", ["close", "throw"])
    def test_its_event_is_counted(self, api, full, how):
        bus, decorated = full

        async def main() -> None:
            bus.subscribe(lambda event: None, api.CreatedEvent)
            coroutine = decorated()
            await self.waiting(api, bus, coroutine)
            if how == "close":
                coroutine.close()
            else:
                with pytest.raises(ZeroDivisionError):
                    coroutine.throw(ZeroDivisionError())
            self.gate.set()
            await bus.flush(10)

        run(main())
        figures = bus.get_statistics()
        assert figures["emitted"] == figures["handled"] + sum(figures["dropped"].values())
        assert figures["queue_size"] == figures["in_flight"] == 0
