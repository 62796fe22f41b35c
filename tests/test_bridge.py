"""The bridge functions: pairs of events about objects."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

import pytest

from onex_events import (
    CreatedEvent,
    CreatingEvent,
    DeletedEvent,
    DeletingEvent,
    Event,
    EventBus,
    EventPhase,
    ModifiedEvent,
    ModifyingEvent,
    ProcessedEvent,
    ProcessingEvent,
    StateTransitionEvent,
    ValidatedEvent,
    ValidatingEvent,
    bridge,
    get_current_parent_event,
    set_event_bus,
)
from onex_events.context import EventContextManager


@dataclass
class Doc:
    id: UUID = field(default_factory=uuid4)
    title: str = "old"


@pytest.fixture
def bus() -> Iterator[EventBus]:
    bus = EventBus(lazy=False)
    set_event_bus(bus)
    yield bus
    bus.close()
    set_event_bus(EventBus())


@pytest.fixture
def events(bus: EventBus) -> Any:
    """Runs a bridge function and returns (its answer, the events of it in order)."""
    seen: list[Any] = []

    bus.subscribe(seen.append, event_types=Event)

    def run(work: Coroutine[Any, Any, Any]) -> tuple[Any, list[Any]]:
        async def main() -> Any:
            answer = await work
            await bus.flush(5)
            return answer

        return asyncio.run(main()), seen

    return run


def started_and_child(seen: list[Any]) -> tuple[Any, Any]:
    """The first event and its child; the third is the first one's end."""
    first, second, last = seen
    assert first.phase is EventPhase.STARTED
    assert first.pending_children == 1
    assert second.parent_id == first.id
    assert second.root_id == (first.root_id or first.id)
    assert {event.lineage_id for event in seen} == {first.lineage_id}
    assert type(last) is type(first)
    assert (last.type, last.phase) == (first.type, EventPhase.COMPLETED)
    assert last.children_ids == [second.id]
    return first, second


# ---- the pairs ----


def test_creation(events):
    doc = Doc()
    answer, seen = events(bridge.emit_creation_events(doc, "import"))
    first, second = started_and_child(seen)
    assert (type(first), type(second)) == (CreatingEvent, CreatedEvent)
    assert second.created_id == doc.id
    for event in (first, second):
        assert (event.subject_type, event.subject_id) == (Doc, doc.id)
        assert event.metadata == {"operation": "import", "object_class": "Doc"}
    assert answer == seen[2]


def test_modification(events):
    doc = Doc(title="new")
    _, seen = events(bridge.emit_modification_events(doc, ["title", "gone"], {"title": "old"}))
    first, second = started_and_child(seen)
    assert (type(first), type(second)) == (ModifyingEvent, ModifiedEvent)
    assert first.fields == second.fields == ["title", "gone"]
    assert second.old_values == {"title": "old"}
    assert second.new_values == {"title": "new"}
    assert second.metadata == {"operation": "modify", "object_class": "Doc"}


def test_the_name_of_one_field_is_not_taken_for_a_list(events):
    with pytest.raises(TypeError, match="fields: a list of names"):
        events(bridge.emit_modification_events(Doc(), "title"))


def test_deletion(events):
    _, seen = events(bridge.emit_deletion_events(Doc()))
    first, second = started_and_child(seen)
    assert (type(first), type(second)) == (DeletingEvent, DeletedEvent)
    assert second.metadata == {"operation": "delete", "object_class": "Doc"}


def test_validation(events):
    _, seen = events(
        bridge.emit_validation_events(Doc(), "deep", is_valid=False, errors=["too long"])
    )
    first, second = started_and_child(seen)
    assert (type(first), type(second)) == (ValidatingEvent, ValidatedEvent)
    assert first.validation_type == second.validation_type == "deep"
    assert (second.is_valid, second.validation_errors) == (False, ["too long"])
    assert second.metadata["object_class"] == "Doc"


def test_processing(events):
    inputs, outputs = [Doc(), Doc()], [Doc()]
    _, seen = events(bridge.emit_processing_events("merge", inputs, outputs))
    first, second = started_and_child(seen)
    assert (type(first), type(second)) == (ProcessingEvent, ProcessedEvent)
    assert first.process_name == second.process_name == "merge"
    assert first.input_ids == [doc.id for doc in inputs]
    assert first.metadata["input_count"] == 2
    assert first.metadata["process_type"] == "functional"
    assert second.output_ids == [outputs[0].id]
    assert second.result_summary == {"input_count": 2, "output_count": 1, "success": True}
    assert (first.subject_type, first.subject_id) == (Doc, inputs[0].id)
    assert (second.subject_type, second.subject_id) == (Doc, inputs[0].id)


def test_processing_of_nothing_has_no_subject(events):
    _, seen = events(bridge.emit_processing_events("sweep"))
    first, second = started_and_child(seen)
    assert first.subject_type is None
    assert (first.input_ids, second.output_ids) == ([], [])


def test_processing_about_a_given_subject(events):
    subject = Doc()
    _, seen = events(bridge.emit_processing_events("merge", [Doc()], subject=subject))
    assert seen[1].subject_id == subject.id


def test_state_transition(events):
    class State(Enum):
        DRAFT = 1

    _, seen = events(
        bridge.emit_state_transition_events(Doc(), State.DRAFT, "published", "reviewed")
    )
    first, second = started_and_child(seen)
    assert (type(first), first.type) == (Event, "state.transitioning")
    assert type(second) is StateTransitionEvent
    assert second.phase is EventPhase.COMPLETED
    assert (second.from_state, second.to_state) == ("State.DRAFT", "published")
    assert second.transition_reason == "reviewed"


