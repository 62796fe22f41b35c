"""Spec 1 §2, beyond the reference path: the bounded queue and its policies."""

import asyncio
import logging
import os
import subprocess
import sys
import threading
import time

import pytest

from .harness import Seen, drain, drained, identity, in_thread, run, until, wait_until

pytestmark = pytest.mark.core_only(reason="the reference's queue is not bounded")

POLICIES = ["block", "drop_newest", "drop_oldest", "raise"]


class Gate:
    """A handler that holds the first event until it is opened; records what it lets through."""

    def __init__(self):
        self.entered, self.opened = threading.Event(), threading.Event()
        self.types = []

    def sync(self, event):
        self.entered.set()
        assert self.opened.wait(20)
        self.types.append(event.type)

    async def asynchronous(self, event):
        self.entered.set()
        await until(self.opened.is_set, 20)
        self.types.append(event.type)


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.opened.set()


def _held(api, bus, gate):
    """Subscribe the gate; a thread emits an event that it holds. Gives the thread."""
    bus.subscribe(gate.sync, api.Event)
    thread = threading.Thread(target=bus.emit_sync, args=(api.Event(type="held"),), daemon=True)
    thread.start()
    assert gate.entered.wait(10)
    return thread


class TestDefaults:
    @pytest.mark.parametrize(("value", "expected"), [(None, 10000), ("7", 7)])
    def test_size(self, api, value, expected):
        source = (
            f"import asyncio, {api.__name__} as onex\n"
            "bus = onex.EventBus(overflow='raise')\n"
            "async def main():\n"
            "    accepted = 0\n"
            "    try:\n"
            "        for _ in range(30000):\n"
            "            bus.emit(onex.Event(type='x'))\n"
            "            accepted += 1\n"
            "    except onex.QueueFullError:\n"
            "        pass\n"
            "    print(accepted)\n"
            "asyncio.run(main())\n"
        )
        environment = dict(os.environ)
        environment.pop("ONEX_EVENT_QUEUE_SIZE", None)
        if value is not None:
            environment["ONEX_EVENT_QUEUE_SIZE"] = value
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", source],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout.strip() == str(expected), done.stderr

    def test_policy_is_block(self, api, make_bus, gate):
        bus = make_bus(max_queue_size=2)

        async def main():
            bus.subscribe(gate.asynchronous, api.Event)
            await bus.emit(api.Event(type="0"))
            await until(gate.entered.is_set)
            await bus.emit(api.Event(type="1"))
            await bus.emit(api.Event(type="2"))
            pending = asyncio.ensure_future(bus.emit(api.Event(type="3")))
            for _ in range(5):
                await asyncio.sleep(0)
            assert not pending.done()
            gate.opened.set()
            assert (await pending).type == "3"
            await drained(bus)

        run(main())
        assert gate.types == ["0", "1", "2", "3"]
        assert sum(identity(bus)["dropped"].values()) == 0

    @pytest.mark.parametrize(
        ("option", "value"),
        [("max_queue_size", 0), ("max_queue_size", -1), ("overflow", "wait")],
    )
    def test_wrong_options_are_errors(self, api, option, value):
        with pytest.raises((TypeError, ValueError), match=option):
            api.EventBus(**{option: value})


class TestQueueFullError:
    def test_at_the_call(self, api, make_bus, gate):
        bus = make_bus(max_queue_size=2, overflow="raise")

        async def main():
            bus.subscribe(gate.asynchronous, api.Event)
            await bus.emit(api.Event(type="0"))
            await until(gate.entered.is_set)
            await bus.emit(api.Event(type="1"))
            await bus.emit(api.Event(type="2"))
            with pytest.raises(api.QueueFullError):
                bus.emit(api.Event(type="3"))
            with pytest.raises(api.QueueFullError):
                bus.emit_sync(api.Event(type="4"))
            identity(bus)
            gate.opened.set()
            await drained(bus)

        run(main())
        assert gate.types == ["0", "1", "2"]

    def test_is_an_exception_with_words(self, api):
        assert issubclass(api.QueueFullError, Exception)

    def test_event_refused_may_be_emitted_later(self, api, make_bus, gate):
        bus = make_bus(max_queue_size=1, overflow="raise")
        thread = _held(api, bus, gate)
        late = api.Event(type="late")

        def emit():
            with pytest.raises(api.QueueFullError):
                for _ in range(3):
                    bus.emit_sync(late)

        filler = threading.Thread(target=emit, daemon=True)
        filler.start()
        filler.join(5)
        gate.opened.set()
        thread.join(10)
        filler.join(10)
        drain(bus)
        bus.emit_sync(late)
        assert "late" in gate.types
        identity(bus)


