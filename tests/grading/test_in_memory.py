"""Functions judged where they are: in a test, a graded cell, a test case, a notebook."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_dnn import textbook
from tinygrad_dnn.grading import check_function, grade, load_ipython_extension, points


def relu(Z):
    return np.maximum(0, Z), Z


def relu_backward(dA, cache):
    return dA * (cache >= 0)


def linear_forward(A, W, b):
    np.random.rand()
    return W @ A + b + helper(0), (A, W, b)


def helper(x):
    return x


def linear_backward(dZ, cache):
    A_prev, W, _ = cache
    m = A_prev.shape[1]
    return W.T @ dZ, dZ @ A_prev.T / m, np.sum(dZ, axis=1, keepdims=True) / m


def test_a_right_function_says_nothing() -> None:
    check_function(relu)
    check_function(linear_backward)
    assert points(linear_backward) == 1


def test_a_wrong_one_is_an_assertion_with_our_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(
        AssertionError, match=r"dZ has 1\[Z ≥ 0\] where 1\[Z > 0\] is right"
    ) as told:
        check_function(relu_backward)
    assert "# dZ is [[1., -1.]], right is [[0., -1.]]" in str(told.value)
    assert points(relu_backward) == 0
    assert "1[Z ≥ 0]" in capsys.readouterr().out


def test_an_error_is_told_with_the_line_of_the_function() -> None:
    def softmax(Z):
        e = np.exp(Z)
        return e / np.sum(e, axis=2)

    found = grade(softmax, exercise="softmax")["softmax"]
    assert found.status == "crashed"
    assert [(step.line, step.text) for step in found.lines] == [(3, "return e / np.sum(e, axis=2)")]


def test_a_namespace() -> None:
    found = grade(globals())
    assert found["relu"].status == found["linear_forward"].status == "right"
    assert found["relu_backward"].status == "wrong"
    assert found["sigmoid"].status == "missing"
    assert "never imported" not in " ".join(found.notes)


def test_what_is_not_asked_for_and_what_is_no_function() -> None:
    with pytest.raises(ValueError, match="grade: helper: expected a function of The document's"):
        check_function(helper)
    with pytest.raises(TypeError, match="expected a file, a module, a function or a namespace"):
        grade(3)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="nothing: expected functions of the document"):
        grade(globals(), require=["nothing"])


def test_the_textbook_and_the_engine_are_no_answers() -> None:
    assert grade(textbook.sigmoid)["sigmoid"].status == "borrowed"

    def softmax(Z):
        from tinygrad_dnn import Tensor
        from tinygrad_dnn import softmax as engine

        return engine(Tensor(Z), axis=0).numpy()

    assert grade(softmax, exercise="softmax")["softmax"].status == "borrowed"


def test_s217_random_numbers_and_globals_are_as_they_were() -> None:
    np.random.seed(3)
    expected = np.random.rand()
    np.random.seed(3)
    before = dict(globals())
    grade(globals())
    assert np.random.rand() == expected
    assert globals() == before


class Shell:
    """As much of IPython as a magic needs."""

    def __init__(self) -> None:
        self.user_ns: dict[str, object] = {"np": np}

    def register_magic_function(self, magic, kind: str, name: str) -> None:
        assert (kind, name) == ("line_cell", "grade")
        self.magic = magic

    def run_cell(self, cell: str):
        class Outcome:
            success = True

        try:
            exec(cell, self.user_ns)
        except NameError:
            Outcome.success = False
        return Outcome


def test_the_magic(capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell()
    load_ipython_extension(shell)
    shell.magic("relu_backward", "def relu_backward(dA, cache):\n    return dA * (cache >= 0)\n")
    assert "✗ relu_backward: wrong" in capsys.readouterr().out
    shell.magic("--exercise softmax softmax", "def softmax(Z):\n    return Z\n")
    assert "A is exactly Z" in capsys.readouterr().out
    shell.magic("relu_backward")
    assert "✗ relu_backward" in capsys.readouterr().out
    shell.magic("relu", "def relu(Z): return missing\nmissing")
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="unrecognized arguments: --exercis"):
        shell.magic("--exercis softmax")
