"""Events about objects, for code that is not decorated: spec 1 section 8.

Each function says of any object what happens to it: the object is the events'
subject, by its class and by its ``id`` or ``ecs_id`` (whichever is a UUID;
else by a fresh UUID that the events of the call share).  The pairs go through
:meth:`EventBus.emit_with_children` of the default bus: the first event is the
parent, the second its child, both of one ``lineage_id``; the answer is the
parent as it was emitted at the end.  Where an event is current, the pair
descends from it.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID, uuid4

from .bus import get_event_bus
from .context import EventContextManager, get_current_parent_event
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

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

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


async def emit_creation_events(obj: object, operation_name: str = "create") -> Event[Any]:
    """Emit CreatingEvent, then CreatedEvent with ``created_id`` = the object's id."""
    subject = _subject(obj)
    shared = {**subject, "metadata": _metadata(obj, operation_name)}
    parent: CreatingEvent[Any] = CreatingEvent(**_place(), **shared)
    return await _emit_pair(
        parent, lambda: CreatedEvent(created_id=subject["subject_id"], **_same(parent), **shared)
    )


async def emit_modification_events(
    obj: object,
    fields: Iterable[str],
    old_values: Mapping[str, Any] | None = None,
    operation_name: str = "modify",
) -> Event[Any]:
    """Emit ModifyingEvent, then ModifiedEvent, about the ``fields`` of ``obj``.

    ``new_values`` are what ``obj`` holds in those fields when the second
    event is made; a field that it lacks is left out.
    """
    names = _field_names(fields)
    shared = {**_subject(obj), "fields": names, "metadata": _metadata(obj, operation_name)}
    parent: ModifyingEvent[Any] = ModifyingEvent(**_place(), **shared)
    return await _emit_pair(
        parent,
        lambda: ModifiedEvent(
            old_values=dict(old_values or {}),
            new_values={name: getattr(obj, name) for name in names if hasattr(obj, name)},
            **_same(parent),
            **shared,
        ),
    )


async def emit_deletion_events(obj: object, operation_name: str = "delete") -> Event[Any]:
    """Emit DeletingEvent, then DeletedEvent."""
    shared = {**_subject(obj), "metadata": _metadata(obj, operation_name)}
    parent: DeletingEvent[Any] = DeletingEvent(**_place(), **shared)
    return await _emit_pair(parent, lambda: DeletedEvent(**_same(parent), **shared))


async def emit_validation_events(
    obj: object,
    validation_type: str = "schema",
    is_valid: bool = True,
    errors: Iterable[str] | None = None,
) -> Event[Any]:
    """Emit ValidatingEvent, then ValidatedEvent with what came out."""
    shared = {
        **_subject(obj),
        "validation_type": validation_type,
        "metadata": _metadata(obj, "validate"),
    }
    parent: ValidatingEvent[Any] = ValidatingEvent(**_place(), **shared)
    return await _emit_pair(
        parent,
        lambda: ValidatedEvent(
            is_valid=is_valid, validation_errors=list(errors or ()), **_same(parent), **shared
        ),
    )


async def emit_processing_events(
    process_name: str,
    inputs: Iterable[object] | None = None,
    outputs: Iterable[object] | None = None,
    subject: object | None = None,
) -> Event[Any]:
    """Emit ProcessingEvent (ids of ``inputs``), then ProcessedEvent (ids of ``outputs``).

    The subject is ``subject``, else the first input, else there is none.
    """
    given = list(inputs or ())
    made = list(outputs or ())
    input_ids = [_id_of(one) for one in given]
    metadata: dict[str, Any] = {"operation": process_name}
    about: dict[str, Any] = {}
    if subject is not None:
        about = _subject(subject)
    elif given:
        about = {"subject_type": type(given[0]), "subject_id": input_ids[0]}
    if about:
        metadata["object_class"] = about["subject_type"].__name__
    shared = {**about, "process_name": process_name}
    parent: ProcessingEvent[Any] = ProcessingEvent(
        input_ids=input_ids,
        metadata={**metadata, "input_count": len(given), "process_type": "functional"},
        **_place(),
        **shared,
    )
    return await _emit_pair(
        parent,
        lambda: ProcessedEvent(
            output_ids=[_id_of(one) for one in made],
            result_summary={
                "input_count": len(given),
                "output_count": len(made),
                "success": True,
            },
            metadata=metadata,
            **_same(parent),
            **shared,
        ),
    )


async def emit_state_transition_events(
    obj: object, from_state: object, to_state: object, transition_reason: str | None = None
) -> Event[Any]:
    """Emit an Event of type ``state.transitioning``, then a StateTransitionEvent.

    States that are no strings (Enum members, say) are named by ``str()``.
    """
    shared = {**_subject(obj), "metadata": _metadata(obj, "state_transition")}
    parent: Event[Any] = Event(
        type="state.transitioning", phase=EventPhase.STARTED, **_place(), **shared
    )
    return await _emit_pair(
        parent,
        lambda: StateTransitionEvent(
            phase=EventPhase.COMPLETED,
            from_state=from_state if isinstance(from_state, str) else str(from_state),
            to_state=to_state if isinstance(to_state, str) else str(to_state),
            transition_reason=transition_reason,
            **_same(parent),
            **shared,
        ),
    )


