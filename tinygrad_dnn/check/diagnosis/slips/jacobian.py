"""Slips of a Jacobian as a whole, and what is lacking of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.check.diagnosis.numbers import ratio
from tinygrad_dnn.check.diagnosis.slips.factors import (
    FACTORS,
    LEAST,
    SAME,
    Named,
    alike,
    factor_between,
    is_near,
    times,
)


def named_in_jacobian(truth: Any, yours: Any, z: Any, x: Any) -> Named | None:
    """The simplest slip of the Jacobian, of z with respect to x, that gives all of yours."""
    size = float(np.max(np.abs(truth), initial=0))
    if not size or not np.all(np.isfinite(yours)) or np.count_nonzero(yours) < LEAST:
        return None
    found = []
    for name, guess in of_jacobian(truth, z.shape, x.shape):
        if np.any(guess) and not alike(guess, truth):
            c = factor_between(yours, guess)
            if c is not None:
                found.append(Named(name.rank + 2 * (c != 1), name.says + times(c)))
    if not found:
        term = _but_for(truth, yours, x.shape) or missing_term(truth - yours, z, x)
        found += [term] if term is not None else []
    return min(found, default=None)


class OfJacobian(NamedTuple):
    """A wrong gradient, its cotangent, and the Jacobian that it should have been made with."""

    J: Any
    z_shape: tuple[int, ...]
    x_shape: tuple[int, ...]
    g: Any
    yours: Any


def named_in_gradients(given: Sequence[OfJacobian]) -> Named | None:
    """The simplest slip of the Jacobian that gives each of several gradients."""
    guesses: list[dict[Named, Any]] = []
    for one in given:
        flat = np.ravel(one.g)
        slips = of_jacobian(one.J, one.z_shape, one.x_shape)
        guesses.append({name: (flat @ J).reshape(one.x_shape) for name, J in slips})
    found = []
    for name in guesses[0]:
        c, numbers, differs = None, 0, False
        for one, here in zip(given, guesses, strict=True):
            if name not in here or not np.any(here[name]):
                break
            truth = (np.ravel(one.g) @ one.J).reshape(one.x_shape)
            c = factor_between(one.yours, here[name], FACTORS if c is None else (c,))
            if c is None:
                break
            numbers += int(np.count_nonzero(here[name]))
            differs |= not alike(here[name], truth)
        else:
            if differs and numbers >= LEAST and c is not None:
                found.append(Named(name.rank + 2 * (c != 1), name.says + times(c)))
    return min(found, default=None) or _but_for_each(given)


def _but_for_each(given: Sequence[OfJacobian]) -> Named | None:
    """One element that is wrong in several gradients, and no other; or some that are 0."""
    places = set()
    for one in given:
        truth = (np.ravel(one.g) @ one.J).reshape(one.x_shape)
        size = float(np.max(np.abs(truth), initial=0))
        places |= {
            tuple(map(int, at)) for at in np.argwhere(np.abs(one.yours - truth) > SAME * size)
        }
    if not places or len(given) < 2 or given[0].yours.size < LEAST:
        return None
    first = [*min(places)]
    if len(places) == 1:
        return Named(4, f"is right but for element {first}")
    if any(one.x_shape != given[0].x_shape for one in given):
        return None
    zero = all(one.yours[at] == 0 for one in given for at in places)
    return _zeros(len(places), given[0].yours.size, first) if zero else None


def _zeros(wrong: int, of: int, first: Sequence[int]) -> Named | None:
    """Elements that are 0, where most others are right."""
    says = f"is 0 at {wrong} elements, {[*first]} the first, and right elsewhere: is what comes to "
    return Named(4, f"{says}them another way forgotten?") if 2 * wrong <= of else None


def _but_for(truth: Any, yours: Any, x: tuple[int, ...]) -> Named | None:
    """One element of the gradient that is wrong, always by one factor; or some that are 0."""
    wrong = np.flatnonzero(np.any(np.abs(yours - truth) > SAME * np.max(np.abs(truth)), axis=0))
    if yours.shape[1] < LEAST or not len(wrong):
        return None
    at = [int(n) for n in np.unravel_index(wrong[0], x)]
    if len(wrong) > 1:
        zero = not np.any(yours[:, wrong])
        return _zeros(len(wrong), yours.shape[1], at) if zero else None
    c = ratio(yours[:, wrong[0]], truth[:, wrong[0]])
    how = "" if c is None else f", which is {c:.6g} times what is right"
    return Named(4, f"is right but for element {at}{how}")


def of_jacobian(
    J: Any, z_shape: tuple[int, ...], x_shape: tuple[int, ...]
) -> Iterator[tuple[Named, Any]]:
    """Mistaken Jacobians, (z.size, x.size) as J is, with words for each."""
    if z_shape == x_shape:
        diagonal = np.diag(np.diag(J))
        says = "keeps only the diagonal of the Jacobian: every element of the result depends on "
        yield Named(1, f"{says}other elements as well"), diagonal
        yield Named(1, "lacks the diagonal of the Jacobian"), J - diagonal
        yield Named(2, "has the wrong sign off the Jacobian's diagonal"), 2 * diagonal - J
    if J.shape[0] == J.shape[1]:
        yield Named(2, "has the Jacobian where its transpose is right (J·g for Jᵀ·g)"), J.T
    for words, order in orders(x_shape):
        yield Named(2, f"has the right numbers {words}"), J[:, order]
    for words, order in orders(z_shape):
        yield Named(3, f"takes g {words}"), J[order]
    for which, keep in (("last", -1), ("first", 0)):
        yield Named(2, f"holds only the {which} contribution where an element is read several "
                    "times: is it overwritten, = for +=?"), _one_each(J, keep)  # fmt: skip
    for axis, n in enumerate(z_shape):
        for words, part in _parts(n):
            mask = np.zeros(z_shape)
            mask[(slice(None),) * axis + (part,)] = 1
            yield (
                Named(2, f"holds only what comes from {words} along axis {axis} of the result"),
                (J * mask.reshape(-1, 1)),
            )
    for axis, n in enumerate(x_shape):
        for words, part in _parts(n):
            mask = np.zeros(x_shape)
            mask[(slice(None),) * axis + (part,)] = 1
            yield (
                Named(2, f"is right for {words} along axis {axis} and 0 elsewhere"),
                J * mask.reshape(-1),
            )


def orders(shape: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
    """Other orders of the elements of an array, as indices, with words for each."""
    at = np.arange(int(np.prod(shape))).reshape(shape)
    if at.ndim >= 2 and len(set(shape)) > 1:  # else it is an exchange of axes
        yield "in C's order where Fortran's is right", at.ravel(order="F")
        yield "in Fortran's order where C's is right", np.argsort(at.ravel(order="F"))
    if sum(n > 1 for n in shape) > 1:
        yield "reversed along all axes", np.flip(at).ravel()
    if at.ndim > 2 and min(shape[-2:]) > 1:
        two = (at.ndim - 2, at.ndim - 1)
        yield f"reversed along axes {two[0]} and {two[1]}", np.flip(at, two).ravel()
    for axis, n in enumerate(shape):
        if n > 1:
            yield f"reversed along axis {axis}", np.flip(at, axis).ravel()
        if n > 2:
            yield f"one place too far along axis {axis}", np.roll(at, 1, axis).ravel()
            yield f"one place too early along axis {axis}", np.roll(at, -1, axis).ravel()
        if n > 2 and n % 2 == 0:
            yield f"with its halves along axis {axis} exchanged", np.roll(at, n // 2, axis).ravel()
        for other in range(axis):
            if shape[other] == n:
                yield (
                    f"with axes {other} and {axis} exchanged",
                    np.swapaxes(at, other, axis).ravel(),
                )


def _parts(n: int) -> Iterator[tuple[str, Any]]:
    if n > 1:
        yield "the last element", slice(-1, None)
        yield "the first element", slice(0, 1)
    if n > 2:
        yield "all but the last element", slice(None, -1)
        yield "all but the first element", slice(1, None)


def _one_each(J: Any, keep: int) -> Any:
    found = np.zeros_like(J)
    for column in range(J.shape[1]):
        rows = np.flatnonzero(J[:, column])
        if len(rows):
            found[rows[keep], column] = J[rows[keep], column]
    return found


def missing_term(lacking: Any, z: Any, x: Any) -> Named | None:
    """What is lacking of the Jacobian of z with respect to x, where it is a term of a simple kind:
    c g, or u · Σ g v over an axis with u and v made of x and z.
    """
    if z.shape != x.shape or not np.any(lacking):
        return None
    size = float(np.max(np.abs(lacking)))
    c = float(np.mean(np.diag(lacking)))
    if alike(lacking, c * np.eye(len(lacking)), size):
        return Named(3, f"lacks the term {c:.6g} · g")
    factors = {"": np.ones(x.shape), "x": x, "z": z, "exp(x)": np.exp(x), "exp(z)": np.exp(z)}
    for axes in _subsets(z.ndim):
        total = _summing(z.shape, axes)
        over = "all axes" if len(axes) == z.ndim else f"axis {', '.join(map(str, axes))}"
        c = float(lacking[0, 0])
        if c and alike(lacking, c * total, size):
            n = int(np.prod([z.shape[a] for a in axes]))
            times = f"{'−' if c < 0 else ''}1/{n}" if is_near(abs(c) * n, 1) else f"{c:.6g}"
            says = f"lacks the term {times} · Σ g over {over}, the same for all"
            return Named(4, f"{says}: is a mean or a sum taken for a constant?")
        if np.any((lacking != 0) & (total == 0)):
            continue
        for (v, of_z), (u, of_x) in product(factors.items(), repeat=2):
            if (u or v) and _of_factors(lacking, total, of_z.ravel(), of_x.ravel()):
                inner = f"g ⊙ {v}" if v else "g"
                term = f"{u} ⊙ Σ ({inner})" if u else f"Σ ({inner})"
                says = f"lacks a number times {term} over {over} (z is the result): is what all "
                return Named(4, f"{says}elements share taken for a constant?")
    return None


def _subsets(n: int) -> Iterator[tuple[int, ...]]:
    yield from ((a,) for a in range(n))
    if n > 1:
        yield tuple(range(n))


def _summing(shape: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """g -> Σ g over these axes, spread again, as a matrix."""
    units = np.eye(int(np.prod(shape))).reshape(-1, *shape)
    total = np.sum(units, axis=tuple(a + 1 for a in axes), keepdims=True)
    return np.broadcast_to(total, units.shape).reshape(len(units), -1)


def _of_factors(matrix: Any, total: Any, v: Any, u: Any) -> bool:
    """Whether each block that `total` marks is a number of its own times v uᵀ."""
    for block in np.unique(total > 0, axis=0):
        part, term = matrix[np.ix_(block, block)], np.outer(v[block], u[block])
        if len(part) < LEAST or not np.all(np.isfinite(term)):
            return False
        if ratio(part, term) is None and not alike(part, term * _best(part, term)):
            return False
    return True


def _best(part: Any, term: Any) -> float:
    """The number by which a term comes closest to a part."""
    return float(np.sum(part * term) / np.sum(term * term))
