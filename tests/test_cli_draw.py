"""`tinygrad-dnn draw` and `explore`: model files, functions of one's own, and what is refused."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import (
    DONE,
    UNUSABLE,
    call,
    change_model,
    complaint,
    run,
    train_model,
    write_arrays,
    write_split,
)

from tinygrad_dnn import checkpoint

Out = pytest.CaptureFixture[str]

NET = """\
from __future__ import annotations
from dataclasses import dataclass
from functools import wraps
import numpy as np
from tinygrad_dnn import Tensor, log, relu, scope, stop_gradient

X = Tensor(np.ones((3, 2)))
W1 = Tensor(np.full((4, 3), 0.5), requires_grad=True)
unused = Tensor([1.0])

def hidden():
    with scope("layer 1"):
        Z1 = W1 @ X
        A1 = relu(Z1)
    return A1

def cost():
    with scope("layer 1"):
        Z1 = W1 @ X
        A1 = relu(Z1)
    with scope("layer 2"):
        J = (A1 * A1).sum()
    return J

def several():
    return hidden(), W1 * 2

def by_name():
    return {"first": W1 * 2, "second": W1 + 1}

def broken():
    Z1 = W1 * 0.0
    return (log(Z1) + stop_gradient(W1)).sum()

def trained():
    J = (W1 * W1).sum()
    J.backward()
    W1.data -= W1.grad
    return J

def zeroed():
    J = (W1 * W1).sum()
    J.backward()
    W1.zero_grad()
    return J

def weighted():
    J = (W1 * 2.0).sum()
    J.backward(np.array(5.0))
    return J

def dead():
    return relu(W1 - 9.0).sum()

def deep():
    y = W1
    for _ in range(200):
        y = y * 1.0
    return y

def decorate(f):
    @wraps(f)
    def decorated(*args, **kwargs):
        return f(*args, **kwargs)
    return decorated

@decorate
def dressed(*args, **kwargs):
    Q = W1 * 4
    return Q

@dataclass
class Settings:
    rate: "float" = 1.0

class Model:
    @staticmethod
    def loss(scale=2.0):
        return (W1 * scale).sum()

value = W1 * 3
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data files and the model that was trained on them."""
    folder = tmp_path_factory.mktemp("trained")
    train_model(folder)
    return folder


@pytest.fixture(autouse=True)
def folder(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in a copy of it, with a module of its own."""
    for path in trained.glob("*.h5"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "mynet.py").write_text(NET, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "modules", {**sys.modules})  # each test imports its own mynet
    sys.modules.pop("mynet", None)
    return tmp_path


def drawn(*words: object) -> str:
    """The DOT text that `draw` writes."""
    assert call("draw", *words, "--out", "drawn.dot") == DONE
    return Path("drawn.dot").read_text(encoding="utf-8")


def labels(dot: str) -> list[str]:
    """The first line of each box."""
    return re.findall(r"label=<([^<]*)<BR/>", dot)


# --- models ---------------------------------------------------------------------------------------


def test_a_model_is_drawn_in_the_documents_words(capsys: Out) -> None:
    dot = drawn("model.h5", "--data", "train.h5")
    assert capsys.readouterr().out.splitlines() == [
        "model.h5, 48-20-7-5-1, its cost on 30 examples of train.h5",
        "wrote drawn.dot",
    ]
    told = labels(dot)
    assert {"X", "W1", "b4", "Z1 = W1 X + b1", "A1 = relu(Z1)", "A4 = σ(Z4)"} <= set(told)
    assert "(48, 30) float64" in dot
    assert "layer 4" in dot
    steps = drawn("model.h5", "--data", "train.h5", "--steps")
    assert "W1 X" in labels(steps)
    assert len(labels(steps)) > len(told)


