"""Spec 1 §3: what can be decorated, and what stays as it was."""

import asyncio
import functools
import inspect
import pickle
import types
import weakref
from abc import ABC, abstractmethod

import pytest

from .harness import drain, run


@pytest.fixture
def all_events(api, bus, seen):
    bus.subscribe(seen.sync, api.Event)
    return seen


@pytest.fixture(params=["listening", "nobody listens"])
def listening(request, api, bus, seen):
    """Whether somebody listens: a decorated thing looks the same either way."""
    if request.param == "listening":
        bus.subscribe(seen.sync, api.Event)
    return request.param == "listening"


@pytest.fixture
def decorate(api):
    return api.emit_events(
        creating_factory=lambda *a, **k: api.CreatingEvent(metadata={"a": a, "k": k}),
        created_factory=lambda *a, **k: api.CreatedEvent(),
        failed_factory=lambda *a, **k: api.Event(type="failed"),
        cancelled_factory=lambda *a, **k: api.Event(type="cancelled"),
    )


def _sample(x: int, y: str = "y", *rest: float, key: bool = False, **more: bytes) -> list:
    """Its docstring."""
    return [x, y, rest, key, more]


_sample.attribute = "kept"


async def _asample(x: int) -> int:
    """Its docstring."""
    return x


class TestMetadata:
    @pytest.mark.parametrize("function", [_sample, _asample])
    @pytest.mark.parametrize(
        "name", ["__name__", "__doc__", "__module__", "__qualname__", "__annotations__"]
    )
    def test_is_kept(self, decorate, function, name):
        assert getattr(decorate(function), name) == getattr(function, name)

    def test_wrapped_is_the_original(self, decorate):
        assert decorate(_sample).__wrapped__ is _sample

    def test_dict_is_kept(self, decorate):
        decorated = decorate(_sample)
        assert decorated.attribute == "kept"
        assert decorated.__dict__["attribute"] == "kept"
        decorated.other = 1
        assert decorated.other == 1
        assert not hasattr(_sample, "other")

    def test_signature(self, decorate):
        assert inspect.signature(decorate(_sample)) == inspect.signature(_sample)

    def test_type_hints(self, decorate):
        import typing

        assert typing.get_type_hints(decorate(_sample)) == typing.get_type_hints(_sample)

    def test_defaults_and_code(self, decorate):
        decorated = decorate(_sample)
        assert inspect.unwrap(decorated) is _sample
        assert inspect.getsource(decorated) == inspect.getsource(_sample)
        assert inspect.getdoc(decorated) == "Its docstring."

    def test_repr_names_it(self, decorate):
        assert "_sample" in repr(decorate(_sample))

    def test_the_original_stays_as_it_was(self, api, bus, all_events, decorate):
        before = dict(vars(_sample))
        decorate(_sample)
        assert vars(_sample) == before
        _sample(1)
        drain(bus)
        assert all_events == []


