"""Makes a virtual environment for the interpreter that runs this, and prints its Python.

    python3.13 tools/environment.py --extras test,plot --build

Run again it only does what is missing: a requirement that was added, an
extension whose sources changed.  Environments of different interpreters never
meet: they are ``.venv-3.13``, ``.venv-3.14d`` (debug), ``.venv-3.14t``
(free-threaded) in the checkout, or below ``$ONEX_VENVS``.  The path goes to the
standard output, everything else to the standard error.

With ``ONEX_BEST_EFFORT=1`` a requirement that can't be installed (a new Python
without wheels) is named and left out; tests/conftest.py lets its tests skip.
"""

import argparse
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
STAMP = "onex-environment.json"


def say(message):
    print(f"environment: {message}", file=sys.stderr, flush=True)


def fail(message):
    say(message)
    raise SystemExit(1)


def run(*command):
    """Runs a command whose output is for people; a failure ends this program."""
    result = subprocess.run([str(part) for part in command], cwd=CHECKOUT, stdout=sys.stderr)
    if result.returncode:
        fail(f"failed with {result.returncode}: {' '.join(map(str, command))}")


def interpreter_tag():
    """``3.13``, with ``t`` for free-threaded and ``d`` for debug builds."""
    major, minor = sys.version_info[:2]
    return f"{major}.{minor}{sys.abiflags}"


def check_interpreter():
    name = f"{sys.executable} (Python {sys.version.split()[0]})"
    if sys.version_info < (3, 11):  # noqa: UP036 - this runs before anything was checked
        fail(f"{name} is too old: onex-events needs Python 3.11 or newer; try make PYTHON=...")
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.exists():
        fail(f"{name} has no headers ({header} is missing): install its -dev package")
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        fail("no C compiler: install gcc or clang")


def requirements(extras):
    """What the project and these extras need, extras of its own resolved."""
    with open(CHECKOUT / "pyproject.toml", "rb") as file:
        config = tomllib.load(file)
    optional = config["project"]["optional-dependencies"]
    wanted = [*config["build-system"]["requires"], *config["project"]["dependencies"]]
    waiting, seen = list(extras), set()
    while waiting:
        extra = waiting.pop(0)
        if extra in seen:
            continue
        if extra not in optional:
            fail(f"no extra {extra!r} in pyproject.toml; there are: {', '.join(sorted(optional))}")
        seen.add(extra)
        for requirement in optional[extra]:
            own = re.fullmatch(r"onex-events\[(.*)\]", requirement)
            if own:
                waiting += own[1].split(",")
            else:
                wanted.append(requirement)
    return list(dict.fromkeys(wanted))


def read_stamp(directory):
    try:
        return json.loads((directory / STAMP).read_text())
    except (OSError, ValueError):
        return {}


def create(directory):
    say(f"creating {directory} with Python {sys.version.split()[0]}")
    shutil.rmtree(directory, ignore_errors=True)
    made = subprocess.run(
        [sys.executable, "-m", "venv", directory], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if made.returncode == 0:
        return
    # Debian's Python without python3-venv: no ensurepip, but perhaps pip.
    run(sys.executable, "-m", "venv", "--clear", "--without-pip", directory)
    borrowed = subprocess.run(
        [sys.executable, "-m", "pip", "--python", directory / "bin" / "python", "install", "pip"],
        stdout=sys.stderr,
    )
    if borrowed.returncode:
        shutil.rmtree(directory, ignore_errors=True)
        fail(f"{sys.executable} has neither ensurepip nor pip: install python3-venv")


def install(python, wanted, best_effort):
    """Installs the requirements; returns those that could not be had."""
    pip = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    together = [str(part) for part in [*pip, *wanted]]
    if not best_effort:
        run(*together)
        return []
    if subprocess.run(together, stdout=sys.stderr).returncode == 0:
        return []
    missing = []
    for requirement in wanted:
        if subprocess.run([*map(str, pip), requirement], stdout=sys.stderr).returncode:
            missing.append(requirement)
    return missing


def from_source():
    """What is to be compiled here: wheels are built for release interpreters and drop
    references without lowering the total that a debug interpreter keeps, which the leak
    check (tests/leak_check.py) compares."""
    return ["msgspec"] if hasattr(sys, "gettotalrefcount") else []


def prepare(directory, extras, best_effort):
    """Brings the environment up to date and returns its Python."""
    python = directory / "bin" / "python"
    identity = [os.path.realpath(sys.executable), sys.version]
    stamp = read_stamp(directory)
    if stamp.get("identity") != identity or not python.exists():
        create(directory)
        stamp = {"identity": identity, "installed": [], "missing": []}
    wanted = requirements(extras)
    new = [item for item in wanted if item not in stamp["installed"] + stamp["missing"]]
    if new:
        say(f"installing {' '.join(new)}")
        # Everything that was wanted so far takes part, or pip could undo its pins.
        everything = list(dict.fromkeys([*stamp["installed"], *wanted]))
        missing = install(python, everything, best_effort)
        stamp["installed"] = [item for item in everything if item not in missing]
        stamp["missing"] = missing
        (directory / STAMP).write_text(json.dumps(stamp, indent=1))
    wheels = [name for name in from_source() if name not in stamp.get("from_source", [])]
    if wheels:
        say(f"compiling {' '.join(wheels)}")
        pip = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        run(*pip, "--force-reinstall", "--no-deps", "--no-binary", ",".join(wheels), *wheels)
        stamp["from_source"] = from_source()
        (directory / STAMP).write_text(json.dumps(stamp, indent=1))
    lost = [item for item in wanted if item in stamp["missing"]]
    if lost:
        say(f"NOT TO BE HAD for Python {interpreter_tag()}: {' '.join(lost)}")
    return python


def build(directory, python):
    """Builds the extension in place and makes the package importable there."""
    run(python, "setup.py", "-q", "build_ext", "--inplace")
    metadata = (CHECKOUT / "pyproject.toml").read_text() + str(CHECKOUT)
    stamp = read_stamp(directory)
    if stamp.get("metadata") != metadata:
        run(
            *[python, "-m", "pip", "install", "-qq", "--disable-pip-version-check"],
            *["--no-deps", "--no-build-isolation", "--editable", "."],
        )
        stamp["metadata"] = metadata
        (directory / STAMP).write_text(json.dumps(stamp, indent=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--extras", default="", help="extras to install, separated by commas")
    parser.add_argument("--build", action="store_true", help="build the extension in place")
    options = parser.parse_args()
    check_interpreter()
    place = Path(os.environ.get("ONEX_VENVS") or CHECKOUT)
    directory = place / f"{'' if 'ONEX_VENVS' in os.environ else '.venv-'}{interpreter_tag()}"
    place.mkdir(parents=True, exist_ok=True)
    with open(place / f"{directory.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        extras = [extra for extra in options.extras.split(",") if extra]
        best_effort = os.environ.get("ONEX_BEST_EFFORT", "0") not in ("", "0")
        python = prepare(directory, extras, best_effort)
        if options.build:
            build(directory, python)
    print(python)


if __name__ == "__main__":
    main()
