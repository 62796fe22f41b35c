"""S5: what do reading, evolving and dumping an event cost, beside Pydantic and msgspec?"""

import time
from typing import Any

import msgspec
import pydantic_creation
from rounds import Question, loop

from onex_events import Event, EventPhase


class Saved(Event):
    type: str = "saved"
    path: str
    owner: str
    reason: str
    size: int


class SavedModel(pydantic_creation.SavedModel):
    def evolve(self, **changes: Any) -> "SavedModel":
        values = {name: getattr(self, name) for name in type(self).model_fields}
        del values["id"], values["timestamp"]
        return type(self)(**{**values, **changes})


VALUES = {"path": "s/onex_events/events.py", "owner": "o", "reason": "edited", "size": 4711}
KEPT = 1000


def first_reads(name: str):
    """Seconds for reading an attribute of fresh events, each once, the loop over them
    subtracted."""
    scope: dict[str, Any] = {}
    exec(
        "def read(events):\n    for event in events:\n        event." + name + "\n"
        "def walk(events):\n    for event in events:\n        event\n",
        scope,
    )

    def timed(n: int) -> float:
        spent = 0.0
        for _ in range(max(1, n // KEPT)):
            events = [Saved(**VALUES) for _ in range(KEPT)]
            start = time.perf_counter()
            scope["read"](events)
            middle = time.perf_counter()
            scope["walk"](events)
            spent += (middle - start) - (time.perf_counter() - middle)
        return spent * n / (max(1, n // KEPT) * KEPT)

    return timed


event, model = Saved(**VALUES, metadata={"a": 1}), SavedModel(**VALUES, metadata={"a": 1})
encode = msgspec.json.Encoder().encode
data = event.model_dump()

question = Question("S5", "reading, evolving and dumping an event")
question.measure(
    {
        "empty loop": loop("event", event=event),
        "event.id again": loop("event.id", event=event),
        "model.id": loop("event.id", event=model),
        "event.timestamp again": loop("event.timestamp", event=event),
        "model.timestamp": loop("event.timestamp", event=model),
        "first event.id": first_reads("id"),
        "first event.timestamp": first_reads("timestamp"),
        "event.evolve": loop("event.evolve(phase=phase)", event=event, phase=EventPhase.STARTED),
        "model.evolve": loop("event.evolve(phase=phase)", event=model, phase=EventPhase.STARTED),
        "event.model_dump": loop("event.model_dump()", event=event),
        "model.model_dump": loop("event.model_dump()", event=model),
        "event.model_dump_json": loop("event.model_dump_json()", event=event),
        "model.model_dump_json": loop("event.model_dump_json()", event=model),
        "msgspec.json.encode": loop("encode(data)", encode=encode, data=data),
    }
)
for name in ("id", "timestamp"):
    question.at_most(
        f"{name} again / Pydantic's",
        1.0,
        lambda e, m: e / m,
        f"event.{name} again",
        f"model.{name}",
    )
    question.at_most(f"first {name}, ns", 150, lambda e: e, f"first event.{name}")
for name, bound in (("evolve", 20), ("model_dump", 4), ("model_dump_json", 6)):
    question.at_least(
        f"{name}: Pydantic / Event", bound, lambda m, e: m / e, f"model.{name}", f"event.{name}"
    )
question.at_most(
    "model_dump_json / msgspec.json.encode of the dict",
    1.2,
    lambda e, m: e / m,
    "event.model_dump_json",
    "msgspec.json.encode",
)
question.answer()
