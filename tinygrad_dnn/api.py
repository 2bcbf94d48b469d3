"""The public names, gathered from their rooms; `tinygrad_dnn` hands them out on first use.

The checkers are opened when one of them is asked for: whoever only computes does without.
"""

import importlib
import typing

from tinygrad_dnn import ops
from tinygrad_dnn.graph import Graph, Leaf, Node, no_grad, scope
from tinygrad_dnn.ops import *
from tinygrad_dnn.reverse import FreedGraphError, StaleValueError
from tinygrad_dnn.tensor import Tensor
from tinygrad_dnn.transforms import (
    custom_vjp,
    grad,
    gradients,
    hessian,
    hvp,
    jacobian,
    jvp,
    per_example_gradients,
    value_and_grad,
    vjp,
)
from tinygrad_dnn.watch import NonFiniteError, debug

if typing.TYPE_CHECKING:
    from tinygrad_dnn.check import (
        GradientReport,
        assert_gradients,
        check_gradients,
        check_vjp,
    )

_CHECKERS = ("GradientReport", "assert_gradients", "check_gradients", "check_vjp")

__all__ = [
    "FreedGraphError",
    "GradientReport",
    "Graph",
    "Leaf",
    "Node",
    "NonFiniteError",
    "StaleValueError",
    "Tensor",
    "assert_gradients",
    "check_gradients",
    "check_vjp",
    "custom_vjp",
    "debug",
    "grad",
    "gradients",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "no_grad",
    "per_example_gradients",
    "scope",
    "value_and_grad",
    "vjp",
]
__all__ += ops.__all__
# Importable by name, but no star takes Python's own away.
__all__.remove("abs")
__all__.remove("max")
__all__.remove("min")
__all__.remove("sum")


def __getattr__(name: str) -> typing.Any:
    if name not in _CHECKERS:
        raise AttributeError(name)
    globals()[name] = found = getattr(importlib.import_module("tinygrad_dnn.check"), name)
    return found
