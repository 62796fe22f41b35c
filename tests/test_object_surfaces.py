"""What the core's own objects answer where programs look at them or misuse them."""

from __future__ import annotations

import asyncio
import gc
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest

import onex_events
from onex_events import CreatedEvent, CreatingEvent, Event, EventBus, emit_events
from onex_events._core import Histogram
from onex_events.profiler import Profiler


@pytest.fixture
def bus():
    bus = EventBus(lazy=False)
    yield bus
    bus.close()


@pytest.fixture
def seen(bus):
    types: list[str] = []
    bus.subscribe(lambda event: types.append(event.type), Event)
    return types


# ---- what emit returns


class TestEmitted:
    def test_it_passes_for_a_coroutine(self, bus):
        emitted = bus.emit(Event(type="x"))
        assert (emitted.cr_frame, emitted.cr_origin, emitted.cr_running) == (None, None, False)
        assert emitted.cr_await is None
        assert emitted.__name__ == "emit"
        assert "emit" in emitted.__qualname__
        emitted.close()

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [((), {}), ((1, 2), {}), ((), {"evnt": 1}), ((1,), {"event": 2})],
    )
    def test_emit_takes_one_event(self, bus, arguments, named):
        for function in (bus.emit, bus.emit_sync):
            with pytest.raises(TypeError):
                function(*arguments, **named)

    def test_by_name(self, bus, seen):
        bus.emit_sync(event=Event(type="x"))
        assert seen == ["x"]

    @pytest.mark.parametrize("event", [None, 3, "x", Event, object()])
    def test_only_events(self, bus, event):
        with pytest.raises(TypeError, match="event must be an Event"):
            bus.emit_sync(event)

    def test_the_default_bus_is_a_bus(self):
        with pytest.raises(TypeError):
            onex_events.set_event_bus(3)


# ---- observed generators, stepped by hand


async def numbers() -> AsyncIterator[int]:
    try:
        yield 1
        await asyncio.sleep(0)
        yield 2
    except KeyError:
        yield 3


def observed_generator(bus: EventBus) -> Any:
    observed = emit_events(
        creating_factory=lambda: CreatingEvent(),
        created_factory=lambda result: CreatedEvent(),
        failed_factory=lambda error: Event(type="failed"),
        cancelled_factory=lambda error: Event(type="cancelled"),
        bus=bus,
    )
    return observed(numbers)()


def stepped(generator: Any, *actions: str) -> list[str]:
    """What each action gives or raises; versions of Python differ in it."""
    outcomes: list[str] = []
    step: Any = None

    async def main() -> None:
        nonlocal step
        for action in actions:
            try:
                if action == "next":
                    result = await generator.asend(None)
                elif action == "step":
                    result = step = generator.asend(None)
                    result = None
                elif action == "aclose":
                    result = await generator.aclose()
                else:
                    result = eval(f"step.{action}", {"step": step})
            except BaseException as error:
                result = repr(error)
            outcomes.append(f"{action}: {result!r}")

    asyncio.run(main())
    return outcomes


class TestSteps:
    @pytest.mark.parametrize(
        "actions",
        [
            ("next", "step", "send(None)", "throw(ZeroDivisionError())", "aclose"),
            ("next", "step", "throw(KeyError())", "step", "throw(KeyError())", "aclose"),
            ("step", "close()", "next", "aclose"),
            ("next", "step", "close()", "close()", "next"),
            ("next", "step", "send(None)", "close()", "send(None)", "aclose"),
            ("next", "step", "send(None)", "throw(KeyError())", "next", "next"),
            ("step", "throw(ValueError())", "next"),
            ("next", "step", "send(3)", "send(None)", "next"),
        ],
        ids=" ".join,
    )
    def test_a_generator_stepped_by_hand(self, bus, seen, actions):
        assert stepped(observed_generator(bus), *actions) == stepped(numbers(), *actions)
        gc.collect()
        bus.flush_sync(10)
        assert seen.count("creating") == len(seen) - seen.count("creating") <= 1

    def test_names_and_shape(self, bus):
        generator = observed_generator(bus)
        assert "numbers" in repr(generator)
        generator.__name__ = "other"
        assert generator.__name__ == "other"
        assert generator.ag_running is False
        asyncio.run(self.closed(generator))

    async def closed(self, generator: Any) -> None:
        await generator.aclose()

    def test_a_coroutine_that_is_never_awaited_is_what_it_was(self, bus, seen):
        @emit_events(creating_factory=lambda: CreatingEvent(), bus=bus)
        async def work() -> None: ...

        coroutine = work()
        assert "work" in repr(coroutine)
        coroutine.__qualname__ = "renamed"
        assert coroutine.__qualname__ == "renamed"
        coroutine.close()
        assert seen == []


# ---- timers and histograms


class TestTimers:
    def test_a_timer_shows_its_name(self):
        profiler = Profiler()
        timer = profiler.timer("load")
        with timer:
            pass
        assert timer.name == "load"
        assert "load" in repr(timer)
        assert gc.get_referents(timer)

    @pytest.mark.parametrize("fraction", [-0.1, 1.1, math.nan])
    def test_a_rank_is_a_fraction(self, fraction):
        with pytest.raises(ValueError):
            Histogram().percentile(fraction)

    def test_histograms_merge_with_histograms(self):
        with pytest.raises(TypeError):
            Histogram().merge(3)


# ---- dumps


class TestDumps:
    @pytest.mark.parametrize("filters", [3, "id", {"metadata": 3}])
    def test_filters_are_sets_and_dicts(self, filters):
        with pytest.raises(TypeError):
            Event(type="x", metadata={"a": 1}).model_dump(include=filters)

    def test_numbers_that_json_lacks_or_c_cannot_hold(self):
        event = Event(type="x", metadata={"large": 10**30, "nan": math.nan, "inf": -math.inf})
        text = event.model_dump_json(include={"metadata"})
        assert text == '{"metadata":{"large":1' + "0" * 30 + ',"nan":null,"inf":null}}'

    def test_a_text_longer_than_the_buffer(self):
        event = Event(type="x" * 100_000, error="ü" * 70_000)
        assert Event.model_validate_json(event.model_dump_json()) == event


def test_ids_have_16_bytes(bus):
    with pytest.raises(ValueError, match="16 bytes"):
        bus._history_find(b"short")
    with pytest.raises(TypeError):
        bus.get_event_by_id("no id")


def test_an_event_is_equal_to_events_only():
    event = Event(type="x")
    assert event != 3 and event != object()
    with pytest.raises(TypeError):
        event < event  # noqa: B015
    assert event == event.model_copy()
    other = event.model_copy()
    del other.error
    other.metadata["a"] = 1
    assert event != other
