"""The comparison behind ``onex-events compare``: what events cost on real work, and what with us.

The same pipeline (three nested async functions, six events an operation) runs undecorated, on the
pure-Python Pydantic path, on the C core while nobody listens, and on the C core with one sync and
one async subscriber: in turns, side by side, on real input.
"""

import asyncio
import gc
import warnings
from collections.abc import Callable

from .corpus import Corpus, InputError, read_corpus
from .pieces import measure_pieces
from .report import Comparison, headline
from .rounds import Disagreement, run_rounds

__all__ = ["Comparison", "Disagreement", "InputError", "compare", "headline", "read_corpus"]

#: Interleaved rounds of the parts alone.
PIECE_ROUNDS = 41


def compare(
    corpus: Corpus,
    *,
    rounds: int | None = None,
    seconds: float = 100.0,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Comparison:
    """Runs the comparison on a corpus: ``rounds`` rounds, or about ``seconds`` of them.

    ``progress`` is called with what is being done, how many steps of it are done, of how many.
    Raises Disagreement when two variants differ in their results or events.
    """

    async def run() -> Comparison:
        pieces = await measure_pieces(
            corpus.sources,
            rounds=PIECE_ROUNDS if rounds is None else rounds,
            progress=progress,
        )
        gc.collect()
        real = await run_rounds(corpus.sources, rounds=rounds, seconds=seconds, progress=progress)
        return Comparison(corpus, real, pieces)

    with warnings.catch_warnings():
        # The input's own (invalid escapes and the like), once more at every parse.
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        return asyncio.run(run())
