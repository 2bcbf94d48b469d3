"""Dropout: units left out at random while training, so that none relies on another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.storage.validate import generator

Array = NDArray[Any]


def dropout_masks(
    parameters: Mapping[str, Any],
    m: int,
    keep: float | Sequence[float],
    rng: np.random.Generator,
) -> dict[str, Array]:
    """What the hidden activations are multiplied by: {"D1": (n_1, m), ...} of 0 and 1/keep.

    A unit is kept with probability `keep`, for each example anew. Divided by `keep`, Al keeps its
    expected value, so nothing is left out or scaled in prediction ("inverted" dropout). Draw masks
    for each step; `forward` and `cost_of` take them, and without them drop nothing.

        masks = dropout_masks(parameters, X.shape[1], 0.8, rng)
        cost = cost_of(X, Y, parameters, masks=masks)

    N. Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR
    15, 2014.

    Args:
        parameters: Wl and bl for l = 1 ... L; the masks have their dtype.
        keep: for all hidden layers, or one for each of the L − 1.
        rng: a NumPy Generator, `np.random.default_rng(seed)`.

    Raises:
        TypeError: `rng` is no Generator.
        ValueError: keep outside 0 < keep ≤ 1, or not one for each hidden layer.
    """
    generator(rng, "dropout_masks")
    hidden = len(parameters) // 2 - 1
    keeps = [float(keep)] * hidden if isinstance(keep, (int, float)) else [*map(float, keep)]
    if len(keeps) != hidden or not all(0 < k <= 1 for k in keeps):
        raise ValueError(
            "dropout_masks: expected keep above 0 and up to 1, for all hidden layers or for each "
            f"of the {hidden}, got {keep}"
        )
    masks = {}
    for l, k in enumerate(keeps, start=1):
        W = parameters[f"W{l}"]
        masks[f"D{l}"] = ((rng.random((W.shape[0], m)) < k) / k).astype(W.dtype)
    return masks
