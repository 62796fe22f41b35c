"""Fields of event classes: what is known of one (`FieldInfo`), and how users describe it."""

from __future__ import annotations

import sys
import typing
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from . import _core
from .generics import substitute, type_name

if TYPE_CHECKING:
    from .model import Model

__all__ = ["Field", "FieldInfo", "Undefined"]


class _UndefinedType:
    """The type of `Undefined`."""

    _only: ClassVar[_UndefinedType | None] = None

    def __new__(cls) -> _UndefinedType:
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __repr__(self) -> str:
        return "Undefined"

    def __reduce__(self) -> str:
        return "Undefined"

    def __copy__(self) -> _UndefinedType:
        return self

    def __deepcopy__(self, memo: object) -> _UndefinedType:
        return self


Undefined: Final = _UndefinedType()
"""The default of a field that has none."""

# What an omitted field gets: onex_field_kind in csrc/py/event.h.
_REQUIRED, _CONSTANT, _COPY, _LIST, _DICT, _SET = range(6)
_FACTORY, _GENERATED, _VALIDATED, _DERIVED = range(6, 10)

# Values that events may share.
SHARED = (
    type(None), bool, int, float, complex, str, bytes, type, type(Ellipsis), type(NotImplemented),
    type(len), type(lambda: None), type(sys), weakref.ref,
)  # fmt: skip
_FRESH: dict[object, int] = {list: _LIST, dict: _DICT, set: _SET}


def is_undefined(value: object) -> bool:
    return (
        value is Undefined or value is Ellipsis or type(value).__name__ == "PydanticUndefinedType"
    )


def is_pydantic_field(value: object) -> bool:
    module = sys.modules.get("pydantic.fields")
    return module is not None and isinstance(value, module.FieldInfo)


