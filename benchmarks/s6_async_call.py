"""S6: what does a decorated async call cost when somebody listens, all events handled?"""

import asyncio
import atexit
import importlib.util
import os
import subprocess
import sys
import time

from decorated import async_calls
from pydantic_creation import pydantic_creation
from rounds import Question, Timed, peers


def otel_span() -> Timed:
    """A span around an async call, below a current one; a batch processor exports to nowhere."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Nowhere(SpanExporter):
        def export(self, spans):
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    tracer = provider.get_tracer("benchmark")

    async def call(x):
        return x

    async def main(n):
        with tracer.start_as_current_span("parent"):
            start = time.perf_counter()
            for _ in range(n):
                with tracer.start_as_current_span("call"):
                    await call(1)
            return time.perf_counter() - start

    return lambda n: asyncio.run(main(n))


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


def ddtrace_span() -> Timed:
    """A ddtrace span around an async call, below a parent, sent to an agent that takes all."""
    if importlib.util.find_spec("ddtrace") is None:
        raise ImportError("No module named 'ddtrace'", name="ddtrace")
    agent = subprocess.Popen([sys.executable, "-c", AGENT], stdout=subprocess.PIPE, text=True)
    atexit.register(agent.kill)
    assert agent.stdout is not None
    os.environ["DD_TRACE_AGENT_URL"] = f"http://127.0.0.1:{int(agent.stdout.readline())}"
    os.environ["DD_INSTRUMENTATION_TELEMETRY_ENABLED"] = "false"
    os.environ["DD_REMOTE_CONFIGURATION_ENABLED"] = "false"
    from ddtrace.trace import tracer

    async def call(x):
        return x

    async def main(n):
        with tracer.trace("parent"):
            start = time.perf_counter()
            for _ in range(n):
                with tracer.trace("call"):
                    await call(1)
            return time.perf_counter() - start

    return lambda n: asyncio.run(main(n))


def abxbus_event() -> Timed:
    """An event emitted on abxbus and awaited until its one async handler is done."""
    os.environ.setdefault("ABXBUS_LOGGING_LEVEL", "CRITICAL")
    from abxbus import BaseEvent, EventBus

    class Saved(BaseEvent):
        path: str
        owner: str
        reason: str
        size: int

    async def handler(event):
        return None

    async def main(n):
        bus = EventBus()
        bus.on(Saved, handler)
        start = time.perf_counter()
        for _ in range(n):
            await bus.emit(Saved(path="p", owner="o", reason="r", size=1)).now()
        return time.perf_counter() - start

    return lambda n: asyncio.run(main(n))


def main():
    question = Question("S6", "async call, two factories, linked, one async subscriber, handled")
    others = peers({"otel span": otel_span, "ddtrace span": ddtrace_span, "abxbus": abxbus_event})
    question.measure(
        {
            "onex_events": async_calls("onex_events"),
            "pydantic creation": pydantic_creation(),
            "reference": async_calls("onex_events.reference"),
            **others,
        }
    )
    question.at_most(
        "onex_events, in Pydantic creations",
        0.28,
        lambda call, creation: call / creation,
        "onex_events",
        "pydantic creation",
    )
    question.figure(
        "reference, in Pydantic creations",
        lambda call, creation: call / creation,
        "reference",
        "pydantic creation",
    )
    question.figure("reference / onex_events", lambda r, c: r / c, "reference", "onex_events")
    for name, bound in {"otel span": 12, "ddtrace span": 20, "abxbus": 1000}.items():
        if name in others:
            question.at_least(
                f"{name} / onex_events", bound, lambda o, c: o / c, name, "onex_events"
            )
    question.answer()


if __name__ == "__main__":
    main()
