"""S3: what does the decorator change around real work, while nobody listens?"""

import time

from rounds import Question, async_loop, loop

import onex_events
from onex_events import CreatedEvent, CreatingEvent, EventBus, emit_events
from onex_events.comparison.corpus import read_corpus, standard_library
from onex_events.comparison.pipeline import (
    decorated_pipeline,
    event_classes,
    plain_pipeline,
    real_work,
)


def calibrate(microseconds):
    """How often a loop goes round in that time."""
    count, best = 1000, float("inf")
    for _ in range(50):
        start = time.perf_counter()
        for _ in range(count):
            pass
        best = min(best, time.perf_counter() - start)
    return max(1, round(count * microseconds / 1e6 / best))


TURNS = calibrate(5)


def body(x):
    for _ in range(TURNS):
        pass
    return x


def ratio(plain, decorated):
    return decorated / plain


def main():
    question = Question("S3", "decorated, nobody listens: around 5 µs and around the pipeline")
    site = emit_events(
        creating_factory=lambda *a, **k: CreatingEvent(),
        created_factory=lambda *a, **k: CreatedEvent(),
        hook="wrapper",
    )(body)
    sources = read_corpus(standard_library() / "json").sources
    plain = plain_pipeline(real_work)
    decorated = decorated_pipeline(real_work, onex_events, event_classes(onex_events), EventBus())
    run = "for source in sources:\n    await pipeline(source)"
    question.measure(
        {
            "5 µs body": loop("f(1)", f=body),
            "5 µs body, SiteFunction": loop("f(1)", f=site),
            "pipeline over json/": async_loop(run, pipeline=plain, sources=sources),
            "pipeline over json/, SiteFunction": async_loop(
                run, pipeline=decorated, sources=sources
            ),
        }
    )
    question.at_most(
        "around 5 µs, ratio", 1.01, ratio, "5 µs body", "5 µs body, SiteFunction", interval=True
    )
    question.at_most(
        "around the pipeline, ratio",
        1.01,
        ratio,
        "pipeline over json/",
        "pipeline over json/, SiteFunction",
        interval=True,
    )
    question.answer()


if __name__ == "__main__":
    main()
