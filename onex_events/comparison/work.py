"""What an operation does: parse a module, analyse it, summarise the analysis.

Real work with nothing remembered between calls; the events are about it, not part of it.
"""

import ast
import hashlib
from collections import Counter
from dataclasses import dataclass

from .corpus import Source

__all__ = ["Analysis", "Summary", "analyse", "parse", "summarise"]

_BRANCHES = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.BoolOp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(slots=True)
class Analysis:
    """Counts over a module's syntax tree."""

    nodes: Counter[str]
    names: Counter[str]
    imports: set[str]
    documented: int
    definitions: int
    branches: int
    depth: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of an operation: small, and equal for equal input."""

    module: str
    nodes: int
    definitions: int
    documented: float
    branches: int
    depth: int
    imports: tuple[str, ...]
    common_names: tuple[tuple[str, int], ...]
    digest: str


def parse(source: Source) -> ast.Module:
    """The module's syntax tree."""
    return ast.parse(source.text, source.name)


def analyse(tree: ast.Module) -> Analysis:
    """One walk over the tree."""
    found = Analysis(Counter(), Counter(), set(), 0, 0, 0, 0)
    level: list[ast.AST] = [tree]
    while level:
        found.depth += 1
        following: list[ast.AST] = []
        for node in level:
            _count(found, node)
            following.extend(ast.iter_child_nodes(node))
        level = following
    return found


def _count(found: Analysis, node: ast.AST) -> None:
    found.nodes[type(node).__name__] += 1
    if isinstance(node, ast.Name):
        found.names[node.id] += 1
    elif isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        found.definitions += 1
        found.documented += ast.get_docstring(node, clean=False) is not None
    elif isinstance(node, ast.Import):
        found.imports.update(alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        found.imports.add("." * node.level + (node.module or ""))
    elif isinstance(node, _BRANCHES):
        found.branches += 1


def summarise(source: Source, analysis: Analysis) -> Summary:
    """The figures of a module and a digest of all counts."""
    counts = sorted(analysis.nodes.items()) + sorted(analysis.names.items())
    names = sorted(analysis.names.items(), key=lambda item: (-item[1], item[0]))
    return Summary(
        module=source.name,
        nodes=analysis.nodes.total(),
        definitions=analysis.definitions,
        documented=analysis.documented / analysis.definitions if analysis.definitions else 1.0,
        branches=analysis.branches,
        depth=analysis.depth,
        imports=tuple(sorted(analysis.imports)),
        common_names=tuple(names[:5]),
        digest=hashlib.sha256(repr(counts).encode()).hexdigest(),
    )
