"""emit, emit_and_wait, event_context and create_event_chain on the default bus."""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from onex_events import (
    CreatedEvent,
    CreatingEvent,
    Event,
    EventBus,
    EventPhase,
    QueueFullError,
    create_event_chain,
    emit,
    emit_and_wait,
    emit_events,
    event_context,
    get_current_parent_event,
    set_event_bus,
)
from onex_events.context import get_context_depth


@pytest.fixture
def bus() -> Iterator[EventBus]:
    bus = EventBus(lazy=False)
    set_event_bus(bus)
    yield bus
    bus.flush_sync(5)
    bus.close()
    set_event_bus(EventBus())


@pytest.fixture
def seen(bus: EventBus) -> list[Any]:
    """Every event that the bus delivers, in order."""
    events: list[Any] = []

    bus.subscribe(events.append, event_types=Event)
    return events


# ---- emit ----


def test_emit_gives_the_event_back_and_delivers_it(bus, seen):
    async def main() -> None:
        event = Event(type="x")
        assert await emit(event) is event
        await bus.flush(5)
        assert seen == [event]

    asyncio.run(main())


def test_emit_queues_at_the_call(bus, seen):
    async def main() -> None:
        waiting = emit(Event(type="x"))
        await bus.flush(5)
        assert [event.type for event in seen] == ["x"]
        await waiting

    asyncio.run(main())


def test_what_emit_returns_passes_for_a_coroutine(bus, seen):
    async def main() -> None:
        assert inspect.isawaitable(emit(Event(type="a")))
        await asyncio.gather(emit(Event(type="b")), asyncio.create_task(emit(Event(type="c"))))
        await asyncio.wait_for(emit(Event(type="d")), 1)
        await bus.flush(5)
        assert [event.type for event in seen] == ["a", "b", "c", "d"]

    asyncio.run(main())


def test_emit_refuses_what_is_no_event(bus):
    async def main() -> None:
        with pytest.raises(TypeError, match="event"):
            await emit("created")  # type: ignore[arg-type]

    asyncio.run(main())


# ---- emit_and_wait ----


def test_emit_and_wait_returns_what_descends_from_the_event(bus):
    grandchildren: list[Any] = []

    async def on_order(event: Any) -> None:
        await emit(Event(type="order.line", parent_id=event.id, root_id=event.id))

    async def on_line(event: Any) -> None:
        grandchildren.append(event)

    bus.subscribe(on_order, pattern="order$")
    bus.subscribe(on_line, pattern=r"order\.line")

    async def main() -> None:
        order = Event(type="order")
        related = await emit_and_wait(order, timeout=5)
        assert [event.type for event in related] == ["order.line"]
        assert related[0].parent_id == order.id
        assert [event.id for event in grandchildren] == [related[0].id]

    asyncio.run(main())


def test_emit_and_wait_leaves_no_subscription(bus):
    before = bus.get_statistics()["subscriptions"]

    async def main() -> None:
        assert await emit_and_wait(Event(type="x"), timeout=5) == []

    asyncio.run(main())
    assert bus.get_statistics()["subscriptions"] == before


def test_emit_and_wait_returns_what_there_is_when_its_time_is_up(bus):
    async def main() -> None:
        release = asyncio.Event()

        async def slow(event: Any) -> None:
            await emit(Event(type="child", parent_id=event.id))
            await release.wait()

        bus.subscribe(slow, pattern="slow")
        try:
            related = await emit_and_wait(Event(type="slow"), timeout=0.2)
            assert len(related) <= 1
        finally:
            release.set()
        await bus.flush(5)

    asyncio.run(main())


# ---- event_context ----


def test_a_block_is_framed_by_start_and_end(bus, seen):
    start = Event(type="job", phase=EventPhase.STARTED)

    async def main() -> None:
        async with event_context(start) as ctx:
            assert ctx.start_event is start
            assert get_current_parent_event() is start
        assert get_current_parent_event() is None
        await bus.flush(5)

    asyncio.run(main())
    begun, ended = seen
    assert begun == start
    assert (ended.type, ended.phase) == ("job", EventPhase.COMPLETED)
    assert ended.lineage_id == start.lineage_id
    assert ended.id != start.id


def test_plain_with_delivers_before_it_goes_on(bus, seen):
    start = Event(type="job", phase=EventPhase.STARTED)
    with event_context(start) as ctx:
        assert seen == [start]
        assert get_current_parent_event() is start
    assert get_current_parent_event() is None
    assert seen == [start, ctx.end_event]
    assert seen[1].phase is EventPhase.COMPLETED


def test_the_factory_makes_the_end_of_the_result(bus, seen):
    start = CreatingEvent()
    with event_context(start, lambda result: CreatedEvent(metadata={"got": result})) as ctx:
        ctx.result = 42
    end = seen[1]
    assert type(end) is CreatedEvent
    assert end.metadata == {"got": 42}
    assert end.lineage_id == start.lineage_id


def test_a_falsy_result_is_a_result(bus, seen):
    with event_context(CreatingEvent(), lambda result: CreatedEvent(error=repr(result))) as ctx:
        ctx.result = 0
    assert seen[1].error == "0"


