"""Spec 1 §2: handlers that wait for the bus yield their turn; nothing of this may deadlock."""

import asyncio
import threading

import pytest

from .harness import Seen, drain, drained, identity, run, until

POLICIES = ["block", "drop_newest", "drop_oldest", "raise"]

beyond = pytest.mark.core_only(reason="beyond the reference path: collect, expect, find, bounds")


class TestEmitAndWait:
    def test_others_go_first_then_the_events_behind_it(self, api, bus):
        log = []

        async def waiting(event):
            log.append(f"start {event.type}")
            await api.emit_and_wait(api.Event(type="inner"), timeout=8)
            log.append(f"end {event.type}")

        bus.subscribe(waiting, pattern="first", priority=100)
        bus.subscribe(lambda event: log.append(f"low {event.type}"), pattern="first", priority=1)
        bus.subscribe(lambda event: log.append(event.type), pattern="second|inner")

        async def main():
            await bus.emit(api.Event(type="first"))
            await bus.emit(api.Event(type="second"))
            await drained(bus)

        run(main())
        assert log == ["start first", "low first", "second", "inner", "end first"]

    def test_events_behind_it_reach_the_same_handler_in_order(self, api, bus):
        log = []

        async def waiting(event):
            log.append(("start", event.type))
            await api.emit_and_wait(api.Event(type=f"inner {event.type}"), timeout=8)
            log.append(("end", event.type))

        bus.subscribe(waiting, pattern="outer")

        async def main():
            for n in range(4):
                await bus.emit(api.Event(type=f"outer{n}"))
            await drained(bus)

        run(main())
        starts = [name for what, name in log if what == "start"]
        ends = [name for what, name in log if what == "end"]
        assert starts == [f"outer{n}" for n in range(4)]
        assert sorted(ends) == starts

    def test_it_goes_on_as_soon_as_its_answer_is_there(self, api, bus):
        """A later event whose handler hangs does not hold back one that has its answer."""
        log, gate = [], asyncio.Event()

        async def waiting(event):
            await api.emit_and_wait(api.Event(type="inner"), timeout=8)
            log.append("answered")
            gate.set()

        async def hanging(event):
            await gate.wait()
            log.append("released")

        bus.subscribe(waiting, pattern="outer")
        bus.subscribe(hanging, pattern="last")

        async def main():
            await bus.emit(api.Event(type="outer"))
            await until(lambda: bus.get_statistics()["emitted"] == 2)
            await bus.emit(api.Event(type="last"))
            await drained(bus)

        run(main())
        assert sorted(log) == ["answered", "released"]

    def test_nested_waits(self, api, bus):
        async def waiting(event):
            if event.pending_children:
                found = await api.emit_and_wait(
                    api.Event(
                        type="x", pending_children=event.pending_children - 1, parent_id=event.id
                    ),
                    timeout=8,
                )
                depth = max((e.completed_children for e in found), default=0) + 1
            else:
                depth = 0
            await bus.emit(api.Event(type="depth", parent_id=event.id, completed_children=depth))

        bus.subscribe(waiting, pattern="x")

        async def main():
            return await api.emit_and_wait(api.Event(type="x", pending_children=6), timeout=9)

        found = run(main())
        assert max(e.completed_children for e in found if e.type == "depth") == 6

    def test_flush_waits_for_it_too(self, api, bus):
        log = []

        async def waiting(event):
            await api.emit_and_wait(api.Event(type="inner"), timeout=8)
            for _ in range(5):
                await asyncio.sleep(0)
            log.append("end")

        bus.subscribe(waiting, pattern="outer")

        async def main():
            await bus.emit(api.Event(type="outer"))
            await bus.flush(8)
            log.append("flushed")

        run(main())
        assert log == ["end", "flushed"]

    def test_from_emit_sync_without_a_loop(self, api, bus):
        log = []

        async def waiting(event):
            found = await api.emit_and_wait(api.Event(type="inner"), timeout=8)
            log.append(len(found))

        async def inner(event):
            await bus.emit(api.Event(type="answer", parent_id=event.id))

        bus.subscribe(waiting, pattern="outer")
        bus.subscribe(inner, pattern="inner")
        bus.emit_sync(api.Event(type="outer"))
        drain(bus)
        assert log == [1]

    def test_many_handlers_wait_at_once(self, api, bus):
        log = []

        async def waiting(event):
            await api.emit_and_wait(api.Event(type="inner"), timeout=9)
            log.append(1)

        for _ in range(5):
            bus.subscribe(waiting, pattern="outer")

        async def main():
            for _ in range(10):
                await bus.emit(api.Event(type="outer"))
            await drained(bus)

        run(main(), 15)
        assert len(log) == 50
        identity(bus)

    def test_cancelled_wait_leaves_the_bus_working(self, api, bus, seen):
        bus.subscribe(seen.sync, pattern="after")
        gate = asyncio.Event()

        async def hanging(event):
            await gate.wait()

        async def waiting(event):
            try:
                await asyncio.wait_for(api.emit_and_wait(api.Event(type="inner")), 0.02)
            except TimeoutError:
                gate.set()

        bus.subscribe(hanging, pattern="inner")
        bus.subscribe(waiting, pattern="outer")

        async def main():
            await bus.emit(api.Event(type="outer"))
            await bus.emit(api.Event(type="after"))
            await drained(bus)

        run(main())
        assert seen.types == ["after"]

    @pytest.mark.parametrize("policy", POLICIES)
    @beyond
    def test_under_every_overflow_policy(self, api, make_bus, policy, caplog):
        bus = make_bus(max_queue_size=3, overflow=policy, overflow_timeout=0.2)
        api.set_event_bus(bus)
        ended = []

        async def waiting(event):
            try:
                await api.emit_and_wait(api.Event(type="inner"), timeout=3)
            except api.QueueFullError:
                pass
            ended.append(event.type)

        for _ in range(3):
            bus.subscribe(waiting, pattern="outer")

        async def main():
            for _ in range(12):
                try:
                    await bus.emit(api.Event(type="outer"))
                except api.QueueFullError:
                    await asyncio.sleep(0)
            await drained(bus, 30)

        try:
            run(main(), 40)
        finally:
            api.set_event_bus(api.EventBus())
        stats = identity(bus)
        assert stats["in_flight"] == 0 and stats["queue_size"] == 0
        assert ended


