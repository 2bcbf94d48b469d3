"""`tinygrad-dnn check`: the table, and its exit status."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from commands import DONE, NO, UNUSABLE, call, run

from tinygrad_dnn import textbook
from tinygrad_dnn.cli.check import DOCUMENT_LAYERS
from tinygrad_dnn.grading.three_ways import BOUND
from tinygrad_dnn.network import initialize_parameters
from tinygrad_dnn.storage import run_file

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(out: str) -> dict[str, list[str]]:
    """The table by name: element, the three values, the two distances."""
    lines = [re.sub(r"\(.*?\)|\[.*?\]", "", line).split() for line in out.splitlines()]
    return {words[0]: words[1:6] for words in lines if words and re.match(r"d[AZWb]\d$", words[0])}


def test_without_arguments_it_is_the_documents_network() -> None:
    assert DOCUMENT_LAYERS == (12288, 20, 7, 5, 1)
    done = run("check")
    assert (done.returncode, done.stderr) == (DONE, "")
    out = done.stdout
    assert out.startswith("layers 12288-20-7-5-1, weights of seed 1, 209 random examples\n")
    table = rows(out)
    names = [f"d{kind}{l}" for l in (4, 3, 2, 1) for kind in "AZWb"]
    assert list(table) == [*names, "dA0"]
    for written, engine, measured, apart, apart_measured in table.values():
        assert float(engine) == pytest.approx(float(written), rel=1e-8)
        assert float(measured) == pytest.approx(float(written), rel=1e-8)
        assert float(apart) < BOUND / 4
        assert float(apart_measured) < BOUND / 4
    assert "(20, 12288)" in out
    assert out.endswith(f"All agree within {BOUND}.\n")


def test_the_columns_stand_in_line(capsys: Out) -> None:
    assert call("check", "--layers", "300,200,1", "--examples", "3") == DONE
    lines = [line for line in capsys.readouterr().out.splitlines() if re.match(r"d[AZWb]\d", line)]
    assert len({len(line) for line in lines}) == 1
    assert {line.rindex("e") for line in lines} == {lines[0].rindex("e")}


def test_layers_examples_and_seed(capsys: Out) -> None:
    first = []
    for seed in (1, 2, 1):
        assert call("check", "--layers", "5,4,1", "--examples", 6, "--seed", seed) == DONE
        first.append(capsys.readouterr().out)
    assert first[0] == first[2]
    assert rows(first[0])["dW1"] != rows(first[1])["dW1"]
    assert "(4, 6)" in first[0]


def test_the_hand_written_column_is_the_textbooks(capsys: Out) -> None:
    assert call("check", "--layers", "5,4,1", "--examples", 6, "--seed", 3) == DONE
    rng = np.random.default_rng(3)
    X, Y = rng.random((5, 6)), rng.integers(0, 2, (1, 6))
    AL, caches = textbook.L_model_forward(X, dict(initialize_parameters((5, 4, 1), seed=3)))
    dW1 = textbook.L_model_backward(AL, Y, caches)["dW1"]
    largest = dW1.flat[np.argmax(np.abs(dW1))]
    assert rows(capsys.readouterr().out)["dW1"][0] == f"{largest:.8e}"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_trained_model(dtype: str, capsys: Out) -> None:
    words = ("--layers", "64,5,1", "--iterations", 20, "--no-pictures", "--dtype", dtype)
    assert call("train", *words) == DONE
    capsys.readouterr()
    assert call("check", "run/model.h5", "--examples", 20) == DONE
    out = capsys.readouterr().out
    assert out.startswith("run/model.h5, layers 64-5-1, 20 random examples\n")
    assert len(rows(out)) == 9
    assert call("check", "run/model.h5", "--layers", "64,5,1") == DONE
    assert call("check", "run/model.h5", "--layers", "64,4,1") == UNUSABLE
    told = capsys.readouterr().err
    assert "run/model.h5 was trained with layers 64-5-1, not 64-4-1" in told


def test_a_model_that_is_none(folder: Path, capsys: Out) -> None:
    assert call("check", "none.h5") == UNUSABLE
    assert "none.h5: no such file" in capsys.readouterr().err
    assert call("train", "--layers", "64,1", "--iterations", 1, "--no-pictures") == DONE
    path = folder / "run" / "model.h5"
    path.write_bytes(path.read_bytes()[:-1])
    assert call("check", path) == UNUSABLE
    assert "model.h5: truncated" in capsys.readouterr().err


def test_a_saturated_model_is_answered_in_words(capsys: Out) -> None:
    assert call("train", "--layers", "64,1", "--iterations", 1, "--no-pictures") == DONE
    model = run_file.load("run/model.h5")
    model.parameters["b1"][...] = 1000
    run_file.save("run/model.h5", model)
    assert call("check", "run/model.h5") == UNUSABLE
    assert (
        "tinygrad-dnn check: the network's output for example 0 is 1: " in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ("5,4,2", "expected 1 unit in the last layer (one probability) under a sigmoid, got 2"),
        ("5,0,1", "expected positive integers, got 0 for layer 1"),
        ("1", "at least two sizes, got (1,)"),
    ],
)
def test_unusable_layers(layers: str, words: str, capsys: Out) -> None:
    assert call("check", "--layers", layers) == UNUSABLE
    assert words in capsys.readouterr().err


def test_disagreement_is_marked_and_is_the_answer_no(
    monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    right = textbook.linear_backward

    def wrong(dZ: object, cache: object) -> object:
        dA_prev, dW, db = right(dZ, cache)  # type: ignore[arg-type]
        return dA_prev, dW * (1 + 1e-9), db

    monkeypatch.setattr(textbook, "linear_backward", wrong)
    assert call("check", "--layers", "5,4,1", "--examples", 6) == NO
    out = capsys.readouterr().out
    marked = [line.split()[0] for line in out.splitlines() if "<-- they disagree" in line]
    assert marked == ["dW2", "dW1"]
    assert out.endswith(f"dW2, dW1: they disagree by more than {BOUND}\n")
