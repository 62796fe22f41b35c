"""S9: what does emission cost beside a signal library's send?

The event is there already. A time includes that the event is handled: recorded in history where
there is one, its handler called where there is one. The empty loop is subtracted from both sides.
"""

import asyncio
import time

from rounds import Question, Timed, loop, peers

from onex_events import Event, EventBus

CHUNK = 1000


def nobody(event=None, **more):
    return None


def emit_sync(history_size: int, subscriber: bool) -> Timed:
    bus = EventBus(history_size)
    if subscriber:
        bus.subscribe(nobody, Event)
    else:
        bus.subscribe(nobody, pattern="something else")
    return loop("emit(event)", emit=bus.emit_sync, event=Event(type="x"))


def emit_async(history_size: int) -> Timed:
    bus = EventBus(history_size)
    bus.subscribe(nobody, pattern="something else")
    event = Event(type="x")

    async def main(n):
        emit = bus.emit
        start = time.perf_counter()
        for begin in range(0, n, CHUNK):
            for _ in range(begin, min(n, begin + CHUNK)):
                await emit(event)
            await bus.flush()
        return time.perf_counter() - start

    return lambda n: asyncio.run(main(n))


def blinker_send(receiver: bool) -> Timed:
    import blinker

    signal = blinker.Signal()
    if receiver:
        signal.connect(nobody)
    return loop("send(event)", send=signal.send, event=Event(type="x"), keep=signal)


def psygnal_emit(receiver: bool) -> Timed:
    from psygnal import SignalInstance

    signal = SignalInstance((object,))
    if receiver:
        signal.connect(nobody)
    return loop("emit(event)", emit=signal.emit, event=Event(type="x"), keep=signal)


def pyee_emit(receiver: bool) -> Timed:
    from pyee.base import EventEmitter

    emitter = EventEmitter()
    if receiver:
        emitter.on("x", nobody)
    return loop("emit('x', event)", emit=emitter.emit, event=Event(type="x"), keep=emitter)


LIBRARIES = {"blinker": blinker_send, "psygnal": psygnal_emit, "pyee": pyee_emit}


def main():
    question = Question("S9", "emission of an event, beside blinker, psygnal and pyee")
    variants = {}
    for size, kept in ((10000, "recorded"), (0, "not recorded")):
        variants[f"emit_sync, {kept}"] = emit_sync(size, subscriber=False)
        variants[f"await emit, {kept}"] = emit_async(size)
        variants[f"emit_sync to one, {kept}"] = emit_sync(size, subscriber=True)
    others = peers(
        {
            f"{name}, {who}": (lambda make=make, one=one: make(one))
            for name, make in LIBRARIES.items()
            for one, who in ((False, "no receiver"), (True, "one receiver"))
        }
    )
    question.measure({"empty loop": loop("pass"), **variants, **others})

    def compare(ours, library, bound):
        who = "one receiver" if "to one" in ours else "no receiver"
        if f"{library}, {who}" in others:
            question.at_most(
                f"{ours} / {library}",
                bound,
                lambda own, other, empty: (own - empty) / (other - empty),
                ours,
                f"{library}, {who}",
                "empty loop",
            )

    bounds = {"emit_sync": (0.5, 0.25), "await emit": (0.75, 0.5), "emit_sync to one": (0.25, 0.25)}
    for way, (recorded, not_recorded) in bounds.items():
        compare(f"{way}, recorded", "blinker", recorded)
        compare(f"{way}, not recorded", "blinker", not_recorded)
    for library in ("psygnal", "pyee"):
        for way in ("emit_sync", "emit_sync to one"):
            compare(f"{way}, recorded", library, 1.0)
    question.answer()


if __name__ == "__main__":
    main()