def test_a_simple_event(events):
    doc = Doc()
    answer, seen = events(bridge.emit_simple_event("doc.read", doc, {"by": "me"}))
    assert seen == [answer]
    assert (answer.type, answer.phase) == ("doc.read", EventPhase.COMPLETED)
    assert answer.subject_id == doc.id
    assert answer.metadata["by"] == "me"


def test_a_simple_event_about_nothing(events):
    answer, _ = events(bridge.emit_simple_event("tick"))
    assert answer.subject_type is None
    assert answer.metadata == {}


# ---- whose id ----


class WithEcsId:
    def __init__(self) -> None:
        self.id = 17
        self.ecs_id = uuid4()


class WithoutId:
    pass


def test_ecs_id_stands_in_for_an_id_that_is_no_uuid(events):
    subject = WithEcsId()
    _, seen = events(bridge.emit_deletion_events(subject))
    assert {event.subject_id for event in seen} == {subject.ecs_id}


def test_an_object_without_id_gets_one_for_the_whole_pair(events):
    _, seen = events(bridge.emit_creation_events(WithoutId()))
    (shared,) = {event.subject_id for event in seen}
    assert isinstance(shared, UUID)
    assert seen[1].created_id == shared


def test_ids_may_be_given_in_place_of_objects(events):
    ids = [uuid4(), uuid4()]
    _, seen = events(bridge.emit_processing_events("merge", ids, subject=Doc()))
    assert seen[0].input_ids == ids


def test_a_pair_descends_from_the_current_event(events):
    above = Event(type="above")

    async def inside() -> None:
        with EventContextManager(above):
            await bridge.emit_deletion_events(Doc())

    _, seen = events(inside())
    assert seen[0].parent_id == above.id
    assert seen[0].root_id == seen[1].root_id == above.id
    assert {event.lineage_id for event in seen} == {above.lineage_id}


# ---- emit_timed_operation ----


def timed_pair(seen: list[Any], end: str) -> tuple[Any, Any]:
    first, second, last = seen
    assert (first.type, first.phase) == ("job.started", EventPhase.STARTED)
    assert second.type == f"job.{end}"
    assert second.parent_id == first.id
    assert second.lineage_id == first.lineage_id == last.lineage_id
    assert first.metadata["operation"] == second.metadata["operation"] == "job"
    assert first.metadata["timed"] is second.metadata["timed"] is True
    assert second.duration_ms >= 0
    return first, second


def test_a_timed_function_gets_its_arguments_and_gives_its_result(events):
    doc = Doc()

    def work(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    answer, seen = events(bridge.emit_timed_operation("job", work, doc, 1, 2, key=3))
    assert answer == ((1, 2), {"key": 3})
    _, second = timed_pair(seen, "completed")
    assert second.phase is EventPhase.COMPLETED
    assert second.metadata["success"] is True
    assert second.subject_id == doc.id
    assert second.metadata["object_class"] == "Doc"


def test_a_timed_coroutine_function_is_awaited(events):
    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    answer, seen = events(bridge.emit_timed_operation("job", work))
    assert answer == "done"
    timed_pair(seen, "completed")


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_timed_functions_own_exception_reaches_the_caller(events, asynchronous):
    error = ValueError("mine")
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise error

    async def fail_later() -> None:
        fail()

    async def work() -> Any:
        with pytest.raises(ValueError) as caught:
            await bridge.emit_timed_operation("job", fail_later if asynchronous else fail)
        return caught.value

    answer, seen = events(work())
    assert answer is error
    assert calls == [1]
    _, second = timed_pair(seen, "failed")
    assert (second.phase, second.error) == (EventPhase.FAILED, "mine")
    assert second.metadata["success"] is False


def test_a_timed_function_runs_once_and_below_the_started_event(events):
    currents: list[Any] = []

    def work() -> None:
        currents.append(get_current_parent_event())

    _, seen = events(bridge.emit_timed_operation("job", work))
    assert [current.id for current in currents] == [seen[0].id]


def test_a_timed_function_runs_in_the_callers_task_and_context(events):
    var = contextvars.ContextVar("var", default="before")

    async def work() -> Any:
        var.set("after")
        return asyncio.current_task()

    async def main() -> None:
        assert await bridge.emit_timed_operation("job", work) is asyncio.current_task()
        assert var.get() == "after"
        assert get_current_parent_event() is None

    events(main())


def test_a_cancelled_timed_operation_ends_in_failed_and_stays_cancelled(events):
    async def main() -> None:
        running = asyncio.Event()

        async def work() -> None:
            running.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(bridge.emit_timed_operation("job", work))
        await running.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    _, seen = events(main())
    timed_pair(seen, "failed")


def test_a_timed_operation_that_the_loops_end_cancels_has_its_end_event(bus):
    seen: list[str] = []

    bus.subscribe(lambda event: seen.append(event.type), event_types=Event)

    async def main() -> None:
        running = asyncio.Event()

        async def work() -> None:
            running.set()
            await asyncio.Event().wait()

        global background
        background = asyncio.create_task(bridge.emit_timed_operation("job", work))
        await running.wait()

    asyncio.run(main())
    assert background.cancelled()
    bus.flush_sync(5)
    assert seen.count("job.started") >= 1
    assert seen.count("job.failed") == 1


def test_what_cannot_be_called_is_refused_before_any_event(events):
    async def main() -> None:
        with pytest.raises(TypeError, match="operation_func: a function is expected"):
            await bridge.emit_timed_operation("job", 3)  # type: ignore[arg-type]

    _, seen = events(main())
    assert seen == []
