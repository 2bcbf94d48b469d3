"""The documents' network written out by hand, function for function: the yardstick.

Replace a tutorial's imports by ``from tinygrad_dnn.textbook import *`` and its listings run: the
activations of its unprinted helper file, its small parts, both models, ``predict`` and
``load_data`` are here, with its names, arguments, shapes and caches, and ``np`` comes along
because the listings write it. A listing that draws needs ``matplotlib.pyplot as plt`` besides.

Plain NumPy in the document's order of operations, the waste included (a ``dA0`` nobody reads,
a temporary per operator): what is measured against it must be measured against what is taught.
The engine is not used here. Only the random state differs from the document: each function draws
from a ``RandomState`` of its own, the very numbers that ``np.random.seed`` would give, and leaves
the caller's global state alone.

Shapes: ``X`` is (n_x, m) with examples as columns, ``Y`` is (1, m), ``Wl`` is (n_l, n_{l-1}),
``bl`` is (n_l, 1), ``Zl`` and ``Al`` are (n_l, m). The document's dA and dZ carry no 1/m; it
enters at dW and db. So ``dW1`` is the derivative of the cost with respect to W1, but ``dZ1`` is m
times the derivative of the cost with respect to Z1.
"""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.data import open_dataset

__all__ = [
    "L_layer_model",
    "L_model_backward",
    "L_model_forward",
    "compute_cost",
    "initialize_parameters",
    "initialize_parameters_deep",
    "linear_activation_backward",
    "linear_activation_forward",
    "linear_backward",
    "linear_forward",
    "load_data",
    "np",
    "predict",
    "relu",
    "relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "two_layer_model",
    "update_parameters",
]

Array = NDArray[Any]
Parameters = dict[str, Array]
File = str | PathLike[str] | None
LinearCache = tuple[Array, Array, Array]  # A_prev, W, b
Cache = tuple[LinearCache, Array]  # and Z


def sigmoid(Z: Array) -> tuple[Array, Array]:
    """σ(Z) = 1 / (1 + e^−Z), elementwise; returns (A, cache) of one shape, with cache = Z.

    Below Z = −709 (float64) e^−Z overflows: NumPy warns and A is 0; above 37 A rounds to 1. Either
    end breaks `compute_cost`.
    """
    A = 1 / (1 + np.exp(-Z))
    return A, Z


def relu(Z: Array) -> tuple[Array, Array]:
    """max(0, Z), elementwise; returns (A, cache) of one shape, with cache = Z."""
    A = np.maximum(0, Z)
    return A, Z


def sigmoid_backward(dA: Array, cache: Array) -> Array:
    """dZ = dA · σ(Z) · (1 − σ(Z)), with Z = cache; ValueError where their shapes differ.

    The cache holds Z and not A, so the sigmoid is computed a second time.
    """
    Z = cache
    _same_shape("sigmoid_backward", dA, Z)
    s = 1 / (1 + np.exp(-Z))
    dZ: Array = dA * s * (1 - s)
    return dZ


def relu_backward(dA: Array, cache: Array) -> Array:
    """dZ = dA where Z > 0 and 0 elsewhere, at Z = 0 too; Z = cache; ValueError as above."""
    Z = cache
    _same_shape("relu_backward", dA, Z)
    dZ = np.array(dA, copy=True)
    dZ[Z <= 0] = 0
    return dZ


ACTIVATIONS = {"relu": (relu, relu_backward), "sigmoid": (sigmoid, sigmoid_backward)}


def initialize_parameters(n_x: int, n_h: int, n_y: int) -> Parameters:
    """As `initialize_parameters_deep` for (n_x, n_h, n_y): weights times 0.01, seed 1."""
    return initialize_parameters_deep((n_x, n_h, n_y), seed=1)


def initialize_parameters_deep(
    layer_dims: Sequence[int], scale: float | Literal["sqrt"] = 0.01, seed: int = 3
) -> Parameters:
    """Normal numbers, scaled, as weights and zeros as biases; layer_dims (n_x, n_1, ..., n_L).

    Returns a dict of Wl (n_l, n_{l-1}) and bl (n_l, 1). ``scale`` is a factor for all weights, or
    "sqrt" to divide those of layer l by √n_{l-1}; ``seed`` starts the stream. ValueError for an
    unknown scale, fewer than two sizes, or one below 1.

    Called with ``layer_dims`` alone, this is the document's listing: weights times 0.01, seed 3.
    The document does not say that its printed result cannot come from there: behind four such
    layers the output hardly depends on the input, the gradients vanish, and its 12288-20-7-5-1
    network stays at a cost of 0.644 (66% of its training examples right, 34% of its test examples).
    The result it prints comes from ``scale="sqrt", seed=1``, with which Z keeps the size of A.
    `L_layer_model` uses that.
    """
    _layer_sizes("initialize_parameters_deep", layer_dims)
    if isinstance(scale, str) and scale != "sqrt":
        raise ValueError(f"initialize_parameters_deep: expected a number or 'sqrt', got {scale!r}")
    random = np.random.RandomState(seed)
    parameters: Parameters = {}
    for layer in range(1, len(layer_dims)):
        n, n_prev = layer_dims[layer], layer_dims[layer - 1]
        W = random.randn(n, n_prev)
        parameters[f"W{layer}"] = W / np.sqrt(n_prev) if scale == "sqrt" else W * scale
        parameters[f"b{layer}"] = np.zeros((n, 1))
    return parameters


