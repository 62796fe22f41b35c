"""A statement in a loop: what is timed, and what instructions are counted of."""

import asyncio
import gc
import time
from collections.abc import Callable
from typing import Any

#: Runs a number of operations and returns the seconds that they took.
Timed = Callable[[int], float]


class Operation:
    """A statement with the names that it uses.

    It is compiled into a loop, as timeit does it; with ``await`` the loop is in a coroutine that
    runs in one ``asyncio.run``. A statement may stand for several operations: ``times``. An
    operation is a ``Timed``.
    """

    def __init__(
        self, statement: str, *, asynchronous: bool = False, times: int = 1, **names: object
    ) -> None:
        body = "\n".join(f"        {line}" for line in statement.splitlines())
        self.asynchronous = asynchronous
        self.times = times
        scope: dict[str, Any] = dict(names)
        # What a loop's first turn begins (a task that delivers) is not the operation's.
        first = f"    if True:\n{body}\n" if asynchronous else ""
        exec(
            f"{'async ' * asynchronous}def run(turns, begin, end):\n{first}"
            f"    begun = begin()\n    for _ in turns:\n{body}\n    return end(), begun",
            scope,
        )
        self._run = scope["run"]

    def between(self, n: int, begin: Callable[[], Any], end: Callable[[], Any]) -> tuple[Any, Any]:
        """Runs ``n`` turns between two calls; returns what ``end`` and ``begin`` returned."""
        result: Any = self._run(range(n), begin, end)
        return asyncio.run(result) if self.asynchronous else result

    def __call__(self, n: int) -> float:
        clock = time.perf_counter
        turns = max(n // self.times, 1)
        end, begin = self.between(turns, clock, clock)
        return (end - begin) * n / (turns * self.times)

    def warm_up(self, turns: int = 300) -> None:
        """Lets the interpreter specialise the loop and what it calls."""
        for _ in range(3):
            self.between(turns // 3 // self.times + 1, int, int)
        gc.collect()


def loop(statement: str, times: int = 1, **names: object) -> Operation:
    """A loop around a statement."""
    return Operation(statement, times=times, **names)


def async_loop(statement: str, times: int = 1, **names: object) -> Operation:
    """The same around a statement with ``await``."""
    return Operation(statement, asynchronous=True, times=times, **names)
