"""The factories of a decorated function: what they may be, and what they are known to make."""

import inspect
import itertools
import typing
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from .bus import EventBus, type_name_of
from .subscription import is_async

__all__ = ["Factory", "make_factory"]


class Factory:
    """A function that makes one event of a call, and what is known of that event beforehand.

    ``cls`` is its class, exactly (``exact``) or at most; None: anything.
    """

    __slots__ = ("cls", "exact", "make", "name", "type_name")

    def __init__(self, name: str, make: Callable[..., Any], cls: type | None, exact: bool) -> None:
        self.name = name
        self.make = make
        self.cls = cls
        self.exact = exact
        self.type_name = type_name_of(cls) if cls is not None and exact else None

    def is_wanted(self, bus: EventBus) -> bool:
        """Whether its event can have a listener on ``bus``."""
        return bus._may_want(self.cls, self.type_name, self.exact)


def make_factory(name: str, make: Any, event_type: Any) -> Factory | None:
    """A checked Factory; TypeError names the argument that is wrong."""
    if event_type is not None and not (
        isinstance(event_type, type) and _is_event_class(event_type)
    ):
        argument = name.replace("factory", "type")
        raise TypeError(
            f"emit_events: argument '{argument}' is {event_type!r}, expected an event class"
        )
    if make is None:
        return None
    if not callable(make):
        raise TypeError(f"emit_events: argument '{name}' is {make!r}, expected a callable")
    if is_async(make) or inspect.isasyncgenfunction(make):
        raise TypeError(
            f"emit_events: argument '{name}' is the async {make!r}, expected a plain one"
        )
    if isinstance(make, type) and not _is_event_class(make):
        raise TypeError(f"emit_events: argument '{name}' is {make!r}, which is no event class")
    if event_type is not None:
        return Factory(name, make, event_type, exact=True)
    return Factory(name, make, _bound(make), exact=False)


def _is_event_class(cls: type) -> bool:
    """Whether its objects have an id and a type, as far as the class tells."""
    fields = (getattr(cls, name, ()) for name in ("model_fields", "__dataclass_fields__"))
    return {"id", "type"} <= set(dir(cls)).union(*fields)


def _bound(make: Callable[..., Any]) -> type | None:
    """The class that the factory's event has at most, None when that is unknown."""
    if isinstance(make, type):
        return make
    try:
        annotation = typing.get_type_hints(make).get("return")
    except Exception:  # a name that cannot be resolved (yet) says nothing
        return None
    annotation = typing.get_origin(annotation) or annotation
    return annotation if isinstance(annotation, type) and _is_event_class(annotation) else None


def check_fit(function: Callable[..., Any], factory: Factory, leading: int, strict: bool) -> None:
    """Warn (``strict``: raise TypeError) when no call of ``function`` suits its factory.

    ``leading`` is how many arguments the factory gets before those of the call.
    """
    try:
        called = inspect.signature(function)
        makes = inspect.signature(factory.make)
    except (TypeError, ValueError):
        return  # neither says what it takes
    for args, kwargs in _calls(called, makes):
        try:
            makes.bind(*([None] * leading), *args, **kwargs)
        except TypeError:
            continue
        return
    before = {0: "", 1: "the result or exception, then "}[leading]
    message = (
        f"emit_events: {factory.name}{makes} can never take {before}the arguments of "
        f"{getattr(function, '__qualname__', function)}{called}"
    )
    if strict:
        raise TypeError(message)
    warnings.warn(message, RuntimeWarning, stacklevel=4)


def _calls(
    called: inspect.Signature, makes: inspect.Signature
) -> Iterator[tuple[list[None], dict[str, None]]]:
    """Shapes in which a function of that signature can be called, the plainest first."""
    kinds = inspect.Parameter
    parameters = list(called.parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    only_by_name = [p for p in parameters if p.kind is kinds.KEYWORD_ONLY]
    any_more = any(p.kind is kinds.VAR_POSITIONAL for p in parameters)
    any_named = any(p.kind is kinds.VAR_KEYWORD for p in parameters)
    required = sum(p.default is p.empty for p in positional)
    named = [p.name for p in only_by_name if p.default is p.empty]
    also_named = [p.name for p in only_by_name if p.default is not p.empty]
    if any_named:
        also_named += [name for name in makes.parameters if name not in called.parameters]
    by_position = sum(p.kind is p.POSITIONAL_ONLY for p in positional)
    extra = len(makes.parameters) if any_more else 0
    for names in ([], also_named):
        for count in range(required, len(positional) + 1):
            for split in range(count, by_position - 1, -1):
                for more in range(extra + 1 if split == count == len(positional) else 1):
                    kwargs = itertools.chain(
                        (p.name for p in positional[split:count]), named, names
                    )
                    yield [None] * (split + more), dict.fromkeys(kwargs)
