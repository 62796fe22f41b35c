"""Spec 1 §1: the fields of an Event, its methods, its attributes."""

import json
import time
import types
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Optional, get_args, get_origin
from uuid import UUID, uuid4

import pytest

FIELDS = [
    "id",
    "type",
    "phase",
    "subject_type",
    "subject_id",
    "actor_type",
    "actor_id",
    "context",
    "timestamp",
    "lineage_id",
    "parent_id",
    "root_id",
    "children_ids",
    "pending_children",
    "completed_children",
    "failed_children",
    "metadata",
    "error",
    "duration_ms",
]

SIMPLE_DEFAULTS = {
    "subject_type": None,
    "subject_id": None,
    "actor_type": None,
    "actor_id": None,
    "context": {},
    "parent_id": None,
    "root_id": None,
    "children_ids": [],
    "pending_children": 0,
    "completed_children": 0,
    "failed_children": 0,
    "metadata": {},
    "error": None,
    "duration_ms": None,
}

CONTAINERS = ["context", "children_ids", "metadata"]


def _filled(api, **changes):
    values = {
        "id": uuid4(),
        "type": "filled",
        "phase": api.EventPhase.PROGRESS,
        "subject_type": int,
        "subject_id": uuid4(),
        "actor_type": str,
        "actor_id": uuid4(),
        "context": {"request": uuid4()},
        "timestamp": datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC),
        "lineage_id": uuid4(),
        "parent_id": uuid4(),
        "root_id": uuid4(),
        "children_ids": [uuid4(), uuid4()],
        "pending_children": 1,
        "completed_children": 2,
        "failed_children": 3,
        "metadata": {"deep": {"list": [1, 2]}},
        "error": "no",
        "duration_ms": 1.5,
    }
    return api.Event(**{**values, **changes}), {**values, **changes}


class TestDefaults:
    def test_fields_are_the_contracts_in_its_order(self, api):
        assert list(api.Event.model_fields) == FIELDS

    @pytest.mark.parametrize("field", SIMPLE_DEFAULTS)
    def test_field_has_its_default(self, api, field):
        value = getattr(api.Event(type="x"), field)
        assert value == SIMPLE_DEFAULTS[field]
        assert type(value) is type(SIMPLE_DEFAULTS[field])

    def test_phase_is_pending(self, api):
        assert api.Event(type="x").phase is api.EventPhase.PENDING

    def test_id_is_a_time_ordered_uuid_of_version_7(self, api):
        before = time.time_ns() // 1_000_000
        event_id = api.Event(type="x").id
        after = time.time_ns() // 1_000_000
        assert type(event_id) is UUID
        assert event_id.version == 7
        assert event_id.variant == "specified in RFC 4122"
        assert before - 1 <= event_id.int >> 80 <= after + 1

    def test_ids_ascend_within_a_thread(self, api):
        ids = [api.Event(type="x").id for _ in range(3000)]
        assert all(first < second for first, second in zip(ids, ids[1:], strict=False))

    def test_ids_ascend_when_read_in_reverse_order_of_creation(self, api):
        events = [api.Event(type="x") for _ in range(100)]
        late_reads = [event.id for event in reversed(events)]
        assert late_reads == sorted(late_reads, reverse=True)
        assert len(set(late_reads)) == 100

    def test_lineage_id_is_fresh_and_not_the_id(self, api):
        events = [api.Event(type="x") for _ in range(100)]
        values = {event.lineage_id for event in events} | {event.id for event in events}
        assert len(values) == 200
        assert type(events[0].lineage_id) is UUID

    def test_timestamp_is_now_aware_and_utc(self, api):
        before = datetime.now(UTC)
        event = api.Event(type="x")
        after = datetime.now(UTC)
        assert type(event.timestamp) is datetime
        assert event.timestamp.utcoffset() == timedelta(0)
        assert event.timestamp.tzinfo is UTC
        margin = timedelta(milliseconds=1)
        assert before - margin <= event.timestamp <= after + margin

    def test_timestamp_is_the_time_of_creation_and_not_of_the_first_read(self, api):
        event = api.Event(type="x")
        created_before = datetime.now(UTC)
        while datetime.now(UTC) - created_before < timedelta(milliseconds=2):
            pass
        assert event.timestamp <= created_before + timedelta(milliseconds=1)

    @pytest.mark.parametrize("field", CONTAINERS)
    def test_container_is_fresh_per_event(self, api, field):
        first, second = api.Event(type="x"), api.Event(type="x")
        assert getattr(first, field) is not getattr(second, field)

    def test_type_is_required(self, api):
        with pytest.raises(api.ValidationError) as caught:
            api.Event()
        (error,) = caught.value.errors()
        assert error["type"] == "missing"
        assert error["loc"] == ("type",)

    def test_constructor_is_keyword_only(self, api):
        with pytest.raises(TypeError):
            api.Event("x")


