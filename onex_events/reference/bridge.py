"""Events about any object, without decorating anything (spec 1, section 8).

The object is the subject by its class and its ``id`` or ``ecs_id`` (a UUID, else a fresh one). Of a
pair of events the first is the parent, returned as it was at the end, and the second its child in
the same lineage; where an event is current, the pair descends from it.
"""

import inspect
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from uuid import UUID, uuid4

from .bus import get_event_bus
from .context import get_current_parent_event, link
from .events import (
    CreatedEvent,
    CreatingEvent,
    DeletedEvent,
    DeletingEvent,
    Event,
    EventPhase,
    ModifiedEvent,
    ModifyingEvent,
    ProcessedEvent,
    ProcessingEvent,
    StateTransitionEvent,
    ValidatedEvent,
    ValidatingEvent,
)

__all__ = [
    "emit_creation_events",
    "emit_deletion_events",
    "emit_modification_events",
    "emit_processing_events",
    "emit_simple_event",
    "emit_state_transition_events",
    "emit_timed_operation",
    "emit_validation_events",
]

R = TypeVar("R")


async def emit_creation_events(obj: Any, operation_name: str = "create") -> Any:
    """CreatingEvent, then CreatedEvent with the object's id."""
    about = _about(obj, operation_name)
    created_id = about["subject_id"]
    return await _emit_pair(
        CreatingEvent(**about), lambda: CreatedEvent(created_id=created_id, **about)
    )


async def emit_modification_events(
    obj: Any,
    fields: Iterable[str],
    old_values: Mapping[str, Any] | None = None,
    operation_name: str = "modify",
) -> Any:
    """ModifyingEvent, then ModifiedEvent with the values that ``obj`` has in ``fields`` then."""
    if isinstance(fields, str):
        raise TypeError(
            f"emit_modification_events: argument 'fields' is the string {fields!r}, "
            "expected a list of names"
        )
    names = list(fields)
    about = _about(obj, operation_name)

    def modified() -> Any:
        return ModifiedEvent(
            fields=names,
            old_values=dict(old_values or {}),
            new_values={name: getattr(obj, name) for name in names if hasattr(obj, name)},
            **about,
        )

    return await _emit_pair(ModifyingEvent(fields=names, **about), modified)


async def emit_deletion_events(obj: Any, operation_name: str = "delete") -> Any:
    """DeletingEvent, then DeletedEvent."""
    about = _about(obj, operation_name)
    return await _emit_pair(DeletingEvent(**about), lambda: DeletedEvent(**about))


async def emit_validation_events(
    obj: Any,
    validation_type: str = "schema",
    is_valid: bool = True,
    errors: Iterable[str] | None = None,
) -> Any:
    """ValidatingEvent, then ValidatedEvent with the outcome."""
    about = {**_about(obj, "validate"), "validation_type": validation_type}
    return await _emit_pair(
        ValidatingEvent(**about),
        lambda: ValidatedEvent(is_valid=is_valid, validation_errors=list(errors or ()), **about),
    )


async def emit_processing_events(
    process_name: str,
    inputs: Iterable[Any] | None = None,
    outputs: Iterable[Any] | None = None,
    subject: Any = None,
) -> Any:
    """ProcessingEvent with the ids of ``inputs``, then ProcessedEvent with those of ``outputs``.

    The subject is ``subject``, else the first input, else there is none.
    """
    given, made = list(inputs or ()), list(outputs or ())
    input_ids = [_id_of(one) for one in given]
    about: dict[str, Any] = {"metadata": {"operation": process_name}}
    if subject is not None:
        about = _about(subject, process_name)
    elif given:
        about = _about(given[0], process_name)
        about["subject_id"] = input_ids[0]
    metadata = {**about["metadata"], "input_count": len(given), "process_type": "functional"}
    return await _emit_pair(
        ProcessingEvent(
            process_name=process_name, input_ids=input_ids, **{**about, "metadata": metadata}
        ),
        lambda: ProcessedEvent(
            process_name=process_name,
            output_ids=[_id_of(one) for one in made],
            result_summary={
                "input_count": len(given),
                "output_count": len(made),
                "success": True,
            },
            **about,
        ),
    )


