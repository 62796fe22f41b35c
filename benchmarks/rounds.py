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
import gc
import json
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import instructions
from operation import Timed, async_loop, loop

from onex_events.comparison.spread import Spread, spread_of

__all__ = ["Question", "Timed", "Verdict", "async_loop", "loop", "peers", "show"]


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
    if spread.samples == 1:
        return f"{spread.median:.4g}"
    return f"{spread.median:.4g} [{spread.low:.4g}, {spread.high:.4g}]"


@dataclass
class Verdict:
    """One line of the answer: a figure, its bound, and whether it is met."""

    name: str
    spread: Spread
    bound: float | None
    met: bool | None  #: None: no bound, or one that lies inside of the interval that counts

    def __str__(self) -> str:
        line = f"  {self.name:<58} {show(self.spread):<28}"
        if self.bound is None:
            return line
        word = {True: "met", False: "NOT MET", None: "not decided"}[self.met]
        return f"{line} bound {self.bound:.4g}: {word}"


@dataclass
class Question:
    """What a benchmark asks, the rounds it measured, and the answer."""

    target: str
    text: str
    rounds: dict[str, list[float]] = field(default_factory=dict)
    instructions: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    def __post_init__(self) -> None:
        parser = argparse.ArgumentParser(description=self.text)
        parser.add_argument("--rounds", type=int, default=31)
        parser.add_argument("--seconds", type=float, default=0.02)
        parser.add_argument("--json", metavar="FILE")
        parser.add_argument("--plot", metavar="FILE")
        self.options = parser.parse_args()
        print(f"{self.target}: {self.text}")

    def measure(
        self, variants: Mapping[str, Timed], rounds: int | None = None, seconds: float | None = None
    ) -> None:
        """Time all variants in interleaved rounds; ns an operation go to ``rounds``."""
        rounds = rounds or self.options.rounds
        seconds = seconds or self.options.seconds
        gc.collect()
        gc.freeze()  # a collection between two rounds shall not take longer than they
        counts = {name: self._count(timed, seconds) for name, timed in variants.items()}
        names = list(variants)
        for turn in range(rounds + 1):
            start = turn % len(names)
            gc.collect()
            gc.disable()
            try:
                for name in names[start:] + names[:start]:
                    taken = variants[name](counts[name])
                    if turn:  # the first is the warm-up
                        self.rounds.setdefault(name, []).append(taken / counts[name] * 1e9)
            finally:
                gc.enable()
        gc.unfreeze()
        for name in names:
            print(f"  {name:<58} {show(self.time(name))} ns")

    @staticmethod
    def _count(timed: Timed, wanted: float) -> int:
        count = 1
        # The better of two: on a busy machine one slow call must not settle the count.
        while (taken := min(timed(count), timed(count))) < wanted / 2:
            count = max(2 * count, int(count * wanted / max(taken, 1e-9) / 2))
        return max(1, round(count * wanted / taken))

    def count(self, module: str) -> bool:
        """Count the instructions of the module's operations; False where they can't be."""
        try:
            self.instructions = instructions.count(module)
        except instructions.Unavailable as error:
            self.note(f"missing: {error}")
            return False
        for name, number in self.instructions.items():
            print(f"  {name:<58} {number:.1f} instructions")
        return True

    def note(self, text: str) -> None:
        """Say something that belongs to the answer."""
        self.notes.append(text)
        print(f"  {text}")

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
        bound: float | None,
        formula: Callable[..., float],
        *variants: str,
        interval: bool = False,
    ) -> None:
        """The same with an upper bound, on the median or on the whole interval, if there is one."""
        spread = self.figure(name, formula, *variants)
        if bound is None:
            return
        met: bool | None = spread.median <= bound
        if interval and spread.low <= bound < spread.high:
            met = None
        self.verdicts[-1] = Verdict(name, spread, bound, met)

    def at_least(
        self, name: str, bound: float | None, formula: Callable[..., float], *variants: str
    ) -> None:
        """The same with a lower bound on the median, if there is one."""
        spread = self.figure(name, formula, *variants)
        if bound is not None:
            self.verdicts[-1] = Verdict(name, spread, bound, spread.median >= bound)

    def missing(self, bounds: Mapping[str, float | None]) -> None:
        """Say which peers are not there, and which of them a bound is about."""
        for name, bound in bounds.items():
            about = "" if bound is None else f", so its bound ({bound:g}) is not judged"
            self.note(f"missing: {name}{about}")

    def exactly(self, name: str, value: float, bound: float) -> None:
        """A figure that has no spread, with an upper bound."""
        self.verdicts.append(Verdict(name, spread_of([value]), bound, value <= bound))

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
            "instructions_per_operation": self.instructions,
            "notes": self.notes,
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