class TestPassesFor:
    def test_function(self, decorate, listening):
        decorated = decorate(_sample)
        assert inspect.isfunction(decorated)
        assert isinstance(decorated, types.FunctionType)
        assert callable(decorated)
        assert not inspect.iscoroutinefunction(decorated)

    def test_coroutine_function(self, decorate, listening):
        decorated = decorate(_asample)
        assert inspect.iscoroutinefunction(decorated)
        assert inspect.isfunction(decorated)

    def test_coroutine_function_of_asyncio(self, decorate, listening):
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            assert asyncio.iscoroutinefunction(decorate(_asample))
            assert not asyncio.iscoroutinefunction(decorate(_sample))

    def test_generator_functions(self, decorate, listening):
        @decorate
        def generator():
            yield

        @decorate
        async def async_generator():
            yield

        assert inspect.isgeneratorfunction(generator)
        assert inspect.isasyncgenfunction(async_generator)
        assert not inspect.isgeneratorfunction(async_generator)

    def test_coroutine(self, decorate, listening):
        coroutine = decorate(_asample)(1)
        try:
            assert inspect.iscoroutine(coroutine)
            assert asyncio.iscoroutine(coroutine)
            assert inspect.isawaitable(coroutine)
            assert isinstance(coroutine, types.CoroutineType)
            assert coroutine.cr_frame is not None
            assert coroutine.cr_running is False
            assert coroutine.cr_await is None
            assert coroutine.cr_code.co_name
            assert coroutine.__name__ == "_asample"
            assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
        finally:
            coroutine.close()
        assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED

    def test_generator(self, decorate, listening):
        @decorate
        def generator():
            yield 1

        made = generator()
        assert inspect.isgenerator(made)
        assert isinstance(made, types.GeneratorType)
        assert iter(made) is made
        assert inspect.getgeneratorstate(made) == inspect.GEN_CREATED
        assert next(made) == 1
        assert inspect.getgeneratorstate(made) == inspect.GEN_SUSPENDED
        assert made.gi_frame is not None and made.gi_running is False
        made.close()
        assert inspect.getgeneratorstate(made) == inspect.GEN_CLOSED

    def test_async_generator(self, decorate, listening):
        @decorate
        async def generator():
            yield 1

        async def main():
            made = generator()
            assert inspect.isasyncgen(made)
            assert isinstance(made, types.AsyncGeneratorType)
            assert aiter(made) is made
            assert await anext(made) == 1
            assert made.ag_frame is not None
            await made.aclose()

        run(main())

    def test_singledispatch(self, decorate, listening):
        @functools.singledispatch
        @decorate
        def describe(value):
            return "object"

        @describe.register
        @decorate
        def _(value: int):
            return "int"

        assert describe("x") == "object"
        assert describe(3) == "int"

    def test_weakref(self, decorate, listening):
        def function():
            return 1

        decorated = decorate(function)
        assert weakref.ref(decorated)() is decorated

    def test_pickle_by_name(self, api, user_module):
        module = user_module("""
            from onex_events import emit_events, CreatedEvent

            @emit_events(created_factory=lambda result: CreatedEvent())
            def function():
                return 1

            class Owner:
                @emit_events(created_factory=lambda result, self: CreatedEvent())
                def method(self):
                    return 2
        """)
        assert pickle.loads(pickle.dumps(module.function)) is module.function
        assert pickle.loads(pickle.dumps(module.Owner.method)) is module.Owner.method

    def test_never_awaited_coroutine_is_reported(self, decorate, listening):
        with pytest.warns(RuntimeWarning, match="was never awaited"):
            decorate(_asample)(1)

    def test_hash_and_equality_are_identity(self, decorate):
        first, second = decorate(_sample), decorate(_sample)
        assert first == first and first != second
        assert len({first, second}) == 2

    def test_lru_cache_around_it(self, decorate, listening):
        calls = []

        @functools.lru_cache
        @decorate
        def f(x):
            calls.append(x)
            return x

        assert f(1) == f(1) == 1
        assert calls == [1]

    def test_functools_wraps_around_it(self, decorate, listening):
        decorated = decorate(_sample)

        @functools.wraps(decorated)
        def outer(*args, **kwargs):
            return decorated(*args, **kwargs)

        assert outer.__name__ == "_sample"
        assert inspect.signature(outer) == inspect.signature(_sample)
        assert outer(1)[0] == 1

    def test_partial_of_it(self, decorate, listening):
        assert functools.partial(decorate(_sample), 1, key=True)("z")[:2] == [1, "z"]


