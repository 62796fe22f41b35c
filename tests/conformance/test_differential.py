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
from hypothesis import given, reject, settings
from hypothesis import strategies as st

pydantic = pytest.importorskip("pydantic")

import onex_events  # noqa: E402
from onex_events import reference  # noqa: E402
from onex_events.annotations import compile_annotation  # noqa: E402

from . import generated  # noqa: E402
from .generated import annotations, anything, json_values, realize  # noqa: E402

# It would come instead of the mismatch that hypothesis reports.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

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
    except RuntimeError as error:
        # Of a repr that raises: an Enum class asks for it when it rejects, and
        # pydantic lets that through, from a union that would take the value too.
        if str(error) != "no repr":
            raise
        return "unprintable", None
    except (AttributeError, TypeError) as error:
        # An extra that a dataclass with slots has no room for; a dict key that is
        # coerced to something unhashable: both let these through.
        return f"raised {type(error).__name__}", error


def same(ours: Any, theirs: Any, seen: int = 0) -> bool:
    """Equal in value and type all through; NaN is NaN, a zone is its offset."""
    if ours is theirs or seen > 30:
        return True
    if isinstance(ours, onex_events.Event) and isinstance(theirs, reference.Event):
        made = GENERATED_BY_DEFAULT - ours.model_fields_set
        return same(ours.model_dump(exclude=made), theirs.model_dump(exclude=made), seen + 1)
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
    if isinstance(ours, (set, frozenset)) and ours != theirs:
        left = list(theirs)  # what is made anew for each side has a hash of its own
        for item in ours:
            found = next((n for n, other in enumerate(left) if same(item, other, seen + 1)), None)
            if found is None:
                return False
            del left[found]
        return not left
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


def make_flags(annotation: Any, validate: Any, value: Any) -> None:
    """A flag class takes 2.0 once it has been asked for 2: it has been, before we compare."""
    if "Bits" in repr(annotation):
        outcome(validate, value)


def lossy(dumped: Any) -> Any:
    """Keys as pydantic has them in JSON mode: what UTF-8 has no bytes for is replaced."""
    if isinstance(dumped, dict):
        return {
            key.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
            if isinstance(key, str)
            else key: lossy(value)
            for key, value in dumped.items()
        }
    return [lossy(item) for item in dumped] if isinstance(dumped, list) else dumped


def generated_repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__name__}>"


def as_lines(error: Any) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = error.errors(include_url=False)
    for line in lines:  # the reference's own check has a part in its label
        line["loc"] = tuple(
            "Inner" if item == "function-after[_pairs_are_whole(), Inner]" else item
            for item in line["loc"]
        )
    return lines


def check(annotation: Any, value: Any, ours: tuple[str, Any], theirs: tuple[str, Any]) -> None:
    if theirs[0] == "unprintable":
        return
    shown = f"{annotation!r} of {generated_repr(value)}"
    assert ours[0] == theirs[0], (
        f"{shown}: we {generated_repr(ours)}, pydantic {generated_repr(theirs)}"
    )
    if ours[0] == "accepted":
        assert same(ours[1], theirs[1]), (
            f"{shown}: we {generated_repr(ours[1])}, pydantic {generated_repr(theirs[1])}"
        )
        return
    if theirs[1] is None or ours[1] is None or ours[0] != "rejected":
        return
    mine, others = as_lines(ours[1]), as_lines(theirs[1])
    for line, other in zip(mine, others, strict=False):
        assert {k: v for k, v in line.items() if k not in ("input", "ctx")} == {
            k: v for k, v in other.items() if k not in ("input", "ctx")
        }, f"{shown}:\n{generated_repr(mine)}\npydantic:\n{generated_repr(others)}"
        assert same(line["input"], other["input"]), (
            f"{shown}: input {generated_repr((line, other))}"
        )
        assert same(line.get("ctx"), other.get("ctx")), (
            f"{shown}: ctx {generated_repr((line, other))}"
        )
    assert len(mine) == len(others), (
        f"{shown}:\n{generated_repr(mine)}\npydantic:\n{generated_repr(others)}"
    )


@given(annotations, st.data())
@settings(max_examples=EXAMPLES, database=None)
def test_python_values_are_taken_and_rejected_as_pydantic_does(spec: Any, data: Any) -> None:
    annotation, near = spec
    validator = compile_annotation(annotation, namespace=vars(generated))
    pydantic_one = adapter(annotation)
    values = data.draw(st.lists(near | near | anything, min_size=VALUES - 4, max_size=VALUES + 4))
    for value in values:
        # One value for both, that what is copied shows; what can be used once, twice.
        first, second = realize(value), realize(value)
        make_flags(annotation, pydantic_one.validate_python, realize(value))
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
            parsed = json.loads(json.dumps(value))
        except (TypeError, ValueError):
            continue
        # Anew: of a name that an object has twice (from 0 and "0") json keeps the last value,
        # pydantic checks each.
        text = json.dumps(parsed)
        if "\\ud800" in text:
            continue  # pydantic's parser refuses it, which is not ours
        make_flags(annotation, pydantic_one.validate_json, text)
        ours = outcome(lambda v: validator.validate(v, True), parsed)
        theirs = outcome(pydantic_one.validate_json, text)
        check(annotation, parsed, ours, theirs)


