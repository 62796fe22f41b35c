"""R11: no test leaves anything behind.  ``make leaks`` loads this plugin.

Every test is repeated, and after each repetition three figures are compared with those
before it: the interpreter's total of references (debug builds keep one), the memory blocks
allocated, and the classes alive.  A test passes when none of them grew in at least one of
five repetitions; there is no other tolerance.

Extensions built for the release interpreter load into the debug one, but drop references
without telling its total.  Those that run in many tests are therefore kept out of the
process: what the core does alone is counted in full.  With ``--leaks=blocks`` (the default
of release interpreters) they are let in, and blocks and classes alone are compared.

Exempt are tests marked ``leaks_elsewhere(reason)``, those of hypothesis, which keeps what it
generates, and those that start processes, whose memory is not seen from here.
"""

from __future__ import annotations

import gc
import inspect
import linecache
import re
import sys
import typing
from array import array
from collections import Counter
from collections.abc import Generator, Sequence
from itertools import pairwise
from operator import sub
from types import ModuleType

import pytest
from _pytest.runner import runtestprotocol

COUNTS = hasattr(sys, "gettotalrefcount")
REPETITIONS = 5
FIGURES = ("references", "blocks", "classes")
UNCOUNTED = {"pydantic", "pydantic_core", "uvloop"}
NEEDED = "needs an extension that is kept out while references are counted"
STARTS_A_PROCESS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"}


def held(count_references: bool) -> array[int]:
    """The figures of now, after everything that may go is gone."""
    drop_caches()
    while gc.collect():
        pass
    # Not isinstance(): it asks proxies for their __class__.
    classes = sum(issubclass(type(one), type) for one in gc.get_objects())
    references = sys.gettotalrefcount() if count_references else 0  # type: ignore[attr-defined]
    return array("q", [references, sys.getallocatedblocks(), classes])


def drop_caches() -> None:
    """Empty what the standard library keeps for every name, path or class that it ever saw."""
    linecache.clearcache()
    re.purge()
    sys.path_importer_cache.clear()
    for clear in typing._cleanups:  # type: ignore[attr-defined]
        clear()
    for name in ("_shadowed_dict_from_mro_tuple", "_shadowed_dict_from_weakref_mro_tuple"):
        if (cached := getattr(inspect, name, None)) is not None:  # of 3.12.0, of later ones
            cached.cache_clear()
    getattr(sys, "_clear_internal_caches", sys._clear_type_cache)()


def parameter(item: pytest.Item, name: str) -> object:
    """The test's parameter of that name, or None."""
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get(name)


class KeptOut:
    """A finder by whose word the module is not installed."""

    asked = 0

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        if name in UNCOUNTED:
            cls.asked += 1
            raise ModuleNotFoundError(f"No module named {name!r} while references are counted")


class LeakCheck:
    """Takes over how a test is run."""

    def __init__(self, count_references: bool) -> None:
        self.count_references = count_references
        self.processes = 0
        self.outcomes: Counter[str] = Counter()
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in STARTS_A_PROCESS:
            self.processes += 1

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        asked = KeptOut.asked
        report = yield
        if report.failed and KeptOut.asked != asked:
            report.outcome = "skipped"
            report.longrepr = (str(collector.path), 0, NEEDED)
        return report

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """The reference implementation is made of Pydantic."""
        if self.count_references:
            left_out = {item for item in items if parameter(item, "api") == "reference"}
            items[:] = [item for item in items if item not in left_out]
            config.hook.pytest_deselected(items=list(left_out))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool:
        place = {"nodeid": item.nodeid, "location": item.location}
        item.ihook.pytest_runtest_logstart(**place)
        asked, processes = KeptOut.asked, self.processes
        reports = self._run(item)
        if not all(report.passed for report in reports):
            self.outcomes["did not pass"] += 1
            if KeptOut.asked != asked:
                for report in reports:
                    if report.failed:
                        report.outcome = "skipped"
                        report.longrepr = (*item.location[:2], NEEDED)
        elif (reason := self._exempt(item, self.processes - processes)) is not None:
            self.outcomes[f"exempt: {reason}"] += 1
        elif (fault := self._fault_of_repetitions(item)) is not None:
            self.outcomes["leak"] += 1
            reports[1].outcome = "failed"
            reports[1].longrepr = fault
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(**place)
        return True

    def _exempt(self, item: pytest.Item, processes: int) -> str | None:
        """Why this test is not repeated; None: it is."""
        marker = item.get_closest_marker("leaks_elsewhere")
        if marker is not None:
            return str(marker.args[0])
        if processes:
            return "it starts processes"
        if getattr(getattr(item, "function", None), "is_hypothesis_test", False):
            return "hypothesis keeps what it generates"
        return None

    def _run(self, item: pytest.Item) -> list[pytest.TestReport]:
        """Set up, call, and tear down everything: fixtures of modules and the session too."""
        reports = runtestprotocol(item, nextitem=None, log=False)
        item._report_sections.clear()
        return reports

    def _fault_of_repetitions(self, item: pytest.Item) -> str | None:
        # What is remembered between two measurements has its memory before the first.
        figures = [array("q", bytes(8 * len(FIGURES))) for _ in range(REPETITIONS + 1)]
        failed: list[pytest.TestReport] = []
        gc.collect()
        gc.freeze()  # the collector need not look at what was there before
        for repetition, now in enumerate(figures):
            if repetition > 0:
                failed = [report for report in self._run(item) if not report.passed]
            if failed:
                return f"failed when it was repeated:\n{failed[0].longreprtext}"
            now[:] = held(self.count_references)
            if repetition > 0 and max(map(sub, now, figures[repetition - 1])) <= 0:
                self.outcomes[f"clean in repetition {repetition}"] += 1
                return None
        growths = [dict(zip(FIGURES, map(sub, b, a), strict=True)) for a, b in pairwise(figures)]
        return "\n".join(["left behind by every repetition:", *map(str, growths)])

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("R11 leaks")
        for outcome, count in sorted(self.outcomes.items()):
            terminalreporter.write_line(f"{count:5} {outcome}")


def pytest_addoption(parser: pytest.Parser) -> None:
    default = "references" if COUNTS else "blocks"
    parser.addoption("--leaks", choices=["references", "blocks"], default=default)


def pytest_configure(config: pytest.Config) -> None:
    count_references = config.option.leaks == "references"
    if count_references:
        if not COUNTS:
            raise pytest.UsageError("references are counted by debug interpreters only")
        sys.meta_path.insert(0, KeptOut)  # type: ignore[arg-type]
    # Hypothesis looks for what refers to a generator of random numbers; the frozen do not show.
    config.addinivalue_line("filterwarnings", "ignore:It looks like .register_random. was passed")
    config.pluginmanager.register(LeakCheck(count_references), "leaks")
