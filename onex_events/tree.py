"""Drawing a lineage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uuid import UUID

    from onex_events.bus import EventBus


def draw(bus: EventBus, root_id: UUID) -> str:
    """The events of one root as an indented tree, oldest first."""
    events = [
        event
        for event in bus._history_list(-1)
        if event.id == root_id or getattr(event, "root_id", None) == root_id
    ]
    if not events:
        return f"{root_id}: not in the history"
    known = {event.id for event in events}
    children: dict[Any, list[Any]] = {}
    roots = []
    for event in events:
        parent = getattr(event, "parent_id", None)
        if event.id != root_id and parent in known and parent != event.id:
            children.setdefault(parent, []).append(event)
        else:
            roots.append(event)
    lines: list[str] = []
    # Depth first with a stack of our own: lineages may be deeper than Python's.
    stack = [(event, "", "", "") for event in reversed(roots)]
    drawn = set()
    while stack:
        event, lead, branch, below = stack.pop()
        if id(event) in drawn:
            continue
        drawn.add(id(event))
        lines.append(f"{lead}{branch}{describe(event)}")
        offspring = children.get(event.id, [])
        for index, child in enumerate(reversed(offspring)):
            last = index == 0
            stack.append((child, lead + below, "└─ " if last else "├─ ", "   " if last else "│  "))
    return "\n".join(lines)


def describe(event: Any) -> str:
    """One event in one line."""
    phase = getattr(event, "phase", None)
    parts = [f"{event.type} [{getattr(phase, 'value', phase)}]"]
    duration = getattr(event, "duration_ms", None)
    if duration is not None:
        parts.append(f"{duration:.3f} ms")
    error = getattr(event, "error", None)
    if error:
        parts.append(f"error: {error}")
    return " ".join(parts)
