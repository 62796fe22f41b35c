"""What values become in ``model_dump``, beyond the common types that C takes care of.

The rules are Pydantic's for values whose type it does not know beforehand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from onex_events._core import Validator

__all__ = ["json_key", "simplify"]


def _error(message: str) -> Exception:
    core = sys.modules.get("pydantic_core")
    if core is not None:
        error: Exception = core.PydanticSerializationError(message)
        return error
    return ValueError(message)


def _duration(value: Any) -> str:
    """An ISO 8601 duration, as pydantic writes it."""
    us = (value.days * 86400 + value.seconds) * 1_000_000 + value.microseconds
    sign, us = ("-", -us) if us < 0 else ("", us)
    seconds, us = divmod(us, 1_000_000)
    days, seconds = divmod(seconds, 86400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    text = sign + "P"
    if days >= 365:
        years, days = divmod(days, 365)
        text += f"{years}Y"
    if days:
        text += f"{days}D"
    if hours or minutes or seconds or us:
        text += "T"
        if hours:
            text += f"{hours}H"
        if minutes:
            text += f"{minutes}M"
        if us:
            text += f"{seconds}.{us:06d}".rstrip("0") + "S"
        elif seconds:
            text += f"{seconds}S"
    return "PT0S" if text in ("P", "-P") else text


def _moment(value: Any) -> str:
    text: str = value.isoformat()
    return text[:-6] + "Z" if text.endswith("+00:00") else text


def _decoded(value: Any) -> str:
    try:
        return bytes(value).decode()
    except UnicodeDecodeError as error:
        raise _error(f"invalid utf-8 sequence of 1 bytes from index {error.start}") from None


def _scalar(value: Any) -> Any:
    """JSON's form of a value that is no container; NotImplemented where there is none."""
    for cls in type(value).__mro__:
        convert = _SCALARS.get((cls.__module__, cls.__qualname__))
        if convert is not None:
            return convert(value)
    return NotImplemented


def _same(value: Any) -> Any:
    return value


# Keyed by name, so that nothing is imported for the sake of values that nobody has.
_SCALARS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("enum", "Enum"): lambda value: value.value,
    ("uuid", "UUID"): str,
    ("datetime", "datetime"): _moment,
    ("datetime", "date"): lambda value: value.isoformat(),
    ("datetime", "time"): _moment,
    ("datetime", "timedelta"): _duration,
    ("decimal", "Decimal"): str,
    ("fractions", "Fraction"): str,
    ("builtins", "bytes"): _decoded,
    ("builtins", "bytearray"): _decoded,
    ("builtins", "memoryview"): _decoded,
    ("builtins", "complex"): lambda value: str(value).strip("()"),
    ("builtins", "str"): lambda value: str.__str__(value),
    ("builtins", "bool"): _same,
    ("builtins", "int"): int.__int__,
    ("builtins", "float"): float.__float__,
    ("builtins", "type"): lambda value: value.__name__,
    ("pathlib", "PurePath"): str,
    ("pathlib._local", "PurePath"): str,
    ("re", "Pattern"): lambda value: value.pattern,
    ("ipaddress", "_IPAddressBase"): str,
    ("pydantic.networks", "_BaseUrl"): str,
    ("pydantic_core._pydantic_core", "Url"): str,
    ("pydantic_core._pydantic_core", "MultiHostUrl"): str,
}


def _validators(parts: tuple[Any, ...]) -> Iterator[Validator]:
    """What a validator is made of."""
    for part in parts:
        if isinstance(part, tuple):
            yield from _validators(part)
        elif isinstance(part, Validator):
            yield part


