"""Numbers, sizes, times and texts at their extremes: taken as they are, or refused by name."""

import asyncio
import math
import sys
import threading

import pytest

from onex_events import Event, EventBus

from .conformance.harness import Seen, identity

TOO_LARGE = [2**63, 2**64, 10**30, 10**5000]
ENDLESS = [1e12, 1e308, math.inf, 2**64, 10**400, 10**5000]


class Extreme(Event):
    type: str = "extreme"
    whole: int = 0
    real: float = 0.0
    text: str = ""


def shown(value):
    return repr(value) if isinstance(value, float) else f"{value.bit_length()} bits"


class TestSizes:
    @pytest.mark.parametrize("size", TOO_LARGE, ids=shown)
    @pytest.mark.parametrize("name", ["history_size", "max_queue_size"])
    def test_of_a_bus_too_large(self, name, size):
        with pytest.raises(ValueError, match=f"{name} must be at most {sys.maxsize}, not "):
            EventBus(**{name: size})

    @pytest.mark.parametrize("size", TOO_LARGE, ids=shown)
    def test_of_a_subscription_too_large(self, size):
        with EventBus() as bus:
            with pytest.raises(ValueError, match="concurrency must be at most"):
                bus.subscribe(print, Event, concurrency=size)
            with pytest.raises(ValueError, match="priority must fit 32 bits"):
                bus.subscribe(print, Event, priority=size)

    @pytest.mark.parametrize("name", ["history_size", "max_queue_size"])
    def test_of_a_bus_as_large_as_can_be(self, name):
        seen = Seen()
        with EventBus(**{name: sys.maxsize}) as bus:
            bus.subscribe(seen.sync, Event)
            for number in range(1000):
                bus.emit_sync(Event(type=str(number)))
            assert len(seen) == 1000
            assert len(bus.get_history(limit=10**30)) == 1000
            identity(bus)

    def test_below_the_least(self):
        with pytest.raises(ValueError, match="at least 1, not <int that can't be shown>"):
            EventBus(max_queue_size=-(10**5000))


@pytest.mark.parametrize("endless", ENDLESS, ids=shown)
class TestTimes:
    def test_of_a_thread(self, endless):
        """It waits, for as long as it takes."""
        go_on, seen = threading.Event(), Seen()

        def handler(event):
            go_on.wait(30)
            seen.sync(event)

        with EventBus(exit_timeout=endless, overflow_timeout=endless, max_queue_size=1) as bus:
            bus.subscribe(handler, Event, timeout=endless)
            bus.start_background()
            threading.Timer(0.05, go_on.set).start()
            for name in ("first", "second", "third"):
                bus.emit_sync(Event(type=name))
            bus.flush_sync(endless)
            assert seen.types == ["first", "second", "third"]
            bus.close(endless)
            identity(bus)

    def test_of_a_loop(self, endless):
        async def handler(event):
            await asyncio.sleep(0.001)

        async def main():
            async with EventBus(overflow_timeout=endless, max_queue_size=1) as bus:
                bus.subscribe(handler, Event, timeout=endless)
                for name in ("first", "second", "third"):
                    await bus.emit(Event(type=name))
                await bus.flush(endless)
                expected = bus.expect("x", timeout=endless)
                found = bus.find("x", past=endless, future=endless)
                assert len(await bus.collect(Event(type="x"), endless)) == 1
                assert (await expected).type == (await found).type == "x"
                await bus.emit_and_wait(Event(type="y"), endless)
                identity(bus)

        asyncio.run(main())


class TestValues:
    @pytest.mark.parametrize(
        "whole", [2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**4000, -(10**4000)], ids=shown
    )
    def test_integers(self, whole):
        event = Extreme(whole=whole)
        assert Extreme.model_validate_json(event.model_dump_json()) == event
        assert Extreme.model_validate(event.model_dump()) == event

    def test_an_integer_of_more_digits_than_python_writes(self):
        event = Extreme(whole=10**5000)
        assert event.model_dump()["whole"] == 10**5000
        with pytest.raises(ValueError, match="4300 digits"):
            event.model_dump_json()

    @pytest.mark.parametrize("real", [1.7976931348623157e308, 5e-324, -0.0], ids=repr)
    def test_reals(self, real):
        read = Extreme.model_validate_json(Extreme(real=real).model_dump_json()).real
        assert (read, math.copysign(1, read)) == (real, math.copysign(1, real))

    def test_texts(self):
        for text in ("", "\0", "\U0010ffff" * 1_000_000, '"\\' * 100_000):
            event = Extreme(text=text)
            assert Extreme.model_validate_json(event.model_dump_json()).text == text
        with pytest.raises(UnicodeEncodeError):
            Extreme(text="\ud800").model_dump_json()
