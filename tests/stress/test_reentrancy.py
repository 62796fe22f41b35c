"""R8: whatever handlers, finalisers and signals do to the bus: no deadlock, order kept."""

from __future__ import annotations

import gc
import signal
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from onex_events import CreatedEvent, Event, EventBus, emit_events, set_event_bus

from .scale import drained, run_program, settled, sized

pytestmark = pytest.mark.usefixtures("small_heap")


@pytest.fixture(params=["inline", "background"])
def bus(request: pytest.FixtureRequest) -> Iterator[EventBus]:
    bus = EventBus()
    set_event_bus(bus)
    if request.param == "background":
        bus.start_background()
    yield bus
    bus.flush_sync(20)
    settled(bus)
    bus.close()
    set_event_bus(EventBus())


@pytest.fixture
def eager_gc() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(1)
    yield
    gc.set_threshold(*before)


def number_of(event: Any) -> int:
    return int(event.metadata["number"])


def test_handlers_that_emit_keep_the_order(bus):
    seen: list[int] = []
    count = sized(20_000)
    over = threading.Event()

    def pass_on(event: Any) -> None:
        seen.append(number_of(event))
        if number_of(event) == count:
            over.set()
        else:
            bus.emit_sync(Event(type="chain", metadata={"number": number_of(event) + 1}))

    bus.subscribe(pass_on, pattern="chain")
    bus.emit_sync(Event(type="chain", metadata={"number": 0}))
    assert over.wait(60)
    assert seen == list(range(count + 1))


def test_handlers_that_change_subscriptions_and_raise(bus, caplog):
    caplog.set_level("CRITICAL", "onex_events")  # they are meant to raise
    calls = {"once": 0, "other": 0, "always": 0}
    count = sized(10_000)
    held: dict[str, Any] = {}

    def other(event: Any) -> None:
        calls["other"] += 1

    def once(event: Any) -> None:
        calls["once"] += 1
        bus.unsubscribe(held.pop("once"))
        if "other" in held:
            bus.unsubscribe(held.pop("other"))
        raise RuntimeError("after having left")

    def always(event: Any) -> None:
        calls["always"] += 1
        if "once" not in held:
            held["once"] = bus.subscribe(once, event_types=Event)
        if "other" not in held:
            held["other"] = bus.subscribe(other, pattern="x")
        raise RuntimeError("always")

    bus.subscribe(always, event_types=Event, priority=1000)
    for _ in range(count):
        bus.emit_sync(Event(type="x"))
    bus.flush_sync(60)
    assert calls["always"] == count
    assert (
        calls["once"] == calls["other"] + calls["once"] == count // 2
    )  # each leaves for one event
    assert bus.get_statistics()["handler_errors"] == calls["always"] + calls["once"]


def test_finalisers_and_weakref_callbacks_that_emit(bus, eager_gc):
    seen: list[str] = []
    bus.subscribe(lambda event: seen.append(event.type), event_types=Event)
    count = sized(2000, part=40)
    emitted = 0
    callbacks: list[Any] = []

    class Dying:
        def __init__(self) -> None:
            self.me = self  # a cycle: found by the collector, wherever that strikes

        def __del__(self) -> None:
            nonlocal emitted
            emitted += 1
            bus.emit_sync(Event(type="del"))

    def on_death(_: Any) -> None:
        nonlocal emitted
        emitted += 1
        bus.emit_sync(Event(type="weakref"))

    for _ in range(count):
        dying = Dying()
        callbacks.append(weakref.ref(dying, on_death))
        event = Event(type="plain")
        event.metadata["keeps"] = dying
        bus.emit_sync(event)
        del event.metadata["keeps"], event, dying
    gc.collect()
    bus.flush_sync(60)
    settled(bus)
    assert seen.count("plain") == count
    assert seen.count("del") == count
    assert seen.count("weakref") == emitted - count


