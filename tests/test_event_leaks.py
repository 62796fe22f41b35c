"""No references are lost by anything that an Event does.

model_json_schema is not here: pydantic's schema generator (2.14) keeps memory at
every call.
"""

import builtins
import copy
import gc
import os
import pickle
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any, Generic, TypeVar
from uuid import uuid4

import pytest

import onex_events
from onex_events import Event, EventPhase, ModifiedEvent, ValidationError

from .leaks import lost, references_are_counted

pytestmark = pytest.mark.usefixtures("small_heap")

T = TypeVar("T")


class Saved(Event):
    type: str = "saved"
    path: str
    size: int = 0
    tags: list[str] = []
    kind: builtins.type = int


class Open(Event):
    model_config = {"extra": "allow"}
    type: str = "open"
    _private: list[int] = []


class Boxed(Event[T], Generic[T]):
    type: str = "boxed"
    value: T


BOXED = Event[int]


def refused(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except (ValidationError, AttributeError, TypeError, ValueError):
        return
    raise AssertionError("not refused")


def define_classes() -> None:
    class Local(Event["Local"]):
        type: str = "local"
        other: Any = None
        values: dict[str, int] = {}

    class Below(Local, extra="forbid"):
        error: str = "e"

    Below(values={"a": "1"}).evolve(other=Local())


def reads() -> None:
    event = ModifiedEvent(parent_id=uuid4(), error="e")
    for name in type(event).model_fields:
        getattr(event, name)
    refused(getattr, event, "nothing")


def assignments() -> None:
    event = Saved(path="p")
    for name in type(event).model_fields:
        setattr(event, name, [event])
        delattr(event, name)
    refused(setattr, event, "nothing", 1)
    refused(delattr, event, "id")
    event._hidden = 1
    event.__class__ = Saved


def copies() -> None:
    event = Open(surprise=[1], metadata={"a": [1]})
    event._private.append(1)
    for again in (copy.copy(event), copy.deepcopy(event), event.model_copy(update={"x": 1}),
                  event.model_copy(deep=True), pickle.loads(pickle.dumps(event)),
                  BOXED(type="x").model_copy(), event.evolve(error="e"),
                  event.to_failed("e"), event.to_completed()):  # fmt: skip
        assert again is not event


def dumps() -> None:
    event = Open(surprise={1, 2}, metadata={"a": (uuid4(), EventPhase.FAILED, [b"x"])})
    event.model_dump()
    event.model_dump(mode="json", exclude={"id", "metadata"})
    event.model_dump(include={"metadata": {"a": {0}}}, exclude_none=True)
    event.model_dump_json(exclude_defaults=True)
    event.model_dump_json(indent=1)
    refused(event.model_dump, mode=1)
    repr(event), str(event), list(event), dict(event.__dict__)
    assert event != Open() and event == event.model_copy()


def cycles() -> None:
    event = Event(type="x")
    event.metadata["self"] = event
    event.context = event.metadata
    repr(event)
    try:
        event.model_dump()
    except RecursionError:
        pass


WAYS = {
    "create": lambda: Saved(path="p", size=3),
    "coerce": lambda: Saved(path="p", size="3", tags=("a",), id=str(uuid4())),
    "reject": lambda: refused(Saved, path=3, size="x", nothing=1),
    "pairs": lambda: refused(Event, type="x", subject_id=uuid4()),
    "positional": lambda: refused(Event, "x"),
    "construct": lambda: Saved.model_construct(size="unchecked"),
    "validate": lambda: Saved.model_validate({"path": "p", "tags": ["a"]}),
    "generic": lambda: Boxed[int](value="3").evolve(value=4),
    "parametrise": lambda: Boxed[dict[str, frozenset[str]]],
    "fields": lambda: (Saved.model_fields, Saved().model_fields if False else None),
    "define": define_classes,
    "reads": reads,
    "assignments": assignments,
    "copies": copies,
    "dumps": dumps,
    "cycles": cycles,
}


@pytest.mark.parametrize("name", WAYS)
def test_no_reference_is_lost(name):
    assert lost(WAYS[name]) < 0.5


@pytest.mark.skipif(
    references_are_counted() or not hasattr(sys, "gettotalrefcount"),
    reason="references are counted above, or not at all by this interpreter",
)
def test_no_reference_is_lost_where_each_one_counts():
    tests = [__file__, str(Path(__file__).with_name("test_validation.py"))]
    chosen = "test_no_reference_is_lost and not each_one_counts"
    alone = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", chosen, *tests],
        capture_output=True,
        text=True,
        env={**os.environ, "ONEX_COUNT_REFERENCES": "1"},
    )
    assert alone.returncode == 0, alone.stdout + alone.stderr


class TestEventsInHistory:
    """The collector passes over those that hold nothing it tracks."""

    def test_plain_events_are_not_visited(self):
        bus = onex_events.EventBus()
        plain, nested = Event(type="plain"), Saved(path="p", tags=["t"])
        for event in (plain, nested):
            bus.emit_sync(event)
        visited = gc.get_referents(bus)
        assert not any(one is plain for one in visited)
        assert any(one is nested for one in visited)
        assert bus.get_history() == [plain, nested]

    def test_an_event_that_closes_a_cycle_later_is_collected(self):
        class Holder(Event):
            type: str = "holder"
            held: Any = None

        bus = onex_events.EventBus()
        event = Holder()
        bus.emit_sync(event)
        gc.collect()
        assert not gc.is_tracked(event)
        event.held = [bus]
        gone = weakref.ref(bus)
        del bus, event
        gc.collect()
        assert gone() is None