# Forward and backward. ValueError wherever the shapes do not fit together.


def linear_forward(A: Array, W: Array, b: Array) -> tuple[Array, LinearCache]:
    """Z = W·A + b; A (n_prev, m), W (n, n_prev), b (n, 1). Returns Z (n, m) and (A, W, b).

    The document calls the cache a dictionary; it is a tuple.
    """
    if A.ndim != 2 or W.ndim != 2 or W.shape[1] != A.shape[0] or b.shape != (W.shape[0], 1):
        raise ValueError(
            "linear_forward: expected A (n_prev, m), W (n, n_prev) and b (n, 1), "
            f"got A {A.shape}, W {W.shape} and b {b.shape}"
        )
    Z = np.dot(W, A) + b
    return Z, (A, W, b)


def linear_activation_forward(
    A_prev: Array, W: Array, b: Array, activation: str
) -> tuple[Array, Cache]:
    """A = g(W·A_prev + b) with g the activation, "relu" or "sigmoid"; shapes as `linear_forward`.

    Returns A (n, m) and the cache ((A_prev, W, b), Z). ValueError for another activation too.
    """
    _known("linear_activation_forward", activation)
    Z, linear_cache = linear_forward(A_prev, W, b)
    A, activation_cache = ACTIVATIONS[activation][0](Z)
    return A, (linear_cache, activation_cache)


def L_model_forward(X: Array, parameters: Parameters) -> tuple[Array, list[Cache]]:
    """X (n_x, m) through L−1 relu layers and a sigmoid; returns AL (1, m) and a cache per layer."""
    caches = []
    A = X
    L = len(parameters) // 2
    for layer in range(1, L):
        W, b = parameters[f"W{layer}"], parameters[f"b{layer}"]
        A, cache = linear_activation_forward(A, W, b, "relu")
        caches.append(cache)
    AL, cache = linear_activation_forward(A, parameters[f"W{L}"], parameters[f"b{L}"], "sigmoid")
    caches.append(cache)
    if AL.shape != (1, X.shape[1]):
        raise ValueError(f"L_model_forward: expected a last layer of one unit, got AL {AL.shape}")
    return AL, caches


def compute_cost(AL: Array, Y: Array) -> Array:
    """Cross-entropy −(1/m) Σ [Y log AL + (1 − Y) log(1 − AL)]; AL and Y (1, m), returns shape ().

    It breaks where an element of AL reaches 0 or 1, even on the right side: with Y = AL = 1 the
    second term is 0 · log 0 = nan (on the wrong side it is inf), and one such element spoils the
    whole cost. The document says nothing of it; it is left so, with NumPy's own RuntimeWarning.
    """
    if Y.shape != (1, Y.size) or AL.shape != Y.shape:
        raise ValueError(f"compute_cost: expected AL and Y (1, m), got {AL.shape} and {Y.shape}")
    m = Y.shape[1]
    cost: Array = -(1 / m) * (np.dot(Y, np.log(AL).T) + np.dot((1 - Y), np.log(1 - AL).T))
    return np.squeeze(cost)


def linear_backward(dZ: Array, cache: LinearCache) -> tuple[Array, Array, Array]:
    """dW = (1/m) dZ·A_prevᵀ, db = (1/m) Σ dZ over the examples, dA_prev = Wᵀ·dZ.

    dZ (n, m), cache (A_prev, W, b) of `linear_forward`. Returns dA_prev (n_prev, m), dW (n, n_prev)
    and db (n, 1). The document calls all of them gradients of the cost. dW and db are; dZ and
    dA_prev are m times that, since the 1/m enters at dW and db.
    """
    A_prev, W, _b = cache
    m = A_prev.shape[1]
    if dZ.shape != (W.shape[0], m):
        raise ValueError(f"linear_backward: expected dZ {(W.shape[0], m)}, got {dZ.shape}")
    dW = (1 / m) * np.dot(dZ, A_prev.T)
    db = (1 / m) * np.sum(dZ, 1, keepdims=True)
    dA_prev = np.dot(W.T, dZ)
    return dA_prev, dW, db


