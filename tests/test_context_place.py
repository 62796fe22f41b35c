"""A context's top frame is written in place only where nobody else could see it (context.h).

Random programs of pushes, pops, copies and other variables, in contexts that share what they can,
against a plain model: a list for each context, copied with it.
"""

from __future__ import annotations

import asyncio
import contextvars
import random

import pytest

from onex_events import CreatingEvent, Event, EventBus, emit_events, set_event_bus
from onex_events.context import (
    get_context_stack,
    get_current_parent_event,
    pop_event_context,
    push_event_context,
)

OTHERS = [contextvars.ContextVar(f"other{n}", default=None) for n in range(40)]


@pytest.mark.parametrize("variables", [0, 1, 3, 40])
@pytest.mark.parametrize("seed", range(25))
def test_contexts_see_what_was_current_when_they_were_copied(seed: int, variables: int) -> None:
    chance = random.Random(seed * 100 + variables)
    worlds: list[tuple[contextvars.Context, list[Event]]] = [(contextvars.Context(), [])]
    kept: list[object] = []

    def act(stack: list[Event], turns: int) -> None:
        """Some steps in the context that runs, which is to look like `stack`."""
        for _ in range(turns):
            assert get_context_stack() == stack
            match chance.choice(("push", "push", "pop", "pop", "copy", "other", "keep", "drop")):
                case "push":
                    event = Event(type="e")
                    push_event_context(event)
                    stack.append(event)
                case "pop" if stack:
                    assert pop_event_context() is stack.pop()
                case "copy":
                    worlds.append((contextvars.copy_context(), list(stack)))
                case "other" if variables:
                    OTHERS[chance.randrange(variables)].set(chance.random())
                case "keep":
                    kept.append(list(contextvars.copy_context().items()))
                case "drop":
                    kept.clear()
                    if len(worlds) > 6:
                        del worlds[chance.randrange(len(worlds))]
            expected = stack[-1] if stack else None
            assert get_current_parent_event() is expected

    for _ in range(60):
        context, stack = chance.choice(worlds)
        context.run(act, stack, chance.randrange(1, 6))
    for context, stack in worlds:
        assert context.run(get_context_stack) == stack


@pytest.fixture
def bus():
    bus = EventBus()
    set_event_bus(bus)
    yield bus
    bus.close()
    set_event_bus(EventBus())


def observe(function):
    return emit_events(creating_factory=lambda *a: CreatingEvent())(function)


def test_a_task_that_starts_after_its_maker_has_returned(bus: EventBus) -> None:
    """The child's parent is what was current at create_task, whatever came afterwards."""
    events: list[Event] = []
    bus.subscribe(events.append, Event)
    current: dict[str, object] = {}

    async def child(name: str) -> None:
        current[name] = get_current_parent_event()

    @observe
    def start(name: str) -> asyncio.Task[None]:
        current[f"maker of {name}"] = get_current_parent_event()
        return asyncio.get_running_loop().create_task(child(name))

    async def main() -> None:
        tasks = [start(name) for name in "abc"]
        assert get_current_parent_event() is None
        start("d")
        await asyncio.gather(*tasks)
        assert get_current_parent_event() is None

    asyncio.run(main())
    for name in "abcd":
        assert current[name] is current[f"maker of {name}"] is not None
    assert len({id(current[name]) for name in "abcd"}) == 4


def test_a_child_does_not_disturb_its_parent(bus: EventBus) -> None:
    bus.subscribe(lambda event: None, Event)
    seen = []

    @observe
    async def inner() -> None:
        await asyncio.sleep(0)

    @observe
    async def outer() -> None:
        mine = get_current_parent_event()
        tasks = [asyncio.create_task(inner()) for _ in range(3)]
        for _ in range(4):
            seen.append(get_current_parent_event() is mine)
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        seen.append(get_current_parent_event() is mine)

    asyncio.run(outer())
    assert seen == [True] * 5


@pytest.mark.parametrize("sets", [1, 2, 3, 4])
def test_what_a_handler_sets_stays_in_its_call(bus: EventBus, sets: int) -> None:
    """A handler's context is used again only as it was made, wherever its map has come to lie."""
    seen = []

    def handler(event: Event) -> None:
        seen.append([variable.get() for variable in OTHERS[:2]])
        for n in range(sets):
            OTHERS[n % 2].set(n)
            OTHERS[0].set(n)

    bus.subscribe(handler, Event)
    for _ in range(5):
        bus.emit_sync(Event(type="e"))
    assert seen == [[None, None]] * 5
