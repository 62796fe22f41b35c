"""``onex-events compare``: the same work and events in every variant, figures, bad input."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pydantic")
pytest.importorskip("typer")

from typer.testing import CliRunner

from onex_events.cli.app import app
from onex_events.comparison import Disagreement, InputError, compare, read_corpus, rounds, work
from onex_events.comparison.corpus import library_modules, standard_library
from onex_events.comparison.pieces import ESTIMATES_US, PIECES
from onex_events.comparison.pipeline import idle_work
from onex_events.comparison.spread import spread_of
from onex_events.comparison.variants import (
    LABELS,
    OFF,
    ON,
    PLAIN,
    RECORDING,
    REFERENCE,
    REFERENCE_ON,
    VARIANTS,
    Variant,
    make_variants,
)

MODULES = {
    "shapes.py": '"""Shapes."""\nimport math\n\n\ndef area(r):\n    "Of a circle."\n'
    "    return math.pi * r * r if r > 0 else 0\n",
    "package/__init__.py": "",
    "package/loop.py": "from . import shapes\n\nfor i in range(3):\n    print(shapes.area(i))\n",
}


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    directory = tmp_path / "input"
    for name, text in MODULES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def run_cli(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of ``onex-events compare``."""
    result = CliRunner().invoke(app, ["compare", *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


# --- the comparison --------------------------------------------------------------------------


def test_every_variant_computes_and_shows_the_same(modules: Path) -> None:
    found = compare(read_corpus(modules), rounds=2)
    assert found.real.rounds == 2
    assert found.real.operations == 2 * len(MODULES)
    # two listening variants, two subscribers each, two rounds, six events a module
    assert found.real.events_checked == 2 * 2 * 2 * 6 * len(MODULES)
    assert set(found.real.operation_us) == set(VARIANTS)


def test_parts_are_measured_on_both_implementations(modules: Path) -> None:
    found = compare(read_corpus(modules), rounds=1)
    assert set(found.pieces) == set(LABELS) - {PLAIN}
    assert set(PIECES) == set(ESTIMATES_US)
    assert set(found.pieces.pop(OFF)) == {"total"}
    for pieces in found.pieces.values():
        assert set(pieces) == set(PIECES)
        assert all(spread.median > 0 for spread in pieces.values())


def test_another_result_in_one_variant_is_a_disagreement(
    modules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Variant.run

    async def dishonest(self: Variant, sources: Any) -> list[Any]:
        results = await honest(self, sources)
        return results[:-1] if self.name == OFF else results

    monkeypatch.setattr(Variant, "run", dishonest)
    with pytest.raises(Disagreement, match="C core, off: other results"):
        compare(read_corpus(modules), rounds=1)


def test_another_event_in_one_variant_is_a_disagreement(
    modules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = rounds.describe_events
    calls = []

    def dishonest(events: list[Any]) -> Any:
        calls.append(1)
        # the first two are the Pydantic path's own subscribers
        return honest(events)[: None if len(calls) <= 2 else -1]

    monkeypatch.setattr(rounds, "describe_events", dishonest)
    with pytest.raises(Disagreement, match="listening: the sync subscriber saw"):
        compare(read_corpus(modules), rounds=1)


def test_progress_goes_from_none_to_all_but_the_last_step(modules: Path) -> None:
    steps: dict[str, list[tuple[int, int]]] = {}
    compare(
        read_corpus(modules),
        rounds=2,
        progress=lambda what, done, total: steps.setdefault(what, []).append((done, total)),
    )
    assert len(steps) == 3
    for seen in steps.values():
        assert seen == [(done, len(seen)) for done in range(len(seen))]


# --- work, input, spread ---------------------------------------------------------------------


def test_the_work_is_done_on_every_call(modules: Path) -> None:
    (source,) = (s for s in read_corpus(modules).sources if s.name == "shapes.py")
    tree = work.parse(source)
    assert work.parse(source) is not tree
    summary = work.summarise(source, work.analyse(tree))
    assert summary.module == "shapes.py"
    assert summary.imports == ("math",)
    assert (summary.definitions, summary.documented, summary.branches) == (1, 1.0, 1)
    assert summary.common_names[0] == ("r", 3)
    assert summary == work.summarise(source, work.analyse(work.parse(source)))


def test_the_default_input_is_the_standard_library_without_its_tests() -> None:
    names = {path.relative_to(standard_library()).as_posix() for path in library_modules()}
    assert {"asyncio/events.py", "json/decoder.py", "typing.py"} <= names
    assert not any(name.startswith(("test/", "site-packages/")) for name in names)


def test_files_left_out_are_counted_by_reason(modules: Path) -> None:
    (modules / "notes.txt").write_text("text")
    (modules / "broken.py").write_text("def (")
    (modules / "zeros.py").write_bytes(b"\0\0")
    os.mkfifo(modules / "pipe.py")
    (modules / "gone.py").symlink_to(modules / "nowhere.py")
    (modules / "__pycache__").mkdir()
    (modules / "__pycache__" / "shapes.pyc").write_bytes(b"")
    corpus = read_corpus(modules)
    assert len(corpus.sources) == len(MODULES)
    assert corpus.skipped == {"not Python": 1, "not parseable": 2, "unreadable": 2}


def test_a_source_in_another_encoding_is_read_as_python_reads_it(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes(b"# coding: latin-1\nname = '\xe9'\n")
    (source,) = read_corpus(tmp_path).sources
    assert work.analyse(work.parse(source)).names["name"] == 1


def test_the_interval_holds_the_median_and_narrows_with_more_values() -> None:
    few, many = spread_of(range(20)), spread_of([i % 20 for i in range(2000)])
    assert few.low < few.median < few.high
    assert many.high - many.low < few.high - few.low
    assert few.quarter < few.median < few.three_quarters


def test_the_spread_of_one_value_is_that_value() -> None:
    spread = spread_of([3.0])
    assert (spread.median, spread.low, spread.high, spread.samples) == (3.0, 3.0, 3.0, 1)


# --- the command -----------------------------------------------------------------------------


def test_the_command_prints_tables_and_writes_json_and_chart(modules: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    json_file, chart = tmp_path / "out.json", tmp_path / "out.png"
    arguments = ["--rounds", "1", "--input", str(modules)]
    arguments += ["--json", str(json_file), "--plot", str(chart)]
    done = subprocess.run(
        [sys.executable, "-m", "onex_events.cli", "compare", *arguments],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for text in (*(LABELS[name] for name in VARIANTS), *PIECES, "600-1,200", "below 1 ms"):
        assert text in done.stdout
    assert "all variants computed the same results" in done.stdout
    assert chart.read_bytes().startswith(b"\x89PNG")
    data = json.loads(json_file.read_text())
    assert data["input"] == {
        "directory": str(modules),
        "modules": len(MODULES),
        "bytes": sum(len(text.encode()) for text in MODULES.values()),
        "skipped": {},
    }
    assert data["checks"]["results_equal"] and data["checks"]["events_equal"]
    assert (data["rounds"], data["events_per_operation"], data["limit_us"]) == (1, 6, 1000.0)
    assert list(data["variants"]) == [PLAIN, REFERENCE, REFERENCE_ON, OFF, ON]
    spread = {"median", "low", "high", "quarter", "three_quarters", "samples"}
    for variant in data["variants"].values():
        for figure in (
            "operation_us",
            "foreground_us",
            "overhead_us",
            "ratio_to_undecorated",
            "ratio_to_reference",
        ):
            assert set(variant[figure]) == spread
    assert set(data["pieces_us"][ON]) == set(PIECES)
    assert data["estimates_us"]["event_creation"] == {"low": 600.0, "high": 1200.0}
    assert set(data["verdicts"]["below_limit"]) == set(LABELS) - {PLAIN}
    assert set(data["verdicts"]["times_less_than_reference"]) == {OFF, RECORDING, ON}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "--input: no such directory: {path}"),
        (lambda path: path.write_text("x = 1"), "--input: not a directory: {path}"),
        (
            lambda path: path.mkdir(),
            "--input: no Python module to measure in {path} (no files skipped)",
        ),
        (
            lambda path: (path.mkdir(), (path / "a.txt").write_text("a")),
            "--input: no Python module to measure in {path} (1 file skipped: 1 not Python)",
        ),
    ],
    ids=["missing", "file", "empty", "not Python"],
)
def test_an_input_without_modules_is_one_line_and_exit_code_1(
    tmp_path: Path, make: Any, message: str
) -> None:
    path = tmp_path / "input"
    make(path)
    status, out, err = run_cli("--input", path)
    assert (status, out) == (1, "")
    assert err == f"onex-events compare: {message.format(path=path)}\n"
    with pytest.raises(InputError):
        read_corpus(path)


def test_an_output_that_cannot_be_written_is_said_before_measuring(
    modules: Path, tmp_path: Path
) -> None:
    status, _, err = run_cli("--input", modules, "--json", tmp_path / "no" / "x.json")
    assert (status, err) == (
        2,
        f"onex-events compare: --json: no such directory: {tmp_path / 'no'}\n",
    )
    status, _, err = run_cli("--input", modules, "--json", tmp_path)
    assert status == 2 and "is a directory, a file is expected" in err


def test_a_chart_in_an_unknown_format_is_said_before_measuring(
    modules: Path, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    status, _, err = run_cli("--input", modules, "--plot", tmp_path / "x.docx")
    assert status == 2
    assert err.startswith("onex-events compare: --plot: a chart's name ends in one of .")
    assert err.count("\n") == 1


def test_a_missing_extra_is_named(modules: Path, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules[{missing!r}] = None\nfrom onex_events.cli import main\nmain()\n"
    )
    arguments = ["compare", "--input", str(modules), "--plot", str(tmp_path / "x.png")]
    for missing, extra in (("typer", "cli"), ("matplotlib", "plot")):
        done = subprocess.run(
            [sys.executable, "-c", program.format(missing=missing), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 2
        assert f"pip install 'onex-events[{extra}]'" in done.stderr
        assert done.stderr.count("\n") == 1


def test_each_variant_has_its_own_bus_and_implementation() -> None:
    variants = make_variants(idle_work, VARIANTS).values()
    assert [variant.api.__name__ if variant.api else None for variant in variants] == [
        None,
        "onex_events.reference",
        "onex_events.reference",
        "onex_events",
        "onex_events",
    ]
    assert len({id(variant.bus) for variant in variants}) == 5
