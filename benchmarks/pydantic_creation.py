"""The unit of targets.md: a Pydantic model with Event's fields and four own ones, created."""

import builtins
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel, Field
from rounds import Timed, loop

from onex_events import EventPhase


class SavedModel(BaseModel):
    """Ids by uuid4, the time by datetime.now; the own fields are the last four."""

    id: UUID = Field(default_factory=uuid4)
    type: str = "saved"
    phase: EventPhase = EventPhase.PENDING
    subject_type: builtins.type | None = None
    subject_id: UUID | None = None
    actor_type: builtins.type | None = None
    actor_id: UUID | None = None
    context: dict[str, UUID] = Field(default_factory=dict)
    timestamp: datetime = Field(default_factory=lambda: datetime.now(UTC))
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
    path: str
    owner: str
    reason: str
    size: int


def pydantic_creation() -> Timed:
    """One creation with keyword arguments."""
    return loop(
        "make(path=path, owner=owner, reason=reason, size=size)",
        make=SavedModel,
        path="s/onex_events/events.py",
        owner="o",
        reason="edited",
        size=4711,
    )
