"""Update rules: from parameters and gradients to the next parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


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
    """W ← W − α dW for every parameter, into the gradients' own memory; returns the new parameters.

    The old parameters are left as they were, the gradients are used up. The rate is a Python
    number, so float32 parameters stay float32.

    Raises:
        ValueError: a gradient is missing or has another shape than its parameter.
    """
    updated = {}
    for name, p in parameters.items():
        step = gradients.get(name)
        if step is None or step.shape != p.shape:
            raise ValueError(
                f"gradient_descent: expected a gradient of shape {p.shape} for {name}, "
                f"got {'none' if step is None else step.shape}"
            )
        step *= learning_rate
        plain = isinstance(p, np.ndarray) and isinstance(step, np.ndarray)  # Tensors record
        updated[name] = np.subtract(p, step, out=step) if plain else p - step
    return updated
