"""What an array module has of NumPy's functions, as far as programs are written in them.

A program for CuPy's arrays is the same text with `import cupy as np` at its head: the same calls in
the same order into memory of its own on the device. What CuPy has not is written otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """An array module as programs use it.

    Attributes:
        module: its name, which a program imports as `np`.
        folds: the ufuncs that have `reduce`; of others the function, np.max, is called.
        modes: whether `take` has `mode=`; else positions outside an axis wrap around by themselves.
        einsum_out: whether `einsum` has `out=`.
        errstate: whether floating-point warnings exist, and blocks of a cache's size help.
        last_wins: whether of what is assigned at a repeated position the last one stays.
        strided: whether an array can be made over given memory and strides.
    """

    module: str
    folds: frozenset[str]
    modes: bool = True
    einsum_out: bool = True
    errstate: bool = True
    last_wins: bool = True
    strided: bool = True


NUMPY = Dialect("numpy", frozenset({"add", "maximum", "minimum", "multiply"}))


def dialect_of(module: str) -> Dialect:
    """How programs for arrays of this module are written; all but NumPy are taken to be CuPy's
    like. Read off CuPy 14.2: `ufunc.reduce` of sums and products alone, `take(a, indices, axis,
    out)`, of einsum "out, order, and casting options are not supported", and of what is assigned at
    repeated positions "the value that is actually stored is undefined".
    """
    if module == NUMPY.module:
        return NUMPY
    return Dialect(
        module,
        frozenset({"add", "multiply"}),
        modes=False,
        einsum_out=False,
        errstate=False,
        last_wins=False,
        strided=False,
    )