class TestDrops:
    def _fill(self, api, make_bus, gate, policy):
        bus = make_bus(max_queue_size=3, overflow=policy)

        async def main():
            bus.subscribe(gate.asynchronous, api.Event)
            await bus.emit(api.Event(type="0"))
            await until(gate.entered.is_set)
            for n in range(1, 9):
                event = api.Event(type=str(n))
                assert await bus.emit(event) is event
            stats = identity(bus)
            gate.opened.set()
            await drained(bus)
            return stats

        return bus, run(main())

    def test_newest(self, api, make_bus, gate, caplog):
        bus, full = self._fill(api, make_bus, gate, "drop_newest")
        assert gate.types == ["0", "1", "2", "3"]
        assert full["queue_size"] == 3 and full["in_flight"] == 1
        assert sum(full["dropped"].values()) == 5
        stats = identity(bus)
        assert (stats["emitted"], stats["handled"]) == (9, 4)

    def test_oldest(self, api, make_bus, gate, caplog):
        bus, full = self._fill(api, make_bus, gate, "drop_oldest")
        assert gate.types == ["0", "6", "7", "8"]
        assert full["queue_size"] == 3
        assert sum(identity(bus)["dropped"].values()) == 5

    def test_reason_is_named(self, api, make_bus, gate, caplog):
        bus, full = self._fill(api, make_bus, gate, "drop_newest")
        assert len(full["dropped"]) == 1
        assert all(isinstance(reason, str) and reason for reason in full["dropped"])

    @pytest.mark.parametrize("policy", ["drop_newest", "drop_oldest"])
    def test_drops_are_reported_through_logging(self, api, make_bus, gate, caplog, policy):
        with caplog.at_level(logging.DEBUG, "onex_events"):
            bus, _ = self._fill(api, make_bus, gate, policy)
            wait_until(lambda: any("drop" in r.getMessage().lower() for r in caplog.records), 5)
        records = [r for r in caplog.records if "drop" in r.getMessage().lower()]
        assert len(records) <= 3, "reported once a second, not once an event"
        assert records[0].levelno >= logging.WARNING

    def test_dropped_events_are_not_recorded(self, api, make_bus, gate, caplog):
        bus, _ = self._fill(api, make_bus, gate, "drop_newest")
        assert [event.type for event in bus.get_history()] == ["0", "1", "2", "3"]


