"""Spec 1 §3: frameworks take decorated functions, shown with the real packages."""

from __future__ import annotations

import abc
import asyncio
import functools
import inspect
import pickle
import sys
import textwrap
import typing
from unittest import mock

import pytest

from onex_events import CreatedEvent, CreatingEvent, Event, EventBus, emit_events, set_event_bus

pytestmark = pytest.mark.leaks_elsewhere("frameworks keep what is registered with them")

PAIR = ["creating", "created"]


class Watch:
    """The types of all events on the default bus, in order."""

    def __init__(self, bus: EventBus) -> None:
        self.bus = bus
        self.seen: list[str] = []
        bus.subscribe(self.note, Event)

    def note(self, event: Event) -> None:
        self.seen.append(event.type)

    def types(self) -> list[str]:
        self.bus.flush_sync(10)
        return self.seen


@pytest.fixture(params=[True, False], ids=["listening", "nobody listens"])
def watch(request):
    bus = EventBus()
    set_event_bus(bus)
    if request.param:
        yield Watch(bus)
    else:

        class Nobody:
            def types(self):
                return PAIR  # nothing to see: only that the framework works

        yield Nobody()
    bus.close()
    set_event_bus(EventBus())


def observe(function):
    return emit_events(
        creating_factory=lambda *a, **k: CreatingEvent(),
        created_factory=lambda *a, **k: CreatedEvent(),
    )(function)


class TestPydantic:
    def test_unannotated_method_in_a_model_body(self, watch):
        pydantic = pytest.importorskip("pydantic")

        class Model(pydantic.BaseModel):
            x: int

            @observe
            def double(self):
                return 2 * self.x

            @observe
            async def later(self):
                return 3 * self.x

            @observe
            @classmethod
            def make(cls):
                return cls(x=5)

            @staticmethod
            @observe
            def name():
                return "model"

        assert set(Model.model_fields) == {"x"}
        assert Model(x=2).double() == 4
        assert watch.types() == PAIR
        assert asyncio.run(Model(x=2).later()) == 6
        assert Model.make().x == 5
        assert Model.name() == "model"

    def test_validators_and_computed_fields(self, watch):
        pydantic = pytest.importorskip("pydantic")

        class Model(pydantic.BaseModel):
            x: int

            @pydantic.field_validator("x")
            @classmethod
            @observe
            def positive(cls, value):
                if value < 0:
                    raise ValueError("negative")
                return value

            @pydantic.computed_field
            @property
            @observe
            def double(self) -> int:
                return 2 * self.x

        assert Model(x=2).model_dump() == {"x": 2, "double": 4}
        with pytest.raises(pydantic.ValidationError):
            Model(x=-1)

    def test_validate_call_above(self, watch):
        pydantic = pytest.importorskip("pydantic")

        @pydantic.validate_call
        @observe
        def add(x: int, y: int = 1) -> int:
            return x + y

        assert add("2") == 3
        assert watch.types() == PAIR
        with pytest.raises(pydantic.ValidationError):
            add("two")

    def test_validate_call_below(self, watch):
        pydantic = pytest.importorskip("pydantic")

        @observe
        @pydantic.validate_call
        def add(x: int, y: int = 1) -> int:
            return x + y

        assert add("2") == 3
        assert watch.types() == PAIR

    def test_validate_call_of_a_coroutine_function(self, watch):
        pydantic = pytest.importorskip("pydantic")

        @pydantic.validate_call
        @observe
        async def add(x: int) -> int:
            return x + 1

        assert asyncio.run(add("2")) == 3
        assert watch.types() == PAIR


