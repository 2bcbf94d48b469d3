"""A computational-graph engine on NumPy: write an expression, get its gradients and its picture.

The names below live in `tinygrad_dnn.api` and are loaded on first use, so that the command line
answers `--help` before NumPy is imported.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinygrad_dnn.api import *

__version__ = "0.1.0"

__all__ = [
    "REGISTRY",
    "Case",
    "FreedGraphError",
    "Graph",
    "Leaf",
    "Node",
    "NonFiniteError",
    "Op",
    "StaleValueError",
    "Tensor",
    "absolute",
    "add",
    "arccos",
    "arcsin",
    "arctan",
    "arctan2",
    "argmax",
    "argmin",
    "astype",
    "broadcast_to",
    "ceil",
    "clip",
    "concatenate",
    "cos",
    "cosh",
    "cumsum",
    "custom_vjp",
    "debug",
    "divide",
    "dot",
    "einsum",
    "equal",
    "exp",
    "expand_dims",
    "expm1",
    "flip",
    "floor",
    "getitem",
    "grad",
    "gradients",
    "greater",
    "greater_equal",
    "hessian",
    "hvp",
    "identity",
    "isfinite",
    "isinf",
    "isnan",
    "jacobian",
    "jvp",
    "leaky_relu",
    "less",
    "less_equal",
    "log",
    "log1p",
    "log2",
    "log10",
    "log_sigmoid",
    "log_softmax",
    "logaddexp",
    "logical_and",
    "logical_not",
    "logical_or",
    "logsumexp",
    "matmul",
    "maximum",
    "mean",
    "minimum",
    "moveaxis",
    "multiply",
    "negative",
    "no_grad",
    "not_equal",
    "op",
    "outer",
    "pad",
    "per_example_gradients",
    "power",
    "prod",
    "ravel",
    "reciprocal",
    "relu",
    "repeat",
    "reshape",
    "roll",
    "scatter",
    "scope",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "softmax",
    "softplus",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "stop_gradient",
    "subtract",
    "swapaxes",
    "tan",
    "tanh",
    "tile",
    "trace",
    "transpose",
    "value_and_grad",
    "var",
    "vjp",
    "where",
]
_SHADOWING = ("abs", "max", "min", "sum")  # importable by name, but no star takes Python's own away


def __getattr__(name: str) -> Any:
    if name not in __all__ and name not in _SHADOWING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    api = import_module("tinygrad_dnn.api")
    globals().update({n: getattr(api, n) for n in (*__all__, *_SHADOWING)})
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SHADOWING})