# ------------------------------------------------------------ whole event classes


class Nested:
    """An annotation around an event class, which each package has its own of."""

    def __init__(self, shown: str, make: Any) -> None:
        self.shown, self.make = shown, make

    def __call__(self, cls: Any) -> Any:
        return self.make(cls)

    def __repr__(self) -> str:
        return self.shown


class Inner(onex_events.Event):
    type: str = "inner"
    size: int = 0
    owner: str | None = None


def _reference_inner() -> Any:
    class Inner(reference.Event):
        type: str = "inner"
        size: int = 0
        owner: str | None = None

    return Inner


NESTED = {onex_events: Inner, reference: _reference_inner()}

inner_events = st.fixed_dictionaries(
    {"id": st.just("12345678-1234-5678-1234-567812345678"), "timestamp": st.just(0)},
    optional={
        "size": generated.numbers, "owner": generated.strings, "phase": st.just("started"),
        "lineage_id": st.just("12345678-1234-5678-1234-567812345679"), "more": generated.integers,
    },
).map(lambda d: {"lineage_id": "12345678-1234-5678-1234-567812345670", **d})  # fmt: skip

nested = st.sampled_from(
    [
        (Nested("Inner", lambda c: c), inner_events),
        (Nested("Inner | None", lambda c: c | None), inner_events | st.none()),
        (Nested("list[Inner]", lambda c: list[c]), st.lists(inner_events, max_size=2)),
        (Nested("Inner | int", lambda c: c | int), inner_events | generated.numbers),
        (Nested("Inner | dict", lambda c: c | dict[str, Any]), inner_events | generated.records),
        (Nested("Inner | Tree", lambda c: c | generated.Tree), inner_events | generated.trees),
        (
            Nested("dict[str, Inner]", lambda c: dict[str, c]),
            st.dictionaries(generated.strings, inner_events, max_size=2),
        ),
    ]
)


class Case:
    """A class body, as data: what is made of `onex_events` and of the reference."""

    def __init__(self, fields: dict[str, tuple[Any, Any]], config: dict[str, Any]) -> None:
        self.fields = fields  # name -> (annotation, default as _DEFAULTS makes it)
        self.config = config

    def __repr__(self) -> str:
        return f"Case({self.fields!r}, {self.config!r})"

    def placed(self, annotation: Any, package: Any) -> Any:
        """A field whose type is an event class: the package's own."""
        return annotation(NESTED[package]) if isinstance(annotation, Nested) else annotation

    def made_of(self, package: Any, base: Any) -> Any:
        body: dict[str, Any] = {
            "__module__": generated.__name__,
            "__annotations__": {
                "type": str,
                **{n: self.placed(a, package) for n, (a, _) in self.fields.items()},
            },
            "type": "made",
            "model_config": {"arbitrary_types_allowed": True, **self.config},
        }
        for name, (_, default) in self.fields.items():
            if default is not None:
                body[name] = default(package)
        return type(base)("Made", (base,), body)


@st.composite
def _defaults(draw: Any, annotation: Any, near: Any) -> Any:
    """None, or what makes the right side of ``name: annotation = ...``."""
    how = draw(st.sampled_from(["none", "plain", "default", "factory", "required"]))
    if how == "required":
        return lambda package: package.Field(description="required")
    value = draw(near)
    kind, value = outcome(adapter(annotation).validate_python, realize(value))
    if how == "none" or kind != "accepted" or contains_iterator(value):
        return None
    return {
        "plain": lambda package: value,
        "default": lambda package: package.Field(default=value),
        "factory": lambda package: package.Field(default_factory=lambda: value),
    }[how]


