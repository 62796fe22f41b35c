"""Parents that emit and wait for several children."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onex_events.enums import EventPhase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from onex_events.bus import EventBus


async def emit_with_children(
    bus: EventBus, parent_event: Any, child_generators: Sequence[Callable[[], Any]]
) -> Any:
    """See `EventBus.emit_with_children`."""
    import asyncio

    from onex_events.arguments import shown
    from onex_events.waiting import Signal

    generators = list(child_generators)
    for generator in generators:
        if not callable(generator):
            raise TypeError(
                "emit_with_children: child_generators must be functions without arguments, "
                f"not {shown(generator)}"
            )
    parent = parent_event.evolve(
        id=parent_event.id, phase=EventPhase.STARTED, pending_children=len(generators)
    )
    over = Signal()
    bus._pending_parents[parent.id] = over
    bus._pending_events[parent.id] = parent
    try:
        await bus.emit(parent)
        children = await asyncio.gather(*(one_child(bus, parent, g) for g in generators))
        failures = sum(1 for child, failed in children if failed)
        ids = [child.id for child, _ in children]
        changes = {
            "id": parent.id,
            "pending_children": 0,
            "completed_children": len(children) - failures,
            "failed_children": failures,
            "children_ids": ids,
        }
        if failures:
            end = parent.evolve(
                phase=EventPhase.FAILED, error=f"Failed with {failures} child errors", **changes
            )
        else:
            end = parent.evolve(phase=EventPhase.COMPLETED, **changes)
        await bus.emit(end)
        return end
    finally:
        bus._pending_parents.pop(parent.id, None)
        bus._pending_events.pop(parent.id, None)
        over.set()


async def one_child(bus: EventBus, parent: Any, generator: Callable[[], Any]) -> tuple[Any, bool]:
    """Run one generator, link its event and emit it."""
    from inspect import isawaitable

    from onex_events.events import Event

    failed = False
    try:
        child = generator()
        if isawaitable(child):
            child = await child
        if not hasattr(child, "id") or not hasattr(child, "type"):
            raise TypeError(f"a child generator must return an event, not {child!r}")
    except Exception as error:
        failed = True
        child = Event(type="child_failure", phase=EventPhase.FAILED, error=str(error))
        bus._report("a child generator raised", generator, error)
    child.parent_id = parent.id
    child.root_id = parent.root_id or parent.id
    await bus.emit(child)
    return child, failed