class TestGivenValues:
    @pytest.mark.parametrize("field", FIELDS)
    def test_given_value_is_read_back(self, api, field):
        event, values = _filled(api)
        assert getattr(event, field) == values[field]

    @pytest.mark.parametrize("field", ["id", "timestamp", "lineage_id", "subject_type", "error"])
    def test_given_immutable_value_is_kept(self, api, field):
        event, values = _filled(api)
        assert getattr(event, field) is values[field]

    @pytest.mark.parametrize("field", CONTAINERS)
    def test_given_container_is_copied(self, api, field):
        event, values = _filled(api)
        assert getattr(event, field) == values[field]
        assert getattr(event, field) is not values[field]

    def test_values_inside_given_metadata_are_kept(self, api):
        inner = object()
        assert api.Event(type="x", metadata={"k": inner}).metadata["k"] is inner

    @pytest.mark.parametrize("value", ["progress", "PROGRESS"])
    def test_phase_is_taken_by_member_or_value_only(self, api, value):
        if value == "progress":
            assert api.Event(type="x", phase=value).phase is api.EventPhase.PROGRESS
        else:
            with pytest.raises(api.ValidationError):
                api.Event(type="x", phase=value)

    def test_naive_timestamp_stays_naive(self, api):
        naive = datetime(2024, 1, 1, 1, 2, 3)
        assert api.Event(type="x", timestamp=naive).timestamp is naive

    def test_uuid_is_taken_from_text(self, api):
        text = "0190163d-8694-739b-aea5-966c26f8ad91"
        event = api.Event(type="x", id=text, parent_id=text)
        assert event.id == UUID(text) and event.parent_id == UUID(text)

    @pytest.mark.parametrize(
        "pair", [("subject_type", "subject_id"), ("actor_type", "actor_id")], ids=str
    )
    def test_type_and_id_go_together(self, api, pair):
        type_field, id_field = pair
        for alone in ({type_field: int}, {id_field: uuid4()}):
            with pytest.raises(api.ValidationError) as caught:
                api.Event(type="x", **alone)
            assert caught.value.error_count() == 1
            assert type_field in str(caught.value) or id_field in str(caught.value)
        both = {type_field: int, id_field: uuid4()}
        assert getattr(api.Event(type="x", **both), type_field) is int

    def test_subject_type_must_be_a_class(self, api):
        with pytest.raises(api.ValidationError):
            api.Event(type="x", subject_type="int", subject_id=uuid4())

    def test_unknown_keyword_is_ignored(self, api):
        event = api.Event(type="x", surprise=1)
        assert not hasattr(event, "surprise")
        assert "surprise" not in event.model_dump()

    def test_every_wrong_field_is_listed(self, api):
        with pytest.raises(api.ValidationError) as caught:
            api.Event(phase="nope", pending_children="many", id=1)
        errors = caught.value.errors()
        assert [error["loc"] for error in errors] == [
            ("id",),
            ("type",),
            ("phase",),
            ("pending_children",),
        ]
        assert caught.value.error_count() == 4
        assert {"type", "loc", "msg", "input"} <= set(errors[0])
        assert errors[3]["input"] == "many"

    def test_validation_error_is_a_value_error(self, api):
        assert issubclass(api.ValidationError, ValueError)
        with pytest.raises(ValueError, match="phase"):
            api.Event(type="x", phase=object())

    def test_validation_error_is_caught_as_pydantics(self, api):
        pydantic = pytest.importorskip("pydantic")
        with pytest.raises(pydantic.ValidationError):
            api.Event(type="x", phase=object())


class TestAttributes:
    @pytest.mark.parametrize("field", FIELDS)
    def test_assigned_object_is_read_back_unvalidated(self, api, field):
        event = api.Event(type="x")
        value = object()
        setattr(event, field, value)
        assert getattr(event, field) is value

    @pytest.mark.parametrize("field", FIELDS)
    def test_assigned_none_is_read_back(self, api, field):
        event = api.Event(type="x")
        getattr(event, field)
        setattr(event, field, None)
        assert getattr(event, field) is None

    @pytest.mark.parametrize("field", FIELDS)
    def test_value_is_made_once(self, api, field):
        event = api.Event(type="x")
        assert getattr(event, field) is getattr(event, field)

    def test_container_made_lazily_keeps_what_is_put_in(self, api):
        event = api.Event(type="x")
        event.metadata["k"] = 1
        event.children_ids.append(event.id)
        assert event.metadata == {"k": 1}
        assert event.model_dump()["metadata"] == {"k": 1}
        assert event.children_ids == [event.id]

    def test_assigning_an_unknown_attribute_raises(self, api):
        with pytest.raises((AttributeError, ValueError)):
            api.Event(type="x").surprise = 1

    def test_reading_an_unknown_attribute_raises(self, api):
        with pytest.raises(AttributeError, match="surprise"):
            api.Event(type="x").surprise  # noqa: B018

    def test_inconsistent_subject_may_be_assigned(self, api):
        event = api.Event(type="x")
        event.subject_id = uuid4()
        assert event.subject_type is None


