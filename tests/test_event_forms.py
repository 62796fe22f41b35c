"""Ways to make, copy and describe events that programs use seldom, beside pydantic's."""

from __future__ import annotations

import asyncio
import copy
import sys
import uuid
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, Final, List, Optional

import pydantic
import pytest

import onex_events
from onex_events import Event, Field, ValidationError, event_context


class Order(Event[Any]):
    type: str = "order"
    number: int
    lines: List[str] = Field(default_factory=list)


class Loose(Event[Any]):
    model_config = {"extra": "allow"}
    type: str = "loose"
    size: int = 1


class Shared:
    """No event: its annotated attributes become fields."""

    kind: ClassVar[str] = "shared"
    weight: float = 1.5
    label: Optional[str] = Field(default=None, description="a label")
    _hidden: int = 0

    @property
    def double(self) -> float:
        return self.weight * 2


class Mixed(Shared, Event[Any]):
    type: str = "mixed"


# ---- model_validate and model_construct


class TestValidate:
    def test_attributes_of_any_object(self):
        source = SimpleNamespace(number="3", type="order", lines=["a"])
        event = Order.model_validate(source, from_attributes=True)
        assert (event.number, event.lines) == (3, ["a"])
        assert event.model_fields_set == {"number", "type", "lines"}

    def test_an_attribute_that_raises_is_an_error(self):
        class Broken:
            @property
            def number(self) -> int:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            Order.model_validate(Broken(), from_attributes=True)

    def test_a_missing_attribute_is_a_missing_field(self):
        with pytest.raises(ValidationError) as caught:
            Order.model_validate(SimpleNamespace(), from_attributes=True)
        assert [line["type"] for line in caught.value.errors()] == ["missing"]

    def test_an_event_is_itself(self):
        event = Order(number=1)
        assert Order.model_validate(event) is event
        assert Order.model_validate(event, from_attributes=True) is event

    @pytest.mark.parametrize("value", [None, 3, "x", [("number", 1)]])
    def test_anything_else_is_refused(self, value):
        with pytest.raises(ValidationError):
            Order.model_validate(value)

    @pytest.mark.parametrize("kind", [bytes, bytearray])
    def test_json_in_bytes(self, kind):
        assert Order.model_validate_json(kind(b'{"number": 3}')).number == 3

    @pytest.mark.parametrize("value", [None, 3, {"number": 3}])
    def test_json_must_be_text(self, value):
        with pytest.raises((TypeError, ValidationError)):
            Order.model_validate_json(value)

    def test_json_that_is_none(self):
        with pytest.raises(ValueError):
            Order.model_validate_json("{")
        with pytest.raises(ValidationError):
            Order.model_validate_json("\ud800")


class TestConstruct:
    def test_nothing_is_checked(self):
        event = Order.model_construct(number="no number")
        assert event.number == "no number"
        assert event.model_fields_set == {"number"}

    def test_the_set_fields_are_those_named(self):
        event = Order.model_construct({"lines"}, number=1)
        assert event.model_fields_set == {"lines"}

    def test_extras_are_kept_where_the_class_takes_them(self):
        event = Loose.model_construct(more=1)
        assert event.model_extra == {"more": 1}
        assert Order.model_construct(number=1, more=2).model_extra is None

    def test_the_set_fields_must_be_a_collection(self):
        with pytest.raises(TypeError):
            Order.model_construct(3, number=1)


# ---- copies