class TestWaitForChildren:
    def test_in_a_handler(self, api, bus):
        log = []

        async def waiting(event):
            if event.phase is api.EventPhase.STARTED:
                await bus.wait_for_children(event.id, timeout=8)
                log.append("waited")

        async def child():
            log.append("child")
            return api.Event(type="child")

        bus.subscribe(waiting, pattern="parent")

        async def main():
            await bus.emit_with_children(api.Event(type="parent"), [child])
            await drained(bus)

        run(main())
        assert log == ["child", "waited"]


class TestRefusals:
    @pytest.mark.parametrize("asynchronous", [False, True])
    def test_flush_inside_a_handler_is_an_error(self, api, bus, asynchronous):
        errors = []

        async def awaited(event):
            for wait in (lambda: bus.flush(1), None):
                try:
                    if wait:
                        await wait()
                    else:
                        bus.flush_sync(1)
                except RuntimeError as error:
                    errors.append(error)

        def called(event):
            try:
                bus.flush_sync(1)
            except RuntimeError as error:
                errors.append(error)

        bus.subscribe(awaited if asynchronous else called, api.Event)
        bus.emit_sync(api.Event(type="x"))
        drain(bus)
        assert len(errors) == (2 if asynchronous else 1)
        assert all(type(error) is RuntimeError for error in errors)

    def test_flush_sync_on_a_loops_thread_is_an_error(self, api, bus):
        async def main():
            with pytest.raises(RuntimeError):
                bus.flush_sync(1)

        run(main())

    def test_flush_of_another_bus_inside_a_handler_is_fine(self, api, bus, make_bus, seen):
        other = make_bus()
        other.subscribe(seen.asynchronous, api.Event)
        flushed = []

        async def handler(event):
            other.emit_sync(api.Event(type="other"))
            await other.flush(8)
            flushed.append(len(seen))

        bus.subscribe(handler, api.Event)

        async def main():
            await bus.emit(api.Event(type="x"))
            await drained(bus)

        run(main())
        assert flushed == [1]

    def test_task_that_outlives_its_handler_may_flush(self, api, bus):
        results, tasks = [], []

        async def main():
            handled = asyncio.Event()

            async def later():
                await handled.wait()
                await bus.flush(8)
                results.append("flushed")

            async def handler(event):
                tasks.append(asyncio.create_task(later()))

            bus.subscribe(handler, api.Event)
            await bus.emit(api.Event(type="x"))
            await drained(bus)
            handled.set()
            await tasks[0]

        run(main())
        assert results == ["flushed"]

    def test_flush_raises_timeout_error(self, api, bus):
        gate = asyncio.Event()

        async def handler(event):
            await gate.wait()

        bus.subscribe(handler, api.Event)

        async def main():
            await bus.emit(api.Event(type="x"))
            with pytest.raises(TimeoutError):
                await bus.flush(0.02)
            gate.set()
            await bus.flush(8)

        run(main())

    def test_flush_sync_raises_timeout_error(self, api, bus):
        entered, gate = threading.Event(), threading.Event()

        def handler(event):
            entered.set()
            gate.wait(10)

        bus.subscribe(handler, api.Event)
        thread = threading.Thread(target=bus.emit_sync, args=(api.Event(type="x"),), daemon=True)
        thread.start()
        assert entered.wait(10)
        with pytest.raises(TimeoutError):
            bus.flush_sync(0.02)
        gate.set()
        bus.flush_sync(8)
        thread.join(10)

    def test_flush_of_an_idle_bus_returns_at_once(self, api, bus):
        bus.flush_sync(5)

        async def main():
            await bus.flush(5)
            await bus.flush()

        run(main())

    def test_flush_does_not_wait_for_what_comes_later(self, api, bus):
        stop = []

        async def endless(event):
            if not stop:
                await bus.emit(api.Event(type="x"))
            await asyncio.sleep(0)

        bus.subscribe(endless, api.Event)

        async def main():
            await bus.emit(api.Event(type="x"))
            await bus.flush(8)
            stop.append(1)

        run(main())