def _is_declared(cls: type, validator: Validator) -> bool | None:
    """Whether values of a dataclass, or floats, stand in a field as that (True) or as anything
    (False, where pydantic goes by the value: `exclude_none` is then not for what is in it, and
    infinity is None in JSON mode)."""
    said = _declares(cls, validator)
    if said is not None:
        return said
    choices = list(_validators(validator.args))
    if validator.kind in ("union", "nullable"):  # before what is inside of one of them
        for choice in choices:
            if (said := _declares(cls, choice)) is not None:
                return said
    inside = [said for one in choices if (said := _is_declared(cls, one)) is not None]
    return any(inside) if inside else None


def _declares(cls: type, validator: Validator) -> bool | None:
    """The same of the validator itself, not of what it is made of."""
    if validator.kind in ("any", "instance", "type", "subclass", "callable"):
        return False
    if validator.kind in ("ref", "pydantic"):  # to a class that refers to itself; Pydantic's own
        return True
    named = (
        validator.kind == "float"
        if cls is float
        else validator.kind == "dataclass" and issubclass(cls, validator.args[0])
    )
    return True if named else None


def _in_parts(value: Any, json: bool, without_none: bool, declared: Validator | None) -> Any:
    """A container's parts as a plain dict, list, tuple or set; NotImplemented for no container."""
    cls = type(value)
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(value, pydantic.BaseModel):
        return value.model_dump(mode="json" if json else "python", exclude_none=without_none)
    if hasattr(cls, "__dataclass_fields__"):
        parts = {
            name: getattr(value, name)
            for name, field in cls.__dataclass_fields__.items()
            if field._field_type.name == "_FIELD"
        }
        if without_none and (
            hasattr(cls, "__is_pydantic_dataclass__")
            or (declared is not None and _is_declared(cls, declared))
        ):
            parts = {name: part for name, part in parts.items() if part is not None}
        return parts
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, list):
        return list(value)
    if isinstance(value, tuple):
        return tuple(value)
    if isinstance(value, frozenset):
        return frozenset(value)
    if isinstance(value, set):
        return set(value)
    if json and cls.__module__ == "collections" and cls.__name__ == "deque":
        return list(value)
    if json and cls.__name__ == "generator":
        return list(value)
    return NotImplemented


def simplify(
    value: Any,
    json: bool,
    fallback: Callable[[Any], Any] | None,
    without_none: bool = False,
    declared: Validator | None = None,
) -> Any:
    """One step towards what a dump may hold: in Python mode the value itself if it is no
    container, in JSON mode something simpler. `declared` is its field's validator. Raises
    pydantic's PydanticSerializationError (ValueError without pydantic) for what JSON has no form
    for."""
    fractions = sys.modules.get("fractions")
    if fractions is not None and isinstance(value, fractions.Fraction):
        return str(value)  # in Python mode too, as pydantic does
    if json and type(value) is float:  # inf or nan: C takes care of others
        return value if declared is not None and _is_declared(float, declared) else None
    if json or not hasattr(type(value), "__members__"):
        scalar = _scalar(value) if json else NotImplemented
        if scalar is not NotImplemented:
            return scalar
        if isinstance(value, str | int | float | bytes):
            return value
        parts = _in_parts(value, json, without_none, declared)
        if parts is not NotImplemented:
            return parts
    if not json:
        return value
    if fallback is not None:
        return fallback(value)
    raise _error(f"Unable to serialize unknown type: {type(value)}")


def json_key(key: Any, declared: Validator | None = None) -> str:
    """A dict's key as the name that JSON needs."""
    if key is None:
        return "None"
    if isinstance(key, bool):
        return "true" if key else "false"
    enum = sys.modules.get("enum")
    if enum is not None and isinstance(key, enum.Enum):
        return json_key(key.value, declared)
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, float):
        if key - key == 0:  # neither inf nor nan
            return repr(float(key))
        return str(float(key)) if declared is not None and _is_declared(float, declared) else "None"
    if isinstance(key, tuple):
        return ",".join(json_key(item, declared) for item in key)
    scalar = _scalar(key)
    if scalar is NotImplemented:
        raise _error(f"`{type(key).__name__}` not valid as object key")
    return str(scalar)