class TestCopies:
    @pytest.mark.skipif(sys.version_info < (3, 13), reason="copy.replace is of Python 3.13")
    def test_replace(self):
        event = Order(number=1)
        changed = copy.replace(event, number=2)
        assert (changed.number, changed.id) == (2, event.id)
        with pytest.raises(TypeError):
            event.__replace__(1)

    def test_an_update_is_a_mapping(self):
        with pytest.raises(TypeError, match="update must be a dict"):
            Order(number=1).model_copy(update=[("number", 2)])

    def test_deepcopy_takes_a_memo(self):
        event = Order(number=1, lines=["a"])
        memo: dict[int, Any] = {}
        copied = event.__deepcopy__(memo)
        assert copied.lines == ["a"] and copied.lines is not event.lines
        assert event.__deepcopy__() == event
        with pytest.raises(TypeError):
            event.__deepcopy__(1, 2)

    @pytest.mark.parametrize("state", [None, {}, {"fields": {}}, {"fields": 1, "set": []}])
    def test_a_state_of_something_else(self, state):
        with pytest.raises(TypeError, match="__getstate__"):
            Order(number=1).__setstate__(state)

    @pytest.mark.parametrize("part", ["extra", "private"])
    def test_parts_of_a_state_are_dicts(self, part):
        event = Order(number=1)
        with pytest.raises(TypeError, match=f"{part} must be a dict"):
            event.__setstate__({**event.__getstate__(), part: 3})

    def test_revive_takes_event_classes(self):
        from onex_events import _core

        with pytest.raises(TypeError, match="no Event class"):
            _core.revive(int, ())

    def test_to_failed_takes_one_error(self):
        event = Order(number=1)
        assert event.to_failed(error="e").error == event.to_failed("e").error == "e"
        for arguments, named in (((), {}), (("a", "b"), {}), (("a",), {"error": "b"})):
            with pytest.raises(TypeError):
                event.to_failed(*arguments, **named)
        with pytest.raises(TypeError):
            event.evolve(1)


# ---- attributes


class TestAttributes:
    def test_names_are_text(self):
        event = Order(number=1)
        with pytest.raises(TypeError, match="attribute name must be str"):
            getattr(event, 3)  # type: ignore[call-overload]
        with pytest.raises(TypeError, match="attribute name must be str"):
            setattr(event, 3, 4)  # type: ignore[call-overload]

    def test_what_is_deleted_is_gone(self):
        event = Loose(more=1)
        del event.more
        with pytest.raises(AttributeError):
            del event.more
        with pytest.raises(AttributeError):
            del event.nothing
        del event.size
        with pytest.raises(AttributeError):
            event.size  # noqa: B018

    def test_rare_fields_are_set_like_others(self):
        event = Order(number=1)
        event.context = {"a": event.id}
        event.subject_type = int
        assert event.model_dump(include={"context"}) == {"context": {"a": event.id}}
        del event.context
        assert not hasattr(event, "context")

    def test_fields_of_an_instance(self):
        assert Order(number=1).model_fields is type(Order(number=1)).model_fields


# ---- declarations


class TestDeclarations:
    def test_a_mixin_s_attributes_are_fields(self):
        assert set(Mixed.model_fields) >= {"weight", "label"}
        assert {"kind", "_hidden", "double"}.isdisjoint(Mixed.model_fields)
        assert Mixed.model_fields["label"].description == "a label"
        assert Mixed(weight="2").double == 4
        assert Mixed.kind == "shared"

    def test_the_configuration_is_a_dict(self):
        with pytest.raises(TypeError, match="model_config must be a dict"):

            class Wrong(Event[Any]):
                model_config = 3  # type: ignore[assignment]

    def test_extra_is_one_of_three(self):
        with pytest.raises(TypeError, match="extra must be"):

            class Wrong(Event[Any]):
                model_config = {"extra": "some"}

    def test_settings_may_be_class_arguments(self):
        class Strict(Event[Any], extra="forbid"):
            type: str = "strict"

        with pytest.raises(ValidationError):
            Strict(more=1)

    def test_settings_of_a_derived_class_hold_for_inherited_fields(self):
        class Base(Event[Any]):
            type: str = "base"
            name: str = ""

        class Trimmed(Base):
            model_config = {"str_strip_whitespace": True}

        assert Base(name=" a ").name == " a "
        assert Trimmed(name=" a ").name == "a"

    def test_private_attributes_and_slots(self):
        class Guarded(Event[Any]):
            __slots__ = ("_cache",)
            type: str = "guarded"
            _count: int = 3
            _made: List[int] = pydantic.PrivateAttr(default_factory=list)
            _unset: int
            _none: Any = pydantic.PrivateAttr()

        event = Guarded()
        assert (event._count, event._made) == (3, [])
        for name in ("_unset", "_none", "_cache"):
            assert not hasattr(event, name)
        event._cache = event._unset = 1
        assert event == copy.copy(event)

    def test_final_and_annotated(self):
        class Fixed(Event[Any]):
            type: str = "fixed"
            LIMIT: Final = 3
            size: Annotated[int, Field(description="in bytes"), "note"] = 1
            given: Final[int] = Field(default=2)

        assert "LIMIT" not in Fixed.model_fields
        assert Fixed.LIMIT == 3
        assert Fixed.model_fields["size"].description == "in bytes"

    def test_an_annotation_that_can_t_be_evaluated(self):
        with pytest.raises(TypeError, match="can't be evaluated"):
            exec(
                "from __future__ import annotations\n"
                "class Wrong(Event):\n    size: 1 / 0 = 1\n"
                "Wrong(type='x')\n",
                {"Event": Event},
            )

    def test_a_field_describes_itself(self):
        info = Field(default=3, title="Size", alias="s")
        assert repr(info).startswith("FieldInfo(annotation=")
        assert "default=3" in repr(info) and "title='Size'" in repr(info)
        assert info.get_default() == 3
        made = Field(default_factory=list)
        assert made.get_default() is None
        assert made.get_default(call_default_factory=True) == []
        assert Field().get_default() is None
        assert Order.model_fields["number"].is_required()

    @pytest.mark.parametrize(
        "options",
        [
            {"default": 1, "default_factory": list},
            {"default_factory": 3},
            {"no_such_option": 1},
        ],
    )
    def test_wrong_options_of_a_field(self, options):
        with pytest.raises(TypeError, match=r"Field\(\)"):
            Field(**options)

    def test_undefined_is_one_object(self):
        import pickle

        from onex_events.fields import Undefined

        assert type(Undefined)() is Undefined
        assert copy.copy(Undefined) is copy.deepcopy(Undefined) is Undefined
        assert pickle.loads(pickle.dumps(Undefined)) is Undefined
        assert repr(Undefined) == "Undefined"

    def test_names_of_json_that_are_no_identifiers(self):
        class Odd(Event[Any]):
            type: str = "odd"
            value: int = Field(default=1, alias='a "name"', serialization_alias='a "name"')

        event = Odd(**{'a "name"': 2})
        assert '"a \\"name\\"":2' in event.model_dump_json(by_alias=True)


