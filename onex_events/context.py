"""The stack of current events: under which event new ones are linked.

It lives in one :class:`contextvars.ContextVar`, so each thread and each task has its own, a new
task starts with what was current where it was created, and nothing that it pushes is seen there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Generic, ParamSpec, TypedDict, TypeVar

from . import _core
from ._core import (
    clear_context,
    get_context_depth,
    get_context_stack,
    get_current_parent_event,
    get_root_event,
    pop_event_context,
    push_event_context,
)

__all__ = [
    "ContextStatistics",
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

_P = ParamSpec("_P")
_E = TypeVar("_E")


if TYPE_CHECKING:

    class ContextStatistics(TypedDict):
        """What :func:`get_context_statistics` returns."""

        current_depth: int
        push_count: int
        pop_count: int
        max_depth_reached: int
        balance_check: bool

else:  # at run time a dict: to make a TypedDict costs more than the rest of this module
    ContextStatistics = dict[str, int]


def get_context_statistics() -> ContextStatistics:
    """Counts of this interpreter's context stacks.

    ``current_depth`` is that of the calling context; ``push_count``, ``pop_count`` (events) and
    ``max_depth_reached`` are of all contexts together, decorated calls included.
    ``balance_check`` is true while no pop met an empty stack (since the last
    :func:`clear_context`).
    """
    pushes, pops, deepest, unmatched = _core._context_counts()
    return {
        "current_depth": get_context_depth(),
        "push_count": pushes,
        "pop_count": pops,
        "max_depth_reached": deepest,
        "balance_check": unmatched == 0,
    }


def validate_context_balance() -> bool:
    """True while no pop met an empty stack: see :func:`get_context_statistics`."""
    return get_context_statistics()["balance_check"]


class EventContextManager(Generic[_E]):
    """``with EventContextManager(event):`` makes `event` the current event inside.

    Leaving restores what was current on entry, if `event` still is. It may be entered again,
    also while it is entered. ``async with`` does the same.

    Raises:
        TypeError: on entry, `event` is no event.
    """

    __slots__ = ("_frames", "event")

    def __init__(self, event: _E) -> None:
        self.event = event
        self._frames: list[_core._Frame] = []

    def __enter__(self) -> _E:
        self._frames.append(_core._context_enter(self.event))
        return self.event

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _core._context_leave(self._frames.pop())

    async def __aenter__(self) -> _E:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)


def create_child_event_with_context(
    factory: Callable[_P, _E], /, *args: _P.args, **kwargs: _P.kwargs
) -> _E:
    """Call `factory` and link the event that it returns under the current event.

    With a current event P: ``parent_id = P.id``, ``root_id = P.root_id or P.id`` and
    ``lineage_id = P.lineage_id``, as decorated functions link their creating events. Without one
    the event stays as it is.

    Raises:
        TypeError: `factory` is not callable, or returned no event.
    """
    if not callable(factory):
        raise TypeError(
            "create_child_event_with_context: argument 'factory' is "
            f"{factory!r}, expected a callable that returns an event"
        )
    event = factory(*args, **kwargs)
    if not hasattr(event, "id"):
        raise TypeError(
            "create_child_event_with_context: argument 'factory' returned "
            f"{event!r}, expected an event"
        )
    parent = get_current_parent_event()
    if parent is not None:
        _core._link_event(event, parent)
    return event


def with_auto_parent_linking(factory: Callable[_P, _E]) -> Callable[_P, _E]:
    """A factory that does what `factory` does and links the event under the current event.

    See :func:`create_child_event_with_context`.

    Raises:
        TypeError: `factory` is not callable.
    """
    if not callable(factory):
        raise TypeError(
            "with_auto_parent_linking: argument 'factory' is "
            f"{factory!r}, expected a callable that returns an event"
        )

    @wraps(factory, updated=())
    def linked(*args: _P.args, **kwargs: _P.kwargs) -> _E:
        return create_child_event_with_context(factory, *args, **kwargs)

    return linked
