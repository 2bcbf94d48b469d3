"""Students' mistakes: each is found, called by its name, and blamed on no other function."""

from __future__ import annotations

import importlib
import re
import sys
from itertools import groupby, zip_longest
from pathlib import Path

import numpy as np
import pytest
from students import FAULTS, RIGHT, WAYS, Fault, planted

from tinygrad_dnn.check.literal import literal
from tinygrad_dnn.grading import FUNCTIONS, Grades, grade

NAMES = [f.name for f in FUNCTIONS]


def graded(folder: Path, text: str, name: str = "homework.py") -> Grades:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return grade(path)


def rounds() -> list[tuple[Fault, ...]]:
    """The planted faults, one of each function in a file: they must not be mixed up."""
    of = sorted(FAULTS, key=lambda f: f.function)
    by_function = [list(fs) for _, fs in groupby(of, key=lambda f: f.function)]
    return [tuple(f for f in row if f) for row in zip_longest(*by_function)]


@pytest.mark.parametrize("faults", rounds(), ids=lambda faults: f"{len(faults)} faults")
def test_every_mistake_is_called_by_its_name(faults: tuple[Fault, ...], tmp_path: Path) -> None:
    found = graded(tmp_path, planted(*faults))
    for f in faults:
        assert found[f.function].status == "wrong", f"{f}\n{found}"
        assert f.words in "\n".join(found[f.function].words), f"{f}\n{found}"
    wrong = {g.name for g in found if g.status != "right"}
    assert wrong == {f.function for f in faults}, str(found)
    assert not found.right


def of(*functions: str) -> list[Fault]:
    return [f for f in FAULTS if f.function in functions and "expected" not in f.words]


ALONE = [
    *of("linear_backward")[::9], *of("L_model_backward")[:1], *of("compute_cost")[:1],
    *of("sigmoid_backward")[:1], *of("linear_activation_backward")[:1],
]  # fmt: skip


@pytest.mark.parametrize("fault", ALONE, ids=lambda f: f"{f.function}: {f.words}")
def test_the_example_can_be_pasted_and_shows_the_mistake(
    fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = graded(tmp_path, planted(fault))
    assert [g.name for g in found if g.status != "right"] == [fault.function]
    example = found[fault.function].example
    assert example is not None
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    space: dict[str, object] = {}
    try:
        exec(example, space)
    finally:
        sys.modules.pop("homework", None)
    shown = re.findall(r"^# (\w+) is (.*?),\s(?:#\s+)?right is (.*)$", example, flags=re.MULTILINE)
    assert shown, example
    for name, yours, right in shown:
        value = space[name] if name in space else space["grads"][name]  # type: ignore[index]
        np.testing.assert_allclose(np.array(eval(yours)), value, rtol=1e-9)
        assert yours != right


def test_a_result_of_another_kind_is_shown_as_it_is(tmp_path: Path) -> None:
    fault = Fault("linear_backward", "return dA_prev, dW, db", "return dW, db", "")
    example = graded(tmp_path, planted(fault))["linear_backward"].example
    assert example is not None
    assert example.splitlines()[-2:] == [
        "result = linear_backward(dZ, cache)",
        "# returns 2 values where 3 values (dA_prev, dW, db) are expected",
    ]


def test_numbers_are_printed_exactly() -> None:
    for x in (np.array([[0.1, -2.0], [1e-300, 1 / 3]]), np.array(3.5), np.array([1, 2])):
        back = eval(literal(x))
        assert back.dtype == x.dtype
        assert np.array_equal(back, x)
    assert eval(literal(np.array([np.inf, -np.inf])))[1] == -np.inf
    assert literal({"W1": np.array([[1.0]])}) == "{'W1': np.array([[1.]])}"


def test_a_right_file(tmp_path: Path) -> None:
    found = graded(tmp_path, RIGHT)
    assert found.right
    assert [g.name for g in found] == NAMES
    assert all(g.words == g.notes == () for g in found), str(found)


@pytest.mark.parametrize("way", WAYS, ids=lambda w: w.what)
def test_other_right_ways_are_not_accused(way: object, tmp_path: Path) -> None:
    found = graded(tmp_path, way.text)  # type: ignore[attr-defined]
    assert found.right, str(found)


def test_a_mistake_of_a_helper_is_not_blamed_on_its_caller(tmp_path: Path) -> None:
    helper = Fault("relu_backward", "Z <= 0", "Z >= 0", "")
    found = graded(tmp_path, planted(helper))
    assert [g.name for g in found if g.status != "right"] == ["relu_backward"]
    note = "right by itself: with the document's relu_backward in place of yours"
    assert note in found["linear_activation_backward"].notes
    assert note in found["L_model_backward"].notes


def test_a_cache_that_is_of_no_use_is_blamed_on_who_made_it(tmp_path: Path) -> None:
    maker = Fault("linear_forward", "cache = (A, W, b)", "cache = (Z, W, b)", "")
    found = graded(tmp_path, planted(maker))
    assert [g.name for g in found if g.status != "right"] == ["linear_forward"], str(found)
    assert "its result is right, but not its cache" in found["linear_forward"].words[0]
    maker = Fault("linear_activation_forward", "(linear_cache, activation_cache)", "(A, Z)", "")
    found = graded(tmp_path, planted(maker))
    wrong = [g.name for g in found if g.status != "right"]
    assert wrong == ["linear_activation_forward"], str(found)


def test_two_mistakes_in_one_function(tmp_path: Path) -> None:
    both = [
        Fault("linear_backward", "(1 / m) * np.dot(dZ", "-np.dot(dZ", ""),
        Fault("linear_backward", ", keepdims=True", "", ""),
    ]
    words = "\n".join(graded(tmp_path, planted(*both))["linear_backward"].words)
    assert "dW is exactly 2 = m times too large and has the opposite sign" in words
    assert "db has shape (1,) where (1, 1) is right: was keepdims=True forgotten?" in words


def test_what_nothing_explains_is_described(tmp_path: Path) -> None:
    odd = Fault("linear_backward", "    return", "    dW[0] = 7\n    return", "")
    grade_ = graded(tmp_path, planted(odd))["linear_backward"]
    assert grade_.status == "wrong"
    assert grade_.diagnoses[0].explanations == ()
    assert "at [0, 0] it is 7, right is" in "\n".join(grade_.words)


def test_a_mistake_that_only_some_shapes_show(tmp_path: Path) -> None:
    """W for Wᵀ crashes where W is not square, and there it is told as well."""
    fault = Fault("linear_backward", "np.dot(W.T, dZ)", "np.dot(W, dZ)", "")
    grade_ = graded(tmp_path, planted(fault))["linear_backward"]
    assert grade_.words[0].startswith("dA_prev has W where Wᵀ is right")
    assert grade_.words[1].startswith("With other shapes it crashes: ValueError: shapes")
    assert grade_.lines[0][2] == "dA_prev = np.dot(W, dZ)"