@beyond
class TestExpect:
    def test_next_match(self, api, bus):
        async def main():
            pending = asyncio.ensure_future(bus.expect(api.CreatedEvent, timeout=8))
            await bus.emit(api.DeletedEvent())
            created = await bus.emit(api.CreatedEvent())
            await bus.emit(api.CreatedEvent())
            return await pending, created

        found, created = run(main())
        assert found is created

    def test_is_armed_at_the_call(self, api, bus):
        async def main():
            pending = bus.expect(api.CreatedEvent, timeout=8)
            event = await bus.emit(api.CreatedEvent())
            await drained(bus)
            return await pending is event

        assert run(main())

    def test_earlier_events_do_not_count(self, api, bus):
        async def main():
            await bus.emit(api.CreatedEvent())
            await drained(bus)
            with pytest.raises(TimeoutError):
                await bus.expect(api.CreatedEvent, timeout=0.02)

        run(main())

    def test_predicate(self, api, bus):
        async def main():
            pending = bus.expect(api.Event, lambda event: event.type == "2", timeout=8)
            for n in range(4):
                await bus.emit(api.Event(type=str(n)))
            return (await pending).type

        assert run(main()) == "2"

    def test_leaves_no_subscription(self, api, bus):
        async def main():
            pending = bus.expect(api.CreatedEvent, timeout=8)
            await bus.emit(api.CreatedEvent())
            await pending
            with pytest.raises(TimeoutError):
                await bus.expect(api.CreatedEvent, timeout=0.01)
            task = asyncio.create_task(bus.expect(api.CreatedEvent))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return bus.get_statistics()["subscriptions"]

        assert run(main())["type_based"] == 0

    def test_in_a_handler(self, api, bus):
        answers = []

        async def waiting(event):
            pending = bus.expect(api.CreatedEvent, timeout=8)
            await bus.emit(api.CreatedEvent())
            answers.append(await pending)

        bus.subscribe(waiting, pattern="ask")

        async def main():
            for _ in range(5):
                await bus.emit(api.Event(type="ask"))
            await drained(bus)

        run(main())
        assert len(answers) == 5

    def test_is_a_listener_of_decorated_functions(self, api, bus):
        @api.emit_events(created_factory=lambda result: api.CreatedEvent())
        def f():
            return 1

        async def main():
            pending = bus.expect(api.CreatedEvent, timeout=8)
            f()
            return await pending

        assert run(main()).type == "created"


