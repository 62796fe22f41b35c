"""Spec 1 §2: emit and emit_sync, the order of delivery, which handlers an event reaches."""

import asyncio
import logging
import re
import threading

import pytest

from .harness import drain, drained, identity, in_thread, run, settled

KINDS = ["sync", "asynchronous"]


@pytest.fixture(params=KINDS)
def kind(request):
    """Whether the recorder is subscribed as a sync or as an async handler."""
    return request.param


class TestEmit:
    def test_gives_the_event_back(self, api, bus):
        event = api.Event(type="x")

        async def main():
            return await bus.emit(event)

        assert run(main()) is event

    def test_event_is_queued_at_the_call_not_at_the_await(self, api, bus):
        async def main():
            pending = bus.emit(api.Event(type="x"))
            emitted = bus.get_statistics()["emitted"]
            await pending
            return emitted, bus.get_statistics()["emitted"]

        assert run(main()) == (1, 1)

    def test_event_is_delivered_though_nobody_awaits(self, api, bus, seen, kind):
        bus.subscribe(getattr(seen, kind), api.Event)

        async def main():
            pending = bus.emit(api.Event(type="x"))
            await drained(bus)
            return pending

        run(main())
        assert seen.types == ["x"]

    def test_order_is_that_of_the_calls_not_of_the_awaits(self, api, bus, seen):
        bus.subscribe(seen.asynchronous, api.Event)

        async def main():
            first = bus.emit(api.Event(type="1"))
            second = bus.emit(api.Event(type="2"))
            await second
            await first
            await drained(bus)

        run(main())
        assert seen.types == ["1", "2"]

    def test_result_is_finished_unless_the_queue_is_full(self, api, bus):
        event = api.Event(type="x")

        async def main():
            pending = bus.emit(event)
            with pytest.raises(StopIteration) as stopped:
                pending.send(None)
            return stopped.value.value

        assert run(main()) is event

    def test_result_passes_for_a_coroutine(self, api, bus):
        async def main():
            pending = bus.emit(api.Event(type="x"))
            try:
                return asyncio.iscoroutine(pending)
            finally:
                await pending

        assert run(main())

    @pytest.mark.parametrize(
        "way", ["create_task", "gather", "wait_for", "shield", "ensure_future"]
    )
    def test_asyncio_takes_the_result(self, api, bus, seen, way):
        bus.subscribe(seen.asynchronous, api.Event)
        event = api.Event(type="x")

        async def main():
            if way == "create_task":
                got = await asyncio.create_task(bus.emit(event))
            elif way == "gather":
                got, other = await asyncio.gather(bus.emit(event), bus.emit(api.Event(type="y")))
                assert other.type == "y"
            elif way == "wait_for":
                got = await asyncio.wait_for(bus.emit(event), 5)
            elif way == "shield":
                got = await asyncio.shield(bus.emit(event))
            else:
                got = await asyncio.ensure_future(bus.emit(event))
            await drained(bus)
            return got

        assert run(main()) is event
        assert seen[0] is event

    def test_cancelling_the_awaiter_leaves_the_event(self, api, bus, seen):
        bus.subscribe(seen.asynchronous, api.Event)

        async def main():
            task = asyncio.create_task(bus.emit(api.Event(type="x")))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await drained(bus)

        run(main())
        assert seen.types == ["x"]

    def test_given_event_is_never_changed(self, api, bus, seen, kind):
        bus.subscribe(getattr(seen, kind), api.Event)
        parent, event = api.Event(type="parent"), api.Event(type="x")
        before = event.model_dump()

        async def main():
            with api.EventContextManager(parent):
                await bus.emit(event)
            await drained(bus)

        run(main())
        assert seen.one() is event
        assert event.model_dump() == before


