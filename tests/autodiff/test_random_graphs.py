"""Random graphs of many ops: first and second derivatives, and jvp, against measured numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_dnn as tg
from tinygrad_dnn import Tensor
from tinygrad_dnn.check import measured_gradient

MARGIN = 0.03  # how far from a kink or a tie a value must be: ten steps of a measured difference
LARGEST, WIDEST = 6.0, 60  # beyond that a result is squashed to one number


def rows(x: Any) -> Any:
    return x.reshape(-1, x.shape[-1]) if x.ndim else x.reshape(1, 1)


SMOOTH: list[Callable[..., Any]] = [
    np.sin, np.cos, np.tanh, tg.sigmoid, tg.softplus, tg.log_sigmoid, np.arctan, np.square,
    np.negative, lambda x: np.exp(np.tanh(x)), lambda x: np.log(x * x + 1),
    lambda x: np.sqrt(x * x + 0.5), lambda x: x**3, lambda x: (x * x + 1) ** -0.5, np.mean,
    lambda x: tg.softmax(rows(x)), lambda x: tg.log_softmax(rows(x), axis=0), tg.logsumexp,
    lambda x: rows(x).sum(axis=-1, keepdims=True) / 3, np.var, lambda x: np.prod(np.tanh(x)),
    lambda x: np.cumsum(x) / 5,
]  # fmt: skip
MOVING: list[Callable[..., Any]] = [
    lambda x: x.T, np.flip, np.ravel, np.squeeze, lambda x: rows(x)[:, ::-1],
    lambda x: rows(x)[np.array([0, 0])], lambda x: np.roll(x, 1), lambda x: np.tile(x, 2),
    lambda x: np.pad(rows(x), 1), lambda x: np.repeat(x, 2), lambda x: np.expand_dims(x, 0),
    lambda x: np.split(rows(x), 1)[0], lambda x: rows(x)[0, -1], lambda x: np.stack([x, x])[0],
]  # fmt: skip
KINKED: list[Callable[..., Any]] = [
    tg.relu, np.abs, lambda x: tg.leaky_relu(x, 0.1), lambda x: np.clip(x, -0.5, 0.7),
    lambda x: np.where(x > 0, x * x, np.sin(x)), lambda x: np.where(x > 0, np.sqrt(x * x), 0.0),
]  # fmt: skip
PAIRED: list[Callable[..., Any]] = [
    np.add, np.subtract, np.multiply, np.logaddexp, lambda x, y: x / (y * y + 1),
    lambda x, y: (x * x + 0.5) ** np.tanh(y), lambda x, y: np.arctan2(x * x + 1, y),
    lambda x, y: rows(x).T @ np.ones_like(rows(x)) @ rows(np.tanh(y)).T[: rows(x).shape[-1]]
    if rows(x).shape[-1] == rows(y).shape[-1] else x + y,
    lambda x, y: np.concatenate([np.ravel(x), np.ravel(y)]),
]  # fmt: skip
TIED: list[Callable[..., Any]] = [np.maximum, np.minimum]
EXTREME: list[Callable[..., Any]] = [np.max, np.min]
KINDS = [SMOOTH, SMOOTH, MOVING, KINKED, PAIRED, PAIRED, TIED, EXTREME]


def is_clear(kind: list[Callable[..., Any]], x: Any, y: Any) -> bool:
    """Whether x, and y beside it, are far from every kink and tie of this kind of function."""
    if kind is KINKED:
        return all(np.all(np.abs(x - kink) > MARGIN) for kink in (0.0, -0.5, 0.7))
    if kind is EXTREME:
        return bool(np.all(np.diff(np.sort(np.ravel(x))) > MARGIN))
    if kind is TIED:
        return bool(np.all(np.abs(x - y) > MARGIN))
    return True


Step = tuple[Callable[..., Any], tuple[int, ...], bool]


def planned(program: Sequence[tuple[int, int, int, int]], arrays: Sequence[Any]) -> list[Step]:
    """The steps of a program that can be taken from these values, and which results to squash."""
    values, steps = list(arrays), []
    for which, k, i, j in program:
        kind = KINDS[which]
        inputs: tuple[int, ...] = (i % len(values), j % len(values))
        if not broadcast(*(values[n].shape for n in inputs)):
            continue
        if not is_clear(kind, *(values[n] for n in inputs)):
            continue
        inputs = inputs if kind in (PAIRED, TIED) else inputs[:1]
        f = kind[k % len(kind)]
        z = np.asarray(f(*(values[n] for n in inputs)))
        squash = z.size > WIDEST or bool(np.any(np.abs(z) > LARGEST))
        values.append(np.tanh(np.mean(z)) if squash else z)
        steps.append((f, inputs, squash))
    return steps


def broadcast(*shapes: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


def taken(steps: list[Step], leaves: Sequence[Any]) -> Any:
    """One number made of all the values that the steps lead to, on arrays or on Tensors."""
    values = list(leaves)
    for f, inputs, squash in steps:
        z = f(*(values[n] for n in inputs))
        values.append(np.tanh(np.mean(z)) if squash else z)
    total = 0.0
    for value in values:
        total = total + np.mean(value * value + value)
    return total


def agree(found: Any, truth: Any) -> None:
    scale = 1 + np.max(np.abs(truth), initial=0.0)
    np.testing.assert_allclose(np.asarray(found) / scale, truth.astype(float) / scale, atol=1e-8)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.tuples(st.integers(0, 7), *[st.integers(0, 40)] * 3), min_size=2, max_size=12),
    st.lists(st.sampled_from([(2, 3), (3,), (), (1, 3), (2, 1)]), min_size=1, max_size=3),
    st.integers(0, 1000),
)
def test_derivatives_of_random_graphs(program: Any, shapes: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = [rng.uniform(-1.5, 1.5, shape) for shape in shapes]
    directions = [rng.uniform(-1, 1, shape) for shape in shapes]
    steps = planned(program, arrays)
    numbers = range(len(arrays))

    def f(*leaves: Any) -> Any:
        return taken(steps, leaves)

    def along(*leaves: Any) -> Any:
        slopes = tg.grad(f, argnums=numbers)(*leaves)
        return sum((g * u).sum() for g, u in zip(slopes, directions, strict=True))

    slopes = tg.grad(f, argnums=numbers)(*arrays)
    products = tg.hvp(f, arrays, directions)
    forward = 0.0
    for i in numbers:
        truth = measured_gradient(f, arrays, i, 1.0)
        agree(slopes[i], truth)
        agree(products[i], measured_gradient(along, arrays, i, 1.0))
        forward = forward + np.sum(truth * directions[i])
    agree(tg.jvp(f, arrays, directions)[1], forward)
    leaves = [Tensor(x, requires_grad=True) for x in arrays]
    f(*leaves).backward()
    for leaf, slope in zip(leaves, slopes, strict=True):
        np.testing.assert_array_equal(leaf.grad, slope)


@pytest.mark.parametrize("scale", [1e-150, 1e-8, 1e8, 1e150])
def test_gradients_at_every_scale_keep_their_digits(scale: float) -> None:
    """f(s x) for the homogeneous f(x) = √(Σx²) + max|x|: the gradient is that of f(x)."""

    def f(x: Any) -> Any:
        top = np.max(np.abs(x))
        unit = x / tg.stop_gradient(top) if isinstance(x, Tensor) else x / top
        return np.sqrt(np.sum(unit * unit)) * 1.0 + np.max(np.abs(unit))

    x = np.array([0.3, -2.0, 1.1])
    expected, found = tg.grad(f)(x), tg.grad(f)(x * scale)
    np.testing.assert_allclose(found * scale, expected, rtol=1e-14)
