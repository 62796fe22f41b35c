"""Every shape of call is observed while somebody listens, and only then, on every version.

The interpreter specialises call sites, and where it does it may run a function without asking it
how (see csrc/py/hook.c). So each shape runs in a hot loop of its own code object, long enough to
be specialised, before the first listener, while there is one, after it left, and again; and what
was observed is counted to the call.
"""

from __future__ import annotations

import asyncio
import functools
import operator
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from onex_events import Event, EventBus, emit_events

HOT = 600


class Called(Event[Any]):
    type: str = "call.shape"


class Listener:
    """Counts what a bus of its own is told of decorated functions."""

    def __init__(self) -> None:
        self.bus = EventBus(history_size=0)
        self.count = 0
        self.subscription: Any = None

    def on(self) -> None:
        self.subscription = self.bus.subscribe(self.take, Called)

    def off(self) -> None:
        self.subscription.cancel()

    def take(self, event: Event[Any]) -> None:
        self.count += 1

    def decorator(self, hook: str = "auto") -> Callable[[Any], Any]:
        return emit_events(
            creating_factory=lambda *a, **k: Called(), creating_type=Called, bus=self.bus, hook=hook
        )


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.bus.close()


# name -> (what is set up once, the statement of the hot loop, decorated calls a turn)
SHAPES: dict[str, tuple[str, str, int]] = {
    "positional": ("@observe\ndef f(x): return x", "f(1)", 1),
    "no arguments": ("@observe\ndef f(): pass", "f()", 1),
    "keywords": ("@observe\ndef f(x, y): return x", "f(x=1, y=2)", 1),
    "keyword only": ("@observe\ndef f(*, x): return x", "f(x=1)", 1),
    "positional only": ("@observe\ndef f(x, /, y): return x", "f(1, y=2)", 1),
    "defaults": ("@observe\ndef f(x, y=2, *, z=3): assert (y, z) == (2, 3)", "f(1)", 1),
    "star arguments": ("@observe\ndef f(*a, **k): return a", "f(1, 2, z=3)", 1),
    "call with stars": ("a, k = (1,), {'y': 2}\n@observe\ndef f(x, y): return x", "f(*a, **k)", 1),
    "many arguments": (
        "@observe\ndef f(a, b, c, d, e, g, h, i, j, k): return k",
        "f(1, 2, 3, 4, 5, 6, 7, 8, 9, k=10)",
        1,
    ),
    "lambda": ("f = observe(lambda x: x)", "f(1)", 1),
    "closures of one code": (
        "def make(n):\n    @observe\n    def f(x): return x + n\n    return f\nf, g = make(1), make(2)",
        "assert (f(1), g(1)) == (2, 3)",
        2,
    ),
    "one of two closures": (
        "def make(n, d):\n    def f(x): return x + n\n    return d(f)\n"
        "f, g = make(1, observe), make(2, lambda f: f)",
        "assert (f(1), g(1)) == (2, 3)",
        1,
    ),
    "the original stays": ("def g(x): return x\nf = observe(g)", "f(1); g(1); f.__wrapped__(1)", 1),
    "decorated twice": ("@observe\n@observe\ndef f(x): return x", "f(1)", 2),
    "recursion": ("@observe\ndef f(n): return n and f(n - 1)", "f(3)", 4),
    "map": ("@observe\ndef f(x): return x", "list(map(f, (1, 2)))", 2),
    "sort key": ("@observe\ndef f(x): return -x", "sorted((1, 2), key=f)", 2),
    "partial": ("@observe\ndef f(x, y): return x\np = functools.partial(f, 1)", "p(2)", 1),
    "reduce": ("@observe\ndef f(x, y): return x", "functools.reduce(f, (1, 2, 3))", 2),
    "comprehension": ("@observe\ndef f(x): return x", "[f(i) for i in (1, 2)]", 2),
    "star star of a wrapper": (
        "@observe\ndef f(x): return x\n"
        "@functools.wraps(f)\ndef w(*a, **k): return f(*a, **k)",
        "w(x=1)",
        1,
    ),
    "exec": ("@observe\ndef f(x): return x\ncode = compile('f(1)', 's', 'exec')", "exec(code)", 1),
    "thread": (
        "@observe\ndef f(): pass",
        "t = threading.Thread(target=f); t.start(); t.join()",
        1,
    ),
    "method": ("class C:\n    @observe\n    def m(self, x): return x\nc = C()", "c.m(1)", 1),
    "method by keyword": ("class C:\n    @observe\n    def m(self, x): return x\nc = C()", "c.m(x=1)", 1),
    "bound method": ("class C:\n    @observe\n    def m(self, x): return x\nm = C().m", "m(1)", 1),
    "method of the class": (
        "class C:\n    @observe\n    def m(self, x): return x\nc = C()",
        "C.m(c, 1)",
        1,
    ),
    "methodcaller": (
        "class C:\n    @observe\n    def m(self, x): return x\nc, m = C(), operator.methodcaller('m', 1)",
        "m(c)",
        1,
    ),
    "method in slots": (
        "class C:\n    __slots__ = ()\n    @observe\n    def m(self): return 1\nc = C()",
        "c.m()",
        1,
    ),
    "instance attribute": ("class C: pass\nc = C()\nc.f = observe(lambda x: x)", "c.f(1)", 1),
    "static method": ("class C:\n    @staticmethod\n    @observe\n    def m(x): return x", "C.m(1)", 1),
    "above static method": (
        "class C:\n    @observe\n    @staticmethod\n    def m(x): return x\nc = C()",
        "c.m(1)",
        1,
    ),
    "class method": ("class C:\n    @classmethod\n    @observe\n    def m(cls, x): return x", "C.m(1)", 1),
    "above class method": (
        "class C:\n    @observe\n    @classmethod\n    def m(cls, x): return x",
        "C().m(1)",
        1,
    ),
    "super": (
        "class B:\n    @observe\n    def m(self): return 1\n"
        "class C(B):\n    @observe\n    def m(self): return super().m()\nc = C()",
        "c.m()",
        2,
    ),
    "zero super of a class method": (
        "class B:\n    @classmethod\n    @observe\n    def m(cls): return 1\n"
        "class C(B):\n    @classmethod\n    def m(cls): return super().m()",
        "C.m()",
        1,
    ),
    "property": (
        "class C:\n    @property\n    @observe\n    def p(self): return 1\n"
        "    @p.setter\n    @observe\n    def p(self, x): pass\n"
        "    @p.deleter\n    @observe\n    def p(self): pass\nc = C()",
        "c.p; c.p = 1; del c.p",
        3,
    ),
    "read property": ("class C:\n    @property\n    @observe\n    def p(self): return 1\nc = C()", "c.p", 1),
    "cached property": (
        "class C:\n    @functools.cached_property\n    @observe\n    def p(self): return 1",
        "C().p",
        1,
    ),
    "__init__": ("class C:\n    @observe\n    def __init__(self, x): self.x = x", "C(1)", 1),
    "__init__ below a subclass": (
        "class B:\n    @observe\n    def __init__(self): self.x = 1\nclass C(B): pass",
        "C()",
        1,
    ),
    "__new__": ("class C:\n    @observe\n    def __new__(cls): return object.__new__(cls)", "C()", 1),
    "__del__": ("class C:\n    @observe\n    def __del__(self): pass", "C()", 1),
    "__call__": ("class C:\n    @observe\n    def __call__(self, x): return x\nc = C()", "c(1)", 1),
    "__getattr__": ("class C:\n    @observe\n    def __getattr__(self, n): return n\nc = C()", "c.x", 1),
    "__getattribute__": (
        "class C:\n    @observe\n    def __getattribute__(self, n): return n\nc = C()",
        "c.x",
        1,
    ),
    "__setattr__": ("class C:\n    @observe\n    def __setattr__(self, n, v): pass\nc = C()", "c.x = 1", 1),
    "items": (
        "class C:\n    @observe\n    def __getitem__(self, i): return i\n"
        "    @observe\n    def __setitem__(self, i, v): pass\n"
        "    @observe\n    def __delitem__(self, i): pass\nc = C()",
        "c[1]; c[1] = 2; del c[1]",
        3,
    ),
    "__getitem__": ("class C:\n    @observe\n    def __getitem__(self, i): return i\nc = C()", "c[1]", 1),
    "__missing__": ("class C(dict):\n    @observe\n    def __missing__(self, k): return k\nc = C()", "c[1]", 1),
    "__len__ and __bool__": (
        "class C:\n    @observe\n    def __len__(self): return 1\n"
        "class D:\n    @observe\n    def __bool__(self): return True\nc, d = C(), D()",
        "len(c)\nif c: pass\nif d: pass",
        3,
    ),
    "__contains__": ("class C:\n    @observe\n    def __contains__(self, x): return True\nc = C()", "1 in c", 1),
    "iteration": (
        "class C:\n    @observe\n    def __iter__(self): self.n = 0; return self\n"
        "    @observe\n    def __next__(self):\n        self.n += 1\n"
        "        if self.n > 2: raise StopIteration\n        return self.n\nc = C()",
        "for _ in c: pass",
        4,
    ),
    "arithmetic": (
        "class C:\n    @observe\n    def __add__(self, o): return o\n"
        "    @observe\n    def __radd__(self, o): return o\n"
        "    @observe\n    def __iadd__(self, o): return self\n"
        "    @observe\n    def __neg__(self): return self\n"
        "    @observe\n    def __matmul__(self, o): return o\nc = C()",
        "c + 1; 1 + c; -c; c @ 1; c += 1",
        5,
    ),
    "conversion": (
        "class C:\n    @observe\n    def __index__(self): return 1\n"
        "    @observe\n    def __int__(self): return 1\n"
        "    @observe\n    def __float__(self): return 1.0\n"
        "    @observe\n    def __str__(self): return 'c'\n"
        "    @observe\n    def __format__(self, spec): return 'c'\nc, t = C(), (0, 1)",
        "t[c]; int(c); float(c); str(c); f'{c:x}'",
        5,
    ),
    "comparison": (
        "class C:\n    @observe\n    def __eq__(self, o): return True\n"
        "    @observe\n    def __lt__(self, o): return True\n"
        "    @observe\n    def __hash__(self): return 1\nc = C()",
        "c == 1; c < 1; hash(c)",
        3,
    ),
    "with": (
        "class C:\n    @observe\n    def __enter__(self): return self\n"
        "    @observe\n    def __exit__(self, *e): return False\nc = C()",
        "with c: pass",
        2,
    ),
    "descriptor": (
        "class D:\n    @observe\n    def __get__(self, o, t): return 1\n"
        "    @observe\n    def __set__(self, o, v): pass\nclass C: x = D()\nc = C()",
        "c.x; c.x = 1",
        2,
    ),
    "class creation": (
        "class C:\n    @observe\n    def __init_subclass__(cls): pass\n"
        "    @observe\n    def __class_getitem__(cls, x): return x\n"
        "class D:\n    @observe\n    def __set_name__(self, o, n): pass",
        "type('X', (C,), {'d': D()}); C[1]",
        3,
    ),
    "metaclass": (
        "class M(type):\n    @observe\n    def __call__(cls): return 1\n"
        "    @observe\n    def __instancecheck__(cls, o): return True\n"
        "class C(metaclass=M): pass",
        "C(); isinstance(1, C)",
        2,
    ),
    "callable object": ("class C:\n    def __call__(self, x): return x\nf = observe(C())", "f(1)", 1),
    "builtin": ("f = observe(len)", "f(())", 1),
    "bound": ("class C:\n    def m(self): return 1\nf = observe(C().m)", "f()", 1),
    "generator": ("@observe\ndef f(n):\n    for i in range(n): yield i", "for _ in f(2): pass", 1),
    "generator method": (
        "class C:\n    @observe\n    def m(self): yield 1\nc = C()",
        "list(c.m())",
        1,
    ),
    "yield from": (
        "@observe\ndef f(): yield 1; return 2\ndef g(): return (yield from f())",
        "list(g())",
        1,
    ),
    "generator expression in a call": ("@observe\ndef f(x): return x", "sum(f(i) for i in (1, 2))", 2),
    "await": ("@observe\nasync def f(x): return x", "await f(1)", 1),
    "await a method": (
        "class C:\n    @observe\n    async def m(self, x): return x\nc = C()",
        "await c.m(x=1)",
        1,
    ),
    "__await__": ("class C:\n    @observe\n    def __await__(self):\n        return 1\n        yield\nc = C()", "await c", 1),
    "task": ("@observe\nasync def f(x): return x", "await asyncio.create_task(f(1))", 1),
    "asynchronous generator": (
        "@observe\nasync def f(n):\n    for i in range(n): yield i",
        "async for _ in f(2): pass",
        1,
    ),
    "async with": (
        "class C:\n    @observe\n    async def __aenter__(self): return self\n"
        "    @observe\n    async def __aexit__(self, *e): return False\nc = C()",
        "async with c: pass",
        2,
    ),
    "singledispatch": (
        "@functools.singledispatch\n@observe\ndef f(x): return 0\n"
        "@f.register\n@observe\ndef _(x: int): return 1",
        "assert (f(1), f('')) == (1, 0)",
        2,
    ),
    "lru_cache": ("@functools.lru_cache(0)\n@observe\ndef f(x): return x", "f(1)", 1),
}  # fmt: skip

