"""Events as JSON-native dicts and back (spec 1, section 6)."""

import dataclasses
import json
import math
import typing
import weakref
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from .events import Event

__all__ = ["EventSerializer"]

CLASS_KEY = "__class__"

_known: weakref.WeakSet[type] = weakref.WeakSet()
_durations = TypeAdapter(timedelta)


class EventSerializer:
    """Turns events into dicts or text that JSON can hold, and dicts back into events.

    A class is named by its ``__name__``, with its module where several known classes share that. It
    is found again among the classes that ``Event[X]`` and ``to_dict`` have named, which are held
    weakly; text is never evaluated.
    """

    @staticmethod
    def to_dict(event: Any, include_class: bool = False) -> dict[str, Any]:
        """The event's fields, without those that are None, as JSON-native values.

        The class is named under ``__class__`` with ``include_class``, and where ``type`` alone does
        not tell it. A value without a JSON form raises TypeError.
        """
        if isinstance(event, type) or not hasattr(event, "model_fields_set"):
            raise TypeError(f"to_dict: argument 'event' is {event!r}, expected an event")
        data = _fields(event)
        cls = _plain(type(event))
        if include_class or _type_default(cls) != event.type:
            data[CLASS_KEY] = _full_name(cls)
        return data

    @staticmethod
    def to_json(event: Any, include_class: bool = False) -> str:
        """``to_dict`` as JSON text."""
        return json.dumps(EventSerializer.to_dict(event, include_class))

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Any:
        """The event that ``data`` tells of, of the class it names, else of the one of its ``type``.

        ValueError when that is missing or fits several classes, or when a class is not known;
        ValidationError (a ValueError) when fields are wrong.
        """
        if not isinstance(data, Mapping):
            raise TypeError(f"from_dict: argument 'data' is {data!r}, expected a dict")
        values = {name: value for name, value in data.items() if name != CLASS_KEY}
        cls = _event_class(data)
        for name, field in cls.model_fields.items():
            if isinstance(values.get(name), str) and _holds_class(field.annotation):
                values[name] = _find_class(name, values[name])
        return cls.model_validate(values)

    @staticmethod
    def from_json(text: str | bytes) -> Any:
        """``from_dict`` of JSON text; ValueError when it is none."""
        return EventSerializer.from_dict(json.loads(text))


def _fields(model: Any) -> dict[str, Any]:
    values = {name: getattr(model, name) for name in type(model).model_fields}
    values.update(getattr(model, "model_extra", None) or {})
    return {name: _native(value) for name, value in values.items() if value is not None}


def _native(value: Any) -> Any:
    match value:
        case Enum():
            return _native(value.value)
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case type():
            return _name(value)
        case UUID() | Decimal():
            return str(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return json.loads(_durations.dump_json(value))
        case bytes() | bytearray():
            return bytes(value).decode("utf-8", "surrogateescape")
        case Event():
            return EventSerializer.to_dict(value)
        case BaseModel():
            return _fields(value)
        case Mapping():
            return {_key(key): _native(one) for key, one in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_native(one) for one in value]
    if dataclasses.is_dataclass(value):
        return {one.name: _native(getattr(value, one.name)) for one in dataclasses.fields(value)}
    raise TypeError(f"to_dict: {value!r} has no JSON form")


def _key(key: Any) -> str:
    native = _native(key)
    return native if isinstance(native, str) else json.dumps(native)


def _plain(cls: type) -> type:
    """The class without its parameters: Event for Event[X]."""
    made_from = getattr(cls, "__pydantic_generic_metadata__", None)
    return (made_from and made_from["origin"]) or cls


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _name(cls: type) -> str:
    _known.add(cls)
    alike = [one for one in _all_known() if one.__name__ == cls.__name__ and one is not cls]
    return _full_name(cls) if alike else cls.__name__


def _all_known() -> set[type]:
    """The classes named by to_dict, those that stand in some Event[X], and the event classes."""
    found: set[type] = set(_known)
    for cls in _event_classes():
        found.add(_plain(cls))
        parameters = cls.__pydantic_generic_metadata__["args"]
        found.update(one for one in parameters if isinstance(one, type))
    return found


def _find_class(field: str, name: str) -> type:
    fitting = [one for one in _all_known() if name in (one.__name__, _full_name(one))]
    if len(fitting) != 1:
        which = f"fits {sorted(map(_full_name, fitting))}" if fitting else "is no class known here"
        raise ValueError(f"from_dict: field {field!r} is {name!r}, which {which}")
    return fitting[0]


def _event_classes() -> list[type[Event[Any]]]:
    """Event and all its subclasses, parametrised ones included."""
    found: dict[type[Event[Any]], None] = {}
    new: list[type[Event[Any]]] = [Event]
    while new:
        cls = new.pop()
        if cls not in found:
            found[cls] = None
            new += cls.__subclasses__()
    return list(found)


def _event_class(data: Mapping[str, Any]) -> type[Event[Any]]:
    classes = [cls for cls in _event_classes() if _plain(cls) is cls]
    named = data.get(CLASS_KEY)
    if named is not None:
        fitting = [cls for cls in classes if named in (cls.__name__, _full_name(cls))]
        if len(fitting) > 1:  # the same name defined anew: the type tells which
            fitting = [cls for cls in fitting if _type_default(cls) == data.get("type")] or fitting
    else:
        if not isinstance(data.get("type"), str):
            raise ValueError("from_dict: argument 'data' has no 'type' and names no class")
        fitting = [cls for cls in classes if _type_default(cls) == data["type"]] or [Event]
    if len(fitting) == 1:
        return fitting[0]
    what = f"class {named!r}" if named is not None else f"type {data['type']!r}"
    if not fitting:
        raise ValueError(f"from_dict: {what} is no event class known here")
    raise ValueError(
        f"from_dict: {what} fits several event classes, {sorted(map(_full_name, fitting))}; "
        f"name one under {CLASS_KEY!r} (include_class=True does)"
    )


def _type_default(cls: type[Any]) -> Any:
    return cls.model_fields["type"].default


def _holds_class(annotation: Any) -> bool:
    if annotation is type or typing.get_origin(annotation) is type:
        return True
    return any(_holds_class(one) for one in typing.get_args(annotation))
