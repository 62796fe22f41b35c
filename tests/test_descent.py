"""How the bus keeps those who wait for all that descends from an event."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from onex_events import Event, EventBus
from onex_events.descent import Descent, Index


def test_all_who_wait_share_one_subscription():
    bus = EventBus()
    counts: set[int] = set()

    async def main() -> None:
        release = asyncio.Event()

        async def slow(event: Any) -> None:
            counts.add(len(bus._subs))
            await release.wait()

        bus.subscribe(slow, event_types=Event, concurrency=50)
        waiting = [asyncio.ensure_future(bus.emit_and_wait(Event(type="x"))) for _ in range(50)]
        while bus.get_statistics()["in_flight"] < 50:
            await asyncio.sleep(0)
        counts.add(len(bus._subs))
        release.set()
        assert await asyncio.gather(*waiting) == [[]] * 50

    asyncio.run(main())
    assert counts == {2}
    assert len(bus._subs) == 1
    assert bus._watchers == []
    bus.close()


def test_nothing_is_kept_of_those_who_went():
    bus = EventBus()

    async def main() -> None:
        async def answer(event: Any) -> None:
            if event.type == "question":
                await bus.emit(Event(type="answer", parent_id=event.id))

        bus.subscribe(answer, event_types=Event)
        related = await bus.emit_and_wait(Event(type="question"))
        assert [event.type for event in related] == ["answer"]

    asyncio.run(main())
    descents = bus._descents
    assert descents is not None
    assert not descents.waiting
    for index in (descents.starts, descents.lineages, descents.members):
        assert index.found == {}
    bus.close()


def test_an_index_loses_nothing_to_threads():
    index, errors = Index(), []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        for number in range(3000):
            descent = Descent(Event(type="x"))
            index.add(number % 2, descent)
            if descent not in index.get(number % 2):
                errors.append(number)
            index.remove(number % 2, descent)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert index.found == {}
