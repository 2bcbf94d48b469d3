"""The table of ops in ONNX: a row per op, from a recorded node to ONNX's own.

A row is a function (g, node, xs) -> the name of the result; `xs` are the names of the inputs, and g
writes: `g("Mul", x, y)` adds a node and gives the name of what it makes, `g.constant(array)` a
constant. An op without a row that is a composite is written as what it is composed of; any other is
refused, with the reason that stands in `WITHOUT` where ONNX itself is the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinygrad_dnn.graph import Node
from tinygrad_dnn.ops.contraction import einsum_terms


class Missing(Exception):
    """Why a node can't be written in ONNX."""


class Writer(Protocol):
    """What a row writes with, see `onnx_graph`."""

    def __call__(self, kind: str, *xs: str, **attributes: Any) -> str:
        """Add a node of this kind; the name of its result."""

    def constant(self, value: Any) -> str:
        """An array that the file holds; its name."""

    def cast(self, x: str, dtype: Any) -> str:
        """The same numbers in another dtype."""

    def fixed(self, node: Node, what: str) -> None:
        """Refuse where this node's sizes depend on the free axis."""

    def varies(self, x: Any, axis: int) -> bool:
        """Whether an input's length along an axis stays free."""


Row = Callable[[Writer, Node, Sequence[str]], str]


def _same(kind: str) -> Row:
    """An op that ONNX has under another name; its inputs are cast to the dtype of the result."""
    return lambda g, node, xs: g(kind, *(g.cast(x, node.dtype) for x in xs))


def _compares(kind: str) -> Row:
    """A comparison, of inputs in the dtype that NumPy compares them in."""

    def row(g: Writer, node: Node, xs: Sequence[str]) -> str:
        values = [x if isinstance(x, (bool, int, float)) else _dtype(x) for x in node.inputs]
        common = np.result_type(*values)
        if common.kind == "b" and kind != "Equal":
            common = np.dtype(np.int32)
        return g(kind, *(g.cast(x, common) for x in xs))

    return row


def _dtype(x: Any) -> Any:
    return x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype


def _logical(kind: str) -> Row:
    return lambda g, node, xs: g(kind, *(g.cast(x, bool) for x in xs))


def _not(row: Row) -> Row:
    return lambda g, node, xs: g("Not", row(g, node, xs))


def _tests(kind: str) -> Row:
    """A question that ONNX asks of floats alone."""

    def row(g: Writer, node: Node, xs: Sequence[str]) -> str:
        dtype = _dtype(node.inputs[0])
        return g(kind, g.cast(xs[0], dtype if dtype.kind == "f" else np.float32))

    return row


def _isfinite(g: Writer, node: Node, xs: Sequence[str]) -> str:
    return g("Not", g("Or", _tests("IsNaN")(g, node, xs), _tests("IsInf")(g, node, xs)))


def _ints(g: Writer, values: Any) -> str:
    return g.constant(np.asarray(values, dtype=np.int64).reshape(-1))


def _like(g: Writer, node: Node, value: float) -> str:
    return g.constant(np.asarray(value, dtype=node.dtype))


def _shape(x: Any) -> tuple[int, ...]:
    return tuple(getattr(x, "shape", ()))


def _axes(node: Node, ndim: int) -> list[int]:
    axis = node.meta.get("axis")
    if axis is None:
        return list(range(ndim))
    return [a % ndim for a in (axis if isinstance(axis, (tuple, list)) else (axis,))]


def _reduces(kind: str) -> Row:
    def row(g: Writer, node: Node, xs: Sequence[str]) -> str:
        x = g.cast(xs[0], node.dtype)
        axes = _axes(node, len(_shape(node.inputs[0])))
        if not axes:
            return g("Identity", x)
        return g(kind, x, _ints(g, axes), keepdims=int(bool(node.meta.get("keepdims"))))

    return row


