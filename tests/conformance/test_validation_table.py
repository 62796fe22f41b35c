"""Spec 1 §1: validation equals Pydantic v2's lax mode. A table made by hand, from its documentation.

The differential test compares generated cases with Pydantic; this one says what is meant.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import (
    Any,
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
from uuid import UUID

import pytest
from typing_extensions import TypedDict


class Colour(enum.Enum):
    RED = "red"
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(str, enum.Enum):
    A = "a"


class Plain:
    pass


class Sub(Plain):
    pass


class Movie(TypedDict):
    title: str
    year: int


class Partial(TypedDict, total=False):
    title: str


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclass
class Box:
    size: int
    tags: List[str]


class _Reject:
    """The expected outcome is an error with this type at this location inside the field."""

    def __init__(self, error, *loc):
        self.error, self.loc = error, loc

    def __repr__(self):
        return f"reject:{self.error}"


R = _Reject
U = UUID("0190163d-8694-739b-aea5-966c26f8ad91")
PLAIN, SUB = Plain(), Sub()
DAY = date(2024, 2, 29)
NOON = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)

TABLE = [
    # Any, None
    (Any, 3, 3),
    (Any, None, None),
    (None, None, None),
    (None, 0, R("none_required")),
    # bool
    (bool, True, True),
    (bool, 1, True),
    (bool, 0.0, False),
    (bool, "yes", True),
    (bool, "OFF", False),
    (bool, "t", True),
    (bool, b"no", False),
    (bool, 2, R("bool_parsing")),
    (bool, "perhaps", R("bool_parsing")),
    (bool, None, R("bool_type")),
    (bool, [], R("bool_type")),
    # int
    (int, 3, 3),
    (int, True, 1),
    (int, 3.0, 3),
    (int, "3", 3),
    (int, " 42 ", 42),
    (int, "1_000", 1000),
    (int, "-7", -7),
    (int, b"12", 12),
    (int, "4.0", 4),
    (int, Decimal("5"), 5),
    (int, 10**40, 10**40),
    (int, Level.HIGH, 2),
    (int, 3.5, R("int_from_float")),
    (int, float("nan"), R("finite_number")),
    (int, float("inf"), R("finite_number")),
    (int, "three", R("int_parsing")),
    (int, "", R("int_parsing")),
    (int, Decimal("5.5"), R("int_from_float")),
    (int, None, R("int_type")),
    (int, [1], R("int_type")),
    # float
    (float, 1.5, 1.5),
    (float, 2, 2.0),
    (float, True, 1.0),
    (float, "2.5", 2.5),
    (float, " 1e3 ", 1000.0),
    (float, b"0.5", 0.5),
    (float, Decimal("1.25"), 1.25),
    (float, "inf", float("inf")),
    (float, "x", R("float_parsing")),
    (float, None, R("float_type")),
    # str
    (str, "a", "a"),
    (str, "", ""),
    (str, b"abc", "abc"),
    (str, bytearray(b"abc"), "abc"),
    (str, b"\xff", R("string_unicode")),
    (str, 3, R("string_type")),
    (str, True, R("string_type")),
    (str, None, R("string_type")),
    # bytes
    (bytes, b"a", b"a"),
    (bytes, "é", "é".encode()),
    (bytes, bytearray(b"x"), b"x"),
    (bytes, 3, R("bytes_type")),
    # Decimal
    (Decimal, Decimal("1.10"), Decimal("1.10")),
    (Decimal, "1.10", Decimal("1.10")),
    (Decimal, 3, Decimal(3)),
    (Decimal, 0.1, Decimal("0.1")),
    (Decimal, "x", R("decimal_parsing")),
    (Decimal, None, R("decimal_type")),
    # UUID
    (UUID, U, U),
    (UUID, str(U), U),
    (UUID, U.hex, U),
    (UUID, "{" + str(U) + "}", U),
    (UUID, f"urn:uuid:{U}", U),
    (UUID, U.bytes, U),
    (UUID, str(U).upper(), U),
    (UUID, str(U)[:-1], R("uuid_parsing")),
    (UUID, 5, R("uuid_type")),
    # datetime
    (datetime, NOON, NOON),
    (datetime, "2024-02-29T12:00:00Z", NOON),
    (datetime, "2024-02-29 12:00:00", datetime(2024, 2, 29, 12, 0)),
    (datetime, "2024-02-29T14:00:00+02:00", NOON),
    (datetime, 0, datetime(1970, 1, 1, tzinfo=UTC)),
    (datetime, 1.5, datetime(1970, 1, 1, 0, 0, 1, 500000, tzinfo=UTC)),
    (datetime, DAY, datetime(2024, 2, 29)),
    (datetime, "2024-02-30T00:00:00", R("datetime_from_date_parsing")),
    (datetime, "soon", R("datetime_from_date_parsing")),
    (datetime, None, R("datetime_type")),
    # date
    (date, DAY, DAY),
    (date, "2024-02-29", DAY),
    (date, datetime(2024, 2, 29), DAY),
    (date, NOON, R("date_from_datetime_inexact")),
    (date, "2024-13-01", R("date_from_datetime_parsing")),
    (date, None, R("date_type")),
    # time
    (time, time(1, 2, 3), time(1, 2, 3)),
    (time, "01:02:03", time(1, 2, 3)),
    (time, "01:02", time(1, 2)),
    (time, 61, time(0, 1, 1, tzinfo=UTC)),
    (time, "25:00", R("time_parsing")),
    (time, None, R("time_type")),
    # timedelta
    (timedelta, timedelta(1), timedelta(1)),
    (timedelta, 90, timedelta(seconds=90)),
    (timedelta, 0.5, timedelta(milliseconds=500)),
    (timedelta, "P1DT2H", timedelta(days=1, hours=2)),
    (timedelta, "-PT1M", timedelta(minutes=-1)),
    (timedelta, "1 day, 02:00:00", timedelta(days=1, hours=2)),
    (timedelta, "x", R("time_delta_parsing")),
    (timedelta, None, R("time_delta_type")),
    # Enum
    (Colour, Colour.RED, Colour.RED),
    (Colour, "red", Colour.RED),
    (Colour, 2, Colour.BLUE),
    (Colour, "RED", R("enum")),
    (Colour, "\ud800", R("string_unicode")),
    (Word, "\ud800", R("string_unicode")),
    (Level, "\ud800", R("enum")),
    (Colour, None, R("enum")),
    (Level, 2, Level.HIGH),
    (Level, "2", Level.HIGH),
    (Level, 3, R("enum")),
    # Literal
    (Literal["a", 1], "a", "a"),
    (Literal["a", 1], 1, 1),
    (Literal["a", 1], "1", R("literal_error")),
    (Literal["a", 1], "\ud800", R("string_unicode")),
    (Literal[1], "\ud800", R("literal_error")),
    (Literal[Colour.RED], Colour.RED, Colour.RED),
    # Optional, Union
    (Optional[int], None, None),
    (Optional[int], "3", 3),
    (Optional[int], "x", R("int_parsing")),
    (int | None, None, None),
    (Union[int, str], "3", "3"),
    (Union[int, str], 3, 3),
    (Union[str, int], 3, 3),
    (Union[int, float], 1.0, 1.0),
    (Union[int, bool], True, True),
    (Union[float, int], "3", 3.0),
    (int | str | None, b"12", 12),
    (Union[int, bytes], [1], R("int_type", "int")),
    # containers
    (list, (1, 2), [1, 2]),
    (List[int], ["1", 2.0], [1, 2]),
    (List[int], (1, "2"), [1, 2]),
    (List[int], {1}, [1]),
    (List[int], iter([1, "2"]), [1, 2]),
    (List[int], {"a": 1}.values(), [1]),
    (List[int], "12", R("list_type")),
    (List[int], {"a": 1}, R("list_type")),
    (List[int], [1, "x", 3, None], R("int_parsing", 1)),
    (Set[int], [1, "1", 2], {1, 2}),
    (Set[int], "12", R("set_type")),
    (FrozenSet[str], ["a", "b"], frozenset({"a", "b"})),
    (Tuple[int, str], ["1", "a"], (1, "a")),
    (Tuple[int, str], (1,), R("missing", 1)),
    (Tuple[int, str], (1, "a", 2), R("too_long")),
    (Tuple[int, ...], ["1", 2], (1, 2)),
    (tuple, [1, "a"], (1, "a")),
    (Tuple[()], (), ()),
    (Dict[str, int], {"a": "1"}, {"a": 1}),
    (Dict[int, str], {"1": "x"}, {1: "x"}),
    (Dict[str, int], {"a": "x"}, R("int_parsing", "a")),
    (Dict[int, int], {"k": 1}, R("int_parsing", "k", "[key]")),
    (Dict[str, int], [("a", 1)], R("dict_type")),
    (dict, {1: 2}, {1: 2}),
    (Sequence[int], [1, "2"], [1, 2]),
    (Sequence[int], (1, "2"), (1, 2)),
    (Sequence[str], "ab", R("sequence_str")),
    (Sequence[int], {1, 2}, R("is_instance_of")),
    (Mapping[str, int], {"a": "1"}, {"a": 1}),
    (List[Dict[str, List[int]]], [{"a": ["1"]}], [{"a": [1]}]),
    (List[Dict[str, List[int]]], [{"a": [1, "x"]}], R("int_parsing", 0, "a", 1)),
    (List[Optional[int]], [None, "1"], [None, 1]),
    # Type
    (type, int, int),
    (type, 3, R("is_type")),
    (Type[Plain], Sub, Sub),
    (Type[Plain], int, R("is_subclass_of")),
    (Type[Any], int, int),
    (Type[Any], 3, R("is_type")),
    # TypedDict
    (Movie, {"title": "t", "year": "1999"}, {"title": "t", "year": 1999}),
    (Movie, {"title": "t"}, R("missing", "year")),
    (Movie, {"title": "t", "year": 1, "more": 2}, {"title": "t", "year": 1}),
    (Partial, {}, {}),
    (Movie, 3, R("dict_type")),
    # NamedTuple
    (Point, Point(1, 2), Point(1, 2)),
    (Point, ("1",), Point(1, 0)),
    (Point, {"x": "1", "y": 2}, Point(1, 2)),
    (Point, ("a",), R("int_parsing", 0)),
    # dataclass
    (Box, {"size": "1", "tags": ["a"]}, Box(1, ["a"])),
    (Box, {"size": "x", "tags": []}, R("int_parsing", "size")),
    (Box, 3, R("dataclass_type")),
]


def _make(api, annotation):
    namespace = {"__annotations__": {"type": str, "value": annotation}, "type": "x"}
    namespace["__module__"] = __name__
    return type(api.Event)("X", (api.Event,), namespace)


def _same(actual, expected):
    assert type(actual) is type(expected)
    assert actual == expected
    if isinstance(expected, (list, tuple)):
        for one, other in zip(actual, expected, strict=True):
            _same(one, other)
    if isinstance(expected, dict):
        for key, value in expected.items():
            _same(actual[key], value)


def _label(case):
    annotation, value, expected = case
    name = getattr(annotation, "__name__", None) or str(annotation).replace("typing.", "")
    if getattr(annotation, "__args__", None):
        name = str(annotation).replace("typing.", "")
    shown = "iterator" if hasattr(value, "__next__") else repr(value)
    return f"{name}<-{shown}".replace(f"{__name__}.", "").replace("\xe9", "e")[:70]


def _is_iterator(value):
    return hasattr(value, "__next__")


@pytest.mark.parametrize(
    ("annotation", "value", "expected"), TABLE, ids=[_label(case) for case in TABLE]
)
def test_value_is_taken_as_pydantic_takes_it(api, annotation, value, expected):
    if _is_iterator(value):
        value = iter([1, "2"])
    cls = _make(api, annotation)
    if isinstance(expected, _Reject):
        with pytest.raises(api.ValidationError) as caught:
            cls(value=value)
        first = caught.value.errors()[0]
        assert first["type"] == expected.error
        assert first["loc"] == ("value", *expected.loc)
    else:
        _same(cls(value=value).value, expected)


class TestIdentity:
    @pytest.mark.parametrize(
        ("annotation", "value"),
        [
            (str, "".join(["a", "bc"])),
            (int, 10**30),
            (float, float("1.5")),
            (bytes, b"".join([b"a", b"b"])),
            (UUID, U),
            (datetime, NOON),
            (date, DAY),
            (Decimal, Decimal("1.5")),
            (Any, [1]),
            (object, [1]),
            (Optional[UUID], U),
            (frozenset, frozenset({1})),
        ],
        ids=str,
    )
    def test_value_of_the_exact_type_is_kept(self, api, annotation, value):
        if annotation is frozenset:
            assert _make(api, annotation)(value=value).value == value
        else:
            assert _make(api, annotation)(value=value).value is value

    @pytest.mark.parametrize(
        ("annotation", "value"),
        [
            (List[int], [1]),
            (list, [1]),
            (Set[int], {1}),
            (Dict[str, int], {"a": 1}),
            (dict, {"a": 1}),
            (Movie, {"title": "t", "year": 1}),
        ],
        ids=str,
    )
    def test_container_is_copied(self, api, annotation, value):
        taken = _make(api, annotation)(value=value).value
        assert taken == value and taken is not value

    @pytest.mark.parametrize("value", [PLAIN, SUB], ids=["instance", "subclass"])
    def test_plain_class_by_isinstance(self, api, user_module, value):
        cls = _plain_holder(api, user_module)
        assert cls(value=value).value is value

    def test_plain_class_rejects_others(self, api, user_module):
        cls = _plain_holder(api, user_module)
        for wrong in (3, Plain, None):
            with pytest.raises(api.ValidationError) as caught:
                cls(value=wrong)
            (error,) = caught.value.errors()
            assert (error["type"], error["loc"]) == ("is_instance_of", ("value",))

    def test_subclass_of_str_is_kept_as_pydantic_does(self, api):
        class Text(str):
            pass

        taken = _make(api, str)(value=Text("a")).value
        assert taken == "a"

    def test_dataclass_instance_is_kept(self, api):
        box = Box(1, ["a"])
        assert _make(api, Box)(value=box).value is box

    def test_enum_member_by_identity(self, api):
        assert _make(api, Colour)(value="red").value is Colour.RED


def _plain_holder(api, user_module):
    return user_module(f"""
        from {__name__} import Plain
        from onex_events import Event

        class X(Event):
            type: str = "x"
            value: Plain
    """).X


class TestEventFields:
    @pytest.fixture
    def cls(self, api):
        class X(api.Event):
            type: str = "x"
            cause: api.Event | None = None
            made: list[api.CreatedEvent] = []

        return X

    def test_event_is_kept(self, api, cls):
        cause = api.CreatedEvent()
        event = cls(cause=cause, made=[cause])
        assert event.cause is cause and event.made[0] is cause

    def test_dict_becomes_an_event(self, api, cls):
        event = cls(cause={"type": "y", "pending_children": "2"}, made=[{}])
        assert type(event.cause) is api.Event and event.cause.pending_children == 2
        assert type(event.made[0]) is api.CreatedEvent

    def test_wrong_class_and_wrong_dict_are_rejected(self, api, cls):
        with pytest.raises(api.ValidationError) as caught:
            cls(cause={"phase": "pending"}, made=[api.Event(type="y")])
        assert [e["loc"] for e in caught.value.errors()] == [("cause", "type"), ("made", 0)]

    def test_nested_event_is_dumped(self, api, cls):
        dumped = cls(cause=api.Event(type="y")).model_dump()
        assert dumped["cause"]["type"] == "y"


class TestErrors:
    def test_all_wrong_items_of_all_wrong_fields_are_listed_in_order(self, api):
        class X(api.Event):
            type: str = "x"
            a: int
            b: List[int]
            c: Dict[str, bool]
            d: str

        with pytest.raises(api.ValidationError) as caught:
            X(a="x", b=["y", 1, "z"], c={"k": "perhaps"})
        assert [error["loc"] for error in caught.value.errors()] == [
            ("a",),
            ("b", 0),
            ("b", 2),
            ("c", "k"),
            ("d",),
        ]
        assert caught.value.error_count() == 5

    def test_error_holds_message_and_input(self, api):
        with pytest.raises(api.ValidationError) as caught:
            _make(api, int)(value="three")
        (error,) = caught.value.errors()
        assert error["input"] == "three"
        assert error["msg"] == (
            "Input should be a valid integer, unable to parse string as an integer"
        )

    def test_text_names_class_field_and_count(self, api):
        class Saved(api.Event):
            type: str = "x"
            size: int

        with pytest.raises(api.ValidationError) as caught:
            Saved(size="x")
        text = str(caught.value)
        assert text.startswith("1 validation error for Saved\nsize\n")
        assert "type=int_parsing" in text

    def test_union_error_names_each_member(self, api):
        with pytest.raises(api.ValidationError) as caught:
            _make(api, Union[int, List[int]])(value=object())
        assert [e["loc"] for e in caught.value.errors()] == [
            ("value", "int"),
            ("value", "list[int]"),
        ]

    def test_exception_of_an_input_object_is_not_swallowed_as_success(self, api):
        class Hostile:
            def __iter__(self):
                raise RuntimeError("no")

        with pytest.raises((api.ValidationError, RuntimeError)):
            _make(api, List[int])(value=Hostile())

    def test_cyclic_list_is_refused_not_crashed_on(self, api):
        cyclic = []
        cyclic.append(cyclic)

        class X(api.Event):
            type: str = "x"
            value: Any = None

        assert X(value=cyclic).value is cyclic
