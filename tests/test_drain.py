"""Who delivers when a thread dies or a loop ends: what programs do not see, the core's own part."""

import asyncio
import ctypes
import gc
import sys
import threading
import weakref

import pytest

import onex_events.drain
from onex_events import Event, EventBus
from onex_events.waiting import Signal

from .conformance.harness import Seen, drain, identity, wait_until


@pytest.fixture
def bus():
    bus = EventBus()
    yield bus
    bus.close()
    identity(bus)


@pytest.fixture
def seen():
    return Seen()


def worker_of(bus):
    wait_until(lambda: bus._drain is not None and bus._drain.worker is not None)
    return bus._drain.worker


def kill(thread):
    """Raise SystemExit in a thread, at its next Python instruction."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
    )


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
class TestWorkerThatDies:
    def test_idle(self, bus, seen):
        bus.subscribe(seen.sync, Event)
        bus.start_background()
        bus.emit_sync(Event(type="before"))
        drain(bus)
        worker = worker_of(bus)
        kill(worker)
        bus.emit_sync(Event(type="wakes it"))
        worker.join(10)
        assert not worker.is_alive()
        bus.emit_sync(Event(type="after"))
        drain(bus)
        assert seen.types == ["before", "wakes it", "after"]

    def test_in_a_handler(self, bus, seen, monkeypatch):
        interrupted = []
        monkeypatch.setattr(
            onex_events.worker, "interrupt_main_thread", lambda: interrupted.append(True)
        )

        def handler(event):
            kill(threading.current_thread())
            for _ in range(1000):
                pass

        bus.subscribe(handler, pattern="die", priority=1)
        bus.subscribe(seen.sync, Event)
        bus.start_background()
        for name in ("die", "after"):
            bus.emit_sync(Event(type=name))
        drain(bus)
        assert seen.types == ["die", "after"]
        assert interrupted == [True]
        assert identity(bus)["handler_errors"] == 1


class TestOwnLoop:
    def test_loops_are_looked_after_while_a_handler_is_suspended_in_it(self, bus, seen):
        """The worker drives the own loop, and still takes back what a loop left undone."""
        begun = threading.Event()

        async def suspended(event):
            begun.set()
            await bus.expect("never", timeout=20)

        async def hangs(event):
            await asyncio.Event().wait()

        bus.subscribe(suspended, pattern="long", concurrency=2)
        bus.subscribe(seen.sync, pattern="next")
        bus.start_background()
        bus.emit_sync(Event(type="long"))
        assert begun.wait(10)
        loop = asyncio.new_event_loop()

        async def main():
            bus.subscribe(hangs, pattern="hangs")
            bus.emit_sync(Event(type="hangs"))
            bus.emit_sync(Event(type="next"))
            await asyncio.sleep(0.05)

        try:
            loop.run_until_complete(main())
            wait_until(lambda: seen.types == ["next"], 5)
        finally:
            bus.emit_sync(Event(type="never"))
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0.05))
            loop.close()

    def test_token_given_to_a_driver_that_has_just_gone(self, bus, seen, monkeypatch):
        """The right to deliver never stays in a loop that nobody drives."""
        bus.subscribe(seen.asynchronous, Event)
        bus.emit_sync(Event(type="0"))  # the own loop exists now
        own = bus._drain.own_loop
        waits = []
        threads = [
            threading.Thread(
                target=lambda: [bus.emit_sync(Event(type="x")) for _ in range(200)], daemon=True
            )
            for _ in range(4)
        ]
        monkeypatch.setattr(bus._drain, "give_up", waits.append)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        drain(bus)
        assert len(seen) == 801
        assert own not in waits


def test_handlers_of_two_loops_take_turns(bus):
    """One is of the bus's own loop, one of the program's: while one is awaited, nobody goes on."""
    log = []
    bus.start_background()

    def handler(name):
        async def handle(event):
            log.append(f"{name} begins {event.type}")
            await asyncio.sleep(0)
            log.append(f"{name} ends {event.type}")

        return handle

    bus.subscribe(handler("own"), Event)  # where no loop runs

    async def main():
        bus.subscribe(handler("program"), Event)
        for number in range(200):
            await bus.emit(Event(type=str(number)))
        await bus.flush(30)

    asyncio.run(main())
    assert log == [
        f"{what} {number}"
        for number in range(200)
        for what in ("own begins", "own ends", "program begins", "program ends")
    ]


def test_a_worker_that_could_not_be_rung_is_rung_by_the_next(bus, monkeypatch):
    bus.start_background()
    bus.emit_sync(Event(type="x"))
    worker = worker_of(bus)

    def fails():
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(worker, "ring", fails)
        with pytest.raises(MemoryError):
            worker.watch(bus._drain)
    rung = []
    monkeypatch.setattr(worker, "ring", lambda: rung.append(True))
    assert worker.watch(bus._drain)
    assert rung == [True]
    monkeypatch.undo()
    worker.ring()


def test_subscribing_while_asyncio_run_ends_its_loop(bus, seen):
    """Its asynchronous generators are closed by then: nothing joins them (nor warns of it)."""

    class Late(asyncio.SelectorEventLoop):
        async def shutdown_default_executor(self, *args):
            bus.subscribe(seen.sync, Event)
            await super().shutdown_default_executor(*args)

    async def main():
        pass

    with asyncio.Runner(loop_factory=Late) as runner:
        runner.run(main())
    bus.emit_sync(Event(type="x"))
    bus.flush_sync(10)
    assert seen.types == ["x"]


def test_the_worker_of_a_bus_closed_on_a_loop_ends(seen):
    bus = EventBus()

    async def main():
        async with bus:
            bus.subscribe(seen.sync, Event)
            await bus.emit(Event(type="last"))
            return worker_of(bus)

    worker = asyncio.run(main())
    worker.join(10)
    assert not worker.is_alive()
    assert seen.types == ["last"]


def test_the_worker_of_a_bus_closed_by_its_handler_ends(seen):
    bus = EventBus()
    bus.start_background()
    bus.subscribe(seen.sync, Event)
    bus.subscribe(lambda event: event.type == "first" and bus.close(), Event)
    worker = worker_of(bus)
    bus.emit_sync(Event(type="first"))
    worker.join(10)
    assert not worker.is_alive()
    assert seen.types == ["first"]
    identity(bus)


def test_a_worker_of_a_closed_bus_waits_for_what_it_was_started_for(bus):
    """Else whoever starts it, for what is emitted meanwhile, starts workers for ever."""
    bus.close()
    drain = bus._get_drain()
    worker = onex_events.drain.start_worker(drain)
    worker.join(0.2)  # it would end at once
    assert worker.is_alive()
    worker.wake(drain)
    worker.join(10)
    assert not worker.is_alive()


class TestBusThatIsDropped:
    """Without having been closed: nothing of it stays, once all is delivered."""

    def goes(self, bus):
        """Take the last reference to a bus; the worker it had."""
        worker = bus[0]._drain.worker
        gone = weakref.ref(bus.pop())

        def collected():
            gc.collect()
            return gone() is None

        wait_until(collected)
        return worker

    def test_its_idle_worker_ends(self, seen):
        bus = [EventBus()]
        bus[0].subscribe(seen.sync, Event)
        bus[0].start_background()
        bus[0].emit_sync(Event(type="x"))
        drain(bus[0])
        worker = self.goes(bus)
        worker.join(10)
        assert not worker.is_alive()
        assert seen.types == ["x"]

    def test_its_worker_delivers_before(self):
        begun, go_on, types = threading.Event(), threading.Event(), []

        def handler(event):
            types.append(event.type)
            begun.set()
            go_on.wait(10)

        bus = [EventBus()]
        bus[0].subscribe(handler, Event)
        bus[0].start_background()
        for name in ("first", "second", "third"):
            bus[0].emit_sync(Event(type=name))
        assert begun.wait(10)
        gone = weakref.ref(bus.pop())
        for _ in range(3):
            gc.collect()
        assert gone() is not None
        go_on.set()
        wait_until(lambda: [gc.collect(), gone()][1] is None)
        assert types == ["first", "second", "third"]

    def test_its_own_loop(self, seen):
        async def handler(event):
            await asyncio.sleep(0.01)
            seen.sync(event)

        bus = [EventBus()]
        bus[0].subscribe(handler, Event)
        for name in ("first", "second"):
            bus[0].emit_sync(Event(type=name))
        threads = [
            threading.Thread(target=bus[0].emit_sync, args=(Event(type="x"),)) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        drain(bus[0])
        del threads, thread
        self.goes(bus)
        assert len(seen) == 6


class TestNobodyCanBeFound:
    """The token is free where passing it on fails; who waits has it taken up again."""

    @pytest.fixture
    def fails(self, bus, monkeypatch, caplog):
        """Start no worker, once."""
        start_worker, failed = onex_events.drain.start_worker, []

        def start(drain):
            if not failed:
                failed.append(True)
                raise MemoryError
            return start_worker(drain)

        monkeypatch.setattr(onex_events.drain, "start_worker", start)
        return failed

    def test_flush_sync(self, bus, seen, fails):
        bus.subscribe(seen.sync, Event)
        bus._background = True
        bus.emit_sync(Event(type="x"))
        assert fails and not seen
        bus.flush_sync(10)
        assert seen.types == ["x"]

    def test_next_emission(self, bus, seen, fails):
        bus.subscribe(seen.sync, Event)
        bus._background = True
        bus.emit_sync(Event(type="x"))
        bus.emit_sync(Event(type="y"))
        wait_until(lambda: seen.types == ["x", "y"])

    @pytest.mark.parametrize("wait", ["flush", "collect", "emit_and_wait", "expect"])
    def test_on_a_loop(self, bus, seen, fails, wait):
        bus.subscribe(seen.sync, Event)
        bus._background = True

        async def main():
            event = Event(type="x")
            if wait == "flush":
                await bus.emit(event)
                await bus.flush(10)
            elif wait == "collect":
                assert len(await bus.collect(event, 10)) == 1
            elif wait == "emit_and_wait":
                await bus.emit_and_wait(event, 10)
            else:
                expected = bus.expect(Event, timeout=10)
                bus.emit_sync(event)
                assert (await expected).type == "x"

        asyncio.run(main())
        assert fails
        assert seen.types == ["x"]

    def test_flush_sync_interrupted(self, bus, seen, fails):
        """By a handler that ends the program, in the caller: somebody else goes on."""

        def interrupts(event):
            if event.type == "first":
                raise KeyboardInterrupt

        bus.subscribe(interrupts, Event)
        bus.subscribe(seen.sync, Event)
        bus._background = True
        bus.emit_sync(Event(type="first"))
        bus._background = False
        with pytest.raises(KeyboardInterrupt):
            bus.flush_sync()
        wait_until(lambda: seen.types == ["first"])
        bus.emit_sync(Event(type="second"))
        drain(bus)
        assert seen.types == ["first", "second"]


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_closed_at_once_it_leaves_nothing(background, asynchronous, small_heap):
    """The call is over, its task in the bus's own loop has not come to its end yet."""
    before = set(threading.enumerate())

    async def awaited(event):
        await asyncio.sleep(0)

    def use():
        bus = EventBus()
        if background:
            bus.start_background()
        bus.subscribe(awaited if asynchronous else lambda event: None, Event, concurrency=2)
        bus.emit_sync(Event(type="x"))
        bus.flush_sync(10)
        bus.close()
        return weakref.ref(bus)

    buses = [use() for _ in range(5)]
    gc.collect()
    wait_until(lambda: not set(threading.enumerate()) - before)
    gc.collect()
    assert [bus() for bus in buses] == [None] * 5


