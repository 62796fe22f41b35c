"""Events among code that misbehaves: names that can't be compared, defaults that can't be copied,
classes that are not ready, stacks that are used up.  What was raised comes out; nothing else."""

# Much of what is given here a type checker refuses.
# mypy: disable-error-code="arg-type, attr-defined, call-arg, type-arg"
# mypy: disable-error-code="no-untyped-call, untyped-decorator"

from __future__ import annotations

import abc
import copy
import json
import operator
import pickle
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import pytest

from onex_events import (
    Event,
    EventBus,
    EventContextManager,
    Field,
    ValidationError,
    _core,
    create_child_event_with_context,
)


class Refused(Exception):
    """What the misbehaving code raises."""


def refuse(*_: object) -> Any:
    raise Refused


class Saved(Event):
    type: str = "saved"
    size: int = 1
    tags: list[str] = []
    _note: str = "none"


class Loose(Saved, extra="allow"):
    type: str = "loose"


class Own(Loose):
    type: str = "own"

    def __init__(self, **data: Any) -> None:
        super().__init__(**data)


class Needy(Saved, extra="allow"):
    path: str


class Aliased(Saved):
    size: int = Field(1, alias="how_large")


ID = UUID("01900000-0000-7000-8000-000000000001")
SAME = {"id": ID, "lineage_id": ID, "timestamp": "2025-01-01T00:00:00Z"}


# ------------------------------------------------------------------------------- names


class Name(str):
    """A str whose comparisons fail after so many; in a dict it may meet another text."""

    left = 1_000
    meets: str | None = None

    def __hash__(self) -> int:
        return super().__hash__() if self.meets is None else hash(self.meets)

    def __eq__(self, other: object) -> bool:
        self.left -= 1
        if self.left < 0:
            raise Refused
        return super().__eq__(other)

    def failing_after(self, comparisons: int) -> Name:
        self.left = comparisons
        return self

    def meeting(self, other: str) -> Name:
        self.meets = other
        return self


def with_extra(cls: type[Any], name: str) -> Any:
    event = cls(size=3, **SAME)
    event.model_extra[name] = 1
    return event


def restored(event: Any, name: str, **state: Any) -> object:
    event.__setstate__({**event.__getstate__(), **state})
    return getattr(event, str(name), None)


def with_key(name: str, event: Any) -> object:
    """A state in which a key of its own stands under that name."""
    state = event.__getstate__()
    state = {name if key == name else key: value for key, value in state.items()}
    event.__setstate__(state)
    return event.size


NAMED: dict[str, tuple[str, Callable[[Any], object]]] = {
    "read": ("size", lambda name: getattr(Saved(size=3), name)),
    "read, of an extra": ("colour", lambda name: getattr(Loose(colour="red"), name)),
    "read, private": ("_note", lambda name: getattr(Saved(), name)),
    "read, private and there": ("_note", lambda name: getattr(noted(), name)),
    "set": ("size", lambda name: setattr(Saved(), name, 2)),
    "set, of an extra": ("colour", lambda name: setattr(Loose(colour="red"), name, 2)),
    "deleted": ("size", lambda name: delattr(Saved(), name)),
    "deleted, of an extra": ("colour", lambda name: delattr(Loose(colour="red"), name)),
    "evolved": ("size", lambda name: Saved().evolve(**{name: 5}).size),
    "evolved, of an extra": (
        "colour", lambda name: Loose(colour="red").evolve(**{name: "blue"}).colour,
    ),
    "evolved, by an __init__": ("size", lambda name: Own().evolve(**{name: 5}).size),
    "evolved, of an __init__'s extra": (
        "size", lambda name: with_extra(Own, name).evolve(error="e").size,
    ),
    "completed": ("phase", lambda name: Saved().to_completed(**{name: "failed"}).phase),
    "failed": ("error", lambda name: Saved().to_failed(**{name: "e"}).error),
    "replaced": ("size", lambda name: Saved().__replace__(**{name: 5}).size),
    "copied with": ("size", lambda name: Saved().model_copy(update={name: 5}).size),
    "copied with an extra": (
        "colour", lambda name: Loose(colour=1).model_copy(update={name: 5}).model_extra,
    ),
    "constructed": ("size", lambda name: Saved.model_construct(**{name: 5}).size),
    "constructed, the fields set": (
        "_fields_set", lambda name: Saved.model_construct(**{name: {"size"}}).model_fields_set,
    ),
    "constructed, by an alias": (
        "how_large", lambda name: Aliased.model_construct(**{name: 5}).size,
    ),
    "made": ("size", lambda name: Saved(**{name: 5}).size),
    "made, by an alias": ("how_large", lambda name: Aliased(**{name: 5}).size),
    "made, without a field": ("other", lambda name: missing(Needy, colour=1, **{meet(name): 2})),
    "read, private, beside another": ("_other", lambda name: beside(meet(name, "_note"))),
    "validated": ("size", lambda name: Saved.model_validate({name: 5}).size),
    "included": ("size", lambda name: Saved().model_dump(include={name: True})),
    "excluded": ("type", lambda name: Saved(**SAME).model_dump(exclude={name: ...})),
    "a field's extra": ("size", lambda name: with_extra(Loose, name).__dict__["size"]),
    "a field's extra, iterated": ("size", lambda name: dict(with_extra(Loose, name))["size"]),
    "a field's extra, dumped": ("size", lambda name: with_extra(Loose, name).model_dump()["size"]),
    "restored": ("size", lambda name: restored(Saved(), name, fields={name: 7})),
    "restored as set": ("size", lambda name: restored(Saved(), name, set=[name])),
    "restored as deleted": ("size", lambda name: restored(Saved(), name, deleted=[name])),
    "a state's fields": ("fields", lambda name: with_key(name, Saved(size=4))),
    "a state's set": ("set", lambda name: with_key(name, Saved(size=4))),
    "a state's extra": ("extra", lambda name: with_key(name, Loose(size=4, colour="red"))),
    "a state's privates": ("private", lambda name: with_key(name, noted())),
}  # fmt: skip


