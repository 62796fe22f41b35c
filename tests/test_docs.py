"""Every snippet of README and docs runs, and prints what the document shows.

The ``python`` blocks of a document run in order, in one fresh process and one
namespace.  A ``text`` block right after one is what it prints.  Commands in ``sh``
blocks must exist: make's targets and the subcommands of ``onex-events``.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

CHECKOUT = Path(__file__).parent.parent
DOCUMENTS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# Runs the blocks it reads; a mark on a line of its own separates their output.
RUNNER = """
import json, sys
name, blocks, mark = json.load(sys.stdin)
namespace = {"__name__": "__main__"}
for line, source in blocks:
    exec(compile("\\n" * (line - 1) + source, name, "exec"), namespace)
    print(mark, flush=True)
"""
MARK = "--- end of block ---"


class Block(NamedTuple):
    language: str
    line: int
    text: str
    adjacent: bool  # nothing but white space between it and the block before


def blocks(document: Path) -> list[Block]:
    text = document.read_text()
    found, end = [], 0
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start(2)) + 1
        adjacent = not text[end : match.start()].strip()
        found.append(Block(match[1], line, match[2], adjacent))
        end = match.end()
    return found


def named(document: Path) -> str:
    return str(document.relative_to(CHECKOUT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_python_snippets_run_and_print_what_is_shown(document: Path, tmp_path: Path) -> None:
    found = blocks(document)
    python = [(block.line, block.text) for block in found if block.language == "python"]
    if not python:
        return
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", RUNNER],
        input=json.dumps([document.name, python, MARK]),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    printed = dict(zip((line for line, _ in python), done.stdout.split(f"{MARK}\n"), strict=False))
    for block, after in itertools.pairwise(found):
        if block.language == "python" and after.language == "text" and after.adjacent:
            assert printed[block.line] == after.text, f"{document.name}:{after.line}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_commands_that_are_shown_exist(document: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    for block in blocks(document):
        if block.language != "sh":
            continue
        for target in re.findall(r"^make ([a-z][\w-]*)", block.text, re.MULTILINE):
            assert target in targets, f"{document.name}:{block.line}: make {target}"
        for command in re.findall(r"^onex-events (\w+)", block.text, re.MULTILINE):
            shown = subprocess.run(
                [sys.executable, "-m", "onex_events.cli", command, "--help"],
                capture_output=True,
                text=True,
            )
            assert shown.returncode == 0, f"{document.name}:{block.line}: {shown.stderr}"
