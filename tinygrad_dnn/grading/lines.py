"""The lines of a function from which a wrong result comes, as far as its text tells."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator


def lit_lines(
    node: ast.FunctionDef | ast.AsyncFunctionDef, returns: str, wrong: Iterable[str]
) -> set[int]:
    """The lines in which the results of these names are last assigned, or returned.

    Args:
        node: the function.
        returns: the document's names for its results, in their order.
        wrong: the names of those that are wrong.
    """
    names = [n.strip() for n in returns.split(",")]
    last = [x for x in ast.walk(node) if isinstance(x, ast.Return) and x.value is not None][-1:]
    found: set[int] = set()
    for name in wrong:
        expression: ast.expr | None = None
        for x in last:
            value = x.value
            if isinstance(value, ast.Tuple) and len(value.elts) == len(names) and name in names:
                expression = value.elts[names.index(name)]
            elif len(names) == 1 or (name == names[0] and not isinstance(value, ast.Tuple)):
                expression = value
        if expression is not None and not isinstance(expression, ast.Name):
            found.add(expression.lineno)
            continue
        own = expression.id if expression is not None else name
        found |= {max(lines)} if (lines := [n for x, n in _assigned(node) if x == own]) else set()
    return found


def _assigned(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Each name that is assigned to, with the line."""
    for x in ast.walk(node):
        if isinstance(x, ast.Assign):
            for target in x.targets:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name) and isinstance(name.ctx, (ast.Store, ast.Load)):
                        yield name.id, x.lineno
        elif isinstance(x, (ast.AugAssign, ast.AnnAssign)):
            for name in ast.walk(x.target):
                if isinstance(name, ast.Name):
                    yield name.id, x.lineno
