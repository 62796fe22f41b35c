"""A bus's figures and health at a glance: spec 1 section 7."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bus import EventBus

__all__ = ["EventBusMonitor"]

#: Below these a bus is healthy: events waiting, parents whose children are still open.
_THRESHOLDS = {"queue_size": 1000, "pending_parents": 100}


class EventBusMonitor:
    """Reads ``bus.get_statistics()``; costs nothing between two readings.

    The clock of ``uptime_seconds`` and ``events_per_second`` starts when the
    monitor is made.
    """

    def __init__(self, bus: EventBus) -> None:
        if isinstance(bus, type) or not callable(getattr(bus, "get_statistics", None)):
            raise TypeError(f"bus: an EventBus is expected, not {bus!r}")
        self.bus = bus
        self._started = monotonic()
        self._events_before: int = bus.get_statistics()["total_events"]

    def get_metrics(self) -> dict[str, Any]:
        """The figures of now.

        ``uptime_seconds`` (s), ``total_events`` (processed by the bus in all),
        ``events_per_second`` (mean since the monitor was made), ``queue_size``,
        ``pending_parents``, ``subscriptions`` (by kind), ``event_types``
        (type: count), ``handler_performance`` ("module.name": count and ms).
        """
        figures = self.bus.get_statistics()
        uptime = monotonic() - self._started
        seen = figures["total_events"] - self._events_before
        return {
            "uptime_seconds": uptime,
            "total_events": figures["total_events"],
            "events_per_second": seen / uptime if uptime > 0 else 0.0,
            "queue_size": figures["queue_size"],
            "pending_parents": figures["pending_parents"],
            "subscriptions": figures["subscriptions"],
            "event_types": figures["event_counts"],
            "handler_performance": figures["handler_stats"],
        }

    def get_health(self) -> dict[str, Any]:
        """``{"healthy": bool, "checks": {name: {value, threshold, healthy}}}``.

        A check is healthy while its value is below the threshold; the whole
        is while all checks are.
        """
        figures = self.bus.get_statistics()
        checks = {
            name: {
                "value": figures[name],
                "threshold": threshold,
                "healthy": figures[name] < threshold,
            }
            for name, threshold in _THRESHOLDS.items()
        }
        return {"healthy": all(check["healthy"] for check in checks.values()), "checks": checks}
