"""Where the sources ask for an op by its name: elsewhere it is a trait that is missing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinygrad_dnn

ROOT = Path(tinygrad_dnn.__file__).parents[1]

# By file: how often, and why.
ALLOWED = {
    "tinygrad_dnn/check/diagnose_rule.py": (
        1,
        "an op that is not the project's is taken for an activation by what its author called it",
    ),
    "tinygrad_dnn/compiler/javascript/printer.py": (
        3,
        "JavaScript's own table, a row per op, looked up where a row, and where the reason for "
        "none is",
    ),
    "tinygrad_dnn/export/onnx_graph.py": (
        2,
        "ONNX's own table, a row per op, looked up where a row, and where the reason for none is",
    ),
    "tinygrad_dnn/formula/conventions.py": (
        4,
        "how arithmetic with numbers is written on paper is about these ops; the package of "
        "formulas is imported by that of ops, and so has no reference to them",
    ),
    "tinygrad_dnn/formula/text.py": (
        2,
        "relu(Z) > 0 is written Z > 0: about these two ops; no reference to them, as above",
    ),
    "viz/folding/summary.py": (
        2,
        "the names are the text that is shown: matmul, add become LINEAR; relu after it RELU",
    ),
}


def is_name(node: ast.expr) -> bool:
    """Whether it reads the name of an op: `op.name`, `node.op.name`."""
    if not (isinstance(node, ast.Attribute) and node.attr == "name"):
        return False
    of = node.value
    return (isinstance(of, ast.Name) and of.id == "op") or (
        isinstance(of, ast.Attribute) and of.attr == "op"
    )


def bindings(tree: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Every target of the assignments, tuples taken apart, and its value."""
    for node in ast.walk(tree):
        if isinstance(node, ast.NamedExpr):
            yield node.target, node.value
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                yield from zip(target.elts, node.value.elts, strict=False)
            else:
                yield target, node.value


def questions(source: str) -> list[int]:
    """The lines that compare an op's name, or look something up by it.

    Names that a function gives to an op's name count as well.
    """
    tree = ast.parse(source)
    found: list[ast.expr] = []
    functions = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.Lambda))]
    for scope in (tree, *functions):
        called = {
            target.id
            for target, value in bindings(scope)
            if isinstance(target, ast.Name) and is_name(value) and scope is not tree
        }

        def asks(node: ast.expr, called: set[str] = called) -> bool:
            return is_name(node) or (isinstance(node, ast.Name) and node.id in called)

        found += (
            node
            for node in ast.walk(scope)
            if (
                (isinstance(node, ast.Compare) and any(map(asks, [node.left, *node.comparators])))
                or (isinstance(node, ast.Subscript) and asks(node.slice))
                or (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in ("get", "pop", "setdefault", "startswith", "endswith")
                    and any(map(asks, [node.func.value, *node.args]))
                )
                or (isinstance(node, ast.Match) and asks(node.subject))
            )
        )
    return sorted(node.lineno for node in dict.fromkeys(found))


def counted() -> dict[str, list[int]]:
    """By file, where the sources ask for an op by its name."""
    files = [path for part in ("tinygrad_dnn", "viz") for path in (ROOT / part).rglob("*.py")]
    found = {
        path.relative_to(ROOT).as_posix(): questions(path.read_text(encoding="utf-8"))
        for path in sorted(files)
    }
    return {file: lines for file, lines in found.items() if lines}


def test_ops_are_asked_for_by_name_only_where_a_reason_is_given() -> None:
    found = counted()
    allowed = {file: n for file, (n, _) in ALLOWED.items()}
    assert {file: len(lines) for file, lines in found.items()} == allowed, found
    assert all(reason for _, reason in ALLOWED.values())


@pytest.mark.parametrize(
    ("source", "n"),
    [
        ('if op.name == "add": pass', 1),
        ('if x.op and x.op.name in ("add", "sum"): pass', 1),
        ('if "add" != node.op.name: pass', 1),
        ("rule = RULES.get(node.op.name)", 1),
        ("rule = RULES[node.op.name]", 1),
        ('def f(node):\n    name = node.op.name\n    return name == "add"', 1),
        ('def f(node):\n    name, x = node.op.name, 1\n    return x, name == "add"', 1),
        ('def f(node):\n    return (n := node.op.name) and n == "add"', 1),
        ('text = f"{op.name}: refused"', 0),
        ('if node.name == "W1": pass', 0),
        ("if node.op is add: pass", 0),
    ],
)
def test_a_question_is_counted(source: str, n: int) -> None:
    assert len(questions(source)) == n
