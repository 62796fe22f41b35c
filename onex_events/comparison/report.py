"""What a comparison found: as data, as tables."""

import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .. import __version__
from .corpus import Corpus, describe_skipped
from .pieces import ESTIMATES_US, LIMIT_US, PIECES
from .pipeline import EVENTS_PER_OPERATION
from .rounds import RealRun
from .spread import Spread
from .variants import LEGEND, OFF, ON, PLAIN, REFERENCE, VARIANTS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["OFF_LIMIT", "Comparison", "headline"]

#: What the C core may cost around real work while nobody listens: 1 %.
OFF_LIMIT = 1.01


@dataclass(slots=True)
class Comparison:
    """All figures of one run of ``compare``."""

    corpus: Corpus
    real: RealRun
    pieces: dict[str, dict[str, Spread]]
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def off_verdict(self) -> str:
        """Whether the whole interval of the C core's ratio without listeners is within 1 %."""
        ratio = self.real.ratio_to_undecorated[OFF]
        if ratio.high <= OFF_LIMIT:
            return "within 1 %"
        return "above 1 %" if ratio.low > OFF_LIMIT else "undecided: more rounds would tell"

    def total_us(self, variant: str) -> Spread:
        """Overhead of an operation's six events, measured around empty functions."""
        return self.pieces[variant]["total"]

    def times_less(self, variant: str) -> float:
        """The Pydantic path's overhead in units of the variant's."""
        own = self.total_us(variant).median
        return self.total_us(REFERENCE).median / own if own > 0 else float("inf")

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-native data; times in microseconds per operation."""
        real, corpus = self.real, self.corpus
        return {
            "version": __version__,
            "date": self.began.isoformat(),
            "python": sys.version.split()[0],
            "machine": {
                "system": platform.platform(),
                "processor": platform.processor() or platform.machine(),
                "cores": os.cpu_count(),
            },
            "input": {
                "directory": str(corpus.directory),
                "modules": len(corpus.sources),
                "bytes": corpus.size,
                "skipped": dict(corpus.skipped),
            },
            "rounds": real.rounds,
            "operations": real.operations,
            "events_per_operation": EVENTS_PER_OPERATION,
            "limit_us": LIMIT_US,
            "estimates_us": {
                piece: {"low": low, "high": high} for piece, (low, high) in ESTIMATES_US.items()
            },
            "variants": {
                name: {
                    "label": label,
                    "operation_us": _spread_dict(real.operation_us[name]),
                    "overhead_us": _spread_dict(real.overhead_us[name]),
                    "ratio_to_undecorated": _spread_dict(real.ratio_to_undecorated[name]),
                    "ratio_to_reference": _spread_dict(real.ratio_to_reference[name]),
                    "pieces_us": {
                        piece: _spread_dict(spread)
                        for piece, spread in self.pieces.get(name, {}).items()
                    },
                }
                for name, label in VARIANTS.items()
            },
            "verdicts": {
                "core_off_ratio": self.off_verdict,
                "below_limit": {name: self.total_us(name).high < LIMIT_US for name in self.pieces},
                "reference_overhead_in_core_listening": self.times_less(ON),
                "reference_overhead_in_core_off": _finite(self.times_less(OFF)),
            },
            "checks": {
                "results_equal": True,
                "events_equal": True,
                "events_checked": real.events_checked,
            },
        }

    def print(self, console: "Console") -> None:
        """Two tables and what follows from them."""
        console.print()
        console.print(self._real_table())
        console.print()
        console.print(self._pieces_table())
        console.print()
        console.print(LEGEND, highlight=False, style="dim")
        for line in self._conclusions():
            console.print(line, highlight=False, soft_wrap=True, markup=False)

    def _real_table(self) -> "Table":
        real = self.real
        table = _table(
            "Real input: parse, analyse and summarise a module; six events an operation\n"
            f"({real.operations} operations a variant in {real.rounds} interleaved rounds)",
            "",
            "operation,\nms",
            "overhead,\nus",
            "ratio to\nundecorated",
            "to Pydantic\npath",
        )
        for name, label in VARIANTS.items():
            table.add_row(
                label,
                f"{real.operation_us[name].median / 1e3:.2f}",
                "" if name == PLAIN else _with_interval(real.overhead_us[name], _number),
                "1" if name == PLAIN else _with_interval(real.ratio_to_undecorated[name], _ratio),
                "1" if name == REFERENCE else _ratio(real.ratio_to_reference[name].median),
            )
        return table

    def _pieces_table(self) -> "Table":
        table = _table(
            "The events alone: the same three functions with empty bodies\n"
            "(us for the six events of an operation, and the share of the seed's 1 ms)",
            "",
            "seed's\nestimate",
            "Pydantic\npath",
            "of\n1 ms",
            "C core,\nlistening",
            "of\n1 ms",
            "times\nless",
        )
        for piece in PIECES:
            self._add_piece(table, piece, piece, ON)
        self._add_piece(table, "total, off", "total", OFF)
        return table

    def _add_piece(self, table: "Table", label: str, piece: str, core: str) -> None:
        reference, own = self.pieces[REFERENCE][piece], self.pieces[core][piece]
        table.add_row(
            label,
            _estimate(piece),
            _with_interval(reference, _number),
            _share(reference),
            _with_interval(own, _number),
            _share(own),
            f"{reference.median / own.median:,.1f}" if own.median > 0 else "",
            style="bold" if piece == "total" else None,
            end_section=piece == "background",
        )

    def _conclusions(self) -> list[str]:
        ratio = self.real.ratio_to_undecorated[OFF]
        lines = [
            f"{VARIANTS[OFF]}: {_ratio(ratio.median)} times the undecorated run, with 95 % "
            f"confidence {_ratio(ratio.low)} to {_ratio(ratio.high)}: {self.off_verdict}",
        ]
        for name in (REFERENCE, ON, OFF):
            total = self.total_us(name)
            verdict = "below 1 ms" if total.high < LIMIT_US else "not below 1 ms"
            text = f"{VARIANTS[name]}: {_number(total.median)} us of events an operation, {verdict}"
            if name == REFERENCE:
                text += f" (the seed's estimate: {_estimate('total')} us)"
            else:
                text += f", {self.times_less(name):,.0f} times less than the {VARIANTS[REFERENCE]}"
            lines.append(text)
        lines.append(
            f"all variants computed the same results; {self.real.events_checked} events seen by "
            "the C core's subscribers are the Pydantic path's"
        )
        return lines


def headline(corpus: Corpus) -> str:
    """The input and the machine in one line."""
    return (
        f"{len(corpus.sources)} modules, {corpus.size / 1e6:.1f} MB from {corpus.directory} "
        f"({describe_skipped(corpus)}); Python {sys.version.split()[0]}, {os.cpu_count()} cores"
    )


def _table(title: str, *headings: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(
        title=title,
        caption="medians, below them their 95 % intervals",
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    return table


def _spread_dict(spread: Spread) -> dict[str, float | int]:
    return {
        "median": spread.median,
        "low": spread.low,
        "high": spread.high,
        "quarter": spread.quarter,
        "three_quarters": spread.three_quarters,
        "samples": spread.samples,
    }


def _finite(value: float) -> float | None:
    return value if value != float("inf") else None


def _number(value: float) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def _ratio(value: float) -> str:
    return f"{value:.4f}"


def _with_interval(spread: Spread, written: Callable[[float], str]) -> str:
    interval = rf"\[{written(spread.low)}, {written(spread.high)}]"
    return f"{written(spread.median)}\n[dim not bold]{interval}[/]"


def _estimate(piece: str) -> str:
    low, high = ESTIMATES_US[piece]
    return f"{low:,.0f}" if low == high else f"{low:,.0f}-{high:,.0f}"


def _share(spread: Spread) -> str:
    return f"{spread.median / LIMIT_US * 100:.2g} %"
