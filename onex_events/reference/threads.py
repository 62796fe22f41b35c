"""Worker threads that do not keep the program from ending."""

import queue
import threading
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["Threads"]

Work = tuple[Callable[..., None], tuple[Any, ...]]


class Threads:
    """Daemon threads, started at need: as many as have been busy at once.

    They end when this object does.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        weakref.finalize(self, _end, self._work, self._threads).atexit = False

    def submit(self, function: Callable[..., None], *args: Any) -> None:
        """Have a thread call ``function``; RuntimeError when none can start any more."""
        if not self._idle.acquire(blocking=False):
            thread = threading.Thread(
                target=_run, args=(self._work, self._idle), name=self._name, daemon=True
            )
            thread.start()
            self._threads.append(thread)
        self._work.put((function, args))


def _run(work: "queue.SimpleQueue[Work | None]", idle: threading.Semaphore) -> None:
    while (one := work.get()) is not None:
        function, args = one
        function(*args)
        del one, function, args  # keeps nothing alive while it waits
        idle.release()


def _end(work: "queue.SimpleQueue[Work | None]", threads: list[threading.Thread]) -> None:
    for _ in threads:
        work.put(None)
