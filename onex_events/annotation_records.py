"""Compiles classes with fields: TypedDict, NamedTuple and dataclasses."""

from __future__ import annotations

import sys
import typing
from typing import TYPE_CHECKING, Any

from ._core import Validator
from .annotations import ForPydantic, checks

if TYPE_CHECKING:
    from .annotations import Compiler

__all__ = ["record"]

# Flags of a record's field (csrc/py/validate_record.c).
_REQUIRED, _DEFAULT, _FACTORY, _COPY, _NO_INIT, _INIT_VAR = 1, 2, 4, 8, 16, 32

_Field = tuple[str, Validator, int, Any]


def _default_flags(value: Any) -> int:
    """pydantic copies defaults that can't be hashed."""
    try:
        hash(value)
    except TypeError:
        return _COPY
    return _DEFAULT


def _hints(compiler: Compiler, cls: Any) -> dict[str, Any]:
    """A class's annotations with its bases', evaluated in their modules; what these do not
    define (local classes) comes from where the class is used."""
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except NameError:
        module = vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {}
        names = {cls.__name__: cls, **compiler.namespace}
        names = {name: value for name, value in names.items() if name not in module}
        return typing.get_type_hints(cls, localns=names, include_extras=True)
    except MemoryError:
        raise
    except Exception as error:
        raise TypeError(f"{compiler.where}: the annotations of {cls!r}: {error}") from error


def _unqualified(annotation: Any) -> tuple[Any, set[str]]:
    """An annotation without Required, NotRequired, ReadOnly, and those."""
    found: set[str] = set()
    metadata: tuple[Any, ...] = ()
    while True:
        name = getattr(getattr(annotation, "__origin__", None), "_name", None)
        if hasattr(annotation, "__metadata__"):
            metadata = annotation.__metadata__ + metadata
            annotation = annotation.__origin__
        elif name in ("Required", "NotRequired", "ReadOnly"):
            found.add(str(name))
            annotation = annotation.__args__[0]
        else:
            break
    if any(checks(item) or type(item).__name__ == "FieldInfo" for item in metadata):
        raise ForPydantic
    return annotation, found


def typeddict(compiler: Compiler, cls: Any) -> Validator:
    if hasattr(cls, "__pydantic_config__"):
        raise ForPydantic
    fields: list[_Field] = []
    for name, hint in _hints(compiler, cls).items():
        annotation, marks = _unqualified(hint)
        required = (name in cls.__required_keys__ or "Required" in marks) and (
            "NotRequired" not in marks
        )
        fields.append((name, compiler.compile(annotation), _REQUIRED if required else 0, None))
    extra, extra_validator = compiler.extra, None
    items = getattr(cls, "__extra_items__", None)
    if getattr(cls, "__closed__", None):  # PEP 728
        extra = 1
    elif items is not None and "NoExtraItems" not in (
        getattr(items, "__name__", ""),
        type(items).__name__.strip("_").removesuffix("Type"),
    ):
        extra, extra_validator = 2, compiler.compile(items)
    return Validator("typeddict", cls.__name__, tuple(fields), extra, extra_validator)


def namedtuple(compiler: Compiler, cls: Any) -> Validator:
    hints = _hints(compiler, cls)
    fields: list[_Field] = []
    for name in cls._fields:
        annotation, _ = _unqualified(hints.get(name, Any))
        flags, default = _REQUIRED, None
        if name in cls._field_defaults:
            default = cls._field_defaults[name]
            flags = _default_flags(default)
            if type(default).__name__ == "FieldInfo":
                raise ForPydantic
        fields.append((name, compiler.compile(annotation), flags, default))
    return Validator("namedtuple", cls.__name__, cls, tuple(fields))


def dataclass(compiler: Compiler, cls: Any) -> Validator:
    if hasattr(cls, "__pydantic_fields__") or hasattr(cls, "__pydantic_config__"):
        raise ForPydantic
    import dataclasses

    hints = _hints(compiler, cls)
    positional: list[_Field] = []
    keyword_only: list[_Field] = []
    for name, field in cls.__dataclass_fields__.items():
        hint = hints.get(name, field.type)
        flags, default = _REQUIRED, None
        kind = field._field_type.name
        if kind == "_FIELD_CLASSVAR":
            continue
        if isinstance(hint, dataclasses.InitVar):
            hint, kind = hint.type, "_FIELD_INITVAR"
        annotation, _ = _unqualified(hint)
        if field.default is not dataclasses.MISSING:
            default = field.default
            flags = _default_flags(default)
            if type(default).__name__ == "FieldInfo":
                raise ForPydantic
        elif field.default_factory is not dataclasses.MISSING:
            default, flags = field.default_factory, _FACTORY
        if not field.init:
            if flags == _REQUIRED:
                continue
            flags |= _NO_INIT
        if kind == "_FIELD_INITVAR":
            flags |= _INIT_VAR
        fields = keyword_only if field.kw_only is True else positional
        fields.append((name, compiler.compile(annotation), flags, default))
    return Validator(
        "dataclass",
        cls.__name__,
        cls,
        tuple(positional + keyword_only),
        compiler.extra,
        hasattr(cls, "__post_init__"),
        hasattr(cls, "__slots__"),
    )


def record(compiler: Compiler, cls: Any) -> Validator:
    """The validator of a class that annotations._has_fields takes for a record."""
    if type(cls).__name__ == "_TypedDictMeta":
        return typeddict(compiler, cls)
    if issubclass(cls, tuple):
        return namedtuple(compiler, cls)
    return dataclass(compiler, cls)
