"""A Jacobian too large to be measured element by element, and the search for its worst element.

Along a direction v one number tells right from wrong: ⟨g, J v⟩ = ⟨Jᵀg, v⟩. Only if it does not
hold are the elements of v halved, and halved again, where the difference is largest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from time import monotonic
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.check.numeric.derivative import (
    COMPLEX_STEP,
    Function,
    Slope,
    complex_step,
    slope,
    steps_of,
)

PATIENCE = 6.0  # seconds that the search for the worst element may take
NEARLY = 0.8  # a part with less than that of the largest error found holds no larger one


class Along(NamedTuple):
    """How a function is measured along any direction, once one direction has shown how.

    Attributes:
        slope: v -> ∂f/∂v, of the result's shape.
        first: along the first, random, direction, with its uncertainty and corners.
        v: that direction.
        method: what it is measured with.
    """

    slope: Callable[[Any], Any]
    first: Slope
    v: Any
    method: str
    noise: Any

    def waver(self, g: Any, out: Any) -> float:
        """How far ⟨g, ∂f/∂v⟩ is off by rounding, as a part of its terms: by what the slope along a
        sum differs from the sum of the slopes.
        """
        wavers, terms = (
            float(np.sqrt(np.sum(np.square(np.where(out, 0, g * z), dtype=float))))
            for z in (self.noise, self.first.value)
        )
        return wavers / terms if terms else 0.0


def along(f: Function, x: Any, analytic: bool, rng: np.random.Generator) -> Along:
    """Measure f along a random direction, and say how to go on."""
    v = (steps_of(x) * rng.choice([-1.0, 1.0], x.shape)).astype(x.dtype)
    first = slope(f, x, v, analytic=analytic, brief=True)
    if np.any(first.kinks):
        # Corners are where numbers are equal to each other or to 0: what stands there stays.
        w = np.where((x == 0) | _repeated(x), 0, v).astype(x.dtype)
        other = slope(f, x, w, analytic=analytic, brief=True)
        if np.count_nonzero(other.kinks) < np.count_nonzero(first.kinks):
            first, v = other, w

    def further(w: Any) -> Any:
        if first.method == COMPLEX_STEP:
            return complex_step(f, x, w)
        return slope(f, x, w, analytic=False, brief=True).value

    noise = np.abs(first.value - sum(further(part) for part in halves(v, rng))).astype(float)
    return Along(further, first, v, first.method, noise)


def _repeated(x: Any) -> Any:
    """Where an element is equal to another one."""
    _, which, count = np.unique(x, return_inverse=True, return_counts=True)
    return np.reshape(count[which] > 1, x.shape)


def halves(x: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """x as a sum of two arrays, each with half of its elements."""
    here = rng.random(x.shape) < 0.5
    return np.where(here, x, 0), np.where(here, 0, x)


def search(
    along: Callable[[Any], Any],
    shape: tuple[int, ...],
    cotangents: Sequence[Any],
    answers: Sequence[Any],
    step: Any,
    rng: np.random.Generator,
) -> tuple[int, ...]:
    """The element of the first answer that is farthest from the truth.

    The difference of a part is known from one measurement along it, its other half's follows by
    subtraction; the part with the largest difference is halved first.

    Args:
        along: v -> J v.
        cotangents, answers: g and what the rule gives for it; the first pair is the one that the
            element is sought for, the others keep errors from hiding behind each other.
        step: the size of the direction at each element, in which differences are compared.
    """
    n = int(np.prod(shape))
    signs = rng.choice([-1.0, 1.0], (1 if len(answers) > 1 else 3, n))
    flat = np.stack([np.ravel(a) for a in answers])
    step = np.ravel(step)

    def differences(a: int, b: int) -> Any:
        """⟨g, J v⟩ − ⟨answer, v⟩ for the elements a to b, by direction and cotangent."""
        rows = []
        for s in signs:
            v = np.zeros(n, step.dtype)
            v[a:b] = s[a:b] * step[a:b]
            z = along(v.reshape(shape))
            rows.append(
                [
                    np.sum(g * z) - np.sum(y[a:b] * v[a:b])
                    for g, y in zip(cotangents, flat, strict=True)
                ]
            )
        return np.array(rows, dtype=float)

    def size(d: Any) -> float:
        return float(np.sqrt(np.mean(np.square(d))))

    whole = differences(0, n)
    parts = [(-size(whole), 0, n, whole)]
    heapify(parts)
    best, worst = -1.0, 0
    until = monotonic() + PATIENCE
    while parts and (-parts[0][0] > NEARLY * best) and monotonic() < until:
        _, a, b, both = heappop(parts)
        if b - a == 1:
            mine = float(abs(both[0, 0]))
            if mine > best:
                best, worst = mine, a
            continue
        middle = (a + b) // 2
        left = differences(a, middle)
        for part in ((a, middle, left), (middle, b, both - left)):
            heappush(parts, (-size(part[2]), *part[:2], part[2]))
    if best < 0:  # out of time: the part it came to
        _, a, b, _ = parts[0]
        worst = (a + b) // 2
    return tuple(int(k) for k in np.unravel_index(worst, shape))