def _variance(g: Writer, node: Node, xs: Sequence[str]) -> str:
    """mean (x − mean x)²; with n / (n − ddof) where degrees of freedom are taken off."""
    shape = _shape(node.inputs[0])
    x, axes = g.cast(xs[0], node.dtype), _axes(node, len(shape))
    if not axes:
        return g("Sub", x, x)
    middle = g("ReduceMean", x, _ints(g, axes), keepdims=1)
    away, keep = g("Sub", x, middle), int(bool(node.meta.get("keepdims")))
    found = g("ReduceMean", g("Mul", away, away), _ints(g, axes), keepdims=keep)
    if ddof := node.meta.get("ddof", 0):
        g.fixed(node, f"ddof={ddof}")
        n = int(np.prod([shape[a] for a in axes]))
        found = g("Mul", found, _like(g, node, n / (n - ddof)))
    return found


def _deviation(g: Writer, node: Node, xs: Sequence[str]) -> str:
    return g("Sqrt", _variance(g, node, xs))


def _position_of(kind: str) -> Row:
    """ArgMax, ArgMin; over all elements where there is no axis."""

    def row(g: Writer, node: Node, xs: Sequence[str]) -> str:
        axis, keep = node.meta.get("axis"), bool(node.meta.get("keepdims"))
        ndim = len(_shape(node.inputs[0]))
        if axis is not None and ndim:
            return g(kind, xs[0], axis=int(axis) % ndim, keepdims=int(keep))
        found = g(kind, g("Reshape", xs[0], _ints(g, [-1])), axis=0, keepdims=0)
        return g("Reshape", found, _ints(g, [1] * ndim)) if keep and ndim else found

    return row


def _along(kind: str) -> Row:
    """An op along one axis that keeps the shape."""

    def row(g: Writer, node: Node, xs: Sequence[str]) -> str:
        axis = node.meta.get("axis", -1)
        ndim = len(_shape(node.inputs[0]))
        if not isinstance(axis, int) or not ndim:
            raise Missing(f"ONNX's {kind} takes one axis, not {axis!r} of {ndim} dimensions")
        return g(kind, xs[0], axis=axis % ndim)

    return row


def _log_base(base: float) -> Row:
    """log x / log base."""
    return lambda g, node, xs: g(
        "Div", g("Log", g.cast(xs[0], node.dtype)), _like(g, node, np.log(base))
    )


def _log1p(g: Writer, node: Node, xs: Sequence[str]) -> str:
    """x log u / (u − 1) with u = 1 + x, and x where u is 1 (W. Kahan)."""
    x, one = g.cast(xs[0], node.dtype), _like(g, node, 1.0)
    u = g("Add", x, one)
    is_one = g("Equal", u, one)
    divisor = g("Where", is_one, one, g("Sub", u, one))
    return g("Where", is_one, x, g("Mul", g("Log", u), g("Div", x, divisor)))


def _expm1(g: Writer, node: Node, xs: Sequence[str]) -> str:
    """2 tanh(x/2) / (1 − tanh(x/2)) near 0, where eˣ − 1 would cancel."""
    x, one = g.cast(xs[0], node.dtype), _like(g, node, 1.0)
    small = g("Less", g("Abs", x), _like(g, node, 0.5))
    t = g("Tanh", g("Mul", g("Where", small, x, _like(g, node, 0.0)), _like(g, node, 0.5)))
    near = g("Div", g("Mul", t, _like(g, node, 2.0)), g("Sub", one, t))
    return g("Where", small, near, g("Sub", g("Exp", x), one))


def _exp2(g: Writer, node: Node, xs: Sequence[str]) -> str:
    """2ˣ."""
    return g("Pow", _like(g, node, 2.0), g.cast(xs[0], node.dtype))


def _fmod(g: Writer, node: Node, xs: Sequence[str]) -> str:
    """The remainder with the sign of x."""
    return g("Mod", *(g.cast(x, node.dtype) for x in xs), fmod=1)


def _square(g: Writer, node: Node, xs: Sequence[str]) -> str:
    return g("Mul", xs[0], xs[0])


