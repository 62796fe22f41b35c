"""The thread of a bus: it delivers, looks after loops, and drives the bus's own loop."""

from __future__ import annotations

import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from weakref import ref

if TYPE_CHECKING:
    from onex_events.bus_core import BusCore
    from onex_events.drain import Drain

TICK = 0.1
"""Seconds between two looks at loops that have work in hand."""


class Worker(threading.Thread):
    """The bus's thread.

    What it is to do holds the `Drain`, and so keeps the bus alive.  An idle worker does
    not, and ends with its bus.
    """

    def __init__(self, drain: Drain, *, daemon: bool = True) -> None:
        super().__init__(name="onex_events", daemon=daemon)
        self.drain = ref(drain, self.ring)
        # It can be rung at any moment, in a finaliser that interrupts this very thread too, and
        # no ring is lost, as a condition's notification just before the wait would be.
        self.bell: SimpleQueue[None] = SimpleQueue()
        self.tokens: deque[tuple[Drain, int]] = deque()
        self.watching: Drain | None = None
        self.look_at = 0.0  # by time.monotonic(): not sooner, however often it is rung
        self.awake: Drain | None = None
        self.stopping = False
        self.retired = False  # takes no more tokens
        self.working = False  # inside a delivery
        self.woken: Any = None  # future that ends its drive of the own loop

    @property
    def called(self) -> bool:
        """Is there something to do at once?"""
        return bool(self.tokens or self.awake or self.stopping)

    def ring(self, _: Any = None) -> None:
        """Have it look what there is to do."""
        self.bell.put(None)
        woken = self.woken
        if woken is not None:
            try:
                woken.get_loop().call_soon_threadsafe(
                    lambda: woken.done() or woken.set_result(None)
                )
            except RuntimeError:  # closed
                pass

    def assign(self, drain: Drain, token: int) -> bool:
        """Deliver with this token; False when the worker takes no more."""
        task = (drain, token)
        self.tokens.append(task)
        if self.retired:
            try:
                self.tokens.remove(task)
            except ValueError:  # it took it
                return True
            return False
        self.ring()
        return True

    def watch(self, drain: Drain) -> bool:
        """Look after the loops until nothing is due; False when the worker does so no more."""
        if self.watching is None:
            self.watching = drain
            try:
                self.ring()
            except BaseException:  # no memory, an interrupt: the next one rings
                self.watching = None
                raise
        return not self.retired

    def wake(self, drain: Drain) -> None:
        """Look whether there is something to do."""
        self.awake = drain
        self.ring()

    def stop(self) -> None:
        """End when nothing is left to do."""
        self.stopping = True
        self.ring()

    def run(self) -> None:
        try:
            self.work()
        finally:
            # Killed, perhaps: another one is made when somebody needs it.
            self.retired = True
            watching = self.watching
            while True:
                try:
                    drain, token = self.tokens.popleft()
                except IndexError:
                    break
                drain.rescue(token)
            if watching is not None and not self.stopping:
                watching.watch()

    def work(self) -> None:
        """Wait and do, until stopped or needed no more."""
        while True:
            if not self.called:
                watching = self.watching is not None
                try:
                    self.bell.get(timeout=self.until_look() if watching else None)
                except Empty:
                    pass
            if not self.turn():
                return

    def until_look(self) -> float:
        """Seconds until the loops are looked at again."""
        return max(self.look_at - time.monotonic(), 0.0)

    def turn(self) -> bool:
        """Deliver, look after loops and drive the own loop; False at the end."""
        drain = self.drain()
        if drain is None:
            return False
        self.awake = None
        if self.tokens:
            self.deliver(*self.tokens.popleft())
        elif self.stopping or drain.worker is not self:
            if self.stopping and drain.own_loop_has_tasks() and drain.take_the_wheel():
                drain.drive(drain.wind_up())
            return False  # stopped, or replaced while a handler held it up
        if self.watching and (drain.bus._closed or not self.until_look()):
            self.look_at = time.monotonic() + TICK
            # Before the look: a watch asked for during it is kept.
            self.watching = None
            if drain.look_after_loops():
                self.watching = drain
        if not self.tokens and drain.own_loop_has_tasks() and drain.take_the_wheel():
            drain.drive(drain.until_woken(self))
        idle = not (self.called or self.watching or drain.own_loop_has_tasks())
        return not (idle and drain.bus._closed)

    def deliver(self, drain: Drain, token: int) -> None:
        """Deliver; what a handler raises to end the program goes to the main thread."""
        self.working = True
        try:
            drain.on_thread(token)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                interrupt_main_thread()
            else:
                drain.bus._report("delivery failed in the background thread", None, error)
            self.working = False
            drain.rescue(token)
        finally:
            self.working = False


def start_worker(drain: Drain) -> Worker | None:
    """A worker that runs; None where no thread can start (any longer).

    A subinterpreter has no daemon threads and joins the others before it calls what
    `atexit` knows, so there the bus takes its leave with `threading._register_atexit`,
    as `concurrent.futures` does: there is no public way.
    """
    try:
        try:
            worker = Worker(drain)
        except RuntimeError:
            threading._register_atexit(leave, ref(drain.bus))  # type: ignore[attr-defined]
            worker = Worker(drain, daemon=False)
        worker.start()
    except RuntimeError:  # the interpreter is shutting down
        return None
    return worker


def leave(bus: ref[BusCore]) -> None:
    """The interpreter is about to join its threads."""
    alive = bus()
    if alive is not None:
        alive._leave()


def interrupt_main_thread() -> None:
    """Make KeyboardInterrupt pending in the main thread.

    Also where SIGINT is ignored, as in a shell's background jobs: there
    `interrupt_main` does nothing.
    """
    import _thread
    import signal

    if signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, signal.SIG_DFL, None):
        _thread.interrupt_main()
        return
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(threading.main_thread().ident or 0), ctypes.py_object(KeyboardInterrupt)
    )
