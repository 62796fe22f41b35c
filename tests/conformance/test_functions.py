"""Spec 1 §5: emit, emit_and_wait, event_context, create_event_chain."""

import asyncio
import time

import pytest

from .harness import drain, drained, identity, run, until


class TestEmit:
    def test_emits_on_the_default_bus(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)
        event = api.Event(type="x")

        async def main():
            assert await api.emit(event) is event
            await drained(bus)

        run(main())
        assert seen.one() is event

    def test_is_queued_at_the_call(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)

        async def main():
            pending = api.emit(api.Event(type="x"))
            emitted = bus.get_statistics()["emitted"]
            await pending
            return emitted

        assert run(main()) == 1

    def test_follows_set_event_bus(self, api, bus, make_bus, seen):
        other = make_bus()
        other.subscribe(seen.sync, api.Event)
        api.set_event_bus(other)

        async def main():
            await api.emit(api.Event(type="x"))
            await drained(other)

        run(main())
        api.set_event_bus(bus)
        assert seen.types == ["x"]


class TestEmitAndWait:
    def test_gives_the_children(self, api, bus):
        async def handler(event):
            for n in range(3):
                await bus.emit(api.Event(type=f"child{n}", parent_id=event.id))

        bus.subscribe(handler, pattern="parent")

        async def main():
            return await api.emit_and_wait(api.Event(type="parent"), timeout=8)

        found = run(main())
        assert type(found) is list
        assert [event.type for event in found] == ["child0", "child1", "child2"]

    def test_gives_what_has_its_lineage(self, api, bus):
        async def handler(event):
            await bus.emit(event.to_completed(type="end"))

        bus.subscribe(handler, pattern="start")

        async def main():
            start = api.Event(type="start")
            return await api.emit_and_wait(start, timeout=8), start

        found, start = run(main())
        assert [event.type for event in found] == ["end"]
        assert start not in found

    def test_unrelated_events_are_not_in_it(self, api, bus):
        async def handler(event):
            await bus.emit(api.Event(type="stranger"))
            await bus.emit(api.Event(type="child", parent_id=event.id))

        bus.subscribe(handler, pattern="parent")

        async def main():
            return await api.emit_and_wait(api.Event(type="parent"), timeout=8)

        assert [event.type for event in run(main())] == ["child"]

    def test_waits_for_all_that_descends_from_it(self, api, bus):
        handled = []

        async def handler(event):
            await asyncio.sleep(0)
            if event.pending_children:
                await bus.emit(
                    api.Event(
                        type="x",
                        parent_id=event.id,
                        root_id=event.root_id or event.id,
                        pending_children=event.pending_children - 1,
                    )
                )
            for _ in range(3):
                await asyncio.sleep(0)
            handled.append(event.pending_children)

        bus.subscribe(handler, pattern="x")

        async def main():
            await api.emit_and_wait(api.Event(type="x", pending_children=5), timeout=8)
            return list(handled)

        assert run(main()) == [5, 4, 3, 2, 1, 0]

    def test_without_any_handler(self, api, bus):
        async def main():
            return await api.emit_and_wait(api.Event(type="x"), timeout=8)

        start = time.monotonic()
        assert run(main()) == []
        assert time.monotonic() - start < 6

    def test_without_a_timeout(self, api, bus, seen):
        bus.subscribe(seen.asynchronous, pattern="x")

        async def main():
            return await api.emit_and_wait(api.Event(type="x"))

        assert run(main()) == []
        assert seen.types == ["x"]

    def test_returns_what_there_is_when_the_time_is_up(self, api, bus):
        let_go = []

        async def handler(event):
            await bus.emit(api.Event(type="child", parent_id=event.id))
            await until(lambda: let_go)

        bus.subscribe(handler, pattern="parent")

        async def main():
            found = await api.emit_and_wait(api.Event(type="parent"), timeout=0.1)
            let_go.append(1)
            await drained(bus)
            return found

        assert [event.type for event in run(main())] in (["child"], [])

    def test_other_work_does_not_hold_it_up(self, api, bus):
        """What does not descend from the event may go on queueing."""
        stop = []

        async def busy(event):
            if not stop:
                await bus.emit(api.Event(type="busy"))
            await asyncio.sleep(0)

        bus.subscribe(busy, pattern="busy")

        async def main():
            await bus.emit(api.Event(type="busy"))
            try:
                return await asyncio.wait_for(
                    api.emit_and_wait(api.Event(type="x"), timeout=None), 8
                )
            finally:
                stop.append(1)
                await drained(bus)

        assert run(main()) == []

    @pytest.mark.parametrize("timeout", [8, 0.01])
    def test_its_subscription_is_removed(self, api, bus, timeout):
        async def handler(event):
            await asyncio.sleep(0.03)

        bus.subscribe(handler, pattern="x")
        before = bus.get_statistics()["subscriptions"]

        async def main():
            await api.emit_and_wait(api.Event(type="x"), timeout=timeout)
            return bus.get_statistics()["subscriptions"]

        assert run(main()) == before

    def test_its_subscription_is_removed_when_cancelled(self, api, bus):
        gate = []

        async def handler(event):
            await until(lambda: gate)

        bus.subscribe(handler, pattern="x")
        before = bus.get_statistics()["subscriptions"]

        async def main():
            task = asyncio.create_task(api.emit_and_wait(api.Event(type="x")))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            gate.append(1)
            await drained(bus)
            return bus.get_statistics()["subscriptions"]

        assert run(main()) == before

    def test_works_without_history(self, api, make_bus):
        bus = make_bus(history_size=0)
        api.set_event_bus(bus)

        async def handler(event):
            await bus.emit(api.Event(type="child", parent_id=event.id))

        bus.subscribe(handler, pattern="parent")

        async def main():
            return await api.emit_and_wait(api.Event(type="parent"), timeout=8)

        try:
            assert [event.type for event in run(main())] == ["child"]
        finally:
            api.set_event_bus(api.EventBus())


