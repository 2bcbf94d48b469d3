"""Gradients made smaller where they are too large to be followed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.pytree import arrays_of, rebuild


def global_norm(gradients: Any) -> Any:
    """√(Σ g²) over all numbers of a tree of gradients; 0-d.

    Computed as M √(Σ (g/M)²) with M the largest |g|, so that only the norm itself may overflow.
    """
    leaves, _ = arrays_of(gradients)
    largest = _largest(leaves)
    M = largest + (largest == 0)  # where all are 0 there is nothing to divide by
    return M * _root(leaves, M)


def clip_by_norm(gradients: Any, largest: float) -> Any:
    """g ← g · min(1, c / ‖g‖), with the norm over the whole tree: its direction stays.

    R. Pascanu, T. Mikolov and Y. Bengio, On the difficulty of training recurrent neural networks,
    2013. Gradients of a norm up to c are as they were, bit for bit. It neither overflows nor
    divides by 0: with M = max(c, max |g|) and q = c/M the factor is q / max(√(Σ (g/M)²), q).

    Args:
        gradients: a tree of arrays; it stays as it is.
        largest: c.

    Raises:
        ValueError: c is not above 0.
    """
    _check("clip_by_norm", largest)
    leaves, layout = arrays_of(gradients)
    M = np.maximum(_largest(leaves), largest)
    q = largest / M
    factor = q / np.maximum(_root(leaves, M), q)
    return rebuild(layout, [g * _as(factor, g) for g in leaves])


def clip_by_value(gradients: Any, largest: float) -> Any:
    """g ← min(max(g, −c), c), number by number.

    Raises:
        ValueError: c is not above 0.
    """
    _check("clip_by_value", largest)
    leaves, layout = arrays_of(gradients)
    return rebuild(layout, [np.clip(g, -largest, largest) for g in leaves])


def _largest(leaves: Sequence[Any]) -> Any:
    """The largest |g|; 0 of nothing."""
    found = [np.max(np.abs(g)) for g in leaves if g.size]
    return reduce(np.maximum, found) if found else np.float64(0)


def _root(leaves: Sequence[Any], M: Any) -> Any:
    """√(Σ (g/M)²)."""
    return np.sqrt(sum(np.sum(np.square(g / _as(M, g))) for g in leaves))


def _as(x: Any, g: Any) -> Any:
    return x if x.dtype == g.dtype else x.astype(g.dtype)


def _check(who: str, largest: float) -> None:
    if not largest > 0:
        raise ValueError(f"{who}: expected a bound above 0, got {largest}")
