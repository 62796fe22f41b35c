"""Values and classes whose own code misbehaves: taken and rejected as Pydantic does.

Generated values (test_differential.py) come upon few of them.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import pytest
from typing_extensions import TypedDict

pydantic = pytest.importorskip("pydantic")

from onex_events.annotations import compile_annotation  # noqa: E402

from . import generated  # noqa: E402
from .generated import BadMapping, RaisingMapping  # noqa: E402
from .test_differential import adapter, check, outcome  # noqa: E402


class Wrong(enum.Enum):
    X = "x"

    @classmethod
    def _missing_(cls, value: object) -> Any:
        return 7 if value == "number" else None


class Raising(enum.Enum):
    X = "x"

    @classmethod
    def _missing_(cls, value: object) -> Any:
        raise ValueError("no such member")


class Refusing(NamedTuple):
    x: int


class RefusingPair(Refusing):
    def __new__(cls, x: int) -> Any:
        if x == 1:
            raise ValueError("not one")
        if x == 2:
            raise AssertionError("not two")
        return super().__new__(cls, x)


@dataclass
class Careful:
    x: int

    def __post_init__(self) -> None:
        if self.x == 1:
            raise ValueError("not one")
        if self.x == 2:
            raise AssertionError("not two")
        if self.x == 3:
            pydantic.TypeAdapter(int).validate_python("three")


class Silent(ValueError):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class SilentMapping(BadMapping):
    def items(self) -> Any:
        raise Silent


class LateMapping(BadMapping):
    """items() breaks off."""

    def items(self) -> Any:
        yield "a", "not an int"
        raise RuntimeError("broken off")


class Never:
    """Equal to nothing: comparing raises."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("not comparable")

    def __hash__(self) -> int:
        return 7

    def __repr__(self) -> str:
        return "Never()"


class Total(TypedDict):
    a: int


class Open(TypedDict, extra_items=int):  # type: ignore[call-arg]
    a: int


def endless(length: int) -> Callable[[], Iterator[int]]:
    def make() -> Iterator[int]:
        yield from range(length)
        raise RuntimeError("broken off")

    return make


CASES: list[tuple[Any, Any]] = [
    *(
        (annotation, mapping)
        for annotation in (dict[str, int], Total, Open)
        for mapping in (BadMapping(), RaisingMapping(), SilentMapping(), LateMapping())
    ),
    (Open, {"a": 1, "b": "no int"}),
    (Open, {"a": 1, "b": "2"}),
    (Open, {"a": 1, 5: 2}),
    *((Wrong, value) for value in ("x", "number", "other", Never())),
    *((Raising, value) for value in ("x", "other")),
    *((Careful, {"x": value}) for value in (0, 1, 2)),
    *((RefusingPair, value) for value in ((0,), (1,), (2,), {"x": 1})),
    *((Literal["a", 1], value) for value in (Never(), "a", True, 1.0)),
    *((Literal[True, "a"], value) for value in (1, True, "true", "a")),
    *(
        (Decimal, value)
        for value in (
            0.1, 1e22, 1.5e-7, 123456789.12345678, 5e-324, 1.7976931348623157e308, 0.30000000000000004,
            9.999999999999998e22, 2**0.5, -0.0, 1e16, 123456789012345680.0,
        )
    ),
    *((int, "9" * digits) for digits in (640, 700, 4299, 4300, 4301, 5000)),
    *((int | str, "9" * digits) for digits in (4300, 4301)),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value"), CASES)
def test_python_values(annotation: Any, value: Any) -> None:
    validator = compile_annotation(annotation, namespace=vars(generated))
    theirs = adapter(annotation)
    check(
        annotation,
        value,
        raised(validator.validate, value),
        raised(theirs.validate_python, value),
    )


def raised(run: Callable[[Any], Any], value: Any) -> tuple[str, Any]:
    try:
        return outcome(run, value)
    except (ValueError, RuntimeError) as error:  # what neither turns into lines
        return f"raised {type(error).__name__}", error


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (dict[Literal[True, "x"], int], {"true": 1, "x": 2}),
        (dict[Literal[True, False], int], {"yes": 1, "0": 2, "off": 3}),
        (dict[Literal[True, False], int], {"maybe": 1}),
        (dict[Literal[1, "x"], int], {"1": 1, "x": 2, "2": 3}),
        (dict[Literal[1, 2], int], {"9" * 30: 1}),
        (Open, {"a": 1, "b": "x", "c": 3}),
        (list[Literal[True, "x"]], [True, "x", "true", 1]),
    ],
)
def test_json_values(annotation: Any, value: Any) -> None:
    import json

    validator = compile_annotation(annotation, namespace=vars(generated))
    theirs = adapter(annotation)
    ours = outcome(lambda v: validator.validate(v, True), value)
    check(annotation, value, ours, outcome(theirs.validate_json, json.dumps(value)))


@pytest.mark.parametrize("digits", [640, 641])
def test_a_lower_limit_of_digits(digits: int) -> None:
    before = sys.get_int_max_str_digits()
    validator = compile_annotation(int, namespace={})
    sys.set_int_max_str_digits(640)
    try:
        taken = outcome(validator.validate, "9" * digits)
    finally:
        sys.set_int_max_str_digits(before)
    assert taken[0] == ("accepted" if digits == 640 else "rejected")


@pytest.mark.parametrize("maximum", [1, 2, 3])
def test_an_iterator_that_breaks_off_behind_the_last_allowed_item(maximum: int) -> None:
    from typing import Annotated

    annotation = Annotated[list[int], pydantic.Field(max_length=maximum)]
    validator = compile_annotation(annotation, namespace={})
    make = endless(2)
    ours, theirs = (
        outcome(validator.validate, make()),
        outcome(adapter(annotation).validate_python, make()),
    )
    assert ours[0] == theirs[0]
    if ours[0] == "rejected":
        assert [line["type"] for line in ours[1].errors()] == [
            line["type"] for line in theirs[1].errors()
        ]


class Meta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        raise ZeroDivisionError("no answer")


class Asked(metaclass=Meta):
    pass


@dataclass
class AskedRecord(metaclass=Meta):
    x: int = 0


@pytest.mark.parametrize("cls", [Asked, AskedRecord])
def test_a_class_that_cannot_tell_its_instances(cls: type) -> None:
    validator = compile_annotation(cls, namespace={})
    with pytest.raises(ZeroDivisionError, match="no answer"):
        validator.validate(5)
