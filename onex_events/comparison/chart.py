"""The comparison as a picture."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from .pieces import ESTIMATES_US, LIMIT_US, ROWS
from .report import OFF_LIMIT, Comparison
from .spread import Spread
from .variants import LABELS, LEGEND, OFF, ON, PLAIN, REFERENCE, REFERENCE_ON, VARIANTS

__all__ = ["check_chart_path", "draw"]

_COLOURS = {REFERENCE: "#c8553d", REFERENCE_ON: "#c8553d", OFF: "#2a9d8f", ON: "#1d5fa8"}
_ESTIMATE = "#c9ccd1"


def check_chart_path(path: Path) -> str | None:
    """What is wrong with a chart's file name, or None.  ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.backend_bases import FigureCanvasBase

    kinds = sorted(FigureCanvasBase.get_supported_filetypes())
    if path.suffix.lower().removeprefix(".") not in kinds:
        return f"a chart's name ends in one of {', '.join('.' + kind for kind in kinds)}: {path}"
    return None


def draw(comparison: Comparison, path: Path) -> None:
    """Writes a chart: what an operation's events cost, and what is left of it around real work.

    The file's suffix says its format (PNG, SVG, PDF).
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure, (pieces, real) = pyplot.subplots(
            1, 2, figsize=(14, 5.4), gridspec_kw={"width_ratios": [9, 5]}, layout="constrained"
        )
        _draw_pieces(pieces, comparison)
        _draw_real(real, comparison)
        figure.supxlabel(LEGEND, fontsize=8, color="#555555")
        figure.savefig(path, dpi=150)
        pyplot.close(figure)


def _draw_pieces(axes: Any, comparison: Comparison) -> None:
    """Estimate and measurements of each row, on a logarithmic scale."""
    width = 0.27
    for index, (label, piece, reference, core) in enumerate(ROWS):
        bars = [
            (comparison.pieces[reference][piece], "Pydantic path", _COLOURS[REFERENCE]),
            (comparison.pieces[core][piece], "C core", _COLOURS[ON]),
        ]
        if label == piece:
            bars.insert(0, (_estimate_bar(piece), "the seed's estimate", _ESTIMATE))
        for place, (bar, name, colour) in enumerate(bars, start=3 - len(bars)):
            if bar.median <= 0:
                continue
            at = index + (place - 1) * width
            axes.bar(at, bar.median, width * 0.92, color=colour, label=name)
            _whisker(axes, at, bar)
            axes.annotate(
                _short(bar.median),
                (at, max(bar.high, bar.median)),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
    axes.axhline(LIMIT_US, color="#444444", linewidth=1, linestyle="--")
    axes.annotate("1 ms", (2, LIMIT_US), xytext=(0, 3), textcoords="offset points", fontsize=8)
    axes.set_yscale("log")
    axes.set_ylim(top=axes.get_ylim()[1] * 3)
    axes.set_xticks(range(len(ROWS)), _tick_labels(), fontsize=8)
    axes.set_ylabel("µs per operation (six events), log scale")
    axes.set_title("What the events of an operation cost", loc="left", fontweight="bold")
    _legend_once(axes)


def _tick_labels() -> list[str]:
    return [
        label.replace("_", "\n") if label == piece else f"{piece},\n{label.strip()}"
        for label, piece, _, _ in ROWS
    ]


def _draw_real(axes: Any, comparison: Comparison) -> None:
    """Time on real input relative to the undecorated run."""
    real = comparison.real
    names = [name for name in VARIANTS if name != PLAIN]
    plain_us = real.operation_us[PLAIN].median
    for index, name in enumerate(names):
        total = _percent_added(real.ratio_to_undecorated[name])
        own = min(real.foreground_us[name].median / plain_us * 100, total.median)
        axes.bar(index, own, 0.55, color=_COLOURS[name])
        axes.bar(index, total.median - own, 0.55, bottom=own, color=_COLOURS[name], alpha=0.35)
        _whisker(axes, index, total)
        axes.annotate(
            f"{total.median:+.2f} %",
            (index, max(total.high, total.median, 0.0)),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
    axes.axhline(0, color="#444444", linewidth=1)
    axes.axhline(
        (OFF_LIMIT - 1) * 100,
        color=_COLOURS[OFF],
        linewidth=1,
        linestyle="--",
        label="1 %, the limit of the C core, off",
    )
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    axes.margins(y=0.2)
    axes.set_xticks(
        range(len(names)),
        [LABELS[name].replace(", ", ",\n") for name in names],
    )
    axes.set_ylabel("time added to the undecorated run, %")
    axes.set_title("Added to real work", loc="left", fontweight="bold")
    operation_ms = plain_us / 1e3
    axes.set_xlabel(f"an operation of {operation_ms:.1f} ms; pale: processing in the background")


def _percent_added(ratio: Spread) -> Spread:
    return replace(
        ratio,
        median=(ratio.median - 1) * 100,
        low=(ratio.low - 1) * 100,
        high=(ratio.high - 1) * 100,
    )


def _estimate_bar(piece: str) -> Spread:
    low, high = ESTIMATES_US[piece]
    return Spread((low + high) / 2, low, high, low, high, 1)


def _whisker(axes: Any, at: float, bar: Spread) -> None:
    if bar.high > bar.low:
        below, above = max(bar.median - bar.low, 0.0), max(bar.high - bar.median, 0.0)
        axes.errorbar(at, bar.median, [[below], [above]], color="#222222", capsize=2, linewidth=1)


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def _legend_once(axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    axes.legend(
        unique.values(), unique.keys(), frameon=False, fontsize=8, loc="upper left", ncols=2
    )
