"""Spec 1 §3, lazy creation: a factory runs only if an event that it would make has a listener."""

import asyncio
import gc

import pytest

from .harness import Seen, drain, drained, in_thread, run


@pytest.fixture
def lazy():
    """This file is about lazy creation; record-everything mode has a class of its own."""
    return True


class Calls:
    """Counts the calls of the four factories of one decorated function."""

    def __init__(self):
        self.names = []

    def factory(self, name, make):
        def made(*args, **kwargs):
            self.names.append(name)
            return make()

        return made

    def take(self):
        names, self.names = self.names, []
        return names


@pytest.fixture
def calls():
    return Calls()


def _decorated(api, calls, asynchronous=False, **types):
    decorate = api.emit_events(
        creating_factory=calls.factory("creating", api.CreatingEvent),
        created_factory=calls.factory("created", api.CreatedEvent),
        failed_factory=calls.factory("failed", lambda: api.Event(type="failed")),
        cancelled_factory=calls.factory("cancelled", lambda: api.Event(type="cancelled")),
        **types,
    )
    if asynchronous:

        @decorate
        async def f(error=None):
            if error is not None:
                raise error
            return 1

        return lambda *args: run(f(*args))

    @decorate
    def f(error=None):
        if error is not None:
            raise error
        return 1

    return f


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
class TestListeners:
    def test_nobody_listens(self, api, bus, calls, asynchronous):
        f = _decorated(api, calls, asynchronous)
        assert f() == 1
        with pytest.raises(ValueError):
            f(ValueError())
        drain(bus)
        assert calls.take() == []
        assert bus.get_history() == []
        assert bus.get_statistics()["emitted"] == 0

    @pytest.mark.parametrize("by", ["type", "pattern", "predicate"])
    def test_any_kind_of_subscription_is_a_listener(self, api, bus, calls, seen, asynchronous, by):
        f = _decorated(api, calls, asynchronous)
        options = {
            "type": {"event_types": api.Event},
            "pattern": {"pattern": "."},
            "predicate": {"predicate": lambda event: True},
        }
        subscription = bus.subscribe(seen.sync, **options[by])
        assert f() == 1
        drain(bus)
        assert calls.take() == ["creating", "created"]
        bus.unsubscribe(subscription)
        assert f() == 1
        drain(bus)
        assert calls.take() == []
        assert seen.types == ["creating", "created"]

    def test_a_weak_handler_that_dies_is_no_listener(self, api, bus, calls, asynchronous):
        f = _decorated(api, calls, asynchronous)

        def handler(event):
            pass

        bus.subscribe(handler, api.Event, weak=True)
        f()
        drain(bus)
        assert calls.take() == ["creating", "created"]
        del handler
        gc.collect()
        f()
        drain(bus)
        assert calls.take() == []

    def test_a_listener_of_unknown_factories_is_asked(self, api, bus, calls, seen, asynchronous):
        """Nothing is known of the factories: the event is made and dispatched."""

        class Unrelated(api.Event):
            type: str = "unrelated"

        bus.subscribe(seen.sync, Unrelated)
        f = _decorated(api, calls, asynchronous)
        f()
        drain(bus)
        assert calls.take() == ["creating", "created"]
        assert seen == []
        assert bus.get_statistics()["total_events"] == 2