class TestEmitSync:
    def test_gives_the_event_back(self, api, bus):
        event = api.Event(type="x")
        assert bus.emit_sync(event) is event

    def test_is_handled_before_it_returns(self, api, bus, seen, kind):
        bus.subscribe(getattr(seen, kind), api.Event)
        bus.emit_sync(api.Event(type="x"))
        assert seen.types == ["x"]
        assert settled(bus)

    def test_async_handler_that_suspends_is_finished_before_it_returns(self, api, bus, seen):
        async def handler(event):
            for _ in range(5):
                await asyncio.sleep(0)
            seen.append(event)

        bus.subscribe(handler, api.Event)
        bus.emit_sync(api.Event(type="x"))
        assert seen.types == ["x"]

    def test_events_queued_before_it_go_first(self, api, bus, seen, kind):
        bus.subscribe(getattr(seen, kind), api.Event)

        def first(event):
            bus.emit_sync(api.Event(type="nested"))

        bus.subscribe(first, pattern="outer$")
        bus.emit_sync(api.Event(type="outer"))
        bus.emit_sync(api.Event(type="last"))
        assert seen.types == ["outer", "nested", "last"]

    def test_in_a_running_loop_it_queues(self, api, bus, seen, kind):
        bus.subscribe(getattr(seen, kind), api.Event)

        async def main():
            event = api.Event(type="x")
            assert bus.emit_sync(event) is event
            before = list(seen)
            await drained(bus)
            return before

        assert run(main()) == []
        assert seen.types == ["x"]

    def test_inside_a_handler_it_queues(self, api, bus, seen):
        def nesting(event):
            if event.type == "outer":
                bus.emit_sync(api.Event(type="inner"))
                seen.append(api.Event(type="after the call"))

        bus.subscribe(nesting, api.Event, priority=api.EventPriority.HIGH)
        bus.subscribe(seen.sync, api.Event, priority=api.EventPriority.LOW)
        bus.emit_sync(api.Event(type="outer"))
        drain(bus)
        assert seen.types == ["after the call", "outer", "inner"]

    def test_inside_a_handler_of_another_bus_it_queues(self, api, bus, make_bus, seen):
        other = make_bus()
        inside, nested = [], []

        def theirs(event):
            if threading.get_ident() in inside:
                nested.append(event)
            seen.append(event)

        def handler(event):
            inside.append(threading.get_ident())
            other.emit_sync(api.Event(type="other"))
            inside.pop()

        other.subscribe(theirs, api.Event)
        bus.subscribe(handler, api.Event)
        bus.emit_sync(api.Event(type="x"))
        drain(other)
        assert nested == []
        assert seen.types == ["other"]

    def test_from_a_thread(self, api, bus, seen, kind):
        bus.subscribe(getattr(seen, kind), api.Event)
        in_thread(bus.emit_sync, api.Event(type="x"))
        assert seen.types == ["x"]

    def test_emitting_recursively_from_handlers_ends(self, api, bus, seen):
        def handler(event):
            seen.append(event)
            if event.pending_children:
                bus.emit_sync(api.Event(type="x", pending_children=event.pending_children - 1))

        bus.subscribe(handler, api.Event)
        bus.emit_sync(api.Event(type="x", pending_children=2000))
        drain(bus)
        assert [event.pending_children for event in seen] == list(range(2000, -1, -1))

    def test_what_handlers_emit_is_delivered_before_it_returns(self, api, bus, seen, kind):
        def emit_another(event):
            seen.append(event)
            if event.type.startswith("own"):
                bus.emit_sync(api.Event(type=f"handler's {event.type}"))

        async def emit_another_later(event):
            emit_another(event)

        bus.subscribe(emit_another if kind == "sync" else emit_another_later, api.Event)
        for n in range(50):
            bus.emit_sync(api.Event(type=f"own {n}"))
            assert seen.types[2 * n :] == [f"own {n}", f"handler's own {n}"]

    def test_while_another_thread_delivers_it_waits_for_its_own_event(self, api, bus, seen):
        entered, go = threading.Event(), threading.Event()

        def handler(event):
            if event.type == "slow":
                entered.set()
                assert go.wait(10)
            seen.append(event)

        bus.subscribe(handler, api.Event)
        slow = threading.Thread(target=bus.emit_sync, args=(api.Event(type="slow"),), daemon=True)
        slow.start()
        assert entered.wait(10)
        opener = threading.Timer(0.05, go.set)
        opener.start()
        bus.emit_sync(api.Event(type="mine"))
        assert seen.types == ["slow", "mine"]
        slow.join(10)
        opener.join(10)

    @pytest.mark.core_only(reason="overflow_timeout is beyond the reference path")
    def test_its_wait_for_another_thread_ends_at_overflow_timeout(
        self, api, make_bus, seen, caplog
    ):
        bus = make_bus(overflow_timeout=0.1)
        entered, go = threading.Event(), threading.Event()

        def handler(event):
            if event.type == "slow":
                entered.set()
                assert go.wait(10)
            seen.append(event)

        bus.subscribe(handler, api.Event)
        slow = threading.Thread(target=bus.emit_sync, args=(api.Event(type="slow"),), daemon=True)
        slow.start()
        assert entered.wait(10)
        with caplog.at_level(logging.WARNING, "onex_events"):
            in_thread(bus.emit_sync, api.Event(type="mine"))
        assert seen.types == []
        assert caplog.records, "leaving an event queued is logged"
        identity(bus)
        go.set()
        slow.join(10)
        drain(bus)
        assert seen.types == ["slow", "mine"]


