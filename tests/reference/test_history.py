"""The ring of the reference's history and its two indices."""

import pytest

pytest.importorskip("pydantic")

from onex_events.reference import Event
from onex_events.reference.history import History


def test_both_indices_are_bounded_by_the_ring():
    history = History(3)
    parents = [Event(type="parent") for _ in range(10)]
    for parent in parents:
        history.record(Event(type="child", parent_id=parent.id))
    assert len(history) == len(history._by_id) == len(history._by_parent) == 3
    assert history.children(parents[0].id) == []
    assert len(history.children(parents[9].id)) == 1


def test_an_event_changed_afterwards_leaves_nothing_behind():
    history = History(1)
    event = Event(type="x", parent_id=Event(type="p").id)
    history.record(event)
    event.id = event.parent_id = None
    history.record(Event(type="y"))
    assert list(history._by_parent) == []
    assert len(history._by_id) == 1


def test_an_id_recorded_again_finds_the_newer_event():
    history = History(2)
    first = Event(type="first")
    second = Event(type="second", id=first.id)
    for event in (first, second, Event(type="third")):
        history.record(event)
    assert history.find(first.id) is second
