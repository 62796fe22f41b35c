"""Tests that hang; run by tests/test_detectors.py."""

import ctypes
import threading

from onex_events import Event, EventBus


def test_in_a_handler() -> None:
    """It waits for what its caller holds."""
    lock = threading.Lock()
    with EventBus() as bus:
        bus.subscribe(lambda event: lock.acquire(), Event)
        with lock:
            bus.emit_sync(Event(type="never"))


def test_with_the_interpreter() -> None:
    """Two locks of one mutex while the GIL is held: a deadlock in C."""
    c = ctypes.PyDLL(None)
    mutex = ctypes.create_string_buffer(64)  # all zero: PTHREAD_MUTEX_INITIALIZER
    for _ in range(2):
        c.pthread_mutex_lock(mutex)