class TestOrder:
    def test_events_come_in_emission_order(self, api, bus, seen, kind):
        bus.subscribe(getattr(seen, kind), api.Event)

        async def main():
            for n in range(300):
                await bus.emit(api.Event(type=str(n)))
            await drained(bus)

        run(main())
        assert seen.types == [str(n) for n in range(300)]

    def test_one_event_at_a_time(self, api, bus, seen):
        running = []

        async def handler(event):
            running.append(event)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            seen.append((event.type, len(running)))
            running.remove(event)

        bus.subscribe(handler, api.Event)

        async def main():
            for n in range(50):
                await bus.emit(api.Event(type=str(n)))
            await drained(bus)

        run(main())
        assert seen == [(str(n), 1) for n in range(50)]

    def test_all_handlers_of_an_event_precede_those_of_the_next(self, api, bus):
        calls = []

        async def slow(event):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            calls.append((event.type, "async"))

        def quick(event):
            calls.append((event.type, "sync"))

        bus.subscribe(slow, api.Event, priority=api.EventPriority.HIGH)
        bus.subscribe(quick, api.Event, priority=api.EventPriority.LOW)

        async def main():
            for n in range(20):
                await bus.emit(api.Event(type=str(n)))
            await drained(bus)

        run(main())
        assert calls == [(str(n), who) for n in range(20) for who in ("async", "sync")]

    def test_sync_runs_keep_the_order_with_async_handlers(self, api, bus):
        calls = []

        async def only_fives(event):
            await asyncio.sleep(0)
            calls.append(("async", event.pending_children))

        bus.subscribe(lambda event: calls.append(("sync", event.pending_children)), api.Event)
        bus.subscribe(
            only_fives, predicate=lambda event: event.pending_children % 5 == 0, priority=1000
        )

        async def main():
            for n in range(40):
                bus.emit_sync(api.Event(type="x", pending_children=n))
            await drained(bus)

        run(main())
        expected = []
        for n in range(40):
            expected += [("async", n)] * (n % 5 == 0) + [("sync", n)]
        assert calls == expected