def _logaddexp(g: Writer, node: Node, xs: Sequence[str]) -> str:
    """max(x, y) + log(1 + exp(−|x − y|))."""
    x, y = (g.cast(z, node.dtype) for z in xs)
    return g("Add", g("Max", x, y), g("Softplus", g("Neg", g("Abs", g("Sub", x, y)))))


def _hypot(g: Writer, node: Node, xs: Sequence[str]) -> str:
    """√(x² + y²) as M √(1 + (m/M)²), M the larger size: no square overflows."""
    x, y = (g("Abs", g.cast(z, node.dtype)) for z in xs)
    larger, zero, one = g("Max", x, y), _like(g, node, 0.0), _like(g, node, 1.0)
    share = g("Div", g("Min", x, y), g("Where", g("Equal", larger, zero), one, larger))
    return g("Mul", larger, g("Sqrt", g("Add", one, g("Mul", share, share))))


def _where(g: Writer, node: Node, xs: Sequence[str]) -> str:
    condition, x, y = xs
    return g("Where", g.cast(condition, bool), g.cast(x, node.dtype), g.cast(y, node.dtype))


def _log_sigmoid(g: Writer, node: Node, xs: Sequence[str]) -> str:
    """log σ(x) = −log(1 + e⁻ˣ)."""
    return g("Neg", g("Softplus", g("Neg", g.cast(xs[0], node.dtype))))


def _leaky_relu(g: Writer, node: Node, xs: Sequence[str]) -> str:
    """x where it is above 0, else slope x; the slope of ONNX's LeakyRelu is a float32."""
    x = g.cast(xs[0], node.dtype)
    below = g("Mul", x, _like(g, node, node.meta.get("slope", 0.01)))
    return g("Where", g("Greater", x, _like(g, node, 0.0)), x, below)


def _clip(g: Writer, node: Node, xs: Sequence[str]) -> str:
    x, low, high = (g.cast(z, node.dtype) for z in xs)
    return g("Min", g("Max", x, low), high)


def _dot(g: Writer, node: Node, xs: Sequence[str]) -> str:
    """Σ over the last axis of x and the last but one of y; a product where one is a scalar."""
    x, y = (g.cast(z, node.dtype) for z in xs)
    p, q = (len(_shape(z)) for z in node.inputs)
    if not p or not q:
        return g("Mul", x, y)
    if p <= 2 and q <= 2:
        return g("MatMul", x, y)
    first = [chr(97 + i) for i in range(p)]
    second = [chr(65 + i) for i in range(q)]
    second[-2 if q > 1 else -1] = first[-1]
    made = [*first[:-1], *(c for c in second if c != first[-1])]
    return g("Einsum", x, y, equation=f"{''.join(first)},{''.join(second)}->{''.join(made)}")


def _outer(g: Writer, node: Node, xs: Sequence[str]) -> str:
    x, y = (g.cast(z, node.dtype) for z in xs)
    column = g("Reshape", x, _ints(g, [-1, 1]))
    return g("Mul", column, g("Reshape", y, _ints(g, [1, -1])))


def _einsum(g: Writer, node: Node, xs: Sequence[str]) -> str:
    """ONNX wants every axis named where the operands' "..." stand for different numbers of them."""
    terms, result = einsum_terms(node.meta["subscripts"], tuple(map(_shape, node.inputs)))
    if any(len({*term}) < len(term) for term in terms):
        raise Missing("ONNX Runtime takes no diagonal in an einsum; use np.trace or np.diagonal")
    equation = f"{','.join(terms)}->{result}"
    return g("Einsum", *(g.cast(x, node.dtype) for x in xs), equation=equation)


def _reshape(g: Writer, node: Node, xs: Sequence[str]) -> str:
    return g("Reshape", xs[0], _ints(g, _target(g, node)))


