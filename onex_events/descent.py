"""What `EventBus.emit_and_wait` waits for: an event and all that descends from it.

However many wait on a bus, they share one watcher and one subscription.  These look an
event up by its ids, so that what an emission costs does not grow with the number waiting.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from onex_events.waiting import Signal

if TYPE_CHECKING:
    from onex_events.bus import EventBus, Subscription


class Descent(Signal):
    """One event and all that descends from it: open while any of it is queued or in
    flight."""

    def __init__(self, event: Any) -> None:
        super().__init__()
        self.event_id = event.id
        self.lineage_id = getattr(event, "lineage_id", None)
        self.known: set[Any] = set()
        self.open: Counter[Any] = Counter()
        self.delivered: dict[int, Any] = {}  # by their address

    def related(self) -> list[Any]:
        """The delivered events that have this one as parent or its lineage."""
        return list(self.delivered.values())


_CLOSED: Any = object()
"""The mark of a dict that is being taken out of an `Index`; its value tells by whom."""


class Index:
    """Key -> descents.

    Any thread may change it at any moment, and a finaliser in the midst of a change, so there is
    no lock. Whoever has emptied a dict marks it before looking whether it may go; who adds to a
    marked one adds again, so that what has been added is found at every moment.
    """

    def __init__(self) -> None:
        self.found: dict[Any, dict[Descent, Any]] = {}

    def add(self, key: Any, descent: Descent) -> None:
        while True:
            descents = self.found.setdefault(key, {})
            descents[descent] = None
            mark = descents.get(_CLOSED)
            # In a finaliser inside of `remove` nobody waits for the mark's owner: it adds again.
            if mark is None or mark[0] == threading.get_ident():
                if self.found.get(key) is descents:
                    return
            else:
                time.sleep(0)

    def remove(self, key: Any, descent: Descent) -> None:
        descents = self.found.get(key)
        if descents is None:
            return
        descents.pop(descent, None)
        while not descents:
            mark = (threading.get_ident(),)
            if descents.setdefault(_CLOSED, mark) is not mark:
                return
            if len(descents) == 1:
                if self.found.get(key) is descents:
                    del self.found[key]
                for late in self.without_mark(descents):
                    self.add(key, late)
                return
            del descents[_CLOSED]

    def get(self, key: Any) -> list[Descent]:
        descents = self.found.get(key)
        return self.without_mark(descents) if descents else []

    @staticmethod
    def without_mark(descents: dict[Descent, Any]) -> list[Descent]:
        return [descent for descent in list(descents) if descent is not _CLOSED]


class Descents:
    """All of a bus's descents: its watcher, and a subscription, as long as there are any."""

    def __init__(self, bus: EventBus) -> None:
        self.bus = bus
        self.waiting: dict[Descent, None] = {}
        self.subscription: Subscription | None = None
        self.starts = Index()  # by the id of the event that is waited for
        self.lineages = Index()
        self.members = Index()  # by the ids of it and all that descends from it
        # Held for the straight lines below only: nothing in them calls Python code.
        self.change = threading.Lock()

    def add(self, descent: Descent) -> None:
        """From now on, this one's events are seen."""
        self.starts.add(descent.event_id, descent)
        self.admit(descent.event_id, descent)
        if descent.lineage_id is not None:
            self.lineages.add(descent.lineage_id, descent)
        with self.change:
            if not self.waiting:
                self.bus._watchers.append(self)
            self.waiting[descent] = None
            subscribed = self.subscription is not None
        if not subscribed:
            self.subscribe()

    def subscribe(self) -> None:
        """Listen: decorated functions make the events that are waited for."""
        mine: Subscription | None = self.bus._subscribe(
            self.deliver, predicate=self.includes, priority=-(2**31), internal=True
        )
        with self.change:
            if self.subscription is None:
                self.subscription, mine = mine, None
        if mine is not None:  # another thread was faster
            mine.cancel()

    def remove(self, descent: Descent) -> None:
        """Nobody waits for this one any more."""
        unused = None
        with self.change:
            if self.waiting.pop(descent, self) is not self and not self.waiting:
                unused, self.subscription = self.subscription, None
                self.bus._watchers.remove(self)
        if unused is not None:
            unused.cancel()
        self.starts.remove(descent.event_id, descent)
        self.lineages.remove(descent.lineage_id, descent)
        for member in list(descent.known):
            self.members.remove(member, descent)

    def forget(self) -> None:
        """Those who wait are in another process."""
        if self.subscription is not None:
            self.subscription.cancel()

    def admit(self, event_id: Any, descent: Descent) -> None:
        """An event belongs to this one: what names it as parent or root does, too."""
        if event_id not in descent.known:
            descent.known.add(event_id)
            self.members.add(event_id, descent)

    # --- what the bus says: it is a watcher ------------------------------------------------

    def emitted(self, event: Any) -> None:
        """An event was queued."""
        members, event_id = self.members, event.id
        found = {
            *members.get(event_id),
            *members.get(getattr(event, "parent_id", None)),
            *members.get(getattr(event, "root_id", None)),
            *self.lineages.get(getattr(event, "lineage_id", None)),
        }
        for descent in found:
            self.admit(event_id, descent)
            descent.open[event_id] += 1
            if descent not in self.waiting:  # removed meanwhile
                members.remove(event_id, descent)

    def handled(self, event: Any) -> None:
        """An event's delivery is over."""
        event_id = event.id
        for descent in self.members.get(event_id):
            if event_id in descent.open:
                descent.open[event_id] -= 1
                if descent.open[event_id] <= 0:
                    del descent.open[event_id]
                if not descent.open:
                    descent.set()

    # --- the subscription ------------------------------------------------------------------

    def related_to(self, event: Any) -> set[Descent]:
        event_id = event.id
        return {
            descent
            for descent in (
                *self.starts.get(getattr(event, "parent_id", None)),
                *self.lineages.get(getattr(event, "lineage_id", None)),
            )
            if descent.event_id != event_id
        }

    def includes(self, event: Any) -> bool:
        """Is it a child of what somebody waits for, or of its lineage, and not itself?"""
        return bool(self.related_to(event))

    def deliver(self, event: Any) -> None:
        for descent in self.related_to(event):
            descent.delivered[id(event)] = event