class TestExactTypes:
    def test_only_what_is_listened_to_is_made(self, api, bus, calls, seen):
        f = _decorated(api, calls, creating_type=api.CreatingEvent, created_type=api.CreatedEvent)
        bus.subscribe(seen.sync, api.CreatedEvent)
        f()
        drain(bus)
        assert calls.take() == ["created"]
        assert seen.types == ["created"]

    @pytest.mark.parametrize("which", ["failed", "cancelled"])
    def test_other_ends(self, api, bus, calls, seen, which):
        class Mine(api.Event):
            type: str = "mine"

        f = _decorated(
            api,
            calls,
            creating_type=api.CreatingEvent,
            created_type=api.CreatedEvent,
            failed_type=Mine if which == "failed" else api.DeletedEvent,
            cancelled_type=Mine if which == "cancelled" else api.DeletedEvent,
        )
        bus.subscribe(seen.sync, Mine)
        f()
        with pytest.raises(ValueError):
            f(ValueError())
        with pytest.raises(asyncio.CancelledError):
            f(asyncio.CancelledError())
        drain(bus)
        assert calls.take() == [which]

    def test_listeners_of_bases_count(self, api, bus, calls, seen):
        f = _decorated(api, calls, creating_type=api.CreatingEvent, created_type=api.CreatedEvent)
        bus.subscribe(seen.sync, api.Event)
        f()
        drain(bus)
        assert calls.take() == ["creating", "created"]

    def test_listeners_of_subclasses_do_not(self, api, bus, calls, seen):
        class Sub(api.CreatedEvent):
            pass

        f = _decorated(api, calls, creating_type=api.CreatingEvent, created_type=api.CreatedEvent)
        bus.subscribe(seen.sync, Sub)
        f()
        drain(bus)
        assert calls.take() == []

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [("created", ["created"]), ("creat", ["creating", "created"]), ("reated", []), ("x", [])],
    )
    def test_patterns_are_matched_with_the_default_type_string(
        self, api, bus, calls, seen, pattern, expected
    ):
        f = _decorated(api, calls, creating_type=api.CreatingEvent, created_type=api.CreatedEvent)
        bus.subscribe(seen.sync, pattern=pattern)
        f()
        drain(bus)
        assert calls.take() == expected

    def test_any_predicate_may_match(self, api, bus, calls, seen):
        f = _decorated(api, calls, creating_type=api.CreatingEvent, created_type=api.CreatedEvent)
        bus.subscribe(seen.sync, predicate=lambda event: event.type == "created")
        f()
        drain(bus)
        assert calls.take() == ["creating", "created"]
        assert seen.types == ["created"]

    def test_predicate_with_a_class_that_cannot_match_does_not_count(self, api, bus, calls, seen):
        f = _decorated(api, calls, creating_type=api.CreatingEvent, created_type=api.CreatedEvent)
        bus.subscribe(seen.sync, api.DeletedEvent, predicate=lambda event: True)
        f()
        drain(bus)
        assert calls.take() == []


