"""Spec 1 §8: the bridge functions."""

import asyncio
from uuid import UUID, uuid4

import pytest

from .harness import drain, drained, run


class Thing:
    def __init__(self):
        self.id = uuid4()
        self.name = "old"
        self.size = 1


class Entity:
    def __init__(self):
        self.ecs_id = uuid4()


@pytest.fixture
def all_events(api, bus, seen):
    bus.subscribe(seen.sync, api.Event)
    return seen


@pytest.fixture
def thing():
    return Thing()


def _play(bus, coroutine):
    async def main():
        result = await coroutine
        await drained(bus)
        return result

    return run(main())


def _pair(api, events, first_type, second_type):
    """Checks what every pair has in common; gives its first and second event."""
    assert events.types == [first_type, second_type, first_type]
    started, second, completed = events
    assert started.phase is api.EventPhase.STARTED
    assert completed.phase is api.EventPhase.COMPLETED
    assert second.parent_id == started.id
    assert second.root_id == (started.root_id or started.id)
    assert started.lineage_id == second.lineage_id == completed.lineage_id
    return started, second


class TestPairs:
    def test_creation(self, api, bus, all_events, thing):
        _play(bus, api.emit_creation_events(thing))
        started, second = _pair(api, all_events, "creating", "created")
        assert isinstance(started, api.CreatingEvent) and isinstance(second, api.CreatedEvent)
        assert second.created_id == thing.id
        for event in (started, second):
            assert event.subject_type is Thing and event.subject_id == thing.id
            assert event.metadata["operation"] == "create"
            assert event.metadata["object_class"] == "Thing"

    def test_operation_name(self, api, bus, all_events, thing):
        _play(bus, api.emit_creation_events(thing, "register"))
        assert {event.metadata["operation"] for event in all_events} == {"register"}

    def test_modification(self, api, bus, all_events, thing):
        thing.name = "new"
        _play(bus, api.emit_modification_events(thing, ["name", "size"], {"name": "old"}))
        started, second = _pair(api, all_events, "modifying", "modified")
        assert started.fields == second.fields == ["name", "size"]
        assert second.old_values == {"name": "old"}
        assert second.new_values == {"name": "new", "size": 1}
        assert second.metadata["operation"] == "modify"

    def test_modification_without_old_values(self, api, bus, all_events, thing):
        _play(bus, api.emit_modification_events(thing, ["name"]))
        _, second = _pair(api, all_events, "modifying", "modified")
        assert second.old_values == {}

    def test_deletion(self, api, bus, all_events, thing):
        _play(bus, api.emit_deletion_events(thing))
        started, second = _pair(api, all_events, "deleting", "deleted")
        assert second.subject_id == thing.id
        assert started.metadata["operation"] == "delete"

    @pytest.mark.parametrize("is_valid", [True, False])
    def test_validation(self, api, bus, all_events, thing, is_valid):
        errors = None if is_valid else ["too small"]
        _play(bus, api.emit_validation_events(thing, "deep", is_valid, errors))
        started, second = _pair(api, all_events, "validating", "validated")
        assert started.validation_type == second.validation_type == "deep"
        assert second.is_valid is is_valid
        assert second.validation_errors == (errors or [])

    def test_processing(self, api, bus, all_events):
        inputs, outputs = [Thing(), Thing()], [Thing()]
        _play(bus, api.emit_processing_events("index", inputs, outputs))
        started, second = _pair(api, all_events, "processing", "processed")
        assert started.process_name == second.process_name == "index"
        assert started.input_ids == [thing.id for thing in inputs]
        assert second.output_ids == [thing.id for thing in outputs]
        assert started.metadata["input_count"] == 2
        assert started.metadata["process_type"] == "functional"
        assert second.result_summary == {"input_count": 2, "output_count": 1, "success": True}
        assert started.subject_type is Thing and started.subject_id == inputs[0].id

    def test_processing_with_a_subject(self, api, bus, all_events, thing):
        _play(bus, api.emit_processing_events("index", [Entity()], subject=thing))
        started, _ = _pair(api, all_events, "processing", "processed")
        assert started.subject_id == thing.id

    def test_processing_of_nothing(self, api, bus, all_events):
        _play(bus, api.emit_processing_events("index"))
        started, second = _pair(api, all_events, "processing", "processed")
        assert started.input_ids == [] and second.output_ids == []
        assert second.result_summary["input_count"] == 0
        assert second.result_summary["output_count"] == 0

    def test_state_transition(self, api, bus, all_events, thing):
        _play(bus, api.emit_state_transition_events(thing, "new", "ready", "warm"))
        started, second = _pair(api, all_events, "state.transitioning", "state_transition")
        assert isinstance(second, api.StateTransitionEvent)
        assert (second.from_state, second.to_state) == ("new", "ready")
        assert second.transition_reason == "warm"
        assert started.subject_id == thing.id


