"""pydantic's decorators, private attributes and hooks in event classes: as in a model."""

from functools import cached_property
from typing import Any

import pytest

from onex_events import Event, Field

pydantic = pytest.importorskip("pydantic")


class Checked(Event):
    type: str = "checked"
    name: str = "n"
    size: int = 1

    @pydantic.field_validator("name")
    @classmethod
    def strip(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("blank")
        return value.strip()

    @pydantic.field_validator("size", mode="before")
    @classmethod
    def halve(cls, value: Any) -> Any:
        return value / 2 if isinstance(value, float) else value


class TestFieldValidators:
    def test_after(self):
        assert Checked(name=" a ").name == "a"

    def test_before(self):
        assert Checked(size=8.0).size == 4

    def test_its_error_is_a_line_of_the_validation_error(self):
        with pytest.raises(pydantic.ValidationError) as caught:
            Checked(name=" ", size="x")
        assert [(e["type"], e["loc"]) for e in caught.value.errors()] == [
            ("value_error", ("name",)),
            ("int_parsing", ("size",)),
        ]
        assert caught.value.errors()[0]["msg"] == "Value error, blank"

    def test_is_inherited_and_can_be_overridden(self):
        class Same(Checked):
            pass

        class Louder(Checked):
            @pydantic.field_validator("name")
            @classmethod
            def strip(cls, value: str) -> str:
                return value.upper()

        assert Same(name=" a ").name == "a"
        assert Louder(name=" a ").name == " A "

    def test_of_an_unknown_field_is_refused(self):
        with pytest.raises(TypeError, match="nmae"):

            class Wrong(Event):
                type: str = "x"

                @pydantic.field_validator("nmae")
                @classmethod
                def check(cls, value: Any) -> Any:
                    return value


class Whole(Event):
    type: str = "whole"
    low: int
    high: int

    @pydantic.model_validator(mode="before")
    @classmethod
    def spread(cls, data: Any) -> Any:
        if "both" in data:
            data = {**data, "low": data["both"], "high": data["both"]}
        return data

    @pydantic.model_validator(mode="after")
    def ordered(self) -> "Whole":
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class TestModelValidators:
    def test_before_changes_the_input(self):
        assert Whole(both=3).high == 3

    def test_after_sees_the_event(self):
        assert Whole(low=1, high=2).low == 1
        with pytest.raises(pydantic.ValidationError) as caught:
            Whole(low=2, high=1)
        (line,) = caught.value.errors()
        assert (line["type"], line["loc"]) == ("value_error", ())
        assert line["msg"] == "Value error, low is above high"

    def test_error_of_a_nested_event_has_its_place(self):
        class Outer(Event):
            type: str = "outer"
            inner: Whole
            size: int

        with pytest.raises(pydantic.ValidationError) as caught:
            Outer(inner={"low": 2, "high": 1}, size="x")
        assert [e["loc"] for e in caught.value.errors()] == [("inner",), ("size",)]

    def test_evolve_runs_them(self):
        event = Whole(low=1, high=2)
        assert event.evolve(low=2).low == 2
        with pytest.raises(pydantic.ValidationError):
            event.evolve(low=3)

    def test_model_validate_runs_them(self):
        assert Whole.model_validate({"both": 1}).low == 1

    def test_model_construct_does_not(self):
        assert Whole.model_construct(low=2, high=1).low == 2

    def test_wrap_is_refused(self):
        with pytest.raises(TypeError, match="'wrap'"):

            class Wrapped(Event):
                type: str = "x"

                @pydantic.model_validator(mode="wrap")
                @classmethod
                def around(cls, data: Any, handler: Any) -> Any:
                    return handler(data)


class Shown(Event):
    type: str = "shown"
    width: int = 2
    height: int = 3
    secret: str = "s"

    @pydantic.field_serializer("secret")
    def hide(self, value: str) -> str:
        return "*" * len(value)

    @pydantic.field_serializer("width", when_used="json")
    def as_text(self, value: int) -> str:
        return f"{value} m"

    @pydantic.computed_field
    @property
    def area(self) -> int:
        return self.width * self.height


class TestSerializers:
    def test_field_serializer(self):
        assert Shown().model_dump()["secret"] == "*"
        assert Shown().secret == "s"

    def test_when_used(self):
        assert Shown().model_dump()["width"] == 2
        assert Shown().model_dump(mode="json")["width"] == "2 m"
        assert '"width":"2 m"' in Shown().model_dump_json()

    def test_computed_field_is_dumped(self):
        event = Shown(width=5)
        assert event.area == 15
        assert event.model_dump()["area"] == 15
        assert '"area":15' in event.model_dump_json()
        assert "area" not in event.model_dump(exclude={"area"})


class TestPostInit:
    def test_runs_after_validation(self):
        class Event2(Event):
            type: str = "x"
            size: int = 1
            double: int = 0

            def model_post_init(self, context: Any) -> None:
                self.double = 2 * self.size

        assert Event2(size="4").double == 8
        assert Event2.model_construct(size=5).double == 10

    def test_super_is_there(self):
        class Event3(Event):
            type: str = "x"

            def model_post_init(self, context: Any) -> None:
                super().model_post_init(context)

        assert Event3().type == "x"

    def test_its_error_is_raised_as_it_is(self):
        class Event4(Event):
            type: str = "x"

            def model_post_init(self, context: Any) -> None:
                raise KeyError("post")

        with pytest.raises(KeyError, match="post"):
            Event4()


class Private(Event):
    type: str = "private"
    _count: int = 3
    _names: list[str] = pydantic.PrivateAttr(default_factory=list)
    _unset: int
    _plain = {"a": []}

    @cached_property
    def expensive(self) -> list[int]:
        return [1]


class TestPrivateAttributes:
    def test_have_their_defaults_per_event(self):
        first, second = Private(), Private()
        first._names.append("a")
        first._plain["a"].append(1)
        assert (first._count, first._names) == (3, ["a"])
        assert second._names == [] and second._plain == {"a": []}

    def test_are_assignable_and_no_fields(self):
        event = Private()
        event._count = 4
        event._unset = 5
        assert (event._count, event._unset) == (4, 5)
        assert "_count" not in event.model_dump()
        assert "_count" not in Private.model_fields

    def test_unset_raises(self):
        with pytest.raises(AttributeError, match="_unset"):
            Private()._unset  # noqa: B018

    def test_are_no_keywords(self):
        assert Private(_count=9)._count == 3

    def test_are_copied(self):
        event = Private()
        event._count = 8
        assert event.model_copy()._count == 8

    def test_cached_property_is_made_once(self):
        event = Private()
        assert event.expensive is event.expensive


class TestAliases:
    def test_alias_is_the_keyword(self):
        class Aliased(Event):
            type: str = "x"
            size: int = Field(alias="bytes")

        assert Aliased(bytes="3").size == 3
        with pytest.raises(pydantic.ValidationError) as caught:
            Aliased(size=3)
        assert caught.value.errors()[0]["loc"] == ("bytes",)
        event = Aliased(bytes=3)
        assert event.model_dump()["size"] == 3
        assert event.model_dump(by_alias=True)["bytes"] == 3
        assert event.evolve(bytes=4).size == 4

    def test_populate_by_name(self):
        class Both(Event):
            model_config = {"populate_by_name": True}
            type: str = "x"
            size: int = pydantic.Field(alias="bytes")

        assert Both(size=1).size == 1 and Both(bytes=2).size == 2


class TestConstraints:
    def test_of_pydantics_field(self):
        class Bounded(Event):
            type: str = "x"
            size: int = pydantic.Field(default=1, gt=0)

        assert Bounded(size=5).size == 5
        with pytest.raises(pydantic.ValidationError) as caught:
            Bounded(size=0)
        assert caught.value.errors()[0]["type"] == "greater_than"

    def test_of_our_field(self):
        class Bounded(Event):
            type: str = "x"
            name: str = Field(max_length=3)

        with pytest.raises(pydantic.ValidationError):
            Bounded(name="long")

    def test_frozen(self):
        class Fixed(Event):
            type: str = "x"
            name: str = Field(default="n", frozen=True)

        class AllFixed(Event):
            model_config = {"frozen": True}
            type: str = "x"

        with pytest.raises(pydantic.ValidationError):
            Fixed().name = "m"
        with pytest.raises(pydantic.ValidationError):
            AllFixed().type = "y"
        event = AllFixed()
        assert hash(event) == hash(event.model_copy())

    def test_validated_default(self):
        class Strict(Event):
            type: str = "x"
            size: int = Field(default="3", validate_default=True)

        assert Strict().size == 3

    def test_default_from_the_fields_before(self):
        class Derived(Event):
            type: str = "x"
            size: int = 2
            double: int = Field(default_factory=lambda data: 2 * data["size"])

        assert Derived(size=4).double == 8


def test_model_rebuild_resolves_what_came_later(tmp_path, monkeypatch):
    (tmp_path / "later_names.py").write_text(
        "from __future__ import annotations\n"
        "from onex_events import Event\n"
        "class First(Event):\n"
        "    type: str = 'first'\n"
        "    second: Second | None = None\n"
        "before = First.model_rebuild(raise_errors=False)\n"
        "class Second:\n"
        "    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import later_names

    assert later_names.before is False
    assert later_names.First(second=later_names.Second()).second is not None
    assert later_names.First.model_rebuild() is None
