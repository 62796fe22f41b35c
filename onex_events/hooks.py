"""pydantic's decorators in event classes: validators, serializers and computed fields.

Imported only for classes that have them, so pydantic is installed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pydantic
from pydantic_core import PydanticCustomError, PydanticKnownError

from .errors import make_validation_error

if TYPE_CHECKING:
    from .fields import FieldInfo
    from .model import Model

__all__ = ["apply_hooks"]

_VALIDATORS: dict[str, Any] = {
    "after": pydantic.AfterValidator,
    "before": pydantic.BeforeValidator,
    "plain": pydantic.PlainValidator,
    "wrap": pydantic.WrapValidator,
}


def apply_hooks(cls: Any, model: Model) -> None:
    """Puts what the class's decorators say into its model.

    Supported: field_validator (all modes), model_validator (before, after), field_serializer
    (plain, wrap), computed_field. TypeError for the others.
    """
    for name, field in list(model.fields.items()):
        if not field.validators.keys() <= model.hooks.keys():  # overridden by a plain method
            own = _own_copy(cls, model, name)
            own.validators = {k: v for k, v in own.validators.items() if k in model.hooks}
    for name, proxy in model.hooks.items():
        info = proxy.decorator_info
        function = proxy.__get__(None, cls)
        kind = type(info).__name__
        if kind == "FieldValidatorDecoratorInfo":
            _validate_fields(cls, model, name, info, function)
        elif kind == "ModelValidatorDecoratorInfo" and info.mode == "before":
            model.before = (*model.before, _before(model, function))
        elif kind == "ModelValidatorDecoratorInfo" and info.mode == "after":
            model.after = (*model.after, _after(model, proxy.wrapped))
        elif kind == "FieldSerializerDecoratorInfo":
            _serialize_fields(cls, model, name, info, proxy.wrapped)
        elif kind == "ComputedFieldInfo":
            model.computed = (*model.computed, name)
        else:
            raise TypeError(
                f"{cls.__qualname__}.{name}: event classes take field_validator, model_validator "
                f"(modes 'before' and 'after'), field_serializer and computed_field, not {kind} "
                f"{getattr(info, 'mode', '')!r}"
            )


def _own_copy(cls: Any, model: Model, name: str) -> FieldInfo:
    """The field's description as one that only this class and its subclasses use."""
    info = model.fields[name].copied()
    info.validator = None
    model.fields[name] = model.declared[name] = info
    return info


def _named_fields(cls: Any, model: Model, name: str, info: Any) -> list[str]:
    named = list(model.fields) if "*" in info.fields else list(info.fields)
    unknown = [field for field in named if field not in model.fields]
    if unknown and info.check_fields is not False:
        raise TypeError(f"{cls.__qualname__}.{name} is for {unknown[0]!r}, which is no field")
    return [field for field in named if field in model.fields]


# ------------------------------------------------------------------------------ validators


def _validate_fields(cls: Any, model: Model, name: str, info: Any, function: Any) -> None:
    for field in _named_fields(cls, model, name, info):
        own = _own_copy(cls, model, field)
        own.validators = {**own.validators, name: _VALIDATORS[info.mode](function)}


def _raised(model: Model, error: Exception, value: Any) -> Exception:
    """The ValidationError for what a model validator raised."""
    if isinstance(error, (PydanticCustomError, PydanticKnownError)):
        line = (error.type, (), value, error.context, error.message())
    elif isinstance(error, AssertionError):
        line = ("assertion_error", (), value, {"error": error}, f"Assertion failed, {error}")
    else:
        line = ("value_error", (), value, {"error": error}, f"Value error, {error}")
    return make_validation_error(model.title, [line], False)


def _is_verdict(error: Exception) -> bool:
    return isinstance(
        error, ValueError | AssertionError | PydanticCustomError | PydanticKnownError
    ) and not isinstance(error, pydantic.ValidationError)


def _arity(function: Any) -> int:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(
        p.kind in kinds and p.default is p.empty
        for p in inspect.signature(function).parameters.values()
    )


def _context(**more: Any) -> Any:
    return SimpleNamespace(context=None, config=None, data={}, **more)


def _before(model: Model, function: Any) -> Callable[[dict[str, Any]], Any]:
    takes_info = _arity(function) > 1

    def validate(data: dict[str, Any]) -> Any:
        try:
            if takes_info:
                return function(data, _context(mode="python", field_name=None))
            return function(data)
        except Exception as error:
            if not _is_verdict(error):
                raise
            raise _raised(model, error, data) from error

    return validate


def _after(model: Model, function: Any) -> Callable[[Any], None]:
    function = getattr(function, "__func__", function)
    takes_info = _arity(function) > 1

    def validate(event: Any) -> None:
        try:
            if takes_info:
                function(event, _context(mode="python", field_name=None))
            else:
                function(event)
        except Exception as error:
            if not _is_verdict(error):
                raise
            raise _raised(model, error, event) from error

    return validate


# ----------------------------------------------------------------------------- serializers


def _serialize_fields(cls: Any, model: Model, name: str, info: Any, function: Any) -> None:
    is_static = isinstance(function, staticmethod)
    function = getattr(function, "__func__", function)
    wants = _arity(function) - (not is_static) - 1 - (info.mode == "wrap")
    for field in _named_fields(cls, model, name, info):
        own = _own_copy(cls, model, field)

        def serialize(
            event: Any, value: Any, json: bool, *, field: str = field, own: Any = own
        ) -> Any:
            used = info.when_used
            if (used.startswith("json") and not json) or (
                used.endswith("unless-none") and value is None
            ):
                return value
            arguments = [value] if is_static else [event, value]
            if info.mode == "wrap":
                arguments.append(lambda inner: inner)
            if wants > 0:
                arguments.append(_context(mode="json" if json else "python", field_name=field))
            return function(*arguments)

        own.serializer = serialize
