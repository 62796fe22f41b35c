"""Spec 1 §3: which events a decorated call makes, their links, lineage, timing and arguments."""

import asyncio
import contextvars
import time

import pytest

from .harness import Seen, drain, drained, identity, in_thread, run

KINDS = ["def", "async def", "generator", "async generator"]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


class Site:
    """One decorated function of a given kind around a body, called to its end by `call`."""

    def __init__(self, kind, decorate, body):
        self.kind = kind
        if kind == "def":

            @decorate
            def site(*args, **kwargs):
                return body(*args, **kwargs)

        elif kind == "async def":

            @decorate
            async def site(*args, **kwargs):
                await asyncio.sleep(0)
                return body(*args, **kwargs)

        elif kind == "generator":

            @decorate
            def site(*args, **kwargs):
                yield 1
                return body(*args, **kwargs)

        else:

            @decorate
            async def site(*args, **kwargs):
                yield 1
                await asyncio.sleep(0)
                body(*args, **kwargs)

        self.site = site

    async def _acall(self, *args, **kwargs):
        if self.kind == "async def":
            return await self.site(*args, **kwargs)
        async for _ in self.site(*args, **kwargs):
            pass

    def call(self, *args, **kwargs):
        """Run one call to its end: its result (None for an async generator)."""
        if self.kind == "def":
            return self.site(*args, **kwargs)
        if self.kind == "generator":
            generator = self.site(*args, **kwargs)
            try:
                while True:
                    next(generator)
            except StopIteration as stopped:
                return stopped.value
        return run(self._acall(*args, **kwargs))


def _factories(api, **more):
    return {
        "creating_factory": lambda *a, **k: api.CreatingEvent(metadata={"a": a, "k": k}),
        "created_factory": lambda result, *a, **k: api.CreatedEvent(
            metadata={"result": result, "a": a, "k": k}
        ),
        "failed_factory": lambda error, *a, **k: api.Event(
            type="failed", phase="failed", error=str(error), metadata={"e": error, "a": a, "k": k}
        ),
        "cancelled_factory": lambda error, *a, **k: api.Event(
            type="cancelled", phase="cancelled", metadata={"e": error, "a": a, "k": k}
        ),
        **more,
    }


@pytest.fixture
def all_events(api, bus, seen):
    bus.subscribe(seen.sync, api.Event)
    return seen


