"""Generated annotations and values for the differential test.

An annotation comes with a strategy for values that fit it more or less; a value
that can be used once only (an iterator) is a `Fresh`, made anew for each side.
"""

from __future__ import annotations

import collections
import enum
import math
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypeVar, Union
from uuid import UUID

from hypothesis import strategies as st
from typing_extensions import NotRequired, Required, TypedDict

# ---------------------------------------------------------------- user's classes


class Colour(enum.Enum):
    RED = "red"
    BLUE = 2
    NONE = None
    PAIR = (1, 2)
    LIST = [3]


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 10


class Word(str, enum.Enum):
    A = "a"
    ONE = "1"


class Ratio(float, enum.Enum):
    HALF = 0.5
    TWO = 2.0


class Guess(enum.Enum):
    X = "x"

    @classmethod
    def _missing_(cls, value: object) -> Guess | None:
        return cls.X if value == "ex" else None


class Bits(enum.IntFlag):
    R = 1
    W = 2


class Empty(enum.Enum):
    pass


class Plain:
    def __init__(self, n: int = 0) -> None:
        self.n = n

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.n == other.n

    def __hash__(self) -> int:
        return hash(self.n)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n})"


class Sub(Plain):
    pass


class Str(str):
    pass


class Int(int):
    pass


class Float(float):
    pass


class Bytes(bytes):
    pass


class List(list):
    pass


class Dict(dict):
    pass


class Date(date):
    pass


class DateTime(datetime):
    pass


class Time(time):
    pass


class Delta(timedelta):
    pass


class Dec(Decimal):
    pass


class Uuid(UUID):
    pass


class Index:
    def __index__(self) -> int:
        return 1

    def __repr__(self) -> str:
        return "Index()"


class AsFloat:
    def __float__(self) -> float:
        return 2.0

    def __repr__(self) -> str:
        return "AsFloat()"


class BadFloat:
    def __float__(self) -> float:
        raise ValueError("no float")

    def __repr__(self) -> str:
        return "BadFloat()"


class BadRepr:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


_BAD_REPR = BadRepr()


class Odd(Sequence):
    """A sequence that is no list."""

    def __init__(self, items: Any = ()) -> None:
        self.items = list(items)

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd) and self.items == other.items

    def __repr__(self) -> str:
        return f"Odd({self.items!r})"


class OldIteration:
    """Iterable through __getitem__ only."""

    def __getitem__(self, index: int) -> int:
        if index > 1:
            raise IndexError
        return index

    def __repr__(self) -> str:
        return "OldIteration()"


class BadMapping(Mapping):
    """items() gives no pairs."""

    def __getitem__(self, key: Any) -> Any:
        return 1

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        return iter("a")

    def items(self) -> Any:
        return [1, 2]

    def __repr__(self) -> str:
        return "BadMapping()"


class RaisingMapping(BadMapping):
    def items(self) -> Any:
        raise ValueError("no items")


@dataclass
class Point:
    x: int
    y: float = 0.5
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Slim:
    a: str
    b: Optional[int] = None


@dataclass
class Init:
    a: int
    twice: InitVar[int] = 2
    made: int = field(init=False, default=7)
    only: str = field(kw_only=True, default="k")

    def __post_init__(self, twice: int) -> None:
        self.a *= twice
        if self.a == 26:
            raise ValueError("26 is unlucky")
        assert self.a != 28, "28 too"


@dataclass
class Node:
    value: int
    next: Optional[Node] = None


T = TypeVar("T")
Bound = TypeVar("Bound", bound=int)
Choice = TypeVar("Choice", int, str)


@dataclass
class Box(Generic[T]):
    item: T
    items: list[T] = field(default_factory=list)


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Partial(TypedDict, total=False):
    title: Required[str]
    ratings: list[float]


class Tree(TypedDict, total=False):
    name: str
    children: list[Tree]


class Sequel(Movie):
    part: Annotated[NotRequired[int], "documentation"]


