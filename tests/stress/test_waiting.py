"""Handlers that wait for the bus, at random, on several loops and threads: no deadlock."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from onex_events import CreatedEvent, Event, EventBus, emit_events
from onex_events.worker import Worker

from .scale import SOAK, accounted, settled, sized

DEPTH = 3

LIMIT = 900 if SOAK else 100
"""Seconds until it is a deadlock."""

WAVE = 100
"""Events whose handlers wait at once: each event is shown to every predicate that waits."""

ROOM = 1_000_000
"""No event is dropped: who expects that one would wait for ever."""


class Step(Event):
    """An event whose handlers do something with the bus, ``depth`` levels deep."""

    type: str = "step"
    depth: int = 0


class Actors:
    """Handlers that each do one random thing; what they wait for is always below them."""

    def __init__(self, bus: EventBus, seed: int) -> None:
        self.bus = bus
        self.dice = random.Random(seed)
        self.calls = 0

        @emit_events(created_factory=lambda result, event: CreatedEvent(), bus=bus)
        def decorated(event: Any) -> None:
            pass

        @emit_events(created_factory=lambda result, event: CreatedEvent(), bus=bus)
        async def decorated_later(event: Any) -> None:
            await asyncio.sleep(0)

        self.decorated, self.decorated_later = decorated, decorated_later

    def below(self, event: Step) -> Step:
        return Step(depth=event.depth + 1, parent_id=event.id, root_id=event.root_id or event.id)

    async def on_step(self, event: Step) -> None:
        self.calls += 1
        if event.depth >= DEPTH:
            return
        action = self.dice.randrange(8)
        if action == 0:
            await self.bus.emit(self.below(event))
        elif action == 1:
            await self.bus.emit_and_wait(self.below(event))
        elif action == 2:
            answers = await self.bus.collect(self.below(event))
            assert not [a for a in answers.values() if isinstance(a, BaseException)], answers
        elif action == 3:
            below = self.below(event)
            answer = self.bus.expect(Step, lambda seen: seen.id == below.id)
            self.bus.emit_sync(below)
            assert (await answer).id == below.id
        elif action == 4:
            await self.bus.find(CreatedEvent, past=False, future=0.001)
        elif action == 5:
            parent = self.below(event)
            await self.bus.emit_with_children(parent, [lambda: self.below(parent)] * 2)
        elif action == 6:
            self.decorated(event)
            await self.decorated_later(event)
        else:
            await asyncio.sleep(0)

    def on_step_sync(self, event: Step) -> None:
        self.calls += 1
        if event.depth < DEPTH and self.dice.random() < 0.5:
            self.bus.emit_sync(self.below(event))
            self.decorated(event)


def run_in_threads(works: list[Callable[[], None]], limit: float) -> None:
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(limit)
        assert not thread.is_alive(), f"deadlock: {thread} still runs after {limit} s"
    if errors:
        raise BaseExceptionGroup("in the threads", errors)


@pytest.mark.parametrize(
    "options", [{}, {"concurrency": 3}, {"concurrency": 3, "ordered_by": "root_id"}]
)
@pytest.mark.parametrize("background", [False, True], ids=["inline", "background"])
def test_one_loop(background, options):
    bus = EventBus(history_size=1000, max_queue_size=ROOM)
    if background:
        bus.start_background()
    actors = Actors(bus, seed=1)

    async def main() -> None:
        for _ in range(3):
            bus.subscribe(actors.on_step, event_types=Step, **options)
        bus.subscribe(actors.on_step_sync, event_types=Step)
        for number in range(sized(1000, part=100)):
            await bus.emit(Step())
            if number % WAVE == WAVE - 1:
                await bus.flush(LIMIT)
        await bus.flush(LIMIT)

    async def bounded() -> None:
        async with asyncio.timeout(LIMIT):
            await main()

    asyncio.run(bounded())
    settled(bus)
    assert bus.get_statistics()["handler_errors"] == 0
    bus.close()


@pytest.mark.parametrize("background", [False, True], ids=["inline", "background"])
def test_several_loops_and_threads(background):
    bus = EventBus(history_size=1000, max_queue_size=ROOM)
    if background:
        bus.start_background()
    count = sized(400)
    over = threading.Barrier(3)

    def loop_with_handlers(seed: int) -> None:
        async def main() -> None:
            actors = Actors(bus, seed)
            with bus.subscribe(actors.on_step, event_types=Step):
                for _ in range(count):
                    await bus.emit(Step())
                await bus.flush(LIMIT)
                # The others still need this loop for their events' handlers.
                await asyncio.to_thread(over.wait, LIMIT)
                await bus.flush(LIMIT)

        asyncio.run(main())

    def plain_thread() -> None:
        for _ in range(count):
            bus.emit_sync(Step())
        over.wait(LIMIT)

    run_in_threads(
        [lambda: loop_with_handlers(1), lambda: loop_with_handlers(2), plain_thread], limit=LIMIT
    )
    bus.flush_sync(LIMIT)
    settled(bus)
    assert bus.get_statistics()["handler_errors"] == 0
    bus.close()


def test_two_buses_that_wait_for_each_other():
    first, second = EventBus(), EventBus()
    over: list[int] = []

    async def main() -> None:
        async def on_first(event: Step) -> None:
            if event.depth < DEPTH:
                await second.emit_and_wait(Step(depth=event.depth + 1))
            over.append(1)

        async def on_second(event: Step) -> None:
            if event.depth < DEPTH:
                await first.emit_and_wait(Step(depth=event.depth + 1))
            over.append(1)

        first.subscribe(on_first, event_types=Step)
        second.subscribe(on_second, event_types=Step)
        async with asyncio.timeout(LIMIT):
            count = sized(400)
            await asyncio.gather(
                *(bus.emit_and_wait(Step()) for _ in range(count) for bus in (first, second))
            )
            await first.flush(LIMIT)
            await second.flush(LIMIT)
        assert len(over) == 2 * count * (DEPTH + 1)

    asyncio.run(main())
    for bus in (first, second):
        accounted(bus)
        settled(bus)
        bus.close()


def test_the_worker_looks_again_when_asked_during_a_look() -> None:
    """A loop given work after the worker has looked at it, before it has said so."""
    again = threading.Event()

    class Drain:
        """Nothing is due at the first look; meanwhile another thread brings something."""

        own_loop = None
        bus = EventBus()
        looks = 0

        def look_after_loops(self) -> bool:
            self.looks += 1
            if self.looks == 1:
                worker.watch(drain)
            else:
                again.set()
            return False

        def own_loop_has_tasks(self) -> bool:
            return False

    drain: Any = Drain()
    worker = drain.worker = Worker(drain)
    worker.start()
    worker.watch(drain)
    assert again.wait(10)
    worker.stop()
    worker.join(10)
    assert not worker.is_alive()
