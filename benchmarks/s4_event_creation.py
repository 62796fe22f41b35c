"""S4: what does an event cost to create, beside Pydantic's model and msgspec's struct?"""

import builtins
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
from pydantic import BaseModel, Field
from rounds import Question, loop

from onex_events import Event, EventPhase

SOURCE = "s/onex_events/events.py"


class Saved(Event):
    type: str = "saved"
    path: str
    owner: str
    reason: str
    size: int


class SavedModel(BaseModel):
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


class SavedStruct(msgspec.Struct):
    """The own fields alone: neither id nor time, and nothing is checked."""

    path: str
    owner: str
    reason: str
    size: int


question = Question("S4", "creating an event with four own fields, id, lineage and time")
call = "make(path=path, owner=owner, reason=reason, size=size)"
values = {"path": SOURCE, "owner": "o", "reason": "edited", "size": 4711}
question.measure(
    {
        "Event": loop(call, make=Saved, **values),
        "pydantic": loop(call, make=SavedModel, **values),
        "msgspec.Struct": loop(call, make=SavedStruct, **values),
        "Event without own fields": loop("make(type=kind)", make=Event, kind="saved"),
    }
)
question.at_least("Pydantic / Event", 40, lambda p, e: p / e, "pydantic", "Event")
question.at_most("Event / msgspec.Struct", 1.1, lambda e, m: e / m, "Event", "msgspec.Struct")
question.answer()
