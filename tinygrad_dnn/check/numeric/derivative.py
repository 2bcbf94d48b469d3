"""Derivatives measured: the slope of a function along a direction, and how uncertain it is.

Two methods. *Complex step*: Im f(x + ih·v)/h = f'(x)·v + O(h²), without a difference and so exact
to rounding, for functions that are analytic and whose NumPy calls know it (Squire and Trapp 1998).
*Richardson*: central differences at steps that shrink by RATIO, extrapolated twice; of all steps
the one is taken, element by element, at which truncation and rounding together are least. A
complex step is believed only where differences do not contradict it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

WIDE = np.longdouble  # the widest float there is: 80 bits on x86 Linux, 64 elsewhere
WIDE_EPS = float(np.finfo(WIDE).eps)
EPS = float(np.finfo(np.float64).eps)
# Steps of about 2⁻⁵, 2⁻⁸, ... 2⁻⁴³ of the direction; no powers of 2, which roundings may follow.
# Their ratio is no whole number: of a wave with a period that one step spans, so would all longer
# ones, and the differences of all would agree on a slope that is not there.
FIRST, RATIO, LEVELS = 0.9137 * 2.0**-5, 7.618, 14
TINY = 1e-200  # the complex step: its square vanishes beside 1
NOISE = 16.0  # a difference of so many times its rounding is no rounding
NOTHING = 1e-11  # of what a slope may be expected to be: less than that is 0
ENOUGH = 1e-9  # differences that are known so well may contradict a complex step
BRIEFLY = 1e-11
LOOSE = 1e-6  # of a slope: what is known no better may be known by other steps
GRAIN = 2.0**-16  # a function that is flat from this step on, and not before, is a staircase
COMPLEX_STEP, RICHARDSON = "complex step", "Richardson"

# Neighbours of a point at uneven distances: at even ones roundings may follow a pattern.
NEAR = np.array([-3.137, -1.741, -0.619, 0.0, 0.883, 2.269, 2.953], WIDE)
NEARER = np.array([-6.31, -5.083, -4.219, *NEAR, 4.457, 5.171, 6.043], WIDE)
NEIGHBOUR = 2.0**-31
DISTANCES = (1.2345, 1.713, 2.391, 3.137, 4.819, 6.661, 8.953)


def _fourth(points: Any) -> Any:
    """The weights of a fourth difference on five points, their squares summing to 1."""
    weights = np.array([1 / np.prod(np.delete(t - points, k)) for k, t in enumerate(points)])
    return weights / np.sqrt(np.sum(weights**2))


def _fourths(points: Any) -> list[Any]:
    return [_fourth(points[k : k + 5]) for k in range(points.size - 4)]


FEW_FOURTHS, MANY_FOURTHS = (NEAR, _fourths(NEAR)), (NEARER, _fourths(NEARER))
STAIRS = (2.0**-21, 2.0**-25)  # steps at which what was computed in float32 shows


Function = Callable[[Any], Any]


class Slope(NamedTuple):
    """The derivative along a direction, element by element of the function's result.

    Attributes:
        value: df/dv; NaN where it could not be measured.
        uncertainty: how far from the truth it may be, ∞ where it could not be measured.
        kinks: True where the slopes from the left and from the right differ, or one is missing.
        reach: |f| here or at the first steps, by which f might be expected to change along v.
        method: what it was measured with.
    """

    value: Any
    uncertainty: Any
    kinks: Any
    reach: Any
    method: str

    @property
    def lost(self) -> Any:
        """Where steps of this size tell nothing, or not enough."""
        known = self.uncertainty <= np.maximum(LOOSE * np.abs(self.value), NOTHING * self.reach)
        return self.kinks | ~known


class Method(NamedTuple):
    """The way something was measured: the name, the floats' bits, and whether along directions
    rather than element by element.
    """

    name: str
    bits: int
    directions: bool = False


def in_words(methods: Iterable[Method]) -> str:
    """Methods in a few words: `complex step and Richardson, 80 bits`."""
    seen = list(methods)
    if not seen:
        return "nothing depends on it"
    names = dict.fromkeys(name for m in seen for name in m.name.split(" and "))
    widths = sorted({m.bits for m in seen}, reverse=True)
    along = ", in part along random directions" if any(m.directions for m in seen) else ""
    return f"{' and '.join(names)}, {' and '.join(map(str, widths))} bits{along}"


def bits(kind: Any) -> int:
    """How many bits a float of this type computes with: 80 for x86's longdouble."""
    width = np.finfo(kind).nmant
    return {10: 16, 23: 32, 52: 64, 63: 80}.get(width, width + 16)


