"""Spec 1 §2, beyond the reference path: who listens, options of a subscription, forward, attach."""

import asyncio
import gc
import logging
import os
import subprocess
import sys
import threading
import time
from uuid import uuid4

import pytest

from .harness import Seen, drain, drained, identity, in_thread, run, wait_until

pytestmark = pytest.mark.core_only(reason="beyond the reference path")


class TestHasSubscribersFor:
    def test_types(self, api, bus, seen):
        assert not bus.has_subscribers_for(api.CreatedEvent)
        subscription = bus.subscribe(seen.sync, api.CreatedEvent)
        assert bus.has_subscribers_for(api.CreatedEvent) is True
        assert bus.has_subscribers_for(api.DeletedEvent) is False
        assert bus.has_subscribers_for(api.Event) is False
        bus.unsubscribe(subscription)
        assert bus.has_subscribers_for(api.CreatedEvent) is False

    def test_base_class_subscription_covers_subclasses(self, api, bus, seen):
        class Mine(api.CreatedEvent):
            pass

        bus.subscribe(seen.sync, api.Event)
        assert bus.has_subscribers_for(Mine)

    def test_patterns_with_the_type_name(self, api, bus, seen):
        bus.subscribe(seen.sync, pattern="user")
        assert bus.has_subscribers_for(api.Event, "user.created")
        assert not bus.has_subscribers_for(api.Event, "order.created")

    def test_pattern_and_type_together(self, api, bus, seen):
        bus.subscribe(seen.sync, api.CreatedEvent, pattern="user")
        assert bus.has_subscribers_for(api.CreatedEvent, "user.created")
        assert not bus.has_subscribers_for(api.CreatedEvent, "order")
        assert not bus.has_subscribers_for(api.DeletedEvent, "user.created")

    def test_type_name_defaults_to_the_classes_own(self, api, bus, seen):
        bus.subscribe(seen.sync, pattern="creat")
        assert bus.has_subscribers_for(api.CreatedEvent)
        assert not bus.has_subscribers_for(api.DeletedEvent)

    def test_predicate_may_match_anything(self, api, bus, seen):
        bus.subscribe(seen.sync, predicate=lambda event: False)
        assert bus.has_subscribers_for(api.CreatedEvent)

    def test_predicate_with_a_type(self, api, bus, seen):
        bus.subscribe(seen.sync, api.CreatedEvent, predicate=lambda event: False)
        assert bus.has_subscribers_for(api.CreatedEvent)
        assert not bus.has_subscribers_for(api.DeletedEvent)

    def test_dead_weak_handler(self, api, bus):
        def handler(event):
            pass

        bus.subscribe(handler, api.Event, weak=True)
        assert bus.has_subscribers_for(api.Event)
        del handler
        gc.collect()
        assert not bus.has_subscribers_for(api.Event)

    def test_many_changes_agree_with_delivery(self, api, bus):
        """The answer is exact after every change, for a mix of subscriptions."""
        import random

        chance = random.Random(5)
        classes = [api.Event, api.CreatedEvent, api.DeletedEvent]
        names = ["a", "b", "ab"]
        live = []
        for _ in range(150):
            if live and chance.random() < 0.5:
                bus.unsubscribe(live.pop(chance.randrange(len(live)))[0])
            else:
                got = []
                options = {}
                if chance.random() < 0.6:
                    options["event_types"] = chance.choice(classes[1:])
                if chance.random() < 0.6 or not options:
                    options["pattern"] = chance.choice(["a", "b$", "ab"])
                live.append((bus.subscribe(got.append, **options), got))
            cls, name = chance.choice(classes), chance.choice(names)
            answer = bus.has_subscribers_for(cls, name)
            for _, got in live:
                got.clear()
            bus.emit_sync(cls(type=name))
            assert answer == any(got for _, got in live)


