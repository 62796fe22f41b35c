"""Writes the measured part of docs/performance.md, and its charts, from the results of run.py."""

import json
import re
import sys
from pathlib import Path
from statistics import median
from typing import Any

import svg

DOCS = Path(__file__).resolve().parent.parent / "docs"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

Results = dict[str, dict[str, Any]]
"""Python -> question (the file's name) -> what it wrote."""

PEERS = (
    ("s6_async_call", "An observed async call, its events handled"),
    ("s7_sync_call", "An observed sync call, its events handled"),
    ("q_handlers", "Emission, by the number of handlers"),
    ("q_history", "Looking into a history of 10,000 events"),
)


def load(results: Path) -> Results:
    pythons = sorted(
        (path for path in results.iterdir() if path.is_dir()),
        key=lambda path: [int(part) for part in re.findall(r"\d+", path.name)],
    )
    return {
        python.name: {
            path.stem: json.loads(path.read_text()) for path in sorted(python.glob("*.json"))
        }
        for python in pythons
    }


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def _verdicts(results: Results, question: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Name of the figure -> Python -> verdict."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for python, questions in results.items():
        for verdict in questions.get(question, {}).get("verdicts", []):
            # Which shape was the worst may differ from one Python to the next.
            name = re.sub(r" \(worst: .*\)$", "", verdict["name"]).replace("|", "")
            found.setdefault(name, {})[python] = verdict
    return found


def _figure(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _cell(verdict: dict[str, Any] | None) -> str:
    if verdict is None:
        return "-"
    text = _figure(verdict["median"])
    if verdict["bound"] is None or verdict["met"]:
        return text
    return f"{text} (undecided)" if verdict["met"] is None else f"**{text} not met**"


def _questions(results: Results) -> list[str]:
    names = {name for questions in results.values() for name in questions if name != "versions"}
    return sorted(
        names, key=lambda n: (n[0] == "q", int(re.sub(r"\D", "", n.split("_")[0]) or 0), n)
    )


def targets(results: Results) -> str:
    rows = []
    for question in _questions(results):
        for name, by_python in _verdicts(results, question).items():
            bounds = {v["bound"] for v in by_python.values()} - {None}
            if bounds:
                label = question.split("_")[0].upper() if question[0] == "s" else "-"
                bound = " / ".join(f"{b:.4g}" for b in sorted(bounds))
                rows.append([label, name, bound, *(_cell(by_python.get(p)) for p in results)])
    return _table(["", "figure", "bound", *results], rows)


def peers(results: Results, question: str) -> str:
    rows = [
        [name.replace(" / onex_events", ""), *(_cell(by_python.get(p)) for p in results)]
        for name, by_python in _verdicts(results, question).items()
        if " / onex_events" in name
    ]
    return _table(["times onex_events", *results], rows)


def losses(results: Results) -> str:
    """Everything that another library does faster here, and every bound that is missed."""
    lines = []
    for question in _questions(results):
        for name, by_python in _verdicts(results, question).items():
            slower = [
                f"{_figure(v['median'])} on {p}" for p, v in by_python.items() if v["median"] < 1
            ]
            if " / onex_events" in name and slower:
                lines.append(f"- {name}: {', '.join(slower)}")
            missed = [
                f"{_figure(v['median'])} on {p}" for p, v in by_python.items() if v["met"] is False
            ]
            if missed:
                bound = next(v["bound"] for v in by_python.values() if v["met"] is False)
                lines.append(f"- bound {bound:.4g} missed: {name}: {', '.join(missed)}")
    return "\n".join(lines) or "- nothing that was measured"


def notes(results: Results) -> str:
    """What the benchmarks had to say beside figures: peers that are missing, shapes not judged."""
    said: dict[str, list[str]] = {}
    for python, questions in results.items():
        for answer in questions.values():
            for note in answer.get("notes", []):
                if python not in said.setdefault(note, []):
                    said[note].append(python)
        for missing in questions.get("versions", {}).get("missing", []):
            said.setdefault(f"can't be installed: {missing}", []).append(python)
    return (
        "\n".join(f"- {', '.join(pythons)}: {note}" for note, pythons in said.items()) or "- none"
    )


def versions(results: Results) -> str:
    packages = sorted({name for q in results.values() for name in q["versions"]["packages"]})
    rows = [
        [name, *(q["versions"]["packages"].get(name, "missing") for q in results.values())]
        for name in packages
    ]
    head = [["Python", *(q["versions"]["python"] for q in results.values())]]
    head += [["date", *(q["versions"]["date"] for q in results.values())]]
    return _table(["", *results], head + rows)


def charts(results: Results) -> dict[str, str]:
    """Name of the file -> its text; of the newest Python that every peer is there for."""
    complete = [p for p, found in results.items() if not found["versions"]["missing"]]
    python = (complete or list(results))[-1]
    mine = results[python]

    def times(question: str) -> dict[str, float]:
        rounds = mine.get(question, {}).get("ns_per_operation", {})
        return {name: median(values) for name, values in rounds.items()}

    made = {}
    calls = times("s6_async_call")
    if calls:
        creation = calls.pop("pydantic creation")
        calls.pop("onex_events beside it", None)
        made["async-call.svg"] = svg.bars(
            f"An observed async call, in Pydantic creations (Python {python})",
            {name: ns / creation for name, ns in calls.items()},
            "onex_events",
        )
    for question, file, title, unit in (
        ("q_subscriptions", "idle-subscriptions.svg", "ns an emission", "idle subscriptions"),
        ("q_switching", "switching.svg", "ns a change of listeners", "decorated functions"),
        ("q_handlers", "handlers.svg", "ns an emission", "handlers"),
    ):
        series: dict[str, dict[float, float]] = {}
        for name, ns in times(question).items():
            found = re.fullmatch(r"(.*), ([\d,]+)( .*)?", name)
            if found is None:
                continue
            label = f"{found[1]}{(found[3] or '').replace(' functions', '')}"
            series.setdefault(label, {})[float(found[2].replace(",", ""))] = ns
        if question == "q_handlers":
            for way in ("sync", "async"):
                some = {
                    n.removesuffix(f" {way}"): s for n, s in series.items() if n.endswith(f" {way}")
                }
                if some:
                    made[f"handlers-{way}.svg"] = svg.curves(
                        f"{title}, {way} (Python {python})", unit, some
                    )
        elif series:
            made[file] = svg.curves(f"{title} (Python {python})", unit, series)
    return made


def measured(results: Results, pictures: dict[str, str]) -> str:
    machine = next(iter(results.values()))["versions"]["machine"]
    parts = [
        BEGIN,
        f"Measured on {machine}. Written by `make bench-all`; do not edit between the marks.",
        "",
        "## Targets",
        "",
        targets(results),
        "",
    ]
    for question, title in PEERS:
        table = peers(results, question)
        if table.count("\n") > 1:
            parts += [f"## {title}", "", table, ""]
    parts += ["## Charts", ""]
    for name in pictures:
        parts += [f"![{name.removesuffix('.svg').replace('-', ' ')}](performance/{name})", ""]
    parts += ["## Where we lose", "", losses(results), ""]
    parts += ["## What was missing or not judged", "", notes(results), ""]
    parts += ["## Versions", "", versions(results), "", END]
    return "\n".join(parts)


def write(directory: Path) -> None:
    results = {python: found for python, found in load(directory).items() if "versions" in found}
    pictures = charts(results)
    place = DOCS / "performance"
    place.mkdir(exist_ok=True)
    for name, text in pictures.items():
        (place / name).write_text(text)
    page = DOCS / "performance.md"
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{measured(results, pictures)}{after}")
    print(f"wrote {page.name} for {', '.join(results)}")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