def test_dying_weak_handlers_during_delivery(bus, eager_gc):
    class Owner:
        def __init__(self) -> None:
            self.me = self

        def handle(self, event: Any) -> None:
            pass

    delivered: list[int] = []
    bus.subscribe(lambda event: delivered.append(1), event_types=Event)
    count = sized(4000, part=40)
    for _ in range(count):
        bus.subscribe(Owner().handle, event_types=Event, weak=True)
        bus.emit_sync(Event(type="x"))
    bus.flush_sync(60)
    assert len(delivered) == count

    def left() -> Any:
        return bus.get_statistics()["subscriptions"]["type_based"]

    end = time.monotonic() + 10
    gc.collect()
    while left() > 1 and time.monotonic() < end:
        gc.collect()  # returns at once while another thread (the bus's) is collecting
    assert left() == 1


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the platform has no interval timers")
def test_a_storm_of_signals_that_emit(bus):
    stormed = 0
    seen: list[str] = []
    count = sized(100_000)

    def on_alarm(*_: Any) -> None:
        nonlocal stormed
        stormed += 1
        bus.emit_sync(Event(type="signal"))

    bus.subscribe(lambda event: seen.append(event.type), event_types=Event)
    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for _ in range(count):
            bus.emit_sync(Event(type="plain"))
        while not stormed:  # so few were emitted before the timer's first turn
            time.sleep(0.001)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    bus.flush_sync(60)
    assert seen.count("plain") == count
    assert seen.count("signal") == stormed


def test_decorated_calls_in_handlers_factories_and_predicates(bus):
    count = sized(10_000)
    depths: list[int] = []

    @emit_events(created_factory=lambda result, depth: CreatedEvent(metadata={"depth": depth}))
    def work(depth: int) -> None:
        pass

    def deeper(event: Any) -> None:
        depths.append(event.metadata["depth"])
        if event.metadata["depth"] < 3:
            work(event.metadata["depth"] + 1)

    def emitting_predicate(event: Any) -> bool:
        if event.type == "created":
            bus.emit_sync(Event(type="from.predicate"))
        return False

    bus.subscribe(deeper, event_types=CreatedEvent)
    bus.subscribe(lambda event: None, predicate=emitting_predicate)
    for _ in range(count // 4):
        work(0)
    drained(bus)
    assert sorted(depths) == sorted([0, 1, 2, 3] * (count // 4))


def test_handlers_on_many_threads_that_wait_for_each_others_events():
    first, second = EventBus(overflow_timeout=0.2), EventBus(overflow_timeout=0.2)
    first.subscribe(lambda event: second.emit_sync(Event(type="answer")), pattern="question")
    second.subscribe(lambda event: first.emit_sync(Event(type="answer")), pattern="question")
    each = sized(2000)

    def ask(bus: EventBus) -> None:
        for _ in range(each):
            bus.emit_sync(Event(type="question"))

    threads = [
        threading.Thread(target=ask, args=(bus,), daemon=True)
        for bus in (first, second, first, second)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
        assert not thread.is_alive(), "the two buses wait for each other"
    drained(first, second)
    for bus in (first, second):
        figures = settled(bus)
        assert figures["emitted"] == 4 * each
        bus.close()


@pytest.mark.parametrize("hook", ["auto", "wrapper"])
@pytest.mark.parametrize("listening", [False, True])
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_100_000_nested_decorated_calls_end_in_recursion_error(hook, listening, kind):
    wait, run = ("await ", "asyncio.run({})") if kind == "async def" else ("", "{}")
    ended = run_program(
        f"""
        import asyncio, sys
        from onex_events import CreatingEvent, EventBus, emit_events, set_event_bus

        bus = EventBus()
        set_event_bus(bus)
        if {listening}:
            bus.subscribe(lambda event: None, event_types=CreatingEvent)
        sys.setrecursionlimit(1_000_000)

        @emit_events(creating_factory=lambda depth: CreatingEvent(), hook={hook!r})
        {kind} nested(depth):
            return depth if depth == 0 else {wait}nested(depth - 1)

        try:
            outcome = {run.format("nested(100_000)")}
        except RecursionError:
            outcome = -1
        bus.flush_sync(60)
        assert {run.format("nested(5)")} == 0
        print(f"outcome={{outcome}}")
        """,
        limit=100,
    )
    assert ended.code == 0, ended
    assert ended.value("outcome") in (0, -1)