class TestPriority:
    @pytest.mark.parametrize("way", ["emit", "emit_sync"])
    def test_descending(self, api, bus, way):
        calls = []

        def subscribe(name, priority, asynchronous):
            async def awaited(event):
                await asyncio.sleep(0)
                calls.append(name)

            def called(event):
                calls.append(name)

            bus.subscribe(awaited if asynchronous else called, api.Event, priority=priority)

        subscribe("low", api.EventPriority.LOW, False)
        subscribe("critical", api.EventPriority.CRITICAL, False)
        subscribe("fifty", 50, False)
        subscribe("high", api.EventPriority.HIGH, True)
        subscribe("normal", api.EventPriority.NORMAL, True)
        subscribe("negative", -5, True)
        if way == "emit_sync":
            bus.emit_sync(api.Event(type="x"))
        else:

            async def main():
                await bus.emit(api.Event(type="x"))
                await drained(bus)

            run(main())
        assert calls == ["critical", "high", "fifty", "normal", "low", "negative"]

    def test_is_across_types_patterns_and_predicates(self, api, bus):
        calls = []
        bus.subscribe(lambda e: calls.append("type"), api.Event, priority=2)
        bus.subscribe(lambda e: calls.append("pattern"), pattern="x", priority=3)
        bus.subscribe(lambda e: calls.append("predicate"), predicate=lambda e: True, priority=4)
        bus.subscribe(lambda e: calls.append("last"), api.Event, priority=1)
        bus.emit_sync(api.Event(type="x"))
        assert calls == ["predicate", "pattern", "type", "last"]

    def test_default_is_normal(self, api, bus):
        calls = []
        bus.subscribe(lambda e: calls.append("default"), api.Event)
        bus.subscribe(lambda e: calls.append("above"), api.Event, priority=11)
        bus.subscribe(lambda e: calls.append("below"), api.Event, priority=9)
        bus.emit_sync(api.Event(type="x"))
        assert calls == ["above", "default", "below"]


