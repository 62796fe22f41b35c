"""The decorator :func:`track_state_transition`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from uuid import UUID

from . import _core
from .events import StateTransitionEvent
from .factories import call_kind, default_type

__all__ = ["track_state_transition"]

_F = TypeVar("_F", bound=Callable[..., Any])

_COROUTINE = 1  # onex_kind of csrc/py/call.h
_MISSING = object()


def track_state_transition(
    state_field: str = "state", emit_event: bool = True
) -> Callable[[_F], _F]:
    """Emit a StateTransitionEvent when a method changed an attribute of its object.

    The event has ``from_state=str(old)``, ``to_state=str(new)``,
    ``transition_reason`` = the method's name, and as its subject the object's class and its
    ``id`` or ``ecs_id``, if that is a UUID. It is linked under the current event, and emitted
    after the method, also when that raised. Sync methods stay sync; async ones stay async.

    Args:
        state_field: the attribute's name.
        emit_event: False leaves the method as it is.

    Raises:
        TypeError: `state_field` is no str; while decorating: no function, or a generator.
    """
    if not isinstance(state_field, str):
        raise TypeError(
            f"track_state_transition: argument 'state_field' is {state_field!r}, "
            "expected an attribute's name"
        )

    def decorate(method: Any) -> Any:
        kind = -1 if isinstance(method, type) or not callable(method) else call_kind(method)
        if kind not in (0, _COROUTINE):
            raise TypeError(
                f"track_state_transition: cannot decorate {method!r}, expected a method or an "
                "async method"
            )
        if not emit_event:
            return method
        if kind == _COROUTINE:

            @wraps(method)
            async def tracked_coroutine(self: Any, /, *args: Any, **kwargs: Any) -> Any:
                old = _state(self, state_field)
                try:
                    return await method(self, *args, **kwargs)
                finally:
                    _emit_transition(method, self, state_field, old, False)

            return tracked_coroutine

        @wraps(method)
        def tracked(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            old = _state(self, state_field)
            try:
                return method(self, *args, **kwargs)
            finally:
                _emit_transition(method, self, state_field, old, True)

        return tracked

    return decorate


def _state(owner: object, state_field: str) -> object:
    try:
        return getattr(owner, state_field, _MISSING)
    except Exception:  # a property that needs more than there is yet
        return _MISSING


def _emit_transition(method: Any, owner: Any, state_field: str, old: Any, sync: bool) -> None:
    """Emit the transition of one call, if there was one and somebody listens."""
    try:
        new = _state(owner, state_field)
        if new is old or new == old:
            return
        if not _core._is_wanted(StateTransitionEvent, default_type(StateTransitionEvent)):
            return
        subject_id = getattr(owner, "id", None)
        if not isinstance(subject_id, UUID):
            subject_id = getattr(owner, "ecs_id", None)
        named = isinstance(subject_id, UUID)
        event: StateTransitionEvent[Any] = StateTransitionEvent(
            from_state=str(None if old is _MISSING else old),
            to_state=str(None if new is _MISSING else new),
            transition_reason=method.__name__,
            subject_type=type(owner) if named else None,
            subject_id=subject_id if named else None,
        )
        _core._emit_linked(event, sync)
    except Exception:
        _core._report("track_state_transition", method)