class TestEvolve:
    def test_gives_a_new_event_of_the_same_class_and_lineage(self, api):
        event = api.CreatedEvent(created_id=uuid4())
        evolved = event.evolve(error="e")
        assert type(evolved) is api.CreatedEvent
        assert evolved is not event
        assert evolved.id != event.id and evolved.id.version == 7
        assert evolved.lineage_id == event.lineage_id
        assert evolved.created_id == event.created_id
        assert evolved.error == "e" and event.error is None

    def test_keeps_the_other_fields(self, api):
        event, values = _filled(api)
        evolved = event.evolve(error="other")
        for field in set(FIELDS) - {"id", "timestamp", "error"}:
            assert getattr(evolved, field) == values[field], field

    def test_id_and_lineage_may_be_given(self, api):
        event_id, lineage_id = uuid4(), uuid4()
        evolved = api.Event(type="x").evolve(id=event_id, lineage_id=lineage_id)
        assert (evolved.id, evolved.lineage_id) == (event_id, lineage_id)

    def test_keeps_a_lineage_that_nobody_has_read(self, api):
        event = api.Event(type="x")
        evolved = event.evolve()
        assert evolved.lineage_id == event.lineage_id

    def test_is_validated(self, api):
        with pytest.raises(api.ValidationError) as caught:
            api.Event(type="x").evolve(phase="nope", pending_children="many")
        assert [e["loc"] for e in caught.value.errors()] == [("phase",), ("pending_children",)]

    def test_coerces(self, api):
        evolved = api.Event(type="x").evolve(phase="completed", pending_children="2")
        assert evolved.phase is api.EventPhase.COMPLETED
        assert evolved.pending_children == 2

    def test_checks_subject_and_actor_together(self, api):
        with pytest.raises(api.ValidationError):
            api.Event(type="x").evolve(subject_id=uuid4())

    @pytest.mark.parametrize("field", CONTAINERS)
    def test_does_not_share_a_container(self, api, field):
        event, _ = _filled(api)
        evolved = event.evolve()
        assert getattr(evolved, field) == getattr(event, field)
        assert getattr(evolved, field) is not getattr(event, field)

    def test_to_completed(self, api):
        event = api.Event(type="x", phase=api.EventPhase.STARTED)
        done = event.to_completed(duration_ms=2.5)
        assert done.phase is api.EventPhase.COMPLETED
        assert done.duration_ms == 2.5
        assert done.lineage_id == event.lineage_id and done.id != event.id
        assert event.phase is api.EventPhase.STARTED

    def test_to_failed(self, api):
        event = api.Event(type="x", phase=api.EventPhase.STARTED)
        failed = event.to_failed("boom", duration_ms=1.0)
        assert failed.phase is api.EventPhase.FAILED
        assert failed.error == "boom" and failed.duration_ms == 1.0
        assert failed.lineage_id == event.lineage_id and failed.id != event.id


