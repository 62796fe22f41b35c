"""S11: how much memory does an event kept in history take?

Each figure comes from a process of its own, which measures what its resident memory grew by.
"""

import subprocess
import sys

from rounds import Question

KEPT = 50_000
ROUNDS = 5

CHILD = """
import gc, os, sys
from importlib import import_module

api, kept = import_module(sys.argv[1]), int(sys.argv[2])

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

class Saved(api.Event):
    type: str = "saved"
    path: str
    owner: str
    reason: str
    size: int

def emit(count):
    for _ in range(count):
        bus.emit_sync(Saved(path="p", owner="o", reason="r", size=1, parent_id=parent))

parent = api.Event(type="parent").id
bus = api.EventBus(100)
emit(1000)  # what is made once, and the allocator's first arenas
bus = api.EventBus(kept)
gc.collect()
before = resident()
emit(kept)
gc.collect()
after = resident()
assert bus.get_statistics()["history_size"] == kept
print((after - before) / kept)
"""


def bytes_an_event(name: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, name, str(KEPT)], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main():
    question = Question("S11", "bytes of resident memory an event kept in history takes")
    if not sys.platform.startswith("linux"):
        sys.exit("missing: /proc/self/statm (Linux)")
    for _ in range(ROUNDS):
        for name in ("onex_events", "onex_events.reference"):
            question.rounds.setdefault(name, []).append(bytes_an_event(name))
    for name in question.rounds:
        question.figure(f"{name}, bytes", lambda value: value, name)
    question.at_most(
        "onex_events / reference",
        1 / 8,
        lambda ours, theirs: ours / theirs,
        "onex_events",
        "onex_events.reference",
    )
    question.answer()


if __name__ == "__main__":
    main()
