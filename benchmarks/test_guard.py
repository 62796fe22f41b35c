"""The guard fails on a slowed build. Takes a minute, so CI runs it in the section of the guard.

python -m pytest benchmarks/test_guard.py
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PUSH = "onex_queue_push(onex_queue *queue, onex_entry entry)\n{\n"
WORK = "    for (volatile int i = 0; i < 40; i++) {\n    }\n"


def guard(checkout, *arguments):
    """Runs a checkout's guard; its operations are those of that checkout's package."""
    return subprocess.run(
        [sys.executable, checkout / "benchmarks/guard.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_guard_fails_on_a_build_slowed_in_the_queue(tmp_path):
    slowed = tmp_path / "slowed"
    shutil.copytree(
        CHECKOUT, slowed, ignore=shutil.ignore_patterns(".git", ".venv*", "build", "*.so")
    )
    shutil.copytree(CHECKOUT / "build", slowed / "build")
    source = slowed / "csrc/py/queue.c"
    text = source.read_text()
    assert text.count(PUSH) == 1
    source.write_text(text.replace(PUSH, PUSH + WORK))
    environment = {**os.environ, "ONEX_EVENTS_WERROR": "0"}
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=slowed,
        env=environment,
        check=True,
    )
    counts = tmp_path / "counts.json"
    written = guard(CHECKOUT, "--write", "--file", counts)
    assert written.returncode == 0, written.stderr

    failed = guard(slowed, "--file", counts)

    assert failed.returncode == 1, failed.stdout + failed.stderr
    grown = [line.split(" grew by")[0] for line in failed.stderr.splitlines() if " grew by" in line]
    assert {"guard: emit_sync to one", "guard: on call to one"} <= set(grown)
    assert not [name for name in grown if "off" in name or "event creation" in name]
