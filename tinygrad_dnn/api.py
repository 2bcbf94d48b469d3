"""The public names, gathered from their modules; `tinygrad_dnn` hands them out on first use.

Checkers and compiler are opened when one of them is asked for: whoever only computes does without.
"""

import importlib
import inspect
import typing

from tinygrad_dnn import ops
from tinygrad_dnn.autodiff.black_box import custom_vjp
from tinygrad_dnn.autodiff.checkpoint import checkpoint, remat
from tinygrad_dnn.autodiff.debug import NonFiniteError, debug
from tinygrad_dnn.autodiff.jacobians import hessian, jacobian
from tinygrad_dnn.autodiff.per_example import per_example_gradients
from tinygrad_dnn.autodiff.pytree import ravel_tree
from tinygrad_dnn.autodiff.reverse import FreedGraphError, StaleValueError
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.autodiff.transforms import (
    grad,
    gradients,
    hvp,
    jvp,
    linearize,
    value_and_grad,
    vjp,
)
from tinygrad_dnn.graph import Graph, Leaf, Node, no_grad, scope
from tinygrad_dnn.ops import *

if typing.TYPE_CHECKING:
    from tinygrad_dnn.check import (
        GradientReport,
        assert_gradients,
        check_gradients,
        check_vjp,
    )
    from tinygrad_dnn.compiler import Compiled, RecordingError, SaturationWarning, compile
    from tinygrad_dnn.loops.loop import Loop
    from tinygrad_dnn.loops.loop_compiler import compile_loop

_LATER = dict.fromkeys(
    ("GradientReport", "assert_gradients", "check_gradients", "check_vjp"), "tinygrad_dnn.check"
)
_LATER |= dict.fromkeys(
    ("Compiled", "RecordingError", "SaturationWarning", "compile"), "tinygrad_dnn.compiler"
)
_LATER |= {"Loop": "tinygrad_dnn.loops.loop", "compile_loop": "tinygrad_dnn.loops.loop_compiler"}

__all__ = [
    "Compiled",
    "FreedGraphError",
    "GradientReport",
    "Graph",
    "Leaf",
    "Loop",
    "Node",
    "NonFiniteError",
    "RecordingError",
    "SaturationWarning",
    "StaleValueError",
    "Tensor",
    "assert_gradients",
    "check_gradients",
    "check_vjp",
    "checkpoint",
    "compile",
    "compile_loop",
    "custom_vjp",
    "debug",
    "grad",
    "gradients",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "linearize",
    "no_grad",
    "per_example_gradients",
    "ravel_tree",
    "remat",
    "scope",
    "value_and_grad",
    "vjp",
]
__all__ += ops.__all__
# Importable by name, but no star takes Python's own away.
_PYTHONS = frozenset(("abs", "compile", "divmod", "max", "min", "round", "sum"))
__all__ = [name for name in __all__ if name not in _PYTHONS]


def __getattr__(name: str) -> typing.Any:
    if name not in _LATER:
        raise AttributeError(name)
    globals()[name] = found = getattr(importlib.import_module(_LATER[name]), name)
    return found


def __dir__() -> list[str]:
    public = (n for n, x in globals().items() if not (n.startswith("_") or inspect.ismodule(x)))
    return sorted({*public, *_LATER})
