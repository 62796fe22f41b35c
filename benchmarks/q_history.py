"""What does it cost to look into a history of 10,000 events?"""

from importlib import import_module

from operation import loop
from rounds import Question

KEPT = 10_000

QUESTIONS = {
    "by id": "bus.get_event_by_id(id)",
    "children of one": "bus.get_children(parent)",
    "the last hundred": "bus.get_history(limit=100)",
    "of one type": "bus.get_history(event_type=Rare)",
}


def filled(name: str) -> dict[str, object]:
    api = import_module(name)

    class Rare(api.Event):
        type: str = "rare"

    bus = api.EventBus(KEPT, lazy=False)
    parent = api.Event(type="parent").id
    for i in range(KEPT):
        kind = Rare if i % 100 == 0 else api.Event
        event = kind(type="x", parent_id=parent if i % 1000 == 0 else None)
        bus.emit_sync(event)
    return {"bus": bus, "id": bus.get_history()[KEPT // 2].id, "parent": parent, "Rare": Rare}


def main():
    question = Question("history", "looking into a history of 10,000 events")
    buses = {name: filled(name) for name in ("onex_events", "onex_events.reference")}
    question.measure(
        {
            f"{what}, {name}": loop(statement, **names)
            for what, statement in QUESTIONS.items()
            for name, names in buses.items()
        }
    )
    for what in QUESTIONS:
        question.at_least(
            f"{what}: reference / onex_events",
            None,
            lambda theirs, ours: theirs / ours,
            *(f"{what}, onex_events.reference", f"{what}, onex_events"),
        )
    question.answer()


if __name__ == "__main__":
    main()
