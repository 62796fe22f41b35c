"""EventSerializer: what the conformance suite does not already state for both implementations."""

from __future__ import annotations

import gc
import json
import math
import typing
import weakref
from dataclasses import dataclass
from datetime import UTC, date, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import PurePosixPath
from typing import Any, Type
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

import onex_events
from onex_events import Event, EventPhase, EventSerializer, Field

STOCK = [
    "Event",
    "CreatingEvent",
    "CreatedEvent",
    "ModifyingEvent",
    "ModifiedEvent",
    "DeletingEvent",
    "DeletedEvent",
    "ProcessingEvent",
    "ProcessedEvent",
    "ValidatingEvent",
    "ValidatedEvent",
    "StateTransitionEvent",
    "RelationshipCreatedEvent",
    "RelationshipRemovedEvent",
    "SystemEvent",
    "SystemStartupEvent",
    "SystemShutdownEvent",
]


class Doc:
    class Part:
        pass


class Colour(Enum):
    RED = "red"
    DEEP = ("deep", 1)


class Level(IntEnum):
    LOW = 1


def round_trip(event: Any, **options: Any) -> Any:
    return EventSerializer.from_json(EventSerializer.to_json(event, **options))


# ---- exactness ----

uuids = st.uuids()
text = st.text()  # lone surrogates are not text to hypothesis; they have a test of their own
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(text, json_values, max_size=3)
classes = st.sampled_from([Doc, Doc.Part, Colour, int, dict, UUID, Event, onex_events.CreatedEvent])
offsets = st.integers(-23 * 60, 23 * 60).map(lambda m: timezone(timedelta(minutes=m)))
times = st.datetimes() | st.datetimes(timezones=st.just(UTC)) | st.datetimes(timezones=offsets)

FIELDS = {
    "id": uuids,
    "type": text,
    "phase": st.sampled_from(EventPhase),
    "context": st.dictionaries(text, uuids, max_size=3),
    "timestamp": times,
    "lineage_id": uuids,
    "parent_id": uuids | st.none(),
    "root_id": uuids | st.none(),
    "children_ids": st.lists(uuids, max_size=3),
    "pending_children": st.integers(0, 2**31),
    "completed_children": st.integers(0, 2**31),
    "failed_children": st.integers(0, 2**31),
    "metadata": objects,
    "error": text | st.none(),
    "duration_ms": st.floats(allow_nan=False) | st.none(),
    "created_id": uuids | st.none(),
    "fields": st.lists(text, max_size=3),
    "old_values": objects,
    "new_values": objects,
    "process_name": text,
    "input_ids": st.lists(uuids, max_size=3),
    "output_ids": st.lists(uuids, max_size=3),
    "result_summary": objects | st.none(),
    "validation_type": text,
    "is_valid": st.booleans(),
    "validation_errors": st.lists(text, max_size=3),
    "from_state": text,
    "to_state": text,
    "transition_reason": text | st.none(),
    "relationship_type": text,
    "source_type": classes,
    "source_id": uuids,
    "target_type": classes,
    "target_id": uuids,
    "version": text,
    "configuration": objects,
    "reason": text,
}


@st.composite
def stock_events(draw: st.DrawFn) -> Any:
    cls = getattr(onex_events, draw(st.sampled_from(STOCK)))
    values = {}
    for name, info in cls.model_fields.items():
        if name in FIELDS and (info.is_required() or draw(st.booleans())):
            values[name] = draw(FIELDS[name])
    for who in ("subject", "actor"):
        if draw(st.booleans()):
            values[f"{who}_type"] = draw(classes)
            values[f"{who}_id"] = draw(uuids)
    return cls(**values)


@given(stock_events())
def test_every_stock_event_comes_back_exactly(event):
    again = round_trip(event)
    assert type(again) is type(event)
    assert again == event


@given(stock_events())
def test_a_dict_is_what_its_json_says(event):
    data = EventSerializer.to_dict(event)
    assert json.loads(EventSerializer.to_json(event)) == data
    assert None not in data.values()


@given(st.dictionaries(text, json_values, max_size=4))
def test_foreign_data_raises_value_errors_only(data):
    try:
        event = EventSerializer.from_dict(data)
    except ValueError:
        return
    assert isinstance(event, Event)


def test_the_strategies_know_every_stock_field():
    missing = {
        name
        for cls in STOCK
        for name in getattr(onex_events, cls).model_fields
        if name not in FIELDS
    }
    assert missing == {"subject_type", "subject_id", "actor_type", "actor_id"}


