"""Events as JSON-native dicts and back: spec 1 section 6.

A class travels as its name.  Reading looks the name up among the classes that
this process knows (:mod:`onex_events.known_classes`).  Text is never evaluated
and no module is imported for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from enum import Enum
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin
from uuid import UUID
from weakref import WeakKeyDictionary, ref

from . import known_classes as known
from .events import Event

__all__ = ["EventSerializer"]

C = TypeVar("C", bound=type)

#: The key under which a dict names its class.
_CLASS_KEY = "__class__"


class EventSerializer:
    """Turns events into JSON-native dicts or JSON text and back.

    All methods are static; nothing is configured, an instance is not needed.

    Exact (``from_dict(to_dict(e)) == e``) for every event whose fields have a
    type of their own.  A value that an ``Any`` field holds (``metadata``, say)
    comes back as what JSON can say of it: a UUID as its text, a tuple as a list.
    """

    @staticmethod
    def to_dict(event: Event[Any], include_class: bool = False) -> dict[str, Any]:
        """The event as a dict of strings, numbers, bools, lists and dicts.

        Fields that are None are left out.  UUIDs become text, times ISO 8601,
        timedeltas ISO 8601 durations, Enum members their values, classes
        their names (with the module where several known classes have that
        name), bytes text, numbers that JSON lacks ``"NaN"``, ``"Infinity"``.

        The key ``__class__`` names the event's class with ``include_class``,
        and where the class does not follow from ``type``: when ``type`` is not
        the default that the class itself brings.

        Raises TypeError for a value that has no JSON form; it says where.
        """
        given: object = event
        if isinstance(given, type) or not hasattr(type(given), "model_fields"):
            raise TypeError(f"event: an event is expected, not {event!r}")
        try:
            data = _fields_to_native(event, type(event).__name__)
        except RecursionError:
            raise ValueError(
                f"event: a field of {type(event).__name__} contains itself or is nested too deeply"
            ) from None
        if include_class or not _class_follows_from_type(event):
            data[_CLASS_KEY] = known.full_name(known.without_parameters(type(event)))
        return data

    @staticmethod
    def to_json(event: Event[Any], include_class: bool = False) -> str:
        """:meth:`to_dict` as compact JSON text, ASCII only."""
        import json

        return json.dumps(
            EventSerializer.to_dict(event, include_class),
            separators=(",", ":"),
            allow_nan=False,
        )

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Event[Any]:
        """The event that ``data`` describes, validated.

        Its class is the one that ``data["__class__"]`` names, else the one
        that brings ``data["type"]`` as its default, else Event itself.

        Raises ValueError when a name (of the event's class or in a field that
        holds classes) fits no known class or several, naming them, and
        ValidationError (a ValueError) when the fields are wrong.
        """
        if not isinstance(data, Mapping):
            raise TypeError(
                f"data: a dict as to_dict() returns it is expected, not {type(data).__name__}"
            )
        return _event_from_native(data, None)

    @staticmethod
    def from_json(text: str | bytes) -> Event[Any]:
        """:meth:`from_dict` of JSON text.  Raises ValueError when it is no JSON."""
        import json

        return EventSerializer.from_dict(json.loads(text))

    @staticmethod
    def register(cls: C) -> C:
        """Make a class known by its name, for reading; usable as a decorator.

        Needed only for a subject's or actor's class that neither ``Event[X]``
        nor ``to_dict`` has named in this process.  The class is held weakly.
        """
        given: object = cls
        if not isinstance(given, type):
            raise TypeError(f"cls: a class is expected, not {cls!r}")
        known.register(cls)
        return cls


# ---- writing ----


def _class_follows_from_type(event: Event[Any]) -> bool:
    """Is the event's class the one to expect when only its type string is known?"""
    given: object = event
    if not isinstance(given, Event):
        return True  # a Pydantic event: its class is none to be found
    cls = known.without_parameters(type(event))
    if cls is Event:
        return not known.classes_that_bring(event.type)
    return cls in known.classes_that_bring(event.type) or known.brings(cls, event.type)


def _fields_to_native(event: Any, where: str) -> dict[str, Any]:
    data = {}
    for name in type(event).model_fields:
        value = getattr(event, name)
        if value is not None:
            data[name] = _to_native(value, f"{where}.{name}")
    for name, value in (getattr(event, "model_extra", None) or {}).items():
        if value is not None:
            data[name] = _to_native(value, f"{where}.{name}")
    return data


def _to_native(value: Any, where: str) -> Any:
    kind = type(value)
    if kind is str or kind is bool or kind is int or value is None:
        return value
    if kind is UUID:
        return str(value)
    if kind is dict or (kind is not list and isinstance(value, Mapping)):
        return _mapping_to_native(value, where)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_to_native(one, f"{where}[{index}]") for index, one in enumerate(value)]
    if isinstance(value, Enum):
        return _to_native(value.value, where)
    if isinstance(value, float):
        number = float(value)
        return number if number - number == 0.0 else _NOT_FINITE[str(number)]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, type):
        return known.name_of(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "surrogateescape")
    return _object_to_native(value, where)


