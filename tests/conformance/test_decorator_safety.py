"""Spec 1 §3 and targets R9, R10: listening never changes the program."""

import asyncio
import contextvars
import logging
import types

import pytest

from .harness import drain, identity, run, until

KINDS = ["def", "async def", "generator", "async generator"]


@types.coroutine
def suspend(value=None):
    """Suspend the coroutine that awaits it, once."""
    return (yield value)


def _call(kind, decorate, body):
    """Decorate a function of that kind around `body` and run one call to its end."""
    if kind == "def":
        return decorate(lambda: body())()
    if kind == "async def":

        @decorate
        async def coroutine():
            await asyncio.sleep(0)
            return body()

        return run(coroutine())
    if kind == "generator":

        @decorate
        def generator():
            yield
            return body()

        made = generator()
        next(made)
        try:
            next(made)
        except StopIteration as stopped:
            return stopped.value
        raise AssertionError("the generator did not end")

    results = []

    @decorate
    async def async_generator():
        yield
        results.append(body())

    async def main():
        async for _ in async_generator():
            pass

    run(main())
    return results[0]


def _broken(*args, **kwargs):
    raise LookupError("broken factory")


@pytest.mark.parametrize("kind", KINDS)
class TestNothingReachesTheCaller:
    """R10: no exception of a factory, predicate or handler reaches the function's caller."""

    @pytest.mark.parametrize("which", ["creating_factory", "created_factory"])
    def test_factory_raises(self, api, bus, seen, kind, which, caplog):
        bus.subscribe(seen.sync, api.Event)
        factories = {
            "creating_factory": lambda: api.CreatingEvent(),
            "created_factory": lambda result: api.CreatedEvent(),
            which: _broken,
        }
        with caplog.at_level(logging.DEBUG, "onex_events"):
            assert _call(kind, api.emit_events(**factories), lambda: "fine") == "fine"
        drain(bus)
        expected = ["created"] if which == "creating_factory" else ["creating"]
        assert seen.types == expected
        assert any("broken factory" in str(r.exc_info[1]) for r in caplog.records if r.exc_info)
        assert api.get_context_depth() == 0
        identity(bus)

    @pytest.mark.parametrize("which", ["failed_factory", "cancelled_factory"])
    def test_end_factory_raises(self, api, bus, seen, kind, which, caplog):
        bus.subscribe(seen.sync, api.Event)
        error = ValueError if which == "failed_factory" else asyncio.CancelledError

        def body():
            raise error("own")

        with pytest.raises(error) as caught:
            _call(kind, api.emit_events(**{which: _broken}), body)
        if kind != "async def":
            assert caught.value.args == ("own",)
        drain(bus)
        assert seen == []
        assert api.get_context_depth() == 0

    @pytest.mark.parametrize("result", [None, 3, "event", object()], ids=repr)
    def test_factory_gives_no_event(self, api, bus, seen, kind, result, caplog):
        bus.subscribe(seen.sync, api.Event)
        decorate = api.emit_events(
            creating_factory=lambda: result, created_factory=lambda value: api.CreatedEvent()
        )
        assert _call(kind, decorate, lambda: api.get_context_depth()) == 0
        drain(bus)
        assert seen.types == ["created"]

    def test_factory_gives_an_invalid_event(self, api, bus, seen, kind, caplog):
        bus.subscribe(seen.sync, api.Event)
        decorate = api.emit_events(
            creating_factory=lambda: api.ProcessingEvent(),
            created_factory=lambda value: api.CreatedEvent(),
        )
        assert _call(kind, decorate, lambda: "fine") == "fine"
        drain(bus)
        assert seen.types == ["created"]

    @pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
    def test_handler_raises(self, api, bus, seen, kind, asynchronous, caplog):
        async def awaited(event):
            raise LookupError("handler")

        def called(event):
            raise LookupError("handler")

        bus.subscribe(awaited if asynchronous else called, api.Event)
        decorate = api.emit_events(
            creating_factory=lambda: api.CreatingEvent(),
            created_factory=lambda result: api.CreatedEvent(),
        )
        assert _call(kind, decorate, lambda: "fine") == "fine"
        drain(bus)
        assert identity(bus)["handler_errors"] == 2

    def test_predicate_raises(self, api, bus, seen, kind, caplog):
        def predicate(event):
            raise LookupError("predicate")

        bus.subscribe(seen.sync, predicate=predicate)
        decorate = api.emit_events(created_factory=lambda result: api.CreatedEvent())
        assert _call(kind, decorate, lambda: "fine") == "fine"
        drain(bus)
        assert seen == []
        assert identity(bus)["handler_errors"] == 1

    def test_enabled_raises(self, api, bus, seen, kind, caplog):
        def enabled(*args, **kwargs):
            raise LookupError("enabled")

        bus.subscribe(seen.sync, api.Event)
        decorate = api.emit_events(
            created_factory=lambda result: api.CreatedEvent(), enabled=enabled
        )
        assert _call(kind, decorate, lambda: "fine") == "fine"

    def test_sample_raises(self, api, bus, seen, kind, caplog):
        class Sampler:
            def should_emit(self, event_type):
                raise LookupError("sampler")

        bus.subscribe(seen.sync, api.Event)
        decorate = api.emit_events(
            created_factory=lambda result: api.CreatedEvent(), sample=Sampler()
        )
        assert _call(kind, decorate, lambda: "fine") == "fine"

    def test_the_functions_exception_wins_over_a_factorys(self, api, bus, seen, kind, caplog):
        bus.subscribe(seen.sync, api.Event)

        def body():
            raise ZeroDivisionError("own")

        with pytest.raises(ZeroDivisionError, match="own") as caught:
            _call(kind, api.emit_events(failed_factory=_broken, creating_factory=_broken), body)
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None

    def test_result_is_untouched(self, api, bus, seen, kind):
        bus.subscribe(seen.sync, api.Event)
        marker = object()
        decorate = api.emit_events(created_factory=lambda result: api.CreatedEvent())
        assert _call(kind, decorate, lambda: marker) is marker


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", ["creating_factory", "created_factory"])
def test_strict_raises_instead(api, bus, seen, kind, which, caplog):
    bus.subscribe(seen.sync, api.Event)
    with pytest.raises(LookupError, match="broken factory"):
        _call(kind, api.emit_events(**{which: _broken}, strict=True), lambda: "fine")
    assert api.get_context_depth() == 0
    drain(bus)
    identity(bus)


