"""Timers for parts of a program: how often, how long, how spread.

``Profiler`` keeps its times in C histograms; ``PyProfiler`` is the same in pure Python, with the
same figures, to be read and to be compared with.

    profiler = Profiler()
    with profiler.timer("event_creation"):
        event = InputPreparationEvent(...)

    @profiler.timed
    async def fetch(url): ...

    print(profiler.report())
"""

import functools
import inspect
import json
import operator
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Literal, ParamSpec, Protocol, TypedDict, TypeVar, overload

from ._core import TimerTable

__all__ = ["Figures", "Profiler", "PyProfiler"]

P = ParamSpec("P")
R = TypeVar("R")


class Figures(TypedDict):
    """What is known of one name.  Times in ms; percentiles are within 1 %, the rest is exact."""

    count: int
    total: float
    mean: float
    p50: float
    p95: float
    p99: float
    max: float


class _Timer(Protocol):
    def __enter__(self) -> object: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Literal[False]: ...


class _Histogram(Protocol):
    """Counts of durations in ns."""

    @property
    def count(self) -> int: ...
    @property
    def sum(self) -> int: ...
    @property
    def max(self) -> int: ...
    def percentile(self, fraction: float, /) -> int: ...


_NS_PER_MS: Final = 1e6


def _figures_of(histogram: _Histogram) -> Figures:
    count = histogram.count
    return Figures(
        count=count,
        total=histogram.sum / _NS_PER_MS,
        mean=histogram.sum / count / _NS_PER_MS if count else 0.0,
        p50=histogram.percentile(0.50) / _NS_PER_MS,
        p95=histogram.percentile(0.95) / _NS_PER_MS,
        p99=histogram.percentile(0.99) / _NS_PER_MS,
        max=histogram.max / _NS_PER_MS,
    )


def _readable(ms: float) -> str:
    """A duration with the unit that keeps it short: ``12.3 us``."""
    for factor, unit in ((1e6, "ns"), (1e3, "us"), (1.0, "ms")):
        if ms * factor < 999.95:
            return f"{ms * factor:.0f} {unit}" if unit == "ns" else f"{ms * factor:.1f} {unit}"
    return f"{ms / 1e3:.2f} s"