class FieldInfo:
    """One field of an event class, as ``model_fields`` shows it.

    annotation: its type (what ``Annotated`` wraps, without the metadata).
    default: the default value; `Undefined` when it is required or has a factory.
    default_factory: called without arguments (or with the dict of the fields before it) for the
        value of an omitted field; None when there is none.
    description, title, examples, alias, exclude, repr, frozen: as given to `Field`.
    """

    __slots__ = (
        "alias", "annotation", "constraints", "default", "default_factory", "description",
        "examples", "exclude", "frozen", "given", "json_schema_extra", "metadata", "name", "owner",
        "raw", "repr", "resolved", "scope", "serialization_alias", "serializer", "title",
        "typevars", "validate_default", "validation_alias", "validator", "validators",
    )  # fmt: skip

    default: Any
    default_factory: Callable[..., Any] | None
    description: str | None

    def __init__(self, **given: Any) -> None:
        self.name = ""
        self.annotation: Any = Undefined
        self.default = Undefined
        self.default_factory = None
        self.description = None
        self.title: str | None = None
        self.examples: list[Any] | None = None
        self.alias: str | None = None
        self.validation_alias: Any = None
        self.serialization_alias: str | None = None
        self.exclude: bool | None = None
        self.repr: bool | None = None
        self.frozen: bool | None = None
        self.validate_default: bool | None = None
        self.json_schema_extra: Any = None
        self.constraints: dict[str, Any] = {}
        self.serializer: Callable[[Any, Any, bool], Any] | None = None
        self.metadata: tuple[Any, ...] = ()
        self.raw: Any = Undefined  # the annotation as it stood in the body
        self.owner: Any = None  # the class whose names `raw` uses
        self.scope: Mapping[str, Any] | None = None
        self.typevars: dict[Any, Any] = {}
        self.resolved = False
        self.validator: _core.Validator | None = None
        self.validators: dict[str, Any] = {}  # of pydantic's decorators, by method
        self.given: frozenset[str] = frozenset(given)
        for name, value in given.items():
            setattr(self, name, value)

    # ------------------------------------------------------------- what users ask

    def is_required(self) -> bool:
        """Whether the constructor must be given this field."""
        return self.default is Undefined and self.default_factory is None

    def get_default(self, *, call_default_factory: bool = False) -> Any:
        """A default for one event: copied, or with `call_default_factory` made; None if none."""
        if self.default_factory is not None:
            return self.default_factory() if call_default_factory else None
        return self.make_default()

    def __repr__(self) -> str:
        shown = [f"annotation={type_name(self.annotation)}", f"required={self.is_required()}"]
        for name in ("default", "default_factory", "alias", "title", "description"):
            value = getattr(self, name)
            if value is not Undefined and (value is not None or name == "default"):
                shown.append(f"{name}={value!r}")
        return f"FieldInfo({', '.join(shown)})"

    def to_pydantic(self) -> Any:
        """The pydantic FieldInfo with the same constraints."""
        import pydantic

        return pydantic.Field(**self.constraints)

    # ---------------------------------------------------------------- what C asks

    @property
    def kind(self) -> int:
        if self.default_factory is not None:
            fresh = _FRESH.get(self.default_factory)
            if self.validate_default:
                return _VALIDATED
            if fresh is not None:
                return fresh
            if _GENERATORS.get(self.name) is self.default_factory:
                return _GENERATED
            return _DERIVED if _takes_data(self.default_factory) else _FACTORY
        if self.default is Undefined:
            return _REQUIRED
        if self.validate_default:
            return _VALIDATED
        value = self.default
        if not value and type(value) in _FRESH:
            return _FRESH[type(value)]
        if _is_shared(value):
            return _CONSTANT
        # A copy is made when the field is first read; one that fails, at construction.
        return _COPY if _can_be_copied(value) else _FACTORY

    @property
    def default_source(self) -> Any:
        if self.default_factory is not None:
            return self.default_factory
        return self.make_default if self.kind == _FACTORY else self.default

    @property
    def argument(self) -> str:
        alias = self.validation_alias if self.validation_alias is not None else self.alias
        return alias if isinstance(alias, str) else self.name

    @property
    def dumped_as(self) -> str:
        alias = self.serialization_alias if self.serialization_alias is not None else self.alias
        return self.name if alias is None else alias

    @property
    def json_key(self) -> bytes:
        return _json_key(self.name)

    @property
    def is_frozen(self) -> int:
        return bool(self.frozen)

    @property
    def in_repr(self) -> int:
        return self.repr is not False

    @property
    def in_dump(self) -> int:
        return not self.exclude

    def make_default(self) -> Any:
        """The default's own copy for one event."""
        if self.default_factory is not None:
            return self.default_factory()
        if self.default is Undefined:
            return None
        if _is_shared(self.default):
            return self.default
        import copy

        return copy.deepcopy(self.default)

    # ------------------------------------------------------------------- building

    def updated(self, other: FieldInfo) -> FieldInfo:
        """This one with what was given to the other."""
        merged = self.copied()
        for name in other.given:
            setattr(merged, name, getattr(other, name))
        if "default" in other.given and "default_factory" not in other.given:
            merged.default_factory = None
        if "default_factory" in other.given and "default" not in other.given:
            merged.default = Undefined
        merged.constraints = {**self.constraints, **other.constraints}
        merged.metadata = self.metadata + other.metadata
        merged.validators = {**self.validators, **other.validators}
        merged.given = self.given | other.given
        return merged

    def copied(self) -> FieldInfo:
        new = FieldInfo()
        for name in FieldInfo.__slots__:
            setattr(new, name, getattr(self, name))
        return new

    def resolve(self) -> None:
        """Evaluates the annotation; NameError while it names what is not defined."""
        if self.resolved:
            return
        annotation = self.raw
        if isinstance(annotation, str):
            annotation = _evaluate(annotation, self)
        elif isinstance(annotation, typing.ForwardRef) or is_forward(annotation):
            annotation = _evaluate_forward(annotation, self)
        if self.typevars:
            annotation = substitute(annotation, self.typevars)
        found = FieldInfo()
        while typing.get_origin(annotation) is typing.Annotated:
            for item in annotation.__metadata__:
                if isinstance(item, FieldInfo) or is_pydantic_field(item):
                    found = found.updated(field_of(item))
                else:
                    found.metadata += (item,)
            annotation = annotation.__origin__
        if is_final(annotation):
            annotation = (typing.get_args(annotation) or (Any,))[0]
        if found.given or found.metadata or found.constraints:
            self._take(found)
        self.annotation = annotation
        self.resolved = True

    def _take(self, found: FieldInfo) -> None:
        """What stood in Annotated[...], as far as the field's own default does not say it."""
        merged = found.updated(self)
        for name in found.given | {"constraints", "metadata", "given"}:
            setattr(self, name, getattr(merged, name))
        if self.default is not Undefined and "default" not in found.given - self.given:
            self.default_factory = None if "default" in self.given else self.default_factory

    def compile(self, model: Model) -> None:
        """Makes the validator; NameError while a name is not defined."""
        if self.validator is not None:
            return
        self.resolve()
        from .annotations import compile_annotation

        metadata: tuple[Any, ...] = (*self.metadata, *self.validators.values())
        if self.constraints:
            metadata += (self,)
        self.validator = compile_annotation(
            self.annotation,
            metadata,
            config=model.config,
            namespace=_Names(self),
            where=f"{model.title}.{self.name}",
        )