class TestBounds:
    """A return annotation, or the factory being an Event class, is an upper bound."""

    @pytest.fixture(params=["annotation", "postponed annotation", "class"])
    def bounded(self, request, api, user_module):
        """A function with one creating factory bounded by CreatingEvent, and its call list."""
        module = user_module(
            """
            {future}
            from onex_events import CreatingEvent, emit_events

            calls = []

            class Mine(CreatingEvent):
                def __init__(self, **data):
                    calls.append(1)
                    super().__init__(**data)

            class Sub(Mine):
                pass

            def annotated() -> Mine:
                return Mine()

            @emit_events(creating_factory={factory})
            def f():
                return 1
        """.replace(
                "{future}",
                "from __future__ import annotations" if request.param.startswith("post") else "",
            ).replace("{factory}", "Mine" if request.param == "class" else "annotated")
        )
        return module

    def test_listener_of_the_bound(self, bus, seen, bounded):
        bus.subscribe(seen.sync, bounded.Mine)
        bounded.f()
        drain(bus)
        assert len(bounded.calls) == len(seen) == 1

    def test_listener_of_a_base(self, api, bus, seen, bounded):
        bus.subscribe(seen.sync, api.Event)
        bounded.f()
        drain(bus)
        assert len(bounded.calls) == len(seen) == 1

    def test_listener_of_a_subclass_counts(self, bus, seen, bounded):
        bus.subscribe(seen.sync, bounded.Sub)
        bounded.f()
        drain(bus)
        assert len(bounded.calls) == 1
        assert seen == []

    def test_listener_of_an_unrelated_class_does_not(self, api, bus, seen, bounded):
        bus.subscribe(seen.sync, api.DeletedEvent)
        bounded.f()
        drain(bus)
        assert bounded.calls == []

    @pytest.mark.parametrize("by", ["pattern", "predicate"])
    def test_any_pattern_or_predicate_may_match(self, bus, seen, bounded, by):
        if by == "pattern":
            bus.subscribe(seen.sync, pattern="no such type")
        else:
            bus.subscribe(seen.sync, predicate=lambda event: False)
        bounded.f()
        drain(bus)
        assert len(bounded.calls) == 1
        assert seen == []

    def test_a_subclass_of_the_bound_with_another_base_is_not_skipped(self, bus, seen, user_module):
        module = user_module("""
            from onex_events import Event, emit_events

            class Mine(Event):
                type: str = "mine"

            class Other(Event):
                type: str = "other"

            class Both(Mine, Other):
                pass

            def factory() -> Mine:
                return Both()

            @emit_events(creating_factory=factory)
            def f():
                return 1
        """)
        bus.subscribe(seen.sync, module.Other)
        module.f()
        drain(bus)
        assert [type(event) for event in seen] == [module.Both]

    @pytest.mark.parametrize("annotation", ["None", "Optional[Mine]", "Any", "object", "'Nowhere'"])
    def test_annotation_that_says_nothing_is_no_bound(
        self, api, bus, seen, user_module, annotation
    ):
        module = user_module(f"""
            from typing import Any, Optional
            from onex_events import Event, emit_events

            class Mine(Event):
                type: str = "mine"

            calls = []

            def factory() -> {annotation}:
                calls.append(1)
                return Mine()

            @emit_events(creating_factory=factory)
            def f():
                return 1
        """)
        bus.subscribe(seen.sync, module.Mine)
        module.f()
        drain(bus)
        assert len(seen) == 1


class TestSkippedCreatingEvent:
    def test_leaves_the_context(self, api, bus, seen):
        depths = []

        @api.emit_events(
            creating_factory=lambda: api.CreatingEvent(),
            created_factory=lambda result: api.CreatedEvent(),
            creating_type=api.CreatingEvent,
        )
        def f():
            depths.append(api.get_context_depth())

        bus.subscribe(seen.sync, api.CreatedEvent)
        f()
        drain(bus)
        assert depths == [0]
        assert seen.types == ["created"]

    def test_nested_events_link_to_the_nearest_ancestor_that_was_made(self, api, bus, seen):
        class Outer(api.Event):
            type: str = "outer"

        class Middle(api.Event):
            type: str = "middle"

        class Inner(api.Event):
            type: str = "inner"

        @api.emit_events(creating_factory=lambda: Inner(), creating_type=Inner)
        def inner():
            return 1

        @api.emit_events(creating_factory=lambda: Middle(), creating_type=Middle)
        def middle():
            inner()

        @api.emit_events(creating_factory=lambda: Outer(), creating_type=Outer)
        def outer():
            middle()

        bus.subscribe(seen.sync, [Outer, Inner])
        outer()
        drain(bus)
        first, second = seen
        assert second.parent_id == first.id
        assert second.root_id == first.id
        assert second.lineage_id == first.lineage_id

    def test_end_event_alone_has_its_links(self, api, bus, seen):
        @api.emit_events(
            creating_factory=lambda: api.CreatingEvent(),
            created_factory=lambda result: api.CreatedEvent(),
            creating_type=api.CreatingEvent,
        )
        def f():
            return 1

        bus.subscribe(seen.sync, api.CreatedEvent)
        parent = api.Event(type="parent")
        with api.EventContextManager(parent):
            f()
        drain(bus)
        event = seen.one()
        assert event.parent_id == parent.id and event.root_id == parent.id


