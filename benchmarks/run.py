"""Answers all questions one after the other and ends with a table of the targets.

    python run.py                     all; results in .work/benchmarks/3.13/
    python run.py s1 s6               only these
    python run.py --write             and write docs/performance.md from the results of all Pythons

Every question is a process of its own, pinned to one processor where the system can.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import report

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / ".work" / "benchmarks"


def questions(wanted: list[str]) -> list[Path]:
    def order(path: Path) -> tuple[bool, int, str]:
        name = path.stem.split("_")[0]
        return name == "q", int(name[1:] or 0), path.stem

    files = sorted([*HERE.glob("s[0-9]*.py"), *HERE.glob("q_*.py")], key=order)
    return [f for f in files if not wanted or f.stem in wanted or f.stem.split("_")[0] in wanted]


def place() -> Path:
    return RESULTS / "{}.{}{}".format(*sys.version_info[:2], sys.abiflags)


def ask(question: Path, options: list[str]) -> bool:
    """Runs one question; False when it failed."""
    print(f"\n== {question.stem}", flush=True)
    result = place() / f"{question.stem}.json"
    result.parent.mkdir(parents=True, exist_ok=True)
    result.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, question, "--json", result, *options], timeout=600, check=False
    )
    return done.returncode == 0


PACKAGES = (
    *("abxbus", "attrs", "blinker", "bubus", "ddtrace", "logfire", "msgspec", "opentelemetry-sdk"),
    *("orjson", "psygnal", "pydantic", "pyee", "structlog"),
)


def machine() -> str:
    model = platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":")[1].strip()
                break
    except OSError:
        pass
    return f"{model}, {os.cpu_count()} processors, {platform.system()} {platform.release()}"


def write_versions() -> None:
    """What the results beside it were measured with."""
    packages, missing = {}, []
    for name in PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            print(f"missing: {name} can't be installed for this Python")
    found = {
        "python": f"{platform.python_version()}, {platform.python_compiler()}",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "packages": packages,
        "missing": missing,
    }
    place().mkdir(parents=True, exist_ok=True)
    (place() / "versions.json").write_text(json.dumps(found, indent=2))


def summary(results: Path) -> str:
    """The targets of one Python: figure, interval, bound, met or not."""
    lines = []
    for question in questions([]):
        path = results / f"{question.stem}.json"
        if not path.exists():
            continue
        for verdict in json.loads(path.read_text())["verdicts"]:
            if verdict["bound"] is None:
                continue
            target = json.loads(path.read_text())["target"]
            word = {True: "met", False: "NOT MET", None: "not decided"}[verdict["met"]]
            low, high = verdict["interval"]
            lines.append(
                f"{target:<10} {verdict['name'][:68]:<68} {verdict['median']:>9.4g} "
                f"[{low:.4g}, {high:.4g}]".ljust(112)
                + f"{verdict['bound']:>8.4g}  {word}"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("questions", nargs="*", help="s1, s6_async_call, ... (default: all)")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md at the end")
    parser.add_argument("--rounds", help="of every question")
    parser.add_argument("--seconds", help="of each variant in each round")
    options = parser.parse_args()
    known = {name for q in questions([]) for name in (q.stem, q.stem.split("_")[0])}
    if unknown := set(options.questions) - known:
        parser.error(f"no such question: {' '.join(sorted(unknown))}")
    more = [
        word
        for name in ("rounds", "seconds")
        if (value := getattr(options, name)) is not None
        for word in (f"--{name}", value)
    ]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    write_versions()
    begun, failed = time.monotonic(), []
    for question in questions(options.questions):
        if not ask(question, more):
            failed.append(question.stem)
    print(f"\n== targets, Python {sys.version.split()[0]}, {time.monotonic() - begun:.0f} s\n")
    print(summary(place()))
    if options.write:
        report.write(RESULTS)
    if failed:
        sys.exit(f"failed: {' '.join(failed)}")


if __name__ == "__main__":
    main()