class TestSubscriptionOptions:
    def test_cancel(self, api, bus, seen):
        subscription = bus.subscribe(seen.sync, api.Event)
        subscription.cancel()
        subscription.cancel()
        bus.emit_sync(api.Event(type="x"))
        assert seen == []

    def test_context_manager(self, api, bus, seen):
        with bus.subscribe(seen.sync, api.Event):
            bus.emit_sync(api.Event(type="1"))
        bus.emit_sync(api.Event(type="2"))
        assert seen.types == ["1"]

    def test_timeout_cancels_an_async_handler(self, api, bus, seen, caplog):
        cancelled = []

        async def hanging(event):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(event.type)
                raise

        bus.subscribe(hanging, api.Event, timeout=0.02, priority=100)
        bus.subscribe(seen.sync, api.Event)
        with caplog.at_level(logging.DEBUG, "onex_events"):
            bus.emit_sync(api.Event(type="x"))
            drain(bus)
        assert cancelled == ["x"]
        assert seen.types == ["x"]
        assert identity(bus)["handler_errors"] == 1
        assert caplog.records

    def test_timeout_of_a_sync_handler_is_counted_when_it_is_over(self, api, bus, seen, caplog):
        def slow(event):
            seen.append(event)
            end = time.monotonic() + 0.05
            while time.monotonic() < end:
                pass

        bus.subscribe(slow, api.Event, timeout=0.01)
        with caplog.at_level(logging.DEBUG, "onex_events"):
            bus.emit_sync(api.Event(type="x"))
            drain(bus)
        assert seen.types == ["x"]
        assert identity(bus)["handler_errors"] == 1
        assert caplog.records

    def test_handler_within_its_timeout_is_fine(self, api, bus, seen):
        bus.subscribe(seen.asynchronous, api.Event, timeout=5)
        bus.emit_sync(api.Event(type="x"))
        assert seen.types == ["x"]
        assert identity(bus)["handler_errors"] == 0

    def test_concurrency(self, api, bus):
        running, most = [], []

        async def handler(event):
            running.append(event)
            most.append(len(running))
            for _ in range(5):
                await asyncio.sleep(0)
            running.remove(event)

        bus.subscribe(handler, api.Event, concurrency=3)

        async def main():
            for _ in range(20):
                await bus.emit(api.Event(type="x"))
            await drained(bus)

        run(main())
        assert max(most) == 3
        assert len(most) == 20

    def test_concurrent_handlers_that_raise_free_their_slots(self, api, bus, caplog):
        calls = []

        async def handler(event):
            calls.append(event)
            await asyncio.sleep(0)
            raise ValueError("own")

        bus.subscribe(handler, api.Event, concurrency=2)

        async def main():
            for _ in range(10):
                await bus.emit(api.Event(type="x"))
            await drained(bus)

        run(main())
        assert len(calls) == 10
        stats = identity(bus)
        assert stats["handler_errors"] == 10 and stats["handled"] == 10

    def test_every_event_that_is_running_is_in_flight(self, api, bus):
        found = []

        async def main():
            meeting = asyncio.Barrier(3)

            async def handler(event):
                async with asyncio.timeout(5):
                    await meeting.wait()
                found.append(identity(bus)["in_flight"])
                async with asyncio.timeout(5):
                    await meeting.wait()

            bus.subscribe(handler, api.Event, concurrency=3)
            for _ in range(3):
                await bus.emit(api.Event(type="x"))
            await drained(bus)

        run(main())
        assert found == [3, 3, 3]
        assert identity(bus)["in_flight"] == 0

    @pytest.mark.parametrize("way", ["emit", "emit_sync", "background"])
    def test_concurrency_of_a_sync_handler_loses_nothing(self, api, bus, seen, way):
        bus.subscribe(seen.sync, api.Event, concurrency=3)

        async def main():
            for n in range(20):
                await bus.emit(api.Event(type=str(n)))
            await drained(bus)

        if way == "emit":
            run(main())
        else:
            if way == "background":
                bus.start_background()
            for n in range(20):
                bus.emit_sync(api.Event(type=str(n)))
            drain(bus)
        assert sorted(seen.types, key=int) == [str(n) for n in range(20)]

    def test_timeout_and_concurrency_together(self, api, bus, caplog):
        cancelled = []

        async def handler(event):
            try:
                await asyncio.sleep(0 if event.type == "quick" else 30)
            except asyncio.CancelledError:
                cancelled.append(event.type)
                raise

        bus.subscribe(handler, api.Event, concurrency=2, timeout=0.02)

        async def main():
            for name in ("slow", "quick", "slow", "quick"):
                await bus.emit(api.Event(type=name))
            await drained(bus)

        run(main())
        assert cancelled == ["slow", "slow"]
        assert identity(bus)["handler_errors"] == 2

    def test_cancelled_subscription_lets_its_running_handlers_end(self, api, bus):
        ended = []

        async def main():
            started, gate = asyncio.Event(), asyncio.Event()

            async def handler(event):
                started.set()
                await gate.wait()
                ended.append(event.type)

            subscription = bus.subscribe(handler, api.Event, concurrency=2)
            await bus.emit(api.Event(type="1"))
            await started.wait()
            subscription.cancel()
            await bus.emit(api.Event(type="2"))
            gate.set()
            await drained(bus)

        run(main())
        assert ended == ["1"]

    def test_without_concurrency_events_do_not_overlap(self, api, bus):
        running, most = [], []

        async def handler(event):
            running.append(event)
            most.append(len(running))
            await asyncio.sleep(0)
            running.remove(event)

        bus.subscribe(handler, api.Event)

        async def main():
            for _ in range(10):
                await bus.emit(api.Event(type="x"))
            await drained(bus)

        run(main())
        assert max(most) == 1

    def test_ordered_by_keeps_those_of_one_value_in_order(self, api, bus):
        running, overlaps, ended = {}, [], {}
        roots = [uuid4() for _ in range(4)]

        async def handler(event):
            if running.get(event.root_id):
                overlaps.append(event)
            running[event.root_id] = True
            for _ in range(event.completed_children):
                await asyncio.sleep(0)
            running[event.root_id] = False
            ended.setdefault(event.root_id, []).append(event.pending_children)

        bus.subscribe(handler, api.Event, concurrency=4, ordered_by="root_id")

        async def main():
            for n in range(20):
                await bus.emit(
                    api.Event(
                        type="x",
                        root_id=roots[n % 4],
                        pending_children=n,
                        completed_children=(7 * n) % 5,
                    )
                )
            await drained(bus)

        run(main())
        assert overlaps == []
        for number, root in enumerate(roots):
            assert ended[root] == list(range(number, 20, 4))

    def test_ordered_by_lets_different_values_overlap(self, api, bus):
        met = []

        async def main():
            meeting = asyncio.Barrier(2)

            async def handler(event):
                async with asyncio.timeout(5):
                    await meeting.wait()
                met.append(event.type)

            bus.subscribe(handler, api.Event, concurrency=2, ordered_by="type")
            await bus.emit(api.Event(type="a"))
            await bus.emit(api.Event(type="b"))
            await drained(bus)

        run(main())
        assert sorted(met) == ["a", "b"]

    def test_waiting_handler_yields_its_slot(self, api, bus):
        ended = []

        async def waiting(event):
            if event.pending_children:
                await api.emit_and_wait(
                    api.Event(type="x", pending_children=event.pending_children - 1), timeout=8
                )
            ended.append(event.pending_children)

        bus.subscribe(waiting, pattern="x", concurrency=2)

        async def main():
            await bus.emit(api.Event(type="x", pending_children=6))
            await drained(bus)

        run(main())
        assert ended == list(range(7))

    def test_waiting_handler_yields_its_lane(self, api, bus):
        ended = []

        async def waiting(event):
            if event.pending_children:
                await api.emit_and_wait(
                    api.Event(
                        type="x",
                        root_id=event.root_id,
                        pending_children=event.pending_children - 1,
                    ),
                    timeout=8,
                )
            ended.append(event.pending_children)

        bus.subscribe(waiting, pattern="x", concurrency=2, ordered_by="root_id")

        async def main():
            await bus.emit(api.Event(type="x", pending_children=4, root_id=uuid4()))
            await drained(bus)

        run(main())
        assert ended == list(range(5))

    @pytest.mark.parametrize(
        "options",
        [{"timeout": -1}, {"timeout": "soon"}, {"concurrency": 0}, {"concurrency": 1.5}],
        ids=str,
    )
    def test_wrong_options(self, api, bus, seen, options):
        (name,) = options
        with pytest.raises((TypeError, ValueError), match=name):
            bus.subscribe(seen.sync, api.Event, **options)
        assert bus.get_statistics()["subscriptions"]["type_based"] == 0