class TestCalls:
    """Every call shape gives what the plain function gives."""

    SHAPES = [
        ((1,), {}),
        ((1, "b"), {}),
        ((1, "b", 2.0, 3.0), {}),
        ((1,), {"key": True}),
        ((), {"x": 1, "y": "b"}),
        ((1,), {"more1": b"", "more2": b""}),
        ((1, "b", 2.0), {"key": True, "z": b""}),
        (tuple(range(30)), {f"k{n}": b"" for n in range(30)}),
    ]

    @pytest.mark.parametrize(("args", "kwargs"), SHAPES, ids=range(len(SHAPES)))
    def test_function(self, decorate, listening, args, kwargs):
        assert decorate(_sample)(*args, **kwargs) == _sample(*args, **kwargs)

    @pytest.mark.parametrize(("args", "kwargs"), SHAPES, ids=range(len(SHAPES)))
    def test_method(self, decorate, listening, args, kwargs):
        class Owner:
            @decorate
            def method(self, x, y="y", *rest, key=False, **more):
                return [self, x, y, rest, key, more]

        owner = Owner()
        expected = [owner, *_sample(*args, **kwargs)]
        assert owner.method(*args, **kwargs) == expected
        assert Owner.method(owner, *args, **kwargs) == expected
        bound = owner.method
        assert bound(*args, **kwargs) == expected

    @pytest.mark.parametrize(
        ("args", "kwargs"),
        [((), {}), ((1, 2), {}), ((1,), {"x": 1}), ((1,), {"nope": 1}), ((), {"y": 1})],
        ids=str,
    )
    def test_wrong_arguments_are_the_functions_own_error(self, decorate, listening, args, kwargs):
        def function(x):
            return x

        with pytest.raises(TypeError) as expected:
            function(*args, **kwargs)
        with pytest.raises(TypeError) as caught:
            decorate(function)(*args, **kwargs)
        assert str(caught.value) == str(expected.value)

    def test_recursion(self, decorate, listening):
        @decorate
        def countdown(n):
            return 0 if n == 0 else 1 + countdown(n - 1)

        assert countdown(100) == 100

    def test_endless_recursion_is_a_recursion_error(self, decorate, listening, caplog):
        @decorate
        def forever():
            return forever()

        with pytest.raises(RecursionError):
            forever()

    def test_closure(self, decorate, listening):
        count = 0

        @decorate
        def increment():
            nonlocal count
            count += 1
            return count

        assert [increment(), increment()] == [1, 2]
        assert count == 2


