"""Events from decorated functions: a C core that costs nothing until someone listens.

Everything public is importable from here, and imported when it is first asked for: a program
pays for what it uses.
"""

from typing import TYPE_CHECKING, Any

from .errors import ValidationError

if TYPE_CHECKING:
    from ._core import SiteFunction
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
    from .decorators import emit_events, on
    from .enums import EventPhase, EventPriority
    from .event import Event
    from .events import (
        CreatedEvent,
        CreatingEvent,
        DeletedEvent,
        DeletingEvent,
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
    from .fields import Field
    from .functions import create_event_chain, emit, emit_and_wait, event_context
    from .monitor import EventBusMonitor
    from .profiler import Profiler, PyProfiler
    from .serialize import EventSerializer
    from .transitions import track_state_transition

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

#: Module -> the public names that are made there; imported when the first of them is asked for.
_MADE_IN = {
    "_core": ("SiteFunction",),
    "bridge": (
        "emit_creation_events",
        "emit_deletion_events",
        "emit_modification_events",
        "emit_processing_events",
        "emit_simple_event",
        "emit_state_transition_events",
        "emit_timed_operation",
        "emit_validation_events",
    ),
    "bus": ("EventBus", "QueueFullError", "Subscription", "get_event_bus", "set_event_bus"),
    "context": (
        "EventContextManager",
        "clear_context",
        "create_child_event_with_context",
        "get_context_depth",
        "get_context_stack",
        "get_context_statistics",
        "get_current_parent_event",
        "get_root_event",
        "pop_event_context",
        "push_event_context",
        "validate_context_balance",
        "with_auto_parent_linking",
    ),
    "decorators": ("emit_events", "on"),
    "enums": ("EventPhase", "EventPriority"),
    "errors": ("ValidationError",),
    "event": ("Event",),
    "events": (
        "CreatedEvent",
        "CreatingEvent",
        "DeletedEvent",
        "DeletingEvent",
        "ModifiedEvent",
        "ModifyingEvent",
        "ProcessedEvent",
        "ProcessingEvent",
        "RelationshipCreatedEvent",
        "RelationshipRemovedEvent",
        "StateTransitionEvent",
        "SystemEvent",
        "SystemShutdownEvent",
        "SystemStartupEvent",
        "ValidatedEvent",
        "ValidatingEvent",
    ),
    "fields": ("Field",),
    "functions": ("create_event_chain", "emit", "emit_and_wait", "event_context"),
    "monitor": ("EventBusMonitor",),
    "profiler": ("Profiler", "PyProfiler"),
    "serialize": ("EventSerializer",),
    "transitions": ("track_state_transition",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MADE_IN.items():
        if name in names:
            made_in = __import__(f"{__name__}.{module}", fromlist=(name,))
            for one in names:
                globals()[one] = getattr(made_in, one)
            return globals()[name]
        if name == module:
            return __import__(f"{__name__}.{module}", fromlist=("*",))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
