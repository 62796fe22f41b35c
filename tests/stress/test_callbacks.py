"""R8, R10: whatever a callback does, wherever it is called from, in the middle of whatever.

Three tables: what happens inside the callback (ACTIONS), where the callback is (PLACES),
and the operation that leads to it (OPERATIONS).  Every combination, on a bus with and
without a thread of its own, must end in time, explain its events, keep the order of what
the operation emits and leave the decorated function's result or exception as it is.
Interrupts (KeyboardInterrupt, SystemExit) are let through, as anywhere in Python.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import itertools
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from onex_events import (
    CreatedEvent,
    CreatingEvent,
    Event,
    EventBus,
    EventPriority,
    SystemEvent,
    emit_events,
    set_event_bus,
)

from .scale import accounted, drained, settled, sized

pytestmark = pytest.mark.usefixtures("small_heap")

ACTS = 2
"""How often an action runs in one case: what it emits leads to its callback again."""

LIMIT = 20
"""Seconds after which a case counts as hung."""

INTERRUPTS = (KeyboardInterrupt, SystemExit)


class Probe(Event):
    """What the operations emit, numbered; its order is checked."""

    type: str = "probe"
    number: int = 0


class OwnError(Exception):
    """What the decorated functions of the program raise."""


class Case:
    """One combination: a bus, its listeners, the callback."""

    def __init__(self, action: Callable[[Case], None], *, background: bool) -> None:
        self.action = action
        self.acts = 0
        self.limit = ACTS
        self.seen: list[int] = []
        self.own: Any = None  # what the place subscribed
        self.factories: dict[str, Any] = {}
        self.held: list[Any] = []
        self.bus = EventBus(max_queue_size=64, overflow_timeout=0.2, history_size=16)
        set_event_bus(self.bus)
        if background:
            self.bus.start_background()
        self.other = self.bus.subscribe(lambda event: None, event_types=Event)
        self.recorder = self.bus.subscribe(
            lambda event: self.seen.append(event.number),
            event_types=Probe,
            priority=EventPriority.LOW,
        )

    def act(self, *_: Any) -> None:
        """The callback."""
        if self.acts < self.limit:
            self.acts += 1
            self.action(self)

    def decorated(self, function: Any) -> Any:
        """A function of the program, whose listeners call the callback."""
        factories: dict[str, Any] = {
            "creating_factory": lambda *_: Probe(number=1),
            "created_factory": lambda result, *_: Probe(number=2),
            "failed_factory": lambda error, *_: Probe(number=2),
        }
        for name, make in self.factories.items():
            if name in factories:
                factories[name] = make(factories[name])
        return emit_events(**factories)(function)


# --- what happens inside the callback ---------------------------------------------------


def raising(error: type[BaseException]) -> Callable[[Case], None]:
    def action(case: Case) -> None:
        raise error("meant")

    return action


def flush(case: Case) -> None:
    try:
        case.bus.flush_sync(0.05)
    except (RuntimeError, TimeoutError):
        pass  # refused where it would wait for itself


def change_listener(case: Case) -> None:
    class Listener:
        def accept(self, events: list[Any]) -> None:
            pass

    listener = Listener()
    case.bus.exit_timeout = 0.05  # how long detach waits for the deliveries that we are in
    case.bus.attach(listener)
    case.bus.detach(listener)


def close(case: Case) -> None:
    case.bus.close(timeout=0.05)


def call_decorated(case: Case) -> None:
    @emit_events(
        creating_factory=lambda x: CreatingEvent(), created_factory=lambda r, x: CreatedEvent()
    )
    def inner(x: int) -> int:
        return x

    assert inner(5) == 5


ACTIONS: dict[str, Callable[[Case], None]] = {
    "nothing": lambda case: None,
    "emit_sync": lambda case: case.bus.emit_sync(Event(type="inner")) and None,
    "emit": lambda case: case.held.append(case.bus.emit(Event(type="inner"))),
    "fill_the_queue": lambda case: (
        [case.bus.emit_sync(SystemEvent(type="fill")) for _ in range(80)] and None
    ),
    "subscribe": lambda case: case.held.append(
        case.bus.subscribe(lambda event: None, pattern="pro")
    ),
    "unsubscribe_itself": lambda case: case.own and case.bus.unsubscribe(case.own),
    "unsubscribe_another": lambda case: case.bus.unsubscribe(case.other),
    "unsubscribe_all": lambda case: (
        [case.bus.unsubscribe(one) for one in (case.other, case.recorder)] and None
    ),
    "attach_and_detach": change_listener,
    "call_decorated": call_decorated,
    "gc": lambda case: gc.collect() and None,
    "flush": flush,
    "close": close,
    "set_event_bus": lambda case: set_event_bus(None),
    "history": lambda case: case.bus.get_history() and None,
    "raise_Exception": raising(LookupError),
    "raise_CancelledError": raising(asyncio.CancelledError),
    "raise_GeneratorExit": raising(GeneratorExit),
    "raise_StopIteration": raising(StopIteration),
    "raise_KeyboardInterrupt": raising(KeyboardInterrupt),
    "raise_SystemExit": raising(SystemExit),
}

ONCE = ("raise_KeyboardInterrupt", "raise_SystemExit")
"""They reach the program, from the bus's thread as KeyboardInterrupt.  A second one would
strike asyncio.run while it ends after the first."""


# --- where the callback is ----------------------------------------------------------------


def in_factory(name: str) -> Callable[[Case], None]:
    def install(case: Case) -> None:
        def make(inner: Callable[..., Any]) -> Callable[..., Any]:
            def factory(*args: Any) -> Any:
                case.act()
                return inner(*args)

            return factory

        case.factories[name] = make

    return install


def in_predicate(case: Case) -> None:
    def predicate(event: Any) -> bool:
        case.act()
        return False

    case.own = case.bus.subscribe(lambda event: None, predicate=predicate)


def in_handler(case: Case) -> None:
    case.own = case.bus.subscribe(case.act, event_types=Event)


def in_async_handler(case: Case) -> None:
    async def handler(event: Any) -> None:
        case.act()
        await asyncio.sleep(0)
        case.act()

    case.own = case.bus.subscribe(handler, event_types=Event)


def in_awaiting_handler(case: Case) -> None:
    async def handler(event: Any) -> None:
        if event.type == "probe":
            await case.bus.emit(Event(type="awaited"))
        case.act()

    case.own = case.bus.subscribe(handler, event_types=Event, concurrency=2)


def in_listener(case: Case) -> None:
    class Listener:
        def accept(self, events: list[Any]) -> None:
            case.act()

    case.held.append(listener := Listener())
    case.bus.attach(listener)


def in_finaliser(case: Case) -> None:
    class Dying:
        def __del__(self) -> None:
            case.act()

    case.own = case.bus.subscribe(lambda event: Dying() and None, event_types=Event)


def in_collected_finaliser(case: Case) -> None:
    class Dying:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            case.act()

    def handler(event: Any) -> None:
        Dying()
        gc.collect(0)

    case.own = case.bus.subscribe(handler, event_types=Event)


def in_weakref_callback(case: Case) -> None:
    class Dying:
        pass

    def handler(event: Any) -> None:
        dying = Dying()
        case.held.append(weakref.ref(dying, case.act))

    case.own = case.bus.subscribe(handler, event_types=Event)


def in_signal_handler(case: Case) -> None:
    signal.signal(signal.SIGUSR1, case.act)

    def handler(event: Any) -> None:
        if case.acts < case.limit:
            signal.raise_signal(signal.SIGUSR1)

    case.own = case.bus.subscribe(handler, event_types=Event)


PLACES: dict[str, Callable[[Case], None]] = {
    "creating_factory": in_factory("creating_factory"),
    "created_factory": in_factory("created_factory"),
    "failed_factory": in_factory("failed_factory"),
    "predicate": in_predicate,
    "handler": in_handler,
    "async_handler": in_async_handler,
    "awaiting_handler": in_awaiting_handler,
    "listener": in_listener,
    "finaliser": in_finaliser,
    "collected_finaliser": in_collected_finaliser,
    "weakref_callback": in_weakref_callback,
    "signal_handler": in_signal_handler,
}


# --- the operation ------------------------------------------------------------------------


def emitting(case: Case) -> Any:
    for number in range(3):
        case.bus.emit_sync(Probe(number=number))


def calling(case: Case) -> Any:
    assert case.decorated(lambda x: x + 1)(1) == 2


def calling_what_fails(case: Case) -> Any:
    error = OwnError()

    def function(x: int) -> None:
        raise error

    with pytest.raises(OwnError) as caught:
        case.decorated(function)(1)
    assert caught.value is error


def generating(case: Case) -> Any:
    def function(x: int) -> Iterator[int]:
        yield x
        yield x + 1

    assert list(case.decorated(function)(1)) == [1, 2]


def subscribing(case: Case) -> Any:
    case.bus.emit_sync(Probe(number=1))
    with case.bus.subscribe(lambda event: None, pattern="p"):
        case.bus.emit_sync(Probe(number=2))


def flushing(case: Case) -> Any:
    case.bus.emit_sync(Probe(number=1))
    case.bus.flush_sync(LIMIT)


def asking_history(case: Case) -> Any:
    event = Probe(number=1)
    case.bus.emit_sync(event)
    case.bus.get_event_by_id(event.id)
    assert len(case.bus.get_history()) <= 16


async def awaiting(case: Case) -> Any:
    for number in range(3):
        await case.bus.emit(Probe(number=number))
    await case.bus.flush(LIMIT)


async def collecting(case: Case) -> Any:
    await case.bus.collect(Probe(number=1), timeout=LIMIT)


async def awaiting_call(case: Case) -> Any:
    async def function(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    assert await case.decorated(function)(1) == 2


async def awaiting_what_fails(case: Case) -> Any:
    async def function(x: int) -> None:
        await asyncio.sleep(0)
        raise OwnError

    with pytest.raises(OwnError):
        await case.decorated(function)(1)


async def iterating(case: Case) -> Any:
    async def function(x: int) -> Any:
        yield x
        await asyncio.sleep(0)
        yield x + 1

    assert [item async for item in case.decorated(function)(1)] == [1, 2]


OPERATIONS: dict[str, Callable[[Case], Any]] = {
    one.__name__: one
    for one in (
        emitting,
        calling,
        calling_what_fails,
        generating,
        subscribing,
        flushing,
        asking_history,
        awaiting,
        collecting,
        awaiting_call,
        awaiting_what_fails,
        iterating,
    )
}

REFUSES = {"emitting", "subscribing", "flushing", "asking_history", "awaiting", "collecting"}
"""Operations that call the bus themselves, which a closed one refuses."""


def run(case: Case, operation: str, action: str) -> None:
    """The operation, in a loop where it needs one; what may come out of it is let pass."""
    work = OPERATIONS[operation]
    try:
        if operation in ASYNC:
            asyncio.run(work(case))
        else:
            work(case)
    except INTERRUPTS:
        if action not in ONCE:
            raise
    except RuntimeError as error:
        refused = action == "close" and operation in REFUSES and "closed" in str(error)
        # asyncio's own words after an interrupt while the main task ends.
        stopped = action in ONCE and "Event loop stopped" in str(error)
        if not (refused or stopped):
            raise


ASYNC = {"awaiting", "collecting", "awaiting_call", "awaiting_what_fails", "iterating"}


def finish(case: Case, action: str) -> None:
    """Everything is over; interrupts of the worker's handlers come to this thread."""
    while True:
        try:
            if not case.bus._closed:
                drained(case.bus, limit=LIMIT)
            break
        except INTERRUPTS:
            if action not in ONCE:
                raise


