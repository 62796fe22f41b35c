"""Spec 1 §2: where async handlers run; several loops, threads, and the end of asyncio.run."""

import asyncio
import contextvars
import threading
import time

import pytest

from .harness import Seen, drain, drained, identity, in_thread, run, settled, until, wait_until


class TestHomeLoop:
    def test_handler_subscribed_in_a_loop_runs_there(self, api, bus):
        loops = []

        async def handler(event):
            loops.append((asyncio.get_running_loop(), threading.get_ident()))

        async def main():
            bus.subscribe(handler, api.Event)
            await asyncio.to_thread(bus.emit_sync, api.Event(type="x"))
            return asyncio.get_running_loop(), threading.get_ident()

        here = run(main())
        assert loops == [here]

    def test_emit_sync_from_a_thread_waits_for_a_handler_of_another_threads_loop(self, api, bus):
        seen = Seen()

        async def handler(event):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            seen.append(event)

        def emit():
            bus.emit_sync(api.Event(type="x"))
            return seen.types

        async def main():
            bus.subscribe(handler, api.Event)
            return await asyncio.to_thread(emit)

        assert run(main()) == ["x"]

    def test_handler_subscribed_outside_runs_on_the_home_loop(self, api, bus):
        loops = []

        async def handler(event):
            loops.append(asyncio.get_running_loop())

        bus.subscribe(handler, api.Event)

        async def main():
            await bus.emit(api.Event(type="x"))
            await drained(bus)
            return asyncio.get_running_loop()

        assert run(main()) is loops[0]
        assert len(loops) == 1

    def test_without_any_loop_the_bus_uses_one_of_its_own(self, api, bus):
        loops = []

        async def handler(event):
            loops.append(asyncio.get_running_loop())

        bus.subscribe(handler, api.Event)
        bus.emit_sync(api.Event(type="1"))
        bus.emit_sync(api.Event(type="2"))
        assert len(loops) == 2
        assert loops[0] is loops[1]

    def test_own_loop_runs_in_the_thread_that_drains(self, api, bus):
        threads = []

        async def handler(event):
            threads.append(threading.get_ident())

        bus.subscribe(handler, api.Event)
        bus.emit_sync(api.Event(type="1"))
        other = in_thread(lambda: (bus.emit_sync(api.Event(type="2")), threading.get_ident())[1])
        assert threads == [threading.get_ident(), other]

    def test_objects_bound_to_the_own_loop_last(self, api, bus, seen):
        lock = asyncio.Lock()

        async def handler(event):
            async with lock:
                await asyncio.sleep(0)
                seen.append(event)

        bus.subscribe(handler, api.Event)
        for n in range(3):
            bus.emit_sync(api.Event(type=str(n)))
        assert seen.types == ["0", "1", "2"]

    def test_current_loop_of_the_caller_is_left_alone(self, api, bus, seen):
        bus.subscribe(seen.asynchronous, api.Event)
        bus.emit_sync(api.Event(type="x"))
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        assert run(asyncio.sleep(0, "fine")) == "fine"

    def test_handler_whose_loop_has_ended_still_gets_events(self, api, bus, seen):
        async def subscribe():
            bus.subscribe(seen.asynchronous, api.Event)

        run(subscribe())
        bus.emit_sync(api.Event(type="alone"))

        async def again():
            await bus.emit(api.Event(type="second loop"))
            await drained(bus)

        run(again())
        assert seen.types == ["alone", "second loop"]

    def test_home_loop_that_does_not_run_gives_the_role_up(self, api, bus, seen):
        loop = asyncio.new_event_loop()
        try:
            bus.subscribe(seen.asynchronous, api.Event)
            loop.run_until_complete(bus.start())
            start = time.monotonic()
            in_thread(bus.emit_sync, api.Event(type="x"))
            wait_until(lambda: seen.types == ["x"])
            assert time.monotonic() - start < 8
        finally:
            loop.run_until_complete(bus.stop())
            loop.close()

    def test_loop_that_was_stopped_and_goes_on_still_works(self, api, bus, seen):
        loop = asyncio.new_event_loop()
        try:
            bus.subscribe(seen.asynchronous, api.Event)

            async def emit(name):
                await bus.emit(api.Event(type=name))

            async def settle():
                await drained(bus)

            loop.run_until_complete(emit("1"))
            loop.run_until_complete(emit("2"))
            loop.run_until_complete(settle())
            assert seen.types == ["1", "2"]
        finally:
            loop.run_until_complete(bus.stop())
            loop.close()


