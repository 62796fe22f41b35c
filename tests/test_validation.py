"""Validation beside what the conformance and differential tests compare with Pydantic:
the compiler's errors, ValidationError with and without pydantic, recursion, references."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import textwrap
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Dict, List, Literal, NamedTuple, Optional, Union
from uuid import UUID

import pytest

import onex_events
from onex_events import _core
from onex_events.annotations import compile_annotation
from onex_events.errors import ValidationError

from .leaks import lost

pytestmark = pytest.mark.usefixtures("small_heap")


def accepted(annotation: Any, value: Any, **options: Any) -> Any:
    return compile_annotation(annotation, namespace=globals(), **options).validate(value)


def lines(annotation: Any, value: Any, **options: Any) -> list[dict[str, Any]]:
    with pytest.raises(ValidationError) as caught:
        accepted(annotation, value, **options)
    return typing.cast(Any, caught.value).errors()


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Node(NamedTuple):
    value: int
    rest: Optional[Node] = None


class Shape:
    size = 3


@dataclass
class Link:
    value: int
    next: Optional[Link] = None


# -------------------------------------------------------------------- the compiler


class TestCompiler:
    def test_an_object_that_is_no_type_names_the_field(self) -> None:
        with pytest.raises(TypeError, match=r"Order\.size: 3 is no type"):
            compile_annotation(3, where="Order.size")

    def test_text_that_does_not_parse_names_the_field(self) -> None:
        with pytest.raises(TypeError, match=r"Order\.size: the annotation 'List\[' can't be"):
            compile_annotation("List[", where="Order.size")

    def test_an_unknown_name_is_a_name_error(self) -> None:
        with pytest.raises(NameError) as caught:
            compile_annotation("List[Unknown]", namespace={"List": List})
        assert caught.value.name == "Unknown"

    def test_a_generic_alias_in_type_is_refused(self) -> None:
        with pytest.raises(TypeError, match=r"Type\[\.\.\.\] takes a class"):
            compile_annotation(type[list[int]])

    def test_a_protocol_without_isinstance_is_refused_at_once(self) -> None:
        class Sized(typing.Protocol):
            size: int

        with pytest.raises(TypeError, match=r"Order\.shape: .*runtime_checkable"):
            compile_annotation(Sized, where="Order.shape")
        assert accepted(typing.runtime_checkable(Sized), Shape()).size == 3

    def test_postponed_names_are_looked_up_in_the_namespace(self) -> None:
        assert accepted("Optional[UUID]", None) is None
        assert accepted(List["UUID"], [UUID(int=1)]) == [UUID(int=1)]

    def test_a_records_names_are_those_of_its_own_module(self) -> None:
        module = types.ModuleType("elsewhere")
        sys.modules["elsewhere"] = module
        try:
            exec(
                "from __future__ import annotations\nfrom dataclasses import dataclass\n"
                "class Shape: pass\n@dataclass\nclass Holder:\n    shape: Shape\n",
                vars(module),
            )
            other = module.Shape()
            assert accepted(module.Holder, {"shape": other}).shape is other
            assert lines(module.Holder, {"shape": Shape()})[0]["loc"] == ("shape",)
        finally:
            del sys.modules["elsewhere"]

    def test_a_local_record_may_refer_to_itself(self) -> None:
        @dataclass
        class Local:
            inner: Local | None = None

        assert accepted(Local, {"inner": {}}) == Local(Local())

    def test_metadata_that_is_documentation_costs_nothing(self) -> None:
        assert compile_annotation(Annotated[int, "how many"]).kind == "int"

    def test_constraints_go_to_pydantic(self) -> None:
        pydantic = pytest.importorskip("pydantic")
        validator = compile_annotation(Annotated[int, pydantic.Field(gt=0)])
        assert validator.kind == "pydantic"
        assert validator.validate("3") == 3
        assert lines(int, 0, metadata=(pydantic.Field(gt=0),))[0]["type"] == "greater_than"

    def test_constraints_of_our_field_go_to_pydantic(self) -> None:
        pytest.importorskip("pydantic")
        assert lines(int, 0, metadata=(onex_events.Field(gt=0),))[0]["type"] == "greater_than"

    def test_a_strict_class_is_validated_by_pydantic(self) -> None:
        pytest.importorskip("pydantic")
        assert lines(int, "1", config={"strict": True})[0]["type"] == "int_type"

    def test_configuration_without_part_in_validation_stays_ours(self) -> None:
        validator = compile_annotation(int, config={"title": "T", "extra": "forbid"})
        assert validator.kind == "int"

    def test_a_part_for_pydantic_takes_the_whole_annotation(self) -> None:
        pydantic = pytest.importorskip("pydantic")

        class Model(pydantic.BaseModel):
            a: int

        validator = compile_annotation(Union[Model, int, Link])
        assert validator.kind == "pydantic"
        assert validator.validate({"a": "1"}) == Model(a=1)
        assert isinstance(validator.validate({"value": 1}), Link)

    def test_without_pydantic_a_constraint_says_what_to_install(self) -> None:
        assert "Order.n: " in (
            shown := run(
                """
                import sys
                sys.modules["pydantic"] = None
                from typing import Annotated
                from onex_events import Event, Field
                try:
                    class Order(Event):
                        type: str = "order"
                        n: int = Field(default=1, gt=0)
                except TypeError as error:
                    print(error)
                """
            )
        )
        assert "pydantic" in shown

    def test_without_pydantic_its_conversions_say_what_to_install(self) -> None:
        assert "needs pydantic, which is not installed" in run(
            """
            import sys
            sys.modules["pydantic"] = None
            import pathlib
            from onex_events.annotations import compile_annotation
            try:
                compile_annotation(pathlib.Path, where="Order.path")
            except TypeError as error:
                print(error)
            """
        )

    def test_a_ref_is_bound_once(self) -> None:
        ref = _core.Validator("ref", "...")
        with pytest.raises(RuntimeError, match="used before it is complete"):
            ref.validate(1)
        ref.bind(compile_annotation(int))
        assert ref.validate("1") == 1
        with pytest.raises(TypeError, match="once"):
            ref.bind(compile_annotation(int))

    @pytest.mark.parametrize(
        "arguments",
        [(), ("int",), ("nothing", "x"), ("list", "x"), ("list", "x", int), ("uuid", "u", 1, 2),
         ("literal", "l", "x", ()), ("enum", "e", int, 3, "x", (), None), ("union", "u", 1, 2),
         ("typeddict", "t", ((1, 2),), 0, None), ("dataclass", "d", 3, (), 0, False, False)],
    )  # fmt: skip
    def test_bad_arguments_of_a_node_are_refused(self, arguments: Any) -> None:
        with pytest.raises((TypeError, ValueError)):
            _core.Validator(*arguments)


# --------------------------------------------------------------------- the values


class TestValues:
    def test_the_exact_type_is_the_value_itself(self) -> None:
        value = UUID(int=1)
        assert accepted(UUID, value) is value

    def test_containers_are_copied_and_their_items_kept(self) -> None:
        inner = [object()]
        outer = {"a": inner}
        taken = accepted(Dict[str, Any], outer)
        assert taken == outer
        assert taken is not outer
        assert taken["a"] is inner

    def test_every_wrong_item_is_listed(self) -> None:
        found = lines(Dict[str, List[int]], {"a": ["x", 1, None], "b": 3})
        assert [line["loc"] for line in found] == [("a", 0), ("a", 2), ("b",)]

    def test_a_dict_that_its_keys_change_is_taken_as_it_was(self) -> None:
        class Growing(str):
            def __hash__(self) -> int:
                source[str(len(source))] = "1"
                return super().__hash__()

            __eq__ = str.__eq__

        source: dict[str, str] = {"a": "1"}
        dict.__setitem__(source, Growing("b"), "2")
        assert accepted(Dict[str, int], source)["a"] == 1

    def test_a_list_that_shrinks_meanwhile_is_no_crash(self) -> None:
        class Shrinking:
            def __float__(self) -> float:
                del source[1:]
                return 1.0

        source: list[Any] = [Shrinking(), "2", "3"]
        assert accepted(List[float], source) == [1.0]

    def test_an_error_in_the_values_own_code_passes(self) -> None:
        class Interrupting:
            def __float__(self) -> float:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            accepted(float, Interrupting())

    def test_isinstance_hooks_that_raise_are_not_swallowed(self) -> None:
        class Meta(type):
            def __instancecheck__(cls, instance: object) -> bool:
                raise LookupError("hook")

        class Odd(metaclass=Meta):
            pass

        with pytest.raises(LookupError, match="hook"):
            accepted(Odd, 3)

    def test_a_union_prefers_the_exact_type_wherever_it_stands(self) -> None:
        assert accepted(Union[int, float, str], "1") == "1"
        assert accepted(Union[str, int], 1) == 1
        assert accepted(Union[float, int], True) == 1.0

    def test_json_text_prefers_what_it_stands_for(self) -> None:
        text = "12345678-1234-5678-1234-567812345678"
        assert compile_annotation(Union[str, UUID]).validate(text, True) == UUID(text)
        assert compile_annotation(Union[str, UUID]).validate(text) == text

    def test_literals_are_the_literals_own_objects(self) -> None:
        assert accepted(Literal[1, "a"], True) == 1
        assert type(accepted(Literal[1, "a"], True)) is int


# ------------------------------------------------------------------------ recursion


class TestRecursion:
    def test_a_recursive_class_takes_nested_dicts(self) -> None:
        assert accepted(Link, {"value": "1", "next": {"value": "2"}}) == Link(1, Link(2))
        assert accepted(Node, (1, (2, None))) == Node(1, Node(2))

    def test_a_cycle_is_an_error_not_a_crash(self) -> None:
        cycle: dict[str, Any] = {"value": 1}
        cycle["next"] = cycle
        assert [line["type"] for line in lines(Link, cycle)] == ["recursion_loop"]

    def test_depth_is_bounded(self) -> None:
        deep: Any = None
        for _ in range(10_000):
            deep = {"value": 1, "next": deep}
        assert [line["type"] for line in lines(Link, deep)] == ["recursion_loop"]

    def test_a_small_stack_is_an_error_not_a_crash(self) -> None:
        assert run(
            """
            import threading
            from dataclasses import dataclass
            from onex_events.annotations import compile_annotation

            @dataclass
            class Link:
                next: "Link | None" = None

            validator = compile_annotation(Link)
            deep = None
            for _ in range(250):
                deep = {"next": deep}

            def validate():
                try:
                    print(type(validator.validate(deep)).__name__)
                except RecursionError as error:
                    print("RecursionError")

            for size in (100, 512):  # 100: the least that every interpreter takes
                threading.stack_size(size * 1024)
                thread = threading.Thread(target=validate)
                thread.start()
                thread.join()
            """
        ).splitlines() == ["RecursionError", "Link"]

    def test_a_list_that_contains_itself_is_no_crash(self) -> None:
        cycle: list[Any] = []
        cycle.append(cycle)
        assert accepted(list, cycle)[0] is cycle

    def test_recursive_validators_are_collected(self) -> None:
        before = [o for o in gc.get_objects() if type(o) is _core.Validator]
        for _ in range(5):
            compile_annotation(Link, namespace=globals())
        gc.collect()
        after = [o for o in gc.get_objects() if type(o) is _core.Validator]
        assert len(after) == len(before)


# ------------------------------------------------------------------ ValidationError


@pytest.fixture
def plain_error() -> Iterator[Any]:
    """The error as it is where pydantic is not loaded."""
    names = ("pydantic", "pydantic_core")
    loaded = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    try:
        with pytest.raises(ValidationError) as caught:
            accepted(Dict[str, int], {"a": "x", "b.c": None})
        yield caught.value
    finally:
        sys.modules.update(loaded)


class TestValidationError:
    def test_lists_every_error(self, plain_error: Any) -> None:
        assert type(plain_error) is ValidationError
        assert isinstance(plain_error, ValueError)
        assert plain_error.error_count() == 2
        assert plain_error.title == "value"
        assert plain_error.errors()[1] == {
            "type": "int_type",
            "loc": ("b.c",),
            "msg": "Input should be a valid integer",
            "input": None,
        }

    def test_leaves_out_what_is_not_asked_for(self, plain_error: Any) -> None:
        assert set(plain_error.errors(include_input=False)[0]) == {"type", "loc", "msg"}

    def test_reads_like_pydantics(self, plain_error: Any) -> None:
        assert str(plain_error) == (
            "2 validation errors for value\n"
            "a\n"
            "  Input should be a valid integer, unable to parse string as an integer "
            "[type=int_parsing, input_value='x', input_type=str]\n"
            "`b.c`\n"
            "  Input should be a valid integer [type=int_type, input_value=None, "
            "input_type=NoneType]"
        )
        assert repr(plain_error) == str(plain_error)

    def test_shortens_long_values(self) -> None:
        shown = run(
            """
            from onex_events.annotations import compile_annotation
            try:
                compile_annotation(int).validate("x" * 99)
            except ValueError as error:
                print(error)
            """
        )
        assert "input_value='" + "x" * 24 + "..." + "x" * 23 + "'" in shown

    def test_survives_pickle_and_copy(self, plain_error: Any) -> None:
        for again in (pickle.loads(pickle.dumps(plain_error)), copy.copy(plain_error)):
            assert again.errors() == plain_error.errors()
            assert again.title == plain_error.title

    def test_gives_json(self, plain_error: Any) -> None:
        assert '"type": "int_parsing"' in plain_error.json()

    @pytest.mark.parametrize("first", ["pydantic", "onex_events"])
    def test_both_except_clauses_take_it(self, first: str) -> None:
        pytest.importorskip("pydantic")
        second = {"pydantic": "onex_events", "onex_events": "pydantic"}[first]
        assert (
            run(
                f"""
            import pickle
            import {first}
            import {second}
            from onex_events import Event, ValidationError

            class Order(Event):
                type: str = "order"
                size: int

            for kind in (ValidationError, pydantic.ValidationError, ValueError):
                try:
                    Order(size="x")
                except kind as error:
                    print(error.error_count(), error.title, error.errors()[0]["loc"])
                    pickle.loads(pickle.dumps(error))
            """
            ).splitlines()
            == ["1 Order ('size',)"] * 3
        )

    def test_pydantics_own_errors_stay_what_they_are(self) -> None:
        pytest.importorskip("pydantic")
        assert "1 validation error for Model" in run(
            """
            import gc, pydantic
            from onex_events import Event, ValidationError
            try:
                Event(type=3)
            except pydantic.ValidationError:
                pass

            class Model(pydantic.BaseModel):
                a: int

            try:
                Model(a="x")
            except ValidationError as error:  # what it was caught by before the migration
                print(error)
            gc.collect()
            """
        )

    def test_an_error_from_before_pydantic_is_still_ours(self) -> None:
        pytest.importorskip("pydantic")
        assert run(
            """
            from onex_events import Event, ValidationError
            errors = []
            for _ in range(2):
                try:
                    Event(type=3)
                except ValidationError as error:
                    errors.append(error)
                import pydantic
            print([isinstance(e, pydantic.ValidationError) for e in errors])
            print([isinstance(e, ValidationError) for e in errors])
            """
        ).splitlines() == ["[False, True]", "[True, True]"]

    def test_messages_are_pydantics(self) -> None:
        core = pytest.importorskip("pydantic_core")
        from onex_events import errors

        if core.__version__ != "2.50.4":
            pytest.skip("messages are compared with one pydantic")
        known = {e["type"]: e for e in core._pydantic_core.list_all_errors()}
        for kind, message in errors._MESSAGES.items():
            if kind not in errors._CUSTOM:
                assert message == known[kind]["message_template_python"], kind
        for kind, message in errors._JSON_MESSAGES.items():
            assert message == known[kind]["message_template_json"], kind


# ------------------------------------------------------------------- what is loaded


def test_compiling_stock_annotations_loads_no_third_party_module() -> None:
    assert (
        run(
            """
        import sys
        before = set(sys.modules)
        import onex_events.annotations
        loaded = set(sys.modules) - before
        print({"pydantic", "msgspec", "inspect", "decimal", "dataclasses"} & loaded)
        """
        ).strip()
        == "set()"
    )


REFERENCES = [
    (int, "12"), (int, "x"), (int, 2.5), (bool, "maybe"), (float, "1_0"), (str, b"\xff"),
    (UUID, "12345678-1234-5678-1234-567812345678"), (UUID, "x"), (List[int], ["1", "x", 2]),
    (Dict[str, int], {"a": "1", "b": "x"}), (Union[int, List[str], None], ["a", 1]),
    (Literal["a", 1], "b"), (Link, {"value": "1", "next": {"value": "x"}}), (Node, ("1", None)),
    ("datetime.datetime", "2020-01-01T00:00:00+01:00"), ("datetime.timedelta", "P1DT1H"),
    ("decimal.Decimal", "1.5"), (frozenset[int], [1, "2", "x"]), (tuple[int, str], (1,)),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value"), REFERENCES, ids=lambda v: str(v)[:30])
def test_no_reference_is_lost(annotation: Any, value: Any) -> None:
    import datetime
    import decimal

    names = {**globals(), "datetime": datetime, "decimal": decimal}
    validator = compile_annotation(annotation, namespace=names)

    def once() -> None:
        try:
            validator.validate(value)
        except ValidationError:
            pass

    assert lost(once) < 0.5


def test_named_tuple_of_a_dict_goes_before_any() -> None:
    """It is no exact match, but no worse a one than Any, whose turn is later."""
    validator = compile_annotation(Union[Node, Any])
    assert type(validator.validate({"value": 1})) is Node
    assert validator.validate({"value": "1"}) == {"value": "1"}


class StandsFor:
    """A key that stands for an integer, or raises."""

    def __init__(self, index: Any) -> None:
        self.index = index

    def __index__(self) -> int:
        if isinstance(self.index, Exception):
            raise self.index
        return self.index

    def __repr__(self) -> str:
        return f"StandsFor({self.index!r})"


class RealThatStandsFor(float):
    def __index__(self) -> int:
        return 9


@pytest.mark.parametrize(
    "key",
    [
        *(StandsFor(n) for n in (1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, "no", ValueError())),
        *(7, True, 2**70, 1.5, RealThatStandsFor(1.5), None, (1,)),
    ],
    ids=repr,
)
def test_a_key_in_a_location_is_as_in_pydantic(key: Any) -> None:
    pydantic = pytest.importorskip("pydantic")
    with pytest.raises(pydantic.ValidationError) as theirs:
        pydantic.TypeAdapter(dict[bytes, int]).validate_python({key: "x"})
    assert [line["loc"] for line in lines(dict[bytes, int], {key: "x"})] == [
        line["loc"] for line in theirs.value.errors()
    ]