def _target(g: Writer, node: Node) -> list[int]:
    """The target of a reshape, with -1 where it was asked for: that size may then vary."""
    shape = node.meta.get("shape", node.shape)
    sizes = [shape] if isinstance(shape, int) else list(shape)
    if -1 not in sizes:
        g.fixed(node, f"shape {tuple(sizes)}; write -1 for that axis")
    return sizes


def _transpose(g: Writer, node: Node, xs: Sequence[str]) -> str:
    ndim = len(node.shape)
    axes = node.meta.get("axes")
    order = range(ndim)[::-1] if axes is None else [a % ndim for a in axes]
    return g("Transpose", xs[0], perm=list(order)) if ndim else g("Identity", xs[0])


def _swapaxes(g: Writer, node: Node, xs: Sequence[str]) -> str:
    order = list(range(len(node.shape)))
    one, other = node.meta["axis1"], node.meta["axis2"]
    order[one], order[other] = order[other], order[one]
    return g("Transpose", xs[0], perm=order)


def _expand_dims(g: Writer, node: Node, xs: Sequence[str]) -> str:
    axis = node.meta["axis"]
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    return g("Unsqueeze", xs[0], _ints(g, [a % len(node.shape) for a in axes]))


def _squeeze(g: Writer, node: Node, xs: Sequence[str]) -> str:
    shape = _shape(node.inputs[0])
    ones = [i for i, n in enumerate(shape) if n == 1]
    axes = ones if node.meta.get("axis") is None else _axes(node, len(shape))
    return g("Squeeze", xs[0], _ints(g, axes)) if axes else g("Identity", xs[0])


def _broadcast_to(g: Writer, node: Node, xs: Sequence[str]) -> str:
    g.fixed(node, f"shape {node.shape}")
    return g("Expand", xs[0], _ints(g, node.shape))


def _concatenate(g: Writer, node: Node, xs: Sequence[str]) -> str:
    axis, parts = node.meta.get("axis", 0), [g.cast(x, node.dtype) for x in xs]
    if axis is None:
        parts, axis = [g("Reshape", x, _ints(g, [-1])) for x in parts], 0
    return g("Concat", *parts, axis=axis % len(node.shape))


def _stack(g: Writer, node: Node, xs: Sequence[str]) -> str:
    axis = node.meta.get("axis", 0) % len(node.shape)
    parts = [g("Unsqueeze", g.cast(x, node.dtype), _ints(g, [axis])) for x in xs]
    return g("Concat", *parts, axis=axis)


def _cumsum(g: Writer, node: Node, xs: Sequence[str]) -> str:
    x, axis = g.cast(xs[0], node.dtype), node.meta.get("axis")
    if axis is None:
        x, axis = g("Reshape", x, _ints(g, [-1])), 0
    return g("CumSum", x, g.constant(np.int64(axis % len(node.shape))))


def _pad(g: Writer, node: Node, xs: Sequence[str]) -> str:
    if node.meta.get("mode", "constant") != "constant":
        raise Missing("only constants are padded with")
    widths = np.broadcast_to(np.asarray(node.meta["pad_width"]), (len(node.shape), 2))
    constants = np.unique(node.meta.get("constant_values", 0))
    if constants.size != 1:
        raise Missing("ONNX pads with one number on all sides")
    value = _like(g, node, constants[0])
    return g("Pad", xs[0], _ints(g, widths.T), value)


def _tile(g: Writer, node: Node, xs: Sequence[str]) -> str:
    reps = np.atleast_1d(node.meta["reps"])
    shape = _shape(node.inputs[0])
    ndim = max(len(shape), len(reps))
    x = g("Unsqueeze", xs[0], _ints(g, range(ndim - len(shape)))) if ndim > len(shape) else xs[0]
    return g("Tile", x, _ints(g, [*[1] * (ndim - len(reps)), *reps]))


def _take(g: Writer, node: Node, xs: Sequence[str]) -> str:
    axis = node.meta.get("axis")
    x = g("Reshape", xs[0], _ints(g, [-1])) if axis is None else xs[0]
    ndim = len(_shape(node.inputs[0]))
    return g("Gather", x, g.cast(xs[1], np.int64), axis=0 if axis is None else axis % ndim)


