"""Type variables of event classes: ``Event[Document]`` and what follows from it."""

from __future__ import annotations

import collections.abc
import types
import typing
import weakref
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from . import _core, known_classes

if TYPE_CHECKING:
    from .model import Model

__all__: list[str] = []


def type_name(annotation: Any) -> str:
    return annotation.__name__ if type(annotation) is type else str(annotation)


def _is_typevar(value: object) -> bool:
    return type(value).__name__ == "TypeVar"


def substitute(annotation: Any, typevars: Mapping[Any, Any]) -> Any:
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
        return parametrise(origin, tuple(substitute(a, typevars) for a in args))
    if not mentions(annotation, typevars):
        return annotation
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return typing.Annotated[(substitute(args[0], typevars), *annotation.__metadata__)]
    if origin is collections.abc.Callable:
        known = _own_parameters(annotation)
        return annotation[tuple(typevars.get(p, p) for p in known)] if known else annotation
    args = tuple(substitute(a, typevars) for a in args)
    return typing.Union[args] if origin in (typing.Union, types.UnionType) else origin[args]


def mentions(annotation: Any, typevars: Mapping[Any, Any]) -> bool:
    return any(one in typevars for one in parameters_in((annotation,)))


def parameters_in(arguments: Iterable[Any]) -> tuple[Any, ...]:
    """The type variables in the arguments, each once, in order."""
    found: dict[Any, None] = {}
    for argument in arguments:
        if _is_typevar(argument):
            found[argument] = None
        elif isinstance(argument, _core.EventMeta):
            found.update(dict.fromkeys(argument.__event_model__.parameters))
        elif isinstance(argument, list):  # of Callable
            found.update(dict.fromkeys(parameters_in(argument)))
        elif typing.get_origin(argument) is not typing.Literal:
            # typing itself passes over the classes among the arguments
            found.update(dict.fromkeys(parameters_in(typing.get_args(argument))))
            found.update(dict.fromkeys(_own_parameters(argument)))
    return tuple(found)


def _own_parameters(argument: Any) -> tuple[Any, ...]:
    """Those that typing knows of, also inside of Annotated's and Concatenate's."""
    if isinstance(argument, type) and not typing.get_args(argument):
        return ()
    return tuple(getattr(argument, "__parameters__", ()))


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
    args = complete if model.origin is None else tuple(substitute(a, typevars) for a in model.args)
    if origin is not cls:
        new = parametrise(origin, args)
    else:
        name = f"{origin.__name__}[{', '.join(type_name(a) for a in args)}]"
        body = {
            "__module__": origin.__module__,
            "__qualname__": f"{origin.__qualname__}[{', '.join(type_name(a) for a in args)}]",
            "__doc__": origin.__doc__,
            "__event_generic__": (origin, args, typevars),
        }
        new = type(cls)(name, (cls,), body)
    known_classes.register_parameters(args)
    cache[given] = weakref.ref(new, lambda _, c=cache, k=given: c.pop(k, None))  # type: ignore[misc]
    return new
