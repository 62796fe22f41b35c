"""R7: a program ends in time, never by a signal, and explains what it did not deliver."""

from __future__ import annotations

import re
import signal
import subprocess
import textwrap

import pytest

from .scale import Exit, run_program, sized

EXIT_TIMEOUT = 0.5
REPEATS = sized(80, part=40)

# What every program starts with.  `delivered` counts in a file, because the
# interpreter may be past the point where print works.
PRELUDE = f"""
    import asyncio, atexit, os, signal, sys, threading, time
    from onex_events import CreatedEvent, Event, EventBus, emit_events, set_event_bus

    def ended():  # the first registered is the last to run
        os.write(1, b"\\nemitted=%d\\n" % emitted)

    def ending():  # the bus takes its leave next
        os.write(1, b"\\nending=%d\\n" % (time.monotonic() * 1000))

    atexit.register(ended)
    bus = EventBus(exit_timeout={EXIT_TIMEOUT})
    atexit.register(ending)
    set_event_bus(bus)
    emitted = 0

    def emit(count=1):
        global emitted
        for _ in range(count):
            bus.emit_sync(Event(type="x"))
            emitted += 1

    def deliver(event):
        os.write(1, b"d")
"""

PROGRAMS = {
    "normal": """
        bus.subscribe(deliver, event_types=Event)
        bus.start_background()
        emit(200)
    """,
    "queue_never_started": """
        async def later(event):
            deliver(event)
        async def main():
            bus.subscribe(later, event_types=Event)
            global emitted
            for _ in range(50):
                bus.emit(Event(type="x"))
                emitted += 1
        asyncio.run(main())
    """,
    "exception": """
        bus.subscribe(deliver, event_types=Event)
        bus.start_background()
        emit(200)
        raise RuntimeError("the program's own")
    """,
    "sys_exit_in_a_handler": """
        def leave(event):
            deliver(event)
            raise SystemExit(7)
        bus.subscribe(leave, event_types=Event)
        emit(1)
    """,
    "atexit": """
        bus.subscribe(deliver, event_types=Event)
        atexit.register(emit, 20)
        emit(5)
    """,
    "finaliser": """
        class Dying:
            def __del__(self):
                emit(3)
        bus.subscribe(deliver, event_types=Event)
        cycle = [Dying()]
        cycle.append(cycle)
        emit(5)
    """,
    "daemon_threads": """
        bus.subscribe(deliver, event_types=Event)
        bus.start_background()
        running = threading.Barrier(4)
        def forever():
            running.wait()
            while True:
                bus.emit_sync(Event(type="x"))
        for _ in range(3):
            threading.Thread(target=forever, daemon=True).start()
        running.wait()
    """,
    "threads_that_end_late": """
        bus.subscribe(deliver, event_types=Event)
        bus.start_background()
        def late():
            time.sleep(0.05)
            emit(10)
        threading.Thread(target=late).start()
    """,
    "decorated": """
        bus.subscribe(deliver, event_types=CreatedEvent)
        bus.start_background()
        @emit_events(created_factory=lambda result: CreatedEvent())
        def work():
            pass
        for _ in range(100):
            work()
        emitted += 100
        atexit.register(work)
        emitted += 1
    """,
    "bus_of_its_own_on_a_dead_loop": """
        async def main():
            async def later(event):
                deliver(event)
            bus.subscribe(later, event_types=Event)
            await bus.start()
        asyncio.run(main())
        emit(20)
    """,
    "daemon_loop": """
        bus.subscribe(deliver, event_types=Event)
        running = threading.Event()
        async def forever():
            while True:
                await bus.emit(Event(type="x"))
                running.set()
                await asyncio.sleep(0)
        threading.Thread(target=asyncio.run, args=(forever(),), daemon=True).start()
        running.wait()
    """,
    "decorated_finalisers_of_globals": """
        bus.subscribe(deliver, event_types=CreatedEvent)
        @emit_events(created_factory=lambda result: CreatedEvent())
        def work():
            pass
        class Dying:
            def __del__(self, work=work):
                work()
        some = [Dying() for _ in range(10)]
        some.append(some)
        module = type(sys)("kept")
        module.dying, sys.modules["kept"] = Dying(), module
        work()
        emitted += 1
    """,
    "sys_exit": """
        bus.subscribe(deliver, event_types=Event)
        bus.start_background()
        emit(100)
        sys.exit(9)
    """,
    "sys_exit_in_a_thread": """
        bus.subscribe(deliver, event_types=Event)
        bus.start_background()
        def leave():
            emit(10)
            sys.exit(9)
        thread = threading.Thread(target=leave)
        thread.start()
        thread.join()
    """,
    "several_buses": """
        buses = [EventBus(exit_timeout=0.5) for _ in range(5)]
        for one in buses:
            one.subscribe(deliver, event_types=Event)
            one.start_background()
            for _ in range(20):
                one.emit_sync(Event(type="x"))
                emitted += 1
    """,
    "closed": """
        bus.subscribe(deliver, event_types=Event)
        bus.start_background()
        emit(100)
        bus.close()
    """,
}

