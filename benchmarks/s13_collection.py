"""S13: how long does a pass of the garbage collector take over a million events kept?

Each figure comes from a process of its own: the median of a few full collections. All objects have
the same four scalar fields. What holds them is part of the pass: a list, which makes the collector
look at each of a million objects whatever they are (``floats in a list``: what only that costs), or
the bus's history.
"""

import subprocess
import sys

from rounds import Question

KEPT = 1_000_000
ROUNDS = 3

CHILD = """
import gc, statistics, sys, time

def event():
    from onex_events import Event
    class Saved(Event):
        type: str = "saved"
        path: str
        owner: str
        reason: str
        size: int
    return Saved

def dataclass():
    import dataclasses
    @dataclasses.dataclass(slots=True)
    class Saved:
        path: str
        owner: str
        reason: str
        size: int
    return Saved

def attrs():
    import attrs
    @attrs.define
    class Saved:
        path: str
        owner: str
        reason: str
        size: int
    return Saved

def struct():
    import msgspec
    class Saved(msgspec.Struct):
        path: str
        owner: str
        reason: str
        size: int
    return Saved

def number():
    return lambda path, owner, reason, size: float(size)

make, kept = globals()[sys.argv[1]](), int(sys.argv[2])
gc.disable()
events = (make(path="p", owner="o", reason="r", size=i) for i in range(kept))
if sys.argv[3] == "history":
    from onex_events import EventBus
    bus = EventBus(kept)
    for event in events:
        bus.emit_sync(event)
    assert bus.get_statistics()["history_size"] == kept
else:
    events = list(events)
gc.collect()
passes = []
for _ in range(5):
    start = time.perf_counter()
    gc.collect()
    passes.append(time.perf_counter() - start)
print(statistics.median(passes))
"""

MAKERS = {
    "events in the history": ("event", "history"),
    "events in a list": ("event", "list"),
    "slots dataclasses in a list": ("dataclass", "list"),
    "attrs classes with slots in a list": ("attrs", "list"),
    "msgspec structs in a list": ("struct", "list"),
    "floats in a list": ("number", "list"),
}


def pass_over(maker: str, holder: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, maker, str(KEPT), holder], capture_output=True, text=True
    )
    if done.returncode:
        raise ImportError(done.stderr.strip().splitlines()[-1])
    return float(done.stdout) * 1e9


def main():
    question = Question("S13", "a pass of the collector over a million events kept")
    lost = set()
    for _ in range(ROUNDS):
        for name, how in MAKERS.items():
            try:
                question.rounds.setdefault(name, []).append(pass_over(*how))
            except ImportError:
                lost.add(name)
    for name in lost:
        del question.rounds[name]
    question.missing(dict.fromkeys(lost))
    for name in question.rounds:
        question.figure(f"{name}: ms a pass", lambda ns: ns / 1e6, name)
    for name in ("events in the history", "events in a list"):
        question.at_most(
            f"{name} / slots dataclasses",
            1 / 10,
            lambda ours, theirs: ours / theirs,
            *(name, "slots dataclasses in a list"),
        )
    question.figure(
        "the same without what the list costs",
        lambda ours, theirs, alone: (ours - alone) / (theirs - alone),
        *("events in a list", "slots dataclasses in a list", "floats in a list"),
    )
    question.answer()


if __name__ == "__main__":
    main()