def _moves(places: Callable[[Any, Mapping[str, Any]], Any]) -> Row:
    """An op that only moves elements: which of them, found by moving their numbers, is constant."""

    def row(g: Writer, node: Node, xs: Sequence[str]) -> str:
        g.fixed(node, "fixed places")
        shape = _shape(node.inputs[0])
        at = places(np.arange(int(np.prod(shape))).reshape(shape), node.meta)
        taken = g("Gather", g("Reshape", xs[0], _ints(g, [-1])), _ints(g, at), axis=0)
        return g("Reshape", taken, _ints(g, np.shape(at)))

    return row


def _windows(g: Writer, node: Node, xs: Sequence[str]) -> str:
    """Along each axis all places in windows; the axis of the window is moved to the end."""
    z, lengths = xs[0], [*_shape(node.inputs[0])]
    rank = len(lengths)
    for done, (a, k) in enumerate(zip(_axes(node, rank), node.shape[rank:], strict=True)):
        if g.varies(node.inputs[0], a):
            raise Missing("windows along it would fix the size that shall stay free")
        z = g("Gather", z, g.constant(sliding_window_view(np.arange(lengths[a]), k)), axis=a)
        lengths[a] -= k - 1
        order = [i for i in range(rank + done + 1) if i != a + 1]
        z = g("Transpose", z, perm=[*order, a + 1])
    return z


def _trace(g: Writer, node: Node, xs: Sequence[str]) -> str:
    shape, meta = _shape(node.inputs[0]), node.meta
    g.fixed(node, "fixed places")
    at = np.diagonal(np.arange(int(np.prod(shape))).reshape(shape), **meta)
    taken = g("Gather", g("Reshape", xs[0], _ints(g, [-1])), _ints(g, at), axis=0)
    return g("ReduceSum", g("Reshape", taken, _ints(g, at.shape)), _ints(g, [-1]), keepdims=0)


def _written(g: Writer, node: Node, base: str, new: str, index: Any, adds: bool) -> str:
    """`base` with `new` written, or added, where the index points to."""
    g.fixed(node, "fixed places")
    at = np.arange(int(np.prod(node.shape))).reshape(node.shape)[index]
    if not adds:  # of places named twice NumPy keeps the last; ONNX says nothing
        _, last = np.unique(at.reshape(-1)[::-1], return_index=True)
        keep = np.sort(at.size - 1 - last)
        new = g("Gather", new, _ints(g, keep), axis=0)
        at = at.reshape(-1)[keep]
    flat = g("Reshape", base, _ints(g, [-1]))
    how = {"reduction": "add"} if adds else {}
    done = g("ScatterElements", flat, _ints(g, at), new, axis=0, **how)
    return g("Reshape", done, _ints(g, node.shape))


def _scatter(g: Writer, node: Node, xs: Sequence[str]) -> str:
    zeros = g.constant(np.zeros(node.shape, dtype=node.dtype))
    new = g("Reshape", g.cast(xs[0], node.dtype), _ints(g, [-1]))
    return _written(g, node, zeros, new, node.meta["index"], adds=True)


def _setitem(g: Writer, node: Node, xs: Sequence[str]) -> str:
    index = node.meta["index"]
    g.fixed(node, "fixed places")
    # NumPy lets go of leading axes of length 1 here, and the rest broadcasts.
    shape = np.empty(node.shape, dtype=bool)[index].shape
    own = _shape(node.inputs[1])
    kept = own[len(own) - min(len(own), len(shape)) :]
    new = g("Reshape", g.cast(xs[1], node.dtype), _ints(g, kept))
    new = g("Reshape", g("Expand", new, _ints(g, shape)), _ints(g, [-1]))
    return _written(g, node, g.cast(xs[0], node.dtype), new, index, adds=False)


