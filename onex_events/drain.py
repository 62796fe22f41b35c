"""Where a bus's deliveries run: its loops, its thread, the caller.

The C core delivers; it stops where the next handler needs somebody else.  The bus
has one token, the right to deliver, with a new number at every grant.  A `Drain`
takes the token to whoever can go on:

- a *callback* or *task* of the program's loop that an async handler belongs to,
- the bus's *own loop*, which has no thread of its own: it is driven by whoever
  delivers,
- the *worker*, a thread made at first need: sync handlers of events emitted in a
  loop, everything after ``start_background``, and the watch over loops that end
  with work in hand,
- the *caller* of ``emit_sync``.

Nobody waits for another executor while holding the token: it is passed on.
"""

from __future__ import annotations

import contextvars
import sys
import threading
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakSet, finalize

from onex_events.worker import TICK, start_worker

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine

    from onex_events._core import HandlerRun, Subscription
    from onex_events.bus_core import BusCore
    from onex_events.worker import Worker

# Executors and steps, as csrc/py/bus_internal.h numbers them.
ON_CALLBACK, ON_LOOP, ON_OWN_LOOP, ON_THREAD = range(4)
DONE, LOST, AWAIT, THREAD, LOOP, SPECIAL, PAUSE = range(7)

BATCH = 256
"""Events delivered in one go on a program's loop before others get their turn."""

LOOP_PATIENCE = 0.5
"""Seconds a loop that does not run is waited for while something is due."""

EAGERLY: dict[str, bool] = {"eager_start": True} if sys.version_info >= (3, 12) else {}
"""For a task that begins at once, not at the loop's next turn."""


def winding_down(loop: Any) -> bool:
    """Whether `asyncio.run` has already closed the loop's asynchronous generators."""
    return bool(getattr(loop, "_asyncgens_shutdown_called", False))


