"""R4: every allocation of the C core fails once, in every operation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .fault_operations import OPERATIONS
from .scale import SOAK

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(sys, "getallocatedblocks"),
    reason="the failing allocator walks the stack as Linux and CPython have it",
)


@pytest.fixture(scope="module")
def failing_memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the module failing_memory, built for this interpreter."""
    import shutil

    compiler = os.environ.get("CC", "cc")
    include = sysconfig.get_path("include")
    if shutil.which(compiler) is None:
        pytest.skip(f"missing: {compiler} (a program)")
    if not Path(include, "Python.h").exists():
        pytest.skip("missing: Python.h (the interpreter's headers)")
    place = tmp_path_factory.mktemp("failing_memory")
    subprocess.run(
        [compiler, "-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
         f"-I{include}", str(ROOT / "tests/c/failing_memory.c"),
         "-o", str(place / "failing_memory.so"), "-ldl"],
        check=True,
    )  # fmt: skip
    return place


def sweep(name: str, failing_memory: Path, limit: float) -> dict[str, Any]:
    """The result of one operation's sweep; a crash or hang fails, naming the place."""
    path = [str(failing_memory), str(ROOT), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-m", "tests.stress.fault_sweep", name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))},
    )
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"hung in {last(out)}\n{err[-4000:]}") from None
    assert process.returncode == 0, f"ended by {process.returncode} in {last(out)}\n{err[-4000:]}"
    assert last(out).startswith("result "), out[-4000:]
    result: dict[str, Any] = json.loads(last(out).removeprefix("result "))
    return result


def last(out: str) -> str:
    lines = out.splitlines()
    return lines[-1] if lines else "its beginning"


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_failing_allocation_harms(
    name: str, failing_memory: Path, tally: Callable[..., None]
) -> None:
    result = sweep(name, failing_memory, limit=3600 if SOAK else 250)
    tally(
        "R4 faults survived",
        operations=1,
        faults=result["faults"],
        memory_errors=result["errors"],
        allocations_watched_for_leaks=result["leaks_sought"],
        wrong=len(result["wrong"]),
    )
    assert result["wrong"] == []
