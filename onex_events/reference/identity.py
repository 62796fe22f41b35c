"""Time-ordered ids (UUIDv7, RFC 9562 section 5.7), ascending per thread."""

import os
import threading
import time
from uuid import UUID

__all__ = ["new_id"]

_TAIL_BITS = 74  # rand_a (12 bits) and rand_b (62 bits), read as one number
_VERSION_AND_VARIANT = (0x7 << 76) | (0x2 << 62)


class _Latest(threading.local):
    """The last id made by this thread: its millisecond and its 74 free bits."""

    millisecond = 0
    tail = 0


_latest = _Latest()


def new_id() -> UUID:
    """A fresh UUIDv7, greater than every one that this thread made before.

    Ids of the same millisecond (or of a clock that went back) step on by a random amount from the
    last one, as RFC 9562 section 6.2, method 2 describes.
    """
    millisecond = time.time_ns() // 1_000_000
    if millisecond > _latest.millisecond:
        # One bit less than there is, so that the steps have room.
        tail = int.from_bytes(os.urandom(10), "big") >> (80 - _TAIL_BITS + 1)
    else:
        millisecond = _latest.millisecond
        tail = _latest.tail + 1 + int.from_bytes(os.urandom(4), "big")
        if tail >> _TAIL_BITS:
            millisecond += 1
            tail = int.from_bytes(os.urandom(9), "big")
    _latest.millisecond = millisecond
    _latest.tail = tail
    high, low = tail >> 62, tail & ((1 << 62) - 1)
    return UUID(int=(millisecond << 80) | _VERSION_AND_VARIANT | (high << 64) | low)