class TestIdentity:
    def test_ecs_id(self, api, bus, all_events):
        entity = Entity()
        _play(bus, api.emit_creation_events(entity))
        assert all_events[1].created_id == entity.ecs_id
        assert all_events[1].subject_type is Entity

    def test_object_without_an_id_gets_a_fresh_one(self, api, bus, all_events):
        _play(bus, api.emit_deletion_events(object()))
        assert isinstance(all_events[0].subject_id, UUID)
        assert all_events[0].subject_id == all_events[1].subject_id

    def test_is_a_child_of_the_current_event_or_a_root(self, api, bus, all_events, thing):
        _play(bus, api.emit_creation_events(thing))
        assert all_events[0].parent_id is None


class TestTimedOperation:
    @pytest.mark.parametrize("asynchronous", [False, True])
    def test_success(self, api, bus, all_events, thing, asynchronous):
        calls = []

        async def awaited(a, b):
            await asyncio.sleep(0)
            calls.append(1)
            return a + b

        def called(a, b):
            calls.append(1)
            return a + b

        result = _play(
            bus,
            api.emit_timed_operation("add", awaited if asynchronous else called, thing, 1, b=2),
        )
        assert result == 3
        assert calls == [1]
        assert "add.started" in all_events.types and "add.completed" in all_events.types
        end = all_events.of("add.completed")
        assert end.metadata["operation"] == "add"
        assert end.metadata["timed"] is True
        assert end.metadata["success"] is True
        assert end.duration_ms >= 0
        start = next(event for event in all_events if event.type == "add.started")
        assert end.parent_id == start.id
        assert end.lineage_id == start.lineage_id
        assert end.subject_id == thing.id

    @pytest.mark.parametrize("asynchronous", [False, True])
    def test_failure_reaches_the_caller(self, api, bus, all_events, asynchronous):
        error = ValueError("own")
        calls = []

        async def awaited():
            calls.append(1)
            raise error

        def called():
            calls.append(1)
            raise error

        with pytest.raises(ValueError, match="own") as caught:
            _play(bus, api.emit_timed_operation("work", awaited if asynchronous else called))
        drain(bus)
        assert caught.value is error
        assert calls == [1]
        end = all_events.of("work.failed")
        assert end.metadata["success"] is False
        assert end.error == "own"
        assert end.duration_ms >= 0
        assert "work.completed" not in all_events.types

    def test_result_none_without_an_object(self, api, bus, all_events):
        assert _play(bus, api.emit_timed_operation("work", lambda: None)) is None
        assert all_events.of("work.completed").metadata["success"] is True

    def test_cancellation_reaches_the_caller(self, api, bus, all_events):
        async def forever():
            await asyncio.Event().wait()

        async def main():
            task = asyncio.create_task(api.emit_timed_operation("work", forever))
            for _ in range(5):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        run(main())
        drain(bus)
        assert "work.completed" not in all_events.types


class TestSimpleEvent:
    def test_one_completed_event(self, api, bus, all_events, thing):
        _play(bus, api.emit_simple_event("thing.seen", thing, {"k": 1}))
        event = all_events.one()
        assert event.type == "thing.seen"
        assert event.phase is api.EventPhase.COMPLETED
        assert event.subject_id == thing.id and event.subject_type is Thing
        assert event.metadata["k"] == 1

    def test_without_an_object(self, api, bus, all_events):
        _play(bus, api.emit_simple_event("tick"))
        event = all_events.one()
        assert event.type == "tick"
        assert event.phase is api.EventPhase.COMPLETED
