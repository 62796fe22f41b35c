"""R12: each interpreter of a process has its own core, and takes it along when it ends."""

from __future__ import annotations

import sys

import pytest

from .scale import run_program, sized

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 13), reason="3.12's own datetime and asyncio fail in subinterpreters"
)

# What each interpreter does: every kind of handler and call, one default bus, a clean end
# with events queued.
USE = """
import asyncio, os
from onex_events import *
import onex_events

bus = get_event_bus()
assert bus is get_event_bus() and bus.get_statistics()["emitted"] == 0
seen = []
async def handler(event):
    await asyncio.sleep(0)
    seen.append(event.type)
bus.subscribe(lambda event: seen.append(event.type), event_types=Event)
bus.subscribe(handler, event_types=Event)

class Own(Event):
    type: str = "own"
    number: int = 1

factories = dict(
    creating_factory=lambda x: CreatingEvent(), created_factory=lambda result, x: Own(number=x)
)
@emit_events(**factories)
def function(x):
    return x
@emit_events(**factories, hook="wrapper")
def wrapped(x):
    return x
@emit_events(**factories)
async def coroutine(x):
    await asyncio.sleep(0)
    return x

assert function(1) == 1 and wrapped(2) == 2
assert seen == ["creating"] * 2 + ["own"] * 2 + ["creating"] * 2 + ["own"] * 2, seen
async def main():
    assert await coroutine(3) == 3
    await emit(Event(type="awaited"))
    await bus.flush()
asyncio.run(main())
assert len(seen) == 14, seen
bus.start_background()
for number in range(50):
    bus.emit_sync(Own(number=number))
os.write(out, bus.get_history(1)[0].id.bytes if bus.get_history(1) else Event(type="x").id.bytes)
"""

PRELUDE = """
import _interpreters, ctypes, os, sys, threading

def run(code):
    interpreter = _interpreters.create()
    failed = _interpreters.exec(interpreter, code)
    _interpreters.destroy(interpreter)
    assert failed is None, getattr(failed, "errdisplay", failed)
"""


def test_interpreters_are_used_and_destroyed_in_several_threads(tally):
    """Each with its own GIL, so that the cores run truly side by side."""
    count, at_once = sized(1000), 4
    program = (
        PRELUDE
        + f"""
from onex_events import Event, get_event_bus
here = []
get_event_bus().subscribe(here.append, event_types=Event)
read, write = os.pipe()
code = f"out = {{write}}\\n" + {USE!r}
errors = []

def work(number):
    try:
        for _ in range(number):
            run(code)
    except BaseException as error:
        errors.append(error)

share = [COUNT // {at_once} + (i < COUNT % {at_once}) for i in range({at_once})]
threads = [threading.Thread(target=work, args=(number,)) for number in share]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if errors:
    raise BaseExceptionGroup("in the interpreters", errors)
os.close(write)
ids = set(iter(lambda: os.read(read, 16), b""))
print(f"ids={{len(ids)}}")
assert not here, "events of another interpreter came here"
get_event_bus().emit_sync(Event(type="here"))
assert [event.type for event in here] == ["here"]
"""
    )
    for start in range(0, count, 100):  # CPython itself loses about 2 MB an interpreter
        number = min(100, count - start)
        ended = run_program(program.replace("COUNT", str(number)), limit=60 + number * 2)
        assert ended.code == 0, ended
        ignored = ended.err.split("Exception ignored in: ")
        # CPython's own, of a thread that another interpreter started.
        assert all("_DeleteDummyThreadOnDel" in one for one in ignored if one), ended
        assert ended.value("ids") == number, ended
    tally("R12 subinterpreters", interpreters=count, failures=0)


def test_what_is_queued_when_an_interpreter_ends_is_delivered():
    ended = run_program(
        PRELUDE
        + """
read, write = os.pipe()
run(f'''
import os, threading, atexit
from onex_events import Event, EventBus
bus, go = EventBus(), threading.Event()
def slow(event):
    go.wait()
    os.write({write}, b"d")
async def later(event):
    os.write({write}, b"a")
atexit.register(lambda: bus.emit_sync(Event(type="x")))
bus.subscribe(slow, event_types=Event)
bus.subscribe(later, event_types=Event)
bus.start_background()
for _ in range(20):
    bus.emit_sync(Event(type="x"))
threading.Timer(0.05, go.set).start()
''')
os.close(write)
got = b"".join(iter(lambda: os.read(read, 64), b""))
print(f"delivered={got.count(b'd')}")
print(f"later={got.count(b'a')}")
"""
    )
    assert ended.code == 0, ended
    assert ended.err == "", ended
    assert (ended.value("delivered"), ended.value("later")) == (21, 21), ended


def test_a_class_of_main_whose_events_are_kept_goes_with_its_interpreter():
    """The collector clears the core's types before their instances there."""
    code = """
from onex_events import Event, get_event_bus
class Own(Event):
    type: str = "own"
    number: int = 1
bus = get_event_bus()
bus.subscribe([].append, event_types=Event)
bus.emit_sync(Own())
"""
    ended = run_program(PRELUDE + f"for _ in range(3):\n    run({code!r})\n")
    assert ended.code == 0, ended
    assert ended.err == "", ended


BESIDE = """
import asyncio, importlib, threading
from importlib.machinery import SourceFileLoader
for name in {modules!r}:
    importlib.import_module(name)
code = [SourceFileLoader("code", file).get_code("code") for file in {files!r}]
class Task(asyncio.Task):
    pass
async def main():
    await Task(nothing())
async def nothing():
    pass
asyncio.run(main())
thread = threading.Thread(target=print, args=("",), kwargs={{"end": ""}})
thread.start()
thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's mallinfo2 counts the bytes")
def test_an_interpreter_leaves_no_more_behind_than_one_that_loads_the_same_code(tally):
    """CPython keeps something of each (interned names, mostly): bytes of malloc are compared.

    The one beside imports the standard library's modules that ours imports, and loads the
    code of ours without running it.
    """
    ended = run_program(
        PRELUDE
        + f"""
class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
        "fordblks", "keepcost")]
libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Mallinfo

def growth(code):
    grown = []
    for _ in range(6):
        info = libc.mallinfo2()
        before = info.uordblks + info.hblkhd
        run(code)
        info = libc.mallinfo2()
        grown.append(info.uordblks + info.hblkhd - before)
    return min(grown[2:])

read, write = os.pipe()
code = f"out = {{os.open(os.devnull, os.O_WRONLY)}}\\n" + {USE!r}
run(code + f'''
import sys
ours = [name for name in sys.modules if name.startswith("onex_events")]
files = [sys.modules[name].__file__ for name in ours if name != "onex_events._core"]
others = [name for name in sys.modules if name not in ours and name != "__main__"]
os.write({{write}}, repr((others, files)).encode())
''')
modules, files = eval(os.read(read, 1 << 16))
print(f"empty={{growth('pass # nothing at all')}}")
print(f"beside={{growth({BESIDE!r}.format(modules=modules, files=files))}}")
print(f"ours={{growth(code)}}")
""",
        PYTHONMALLOC="malloc",
    )
    assert ended.code == 0, ended
    ours, beside = ended.value("ours"), ended.value("beside")
    assert ours <= beside + 16_384, ended
    tally(
        "R12 subinterpreters",
        bytes_left_by_an_empty_one=ended.value("empty"),
        by_one_that_loads_the_same_code=beside,
        by_one_that_uses_ours=ours,
    )
