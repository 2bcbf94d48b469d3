"""Initialisation and whole models: what has no single right answer, judged by what it must keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_dnn.grading.cases import Net
from tinygrad_dnn.grading.function import Case, Function, Setting
from tinygrad_dnn.grading.outcome import Output, Unusable, dictionary

DIMS = (
    (1, 1, 1), (2, 3, 1), (3, 2, 2, 1), (30, 20, 10, 1), (100, 50, 1), (40, 30, 20, 15, 1),
    (60, 40, 20),
)  # fmt: skip
MANY = 100  # weights from which a standard deviation is worth talking about
# Iterations compared: what lies between is a gradient step. As many as a file may divide by 100.
RATE, FIRST, LAST = 0.1, 100, 101


def _dims_cases() -> Iterator[Case]:
    for dims in DIMS:
        yield Case({"layer_dims": [*dims]}, dims)


def _three_cases() -> Iterator[Case]:
    for dims in (d for d in DIMS if len(d) == 3):
        yield Case(dict(zip(("n_x", "n_h", "n_y"), dims, strict=True)), dims)


def _initial(case: Case, value: Any) -> list[Output]:
    dims = case.truth
    names = [f"{k}{l}" for l in range(1, len(dims)) for k in "Wb"]
    parameters = dictionary(value, names)
    found = []
    for l in range(1, len(dims)):
        W, b = parameters[f"W{l}"], parameters[f"b{l}"]
        shape = (dims[l], dims[l - 1])
        _weights(f"W{l}", W, shape)
        slips = {"is 1 everywhere where 0 is right": np.ones((dims[l], 1))}
        context = {"alternatives": slips}
        found.append(Output(f"b{l}", b, np.zeros((dims[l], 1)), context, group="b"))
    return found


def _weights(name: str, W: Any, shape: tuple[int, int]) -> None:
    """Check that random weights are as they must be, whatever the stream they come from."""
    if not isinstance(W, np.ndarray) or W.shape != shape:
        got = getattr(W, "shape", type(W).__name__)
        turned = ": are its sizes exchanged?" if got == shape[::-1] else ""
        raise Unusable(f"gives {name} the shape {got} where {shape} is right{turned}")
    if not np.all(np.isfinite(W)):
        raise Unusable(f"gives {name} numbers that are not finite")
    if W.size > 1 and np.all(W.flat[0] == W):
        raise Unusable(
            f"gives all of {name} the value {W.flat[0]:g}: then every unit of a layer computes the "
            "same, and so it remains"
        )
    if W.size < MANY:
        return
    spread, mean = float(np.std(W)), float(np.mean(W))
    if abs(mean) > 6 * spread / np.sqrt(W.size):
        raise Unusable(
            f"gives {name} weights around {mean:.3g}, not around 0: np.random.rand in place of "
            "randn?"
        )
    n_prev = shape[1]
    usual = {"0.01": 0.01, "1/√n": n_prev**-0.5, "√(2/n)": (2 / n_prev) ** 0.5,
             "√(2/(n + n'))": (2 / sum(shape)) ** 0.5}  # fmt: skip
    tolerance = 5 / np.sqrt(2 * W.size)
    if not any(abs(spread / s - 1) < tolerance for s in usual.values()):
        forgotten = ": was * 0.01 forgotten?" if abs(spread - 1) < tolerance else ""
        raise Unusable(
            f"gives {name} weights of standard deviation {spread:.3g} where the document has 0.01 "
            f"(or 1/√n = {n_prev**-0.5:.3g}, which learns better){forgotten}"
        )


def _model_cases(depths: tuple[int, ...]) -> Iterator[Case]:
    for i, dims in enumerate(((2, 2, 1), (2, 3, 1), (3, 3, 2, 1))):
        if len(dims) not in depths:
            continue
        m = i + 3
        X = np.random.default_rng(i).normal(size=(dims[0], m)).round(1)
        Y = (np.arange(m)[None] % 2 == 0) * 1
        yield Case({"X": X, "Y": Y, "layers_dims": [*dims], "learning_rate": RATE}, dims)


def _trained(case: Case, value: Any) -> list[Output]:
    """From the parameters after one iteration on, a step of gradient descent."""
    dims = case.truth
    names = [f"{k}{l}" for l in range(1, len(dims)) for k in "Wb"]
    first, last = (dictionary(v, names) for v in value)
    start = {k: np.asarray(first[k], float) for k in names}
    try:
        grads = Net(case.given["X"], case.given["Y"], start).grads
    except ValueError as error:
        raise Unusable(f"returns parameters that do not fit together: {error}") from None
    found = []
    for k in names:
        step = RATE * grads[f"d{k}"]
        slips = {
            "is not trained": start[k],
            "moves up the gradient, not down": start[k] + step,
            "takes two steps per iteration": start[k] - 2 * step,
            "takes a step without the learning rate": start[k] - step / RATE,
        }
        context = {"alternatives": slips, "learning_rate": RATE}
        size = np.abs(start[k]) + 10 * RATE
        where = "the last layer" if int(k[1:]) == len(dims) - 1 else "hidden layers"
        said = f"{k} after {LAST} iterations"
        found.append(Output(said, last[k], start[k] - step, context, size, f"{k[0]} of {where}"))
    return found


def _model(name: str, depths: tuple[int, ...]) -> Function:
    call = f"{name}(X, Y, layers_dims, learning_rate, {{}})"
    lines = ("np.random.seed(1)", f"first = {call.format(FIRST)}", "np.random.seed(1)")
    return Function(
        name, f"first, {call.format(LAST)}", "first, last", lambda: _model_cases(depths),
        (Setting(lines, ()),), _trained,
    )  # fmt: skip


INITIAL = (
    Function("initialize_parameters", "initialize_parameters(n_x, n_h, n_y)", "parameters",
             _three_cases, (Setting(),), _initial),
    Function("initialize_parameters_deep", "initialize_parameters_deep(layer_dims)", "parameters",
             _dims_cases, (Setting(),), _initial),
)  # fmt: skip
MODELS = (_model("two_layer_model", (3,)), _model("L_layer_model", (3, 4)))
