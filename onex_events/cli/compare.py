"""``onex-events compare``: what events cost on real input."""

import importlib.util
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compare"]

#: Seconds between two drawings of the progress bar.
REDRAW = 0.2

#: Columns of the tables in a file or a pipe.
PIPED_WIDTH = 100


def compare(
    input_directory: Annotated[
        Path | None,
        typer.Option(
            "--input",
            metavar="DIR",
            help="Python modules to work on; the running Python's standard library by default.",
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write all figures as JSON."),
    ] = None,
    plot_file: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw a bar chart (.png, .svg, .pdf)."),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, help="Interleaved rounds over the input; as many as --seconds allow."),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(
            min=0.0, help="Time for the rounds on real input, where --rounds is not given."
        ),
    ] = 100.0,
) -> None:
    """Show what events cost on real work.

    Parses, analyses and summarises every module of the input in three nested async functions
    that emit six events, in turns: undecorated; decorated on the Pydantic path; on the C core
    with nobody listening; on the C core with a sync and an async subscriber.  Prints what the
    events cost with its spread, and checks that all computed and saw the same.
    """
    _check_outputs(json_file, plot_file)
    if not _is_installed("pydantic"):
        _fail("the Pydantic path needs pydantic: pip install 'onex-events[compare]'")
    from ..comparison import Disagreement, InputError, headline, read_corpus
    from ..comparison import compare as run

    console = Console()
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    try:
        corpus = read_corpus(input_directory)
    except InputError as error:
        _fail(f"--input: {error}", status=1)
    console.print(headline(corpus), highlight=False, soft_wrap=True, markup=False)
    try:
        with _progress_bar() as progress:
            comparison = run(corpus, rounds=rounds, seconds=seconds, progress=progress)
    except Disagreement as error:
        _fail(f"the variants disagree: {error}", status=1)
    comparison.print(console)
    try:
        if json_file is not None:
            text = json.dumps(comparison.to_dict(), indent=2)
            json_file.write_text(text + "\n", encoding="utf-8")
        if plot_file is not None:
            from ..comparison.chart import draw

            draw(comparison, plot_file)
    except OSError as error:
        _fail(f"cannot write {error.filename}: {error.strerror}", status=1)


def _fail(message: str, status: int = 2) -> NoReturn:
    """Says what is wrong in one line on stderr and ends the command."""
    print(f"onex-events compare: {message}", file=sys.stderr)
    raise typer.Exit(status)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # None stands in sys.modules: importing it is forbidden
        return False


def _check_outputs(json_file: Path | None, plot_file: Path | None) -> None:
    """What cannot be written is said before minutes are spent on measuring."""
    for option, path in (("--json", json_file), ("--plot", plot_file)):
        if path is None:
            continue
        if path.is_dir():
            _fail(f"{option}: {path} is a directory, a file is expected")
        if not path.parent.is_dir():
            _fail(f"{option}: no such directory: {path.parent}")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            _fail(f"{option}: cannot write {path}")
    if plot_file is not None:
        if not _is_installed("matplotlib"):
            _fail("--plot needs matplotlib: pip install 'onex-events[plot]'")
        from ..comparison.chart import check_chart_path

        wrong = check_chart_path(plot_file)
        if wrong is not None:
            _fail(f"--plot: {wrong}")


@contextmanager
def _progress_bar() -> "Iterator[Callable[[str, int, int], None]]":
    """A bar for each part of the run, on a terminal only; it is gone when all is done.

    It is drawn between measurements: a thread of its own would take part in them.
    """
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
        auto_refresh=False,
        transient=True,
        disable=not console.is_terminal,
    )
    tasks: dict[str, TaskID] = {}
    drawn = 0.0

    def advance(what: str, done: int, total: int) -> None:
        nonlocal drawn
        if what not in tasks:
            for task in tasks.values():
                bar.update(task, visible=False)
            tasks[what] = bar.add_task(what, total=total)
            drawn = 0.0
        bar.update(tasks[what], completed=done)
        if time.monotonic() - drawn >= REDRAW:
            bar.refresh()
            drawn = time.monotonic()

    with bar:
        yield advance