class Drain:
    """The executors of one bus."""

    def __init__(self, bus: BusCore, exit_timeout: float) -> None:
        self.bus = bus
        self.exit_timeout = exit_timeout
        self.worker: Worker | None = None
        self.own_loop: asyncio.AbstractEventLoop | None = None
        self.driver: int | None = None  # ident of the thread that drives own_loop
        self.due: tuple[int, Any] | None = None  # the token a loop's callback is to take up
        self.summons: asyncio.Handle | None = None  # that callback, in the own loop
        # Guards driver and worker.  Signal handlers and finalisers may emit inside of it.
        self.lock = threading.RLock()
        self.parked: tuple[int, Any, float] | None = None  # the token, its loop, since
        self.awaiting: dict[Any, tuple[int, HandlerRun, Any]] = {}  # by task
        self.standing: dict[Any, float] = {}  # task: since when its loop stands
        self.ended_loops: WeakSet[Any] = WeakSet()  # they do not run, or did not lately
        self.ending: WeakSet[Any] = WeakSet()  # asyncio.run has cancelled their tasks
        self.leaving: WeakSet[Any] = WeakSet()  # at their end: nothing new goes there
        self.farewells: list[Farewell] = []

    # --- choosing ------------------------------------------------------------

    def dispatch(self, token: int) -> None:
        """Take a token to whoever starts (or goes on) delivering."""
        bus = self.bus
        if bus._exiting:
            self.deliver_at_exit(token)
            return
        if bus._background:
            self.to_worker(token)
            return
        running = running_loop()
        home = bus._home
        if home is not None and not self.usable(home):
            bus._home = home = None
        if home is None and self.adopt(running):
            home = running
        if home is not None:
            self.to_loop(token, home)
        elif running is not None and running is self.own_loop:
            self.to_loop(token, running)
        else:
            self.to_worker(token)

    def adopt(self, loop: Any) -> bool:
        """Make the running loop the home loop, if it is the program's and goes on."""
        if loop is None or loop is self.own_loop or loop in self.leaving or winding_down(loop):
            return False
        self.bus._home = loop
        self.bid_farewell(loop)
        return True

    def bid_farewell(self, loop: Any) -> None:
        """See to it that `asyncio.run` on this (running) loop ends after our work."""
        if winding_down(loop):
            return
        for farewell in self.farewells:
            if farewell.loop is loop:
                return
        firstiter = sys.get_asyncgen_hooks().firstiter
        if firstiter is None:
            return
        self.farewells = [f for f in self.farewells if not f.loop.is_closed()]
        farewell = Farewell(self, loop)
        self.farewells.append(farewell)
        firstiter(farewell)  # type: ignore[arg-type]

    def usable(self, loop: Any, *, now: bool = False) -> bool:
        """Can the loop be given work?  `now`: without waiting for it to run again."""
        if loop.is_closed() or loop in self.leaving:
            return False
        if loop.is_running():
            self.ended_loops.discard(loop)
            return True
        return not now and loop not in self.ended_loops

    def target(self, *, now: bool = False) -> Any:
        """The loop that the next handler needs; None stands for the own loop."""
        bus = self.bus
        sub = bus._next_subscription
        loop = sub._loop if sub is not None else None
        if loop is not None:
            if loop.is_closed():
                sub._loop = None
            elif self.usable(loop, now=now):
                return loop
        home = bus._home
        if home is not None:
            if home.is_closed():
                bus._home = None
            elif self.usable(home, now=now):
                return home
        return None

    # --- passing on ----------------------------------------------------------
    #
    # Under a new number: whoever had the token learns by it that it has it no longer.  Where
    # passing it on fails it is free, for whoever emits, flushes or waits next; where a loop runs,
    # that is tried again a little later.

    def to_loop(self, token: int, loop: Any) -> None:
        """Go on in a callback of a loop."""
        token = self.bus._renew(token)
        if not token:
            return
        try:
            context = contextvars.Context()
            # Said before the loop can take it up: from then on, others may say more.
            self.parked = (token, loop, time.monotonic())
            if running_loop() is loop:
                self.due = (token, loop)
                loop.call_soon(self.on_callback, token, loop, context=context)
            elif loop is not self.own_loop:
                loop.call_soon_threadsafe(self.on_callback, token, loop, context=context)
            elif not self.to_driver(token, loop, context):
                self.to_worker(token)
                return
        except RuntimeError:  # closed meanwhile
            self.ended_loops.add(loop)
            self.to_worker(token)
            return
        except BaseException:
            self.bus._release(token)
            raise
        if loop is not self.own_loop:
            self.watch()

    def to_driver(self, token: int, loop: Any, context: contextvars.Context) -> bool:
        """Give the token to whoever drives the own loop; False when nobody does."""
        with self.lock:
            if self.driver is None:
                return False
            self.due = (token, loop)
            self.summons = loop.call_soon_threadsafe(self.on_callback, token, loop, context=context)
            return True

    def to_worker(self, token: int) -> None:
        """Go on in the worker; where no thread can start, in this one."""
        token = self.bus._renew(token)
        if not token:
            return
        own = self.own_loop
        if own is not None and self.driver is not None:
            self.to_loop(token, own)
            return
        try:
            while (worker := self.get_worker()) is not None:
                if worker.assign(self, token):
                    return
        except BaseException:
            self.bus._release(token)
            raise
        self.deliver_at_exit(token)

    def get_worker(self) -> Worker | None:
        """The worker, started at need; None when the interpreter takes no threads."""
        with self.lock:
            worker = self.worker
            if worker is None or worker.retired or not worker.is_alive() or self.holds_up(worker):
                self.worker = start_worker(self)
            return self.worker

    def holds_up(self, worker: Worker) -> bool:
        """Are we inside a handler of the worker, which has yielded its turn?"""
        return (
            worker is threading.current_thread() and worker.working and self.bus._in_handler() != 0
        )

    def watch(self) -> None:
        """Have the worker look after a loop that has been given work."""
        worker = self.worker or self.get_worker()
        while worker is not None and not worker.watch(self):
            worker = self.get_worker()

    def rescue(self, token: int) -> None:
        """Pass the token on after its holder was interrupted."""
        try:
            renewed = self.bus._renew(token)
            if renewed:
                self.dispatch(renewed)
        except MemoryError:
            self.resume_later()  # there may be nobody next: all wait already
            raise

    def resume_later(self) -> None:
        """The token is free: have this thread's loop see to it in a while."""
        loop = running_loop()
        if loop is not None and loop not in self.leaving:
            loop.call_later(TICK, self.resume, context=contextvars.Context())

    def resume(self) -> None:
        """Take the token if it is free still."""
        try:
            self.bus._resume()
        except MemoryError:
            self.resume_later()

    # --- on a loop -----------------------------------------------------------

    def on_callback(self, token: int, loop: Any) -> None:
        """Deliver what needs no task; a task does the rest."""
        self.due = None
        if loop in self.leaving:
            self.rescue(token)
            return
        executor = ON_OWN_LOOP if loop is self.own_loop else ON_CALLBACK
        if executor == ON_CALLBACK:
            try:
                step = self.bus._advance(token, ON_CALLBACK, loop, 0, 4 * BATCH)
            except BaseException:
                self.rescue(token)
                raise
            if step in (DONE, LOST):
                return
            if step == THREAD:
                self.to_worker(token)
                return
            if step == PAUSE:
                self.to_loop(token, loop)
                return
        task_class()(self, loop, self.on_loop(token, loop), **EAGERLY)

    def hurry(self) -> None:
        """Deliver now what the running loop's callback was about to deliver."""
        due = self.due
        if due is not None and due[0] == self.bus._token and due[1] is running_loop():
            renewed = self.bus._renew(due[0])
            contextvars.Context().run(self.on_callback, renewed, due[1])

    async def on_loop(self, token: int, loop: Any, until: int = 0) -> None:
        """Deliver in a task of `loop`."""
        import asyncio

        bus = self.bus
        executor = ON_OWN_LOOP if loop is self.own_loop else ON_LOOP
        try:
            while True:
                if loop in self.leaving:
                    self.rescue(token)
                    return
                step = bus._advance(token, executor, loop, until, BATCH)
                if step in (DONE, LOST):
                    return
                if step == PAUSE:
                    await asyncio.sleep(0)
                elif step == THREAD:
                    self.to_worker(token)
                    return
                elif step == LOOP:
                    target = self.target(now=until != 0) or self.get_own_loop()
                    if target is not loop:
                        self.relocate(token, target)
                        return
                    await self.run(token, bus._begin_next())
                elif step == SPECIAL:
                    target = self.target(now=until != 0) or self.get_own_loop()
                    if target is not loop:
                        self.relocate(token, target)
                        return
                    await self.special(token, bus._next_subscription)
                else:
                    await self.run(token, step)
        except BaseException:
            self.rescue(token)
            raise

    async def run(self, token: int, run: HandlerRun) -> None:
        """Await a handler's call that the drain waits for; its time-out cancels it."""
        import asyncio

        task = asyncio.current_task()
        assert task is not None
        timeout = run.subscription.timeout
        timer = None
        if timeout is not None:

            def expire() -> None:
                run.timed_out = True
                task.cancel()

            timer = asyncio.get_running_loop().call_later(timeout, expire)
        self.awaiting[task] = (token, run, task)
        try:
            await run
        finally:
            if timer is not None:
                timer.cancel()
            self.awaiting.pop(task, None)
            while task.cancelling():
                task.uncancel()  # it was meant for the handler

    def relocate(self, token: int, target: Any) -> None:
        """Take the token to another loop than the one that has it."""
        if target is self.own_loop and self.driver is None:
            self.to_worker(token)
        else:
            self.to_loop(token, target)

    # --- orchestrated handlers: timeout, concurrency, lanes --------------------

    async def special(self, token: int, sub: Subscription) -> None:
        """Run the next handler under its time-out or in its concurrency slots."""
        if sub.concurrency:
            lanes = sub._lanes
            await lanes.admit(self)
            if self.bus._token != token:
                return
            delivery = self.bus._current
            run = self.bus._launch_next()
            lanes.start(self, run, delivery.event)
        else:
            await self.run(token, self.bus._begin_next())

    # --- on a thread ---------------------------------------------------------

    def on_thread(
        self, token: int, until: int = 0, step: int | None = None, following: int = 0
    ) -> None:
        """Deliver in this thread; with `until`, for a caller who waits for that event.

        What its handlers emitted may follow, up to so many events.
        """
        bus = self.bus
        while True:
            if step is None:
                step = bus._advance(token, ON_THREAD, None, until, BATCH)
            if step in (DONE, LOST):
                if step == LOST or bus._token != token:
                    return
                if not following:
                    self.rescue(token)  # `until` is reached, others wait behind it
                    return
                until, following = until + following, 0
            if step == LOOP:
                target = self.target(now=until != 0)
                if target is not None:
                    self.to_loop(token, target)
                    return
                own = self.get_own_loop()
                if not self.take_the_wheel():
                    self.to_loop(token, own)
                    return
                self.drive(self.on_loop(token, own, until))
                if bus._token != token:
                    return
            step = None

    def on_caller(self, token: int, until: int) -> None:
        """Deliver up to that event in this thread; after an error somebody else goes on."""
        try:
            self.on_thread(token, until)
        except BaseException:
            self.rescue(token)
            raise

    def get_own_loop(self) -> Any:
        """The bus's own loop, made at first need."""
        if self.own_loop is None or self.own_loop.is_closed():
            import asyncio

            self.own_loop = asyncio.new_event_loop()
            finalize(self, close_loop, self.own_loop).atexit = False
        return self.own_loop

    def take_the_wheel(self) -> bool:
        """Become the one who drives the own loop, unless somebody does."""
        with self.lock:
            if self.driver is not None:
                return False
            self.driver = threading.get_ident()
            return True

    def drive(self, main: Coroutine[Any, Any, None]) -> None:
        """Run the own loop until `main` is over; the wheel is taken."""
        loop = self.own_loop
        assert loop is not None
        task = task_class()(self, loop, main)
        try:
            loop.run_until_complete(task)
        finally:
            if task.done() and not task.cancelled():
                task.exception()  # it has been raised
            pending = self.own_loop_has_tasks()
            with self.lock:
                self.driver = None
                due = self.due
            if due is not None and due[1] is loop:
                self.rescue(due[0])  # its callback was not reached
                if self.summons is not None:
                    self.summons.cancel()  # it would keep the bus alive
        if pending:
            worker = self.get_worker()
            if worker is not None:
                worker.wake(self)

    def own_loop_has_tasks(self) -> bool:
        """Is something suspended in the own loop?"""
        loop = self.own_loop
        if loop is None or loop.is_closed():
            return False
        import asyncio

        return bool(asyncio.all_tasks(loop))

    async def until_woken(self, worker: Worker) -> None:
        """What the worker drives the own loop with while handlers are suspended in it."""
        import asyncio

        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        worker.woken = woken
        me = asyncio.current_task()
        try:
            # What came before `woken` could be seen is seen by `called`.
            while not woken.done() and not worker.called:
                others = [t for t in asyncio.all_tasks(loop) if t is not me]
                if not others:
                    return
                done, _ = await asyncio.wait(
                    [woken, *others],
                    timeout=TICK if worker.watching else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not done:
                    return
        finally:
            worker.woken = None

    async def wind_up(self) -> None:
        """Let the tasks of calls that are over leave the own loop, which is to be closed."""
        import asyncio

        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=TICK)

    # --- loops that end ------------------------------------------------------

    def look_after_loops(self) -> bool:
        """Take work back from loops that do not run; False when nothing is due."""
        bus = self.bus
        now = time.monotonic()
        for task, (token, run, _) in list(self.awaiting.items()):
            loop = task.get_loop()
            if loop is self.own_loop or loop.is_running():
                self.standing.pop(task, None)
                continue
            since = self.standing.setdefault(task, now)
            if loop.is_closed() or now - since >= LOOP_PATIENCE:
                self.standing.pop(task, None)
                self.give_up(loop)
                if loop.is_closed():
                    self.awaiting.pop(task, None)
                if bus._token == token:
                    bus._detach(run)
                    self.rescue(token)
                if loop.is_closed():
                    run.close()
        parked = self.parked
        if parked is not None and parked[0] == bus._token:
            token, loop, since = parked
            if loop.is_running():
                self.parked = (token, loop, now)
            elif loop.is_closed() or now - since >= LOOP_PATIENCE:
                self.give_up(loop)
                self.rescue(token)
        return bool(bus._token or self.awaiting or bus._queue_size)

    def loop_ends(self, loop: Any) -> None:
        """`asyncio.run` has cancelled the loop's tasks: deliveries have `exit_timeout`
        seconds for all that is left."""
        if loop not in self.ending:
            self.ending.add(loop)
            loop.call_later(self.exit_timeout, self.leave_loop, loop)

    def leave_loop(self, loop: Any) -> None:
        """Cancel the handlers that hang in a loop at its end; others take the rest."""
        self.leaving.add(loop)
        self.give_up(loop)
        for task in list(self.awaiting):
            if task.get_loop() is loop:
                task.cancel()

    def give_up(self, loop: Any) -> None:
        """A loop has ended or stands still: it is the home loop no longer."""
        self.ended_loops.add(loop)
        if self.bus._home is loop:
            self.bus._home = None

    # --- the end of the process -------------------------------------------------

    def deliver_at_exit(self, token: int) -> None:
        """Deliver here and now: nobody else will."""
        if self.bus._in_handler() == 2:
            self.bus._release(token)  # the delivery that we are in goes on with it
            return
        self.on_thread(token, until=self.bus._tail - 1)

    def dismiss(self) -> None:
        """The bus was closed by somebody who can't wait: the worker ends when it is idle."""
        worker = self.worker
        if worker is not None:
            worker.wake(self)

    def close(self) -> None:
        """Stop the worker and close the own loop."""
        worker = self.worker
        if worker is not None:
            worker.stop()
            if worker is not threading.current_thread():
                worker.join(self.exit_timeout)
            self.worker = None
        loop = self.own_loop
        if loop is not None and not loop.is_closed() and self.driver is None:
            if not self.own_loop_has_tasks():
                loop.close()
            self.own_loop = None


