"""Compiled against eager for every op that moves or picks elements, in every memory order.

A case is an op with its settings, the shapes of its arrays, and a memory order for each; the cases
are a product, not a sample. The function that is compiled gives the op's result and the gradients
of its arrays, of the arrays themselves and of what was computed from them, so that every op meets
inputs, intermediate values and cotangents in that order.

python tests/reliability/memory_orders.py 1000      # so many of the product, evenly; 0 for all
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, islice, permutations, product
from math import gcd, prod
from typing import Any, NamedTuple

import numpy as np

import tinygrad_dnn as tg
from tinygrad_dnn import Op, Tensor, vjp
from tinygrad_dnn.ops import REGISTRY, indexing, positions
from tinygrad_dnn.ops.contraction import einsum_of

SHAPES: dict[int, tuple[int, ...]] = {0: (), 1: (3,), 2: (2, 3), 3: (2, 3, 4), 4: (2, 3, 1, 2)}
AT: dict[int, tuple[int, ...]] = {0: (), 1: (2,), 2: (2, 3), 3: (2, 1, 2)}  # shapes of positions


# --- memory orders --------------------------------------------------------------------------------


def _permuted(x: Any) -> Any:
    """Neither rows nor columns: the axes of memory are rotated."""
    order = [*range(1, x.ndim), 0][: x.ndim]
    back = [int(i) for i in np.argsort(order)]
    return x.transpose(order).copy(order="C").transpose(back)


def _gaps(x: Any) -> Any:
    wide = np.zeros(tuple(2 * n for n in x.shape), x.dtype)
    part = wide[(..., *(slice(None, None, 2) for _ in x.shape))]
    part[...] = x
    return part


def _backwards(x: Any) -> Any:
    turn = (..., *(slice(None, None, -1) for _ in x.shape))
    return np.array(x[turn])[turn]


def _repeated(x: Any) -> Any:
    """One row for all: a step of 0 along the first axis."""
    return np.broadcast_to(x[:1], x.shape) if x.ndim else x


def _read_only(x: Any) -> Any:
    x = np.array(x, order="F")
    x.flags.writeable = False
    return x


def _big_endian(x: Any) -> Any:
    return np.array(x, x.dtype.newbyteorder(">"), order="F")


ORDERS: dict[str, Callable[[Any], Any]] = {
    "C": lambda x: np.array(x, order="C"),
    "F": lambda x: np.array(x, order="F"),
    "permuted": _permuted,
    "gaps": _gaps,
    "backwards": _backwards,
    "repeated": _repeated,
    "read-only": _read_only,
    "big-endian": _big_endian,
}


# --- ops and settings -----------------------------------------------------------------------------


class Case(NamedTuple):
    """An op with its settings and the shapes of its arrays; `at` are positions that it is given."""

    op: Op
    shapes: tuple[tuple[int, ...], ...]
    meta: dict[str, Any]
    at: Any = None

    def __str__(self) -> str:
        given = "" if self.at is None else f" at {np.shape(self.at)}"
        return f"{self.op.name} {self.shapes} {self.meta}{given}"


def _indices(s: tuple[int, ...]) -> Iterator[Any]:
    """Indices of an array of this shape: basic ones, masks, and positions of rank 0 to 3."""
    n = len(s)
    yield from ((), ..., None, (None, ...), (..., None))
    for axis in range(n):
        before = (slice(None),) * axis
        yield (*before, 0)
        yield (*before, slice(None, None, -1))
        yield (*before, slice(0, 2), None)
        for at in AT.values():
            i = _positions(at, s[axis])
            yield (*before, i)
            yield (*before, np.asfortranarray(i))
            yield (*before, i, ...)
            yield (..., *before, i) if n - axis == 1 else (*before, i, slice(None))
        yield (*before, np.arange(s[axis]) % 2 == 0)
    for one, other in combinations(range(n), 2):
        between = (slice(None),) * (other - one - 1)
        at = [_positions((2,), s[one]), _positions((3, 1), s[other])]
        yield ((slice(None),) * one + (at[0],) + between + (at[1],))
        yield ((slice(None),) * one + (0,) + between + (at[1],))
    if n:
        yield np.arange(prod(s)).reshape(s) % 2 == 0


def _positions(at: tuple[int, ...], n: int) -> Any:
    """Positions along an axis of length n, some negative, some twice."""
    return (np.arange(prod(at)).reshape(at) * 2 + 1) % (2 * n) - n


def _rearranged(s: tuple[int, ...]) -> Iterator[tuple[Op, dict[str, Any]]]:
    """The ops of one array and their settings, for an array of this shape."""
    n, size = len(s), prod(s)
    yield from (
        (tg.reshape, {"shape": to}) for to in (-1, (size,), s[::-1], (1, *s), (*s, 1), (size, 1))
    )
    yield tg.transpose, {"axes": None}
    yield from ((tg.transpose, {"axes": axes}) for axes in permutations(range(n)))
    yield from (
        (tg.swapaxes, {"axis1": one, "axis2": other - n})
        for one, other in combinations(range(n), 2)
    )
    yield from ((tg.expand_dims, {"axis": axis}) for axis in (*range(n + 1), (0, -1)))
    yield tg.squeeze, {"axis": None}
    yield from ((tg.squeeze, {"axis": i}) for i, length in enumerate(s) if length == 1)
    yield tg.broadcast_to, {"shape": (2, *s)}
    yield tg.broadcast_to, {"shape": tuple(3 if length == 1 else length for length in s)}
    for axis in (None, *range(-n, n)):
        yield tg.flip, {"axis": axis}
        yield tg.roll, {"shift": 1, "axis": axis}
        yield tg.repeat, {"repeats": 2, "axis": axis}
        length = size if axis is None else s[axis]
        yield tg.repeat, {"repeats": tuple(i % 3 for i in range(length)), "axis": axis}
        yield REGISTRY["cumsum"], {"axis": axis}
        if n or axis is None:
            yield REGISTRY["sort"], {"axis": axis}
    if n > 1:
        yield tg.roll, {"shift": (1, 2), "axis": (0, n - 1)}
        yield tg.roll, {"shift": 1, "axis": (0, 0)}
        yield tg.flip, {"axis": (0, n - 1)}
    if n > 2:
        yield tg.roll, {"shift": 1, "axis": (0, 1, 2)}
    yield from ((tg.tile, {"reps": reps}) for reps in (2, (2, 1), (1, 2, 1), (2, 1, 1, 3)))
    if n:
        yield REGISTRY["pad"], {"pad_width": 1}
        yield (
            REGISTRY["pad"],
            {"pad_width": tuple((i, 1) for i in range(n)), "constant_values": 2.5},
        )
    yield from ((tg.getitem, {"index": index}) for index in _indices(s))
    letters = "abcd"[:n]
    if n:
        yield einsum_of, {"subscripts": f"{letters}->{letters[::-1]}"}
        yield einsum_of, {"subscripts": f"{letters}->{letters[1:]}"}


def _joined(s: tuple[int, ...]) -> Iterator[tuple[Op, dict[str, Any]]]:
    """The ops of two arrays of one shape."""
    n = len(s)
    yield from ((tg.concatenate, {"axis": axis}) for axis in (None, *range(-n, n)))
    yield from ((tg.stack, {"axis": axis}) for axis in range(-n - 1, n + 1))


def cases() -> Iterator[Case]:
    """All of them: ranks 0 to 4, positions of rank 0 to 3."""
    for s in SHAPES.values():
        yield from (Case(op, (s,), meta) for op, meta in _rearranged(s))
        yield from (Case(op, (s, s), meta) for op, meta in _joined(s))
        yield from (Case(tg.where, (s, s, s[i:]), {}) for i in range(len(s) + 1))
        for axis, at in product((None, *range(-len(s), len(s))), AT.values()):
            n = prod(s) if axis is None else s[axis]
            yield Case(tg.take, (s,), {"axis": axis}, _positions(at, n))
            yield Case(positions.scatter_add, (_picked(s, at, axis),),
                       {"shape": s, "axis": axis}, _positions(at, n))  # fmt: skip
        for axis in range(-len(s), len(s)):
            picked = (*s[: axis % len(s)], 2, *s[axis % len(s) + 1 :])
            at = _positions(picked, s[axis])
            yield Case(REGISTRY["take_along_axis"], (s,), {"axis": axis}, at)
            yield Case(positions.scatter_along_axis, (picked,), {"shape": s, "axis": axis}, at)
        for index in _indices(s):
            picked = np.zeros(s)[index].shape
            yield Case(indexing.scatter, (picked,), {"index": index, "shape": s})
            yield Case(tg.REGISTRY["setitem"], (s, picked), {"index": index})


def _picked(s: tuple[int, ...], at: tuple[int, ...], axis: int | None) -> tuple[int, ...]:
    return at if axis is None else (*s[: axis % len(s)], *at, *s[axis % len(s) + 1 :])


# --- compiled against eager -----------------------------------------------------------------------


def moved(case: Case, at: Any) -> Callable[..., list[Any]]:
    """A function of a case's arrays: results and gradients, of the arrays and of what follows."""
    op, meta = case.op, case.meta
    more = () if case.at is None else (at,)

    def applied(*arrays: Any) -> Any:
        if op is tg.where:
            arrays = (arrays[0] > 0, *arrays[1:])
        return op(arrays, **meta) if op.many else op(*arrays, *more, **meta)

    def run(*arrays: Any) -> list[Any]:
        found = []
        for given in (arrays, [np.negative(x) for x in arrays]):
            tensors = [x if isinstance(x, Tensor) else Tensor(x) for x in given]
            z, pull = vjp(applied, *tensors)
            weights = np.arange(1.0, z.size + 1).reshape(z.shape)
            found += [z, *pull(weights), *pull(np.array(weights, order="F") * z)]
        return found

    return run


