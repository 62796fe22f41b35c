"""The pipeline that is compared: three nested async functions, six events an operation.

The events have the shape of the seed's InputPreparationEvent: five fields of their own.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple
from uuid import UUID

from ..enums import EventPhase
from .corpus import Source
from .work import analyse, parse, summarise

__all__ = [
    "EVENTS_PER_OPERATION",
    "EventClasses",
    "Pipeline",
    "Seen",
    "Work",
    "decorated_pipeline",
    "describe_events",
    "event_classes",
    "idle_work",
    "plain_pipeline",
    "real_work",
]

EVENTS_PER_OPERATION = 6

#: Takes a module through the pipeline.
Pipeline = Callable[[Source], Awaitable[Any]]
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Work:
    """The bodies of the three functions."""

    parse: Callable[[Source], Any]
    analyse: Callable[[Any], Any]
    summarise: Callable[[Source, Any], Any]


#: Parse, analyse and summarise: a few milliseconds a module.
real_work = Work(parse, analyse, summarise)

#: Nothing at all: what is left is the calls and the events.
idle_work = Work(lambda source: None, lambda tree: None, lambda source, analysis: None)


class EventClasses(NamedTuple):
    """The two event classes of one implementation."""

    preparation: Any
    prepared: Any


def event_classes(api: ModuleType) -> EventClasses:
    """InputPreparationEvent and InputPreparedEvent on the Event of ``api``."""
    base: Any = api.Event

    class InputPreparationEvent(base):  # type: ignore[misc]
        type: str = "input.preparation"
        phase: EventPhase = EventPhase.STARTED
        process_name: str
        function_name: str
        preparation_type: str
        input_entity_ids: list[UUID]
        entity_count: int

    class InputPreparedEvent(base):  # type: ignore[misc]
        type: str = "input.prepared"
        phase: EventPhase = EventPhase.COMPLETED
        process_name: str
        function_name: str
        preparation_type: str
        input_entity_ids: list[UUID]
        entity_count: int

    return EventClasses(InputPreparationEvent, InputPreparedEvent)


def creating_factory(classes: EventClasses, function: str) -> Callable[..., Any]:
    """Makes the event at a call of the function."""
    event_class = classes.preparation

    def creating(source: Source) -> Any:
        return event_class(
            process_name=source.name,
            function_name=function,
            preparation_type="module",
            input_entity_ids=[source.id],
            entity_count=1,
        )

    return creating


def created_factory(classes: EventClasses, function: str) -> Callable[..., Any]:
    """Makes the event at the function's return."""
    event_class = classes.prepared

    def created(result: Any, source: Source) -> Any:
        return event_class(
            process_name=source.name,
            function_name=function,
            preparation_type="module",
            input_entity_ids=[source.id],
            entity_count=1,
        )

    return created


FUNCTIONS = ("summarise_module", "analyse_module", "parse_module")


def _pipeline(work: Work, decorate: Callable[[str], Decorator]) -> Pipeline:
    @decorate("parse_module")
    async def parse_module(source: Source) -> Any:
        return work.parse(source)

    @decorate("analyse_module")
    async def analyse_module(source: Source) -> Any:
        return work.analyse(await parse_module(source))

    @decorate("summarise_module")
    async def summarise_module(source: Source) -> Any:
        return work.summarise(source, await analyse_module(source))

    return summarise_module


def plain_pipeline(work: Work) -> Pipeline:
    """The functions as they are."""
    return _pipeline(work, lambda function: lambda undecorated: undecorated)


def decorated_pipeline(work: Work, api: ModuleType, classes: EventClasses, bus: Any) -> Pipeline:
    """The same functions under ``api.emit_events`` on ``bus``."""

    def decorate(function: str) -> Decorator:
        decorator: Decorator = api.emit_events(
            creating_factory=creating_factory(classes, function),
            created_factory=created_factory(classes, function),
            bus=bus,
        )
        return decorator

    return _pipeline(work, decorate)


class Seen(NamedTuple):
    """What is the same of an event in every implementation; links as positions in the list."""

    kind: str
    phase: str
    process_name: str
    function_name: str
    preparation_type: str
    input_entity_ids: tuple[UUID, ...]
    entity_count: int
    parent: int | None
    lineage: int
    timed: bool


def describe_events(events: list[Any]) -> list[Seen]:
    """Events in the order in which they were seen, without ids and times."""
    position = {event.id: index for index, event in enumerate(events)}
    lineages: dict[UUID, int] = {}
    return [
        Seen(
            event.type,
            event.phase.value,
            event.process_name,
            event.function_name,
            event.preparation_type,
            tuple(event.input_entity_ids),
            event.entity_count,
            position[event.parent_id] if event.parent_id is not None else None,
            lineages.setdefault(event.lineage_id, len(lineages)),
            event.duration_ms is not None,
        )
        for event in events
    ]