class TestDump:
    def test_has_every_field_in_order(self, api):
        event, values = _filled(api)
        dumped = event.model_dump()
        assert list(dumped) == FIELDS
        assert dumped == values

    def test_own_fields_come_last(self, api):
        assert list(api.CreatedEvent().model_dump()) == [*FIELDS, "created_id"]

    def test_python_mode_keeps_python_objects(self, api):
        event = api.Event(type="x")
        dumped = event.model_dump()
        assert dumped["id"] is event.id
        assert dumped["phase"] is api.EventPhase.PENDING
        assert type(dumped["timestamp"]) is datetime

    def test_containers_of_a_dump_are_copies(self, api):
        event, _ = _filled(api)
        dumped = event.model_dump()
        dumped["metadata"]["deep"]["list"].append(3)
        dumped["children_ids"].clear()
        assert event.metadata == {"deep": {"list": [1, 2]}}
        assert len(event.children_ids) == 2

    def test_json_mode_is_json_native(self, api):
        event, values = _filled(
            api, subject_type=None, subject_id=None, actor_type=None, actor_id=None
        )
        dumped = event.model_dump(mode="json")
        assert json.loads(json.dumps(dumped)) == dumped
        assert dumped["id"] == str(values["id"])
        assert dumped["phase"] == "progress" and type(dumped["phase"]) is str
        assert dumped["timestamp"] == "2024-02-29T12:30:15.123456Z"
        assert dumped["children_ids"] == [str(child) for child in values["children_ids"]]
        assert dumped["metadata"] == {"deep": {"list": [1, 2]}}

    def test_include_keeps_only_the_named(self, api):
        assert api.Event(type="x", error="e").model_dump(include={"type", "error"}) == {
            "type": "x",
            "error": "e",
        }

    def test_exclude_leaves_out_the_named(self, api):
        dumped = api.Event(type="x").model_dump(exclude={"id", "timestamp"})
        assert list(dumped) == [name for name in FIELDS if name not in ("id", "timestamp")]

    def test_exclude_wins_over_include(self, api):
        event = api.Event(type="x")
        assert event.model_dump(include={"type", "error"}, exclude={"error"}) == {"type": "x"}

    def test_exclude_none_leaves_out_none(self, api):
        dumped = api.Event(type="x", metadata={"k": None}).model_dump(exclude_none=True)
        assert None not in dumped.values()
        assert "error" not in dumped and "parent_id" not in dumped
        assert dumped["children_ids"] == []

    def test_dump_shows_assigned_values(self, api):
        event = api.Event(type="x")
        event.error = "later"
        event.type = "y"
        assert event.model_dump(include={"type", "error"}) == {"type": "y", "error": "later"}

    def test_json_text_says_what_json_mode_says(self, api):
        event, _ = _filled(api, subject_type=None, subject_id=None, actor_type=None, actor_id=None)
        text = event.model_dump_json()
        assert type(text) is str
        assert json.loads(text) == event.model_dump(mode="json")

    def test_json_text_of_an_event_nobody_has_read(self, api):
        event = api.Event(type="x")
        read = json.loads(event.model_dump_json())
        assert read["id"] == str(event.id)
        assert read["lineage_id"] == str(event.lineage_id)
        assert datetime.fromisoformat(read["timestamp"]) == event.timestamp

    def test_json_text_takes_the_options(self, api):
        event = api.Event(type="x", error="e")
        assert json.loads(event.model_dump_json(include={"type", "error"})) == {
            "type": "x",
            "error": "e",
        }
        assert "error" not in json.loads(event.model_dump_json(exclude={"error"}))
        assert "parent_id" not in json.loads(event.model_dump_json(exclude_none=True))

    @pytest.mark.parametrize("text", ['"\\\n\t\x00\x1f', "é ☃ 𝄞", "</script>", "\u2028"])
    def test_json_text_escapes(self, api, text):
        event = api.Event(type=text, metadata={text: text})
        read = json.loads(event.model_dump_json())
        assert read["type"] == text
        assert read["metadata"] == {text: text}

    def test_json_round_trip(self, api):
        event, _ = _filled(api, subject_type=None, subject_id=None, actor_type=None, actor_id=None)
        assert api.Event.model_validate_json(event.model_dump_json()) == event

    def test_python_round_trip(self, api):
        event, _ = _filled(api)
        assert api.Event.model_validate(event.model_dump()) == event


class TestModelCopy:
    def test_is_an_equal_event_of_the_same_class(self, api):
        event = api.CreatedEvent(created_id=uuid4())
        copied = event.model_copy()
        assert type(copied) is api.CreatedEvent
        assert copied is not event and copied == event
        assert copied.id == event.id

    def test_id_and_timestamp_are_the_originals_when_read_later(self, api):
        event = api.Event(type="x")
        copied = event.model_copy()
        assert copied.id == event.id
        assert copied.lineage_id == event.lineage_id
        assert copied.timestamp == event.timestamp

    def test_update_is_not_validated(self, api):
        marker = object()
        copied = api.Event(type="x").model_copy(update={"phase": marker})
        assert copied.phase is marker

    def test_shallow_shares_and_deep_does_not(self, api):
        event = api.Event(type="x", metadata={"k": []})
        assert event.model_copy().metadata is event.metadata
        deep = event.model_copy(deep=True)
        assert deep.metadata == {"k": []}
        assert deep.metadata["k"] is not event.metadata["k"]

    def test_assignment_to_the_copy_leaves_the_original(self, api):
        event = api.Event(type="x")
        event.model_copy().error = "e"
        assert event.error is None


