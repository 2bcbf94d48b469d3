"""The threads of BLAS, by a fixed rule: how many follows from the sizes of the products alone.

The number of threads decides in which order a product is summed, so it is never read from the
machine: the same program gives the same bits on two cores and on sixty.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import Any

try:
    from threadpoolctl import threadpool_limits
except ImportError:  # a package without it computes as well, but may wait

    def threadpool_limits(limits: int, user_api: str) -> AbstractContextManager[Any]:
        """Leave the threads as they are."""
        return nullcontext()


# Multiplications of one product. A smaller one takes less than a time slice of the system's (3 to
# 4 ms): on a busy machine it would wait for its second thread longer than it takes alone.
LARGE = 2**26
# Whoever sets one of these decides.
VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def blas_threads(largest: int) -> AbstractContextManager[Any]:
    """Within the block matrix products run on one thread, or on two if the largest is `LARGE`.

    `with blas_threads(largest_product((12288, 20, 7, 5, 1), 209)): ...`. Where the environment says
    how many (`VARIABLES`), nothing is changed.
    """
    if any(os.environ.get(name) for name in VARIABLES):
        return nullcontext()
    limits: AbstractContextManager[Any] = threadpool_limits(thread_count(largest), "blas")
    return limits


def thread_count(largest: int) -> int:
    """How many threads products take of which the largest has so many multiplications."""
    return 1 if largest < LARGE else 2


def largest_product(layer_dims: Sequence[int], m: int) -> int:
    """Multiplications of the largest product of a dense network on m examples."""
    return m * max(a * b for a, b in pairwise(layer_dims))