class TestMethods:
    def test_bound_method_attributes(self, decorate, listening):
        class Owner:
            @decorate
            def method(self):
                return self

        owner = Owner()
        bound = owner.method
        assert inspect.ismethod(bound)
        assert bound.__self__ is owner
        assert bound.__func__ is Owner.__dict__["method"]
        assert bound == owner.method
        assert bound() is owner

    def test_factories_get_self(self, api, bus, all_events, decorate):
        class Owner:
            @decorate
            def method(self, x):
                return x

        owner = Owner()
        owner.method(3)
        drain(bus)
        assert all_events[0].metadata["a"] == (owner, 3)

    @pytest.mark.parametrize("order", ["above", "below"])
    @pytest.mark.parametrize("asynchronous", [False, True])
    def test_static_method(self, api, bus, all_events, decorate, order, asynchronous):
        if asynchronous:

            async def function(x):
                return x
        else:

            def function(x):
                return x

        made = (
            decorate(staticmethod(function))
            if order == "above"
            else staticmethod(decorate(function))
        )
        Owner = type("Owner", (), {"method": made})
        for target in (Owner, Owner()):
            result = target.method(3)
            assert (run(result) if asynchronous else result) == 3
        drain(bus)
        assert all_events.types == ["creating", "created"] * 2
        assert all_events[0].metadata["a"] == (3,)
        assert isinstance(Owner.__dict__["method"], staticmethod)

    @pytest.mark.parametrize("order", ["above", "below"])
    @pytest.mark.parametrize("asynchronous", [False, True])
    def test_class_method(self, api, bus, all_events, decorate, order, asynchronous):
        if asynchronous:

            async def function(cls, x):
                return cls, x
        else:

            def function(cls, x):
                return cls, x

        made = (
            decorate(classmethod(function)) if order == "above" else classmethod(decorate(function))
        )
        Owner = type("Owner", (), {"method": made})
        Sub = type("Sub", (Owner,), {})
        for target, cls in ((Owner, Owner), (Owner(), Owner), (Sub, Sub)):
            result = target.method(3)
            assert (run(result) if asynchronous else result) == (cls, 3)
        drain(bus)
        assert all_events.types == ["creating", "created"] * 3
        assert all_events[0].metadata["a"] == (Owner, 3)
        assert isinstance(Owner.__dict__["method"], classmethod)

    def test_property(self, api, bus, all_events, decorate):
        class Owner:
            @property
            @decorate
            def value(self):
                return 5

        assert Owner().value == 5
        drain(bus)
        assert all_events.types == ["creating", "created"]

    def test_cached_property(self, api, bus, all_events, decorate):
        class Owner:
            @functools.cached_property
            @decorate
            def value(self):
                return object()

        owner = Owner()
        assert owner.value is owner.value
        drain(bus)
        assert all_events.types == ["creating", "created"]

    @pytest.mark.parametrize("way", ["init", "call", "enter", "new"])
    def test_special_methods(self, api, bus, all_events, decorate, way):
        class Owner:
            if way == "init":

                @decorate
                def __init__(self, x=1):
                    self.x = x

            if way == "call":

                @decorate
                def __call__(self, x):
                    return x

            if way == "enter":

                @decorate
                def __enter__(self):
                    return self

                def __exit__(self, *exc):
                    return None

            if way == "new":

                @decorate
                def __new__(cls):
                    return super().__new__(cls)

        owner = Owner()
        if way == "call":
            assert owner(3) == 3
        if way == "enter":
            with owner as entered:
                assert entered is owner
        assert isinstance(owner, Owner)
        drain(bus)
        assert all_events.types == ["creating", "created"]

    def test_init_subclass_and_class_getitem(self, api, bus, all_events, decorate):
        made = []

        class Owner:
            @decorate
            def __init_subclass__(cls, **kwargs):
                super().__init_subclass__(**kwargs)
                made.append(cls.__name__)

            @decorate
            def __class_getitem__(cls, item):
                return (cls, item)

        class Sub(Owner):
            pass

        assert made == ["Sub"]
        assert Sub[int] == (Sub, int)
        drain(bus)
        assert all_events.types == ["creating", "created"] * 2

    def test_super_in_a_decorated_method(self, decorate, listening):
        class Base:
            @decorate
            def method(self):
                return ["base"]

        class Sub(Base):
            @decorate
            def method(self):
                return [*super().method(), "sub"]

        assert Sub().method() == ["base", "sub"]

    @pytest.mark.parametrize("order", ["above", "below"])
    def test_abstract_method(self, decorate, listening, order):
        def plain(self):
            return 1

        made = (
            decorate(abstractmethod(plain)) if order == "above" else abstractmethod(decorate(plain))
        )
        Base = type(ABC)("Base", (ABC,), {"method": made})
        with pytest.raises(TypeError, match="abstract"):
            Base()
        Concrete = type(ABC)("Concrete", (Base,), {"method": lambda self: 2})
        assert Concrete().method() == 2

    def test_slots_class(self, api, bus, all_events, decorate):
        class Owner:
            __slots__ = ()

            @decorate
            def method(self):
                return 1

        assert Owner().method() == 1
        drain(bus)
        assert all_events.types == ["creating", "created"]

    def test_async_method(self, api, bus, all_events, decorate):
        class Owner:
            @decorate
            async def method(self, x):
                await asyncio.sleep(0)
                return self, x

        owner = Owner()
        assert run(owner.method(2)) == (owner, 2)
        drain(bus)
        assert all_events.types == ["creating", "created"]
        assert all_events[0].metadata["a"] == (owner, 2)
        assert inspect.iscoroutinefunction(owner.method)


