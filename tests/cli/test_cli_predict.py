"""`tinygrad-dnn predict` on HDF5 files, with models of all kinds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from commands import (
    DONE,
    call,
    change_model,
    complaint,
    examples,
    write_arrays,
    write_split,
)

from tinygrad_dnn.storage import run_file
from tinygrad_dnn.train import predict

Out = pytest.CaptureFixture[str]
pytestmark = pytest.mark.usefixtures("folder")  # every test runs in a copy of its own


def expected(m: int, seed: int) -> tuple[list[float], list[int]]:
    """The model's probabilities and the labels of m examples."""
    x, y = examples(m, seed)
    parameters = run_file.load("model.h5").parameters
    return predict(x.reshape(m, -1).T / 255, parameters)[0].tolist(), y.tolist()


# --- HDF5 files -----------------------------------------------------------------------------------


def test_a_line_for_each_example_and_the_accuracy(capsys: Out) -> None:
    AL, labels = expected(11, seed=2)
    assert call("predict", "model.h5", "test.h5") == DONE
    out, err = capsys.readouterr()
    assert err == ""
    head, *lines, last = out.splitlines()
    assert head == "11 examples of test.h5, class and probability of 'day':"
    names = ("night", "day")
    right = 0
    for j, (line, p, label) in enumerate(zip(lines, AL, labels, strict=True)):
        k = int(p > 0.5)
        right += k == label
        verdict = "right" if k == label else f"wrong, it is {names[label]}"
        assert line == f"{j:2}  {names[k]:5}  {p:.4f}  {verdict}"
    assert last == f"Accuracy: {float(f'{right / 11:.12g}')}"


def test_a_wrong_answer_names_the_right_class(folder: Path, capsys: Out) -> None:
    with h5py.File("test.h5", "a") as file:
        y = 1 - file["test_set_y"][:]
        del file["test_set_y"]
        file["test_set_y"] = y
    assert call("predict", "model.h5", "test.h5") == DONE
    out = capsys.readouterr().out
    assert re.search(r"^ 0  night  0\.\d{4}  wrong, it is day$", out, re.MULTILINE)


def test_without_labels_there_is_no_verdict(folder: Path, capsys: Out) -> None:
    with h5py.File("test.h5", "a") as file:
        del file["test_set_y"]
    assert call("predict", "model.h5", "test.h5") == DONE
    out = capsys.readouterr().out
    assert "Accuracy" not in out
    assert "right" not in out
    assert len(out.splitlines()) == 12


def test_named_datasets(folder: Path, capsys: Out) -> None:
    x, y = examples(5, seed=4)
    write_arrays(folder / "mine.h5", pixels=x, flat=x.reshape(5, -1), label=y)
    assert call("predict", "model.h5", "mine.h5", "--x", "pixels", "--y", "label") == DONE
    labelled = capsys.readouterr().out
    assert "Accuracy: " in labelled
    assert call("predict", "model.h5", "mine.h5", "--x", "pixels") == DONE
    plain = capsys.readouterr().out.splitlines()
    assert call("predict", "model.h5", "mine.h5", "--x", "flat") == DONE
    assert capsys.readouterr().out.splitlines() == plain
    assert [line[: len(p)] for line, p in zip(labelled.splitlines(), plain, strict=False)] == plain


def test_of_a_file_with_both_parts_the_test_examples_count(folder: Path, capsys: Out) -> None:
    write_split(folder / "train.h5", "test", 11, seed=2, mode="a")
    for words, m in (((), 11), (("--split", "test"), 11), (("--split", "train"), 30)):
        assert call("predict", "model.h5", "train.h5", *words) == DONE
        assert capsys.readouterr().out.startswith(f"{m} examples of train.h5, ")


def test_several_files_each_have_their_table(capsys: Out) -> None:
    assert call("predict", "model.h5", "test.h5", "train.h5") == DONE
    out = capsys.readouterr().out
    assert out.count("Accuracy: ") == 2
    assert out.index("11 examples of test.h5") < out.index("30 examples of train.h5")


def test_an_hdf5_file_is_known_by_its_content(folder: Path, capsys: Out) -> None:
    (folder / "test.h5").rename(folder / "test.mat")
    assert call("predict", "model.h5", "test.mat") == DONE
    assert capsys.readouterr().out.startswith("11 examples of test.mat, ")