SLOW = {"thread", "class creation"}


def hot_loop(shape: str, observe: Callable[[Any], Any]) -> tuple[Callable[[int], None], int]:
    """A loop over the shape's statement, and the decorated calls of each of its turns."""
    set_up, statement, calls = SHAPES[shape]
    scope: dict[str, Any] = {
        "observe": observe, "functools": functools, "operator": operator, "threading": threading,
        "asyncio": asyncio,
    }  # fmt: skip
    exec(set_up, scope)
    body = textwrap.indent(statement, "        ")
    waits = "await " in statement or "async " in statement
    exec(
        f"{'async ' if waits else ''}def loop(n):\n"
        f"    {'global c' if 'c += 1' in statement else 'pass'}\n"
        f"    for _ in range(n):\n{body}\n",
        scope,
    )
    loop = scope["loop"]
    return (lambda n: asyncio.run(loop(n))) if waits else loop, calls


def check_shape(shape: str, listener: Listener, observe: Callable[[Any], Any]) -> None:
    loop, calls = hot_loop(shape, observe)
    n = 20 if shape in SLOW else HOT
    for turn in range(3):
        loop(n)
        assert listener.count == 0, f"{shape}: observed though nobody listens (turn {turn})"
        listener.on()
        loop(n)
        listener.bus.flush_sync(10)
        assert listener.count == n * calls, f"{shape}: turn {turn}"
        listener.off()
        listener.count = 0


