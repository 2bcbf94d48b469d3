"""Mistakes made in a reference on purpose, one at a time: what a wrong result would then be.

They prove an exercise, which must find them, and they are the hypotheses that name a student's
mistake: a result that is to rounding that of a mutant in every case has the mutant's mistake.
"""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

LONG = 50  # characters of an expression in words
SIGNS = {ast.Add: "+", ast.Sub: "−", ast.Mult: "·", ast.Div: "/"}
OTHER_SIGN: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip
COMPARED: dict[type[ast.cmpop], tuple[str, tuple[type[ast.cmpop], ...]]] = {
    ast.Gt: (">", (ast.GtE, ast.Lt)), ast.GtE: ("≥", (ast.Gt, ast.LtE)),
    ast.Lt: ("<", (ast.LtE, ast.Gt)), ast.LtE: ("≤", (ast.Lt, ast.GtE)),
}  # fmt: skip
OTHER_FUNCTION = {
    "sum": "mean", "mean": "sum", "max": "sum", "maximum": "minimum", "minimum": "maximum",
    "log": "log10", "var": "std", "std": "var", "exp": "expm1",
}  # fmt: skip
UNARY = {"exp", "log", "sqrt", "tanh", "abs", "square", "log1p", "expm1", "cos", "sin"}


class Mutant(NamedTuple):
    """A mistake: what one sees, to follow the result's name, and the function that makes it.

    In results where `keeps`, axes of length 1 are there for the shapes of what follows alone.
    """

    says: str
    function: Callable[..., Any]
    keeps: bool = False


class _Change(NamedTuple):
    """Another node in the place of one, and the words for it."""

    says: str
    node: ast.AST


def mutants(f: Callable[..., Any]) -> list[Mutant]:
    """The mutants of a function whose source can be read; none of one that can't, or a closure."""
    try:
        text = textwrap.dedent(inspect.getsource(f))
        tree = ast.parse(text)
    except (OSError, TypeError, SyntaxError):
        return []
    code = getattr(f, "__code__", None)
    node = tree.body[0]
    if code is None or code.co_freevars or not isinstance(node, ast.FunctionDef):
        return []
    node.decorator_list = []
    found: dict[str, Mutant] = {}

    def add(says: str, twin: ast.FunctionDef, keeps: bool = False) -> None:
        space = dict(f.__globals__)
        module = ast.fix_missing_locations(ast.Module([twin], []))
        exec(compile(module, f"<mutant of {f.__name__}>", "exec"), space)
        found.setdefault(says, Mutant(says, space[node.name], keeps))

    for at, original in enumerate(_mutable(node)):
        for change in _changes(original):
            twin = copy.deepcopy(node)
            _replace(twin, list(_mutable(twin))[at], change.node)
            add(change.says, twin)
    for axis in (0, 1):
        twin = copy.deepcopy(node)
        if _turn_axes(twin, axis) > 1:
            add(f"has axis {1 - axis} where axis {axis} is right, everywhere", twin, True)
    return list(found.values())


def _turn_axes(node: ast.FunctionDef, axis: int) -> int:
    """Take the other axis in every call, and keep it, which fits shapes; how many there are."""
    calls = 0
    for x in (x for x in _mutable(node) if isinstance(x, ast.Call)):
        for k in x.keywords:
            if k.arg == "axis" and isinstance(k.value, ast.Constant) and k.value.value == axis:
                k.value = ast.Constant(1 - axis)
                rest = [other for other in x.keywords if other.arg != "keepdims"]
                x.keywords = [*rest, ast.keyword("keepdims", ast.Constant(True))]
                calls += 1
                break
    return calls


