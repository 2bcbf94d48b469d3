"""Points, results for Gradescope, a class in figures: of grades that are made up."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tinygrad_dnn.check.diagnosis import Diagnosis, Explanation
from tinygrad_dnn.grading import Grade, Grades
from tinygrad_dnn.grading.class_figures import NOT_NAMED, histogram, mistakes, totals
from tinygrad_dnn.grading.credit import points_in, with_points
from tinygrad_dnn.grading.gradescope import VISIBILITIES, autograder, results

NAMES = ["relu_backward", "linear_backward", "compute_cost"]
TOO_LARGE = Explanation("factor m", "is exactly 2 = m times too large", "was 1/m forgotten?")
WRONG = Grade(
    "linear_backward", "wrong", ("dW is exactly 2 = m times too large",), (),
    (Diagnosis("dW", False, (TOO_LARGE,)),), "dW = 1",
)  # fmt: skip


def grades(name: str = "ann.py", **statuses: str) -> Grades:
    found = [Grade(n, statuses.get(n, "missing")) for n in NAMES]
    return Grades(Path("class") / name, tuple(WRONG if g.status == "wrong" else g for g in found))


ANN = grades(relu_backward="right", linear_backward="wrong", compute_cost="crashed")


def test_points_are_read_from_words_and_files(tmp_path: Path) -> None:
    assert points_in("a=1, b = 2.5") == {"a": 1.0, "b": 2.5}
    file = tmp_path / "points.txt"
    file.write_text("# week 4\n\na = 1  # easy\nb: 2\nc,3\nd 4\n", encoding="utf-8-sig")
    assert points_in(str(file)) == {"a": 1, "b": 2, "c": 3, "d": 4}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a=", "expected name=points, such as linear_backward=3, got 'a='"),
        ("a=x", "got 'a=x'"),
        ("a=-1", "got 'a=-1'"),
        ("a=nan", "got 'a=nan'"),
        ("a=1e9", "got 'a=1e9'"),
        ("a=1,a=2", "a is given points twice"),
    ],
)
def test_points_that_are_none(text: str, said: str) -> None:
    with pytest.raises(ValueError, match="--points: ") as raised:
        points_in(text)
    assert said in str(raised.value)


def test_a_file_of_points_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        points_in(str(tmp_path / "none"))
    (tmp_path / "empty").write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no points"):
        points_in(str(tmp_path / "empty"))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="in UTF-8"):
        points_in(str(tmp_path / "bytes"))


def test_s220_points_are_one_for_each_right_function_or_what_is_said() -> None:
    plain = with_points(ANN, NAMES)
    assert [(g.points, g.possible) for g in plain] == [(1, 1), (0, 1), (0, 1)]
    assert (ANN.points, ANN.possible) == (plain.points, plain.possible) == (1, 3)
    weighed = with_points(ANN, NAMES, {"relu_backward": 2, "linear_backward": 3})
    assert [(g.points, g.possible) for g in weighed] == [(2, 2), (0, 3), (0, 0)]
    broken = with_points(Grades(Path("x.py"), problem="no Python"), NAMES, {"relu_backward": 2})
    assert (broken.points, broken.possible, broken.problem) == (0, 2, "no Python")
    half = Grades(Path("x.py"), (Grade("relu_backward", "wrong", points=1.0, possible=2.0),))
    assert with_points(half, NAMES, {"relu_backward": 10}).points == 5  # the share is kept


def test_s221_partial_credit_is_the_share_of_results_that_are_right_and_is_stated() -> None:
    found = with_points(ANN, NAMES, {"linear_backward": 3}, partial=True)["linear_backward"]
    assert (found.points, found.possible) == (2, 3)
    assert found.notes == ("2 of 3 points: dA_prev and db are right",)
    for other in ("It changes dZ in place, which the caller still needs", "in place"):
        also = Grade(WRONG.name, "wrong", (other,), (), WRONG.diagnoses)
        assert with_points(Grades(Path("x"), (also,)), NAMES, None, partial=True).points == 0
    assert with_points(ANN, NAMES, None, partial=True)["compute_cost"].points == 0


# The fields that https://gradescope-autograders.readthedocs.io/en/latest/specs/ names.
TOP = {
    "score": float, "execution_time": (int, float), "output": str, "output_format": str,
    "test_output_format": str, "test_name_format": str, "visibility": str,
    "stdout_visibility": str, "extra_data": dict, "tests": list, "leaderboard": list,
}  # fmt: skip
OF_A_TEST = {
    "score": (int, float), "max_score": (int, float), "status": str, "name": str,
    "name_format": str, "number": str, "output": str, "output_format": str, "tags": list,
    "visibility": str, "extra_data": dict,
}  # fmt: skip


def as_documented(data: dict[str, object]) -> None:
    for fields, known in [(data, TOP), *((t, OF_A_TEST) for t in data["tests"])]:  # type: ignore[attr-defined]
        for name, value in fields.items():
            assert isinstance(value, known[name]), (name, value)
    assert data["visibility"] in VISIBILITIES
    assert data["stdout_visibility"] in VISIBILITIES
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_s222_results_have_the_fields_that_gradescope_names() -> None:
    found = with_points(ANN, NAMES, {"relu_backward": 2, "linear_backward": 3})
    data = results([found], 1.23456, "after_due_date")
    as_documented(data)
    assert data["score"] == 2
    assert data["execution_time"] == 1.235
    assert data["output"] == "ann.py: 2 of 5 points; 1 right, 1 wrong, 1 crashed"
    right, wrong, _ = data["tests"]
    assert (right["status"], right["score"], right["max_score"]) == ("passed", 2, 2)
    assert (wrong["status"], wrong["score"], wrong["max_score"]) == ("failed", 0, 3)
    assert "dW is exactly 2 = m times too large" in wrong["output"]
    assert wrong["output"].endswith("dW = 1")


def test_several_files_are_one_submission_and_the_best_of_each_function_counts() -> None:
    other = grades("b.py", linear_backward="right")
    data = results([with_points(r, NAMES) for r in (ANN, other)])
    as_documented(data)
    assert [t["score"] for t in data["tests"]] == [1, 1, 0]
    broken = with_points(Grades(Path("x.py"), problem="no \x1b Python"), NAMES)
    data = results([broken])
    as_documented(data)
    assert data["score"] == 0
    assert "no \\x1b Python" in data["output"]
    with pytest.raises(ValueError, match="got none"):
        results([])
    with pytest.raises(ValueError, match="expected one of visible, hidden"):
        results([broken], visibility="never")


@pytest.mark.skipif(sys.platform == "win32", reason="Gradescope runs bash")
def test_the_autograder_grades_a_submission_where_gradescope_puts_it(tmp_path: Path) -> None:
    points = tmp_path / "points.txt"
    points.write_text("relu_backward = 2\nrelu = 1", encoding="utf-8")
    packed = autograder(["--require", "relu,relu_backward", "--points", points.name], [points])
    assert packed == autograder(
        ["--require", "relu,relu_backward", "--points", points.name], [points]
    )
    root = tmp_path / "autograder"
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        modes = {i.filename: i.external_attr >> 16 for i in archive.infolist()}
        archive.extractall(root / "source")
    assert modes["run_autograder"] & modes["setup.sh"] & 0o777 == 0o755
    setup = (root / "source" / "setup.sh").read_text(encoding="utf-8")
    assert "'numpy>=2.2'" in setup
    for folder in ("submission", "results"):
        (root / folder).mkdir()
    (root / "submission" / "my work.py").write_text(
        "import numpy as np\ndef relu(Z):\n    return np.maximum(0, Z), Z\n", encoding="utf-8"
    )
    for script in ("setup.sh", "run_autograder"):
        subprocess.run(["bash", "-n", root / "source" / script], check=True)
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    path = f"{bin_}{os.pathsep}{os.environ['PATH']}"
    (bin_ / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    (bin_ / "python3").chmod(0o755)
    done = subprocess.run(
        ["bash", root / "source" / "run_autograder"],
        env=os.environ | {"AUTOGRADER": str(root), "PATH": path},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    data = json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))
    as_documented(data)
    assert [(t["name"], t["score"], t["max_score"]) for t in data["tests"]] == [
        ("relu", 1, 1),
        ("relu_backward", 0, 2),
    ]


def test_a_class_in_figures() -> None:
    odd = Grade("linear_backward", "wrong", ("dW: 3 of 4",), (), (Diagnosis("dW", False),))
    raised = Grade("compute_cost", "crashed", ("ValueError: shapes (2,3)",))
    found = [
        ANN,
        grades("b.py", linear_backward="wrong"),
        Grades(Path("c.py"), (odd, raised)),
        Grades(Path("d.py"), problem="no Python"),
    ]
    assert [(m.function, m.says, m.files) for m in mistakes(found)] == [
        ("linear_backward", "dW is exactly 2 = m times too large", 2),
        ("compute_cost", "crashes: ValueError", 1),
        ("compute_cost", "crashed", 1),
        ("linear_backward", NOT_NAMED, 1),
    ]
    assert [(t.function, t.right, t.present, t.asked) for t in totals(found)] == [
        ("relu_backward", 1, 1, 4),
        ("linear_backward", 0, 3, 4),
        ("compute_cost", 0, 2, 4),
    ]
    bars = histogram(found)
    assert bars == [(0, 0, 3), (1, 1, 1), (2, 2, 0), (3, 3, 0)]
    assert sum(b.files for b in histogram([with_points(r, NAMES, {"relu_backward": 37.5})
                                           for r in found])) == 4  # fmt: skip
    scored = [with_points(r, NAMES, {"relu_backward": 4}) for r in found]
    assert [(b.low, b.high) for b in histogram(scored)] == [(k, k) for k in range(5)]
    assert [b.files for b in histogram(scored)] == [3, 0, 0, 0, 1]  # full marks are by themselves
    scored = [with_points(r, NAMES, {"relu_backward": 3.5}) for r in found]
    assert [b[:2] for b in histogram(scored)][-2:] == [(2.625, 3.5), (3.5, 3.5)]  # a range
    assert histogram([]) == mistakes([]) == totals([]) == []
    assert histogram([with_points(ANN, NAMES, {"relu": 1.0})]) == []
