"""Which of our functions answers when NumPy's is called on a Tensor.

`np.exp(t)`, `np.sum(t, axis=0)` and `np.concatenate([t, u])` record the same nodes as our own. A
NumPy function that is not in these tables refuses, by name.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinygrad_dnn import ops
from tinygrad_dnn.autodiff import numpy_signatures
from tinygrad_dnn.autodiff.numpy_signatures import SIGNATURES
from tinygrad_dnn.autodiff.numpy_writers import WRITERS
from tinygrad_dnn.glossary import ARGUMENTS, NUMPY, UFUNC_METHODS, advice
from tinygrad_dnn.graph import NO_META
from tinygrad_dnn.ops import COMPOSED, REGISTRY, Composed, Op, reduction
from tinygrad_dnn.ops.compose import as_array, as_dtype
from tinygrad_dnn.ops.nested import tensors
from tinygrad_dnn.ops.numpy_functions.reductions import scanned

_OURS: dict[str, Any] = {name: getattr(ops, name) for name in ops.__all__} | dict(REGISTRY)
_OURS = {name: ours for name, ours in _OURS.items() if not isinstance(ours, Composed)}
del _OURS["identity"]  # NumPy's is a matrix

UFUNCS: dict[Any, Op | Composed] = {
    ufunc: op
    for name, op in REGISTRY.items()
    if isinstance(ufunc := getattr(np, name, None), np.ufunc)
}
UFUNCS |= {f.plain: f for f in COMPOSED.values() if isinstance(f.plain, np.ufunc)}

# `mask & t` with an array on the left is NumPy's; of truth values it is the logical function.
_OF_TRUTHS = {
    np.bitwise_and: ops.logical_and,
    np.bitwise_or: ops.logical_or,
    np.invert: ops.logical_not,
}

# The options of a ufunc that say nothing.
_DEFAULTS = {"where": True, "casting": "same_kind", "order": "K", "subok": True}

_ALIASES = {"amax": "max", "amin": "min", "concat": "concatenate", "permute_dims": "transpose"}


def _values(function: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's function applied to the plain values: its result has no gradient by nature."""

    def on_values(*args: Any, **kwargs: Any) -> Any:
        plain = [_plain(x) for x in args]
        return function(*plain, **{k: _plain(v) for k, v in kwargs.items()})

    return on_values


def _about(function: Callable[..., Any]) -> Callable[..., Any]:
    """NumPy's function of an array's shape and dtype alone: none of its values leaves the graph.

    Those of the others would, as the number that np.full_like fills in: what has a gradient is
    refused.
    """

    def on_arrays(x: Any, *args: Any, **kwargs: Any) -> Any:
        x = x._array if hasattr(type(x), "__record__") else x
        return function(x, *map(_constant, args), **{k: _constant(v) for k, v in kwargs.items()})

    return on_arrays


def _plain(x: Any) -> Any:
    """The values of a Tensor, and of those in lists and tuples: NumPy would call us again."""
    if isinstance(x, (list, tuple)) and tensors(x):
        return [_plain(y) for y in x] if isinstance(x, list) else tuple(_plain(y) for y in x)
    return x.numpy() if hasattr(type(x), "__record__") else x


def _constant(x: Any) -> Any:
    return np.asarray(x) if hasattr(type(x), "__record__") else x


def _is_truth(x: Any) -> bool:
    return bool(np.result_type(x.dtype if hasattr(x, "dtype") else x).kind == "b")