EXPECTED_CODE = {"exception": 1, "sys_exit_in_a_handler": 7, "sys_exit": 9}

# They emit until the end, or (what the interpreter collects last) after it: uncounted.
UNCOUNTED = {"daemon_threads", "daemon_loop", "decorated_finalisers_of_globals"}


def check(ended: Exit, *, code: int = 0, explained: bool = True) -> None:
    assert ended.code == code, ended
    assert "Fatal Python error" not in ended.err, ended
    took = ended.at - ended.value("ending") / 1000
    assert took <= EXIT_TIMEOUT + 0.5, f"{took:.2f} s for the end of\n{ended}"
    if explained:
        delivered = sum(line.count("d") for line in ended.out.splitlines() if set(line) == {"d"})
        missing = ended.value("emitted") - delivered
        assert missing <= 0 or reported(ended) >= missing, ended


def reported(ended: Exit) -> int:
    """How many events the one line on standard error gives up."""
    lines = [line for line in ended.err.splitlines() if line.startswith("onex_events")]
    assert len(lines) <= 1, ended
    return sum(int(number) for line in lines for number in re.findall(r"\d+", line)[:1])


@pytest.mark.parametrize("name", PROGRAMS)
def test_queued_events_are_delivered_at_exit(name, tally):
    program = textwrap.dedent(PRELUDE) + textwrap.dedent(PROGRAMS[name])
    for _ in range(REPEATS):
        ended = run_program(program, limit=30)
        check(ended, code=EXPECTED_CODE.get(name, 0), explained=name not in UNCOUNTED)
    tally("R7 exit", exits=REPEATS, late=0, by_a_signal=0, unexplained=0)


HUNG = {
    "sync_handler": """
        hung = threading.Event()
        def hang(event):
            time.sleep(3600)
        bus.subscribe(hang, event_types=Event)
        bus.start_background()
        emit(20)
    """,
    "async_handler": """
        async def hang(event):
            await asyncio.sleep(3600)
        bus.subscribe(hang, event_types=Event)
        bus.start_background()
        emit(20)
    """,
    "async_handler_of_a_loop_that_ends": """
        async def main():
            async def hang(event):
                await asyncio.sleep(3600)
            bus.subscribe(hang, event_types=Event)
            global emitted
            for _ in range(20):
                bus.emit(Event(type="x"))
                emitted += 1
        asyncio.run(main())
    """,
    "sink": """
        class Sink:
            def accept(self, events):
                time.sleep(3600)
        bus.attach(Sink())
        bus.start_background()
        emit(20)
    """,
}


@pytest.mark.parametrize("name", HUNG)
def test_a_hung_handler_holds_the_exit_up_for_the_timeout_only(name, tally):
    program = textwrap.dedent(PRELUDE) + textwrap.dedent(HUNG[name])
    repeats = sized(40, part=40)
    for _ in range(repeats):
        ended = run_program(program, limit=EXIT_TIMEOUT + 10)
        check(ended, explained=False)
        assert reported(ended) > 0 or "onex_events" in ended.err, ended
    tally("R7 exit", exits=repeats, late=0, by_a_signal=0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_the_program_handles_ends_it_like_any_other_exit(number, tally):
    program = textwrap.dedent(PRELUDE) + textwrap.dedent(
        f"""
        import onex_events.waiting  # compiling it would lose what the signal's handler raises
        signal.signal({int(number)}, lambda *_: sys.exit(3))
        bus.subscribe(deliver, event_types=Event)
        bus.start_background()
        emit(50)
        print("ready", flush=True)
        while True:
            emit(1)
        """
    )

    def interrupt(process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        while "ready" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(number)

    for _ in range(REPEATS):
        ended = run_program(program, limit=30, meanwhile=interrupt)
        # The interrupted emission itself may or may not have been counted here.
        check(ended, code=3, explained=False)
        assert "Traceback" not in ended.err, ended
    tally("R7 exit", exits=REPEATS, late=0, by_a_signal=0)


@pytest.mark.parametrize("where", ["main thread", "handler", "bus's thread"])
def test_os_exit_ends_at_once(where):
    """Nothing is promised of what is queued then."""
    ended = run_program(
        textwrap.dedent(PRELUDE)
        + textwrap.dedent(
            f"""
            if {where != "main thread"}:
                bus.subscribe(lambda event: os._exit(4), event_types=Event)
            if {where == "bus's thread"}:
                bus.start_background()
            emit(20)
            if {where == "main thread"}:
                os._exit(4)
            bus.flush_sync(20)
            """
        ),
        limit=20,
    )
    assert ended.code == 4, ended
    assert ended.err == "", ended


def test_no_signal_handler_is_installed():
    ended = run_program(
        """
        import signal
        before = {n: signal.getsignal(n) for n in signal.valid_signals()}
        from onex_events import Event, EventBus
        bus = EventBus()
        bus.start_background()
        bus.emit_sync(Event(type="x"))
        assert {n: signal.getsignal(n) for n in signal.valid_signals()} == before
        """
    )
    assert ended.code == 0, ended