class Everything(Event):
    type: str = "test.everything"
    day: date
    hour: time
    span: timedelta
    price: Decimal
    raw: bytes
    colour: Colour
    level: Level
    ratio: float
    pair: tuple[UUID, int]
    names: set[str]
    frozen: frozenset[int]
    by_number: dict[int, str]
    kind: Type[Doc.Part] | None
    kinds: list[Type]
    kind_of: dict[str, Type]
    raws: tuple[bytes, ...]
    either: Type | str
    inner: onex_events.CreatedEvent | None
    note: str | None


def everything(**changes: Any) -> Everything:
    values: dict[str, Any] = {
        "day": date(2024, 2, 29),
        "hour": time(1, 2, 3, 4),
        "span": timedelta(days=-3, microseconds=1),
        "price": Decimal("1.10"),
        "raw": b"\xff\x00text",
        "colour": Colour.RED,
        "level": Level.LOW,
        "ratio": math.inf,
        "pair": (uuid4(), 3),
        "names": {"a", "b"},
        "frozen": frozenset({1, 2}),
        "by_number": {1: "one", -2: "minus two"},
        "kind": Doc.Part,
        "kinds": [int, Doc],
        "kind_of": {"doc": Doc},
        "raws": (b"a", b"\xfe"),
        "either": Doc,
        "inner": onex_events.CreatedEvent(
            subject_type=Doc, subject_id=uuid4(), metadata={"deep": [1]}
        ),
        "note": None,
    }
    return Everything(**{**values, **changes})


def test_fields_of_every_kind_come_back_exactly():
    event = everything()
    assert round_trip(event) == event


@given(
    span=st.timedeltas(), raw=st.binary(), price=st.decimals(allow_nan=False, allow_infinity=False)
)
def test_durations_bytes_and_decimals_come_back_exactly(span, raw, price):
    event = everything(span=span, raw=raw, price=price)
    assert round_trip(event) == event


def test_not_a_number_comes_back_as_one():
    assert math.isnan(round_trip(everything(ratio=math.nan)).ratio)


def test_a_required_field_that_is_none_comes_back_as_none():
    data = EventSerializer.to_dict(everything(note=None))
    assert "note" not in data
    assert EventSerializer.from_dict(data).note is None


def test_text_in_a_field_of_classes_or_text_stays_text():
    assert round_trip(everything(either="NoClassAtAll")).either == "NoClassAtAll"


def test_lone_surrogates_come_back():
    event = Event(type="x", metadata={"text": "\ud800"})
    assert round_trip(event) == event


def test_an_event_inside_an_event_keeps_its_own_class():
    class SpecialCreated(onex_events.CreatedEvent):
        size: int = 0

    event = everything(inner=SpecialCreated(size=3))
    again = round_trip(event)
    assert type(again.inner) is SpecialCreated
    assert again == event


def test_a_field_with_an_alias_comes_back():
    class Aliased(Event):
        type: str = "test.aliased"
        from_: str = Field(alias="from")

    event = Aliased(**{"from": "here"})
    data = EventSerializer.to_dict(event)
    assert data["from_"] == "here"
    assert EventSerializer.from_dict(data) == event
    data["from"] = data.pop("from_")
    assert EventSerializer.from_dict(data) == event


# ---- what a dict looks like ----


def test_none_inside_a_value_is_kept():
    event = Event(type="x", metadata={"a": None, "b": [None]})
    assert EventSerializer.to_dict(event)["metadata"] == {"a": None, "b": [None]}


def test_values_of_many_kinds_become_json_native():
    @dataclass
    class Point:
        x: int
        where: UUID

    here = uuid4()
    data = EventSerializer.to_dict(
        Event(
            type="x",
            metadata={
                "path": PurePosixPath("/a/b"),
                "point": Point(1, here),
                "bytes": b"text",
                "deep": Colour.DEEP,
                "inf": -math.inf,
                "level": Level.LOW,
                "span": timedelta(days=1, seconds=2, microseconds=3),
                "keys": dict({1: "a"}.items()).keys(),
            },
        )
    )["metadata"]
    assert data == {
        "path": "/a/b",
        "point": {"x": 1, "where": str(here)},
        "bytes": "text",
        "deep": ["deep", 1],
        "inf": "-Infinity",
        "level": 1,
        "span": "P1DT2.000003S",
        "keys": [1],
    }
    assert type(data["level"]) is int


