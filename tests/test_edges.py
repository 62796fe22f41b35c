"""Odd input, misuse, and user code that raises or lies where it is asked in passing."""

from __future__ import annotations

import asyncio
import enum
import gc
import math
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, cast
from uuid import UUID, uuid4

import pytest
from typing_extensions import TypedDict

from onex_events import CreatedEvent, Event, EventBus, SiteFunction, _core, emit_events
from onex_events._core import Subscription, Validator
from onex_events.annotations import compile_annotation
from onex_events.errors import ValidationError
from onex_events.profiler import Profiler

any_value = Validator("any", "any")
an_int = Validator("int", "int")


class Interrupt(BaseException):
    """No Exception, so nothing may swallow it."""


def interrupt(*args: Any, **kwargs: Any) -> Any:
    raise Interrupt


def compiled(annotation: Any) -> Validator:
    return compile_annotation(annotation, namespace=globals())


# -------------------------------------------------------------------- values


class Unhashable(enum.Enum):
    LIST = [1]
    DICT = {"x": 1}


class Found(enum.Enum):
    X = "x"

    @classmethod
    def _missing_(cls, value: object) -> Any:
        return cls.X if value == "y" else None


class Huge(enum.IntEnum):
    X = 2**70


class InterruptedMissing(enum.Enum):
    X = "x"

    @classmethod
    def _missing_(cls, value: object) -> Any:
        raise Interrupt


