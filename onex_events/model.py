"""Reads the bodies of event classes: annotations, defaults, Field objects, type variables.

``_core.EventMeta`` calls `prepare` with a class's body and `Declaration.finish` with the class
that was made of it, lays the fields out in C, and calls `Model.complete` for their validators
(again at the first use, where an annotation names what is not defined yet).
"""

from __future__ import annotations

import sys
import typing
import weakref
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from . import _core, known_classes

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

_EXTRA = {None: 0, "ignore": 0, "forbid": 1, "allow": 2}

# Values that events may share.
_SHARED = (
    type(None), bool, int, float, complex, str, bytes, type, type(Ellipsis), type(NotImplemented),
    type(len), type(lambda: None), type(sys), weakref.ref,
)  # fmt: skip
_FRESH: dict[object, int] = {list: _LIST, dict: _DICT, set: _SET}

# Settings of a model_config that change what a field accepts are all but these.
_HARMLESS_CONFIG = frozenset(
    {
        "title", "extra", "frozen", "populate_by_name", "validate_by_name", "validate_by_alias",
        "arbitrary_types_allowed", "from_attributes", "validate_assignment", "defer_build",
        "protected_namespaces", "json_schema_extra", "json_encoders", "serialize_by_alias",
        "use_attribute_docstrings", "alias_generator", "validate_default", "ignored_types",
    }
)  # fmt: skip


def _is_undefined(value: object) -> bool:
    return (
        value is Undefined or value is Ellipsis or type(value).__name__ == "PydanticUndefinedType"
    )


def _is_pydantic_field(value: object) -> bool:
    module = sys.modules.get("pydantic.fields")
    return module is not None and isinstance(value, module.FieldInfo)


def _is_private_attribute(value: object) -> bool:
    module = sys.modules.get("pydantic.fields")
    return module is not None and isinstance(value, module.ModelPrivateAttr)


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
        shown = [f"annotation={_type_name(self.annotation)}", f"required={self.is_required()}"]
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
        if isinstance(value, _SHARED) or _is_immutable(value):
            return _CONSTANT
        return _COPY

    @property
    def default_source(self) -> Any:
        return self.default if self.default_factory is None else self.default_factory

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
        if self.kind == _CONSTANT:
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
        elif isinstance(annotation, typing.ForwardRef) or _is_forward(annotation):
            annotation = _evaluate_forward(annotation, self)
        if self.typevars:
            annotation = _substitute(annotation, self.typevars)
        found = FieldInfo()
        while typing.get_origin(annotation) is typing.Annotated:
            for item in annotation.__metadata__:
                if isinstance(item, FieldInfo) or _is_pydantic_field(item):
                    found = found.updated(_field_of(item))
                else:
                    found.metadata += (item,)
            annotation = annotation.__origin__
        if _is_final(annotation):
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
    except NameError:
        raise
    except Exception as error:
        raise TypeError(
            f"{info.owner.__qualname__}.{info.name}: the annotation {text!r} can't be "
            f"evaluated: {error}"
        ) from error


def _is_forward(annotation: object) -> bool:
    return type(annotation).__name__ == "ForwardRef"


def _evaluate_forward(annotation: Any, info: FieldInfo) -> Any:
    if hasattr(annotation, "evaluate"):  # 3.14: knows the scope where it stood
        try:
            return annotation.evaluate()
        except NameError:
            pass
    return _evaluate(annotation.__forward_arg__, info)


def _type_name(annotation: Any) -> str:
    return annotation.__name__ if type(annotation) is type else str(annotation)


