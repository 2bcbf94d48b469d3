"""Is the rule of an op the derivative of its forward, where there are too many elements for each?

Along random directions first; only where these tell of a mistake the worst element is sought.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor, pull
from tinygrad_dnn.check.faults import MISSING_RULE, WRONG_RULE, Broken, Trouble, Worst
from tinygrad_dnn.check.isolated_op import (
    Alone,
    index_of_largest,
    is_float,
    manners_trouble,
    widened,
)
from tinygrad_dnn.check.numeric.derivative import COMPLEX_STEP, EPS, Method, bits, steps_of
from tinygrad_dnn.check.numeric.directional import Along, along, halves, search
from tinygrad_dnn.check.numeric.jacobian import FEW, Pulled
from tinygrad_dnn.check.rule_elementwise import (
    BOUND,
    ArgumentCheck,
    Asked,
    answers_of,
    check_elements,
    conditioning,
    is_of_rounding,
    random_cotangent,
)
from tinygrad_dnn.graph import mode

PROBES = 8  # cotangents in the search for the worst element
CLOSE = 1e-11  # of the terms of a sum: what a right gradient is off along a direction


def check_argument(alone: Alone, i: int, truth: Any, rng: np.random.Generator) -> ArgumentCheck:
    """Check the rule of argument i: every element of it if that can be done, else directions."""
    x, op = alone.wide[i], alone.op
    if op.elementwise and _is_diagonal(alone, i, rng):
        return check_elements(alone, i, truth, rng, elementwise=True)
    if x.size <= FEW:
        return check_elements(alone, i, truth, rng, elementwise=False)
    if _fits(x.shape, alone.z.shape) and not op.elementwise and _is_diagonal(alone, i, rng):
        return check_elements(alone, i, truth, rng, elementwise=True)
    return _check_directions(alone, i, truth, rng)


def _fits(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Whether an array of the one shape broadcasts to the other."""
    try:
        return np.broadcast_shapes(small, large) == large
    except ValueError:
        return False


def _is_diagonal(alone: Alone, i: int, rng: np.random.Generator) -> bool:
    """Whether every element of the result depends on the one element of x that stands there.

    Then J v = (J 1) ⊙ v for every v; one at random tells. An op of ours that says so is believed.
    """
    if alone.op.elementwise and alone.op.builtin:
        return True
    f, x = alone.forward(i), alone.wide[i]
    if not _fits(x.shape, alone.z.shape):
        return False
    v = (rng.uniform(0.5, 1.5, x.shape) * rng.choice([-1.0, 1.0], x.shape)).astype(x.dtype)
    h = (2.0**-20 * steps_of(x)).astype(x.dtype)
    with np.errstate(all="ignore"):
        here = np.asarray(f(x.copy()))
        ones, along_v = (f(x + h * w) - f(x - h * w) for w in (np.ones_like(x), v))
    apart = np.abs(along_v - ones * v)
    # f‴h³ and rounding; what depends on other elements differs by much more than that.
    least = 1e-3 * np.abs(ones) + 64 * np.finfo(here.dtype).eps * np.abs(here)
    return bool(np.mean((apart <= least) | ~np.isfinite(apart)) > 0.9)


def _check_directions(alone: Alone, i: int, truth: Any, rng: np.random.Generator) -> ArgumentCheck:
    f, x = alone.forward(i), alone.wide[i]
    measured = along(f, x, alone.op.analytic, rng)
    first = measured.first
    out = first.kinks | ~np.isfinite(first.value) | ~np.isfinite(first.uncertainty)
    g = np.where(out, 0, random_cotangent(alone.z, rng)).astype(alone.z.dtype)
    answer = np.zeros_like(x)
    trouble: Trouble | None = None
    if alone.op.rule(i) is None:
        if not alone.stops and np.any(np.sum(widened(g, x.dtype) * _known(first, out))):
            trouble = MISSING_RULE, "is missing, although the result follows it", None
    else:
        try:
            trouble, answer = _asked(alone, i, measured, out, g, truth, rng)
        except Broken as broken:
            trouble = broken.kind, broken.reason, None
    zeros = np.zeros(x.shape)
    never = zeros.astype(bool)
    worst = trouble[2] if trouble is not None else None
    if worst is not None:
        answer = answer.copy()
        answer[worst.element] = worst.truth
    size = np.abs(answer).astype(float)
    whole = Pulled(answer, size, EPS * size, zeros, never, never)
    return ArgumentCheck(
        whole,
        lambda doubt: zeros,
        Method(measured.method, bits(alone.kind), directions=True),
        int(np.count_nonzero(measured.v == 0)) + int(np.count_nonzero(first.kinks)),
        int(np.count_nonzero(out & ~first.kinks)),
        0 if np.all(out) and out.size else x.size,
        trouble,
    )


def _known(slope: Any, out: Any) -> Any:
    return np.where(out, 0, slope.value)


def _asked(
    alone: Alone, i: int, measured: Along, out: Any, g: Any, truth: Any, rng: np.random.Generator
) -> tuple[Trouble | None, Any]:
    """Return the rule's trouble, if any, and its answer to the true cotangent."""
    plain = alone.rule(g, alone.saved, i)
    bad = manners_trouble(alone, i, g, plain)
    if bad is not None:
        return (*bad, None), np.zeros(plain.shape, alone.kind)
    asked, whole = answers_of(alone, i, g, truth, plain)
    size = np.where(np.isfinite(asked[0].answer), np.abs(asked[0].answer), 0).astype(float)
    ways = list(_directions(size, measured, rng))
    off = [_off(alone, i, measured, out, a, ways, rng) for a in asked]
    if not any(too_far for too_far, _ in off):
        return None, whole
    # An error that grows with eps as the floats do is rounding; a mistake stays.
    units = [o / float(np.finfo(a.answer.dtype).eps) for (_, o), a in zip(off, asked, strict=True)]
    if len(asked) == 2 and asked[0].answer.dtype != plain.dtype and is_of_rounding(*units):
        return None, whole
    found = next(a for a, (too_far, _) in zip(asked, off, strict=True) if too_far)
    return _worst(alone, i, measured, out, truth, found, rng), whole