class TestModelValidate:
    def test_from_a_dict(self, api):
        event = api.Event.model_validate({"type": "x", "pending_children": "3"})
        assert event.type == "x" and event.pending_children == 3

    def test_an_event_is_returned_as_it_is(self, api):
        event = api.Event(type="x")
        assert api.Event.model_validate(event) is event

    def test_rejects_a_wrong_object(self, api):
        with pytest.raises(api.ValidationError):
            api.Event.model_validate(3)

    def test_rejects_a_wrong_dict(self, api):
        with pytest.raises(api.ValidationError) as caught:
            api.Event.model_validate({"phase": 1})
        assert [e["loc"] for e in caught.value.errors()] == [("type",), ("phase",)]

    @pytest.mark.parametrize("extra", ["ignore", "allow", "forbid"])
    def test_a_field_of_a_class_takes_a_mapping_by_get(self, api, extra):
        """What it gives for the names of the fields; its items only where others matter."""

        class Keyless(Mapping):
            """Knows its keys in any case."""

            def __getitem__(self, key):
                return {"type": "x", "more": 1}[key.lower()]

            def __iter__(self):
                return iter(["TYPE", "More"])

            def __len__(self):
                return 2

        class Inner(api.Event):
            model_config = {"extra": extra}

        class Outer(api.Event):
            type: str = "outer"
            inner: Inner

        if extra == "forbid":
            with pytest.raises(api.ValidationError) as caught:
                Outer(inner=Keyless())
            assert {e["loc"] for e in caught.value.errors()} == {
                ("inner", "TYPE"),
                ("inner", "More"),
            }
            return
        inner = Outer(inner=Keyless()).inner
        assert inner.type == "x"
        assert (inner.model_extra or {}) == ({"TYPE": "x", "More": 1} if extra == "allow" else {})

    def test_a_mapping_without_items_is_no_input(self, api):
        class Broken(Mapping):
            def __getitem__(self, key):
                raise KeyError(key)

            def __iter__(self):
                return iter("a")

            def __len__(self):
                return 1

            def items(self):
                return [1]

        class Inner(api.Event):
            type: str = "inner"
            model_config = {"extra": "allow"}

        class Outer(api.Event):
            type: str = "outer"
            inner: Inner

        with pytest.raises(api.ValidationError) as caught:
            Outer(inner=Broken())
        (line,) = caught.value.errors()
        assert line["type"] == "mapping_type" and line["loc"] == ("inner",)

    @pytest.mark.parametrize("kind", [str, str.encode], ids=["text", "bytes"])
    def test_from_json(self, api, kind):
        event = api.Event.model_validate_json(kind('{"type": "x", "phase": "failed"}'))
        assert event.type == "x" and event.phase is api.EventPhase.FAILED

    def test_rejects_broken_json(self, api):
        with pytest.raises(api.ValidationError) as caught:
            api.Event.model_validate_json("{nope")
        assert caught.value.errors()[0]["type"] == "json_invalid"

    @pytest.mark.parametrize(("opening", "closing"), ["[]", ('{"a":', "}")])
    def test_json_may_nest_as_deep_as_with_pydantic(self, api, opening, closing):
        def text(depth):
            return f'{{"type":"x","metadata":{{"a":{opening * depth}1{closing * depth}}}}}'

        assert api.Event.model_validate_json(text(198)).type == "x"
        with pytest.raises(api.ValidationError) as caught:
            api.Event.model_validate_json(text(200))
        (line,) = caught.value.errors()
        column = len('{"type":"x","metadata":{"a":') + 199 * len(opening) + 1
        assert line["msg"] == f"Invalid JSON: recursion limit exceeded at line 1 column {column}"

    @pytest.mark.parametrize("cls", [list, dict])
    @pytest.mark.parametrize(
        "way", [lambda e: e.model_dump(mode="json"), lambda e: e.model_dump_json()]
    )
    def test_json_nests_as_deep_as_with_pydantic(self, api, way, cls):
        def nested(depth):
            value = 1
            for _ in range(depth):
                value = [value] if cls is list else {"a": value}
            return api.Event(type="x", metadata={"deep": value})

        way(nested(254))
        with pytest.raises(ValueError, match="Maximum serialization depth exceeded"):
            way(nested(256))

    def test_construct_does_not_validate_and_fills_defaults(self, api):
        event = api.Event.model_construct(type=3, phase="nope")
        assert event.type == 3 and event.phase == "nope"
        assert event.error is None and event.metadata == {}
        assert isinstance(event.id, UUID)
        assert isinstance(event, api.Event)