def test_without_files_the_digits_that_come_along(capsys: Out) -> None:
    words = ("--iterations", 2, "--layers", "64,1", "--no-pictures")
    assert call("train", *words) == DONE
    capsys.readouterr()
    for split, m in (((), 360), (("--split", "train"), 1437)):
        assert call("predict", "run/model.h5", *split) == DONE
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == (
            f"{m} examples of the digits that come along, class and probability of 'even':"
        )
        assert len(lines) == m + 2
    told = complaint(capsys, "predict", "model.h5")
    assert "model.h5 was trained on examples of shape (4, 4, 3), not on the digits" in told
    assert "name the files to predict" in told


def test_float32_models_predict_in_float32(capsys: Out) -> None:
    old = run_file.load("model.h5")
    narrow = {name: p.astype(np.float32) for name, p in old.parameters.items()}
    change_model(parameters=narrow)
    AL, _ = expected(11, seed=2)
    assert call("predict", "model.h5", "test.h5") == DONE
    assert [float(p) for p in re.findall(r"  (0\.\d{4})  ", capsys.readouterr().out)] == [
        round(p, 4) for p in AL
    ]


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (
            (5, 5, 3),
            "examples have shape (5, 5, 3), 75 numbers; the model was trained on (4, 4, 3)",
        ),
        (
            (3, 4, 4),
            "examples have shape (3, 4, 4), 48 numbers; the model was trained on (4, 4, 3)",
        ),
        ((47,), "examples have shape (47,), 47 numbers; the model was trained on (4, 4, 3), 48"),
    ],
)
def test_examples_of_another_shape(
    shape: tuple[int, ...], words: str, folder: Path, capsys: Out
) -> None:
    write_arrays(folder / "other.h5", test_set_x=np.zeros((2, *shape), np.uint8))
    assert words in complaint(capsys, "predict", "model.h5", "other.h5")


def test_examples_of_another_scale(folder: Path, capsys: Out) -> None:
    x, y = examples(5, seed=4)
    write_arrays(folder / "raw.h5", test_set_x=x.astype(float), test_set_y=y)
    told = complaint(capsys, "predict", "model.h5", "raw.h5")
    assert "raw.h5: dataset 'test_set_x' goes up to 219; the model was trained on uint8" in told
    write_arrays(folder / "raw.h5", test_set_x=x / 255, test_set_y=y)
    assert call("predict", "model.h5", "raw.h5") == DONE


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: None, "no such file"),
        (lambda p: p.touch(), "got an empty file"),
        (lambda p: p.write_text("no data"), "got something that starts with b'no data'"),
        (lambda p: write_arrays(p, x=np.ones(3)), "no dataset 'train_set_x' or 'test_set_x'"),
        (lambda p: write_arrays(p, test_set_x=np.full((2, 48), np.nan)), "got nan in example 0"),
        (
            lambda p: write_arrays(p, test_set_x=np.ones((2, 48)), test_set_y=np.array([0, 7])),
            "expected labels 0 or 1, got 7 for example 1",
        ),
    ],
)
def test_a_file_that_is_no_data_file(make: Any, words: str, folder: Path, capsys: Out) -> None:
    make(folder / "bad.h5")
    told = complaint(capsys, "predict", "model.h5", "bad.h5")
    assert "bad.h5" in told
    assert words in told


# --- models ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: p.unlink(), "model.h5: no such file: check the path, or train a model first"),
        (lambda p: p.write_bytes(b""), "model.h5: is empty"),
        (lambda p: p.write_bytes(p.read_bytes()[:-9]), "model.h5: truncated"),
        (lambda p: p.write_bytes(p.read_bytes()[:-9] + b"12345678\n"), "model.h5: damaged"),
        (lambda p: p.write_bytes(Path("test.h5").read_bytes()), "not a tinygrad_dnn model"),
        (lambda p: (p.unlink(), p.mkdir()), "model.h5: is a folder: name the model file in it"),
    ],
)
def test_a_model_that_is_none(make: Any, words: str, folder: Path, capsys: Out) -> None:
    make(folder / "model.h5")
    assert words in complaint(capsys, "predict", "model.h5", "test.h5")


def test_a_model_of_several_outputs_is_refused(capsys: Out) -> None:
    parameters = {"W1": np.ones((3, 48)), "b1": np.ones((3, 1))}
    change_model(parameters=parameters, layer_dims=(48, 3), class_names=("a", "b", "c"))
    told = complaint(capsys, "predict", "model.h5", "test.h5")
    assert "model.h5: layers: expected 1 unit in the last layer" in told


def test_classes_without_names_are_0_and_1(capsys: Out) -> None:
    change_model(class_names=())
    assert call("predict", "model.h5", "test.h5") == DONE
    out = capsys.readouterr().out
    assert out.startswith("11 examples of test.h5, class and probability of '1':\n")
    assert re.search(r"^ 0  [01]  0\.\d{4}  right$", out, re.MULTILINE)
