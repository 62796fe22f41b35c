"""What reads data that others wrote, each as a function of bytes.

A target returns quietly or fails: the decoder raised what it does not document, or what it made
does not hold together.  ``tools/fuzz`` feeds them with a fuzzer's inputs (``fuzzer.py``), and
``test_corpus.py`` with those that are kept in ``corpus/``.
"""

from __future__ import annotations

import copy
import json
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import (
    Any,
    Dict,
    FrozenSet,
    List,
    Literal,
    NamedTuple,
    Optional,
    Set,
    Tuple,
    Type,
    TypedDict,
    Union,
)
from uuid import UUID

from onex_events import CreatedEvent, Event, EventSerializer, ValidationError

__all__ = ["TARGETS", "Everything"]


class Colour(Enum):
    RED = "red"
    GREEN = 2


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Point(NamedTuple):
    x: int
    y: float = 0.0


class Settings(TypedDict, total=False):
    name: str
    size: int


@dataclass
class Item:
    key: str
    weight: float = 1.0


class Everything(Event[Any]):
    """A field of each kind that the core validates by itself."""

    type: str = "fuzz.everything"
    flag: bool = False
    whole: int = 0
    real: float = 0.0
    text: str = ""
    raw: bytes = b""
    exact: Decimal = Decimal(0)
    ident: Optional[UUID] = None
    moment: Optional[datetime] = None
    day: Optional[date] = None
    clock: Optional[time] = None
    span: Optional[timedelta] = None
    colour: Colour = Colour.RED
    level: Level = Level.LOW
    word: Literal["a", 1, None] = None
    either: Union[int, str, List[int], None] = None
    numbers: List[int] = []
    unique: Set[int] = set()
    frozen: FrozenSet[str] = frozenset()
    pair: Tuple[int, str] = (0, "")
    many: Tuple[int, ...] = ()
    table: Dict[str, float] = {}
    keyed: Dict[UUID, int] = {}
    point: Optional[Point] = None
    settings: Optional[Settings] = None
    item: Optional[Item] = None
    kind: Optional[Type[Event[Any]]] = None
    nested: Optional[Everything] = None
    anything: Any = None


Everything.model_rebuild()