class TestModelFields:
    def test_required(self, api):
        required = [name for name, field in api.Event.model_fields.items() if field.is_required()]
        assert required == ["type"]

    def test_annotations(self, api):
        fields = api.Event.model_fields
        assert fields["id"].annotation is UUID
        assert fields["type"].annotation is str
        assert fields["error"].annotation == Optional[str]
        assert get_origin(fields["metadata"].annotation) is dict
        assert get_args(fields["metadata"].annotation) == (str, Any)
        assert get_origin(fields["children_ids"].annotation) is list
        assert get_args(fields["children_ids"].annotation) == (UUID,)

    def test_defaults(self, api):
        fields = api.Event.model_fields
        assert fields["pending_children"].default == 0
        assert fields["phase"].default is api.EventPhase.PENDING
        assert fields["error"].default is None

    def test_default_factories(self, api):
        fields = api.Event.model_fields
        assert isinstance(fields["id"].default_factory(), UUID)
        assert fields["error"].default_factory is None

    def test_description(self, api):
        class Described(api.Event):
            note: str = api.Field(description="What happened")

        assert Described.model_fields["note"].description == "What happened"
        assert Described.model_fields["note"].is_required()
        assert Described.model_fields["note"].annotation is str

    @pytest.mark.leaks_elsewhere("of msgspec and pydantic, both keep something for each schema")
    def test_json_schema(self, api):
        schema = api.CreatedEvent.model_json_schema()
        assert schema["type"] == "object"
        assert set(schema["properties"]) == {*FIELDS, "created_id"}
        assert "type" not in schema.get("required", [])
        assert api.Event.model_json_schema()["required"] == ["type"]
        json.dumps(schema)

    def test_json_schema_describes_types_and_defaults(self, api):
        properties = api.Event.model_json_schema()["properties"]
        assert properties["type"]["type"] == "string"
        assert properties["pending_children"]["type"] == "integer"
        assert properties["pending_children"]["default"] == 0
        assert properties["id"]["format"] == "uuid"
        assert properties["timestamp"]["format"] == "date-time"


class TestEquality:
    def test_same_class_and_fields(self, api):
        event, values = _filled(api)
        assert event == api.Event(**values)
        assert not event != api.Event(**values)

    @pytest.mark.parametrize("field", FIELDS)
    def test_a_different_field_differs(self, api, field):
        event, values = _filled(api)
        other = api.Event(**values)
        setattr(other, field, object())
        assert event != other

    def test_a_different_class_differs(self, api):
        class Same(api.Event):
            pass

        _, values = _filled(api)
        assert api.Event(**values) != Same(**values)

    @pytest.mark.parametrize("other", [None, 1, "x", {}])
    def test_another_kind_of_object_differs(self, api, other):
        assert api.Event(type="x") != other

    def test_lazily_made_values_are_compared(self, api):
        event = api.Event(type="x")
        copied = event.model_copy()
        assert copied == event
        assert api.Event(type="x") != api.Event(type="x")


class TestRepr:
    def test_names_class_and_set_fields(self, api):
        text = repr(api.ProcessingEvent(process_name="index", error="e"))
        assert text.startswith("ProcessingEvent(")
        assert "process_name='index'" in text and "error='e'" in text

    def test_shows_a_cyclic_event_without_recursing_for_ever(self, api):
        event = api.Event(type="x")
        event.metadata["self"] = event
        assert "Event" in repr(event)


class TestClass:
    def test_isinstance_and_mro(self, api):
        class One(api.CreatedEvent):
            pass

        class Two(One):
            pass

        event = Two()
        assert isinstance(event, One) and isinstance(event, api.Event)
        assert Two.__mro__[:3] == (Two, One, api.CreatedEvent)
        assert api.Event in Two.__mro__

    def test_abstract_event_is_not_instantiable(self, api):
        class Abstract(api.Event, ABC):
            type: str = "abstract"

            @abstractmethod
            def describe(self): ...

        class Concrete(Abstract):
            def describe(self):
                return "yes"

        with pytest.raises(TypeError, match="abstract"):
            Abstract()
        assert Concrete().describe() == "yes"
        assert isinstance(Concrete(), Abstract)

    def test_plain_mixin(self, api):
        class Mixin:
            def shout(self):
                return self.type.upper()

        class Mixed(Mixin, api.Event):
            type: str = "mixed"

        class MixedLate(api.Event, Mixin):
            type: str = "late"

        assert Mixed().shout() == "MIXED"
        assert MixedLate().shout() == "LATE"

    def test_two_event_bases(self, api):
        class Left(api.Event):
            type: str = "left"
            left: int = 1

        class Right(api.Event):
            type: str = "right"
            right: int = 2

        class Both(Left, Right):
            own: int = 3

        event = Both(right=5)
        assert (event.type, event.left, event.right, event.own) == ("left", 1, 5, 3)
        assert event.model_dump(include={"left", "right", "own"}) == {
            "left": 1,
            "right": 5,
            "own": 3,
        }
        assert isinstance(event, Left) and isinstance(event, Right)

    def test_of_two_event_bases_the_first_has_the_say(self, api):
        """Also in the default that it only inherits, as in Pydantic."""

        class Plain(api.Event):
            type: str = "plain"

        class First(Plain, api.CreatedEvent):
            pass

        class Second(api.CreatedEvent, Plain):
            pass

        assert (First().type, First().phase) == ("plain", api.EventPhase.PENDING)
        assert (Second().type, Second().phase) == ("created", api.EventPhase.COMPLETED)
        assert list(First.model_fields) == list(Second.model_fields)