async def emit_state_transition_events(
    obj: Any, from_state: Any, to_state: Any, transition_reason: str | None = None
) -> Any:
    """An Event of type ``state.transitioning``, then StateTransitionEvent; states as text."""
    about = _about(obj, "state_transition")
    return await _emit_pair(
        Event(type="state.transitioning", phase=EventPhase.STARTED, **about),
        lambda: StateTransitionEvent(
            phase=EventPhase.COMPLETED,
            from_state=from_state if isinstance(from_state, str) else str(from_state),
            to_state=to_state if isinstance(to_state, str) else str(to_state),
            transition_reason=transition_reason,
            **about,
        ),
    )


async def emit_timed_operation(
    operation_name: str,
    operation_func: Callable[..., Any],
    obj: Any = None,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Run ``operation_func(*args, **kwargs)`` once and return its result.

    ``<operation_name>.started`` comes before it and is current while it runs, then
    ``<operation_name>.completed`` or ``.failed`` with ``duration_ms``. What the function raises
    reaches the caller.
    """
    if not callable(operation_func):
        raise TypeError(
            f"emit_timed_operation: argument 'operation_func' is {operation_func!r}, "
            "expected a callable"
        )
    about = {} if obj is None else _about(obj, operation_name)
    metadata = {**about.get("metadata", {"operation": operation_name}), "timed": True}
    outcome: list[Any] = []
    raised: list[BaseException] = []

    async def ended() -> Any:
        began = time.perf_counter()
        try:
            result = operation_func(*args, **kwargs)
            outcome.append(await result if inspect.isawaitable(result) else result)
        except BaseException as error:
            raised.append(error)
        lasted = (time.perf_counter() - began) * 1000
        succeeded = not raised
        return Event(
            type=f"{operation_name}.{'completed' if succeeded else 'failed'}",
            phase=EventPhase.COMPLETED if succeeded else EventPhase.FAILED,
            error=None if succeeded else str(raised[0]),
            duration_ms=lasted,
            **{**about, "metadata": {**metadata, "success": succeeded}},
        )

    started: Event[Any] = Event(
        type=f"{operation_name}.started",
        phase=EventPhase.STARTED,
        **{**about, "metadata": metadata},
    )
    await _emit_pair(started, ended)
    if raised:
        raise raised[0]
    return outcome[0]


async def emit_simple_event(
    event_type: str, obj: Any = None, metadata: Mapping[str, Any] | None = None
) -> Any:
    """One Event of that type, phase COMPLETED."""
    about: dict[str, Any] = {"metadata": dict(metadata or {})}
    if obj is not None:
        about["subject_type"], about["subject_id"] = type(obj), _id_of(obj)
        about["metadata"].setdefault("object_class", type(obj).__name__)
    event: Event[Any] = Event(type=event_type, phase=EventPhase.COMPLETED, **about)
    return await get_event_bus().emit(_placed(event))


async def _emit_pair(parent: Any, make_child: Callable[[], Any]) -> Any:
    """Emit both; ``make_child`` makes the second, as a coroutine or not."""
    _placed(parent)

    async def child() -> Any:
        made = make_child()
        if inspect.isawaitable(made):
            made = await made
        made.lineage_id = parent.lineage_id
        return made

    return await get_event_bus().emit_with_children(parent, [child])


def _placed(event: Any) -> Any:
    """The event, linked to the current one where there is one."""
    current = get_current_parent_event()
    if current is not None:
        link(event, current, getattr(current, "lineage_id", None))
    return event


def _about(obj: Any, operation_name: str) -> dict[str, Any]:
    return {
        "subject_type": type(obj),
        "subject_id": _id_of(obj),
        "metadata": {"operation": operation_name, "object_class": type(obj).__name__},
    }


def _id_of(obj: Any) -> UUID:
    if isinstance(obj, UUID):
        return obj
    for name in ("id", "ecs_id"):
        value = getattr(obj, name, None)
        if isinstance(value, UUID):
            return value
    return uuid4()
