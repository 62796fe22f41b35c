"""The classes that this process knows by name, for reading serialized events.

These are all Event classes (by name and by the ``type`` string that they
bring), the builtin classes, and those that somebody registered: ``Event[X]``
does so with X, the serializer with each class that it writes.  Registered
classes are held weakly.

Where two live classes have the same module and qualified name (a notebook's
cell run again, a function that makes classes), the newer one counts.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator
from typing import Any, get_args
from weakref import ref

from .events import Event

__all__: list[str] = []

EventClass = type[Event[Any]]


def full_name(cls: type) -> str:
    """Module and qualified name."""
    return f"{cls.__module__}.{cls.__qualname__}"


def listed(classes: Iterable[type]) -> str:
    """The full names for a message."""
    return quoted(sorted(set(map(full_name, classes))))


def quoted(names: Iterable[str]) -> str:
    """The names for a message."""
    return ", ".join(map(repr, names)) or "none"


# ---- Event classes ----


def event_classes() -> Iterator[EventClass]:
    """Event and all its subclasses, bases and older ones first; not the ``X[Y]``."""
    seen: set[type] = {Event}
    waiting: list[EventClass] = [Event]
    for cls in waiting:
        if _is_written(cls):
            yield cls
        for sub in type.__subclasses__(cls):
            if sub not in seen:
                seen.add(sub)
                waiting.append(sub)


def without_parameters(cls: EventClass) -> EventClass:
    """The class that somebody wrote: of ``X[Y]`` it is X."""
    return next(one for one in cls.__mro__ if _is_written(one))


def _is_written(cls: type) -> bool:
    return "[" not in cls.__name__


def types() -> list[str]:
    """The type strings that some Event class has as default."""
    return sorted({name for cls in event_classes() if (name := _type_default(cls)) is not None})


def classes_of_type(type_name: str) -> tuple[list[EventClass], list[EventClass]]:
    """The Event classes with this type string: those that bring it, those that inherit it."""
    bringing: dict[str, EventClass] = {}
    inheriting: dict[str, EventClass] = {}
    for cls in event_classes():
        if _type_default(cls) == type_name:
            (bringing if _brings(cls, type_name) else inheriting)[full_name(cls)] = cls
    return list(bringing.values()), list(inheriting.values())


def class_follows_from_type(event: Event[Any]) -> bool:
    """Is the event's class the one to expect when only its type string is known?"""
    cls = without_parameters(type(event))
    if cls is Event:
        return not classes_of_type(event.type)[0]
    return _brings(cls, event.type)


def event_classes_named(name: str) -> list[EventClass]:
    """The Event classes of this short or full name."""
    found = {full_name(cls): cls for cls in event_classes() if _has_name(cls, name)}
    return list(found.values())


def _type_default(cls: type) -> str | None:
    fields = getattr(cls, "model_fields", None)
    default = fields["type"].default if fields and "type" in fields else None
    return default if isinstance(default, str) else None


def _brings(cls: type, type_name: str) -> bool:
    """Is the type string this class's own default, not one that it inherits?"""
    return _type_default(cls) == type_name and not any(
        _type_default(base) == type_name for base in cls.__mro__[1:] if _is_written(base)
    )


def _has_name(cls: type, name: str) -> bool:
    full = full_name(cls)
    return name in (full, _last_part(full))


def _last_part(name: str) -> str:
    """Of ``module.Outer.Inner`` Inner, of ``module.Doc[other.X]`` ``Doc[other.X]``."""
    head, bracket, parameters = name.partition("[")
    return head.rpartition(".")[2] + bracket + parameters


# ---- registered classes ----

#: Last part of the full name -> full name -> the newest class of that full name.
_registry: dict[str, dict[str, ref[type]]] = {}
_sweep_at = 64


def register(cls: type) -> None:
    """Makes the class known by its names, as long as it lives."""
    full = full_name(cls)
    same_name = _registry.setdefault(_last_part(full), {})
    known = same_name.get(full)
    if known is not None and known() is cls:
        return
    same_name[full] = ref(cls)
    if len(_registry) > _sweep_at or len(same_name) > _sweep_at:
        _sweep()


def register_parameters(parameters: Any) -> None:
    """Registers the classes in the brackets of ``Event[...]``."""
    for one in parameters if isinstance(parameters, tuple) else (parameters,):
        if isinstance(one, type):
            register(one)
        register_parameters(get_args(one))


def name_of(cls: type) -> str:
    """The name under which :func:`named` finds just this class; registers it."""
    register(cls)
    full = full_name(cls)
    short = _last_part(full)
    return short if len(named(short)) == 1 else full


def named(name: str) -> list[type]:
    """All known classes of this short or full name."""
    found: dict[str, type] = {
        full: cls
        for full, one in list(_registry.get(_last_part(name), {}).items())
        if (cls := one()) is not None and name in (full, _last_part(full))
    }
    for cls in event_classes():
        if _has_name(cls, name):
            found[full_name(cls)] = cls
    builtin = getattr(builtins, name.removeprefix("builtins."), None)
    if isinstance(builtin, type) and _has_name(builtin, name):
        found[full_name(builtin)] = builtin
    return list(found.values())


def registered() -> list[type]:
    """The registered classes that still live."""
    return [
        cls
        for same_name in list(_registry.values())
        for one in list(same_name.values())
        if (cls := one()) is not None
    ]


def _sweep() -> None:
    """Forgets dead classes; runs when the registry has doubled since the last time."""
    global _sweep_at
    largest = 0
    for name, same_name in list(_registry.items()):
        for full, one in list(same_name.items()):
            if one() is None:
                same_name.pop(full, None)
        if not same_name:
            _registry.pop(name, None)
        largest = max(largest, len(same_name))
    _sweep_at = max(64, 2 * len(_registry), 2 * largest)
