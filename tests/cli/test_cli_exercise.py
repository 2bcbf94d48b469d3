"""`tinygrad-dnn exercise`, and `check --exercise`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from commands import DONE, NO, call, complaint
from solutions import SLIPS, solution

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_from_an_empty_folder_to_a_result(folder: Path, capsys: Out) -> None:
    assert call("exercise", "new", "spec.py") == DONE
    assert capsys.readouterr().out == (
        "spec.py: the exercise; edit it, then: tinygrad-dnn exercise test spec.py\n"
        "starter.py: what students begin with\n"
    )
    assert call("exercise", "test", "spec.py") == DONE
    told = capsys.readouterr().out
    assert told.startswith("✓ linear: 22 cases, ")
    assert "not found" not in told
    starter = Path("starter.py").read_text(encoding="utf-8")
    first = starter.replace("raise NotImplementedError", "return W @ X + b", 1)
    Path("class").mkdir()
    Path("class/ann.py").write_text(starter, encoding="utf-8")
    Path("class/ben.py").write_text(first, encoding="utf-8")
    Path("class/spec.py").write_text(Path("spec.py").read_text("utf-8"), encoding="utf-8")
    spec = ("--exercise", "class/spec.py")
    assert call("check", "class", *spec, "--csv", "t.csv", "--html", "t.html") == NO
    assert capsys.readouterr().out.splitlines() == [
        "class/ann.py: 2 not written (linear, linear_backward)",
        "class/ben.py: 1 right, 1 not written (linear_backward)",
        "wrote t.html, t.csv",
    ]
    head, ann, ben = csv.reader(Path("t.csv").read_text(encoding="utf-8").splitlines())
    assert head[7:9] == ["linear", "linear_backward"]
    assert (ann[7:9], ben[7:9]) == (["not written"] * 2, ["right", "not written"])
    assert "linear_backward" in Path("t.html").read_text(encoding="utf-8")


def test_what_is_there_stays(capsys: Out) -> None:
    Path("spec.py").write_text("mine", encoding="utf-8")
    told = complaint(capsys, "exercise", "new", "spec.py")
    assert "spec.py, line 1: NameError: name 'mine'" in told
    assert Path("spec.py").read_text(encoding="utf-8") == "mine"
    assert not Path("starter.py").exists()
    assert "is there already" in complaint(capsys, "exercise", "new", "spec.py", "--like", "l2")
    assert call("exercise", "new", "own.py", "--like", "l2") == DONE
    told = complaint(capsys, "exercise", "new", "own.py")
    assert "starter.py is there already; --starter says another name" in told
    assert call("exercise", "new", "own.py", "--starter", "again.py") == DONE
    assert Path("again.py").read_text("utf-8") == Path("starter.py").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "told"),
    [(("new", "spec.txt"), "expected a name ending in .py"),
     (("new", "spec.py", "--like", "l3"), "--like: expected one of adam"),
     (("new", "spec.py", "--like", "document"), "not written as a spec.py is"),
     (("test", "nothing"), "expected a Python file (spec.py), or one of"),
     (("test", "nothing.py"), "nothing.py: No such file"),
     (("test", "document"), "proved by the tests")],
)  # fmt: skip
def test_refused(words: tuple[str, ...], told: str, capsys: Out) -> None:
    assert told in complaint(capsys, "exercise", *words)
    assert not Path("spec.py").exists()


def test_list_and_json(capsys: Out) -> None:
    assert call("exercise", "list") == DONE
    assert "l2: L2 regularisation (l2_cost, l2_gradient)" in capsys.readouterr().out
    assert call("exercise", "test", "l2", "--json") == DONE
    data = json.loads(capsys.readouterr().out)
    assert data["holds"] is True
    assert [f["name"] for f in data["functions"]] == ["l2_cost", "l2_gradient"]


def test_one_of_those_that_come_along(capsys: Out) -> None:
    Path("a.py").write_text(solution("l2", SLIPS["l2"][0]), encoding="utf-8")
    assert call("check", "a.py", "--exercise", "l2", "--json") == NO
    data = json.loads(capsys.readouterr().out)
    assert [(f["name"], f["points"], f["possible"]) for f in data["functions"]] == [
        ("l2_cost", 1, 1), ("l2_gradient", 0, 1),
    ]  # fmt: skip
    assert call("check", "a.py", "--exercise", "l2", "--require", "l2_cost") == DONE
    told = complaint(capsys, "check", "a.py", "--exercise", "l2", "--require", "relu")
    assert "relu: expected functions of L2 regularisation" in told
    assert "--exercise: for hand-written code" in complaint(capsys, "check", "--exercise", "l2")
