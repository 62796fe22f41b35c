"""What is on its way: events, the calls of their handlers, and who follows them."""

import contextvars
import time
from typing import TYPE_CHECKING, Any

from .context import current_stack
from .subscription import Loop, Subscription

if TYPE_CHECKING:
    from .dispatch import Dispatcher

__all__ = ["Delivery", "Turn", "Watch", "active_turn", "enter"]

current_turn: contextvars.ContextVar["Turn | None"] = contextvars.ContextVar(
    "onex_events_reference_turn", default=None
)


class Delivery:
    """An event on its way: queued, then in flight, then handled."""

    __slots__ = (
        "context",
        "dispatched",
        "event",
        "handled",
        "number",
        "pending",
        "remaining",
        "watches",
    )

    def __init__(self, event: Any, context: contextvars.Context | None, number: int) -> None:
        self.event = event
        self.context = context  # the emitter's, where it is to be propagated
        self.number = number
        self.remaining: list[Subscription] = []  # the next one last
        self.pending = 0  # turns that have begun and not ended
        self.dispatched = False  # whether all turns have begun
        self.handled = False
        self.watches: list[Watch] = []


class Turn:
    """One call of one handler with one event."""

    __slots__ = (
        "attempt",
        "begun",
        "call",
        "context",
        "delivery",
        "ended",
        "home",
        "loop",
        "outer",
        "over",
        "rest",
        "since",
        "started",
        "still_since",
        "subscription",
    )

    def __init__(self, home: "Dispatcher", delivery: Delivery, subscription: Subscription) -> None:
        self.home = home
        self.delivery = delivery
        self.subscription = subscription
        self.context: contextvars.Context | None = None
        self.outer: Turn | None = None  # the turn in whose context the event was emitted
        self.attempt = 0  # how often it was given to a loop
        self.started = False  # given to a loop or a thread
        self.begun = False  # the handler was called
        self.over = False  # the next turn may begin
        self.ended = False
        self.since = 0.0  # when the handler was called (s, monotonic)
        self.loop: Loop | None = None  # where an async handler runs
        self.still_since: float | None = None  # since when that loop has been standing still
        self.call: Any = None  # the coroutine that calls an async handler
        self.rest: Any = None  # what a sync handler returned to be awaited

    @property
    def is_async(self) -> bool:
        return self.subscription.is_async or self.rest is not None

    def begin(self) -> None:
        self.begun = True
        self.since = self.since or time.perf_counter()

    def is_waited_for(self) -> bool:
        """Whether the drain is to look at it: it is over, or has to be started."""
        return self.over or not self.started


class Watch:
    """Follows one event and what descends from it, or is of its lineage, from now on."""

    def __init__(self, event: Any) -> None:
        self.event = event
        self.events: list[Any] = []
        self.outstanding = 0
        self._lineage = getattr(event, "lineage_id", None)
        self._family = {event.id}

    def emitted(self, delivery: Delivery) -> None:
        event = delivery.event
        parent_id = getattr(event, "parent_id", None)
        if event is self.event or self._is_close(event) or parent_id in self._family:
            self._family.add(event.id)
            self.outstanding += 1
            delivery.watches.append(self)

    def processed(self, event: Any) -> None:
        if event is not self.event and self._is_close(event):
            self.events.append(event)

    def _is_close(self, event: Any) -> bool:
        if getattr(event, "parent_id", None) == self.event.id:
            return True
        return self._lineage is not None and getattr(event, "lineage_id", None) == self._lineage


def active_turn() -> Turn | None:
    """The handler call, of any bus, in which this code runs and which has not ended."""
    turn = current_turn.get()
    while turn is not None and turn.ended:
        turn = turn.outer
    return turn


def enter(turn: Turn) -> None:
    """Begin a handler's context: it is inside this turn, and the handled event is current."""
    turn.outer = current_turn.get()
    current_turn.set(turn)
    current_stack.set((*current_stack.get(), turn.delivery.event))
