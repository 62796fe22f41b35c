"""Spec 1 §7: EventBusMonitor."""

import asyncio

import pytest

from .harness import drain, drained, run, until


def handle(event):
    """A handler with a name."""


class TestMetrics:
    def test_keys(self, api, bus):
        assert set(api.EventBusMonitor(bus).get_metrics()) == {
            "uptime_seconds",
            "total_events",
            "events_per_second",
            "queue_size",
            "pending_parents",
            "subscriptions",
            "event_types",
            "handler_performance",
        }

    def test_values_are_the_buses(self, api, bus):
        monitor = api.EventBusMonitor(bus)
        bus.subscribe(handle, api.Event)
        for name in ("a", "b", "a"):
            bus.emit_sync(api.Event(type=name))
        drain(bus)
        metrics = monitor.get_metrics()
        assert metrics["total_events"] == 3
        assert metrics["queue_size"] == 0
        assert metrics["pending_parents"] == 0
        assert metrics["event_types"] == {"a": 2, "b": 1}
        assert metrics["subscriptions"] == bus.get_statistics()["subscriptions"]
        assert metrics["handler_performance"] == bus.get_statistics()["handler_stats"]

    def test_rate_is_events_by_uptime(self, api, bus):
        monitor = api.EventBusMonitor(bus)
        for _ in range(10):
            bus.emit_sync(api.Event(type="x"))
        drain(bus)
        metrics = monitor.get_metrics()
        assert metrics["uptime_seconds"] > 0
        assert metrics["events_per_second"] == pytest.approx(
            10 / metrics["uptime_seconds"], rel=0.5
        )

    def test_uptime_grows(self, api, bus):
        monitor = api.EventBusMonitor(bus)
        first = monitor.get_metrics()["uptime_seconds"]
        second = monitor.get_metrics()["uptime_seconds"]
        assert 0 <= first <= second < 60


class TestHealth:
    def test_healthy(self, api, bus):
        health = api.EventBusMonitor(bus).get_health()
        assert health == {
            "healthy": True,
            "checks": {
                "queue_size": {"value": 0, "threshold": 1000, "healthy": True},
                "pending_parents": {"value": 0, "threshold": 100, "healthy": True},
            },
        }

    def test_long_queue_is_unhealthy(self, api, bus):
        gate = asyncio.Event()

        async def handler(event):
            await gate.wait()

        bus.subscribe(handler, api.Event)

        async def main():
            for _ in range(1200):
                bus.emit_sync(api.Event(type="x"))
            health = api.EventBusMonitor(bus).get_health()
            gate.set()
            await drained(bus)
            return health

        health = run(main())
        assert health["healthy"] is False
        assert health["checks"]["queue_size"]["healthy"] is False
        assert health["checks"]["queue_size"]["value"] > 1000
        assert health["checks"]["pending_parents"]["healthy"] is True
        assert api.EventBusMonitor(bus).get_health()["healthy"] is True

    def test_many_pending_parents_are_unhealthy(self, api, bus):
        async def main():
            gate = asyncio.Event()

            async def child():
                await gate.wait()
                return api.Event(type="child")

            families = [
                asyncio.create_task(bus.emit_with_children(api.Event(type="parent"), [child]))
                for _ in range(120)
            ]
            await until(lambda: bus.get_statistics()["pending_parents"] == 120)
            health = api.EventBusMonitor(bus).get_health()
            gate.set()
            await asyncio.gather(*families)
            return health

        health = run(main())
        assert health["healthy"] is False
        assert health["checks"]["pending_parents"] == {
            "value": 120,
            "threshold": 100,
            "healthy": False,
        }
        assert health["checks"]["queue_size"]["healthy"] is True