class TestBlock:
    def test_await_suspends_and_keeps_its_place(self, api, make_bus, gate):
        bus = make_bus(max_queue_size=1, overflow_timeout=None)

        async def main():
            bus.subscribe(gate.asynchronous, api.Event)
            await bus.emit(api.Event(type="0"))
            await until(gate.entered.is_set)
            pending = [asyncio.ensure_future(bus.emit(api.Event(type=str(n)))) for n in range(1, 6)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert pending[0].done() and not pending[1].done()
            gate.opened.set()
            await asyncio.gather(*pending)
            await drained(bus)

        run(main())
        assert gate.types == [str(n) for n in range(6)]

    def test_place_is_that_of_the_call_and_not_of_the_await(self, api, make_bus, gate):
        bus = make_bus(max_queue_size=1, overflow_timeout=None)

        async def main():
            bus.subscribe(gate.asynchronous, api.Event)
            await bus.emit(api.Event(type="0"))
            await until(gate.entered.is_set)
            await bus.emit(api.Event(type="1"))
            first, second = bus.emit(api.Event(type="2")), bus.emit(api.Event(type="3"))
            gate.opened.set()
            await second
            await first
            await drained(bus)

        run(main())
        assert gate.types == ["0", "1", "2", "3"]

    def test_place_is_kept_when_the_awaiter_is_cancelled(self, api, make_bus, gate):
        bus = make_bus(max_queue_size=1, overflow_timeout=None)

        async def main():
            bus.subscribe(gate.asynchronous, api.Event)
            await bus.emit(api.Event(type="0"))
            await until(gate.entered.is_set)
            pending = [asyncio.ensure_future(bus.emit(api.Event(type=str(n)))) for n in range(1, 5)]
            await asyncio.sleep(0)
            pending[2].cancel()
            await asyncio.sleep(0)
            assert pending[2].cancelled()
            gate.opened.set()
            await asyncio.gather(*(pending[n] for n in (0, 1, 3)))
            await drained(bus)

        run(main())
        assert gate.types == ["0", "1", "2", "3", "4"]

    def test_wait_ends_at_overflow_timeout_and_the_event_is_dropped(
        self, api, make_bus, gate, caplog
    ):
        bus = make_bus(max_queue_size=1, overflow_timeout=0.05)

        async def main():
            bus.subscribe(gate.asynchronous, api.Event)
            await bus.emit(api.Event(type="0"))
            await until(gate.entered.is_set)
            await bus.emit(api.Event(type="1"))
            start = time.monotonic()
            await bus.emit(api.Event(type="2"))
            waited = time.monotonic() - start
            stats = identity(bus)
            gate.opened.set()
            await drained(bus)
            return waited, stats

        with caplog.at_level(logging.DEBUG, "onex_events"):
            waited, stats = run(main())
            wait_until(lambda: caplog.records, 5)
        assert 0.04 <= waited < 5
        assert sum(stats["dropped"].values()) == 1
        assert gate.types == ["0", "1"]

    def test_no_timeout_waits_for_ever(self, api, make_bus, gate):
        bus = make_bus(max_queue_size=1, overflow_timeout=None)

        async def main():
            bus.subscribe(gate.asynchronous, api.Event)
            await bus.emit(api.Event(type="0"))
            await until(gate.entered.is_set)
            await bus.emit(api.Event(type="1"))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(bus.emit(api.Event(type="2")), 1.3)
            gate.opened.set()
            await drained(bus)

        run(main())
        assert gate.types == ["0", "1", "2"]

    def test_threads_wait(self, api, make_bus, gate):
        bus = make_bus(max_queue_size=1, overflow_timeout=None)
        first = _held(api, bus, gate)
        threads = [
            threading.Thread(target=bus.emit_sync, args=(api.Event(type=str(n)),), daemon=True)
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: bus.get_statistics()["emitted"] >= 2)
        stats = identity(bus)
        assert stats["handled"] == 0
        gate.opened.set()
        for thread in (first, *threads):
            thread.join(10)
            assert not thread.is_alive()
        drain(bus)
        assert sorted(gate.types) == ["0", "1", "2", "3", "held"]
        assert sum(identity(bus)["dropped"].values()) == 0

    def test_does_not_apply_inside_a_handler(self, api, make_bus, caplog):
        bus = make_bus(max_queue_size=5, overflow_timeout=None)
        seen = Seen()

        def handler(event):
            if event.type == "start":
                for n in range(8):
                    bus.emit_sync(api.Event(type=str(n)))

        bus.subscribe(handler, api.Event, priority=100)
        bus.subscribe(seen.sync, api.Event)
        in_thread(bus.emit_sync, api.Event(type="start"))
        drain(bus)
        assert seen.types == ["start", *map(str, range(8))]

    def test_inside_a_handler_the_bound_is_exceeded_once_then_dropped(self, api, make_bus, caplog):
        bus = make_bus(max_queue_size=5, overflow_timeout=None)
        seen = Seen()

        async def handler(event):
            if event.type == "start":
                for n in range(30):
                    await bus.emit(api.Event(type=str(n)))

        bus.subscribe(handler, api.Event, priority=100)
        bus.subscribe(seen.sync, api.Event)

        async def main():
            await bus.emit(api.Event(type="start"))
            await drained(bus)

        run(main())
        assert seen.types == ["start", *map(str, range(10))]
        assert sum(identity(bus)["dropped"].values()) == 20

    def test_emit_sync_on_a_loops_thread_does_not_block(self, api, make_bus, gate, caplog):
        bus = make_bus(max_queue_size=2, overflow_timeout=None)

        async def main():
            bus.subscribe(gate.asynchronous, api.Event)
            await bus.emit(api.Event(type="0"))
            await until(gate.entered.is_set)
            for n in range(1, 10):
                bus.emit_sync(api.Event(type=str(n)))
            stats = identity(bus)
            gate.opened.set()
            await drained(bus)
            return stats

        stats = run(main())
        assert stats["queue_size"] == 4
        assert sum(stats["dropped"].values()) == 5
        assert gate.types == ["0", "1", "2", "3", "4"]

    def test_waiting_emitter_that_holds_what_the_handler_needs_is_let_go(
        self, api, make_bus, caplog
    ):
        bus = make_bus(max_queue_size=1, overflow_timeout=0.1)
        lock = threading.Lock()
        entered = threading.Event()

        def handler(event):
            entered.set()
            with lock:
                pass

        bus.subscribe(handler, api.Event)
        bus.start_background()

        def emit():
            with lock:
                bus.emit_sync(api.Event(type="0"))
                assert entered.wait(10)
                for n in range(1, 5):
                    bus.emit_sync(api.Event(type=str(n)))

        in_thread(emit)
        drain(bus)
        assert sum(identity(bus)["dropped"].values()) >= 1


@pytest.mark.parametrize("policy", POLICIES)
class TestDecorated:
    @pytest.mark.parametrize("asynchronous", [False, True])
    def test_never_raises_and_never_hangs(self, api, make_bus, gate, policy, asynchronous, caplog):
        bus = make_bus(max_queue_size=2, overflow=policy, overflow_timeout=0.05)

        decorate = api.emit_events(created_factory=lambda result: api.CreatedEvent(), bus=bus)

        @decorate
        def f():
            return 1

        @decorate
        async def af():
            return 1

        async def main():
            bus.subscribe(gate.asynchronous, api.Event)
            await bus.emit(api.Event(type="0"))
            await until(gate.entered.is_set)
            for _ in range(10):
                assert (await af() if asynchronous else f()) == 1
            stats = identity(bus)
            gate.opened.set()
            await drained(bus)
            return stats

        stats = run(main())
        assert sum(stats["dropped"].values()) >= 1
        identity(bus)

    def test_from_threads(self, api, make_bus, policy, caplog):
        bus = make_bus(max_queue_size=4, overflow=policy, overflow_timeout=0.2)
        seen = Seen()
        bus.subscribe(seen.sync, api.Event)

        @api.emit_events(created_factory=lambda result: api.CreatedEvent(), bus=bus)
        def f():
            return 1

        def work():
            for _ in range(100):
                assert f() == 1

        threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        drain(bus)
        stats = identity(bus)
        assert stats["handled"] == len(seen)
        assert stats["emitted"] == 400


def test_decorated_function_waits_a_second_at_most_without_an_overflow_timeout(
    api, make_bus, gate, caplog
):
    bus = make_bus(max_queue_size=1, overflow_timeout=None)
    thread = _held(api, bus, gate)

    @api.emit_events(created_factory=lambda result: api.CreatedEvent(), bus=bus)
    def f():
        return 1

    f()
    start = time.monotonic()
    assert in_thread(f) == 1
    assert time.monotonic() - start < 3
    gate.opened.set()
    thread.join(10)
    drain(bus)


class TestWaitingForWhatIsDropped:
    """What was dropped is neither queued nor in flight: nobody waits for it."""

    @pytest.mark.parametrize("policy", ["block", "drop_newest", "drop_oldest"])
    @pytest.mark.parametrize("wait", ["emit_and_wait", "collect", "flush"])
    def test_ends_at_once(self, api, make_bus, gate, policy, wait, caplog):
        bus = make_bus(max_queue_size=1, overflow=policy, overflow_timeout=0.05)
        api.set_event_bus(bus)

        async def main():
            bus.subscribe(gate.asynchronous, api.Event)
            await bus.emit(api.Event(type="0"))
            await until(gate.entered.is_set)
            await bus.emit(api.Event(type="1"))
            if wait == "flush":
                waiting = asyncio.ensure_future(bus.flush())
            else:
                function = api.emit_and_wait if wait == "emit_and_wait" else bus.collect
                waiting = asyncio.ensure_future(function(api.Event(type="2")))
                if policy == "drop_oldest":
                    await asyncio.sleep(0)
            await asyncio.sleep(0)
            await bus.emit(api.Event(type="3"))
            if wait == "flush":
                gate.opened.set()
            await asyncio.wait_for(waiting, 5)
            gate.opened.set()
            await drained(bus)

        try:
            run(main())
        finally:
            api.set_event_bus(api.EventBus())
        assert sum(identity(bus)["dropped"].values()) >= 1


class TestRace:
    """Many emitters on a small queue: whatever happens, everything is accounted for."""

    @pytest.mark.parametrize("policy", POLICIES)
    def test_threads_and_loops(self, api, make_bus, policy, caplog):
        bus = make_bus(max_queue_size=5, overflow=policy, overflow_timeout=0.5)
        seen = Seen()
        bus.subscribe(seen.asynchronous, api.Event)
        refused = []

        def work():
            for _ in range(50):
                try:
                    bus.emit_sync(api.Event(type="thread"))
                except api.QueueFullError:
                    refused.append(1)

        async def main():
            jobs = asyncio.gather(*(asyncio.to_thread(work) for _ in range(3)))
            for _ in range(50):
                try:
                    await bus.emit(api.Event(type="loop"))
                except api.QueueFullError:
                    refused.append(1)
                await asyncio.sleep(0)
            await jobs
            await drained(bus)

        run(main(), 30)
        stats = identity(bus)
        assert stats["handled"] == len(seen)
        assert stats["queue_size"] == stats["in_flight"] == 0
        assert len(seen) + sum(stats["dropped"].values()) + len(refused) >= 200
