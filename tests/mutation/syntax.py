"""Faults in source: every way to change one place of a function that the tables below know.

A mutation is compiled from the function's own syntax tree, and planted by giving the live function
the mutated code; so whoever holds the function runs the fault, and nothing is imported twice.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from types import CodeType, FunctionType
from typing import Any

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.Lt),
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.Gt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip

OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Pow: ast.Mult, ast.Mod: ast.Add,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip

NAMES = {
    "sin": "cos", "cos": "sin", "sinh": "cosh", "cosh": "sinh", "exp": "expm1", "log": "log1p",
    "sum": "mean", "mean": "sum", "zeros_like": "ones_like", "ones_like": "zeros_like",
    "max": "min", "min": "max", "sqrt": "square", "any": "all", "all": "any",
}  # fmt: skip

SYMMETRIC = {"max", "min", "maximum", "minimum", "broadcast_shapes"}

TERMS, FACTORS = (ast.Add, ast.Sub), (ast.Mult, ast.Div, ast.Pow, ast.FloorDiv, ast.Mod)


@dataclass(frozen=True)
class Change:
    """One place of a function changed: what kind of fault, how the source reads, the code."""

    kind: str
    reads: str
    compiled: Callable[[], CodeType] = field(repr=False)


@dataclass(frozen=True)
class _Site:
    """A node of the tree and where it hangs: `parent.slot`, or `parent.slot[place]`."""

    node: ast.AST
    parent: ast.AST
    slot: str
    place: int | None

    def put(self, node: ast.AST) -> None:
        if self.place is None:
            setattr(self.parent, self.slot, node)
        else:
            getattr(self.parent, self.slot)[self.place] = node


def changes(function: FunctionType, extra: tuple[str, ...] = ()) -> Iterator[Change]:
    """Every single change of a function; `extra` names what it might have asked for as well."""
    tree = tree_of(function)
    named = [a.arg for a in (*tree.args.posonlyargs, *tree.args.args)]
    extra = tuple(name for name in extra if name not in named)
    seen: dict[tuple[str, str], int] = {}
    for site in list(_sites(tree)):
        for kind, node, asks in _variants(site, named, extra):
            if ast.dump(node) == ast.dump(site.node):
                continue
            reads = f"{_written(site, site.node)} → {_written(site, node)}"
            nth = seen[kind, reads] = seen.get((kind, reads), 0) + 1
            reads += f" ({nth})" if nth > 1 else ""
            yield Change(kind, reads, _Compile(function, tree, site, node, asks))


@dataclass(frozen=True)
class _Compile:
    function: FunctionType
    tree: Any
    site: _Site
    node: ast.AST
    asks: str | None

    def __call__(self) -> CodeType:
        arguments = self.tree.args.args
        if self.asks:
            arguments.append(ast.arg(self.asks))
        self.site.put(self.node)
        try:
            return code_of(self.tree, self.function.__code__.co_filename)
        finally:
            self.site.put(self.site.node)
            if self.asks:
                arguments.pop()


def code_of(tree: Any, path: str) -> CodeType:
    """A function's syntax tree compiled."""
    name, mode = ("<lambda>", "eval") if isinstance(tree, ast.Lambda) else (tree.name, "exec")
    whole = ast.Expression(tree) if mode == "eval" else ast.Module([tree], [])
    made = compile(ast.fix_missing_locations(whole), path, mode, dont_inherit=True)
    return next(c for c in made.co_consts if isinstance(c, CodeType) and c.co_name == name)


@cache
def _functions_in(path: str) -> dict[tuple[Any, ...], Any]:
    with open(path, encoding="utf-8") as file:
        nodes = ast.walk(ast.parse(file.read()))
    trees = (n for n in nodes if isinstance(n, (ast.Lambda, ast.FunctionDef)))
    return {_at(code_of(tree, path)): tree for tree in trees}


def _at(code: CodeType) -> tuple[Any, ...]:
    # How a call compiles depends on what surrounds the function; from where to where it reaches
    # does not. A decorated function's first instruction stands at its decorator: left out.
    reach = [p for p in list(code.co_positions())[1:] if p[2] != p[3]]
    return (
        code.co_name,
        min((line, column) for line, _, column, _ in reach),
        max((line, column) for _, line, _, column in reach),
    )


def tree_of(function: FunctionType) -> Any:
    """The syntax tree of a live function."""
    path = inspect.getsourcefile(function)
    tree = _functions_in(path or "").get(_at(function.__code__))
    if tree is None:
        raise ValueError(f"{path}: no source of {function!r}; was the file edited while in use?")
    return tree


def _sites(tree: Any) -> Iterator[_Site]:
    """Every node of the body that a fault may sit in; messages and documentation have none."""
    stack: list[_Site] = []

    def below(node: ast.AST) -> list[_Site]:
        hang = []
        for slot, value in ast.iter_fields(node):
            if slot in ("annotation", "ctx", "ops", "op") or (node is tree and slot != "body"):
                continue
            for place, child in enumerate(value) if isinstance(value, list) else ((None, value),):
                if isinstance(child, ast.AST):
                    hang.append(_Site(child, node, slot, place))
        return hang[::-1]

    stack += below(tree)
    while stack:
        site = stack.pop()
        document = isinstance(site.node, ast.Expr) and isinstance(site.node.value, ast.Constant)
        if isinstance(site.node, (ast.Raise, ast.JoinedStr)) or document:
            continue
        # zip's strict= is an assertion of its own, not part of what is computed.
        if isinstance(site.node, ast.keyword) and site.node.arg == "strict":
            continue
        yield site
        if not _is_negative_number(site.node):  # which is one number
            stack += below(site.node)


