"""Is the rule of an op the derivative of its forward? Element by element.

The rule is asked twice: in wide floats, where a mistake stands out from rounding, and in the
floats of the graph, as a backward pass asks it. The scale of rounding of each element of a
gradient is |J|ᵀ|g|, what it would be with every term made positive (Higham, Accuracy and
Stability of Numerical Algorithms, chapter 3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.check.faults import MISSING_RULE, WRONG_RULE, Broken, Trouble, Worst
from tinygrad_dnn.check.isolated_op import (
    LARGE,
    Alone,
    index_of_largest,
    is_float,
    manners_trouble,
    widened,
)
from tinygrad_dnn.check.numeric.derivative import EPS, NOTHING, WIDE, WIDE_EPS, Method, bits
from tinygrad_dnn.check.numeric.jacobian import Measured, Pulled, measured, summed_to

BOUND = 64.0  # rounding of a right rule, in units of eps · |J|ᵀ|g|
BLIND = 1e-5  # of that scale: what is measured no better says nothing about a rule
SCALES = 64.0  # an error in units of eps that is the same in two kinds of floats, to this factor
SMOOTH = 2.0**10  # how much larger the second step is that tells conditioning from a jump


class ArgumentCheck(NamedTuple):
    """The result of checking one argument of one op.

    Attributes:
        truth: the gradient for the true cotangent, measured; the rule's own answer where it could
            not be.
        carried: uncertainty of the cotangent -> that of the gradient.
        method: what it was measured with.
        kinks, unknown, decided: the elements on a corner, those that could not be measured, and
            those that were compared.
        trouble: what is wrong, if anything.
        wrong: a wrong answer, what was measured instead, the scale of rounding, and the cotangent,
            where all elements are known.
    """

    truth: Pulled
    carried: Callable[[Any], Any]
    method: Method | None
    kinks: int
    unknown: int
    decided: int
    trouble: Trouble | None
    wrong: tuple[Any, Any, Any, Any] | None = None


class Asked(NamedTuple):
    """An answer of a rule: to g, reading `saved`, with rounding of eps."""

    answer: Any
    g: Any
    saved: Sequence[Any]
    eps: float


def answers_of(alone: Alone, i: int, g: Any, truth: Any, plain: Any) -> tuple[list[Asked], Any]:
    """The rule's answers to g in the graph's floats (`plain`) and before that, if it can, in the
    widest; and what it gives for the true cotangent.
    """
    asked = [Asked(plain, g, alone.saved, max(EPS, float(np.finfo(plain.dtype).eps)))]
    wide_saved, wide_g = (alone.wide_z, *alone.wide), widened(g, alone.kind)
    try:
        wide = alone.rule(wide_g, wide_saved, i)
        answer = alone.rule(widened(truth, alone.kind), wide_saved, i)
    except Broken:  # made for the floats of the graph alone
        return asked, alone.rule(truth.astype(g.dtype), alone.saved, i)
    # A rule of float32 may say so: it need not be better than the graph that it is made for.
    own = float(np.finfo(wide.dtype).eps)
    eps = own if EPS < own <= float(np.finfo(alone.z.dtype).eps) else EPS
    return [Asked(wide, wide_g, wide_saved, eps), *asked], answer


def check_elements(
    alone: Alone, i: int, truth: Any, rng: np.random.Generator, elementwise: bool
) -> ArgumentCheck:
    """Check the rule of argument i, with a random cotangent and with the true one of the graph."""
    # What is not finite says nothing of the rest.
    g = np.where(np.isfinite(alone.wide_z), random_cotangent(alone.z, rng), 0).astype(alone.z.dtype)
    jacobian = _measure(alone, i, elementwise, left_out=_undefined(alone, i, g))
    at_random, at_truth = (jacobian.pull(widened(c, alone.kind)) for c in (g, truth))
    trouble: Trouble | None = None
    answer, wrong = None, None
    if alone.op.rule(i) is None:
        if not alone.stops:
            trouble = _compared(np.zeros(alone.wide[i].shape), at_random, EPS, MISSING_RULE)
    else:
        try:
            trouble, answer, wrong = _asked(alone, i, jacobian, g, truth, elementwise)
        except Broken as broken:
            trouble = broken.kind, broken.reason, None
    if answer is not None and np.any(at_truth.out):
        at_truth = at_truth._replace(value=np.where(at_truth.out, answer, at_truth.value))
    least = np.maximum(BLIND * at_random.size, NOTHING * at_random.reach)
    blind = ~at_random.out & (8 * at_random.uncertainty > least)
    blind |= bool(g.size and not np.any(g))
    if elementwise:  # of what is NaN nothing is known
        undefined = summed_to(blind.shape, np.where(np.isfinite(alone.wide_z), 0, 1)) > 0
        blind |= undefined & ~at_random.out
    return ArgumentCheck(
        at_truth,
        lambda doubt: jacobian.pull(doubt).size,
        Method(jacobian.method, bits(alone.kind)) if jacobian.method else None,
        int(np.count_nonzero(at_random.kinks)),
        int(np.count_nonzero(at_random.unknown | blind)),
        int(np.count_nonzero(~at_random.out & ~blind)),
        trouble,
        wrong,
    )


def random_cotangent(z: Any, rng: np.random.Generator) -> Any:
    """Numbers of size 0.5 to 1.5 and of either sign, in z's own floats."""
    signs = rng.choice([-1.0, 1.0], z.shape)
    return np.asarray(rng.uniform(0.5, 1.5, z.shape) * signs).astype(z.dtype)


