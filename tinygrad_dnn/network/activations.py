"""The activations between two linear steps, elementwise and of one shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tinygrad_dnn.ops import leaky_relu, relu, sigmoid, tanh


def swish(Z: Any) -> Any:
    """Z ⊙ σ(Z), also called SiLU.

    S. Elfwing, E. Uchibe and K. Doya, 2017; P. Ramachandran, B. Zoph and Q. V. Le, 2017.
    """
    return Z * sigmoid(Z)


def gelu(Z: Any) -> Any:
    """Z ⊙ σ(2√(2/π) (Z + 0.044715 Z³)), which is within 0.0005 of Z ⊙ Φ(Z), Φ the normal
    distribution function.

    The form with tanh of D. Hendrycks and K. Gimpel, Gaussian error linear units, 2016, as
    (1 + tanh x)/2 = σ(2x).
    """
    return Z * sigmoid(2 * math.sqrt(2 / math.pi) * (Z + 0.044715 * Z**3))


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": relu,
    "leaky_relu": leaky_relu,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "gelu": gelu,
    "swish": swish,
}