def _called_as(function: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    """Our function under NumPy's signature: its names of the arrays, its order of the settings, and
    those that we lack as long as they have their default (`out=None`).
    """
    if isinstance(ours, Op):
        n, places, names = len(ours.arrays), len(ours.positional), frozenset(ours.settings)
    else:
        n, places, names = 1, ours.__code__.co_argcount - 1, frozenset[str]()

    def call(*args: Any, **kwargs: Any) -> Any:
        if n <= len(args) <= n + places and names.issuperset(kwargs):
            return ours(*args, **kwargs)
        signature = _signature(function)
        if signature is None:
            return ours(*args, **kwargs)
        settings = dict(signature.bind(*args, **kwargs).arguments)
        arrays = [settings.pop(name) for name in [*settings][:n]]
        settings |= settings.pop("kwargs", {})
        for name, value in list(settings.items()):
            parameter = signature.parameters.get(name)
            if parameter is not None and _is_default(value, parameter.default):
                del settings[name]
        if "correction" in settings:
            settings["ddof"] = settings.pop("correction")
        return ours(*arrays, **settings)

    return call


@cache
def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    """NumPy's, looked up when it is needed: all of them would take long to import."""
    try:
        return inspect.signature(function)
    except ValueError:  # one in C that does not say
        return None


def _is_default(value: Any, default: Any) -> bool:
    return value is default or (isinstance(value, (str, bool)) and value == default)


# numpy.linalg has functions of the names of others whose matrices lie in the last two axes.


def _diagonal_of_matrices(x: Any, /, *, offset: int = 0) -> Any:
    return COMPOSED["diagonal"](x, offset, -2, -1)


def _trace_of_matrices(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return numpy_signatures.trace(x, offset, -2, -1, dtype)


def _outer_of_vectors(x1: Any, x2: Any, /) -> Any:
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ValueError(
            f"np.linalg.outer: expected two vectors, got {np.shape(x1)} and {np.shape(x2)}"
        )
    return ops.outer(x1, x2)


def _of_few(op: Op, whole: Composed) -> Callable[..., Any]:
    """The op where its own settings are all that is given, else the function with all of NumPy's.

    `np.sum(x, axis=0)` is the op `sum`; `np.sum(x, where=mask)` is composed of several.
    """
    settings = {*op.settings}

    def called(a: Any, *args: Any, **kwargs: Any) -> Any:
        if not args and kwargs.keys() <= settings and hasattr(type(a), "__record__"):
            return op(a, **kwargs)
        return whole(a, *args, **kwargs)

    return called


def _histogram(function: Callable[..., Any]) -> Callable[..., Any]:
    """The counts between edges that are given; edges made of the values would follow them."""
    name = function.__name__

    def counted(sample: Any, *args: Any, **kwargs: Any) -> Any:
        given = inspect.signature(function).bind(sample, *args, **kwargs).arguments
        bins = given.get("bins", 10)
        edges = bins if name != "histogram" and isinstance(bins, (list, tuple)) else [bins]
        if any(np.ndim(part) == 0 for part in edges):
            raise TypeError(
                f"np.{name}: expected edges as bins, such as np.linspace(0, 1, 11): those that "
                "NumPy makes of a Tensor's values would have no gradient; of those .data has them"
            )
        if any(getattr(x, "requires_grad", False) for x in (given.get("weights"), *edges)):
            raise TypeError(f"np.{name}: weights and edges that require a gradient have no rule")
        return _values(function)(sample, *args, **kwargs)

    return counted


def _bincount(x: Any, /, weights: Any = None, minlength: Any = 0) -> Any:
    if not getattr(weights, "requires_grad", False):
        return _values(np.bincount)(x, weights, minlength)
    x = np.asarray(_constant(x))
    n = len(np.bincount(x, minlength=minlength))  # refuses what can't be counted
    if x.shape != weights.shape:
        raise ValueError(f"bincount: expected a weight for each of {x.shape}, got {weights.shape}")
    return ops.scatter_add(ops.astype(weights, np.dtype(float)), x, shape=(n,))


# They answer with plain values: functions of shapes and dtypes, and those that look at the values.
_OF_SHAPES = (
    "shape", "ndim", "size", "zeros_like", "ones_like", "full_like", "empty_like", "iscomplexobj",
    "isrealobj",
)  # fmt: skip
_OF_VALUES = (
    "allclose", "array_equal", "array_equiv", "isclose", "argwhere",
    "nonzero", "flatnonzero", "count_nonzero", "any", "all", "searchsorted", "digitize",
    "bincount", "lexsort", "nanargmax", "nanargmin", "isneginf", "isposinf", "iscomplex",
    "isreal", "isin", "tril_indices_from", "triu_indices_from", "diag_indices_from",
    "array_repr", "array_str", "array2string", "result_type", "can_cast", "min_scalar_type",
    "common_type", "ix_", "isnat", "ravel_multi_index", "shares_memory", "may_share_memory",
)  # fmt: skip

# Those of them that answer with plain values.
HISTOGRAMS = (np.histogram, np.histogram2d, np.histogramdd)
VALUES = {getattr(np, name) for name in (*_OF_SHAPES, *_OF_VALUES)}
VALUES |= {np.linalg.matrix_rank, *HISTOGRAMS}
# They make arrays: `np.zeros(3, like=t)` is an array of the kind that t holds.
_CREATE = frozenset(
    getattr(np, name)
    for name in (
        "arange", "array", "asanyarray", "asarray", "ascontiguousarray", "asfortranarray", "empty",
        "eye", "full", "identity", "ones", "tri", "zeros",
    )
)  # fmt: skip

FUNCTIONS: dict[Any, Callable[..., Any]] = {
    function: _called_as(function, ours)
    for name, ours in _OURS.items()
    if callable(function := getattr(np, name, None)) and not isinstance(function, np.ufunc)
}
FUNCTIONS |= {
    getattr(np, alias): _called_as(getattr(np, alias), _OURS[name])
    for alias, name in _ALIASES.items()
}
FUNCTIONS |= {getattr(np, name): _about(getattr(np, name)) for name in _OF_SHAPES}
FUNCTIONS |= {getattr(np, name): _values(getattr(np, name)) for name in _OF_VALUES}
FUNCTIONS[np.linalg.matrix_rank] = _values(np.linalg.matrix_rank)
FUNCTIONS |= {np.where: numpy_signatures.where, np.einsum: numpy_signatures.einsum}
FUNCTIONS[sliding_window_view] = _called_as(sliding_window_view, ops.sliding_window_view)
FUNCTIONS |= {
    f.plain: _of_few(REGISTRY[f.name], f)
    if f.name in REGISTRY and f.plain is getattr(np, f.name, None)
    else f
    for f in COMPOSED.values()
    if f.plain not in UFUNCS and f.plain not in _CREATE
}
FUNCTIONS |= {
    getattr(np.linalg, name): _called_as(getattr(np.linalg, name), REGISTRY[name])
    for name in ("det", "inv", "matmul", "solve")
}
FUNCTIONS |= {
    getattr(np.linalg, name): COMPOSED[name] for name in ("cross", "matrix_transpose", "tensordot")
}
FUNCTIONS |= {
    np.linalg.diagonal: _diagonal_of_matrices,
    np.linalg.outer: _outer_of_vectors,
    np.linalg.trace: _trace_of_matrices,
    np.linalg.vecdot: COMPOSED["vecdot"],
}
FUNCTIONS |= {getattr(np, name): called for name, called in SIGNATURES.items()}
FUNCTIONS |= {np.concat: SIGNATURES["concatenate"], np.pad: numpy_signatures.pad}
FUNCTIONS |= {np.clip: numpy_signatures.clip, np.linalg.pinv: numpy_signatures.pinv}
FUNCTIONS |= WRITERS | {f: _histogram(f) for f in HISTOGRAMS} | {np.bincount: _bincount}

# By its own name an op hands over the settings of NumPy's that it lacks.
_WHOLE: dict[str, Callable[..., Any]] = {**COMPOSED, **SIGNATURES, "pinv": numpy_signatures.pinv}
for _name in _WHOLE.keys() & REGISTRY.keys():
    REGISTRY[_name].whole = _WHOLE[_name]


def _logaddexp_over(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log Σ exp over axes, −∞ of no elements."""
    if reduction.length(axis, np.shape(a)):
        return ops.logsumexp(a, axis, keepdims=keepdims)
    return np.sum(a, axis=axis, keepdims=keepdims) - np.inf


# The reduction and the running one that a ufunc's methods are; of the other ufuncs they refuse.
_REDUCED: dict[Any, Callable[..., Any]] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logaddexp: _logaddexp_over,
}

_RUNNING: dict[Any, Op] = {np.add: ops.cumsum, np.multiply: ops.cumprod}


def _method(ufunc: Any, method: str) -> Callable[..., Any]:
    """`np.add.reduce`, `np.add.accumulate`, `np.subtract.outer` on Tensors."""
    if method == "outer":
        return lambda a, b: ufunc(np.reshape(a, np.shape(a) + (1,) * np.ndim(b)), b)
    if ufunc in _REDUCED and method == "reduce":

        def reduce(
            a: Any, axis: Any = 0, dtype: Any = None, keepdims: bool = False, **more: Any
        ) -> Any:
            more |= {} if dtype is None else {"dtype": dtype}
            return _REDUCED[ufunc](a, axis=axis, keepdims=keepdims, **more)

        return reduce
    if ufunc in _REDUCED and method == "accumulate":

        def accumulate(a: Any, axis: Any = 0, dtype: Any = None) -> Any:
            if not np.ndim(a):
                raise TypeError(f"np.{ufunc.__name__}.accumulate: expected an axis, got a number")
            if axis is None and np.ndim(a) > 1:
                raise ValueError(f"np.{ufunc.__name__}.accumulate: expected one axis, got None")
            a = a if dtype is None else ops.astype(a, dtype)
            run = _RUNNING.get(ufunc)
            return scanned(ufunc, a, axis) if run is None else run(a, axis=axis)

        return accumulate
    raise TypeError(
        f"np.{ufunc.__name__}.{method} has no derivative rule{advice(UFUNC_METHODS, method)}"
    )


class NumpyProtocols:
    """The methods that NumPy calls when a Tensor is among its arguments."""

    __slots__ = ()
    __array_priority__ = 1000.0  # for old-style subclasses such as np.matrix

    __record__: Callable[[Op, Sequence[Any], Mapping[str, Any]], Any]
    _array: Any

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if kwargs.get("out") is not None:
            raise _unwritable(ufunc.__name__, method, inputs, **kwargs)
        if method != "__call__":
            return _method(ufunc, method)(*inputs, **kwargs)
        op: Op | Composed | None = UFUNCS.get(ufunc)
        if op is None and all(_is_truth(x) for x in inputs):
            op = _OF_TRUTHS.get(ufunc)
        if op is None:
            raise _no_rule(_module_of(ufunc), ufunc.__name__)
        options = {k: v for k, v in kwargs.items() if not _is_default(v, _DEFAULTS.get(k))}
        if ufunc is np.vecdot and options.keys() <= {"axis", "keepdims"}:
            return op(*inputs, **options)
        if options.keys() == {"dtype"}:  # in which NumPy computes
            dtype = np.dtype(options.pop("dtype"))
            inputs = tuple(as_dtype(as_array(x), dtype) for x in inputs)
        if options:
            hints = "".join(advice(ARGUMENTS, name) for name in options)
            raise TypeError(
                f"np.{ufunc.__name__}: {', '.join(options)} has no derivative rule{hints}"
            )
        if isinstance(op, Composed):
            return op(*inputs)
        return self.__record__(op, inputs, NO_META)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        ours = FUNCTIONS.get(func)
        if ours is None:
            if func in _CREATE:
                return func(*args, like=self._array, **kwargs)
            raise _no_rule(func.__module__, func.__name__)
        return ours(*args, **kwargs)


def _unwritable(
    name: str, method: str, inputs: Sequence[Any], out: Any, where: Any = True, **_: Any
) -> TypeError:
    """The refusal of a ufunc that would write a Tensor into an array."""
    called = name if method == "__call__" else f"{name}.{method}"
    call = f"np.{called}({', '.join('xyz'[: len(inputs)])})"
    if any(x is out[0] for x in inputs[:1]):
        instead = "(array += tensor); write array = array + tensor, or use tensor.data"
    elif where is True:
        instead = f"(out=); leave out= away: z = {call}"
    else:
        instead = f"(out=, where=); write z = np.where(where, {call}, out)"
    return TypeError(f"{name}: cannot write a Tensor into an array {instead}")


def _module_of(ufunc: Any) -> str:
    """Where a ufunc is from, which it does not say itself: NumPy's and SciPy's are known."""
    for module in ("numpy", "scipy.special"):
        if getattr(sys.modules.get(module), ufunc.__name__, None) is ufunc:
            return module
    return ""


def _no_rule(module: str, name: str) -> TypeError:
    """The refusal of a function of some module."""
    said = f"{module.replace('numpy', 'np')}.{name}".lstrip(".")
    inner = f"{module.removeprefix('numpy').removeprefix('.')}.{name}".lstrip(".")
    hint = advice(NUMPY, inner) or advice(NUMPY, name)
    if not hint and module.startswith("scipy") and isinstance(getattr(np, name, None), np.ufunc):
        hint = f"; instead: `np.{name}`"
    return TypeError(
        f"{said} has no derivative rule here{hint}; else write it with functions that have one, "
        "declare an op for it (tinygrad_dnn.op), or call it on .data for the values alone"
    )
