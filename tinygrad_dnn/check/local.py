"""One recorded op alone, at its recorded inputs: is its rule the derivative of its forward?

The rule is asked twice: in wide floats, where a mistake stands out from rounding, and in the
floats of the graph, as a backward pass asks it. Of each element of a gradient the scale of
rounding is |J|ᵀ|g|, what it would be with every term made positive (Higham, Accuracy and Stability of
Numerical Algorithms, chapter 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.check.columns import FEW, Measured, Pulled, measured, summed_to
from tinygrad_dnn.check.faults import (
    MISSING_RULE,
    MUTATED,
    NOT_LINEAR,
    RAISED,
    RULE_VARIES,
    WRONG_RULE,
    WRONG_SHAPE,
    Broken,
)
from tinygrad_dnn.check.measured import EPS, WIDE, WIDE_EPS
from tinygrad_dnn.graph import Node
from tinygrad_dnn.reverse import pulls_of

BOUND = 64.0  # rounding of a right rule, in units of eps · |J|ᵀ|g|
BLIND = 1e-5  # of that scale: what is measured no better says nothing about a rule
NOTHING = 1e-11  # of what a slope may be expected to be: less than that is 0
SCALES = 64.0  # an error in units of eps that is the same in two kinds of floats, to this factor
SMOOTH = 2.0**10  # how much larger the second step is that tells conditioning from a jump


class Point(NamedTuple):
    """A recorded op and what it was applied to: plain arrays and constants, and its result."""

    node: Node
    arrays: Sequence[Any]
    z: Any


class Told(NamedTuple):
    """What the check of one argument of one op came to.

    `truth` is the measured gradient for the true cotangent; `kinks` and `unknown` say which of its
    elements were left out, and have the rule's own answer; `trouble` is (kind, words, worst).
    """

    truth: Pulled
    measured: Measured
    kinks: int
    unknown: int
    decided: int
    trouble: tuple[str, str, Worst | None] | None


class Worst(NamedTuple):
    """An element of a gradient: where, what it is, and what it was measured to be."""

    element: tuple[int, ...]
    yours: float
    truth: float
    uncertainty: float


def is_float(x: Any) -> bool:
    """Whether x is an array of floats, or a NumPy float; Python's own stay Python's own."""
    return isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind == "f"


def widened(x: Any, kind: Any = WIDE) -> Any:
    """x in wide floats, a copy; what is no array of floats as it is."""
    return np.array(x, dtype=kind) if is_float(x) else x


class Local:
    """An op at its recorded inputs, in wide floats where its forward takes them."""

    def __init__(self, point: Point) -> None:
        self.node, self.arrays, self.z = point
        self.op, self.meta = self.node.op, self.node.meta
        self.saved = (self.z, *self.arrays)
        self.kind: Any = WIDE
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
        """What the rule of argument i gives for g, `fitted` to that argument's shape.

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
            raise Broken(RAISED, f"raises {type(error).__name__}: {error}") from error
        for was, now, name in zip((g, *saved), held, ("g", "z", *self.names()), strict=True):
            if isinstance(was, np.ndarray) and not np.array_equal(was, now, equal_nan=True):
                raise Broken(MUTATED, f"changes {name}, which others read as well")
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
        """What the op calls its arguments."""
        op = self.op
        return [f"{op.arrays[0]}[{i}]" for i in range(len(self.arrays))] if op.many else op.arrays

    def measure(self, i: int, full: bool = False) -> Measured:
        """∂z/∂x for argument i."""
        op = self.op
        return measured(
            self.forward(i),
            self.wide[i],
            analytic=op.analytic,
            elementwise=op.elementwise,
            full=full,
        )


def check_argument(local: Local, i: int, truth: Any, rng: np.random.Generator) -> Told:
    """Check the rule of argument i, with a random cotangent and with the true one of the graph."""
    node, z, op = local.node, local.z, local.op
    shape = node.inputs[i].shape
    random_g = (rng.uniform(0.5, 1.5, z.shape) * rng.choice([-1.0, 1.0], z.shape)).astype(z.dtype)
    jacobian = local.measure(i)
    pulled = [jacobian.pull(widened(g, local.kind)) for g in (random_g, truth)]
    trouble = None
    answer = None
    if not _has_rule(op, i):
        if not op.stops:
            trouble = _compared(np.zeros(shape), pulled[0], EPS, MISSING_RULE)
    else:
        try:
            trouble, answer = _asked(local, i, jacobian, random_g, truth)
        except Broken as broken:
            trouble = broken.kind, broken.reason, None
    out = pulled[1].out
    if answer is not None and np.any(out):
        value = np.where(out, answer, pulled[1].value)
        pulled[1] = pulled[1]._replace(value=value)
    blind = _blind(pulled[0])
    return Told(
        pulled[1],
        jacobian,
        int(np.count_nonzero(pulled[0].kinks)),
        int(np.count_nonzero(pulled[0].unknown | blind)),
        int(np.count_nonzero(~pulled[0].out & ~blind)),
        trouble,
    )


def _has_rule(op: Any, i: int) -> bool:
    return op.rule(i) is not None


def _blind(pulled: Pulled) -> Any:
    least = np.maximum(BLIND * pulled.size, NOTHING * pulled.reach)
    return ~pulled.out & (8 * pulled.uncertainty > least)


