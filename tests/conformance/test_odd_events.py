"""Events in unusual states: fields deleted, dozens of them, very long values, odd ids."""

from __future__ import annotations

import copy
import json
import pickle
import sys
from typing import Any

import pytest
from pydantic import ConfigDict, Field, model_validator


@pytest.fixture
def wide(api):
    """A class with more fields than one word has marks."""
    names = [f"field_{n}" for n in range(90)]
    return type(
        "Wide",
        (api.Event,),
        {
            "__annotations__": {"type": str, **dict.fromkeys(names, int)},
            "type": "wide",
            **dict.fromkeys(names, 0),
        },
    )


class TestManyFields:
    def test_each_is_set_and_deleted_by_itself(self, wide):
        event = wide(field_3=3, field_80=80)
        event.field_70 = 70
        assert event.model_fields_set == {"field_3", "field_70", "field_80"}
        del event.field_80
        assert event.model_fields_set == {"field_3", "field_70", "field_80"}
        with pytest.raises(AttributeError):
            _ = event.field_80

    def test_evolved_with_all_of_them(self, wide):
        changes = {f"field_{n}": n for n in range(90)}
        event = wide().evolve(**changes)
        assert {name: getattr(event, name) for name in changes} == changes
        assert event.model_fields_set >= set(changes)

    def test_made_without_checks(self, wide):
        event = wide.model_construct(_fields_set={"field_80"}, field_1="one", field_80=8)
        assert (event.field_1, event.field_80, event.field_2) == ("one", 8, 0)
        assert event.model_fields_set == {"field_80"}

    def test_made_without_checks_by_position(self, wide):
        assert wide.model_construct({"field_1"}).model_fields_set == {"field_1"}
        with pytest.raises(TypeError, match="multiple values for argument '_fields_set'"):
            wide.model_construct({"field_1"}, _fields_set={"field_1"})


class TestDeletedFields:
    @pytest.mark.parametrize("name", ["metadata", "error", "size", "tags", "id", "timestamp"])
    def test_dumps_leave_them_out(self, api, name):
        class Saved(api.Event):
            type: str = "saved"
            size: int = 1
            tags: list[str] = []

        event = Saved()
        delattr(event, name)
        # Pydantic warns of what a dump lacks.
        assert name not in event.model_dump()
        assert name not in json.loads(event.model_dump_json())
        for options in (
            {"exclude_none": True},
            {"exclude_unset": True},
            {"exclude_defaults": True},
        ):
            assert name not in event.model_dump(**options)
            assert name not in json.loads(event.model_dump_json(**options))

    @pytest.mark.parametrize("name", ["metadata", "error", "size"])
    def test_copies_lack_them_too(self, api, name):
        Saved = SAVED[api.__name__]
        event = Saved(size=4)
        delattr(event, name)
        for other in (copy.copy(event), copy.deepcopy(event), pickle.loads(pickle.dumps(event))):
            with pytest.raises(AttributeError):
                getattr(other, name)
            assert other == event
            assert other != Saved(id=event.id, timestamp=event.timestamp, size=4)


def saved(module: Any) -> Any:
    class Saved(module.Event):  # type: ignore[misc, name-defined]
        type: str = "saved"
        size: int = 1

    Saved.__qualname__ = name = f"saved_of_{module.__name__.replace('.', '_')}"
    globals()[name] = Saved
    Saved.__name__ = name
    return Saved


def _saved_of_both() -> dict[str, Any]:
    import onex_events
    import onex_events.reference

    return {module.__name__: saved(module) for module in (onex_events, onex_events.reference)}


SAVED = _saved_of_both()


