"""What does an event cost beside 10 to 10,000 subscriptions that do not match?

Types and patterns are matched once for each kind of event; a predicate looks at every event, so
its cost grows with their number. blinker and pyee find receivers by name: idle ones cost nothing.
"""

from functools import partial

from operation import Timed, loop
from rounds import Question, peers

from onex_events import Event, EventBus

COUNTS = (10, 100, 1000, 10_000)


class Mine(Event):
    type: str = "mine"


def handler(event=None):
    return None


def no(event):
    return False


CLASSES = [type(f"Other{i}", (Event,), {"__module__": __name__}) for i in range(50)]


def beside(kind: str, count: int) -> Timed:
    bus = EventBus()
    bus.subscribe(handler, Mine)
    for i in range(count):
        if kind == "type":
            bus.subscribe(handler, CLASSES[i % len(CLASSES)])
        elif kind == "pattern":
            bus.subscribe(handler, pattern=f"other\\.{i}")
        else:
            bus.subscribe(handler, predicate=no)
    return loop("emit(event)", emit=bus.emit_sync, event=Mine())


def pyee(count: int) -> Timed:
    from pyee.base import EventEmitter

    emitter = EventEmitter()
    emitter.on("mine", handler)
    for i in range(count):
        emitter.on(f"other{i}", handler)
    return loop("emit('mine', event)", emit=emitter.emit, event=Mine())


def blinker(count: int) -> Timed:
    """Receivers of one signal, each for another sender."""
    import blinker

    signal, senders = blinker.Signal(), [object() for _ in range(count)]
    mine = object()
    signal.connect(handler, sender=mine)
    keep = [lambda sender: None for _ in senders]
    for sender, receiver in zip(senders, keep, strict=True):
        signal.connect(receiver, sender=sender)
    return loop("send(mine)", send=signal.send, mine=mine, keep=(signal, senders, keep))


def main():
    question = Question("growth", "dispatch beside idle subscriptions, by type, pattern, predicate")
    question.measure(
        {
            f"{kind}, {count:,}": beside(kind, count)
            for kind in ("type", "pattern", "predicate")
            for count in COUNTS
        }
        | peers(
            {
                f"{name}, {count:,}": partial(make, count)
                for name, make in {"pyee": pyee, "blinker": blinker}.items()
                for count in COUNTS
            }
        ),
        seconds=question.options.seconds / 2,
    )
    for kind in ("type", "pattern", "predicate"):
        question.at_most(
            f"{kind}: beside 10,000 / beside 10",
            None if kind == "predicate" else 1.1,
            lambda many, few: many / few,
            *(f"{kind}, 10,000", f"{kind}, 10"),
        )
    question.answer()


if __name__ == "__main__":
    main()
