"""The operations whose instruction counts are guarded."""

from typing import Any

from operation import Operation, async_loop, loop
from shapes import decorator

from onex_events import Event, EventBus, EventPhase, emit_events, push_event_context

KEPT = 256
"""Events in a history: it is full after the warm-up."""


class Saved(Event[Any]):
    type: str = "saved"
    path: str
    owner: str
    reason: str
    size: int


class Other(Event[Any]):
    type: str = "other"


VALUES = {"path": "s/onex_events/events.py", "owner": "o", "reason": "edited", "size": 4711}
CREATE = "make(path=path, owner=owner, reason=reason, size=size)"
FLUSH_AFTER = 50
"""Asynchronous emissions between two flushes."""


def handler(event: Event[Any]) -> None:
    return None


async def async_handler(event: Event[Any]) -> None:
    return None


def function(x: int) -> int:
    return x


async def coroutine(x: int) -> int:
    return x


def bus_with(subscriber: Any = None, others: int = 0, **options: Any) -> EventBus:
    """A bus with a subscriber of every event, and others that wait for something else."""
    bus = EventBus(KEPT, **options)
    if subscriber is not None:
        bus.subscribe(subscriber, Event)
    classes = [
        type(f"Other{i}", (Other,), {"__module__": __name__}) for i in range(min(others, 10))
    ]
    for i in range(others):
        if i % 2:
            bus.subscribe(handler, classes[i % len(classes)])
        else:
            bus.subscribe(handler, pattern=f"other\\.{i}")
    return bus


def observed(function: Any, bus: EventBus) -> Any:
    """The function with two factories; the current event is the parent of what they make."""
    return emit_events(
        creating_factory=lambda x: Saved(path="p", owner="o", reason="start", size=x),
        created_factory=lambda result, x: Saved(path="p", owner="o", reason="end", size=result),
        bus=bus,
    )(function)


def emission(subscriber: Any = None, others: int = 0) -> Operation:
    bus = bus_with(subscriber, others)
    return loop("emit(event)", emit=bus.emit_sync, event=Saved(**VALUES), keep=bus)


def async_emission(statement: str, **names: Any) -> Operation:
    """The statement, with a flush after some."""
    statements = [*[statement] * FLUSH_AFTER, "await flush()"]
    return async_loop("\n".join(statements), FLUSH_AFTER, **names)


def lookup() -> Operation:
    bus = bus_with()
    events = [bus.emit_sync(Saved(**VALUES)) for _ in range(KEPT)]
    return loop("find(id)", find=bus.get_event_by_id, id=events[KEPT // 2].id, keep=bus)


def toggling(sites: int) -> Operation:
    """A listener comes and goes beside decorated functions that it listens to."""
    bus = EventBus(KEPT)
    functions = [decorator("auto", bus)(eval("lambda: None")) for _ in range(sites)]
    return loop(
        "subscribe(handler, Event).cancel()\nfor function in functions: function()",
        sites,
        subscribe=bus.subscribe,
        handler=handler,
        functions=functions,
        Event=Event,
    )


def operations() -> dict[str, Operation]:
    """What instructions are counted of."""
    push_event_context(Event(type="parent"))
    event = Saved(**VALUES)
    lone, heard, heard_async = bus_with(), bus_with(handler), bus_with(async_handler)
    return {
        "off call, in place": loop("f(1)", f=decorator("auto")(function)),
        "off call, SiteFunction": loop("f(1)", f=decorator("wrapper")(function)),
        "off await, in place": async_loop("await f(1)", f=decorator("auto")(coroutine)),
        "off await, SiteFunction": async_loop("await f(1)", f=decorator("wrapper")(coroutine)),
        "event creation": loop(CREATE, make=Saved, **VALUES),
        "event creation, first id": loop(f"{CREATE}.id", make=Saved, **VALUES),
        "event creation, first timestamp": loop(f"{CREATE}.timestamp", make=Saved, **VALUES),
        "evolve": loop("event.evolve(phase=phase)", event=event, phase=EventPhase.STARTED),
        "model_dump": loop("event.model_dump()", event=event),
        "model_dump_json": loop("event.model_dump_json()", event=event),
        "emit_sync, unheard": emission(),
        "emit_sync to one": emission(handler),
        "emit_sync beside 1,000": emission(handler, others=1000),
        "await emit, unheard": async_loop("await emit(event)", emit=lone.emit, event=event),
        "on call to one": loop("f(1)", f=observed(function, heard)),
        "on await to one": async_emission(
            "await f(1)", f=observed(coroutine, heard_async), flush=heard_async.flush
        ),
        "history lookup": lookup(),
        "a site on and off": toggling(20),
    }