class TestForward:
    def test_events_reach_the_other_bus(self, api, bus, make_bus, seen):
        other = make_bus()
        other.subscribe(seen.sync, api.Event)
        bus.forward(to=other)
        event = bus.emit_sync(api.Event(type="x"))
        drain(bus)
        drain(other)
        assert seen.one() is event or seen.one() == event

    def test_without_loops(self, api, bus, make_bus):
        other = make_bus()
        bus.forward(to=other)
        other.forward(to=bus)
        bus.emit_sync(api.Event(type="x"))
        drain(bus)
        drain(other)
        drain(bus)
        assert bus.get_statistics()["emitted"] == 1
        assert other.get_statistics()["emitted"] == 1

    def test_through_a_ring_of_three(self, api, bus, make_bus):
        buses = [bus, make_bus(), make_bus()]
        for number in range(3):
            buses[number].forward(to=buses[(number + 1) % 3])
        buses[1].emit_sync(api.Event(type="x"))
        for _ in range(3):
            for one in buses:
                drain(one)
        assert [one.get_statistics()["emitted"] for one in buses] == [1, 1, 1]

    @pytest.mark.parametrize(
        "options",
        [{"pattern": "user"}, {"predicate": lambda event: event.type.startswith("user")}],
        ids=["pattern", "predicate"],
    )
    def test_filters(self, api, bus, make_bus, seen, options):
        other = make_bus()
        other.subscribe(seen.sync, api.Event)
        bus.forward(to=other, **options)
        for name in ("user.created", "order.created"):
            bus.emit_sync(api.Event(type=name))
        drain(bus)
        drain(other)
        assert seen.types == ["user.created"]

    def test_both_keep_the_event_in_their_histories(self, api, bus, make_bus):
        other = make_bus()
        bus.forward(to=other)
        event = bus.emit_sync(api.Event(type="x"))
        drain(bus)
        drain(other)
        assert bus.get_history() == other.get_history() == [event]

    def test_is_a_listener_of_decorated_functions(self, api, bus, make_bus, seen):
        other = make_bus()
        other.subscribe(seen.sync, api.Event)
        bus.forward(to=other)

        @api.emit_events(created_factory=lambda result: api.CreatedEvent())
        def f():
            return 1

        f()
        drain(bus)
        drain(other)
        assert seen.types == ["created"]

    def test_to_itself_is_an_error(self, bus):
        with pytest.raises(ValueError):
            bus.forward(to=bus)