class TestMatching:
    def test_class_matches_its_subclasses(self, api, bus, seen):
        class Mine(api.CreatedEvent):
            type: str = "mine"

        bus.subscribe(seen.sync, api.CreatedEvent)
        for event in (api.CreatedEvent(), Mine(), api.Event(type="created"), api.DeletedEvent()):
            bus.emit_sync(event)
        assert [type(event) for event in seen] == [api.CreatedEvent, Mine]

    def test_list_of_classes(self, api, bus, seen):
        bus.subscribe(seen.sync, event_types=[api.CreatedEvent, api.DeletedEvent])
        for event in (api.CreatedEvent(), api.ModifiedEvent(), api.DeletedEvent()):
            bus.emit_sync(event)
        assert seen.types == ["created", "deleted"]

    def test_class_made_after_the_subscription_matches(self, api, bus, seen):
        bus.subscribe(seen.sync, api.CreatedEvent)

        class Later(api.CreatedEvent):
            type: str = "later"

        bus.emit_sync(Later())
        assert seen.types == ["later"]

    def test_generic_alias_matches_as_its_class(self, api, bus, seen):
        bus.subscribe(seen.sync, api.CreatedEvent)
        bus.emit_sync(api.CreatedEvent[int]())
        assert len(seen) == 1

    def test_parametrised_class_is_matched_as_its_class_or_as_itself(self, api, bus, seen):
        bus.subscribe(seen.sync, api.CreatedEvent[int])
        parametrised = api.CreatedEvent[int]()
        bus.emit_sync(parametrised)
        bus.emit_sync(api.DeletedEvent())
        assert seen.one() is parametrised

    def test_user_subclass_of_a_parametrised_class(self, api, bus, seen):
        class Mine(api.CreatedEvent[int]):
            type: str = "mine"

        bus.subscribe(seen.sync, api.CreatedEvent)
        bus.emit_sync(Mine())
        assert seen.types == ["mine"]

    def test_pattern_is_matched_at_the_start(self, api, bus, seen):
        bus.subscribe(seen.sync, pattern=r"user\.")
        for name in ("user.created", "user.", "super user.created", "user", "userx"):
            bus.emit_sync(api.Event(type=name))
        assert seen.types == ["user.created", "user."]

    def test_pattern_is_a_regular_expression(self, api, bus, seen):
        bus.subscribe(seen.sync, pattern=r"(user|order)\.(created|deleted)$")
        for name in ("user.created", "order.deleted", "user.created.x", "item.created"):
            bus.emit_sync(api.Event(type=name))
        assert seen.types == ["user.created", "order.deleted"]

    def test_bad_pattern_raises_at_subscribe(self, api, bus, seen):
        with pytest.raises((ValueError, re.error)):
            bus.subscribe(seen.sync, pattern="(")
        bus.emit_sync(api.Event(type="("))
        assert seen == []

    def test_predicate(self, api, bus, seen):
        bus.subscribe(seen.sync, predicate=lambda event: event.pending_children > 1)
        for n in range(4):
            bus.emit_sync(api.Event(type=str(n), pending_children=n))
        assert seen.types == ["2", "3"]

    def test_predicate_result_is_taken_by_truth(self, api, bus, seen):
        bus.subscribe(seen.sync, predicate=lambda event: event.metadata)
        bus.emit_sync(api.Event(type="empty"))
        bus.emit_sync(api.Event(type="full", metadata={"k": 1}))
        assert seen.types == ["full"]

    def test_given_together_all_must_match(self, api, bus, seen):
        bus.subscribe(
            seen.sync,
            event_types=api.CreatedEvent,
            pattern="user",
            predicate=lambda event: event.error is None,
        )
        bus.emit_sync(api.CreatedEvent(type="user.created"))
        bus.emit_sync(api.CreatedEvent(type="order.created"))
        bus.emit_sync(api.DeletedEvent(type="user.created"))
        bus.emit_sync(api.CreatedEvent(type="user.created", error="e"))
        assert len(seen) == 1 and seen[0].error is None
        assert type(seen[0]) is api.CreatedEvent and seen[0].type == "user.created"

    def test_predicate_is_asked_only_for_what_the_rest_matches(self, api, bus, seen):
        asked = []

        def predicate(event):
            asked.append(event.type)
            return True

        bus.subscribe(seen.sync, event_types=api.CreatedEvent, predicate=predicate)
        bus.emit_sync(api.DeletedEvent())
        bus.emit_sync(api.CreatedEvent())
        assert asked == ["created"]

    def test_each_subscription_gets_an_event_once(self, api, bus, seen):
        bus.subscribe(seen.sync, event_types=[api.Event, api.CreatedEvent], pattern="c")
        bus.emit_sync(api.CreatedEvent())
        assert len(seen) == 1

    def test_each_handler_once_means_each_subscription(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)
        bus.subscribe(seen.sync, api.CreatedEvent)
        bus.emit_sync(api.CreatedEvent())
        assert len(seen) == 2

    def test_matching_happens_at_delivery(self, api, bus, seen):
        late, early = [], []
        subscription = bus.subscribe(early.append, api.Event)

        async def main():
            event = api.Event(type="before")
            bus.emit_sync(event)
            event.type = "after"
            bus.unsubscribe(subscription)
            bus.subscribe(late.append, pattern="after")
            await drained(bus)

        run(main())
        assert early == []
        assert len(late) == 1

    def test_type_changed_by_a_handler_before_does_not_break_delivery(self, api, bus, seen):
        def rename(event):
            event.type = "renamed"

        bus.subscribe(rename, api.Event, priority=100)
        bus.subscribe(seen.sync, api.Event, priority=1)
        bus.emit_sync(api.Event(type="x"))
        assert seen.types == ["renamed"]

    def test_odd_type_values_are_delivered_to_class_subscribers(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)
        event = api.Event(type="x")
        event.type = "unicode \N{SNOWMAN}" * 50
        bus.emit_sync(event)
        assert seen.one() is event

    def test_pydantic_based_event_reaches_its_subscribers(self, api, bus):
        pydantic = pytest.importorskip("pydantic")
        from uuid import UUID, uuid4

        class Old(pydantic.BaseModel):
            id: UUID = pydantic.Field(default_factory=uuid4)
            type: str = "old"
            phase: str = "completed"
            parent_id: UUID | None = None
            root_id: UUID | None = None
            lineage_id: UUID = pydantic.Field(default_factory=uuid4)

        by_class, by_pattern, by_predicate = [], [], []
        bus.subscribe(by_class.append, Old)
        bus.subscribe(by_pattern.append, pattern="old")
        bus.subscribe(by_predicate.append, predicate=lambda event: event.type == "old")
        event = Old()
        assert bus.emit_sync(event) is event
        assert by_class == by_pattern == by_predicate == [event]
        assert bus.get_event_by_id(event.id) == event
        assert bus.get_statistics()["event_counts"]["old"] == 1