def check(case: Case, orders: Sequence[str], given: bool, rewrite: bool) -> str | None:
    """What is wrong with a case in these memory orders; None where compiled and eager agree.

    Args:
        orders: for each array, and for the positions.
        given: whether positions are an argument, else the function closes over them.
    """
    rng = np.random.default_rng(0)
    arrays = [
        ORDERS[o](rng.permutation(np.arange(1.0, prod(s) + 1)).reshape(s) - prod(s) / 2)
        for s, o in zip(case.shapes, orders, strict=False)
    ]
    at = None if case.at is None else ORDERS[orders[-1]](case.at)
    if given and at is not None:

        def run(*xs: Any) -> Any:
            return moved(case, Tensor(xs[-1]) if isinstance(xs[-1], np.ndarray) else xs[-1])(
                *xs[:-1]
            )

        arguments = [*arrays, at]
    else:
        run, arguments = moved(case, at), arrays
    with np.errstate(all="ignore"):
        expected = run(*arguments)
        found = tg.compile(run, rewrite=rewrite)(*arguments)
    for k, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
        theirs = theirs._array if isinstance(theirs, Tensor) else theirs
        if (mine.shape, mine.dtype) != (theirs.shape, theirs.dtype):
            return f"{case} {orders} {rewrite=}: result {k} is {mine.shape} {mine.dtype}, " \
                   f"eager {theirs.shape} {theirs.dtype}"  # fmt: skip
        if mine.tobytes() != theirs.tobytes():
            return f"{case} {orders} {rewrite=}: result {k} is\n{mine}\neager\n{theirs}"
    return None