class TestEvents:
    def test_success(self, api, bus, all_events, kind):
        site = Site(kind, api.emit_events(**_factories(api)), lambda x, *, y: x + y)
        result = site.call(1, y=2)
        drain(bus)
        assert result == (None if kind == "async generator" else 3)
        assert all_events.types == ["creating", "created"]
        assert all_events[0].metadata == {"a": (1,), "k": {"y": 2}}
        expected = None if kind == "async generator" else 3
        assert all_events[1].metadata == {"result": expected, "a": (1,), "k": {"y": 2}}

    def test_failure(self, api, bus, all_events, kind):
        error = ValueError("particular")

        def body(x):
            raise error

        site = Site(kind, api.emit_events(**_factories(api)), body)
        with pytest.raises(ValueError, match="particular") as caught:
            site.call(7)
        drain(bus)
        assert caught.value is error
        assert all_events.types == ["creating", "failed"]
        assert all_events[1].metadata["e"] is error
        assert all_events[1].metadata["a"] == (7,)

    @pytest.mark.parametrize("kind", ["def", "generator"])
    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
    def test_base_exception(self, api, bus, all_events, kind, error):
        def body():
            raise error("particular")

        site = Site(kind, api.emit_events(**_factories(api)), body)
        with pytest.raises(error):
            site.call()
        drain(bus)
        assert all_events.types == ["creating", "cancelled"]
        assert isinstance(all_events[1].metadata["e"], error)

    @pytest.mark.parametrize("kind", ["async def", "async generator"])
    def test_cancellation_raised_in_the_body(self, api, bus, all_events, kind):
        def body():
            raise asyncio.CancelledError

        site = Site(kind, api.emit_events(**_factories(api)), body)
        with pytest.raises(asyncio.CancelledError):
            site.call()
        drain(bus)
        assert all_events.types == ["creating", "cancelled"]

    def test_failed_factory_never_sees_a_cancellation(self, api, bus, all_events):
        @api.emit_events(failed_factory=lambda error: api.Event(type="failed"))
        def f():
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            f()
        drain(bus)
        assert all_events == []

    def test_cancelled_factory_never_sees_a_failure(self, api, bus, all_events):
        @api.emit_events(cancelled_factory=lambda error: api.Event(type="cancelled"))
        def f():
            raise ValueError

        with pytest.raises(ValueError):
            f()
        drain(bus)
        assert all_events == []

    @pytest.mark.parametrize(
        "given", ["creating_factory", "created_factory", "failed_factory", "cancelled_factory"]
    )
    def test_only_the_given_factories_make_events(self, api, bus, all_events, kind, given):
        factories = {given: _factories(api)[given]}
        site = Site(kind, api.emit_events(**factories), lambda: 1)
        site.call()
        drain(bus)
        expected = {"creating_factory": ["creating"], "created_factory": ["created"]}
        assert all_events.types == expected.get(given, [])

    def test_without_factories_nothing_is_emitted(self, api, bus, all_events, kind):
        site = Site(kind, api.emit_events(), lambda: 1)
        site.call()
        drain(bus)
        assert all_events == []
        assert identity(bus)["emitted"] == 0

    def test_traceback_is_the_functions_own(self, api, bus, all_events):
        @api.emit_events(**_factories(api))
        def outer():
            inner()

        def inner():
            raise ValueError

        import traceback

        with pytest.raises(ValueError) as caught:
            outer()
        names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert names[0] == "test_traceback_is_the_functions_own"
        assert names[-2:] == ["outer", "inner"]
        assert caught.value.__context__ is None

    def test_factories_run_in_order_around_the_function(self, api, bus, all_events, kind):
        calls = []
        decorate = api.emit_events(
            creating_factory=lambda: calls.append("creating") or api.CreatingEvent(),
            created_factory=lambda result: calls.append("created") or api.CreatedEvent(),
        )
        site = Site(kind, decorate, lambda: calls.append("body"))
        site.call()
        assert calls == ["creating", "body", "created"]

    def test_sync_functions_events_are_handled_before_it_returns(self, api, bus, all_events):
        @api.emit_events(**_factories(api))
        def f():
            return list(all_events.types)

        assert f() == ["creating"]
        assert all_events.types == ["creating", "created"]

    def test_sync_function_in_a_running_loop_queues(self, api, bus, all_events):
        @api.emit_events(**_factories(api))
        def f():
            return 1

        async def main():
            f()
            before = list(all_events.types)
            await drained(bus)
            return before

        assert run(main()) == []
        assert all_events.types == ["creating", "created"]

    def test_async_functions_emit_through_the_queue(self, api, bus, all_events):
        """What an async function emits is queued, also where nobody else runs meanwhile."""
        before = []

        @api.emit_events(**_factories(api))
        async def f():
            before.extend(all_events.types)

        async def main():
            await f()
            before.extend(all_events.types)
            await drained(bus)

        run(main())
        assert before == []
        assert all_events.types == ["creating", "created"]

    @pytest.mark.parametrize("kind", ["async def", "generator", "async generator"])
    def test_traceback_of_stepped_functions_ends_in_them(self, api, bus, all_events, kind):
        import traceback

        def body():
            raise ValueError("own")

        site = Site(kind, api.emit_events(**_factories(api)), body)
        with pytest.raises(ValueError, match="own") as caught:
            site.call()
        names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert names[-2:] == ["site", "body"]
        assert caught.value.__context__ is None and caught.value.__cause__ is None

    def test_event_of_a_factory_is_the_class_it_made(self, api, bus, all_events):
        class Mine(api.CreatedEvent):
            type: str = "mine"
            own: int = 0

        @api.emit_events(created_factory=lambda result: Mine(own=result))
        def f():
            return 5

        f()
        drain(bus)
        event = all_events.one()
        assert type(event) is Mine and event.own == 5


