"""`tinygrad-dnn draw` and `explore` on model files and on functions of one's own."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import (
    DONE,
    call,
    change_model,
    complaint,
    run,
    write_arrays,
    write_split,
)
from own_nets import NET, drawn, enter, labels

from tinygrad_dnn.storage import run_file

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in a copy of it, with a module of its own."""
    enter(tmp_path, trained, monkeypatch)
    return tmp_path


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
    parameters = {**run_file.load("model.h5").parameters}
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
    assert {"relu(W1 X)", "W1 · 2"} <= set(labels(drawn("mynet:several")))
    assert {"first = W1 · 2", "second = W1 + 1"} <= set(labels(drawn("mynet:by_name")))
    assert "value = W1 · 3" in labels(drawn("mynet:value"))
    assert "Σ W1 · 2" in labels(drawn("mynet:Model.loss"))
    assert "Q = W1 · 4" in labels(drawn("mynet:dressed"))


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
    assert "gradient all 10" in drawn(
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
    compact, full = drawn("mynet:cost", "--backward"), drawn("mynet:cost", "--backward", "full")
    assert "dW1" in compact
    assert len(full) > len(compact)
    assert drawn("--backward", "mynet:cost") == compact  # the next word is no answer to it
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
        "explore": ("--out", "--title", "--live", "--merge", "--steps", "--data", "--x", "--y",
                    "--split", "--examples"),
    }  # fmt: skip
    for command, names in options.items():
        with pytest.raises(SystemExit) as left:
            call(command, "--help")
        assert left.value.code == DONE
        out = capsys.readouterr().out
        assert out.startswith(f"usage: tinygrad-dnn {command} ")
        assert [name for name in names if name not in out] == []


# --- pages ----------------------------------------------------------------------------------------


def page(*words: object) -> tuple[str, Any]:
    """The page that `explore` writes, and what it tells."""
    assert call("explore", *words, "--out", "page.html") == DONE
    text = Path("page.html").read_text(encoding="utf-8")
    trace = re.search(r'<script type="application/json" id="trace">(.*?)</script>', text, re.DOTALL)
    assert trace is not None
    return text, json.loads(trace[1])


def test_a_model_is_explored_on_a_few_examples(capsys: Out) -> None:
    _, story = page("model.h5", "--data", "train.h5")
    assert capsys.readouterr().out.splitlines() == [
        "model.h5, 48-20-7-5-1, its cost on 5 examples of train.h5",
        "wrote page.html",
    ]
    nodes = {node["name"]: node for node in story["nodes"].values()}
    assert nodes["X"]["shape"] == [48, 5]
    assert nodes["Z1"]["title"] == "Z1 = W1 X + b1"
    assert nodes["W1"]["gradientName"] == "dW1"
    assert story["title"] == "model.h5"
    hosts = [node["host"] for node in story["nodes"].values()]
    assert len(set(hosts)) < len(hosts)
    _, story = page("model.h5", "--data", "train.h5", "--examples", 2, "--steps")
    assert {node["host"] for node in story["nodes"].values()} == {*story["nodes"]}
    assert [2] in [node["shape"][1:] for node in story["nodes"].values()]


def test_a_function_is_explored_step_by_step_under_a_title_of_ones_own() -> None:
    text, story = page("mynet.py:cost", "--title", "</title><script>alert(1)</script>")
    assert "<script>alert" not in text
    assert story["title"] == "</title><script>alert(1)</script>"
    nodes = {node["name"]: node for node in story["nodes"].values()}
    assert {"X", "W1", "Z1", "A1", "J"} <= set(nodes)
    assert {node["host"] for node in story["nodes"].values()} == {*story["nodes"]}
    _, merged = page("mynet.py:cost", "--merge")
    assert {node["host"] for node in merged["nodes"].values()} < {*merged["nodes"]}
    assert merged["title"] == "mynet.py:cost"
    assert call("explore", "mynet.py:value") == DONE
    assert Path("backprop.html").exists()


def test_a_page_that_trains(capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    text, story = page("model.h5", "--data", "train.h5", "--live")
    assert [p["name"] for p in story["training"]["parameters"]][:2] == ["W1", "b1"]
    assert "const trainer" in text
    answers = story["training"]["answers"]  # its examples are pictures (4, 4, 3)
    assert (answers["picture"], answers["names"]) == ([4, 4, 3], ["night", "day"])
    shown = capsys.readouterr().out
    m = next(node for node in story["nodes"].values() if node["name"] == "X")["shape"][1]
    assert f"its cost on {m} examples" in shown
    monkeypatch.setattr("tinygrad_dnn.cli.explore.LARGEST", 13_000)
    _, story = page("model.h5", "--data", "train.h5", "--live")
    fewer = next(node for node in story["nodes"].values() if node["name"] == "X")["shape"][1]
    assert 1 <= fewer < m
    assert call("explore", "mynet.py:cost", "--live") == DONE
    assert "one number" in complaint(capsys, "explore", "mynet.py:value", "--live")


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_a_page_trains_on_as_the_model_was_trained(optimizer: str) -> None:
    words = ("--layers", "64,3,10", "--head", "softmax", "--optimizer", optimizer)
    given = ("--learning-rate", 0.004, "--iterations", 1, "--out", "run")
    assert call("train", *words, *given) == DONE
    _, story = page("run/model.h5", "--live", "--examples", 20)
    training = story["training"]
    assert training["answers"]["picture"] == [8, 8, 1]
    assert training["answers"]["names"] == [*"0123456789"]
    known = {"adam": ("adam", 0.004), "rmsprop": ("gradient descent", 0.1)}
    assert (training["optimiser"], training["rate"]) == known[optimizer]


def test_what_was_edited_since_cannot_be_explored(capsys: Out) -> None:
    assert "was changed after" in complaint(capsys, "explore", "mynet.py:trained")
    assert not Path("backprop.html").exists()
