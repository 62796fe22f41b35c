"""What fields of any type become in a dump: what pydantic makes of the same values."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import enum
import fractions
import ipaddress
import json
import pathlib
import re
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple, Union

import pytest

from onex_events import Event

pydantic = pytest.importorskip("pydantic")

ADAPTER = pydantic.TypeAdapter(Any)


class Text(str):
    pass


class Whole(int):
    pass


class Real(float):
    pass


class Rows(list[int]):
    pass


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Place(NamedTuple):
    x: int
    y: Any


class Model(pydantic.BaseModel):
    when: datetime.date
    nothing: None = None


@dataclasses.dataclass
class Record:
    key: bytes


class Holder(Event[Any]):
    type: str = "holder"
    value: Any = None


delta = datetime.timedelta
VALUES: dict[str, Callable[[], Any]] = {
    **{
        f"span {one}": (lambda one=one: one)
        for one in (
            delta(),
            delta(days=400, hours=3, minutes=2, seconds=1),
            delta(minutes=5),
            delta(seconds=7, microseconds=120),
            -delta(days=1, seconds=1),
            delta(hours=1),
            delta(days=365),
        )
    },
    "moment": lambda: datetime.datetime(2024, 1, 2, 3, tzinfo=datetime.UTC),
    "naive moment": lambda: datetime.datetime(2024, 1, 2, 3, 4, 5, 6),
    "moment elsewhere": lambda: datetime.datetime(
        2024, 1, 2, tzinfo=datetime.timezone(delta(hours=-3))
    ),
    "day": lambda: datetime.date(2024, 2, 29),
    "time": lambda: datetime.time(1, 2, tzinfo=datetime.UTC),
    "decimal": lambda: Decimal("1.50"),
    "fraction": lambda: fractions.Fraction(1, 3),
    "uuid": lambda: uuid.UUID(int=7),
    "bytes": lambda: b"abc",
    "bytearray": lambda: bytearray(b"abc"),
    "no utf-8": lambda: b"\xff",
    "complex": lambda: 1 + 2j,
    "kind of str": lambda: Text("t"),
    "kind of int": lambda: Whole(3),
    "kind of float": lambda: Real(1.5),
    "bool": lambda: True,
    "enum": lambda: Colour.RED,
    "enum of a tuple": lambda: Colour.PAIR,
    "path": lambda: pathlib.Path("/a/b"),
    "pattern": lambda: re.compile("a+"),
    "address": lambda: ipaddress.ip_address("::1"),
    "network": lambda: ipaddress.ip_network("10.0.0.0/8"),
    "url": lambda: pydantic.AnyUrl("https://example.org/x"),
    "deque": lambda: collections.deque([1, b"x"]),
    "generator": lambda: (one for one in (1, b"x")),
    "set": lambda: {Decimal(1)},
    "frozenset": lambda: frozenset([b"x"]),
    "kind of list": lambda: Rows([1, 2]),
    "named tuple": lambda: Place(1, Colour.RED),
    "ordered": lambda: collections.OrderedDict(a=[b"x"]),
    "counter": lambda: collections.Counter(a=2),
    "model": lambda: Model(when=datetime.date(2024, 1, 2)),
    "record": lambda: Record(b"k"),
    "models in a list": lambda: [Model(when=datetime.date(2024, 1, 2)), {"r": Record(b"k")}],
    "no form": lambda: [object()],
    "infinite": lambda: [float("inf"), Real("-inf"), {float("inf"): 1.0}],
    "keys": lambda: {
        None: 1,
        True: 2,
        1.5: 3,
        Colour.RED: 5,
        uuid.UUID(int=1): 7,
        Decimal("1.5"): 8,
        Text("t"): 9,
        datetime.date(2024, 1, 2): 10,
        b"k": 11,
        7: 12,
        fractions.Fraction(1, 3): 13,
    },
    "key without a form": lambda: {re.compile("x").match("x"): 1},
}


# In Python mode these are what they were.
ITSELF = {"generator", "no form", "key without a form"}


def outcome(dump: Callable[[], Any]) -> Any:
    try:
        return dump()
    except ValueError:
        return ValueError


@pytest.mark.parametrize("without_none", [False, True], ids=["all", "without None"])
@pytest.mark.parametrize("name", VALUES)
def test_an_any_field_is_dumped_as_pydantic_does(name: str, without_none: bool) -> None:
    make = VALUES[name]
    for mode in ("json", "python"):
        if mode == "python" and name in ITSELF:
            continue
        expected = outcome(
            lambda mode=mode: ADAPTER.dump_python(make(), mode=mode, exclude_none=without_none)
        )
        got = outcome(
            lambda mode=mode: Holder(value=make()).model_dump(
                mode=mode, include={"value"}, exclude_none=without_none
            )["value"]
        )
        assert got == expected
        assert type(got) is type(expected) or isinstance(got, dict)
    expected = outcome(lambda: json.loads(ADAPTER.dump_json(make(), exclude_none=without_none)))
    got = outcome(
        lambda: json.loads(
            Holder(value=make()).model_dump_json(include={"value"}, exclude_none=without_none)
        )["value"]
    )
    assert got == expected


def test_a_fallback_is_asked_for_what_has_no_form() -> None:
    event = Holder(value=[object(), 1])
    assert event.model_dump(mode="json", include={"value"}, fallback=lambda value: "?") == {
        "value": ["?", 1]
    }


def test_without_pydantic_the_error_is_a_value_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "pydantic_core")
    with pytest.raises(ValueError, match="Unable to serialize unknown type"):
        Holder(value=object()).model_dump_json()


@dataclasses.dataclass
class Gap:
    value: Any = None
    number: int = 1


@dataclasses.dataclass
class Link:
    next: Link | None = None


class Plain:
    pass


DECLARED: list[tuple[Any, Any]] = [
    (Any, Gap()),
    (Any, [Gap()]),
    (Any, {"k": Gap(Gap())}),
    (Gap, Gap()),
    (Gap | None, Gap()),
    (Link, Link(Link())),
    (Link | None, Link()),
    (list[Gap], [Gap(), Gap(2)]),
    (dict[str, Gap], {"k": Gap()}),
    (tuple[int, Gap], (1, Gap())),
    (list[int | Gap], [1, Gap()]),
    (Union[Plain, Gap, None], Gap()),
    (Union[Gap, Plain], Gap()),
    (Union[Any, Gap], Gap()),
    (Union[type, Gap], Gap()),
    (Union[list[Any], Gap, None], Gap()),
    (Union[list[Any], Gap, None], [1]),
    (Union[list[Any], int], [Gap()]),
    (Union[type[int], Gap], Gap()),
    (Union[Callable[[], int], Gap], Gap()),
]


@pytest.mark.parametrize(("annotation", "value"), DECLARED, ids=repr)
def test_without_none_a_dataclass_is_dumped_as_it_is_declared(annotation: Any, value: Any) -> None:
    """Pydantic leaves its None out where the field's annotation names it, else keeps them."""
    contents = {
        "__module__": __name__,
        "__annotations__": {"value": annotation},
        "value": None,
        "model_config": {"arbitrary_types_allowed": True},
    }
    ours = type("Ours", (Event,), dict(contents))(type="x", value=value)
    theirs = type("Theirs", (pydantic.BaseModel,), dict(contents))(value=value)
    for mode in ("python", "json"):
        expected = theirs.model_dump(mode=mode, exclude_none=True)["value"]
        assert ours.model_dump(mode=mode, exclude_none=True)["value"] == expected
    assert json.loads(ours.model_dump_json(exclude_none=True))["value"] == expected


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (float, float("inf")),
        (list[float], [float("inf")]),
        (dict[str, float], {"k": float("-inf")}),
        (dict[float, int], {float("inf"): 1}),
        (int | float | None, float("inf")),
        (dict[str, Any], {"k": float("inf")}),
        (tuple[Any, ...], (float("inf"),)),
        (int | list[Any], [float("inf")]),
    ],
    ids=repr,
)
def test_infinity_is_none_where_no_float_is_declared(annotation: Any, value: Any) -> None:
    contents = {
        "__module__": __name__,
        "__annotations__": {"value": annotation},
        "value": None,
    }
    ours = type("Ours", (Event,), dict(contents))(type="x", value=value)
    theirs = type("Theirs", (pydantic.BaseModel,), dict(contents))(value=value)
    expected = theirs.model_dump(mode="json")["value"]
    assert ours.model_dump(mode="json")["value"] == expected
    text = json.loads(theirs.model_dump_json())["value"]
    assert json.loads(ours.model_dump_json())["value"] == text
