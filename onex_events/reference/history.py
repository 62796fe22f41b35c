"""What a bus has processed: a ring of events, found by id and by parent."""

from collections import Counter, deque
from typing import Any

__all__ = ["History"]


class History:
    """The newest ``size`` events, oldest first, and an index by id and one by parent id.

    What falls out of the ring falls out of both indices. Ids are remembered as they were when the
    event was recorded, so an event that is changed afterwards leaves nothing behind.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.counts: Counter[str] = Counter()
        self.total = 0
        self._ring: deque[tuple[Any, Any, Any]] = deque()  # event, id, parent id
        self._by_id: dict[Any, Any] = {}
        self._by_parent: dict[Any, list[Any]] = {}

    def __len__(self) -> int:
        return len(self._ring)

    def record(self, event: Any) -> None:
        """Append ``event``, count its type, forget the oldest when the ring is full."""
        self.total += 1
        self.counts[event.type] += 1
        if not self.size:
            return
        id_, parent_id = event.id, getattr(event, "parent_id", None)
        self._ring.append((event, id_, parent_id))
        self._by_id[id_] = event
        if parent_id is not None:
            self._by_parent.setdefault(parent_id, []).append(event)
        if len(self._ring) > self.size:
            self._forget(*self._ring.popleft())

    def _forget(self, event: Any, id_: Any, parent_id: Any) -> None:
        if self._by_id.get(id_) is event:
            del self._by_id[id_]
        if parent_id is not None:
            siblings = self._by_parent[parent_id]
            del siblings[0]
            if not siblings:
                del self._by_parent[parent_id]

    def events(self) -> list[Any]:
        """All events kept, the oldest first."""
        return [event for event, _, _ in list(self._ring)]  # a copy: another thread may record

    def find(self, id_: Any) -> Any:
        """The newest event recorded with that id, or None."""
        return self._by_id.get(id_)

    def children(self, parent_id: Any) -> list[Any]:
        """The events recorded with that parent, the oldest first."""
        return list(self._by_parent.get(parent_id, ()))

    def siblings(self, id_: Any) -> list[Any]:
        """The event of that id and the others of its parent; itself alone without a parent."""
        event = self.find(id_)
        if event is None:
            return []
        parent_id = getattr(event, "parent_id", None)
        return self.children(parent_id) if parent_id in self._by_parent else [event]
