"""The callable that stands for a decorated function, and what happens around its calls."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import gc
import inspect
import pickle
import sys
import threading
import traceback
import tracemalloc
import types
import weakref

import pytest

from onex_events import (
    CreatedEvent,
    CreatingEvent,
    Event,
    EventBus,
    EventContextManager,
    SiteFunction,
    emit_events,
    get_context_depth,
    get_context_stack,
    get_current_parent_event,
    pop_event_context,
    push_event_context,
    set_event_bus,
)


@pytest.fixture
def bus():
    made = EventBus()
    set_event_bus(made)
    yield made
    made.close()
    set_event_bus(EventBus())


@pytest.fixture
def seen(bus):
    events = []
    bus.subscribe(lambda event: events.append(event), Event)
    return events


def pair(**options):
    return emit_events(
        creating_factory=lambda *a, **k: CreatingEvent(),
        created_factory=lambda *a, **k: CreatedEvent(),
        failed_factory=lambda *a, **k: Event(type="failed"),
        cancelled_factory=lambda *a, **k: Event(type="cancelled"),
        hook="wrapper",
        **options,
    )


def types_of(events):
    return [event.type for event in events]


@pair()
def named(x):
    """Documented."""
    return x


class TestAttributes:
    def test_a_name_that_is_no_text(self):
        @emit_events(hook="wrapper")
        def function():
            pass

        with pytest.raises(TypeError, match="attribute name must be string, not 'int'"):
            function.__getattribute__(1)
        with pytest.raises(TypeError, match="attribute name must be string, not 'int'"):
            function.__setattr__(1, 2)
        with pytest.raises(TypeError, match="attribute name must be string, not 'int'"):
            function.__delattr__(1)

    def test_module_and_doc_of_the_type_are_its_own(self):
        assert SiteFunction.__module__ == "onex_events._core"
        assert named.__module__ == __name__
        assert named.__doc__ == "Documented."

    def test_name_doc_and_module_can_be_set_without_touching_the_function(self):
        def function():
            """One."""

        site = pair()(function)
        site.__name__, site.__qualname__ = "n", "q.n"
        site.__doc__, site.__module__ = "Two.", "m"
        assert (site.__name__, site.__qualname__) == ("n", "q.n")
        assert (site.__doc__, site.__module__) == ("Two.", "m")
        assert (function.__name__, function.__doc__, function.__module__) == (
            "function",
            "One.",
            __name__,
        )
        del site.__doc__
        assert site.__doc__ is None
        with pytest.raises(TypeError, match="__name__"):
            site.__name__ = 3

    def test_defaults_and_code_are_the_functions(self):
        def function(x=1):
            return x

        site = pair()(function)
        site.__defaults__ = (2,)
        assert site() == function() == 2
        site.__code__ = (lambda x: -x).__code__
        assert site(3) == -3

    def test_dict_is_its_own(self):
        def function():
            pass

        function.a = 1
        site = pair()(function)
        site.b = 2
        assert site.__dict__ == {"a": 1, "b": 2, "__wrapped__": function}
        assert vars(function) == {"a": 1}
        site.__dict__ = {"c": 3}
        assert site.c == 3

    def test_unknown_attribute_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="nothing"):
            named.nothing  # noqa: B018

    def test_pickles_and_copies_as_itself(self):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(named, protocol)) is named
        assert copy.deepcopy(named) is named

    def test_local_function_does_not_pickle(self):
        site = pair()(lambda: 1)
        with pytest.raises((pickle.PicklingError, AttributeError)):
            pickle.dumps(site)

    def test_a_cycle_through_it_is_collected(self):
        def function():
            return 1

        site = pair()(function)
        function.site = site
        gone = weakref.ref(site)
        del site, function
        gc.collect()
        assert gone() is None

    def test_object_with_attributes_keeps_them(self):
        class Model:
            kind = "model"

            def __call__(self):
                return 1

            def method(self):
                return 2

        site = pair()(Model())
        assert site.kind == "model"
        assert site.method() == 2
        assert not inspect.isfunction(site)

    def test_object_that_does_not_bind_stays_so_in_a_class(self, seen):
        class Tool:
            def __call__(self, x):
                return x

        class Owner:
            tool = pair()(Tool())

        assert Owner().tool(3) == 3
        assert types_of(seen) == ["creating", "created"]

    def test_marked_coroutine_functions_are_observed_as_such(self, seen):
        if sys.version_info < (3, 12):
            pytest.skip("markcoroutinefunction is of Python 3.12")

        @inspect.markcoroutinefunction
        def returns_a_coroutine():
            async def inner():
                return 7

            return inner()

        site = pair()(returns_a_coroutine)
        assert inspect.iscoroutinefunction(site)
        assert asyncio.run(site()) == 7
        assert sorted(types_of(seen)) == ["created", "creating"]

    def test_awaitable_that_is_no_coroutine_is_observed(self, bus, seen):
        class Later:
            def __await__(self):
                yield from asyncio.sleep(0).__await__()
                return 5

        if sys.version_info < (3, 12):
            pytest.skip("markcoroutinefunction is of Python 3.12")

        @inspect.markcoroutinefunction
        def later():
            return Later()

        async def main():
            assert await pair()(later)() == 5
            await bus.flush(5)

        asyncio.run(main())
        assert types_of(seen) == ["creating", "created"]

    @pytest.mark.parametrize("hook", ["auto", "wrapper"])
    def test_the_result_of_a_marked_function_is_what_awaiting_it_gives(self, bus, hook):
        if sys.version_info < (3, 12):
            pytest.skip("markcoroutinefunction is of Python 3.12")
        results = []

        class Later:
            def __await__(self):
                yield from asyncio.sleep(0).__await__()
                return 5

        def created(result):
            results.append(result)
            return Event(type="created")

        @emit_events(created_factory=created, bus=bus, hook=hook)
        @inspect.markcoroutinefunction
        def later():
            return Later()

        async def main():
            return await later()

        bus.subscribe(lambda event: None, Event)
        assert asyncio.run(main()) == 5
        assert results == [5]

    @pytest.mark.parametrize("hook", ["auto", "wrapper"])
    def test_what_cannot_be_awaited_says_so_where_it_is_awaited(self, seen, hook):
        if sys.version_info < (3, 12):
            pytest.skip("markcoroutinefunction is of Python 3.12")

        class Never:
            def __await__(self):
                raise LookupError("not today")

        for made, error in ((Never(), LookupError), (5, TypeError)):

            @emit_events(created_factory=lambda *a: Event(type="x"), hook=hook)
            @inspect.markcoroutinefunction
            def function(made=made):
                return made

            assert function() is made

            async def main(function=function):
                await function()

            with pytest.raises(error):
                asyncio.run(main())


class TestDecoration:
    @pytest.mark.parametrize("wrong", [3, None, "f", int], ids=repr)
    def test_what_cannot_be_decorated(self, wrong):
        with pytest.raises(TypeError, match="cannot decorate"):
            pair()(wrong)

    @pytest.mark.parametrize(
        ("options", "error", "names"),
        [
            ({"enabled": None}, TypeError, ["enabled", "None", "callable"]),
            ({"bus": 3}, TypeError, ["bus", "3", "EventBus"]),
            ({"sample": 2}, ValueError, ["sample", "2", "0 to 1"]),
            ({"sample": True}, TypeError, ["sample", "True"]),
            ({"hook": "inline"}, ValueError, ["hook", "inline", "auto", "wrapper"]),
            ({"creating_factory": 3}, TypeError, ["creating_factory", "3", "callable"]),
            ({"created_factory": dict}, TypeError, ["created_factory", "dict", "event class"]),
            ({"failed_type": int, "failed_factory": print}, TypeError, ["failed_type", "int"]),
            ({"creating_type": Event}, TypeError, ["creating_type", "creating_factory"]),
        ],
        ids=str,
    )
    def test_errors_name_the_argument_what_came_and_what_is_expected(self, options, error, names):
        with pytest.raises(error) as caught:
            emit_events(**options)
        for name in names:
            assert name in str(caught.value)

    def test_nothing_is_allocated_while_nobody_listens(self, bus):
        def plain(x):
            return x

        site = pair()(plain)

        def peak(function):
            function(1)
            gc.collect()
            tracemalloc.start()
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(100):
                function(1)
            after = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return after - before

        assert peak(site) <= peak(plain)


class TestFactories:
    def test_failed_factory_runs_as_in_an_except_block(self, seen):
        @emit_events(failed_factory=lambda error: Event(type="f", error=traceback.format_exc()))
        def failing():
            raise ValueError("particular")

        with pytest.raises(ValueError):
            failing()
        assert "particular" in seen[0].error
        assert "in failing" in seen[0].error
        assert sys.exception() is None

    def test_factory_gets_the_traceback(self, seen):
        lines = []

        @emit_events(failed_factory=lambda e: lines.append(e.__traceback__) or Event(type="f"))
        def failing():
            raise ValueError

        with pytest.raises(ValueError):
            failing()
        assert lines[0].tb_frame.f_code.co_name == "failing"

    @pytest.mark.parametrize("which", ["creating_factory", "created_factory"])
    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
    def test_interrupts_of_a_factory_reach_the_program(self, seen, which, error):
        def interrupt(*args):
            raise error

        @emit_events(**{which: interrupt})
        def function():
            return 1

        with pytest.raises(error):
            function()
        assert get_context_depth() == 0

    def test_strict_error_has_the_functions_as_its_context(self, seen):
        def broken(error):
            raise LookupError

        @emit_events(failed_factory=broken, strict=True)
        def failing():
            raise ValueError

        with pytest.raises(LookupError) as caught:
            failing()
        assert isinstance(caught.value.__context__, ValueError)

    def test_strict_coroutine_is_not_reported_as_never_awaited(self, seen):
        def broken():
            raise LookupError

        @emit_events(creating_factory=broken, strict=True)
        async def coroutine():
            return 1

        with pytest.raises(LookupError):
            asyncio.run(coroutine())
        gc.collect()

    def test_many_arguments_reach_an_end_factory(self, seen):
        got = []

        @emit_events(created_factory=lambda *a, **k: got.append((a, k)) or CreatedEvent())
        def function(*args, **kwargs):
            return "result"

        args, kwargs = tuple(range(40)), {f"k{n}": n for n in range(40)}
        function(*args, **kwargs)
        assert got == [(("result", *args), kwargs)]

    def test_pydantic_events_are_linked_and_emitted(self, bus):
        pydantic = pytest.importorskip("pydantic")
        from uuid import UUID, uuid4

        class Foreign(pydantic.BaseModel):
            id: UUID = pydantic.Field(default_factory=uuid4)
            type: str = "foreign"
            parent_id: UUID | None = None
            root_id: UUID | None = None
            lineage_id: UUID = pydantic.Field(default_factory=uuid4)
            duration_ms: float | None = None
            metadata: dict = {}

        events = []
        bus.subscribe(lambda event: events.append(event), pattern="foreign")
        parent = Event(type="parent")

        @emit_events(creating_factory=Foreign, created_factory=lambda r: Foreign())
        def function():
            assert get_current_parent_event() is not parent

        with EventContextManager(parent):
            function()
        first, second = events
        assert first.parent_id == second.parent_id == parent.id
        assert first.root_id == parent.id
        assert first.lineage_id == second.lineage_id == parent.lineage_id
        assert second.duration_ms >= 0


class TestContextAroundCalls:
    def test_what_the_body_pushed_and_left_stays(self, seen):
        left = Event(type="left")

        @pair()
        def careless():
            push_event_context(left)

        careless()
        assert get_current_parent_event() is left
        pop_event_context()
        pop_event_context()
        assert get_context_depth() == 0

    def test_what_a_coroutine_pushed_is_put_aside_while_it_pauses(self, seen):
        inner = Event(type="inner")

        @types.coroutine
        def pause():
            yield

        @pair()
        async def pushing():
            with EventContextManager(inner):
                await pause()
                assert get_context_depth() == 2
                assert get_current_parent_event() is inner
            assert get_context_depth() == 1

        coroutine = pushing()
        coroutine.send(None)
        assert get_context_depth() == 0
        with pytest.raises(StopIteration):
            contextvars.copy_context().run(coroutine.send, None)
        assert get_context_depth() == 0

    def test_a_sampled_out_call_shows_the_event_around_it(self, seen):
        stacks = []

        @pair(sample=0)
        def sampled_out():
            stacks.append((get_context_stack(), get_context_depth()))
            push_event_context(Event(type="pushed"))
            stacks.append(get_context_depth())
            pop_event_context()
            named(1)

        outer = Event(type="outer")
        with EventContextManager(outer):
            sampled_out()
            assert get_current_parent_event() is outer
        assert stacks == [([outer], 1), 2]
        assert seen == []
        assert get_context_depth() == 0

    def test_waiting_is_judged_by_the_handler_that_steps_a_generator(self, bus):
        refused = []

        @pair()
        def generator():
            yield
            try:
                bus.flush_sync(1)
            except RuntimeError as error:
                refused.append(str(error))
            yield

        made = generator()
        subscription = bus.subscribe(lambda event: None, Event)
        next(made)
        bus.unsubscribe(subscription)
        bus.subscribe(lambda event: next(made), pattern="step")
        bus.emit_sync(Event(type="step"))
        assert len(refused) == 1
        made.close()


class TestRecursion:
    """R8: a RecursionError, never an overflow of the C stack."""

    @pytest.fixture(autouse=True)
    def deep(self):
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(1_000_000)
        yield
        sys.setrecursionlimit(limit)

    @staticmethod
    def descend(result):
        @pair()
        def down(n):
            return n if n == 100_000 else down(n + 1)

        try:
            result.append(down(0))
        except RecursionError as error:
            result.append(error)

    @pytest.mark.parametrize("stack", [64, 256, 1024], ids="{} KiB".format)
    def test_in_a_thread_with_a_small_stack(self, bus, stack):
        result = []
        try:
            before = threading.stack_size(stack * 1024)
        except ValueError as error:
            pytest.skip(f"this interpreter refuses it: {error}")
        try:
            thread = threading.Thread(target=self.descend, args=(result,))
            thread.start()
        finally:
            threading.stack_size(before)
        thread.join(60)
        assert isinstance(result[0], RecursionError)

    def test_nobody_listens(self, bus):
        result = []
        self.descend(result)
        assert result[0] == 100_000 or isinstance(result[0], RecursionError)

    def test_listening(self, seen):
        result = []
        self.descend(result)
        assert result[0] == 100_000 or isinstance(result[0], RecursionError)
        assert get_context_depth() == 0
