"""Compiles typing annotations to the validators of ``csrc/py/fields.c``.

The rules are Pydantic v2's lax mode.  What they cover is compiled to C; what
only pydantic itself can do (constraints, its own types and validators) becomes
one `pydantic.TypeAdapter` for the whole annotation, so that unions and
containers around it behave as pydantic's too.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from onex_events._core import Validator

__all__ = ["compile_annotation"]

_NoneType = type(None)


class ForPydantic(Exception):
    """An annotation (or a part of one) that only pydantic can validate."""


_ANY = Validator("any", "any")

# Exact classes and special forms without parts.
_SIMPLE: dict[Any, Validator] = {
    Any: _ANY,
    object: _ANY,
    None: Validator("none", "none"),
    _NoneType: Validator("none", "none"),
    bool: Validator("bool", "bool"),
    int: Validator("int", "int"),
    float: Validator("float", "float"),
    str: Validator("str", "str"),
    bytes: Validator("bytes", "bytes"),
    type: Validator("type", "custom-error[is-instance[type]]"),
}

_EXTRA = {None: 0, "ignore": 0, "forbid": 1, "allow": 2}

# Configuration that has no part in how one field is validated.
_HARMLESS_CONFIG = frozenset(
    {
        "title", "extra", "frozen", "populate_by_name", "validate_by_name",
        "validate_by_alias", "arbitrary_types_allowed", "from_attributes",
        "validate_assignment", "json_schema_extra", "json_encoders", "protected_namespaces",
        "use_attribute_docstrings", "defer_build", "ser_json_timedelta", "ser_json_bytes",
        "ser_json_inf_nan", "ser_json_temporal", "serialize_by_alias", "alias_generator",
        "validate_default", "validate_return", "ignored_types", "plugin_settings",
        "json_schema_serialization_defaults_required", "json_schema_mode_override",
        "field_title_generator", "model_title_generator", "cache_strings",
        "hide_input_in_errors", "loc_by_alias", "revalidate_instances",
    }
)  # fmt: skip


# ------------------------------------------------------- classes by their name


def _uuid() -> Validator:
    from uuid import UUID, SafeUUID

    return Validator("uuid", "uuid", UUID, SafeUUID.safe)


def _decimal() -> Validator:
    from decimal import Decimal, DecimalException

    return Validator("decimal", "decimal", Decimal, DecimalException)


# Standard classes with rules of their own, found without importing them.
_NAMED: dict[tuple[str, str], Callable[[], Validator]] = {
    ("uuid", "UUID"): _uuid,
    ("decimal", "Decimal"): _decimal,
    ("datetime", "datetime"): lambda: Validator("datetime", "datetime"),
    ("datetime", "date"): lambda: Validator("date", "date"),
    ("datetime", "time"): lambda: Validator("time", "time"),
    ("datetime", "timedelta"): lambda: Validator("timedelta", "timedelta"),
}

# Standard classes that pydantic converts to and our table does not have.
_PYDANTIC_CLASSES = frozenset(
    {
        ("builtins", "complex"),
        ("builtins", "ellipsis"),
        ("builtins", "frozendict"),
        ("collections", "Counter"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("collections", "deque"),
        ("collections.abc", "Generator"),
        ("collections.abc", "Hashable"),
        ("collections.abc", "Iterable"),
        ("fractions", "Fraction"),
        ("ipaddress", "IPv4Address"),
        ("ipaddress", "IPv4Interface"),
        ("ipaddress", "IPv4Network"),
        ("ipaddress", "IPv6Address"),
        ("ipaddress", "IPv6Interface"),
        ("ipaddress", "IPv6Network"),
        ("os", "PathLike"),
        ("pathlib", "Path"),
        ("pathlib", "PosixPath"),
        ("pathlib", "PurePath"),
        ("pathlib", "PurePosixPath"),
        ("pathlib", "PureWindowsPath"),
        ("pathlib", "WindowsPath"),
        ("re", "Pattern"),
        ("zoneinfo", "ZoneInfo"),
    }
)


def _class_key(cls: type) -> tuple[str, str]:
    module = cls.__module__
    if module.startswith("pathlib."):  # 3.13 and 3.14 keep the classes in parts
        module = "pathlib"
    return module, cls.__qualname__


# ------------------------------------------------------------------- the tables


def _lookup(pairs: Iterable[tuple[Any, Any]]) -> tuple[Any, ...]:
    """The tables that a literal or enum validator looks values up in (their
    order and use: lookup_value in csrc/py/validate_choice.c)."""
    bools: dict[bool, Any] = {}
    ints: dict[int, Any] = {}
    strs: dict[str, Any] = {}
    others: dict[Any, Any] = {}
    unhashable: list[tuple[Any, Any]] = []
    primitives: dict[Any, Any] = {}
    for key, result in pairs:
        if type(key) is bool:
            bools[key] = result
            primitives[key] = result
        if type(key) is int:
            if -(2**63) <= key < 2**63:
                ints[key] = result
                primitives[key] = result
            else:
                others[key] = result
        elif type(key) is str:
            strs[key] = result
            primitives[key] = result
        else:
            try:
                others[key] = result
            except TypeError:
                unhashable.append((key, result))
    return bools, ints, strs, others, tuple(unhashable), primitives


def _one_of(values: Iterable[Any]) -> str:
    shown = [repr(value) for value in values]
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " or " + shown[-1]


def _enum(cls: Any) -> Validator:
    members = list(cls.__members__.values())
    if not members:
        return Validator("instance", f"is-instance[{cls.__qualname__}]", cls, cls.__qualname__)
    base = next((b.__name__ for b in (int, str, float) if issubclass(cls, b)), "")
    # The hook of enum.Enum itself finds nothing.
    own_missing = getattr(cls._missing_, "__func__", None)
    enum = sys.modules["enum"]
    missing = None if own_missing is enum.Enum._missing_.__func__ else cls._missing_
    return Validator(
        "enum",
        f"{base}-enum[{cls.__qualname__}]" if base else f"enum[{cls.__qualname__}]",
        cls,
        base,
        _one_of(member.value for member in members),
        _lookup((member.value, member) for member in members),
        missing,
    )


def _literal_values(annotation: Any) -> list[Any]:
    values: list[Any] = []
    for value in typing.get_args(annotation):
        if hasattr(value, "__value__") and not isinstance(value, type):
            value = value.__value__  # a type alias of a Literal
        if typing.get_origin(value) is typing.Literal:
            values.extend(_literal_values(value))
        else:
            values.append(value)
    seen: list[tuple[type, Any]] = []
    for value in values:
        if (type(value), value) not in seen:
            seen.append((type(value), value))
    return [value for _, value in seen]


def _literal(annotation: Any) -> Validator:
    values = _literal_values(annotation)
    name = "literal[" + ",".join(repr(value) for value in values) + "]"
    return Validator("literal", name, _one_of(values), _lookup((v, v) for v in values))


# ------------------------------------------------------------- pydantic's share


# pydantic's metadata that has no part in validation.
_SCHEMA_ONLY = frozenset(
    {"Examples", "PlainSerializer", "SkipJsonSchema", "Tag", "WithJsonSchema", "WrapSerializer"}
)


def checks(item: object) -> bool:
    """Whether metadata in Annotated[...] changes what is accepted."""
    cls = type(item)
    module = cls.__module__.partition(".")[0]
    if module == "annotated_types":
        return cls.__name__ not in ("DocInfo", "Unit")
    if hasattr(item, "__get_pydantic_core_schema__") or hasattr(item, "__get_validators__"):
        return True
    if module in ("pydantic", "pydantic_core"):
        if cls.__name__ == "FieldInfo":
            return bool(getattr(item, "metadata", ())) or (
                getattr(item, "discriminator", None) is not None
            )
        return cls.__name__ not in _SCHEMA_ONLY
    return bool(getattr(item, "constraints", None)) and hasattr(item, "to_pydantic")


def show(annotation: Any) -> str:
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__qualname__
    return str(annotation)


# ----------------------------------------------------------------- the compiler


class Compiler:
    """Compiles one annotation; keeps what recursive types refer to."""

    __slots__ = ("extra", "listers", "namespace", "refs", "typevars", "where")

    def __init__(self, namespace: Mapping[str, Any], where: str, extra: int = 0) -> None:
        self.namespace = namespace
        self.extra = extra  # for records without a configuration of their own
        self.listers: dict[int, list[Validator]] = {}  # lists of a ref, by its id
        self.where = where
        # Recursive types under way: key -> the "ref" handed out, or None.
        self.refs: dict[Any, Validator | None] = {}
        self.typevars: dict[Any, Any] = {}

    def compile(self, annotation: Any) -> Validator:
        try:
            simple = _SIMPLE.get(annotation)
        except TypeError:
            simple = None
        if simple is not None:
            return simple
        if isinstance(annotation, str):
            return self.compile(self.resolve(annotation))
        if isinstance(annotation, types.UnionType):
            return self.union(annotation.__args__)
        origin = getattr(annotation, "__origin__", None)
        if origin is not None and not isinstance(annotation, type):
            return self.compile_alias(annotation, origin)
        if isinstance(annotation, types.GenericAlias):  # isinstance(list[int], type) on 3.11
            return self.compile_alias(annotation, annotation.__origin__)
        if isinstance(annotation, type):
            return self.compile_class(annotation)
        return self.compile_form(annotation)

    def resolve(self, text: str) -> Any:
        try:
            return eval(text, dict(self.namespace))
        except (NameError, MemoryError):
            raise
        except Exception as error:
            raise TypeError(
                f"{self.where}: the annotation {text!r} can't be evaluated: {error}"
            ) from error

    def compile_form(self, annotation: Any) -> Validator:
        """Annotations that are neither classes nor subscripted."""
        if isinstance(annotation, typing.ForwardRef):
            return self.compile(annotation.__forward_arg__)
        if isinstance(annotation, typing.TypeVar) or type(annotation).__name__ == "TypeVar":
            return self.typevar(annotation)
        if hasattr(annotation, "__supertype__"):
            return self.compile(annotation.__supertype__)
        if type(annotation).__name__ == "TypeAliasType":
            return self.alias_type(annotation, annotation, ())
        name = getattr(annotation, "__name__", None) or getattr(annotation, "_name", None)
        if annotation is typing.Callable:
            return Validator("callable", "callable")
        if name in ("LiteralString", "AnyStr"):
            return _SIMPLE[str]
        bare = {
            "List": list, "Dict": dict, "Set": set, "FrozenSet": frozenset, "Tuple": tuple,
            "Type": type,
        }.get(str(name))  # fmt: skip
        if bare is not None:
            return self.compile(bare)
        raise TypeError(
            f"{self.where}: {annotation!r} is no type that values can be checked against; "
            "annotate with a type, or with Any"
        )

    # -------------------------------------------------------------- subscripted

    def compile_alias(self, annotation: Any, origin: Any) -> Validator:
        if origin is typing.Union:
            return self.union(annotation.__args__)
        if origin is typing.Literal:
            return _literal(annotation)
        metadata = getattr(annotation, "__metadata__", None)
        if metadata is not None:
            if any(checks(item) for item in metadata):
                raise ForPydantic
            return self.compile(origin)
        if type(origin).__name__ == "TypeAliasType":
            return self.alias_type(annotation, origin, annotation.__args__)
        if not isinstance(origin, type):
            name = getattr(origin, "_name", None)
            if name in ("Final", "Required", "NotRequired", "ReadOnly", "ClassVar"):
                return self.compile(annotation.__args__[0])
            raise TypeError(
                f"{self.where}: {annotation!r} is no type that values can be checked against"
            )
        args = tuple(getattr(annotation, "__args__", ()))
        maker = _CONTAINERS.get(origin)
        if maker is not None:
            # typing.List without parameters has an origin and no arguments.
            if any(type(a).__name__ == "TypeVar" for a in args) and getattr(
                annotation, "_special", False
            ):
                args = ()
            return maker(self, args, annotation)
        if _class_key(origin) in _PYDANTIC_CLASSES:
            raise ForPydantic
        return self.compile_class(origin, annotation)

    def alias_type(self, annotation: Any, alias: Any, args: tuple[Any, ...]) -> Validator:
        """A PEP 695 alias, which may refer to itself."""
        key = (id(alias), args)
        if key in self.refs:
            return self.reference(key)
        self.refs[key] = None
        value = alias.__value__
        outer = self.typevars
        parameters = getattr(alias, "__type_params__", ())
        if parameters:
            self.typevars = {
                **outer,
                **dict(zip(parameters, map(self.substituted, args), strict=False)),
            }
        try:
            return self.finish(key, self.compile(value))
        finally:
            self.typevars = outer

    def reference(self, key: Any) -> Validator:
        """What stands for a type that is being compiled."""
        ref = self.refs[key]
        if ref is None:
            ref = self.refs[key] = Validator("ref", "...")
        return ref

    def finish(self, key: Any, validator: Validator) -> Validator:
        """Ends a type that may refer to itself."""
        ref = self.refs.pop(key)
        if ref is None:
            return validator
        ref.bind(validator)
        ref.rename(validator.name)
        for lister in self.listers.pop(id(ref), ()):
            lister.rename(f"list[{validator.name}]")
        return ref

    def substituted(self, annotation: Any) -> Any:
        """`annotation` with the type variables of the generic class or alias
        that is being compiled replaced."""
        if not self.typevars:
            return annotation
        if type(annotation).__name__ == "TypeVar":
            return self.typevars.get(annotation, annotation)
        parameters = getattr(annotation, "__parameters__", ())
        if parameters and not isinstance(annotation, type):
            return annotation[tuple(self.typevars.get(p, p) for p in parameters)]
        return annotation

    def typevar(self, variable: Any) -> Validator:
        if variable in self.typevars:
            # The argument's own variables are not those of this class.
            outer, self.typevars = self.typevars, {}
            try:
                return self.compile(outer[variable])
            finally:
                self.typevars = outer
        if getattr(variable, "has_default", bool)():
            return self.compile(variable.__default__)
        if variable.__constraints__:
            return self.union(variable.__constraints__)
        if variable.__bound__ is not None:
            return self.compile(variable.__bound__)
        return _ANY

    def union(self, args: tuple[Any, ...]) -> Validator:
        choices = [self.compile(a) for a in args if a is not None and a is not _NoneType]
        if len(choices) == 1:
            result = choices[0]
        else:
            name = "union[" + ",".join(choice.name for choice in choices) + "]"
            result = Validator("union", name, *choices)
        if len(choices) < len(args):
            result = Validator("nullable", f"nullable[{result.name}]", result)
        return result

    # ------------------------------------------------------------------ classes

    def compile_class(self, cls: Any, annotation: Any = None) -> Validator:
        key = _class_key(cls)
        named = _NAMED.get(key)
        if named is not None and getattr(sys.modules[key[0]], key[1]) is cls:
            return named()
        maker = _CONTAINERS.get(cls)
        if maker is not None:
            return maker(self, (), cls)
        if key in _PYDANTIC_CLASSES:
            raise ForPydantic
        if isinstance(cls, _enum_meta()):
            return _enum(cls)
        if _is_event_class(cls):
            return Validator("model", cls.__name__, cls)
        if hasattr(cls, "__get_pydantic_core_schema__") or hasattr(cls, "__get_validators__"):
            raise ForPydantic
        if _has_fields(cls):
            return self.compile_record(cls, annotation)
        if getattr(cls, "_is_protocol", False) and not getattr(cls, "_is_runtime_protocol", False):
            raise TypeError(
                f"{self.where}: values can't be checked against the protocol {cls.__qualname__}: "
                "decorate it with typing.runtime_checkable"
            )
        name = cls.__qualname__
        return Validator("instance", f"is-instance[{name}]", cls, name)

    def compile_record(self, cls: Any, annotation: Any) -> Validator:
        """A class with fields, which may refer to itself or be generic."""
        from .annotation_records import record

        args = () if annotation is None else tuple(map(self.substituted, annotation.__args__))
        key = (id(cls), args)
        if key in self.refs:
            return self.reference(key)
        self.refs[key] = None
        outer, self.typevars = self.typevars, {}
        if args:
            self.typevars = dict(zip(cls.__parameters__, args, strict=False))
        try:
            return self.finish(key, record(self, cls))
        finally:
            self.typevars = outer


def _has_fields(cls: Any) -> bool:
    """Whether a class is a TypedDict, a NamedTuple or a dataclass."""
    return (
        type(cls).__name__ == "_TypedDictMeta"
        or hasattr(cls, "__dataclass_fields__")
        or (issubclass(cls, tuple) and hasattr(cls, "_fields") and hasattr(cls, "_field_defaults"))
    )


def _is_event_class(cls: type) -> bool:
    meta = getattr(sys.modules["onex_events._core"], "EventMeta", None)
    return meta is not None and isinstance(cls, meta)


def _enum_meta() -> type:
    enum = sys.modules.get("enum")
    return type if enum is None else typing.cast(type, enum.EnumMeta)


# ---------------------------------------------------------------- containers


def _items(compiler: Compiler, args: tuple[Any, ...]) -> Validator:
    return compiler.compile(args[0]) if args else _ANY


def _one_child(kind: str) -> Callable[[Compiler, tuple[Any, ...], Any], Validator]:
    def make(compiler: Compiler, args: tuple[Any, ...], annotation: Any) -> Validator:
        item = _items(compiler, args)
        validator = Validator(kind, f"{kind}[{item.name}]", item)
        if kind == "list" and item.kind == "ref":  # the one name that pydantic completes
            compiler.listers.setdefault(id(item), []).append(validator)
        return validator

    return make


def _tuple(compiler: Compiler, args: tuple[Any, ...], annotation: Any) -> Validator:
    if not args and annotation in (tuple, typing.Tuple):
        return Validator("tuple_of", "tuple[any, ...]", _ANY)
    if len(args) == 2 and args[1] is Ellipsis:
        item = compiler.compile(args[0])
        return Validator("tuple_of", f"tuple[{item.name}, ...]", item)
    if args == ((),):
        args = ()
    items = [compiler.compile(a) for a in args]
    return Validator("tuple", "tuple[" + ", ".join(i.name for i in items) + "]", *items)


def _dict(compiler: Compiler, args: tuple[Any, ...], annotation: Any) -> Validator:
    keys = compiler.compile(args[0]) if args else _ANY
    values = compiler.compile(args[1]) if len(args) > 1 else _ANY
    return Validator("dict", f"dict[{keys.name},{values.name}]", keys, values)


def _sequence(compiler: Compiler, args: tuple[Any, ...], annotation: Any) -> Validator:
    item = _items(compiler, args)
    any_items = not args or args[0] is Any
    inner = "is-instance[Sequence]"
    if not any_items:
        inner = f"chain[{inner},function-wrap[sequence_validator()]]"
    name = f"json-or-python[json=list[{item.name}],python={inner}]"
    return Validator("sequence", name, item, _abc("Sequence"), any_items)


def _type(compiler: Compiler, args: tuple[Any, ...], annotation: Any) -> Validator:
    target: Any = compiler.substituted(args[0]) if args else Any
    while hasattr(target, "__metadata__"):
        target = target.__origin__
    if isinstance(target, (str, typing.ForwardRef)):
        target = compiler.resolve(target if isinstance(target, str) else target.__forward_arg__)
    if type(target).__name__ == "TypeAliasType":
        target = target.__value__
    if target is Any:
        return _SIMPLE[type]
    if type(target).__name__ == "TypeVar":
        if target.__bound__ is not None:
            target = target.__bound__
        elif target.__constraints__:
            return compiler.union(tuple(type[c] for c in target.__constraints__))
        else:
            return _SIMPLE[type]
    if isinstance(target, types.UnionType) or typing.get_origin(target) is typing.Union:
        return _union_of_types(compiler, target.__args__)
    if target is None:
        target = _NoneType
    if not isinstance(target, type) or typing.get_args(target):
        raise TypeError(
            f"{compiler.where}: {annotation!r}: Type[...] takes a class, not {target!r}"
        )
    return Validator("subclass", f"is-subclass[{target.__qualname__}]", target, target.__qualname__)


def _union_of_types(compiler: Compiler, args: tuple[Any, ...]) -> Validator:
    choices = [_type(compiler, (a,), a) for a in args]
    name = "union[" + ",".join(choice.name for choice in choices) + "]"
    return Validator("union", name, *choices)


def _callable(compiler: Compiler, args: tuple[Any, ...], annotation: Any) -> Validator:
    return Validator("callable", "callable")


def _abc(name: str) -> Any:
    import collections.abc

    return getattr(collections.abc, name)


_Maker = Callable[[Compiler, tuple[Any, ...], Any], Validator]

_CONTAINERS: dict[Any, _Maker] = {
    list: _one_child("list"),
    set: _one_child("set"),
    frozenset: _one_child("frozenset"),
    tuple: _tuple,
    dict: _dict,
    type: _type,
    _abc("MutableSequence"): _one_child("list"),
    _abc("MutableSet"): _one_child("set"),
    _abc("Set"): _one_child("frozenset"),
    _abc("Sequence"): _sequence,
    _abc("Mapping"): _dict,
    _abc("MutableMapping"): _dict,
    _abc("Callable"): _callable,
}


# ------------------------------------------------------------------ entry point


def compile_annotation(
    annotation: Any,
    metadata: tuple[Any, ...] = (),
    *,
    config: Mapping[str, Any] | None = None,
    namespace: Mapping[str, Any] | None = None,
    where: str = "annotation",
) -> Validator:
    """The validator for a field's annotation.

    annotation: a type, a typing construct, or its text (postponed).
    metadata: what stands beside it: the rest of ``Annotated[...]``, a
        ``Field(...)``.  Constraints among it need pydantic.
    config: the class's ``model_config``; settings that change validation
        (strict, str_strip_whitespace, ...) need pydantic.
    namespace: where names in postponed annotations are looked up.
    where: "Class.field", for error messages.

    Raises TypeError for what can't be compiled, saying what to do, and
    NameError for a name that is not defined (yet).
    """
    names = {} if namespace is None else namespace
    settings = {k: v for k, v in (config or {}).items() if k not in _HARMLESS_CONFIG and v}
    if not settings and not any(checks(item) for item in metadata):
        try:
            extra = _EXTRA.get((config or {}).get("extra"), 0)
            return Compiler(names, where, extra).compile(annotation)
        except ForPydantic:
            pass
    if isinstance(annotation, str):
        annotation = Compiler(names, where).resolve(annotation)
    from .annotation_adapter import adapter

    return adapter(annotation, metadata, settings, names, where)
