"""`tinygrad-dnn train` where it can't: files, settings and folders that are refused in words."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from commands import DONE, NO, call, complaint, write_arrays

from tinygrad_dnn.storage import run_file

Out = pytest.CaptureFixture[str]
QUICK = ("--iterations", 3, "--no-pictures")


@pytest.fixture(autouse=True)
def folder(files: Path) -> Path:
    """Every test runs in a folder of its own."""
    return files


# --- files that can't be used ---------------------------------------------------------------------


@pytest.mark.parametrize("given", ["train", "test"])
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "no such file"),
        ("folder", "got a folder or a device"),
        ("empty", "expected an HDF5 file, got an empty file"),
        ("foreign", "expected an HDF5 file, got something that starts with b'\\x89PNG"),
        ("truncated", "cannot be read, damaged or cut short"),
        ("other datasets", "'{given}_set_x': not there; the file holds pixels (2, 2) of float64"),
    ],
)
def test_a_file_that_is_no_data_file(
    given: str, kind: str, words: str, folder: Path, capsys: Out
) -> None:
    path = folder / "bad.h5"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "foreign":
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    elif kind == "truncated":
        path.write_bytes((folder / f"{given}.h5").read_bytes()[:1500])
    elif kind == "other datasets":
        write_arrays(path, pixels=np.ones((2, 2)))
    files = {"train": "train.h5", "test": "test.h5"} | {given: "bad.h5"}
    told = complaint(capsys, "train", *QUICK, "--train", files["train"], "--test", files["test"])
    assert "bad.h5" in told
    assert words.format(given=given) in told
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train_set_y": np.arange(30)}, "dataset 'train_set_y': expected labels 0 or 1, got 2"),
        ({"train_set_y": np.full(30, np.nan)}, "expected labels 0 or 1, got nan for example 0"),
        ({"train_set_y": np.zeros(29, int)}, "expected one label for each of the 30 examples"),
        ({"train_set_y": None}, "no labels for 'train_set_x'"),
        ({"train_set_x": np.zeros((0, 4, 4, 3), np.uint8)}, "expected examples (m, ...), got (0,"),
        ({"train_set_x": np.full((30, 4), np.inf)}, "got inf in example 0, number 0 of it"),
        ({"train_set_x": np.array([b"x"] * 30)}, "expected numbers, got strings"),
    ],
)
def test_data_that_can_not_be_trained_on(
    changes: dict[str, Any], words: str, folder: Path, capsys: Out
) -> None:
    with h5py.File(folder / "train.h5", "a") as file:
        for name, values in changes.items():
            del file[name]
            if values is not None:
                file[name] = values
    told = complaint(capsys, "train", *QUICK, "train.h5")
    assert "train.h5" in told
    assert words in told
    assert not list(folder.rglob("model*.h5"))


def test_files_that_do_not_belong_together(folder: Path, capsys: Out) -> None:
    told = complaint(capsys, "train", *QUICK, "test.h5", "train.h5")
    assert "test.h5: dataset 'train_set_x': not there; the file holds list_classes" in told
    x, y = np.zeros((3, 2, 2, 3), np.uint8), np.array([0, 1, 0])
    write_arrays(folder / "small.h5", test_set_x=x, test_set_y=y)
    told = complaint(capsys, "train", *QUICK, "train.h5", "small.h5")
    assert told.endswith(
        "small.h5: its examples have shape (2, 2, 3), those of train.h5 (4, 4, 3)\n"
    )
    assert "expected a training and a test file, got 3" in complaint(
        capsys, "train", *QUICK, "a", "b", "c"
    )
    assert "the train file is given twice" in complaint(
        capsys, "train", *QUICK, "a", "--train", "b"
    )
    assert "no training file; give --train FILE" in complaint(
        capsys, "train", *QUICK, "--test", "test.h5"
    )


@pytest.mark.parametrize(
    ("m", "y", "words"),
    [
        (0, [], "array 'x': expected examples (m, ...), got (0, 6)"),
        (
            4,
            [0, 1, 3, 2],
            "array 'y': expected labels 0 or 1, got 3 for example 2 (2 such in all); more than two "
            "classes are --head softmax",
        ),
        (4, [0.5, 1, 1, 0], "they are .targets(), or trained on by --head linear"),
    ],
)
def test_arrays_that_are_no_binary_problem(m: int, y: Any, words: str, capsys: Out) -> None:
    np.savez("bad.npz", x=np.arange(6.0 * m).reshape(m, 6), y=np.array(y))
    assert f"bad.npz: {words}" in complaint(capsys, "train", *QUICK, "bad.npz").replace(
        "bad.npz: array 'y': expected labels of classes, got numbers that are not integers from 0 "
        "on; as numbers to be predicted ",
        "bad.npz: ",
    )


def test_a_cost_of_three_hundred_digits_is_told_by_its_first(capsys: Out) -> None:
    X = np.random.default_rng(0).random((9, 6)) * 1e100
    np.savez("large.npz", x=X, y=np.arange(9) % 2)
    assert call("train", *map(str, QUICK), "large.npz") in (DONE, NO)
    out = capsys.readouterr().out
    (cost,) = re.findall(r"Cost after iteration 0: (\S+)", out)
    assert "e+" in cost
    assert len(cost) < 15


# --- settings that can't be used ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--layers", "64,5,2"],
            "expected 1 unit in the last layer (one probability) under a sigmoid, got 2",
        ),
        (["--layers", "64,0,1"], "expected positive integers, got 0 for layer 1"),
        (["--layers", "64"], "at least two sizes, got (64,)"),
        (["--layers", "63,5,1"], "the first size must be the 64 numbers per example of "),
        (["--learning-rate", "0"], "learning rate: expected a finite number above 0, got 0.0"),
        (["--learning-rate=-1"], "learning rate: expected a finite number above 0, got -1.0"),
        (["--learning-rate", "nan"], "learning rate: expected a finite number above 0, got nan"),
        (["--learning-rate", "inf"], "learning rate: expected a finite number above 0, got inf"),
        (
            ["--schedule", "cosine", "--final-learning-rate", "0"],
            "final_learning_rate: expected a schedule that ends above 0 and not above its learning "
            "rate 0.1, got 0.0; at 0 nothing is learnt: end the run there instead",
        ),
        (
            ["--validation", "0.0001"],
            "validation: expected a share that leaves some of the 1437 examples to train on",
        ),
    ],
)
def test_unusable_settings(words: list[str], told: str, capsys: Out) -> None:
    assert told in complaint(capsys, "train", *QUICK, *words)
    assert not Path("run").exists()


def test_an_output_folder_that_is_a_file(capsys: Out) -> None:
    Path("taken").touch()
    for out in ("taken", "taken/below"):
        told = complaint(capsys, "train", *QUICK, "--out", out)
        assert told.startswith(f"tinygrad-dnn train: --out {out}: not a folder to write to: ")
        assert told.endswith("; choose another\n")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_folder_that_is_read_only(folder: Path, capsys: Out) -> None:
    (folder / "locked").mkdir(mode=0o500)
    for out in ("locked", "locked/below"):
        assert "Permission denied; choose another" in complaint(
            capsys, "train", *QUICK, "--out", out
        )


def test_a_refused_output_folder(monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    def refuse(**_: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tinygrad_dnn.cli.folders.TemporaryFile", refuse)
    told = complaint(capsys, "train", *QUICK, "--out", "locked")
    assert "--out locked: not a folder to write to: Permission denied; choose another" in told


def test_a_disk_that_fills_up_while_training(monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    genuine = run_file.save

    def save(path: Any, saved: Any) -> None:
        if saved.iteration:
            raise OSError(f"{path}: not saved: No space left on device")
        genuine(path, saved)

    with monkeypatch.context() as full:
        full.setattr(run_file, "save", save)
        assert "run/model.h5: not saved: No space left on device" in complaint(
            capsys, "train", *QUICK, "train.h5"
        )
    assert run_file.load("run/model.h5").iteration == 0