class TestLinks:
    def test_without_a_current_event_each_is_its_own_root(self, api, bus, all_events, kind):
        Site(kind, api.emit_events(**_factories(api)), lambda: 1).call()
        drain(bus)
        creating, created = all_events
        for event in (creating, created):
            assert event.parent_id is None
            assert event.root_id == event.id
        assert created.id != creating.id

    def test_end_event_carries_the_creating_events_lineage(self, api, bus, all_events, kind):
        site = Site(kind, api.emit_events(**_factories(api)), lambda: 1)
        site.call()
        site.call()
        drain(bus)
        first, second = all_events[:2], all_events[2:]
        assert first[0].lineage_id == first[1].lineage_id
        assert second[0].lineage_id == second[1].lineage_id
        assert first[0].lineage_id != second[0].lineage_id

    @pytest.mark.parametrize("root", [False, True], ids=["root", "with root"])
    def test_with_a_current_event(self, api, bus, all_events, kind, root):
        parent = api.Event(type="parent", root_id=api.Event(type="x").id if root else None)
        site = Site(kind, api.emit_events(**_factories(api)), lambda: 1)
        with api.EventContextManager(parent):
            site.call()
        drain(bus)
        creating, created = all_events
        for event in (creating, created):
            assert event.parent_id == parent.id
            assert event.root_id == (parent.root_id or parent.id)
        assert creating.lineage_id == parent.lineage_id
        assert created.lineage_id == creating.lineage_id

    @pytest.mark.parametrize("ending", ["failed", "cancelled"])
    def test_other_end_events_are_linked_alike(self, api, bus, all_events, ending):
        parent = api.Event(type="parent")

        @api.emit_events(**_factories(api))
        def f():
            raise ValueError if ending == "failed" else asyncio.CancelledError

        with api.EventContextManager(parent), pytest.raises(BaseException):
            f()
        drain(bus)
        creating, end = all_events
        assert end.type == ending
        assert end.parent_id == parent.id and end.root_id == parent.id
        assert end.lineage_id == creating.lineage_id == parent.lineage_id

    def test_end_event_without_a_creating_event_has_a_fresh_lineage(self, api, bus, all_events):
        parent = api.Event(type="parent")

        @api.emit_events(created_factory=lambda result: api.CreatedEvent())
        def f():
            return 1

        with api.EventContextManager(parent):
            f()
            f()
        drain(bus)
        first, second = all_events
        assert first.parent_id == second.parent_id == parent.id
        assert first.root_id == parent.id
        assert len({first.lineage_id, second.lineage_id, parent.lineage_id}) == 3

    def test_creating_event_is_current_while_the_function_runs(self, api, bus, all_events, kind):
        found = []
        site = Site(
            kind,
            api.emit_events(**_factories(api)),
            lambda: found.append((api.get_current_parent_event().id, api.get_context_depth())),
        )
        site.call()
        drain(bus)
        assert found == [(all_events[0].id, 1)]
        assert api.get_context_depth() == 0

    @pytest.mark.parametrize("ending", [None, ValueError, asyncio.CancelledError, SystemExit])
    def test_creating_event_is_popped_on_every_exit(self, api, bus, all_events, ending):
        outer = api.Event(type="outer")

        @api.emit_events(**_factories(api))
        def f():
            if ending is not None:
                raise ending

        with api.EventContextManager(outer):
            if ending is None:
                f()
            else:
                with pytest.raises(ending):
                    f()
            assert api.get_current_parent_event() is outer
            assert api.get_context_depth() == 1

    def test_nested_calls(self, api, bus, all_events):
        @api.emit_events(creating_factory=lambda: api.Event(type="leaf"))
        def leaf():
            return 1

        @api.emit_events(creating_factory=lambda: api.Event(type="middle"))
        def middle():
            leaf()
            leaf()

        @api.emit_events(
            creating_factory=lambda: api.Event(type="top"),
            created_factory=lambda result: api.Event(type="top end"),
        )
        def top():
            middle()

        top()
        drain(bus)
        assert all_events.types == ["top", "middle", "leaf", "leaf", "top end"]
        top_event, middle_event, first, second, end = all_events
        assert middle_event.parent_id == top_event.id
        assert first.parent_id == second.parent_id == middle_event.id
        assert {e.root_id for e in all_events[:4]} == {top_event.id}
        assert {e.lineage_id for e in all_events} == {top_event.lineage_id}
        assert end.parent_id is None and end.root_id == end.id

    def test_nested_async_calls_through_gather(self, api, bus, all_events):
        @api.emit_events(creating_factory=lambda n: api.Event(type=f"leaf{n}"))
        async def leaf(n):
            await asyncio.sleep(0)

        @api.emit_events(creating_factory=lambda: api.Event(type="top"))
        async def top():
            await asyncio.gather(*(leaf(n) for n in range(5)))
            assert api.get_context_depth() == 1

        run(top())
        drain(bus)
        top_event = all_events.of("top")
        leaves = [event for event in all_events if event.type.startswith("leaf")]
        assert len(leaves) == 5
        assert {event.parent_id for event in leaves} == {top_event.id}

    def test_function_without_a_creating_factory_leaves_the_context(self, api, bus, all_events):
        @api.emit_events(creating_factory=lambda: api.Event(type="inner"))
        def inner():
            return 1

        @api.emit_events(created_factory=lambda result: api.Event(type="middle end"))
        def middle():
            inner()

        outer = api.Event(type="outer")
        with api.EventContextManager(outer):
            middle()
        drain(bus)
        assert all_events.of("inner").parent_id == outer.id

    def test_work_in_another_thread_is_linked(self, api, bus, all_events):
        @api.emit_events(creating_factory=lambda: api.Event(type="inner"))
        def inner():
            return 1

        @api.emit_events(creating_factory=lambda: api.Event(type="outer"))
        async def outer():
            await asyncio.to_thread(inner)

        run(outer())
        drain(bus)
        assert all_events.of("inner").parent_id == all_events.of("outer").id

    def test_task_created_inside_keeps_the_parent_after_the_call_ended(self, api, bus, all_events):
        @api.emit_events(creating_factory=lambda: api.Event(type="inner"))
        async def inner():
            return 1

        async def main():
            let_go = asyncio.Event()

            async def later():
                await let_go.wait()
                await inner()

            @api.emit_events(creating_factory=lambda: api.Event(type="outer"))
            async def outer():
                return asyncio.create_task(later())

            task = await outer()
            assert api.get_context_depth() == 0
            let_go.set()
            await task
            await drained(bus)

        run(main())
        assert all_events.of("inner").parent_id == all_events.of("outer").id

    def test_root_and_parent_are_set_before_the_creating_event_is_current(
        self, api, bus, all_events
    ):
        found = []

        @api.emit_events(creating_factory=lambda: api.CreatingEvent())
        def f():
            current = api.get_current_parent_event()
            found.append((current.parent_id, current.root_id == current.id))

        f()
        assert found == [(None, True)]


