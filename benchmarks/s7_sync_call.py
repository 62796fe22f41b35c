"""S7: what does a decorated sync call cost when somebody listens, all events handled?"""

from decorated import sync_calls
from pydantic_creation import pydantic_creation
from rounds import Question


def main():
    question = Question("S7", "sync call, two factories, linked, one sync subscriber, handled")
    question.measure(
        {
            "onex_events": sync_calls("onex_events"),
            "pydantic creation": pydantic_creation(),
            "reference": sync_calls("onex_events.reference"),
        }
    )
    question.at_most(
        "onex_events, in Pydantic creations",
        0.35,
        lambda call, creation: call / creation,
        "onex_events",
        "pydantic creation",
    )
    question.figure(
        "reference, in Pydantic creations",
        lambda call, creation: call / creation,
        "reference",
        "pydantic creation",
    )
    question.answer()


if __name__ == "__main__":
    main()