class TestSubscribing:
    def test_gives_a_subscription(self, api, bus, seen):
        assert isinstance(bus.subscribe(seen.sync, api.Event), api.Subscription)

    def test_without_a_filter_is_an_error(self, bus, seen):
        with pytest.raises(ValueError):
            bus.subscribe(seen.sync)

    def test_unsubscribed_handler_is_not_called(self, api, bus, seen):
        subscription = bus.subscribe(seen.sync, api.Event)
        bus.emit_sync(api.Event(type="1"))
        bus.unsubscribe(subscription)
        bus.emit_sync(api.Event(type="2"))
        assert seen.types == ["1"]

    @pytest.mark.parametrize("filters", ["type", "pattern", "predicate"])
    def test_unsubscribing_twice_is_no_error(self, api, bus, seen, filters):
        options = {
            "type": {"event_types": api.Event},
            "pattern": {"pattern": "x"},
            "predicate": {"predicate": lambda event: True},
        }[filters]
        subscription = bus.subscribe(seen.sync, **options)
        bus.unsubscribe(subscription)
        bus.unsubscribe(subscription)
        bus.emit_sync(api.Event(type="x"))
        assert seen == []

    def test_unsubscribing_a_stranger_is_no_error(self, api, bus, make_bus, seen):
        theirs = make_bus().subscribe(seen.sync, api.Event)
        mine = bus.subscribe(seen.sync, api.Event)
        bus.unsubscribe(theirs)
        bus.emit_sync(api.Event(type="x"))
        assert len(seen) == 1
        bus.unsubscribe(mine)

    def test_only_that_subscription_ends(self, api, bus, seen):
        first = bus.subscribe(seen.sync, api.Event)
        bus.subscribe(seen.sync, api.Event)
        bus.unsubscribe(first)
        bus.emit_sync(api.Event(type="x"))
        assert len(seen) == 1

    def test_handler_may_unsubscribe_itself_and_others(self, api, bus, seen):
        def once(event):
            seen.append(event)
            bus.unsubscribe(mine)
            bus.unsubscribe(other)

        mine = bus.subscribe(once, api.Event, priority=100)
        victims = []
        other = bus.subscribe(victims.append, api.Event, priority=1)
        bus.emit_sync(api.Event(type="1"))
        bus.emit_sync(api.Event(type="2"))
        assert seen.types == ["1"]
        assert [event.type for event in victims] in ([], ["1"])

    def test_handler_may_subscribe(self, api, bus, seen):
        def handler(event):
            if event.type == "first":
                bus.subscribe(seen.sync, pattern="second")

        bus.subscribe(handler, api.Event)
        bus.emit_sync(api.Event(type="first"))
        bus.emit_sync(api.Event(type="second"))
        assert seen.types == ["second"]

    @pytest.mark.parametrize("kind_of", ["partial", "callable object", "bound method", "builtin"])
    def test_any_callable_is_a_handler(self, api, bus, kind_of):
        import functools

        got = []

        class Callable:
            def __call__(self, event):
                got.append(event)

            def method(self, event):
                got.append(event)

        handler = {
            "partial": functools.partial(lambda out, event: out.append(event), got),
            "callable object": Callable(),
            "bound method": Callable().method,
            "builtin": got.append,
        }[kind_of]
        bus.subscribe(handler, api.Event)
        bus.emit_sync(api.Event(type="x"))
        assert len(got) == 1

    @pytest.mark.parametrize("kind_of", ["partial", "callable object", "bound method"])
    def test_any_async_callable_is_a_handler(self, api, bus, kind_of):
        import functools

        got = []

        class Callable:
            async def __call__(self, event):
                await asyncio.sleep(0)
                got.append(event)

            async def method(self, event):
                await asyncio.sleep(0)
                got.append(event)

        async def two(out, event):
            await asyncio.sleep(0)
            out.append(event)

        handler = {
            "partial": functools.partial(two, got),
            "callable object": Callable(),
            "bound method": Callable().method,
        }[kind_of]
        bus.subscribe(handler, api.Event)
        bus.emit_sync(api.Event(type="x"))
        assert len(got) == 1


