"""Reads the bodies of event classes: annotations, defaults, Field objects, type variables.

``_core.EventMeta`` calls `prepare` with a class's body and `Declaration.finish` with the class
that was made of it, lays the fields out in C, and calls `Model.complete` for their validators
(again at the first use, where an annotation names what is not defined yet).
"""

from __future__ import annotations

import sys
import typing
import weakref
from collections.abc import Mapping
from typing import Any, ClassVar

from . import _core, known_classes
from .fields import (
    SHARED,
    FieldInfo,
    Undefined,
    field_of,
    is_final,
    is_immutable,
    is_marked,
    is_pydantic_field,
    is_undefined,
)
from .generics import mentions, parameters_in, parametrise, substitute

__all__ = ["Declaration", "Model", "parametrise", "prepare"]

_EXTRA = {None: 0, "ignore": 0, "forbid": 1, "allow": 2}


# Settings of a model_config that change what a field accepts are all but these.
_HARMLESS_CONFIG = frozenset(
    {
        "title", "extra", "frozen", "populate_by_name", "validate_by_name", "validate_by_alias",
        "arbitrary_types_allowed", "from_attributes", "validate_assignment", "defer_build",
        "protected_namespaces", "json_schema_extra", "json_encoders", "serialize_by_alias",
        "use_attribute_docstrings", "alias_generator", "validate_default", "ignored_types",
    }
)  # fmt: skip


def _is_private_attribute(value: object) -> bool:
    module = sys.modules.get("pydantic.fields")
    return module is not None and isinstance(value, module.ModelPrivateAttr)


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


def _is_class_var(annotation: Any) -> bool:
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = annotation.__origin__
    return is_marked(annotation, ClassVar, "ClassVar")


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
        if _is_class_var(annotation) or (is_final(annotation) and field in body):
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
            if isinstance(default, FieldInfo) or is_pydantic_field(default):
                info = field_of(default).copied()
            elif is_undefined(default):
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
        events = [base for base in cls.__mro__[1:] if isinstance(base, _core.EventMeta)]
        if events:  # Event's own, also before those of a mixin behind it
            self.fields.update(events[-1].__event_model__.fields)
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
            field = isinstance(default, FieldInfo) or is_pydantic_field(default)
            if field:
                info = field_of(default).copied()
            else:
                info = FieldInfo() if is_undefined(default) else FieldInfo(default=default)
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
        self.parameters = parameters_in(self.args)
        cls.__parameters__ = self.parameters
        for name, info in self.fields.items():
            if not info.resolved or mentions(info.annotation, typevars):
                info = info.copied()
                info.validator = None
                info.resolved = False
                info.typevars = {
                    **typevars,  # behind what the annotation's own variables stand for
                    **{p: substitute(a, typevars) for p, a in info.typevars.items()},
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
            if is_undefined(value.default) and value.default_factory is None:
                raise KeyError(name)
            if value.default_factory is not None:
                return value.default_factory()
            value = value.default
        if is_undefined(value):
            raise KeyError(name)
        if isinstance(value, SHARED) or is_immutable(value):
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
