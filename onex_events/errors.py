"""Errors that onex_events raises.

`ValidationError` is made in C (it must be a class whose C slots are
BaseException's own, see csrc/py/fields.c) and gets its methods here.

**With pydantic.** pydantic's own error class can't be subclassed and can't be
given a second class, and ``except`` looks at real base classes only.  So where
pydantic is loaded at the time of an error, `ValidationError` is made a base of
``pydantic_core.ValidationError`` (once; an ordinary assignment to
``__bases__``), and what is raised is pydantic's error: both ``except`` clauses
take it, whichever module was imported first, and it prints, pickles and
reports as pydantic's do.  Where pydantic is not loaded, `ValidationError`
itself is raised, with the same contents.
"""

from __future__ import annotations

import sys
import typing
from typing import Any

from onex_events._core import ValidationError

__all__ = ["ValidationError"]

# (type, location, input, context or None, message or None)
_Line = tuple[str, tuple[int | str, ...], Any, "dict[str, Any] | None", "str | None"]

_MESSAGES: dict[str, str] = {
    "assertion_error": "Assertion failed, {error}",
    "bool_parsing": "Input should be a valid boolean, unable to interpret input",
    "bool_type": "Input should be a valid boolean",
    "bytes_type": "Input should be a valid bytes",
    "callable_type": "Input should be callable",
    "dataclass_exact_type": "Input should be an instance of {class_name}",
    "dataclass_type": "Input should be a dictionary or an instance of {class_name}",
    "date_from_datetime_inexact": (
        "Datetimes provided to dates should have zero time - e.g. be exact dates"
    ),
    "date_from_datetime_parsing": "Input should be a valid date or datetime, {error}",
    "date_parsing": "Input should be a valid date in the format YYYY-MM-DD, {error}",
    "date_type": "Input should be a valid date",
    "datetime_from_date_parsing": "Input should be a valid datetime or date, {error}",
    "datetime_parsing": "Input should be a valid datetime, {error}",
    "datetime_type": "Input should be a valid datetime",
    "decimal_parsing": "Input should be a valid decimal",
    "decimal_type": "Decimal input should be an integer, float, string or Decimal object",
    "dict_type": "Input should be a valid dictionary",
    "enum": "Input should be {expected}",
    "extra_forbidden": "Extra inputs are not permitted",
    "finite_number": "Input should be a finite number",
    "float_parsing": "Input should be a valid number, unable to parse string as a number",
    "float_type": "Input should be a valid number",
    "frozen_set_type": "Input should be a valid frozenset",
    "int_from_float": "Input should be a valid integer, got a number with a fractional part",
    "int_parsing": "Input should be a valid integer, unable to parse string as an integer",
    "int_parsing_size": "Unable to parse input string as an integer, exceeded maximum size",
    "int_type": "Input should be a valid integer",
    "invalid_key": "Keys should be strings",
    "is_instance_of": "Input should be an instance of {class}",
    "is_subclass_of": "Input should be a subclass of {class}",
    "is_type": "Input should be a type",
    "iteration_error": "Error iterating over object, error: {error}",
    "json_invalid": "Invalid JSON: {error}",
    "list_type": "Input should be a valid list",
    "literal_error": "Input should be {expected}",
    "mapping_type": "Input should be a valid mapping, error: {error}",
    "missing": "Field required",
    "missing_argument": "Missing required argument",
    "missing_positional_only_argument": "Missing required positional only argument",
    "model_type": "Input should be a valid dictionary or instance of {class_name}",
    "multiple_argument_values": "Got multiple values for argument",
    "named_tuple_type": "Input should be a tuple, list, dictionary or an instance of {class_name}",
    "needs_python_object": (
        "Cannot check `{method_name}` when validating from json, "
        "use a JsonOrPython validator instead"
    ),
    "none_required": "Input should be None",
    "recursion_loop": "Recursion error - cyclic reference detected",
    "sequence_str": "'{type_name}' instances are not allowed as a Sequence value",
    "set_item_not_hashable": "Set items should be hashable",
    "set_type": "Input should be a valid set",
    "string_type": "Input should be a valid string",
    "string_unicode": (
        "Input should be a valid string, unable to parse raw data as a unicode string"
    ),
    "time_delta_parsing": "Input should be a valid timedelta, {error}",
    "time_delta_type": "Input should be a valid timedelta",
    "time_parsing": "Input should be in a valid time format, {error}",
    "time_type": "Input should be a valid time",
    "tuple_type": "Input should be a valid tuple",
    "unexpected_keyword_argument": "Unexpected keyword argument",
    "unexpected_positional_argument": "Unexpected positional argument",
    "uuid_parsing": "Input should be a valid UUID, {error}",
    "uuid_type": "UUID input should be a string, bytes or UUID object",
    "value_error": "Value error, {error}",
}

