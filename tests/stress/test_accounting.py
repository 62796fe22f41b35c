"""R1: however many threads, loops and subscription changes, every event is explained."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from onex_events import (
    CreatedEvent,
    CreatingEvent,
    Event,
    EventBus,
    EventPriority,
    QueueFullError,
    emit_events,
)

from .scale import SOAK, accounted, drained, settled, sized

POLICIES = ["block", "drop_newest", "drop_oldest", "raise"]


class Witness:
    """An attached listener: counts what the bus delivers."""

    def __init__(self) -> None:
        self.types: Counter[str] = Counter()

    def accept(self, events: list[Any]) -> None:
        self.types.update(event.type for event in events)


class Crew:
    """Threads whose exceptions are the test's."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.errors: list[BaseException] = []

    def start(self, work: Callable[..., None], *args: Any) -> None:
        def guarded() -> None:
            try:
                work(*args)
            except BaseException as error:
                self.errors.append(error)

        thread = threading.Thread(target=guarded, daemon=True)
        self.threads.append(thread)
        thread.start()

    def join(self, limit: float) -> None:
        for thread in self.threads:
            thread.join(limit)
            assert not thread.is_alive(), f"{thread} still runs after {limit} s"
        if self.errors:
            raise BaseExceptionGroup("in the threads", self.errors)


@pytest.fixture
def crew() -> Iterator[Crew]:
    crew = Crew()
    yield crew
    crew.join(60)


def emit_counting(bus: EventBus, event: Any, refused: list[int]) -> None:
    try:
        bus.emit_sync(event)
    except QueueFullError:
        refused.append(1)


def change_subscriptions(bus: EventBus, stop: threading.Event, seed: int) -> None:
    """Subscribes, unsubscribes, attaches and detaches until told to stop."""
    dice = random.Random(seed)
    held: list[Any] = []

    def sync_handler(event: Any) -> None:
        pass

    async def async_handler(event: Any) -> None:
        await asyncio.sleep(0)

    def raising(event: Any) -> None:
        raise RuntimeError("a handler that raises")

    while not stop.wait(0.0005):  # leaves the interpreter to the others
        kind = dice.randrange(6)
        if kind == 0:
            held.append(bus.subscribe(sync_handler, event_types=CreatingEvent))
        elif kind == 1:
            held.append(bus.subscribe(async_handler, pattern="creat"))
        elif kind == 2:
            held.append(
                bus.subscribe(raising, predicate=lambda event: True, priority=EventPriority.HIGH)
            )
        elif kind == 3:
            bus.subscribe(Owner().handle, event_types=Event, weak=True)
        elif held:
            bus.unsubscribe(held.pop(dice.randrange(len(held))))
        while len(held) > 20:
            bus.unsubscribe(held.pop())
    for subscription in held:
        bus.unsubscribe(subscription)


class Owner:
    def handle(self, event: Any) -> None:
        pass


def explain(figures: dict[str, Any], tally: Callable[..., None]) -> None:
    """What `settled` has found to add up."""
    tally(
        "R1 accounting",
        emitted=figures["emitted"],
        handled=figures["handled"],
        dropped=sum(figures["dropped"].values()),
        unexplained=0,
    )


@pytest.mark.parametrize("background", [False, True], ids=["inline", "background"])
@pytest.mark.parametrize("overflow", POLICIES)
def test_threads_loops_and_changing_subscriptions(crew, overflow, background, caplog, tally):
    caplog.set_level("CRITICAL", "onex_events")  # raising handlers are meant to
    bus = EventBus(max_queue_size=64, overflow=overflow, overflow_timeout=0.01, history_size=100)
    witness = Witness()
    bus.attach(witness)
    if background:
        bus.start_background()
    stop, refused = threading.Event(), []
    each = sized(100_000, part=100)

    @emit_events(
        creating_factory=lambda number: CreatingEvent(),
        created_factory=lambda result, number: CreatedEvent(),
        bus=bus,
    )
    def decorated(number: int) -> int:
        return number

    @emit_events(created_factory=lambda result, number: CreatedEvent(), bus=bus)
    async def decorated_later(number: int) -> int:
        return number

    def emit_in_a_thread() -> None:
        for number in range(each):
            emit_counting(bus, Event(type="thread"), refused)
            assert decorated(number) == number

    def emit_in_loops() -> None:
        async def main() -> None:
            for number in range(each // 4):
                try:
                    await bus.emit(Event(type="loop"))
                except QueueFullError:
                    refused.append(1)
                assert await decorated_later(number) == number

        for _ in range(4):
            asyncio.run(main())

    def watch() -> None:
        while not stop.wait(0.0005):
            accounted(bus)

    emitters = Crew()
    crew.start(watch)
    for seed in range(2):
        crew.start(change_subscriptions, bus, stop, seed)
    for _ in range(3):
        emitters.start(emit_in_a_thread)
    for _ in range(2):
        emitters.start(emit_in_loops)
    try:
        emitters.join(3600 if SOAK else 300)
    finally:
        stop.set()
    crew.join(60)
    bus.flush_sync(30)
    figures = settled(bus)
    assert witness.types.total() == figures["handled"]
    if overflow != "raise":
        assert not refused
        assert figures["emitted"] == 3 * each * 3 + 2 * (each // 4 * 4) * 2
    bus.close()
    settled(bus)
    explain(figures, tally)


@pytest.mark.parametrize("overflow", POLICIES)
def test_handlers_that_emit_into_a_full_queue(overflow, tally):
    bus = EventBus(max_queue_size=8, overflow=overflow, overflow_timeout=0.05)
    witness = Witness()
    bus.attach(witness)

    def multiply(event: Any) -> None:
        for _ in range(4):
            emit_counting(bus, Event(type="many"), [])

    bus.subscribe(multiply, pattern="one$")
    for _ in range(sized(2000)):
        emit_counting(bus, Event(type="one"), [])
        accounted(bus)
    drained(bus)
    figures = settled(bus)
    assert witness.types.total() == figures["handled"]
    bus.close()
    explain(figures, tally)


def test_cancelled_awaiters_of_a_full_queue_keep_their_events(tally):
    bus = EventBus(max_queue_size=4, overflow_timeout=None)
    witness = Witness()
    bus.attach(witness)
    count = sized(2000)

    async def main() -> None:
        async def slow(event: Any) -> None:
            await asyncio.sleep(0)

        bus.subscribe(slow, event_types=Event)
        for start in range(0, count, 20):
            tasks = [
                asyncio.ensure_future(bus.emit(Event(type="x")))
                for _ in range(min(20, count - start))
            ]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            accounted(bus)
        await bus.flush(30)

    asyncio.run(main())
    figures = settled(bus)
    assert figures["emitted"] == figures["handled"] == witness.types["x"] == count
    bus.close()
    explain(figures, tally)


def test_forwarded_events_are_explained_on_both_buses(crew):
    first, second = EventBus(), EventBus(max_queue_size=32, overflow="drop_oldest")
    witness = Witness()
    second.attach(witness)
    first.forward(to=second)
    second.forward(to=first)  # no loops
    each = sized(100_000, part=100)

    def work() -> None:
        for _ in range(each):
            first.emit_sync(Event(type="x"))

    emitters = Crew()
    for _ in range(3):
        emitters.start(work)
    emitters.join(120)
    drained(first, second)
    one, two = settled(first), settled(second)
    assert one["emitted"] == 3 * each
    assert two["emitted"] == 3 * each
    assert witness.types["x"] == two["handled"]
    for bus in (first, second):
        bus.close()
