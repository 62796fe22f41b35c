"""Spec 1 §3: enabled, sample, strict, factory checks; `on` and `track_state_transition`."""

import asyncio
import inspect
import warnings
from uuid import uuid4

import pytest

from .harness import drain, drained, identity, run


@pytest.fixture
def all_events(api, bus, seen):
    bus.subscribe(seen.sync, api.Event)
    return seen


class TestEnabled:
    def test_false_gives_the_function_itself(self, api):
        def f():
            return 1

        assert api.emit_events(created_factory=lambda r: None, enabled=False)(f) is f

    def test_true(self, api, bus, all_events):
        @api.emit_events(created_factory=lambda r: api.CreatedEvent(), enabled=True)
        def f():
            return 1

        f()
        drain(bus)
        assert all_events.types == ["created"]

    def test_callable_is_asked_per_call(self, api, bus, all_events):
        answers = [True, False, True]

        def enabled(*args, **kwargs):
            return answers.pop(0)

        @api.emit_events(
            creating_factory=lambda n: api.CreatingEvent(metadata={"n": n}), enabled=enabled
        )
        def f(n):
            return n

        assert [f(1), f(2), f(3)] == [1, 2, 3]
        drain(bus)
        assert [event.metadata["n"] for event in all_events] == [1, 3]

    def test_callable_is_asked_once_a_call(self, api, bus, all_events):
        asked = []

        @api.emit_events(
            creating_factory=lambda: api.CreatingEvent(),
            created_factory=lambda r: api.CreatedEvent(),
            enabled=lambda *a, **k: asked.append(1) or True,
        )
        def f():
            return 1

        f()
        drain(bus)
        assert asked == [1]
        assert len(all_events) == 2

    def test_disabled_call_keeps_the_context(self, api, bus, all_events):
        depths = []

        @api.emit_events(
            creating_factory=lambda: api.CreatingEvent(), enabled=lambda *a, **k: False
        )
        def f():
            depths.append(api.get_context_depth())

        f()
        assert depths == [0]

    def test_callable_is_not_asked_when_nobody_listens(self, api):
        bus = api.EventBus(lazy=True)
        asked = []

        @api.emit_events(
            created_factory=lambda r: api.CreatedEvent(),
            enabled=lambda *a, **k: asked.append(1) or True,
            bus=bus,
        )
        def f():
            return 1

        f()
        assert asked == []
        bus.close()


class TestSample:
    def _pair(self, api, sample):
        @api.emit_events(
            creating_factory=lambda: api.CreatingEvent(),
            created_factory=lambda r: api.CreatedEvent(),
            sample=sample,
        )
        def f():
            return 1

        return f

    @pytest.mark.parametrize(("rate", "expected"), [(0, 0), (0.0, 0), (1, 20), (1.0, 20)])
    def test_whole_rates(self, api, bus, all_events, rate, expected):
        f = self._pair(api, rate)
        for _ in range(10):
            f()
        drain(bus)
        assert len(all_events) == expected

    def test_rate_between(self, api, bus, all_events):
        f = self._pair(api, 0.5)
        for _ in range(1000):
            f()
        drain(bus)
        assert 350 < all_events.types.count("creating") < 650
        assert all_events.types.count("creating") == all_events.types.count("created")

    def test_object_is_asked_once_a_call_before_any_factory(self, api, bus, all_events):
        log = []

        class Sampler:
            def should_emit(self, event_type):
                log.append("sampler")
                return len(log) < 3

        @api.emit_events(
            creating_factory=lambda: log.append("factory") or api.CreatingEvent(),
            created_factory=lambda r: log.append("factory") or api.CreatedEvent(),
            sample=Sampler(),
        )
        def f():
            return 1

        f()
        f()
        drain(bus)
        assert log == ["sampler", "factory", "factory", "sampler"]
        assert all_events.types == ["creating", "created"]

    @pytest.mark.parametrize("rate", [0, 1])
    @pytest.mark.parametrize("asynchronous", [False, True])
    def test_decision_is_inherited_by_nested_calls(self, api, bus, all_events, rate, asynchronous):
        asked = []

        class Inner:
            def should_emit(self, event_type):
                asked.append(event_type)
                return rate == 0

        made = {
            "creating_factory": lambda: api.CreatingEvent(),
            "created_factory": lambda r: api.CreatedEvent(),
        }
        inner = api.emit_events(**made, sample=Inner())(lambda: 1)
        if asynchronous:

            @api.emit_events(**made, sample=rate)
            async def outer():
                await asyncio.sleep(0)
                inner()

            run(outer())
        else:

            @api.emit_events(**made, sample=rate)
            def outer():
                inner()

            outer()
        drain(bus)
        assert asked == []
        assert len(all_events) == (4 if rate else 0)

    def test_nested_call_without_a_sample_of_its_own_inherits_too(self, api, bus, all_events):
        inner = api.emit_events(creating_factory=lambda: api.CreatingEvent())(lambda: 1)

        @api.emit_events(creating_factory=lambda: api.CreatingEvent(), sample=0)
        def outer():
            inner()

        outer()
        drain(bus)
        assert all_events == []
        inner()
        drain(bus)
        assert len(all_events) == 1

    def test_decision_ends_with_its_root(self, api, bus, all_events):
        answers = [False, True]

        class Sampler:
            def should_emit(self, event_type):
                return answers.pop(0)

        f = self._pair(api, Sampler())
        f()
        f()
        drain(bus)
        assert all_events.types == ["creating", "created"]

    def test_decision_ends_with_a_root_that_raises(self, api, bus, all_events):
        @api.emit_events(failed_factory=lambda e: api.Event(type="failed"), sample=0)
        def failing():
            raise ValueError

        with pytest.raises(ValueError):
            failing()
        self._pair(api, 1)()
        drain(bus)
        assert all_events.types == ["creating", "created"]

    @pytest.mark.parametrize("wrong", [-0.1, 1.5, "often", float("nan"), object()], ids=repr)
    def test_wrong_sample_is_an_error_at_decoration(self, api, wrong):
        with pytest.raises((TypeError, ValueError), match="sample"):
            api.emit_events(created_factory=lambda r: None, sample=wrong)(lambda: 1)


