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
    from onex_events.context import EventContextManager
    from onex_events.waiting import Signal

    if isinstance(parent_event, type) or not callable(getattr(parent_event, "evolve", None)):
        raise TypeError(
            f"emit_with_children: parent_event must be an Event, not {shown(parent_event)}"
        )
    try:
        generators = list(child_generators)
    except TypeError:
        raise TypeError(
            "emit_with_children: child_generators must be a list of functions, "
            f"not {shown(child_generators)}"
        ) from None
    for generator in generators:
        if not callable(generator):
            raise TypeError(
                "emit_with_children: child_generators must be functions without arguments, "
                f"not {shown(generator)}"
            )
    parent = parent_event.evolve(phase=EventPhase.STARTED, pending_children=len(generators))
    over = Signal()
    ids = (parent.id, parent_event.id)
    for parent_id in ids:
        bus._pending_parents[parent_id] = (over, parent)
    try:
        await bus.emit(parent)
        with EventContextManager(parent):
            children = await asyncio.gather(*(one_child(bus, parent, g) for g in generators))
    finally:
        for parent_id in ids:
            bus._pending_parents.pop(parent_id, None)
        over.set()
    failures = sum(1 for _, failed in children if failed)
    end = parent.evolve(
        phase=EventPhase.FAILED if failures else EventPhase.COMPLETED,
        error=f"Failed with {failures} child errors" if failures else None,
        pending_children=0,
        completed_children=len(children) - failures,
        failed_children=failures,
        children_ids=[child.id for child, _ in children],
    )
    await bus.emit(end)
    return end


async def one_child(bus: EventBus, parent: Any, generator: Callable[[], Any]) -> tuple[Any, bool]:
    """Run one generator, link its event and emit it."""
    from inspect import isawaitable

    from onex_events.event import Event

    failed = False
    try:
        child = generator()
        if isawaitable(child):
            child = await child
        if isinstance(child, type) or not hasattr(child, "parent_id"):
            raise TypeError(f"a child generator must return an event, not {child!r}")
    except Exception as error:
        failed = True
        child = Event(type="child_failure", phase=EventPhase.FAILED, error=str(error))
        bus._report("a child generator raised", generator, error)
    child.parent_id = parent.id
    child.root_id = parent.root_id or parent.id
    await bus.emit(child)
    return child, failed
