"""Validation against Pydantic itself: generated annotations, values, defaults.

Each example compares about ten values with what one pinned Pydantic makes of
them: the value, its type, what is a copy, and each error's type, location,
message, input and context.  ``ONEX_DIFFERENTIAL_EXAMPLES`` sets how many
examples there are (600 by default, those of the profile if it has more).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import ItemsView, KeysView, ValuesView
from datetime import datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pydantic = pytest.importorskip("pydantic")

from onex_events.annotations import compile_annotation  # noqa: E402

from . import generated  # noqa: E402
from .generated import annotations, anything, json_values, realize  # noqa: E402

EXAMPLES = int(
    os.environ.get("ONEX_DIFFERENTIAL_EXAMPLES") or max(600, settings.default.max_examples)
)
VALUES = 10

CONFIG = pydantic.ConfigDict(arbitrary_types_allowed=True)


def adapter(annotation: Any) -> Any:
    try:
        return pydantic.TypeAdapter(annotation, config=CONFIG)
    except pydantic.PydanticUserError:  # a record: has its own configuration
        return pydantic.TypeAdapter(annotation)


def outcome(run: Any, value: Any) -> tuple[str, Any]:
    try:
        return "accepted", run(value)
    except pydantic.ValidationError as error:
        return "rejected", error
    except OverflowError:
        # pydantic lets those of timedelta(...) and int(...) through.
        return "rejected", None


def same(ours: Any, theirs: Any, seen: int = 0) -> bool:
    """Equal in value and type all through; NaN is NaN, a zone is its offset."""
    if ours is theirs or seen > 30:
        return True
    if type(ours) is not type(theirs):
        return False
    if isinstance(ours, float):
        return (math.isnan(ours) and math.isnan(theirs)) or (
            ours == theirs and math.copysign(1, ours) == math.copysign(1, theirs)
        )
    if isinstance(ours, Decimal):
        return str(ours) == str(theirs)
    if isinstance(ours, (datetime, time)):
        return bool(
            ours.replace(tzinfo=None) == theirs.replace(tzinfo=None)
            and ours.utcoffset() == theirs.utcoffset()
        )
    if isinstance(ours, dict):
        return len(ours) == len(theirs) and all(
            same(a, b, seen + 1) and same(c, d, seen + 1)
            for (a, c), (b, d) in zip(ours.items(), theirs.items(), strict=True)
        )
    if isinstance(ours, (list, tuple)):
        return len(ours) == len(theirs) and all(
            same(a, b, seen + 1) for a, b in zip(ours, theirs, strict=True)
        )
    if isinstance(ours, BaseException):
        return str(ours) == str(theirs)
    names = getattr(type(ours), "__dataclass_fields__", None)
    if names is not None:
        if hasattr(ours, "__dict__") and not same(vars(ours), vars(theirs), seen + 1):
            return False
        return all(same(getattr(ours, n, None), getattr(theirs, n, None), seen + 1) for n in names)
    if isinstance(ours, generated.Odd):
        return same(ours.items, theirs.items, seen + 1)
    if hasattr(ours, "__next__") or isinstance(ours, (KeysView, ItemsView, ValuesView)):
        return True  # made anew for each side
    return bool(ours == theirs)


def as_lines(error: Any) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = error.errors(include_url=False)
    return lines


def check(annotation: Any, value: Any, ours: tuple[str, Any], theirs: tuple[str, Any]) -> None:
    shown = f"{annotation!r} of {generated_repr(value)}"
    assert ours[0] == theirs[0], f"{shown}: we {ours}, pydantic {theirs}"
    if ours[0] == "accepted":
        assert same(ours[1], theirs[1]), f"{shown}: we {ours[1]!r}, pydantic {theirs[1]!r}"
        return
    if theirs[1] is None or ours[1] is None:
        return
    mine, others = as_lines(ours[1]), as_lines(theirs[1])
    for line, other in zip(mine, others, strict=False):
        assert {k: v for k, v in line.items() if k not in ("input", "ctx")} == {
            k: v for k, v in other.items() if k not in ("input", "ctx")
        }, f"{shown}:\n{mine}\npydantic:\n{others}"
        assert same(line["input"], other["input"]), f"{shown}: input {line} {other}"
        assert same(line.get("ctx"), other.get("ctx")), f"{shown}: ctx {line} {other}"
    assert len(mine) == len(others), f"{shown}:\n{mine}\npydantic:\n{others}"


def generated_repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__name__}>"


@given(annotations, st.data())
@settings(max_examples=EXAMPLES)
def test_python_values_are_taken_and_rejected_as_pydantic_does(spec: Any, data: Any) -> None:
    annotation, near = spec
    validator = compile_annotation(annotation, namespace=vars(generated))
    pydantic_one = adapter(annotation)
    values = data.draw(st.lists(near | near | anything, min_size=VALUES - 4, max_size=VALUES + 4))
    for value in values:
        # One value for both, that what is copied shows; what can be used once, twice.
        first, second = realize(value), realize(value)
        ours = outcome(validator.validate, first)
        theirs = outcome(pydantic_one.validate_python, second)
        check(annotation, value, ours, theirs)
        if first is second and ours[0] == "accepted":
            assert (ours[1] is first) == (theirs[1] is second), (
                f"{annotation!r} of {generated_repr(value)}: identity"
            )


@given(annotations, st.data())
@settings(max_examples=EXAMPLES // 2)
def test_json_values_are_taken_and_rejected_as_pydantic_does(spec: Any, data: Any) -> None:
    annotation, near = spec
    validator = compile_annotation(annotation, namespace=vars(generated))
    pydantic_one = adapter(annotation)
    for value in data.draw(st.lists(near | json_values, min_size=VALUES - 4, max_size=VALUES + 4)):
        try:
            text = json.dumps(value)
            parsed = json.loads(text)
        except (TypeError, ValueError):
            continue
        if "\\ud800" in text:
            continue  # pydantic's parser refuses it, which is not ours
        ours = outcome(lambda v: validator.validate(v, True), parsed)
        theirs = outcome(pydantic_one.validate_json, text)
        check(annotation, parsed, ours, theirs)
