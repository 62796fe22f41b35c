"""Generic event classes: type variables at every depth, as pydantic takes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Dict, Generic, List, Optional, TypeVar, Union

import pytest

from onex_events import Event, Field

T = TypeVar("T")
U = TypeVar("U")


class Inner(Event[Any]):
    type: str = "inner"
    number: int


class Pair(Event[Any], Generic[T]):
    type: str = "pair"
    first: T
    both: List[T] = []


class Deep(Pair[List[T]], Generic[T]):
    type: str = "deep"
    held: Optional[Pair[T]] = None


class Wide(Event[Any], Generic[T, U]):
    type: str = "wide"
    many: Dict[str, Union[Pair[T], None]] = {}
    noted: Annotated[Optional[Pair[U]], Field(description="noted")] = None
    called: Optional[Callable[[T], U]] = None
    plain: Optional[Annotated[T, "note"]] = None


def test_a_base_s_variable_stands_for_what_the_base_was_given():
    """Of Pair[List[T]] also where both classes call their variable T."""
    made = Deep[int](first=["1"], both=[[2], ["3"]], held=Pair[int](first="4"))
    assert made.first == [1]
    assert made.both == [[2], [3]]
    assert made.held is not None
    assert made.held.first == 4


@pytest.mark.parametrize(
    ("made", "data", "field"),
    [
        (Deep[int], {"first": [1], "held": {"first": "x"}}, "held"),
        (Wide[int, str], {"many": {"a": {"first": "x"}}}, "many"),
        (Wide[str, int], {"noted": {"first": "x"}}, "noted"),
        (Wide[int, str], {"plain": "x"}, "plain"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_variables_inside_of_other_types(made, data, field):
    with pytest.raises(ValueError, match=field):
        made(**data)
    right = json.loads(json.dumps(data).replace('"x"', '"7"'))
    assert made(**right).model_fields_set == set(data)


def test_a_callable_of_variables_is_any_callable():
    assert Wide[int, str](called=str).called is str


def test_a_class_without_parameters_takes_none():
    with pytest.raises(TypeError, match="no type parameters"):
        Inner[int]
    with pytest.raises(TypeError, match="too many type parameters"):
        Pair[int, str]
    assert Pair[T] is Pair
    assert Pair[int] is Pair[int]
