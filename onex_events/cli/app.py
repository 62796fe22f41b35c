"""The commands: each a function with its options."""

from typing import Annotated

import typer

from .. import __version__
from .compare import compare

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help, paragraphs filled
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"onex-events {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Events from decorated functions: see what they cost and what they do."""


app.command()(compare)