_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _mapping_to_native(value: Mapping[Any, Any], where: str) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, one in value.items():
        name = key if type(key) is str else _key_to_native(key, where)
        if name in data:
            raise ValueError(f"{where}: two keys are {name!r} in JSON; one of them is {key!r}")
        data[name] = _to_native(one, f"{where}[{name!r}]")
    return data


def _key_to_native(key: Any, where: str) -> str:
    native = _to_native(key, f"{where} (a key)")
    if isinstance(native, str):
        return native
    if native is None:
        return "null"
    if isinstance(native, bool):
        return "true" if native else "false"
    if isinstance(native, (int, float)):
        return repr(native)
    raise TypeError(f"{where}: the key {key!r} has no form as a JSON key (a string)")


def _duration(value: timedelta) -> str:
    """ISO 8601, exact to the microsecond."""
    sign, value = ("-", -value) if value < timedelta() else ("", value)
    seconds = f"{value.seconds}.{value.microseconds:06}" if value.microseconds else value.seconds
    return f"{sign}P{value.days}DT{seconds}S"


def _object_to_native(value: Any, where: str) -> Any:
    from decimal import Decimal

    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Event):
        return {
            **_fields_to_native(value, where),
            _CLASS_KEY: known.full_name(known.without_parameters(type(value))),
        }
    if callable(getattr(value, "model_dump", None)):
        return _to_native(value.model_dump(), where)
    names: Iterable[str] | None = getattr(value, "__dataclass_fields__", None)
    if names is None:
        names = getattr(value, "__struct_fields__", None)
    if names is not None:
        return {name: _to_native(getattr(value, name), f"{where}.{name}") for name in names}
    if callable(getattr(value, "__fspath__", None)):
        return _to_native(value.__fspath__(), where)
    if isinstance(value, Iterable) and hasattr(value, "__len__"):
        return [_to_native(one, f"{where}[{index}]") for index, one in enumerate(value)]
    raise TypeError(
        f"{where}: {value!r} of type {known.full_name(type(value))} has no JSON form; "
        "give the event its text or the values that matter"
    )


# ---- reading ----


def _event_from_native(data: Mapping[str, Any], expected: type[Event[Any]] | None) -> Event[Any]:
    values = dict(data)
    name = values.pop(_CLASS_KEY, None)
    if name is not None:
        cls = _event_class_named(name)
    elif expected is not None:
        cls = expected
    else:
        cls = _event_class_for(values)
    plan = _plan(cls)
    for field, revive in plan.revivers.items():
        if values.get(field) is not None:
            values[field] = revive(values[field], field)
    for field, argument in plan.renamed.items():
        if field in values:
            values[argument] = values.pop(field)
    for argument in plan.required_or_none:
        values.setdefault(argument, None)  # to_dict has left it out
    return cls.model_validate(values)


def _event_class_for(values: Mapping[str, Any]) -> type[Event[Any]]:
    """The class that brings the type string; Event where no class does."""
    type_name = values.get("type")
    if not isinstance(type_name, str):
        raise ValueError(
            f"data: it has no 'type' (a string that says which event it is) but {type_name!r}"
            if "type" in values
            else "data: it has no 'type' (a string that says which event it is)"
        )
    for key in values:
        if not isinstance(key, str):
            raise ValueError(f"data: the key {key!r} is no string")
    bringing = known.classes_that_bring(type_name)
    if len(bringing) > 1:
        raise ValueError(
            f"data: type {type_name!r} is ambiguous, it may be {known.listed(bringing)}; "
            f"name the class in the data: to_dict(event, include_class=True)"
        )
    cls = bringing[0] if bringing else Event
    unknown = values.keys() - _plan(cls).keys
    if not unknown:
        return cls
    if not bringing and not _takes_extras(cls):
        raise ValueError(
            f"data: no class of type {type_name!r} is known, and Event itself has no field "
            f"{known.quoted(sorted(unknown))}; import the module that defines the class first. "
            f"Known types: {known.quoted(known.types())}"
        )
    fitting = [
        one
        for one in known.classes_that_inherit(type_name)
        if any(key in one.model_fields for key in unknown)
    ]
    if fitting:
        raise ValueError(
            f"data: type {type_name!r} is ambiguous: {known.full_name(cls)} brings it but lacks "
            f"the field {known.quoted(sorted(unknown))} of {known.listed(fitting)}; "
            f"name the class in the data: to_dict(event, include_class=True)"
        )
    return cls


def _event_class_named(name: object) -> type[Event[Any]]:
    if not isinstance(name, str):
        raise ValueError(f"data: {_CLASS_KEY!r} must be the name of an Event class, not {name!r}")
    found = known.event_classes_named(name)
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(
            f"data: the class {name!r} is ambiguous, it may be {known.listed(found)}; "
            "give its module, too"
        )
    raise ValueError(
        f"data: no Event class {name!r} is known; import the module that defines it first. "
        f"Known: {known.listed(known.event_classes())}"
    )