def slope(
    f: Function, x: Any, v: Any, *, analytic: bool = True, full: bool = False, brief: bool = False
) -> Slope:
    """The derivative of f at x along v, by the best method that f allows.

    Args:
        f: a function of one array; it is called with arrays of x's shape, in the float type of x
            and, if it is analytic, in the complex type of the same width.
        x: where, an array of floats.
        v: the direction, of x's shape and type. A step is at most 2⁻⁵ of it.
        analytic: whether a complex step may be tried.
        full: take the differences as far as they go before they judge a complex step.
        brief: be content with 11 digits, and do not measure how much f wavers.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        exact = complex_step(f, x, v) if analytic else None
        if exact is None:
            return _richardson(f, x, v, BRIEFLY if brief else ENOUGH * EPS, not brief, full)
        found = _richardson(f, x, v, 0 if full else ENOUGH, rough=full, full=full)
        if not full and _contradicts(found, exact):
            found = _richardson(f, x, v, ENOUGH * EPS)
        if _contradicts(found, exact):
            return found
        rounding = (NOISE * float(np.finfo(x.dtype).eps) * np.abs(exact)).astype(float)
        if not brief:
            for distance in DISTANCES if full else DISTANCES[:1]:
                waver = _wavering(f, x, v, exact, distance)
                rounding = np.fmax(rounding, waver).astype(float)
        # Outside its domain f is NaN; its complex continuation need not be.
        unknown = ~np.isfinite(exact) | np.isnan(found.value)
        return Slope(
            np.where(unknown, np.nan, exact),
            np.where(unknown, np.inf, rounding),
            found.kinks,
            found.reach,
            COMPLEX_STEP,
        )


def complex_step(f: Function, x: Any, v: Any) -> Any:
    """∂f/∂v by a complex step; None where f takes no complex numbers, or says that it drops one."""
    tiny = x.dtype.type(TINY)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        try:
            z = np.asarray(f(x + 1j * (tiny * v)))
        except Exception:  # whatever a forward that was not written for complex numbers may raise
            return None
    return np.imag(z) / tiny if z.dtype.kind == "c" else None


def _wavering(f: Function, x: Any, v: Any, exact: Any, distance: float) -> Any:
    """How much a complex step wavers by rounding: its second difference at a tiny distance."""
    size = np.where((x != 0) & np.isfinite(x), np.abs(x), 1).astype(x.dtype)
    d = x.dtype.type(NEIGHBOUR * distance) * size
    return np.abs(complex_step(f, x + d, v) - 2 * exact + complex_step(f, x - d, v))


def _contradicts(found: Slope, exact: Any) -> bool:
    """Whether differences that are well known somewhere say something else than a complex step."""
    if exact.shape != found.value.shape:
        return True
    size = np.maximum(np.abs(found.value), np.abs(exact)).astype(float)
    known = ~found.kinks & (found.uncertainty <= 1e-4 * size)
    apart = np.abs(exact - found.value).astype(float)
    return bool(np.any(known & ~(apart <= 8 * found.uncertainty + 1e-14 * size)))


def _richardson(
    f: Function, x: Any, v: Any, enough: float, rough: bool = True, full: bool = False
) -> Slope:
    """Differences at shrinking steps, until every element is known to `enough` of its size, or
    smaller steps would only add rounding: that which is measured (`rough`), or that of the largest
    element of the result.
    """
    here = np.asarray(f(x.copy()))
    if here.dtype.kind != "f":  # whole numbers and truth values have no slope
        nothing = np.zeros(here.shape)
        return Slope(nothing, nothing, nothing.astype(bool), nothing + 1, RICHARDSON)
    eps = max(float(np.finfo(here.dtype).eps), float(np.finfo(x.dtype).eps))
    noise = (eps * np.abs(here)).astype(float)
    if rough:
        noise = np.maximum(noise, _roughness(f, x, v, here, full).astype(float))
    else:  # terms that cancel leave the rounding of large ones in small elements
        finite = np.isfinite(noise)
        noise = np.maximum(noise, np.max(noise, where=finite, initial=0.0))
    value = np.full(here.shape, np.nan, x.dtype)
    uncertainty = np.full(here.shape, np.inf)
    settled = ~np.isfinite(here)
    kinks = moved = np.zeros(here.shape, bool)
    rows: list[list[Any]] = []
    gaps: list[Any] = []
    for k in range(LEVELS):
        h = x.dtype.type(FIRST / RATIO**k)
        right, left = np.asarray(f(x + h * v)), np.asarray(f(x - h * v))
        central = (right - left) / (2 * h)
        gaps.append(np.abs((right - here) - (here - left)) / h)
        if k == 0:
            reach = np.fmax(np.abs(here), np.fmax(np.abs(right), np.abs(left))).astype(float)
        flat = (right == here) & (left == here)
        row = [central]
        for order in range(min(k, 2)):
            finer, coarser = row[order], rows[-1][order]
            row.append(finer + (finer - coarser) / (RATIO ** (2 * order + 2) - 1))
        rows.append(row)
        if k >= 2:
            best = row[2]
            truncation = np.abs(best - row[1]).astype(float)
            # Extrapolation is for errors that go like h²; where they do not, none is believed.
            last, before = (np.abs(rows[j][0] - rows[j - 1][0]).astype(float) for j in (k, k - 1))
            # A second difference that stays as the step shrinks is no corner but noise.
            bends = [(gaps[j] * h * RATIO ** (k - j)).astype(float) / 2 for j in (k - 2, k - 1, k)]
            stays = bends[2] > bends[0] / RATIO
            wavers = np.where(stays, np.fmax(noise, np.median(bends, axis=0)), noise)
            largest = np.fmax(np.abs(right), np.fmax(np.abs(left), np.abs(best))).astype(float)
            rounding = 2 * np.maximum(wavers, eps * largest) / float(h)
            irregular = (last > before * (4 / RATIO**2)) & (last > rounding)
            truncation = np.where(irregular, last, truncation)
            total = truncation + rounding
            seen = gaps[k] > NOISE * rounding
            # A corner that was seen once is not unseen when rounding grows over it.
            shrinks = gaps[k] < gaps[k - 1] * (2 / RATIO)
            smooth = np.isfinite(gaps[k]) & (shrinks | ~(seen | kinks))
            # What was measured across a corner counts no more once the step is short of it.
            uncertainty = np.where(kinks & smooth, np.inf, uncertainty)
            kinks = np.where(seen & ~settled, ~smooth & (gaps[k] > gaps[k - 2] / RATIO), kinks)
            kinks = kinks & ~(smooth & shrinks)
            better = np.isfinite(total) & (total < uncertainty) & ~(flat & moved)
            value = np.where(better, best, value)
            uncertainty = np.where(better, total, uncertainty)
            size = np.abs(best).astype(float)
            settled |= smooth & ((truncation <= rounding) | (total <= enough * size))
            if np.all(settled):
                break
        if h > GRAIN:
            moved = ~flat
    open_end = np.isfinite(here) & ~settled & ~np.isfinite(gaps[-1])
    kinks = kinks & ~settled | open_end
    return Slope(value, uncertainty, kinks, reach, RICHARDSON)


def _roughness(f: Function, x: Any, v: Any, here: Any, full: bool) -> Any:
    """How much f wavers by rounding: its fourth differences at a tiny step of x's natural size,
    where those of a smooth function have vanished; of v's size, where f ends before. If they are
    large a corner may be near: then of a tinier step and of one of v's size as well, the least.
    What wavers at larger steps alone is a staircase.
    """
    near = MANY_FOURTHS if full else FEW_FOURTHS
    size = np.sign(v) * np.maximum(np.abs(v), steps_of(x))
    rough = _fourth_differences(f, x, NEIGHBOUR * size, here, near)
    ended = ~np.isfinite(rough)
    if np.any(ended):
        other = _fourth_differences(f, x, NEIGHBOUR * v, here, near)
        rough = np.where(ended, np.where(np.isfinite(other), other, 0), rough)
    least = 64 * np.finfo(here.dtype).eps * np.abs(here)
    if np.any(rough > least):
        for u in (NEIGHBOUR / 512 * size, 2.0**-8 * v):
            rough = np.fmin(rough, _fourth_differences(f, x, u, here, near))
    stairs = _fourth_differences(f, x, STAIRS[0] * size, here, near)
    if np.any(stairs > 64 * np.maximum(rough, least)):
        finer = _fourth_differences(f, x, STAIRS[1] * size, here, near)
        # Of a smooth function the finer one is 16⁴ times less, of a corner 16 times.
        rough = np.where(finer > stairs / 5, np.fmax(rough, stairs), rough)
    return rough


def _fourth_differences(f: Function, x: Any, u: Any, here: Any, near: Any) -> Any:
    """The largest of several, since one may be small by chance."""
    points, fourths = near
    u = np.asarray(u, x.dtype)
    row = [here if t == 0 else np.asarray(f(x + t.astype(x.dtype) * u)) for t in points]
    fourth = [
        sum(c * y for c, y in zip(weights.astype(x.dtype), row[k:], strict=False))
        for k, weights in enumerate(fourths)
    ]
    return np.maximum.reduce(np.abs(fourth))


def steps_of(x: Any) -> Any:
    """The natural step of each element: its own size, and 1 for what is smaller."""
    size = np.abs(x)
    return np.where(np.isfinite(size), np.maximum(size, 1), 1).astype(x.dtype)
