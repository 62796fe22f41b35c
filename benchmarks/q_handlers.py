"""What does emission cost with 0, 1, 10 and 100 handlers, sync and async, beside the peers?

The event is there already; a time ends when all handlers are done. abxbus and bubus make their
event, as they want a new one for each emission.
"""

import asyncio
import time
from functools import partial

from operation import Timed, async_loop, loop
from rounds import Question, peers
from spans import BUSES

from onex_events import Event, EventBus

COUNTS = (0, 1, 10, 100)
CHUNK = 100


def handlers(count: int) -> list:
    return [eval("lambda event=None, **more: None") for _ in range(count)]


def async_handlers(count: int) -> list:
    made = []
    for _ in range(count):

        async def handler(event=None, **more):
            return None

        made.append(handler)
    return made


def onex(count: int) -> Timed:
    bus = EventBus()
    for handler in handlers(count):
        bus.subscribe(handler, Event)
    return loop("emit(event)", emit=bus.emit_sync, event=Event(type="x"))


def onex_async(count: int) -> Timed:
    bus = EventBus()
    event = Event(type="x")

    async def main(n: int) -> float:
        subscriptions = [bus.subscribe(handler, Event) for handler in async_handlers(count)]
        start = time.perf_counter()
        for begin in range(0, n, CHUNK):
            for _ in range(begin, min(n, begin + CHUNK)):
                await bus.emit(event)
            await bus.flush()
        seconds = time.perf_counter() - start
        for subscription in subscriptions:
            subscription.cancel()
        return seconds

    return lambda n: asyncio.run(main(n))


def blinker(count: int) -> Timed:
    import blinker

    signal, keep = blinker.Signal(), handlers(count)
    for handler in keep:
        signal.connect(handler)
    return loop("send(event)", send=signal.send, event=Event(type="x"), keep=keep)


def blinker_async(count: int) -> Timed:
    import blinker

    signal, keep = blinker.Signal(), async_handlers(count)
    for handler in keep:
        signal.connect(handler)
    return async_loop("await send(event)", send=signal.send_async, event=Event(type="x"), keep=keep)


def psygnal(count: int) -> Timed:
    from psygnal import SignalInstance

    signal, keep = SignalInstance((object,)), handlers(count)
    for handler in keep:
        signal.connect(handler, check_nargs=False)
    return loop("emit(event)", emit=signal.emit, event=Event(type="x"), keep=keep)


def pyee(count: int) -> Timed:
    from pyee.base import EventEmitter

    emitter = EventEmitter()
    for handler in handlers(count):
        emitter.on("x", handler)
    return loop("emit('x', event)", emit=emitter.emit, event=Event(type="x"))


def pyee_async(count: int) -> Timed:
    from pyee.asyncio import AsyncIOEventEmitter

    event = Event(type="x")

    async def main(n: int) -> float:
        emitter = AsyncIOEventEmitter()
        for handler in async_handlers(count):
            emitter.on("x", handler)
        start = time.perf_counter()
        for begin in range(0, n, CHUNK):
            for _ in range(begin, min(n, begin + CHUNK)):
                emitter.emit("x", event)
            await emitter.wait_for_complete()
        return time.perf_counter() - start

    return lambda n: asyncio.run(main(n))


SYNC = {"blinker": blinker, "psygnal": psygnal, "pyee": pyee}
ASYNC = {"blinker": blinker_async, "pyee": pyee_async, **BUSES}


def main():
    question = Question("handlers", "emission to 0, 1, 10 and 100 handlers, sync and async")
    for way, own, others in (("sync", onex, SYNC), ("async", onex_async, ASYNC)):
        found = peers(
            {
                f"{name}, {n} {way}": partial(make, n)
                for name, make in others.items()
                for n in COUNTS
            }
        )
        question.measure(
            {f"onex_events, {n} {way}": own(n) for n in COUNTS} | found,
            rounds=max(question.options.rounds // 2, 3),
        )
        for name in others:
            for n in COUNTS:
                if f"{name}, {n} {way}" in found:
                    question.at_least(
                        f"{name} / onex_events, {n} {way}",
                        None,
                        lambda theirs, ours: theirs / ours,
                        *(f"{name}, {n} {way}", f"onex_events, {n} {way}"),
                    )
    question.answer()


if __name__ == "__main__":
    main()