class TestEventContext:
    def test_start_and_default_end(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)
        start = api.Event(type="work", phase="started")

        async def main():
            async with api.event_context(start) as ctx:
                assert api.get_current_parent_event() is start
                ctx.result = 5
            assert api.get_current_parent_event() is None
            await drained(bus)

        run(main())
        first, last = seen
        assert first is start
        assert last.type == "work" and last.phase is api.EventPhase.COMPLETED
        assert last.lineage_id == start.lineage_id and last.id != start.id

    def test_end_factory_gets_the_result_and_the_lineage(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)
        start = api.Event(type="work")

        async def main():
            async with api.event_context(
                start, lambda result: api.CreatedEvent(metadata={"result": result})
            ) as ctx:
                ctx.result = 5
            await drained(bus)

        run(main())
        assert seen.types == ["work", "created"]
        assert seen[1].metadata == {"result": 5}
        assert seen[1].lineage_id == start.lineage_id

    @pytest.mark.parametrize("form", ["async with", "with"])
    def test_exception_fails_it_and_is_raised_again(self, api, bus, seen, form):
        bus.subscribe(seen.sync, api.Event)
        start = api.Event(type="work")
        contexts = []

        async def main():
            async with api.event_context(start, lambda result: api.CreatedEvent()) as ctx:
                contexts.append(ctx)
                raise ValueError("own")

        def sync_main():
            with api.event_context(start, lambda result: api.CreatedEvent()) as ctx:
                contexts.append(ctx)
                raise ValueError("own")

        with pytest.raises(ValueError, match="own"):
            run(main()) if form == "async with" else sync_main()
        drain(bus)
        assert seen.types == ["work", "work"]
        assert seen[1].phase is api.EventPhase.FAILED
        assert seen[1].error == "own"
        assert seen[1].lineage_id == start.lineage_id
        assert isinstance(contexts[0].error, ValueError) or contexts[0].error == "own"
        assert api.get_context_depth() == 0

    def test_plain_with(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)
        start = api.Event(type="work")
        with api.event_context(start, lambda result: api.CreatedEvent()) as ctx:
            assert api.get_current_parent_event() is start
            assert seen.types == ["work"]
            ctx.result = 1
        assert seen.types == ["work", "created"]
        assert api.get_current_parent_event() is None

    def test_result_without_a_factory_is_still_a_completion(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)
        with api.event_context(api.Event(type="work")):
            pass
        assert [event.phase.value for event in seen] == ["pending", "completed"]

    def test_factory_without_a_result_is_not_called(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)
        with api.event_context(api.Event(type="work"), lambda result: api.CreatedEvent()):
            pass
        assert seen.types == ["work", "work"]
        assert seen[1].phase is api.EventPhase.COMPLETED

    def test_result_and_error_are_none_at_first(self, api, bus):
        with api.event_context(api.Event(type="work")) as ctx:
            assert ctx.result is None and ctx.error is None

    def test_decorated_calls_inside_are_children(self, api, bus, seen):
        bus.subscribe(seen.sync, api.CreatedEvent)

        @api.emit_events(created_factory=lambda r: api.CreatedEvent())
        def f():
            return 1

        start = api.Event(type="work")
        with api.event_context(start):
            f()
        drain(bus)
        assert seen.one().parent_id == start.id

    def test_cancellation_inside(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)

        async def main():
            async with api.event_context(api.Event(type="work")):
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            run(main())
        drain(bus)
        assert len(seen) == 2
        assert api.get_context_depth() == 0

    def test_concurrent_contexts_do_not_mix(self, api, bus, seen):
        async def work(n):
            start = api.Event(type=str(n))
            async with api.event_context(start):
                for _ in range(3):
                    await asyncio.sleep(0)
                    assert api.get_current_parent_event() is start

        async def main():
            await asyncio.gather(*(work(n) for n in range(5)))
            assert api.get_context_depth() == 0

        run(main())
        drain(bus)
        assert identity(bus)["emitted"] == 10


class TestChain:
    def test_links_each_to_its_predecessor(self, api):
        events = [api.Event(type=str(n)) for n in range(4)]
        chain = api.create_event_chain(events)
        assert [event.id for event in chain] == [event.id for event in events]
        assert [event.parent_id for event in chain] == [None, *(e.id for e in events[:3])]
        assert {event.root_id for event in chain[1:]} == {events[0].id}

    @pytest.mark.parametrize("count", [0, 1])
    def test_short_chains(self, api, count):
        chain = api.create_event_chain([api.Event(type="x") for _ in range(count)])
        assert len(chain) == count
        assert all(event.parent_id is None for event in chain)
