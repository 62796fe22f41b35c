"""The context: which event is current, per task and thread (spec 1, section 4).

The stack is an immutable tuple in a context variable, so that a copied context (``create_task``,
``to_thread``, ``copy_context``) starts with what was current there and changes nothing for others.
"""

import contextvars
import functools
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

__all__ = [
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
]

P = ParamSpec("P")
R = TypeVar("R")

Stack = tuple[Any, ...]

current_stack: contextvars.ContextVar[Stack] = contextvars.ContextVar(
    "onex_events_reference_stack", default=()
)


class _Counts:
    """What happened to the stacks of this process, all contexts together."""

    pushes = 0
    pops = 0
    deepest = 0
    unmatched = 0  # pops that met an empty stack


_counts = _Counts()


def get_current_parent_event() -> Any:
    """The event under which new events are linked in this context, or None."""
    stack = current_stack.get()
    return stack[-1] if stack else None


def push_event_context(event: Any) -> None:
    """Make ``event`` (anything with an id, else TypeError) the current event of this context."""
    if not hasattr(event, "id"):
        raise TypeError(
            f"push_event_context: argument 'event' is {event!r}, expected an event "
            "(an object with an id)"
        )
    push(event)


def push(event: Any) -> tuple[Stack, Stack]:
    """Push and return (the stack before, the stack now), for ``leave``."""
    before = current_stack.get()
    now = (*before, event)
    current_stack.set(now)
    _counts.pushes += 1
    _counts.deepest = max(_counts.deepest, len(now))
    return before, now


def leave(before: Stack, now: Stack) -> None:
    """Restore ``before``, if the stack that ``push`` made still is the context's."""
    if current_stack.get() is now:
        current_stack.set(before)
    _counts.pops += 1


def pop_event_context() -> Any:
    """Take the current event off this context and return it.

    None, with a RuntimeWarning, when there is none.
    """
    stack = current_stack.get()
    if not stack:
        _counts.unmatched += 1
        warnings.warn(
            "pop_event_context: there is no current event in this context (more pops than pushes?)",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    current_stack.set(stack[:-1])
    _counts.pops += 1
    return stack[-1]


def get_context_depth() -> int:
    """How many events are on this context's stack."""
    return len(current_stack.get())


def get_context_stack() -> list[Any]:
    """A new list of this context's events, the outermost first."""
    return list(current_stack.get())


def get_root_event() -> Any:
    """The outermost event of this context's stack, or None."""
    stack = current_stack.get()
    return stack[0] if stack else None


def clear_context() -> None:
    """Empty this context's stack."""
    _counts.pops += len(current_stack.get())
    _counts.unmatched = 0
    current_stack.set(())


def get_context_statistics() -> dict[str, Any]:
    """Counts of pushes and pops of this process and how deep this context's stack is.

    ``balance_check`` is what ``validate_context_balance`` says.
    """
    return {
        "current_depth": get_context_depth(),
        "push_count": _counts.pushes,
        "pop_count": _counts.pops,
        "max_depth_reached": _counts.deepest,
        "balance_check": validate_context_balance(),
    }


def validate_context_balance() -> bool:
    """Whether every pop had its push and this context's stack is no deeper than what is left."""
    return not _counts.unmatched and _counts.pushes - _counts.pops >= get_context_depth()


class EventContextManager:
    """``with EventContextManager(event) as event:`` makes the event current inside.

    Leaving restores what was current at entry, if ours still is. Also for ``async with``.
    """

    def __init__(self, event: Any) -> None:
        if not hasattr(event, "id"):
            raise TypeError(
                f"EventContextManager: argument 'event' is {event!r}, expected an event "
                "(an object with an id)"
            )
        self.event = event
        self._entered: list[tuple[Stack, Stack]] = []

    def __enter__(self) -> Any:
        self._entered.append(push(self.event))
        return self.event

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        leave(*self._entered.pop())

    async def __aenter__(self) -> Any:
        return self.__enter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(exc_type, exc, traceback)


def link(event: Any, parent: Any, lineage_id: Any = None) -> None:
    """Set what ties ``event`` to ``parent``: its parent_id, root_id and, if given, lineage_id.

    Without a parent the event is its own root.
    """
    if parent is None:
        event.root_id = event.id
    else:
        event.parent_id = parent.id
        event.root_id = getattr(parent, "root_id", None) or parent.id
    if lineage_id is not None:
        event.lineage_id = lineage_id


def _check_factory(function: str, factory: Any) -> None:
    if not callable(factory):
        raise TypeError(f"{function}: argument 'factory' is {factory!r}, expected a callable")


def create_child_event_with_context(factory: Callable[..., R], *a: Any, **k: Any) -> R:
    """The event that ``factory(*a, **k)`` makes, linked to the current event, if there is one."""
    _check_factory("create_child_event_with_context", factory)
    event = factory(*a, **k)
    if isinstance(event, type) or not hasattr(event, "id"):
        raise TypeError(
            f"create_child_event_with_context: argument 'factory' is {factory!r}, which returned "
            f"{event!r}, expected an event"
        )
    parent = get_current_parent_event()
    if parent is not None:
        link(event, parent, getattr(parent, "lineage_id", None))
    return event


def with_auto_parent_linking(factory: Callable[P, R]) -> Callable[P, R]:
    """``factory``, with each event that it makes linked to the event current at the call."""

    _check_factory("with_auto_parent_linking", factory)

    @functools.wraps(factory)
    def linked(*args: P.args, **kwargs: P.kwargs) -> R:
        return create_child_event_with_context(factory, *args, **kwargs)

    return linked
