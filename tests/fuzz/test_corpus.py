"""The decoders take the inputs of the corpus on every interpreter, without a fuzzer too."""

from __future__ import annotations

from pathlib import Path

import pytest

from .decoders import TARGETS

CORPUS = Path(__file__).parent / "corpus"


def inputs() -> list[tuple[str, Path]]:
    return [(name, path) for name in TARGETS for path in sorted((CORPUS / name).iterdir())]


@pytest.mark.parametrize(
    ("target", "path"), [pytest.param(*one, id=f"{one[0]}-{one[1].name}") for one in inputs()]
)
def test_an_input_is_decoded_or_refused(target: str, path: Path) -> None:
    TARGETS[target](path.read_bytes())


def test_each_target_has_a_corpus() -> None:
    targets = {path.stem.removeprefix("fuzz_") for path in CORPUS.parent.glob("fuzz_*.c")}
    assert {path.name for path in CORPUS.iterdir()} == {*TARGETS, *targets}
