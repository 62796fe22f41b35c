"""S2: what does a decorated coroutine function cost while nobody listens?"""

import functools

from rounds import Question, async_loop

from onex_events import CreatedEvent, CreatingEvent, emit_events


async def plain(x):
    return x


site = emit_events(
    creating_factory=lambda *a, **k: CreatingEvent(),
    created_factory=lambda *a, **k: CreatedEvent(),
    hook="wrapper",
)(plain)


@functools.wraps(plain)
async def wrapped(*args, **kwargs):
    return await plain(*args, **kwargs)


def main():
    question = Question("S2", "decorated, nobody listens, async: extra cost over `await f()`")
    question.measure(
        {
            "await plain": async_loop("await f(1)", f=plain),
            "await SiteFunction": async_loop("await f(1)", f=site),
            "await Python wrapper": async_loop("await f(1)", f=wrapped),
        }
    )
    question.at_most(
        "extra cost, in plain awaits",
        0.4,
        lambda plain, site: (site - plain) / plain,
        "await plain",
        "await SiteFunction",
    )
    question.figure(
        "extra cost of a Python wrapper, in plain awaits",
        lambda plain, wrapper: (wrapper - plain) / plain,
        "await plain",
        "await Python wrapper",
    )
    question.answer()


if __name__ == "__main__":
    main()
