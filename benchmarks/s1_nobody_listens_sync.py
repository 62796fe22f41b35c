"""S1: what does a decorated function cost while nobody listens?

In place (CPython >= 3.12) the instructions decide whether it is the undecorated function; times
stand beside them. A SiteFunction (``hook="wrapper"``; always on 3.11) is judged by its time.
"""

import functools
import gc
import sys
import tracemalloc

from operation import Operation, loop
from rounds import Question
from shapes import SYNC, decorator, judge, variants


def operations() -> dict[str, Operation]:
    """What instructions are counted of."""
    return variants(SYNC, asynchronous=False)


def wrap(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def plain(x):
    return x


class Owner:
    def plain(self, x):
        return x

    site = decorator("wrapper")(plain)
    wrapped = wrap(plain)


def allocations(function):
    """How many bytes 1,000 calls leave behind or had at their peak."""
    function(1)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    for _ in range(1000):
        function(1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak - before


def main():
    question = Question("S1", "decorated, nobody listens, sync: extra cost over the plain call")
    site, wrapped, owner = decorator("wrapper")(plain), wrap(plain), Owner()
    question.measure(
        {
            **(operations() if sys.version_info >= (3, 12) else {}),
            "empty loop": loop("pass"),
            "plain call": loop("f(1)", f=plain),
            "SiteFunction": loop("f(1)", f=site),
            "Python wrapper": loop("f(1)", f=wrapped),
            "plain call, keyword": loop("f(x=1)", f=plain),
            "SiteFunction, keyword": loop("f(x=1)", f=site),
            "plain method": loop("o.plain(1)", o=owner),
            "SiteFunction as a method": loop("o.site(1)", o=owner),
            "Python wrapper as a method": loop("o.wrapped(1)", o=owner),
        }
    )
    judge(question, "s1_nobody_listens_sync", SYNC)
    question.at_most(
        "SiteFunction: extra cost, in plain calls",
        1.5,
        lambda empty, plain, site: (site - plain) / (plain - empty),
        "empty loop",
        "plain call",
        "SiteFunction",
    )
    question.at_most(
        "SiteFunction: extra cost, of what a Python wrapper adds",
        0.5 if sys.version_info >= (3, 14) else 0.25,
        lambda plain, site, wrapper: (site - plain) / (wrapper - plain),
        "plain call",
        "SiteFunction",
        "Python wrapper",
    )
    question.figure(
        "SiteFunction: extra cost of a method, of what a Python wrapper adds",
        lambda plain, site, wrapper: (site - plain) / (wrapper - plain),
        "plain method",
        "SiteFunction as a method",
        "Python wrapper as a method",
    )
    for name, function in {"SiteFunction": site, "in place": decorator("auto")(plain)}.items():
        extra = allocations(function) - allocations(plain)
        question.exactly(f"{name}: bytes allocated in 1,000 calls", extra, 0)
    question.answer()


if __name__ == "__main__":
    main()