# ---- events that are pydantic's, on a bus of ours


def test_events_of_pydantic_are_linked_and_delivered():
    from onex_events import reference

    bus = onex_events.EventBus(lazy=False)
    parent = reference.Event(type="parent")
    seen: list[Any] = []
    bus.subscribe(seen.append, pattern=".*")

    @onex_events.emit_events(creating_factory=lambda: reference.Event(type="made"), bus=bus)
    def work() -> None:
        @onex_events.emit_events(created_factory=lambda r: reference.Event(type="done"), bus=bus)
        def inner() -> None: ...

        inner()

    with onex_events.EventContextManager(parent):
        work()
    made, done = seen
    assert (made.parent_id, made.root_id, made.lineage_id) == (
        parent.id,
        parent.id,
        parent.lineage_id,
    )
    assert (done.parent_id, done.root_id) == (made.id, parent.id)
    assert bus.get_children(parent.id) == [made]
    bus.close()


# ---- event_context


class TestEventContext:
    @pytest.fixture
    def closed(self):
        """The default bus, to be closed."""
        bus = onex_events.EventBus()
        onex_events.set_event_bus(bus)
        yield bus
        onex_events.set_event_bus(None)

    def test_a_start_that_can_t_be_emitted(self, closed):
        closed.close()
        with pytest.raises(RuntimeError, match="closed"), event_context(Order(number=1)):
            raise AssertionError("it must not come this far")

        async def main() -> None:
            async with event_context(Order(number=1)):
                raise AssertionError("it must not come this far")

        with pytest.raises(RuntimeError, match="closed"):
            asyncio.run(main())

    def test_left_without_having_been_entered(self):
        with pytest.raises(RuntimeError, match="without having been entered"):
            event_context(Order(number=1)).__exit__(None, None, None)

    def test_an_end_that_can_t_be_emitted(self, closed):
        with pytest.raises(RuntimeError, match="closed"), event_context(Order(number=1)):
            closed.close()

    def test_the_body_s_error_comes_first(self, closed, caplog):
        with pytest.raises(ZeroDivisionError), event_context(Order(number=1)):
            closed.close()
            raise ZeroDivisionError
        assert "closed" in caplog.text


def test_uuids_of_kinds_and_versions():
    class Ident(uuid.UUID):
        pass

    event = Order(number=1, id=Ident(int=5))
    assert type(event.id) is Ident
    assert Order(number=1, id=str(uuid.UUID(int=5))).id == event.id
