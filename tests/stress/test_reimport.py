"""Importing again, `importlib.reload` and deleted `sys.modules` entries do no harm."""

from __future__ import annotations

import os
from textwrap import dedent

import pytest

from .scale import run_program

PRELUDE = """
    import gc, importlib, os, sys
    import onex_events
    from onex_events import CreatingEvent, Event, EventBus, emit_events, get_event_bus

    before = get_event_bus()
    seen = []
    before.subscribe(lambda event: seen.append(event.type), event_types=Event)

    @emit_events(creating_factory=lambda: CreatingEvent())
    def old():
        return 1

    class Own(Event):
        type: str = "own"
"""

# The old bus still serves the old functions; a new import has a working bus.
AFTER = """
    seen.clear()
    assert old() == 1
    before.emit_sync(Own())
    assert seen == ["creating", "own"], seen
    gc.collect()

    import onex_events as again
    new_seen = []
    bus = again.get_event_bus()
    bus.subscribe(new_seen.append, event_types=again.Event)

    @again.emit_events(creating_factory=lambda: again.CreatingEvent())
    def new():
        return 2

    assert new() == 2 and new_seen, new_seen
    bus.start_background()
    before.start_background()

    def write(event):
        os.write(1, b"delivered\\n")
    bus.subscribe(write, pattern="late.new")
    before.subscribe(write, pattern="late.old")
"""

EMIT = """
    for _ in range(5):
        bus.emit_sync(again.Event(type="late.new"))
        before.emit_sync(Own(type="late.old"))
"""

FORK = """
    import warnings
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for one in (before, bus):
                assert one.get_statistics()["emitted"] == 0, "not told of the fork"
            before.emit_sync(Own(type="late.old"))
            before.flush_sync(10)
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
"""

HARMS = {
    "nothing": "pass",
    "imported_again": "import onex_events; from onex_events import *",
    "package_reloaded": "importlib.reload(onex_events)",
    "submodules_reloaded": """
    for name in sorted(name for name in sys.modules if name.startswith("onex_events.")):
        importlib.reload(sys.modules[name])
    """,
    "all_reloaded_twice": """
    for name in sorted(name for name in sys.modules if name.startswith("onex_events")) * 2:
        importlib.reload(sys.modules[name])
    """,
    "all_deleted": """
    for name in [name for name in sys.modules if name.startswith("onex_events")]:
        del sys.modules[name]
    """,
    "python_modules_deleted": """
    for name in [name for name in sys.modules if name.startswith("onex_events")]:
        if name != "onex_events._core":
            del sys.modules[name]
    """,
    "core_deleted": 'del sys.modules["onex_events._core"]',
}


@pytest.mark.parametrize("harm", HARMS)
def test_programs_go_on(harm):
    forks = int(hasattr(os, "fork"))
    ended = run_program("\n".join(map(dedent, (PRELUDE, HARMS[harm], AFTER, FORK * forks, EMIT))))
    assert ended.code == 0, ended
    assert ended.err == "", ended
    assert ended.out.count("delivered") == 10 + forks, ended
