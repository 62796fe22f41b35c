"""S6: what does a decorated async call cost when somebody listens, all events handled?"""

from functools import partial

from decorated import async_calls
from pydantic_creation import pydantic_creation
from rounds import Question, peers
from spans import BUSES, SPANS, around_async

#: The target took a ddtrace span for 7.6 Pydantic creations: one that is a trace of its own.
BOUNDS = {
    "OpenTelemetry, batch processor": 12,
    "ddtrace, a trace of its own": 20,
    "abxbus": 1000,
}

#: Measured last: what they patch stays patched.
CHANGES_PYTHON = ("ddtrace",)


def main():
    question = Question("S6", "async call, two factories, linked, one async subscriber, handled")
    made = {name: partial(around_async, make) for name, make in SPANS.items()} | BUSES
    others = peers({name: make for name, make in made.items() if name not in CHANGES_PYTHON})
    question.measure(
        {
            "onex_events": async_calls("onex_events"),
            "pydantic creation": pydantic_creation(),
            **others,
            "reference": async_calls("onex_events.reference"),
        }
    )
    question.at_most(
        "onex_events, in Pydantic creations",
        0.28,
        lambda call, creation: call / creation,
        "onex_events",
        "pydantic creation",
    )
    question.figure("reference / onex_events", lambda r, c: r / c, "reference", "onex_events")
    # ddtrace changes the interpreter when it is imported: only now, and beside it once more.
    tracers = peers({name: made[name] for name in CHANGES_PYTHON})
    if "ddtrace" in tracers:
        tracers["ddtrace, a trace of its own"] = around_async(SPANS["ddtrace"], child=False)
    question.measure({"onex_events beside it": async_calls("onex_events"), **tracers})
    ours = dict.fromkeys(others, "onex_events") | dict.fromkeys(tracers, "onex_events beside it")
    others |= tracers
    for name in others:
        question.figure(
            f"{name}, in Pydantic creations",
            lambda call, creation: call / creation,
            *(name, "pydantic creation"),
        )
    for name in others:
        question.at_least(
            f"{name} / onex_events",
            BOUNDS.get(name),
            lambda o, c: o / c,
            name,
            ours[name],
        )
    question.missing({name: BOUNDS.get(name) for name in SPANS | BUSES if name not in others})
    question.answer()


if __name__ == "__main__":
    main()
