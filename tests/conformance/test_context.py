"""Spec 1 §4: the stack of current events."""

import asyncio
import contextvars
import logging
import threading
import warnings
from types import SimpleNamespace
from uuid import UUID

import pytest

from .harness import in_thread, run, until

pytestmark = pytest.mark.usefixtures("clean")

SOME_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


@pytest.fixture
def clean(api):
    api.context.clear_context()
    yield
    api.context.clear_context()


@pytest.fixture
def ctx(api):
    return api.context


@pytest.fixture
def a(api):
    return api.Event(type="a")


@pytest.fixture
def b(api):
    return api.Event(type="b")


class TestStack:
    def test_empty(self, ctx):
        assert ctx.get_current_parent_event() is None
        assert ctx.get_root_event() is None
        assert ctx.get_context_depth() == 0
        assert list(ctx.get_context_stack()) == []

    def test_push(self, ctx, a, b):
        ctx.push_event_context(a)
        ctx.push_event_context(b)
        assert ctx.get_current_parent_event() is b
        assert ctx.get_root_event() is a
        assert ctx.get_context_depth() == 2
        assert [event.type for event in ctx.get_context_stack()] == ["a", "b"]

    def test_pop_gives_the_current_event(self, ctx, a, b):
        ctx.push_event_context(a)
        ctx.push_event_context(b)
        assert ctx.pop_event_context() is b
        assert ctx.get_current_parent_event() is a
        assert ctx.pop_event_context() is a
        assert ctx.get_context_depth() == 0

    def test_pop_of_an_empty_stack_gives_none_and_warns(self, ctx, caplog):
        with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.WARNING):
            warnings.simplefilter("always")
            assert ctx.pop_event_context() is None
        warned = [r for r in caplog.records if r.levelno == logging.WARNING]
        assert len(caught) + len(warned) == 1
        assert ctx.get_context_depth() == 0

    def test_the_stack_is_a_copy(self, ctx, a, b):
        ctx.push_event_context(a)
        ctx.get_context_stack().append(b)
        assert ctx.get_context_depth() == 1
        assert ctx.get_current_parent_event() is a

    def test_the_same_event_may_be_pushed_twice(self, ctx, a):
        ctx.push_event_context(a)
        ctx.push_event_context(a)
        ctx.pop_event_context()
        assert ctx.get_current_parent_event() is a

    def test_clear(self, ctx, a, b):
        ctx.push_event_context(a)
        ctx.push_event_context(b)
        ctx.clear_context()
        assert ctx.get_context_depth() == 0
        assert ctx.get_current_parent_event() is None

    def test_deep_stack(self, api, ctx):
        events = [api.Event(type=str(n)) for n in range(2000)]
        for event in events:
            ctx.push_event_context(event)
        assert ctx.get_root_event() is events[0]
        assert ctx.get_context_depth() == 2000
        for event in reversed(events):
            assert ctx.pop_event_context() is event


class TestStatistics:
    def test_keys(self, ctx):
        assert set(ctx.get_context_statistics()) == {
            "current_depth",
            "push_count",
            "pop_count",
            "max_depth_reached",
            "balance_check",
        }

    def test_pushes_and_pops_are_counted(self, ctx, a, b):
        before = ctx.get_context_statistics()
        ctx.push_event_context(a)
        ctx.push_event_context(b)
        ctx.pop_event_context()
        after = ctx.get_context_statistics()
        assert after["push_count"] - before["push_count"] == 2
        assert after["pop_count"] - before["pop_count"] == 1
        assert after["current_depth"] == 1
        assert after["max_depth_reached"] >= 2

    def test_balanced_use_validates(self, ctx, a):
        ctx.push_event_context(a)
        ctx.pop_event_context()
        assert ctx.validate_context_balance() is True


