"""`tinygrad-dnn check` on hand-written code: terminal, JSON, page, table, exit status."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import pytest
from commands import DONE, NO, UNUSABLE, call, complaint, run
from students import Fault, planted

Out = pytest.CaptureFixture[str]
GOOD = "import numpy as np\ndef linear_forward(A, W, b):\n    return W @ A + b, (A, W, b)\n"
BAD = GOOD.replace(" + b,", ",")
LOOP = GOOD.replace("    return", "    while True: pass\n    return")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(**files: str) -> None:
    for name, text in files.items():
        Path(f"{name}.py").write_text(text, encoding="utf-8")


def test_a_right_file(capsys: Out) -> None:
    write(good=GOOD)
    assert call("check", "good.py") == DONE
    out = capsys.readouterr().out
    assert out.startswith("good.py: 1 right, 16 missing\n✓ linear_forward\n– missing: initialize_p")


def test_a_wrong_file_as_a_program() -> None:
    write(bad=planted(Fault("linear_backward", "(1 / m) * np.dot(dZ", "np.dot(dZ", "")))
    done = run("check", "bad.py")
    assert done.returncode == NO
    assert done.stderr == ""
    assert "✗ linear_backward (line 87): wrong\n    dW is exactly 2 = m times too" in done.stdout
    assert "        dA_prev, dW, db = linear_backward(dZ, cache)\n" in done.stdout


def test_json(capsys: Out) -> None:
    write(bad=BAD, good=GOOD)
    assert call("check", "bad.py", "--json") == NO
    one = json.loads(capsys.readouterr().out)
    assert one["file"] == "bad.py"
    assert one["functions"][4]["words"] == ["Z lacks b"]
    assert call("check", "bad.py", "good.py", "--json") == NO
    assert [f["right"] for f in json.loads(capsys.readouterr().out)] == [False, True]


def test_a_folder(folder: Path, capsys: Out) -> None:
    (folder / "class" / "ann").mkdir(parents=True)
    (folder / "class" / ".hidden").mkdir()
    for name, text in {
        "class/ann/homework.py": GOOD, "class/ben.py": BAD, "class/cy.py": "def f(:\n",
        "class/=dan.py": GOOD, "class/eve.py": LOOP, "class/dnn_utils_v2.py": BAD,
        "class/testCases_v2.py": BAD, "class/.hidden/x.py": BAD, "class/notes.txt": "x",
    }.items():  # fmt: skip
        Path(name).write_text(text, encoding="utf-8")
    words = ("--html", "all.html", "--csv", "all.csv", "--limit", 1)
    assert call("check", "class", *words) == NO
    assert capsys.readouterr().out.splitlines() == [
        "class/=dan.py: 1 right, 16 missing",
        "class/ann/homework.py: 1 right, 16 missing",
        "class/ben.py: 1 wrong, 16 missing (linear_forward)",
        "class/cy.py: line 1: invalid syntax: def f(:",
        "class/eve.py: 1 timed out, 16 missing (linear_forward)",
        "wrote all.html, all.csv",
    ]
    with Path("all.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["right"], r["present"], r["linear_forward"], r["problem"]) for r in rows] == [
        ("1", "1", "right", ""),
        ("1", "1", "right", ""),
        ("0", "1", "wrong", ""),
        ("0", "0", "", "line 1: invalid syntax: def f(:"),
        ("0", "1", "timed out", ""),
    ]
    page = Path("all.html").read_text(encoding="utf-8")
    assert "5 files" in page
    assert "class/ann/homework.py" in page


def test_a_table_is_no_formula(capsys: Out) -> None:
    write(**{"=1+1": GOOD})
    assert call("check", "=1+1.py", "--csv", "t.csv") == DONE
    assert "\n,'=1+1.py,1,1," in Path("t.csv").read_text(encoding="utf-8").replace("\r", "")


@pytest.mark.parametrize(
    ("name", "cell"),
    [("\t=1+1", "'\\t=1+1"), ("\r=1", "'\\r=1"), (" @x", "' @x"), ("\"+1", "'\"+1"),
     ("\uff1d1", "'\uff1d1"), ("a=1", "a=1"), ("a\x1b\x7f", "a\\x1b\\x7f")],
)  # fmt: skip
def test_no_name_of_a_file_is_a_formula_or_moves_the_cursor(
    name: str, cell: str, capsys: Out
) -> None:
    write(**{name: "def f(:\n", "good": "def f(:\n"})
    assert call("check", f"{name}.py", "good.py", "--csv", "t.csv") == UNUSABLE
    out = capsys.readouterr().out
    assert all(c.isprintable() or c == "\n" for c in out)
    with Path("t.csv").open(encoding="utf-8", newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == [f"{cell}.py", "good.py"]
    assert call("check", f"{name}.py", "--json") == UNUSABLE
    out = capsys.readouterr().out
    assert all(c.isprintable() or c == "\n" for c in out)
    assert json.loads(out)["file"] == f"{name}.py"


def test_all_right_in_a_folder(folder: Path) -> None:
    (folder / "class").mkdir()
    for name in ("a", "b"):
        (folder / "class" / f"{name}.py").write_text(GOOD, encoding="utf-8")
    assert call("check", "class") == DONE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none.py",), "none.py: No such file or directory"),
        (("empty",), "empty: no .py file and no notebook in this folder"),
        (("a.py", "model.h5"), "model.h5: expected Python files (.py), notebooks"),
        (("model.h5", "--csv", "x.csv"), "--csv: for hand-written code (.py, .ipynb or a folder)"),
        (("model.h5", "other.h5"), "expected one model file, got model.h5 other.h5"),
        (("--gradescope", "r.json"), "--gradescope: for hand-written code"),
        (("a.py", "--gradescope", "no/r.json"), "--gradescope no/r.json: there is no folder no"),
        (("a.py", "--gradescope-setup", "a.zip"), "--gradescope-setup: without files"),
        (("a.py", "--points", "f=1"), "--points: f: expected functions that are asked for"),
        (("a.py", "--points", "none.txt"), "none.txt: No such file"),
        (("a.py", "--pages", "a.py"), "--pages a.py: expected a folder, it is a file"),
        (("a.py", "--student-id", "(x"), "--student-id (x: expected a regular expression"),
        (("a.py", "--student-id", "x+"), "--student-id x+: found in neither the name nor the path"),
        (("a.py", "--layers", "3,1"), "--layers: for a network; grading chooses its own"),
    ],
)
def test_unusable_words(words: tuple[str, ...], said: str, folder: Path, capsys: Out) -> None:
    (folder / "empty").mkdir()
    write(a=GOOD)
    assert said in complaint(capsys, "check", *words)


def test_points_ids_and_a_page_for_each_student(folder: Path, capsys: Out) -> None:
    (folder / "hw").mkdir()
    long = "a-very-long-name-" * 5
    for name in ("ann_7_hw", "ben_8_hw", "ben_8_more", f"{long}_9", "=x_=1+1", "<b>_<i>x"):
        text = BAD if name.startswith("ben_8_hw") else GOOD
        (folder / "hw" / f"{name}.py").write_text(text, encoding="utf-8")
    words = ("--student-id", "_(?P<id>[^_]+)", "--points", "linear_forward=2.5", "--jobs", 1)
    assert call("check", "hw", *words, "--csv", "t.csv", "--pages", "pages") == NO
    out = capsys.readouterr().out
    assert "7 (hw/ann_7_hw.py): 1 right, 16 missing" in out
    with Path("t.csv").open(encoding="utf-8", newline="") as file:
        rows = {r["student"]: r for r in csv.DictReader(file)}
    assert set(rows) == {"7", "8", "9", "'=1+1", "<i>x"}
    assert (rows["7"]["points"], rows["7"]["possible"]) == ("2.5", "2.5")
    pages = {p.name: p.read_text(encoding="utf-8") for p in Path("pages").iterdir()}
    assert set(pages) == {"index.html", "7.html", "8.html", "9.html", "1-1.html", "i-x.html"}
    assert "<i>x" not in "".join(pages.values())
    assert "5 students" in pages["index.html"]
    assert 'href="8.html#file-1-linear_forward"' not in pages["index.html"]
    assert 'href="8.html#file-0-linear_forward"' in pages["index.html"]
    assert "ben" in pages["8.html"]
    assert not any(other in pages["8.html"] for other in ("ann_7", "very-long"))
    assert "0 of 2.5 points" in pages["8.html"]


def test_a_submission_for_gradescope(folder: Path, capsys: Out) -> None:
    for name, text in {"one": BAD, "none": None, "broken": "def f(:\n"}.items():
        (folder / name).mkdir()
        if text is not None:
            (folder / name / "homework.py").write_text(text, encoding="utf-8")
    words = ("--require", "linear_forward,linear_backward", "--gradescope", "results.json")
    for name, status, said in [
        ("one", NO, "homework.py: 0 of 2 points; 1 wrong, 1 missing"),
        ("none", UNUSABLE, "none: 0 of 2 points; none: no .py file and no notebook in this"),
        ("broken", UNUSABLE, "homework.py: 0 of 2 points; line 1: invalid syntax"),
    ]:
        assert call("check", name, *words) == status
        data = json.loads(Path("results.json").read_text(encoding="utf-8"))
        assert data["output"].startswith(said)
        assert [t["max_score"] for t in data["tests"]] == [1, 1]
    assert "no .py file" in capsys.readouterr().err


def test_an_autograder_for_gradescope(capsys: Out) -> None:
    Path("points.txt").write_text("linear_forward = 3\n", encoding="utf-8")
    words = ("--points", "points.txt", "--partial", "--limit", 3, "--alias", "linear_forward=f x")
    assert call("check", "--gradescope-setup", "autograder.zip", *words) == DONE
    assert "autograder.zip: upload it" in capsys.readouterr().out
    with zipfile.ZipFile("autograder.zip") as archive:
        run = archive.read("run_autograder").decode()
        assert archive.read("points.txt") == b"linear_forward = 3\n"
    options = "--points points.txt --limit 3.0 --alias 'linear_forward=f x' --partial"
    assert f'--gradescope "$results" {options}\n' in run


@pytest.mark.parametrize("text", ["", "x = 1\n", "def f(:\n"])
def test_nothing_to_grade(text: str, capsys: Out) -> None:
    write(a=text)
    assert call("check", "a.py") == UNUSABLE
    assert capsys.readouterr().out.startswith("a.py: ")


@pytest.mark.parametrize("words", [("--limit", "0"), ("--limit", "x"), ("--memory", "0")])
def test_unusable_limits(words: tuple[str, ...], capsys: Out) -> None:
    with pytest.raises(SystemExit) as stopped:
        call("check", "a.py", *words)
    assert stopped.value.code == UNUSABLE
    assert "expected a" in capsys.readouterr().err
