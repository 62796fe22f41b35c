"""Two small charts as SVG text: bars and curves, both on logarithmic axes."""

from collections.abc import Mapping
from html import escape
from math import ceil, floor, log10

COLOURS = ("#0b6e99", "#d9730d", "#448361", "#9065b0", "#c14c8a", "#787774")
FONT = 'font-family="sans-serif" font-size="12"'


def _number(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _ticks(low: float, high: float) -> list[float]:
    return [10.0**power for power in range(floor(log10(low)), ceil(log10(high)) + 1)]


def _document(width: int, height: int, title: str, parts: list[str]) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {FONT}>',
            f'<rect width="{width}" height="{height}" fill="white"/>',
            f'<text x="8" y="18" font-weight="bold">{escape(title)}</text>',
            *parts,
            "</svg>\n",
        ]
    )


def bars(title: str, values: Mapping[str, float], ours: str) -> str:
    """A bar for each value, the longest last; ours stands out."""
    left, right, row, top = 250, 520, 22, 34
    ticks = _ticks(min(values.values()), max(values.values()))

    def across(value: float) -> float:
        share = (log10(value) - log10(ticks[0])) / (log10(ticks[-1]) - log10(ticks[0]))
        return left + (right - left) * share

    bottom = top + row * len(values)
    parts = []
    for tick in ticks:
        x = f"{across(tick):.0f}"
        parts.append(f'<line x1="{x}" x2="{x}" y1="{top}" y2="{bottom}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{x}" y="{bottom + 16}" text-anchor="middle" fill="#666">'
            f"{_number(tick)}</text>"
        )
    for at, (name, value) in enumerate(sorted(values.items(), key=lambda item: item[1])):
        y, end = top + row * at, across(value)
        colour = COLOURS[0] if name == ours else COLOURS[-1]
        parts.append(
            f'<text x="{left - 6}" y="{y + 15}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{left}" y="{y + 3}" width="{max(end - left, 1):.0f}" height="{row - 6}" '
            f'fill="{colour}"/><text x="{end + 4:.0f}" y="{y + 15}">{_number(value)}</text>'
        )
    return _document(right + 70, bottom + 26, title, parts)


def curves(title: str, unit: str, series: Mapping[str, Mapping[float, float]]) -> str:
    """A line for each series; what can't stand on a logarithmic axis is left out."""
    left, right, top, bottom = 84, 444, 34, 290
    points = {
        name: {x: y for x, y in line.items() if x > 0 and y > 0} for name, line in series.items()
    }
    xs = [x for line in points.values() for x in line]
    ys = [y for line in points.values() for y in line.values()]
    x_ticks, y_ticks = _ticks(min(xs), max(xs)), _ticks(min(ys), max(ys))

    def place(x: float, y: float) -> str:
        across = (log10(x) - log10(x_ticks[0])) / (log10(x_ticks[-1]) - log10(x_ticks[0]))
        up = (log10(y) - log10(y_ticks[0])) / (log10(y_ticks[-1]) - log10(y_ticks[0]))
        return f"{left + (right - left) * across:.0f},{bottom - (bottom - top) * up:.0f}"

    parts = []
    for tick in y_ticks:
        y = place(x_ticks[0], tick).split(",")[1]
        parts.append(f'<line x1="{left}" x2="{right}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{left - 6}" y="{int(y) + 4}" text-anchor="end">{_number(tick)}</text>'
        )
    for tick in x_ticks:
        x = place(tick, y_ticks[0]).split(",")[0]
        parts.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{_number(tick)}</text>')
    for at, (name, line) in enumerate(points.items()):
        colour = COLOURS[at % len(COLOURS)]
        spots = [place(x, y) for x, y in sorted(line.items())]
        parts.append(
            f'<polyline points="{" ".join(spots)}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        last = spots[-1].split(",")
        parts.append(
            f'<text x="{right + 6}" y="{50 + 18 * at}" fill="{colour}">{escape(name)}</text>'
        )
        parts.append(f'<circle cx="{last[0]}" cy="{last[1]}" r="3" fill="{colour}"/>')
    parts.append(
        f'<text x="{(left + right) // 2}" y="{bottom + 36}" text-anchor="middle" fill="#666">'
        f"{escape(unit)}</text>"
    )
    return _document(right + 140, bottom + 46, title, parts)
