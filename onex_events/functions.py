"""Emitting without a bus at hand: the functions of spec 1 section 5.

All of them use the process's default bus (:func:`onex_events.get_event_bus`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from . import _core
from .bus import get_event_bus
from .context import EventContextManager

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from types import TracebackType

    from .bus import EventBus
    from .event import Event

E = TypeVar("E")


def emit(event: E) -> Coroutine[Any, Any, E]:
    """Emit ``event`` on the default bus; ``await`` the answer to get it back.

    The event is queued when ``emit`` is called, not when it is awaited; the
    answer passes for a coroutine.  Raises what :meth:`EventBus.emit` raises.
    """
    return get_event_bus().emit(event)


def emit_and_wait(
    event: Event[Any], timeout: float | None = None
) -> Coroutine[Any, Any, list[Event[Any]]]:
    """Emit ``event`` and wait until all that came of it has been handled.

    The answer, awaited, is the list of the other events that have ``event``'s
    id as parent or share its lineage, in the order of their emission.  After
    ``timeout`` seconds it is what there is by then; nothing is raised.
    """
    return get_event_bus().emit_and_wait(event, timeout)


class event_context:
    """Emit ``start_event``, run the block inside it, emit an event for its end.

    Works with ``async with`` (through :meth:`EventBus.emit`) and with plain
    ``with`` (through :meth:`EventBus.emit_sync`).  Inside, ``start_event`` is
    the current event.  The end event is

    - ``end_event_factory(ctx.result)`` with the start's ``lineage_id``, when
      there is a factory and the block has set ``ctx.result``;
    - else ``start_event.to_completed()``;
    - ``start_event.to_failed(str(e))`` when the block raised ``e``, which is
      then in ``ctx.error`` and goes on to the caller.

    A factory that raises, or returns no event, is logged, counted (``handler_errors``) and
    changes nothing for the program: the end is then ``start_event.to_completed()``.

    Attributes: ``start_event``; ``result`` (set by the block; None: nothing);
    ``error`` (the block's exception or None); ``end_event`` (what was emitted
    at the end, or None before).  An object serves one block at a time: to
    enter it again before it was left raises RuntimeError.
    """

    __slots__ = (
        "_bus",
        "_context",
        "end_event",
        "end_event_factory",
        "error",
        "result",
        "start_event",
    )

    def __init__(
        self,
        start_event: Event[Any],
        end_event_factory: Callable[[Any], Event[Any]] | None = None,
    ) -> None:
        if not _is_event(start_event):
            raise TypeError(f"start_event: an event is expected, not {start_event!r}")
        if end_event_factory is not None and not callable(end_event_factory):
            raise TypeError(
                "end_event_factory: a function that takes the result and returns an event "
                f"is expected, not {end_event_factory!r}"
            )
        self.start_event = start_event
        self.end_event_factory = end_event_factory
        self.result: Any = None
        self.error: BaseException | None = None
        self.end_event: Event[Any] | None = None
        self._bus: EventBus | None = None
        self._context: EventContextManager[Event[Any]] | None = None

    async def __aenter__(self) -> event_context:
        bus = self._begin()
        try:
            await bus.emit(self.start_event)
        except BaseException:
            self._bus = None
            raise
        self._push()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        bus, end = self._finish(error)
        try:
            await bus.emit(end)
        except Exception as failure:
            self._end_is_lost(failure)

    def __enter__(self) -> event_context:
        bus = self._begin()
        try:
            bus.emit_sync(self.start_event)
        except BaseException:
            self._bus = None
            raise
        self._push()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        bus, end = self._finish(error)
        try:
            bus.emit_sync(end)
        except Exception as failure:
            self._end_is_lost(failure)

    def _begin(self) -> EventBus:
        if self._bus is not None:
            raise RuntimeError(
                "event_context: this object is inside a block already; "
                "make a new one for each block"
            )
        self.result = self.error = self.end_event = None
        self._bus = get_event_bus()
        return self._bus

    def _push(self) -> None:
        self._context = EventContextManager(self.start_event)
        self._context.__enter__()

    def _finish(self, error: BaseException | None) -> tuple[EventBus, Event[Any]]:
        """Restores the context and makes the end event (kept in end_event)."""
        bus, context = self._bus, self._context
        if bus is None or context is None:
            raise RuntimeError("event_context: left without having been entered")
        self._bus = self._context = None
        context.__exit__(None, None, None)
        self.error = error
        if error is not None:
            end = self.start_event.to_failed(str(error))
        elif self.result is None or self.end_event_factory is None:
            end = self.start_event.to_completed()
        else:
            end = self._made_by_factory(self.end_event_factory)
        self.end_event = end
        return bus, end

    def _end_is_lost(self, failure: Exception) -> None:
        """The block's own exception goes on to the caller, not the emission's."""
        if self.error is None:
            raise failure
        _core._report("the end of a failed event_context", self.end_event)

    def _made_by_factory(self, factory: Callable[[Any], Event[Any]]) -> Event[Any]:
        try:
            end = factory(self.result)
            if not _is_event(end):
                raise TypeError(f"end_event_factory: an event is expected back, not {end!r}")
            end.lineage_id = self.start_event.lineage_id
        except Exception:
            _core._report("end_event_factory of event_context", factory)
            return self.start_event.to_completed()
        return end


def _is_event(given: object) -> bool:
    return not isinstance(given, type) and hasattr(given, "id") and hasattr(given, "lineage_id")


def create_event_chain(events: Iterable[E]) -> list[E]:
    """Link ``events`` to one chain and return them as a list.

    Each one's ``parent_id`` becomes its predecessor's id (the first keeps
    its own), and all get the first one's id as ``root_id``.  The events
    themselves are changed; nothing is emitted.
    """
    try:
        chain = list(events)
    except TypeError:
        raise TypeError(f"events: a list of events is expected, not {events!r}") from None
    previous: Any = None
    for index, event in enumerate(chain):
        if not _is_event(event):
            raise TypeError(f"events[{index}]: an event is expected, not {event!r}")
    for event in chain:
        link: Any = event
        if previous is not None:
            link.parent_id = previous.id
        link.root_id = chain[0].id  # type: ignore[attr-defined]
        previous = link
    return chain