@beyond
class TestFind:
    def test_newest_in_history(self, api, bus):
        async def main():
            for n in range(3):
                await bus.emit(api.Event(type="x", pending_children=n))
            await drained(bus)
            return await bus.find(api.Event), await bus.find("x"), await bus.find("nope")

        by_class, by_pattern, none = run(main())
        assert by_class.pending_children == by_pattern.pending_children == 2
        assert none is None

    def test_where_and_child_of(self, api, bus):
        async def main():
            parent = await bus.emit(api.Event(type="parent"))
            for n in range(3):
                await bus.emit(api.Event(type="x", parent_id=parent.id, pending_children=n))
            await bus.emit(api.Event(type="x", pending_children=1))
            await drained(bus)
            return await bus.find(
                api.Event, where=lambda event: event.pending_children < 2, child_of=parent
            ), parent

        found, parent = run(main())
        assert found.pending_children == 1 and found.parent_id == parent.id

    def test_future(self, api, bus):
        async def main():
            pending = bus.find(api.CreatedEvent, future=8)
            event = await bus.emit(api.CreatedEvent())
            return await pending, event

        found, event = run(main())
        assert found == event

    def test_future_that_does_not_come_is_none(self, api, bus):
        async def main():
            return await bus.find(api.CreatedEvent, future=0.02)

        assert run(main()) is None

    def test_past_false_looks_only_ahead(self, api, bus):
        async def main():
            await bus.emit(api.CreatedEvent())
            await drained(bus)
            return await bus.find(api.CreatedEvent, past=False, future=0.02)

        assert run(main()) is None

    def test_past_in_seconds(self, api, bus):
        from datetime import UTC, datetime, timedelta

        async def main():
            await bus.emit(api.CreatedEvent(timestamp=datetime.now(UTC) - timedelta(hours=1)))
            await drained(bus)
            return await bus.find(api.CreatedEvent, past=60), await bus.find(
                api.CreatedEvent, past=7200
            )

        recent, older = run(main())
        assert recent is None and older is not None

    def test_future_in_a_handler(self, api, bus):
        answers = []

        async def waiting(event):
            pending = bus.find(api.CreatedEvent, past=False, future=8)
            await bus.emit(api.CreatedEvent())
            answers.append(await pending)

        bus.subscribe(waiting, pattern="ask")

        async def main():
            for _ in range(3):
                await bus.emit(api.Event(type="ask"))
            await drained(bus)

        run(main())
        assert len(answers) == 3 and None not in answers

    def test_filter(self, api, bus):
        parent = bus.emit_sync(api.Event(type="parent"))
        for n in range(5):
            bus.emit_sync(api.Event(type="x", pending_children=n, parent_id=parent.id))
        drain(bus)

        async def gather(found):
            return await found if hasattr(found, "__await__") else found

        def counts(*args, **kwargs):
            found = run(gather(bus.filter(*args, **kwargs)))
            return [event.pending_children for event in found]

        assert counts("x") == [0, 1, 2, 3, 4]
        assert counts(api.Event, where=lambda event: event.pending_children > 2) == [3, 4]
        assert sorted(counts("x", limit=2)) in ([3, 4], [0, 1])
        assert counts("x", child_of=parent) == [0, 1, 2, 3, 4]
        assert counts("nope") == []


