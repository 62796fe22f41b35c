"""The profiler: one suite on the C implementation and on the pure-Python one."""

import asyncio
import contextlib
import inspect
import json
import random
import threading
import time
from typing import Any

import pytest

from onex_events._core import Histogram
from onex_events.profiler import Profiler, PyProfiler, _PyHistogram


@pytest.fixture(params=[Profiler, PyProfiler])
def profiler(request: pytest.FixtureRequest) -> Any:
    return request.param()


def test_a_timer_records_how_long_its_block_takes(profiler: Any) -> None:
    began = time.monotonic_ns()
    with profiler.timer("work"):
        inner = time.monotonic_ns()
        while time.monotonic_ns() - inner < 2_000_000:
            pass
    longest = (time.monotonic_ns() - began) / 1e6
    figures = profiler.to_dict()["work"]
    assert figures["count"] == 1
    assert 2.0 <= figures["total"] <= longest
    assert figures["total"] == figures["mean"] == figures["max"] == figures["p50"]


def test_figures_are_count_total_mean_percentiles_and_max_in_ms(profiler: Any) -> None:
    for ms in range(1, 101):
        profiler.record("step", ms * 1_000_000)
    figures = profiler.to_dict()["step"]
    assert list(figures) == ["count", "total", "mean", "p50", "p95", "p99", "max"]
    assert figures["count"] == 100
    assert figures["total"] == pytest.approx(5050.0)
    assert figures["mean"] == pytest.approx(50.5)
    assert figures["p50"] == pytest.approx(50, rel=0.01)
    assert figures["p95"] == pytest.approx(95, rel=0.01)
    assert figures["p99"] == pytest.approx(99, rel=0.01)
    assert figures["max"] == 100.0


def test_both_implementations_have_the_same_figures() -> None:
    in_c, in_python = Profiler(), PyProfiler()
    numbers = random.Random(4)
    for _ in range(5000):
        duration = int(10 ** numbers.uniform(0, 12)) - 5
        in_c.record("x", duration)
        in_python.record("x", duration)
    assert in_c.to_dict() == in_python.to_dict()


