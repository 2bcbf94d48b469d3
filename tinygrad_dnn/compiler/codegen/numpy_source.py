"""How an op is written as NumPy: read off the op's own forward, whose text is the program's.

An op whose forward is one NumPy call, `return np.sum(x, axis=axis, keepdims=keepdims)`, is written
as that call. What few NumPy calls lack, a place to write to, is spelled out in `writers`.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from keyword import iskeyword
from typing import Any

import numpy as np

from tinygrad_dnn.compiler.python_text import dtype_word

# NumPy's functions that take out= and are no ufuncs.
TAKE_OUT = frozenset(
    {
        "argmax", "argmin", "clip", "concatenate", "cumsum", "dot", "max", "mean", "min", "outer",
        "prod", "stack", "sum", "trace",
    }
)  # fmt: skip
# The same sums without the Python around them.
QUICK = {"sum": "add", "max": "maximum", "min": "minimum", "prod": "multiply"}


class Unspeakable(ValueError):
    """An op has no source that could be printed."""


class Forward:
    """The text of an op's forward.

    Attributes:
        expression, text: what it returns, if that is all it does; else None, nothing.
        source: the function's own text, without its decorators.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        try:
            text = textwrap.dedent(inspect.getsource(function))
            parsed = ast.parse(text).body[0]
        except (OSError, TypeError, SyntaxError, IndexError):
            parsed = None
        if not isinstance(parsed, ast.FunctionDef):
            raise Unspeakable(
                f"{function.__name__}: its forward is no function with a source text; write it "
                "with def, in a file"
            )
        parsed.decorator_list = []
        parsed.returns = None
        for argument in (n for n in ast.walk(parsed) if isinstance(n, ast.arg)):
            argument.annotation = None
        body = parsed.body
        if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body = body[1:]
        only = body[0] if len(body) == 1 else None
        self.expression = only.value if isinstance(only, ast.Return) else None
        self.text = "" if self.expression is None else ast.unparse(self.expression)
        self.definition = parsed


@cache
def forward_of(op: Any) -> Forward:
    """The text of an op's forward.

    Raises:
        Unspeakable: there is none.
    """
    return Forward(op.forward)


@cache
def function_text(function: Callable[..., Any]) -> tuple[str, tuple[str, ...]]:
    """A function's parameters, and the lines of its body."""
    written = Forward(function).definition
    lines = "\n".join(map(ast.unparse, written.body)).split("\n")
    return ast.unparse(written.args), tuple(lines)


def parsed(text: str) -> ast.expr:
    """An expression as a tree."""
    if text.isidentifier() and not iskeyword(text):
        return ast.Name(text, ast.Load())
    return ast.parse(text, mode="eval").body


def literal(value: Any) -> ast.expr:
    """A setting as it is written.

    Raises:
        Unspeakable: it has no short text.
    """
    if isinstance(value, tuple):
        return ast.Tuple([literal(v) for v in value], ast.Load())
    if isinstance(value, slice):
        parts = (None if v is None else literal(v) for v in (value.start, value.stop, value.step))
        return ast.Slice(*parts)
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return ast.Constant(dtype_word(np.dtype(value)))
    if isinstance(value, type) and value in (bool, int, float):
        return ast.Name(value.__name__, ast.Load())
    if isinstance(value, np.generic) and not isinstance(value, np.longdouble):
        return literal(value.item())
    if isinstance(value, (bool, int, float, str, type(None), type(...))):
        return number(value) if isinstance(value, (int, float)) else ast.Constant(value)
    raise Unspeakable(f"{value!r} has no text")


def settings(meta: Mapping[str, Any], array: Callable[[Any], str]) -> dict[str, str]:
    """Texts for the settings that hold arrays, such as positions; `array` names those."""
    found = {}
    for key, value in meta.items():
        if isinstance(value, np.ndarray):
            found[key] = array(value)
        elif isinstance(value, tuple) and any(isinstance(v, np.ndarray) for v in value):
            parts = [array(v) if isinstance(v, np.ndarray) else _index_part(v) for v in value]
            found[key] = f"({', '.join(parts)},)"
    return found


def _index_part(v: Any) -> str:
    if isinstance(v, slice):
        return f"slice({v.start}, {v.stop}, {v.step})"
    return "..." if v is Ellipsis else repr(v)


def number(value: Any) -> ast.expr:
    """A Python number, ∞ and NaN included."""
    if isinstance(value, float) and not np.isfinite(value):
        return parsed("np.nan" if np.isnan(value) else "np.inf" if value > 0 else "-np.inf")
    return parsed(repr(value))