class Listener:
    """An attached object that records the runs it is given."""

    def __init__(self):
        self.runs, self.flushed = [], []

    def accept(self, events):
        self.runs.append([event.type for event in events])

    @property
    def types(self):
        return [name for run_ in self.runs for name in run_]


class TestAttach:
    def test_accept_gets_all_events_in_order(self, api, bus):
        listener = Listener()
        bus.attach(listener)

        async def main():
            for n in range(50):
                bus.emit_sync(api.Event(type=str(n)))
            await drained(bus)

        run(main())
        drain(bus)
        assert listener.types == [str(n) for n in range(50)]

    def test_runs_are_lists(self, api, bus):
        kinds = []

        class Kinds:
            def accept(self, events):
                kinds.append(type(events))

        bus.attach(Kinds())
        bus.emit_sync(api.Event(type="x"))
        drain(bus)
        assert set(kinds) == {list}

    def test_detach(self, api, bus):
        listener = Listener()
        bus.attach(listener)
        bus.emit_sync(api.Event(type="1"))
        drain(bus)
        bus.detach(listener)
        bus.emit_sync(api.Event(type="2"))
        drain(bus)
        assert listener.types == ["1"]

    def test_detach_flushes(self, api, bus):
        class Flushed(Listener):
            def flush(self, timeout):
                self.flushed.append(timeout)

        listener = Flushed()
        bus.attach(listener)
        bus.emit_sync(api.Event(type="x"))
        drain(bus)
        bus.detach(listener)
        assert len(listener.flushed) == 1
        assert listener.types == ["x"]

    def test_close_flushes(self, api, make_bus):
        class Flushed(Listener):
            def flush(self, timeout):
                self.flushed.append(list(self.types))

        bus, listener = make_bus(), Flushed()
        bus.attach(listener)
        bus.emit_sync(api.Event(type="x"))
        bus.close()
        assert listener.flushed[-1] == ["x"]

    @pytest.mark.parametrize("by", ["class", "classes", "pattern", "predicate"])
    def test_filter(self, api, bus, by):
        class Filtered(Listener):
            pass

        Filtered.filter = {
            "class": api.CreatedEvent,
            "classes": [api.CreatedEvent],
            "pattern": "created",
            "predicate": staticmethod(lambda event: event.type == "created"),
        }[by]
        listener = Filtered()
        bus.attach(listener)
        bus.emit_sync(api.CreatedEvent())
        bus.emit_sync(api.DeletedEvent())
        drain(bus)
        assert listener.types == ["created"]

    def test_one_that_raises_is_counted_and_logged(self, api, bus, seen, caplog):
        class Broken:
            def accept(self, events):
                raise ValueError("listener")

        bus.attach(Broken())
        bus.subscribe(seen.sync, api.Event)
        with caplog.at_level(logging.DEBUG, "onex_events"):
            bus.emit_sync(api.Event(type="x"))
            drain(bus)
        assert seen.types == ["x"]
        assert identity(bus)["handler_errors"] >= 1
        assert any(record.exc_info for record in caplog.records)

    def test_object_without_accept_is_an_error(self, bus):
        with pytest.raises(TypeError, match="accept"):
            bus.attach(object())

    def test_detaching_a_stranger(self, bus):
        bus.detach(Listener())


