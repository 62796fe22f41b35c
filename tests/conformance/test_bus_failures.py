"""Spec 1 §2: handlers that raise, interrupts, and what they leave behind."""

import asyncio
import io
import logging
import threading

import pytest

from .harness import drain, drained, identity, in_thread, run, wait_until


def _raiser(error, asynchronous):
    async def awaited(event):
        await asyncio.sleep(0)
        raise error

    def called(event):
        raise error

    return awaited if asynchronous else called


both_kinds = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


@both_kinds
class TestExceptions:
    def test_the_emitter_never_sees_it(self, api, bus, asynchronous, caplog):
        bus.subscribe(_raiser(ZeroDivisionError("no"), asynchronous), api.Event)
        event = api.Event(type="x")
        assert bus.emit_sync(event) is event

        async def main():
            assert await bus.emit(event) is event
            await drained(bus)

        run(main())

    def test_the_others_still_run(self, api, bus, seen, asynchronous, caplog):
        bus.subscribe(_raiser(ValueError("no"), asynchronous), api.Event, priority=100)
        bus.subscribe(seen.sync, api.Event, priority=1)
        bus.subscribe(seen.asynchronous, api.Event, priority=2)
        bus.emit_sync(api.Event(type="x"))
        bus.emit_sync(api.Event(type="y"))
        assert seen.types == ["x", "x", "y", "y"]

    def test_it_is_counted(self, api, bus, asynchronous, caplog):
        bus.subscribe(_raiser(ValueError("no"), asynchronous), api.Event)
        for _ in range(3):
            bus.emit_sync(api.Event(type="x"))
        stats = identity(bus)
        assert stats["handler_errors"] == 3
        assert stats["handled"] == 3

    def test_it_is_logged_with_its_traceback(self, api, bus, asynchronous, caplog):
        bus.subscribe(_raiser(ValueError("particular"), asynchronous), api.Event)
        with caplog.at_level(logging.DEBUG, "onex_events"):
            bus.emit_sync(api.Event(type="x"))
        (record,) = [r for r in caplog.records if r.exc_info]
        assert record.name.startswith("onex_events")
        assert record.levelno >= logging.WARNING
        assert isinstance(record.exc_info[1], ValueError)
        assert "particular" in caplog.text and "Traceback" in caplog.text

    def test_a_broken_log_handler_changes_nothing(self, api, bus, seen, asynchronous, monkeypatch):
        class Broken(logging.Handler):
            def emit(self, record):
                raise RuntimeError("log handler")

            def handle(self, record):
                raise RuntimeError("log handler")

        logger = logging.getLogger("onex_events")
        broken = Broken()
        logger.addHandler(broken)
        monkeypatch.setattr(logger, "propagate", False)
        monkeypatch.setattr("sys.stderr", io.StringIO())
        try:
            bus.subscribe(_raiser(ValueError("no"), asynchronous), api.Event, priority=100)
            bus.subscribe(seen.sync, api.Event)
            bus.emit_sync(api.Event(type="x"))
        finally:
            logger.removeHandler(broken)
        assert seen.types == ["x"]
        identity(bus)


class TestPredicates:
    def test_one_that_raises_is_no_match_and_is_counted(self, api, bus, seen, caplog):
        def predicate(event):
            raise ValueError("no")

        bus.subscribe(seen.sync, predicate=predicate)
        others = []
        bus.subscribe(others.append, api.Event)
        with caplog.at_level(logging.DEBUG, "onex_events"):
            bus.emit_sync(api.Event(type="x"))
        assert seen == [] and len(others) == 1
        assert identity(bus)["handler_errors"] == 1
        assert any(record.exc_info for record in caplog.records)

    def test_one_whose_result_has_no_truth(self, api, bus, seen, caplog):
        class Odd:
            def __bool__(self):
                raise ValueError("no truth")

        bus.subscribe(seen.sync, predicate=lambda event: Odd())
        bus.emit_sync(api.Event(type="x"))
        assert seen == []
        assert identity(bus)["handler_errors"] == 1


class TestOddHandlers:
    def test_sync_function_that_returns_a_coroutine_is_awaited(self, api, bus, seen):
        async def work(event):
            await asyncio.sleep(0)
            seen.append(event)

        bus.subscribe(lambda event: work(event), api.Event)
        bus.emit_sync(api.Event(type="x"))
        drain(bus)
        assert seen.types == ["x"]

    def test_stop_iteration_is_an_exception_like_others(self, api, bus, seen, caplog):
        bus.subscribe(_raiser(StopIteration(3), False), api.Event, priority=100)
        bus.subscribe(seen.sync, api.Event)
        bus.emit_sync(api.Event(type="x"))
        assert seen.types == ["x"]
        assert identity(bus)["handler_errors"] == 1

    def test_handler_that_cancels_itself(self, api, bus, seen, caplog):
        async def handler(event):
            raise asyncio.CancelledError

        bus.subscribe(handler, api.Event, priority=100)
        bus.subscribe(seen.sync, api.Event)

        async def main():
            await bus.emit(api.Event(type="x"))
            await bus.emit(api.Event(type="y"))
            await drained(bus)

        run(main())
        assert seen.types == ["x", "y"]
        identity(bus)

    def test_handler_that_recurses_without_end(self, api, bus, seen, caplog):
        def handler(event):
            handler(event)

        bus.subscribe(handler, api.Event, priority=100)
        bus.subscribe(seen.sync, api.Event)
        in_thread(bus.emit_sync, api.Event(type="x"))
        assert seen.types == ["x"]
        assert identity(bus)["handler_errors"] == 1


interrupts = pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])


@interrupts
class TestInterrupts:
    @both_kinds
    def test_goes_to_the_caller_of_emit_sync(self, api, bus, asynchronous, error):
        bus.subscribe(_raiser(error(), asynchronous), pattern="x")
        with pytest.raises(error):
            bus.emit_sync(api.Event(type="x"))
        drain(bus)
        stats = identity(bus)
        assert stats["emitted"] == 1 and stats["handled"] == 1
        assert stats["in_flight"] == 0

    def test_the_bus_goes_on(self, api, bus, seen, error):
        bus.subscribe(_raiser(error(), False), pattern="x")
        bus.subscribe(seen.sync, pattern="y")
        with pytest.raises(error):
            bus.emit_sync(api.Event(type="x"))
        bus.emit_sync(api.Event(type="y"))
        assert seen.types == ["y"]

    def test_goes_through_the_loop_that_ran_the_handler(self, api, bus, error):
        bus.subscribe(_raiser(error(), True), pattern="x")

        async def main():
            await bus.emit(api.Event(type="x"))
            await asyncio.sleep(5)

        with pytest.raises(error):
            asyncio.run(main())
        drain(bus)
        stats = identity(bus)
        assert stats["emitted"] == stats["handled"] == 1

    @pytest.mark.core_only(reason="start_background is beyond the reference path")
    def test_goes_from_the_background_thread_to_the_main_thread(self, api, bus, error):
        bus.subscribe(_raiser(error(), False), pattern="x")
        bus.start_background()
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            bus.emit_sync(api.Event(type="x"))
            wait_until(lambda: False, 5)
        assert threading.current_thread() is threading.main_thread()
        drain(bus)
        stats = identity(bus)
        assert stats["emitted"] == stats["handled"] == 1