class Written(ast.NodeTransformer):
    """An op's expression with operands in place of its arrays, and settings worked out."""

    def __init__(
        self,
        op: Any,
        operands: Sequence[ast.expr],
        meta: Mapping[str, Any],
        constants: Mapping[str, ast.expr],
    ) -> None:
        self.op, self.meta, self.constants = op, meta, constants
        self.operands: dict[str, ast.expr]
        if op.many:
            self.operands = {op.arrays[0]: ast.Tuple(list(operands), ast.Load())}
        else:
            self.operands = dict(zip(op.arrays, operands, strict=True))
        self.globals = op.forward.__globals__
        self.varying = frozenset({*self.operands, *constants, "np"})

    def visit(self, node: ast.AST) -> Any:
        """A part that reads no array is replaced by its value."""
        if isinstance(node, ast.Name) and node.id in self.constants:
            return self.constants[node.id]
        if isinstance(node, ast.expr) and self._settled(node):
            return literal(self._evaluated(node))
        if isinstance(node, ast.IfExp) and self._settled(node.test):
            return self.visit(node.body if self._evaluated(node.test) else node.orelse)
        if isinstance(node, ast.Name):
            if node.id in self.operands:
                return self.operands[node.id]
            if node.id != "np":
                raise Unspeakable(f"{self.op.name}: its forward reads {node.id}")
        return self.generic_visit(node)

    def _evaluated(self, node: ast.expr) -> Any:
        try:
            code = compile(ast.Expression(node), "<setting>", "eval")
            return eval(code, self.globals, dict(self.meta))
        except NameError as error:
            raise Unspeakable(f"{self.op.name}: its forward reads {error.name}") from None

    def _settled(self, node: ast.AST) -> bool:
        """Whether it is made of settings and Python's own names alone."""
        names = False
        for part in ast.walk(node):
            if isinstance(part, ast.Slice) or getattr(part, "id", None) in self.varying:
                return False
            names = names or isinstance(part, ast.Name)
        return names


def expression(
    op: Any,
    operands: Sequence[str],
    meta: Mapping[str, Any],
    constants: Mapping[str, str],
) -> ast.expr:
    """An op's forward as an expression of its operands.

    Args:
        constants: names that stand for settings without a text of their own, such as positions.

    Raises:
        Unspeakable: the forward is more than one expression, or reads what it does not get.
    """
    text = forward_of(op).text
    if not text:
        raise Unspeakable(f"{op.name}: its forward is more than one expression")
    fresh = ast.parse(text, mode="eval").body
    writer = Written(
        op,
        [parsed(x) for x in operands],
        meta,
        {k: parsed(v) for k, v in constants.items()},
    )
    written: ast.expr = writer.visit(fresh)
    return written


def numpy_call(written: ast.expr) -> str | None:
    """The function that an expression calls, if it is a call of NumPy's: `sum`."""
    if (
        isinstance(written, ast.Call)
        and isinstance(written.func, ast.Attribute)
        and isinstance(written.func.value, ast.Name)
        and written.func.value.id == "np"
    ):
        return written.func.attr
    return None


def _called(op: Any) -> tuple[str, ast.expr | None]:
    """NumPy's function that an op's forward is a call of, or "", and the forward as it is written;
    None where it is more than one expression.
    """
    try:
        found = forward_of(op).expression
    except Unspeakable:
        return "", None
    return "" if found is None else numpy_call(found) or "", found


@cache
def is_ufunc(op: Any) -> bool:
    """Whether an op's forward is one elementwise ufunc, which may write over its own inputs."""
    ufunc = getattr(np, _called(op)[0], None)
    return isinstance(ufunc, np.ufunc) and ufunc.signature is None


@cache
def fold_of(op: Any) -> str | None:
    """The ufunc whose `reduce` an op is, in parts or as a whole: add for a sum; None for others."""
    return QUICK.get(_called(op)[0]) if op.settings == ("axis", "keepdims") else None


@cache
def plain_call(op: Any) -> str | None:
    """NumPy's function where an op's forward is `np.add(x, y)` and no more, if it takes out=."""
    name, found = _called(op)
    if not isinstance(found, ast.Call) or found.keywords or name in QUICK:
        return None
    if not (name in TAKE_OUT or isinstance(getattr(np, name, None), np.ufunc)):
        return None
    names = [a.id if isinstance(a, ast.Name) else None for a in found.args]
    return name if names == [*op.arrays] and not op.many else None


def call(written: ast.expr, out: str, folds: frozenset[str]) -> str | None:
    """An expression as a call that writes into `out`; None where NumPy has none.

    Args:
        folds: the ufuncs that have `reduce`.
    """
    name = numpy_call(written)
    if name is None or not isinstance(written, ast.Call):
        return None
    if not (name in TAKE_OUT or isinstance(getattr(np, name, None), np.ufunc)):
        return None
    keywords = [_short(k) for k in written.keywords if not _usual(name, k)]
    positions, function = written.args, written.func
    if QUICK.get(name) in folds:
        function = parsed(f"np.{QUICK[name]}.reduce")
        if not any(k.arg == "axis" for k in keywords):
            keywords = [ast.keyword("axis", ast.Constant(None)), *keywords]
    keywords = [*keywords, ast.keyword("out", parsed(out))]
    return ast.unparse(ast.Call(function, positions, keywords))


def _short(k: ast.keyword) -> ast.keyword:
    """axis=1 for axis=(1,)."""
    one = k.arg == "axis" and isinstance(k.value, ast.Tuple) and len(k.value.elts) == 1
    return ast.keyword("axis", k.value.elts[0]) if one else k  # type: ignore[attr-defined]


def _usual(name: str, k: ast.keyword) -> bool:
    """Whether a setting is what the function does anyway."""
    value = k.value.value if isinstance(k.value, ast.Constant) else _usual
    return (k.arg == "keepdims" and value is False) or (
        k.arg == "axis" and value is None and name not in ("concatenate", "stack")
    )
