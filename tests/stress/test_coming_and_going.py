"""R8, R10: listeners come and go while functions run in other threads, on both hooks.

Nothing that listens may change what a function returns or raises, whatever its factories
do, and each event that was made reaches whoever listened all the time.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from onex_events import CreatedEvent, Event, EventBus, Subscription, emit_events, set_event_bus

from .scale import drained, settled, sized

HOOKS = ["auto", "wrapper"]


class OwnError(Exception):
    pass


@pytest.fixture
def bus(caplog: pytest.LogCaptureFixture) -> Iterator[EventBus]:
    caplog.set_level("CRITICAL", "onex_events")  # what raises here is meant to
    bus = EventBus(max_queue_size=100_000)
    set_event_bus(bus)
    yield bus
    drained(bus)
    settled(bus)
    bus.close()
    set_event_bus(None)


@pytest.fixture(autouse=True)
def quick_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def side_by_side(*works: Callable[[], None], until: threading.Event) -> None:
    """Run the first works to their end, and the last until they are done."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(w,), daemon=True) for w in works]
    for thread in threads:
        thread.start()
    for thread in threads[:-1]:
        thread.join(100)
        assert not thread.is_alive(), "hung"
    until.set()
    threads[-1].join(100)
    assert not threads[-1].is_alive(), "hung"
    if errors:
        raise BaseExceptionGroup("in the threads", errors)


