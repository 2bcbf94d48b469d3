"""Mistakes in a backward pass, made on purpose: which of them gives exactly the numbers of a
gradient that is wrong?

Where the forward can be recorded, its backward pass is run again with one slip: the contribution
through one use of a value left out, a slope forgotten, taken twice, taken of another function, a
factor turned. Else, and besides, slips of the Jacobian as a whole: its diagonal alone, an order of
elements, positions overwritten. A slip is named only where it gives every number to rounding, for
several cotangents.
"""

from tinygrad_dnn.check.diagnosis.slips.search import NEAR, Wrong, moved, probable_slip

__all__ = ["NEAR", "Wrong", "moved", "probable_slip"]