def _undefined(alone: Alone, i: int, g: Any) -> Any:
    """Beside a result that is not finite: where the rule gives 0 · NaN, which says nothing."""
    if np.all(np.isfinite(alone.z)) or alone.op.rule(i) is None:
        return False
    try:
        return np.isnan(alone.rule(g, alone.saved, i))
    except Broken:  # reported when it is asked again
        return False


def _measure(
    alone: Alone, i: int, elementwise: bool, full: bool = False, left_out: Any = False
) -> Measured:
    f, x = alone.forward(i), alone.wide[i]
    return measured(
        f, x, analytic=alone.op.analytic, elementwise=elementwise, full=full, left_out=left_out
    )


def _asked(
    alone: Alone, i: int, jacobian: Measured, g: Any, truth: Any, elementwise: bool
) -> tuple[Trouble | None, Any, Any]:
    """Return the rule's trouble, if any, its answer to the true cotangent, and a wrong one."""
    plain = alone.rule(g, alone.saved, i)
    bad = manners_trouble(alone, i, g, plain)
    if bad is not None:
        return (*bad, None), None, None
    asked, answer = answers_of(alone, i, g, truth, plain)
    wide_g = widened(g, alone.kind)
    pulled = jacobian.pull(wide_g)
    if not any(np.any(_wrong(a.answer, pulled, a.eps)) for a in asked):
        return None, answer, None
    # Before anybody is accused: differences as far as they go, and how much the answer follows
    # the last bit of what the rule reads.
    again = _measure(alone, i, elementwise, plain.size <= LARGE, _undefined(alone, i, g))
    pulled = again.pull(wide_g)
    slacks = [conditioning(alone, a, i) for a in asked]
    found = [
        _compared(a.answer, pulled, a.eps, WRONG_RULE, slack)
        for a, slack in zip(asked, slacks, strict=True)
    ]
    if not any(found) or (len(asked) == 2 and _is_rounding(plain, asked[0].answer, pulled)):
        return None, answer, None
    # The worst element for the cotangent that the graph has there, if it shows.
    shown = again.pull(widened(truth, alone.kind))
    there = _compared(answer, shown, asked[0].eps, WRONG_RULE)
    k = next(k for k, t in enumerate(found) if t)
    given, right, c = (answer, shown, truth) if there else (asked[k].answer, pulled, g)
    wrong = None if np.any(right.out) else (given, right.value, right.size, c)
    return there or found[k], answer, wrong


def _is_rounding(plain: Any, wide: Any, pulled: Pulled) -> bool:
    """Whether the error of a rule shrinks as the floats become finer: a mistake would stay."""
    if np.finfo(plain.dtype).eps < WIDE_EPS * 16 or wide.dtype != WIDE:
        return False
    known = ~pulled.out & (pulled.size > 0)
    if not np.any(known):
        return False
    coarse, fine = (
        float(np.max(np.abs(gx - pulled.value)[known] / pulled.size[known]))
        / float(np.finfo(gx.dtype).eps)
        for gx in (plain, wide)
    )
    return is_of_rounding(coarse, fine)


def is_of_rounding(one: float, other: float) -> bool:
    """Whether two errors, each in units of its own eps, are alike."""
    return one < SCALES * other and other < SCALES * one


def _tolerance(pulled: Pulled, eps: float, floor: float) -> Any:
    return BOUND * eps * pulled.size + 8 * pulled.uncertainty + floor


def _wrong(gx: Any, pulled: Pulled, eps: float, slack: Any = 0.0) -> Any:
    """Where gx is not the measured gradient."""
    floor = 16 * max(float(np.finfo(gx.dtype).tiny), float(np.finfo(float).tiny))
    apart = np.abs(gx - pulled.value)
    fits = np.abs(pulled.value) <= np.finfo(gx.dtype).max
    return fits & ~pulled.out & ~(apart <= _tolerance(pulled, eps, floor) + slack)


def _compared(gx: Any, pulled: Pulled, eps: float, kind: str, slack: Any = 0.0) -> Trouble | None:
    wrong = _wrong(gx, pulled, eps, slack)
    if not np.any(wrong):
        return None
    apart = np.where(wrong, np.abs(gx - pulled.value), -1)
    at = index_of_largest(np.where(np.isnan(apart), np.inf, apart))
    worst = Worst(at, float(gx[at]), float(pulled.value[at]), float(pulled.uncertainty[at]))
    words = "is missing, although the result follows it" if kind == MISSING_RULE else "is wrong"
    return kind, words, worst


def conditioning(alone: Alone, asked: Asked, i: int) -> Any:
    """How far the answer moves when all that the rule reads moves by its last bit.

    Only as far as it does so in proportion: where a larger step moves it no further, the answer
    jumps (a comparison turns), and that is no rounding.
    """
    here, g, saved, eps = asked
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
            apart.append(np.abs(alone.rule(np.asarray(g2), saved2, i) - here).astype(float))
        moved = np.maximum(moved, np.where(apart[1] >= SMOOTH / 16 * apart[0], apart[0], 0))
    return BOUND * moved