class TestWithoutARunningLoop:
    def test_emit_outside_any_loop_queues_the_event(self, api, bus, seen):
        bus.subscribe(seen.asynchronous, api.Event)
        pending = bus.emit(api.Event(type="x"))
        assert bus.get_statistics()["emitted"] == 1
        drain(bus)
        assert seen.types == ["x"]
        pending.close()

    def test_emit_sync_after_it_delivers_both_in_order(self, api, bus, seen):
        bus.subscribe(seen.sync, api.Event)
        pending = bus.emit(api.Event(type="1"))
        bus.emit_sync(api.Event(type="2"))
        assert seen.types == ["1", "2"]
        pending.close()

    def test_loop_driven_by_hand(self, api, bus, seen):
        """A loop that is run in pieces and never shut down by asyncio.run."""
        bus.subscribe(seen.asynchronous, api.Event)
        loop = asyncio.new_event_loop()

        async def emit(name):
            await bus.emit(api.Event(type=name))

        for n in range(5):
            loop.run_until_complete(emit(str(n)))
        loop.close()
        drain(bus)
        assert seen.types == [str(n) for n in range(5)]

    def test_eager_tasks(self, python_3_12, api, bus, seen):
        bus.subscribe(seen.asynchronous, api.Event)

        async def main():
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
            for n in range(10):
                await asyncio.create_task(bus.emit(api.Event(type=str(n))))
            await drained(bus)

        run(main())
        assert seen.types == [str(n) for n in range(10)]

    def test_debug_mode(self, api, bus, seen):
        bus.subscribe(seen.asynchronous, api.Event)
        bus.subscribe(seen.sync, api.Event)

        async def main():
            for n in range(5):
                await bus.emit(api.Event(type=str(n)))
            await drained(bus)

        asyncio.run(main(), debug=True)
        assert sorted(seen.types) == sorted(str(n) for n in range(5) for _ in "ab")


class TestLoopsInTurn:
    @pytest.mark.parametrize("kind", ["sync", "asynchronous"])
    def test_asyncio_run_repeated(self, api, bus, seen, kind):
        bus.subscribe(getattr(seen, kind), api.Event)

        async def main(n):
            for k in range(10):
                await bus.emit(api.Event(type=f"{n}.{k}"))

        for n in range(4):
            run(main(n))
        assert seen.types == [f"{n}.{k}" for n in range(4) for k in range(10)]
        assert settled(bus)

    def test_sync_and_async_programs_in_turn(self, api, bus, seen):
        bus.subscribe(seen.asynchronous, api.Event)

        async def main(name):
            await bus.emit(api.Event(type=name))
            await drained(bus)

        bus.emit_sync(api.Event(type="1"))
        run(main("2"))
        bus.emit_sync(api.Event(type="3"))
        run(main("4"))
        assert seen.types == ["1", "2", "3", "4"]

    def test_handler_awaits_objects_of_the_loop_that_runs(self, api, bus, seen):
        async def handler(event):
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(future.set_result, None)
            await future
            seen.append(event)

        bus.subscribe(handler, api.Event)

        async def main(n):
            await bus.emit(api.Event(type=str(n)))

        for n in range(3):
            run(main(n))
        assert seen.types == ["0", "1", "2"]


