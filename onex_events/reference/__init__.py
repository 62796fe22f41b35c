"""The surface of spec 1 in plain Python on Pydantic: the baseline and the oracle.

It has the public names of ``onex_events``, so that swapping the import swaps the implementation.
It needs Pydantic (``pip install onex-events[reference]``).
"""

from .events import *