@pytest.mark.parametrize("constant", [False, True], ids=["alone", "beside_another"])
@pytest.mark.parametrize("hook", HOOKS)
def test_functions_run_while_listeners_come_and_go(
    bus: EventBus, hook: Any, constant: bool, tally: Any
) -> None:
    each, begun, stop = sized(200_000), threading.Event(), threading.Event()
    factories: dict[str, Any] = {
        "creating_factory": lambda *a, **k: Event(type="made.creating"),
        "created_factory": lambda result, *a, **k: CreatedEvent(type="made.created"),
        "failed_factory": lambda error, *a, **k: Event(type="made.failed"),
        "hook": hook,
    }

    @emit_events(**factories)
    def add(x: int, y: int = 1, *rest: int, z: int = 0) -> int:
        return x + y + sum(rest) + z

    @emit_events(**factories)
    def fail(x: int) -> None:
        raise OwnError(x)

    @emit_events(**factories)
    def count(x: int) -> Iterator[int]:
        yield from range(x)

    @emit_events(**factories)
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x

    class Owner:
        @emit_events(**factories)
        def method(self, x: int) -> tuple[Any, int]:
            return self, x

    seen: Counter[str] = Counter()
    if constant:
        bus.subscribe(lambda event: seen.update([event.type]), pattern="made")
    changes = 0

    def call() -> None:
        owner = Owner()
        begun.wait(60)
        for x in range(each):
            assert add(x) == x + 1
            assert add(x, 2, 3, z=4) == x + 9
            assert owner.method(x) == (owner, x)
            assert list(count(3)) == [0, 1, 2]
            with pytest.raises(OwnError):
                fail(x)

    def call_in_a_loop() -> None:
        begun.wait(60)

        async def main() -> None:
            for x in range(each // 4):
                assert await later(x) == x

        asyncio.run(main())

    def change() -> None:
        nonlocal changes

        class Listener:
            def accept(self, events: list[Any]) -> None:
                pass

        def come() -> Subscription:
            return bus.subscribe(lambda event: None, event_types=CreatedEvent)

        for turn in itertools.count():
            if stop.is_set():
                break
            kind = turn % 5
            if kind == 0:
                bus.unsubscribe(come())
            elif kind == 1:
                with bus.subscribe(lambda event: None, pattern="made.f"):
                    pass
            elif kind == 2:
                held = [come() for _ in range(5)]
                for one in held:
                    one.cancel()
            elif kind == 3:
                bus.record(True)
                bus.record(False)
            else:
                bus.exit_timeout = 0.01  # detach waits for no more
                listener = Listener()
                bus.attach(listener)
                bus.detach(listener)
            changes += 1
            if turn == 4:  # each kind once: the calls are too fast to be met otherwise
                begun.set()

    side_by_side(call, call, call_in_a_loop, change, until=stop)
    drained(bus)
    if constant:
        calls = 2 * each * 4 + each // 4
        assert seen["made.creating"] == calls + 2 * each
        assert seen["made.created"] == calls
        assert seen["made.failed"] == 2 * each
    assert changes > 0
    tally(
        "R8 reentrancy",
        calls_while_listeners_changed=2 * each * 5 + each // 4,
        changes_of_listeners=changes,
    )


# --- R10 -------------------------------------------------------------------------------------

RAISES: dict[str, type[BaseException]] = {
    one.__name__: one
    for one in (ValueError, RecursionError, MemoryError, StopIteration, StopAsyncIteration)
}

RAISERS = [
    "creating_factory",
    "created_factory",
    "failed_factory",
    "cancelled_factory",
    "predicate",
    "handler",
    "async_handler",
    "listener",
    "enabled",
    "sample",
    "repr_of_arguments",
]


class NoRepr:
    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error("in __repr__")


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("raiser", RAISERS)
def test_what_listeners_raise_never_reaches_the_caller(
    bus: EventBus, raiser: str, hook: Any, tally: Any
) -> None:
    raised = 0
    calls = 0
    for name, error in list(RAISES.items()) * sized(20):

        def explode(*_: Any, error: type[BaseException] = error, **__: Any) -> Any:
            nonlocal raised
            raised += 1
            raise error("of a listener")

        async def explode_later(event: Any, explode: Any = explode) -> None:
            await asyncio.sleep(0)
            explode()

        class Listener:
            accept = staticmethod(explode)

        class Sampler:
            should_emit = staticmethod(explode)

        options: dict[str, Any] = {
            "creating_factory": lambda *a: Event(type="creating"),
            "created_factory": lambda r, *a: Event(type="created"),
            "failed_factory": lambda e, *a: Event(type="failed"),
            "cancelled_factory": lambda e, *a: Event(type="cancelled"),
            "hook": hook,
        }
        argument: Any = 1
        listener = Listener()
        held = [bus.subscribe(lambda event: None, event_types=Event)]
        if raiser in options or raiser == "enabled":
            options[raiser] = explode
        elif raiser == "predicate":
            held.append(bus.subscribe(lambda event: None, predicate=explode))
        elif raiser == "handler":
            held.append(bus.subscribe(explode, event_types=Event))
        elif raiser == "async_handler":
            held.append(bus.subscribe(explode_later, event_types=Event))
        elif raiser == "listener":
            bus.attach(listener)
        elif raiser == "sample":
            options["sample"] = Sampler()
        else:
            options["include_args"] = True
            argument = NoRepr(error)
            raised += 1
        watch = emit_events(**options)
        own = OwnError()

        def give(x: Any) -> Any:
            return x

        def fail(x: Any, own: OwnError = own) -> None:
            raise own

        def leave(x: Any) -> None:
            raise GeneratorExit

        def items(x: Any) -> Iterator[Any]:
            yield x

        async def give_later(x: Any) -> Any:
            await asyncio.sleep(0)
            return x

        async def items_later(x: Any) -> Any:
            yield x

        async def in_a_loop(watch: Any = watch, argument: Any = argument) -> None:
            assert await watch(give_later)(argument) is argument
            assert [x async for x in watch(items_later)(argument)] == [argument]
            await bus.flush(20)

        assert watch(give)(argument) is argument, name
        with pytest.raises(OwnError) as caught:
            watch(fail)(argument)
        assert caught.value is own, name
        with pytest.raises(GeneratorExit):
            watch(leave)(argument)
        assert list(watch(items)(argument)) == [argument]
        asyncio.run(in_a_loop())
        calls += 6
        drained(bus)
        for one in held:
            bus.unsubscribe(one)
        bus.detach(listener)
    assert raised, "the test itself is at fault"
    tally("R10 exceptions", raised=raised, calls=calls, that_reached_a_caller=0)