class TestBackground:
    def test_emit_sync_queues_and_returns(self, api, bus):
        threads, gate = [], threading.Event()

        def handler(event):
            gate.wait(10)
            threads.append(threading.current_thread())

        bus.subscribe(handler, api.Event)
        bus.start_background()
        bus.emit_sync(api.Event(type="x"))
        assert threads == []
        gate.set()
        drain(bus)
        assert len(threads) == 1
        assert threads[0] is not threading.current_thread()

    def test_async_handlers_run_there_too(self, api, bus, seen):
        bus.subscribe(seen.asynchronous, api.Event)
        bus.start_background()
        for n in range(50):
            bus.emit_sync(api.Event(type=str(n)))
        drain(bus)
        assert seen.types == [str(n) for n in range(50)]

    def test_may_be_started_twice(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)
        bus.start_background()
        bus.start_background()
        bus.emit_sync(api.Event(type="x"))
        drain(bus)
        assert seen.types == ["x"]

    def test_close_joins_it(self, api, make_bus, seen):
        before = set(threading.enumerate())
        bus = make_bus()
        bus.subscribe(seen.sync, api.Event)
        bus.start_background()
        bus.emit_sync(api.Event(type="x"))
        bus.close()
        assert seen.types == ["x"]
        wait_until(lambda: set(threading.enumerate()) <= before, 5)

    def test_handler_that_raises_does_not_end_it(self, api, bus, seen, caplog):
        def handler(event):
            if event.type == "bad":
                raise ValueError
            seen.append(event)

        bus.subscribe(handler, api.Event)
        bus.start_background()
        for name in ("1", "bad", "2"):
            bus.emit_sync(api.Event(type=name))
        drain(bus)
        assert seen.types == ["1", "2"]


class TestClose:
    @pytest.mark.parametrize("form", ["with", "async with"])
    def test_context_manager_delivers_and_closes(self, api, make_bus, seen, form):
        bus = make_bus()
        bus.subscribe(seen.asynchronous, api.Event)

        async def main():
            async with bus as entered:
                assert entered is bus
                for n in range(5):
                    bus.emit_sync(api.Event(type=str(n)))

        if form == "with":
            with bus as entered:
                assert entered is bus
                for n in range(5):
                    bus.emit_sync(api.Event(type=str(n)))
        else:
            run(main())
        assert seen.types == list("01234")

    def test_may_be_repeated(self, make_bus):
        bus = make_bus()
        bus.close()
        bus.close()

    def test_ends_interest(self, api, make_bus, seen):
        bus = make_bus(lazy=True)
        bus.subscribe(seen.sync, api.Event)
        calls = []

        @api.emit_events(created_factory=lambda r: calls.append(1) or api.CreatedEvent(), bus=bus)
        def f():
            return 1

        f()
        bus.close()
        assert f() == 1
        assert calls == [1]

    def test_statistics_stay_readable(self, api, make_bus):
        bus = make_bus()
        bus.emit_sync(api.Event(type="x"))
        bus.close()
        assert identity(bus)["emitted"] == 1


