"""The program's loops, as a bus uses them: until their end, and not longer.

``asyncio.run`` ends like this: the main function returns; all tasks are cancelled while the loop
stands still; it runs until they are done; it closes the async generators; it is closed. The bus has
its own tasks spared, and an async generator whose closing waits until what is queued is delivered.
"""

import asyncio
import contextlib
import contextvars
import functools
import time
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from .subscription import Loop
from .waiting import Waiting

__all__ = ["ROLE_PATIENCE", "Loops"]

ROLE_PATIENCE = 0.5
"""Seconds for which a loop that is due to run something may stand still."""


class BusTask(asyncio.Task[Any]):
    """A task of the bus on a program's loop, spared when the program's own tasks are cancelled.

    ``asyncio.run`` cancels all tasks when its main function has returned, while the loop stands
    still, and then waits for them: the bus uses that time to deliver what is queued. After
    ``exit_timeout`` seconds the task is cancelled all the same.
    """

    loops: "Loops | None" = None

    def cancel(self, msg: Any | None = None) -> bool:
        loop = self.get_loop()
        if loop.is_running() or loop.is_closed() or self.loops is None:
            return super().cancel(msg)
        self.loops.ending(loop)
        loop.call_later(self.loops.time_left(loop), super().cancel)
        return False


class Loops:
    """Which loops a bus may still use, for ``exit_timeout`` seconds after their program ended.

    ``is_due`` says whether the bus has anything left to deliver.
    """

    def __init__(self, waiting: Waiting, exit_timeout: float, is_due: Callable[[], bool]) -> None:
        self.exit_timeout = exit_timeout
        self.home: Loop | None = None  # where async handlers without a loop of their own run
        self._waiting = waiting
        self._is_due = is_due
        self._tasks: set[asyncio.Task[Any]] = set()
        self._keepers: dict[Loop, AsyncGenerator[None, None]] = {}
        self._deadlines: dict[Loop, float] = {}  # of loops that are ending
        self._gone: weakref.WeakSet[Loop] = weakref.WeakSet()  # loops that have ended

    def adopt(self, loop: Loop | None) -> None:
        """Make ``loop`` the home loop."""
        if loop is None or not self.have_ended(loop):
            self.home = loop

    def have_ended(self, loop: Loop) -> bool:
        """Whether the bus may use the loop no more."""
        return (
            loop.is_closed()
            or loop in self._gone
            or not self.time_left(loop)
            # Past the point where our keeper could still be waited for (where the loop tells).
            or (loop not in self._keepers and getattr(loop, "_asyncgens_shutdown_called", False))
        )

    def task(
        self,
        body: Coroutine[Any, Any, Any],
        loop: Loop,
        context: contextvars.Context,
        **options: Any,
    ) -> BusTask:
        """A task of the bus on the loop, from that loop's thread."""
        task = BusTask(body, loop=loop, context=context, **options)
        if task.done():
            return task
        task.loops = self
        # If the loop is closed under it, the bus accounts for its event: nothing to warn of.
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        if loop in self._deadlines:
            loop.call_later(self.time_left(loop), asyncio.Task.cancel, task)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        self._waiting.changed()

    def time_left(self, loop: Loop) -> float:
        """Seconds for which the bus may still use the loop."""
        deadline = self._deadlines.get(loop)
        return self.exit_timeout if deadline is None else max(0.0, deadline - time.monotonic())

    def ending(self, loop: Loop) -> None:
        """The loop's program has returned: from now on the bus has ``exit_timeout`` seconds."""
        self._deadlines.setdefault(loop, time.monotonic() + self.exit_timeout)

    def keep(self, loop: Loop) -> None:
        """Have ``loop.shutdown_asyncgens()`` wait until nothing of the bus is left on the loop."""
        if loop in self._keepers:
            return
        for old in [one for one in list(self._keepers) if one.is_closed()]:
            self._keepers.pop(old, None)
            self._deadlines.pop(old, None)
        keeper = self._keepers[loop] = _keeper(weakref.ref(self), loop)
        with contextlib.suppress(StopIteration):
            keeper.__anext__().send(None)

    async def leave(self, loop: Loop) -> None:
        """Deliver what is queued, cancel what hangs, then use the loop no more."""
        self.ending(loop)

        await self._waiting.until(
            lambda: not self._is_due() and self._has_left(loop), self.time_left(loop)
        )
        self._gone.add(loop)
        if self.home is loop:
            self.home = None
        if hanging := self._left(loop):
            for task in hanging:
                asyncio.Task.cancel(task)
            await asyncio.wait(hanging, timeout=ROLE_PATIENCE)

    def finish(self, timeout: float) -> None:
        """At exit: run the loops that stand still until nothing of the bus is left on them."""
        for loop in {task.get_loop() for task in self._tasks}:
            if not loop.is_closed() and not loop.is_running():
                has_left = functools.partial(self._has_left, loop)
                loop.run_until_complete(self._waiting.until(has_left, timeout))

    def _has_left(self, loop: Loop) -> bool:
        return not self._left(loop)

    def _left(self, loop: Loop) -> list[asyncio.Task[Any]]:
        return [task for task in self._tasks if task.get_loop() is loop and not task.done()]


async def _keeper(loops: "weakref.ref[Loops]", loop: Loop) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        if (found := loops()) is not None:
            await found.leave(loop)
