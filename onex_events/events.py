"""``Event`` and the stock event classes (spec 1, section 1)."""

import builtins
from datetime import datetime
from typing import Any, Dict, Generic, List, Optional, TypeVar
from uuid import UUID

from . import _core
from .enums import EventPhase, EventPriority
from .model import Field, FieldInfo

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


class Event(_core.EventBase, Generic[T], metaclass=_core.EventMeta):
    """Something that happened, or happens, to a subject of type ``T``.

    Raises ValidationError (a ValueError) that lists every wrong field, also when one of
    ``subject_type`` and ``subject_id`` (or of the actor's two) is given without the other.
    ``duration_ms`` is in milliseconds; ``timestamp`` is the time of creation, UTC.
    """

    id: UUID = Field(default_factory=_core.new_id)
    type: str
    phase: EventPhase = EventPhase.PENDING
    subject_type: Optional[builtins.type] = None
    subject_id: Optional[UUID] = None
    actor_type: Optional[builtins.type] = None
    actor_id: Optional[UUID] = None
    context: Dict[str, UUID] = Field(default_factory=dict)
    timestamp: datetime = Field(default_factory=_core.now)
    lineage_id: UUID = Field(default_factory=_core.new_id)
    parent_id: Optional[UUID] = None
    root_id: Optional[UUID] = None
    children_ids: List[UUID] = Field(default_factory=list)
    pending_children: int = 0
    completed_children: int = 0
    failed_children: int = 0
    metadata: Dict[str, Any] = Field(default_factory=dict)
    error: Optional[str] = None
    duration_ms: Optional[float] = None


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