def test_examples_are_limited_and_come_from_the_split_that_is_asked_for(capsys: Out) -> None:
    assert "(48, 4) float64" in drawn("model.h5", "--data", "train.h5", "--examples", 4)
    assert "(48, 11) float64" in drawn("model.h5", "--data", "test.h5")
    assert "(48, 1) float64" in drawn("model.h5", "--data", "test.h5", "--examples", 1)
    assert "on 1 example of test.h5\n" in capsys.readouterr().out
    write_split(Path("train.h5"), "test", 7, seed=3, mode="a")
    assert "(48, 30) float64" in drawn("model.h5", "--data", "train.h5")
    assert "(48, 7) float64" in drawn("model.h5", "--data", "train.h5", "--split", "test")
    x, y = np.zeros((3, 48)), np.array([0, 1, 1])
    write_arrays(Path("own.h5"), pictures=x, answers=y)
    own = ("--data", "own.h5", "--x", "pictures", "--y", "answers")
    assert "(48, 3) float64" in drawn("model.h5", *own)


def test_without_data_random_examples_or_the_digits_are_taken(capsys: Out) -> None:
    first = drawn("model.h5", "--values")
    assert "on 209 examples drawn at random (seed 1)" in capsys.readouterr().out
    assert first == drawn("model.h5", "--values")
    digits = ("--layers", "64,3,1", "--iterations", 1, "--no-pictures", "--out", "digits")
    assert call("train", *digits) == DONE
    capsys.readouterr()
    assert "(64, 1437) float64" in drawn("digits/model.h5")
    assert "on 1,437 examples of the digits that come along" in capsys.readouterr().out
    assert "(64, 360) float64" in drawn("digits/model.h5", "--split", "test")


def test_a_float32_model_is_drawn_in_float32_on_the_cost_it_was_trained_on() -> None:
    words = ("--dtype", "float32", "--iterations", 2, "--no-pictures", "--out", "single")
    assert call("train", "train.h5", *words) == DONE
    for data in ((), ("--data", "train.h5")):
        dot = drawn("single/model.h5", *data)
        assert "float64" not in dot
        assert "softplus(Z4)" in dot


def test_a_model_that_saturates_is_drawn_and_marked() -> None:
    parameters = {**checkpoint.load("model.h5").parameters}
    parameters["b4"] = np.full((1, 1), 1e4)
    change_model(parameters=parameters)
    done = run("draw", "model.h5", "--data", "train.h5", "--steps", "--out", "bad.dot")
    assert (done.returncode, done.stderr) == (DONE, "")
    dot = Path("bad.dot").read_text(encoding="utf-8")
    assert "a sigmoid saturated" in " ".join(re.sub(r"<[^>]*>", " ", dot).split())
    assert "problem" in dot


# --- functions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["mynet", "mynet.py", "./mynet.py"])
def test_a_function_is_called_and_its_variables_name_what_it_made(place: str, capsys: Out) -> None:
    dot = drawn(f"{place}:cost")
    assert capsys.readouterr().out == f"{place}:cost\nwrote drawn.dot\n"
    told = labels(dot)
    assert {"X", "W1", "Z1 = W1 X", "A1 = relu(Z1)", "A1 ⊙ A1"} <= set(told)
    assert any(label.startswith("J = ") for label in told)
    assert not any("unused" in label for label in told)
    assert "A1 ⊙ A1" not in labels(drawn(f"{place}:cost", "--merge"))


def test_modules_in_packages_and_files_elsewhere_find_their_neighbours(folder: Path) -> None:
    away = folder / "my nets"
    away.mkdir()
    (away / "part.py").write_text(NET, encoding="utf-8")
    (away / "whole.py").write_text("import mynet\nfrom part import cost\n", encoding="utf-8")
    assert "J = " in drawn("my nets/whole.py:cost")
    package = folder / "package"
    package.mkdir()
    (package / "inner.py").write_text(NET, encoding="utf-8")
    assert "J = " in drawn("package.inner:cost")


def test_a_file_may_bear_the_name_of_a_library(folder: Path) -> None:
    (folder / "away").mkdir()
    (folder / "away" / "numpy.py").write_text(NET, encoding="utf-8")
    assert "J = " in drawn("away/numpy.py:cost")
    assert sys.modules["numpy"] is np


