"""Fixtures of the conformance suite: the implementation under test, its mode, a fresh bus."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import sys
import textwrap
from types import ModuleType

import pytest

from .harness import LIMIT, Seen, drain, identity

IMPLEMENTATIONS = {"core": "onex_events", "reference": "onex_events.reference"}
MODES = {"lazy": True, "record": False}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        marker = item.get_closest_marker("core_only")
        if marker is None:
            continue
        reason = marker.kwargs.get("reason")
        if not reason:
            raise pytest.UsageError(f"{item.nodeid}: core_only needs a reason")
        if _parameters(item).get("api") == "reference":
            item.add_marker(pytest.mark.skip(reason=f"core only: {reason}"))
    # The reference has one mechanism only.
    items[:] = [
        item
        for item in items
        if not {"reference", "wrapper"}
        <= {_parameters(item).get("api"), _parameters(item).get("default_hook")}
    ]


def _parameters(item: pytest.Item) -> dict[str, object]:
    callspec = getattr(item, "callspec", None)
    return {} if callspec is None else callspec.params


HOOKS = ("auto", "wrapper")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The tests of the decorator run with both of the core's mechanisms (§3)."""
    if metafunc.module.__name__.rpartition(".")[2].startswith("test_decorator"):
        metafunc.fixturenames.insert(0, "default_hook")
        metafunc.parametrize("default_hook", HOOKS, indirect=True)


@pytest.fixture
def default_hook(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The `hook` of a decorator that does not name one."""
    defaults = importlib.import_module("onex_events").emit_events.__kwdefaults__
    assert defaults["hook"] == "auto"
    monkeypatch.setitem(defaults, "hook", request.param)


@pytest.fixture(params=list(IMPLEMENTATIONS), scope="session")
def api(request: pytest.FixtureRequest) -> ModuleType:
    """The implementation under test: a module with every public name of spec 1."""
    name = IMPLEMENTATIONS[request.param]
    module = importlib.import_module(name)
    for part in ("context", "bridge"):  # one that is missing fails the tests that use it
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(f"{name}.{part}")
    return module


@pytest.fixture(params=list(MODES))
def lazy(request: pytest.FixtureRequest) -> bool:
    """Whether events that nobody listens to are left out (False: record everything)."""
    return MODES[request.param]


@pytest.fixture
def bus(api, lazy):
    """A fresh default bus; at the end it must account for every event, and close."""
    bus = api.EventBus(lazy=lazy)
    api.set_event_bus(bus)
    api.context.clear_context()
    yield bus
    try:
        identity(bus)
        drain(bus, LIMIT)
        stats = identity(bus)
        assert stats["queue_size"] == 0, stats
        assert stats["in_flight"] == 0, stats
    finally:
        bus.close()
        api.set_event_bus(api.EventBus())
        api.context.clear_context()


@pytest.fixture
def make_bus(api, lazy):
    """Builds further buses with given options; each must account for every event at the end."""
    made = []

    def make(**options):
        bus = api.EventBus(**{"lazy": lazy, **options})
        made.append(bus)
        return bus

    yield make
    failures = []
    for bus in made:
        try:
            identity(bus)
            bus.close()
            identity(bus)
        except Exception as error:
            failures.append(error)
    if failures:
        raise ExceptionGroup("buses at the end of the test", failures)


@pytest.fixture
def seen() -> Seen:
    """An empty recorder of events."""
    return Seen()


@pytest.fixture
def user_module(api, tmp_path, monkeypatch):
    """Makes a real importable module from source text written against `onex_events`.

    The import is the only thing changed for the implementation under test.
    """
    made = []
    numbers = itertools.count()
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(source: str) -> ModuleType:
        name = f"user_module_{next(numbers)}"
        text = textwrap.dedent(source).replace("onex_events", api.__name__)
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        module = importlib.import_module(name)
        made.append(name)
        return module

    yield make
    for name in made:
        sys.modules.pop(name, None)


@pytest.fixture
def python_3_12() -> None:
    """For a test of syntax that 3.12 brought."""
    if sys.version_info < (3, 12):
        pytest.skip("the syntax is of Python 3.12")


@pytest.fixture
def python_3_14() -> None:
    """For a test of annotations as 3.14 evaluates them."""
    if sys.version_info < (3, 14):
        pytest.skip("annotations are deferred from Python 3.14 on")