class TestTiming:
    def test_end_events_have_a_duration(self, api, bus, all_events, kind):
        before = time.monotonic()
        Site(kind, api.emit_events(**_factories(api)), lambda: 1).call()
        elapsed = (time.monotonic() - before) * 1000
        drain(bus)
        creating, created = all_events
        assert creating.duration_ms is None
        assert type(created.duration_ms) is float
        assert 0 <= created.duration_ms <= elapsed + 1

    def test_duration_is_in_milliseconds(self, api, bus, all_events):
        @api.emit_events(created_factory=lambda result: api.CreatedEvent())
        def f():
            end = time.monotonic() + 0.02
            while time.monotonic() < end:
                pass

        f()
        drain(bus)
        assert 19 <= all_events.one().duration_ms < 2000

    @pytest.mark.parametrize("ending", [ValueError, asyncio.CancelledError])
    def test_failed_and_cancelled_have_one(self, api, bus, all_events, ending):
        @api.emit_events(**_factories(api))
        def f():
            raise ending

        with pytest.raises(ending):
            f()
        drain(bus)
        assert all_events[1].duration_ms >= 0

    def test_include_timing_false(self, api, bus, all_events, kind):
        Site(kind, api.emit_events(**_factories(api), include_timing=False), lambda: 1).call()
        drain(bus)
        assert [event.duration_ms for event in all_events] == [None, None]

    def test_positional_options(self, api, bus, all_events):
        @api.emit_events(
            lambda: api.CreatingEvent(), lambda result: api.CreatedEvent(), None, False, True
        )
        def f():
            return 1

        f()
        drain(bus)
        assert all_events[1].duration_ms is None
        assert all_events[0].metadata == {"args": "()", "kwargs": "{}"}