class TestTree:
    def test_draws_the_lineage(self, api, bus):
        root = bus.emit_sync(api.Event(type="top", phase="completed", duration_ms=12.5))
        child = bus.emit_sync(
            api.Event(type="middle", parent_id=root.id, root_id=root.id, phase="started")
        )
        bus.emit_sync(
            api.Event(
                type="leaf", parent_id=child.id, root_id=root.id, phase="failed", error="broken"
            )
        )
        bus.emit_sync(api.Event(type="stranger"))
        drain(bus)
        text = bus.tree(root.id)
        assert type(text) is str
        lines = text.splitlines()
        positions = [
            next(n for n, line in enumerate(lines) if name in line)
            for name in ("top", "middle", "leaf")
        ]
        assert positions == sorted(positions)
        indents = [
            lines[n].index(name)
            for n, name in zip(positions, ("top", "middle", "leaf"), strict=True)
        ]
        assert indents == sorted(indents) and len(set(indents)) == 3
        assert "completed" in text and "started" in text and "failed" in text
        assert "12.5" in text and "broken" in text
        assert "stranger" not in text

    def test_deep_lineage(self, api, bus):
        parent = root = bus.emit_sync(api.Event(type="deep"))
        for _ in range(1500):
            parent = bus.emit_sync(api.Event(type="deep", parent_id=parent.id, root_id=root.id))
        drain(bus)
        assert len(bus.tree(root.id).splitlines()) >= 1501


EXIT = """
import asyncio, sys, threading
import {package} as onex

bus = onex.get_event_bus()
{body}
"""


