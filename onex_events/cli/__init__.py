"""The ``onex-events`` command."""

import sys

__all__ = ["main"]


def main() -> None:
    """Runs the command line; needs the extra ``cli``."""
    try:
        from .app import app
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("typer", "rich", "click"):
            raise
        print(
            f"onex-events: the command needs {error.name}: pip install 'onex-events[cli]'",
            file=sys.stderr,
        )
        raise SystemExit(2) from None
    app(prog_name="onex-events")
