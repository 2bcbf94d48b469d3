"""The update rules: gradient descent and what remembers the gradients before.

Written for one parameter p with its gradient g; what a rule remembers bears the course's letters:
v for a mean of gradients, s for a mean of their squares, t for the steps taken. All are plain NumPy
calls, so that the same lines run on arrays, and on Tensors inside `compile` and `compile_loop`.
There a rate that changes comes as an argument, `np.asarray(rate)`: a Python number is written into
the program.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.pytree import rebuild
from tinygrad_dnn.former_names import former_arguments
from tinygrad_dnn.optim.optimiser import (
    Optimiser,
    Remembered,
    Tree,
    checked_rate,
    fitting,
    in_dtype,
    parameters_of,
)


def gradient_descent(parameters: Tree, gradients: Tree, learning_rate: Any) -> Any:
    """W ← W − α dW for every parameter; returns the new parameters.

    Parameters and gradients are left as they were. The rate is a Python number, so float32
    parameters stay float32. `sgd()` is this as an optimiser, with a state of nothing.

    Raises:
        TypeError: a parameter is no array of floats.
        ValueError: a gradient is missing or has another shape or dtype than its parameter; a rate
            that is not above 0.
    """
    leaves, layout = parameters_of("gradient_descent", parameters)
    slopes = fitting("gradient_descent: expected a gradient", gradients, leaves)
    rate = checked_rate(learning_rate)
    return rebuild(
        layout, [_descended(p, slopes[path], in_dtype(rate, p)) for path, p in leaves.items()]
    )


def _descended(p: Any, g: Any, rate: Any) -> Any:
    """p − α g."""
    if isinstance(p, np.ndarray) and isinstance(g, np.ndarray):
        step = np.multiply(g, rate, out=np.empty_like(g))
        return np.subtract(p, step, out=step)
    return p - g * rate  # Tensors record


def sgd() -> Optimiser:
    """Gradient descent, p ← p − α g; stochastic where g comes from a mini-batch.

    H. Robbins and S. Monro, A stochastic approximation method, 1951.
    """
    return Optimiser("sgd", lambda p, g, _, rate, t: (_descended(p, g, rate), {}))


def momentum(beta: float = 0.9, dampening: float = 0.0) -> Optimiser:
    """v ← β v + (1 − d) g,  p ← p − α v, from v = 0: the heavy ball.

    With the dampening d = 0 a steady gradient is followed 1/(1 − β) times as fast. The course has
    d = β, so that v is a mean of the gradients: `momentum(0.9, dampening=0.9)`. PyTorch's SGD is
    this too, but that its first step is not damped.

    B. T. Polyak, Some methods of speeding up the convergence of iteration methods, 1964.

    Raises:
        ValueError: β or d outside 0 ≤ · < 1.
    """
    _shares("momentum", beta=beta, dampening=dampening)

    def rule(p: Any, g: Any, kept: Remembered, rate: Any, t: Any) -> tuple[Any, Remembered]:
        v = beta * kept["v"] + ((1 - dampening) * g if dampening else g)
        return _descended(p, v, rate), {"v": v}

    return Optimiser("momentum", rule, {"beta": beta, "dampening": dampening}, ("v",))


def nesterov(beta: float = 0.9) -> Optimiser:
    """v ← β v + g,  p ← p − α (g + β v), from v = 0: the slope where the momentum leads to.

    Y. Nesterov, 1983, in the form of I. Sutskever et al., On the importance of initialization and
    momentum in deep learning, 2013, as PyTorch and Keras have it.

    Raises:
        ValueError: β outside 0 ≤ β < 1.
    """
    _shares("nesterov", beta=beta)

    def rule(p: Any, g: Any, kept: Remembered, rate: Any, t: Any) -> tuple[Any, Remembered]:
        v = beta * kept["v"] + g
        return _descended(p, g + beta * v, rate), {"v": v}

    return Optimiser("nesterov", rule, {"beta": beta}, ("v",))


def rmsprop(beta: float = 0.99, epsilon: float = 1e-8) -> Optimiser:
    """s ← β s + (1 − β) g²,  p ← p − α g / (√s + ε), from s = 0.

    T. Tieleman and G. Hinton, Lecture 6.5, Neural Networks for Machine Learning, Coursera, 2012.

    Raises:
        ValueError: β outside 0 ≤ β < 1, ε not above 0.
    """
    _shares("rmsprop", beta=beta)
    _above_0("rmsprop", epsilon=epsilon)

    def rule(p: Any, g: Any, kept: Remembered, rate: Any, t: Any) -> tuple[Any, Remembered]:
        s = beta * kept["s"] + (1 - beta) * np.square(g)
        return _descended(p, g / (np.sqrt(s) + _above_tiny(epsilon, p)), rate), {"s": s}

    return Optimiser("rmsprop", rule, {"beta": beta, "epsilon": epsilon}, ("s",))


def adagrad(epsilon: float = 1e-10) -> Optimiser:
    """s ← s + g²,  p ← p − α g / (√s + ε), from s = 0.

    J. Duchi, E. Hazan and Y. Singer, Adaptive subgradient methods for online learning and
    stochastic optimization, JMLR 12, 2011.

    Raises:
        ValueError: ε not above 0.
    """
    _above_0("adagrad", epsilon=epsilon)

    def rule(p: Any, g: Any, kept: Remembered, rate: Any, t: Any) -> tuple[Any, Remembered]:
        s = kept["s"] + np.square(g)
        return _descended(p, g / (np.sqrt(s) + _above_tiny(epsilon, p)), rate), {"s": s}

    return Optimiser("adagrad", rule, {"epsilon": epsilon}, ("s",))


def adam(beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> Optimiser:
    """v ← β1 v + (1 − β1) g,  s ← β2 s + (1 − β2) g²,  p ← p − α v̂ / (√ŝ + ε), from v = s = 0.

    v̂ = v / (1 − β1ᵗ) and ŝ = s / (1 − β2ᵗ) make up for the zeros that v and s began with. Computed
    as α √(1 − β2ᵗ) / (1 − β1ᵗ) · v / (√s + ε √(1 − β2ᵗ)), which is the same in fewer passes over
    the arrays (the end of section 2 of the paper, with its ε̂ = ε √(1 − β2ᵗ)); and with
    u = (1 − β1) g, of which both means are made.

    D. P. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015.

    Raises:
        ValueError: β1 or β2 outside 0 < β < 1, ε not above 0.
    """
    _shares("adam", beta1=beta1, beta2=beta2)
    _above_0("adam", beta1=beta1, beta2=beta2, epsilon=epsilon)
    share = (1 - beta2) / (1 - beta1) ** 2

    def rule(p: Any, g: Any, kept: Remembered, rate: Any, t: Any) -> tuple[Any, Remembered]:
        u = (1 - beta1) * g  # compiled, the number goes into the product that g is
        v = beta1 * kept["v"] + u
        s = beta2 * kept["s"] + share * np.square(u)
        root = np.sqrt(_one_minus_power(beta2, t))
        step = in_dtype(root / _one_minus_power(beta1, t), p) * rate
        below = np.sqrt(s) + in_dtype(_above_tiny(epsilon, p) * root, p)
        return _descended(p, v / below, step), {"v": v, "s": s}

    settings = {"beta1": beta1, "beta2": beta2, "epsilon": epsilon}
    return Optimiser("adam", rule, settings, ("v", "s"), counts=True)


def adamw(
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    decay: float = 0.01,
    decays: Callable[[str], bool] | None = None,
) -> Optimiser:
    """p ← p − α λ p, then Adam's step: `weight_decay` of `adam`.

    I. Loshchilov and F. Hutter, Decoupled weight decay regularization, ICLR 2019. As in PyTorch the
    decay is multiplied by the rate α.

    Raises:
        ValueError: as `adam`; λ below 0.
    """
    return replace(weight_decay(adam(beta1, beta2, epsilon), decay, decays), name="adamw")


@former_arguments(optimiser="optimizer")
def weight_decay(
    optimizer: Optimiser, decay: float, decays: Callable[[str], bool] | None = None
) -> Optimiser:
    """The optimiser with p ← p − α λ p before each of its steps.

    L2 adds λ p to the gradient instead. Under gradient descent that is the same; an adaptive rule
    would divide it by √s too, and let large gradients decay less (Loshchilov and Hutter, 2019).

    Args:
        decay: λ.
        decays: whether the parameter at a path, `['W1']`, decays. All do by default;
            `lambda path: "W" in path` spares biases.

    Raises:
        ValueError: λ is below 0 or not finite; the optimiser decays already, as `adamw` does.
    """
    if not math.isfinite(decay) or decay < 0:
        raise ValueError(f"weight_decay: expected a finite decay of 0 or above, got {decay}")
    if optimizer.decay:
        raise ValueError(
            f"weight_decay: {optimizer.name} decays by {optimizer.decay} already; give one "
            "without a decay, e.g. adam()"
        )
    return replace(optimizer, decay=float(decay), decays=decays)


OPTIMISERS: dict[str, Callable[..., Optimiser]] = {
    f.__name__: f for f in (sgd, momentum, nesterov, rmsprop, adagrad, adam, adamw)
}


def _one_minus_power(beta: float, t: Any) -> Any:
    """1 − βᵗ, without the cancellation of 1 − β ** t for small t."""
    return -np.expm1(t * math.log(beta))


def _above_tiny(epsilon: float, p: Any) -> float:
    """ε, or the smallest normal number of p's dtype: in float16 1e-8 is 0, and 0/0 no step."""
    return max(epsilon, float(np.finfo(p.dtype).tiny))


def _shares(who: str, **given: float) -> None:
    for name, x in given.items():
        if not 0 <= x < 1:
            raise ValueError(f"{who}: expected {name} from 0 to below 1, got {x}")


def _above_0(who: str, **given: float) -> None:
    for name, x in given.items():
        if not math.isfinite(x) or x <= 0:
            raise ValueError(f"{who}: expected {name} above 0, got {x}")
