"""Dependencies that were never recorded, found without a derivative.

If a graph holds all that a result depends on, then replaying it with other values at its leaves
gives what the function itself gives for these values: to the last bits, and however badly the whole
is conditioned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.autodiff.evaluate import evaluate
from tinygrad_dnn.check.isolated_op import widened
from tinygrad_dnn.check.numeric.derivative import WIDE, Method, bits
from tinygrad_dnn.check.numeric.jacobian import FEW, measured
from tinygrad_dnn.check.traced_call import Call, Inputs, called, seed_for
from tinygrad_dnn.graph import Leaf, Node

SHARE = 1e-6  # of the change of a result that a hidden way must at least carry
ROUNDING = 64.0


class Hidden(NamedTuple):
    """A parameter on which the result depends in a way that the graph does not hold.

    Attributes:
        leaf: the parameter.
        moved: how much the function's result moved along a random direction, per unit of it.
        recorded: how much that of the recorded graph did.
    """

    leaf: Leaf
    moved: float
    recorded: float


def hidden(f: Callable[..., Any], inputs: Inputs, call: Call, seed: int) -> list[Hidden]:
    """Every parameter with a dependency that was never recorded."""
    rng = np.random.default_rng(seed)
    moved = {leaf: _moved(leaf.value, rng) for leaf in call.parameters}
    if _apart(f, inputs, call, moved) is None:
        return []
    found = []
    for leaf, x in moved.items():
        distances = _apart(f, inputs, call, {leaf: x})
        if distances is not None:
            size = float(np.linalg.norm((x - leaf.value).ravel())) or 1.0
            found.append(Hidden(leaf, distances[0] / size, distances[1] / size))
    return found


def _moved(x: Any, rng: np.random.Generator) -> Any:
    """x moved by about a millionth of itself."""
    size = np.where(np.isfinite(x) & (x != 0), np.abs(x), 1)
    step = max(2.0**-20, 64 * float(np.finfo(x.dtype).eps))
    way = rng.uniform(0.5, 1.5, x.shape) * rng.choice([-1.0, 1.0], x.shape)
    return (x + (step * size * way).astype(x.dtype)).astype(x.dtype)


@contextmanager
def _holding(values: Mapping[Leaf, Any]) -> Iterator[None]:
    """Tensors that a function closed over, with other values for a while."""
    held = [(leaf, leaf.tensor(), leaf.value, leaf.replaced) for leaf in values]
    try:
        for leaf, t, _, _ in held:
            if t is not None:
                t.data = values[leaf]
        yield
    finally:
        for leaf, t, value, replaced in held:
            if t is not None:
                t.data = value
                leaf.replaced = replaced  # nobody saw it


def _apart(
    f: Callable[..., Any], inputs: Inputs, call: Call, moved: Mapping[Leaf, Any]
) -> tuple[float, float] | None:
    """How far the function and its recorded graph moved, if they came apart."""
    own = {t.node for t in call.variables}
    values = [moved.get(t.node, t.node.value) for t in call.variables]
    with _holding({leaf: x for leaf, x in moved.items() if leaf not in own}):
        try:
            there = called(f, inputs, values)
        except Exception:  # the end of its domain; nothing is learned beyond it
            return None
    with np.errstate(all="ignore"):
        again = evaluate(call.graph, dict[Node, Any](moved.items()))
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


def end_to_end(f: Callable[..., Any], inputs: Inputs, k: int) -> tuple[Any, Any, Method] | None:
    """The gradient for variable k by differences of the function itself: value, uncertainty and
    method. None where there are too many elements, or the function does not take wide floats.
    """
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