def test_keys_become_text():
    here = uuid4()
    metadata = {here: 1, Colour.RED: 2, 3: 3, True: 4, None: 5, date(2024, 1, 2): 6}
    event = Event(type="x", metadata={"keys": metadata})
    assert EventSerializer.to_dict(event)["metadata"]["keys"] == {
        str(here): 1,
        "red": 2,
        "3": 3,
        "true": 4,
        "null": 5,
        "2024-01-02": 6,
    }


def test_two_keys_that_are_one_in_json_are_refused():
    event = Event(type="x", metadata={"keys": {1: "a", "1": "b"}})
    with pytest.raises(ValueError, match=r"metadata\['keys'\].*'1'"):
        EventSerializer.to_dict(event)


def test_a_value_without_json_form_is_named_with_its_place():
    event = Event(type="x", metadata={"list": [1, object()]})
    with pytest.raises(TypeError, match=r"Event\.metadata\['list'\]\[1\].*object"):
        EventSerializer.to_dict(event)


def test_a_value_that_contains_itself_is_refused():
    metadata: dict[str, Any] = {}
    metadata["self"] = metadata
    event = Event(type="x")
    event.metadata = metadata
    with pytest.raises(ValueError, match="contains itself"):
        EventSerializer.to_dict(event)


@pytest.mark.parametrize("wrong", [None, {}, "x", Event, object()])
def test_what_is_no_event_is_refused(wrong):
    with pytest.raises(TypeError, match="event: an event is expected"):
        EventSerializer.to_dict(wrong)


def test_fields_beyond_the_class_are_kept_where_it_allows_them():
    class Open(Event):
        model_config = {"extra": "allow"}
        type: str = "test.open"

    event = Open(size=3, where=Doc)
    assert EventSerializer.to_dict(event)["size"] == 3
    again = round_trip(event)
    assert type(again) is Open
    assert again.size == 3
    # By its full name where other classes of the process have the short one.
    assert again.where in ("Doc", f"{__name__}.Doc")


def test_pydantic_events_are_written_too():
    pydantic = pytest.importorskip("pydantic")

    class Foreign(pydantic.BaseModel):
        id: UUID
        type: str = "foreign"
        parent_id: UUID | None = None
        kind: Any = Doc

    event = Foreign(id=uuid4())
    data = EventSerializer.to_dict(event)
    assert data["id"] == str(event.id)
    assert data["type"] == "foreign"
    assert "parent_id" not in data


# ---- which class ----


def test_the_class_is_named_where_type_does_not_say_it():
    named = EventSerializer.to_dict(onex_events.CreatedEvent(type="doc.created"))
    assert named["__class__"].endswith(".CreatedEvent")
    assert "__class__" not in EventSerializer.to_dict(onex_events.CreatedEvent())
    assert "__class__" not in EventSerializer.to_dict(Event(type="test.nobody.brings.this"))


def test_a_plain_event_with_a_stock_type_stays_plain():
    event = Event(type="created")
    assert type(round_trip(event)) is Event


def test_a_subclass_that_inherits_its_type_comes_back_and_leaves_the_base_alone():
    class DocCreated(onex_events.CreatedEvent):
        pages: int = 0

    for event in (DocCreated(pages=3), DocCreated(), onex_events.CreatedEvent()):
        again = round_trip(event)
        assert type(again) is type(event)
        assert again == event


def test_fields_of_a_subclass_without_its_name_are_not_lost_silently():
    class DocCreated(onex_events.CreatedEvent):
        pages: int = 0

    data = EventSerializer.to_dict(DocCreated(pages=3))
    del data["__class__"]
    with pytest.raises(ValueError, match=r"'created' is ambiguous.*'pages'.*DocCreated"):
        EventSerializer.from_dict(data)


def test_a_class_made_again_replaces_the_older_one():
    def make() -> type:
        class Again(Event):
            type: str = "test.again"

        return Again

    older, newer = make(), make()
    assert type(round_trip(newer())) is newer
    assert older is not newer


def test_a_parameter_does_not_change_what_is_written():
    event = onex_events.CreatedEvent[Doc](subject_type=Doc, subject_id=uuid4())
    assert EventSerializer.to_dict(event).keys() == {
        *EventSerializer.to_dict(
            onex_events.CreatedEvent(subject_type=Doc, subject_id=uuid4())
        ).keys()
    }
    assert round_trip(event) == event
    assert round_trip(event, include_class=True) == event


