"""Each detector detects: a deliberate fault of each kind is caught by the suite meant to catch it.

The faulty programs are in tests/detectors/.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onex_events import Event, EventBus

from .conformance import harness
from .stress import scale

TESTS = Path(__file__).parent
FAULTY = TESTS / "detectors"


def run(*command: str | Path, without: set[str], **environment: str) -> tuple[int, str]:
    """The exit code of a command and what it wrote; `without` some of our environment."""
    kept = {name: value for name, value in os.environ.items() if name not in without}
    ended = subprocess.run(
        [str(part) for part in command],
        cwd=TESTS.parent,
        env={**kept, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    return ended.returncode, ended.stdout


def run_pytest(*arguments: str | Path) -> tuple[int, str]:
    """The suite's pytest; allocated blocks are counted by Python's own allocator only, and
    those of coverage.py come and go."""
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    without = {
        "PYTHONMALLOC",
        "PYTEST_ADDOPTS",
        "COVERAGE_PROCESS_CONFIG",
        "COVERAGE_PROCESS_START",
    }
    return run(*command, *arguments, without=without)


# --- faults in C: tools/c-tests ----------------------------------------------------

C_FAULTS = [
    ("race.c", "thread", "WARNING: ThreadSanitizer: data race"),
    ("use_after_free.c", "address,undefined", "ERROR: AddressSanitizer: heap-use-after-free"),
    ("use_after_free.c", "valgrind", "Invalid read of size 4"),
    ("leak.c", "address,undefined", "ERROR: LeakSanitizer: detected memory leaks"),
    ("leak.c", "valgrind", "are definitely lost"),
    ("overflow.c", "address,undefined", "runtime error: signed integer overflow"),
    ("uninitialised.c", "valgrind", "uninitialised byte"),
]


@pytest.mark.parametrize(("program", "how", "report"), C_FAULTS)
def test_a_fault_in_c_is_caught(
    require: Callable[[str], Any], tmp_path: Path, program: str, how: str, report: str
) -> None:
    if sys.platform != "linux":
        pytest.skip("tools/c-tests is run on Linux")
    require("gcc")
    if how == "valgrind":
        require("valgrind")
    code, output = run(
        *("tools/c-tests", how, FAULTY / program),
        without={"LD_PRELOAD", "ASAN_OPTIONS", "UBSAN_OPTIONS"},
        CC="gcc",
        ONEX_C_BUILD=str(tmp_path),
    )
    if "cmocka is not installed" in output:
        pytest.skip("missing: cmocka (a C library)")
    assert code != 0
    assert report in output


# --- leaks of Python objects: tests/leak_check.py ------------------------------------

LEAKS = {"test_keeps_an_object", "test_keeps_a_class", "test_has_a_fixture_that_keeps_an_object"}


@pytest.mark.parametrize("mode", ["references", "blocks"])
def test_a_leak_is_caught(mode: str) -> None:
    if mode == "references" and not hasattr(sys, "gettotalrefcount"):
        pytest.skip("references are counted by debug interpreters only")
    code, output = run_pytest("-p", "tests.leak_check", f"--leaks={mode}", FAULTY / "leaks.py")
    caught = set(re.findall(r"^FAILED \S+::(\w+)", output, re.MULTILINE))
    assert code == 1
    assert caught == (LEAKS | {"test_keeps_a_reference"} if mode == "references" else LEAKS)
    assert "1 exempt: an example" in output
    assert "1 exempt: it starts processes" in output


# --- lost events: the accounting identity ------------------------------------------------


class LosesEveryThird(deque[Any]):
    """A queue."""

    appended = 0

    def append(self, entry: Any) -> None:
        self.appended += 1
        if self.appended % 3:
            super().append(entry)


@pytest.mark.parametrize("check", [harness.identity, scale.accounted, scale.settled])
def test_a_lost_event_is_caught(check: Callable[[Any], Any]) -> None:
    pytest.importorskip("pydantic")
    from onex_events.reference import Event, EventBus

    with EventBus() as bus:
        bus._dispatcher.queue = LosesEveryThird()
        for name in ("first", "second"):
            bus.emit_sync(Event(type=name))
        check(bus)
        bus.emit_sync(Event(type="lost"))
        with pytest.raises(AssertionError, match="unexplained events"):
            check(bus)


# --- hangs: waits with an end ------------------------------------------------------------


def test_a_test_that_hangs_is_caught() -> None:
    """Also where the interruption ends the hang, and the bus keeps what a handler raises."""
    code, output = run_pytest("--timeout=3", f"{FAULTY}/hangs.py::test_in_a_handler")
    assert code == 1
    assert "interrupted after 3 s" in output
    assert "lock.acquire()" in output  # where it hangs is shown


def test_a_test_that_hangs_with_the_interpreter_is_caught() -> None:
    """No signal handler runs then."""
    code, output = run_pytest(
        *("--timeout=2", "-o", "faulthandler_timeout=4"),
        f"{FAULTY}/hangs.py::test_with_the_interpreter",
    )
    assert code == 1
    assert "Timeout (0:00:04)!" in output
    assert "in test_with_the_interpreter" in output


def test_a_program_that_hangs_is_caught() -> None:
    with pytest.raises(AssertionError, match=r"hung for 5 s(.|\n)*goes to sleep"):
        scale.run_program(
            """
            import threading

            print("goes to sleep", flush=True)
            lock = threading.Lock()
            with lock, lock:
                pass
            """,
            limit=5,
        )


class TestWaits:
    """Those of the harnesses, at a bus whose handler does not return."""

    @pytest.fixture
    def stuck(self):
        release = threading.Event()
        with EventBus() as bus:
            bus.start_background()
            bus.subscribe(lambda event: release.wait(), Event)
            bus.emit_sync(Event(type="stuck"))
            yield bus
            release.set()

    def test_drain(self, stuck: EventBus) -> None:
        with pytest.raises(TimeoutError):
            harness.drain(stuck, limit=0.2)

    def test_drained(self, stuck: EventBus) -> None:
        with pytest.raises(TimeoutError):
            scale.drained(stuck, limit=0.2)

    def test_settled(self, stuck: EventBus) -> None:
        with pytest.raises(AssertionError):
            scale.settled(stuck)

    def test_run(self, stuck: EventBus) -> None:
        with pytest.raises(TimeoutError):
            harness.run(harness.drained(stuck), limit=0.2)

    def test_until(self) -> None:
        with pytest.raises(TimeoutError):
            harness.run(harness.until(lambda: False, limit=0.2))

    def test_wait_until(self) -> None:
        with pytest.raises(TimeoutError):
            harness.wait_until(lambda: False, limit=0.2)

    def test_in_thread(self, stuck: EventBus) -> None:
        with pytest.raises(TimeoutError):
            harness.in_thread(stuck.flush_sync, limit=0.2)
