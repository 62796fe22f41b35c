"""Spec 1 §2: the history, its indices, the statistics and the subscription views."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from .harness import drain, drained, identity, run

START = datetime(2024, 1, 1, tzinfo=UTC)


def handle(event):
    """A handler with a module and a name."""


async def handle_async(event):
    """An async handler with a module and a name."""


def _emit(api, bus, count, **fields):
    events = [
        api.Event(type=str(n), timestamp=START + timedelta(seconds=n), **fields)
        for n in range(count)
    ]
    for event in events:
        bus.emit_sync(event)
    drain(bus)
    return events


class TestHistory:
    def test_oldest_first(self, api, bus):
        _emit(api, bus, 5)
        assert [event.type for event in bus.get_history()] == ["0", "1", "2", "3", "4"]

    def test_events_are_recorded_whether_or_not_anyone_listens(self, api, bus, seen):
        event = bus.emit_sync(api.Event(type="unheard"))
        assert bus.get_history() == [event]

    def test_limit_gives_the_newest(self, api, bus):
        _emit(api, bus, 5)
        assert [event.type for event in bus.get_history(limit=2)] == ["3", "4"]
        assert len(bus.get_history(limit=100)) == 5
        assert [event.type for event in bus.get_history(2)] == ["3", "4"]

    def test_event_type_filters_by_class(self, api, bus):
        for event in (api.CreatedEvent(), api.Event(type="x"), api.CreatedEvent()):
            bus.emit_sync(event)
        found = bus.get_history(event_type=api.CreatedEvent)
        assert [event.type for event in found] == ["created", "created"]
        assert len(bus.get_history(event_type=api.Event)) == 3

    def test_since(self, api, bus):
        _emit(api, bus, 5)
        found = bus.get_history(since=START + timedelta(seconds=2.5))
        assert [event.type for event in found] == ["3", "4"]

    def test_filters_together(self, api, bus):
        _emit(api, bus, 5)
        bus.emit_sync(api.CreatedEvent(timestamp=START + timedelta(seconds=10)))
        found = bus.get_history(limit=2, event_type=api.Event, since=START + timedelta(seconds=2.5))
        assert [event.type for event in found] == ["4", "created"]

    def test_limit_applies_after_the_filters(self, api, bus):
        bus.emit_sync(api.CreatedEvent())
        _emit(api, bus, 5)
        assert len(bus.get_history(limit=1, event_type=api.CreatedEvent)) == 1

    def test_is_a_copy(self, api, bus):
        _emit(api, bus, 2)
        bus.get_history().clear()
        assert len(bus.get_history()) == 2

    def test_later_changes_of_what_it_gives_do_not_reach_it(self, api, bus):
        bus.emit_sync(api.Event(type="x", metadata={"k": []}))
        bus.get_history()[0].metadata["k"].append(1)
        assert bus.get_history()[0].metadata == {"k": []}

    def test_bounded_by_history_size(self, api, make_bus):
        bus = make_bus(history_size=10)
        events = _emit(api, bus, 25)
        assert [event.type for event in bus.get_history()] == [str(n) for n in range(15, 25)]
        assert bus.get_event_by_id(events[14].id) is None
        assert bus.get_event_by_id(events[15].id) == events[15]
        assert bus.get_statistics()["total_events"] == 25

    def test_size_may_be_given_by_position(self, api, lazy):
        bus = api.EventBus(2, lazy=lazy)
        _emit(api, bus, 5)
        assert len(bus.get_history()) == 2
        bus.close()

    def test_no_history_at_all(self, api, make_bus, seen):
        bus = make_bus(history_size=0)
        bus.subscribe(seen.sync, api.Event)
        (event,) = _emit(api, bus, 1)
        assert bus.get_history() == []
        assert bus.get_event_by_id(event.id) is None
        assert seen == [event]

    def test_events_of_a_bounded_history_are_released(self, api, make_bus):
        import gc
        import weakref

        bus = make_bus(history_size=5)
        parent = uuid4()
        gone = []
        for n in range(50):
            event = api.Event(type=f"type {n}", parent_id=parent if n % 2 else uuid4())
            gone.append(weakref.ref(event))
            bus.emit_sync(event)
            del event
        drain(bus)
        gc.collect()
        assert sum(reference() is not None for reference in gone) <= 6

    def test_history_while_events_are_being_handled(self, api, bus):
        found = []
        bus.subscribe(lambda event: found.append(len(bus.get_history())), api.Event)
        _emit(api, bus, 3)
        assert found in ([1, 2, 3], [0, 1, 2])


class TestIndices:
    def test_by_id(self, api, bus):
        first, second = _emit(api, bus, 2)
        assert bus.get_event_by_id(second.id) == second
        assert bus.get_event_by_id(first.id) == first

    def test_unknown_id(self, api, bus):
        _emit(api, bus, 1)
        assert bus.get_event_by_id(uuid4()) is None

    def test_by_id_gives_a_deep_copy(self, api, bus):
        event = bus.emit_sync(api.Event(type="x", metadata={"k": []}))
        found = bus.get_event_by_id(event.id)
        assert found is not event
        found.metadata["k"].append(1)
        found.type = "changed"
        assert event.metadata == {"k": []}
        assert bus.get_event_by_id(event.id).metadata == {"k": []}
        assert bus.get_event_by_id(event.id).type == "x"

    def test_children_in_order(self, api, bus):
        parent = bus.emit_sync(api.Event(type="parent"))
        children = _emit(api, bus, 3, parent_id=parent.id)
        bus.emit_sync(api.Event(type="stranger", parent_id=uuid4()))
        assert bus.get_children(parent.id) == children
        assert bus.get_children(children[0].id) == []
        assert bus.get_children(uuid4()) == []

    def test_children_are_deep_copies(self, api, bus):
        parent = bus.emit_sync(api.Event(type="parent"))
        child = bus.emit_sync(api.Event(type="c", parent_id=parent.id, metadata={"k": []}))
        (found,) = bus.get_children(parent.id)
        found.metadata["k"].append(1)
        assert child.metadata == {"k": []}
        assert bus.get_children(parent.id)[0].metadata == {"k": []}

    def test_siblings_include_itself(self, api, bus):
        parent = bus.emit_sync(api.Event(type="parent"))
        children = _emit(api, bus, 3, parent_id=parent.id)
        assert bus.get_siblings(children[1].id) == children

    def test_siblings_of_a_parentless_event(self, api, bus):
        events = _emit(api, bus, 3)
        assert bus.get_siblings(events[1].id) == [events[1]]

    def test_siblings_of_an_unknown_event(self, api, bus):
        _emit(api, bus, 1)
        assert bus.get_siblings(uuid4()) == []

    def test_siblings_are_deep_copies(self, api, bus):
        event = bus.emit_sync(api.Event(type="x", metadata={"k": []}))
        bus.get_siblings(event.id)[0].metadata["k"].append(1)
        assert bus.get_event_by_id(event.id).metadata == {"k": []}

    def test_children_are_bounded_by_history_size(self, api, make_bus):
        bus = make_bus(history_size=10)
        parent = bus.emit_sync(api.Event(type="parent"))
        children = _emit(api, bus, 25, parent_id=parent.id)
        assert bus.get_children(parent.id) == children[-10:]

    def test_same_id_twice_finds_the_newest(self, api, bus):
        event = api.Event(type="x")
        bus.emit_sync(event)
        later = bus.emit_sync(event.evolve(id=event.id, phase="completed"))
        assert bus.get_event_by_id(event.id) == later


class TestStatistics:
    def test_keys(self, api, bus):
        stats = bus.get_statistics()
        assert {
            "total_events",
            "event_counts",
            "pending_parents",
            "history_size",
            "queue_size",
            "processing",
            "subscriptions",
            "emitted",
            "handled",
            "dropped",
            "in_flight",
            "handler_errors",
            "handler_stats",
        } <= set(stats)
        assert set(stats["subscriptions"]) == {"type_based", "pattern_based", "predicate_based"}

    def test_fresh_bus_counts_nothing(self, api, bus):
        stats = bus.get_statistics()
        for key in ("total_events", "pending_parents", "queue_size", "emitted", "handled"):
            assert stats[key] == 0
        assert stats["event_counts"] == {} and stats["handler_stats"] == {}
        assert sum(stats["dropped"].values()) == 0
        assert stats["subscriptions"] == {
            "type_based": 0,
            "pattern_based": 0,
            "predicate_based": 0,
        }

    def test_events_are_counted_by_type(self, api, bus):
        for name in ("a", "b", "a"):
            bus.emit_sync(api.Event(type=name))
        bus.emit_sync(api.CreatedEvent())
        stats = identity(bus)
        assert stats["event_counts"] == {"a": 2, "b": 1, "created": 1}
        assert stats["total_events"] == 4
        assert stats["emitted"] == stats["handled"] == 4

    def test_subscriptions_are_counted_by_kind(self, api, bus, seen):
        made = [
            bus.subscribe(seen.sync, api.Event),
            bus.subscribe(seen.sync, api.CreatedEvent),
            bus.subscribe(seen.sync, pattern="x"),
            bus.subscribe(seen.sync, predicate=lambda event: True),
        ]
        assert bus.get_statistics()["subscriptions"] == {
            "type_based": 2,
            "pattern_based": 1,
            "predicate_based": 1,
        }
        for subscription in made:
            bus.unsubscribe(subscription)
        assert bus.get_statistics()["subscriptions"] == {
            "type_based": 0,
            "pattern_based": 0,
            "predicate_based": 0,
        }

    def test_queue_is_seen_while_it_waits(self, api, bus, seen):
        bus.subscribe(seen.asynchronous, api.Event)

        async def main():
            for _ in range(5):
                bus.emit_sync(api.Event(type="x"))
            stats = identity(bus)
            assert stats["emitted"] == 5
            assert stats["queue_size"] + stats["in_flight"] + stats["handled"] == 5
            await drained(bus)
            return stats

        assert run(main())["queue_size"] > 0
        assert identity(bus)["handled"] == 5

    def test_identity_holds_inside_a_handler(self, api, bus):
        found = []
        bus.subscribe(lambda event: found.append(identity(bus)), api.Event)
        bus.emit_sync(api.Event(type="x"))
        (stats,) = found
        assert stats["in_flight"] == 1 and stats["handled"] == 0

    def test_identity_holds_inside_an_async_handler(self, api, bus):
        found = []

        async def handler(event):
            found.append(identity(bus))

        bus.subscribe(handler, api.Event)

        async def main():
            bus.emit_sync(api.Event(type="x"))
            bus.emit_sync(api.Event(type="y"))
            await drained(bus)

        run(main())
        assert [stats["in_flight"] for stats in found] == [1, 1]
        assert [stats["handled"] for stats in found] == [0, 1]

    def test_handler_stats(self, api, bus):
        bus.subscribe(handle, api.Event)
        bus.subscribe(handle_async, api.CreatedEvent)
        for _ in range(3):
            bus.emit_sync(api.Event(type="x"))
        bus.emit_sync(api.CreatedEvent())
        stats = bus.get_statistics()["handler_stats"]
        assert set(stats) == {f"{__name__}.handle", f"{__name__}.handle_async"}
        mine = stats[f"{__name__}.handle"]
        assert set(mine) == {"count", "avg_ms", "max_ms", "min_ms"}
        assert mine["count"] == 4
        assert 0 <= mine["min_ms"] <= mine["avg_ms"] <= mine["max_ms"] < 1000
        assert stats[f"{__name__}.handle_async"]["count"] == 1

    def test_statistics_are_a_snapshot(self, api, bus):
        before = bus.get_statistics()
        before["event_counts"]["x"] = 99
        bus.emit_sync(api.Event(type="x"))
        assert before["emitted"] == 0
        assert bus.get_statistics()["event_counts"] == {"x": 1}


class TestViews:
    def test_are_empty_on_a_fresh_bus(self, bus):
        assert len(bus._type_subscriptions) == 0
        assert len(bus._pattern_subscriptions) == 0
        assert len(bus._predicate_subscriptions) == 0
        assert not bus._type_subscriptions

    def test_show_what_is_subscribed(self, api, bus, seen):
        by_type = bus.subscribe(seen.sync, [api.CreatedEvent, api.DeletedEvent])
        by_pattern = bus.subscribe(seen.sync, pattern="x")
        by_predicate = bus.subscribe(seen.sync, predicate=lambda event: True)
        assert api.CreatedEvent in bus._type_subscriptions
        assert api.DeletedEvent in bus._type_subscriptions
        assert api.ModifiedEvent not in bus._type_subscriptions
        assert by_type in bus._type_subscriptions[api.CreatedEvent]
        assert by_pattern in bus._pattern_subscriptions
        assert by_predicate in bus._predicate_subscriptions
        assert len(bus._pattern_subscriptions) == len(bus._predicate_subscriptions) == 1

    def test_follow_unsubscribing(self, api, bus, seen):
        subscription = bus.subscribe(seen.sync, api.CreatedEvent)
        other = bus.subscribe(seen.sync, pattern="x")
        bus.unsubscribe(subscription)
        bus.unsubscribe(other)
        assert not bus._type_subscriptions.get(api.CreatedEvent)
        assert len(bus._pattern_subscriptions) == 0

    def test_can_be_walked(self, api, bus, seen):
        subscription = bus.subscribe(seen.sync, api.CreatedEvent)
        assert [(cls, list(found)) for cls, found in bus._type_subscriptions.items() if found] == [
            (api.CreatedEvent, [subscription])
        ]


class TestRecordMode:
    def test_lazy_can_be_switched_off_by_the_environment(self, api):
        import subprocess
        import sys

        source = (
            f"import {api.__name__} as onex\n"
            "made = []\n"
            "@onex.emit_events(created_factory=lambda r: made.append(r) or onex.CreatedEvent())\n"
            "def f(): return 1\n"
            "f()\n"
            "onex.get_event_bus().flush_sync(10)\n"
            "print(len(made), len(onex.get_event_bus().get_history()))\n"
        )
        import os

        for value, expected in (("0", "1 1"), ("1", "0 0"), (None, "0 0")):
            environment = dict(os.environ)
            environment.pop("ONEX_EVENTS_LAZY", None)
            if value is not None:
                environment["ONEX_EVENTS_LAZY"] = value
            done = subprocess.run(
                [sys.executable, "-c", source],
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert done.stdout.strip() == expected, (value, done.stderr)

    def test_record_makes_history_a_listener(self, api):
        bus = api.EventBus(lazy=True)
        api.set_event_bus(bus)
        calls = []

        @api.emit_events(created_factory=lambda r, n: calls.append(r) or api.CreatedEvent())
        def f(n):
            return n

        f(1)
        bus.record(True)
        f(2)
        bus.record(False)
        f(3)
        assert calls == [2]
        assert [event.type for event in bus.get_history()] == ["created"]
        bus.close()
        api.set_event_bus(api.EventBus())


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_history_ring_wraps_exactly(api, make_bus, size):
    bus = make_bus(history_size=size)
    events = _emit(api, bus, 20)
    assert bus.get_history() == events[-size:]
    for event in events[-size:]:
        assert bus.get_event_by_id(event.id) == event
    for event in events[:-size] if size < 20 else []:
        assert bus.get_event_by_id(event.id) is None