class TestEndOfRun:
    @pytest.mark.parametrize("kind", ["sync", "asynchronous"])
    def test_queued_events_are_delivered(self, api, bus, seen, kind):
        bus.subscribe(getattr(seen, kind), api.Event)

        async def main():
            for n in range(100):
                bus.emit_sync(api.Event(type=str(n)))

        asyncio.run(main())
        assert seen.types == [str(n) for n in range(100)]
        assert settled(bus)

    def test_slow_async_handlers_finish(self, api, bus, seen):
        async def handler(event):
            for _ in range(3):
                await asyncio.sleep(0.001)
            seen.append(event)

        bus.subscribe(handler, api.Event)

        async def main():
            for n in range(20):
                bus.emit_sync(api.Event(type=str(n)))

        asyncio.run(main())
        assert seen.types == [str(n) for n in range(20)]

    def test_events_emitted_by_handlers_at_the_end_are_delivered(self, api, bus, seen):
        async def handler(event):
            seen.append(event)
            if event.pending_children:
                await bus.emit(api.Event(type="x", pending_children=event.pending_children - 1))

        bus.subscribe(handler, api.Event)

        async def main():
            bus.emit_sync(api.Event(type="x", pending_children=10))

        asyncio.run(main())
        drain(bus)
        assert [event.pending_children for event in seen] == list(range(10, -1, -1))

    @pytest.mark.parametrize("kind", ["sync", "asynchronous"])
    def test_end_events_of_cancelled_tasks_are_delivered(self, api, bus, seen, kind):
        bus.subscribe(getattr(seen, kind), api.Event)

        @api.emit_events(cancelled_factory=lambda error, *a: api.Event(type="cancelled"))
        async def waiting(started):
            started.set()
            await asyncio.Event().wait()

        async def main():
            tasks = []
            for _ in range(3):
                started = asyncio.Event()
                tasks.append(asyncio.create_task(waiting(started)))
                await started.wait()

        asyncio.run(main())
        assert seen.types == ["cancelled"] * 3
        assert settled(bus)

    @pytest.mark.parametrize("way", ["emit", "emit_sync", "decorated"])
    def test_events_emitted_while_another_thread_delivers_are_delivered(self, api, bus, seen, way):
        begun, gate = threading.Event(), threading.Event()

        def hold(event):
            begun.set()
            gate.wait(10)

        bus.subscribe(hold, pattern="first")
        bus.subscribe(seen.sync, pattern="second")

        @api.emit_events(creating_factory=lambda: api.Event(type="second"))
        async def decorated():
            pass

        async def main():
            if way == "emit":
                await bus.emit(api.Event(type="second"))
            elif way == "emit_sync":
                bus.emit_sync(api.Event(type="second"))
            else:
                await decorated()

        thread = threading.Thread(target=bus.emit_sync, args=(api.Event(type="first"),))
        thread.start()
        try:
            assert begun.wait(10)
            threading.Timer(0.2, gate.set).start()
            asyncio.run(main())
            assert seen.types == ["second"]
        finally:
            gate.set()
            thread.join(10)

    def test_main_that_raises_still_delivers(self, api, bus, seen):
        bus.subscribe(seen.asynchronous, api.Event)

        async def main():
            bus.emit_sync(api.Event(type="x"))
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            asyncio.run(main())
        assert seen.types == ["x"]

    @pytest.mark.core_only(reason="exit_timeout is beyond the reference path")
    def test_hanging_handler_is_cancelled_after_exit_timeout_and_counted(self, api, make_bus, seen):
        bus = make_bus(exit_timeout=0.2)
        cancelled = []

        async def handler(event):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(event.type)
                raise

        bus.subscribe(handler, pattern="hang")
        bus.subscribe(seen.asynchronous, pattern="hang|x", priority=1)

        async def main():
            bus.emit_sync(api.Event(type="hang"))
            for _ in range(3):
                await asyncio.sleep(0)

        start = time.monotonic()
        in_thread(asyncio.run, main())
        assert time.monotonic() - start < 5
        assert cancelled == ["hang"]
        stats = identity(bus)
        assert stats["in_flight"] == 0 and stats["queue_size"] == 0
        assert stats["handler_errors"] >= 1


