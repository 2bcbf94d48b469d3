"""The documents' network with the Gram matrix by hand, as fast as we can: the yardstick.

Full-batch descent changes W1 by multiples of Xᵀ alone, so W1 = W0 − S Xᵀ and Z1 = W0 X − S (XᵀX).
Nothing is allocated inside an iteration.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np


def by_hand(
    X: Any, Y: Any, parameters: Mapping[str, Any], rate: float, iterations: int
) -> tuple[list[float], dict[str, Any]]:
    """The costs and the parameters at the end, for any number of layers."""
    p = {name: value.copy() for name, value in parameters.items()}
    m, L = X.shape[1], len(p) // 2
    start, gram = p["W1"] @ X, X.T @ X
    S = np.zeros_like(start)
    Z = {l: np.empty((p[f"b{l}"].shape[0], m)) for l in range(1, L + 1)}
    A, dZ = ({l: np.empty_like(z) for l, z in Z.items()} for _ in range(2))
    on = {l: np.empty(z.shape, bool) for l, z in Z.items()}
    dW = {l: np.empty_like(p[f"W{l}"]) for l in range(2, L + 1)}
    db = {l: np.empty_like(p[f"b{l}"]) for l in Z}
    not_Y, t, u = 1 - Y, np.empty_like(Y), np.empty_like(Y)
    costs = []
    for _ in range(iterations):
        np.matmul(S, gram, out=Z[1])
        np.subtract(start, Z[1], out=Z[1])
        for l in range(1, L):
            np.add(Z[l], p[f"b{l}"], out=Z[l])
            np.maximum(Z[l], 0, out=A[l])
            np.matmul(p[f"W{l + 1}"], A[l], out=Z[l + 1])
        np.add(Z[L], p[f"b{L}"], out=Z[L])
        AL = A[L]
        np.negative(Z[L], out=AL)
        np.exp(AL, out=AL)
        np.add(AL, 1, out=AL)
        np.reciprocal(AL, out=AL)
        np.log(AL, out=t)
        np.multiply(t, Y, out=t)
        np.subtract(1, AL, out=u)
        np.log(u, out=u)
        np.multiply(u, not_Y, out=u)
        np.add(t, u, out=t)
        costs.append(-float(t.sum()) / m)
        np.subtract(AL, Y, out=dZ[L])
        np.divide(dZ[L], m, out=dZ[L])
        for l in range(L, 0, -1):
            if l < L:
                np.matmul(p[f"W{l + 1}"].T, dZ[l + 1], out=dZ[l])
                np.greater(A[l], 0, out=on[l])
                np.multiply(dZ[l], on[l], out=dZ[l])
            if l > 1:
                np.matmul(dZ[l], A[l - 1].T, out=dW[l])
            np.add.reduce(dZ[l], axis=1, keepdims=True, out=db[l])
        for l in range(1, L + 1):
            np.multiply(db[l], rate, out=db[l])
            np.subtract(p[f"b{l}"], db[l], out=p[f"b{l}"])
            if l > 1:
                np.multiply(dW[l], rate, out=dW[l])
                np.subtract(p[f"W{l}"], dW[l], out=p[f"W{l}"])
        np.multiply(dZ[1], rate, out=dZ[1])
        np.add(S, dZ[1], out=S)
    p["W1"] -= S @ X.T
    return costs, p
