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
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, get_args
from weakref import ref

from . import _core

if TYPE_CHECKING:
    from .event import Event

__all__: list[str] = []


def full_name(cls: type) -> str:
    """Module and qualified name."""
    return f"{cls.__module__}.{cls.__qualname__}"


def listed(classes: Iterable[type]) -> str:
    """The full names for a message."""
    return quoted(sorted(set(map(full_name, classes))))


def quoted(names: Iterable[str]) -> str:
    """The names for a message."""
    return ", ".join(map(repr, names)) or "none"


def _last_part(name: str) -> str:
    """Of ``module.Outer.Inner`` Inner, of ``module.Doc[other.X]`` ``Doc[other.X]``."""
    head, bracket, parameters = name.partition("[")
    return head.rpartition(".")[2] + bracket + parameters


# ---- Event classes ----


class _Index:
    """All Event classes of one moment but the ``X[Y]``, bases and older ones first.

    Built at the first look-up after an Event class was made; dead classes in
    it only take space until then.  The newest of one full name replaces the
    others.
    """

    __slots__ = ("bringing", "by_name", "classes", "generation", "inheriting")

    def __init__(self) -> None:
        self.generation = _generation
        self.classes: dict[str, ref[type[Event[Any]]]] = {}
        #: Short or full name -> full names.
        self.by_name: dict[str, list[str]] = {}
        #: Type string -> full names of the classes whose own default it is.
        self.bringing: dict[str, list[str]] = {}
        #: Type string -> full names of the classes that inherit it.
        self.inheriting: dict[str, list[str]] = {}
        for full, cls in _written_classes().items():
            self.classes[full] = ref(cls)
            for name in {full, _last_part(full)}:
                self.by_name.setdefault(name, []).append(full)
            type_name = _type_default(cls)
            if type_name is not None:
                index = self.bringing if brings(cls, type_name) else self.inheriting
                index.setdefault(type_name, []).append(full)

    def live(self, names: Iterable[str]) -> list[type[Event[Any]]]:
        return [cls for full in names if (cls := self.classes[full]()) is not None]


_generation = 0
_index: _Index | None = None


def event_class_made() -> None:
    """Said by the model for each new Event class: indices made before are out of date."""
    global _generation
    _generation += 1


def _event_index() -> _Index:
    global _index
    index = _index
    if index is None or index.generation != _generation:
        index = _index = _Index()
    return index


def _written_classes() -> dict[str, type[Event[Any]]]:
    found: dict[str, type[Event[Any]]] = {}
    waiting: list[Any] = type.__subclasses__(_core.EventBase)
    seen = set(waiting)
    for cls in waiting:
        if _is_written(cls):
            found[full_name(cls)] = cls
        for sub in type.__subclasses__(cls):
            if sub not in seen:
                seen.add(sub)
                waiting.append(sub)
    return found


def _is_written(cls: Any) -> bool:
    return cls.__event_model__.origin is None if isinstance(cls, _core.EventMeta) else True


def without_parameters(cls: type[Event[Any]]) -> type[Event[Any]]:
    """The class that somebody wrote: of ``X[Y]`` it is X."""
    return next(one for one in cls.__mro__ if _is_written(one))


def event_classes() -> list[type[Event[Any]]]:
    """Event and all its subclasses, but not the ``X[Y]``."""
    index = _event_index()
    return index.live(index.classes)


def event_classes_named(name: str) -> list[type[Event[Any]]]:
    """The Event classes of this short or full name."""
    index = _event_index()
    return index.live(index.by_name.get(name, ()))


def types() -> list[str]:
    """The type strings that some Event class has as default."""
    return sorted(_event_index().bringing)


def classes_that_bring(type_name: str) -> list[type[Event[Any]]]:
    """The Event classes whose own default this type string is."""
    index = _event_index()
    return index.live(index.bringing.get(type_name, ()))


def classes_that_inherit(type_name: str) -> list[type[Event[Any]]]:
    """The Event classes that have this type string from a base."""
    index = _event_index()
    return index.live(index.inheriting.get(type_name, ()))


def brings(cls: type, type_name: str) -> bool:
    """Is the type string this class's own default, not one that it inherits?"""
    return _type_default(cls) == type_name and not any(
        _type_default(base) == type_name for base in cls.__mro__[1:] if _is_written(base)
    )


def _type_default(cls: Any) -> str | None:
    if not isinstance(cls, _core.EventMeta) or cls is _core.EventBase:
        return None
    info = cls.model_fields.get("type")
    return info.default if info is not None and isinstance(info.default, str) else None


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
    for event_class in event_classes_named(name):
        found[full_name(event_class)] = event_class
    builtin = getattr(builtins, name.removeprefix("builtins."), None)
    if isinstance(builtin, type) and name in (full_name(builtin), builtin.__name__):
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
