"""The document's forward functions: how each is called, and what it should give."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.grading.cases import ACTIVATIONS, GUARDS, Layer, Net, layers, nets
from tinygrad_dnn.grading.function import Case, Function, Setting
from tinygrad_dnn.grading.outcome import Output, array, several

ALONE = (Setting(),)


def _g(activation: str, Z: Any) -> Any:
    """The activation, by the engine, of a plain array."""
    return ACTIVATIONS[activation](Tensor(Z)).data


def _activation_cases(name: str) -> Iterator[Case]:
    for layer in layers(name):
        yield Case({"Z": layer.values["Z"]}, layer)


def _activation(name: str) -> Function:
    def judge(case: Case, value: Any) -> list[Output]:
        Z = case.given["Z"]
        A = value
        if isinstance(value, (tuple, list)):
            A = several(value, ("A", "cache"))[0]
        A = array(A)
        truth = _g(name, Z)
        with np.errstate(all="ignore"):
            if name == "sigmoid":
                slips = {
                    "has e^Z where e^−Z is right": 1 / (1 + np.exp(Z)),
                    "has 1 − e^−Z where 1 + e^−Z is right": 1 / (1 - np.exp(-Z)),
                    "is e^Z, without 1 / (1 + ...)": np.exp(Z),
                    "is e^−Z": np.exp(-Z),
                    "is tanh(Z)": np.tanh(Z),
                    "is the derivative A (1 − A)": truth * (1 - truth),
                    "is relu(Z)": np.maximum(0, Z),
                }
            else:
                slips = {
                    "is |Z|": np.abs(Z),
                    "is min(0, Z)": np.minimum(0, Z),
                    "is the derivative 1[Z > 0]": (Z > 0) * 1.0,
                    "lets 0.01 Z through where 0 is right: that is leaky relu": np.where(
                        Z > 0, Z, 0.01 * Z
                    ),
                    "is max(1, Z)": np.maximum(1, Z),
                    "is sigmoid(Z)": _g("sigmoid", Z),
                }
        size = 1 + np.abs(truth)  # as good a formula, (1 + tanh(Z/2)) / 2, rounds beside 1
        return [Output("A", A, truth, {"Z": Z, "alternatives": slips}, size, "A")]

    return Function(name, f"{name}(Z)", "A, cache", lambda: _activation_cases(name), ALONE, judge)


def _linear_cases() -> Iterator[Case]:
    for q in layers("relu"):
        yield Case({"A": q.A_prev, "W": q.W, "b": q.b}, q)


def _wrong_Z(q: Layer) -> dict[str, Any]:
    """Return Z as it would be after each of the usual mistakes."""
    A, W, b = q.A_prev, q.W, q.b
    Z = W @ A
    found = {
        "lacks b": Z,
        "has b subtracted": Z - b,
        "has b added twice": Z + 2 * b,
    }
    mistakes: dict[str, Callable[[], Any]] = {
        "has Wᵀ where W is right: W and Wᵀ have one shape here": lambda: W.T @ A + b,
        "has the elementwise W * A where W·A is right": lambda: W * A + b,
        "has b added along the rows: b is (n, 1), a number for each row": lambda: Z + b.T,
        "is A·W where W·A is right": lambda: A @ W + b,
    }
    for words, mistaken in mistakes.items():
        with contextlib.suppress(ValueError):  # NumPy refuses, and so the mistake is seen at once
            found[words] = mistaken()
    return found


def _linear(case: Case, value: Any) -> list[Output]:
    Z, _ = several(value, ("Z", "cache"))
    q: Layer = case.truth
    context = {"A_prev": q.A_prev, "W": q.W, "b": q.b, "alternatives": _wrong_Z(q)}
    return [Output("Z", Z, q.values["Z"], context, q.sizes["Z"], "Z")]


def _layer_cases() -> Iterator[Case]:
    for pair in zip(layers("sigmoid"), layers("relu"), strict=True):
        for q in pair:
            given = {"A_prev": q.A_prev, "W": q.W, "b": q.b, "activation": q.activation}
            yield Case(given, q)


def _layer(case: Case, value: Any) -> list[Output]:
    A, _ = several(value, ("A", "cache"))
    q: Layer = case.truth
    g = q.activation
    other = "relu" if g == "sigmoid" else "sigmoid"
    Z = q.values["Z"]
    slips = {words: _g(g, z) for words, z in _wrong_Z(q).items()}
    slips |= {
        f"is {other}(Z) where {g}(Z) is right": _g(other, Z),
        "is Z: was the activation applied?": Z,
        f"has {g} applied twice": _g(g, q.values["A"]),
    }
    context = {"A_prev": q.A_prev, "W": q.W, "b": q.b, "alternatives": slips}
    return [Output("A", A, q.values["A"], context, q.sizes["A"], "A", activation=g)]


def _net_cases() -> Iterator[Case]:
    for net in nets():
        yield Case({"X": net.X, "parameters": dict(net.parameters)}, net)


def walk(
    net: Net, hidden: str, last: str, bias: bool = True, skip: int = 0, repeat: int = 0
) -> Any:
    """The output of a mistaken network: other activations, no biases, a layer left out, or with
    the parameters of the layer before.
    """
    A = net.X
    for l in range(1, net.L + 1):
        if l == skip:
            continue
        k = l - (l == repeat)
        Z = net.parameters[f"W{k}"] @ A + bias * net.parameters[f"b{k}"]
        name = last if l == net.L else hidden
        A = Z if name == "linear" else _g(name, Z)
    return A


def _model(case: Case, value: Any) -> list[Output]:
    AL, _ = several(value, ("AL", "caches"))
    net: Net = case.truth
    slips = {
        "has sigmoid in every layer: the hidden ones have relu": walk(net, "sigmoid", "sigmoid"),
        "has relu in every layer: the last one has sigmoid": walk(net, "relu", "relu"),
        "has sigmoid in the hidden layers and relu in the last": walk(net, "sigmoid", "relu"),
        "lacks relu in the hidden layers": walk(net, "linear", "sigmoid"),
        "lacks the sigmoid of the last layer": walk(net, "relu", "linear"),
        "lacks the biases": walk(net, "relu", "sigmoid", bias=False),
    }
    dims = [net.X.shape[0], *(net.parameters[f"W{l}"].shape[0] for l in range(1, net.L + 1))]
    for l in range(1, net.L + 1):
        if dims[l - 1] == dims[l] and net.L > 1:
            slips[f"leaves out layer {l}"] = walk(net, "relu", "sigmoid", skip=l)
        if l > 1 and dims[l - 2 : l] == dims[l - 1 : l + 1]:
            where = "the last layer" if l == net.L else f"layer {l}"
            slips[f"takes the parameters of the layer before in {where}"] = walk(
                net, "relu", "sigmoid", repeat=l
            )
    if net.L > 1:
        slips["is the value of the last hidden layer: is the last layer missing?"] = net.values[
            f"A{net.L - 1}"
        ]
    context = {"alternatives": slips, "X": net.X, **net.parameters}
    return [Output("AL", AL, net.values[f"A{net.L}"], context, 10.0, "AL")]


def _cost_cases() -> Iterator[Case]:
    for AL, Y in (
        ([0.5], [1]), ([0.5], [0]), ([0.25], [1]), ([0.25], [0]), ([0.5, 0.25], [1, 0]),
        ([0.25, 0.75, 0.5], [1, 1, 0]), ([0.25, 0.5, 0.75, 0.125], [0, 0, 1, 1]),
    ):  # fmt: skip
        yield Case({"AL": np.array([AL]), "Y": np.array([Y])}, None)
    rng = np.random.default_rng(5)
    for m in (1, 2, 3, 5, 8, 20, 209):
        outputs = 1 / (1 + np.exp(-3 * rng.normal(size=(1, m))))
        yield Case({"AL": outputs, "Y": rng.integers(0, 2, (1, m))}, None)


def _costs(AL: Any, Y: Any) -> tuple[Any, Any]:
    """Each example's two terms of the cost, by the engine."""
    t = Tensor(AL)
    return -(Y * np.log(t)).data, -((1 - Y) * np.log(1 - t)).data