class TestCallableObjects:
    def test_callable_object(self, api, bus, all_events, decorate):
        class Adder:
            def __init__(self, base):
                self.base = base

            def __call__(self, x):
                return self.base + x

        adder = decorate(Adder(10))
        assert adder(1) == 11
        drain(bus)
        assert all_events.types == ["creating", "created"]
        assert all_events[0].metadata["a"] == (1,)

    def test_async_callable_object(self, api, bus, all_events, decorate):
        class Adder:
            async def __call__(self, x):
                await asyncio.sleep(0)
                return x + 1

        adder = decorate(Adder())
        assert run(adder(1)) == 2
        drain(bus)
        assert all_events.types == ["creating", "created"]

    def test_partial(self, api, bus, all_events, decorate):
        assert decorate(functools.partial(_sample, 1))("b")[:2] == [1, "b"]
        drain(bus)
        assert all_events.types == ["creating", "created"]

    def test_builtin(self, api, bus, all_events, decorate):
        assert decorate(len)([1, 2]) == 2
        drain(bus)
        assert all_events.types == ["creating", "created"]
        assert all_events[0].metadata["a"] == ([1, 2],)

    def test_bound_method(self, api, bus, all_events, decorate):
        class Owner:
            def method(self, x):
                return self, x

        owner = Owner()
        assert decorate(owner.method)(1) == (owner, 1)
        drain(bus)
        assert all_events[0].metadata["a"] == (1,)

    def test_decorated_twice(self, api, bus, all_events, decorate):
        assert decorate(decorate(_sample))(1)[0] == 1
        drain(bus)
        assert all_events.types == ["creating", "creating", "created", "created"]
        assert all_events[1].parent_id == all_events[0].id


class TestRunningCoroutines:
    @pytest.mark.parametrize(
        "way", ["run", "create_task", "gather", "wait_for", "shield", "TaskGroup", "threadsafe"]
    )
    def test_asyncio_takes_it(self, decorate, listening, way):
        @decorate
        async def work(x):
            await asyncio.sleep(0)
            return x * 2

        async def main():
            if way == "create_task":
                return await asyncio.create_task(work(4))
            if way == "gather":
                return (await asyncio.gather(work(4), work(5)))[0]
            if way == "wait_for":
                return await asyncio.wait_for(work(4), 5)
            if way == "shield":
                return await asyncio.shield(work(4))
            if way == "TaskGroup":
                async with asyncio.TaskGroup() as group:
                    task = group.create_task(work(4))
                return task.result()
            loop = asyncio.get_running_loop()
            future = asyncio.run_coroutine_threadsafe(work(4), loop)
            return await asyncio.wrap_future(future)

        assert (asyncio.run(work(4)) if way == "run" else run(main())) == 8

    def test_debug_mode(self, decorate, listening):
        @decorate
        async def work():
            await asyncio.sleep(0)
            return 3

        assert asyncio.run(work(), debug=True) == 3

    def test_eager_tasks(self, python_3_12, decorate, listening):
        @decorate
        async def work():
            await asyncio.sleep(0)
            return 3

        async def main():
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
            return await asyncio.create_task(work())

        assert run(main()) == 3

    def test_awaited_twice_is_an_error(self, decorate, listening):
        async def main():
            coroutine = decorate(_asample)(1)
            await coroutine
            with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
                await coroutine

        run(main())

    @pytest.mark.core_only(reason="the observed coroutine is the core's mechanism (§3)")
    def test_task_stack_shows_the_function(self, decorate, listening):
        frames = []

        @decorate
        async def suspended(gate):
            await gate.wait()

        async def main():
            gate = asyncio.Event()
            task = asyncio.create_task(suspended(gate))
            await asyncio.sleep(0)
            frames.extend(frame.f_code.co_name for frame in task.get_stack())
            gate.set()
            await task

        run(main())
        assert "suspended" in frames

    def test_awaiting_inside_another_coroutine_passes_values_and_exceptions(
        self, decorate, listening
    ):
        @types.coroutine
        def swap(value):
            return (yield value)

        @decorate
        async def inner():
            received = []
            received.append(await swap("a"))
            try:
                await swap("b")
            except KeyError as error:
                received.append(error.args[0])
            return received

        async def outer():
            return await inner()

        coroutine = outer()
        assert coroutine.send(None) == "a"
        assert coroutine.send(1) == "b"
        with pytest.raises(StopIteration) as stopped:
            coroutine.throw(KeyError("thrown"))
        assert stopped.value.value == [1, "thrown"]