class TestJson:
    @pytest.mark.parametrize("length", [1, 1500, 1600, 5_000, 100_000])
    @pytest.mark.parametrize(
        "character", ["x", "\n", "\x01", "\u00e9", "\N{SNOWMAN}", "\U0001f40d"]
    )
    def test_long_texts(self, api, character, length):
        event = api.Event(type=character * length, error=character * length * 2)
        seen = json.loads(event.model_dump_json())
        assert seen["type"] == character * length
        assert seen["error"] == character * length * 2

    def test_half_a_surrogate_pair_is_an_error(self, api):
        event = api.Event(type="x")
        event.type = "\ud800"
        with pytest.raises(ValueError):
            event.model_dump_json()

    def test_fields_that_are_never_dumped(self, api):
        class Login(api.Event):
            type: str = "login"
            password: str = Field(default="secret", exclude=True)
            tags: set[str] = set()

        event = Login()
        for options in ({}, {"exclude_none": True}, {"exclude_defaults": True}):
            assert "password" not in json.loads(event.model_dump_json(**options))
            assert "password" not in event.model_dump(**options)
        assert "tags" not in event.model_dump(exclude_defaults=True)
        assert event.evolve(tags={"a"}).model_dump(exclude_defaults=True)["tags"] == {"a"}

    @pytest.mark.parametrize("number", [0, -1, 2**63, -(2**63) - 1, 10**400])
    def test_any_int(self, api, number):
        class Counted(api.Event):
            type: str = "counted"
            number: int

        assert json.loads(Counted(number=number).model_dump_json())["number"] == number


class TestExtras:
    @pytest.fixture
    def loose(self, api):
        class Loose(api.Event):
            model_config = ConfigDict(extra="allow")
            type: str = "loose"

        return Loose

    def test_deleted_ones_count_as_never_given(self, loose):
        event = loose(colour="red")
        other = event.model_copy()
        del other.colour
        assert other.model_extra == {}
        assert other != event
        bare = loose(id=event.id, timestamp=event.timestamp, lineage_id=event.lineage_id)
        assert other == bare and bare == other

    def test_evolved_by_an_init_of_its_own(self, api):
        made = []

        class Own(api.Event):
            model_config = ConfigDict(extra="allow")
            type: str = "own"
            size: int = 0

            def __init__(self, **data: Any) -> None:
                made.append(set(data))
                super().__init__(**data)

        event = Own(size=1, colour="red").evolve(size=2)
        assert (event.size, event.colour) == (2, "red")
        assert {"size", "colour"} <= made[-1]


class TestValidators:
    @pytest.mark.core_only(
        reason="Pydantic takes whatever a model validator of mode 'before' makes"
    )
    def test_before_must_return_the_fields(self, api):
        class Odd(api.Event):
            type: str = "odd"

            @model_validator(mode="before")
            @classmethod
            def change(cls, data: Any) -> Any:
                return 7

        with pytest.raises(TypeError, match="must return the dict of the fields, got int"):
            Odd()

    def test_defaults_that_are_checked(self, api):
        class Checked(api.Event):
            model_config = ConfigDict(validate_default=True)
            type: str = "checked"
            size: int = "5"  # type: ignore[assignment]
            tags: list[int] = Field(default_factory=lambda: ["6"])  # type: ignore[list-item]

        assert (Checked().size, Checked().tags) == (5, [6])

    @pytest.mark.parametrize("given", [{}, {"tags": ["a"]}])
    def test_factories_run_without_checks_too(self, api, given):
        class Made(api.Event):
            type: str = "made"
            tags: list[str] = Field(default_factory=lambda: ["x"])
            copied: dict[str, list[int]] = {"a": [1]}

        event = Made.model_construct(**given)
        assert event.tags == given.get("tags", ["x"])
        assert event.copied == {"a": [1]}
        assert event.copied is not Made.model_construct().copied


@pytest.mark.skipif(sys.version_info < (3, 13), reason="refused there for classes made in C")
class TestBeneathTheClass:
    """What `object` does with an instance, past the class's own methods."""

    @pytest.mark.parametrize("name", ["error", "size"])
    def test_set(self, api, name):
        event = SAVED[api.__name__]()
        object.__setattr__(event, name, 5)
        assert getattr(event, name) == 5

    def test_deleted(self, api):
        event = SAVED[api.__name__](error="e")
        object.__delattr__(event, "error")
        with pytest.raises(AttributeError):
            _ = event.error
