"""A student's asserts, which must not stop a function that is judged: noted where they fail."""

from __future__ import annotations

import ast
from typing import Any

FIRED = "__tinygrad_dnn_fired__"  # called with the line of an assert that fails


def without_asserts(statement: ast.stmt) -> ast.stmt:
    """The statement with `try: if not x: note the line` for each `assert x` in a function.

    One that a `try` around it is to catch stays as it is.
    """
    found: ast.stmt = ast.fix_missing_locations(_Noted().visit(statement))
    return found


class _Noted(ast.NodeTransformer):
    def __init__(self) -> None:
        self.within = 0  # functions around

    def visit_FunctionDef(self, node: Any) -> Any:
        self.within += 1
        found = self.generic_visit(node)
        self.within -= 1
        return found

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Try(self, node: ast.Try) -> Any:
        if not node.handlers:
            return self.generic_visit(node)
        for part in (node.handlers, node.orelse, node.finalbody):
            part[:] = [self.visit(x) for x in part]
        return node

    def visit_Assert(self, node: ast.Assert) -> Any:
        if not self.within:
            return node
        note = f"{FIRED}({node.lineno})"
        test = ast.If(ast.UnaryOp(ast.Not(), node.test), [_statement(note)], [])
        handler = ast.ExceptHandler(ast.Name("Exception", ast.Load()), None, [_statement(note)])
        return _at(ast.Try([test], [handler], [], []), node)


def _statement(text: str) -> ast.stmt:
    return ast.parse(text).body[0]


def _at(new: ast.stmt, old: ast.stmt) -> ast.stmt:
    """The new statement, and all in it that is new, where the old one stood."""
    for x in ast.walk(new):
        if isinstance(x, (ast.stmt, ast.expr, ast.excepthandler)):
            ast.copy_location(x, old)
    return new
