"""Event classes for pydantic (as field types, FastAPI response models), and their JSON Schema.

The JSON Schema is pydantic's where pydantic is installed, else msgspec's.
"""

from __future__ import annotations

import types
import typing
from typing import Any

from . import _core

__all__ = ["core_schema", "json_schema_for_pydantic", "model_json_schema", "model_rebuild"]


def model_rebuild(
    cls: Any, *, force: bool = False, raise_errors: bool = True, **ignored: Any
) -> bool | None:
    """Resolves annotations that named what was not defined: True if done now, None if before."""
    if not force and all(info.validator is not None for info in cls.model_fields.values()):
        return None
    done = bool(cls.__event_model__.complete(raise_errors))
    if done:
        cls.model_fields  # noqa: B018 - the C part takes the validators over
    return done


# ------------------------------------------------------------------ events in pydantic models


def core_schema(cls: Any, source: Any, handler: Any) -> Any:
    """``__get_pydantic_core_schema__``: an instance, or a dict that one can be made of."""
    from pydantic_core import core_schema as schemas

    def validate(value: Any) -> Any:
        return value if isinstance(value, cls) else cls.model_validate(value)

    def serialize(value: Any, info: Any) -> Any:
        if not isinstance(value, _core.EventBase):
            return value
        return value.model_dump(
            mode=info.mode,
            include=info.include,
            exclude=info.exclude,
            by_alias=info.by_alias,
            exclude_unset=info.exclude_unset,
            exclude_defaults=info.exclude_defaults,
            exclude_none=info.exclude_none,
        )

    return schemas.no_info_plain_validator_function(
        validate,
        metadata={"onex_events_class": cls},
        serialization=schemas.plain_serializer_function_ser_schema(serialize, info_arg=True),
    )


def json_schema_for_pydantic(cls: Any, schema: Any, handler: Any) -> Any:
    """``__get_pydantic_json_schema__``."""
    return handler(_shadow(cls).__pydantic_core_schema__)


# ------------------------------------------------------------------------------- JSON Schema


def model_json_schema(
    cls: Any,
    by_alias: bool = True,
    ref_template: str = "#/$defs/{model}",
    schema_generator: Any = None,
    mode: str = "validation",
    **options: Any,
) -> dict[str, Any]:
    """The JSON Schema of the class's events (draft 2020-12).

    by_alias: name fields by their aliases. ref_template: how definitions are referred to.
    mode, schema_generator: as in pydantic, which is needed for them.
    """
    try:
        import pydantic  # noqa: F401
    except ImportError:
        return _schema_by_msgspec(cls, by_alias, ref_template)
    more = dict(options)
    if schema_generator is not None:
        more["schema_generator"] = schema_generator
    schema: dict[str, Any] = _shadow(cls).model_json_schema(
        by_alias=by_alias, ref_template=ref_template, mode=mode, **more
    )
    return schema


def _shadow(cls: Any) -> Any:
    """A pydantic model with the class's fields, for schemas only."""
    made: dict[str, Any] = {}
    shadow = _shadow_in(cls, made)
    for one in made.values():
        one.model_rebuild(_types_namespace=made)
    return shadow


def _shadow_in(cls: Any, made: dict[str, Any]) -> Any:
    """The class's shadow, made at first need; a reference to it while it is being made."""
    model = cls.__event_model__
    reference = f"shadow_{id(cls):x}"
    if reference in made:
        return typing.ForwardRef(reference)
    if model.shadow is not None:
        return model.shadow
    import pydantic

    made[reference] = None
    model.complete(True)
    fields: dict[str, Any] = {}
    for name, info in cls.model_fields.items():
        options: dict[str, Any] = {
            option: getattr(info, option)
            for option in ("alias", "title", "description", "examples", "json_schema_extra")
            if getattr(info, option) is not None
        }
        if info.default_factory is not None:
            options["default_factory"] = info.default_factory
        elif not info.is_required():
            options["default"] = _schema_default(info.default)
        options.update(info.constraints)
        annotation = _for_schema(info.annotation, made)
        if info.metadata:
            annotation = typing.Annotated[(annotation, *info.metadata)]
        fields[name] = (annotation, pydantic.Field(**options))
    config: dict[str, Any] = {
        setting: value
        for setting, value in model.config.items()
        if setting in ("title", "extra", "json_schema_extra", "populate_by_name")
    }
    config.update(arbitrary_types_allowed=True, protected_namespaces=())
    shadow = pydantic.create_model(
        cls.__name__,
        __config__=typing.cast(Any, config),
        __doc__=cls.__doc__,
        __module__=cls.__module__,
        **fields,
    )
    model.shadow = made[reference] = shadow
    return shadow


def _schema_default(value: Any) -> Any:
    return value.__name__ if isinstance(value, type) else value


def _for_schema(annotation: Any, made: dict[str, Any]) -> Any:
    """The annotation with shadows for events, and what JSON Schema has no word for replaced."""
    import pydantic

    origin = typing.get_origin(annotation)
    if annotation is type or origin is type:
        return typing.Annotated[Any, pydantic.WithJsonSchema({"type": "string"})]
    if origin is typing.Union or isinstance(annotation, types.UnionType):
        return typing.Union[tuple(_for_schema(a, made) for a in typing.get_args(annotation))]
    if origin in (list, set, frozenset, tuple, dict) and typing.get_args(annotation):
        args = tuple(
            a if a is Ellipsis or a == () else _for_schema(a, made)
            for a in typing.get_args(annotation)
        )
        return origin[args]
    if isinstance(annotation, _core.EventMeta):
        return _shadow_in(annotation, made)
    try:
        pydantic.TypeAdapter(annotation).json_schema()
    except Exception:
        # pydantic has no schema for it; any value is what a reader of the schema may expect.
        return typing.Annotated[Any, pydantic.WithJsonSchema({})]
    return annotation


def _schema_by_msgspec(cls: Any, by_alias: bool, ref_template: str) -> dict[str, Any]:
    import msgspec

    cls.__event_model__.complete(True)
    definitions: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    required: list[str] = []

    def hook(kind: Any) -> dict[str, Any]:
        if kind is type or typing.get_origin(kind) is type:
            return {"type": "string"}
        if isinstance(kind, _core.EventMeta):
            name = kind.__name__
            if kind is cls:
                return {"$ref": "#"}
            if name not in definitions:
                definitions[name] = {}
                nested = _schema_by_msgspec(kind, by_alias, ref_template)
                definitions.update(nested.pop("$defs", {}))
                definitions[name] = nested
            return {"$ref": ref_template.format(model=name)}
        return {}

    for name, info in cls.model_fields.items():
        try:
            (schema,), parts = msgspec.json.schema_components(
                [info.annotation],
                schema_hook=hook,
                ref_template=ref_template.replace("{model}", "{name}"),
            )
        except TypeError:
            schema, parts = {}, {}
        definitions.update(parts)
        entry = {"title": info.title or name.replace("_", " ").title(), **schema}
        if info.description is not None:
            entry["description"] = info.description
        if info.examples is not None:
            entry["examples"] = info.examples
        if not info.is_required() and info.default_factory is None:
            entry["default"] = msgspec.to_builtins(_schema_default(info.default), enc_hook=str)
        shown = info.argument if by_alias else name
        properties[shown] = entry
        if info.is_required():
            required.append(shown)
    result: dict[str, Any] = {"properties": properties, "title": cls.__event_model__.title,
                              "type": "object"}  # fmt: skip
    if cls.__doc__:
        result["description"] = typing.cast(str, cls.__doc__)
    if required:
        result["required"] = required
    if definitions:
        result["$defs"] = definitions
    return result
