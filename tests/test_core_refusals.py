"""What only the package's own Python side passes to the core is checked all the same."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from onex_events import EventBus, _core
from onex_events._core import Validator

any_value = Validator("any", "any")


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: Validator("int", "int", x=1), TypeError, "no keyword arguments"),
        (lambda: Validator("int"), TypeError, "Validator"),
        (lambda: Validator(1, 2), TypeError, "Validator"),
        (lambda: Validator("nothing", "nothing"), (TypeError, ValueError), "nothing"),
        (lambda: Validator("decimal", "decimal", 1, 2), TypeError, "needs Decimal"),
        (lambda: Validator("namedtuple", "x", 1, ()), TypeError, "needs a class"),
        (lambda: Validator("subclass", "x", 1, "y"), TypeError, "needs a class"),
        (lambda: _core.set_default_bus(5), TypeError, "must be an EventBus or None"),
        (lambda: _core._context_leave(5), TypeError, "expected a frame, not 5"),
        (lambda: EventBus()._detach(5), TypeError, "must be a HandlerRun"),
        (lambda: _core._is_wanted(), TypeError, "_is_wanted"),
        (lambda: _core._emit_linked(), TypeError, "_emit_linked"),
        (lambda: _core._report(1, None), TypeError, "_report"),
        (lambda: _core.revive(int, ()), TypeError, "no Event class"),
        (lambda: _core.Histogram(1), TypeError, "Histogram"),
        (lambda: _core.Histogram().record("x"), TypeError, "str"),
        (lambda: _core.Histogram().percentile("x"), TypeError, "str"),
        (lambda: _core.Histogram().percentile(2), ValueError, "from 0 to 1, not 2"),
        (lambda: _core.Histogram().merge(5), TypeError, "must be Histogram, not int"),
    ],
)
def test_refused(call: Callable[[], object], error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        call()


def test_nothing_to_report() -> None:
    assert _core._report("nothing", None) is None


class Fraction(Decimal):
    """Tells no ratio."""

    ratio: Any = 5

    def as_integer_ratio(self) -> Any:
        return self.ratio


@pytest.mark.parametrize("ratio", [5, (1,), [1, 2]])
def test_a_ratio_that_is_no_pair(ratio: Any) -> None:
    number = Fraction("1.5")
    number.ratio = ratio
    with pytest.raises(TypeError, match="must return a pair"):
        Validator("int", "int").validate(number)