def _class_named(name: str, where: str) -> type:
    found = known.named(name)
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(
            f"{where}: the class {name!r} is ambiguous, it may be {known.listed(found)}; "
            "give its module, too"
        )
    raise ValueError(
        f"{where}: no class {name!r} is known; make it known with EventSerializer.register(cls). "
        f"Known: {known.listed(known.registered())} and the builtin and Event classes"
    )


# ---- what reading needs to know of a class ----

_Reviver = Callable[[Any, str], Any]  # (value, where) -> value


class _Plan:
    """How the fields of a class are read; made once a class."""

    __slots__ = ("keys", "renamed", "required_or_none", "revivers")

    def __init__(self, cls: type[Event[Any]]) -> None:
        infos = cls.model_fields
        #: For the fields that hold classes, bytes or events: what makes them from JSON.
        self.revivers: dict[str, _Reviver] = {}
        for name, info in infos.items():
            revive = _reviver(info.annotation)
            if revive is not None:
                self.revivers[name] = revive
        #: Keywords of required fields that may be None: to_dict leaves them out then.
        self.required_or_none = [
            info.argument
            for info in infos.values()
            if info.is_required() and _accepts_none(info.annotation)
        ]
        #: Fields that the constructor takes by an alias.
        self.renamed = {
            name: info.argument for name, info in infos.items() if info.argument != name
        }
        #: All that a dict of this class may hold, unless the class takes extras.
        self.keys = {*infos, *self.renamed.values()}


_plans: WeakKeyDictionary[type, _Plan] = WeakKeyDictionary()


def _plan(cls: type[Event[Any]]) -> _Plan:
    plan = _plans.get(cls)
    if plan is None:
        plan = _plans[cls] = _Plan(cls)
    return plan


def _reviver(annotation: Any) -> _Reviver | None:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is type or origin is type:
        return _revive_class
    if annotation is bytes:
        return _revive_bytes
    if isinstance(annotation, type) and issubclass(annotation, Event):
        return _revive_event(annotation)
    if origin is Union or origin is UnionType:
        return _revive_union(arguments)
    if hasattr(annotation, "__metadata__") or hasattr(annotation, "__value__"):
        return _reviver(arguments[0] if arguments else annotation.__value__)
    if isinstance(origin, type) and issubclass(origin, Mapping) and len(arguments) == 2:
        return _revive_values(_reviver(arguments[1]))
    if origin is tuple and arguments[-1:] != (Ellipsis,):
        return _revive_places([_reviver(one) for one in arguments])
    if isinstance(origin, type) and issubclass(origin, Iterable) and arguments:
        return _revive_members(_reviver(arguments[0]))
    return None


def _revive_class(value: Any, where: str) -> Any:
    return _class_named(value, where) if isinstance(value, str) else value


def _revive_bytes(value: Any, where: str) -> Any:
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


def _revive_event(expected: type[Event[Any]]) -> _Reviver:
    held = ref(expected)  # it may be the class whose plan this is for

    def revive(value: Any, where: str) -> Any:
        return _event_from_native(value, held()) if isinstance(value, Mapping) else value

    return revive


def _revive_union(arms: tuple[Any, ...]) -> _Reviver | None:
    revivers = [one for one in map(_reviver, arms) if one is not None]
    if not revivers:
        return None
    plain = str in arms or Any in arms  # text may be meant as text

    def revive(value: Any, where: str) -> Any:
        problem: ValueError | None = None
        for one in revivers:
            try:
                revived = one(value, where)
            except ValueError as error:
                problem = error
                continue
            if revived is not value:
                return revived
        if problem is not None and not plain:
            raise problem
        return value

    return revive


def _revive_members(one: _Reviver | None) -> _Reviver | None:
    if one is None:
        return None

    def revive(value: Any, where: str) -> Any:
        if not isinstance(value, list):
            return value
        return [one(member, f"{where}[{index}]") for index, member in enumerate(value)]

    return revive


def _revive_places(each: list[_Reviver | None]) -> _Reviver | None:
    if not any(each):
        return None

    def revive(value: Any, where: str) -> Any:
        if not isinstance(value, list) or len(value) != len(each):
            return value
        return [
            member if one is None else one(member, f"{where}[{index}]")
            for index, (one, member) in enumerate(zip(each, value, strict=True))
        ]

    return revive


def _revive_values(one: _Reviver | None) -> _Reviver | None:
    if one is None:
        return None

    def revive(value: Any, where: str) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {key: one(member, f"{where}[{key!r}]") for key, member in value.items()}

    return revive


def _accepts_none(annotation: Any) -> bool:
    if annotation is None or annotation is NoneType or annotation is Any:
        return True
    origin = get_origin(annotation)
    return (origin is Union or origin is UnionType) and any(
        map(_accepts_none, get_args(annotation))
    )


def _takes_extras(cls: type) -> bool:
    return bool(getattr(cls, "model_config", {}).get("extra") == "allow")
