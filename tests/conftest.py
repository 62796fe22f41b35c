"""What every test may count on: the services rule and the profiles.

A test that needs a service or tool which is not there skips, with the reason.
Under ``ONEX_REQUIRE_SERVICES=1`` (CI) such a skip is a failure.  It is told from
other skips by its reason: ``missing: ...`` (fixture ``require``) or pytest's own
``could not import ...`` (``importorskip``).  What tools/environment.py could not
install for this interpreter, and said so, may skip all the same.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import math
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

# These run mypy, which only the environment for linting has.
collect_ignore = [] if importlib.util.find_spec("mypy") else ["typing"]

MISSING = re.compile(r"(?:Skipped: )?(?:missing: (\S+)|could not import '([^']+)')")


def _services_required() -> bool:
    return os.environ.get("ONEX_REQUIRE_SERVICES", "0") not in ("", "0")


def _known_missing() -> set[str]:
    """Modules (as their distributions are called) that this environment lacks."""
    try:
        stamp = json.loads(Path(sys.prefix, "onex-environment.json").read_text())
    except OSError:
        return set()
    names = (re.match(r"[\w.-]+", requirement) for requirement in stamp["missing"])
    return {name[0].replace("-", "_").lower() for name in names if name}


def _forbidden_skip(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """The name of what was missing, if this report is a skip that CI refuses."""
    if not report.skipped or not _services_required() or not isinstance(report.longrepr, tuple):
        return None
    found = MISSING.match(report.longrepr[2])
    if found is None:
        return None
    name = (found[1] or found[2]).split(".")[0]
    return None if name in _known_missing() else name


def _fail_instead(report: pytest.TestReport | pytest.CollectReport) -> None:
    name = _forbidden_skip(report)
    if name is not None:
        report.outcome = "failed"
        report.longrepr = f"{name} is missing, and ONEX_REQUIRE_SERVICES is set"


Interruption = pytest.StashKey[tuple[float, float]]()
"""The moment at which pytest-timeout interrupts a test, and after how many seconds that is."""


@pytest.hookimpl(optionalhook=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> None:
    item.stash[Interruption] = (time.monotonic() + settings.timeout, settings.timeout)


def _fail_if_interrupted(item: pytest.Item, report: pytest.TestReport) -> None:
    """What pytest-timeout raises ends in a bus where a handler hung: the test would go on."""
    end, limit = item.stash.get(Interruption, (math.inf, 0.0))
    if report.passed and time.monotonic() >= end:
        report.outcome = "failed"
        report.longrepr = f"it hung: interrupted after {limit:g} s"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_instead(report)
    _fail_if_interrupted(item, report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_instead(report)
    return report


@pytest.fixture(scope="module")
def small_heap(pytestconfig: pytest.Config) -> Iterator[None]:
    """For modules that collect hundreds of times: a collection then looks at what they make, and
    not at what all the others have imported."""
    if pytestconfig.pluginmanager.hasplugin("leaks"):  # which does so itself, for each test
        yield
        return
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def require() -> Callable[[str], ModuleType | str]:
    """``require("module:uvloop")`` gives the module, ``require("gcc")`` the tool's path.

    Skips where it is missing.
    """

    def find(name: str) -> ModuleType | str:
        kind, _, module = name.partition(":")
        if kind == "module":
            try:
                return importlib.import_module(module)
            except ImportError:
                pytest.skip(f"missing: {module} (a Python module)")
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"missing: {name} (a program)")
        return path

    return find


def _register_profiles() -> None:
    """``--hypothesis-profile=ci`` and ``soak``; the default is for a desk."""
    from hypothesis import HealthCheck, settings

    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    settings.register_profile("ci", deadline=None, suppress_health_check=slow, print_blob=True)
    settings.register_profile(
        "soak", max_examples=20_000, deadline=None, suppress_health_check=slow, print_blob=True
    )
    settings.register_profile("desk", deadline=None, suppress_health_check=slow)
    settings.load_profile("ci" if os.environ.get("CI") else "desk")


_register_profiles()
