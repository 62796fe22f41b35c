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
import typing
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Union

import pytest

from onex_events import Event

pydantic = pytest.importorskip("pydantic")
TypedDict = pytest.importorskip("typing_extensions").TypedDict  # pydantic, on 3.11

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
    "iterator": lambda: iter([1, b"x"]),
    "map": lambda: map(str, (1, 2)),
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
ITSELF = {"generator", "iterator", "map", "no form", "key without a form"}


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


INF = float("inf")


@dataclasses.dataclass
class Gap:
    value: Any = None
    number: int | None = 1


@dataclasses.dataclass
class Link:
    next: Link | None = None


@dataclasses.dataclass
class Nest:
    """What its own fields declare, below what declares it."""

    anything: Any = None
    gap: Gap | None = None
    share: float = INF


@dataclasses.dataclass
class Wider(Gap):
    more: int | None = None


@dataclasses.dataclass
class Tree:
    below: list[Tree | float | None] | None = None
    anything: Any = INF


class Row(NamedTuple):
    gap: Gap
    anything: Any = None
    share: float = INF


class Table(TypedDict, total=False):
    name: str | None
    anything: Any
    gap: Gap


class Plain:
    pass


DECLARED: list[tuple[Any, Any]] = [
    (Any, Gap()),
    (Any, [Gap()]),
    (Any, {"k": Gap(Gap())}),
    (Gap, Gap()),
    (Gap, Gap(Gap())),
    (Gap | None, Gap()),
    (Link, Link(Link())),
    (Link | None, Link()),
    (Tree, Tree([Tree([INF, None]), INF, None])),
    (dict[str, Tree | int], {"k": Tree([Tree(None, Tree()), INF])}),
    (list[Gap], [Gap(), Gap(2)]),
    (dict[str, Gap], {"k": Gap()}),
    (tuple[int, Gap], (1, Gap())),
    (tuple[Any, Gap], (Gap(), Gap())),
    (tuple[Gap, ...], (Gap(), Gap(None))),
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
    # A union's choice is what the value is, as a whole.
    (Union[Gap, list[Any]], [Gap()]),
    (Union[list[Any], list[Gap]], [Gap()]),
    (Union[list[int], list[Gap]], [Gap()]),
    (Union[uuid.UUID, list[Gap]], [Gap()]),
    (Union[datetime.datetime, Gap], Gap()),
    (Union[typing.Literal[1], Gap], Gap()),
    (Union[typing.Literal[1], list[float]], 1),
    (Union[Gap, Wider], Wider()),
    (Union[Wider, Gap], Gap()),
    (Union[Nest, Gap, Any], Nest(Gap(), Gap())),
    (Union[Table, Any], {"name": None, "gap": Gap()}),
    (Union[Table, dict[str, Any]], {"name": None, "other": None}),
    (Union[dict[str, int], dict[str, float]], {"a": INF}),
    (Union[frozenset[int], frozenset[float]], frozenset([INF])),
    (Union[tuple[int, Any], tuple[float, Gap]], (1.5, Gap())),
    (Union[tuple[float, Gap], tuple[Any, ...]], (INF, Gap(), Gap())),
    (Union[Row, Gap], Row(Gap())),
    (list[Union[tuple[Any, Gap], Gap]], [(Gap(), Gap()), Gap()]),
    (list[Union[Gap, list[float], None]], [None, Gap(), [INF]]),
    # Below what is declared, and below what is not.
    (Nest, Nest(Gap(), Gap())),
    (dict[str, Nest], {"k": Nest(Nest(), Gap(INF))}),
    (Row, Row(Gap())),
    (tuple[Row, Any], (Row(Gap()), Row(Gap()))),
    (Table, {"name": None, "anything": None}),
    (Table, {"anything": Gap(), "gap": Gap()}),
    (dict[str, Table], {"k": {"name": None}}),
    (tuple[Table, Any], ({"name": None}, {"name": None})),
    (Sequence[Gap], [Gap()]),
    (Sequence[Nest], (Nest(gap=Gap()),)),
    (Sequence[Any], [Gap(), INF]),
    (Sequence[float], [INF]),
    (Sequence[list[float]], [[INF]]),
    # Infinity is None in JSON mode where no float is declared.
    (float, INF),
    (list[float], [INF]),
    (dict[str, float], {"k": -INF}),
    (dict[float, int], {INF: 1}),
    (dict[float | None, Any], {INF: INF}),
    (dict[Any, float], {INF: INF}),
    (dict[Union[Any, float], int], {INF: 1}),
    (dict[tuple[float, int], Any], {(INF, 1): 1}),
    (dict[tuple[Any, ...], Any], {(INF, 1): 1}),
    (dict[tuple[float, ...], Any], {(INF, 1.0): 1}),
    (int | float | None, INF),
    (dict[str, Any], {"k": INF}),
    (tuple[Any, ...], (INF,)),
    (int | list[Any], [INF]),
    (dict[str, list[float]] | None, {"k": [INF]}),
    (dict[str, dict[str, Any]], {"k": {"k": INF}}),
    (Union[Any, float], INF),
    (Union[int, Any], INF),
    (Union[float, Any], INF),
]


@pytest.mark.parametrize("without_none", [False, True], ids=["all", "without None"])
@pytest.mark.parametrize(("annotation", "value"), DECLARED, ids=repr)
def test_a_value_is_dumped_as_it_is_declared(
    annotation: Any, value: Any, without_none: bool
) -> None:
    """With exclude_none Pydantic leaves the None of records out where they are declared, and only
    there; infinity stays infinity where a float is declared."""
    contents = {
        "__module__": __name__,
        "__annotations__": {"value": annotation},
        "value": None,
        "model_config": {"arbitrary_types_allowed": True},
    }
    ours = type("Ours", (Event,), dict(contents))(type="x", value=value)
    theirs = type("Theirs", (pydantic.BaseModel,), dict(contents))(value=value)
    for mode in ("python", "json"):
        expected = theirs.model_dump(mode=mode, exclude_none=without_none)["value"]
        assert ours.model_dump(mode=mode, exclude_none=without_none)["value"] == expected
    text = json.loads(theirs.model_dump_json(exclude_none=without_none))["value"]
    assert json.loads(ours.model_dump_json(exclude_none=without_none))["value"] == text


@pytest.mark.parametrize(
    "value",
    [
        collections.OrderedDict(a=[Record(b"k")]),
        collections.Counter(a=2),
        collections.defaultdict(list, a=[Record(b"k")]),
        collections.deque([Record(b"k")], maxlen=3),
        Rows([Record(b"k")]),
        Place(1, Record(b"k")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_kind_of_container_in_python_mode(value: Any) -> None:
    ours, theirs = (
        Event(type="x", metadata={"v": value}).model_dump()["metadata"]["v"],
        dumped(value),
    )
    assert type(ours) is type(theirs)
    assert ours == theirs
    assert getattr(ours, "maxlen", None) == getattr(theirs, "maxlen", None)


def dumped(value: Any) -> Any:
    class Holder(pydantic.BaseModel):
        held: Any

    return Holder(held=value).model_dump()["held"]
