"""The package as it is installed and imported."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import onex_events


def test_version_is_the_distributions() -> None:
    assert onex_events.__version__ == version("onex-events")


def test_core_is_compiled_for_this_interpreter() -> None:
    from onex_events import _core

    assert _core.__file__.endswith(".so")


@pytest.mark.parametrize(
    "statement",
    [
        "import onex_events",
        "from onex_events import Event, EventBus, emit, emit_events, get_event_bus, on",
        "import onex_events; onex_events.context, onex_events.bridge",
    ],
)
def test_import_loads_no_heavy_module(statement: str) -> None:
    """Target S18: asyncio, logging, inspect and third-party modules stay out."""
    code = (
        f"import sys; before = set(sys.modules); {statement}; "
        "new = {m.partition('.')[0] for m in set(sys.modules) - before}; "
        "print(*sorted(new & {'asyncio', 'logging', 'inspect', 'msgspec', 'pydantic'}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_every_public_name_is_there_and_no_other() -> None:
    made_in = {name for names in onex_events._MADE_IN.values() for name in names}
    assert made_in == set(onex_events.__all__)
    for name in onex_events.__all__:
        assert getattr(onex_events, name) is not None
    assert set(onex_events.__all__) <= set(dir(onex_events))
    with pytest.raises(AttributeError, match="'onex_events' has no attribute 'no_such_name'"):
        onex_events.no_such_name  # noqa: B018


def test_submodules_are_attributes_without_being_imported() -> None:
    code = "import onex_events; print(onex_events.context.get_context_depth())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "0\n"