class TestExit:
    def _run(self, api, body, **environment):
        done = subprocess.run(
            [sys.executable, "-c", EXIT.format(package=api.__name__, body=body)],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done

    def test_queued_events_are_delivered_at_exit(self, api):
        done = self._run(
            api,
            "bus.subscribe(lambda e: print('got', e.type, flush=True), onex.Event)\n"
            "bus.start_background()\n"
            "for n in range(20): bus.emit_sync(onex.Event(type=str(n)))\n",
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [w for n in range(20) for w in ("got", str(n))]
        assert done.stderr == ""

    def test_what_is_left_is_reported_in_one_line(self, api):
        start = time.monotonic()
        done = self._run(
            api,
            "gate = threading.Event()\n"
            "bus.subscribe(lambda e: gate.wait(60), onex.Event)\n"
            "bus.start_background()\n"
            "for n in range(5): bus.emit_sync(onex.Event(type=str(n)))\n",
            ONEX_EVENTS_EXIT_TIMEOUT="0.3",
        )
        assert time.monotonic() - start < 15
        assert done.returncode == 0
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        assert len(lines) == 1, done.stderr
        assert "onex_events" in lines[0]
        assert any(count in lines[0] for count in ("4", "5"))

    def test_events_emitted_from_atexit_are_delivered(self, api):
        done = self._run(
            api,
            "import atexit\n"
            "bus.subscribe(lambda e: print('got', e.type, flush=True), onex.Event)\n"
            "atexit.register(lambda: bus.emit_sync(onex.Event(type='late')))\n",
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["got", "late"]

    def test_wrong_environment_is_a_clear_error(self, api):
        for name, value in (
            ("ONEX_EVENTS_EXIT_TIMEOUT", "soon"),
            ("ONEX_EVENT_QUEUE_SIZE", "big"),
            ("ONEX_EVENTS_LAZY", "perhaps"),
        ):
            done = self._run(api, "", **{name: value})
            assert done.returncode != 0, name
            assert name in done.stderr and value in done.stderr
            assert "Error" in done.stderr


class TestFork:
    """After fork the child has the bus with its subscriptions and nothing of its queue."""

    def _child(self, api, bus, body):
        """Runs `body()` in a forked child; gives what it returned as text."""
        read, write = os.pipe()
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            try:
                os.close(read)
                os.write(write, repr(body()).encode())
            except BaseException as error:
                os.write(write, f"raised {error!r}".encode())
            finally:
                os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            text = []
            reader = threading.Thread(target=lambda: text.append(pipe.read()), daemon=True)
            reader.start()
            reader.join(10)
            if not text:
                os.kill(pid, 9)
                reader.join(5)
            os.waitpid(pid, 0)
        return text[0].decode()

    @pytest.mark.parametrize("kind", ["sync", "asynchronous"])
    def test_the_childs_first_event_is_delivered(self, api, bus, seen, kind):
        bus.subscribe(getattr(seen, kind), api.Event)
        bus.emit_sync(api.Event(type="parent"))

        def body():
            bus.emit_sync(api.Event(type="child"))
            return seen.types

        assert self._child(api, bus, body) == "['parent', 'child']"

    def test_with_a_background_thread(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)
        bus.start_background()
        bus.emit_sync(api.Event(type="parent"))
        drain(bus)

        def body():
            bus.emit_sync(api.Event(type="child"))
            bus.flush_sync(8)
            return seen.types

        assert self._child(api, bus, body) == "['parent', 'child']"

    def test_queue_is_empty_and_counters_zero(self, api, bus):
        gate = threading.Event()
        entered = threading.Event()

        def handler(event):
            entered.set()
            gate.wait(10)

        bus.subscribe(handler, api.Event)
        bus.start_background()
        for _ in range(5):
            bus.emit_sync(api.Event(type="x"))
        assert entered.wait(10)

        def body():
            stats = bus.get_statistics()
            return [stats[k] for k in ("emitted", "handled", "queue_size", "in_flight")] + [
                stats["subscriptions"]["type_based"]
            ]

        assert self._child(api, bus, body) == "[0, 0, 0, 0, 1]"
        gate.set()
        drain(bus)
        assert identity(bus)["handled"] == 5

    def test_ids_differ(self, api, bus):
        api.Event(type="x").id  # noqa: B018
        children = {
            self._child(api, bus, lambda: [api.Event(type="x").id.hex for _ in range(3)])
            for _ in range(3)
        }
        mine = [api.Event(type="x").id.hex for _ in range(3)]
        everything = [i for text in children for i in eval(text)] + mine
        assert len(set(everything)) == 12

    def test_inside_a_handler(self, api, bus, seen):
        results = []

        def handler(event):
            if event.type == "fork":

                def body():
                    api.context.clear_context()
                    return bus.get_statistics()["in_flight"]

                results.append(self._child(api, bus, body))
            seen.append(event)

        bus.subscribe(handler, api.Event)
        bus.emit_sync(api.Event(type="fork"))
        assert seen.types == ["fork"]
        assert results == ["0"]


def test_own_bus_options_are_keyword_only_after_history_size(api):
    with pytest.raises(TypeError):
        api.EventBus(10, 20)


def test_unknown_option_is_a_type_error(api):
    with pytest.raises(TypeError, match="surprise"):
        api.EventBus(surprise=1)


class TestFlushOptions:
    def test_flush_from_another_threads_loop(self, api, bus, seen):
        bus.subscribe(seen.asynchronous, api.Event)

        async def main():
            for n in range(20):
                bus.emit_sync(api.Event(type=str(n)))
            await asyncio.to_thread(bus.flush_sync, 8)
            return len(seen)

        assert run(main()) == 20

    def test_flush_sync_from_a_thread_while_a_handler_hangs(self, api, bus):
        gate = threading.Event()
        bus.subscribe(lambda event: gate.wait(10), api.Event)
        bus.start_background()
        bus.emit_sync(api.Event(type="x"))

        def flush():
            with pytest.raises(TimeoutError):
                bus.flush_sync(0.05)

        in_thread(flush)
        gate.set()
        drain(bus)

    def test_flush_on_several_loops(self, api, bus):
        seen = Seen()
        bus.subscribe(seen.asynchronous, api.Event)

        async def main():
            for _ in range(30):
                await bus.emit(api.Event(type="x"))
            await bus.flush(8)

        threads = [threading.Thread(target=lambda: run(main()), daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(15)
        assert len(seen) == 90
