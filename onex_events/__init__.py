"""Events from decorated functions: a C core that costs nothing until someone listens.

Everything public is importable from here.  What a program that only decorates functions
does not need (bridge, serializer, monitor, profiler) is imported at its first use.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from ._core import SiteFunction
from .bus import EventBus, QueueFullError, Subscription, get_event_bus, set_event_bus
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
from .enums import EventPhase, EventPriority
from .errors import ValidationError
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
)
from .functions import create_event_chain, emit, emit_and_wait, event_context

if TYPE_CHECKING:
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
    from .decorators import emit_events, on, track_state_transition
    from .monitor import EventBusMonitor
    from .profiler import Profiler, PyProfiler
    from .serialize import EventSerializer

__version__ = "0.1.0"

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
    "Profiler",
    "PyProfiler",
    "QueueFullError",
    "RelationshipCreatedEvent",
    "RelationshipRemovedEvent",
    "SiteFunction",
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

_LATER = {
    "EventBusMonitor": "monitor",
    "EventSerializer": "serialize",
    "emit_events": "decorators",
    "on": "decorators",
    "track_state_transition": "decorators",
    "Profiler": "profiler",
    "PyProfiler": "profiler",
    "emit_creation_events": "bridge",
    "emit_deletion_events": "bridge",
    "emit_modification_events": "bridge",
    "emit_processing_events": "bridge",
    "emit_simple_event": "bridge",
    "emit_state_transition_events": "bridge",
    "emit_timed_operation": "bridge",
    "emit_validation_events": "bridge",
}


def __getattr__(name: str) -> Any:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module 'onex_events' has no attribute {name!r}")
    value = getattr(_import_module(f".{module}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