async def emit_timed_operation(
    operation_name: str,
    operation_func: Callable[..., Awaitable[R] | R],
    obj: object | None = None,
    *args: Any,
    **kwargs: Any,
) -> R:
    """Run ``operation_func(*args, **kwargs)`` once, timed, and return its result.

    Emits ``<operation_name>.started``, then ``.completed`` or ``.failed``
    with ``duration_ms`` (monotonic clock, the function alone).  A function
    that returns an awaitable is awaited.  The function runs with the started
    event as the current one, and its own exception reaches the caller.
    ``obj`` is what the events are about (their subject); it is not passed on.
    """
    if not callable(operation_func):
        raise TypeError(f"operation_func: a function is expected, not {operation_func!r}")
    import asyncio
    from inspect import isawaitable

    about = {} if obj is None else _subject(obj)
    metadata = {**_metadata(obj, operation_name), "timed": True}
    parent: Event[Any] = Event(
        type=f"{operation_name}.started",
        phase=EventPhase.STARTED,
        metadata=metadata,
        **_place(),
        **about,
    )
    bus = get_event_bus()
    loop = asyncio.get_running_loop()
    started: asyncio.Future[Event[Any]] = loop.create_future()
    ended: asyncio.Future[Event[Any]] = loop.create_future()

    async def wait_for_end() -> Event[Any]:
        started.set_result(_last_emitted(parent))
        return await ended

    def end(duration_ms: float, error: BaseException | None) -> None:
        event: Event[Any] = Event(
            type=f"{operation_name}.{'completed' if error is None else 'failed'}",
            phase=EventPhase.COMPLETED if error is None else EventPhase.FAILED,
            error=None if error is None else str(error),
            duration_ms=duration_ms,
            metadata={**metadata, "success": error is None},
            **_same(parent),
            **about,
        )
        if not ended.done():
            ended.set_result(event)
        else:  # the pair was cancelled with us: what ends the loop cancels all of its tasks
            above = started.result()
            event.parent_id, event.root_id = above.id, above.root_id or above.id
            bus.emit(event).close()  # queued by the call

    # The pair waits in a task of its own; the function runs in the caller's,
    # so that cancellation, timeouts and context variables are the caller's.
    pair = asyncio.ensure_future(bus.emit_with_children(parent, [wait_for_end]))
    try:
        await asyncio.wait((started, pair), return_when=asyncio.FIRST_COMPLETED)
    except BaseException:
        pair.cancel()
        raise
    if not started.done():
        await pair  # the bus refused the started event: raises what it raised
    with EventContextManager(started.result()):
        began = perf_counter()
        try:
            result = operation_func(*args, **kwargs)
            if isawaitable(result):
                result = await result
        except BaseException as error:
            end((perf_counter() - began) * 1000, error)
            if not isinstance(error, GeneratorExit):
                await asyncio.wait((pair,))
            raise
        duration_ms = (perf_counter() - began) * 1000
    end(duration_ms, None)
    await asyncio.shield(pair)
    return cast("R", result)


async def emit_simple_event(
    event_type: str, obj: object | None = None, metadata: Mapping[str, Any] | None = None
) -> Event[Any]:
    """Emit one Event of type ``event_type``, phase COMPLETED, and return it."""
    about: dict[str, Any] = {}
    more: dict[str, Any] = dict(metadata or {})
    if obj is not None:
        about = _subject(obj)
        more.setdefault("object_class", type(obj).__name__)
    event: Event[Any] = Event(
        type=event_type, phase=EventPhase.COMPLETED, metadata=more, **_place(), **about
    )
    return await get_event_bus().emit(event)


def _emit_pair(parent: Event[Any], make_child: Callable[[], Event[Any]]) -> Awaitable[Event[Any]]:
    return get_event_bus().emit_with_children(parent, [make_child])


def _place() -> dict[str, Any]:
    """Where a first event stands: below the current event, like a decorated function's."""
    current = get_current_parent_event()
    if current is None:
        return {}
    return {
        "parent_id": current.id,
        "root_id": current.root_id or current.id,
        "lineage_id": current.lineage_id,
    }


def _last_emitted(parent: Event[Any]) -> Event[Any]:
    """The parent as the bus has emitted it, where the bus makes that the current event."""
    current = get_current_parent_event()
    if (
        current is None
        or current.type != parent.type
        or current.lineage_id != parent.lineage_id
        or current.parent_id != parent.parent_id
    ):
        return parent
    return current


def _same(parent: Event[Any]) -> dict[str, Any]:
    """What a second event has from the first; ``emit_with_children`` links the ids."""
    return {"lineage_id": parent.lineage_id}


def _subject(obj: object) -> dict[str, Any]:
    return {"subject_type": type(obj), "subject_id": _id_of(obj)}


def _id_of(obj: object) -> UUID:
    if isinstance(obj, UUID):
        return obj
    for name in ("id", "ecs_id"):
        value = getattr(obj, name, None)
        if isinstance(value, UUID):
            return value
    return uuid4()


def _metadata(obj: object | None, operation_name: str) -> dict[str, Any]:
    if obj is None:
        return {"operation": operation_name}
    return {"operation": operation_name, "object_class": type(obj).__name__}


def _field_names(fields: Iterable[str]) -> list[str]:
    if isinstance(fields, str):
        raise TypeError(f"fields: a list of names is expected, not the string {fields!r}")
    return list(fields)
