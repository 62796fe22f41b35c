"""Hands an annotation to pydantic: constraints, its own types and validators."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from ._core import Validator
from .annotations import show

__all__ = ["adapter"]


def adapter(
    annotation: Any,
    metadata: tuple[Any, ...],
    config: Mapping[str, Any] | None,
    namespace: Mapping[str, Any],
    where: str,
) -> Validator:
    try:
        import pydantic
    except ImportError:
        shown = show(annotation)
        if metadata:
            shown = f"Annotated[{shown}, {', '.join(map(repr, metadata))}]"
        raise TypeError(
            f"{where}: {shown} needs pydantic, which is not installed: "
            "pip install pydantic, or use an annotation without it"
        ) from None
    metadata = tuple(
        item.to_pydantic() if hasattr(item, "to_pydantic") else item for item in metadata
    )
    if metadata:
        annotation = typing.Annotated[(annotation, *metadata)]
    settings = {"arbitrary_types_allowed": True, "defer_build": True}
    settings.update((k, v) for k, v in (config or {}).items() if k != "title")
    try:
        try:
            made = pydantic.TypeAdapter(annotation, config=typing.cast(Any, settings))
        except pydantic.PydanticUserError as error:
            if error.code != "type-adapter-config-unused":
                raise
            made = pydantic.TypeAdapter(annotation)
        if hasattr(made, "rebuild"):  # from pydantic 2.10 on
            made.rebuild(force=True, _types_namespace=dict(namespace))
    except pydantic.errors.PydanticUndefinedAnnotation as error:
        raise NameError(f"{where}: {error}", name=error.name) from error
    except pydantic.PydanticUserError as error:
        raise TypeError(f"{where}: pydantic can't validate {show(annotation)}: {error}") from error
    return Validator("pydantic", show(annotation), made.validate_python, made.validate_json)
