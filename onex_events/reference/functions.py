"""Emission on the default bus (spec 1, section 5)."""

from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from .bus import EventBus, get_event_bus
from .context import EventContextManager
from .dispatch import logger

__all__ = ["create_event_chain", "emit", "emit_and_wait", "event_context"]

E = TypeVar("E")


def emit(event: E) -> Coroutine[Any, Any, E]:
    """Queue ``event`` on the default bus, at the call; ``await`` the answer to get it back."""
    return get_event_bus().emit(event)


async def emit_and_wait(event: Any, timeout: float | None = None) -> list[Any]:
    """Emit, wait until the event and all that descends from it is handled.

    Returns the other events with its id as parent or of its lineage; after ``timeout`` seconds what
    there is by then.
    """
    return await get_event_bus().emit_and_wait(event, timeout)


class event_context:
    """``async with event_context(start) as ctx:``, or plain ``with``: events around a block.

    ``start_event`` is emitted and current inside. The end is ``end_event_factory(ctx.result)`` in
    the lineage of the start, if both are there, else the start completed; on an exception, which
    goes on and is ``ctx.error``, the start failed. A factory that raises is logged, and the start
    completed.
    """

    def __init__(
        self, start_event: Any, end_event_factory: Callable[[Any], Any] | None = None
    ) -> None:
        if isinstance(start_event, type) or not hasattr(start_event, "to_completed"):
            raise TypeError(
                f"event_context: argument 'start_event' is {start_event!r}, expected an Event"
            )
        if end_event_factory is not None and not callable(end_event_factory):
            raise TypeError(
                f"event_context: argument 'end_event_factory' is {end_event_factory!r}, "
                "expected a callable"
            )
        self.start_event = start_event
        self.end_event_factory = end_event_factory
        self.result: Any = None
        self.error: BaseException | None = None
        self.end_event: Any = None
        self._inside: tuple[EventBus, EventContextManager] | None = None

    def _enter(self) -> EventBus:
        if self._inside is not None:
            raise RuntimeError("event_context: this object is inside a block already")
        self.result = self.error = self.end_event = None
        bus = get_event_bus()
        self._inside = bus, EventContextManager(self.start_event)
        return bus

    def _leave(self, error: BaseException | None) -> tuple[EventBus, Any]:
        assert self._inside is not None
        bus, context = self._inside
        self._inside = None
        context.__exit__(None, None, None)
        self.error = error
        self.end_event = self._end(error)
        return bus, self.end_event

    def _end(self, error: BaseException | None) -> Any:
        if error is not None:
            return self.start_event.to_failed(str(error))
        if self.result is not None and self.end_event_factory is not None:
            try:
                end = self.end_event_factory(self.result)
                end.lineage_id = self.start_event.lineage_id
            except Exception:
                logger.exception("event_context: end_event_factory failed")
            else:
                return end
        return self.start_event.to_completed()

    async def __aenter__(self) -> Self:
        bus = self._enter()
        await bus.emit(self.start_event)
        return self._push()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        bus, end = self._leave(exc)
        await bus.emit(end)

    def __enter__(self) -> Self:
        self._enter().emit_sync(self.start_event)
        return self._push()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        bus, end = self._leave(exc)
        bus.emit_sync(end)

    def _push(self) -> Self:
        assert self._inside is not None
        self._inside[1].__enter__()
        return self


def create_event_chain(events: Iterable[E]) -> list[E]:
    """Link each event to the one before it (parent_id), and all to the first (root_id)."""
    if not isinstance(events, Iterable):
        raise TypeError(
            f"create_event_chain: argument 'events' is {events!r}, expected a list of events"
        )
    chain: list[Any] = list(events)
    for event in chain:
        if isinstance(event, type) or not hasattr(event, "parent_id"):
            raise TypeError(f"create_event_chain: argument 'events' has {event!r}, expected events")
    for before, event in zip([None, *chain], chain, strict=False):
        if before is not None:
            event.parent_id = before.id
        event.root_id = chain[0].id
    return chain
