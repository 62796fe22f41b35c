"""A bus's figures and whether they are healthy (spec 1, section 7)."""

import time
from typing import Any

from .bus import EventBus

__all__ = ["EventBusMonitor"]

THRESHOLDS = {"queue_size": 1000, "pending_parents": 100}


class EventBusMonitor:
    """Looks at one bus, from when it was made."""

    def __init__(self, bus: EventBus) -> None:
        if not isinstance(bus, EventBus):
            raise TypeError(f"EventBusMonitor: argument 'bus' is {bus!r}, expected an EventBus")
        self.bus = bus
        self._since = time.monotonic()
        self._before = bus.get_statistics()["total_events"]

    def get_metrics(self) -> dict[str, Any]:
        """Figures of now: seconds, events, events/s since the monitor was made, ms of handlers."""
        statistics = self.bus.get_statistics()
        uptime = time.monotonic() - self._since
        processed = statistics["total_events"] - self._before
        return {
            "uptime_seconds": uptime,
            "total_events": statistics["total_events"],
            "events_per_second": processed / uptime if uptime else 0.0,
            "queue_size": statistics["queue_size"],
            "pending_parents": statistics["pending_parents"],
            "subscriptions": statistics["subscriptions"],
            "event_types": statistics["event_counts"],
            "handler_performance": statistics["handler_stats"],
        }

    def get_health(self) -> dict[str, Any]:
        """``{"healthy", "checks": {name: {"value", "threshold", "healthy"}}}``."""
        statistics = self.bus.get_statistics()
        checks = {
            name: {
                "value": statistics[name],
                "threshold": threshold,
                "healthy": statistics[name] < threshold,
            }
            for name, threshold in THRESHOLDS.items()
        }
        return {"healthy": all(check["healthy"] for check in checks.values()), "checks": checks}