# What is said otherwise of values from JSON.
_JSON_MESSAGES: dict[str, str] = {
    "dataclass_type": "Input should be an object",
    "dict_type": "Input should be an object",
    "frozen_set_type": "Input should be a valid array",
    "list_type": "Input should be a valid array",
    "model_type": "Input should be an object",
    "named_tuple_type": "Input should be an array or an object",
    "none_required": "Input should be null",
    "set_type": "Input should be a valid array",
    "time_delta_parsing": "Input should be a valid duration, {error}",
    "time_delta_type": "Input should be a valid duration",
    "tuple_type": "Input should be a valid array",
}

# Types of ours that pydantic makes as custom errors too.
_CUSTOM = frozenset({"is_type", "sequence_str"})


def _message(
    kind: str, context: dict[str, Any] | None, message: str | None, mode: str = "python"
) -> str:
    if message is not None:
        return message
    if kind == "too_long":
        assert context is not None
        at_most, actual = context["max_length"], context["actual_length"]
        return (
            f"{context['field_type']} should have at most {at_most} "
            f"item{'' if at_most == 1 else 's'} after validation, "
            f"not {'more' if actual is None else actual}"
        )
    template = _MESSAGES.get(kind, "Invalid input")
    if mode == "json":
        template = _JSON_MESSAGES.get(kind, template)
    for name, value in (context or {}).items():
        template = template.replace("{" + name + "}", str(value))
    return template