def contains_iterator(value: Any) -> bool:
    """Whether a dump uses up a part of it, which would be the default of both packages."""
    if isinstance(value, dict):
        return any(map(contains_iterator, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(contains_iterator, value))
    return hasattr(value, "__next__")


def contains_fresh(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(contains_fresh, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(contains_fresh, value))
    return isinstance(value, generated.Fresh)


def makes_ids(value: Any) -> bool:
    """Whether there is an inner event with an id or time of its own making."""
    if isinstance(value, onex_events.Event):
        return not value.model_fields_set >= GENERATED_BY_DEFAULT
    if isinstance(value, dict):
        return any(map(makes_ids, value.values()))
    return isinstance(value, list) and any(map(makes_ids, value))


@st.composite
def event_cases(draw: Any) -> tuple[Case, list[dict[str, Any]]]:
    names = draw(st.lists(st.sampled_from(["alpha", "beta", "gamma"]), min_size=1, unique=True))
    fields, values = {}, {}
    for name in names:
        annotation, near = draw(annotations | nested if name == "gamma" else annotations)
        default = None
        if not isinstance(annotation, Nested):
            default = draw(_defaults(annotation, near))
        fields[name] = (annotation, default)
        values[name] = near | near | anything
    values |= {
        "id": generated.uuids | anything,
        "phase": st.sampled_from(["started", "failed", "x", 3, None]),
        "timestamp": generated.times,
        "parent_id": generated.uuids | st.none(),
        "metadata": st.dictionaries(generated.keys, anything, max_size=2) | anything,
        "children_ids": st.lists(generated.uuids, max_size=2),
        "pending_children": generated.numbers,
        "duration_ms": generated.numbers | st.none(),
        "unknown": generated.scalars,
    }
    config = draw(st.sampled_from([{}, {}, {"extra": "forbid"}, {"extra": "allow"}]))
    required = {n: v for n, v in values.items() if n in fields}
    others = {n: v for n, v in values.items() if n not in fields}
    given_one = st.fixed_dictionaries({}, optional={**required, **others}) | st.fixed_dictionaries(
        required, optional=others
    )
    return Case(fields, config), draw(st.lists(given_one, min_size=3, max_size=6))


GENERATED_BY_DEFAULT = {"id", "lineage_id", "timestamp"}


def shown(run: Any) -> tuple[str, Any]:
    """What a method gives, or that it raises."""
    try:
        return "gives", run()
    except Exception as error:
        return "raises", type(error).__name__


@given(event_cases())
@settings(max_examples=EXAMPLES // 6)
@pytest.mark.filterwarnings("ignore")
def test_event_classes_behave_as_those_of_the_reference(case: Any) -> None:
    described, inputs = case
    ours = described.made_of(onex_events, onex_events.Event)
    try:
        theirs = described.made_of(reference, reference.Event)
    except pydantic.PydanticUserError:
        reject()  # extra="allow" and a dataclass with init=False
    for values in inputs:
        first = {name: realize(value) for name, value in values.items()}
        second = {name: realize(value) for name, value in values.items()}
        make_flags(described, lambda v: theirs(**v), {k: realize(v) for k, v in values.items()})
        mine = outcome(lambda v: ours(**v), first)
        other = outcome(lambda v: theirs(**v), second)
        if other[0] == "unprintable":
            continue
        assert mine[0] == other[0], f"{described} of {values!r}: we {mine}, pydantic {other}"
        if mine[0] != "accepted":
            check(described, values, mine, other)
            continue
        compare_events(described, values, first, second, mine[1], other[1])


def compare_events(
    described: Any, values: Any, first: Any, second: Any, mine: Any, other: Any
) -> None:
    where = f"{described} of {generated_repr(values)}"
    for name in set(type(other).model_fields) - (GENERATED_BY_DEFAULT - set(values)):
        assert same(getattr(mine, name), getattr(other, name)), (
            f"{where}.{name}: we {getattr(mine, name)!r}, pydantic {getattr(other, name)!r}"
        )
        if name in first and first[name] is second[name]:
            assert (getattr(mine, name) is first[name]) == (getattr(other, name) is second[name]), (
                f"{where}.{name}: identity"
            )
    assert mine.model_fields_set == other.model_fields_set, where
    if contains_fresh(values) or makes_ids(mine.gamma if hasattr(mine, "gamma") else None):
        return  # dumping would use up what can be gone through once, or differs in ids
    left_out = GENERATED_BY_DEFAULT - set(values)
    for method, options in (
        ("model_dump", {}),
        ("model_dump", {"mode": "json"}),
        ("model_dump", {"exclude_none": True}),
        ("model_dump_json", {}),
    ):
        a = shown(lambda: getattr(mine, method)(exclude=left_out, **options))  # noqa: B023
        b = shown(lambda: getattr(other, method)(exclude=left_out, **options))  # noqa: B023
        if b == ("raises", "PydanticSerializationError"):
            continue  # ours shows classes and the like by name
        assert a[0] == b[0], f"{where} {method}({options}): we {a}, pydantic {b}"
        if a[0] == "gives":
            if options.get("mode") == "json":
                a = ("gives", lossy(a[1]))
            if method == "model_dump_json":
                a, b = ("gives", json.loads(a[1])), ("gives", json.loads(b[1]))
            assert same(a[1], b[1]), f"{where} {method}({options}): we {a[1]!r}, pydantic {b[1]!r}"