def linear_activation_backward(
    dA: Array, cache: Cache, activation: str
) -> tuple[Array, Array, Array]:
    """Back through one layer; dA (n, m) and the cache and activation of its forward step.

    Returns dA_prev, dW, db as `linear_backward`. ValueError for another activation too.
    """
    _known("linear_activation_backward", activation)
    linear_cache, activation_cache = cache
    dZ = ACTIVATIONS[activation][1](dA, activation_cache)
    return linear_backward(dZ, linear_cache)


def L_model_backward(AL: Array, Y: Array, caches: list[Cache]) -> Parameters:
    """All gradients; AL (1, m) and caches from `L_model_forward`, Y of m labels.

    Returns a dict: for each layer l, "dWl" (n_l, n_{l-1}), "dbl" (n_l, 1), and "dAl", which is not
    what it says: ``grads["dA" + str(l)]`` holds the gradient with respect to A of layer l−1
    (n_{l-1}, m), so "dA1" is the gradient with respect to X. That one is computed and never read: a
    third of the arithmetic of the document's network. dA of layer L itself is not in the dict.

    Like the cost, dAL = −(Y/AL − (1 − Y)/(1 − AL)) breaks where AL reaches 0 or 1: 0/0 is nan.
    """
    if Y.size != AL.size:
        raise ValueError(f"L_model_backward: expected Y {AL.shape} as AL, got {Y.shape}")
    grads: Parameters = {}
    L = len(caches)
    Y = Y.reshape(AL.shape)
    dAL = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))
    dA_prev, dW, db = linear_activation_backward(dAL, caches[L - 1], "sigmoid")
    grads[f"dA{L}"], grads[f"dW{L}"], grads[f"db{L}"] = dA_prev, dW, db
    for layer in range(L - 1, 0, -1):
        dA = grads[f"dA{layer + 1}"]
        dA_prev, dW, db = linear_activation_backward(dA, caches[layer - 1], "relu")
        grads[f"dA{layer}"], grads[f"dW{layer}"], grads[f"db{layer}"] = dA_prev, dW, db
    return grads


