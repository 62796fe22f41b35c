"""Every type of the core's validators beside every kind of value, as pydantic decides.

The differential test draws the pairs by chance; here each is met in every run.
"""

from __future__ import annotations

import collections
import datetime
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from typing import (
    Any,
    Deque,
    Dict,
    FrozenSet,
    List,
    Literal,
    NamedTuple,
    Optional,
    Set,
    Tuple,
    Type,
    Union,
)

import pytest
from typing_extensions import TypedDict  # pydantic wants it before Python 3.12

from onex_events.annotations import compile_annotation

from .test_differential import adapter, check, outcome


class Colour(Enum):
    RED = "red"
    TWO = 2


class Level(IntEnum):
    LOW = 1


class Word(str, Enum):
    A = "a"


class Point(NamedTuple):
    x: int
    y: float = 0.0


class Settings(TypedDict, total=False):
    name: str
    size: int


@dataclass
class Item:
    key: str
    weight: float = 1.0
    tags: List[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Frozen:
    key: int


class Plain:
    def __repr__(self) -> str:
        return "Plain()"


class Text(str):
    pass


class Raw(bytes):
    pass


class Whole(int):
    pass


class Real(float):
    pass


class Moment(datetime.datetime):
    pass


class Day(datetime.date):
    pass


class Clock(datetime.time):
    pass


class Span(datetime.timedelta):
    pass


class Exact(Decimal):
    pass


class Ident(uuid.UUID):
    pass


class Index:
    def __index__(self) -> int:
        return 7

    def __repr__(self) -> str:
        return "Index()"


class Floaty:
    def __float__(self) -> float:
        return 1.5

    def __repr__(self) -> str:
        return "Floaty()"


class Failing(Mapping[str, Any]):
    """A mapping whose items can't be had."""

    def __getitem__(self, key: str) -> Any:
        raise AttributeError("no item")

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        raise AttributeError("no keys")

    def __repr__(self) -> str:
        return "Failing()"


class Quiet(Mapping[str, Any]):
    def __init__(self, values: dict[str, Any]) -> None:
        self.values_ = values

    def __getitem__(self, key: str) -> Any:
        return self.values_[key]

    def __len__(self) -> int:
        return len(self.values_)

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __repr__(self) -> str:
        return f"Quiet({self.values_})"


def generates() -> Iterable[Any]:
    yield 1
    yield "2"


def breaks() -> Iterable[Any]:
    yield 1
    raise RuntimeError("broken")


ANNOTATIONS: list[Any] = [
    *(bool, int, float, str, bytes, Decimal, uuid.UUID, type(None)),
    *(datetime.datetime, datetime.date, datetime.time, datetime.timedelta),
    *(Colour, Level, Word, Point, Settings, Item, Frozen, Plain),
    *(Literal["a", 1, b"x", None], Literal[Colour.RED, True], Type[int], type, Callable),
    *(Optional[int], Union[int, str], Union[str, int, None], Union[float, Decimal, uuid.UUID]),
    *(Union[List[int], Dict[str, int]], Union[Item, Point, Settings]),
    *(List[int], list, Set[int], set, FrozenSet[str], Sequence[int], Deque[int], Iterable[int]),
    *(Tuple[int, str], Tuple[int, ...], tuple, Tuple[()]),
    *(Dict[str, int], Dict[int, str], dict, Mapping[str, int], Dict[uuid.UUID, List[int]]),
    *(collections.OrderedDict[str, int], collections.defaultdict[str, int]),
    *(List[Optional[Dict[str, Tuple[int, ...]]]], Union[datetime.date, datetime.datetime, str]),
]

UUID_TEXT = "12345678-1234-5678-1234-567812345678"
TEXTS = [
    *("", "a", "red", "1", "0", "-1", "+1", " 7 ", "1_000", "1__0", "0x10", "1.0", "1.5", "00012"),
    *("1e5", "1e400", "nan", "inf", "-Infinity", "true", "OFF", "yes", "t", "9" * 4400, "1,5"),
    *("\u00a05\u2003", "\ud800", "\u0661", "12" * 30, ".5", "5.", "-0", "--1", "+-1", "1.000"),
    *(UUID_TEXT, "{" + UUID_TEXT + "}", "urn:uuid:" + UUID_TEXT, UUID_TEXT.replace("-", "")),
    *(
        "{" + UUID_TEXT,
        "x" * 36,
        "1" * 36,
        "{1}",
        "urn:uuid:1",
        UUID_TEXT[:-1],
        UUID_TEXT + "00",
        "{" + UUID_TEXT[:-1] + "x}",
    ),
    *("{" + "1" * 36 + "}", "urn:uuid:" + "1" * 36, "1" * 50, "1-2-3", "1-2-3-4-5", "ä" * 18),
    *("12345678-1234-5678-123-4567812345678", "1234567-81234-5678-1234-567812345678"),
    *("2024-02-29", "2023-02-29", "2024-13-01", "0000-01-01", "2024-01-02T03:04", "20240102"),
    *("2024-01-02T03:04:05.123456789+01:30", "2024-01-02 03:04:05Z", "2024-01-02T25:00"),
    *("2024-01-02T03:04:05+24:00", "2024-01-02x03:04", "1700000000", "1700000000000", "1.7e9"),
    *(
        "1700000000.123456",
        "-99999999999999",
        "99999999999999999",
        "1704153600",
        "0000-01-01T00:00",
    ),
    *("12:30", "12:30:01.5", "12:60", "24:00", "12:30Z", "12:30+01:00", "1:2", "12:30:00.1234567"),
    *("P1D", "PT1H2M3.5S", "-P1W", "P1Y2M", "P", "PT", "P1X", "PT1D", "1 day", "2 days, 03:04:05"),
    *("-1d 02:00:00", "100:00:00", "1:2:3", "99999999999999 days", "P1.5D", "P1.5DT1.5H", "1 dax"),
]
VALUES: list[Callable[[], Any]] = [
    *((lambda text=text: text) for text in TEXTS),
    *((lambda text=text: text.encode("utf-8", "surrogatepass")) for text in TEXTS),
    *(
        (lambda value=value: value)
        for value in (
            *(None, True, False, 0, 1, 2, -1, 7, 10**18, 10**30, -(10**25), 2**63, -(2**63)),
            *(0.0, 1.0, 1.5, -0.0, 1e300, 2e10, -2e10, 2e11, 86399.5, 86400, 1e-7, 0.1, 1e22),
            *(float("nan"), float("inf"), float("-inf"), 1700000000, 1700000000.5, 253402300800),
            *(Text("a"), Text("1"), Raw(b"x"), Whole(2), Real(1.5), Exact("2"), Decimal("1.50")),
            *(Decimal("NaN"), Decimal("Infinity"), Decimal("1e400"), Fraction(3, 2), Fraction(2)),
            *(Colour.RED, Colour.TWO, Level.LOW, Word.A, Index(), Floaty(), 1j, object, int, Item),
            *(uuid.UUID(UUID_TEXT), Ident(UUID_TEXT), uuid.UUID(UUID_TEXT).bytes, b"x", b"\xff"),
            *(bytearray(b"1"), memoryview(b"1"), Point(1), Item("k"), Frozen(1), Plain(), len),
            *(datetime.datetime(2024, 1, 2), datetime.datetime(2024, 1, 2, 3, tzinfo=datetime.UTC)),
            *(Moment(2024, 1, 2), Day(2024, 1, 2), Clock(1, 2), Span(1), datetime.timedelta(1.5)),
            *(datetime.date(2024, 1, 2), datetime.time(1, 2), datetime.timedelta.max),
            *([], [1, "2"], ["x"], [[1]], [1, 2, 3], (1, "a"), (1, 2.0), (1, "a", "b"), (), {1, 2}),
            *(frozenset("a"), range(3), {}, {"a": 1}, {"a": "x"}, {1: "a"}, {"1": "2"}, {None: 1}),
            *({"x": 1, "y": 2}, {"x": "z"}, {"key": "k"}, {"key": 1, "weight": "2"}, {"name": 3}),
            *({"key": "k", "other": 1}, {"name": "n", "size": "4"}, {b"key": "k"}, {"\ud800": 1}),
            *({UUID_TEXT: ["1"]}, {"x": [1]}, [{"a": [1, "2"]}, None], (0, (1, 2), 5), (1, (2,))),
            *(Failing(), Quiet({"a": 1}), Quiet({"key": "k"}), Quiet({"x": 1})),
            *([("a", 1)], collections.OrderedDict(a=1), collections.deque([1]), "abc", {"a": None}),
            *({"tags": ["a"], "key": "k"}, {"key": "k", "tags": "a"}, {"x": 1, "z": 2}, [1, [2]]),
        )
    ),
    generates,
    breaks,
    *((lambda: {"a": 1}.keys()), (lambda: {"a": 1}.items()), (lambda: {1: 2}.values())),
]


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=lambda one: str(one)[:40])
def test_python_values(annotation: Any) -> None:
    validator, theirs = compile_annotation(annotation), adapter(annotation)
    for make in VALUES:
        check(
            annotation,
            make(),
            outcome(validator.validate, make()),
            outcome(theirs.validate_python, make()),
        )


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=lambda one: str(one)[:40])
def test_json_values(annotation: Any) -> None:
    validator, theirs = compile_annotation(annotation), adapter(annotation)
    for make in VALUES:
        try:
            text = json.dumps(make())
            value = json.loads(text)
        except (TypeError, ValueError):
            continue
        if "\\ud800" in text:
            continue  # pydantic's parser refuses it
        check(
            annotation,
            value,
            outcome(lambda v, take=validator.validate: take(v, True), value),
            outcome(theirs.validate_json, text),
        )