class TestFactoryChecks:
    NAMES = ("creating_factory", "created_factory", "failed_factory", "cancelled_factory")

    @pytest.mark.parametrize("name", NAMES)
    def test_async_factory_is_a_type_error(self, api, name):
        async def factory(*args):
            return api.CreatedEvent()

        with pytest.raises(TypeError, match=name):
            api.emit_events(**{name: factory})(lambda: 1)

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("wrong", [dict, int, type], ids=repr)
    def test_class_that_is_no_event_class_is_a_type_error(self, api, name, wrong):
        with pytest.raises(TypeError, match=name):
            api.emit_events(**{name: wrong})(lambda: 1)

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("wrong", [3, "factory", object()], ids=repr)
    def test_uncallable_is_a_type_error(self, api, name, wrong):
        with pytest.raises(TypeError, match=name):
            api.emit_events(**{name: wrong})(lambda: 1)

    def test_event_class_as_a_factory(self, api, bus, all_events):
        @api.emit_events(creating_factory=api.CreatingEvent)
        def f():
            return 1

        f()
        drain(bus)
        assert type(all_events.one()) is api.CreatingEvent

    def test_event_class_as_a_factory_gets_the_keywords(self, api, bus, all_events):
        @api.emit_events(creating_factory=api.ProcessingEvent)
        def f(*, process_name):
            return 1

        f(process_name="p")
        drain(bus)
        assert all_events.one().process_name == "p"

    UNFIT = [
        ("creating_factory", "lambda: None", "def f(x): pass"),
        ("creating_factory", "lambda x: None", "def f(x, y): pass"),
        ("creating_factory", "lambda x, y: None", "def f(x): pass"),
        ("creating_factory", "lambda y: None", "def f(*, x): pass"),
        ("created_factory", "lambda: None", "def f(): pass"),
        ("created_factory", "lambda result: None", "def f(x): pass"),
        ("failed_factory", "lambda error: None", "def f(x): pass"),
        ("cancelled_factory", "lambda error, x: None", "def f(x, y, z=1): pass"),
        ("creating_factory", "lambda: None", "async def f(x): pass"),
    ]

    FIT = [
        ("creating_factory", "lambda x: None", "def f(x): pass"),
        ("creating_factory", "lambda *a: None", "def f(x, y=2): pass"),
        ("creating_factory", "lambda *a, **k: None", "def f(x, *, y): pass"),
        ("creating_factory", "lambda x, y=1: None", "def f(x): pass"),
        ("creating_factory", "lambda x: None", "def f(x, y=1): pass"),
        ("creating_factory", "lambda a: None", "def f(*args): pass"),
        ("created_factory", "lambda r, x: None", "def f(x): pass"),
        ("created_factory", "lambda *a: None", "def f(x): pass"),
        ("failed_factory", "lambda e, x, **k: None", "def f(x, *, y): pass"),
        ("creating_factory", "lambda x, **k: None", "def f(x, **more): pass"),
        ("creating_factory", "print", "def f(x): pass"),
    ]

    @staticmethod
    def _function(source):
        namespace = {}
        exec(source, namespace)
        return namespace["f"]

    @pytest.mark.parametrize(("name", "factory", "source"), UNFIT, ids=str)
    def test_factory_that_can_never_fit_is_warned_of_at_decoration(
        self, api, name, factory, source
    ):
        function, made = self._function(source), eval(factory)
        with pytest.warns(Warning, match="factory") as caught:
            api.emit_events(**{name: made})(function)
        text = str(caught[0].message)
        assert str(inspect.signature(function)) in text
        assert str(inspect.signature(made)) in text

    @pytest.mark.parametrize(("name", "factory", "source"), UNFIT, ids=str)
    def test_strict_makes_it_a_type_error(self, api, name, factory, source):
        with pytest.raises(TypeError):
            api.emit_events(**{name: eval(factory)}, strict=True)(self._function(source))

    @pytest.mark.parametrize(("name", "factory", "source"), FIT, ids=str)
    def test_factory_that_may_fit_is_not(self, api, name, factory, source):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            api.emit_events(**{name: eval(factory)}, strict=True)(self._function(source))

    def test_method_counts_self(self, api):
        with pytest.warns(Warning, match="factory"):

            class Owner:
                @api.emit_events(creating_factory=lambda x: None)
                def method(self, x):
                    return x

    def test_warned_function_still_works(self, api, bus, seen, caplog):
        bus.subscribe(seen.sync, api.Event)
        with pytest.warns(Warning, match="factory"):
            f = api.emit_events(creating_factory=lambda: api.CreatingEvent())(lambda x: x)
        assert f(3) == 3
        drain(bus)
        assert seen == []
        identity(bus)


