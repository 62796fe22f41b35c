"""Spec 1 §2: emit_with_children and wait_for_children."""

import asyncio
import logging
from uuid import uuid4

import pytest

from .harness import drained, identity, run, until


def _async_child(api, name):
    async def make():
        await asyncio.sleep(0)
        return api.Event(type=name)

    return make


def _sync_child(api, name):
    return lambda: api.Event(type=name)


def _failing(error):
    async def make():
        await asyncio.sleep(0)
        raise error

    return make


def _failing_sync(error):
    def make():
        raise error

    return make


class TestEmitWithChildren:
    def test_sequence_is_start_children_end(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)
        parent = api.ProcessingEvent(process_name="p", phase="pending")

        async def main():
            result = await bus.emit_with_children(
                parent, [_async_child(api, "a"), _sync_child(api, "b")]
            )
            await drained(bus)
            return result

        result = run(main())
        assert seen.types[0] == seen.types[-1] == "processing"
        assert sorted(seen.types[1:-1]) == ["a", "b"]
        started, done = seen[0], seen[-1]
        assert started.phase is api.EventPhase.STARTED
        assert started.pending_children == 2
        assert done.phase is api.EventPhase.COMPLETED
        assert result == done
        assert type(result) is api.ProcessingEvent and result.process_name == "p"

    def test_counts_and_ids(self, api, bus, seen):
        bus.subscribe(seen.sync, pattern="child")

        async def main():
            result = await bus.emit_with_children(
                api.Event(type="parent"), [_async_child(api, f"child{n}") for n in range(3)]
            )
            await drained(bus)
            return result

        result = run(main())
        assert result.completed_children == 3
        assert result.failed_children == 0
        assert result.pending_children == 0
        assert sorted(result.children_ids) == sorted(event.id for event in seen)
        assert result.error is None

    def test_children_are_linked(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)
        root = uuid4()

        async def main():
            await bus.emit_with_children(
                api.Event(type="parent", root_id=root), [_sync_child(api, "child")]
            )
            await bus.emit_with_children(api.Event(type="top"), [_sync_child(api, "leaf")])
            await drained(bus)

        run(main())
        child, leaf = seen.of("child"), seen.of("leaf")
        started = next(event for event in seen if event.type == "parent")
        top = next(event for event in seen if event.type == "top")
        assert child.parent_id == started.id
        assert child.root_id == root
        assert leaf.parent_id == top.id
        assert leaf.root_id == top.id

    def test_lineage_is_the_parents_from_start_to_end(self, api, bus, seen):
        bus.subscribe(seen.sync, pattern="parent")
        parent = api.Event(type="parent")

        async def main():
            await bus.emit_with_children(parent, [_sync_child(api, "child")])
            await drained(bus)

        run(main())
        assert [event.lineage_id for event in seen] == [parent.lineage_id] * 2

    def test_parent_given_is_unchanged(self, api, bus):
        parent = api.Event(type="parent")
        before = parent.model_dump()

        async def main():
            await bus.emit_with_children(parent, [_sync_child(api, "child")])

        run(main())
        assert parent.model_dump() == before

    def test_generators_run_concurrently(self, api, bus):
        async def main():
            meeting = asyncio.Barrier(3)

            async def meet():
                await meeting.wait()
                return api.Event(type="met")

            return await bus.emit_with_children(api.Event(type="parent"), [meet] * 3)

        assert run(main()).completed_children == 3

    @pytest.mark.parametrize("failing", [_failing, _failing_sync])
    def test_one_that_raises_yields_a_failure_event(self, api, bus, seen, failing, caplog):
        bus.subscribe(seen.sync, api.Event)

        async def main():
            result = await bus.emit_with_children(
                api.Event(type="parent"),
                [_sync_child(api, "good"), failing(ValueError("particular")), failing(OSError())],
            )
            await drained(bus)
            return result

        result = run(main())
        failures = [event for event in seen if event.type == "child_failure"]
        assert len(failures) == 2
        assert all(event.phase is api.EventPhase.FAILED for event in failures)
        assert any("particular" in event.error for event in failures)
        assert all(event.parent_id == seen[0].id for event in failures)
        assert result.phase is api.EventPhase.FAILED
        assert result.error == "Failed with 2 child errors"
        assert (result.completed_children, result.failed_children) == (1, 2)
        assert result.pending_children == 0
        children = [event.id for event in seen if event.type in ("good", "child_failure")]
        assert sorted(result.children_ids) == sorted(children)

    def test_without_children(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)

        async def main():
            result = await bus.emit_with_children(api.Event(type="parent"), [])
            await drained(bus)
            return result

        result = run(main())
        assert result.phase is api.EventPhase.COMPLETED
        assert result.children_ids == []
        assert [event.phase.value for event in seen] == ["started", "completed"]

    def test_generator_that_gives_no_event_counts_as_failed(self, api, bus, caplog):
        async def main():
            return await bus.emit_with_children(api.Event(type="parent"), [lambda: 3])

        result = run(main())
        assert result.phase is api.EventPhase.FAILED
        assert result.failed_children == 1

    def test_cancellation_reaches_the_generators(self, api, bus):
        states = []

        async def main():
            running = asyncio.Event()

            async def forever():
                running.set()
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    states.append("cancelled")
                    raise

            task = asyncio.create_task(bus.emit_with_children(api.Event(type="parent"), [forever]))
            await running.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: states)

        run(main())
        assert states == ["cancelled"]

    def test_pending_parents_are_counted_while_they_run(self, api, bus):
        counts = []

        async def main():
            async def child():
                await drained(bus)
                counts.append(bus.get_statistics()["pending_parents"])
                return api.Event(type="child")

            await bus.emit_with_children(api.Event(type="parent"), [child])
            await drained(bus)
            counts.append(bus.get_statistics()["pending_parents"])

        run(main())
        assert counts == [1, 0]

    def test_an_event_that_only_says_so_is_no_pending_parent(self, api, bus):
        event = bus.emit_sync(api.Event(type="parent", pending_children=3))
        assert bus.get_statistics()["pending_parents"] == 0
        run(asyncio.wait_for(bus.wait_for_children(event.id), 5))


