"""An exercise that does not come along: regression in rows, and the mistakes that students make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn.check.diagnosis import compare
from tinygrad_dnn.grading import Exercise, array, choice, grade, labels, length
from tinygrad_dnn.grading.class_figures import mistakes
from tinygrad_dnn.grading.mutants import mutants

exercise = Exercise("Regression")
X, y, w = array("m", "k"), array("m"), array("k")


@exercise.function("X_norm, mu, sigma = standardize(X)", inputs={"X": X})
def standardize(X: Any) -> Any:
    """Each column with mean 0 and standard deviation 1."""
    mu, sigma = X.mean(axis=0), X.std(axis=0)
    return (X - mu) / sigma, mu, sigma


@exercise.function("J = cost(X, y, w, b)", inputs={"X": X, "y": y, "w": w, "b": array()})
def cost(X: Any, y: Any, w: Any, b: Any) -> Any:
    """Half the mean squared error."""
    r = X @ w + b - y
    return (r @ r) / (2 * len(y))


exercise.gradient("dw, db = cost_gradient(X, y, w, b)", of=cost)
classes = labels("m", classes="K")


@exercise.function("C = confusion(y, p, K)", inputs={"y": classes, "p": classes, "K": length("K")})
def confusion(y: Any, p: Any, K: Any) -> Any:
    """How many of class i were taken for class j."""
    C = np.zeros((K, K), dtype=int)
    np.add.at(C, (y, p), 1)
    return C


WRONG: dict[str, tuple[str, str, str]] = {
    "ddof": (
        "standardize",
        "return (X - X.mean(0)) / X.std(0, ddof=1), X.mean(0), X.std(0, ddof=1)",
        "X_norm has ddof=1 in X.std(axis=0): it is divided by n − 1 (likewise sigma)",
    ),
    "axis": (
        "standardize",
        "mu, sigma = X.mean(1), X.std(1); return (X.T - mu).T / sigma[:, None], mu, sigma",
        "X_norm has axis 1 where axis 0 is right, everywhere (likewise mu and sigma)",
    ),
    "order": (
        "cost_gradient",
        "e = (X @ w + b - y) / len(y); return np.sum(e), X.T @ e",
        "dw is what is right for db: are the results in another order?",
    ),
    "quotient": (
        "cost_gradient",
        "f = lambda w, b: np.sum((X @ w + b - y) ** 2) / (2 * len(y))\n"
        "    return np.array([(f(w + 1e-5 * e, b) - f(w - 1e-5 * e, b)) / 2e-5"
        " for e in np.eye(len(w))]), (f(w, b + 1e-5) - f(w, b - 1e-5)) / 2e-5",
        "digits: a difference quotient, or something small added?",
    ),
    "another forward": (
        "cost_gradient",
        "return X.T @ (X @ w - y) / len(y), np.sum(X @ w + b - y) / len(y)",
        "dw is the gradient of another forward, which lacks the term b in X @ w + b",
    ),
    "another forward, in single precision": (
        "cost_gradient",
        "return np.float32(X.T @ (X @ w - y) / len(y)), np.sum(X @ w + b - y) / len(y)",
        "dw is the gradient of another forward, which lacks the term b in X @ w + b",
    ),
    "once": (
        "confusion",
        "C = np.zeros((K, K)); C[y, p] += 1; return C",
        "C adds once where positions are repeated: C[y, p] += for np.add.at(C, (y, p), 1)",
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_s321_a_students_mistake_is_named(mistake: str) -> None:
    name, body, words = WRONG[mistake]
    of = {"standardize": "X", "cost_gradient": "X, y, w, b", "confusion": "y, p, K"}[name]
    space: dict[str, Any] = {}
    exec(f"import numpy as np\ndef {name}({of}):\n    {body}\n", space)
    found = grade(space[name], exercise=exercise)[name]
    assert found.status == "wrong"
    assert words in " ".join(found.words)


def test_results_in_their_order_are_right() -> None:
    def cost_gradient(X: Any, y: Any, w: Any, b: Any) -> Any:
        e = (X @ w + b - y) / len(y)
        return X.T @ e, np.sum(e)

    assert grade(cost_gradient, exercise=exercise).right


def test_a_parameter_that_is_regularised_too_much_is_named() -> None:
    ridge = Exercise("Ridge")
    W = array("k")

    @ridge.function("J = loss(W, b, lam)", inputs={"W": W, "b": W, "lam": choice(0.1, 0.7)})
    def loss(W: Any, b: Any, lam: Any) -> Any:
        """The cost."""
        return np.sum((W * W + b) ** 2) + lam / 2 * np.sum(W * W)

    ridge.gradient("dW, db = loss_gradient(W, b, lam)", of=loss)

    def loss_gradient(W: Any, b: Any, lam: Any) -> Any:
        return 4 * (W * W + b) * W + lam * W, 2 * (W * W + b) + lam * b

    (words,) = grade(loss_gradient, exercise=ridge)["loss_gradient"].words
    assert words == "db has lam · b added: does the cost regularise it, and once?"


def test_slips_of_several_files_are_counted_apart() -> None:
    slips = []
    for gradient in ("X.T @ (X @ w + b - y) / len(y) / 3", "X.T @ (X @ w + b - y)**2 / len(y)"):
        space: dict[str, Any] = {}
        lines = f"dw = {gradient}\n    return dw, np.sum(X @ w + b - y) / len(y)"
        exec(f"import numpy as np\ndef cost_gradient(X, y, w, b):\n    {lines}\n", space)
        slips.append(grade(space["cost_gradient"], exercise=exercise))
    counted = [m for m in mistakes(slips) if m.function == "cost_gradient"]
    assert [m.files for m in counted] == [1, 1]
    assert len({m.says for m in counted}) == 2


def test_numbers_that_look_alike_are_told_to_their_last_digit() -> None:
    told = str(compare(np.array([21.0 + 4e-10, 1.0]), np.array([21.0, 1.0])))
    assert "at [0] it is 21.000000000" in told
    assert "it agrees to 10 digits" in told


def test_mutants_of_positions_keep_the_reference_apart(tmp_path: Path) -> None:
    says = {m.says for m in mutants(confusion)}
    assert "has (p, y) where (y, p) is right in np.add.at(C, (y, p), 1)" in says
    assert "overwrites C[y, p] where it is added to" in says
    assert confusion([0, 0], [1, 1], 2).tolist() == [[0, 2], [0, 0]]
