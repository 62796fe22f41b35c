"""Objects that the collector has cleared may still be met, in a finaliser say: used, they may raise,
and nothing worse."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, ctypes, inspect, sys
from onex_events import Event, EventBus, _core, emit_events, get_event_bus

TP_CLEAR = 51  # typeslots.h
slot = ctypes.pythonapi.PyType_GetSlot
slot.restype, slot.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_int]


class Made(Event):
    type: str = "made"
    number: int = 1


made = {"created_factory": lambda result: Made(), "hook": "wrapper"}


@emit_events(**made)
def site():
    return 1


@emit_events(**made)
def generator():
    yield 1


@emit_events(**made)
async def coroutine():
    return 1


@emit_events(**made)
async def async_generator():
    yield 1


bus = get_event_bus()
bus.subscribe(lambda event: None, Made)


async def emitted():
    return bus.emit(Made())  # not awaited


def begun():
    one = generator()
    next(one)
    return one


OBJECTS = {
    "event": lambda: Made(metadata={"a": 1}),
    "site": lambda: site,
    "callable": lambda: emit_events(**made)(asyncio.sleep),
    "generator": generator,
    "begun generator": begun,
    "coroutine": coroutine,
    "async generator": async_generator,
    "subscription": lambda: bus.subscribe(lambda event: None, Made),
    "weak subscription": lambda: bus.subscribe(site, Made, weak=True),
    "emitted": lambda: asyncio.run(emitted()),
    "validator": lambda: _core.Validator("list", "list", _core.Validator("int", "int")),
    "bus": EventBus,
}
USES = (
    repr, hash, list, len, bool, next,
    lambda one: one(), lambda one: one(1), lambda one: one == one, lambda one: one < one,
    lambda one: one.__reduce_ex__(2), lambda one: setattr(one, "new", 1),
    lambda one: delattr(one, "type"),
)
WAITS = {"close", "flush_sync", "wait", "__class__", "__del__"}

one = OBJECTS[sys.argv[1]]()
clear = slot(type(one), TP_CLEAR)
ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object)(clear)(one)
for use in USES:
    try:
        use(one)
    except Exception:
        pass
for name in dir(type(one)):
    print(name, flush=True)
    if name in WAITS:
        continue
    for arguments in ((), (1,), (one,), ("x",), (1, 2)):
        try:
            value = getattr(one, name)
            made = value(*arguments) if callable(value) else None
            if inspect.iscoroutine(made):
                made.close()
        except Exception:
            pass
print("survived", flush=True)
"""

NAMES = [
    "event", "site", "callable", "generator", "begun generator", "coroutine", "async generator",
    "subscription", "weak subscription", "emitted", "validator", "bus",
]  # fmt: skip


@pytest.mark.leaks_elsewhere("a program of its own")
@pytest.mark.skipif(
    sys.implementation.name != "cpython", reason="asks for the slots of CPython's types"
)
@pytest.mark.parametrize("name", NAMES)
def test_a_cleared_object_does_no_harm(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-X", "faulthandler", "-c", PROGRAM, name],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"at {done.stdout.splitlines()[-1:]}: {done.stderr[-2000:]}"
    assert done.stdout.splitlines()[-1] == "survived"
