"""S3: what does the decorator change around real work, while nobody listens?"""

from operation import async_loop, loop
from rounds import Question
from shapes import decorator

import onex_events
from onex_events import EventBus
from onex_events.comparison.corpus import read_corpus, standard_library
from onex_events.comparison.pipeline import (
    decorated_pipeline,
    event_classes,
    plain_pipeline,
    real_work,
)


def body(x):
    for _ in range(TURNS):
        pass
    return x


def calibrate(microseconds):
    """How often the body's loop goes round in that time."""
    global TURNS
    TURNS, timed = 200, loop("f(1)", f=body)
    best = min(timed(20) for _ in range(1000)) / 20
    return max(1, round(TURNS * microseconds / 1e6 / best))


TURNS = calibrate(5)


def ratio(plain, decorated):
    return decorated / plain


def main():
    question = Question("S3", "decorated, nobody listens: around 5 µs and around the pipeline")
    sources = sorted(read_corpus(standard_library() / "json").sources, key=lambda s: len(s.text))
    source = sources[len(sources) // 2]
    plain = plain_pipeline(real_work)
    decorated = decorated_pipeline(real_work, onex_events, event_classes(onex_events), EventBus())
    run = "await pipeline(source)"
    # Many short rounds: the interval of the ratio is what counts.
    question.measure(
        {
            "5 µs body": loop("f(1)", f=body),
            "5 µs body, decorated": loop("f(1)", f=decorator("auto")(body)),
            "5 µs body, SiteFunction": loop("f(1)", f=decorator("wrapper")(body)),
        },
        rounds=50 * question.options.rounds,
        seconds=0.001,
    )
    question.measure(
        {
            "pipeline over a file": async_loop(run, pipeline=plain, source=source),
            "pipeline over a file, decorated": async_loop(run, pipeline=decorated, source=source),
        },
        rounds=10 * question.options.rounds,
    )
    for way in ("decorated", "SiteFunction"):
        question.at_most(
            f"around 5 µs, {way}: ratio",
            1.01,
            ratio,
            *("5 µs body", f"5 µs body, {way}"),
            interval=True,
        )
    question.at_most(
        "around the pipeline, ratio",
        1.01,
        ratio,
        "pipeline over a file",
        "pipeline over a file, decorated",
        interval=True,
    )
    question.answer()


if __name__ == "__main__":
    main()
