"""Update rules: from parameters and gradients to the next parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_dnn.glossary import MODULE, advice

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        hint = advice(MODULE, name, globals())
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")


def check_learning_rate(rate: float) -> float:
    """A learning rate that can be used: a finite number above 0.

    Raises:
        ValueError: it is 0, negative, NaN or infinite.
    """
    rate = float(rate)
    if not math.isfinite(rate) or rate <= 0:
        raise ValueError(f"learning rate: expected a finite number above 0, got {rate}")
    return rate


def gradient_descent(
    parameters: Mapping[str, Any], gradients: Mapping[str, Any], learning_rate: float
) -> dict[str, Any]:
    """W ← W − α dW for every parameter; returns the new parameters.

    Parameters and gradients are left as they were. The rate is a Python number, so float32
    parameters stay float32.

    Raises:
        TypeError: they do not come in dicts by name.
        ValueError: a gradient is missing or has another shape than its parameter.
    """
    for given in (parameters, gradients):
        if not isinstance(given, Mapping):
            raise TypeError(
                "gradient_descent: expected a dict of arrays by name, {'W1': ...}, and one of "
                f"gradients, got {type(given).__name__}"
            )
    updated = {}
    for name, p in parameters.items():
        slope = gradients.get(name)
        if slope is None or slope.shape != p.shape:
            raise ValueError(
                f"gradient_descent: expected a gradient of shape {p.shape} for {name}, "
                f"got {'none' if slope is None else slope.shape}"
            )
        if isinstance(p, np.ndarray) and isinstance(slope, np.ndarray):
            step = np.multiply(slope, learning_rate, out=np.empty_like(slope))
            updated[name] = np.subtract(p, step, out=step)
        else:  # Tensors record
            updated[name] = p - slope * learning_rate
    return updated