def _mutable(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function in order, without annotations, docstrings and `while` loops, which
    might never end.
    """
    ahead: list[ast.AST] = [node]
    while ahead:
        x = ahead.pop()
        yield x
        if isinstance(x, (ast.While, ast.arguments, ast.Raise, ast.Assert)):
            continue
        ahead += [
            c for c in list(ast.iter_child_nodes(x))[::-1]
            if not (isinstance(c, ast.Expr) and isinstance(c.value, ast.Constant))
        ]  # fmt: skip


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
                return
            if isinstance(value, list) and any(v is old for v in value):
                value[:] = [new if v is old else v for v in value]
                return


def _text(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if len(text) <= LONG else f"{text[:LONG]} ..."


def _changes(x: ast.AST) -> Iterator[_Change]:
    if isinstance(x, ast.BinOp):
        yield from _of_two(x)
    elif isinstance(x, ast.UnaryOp) and isinstance(x.op, ast.USub):
        if not isinstance(x.operand, ast.Constant):
            yield _Change(f"lacks the minus sign of {_text(x)}", x.operand)
    elif isinstance(x, ast.Compare) and len(x.ops) == 1 and type(x.ops[0]) in COMPARED:
        sign, others = COMPARED[type(x.ops[0])]
        for other in others:
            says = f"has {COMPARED[other][0]} where {sign} is right in {_text(x)}"
            yield _Change(says, ast.Compare(x.left, [other()], x.comparators))
    elif isinstance(x, ast.Call):
        yield from _of_call(x)
    elif isinstance(x, ast.Attribute) and x.attr == "T" and isinstance(x.ctx, ast.Load):
        yield _Change(f"has {_text(x.value)} where {_text(x)} is right", x.value)
    elif isinstance(x, ast.Expr):
        yield from _of_adding(x.value)
    elif isinstance(x, ast.Subscript) and isinstance(x.slice, ast.Tuple):
        if (turned := _turned(x.slice)) is not None:
            says = f"has {_text(turned)} where {_text(x.slice)} is right in {_text(x)}"
            yield _Change(says, ast.Subscript(x.value, turned, x.ctx))
    elif isinstance(x, ast.AugAssign):
        new = ast.Assign([x.target], x.value)
        ast.copy_location(new, x)
        yield _Change(f"overwrites {_text(x.target)} where it is added to: = for +=", new)


def _of_two(x: ast.BinOp) -> Iterator[_Change]:
    left, right, whole = _text(x.left), _text(x.right), _text(x)
    kind = type(x.op)
    if kind in OTHER_SIGN:
        other = OTHER_SIGN[kind]
        says = f"has {SIGNS[other]} where {SIGNS[kind]} is right in {whole}"
        yield _Change(says, ast.BinOp(x.left, other(), x.right))
    if kind in (ast.Add, ast.Sub):
        yield _Change(f"lacks the term {right} in {whole}", x.left)
        rest = x.right if kind is ast.Add else ast.UnaryOp(ast.USub(), x.right)
        yield _Change(f"lacks the term {left} in {whole}", rest)
    elif kind is ast.Mult:
        yield _Change(f"lacks the factor {right} in {whole}", x.left)
        yield _Change(f"lacks the factor {left} in {whole}", x.right)
    elif kind is ast.Div:
        yield _Change(f"lacks the division by {right} in {whole}", x.left)
    elif kind is ast.Pow:
        yield _Change(f"has {left} where {whole} is right", x.left)
    elif kind is ast.MatMult:
        yield from _of_product(x, x.left, x.right, lambda a, b: ast.BinOp(a, ast.MatMult(), b))


def _of_product(
    x: ast.expr, a: ast.expr, b: ast.expr, product: Callable[[ast.expr, ast.expr], ast.expr]
) -> Iterator[_Change]:
    """Slips of a matrix product."""

    def turned(y: ast.expr) -> ast.expr:
        if isinstance(y, ast.Attribute) and y.attr == "T":
            return y.value
        return ast.Attribute(y, "T", ast.Load())

    for says, new in (
        (f"has the factors of {_text(x)} in the other order", product(b, a)),
        (f"has {_text(turned(a))} where {_text(a)} is right", product(turned(a), b)),
        (f"has {_text(turned(b))} where {_text(b)} is right", product(a, turned(b))),
        (f"has the elementwise product where {_text(x)} is right", ast.BinOp(a, ast.Mult(), b)),
    ):
        yield _Change(says, new)


def _turned(x: ast.expr) -> ast.Tuple | None:
    """Two names in the other order: C[t, p] for C[p, t]."""
    names = [i.id for i in x.elts if isinstance(i, ast.Name)] if isinstance(x, ast.Tuple) else []
    if len(names) == 2 == len(set(names)) and ast.unparse(x) == f"({', '.join(names)})":
        return ast.Tuple([ast.Name(n, ast.Load()) for n in names[::-1]], ast.Load())
    return None


def _of_adding(x: ast.expr) -> Iterator[_Change]:
    """Slips of `np.add.at(C, positions, terms)`."""
    if not (isinstance(x, ast.Call) and ast.unparse(x.func) == "np.add.at" and len(x.args) == 3):
        return
    array, positions, terms = x.args
    place = ast.Subscript(array, positions, ast.Store())
    yield _Change(
        f"adds once where positions are repeated: {_text(place)} += for {_text(x)}",
        ast.AugAssign(place, ast.Add(), terms),
    )
    yield _Change(
        f"overwrites {_text(place)} where it is added to", ast.Assign([place], terms, lineno=0)
    )
    if (turned := _turned(positions)) is not None:
        says = f"has {_text(turned)} where {_text(positions)} is right in {_text(x)}"
        yield _Change(says, ast.Expr(ast.Call(x.func, [array, turned, terms], [])))


def _of_spread(x: ast.Call, whole: str) -> Iterator[_Change]:
    """The divisors n and n − 1 of a variance."""
    rest = [k for k in x.keywords if k.arg != "ddof"]
    if len(rest) < len(x.keywords):
        yield _Change(f"has ddof=0 in {whole}: it is divided by n", ast.Call(x.func, x.args, rest))
    else:
        one = ast.keyword("ddof", ast.Constant(1))
        says = f"has ddof=1 in {whole}: it is divided by n − 1"
        yield _Change(says, ast.Call(x.func, x.args, [*rest, one]))


def _of_call(x: ast.Call) -> Iterator[_Change]:
    name = x.func.attr if isinstance(x.func, ast.Attribute) else ""
    whole = _text(x)
    if name in ("dot", "matmul") and len(x.args) == 2:
        a, b = x.args
        yield from _of_product(x, a, b, lambda p, q: ast.Call(x.func, [p, q], []))
    if name in UNARY and len(x.args) == 1:
        yield _Change(f"has {_text(x.args[0])} where {whole} is right", x.args[0])
    if name in ("std", "var"):
        yield from _of_spread(x, whole)
    if name in OTHER_FUNCTION and isinstance(x.func, ast.Attribute):
        other = ast.Attribute(x.func.value, OTHER_FUNCTION[name], ast.Load())
        says = f"has {OTHER_FUNCTION[name]} where {name} is right in {whole}"
        yield _Change(says, ast.Call(other, x.args, x.keywords))
    if isinstance(x.func, ast.Name) and x.func.id == "range" and x.args:
        end = 0 if len(x.args) == 1 else 1
        args = [*x.args]
        args[end] = ast.BinOp(args[end], ast.Sub(), ast.Constant(1))
        yield _Change(f"ends the loop over {whole} one step too early", ast.Call(x.func, args, []))
    for n, keyword in enumerate(x.keywords):
        rest = [k for m, k in enumerate(x.keywords) if m != n]
        value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
        if keyword.arg == "axis":
            yield _Change(f"has no axis in {whole}", ast.Call(x.func, x.args, rest))
            if value in (0, 1):
                others = [ast.keyword("axis", ast.Constant(1 - value)), *rest]
                says = f"has axis {1 - value} where axis {value} is right in {whole}"
                yield _Change(says, ast.Call(x.func, x.args, others))
        elif keyword.arg == "keepdims" and value is True:
            yield _Change(f"lacks keepdims=True in {whole}", ast.Call(x.func, x.args, rest))
