"""The stock event classes (spec 1, section 1)."""

import builtins
from typing import Any, Dict, Generic, List, Optional, TypeVar
from uuid import UUID

from .enums import EventPhase, EventPriority
from .event import Event
from .fields import Field, FieldInfo

__all__ = [
    "CreatedEvent",
    "CreatingEvent",
    "DeletedEvent",
    "DeletingEvent",
    "Event",
    "EventPhase",
    "EventPriority",
    "Field",
    "FieldInfo",
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
]

T = TypeVar("T")


class CreatingEvent(Event[T], Generic[T]):
    """A subject is about to be created."""

    type: str = "creating"
    phase: EventPhase = EventPhase.STARTED


class CreatedEvent(Event[T], Generic[T]):
    """A subject was created."""

    type: str = "created"
    phase: EventPhase = EventPhase.COMPLETED
    created_id: Optional[UUID] = None


class ModifyingEvent(Event[T], Generic[T]):
    """Fields of a subject are about to change."""

    type: str = "modifying"
    phase: EventPhase = EventPhase.STARTED
    fields: List[str] = Field(default_factory=list)


class ModifiedEvent(Event[T], Generic[T]):
    """Fields of a subject changed."""

    type: str = "modified"
    phase: EventPhase = EventPhase.COMPLETED
    fields: List[str] = Field(default_factory=list)
    old_values: Dict[str, Any] = Field(default_factory=dict)
    new_values: Dict[str, Any] = Field(default_factory=dict)


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
    input_ids: List[UUID] = Field(default_factory=list)


class ProcessedEvent(Event[T], Generic[T]):
    """A process made its outputs."""

    type: str = "processed"
    phase: EventPhase = EventPhase.COMPLETED
    process_name: str
    output_ids: List[UUID] = Field(default_factory=list)
    result_summary: Optional[Dict[str, Any]] = None


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
    validation_errors: List[str] = Field(default_factory=list)


class StateTransitionEvent(Event[T], Generic[T]):
    """A subject went from one state to another."""

    type: str = "state_transition"
    from_state: str
    to_state: str
    transition_reason: Optional[str] = None


class RelationshipCreatedEvent(Event[T], Generic[T]):
    """Two subjects were related."""

    type: str = "relationship_created"
    phase: EventPhase = EventPhase.COMPLETED
    relationship_type: str
    source_type: builtins.type
    source_id: UUID
    target_type: builtins.type
    target_id: UUID


class RelationshipRemovedEvent(Event[T], Generic[T]):
    """Two subjects are no longer related."""

    type: str = "relationship_removed"
    phase: EventPhase = EventPhase.COMPLETED
    relationship_type: str
    source_type: builtins.type
    source_id: UUID
    target_type: builtins.type
    target_id: UUID


class SystemEvent(Event[Any]):
    """Base of the events without a subject."""


class SystemStartupEvent(SystemEvent):
    """The system started."""

    type: str = "system.startup"
    phase: EventPhase = EventPhase.COMPLETED
    version: str
    configuration: Dict[str, Any] = Field(default_factory=dict)


class SystemShutdownEvent(SystemEvent):
    """The system is about to stop."""

    type: str = "system.shutdown"
    phase: EventPhase = EventPhase.STARTED
    reason: str = "normal"