@pytest.mark.parametrize("hook", ["auto", "wrapper"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_observed_while_somebody_listens(
    shape: str, hook: str, listener: Listener
) -> None:
    check_shape(shape, listener, listener.decorator(hook))


@pytest.mark.parametrize("shape", ["positional", "method", "read property", "__getitem__"])
def test_a_bypassed_shape_is_found(shape: str, listener: Listener) -> None:
    """The check above sees calls that do not come by: here every other one."""
    observe = listener.decorator()

    def half(function: Any) -> Any:
        observed, turns = observe(function), iter(range(10**9))

        @functools.wraps(function)
        def sometimes(*args: Any) -> Any:
            return (observed if next(turns) % 2 else function)(*args)

        return sometimes

    with pytest.raises(AssertionError, match="turn 0"):
        check_shape(shape, listener, half)


@pytest.mark.skipif(sys.version_info[:2] != (3, 14), reason="only 3.14 inlines properties blindly")
def test_a_getter_from_outside_of_the_class_is_what_3_14_bypasses(listener: Listener) -> None:
    """Why one-argument functions of a class's body get a SiteFunction there."""

    def getter(self: Any) -> int:
        return 1

    class C:
        p = property(listener.decorator()(getter))

    def loop(n: int) -> None:
        c = C()
        for _ in range(n):
            assert c.p == 1

    loop(HOT)
    listener.on()
    loop(HOT)
    assert listener.count < HOT


@pytest.mark.skipif(sys.version_info < (3, 13), reason="3.12 does not inline __init__")
def test_an_init_of_another_name_is_what_the_interpreter_bypasses(listener: Listener) -> None:
    """Why functions called __init__ get a SiteFunction: hooked in place one is not observed.

    Should this fail on a new version, they may get the hook there.
    """
    observe = listener.decorator()

    def other(self: Any, x: int) -> None:
        self.x = x

    class C:
        __init__ = observe(other)

    def loop(n: int) -> None:
        for _ in range(n):
            C(1)

    loop(HOT)
    listener.on()
    loop(HOT)
    assert listener.count < HOT


def test_what_is_hooked_is_a_function(listener: Listener) -> None:
    def function(x: int, y: int = 2) -> int:
        return x + y

    decorated = listener.decorator()(function)
    if sys.version_info >= (3, 12):
        assert type(decorated) is type(function)
        assert decorated.__code__ is function.__code__
        assert decorated is not function
    assert decorated.__wrapped__ is function
    assert "__wrapped__" not in vars(function)


@pytest.mark.parametrize("hook", ["auto", "wrapper"])
def test_listening_begins_and_ends_in_mid_loop(hook: str, listener: Listener) -> None:
    calls = 0

    @listener.decorator(hook)
    def f() -> None:
        nonlocal calls
        calls += 1
        if calls % 1000 == 400:
            listener.on()
        elif calls % 1000 == 700:
            listener.off()

    for _ in range(3000):
        f()
    # The call that begins to listen was made before, the one that ceases was announced.
    assert listener.count == 3 * 300


@pytest.mark.parametrize("hook", ["auto", "wrapper"])
def test_listening_is_seen_by_running_threads(hook: str, listener: Listener) -> None:
    """Once subscribe has returned every call of every thread is observed, until unsubscribe."""
    counted = [0] * 3
    observed: list[int] = []
    stop = threading.Event()

    def make(thread: int) -> Called:
        observed.append(thread)  # what is queued when the listener leaves it never gets
        return Called()

    @emit_events(creating_factory=make, creating_type=Called, bus=listener.bus, hook=hook)
    def f(thread: int) -> None:
        counted[thread] += 1

    def run(thread: int) -> None:
        while not stop.is_set():
            f(thread)

    def progress() -> None:
        """Waits until every thread has begun and ended a call since."""
        for thread, before in enumerate(list(counted)):
            while counted[thread] < before + 50:
                assert threads[thread].is_alive()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            progress()
            assert not observed
            before = sum(counted)
            listener.on()
            middle = sum(counted)
            progress()
            after = sum(counted)
            listener.off()
            last = sum(counted)
            progress()
            assert after - middle - 3 <= len(observed) <= last - before + 3
            observed.clear()
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_listener_pays_for_the_functions_that_it_wants(listener: Listener) -> None:
    """Functions whose events it can't get stay as they are."""

    class Other(Event[Any]):
        type: str = "call.other"

    def wanted(x: int) -> int:
        return x

    def unwanted(x: int) -> int:
        raise AssertionError("the factory of an event without a listener was asked")

    observe = emit_events(creating_factory=unwanted, creating_type=Other, bus=listener.bus)
    decorated, other = listener.decorator()(wanted), observe(wanted)
    listener.on()
    assert (decorated(1), other(1)) == (1, 1)
    assert listener.count == 1


def test_a_thousand_functions_are_switched_at_once(listener: Listener) -> None:
    def make(n: int) -> Callable[[], int]:
        return listener.decorator()(lambda: n)

    functions = [make(n) for n in range(1000)]
    for _ in range(3):
        assert [f() for f in functions] == list(range(1000))
        assert listener.count == 0
        listener.on()
        assert [f() for f in functions] == list(range(1000))
        assert listener.count == 1000
        listener.off()
        listener.count = 0


def test_a_function_that_changes_while_observed(listener: Listener) -> None:
    """Assigned code and defaults count, on and off."""

    @listener.decorator()
    def f(x: int = 1) -> int:
        return x

    def loop() -> list[int]:
        return [f() for _ in range(HOT)]

    assert loop() == [1] * HOT
    listener.on()
    f.__defaults__ = (2,)
    assert loop() == [2] * HOT
    f.__code__ = (lambda x=0: x * 10).__code__
    assert loop() == [20] * HOT
    listener.off()
    assert loop() == [20] * HOT
    f.__defaults__ = (3,)
    assert loop() == [30] * HOT
    assert listener.count == 2 * HOT
    if sys.version_info >= (3, 12):  # a SiteFunction's attributes are its function's
        assert f.__wrapped__() == 1


@pytest.mark.skipif(sys.version_info < (3, 12), reason="a SiteFunction's site is not in its dict")
def test_without_its_dict_a_function_is_a_function(listener: Listener) -> None:
    @listener.decorator()
    def f(x: int) -> int:
        f.__dict__.clear()
        return x

    listener.on()
    assert f(1) == 1
    assert f(2) == 2
    assert listener.count == 1


def test_a_function_and_its_hook_die_together(listener: Listener) -> None:
    import gc
    import weakref

    def make() -> Callable[..., object]:
        @listener.decorator()
        def f() -> object:
            return None

        return f

    gc.disable()
    try:
        refs = [weakref.ref(make()) for _ in range(10)]
        listener.on()
        refs += [weakref.ref(make()) for _ in range(10)]
        assert [ref() for ref in refs] == [None] * 20
    finally:
        gc.enable()


def test_a_reference_that_somebody_else_keeps_outlives_the_hook(listener: Listener) -> None:
    """weakref.getweakrefs gives the hook's own one away; it must not tell who lies there now."""
    import weakref

    def make() -> Callable[[], None]:
        @listener.decorator()
        def f() -> None:
            pass

        return f

    listener.on()
    for n in range(100):
        f = make()
        references = weakref.getweakrefs(f)  # none on versions without hooks
        vars(f).clear()  # the hook is gone
        others = [make() for _ in range(3)]
        del f
        assert [ref() for ref in references] == [None] * len(references)
        for other in others:
            other()
        assert listener.count == (n + 1) * 3


def test_the_collector_sees_the_class_of_the_reference(listener: Listener) -> None:
    """An instance of a heap type visits its type, or the type is never garbage."""
    import gc
    import weakref

    f = listener.decorator()(lambda: None)
    for reference in weakref.getweakrefs(f):
        assert type(reference) in gc.get_referents(reference)


def test_functions_may_go_while_listeners_are_matched_with_them(listener: Listener) -> None:
    """Who may listen is asked while the list of functions is walked: no metaclass runs there."""
    import gc

    functions: list[Callable[[], None]] = []

    class Meta(type(Event)):  # type: ignore[misc]
        def __subclasses__(cls) -> list[type]:
            functions.clear()
            gc.collect()
            return super().__subclasses__()  # type: ignore[no-any-return]

    class Above(Event[Any], metaclass=Meta):
        type: str = "above"

    class Below(Above):
        type: str = "below"

    for _ in range(10):
        for _ in range(20):

            @emit_events(creating_factory=Above, bus=listener.bus)
            def f() -> None:
                pass

            functions.append(f)
        listener.on()
        listener.off()
    assert len(functions) == 200


def test_garbage_with_a_hooked_function_may_still_be_called(listener: Listener) -> None:
    """What the collector takes at once: the function, its hook, who calls it at the end."""
    import gc

    called = []

    class Caller:
        def __init__(self) -> None:
            @listener.decorator()
            def f() -> None:
                called.append(self)

            self.f = f

        def __del__(self) -> None:
            self.f()

    for on in (False, True):
        if on:
            listener.on()
        for _ in range(5):
            Caller()
        gc.collect()
    assert len(called) == 10
    called.clear()
    gc.collect()


def test_what_is_kept_in_the_dict_can_be_copied(listener: Listener) -> None:
    """Libraries copy and pickle a function's __dict__ (functools.wraps, cloudpickle)."""
    import copy
    import pickle

    @listener.decorator()
    def f() -> None:
        pass

    attributes = {k: v for k, v in vars(f).items() if k != "__wrapped__"}
    assert set(pickle.loads(pickle.dumps(attributes))) == set(attributes)
    assert set(copy.deepcopy(attributes)) == set(attributes)

    @functools.wraps(f)
    def wrapper() -> None:
        f()

    listener.on()
    wrapper()
    assert listener.count == 1