def verify(case: Case, action: str) -> None:
    figures = accounted(case.bus)
    if action != "close":
        settled(case.bus)
    whole = not action.startswith(("raise_Key", "raise_Sys", "unsubscribe_all", "close", "set_"))
    numbers = case.seen
    assert numbers == sorted(numbers), f"out of order: {numbers}"
    assert not whole or sum(figures["dropped"].values()) or numbers, "the operation's events"


def possible(place: str, action: str, operation: str) -> bool:
    """A signal handler that raises does so wherever the main thread is, the loop included."""
    return place != "signal_handler" or not (
        action.startswith("raise") and (action not in ONCE or operation in ASYNC)
    )


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What the callbacks raise is meant; finalisers' and threads' errors too."""
    caplog.set_level("CRITICAL")
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)
    set_event_bus(None)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("background", [False, True], ids=["inline", "background"])
@pytest.mark.parametrize("place", PLACES)
def test_no_callback_harms(place: str, background: bool, quiet: None, tally: Any) -> None:
    cases = [case for case in itertools.product(ACTIONS, OPERATIONS) if possible(place, *case)]
    part = sized(3, part=3)  # every third one outside of make soak, others in each place
    cases = cases * 3 if part == 3 else cases[list(PLACES).index(place) % 3 :: 3]
    failures: list[str] = []
    first: BaseException | None = None
    for action, operation in cases:
        name = f"{action} in {place} during {operation}"
        faulthandler.dump_traceback_later(LIMIT * 3, exit=True)
        case = Case(ACTIONS[action], background=background)
        if action in ONCE:
            case.limit = 1
        try:
            PLACES[place](case)
            run(case, operation, action)
            finish(case, action)
            verify(case, action)
        except BaseException as error:
            failures.append(f"{name}: {error!r}")
            first = first or error
        finally:
            faulthandler.cancel_dump_traceback_later()
            try:
                case.bus.close(timeout=LIMIT)
            except INTERRUPTS:
                pass
    if failures:
        raise AssertionError("\n".join(failures)) from first
    tally("R8 reentrancy", combinations=len(cases), deadlocks=0, unexplained=0)