class TestWeb:
    def test_starlette_routes(self, watch):
        pytest.importorskip("httpx")
        applications = pytest.importorskip("starlette.applications")
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route
        from starlette.testclient import TestClient

        @observe
        async def asynchronous(request):
            await asyncio.sleep(0)
            return PlainTextResponse("async")

        @observe
        def synchronous(request):
            return PlainTextResponse("sync")

        app = applications.Starlette(
            routes=[Route("/async", asynchronous), Route("/sync", synchronous)]
        )
        with TestClient(app) as client:
            assert client.get("/async").text == "async"
            assert client.get("/sync").text == "sync"
        assert watch.types() in (PAIR, PAIR * 2)

    def test_starlette_route_that_is_a_callable_object(self, watch):
        pytest.importorskip("httpx")
        applications = pytest.importorskip("starlette.applications")
        from starlette.responses import PlainTextResponse
        from starlette.routing import request_response
        from starlette.testclient import TestClient

        class Endpoint:
            async def __call__(self, request):
                return PlainTextResponse("object")

        app = applications.Starlette()
        app.mount("/", request_response(observe(Endpoint())))
        with TestClient(app) as client:
            assert client.get("/").text == "object"
        assert watch.types() == PAIR

    def test_fastapi_routes_and_dependencies(self, watch):
        pytest.importorskip("httpx")
        fastapi = pytest.importorskip("fastapi")
        from fastapi.testclient import TestClient

        app = fastapi.FastAPI()

        @observe
        def dependency(q: int = 1) -> int:
            return q + 1

        @observe
        async def yielding():
            yield 10

        @app.get("/items/{item}")
        @observe
        async def read(
            item: int,
            q: int = fastapi.Depends(dependency),
            base: int = fastapi.Depends(yielding),
        ) -> dict[str, int]:
            return {"item": item, "q": q, "base": base}

        @app.post("/sync")
        @observe
        def write(value: int = fastapi.Body(embed=True)) -> int:
            return value

        with TestClient(app) as client:
            found = client.get("/items/3?q=4").json()
            assert found == {"item": 3, "q": 5, "base": 10}
            assert client.get("/items/three").status_code == 422
            assert client.post("/sync", json={"value": 7}).json() == 7
            parameters = client.get("/openapi.json").json()["paths"]["/items/{item}"]["get"]
            assert {p["name"] for p in parameters["parameters"]} == {"item", "q"}
        if len(watch.types()) > 2:
            assert sorted(set(watch.types())) == ["created", "creating"]


class TestClick:
    def test_command(self, watch):
        click = pytest.importorskip("click")
        from click.testing import CliRunner

        @click.command()
        @click.option("--name", default="you")
        @click.argument("count", type=int)
        @observe
        def hello(count, name):
            """Say hello."""
            click.echo(f"{name} {count}")

        result = CliRunner().invoke(hello, ["3", "--name", "x"])
        assert (result.output, result.exit_code) == ("x 3\n", 0)
        assert hello.name == "hello"
        assert "Say hello." in CliRunner().invoke(hello, ["--help"]).output
        assert watch.types() == PAIR

    def test_group_and_context(self, watch):
        click = pytest.importorskip("click")
        from click.testing import CliRunner

        @click.group()
        def cli():
            pass

        @cli.command()
        @click.pass_context
        @observe
        def sub(ctx):
            click.echo(ctx.info_name)

        assert CliRunner().invoke(cli, ["sub"]).output == "sub\n"
        assert watch.types() == PAIR


class TestPytest:
    def test_fixtures_and_tests(self, tmp_path):
        (tmp_path / "test_inner.py").write_text(
            textwrap.dedent(
                """
                import pytest
                from onex_events import CreatedEvent, Event, emit_events, get_event_bus

                observe = emit_events(created_factory=lambda *a, **k: CreatedEvent())
                seen = []
                get_event_bus().subscribe(lambda event: seen.append(event), Event)

                @pytest.fixture
                @observe
                def one():
                    return 1

                @pytest.fixture
                @observe
                def two(one):
                    yield one + 1

                @pytest.mark.parametrize("n", [2])
                @observe
                def test_it(two, n):
                    assert two == n

                class TestMethod:
                    @observe
                    def test_method(self, two):
                        assert two == 2

                def test_events():
                    assert len(seen) == 6  # two fixtures and one test, twice
                """
            )
        )
        import subprocess

        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
            env={**__import__("os").environ, "PYTHONPATH": ":".join(filter(None, sys.path))},
        )
        assert "3 passed" in done.stdout, done.stdout + done.stderr


class TestMock:
    def test_create_autospec(self, watch):
        @observe
        def function(x, *, y=1):
            return x

        spec = mock.create_autospec(function)
        spec(1, y=2)
        spec.assert_called_once_with(1, y=2)
        with pytest.raises(TypeError):
            spec()
        with pytest.raises(TypeError):
            spec(1, z=3)

    def test_autospec_of_an_async_function_is_awaitable(self, watch):
        @observe
        async def function(x):
            return x

        spec = mock.create_autospec(function, return_value=5)
        assert asyncio.run(spec(1)) == 5
        spec.assert_awaited_once_with(1)

    def test_patch_object_with_autospec(self, watch):
        class Owner:
            @observe
            def method(self, x):
                return x

            @observe
            @classmethod
            def build(cls, x):
                return x

        with mock.patch.object(Owner, "method", autospec=True) as patched:
            patched.return_value = 9
            owner = Owner()
            assert owner.method(1) == 9
            patched.assert_called_once_with(owner, 1)
            with pytest.raises(TypeError):
                owner.method()
        assert Owner().method(2) == 2
        assert watch.types() == PAIR

    def test_autospec_of_a_class(self, watch):
        class Owner:
            @observe
            def method(self, x):
                return x

        spec = mock.create_autospec(Owner)
        instance = spec()
        instance.method(1)
        with pytest.raises(TypeError):
            instance.method()


