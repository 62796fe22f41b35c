"""Under ONEX_REQUIRE_SERVICES=1 a skip for something missing is a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

FILES = {
    "program": "def test_it(require):\n    require('no-such-program')\n",
    "module": "def test_it(require):\n    require('module:no_such_module')\n",
    "importing": "import pytest\npytest.importorskip('no_such_module')\ndef test_it(): pass\n",
    "other": "import pytest\n@pytest.mark.skip(reason='only on Mondays')\ndef test_it(): pass\n",
}


def outcomes(directory: Path, required: str) -> str:
    """What pytest says of those test files beside our conftest.py."""
    shutil.copy(Path(__file__).with_name("conftest.py"), directory)
    for name, source in FILES.items():
        (directory / f"test_{name}.py").write_text(source)
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-rfEs",
            "--continue-on-collection-errors",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            ".",
        ],
        cwd=directory,
        env={**os.environ, "ONEX_REQUIRE_SERVICES": required},
        capture_output=True,
        text=True,
    )
    return run.stdout


def test_what_is_missing_skips_where_nothing_is_required(tmp_path: Path) -> None:
    assert "4 skipped" in outcomes(tmp_path, "0")


def test_what_is_missing_fails_where_services_are_required(tmp_path: Path) -> None:
    said = outcomes(tmp_path, "1")
    for name in ("program", "module"):
        assert f"FAILED test_{name}.py::test_it" in said
    assert "ERROR test_importing.py" in said
    assert "only on Mondays" in said