class TestOn:
    def test_subscribes_and_returns_the_function(self, api, bus):
        got = []

        def handler(event):
            got.append(event)

        assert api.on(api.CreatedEvent)(handler) is handler
        bus.emit_sync(api.CreatedEvent())
        bus.emit_sync(api.DeletedEvent())
        assert [event.type for event in got] == ["created"]

    def test_several_types(self, api, bus):
        got = []

        @api.on(api.CreatedEvent, api.DeletedEvent)
        def handler(event):
            got.append(event.type)

        for cls in (api.CreatedEvent, api.ModifiedEvent, api.DeletedEvent):
            bus.emit_sync(cls())
        assert got == ["created", "deleted"]

    def test_async_handler(self, api, bus):
        got = []

        @api.on(api.CreatedEvent)
        async def handler(event):
            await asyncio.sleep(0)
            got.append(event.type)

        assert inspect.iscoroutinefunction(handler)
        bus.emit_sync(api.CreatedEvent())
        assert got == ["created"]

    def test_pattern_predicate_and_priority(self, api, bus):
        got = []

        @api.on(pattern="a")
        def by_pattern(event):
            got.append("pattern")

        @api.on(predicate=lambda event: True, priority=api.EventPriority.HIGH)
        def by_predicate(event):
            got.append("predicate")

        @api.on(api.Event, pattern="a", priority=api.EventPriority.LOW)
        def by_both(event):
            got.append("both")

        bus.emit_sync(api.Event(type="a"))
        bus.emit_sync(api.Event(type="b"))
        assert got == ["predicate", "pattern", "both", "predicate"]

    @pytest.mark.parametrize("call", ["on()", "on"])
    def test_without_arguments_takes_the_annotation(self, api, bus, call):
        got = []

        def handler(event: api.CreatedEvent):
            got.append(event.type)

        decorated = api.on()(handler) if call == "on()" else api.on(handler)
        assert decorated is handler
        bus.emit_sync(api.CreatedEvent())
        bus.emit_sync(api.DeletedEvent())
        assert got == ["created"]

    def test_postponed_annotation(self, api, bus, user_module):
        module = user_module("""
            from __future__ import annotations
            from onex_events import CreatedEvent, on

            got = []

            @on()
            def handler(event: CreatedEvent) -> None:
                got.append(event.type)
        """)
        bus.emit_sync(api.CreatedEvent())
        bus.emit_sync(api.DeletedEvent())
        assert module.got == ["created"]

    def test_without_arguments_and_annotation_is_an_error(self, api, bus):
        with pytest.raises((TypeError, ValueError), match="event"):

            @api.on()
            def handler(event):
                pass

    def test_weak(self, api, bus):
        import gc

        got = []

        @api.on(api.Event, weak=True)
        def handler(event):
            got.append(event.type)

        bus.emit_sync(api.Event(type="1"))
        del handler
        gc.collect()
        bus.emit_sync(api.Event(type="2"))
        assert got == ["1"]

    def test_decorated_function_as_a_handler(self, api, bus, seen):
        bus.subscribe(seen.sync, pattern="handled")

        @api.on(api.CreatedEvent)
        @api.emit_events(created_factory=lambda r, event: api.Event(type="handled"))
        def handler(event):
            return 1

        event = bus.emit_sync(api.CreatedEvent())
        drain(bus)
        assert seen.one().parent_id == event.id