def _shorten(text: str, limit: int = 50) -> str:
    """The beginning and end of a text longer than `limit` bytes of UTF-8."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return text
    half = (limit + 1) // 2
    head, tail = data[:half], data[len(data) - half + 1 :]
    return head.decode("utf-8", "ignore") + "..." + tail.decode("utf-8", "ignore")


def _show(value: object) -> str:
    try:
        return repr(value)
    except Exception:
        return f"<unprintable {type(value).__qualname__} object>"


def _step(item: int | str) -> str:
    return f"`{item}`" if isinstance(item, str) and "." in item else str(item)


def _lines(error: ValidationError) -> tuple[_Line, ...]:
    lines: tuple[_Line, ...] = tuple(error.args[1]) if len(error.args) > 1 else ()
    return lines


def _mode(error: ValidationError) -> str:
    return str(error.args[2]) if len(error.args) > 2 else "python"


def _title(error: ValidationError) -> str:
    """The name of the class that was validated."""
    return str(error.args[0]) if error.args else ""


def _errors(
    self: ValidationError,
    *,
    include_url: bool = True,
    include_context: bool = True,
    include_input: bool = True,
) -> list[dict[str, Any]]:
    """Every wrong value: dicts with type, loc, msg, input and, where the type
    has one, ctx.  (`include_url` is for pydantic's own errors: there are no
    URLs without pydantic.)"""
    result = []
    for kind, loc, value, context, message in _lines(self):
        entry: dict[str, Any] = {
            "type": kind,
            "loc": loc,
            "msg": _message(kind, context, message, _mode(self)),
        }
        if include_input:
            entry["input"] = value
        if include_context and context is not None:
            entry["ctx"] = context
        result.append(entry)
    return result


def _error_count(self: ValidationError) -> int:
    """How many values are wrong."""
    return len(_lines(self))


def _json(
    self: ValidationError,
    *,
    indent: int | None = None,
    include_url: bool = True,
    include_context: bool = True,
    include_input: bool = True,
) -> str:
    """`errors()` as JSON; what JSON has no form for is shown by its repr."""
    import json

    entries = self.errors(
        include_url=include_url, include_context=include_context, include_input=include_input
    )
    return json.dumps(entries, indent=indent, default=_show)


def _str(error: ValidationError) -> str:
    count = error.error_count()
    text = [f"{count} validation error{'' if count == 1 else 's'} for {error.title}"]
    for kind, loc, value, context, message in _lines(error):
        if loc:
            text.append(".".join(_step(item) for item in loc))
        text.append(
            f"  {_message(kind, context, message, _mode(error))} [type={kind}, "
            f"input_value={_shorten(_show(value))}, input_type={type(value).__name__}]"
        )
    return "\n".join(text)


for _name, _function in {
    "errors": _errors,
    "error_count": _error_count,
    "json": _json,
    "title": property(_title),
    "__str__": _str,
    "__repr__": _str,
}.items():
    setattr(ValidationError, _name, _function)
del _name, _function


def _pydantic_class() -> Any:
    """pydantic's error class as a subclass of ours; None where pydantic is not
    loaded, or is a version that does not let itself be given a base."""
    if "pydantic" in sys.modules and "pydantic_core" not in sys.modules:
        import pydantic_core  # noqa: F401  pydantic before 2.11 loads it late
    core = sys.modules.get("pydantic_core")
    theirs = getattr(core, "ValidationError", None)
    if theirs is None:
        return None
    if ValidationError not in theirs.__mro__:
        try:
            theirs.__bases__ = (ValidationError,)
        except TypeError:
            return None
    return theirs


def _pydantic_line(line: _Line, core: Any) -> dict[str, Any]:
    kind, loc, value, context, message = line
    entry: dict[str, Any] = {"type": kind, "loc": loc, "input": value}
    if kind == "value_error" and context is None:
        context = {"error": ValueError((message or "").removeprefix("Value error, "))}
    custom = kind in _CUSTOM
    if not custom and message is not None:
        custom = kind not in typing.get_args(core.core_schema.ErrorType)
    if custom:
        entry["type"] = core.PydanticCustomError(kind, _message(kind, context, message), context)
    elif context is not None:
        entry["ctx"] = context
    return entry


def make_validation_error(title: str, lines: list[_Line], from_json: bool) -> ValidationError:
    """The error to raise for the lines that C collected."""
    mode = "json" if from_json else "python"
    theirs = _pydantic_class()
    if theirs is not None:
        core = sys.modules["pydantic_core"]
        error: ValidationError = theirs.from_exception_data(
            title, [_pydantic_line(line, core) for line in lines], mode
        )
        return error
    return ValidationError(title, tuple(lines), mode)


def is_validation_error(error: BaseException) -> bool:
    """Whether an exception is a validation error, ours or pydantic's."""
    core = sys.modules.get("pydantic_core")
    return isinstance(error, (ValidationError, getattr(core, "ValidationError", ValidationError)))


def lines_of(error: BaseException, loc: tuple[int | str, ...]) -> list[_Line]:
    """The lines of a validation error, ours or pydantic's, seen from further
    outside; any other exception is raised again."""
    if not is_validation_error(error):
        raise error
    lines: Any = error
    return [
        (entry["type"], loc + tuple(entry["loc"]), entry["input"], entry.get("ctx"), entry["msg"])
        for entry in lines.errors(include_url=False)
    ]