class TestCancellationAtEveryAwait:
    """R9: exactly one end event per started call, the parent restored."""

    AWAITS = 4

    @pytest.fixture
    def decorated(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)
        awaits = self.AWAITS

        @api.emit_events(
            creating_factory=lambda: api.CreatingEvent(),
            created_factory=lambda result: api.CreatedEvent(),
            failed_factory=lambda error: api.Event(type="failed"),
            cancelled_factory=lambda error: api.Event(type="cancelled"),
        )
        async def f():
            for n in range(awaits):
                await suspend(n)
            return "done"

        return f

    @pytest.mark.parametrize("steps", range(AWAITS + 2))
    @pytest.mark.parametrize("error", [asyncio.CancelledError, ValueError, GeneratorExit, "close"])
    def test_thrown_after_some_steps(self, api, bus, seen, decorated, steps, error):
        outer = api.Event(type="outer")
        with api.EventContextManager(outer):
            coroutine = decorated()
            finished = False
            for n in range(steps):
                if n < self.AWAITS:
                    assert coroutine.send(None) == n
                else:
                    with pytest.raises(StopIteration) as stopped:
                        coroutine.send(None)
                    assert stopped.value.value == "done"
                    finished = True
            if error == "close":
                coroutine.close()
            elif not finished:
                with pytest.raises(error):
                    coroutine.throw(error())
            else:
                with pytest.raises(RuntimeError, match="already awaited"):
                    coroutine.throw(error())
            assert api.get_current_parent_event() is outer
            assert api.get_context_depth() == 1
        drain(bus)
        if steps == 0:
            assert seen.types in ([], ["creating", "cancelled"], ["creating", "failed"])
            if error == "close":
                assert seen == []
        elif finished:
            assert seen.types == ["creating", "created"]
        else:
            end = "failed" if error is ValueError else "cancelled"
            assert seen.types == ["creating", end]

    @pytest.mark.parametrize("steps", range(1, AWAITS + 1))
    def test_abandoned_coroutine_has_one_end_event(self, api, bus, seen, decorated, steps):
        coroutine = decorated()
        for _ in range(steps):
            coroutine.send(None)
        del coroutine
        drain(bus)
        assert seen.types == ["creating", "cancelled"]
        assert api.get_context_depth() == 0

    def test_coroutine_that_swallows_a_cancellation_ends_normally(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)

        @api.emit_events(
            created_factory=lambda result: api.CreatedEvent(),
            cancelled_factory=lambda error: api.Event(type="cancelled"),
        )
        async def f():
            try:
                await suspend()
            except asyncio.CancelledError:
                await suspend()
            return 3

        coroutine = f()
        coroutine.send(None)
        coroutine.throw(asyncio.CancelledError())
        with pytest.raises(StopIteration) as stopped:
            coroutine.send(None)
        assert stopped.value.value == 3
        drain(bus)
        assert seen.types == ["created"]

    def test_timeout_around_it(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)

        @api.emit_events(cancelled_factory=lambda error: api.Event(type="cancelled"))
        async def f():
            await asyncio.Event().wait()

        async def main():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await f()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(f(), 0.01)

        run(main())
        drain(bus)
        assert seen.types == ["cancelled", "cancelled"]

    def test_task_group_that_fails_cancels_its_tasks(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)

        @api.emit_events(
            creating_factory=lambda n: api.CreatingEvent(),
            cancelled_factory=lambda error, n: api.Event(type="cancelled"),
            failed_factory=lambda error, n: api.Event(type="failed"),
        )
        async def f(n):
            if n == 2:
                raise ValueError
            await asyncio.Event().wait()

        async def main():
            with pytest.raises(ExceptionGroup):
                async with asyncio.TaskGroup() as group:
                    for n in range(3):
                        group.create_task(f(n))

        run(main())
        drain(bus)
        assert sorted(seen.types) == ["cancelled"] * 2 + ["creating"] * 3 + ["failed"]

    def test_task_cancelled_before_its_first_step_makes_no_event(self, api, bus, seen, decorated):
        async def main():
            task = asyncio.create_task(decorated())
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        run(main())
        drain(bus)
        assert seen.types in ([], ["creating", "cancelled"])


