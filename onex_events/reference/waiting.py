"""Waiting for a condition, on a loop or in a thread."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from .subscription import Loop, running_loop

__all__ = ["Waiting", "call_on", "check_timeout"]


def check_timeout(function: str, timeout: Any) -> None:
    """TypeError unless ``timeout`` is a number of seconds or None."""
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, (int, float))):
        raise TypeError(
            f"{function}: argument 'timeout' is {timeout!r}, expected seconds (a number) or None"
        )


class Waiter:
    """A condition, and what wakes the one who waits for it."""

    __slots__ = ("condition", "wake")

    def __init__(self, condition: Callable[[], Any], wake: Callable[[], None]) -> None:
        self.condition = condition
        self.wake = wake


class Waiting:
    """Those who wait for a change: each has a condition, looked at after every change."""

    def __init__(self) -> None:
        self._waiters: list[Waiter] = []

    def changed(self) -> None:
        """Wake those whose condition now holds."""
        for waiter in list(self._waiters):
            if waiter.condition():
                waiter.wake()

    async def until(self, condition: Callable[[], Any], timeout: float | None = None) -> bool:
        """Wait on the running loop; whether the condition was met within ``timeout`` seconds."""
        if condition():
            return True
        loop = asyncio.get_running_loop()
        reached = loop.create_future()

        def settle() -> None:
            if not reached.done():
                reached.set_result(None)

        def wake() -> None:
            if running_loop() is loop:
                settle()
            else:
                call_on(loop, settle)

        waiter = Waiter(condition, wake)
        self._waiters.append(waiter)
        try:
            if condition():
                return True
            if timeout is None:
                await reached
            else:
                await asyncio.wait((reached,), timeout=max(timeout, 0.0))
            return bool(condition())
        finally:
            self._waiters.remove(waiter)

    def until_in_thread(self, condition: Callable[[], Any], timeout: float | None = None) -> bool:
        """The same for a thread, which is blocked meanwhile."""
        if condition():
            return True
        reached = threading.Event()
        waiter = Waiter(condition, reached.set)
        self._waiters.append(waiter)
        try:
            return bool(condition()) or reached.wait(timeout) or bool(condition())
        finally:
            self._waiters.remove(waiter)


def call_on(loop: Loop, function: Callable[..., None], *args: Any) -> bool:
    """Have the loop call ``function`` in its thread; False when the loop is closed."""
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:
        return False
    return True
