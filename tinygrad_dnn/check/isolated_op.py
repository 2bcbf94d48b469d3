"""One recorded op alone, at its recorded inputs: its forward and its rules, to be asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.autodiff.reverse import pulls_of
from tinygrad_dnn.check.faults import (
    FORWARD_VARIES,
    MUTATED,
    NOT_LINEAR,
    RAISED,
    RULE_VARIES,
    WRONG_SHAPE,
    Broken,
)
from tinygrad_dnn.check.numeric.derivative import WIDE
from tinygrad_dnn.check.numeric.jacobian import summed_to
from tinygrad_dnn.graph import Node

LARGE = 20_000  # numbers; a product of such matrices is computed in float64, which is fast


class Point(NamedTuple):
    """A recorded op and what it was applied to: plain arrays and constants, and its result."""

    node: Node
    arrays: Sequence[Any]
    z: Any


def is_float(x: Any) -> bool:
    """Whether x is an array of floats, or a NumPy float; Python's own stay Python's own."""
    return isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind == "f"


def widened(x: Any, kind: Any = WIDE) -> Any:
    """x in wide floats, a copy; what is no array of floats as it is."""
    return np.array(x, dtype=kind) if is_float(x) else x


class Alone:
    """An op at its recorded inputs, in wide floats where its forward takes them."""

    def __init__(self, point: Point, stops: bool = False) -> None:
        self.stops = stops  # the gradient is withheld on purpose
        self.node, self.arrays, self.z = point
        self.op, self.meta = self.node.op, self.node.meta
        self.saved = (self.z, *self.arrays)
        size = max(np.size(x) for x in self.saved)
        self.kind: Any = np.float64 if size > LARGE and not self.op.elementwise else WIDE
        try:
            self.wide_z = self._start()
        except Exception:  # a forward made for float64 alone, as most of np.linalg
            self.kind = np.float64
            self.wide_z = self._start()

    def _start(self) -> Any:
        self.wide = [widened(x, self.kind) for x in self.arrays]
        # A cast is a staircase; what is measured is the slope without its steps.
        self.smooth = {
            name: self.kind if name == "dtype" and np.dtype(value).kind == "f" else value
            for name, value in self.meta.items()
        }
        with np.errstate(all="ignore"):
            return np.array(self.op.forward(*self.wide, **self.smooth))

    def forward(self, i: int) -> Any:
        """The op as a function of its argument i alone."""
        before, after = self.wide[:i], self.wide[i + 1 :]

        def f(x: Any) -> Any:
            return self.op.forward(*before, x, *after, **self.smooth)

        return f

    def rule(self, g: Any, saved: Sequence[Any], i: int, fitted: Any = summed_to) -> Any:
        """Return what the rule of argument i gives for g, `fitted` to that argument's shape.

        Raises:
            Broken: it raises, changes what it was given, or gives another shape.
        """
        node, shape = self.node, self.node.inputs[i].shape
        held = [x.copy() if isinstance(x, np.ndarray) else x for x in (g, *saved)]
        try:
            with np.errstate(all="ignore"):
                given = tuple(held[1:])
                pulls = self.op.pulls
                if self.op.many:
                    pulls = pulls_of(self.op, held[0], given, node)
                gx = pulls[i](held[0], given, node, i)
        except Exception as error:
            if "read-only" in str(error):
                raise Broken(MUTATED, "changes what it is given, which others read too") from error
            raise Broken(RAISED, f"raises {type(error).__name__}: {error}") from error
        for was, now, name in zip((g, *saved), held, ("g", "z", *self.names()), strict=True):
            if not same(was, now):
                raise Broken(MUTATED, f"changes {name} in place, which others read as well")
        if gx is None:
            return np.zeros(shape, g.dtype)
        gx = np.asarray(gx)
        try:
            return fitted(shape, gx)
        except ValueError:
            raise Broken(
                WRONG_SHAPE, f"gives a gradient of shape {gx.shape} where the input has {shape}"
            ) from None

    def names(self) -> list[str]:
        """Return the op's names for its arguments."""
        op = self.op
        return [f"{op.arrays[0]}[{i}]" for i in range(len(self.arrays))] if op.many else op.arrays


def forward_trouble(point: Point) -> tuple[str, str] | None:
    """Whether an op's forward is a function of its arguments that leaves them alone."""
    node, arrays, z = point
    results = []
    for _ in range(2):
        held = [np.array(x) if isinstance(x, np.ndarray) else x for x in arrays]
        with np.errstate(all="ignore"):
            results.append(np.array(node.op.forward(*held, **node.meta)))
        if not all(same(x, y) for x, y in zip(arrays, held, strict=True)):
            return MUTATED, "changes its input in place"
    recorded = node.saved[0] if node.saved is not None else None
    for other in (results[1], z, recorded):
        if other is not None and not same(results[0], other):
            return FORWARD_VARIES, "gives other values when computed again from the same inputs"
    return None


def manners_trouble(alone: Alone, i: int, g: Any, answer: Any) -> tuple[str, str] | None:
    """Whether the rule of argument i, which gave `answer` for g, repeats itself and is linear.

    Raises:
        Broken: the rule raises, changes what it was given, or gives another shape.
    """
    if not same(answer, alone.rule(g, alone.saved, i)):
        return RULE_VARIES, "answers differently when asked the same twice"
    twice = alone.rule(-2 * g, alone.saved, i)
    apart = np.abs(twice + 2 * answer)
    least = 8 * np.finfo(answer.dtype).smallest_subnormal
    if np.all((apart <= least) | ~np.isfinite(answer)):
        return None
    at = index_of_largest(apart)
    example = f"it gives {answer[at]:.6g} at {list(at)} for g, but {twice[at]:.6g} for −2 g"
    return NOT_LINEAR, f"is not linear in g: {example}"


def same(x: Any, y: Any) -> bool:
    """Bit for bit, NaN included; what is no array is not looked at."""
    if not isinstance(x, np.ndarray):
        return True
    if x.shape == y.shape and bool((x == y).all()):
        return True
    return np.array_equal(x, y, equal_nan=x.dtype.kind == "f")


def index_of_largest(x: Any) -> tuple[int, ...]:
    """Where x is largest; a NaN counts for nothing."""
    flat = np.where(np.isnan(x), -1, x)
    return tuple(int(k) for k in np.unravel_index(int(np.argmax(flat)), np.shape(x)))
