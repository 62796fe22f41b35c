"""S4: what does an event cost to create, beside Pydantic's model and msgspec's struct?"""

import msgspec
from pydantic_creation import SavedModel
from rounds import Question, loop

from onex_events import Event

SOURCE = "s/onex_events/events.py"


class Saved(Event):
    type: str = "saved"
    path: str
    owner: str
    reason: str
    size: int


class SavedStruct(msgspec.Struct):
    """The own fields alone: neither id nor time, and nothing is checked."""

    path: str
    owner: str
    reason: str
    size: int


question = Question("S4", "creating an event with four own fields, id, lineage and time")
call = "make(path=path, owner=owner, reason=reason, size=size)"
values = {"path": SOURCE, "owner": "o", "reason": "edited", "size": 4711}
question.measure(
    {
        "Event": loop(call, make=Saved, **values),
        "pydantic": loop(call, make=SavedModel, **values),
        "msgspec.Struct": loop(call, make=SavedStruct, **values),
        "Event without own fields": loop("make(type=kind)", make=Event, kind="saved"),
    }
)
question.at_least("Pydantic / Event", 40, lambda p, e: p / e, "pydantic", "Event")
question.at_most("Event / msgspec.Struct", 1.1, lambda e, m: e / m, "Event", "msgspec.Struct")
question.answer()
