"""The event model on Pydantic: ``Event`` and the stock events (spec 1, section 1)."""

import builtins
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Self, TypeVar
from uuid import UUID, uuid4

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from onex_events.enums import EventPhase, EventPriority

from .identity import new_id

__all__ = [
    "CreatedEvent",
    "CreatingEvent",
    "DeletedEvent",
    "DeletingEvent",
    "Event",
    "EventPhase",
    "EventPriority",
    "Field",
    "ModifiedEvent",
    "ModifyingEvent",
    "ProcessedEvent",
    "ProcessingEvent",
    "RelationshipCreatedEvent",
    "RelationshipRemovedEvent",
    "StateTransitionEvent",
    "SystemEvent",
    "SystemShutdownEvent",
    "SystemStartupEvent",
    "ValidatedEvent",
    "ValidatingEvent",
    "ValidationError",
]

T = TypeVar("T")


def _now() -> datetime:
    return datetime.now(UTC)


class _NamedInJson:
    """Marks a field that holds a class: any class, written to JSON by its name."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        schema: core_schema.CoreSchema = handler(source)
        schema["serialization"] = core_schema.plain_serializer_function_ser_schema(  # type: ignore[index]
            lambda value: getattr(value, "__name__", value),
            when_used="json-unless-none",
        )
        return schema

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {"type": "string"}


_Class = Annotated[builtins.type, _NamedInJson()]


def _incomplete(who: str) -> PydanticCustomError:
    return PydanticCustomError(
        "incomplete_pair", "{who}_type and {who}_id must both be set or both be None", {"who": who}
    )


class Event(BaseModel, Generic[T]):
    """Something that happened, or happens, to a subject of type ``T``.

    Raises ValidationError (a ValueError) that lists every wrong field, also when one of
    ``subject_type`` and ``subject_id`` (or of the actor's two) is given without the other.
    ``duration_ms`` is in milliseconds; ``timestamp`` is the time of creation, UTC.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    id: UUID = Field(default_factory=new_id)
    type: str
    phase: EventPhase = EventPhase.PENDING
    subject_type: _Class | None = None
    subject_id: UUID | None = None
    actor_type: _Class | None = None
    actor_id: UUID | None = None
    context: dict[str, UUID] = Field(default_factory=dict)
    timestamp: datetime = Field(default_factory=_now)
    lineage_id: UUID = Field(default_factory=uuid4)
    parent_id: UUID | None = None
    root_id: UUID | None = None
    children_ids: list[UUID] = Field(default_factory=list)
    pending_children: int = 0
    completed_children: int = 0
    failed_children: int = 0
    metadata: dict[str, Any] = Field(default_factory=dict)
    error: str | None = None
    duration_ms: float | None = None

    @model_validator(mode="after")
    def _pairs_are_whole(self) -> Self:
        if (self.subject_type is None) != (self.subject_id is None):
            raise _incomplete("subject")
        if (self.actor_type is None) != (self.actor_id is None):
            raise _incomplete("actor")
        return self

    def evolve(self, **changes: Any) -> Self:
        """A new event of this class, validated: these fields with ``changes`` applied.

        It keeps the lineage_id and gets an id and a timestamp of its own, unless ``changes`` gives
        them.
        """
        values = {name: getattr(self, name) for name in builtins.type(self).model_fields}
        values.update(self.model_extra or {})
        del values["id"], values["timestamp"]
        values.update(changes)
        return self.__class__(**values)

    def to_completed(self, **changes: Any) -> Self:
        """``evolve`` into phase COMPLETED."""
        return self.evolve(**{"phase": EventPhase.COMPLETED, **changes})

    def to_failed(self, error: str, **changes: Any) -> Self:
        """``evolve`` into phase FAILED with the error's text."""
        return self.evolve(**{"phase": EventPhase.FAILED, "error": error, **changes})

    def __repr_args__(self) -> Any:
        given = self.model_fields_set
        return [pair for pair in super().__repr_args__() if pair[0] in given]

    def __reduce__(self) -> Any:
        # Pydantic makes a class for each Event[X] that cannot always be found by its name.
        made_from = self.__class__.__pydantic_generic_metadata__
        origin = made_from["origin"]
        if origin is None:
            return _revive, (self.__class__, ()), self.__getstate__()
        return _revive, (origin, made_from["args"]), self.__getstate__()


def _revive(cls: "builtins.type[Event[Any]]", parameters: "tuple[Any, ...]") -> "Event[Any]":
    if parameters:
        cls = cls[parameters]  # type: ignore[index]
    return cls.__new__(cls)


class CreatingEvent(Event[T], Generic[T]):
    """A subject is about to be created."""

    type: str = "creating"
    phase: EventPhase = EventPhase.STARTED


class CreatedEvent(Event[T], Generic[T]):
    """A subject was created."""

    type: str = "created"
    phase: EventPhase = EventPhase.COMPLETED
    created_id: UUID | None = None


class ModifyingEvent(Event[T], Generic[T]):
    """Fields of a subject are about to change."""

    type: str = "modifying"
    phase: EventPhase = EventPhase.STARTED
    fields: list[str] = Field(default_factory=list)


class ModifiedEvent(Event[T], Generic[T]):
    """Fields of a subject changed."""

    type: str = "modified"
    phase: EventPhase = EventPhase.COMPLETED
    fields: list[str] = Field(default_factory=list)
    old_values: dict[str, Any] = Field(default_factory=dict)
    new_values: dict[str, Any] = Field(default_factory=dict)


class DeletingEvent(Event[T], Generic[T]):
    """A subject is about to be deleted."""

    type: str = "deleting"
    phase: EventPhase = EventPhase.STARTED


class DeletedEvent(Event[T], Generic[T]):
    """A subject was deleted."""

    type: str = "deleted"
    phase: EventPhase = EventPhase.COMPLETED


class ProcessingEvent(Event[T], Generic[T]):
    """A process starts on its inputs."""

    type: str = "processing"
    phase: EventPhase = EventPhase.STARTED
    process_name: str
    input_ids: list[UUID] = Field(default_factory=list)


class ProcessedEvent(Event[T], Generic[T]):
    """A process made its outputs."""

    type: str = "processed"
    phase: EventPhase = EventPhase.COMPLETED
    process_name: str
    output_ids: list[UUID] = Field(default_factory=list)
    result_summary: dict[str, Any] | None = None


class ValidatingEvent(Event[T], Generic[T]):
    """A subject is about to be validated."""

    type: str = "validating"
    phase: EventPhase = EventPhase.STARTED
    validation_type: str = "schema"


class ValidatedEvent(Event[T], Generic[T]):
    """A subject was validated, with this outcome."""

    type: str = "validated"
    phase: EventPhase = EventPhase.COMPLETED
    validation_type: str = "schema"
    is_valid: bool
    validation_errors: list[str] = Field(default_factory=list)


class StateTransitionEvent(Event[T], Generic[T]):
    """A subject went from one state to another."""

    type: str = "state_transition"
    from_state: str
    to_state: str
    transition_reason: str | None = None


class RelationshipCreatedEvent(Event[T], Generic[T]):
    """Two subjects were related."""

    type: str = "relationship_created"
    phase: EventPhase = EventPhase.COMPLETED
    relationship_type: str
    source_type: _Class
    source_id: UUID
    target_type: _Class
    target_id: UUID


class RelationshipRemovedEvent(Event[T], Generic[T]):
    """Two subjects are no longer related."""

    type: str = "relationship_removed"
    phase: EventPhase = EventPhase.COMPLETED
    relationship_type: str
    source_type: _Class
    source_id: UUID
    target_type: _Class
    target_id: UUID


class SystemEvent(Event[Any]):
    """Base of the events without a subject."""


class SystemStartupEvent(SystemEvent):
    """The system started."""

    type: str = "system.startup"
    phase: EventPhase = EventPhase.COMPLETED
    version: str
    configuration: dict[str, Any] = Field(default_factory=dict)


class SystemShutdownEvent(SystemEvent):
    """The system is about to stop."""

    type: str = "system.shutdown"
    phase: EventPhase = EventPhase.STARTED
    reason: str = "normal"
