"""R6: a fork under load has a working bus of its own."""

from __future__ import annotations

import os
import textwrap

import pytest

from .scale import run_program, sized

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")

PROGRAM = """
    import faulthandler, logging, os, signal, sys, threading, warnings
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # fork with threads: the point
    from onex_events import Event, EventBus, emit_events, CreatedEvent, get_event_bus, set_event_bus

    FORKS = {forks}
    bus = EventBus(history_size=100, max_queue_size=1000)
    set_event_bus(bus)
    if {background}:
        bus.start_background()
    delivered = []
    bus.subscribe(delivered.append, pattern="child")
    bus.subscribe(lambda event: None, pattern="parent")

    @emit_events(created_factory=lambda result: CreatedEvent(type="parent.decorated"))
    def decorated():
        pass

    stop = threading.Event()
    def load():
        while not stop.is_set():
            bus.emit_sync(Event(type="parent.load"))
            decorated()
    def log():  # holds the locks of logging most of the time, for a failing handler's report
        while not stop.is_set():
            logging.getLogger("onex_events").error("x")
            bus.emit_sync(Event(type="raises"))
    class Sink(logging.Handler):  # (a stream's own lock would stay taken in the child)
        def emit(self, record):
            self.format(record)
    logging.getLogger("onex_events").addHandler(Sink())
    logging.getLogger("onex_events").propagate = False
    def fail(event):
        raise RuntimeError("meant")
    bus.subscribe(fail, pattern="raises")
    bus.emit_sync(Event(type="raises"))  # formatting its traceback imports something, once
    bus.flush_sync(10)
    threads = [threading.Thread(target=work, daemon=True) for work in (load, load, log)]
    for thread in threads:
        thread.start()

    def in_child(write):
        faulthandler.dump_traceback_later(15)
        signal.alarm(20)  # a hang ends by a signal, which the parent counts
        first = bus.get_statistics()
        assert first["emitted"] == first["queue_size"] == first["in_flight"] == 0, first
        assert first["subscriptions"]["pattern_based"] == 3, first
        del delivered[:]
        event = Event(type="child")
        bus.emit_sync(event)
        bus.flush_sync(10)
        assert [one.id for one in delivered] == [event.id], delivered
        decorated()
        bus.flush_sync(10)
        figures = bus.get_statistics()
        assert figures["emitted"] == figures["handled"] == 2, figures
        bus.emit_sync(Event(type="raises"))
        bus.flush_sync(10)
        os.write(write, event.id.bytes + event.lineage_id.bytes)

    ids, failed = set(), 0
    for number in range(FORKS):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                in_child(write)
                code = 0
            except BaseException:
                import traceback
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(write)
        data = b"".join(iter(lambda: os.read(read, 64), b""))
        os.close(read)
        status = os.waitpid(child, 0)[1]
        if status != 0:
            failed += 1
            print("child", number, "status", status, file=sys.stderr)
        mine = Event(type="parent.mine")
        for one in (data[:16], data[16:], mine.id.bytes, mine.lineage_id.bytes):
            assert one not in ids, "an id came twice"
            ids.add(one)
    stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    bus.flush_sync(20)
    figures = bus.get_statistics()
    assert figures["emitted"] == figures["handled"] + sum(figures["dropped"].values()), figures
    bus.close()
    print(f"failed={{failed}}")
    print(f"forks={{FORKS}}")
"""


@pytest.mark.parametrize("background", [False, True], ids=["inline", "background"])
def test_forks_under_load(background, tally):
    forks = sized(5000, part=100)
    ended = run_program(PROGRAM.format(forks=forks, background=background), limit=60 + forks * 0.2)
    assert ended.code == 0, ended
    assert ended.value("failed") == 0, ended
    assert ended.value("forks") == forks
    tally("R6 fork", forks=forks, hangs=0, children_without_their_event=0, repeated_ids=0)


def test_a_fork_on_a_running_loop_leaves_the_parents_events_to_the_parent():
    ended = run_program(
        """
        import asyncio, os, warnings
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        from onex_events import Event, EventBus

        bus = EventBus()
        seen = []

        async def main():
            async def handler(event):
                seen.append(event.type)
            bus.subscribe(handler, event_types=Event)
            for _ in range(5):
                bus.emit(Event(type="parents"))
            child = os.fork()
            if child == 0:
                try:
                    assert bus.get_statistics()["queue_size"] == 0
                    bus.emit_sync(Event(type="childs"))
                    bus.flush_sync(5)
                    assert seen == ["childs"], seen
                    code = 0
                except BaseException:
                    import traceback
                    traceback.print_exc()
                    code = 1
                os._exit(code)
            print(f"child={os.waitpid(child, 0)[1]}")
            await bus.flush(5)

        asyncio.run(main())
        print(f"seen={seen.count('parents')}")
        """,
        limit=30,
    )
    assert ended.code == 0, ended
    assert ended.value("child") == 0, ended
    assert ended.value("seen") == 5