def test_an_unknown_type_with_fields_of_its_own_names_the_known_types():
    with pytest.raises(ValueError, match=r"'never\.defined'.*'pages'.*'created', 'creating'"):
        EventSerializer.from_dict({"type": "never.defined", "pages": 3})


def test_an_unknown_class_of_event_names_the_known_ones():
    with pytest.raises(ValueError, match=r"no Event class 'Nope'.*CreatedEvent"):
        EventSerializer.from_dict({"type": "x", "__class__": "Nope"})


def test_no_class_but_event_classes_can_be_named():
    EventSerializer.register(Doc)
    with pytest.raises(ValueError, match="no Event class 'Doc'"):
        EventSerializer.from_dict({"type": "x", "__class__": "Doc"})


@pytest.mark.parametrize("wrong", [None, "text", [("type", "x")], 3])
def test_what_is_no_dict_is_refused(wrong):
    with pytest.raises(TypeError, match="data: a dict"):
        EventSerializer.from_dict(wrong)


def test_a_key_that_is_no_string_is_refused():
    with pytest.raises(ValueError, match="the key 1 is no string"):
        EventSerializer.from_dict({"type": "x", 1: 2})


def test_a_class_that_names_itself_can_still_die():
    class Node(Event):
        type: str = "test.node"
        below: Node | None = None  # noqa: F821 - this class

    event = Node(below=Node())
    assert round_trip(event) == event
    gone = weakref.ref(Node)
    del Node, event
    gc.collect()
    assert gone() is None


def test_text_that_is_no_json_is_refused():
    with pytest.raises(ValueError):
        EventSerializer.from_json("{")


# ---- classes in fields ----


def test_an_unknown_subject_class_says_how_to_make_it_known():
    data = {"type": "x", "subject_type": "NeverSeen", "subject_id": str(uuid4())}
    with pytest.raises(ValueError, match=r"subject_type: no class 'NeverSeen'.*register"):
        EventSerializer.from_dict(data)


def test_register_makes_a_class_known_and_returns_it():
    @EventSerializer.register
    class Registered:
        pass

    data = {"type": "x", "subject_type": "Registered", "subject_id": str(uuid4())}
    assert EventSerializer.from_dict(data).subject_type is Registered


def test_register_refuses_what_is_no_class():
    with pytest.raises(TypeError, match="cls: a class"):
        EventSerializer.register("Doc")


def test_classes_in_brackets_are_known_however_deep():
    class InBrackets:
        pass

    Event[typing.Optional[list[InBrackets]]]
    data = {"type": "x", "subject_type": "InBrackets", "subject_id": str(uuid4())}
    assert EventSerializer.from_dict(data).subject_type is InBrackets


def test_two_classes_of_one_name_are_told_apart():
    def first() -> type:
        class Twin:
            pass

        return Twin

    def second() -> type:
        class Twin:
            pass

        return Twin

    one, two = first(), second()
    for twin in (one, two):
        EventSerializer.register(twin)
    for twin in (one, two):
        event = Event(type="x", subject_type=twin, subject_id=uuid4())
        assert round_trip(event).subject_type is twin
    data = {"type": "x", "subject_type": "Twin", "subject_id": str(uuid4())}
    with pytest.raises(ValueError, match=r"subject_type: the class 'Twin' is ambiguous"):
        EventSerializer.from_dict(data)


def test_a_dead_class_is_unknown_again():
    class Mortal:
        pass

    data = EventSerializer.to_dict(Event(type="x", subject_type=Mortal, subject_id=uuid4()))
    del Mortal
    gc.collect()
    with pytest.raises(ValueError, match="no class 'Mortal'"):
        EventSerializer.from_dict(data)


def test_dead_classes_leave_nothing_behind():
    from onex_events import known_classes

    for index in range(1000):
        EventSerializer.register(type(f"Passing{index}", (), {}))
        if index % 100 == 99:
            gc.collect()
    assert sum(map(len, known_classes._registry.values())) < 500


def test_names_are_never_looked_up_beyond_classes():
    for name in ("print", "builtins.print", "__import__", "os.system", "builtins.builtins.int", ""):
        data = {"type": "x", "subject_type": name, "subject_id": str(uuid4())}
        with pytest.raises(ValueError, match="subject_type: no class"):
            EventSerializer.from_dict(data)
