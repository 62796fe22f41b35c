"""The input of a comparison: Python modules read into memory before anything is timed."""

import ast
import hashlib
import os
import stat
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from uuid import UUID

__all__ = [
    "Corpus",
    "InputError",
    "SkipReason",
    "Source",
    "library_modules",
    "read_corpus",
    "standard_library",
]

SkipReason = Literal["not Python", "unreadable", "not parseable"]


class InputError(ValueError):
    """An input that nothing can be measured on; the text says which and why, in one line."""


@dataclass(frozen=True, slots=True)
class Source:
    """One module: its name, an id that is the same in every run, and its text as it is on disk."""

    name: str
    id: UUID
    text: bytes


@dataclass(slots=True)
class Corpus:
    """The modules found in a directory, and what was left out."""

    directory: Path
    sources: list[Source] = field(default_factory=list)
    skipped: dict[SkipReason, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all modules."""
        return sum(len(source.text) for source in self.sources)

    def skip(self, reason: SkipReason) -> None:
        """Counts a file that was left out."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


def standard_library() -> Path:
    """The directory of the running Python's standard library."""
    return Path(sysconfig.get_path("stdlib"))


def read_corpus(directory: Path | None = None) -> Corpus:
    """All modules below ``directory``; None: the standard library, its own tests aside.

    Files that are no Python, that cannot be read or do not parse are counted and left out.
    Raises InputError where there is no such directory, and where no module is left.
    """
    corpus = Corpus(standard_library() if directory is None else directory)
    if directory is not None:
        _check_directory(directory)
    paths = _files(corpus.directory) if directory is not None else library_modules()
    for path in sorted(paths):
        if path.suffix != ".py":
            corpus.skip("not Python")
            continue
        try:
            text = _read(path)
        except OSError:
            corpus.skip("unreadable")
            continue
        if not _parses(text):
            corpus.skip("not parseable")
            continue
        name = path.relative_to(corpus.directory).as_posix()
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        corpus.sources.append(Source(name, UUID(bytes=digest[:16], version=5), text))
    if not corpus.sources:
        raise InputError(
            f"no Python module to measure in {corpus.directory} ({describe_skipped(corpus)})"
        )
    return corpus


def describe_skipped(corpus: Corpus) -> str:
    """``3 files skipped: 2 not Python, 1 unreadable``."""
    count = sum(corpus.skipped.values())
    if count == 0:
        return "no files skipped"
    reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(corpus.skipped.items()))
    return f"{count} file{'s' if count > 1 else ''} skipped: {reasons}"


def _check_directory(directory: Path) -> None:
    try:
        kind = directory.stat().st_mode
    except FileNotFoundError:
        raise InputError(f"no such directory: {directory}") from None
    except OSError as error:
        raise InputError(f"cannot read {directory}: {error.strerror}") from None
    if not stat.S_ISDIR(kind):
        raise InputError(f"not a directory: {directory}")
    try:
        os.scandir(directory).close()
    except OSError as error:
        raise InputError(f"cannot read {directory}: {error.strerror}") from None


def _files(directory: Path) -> Iterator[Path]:
    """Files at any depth; hidden ones and compiled caches are no input, links are not followed."""
    for folder, folders, names in os.walk(directory):
        folders[:] = [
            name for name in folders if name != "__pycache__" and not name.startswith(".")
        ]
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def library_modules() -> Iterator[Path]:
    """What ``sys.stdlib_module_names`` names, which leaves the library's test suite out."""
    root = standard_library()
    for name in sys.stdlib_module_names:
        if (root / name).is_dir():
            yield from (path for path in _files(root / name) if path.suffix == ".py")
        elif (root / f"{name}.py").is_file():
            yield root / f"{name}.py"


def _read(path: Path) -> bytes:
    """The text of a regular file: a pipe or a device would never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(f"{path} is not a regular file")
    return path.read_bytes()


def _parses(text: bytes) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the sources' own, such as invalid escapes
        try:
            ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True
