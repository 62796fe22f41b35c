"""What the stress tests print: one line of counts for each promise (docs/reliability.md)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

import pytest

from .scale import SOAK

_tallies: dict[str, Counter[str]] = defaultdict(Counter)


@pytest.fixture(scope="session")
def tally() -> Callable[..., None]:
    """``tally("R6 fork", forks=500, hangs=0)``: counts that are printed at the end."""

    def add(promise: str, **counts: int) -> None:
        _tallies[promise].update(counts)

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _tallies:
        return
    terminalreporter.section("reliability" + ("" if SOAK else ", at a part of the full size"))
    for promise, counts in sorted(_tallies.items()):
        shown = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in counts.items())
        terminalreporter.write_line(f"{promise}: {shown}")
