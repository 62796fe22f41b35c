"""S18: what does importing onex_events cost over typing, enum, uuid and datetime?

``import onex_events`` imports what is asked for when it is asked for, so the second figure is what
a program pays that decorates functions, listens and makes events of its own. Each figure comes
from a process of its own, with byte code in the cache.
"""

import subprocess
import sys

from rounds import Question

CHILD = """
import datetime, enum, sys, time, typing, uuid
start = time.perf_counter()
exec(sys.argv[1])
print(time.perf_counter() - start)
"""

IMPORTS = {
    "import onex_events": "import onex_events",
    "from onex_events import Event, EventBus, emit_events, on": (
        "from onex_events import Event, EventBus, emit_events, on"
    ),
    "import asyncio, for comparison": "import asyncio",
}


def timed(statement: str):
    def run(count: int) -> float:
        total = 0.0
        for _ in range(count):
            done = subprocess.run(
                [sys.executable, "-c", CHILD, statement],
                capture_output=True,
                text=True,
                check=True,
                env={"PATH": ""},  # no PYTHONDONTWRITEBYTECODE
            )
            total += float(done.stdout)
        return total

    return run


def main():
    question = Question("S18", "import time of onex_events, in ms")
    question.measure({name: timed(statement) for name, statement in IMPORTS.items()})
    names = list(IMPORTS)
    question.at_most("import onex_events, ms", 3, lambda ns: ns / 1e6, names[0])
    question.figure("Event, EventBus, emit_events and on, ms", lambda ns: ns / 1e6, names[1])
    question.answer()


if __name__ == "__main__":
    main()
