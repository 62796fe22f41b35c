"""Counts the instructions of operations under valgrind's callgrind.

A count says what a time can't: it is the same again, to a fraction of a percent, on a busy machine
too. One process counts all operations of a module (its function ``operations``); each is warmed up
until the interpreter has specialised it, the hash seed is fixed, the collector is off, and the
empty loop is subtracted. Kernel time, cache misses and mispredicted branches are not in a count,
so times are reported beside it.

    python instructions.py s1_nobody_listens_sync                   all counts of that file
    python instructions.py s1_nobody_listens_sync "in place f(1)"   where those of one are spent

Needs valgrind with its headers (Debian: valgrind) and a C compiler.
"""

import argparse
import gc
import importlib
import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TURNS = 500
BATCHES = 9
"""The median of the batches leaves out what happens once (a table that grows); what is done once
in some dozens of operations (random bits for ids) has its share in each."""

EMPTY = "empty loop"

FIXED = {
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    # glibc's memcpy and the like for every x86-64, not for the processor at hand.
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps="
    "-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX2_Usable,-AVX,-BMI2,-ERMS,-FSRM,-RTM,-EVEX",
}

HELPER = """
#include <valgrind/callgrind.h>
void start(void) { CALLGRIND_START_INSTRUMENTATION; }
void begin(void) { CALLGRIND_ZERO_STATS; }
void end(void) { CALLGRIND_DUMP_STATS; }
"""


class Unavailable(Exception):
    """Says what is missing."""


def _helper(directory: str) -> str:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if shutil.which("valgrind") is None or compiler is None:
        raise Unavailable("instruction counts need valgrind and a C compiler")
    source, library = Path(directory, "helper.c"), Path(directory, "helper.so")
    source.write_text(HELPER)
    made = subprocess.run(
        [compiler, "-O1", "-shared", "-fPIC", "-o", library, source], capture_output=True, text=True
    )
    if made.returncode:
        raise Unavailable(f"valgrind's headers are missing: {made.stderr.strip()}")
    return str(library)


def _turns(times: int) -> int:
    return max(TURNS // times, 1)


def _total(dump: Path) -> int:
    found = re.search(r"^(?:totals|summary): (\d+)", dump.read_text(), re.MULTILINE)
    assert found is not None, f"no total in {dump}"
    return int(found[1])


def _run(
    module: str, directory: str, only: str | None = None
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Runs the child; what each operation's batches counted an operation, and how many are in a
    turn. The dumps stay in the directory."""
    out = Path(directory, "out")
    command = [
        *["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no"],
        *[f"--callgrind-out-file={out}", "--dump-line=yes"],
    ]
    command = [word for part in command for word in part.split()]
    child = [sys.executable, __file__, "--child", module, _helper(directory)]
    # Nothing but what it needs: the environment lies on the stack.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "VALGRIND_LIB")
    }
    done = subprocess.run(
        [*command, *child, *([only] if only else [])],
        env={**environment, **FIXED},
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed with {done.returncode}")
    dumps = (_total(Path(f"{out}.{number}")) for number in itertools.count(1))
    times: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    counts = {
        name: [next(dumps) / (_turns(many) * many) for _ in range(BATCHES)]
        for name, many in times.items()
    }
    return counts, times


def count(module: str) -> dict[str, float]:
    """Instructions of each of the module's operations, one turn; raises Unavailable."""
    with tempfile.TemporaryDirectory() as directory:
        counts, times = _run(module, directory)
    medians = {name: statistics.median(batches) for name, batches in counts.items()}
    empty = medians.pop(EMPTY)
    return {name: number - empty / times[name] for name, number in medians.items()}


def where(module: str, name: str) -> str:
    """What callgrind_annotate says of one operation."""
    with tempfile.TemporaryDirectory() as directory:
        _run(module, directory, only=name)
        done = subprocess.run(
            ["callgrind_annotate", "--tree=both", "--threshold=95", Path(directory, "out.1")],
            capture_output=True,
            text=True,
            check=True,
        )
    return done.stdout


def _child(module: str, library: str, only: str | None) -> None:
    """Inside valgrind: dumps the counts of each batch and prints whose they are."""
    import ctypes

    from operation import loop

    sys.path.insert(1, str(Path(__file__).resolve().parent.parent))  # this checkout's package
    helper = ctypes.PyDLL(library)
    for name in ("start", "begin", "end"):
        getattr(helper, name).restype = None
    operations = importlib.import_module(module).operations()
    if only is not None:
        operations = {only: operations[only]}
    else:
        operations = {EMPTY: loop("pass"), **operations}
    for operation in operations.values():
        operation.warm_up()
    gc.collect()
    gc.freeze()
    gc.disable()
    helper.start()
    for operation in operations.values():
        operation.warm_up(9)
        for _ in range(BATCHES):
            operation.between(_turns(operation.times), helper.begin, helper.end)
    print(json.dumps({name: operation.times for name, operation in operations.items()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("module", help="one of the files beside this one that has operations()")
    parser.add_argument("name", nargs="?", help="show where the instructions of this one are spent")
    options = parser.parse_args()
    try:
        if options.name:
            print(where(options.module, options.name))
            return
        for name, instructions in count(options.module).items():
            print(f"{instructions:12.1f}  {name}")
    except Unavailable as error:
        sys.exit(f"missing: {error}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _child(sys.argv[2], sys.argv[3], sys.argv[4] if len(sys.argv) > 4 else None)
    else:
        main()