def _cost(case: Case, value: Any) -> list[Output]:
    AL, Y = case.given["AL"], case.given["Y"]
    m = Y.shape[1]
    one, other = (np.sum(t) / m for t in _costs(AL, Y))
    exchanged = sum(np.sum(t) / m for t in _costs(AL, 1 - Y))
    square = np.sum((AL - Y) ** 2) / m
    slips = {
        "has Y and 1 − Y exchanged": exchanged,
        "has 1 + Y where 1 − Y is right": -np.sum(Y * np.log(AL) + (1 + Y) * np.log(1 - AL)) / m,
        "has log AL in both terms": np.sum(-np.log(AL)) / m,
        "is the mean squared error: the document's cost is the cross-entropy": square,
        "is half the mean squared error": square / 2,
        "lacks the logarithms": -np.sum(Y * AL + (1 - Y) * (1 - AL)) / m,
    }
    if m > 1:
        logs, complements = np.sum(np.log(AL)), np.sum(np.log(1 - AL))
        pairs = -(np.sum(Y) * logs + np.sum(1 - Y) * complements) / m
        words = "multiplies every label with every logarithm: in an elementwise product of Y and "
        slips[f"{words}log AL neither is transposed"] = pairs
    context = {
        "m": m,
        "parts": {"Y log AL": np.array(one), "(1 − Y) log(1 − AL)": np.array(other)},
        "alternatives": slips,
    }
    truth = np.array(one + other)

    def accepted() -> dict[str, Any]:
        return {
            f"{e:.0e} added inside the logarithms": np.array(
                -np.sum(Y * np.log(AL + e) + (1 - Y) * np.log(1 - AL + e)) / m
            )
            for e in GUARDS
        }

    size = (np.abs(one) + np.abs(other) + 1) * 1.0
    return [Output("cost", array(value), truth, context, size, "cost", accepted=accepted)]