class TestTrackStateTransition:
    @pytest.fixture
    def machine(self, api):
        class Machine:
            def __init__(self):
                self.id = uuid4()
                self.state = "new"
                self.mode = 1

            @api.track_state_transition()
            def start(self, state="running"):
                """Start it."""
                self.state = state
                return "started"

            @api.track_state_transition()
            async def astart(self):
                await asyncio.sleep(0)
                self.state = "running"
                return "started"

            @api.track_state_transition("mode")
            def switch(self, mode):
                self.mode = mode

            @api.track_state_transition(emit_event=False)
            def quiet(self):
                self.state = "quiet"
                return 1

            @api.track_state_transition()
            def fail(self):
                self.state = "broken"
                raise ValueError("own")

        return Machine()

    def test_event_when_the_attribute_changed(self, api, bus, seen, machine):
        bus.subscribe(seen.sync, api.StateTransitionEvent)
        assert machine.start() == "started"
        drain(bus)
        event = seen.one()
        assert type(event) is api.StateTransitionEvent
        assert (event.from_state, event.to_state) == ("new", "running")
        assert event.transition_reason == "start"
        assert event.subject_type is type(machine)
        assert event.subject_id == machine.id

    def test_no_event_when_it_did_not(self, api, bus, seen, machine):
        bus.subscribe(seen.sync, api.StateTransitionEvent)
        machine.start("new")
        drain(bus)
        assert seen == []

    def test_async_method(self, api, bus, seen, machine):
        bus.subscribe(seen.sync, api.StateTransitionEvent)
        assert inspect.iscoroutinefunction(machine.astart)

        async def main():
            assert await machine.astart() == "started"
            await drained(bus)

        run(main())
        assert seen.one().transition_reason == "astart"

    def test_sync_method_stays_sync(self, machine):
        assert not inspect.iscoroutinefunction(machine.start)
        assert machine.start.__name__ == "start"
        assert machine.start.__doc__ == "Start it."

    def test_another_field_and_values_as_text(self, api, bus, seen, machine):
        bus.subscribe(seen.sync, api.StateTransitionEvent)
        machine.switch(2)
        drain(bus)
        assert (seen.one().from_state, seen.one().to_state) == ("1", "2")

    def test_emit_event_false(self, api, bus, seen, machine):
        bus.subscribe(seen.sync, api.Event)
        assert machine.quiet() == 1
        drain(bus)
        assert seen == []

    def test_subject_by_ecs_id(self, api, bus, seen):
        class Entity:
            def __init__(self):
                self.ecs_id = uuid4()
                self.state = "a"

            @api.track_state_transition()
            def change(self):
                self.state = "b"

        bus.subscribe(seen.sync, api.StateTransitionEvent)
        entity = Entity()
        entity.change()
        drain(bus)
        assert seen.one().subject_id == entity.ecs_id

    def test_missing_attribute_changes_nothing(self, api, bus, seen, caplog):
        class Bare:
            @api.track_state_transition()
            def change(self):
                return "fine"

        bus.subscribe(seen.sync, api.Event)
        assert Bare().change() == "fine"

    def test_exception_of_the_method_reaches_the_caller(self, api, bus, seen, machine):
        bus.subscribe(seen.sync, api.StateTransitionEvent)
        with pytest.raises(ValueError, match="own"):
            machine.fail()
        drain(bus)

    def test_is_a_child_of_the_current_event(self, api, bus, seen, machine):
        bus.subscribe(seen.sync, api.StateTransitionEvent)
        parent = api.Event(type="parent")
        with api.EventContextManager(parent):
            machine.start()
        drain(bus)
        assert seen.one().parent_id == parent.id