def test_several_tensors_values_and_methods() -> None:
    assert {"relu(W1 X)", "W1 ⊙ 2"} <= set(labels(drawn("mynet:several")))
    assert {"first = W1 ⊙ 2", "second = W1 + 1"} <= set(labels(drawn("mynet:by_name")))
    assert "value = W1 ⊙ 3" in labels(drawn("mynet:value"))
    assert "Σ W1 ⊙ 2" in labels(drawn("mynet:Model.loss"))
    assert "Q = W1 ⊙ 4" in labels(drawn("mynet:dressed"))


def test_what_is_wrong_is_marked_with_the_reason_and_numpy_does_not_warn_as_well() -> None:
    done = run("draw", "mynet:broken", "--out", "broken.dot")
    assert (done.returncode, done.stderr) == (DONE, "")
    dot = Path("broken.dot").read_text(encoding="utf-8")
    text = " ".join(re.sub(r"<[^>]*>", " ", dot).split())
    assert "from Z1 = 0.0; the logarithm of 0 is −∞" in text
    assert "problem" in dot


def test_gradients_are_computed_so_that_a_parameter_that_gets_none_is_marked() -> None:
    assert "(dead units)" in drawn("mynet.py:dead")
    assert "gradient 1" in drawn("mynet.py:cost", "--values")
    assert "gradient 10" in drawn(
        "mynet.py:weighted", "--values"
    )  # the function's own, as they are
    assert "gradient" not in drawn("mynet.py:zeroed", "--values")  # it was freed


def test_folding_is_automatic_asked_for_or_forbidden() -> None:
    assert len(labels(drawn("mynet:deep"))) < 150
    assert len(labels(drawn("mynet:deep", "--all"))) == 201
    assert "folded" not in drawn("mynet:cost")
    assert drawn("mynet:cost", "--depth", 0).count("class=folded") == 2
    named = drawn("mynet:cost", "--fold", "layer 1")
    assert named.count("class=folded") == 1
    assert "layer 2" in named


def test_a_graph_whose_parameters_were_updated_since_is_drawn_without_numbers(capsys: Out) -> None:
    assert "J = " in drawn("mynet:trained")
    told = complaint(capsys, "draw", "mynet:trained", "--values")
    assert "mynet:trained: " in told
    assert "was changed after" in told


def test_options_reach_the_picture() -> None:
    plain = drawn("mynet:cost")
    assert "cluster" in plain
    assert "cluster" not in drawn("mynet:cost", "--no-scopes")
    assert "0.5" in drawn("mynet:cost", "--values")
    assert "dW1" in drawn("mynet:cost", "--backward")
    assert "dW1" not in plain


def test_a_picture_in_each_format(capsys: Out) -> None:
    assert call("draw", "mynet:cost") == DONE
    assert Path("graph.svg").read_text(encoding="utf-8").rstrip().endswith("</svg>")
    assert call("draw", "mynet:cost", "-o", "graph.PNG") == DONE
    assert Path("graph.PNG").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out.endswith("wrote graph.PNG\n")


def test_help_names_every_option(capsys: Out) -> None:
    options = {
        "draw": ("--out", "--backward", "--values", "--merge", "--steps", "--no-scopes", "--fold",
                 "--all", "--depth", "--data", "--x", "--y", "--split", "--examples"),
    }  # fmt: skip
    for command, names in options.items():
        with pytest.raises(SystemExit) as left:
            call(command, "--help")
        assert left.value.code == DONE
        out = capsys.readouterr().out
        assert out.startswith(f"usage: tinygrad-dnn {command} ")
        assert [name for name in names if name not in out] == []


# --- refused --------------------------------------------------------------------------------------


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
    for command in ("draw",):
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
        (("model.h5", "--split", "dev"), "invalid choice: 'dev'"),
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
