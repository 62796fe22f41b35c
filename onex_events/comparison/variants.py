"""The variants of the pipeline, each with a bus of its own."""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .corpus import Source
from .pipeline import (
    EventClasses,
    Pipeline,
    Work,
    decorated_pipeline,
    event_classes,
    plain_pipeline,
)

__all__ = [
    "LABELS",
    "LEGEND",
    "OFF",
    "ON",
    "PLAIN",
    "RECORDING",
    "REFERENCE",
    "REFERENCE_ON",
    "VARIANTS",
    "Variant",
    "make_variants",
]

PLAIN = "undecorated"
REFERENCE = "reference"
OFF = "core_off"
ON = "core_listening"

RECORDING = "core_recording"
REFERENCE_ON = "reference_listening"

#: Names of the variants and what tables call them.
LABELS = {
    PLAIN: "undecorated",
    REFERENCE: "Pydantic path",
    REFERENCE_ON: "Pydantic path, listening",
    OFF: "C core, off",
    RECORDING: "C core, recording",
    ON: "C core, listening",
}

#: Those that real input goes through, in the order of the table.
VARIANTS = (PLAIN, REFERENCE, REFERENCE_ON, OFF, ON)

#: What the labels mean.
LEGEND = (
    "Pydantic path, C core recording: every event made and kept, no subscriber; off: nobody "
    "listens; listening: one sync and one async subscriber"
)


@dataclass(slots=True)
class Listener:
    """Two subscribers that keep what they get until it is taken."""

    sync: list[Any]
    asynchronous: list[Any]

    def take(self) -> tuple[list[Any], list[Any]]:
        """What came since the last time, by subscriber."""
        taken = self.sync, self.asynchronous
        self.sync, self.asynchronous = [], []
        return taken

    def on_event(self, event: Any) -> None:
        self.sync.append(event)

    async def on_event_async(self, event: Any) -> None:
        self.asynchronous.append(event)


@dataclass(slots=True)
class Variant:
    """One way to run the pipeline."""

    name: str
    pipeline: Pipeline
    api: ModuleType | None = None
    bus: Any = None
    classes: EventClasses | None = None
    listener: Listener | None = None

    @property
    def records(self) -> bool:
        """Whether its runs leave events to be processed."""
        return self.bus is not None and self.name != OFF

    def listen(self) -> None:
        """Subscribes one sync and one async handler to both event classes."""
        listener = Listener([], [])
        assert self.classes is not None
        classes = list(self.classes)
        self.bus.subscribe(listener.on_event, event_types=classes)
        self.bus.subscribe(listener.on_event_async, event_types=classes)
        self.listener = listener

    async def run(self, sources: list[Source]) -> list[Any]:
        """Takes modules through the pipeline."""
        pipeline = self.pipeline
        return [await pipeline(source) for source in sources]

    async def settle(self) -> None:
        """Waits until the events of the runs so far are processed."""
        if self.records:
            await self.bus.flush()


def make_variants(work: Work, names: Iterable[str]) -> dict[str, Variant]:
    """Variants of the pipeline around ``work``, to be used in one running event loop."""
    return {name: _make_variant(work, name) for name in names}


def _make_variant(work: Work, name: str) -> Variant:
    if name == PLAIN:
        return Variant(name, plain_pipeline(work))
    of_reference = name in (REFERENCE, REFERENCE_ON)
    api: Any = importlib.import_module("onex_events.reference" if of_reference else "onex_events")
    classes = event_classes(api)
    # The original path makes, queues and records every event: lazy off.
    bus = api.EventBus(lazy=name in (OFF, ON))
    variant = Variant(name, decorated_pipeline(work, api, classes, bus), api, bus, classes)
    if name in (ON, REFERENCE_ON):
        variant.listen()
    return variant
