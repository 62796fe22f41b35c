"""The parts of an event's cost, each measured alone, and all of it around empty functions."""

import gc
import random
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from .corpus import Source
from .pipeline import (
    EVENTS_PER_OPERATION,
    FUNCTIONS,
    EventClasses,
    created_factory,
    creating_factory,
    idle_work,
)
from .spread import Spread, spread_of
from .variants import (
    LABELS,
    OFF,
    ON,
    PLAIN,
    RECORDING,
    REFERENCE,
    REFERENCE_ON,
    Variant,
    make_variants,
)

__all__ = ["ESTIMATES_US", "LIMIT_US", "PIECES", "ROWS", "measure_pieces"]

#: What is measured, in the order of the table, and what it is.
PIECES = {
    "event_creation": "the factories: six events made",
    "event_emission": "await bus.emit(event), six times",
    "queue": "bus.emit(event) alone, which puts the event into the queue",
    "context": "get, link, push and pop of three events",
    "background": "the bus processing six events",
    "total": "three decorated empty functions, all of it, the same undecorated subtracted",
}

#: The seed's estimates in microseconds for six events: lowest and highest.
ESTIMATES_US: dict[str, tuple[float, float]] = {
    "event_creation": (600.0, 1200.0),
    "event_emission": (60.0, 60.0),
    "queue": (60.0, 60.0),
    "context": (120.0, 120.0),
    "background": (78.0, 78.0),
    "total": (780.0, 1380.0),
}

#: Rows of the table: label, piece, and the two variants that do the same there.
ROWS = (
    ("event_creation", "event_creation", REFERENCE, RECORDING),
    ("event_emission", "event_emission", REFERENCE, RECORDING),
    ("queue", "queue", REFERENCE, RECORDING),
    ("context", "context", REFERENCE, RECORDING),
    ("background", "background", REFERENCE, RECORDING),
    ("  listening", "background", REFERENCE_ON, ON),
    ("total", "total", REFERENCE, RECORDING),
    ("  listening", "total", REFERENCE_ON, ON),
    ("  off", "total", REFERENCE, OFF),
)

#: Above this, the seed says, events need work: 1 ms an operation.
LIMIT_US = 1000.0

#: Operations in one timed batch: 300 events, which every queue holds.
BATCH = 50

#: Called with what is being done, how many steps of it are done, and of how many.
Progress = Callable[[str, int, int], None]


async def measure_pieces(
    sources: list[Source], *, rounds: int, progress: Progress
) -> dict[str, dict[str, Spread]]:
    """Variant -> piece -> microseconds per operation, over ``rounds`` interleaved rounds."""
    batch = [sources[index % len(sources)] for index in range(BATCH)]
    variants = make_variants(idle_work, LABELS)
    figures: dict[str, dict[str, list[float]]] = {name: {} for name in variants}
    chance = random.Random(0)
    for index in range(rounds + 1):
        progress("the events alone", index, rounds + 1)
        gc.collect()
        names = list(variants)
        for name in chance.sample(names, len(names)):
            measured = await _measure(variants[name], batch)
            if index > 0:  # the first round warms up
                for piece, microseconds in measured.items():
                    figures[name].setdefault(piece, []).append(microseconds)
    for variant in variants.values():
        if variant.bus is not None:
            await variant.bus.stop()
    for name in figures.keys() - {PLAIN}:
        figures[name]["total"] = [
            own - plain
            for own, plain in zip(figures[name]["total"], figures[PLAIN]["total"], strict=True)
        ]
    del figures[PLAIN]
    return {
        name: {piece: spread_of(values) for piece, values in pieces.items()}
        for name, pieces in figures.items()
    }


async def _measure(variant: Variant, batch: list[Source]) -> dict[str, float]:
    began = time.perf_counter_ns()
    await variant.run(batch)
    await variant.settle()
    figures = {"total": _since(began)}
    if variant.records:
        assert variant.api is not None and variant.classes is not None
        figures |= await _parts(variant, variant.api, variant.classes, batch)
    if variant.listener is not None:
        variant.listener.take()
    return figures


async def _parts(
    variant: Variant, api: ModuleType, classes: EventClasses, batch: list[Source]
) -> dict[str, float]:
    bus = variant.bus
    creating = [creating_factory(classes, function) for function in FUNCTIONS]
    created = [created_factory(classes, function) for function in FUNCTIONS]
    figures: dict[str, float] = {}

    def make_events() -> list[Any]:
        return [
            event
            for source in batch
            for make_start, make_end in zip(creating, created, strict=True)
            for event in (make_start(source), make_end(None, source))
        ]

    began = time.perf_counter_ns()
    events = make_events()
    figures["event_creation"] = _since(began)

    starts = events[::2]
    began = time.perf_counter_ns()
    _use_context(api, starts)
    figures["context"] = _since(began)

    emit = bus.emit
    began = time.perf_counter_ns()
    for event in events:
        await emit(event)
    figures["event_emission"] = _since(began)

    began = time.perf_counter_ns()
    await bus.flush()
    figures["background"] = _since(began)

    events = make_events()
    began = time.perf_counter_ns()
    queued = [emit(event) for event in events]
    figures["queue"] = _since(began)
    for emission in queued:
        await emission
    await bus.flush()
    return figures


def _use_context(api: ModuleType, starts: list[Any]) -> None:
    """What a decorated call does with the context, for each nest of three."""
    current, push, pop = (
        api.get_current_parent_event,
        api.push_event_context,
        api.pop_event_context,
    )
    depth = EVENTS_PER_OPERATION // 2
    for index in range(0, len(starts), depth):
        for event in starts[index : index + depth]:
            parent = current()
            if parent is not None:
                event.parent_id = parent.id
                event.root_id = parent.root_id or parent.id
                event.lineage_id = parent.lineage_id
            push(event)
        for _ in range(depth):
            pop()


def _since(began: int) -> float:
    return (time.perf_counter_ns() - began) / 1e3 / BATCH
