"""How large a stress test is, and what each of them ends with: the accounting identity."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SOAK = os.environ.get("ONEX_SOAK", "0") not in ("", "0")


SHARE = float(os.environ.get("ONEX_STRESS_SHARE", "1"))
"""How much of that part is run, where the same suite runs on many interpreters."""


def sized(full: int, *, part: int = 20) -> int:
    """``full`` in ``make soak``, else 1/``part`` of it (at least 1)."""
    return full if SOAK else max(1, int(full // part * SHARE))


def accounted(bus: Any) -> dict[str, Any]:
    """The statistics of now, after checking that they explain every event."""
    figures: dict[str, Any] = bus.get_statistics()
    explained = (
        figures["handled"]
        + sum(figures["dropped"].values())
        + figures["queue_size"]
        + figures["in_flight"]
    )
    assert figures["emitted"] == explained, f"unexplained events: {figures}"
    return figures


def drained(*buses: Any, limit: float = 60) -> None:
    """Wait until nothing is left to do, also of what handlers emit meanwhile, here or there."""
    end = time.monotonic() + limit
    while True:
        for bus in buses:
            bus.flush_sync(max(end - time.monotonic(), 0.001))
        figures = [bus.get_statistics() for bus in buses]
        if not any(one["queue_size"] or one["in_flight"] for one in figures):
            return


def settled(bus: Any) -> dict[str, Any]:
    """The statistics after all work is over: nothing queued, nothing in flight."""
    figures = accounted(bus)
    assert (figures["queue_size"], figures["in_flight"]) == (0, 0), figures
    return figures


@dataclass
class Exit:
    """How a program ended."""

    code: int
    out: str
    err: str
    seconds: float
    at: float = 0.0
    """When, by `time.monotonic`, which is the same in all processes."""

    def value(self, name: str) -> int:
        """The number in the last line ``name=number`` of its standard output."""
        values = [line for line in self.out.splitlines() if line.startswith(f"{name}=")]
        assert values, f"no {name} in the output:\n{self}"
        return int(values[-1].partition("=")[2])

    def __str__(self) -> str:
        return (
            f"exit code {self.code} after {self.seconds:.2f} s\n"
            f"--- stdout\n{self.out}\n--- stderr\n{self.err}"
        )


def run_program(
    source: str,
    *,
    limit: float = 60,
    meanwhile: Callable[[subprocess.Popen[str]], None] | None = None,
    **environment: str,
) -> Exit:
    """Run ``source`` in a new interpreter; more than ``limit`` s is a hang, and fails.

    ``meanwhile`` may talk to the running program.
    """
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(source)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        if meanwhile is not None:
            meanwhile(process)
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(
            f"hung for {limit} s\n{Exit(-9, out, err, time.monotonic() - began)}"
        ) from None
    now = time.monotonic()
    return Exit(process.returncode, out, err, now - began, now)