class Interruption:
    """Runs `act` once, at the `n`-th line that `run` comes to: as a signal handler would."""

    def __init__(self, act):
        self.act = act
        self.left = 0
        self.reached = False

    def run(self, call, n):
        """True when the call has so many lines."""
        self.left, self.reached = n, False
        before = sys.gettrace()
        sys.settrace(self.trace)
        try:
            call()
        finally:
            sys.settrace(before)
        return self.reached

    def trace(self, frame, event, arg):
        if event == "line" and not self.reached:
            if self.left == 0:
                self.reached = True
                self.act()
            self.left -= 1
        return self.trace


class TestInterruptedAnywhere:
    def test_a_wait_never_holds_up_who_sets_it(self):
        """A waiter that a signal handler interrupts, which waits for something itself."""
        setters = []

        def act():
            setter = threading.Thread(target=lambda: current.set(), daemon=True)
            setters.append(setter)
            setter.start()
            setter.join(5)
            assert not setter.is_alive(), "set() waits for the waiter"

        n = 0
        current = Signal()
        interruption = Interruption(act)
        while interruption.run(lambda: current.wait(0.01), n):  # noqa: B023
            assert current.happened
            current = Signal()
            n += 1
        assert n > 3
        assert len(setters) == n

    @pytest.mark.parametrize("background", [False, True])
    def test_an_emission_inside_of_an_emission(self, background):
        seen = []
        alone = [True]

        def emit_twice(make):
            def work():
                n = 0
                while True:
                    bus = EventBus()
                    bus.subscribe(lambda event: seen.append(event.type), event_types=Event)
                    if background:
                        bus.start_background()
                    interruption = Interruption(lambda: bus.emit_sync(Event(type="inner")))  # noqa: B023
                    more = interruption.run(lambda: make(bus), n)  # noqa: B023
                    bus.flush_sync(10)
                    bus.close()
                    expected = ["outer", "inner"] if more else ["outer"]
                    alone[0] = alone[0] and sorted(seen) == sorted(expected)
                    seen.clear()
                    if not more:
                        return
                    n += 1

            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            thread.join(100)
            assert not thread.is_alive(), "an emission waits for the one that it interrupts"

        emit_twice(lambda bus: bus.emit_sync(Event(type="outer")))
        assert alone == [True]
