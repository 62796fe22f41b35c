"""What does it cost to begin and to end listening, beside 10 to 10,000 decorated functions?

The listener's side pays: timed are ``subscribe`` and ``cancel``, and then one call of each function
(the first that finds nobody listening puts a function decorated in place back).
"""

import time

from operation import Timed
from rounds import Question
from shapes import decorator

from onex_events import Event, EventBus

COUNTS = (10, 100, 1000, 10_000)


def switching(sites: int, part: str) -> Timed:
    bus = EventBus(history_size=0)
    observe = decorator("auto", bus)
    functions = [observe(eval("lambda: None")) for _ in range(sites)]

    def handler(event):
        return None

    def timed(n: int) -> float:
        total = 0.0
        for _ in range(n):
            start = time.perf_counter()
            subscription = bus.subscribe(handler, event_types=Event)
            begun = time.perf_counter()
            subscription.cancel()
            ended = time.perf_counter()
            for function in functions:
                function()
            called = time.perf_counter()
            total += {"on": begun - start, "off": ended - begun, "first calls": called - ended}[
                part
            ]
        return total

    return timed


def main():
    question = Question("switching", "a listener comes and goes beside decorated functions")
    question.measure(
        {
            f"{part}, {count:,} functions": switching(count, part)
            for part in ("on", "off", "first calls")
            for count in COUNTS
        },
        seconds=question.options.seconds / 10,
    )
    for part in ("on", "off", "first calls"):
        question.figure(
            f"{part}: ns for each of 10,000",
            lambda ns: ns / 10_000,
            f"{part}, 10,000 functions",
        )
    question.answer()


if __name__ == "__main__":
    main()
