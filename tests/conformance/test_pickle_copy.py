"""Spec 1 §1: pickle, copy.copy and copy.deepcopy, also of classes in user modules."""

import copy
import pickle
from uuid import UUID, uuid4

import pytest

SOURCE = """
    from typing import Any, ClassVar, Generic, List, Optional, TypeVar
    from onex_events import Event, CreatedEvent, Field

    T = TypeVar("T")

    class Saved(Event):
        type: str = "saved"
        path: str
        tags: List[str] = Field(default_factory=list)

    class Loud(Saved):
        def __init__(self, **data):
            super().__init__(**data)
            self.error = "loud"

    class Open(Event):
        model_config = {"extra": "allow"}
        type: str = "open"

    class Boxed(Event[T], Generic[T]):
        type: str = "boxed"
        value: Any = None

    class Outer:
        class Inner(Event):
            type: str = "inner"
"""

PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


@pytest.fixture
def module(user_module):
    return user_module(SOURCE)


def _events(api, module):
    return {
        "stock": api.CreatedEvent(created_id=uuid4(), metadata={"a": [1]}),
        "user": module.Saved(path="p", tags=["t"]),
        "init": module.Loud(path="p"),
        "extra": module.Open(surprise=[1]),
        "generic": module.Boxed(value={"k": 1}),
        "nested": module.Outer.Inner(error="e"),
    }


NAMES = ["stock", "user", "init", "extra", "generic", "nested"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", NAMES)
def test_pickle_round_trip(api, module, name, protocol):
    event = _events(api, module)[name]
    again = pickle.loads(pickle.dumps(event, protocol))
    assert type(again) is type(event)
    assert again == event
    assert again is not event


@pytest.mark.parametrize("name", NAMES)
def test_copy_is_equal_and_shares_its_containers(api, module, name):
    event = _events(api, module)[name]
    event.metadata["shared"] = []
    again = copy.copy(event)
    assert type(again) is type(event) and again == event and again is not event
    assert again.metadata is event.metadata


@pytest.mark.parametrize("name", NAMES)
def test_deepcopy_is_equal_and_shares_nothing_mutable(api, module, name):
    event = _events(api, module)[name]
    event.metadata["own"] = [[]]
    again = copy.deepcopy(event)
    assert type(again) is type(event) and again == event
    assert again.metadata is not event.metadata
    again.metadata["own"][0].append(1)
    assert event.metadata["own"] == [[]]


@pytest.mark.parametrize("way", ["pickle", "copy", "deepcopy"])
def test_event_that_nobody_has_read_keeps_its_identity(api, way):
    event = api.Event(type="x")
    if way == "pickle":
        again = pickle.loads(pickle.dumps(event))
    else:
        again = getattr(copy, way)(event)
    assert again.id == event.id
    assert again.lineage_id == event.lineage_id
    assert again.timestamp == event.timestamp


def test_deepcopy_keeps_shared_and_cyclic_structure(api):
    event = api.Event(type="x")
    event.metadata["self"] = event
    event.metadata["list"] = shared = []
    event.context = shared
    again = copy.deepcopy(event)
    assert again.metadata["self"] is again
    assert again.metadata["list"] is again.context


def test_pickle_keeps_cyclic_structure(api):
    event = api.Event(type="x")
    event.metadata["self"] = event
    again = pickle.loads(pickle.dumps(event))
    assert again.metadata["self"] is again


def test_unpickling_does_not_validate_and_does_not_call_init(api, module):
    event = module.Loud(path="p")
    event.error = 3
    event.pending_children = "odd"
    again = pickle.loads(pickle.dumps(event))
    assert again.error == 3 and again.pending_children == "odd"


def test_assigned_objects_survive(api):
    event = api.Event(type="x")
    event.id = "not a uuid"
    event.metadata = None
    for again in (
        copy.copy(event),
        copy.deepcopy(event),
        pickle.loads(pickle.dumps(event)),
    ):
        assert again.id == "not a uuid" and again.metadata is None


def test_enum_members_survive(api):
    for member in (*api.EventPhase, *api.EventPriority):
        assert pickle.loads(pickle.dumps(member)) is member


def test_context_ids_survive(api):
    event = api.Event(type="x", context={"request": UUID(int=3)})
    assert pickle.loads(pickle.dumps(event)).context == {"request": UUID(int=3)}