class Input:
    """Bytes as a stream of choices: zeros when they have ended."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def more(self) -> bool:
        return self.at < len(self.data)

    def take(self, count: int) -> bytes:
        taken = self.data[self.at : self.at + count]
        self.at += count
        return taken

    def byte(self) -> int:
        taken = self.take(1)
        return taken[0] if taken else 0

    def pick(self, *choices: Any) -> Any:
        return choices[self.byte() % len(choices)]

    def text(self) -> str:
        return self.take(self.byte() % 48).decode(
            "utf-8", "surrogatepass" if self.byte() & 1 else "replace"
        )

    def number(self) -> int:
        return int.from_bytes(self.take(self.byte() % 20), "little", signed=True)

    def real(self) -> float:
        return struct.unpack("<d", self.take(8).ljust(8, b"\0"))[0]


def _safe(make: Callable[[], Any], otherwise: Any) -> Any:
    try:
        return make()
    except (ValueError, OverflowError, OSError):
        return otherwise


def value(source: Input, depth: int = 0) -> Any:
    """Any Python value of the kinds that programs hand to events."""
    kind = source.byte() % (24 if depth < 4 else 18)
    match kind:
        case 0:
            return None
        case 1:
            return source.pick(True, False)
        case 2:
            return source.number()
        case 3:
            return source.real()
        case 4 | 5:
            return _safe(source.text, "\ud800")
        case 6:
            return source.take(source.byte() % 48)
        case 7:
            return UUID(bytes=source.take(16).ljust(16, b"\0"))
        case 8:
            return _safe(lambda: datetime.fromtimestamp(source.number(), UTC), datetime.max)
        case 9:
            return _safe(
                lambda: timedelta(source.number() % 999999999, source.byte()), timedelta.max
            )
        case 10:
            return date.fromordinal(source.number() % date.max.toordinal() + 1)
        case 11:
            return source.pick(*Colour, *Level)
        case 12:
            return source.pick(Event, Everything, CreatedEvent, int, type, Colour)
        case 13:
            return Decimal(source.number())
        case 14:
            return source.pick(Point(1), Item("k"), object(), bytearray(b"x"), range(3), 1j)
        case 15:
            return str(source.number())
        case 16:
            return source.pick(
                "red", "a", "1", "true", "1e5", "P1D", "2024-01-02T03:04:05Z", "12:00"
            )
        case 17:
            return Event(type="e")
        case 18:
            return [value(source, depth + 1) for _ in range(source.byte() % 5)]
        case 19:
            return tuple(value(source, depth + 1) for _ in range(source.byte() % 5))
        case 20:
            return {source.number() % 9 for _ in range(source.byte() % 5)}
        case 21:
            return {
                source.pick(*"xyz", 1, None): value(source, depth + 1)
                for _ in range(source.byte() % 5)
            }
        case 22:
            return {name: value(source, depth + 1) for name in _names(source)}
        case _:
            return Everything.model_construct(
                **{n: value(source, depth + 1) for n in _names(source)}
            )


FIELDS = tuple(Everything.model_fields)


def _names(source: Input) -> list[str]:
    return [source.pick(*FIELDS, "unknown", "") for _ in range(source.byte() % 8)]


def used(event: Event[Any]) -> None:
    """Do with an event what programs do, whatever its fields hold, also with half of one."""
    repr(event)
    assert event == event
    event.model_dump()
    twin = event.model_copy()
    assert type(twin) is type(event)
    assert twin.model_fields_set == event.model_fields_set
    for make_text in (event.model_dump_json, lambda: EventSerializer.to_json(event)):
        try:
            make_text()
        except (ValueError, TypeError):  # a value without a form in JSON: both say so
            pass
        except AttributeError:
            assert not all(hasattr(event, name) for name in type(event).model_fields)
    try:
        copy.deepcopy(event)
    except TypeError:  # a value that can't be copied
        pass


def checked(error: ValidationError) -> None:
    assert error.error_count() == len(error.errors()) > 0
    str(error)


# ---- the targets ----


def from_json(data: bytes) -> None:
    """``model_validate_json``: an event or a ValidationError."""
    try:
        event = Everything.model_validate_json(data)
    except ValidationError as error:
        checked(error)
        return
    used(event)
    again = Everything.model_validate_json(event.model_dump_json())
    assert again.model_dump_json() == event.model_dump_json()


def from_values(data: bytes) -> None:
    """``model_validate``: an event or a ValidationError."""
    source = Input(data)
    strict = bool(source.byte() & 1)
    given = {name: value(source) for name in _names(source)}
    while source.more() and len(given) < len(FIELDS):
        given[source.pick(*FIELDS)] = value(source)
    try:
        event = Everything.model_validate(given, strict=strict)
    except ValidationError as error:
        checked(error)
        return
    used(event)


def from_serialized(data: bytes) -> None:
    """``EventSerializer.from_json``: an event or a ValueError (TypeError: it is no object)."""
    try:
        event = EventSerializer.from_json(data)
    except ValueError:
        return
    except TypeError:
        assert not isinstance(json.loads(data), dict)
        return
    used(event)
    written = EventSerializer.to_json(event, include_class=True)
    again = EventSerializer.from_json(written)
    assert type(again) is type(event)
    assert EventSerializer.to_json(again, include_class=True) == written


def damaged_state(data: bytes) -> None:
    """``__setstate__``: a whole event, or a TypeError or ValueError; never half of one that crashes."""
    source = Input(data)
    event = Everything(numbers=[1], nested=Everything(), metadata={"k": "v"})
    state = event.__getstate__() | {"deleted": []}
    parts = "fields", "set", "extra", "private", "deleted"
    for _ in range(source.byte() % 6):
        part = source.pick(None, "fields", *parts)
        if part is None:
            state[source.pick(*parts, "more")] = value(source)
        elif isinstance(state.get(part), list):
            state[part].insert(0, source.pick(*FIELDS, "unknown", 7, None))
        elif isinstance(state.get(part), dict):
            state[part][source.pick(*FIELDS, "unknown", 7, None)] = value(source)
        else:
            state[part] = {source.pick("unknown", 7, *FIELDS): value(source)}
        if source.byte() % 4 == 0:
            state.pop(source.pick(*parts), None)
    for victim in (Everything.__new__(Everything), event):
        try:
            victim.__setstate__(state)
        except (TypeError, ValueError):
            pass
        used(victim)
        try:
            pickle.dumps(victim)
        except (TypeError, AttributeError, pickle.PicklingError):  # a value that can't be
            pass


TARGETS: dict[str, Callable[[bytes], None]] = {
    "from_json": from_json,
    "from_values": from_values,
    "from_serialized": from_serialized,
    "damaged_state": damaged_state,
}
