"""Remainders of division. Between the jumps they are x − k y with a constant integer k."""

from functools import partial

import numpy as np

from tinygrad_dnn.ops.declare import op

__all__ = ["fmod", "remainder"]

# One k in the whole domain: x / y lies between 2 and 3.
between_jumps = partial(op, elementwise=True, domain=((4.1, 4.4), (1.6, 1.9)), analytic=False)


@between_jumps(
    "{x} mod {y}", vjp=(lambda g: g, lambda g, x, y: -g * np.floor_divide(x, y)), name="remainder"
)
def remainder(x, y, /):
    """x − y ⌊x/y⌋, with the sign of y, as Python's %; at a jump the slopes are those above it."""
    return np.remainder(x, y)


# k from the remainder: x / y may be rounded to an integer that it lies below, as 1 / 0.1 is.
@between_jumps("fmod({x}, {y})", vjp=(lambda g: g, lambda g, z, x, y: -g * np.rint((x - z) / y)))
def fmod(x, y, /):
    """x − y trunc(x/y), with the sign of x, as C's fmod."""
    return np.fmod(x, y)
