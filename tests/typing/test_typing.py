"""What a type checker says about user code: mypy on the files beside this one.

A line ending in ``# revealed: TEXT`` must make mypy reveal exactly TEXT there, one
ending in ``# error: CODE`` must be an error of that code; there must be no other
errors.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

HERE = Path(__file__).parent
EXPECTED = re.compile(r"# (revealed|error): (.+)$")
SAID = re.compile(
    r'^.*?:(?P<line>\d+): (?:note: Revealed type is "(?P<revealed>.+)"'
    r"|error: (?P<message>.+)  \[(?P<error>[\w-]+)\])$"
)


def expectations(source: Path) -> set[tuple[int, str, str]]:
    lines = enumerate(source.read_text().splitlines(), start=1)
    return {
        (number, found[1], found[2]) for number, line in lines if (found := EXPECTED.search(line))
    }


def verdict(source: Path) -> set[tuple[int, str, str]]:
    out, err, _ = api.run(["--strict", "--no-pretty", "--no-error-summary", str(source)])
    assert not err, err
    said = set()
    for line in out.splitlines():
        found = SAID.match(line)
        if found is None:
            continue
        kind = "revealed" if found["revealed"] else "error"
        said.add((int(found["line"]), kind, found[kind]))
    return said


@pytest.mark.parametrize("name", sorted(path.stem for path in HERE.glob("check_*.py")))
def test_type_checker_says_what_the_file_expects(name: str) -> None:
    source = HERE / f"{name}.py"
    assert expectations(source), f"{source.name} expects nothing"
    assert verdict(source) == expectations(source)