def _predict_cases() -> Iterator[Case]:
    for net in nets():
        given: Mapping[str, Any] = {"X": net.X, "y": net.Y, "parameters": dict(net.parameters)}
        if np.min(np.abs(net.values[f"A{net.L}"] - 0.5)) > 1e-6:
            yield Case(given, net)


def _predict(case: Case, value: Any) -> list[Output]:
    net: Net = case.truth
    AL = net.values[f"A{net.L}"]
    truth = (AL > 0.5) * 1.0
    slips = {
        "is the probability: 1 where it exceeds 0.5 and else 0 is right": AL,
        "has 0 and 1 exchanged": 1 - truth,
        "is 1 everywhere": np.ones(truth.shape),
        "is 0 everywhere": np.zeros(truth.shape),
    }
    if isinstance(value, np.ndarray) and value.size == truth.size:
        value = value.reshape(truth.shape)  # the document does not say which shape
    return [Output("p", array(value), truth, {"alternatives": slips}, None, "p")]


FORWARD = (
    _activation("sigmoid"),
    _activation("relu"),
    Function("linear_forward", "linear_forward(A, W, b)", "Z, cache", _linear_cases, ALONE,
             _linear),
    Function("linear_activation_forward", "linear_activation_forward(A_prev, W, b, activation)",
             "A, cache", _layer_cases, ALONE, _layer),
    Function("L_model_forward", "L_model_forward(X, parameters)", "AL, caches", _net_cases, ALONE,
             _model),
    Function("compute_cost", "compute_cost(AL, Y)", "cost", _cost_cases, ALONE, _cost),
)  # fmt: skip
PREDICT = Function("predict", "predict(X, y, parameters)", "p", _predict_cases, ALONE, _predict)