def noted() -> Saved:
    event = Saved(size=4)
    event._note = "there"
    return event


def meet(name: str, other: str = "colour") -> str:
    return name.meeting(other) if isinstance(name, Name) else f"{name} of a plain str"


def missing(cls: Any, **given: Any) -> object:
    """What an error that tells of all that was given says it was."""
    with pytest.raises(ValidationError) as caught:
        cls(**given)
    return [*caught.value.errors()[0]["input"].values()]


def beside(name: str) -> object:
    event = Saved()
    setattr(event, name, "other")
    return event._note


@pytest.mark.parametrize("use", NAMED)
def test_a_name_that_can_not_be_compared(use: str) -> None:
    """Whichever comparison fails: the error comes out, or nobody needed to know."""
    text, action = NAMED[use]
    expected = action(text)
    failed = False
    for comparisons in range(100):
        name = Name(text).failing_after(comparisons)
        try:
            result = action(name)
        except Refused:
            failed = True
        else:
            assert result == expected
        if name.left >= 0:
            break
    assert failed and name.left >= 0


class TestNames:
    def test_a_setting_that_can_not_be_compared(self) -> None:
        class Set(Saved):
            pass

        name = Name("from_attributes")
        Set.model_config[name] = True
        with pytest.raises(Refused):
            Set.model_validate(object() if name.failing_after(0) else None)
        assert Set.model_validate(Saved(), from_attributes=True).size == 1

    def test_an_alias_that_can_not_be_compared(self) -> None:
        """An object's attributes go by their fields' aliases."""
        first: Any = Name("twin")
        second: Any = Name("twin")

        class Twins(Saved):
            size: int = Field(1, alias=first)  # type: ignore[literal-required]
            other: int = Field(2, alias=second)  # type: ignore[literal-required]

        @dataclass
        class Given:
            size: int = 5
            other: int = 6

        assert Twins.model_validate(Given(), from_attributes=True).other == 6
        first.failing_after(0)
        second.failing_after(0)
        with pytest.raises(Refused):
            Twins.model_validate(Given(), from_attributes=True)

    @pytest.mark.parametrize("count", [15, 16, 17, 40])
    def test_more_keywords_than_fit_the_stack(self, count: int) -> None:
        many = {f"extra_{number}": number for number in range(count)}
        for event in (Loose().to_completed(**many), Loose().to_failed("e", **many)):
            assert event.model_extra == many
            assert event.phase in ("completed", "failed")

    def test_names_that_are_no_fields_are_no_state(self) -> None:
        event = Saved(size=4)
        event.__setstate__(
            {
                "fields": {"size": 5, "nothing": 1, 7: 2},
                "set": ["size", "nothing", 7],
                "deleted": ["nothing", 7, "error", "error"],
            }
        )
        assert event.model_fields_set == {"size"}
        assert event.size == 5
        with pytest.raises(AttributeError):
            _ = event.error


# ----------------------------------------------------------------------------- defaults


@dataclass
class Default:
    """Copied as it is told: each event that reads it asks for a copy."""

    copied: Callable[[object], Any] | None = None

    def __deepcopy__(self, memo: object) -> Any:
        return Default() if self.copied is None else self.copied(memo)


C = TypeVar("C", bound=type[Any])


def refuses(cls: C, copied: Callable[[object], Any] = refuse) -> C:
    """Tells the class's defaults so, now that it is made."""
    for info in cls.model_fields.values():
        if isinstance(info.default, Default):
            info.default.copied = copied
    return cls


class UncopiedBase(Event, extra="allow"):
    type: str = "uncopied"
    held: Any = Default()


class UncopiedOwn(UncopiedBase):
    def __init__(self, **data: Any) -> None:
        super().__init__(**data)


Uncopied = refuses(UncopiedBase)


def marked(event: Any) -> Any:
    """Its state says that the field was given, and has no value for it."""
    event.__setstate__({"fields": {"type": "uncopied"}, "set": ["type", "held"]})
    return event