class TestRegistration:
    def test_celery_task(self, watch):
        celery = pytest.importorskip("celery")
        app = celery.Celery("tests", broker="memory://", backend="cache+memory://")
        app.conf.task_always_eager = True

        @app.task
        @observe
        def add(x, y=1):
            """Add."""
            return x + y

        assert add.name.endswith("add")
        assert add.delay(2, y=3).get() == 5
        assert add(1) == 2
        assert add.__doc__ == "Add."
        assert watch.types()[:2] == PAIR

    def test_bound_celery_task(self, watch):
        celery = pytest.importorskip("celery")
        app = celery.Celery("tests", broker="memory://")
        app.conf.task_always_eager = True

        @app.task(bind=True)
        @observe
        def named(self, x):
            return self.name, x

        assert named.delay(2).get()[1] == 2
        assert watch.types() == PAIR


class TestStandardLibrary:
    def test_abstract_classes_take_it(self, watch):
        class Base(abc.ABC):
            @observe
            @abc.abstractmethod
            def method(self): ...

            @abc.abstractmethod
            @observe
            def other(self): ...

        assert Base.__abstractmethods__ == {"method", "other"}

    def test_singledispatchmethod(self, watch):
        class Owner:
            @functools.singledispatchmethod
            @observe
            def describe(self, value):
                return "object"

            @describe.register
            @observe
            def _(self, value: int):
                return "int"

        assert Owner().describe("x") == "object"
        assert Owner().describe(1) == "int"

    def test_total_ordering_and_dunder_methods(self, watch):
        @functools.total_ordering
        class Number:
            def __init__(self, n):
                self.n = n

            @observe
            def __eq__(self, other):
                return self.n == other.n

            @observe
            def __lt__(self, other):
                return self.n < other.n

            __hash__ = None

        assert Number(1) < Number(2) and Number(2) >= Number(1)

    def test_dataclass_does_not_take_it_for_a_field(self, watch):
        import dataclasses

        @dataclasses.dataclass
        class Point:
            x: int
            method = observe(lambda self: self.x)

        assert [f.name for f in dataclasses.fields(Point)] == ["x"]
        assert Point(3).method() == 3

    def test_enum_does_not_take_it_for_a_member(self, watch):
        import enum

        class Colour(enum.Enum):
            RED = 1

            @observe
            def describe(self):
                return self.name

        assert list(Colour) == [Colour.RED]
        assert Colour.RED.describe() == "RED"

    def test_protocols(self, watch):
        @typing.runtime_checkable
        class Closes(typing.Protocol):
            def close(self): ...

        class Owner:
            @observe
            def close(self): ...

        assert isinstance(Owner(), Closes)

    def test_overriding_in_a_subclass_and_super(self, watch):
        class Base:
            @observe
            def method(self):
                return 1

        class Sub(Base):
            def method(self):
                return super().method() + 1

        assert Sub().method() == 2
        assert watch.types() == PAIR

    def test_pickling_a_bound_method(self, watch):
        bound = Pickled().method
        assert pickle.loads(pickle.dumps(bound))() == 1

    def test_doctest_finds_it(self, watch):
        import doctest

        found = doctest.DocTestFinder().find(
            documented, "documented", module=False, globs={"documented": documented}
        )
        assert [len(test.examples) for test in found] == [1]
        assert doctest.DocTestRunner().run(found[0]).failed == 0

    def test_help_shows_the_signature(self, watch):
        import pydoc

        text = pydoc.plain(pydoc.render_doc(documented))
        assert "documented(x: 'int') -> 'int'" in text or "documented(x: int) -> int" in text

    def test_getsource_and_getfile(self, watch):
        assert inspect.getsource(documented).startswith("@observe")
        assert inspect.getfile(documented) == __file__

    def test_copy_gives_itself(self, watch):
        import copy

        assert copy.copy(documented) is documented
        assert copy.deepcopy([documented])[0] is documented


class Pickled:
    @observe
    def method(self):
        return 1


@observe
def documented(x: int) -> int:
    """
    >>> documented(1)
    1
    """
    return x