class TestArguments:
    def test_include_args(self, api, bus, all_events, kind):
        decorate = api.emit_events(
            creating_factory=lambda *a, **k: api.CreatingEvent(metadata={"own": 1}),
            created_factory=lambda *a, **k: api.CreatedEvent(),
            include_args=True,
        )
        Site(kind, decorate, lambda *a, **k: 1).call(1, "two", k=[3])
        drain(bus)
        assert all_events[0].metadata == {
            "own": 1,
            "args": "(1, 'two')",
            "kwargs": "{'k': [3]}",
        }
        assert all_events[1].metadata == {}

    def test_not_by_default(self, api, bus, all_events):
        @api.emit_events(creating_factory=lambda x: api.CreatingEvent())
        def f(x):
            return 1

        f(1)
        drain(bus)
        assert all_events.one().metadata == {}

    def test_argument_whose_repr_raises_changes_nothing(self, api, bus, all_events, caplog):
        class Odd:
            def __repr__(self):
                raise ValueError("no repr")

        @api.emit_events(creating_factory=lambda x: api.CreatingEvent(), include_args=True)
        def f(x):
            return "fine"

        assert f(Odd()) == "fine"
        drain(bus)
        identity(bus)


class TestBusOption:
    def test_events_go_to_the_given_bus(self, api, bus, make_bus, all_events):
        other, theirs = make_bus(), Seen()
        other.subscribe(theirs.sync, api.Event)

        @api.emit_events(created_factory=lambda result: api.CreatedEvent(), bus=other)
        def f():
            return 1

        f()
        drain(other)
        assert theirs.types == ["created"]
        assert all_events == []


