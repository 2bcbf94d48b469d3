"""Where parameters begin: layer sizes, and weights from a seeded stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_dnn import textbook
from tinygrad_dnn.network.heads import check_head

Array = NDArray[Any]

INITIALISERS = {
    "sqrt": "normal / √n_{l-1}, the one behind the document's printed result",
    "he": "normal · √(2 / n_{l-1}), which keeps the variance through a relu (He et al. 2015)",
    "glorot": "normal · √(2 / (n_{l-1} + n_l)), for tanh and sigmoid (Glorot and Bengio 2010)",
    "orthogonal": "orthonormal rows or columns, which keep the length of A (Saxe et al. 2014)",
    "0.01": "normal · 0.01, the document's listing; deep networks do not learn from it",
}


def check_layers(layer_dims: Sequence[int], head: str = "sigmoid") -> tuple[int, ...]:
    """Layer sizes (n_x, n_1, ..., n_L) of a network with this head, as Python's integers.

    Raises:
        ValueError: fewer than two sizes, one below 1 or not an integer; a last one other than 1
            under "sigmoid", or below 2 under "softmax"; an unknown head.
    """
    last = check_head(head)
    sizes = tuple(layer_dims)
    if len(sizes) < 2:
        end = last.most or "n_L"
        raise ValueError(f"layers: expected n_x, ..., {end}, at least two sizes, got {sizes}")
    for l, n in enumerate(sizes):
        if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
            raise ValueError(f"layers: expected positive integers, got {n!r} for layer {l}")
    if sizes[-1] < last.least or (last.most is not None and sizes[-1] > last.most):
        other = "; a softmax has one for each class" if head == "sigmoid" and sizes[-1] > 1 else ""
        raise ValueError(f"layers: expected {last.units} under a {head}, got {sizes[-1]}{other}")
    return tuple(int(n) for n in sizes)


def initialize_parameters(
    layer_dims: Sequence[int],
    init: str = "sqrt",
    seed: int = 1,
    dtype: DTypeLike = np.float64,
    head: str = "sigmoid",
) -> dict[str, Array]:
    """Weights from a seeded normal stream, biases 0: {"W1": (n_1, n_x), "b1": (n_1, 1), ...}.

    `init` names a row of INITIALISERS. All draw from the stream of the document's `np.random.seed`,
    so that its numbers come out.

    Raises:
        ValueError: unusable layer sizes, an unknown `init`, a seed that is not below 2**32, or a
            `dtype` that is not a float's.
    """
    sizes = check_layers(layer_dims, head)
    if init not in INITIALISERS:
        raise ValueError(f"init: expected one of {', '.join(INITIALISERS)}, got {init!r}")
    if np.dtype(dtype).kind != "f":
        raise ValueError(f"dtype: expected a float type, got {np.dtype(dtype)}")
    scale: Any = {"0.01": 0.01, "orthogonal": 1.0}.get(init, "sqrt")
    parameters = textbook.initialize_parameters_deep(sizes, scale, seed)
    for l in range(1, len(sizes)):
        W, (n, n_prev) = parameters[f"W{l}"], parameters[f"W{l}"].shape
        if init == "he":
            W *= np.sqrt(2.0)
        elif init == "glorot":
            W *= np.sqrt(2 * n_prev / (n_prev + n))
        elif init == "orthogonal":
            parameters[f"W{l}"] = _orthonormal(W)
    return {name: p.astype(dtype) for name, p in parameters.items()}


def _orthonormal(W: Array) -> Array:
    """Q of W = QR, its rows or columns orthonormal, whichever are fewer; uniformly distributed for
    a normal W, since the signs are those with a positive diagonal of R.
    """
    tall = W.shape[0] >= W.shape[1]
    Q, R = np.linalg.qr(W if tall else W.T)
    Q = Q * np.where(np.diag(R) < 0, -1.0, 1.0)
    return Q if tall else Q.T