def checks() -> Iterator[tuple[Case, tuple[str, ...], bool, bool]]:
    """The product of cases, orders, ways to give positions, and rewriting."""
    for case in cases():
        count = len(case.shapes) + (case.at is not None)
        for order in product(ORDERS, repeat=min(count, 2)):
            orders = (*order, *order[:1] * (count - len(order)))
            for given in (False, True) if case.at is not None else (False,):
                for rewrite in (False, True):
                    yield case, orders, given, rewrite


def evenly(count: int) -> Iterator[tuple[Case, tuple[str, ...], bool, bool]]:
    """So many of the product, of all cases and orders alike; 0 for all."""
    every = [*checks()]
    step = max(1, len(every) // count) if count else 1
    while gcd(step, 2 * len(ORDERS) ** 2) > 1:  # else it would meet the same orders again
        step += 1
    return islice(every, 0, None, step if count else 1)


def main(count: int) -> int:
    """Check so many cases, print what is wrong, and return how many are."""
    n = wrong = 0
    for case, *how in evenly(count):
        n += 1
        try:
            told = check(case, *how)
        except Exception as error:
            told = f"{case} {how}: {type(error).__name__}: {error}"
        if told:
            wrong += 1
            print(told, flush=True)
    print(f"{n} cases, {wrong} wrong")
    return wrong


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])) > 0)
