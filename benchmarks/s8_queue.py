"""S8: how fast does an event get through the queue to a handler in the background thread?

The handler does nothing; one and four threads emit as fast as they can and wait where the queue
is full. The time ends when the last event is handled.
"""

import queue
import threading
import time

from pydantic_creation import pydantic_creation
from rounds import Question, Timed

from onex_events import Event, EventBus


def from_threads(producers: int, n: int, produce) -> None:
    """Calls ``produce(count)`` in so many threads at once, ``n`` in all."""
    if producers == 1:
        produce(n)
        return
    threads = [
        threading.Thread(target=produce, args=(n * (i + 1) // producers - n * i // producers,))
        for i in range(producers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def onex(producers: int) -> Timed:
    bus = EventBus(history_size=0, overflow_timeout=None)
    handled = [0]

    def handler(event: Event) -> None:
        handled[0] += 1

    bus.subscribe(handler, Event)
    bus.start_background()
    event = Event(type="x")

    def produce(count: int) -> None:
        emit = bus.emit_sync  # queues, and waits where the queue is full
        for _ in range(count):
            emit(event)

    def timed(n: int) -> float:
        before = handled[0]
        start = time.perf_counter()
        from_threads(producers, n, produce)
        bus.flush_sync()
        seconds = time.perf_counter() - start
        assert handled[0] - before == n, "not every event was handled"
        return seconds

    return timed


def simple_queue(producers: int) -> Timed:
    """The standard library's queue in C with a thread that calls the handler: no bus at all."""
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    done = threading.Event()

    def handler(event: Event) -> None:
        return None

    def consume() -> None:
        while True:
            event = waiting.get()
            if event is None:
                done.set()
            else:
                handler(event)

    threading.Thread(target=consume, daemon=True).start()
    event = Event(type="x")

    def produce(count: int) -> None:
        put = waiting.put
        for _ in range(count):
            put(event)

    def timed(n: int) -> float:
        start = time.perf_counter()
        from_threads(producers, n, produce)
        waiting.put(None)
        done.wait()
        done.clear()
        return time.perf_counter() - start

    return timed


def main():
    question = Question("S8", "an event through the queue to a no-op handler in the background")
    question.measure(
        {
            "one producer": onex(1),
            "four producers": onex(4),
            "SimpleQueue, one producer": simple_queue(1),
            "SimpleQueue, four producers": simple_queue(4),
            "pydantic creation": pydantic_creation(),
        },
        seconds=5 * question.options.seconds,
    )
    for producers in ("one producer", "four producers"):
        question.at_most(
            f"{producers}: an event, in Pydantic creations",
            1 / 8,
            lambda event, creation: event / creation,
            *(producers, "pydantic creation"),
        )
        question.figure(f"{producers}: million events/s", lambda ns: 1e3 / ns, producers)
    question.answer()


if __name__ == "__main__":
    main()
