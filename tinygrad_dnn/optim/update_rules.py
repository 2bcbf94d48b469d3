"""The update rules: gradient descent and what remembers the gradients before.

Written for one parameter p with its gradient g; what a rule remembers bears the course's letters:
v for a mean of gradients, s for a mean of their squares, t for the steps taken. All are plain NumPy
calls, so that the same lines run on arrays, and on Tensors inside `compile` and `compile_loop`.
There a rate that changes comes as an argument, `np.asarray(rate)`: a Python number is written into
the program.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.pytree import PASSING, arrays_of, paths, rebuild
from tinygrad_dnn.former_names import former_arguments

Tree = Any
State = dict[str, Any]
Remembered = dict[str, Any]  # of one parameter: {"v": ..., "s": ...}
# (p, g, what is remembered, rate, t) -> (the next p, what is remembered next)
Rule = Callable[[Any, Any, Remembered, Any, Any], tuple[Any, Remembered]]


def check_learning_rate(rate: float) -> float:
    """A learning rate that can be used: a finite number above 0.

    Raises:
        TypeError: it is no number.
        ValueError: it is 0, negative, NaN or infinite.
    """
    if rate is None or isinstance(rate, (str, bytes, list, tuple, dict)):  # float() reads texts
        raise TypeError(f"learning rate: expected a number, got {rate!r}")
    rate = float(rate)
    if not math.isfinite(rate) or rate <= 0:
        raise ValueError(f"learning rate: expected a finite number above 0, got {rate}")
    return rate


@dataclass(frozen=True)
class Optimiser:
    """An update rule for trees of parameters: what `adam()` and the others return.

    Attributes:
        name: the function that made it.
        rule: one step of one parameter.
        settings: its numbers, by name.
        remembers: names of the trees in its state; each has the structure of the parameters.
        counts: whether its state holds t, the number of steps taken.
        decay: λ of W ← W − α λ W before each step, see `weight_decay`.
        decays: which parameters decay, by path; all by default.
    """

    name: str
    rule: Rule = field(repr=False)
    settings: Mapping[str, float] = field(default_factory=dict)
    remembers: tuple[str, ...] = ()
    counts: bool = False
    decay: float = 0.0
    decays: Callable[[str], bool] | None = None

    def init(self, parameters: Tree) -> State:
        """The state before the first step: zeros of the parameters' shapes and dtypes.

        Raises:
            TypeError: a parameter is no array of floats.
        """
        leaves, layout = _parameters(self.name, parameters)
        state: State = {
            part: rebuild(layout, [np.zeros_like(p) for p in leaves.values()])
            for part in self.remembers
        }
        if not self.counts:
            return state
        first = next(iter(leaves.values()), np.zeros(()))
        return state | {"t": np.zeros_like(first, dtype=int, shape=())}  # where the parameters lie

    @former_arguments(rate="learning_rate")
    def update(
        self, parameters: Tree, gradients: Tree, state: State, learning_rate: Any
    ) -> tuple[Tree, State]:
        """The parameters and the state after one step; what is given stays as it was.

        Args:
            gradients: one for each parameter, under its name; others are not looked at.
            learning_rate: α, a number above 0, or a 0-d array, which a compiled step takes as an
                argument.

        Raises:
            TypeError: a parameter is no array of floats.
            ValueError: a gradient or a part of the state is missing or has another shape or dtype
                than its parameter; a rate that is not above 0.
        """
        leaves, layout = _parameters(self.name, parameters)
        slopes = _fitting(f"{self.name}: expected a gradient", gradients, leaves)
        _check_parts(self, state)
        kept = {
            part: _fitting(
                f"{self.name}: expected a state, as init(parameters) makes it, whose {part!r} is",
                state[part],
                leaves,
            )
            for part in self.remembers
        }
        rate = _checked_rate(learning_rate)
        t = state["t"] + 1 if self.counts else None
        after, remembered = [], []
        for path, p in leaves.items():
            alpha = _in_dtype(rate, p)
            before = {part: kept[part][path] for part in self.remembers}
            if self.decay and (self.decays is None or self.decays(path)):
                p = p * (1 - alpha * self.decay)
            p, now = self.rule(p, slopes[path], before, alpha, t)
            after.append(p)
            remembered.append(now)
        new: State = {
            part: rebuild(layout, [now[part] for now in remembered]) for part in self.remembers
        }
        return rebuild(layout, after), new | {"t": t} if self.counts else new


def gradient_descent(parameters: Tree, gradients: Tree, learning_rate: Any) -> Any:
    """W ← W − α dW for every parameter; returns the new parameters.

    Parameters and gradients are left as they were. The rate is a Python number, so float32
    parameters stay float32. `sgd()` is this as an optimiser, with a state of nothing.

    Raises:
        TypeError: a parameter is no array of floats.
        ValueError: a gradient is missing or has another shape or dtype than its parameter; a rate
            that is not above 0.
    """
    leaves, layout = _parameters("gradient_descent", parameters)
    slopes = _fitting("gradient_descent: expected a gradient", gradients, leaves)
    rate = _checked_rate(learning_rate)
    return rebuild(
        layout, [_descended(p, slopes[path], _in_dtype(rate, p)) for path, p in leaves.items()]
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
        step = _in_dtype(root / _one_minus_power(beta1, t), p) * rate
        below = np.sqrt(s) + _in_dtype(_above_tiny(epsilon, p) * root, p)
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


def _in_dtype(x: Any, p: Any) -> Any:
    """A number as it is, which takes any dtype; a 0-d array in the dtype of p."""
    if isinstance(x, float) and not isinstance(x, np.generic):
        return x
    return x if x.dtype == p.dtype else x.astype(p.dtype)


def _checked_rate(rate: Any) -> Any:
    shape = getattr(rate, "shape", ())
    if shape != ():
        raise ValueError(f"learning rate: expected a number or a 0-d array, got shape {shape}")
    if isinstance(rate, (int, float, np.generic)) or not hasattr(rate, "dtype"):
        return check_learning_rate(rate)
    if isinstance(rate, np.ndarray):
        check_learning_rate(rate.item())
    return rate


# --- trees ----------------------------------------------------------------------------------------


def _by_path(tree: Tree) -> tuple[dict[str, Any], Any]:
    """The arrays of a tree by their paths, and its layout."""
    if isinstance(tree, Mapping):
        if all(hasattr(x, "dtype") for x in tree.values()):  # the usual, quickly
            return {f"[{key!r}]": x for key, x in tree.items()}, dict.fromkeys(tree)
        tree = dict(tree)
    if type(tree) in PASSING:
        return {"": tree}, None
    leaves, layout = arrays_of(tree)
    return dict(zip(paths(tree, True, PASSING), leaves, strict=True)), layout


def _parameters(who: str, parameters: Tree) -> tuple[dict[str, Any], Any]:
    leaves, layout = _by_path(parameters)
    for path, p in leaves.items():
        kind = getattr(getattr(p, "dtype", None), "kind", None)
        if kind != "f":
            got = type(p).__name__ if kind is None else f"an array of {p.dtype}"
            raise TypeError(
                f"{who}: expected arrays of floats as parameters, got {got} for {_name(path)}; "
                "make it one with np.asarray(x, dtype=float)"
            )
    return leaves, layout


def _fitting(expected: str, given: Tree, leaves: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays of `given` by path, those for these parameters of their shapes and dtypes."""
    found = _by_path(given)[0]
    for path, p in leaves.items():
        x: Any = found.get(path)
        shape = getattr(x, "shape", None)
        if shape != p.shape:
            got = "none" if x is None else type(x).__name__ if shape is None else shape
            raise ValueError(f"{expected} of shape {p.shape} for {_name(path)}, got {got}")
        if x.dtype != p.dtype:
            raise ValueError(
                f"{expected} of {p.dtype} for {_name(path)}, got {x.dtype}; data and labels of "
                "that type keep it"
            )
    return found


def _check_parts(optimiser: Optimiser, state: Any) -> None:
    wanted = [*optimiser.remembers, *(["t"] if optimiser.counts else [])]
    got = sorted(state) if isinstance(state, Mapping) else type(state).__name__
    if got != sorted(wanted):
        raise ValueError(
            f"{optimiser.name}: expected a state of {', '.join(wanted) or 'nothing, {}'}, as "
            f"init(parameters) makes it, got {', '.join(got) if isinstance(got, list) else got}"
        )


def _name(path: str) -> str:
    """`W1` for `['W1']`; a longer path as it is, and an array that stands alone."""
    inner = path.removeprefix("['").removesuffix("']")
    return inner if path == f"['{inner}']" and "'" not in inner else path or "the array"


def _shares(who: str, **given: float) -> None:
    for name, x in given.items():
        if not 0 <= x < 1:
            raise ValueError(f"{who}: expected {name} from 0 to below 1, got {x}")


def _above_0(who: str, **given: float) -> None:
    for name, x in given.items():
        if not math.isfinite(x) or x <= 0:
            raise ValueError(f"{who}: expected {name} above 0, got {x}")
