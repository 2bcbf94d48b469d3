"""The second part of the course that the document is from (Improving Deep Neural Networks), written
out by hand: what makes the document's network learn better.

L2, dropout, gradient checking, He's initialisation, mini-batches, momentum, Adam and the softmax,
each as plain NumPy in the order in which a listing computes it, on top of the first part
(`tinygrad_dnn.textbook`), with the names, arguments and caches that the course uses, for any number
of layers. The engine is not used here: its gradients are compared with these.

Shapes and conventions are the first part's: dA and dZ carry no 1/m, which enters at dW and db. So
"dWl" is the derivative of the cost with respect to Wl, but "dZl" is m times the derivative with
respect to Zl. Unlike there, "dAl" is the gradient with respect to Al, as its name says; where
units are dropped, to what the relu gave.

What is random draws from a `RandomState` of its own, the numbers that `np.random.seed(seed)` would
give, and leaves the caller's global state alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.textbook import (
    compute_cost,
    initialize_parameters_deep,
    linear_backward,
    linear_forward,
    relu,
    relu_backward,
    sigmoid,
)

__all__ = [
    "backward_propagation",
    "backward_propagation_softmax",
    "backward_propagation_with_dropout",
    "backward_propagation_with_regularization",
    "compute_cost_softmax",
    "compute_cost_with_regularization",
    "convert_to_one_hot",
    "dictionary_to_vector",
    "forward_propagation",
    "forward_propagation_softmax",
    "forward_propagation_with_dropout",
    "gradient_check_n",
    "initialize_adam",
    "initialize_parameters_he",
    "initialize_velocity",
    "model",
    "random_mini_batches",
    "softmax",
    "update_parameters_with_adam",
    "update_parameters_with_gd",
    "update_parameters_with_momentum",
    "vector_to_dictionary",
]

Array = NDArray[Any]
Parameters = dict[str, Array]
Cache = dict[str, Array]  # A0 = X, then Zl and Al, and Dl where units are dropped


# --- initialisation -------------------------------------------------------------------------------


def initialize_parameters_he(layers_dims: Sequence[int], seed: int = 3) -> Parameters:
    """Normal numbers times √(2 / n_{l−1}) as weights, zeros as biases; shapes as in the first part.

    Behind a relu, which halves the mean square, Z keeps the size that A had (He et al. 2015).
    ValueError for fewer than two sizes, or one below 1.
    """
    parameters = initialize_parameters_deep(layers_dims, scale="sqrt", seed=seed)
    for layer in range(1, len(layers_dims)):
        parameters[f"W{layer}"] = parameters[f"W{layer}"] * np.sqrt(2)
    return parameters


# --- forward and backward, plain ------------------------------------------------------------------


def forward_propagation(X: Array, parameters: Parameters) -> tuple[Array, Cache]:
    """(linear, relu) × (L−1), linear, sigmoid; returns AL (1, m) and the cache of all Zl and Al."""
    return _forward(X, parameters, sigmoid)


def backward_propagation(X: Array, Y: Array, cache: Cache, parameters: Parameters) -> Parameters:
    """dZl, dWl, dbl for every layer, and dAl for the hidden ones.

    It begins with dZL = AL − Y, which is what the first part's dAL and `sigmoid_backward` come to,
    without their division by 0.
    """
    return backward_propagation_with_regularization(X, Y, cache, parameters, 0.0)


# --- L2 -------------------------------------------------------------------------------------------


def compute_cost_with_regularization(
    AL: Array, Y: Array, parameters: Parameters, lambd: float
) -> Array:
    """Cross-entropy + λ/2m Σ W², over the weights of all layers; shape ().

    ``lambd`` is spelled so because ``lambda`` is a word of Python's.
    """
    m = Y.shape[1]
    squares = sum(np.sum(np.square(parameters[f"W{l}"])) for l in range(1, _depth(parameters) + 1))
    return np.asarray(compute_cost(AL, Y) + lambd / (2 * m) * squares)


def backward_propagation_with_regularization(
    X: Array, Y: Array, cache: Cache, parameters: Parameters, lambd: float
) -> Parameters:
    """As `backward_propagation`, with dWl + λ/m · Wl."""
    return _backward(X, Y, cache, parameters, lambd=lambd)


# --- dropout --------------------------------------------------------------------------------------


def forward_propagation_with_dropout(
    X: Array, parameters: Parameters, keep_prob: float = 0.5, seed: int = 1
) -> tuple[Array, Cache]:
    """As `forward_propagation`, where each hidden unit is kept with probability keep_prob.

    Al is set to 0 where Dl is 0 and divided by keep_prob elsewhere, so that its expected value
    stays. The cache has the masks Dl (n_l, m) too. ValueError for a keep_prob outside (0, 1].
    """
    if not 0 < keep_prob <= 1:
        raise ValueError(
            "forward_propagation_with_dropout: expected keep_prob above 0 and up to 1, got "
            f"{keep_prob}"
        )
    return _forward(X, parameters, sigmoid, keep_prob, np.random.RandomState(seed))


def backward_propagation_with_dropout(
    X: Array, Y: Array, cache: Cache, parameters: Parameters, keep_prob: float
) -> Parameters:
    """As `backward_propagation`, where dAl passes the same units: dAl · Dl / keep_prob."""
    return _backward(X, Y, cache, parameters, keep_prob=keep_prob)


# --- many classes ---------------------------------------------------------------------------------


def softmax(Z: Array) -> tuple[Array, Array]:
    """e^Z / Σ e^Z over each column; Z (C, m), returns (A, cache) with cache = Z.

    The largest number of the column is taken off first, which changes nothing but that no e^Z
    overflows.
    """
    e = np.exp(Z - np.max(Z, axis=0, keepdims=True))
    return e / np.sum(e, axis=0, keepdims=True), Z


def convert_to_one_hot(Y: Array, C: int) -> Array:
    """Labels (1, m) or (m,) from 0 to C − 1 as columns (C, m), 1 in the row of the label."""
    labels = np.asarray(Y).reshape(-1)
    if labels.size and not (labels.min() >= 0 and labels.max() < C):
        raise ValueError(
            f"convert_to_one_hot: expected labels from 0 to {C - 1}, got {labels.min()} to "
            f"{labels.max()}"
        )
    columns: Array = np.eye(C)[labels.astype(np.int64)].T
    return columns


def forward_propagation_softmax(X: Array, parameters: Parameters) -> tuple[Array, Cache]:
    """(linear, relu) × (L−1), linear, softmax; returns AL (C, m) and the cache."""
    return _forward(X, parameters, softmax)


def compute_cost_softmax(AL: Array, Y: Array) -> Array:
    """−(1/m) Σ Y log AL over classes and examples; AL and Y (C, m), Y one-hot; shape ().

    It is infinite where the probability of the right class rounds to 0.
    """
    if AL.shape != Y.shape or Y.ndim != 2:
        raise ValueError(
            f"compute_cost_softmax: expected AL and Y (C, m), got {AL.shape} and {Y.shape}"
        )
    return np.asarray(-(1 / Y.shape[1]) * np.sum(Y[Y > 0] * np.log(AL[Y > 0])))


def backward_propagation_softmax(
    X: Array, Y: Array, cache: Cache, parameters: Parameters, lambd: float = 0.0
) -> Parameters:
    """As `backward_propagation`, from dZL = AL − Y, which holds for a softmax too; Y one-hot."""
    return _backward(X, Y, cache, parameters, lambd=lambd)


# --- gradient checking ----------------------------------------------------------------------------


def dictionary_to_vector(parameters: Parameters) -> Array:
    """W1, b1, W2, ... one below the other as a column (n, 1)."""
    names = [f"{kind}{l}" for l in range(1, _depth(parameters) + 1) for kind in "Wb"]
    return np.concatenate([parameters[name].reshape(-1, 1) for name in names])


def vector_to_dictionary(theta: Array, like: Parameters) -> Parameters:
    """A column of `dictionary_to_vector` as W1, b1, ... again, in the shapes of `like`."""
    found: Parameters = {}
    at = 0
    for l in range(1, _depth(like) + 1):
        for name in (f"W{l}", f"b{l}"):
            size = like[name].size
            found[name] = theta[at : at + size].reshape(like[name].shape)
            at += size
    return found


def gradient_check_n(
    parameters: Parameters, gradients: Parameters, X: Array, Y: Array, epsilon: float = 1e-7
) -> float:
    """‖grad_approx − grad‖ / (‖grad‖ + ‖grad_approx‖) for dW1, db1, ... of the sigmoid's network.

    Each element of grad_approx is (J(θ + ε) − J(θ − ε)) / 2ε. Below 1e-7 the backward pass is
    right, above 1e-3 it is wrong, says the course; of kinks it does not speak, and
    `tinygrad_dnn.check_gradients` does.
    """
    theta = dictionary_to_vector(parameters)
    L = _depth(parameters)
    grad = dictionary_to_vector(
        {f"{kind}{l}": gradients[f"d{kind}{l}"] for l in range(1, L + 1) for kind in "Wb"}
    )

    def J(theta: Array) -> Array:
        AL, _ = forward_propagation(X, vector_to_dictionary(theta, parameters))
        return compute_cost(AL, Y)

    grad_approx = np.zeros_like(theta)
    for i in range(len(theta)):
        step = np.zeros_like(theta)
        step[i] = epsilon
        grad_approx[i] = (J(theta + step) - J(theta - step)) / (2 * epsilon)
    difference = np.linalg.norm(grad_approx - grad)
    return float(difference / (np.linalg.norm(grad) + np.linalg.norm(grad_approx)))


# --- optimisation ---------------------------------------------------------------------------------


def random_mini_batches(
    X: Array, Y: Array, mini_batch_size: int = 64, seed: int = 0
) -> list[tuple[Array, Array]]:
    """X and Y (k, m) with their columns shuffled alike, cut every mini_batch_size columns.

    The last one is shorter where the size does not divide m. ValueError for a size below 1.
    """
    m = X.shape[1]
    if mini_batch_size < 1:
        raise ValueError(
            f"random_mini_batches: expected a size of 1 or more, got {mini_batch_size}"
        )
    permutation = np.random.RandomState(seed).permutation(m)
    shuffled_X, shuffled_Y = X[:, permutation], Y[:, permutation]
    mini_batches = []
    for k in range(0, m, mini_batch_size):
        end = k + mini_batch_size
        mini_batches.append((shuffled_X[:, k:end], shuffled_Y[:, k:end]))
    return mini_batches


def update_parameters_with_gd(
    parameters: Parameters, grads: Parameters, learning_rate: float
) -> Parameters:
    """Wl − α dWl and bl − α dbl for every layer; the dictionary that came in is changed."""
    for name, dparameter in _pairs(parameters):
        parameters[name] = parameters[name] - learning_rate * grads[dparameter]
    return parameters


def initialize_velocity(parameters: Parameters) -> Parameters:
    """Zeros "dWl" and "dbl" of the shapes of Wl and bl."""
    return {d: np.zeros_like(parameters[name]) for name, d in _pairs(parameters)}


def update_parameters_with_momentum(
    parameters: Parameters, grads: Parameters, v: Parameters, beta: float, learning_rate: float
) -> tuple[Parameters, Parameters]:
    """v ← β v + (1 − β) dW,  W ← W − α v, likewise for b; both dictionaries are changed."""
    for name, d in _pairs(parameters):
        v[d] = beta * v[d] + (1 - beta) * grads[d]
        parameters[name] = parameters[name] - learning_rate * v[d]
    return parameters, v


def initialize_adam(parameters: Parameters) -> tuple[Parameters, Parameters]:
    """v and s, both as `initialize_velocity`."""
    return initialize_velocity(parameters), initialize_velocity(parameters)


def update_parameters_with_adam(
    parameters: Parameters,
    grads: Parameters,
    v: Parameters,
    s: Parameters,
    t: int,
    learning_rate: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> tuple[Parameters, Parameters, Parameters]:
    """v ← β1 v + (1 − β1) dW,  s ← β2 s + (1 − β2) dW²,  W ← W − α v̂ / (√ŝ + ε), likewise for b.

    v̂ = v / (1 − β1^t) and ŝ = s / (1 − β2^t); t counts the steps from 1 on. ε stands outside the
    root, as in the paper. The dictionaries are changed.
    """
    if t < 1:
        raise ValueError(f"update_parameters_with_adam: expected t from 1 on, got {t}")
    for name, d in _pairs(parameters):
        v[d] = beta1 * v[d] + (1 - beta1) * grads[d]
        v_corrected = v[d] / (1 - beta1**t)
        s[d] = beta2 * s[d] + (1 - beta2) * np.square(grads[d])
        s_corrected = s[d] / (1 - beta2**t)
        step = v_corrected / (np.sqrt(s_corrected) + epsilon)
        parameters[name] = parameters[name] - learning_rate * step
    return parameters, v, s


def model(
    X: Array,
    Y: Array,
    layers_dims: Sequence[int],
    optimizer: str = "adam",
    learning_rate: float = 0.0007,
    mini_batch_size: int = 64,
    beta: float = 0.9,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    num_epochs: int = 1000,
    print_cost: bool = False,
) -> Parameters:
    """Train the sigmoid's network in mini-batches with "gd", "momentum" or "adam".

    X (n_x, m), Y (1, m). The parameters start from `initialize_parameters_he` with seed 3; the
    batches of epoch i (from 1 on) are shuffled with seed 10 + i. ``print_cost`` prints the mean
    cost over an epoch's examples every hundredth epoch.
    """
    if optimizer not in ("gd", "momentum", "adam"):
        raise ValueError(f"model: expected optimizer gd, momentum or adam, got {optimizer!r}")
    parameters = initialize_parameters_he(layers_dims)
    v, s = initialize_adam(parameters)
    t = 0
    for i in range(1, num_epochs + 1):
        total = 0.0
        for x, y in random_mini_batches(X, Y, mini_batch_size, seed=10 + i):
            AL, cache = forward_propagation(x, parameters)
            total += float(compute_cost(AL, y)) * x.shape[1]
            grads = backward_propagation(x, y, cache, parameters)
            t += 1
            if optimizer == "gd":
                update_parameters_with_gd(parameters, grads, learning_rate)
            elif optimizer == "momentum":
                update_parameters_with_momentum(parameters, grads, v, beta, learning_rate)
            else:
                update_parameters_with_adam(
                    parameters, grads, v, s, t, learning_rate, beta1, beta2, epsilon
                )
        if print_cost and i % 100 == 0:
            print(f"Cost after epoch {i}: {total / X.shape[1]:f}")
    return parameters


# --- what the passes share ------------------------------------------------------------------------


def _forward(
    X: Array,
    parameters: Parameters,
    last: Any,
    keep_prob: float = 1.0,
    random: np.random.RandomState | None = None,
) -> tuple[Array, Cache]:
    L = _depth(parameters)
    A = X
    cache: Cache = {"A0": X}
    for l in range(1, L + 1):
        Z, _ = linear_forward(A, parameters[f"W{l}"], parameters[f"b{l}"])
        A, _ = relu(Z) if l < L else last(Z)
        if random is not None and l < L:
            D = random.rand(*A.shape) < keep_prob
            A = A * D
            A = A / keep_prob
            cache[f"D{l}"] = D
        cache[f"Z{l}"], cache[f"A{l}"] = Z, A
    return A, cache


def _backward(
    X: Array,
    Y: Array,
    cache: Cache,
    parameters: Parameters,
    lambd: float = 0.0,
    keep_prob: float = 1.0,
) -> Parameters:
    m = X.shape[1]
    L = _depth(parameters)
    AL = cache[f"A{L}"]
    if AL.shape != Y.shape:
        raise ValueError(f"backward_propagation: expected Y {AL.shape} as AL, got {Y.shape}")
    grads: Parameters = {}
    dZ = AL - Y
    for l in range(L, 0, -1):
        W, b = parameters[f"W{l}"], parameters[f"b{l}"]
        dA_prev, dW, db = linear_backward(dZ, (cache[f"A{l - 1}"], W, b))
        if lambd:
            dW = dW + lambd / m * W
        grads[f"dZ{l}"], grads[f"dW{l}"], grads[f"db{l}"] = dZ, dW, db
        if l > 1:
            if f"D{l - 1}" in cache:
                dA_prev = dA_prev * cache[f"D{l - 1}"]
                dA_prev = dA_prev / keep_prob
            grads[f"dA{l - 1}"] = dA_prev
            dZ = relu_backward(dA_prev, cache[f"Z{l - 1}"])
    return grads


def _depth(parameters: Parameters) -> int:
    return len(parameters) // 2


def _pairs(parameters: Parameters) -> list[tuple[str, str]]:
    """Wl beside dWl and bl beside dbl."""
    L = _depth(parameters)
    return [(f"{kind}{l}", f"d{kind}{l}") for l in range(1, L + 1) for kind in "Wb"]