def is_forward(annotation: object) -> bool:
    return type(annotation).__name__ == "ForwardRef"


def is_marked(annotation: Any, form: Any, word: str) -> bool:
    if isinstance(annotation, str) or is_forward(annotation):
        text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        head = text.strip().partition("[")[0].rpartition(".")[2].strip()
        return bool(head == word)
    return annotation is form or typing.get_origin(annotation) is form


def is_final(annotation: Any) -> bool:
    return is_marked(annotation, Final, "Final")


def _json_key(name: str) -> bytes:
    if name.isascii() and name.isidentifier():
        return f',"{name}":'.encode()
    import json

    return f",{json.dumps(name, ensure_ascii=False)}:".encode()


class _Names(dict[str, Any]):
    """The names that a field's annotation may use, gathered when they are asked for."""

    def __init__(self, info: FieldInfo) -> None:
        owner = info.owner
        module = sys.modules.get(getattr(owner, "__module__", ""), None)
        super().__init__(vars(module) if module is not None else {})
        if info.scope is not None:
            self.update(info.scope)
        if owner is not None:
            for name, value in vars(owner).items():
                if isinstance(value, type):
                    self[name] = value
            self[owner.__name__] = owner
            for parameter in getattr(owner, "__type_params__", ()):
                self[parameter.__name__] = parameter


def _evaluate(text: str, info: FieldInfo) -> Any:
    try:
        return eval(text, _Names(info))
    except (NameError, MemoryError):
        raise
    except Exception as error:
        raise TypeError(
            f"{info.owner.__qualname__}.{info.name}: the annotation {text!r} can't be "
            f"evaluated: {error}"
        ) from error


def _evaluate_forward(annotation: Any, info: FieldInfo) -> Any:
    if hasattr(annotation, "evaluate"):  # 3.14: knows the scope where it stood
        try:
            return annotation.evaluate()
        except NameError:
            pass
    return _evaluate(annotation.__forward_arg__, info)