def update_parameters(
    parameters: Parameters, grads: Parameters, learning_rate: float
) -> Parameters:
    """One step of gradient descent: Wl − rate · dWl and bl − rate · dbl for every layer l.

    The arrays are new, the dictionary is the one that came in: it is changed and returned.
    """
    for layer in range(1, len(parameters) // 2 + 1):
        parameters[f"W{layer}"] = parameters[f"W{layer}"] - learning_rate * grads[f"dW{layer}"]
        parameters[f"b{layer}"] = parameters[f"b{layer}"] - learning_rate * grads[f"db{layer}"]
    return parameters


def two_layer_model(
    X: Array,
    Y: Array,
    layers_dims: Sequence[int],
    learning_rate: float = 0.0075,
    num_iterations: int = 3000,
    print_cost: bool = False,
    *,
    plot: bool = False,
) -> Parameters:
    """Train linear, relu, linear, sigmoid by gradient descent; layers_dims is (n_x, n_h, 1).

    The parameters start from `initialize_parameters`; the rest is as `L_layer_model`.
    """
    _model_input("two_layer_model", X, Y, layers_dims)
    if len(layers_dims) != 3:
        raise ValueError(f"two_layer_model: expected (n_x, n_h, n_y), got {tuple(layers_dims)}")
    parameters = initialize_parameters(*layers_dims)
    return _descend(X, Y, parameters, learning_rate, num_iterations, print_cost, plot)


def L_layer_model(
    X: Array,
    Y: Array,
    layers_dims: Sequence[int],
    learning_rate: float = 0.0075,
    num_iterations: int = 3000,
    print_cost: bool = False,
    *,
    plot: bool = False,
) -> Parameters:
    """Train (linear, relu) × (L−1), linear, sigmoid by gradient descent on all examples at once.

    X (n_x, m), though the document's docstring has (m, n_x); Y (1, m), where that docstring says
    0 for a cat and 1 for a non-cat: it is the other way round, as its other docstrings and
    ``list_classes`` have it; layers_dims (n_x, n_1, ..., n_L = 1). Starts from
    ``initialize_parameters_deep(layers_dims, scale="sqrt", seed=1)``, which reaches the result that
    the document prints (its listed 0.01, seed 3 does not), and returns the trained parameters.

    ``print_cost`` prints the cost before step 0, 100, 200, ...; ``plot`` shows those costs with
    matplotlib (the extra ``plot``; ImportError without it). The document always plots; here it is
    asked for, so that training needs no drawing library. As in the document the axis label says
    "(per tens)" for points a hundred iterations apart, and without ``print_cost`` there are none.
    """
    _model_input("L_layer_model", X, Y, layers_dims)
    parameters = initialize_parameters_deep(layers_dims, scale="sqrt", seed=1)
    return _descend(X, Y, parameters, learning_rate, num_iterations, print_cost, plot)


def _descend(
    X: Array, Y: Array, parameters: Parameters, rate: float, steps: int, say: bool, plot: bool
) -> Parameters:
    costs: list[Array] = []
    for i in range(steps):
        AL, caches = L_model_forward(X, parameters)
        cost = compute_cost(AL, Y)
        grads = L_model_backward(AL, Y, caches)
        parameters = update_parameters(parameters, grads, rate)
        if say and i % 100 == 0:
            print(f"Cost after iteration {i}: {cost:f}")
            costs.append(cost)
    if plot:
        _plot_costs(costs, rate)
    return parameters


def predict(X: Array, y: Array, parameters: Parameters) -> Array:
    """1 where the network's probability exceeds 0.5 and else 0; prints the share that equals y.

    X (n_x, m), y (1, m). Returns (1, m), float64; ValueError where shapes do not fit. The accuracy
    is printed to 12 significant digits, as the document's Python 2 did: 0.985645933014 and 0.8.
    """
    m = X.shape[1]
    if y.shape != (1, m):
        raise ValueError(f"predict: expected y (1, {m}) for X {X.shape}, got {y.shape}")
    probabilities, _caches = L_model_forward(X, parameters)
    p = np.zeros((1, m))
    p[probabilities > 0.5] = 1
    accuracy = np.sum((p == y) / m)
    print(f"Accuracy: {float(f'{accuracy:.12g}')}")
    return p


def load_data(
    train: File = None, test: File = None, folder: str | PathLike[str] = "datasets"
) -> tuple[Array, Array, Array, Array, Array]:
    """The cat files, by default train_catvnoncat.h5 and test_catvnoncat.h5 in ``folder``.

    Returns train_set_x_orig (m, px, px, 3) uint8, train_set_y_orig (1, m), test_set_x_orig,
    test_set_y_orig, and classes: ``classes[1]`` is the name of label 1, b"cat". OSError where a
    file is missing or cannot be read, ValueError where it holds something else.

    Before the training the document hides two lines, without which its last listing does not run
    (and the first of them once more for test_x)::

        train_x = train_x_orig.reshape(train_x_orig.shape[0], -1).T / 255
        layers_dims = [12288, 20, 7, 5, 1]
    """
    train = train or _found(Path(folder) / "train_catvnoncat.h5")
    test = test or _found(Path(folder) / "test_catvnoncat.h5")
    with open_dataset(train, split="train") as a, open_dataset(test, split="test") as b:
        classes = np.array([name.encode() for name in b.classes])
        return a.images(), a.labels(), b.images(), b.labels(), classes


def _same_shape(who: str, dA: Array, Z: Array) -> None:
    if dA.shape != Z.shape:
        raise ValueError(f"{who}: expected dA of the shape of Z {Z.shape}, got {dA.shape}")


def _known(who: str, activation: str) -> None:
    if activation not in ACTIVATIONS:
        raise ValueError(f"{who}: expected activation 'relu' or 'sigmoid', got {activation!r}")


def _layer_sizes(who: str, sizes: Sequence[int]) -> None:
    if len(sizes) < 2 or any(size < 1 for size in sizes):
        raise ValueError(f"{who}: expected two layer sizes or more, all >= 1, got {tuple(sizes)}")


def _model_input(who: str, X: Array, Y: Array, sizes: Sequence[int]) -> None:
    _layer_sizes(who, sizes)
    if X.shape != (sizes[0], Y.size) or Y.shape != (1, Y.size) or sizes[-1] != 1:
        raise ValueError(
            f"{who}: expected X (n_x, m), Y (1, m) and layers (n_x, ..., 1), "
            f"got X {X.shape}, Y {Y.shape} and layers {tuple(sizes)}"
        )


def _plot_costs(costs: list[Array], learning_rate: float) -> None:
    try:
        import matplotlib.pyplot as plt  # 100 MB that only this picture needs
    except ImportError as error:
        raise ImportError('plot=True needs matplotlib: pip install "tinygrad-dnn[plot]"') from error
    plt.plot(np.squeeze(costs))
    plt.ylabel("cost")
    plt.xlabel("iterations (per tens)")
    plt.title(f"Learning rate ={learning_rate}")
    plt.show()


def _found(path: Path) -> Path:
    if path.exists():
        return path
    digits = Path(__file__).with_name("_data") / "digits.h5"
    raise FileNotFoundError(
        f"load_data: {path}: no such file. The cat files are not part of this project: name the "
        "folder that holds yours, load_data(folder=...), or other files of that kind, "
        f"load_data(train=..., test=...); the digits that come along are one: {str(digits)!r}"
    )