def _off(
    alone: Alone,
    i: int,
    measured: Along,
    out: Any,
    asked: Asked,
    ways: Sequence[tuple[Any, Any]],
    rng: np.random.Generator,
) -> tuple[bool, float]:
    """Whether ⟨g, J v⟩ is farther from ⟨answer, v⟩ than by rounding, and how far, as a part of its
    terms, for the directions v with their slopes J v.
    """
    x, (answer, g, saved, eps) = alone.wide[i], asked
    # What the answer to a sum differs from the sum of the answers by is its rounding.
    parts = [alone.rule(part, saved, i) for part in halves(g, rng)]
    noise = np.abs(answer - sum(parts)).astype(float)
    size = np.abs(answer).astype(float)
    known = np.isfinite(answer)
    wide_g = widened(g, x.dtype)

    def length(terms: Any) -> float:
        return float(np.sqrt(np.sum(np.square(np.where(known, terms, 0), dtype=float))))

    farthest = 0.0
    for v, slope in ways:
        z = np.where(out, 0, slope)
        apart = abs(float(np.sum(np.where(known, answer * v, 0)) - np.sum(wide_g * z)))
        terms = float(np.sqrt(np.sum(np.square(wide_g * z, dtype=float))))
        rounding = length(noise * v) + eps * length(size * v) + EPS * terms
        rounding += measured.waver(wide_g, out) * terms
        if measured.method != COMPLEX_STEP:
            doubt = np.where(out, 0, measured.first.uncertainty)
            rounding += 8 * float(np.sum(np.abs(g) * doubt))
        farthest = max(farthest, apart / (max(terms, length(size * v)) or 1.0))
        if apart > BOUND * rounding:
            slack = length(conditioning(alone, asked, i) * v)
            if apart > BOUND * rounding + slack:
                return True, farthest
    return False, farthest


def _directions(size: Any, measured: Along, rng: np.random.Generator) -> Iterator[tuple[Any, Any]]:
    """A random direction with its slope, and one in which every element of the answer counts."""
    yield measured.v, measured.first.value
    least = np.min(size[size > 0], initial=np.inf)
    if np.isfinite(least):
        even = np.minimum(least / np.where(size > 0, size, least), 1)
        signs = rng.choice([-1.0, 1.0], size.shape)
        v = (even * np.abs(measured.v) * signs).astype(measured.v.dtype)
        yield v, measured.slope(v)


def _worst(
    alone: Alone,
    i: int,
    measured: Along,
    out: Any,
    truth: Any,
    asked: Asked,
    rng: np.random.Generator,
) -> Trouble:
    """The element of the gradient that is farthest off, and how far."""
    x = alone.wide[i]
    _, g, saved, _ = asked
    kind = g.dtype
    shown = np.where(out, 0, truth).astype(kind)
    first = shown if np.any(shown) else g
    scale = np.abs(first) if alone.z.size > 1 else first
    others = [
        np.asarray(scale * random_cotangent(alone.z, rng)).astype(kind)
        for _ in range(PROBES if alone.z.size > 1 else 0)
    ]
    cotangents = [first, *others]
    answers = [widened(alone.rule(c, saved, i), x.dtype) for c in cotangents]
    step = np.sign(np.abs(measured.v)) if measured.method == COMPLEX_STEP else np.abs(measured.v)
    expanded = _expanded(alone, i, first, measured, out)
    if expanded is not None:
        apart = np.where(step > 0, np.abs(answers[0] - expanded), -1)
        at = index_of_largest(np.where(np.isnan(apart), np.inf, apart))
    else:
        at = search(
            lambda v: np.where(out, 0, measured.slope(v)),
            x.shape,
            [widened(c, x.dtype) for c in cotangents],
            answers,
            step,
            rng,
        )
    unit = np.zeros_like(x)
    unit[at] = step[at]
    value = float(np.sum(widened(first, x.dtype) * np.where(out, 0, measured.slope(unit))))
    value /= float(step[at])
    return WRONG_RULE, "is wrong", Worst(at, float(answers[0][at]), value, EPS * abs(value))


def _expanded(alone: Alone, i: int, g: Any, measured: Along, out: Any) -> Any:
    """The gradient through the ops that the forward itself is made of, if it can be recorded and
    is right along the measured direction; else None.
    """
    args = [np.array(x, float) if is_float(x) else x for x in alone.arrays]
    leaf = args[i] = Tensor(args[i], requires_grad=True)
    with mode(recording=True, watch=None), np.errstate(all="ignore"):
        try:
            z = alone.op.forward(*args, **alone.meta)
            if not isinstance(z, Tensor) or z.op is alone.op or not z.requires_grad:
                return None
            seed = np.asarray(g, z.dtype)
            gradient = pull([z.node], [seed], wanted=[leaf.node]).get(leaf.node)
        except Exception:  # a forward for arrays alone may fail in any way
            return None
    if gradient is None:
        return None
    terms = gradient * measured.v
    truth = np.sum(widened(g, measured.v.dtype) * np.where(out, 0, measured.first.value))
    size = float(np.sqrt(np.sum(np.square(terms, dtype=float))))
    return gradient if abs(float(np.sum(terms) - truth)) <= CLOSE * size else None
