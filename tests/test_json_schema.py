"""model_json_schema where pydantic is not installed: msgspec makes it."""

from __future__ import annotations

import sys
from typing import Any, List, Optional, Type

import pytest

from onex_events import Event, Field


class Inner(Event[Any]):
    type: str = "inner"
    number: int


class Odd:
    pass


class Outer(Event[Any]):
    """What a schema says of itself."""

    type: str = "outer"
    inner: Inner
    more: List[Inner] = []
    again: Optional[Outer] = None
    kind: Optional[Type[Event[Any]]] = None
    odd: Any = Field(default=None, title="Strange", description="any object", examples=[1])
    renamed: int = Field(default=3, alias="other")
    unknown: Odd = Field(default_factory=Odd)


Outer.model_rebuild()


pytestmark = pytest.mark.leaks_elsewhere(
    "msgspec 0.21 loses a reference to something that lives on for each union in a schema"
)


@pytest.fixture
def without_pydantic(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydantic", None)


def test_a_class_has_a_schema(without_pydantic):
    schema = Outer.model_json_schema()
    assert schema["title"] == "Outer"
    assert schema["description"] == "What a schema says of itself."
    assert schema["required"] == ["inner"]
    properties = schema["properties"]
    assert properties["inner"]["$ref"] == "#/$defs/Inner"
    assert properties["more"]["items"] == {"$ref": "#/$defs/Inner"}
    assert {"$ref": "#"} in properties["again"]["anyOf"]
    assert {"type": "string"} in properties["kind"]["anyOf"]
    assert properties["odd"]["title"] == "Strange"
    assert properties["odd"]["description"] == "any object"
    assert properties["odd"]["examples"] == [1]
    assert properties["other"]["default"] == 3
    assert properties["id"]["format"] == "uuid"
    inner = schema["$defs"]["Inner"]
    assert inner["required"] == ["number"]
    assert inner["properties"]["type"]["default"] == "inner"


def test_names_and_references_as_asked_for(without_pydantic):
    schema = Outer.model_json_schema(by_alias=False, ref_template="#/components/{model}")
    assert schema["properties"]["renamed"]["default"] == 3
    assert schema["properties"]["inner"]["$ref"] == "#/components/Inner"


def test_pydantic_s_schema_has_the_same_names(without_pydantic):
    ours = Outer.model_json_schema()
    del sys.modules["pydantic"]
    theirs = Outer.model_json_schema()["$defs"]["Outer"]
    assert set(ours["properties"]) == set(theirs["properties"])
    assert ours["required"] == theirs["required"]