def is_immutable(value: object) -> bool:
    kind = type(value)
    enum = sys.modules.get("enum")
    if enum is not None and isinstance(value, enum.Enum):
        return True
    if kind in (tuple, frozenset):
        return all(isinstance(v, SHARED) or is_immutable(v) for v in value)  # type: ignore[attr-defined]
    return (kind.__module__, kind.__qualname__) in {
        ("uuid", "UUID"),
        ("datetime", "datetime"),
        ("datetime", "date"),
        ("datetime", "time"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("decimal", "Decimal"),
    }


def _is_shared(value: object) -> bool:
    """Whether all events may have this very default."""
    return isinstance(value, SHARED) or is_immutable(value)


def _can_be_copied(value: object) -> bool:
    import copy

    try:
        copy.deepcopy(value)
    except Exception:
        return False
    return True


def _takes_data(factory: Any) -> bool:
    """Whether a default factory wants the dict of the fields before it (as in pydantic 2.10)."""
    code = getattr(factory, "__code__", None)
    if code is None:
        return False
    bound = int(getattr(factory, "__self__", None) is not None)
    required = code.co_argcount - bound - len(getattr(factory, "__defaults__", None) or ())
    return bool(required == 1)


_GENERATORS: dict[str, Any] = {
    "id": _core.new_id,
    "lineage_id": _core.new_id,
    "timestamp": _core.now,
}

_CONSTRAINTS = frozenset(
    {
        "gt", "ge", "lt", "le", "multiple_of", "allow_inf_nan", "min_length", "max_length",
        "pattern", "strict", "max_digits", "decimal_places", "discriminator", "union_mode",
        "fail_fast", "coerce_numbers_to_str",
    }
)  # fmt: skip

_DESCRIBING = frozenset(
    {
        "alias", "validation_alias", "serialization_alias", "title", "description", "examples",
        "exclude", "repr", "frozen", "validate_default", "json_schema_extra",
    }
)  # fmt: skip

# Accepted and without effect: they concern schemas and typing only.
_IGNORED = frozenset(
    {"alias_priority", "deprecated", "field_title_generator", "init", "init_var", "kw_only",
     "exclude_if"}
)  # fmt: skip


def Field(default: Any = Undefined, *, default_factory: Any = None, **options: Any) -> Any:
    """Describes a field of an event class.

    default: the value of an omitted field, copied per event if mutable; without it (and without
        a factory) the field is required. ``...`` means the same as none.
    default_factory: makes the value of an omitted field.
    description, title, examples, json_schema_extra: for people and JSON Schema.
    alias: the constructor's keyword instead of the field's name.
    exclude: left out of dumps. repr: False leaves it out of the repr. frozen: not assignable.
    validate_default: the default goes through validation too.
    gt, ge, lt, le, multiple_of, min_length, max_length, pattern, strict, ...: constraints; they
        need pydantic, and a class that has them can't be defined without it.

    Raises TypeError for both a default and a factory, and for an unknown option.
    """
    given: dict[str, Any] = {}
    if not is_undefined(default):
        if default_factory is not None:
            raise TypeError("Field(): give a default or a default_factory, not both")
        given["default"] = default
    if default_factory is not None:
        if not callable(default_factory):
            raise TypeError(f"Field(): default_factory must be callable, got {default_factory!r}")
        given["default_factory"] = default_factory
    constraints: dict[str, Any] = {}
    for name, value in options.items():
        if name in _CONSTRAINTS:
            if value is not None:
                constraints[name] = value
        elif name in _DESCRIBING:
            given[name] = value
        elif name not in _IGNORED:
            raise TypeError(f"Field(): unknown option {name!r}")
    info = FieldInfo(**given)
    info.constraints = constraints
    return info


def field_of(value: Any) -> FieldInfo:
    """Our FieldInfo for one of ours or of pydantic's."""
    if isinstance(value, FieldInfo):
        return value
    given: dict[str, Any] = {}
    if not is_undefined(value.default):
        given["default"] = value.default
    if value.default_factory is not None:
        given["default_factory"] = value.default_factory
    for name in _DESCRIBING:
        option = getattr(value, name, None)
        if option is not None and not (name == "repr" and option is True):
            given[name] = option
    info = FieldInfo(**given)
    if value.metadata or value.discriminator is not None:
        info.metadata = (value,)
    return info
