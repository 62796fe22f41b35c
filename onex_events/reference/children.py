"""Parents that wait for their children: who is open, and who has ended how many of them."""

import threading
from typing import Any

from onex_events.enums import EventPhase

__all__ = ["OpenParents"]

ENDS = frozenset(
    {EventPhase.COMPLETED, EventPhase.FAILED, EventPhase.CANCELLED, EventPhase.TIMEOUT}
)


class OpenParent:
    """A parent whose children have not all ended."""

    def __init__(self, event: Any, pending: int) -> None:
        self.event = event
        self.pending = pending
        self.ended: set[Any] = set()


class OpenParents:
    """The parents that still wait for children, by id; the oldest go when there are too many.

    A parent opens when it is emitted with ``pending_children`` and has not ended itself, and closes
    when that many children have ended (or itself has).
    """

    def __init__(self, limit: int) -> None:
        self._limit = max(limit, 1)
        self._open: dict[Any, OpenParent] = {}
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len({id(parent) for parent in list(self._open.values())})

    def find(self, id_: Any) -> OpenParent | None:
        """The open parent of that id, or None."""
        return self._open.get(id_)

    def open(self, event: Any, *ids: Any) -> None:
        """``event`` waits for its ``pending_children``; it is known by its id and by ``ids``."""
        with self._lock:
            parent = OpenParent(event, event.pending_children)
            for id_ in (event.id, *ids):
                self._open[id_] = parent
            while len(self._open) > 2 * self._limit:
                del self._open[next(iter(self._open))]

    def close(self, *ids: Any) -> None:
        """No more children are waited for."""
        with self._lock:
            for id_ in ids:
                self._open.pop(id_, None)

    def emitted(self, event: Any) -> bool:
        """Take note of an emitted event; whether that closed a parent."""
        pending = getattr(event, "pending_children", 0)
        if not pending and not self._open:
            return False
        with self._lock:
            phase = getattr(event, "phase", None)
            if pending and phase not in ENDS:
                if event.id not in self._open:
                    self.open(event)
                return False
            parent = self._open.get(getattr(event, "parent_id", None))
            if parent is None or phase not in ENDS or event.id in parent.ended:
                return False
            parent.ended.add(event.id)
            if len(parent.ended) < parent.pending:
                return False
            self.close(*[id_ for id_, one in self._open.items() if one is parent])
            return True
