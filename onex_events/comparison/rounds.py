"""Real input through all variants, in interleaved rounds."""

import gc
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .corpus import Source
from .pipeline import EVENTS_PER_OPERATION, Seen, describe_events, real_work
from .spread import Spread, spread_of
from .variants import LABELS, OFF, PLAIN, REFERENCE, REFERENCE_ON, VARIANTS, Variant, make_variants

__all__ = ["Disagreement", "RealRun", "run_rounds"]

#: Source bytes at least that are run through one variant before the next one's turn: some 4 ms
#: of work.  Short turns put what is compared close together in time, where the machine is alike.
TURN_BYTES = 6 * 1024

#: Called with what is being done, how many steps of it are done, and of how many.
Progress = Callable[[str, int, int], None]

#: Rounds on a short input or a slow machine.
FEWEST_ROUNDS = 3


class Disagreement(AssertionError):
    """Two variants computed different results, or saw different events."""


@dataclass(slots=True)
class Turn:
    """Modules that one variant takes at once, and what they must come to."""

    sources: list[Source]
    results: list[Any] = field(default_factory=list)
    events: list[Seen] = field(default_factory=list)


class Sample(NamedTuple):
    """A variant's turn, in microseconds per operation."""

    operation: float  # until the pipeline's result is there
    processed: float  # until its events are processed, too


@dataclass(slots=True)
class RealRun:
    """What was measured on real input.  Per operation, times in microseconds.

    ``operation_us`` and ``foreground_us`` end with the pipeline's result: what a caller waits
    for.  ``overhead_us`` and the ratios include the processing of the events.
    """

    rounds: int = 0
    operations: int = 0
    events_checked: int = 0
    operation_us: dict[str, Spread] = field(default_factory=dict)
    foreground_us: dict[str, Spread] = field(default_factory=dict)
    overhead_us: dict[str, Spread] = field(default_factory=dict)
    ratio_to_undecorated: dict[str, Spread] = field(default_factory=dict)
    ratio_to_reference: dict[str, Spread] = field(default_factory=dict)


async def run_rounds(
    sources: list[Source], *, rounds: int | None, seconds: float, progress: Progress
) -> RealRun:
    """Runs ``sources`` through every variant: ``rounds`` times, or for about ``seconds``.

    The first pass is not timed: it takes every module through the Pydantic path with two
    subscribers; its results and events are what every later turn is compared with.
    Raises Disagreement.
    """
    variants = make_variants(real_work, VARIANTS)
    turns = list(_turns(sources))
    began = time.perf_counter()
    await _first_pass(variants[REFERENCE_ON], turns, progress)
    if rounds is None:
        one_round = len(variants) * (time.perf_counter() - began)
        rounds = max(round(seconds / one_round), FEWEST_ROUNDS)
    times: dict[str, list[Sample]] = {name: [] for name in variants}
    run = RealRun(rounds)
    for index in range(rounds):
        await _round(variants, turns, index, run, times, progress)
    await _close(variants)
    _evaluate(run, times)
    return run


def _turns(sources: list[Source]) -> Iterator[Turn]:
    batch: list[Source] = []
    size = 0
    for source in sources:
        batch.append(source)
        size += len(source.text)
        if size >= TURN_BYTES:
            yield Turn(batch)
            batch, size = [], 0
    if batch:
        yield Turn(batch)


async def _first_pass(variant: Variant, turns: list[Turn], progress: Progress) -> None:
    listener = variant.listener
    assert listener is not None
    for index, turn in enumerate(turns):
        progress("first pass, to compare with", index, len(turns))
        turn.results = await variant.run(turn.sources)
        await variant.settle()
        seen, seen_async = map(describe_events, listener.take())
        if seen != seen_async or len(seen) != EVENTS_PER_OPERATION * len(turn.sources):
            raise Disagreement(
                f"{LABELS[variant.name]}: {EVENTS_PER_OPERATION * len(turn.sources)} events were "
                f"due, the sync subscriber saw {len(seen)}, the async one {len(seen_async)}"
            )
        turn.events = seen


async def _round(
    variants: dict[str, Variant],
    turns: list[Turn],
    number: int,
    run: RealRun,
    times: dict[str, list[Sample]],
    progress: Progress,
) -> None:
    """One pass over the input; at each turn every variant runs, in an order of chance."""
    names = list(variants)
    chance = random.Random(number)
    gc.collect()
    for index, turn in enumerate(turns):
        progress("real input", number * len(turns) + index, run.rounds * len(turns))
        for name in chance.sample(names, len(names)):
            variant = variants[name]
            began = time.perf_counter_ns()
            results = await variant.run(turn.sources)
            done = time.perf_counter_ns()
            await variant.settle()
            settled = time.perf_counter_ns()
            per_operation = 1e3 * len(turn.sources)
            times[name].append(
                Sample((done - began) / per_operation, (settled - began) / per_operation)
            )
            _check(variant, turn, results, run)
        run.operations += len(turn.sources)


def _check(variant: Variant, turn: Turn, results: list[Any], run: RealRun) -> None:
    if results != turn.results:
        raise Disagreement(f"{LABELS[variant.name]}: other results than the Pydantic path's")
    if variant.listener is None:
        return
    for who, events in zip(("sync", "async"), variant.listener.take(), strict=True):
        if describe_events(events) != turn.events:
            raise Disagreement(
                f"{LABELS[variant.name]}: the {who} subscriber saw {len(events)} events that "
                f"are not the Pydantic path's {len(turn.events)}"
            )
        run.events_checked += len(events)


async def _close(variants: dict[str, Variant]) -> None:
    """Stops the buses and checks that nothing was lost in them."""
    for variant in variants.values():
        if variant.bus is None:
            continue
        await variant.bus.stop()
        counts = variant.bus.get_statistics()
        lost = sum(counts["dropped"].values()) + counts["queue_size"] + counts["in_flight"]
        if lost or counts["emitted"] != counts["handled"]:
            raise Disagreement(
                f"{LABELS[variant.name]}: {counts['emitted']} events were emitted, "
                f"{counts['handled']} handled"
            )
        if variant.name == OFF and counts["emitted"]:
            raise Disagreement(f"{LABELS[OFF]}: {counts['emitted']} events were made")


def _evaluate(run: RealRun, times: dict[str, list[Sample]]) -> None:
    """Each turn of each round is a set of measurements side by side."""
    plain = [sample.operation for sample in times[PLAIN]]
    reference = [sample.processed for sample in times[REFERENCE]]
    for name, samples in times.items():
        own = [sample.operation for sample in samples]
        processed = [sample.processed for sample in samples]
        run.operation_us[name] = spread_of(own)
        run.foreground_us[name] = spread_of(_differences(own, plain))
        run.overhead_us[name] = spread_of(_differences(processed, plain))
        run.ratio_to_undecorated[name] = spread_of(_ratios(processed, plain))
        run.ratio_to_reference[name] = spread_of(_ratios(processed, reference))


def _differences(own: list[float], other: list[float]) -> list[float]:
    return [a - b for a, b in zip(own, other, strict=True)]


def _ratios(own: list[float], other: list[float]) -> list[float]:
    return [a / b for a, b in zip(own, other, strict=True)]
