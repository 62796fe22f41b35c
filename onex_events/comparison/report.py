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
from .pieces import ESTIMATES_US, LIMIT_US, ROWS
from .pipeline import EVENTS_PER_OPERATION
from .rounds import RealRun
from .spread import Spread
from .variants import (
    LABELS,
    LEGEND,
    OFF,
    ON,
    PLAIN,
    RECORDING,
    REFERENCE,
    REFERENCE_ON,
    VARIANTS,
)

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
                    "label": LABELS[name],
                    "operation_us": _spread_dict(real.operation_us[name]),
                    "foreground_us": _spread_dict(real.foreground_us[name]),
                    "overhead_us": _spread_dict(real.overhead_us[name]),
                    "ratio_to_undecorated": _spread_dict(real.ratio_to_undecorated[name]),
                    "ratio_to_reference": _spread_dict(real.ratio_to_reference[name]),
                }
                for name in VARIANTS
            },
            "pieces_us": {
                name: {piece: _spread_dict(spread) for piece, spread in pieces.items()}
                for name, pieces in self.pieces.items()
            },
            "verdicts": {
                "core_off_ratio": self.off_verdict,
                "below_limit": {
                    name: pieces["total"].high < LIMIT_US for name, pieces in self.pieces.items()
                },
                "times_less_than_reference": {
                    name: _ratio_of(self.pieces[reference]["total"], self.pieces[name]["total"])
                    for reference, name in _PAIRS
                },
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
            "with back-\nground, us",
            "ratio to\nundecorated",
            "to\nPydantic",
        )
        for name in VARIANTS:
            table.add_row(
                LABELS[name].replace(", ", ",\n  "),
                f"{real.operation_us[name].median / 1e3:.2f}",
                "" if name == PLAIN else _with_interval(real.foreground_us[name], _number),
                "" if name == PLAIN else _with_interval(real.overhead_us[name], _number),
                "1" if name == PLAIN else _with_interval(real.ratio_to_undecorated[name], _ratio),
                "1" if name == REFERENCE else f"{real.ratio_to_reference[name].median:.3f}",
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
            "C\ncore",
            "of\n1 ms",
            "times\nless",
        )
        for label, piece, reference_name, core_name in ROWS:
            reference, core = self.pieces[reference_name][piece], self.pieces[core_name][piece]
            table.add_row(
                label,
                _estimate(piece) if label == piece else "",
                _with_interval(reference, _number),
                _share(reference),
                _with_interval(core, _number),
                _share(core),
                _times(reference, core),
                style="bold" if piece == "total" else None,
            )
        return table

    def _conclusions(self) -> list[str]:
        ratio = self.real.ratio_to_undecorated[OFF]
        lines = [
            f"{LABELS[OFF]}: {_ratio(ratio.median)} times the undecorated run, with 95 % "
            f"confidence {_ratio(ratio.low)} to {_ratio(ratio.high)}: {self.off_verdict}",
        ]
        for reference, name in ((REFERENCE, REFERENCE), *_PAIRS):
            total = self.pieces[name]["total"]
            verdict = "below 1 ms" if total.high < LIMIT_US else "not below 1 ms"
            text = f"{LABELS[name]}: {_number(total.median)} us of events an operation, {verdict}"
            if name == REFERENCE:
                text += f" (the seed's estimate: {_estimate('total')} us)"
            else:
                times = _times(self.pieces[reference]["total"], total)
                text += f", {times} times less than the {LABELS[reference]}"
            lines.append(text)
        lines.append(
            f"all variants computed the same results; {self.real.events_checked} events seen by "
            "the C core's subscribers are the Pydantic path's"
        )
        return lines


#: What the C core's totals are compared with: the same done on the Pydantic path.
_PAIRS = ((REFERENCE, OFF), (REFERENCE, RECORDING), (REFERENCE_ON, ON))


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


def _ratio_of(reference: Spread, own: Spread) -> float | None:
    """How many times less ``own`` is; None where it is not above the noise."""
    return reference.median / own.median if own.median > 0 else None


def _times(reference: Spread, own: Spread) -> str:
    ratio = _ratio_of(reference, own)
    return "" if ratio is None else f"{ratio:,.1f}"


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
    percent = spread.median / LIMIT_US * 100
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"