ROWS: Mapping[str, Row] = MappingProxyType({
    # one number at a time
    "absolute": _same("Abs"), "negative": _same("Neg"), "sign": _same("Sign"),
    "reciprocal": _same("Reciprocal"), "square": _square, "sqrt": _same("Sqrt"),
    "exp": _same("Exp"), "exp2": _exp2, "log": _same("Log"), "expm1": _expm1, "log1p": _log1p,
    "log2": _log_base(2.0), "log10": _log_base(10.0),
    "sin": _same("Sin"), "cos": _same("Cos"), "tan": _same("Tan"),
    "arcsin": _same("Asin"), "arccos": _same("Acos"), "arctan": _same("Atan"),
    "sinh": _same("Sinh"), "cosh": _same("Cosh"), "tanh": _same("Tanh"),
    "arcsinh": _same("Asinh"), "arccosh": _same("Acosh"), "arctanh": _same("Atanh"),
    "floor": _same("Floor"), "ceil": _same("Ceil"), "rint": _same("Round"),
    "relu": _same("Relu"), "leaky_relu": _leaky_relu, "sigmoid": _same("Sigmoid"),
    "softplus": _same("Softplus"), "log_sigmoid": _log_sigmoid,
    "identity": _same("Identity"), "stop_gradient": _same("Identity"),
    "astype": _same("Identity"),
    # two numbers, and tests
    "add": _same("Add"), "subtract": _same("Sub"), "multiply": _same("Mul"),
    "divide": _same("Div"), "power": _same("Pow"), "maximum": _same("Max"),
    "minimum": _same("Min"), "clip": _clip, "hypot": _hypot, "logaddexp": _logaddexp,
    "fmod": _fmod,
    "equal": _compares("Equal"), "not_equal": _not(_compares("Equal")),
    "less": _compares("Less"), "less_equal": _compares("LessOrEqual"),
    "greater": _compares("Greater"), "greater_equal": _compares("GreaterOrEqual"),
    "logical_and": _logical("And"), "logical_or": _logical("Or"), "logical_not": _logical("Not"),
    "isnan": _tests("IsNaN"), "isinf": _tests("IsInf"), "isfinite": _isfinite, "where": _where,
    # products
    "matmul": _same("MatMul"), "dot": _dot, "outer": _outer, "einsum": _einsum, "contract": _einsum,
    "det": _same("Det"),
    # along axes
    "sum": _reduces("ReduceSum"), "prod": _reduces("ReduceProd"), "mean": _reduces("ReduceMean"),
    "var": _variance, "std": _deviation, "max": _reduces("ReduceMax"), "min": _reduces("ReduceMin"),
    "argmax": _position_of("ArgMax"), "argmin": _position_of("ArgMin"),
    "softmax": _along("Softmax"), "log_softmax": _along("LogSoftmax"), "cumsum": _cumsum,
    # shapes and places
    "reshape": _reshape, "transpose": _transpose, "swapaxes": _swapaxes,
    "expand_dims": _expand_dims, "squeeze": _squeeze, "broadcast_to": _broadcast_to,
    "concatenate": _concatenate, "stack": _stack, "tile": _tile, "pad": _pad, "take": _take,
    "getitem": _moves(lambda at, meta: at[meta["index"]]),
    "flip": _moves(lambda at, meta: np.flip(at, meta.get("axis"))),
    "sliding_window_view": _windows,
    "roll": _moves(lambda at, meta: np.roll(at, meta["shift"], meta.get("axis"))),
    "repeat": _moves(lambda at, meta: np.repeat(at, meta["repeats"], meta.get("axis"))),
    "trace": _trace, "scatter": _scatter, "setitem": _setitem,
})  # fmt: skip

NO_ROW = "there is no row for it in export/onnx_ops.py"
WITHOUT: Mapping[str, str] = MappingProxyType({
    "arctan2": "ONNX has no arctan of two arguments",
    "overlap_add": "its windows would be numbered one by one",
    "scatter_add": "its places are numbers that are known only when it runs, of any count",
})  # fmt: skip
