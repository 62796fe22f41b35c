"""The ids of the reference."""

import pytest

pytest.importorskip("pydantic")

from onex_events.reference import identity


def test_ids_ascend_when_the_clock_goes_back(monkeypatch):
    now = 1_700_000_000_000_000_000
    monkeypatch.setattr(identity.time, "time_ns", lambda: now)
    first = [identity.new_id() for _ in range(100)]
    now -= 5_000_000
    ids = first + [identity.new_id() for _ in range(100)]
    assert ids == sorted(set(ids))


def test_the_tail_running_over_steps_to_the_next_millisecond(monkeypatch):
    monkeypatch.setattr(identity._latest, "tail", (1 << 74) - 1)
    monkeypatch.setattr(identity._latest, "millisecond", 1 << 47)
    made = identity.new_id()
    assert made.int >> 80 == (1 << 47) + 1
    assert made.version == 7