def test_without_a_result_the_factory_is_not_asked(bus, seen):
    asked: list[Any] = []
    with event_context(CreatingEvent(), asked.append):  # type: ignore[arg-type]
        pass
    assert asked == []
    assert (seen[1].type, seen[1].phase) == ("creating", EventPhase.COMPLETED)


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_an_exception_ends_in_failed_and_goes_on(bus, seen, kind):
    error = kind("no such page")
    start = CreatingEvent()
    ctx = event_context(start, lambda result: CreatedEvent())
    with pytest.raises(kind) as caught, ctx:
        ctx.result = 1
        raise error
    assert caught.value is error
    assert ctx.error is error
    assert (seen[1].phase, seen[1].error) == (EventPhase.FAILED, str(error))
    assert seen[1].lineage_id == start.lineage_id
    assert get_current_parent_event() is None


def test_a_cancelled_block_has_one_end_and_stays_cancelled(bus, seen):
    async def main() -> None:
        inside = asyncio.Event()

        async def job() -> None:
            async with event_context(Event(type="job")):
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(job())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await bus.flush(5)

    asyncio.run(main())
    assert [event.phase for event in seen] == [EventPhase.PENDING, EventPhase.FAILED]


def test_decorated_calls_inside_are_children_of_the_start(bus, seen):
    @emit_events(creating_factory=lambda: CreatingEvent())
    def inner() -> None:
        pass

    start = Event(type="job")
    with event_context(start):
        inner()
    assert seen[1].parent_id == start.id
    assert seen[1].root_id == start.id


def test_blocks_nest_and_tasks_do_not_mix(bus):
    async def one(name: str) -> None:
        outer, inner = Event(type=f"{name}.outer"), Event(type=f"{name}.inner")
        async with event_context(outer):
            await asyncio.sleep(0)
            async with event_context(inner):
                await asyncio.sleep(0)
                assert get_current_parent_event() is inner
                assert get_context_depth() == 2
            assert get_current_parent_event() is outer

    async def main() -> None:
        await asyncio.gather(*(one(str(number)) for number in range(10)))
        await bus.flush(5)

    asyncio.run(main())


def test_a_factory_that_raises_changes_nothing_for_the_program(bus, seen, caplog):
    def broken(result: Any) -> Any:
        raise RuntimeError("broken factory")

    with caplog.at_level(logging.ERROR, "onex_events"):
        with event_context(CreatingEvent(), broken) as ctx:
            ctx.result = 1
    assert "broken" in caplog.text
    assert bus.get_statistics()["handler_errors"] == 1
    assert seen[1].phase is EventPhase.COMPLETED


def test_a_factory_that_makes_no_event_is_told_so(bus, seen, caplog):
    with caplog.at_level(logging.ERROR, "onex_events"):
        with event_context(CreatingEvent(), lambda result: None) as ctx:  # type: ignore[arg-type,return-value]
            ctx.result = 1
    assert "an event is expected back" in caplog.text
    assert len(seen) == 2


def test_an_object_serves_one_block_at_a_time(bus):
    ctx = event_context(Event(type="x"))
    with ctx:
        with pytest.raises(RuntimeError, match="inside a block already"):
            ctx.__enter__()
    with ctx:
        pass


@pytest.mark.parametrize("wrong", [None, "created", Event, 3])
def test_a_start_that_is_no_event_is_refused_at_once(wrong):
    with pytest.raises(TypeError, match="start_event"):
        event_context(wrong)


def test_a_factory_that_cannot_be_called_is_refused_at_once():
    with pytest.raises(TypeError, match="end_event_factory"):
        event_context(Event(type="x"), CreatedEvent())  # type: ignore[arg-type]


def test_the_blocks_own_exception_wins_over_a_full_queue(caplog):
    full = EventBus(max_queue_size=1, overflow="raise", lazy=False)
    set_event_bus(full)

    async def main() -> None:
        with pytest.raises(ValueError, match="mine"):
            async with event_context(Event(type="x")):
                with pytest.raises(QueueFullError):
                    while True:
                        full.emit(Event(type="filler"))
                raise ValueError("mine")
        await full.flush(5)

    try:
        asyncio.run(main())
        assert "the end of a failed event_context" in caplog.text
    finally:
        full.close()
        set_event_bus(EventBus())


# ---- create_event_chain ----


def test_a_chain_links_each_event_to_the_one_before():
    events = [Event(type=str(number)) for number in range(4)]
    chain = create_event_chain(iter(events))
    assert chain == events
    assert [event.parent_id for event in chain] == [None, *(event.id for event in events[:3])]
    assert {event.root_id for event in chain} == {events[0].id}


def test_a_chain_of_nothing_is_empty():
    assert create_event_chain([]) == []


def test_a_chain_names_the_link_that_is_no_event():
    first = Event(type="x")
    with pytest.raises(TypeError, match=r"events\[1\].*'second'"):
        create_event_chain([first, "second"])
    assert first.root_id is None


def test_a_default_bus_that_is_taken_away_as_it_is_made(monkeypatch):
    """By another thread, say, after it was set and before it is used."""
    monkeypatch.setenv("ONEX_EVENTS_LAZY", "0")
    taken = []

    def take_away(frame, what, argument):
        if what == "return" and frame.f_code.co_name == "_make_default":
            taken.append(argument)
            set_event_bus(None)

    @emit_events(lambda: Event(type="working"))
    def work():
        return 1

    set_event_bus(None)
    profiler = sys.getprofile()
    sys.setprofile(take_away)
    try:
        assert work() == 1
    finally:
        sys.setprofile(profiler)
        monkeypatch.undo()
        set_event_bus(EventBus())
    assert sum(bus.get_statistics()["emitted"] for bus in taken) == 1