def _asked(local: Local, i: int, jacobian: Measured, random_g: Any, truth: Any) -> Any:
    """The rule's answers compared: (trouble or None, its answer to the true cotangent)."""
    saved = local.saved
    kind = local.z.dtype
    plain = local.rule(random_g, saved, i)
    again = local.rule(random_g, saved, i)
    if not np.array_equal(plain, again, equal_nan=True):
        return (RULE_VARIES, "answers differently when asked the same twice", None), None
    doubled = local.rule(-2 * random_g, saved, i)
    least = 8 * np.finfo(kind).smallest_subnormal
    if not np.all((np.abs(doubled + 2 * plain) <= least) | ~np.isfinite(plain)):
        at = _index(np.abs(doubled + 2 * plain))
        told = f"of −2 g is {doubled[at]:.6g}, but −2 times that of g is {-2 * plain[at]:.6g}"
        return (NOT_LINEAR, f"is not linear in g: element {list(at)} {told}", None), None
    trouble = None
    wide = None
    wide_saved = (local.wide_z, *local.wide)
    try:
        wide = local.rule(widened(random_g, local.kind), wide_saved, i)
        answer = local.rule(widened(truth, local.kind), wide_saved, i)
    except Broken:  # made for the floats of the graph alone
        answer = local.rule(truth.astype(kind), saved, i)
    asked = [(plain, random_g, saved, max(EPS, float(np.finfo(kind).eps)))]
    if wide is not None:
        asked.insert(0, (wide, widened(random_g, local.kind), wide_saved, EPS))
    if any(
        np.any(_wrong(gx, jacobian.pull(widened(g, local.kind)), eps)) for gx, g, _, eps in asked
    ):
        # Before anybody is accused: differences as far as they go, and how much the answer follows
        # the last bit of what the rule reads.
        pulled = local.measure(i, full=True).pull(widened(random_g, local.kind))
        slacks = [_conditioning(local, g, at, i, eps) for _, g, at, eps in asked]
        found = [
            _compared(gx, pulled, eps, WRONG_RULE, slack)
            for (gx, _, _, eps), slack in zip(asked, slacks, strict=True)
        ]
        if any(found) and not (wide is not None and _is_rounding(plain, wide, pulled)):
            trouble = next(t for t in found if t)
    return trouble, answer


def _is_rounding(plain: Any, wide: Any, pulled: Pulled) -> bool:
    """Whether the error of a rule shrinks as the floats become finer: a mistake would stay."""
    if WIDE_EPS * 16 > np.finfo(plain.dtype).eps or wide.dtype != WIDE:
        return False
    known = ~pulled.out & (pulled.size > 0)
    if not np.any(known):
        return False
    coarse, fine = (
        float(np.max(np.abs(gx - pulled.value)[known] / pulled.size[known]))
        / float(np.finfo(gx.dtype).eps)
        for gx in (plain, wide)
    )
    return bool(fine < SCALES * coarse and coarse < SCALES * fine)


def _tolerance(pulled: Pulled, eps: float, floor: float) -> Any:
    return BOUND * eps * pulled.size + 8 * pulled.uncertainty + floor


def _wrong(gx: Any, pulled: Pulled, eps: float, slack: Any = 0.0) -> Any:
    """Where gx is not the measured gradient."""
    floor = 16 * max(float(np.finfo(gx.dtype).tiny), float(np.finfo(float).tiny))
    apart = np.abs(gx - pulled.value)
    fits = np.abs(pulled.value) <= np.finfo(gx.dtype).max
    return fits & ~pulled.out & ~(apart <= _tolerance(pulled, eps, floor) + slack)


def _compared(gx: Any, pulled: Pulled, eps: float, kind: str, slack: Any = 0.0) -> Any:
    wrong = _wrong(gx, pulled, eps, slack)
    if not np.any(wrong):
        return None
    apart = np.where(wrong, np.abs(gx - pulled.value), -1)
    at = _index(np.where(np.isnan(apart), np.inf, apart))
    worst = Worst(at, float(gx[at]), float(pulled.value[at]), float(pulled.uncertainty[at]))
    return kind, f"{int(np.count_nonzero(wrong))}", worst


def _index(x: Any) -> tuple[int, ...]:
    return tuple(int(k) for k in np.unravel_index(int(np.nanargmax(x)), x.shape))


def _conditioning(local: Local, g: Any, saved: Sequence[Any], i: int, eps: float) -> Any:
    """How far the answer moves when all that the rule reads moves by its last bit.

    Only as far as it does so in proportion: where a larger step moves it no further, the answer
    jumps (a comparison turns), and that is no rounding.
    """
    here = local.rule(g, saved, i)
    moved = np.zeros(here.shape)
    rng = np.random.default_rng(0)
    for _ in range(4):
        signs = [rng.choice([-1.0, 1.0], np.shape(x)) for x in (g, *saved)]
        apart = []
        for step in (eps, eps * SMOOTH):
            g2, *saved2 = (
                (x * (1 + step * s).astype(x.dtype)) if is_float(x) else x
                for x, s in zip((g, *saved), signs, strict=True)
            )
            apart.append(np.abs(local.rule(np.asarray(g2), saved2, i) - here).astype(float))
        moved = np.maximum(moved, np.where(apart[1] >= SMOOTH / 16 * apart[0], apart[0], 0))
    return BOUND * moved