class TestGenerators:
    def test_send_throw_and_return(self, decorate, listening):
        @decorate
        def conversation():
            received = [(yield "ready")]
            try:
                yield "again"
            except KeyError as error:
                received.append(error.args[0])
            yield "caught"
            return received

        generator = conversation()
        assert next(generator) == "ready"
        assert generator.send(1) == "again"
        assert generator.throw(KeyError("k")) == "caught"
        with pytest.raises(StopIteration) as stopped:
            next(generator)
        assert stopped.value.value == [1, "k"]

    def test_yield_from(self, decorate, listening):
        @decorate
        def inner():
            received = yield 1
            yield received
            return "returned"

        def outer():
            result = yield from inner()
            yield result

        generator = outer()
        assert next(generator) == 1
        assert generator.send("sent") == "sent"
        assert next(generator) == "returned"

    def test_stop_iteration_inside_becomes_a_runtime_error(self, decorate, listening):
        @decorate
        def odd():
            yield 1
            raise StopIteration

        with pytest.raises(RuntimeError, match="generator raised StopIteration"):
            list(odd())

    def test_sending_to_a_fresh_generator_is_an_error(self, decorate, listening):
        @decorate
        def plain():
            yield 1

        generator = plain()
        with pytest.raises(TypeError, match="just-started"):
            generator.send(3)
        generator.close()

    def test_reentered_generator_is_an_error(self, decorate, listening):
        holder = []

        @decorate
        def reentrant():
            yield next(holder[0])

        holder.append(reentrant())
        with pytest.raises(ValueError, match="already executing"):
            next(holder[0])

    def test_asend_and_athrow(self, decorate, listening):
        @decorate
        async def conversation():
            received = [(yield "ready")]
            try:
                yield "again"
            except KeyError as error:
                received.append(error.args[0])
            yield received

        async def main():
            generator = conversation()
            assert await generator.asend(None) == "ready"
            assert await generator.asend(1) == "again"
            assert await generator.athrow(KeyError("k")) == [1, "k"]
            with pytest.raises(StopAsyncIteration):
                await anext(generator)

        run(main())

    def test_context_manager_around_a_decorated_generator(self, decorate, listening):
        import contextlib

        closed = []

        @contextlib.contextmanager
        @decorate
        def managed():
            try:
                yield "inside"
            finally:
                closed.append(1)

        with managed() as value:
            assert value == "inside"
        with pytest.raises(ValueError), managed():
            raise ValueError
        assert closed == [1, 1]

    def test_async_context_manager_around_a_decorated_generator(self, decorate, listening):
        import contextlib

        @contextlib.asynccontextmanager
        @decorate
        async def managed():
            yield "inside"

        async def main():
            async with managed() as value:
                assert value == "inside"

        run(main())

    def test_asyncio_closes_an_abandoned_async_generator(self, api, bus, seen, decorate, listening):
        closed = []

        @decorate
        async def generator():
            try:
                yield 1
                yield 2
            finally:
                closed.append(1)

        async def main():
            async for _ in generator():
                break

        run(main())
        drain(bus)
        assert closed == [1]
        if listening:
            assert seen.types == ["creating", "cancelled"]


@pytest.mark.core_only(reason="SiteFunction is the core's mechanism (§3)")
class TestSiteFunction:
    def test_hook_wrapper_gives_a_site_function(self, api, listening):
        decorated = api.emit_events(
            created_factory=lambda result: api.CreatedEvent(), hook="wrapper"
        )(lambda: 1)
        assert type(decorated) is api.SiteFunction
        assert decorated() == 1

    def test_passes_for_a_function(self, api):
        decorated = api.emit_events(
            created_factory=lambda result, x, y="y", *rest, **more: api.CreatedEvent(),
            hook="wrapper",
        )(_sample)
        assert decorated.__class__ is types.FunctionType
        assert decorated.__code__ is _sample.__code__
        assert decorated.__defaults__ == ("y",)
        assert decorated.__kwdefaults__ == {"key": False}
        assert decorated.__annotations__ == _sample.__annotations__
        assert decorated.__globals__ is _sample.__globals__
        assert decorated.__closure__ is None

    def test_costs_no_bound_method_object_when_called(self, api):
        method_descriptor = 1 << 17
        assert api.SiteFunction.__flags__ & method_descriptor

    def test_class_is_immutable(self, api):
        with pytest.raises(TypeError):
            api.SiteFunction.surprise = 1
