"""The methods of a class that a text calls by an operator or by name: `a * b` calls `__mul__`."""

from __future__ import annotations

import ast
from collections.abc import Iterable

_NAMES: dict[type[ast.AST], str] = {
    ast.Add: "__add__", ast.Sub: "__sub__", ast.Mult: "__mul__", ast.Div: "__truediv__",
    ast.Pow: "__pow__", ast.MatMult: "__matmul__", ast.USub: "__neg__",
}  # fmt: skip


def methods_called(holder: str, nodes: Iterable[ast.AST]) -> set[str]:
    """`Value.__mul__`, ... for each operator and each `x.name(...)` in some code."""
    found = set()
    for node in nodes:
        for x in ast.walk(node):
            if isinstance(x, (ast.BinOp, ast.UnaryOp, ast.AugAssign)) and type(x.op) in _NAMES:
                found.add(f"{holder}.{_NAMES[type(x.op)]}")
            elif isinstance(x, ast.Call) and isinstance(x.func, ast.Attribute):
                found.add(f"{holder}.{x.func.attr}")
    return found
