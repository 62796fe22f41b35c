"""S12: what does the background processing of an event without handlers cost?

The events are queued; timed is only their delivery: history and both indices.
"""

import asyncio
import time
from importlib import import_module

from rounds import Question, Timed

CHUNK = 5000


def processing(name: str) -> Timed:
    api = import_module(name)
    bus = api.EventBus(lazy=False)
    parent = api.Event(type="parent").id
    events = [api.Event(type="x", parent_id=parent) for _ in range(CHUNK)]

    async def main(n):
        seconds = 0.0
        await bus.start()
        for begin in range(0, n, CHUNK):
            for event in events[: min(n - begin, CHUNK)]:
                bus.emit(event)
            start = time.perf_counter()
            await bus.flush()
            seconds += time.perf_counter() - start
        return seconds

    return lambda n: asyncio.run(main(n))


def main():
    question = Question("S12", "background processing of an event without handlers")
    question.measure(
        {
            "onex_events": processing("onex_events"),
            "reference": processing("onex_events.reference"),
        }
    )
    question.at_least(
        "reference / onex_events",
        40,
        lambda reference, ours: reference / ours,
        "reference",
        "onex_events",
    )
    question.answer()


if __name__ == "__main__":
    main()
