"""Fails when a core operation takes more instructions than it did.

The counts in ``guard.json`` are of one interpreter, compiler and C library, named there; on others
nothing can be compared, which is a failure too. A count that grew on purpose, or shrank, is
written with ``--write`` (``make guard ARGS=--write``) and committed with the change that did it.
"""

import argparse
import json
import platform
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import instructions
import msgspec

COUNTS = Path(__file__).with_name("guard.json")
LIMIT = 0.02
"""How much an operation may grow; what is noise is a tenth of it."""


def versions() -> dict[str, str]:
    """All that a count depends on beside the sources."""
    build = sysconfig.get_config_var
    compiler = shlex.split(build("CC"))[0]
    made = subprocess.run(
        [compiler, "-dumpfullversion"], capture_output=True, text=True, check=True
    )
    return {
        "python": f"{platform.python_version()}, {platform.python_compiler()}, "
        f"{build('PY_CFLAGS')}",
        "extension": f"{compiler} {made.stdout.strip()}",
        "libc": " ".join(platform.libc_ver()),
        "machine": platform.machine(),
        "msgspec": msgspec.__version__,
    }


def compare(committed: dict[str, float], counted: dict[str, float]) -> list[str]:
    """Prints each operation beside its committed count; returns what is wrong."""
    wrong = []
    for name in {**committed, **counted}:
        before, now = committed.get(name), counted.get(name)
        if before is None or now is None:
            wrong.append(f"{name}: {'not in the committed counts' if now else 'not counted'}")
            continue
        growth = now / before - 1
        print(f"  {name:<40} {before:>10.1f} {now:>10.1f} {growth:>+8.2%}")
        if growth > LIMIT:
            wrong.append(f"{name} grew by {growth:.1%}, from {before} to {now:.1f} instructions")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="commit to what is counted now")
    parser.add_argument("--file", type=Path, default=COUNTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    counted = instructions.count("core_operations")
    if options.write:
        rounded = {name: round(number, 1) for name, number in counted.items()}
        text = json.dumps({"versions": versions(), "instructions": rounded}, indent=2)
        options.file.write_text(f"{text}\n")
        return
    committed = json.loads(options.file.read_text())
    wrong = compare(committed["instructions"], counted)
    wrong += [
        f"the committed counts are of {what} {committed['versions'].get(what)!r}, this is {here!r}"
        for what, here in versions().items()
        if committed["versions"].get(what) != here
    ]
    if wrong:
        sys.exit("guard: " + "\nguard: ".join(wrong))
    print("guard: nothing grew")


if __name__ == "__main__":
    main()
