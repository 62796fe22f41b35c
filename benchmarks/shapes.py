"""Functions of several shapes, plain and decorated, for S1 and S2."""

from collections.abc import Callable
from typing import Any

from operation import Operation
from rounds import Question

from onex_events import CreatedEvent, CreatingEvent, Event, EventBus, emit_events
from onex_events._core import SiteFunction

Decorator = Callable[[Any], Any]


def decorator(hook: str, bus: EventBus | None = None) -> Decorator:
    """``emit_events`` with two lambda factories, on a bus of its own if none is given."""
    bus = EventBus(history_size=0) if bus is None else bus
    return emit_events(
        creating_factory=lambda *a, **k: CreatingEvent(),
        created_factory=lambda *a, **k: CreatedEvent(),
        bus=bus,
        hook=hook,
    )


# name -> (definition, statement)
SYNC = {
    "f()": ("@observe\ndef f(): return None", "f()"),
    "f(1)": ("@observe\ndef f(x): return x", "f(1)"),
    "f(x=1)": ("@observe\ndef f(x): return x", "f(x=1)"),
    "f of 8": ("@observe\ndef f(a, b, c, d, e, f, g, h): return a", "f(1, 2, 3, 4, 5, 6, 7, 8)"),
    "f of 8, keywords": (
        "@observe\ndef f(a, b, c, d, e, f, g, h): return a",
        "f(1, 2, 3, 4, e=5, f=6, g=7, h=8)",
    ),
    "o.f()": ("class O:\n    @observe\n    def f(self): return None\no = O()", "o.f()"),
    "o.f(1)": ("class O:\n    @observe\n    def f(self, x): return x\no = O()", "o.f(1)"),
    "o.f(x=1)": ("class O:\n    @observe\n    def f(self, x): return x\no = O()", "o.f(x=1)"),
    "for _ in f(1)": ("@observe\ndef f(x): yield x", "for _ in f(1): pass"),
}
ASYNC = {
    "await f()": ("@observe\nasync def f(): return None", "await f()"),
    "await f(1)": ("@observe\nasync def f(x): return x", "await f(1)"),
    "await f(x=1)": ("@observe\nasync def f(x): return x", "await f(x=1)"),
    "await f of 8": (
        "@observe\nasync def f(a, b, c, d, e, f, g, h): return a",
        "await f(1, 2, 3, 4, 5, 6, 7, 8)",
    ),
    "await f of 8, keywords": (
        "@observe\nasync def f(a, b, c, d, e, f, g, h): return a",
        "await f(1, 2, 3, 4, e=5, f=6, g=7, h=8)",
    ),
    "await o.f()": (
        "class O:\n    @observe\n    async def f(self): return None\no = O()",
        "await o.f()",
    ),
    "await o.f(1)": (
        "class O:\n    @observe\n    async def f(self, x): return x\no = O()",
        "await o.f(1)",
    ),
    "async for _ in f(1)": ("@observe\nasync def f(x): yield x", "async for _ in f(1): pass"),
}


def _operation(shape: tuple[str, str], observe: Decorator, asynchronous: bool) -> Operation:
    definition, statement = shape
    scope: dict[str, Any] = {"observe": observe, "__name__": __name__}
    exec(definition, scope)
    names = {name: scope[name] for name in ("f", "o") if name in scope}
    return Operation(statement, asynchronous=asynchronous, **names)


def _listened_to(shape: tuple[str, str], asynchronous: bool) -> Operation:
    """The shape in place after it ran without a listener, with one, and without again."""
    bus = EventBus(history_size=0)
    operation = _operation(shape, decorator("auto", bus), asynchronous)
    operation.warm_up()
    heard: list[Event[Any]] = []
    subscription = bus.subscribe(heard.append, event_types=Event)
    operation.warm_up()
    bus.flush_sync()
    assert heard, "nothing was observed"
    subscription.cancel()
    operation.warm_up()
    return operation


def variants(shapes: dict[str, tuple[str, str]], asynchronous: bool) -> dict[str, Operation]:
    """Each shape plain, decorated in place, and that after listeners came and went."""
    made = {}
    for name, shape in shapes.items():
        made[f"{name}, plain"] = _operation(shape, lambda function: function, asynchronous)
        made[f"{name}, in place"] = _operation(shape, decorator("auto"), asynchronous)
        made[f"{name}, in place, after"] = _listened_to(shape, asynchronous)
    return made


def get_site_function(shapes: dict[str, tuple[str, str]]) -> set[str]:
    """The shapes that are not decorated in place on this interpreter."""
    found = set()
    for name, (definition, _) in shapes.items():

        def observe(function: Any, name: str = name) -> Any:
            decorated = decorator("auto")(function)
            if type(decorated) is SiteFunction:
                found.add(name)
            return decorated

        exec(definition, {"observe": observe, "__name__": __name__})
    return found


def judge(question: Question, module: str, shapes: dict[str, tuple[str, str]]) -> None:
    """Whether decoration in place leaves the shapes as they are: by instructions, else by time."""
    kept = get_site_function(shapes)
    if kept:
        question.note(
            "a SiteFunction in place of the function, so not judged here (csrc/py/hook.c says "
            f"why): {', '.join(sorted(kept))}"
        )
    names = [name for name in shapes if name not in kept]
    if not names:
        return
    counted = question.count(module)
    for way in ("in place", "in place, after"):
        when = "after listeners came and went" if "after" in way else "never listened to"
        if counted:
            count = question.instructions
            extra = {n: count[f"{n}, {way}"] / count[f"{n}, plain"] - 1 for n in names}
            worst = max(extra, key=lambda name: abs(extra[name]))
            question.exactly(
                f"in place, {when}: |extra| instructions (worst: {worst})", abs(extra[worst]), 0.05
            )
        for name in names:
            question.figure(
                f"in place, {when}: extra time of {name}",
                lambda empty, plain, ours: (ours - plain) / (plain - empty),
                *("empty loop", f"{name}, plain", f"{name}, {way}"),
            )