class TestInFlight:
    """A call in flight when a listener arrives or leaves stays consistent."""

    def _functions(self, api, during):
        decorate = api.emit_events(
            creating_factory=lambda: api.CreatingEvent(),
            created_factory=lambda result: api.CreatedEvent(),
        )

        @decorate
        def sync_function():
            during()
            return 1

        @decorate
        async def async_function():
            during()
            await asyncio.sleep(0)
            return 1

        @decorate
        def generator():
            yield 1
            during()
            yield 2

        def call(kind):
            if kind == "def":
                assert sync_function() == 1
            elif kind == "async def":
                assert run(async_function()) == 1
            else:
                assert list(generator()) == [1, 2]

        return call

    @pytest.mark.parametrize("kind", ["def", "async def", "generator"])
    def test_listener_arrives(self, api, bus, seen, kind):
        call = self._functions(api, lambda: bus.subscribe(seen.sync, api.Event))
        call(kind)
        drain(bus)
        assert api.get_context_depth() == 0
        assert seen.types in ([], ["created"])
        seen.clear()
        for subscription in list(bus._type_subscriptions[api.Event]):
            bus.unsubscribe(subscription)

    @pytest.mark.parametrize("kind", ["def", "async def", "generator"])
    def test_listener_leaves(self, api, bus, seen, kind):
        outer = api.Event(type="outer")
        subscription = bus.subscribe(seen.sync, api.Event)
        call = self._functions(api, lambda: bus.unsubscribe(subscription))
        with api.EventContextManager(outer):
            call(kind)
            assert api.get_current_parent_event() is outer
            assert api.get_context_depth() == 1
        drain(bus)
        assert seen.types in (["creating"], [])

    @pytest.mark.parametrize("kind", ["def", "async def", "generator"])
    def test_listener_leaves_and_another_arrives(self, api, bus, seen, kind):
        subscription = bus.subscribe(lambda event: None, api.Event)
        before = Seen()

        def during():
            bus.unsubscribe(subscription)
            bus.subscribe(seen.sync, api.Event)

        bus.subscribe(before.sync, api.CreatingEvent)
        call = self._functions(api, during)
        call(kind)
        drain(bus)
        assert api.get_context_depth() == 0
        assert seen.types.count("created") == 1
        assert before.types == ["creating"]
        assert seen[-1].lineage_id == before[0].lineage_id

    def test_set_event_bus_during_a_call(self, api, bus, make_bus, seen):
        other, theirs = make_bus(), Seen()
        other.subscribe(theirs.sync, api.Event)
        bus.subscribe(seen.sync, api.Event)

        @api.emit_events(
            creating_factory=lambda: api.CreatingEvent(),
            created_factory=lambda result: api.CreatedEvent(),
        )
        def f():
            api.set_event_bus(other)

        f()
        api.set_event_bus(bus)
        drain(bus)
        drain(other)
        assert api.get_context_depth() == 0
        assert sorted(seen.types + theirs.types) == ["created", "creating"]