class TestManager:
    def test_event_is_current_inside(self, ctx, a):
        with ctx.EventContextManager(a):
            assert ctx.get_current_parent_event() is a
        assert ctx.get_current_parent_event() is None

    def test_nests(self, ctx, a, b):
        with ctx.EventContextManager(a):
            with ctx.EventContextManager(b):
                assert ctx.get_context_depth() == 2
            assert ctx.get_current_parent_event() is a

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, asyncio.CancelledError])
    def test_popped_when_the_block_raises(self, ctx, a, error):
        with pytest.raises(error), ctx.EventContextManager(a):
            raise error
        assert ctx.get_current_parent_event() is None

    def test_leaving_restores_only_while_ours_is_current(self, ctx, a, b):
        with ctx.EventContextManager(a):
            ctx.push_event_context(b)
        assert ctx.get_current_parent_event() is b

    def test_leaving_a_cleared_context_leaves_it_clear(self, ctx, a, b):
        ctx.push_event_context(b)
        with ctx.EventContextManager(a):
            ctx.clear_context()
        assert ctx.get_context_depth() == 0

    def test_used_twice_one_after_the_other(self, ctx, a):
        manager = ctx.EventContextManager(a)
        for _ in range(2):
            with manager:
                assert ctx.get_current_parent_event() is a
            assert ctx.get_context_depth() == 0


class TestChildFactories:
    def test_child_is_linked_to_the_current_event(self, api, ctx, a):
        ctx.push_event_context(a)
        child = ctx.create_child_event_with_context(api.CreatedEvent, metadata={"k": 1})
        assert type(child) is api.CreatedEvent
        assert child.parent_id == a.id
        assert child.root_id == a.id
        assert child.metadata == {"k": 1}

    def test_root_is_the_root_of_the_current_event(self, api, ctx, a, b):
        b.root_id = a.id
        ctx.push_event_context(b)
        child = ctx.create_child_event_with_context(api.CreatedEvent)
        assert child.parent_id == b.id and child.root_id == a.id

    @pytest.mark.parametrize(
        ("given", "root_id", "lineage_id"),
        [
            ({}, "order-7", None),
            ({"root_id": None, "lineage_id": None}, "order-7", None),
            ({"root_id": ""}, "order-7", None),
            ({"root_id": "batch-1", "lineage_id": "line"}, "batch-1", "line"),
            ({"lineage_id": 0}, "order-7", 0),
            ({"root_id": SOME_ID, "lineage_id": SOME_ID}, SOME_ID, SOME_ID),
        ],
    )
    def test_ids_of_another_model_are_taken_as_they_are(self, api, ctx, given, root_id, lineage_id):
        ctx.push_event_context(SimpleNamespace(type="x", id="order-7", **given))
        child = ctx.create_child_event_with_context(api.CreatedEvent)
        assert (child.parent_id, child.root_id) == ("order-7", root_id)
        if lineage_id is None:
            assert isinstance(child.lineage_id, UUID)
        else:
            assert child.lineage_id == lineage_id

    @pytest.mark.parametrize("root_id", [None, "batch-1"])
    def test_an_event_with_ids_of_another_kind_is_a_parent(self, api, ctx, a, root_id):
        a.id, a.root_id, a.lineage_id = 7, root_id, "line"
        ctx.push_event_context(a)
        child = ctx.create_child_event_with_context(api.CreatedEvent)
        assert (child.parent_id, child.root_id, child.lineage_id) == (7, root_id or 7, "line")

    @pytest.mark.parametrize("broken", ["root_id", "lineage_id"])
    def test_an_id_that_cannot_be_read_is_an_error(self, api, ctx, broken):
        class Parent:
            type, id, root_id, lineage_id = "x", 7, 7, 7

        def fail(self):
            raise ZeroDivisionError(broken)

        setattr(Parent, broken, property(fail))
        ctx.push_event_context(Parent())
        with pytest.raises(ZeroDivisionError, match=broken):
            ctx.create_child_event_with_context(api.CreatedEvent)

    def test_arguments_reach_the_factory(self, api, ctx):
        def factory(name, *, error):
            return api.Event(type=name, error=error)

        event = ctx.create_child_event_with_context(factory, "n", error="e")
        assert (event.type, event.error, event.parent_id) == ("n", "e", None)

    def test_linking_factory(self, api, ctx, a):
        linked = ctx.with_auto_parent_linking(lambda name: api.Event(type=name))
        assert linked("free").parent_id is None
        with ctx.EventContextManager(a):
            child = linked("child")
        assert child.type == "child"
        assert child.parent_id == a.id and child.root_id == a.id

    def test_linking_factory_of_a_class(self, api, ctx, a):
        linked = ctx.with_auto_parent_linking(api.CreatedEvent)
        with ctx.EventContextManager(a):
            assert linked().parent_id == a.id


