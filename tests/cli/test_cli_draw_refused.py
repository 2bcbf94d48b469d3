"""What `tinygrad-dnn draw` and `explore` refuse, in which words, leaving nothing behind."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import UNUSABLE, call, complaint, run, write_arrays
from own_nets import drawn, enter

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in a copy of it, with a module of its own."""
    enter(tmp_path, trained, monkeypatch)
    return tmp_path


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("nomodel.h5", "there is no file nomodel.h5; expected a model file"),
        ("mynet", "there is no file mynet; expected a model file .* or file.py:function"),
        ("mynet.py", "mynet.py: say which function of it: mynet.py:FUNCTION"),
        ("mynet.py:", "mynet.py: say which function of it"),
        ("train.h5", "train.h5: an HDF5 file, but not a tinygrad_dnn model"),
        ("nowhere:cost", "there is no module nowhere, neither in this folder nor installed"),
        ("nowhere.inner:cost", "there is no module nowhere.inner"),
        ("nowhere.py:cost", "nowhere.py: No such file or directory"),
        ("my net:cost", "my net: expected a module, package.module, or a path to a .py file"),
        (":cost", "there is no file :cost"),
        ("mynet:costs", "mynet has no 'costs'; there is hidden, cost, several, by_name, "),
        ("mynet:Model.nix", "mynet has no 'Model.nix'"),
        ("mynet:np.exp2", "mynet:np.exp2 gave|needs arguments|raised"),
    ],
)
def test_what_is_not_there(what: str, words: str, capsys: Out) -> None:
    assert re.search(words, complaint(capsys, "draw", what))
    assert not Path("graph.svg").exists()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def f(a, b=1, *, c): pass", "own.py:f needs arguments \\(a, c\\); give a function"),
        ("def f(): pass", "own.py:f gave None; expected a Tensor, or several"),
        ("def f(): return 3.5", "own.py:f gave float; expected a Tensor"),
        ("def f(): return []", "own.py:f gave empty list; expected"),
        ("def f(): return {}", "own.py:f gave empty list|dict"),
        ("def f(): return Tensor(1.0), 'x'", "own.py:f gave tuple of Tensor and str; expected"),
        ("f = 'cost'", "own.py:f gave str"),
        ("async def f(): pass", "own.py:f is a coroutine"),
        ("def f(): raise SystemExit(3)", "own.py:f called sys.exit\\(3\\)"),
        ("raise SystemExit", "own.py called sys.exit\\(None\\)"),
    ],
)
def test_functions_that_give_nothing_to_draw(
    body: str, words: str, folder: Path, capsys: Out
) -> None:
    (folder / "own.py").write_text(f"from tinygrad_dnn import Tensor\n{body}\n", encoding="utf-8")
    for command in ("draw", "explore"):
        assert re.search(words, complaint(capsys, command, "own.py:f"))
    assert [*folder.glob("*.svg"), *folder.glob("*.html")] == []


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (
            "def f():\n    return g()\ndef g():\n    return Tensor([1.0]) @ Tensor([[1.0]] * 3)",
            [
                "own.py:f raised ValueError: matmul: tensor (1,) @ tensor (3, 1): "
                "inner sizes 1 and 3 differ",
                "  own.py, line 3, in f: return g()",
                "  own.py, line 5, in g: return Tensor([1.0]) @ Tensor([[1.0]] * 3)",
            ],
        ),
        (
            "x = 1 / 0",
            [
                "own.py raised ZeroDivisionError: division by zero",
                "  own.py, line 2, in <module>: x = 1 / 0",
            ],
        ),
        (
            "def f(:",
            ["own.py raised SyntaxError: invalid syntax", "  own.py, line 2: def f(:"],
        ),
        (
            "def f(): raise BaseException('x')",
            [
                "own.py:f raised BaseException: x",
                "  own.py, line 2, in f: def f(): raise BaseException('x')",
            ],
        ),
        (
            "import not_installed",
            [
                "own.py raised ModuleNotFoundError: No module named 'not_installed'",
                "  own.py, line 2, in <module>: import not_installed",
            ],
        ),
    ],
)
def test_what_raised_is_told_with_the_users_own_lines(
    body: str, lines: list[str], folder: Path
) -> None:
    (folder / "own.py").write_text(f"from tinygrad_dnn import Tensor\n{body}\n", encoding="utf-8")
    for place in ("own.py", "own"):
        done = run("draw", f"{place}:f")
        assert (done.returncode, done.stdout) == (UNUSABLE, "")
        told = done.stderr.splitlines()
        first = lines[0].replace("own.py", place)
        assert told[0].startswith(f"tinygrad-dnn draw: {first}")
        assert told[1:] == lines[1:]
    assert not Path("graph.svg").exists()