def test_a_fork_while_a_thread_imports_what_deliveries_need():
    """The import's lock would stay taken in the child."""
    ended = run_program(
        """
        import os, signal, sys, threading
        from onex_events import Event, EventBus
        importing, go = threading.Event(), threading.Event()

        class Slow:  # this import takes until the fork is well under way
            def find_spec(self, name, path=None, target=None):
                if name == "onex_events.waiting":
                    importing.set()
                    go.wait(20)

        bus = EventBus()
        sys.meta_path.insert(0, Slow())
        bus.subscribe(lambda event: None, event_types=Event)
        thread = threading.Thread(target=bus.filter)
        thread.start()
        importing.wait()
        threading.Timer(0.2, go.set).start()
        child = os.fork()
        if child == 0:
            signal.alarm(10)  # a hang ends by a signal
            assert bus.filter() == []
            bus.emit_sync(Event(type="x"))
            bus.flush_sync(5)
            os._exit(0)
        go.set()
        print(f"child={os.waitpid(child, 0)[1]}")
        thread.join()
        """
    )
    assert ended.code == 0, ended
    assert ended.value("child") == 0, ended


MULTIPROCESSING = """
    import multiprocessing, os, sys, threading, warnings
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    from onex_events import Event, EventBus, get_event_bus, set_event_bus

    def serve(numbers):
        # Forked: the parent's bus without its queue; else one of its own.
        bus = get_event_bus()
        seen = []
        with bus.subscribe(seen.append, pattern="child"):
            for number in numbers:
                bus.emit_sync(Event(type="child", metadata={"number": number}))
            bus.flush_sync(20)
        assert [event.metadata["number"] for event in seen] == numbers, seen
        return [event.id for event in seen]

    if __name__ == "__main__":
        bus = get_event_bus()
        at_work = threading.Event()
        parents = []
        bus.subscribe(parents.append, pattern="parent")
        bus.start_background()
        stop = threading.Event()
        emitted = 0
        def load():
            global emitted
            while not stop.is_set():
                bus.emit_sync(Event(type="parent"))
                emitted += 1
                at_work.set()
        thread = threading.Thread(target=load, daemon=True)
        thread.start()
        at_work.wait()
        ids = []
        context = multiprocessing.get_context(sys.argv[1])
        for _ in range(int(sys.argv[2])):
            with context.Pool(2, maxtasksperchild=1) as pool:
                for some in pool.map(serve, [[1, 2, 3], [4, 5], [6]], chunksize=1):
                    ids.extend(some)
        stop.set()
        thread.join(20)
        bus.flush_sync(20)
        assert len(parents) == emitted
        assert len(set(ids) | {event.id for event in parents}) == len(ids) + emitted
        print(f"served={len(ids)}")
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(method, tmp_path, tally):
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(MULTIPROCESSING))
    pools = sized(20)
    ended = run_program(
        f"""
        import runpy, sys
        sys.argv = [{str(script)!r}, {method!r}, "{pools}"]
        runpy.run_path(sys.argv[0], run_name="__main__")
        """
        if method == "fork"
        else f"""
        import subprocess, sys
        command = [sys.executable, {str(script)!r}, {method!r}, "{pools}"]
        sys.exit(subprocess.run(command).returncode)
        """,
        limit=60 + pools * 10,
    )
    assert ended.code == 0, ended
    assert ended.value("served") == 6 * pools, ended
    tally("R6 fork", multiprocessing_children=3 * pools, hangs=0)


def test_prefork_server_whose_children_are_killed_and_replaced(tally):
    """As gunicorn does it: the master makes the bus, its subscriptions and its thread."""
    children = sized(400)
    ended = run_program(
        f"""
        import os, select, signal, threading, time, warnings
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        from onex_events import CreatedEvent, Event, EventBus, emit_events, set_event_bus

        bus = EventBus(exit_timeout=2)
        set_event_bus(bus)
        read, write = os.pipe()
        bus.subscribe(lambda event: os.write(write, event.id.bytes), pattern="served")
        async def later(event):
            os.write(write, event.lineage_id.bytes)
        bus.subscribe(later, pattern="served")
        bus.start_background()
        gate = threading.Event()
        bus.subscribe(lambda event: gate.wait(), pattern="of the master")
        bus.emit_sync(Event(type="of the master"))  # in flight and queued at every fork
        bus.emit_sync(Event(type="of the master"))

        @emit_events(created_factory=lambda result: CreatedEvent(type="served"))
        def serve():
            pass

        def child():
            while True:
                serve()
                bus.flush_sync(10)
                select.select([], [], [], 0.01)

        def start():
            pid = os.fork()
            if pid == 0:
                try:
                    child()
                finally:
                    os._exit(1)
            return pid

        ids, killed = set(), 0
        alive = [start() for _ in range(2)]
        while killed < {children}:
            # Two from each child that has served: its own ids, none of them seen before.
            ready, _, _ = select.select([read], [], [], 20)
            assert ready, "no child serves: hung"
            one = os.read(read, 16)
            assert one not in ids, "an id came twice"
            ids.add(one)
            if len(ids) % 4 == 0:
                pid = alive.pop(0)
                os.kill(pid, signal.SIGKILL if killed % 2 else signal.SIGTERM)
                status = os.waitpid(pid, 0)[1]
                assert os.WIFSIGNALED(status) and os.WTERMSIG(status) in (9, 15), status
                killed += 1
                alive.append(start())
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        gate.set()
        bus.flush_sync(10)
        figures = bus.get_statistics()
        assert figures["emitted"] == figures["handled"] == 2, figures
        print(f"ids={{len(ids)}}")
        """,
        limit=60 + children,
    )
    assert ended.code == 0, ended
    assert ended.value("ids") >= children, ended
    tally("R6 fork", prefork_children_replaced=children, hangs=0, repeated_ids=0)
