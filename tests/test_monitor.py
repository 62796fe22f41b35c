"""EventBusMonitor: the metrics and the health of a bus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from onex_events import Event, EventBus, EventBusMonitor


@pytest.fixture
def bus() -> Iterator[EventBus]:
    bus = EventBus()
    yield bus
    bus.close()


def test_metrics_have_the_keys_of_the_contract(bus):
    assert set(EventBusMonitor(bus).get_metrics()) == {
        "uptime_seconds",
        "total_events",
        "events_per_second",
        "queue_size",
        "pending_parents",
        "subscriptions",
        "event_types",
        "handler_performance",
    }


def test_metrics_tell_what_the_bus_did(bus):
    def handler(event: Any) -> None:
        pass

    bus.subscribe(handler, event_types=Event)
    monitor = EventBusMonitor(bus)
    for _ in range(3):
        bus.emit_sync(Event(type="a"))
    bus.emit_sync(Event(type="b"))
    metrics = monitor.get_metrics()
    assert metrics["total_events"] == 4
    assert metrics["event_types"] == {"a": 3, "b": 1}
    assert metrics["queue_size"] == 0
    assert metrics["subscriptions"]["type_based"] == 1
    (name,) = metrics["handler_performance"]
    assert name.endswith("handler")
    assert metrics["handler_performance"][name]["count"] == 4
    assert metrics["uptime_seconds"] > 0
    assert metrics["events_per_second"] == pytest.approx(4 / metrics["uptime_seconds"])


def test_the_rate_counts_from_the_making_of_the_monitor(bus):
    bus.emit_sync(Event(type="before"))
    metrics = EventBusMonitor(bus).get_metrics()
    assert metrics["total_events"] == 1
    assert metrics["events_per_second"] == 0


def test_an_idle_bus_is_healthy(bus):
    assert EventBusMonitor(bus).get_health() == {
        "healthy": True,
        "checks": {
            "queue_size": {"value": 0, "threshold": 1000, "healthy": True},
            "pending_parents": {"value": 0, "threshold": 100, "healthy": True},
        },
    }


def test_a_thousand_events_in_the_queue_are_not_healthy(bus):
    readings: list[Any] = []
    monitor = EventBusMonitor(bus)

    def fill_and_read(event: Any) -> None:
        if event.type == "first":
            for _ in range(1000):
                bus.emit_sync(Event(type="queued"))
            readings.append(monitor.get_health())

    bus.subscribe(fill_and_read, event_types=Event)
    bus.emit_sync(Event(type="first"))
    (health,) = readings
    assert health["healthy"] is False
    assert health["checks"]["queue_size"]["healthy"] is False
    assert health["checks"]["queue_size"]["value"] >= 1000
    assert health["checks"]["pending_parents"]["healthy"] is True
    assert monitor.get_health()["healthy"] is True


@pytest.mark.parametrize("wrong", [None, "bus", EventBus])
def test_what_is_no_bus_is_refused(wrong):
    with pytest.raises(TypeError, match="bus: an EventBus is expected"):
        EventBusMonitor(wrong)
