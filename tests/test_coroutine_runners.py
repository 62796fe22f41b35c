"""Spec 1 §3: every way of running a coroutine takes an observed one."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import warnings

import pytest

from onex_events import (
    CreatedEvent,
    CreatingEvent,
    Event,
    EventBus,
    emit_events,
    get_context_depth,
    get_current_parent_event,
    set_event_bus,
)


class Watch:
    def __init__(self, bus):
        self.bus = bus
        self.seen = []
        bus.subscribe(self.note, Event)

    def note(self, event):
        self.seen.append(event)

    def types(self):
        self.bus.flush_sync(10)
        return [event.type for event in self.seen]


@pytest.fixture
def watch():
    bus = EventBus()
    set_event_bus(bus)
    yield Watch(bus)
    bus.close()
    set_event_bus(EventBus())


observe = emit_events(
    creating_factory=lambda *a, **k: CreatingEvent(),
    created_factory=lambda *a, **k: CreatedEvent(),
    failed_factory=lambda *a, **k: Event(type="failed"),
    cancelled_factory=lambda *a, **k: Event(type="cancelled"),
)


@observe
async def work(x, pause=0.0):
    current = get_current_parent_event()
    await asyncio.sleep(pause)
    assert get_current_parent_event() is current is not None
    return x


@observe
async def forever():
    await asyncio.Event().wait()


async def direct():
    return await work(4)


async def task():
    return await asyncio.create_task(work(4))


async def named_task():
    made = asyncio.create_task(work(4), name="named")
    assert made.get_name() == "named"
    assert "work" in repr(made)
    return await made


async def eager_task():
    loop = asyncio.get_running_loop()
    return await asyncio.eager_task_factory(loop, work(4))


async def gathered():
    return (await asyncio.gather(work(4), work(5)))[0]


async def waited_for():
    return await asyncio.wait_for(work(4), 5)


async def shielded():
    return await asyncio.shield(work(4))


async def grouped():
    async with asyncio.TaskGroup() as group:
        made = group.create_task(work(4))
    return made.result()


async def from_another_thread():
    loop = asyncio.get_running_loop()
    future = await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(work(4), loop))
    return await asyncio.wrap_future(future)


async def ensured():
    return await asyncio.ensure_future(work(4))


async def as_completed():
    for future in asyncio.as_completed([work(4)]):
        return await future


async def under_a_timeout():
    async with asyncio.timeout(5):
        return await work(4)


WAYS = [
    direct,
    task,
    named_task,
    gathered,
    waited_for,
    shielded,
    grouped,
    from_another_thread,
    ensured,
    as_completed,
    under_a_timeout,
]
if sys.version_info >= (3, 12):
    WAYS.append(eager_task)


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_asyncio(watch, way, debug):
    assert asyncio.run(way(), debug=debug) == 4
    assert set(watch.types()) == {"creating", "created"}
    assert get_context_depth() == 0


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_uvloop(watch, way):
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(way()) == 4
    assert set(watch.types()) == {"creating", "created"}


def test_asyncio_run_takes_it_itself(watch):
    assert asyncio.run(work(4)) == 4
    assert watch.types() == ["creating", "created"]


def test_run_until_complete(watch):
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        assert loop.run_until_complete(work(4)) == 4
    assert watch.types() == ["creating", "created"]


def test_runner_twice(watch):
    with asyncio.Runner() as runner:
        assert runner.run(work(1)) == 1
        assert runner.run(work(2)) == 2
    assert watch.types() == ["creating", "created"] * 2


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio(watch, backend):
    anyio = pytest.importorskip("anyio")
    if backend == "trio":
        pytest.importorskip("trio")

    @observe
    async def pausing(x):
        current = get_current_parent_event()
        await anyio.sleep(0)
        await anyio.to_thread.run_sync(lambda: None)
        assert get_current_parent_event() is current is not None
        return x

    @observe
    async def ticking(n):
        for i in range(n):
            await anyio.sleep(0)
            yield i

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(pausing, 1)
            group.start_soon(pausing, 2)
        assert [i async for i in ticking(3)] == [0, 1, 2]
        async for _ in ticking(3):
            break  # trio and asyncio both close it in the end
        with anyio.move_on_after(0.01):
            await pausing_for_ever()
        return await pausing(4)

    @observe
    async def pausing_for_ever():
        await anyio.sleep_forever()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # trio reports the early break
        assert anyio.run(main, backend=backend) == 4
    types = watch.types()
    assert types.count("creating") == 6
    assert types.count("created") == 4
    assert types.count("cancelled") == 2
    assert get_context_depth() == 0


def test_cancelling_a_task(watch):
    async def main():
        made = asyncio.create_task(forever())
        await asyncio.sleep(0)
        made.cancel("message")
        with pytest.raises(asyncio.CancelledError) as caught:
            await made
        assert caught.value.args in ((), ("message",))

    asyncio.run(main())
    assert watch.types() == ["creating", "cancelled"]


def test_task_that_is_cancelled_at_the_end_of_the_loop(watch):
    kept = []

    async def main():
        kept.append(asyncio.create_task(forever()))
        await asyncio.sleep(0)

    asyncio.run(main())
    assert watch.types() == ["creating", "cancelled"]


def test_wait_for_that_times_out(watch):
    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(forever(), 0.01)

    asyncio.run(main())
    assert watch.types() == ["creating", "cancelled"]


def test_events_of_gathered_calls_are_siblings(watch):
    async def main():
        outer = Event(type="outer")
        from onex_events import EventContextManager

        with EventContextManager(outer):
            await asyncio.gather(*(work(n) for n in range(10)))
            assert get_current_parent_event() is outer
        return outer

    outer = asyncio.run(main())
    watch.types()
    assert {event.parent_id for event in watch.seen} == {outer.id}


def test_loops_in_several_threads(watch):
    results = []

    def run(n):
        results.append(asyncio.run(work(n)))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == [0, 1, 2, 3]
    assert sorted(watch.types()) == ["created"] * 4 + ["creating"] * 4


def test_async_generators_are_closed_at_the_end_of_the_loop(watch):
    closed = []

    @observe
    async def ticking():
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    kept = []

    async def main():
        made = ticking()
        kept.append(made)
        assert await anext(made) == 1

    asyncio.run(main())
    assert closed == [True]
    assert watch.types() == ["creating", "cancelled"]


def test_async_generator_without_a_loop(watch):
    @observe
    async def ticking():
        yield 1

    made = ticking()
    with pytest.raises(StopIteration) as stopped:
        made.__anext__().send(None)
    assert stopped.value.value == 1
    del made
    assert watch.types() == ["creating", "cancelled"]


def test_concurrent_steps_of_an_async_generator_are_an_error(watch):
    @observe
    async def ticking():
        await asyncio.sleep(0)
        yield 1

    async def main():
        made = ticking()
        first, second = await asyncio.gather(
            made.__anext__(), made.__anext__(), return_exceptions=True
        )
        assert first == 1
        assert isinstance(second, RuntimeError)
        await made.aclose()

    asyncio.run(main())
    assert watch.types() == ["creating", "cancelled"]


def test_awaiting_one_that_is_being_awaited_is_an_error(watch):
    async def main():
        coroutine = work(1, 0.01)
        first = asyncio.create_task(coroutine)
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="being awaited already"):
            await coroutine
        assert await first == 1

    asyncio.run(main())
    assert watch.types() == ["creating", "created"]


def test_types_coroutine(watch):
    import inspect
    import types

    @observe
    @types.coroutine
    def suspended():
        return (yield)

    async def main():
        await suspended()

    assert inspect.isawaitable(suspended())
    coroutine = main()
    coroutine.send(None)
    with pytest.raises(StopIteration):
        coroutine.send(1)
    assert watch.types() == ["creating", "created"]


def test_arguments_live_no_longer_than_the_call(watch):
    import weakref

    class Argument:
        pass

    async def main():
        argument = Argument()
        gone = weakref.ref(argument)
        made = asyncio.create_task(work(None, 0))
        kept = asyncio.create_task(take(argument))
        del argument
        await asyncio.gather(made, kept)
        assert kept.get_coro() is not None or sys.version_info >= (3, 13)
        assert gone() is None

    @observe
    async def take(argument):
        await asyncio.sleep(0)

    asyncio.run(main())


def test_recursion_of_awaits_ends_in_a_recursion_error(watch):
    @observe
    async def down(n):
        return await down(n + 1)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        with pytest.raises(RecursionError):
            asyncio.run(down(0))
    finally:
        sys.setrecursionlimit(limit)
    watch.types()
    assert get_context_depth() == 0


def test_a_full_queue_suspends_the_call_and_loses_nothing(watch):
    bus = EventBus(max_queue_size=2, overflow="block")
    set_event_bus(bus)
    seen = []

    @observe
    async def quick(n):
        return n

    @observe
    async def failing():
        raise ValueError

    @observe
    async def ticking():
        yield 1
        yield 2

    async def slow(event):
        await asyncio.sleep(0)
        seen.append(event.type)

    async def main():
        others = 0

        async def turn():
            nonlocal others
            while True:
                await asyncio.sleep(0)
                others += 1

        turning = asyncio.create_task(turn())
        assert await asyncio.gather(*(quick(n) for n in range(20))) == list(range(20))
        for _ in range(5):
            with pytest.raises(ValueError):
                await failing()
            assert [x async for x in ticking()] == [1, 2]
        assert others > 10  # the loop went on
        tasks = [asyncio.create_task(quick(n)) for n in range(20)]
        await asyncio.sleep(0)
        for made in tasks:
            made.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        turning.cancel()
        await bus.flush(10)

    bus.subscribe(slow, Event)
    asyncio.run(main())
    statistics = bus.get_statistics()
    bus.close()
    assert not statistics["dropped"]
    assert seen.count("creating") == len(seen) - seen.count("creating")
    assert seen.count("failed") == 5
    assert seen.count("created") + seen.count("cancelled") == seen.count("creating") - 5
    assert get_context_depth() == 0