class TestGeneratorsClosedEarly:
    YIELDS = 3

    @pytest.fixture
    def decorate(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)
        return api.emit_events(
            creating_factory=lambda: api.CreatingEvent(),
            created_factory=lambda result: api.CreatedEvent(),
            failed_factory=lambda error: api.Event(type="failed"),
            cancelled_factory=lambda error: api.Event(type="cancelled"),
        )

    @pytest.fixture
    def generator(self, decorate):
        count = self.YIELDS

        @decorate
        def f():
            yield from range(count)

        return f

    @pytest.fixture
    def async_generator(self, decorate):
        count = self.YIELDS

        @decorate
        async def f():
            for n in range(count):
                await asyncio.sleep(0)
                yield n

        return f

    @pytest.mark.parametrize("steps", range(1, YIELDS + 1))
    @pytest.mark.parametrize("way", ["close", "del", "throw"])
    def test_generator(self, api, bus, seen, generator, steps, way):
        outer = api.Event(type="outer")
        with api.EventContextManager(outer):
            made = generator()
            for n in range(steps):
                assert next(made) == n
            if way == "close":
                made.close()
                made.close()
            elif way == "throw":
                with pytest.raises(ValueError):
                    made.throw(ValueError())
            del made
            assert api.get_current_parent_event() is outer
            assert api.get_context_depth() == 1
        drain(bus)
        assert seen.types == ["creating", "failed" if way == "throw" else "cancelled"]

    @pytest.mark.parametrize("steps", range(1, YIELDS + 1))
    @pytest.mark.parametrize("way", ["aclose", "athrow"])
    def test_async_generator(self, api, bus, seen, async_generator, steps, way):
        async def main():
            outer = api.Event(type="outer")
            with api.EventContextManager(outer):
                made = async_generator()
                for n in range(steps):
                    assert await anext(made) == n
                if way == "aclose":
                    await made.aclose()
                    await made.aclose()
                else:
                    with pytest.raises(ValueError):
                        await made.athrow(ValueError())
                assert api.get_current_parent_event() is outer
                assert api.get_context_depth() == 1

        run(main())
        drain(bus)
        assert seen.types == ["creating", "failed" if way == "athrow" else "cancelled"]

    def test_generator_closed_in_another_context(self, api, bus, seen, generator):
        made = generator()
        contextvars.copy_context().run(next, made)
        outer = api.Event(type="outer")
        with api.EventContextManager(outer):
            made.close()
            assert api.get_current_parent_event() is outer
        drain(bus)
        assert seen.types == ["creating", "cancelled"]

    def test_generator_closed_in_another_thread(self, api, bus, seen, generator):
        from .harness import in_thread

        made = generator()
        next(made)
        in_thread(made.close)
        drain(bus)
        assert seen.types == ["creating", "cancelled"]
        assert api.get_context_depth() == 0

    def test_async_generator_closed_by_another_task(self, api, bus, seen, async_generator):
        async def main():
            made = async_generator()

            async def start():
                assert await anext(made) == 0
                assert api.get_context_depth() == 0

            async def finish():
                await made.aclose()
                assert api.get_context_depth() == 0

            await asyncio.create_task(start())
            await asyncio.create_task(finish())

        run(main())
        drain(bus)
        assert seen.types == ["creating", "cancelled"]

    def test_async_generator_cancelled_at_its_await(self, api, bus, seen, decorate):
        @decorate
        async def f():
            yield 1
            await asyncio.Event().wait()
            yield 2

        async def main():
            async def consume():
                async for _ in f():
                    waiting.set()

            waiting = asyncio.Event()
            task = asyncio.create_task(consume())
            await waiting.wait()
            await asyncio.sleep(0)
            task.cancel()
            await until(task.done)
            assert task.cancelled()

        run(main())
        drain(bus)
        assert seen.types == ["creating", "cancelled"]

    def test_generator_that_ignores_its_closing(self, api, bus, seen, decorate):
        @decorate
        def stubborn():
            try:
                yield 1
            except GeneratorExit:
                yield 2

        made = stubborn()
        next(made)
        with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
            made.close()
        del made
        drain(bus)
        assert seen.types[0] == "creating"
        assert len(seen) == 2
        assert api.get_context_depth() == 0


