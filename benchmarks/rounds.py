"""The discipline that all benchmarks share: interleaved rounds, medians, spread, verdicts.

A benchmark times its variants in turns, every round in another order, so that whatever else the
machine does falls on all of them; ratios are taken within a round, where both sides saw the same
machine. Reported are the median and the interval that holds the true median with 95 %
(order statistics, no assumption about the distribution).

Options of every benchmark: ``--rounds N``, ``--seconds S`` (of each variant in each round),
``--json FILE``, ``--plot FILE`` (needs matplotlib).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from onex_events.comparison.spread import Spread, spread_of

#: Runs a number of operations and returns the seconds that they took.
Timed = Callable[[int], float]


def loop(statement: str, **names: object) -> Timed:
    """A timed loop around a statement, compiled with it, as timeit does."""
    return _compile("def timed(n, clock):", statement, names)


def async_loop(statement: str, **names: object) -> Timed:
    """The same around a statement with await, inside one ``asyncio.run``."""
    timed = _compile("async def timed(n, clock):", statement, names)
    return lambda n: asyncio.run(timed(n))  # type: ignore[arg-type]


def _compile(head: str, statement: str, names: Mapping[str, object]) -> Timed:
    body = "\n".join(f"        {line}" for line in statement.splitlines())
    source = (
        f"{head}\n    start = clock()\n    for _ in range(n):\n{body}\n    return clock() - start"
    )
    scope = dict(names)
    exec(source, scope)
    timed: Any = scope["timed"]
    return lambda n: timed(n, time.perf_counter)


def peers(makers: Mapping[str, Callable[[], Timed]]) -> dict[str, Timed]:
    """The variants of other libraries that are installed; for the others one line says so."""
    made = {}
    for name, make in makers.items():
        try:
            made[name] = make()
        except ImportError as error:
            print(f"  missing: {name} ({error.name or error})")
    return made


def show(spread: Spread) -> str:
    """A median and its interval, in four digits."""
    return f"{spread.median:.4g} [{spread.low:.4g}, {spread.high:.4g}]"


@dataclass
class Verdict:
    """One line of the answer: a figure, its bound, and whether it is met."""

    name: str
    spread: Spread
    bound: float | None
    met: bool | None

    def __str__(self) -> str:
        line = f"  {self.name:<58} {show(self.spread):<28}"
        if self.bound is None:
            return line
        return f"{line} bound {self.bound:g}: {'met' if self.met else 'NOT MET'}"


@dataclass
class Question:
    """What a benchmark asks, the rounds it measured, and the answer."""

    target: str
    text: str
    arguments: Sequence[str] | None = None
    rounds: dict[str, list[float]] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)

    def __post_init__(self) -> None:
        parser = argparse.ArgumentParser(description=self.text)
        parser.add_argument("--rounds", type=int, default=31)
        parser.add_argument("--seconds", type=float, default=0.02)
        parser.add_argument("--json", metavar="FILE")
        parser.add_argument("--plot", metavar="FILE")
        self.options = parser.parse_args(self.arguments)
        print(f"{self.target}: {self.text}")

    def measure(self, variants: Mapping[str, Timed]) -> None:
        """Time all variants in interleaved rounds; ns an operation go to ``rounds``."""
        counts = {name: self._count(timed) for name, timed in variants.items()}
        names = list(variants)
        for turn in range(self.options.rounds + 1):
            start = turn % len(names)
            gc.collect()
            gc.disable()
            try:
                for name in names[start:] + names[:start]:
                    seconds = variants[name](counts[name])
                    if turn:  # the first is the warm-up
                        self.rounds.setdefault(name, []).append(seconds / counts[name] * 1e9)
            finally:
                gc.enable()
        for name in names:
            print(f"  {name:<58} {show(self.time(name))} ns")

    def _count(self, timed: Timed) -> int:
        count = 1
        # The better of two: on a busy machine one slow call must not settle the count.
        while (seconds := min(timed(count), timed(count))) < self.options.seconds / 2:
            count = max(2 * count, int(count * self.options.seconds / max(seconds, 1e-9) / 2))
        return max(1, round(count * self.options.seconds / seconds))

    def time(self, name: str) -> Spread:
        """ns an operation of one variant."""
        return spread_of(self.rounds[name])

    def figure(self, name: str, formula: Callable[..., float], *variants: str) -> Spread:
        """A figure computed within each round from the times of these variants."""
        spread = spread_of(
            [formula(*values) for values in zip(*(self.rounds[v] for v in variants), strict=True)]
        )
        self.verdicts.append(Verdict(name, spread, None, None))
        return spread

    def at_most(
        self,
        name: str,
        bound: float,
        formula: Callable[..., float],
        *variants: str,
        interval: bool = False,
    ) -> None:
        """The same with an upper bound, on the median or on the whole interval."""
        spread = self.figure(name, formula, *variants)
        value = spread.high if interval else spread.median
        self.verdicts[-1] = Verdict(name, spread, bound, value <= bound)

    def at_least(
        self, name: str, bound: float, formula: Callable[..., float], *variants: str
    ) -> None:
        """The same with a lower bound on the median."""
        spread = self.figure(name, formula, *variants)
        self.verdicts[-1] = Verdict(name, spread, bound, spread.median >= bound)

    def answer(self) -> None:
        """Print the verdicts; write the files that were asked for."""
        for verdict in self.verdicts:
            print(verdict)
        if self.options.json:
            with open(self.options.json, "w", encoding="utf-8") as file:
                json.dump(self.as_dict(), file, indent=2)
        if self.options.plot:
            self._plot(self.options.plot)

    def as_dict(self) -> dict[str, Any]:
        """All that was measured, with machine, versions and date."""
        return {
            "target": self.target,
            "question": self.text,
            "python": sys.version,
            "machine": f"{platform.machine()} {platform.system()} {platform.release()}",
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "ns_per_operation": self.rounds,
            "verdicts": [
                {
                    "name": v.name,
                    "median": v.spread.median,
                    "interval": [v.spread.low, v.spread.high],
                    "bound": v.bound,
                    "met": v.met,
                }
                for v in self.verdicts
            ],
        }

    def _plot(self, path: str) -> None:
        try:
            from matplotlib import pyplot
        except ImportError:
            sys.exit("--plot needs matplotlib: pip install 'onex-events[plot]'")
        names = list(self.rounds)
        spreads = [self.time(name) for name in names]
        medians = [s.median for s in spreads]
        errors = [[s.median - s.low for s in spreads], [s.high - s.median for s in spreads]]
        figure, axes = pyplot.subplots(figsize=(8, 0.5 * len(names) + 1.5))
        axes.barh(names, medians, xerr=errors)
        axes.invert_yaxis()
        axes.set_xlabel("ns per operation (median, 95 % interval)")
        axes.set_title(f"{self.target}: {self.text}", wrap=True)
        figure.tight_layout()
        figure.savefig(path)
