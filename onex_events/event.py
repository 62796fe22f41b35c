"""``Event``, the base of all event classes (spec 1, section 1)."""

import builtins
from datetime import datetime
from typing import Any, Dict, Generic, List, Optional, TypeVar
from uuid import UUID

from . import _core
from .enums import EventPhase
from .fields import Field

__all__ = ["Event"]

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
