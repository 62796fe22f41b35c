"""S7: what does a decorated sync call cost when somebody listens, all events handled?"""

from functools import partial

from decorated import sync_calls
from pydantic_creation import pydantic_creation
from rounds import Question, peers
from spans import SPANS, around_sync

#: Measured last: what they patch stays patched.
CHANGES_PYTHON = ("ddtrace",)


def main():
    question = Question("S7", "sync call, two factories, linked, one sync subscriber, handled")
    made = {name: partial(around_sync, make) for name, make in SPANS.items()}
    others = peers({name: make for name, make in made.items() if name not in CHANGES_PYTHON})
    question.measure(
        {
            "onex_events": sync_calls("onex_events"),
            "pydantic creation": pydantic_creation(),
            **others,
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
    question.figure("reference / onex_events", lambda r, c: r / c, "reference", "onex_events")
    # ddtrace changes the interpreter when it is imported: only now, and beside it once more.
    tracers = peers({name: made[name] for name in CHANGES_PYTHON})

    question.measure({"onex_events beside it": sync_calls("onex_events"), **tracers})
    ours = dict.fromkeys(others, "onex_events") | dict.fromkeys(tracers, "onex_events beside it")
    others |= tracers
    for name in others:
        question.at_least(
            f"{name} / onex_events",
            None,
            lambda o, c: o / c,
            *(name, ours[name]),
        )
    question.missing({name: None for name in SPANS if name not in others})
    question.answer()


if __name__ == "__main__":
    main()