class Shelf(TypedDict, Generic[T], total=False):
    a: T
    items: list[T]


class Closed(TypedDict, closed=True):
    a: int


class Rated(TypedDict, extra_items=int):
    title: str


@dataclass
class Labelled(Point):
    a: int = 4
    only: str = field(kw_only=True, default="k")


class Pair(NamedTuple):
    a: int
    b: str = "b"


class Keyed(NamedTuple, Generic[T]):
    a: T
    b: list[T] = []


Loose = collections.namedtuple("Loose", "x y")

UserId = NewType("UserId", int)


class Fresh:
    """A value that is made for each use."""

    def __init__(self, make: Callable[[], Any], shown: str) -> None:
        self.make = make
        self.shown = shown

    def __repr__(self) -> str:
        return self.shown


def broken(items: list[Any]) -> Iterator[Any]:
    yield from items
    raise RuntimeError("broken off")


def realize(value: Any) -> Any:
    """The value with every `Fresh` in it made; containers without one stay."""
    if isinstance(value, Fresh):
        return value.make()
    if type(value) in (list, tuple):
        items = [realize(v) for v in value]
        same = all(a is b for a, b in zip(items, value, strict=True))
        return value if same else type(value)(items)
    if type(value) is dict:
        made = {k: realize(v) for k, v in value.items()}
        return value if all(made[k] is value[k] for k in value) else made
    return value


# ----------------------------------------------------------------------- values

TIMES = [
    "2020-02-29", "2020-02-29T12:30:15Z", "2020-02-30", "12:30", "12:30:15.5+01:00", "1577836800",
    "1e3", "P1DT2H", "1 day, 2:03:04", "-PT1.5S", "00:00:00", "2020-01-01T00:00:00", "25:00",
]  # fmt: skip

STRINGS = [
    "", " ", "a", "x", "red", "1", "1.0", " 7 ", "1_000", "-0", "+5", "0012", "1e2", "nan", "inf",
    "-Infinity", "true", "FALSE", "yes", "off", "0", "t", "ex", "None", "12345678123456781234567812345678",
    "{12345678-1234-5678-1234-567812345678}", "urn:uuid:12345678-1234-5678-1234-567812345678",
    "12345678-1234-5678-1234-56781234567", "\ud800", "é", "٣", "1.", ".5", "1_", "99" * 60, "a.b", "[key]",
    *TIMES,
]  # fmt: skip

strings = (
    st.sampled_from(STRINGS) | st.text(max_size=5) | st.integers().map(str) | st.floats().map(str)
)
integers = (
    st.integers(-3, 12) | st.integers() | st.sampled_from([2**63, -(2**63) - 1, 10**40, 0, 1])
)
floats = st.floats() | st.sampled_from([0.0, 1.0, -0.0, 2.5, 1e18, 9.3e18, 1e300, 12.0])

odd_values: st.SearchStrategy[Any] = st.sampled_from(
    [
        None, True, False, b"1", b"x", b"\xff", bytearray(b"7"), bytearray(b"\xff"), b"12345678" * 2,
        Decimal("1"), Decimal("2.5"), Decimal("NaN"), Decimal("Infinity"), Decimal("1E+3"), Dec("4"),
        Fraction(3), Fraction(1, 2), 1j, Ellipsis, NotImplemented, Colour.RED, Colour.BLUE, Colour.NONE,
        Level.LOW, Word.A, Word.ONE, Ratio.HALF, Guess.X, Bits.R | Bits.W, Plain(1), Sub(2), Str("s"), Str("1"), Int(5),
        Float(1.0), Bytes(b"b"), Bytes(b"1"), Index(), AsFloat(), BadFloat(), Odd([1, "2"]),
        OldIteration(), BadMapping(), RaisingMapping(), range(3), Dict(a=1), List([1]),
        collections.OrderedDict(x=1), collections.deque([1]), types.MappingProxyType({"title": "m"}),
        collections.UserDict(a="1"), Point(1), Slim("a"), Node(1), Box(1), Pair(1, "2"), Loose(1, 2),
        date(2020, 1, 2), datetime(2020, 1, 2), datetime(2020, 1, 2, 3, 4, tzinfo=UTC),
        DateTime(2020, 1, 2), Date(2020, 1, 2), time(1, 2), Time(1, 2, tzinfo=timezone(timedelta(hours=1))),
        timedelta(1), Delta(seconds=3), UUID(int=5), Uuid(int=6), int, str, bool, Plain, Sub, Colour, list, type,
        len, print, (0, (1, 2), -1), (1, 2, 3), [0, [1], 0], 10**30, "x" * 70,
    ]
)  # fmt: skip

