"""What is lost by calling a function again and again."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable

TIMES = 200


def references_are_counted() -> bool:
    """Whether the interpreter's total of references is to be trusted.

    Extensions built for the release interpreter load into the debug one, but drop
    references without telling it: its total grows by some at each ValidationError
    that pydantic_core makes, while no memory is lost.
    """
    return hasattr(sys, "gettotalrefcount") and "pydantic_core" not in sys.modules


def lost(function: Callable[[], object]) -> float:
    """References (memory blocks where references are not counted) lost by each call.

    Below 1 there are only caches that fill and allocators' noise.
    """
    if references_are_counted():
        count = sys.gettotalrefcount
    else:
        assert "ONEX_COUNT_REFERENCES" not in os.environ
        count = sys.getallocatedblocks

    def grown() -> int:
        before = count()
        for _ in range(TIMES):
            function()
        gc.collect()
        return count() - before

    gc.collect()
    grown()  # caches, call shapes, events kept for reuse
    least = grown()
    for _ in range(3):
        if least > TIMES / 2:
            least = min(least, grown())
    return least / TIMES