class TestReentrancy:
    def test_handler_that_calls_the_decorated_function(self, api, bus):
        made = []

        @api.emit_events(created_factory=lambda result, n: made.append(n) or api.CreatedEvent())
        def f(n):
            return n

        def handler(event):
            if len(made) < 20:
                f(len(made))

        bus.subscribe(handler, api.Event)
        assert f(0) == 0
        drain(bus)
        assert len(made) == 20
        identity(bus)

    def test_factory_that_calls_decorated_functions(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)

        @api.emit_events(created_factory=lambda result: api.Event(type="inner"))
        def inner():
            return 1

        @api.emit_events(created_factory=lambda result: inner() and api.Event(type="outer"))
        def outer():
            return 2

        assert outer() == 2
        drain(bus)
        assert sorted(seen.types) == ["inner", "outer"]

    def test_factory_that_subscribes_and_unsubscribes(self, api, bus, seen):
        first = bus.subscribe(lambda event: None, api.Event)

        def factory(result):
            bus.unsubscribe(first)
            bus.subscribe(seen.sync, api.Event)
            return api.CreatedEvent()

        @api.emit_events(created_factory=factory)
        def f():
            return 1

        assert f() == 1
        drain(bus)
        assert seen.types == ["created"]

    def test_deep_nesting_of_decorated_calls(self, api, bus, seen):
        bus.subscribe(seen.sync, api.CreatedEvent)

        @api.emit_events(
            creating_factory=lambda n: api.CreatingEvent(),
            created_factory=lambda result, n: api.CreatedEvent(),
        )
        def f(n):
            return 0 if n == 0 else 1 + f(n - 1)

        assert f(150) == 150
        drain(bus)
        assert len(seen) == 151
        assert api.get_context_depth() == 0