def _is_immutable(value: object) -> bool:
    kind = type(value)
    enum = sys.modules.get("enum")
    if enum is not None and isinstance(value, enum.Enum):
        return True
    if kind in (tuple, frozenset):
        return all(isinstance(v, _SHARED) or _is_immutable(v) for v in value)  # type: ignore[attr-defined]
    return (kind.__module__, kind.__qualname__) in {
        ("uuid", "UUID"),
        ("datetime", "datetime"),
        ("datetime", "date"),
        ("datetime", "time"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("decimal", "Decimal"),
    }


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
    if not _is_undefined(default):
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


def _field_of(value: Any) -> FieldInfo:
    """Our FieldInfo for one of ours or of pydantic's."""
    if isinstance(value, FieldInfo):
        return value
    given: dict[str, Any] = {}
    if not _is_undefined(value.default):
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


# --------------------------------------------------------------------- type variables


def _is_typevar(value: object) -> bool:
    return type(value).__name__ == "TypeVar"


def _substitute(annotation: Any, typevars: Mapping[Any, Any]) -> Any:
    """The annotation with type variables replaced."""
    if _is_typevar(annotation):
        return typevars.get(annotation, annotation)
    if isinstance(annotation, _core.EventMeta):
        model = annotation.__event_model__
        if not model.parameters:
            return annotation
        if model.origin is None:
            args = tuple(model.parameters)
            origin: Any = annotation
        else:
            args, origin = model.args, model.origin
        return parametrise(origin, tuple(_substitute(a, typevars) for a in args))
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation
    parameters = getattr(annotation, "__parameters__", ())
    if parameters:
        return annotation[tuple(typevars.get(p, p) for p in parameters)]
    return annotation


def _mentions(annotation: Any, typevars: Mapping[Any, Any]) -> bool:
    if _is_typevar(annotation):
        return annotation in typevars
    if isinstance(annotation, _core.EventMeta):
        return any(p in typevars for p in annotation.__event_model__.parameters)
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return False
    return any(p in typevars for p in getattr(annotation, "__parameters__", ()))


def _parameters_in(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The type variables in the arguments, each once, in order."""
    found: dict[Any, None] = {}
    for argument in arguments:
        if _is_typevar(argument):
            found[argument] = None
        elif isinstance(argument, _core.EventMeta):
            found.update(dict.fromkeys(argument.__event_model__.parameters))
        elif not isinstance(argument, type) or typing.get_args(argument):
            found.update(dict.fromkeys(getattr(argument, "__parameters__", ())))
    return tuple(found)


def parametrise(cls: Any, arguments: Any) -> Any:
    """``cls[arguments]``: the class for these types, made once; TypeError if it has no use for
    them."""
    model: Model = cls.__event_model__
    given = arguments if isinstance(arguments, tuple) else (arguments,)
    cache = model.parametrised
    try:
        made = cache.get(given)
    except TypeError:  # an argument that can't be hashed
        made, cache = None, {}
    if made is not None:
        existing = made()
        if existing is not None:
            return existing
    parameters = model.parameters
    if not parameters:
        raise TypeError(
            f"{cls.__qualname__} takes no type parameters: inherit from typing.Generic[T] too"
        )
    complete = given
    if len(given) < len(parameters):
        rest = parameters[len(given) :]
        if all(getattr(p, "has_default", bool)() for p in rest):
            complete += tuple(p.__default__ for p in rest)
    if len(complete) != len(parameters):
        few = "few" if len(complete) < len(parameters) else "many"
        raise TypeError(
            f"too {few} type parameters for {cls.__qualname__}: got {len(given)}, "
            f"expected {len(parameters)}"
        )
    complete = tuple(typing.ForwardRef(a) if isinstance(a, str) else a for a in complete)
    if all(a is p for a, p in zip(complete, parameters, strict=False)):
        return cls
    origin = cls if model.origin is None else model.origin
    typevars = dict(zip(parameters, complete, strict=False))
    args = complete if model.origin is None else tuple(_substitute(a, typevars) for a in model.args)
    if origin is not cls:
        new = parametrise(origin, args)
    else:
        name = f"{origin.__name__}[{', '.join(_type_name(a) for a in args)}]"
        body = {
            "__module__": origin.__module__,
            "__qualname__": f"{origin.__qualname__}[{', '.join(_type_name(a) for a in args)}]",
            "__doc__": origin.__doc__,
            "__event_generic__": (origin, args, typevars),
        }
        new = type(cls)(name, (cls,), body)
    known_classes.register_parameters(args)
    cache[given] = weakref.ref(new, lambda _, c=cache, k=given: c.pop(k, None))  # type: ignore[misc]
    return new


# ---------------------------------------------------------------------- class bodies


def _annotations_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The annotations in a class body or a class's dict, names that are not defined as text or
    ForwardRef."""
    if "__annotations__" in body:
        return dict(body["__annotations__"])
    if sys.version_info >= (3, 14):
        import annotationlib

        annotate = annotationlib.get_annotate_from_class_namespace(body)
        if annotate is not None:
            return dict(
                annotationlib.call_annotate_function(annotate, annotationlib.Format.FORWARDREF)
            )
    return {}


def _is_marked(annotation: Any, form: Any, word: str) -> bool:
    if isinstance(annotation, str) or _is_forward(annotation):
        text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        head = text.strip().partition("[")[0].rpartition(".")[2].strip()
        return bool(head == word)
    return annotation is form or typing.get_origin(annotation) is form


def _is_class_var(annotation: Any) -> bool:
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = annotation.__origin__
    return _is_marked(annotation, ClassVar, "ClassVar")


def _is_final(annotation: Any) -> bool:
    return _is_marked(annotation, Final, "Final")


def _belongs_to_class(value: Any, body: Mapping[str, Any]) -> bool:
    """Whether an unannotated value in a body is an ordinary attribute: methods, descriptors,
    nested classes."""
    if isinstance(value, type):
        return True
    if hasattr(type(value), "__get__"):
        return True
    kind = type(value)
    return kind.__module__ == "functools" or kind.__name__ == "TypeAliasType"


class Declaration:
    """What a class body declares, until there is a class."""

    __slots__ = (
        "annotations", "class_vars", "config", "defaults", "generic", "hooks", "privates", "scope",
    )  # fmt: skip

    def __init__(self) -> None:
        self.annotations: dict[str, Any] = {}
        self.defaults: dict[str, Any] = {}
        self.class_vars: set[str] = set()
        self.privates: dict[str, Any] = {}
        self.config: dict[str, Any] = {}
        self.hooks: dict[str, Any] = {}
        self.scope: Mapping[str, Any] | None = None
        self.generic: tuple[Any, tuple[Any, ...], dict[Any, Any]] | None = None

    def finish(self, cls: Any) -> Model:
        return Model(cls, self)


def prepare(
    name: str,
    bases: tuple[Any, ...],
    namespace: dict[str, Any],
    scope: Mapping[str, Any] | None,
    options: dict[str, Any],
) -> tuple[dict[str, Any], Declaration, dict[str, Any]]:
    """Splits a class body: what the class is made of, what it declares, keywords left over.

    scope: the names where the class statement stands. options: its keywords; settings of a
    model_config are taken out. TypeError for a body that pydantic would refuse as well.
    """
    body = dict(namespace)
    declaration = Declaration()
    declaration.generic = body.pop("__event_generic__", None)
    parents = [b for b in bases if isinstance(b, _core.EventMeta)]
    inherited: set[str] = set()
    class_vars: set[str] = set()
    for parent in reversed(parents):
        declaration.config.update(parent.__event_model__.config)
        inherited.update(parent.__event_model__.fields)
        class_vars.update(parent.__event_model__.class_vars)
    declaration.config.pop("title", None)
    own_config = body.get("model_config", {})
    if not isinstance(own_config, Mapping):
        raise TypeError(f"{name}.model_config must be a dict, got {own_config!r}")
    declaration.config.update(own_config)
    options = dict(options)
    for setting in list(options):
        if setting in _HARMLESS_CONFIG:
            declaration.config[setting] = options.pop(setting)
    if declaration.config.get("extra") not in _EXTRA:
        raise TypeError(
            f"{name}.model_config: extra must be 'ignore', 'forbid' or 'allow', "
            f"got {declaration.config['extra']!r}"
        )
    body["model_config"] = declaration.config

    for field, annotation in _annotations_of(namespace).items():
        if field.startswith("__") or field == "model_config":
            continue
        if _is_class_var(annotation) or (_is_final(annotation) and field in body):
            declaration.class_vars.add(field)
        elif field.startswith("_"):
            declaration.privates[field] = body.pop(field, Undefined)
        else:
            declaration.annotations[field] = annotation
            if field in body:
                declaration.defaults[field] = body.pop(field)
    for slot in _slot_names(body.pop("__slots__", ())):
        declaration.privates.setdefault(slot, Undefined)
    for attribute, value in list(body.items()):
        if attribute.startswith("__") or attribute == "model_config":
            continue
        if attribute in declaration.class_vars or attribute in class_vars:
            continue
        if _is_private_attribute(value):
            declaration.privates[attribute] = body.pop(attribute)
        elif type(value).__name__ == "PydanticDescriptorProxy":
            declaration.hooks[attribute] = value
        elif _belongs_to_class(value, body):
            continue
        elif attribute.startswith("_"):
            declaration.privates[attribute] = body.pop(attribute)
        elif attribute in inherited:
            raise TypeError(
                f"{name}.{attribute}: the field of a base class is overridden without an "
                f"annotation; write '{attribute}: <type> = ...'"
            )
        else:
            raise TypeError(
                f"{name}.{attribute} has no annotation: write '{attribute}: <type> = ...' for a "
                f"field, '{attribute}: ClassVar = ...' for an attribute of the class"
            )
    body["__slots__"] = ()
    if scope is not None and "__module__" in namespace:
        module = sys.modules.get(namespace["__module__"])
        if module is None or scope is not vars(module):
            declaration.scope = scope
    return body, declaration, options


def _slot_names(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


class Model:
    """What Python keeps about an event class: ``cls.__event_model__``.

    fields: every field in order, by name. config: the merged model_config.
    origin, args, parameters: of a generic class (origin: the class that was subscripted).
    """

    __slots__ = (
        "after", "args", "before", "class_vars", "computed", "config", "declared", "fields",
        "hooks", "origin", "owner", "parameters", "parametrised", "post_init", "privates", "shadow",
        "title",
    )  # fmt: skip

    def __init__(self, cls: Any, declaration: Declaration) -> None:
        self.owner = weakref.ref(cls)
        self.config = declaration.config
        self.title: str = self.config.get("title") or cls.__name__
        self.class_vars = set(declaration.class_vars)
        self.privates: dict[str, Any] = {}
        self.parametrised: dict[Any, Any] = {}
        self.shadow: Any = None  # interop: the pydantic model for schemas
        self.origin: Any = None
        self.args: tuple[Any, ...] = ()
        self.fields: dict[str, FieldInfo] = {}
        self.declared: dict[str, FieldInfo] = {}
        self._declare(cls, declaration)
        self._collect(cls)
        self._collect_generic(cls, declaration)
        self._collect_hooks(cls, declaration)
        known_classes.event_class_made()

    # ------------------------------------------------------------------ collecting

    def _declare(self, cls: Any, declaration: Declaration) -> None:
        for name, annotation in declaration.annotations.items():
            default = declaration.defaults.get(name, Undefined)
            if isinstance(default, FieldInfo) or _is_pydantic_field(default):
                info = _field_of(default).copied()
            elif _is_undefined(default):
                info = FieldInfo()
            else:
                info = FieldInfo(default=default)
            info.name = name
            info.raw = annotation
            info.owner = cls
            info.scope = declaration.scope
            if "validate_default" in self.config and info.validate_default is None:
                info.validate_default = self.config["validate_default"]
            try:
                info.resolve()
            except NameError:
                info.scope = None if info.scope is None else dict(info.scope)
            self.declared[name] = info

    def _collect(self, cls: Any) -> None:
        """Fields of the bases first, each at its first place."""
        settings = self._validation_settings()
        for base in reversed(cls.__mro__[1:]):
            if isinstance(base, _core.EventMeta):
                model: Model = base.__event_model__
                self.class_vars |= model.class_vars
                self.privates.update(model.privates)
                for name, info in model.declared.items():
                    if settings != model._validation_settings():
                        info = info.copied()
                        info.validator = None
                    self.fields[name] = info
            elif base.__module__ not in ("builtins", "typing", "abc", "onex_events._core"):
                self._collect_mixin(base)
        parents = [base for base in cls.__bases__ if isinstance(base, _core.EventMeta)]
        if len(parents) > 1:
            # As in pydantic the first base has the say, also in what it only inherits.
            for base in reversed(parents):
                for name, info in base.__event_model__.fields.items():
                    if settings != base.__event_model__._validation_settings():
                        info = info.copied()
                        info.validator = None
                    self.fields[name] = info
        self.fields.update(self.declared)

    def _collect_mixin(self, base: type) -> None:
        """Annotated attributes of a class that is no event become fields, as in pydantic."""
        for name, annotation in _annotations_of(vars(base)).items():
            if name.startswith("_") or _is_class_var(annotation):
                continue
            default = vars(base).get(name, Undefined)
            if hasattr(type(default), "__get__"):
                continue
            field = isinstance(default, FieldInfo) or _is_pydantic_field(default)
            if field:
                info = _field_of(default).copied()
            else:
                info = FieldInfo() if _is_undefined(default) else FieldInfo(default=default)
            info.name, info.raw, info.owner = name, annotation, base
            try:
                info.resolve()
            except NameError:
                pass
            self.fields[name] = info

    def _collect_generic(self, cls: Any, declaration: Declaration) -> None:
        if declaration.generic is None:
            self.parameters = tuple(getattr(cls, "__parameters__", ()))
            if not self.parameters:
                self.parameters = tuple(
                    p
                    for base in cls.__bases__
                    if isinstance(base, _core.EventMeta) and base.__event_model__.origin is not None
                    for p in base.__event_model__.parameters
                )
            return
        self.origin, self.args, typevars = declaration.generic
        self.parameters = _parameters_in(self.args)
        cls.__parameters__ = self.parameters
        for name, info in self.fields.items():
            if not info.resolved or _mentions(info.annotation, typevars):
                info = info.copied()
                info.validator = None
                info.resolved = False
                info.typevars = {
                    **{p: _substitute(a, typevars) for p, a in info.typevars.items()},
                    **typevars,
                }
                try:
                    info.resolve()
                except NameError:
                    pass
                self.fields[name] = self.declared[name] = info

    def _collect_hooks(self, cls: Any, declaration: Declaration) -> None:
        for name, value in declaration.privates.items():
            self.privates[name] = value
        self.hooks: dict[str, Any] = {}
        for base in reversed(cls.__mro__[1:]):
            if isinstance(base, _core.EventMeta):
                self.hooks.update(base.__event_model__.hooks)
            else:
                self.hooks.update(
                    (n, v)
                    for n, v in vars(base).items()
                    if type(v).__name__ == "PydanticDescriptorProxy"
                )
        for name in [n for n in self.hooks if n in vars(cls)]:
            del self.hooks[name]  # overridden
        self.hooks.update(declaration.hooks)
        self.before: tuple[Any, ...] = ()
        self.after: tuple[Any, ...] = ()
        self.computed: tuple[str, ...] = ()
        self.post_init = cls.model_post_init is not getattr(
            _core.EventBase, "model_post_init", None
        )
        if self.hooks or any(info.validators for info in self.fields.values()):
            from .hooks import apply_hooks

            apply_hooks(cls, self)

    def _validation_settings(self) -> dict[str, Any]:
        return {k: v for k, v in self.config.items() if k not in _HARMLESS_CONFIG}

    # ---------------------------------------------------------------- what C asks

    @property
    def extra(self) -> int:
        return _EXTRA[self.config.get("extra")]

    @property
    def is_frozen(self) -> int:
        return bool(self.config.get("frozen"))

    @property
    def has_before(self) -> int:
        return bool(self.before)

    @property
    def has_after(self) -> int:
        return bool(self.after) or self.post_init

    @property
    def has_computed(self) -> int:
        return bool(self.computed)

    @property
    def dumps_by_alias(self) -> int:
        return bool(self.config.get("serialize_by_alias"))

    @property
    def arguments(self) -> dict[str, int] | None:
        """The constructor's keywords, where they are not just the fields' names."""
        infos = list(self.fields.values())
        if all(info.argument == info.name for info in infos):
            return None
        by_name = self.config.get("populate_by_name") or self.config.get("validate_by_name")
        keywords: dict[str, int] = {}
        for index, info in enumerate(infos):
            if by_name:
                keywords[info.name] = index
            keywords[info.argument] = index
        return keywords

    def complete(self, strict: bool) -> bool:
        """Compiles the annotations. False while a name is not defined, with `strict` TypeError."""
        for info in self.fields.values():
            if info.validator is None:
                try:
                    info.compile(self)
                except NameError as error:
                    if not strict:
                        return False
                    raise TypeError(
                        f"{self.title}.{info.name}: the annotation {info.raw!r} names "
                        f"{error.name!r}, which is not defined"
                    ) from error
                info.scope = None
        return True

    def private_default(self, name: str) -> Any:
        """A private attribute's default for one event; KeyError where there is none."""
        value = self.privates[name]
        if _is_private_attribute(value):
            if _is_undefined(value.default) and value.default_factory is None:
                raise KeyError(name)
            if value.default_factory is not None:
                return value.default_factory()
            value = value.default
        if _is_undefined(value):
            raise KeyError(name)
        if isinstance(value, _SHARED) or _is_immutable(value):
            return value
        import copy

        return copy.deepcopy(value)

    def before_construction(self, data: dict[str, Any]) -> Any:
        for validate in self.before:
            data = validate(data)
        return data

    def after_constructed(self, event: Any) -> None:
        if self.post_init:
            event.model_post_init(None)

    def setting(self, name: str) -> Any:
        return self.config.get(name)

    def made_from(self) -> tuple[Any, tuple[Any, ...]]:
        """What a pickle names the class by: a class and its type arguments."""
        if self.origin is not None:
            return self.origin, self.args
        return self.owner(), ()

    def computed_values(self, event: Any) -> dict[str, Any]:
        return {name: getattr(event, name) for name in self.computed}

    def after_construction(self, event: Any) -> None:
        if self.post_init:
            event.model_post_init(None)
        for validate in self.after:
            validate(event)
