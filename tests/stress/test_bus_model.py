"""R1: a bus beside a plain list of what it must have delivered, over random programs.

Hypothesis makes programs of the steps below; they run on this thread, on two others and on an
event loop.  After each step the bus is drained and compared: every subscription has got exactly
the events that match it, in the one order in which the bus delivered them; each emitter's events
are in its order; the statistics count what the model counted.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from onex_events import Event, EventBus, EventPriority, QueueFullError

from .scale import SOAK, accounted, drained, settled, sized

LIMIT = 60  # seconds until a step counts as hung
QUEUE = 8

Key = tuple[str, int]  # who emitted it, and as its how manieth


class Ping(Event[Any]):
    type: str = "ping"
    source: str
    number: int


class Pong(Ping):
    type: str = "pong"


class Echo(Event[Any]):
    type: str = "echo"
    source: str
    number: int


class Gate(Event[Any]):
    type: str = "gate"
    source: str = "gate"
    number: int


def even(event: Any) -> bool:
    return bool(event.number % 2 == 0)


FILTERS: dict[str, tuple[dict[str, Any], Callable[[Any], bool]]] = {
    "a class": ({"event_types": Ping}, lambda e: type(e) in (Ping, Pong)),
    "a subclass": ({"event_types": Pong}, lambda e: type(e) is Pong),
    "two classes": ({"event_types": (Pong, Echo)}, lambda e: type(e) in (Pong, Echo)),
    "all": ({"event_types": Event}, lambda e: True),
    "a pattern": ({"pattern": "p.n"}, lambda e: e.type in ("ping", "pong")),
    "a predicate": ({"predicate": even}, lambda e: e.number % 2 == 0),
    "class and predicate": (
        {"event_types": Ping, "predicate": even},
        lambda e: type(e) in (Ping, Pong) and e.number % 2 == 0,
    ),
}


class Elsewhere:
    """Two threads and an event loop that do what they are told."""

    def __init__(self) -> None:
        self.threads = [ThreadPoolExecutor(1) for _ in range(2)]
        self.loop = asyncio.new_event_loop()
        self.ending = asyncio.Event()
        self.runner = threading.Thread(target=self._run_loop, daemon=True)
        self.runner.start()

    def _run_loop(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self.ending.wait())

    def on_loop(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def end(self) -> None:
        for thread in self.threads:
            thread.shutdown()
        self.loop.call_soon_threadsafe(self.ending.set)
        self.runner.join(LIMIT)
        assert not self.runner.is_alive(), "the loop does not end"


class Listener:
    """A subscription and what its handler got."""

    def __init__(self, bus: EventBus, kind: str, filter_name: str, name: str, since: int) -> None:
        options, self.matches = FILTERS[filter_name]
        self.bus, self.kind, self.name, self.since = bus, kind, name, since
        self.got: list[Any] = []
        handler = self.later if kind.startswith("async") else self.now
        self.subscription = bus.subscribe(handler, **options)

    def react(self, event: Any) -> Event[Any] | None:
        self.got.append(event)
        if self.kind.endswith("leaving"):
            self.bus.unsubscribe(self.subscription)
        if self.kind.endswith("raising"):
            raise RuntimeError("a handler that raises")
        if self.kind.endswith("emitting") and isinstance(event, Ping):
            return Echo(source=self.name, number=sum(isinstance(e, Ping) for e in self.got))
        return None

    def now(self, event: Any) -> str:
        answer = self.react(event)
        if answer is not None:
            with suppress(QueueFullError):
                self.bus.emit_sync(answer)
        return self.name

    async def later(self, event: Any) -> str:
        await asyncio.sleep(0)
        answer = self.react(event)
        if answer is not None:
            with suppress(QueueFullError):
                await self.bus.emit(answer)
        return self.name

    def expected(self, delivered: list[Any]) -> list[Any]:
        matching = [event for event in delivered[self.since :] if self.matches(event)]
        return matching[:1] if self.kind.endswith("leaving") else matching


KINDS = ["sync", "async", "sync raising", "async raising", "sync emitting", "async emitting"]
KINDS += ["sync leaving", "async leaving"]
wishes = st.tuples(st.sampled_from(KINDS), st.sampled_from(sorted(FILTERS)))
totals: Counter[str] = Counter()


class BusModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.elsewhere = Elsewhere()
        self.bus: EventBus | None = None

    @initialize(
        overflow=st.sampled_from(["block", "drop_newest", "drop_oldest", "raise"]),
        background=st.booleans(),
        wanted=st.lists(wishes, max_size=5),
    )
    def open(self, overflow: str, background: bool, wanted: list[tuple[str, str]]) -> None:
        self.overflow, self.background, self.wanted = overflow, background, wanted
        self.bus = EventBus(max_queue_size=QUEUE, overflow=overflow, overflow_timeout=None)
        self.delivered: list[Any] = []  # what the witness saw, in order
        self.listeners: list[Listener] = []
        self.left: list[tuple[Listener, list[Any]]] = []  # and what they should have got
        self.numbers: Counter[str] = Counter()  # events made by each source
        self.refused: set[Key] = set()
        self.bus.attach(self)
        if background:
            self.bus.start_background()
        for number, wish in enumerate(wanted):
            self.subscribe(wish, number % 3)

    def accept(self, events: list[Any]) -> None:
        self.delivered.extend(events)

    # ---- what the steps are made of ----

    def make(self, kind: type[Any], source: str) -> Any:
        self.numbers[source] += 1
        return kind(source=source, number=self.numbers[source])

    def emit_from(self, where: int, kinds: list[type[Any]], source: str) -> Future[Any]:
        """0 and 1: a thread; 2: awaited on the loop; 3: on the loop, awaited together."""
        bus = self.bus
        assert bus is not None
        events = [self.make(kind, source) for kind in kinds]
        refused = self.refused

        def from_thread() -> None:
            for event in events:
                try:
                    bus.emit_sync(event)
                except QueueFullError:
                    refused.add((event.source, event.number))

        async def from_loop() -> None:
            waiting = []
            for event in events:
                try:
                    emitted = bus.emit(event)
                except QueueFullError:
                    refused.add((event.source, event.number))
                    continue
                if where == 2:
                    await emitted
                else:
                    waiting.append(emitted)
            for emitted in waiting:
                await emitted

        if where < 2:
            return self.elsewhere.threads[where].submit(from_thread)
        return self.elsewhere.on_loop(from_loop())

    def settle(self) -> None:
        """Drain the bus and compare everything with the model."""
        bus = self.bus
        assert bus is not None
        drained(bus, limit=LIMIT)
        self.compare(settled(bus))

    def compare(self, figures: dict[str, Any]) -> None:
        delivered = self.delivered
        for listener in self.listeners:
            self.check(listener, listener.expected(delivered))
        for listener, expected in self.left:
            self.check(listener, expected)
        numbers = self.numbers.copy()
        for listener in [*self.listeners, *(one for one, _ in self.left)]:
            if listener.kind.endswith("emitting"):
                numbers[listener.name] = sum(isinstance(e, Ping) for e in listener.got)
        by_source: dict[str, list[int]] = {}
        for event in delivered:
            by_source.setdefault(event.source, []).append(event.number)
        lost: Counter[str] = Counter()
        for source, count in numbers.items():
            seen = by_source.pop(source, [])
            assert seen == sorted(set(seen)), f"{source}: out of order or twice: {seen}"
            lost[source] = count - len(seen)
        assert not by_source, f"events that nobody emitted: {by_source}"
        assert lost.total() == sum(figures["dropped"].values()), (lost, figures)
        # What handlers emit may exceed the bound by as much again, then it is dropped.
        of_programs = sum(n for source, n in lost.items() if not source.startswith("listener"))
        assert of_programs == len(self.refused) or self.overflow.startswith("drop")
        assert not self.refused or self.overflow == "raise"
        assert not self.refused & {(event.source, event.number) for event in delivered}
        assert figures["handled"] == len(delivered)
        assert figures["emitted"] == numbers.total()
        assert figures["handler_errors"] == sum(
            len(one.got)
            for one in [*self.listeners, *(one for one, _ in self.left)]
            if one.kind.endswith("raising")
        )

    def check(self, listener: Listener, expected: list[Any]) -> None:
        got, wanted = ([(e.source, e.number) for e in some] for some in (listener.got, expected))
        assert got == wanted, f"{listener.name} ({listener.kind})"

    # ---- the steps ----

    @rule(wish=wishes, where=st.integers(0, 2))
    def subscribe(self, wish: tuple[str, str], where: int) -> None:
        assert self.bus is not None
        name = f"listener {len(self.listeners) + len(self.left)}"
        arguments = (self.bus, *wish, name, len(self.delivered))
        if where < 2:
            made = self.elsewhere.threads[where].submit(Listener, *arguments).result(LIMIT)
        else:

            async def subscribe() -> Listener:
                return Listener(*arguments)

            made = self.elsewhere.on_loop(subscribe()).result(LIMIT)
        self.listeners.append(made)

    @precondition(lambda self: self.listeners)
    @rule(which=st.integers(0, 99))
    def unsubscribe(self, which: int) -> None:
        assert self.bus is not None
        listener = self.listeners.pop(which % len(self.listeners))
        listener.subscription.cancel()
        assert not listener.subscription.active
        self.left.append((listener, listener.expected(self.delivered)))

    @rule(
        where=st.integers(0, 3),
        kinds=st.lists(st.sampled_from([Ping, Pong, Echo]), min_size=1, max_size=12),
    )
    def emit(self, where: int, kinds: list[type[Any]]) -> None:
        self.emit_from(where, kinds, f"place {where}").result(LIMIT)
        self.settle()

    @rule(kind=st.sampled_from([Ping, Pong, Echo]))
    def emit_here(self, kind: type[Any]) -> None:
        assert self.bus is not None
        self.bus.emit_sync(self.make(kind, "here"))
        self.settle()

    @rule(count=st.integers(1, 30), changes=st.integers(0, 10))
    def emit_everywhere_at_once(self, count: int, changes: int) -> None:
        """From all places, while a subscription comes and goes; it gets some, in order."""
        bus = self.bus
        assert bus is not None
        before = len(self.delivered)
        got: list[int] = []
        working = [self.emit_from(where, [Ping] * count, f"place {where}") for where in range(4)]
        for _ in range(changes):
            with bus.subscribe(lambda event: got.append(id(event)), Event):
                accounted(bus)
        for one in working:
            one.result(LIMIT)
        self.settle()
        order = {id(event): place for place, event in enumerate(self.delivered[before:])}
        places = [order[one] for one in got]
        assert places == sorted(set(places))

    @rule(count=st.integers(1, 3 * QUEUE))
    def fill(self, count: int) -> None:
        """The queue while a handler holds the bus: what does not fit goes by the policy."""
        bus = self.bus
        assert bus is not None
        entered, opened = threading.Event(), threading.Event()

        def hold(event: Any) -> None:
            entered.set()
            assert opened.wait(LIMIT)

        before = len(self.delivered)
        gate = self.make(Gate, "gate")
        with bus.subscribe(hold, Gate, priority=EventPriority.CRITICAL):
            holding = self.elsewhere.threads[0].submit(bus.emit_sync, gate)
            try:
                assert entered.wait(LIMIT), "the gate's handler is not called"
                first = self.numbers["filler"] + 1
                events = [self.make(Ping, "filler") for _ in range(count)]
                refused, waiting = [], []

                async def emit_all() -> None:
                    for event in events:
                        try:
                            waiting.append(bus.emit(event))
                        except QueueFullError:
                            refused.append(event.number)

                self.elsewhere.on_loop(emit_all()).result(LIMIT)
                accounted(bus)
            finally:
                opened.set()
            holding.result(LIMIT)

            async def await_all() -> None:
                for emitted in waiting:
                    await emitted

            self.elsewhere.on_loop(await_all()).result(LIMIT)
            drained(bus, limit=LIMIT)
        self.refused |= {("filler", number) for number in refused}
        numbers = range(first, first + count)
        kept = {
            "block": list(numbers),
            "raise": list(numbers[:QUEUE]),
            "drop_newest": list(numbers[:QUEUE]),
            "drop_oldest": list(numbers[-QUEUE:]),
        }[self.overflow]
        assert refused == (list(numbers[QUEUE:]) if self.overflow == "raise" else []), refused
        delivered = [e.number for e in self.delivered[before:] if e.source == "filler"]
        if self.overflow == "drop_oldest" and any("emitting" in one.kind for one in self.listeners):
            assert set(delivered) <= set(kept)  # what handlers emit pushes out more
        else:
            assert delivered == kept
        self.settle()

    @rule(kind=st.sampled_from([Ping, Pong]), where=st.integers(0, 1))
    def expect(self, kind: type[Any], where: int) -> None:
        bus = self.bus
        assert bus is not None
        expected = self.make(kind, "expected")

        async def wait() -> Any:
            found = bus.expect(Event, lambda event: event.source == "expected", timeout=LIMIT)
            task = asyncio.ensure_future(found)
            await asyncio.sleep(0)
            thread = self.elsewhere.threads[where]
            emitting = asyncio.wrap_future(thread.submit(bus.emit_sync, expected))
            await emitting
            return await task

        assert self.elsewhere.on_loop(wait()).result(LIMIT) is expected
        self.settle()

    @rule(kind=st.sampled_from([Ping, Pong, Echo]))
    def collect(self, kind: type[Any]) -> None:
        assert self.bus is not None
        event = self.make(kind, "collected")
        answering = [
            one for one in self.listeners if one.subscription.active and one.matches(event)
        ]
        answers = self.elsewhere.on_loop(self._collect(event)).result(LIMIT)
        assert set(answers) == {one.subscription for one in answering}
        for one in answering:
            answer = answers[one.subscription]
            assert isinstance(answer, RuntimeError) if "raising" in one.kind else answer == one.name
        self.settle()

    async def _collect(self, event: Any) -> Any:
        assert self.bus is not None
        return await self.bus.collect(event, timeout=LIMIT)

    @rule(where=st.integers(0, 3), count=st.integers(0, QUEUE))
    def close_with_work_left(self, where: int, count: int) -> None:
        """What was emitted before is delivered, then nothing is taken; goes on with a new bus."""
        bus = self.bus
        assert bus is not None
        self.emit_from(where, [Ping] * count, "last").result(LIMIT)
        bus.close(LIMIT)
        self.compare(settled(bus))
        with pytest.raises(RuntimeError, match="closed"):
            bus.emit_sync(Ping(source="late", number=1))
        self.count()
        self.open(self.overflow, not self.background, self.wanted)

    def count(self) -> None:
        totals["buses"] += 1
        totals["events"] += len(self.delivered)
        totals["deliveries"] += sum(len(one.got) for one in self.listeners)
        totals["deliveries"] += sum(len(one.got) for one, _ in self.left)

    def teardown(self) -> None:
        if self.bus is not None:
            self.bus.close(LIMIT)
            self.compare(settled(self.bus))
            self.count()
        self.elsewhere.end()


def test_any_program_delivers_what_the_model_says(caplog, tally):
    caplog.set_level("CRITICAL", "onex_events")  # raising handlers and drops are meant to
    totals.clear()
    run_state_machine_as_test(
        BusModel,
        settings=settings(
            max_examples=sized(10_000),
            stateful_step_count=30,
            deadline=None,
            derandomize=not SOAK,
            suppress_health_check=list(HealthCheck),
        ),
    )
    tally("R1 model", **totals, lost=0)
