"""The profiler: timed functions keep their signatures."""

from typing import reveal_type

from onex_events.profiler import Profiler, PyProfiler

profiler = Profiler()


@profiler.timed
def double(x: int, *, by: int = 2) -> int:
    return x * by


@PyProfiler().timed("read")
async def read(path: str) -> bytes:
    return path.encode()


reveal_type(double(3, by=2))  # revealed: int
double("3")  # error: arg-type
reveal_type(profiler.to_dict()["x"]["p95"])  # revealed: float


async def main() -> None:
    reveal_type(await read("x"))  # revealed: bytes
    await read(3)  # error: arg-type


with profiler.timer("x"):
    pass
profiler.timer(3)  # error: arg-type
