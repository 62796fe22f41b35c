"""R6: a fork under load has a working bus of its own."""

from __future__ import annotations

import os

import pytest

from .scale import run_program, sized

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")

PROGRAM = """
    import os, select, signal, sys, threading, warnings
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
    threads = [threading.Thread(target=load, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()

    def in_child(write):
        signal.alarm(20)  # a hang ends by a signal, which the parent counts
        first = bus.get_statistics()
        assert first["emitted"] == first["queue_size"] == first["in_flight"] == 0, first
        assert first["subscriptions"]["pattern_based"] == 2, first
        del delivered[:]
        event = Event(type="child")
        bus.emit_sync(event)
        bus.flush_sync(10)
        assert [one.id for one in delivered] == [event.id], delivered
        decorated()
        bus.flush_sync(10)
        figures = bus.get_statistics()
        assert figures["emitted"] == figures["handled"] == 2, figures
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
def test_forks_under_load(background):
    forks = sized(5000, part=100)
    ended = run_program(PROGRAM.format(forks=forks, background=background), limit=60 + forks * 0.2)
    assert ended.code == 0, ended
    assert ended.value("failed") == 0, ended
    assert ended.value("forks") == forks


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
