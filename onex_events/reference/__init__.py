"""The surface of spec 1 in plain Python on Pydantic: the baseline and the oracle.

It has the public names of ``onex_events``, so that swapping the import swaps the implementation.
It needs Pydantic (``pip install onex-events[reference]``). What spec 1 lists under "Beyond the
reference path" is not here; the queue is not bounded.

What it costs, as the baseline (measured once, CPU time, on a busy two-core x86-64 virtual machine
with CPython 3.13 and Pydantic 2.14; ``benchmarks/`` measures where you are). A creation is that of
a Pydantic model with the same fields, the unit of the benchmarks: 8.3 us there.

- an event with four own fields: 9.2 us (1.1 creations); 1.6 KB, and 0.6 KB more in history;
- its emission: 2.5 us; its background processing without handlers: 3 to 4 us;
- a decorated async call with two events, all handled: 44 to 50 us (5.3 to 6.1 creations), with one
  async subscriber 62 to 73 us (7.5 to 8.9);
- a decorated sync call with two events: 52 us (6.3 creations), with one sync subscriber 75 to 83 us
  (9 to 10). It delivers in the caller's thread; no event loop is made or run for it.
"""

try:
    import pydantic as _pydantic  # noqa: F401
except ImportError as _error:
    raise ImportError(
        "onex_events.reference needs pydantic: pip install onex-events[reference]"
    ) from _error

from onex_events.enums import EventPhase, EventPriority

from .bridge import (
    emit_creation_events,
    emit_deletion_events,
    emit_modification_events,
    emit_processing_events,
    emit_simple_event,
    emit_state_transition_events,
    emit_timed_operation,
    emit_validation_events,
)
from .bus import EventBus, QueueFullError, get_event_bus, set_event_bus
from .context import (
    EventContextManager,
    clear_context,
    create_child_event_with_context,
    get_context_depth,
    get_context_stack,
    get_context_statistics,
    get_current_parent_event,
    get_root_event,
    pop_event_context,
    push_event_context,
    validate_context_balance,
    with_auto_parent_linking,
)
from .decorators import emit_events, on, track_state_transition
from .events import (
    CreatedEvent,
    CreatingEvent,
    DeletedEvent,
    DeletingEvent,
    Event,
    Field,
    ModifiedEvent,
    ModifyingEvent,
    ProcessedEvent,
    ProcessingEvent,
    RelationshipCreatedEvent,
    RelationshipRemovedEvent,
    StateTransitionEvent,
    SystemEvent,
    SystemShutdownEvent,
    SystemStartupEvent,
    ValidatedEvent,
    ValidatingEvent,
    ValidationError,
)
from .functions import create_event_chain, emit, emit_and_wait, event_context
from .monitor import EventBusMonitor
from .serialize import EventSerializer
from .subscription import Subscription

__all__ = [
    "CreatedEvent",
    "CreatingEvent",
    "DeletedEvent",
    "DeletingEvent",
    "Event",
    "EventBus",
    "EventBusMonitor",
    "EventContextManager",
    "EventPhase",
    "EventPriority",
    "EventSerializer",
    "Field",
    "ModifiedEvent",
    "ModifyingEvent",
    "ProcessedEvent",
    "ProcessingEvent",
    "QueueFullError",
    "RelationshipCreatedEvent",
    "RelationshipRemovedEvent",
    "StateTransitionEvent",
    "Subscription",
    "SystemEvent",
    "SystemShutdownEvent",
    "SystemStartupEvent",
    "ValidatedEvent",
    "ValidatingEvent",
    "ValidationError",
    "clear_context",
    "create_child_event_with_context",
    "create_event_chain",
    "emit",
    "emit_and_wait",
    "emit_creation_events",
    "emit_deletion_events",
    "emit_events",
    "emit_modification_events",
    "emit_processing_events",
    "emit_simple_event",
    "emit_state_transition_events",
    "emit_timed_operation",
    "emit_validation_events",
    "event_context",
    "get_context_depth",
    "get_context_stack",
    "get_context_statistics",
    "get_current_parent_event",
    "get_event_bus",
    "get_root_event",
    "on",
    "pop_event_context",
    "push_event_context",
    "set_event_bus",
    "track_state_transition",
    "validate_context_balance",
    "with_auto_parent_linking",
]