fresh_values: st.SearchStrategy[Any] = st.sampled_from(
    [
        Fresh(lambda: iter([1, 2]), "iter([1, 2])"),
        Fresh(lambda: (c for c in "1a"), "(c for c in '1a')"),
        Fresh(lambda: broken([1]), "broken([1])"),
        Fresh(lambda: broken(["x", "1"]), "broken(['x', '1'])"),
        Fresh(lambda: {"a": 1}.keys(), "{'a': 1}.keys()"),
        Fresh(lambda: {"a": 1}.items(), "{'a': 1}.items()"),
        Fresh(lambda: {"a": "1"}.values(), "{'a': '1'}.values()"),
        Fresh(lambda: map(str, [1]), "map(str, [1])"),
        Fresh(lambda: _BAD_REPR, "BadRepr()"),
    ]
)

times = (
    st.datetimes(timezones=st.just(UTC) | st.none())
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.sampled_from(TIMES)
    | st.floats(-1e13, 1e13)
    | st.integers(-(10**13), 10**13)
)

scalars = strings | integers | floats | odd_values

keys = (
    strings
    | st.integers(0, 3)
    | st.sampled_from(["a", "x", "title", None, 1.5, math.nan, Plain, (1,)])
)

anything: st.SearchStrategy[Any] = st.recursive(
    scalars | times | fresh_values,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=3)
        | st.frozensets(strings | integers, max_size=3)
        | st.sets(strings | integers, max_size=3)
    ),
    max_leaves=5,
)

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | integers | floats | strings.filter(lambda s: "\ud800" not in s),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            strings.filter(lambda s: "\ud800" not in s) | st.sampled_from(["a", "x", "title"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=5,
)


# ------------------------------------------------------------------ annotations

Spec = tuple[Any, st.SearchStrategy[Any]]  # annotation, values near it


def _near(*strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(*strategies)


numbers = integers | floats | strings | st.booleans()
enums = st.sampled_from(
    [Colour.RED, "red", 2, 2.0, None, (1, 2), [3], Level.HIGH, 10, "10", 1.0, Word.A, "a", b"a",
     Str("a"), 0.5, "0.5", Ratio.TWO, "ex", "x", 3, Bits.W, True, Decimal(1)]
)  # fmt: skip
uuids = st.uuids() | st.uuids().map(str) | st.uuids().map(lambda u: u.hex) | strings
records = st.fixed_dictionaries(
    {},
    optional={
        "x": numbers, "y": numbers, "tags": st.lists(strings, max_size=2), "a": numbers,
        "b": scalars, "twice": integers, "made": integers, "only": strings, "value": numbers,
        "title": strings, "year": numbers, "ratings": st.lists(numbers, max_size=2),
        "item": scalars, "items": st.lists(scalars, max_size=2), "extra": integers,
    },
)  # fmt: skip
movies = st.fixed_dictionaries({"title": strings}, optional={"year": numbers, 3: integers})
nodes = st.recursive(
    st.fixed_dictionaries({"value": numbers}),
    lambda inner: st.fixed_dictionaries({"value": numbers, "next": inner | st.none()}),
    max_leaves=3,
)
trees = st.recursive(
    st.fixed_dictionaries({}, optional={"name": strings}),
    lambda inner: st.fixed_dictionaries({"children": st.lists(inner, max_size=2)}),
    max_leaves=4,
)
classes = st.sampled_from([int, bool, str, Plain, Sub, Colour, type, object, "int", 3])

simple: list[Spec] = [
    (Any, anything),
    (object, anything),
    (None, st.none()),
    (bool, numbers | st.sampled_from(["true", "NO", b"1", 1.0, 0.5])),
    (int, numbers),
    (float, numbers),
    (str, strings | odd_values),
    (bytes, strings | odd_values),
    (Decimal, numbers | odd_values),
    (UUID, uuids),
    (datetime, times),
    (date, times),
    (time, times),
    (timedelta, times),
    (Colour, enums),
    (Level, enums),
    (Word, enums),
    (Ratio, enums),
    (Guess, enums),
    (Bits, enums),
    (Empty, enums),
    (Literal["a", "red"], enums),
    (Literal[1, "1", None], enums),
    (Literal[True, 0], st.sampled_from([True, 1, 0, False, 1.0, "a"])),
    (Literal[Colour.RED, b"1", 2], enums),
    (Literal[Level.LOW, "a"], enums),
    (Plain, st.sampled_from([Plain(3), Sub(4), Plain])),
    (Sub, st.sampled_from([Plain(3), Sub(4), Plain])),
    (type, classes),
    (type[int], classes),
    (type[Plain], classes),
    (type[Any], classes),
    (type[Union[int, str]], classes),
    (type[T], classes),
    (type[Bound], classes),
    (list, st.lists(scalars, max_size=2)),
    (dict, st.dictionaries(keys, scalars, max_size=2)),
    (tuple, st.lists(scalars, max_size=2).map(tuple)),
    (set, st.sets(integers, max_size=2)),
    (frozenset, st.frozensets(integers, max_size=2)),
    (typing.List, st.lists(scalars, max_size=2)),
    (typing.Dict, st.dictionaries(keys, scalars, max_size=2)),
    (typing.Tuple, st.lists(scalars, max_size=2).map(tuple)),
    (typing.Type, classes),
    (Sequence, st.lists(scalars, max_size=2) | strings),
    (Mapping, st.dictionaries(keys, scalars, max_size=2)),
    (tuple[()], st.just(()) | st.just([1])),
    (Callable, st.sampled_from([len, print, int, 3])),
    (Callable[[int], str], st.sampled_from([len, print, int, 3])),
    (Point, records | st.just(Point(3))),
    (Slim, records | st.just(Slim("a"))),
    (Init, records | st.sampled_from([{"a": 13}, {"a": 14}])),
    (Node, nodes),
    (Box[int], records),
    (Box, records),
    (Movie, movies | records),
    (Partial, records),
    (Tree, trees),
    (Pair, records | st.sampled_from([(1,), ("1", 2), [1, "b", 3], Pair(1, "x"), Pair("z", 2), {"a": 1}])),
    (Loose, records | st.sampled_from([(1, 2), [1], {"x": 1, "y": 2}])),
    (Sequel, movies | records),
    (Shelf[int], records),
    (Shelf, records),
    (Closed, records),
    (Rated, movies),
    (Labelled, records),
    (Keyed[int], records | st.just((1, ["2"]))),
    (UserId, numbers),
    (T, scalars),
    (Bound, numbers),
    (Choice, numbers),
    (Annotated[int, "documentation"], numbers),
]  # fmt: skip

if sys.version_info >= (3, 12):
    _names: dict[str, Any] = {}
    exec(  # PEP 695 is no syntax for 3.11
        "type Json = dict[str, Json] | list[Json] | str | int | None\ntype Twice[X] = tuple[X, X]",
        _names,
    )
    simple.append((_names["Json"], json_values))
    simple.append((_names["Twice"][int], st.lists(numbers, min_size=1, max_size=3)))


def _list(spec: Spec) -> Spec:
    return list[spec[0]], st.lists(spec[1], max_size=3)  # type: ignore[name-defined]


def _wrap(inner: st.SearchStrategy[Spec]) -> st.SearchStrategy[Spec]:
    def tuples(specs: list[Spec]) -> Spec:
        near: Any = st.tuples(*(s[1] for s in specs))
        return tuple[tuple(s[0] for s in specs)], near | near.map(list)  # type: ignore[misc]

    def unions(specs: list[Spec]) -> Spec:
        return Union[tuple(s[0] for s in specs)], _near(*(s[1] for s in specs))

    def mappings(made: tuple[Any, Spec, Spec]) -> Spec:
        origin, key, value = made
        hashable = key[1].filter(_is_key) | keys
        return origin[key[0], value[0]], st.dictionaries(hashable, value[1], max_size=3)

    def hashed(made: tuple[Any, Any, Spec]) -> Spec:
        origin, make, spec = made
        near = st.lists(spec[1], max_size=3)
        return origin[spec[0]], near | near.filter(_are_hashable).map(make)

    return st.one_of(
        inner.map(_list),
        inner.map(lambda s: (typing.List[s[0]], st.lists(s[1], max_size=3))),
        inner.map(lambda s: (Optional[s[0]], s[1] | st.none())),
        st.lists(inner, min_size=2, max_size=3).map(unions),
        st.lists(inner, min_size=1, max_size=3).map(tuples),
        inner.map(lambda s: (tuple[s[0], ...], st.lists(s[1], max_size=3).map(tuple))),
        st.tuples(st.sampled_from([dict, typing.Dict, Mapping]), inner, inner).map(mappings),
        st.tuples(st.just(set), st.just(set), inner).map(hashed),
        st.tuples(st.just(frozenset), st.just(frozenset), inner).map(hashed),
        inner.map(
            lambda s: (
                Sequence[s[0]],
                st.lists(s[1], max_size=3)
                | st.lists(s[1], max_size=3).map(tuple)
                | st.lists(s[1], max_size=3).map(Odd),
            )
        ),
        inner.map(lambda s: (Box[s[0]], records)),
    )


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return not isinstance(value, Fresh)


def _is_key(value: Any) -> bool:
    """Hashable, and equal to itself when it is drawn again.

    A NaN's hash is its identity. hypothesis draws again for a key that a dict has already, so
    with NaNs a replay might end earlier than the first run; there is one among `keys`.
    """
    return _is_hashable(value) and not _has_nan(value)


def _has_nan(value: Any) -> bool:
    if isinstance(value, tuple | frozenset):
        return any(map(_has_nan, value))
    return isinstance(value, float | complex | Decimal) and value != value


def _are_hashable(values: list[Any]) -> bool:
    return all(map(_is_hashable, values))


# Unions in which smart mode has something to choose: by fields, by exactness.
_rivals = [
    Point, Slim, Init, Node, Labelled, Box[int], Box[str], Movie, Partial, Tree, Sequel, Shelf[int],
    Closed, Rated, Pair, Loose, Keyed[str], dict[str, Any], dict[str, int], dict, list[int],
    tuple[int, str], tuple[int, ...], set[int], Any, None, int, str, float, bool, bytes, UUID,
    Colour, Word, Literal["a", 1], datetime, Decimal,
]  # fmt: skip
_of_rivals = records | records | movies | nodes | trees | numbers | scalars | enums | times | uuids
unions: st.SearchStrategy[Spec] = st.lists(
    st.sampled_from(_rivals), min_size=2, max_size=4
).flatmap(
    lambda choices: st.sampled_from(
        [
            (Union[tuple(choices)], _of_rivals),
            (list[Union[tuple(choices)]], st.lists(_of_rivals, max_size=3)),
            (
                Union[tuple(list[c] for c in choices if c is not None)],
                st.lists(_of_rivals, max_size=3),
            )
            if any(c is not None for c in choices)
            else (Any, anything),
        ]
    )
)

annotations: st.SearchStrategy[Spec] = st.one_of(
    st.recursive(st.sampled_from(simple), _wrap, max_leaves=4),
    st.recursive(st.sampled_from(simple), _wrap, max_leaves=4),
    unions,
)
