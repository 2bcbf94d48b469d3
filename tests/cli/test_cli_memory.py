"""`tinygrad-dnn train --memory MB`: on a file several times that large; stopped, gone on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from commands import DONE, call, complaint

from tinygrad_dnn.cli import run_data
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.train import load_model

Out = pytest.CaptureFixture[str]
M, N = 1500, 200  # 2.3 MB
WORDS = ("train", "large.h5", "--head", "softmax", "--layers", "200,5,3", "--eager", "--memory", 1)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    with h5py.File(folder / "large.h5", "w") as file:
        for k, (split, m) in enumerate((("train", M), ("test", 400))):
            x = np.random.default_rng(k).normal(size=(m, N))
            file.create_dataset(f"{split}_set_x", data=x, chunks=(25, N))
            file[f"{split}_set_y"] = x[:, :3].argmax(axis=1)
        file["list_classes"] = np.array(["a", "b", "c"], "S")
    return folder


@pytest.fixture(autouse=True)
def folder(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "large.h5").symlink_to(large / "large.h5")
    monkeypatch.chdir(tmp_path)


def test_s345_what_is_read_in_batches_goes_on_bit_for_bit_and_is_measured_whole(
    capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_data, "SHOWN", 20)  # as if the pictures were few of the examples
    words = (*WORDS, "--validation", 0.1, "--no-pictures")
    assert call(*words, "--epochs", 2, "--out", "whole") == DONE
    out = capsys.readouterr().out
    assert "batches of 64 read within 1 MB" in out
    assert "Accuracy on the 1350 training examples" in out
    assert call(*words, "--iterations", 29, "--out", "two") == DONE
    assert call(*WORDS, "--out", "two", "--epochs", 2, "--resume", "--no-pictures") == DONE
    for name in ("model.h5", "costs.csv", "accuracies.csv", "result.json", "steps.csv"):
        assert Path("two", name).read_bytes() == Path("whole", name).read_bytes(), name
    assert call("train", "--config", "whole/config.toml", "--out", "again", "--eager") == DONE
    assert Path("again/model.h5").read_bytes() == Path("whole/model.h5").read_bytes()
    # Every number is that of all examples in memory.
    reached = json.loads(Path("whole/result.json").read_text())
    model = load_model("whole/model.h5")
    with h5py.File("large.h5") as file:
        AL, y = model.predict(model.columns(file["test_set_x"][:])), file["test_set_y"][:]
    assert reached["test"]["accuracy"] == (AL.argmax(axis=0) == y).mean()
    assert np.isclose(reached["test"]["cost"], -np.log(AL[y, np.arange(400)]).mean())
    assert {*reached["validation"]} == {*reached["test"]}
    saved = run_file.load("whole/model.h5").history["validation"]
    assert reached["validation"]["cost"] == saved[-1, 1]


def test_pictures_early_stopping_and_a_table(capsys: Out) -> None:
    words = (*WORDS[:-4], "64,200,3", "--epochs", 1)  # the wrong layers are refused
    assert "the 200 numbers per example" in complaint(capsys, *words, "--memory", 1)
    assert call(*WORDS, "--epochs", 1, "--early-stopping", 3) == DONE
    assert Path("run/report.html").exists()
    Path("s.toml").write_text(
        'train = "large.h5"\nhead = "softmax"\nmemory = 1\nepochs = 1\neager = true\n'
        "layers = [[200, 3]]\nlearning_rate = [0.01, 0.02]\n"
    )
    assert call("sweep", "s.toml", "--dry-run") == DONE
    assert "2 runs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--batch-size", "all"), "memory: batches are read within it; say their size"),
        (("--batch-size", "1300"), "memory: 75% of the 1 MB are for batches; stream:"),
        (("--test-share", "0.2"), "store the test examples in a file of their own, --test FILE"),
        (("--find-learning-rate",), "it holds all examples; leave out --memory"),
        (("--shards", "2"), "memory: shards are held by workers"),
        (("--cluster",), "memory: shards are held by workers"),
        (("--train", "table.csv"), "table.csv"),
    ],
)
def test_refused(words: Any, told: str, capsys: Out) -> None:
    Path("table.csv").write_text("a,b,label\n1,2,0\n3,4,1\n5,6,0\n")
    more = WORDS if "--train" not in words else ("train", "--memory", 1, "--label", "label")
    assert told in complaint(capsys, *more, *words)
    assert not Path("run").exists()


def test_too_little_memory_to_measure_is_said_before_the_run(capsys: Out) -> None:
    told = complaint(capsys, "train", "--memory", 1)  # the digits are one chunk
    assert "memory: 25% of the 1 MB are to measure on all examples; stream: expected memory" in told
    assert not Path("run").exists()


def test_an_example_that_is_not_finite_is_named_before_the_run(capsys: Out) -> None:
    with h5py.File("nan.h5", "w") as file:
        x = np.ones((300, 4))
        x[270, 2] = np.nan
        file["train_set_x"], file["train_set_y"] = x, np.arange(300) % 2
    told = complaint(capsys, "train", "nan.h5", "--memory", 1, "--validation", 0.5)
    assert "got nan in example 270, number 2 of it" in told
    assert not Path("run").exists()
