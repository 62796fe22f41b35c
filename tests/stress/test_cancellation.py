"""R9: cancelled at every await, generators closed early or by others.

Every call that began has exactly one end event, the context is what it was before, and
nothing complains about another Context.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from onex_events import (
    Event,
    EventBus,
    EventContextManager,
    emit_events,
    get_context_depth,
    get_current_parent_event,
    set_event_bus,
)

from .scale import settled, sized

pytestmark = pytest.mark.usefixtures("small_heap")


class OwnError(Exception):
    pass


class Calls:
    """The bus, and decorated functions whose events are paired at the end."""

    def __init__(self, hook: Any) -> None:
        self.hook = hook
        self.bus = EventBus()
        set_event_bus(self.bus)
        self.begun: list[Any] = []
        self.ended: Counter[Any] = Counter()
        self.complaints: list[Any] = []
        self.bus.subscribe(lambda event: self.begun.append(event.lineage_id), pattern="begin")
        self.bus.subscribe(lambda event: self.ended.update([event.lineage_id]), pattern="end")

    def watch(self, function: Any) -> Any:
        return emit_events(
            creating_factory=lambda *_: Event(type="begin"),
            created_factory=lambda result, *_: Event(type="end.created"),
            failed_factory=lambda error, *_: Event(type="end.failed"),
            cancelled_factory=lambda error, *_: Event(type="end.cancelled"),
            hook=self.hook,
        )(function)

    def run(self, main: Callable[[], Any]) -> None:
        """`main` in a loop, below a parent event that must still be the current one then."""

        async def whole() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: self.complaints.append(context))
            parent = Event(type="parent")
            with EventContextManager(parent):
                await main()
                assert get_current_parent_event() is parent, "the parent was not restored"
                assert get_context_depth() == 1
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.gather(*others, return_exceptions=True)
            await self.bus.flush(20)

        asyncio.run(whole())

    def check(self) -> int:
        """Every call has its one end; how many there were."""
        self.bus.flush_sync(20)
        settled(self.bus)
        assert not self.complaints, self.complaints
        assert self.ended == Counter(self.begun), "a call without an end, or with two"
        self.bus.close()
        return len(self.begun)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level("CRITICAL", "asyncio")
    yield
    set_event_bus(None)


# --- coroutines: the task is cancelled after each number of turns of the loop ---------------


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def coroutines(calls: Calls) -> dict[str, Callable[[], Any]]:
    @calls.watch
    async def child() -> int:
        await turns(2)
        return 1

    @calls.watch
    async def items() -> Any:
        for item in range(3):
            await turns(1)
            yield item

    async def plain() -> None:
        await turns(3)

    async def nested() -> None:
        await child()
        await child()

    async def cleans_up() -> None:
        try:
            await child()
        finally:
            await child()

    async def swallows() -> None:
        try:
            await child()
        except asyncio.CancelledError:
            await turns(1)

    async def raises_another() -> None:
        try:
            await child()
        except asyncio.CancelledError:
            raise OwnError from None

    async def gathers() -> None:
        await asyncio.gather(child(), child(), return_exceptions=True)

    async def groups() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(child())
            group.create_task(child())

    async def shields() -> None:
        await asyncio.shield(child())

    async def waits() -> None:
        await asyncio.wait_for(child(), 20)

    async def times_out() -> None:
        try:
            async with asyncio.timeout(0):
                await child()
        except TimeoutError:
            await child()

    async def iterates() -> None:
        async for _ in items():
            await child()

    async def iterates_in_part() -> None:
        async with aclosing(items()) as some:
            async for item in some:
                if item == 1:
                    break
        await turns(1)

    return {
        one.__name__: one
        for one in (
            plain,
            nested,
            cleans_up,
            swallows,
            raises_another,
            gathers,
            groups,
            shields,
            waits,
            times_out,
            iterates,
            iterates_in_part,
        )
    }


COROUTINES = list(coroutines(Calls("auto")))


@pytest.mark.parametrize("hook", ["auto", "wrapper"])
@pytest.mark.parametrize("name", COROUTINES)
def test_cancelled_at_every_await(name: str, hook: str, tally: Any) -> None:
    cancelled, began, over = 0, 0, False
    for turn in itertools.count():
        calls = Calls(hook)
        function = calls.watch(coroutines(calls)[name])

        async def main(turn: int = turn, function: Any = function) -> None:
            nonlocal over
            task = asyncio.ensure_future(function())
            await turns(turn)
            over = task.done()
            task.cancel()
            await asyncio.wait([task])
            task.cancelled() or task.exception()

        calls.run(main)
        try:
            began += calls.check()
        except AssertionError as error:
            raise AssertionError(f"{name} cancelled after {turn} turns: {error}") from error
        cancelled += 1
        if over:
            break
    assert cancelled > 3 and began >= cancelled - 1, "the first is cancelled before it begins"
    tally("R9 cancellation", cancelled_calls=began, calls_without_one_end=0)


# --- generators: left after each number of items, in each way -------------------------------


def async_generators(calls: Calls) -> dict[str, Callable[[], Any]]:
    @calls.watch
    async def child() -> None:
        await turns(1)

    async def plain() -> Any:
        for item in range(3):
            yield item

    async def awaits() -> Any:
        for item in range(3):
            await child()
            yield item

    async def cleans_up() -> Any:
        try:
            for item in range(3):
                yield item
        finally:
            await child()

    async def pushes() -> Any:
        with EventContextManager(Event(type="inside")):
            for item in range(3):
                yield item

    async def passes_on() -> Any:
        async with aclosing(calls.watch(plain)()) as inner:
            async for item in inner:
                yield item

    return {one.__name__: one for one in (plain, awaits, cleans_up, pushes, passes_on)}


async def forget(generator: Any) -> None:
    """Drop it: asyncio closes it in a task of its own."""
    del generator
    gc.collect()


async def cancel_a_step(generator: Any) -> None:
    task = asyncio.ensure_future(anext(generator))
    await turns(1)
    task.cancel()
    await asyncio.wait([task])
    task.cancelled() or task.exception()
    await generator.aclose()


async def throw(generator: Any, error: BaseException) -> None:
    try:
        await generator.athrow(error)
    except (type(error), StopAsyncIteration):
        pass
    await generator.aclose()


async def exhaust(generator: Any) -> None:
    async for _ in generator:
        pass


async def interleave(generator: Any) -> None:
    """Another task steps it while one waits: refused, and no harm done."""
    first = asyncio.ensure_future(anext(generator, None))
    second = asyncio.ensure_future(anext(generator, None))
    await asyncio.wait([first, second])
    for task in (first, second):
        task.cancelled() or task.exception()
    await generator.aclose()


WAYS: dict[str, Callable[[Any], Any]] = {
    "exhausted": exhaust,
    "closed": lambda generator: generator.aclose(),
    "closed_by_another_task": lambda generator: asyncio.ensure_future(generator.aclose()),
    "closed_in_an_empty_context": lambda generator: asyncio.get_running_loop().create_task(
        generator.aclose(), context=contextvars.Context()
    ),
    "closed_twice": lambda generator: asyncio.gather(
        generator.aclose(), turns(2), return_exceptions=True
    ),
    "thrown_into": lambda generator: throw(generator, OwnError()),
    "thrown_GeneratorExit": lambda generator: throw(generator, GeneratorExit()),
    "thrown_CancelledError": lambda generator: throw(generator, asyncio.CancelledError()),
    "cancelled_in_a_step": cancel_a_step,
    "stepped_by_two_tasks": interleave,
    "forgotten": forget,
    "left_to_the_loop": lambda generator: turns(1),
}


@pytest.mark.parametrize("hook", ["auto", "wrapper"])
@pytest.mark.parametrize("name", list(async_generators(Calls("auto"))))
def test_async_generators_left_early(name: str, hook: str, tally: Any) -> None:
    count = 0
    for way, items in itertools.product(WAYS, range(4)):
        calls = Calls(hook)
        held: list[Any] = []

        async def main(
            way: str = way, items: int = items, calls: Calls = calls, held: list[Any] = held
        ) -> None:
            generator = calls.watch(async_generators(calls)[name])()
            parent = get_current_parent_event()
            for _ in range(items):
                await anext(generator)
                assert get_current_parent_event() is parent, "between two items"
            if way == "left_to_the_loop":
                held.append(generator)
            leaving = WAYS[way](generator)
            del generator
            await leaving

        try:
            calls.run(main)
            held.clear()
            began = calls.check()
        except AssertionError as error:
            raise AssertionError(f"{name} {way} after {items} items: {error}") from error
        if items == 0 and way in ("closed", "forgotten"):
            assert began == 0, f"{name} {way}: a generator that never began made events"
        count += began
    tally("R9 cancellation", generators_left=count, calls_without_one_end=0)


def in_a_thread(work: Callable[[], Any]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def throw_sync(generator: Any, error: BaseException) -> None:
    try:
        generator.throw(error)
    except (type(error), StopIteration):
        pass
    generator.close()


SYNC_WAYS: dict[str, Callable[[Any], Any]] = {
    "exhausted": list,
    "closed": lambda generator: generator.close(),
    "closed_in_an_empty_context": lambda generator: contextvars.Context().run(generator.close),
    "closed_in_a_thread": lambda generator: in_a_thread(generator.close),
    "thrown_into": lambda generator: throw_sync(generator, OwnError()),
    "thrown_GeneratorExit": lambda generator: throw_sync(generator, GeneratorExit()),
    "thrown_KeyboardInterrupt": lambda generator: throw_sync(generator, KeyboardInterrupt()),
    "stepped_in_an_empty_context": lambda generator: contextvars.Context().run(list, generator),
    "stepped_in_a_thread": lambda generator: in_a_thread(lambda: list(generator)),
    "forgotten": lambda generator: gc.collect(),
}


@pytest.mark.parametrize("hook", ["auto", "wrapper"])
def test_generators_left_early(hook: str, tally: Any) -> None:
    repeats = sized(20)
    for way, items in itertools.product(list(SYNC_WAYS) * repeats, range(4)):
        calls = Calls(hook)

        @calls.watch
        def child() -> None:
            pass

        @calls.watch
        def inner(child: Any = child) -> Iterator[int]:
            for item in range(3):
                with EventContextManager(Event(type="inside")):
                    child()
                    yield item

        @calls.watch
        def outer(inner: Any = inner) -> Iterator[int]:
            yield from inner()

        parent = Event(type="parent")
        with EventContextManager(parent):
            generator = outer()
            for _ in range(items):
                next(generator)
                assert get_current_parent_event() is parent, f"{way} after {items} items"
            SYNC_WAYS[way](generator)
            del generator
            gc.collect()
            assert get_current_parent_event() is parent, f"{way} after {items} items"
        try:
            calls.check()
        except AssertionError as error:
            raise AssertionError(f"{way} after {items} items: {error}") from error
    tally("R9 cancellation", generators_left=len(SYNC_WAYS) * 4 * repeats)