class Never:
    """Equal to nothing: comparing raises."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise ValueError("not comparable")

    def __repr__(self) -> str:
        return "Never()"


class Pair(NamedTuple):
    x: int
    y: int = 0


@dataclass
class Careful:
    x: int

    def __post_init__(self) -> None:
        if self.x == 3:
            compiled(list[int]).validate(["three", 4, "five"])


class Text(str):
    pass


class Liar:
    """Says that it is a Decimal."""

    __class__ = Decimal  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Liar()"


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError("no repr")


class Closed(TypedDict):
    much: float


class Open(TypedDict, extra_items=float):  # type: ignore[call-arg]
    name: str | None


def items(*given: Any, then: BaseException | None = None) -> Iterator[Any]:
    """An iterator that breaks off."""
    yield from given
    raise RuntimeError("broken off") if then is None else then


def of(*given: Any) -> Callable[[], Iterator[Any]]:
    return lambda: items(*given)


ALIKE: list[tuple[Any, Callable[[], Any]]] = [
    *(
        (Unhashable, lambda value=value: value)
        for value in ([1], {"x": 1}, [2], 5, "x", Never())
    ),
    *((Found, lambda value=value: value) for value in ("x", "y", "z", 5)),
    *((Huge, lambda value=value: value) for value in (2**70, 5, "x")),
    *((Pair, make) for make in (of(1), of(1, 2), of("a", 2), of(1, 2, 3))),
    *((tuple[int, ...], make) for make in (of(), of(1), of("a", 1))),
    *((tuple[int, int], make) for make in (of(1), of("a"), of(1, 2), of("a", 2), of(1, 2, 3))),
    *((dict[str, Careful], lambda value=value: {"k": {"x": value}}) for value in (1, 3)),
    (str, lambda: Text("\ud800")),
    (Decimal, Liar),
    *((kind, lambda text=text: text) for kind in (datetime, date) for text in (".", "-.", "1.2.3")),
    *(
        (timedelta, lambda text=text: text)
        for text in (
            "-P999999999DT1S", "P4294967295DT86400S", "P11767033.9Y", "PT4294967295S",
            "PT4294967295.4S", "4294967295 days, 23:59:59", "P4294967295.5D",
        )
    ),
    *((int, lambda text=text: text) for text in ("00", "-000", "0_0", "0_", "0__0", "00.0", "00.5")),
    (dict[Any, int], lambda: {Unprintable(): "x"}),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "make"), ALIKE)
def test_odd_values_are_taken_as_pydantic_takes_them(
    annotation: Any, make: Callable[[], Any]
) -> None:
    pytest.importorskip("pydantic")
    from .conformance.test_differential import adapter, check, outcome

    ours = outcome(compiled(annotation).validate, make())
    check(annotation, None, ours, outcome(adapter(annotation).validate_python, make()))


@pytest.mark.parametrize(
    "number",
    [1005407224645533.2, 802528235028037.2, 2.0**-25, -(2.0**-25), 894788391152317.2],
    ids=repr,
)
def test_a_decimal_from_a_json_number_half_way_between_two_forms(number: float) -> None:
    """Exact, the number ends with a 5 that its shortest form lacks."""
    pydantic = pytest.importorskip("pydantic")
    assert len(Decimal(number).normalize().as_tuple().digits) == 1 + len(
        Decimal(repr(number)).normalize().as_tuple().digits
    )
    expected = pydantic.TypeAdapter(Decimal).validate_json(repr(number))
    assert str(compiled(Decimal).validate(number, True)) == str(expected)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_no_decimal_from_a_json_number_that_is_none(number: float) -> None:
    with pytest.raises(ValidationError) as caught:
        compiled(Decimal).validate(number, True)
    assert [line["type"] for line in caught.value.errors()] == ["finite_number"]


class Float(float):
    shown = "1e5000"

    def __repr__(self) -> str:
        return self.shown


@pytest.mark.parametrize("shown", ["1e5000", "\ud800", "", "nan"])
def test_a_decimal_from_a_float_with_a_repr_of_its_own(shown: str) -> None:
    number = Float(1.5)
    number.shown = shown
    assert compiled(Decimal).validate(number, True) == Decimal("1.5")


@pytest.mark.parametrize("number", [5e-324, -5e-324, 1.7976931348623157e308, 1e22, -0.0])
def test_a_decimal_from_a_json_number_of_any_size(number: float) -> None:
    assert compiled(Decimal).validate(number, True) == Decimal(repr(number))


@pytest.mark.parametrize("text", ["PT4294967295.9999999S", "P0DT4294967295,9999996S"])
def test_a_fraction_that_makes_the_seconds_too_many(text: str) -> None:
    pydantic = pytest.importorskip("pydantic")
    with pytest.raises(ValidationError) as caught:
        compiled(timedelta).validate(text)
    with pytest.raises(pydantic.ValidationError) as theirs:
        pydantic.TypeAdapter(timedelta).validate_python(text)
    assert caught.value.errors()[0]["msg"] == theirs.value.errors()[0]["msg"]


class Instanceless(type):
    def __instancecheck__(cls, instance: object) -> bool:
        raise ZeroDivisionError("no answer")


class Asked(metaclass=Instanceless):
    pass


class OpenToAsked(TypedDict, extra_items=Asked):  # type: ignore[call-arg]
    name: str


class Classless:
    """Does not tell its class."""

    error: type[BaseException] = ZeroDivisionError

    @property
    def __class__(self) -> Any:
        raise self.error("no class")

    @__class__.setter
    def __class__(self, value: Any) -> None:
        raise AssertionError


class InterruptedClass(Classless):
    error = Interrupt


def test_a_value_that_does_not_tell_its_class_is_no_decimal() -> None:
    with pytest.raises(ZeroDivisionError, match="no class"):
        compiled(Decimal).validate(Classless())


def test_what_an_extra_item_of_a_typed_dict_raises() -> None:
    extra = Validator("instance", "Asked", Asked, "Asked")
    validator = Validator("typeddict", "Open", (("name", an_int, 1, None),), 2, extra)
    with pytest.raises(ZeroDivisionError, match="no answer"):
        validator.validate({"name": 1, "other": 2})


class Forgetful(str):
    """Has a hash for so many times."""

    left = 100

    def __hash__(self) -> int:
        self.left -= 1
        if self.left < 0:
            raise ZeroDivisionError("no hash")
        return super().__hash__()

    __eq__ = str.__eq__


@pytest.mark.parametrize("times", [0, 1])
def test_a_key_that_loses_its_hash(times: int) -> None:
    validator = Validator("typeddict", "Open", (), 2, None)
    key = Forgetful("k")
    value = {key: 1}
    key.left = times
    with pytest.raises(ZeroDivisionError, match="no hash"):
        validator.validate(value)
    key.left = 100
    assert validator.validate(value) == {"k": 1}


# ------------------------------------------------------- what is no Exception


class One(Mapping[str, int]):
    """{"x": 1}"""

    def __getitem__(self, key: str) -> int:
        if key == "x":
            return 1
        raise KeyError(key)

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        return iter(["x"])


class InterruptedGet(One):
    get = interrupt


class InterruptedItems(One):
    items = interrupt


class InterruptedNumber(Decimal):
    as_integer_ratio = interrupt


class InterruptedIndex:
    __index__ = interrupt


class InterruptedEqual:
    __eq__ = interrupt
    __hash__ = None  # type: ignore[assignment]


class InterruptedLength:
    __next__ = __len__ = interrupt

    def __iter__(self) -> Any:
        return self


class InterruptedValue(enum.Enum):
    X = 1

    @property
    def value(self) -> Any:
        raise Interrupt


class Inner(Event[Any]):
    type: str = "inner"
    x: int = 0


INTERRUPTED: list[tuple[Any, Callable[[], Any]]] = [
    *((kind, InterruptedIndex) for kind in (bool, int, float, datetime, date, time, timedelta)),
    *((kind, lambda: InterruptedValue.X) for kind in (str, int)),
    *((kind, InterruptedClass) for kind in (Decimal, Pair, Careful, Inner, dict[str, int])),
    *((kind, InterruptedGet) for kind in (Pair, Open, Inner)),
    *((kind, InterruptedItems) for kind in (Pair, Open)),
    *(
        (kind, lambda: items(1, 2, then=Interrupt()))
        for kind in (Pair, list[int], set[int], tuple[int, ...], tuple[int, int])
    ),
    (int, lambda: InterruptedNumber("1.5")),
    (list[int], InterruptedLength),
    (Unhashable, InterruptedEqual),
    (InterruptedMissing, lambda: "y"),
    (dict[Any, int], lambda: {InterruptedIndex(): "x"}),
]


@pytest.mark.parametrize(("annotation", "make"), INTERRUPTED)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_is_no_exception_goes_through(annotation: Any, make: Callable[[], Any]) -> None:
    with pytest.raises(Interrupt):
        compiled(annotation).validate(make())


# ------------------------------------------------------------ the core's arguments


class Undecided:
    def __bool__(self) -> bool:
        raise ZeroDivisionError("neither")


def refuse(value: object) -> Any:
    raise ValueError(f"not {value}")


def site(**changed: Any) -> Any:
    given: dict[str, Any] = {
        "function": len,
        "kind": 0,
        "factories": (None,) * 4,
        "include_timing": False,
        "include_args": False,
        "bus": None,
        "enabled": None,
        "sample": None,
        "strict": False,
    }
    return SiteFunction(**(given | changed))


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: Validator("nullable", "x", 5), TypeError, "must be a Validator, not int"),
        (lambda: Validator("tuple", "x", an_int, 5), TypeError, "must be a Validator, not int"),
        (lambda: Validator("\ud800", "x"), UnicodeEncodeError, "surrogates"),
        (lambda: an_int.validate("x", cast(Any, Undecided())), ZeroDivisionError, "neither"),
        (lambda: Validator("pydantic", "x", refuse, refuse).validate(5), ValueError, "not 5"),
        (
            lambda: Validator("pydantic", "x", refuse, refuse).validate({1}, True),
            TypeError,
            "set is not JSON",
        ),
        (lambda: site(function=5), TypeError, "expected a callable, not 5"),
        (lambda: site(factories=()), TypeError, "expected a 4-tuple"),
        (lambda: site(factories=((1,),) * 4), TypeError, "each is None or"),
        (lambda: site(sample=(1,)), TypeError, "2 arguments"),
        (lambda: site(sample="often"), TypeError, "real number"),
        (lambda: listen(EventBus(), refuse, timeout="late"), TypeError, "real number"),
        (lambda: cast(Any, _core.TimerTable)(5), TypeError, "takes"),
        (lambda: Profiler().record("x"), TypeError, "record"),  # type: ignore[call-arg]
    ],
)
def test_refused(call: Callable[[], object], error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        call()


@pytest.mark.leaks_elsewhere("a program of its own")
@pytest.mark.parametrize(
    ("module", "kind"), [("enum", "str"), ("collections.abc", "dict")], ids=["enum", "abc"]
)
@pytest.mark.parametrize("replaced_by", ["None", "types.ModuleType('empty')"])
def test_a_standard_module_that_is_not_what_it_was(
    module: str, kind: str, replaced_by: str
) -> None:
    code = f"""
