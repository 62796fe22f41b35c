"""A call with its beginning and end recorded, by what a user could take instead.

Each at its best recommended use: spans leave through a batch processor (OpenTelemetry, logfire)
or to an agent that takes all (ddtrace); structlog is set up as its chapter on performance says;
logging hands its records to a queue. What a peer sends goes nowhere.
"""

import asyncio
import atexit
import importlib.util
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from operation import Timed

Span = Callable[[], AbstractContextManager[Any]]

AGENT = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Agent(BaseHTTPRequestHandler):
    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_PUT = do_POST = answer

    def log_message(self, *args):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Agent)
print(server.server_port, flush=True)
server.serve_forever()
"""


def _exporting_nowhere() -> Any:
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Nowhere(SpanExporter):
        def export(self, spans):
            return SpanExportResult.SUCCESS

    return BatchSpanProcessor(Nowhere())


def opentelemetry() -> Span:
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider()
    provider.add_span_processor(_exporting_nowhere())
    tracer = provider.get_tracer("benchmark")
    return lambda: tracer.start_as_current_span("call")


def opentelemetry_sampled_off() -> Span:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    provider = TracerProvider(sampler=ALWAYS_OFF)
    provider.add_span_processor(_exporting_nowhere())
    tracer = provider.get_tracer("benchmark")
    return lambda: tracer.start_as_current_span("call")


def opentelemetry_api_only() -> Span:
    from opentelemetry.trace import NoOpTracer

    tracer = NoOpTracer()
    return lambda: tracer.start_as_current_span("call")


def ddtrace() -> Span:
    if importlib.util.find_spec("ddtrace") is None:
        raise ImportError("No module named 'ddtrace'", name="ddtrace")
    agent = subprocess.Popen([sys.executable, "-c", AGENT], stdout=subprocess.PIPE, text=True)
    atexit.register(agent.kill)
    assert agent.stdout is not None
    os.environ["DD_TRACE_AGENT_URL"] = f"http://127.0.0.1:{int(agent.stdout.readline())}"
    os.environ["DD_INSTRUMENTATION_TELEMETRY_ENABLED"] = "false"
    os.environ["DD_REMOTE_CONFIGURATION_ENABLED"] = "false"
    from ddtrace.trace import tracer

    return lambda: tracer.trace("call")


def logfire() -> Span:
    import logfire

    logfire.configure(
        send_to_logfire=False,
        console=False,
        inspect_arguments=False,
        additional_span_processors=[_exporting_nowhere()],
    )
    return lambda: logfire.span("call")


class Logged:
    """Two records, as a pair of events: with what they say."""

    log: Callable[..., Any]

    def __enter__(self) -> None:
        self.log("saving", path="p", owner="o", reason="start", size=1)

    def __exit__(self, *error: object) -> None:
        self.log("saved", path="p", owner="o", reason="end", size=1)


def structlog() -> Span:
    import orjson
    import structlog

    nowhere = Path(os.devnull).open("wb")  # noqa: SIM115 - as long as the process
    structlog.configure(
        cache_logger_on_first_use=True,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(file=nowhere),
    )
    bound = structlog.get_logger().bind()

    class Records(Logged):
        log = staticmethod(bound.info)

    return Records


def queued_logging() -> Span:
    import queue
    from logging.handlers import QueueHandler, QueueListener

    waiting: Any = queue.SimpleQueue()
    logger = logging.getLogger("benchmark.queued")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(QueueHandler(waiting))
    listener = QueueListener(waiting, logging.NullHandler())
    listener.start()
    atexit.register(listener.stop)

    def log(message: str, **values: Any) -> None:
        logger.info("%s %s", message, values)

    class Records(Logged):
        pass

    Records.log = staticmethod(log)
    return Records


SPANS: dict[str, Callable[[], Span]] = {
    "OpenTelemetry, batch processor": opentelemetry,
    "OpenTelemetry, sampled off": opentelemetry_sampled_off,
    "OpenTelemetry, API without SDK": opentelemetry_api_only,
    "ddtrace": ddtrace,
    "logfire": logfire,
    "structlog, two records": structlog,
    "logging to a queue, two records": queued_logging,
}


def around_async(make: Callable[[], Span], child: bool = True) -> Timed:
    """A span around an async call, below a current one or each the root of its own trace."""
    span = make()

    async def call(x: int) -> int:
        return x

    async def main(n: int) -> float:
        with span() if child else nullcontext():
            start = time.perf_counter()
            for _ in range(n):
                with span():
                    await call(1)
            return time.perf_counter() - start

    return lambda n: asyncio.run(main(n))


def around_sync(make: Callable[[], Span]) -> Timed:
    """A span around a plain call, below a current one."""
    span = make()

    def call(x: int) -> int:
        return x

    def timed(n: int) -> float:
        with span():
            start = time.perf_counter()
            for _ in range(n):
                with span():
                    call(1)
            return time.perf_counter() - start

    return timed


def abxbus_event(handlers: int = 1) -> Timed:
    """An event emitted on abxbus and awaited until its async handlers are done."""
    os.environ.setdefault("ABXBUS_LOGGING_LEVEL", "CRITICAL")
    from abxbus import BaseEvent, EventBus

    class Saved(BaseEvent):
        path: str
        owner: str
        reason: str
        size: int

    async def main(n: int) -> float:
        bus = EventBus(
            max_history_drop=True,
            event_handler_detect_file_paths=False,
            warn_on_duplicate_handler_names=False,
        )
        for _ in range(handlers):

            async def handler(event: Any) -> None:
                return None

            bus.on(Saved, handler)
        start = time.perf_counter()
        for _ in range(n):
            await bus.emit(Saved(path="p", owner="o", reason="r", size=1)).now()
        seconds = time.perf_counter() - start
        await bus.destroy()
        return seconds

    return lambda n: asyncio.run(main(n))


def bubus_event(handlers: int = 1) -> Timed:
    """The same on bubus."""
    os.environ.setdefault("BUBUS_LOGGING_LEVEL", "CRITICAL")
    from bubus import BaseEvent, EventBus

    class Saved(BaseEvent):
        path: str
        owner: str
        reason: str
        size: int

    async def main(n: int) -> float:
        bus = EventBus()
        for i in range(handlers):

            async def handler(event: Any) -> None:
                return None

            handler.__name__ = f"handler{i}"
            bus.on(Saved, handler)
        start = time.perf_counter()
        for _ in range(n):
            await bus.dispatch(Saved(path="p", owner="o", reason="r", size=1))
        seconds = time.perf_counter() - start
        await bus.stop(timeout=0, clear=True)
        return seconds

    return lambda n: asyncio.run(main(n))


BUSES = {"abxbus": abxbus_event, "bubus": bubus_event}