class _Profiling:
    """What both profilers make of their timers and histograms."""

    def timer(self, name: str, /) -> _Timer:
        raise NotImplementedError

    @property
    def _histograms(self) -> Mapping[str, _Histogram]:
        raise NotImplementedError

    @overload
    def timed(self, function: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def timed(self, name: str, /) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
    def timed(self, function: Any, /) -> Any:
        """Decorator: each call is recorded under the function's ``module.qualname``.

        ``@profiler.timed("name")`` records under that name.  Of a coroutine function the time
        from its first step to its end counts, waiting included, and so does that of generators
        and async generators.  A call that raises counts as well.

        Raises TypeError for what is neither a function nor a name.
        """
        if isinstance(function, str):
            return functools.partial(self._timed, function)
        if not callable(function):
            raise TypeError(
                "timed() argument must be a function or a name (str), "
                f"not {type(function).__name__}"
            )
        return self._timed(_name_of(function), function)

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        timer = self.timer
        wrapper: Callable[..., Any]
        if inspect.iscoroutinefunction(function):

            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                with timer(name):
                    return await function(*args, **kwargs)

        elif inspect.isasyncgenfunction(function):

            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                values = function(*args, **kwargs)
                step = values.__anext__()
                with timer(name):
                    # What `yield from` does, which async generators do not have.
                    while True:
                        try:
                            value = await step
                        except StopAsyncIteration:
                            return
                        try:
                            sent = yield value
                        except GeneratorExit:
                            await values.aclose()
                            raise
                        except BaseException as error:
                            step = values.athrow(error)
                        else:
                            step = values.asend(sent)

        elif inspect.isgeneratorfunction(function):

            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with timer(name):
                    return (yield from function(*args, **kwargs))

        else:

            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with timer(name):
                    return function(*args, **kwargs)

        return functools.wraps(function)(wrapper)

    def to_dict(self) -> dict[str, Figures]:
        """Figures by name, in the order in which the names were first used."""
        return {name: _figures_of(times) for name, times in self._histograms.items() if times.count}

    def to_json(self, *, indent: int | None = None) -> str:
        """``to_dict`` as JSON."""
        return json.dumps(self.to_dict(), indent=indent)

    def report(self) -> str:
        """A table of all names, the greatest total first."""
        figures = sorted(self.to_dict().items(), key=lambda item: -item[1]["total"])
        header = ("name", "count", "total", "mean", "p50", "p95", "p99", "max")
        rows = [
            (name, str(row["count"]), *(_readable(row[key]) for key in header[2:]))  # type: ignore[literal-required]
            for name, row in figures
        ]
        return "\n".join(_table([header, *rows]))


def _table(rows: list[tuple[str, ...]]) -> Iterable[str]:
    """Lines of a table: the first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for index, (first, *rest) in enumerate(rows):
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        yield "  ".join(cells).rstrip()
        if index == 0:
            yield "  ".join("-" * width for width in widths)


def _name_of(function: Callable[..., Any]) -> str:
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    module = getattr(function, "__module__", None)
    return f"{module}.{name}" if module else name


class Profiler(TimerTable, _Profiling):
    """Durations by name, timed and counted in C at about a tenth of what ``PyProfiler`` costs.

    ``timer(name)`` is a context manager; timers of one name or of several may nest, run in many
    threads and tasks at once, and one timer may be entered again while it runs.
    """


# --- the same in pure Python ----------------------------------------------------------------

_SPLIT_BITS: Final = 6
_SPLIT: Final = 1 << _SPLIT_BITS
_SUM_LIMIT: Final = (1 << 64) - 1


class _PyHistogram:
    """csrc/core/histogram.c in Python: the same buckets, so the same figures."""

    def __init__(self) -> None:
        self.count = 0
        self.sum = 0
        self.min = 0
        self.max = 0
        self._buckets: dict[tuple[int, int], int] = {}

    def record(self, value: int) -> None:
        value = max(value, 0)
        row = max(value.bit_length() - _SPLIT_BITS, 0)
        column = value if row == 0 else (value >> (row - 1)) - _SPLIT
        self._buckets[row, column] = self._buckets.get((row, column), 0) + 1
        self.min = min(self.min, value) if self.count else value
        self.max = max(self.max, value)
        self.count += 1
        self.sum = min(self.sum + value, _SUM_LIMIT)

    def percentile(self, fraction: float) -> int:
        if self.count == 0 or fraction <= 0:
            return self.min
        if fraction >= 1:
            return self.max
        rank = (fraction - 1e-12) * self.count
        below = 0
        for (row, column), count in sorted(self._buckets.items()):
            below += count
            if below >= rank:
                return min(max(_middle(row, column), self.min), self.max)
        return self.max


def _middle(row: int, column: int) -> int:
    if row == 0:
        return column
    width = 1 << (row - 1)
    return (_SPLIT + column) * width + width // 2


class _PyTimer:
    """A context manager; each thread and task has its own starts."""

    def __init__(self, lock: threading.Lock, name: str, histogram: _PyHistogram) -> None:
        self.name = name
        self._lock = lock
        self._histogram = histogram
        self._starts: dict[tuple[int, object], list[int]] = {}

    def __enter__(self) -> "_PyTimer":
        starts = self._starts.setdefault(_owner(), [])
        starts.append(time.monotonic_ns())
        return self

    def __exit__(self, *_: object) -> Literal[False]:
        now = time.monotonic_ns()
        owner = _owner()
        starts = self._starts.get(owner)
        if not starts:
            raise RuntimeError(f"timer {self.name!r} is left without having been entered")
        duration = now - starts.pop()
        if not starts:
            del self._starts[owner]
        with self._lock:
            self._histogram.record(duration)
        return False

    def __repr__(self) -> str:
        return f"<Timer {self.name!r}>"


def _owner() -> tuple[int, object]:
    asyncio = sys.modules.get("asyncio")
    task: object = None
    if asyncio is not None:
        try:
            task = asyncio.current_task()
        except RuntimeError:  # no running loop
            pass
    return threading.get_ident(), task


class PyProfiler(_Profiling):
    """``Profiler`` in pure Python: the same surface and figures, at several times the cost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_name: dict[str, _PyHistogram] = {}

    def timer(self, name: str, /) -> _PyTimer:
        """A context manager that records how long its block takes."""
        return _PyTimer(self._lock, name, self._histogram(name, "timer"))

    def record(self, name: str, duration_ns: int, /) -> None:
        """Records a duration in ns that was measured elsewhere."""
        histogram = self._histogram(name, "record")
        with self._lock:
            histogram.record(operator.index(duration_ns))

    def reset(self) -> None:
        """Forgets all figures; timers that are running still record into the forgotten ones."""
        with self._lock:
            self._by_name.clear()

    def _histogram(self, name: str, method: str) -> _PyHistogram:
        if not isinstance(name, str):
            raise TypeError(f"{method}() argument 'name' must be str, not {type(name).__name__}")
        with self._lock:
            return self._by_name.setdefault(name, _PyHistogram())

    @property
    def _histograms(self) -> dict[str, _PyHistogram]:
        with self._lock:
            return dict(self._by_name)
