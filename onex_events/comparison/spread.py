"""Medians with an honest interval."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, sqrt

__all__ = ["Spread", "spread_of"]

_Z = 1.96  # 95 %


@dataclass(frozen=True, slots=True)
class Spread:
    """A median, the interval that holds it with 95 % confidence, and the quartiles."""

    median: float
    low: float
    high: float
    quarter: float
    three_quarters: float
    samples: int


def spread_of(values: Sequence[float]) -> Spread:
    """The median of ``values`` (at least one) and how sure it is.

    The interval runs between the order statistics of ranks n/2 -+ 1.96 sqrt(n)/2: the number of
    values below the true median is binomial, so nothing is assumed of their distribution.
    """
    ordered = sorted(values)
    count = len(ordered)
    reach = _Z * sqrt(count) / 2
    low = max(floor(count / 2 - reach), 0)
    high = min(floor(count / 2 + reach) + 1, count - 1)
    quarters = statistics.quantiles(ordered, n=4) if count > 1 else ordered * 3
    return Spread(
        median=statistics.median(ordered),
        low=ordered[low],
        high=ordered[high],
        quarter=quarters[0],
        three_quarters=quarters[2],
        samples=count,
    )