def test_null_bytes_have_no_line(folder: Path) -> None:
    (folder / "own.py").write_bytes(b"def f(): pass\n\0")
    done = run("draw", "own.py:f")
    assert done.stderr.splitlines() == [
        "tinygrad-dnn draw: own.py raised SyntaxError: source code string cannot contain null bytes"
    ]


@pytest.mark.skipif(os.name == "nt", reason="no such names")
def test_a_name_that_would_act_on_a_terminal_is_told_in_escapes(folder: Path) -> None:
    text = "from tinygrad_dnn import Tensor\ndef f(): return Tensor(1.0, requires_grad=True) * 2\n"
    (folder / "own.py").write_text(text, encoding="utf-8")
    done = run("draw", "own.py:f", "-o", "a\n\x1b[31m.svg")
    assert done.stdout.splitlines()[-1] == r"wrote a\n\x1b[31m.svg"


def test_of_a_deep_recursion_a_few_lines_are_told(folder: Path) -> None:
    (folder / "own.py").write_text("def f():\n    return f()\n", encoding="utf-8")
    done = run("draw", "own.py:f")
    first, *lines = done.stderr.splitlines()
    assert "own.py:f raised RecursionError: maximum recursion depth exceeded" in first
    assert len(lines) == 4
    assert all(line.startswith("  own.py, line ") for line in lines)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("draw", "mynet:cost", "--out", "graph.gif"), "--out graph.gif: expected a name ending"),
        (("draw", "mynet:cost", "--out", "graph"), "expected a name ending in .svg, .png, .pdf, "),
        (("draw", "mynet:cost", "--out", "no/graph.svg"), "there is no folder no; make it first"),
        (("draw", "mynet:cost", "--data", "train.h5"), "--data: for model files; mynet:cost"),
        (("draw", "mynet:cost", "--examples", 3), "--examples: for model files"),
        (("draw", "model.h5", "--x", "pictures"), "--x: a dataset of which file?"),
        (("draw", "model.h5", "--split", "test"), "--split: a part of which file?"),
        (("draw", "model.h5", "--data", "model.h5"), "model.h5"),
        (("draw", "model.h5", "--data", "nix.h5"), "nix.h5: "),
        (("draw", "model.h5", "--fold", "layer 9"), "layer 9"),
        (("explore", "mynet:cost", "--out", "page.svg"), "expected a name ending in .html"),
    ],
)
def test_unusable_requests(words: tuple[object, ...], told: str, capsys: Out) -> None:
    before = {*Path.cwd().iterdir()}
    assert told in complaint(capsys, *words)
    assert {*Path.cwd().iterdir()} - before <= {Path.cwd() / "__pycache__"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "the following arguments are required: WHAT"),
        (("mynet:cost", "--depth", "-1"), "--depth"),
        (("mynet:cost", "--depth", "deep"), "expected an integer from 0, got 'deep'"),
        (("mynet:cost", "--all", "--fold", "layer 1"), "not allowed with argument --all"),
        (("mynet:cost", "--merge", "--steps"), "not allowed with argument --merge"),
        (("model.h5", "--examples", "0"), "expected an integer from 1, got '0'"),
        (("model.h5", "--split", "dev"), "expected one of train, test, got 'dev'"),
    ],
)
def test_unusable_arguments(words: tuple[str, ...], told: str, capsys: Out) -> None:
    with pytest.raises(SystemExit) as left:
        call("draw", *words)
    assert left.value.code == UNUSABLE
    assert told in capsys.readouterr().err


def test_examples_of_another_shape_are_refused(folder: Path, capsys: Out) -> None:
    write_arrays(folder / "small.h5", train_set_x=np.zeros((3, 5)), train_set_y=np.zeros(3, int))
    told = complaint(capsys, "draw", "model.h5", "--data", "small.h5")
    assert "its examples have shape (5,), 5 numbers; the model was trained on (4, 4, 3)" in told
    write_arrays(folder / "bare.h5", train_set_x=np.zeros((3, 48)))
    assert "no labels" in complaint(capsys, "draw", "model.h5", "--data", "bare.h5")


def test_the_path_of_imports_is_left_as_it_was() -> None:
    before, profile = sys.path[:], sys.getprofile()
    drawn("mynet.py:cost")
    assert call("draw", "mynet.py:nix") == UNUSABLE
    assert sys.path == before
    assert sys.getprofile() is profile