READS: dict[str, Callable[[Any], object]] = {
    "read": lambda event: event.held,
    "deleted": lambda event: delattr(event, "held"),
    "iterated": list,
    "__dict__": lambda event: event.__dict__,
    "dumped": lambda event: event.model_dump(),
    "dumped for JSON": lambda event: event.model_dump(mode="json"),
    "dumped as JSON": lambda event: event.model_dump_json(),
    "dumped without None": lambda event: event.model_dump(exclude_none=True),
    "dumped as JSON without None": lambda event: event.model_dump_json(exclude_none=True),
    "dumped by a filter": lambda event: event.model_dump(include={"held"}),
    "dumped in another": lambda event: Saved(metadata={"a": event}).model_dump(),
    "compared": lambda event: event == Uncopied(**dict(SAME)),
    "shown": lambda event: repr(marked(event)),
    "printed": lambda event: str(marked(event)),
    "copied": copy.copy,
    "replaced": lambda event: event.__replace__(type="x"),
    "pickled": pickle.dumps,
    "restored": lambda event: event.__setstate__({**RESTORED, "deleted": ["held"]}),
}
RESTORED: dict[str, Any] = {"fields": {"type": "x"}, "set": []}


class TestDefaults:
    @pytest.mark.parametrize("use", READS)
    def test_one_that_can_not_be_copied(self, use: str) -> None:
        event = Uncopied(**SAME)
        for _ in range(2):
            with pytest.raises(Refused):
                READS[use](event)
        event.held = 5
        assert event.model_dump()["held"] == 5

    def test_of_a_class_with_an_init(self) -> None:
        event = UncopiedOwn()
        with pytest.raises(Refused):
            event.evolve(error="e")
        event.held = 5
        assert event.evolve(error="e").held == 5

    def test_of_the_id_when_it_is_hashed(self) -> None:
        @refuses
        class Odd(Event, frozen=True):
            id: Any = Default()
            type: str = "odd"

        with pytest.raises(Refused):
            hash(Odd())
        assert hash(Odd(id=7)) == hash(7)

    def test_of_one_of_a_pair(self) -> None:
        @refuses
        class Odd(Event):
            subject_type: Any = Default()
            type: str = "odd"

        with pytest.raises(Refused):
            Odd()
        assert Odd(subject_type=str, subject_id=ID).subject_id == ID

    def test_that_another_is_derived_from(self) -> None:
        @refuses
        class Odd(Event):
            type: str = "odd"
            held: Any = Default()
            seen: list[str] = Field(default_factory=lambda data: sorted(data))

        with pytest.raises(Refused):
            Odd()
        with pytest.raises(Refused):
            Odd.model_construct()
        assert "held" in Odd(held=1).seen

    def test_that_reads_the_event_while_it_is_copied(self) -> None:
        """The first copy that is there stays."""
        made: list[Any] = []

        def copied(memo: object) -> object:
            made.append(object())
            own = made[-1]
            if len(made) == 1:
                assert events[0].held is made[-1] is not own
            return own

        class Nested(Event):
            type: str = "nested"
            held: Any = Default()

        events = [refuses(Nested, copied)()]
        assert events[0].held is made[1]
        assert events[0].model_dump()["held"] is made[1]
        assert len(made) == 2
        events.clear()  # what an event without containers holds the collector does not see

    def test_that_can_not_be_told_from_the_value(self) -> None:
        class Refusing(list[int]):
            __hash__ = None

            def __eq__(self, other: object) -> bool:
                raise Refused

        class Odd(Event):
            type: str = "odd"
            held: Any = Refusing([1])

        event = Odd(held=Refusing([2]))
        for dump in (event.model_dump, event.model_dump_json):
            with pytest.raises(Refused):
                dump(exclude_defaults=True)
        assert list(event.model_dump()["held"]) == [2]

    def test_a_factory_that_raises(self) -> None:
        class Odd(Event):
            type: str = "odd"
            held: Any = Field(default_factory=lambda: refuse())

        for make in (Odd, Odd.model_construct):
            with pytest.raises(Refused):
                make()
            assert make(held=1).held == 1

    def test_checked_ones(self) -> None:
        class Checked(Event):
            type: str = "checked"
            size: int = Field("many", validate_default=True)
            tags: list[int] = Field(default_factory=lambda: ["7"], validate_default=True)

        with pytest.raises(ValidationError, match="unable to parse"):
            Checked()
        assert Checked(size=1).tags == [7]
        event: Any = Checked.model_construct()
        assert (event.size, event.tags) == ("many", ["7"])

    def test_checked_ones_that_can_not_be_made(self) -> None:
        class Checked(Event):
            type: str = "checked"
            size: int = Field(default_factory=lambda: refuse(), validate_default=True)

        for make in (Checked, Checked.model_construct):
            with pytest.raises(Refused):
                make()
            assert make(size=3).size == 3

    def test_one_that_json_can_not_say(self) -> None:
        class Odd(Event):
            type: str = "odd"
            text: str = "\ud800"

        for _ in range(2):
            with pytest.raises(UnicodeEncodeError):
                Odd().model_dump_json()
        assert Odd().model_dump()["text"] == "\ud800"

    def test_an_alias_that_json_can_not_say(self) -> None:
        class Odd(Event):
            type: str = "odd"
            size: int = Field(1, serialization_alias="\ud800")

        with pytest.raises(UnicodeEncodeError):
            Odd().model_dump_json(by_alias=True)
        assert Odd().model_dump(by_alias=True)["\ud800"] == 1
        assert json.loads(Odd().model_dump_json())["size"] == 1
        with pytest.raises(UnicodeEncodeError):
            Odd().model_dump_json(by_alias=True)

    def test_an_empty_list_in_json(self) -> None:
        assert json.loads(Saved().model_dump_json())["tags"] == []
        event = Saved(tags=["a"])
        assert json.loads(event.model_dump_json())["tags"] == ["a"]