def close_loop(loop: Any) -> None:
    """Close the own loop of a bus that is gone without having been closed."""
    if not loop.is_closed() and not loop.is_running():
        loop.close()


def running_loop() -> Any:
    """The running asyncio loop, or None; does not import asyncio."""
    events = sys.modules.get("asyncio.events")
    return None if events is None else events._get_running_loop()


_task_class: Any = None


def task_class() -> Any:
    """`DrainTask`: asyncio is imported at first use."""
    global _task_class
    if _task_class is None:
        import asyncio

        class DrainTask(asyncio.Task):  # type: ignore[type-arg]
            """A delivery's task.

            The end of `asyncio.run` cancels every task while the loop does not run;
            deliveries then go on, for `exit_timeout` seconds at most.
            """

            def __init__(self, drain: Drain, loop: Any, coroutine: Any, **how: Any) -> None:
                self.drain = drain
                super().__init__(coroutine, loop=loop, context=contextvars.Context(), **how)

            def cancel(self, msg: Any = None) -> bool:
                loop = self.get_loop()
                if loop.is_running():
                    return super().cancel(msg)
                if not self.done() and not loop.is_closed():
                    self.drain.loop_ends(loop)
                return False

            def __del__(self) -> None:
                if not self.done() and self.get_loop().is_closed():
                    # The loop was closed before its turn came; others have delivered.
                    self._log_destroy_pending = False
                    coroutine: Any = self.get_coro()
                    if not coroutine.cr_suspended:  # it has not begun
                        coroutine.close()
                super().__del__()

        _task_class = DrainTask
    return _task_class


class Farewell:
    """Stands among a loop's async generators, which `asyncio.run` closes at its end.

    What was queued by then (end events of cancelled tasks included) is delivered
    while it is being closed.
    """

    def __init__(self, drain: Drain, loop: Any) -> None:
        self.drain = drain
        self.loop = loop

    async def aclose(self) -> None:
        """Wait until nothing is due, for `exit_timeout` seconds at most."""
        import asyncio

        drain = self.drain
        bus = drain.bus
        try:
            await asyncio.wait_for(bus._all_settled(), drain.exit_timeout)
        except TimeoutError:
            drain.leave_loop(self.loop)
            hung = [task for task in drain.awaiting if task.get_loop() is self.loop]
            if hung:
                await asyncio.wait(hung, timeout=1.0)
        drain.leaving.add(self.loop)
        if bus._home is self.loop:
            bus._home = None
        if self in drain.farewells:
            drain.farewells.remove(self)