class TestIsolation:
    def test_a_new_thread_starts_empty(self, ctx, a):
        ctx.push_event_context(a)
        assert in_thread(ctx.get_current_parent_event) is None

    def test_threads_do_not_see_each_other(self, api, ctx):
        barrier = threading.Barrier(4)

        def work(n):
            event = api.Event(type=str(n))
            ctx.push_event_context(event)
            barrier.wait(10)
            found = ctx.get_current_parent_event() is event and ctx.get_context_depth() == 1
            barrier.wait(10)
            return found

        results = []
        threads = [
            threading.Thread(target=lambda n=n: results.append(work(n)), daemon=True)
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert results == [True] * 4

    def test_a_task_inherits_and_does_not_leak_back(self, ctx, a, b):
        async def child():
            inherited = ctx.get_current_parent_event()
            ctx.push_event_context(b)
            return inherited

        async def main():
            ctx.push_event_context(a)
            inherited = await asyncio.create_task(child())
            assert ctx.get_current_parent_event() is a
            return inherited

        assert run(main()) is a

    def test_sibling_tasks_are_isolated(self, api, ctx):
        async def child(n, ready, go):
            event = api.Event(type=str(n))
            with ctx.EventContextManager(event):
                ready.release()
                await go.wait()
                assert ctx.get_current_parent_event() is event
                assert ctx.get_context_depth() == 1
            assert ctx.get_context_depth() == 0

        async def main():
            ready, go = asyncio.Semaphore(0), asyncio.Event()
            tasks = [asyncio.create_task(child(n, ready, go)) for n in range(5)]
            for _ in tasks:
                await ready.acquire()
            assert ctx.get_context_depth() == 0
            go.set()
            await asyncio.gather(*tasks)

        run(main())

    def test_to_thread_sees_the_current_event(self, ctx, a):
        async def main():
            with ctx.EventContextManager(a):
                return await asyncio.to_thread(ctx.get_current_parent_event)

        assert run(main()) is a

    def test_copied_context_keeps_the_event_and_does_not_leak(self, ctx, a, b):
        ctx.push_event_context(a)
        copied = contextvars.copy_context()
        ctx.pop_event_context()
        assert copied.run(ctx.get_current_parent_event) is a
        copied.run(ctx.push_event_context, b)
        assert copied.run(ctx.get_context_depth) == 2
        assert ctx.get_context_depth() == 0

    def test_cancellation_pops(self, ctx, a):
        states = []

        async def child(entered):
            try:
                with ctx.EventContextManager(a):
                    entered.set()
                    await asyncio.Event().wait()
            finally:
                states.append(ctx.get_current_parent_event())

        async def main():
            entered = asyncio.Event()
            task = asyncio.create_task(child(entered))
            await entered.wait()
            task.cancel()
            await until(task.done)
            assert task.cancelled()

        run(main())
        assert states == [None]

    def test_generator_finished_in_another_context(self, ctx, a, b):
        def generator():
            with ctx.EventContextManager(a):
                yield ctx.get_current_parent_event()

        generating = generator()
        elsewhere = contextvars.copy_context()
        assert elsewhere.run(next, generating) is a
        ctx.push_event_context(b)
        generating.close()
        assert ctx.get_current_parent_event() is b
        assert ctx.get_context_depth() == 1

    def test_async_generator_closed_by_another_task(self, ctx, a):
        async def generator():
            with ctx.EventContextManager(a):
                yield 1
                yield 2

        async def main():
            generating = generator()

            async def first():
                assert await anext(generating) == 1

            async def last():
                await generating.aclose()
                return ctx.get_current_parent_event()

            await asyncio.create_task(first())
            assert await asyncio.create_task(last()) is None
            assert ctx.get_current_parent_event() is None

        run(main())
