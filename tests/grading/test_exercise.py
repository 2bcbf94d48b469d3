"""An exercise as a teacher writes it: what can be said, and what is refused with file and line."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from tinygrad_dnn.grading import (
    Exercise,
    SpecError,
    array,
    choice,
    exercise_of,
    grade,
    labels,
    length,
    mask,
    one_hot,
)
from tinygrad_dnn.grading.inputs import KINDS, arguments
from tinygrad_dnn.grading.prove import prove

HEAD = (
    "import numpy as np\nfrom tinygrad_dnn.grading import Exercise, array\n"
    "exercise = Exercise('Mine')\n"
)
F = "@exercise.function('A = f(Z)', inputs={'Z': array('n', 'm')})\ndef f(Z):\n    return 2 * Z\n"
G = "exercise.gradient('dZ = g(dA, Z)', of={}, inputs={{'Z': array('n')}})\n"

REFUSED = {
    "def f(:\n": "line 4: invalid syntax",
    "": "it asks for no function",
    "x = 1 / 0\n": "line 4: ZeroDivisionError",
    "raise SystemExit\n": "it calls exit",
    F + "other = Exercise('Other')\n": "found 2",
    F + F: "line 7: f is asked for twice; the first time in",
    F.replace("2 * Z", "Z[9]"): "line 6: f: fails on a case (Z (1, 1)): IndexError",
    F.replace("2 * Z", "np.linalg.inv(Z)"): "line 6: f: fails on a case (Z (1, 2)): LinAlgError",
    F.replace("2 * Z", "None"): "A is None: expected arrays",
    F.replace("2 * Z", "Z * np.nan"): "no case on which it is finite",
    F.replace("A = f", "A, B = f"): "returns an array (1, 1) where A, B are asked for",
    F.replace("'Z': array('n', 'm')", ""): "line 4: f: nothing says how Z is made",
    F.replace("f(Z)'", "f(Z, Q)'"): "nothing makes its argument Q",
    F.replace("f(Z)'", "f(Z'"): 'expected a call such as "A, cache = relu(Z)"',
    F.replace("f(Z)'", "f(Z + 1)'"): "expected a call",
    F.replace("inputs", "point=2, inputs"): "unknown point (known: points",
    F.replace("inputs", "points='x', inputs"): "points: got 'x'",
    F.replace("inputs", "kinds=['huge'], inputs"): "kinds: expected some of zeros",
    F.replace("'n', 'm'", "'n m'"): "expected axes such as",
    F.replace("'n', 'm'", "'n', within=(2, 1)"): "expected (least, most)",
    F.replace("inputs={'Z': array('n', 'm')}", "cases=lambda: [{'Y': 1}]"): (
        "line 4: f: case 0 does not fit: expected a dict with Z, got Y"
    ),
    F.replace("inputs={'Z': array('n', 'm')}", "cases=lambda: [1 / 0]"): (
        "line 4: f: its cases fail: ZeroDivisionError"
    ),
    G.format("lambda Z: np.asarray(Z.tolist())"): "would lose its gradient",
    G.format("lambda Z: np.ones(3)"): "line 4: g: fails on a case (Z (1,), dA (3,)): TypeError: "
                                      "the forward returns ndarray, which no gradient leads ",
    G.format("np.exp").replace("of=np.exp", "of=lambda X: X"): "nothing says how X is made",
    F + "exercise.gradient('dZ = g(Z)', of=f)\n": "expected a number, or an argument that holds",
    F + "exercise.gradient('dX = g(dA, Z)', of=f)\n": "dX is no gradient of the forward",
    F + "exercise.gradient('dZ = g(dA, c)', of=f)\n": "nothing makes its argument c",
    F + "exercise.gradient('dZ = g(dA, c)', of=f, before='A = f(Z)')\n": "does not make c",
    F + "exercise.gradient('dZ = g(dA, c)', of=f, before='A = = 1')\n": "'A = = 1': invalid",
    F + "exercise.mistake('h', 'is bad')(f)\n": "line 7: mistake: h is not asked for (f)",
    F + "exercise.program('V', 'a = V(a)', 'a.data', inputs={})(lambda a: a)\n": (
        "V: a is none of the inputs"
    ),
    F + "\0": "null bytes",
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_s211_what_is_refused_and_where(text: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.py"
    path.write_text(HEAD + text, encoding="utf-8")
    with pytest.raises(SpecError) as refused:
        exercise_of(path)
    assert REFUSED[text] in str(refused.value)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("what", "words"),
    [({"convention": "mine"}, "convention: expected 'plain' or 'document'"),
     ({"kinds": ["x"]}, "kinds: expected some of"),
     ({"hidden_until": "tomorrow"}, "expected a day such as 2026-12-01")],
)  # fmt: skip
def test_an_exercise_is_refused_in_the_line_that_makes_it(what: dict[str, str], words: str) -> None:
    with pytest.raises(SpecError, match=r"test_exercise\.py, line \d+: ") as refused:
        Exercise("Mine", **what)
    assert words in str(refused.value)


def test_a_name_that_is_none_is_told_what_there_is() -> None:
    with pytest.raises(
        SpecError, match=r"softmx: expected a Python file .*or one of adam, batch_n"
    ):
        exercise_of("softmx")
    with pytest.raises(FileNotFoundError):
        exercise_of("none.py")


def test_inputs_are_awkward_by_themselves() -> None:
    inputs = {
        "X": array("n", "m"), "Y": one_hot("n", "m"), "P": array("m", within=(0.1, 0.9)),
        "D": mask("n"), "c": labels(1, "m", classes="n"), "k": choice("a", "b"), "n": length("n"),
        "b": array(), "p": {"W1": array("n", 2)}, "fixed": 3,
    }  # fmt: skip
    cases = list(arguments(inputs, KINDS, 1))
    assert {kind for kind, *_ in cases} == {*KINDS, "whole", "random"}
    for kind, sizes, x in cases:
        n, m = sizes.lengths["n"], sizes.lengths["m"]
        assert x["X"].shape == x["Y"].shape == (n, m)
        assert x["X"].dtype == (np.float32 if kind == "float32" else np.float64)
        assert np.array_equal(x["Y"].sum(0), np.ones(m))
        assert np.all((x["P"] > 0.1) & (x["P"] < 0.9))
        assert set(np.unique(x["D"])) <= {0.0, 1.0}
        assert np.all(x["c"] < n)
        assert (x["n"], x["p"]["W1"].shape, x["fixed"]) == (n, (n, 2), 3)
        assert isinstance(x["b"], float)
    assert {x["k"] for *_, x in cases} == {"a", "b"}
    assert any(sizes.lengths["m"] == 1 for _, sizes, _ in cases)
    assert any(np.any(x["X"] == 0) for kind, _, x in cases if kind == "zeros")
    assert max(np.max(np.abs(x["X"])) for kind, _, x in cases if kind == "large") > 30
    assert {kind for kind, *_ in arguments(inputs, (), 1)} == {"whole", "random"}


def linear(**about: object) -> Exercise:
    """An exercise of two functions, the second with the cache of the first."""
    exercise = Exercise("Linear", **about)
    X, W = array("k", "m"), array("n", "k")

    @exercise.function("Z, cache = forward(X, W)", inputs={"X": X, "W": W}, hint="a product")
    def forward(X, W):
        return W @ X, None

    exercise.gradient(
        "dX, dW = backward(dZ, cache)", of=forward, points=4, parts={"dX": 1, "dW": 3},
        before=["Z, cache = forward(X, W)"], aliases="back",
    )  # fmt: skip
    return exercise


FORWARD = "def forward(X, W): return W @ X, (X, W)\n"
BACKWARD = "def backward(dZ, cache):\n    X, W = cache\n    return W.T @ dZ, dZ @ X.T\n"


def graded(text: str, exercise: Exercise | str | Path, tmp_path: Path):
    path = tmp_path / "homework.py"
    path.write_text(text, encoding="utf-8")
    return grade(path, exercise=exercise)


def test_s216_points_for_parts(tmp_path: Path) -> None:
    found = graded(FORWARD + BACKWARD, linear(), tmp_path)
    assert [(g.points, g.possible) for g in found] == [(1, 1), (4, 4)]
    found = graded(FORWARD + BACKWARD.replace("W.T @ dZ", "-W.T @ dZ"), linear(), tmp_path)
    assert [(g.status, g.points, g.possible) for g in found] == [("right", 1, 1), ("wrong", 3, 4)]
    assert found["backward"].words == ("dX has the opposite sign",)
    found = graded(FORWARD.replace("W @ X", "X"), linear(), tmp_path)
    assert [(g.status, g.points) for g in found] == [("wrong", 0), ("missing", 0)]
    assert "hint: a product" in found["forward"].notes


def test_a_gradient_that_only_a_missing_forward_can_serve_is_not_accused(tmp_path: Path) -> None:
    found = graded(BACKWARD, linear(), tmp_path)["backward"]
    assert found.status == "cannot tell"
    assert found.words == ("its arguments come from forward (missing): it could not be called",)


def test_s215_who_calls_what_is_not_right_is_told_to_repair_that(tmp_path: Path) -> None:
    exercise = Exercise("Two")
    for name in ("half", "quarter"):
        power = {"half": 2, "quarter": 4}[name]
        exercise.function(f"A = {name}(Z)", inputs={"Z": array("n")})(lambda Z, p=power: Z / p)
    text = "def half(Z): return Z\ndef quarter(Z): return half(half(Z))\n"
    found = graded(text, exercise, tmp_path)
    assert found["quarter"].status == "cannot tell"
    assert found["quarter"].words == ("it calls half (wrong): repair that first",)


def test_an_alias_and_the_cases_of_a_letter(tmp_path: Path) -> None:
    found = graded(FORWARD + BACKWARD.replace("backward", "back"), linear(), tmp_path)
    assert found["backward"].status == "right"
    assert "under the name back" in found["backward"].notes


def test_details_are_hidden_until_a_day(tmp_path: Path) -> None:
    tomorrow = (date.today() + timedelta(days=1)).isoformat()
    wrong = FORWARD.replace("W @ X", "-W @ X") + BACKWARD
    found = graded(wrong, linear(hidden_until=tomorrow), tmp_path)["forward"]
    assert (found.status, found.points, found.words, found.example) == ("wrong", 0, (), None)
    assert f"details from {tomorrow} on" in found.notes
    assert graded(wrong, linear(hidden_until="2020-01-01"), tmp_path)["forward"].words


def test_s213_the_documents_convention_and_the_plain_one() -> None:
    for convention, factor in (("plain", 1.0), ("document", 1 / 3)):
        exercise = linear(convention=convention)
        truth = exercise.asked["backward"].truth
        given = {"X": np.ones((2, 3)), "W": np.ones((1, 2)), "dZ": np.ones((1, 3))}
        dX, dW = truth.value(given)
        assert np.array_equal(dX, np.ones((2, 3)))
        assert np.allclose(dW, factor * 3 * np.ones((1, 2)))


def test_s210_the_teachers_file_does_not_compute_for_a_student(tmp_path: Path) -> None:
    spec = tmp_path / "spec.py"
    spec.write_text(HEAD + F, encoding="utf-8")
    found = graded("import spec\ndef f(Z):\n    return spec.f(Z)\n", spec, tmp_path)["f"]
    assert found.status == "borrowed"
    assert any("the teacher's own file" in words for words in found.words)


def test_a_proof_tells_what_no_case_shows() -> None:
    exercise = Exercise("Blind", kinds=())

    @exercise.function("A = relu(Z)", inputs={"Z": array("n", within=(1, 2))})
    def relu(Z):
        return np.maximum(0, Z)

    exercise.mistake("relu", "is Z itself")(lambda Z: Z)
    (proof,) = prove(exercise)
    assert not proof.holds
    assert proof.unseen == ["is Z itself"]
    assert "no case shows your mistake: is Z itself" in str(proof)


def test_rounding_is_no_mistake_where_terms_cancel() -> None:
    exercise = Exercise("Variance")

    @exercise.function("v = variance(X)", inputs={"X": array("n", "m")})
    def variance(X):
        return np.var(X, axis=1)

    def other(X):
        return np.mean(X * X, axis=1) - np.mean(X, axis=1) ** 2

    assert grade({"variance": other}, exercise=exercise).right
    assert not grade({"variance": lambda X: np.var(X, axis=1, ddof=1)}, exercise=exercise).right
