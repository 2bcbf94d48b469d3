"""The exercises that come along: right answers pass, as people write them; mistakes are named."""

from __future__ import annotations

import linecache
from pathlib import Path

import numpy as np
import pytest
from solutions import OTHERS, SLIPS, SOLUTIONS, Slip, solution

from tinygrad_dnn.grading import Grades, exercise_of, grade
from tinygrad_dnn.grading.load import shipped
from tinygrad_dnn.grading.prove import prove
from tinygrad_dnn.grading.starter import starter

OWN = [n for n in shipped() if n != "document"]


def in_memory(name: str, slip: Slip | None = None) -> Grades:
    space: dict[str, object] = {}
    text, file = solution(name, slip), f"<{name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), space)
    return grade(space, exercise=name)


def test_every_exercise_has_a_solution_and_mistakes() -> None:
    assert OWN == sorted(SOLUTIONS) == sorted(SLIPS)


@pytest.mark.parametrize("name", OWN)
def test_a_right_answer_passes(name: str) -> None:
    found = in_memory(name)
    assert [g.status for g in found] == ["right"] * len(exercise_of(name).names), str(found)
    assert sum(g.points or 0 for g in found) == sum(g.possible or 0 for g in found)


@pytest.mark.parametrize(
    ("name", "text"), [(n, t) for n, texts in OTHERS.items() for t in texts],
    ids=lambda x: x if x in OTHERS else "",
)  # fmt: skip
def test_s212_a_right_answer_of_another_kind_is_not_accused(name: str, text: str) -> None:
    space: dict[str, object] = {"np": np}
    exec(compile(text, f"<another {name}>", "exec"), space)
    found = grade(space, exercise=name)
    assert {g.status for g in found} <= {"right", "missing"}, str(found)


@pytest.mark.parametrize(
    ("name", "slip"), [(n, s) for n, slips in SLIPS.items() for s in slips],
    ids=lambda x: getattr(x, "function", x),
)  # fmt: skip
def test_s214_a_mistake_is_named(name: str, slip: Slip) -> None:
    found = in_memory(name, slip)[slip.function]
    assert found.status == "wrong"
    assert any(slip.words in words for words in found.words), found.words


@pytest.mark.parametrize("name", ["softmax", "micrograd"])
def test_files_are_judged_in_their_process_as_in_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "homework.py"
    slip = SLIPS[name][0]
    path.write_text(solution(name, slip), encoding="utf-8")
    found = grade(path, exercise=name)
    here = in_memory(name, slip)
    assert [(g.name, g.status, g.words) for g in found] == [
        (g.name, g.status, g.words) for g in here
    ]
    assert found[slip.function].line
    assert found[slip.function].lit or slip.function == "Value.backward"


def test_one_wrong_operator_is_not_blamed_on_the_others() -> None:
    found = in_memory("micrograd", SLIPS["micrograd"][2])
    assert {g.name: g.status for g in found if g.status != "right"} == {
        "Value.__mul__": "wrong", "Value.__rmul__": "cannot tell", "Value.__sub__": "cannot tell",
        "Value.__truediv__": "cannot tell", "Value.backward": "cannot tell",
    }  # fmt: skip
    assert found["Value.__rmul__"].words == ("it calls Value.__mul__ (wrong): repair that first",)


def test_a_cache_of_another_layout_is_not_accused() -> None:
    space: dict[str, object] = {}
    exec(solution("batch_norm"), space)
    own = space["batch_norm_backward"]
    found = grade({"batch_norm_backward": own}, exercise="batch_norm")["batch_norm_backward"]
    assert found.status == "cannot tell"
    assert found.words == (
        "it was tried with the exercise's cache in place of that of batch_norm_forward (missing), "
        "and may expect another layout",
    )


@pytest.mark.parametrize("name", ["dropout", "l2"])
def test_an_exercise_is_proved(name: str) -> None:
    for proof in prove(exercise_of(name)):
        assert proof.holds
        assert proof.planted >= 2
        assert not proof.unnamed, str(proof)
        assert proof.cases >= 18


@pytest.mark.parametrize("name", OWN)
def test_what_students_begin_with_is_not_written(name: str) -> None:
    space: dict[str, object] = {}
    text = starter(exercise_of(name))
    exec(compile(text, "<starter>", "exec"), space)
    assert all(len(line) <= 100 for line in text.splitlines())
    for name_asked in exercise_of(name).names:
        assert f"def {name_asked.partition('.')[2] or name_asked}(" in text or (
            f"class {name_asked}:" in text
        )


def test_what_is_not_written_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "homework.py"
    path.write_text(starter(exercise_of("micrograd")), encoding="utf-8")
    assert {g.status for g in grade(path, exercise="micrograd")} <= {"not written", "crashed"}
    assert grade(path, exercise="micrograd")["Value.backward"].status == "not written"


def test_the_documents_exercise_is_one_of_them() -> None:
    document = exercise_of("document")
    assert document.convention == "document"
    assert "linear_backward" in document.names
    assert grade(np.__dict__, exercise="document").present == ()
