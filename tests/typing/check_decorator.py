"""The decorator keeps what it decorates; handlers are typed by their events."""

from collections.abc import AsyncIterator
from typing import Any, reveal_type

from onex_events import CreatedEvent, Event, emit_events, on, track_state_transition


class Saved(CreatedEvent[Any]):
    type: str = "document.saved"


@emit_events(created_factory=lambda result, name, size: Saved())
def save(name: str, size: int = 0) -> bytes:
    return name.encode() * size


@emit_events(created_factory=Saved, created_type=Saved)
async def fetch(name: str, *, strict: bool) -> int:
    return len(name)


@emit_events()
async def items(n: int) -> AsyncIterator[str]:
    yield str(n)


class Service:
    state = "new"

    @emit_events()
    def run(self, times: int) -> float:
        return times / 2

    @emit_events()
    @classmethod
    def make(cls, name: str) -> "Service":
        return cls()

    @staticmethod
    @emit_events()
    def check(name: str) -> bool:
        return bool(name)

    @track_state_transition(state_field="state")
    async def stop(self, now: bool) -> str:
        return "stopped"


reveal_type(save)  # revealed: def (name: str, size: int =) -> bytes
reveal_type(fetch)  # revealed: def (name: str, *, strict: bool) -> typing.Coroutine[Any, Any, int]
reveal_type(items(1))  # revealed: typing.AsyncIterator[str]
reveal_type(Service().run(1))  # revealed: float
reveal_type(Service.make("a"))  # revealed: tests.typing.check_decorator.Service
reveal_type(Service.check("a"))  # revealed: bool
reveal_type(Service().stop)  # revealed: def (now: bool) -> typing.Coroutine[Any, Any, str]

save(1)  # error: arg-type
save()  # error: call-arg
Service().run()  # error: call-arg


@on(Saved)
def handle(event: Saved) -> None:
    reveal_type(event.created_id)  # revealed: uuid.UUID | None


@on(Saved)
def handle_any(event: Event[Any]) -> None: ...


@on(pattern="document")
async def handle_async(event: Event[Any]) -> None: ...


@on
def handle_annotated(event: Saved) -> None: ...


@on()
def handle_annotated_too(event: Saved) -> None: ...


@on(Saved)  # error: arg-type
def handle_wrong(event: int) -> None: ...


on(Saved)(lambda event: print(event.created_id))
on(Saved)(lambda event: print(event.nothing))  # error: attr-defined

# fmt: off
reveal_type(handle)  # revealed: def (tests.typing.check_decorator.Saved)
reveal_type(handle_annotated)  # revealed: def (event: tests.typing.check_decorator.Saved)
reveal_type(handle_annotated_too)  # revealed: def (event: tests.typing.check_decorator.Saved)
reveal_type(handle_async)  # revealed: def (event: onex_events.event.Event[Any]) -> typing.Coroutine[Any, Any, None]