# -------------------------------------------------------------------------- not complete


class Late(Saved):
    """Not complete, ever."""

    later: Nowhere  # type: ignore[name-defined] # noqa: F821


class Early(Saved):
    later: int = 1


@pytest.fixture
def late() -> Any:
    """An event of a class whose annotation names what is not defined."""
    event = Early()
    event.__class__ = Late  # type: ignore[assignment]
    return event


class TestIncompleteClasses:
    @pytest.mark.parametrize(
        "use",
        [
            copy.copy,
            copy.deepcopy,
            lambda event: event.evolve(size=2),
            lambda event: event.__setstate__(Early().__getstate__()),
            lambda event: event.__init__(),
            lambda event: event == Late.__new__(Late),
            lambda event: event == copy_of(event),
            lambda event: event.model_dump(),
            lambda event: event.model_dump_json(),
            lambda event: Saved(metadata={"late": event}).model_dump(),
            lambda event: Saved(metadata={"late": event}).model_dump_json(),
            lambda event: type(event).model_validate({}),
            lambda event: type(event).model_validate_json("{}"),
            lambda event: type(event).model_construct(),
        ],
    )
    def test_an_event_of_one_says_what_it_lacks(
        self, late: Any, use: Callable[[Any], object]
    ) -> None:
        with pytest.raises(TypeError, match=r"Late.later: the annotation .* not defined"):
            use(late)
        assert (late.size, late.later, late.type) == (1, 1, "saved")
        late.__class__ = Early
        assert late == late.model_copy()

    def test_as_the_type_of_a_field(self) -> None:
        class Outer(Event):
            type: str = "outer"
            inner: Late

        with pytest.raises(TypeError, match=r"Late.later: the annotation .* not defined"):
            Outer(inner={"later": 1})

    def test_completed_by_what_is_no_type(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The fields can't be shown as long as the name stands for nonsense."""
        module = sys.modules[__name__]

        class Odd(Event):
            type: str = "odd"
            later: Someday  # type: ignore[name-defined] # noqa: F821

        assert "later" in Odd.model_fields
        monkeypatch.setattr(module, "Someday", 5, raising=False)
        for _ in range(2):
            with pytest.raises(TypeError, match=r"Odd.later: 5 is no type"):
                _ = Odd.model_fields
            with pytest.raises(TypeError, match=r"Odd.later: 5 is no type"):
                Odd(later=1)


def copy_of(event: Any) -> Any:
    other = Early(id=event.id)
    other.__class__ = Late  # type: ignore[assignment]
    return other


class TestClassesBeingMade:
    def test_have_no_events_and_no_fields_yet(self) -> None:
        seen: dict[str, str] = {}
        uses: dict[str, Callable[[Any], object]] = {
            "called": lambda cls: cls(),
            "made": lambda cls: cls.__new__(cls),
            "validated": lambda cls: cls.model_validate({}),
            "constructed": lambda cls: cls.model_construct(),
            "fields": lambda cls: cls.model_fields,
            "model": lambda cls: cls.__event_model__,
        }

        class Base(Event):
            type: str = "base"

            def __init_subclass__(cls, **options: Any) -> None:
                super().__init_subclass__(**options)
                for name, use in uses.items():
                    with pytest.raises((TypeError, AttributeError)) as caught:
                        use(cls)
                    seen[name] = str(caught.value)

        class Derived(Base):
            size: int = 4

        assert seen == dict.fromkeys(("called", "made", "validated", "constructed"),
                                     "the class Derived is not ready yet") | {
            "fields": "model_fields", "model": "__event_model__",
        }  # fmt: skip
        assert Derived().size == 4

    def test_no_event_takes_their_class(self) -> None:
        events: list[Any] = []
        refused: list[str] = []

        class Base(Event):
            type: str = "base"

            def __init_subclass__(cls) -> None:
                for event in events:
                    with pytest.raises(TypeError, match="__class__ assignment"):
                        event.__class__ = cls
                    refused.append(cls.__name__)

        events.append(Base())

        class Derived(Base):
            pass

        assert refused == ["Derived"]
        assert type(events.pop()) is Base

    @pytest.mark.parametrize(
        "arguments",
        [(), ("X",), (1, (), {}), ("X", [Event], {}), ("X", (Event,), []), ("X", (Event,), {}, 1)],
    )
    def test_from_what_makes_none(self, arguments: tuple[Any, ...]) -> None:
        with pytest.raises(TypeError):
            _core.EventMeta(*arguments)

    def test_by_the_metaclass_of_a_base(self) -> None:
        class Meta(_core.EventMeta):
            pass

        class Base(Event, metaclass=Meta):
            type: str = "base"

        made = _core.EventMeta("Made", (Base,), {"__annotations__": {"size": int}})
        assert type(made) is Meta
        assert made(size="5").size == 5
        with pytest.raises(ValidationError):
            made()

    def test_without_the_bases_fields(self) -> None:
        class Alone(_core.EventMeta):
            def mro(cls) -> list[type]:
                return [cls, _core.EventBase, object]

        with pytest.raises(TypeError, match="can't have 0 fields"):
            Alone("Odd", (Event,), {})

    def test_without_object(self) -> None:
        class Rootless(_core.EventMeta):
            def mro(cls) -> list[type]:
                return [base for base in super().mro() if base is not object]

        made = Rootless("Odd", (Saved,), {"__annotations__": {"colour": str}})
        event = made(colour="red")
        assert (event.colour, event.size, event.model_dump()["colour"]) == ("red", 1, "red")

    def test_more_fields_than_can_be(self) -> None:
        def made(fields: int) -> Any:
            names = [f"field_{number}" for number in range(fields)]
            return _core.EventMeta("Wide", (Event,), {"__annotations__": dict.fromkeys(names, Any)})

        with pytest.raises(TypeError, match="can't have 4097 fields"):
            made(4096 - len(Event.model_fields) + 1)
        assert len(made(4096 - len(Event.model_fields)).model_fields) == 4096

    def test_names_that_utf8_can_not_say(self) -> None:
        with pytest.raises(UnicodeEncodeError):
            _core.EventMeta("Odd", (Event,), {"__annotations__": {"\ud800": int}})

    def test_what_hides_a_field_of_the_base(self) -> None:
        """A mixin's plain attribute does not come before what an event was given."""

        class Mixin:
            error = "hidden"
            context = None

        class Mixed(Mixin, Event):  # type: ignore[misc]
            type: str = "mixed"

        event: Any = Mixed(error="e", context={"a": ID})
        assert (event.error, event.context) == ("e", {"a": ID})
        event.error = "f"
        assert event.error == event.model_dump()["error"] == "f"

    @pytest.mark.parametrize("alias", [5, b"x", ["x"]])
    def test_an_alias_that_is_no_name(self, alias: Any) -> None:
        with pytest.raises(TypeError, match="must be str"):
            _core.EventMeta(
                "Odd", (Event,),
                {"__annotations__": {"size": int}, "size": Field(1, serialization_alias=alias)},
            )  # fmt: skip


# --------------------------------------------------------------------------------- depth


class Down:
    """Adding a number goes down so many levels, each a call from C."""

    def __init__(self, reached: Callable[[], object]) -> None:
        self.reached = reached

    def __add__(self, levels: int) -> None:
        self.reached()
        if levels:
            self + (levels - 1)


DEEP_JSON = '{"type": "saved", "metadata": {"a": ' + 190 * "[" + 190 * "]" + "}}"

TWIN = Saved(size=7, **SAME)
AT_THE_END: dict[str, Callable[[Any], object]] = {
    "compared": lambda event: event == TWIN,
    "shown": repr,
    "printed": str,
    "dumped": lambda event: event.model_dump(),
    "dumped as JSON": lambda event: event.model_dump_json(),
    "copied": lambda event: event.__deepcopy__().size,
    "pickled": lambda event: event.__reduce__()[2],
    "read from JSON": lambda event: Saved.model_validate_json(DEEP_JSON).type,
}


COUNTS_NOT = pytest.mark.leaks_elsewhere("msgspec is built for interpreters that do not count")


@pytest.mark.parametrize(
    "use",
    [pytest.param(use, marks=COUNTS_NOT if use == "read from JSON" else ()) for use in AT_THE_END],
)
def test_at_the_end_of_the_stack(use: str) -> None:
    """Wherever it ends: the same as ever, or RecursionError."""
    event, action = Saved(size=7, **SAME), AT_THE_END[use]
    expected = action(event)
    done = 0

    def reached() -> None:
        nonlocal done
        try:
            result = action(event)
        except RecursionError:
            return
        done += 1
        if result != expected:
            raise AssertionError(result)

    def descend(_: object = None) -> int:
        with pytest.raises(RecursionError):
            operator.add(Down(reached), 1_000_000)
        return 0

    limit = sys.getrecursionlimit()
    # Nothing else bounds calls from C on 3.11.
    if sys.version_info >= (3, 12):
        sys.setrecursionlimit(1_000_000)
    try:
        descend()
        max([0], key=descend)  # one call from C further
    finally:
        sys.setrecursionlimit(limit)
    assert done > 50
    assert action(event) == expected


class Stop(Exception):
    """Far enough down."""


@pytest.mark.leaks_elsewhere("msgspec is built for interpreters that do not count")
@pytest.mark.parametrize("kilobytes", [192, 256, 512, 1024])
def test_a_text_too_deep_for_what_is_left_of_the_stack(kilobytes: int) -> None:
    """In a thread with a small one: read as long as there is room, refused then."""
    read: list[str] = []
    refused: list[str] = []

    def reached() -> None:
        try:
            read.append(Saved.model_validate_json(DEEP_JSON).type)
        except RecursionError as error:
            refused.append(str(error))
            raise Stop from None

    def descend() -> None:
        try:
            operator.add(Down(reached), 1_000_000)
        except (Stop, RecursionError):
            pass

    limit = sys.getrecursionlimit()
    if sys.version_info >= (3, 12):
        sys.setrecursionlimit(1_000_000)
    before = threading.stack_size(kilobytes * 1024)
    try:
        thread = threading.Thread(target=descend)
        thread.start()
        thread.join(60)
    finally:
        threading.stack_size(before)
        sys.setrecursionlimit(limit)
    assert set(read) <= {"saved"} and len(read) > (20 if kilobytes >= 512 else -1)
    assert len(refused) == 1


# ------------------------------------------------------------------------- single methods


class TestConstruction:
    def test_a_class_with_an_init_as_a_field(self) -> None:
        class Inner(Event):
            type: str = "inner"
            size: int

            def __init__(self, **data: Any) -> None:
                if data.get("size") == 0:
                    raise Refused
                super().__init__(**data)

        class Outer(Event):
            type: str = "outer"
            inner: Inner

        assert Outer(inner={"size": "5"}).inner.size == 5
        with pytest.raises(ValidationError) as caught:
            Outer(inner={"size": "x"})
        assert caught.value.errors()[0]["loc"] == ("inner", "size")
        with pytest.raises(Refused):
            Outer(inner={"size": 0})
        with pytest.raises(ValidationError, match="size"):
            Inner.model_validate({"size": "x"})

    def test_an_abstract_class(self) -> None:
        class Abstract(Event):
            type: str = "abstract"

            @abc.abstractmethod
            def close(self) -> None: ...

        class Outer(Event):
            type: str = "outer"
            inner: Abstract

        for make in (
            Abstract,
            Abstract.model_construct,
            lambda: Abstract.model_validate({}),
            lambda: Abstract.__new__(Abstract),  # type: ignore[type-abstract]
        ):
            with pytest.raises(TypeError, match="abstract"):
                make()
        with pytest.raises(TypeError, match="abstract"):
            Outer(inner={})

    def test_attributes_that_raise(self) -> None:
        class Given:
            size = property(refuse)

        with pytest.raises(Refused):
            Saved.model_validate(Given(), from_attributes=True)

    @pytest.mark.parametrize("option", ["from_attributes", "by_alias"])
    def test_options_without_a_truth(self, option: str) -> None:
        class Neither:
            __bool__ = refuse

        with pytest.raises(Refused):
            if option == "by_alias":
                Saved().model_dump(by_alias=Neither())
            else:
                Saved.model_validate({}, from_attributes=Neither())

    def test_fields_set_that_can_not_tell(self) -> None:
        class Unknown:
            __contains__ = refuse

        with pytest.raises(Refused):
            Saved.model_construct(Unknown())
        with pytest.raises(TypeError):
            Saved.model_construct(5)
        assert Saved.model_construct(["size"]).model_fields_set == {"size"}

    def test_a_hook_that_raises(self) -> None:
        class Hooked(Event):
            type: str = "hooked"

            def model_post_init(self, context: Any) -> None:
                raise Refused

        for make in (Hooked, Hooked.model_construct, lambda: Hooked.model_validate({})):
            with pytest.raises(Refused):
                make()

    def test_half_a_surrogate_pair_is_no_json(self) -> None:
        with pytest.raises(ValidationError, match="Invalid JSON"):
            Saved.model_validate_json('{"type": "\ud800"}')


@pytest.fixture
def pydantic() -> Any:
    return pytest.importorskip("pydantic")


class TestValidators:
    def test_of_the_raw_input_that_raise(self, pydantic: Any) -> None:
        class Odd(Event):
            type: str = "odd"

            @pydantic.model_validator(mode="before")
            @classmethod
            def check(cls, data: Any) -> Any:
                raise Refused

        for make in (Odd, lambda: Odd.model_validate({})):
            with pytest.raises(Refused):
                make()

    def test_of_a_field_that_raise(self, pydantic: Any) -> None:
        class Odd(Event):
            type: str = "odd"
            size: int
            made: list[int] = Field(default_factory=lambda: [1])

            @pydantic.field_validator("size")
            @classmethod
            def check(cls, value: int) -> int:
                if value == 0:
                    raise Refused
                return value

        for given in ({"size": 0}, {"size": "0"}):
            with pytest.raises(Refused):
                Odd(**given)
        with pytest.raises(Refused):
            Odd(size=1).evolve(size=0)
        assert Odd(size=1).made == [1]

    def test_of_the_raw_input_with_names_that_can_not_be_compared(self, pydantic: Any) -> None:
        class Loosest(Event, extra="allow"):
            type: str = "loosest"

            @pydantic.model_validator(mode="before")
            @classmethod
            def check(cls, data: Any) -> Any:
                return data

        name = Name("other").meeting("colour")
        given = {"colour": 1, name: 2}
        assert Loosest(**given).model_extra == given
        name.failing_after(0)
        with pytest.raises(Refused):
            Loosest(**given)


class TestEvolved:
    def test_values_that_may_be_part_of_a_cycle(self) -> None:
        class Holder(Event):
            type: str = "holder"
            held: Default

        event = Holder(held=Default())
        other = event.evolve(error="e")
        assert other.held is event.held

    def test_of_a_child_that_nobody_has_looked_at(self) -> None:
        parent = Saved()
        child = child_of(parent)
        evolved = child.evolve(size=2)
        assert evolved.model_fields_set == {"parent_id", "root_id", "lineage_id", "size"}
        assert evolved.parent_id == evolved.root_id == parent.id
        assert evolved.lineage_id == child.lineage_id == parent.lineage_id
        assert child.evolve(parent_id=None).parent_id is None

    @pytest.mark.parametrize("name", ["size", "metadata", "error"])
    def test_by_an_init_without_what_was_deleted(self, name: str) -> None:
        made: list[set[str]] = []

        class Recorded(Saved):
            def __init__(self, **data: Any) -> None:
                made.append(set(data))
                super().__init__(**data)

        event = Recorded(size=5, metadata={"a": 1}, error="e")
        delattr(event, name)
        event.evolve(type="x")
        assert {"size", "metadata", "error"} - made[-1] == {name}


class TestCopies:
    @pytest.mark.parametrize("name", ["colour", "_note"])
    def test_deep_ones_of_what_can_not_be_copied(self, name: str) -> None:
        event = Loose()
        setattr(event, name, Default(refuse))
        with pytest.raises(Refused):
            copy.deepcopy(event)
        assert getattr(copy.copy(event), name) is getattr(event, name)

    @pytest.mark.parametrize("arguments", [(), (1,), (Saved, []), (Saved, (int,)), (5, ())])
    def test_revived_from_what_is_no_pickle(self, arguments: tuple[Any, ...]) -> None:
        with pytest.raises(TypeError):
            _core.revive(*arguments)


class TestShown:
    def test_without_what_was_deleted(self) -> None:
        event: Any = Saved(error="e", size=2, id=ID)
        del event.error, event.id
        assert repr(event) == "Saved(size=2)"
        assert str(event) == "size=2"
        assert "error" not in dict(event)
        assert "error" not in event.__dict__

    def test_without_an_id_there_is_no_hash(self) -> None:
        class Frozen(Event, frozen=True):
            type: str = "frozen"

        event: Any = Frozen()
        event.__setstate__({**event.__getstate__(), "deleted": ["id"]})
        with pytest.raises(TypeError, match="id was deleted"):
            hash(event)

    @pytest.mark.parametrize(
        "name",
        ["subject_type", "subject_id", "actor_type", "actor_id", "context", "children_ids",
         "pending_children", "completed_children", "failed_children", "error"],
    )  # fmt: skip
    def test_by_the_descriptor_of_the_class(self, name: str) -> None:
        event = Saved()
        descriptor = getattr(Saved, name)
        before = getattr(event, name)
        descriptor.__set__(event, "new")
        assert getattr(event, name) == descriptor.__get__(event) == "new" != before
        assert name in event.model_fields_set
        descriptor.__delete__(event)
        with pytest.raises(AttributeError):
            descriptor.__get__(event)


class TestDumps:
    @pytest.mark.parametrize("event", [Saved(size=2), Loose(size=2)])
    def test_filters_that_name_a_field_whole(self, event: Saved) -> None:
        named: dict[str, Any] = {"size": True, "error": ...}
        assert event.model_dump(include=named) == {"size": 2, "error": None}
        rest = event.model_dump(exclude={**named, "type": False})
        assert set(event.model_dump()) - set(rest) == {"size", "error"}

    @pytest.mark.parametrize("filtering", ["include", "exclude"])
    def test_filters_that_are_none_for_an_extra(self, filtering: str) -> None:
        event = Loose(colour="red")
        with pytest.raises(TypeError, match="for 'colour', got int"):
            event.model_dump(**{filtering: {"colour": 5}})


class TestIds:
    @pytest.mark.parametrize("number", [2**128, 2**200, -1, "text", None])
    def test_of_no_16_bytes(self, number: Any) -> None:
        """A UUID made past its checks is an object like another."""
        odd = object.__new__(UUID)
        if number is not None:
            object.__setattr__(odd, "int", number)
        event: Event = Event(type="x", id=odd)
        assert event.id is odd
        child = child_of(event)
        assert child.parent_id is child.root_id is odd
        assert child.lineage_id == event.lineage_id
        with EventBus() as bus:
            bus.emit_sync(Event(type="x", parent_id=odd))
            bus.flush_sync(30)
            assert bus.get_history()[-1].parent_id is odd

    def test_a_parent_whose_root_is_no_uuid(self) -> None:
        parent = Saved()
        parent.root_id = "the root"  # type: ignore[assignment]
        child = child_of(parent)
        assert (child.root_id, child.parent_id) == ("the root", parent.id)

    def test_a_parent_that_lacks_one(self) -> None:
        parent = Saved()
        parent.lineage_id = "the line"  # type: ignore[assignment]
        del parent.root_id
        child = child_of(parent)
        assert child.parent_id == child.root_id == parent.id
        assert child.lineage_id == "the line"

    def test_a_parent_that_loses_its_id(self) -> None:
        """Nothing can be linked to it."""
        parent = Saved()
        with EventContextManager(parent):
            del parent.id
            with pytest.raises(AttributeError, match="id"):
                create_child_event_with_context(Saved)


def child_of(parent: Event) -> Any:
    with EventContextManager(parent):
        return create_child_event_with_context(Saved)


# ------------------------------------------------------------------- modules that are not there


PROGRAM = """
import sys
from onex_events import Event

class Held(Event):
    type: str = "held"
    held: object = {1: [2]}

sys.modules[MISSING] = None
event = Held(metadata={"a": [1.5]})
for use in USES:
    try:
        use(event)
    except ImportError as error:
        print(error.name)
del sys.modules[MISSING]
for use in USES:
    use(event)
print("done")
"""

NEEDS = {
    "msgspec.json": """[
        lambda event: Held.model_validate_json('{"type": "x"}'),
        lambda event: event.model_dump_json(indent=1),
        lambda event: event.model_dump_json(),
    ]""",
    "copy": "[lambda event: event.held, lambda event: event.__deepcopy__()]",
    "onex_events.interop": "[lambda event: Held.model_rebuild()]",
    "onex_events.dumping": "[lambda event: event.model_dump(mode='json')]",
}


@pytest.mark.parametrize("module", NEEDS)
def test_a_module_that_is_imported_when_it_is_needed(module: str) -> None:
    """It may be missing: ImportError, and as ever when it is there again."""
    program = f"MISSING, USES = {module!r}, {NEEDS[module].strip()}\n" + textwrap.dedent(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    *names, last = done.stdout.split()
    assert last == "done"
    assert set(names) == {module}


HALF = """
import enum, sys, types
from onex_events import _core

half = types.ModuleType("onex_events.enums")
name = "onex_events.enums"
for stage in range(4):
    if stage == 1:
        sys.modules[name] = half
    elif stage:
        members = dict([("COMPLETED", "c"), ("FAILED", "f")][: stage - 2])
        half.EventPhase = enum.Enum("EventPhase", {"PENDING": "p", **members})
    else:
        sys.modules[name] = None
    try:
        _core.EventMeta("First", (_core.EventBase,), {})
    except (ImportError, AttributeError) as error:
        print(type(error).__name__)
del sys.modules[name]
from onex_events import Event
print(Event(type="x").to_completed().phase.name)
"""


def test_the_first_class_without_the_phases() -> None:
    """It can't be made, and can be when they are there."""
    done = subprocess.run([sys.executable, "-c", HALF], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    errors = ["ModuleNotFoundError", *["AttributeError"] * 3]
    assert done.stdout.split() == [*errors, "COMPLETED"]


# ----------------------------------------------------------------- found by these tests


def test_the_first_dump_by_alias_leaves_the_others_their_names() -> None:
    class Shown(Event):
        type: str = "shown"
        size: int = Field(1, serialization_alias="s")

    assert '"s":1' in Shown().model_dump_json(by_alias=True)
    assert '"size":1' in Shown().model_dump_json()
    assert '"s":1' in Shown().model_dump_json(by_alias=True)


def test_fields_of_a_mixin_behind_event_follow_its_own() -> None:
    class Mixin:
        x: int = 3

    class Mixed(Event, Mixin):
        type: str = "mixed"

    assert Mixed(x="4").x == 4
    assert Mixed().x == 3
    assert list(Mixed.model_fields)[:2] == ["id", "type"]


@pytest.mark.parametrize("name", ["plain", "read_only", "__class__", "_private"])
@pytest.mark.parametrize("frozen", [False, True])
def test_whatever_the_name_of_an_extra_that_is_not_validated(name: str, frozen: bool) -> None:
    class Open(Event):
        model_config = {"extra": "allow", "frozen": frozen}
        type: str = "open"

        @property
        def read_only(self) -> int:
            return 1

    made = Open.model_construct(**{name: 5})
    assert made.model_extra == {name: 5}
    assert type(made) is Open


def test_of_a_name_and_an_alias_that_are_not_validated_the_alias_has_the_say() -> None:
    class Named(Event):
        type: str = "named"
        x: int = Field(0, alias="y")

    for values in ({"y": 2, "x": 1}, {"x": 1, "y": 2}):
        assert Named.model_construct(**values).x == 2
    assert Named.model_construct(x=1).x == 1
