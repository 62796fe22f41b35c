"""How many threads the reference starts."""

import asyncio
import threading

import pytest

pytest.importorskip("pydantic")

from onex_events.reference import Event, EventBus


def _workers() -> int:
    return sum(one.name == "onex-events-reference" for one in threading.enumerate())


def test_a_standing_loop_is_watched_by_one_thread_however_much_is_emitted():
    before = _workers()
    bus = EventBus()
    seen = []

    async def handler(event):
        await asyncio.sleep(0)
        seen.append(event)

    async def begin():
        bus.emit(Event(type="x"))

    bus.subscribe(handler, Event)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin())
    for _ in range(100):
        bus.emit(Event(type="x"))
    assert _workers() - before <= 1
    loop.run_until_complete(bus.flush(10))
    assert len(seen) == 101
    loop.close()


def test_sync_handlers_on_a_loop_do_not_start_a_thread_each():
    before = _workers()
    bus = EventBus()
    threads = set()
    bus.subscribe(lambda event: threads.add(threading.get_ident()), Event)

    async def main():
        for _ in range(50):
            await bus.emit(Event(type="x"))
        await bus.flush(10)

    asyncio.run(main())
    # A thread is taken for busy until a moment after its call: there may be a few.
    assert len(threads) < 10
    assert threading.get_ident() not in threads
    assert _workers() - before < 10
