"""Spec 1 §1: the enums and the stock events."""

import inspect
from uuid import UUID, uuid4

import pytest

PHASES = "pending started progress completing completed failed cancelled timeout".split()


class TestEnums:
    def test_phases(self, api):
        assert [phase.value for phase in api.EventPhase] == PHASES
        assert [phase.name for phase in api.EventPhase] == [name.upper() for name in PHASES]

    def test_phase_is_a_string(self, api):
        assert issubclass(api.EventPhase, str)
        assert api.EventPhase.STARTED == "started"
        assert api.EventPhase("failed") is api.EventPhase.FAILED

    def test_priorities(self, api):
        assert {p.name: p.value for p in api.EventPriority} == {
            "CRITICAL": 1000,
            "HIGH": 100,
            "NORMAL": 10,
            "LOW": 1,
        }

    def test_priority_is_an_int(self, api):
        assert issubclass(api.EventPriority, int)
        assert api.EventPriority.CRITICAL > api.EventPriority.HIGH > 50


# class: type default (None: required), phase, required own fields, own fields with defaults
STOCK = {
    "CreatingEvent": ("creating", "started", {}, {}),
    "CreatedEvent": ("created", "completed", {}, {"created_id": None}),
    "ModifyingEvent": ("modifying", "started", {}, {"fields": []}),
    "ModifiedEvent": (
        "modified",
        "completed",
        {},
        {"fields": [], "old_values": {}, "new_values": {}},
    ),
    "DeletingEvent": ("deleting", "started", {}, {}),
    "DeletedEvent": ("deleted", "completed", {}, {}),
    "ProcessingEvent": ("processing", "started", {"process_name": "p"}, {"input_ids": []}),
    "ProcessedEvent": (
        "processed",
        "completed",
        {"process_name": "p"},
        {"output_ids": [], "result_summary": None},
    ),
    "ValidatingEvent": ("validating", "started", {}, {"validation_type": "schema"}),
    "ValidatedEvent": (
        "validated",
        "completed",
        {"is_valid": True},
        {"validation_type": "schema", "validation_errors": []},
    ),
    "StateTransitionEvent": (
        "state_transition",
        "pending",
        {"from_state": "a", "to_state": "b"},
        {"transition_reason": None},
    ),
    "RelationshipCreatedEvent": (
        "relationship_created",
        "completed",
        {
            "relationship_type": "likes",
            "source_type": int,
            "source_id": uuid4(),
            "target_type": str,
            "target_id": uuid4(),
        },
        {},
    ),
    "RelationshipRemovedEvent": (
        "relationship_removed",
        "completed",
        {
            "relationship_type": "likes",
            "source_type": int,
            "source_id": uuid4(),
            "target_type": str,
            "target_id": uuid4(),
        },
        {},
    ),
    "SystemEvent": (None, "pending", {}, {}),
    "SystemStartupEvent": (
        "system.startup",
        "completed",
        {"version": "1.0"},
        {"configuration": {}},
    ),
    "SystemShutdownEvent": ("system.shutdown", "started", {}, {"reason": "normal"}),
}

by_name = pytest.mark.parametrize("name", STOCK)


def _made(api, name, **more):
    event_type, _, required, _ = STOCK[name]
    given = dict(required)
    if event_type is None:
        given["type"] = "given"
    return getattr(api, name)(**{**given, **more})


@by_name
def test_is_an_event_class(api, name):
    assert inspect.isclass(getattr(api, name))
    assert issubclass(getattr(api, name), api.Event)


@by_name
def test_type_default(api, name):
    assert _made(api, name).type == (STOCK[name][0] or "given")


@by_name
def test_phase_default(api, name):
    assert _made(api, name).phase is api.EventPhase(STOCK[name][1])


@by_name
def test_own_defaults(api, name):
    event = _made(api, name)
    for field, default in STOCK[name][3].items():
        assert getattr(event, field) == default
        assert type(getattr(event, field)) is type(default)


@by_name
def test_own_containers_are_fresh(api, name):
    first, second = _made(api, name), _made(api, name)
    for field, default in STOCK[name][3].items():
        if isinstance(default, (list, dict)):
            assert getattr(first, field) is not getattr(second, field)


@by_name
def test_required_fields(api, name):
    cls = getattr(api, name)
    expected = list(STOCK[name][2]) + (["type"] if STOCK[name][0] is None else [])
    required = [field for field, info in cls.model_fields.items() if info.is_required()]
    assert sorted(required) == sorted(expected)
    if expected:
        with pytest.raises(api.ValidationError) as caught:
            cls()
        assert {error["loc"] for error in caught.value.errors()} == {(f,) for f in expected}


@by_name
def test_own_fields_are_exactly_these(api, name):
    own = set(getattr(api, name).model_fields) - set(api.Event.model_fields)
    assert own == set(STOCK[name][2]) | set(STOCK[name][3])


@by_name
def test_type_and_phase_may_be_overridden(api, name):
    event = _made(api, name, type="other", phase="cancelled")
    assert event.type == "other" and event.phase is api.EventPhase.CANCELLED


@by_name
def test_generic_in_its_subject_unless_a_system_event(api, name):
    cls = getattr(api, name)
    if name.startswith("System"):
        with pytest.raises(TypeError):
            cls[int]
    else:
        event_type = {} if STOCK[name][0] else {"type": "x"}
        event = cls[int](**STOCK[name][2], **event_type)
        assert isinstance(event, cls)
        assert event.type == STOCK[name][0]


def test_system_event_has_no_subject_by_default(api):
    event = api.SystemEvent(type="tick")
    assert event.subject_type is None and event.subject_id is None
    assert issubclass(api.SystemStartupEvent, api.SystemEvent)
    assert issubclass(api.SystemShutdownEvent, api.SystemEvent)


def test_own_fields_are_validated(api):
    assert api.CreatedEvent(created_id="0190163d-8694-739b-aea5-966c26f8ad91").created_id == UUID(
        "0190163d-8694-739b-aea5-966c26f8ad91"
    )
    with pytest.raises(api.ValidationError):
        api.ValidatedEvent(is_valid="perhaps")
    with pytest.raises(api.ValidationError):
        api.ModifiedEvent(fields="name")
    assert api.ValidatedEvent(is_valid="yes").is_valid is True