class TestWeak:
    def test_function_is_held_weakly(self, api, bus):
        got = []

        def handler(event):
            got.append(event)

        bus.subscribe(handler, api.Event, weak=True)
        bus.emit_sync(api.Event(type="1"))
        del handler
        import gc

        gc.collect()
        bus.emit_sync(api.Event(type="2"))
        assert [event.type for event in got] == ["1"]
        assert bus.get_statistics()["subscriptions"]["type_based"] == 0

    def test_bound_method_is_held_weakly_and_lives_as_long_as_its_object(self, api, bus):
        got = []

        class Owner:
            def handler(self, event):
                got.append(event.type)

        owner = Owner()
        bus.subscribe(owner.handler, api.Event, weak=True)
        import gc

        gc.collect()
        bus.emit_sync(api.Event(type="1"))
        del owner
        gc.collect()
        bus.emit_sync(api.Event(type="2"))
        assert got == ["1"]

    def test_strong_by_default(self, api, bus):
        got = []

        class Owner:
            def handler(self, event):
                got.append(event.type)

        bus.subscribe(Owner().handler, api.Event)
        import gc

        gc.collect()
        bus.emit_sync(api.Event(type="1"))
        assert got == ["1"]

    def test_weak_async_handler(self, api, bus):
        got = []

        async def handler(event):
            got.append(event.type)

        bus.subscribe(handler, api.Event, weak=True)
        bus.emit_sync(api.Event(type="1"))
        del handler
        import gc

        gc.collect()
        bus.emit_sync(api.Event(type="2"))
        assert got == ["1"]


class TestDefaultBus:
    def test_set_and_get(self, api, bus):
        assert api.get_event_bus() is bus

    def test_is_made_at_first_use_and_kept(self, api):
        assert api.get_event_bus() is api.get_event_bus()
        assert isinstance(api.get_event_bus(), api.EventBus)

    def test_replacing_it_moves_decorated_functions(self, api, bus, make_bus, seen):
        second = make_bus()
        second.subscribe(seen.sync, api.Event)

        @api.emit_events(created_factory=lambda result: api.CreatedEvent())
        def f():
            return 1

        f()
        api.set_event_bus(second)
        f()
        api.set_event_bus(bus)
        f()
        assert len(seen) == 1

    def test_get_inside_a_running_loop_starts_it(self, api, bus, seen):
        bus.subscribe(seen.asynchronous, api.Event)

        async def main():
            found = api.get_event_bus()
            await found.emit(api.Event(type="x"))
            await drained(bus)
            return found

        assert run(main()) is bus
        assert seen.types == ["x"]


class TestLifecycle:
    def test_stop_delivers_what_is_queued(self, api, bus, seen, kind):
        bus.subscribe(getattr(seen, kind), api.Event)

        async def main():
            await bus.start()
            for n in range(20):
                bus.emit_sync(api.Event(type=str(n)))
            await bus.stop()
            return len(seen)

        assert run(main()) == 20

    def test_the_next_emission_starts_it_again(self, api, bus, seen):
        bus.subscribe(seen.asynchronous, api.Event)

        async def main():
            await bus.start()
            await bus.stop()
            await bus.emit(api.Event(type="x"))
            await drained(bus)

        run(main())
        assert seen.types == ["x"]

    def test_start_and_stop_may_be_repeated(self, bus):
        async def main():
            for _ in range(3):
                await bus.start()
                await bus.start()
                await bus.stop()
                await bus.stop()

        run(main())

    def test_stop_inside_a_handler_does_not_wait(self, api, bus, seen):
        async def handler(event):
            if event.type == "stop":
                await bus.stop()
            seen.append(event)

        bus.subscribe(handler, api.Event)

        async def main():
            await bus.emit(api.Event(type="stop"))
            await bus.emit(api.Event(type="after"))
            await drained(bus)

        run(main())
        drain(bus)
        assert seen.types == ["stop", "after"]


def test_weakly_held_lambda_dies_at_once(api, bus):
    got = []
    bus.subscribe(lambda event: got.append(event), api.Event, weak=True)
    import gc

    gc.collect()
    bus.emit_sync(api.Event(type="x"))
    assert got == []