import sys, types
from onex_events._core import Validator
validator = Validator({kind!r}, "x", *[Validator("int", "int")] * {2 if kind == "dict" else 0})
sys.modules[{module!r}] = {replaced_by}
try:
    validator.validate(object())
except (ImportError, AttributeError) as error:
    print(type(error).__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = "ModuleNotFoundError" if replaced_by == "None" else "AttributeError"
    assert done.stdout.split() == [expected]


# ---------------------------------------------------------------------- dumps


def test_infinity_under_an_extra_item_that_is_declared_a_float() -> None:
    class Opened(Event[Any]):
        value: Open

    opened = Opened(type="x", value={"name": None, "much": math.inf})  # type: ignore[typeddict-unknown-key]
    assert opened.model_dump(mode="json")["value"] == {"name": None, "much": math.inf}


def test_infinity_in_what_is_not_what_was_declared() -> None:
    class Number(Event[Any]):
        number: float

    made = Number.model_construct(type="x", number=[math.inf, None])
    assert made.model_dump(mode="json")["number"] == [None, None]


def test_a_key_that_is_not_declared_does_not_disturb_the_others() -> None:
    class Whole(Event[Any]):
        value: Closed

    whole = Whole(type="x", value={"much": 1.5})
    whole.value["other"] = [math.inf]  # type: ignore[typeddict-unknown-key]
    whole.value["much"] = math.inf
    assert whole.model_dump(mode="json")["value"]["much"] == math.inf


def test_what_pydantic_declares_keeps_infinity_where_it_is_dumped() -> None:
    pydantic = pytest.importorskip("pydantic")
    annotation = Annotated[dict[str, list[float]], pydantic.Field(min_length=1)]
    checked = type("Checked", (Event,), {"__annotations__": {"value": annotation}})
    made = checked(type="x", value={"a": [math.inf]})
    assert made.model_dump(mode="json")["value"] == {"a": [math.inf]}


# ------------------------------------------------------------------------ bus


@pytest.fixture
def bus() -> Iterator[EventBus]:
    made = EventBus()
    yield made
    made.close()


class Foreign:
    """An event of no library; `id` may raise."""

    def __init__(self, type: Any = "foreign", parent_id: UUID | None = None) -> None:
        self.type = type
        self.own_id = uuid4()
        self.broken = False
        self.parent_id = self.root_id = parent_id
        self.lineage_id = None
        self.timestamp = datetime(2024, 1, 1)

    @property
    def id(self) -> UUID:
        if self.broken:
            raise ZeroDivisionError("no id")
        return self.own_id


class Pattern:
    """What the core asks of a regular expression."""

    def __init__(self, match: Callable[[str], Any]) -> None:
        self.match = match


def listen(
    bus: EventBus,
    handler: Callable[[Any], Any],
    match: Callable[[str], Any] | None = None,
    types: Any = None,
    **changed: Any,
) -> Subscription:
    """A subscription with a pattern of one's own."""
    given: dict[str, Any] = {
        "weak": False,
        "is_async": False,
        "loop": None,
        "name": "odd",
        "stats": None,
        "timeout": None,
        "concurrency": 0,
        "ordered_by": None,
        "lanes": None,
        "internal": False,
    }
    pattern = None if match is None else Pattern(match)
    made = Subscription(bus, handler, types, pattern, None, 0, **(given | changed))
    bus._add(made)
    return made


@pytest.mark.parametrize("wrong", [{"bus": 5}, {"types": 5}, {"types": (5,)}, {"name": 5}], ids=str)
def test_a_subscription_made_by_hand_of_what_it_cannot_be(
    bus: EventBus, wrong: dict[str, Any]
) -> None:
    with pytest.raises(TypeError):
        listen(wrong.get("bus", bus), refuse, types=wrong.get("types"), name=wrong.get("name", ""))
    with pytest.raises(TypeError, match="expected a class or None"):
        bus._interest(5, "x", True, False)


class TestHistory:
    def test_questions_of_a_short_history_about_many_events(self) -> None:
        with_few = EventBus(history_size=2)
        parent: Any = Event(type="parent")
        for number in range(300):
            event: Any = Event(type=str(number), parent_id=parent.id)
            with_few.emit_sync(event)
            assert with_few.get_event_by_id(event.id).type == str(number)
            assert len(with_few.get_children(parent.id)) == min(number + 1, 2)
        with_few.close()

    def test_an_event_whose_id_raises_spoils_one_question(self, bus: EventBus) -> None:
        parent = uuid4()
        odd, plain = Foreign(parent_id=parent), Foreign(parent_id=parent)
        bus.emit_sync(odd)
        bus.emit_sync(plain)
        odd.broken = True
        with pytest.raises(ZeroDivisionError, match="no id"):
            bus.get_children(parent)
        assert [event.own_id for event in bus.get_children(parent)] == [plain.own_id]
        bus.emit_sync(other := Foreign(parent_id=parent))
        assert bus.get_event_by_id(other.own_id).own_id == other.own_id


class TestMatching:
    def test_a_listener_whose_pattern_raises_takes_nothing_from_those_before(
        self, bus: EventBus
    ) -> None:
        heard: list[Any] = []
        bus.subscribe(heard.append, Event)
        bus.emit_sync(Event(type="known"))
        odd = listen(bus, heard.append, refuse)
        odd.cancel()
        bus.emit_sync(Event(type="known"))
        assert [event.type for event in heard] == ["known", "known"]
        assert bus.get_statistics()["event_counts"] == {"known": 2}

    def test_a_subscription_made_while_an_event_is_matched_takes_part(self, bus: EventBus) -> None:
        heard: list[Any] = []

        def match(name: str) -> None:
            if not bus._public_subscriptions()[1:]:
                bus.subscribe(heard.append, Event)

        listen(bus, refuse, match)
        bus.emit_sync(Event(type="x"))
        assert [event.type for event in heard] == ["x"]

    def test_the_same_kind_of_event_emitted_while_it_is_matched(self, bus: EventBus) -> None:
        emitted: list[Any] = []

        def match(name: str) -> None:
            if not emitted:
                emitted.append(Event(type=name))
                bus.emit_sync(emitted[0])

        listen(bus, refuse, match)
        outer: Any = Event(type="x")
        bus.emit_sync(outer)
        assert bus.get_statistics()["event_counts"] == {"x": 2}
        assert {event.id for event in bus.get_history()} == {outer.id, emitted[0].id}


class Sly(str):
    """Text whose hash and comparison are the program's."""

    __hash__ = refuse

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError("no comparison")


class Named:
    def __str__(self) -> str:
        return Sly("odd")


class TestTypeNames:
    """An event is known by the text of its type."""

    @pytest.mark.parametrize(
        "make",
        [
            lambda: Foreign(Sly("odd")),
            lambda: Foreign(Named()),
            lambda: Event.model_construct(type=Sly("odd")),
        ],
        ids=["foreign", "foreign, str()", "event"],
    )
    @pytest.mark.parametrize("heard", [False, True])
    def test_it_is_never_asked_to_hash_or_compare(
        self, bus: EventBus, make: Callable[[], Any], heard: bool
    ) -> None:
        seen: list[Any] = []
        if heard:
            bus.subscribe(seen.append, pattern="odd")
        event = make()
        for _ in range(2):
            bus.emit_sync(event)
        assert len(seen) == (2 if heard else 0)
        assert bus.get_statistics()["event_counts"] == {"odd": 2}
        assert bus.get_statistics()["handler_errors"] == 0

    def test_listeners_and_subscribers_agree(self, bus: EventBus) -> None:
        class Listener:
            filter = "5"
            seen: list[Any] = []

            def accept(self, events: list[Any]) -> None:
                self.seen += events

        seen: list[Any] = []
        bus.subscribe(seen.append, pattern="5")
        bus.attach(Listener())
        event = Foreign(5)
        bus.emit_sync(event)
        assert seen == Listener.seen == [event]


class TestWeakHandlers:
    def test_a_handler_that_is_gone_is_none(self, bus: EventBus) -> None:
        def handler(event: Any) -> None: ...

        subscription = bus.subscribe(handler, Event, weak=True)
        assert subscription.handler is handler
        del handler
        gc.collect()
        assert subscription.handler is None
        assert not subscription.active

    def test_a_reference_that_raises_is_no_handler(self, bus: EventBus) -> None:
        subscription = listen(bus, cast(Any, lambda: refuse("told")), weak=True)
        assert subscription.handler is None
        bus.emit_sync(Event(type="x"))
        assert bus.get_statistics()["handler_errors"] == 0


# -------------------------------------------------------------- decorated functions


class Made(CreatedEvent[Any]):
    type: str = "made"


class Holder:
    everything: Any


@pytest.mark.parametrize("hook", ["auto", "wrapper"])
class TestListening:
    def test_interest_that_cannot_be_told_is_reported_and_taken_for_a_yes(
        self, bus: EventBus, hook: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        told: list[Any] = []
        made: list[Made] = []
        monkeypatch.setattr(sys, "unraisablehook", lambda args: told.append(args.exc_type))

        def created(result: Any) -> Made:
            made.append(Made())
            return made[-1]

        @emit_events(created_factory=created, created_type=Made, bus=bus, hook=hook)
        def function() -> int:
            return 1

        assert function() == 1
        assert (made, told) == ([], [])
        listen(bus, refuse, refuse)
        assert function() == 1
        assert len(made) == 1
        assert set(told) == {ValueError}

    def test_a_pattern_that_calls_the_function_whose_events_it_is_asked_about(
        self, bus: EventBus, hook: Any
    ) -> None:
        asked: list[str] = []
        nested: list[int] = []

        def created(result: Any) -> Made:
            return Made()

        @emit_events(created_factory=created, created_type=Made, bus=bus, hook=hook)
        def function() -> int:
            return 1

        def match(name: str) -> Any:
            asked.append(name)
            if len(asked) == 2:
                nested.append(function())
            return True if len(asked) == 1 else None

        listen(bus, refuse, match)
        assert [function() for _ in range(3)] == [1, 1, 1]
        assert nested == [1]


@pytest.mark.parametrize("hook", ["auto", "wrapper"])
@pytest.mark.parametrize("stack", [256, 1024], ids="{} KiB".format)
def test_a_small_stack_is_used_up_by_calls_that_are_listened_to(hook: Any, stack: int) -> None:
    bus = EventBus()
    bus.subscribe(lambda event: None, Made)
    result: list[Any] = []

    @emit_events(created_factory=lambda result, number: Made(), bus=bus, hook=hook)
    def down(number: int) -> int:
        return number if number == 100_000 else down(number + 1)

    def descend() -> None:
        try:
            result.append(down(0))
        except RecursionError as error:
            result.append(error)

    limit, before = sys.getrecursionlimit(), threading.stack_size(stack * 1024)
    sys.setrecursionlimit(1_000_000)
    try:
        thread = threading.Thread(target=descend)
        thread.start()
        thread.join(60)
    finally:
        threading.stack_size(before)
        sys.setrecursionlimit(limit)
    assert isinstance(result[0], RecursionError)
    bus.close()


@pytest.mark.parametrize("hook", ["auto", "wrapper"])
def test_a_decorated_function_that_holds_the_references_to_itself_is_collected(hook: Any) -> None:
    @emit_events(created_factory=Made, hook=hook)
    def function() -> int:
        return 1

    kept: list[Any] = weakref.getweakrefs(function)
    function.itself = function  # type: ignore[attr-defined]
    holder = Holder()
    holder.everything = (holder, function, kept)
    gone = weakref.ref(holder)
    del function, kept, holder
    gc.collect()
    assert gone() is None


class TestSites:
    def test_a_weak_reference_outlives_it(self) -> None:
        made = site()
        gone: list[Any] = []
        reference = weakref.ref(made, gone.append)
        assert reference() is made
        del made
        gc.collect()
        assert reference() is None
        assert gone == [reference]

    def test_the_name_of_a_callable_that_has_none(self) -> None:
        class Nameless(type):
            @property
            def __name__(cls) -> str:  # type: ignore[override]
                raise ZeroDivisionError("no name")

        class Callable_(metaclass=Nameless):
            def __call__(self) -> int:
                return 1

        with pytest.raises(ZeroDivisionError, match="no name"):
            site(function=Callable_())

    def test_a_callable_is_told_its_name_in_a_class(self) -> None:
        class Told:
            name: Any = None

            def __set_name__(self, owner: type, name: str) -> None:
                self.name = (owner, name)

            def __call__(self) -> int:
                return 1

        told = Told()

        class Owner:
            method = emit_events(created_factory=Made)(told)

        assert told.name == (Owner, "method")

    def test_a_class_that_takes_no_attribute_does_not_get_its_new(self) -> None:
        class Closed(type):
            def __setattr__(cls, name: str, value: object) -> None:
                raise ZeroDivisionError(f"no {name}")

        class Owner(metaclass=Closed):
            pass

        with pytest.raises(ZeroDivisionError, match="no __new__"):
            site().__set_name__(Owner, "__new__")

    def test_a_callable_whose_set_name_cannot_be_asked_for(self) -> None:
        class Private(type):
            @property
            def __set_name__(cls) -> Any:  # noqa: PLE0302
                raise ZeroDivisionError("not to be asked")

        class Callable_(metaclass=Private):
            def __call__(self) -> int:
                return 1

        with pytest.raises(ZeroDivisionError, match="not to be asked"):
            site(function=Callable_()).__set_name__(object, "x")

    def test_the_class_of_a_callable_that_does_not_tell_its_own(self) -> None:
        class Secret(Classless):
            def __call__(self) -> int:
                return 1

        made = site(function=Secret())
        with pytest.raises(ZeroDivisionError, match="no class"):
            made.__class__  # noqa: B018


# --------------------------------------------------------------------- timers


class TimedTask(asyncio.Task[Any]):
    timer: Any


class TestTimers:
    def test_a_timer_left_running_holds_its_task_no_longer_than_itself(self) -> None:
        async def left_running(timer: Any) -> None:
            for _ in range(3):
                timer.__enter__()

        async def main() -> weakref.ref[Any]:
            timer = Profiler().timer("x")
            task = TimedTask(left_running(timer))
            task.timer = timer
            await task
            gc.collect()
            assert task.timer is timer
            return weakref.ref(task)

        reference = asyncio.run(main())
        gc.collect()
        assert reference() is None

    def test_nested_outside_of_any_task(self) -> None:
        profiler = Profiler()

        async def main() -> None:
            loop, done = asyncio.get_running_loop(), asyncio.Event()

            def callback() -> None:
                timer = profiler.timer("x")
                with timer, timer:
                    pass
                done.set()

            loop.call_soon(callback)
            await done.wait()

        asyncio.run(main())
        assert profiler.to_dict()["x"]["count"] == 2
