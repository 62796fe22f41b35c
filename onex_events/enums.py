"""The enumerations of the event model (spec 1, section 1).

They are plain Python and defined once, for the C core and for ``onex_events.reference``, so that
an event of either is in the same phase and a subscription to either has the same priority.
"""

from enum import Enum

__all__ = ["EventPhase", "EventPriority"]


class EventPhase(str, Enum):
    """Where the thing that an event speaks of stands. The value is the lower-case name."""

    PENDING = "pending"
    STARTED = "started"
    PROGRESS = "progress"
    COMPLETING = "completing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"


class EventPriority(int, Enum):
    """In which order the handlers of one event run: the greater number first."""

    CRITICAL = 1000
    HIGH = 100
    NORMAL = 10
    LOW = 1
