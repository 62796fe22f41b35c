"""How loops and programs may end without the reference losing an event."""

import os
import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("pydantic")

HEAD = """
    import asyncio
    import sys
    import onex_events.reference as onex

    bus = onex.get_event_bus()

    async def handler(event):
        await asyncio.sleep(0.01)
        print(event.type, flush=True)

    bus.subscribe(handler, onex.Event)
"""


def program(body: str, exit_timeout: float = 5.0) -> tuple[list[str], str]:
    """Runs HEAD and ``body`` as a program: the lines that it printed, and what went to stderr."""
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore::ResourceWarning",
            "-c",
            textwrap.dedent(HEAD) + textwrap.dedent(body),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env={
            **os.environ,
            "PYTHONPATH": ":".join(filter(None, sys.path)),
            "ONEX_EVENTS_EXIT_TIMEOUT": str(exit_timeout),
        },
    )
    return done.stdout.split(), done.stderr


def test_what_no_loop_ever_ran_is_delivered_at_exit():
    assert program("bus.emit(onex.Event(type='queued'))") == (["queued"], "")


def test_what_an_abandoned_loop_left_is_delivered_at_exit():
    body = """
    async def main():
        bus.emit(onex.Event(type="first"))
        bus.emit(onex.Event(type="second"))

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    """
    assert program(body) == (["first", "second"], "")


def test_what_a_closed_loop_had_not_begun_is_delivered_at_exit():
    body = """
    async def main():
        bus.emit(onex.Event(type="begun"))
        bus.emit(onex.Event(type="waiting"))

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    """
    printed, errors = program(body)
    assert printed[-1] == "waiting"
    assert ("begun" in printed) is not ("was closed" in errors)


def test_a_handler_that_hangs_does_not_keep_the_program():
    body = """
    async def hang(event):
        await asyncio.Event().wait()

    bus.subscribe(hang, onex.Event, priority=onex.EventPriority.HIGH)
    bus.emit(onex.Event(type="stuck"))
    """
    printed, errors = program(body, exit_timeout=0.2)
    assert printed == []
    assert errors.strip() == "onex_events: 1 events were not delivered within 0.2 s at exit"


def test_an_async_generator_closed_by_the_end_of_the_loop_ends_once():
    body = """
    @onex.emit_events(cancelled_factory=lambda error: onex.Event(type=type(error).__name__))
    async def generate():
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0.02)
            print("closed")

    async def main():
        sys.kept = generate()
        await sys.kept.__anext__()

    asyncio.run(main())
    """
    assert program(body) == (["closed", "GeneratorExit"], "")


def test_a_handler_that_its_closed_loop_never_began_is_no_forgotten_await():
    lines, errors = program(
        """
        async def at_once(event):
            print("begun", flush=True)

        async def main():
            bus.subscribe(at_once, onex.Event, priority=onex.EventPriority.HIGH)
            bus.emit(onex.Event(type="x"))

        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        loop.close()
        bus.flush_sync(5)
        """
    )
    assert lines[0] == "begun"
    assert "never awaited" not in errors