class TestLoopsAtOnce:
    @pytest.mark.parametrize("kind", ["sync", "asynchronous"])
    def test_two_loops_emit_at_once(self, api, bus, kind):
        seen = Seen()
        bus.subscribe(getattr(seen, kind), api.Event)
        barrier = threading.Barrier(2)

        async def main(who):
            await asyncio.to_thread(barrier.wait, 10)
            for n in range(100):
                await bus.emit(api.Event(type=f"{who}{n}"))
                if n % 10 == 0:
                    await asyncio.sleep(0)

        threads = [
            threading.Thread(target=lambda who=who: run(main(who)), daemon=True) for who in "ab"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        drain(bus)
        assert len(seen) == 200
        for who in "ab":
            mine = [name for name in seen.types if name.startswith(who)]
            assert mine == [f"{who}{n}" for n in range(100)]

    def test_each_handler_runs_on_its_own_loop(self, api, bus):
        ran = {}
        ready, done = threading.Barrier(3), threading.Event()

        async def main(who):
            async def handler(event):
                await asyncio.sleep(0)
                ran[who] = asyncio.get_running_loop() is mine

            mine = asyncio.get_running_loop()
            bus.subscribe(handler, api.Event)
            await asyncio.to_thread(ready.wait, 10)
            await asyncio.to_thread(done.wait, 10)

        threads = [
            threading.Thread(target=lambda who=who: run(main(who)), daemon=True) for who in "ab"
        ]
        for thread in threads:
            thread.start()
        ready.wait(10)
        bus.emit_sync(api.Event(type="x"))
        assert ran == {"a": True, "b": True}
        done.set()
        for thread in threads:
            thread.join(10)

    def test_one_event_at_a_time_across_loops(self, api, bus):
        running, overlaps, seen = [], [], []
        ready, done = threading.Barrier(3), threading.Event()

        async def main():
            async def handler(event):
                running.append(event.type)
                await asyncio.sleep(0)
                if len(set(running)) > 1:
                    overlaps.append(list(running))
                running.remove(event.type)
                seen.append(event.type)

            bus.subscribe(handler, api.Event)
            await asyncio.to_thread(ready.wait, 10)
            await asyncio.to_thread(done.wait, 20)

        threads = [threading.Thread(target=lambda: run(main(), 30), daemon=True) for _ in "ab"]
        for thread in threads:
            thread.start()
        ready.wait(10)
        for n in range(30):
            bus.emit_sync(api.Event(type=str(n)))
        done.set()
        for thread in threads:
            thread.join(20)
        assert overlaps == []
        assert seen == [str(n) for n in range(30) for _ in "ab"]


class TestThreads:
    @pytest.mark.parametrize("kind", ["sync", "asynchronous"])
    def test_emission_from_many_threads_loses_nothing(self, api, bus, kind):
        seen = Seen()
        bus.subscribe(getattr(seen, kind), api.Event)
        barrier = threading.Barrier(8)

        def work(who):
            barrier.wait(10)
            for n in range(50):
                bus.emit_sync(api.Event(type="x", pending_children=who, completed_children=n))

        threads = [threading.Thread(target=work, args=(who,), daemon=True) for who in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        drain(bus)
        assert len(seen) == 400
        for who in range(8):
            mine = [e.completed_children for e in seen if e.pending_children == who]
            assert mine == list(range(50))
        assert identity(bus)["handled"] == 400

    def test_threads_and_a_loop_together(self, api, bus):
        seen = Seen()
        bus.subscribe(seen.asynchronous, api.Event)

        def work():
            for _ in range(50):
                bus.emit_sync(api.Event(type="thread"))

        async def main():
            jobs = [asyncio.to_thread(work) for _ in range(4)]
            pending = asyncio.gather(*jobs)
            for _ in range(50):
                await bus.emit(api.Event(type="loop"))
                await asyncio.sleep(0)
            await pending
            await drained(bus)

        run(main())
        assert seen.types.count("thread") == 200
        assert seen.types.count("loop") == 50

    def test_subscriptions_may_change_while_threads_emit(self, api, bus):
        stop = threading.Event()
        always = Seen()
        bus.subscribe(always.sync, api.Event)

        def churn():
            while not stop.is_set():
                subscription = bus.subscribe(lambda event: None, api.Event)
                bus.unsubscribe(subscription)

        churner = threading.Thread(target=churn, daemon=True)
        churner.start()
        try:
            for _ in range(300):
                bus.emit_sync(api.Event(type="x"))
        finally:
            stop.set()
            churner.join(10)
        drain(bus)
        assert len(always) == 300

    def test_sync_handlers_do_not_block_the_loop(self, api, bus):
        gate = threading.Event()
        waited = []
        bus.subscribe(lambda event: waited.append(gate.wait(5)), api.Event)

        async def main():
            await bus.emit(api.Event(type="x"))
            for _ in range(5):
                await asyncio.sleep(0)
            gate.set()
            await drained(bus)

        run(main())
        assert waited == [True]

    def test_sync_handler_may_call_back_into_the_loop(self, api, bus):
        results = []

        async def answer():
            return 42

        async def main():
            loop = asyncio.get_running_loop()

            def handler(event):
                results.append(asyncio.run_coroutine_threadsafe(answer(), loop).result(5))

            bus.subscribe(handler, api.Event)
            await bus.emit(api.Event(type="x"))
            await drained(bus)

        run(main())
        assert results == [42]


class TestContexts:
    variable = contextvars.ContextVar("variable", default="nobody")

    @pytest.mark.parametrize("way", ["emit", "emit_sync"])
    @pytest.mark.parametrize("asynchronous", [True, False])
    def test_handlers_do_not_see_the_emitters_context(self, api, bus, way, asynchronous):
        seen = []

        async def awaited(event):
            seen.append(self.variable.get())

        def called(event):
            seen.append(self.variable.get())

        bus.subscribe(awaited if asynchronous else called, api.Event)

        async def main():
            self.variable.set("emitter")
            await bus.emit(api.Event(type="x"))
            await drained(bus)

        def sync_main():
            self.variable.set("emitter")
            bus.emit_sync(api.Event(type="x"))

        if way == "emit":
            run(main())
        else:
            contextvars.copy_context().run(sync_main)
        assert seen == ["nobody"]

    def test_what_a_handler_sets_stays_there(self, api, bus):
        bus.subscribe(lambda event: self.variable.set("handler"), api.Event)
        bus.emit_sync(api.Event(type="x"))
        assert self.variable.get() == "nobody"

    @pytest.mark.parametrize("way", ["emit", "emit_sync"])
    @pytest.mark.parametrize("asynchronous", [True, False])
    def test_what_a_handler_sets_does_not_reach_other_handlers(self, api, bus, way, asynchronous):
        found = []

        async def awaited(event):
            found.append(self.variable.get())
            self.variable.set("another handler")

        def called(event):
            found.append(self.variable.get())
            self.variable.set("another handler")

        for _ in range(2):
            bus.subscribe(awaited if asynchronous else called, api.Event)

        async def main():
            for _ in range(3):
                await bus.emit(api.Event(type="x"))
            await drained(bus)

        if way == "emit":
            run(main())
        else:
            for _ in range(3):
                bus.emit_sync(api.Event(type="x"))
        assert found == ["nobody"] * 6

    @pytest.mark.parametrize("asynchronous", [True, False])
    def test_what_a_handler_pushes_does_not_reach_other_handlers(self, api, bus, asynchronous):
        depths = []

        async def awaited(event):
            depths.append(api.get_context_depth())
            api.push_event_context(api.Event(type="left behind"))

        def called(event):
            depths.append(api.get_context_depth())
            api.push_event_context(api.Event(type="left behind"))

        for _ in range(2):
            bus.subscribe(awaited if asynchronous else called, api.Event)
        bus.emit_sync(api.Event(type="x"))
        bus.emit_sync(api.Event(type="y"))
        assert depths == [1, 1, 1, 1]
        assert api.get_context_depth() == 0

    def test_task_started_by_a_handler_keeps_its_context(self, api, bus):
        found = []

        async def main():
            gate = asyncio.Event()

            async def later(event):
                await gate.wait()
                found.append((api.get_current_parent_event() is event, self.variable.get()))

            tasks = []

            async def handler(event):
                self.variable.set(event.type)
                tasks.append(asyncio.create_task(later(event)))

            bus.subscribe(handler, api.Event)
            for n in range(3):
                await bus.emit(api.Event(type=str(n)))
            await drained(bus)
            gate.set()
            await asyncio.gather(*tasks)

        run(main())
        assert found == [(True, "0"), (True, "1"), (True, "2")]

    @pytest.mark.parametrize("asynchronous", [True, False])
    @pytest.mark.parametrize("way", ["emit", "emit_sync"])
    def test_propagate_context(self, api, make_bus, asynchronous, way):
        bus = make_bus(propagate_context=True)
        seen = []

        async def awaited(event):
            seen.append(self.variable.get())
            self.variable.set("handler")

        def called(event):
            seen.append(self.variable.get())
            self.variable.set("handler")

        bus.subscribe(awaited if asynchronous else called, api.Event)

        async def main():
            for name in ("one", "two"):
                self.variable.set(name)
                await bus.emit(api.Event(type="x"))
            self.variable.set("later")
            await drained(bus)

        def sync_main():
            for name in ("one", "two"):
                self.variable.set(name)
                bus.emit_sync(api.Event(type="x"))
                assert self.variable.get() == name

        if way == "emit":
            run(main())
        else:
            contextvars.copy_context().run(sync_main)
        assert seen == ["one", "two"]

    @pytest.mark.parametrize(
        "options",
        [
            {},
            *(
                pytest.param(
                    options,
                    marks=pytest.mark.core_only(reason=f"{name} is beyond the reference path"),
                )
                for name, options in (
                    ("timeout", {"timeout": 10}),
                    ("concurrency", {"concurrency": 2}),
                )
            ),
        ],
        ids=lambda options: "-".join(options) or "plain",
    )
    @pytest.mark.parametrize("asynchronous", [True, False])
    def test_an_emitters_context_keeps_its_current_event_below(
        self, api, make_bus, asynchronous, options
    ):
        bus = make_bus(propagate_context=True)
        found = []

        def called(event):
            found.append((self.variable.get(), list(api.context.get_context_stack())))

        async def awaited(event):
            called(event)
            await asyncio.sleep(0)
            called(event)

        bus.subscribe(awaited if asynchronous else called, api.Event, **options)
        outer, event = api.Event(type="outer"), api.Event(type="x")

        def emitter():
            self.variable.set("emitter")
            with api.EventContextManager(outer):
                bus.emit_sync(event)
            assert api.get_current_parent_event() is None

        contextvars.copy_context().run(emitter)
        drain(bus)
        assert found == [("emitter", [outer, event])] * (1 + asynchronous)

    @pytest.mark.parametrize("asynchronous", [True, False])
    def test_the_handled_event_is_the_current_event(self, api, bus, asynchronous):
        found = []

        async def awaited(event):
            await asyncio.sleep(0)
            found.append((api.get_current_parent_event(), api.get_context_depth()))

        def called(event):
            found.append((api.get_current_parent_event(), api.get_context_depth()))

        bus.subscribe(awaited if asynchronous else called, api.Event)
        outer, event = api.Event(type="outer"), api.Event(type="x")
        with api.EventContextManager(outer):
            bus.emit_sync(event)
            assert api.get_current_parent_event() is outer
        drain(bus)
        assert found == [(event, 1)]
        assert found[0][0] is event

    @pytest.mark.parametrize("asynchronous", [True, False])
    def test_what_decorated_functions_emit_in_a_handler_becomes_its_child(
        self, api, bus, seen, asynchronous
    ):
        @api.emit_events(created_factory=lambda result: api.CreatedEvent())
        def work():
            return 1

        async def awaited(event):
            await asyncio.sleep(0)
            work()

        def called(event):
            work()

        bus.subscribe(awaited if asynchronous else called, pattern="trigger")
        bus.subscribe(seen.sync, api.CreatedEvent)
        root = api.Event(type="root")
        trigger = api.Event(type="trigger", root_id=root.id)
        bus.emit_sync(trigger)
        drain(bus)
        child = seen.one()
        assert child.parent_id == trigger.id
        assert child.root_id == root.id

    def test_concurrent_events_do_not_mix_their_contexts(self, api, bus):
        found = []

        async def handler(event):
            for _ in range(3):
                await asyncio.sleep(0)
            found.append(api.get_current_parent_event() is event)

        bus.subscribe(handler, api.Event)

        async def main():
            for n in range(20):
                await bus.emit(api.Event(type=str(n)))
            await drained(bus)

        run(main())
        assert found == [True] * 20


class TestListeningCannotDeadlock:
    def test_decorated_function_does_not_wait_for_a_programs_loop(self, api, bus, seen):
        """The loop's thread holds a lock while the decorated function emits to its handler."""
        bus_loop_ready, let_go = threading.Event(), threading.Event()
        lock = threading.Lock()

        async def handler(event):
            with lock:
                seen.append(event)

        async def main():
            bus.subscribe(handler, api.Event)
            bus_loop_ready.set()
            await until(let_go.is_set)
            await drained(bus)

        @api.emit_events(created_factory=lambda result: api.CreatedEvent())
        def work():
            return 1

        thread = threading.Thread(target=lambda: run(main()), daemon=True)
        thread.start()
        assert bus_loop_ready.wait(10)
        with lock:
            start = time.monotonic()
            work()
            assert time.monotonic() - start < 3
            let_go.set()
        thread.join(10)
        assert not thread.is_alive()
        assert seen.types == ["created"]

    @pytest.mark.core_only(reason="overflow_timeout is beyond the reference path")
    def test_emit_sync_leaves_its_event_to_a_loop_that_does_not_come(
        self, api, make_bus, seen, caplog
    ):
        """The loop's thread waits for a lock that the emitter holds."""
        bus = make_bus(overflow_timeout=0.2)
        ready, lock = threading.Event(), threading.Lock()

        async def main():
            bus.subscribe(seen.asynchronous, api.Event)
            ready.set()
            await asyncio.sleep(0.01)
            with lock:
                pass
            await drained(bus)

        lock.acquire()
        thread = threading.Thread(target=lambda: run(main()), daemon=True)
        thread.start()
        assert ready.wait(10)
        wait_until(lambda: thread.is_alive())
        start = time.monotonic()
        in_thread(bus.emit_sync, api.Event(type="x"))
        assert time.monotonic() - start < 5
        lock.release()
        thread.join(10)
        drain(bus)
        assert seen.types == ["x"]

    def test_decorated_function_does_not_wait_for_a_thread_that_delivers(self, api, bus):
        lock = threading.Lock()
        entered = threading.Event()
        got = []

        def handler(event):
            entered.set()
            with lock:
                got.append(event.type)

        bus.subscribe(handler, api.Event)

        @api.emit_events(created_factory=lambda result: api.CreatedEvent())
        def work():
            return 1

        with lock:
            other = threading.Thread(
                target=bus.emit_sync, args=(api.Event(type="other"),), daemon=True
            )
            other.start()
            assert entered.wait(10)
            start = time.monotonic()
            work()
            assert time.monotonic() - start < 0.9
            assert got == []
        other.join(10)
        drain(bus)
        assert got == ["other", "created"]

    def test_emitting_from_a_finaliser_during_delivery(self, api, bus, seen):
        class Finalised:
            def __del__(self):
                bus.emit_sync(api.Event(type="finalised"))

        def handler(event):
            if event.type == "x":
                Finalised()
            seen.append(event)

        bus.subscribe(handler, api.Event)
        in_thread(bus.emit_sync, api.Event(type="x"))
        drain(bus)
        assert seen.types == ["x", "finalised"]
