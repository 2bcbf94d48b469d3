"""How an op carries a leading axis: n examples, or n cotangents, at once instead of one by one.

The declaration of an op says so by `carries=`, a function

    carry(one, xs, led) -> z

of how it is applied to one example (`One`), of its arguments, and of which of them have the leading
axis; the result has it. It answers `NotImplemented` where it can't: then, as for an op that carries
none, the op is applied n times and the results are stacked. The functions here are the kinds that
there are. They are written in NumPy calls, so that on Tensors they record.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

__all__ = ["One", "elementwise", "flattened", "lined_up", "reduced", "same_order", "stacked"]


class One(NamedTuple):
    """An op as it is applied to one example.

    Attributes:
        apply: (arrays, metadata) -> result: it computes, or records.
        shapes: of the arguments.
        shape: of the result.
        meta: the metadata.
        n: the length of the leading axis.
    """

    apply: Callable[[Sequence[Any], Mapping[str, Any]], Any]
    shapes: Sequence[tuple[int, ...]]
    shape: tuple[int, ...]
    meta: Mapping[str, Any]
    n: int

    def __call__(self, *xs: Any, **changed: Any) -> Any:
        """Apply it to other arrays, with some metadata changed."""
        return self.apply(xs, {**self.meta, **changed} if changed else self.meta)

    def whole(self, z: Any) -> Any:
        """The result of all examples, whose elements are there in order."""
        shape = (self.n, *self.shape)
        return z if z.shape == shape else np.reshape(z, shape)

    def spread(self, xs: Sequence[Any], led: Sequence[bool]) -> list[Any]:
        """The arguments, each with the leading axis."""
        return [
            x if on else np.broadcast_to(x, (self.n, *s))
            for x, on, s in zip(xs, led, self.shapes, strict=True)
        ]


Carry = Callable[[One, Sequence[Any], Sequence[bool]], Any]


def lined_up(x: Any, shape: tuple[int, ...], rank: int) -> Any:
    """x (n, *shape) with axes of length 1 after the first, as broadcasting with others needs it."""
    missing = rank - len(shape)
    return np.reshape(x, (x.shape[0], *(1,) * missing, *shape)) if missing > 0 else x


def _lined(one: One, xs: Sequence[Any], led: Sequence[bool], rank: int) -> list[Any]:
    return [lined_up(x, s, rank) if on else x for x, on, s in zip(xs, led, one.shapes, strict=True)]


def elementwise(one: One, xs: Sequence[Any], led: Sequence[bool]) -> Any:
    """Broadcasting does it."""
    return one(*_lined(one, xs, led, len(one.shape)))


def stacked(one: One, xs: Sequence[Any], led: Sequence[bool]) -> Any:
    """Leading axes broadcast, as those of stacks of matrices do."""
    if min(map(len, one.shapes)) < 2:  # a single vector
        return NotImplemented
    return one(*_lined(one, xs, led, max(map(len, one.shapes))))


def same_order(one: One, xs: Sequence[Any], led: Sequence[bool]) -> Any:
    """The elements keep their order, so that the shape says it all."""
    return one.whole(xs[0])


def moved(axis: Any, rank: int) -> Any:
    """One axis or several, counted behind a leading one."""
    behind = tuple(int(i) + 1 for i in normalize_axis_tuple(axis, rank))
    return behind if isinstance(axis, tuple) else behind[0]


def reduced(one: One, xs: Sequence[Any], led: Sequence[bool]) -> Any:
    """`axis` names axes of the arrays broadcast, None all of them."""
    rank = max(map(len, one.shapes))
    axis = one.meta["axis"]
    if not rank and axis is not None:
        return NotImplemented
    axis = tuple(range(1, rank + 1)) if axis is None else moved(axis, rank)
    return one(*_lined(one, xs, led, rank), axis=axis)


def flattened(one: One, xs: Sequence[Any], led: Sequence[bool]) -> Any:
    """`axis` names axes of the one array, None the only axis of the array flattened."""
    axis, rank = one.meta["axis"], len(one.shapes[0])
    if axis is None:
        return one.whole(one(np.reshape(xs[0], (one.n, -1)), axis=1))
    return one(xs[0], axis=moved(axis, rank)) if rank else NotImplemented