class TestSteps:
    """When factories run, for calls that are stepped."""

    def test_coroutine_makes_its_creating_event_at_its_first_step(self, api, bus, all_events):
        calls = []

        @api.emit_events(creating_factory=lambda: calls.append(1) or api.CreatingEvent())
        async def f():
            return 5

        coroutine = f()
        assert calls == []
        with pytest.raises(StopIteration) as stopped:
            coroutine.send(None)
        assert stopped.value.value == 5
        assert calls == [1]

    @pytest.mark.parametrize("kind", ["async def", "generator", "async generator"])
    def test_one_never_started_makes_no_event(self, api, bus, all_events, kind):
        site = Site(kind, api.emit_events(**_factories(api)), lambda: 1)
        started = site.site()
        if kind == "async generator":
            run(started.aclose())
        else:
            started.close()
        del started
        drain(bus)
        assert all_events == []
        assert identity(bus)["emitted"] == 0

    def test_creating_factory_runs_in_the_stepping_context(self, api, bus, all_events):
        variable = contextvars.ContextVar("variable", default="default")
        found = []

        @api.emit_events(
            creating_factory=lambda: found.append(variable.get()) or api.CreatingEvent()
        )
        async def f():
            return 1

        async def main():
            coroutine = f()
            context = contextvars.copy_context()
            context.run(variable.set, "stepping")
            await asyncio.get_running_loop().create_task(coroutine, context=context)

        run(main())
        assert found == ["stepping"]

    def test_context_between_the_steps_of_a_generator_is_the_consumers(self, api, bus, all_events):
        inside = []

        @api.emit_events(**_factories(api))
        def f():
            for n in range(3):
                inside.append(api.get_current_parent_event())
                yield n

        outer = api.Event(type="outer")
        with api.EventContextManager(outer):
            for _ in f():
                assert api.get_current_parent_event() is outer
            assert api.get_context_depth() == 1
        drain(bus)
        assert [event.id for event in inside] == [all_events[0].id] * 3

    def test_context_between_the_steps_of_an_async_generator_is_the_consumers(
        self, api, bus, all_events
    ):
        inside = []

        @api.emit_events(**_factories(api))
        async def f():
            for n in range(3):
                await asyncio.sleep(0)
                inside.append(api.get_current_parent_event())
                yield n

        async def main():
            outer = api.Event(type="outer")
            with api.EventContextManager(outer):
                async for _ in f():
                    assert api.get_current_parent_event() is outer
                assert api.get_current_parent_event() is outer

        run(main())
        drain(bus)
        assert [event.id for event in inside] == [all_events[0].id] * 3

    def test_interleaved_generators_keep_their_own_parents(self, api, bus, all_events):
        inside = []

        @api.emit_events(creating_factory=lambda name: api.Event(type=name))
        def f(name):
            for _ in range(3):
                inside.append((name, api.get_current_parent_event().type))
                yield

        for _ in zip(f("a"), f("b"), strict=True):
            assert api.get_context_depth() == 0
        assert set(inside) == {("a", "a"), ("b", "b")}
        assert len(inside) == 6

    def test_end_event_comes_when_the_generator_is_exhausted(self, api, bus, all_events):
        @api.emit_events(**_factories(api))
        def f():
            yield 1

        generator = f()
        next(generator)
        drain(bus)
        assert all_events.types == ["creating"]
        with pytest.raises(StopIteration):
            next(generator)
        drain(bus)
        assert all_events.types == ["creating", "created"]
        with pytest.raises(StopIteration):
            next(generator)
        drain(bus)
        assert all_events.types == ["creating", "created"]


class TestThreads:
    def test_calls_in_threads_do_not_mix(self, api, bus, all_events):
        @api.emit_events(
            creating_factory=lambda n: api.Event(type="start", pending_children=n),
            created_factory=lambda result, n: api.Event(type="end", pending_children=n),
        )
        def f(n):
            assert api.get_current_parent_event().pending_children == n
            return n

        def work(n):
            for _ in range(30):
                assert f(n) == n
                assert api.get_context_depth() == 0

        import threading

        threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        drain(bus)
        assert len(all_events) == 240
        starts = {e.lineage_id: e for e in all_events if e.type == "start"}
        for end in (e for e in all_events if e.type == "end"):
            assert starts[end.lineage_id].pending_children == end.pending_children

    def test_subscription_takes_effect_for_the_next_call_in_every_thread(self, api, bus, seen):
        @api.emit_events(created_factory=lambda result: api.CreatedEvent())
        def f():
            return 1

        in_thread(f)
        subscription = bus.subscribe(seen.sync, api.Event)
        in_thread(f)
        drain(bus)
        assert len(seen) == 1
        bus.unsubscribe(subscription)
        in_thread(f)
        drain(bus)
        assert len(seen) == 1
