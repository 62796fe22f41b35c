"""S2: what does a decorated coroutine function cost while nobody listens?

In place (CPython >= 3.12) the instructions decide, as in S1.
"""

import functools
import sys

from operation import Operation, async_loop
from rounds import Question
from shapes import ASYNC, decorator, judge, variants


def operations() -> dict[str, Operation]:
    """What instructions are counted of."""
    return variants(ASYNC, asynchronous=True)


async def plain(x):
    return x


@functools.wraps(plain)
async def wrapped(*args, **kwargs):
    return await plain(*args, **kwargs)


def main():
    question = Question("S2", "decorated, nobody listens, async: extra cost over `await f()`")
    question.measure(
        {
            **(operations() if sys.version_info >= (3, 12) else {}),
            "empty loop": async_loop("pass"),
            "await plain": async_loop("await f(1)", f=plain),
            "await SiteFunction": async_loop("await f(1)", f=decorator("wrapper")(plain)),
            "await Python wrapper": async_loop("await f(1)", f=wrapped),
        }
    )
    judge(question, "s2_nobody_listens_async", ASYNC)
    question.at_most(
        "SiteFunction: extra cost, in plain awaits",
        0.4,
        lambda plain, site: (site - plain) / plain,
        "await plain",
        "await SiteFunction",
    )
    question.figure(
        "a Python wrapper: extra cost, in plain awaits",
        lambda plain, wrapper: (wrapper - plain) / plain,
        "await plain",
        "await Python wrapper",
    )
    question.answer()


if __name__ == "__main__":
    main()
