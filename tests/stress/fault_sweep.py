"""Runs operations with each allocation failing in turn; a program of its own.

    python -m tests.stress.fault_sweep OPERATION...

For each operation and n = 0, 1, 2, ... the extension's allocation of number n fails (then it
and the ones behind it), until the operation no longer gets that far.  Each round is announced
on standard output before it begins, so that a crash names its place.  Ends with a line of JSON
for each operation: what was done, and what was wrong.
"""

from __future__ import annotations

import gc
import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import failing_memory  # type: ignore[import-not-found]  # test_faults.py builds it

from onex_events import _core
from tests.stress.fault_operations import OPERATIONS, Operation
from tests.stress.scale import SOAK

#: Allocations that fail one after the other: the second number is enough for what deals with a
#: failure to fail as well.
BURSTS = (1, 2, 5, 12, 100) if SOAK else (1, 12)
#: A sweep that does not end by itself is a fault, too.
MOST = 100_000
#: Failures of one allocation between two counts of the memory's blocks.
TIMES = 30


@dataclass
class Sweep:
    """What became of one operation's rounds."""

    name: str
    faults: int = 0
    errors: int = 0
    leaks_sought: int = 0
    wrong: list[str] = field(default_factory=list)


def failing(run: Callable[[], object], n: int, burst: int) -> tuple[BaseException | None, bool]:
    """The operation's error when allocations from number ``n`` on fail; whether it met them."""
    error = None
    failing_memory.fail(n, n + burst)
    try:
        run()
    except BaseException as raised:
        error = raised
    return error, failing_memory.stop() > n


def is_expected(operation: Operation, error: BaseException) -> bool:
    """Whether an error comes of nothing but a lack of memory, and may reach the caller."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_expected(operation, one) for one in error.exceptions)
    return isinstance(error, operation.raises)


class Unraisable:
    """Stands as sys.unraisablehook, and keeps what is not a lack of memory."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        sys.unraisablehook = self

    def __call__(self, args: Any) -> None:
        if not isinstance(args.exc_value, MemoryError | None):
            self.errors.append(f"unraisable {args.exc_value!r} in {args.object!r}")

    def take(self) -> list[str]:
        taken, self.errors = self.errors, []
        return taken


def one_round(sweep: Sweep, operation: Operation, n: int, burst: int) -> tuple[bool, list[str]]:
    """One round: whether the operation met the failing allocation, and what was wrong."""
    print("round", sweep.name, n, burst, flush=True)
    wrong = []
    error, met = failing(operation.run, n, burst)
    sweep.faults += met
    sweep.errors += error is not None
    if error is not None and not is_expected(operation, error):
        wrong.append(f"{error!r} reached the caller")
    del error
    try:
        operation.check()
        operation.run()
        operation.check()
    except BaseException as raised:
        wrong.append(f"afterwards {raised!r}")
    return met, wrong


def is_lost(operation: Operation, n: int) -> bool:
    """Whether each failure of allocation ``n`` loses memory."""
    for _ in range(TIMES):  # caches, histories
        failing(operation.run, n, 1)
        operation.check()
    for _ in range(12):  # what fills up grows less each time
        gc.collect()
        before = sys.getallocatedblocks()
        for _ in range(TIMES):
            failing(operation.run, n, 1)
            operation.check()
        gc.collect()
        if sys.getallocatedblocks() - before < TIMES:
            return False
    return True


def leaks_can_be_told() -> bool:
    """Whether blocks are counted, and the interpreter loses none with each MemoryError.

    With PYTHONMALLOC=malloc they are not; CPython 3.12.1 and 3.13.0 lose the traceback.
    """
    return sys.getallocatedblocks() > 0 and not is_lost(
        Operation(lambda: _core.Histogram()), 0
    )  # two frames: more than noise


def sweep_of(name: str, unraisable: Unraisable) -> Sweep:
    sweep = Sweep(name)
    operation = OPERATIONS[name]()
    for _ in range(3):
        operation.run()
        operation.check()
    reached = 0
    for burst in BURSTS:
        met, n = True, 0
        while met:
            met, wrong = one_round(sweep, operation, n, burst)
            sweep.wrong += [
                f"allocation {n}, {burst} in a row: {one}" for one in wrong + unraisable.take()
            ]
            n += 1
            if n == MOST:
                sweep.wrong.append("does not end")
                break
        reached = max(reached, n)
    # Thousands of rounds for each operation: too many beside everything else.
    if SOAK and operation.may_leak is None and leaks_can_be_told():
        for n in range(reached):
            sweep.leaks_sought += 1
            if is_lost(operation, n):
                sweep.wrong.append(f"allocation {n}: a failure loses memory")
    operation.end()
    return sweep


def main(names: list[str]) -> None:
    logger = logging.getLogger("onex_events")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    failing_memory.watch(_core.__file__)
    unraisable = Unraisable()
    for name in names:
        print("result", json.dumps(vars(sweep_of(name, unraisable))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
