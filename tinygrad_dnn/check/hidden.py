"""Dependencies that were never recorded, found without a derivative.

If a graph holds all that a result depends on, then replaying it with other values at its leaves
gives what the function itself gives for these values: to the last bits, and however badly the whole
is conditioned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.check.alone import widened
from tinygrad_dnn.check.columns import FEW, measured
from tinygrad_dnn.check.measured import WIDE, Method, bits
from tinygrad_dnn.check.recorded import Call, Inputs, called, seed_for, values_of

SHARE = 1e-6  # of the change of a result that a hidden way must at least carry
ROUNDING = 64.0


class Hidden(NamedTuple):
    """A variable on which the result depends in a way that the graph does not hold.

    Attributes:
        name: of the variable.
        moved: how much the function's result moved along a random direction, per unit of it.
        recorded: how much that of the recorded graph did.
    """

    name: str
    moved: float
    recorded: float


def hidden(f: Callable[..., Any], inputs: Inputs, call: Call, seed: int) -> list[Hidden]:
    """Every variable with a dependency that was never recorded."""
    rng = np.random.default_rng(seed)
    plain = [v.value for v in inputs.variables]
    moved = [_moved(x, rng) for x in plain]
    if not _apart(f, inputs, call, moved):
        return []
    found = []
    for k, variable in enumerate(inputs.variables):
        values = [*plain[:k], moved[k], *plain[k + 1 :]]
        told = _apart(f, inputs, call, values)
        if told is not None:
            size = float(np.linalg.norm((moved[k] - plain[k]).ravel())) or 1.0
            found.append(Hidden(variable.name, told[0] / size, told[1] / size))
    return found


def _moved(x: Any, rng: np.random.Generator) -> Any:
    """x moved by about a millionth of itself."""
    size = np.where(np.isfinite(x) & (x != 0), np.abs(x), 1)
    step = max(2.0**-20, 64 * float(np.finfo(x.dtype).eps))
    return (x + (step * size * rng.uniform(0.5, 1.5, x.shape)).astype(x.dtype)).astype(x.dtype)


def _apart(
    f: Callable[..., Any], inputs: Inputs, call: Call, values: Any
) -> tuple[float, float] | None:
    """How far the function and its recorded graph moved, if they came apart."""
    there = called(f, inputs, values)
    leaves = {t.node: x for t, x in zip(call.variables, values, strict=True)}
    again = values_of(call.graph, leaves)
    if len(there.outputs) != len(call.outputs):
        return None
    for was, now in zip(call.outputs, there.outputs, strict=True):
        y0, y1, replayed = was.numpy(), now.numpy(), again[was.node]
        if y1.shape != y0.shape:
            return None
        finite = np.isfinite(y0) & np.isfinite(y1) & np.isfinite(replayed)
        apart = np.where(finite, np.abs(y1 - replayed), 0)
        change = np.where(finite, np.abs(y1 - y0), 0)
        eps = float(np.finfo(y0.dtype).eps)
        least = ROUNDING * eps * np.abs(np.where(finite, y0, 0)) + SHARE * change
        if np.any(apart > least):
            at = np.unravel_index(int(np.argmax(apart - least)), apart.shape)
            return float((y1 - y0)[at]), float((replayed - y0)[at])
    return None


def end_to_end(f: Callable[..., Any], inputs: Inputs, name: str) -> tuple[Any, Any, Method] | None:
    """The gradient for one variable by differences of the function itself: value, uncertainty and
    method. None where there are too many elements, or the function does not take wide floats.
    """
    k = next(k for k, v in enumerate(inputs.variables) if v.name == name)
    values = [widened(v.value) for v in inputs.variables]
    if values[k].size > FEW:
        return None
    seeds = [seed_for(y) for y in called(f, inputs).outputs]

    def total(x: Any) -> Any:
        outputs = called(f, inputs, [*values[:k], x, *values[k + 1 :]]).outputs
        return sum(np.sum(g * y.numpy()) for g, y in zip(seeds, outputs, strict=True))

    try:
        slopes = measured(total, values[k], analytic=False, elementwise=False, full=False)
    except Exception:  # whatever a function that was not written for wide floats may raise
        return None
    pulled = slopes.pull(np.ones(()))
    how = Method(f"{slopes.method} of the whole function", bits(WIDE))
    return pulled.value, pulled.uncertainty, how
