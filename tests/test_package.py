"""The package as it is installed and imported."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import onex_events


def test_version_is_the_distributions() -> None:
    assert onex_events.__version__ == version("onex-events")


def test_core_is_compiled_for_this_interpreter() -> None:
    from onex_events import _core

    assert _core.__file__.endswith(".so")


def test_import_loads_no_heavy_module() -> None:
    """Target S18: asyncio, logging, inspect and third-party modules stay out."""
    code = (
        "import sys; before = set(sys.modules); import onex_events; "
        "new = {m.partition('.')[0] for m in set(sys.modules) - before}; "
        "print(*sorted(new & {'asyncio', 'logging', 'inspect', 'msgspec', 'pydantic'}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
