"""Event classes: keyword-only constructors made of the fields."""

from dataclasses import dataclass
from typing import Generic, TypeVar, reveal_type

from onex_events import CreatedEvent, Event, EventPhase, Field, ProcessedEvent


@dataclass
class Document:
    name: str


T = TypeVar("T")


class Saved(CreatedEvent[Document]):
    type: str = "document.saved"
    name: str
    size: int = 0
    tags: list[str] = Field(default_factory=list)
    owner: str = Field(description="who")


class Box(Event[T], Generic[T]):
    type: str = "box"
    content: list[T]


saved = Saved(name="a", owner="me", phase=EventPhase.STARTED)
reveal_type(saved.id)  # revealed: uuid.UUID
reveal_type(saved.duration_ms)  # revealed: float | None
reveal_type(saved.tags)  # revealed: list[str]
reveal_type(saved.evolve(name="b"))  # revealed: tests.typing.check_events.Saved
reveal_type(saved.to_failed("no"))  # revealed: tests.typing.check_events.Saved
reveal_type(Saved.model_validate({}))  # revealed: tests.typing.check_events.Saved
reveal_type(Box(content=[1]).content)  # revealed: list[int]
reveal_type(ProcessedEvent(process_name="p").output_ids)  # revealed: list[uuid.UUID]

Saved(name="a")  # error: call-arg
Saved(name="a", owner="me", sise=1)  # error: call-arg
Saved(name=1, owner="me")  # error: arg-type
Saved(saved.id, name="a", owner="me")  # error: call-arg
Event()  # error: call-arg
saved.nothing  # error: attr-defined
