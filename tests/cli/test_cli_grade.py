"""`tinygrad-dnn check` on hand-written code: terminal, JSON, page, table, exit status."""

from __future__ import annotations

import csv
import json
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
    assert "\n'=1+1.py,1,1," in Path("t.csv").read_text(encoding="utf-8").replace("\r", "")


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
        (("a.py", "--layers", "3,1"), "--layers: for a network; grading chooses its own"),
    ],
)
def test_unusable_words(words: tuple[str, ...], said: str, folder: Path, capsys: Out) -> None:
    (folder / "empty").mkdir()
    write(a=GOOD)
    assert said in complaint(capsys, "check", *words)


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
