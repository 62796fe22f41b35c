"""The bus: what is emitted is what comes back, subscriptions are context managers."""

from typing import Any, reveal_type

from onex_events import Event, EventBus, EventPriority, emit, get_event_bus


class Saved(Event[Any]):
    type: str = "saved"
    name: str


bus = get_event_bus()
reveal_type(bus)  # revealed: onex_events.bus.EventBus
reveal_type(bus.emit_sync(Saved(name="a")))  # revealed: tests.typing.check_bus.Saved


async def main() -> None:
    reveal_type(await bus.emit(Saved(name="a")))  # revealed: tests.typing.check_bus.Saved
    reveal_type(await emit(Saved(name="a")))  # revealed: tests.typing.check_bus.Saved
    async with EventBus(history_size=10) as own:
        reveal_type(own)  # revealed: onex_events.bus.EventBus


def handle(event: Saved) -> None: ...


subscription = bus.subscribe(handle, event_types=Saved, priority=EventPriority.HIGH)
reveal_type(subscription)  # revealed: onex_events._core.Subscription
with subscription as same:
    reveal_type(same)  # revealed: onex_events._core.Subscription
bus.subscribe(3, event_types=Saved)  # error: arg-type
bus.subscribe(handle, event_types=Saved, priorty=1)  # error: call-arg