class TestInterest:
    """Interest follows every change of who listens."""

    def test_bus_option(self, api, make_bus, calls, seen):
        mine, other = make_bus(), make_bus()
        f = _decorated(api, calls, bus=mine)
        other.subscribe(seen.sync, api.Event)
        f()
        assert calls.take() == []
        mine.subscribe(seen.sync, api.Event)
        f()
        assert calls.take() == ["creating", "created"]

    def test_set_event_bus(self, api, bus, make_bus, calls, seen):
        other = make_bus()
        other.subscribe(seen.sync, api.Event)
        f = _decorated(api, calls)
        f()
        assert calls.take() == []
        api.set_event_bus(other)
        f()
        assert calls.take() == ["creating", "created"]
        api.set_event_bus(bus)
        f()
        assert calls.take() == []

    def test_a_function_decorated_while_somebody_listens(self, api, bus, calls, seen):
        bus.subscribe(seen.sync, api.Event)
        f = _decorated(api, calls)
        f()
        assert calls.take() == ["creating", "created"]

    def test_record(self, api, bus, calls):
        f = _decorated(api, calls)
        bus.record(True)
        f()
        assert calls.take() == ["creating", "created"]
        drain(bus)
        assert [event.type for event in bus.get_history()] == ["creating", "created"]
        bus.record(False)
        f()
        assert calls.take() == []

    def test_record_and_a_subscription_are_two_listeners(self, api, bus, calls, seen):
        f = _decorated(api, calls)
        bus.record(True)
        subscription = bus.subscribe(seen.sync, api.Event)
        bus.record(False)
        f()
        assert calls.take() == ["creating", "created"]
        bus.unsubscribe(subscription)
        f()
        assert calls.take() == []

    def test_many_subscriptions_come_and_go(self, api, bus, calls, seen):
        f = _decorated(api, calls)
        made = [bus.subscribe(seen.sync, api.Event) for _ in range(50)]
        for subscription in made[:-1]:
            bus.unsubscribe(subscription)
        f()
        assert calls.take() == ["creating", "created"]
        bus.unsubscribe(made[-1])
        bus.unsubscribe(made[-1])
        f()
        assert calls.take() == []

    @pytest.mark.core_only(reason="close is beyond the reference path")
    def test_close(self, api, make_bus, calls, seen):
        mine = make_bus()
        mine.subscribe(seen.sync, api.Event)
        f = _decorated(api, calls, bus=mine)
        mine.close()
        assert f() == 1
        assert seen == []

    @pytest.mark.core_only(reason="attach is beyond the reference path")
    def test_attached_listener(self, api, bus, calls):
        class Pipeline:
            def __init__(self):
                self.events = []

            def accept(self, events):
                self.events.extend(events)

        pipeline = Pipeline()
        f = _decorated(api, calls)
        bus.attach(pipeline)
        f()
        drain(bus)
        assert calls.take() == ["creating", "created"]
        assert [event.type for event in pipeline.events] == ["creating", "created"]
        bus.detach(pipeline)
        f()
        assert calls.take() == []

    @pytest.mark.core_only(reason="Subscription.cancel is beyond the reference path")
    def test_cancelled_subscription(self, api, bus, calls, seen):
        f = _decorated(api, calls)
        with bus.subscribe(seen.sync, api.Event):
            f()
            assert calls.take() == ["creating", "created"]
        f()
        assert calls.take() == []

    def test_in_another_thread(self, api, bus, calls, seen):
        f = _decorated(api, calls)
        in_thread(bus.subscribe, seen.sync, api.Event)
        f()
        drain(bus)
        assert calls.take() == ["creating", "created"]


class TestGivenEvents:
    def test_an_event_given_to_emit_is_processed_though_nobody_listens(self, api, bus):
        event = bus.emit_sync(api.Event(type="x"))

        async def main():
            await bus.emit(api.Event(type="y"))
            await drained(bus)

        run(main())
        assert [found.type for found in bus.get_history()] == ["x", "y"]
        assert bus.get_event_by_id(event.id) == event


class TestRecordEverything:
    @pytest.fixture
    def lazy(self):
        return False

    def test_all_factories_run_though_nobody_listens(self, api, bus, calls):
        f = _decorated(api, calls, creating_type=api.CreatingEvent, created_type=api.CreatedEvent)
        assert f() == 1
        drain(bus)
        assert calls.take() == ["creating", "created"]
        assert [event.type for event in bus.get_history()] == ["creating", "created"]

    def test_all_factories_run_though_another_class_is_listened_to(self, api, bus, calls, seen):
        bus.subscribe(seen.sync, api.DeletedEvent)
        f = _decorated(api, calls, creating_type=api.CreatingEvent, created_type=api.CreatedEvent)
        with pytest.raises(ValueError):
            f(ValueError())
        drain(bus)
        assert calls.take() == ["creating", "failed"]
        assert seen == []
