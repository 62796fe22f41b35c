"""S1: what does a decorated function cost while nobody listens?"""

import functools
import gc
import sys
import tracemalloc

from rounds import Question, loop

from onex_events import CreatedEvent, CreatingEvent, EventBus, emit_events

bus = EventBus()  # one with nobody


def observe(function):
    return emit_events(
        creating_factory=lambda *a, **k: CreatingEvent(),
        created_factory=lambda *a, **k: CreatedEvent(),
        hook="wrapper",
    )(function)


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

    site = observe(plain)
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
    site, wrapped, owner = observe(plain), wrap(plain), Owner()
    question.measure(
        {
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
    question.at_most(
        "extra cost, in plain calls",
        1.5,
        lambda empty, plain, site: (site - plain) / (plain - empty),
        "empty loop",
        "plain call",
        "SiteFunction",
    )
    question.at_most(
        "extra cost, of what a Python wrapper adds",
        0.5 if sys.version_info >= (3, 14) else 0.25,
        lambda plain, site, wrapper: (site - plain) / (wrapper - plain),
        "plain call",
        "SiteFunction",
        "Python wrapper",
    )
    question.figure(
        "extra cost of a method, of what a Python wrapper adds",
        lambda plain, site, wrapper: (site - plain) / (wrapper - plain),
        "plain method",
        "SiteFunction as a method",
        "Python wrapper as a method",
    )
    question.answer()
    extra = allocations(site) - allocations(plain)
    print(f"  bytes allocated beyond the plain call's, 1,000 calls: {extra}, bound 0:", end=" ")
    print("met" if extra <= 0 else "NOT MET")


if __name__ == "__main__":
    main()
