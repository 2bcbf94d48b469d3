"""The measured Jacobian of a function of one array: element by element, or along directions.

An elementwise function is measured at all its elements at once; another one at each element of its
input if there are few, else along directions that are drawn at random.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.check.numeric.derivative import WIDE, Function, Slope, slope, steps_of

FEW = 40  # elements of an input that are measured one by one
SMALL = 1e-3  # an element closer to 0 is measured with steps of its own size as well


class Pulled(NamedTuple):
    """A cotangent pulled back by a measured Jacobian, per element of the input: Σ g · ∂z/∂x.

    Attributes:
        value: Jᵀg, with nothing from what could not be measured.
        size: |J|ᵀ|g|, the scale of rounding.
        uncertainty: how far from the truth `value` may be.
        reach: the size that it would have if z changed as much as it is, over |x| or 1.
        kinks: where a corner lies on the way to a g that is not 0.
        unknown: where a slope that is needed could not be measured (NaN, ∞, noise).
    """

    value: Any
    size: Any
    uncertainty: Any
    reach: Any
    kinks: Any
    unknown: Any

    @property
    def out(self) -> Any:
        """Where nothing can be said."""
        return self.kinks | self.unknown


class Measured(NamedTuple):
    """The Jacobian of a function at a point.

    Attributes:
        slopes: of an elementwise function ∂z/∂x, of z's shape; else (x.size, *z.shape).
        pull: g -> `Pulled`.
        method: what it was measured with.
    """

    slopes: Slope
    pull: Callable[[Any], Pulled]
    method: str


def summed_to(shape: tuple[int, ...], g: Any) -> Any:
    """g summed over the axes along which an array of `shape` was repeated.

    Raises:
        ValueError: g is no array to which that shape broadcasts.
    """
    if g.shape == shape:
        return g
    extra = g.ndim - len(shape)
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, g.shape[extra:], strict=True)):
        raise ValueError(f"{g.shape} is not {shape} repeated")
    repeated = [i for i, n in enumerate(shape) if n == 1 and g.shape[extra + i] != 1]
    axes = (*range(extra), *(extra + i for i in repeated))
    return np.reshape(np.sum(g, axis=axes), shape) if axes else g


def measured(
    f: Function, x: Any, *, elementwise: bool, left_out: Any = False, **how: bool
) -> Measured:
    """∂f/∂x at x.

    Args:
        f: a function of one array.
        x: where, an array of wide floats.
        elementwise: every element of the result depends on one element of x, which broadcasts.
        left_out: elements of x of which nothing is to be said, beside those that are not finite.
        how: analytic, full and brief, as for `slope`.
    """
    if elementwise:
        found = _along(f, x, np.ones_like(x), steps_of(x), np.abs(x), how)
    else:
        found = _columns(f, x, how)
    left_out = left_out | ~np.isfinite(x)

    def summed(t: Any) -> Any:
        if elementwise:
            return summed_to(x.shape, t)
        return np.reshape(np.sum(t, axis=tuple(range(1, t.ndim))), x.shape)

    return Measured(found, lambda g: _pulled(found, g, summed, left_out), found.method)


def measured_gradient(
    f: Callable[..., Any], arrays: Sequence[Any], i: int, g: Any, elementwise: bool = False
) -> Any:
    """∂⟨g, f(arrays)⟩/∂arrays[i], measured from differences of f, in wide floats where it takes
    them (np.linalg does not).
    """
    wide = [np.array(x, WIDE) if x.dtype.kind == "f" else x for x in arrays]
    try:
        f(*wide)
    except TypeError:
        wide = list(arrays)

    def of_one(x: Any) -> Any:
        return f(*wide[:i], x, *wide[i + 1 :])

    found = measured(of_one, wide[i], elementwise=elementwise, analytic=False, brief=True)
    return found.pull(
        np.broadcast_to(np.asarray(g, wide[i].dtype), np.shape(of_one(wide[i].copy())))
    ).value


def _along(f: Function, x: Any, unit: Any, step: Any, own: Any, how: Mapping[str, bool]) -> Slope:
    """The slope along `unit`, with steps of its natural size `step` and, where these see a corner
    or nothing at all, of x's own size.
    """
    found = _scaled(slope(f, x, step * unit, **how), step)
    near = (own > 0) & (own < SMALL)
    if not np.any(near & found.lost):
        return found
    own = np.where(near, own, step)
    return _either(found, _scaled(slope(f, x, own * unit, **how), own))


def _scaled(s: Slope, step: Any) -> Slope:
    size = np.abs(step).astype(float)
    return Slope(s.value / step, s.uncertainty / size, s.kinks, s.reach / size, s.method)


def _columns(f: Function, x: Any, how: Mapping[str, bool]) -> Slope:
    """The slopes along every element of x, one after another along the first axis."""
    columns = []
    steps = steps_of(x)
    for at in np.ndindex(x.shape):
        unit = np.zeros_like(x)
        unit[at] = 1
        columns.append(_along(f, x, unit, steps[at], np.abs(x[at]), how))
    if not columns:
        none = np.zeros((0, *np.shape(f(x.copy()))))
        return Slope(none, none, none.astype(bool), none, "")
    return Slope(
        np.stack([c.value for c in columns]),
        np.stack([c.uncertainty for c in columns]),
        np.stack([c.kinks for c in columns]),
        np.stack([c.reach for c in columns]),
        " and ".join(dict.fromkeys(c.method for c in columns)),
    )


def _either(one: Slope, other: Slope) -> Slope:
    """Of two measurements the first, but where it is lost and the other knows better."""
    surer = other.uncertainty < one.uncertainty
    better = one.lost & ~other.kinks & (surer | one.kinks & np.isfinite(other.uncertainty))
    return Slope(
        np.where(better, other.value, one.value),
        np.where(better, other.uncertainty, one.uncertainty),
        one.kinks & other.kinks,
        one.reach,
        one.method,
    )


def _pulled(found: Slope, g: Any, summed: Callable[[Any], Any], left_out: Any) -> Pulled:
    used = np.broadcast_to(g != 0, found.value.shape)
    unknown = ~np.isfinite(found.value) | ~np.isfinite(found.uncertainty) & ~found.kinks
    known = used & ~unknown & ~found.kinks
    value = np.where(known, found.value, 0)
    uncertainty = np.where(known, found.uncertainty, 0)
    size = np.abs(g)
    return Pulled(
        summed(g * value),
        summed(size * np.abs(value)).astype(float),
        summed(size.astype(float) * uncertainty),
        summed(size.astype(float) * np.where(known, found.reach, 0)),
        summed(used & found.kinks) > 0,
        (summed(used & unknown & ~found.kinks) > 0) | left_out,
    )