@beyond
class TestCollect:
    def test_values_and_exceptions_by_subscription(self, api, bus, caplog):
        async def awaited(event):
            await asyncio.sleep(0)
            return "async"

        def failing(event):
            raise ValueError("own")

        first = bus.subscribe(lambda event: "sync", api.Event)
        second = bus.subscribe(awaited, api.Event)
        third = bus.subscribe(failing, api.Event)
        bus.subscribe(lambda event: "other", pattern="other")

        async def main():
            return await bus.collect(api.Event(type="x"), timeout=8)

        found = run(main())
        assert set(found) == {first, second, third}
        assert found[first] == "sync" and found[second] == "async"
        assert isinstance(found[third], ValueError)

    def test_without_handlers(self, api, bus):
        async def main():
            return await bus.collect(api.Event(type="x"), timeout=8)

        assert run(main()) == {}

    def test_timeout(self, api, bus):
        gate = asyncio.Event()

        async def handler(event):
            await gate.wait()

        bus.subscribe(handler, api.Event)

        async def main():
            with pytest.raises(TimeoutError):
                await bus.collect(api.Event(type="x"), timeout=0.02)
            gate.set()
            await drained(bus)

        run(main())

    def test_in_a_handler(self, api, bus):
        got = []

        async def waiting(event):
            got.extend((await bus.collect(api.Event(type="ask"), timeout=8)).values())

        bus.subscribe(waiting, pattern="outer")
        bus.subscribe(lambda event: "answer", pattern="ask")

        async def main():
            for _ in range(4):
                await bus.emit(api.Event(type="outer"))
            await drained(bus)

        run(main())
        assert got == ["answer"] * 4

    @pytest.mark.parametrize("policy", POLICIES)
    def test_chain_of_two_buses_does_not_deadlock(self, api, make_bus, policy, caplog):
        options = {"max_queue_size": 2, "overflow": policy, "overflow_timeout": 0.2}
        one, two = make_bus(**options), make_bus(**options)
        log = []

        async def on_one(event):
            try:
                if event.pending_children:
                    await two.collect(
                        api.Event(type="x", pending_children=event.pending_children - 1), timeout=5
                    )
            except (TimeoutError, api.QueueFullError):
                pass
            log.append(("one", event.pending_children))

        async def on_two(event):
            try:
                if event.pending_children:
                    await one.collect(
                        api.Event(type="x", pending_children=event.pending_children - 1), timeout=5
                    )
            except (TimeoutError, api.QueueFullError):
                pass
            log.append(("two", event.pending_children))

        one.subscribe(on_one, api.Event)
        two.subscribe(on_two, api.Event)

        async def main():
            await one.collect(api.Event(type="x", pending_children=4), timeout=9)

        run(main(), 15)
        assert [depth for _, depth in log] == [0, 1, 2, 3, 4]


class TestSyncHandlersThatWait:
    def test_sync_handler_runs_a_loop_of_its_own_to_wait(self, api, bus):
        answers = []

        def waiting(event):
            if threading.current_thread() is threading.main_thread():
                loop_running = True
                try:
                    asyncio.get_running_loop()
                except RuntimeError:
                    loop_running = False
                if loop_running:
                    return
            found = asyncio.run(api.emit_and_wait(api.Event(type="inner"), timeout=5))
            answers.append(len(found))

        async def inner(event):
            await bus.emit(api.Event(type="answer", parent_id=event.id))

        bus.subscribe(waiting, pattern="outer")
        bus.subscribe(inner, pattern="inner")

        async def main():
            await bus.emit(api.Event(type="outer"))
            await drained(bus)

        run(main())
        drain(bus)
        assert len(answers) == 1


def test_two_threads_wait_inside_handlers(api, bus):
    """Waits from several loops at once, each inside a handler, all come to an end."""
    done = Seen()

    async def waiting(event):
        await api.emit_and_wait(api.Event(type="inner"), timeout=9)
        done.append(event)

    bus.subscribe(waiting, pattern="outer")

    async def main():
        for _ in range(10):
            await bus.emit(api.Event(type="outer"))
            await asyncio.sleep(0)
        await drained(bus, 20)

    threads = [threading.Thread(target=lambda: run(main(), 25), daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    drain(bus)
    assert len(done) == 20