class TestDefaultsThatCannotBeCopied:
    @pytest.mark.parametrize("wrap", [lambda one: one, lambda one: [[one]]], ids=["bare", "list"])
    def test_it_is_said_where_the_event_is_made(self, api, wrap):
        class Odd(api.Event):
            type: str = "odd"
            value: Any = wrap(types.MappingProxyType({}))

        with pytest.raises(TypeError, match="mappingproxy"):
            Odd()
        assert Odd(value=3).value == 3


class TestIdsOfThreads:
    def test_each_thread_ascends_and_none_repeats(self, api):
        import threading

        made, start = {}, threading.Barrier(4)

        def work(who):
            start.wait(10)
            made[who] = [api.Event(type="x").id for _ in range(500)]

        threads = [threading.Thread(target=work, args=(who,), daemon=True) for who in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        for ids in made.values():
            assert ids == sorted(ids)
        assert len({one for ids in made.values() for one in ids}) == 2000


class TestMemory:
    def test_event_in_a_cycle_is_collected(self, api):
        import gc
        import weakref

        event = api.Event(type="x")
        event.metadata["self"] = event
        gone = weakref.ref(event)
        del event
        gc.collect()
        assert gone() is None

    def test_event_class_is_collected(self, api):
        import gc
        import weakref

        class Temporary(api.Event):
            type: str = "temporary"
            tags: list[int] = []

        Temporary(tags=[1])
        gone = weakref.ref(Temporary)
        del Temporary
        gc.collect()
        assert gone() is None

    def test_events_of_dead_classes_stay_usable(self, api):
        import gc

        def make():
            class Temporary(api.Event):
                type: str = "temporary"
                tags: list[int] = []

            return Temporary(tags=[1])

        event = make()
        gc.collect()
        assert event.tags == [1] and event.evolve(tags=["2"]).tags == [2]


@pytest.mark.core_only(reason="the reference is made of Pydantic")
class TestWithoutPydantic:
    """The core needs no Pydantic; only what the table lacks does."""

    @staticmethod
    def _run(source):
        import subprocess
        import sys
        import textwrap

        program = (
            "import sys\nsys.modules['pydantic'] = None\nsys.modules['pydantic_core'] = None\n"
        )
        return subprocess.run(
            [sys.executable, "-c", program + textwrap.dedent(source)],
            capture_output=True,
            text=True,
            timeout=60,
        )

    def test_events_are_validated_and_dumped(self, api):
        done = self._run("""
            from typing import Dict, List, Optional
            from onex_events import Event, ValidationError

            class Saved(Event):
                type: str = "saved"
                sizes: List[int] = []
                names: Optional[Dict[str, float]] = None

            event = Saved(sizes=["1", 2.0], names={"a": "1.5"})
            print(event.sizes, event.names)
            print(Saved.model_validate_json(event.model_dump_json()) == event)
            try:
                Saved(sizes=["x"], names=3, phase="nope")
            except ValueError as error:
                print(isinstance(error, ValidationError), [e["loc"] for e in error.errors()])
        """)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            "[1, 2] {'a': 1.5}",
            "True",
            "True [('phase',), ('sizes', 0), ('names',)]",
        ]

    def test_what_the_table_lacks_fails_the_class_and_says_so(self, api):
        done = self._run("""
            from onex_events import Event, Field

            try:
                class Saved(Event):
                    type: str = "saved"
                    size: int = Field(default=1, gt=0)
                Saved(size=2)
            except Exception as error:
                print(type(error).__name__, error)
        """)
        assert done.returncode == 0, done.stderr
        assert "pydantic" in done.stdout and "size" in done.stdout

    def test_importing_the_package_does_not_import_pydantic(self, api):
        import subprocess
        import sys

        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import sys, onex_events; onex_events.Event(type='x').model_dump_json();"
                "print([m for m in ('pydantic', 'asyncio', 'logging') if m in sys.modules])",
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout.strip() == "[]", done.stderr


