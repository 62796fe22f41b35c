"""The operations that R4 makes fail: every public entry point of the package that is in C."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import dataclasses
import enum
import importlib.util
import pickle
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import (
    Any,
    Dict,
    FrozenSet,
    Generic,
    List,
    Literal,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
    Type,
    TypedDict,
    TypeVar,
    Union,
)

import onex_events
from onex_events import (
    CreatedEvent,
    CreatingEvent,
    Event,
    EventBus,
    EventBusMonitor,
    EventPhase,
    EventSerializer,
    ModifiedEvent,
    Profiler,
    QueueFullError,
    ValidationError,
    _core,
    emit_events,
)

T = TypeVar("T")


def nothing() -> None:
    pass


@dataclasses.dataclass
class Operation:
    """What is run with failing allocations, and what must hold after each run."""

    run: Callable[[], object]
    check: Callable[[], object] = nothing
    #: Empty: a lack of memory is logged and counted, and the caller never sees it.
    raises: tuple[type[Exception], ...] = (MemoryError,)
    #: Why it is not watched for leaks.
    may_leak: str | None = None
    end: Callable[[], object] = nothing


OPERATIONS: dict[str, Callable[[], Operation]] = {}


def operation(make: Callable[[], Operation]) -> Callable[[], Operation]:
    """Enter a function that prepares an operation into the table, by its name."""
    OPERATIONS[make.__name__] = make
    return make


def simple(name: str, run: Callable[[], object]) -> None:
    """Enter an operation without preparation and without state to check."""
    OPERATIONS[name] = lambda: Operation(run)


def accounted(bus: EventBus) -> None:
    figures = bus.get_statistics()
    explained = (
        figures["handled"]
        + sum(figures["dropped"].values())
        + figures["queue_size"]
        + figures["in_flight"]
    )
    assert figures["emitted"] == explained, figures
    assert onex_events.get_context_depth() == 0, "an event is left on the context's stack"


# --- events ----------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(NamedTuple):
    x: int
    y: int = 0


class Movie(TypedDict, total=False):
    name: str
    year: int


@dataclasses.dataclass
class Link:
    value: int
    next: Optional[Link] = None


class Saved(Event):
    type: str = "saved"
    path: str = "p"
    size: int = 0
    tags: List[str] = []


class Open(Event):
    model_config = {"extra": "allow"}
    type: str = "open"
    _private: List[int] = []


class Boxed(Event[T], Generic[T]):
    type: str = "boxed"
    value: T


#: By kind of validation plan: annotation, values that fit exactly, by coercion, and not.
PLANS: dict[str, tuple[Any, Any, Any, Any]] = {
    "any": (Any, 1, "x", None),
    "none": (None, None, None, 1),
    "bool": (bool, True, "yes", "x"),
    "int": (int, 10**20, "12", "x"),
    "float": (float, 1.5, "2.5", "x"),
    "str": (str, "text", Colour("red").value, 1),
    "bytes": (bytes, b"x", "text", 1),
    "decimal": (Decimal, Decimal("1.5"), "2.25", "x"),
    "uuid": (uuid.UUID, uuid.uuid4(), str(uuid.uuid4()), "x"),
    "datetime": (datetime, datetime.now(UTC), "2020-01-02T03:04:05+02:00", "x"),
    "date": (date, date(2020, 1, 2), "2020-01-02", "x"),
    "time": (time, time(1, 2), "01:02:03.5", "x"),
    "timedelta": (timedelta, timedelta(1), "P1DT2H", "x"),
    "enum": (Colour, Colour.RED, "blue", "x"),
    "literal": (Literal["a", 1], "a", 1, "x"),
    "optional": (Optional[int], None, "3", "x"),
    "union": (Union[int, str, None], 1, "x", [1]),
    "list": (List[int], [1, 2], ("1", "2"), ["x", "y"]),
    "set": (Set[int], {1, 2}, ["1", "2"], ["x"]),
    "frozenset": (FrozenSet[int], frozenset({1}), ["1"], ["x"]),
    "tuple": (Tuple[int, str], (1, "a"), ["1", "a"], (1,)),
    "tuple_any": (Tuple[int, ...], (1, 2), ["1"], ["x"]),
    "dict": (Dict[str, int], {"a": 1}, {"a": "1"}, {1: "x"}),
    "sequence": (Sequence[int], [1], ("1",), 1),
    "mapping": (Mapping[str, int], {"a": 1}, {"a": "1"}, {"a": "x"}),
    "class": (Type[Event], CreatedEvent, CreatingEvent, int),
    "typed_dict": (Movie, {"name": "n", "year": 1}, {"year": "2"}, {"year": "x"}),
    "named_tuple": (Point, Point(1), ["1", "2"], ["x"]),
    "dataclass": (Link, Link(1), {"value": "1", "next": {"value": 2}}, {"value": "x"}),
    "event": (Saved, Saved(), {"path": "q", "size": "1"}, {"size": "x"}),
    "instance": (Operation, Operation(nothing), Operation(nothing), 1),
}


def refused(function: Callable[..., object], *args: Any, **kwargs: Any) -> None:
    """Call what must be refused, and read the error."""
    try:
        function(*args, **kwargs)
    except ValidationError as error:
        error.errors(), str(error), error.error_count()
        return
    raise AssertionError("not refused")


def _plan(name: str) -> None:
    annotation, exact, coerced, wrong = PLANS[name]
    made = type(
        "Made", (Event,), {"__annotations__": {"value": annotation, "type": str}, "type": "made",
                           "__module__": __name__},
    )  # fmt: skip

    def run() -> None:
        made(value=exact)
        made(value=coerced)
        if name != "any":
            refused(made, value=wrong)

    simple(f"plan_{name}", run)


for _name in PLANS:
    _plan(_name)


simple("create", lambda: [Event(type="x") for _ in range(100)])
simple("create_stock", lambda: [CreatedEvent(created_id=None), ModifiedEvent(fields=["a"])])
simple(
    "create_full",
    lambda: Saved(
        path="q", size="3", id=str(uuid.UUID(int=3)), parent_id=uuid.UUID(int=4), context={},
        metadata={"a": 1}, children_ids=[uuid.UUID(int=5)], error="e", duration_ms=1.0,
        subject_type=Saved, subject_id=uuid.UUID(int=6),
    ),
)  # fmt: skip
simple("reject", lambda: refused(Saved, path=3, size="x", subject_id=uuid.UUID(int=1)))
simple("generic", lambda: Boxed[int](value="3").evolve(value=4))


#: Seen with plain classes as well: CPython's type.__new__ loses what it can't finish.
#: 3.13.0 also takes a lack of memory for a class's attribute for a lack of the attribute.
HALF_A_CLASS = "the interpreter loses classes that it has no memory to finish"


@operation
def parametrise() -> Operation:
    def run() -> None:
        class Fresh(Event[T], Generic[T]):
            type: str = "fresh"
            value: T

        Fresh[List[int]](value=["1"])

    return Operation(run, raises=(MemoryError, AttributeError), may_leak=HALF_A_CLASS)


@operation
def define() -> Operation:
    def run() -> None:
        class Local(Event["Local"]):
            type: str = "local"
            other: Any = None
            values: Dict[str, int] = {}

        class Below(Local, extra="forbid"):
            error: str = "e"

        Below(values={"a": "1"}).evolve(other=Local())

    return Operation(run, raises=(MemoryError, AttributeError), may_leak=HALF_A_CLASS)


def _reads() -> None:
    event = ModifiedEvent(parent_id=uuid.UUID(int=7), error="e")
    for name in ModifiedEvent.model_fields:
        getattr(event, name)
    assert event.id is event.id
    assert event.model_fields_set
    assert event.model_extra is None


simple("reads", _reads)


def _assignments() -> None:
    event = Saved()
    for name in Saved.model_fields:
        setattr(event, name, [event])
        delattr(event, name)
    event._hidden = 1
    event.__class__ = Saved


simple("assignments", _assignments)


def open_event() -> Open:
    event = Open(surprise=[1], metadata={"a": [1, (uuid.UUID(int=1), EventPhase.FAILED)]})
    event._private.append(1)
    return event


@operation
def copies() -> Operation:
    event = open_event()
    return Operation(
        lambda: [copy.copy(event), event.model_copy(update={"x": 1}), copy.deepcopy(event),
                 event.model_copy(deep=True)],
    )  # fmt: skip


@operation
def pickles() -> Operation:
    event = open_event()
    return Operation(lambda: pickle.loads(pickle.dumps(event)))


@operation
def evolutions() -> Operation:
    event = open_event()
    return Operation(lambda: [event.evolve(error="e"), event.to_failed("e"), event.to_completed()])


@operation
def dump() -> Operation:
    event = open_event()
    return Operation(
        lambda: [event.model_dump(), event.model_dump(exclude={"id"}, exclude_none=True),
                 event.model_dump(include={"metadata": {"a": {0}}})],
    )  # fmt: skip


@operation
def dump_as_json() -> Operation:
    event = open_event()
    return Operation(lambda: event.model_dump(mode="json"))


@dataclasses.dataclass
class Gap:
    share: float
    nothing: Any = None


class Declared(Event):
    type: str = "declared"
    gaps: dict[str, list[Gap | float | str] | Gap | None]
    places: dict[tuple[float, Any], tuple[int, ...]]


@operation
def dump_as_declared() -> Operation:
    infinity = float("inf")
    event = Declared(
        gaps={"a": [Gap(infinity), infinity, "x"], "b": Gap(1.0), "c": None},
        places={(infinity, infinity): (1,)},
    )
    return Operation(
        lambda: [event.model_dump(exclude_none=True), event.model_dump(mode="json"),
                 event.model_dump_json(exclude_none=True)],
    )  # fmt: skip


@operation
def dump_json() -> Operation:
    event = open_event()
    return Operation(lambda: [event.model_dump_json(), event.model_dump_json(indent=1)])


@operation
def texts() -> Operation:
    event = open_event()
    return Operation(lambda: [repr(event), str(event), list(event), dict(event.__dict__)])


@operation
def comparisons() -> Operation:
    event, other = open_event(), open_event()
    same = event.model_copy()

    def run() -> None:
        assert event == same
        assert event != other
        try:
            hash(event)
        except TypeError:
            pass

    return Operation(run)


@operation
def validate_mapping() -> Operation:
    data = Saved(tags=["a"]).model_dump()
    return Operation(lambda: Saved.model_validate(data))


@operation
def validate_json() -> Operation:
    text = Saved(tags=["a"]).model_dump_json()

    def run() -> None:
        Saved.model_validate_json(text)
        refused(Saved.model_validate_json, "{")

    return Operation(run)


simple("construct_unchecked", lambda: Saved.model_construct(size="unchecked"))
simple("new_id_and_now", lambda: (_core.new_id(), _core.now()))


@operation
def serializer() -> Operation:
    event = ModifiedEvent(fields=["a"], new_values={"a": uuid.UUID(int=1)})
    data = EventSerializer.to_dict(event)
    return Operation(
        lambda: [EventSerializer.to_dict(event, include_class=True),
                 EventSerializer.to_json(event), EventSerializer.from_dict(data)],
    )  # fmt: skip


# --- context ---------------------------------------------------------------------------


def empty_context() -> None:
    assert onex_events.get_context_depth() == 0


@operation
def context() -> Operation:
    event = Event(type="x")

    def run() -> None:
        onex_events.clear_context()
        onex_events.push_event_context(event)
        onex_events.get_current_parent_event()
        onex_events.get_context_stack()
        onex_events.get_root_event()
        onex_events.get_context_statistics()
        onex_events.pop_event_context()

    return Operation(run, onex_events.clear_context)


@operation
def context_manager() -> Operation:
    event = Event(type="x")

    def run() -> None:
        with onex_events.EventContextManager(event):
            onex_events.create_child_event_with_context(lambda: Event(type="y"))

    return Operation(run, empty_context)


# --- the bus ---------------------------------------------------------------------------


def on_bus(
    run: Callable[[EventBus], object], *, check: Callable[[], object] = nothing, **options: Any
) -> Operation:
    bus = EventBus(history_size=50, **options)

    def settled() -> None:
        bus.flush_sync(10)
        accounted(bus)
        figures = bus.get_statistics()
        assert figures["queue_size"] == figures["in_flight"] == 0, figures
        check()

    return Operation(lambda: run(bus), settled, end=bus.close)


@operation
def make_bus() -> Operation:
    def run() -> None:
        with EventBus() as bus:
            bus.emit_sync(Event(type="x"))

    return Operation(run)


@operation
def subscribe() -> Operation:
    def run(bus: EventBus) -> None:
        try:
            bus.subscribe(print, Saved)
            bus.subscribe(print, pattern="a.*", priority=3, timeout=1.0)
            bus.subscribe(print, predicate=lambda event: True)
            bus.subscribe(nothing, Saved, weak=True)
            bus.subscribe(print, Saved, concurrency=2, ordered_by="root_id").cancel()
            bus.has_subscribers_for(Saved), bus.has_subscribers_for(Event, "abc")
        finally:
            for subscription in list(bus._subs):
                bus.unsubscribe(subscription)

    return on_bus(run)


@operation
def emit_sync() -> Operation:
    return on_bus(lambda bus: bus.emit_sync(Event(type="x")))


def listened(bus: EventBus) -> list[Any]:
    seen: list[Any] = []

    def keep(event: Any) -> None:
        seen[:] = [event.type]

    bus.subscribe(keep, Event)
    bus.subscribe(keep, pattern="x|y")
    bus.subscribe(keep, predicate=lambda event: True)
    return seen


@operation
def emit_sync_listened() -> Operation:
    made: list[Any] = []

    def run(bus: EventBus) -> None:
        if not made:
            made.append(listened(bus))
        bus.emit_sync(Event(type="x"))

    return on_bus(run)


@operation
def emit_sync_of_a_failing_handler() -> Operation:
    def fail(event: Any) -> None:
        raise LookupError("meant to")

    def run(bus: EventBus) -> None:
        if not bus._subs:
            bus.subscribe(fail, Event)
        bus.emit_sync(Event(type="x"))

    return on_bus(run)


@operation
def emit_sync_propagating() -> Operation:
    def run(bus: EventBus) -> None:
        if not bus._subs:
            listened(bus)
        bus.emit_sync(Event(type="x"))

    return on_bus(run, propagate_context=True)


for _overflow in ("drop_newest", "drop_oldest", "raise"):

    def _overflowing(overflow: Any = _overflow) -> Operation:
        def run(bus: EventBus) -> None:
            def burst(event: Any) -> None:
                if event.type == "first":
                    for _ in range(3):
                        try:
                            bus.emit_sync(Event(type="next"))
                        except onex_events.QueueFullError:
                            pass

            if not bus._subs:
                bus.subscribe(burst, Event)
            bus.emit_sync(Event(type="first"))

        return on_bus(run, overflow=overflow, max_queue_size=1)

    OPERATIONS[f"overflow_{_overflow}"] = _overflowing


@operation
def history() -> Operation:
    root = Event(type="root")
    child = Event(type="child", parent_id=root.id, root_id=root.id)

    def run(bus: EventBus) -> None:
        if bus.get_event_by_id(root.id) is None:
            bus.emit_sync(root)
            bus.emit_sync(child)
        bus.get_history()
        bus.get_history(limit=1, event_type="root")
        bus.get_event_by_id(child.id)
        bus.get_children(root.id)
        bus.get_siblings(child.id)
        bus.filter(Event, limit=1)
        bus.tree(root.id)
        bus.get_statistics()

    return on_bus(run)


@operation
def history_of_a_new_bus() -> Operation:
    """Its indices are made, and grow."""

    def run() -> None:
        with EventBus(history_size=100) as bus:
            root = Event(type="root")
            bus.emit_sync(root)
            bus.get_event_by_id(root.id)
            for number in range(40):
                bus.emit_sync(Event(type=f"child {number}", parent_id=root.id, root_id=root.id))
            assert len(bus.get_children(root.id)) <= 40
            bus.get_history(limit=3)
            bus.tree(root.id)
            bus.flush_sync(10)
            accounted(bus)

    return Operation(run)


@operation
def queue_of_a_new_bus() -> Operation:
    """It grows, while a handler emits."""

    def run() -> None:
        with EventBus(history_size=0) as bus:

            def burst(event: Event) -> None:
                if event.type == "first":
                    for number in range(40):
                        bus.emit_sync(Event(type=f"more {number}"))

            bus.subscribe(burst, Event)
            bus.emit_sync(Event(type="first"))
            bus.flush_sync(10)
            accounted(bus)

    return Operation(run)


@operation
def emission_with_propagated_context() -> Operation:
    def run(bus: EventBus) -> None:
        if not bus._subs:
            listened(bus)
        bus.emit_sync(Event(type="x"))

    return on_bus(run, propagate_context=True)


def overfull(overflow: str) -> Operation:
    """More events at once than the queue takes: a handler emits them."""

    def run(bus: EventBus) -> None:
        def burst(event: Event) -> None:
            if event.type == "first":
                for number in range(5):
                    try:
                        bus.emit_sync(Event(type=f"more {number}"))
                    except QueueFullError:
                        assert overflow == "raise"

        if not bus._subs:
            bus.subscribe(burst, Event)
        bus.emit_sync(Event(type="first"))
        bus.flush_sync(10)

    return on_bus(run, max_queue_size=2, overflow=overflow)


for _overflow in ("block", "drop_oldest", "drop_newest", "raise"):
    OPERATIONS[f"emission_into_a_full_queue_{_overflow}"] = lambda overflow=_overflow: overfull(
        overflow
    )


@operation
def monitor() -> Operation:
    def run(bus: EventBus) -> None:
        watching = EventBusMonitor(bus)
        watching.get_metrics()
        watching.get_health()

    return on_bus(run)


@operation
def attach() -> Operation:
    class Listener:
        def accept(self, events: list[Any]) -> None:
            assert events

    listener = Listener()

    def run(bus: EventBus) -> None:
        bus.attach(listener)
        try:
            bus.emit_sync(Event(type="x"))
        finally:
            bus.detach(listener)

    return on_bus(run)


@operation
def forward() -> Operation:
    other = EventBus(history_size=5)

    def run(bus: EventBus) -> None:
        with bus.forward(to=other, event_types=Event):
            bus.emit_sync(Event(type="x"))

    def check() -> None:
        other.flush_sync(10)
        accounted(other)
        other._forwarded.clear()  # bounded, but by more than fits a test

    return on_bus(run, check=check)


@operation
def after_fork() -> Operation:
    def run(bus: EventBus) -> None:
        bus._after_fork()

    return on_bus(run)


@operation
def record() -> Operation:
    def run(bus: EventBus) -> None:
        bus.record(True)
        bus.record(False)

    return on_bus(run)


# --- decorated functions ---------------------------------------------------------------

FACTORIES: dict[str, Any] = {
    "creating_factory": lambda *args, **kwargs: CreatingEvent(),
    "created_factory": lambda result, *args, **kwargs: CreatedEvent(),
    "failed_factory": lambda error, *args, **kwargs: Event(type="failed", error=str(error)),
}


def stepped(awaitable: Any) -> Any:
    """The value of what ends at its first step."""
    value = None
    try:
        awaitable.send(None)
    except StopIteration as stop:
        value = stop.value
    return value


def decorated(kind: str, hook: str, listening: bool) -> Operation:
    """A decorated function's call: what the caller sees is the same without memory.

    The function itself takes no memory that may fail: what fails is ours.
    """
    bus = EventBus(history_size=10)
    if listening:
        bus.subscribe(lambda event: None, Event)
    decorate = emit_events(**FACTORIES, bus=bus, hook=hook, include_args=True)
    result = object()

    if kind == "sync":

        @decorate
        def function(value: Any, *, key: Any = None) -> Any:
            return result

        def run() -> None:
            assert function(1, key=2) is result

    elif kind == "raising":
        error = LookupError("meant to")

        @decorate
        def function(value: Any) -> Any:
            raise error

        def run() -> None:
            outcome = None
            try:
                function(1)
            except LookupError as caught:
                outcome = caught.with_traceback(None)
            assert outcome is error

    elif kind == "generator":

        @decorate
        def function(value: Any) -> Any:
            yield value
            return result

        def run() -> None:
            assert list(function(1)) == [1]

    elif kind == "async":

        @decorate
        async def function(value: Any) -> Any:
            return result

        def run() -> None:
            assert stepped(function(1)) is result

    else:

        @decorate
        async def function(value: Any) -> Any:
            yield value

        def run() -> None:
            generator = function(1)
            assert stepped(generator.__anext__()) == 1
            try:
                stepped(generator.__anext__())
            except StopAsyncIteration:
                pass

    def check() -> None:
        bus.flush_sync(10)
        accounted(bus)

    # A coroutine or generator hands its result on as an exception, which takes memory: ours
    # as the interpreter's own.
    raises = () if kind in ("sync", "raising") else (MemoryError,)
    return Operation(run, check, raises, end=bus.close)


#: CPython 3.11 loses the exception of a function when it has no memory for its frame object.
RAISING = ("raising",) if sys.version_info >= (3, 12) else ()

for _kind in ("sync", *RAISING, "generator", "async", "async_generator"):
    for _hook in ("auto", "wrapper"):
        for _listening in (False, True):
            OPERATIONS[f"call_{_kind}_{_hook}_{'on' if _listening else 'off'}"] = (
                lambda kind=_kind, hook=_hook, listening=_listening: decorated(
                    kind, hook, listening
                )
            )


def crowded(one: Operation) -> Operation:
    """In a context of so many variables that each change of the top event takes memory."""
    context = contextvars.Context()
    for number in range(1000):
        context.run(contextvars.ContextVar(f"number {number}").set, number)
    return Operation(
        lambda: context.run(one.run),
        lambda: context.run(one.check),
        one.raises,
        one.may_leak,
        one.end,
    )


for _kind in ("sync", *RAISING, "generator", "async", "async_generator"):
    OPERATIONS[f"call_{_kind}_in_a_crowded_context"] = lambda kind=_kind: crowded(
        decorated(kind, "auto", True)
    )


@operation
def context_manager_in_a_crowded_context() -> Operation:
    return crowded(context_manager())


@operation
def call_whose_context_is_shared() -> Operation:
    """Leaving takes memory where a copy of the context shares the place of its top event."""
    bus = EventBus(history_size=10)
    bus.subscribe(lambda event: None, Event)

    @emit_events(**FACTORIES, bus=bus)
    def function() -> int:
        contexts.append(contextvars.copy_context())
        return 1

    contexts: list[contextvars.Context] = []

    def run() -> None:
        assert function() == 1
        contexts.clear()

    def check() -> None:
        bus.flush_sync(10)
        accounted(bus)

    return Operation(run, check, raises=(), end=bus.close)


@operation
def decorate() -> Operation:
    def run(bus: EventBus) -> None:
        for hook in ("auto", "wrapper"):

            @emit_events(**FACTORIES, bus=bus, hook=hook)
            def function() -> None:
                pass

            function()

    return on_bus(run)


@operation
def switch() -> Operation:
    """Subscribing hooks the function in place, unsubscribing takes the hook out."""
    made: dict[Any, Any] = {}

    def run(bus: EventBus) -> None:
        if not made:
            made["f"] = emit_events(**FACTORIES, bus=bus)(lambda: 1)
        with bus.subscribe(print, ModifiedEvent):
            assert made["f"]() == 1
        assert made["f"]() == 1

    return on_bus(run)


# --- the module itself -----------------------------------------------------------------


def another_core() -> Operation:
    """The core imported once more: a module with its own classes and state."""
    spec = importlib.util.find_spec("onex_events._core")
    assert spec is not None and spec.loader is not None
    loader = spec.loader

    def run() -> None:
        loader.exec_module(importlib.util.module_from_spec(spec))

    # CPython's import turns some of its own lacks of memory into a SystemError.
    return Operation(run, raises=(MemoryError, SystemError))


# CPython 3.13 has no memory for an item of a type's dict, goes on, and crashes; debug builds
# find the error that CPython's import leaves set, and abort.
if sys.version_info[:2] != (3, 13) and not hasattr(sys, "gettotalrefcount"):
    operation(another_core)


# --- asyncio ---------------------------------------------------------------------------


def on_loop(body: Callable[[EventBus], Any]) -> Operation:
    """Run a coroutine function on a loop that is there already."""
    bus = EventBus(history_size=50)
    loop = asyncio.new_event_loop()

    async def settle() -> None:
        await bus.flush(10)

    def check() -> None:
        loop.run_until_complete(settle())
        accounted(bus)
        figures = bus.get_statistics()
        assert figures["queue_size"] == figures["in_flight"] == 0, figures

    def end() -> None:
        loop.run_until_complete(settle())
        bus.close()
        loop.close()

    return Operation(lambda: loop.run_until_complete(body(bus)), check, end=end)


@operation
def emit_async() -> Operation:
    async def handler(event: Any) -> None:
        pass

    async def body(bus: EventBus) -> None:
        if not bus._subs:
            bus.subscribe(handler, Event)
            listened(bus)
        await bus.emit(Event(type="x"))
        await bus.flush(5)

    return on_loop(body)


@operation
def expect() -> Operation:
    async def body(bus: EventBus) -> None:
        before = bus._handler_errors
        waiting = bus.expect(Saved, timeout=0.1)
        bus.emit_sync(Saved())
        try:
            await waiting
        except TimeoutError:  # nobody could be told, and that is counted
            assert bus._handler_errors > before

    return on_loop(body)


@operation
def collect() -> Operation:
    async def handler(event: Any) -> int:
        return 1

    async def body(bus: EventBus) -> None:
        if not bus._subs:
            bus.subscribe(handler, Event)
        await bus.collect(Event(type="x"), timeout=5)

    return on_loop(body)


@operation
def emit_and_wait() -> Operation:
    async def body(bus: EventBus) -> None:
        await bus.emit_and_wait(Event(type="x"), timeout=5)

    return on_loop(body)


@operation
def wait_for_children() -> Operation:
    async def body(bus: EventBus) -> None:
        parent = Event(type="parent")
        await bus.emit_with_children(parent, [lambda: Event(type="child")])
        await bus.wait_for_children(parent.id, timeout=5)

    return on_loop(body)


# More of a kind at once than the core keeps for the next ones.
MANY = 40


@operation
def contexts_in_depth() -> Operation:
    events = [Event(type=f"level {number}") for number in range(MANY)]

    def run() -> None:
        try:
            for event in events:
                onex_events.push_event_context(event)
            assert onex_events.get_context_depth() == MANY
            assert onex_events.get_root_event() is events[0]
            for event in reversed(events):
                assert onex_events.pop_event_context() is event
        finally:
            onex_events.clear_context()

    def check() -> None:
        assert onex_events.get_context_depth() == 0

    return Operation(run, check)


@operation
def emits_at_once() -> Operation:
    async def body(bus: EventBus) -> None:
        for emitted in [bus.emit(Event(type="x")) for _ in range(MANY)]:
            await emitted
        await bus.flush(5)

    return on_loop(body)


@operation
def coroutines_at_once() -> Operation:
    """With more arguments than most calls have."""
    made: dict[Any, Any] = {}

    async def body(bus: EventBus) -> None:
        if not made:
            bus.subscribe(lambda event: None, Event)

            @emit_events(**FACTORIES, bus=bus)
            async def function(*values: int, **more: int) -> int:
                await asyncio.sleep(0)
                return len(values) + len(more)

            made["f"] = function
        calls = [made["f"](1, 2, 3, 4, 5, 6, six=6) for _ in range(MANY)]
        assert await asyncio.gather(*calls) == [7] * MANY

    return on_loop(body)


@operation
def handlers_at_once() -> Operation:
    """They wait: each is carried on by the loop, some of them together."""

    async def handler(event: Any) -> None:
        await asyncio.sleep(0)

    async def body(bus: EventBus) -> None:
        if not bus._subs:
            bus.subscribe(handler, Event, concurrency=MANY)
            bus.subscribe(handler, Event)
        for _ in range(3):
            await bus.emit(Event(type="x"))
        # The loop tries ten times a second: until a hundred allocations have failed.
        await bus.flush(60)

    return on_loop(body)


@operation
def handler_that_waits_for_the_bus() -> Operation:
    """Meanwhile it is out of the way of those behind it."""

    async def body(bus: EventBus) -> None:
        async def handler(event: Any) -> None:
            if event.type == "first":
                await bus.emit(Event(type="second"))
                await bus.flush(5)

        if not bus._subs:
            bus.subscribe(handler, Event)
        await bus.emit(Event(type="first"))
        await bus.flush(5)

    return on_loop(body)


# --- figures ---------------------------------------------------------------------------


def _histogram() -> None:
    histogram = _core.Histogram()
    for value in (0, 1, 1000, 10**6, 10**12):
        histogram.record(value)
    other = _core.Histogram()
    other.merge(histogram)
    histogram.percentile(0.5)


simple("histogram", _histogram)


def _profiler() -> None:
    profiler = Profiler()
    with profiler.timer("name"):
        with profiler.timer("name"):
            pass
    profiler.record("other", 5)
    profiler.report()


simple("profiler", _profiler)
