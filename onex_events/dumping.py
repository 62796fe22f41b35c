"""What values become in ``model_dump``, beyond the common types that C takes care of.

The rules are Pydantic's for values whose type it does not know beforehand.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Any

from onex_events._core import Validator

__all__ = ["chosen", "json_key", "simplify"]


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


# Kinds of validators for which pydantic goes by the value.
_ANYTHING = frozenset({"any", "instance", "subclass", "type", "callable", "pydantic"})

# Values of kinds without parts, by the type alone or by subclasses, too.
_EXACT: dict[str, type] = {"none": type(None), "bool": bool, "int": int, "float": float}
_OF_TYPE: dict[str, tuple[str, str]] = {
    "str": ("builtins", "str"),
    "bytes": ("builtins", "bytes"),
    "uuid": ("uuid", "UUID"),
    "decimal": ("decimal", "Decimal"),
    "datetime": ("datetime", "datetime"),
    "date": ("datetime", "date"),
    "time": ("datetime", "time"),
    "timedelta": ("datetime", "timedelta"),
}
_ITEMS: dict[str, Any] = {
    "list": list,
    "set": set,
    "frozenset": frozenset,
    "tuple_of": tuple,
    "sequence": Iterable,
}


def chosen(union: Validator, value: Any) -> Validator | None:
    """The choice of a union as which a value is dumped: the first that it is throughout, without
    subclasses of records if there is one; None where pydantic goes by the value."""
    for strict in (True, False):
        for choice in union.args:
            if _is(choice, value, strict):
                found: Validator = choice
                return found
    return None


def _is(validator: Validator, value: Any, strict: bool) -> bool:
    """Whether a value and its parts are what a validator makes."""
    kind, args = validator.kind, validator.args
    if kind in _ANYTHING:
        return True
    if kind in _EXACT:
        return type(value) is _EXACT[kind]
    if kind in _OF_TYPE:
        return any((c.__module__, c.__qualname__) == _OF_TYPE[kind] for c in type(value).__mro__)
    if kind == "nullable":
        return value is None or _is(args[0], value, strict)
    if kind == "union":
        return any(_is(choice, value, strict) for choice in args)
    if kind == "ref":
        return validator.target is not None and _is(validator.target, value, strict)
    if kind == "literal":
        return _is_accepted(validator, value)
    if kind in _ITEMS:
        return isinstance(value, _ITEMS[kind]) and all(_is(args[0], v, strict) for v in value)
    if kind == "tuple":
        return (
            isinstance(value, tuple)
            and len(value) == len(args)
            and all(_is(part, v, strict) for part, v in zip(args, value, strict=True))
        )
    if kind == "dict":
        return isinstance(value, dict) and all(
            _is(args[0], k, strict) and _is(args[1], v, strict) for k, v in value.items()
        )
    if kind == "typeddict":
        return isinstance(value, dict) and _has_fields(args, value, strict)
    if strict and kind in ("dataclass", "model"):
        if type(value) is not args[0]:
            return False
    elif not isinstance(value, args[0]):
        return False
    if kind == "namedtuple":
        return all(_is(field[1], v, strict) for field, v in zip(args[1], value, strict=False))
    return kind != "dataclass" or all(
        _is(field[1], getattr(value, field[0]), strict)
        for field in args[1]
        if hasattr(value, field[0])
    )


def _is_accepted(validator: Validator, value: Any) -> bool:
    try:
        validator.validate(value)
    except ValueError:
        return False
    return True


def _has_fields(args: Any, value: dict[Any, Any], strict: bool) -> bool:
    """Whether a dict has the fields of a TypedDict."""
    fields, extra, extra_validator = args
    names = {name: validator for name, validator, _, _ in fields}
    if strict and (
        (extra != _EXTRA_ALLOWED and not value.keys() <= names.keys())
        or any(flags & _REQUIRED and name not in value for name, _, flags, _ in fields)
    ):
        return False
    return all(
        _is(validator, part, strict)
        for name, part in value.items()
        if (validator := names.get(name, extra_validator)) is not None
    )


# csrc/py/validate_record.c
_EXTRA_ALLOWED = 2
_REQUIRED = 1


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
        # What is declared for a dataclass leaves them out (csrc/py/event_dump.c).
        if without_none and (
            hasattr(cls, "__is_pydantic_dataclass__")
            or (declared is not None and declared.kind == "pydantic")
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
    if isinstance(value, deque):
        return list(value)
    if json and hasattr(cls, "__next__"):
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
    container, in JSON mode something simpler. `declared` is what stands for it. Raises
    pydantic's PydanticSerializationError (ValueError without pydantic) for what JSON has no form
    for."""
    fractions = sys.modules.get("fractions")
    if fractions is not None and isinstance(value, fractions.Fraction):
        return str(value)  # in Python mode too, as pydantic does
    if json and type(value) is float:  # inf or nan: C takes care of others
        return value if _is_float(declared) else None
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


def like(value: Any, parts: Any, declared: Validator | None) -> Any:
    """What a dump in Python mode has for a container whose parts were dumped: an
    OrderedDict, Counter or deque stays one, but for a dict where one is declared."""
    if isinstance(value, deque):
        whole = declared is None or declared.kind != "sequence"
        return deque(parts, value.maxlen if whole else None)
    if declared is None or declared.kind not in ("dict", "typeddict"):
        if isinstance(value, OrderedDict):
            return OrderedDict(parts)
        if isinstance(value, Counter):
            return Counter(parts)
    return parts


def _is_float(declared: Validator | None) -> bool:
    """Whether infinity and NaN stay what they are."""
    return declared is not None and declared.kind in ("float", "pydantic")


def _standing(declared: Validator | None, value: Any) -> Validator | None:
    """What stands for a value where that is declared."""
    while declared is not None and declared.kind in ("nullable", "ref", "union"):
        if declared.kind == "union":
            declared = chosen(declared, value)
        else:
            declared = declared.target if declared.kind == "ref" else declared.args[0]
    return declared


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
        return str(float(key)) if _is_float(_standing(declared, key)) else "None"
    if isinstance(key, tuple):
        standing = _standing(declared, key)
        parts: tuple[Validator, ...] = ()
        if standing is not None and standing.kind in ("tuple", "tuple_of"):
            parts = standing.args if standing.kind == "tuple" else standing.args * len(key)
        items = itertools.zip_longest(key, parts[: len(key)])
        return ",".join(itertools.starmap(json_key, items))
    scalar = _scalar(key)
    if scalar is NotImplemented:
        raise _error(f"`{type(key).__name__}` not valid as object key")
    return str(scalar)
