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
    """W ← W − α dW for every parameter, into the gradients' own memory; returns the new parameters.

    The old parameters are left as they were, the gradients are used up: give copies of those that
    are read afterwards. The rate is a Python
    number, so float32 parameters stay float32.

    Raises:
        TypeError: they do not come in dicts by name.
        ValueError: a gradient is missing or has another shape than its parameter. Nothing has been
            changed then.
    """
    for given in (parameters, gradients):
        if not isinstance(given, Mapping):
            raise TypeError(
                "gradient_descent: expected a dict of arrays by name, {'W1': ...}, and one of "
                f"gradients, got {type(given).__name__}"
            )
    for name, p in parameters.items():
        slope = gradients.get(name)
        if slope is None or slope.shape != p.shape:
            raise ValueError(
                f"gradient_descent: expected a gradient of shape {p.shape} for {name}, "
                f"got {'none' if slope is None else slope.shape}"
            )
    updated = {}
    for name, p in parameters.items():
        step = gradients[name]
        step *= learning_rate
        plain = isinstance(p, np.ndarray) and isinstance(step, np.ndarray)  # Tensors record
        updated[name] = np.subtract(p, step, out=step) if plain else p - step
    return updated