def test_histograms_agree_on_every_percentile() -> None:
    in_c, in_python = Histogram(), _PyHistogram()
    numbers = random.Random(5)
    values = [numbers.getrandbits(numbers.randrange(1, 63)) for _ in range(3000)]
    for value in values:
        in_c.record(value)
        in_python.record(value)
    for permille in range(1001):
        fraction = permille / 1000
        assert in_c.percentile(fraction) == in_python.percentile(fraction)
    values.sort()
    for percent in range(1, 101):
        exact = values[-(-percent * len(values) // 100) - 1]
        assert in_c.percentile(percent / 100) == pytest.approx(exact, rel=0.01)
    assert (in_c.count, in_c.sum, in_c.min, in_c.max) == (
        in_python.count,
        in_python.sum,
        in_python.min,
        in_python.max,
    )


def test_a_merged_histogram_counts_both() -> None:
    left, right = Histogram(), Histogram()
    left.record(3)
    right.record(1000)
    left.merge(right)
    assert (left.count, left.sum, left.min, left.max) == (2, 1003, 3, 1000)


def test_timers_nest(profiler: Any) -> None:
    with profiler.timer("outer"):
        with profiler.timer("inner"):
            with profiler.timer("inner"):
                pass
    figures = profiler.to_dict()
    assert figures["outer"]["count"] == 1
    assert figures["inner"]["count"] == 2
    assert figures["outer"]["total"] >= figures["inner"]["max"]


def test_one_timer_may_be_entered_again_while_it_runs(profiler: Any) -> None:
    timer = profiler.timer("again")
    with timer, timer:
        began = time.monotonic_ns()
        with timer:
            while time.monotonic_ns() - began < 1_000_000:
                pass
    with timer:
        pass
    figures = profiler.to_dict()["again"]
    assert figures["count"] == 4
    assert figures["total"] >= 3.0


def test_a_block_that_raises_is_recorded_and_its_exception_goes_on(profiler: Any) -> None:
    with pytest.raises(ZeroDivisionError), profiler.timer("raises"):
        1 / 0  # noqa: B018
    assert profiler.to_dict()["raises"]["count"] == 1


def test_leaving_a_timer_that_was_not_entered_is_an_error(profiler: Any) -> None:
    with pytest.raises(RuntimeError, match="timer 'x' is left without having been entered"):
        profiler.timer("x").__exit__(None, None, None)
    assert profiler.to_dict() == {}


def test_a_name_must_be_a_string(profiler: Any) -> None:
    with pytest.raises(TypeError, match=r"timer\(\) argument 'name' must be str, not int"):
        profiler.timer(3)
    with pytest.raises(TypeError, match=r"record\(\) argument 'name' must be str, not NoneType"):
        profiler.record(None, 3)


def test_tasks_that_share_one_timer_keep_their_own_times(profiler: Any) -> None:
    async def main() -> None:
        timer = profiler.timer("shared")
        first_is_in, second_is_in = asyncio.Event(), asyncio.Event()

        async def long() -> None:
            with timer:
                first_is_in.set()
                await second_is_in.wait()
                began = time.monotonic_ns()
                while time.monotonic_ns() - began < 20_000_000:
                    pass

        async def short() -> None:
            # Left before `long` goes on, entered after it.
            await first_is_in.wait()
            with timer:
                second_is_in.set()

        await asyncio.gather(long(), short())

    asyncio.run(main())
    figures = profiler.to_dict()["shared"]
    assert figures["count"] == 2
    assert figures["max"] >= 20.0
    assert figures["p50"] < 20.0


def test_tasks_that_leave_one_timer_in_the_order_they_entered_it(profiler: Any) -> None:
    async def main() -> None:
        timer = profiler.timer("shared")
        first_is_in, second_is_in, first_is_out = (asyncio.Event() for _ in range(3))

        async def first() -> None:
            with timer:
                first_is_in.set()
                await second_is_in.wait()
            first_is_out.set()

        async def second() -> None:
            await first_is_in.wait()
            began = time.monotonic_ns()
            while time.monotonic_ns() - began < 20_000_000:
                pass
            with timer:
                second_is_in.set()
                await first_is_out.wait()

        await asyncio.gather(first(), second())

    asyncio.run(main())
    figures = profiler.to_dict()["shared"]
    assert figures["max"] >= 20.0
    assert figures["p50"] < 20.0  # mixed up, it would be both or neither


def test_threads_lose_nothing(profiler: Any) -> None:
    timer = profiler.timer("shared")

    def work() -> None:
        for _ in range(500):
            with timer, profiler.timer("own"):
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    figures = profiler.to_dict()
    assert figures["shared"]["count"] == figures["own"]["count"] == 4000


def test_timed_records_calls_under_the_function_s_name(profiler: Any) -> None:
    @profiler.timed
    def double(x: int, *, by: int = 2) -> int:
        "Doubles."
        return x * by

    assert double(4, by=3) == 12
    assert double(1) == 2
    assert double.__name__ == "double" and double.__doc__ == "Doubles."
    (name,) = profiler.to_dict()
    assert name == f"{__name__}.{double.__qualname__}"
    assert profiler.to_dict()[name]["count"] == 2


def test_timed_takes_a_name(profiler: Any) -> None:
    @profiler.timed("io")
    def read() -> str:
        return "text"

    assert read() == "text"
    assert list(profiler.to_dict()) == ["io"]


def test_timed_refuses_what_is_no_function(profiler: Any) -> None:
    with pytest.raises(TypeError, match=r"must be a function or a name \(str\), not int"):
        profiler.timed(3)


def test_timed_counts_a_coroutine_s_waiting(profiler: Any) -> None:
    @profiler.timed("wait")
    async def wait() -> int:
        await asyncio.sleep(0.01)
        return 5

    assert inspect.iscoroutinefunction(wait)
    assert asyncio.run(wait()) == 5
    assert profiler.to_dict()["wait"]["total"] >= 9.0


def test_timed_keeps_what_a_generator_is_sent_and_returns(profiler: Any) -> None:
    @profiler.timed("echo")
    def echo() -> Any:
        got = yield "ready"
        try:
            got = yield got
        except ValueError as error:
            got = yield f"caught {error}"
        return got

    generator = echo()
    assert inspect.isgeneratorfunction(echo)
    assert next(generator) == "ready"
    assert generator.send(1) == 1
    assert generator.throw(ValueError("x")) == "caught x"
    with pytest.raises(StopIteration) as stop:
        generator.send("end")
    assert stop.value.value == "end"
    assert profiler.to_dict()["echo"]["count"] == 1


def test_timed_keeps_what_an_async_generator_is_sent_and_closes_it(profiler: Any) -> None:
    closed = []

    @profiler.timed("echo")
    async def echo() -> Any:
        try:
            got = yield "ready"
            while True:
                try:
                    got = yield got
                except ValueError as error:
                    got = str(error)
        finally:
            closed.append(True)

    @profiler.timed("count")
    async def count() -> Any:
        yield 1
        yield 2

    async def main() -> None:
        values = echo()
        assert await anext(values) == "ready"
        assert await values.asend(1) == 1
        assert await values.athrow(ValueError("x")) == "x"
        await values.aclose()
        assert [value async for value in count()] == [1, 2]

    assert inspect.isasyncgenfunction(echo)
    asyncio.run(main())
    assert closed == [True]
    assert profiler.to_dict()["echo"]["count"] == profiler.to_dict()["count"]["count"] == 1


def test_timed_counts_a_call_that_raises(profiler: Any) -> None:
    @profiler.timed("fails")
    def fails() -> None:
        raise KeyError

    with contextlib.suppress(KeyError):
        fails()
    assert profiler.to_dict()["fails"]["count"] == 1


def test_the_report_lists_the_greatest_total_first(profiler: Any) -> None:
    profiler.record("small", 1_500)
    profiler.record("big one", 2_000_000_000)
    header, rule, first, second = profiler.report().splitlines()
    assert header.split() == ["name", "count", "total", "mean", "p50", "p95", "p99", "max"]
    assert set(rule) == {"-", " "}
    assert first.startswith("big one") and "2.00 s" in first
    assert second.startswith("small") and "1.5 us" in second


def test_an_unused_profiler_reports_nothing(profiler: Any) -> None:
    assert profiler.to_dict() == {}
    assert len(profiler.report().splitlines()) == 2
    assert profiler.to_json() == "{}"


def test_json_is_the_dict(profiler: Any) -> None:
    profiler.record("a", 123_456)
    assert json.loads(profiler.to_json()) == profiler.to_dict()


def test_reset_forgets_all(profiler: Any) -> None:
    profiler.record("a", 1)
    profiler.reset()
    assert profiler.to_dict() == {}
