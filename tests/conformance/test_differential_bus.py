"""One generated program, run on both implementations: the same calls, links and counts.

The program subscribes, emits, calls nested decorated functions and records, in one thread and
without a loop; what is compared are the calls of handlers and factories in order, every link of
every event (ids numbered in the order in which they are seen), history and statistics.
"""

import importlib
import logging

from hypothesis import given
from hypothesis import strategies as st

from .harness import LIMIT, drain, identity

CLASSES = ["Event", "CreatingEvent", "CreatedEvent", "DeletedEvent", "Mine", "Sub"]
NAMES = ["created", "creating", "user.a", "user.b", "deleted"]
PATTERNS = ["creat", "user", r"user\.b$", ".", "nothing"]

subscriptions = st.tuples(
    st.just("subscribe"),
    st.sampled_from([None, *range(len(CLASSES))]),
    st.sampled_from([None, *PATTERNS]),
    st.sampled_from([None, "yes", "no", "failing", "children"]),
    st.sampled_from([1, 10, 100, 5]),
    st.booleans(),
    st.sampled_from(["nothing", "raise", "emit"]),
)
calls = st.tuples(
    st.just("call"),
    st.lists(
        st.tuples(
            st.sampled_from(["full", "start", "end", "typed", "bounded", "broken", "args"]),
            st.booleans(),
        ),
        min_size=1,
        max_size=4,
    ),
)
operations = st.one_of(
    subscriptions,
    subscriptions,
    calls,
    calls,
    st.tuples(st.just("emit"), st.sampled_from(CLASSES), st.sampled_from(NAMES), st.booleans()),
    st.tuples(st.just("unsubscribe"), st.integers(0, 5)),
    st.tuples(st.just("record"), st.booleans()),
    st.tuples(st.just("push"), st.sampled_from(NAMES)),
    st.tuples(st.just("pop")),
)
programs = st.tuples(st.booleans(), st.integers(0, 12), st.lists(operations, max_size=14))


class Machine:
    """Runs a program on one implementation and writes down what happens."""

    def __init__(self, package, lazy, history_size):
        self.api = api = importlib.import_module(package)
        self.bus = api.EventBus(history_size, lazy=lazy)
        self.numbers, self.handled, self.made, self.live = {}, [], [], []

        class Mine(api.Event):
            type: str = "user.a"

        class Sub(Mine, api.CreatedEvent):
            type: str = "user.b"

        self.classes = {
            name: {"Mine": Mine, "Sub": Sub}.get(name) or getattr(api, name) for name in CLASSES
        }
        self.functions = self.make_functions()

    def number(self, value):
        return None if value is None else self.numbers.setdefault(value, len(self.numbers))

    def shown(self, event):
        return (
            type(event).__name__,
            event.type,
            event.phase.value,
            self.number(event.id),
            self.number(event.parent_id),
            self.number(event.root_id),
            self.number(event.lineage_id),
            event.duration_ms is not None,
            event.error,
            sorted(event.metadata),
        )

    # --- decorated functions ---------------------------------------------------------------

    def make_functions(self):
        api, classes, made = self.api, self.classes, self.made
        bus = self.bus

        def creating(chain):
            made.append("creating")
            return api.CreatingEvent()

        def created(result, chain):
            made.append(("created", result))
            return api.CreatedEvent()

        def failed(error, chain):
            made.append(("failed", type(error).__name__))
            return api.Event(type="user.failed", phase="failed", error=str(error))

        def bounded(chain):
            made.append("bounded")
            return classes["Sub"]()

        bounded.__annotations__["return"] = classes["Mine"]

        def broken(*args):
            made.append("broken")
            raise LookupError("broken")

        ends = {"created_factory": created, "failed_factory": failed}
        kinds = {
            "full": {"creating_factory": creating, **ends},
            "start": {"creating_factory": creating},
            "end": ends,
            "typed": {
                "creating_factory": creating,
                **ends,
                "creating_type": api.CreatingEvent,
                "created_type": api.CreatedEvent,
            },
            "bounded": {"creating_factory": bounded, **ends},
            "broken": {"creating_factory": broken, "created_factory": broken},
            "args": {"creating_factory": creating, **ends, "include_args": True},
        }
        functions = {}

        def body(chain):
            made.append(("depth", api.get_context_depth()))
            if chain:
                (kind, fails), *rest = chain
                try:
                    return functions[kind](rest)
                finally:
                    if fails:
                        raise ValueError("own")
            return len(made)

        for kind, options in kinds.items():
            functions[kind] = api.emit_events(**options, bus=bus)(body)
        return functions

    # --- operations ------------------------------------------------------------------------

    def subscribe(self, cls, pattern, predicate, priority, asynchronous, action):
        if cls is None and pattern is None and predicate is None:
            predicate = "yes"
        me = len(self.live)

        def decide(event):
            if predicate == "failing":
                raise LookupError("predicate")
            return predicate == "yes" or (predicate == "children" and event.parent_id is not None)

        def act(event):
            self.handled.append((me, self.shown(event)))
            if action == "raise":
                raise LookupError("handler")
            if action == "emit" and not event.metadata.get("nested"):
                self.bus.emit_sync(
                    self.api.Event(
                        type="user.nested", parent_id=event.id, metadata={"nested": True}
                    )
                )

        async def act_later(event):
            act(event)

        self.live.append(
            self.bus.subscribe(
                act_later if asynchronous else act,
                event_types=None if cls is None else self.classes[CLASSES[cls]],
                pattern=pattern,
                predicate=None if predicate is None else decide,
                priority=priority,
            )
        )

    def unsubscribe(self, which):
        if which < len(self.live):
            self.bus.unsubscribe(self.live[which])

    def emit(self, cls, name, linked):
        event = self.classes[cls](type=name)
        parent = self.api.get_current_parent_event()
        if linked and parent is not None:
            event.parent_id = parent.id
        assert self.bus.emit_sync(event) is event

    def call(self, chain):
        (kind, fails), *rest = chain
        try:
            self.made.append(("result", self.functions[kind](rest)))
        except ValueError as error:
            self.made.append(("raised", str(error)))

    def record(self, on):
        self.bus.record(on)

    def push(self, name):
        self.api.push_event_context(self.api.Event(type=name))

    def pop(self):
        if self.api.get_context_depth():
            self.api.pop_event_context()

    def run(self, program):
        self.api.context.clear_context()
        try:
            for operation, *arguments in program:
                getattr(self, operation)(*arguments)
                drain(self.bus, LIMIT)
            stats = identity(self.bus)
            history = [self.shown(event) for event in self.bus.get_history()]
            return {
                "handled": self.handled,
                "made": self.made,
                "history": history,
                "depth": self.api.get_context_depth(),
                "stats": {
                    key: stats[key]
                    for key in (
                        "total_events",
                        "event_counts",
                        "history_size",
                        "subscriptions",
                        "emitted",
                        "handled",
                        "dropped",
                        "handler_errors",
                        "pending_parents",
                    )
                },
            }
        finally:
            self.api.context.clear_context()
            self.bus.close()


@given(programs)
def test_both_implementations_do_the_same(program):
    lazy, history_size, operations = program
    logging.getLogger("onex_events").setLevel(logging.CRITICAL + 1)
    try:
        core = Machine("onex_events", lazy, history_size).run(operations)
        reference = Machine("onex_events.reference", lazy, history_size).run(operations)
    finally:
        logging.getLogger("onex_events").setLevel(logging.NOTSET)
    for key, value in reference.items():
        assert core[key] == value, key