class TestJsonOfAnyValue:
    """What stands in `metadata` becomes what Pydantic makes of it."""

    @staticmethod
    def _values():
        import enum
        from dataclasses import dataclass
        from datetime import date
        from datetime import time as clock_time
        from decimal import Decimal
        from pathlib import Path
        from typing import NamedTuple

        class Colour(enum.Enum):
            RED = "red"
            BLUE = 2

        class Point(NamedTuple):
            x: int
            y: int

        @dataclass
        class Box:
            size: int
            tags: list

        return {
            "uuid": (UUID(int=1), str(UUID(int=1))),
            "datetime": (
                datetime(2024, 1, 2, 3, 4, 5, 600, tzinfo=UTC),
                "2024-01-02T03:04:05.000600Z",
            ),
            "naive": (datetime(2024, 1, 2, 3, 4, 5), "2024-01-02T03:04:05"),
            "date": (date(2024, 1, 2), "2024-01-02"),
            "time": (clock_time(1, 2, 3), "01:02:03"),
            "timedelta": (timedelta(days=1, seconds=2), "P1DT2S"),
            "enum": (Colour.RED, "red"),
            "int enum": (Colour.BLUE, 2),
            "decimal": (Decimal("1.50"), "1.50"),
            "bytes": (b"abc", "abc"),
            "path": (Path("/a/b"), "/a/b"),
            "tuple": ((1, (2, 3)), [1, [2, 3]]),
            "set": ({1}, [1]),
            "frozenset": (frozenset({"a"}), ["a"]),
            "named tuple": (Point(1, 2), [1, 2]),
            "dataclass": (Box(1, ["a"]), {"size": 1, "tags": ["a"]}),
            "int key": ({1: "a"}, {"1": "a"}),
            "uuid key": ({UUID(int=1): 2}, {str(UUID(int=1)): 2}),
            "nested": ({"a": [{"b": (None, True, 1.5)}]}, {"a": [{"b": [None, True, 1.5]}]}),
            "big int": (10**30, 10**30),
            "nan": (float("nan"), None),
            "inf": (float("inf"), None),
        }

    NAMES = (
        "uuid,datetime,naive,date,time,timedelta,enum,int enum,decimal,bytes,path,tuple,set,frozenset,"
        "named tuple,dataclass,int key,uuid key,nested,big int,nan,inf"
    ).split(",")

    @pytest.mark.parametrize("name", NAMES)
    def test_text(self, api, name):
        value, expected = self._values()[name]
        event = api.Event(type="x", metadata={"value": value})
        assert json.loads(event.model_dump_json())["metadata"]["value"] == expected

    @pytest.mark.parametrize("name", [n for n in NAMES if n not in ("nan", "inf")])
    def test_json_mode(self, api, name):
        value, expected = self._values()[name]
        event = api.Event(type="x", metadata={"value": value})
        assert event.model_dump(mode="json")["metadata"]["value"] == expected

    def test_nested_event(self, api):
        inner = api.CreatedEvent(created_id=UUID(int=1))
        event = api.Event(type="x", metadata={"event": inner})
        found = json.loads(event.model_dump_json())["metadata"]["event"]
        assert found["type"] == "created" and found["created_id"] == str(UUID(int=1))

    def test_python_mode_keeps_values(self, api):
        for name, (value, _) in self._values().items():
            if name == "dataclass":  # becomes a dict, as everywhere in a dump
                continue
            kept = api.Event(type="x", metadata={"value": value}).model_dump()["metadata"]["value"]
            assert kept == value or value != value
            assert type(kept) is type(value) or isinstance(kept, (dict, tuple))

    @pytest.mark.parametrize("way", ["model_dump_json", "model_dump"])
    def test_unknown_object_is_an_error_that_names_its_type(self, api, way):
        class Odd:
            pass

        event = api.Event(type="x", metadata={"value": Odd()})
        options = {"mode": "json"} if way == "model_dump" else {}
        with pytest.raises((TypeError, ValueError), match="Odd"):
            getattr(event, way)(**options)

    def test_cycle_is_an_error_and_no_crash(self, api):
        cyclic: dict = {}
        cyclic["self"] = cyclic
        with pytest.raises((ValueError, TypeError, RecursionError)):
            api.Event(type="x", metadata=cyclic).model_dump_json()

    def test_lone_surrogate_is_an_error_and_no_crash(self, api):
        with pytest.raises((ValueError, UnicodeError)):
            api.Event(type="x", metadata={"k": "\ud800"}).model_dump_json()