def _is_negative_number(node: ast.AST) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)


def _written(site: _Site, node: ast.AST) -> str:
    """The place as source, with what surrounds a bare name or number."""
    bare = isinstance(site.node, (ast.Constant, ast.Name)) or _is_negative_number(site.node)
    if bare and not isinstance(site.parent, (ast.Lambda, ast.stmt)):
        site.put(node)
        try:
            return _line(site.parent)
        finally:
            site.put(site.node)
    return _line(node)


def _line(node: ast.AST) -> str:
    if isinstance(node, (ast.If, ast.While)):
        node = ast.fix_missing_locations(type(node)(node.test, [ast.Expr(ast.Constant(...))], []))
    return " ".join(ast.unparse(ast.fix_missing_locations(node)).split())


Variant = tuple[str, ast.AST, str | None]


def _variants(site: _Site, named: list[str], extra: tuple[str, ...]) -> Iterator[Variant]:
    node = site.node
    match node:
        case ast.BinOp(left, op, right):
            if isinstance(op, TERMS):
                minus = ast.UnaryOp(ast.USub(), right) if isinstance(op, ast.Sub) else right
                yield "term dropped", left, None
                yield "term dropped", minus, None
            elif isinstance(op, FACTORS):
                one = ast.BinOp(ast.Constant(1), op, right) if isinstance(op, ast.Div) else right
                yield "factor dropped", left, None
                yield "factor dropped", one, None
            else:
                yield "operand dropped", left, None
                yield "operand dropped", right, None
            if (other := OPERATORS.get(type(op))) is not None:
                kind = "sign changed" if isinstance(op, TERMS) else "operator changed"
                yield kind, ast.BinOp(left, other(), right), None
        case ast.Compare(left, [op], right):
            for instead in COMPARISONS.get(type(op), ()):
                yield "comparison changed", ast.Compare(left, [instead()], right), None
        case ast.BoolOp(op, values):
            other_op = ast.And() if isinstance(op, ast.Or) else ast.Or()
            yield "and/or changed", ast.BoolOp(other_op, values), None
            for k in range(len(values)):
                rest = values[:k] + values[k + 1 :]
                kept = rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
                yield "condition dropped", kept, None
        case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as value)):
            for instead_of in _constants(-value):
                yield "constant changed", ast.Constant(instead_of), None
        case ast.UnaryOp(_, operand):
            yield "sign or not dropped", operand, None
        case ast.Constant(None) if isinstance(site.parent, ast.Compare):
            pass  # `is None` has a fault of its own
        case ast.Constant(value):
            for instead_of in _constants(value):
                yield "constant changed", ast.Constant(instead_of), None
        case ast.Name(name, ast.Load()) if name in named:
            for other_name in (*named, *extra):
                if other_name != name:
                    asks = other_name if other_name not in named else None
                    yield "names swapped", ast.Name(other_name, ast.Load()), asks
        case ast.IfExp(test, body, orelse):
            yield "branches swapped", ast.IfExp(test, orelse, body), None
        case ast.Call():
            yield from _calls(node)
        case ast.Attribute(value, name, ctx) if name in NAMES:
            yield "function changed", ast.Attribute(value, NAMES[name], ctx), None
        case ast.Slice(lower, upper, step):
            for k, there in enumerate((lower, upper, step)):
                if there is not None:
                    wider = [None if j == k else p for j, p in enumerate((lower, upper, step))]
                    yield "slice widened", ast.Slice(*wider), None
        case ast.If(test) | ast.While(test):
            same = {k: v for k, v in ast.iter_fields(node) if k != "test"}
            opposite = ast.UnaryOp(ast.Not(), test)
            yield "condition negated", type(node)(test=opposite, **same), None
            yield "statement dropped", ast.Pass(), None
        case ast.Assign() | ast.AugAssign() | ast.Expr() | ast.Continue() | ast.Delete():
            yield "statement dropped", ast.Pass(), None
        case ast.comprehension(target, over, ifs, is_async) if ifs:
            yield "condition dropped", ast.comprehension(target, over, [], is_async), None
        case _:
            pass


def _constants(value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, float):
        return [value * 2]
    return [0] if value is None else []


def _calls(node: ast.Call) -> Iterator[Variant]:
    args = node.args
    keywords = node.keywords
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    starred = any(isinstance(a, ast.Starred) for a in args)
    if args and not starred:
        yield "call dropped", args[0], None
    if not starred and name not in SYMMETRIC:
        for k in range(len(args) - 1):
            turned = [*args[:k], args[k + 1], args[k], *args[k + 2 :]]
            yield "arguments swapped", ast.Call(node.func, turned, keywords), None
    for k in range(len(keywords)):
        if keywords[k].arg == "strict":
            continue
        fewer = keywords[:k] + keywords[k + 1 :]
        yield "option dropped", ast.Call(node.func, args, fewer), None