class TestWaitForChildren:
    def test_unknown_parent_returns_at_once(self, bus):
        async def main():
            await asyncio.wait_for(bus.wait_for_children(uuid4()), 5)
            await asyncio.wait_for(bus.wait_for_children(uuid4(), timeout=3), 5)

        run(main())

    def test_waits_until_the_children_are_done(self, api, bus, seen):
        order = []

        async def main():
            bus.subscribe(seen.sync, pattern="parent")
            let_go = asyncio.Event()

            async def child():
                await let_go.wait()
                order.append("child")
                return api.Event(type="child")

            family = asyncio.create_task(bus.emit_with_children(api.Event(type="parent"), [child]))
            await until(lambda: seen)

            async def wait():
                await bus.wait_for_children(seen[0].id, timeout=8)
                order.append("waited")

            waiting = asyncio.create_task(wait())
            for _ in range(5):
                await asyncio.sleep(0)
            assert order == []
            let_go.set()
            await asyncio.gather(family, waiting)

        run(main())
        assert order == ["child", "waited"]

    def test_timeout_emits_a_timeout_event_and_raises(self, api, bus, seen, caplog):
        async def main():
            bus.subscribe(seen.sync, pattern="parent")
            let_go = asyncio.Event()

            async def child():
                await let_go.wait()
                return api.Event(type="child")

            family = asyncio.create_task(bus.emit_with_children(api.Event(type="parent"), [child]))
            await until(lambda: seen)
            with pytest.raises(asyncio.TimeoutError):
                await bus.wait_for_children(seen[0].id, timeout=0.05)
            let_go.set()
            await family
            await drained(bus)

        with caplog.at_level(logging.CRITICAL):
            run(main())
        phases = [event.phase for event in seen]
        assert phases.count(api.EventPhase.TIMEOUT) == 1
        timed_out = seen[phases.index(api.EventPhase.TIMEOUT)]
        assert timed_out.lineage_id == seen[0].lineage_id
        assert timed_out.type == "parent"

    def test_two_waiters_are_both_released(self, api, bus, seen):
        async def main():
            bus.subscribe(seen.sync, pattern="parent")
            let_go = asyncio.Event()

            async def child():
                await let_go.wait()
                return api.Event(type="child")

            family = asyncio.create_task(bus.emit_with_children(api.Event(type="parent"), [child]))
            await until(lambda: seen)
            waiting = asyncio.gather(
                *(bus.wait_for_children(seen[0].id, timeout=8) for _ in range(2))
            )
            await asyncio.sleep(0)
            let_go.set()
            await waiting
            await family

        run(main())
        identity(bus)
