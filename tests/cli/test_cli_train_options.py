"""`tinygrad-dnn train` with heads, batches, update rules and all that; its config file; resumed."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from commands import ALONE, DONE, UNUSABLE, call, command, complaint, write_arrays

from tinygrad_dnn.cli.config import _groups
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.train import Settings, begin

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(files: Path) -> Path:
    """Every test runs in a folder of its own."""
    return files


def content(out: str) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in Path(out).iterdir()}


# Of everything something, op by op: what is written takes no time to compile.
MANY = (
    *("--layers", "48,6,1", "--optimizer", "adamw", "--beta1", "0.8", "--weight-decay", "0.1"),
    *("--batch-size", "7", "--l2", "0.1", "--dropout", "0.2", "--activation", "tanh"),
    *("--init", "he", "--schedule", "plateau", "--schedule-patience", "1", "--warm-up", "3"),
    *("--clip-norm", "1", "--label-smoothing", "0.05", "--class-weight", "balanced"),
    *("--validation", "0.2", "--early-stopping", "500", "--learning-rate", "0.01", "--eager"),
)


def quick(*words: Any) -> int:
    return call("train", "train.h5", "test.h5", *MANY, "--no-pictures", *words)


# --- many classes ---------------------------------------------------------------------------------


def test_softmax_reads_the_ten_digits_by_its_defaults(capsys: Out) -> None:
    assert call("train", "--head", "softmax", "--no-pictures") == DONE
    out = capsys.readouterr().out
    assert out.startswith("64-64-10 on 1437 examples of the digits that come along: adam, learning")
    assert float(re.findall(r"Accuracy on the 360 test examples: (.*)", out)[0]) >= 0.975
    assert re.search(r"class  precision  recall     F1  examples\n0 ", out)
    assert "\nmean   " in out
    model = run_file.load("run/model.h5")
    assert model.class_names == tuple("0123456789")
    assert call("predict", "run/model.h5") == DONE
    out = capsys.readouterr().out
    assert "class and probability:" in out
    assert float(re.findall(r"Accuracy: (.*)", out)[0]) >= 0.975
    head, *rows = Path("run/costs.csv").read_text().splitlines()
    assert head == "iteration,epoch,cost"
    assert [row.split(",")[:2] for row in rows[:2]] == [["23", "1"], ["46", "2"]]
    assert len(Path("run/steps.csv").read_text().splitlines()) == 1 + model.iteration


def test_every_command_takes_a_model_of_many_classes(folder: Path, capsys: Out) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((20, 6)), rng.integers(0, 3, 20)
    write_arrays(folder / "three.h5", train_set_x=x, train_set_y=y)
    words = (
        "--head",
        "softmax",
        "--layers",
        "6,5,3",
        "--epochs",
        "2",
        "--batch-size",
        "8",
        "--eager",
    )
    more = ("--dropout", "0.2", "--l2", "0.1", "--schedule", "cosine")
    assert call("train", "three.h5", *words, *more, "--out", "m") == DONE
    names = {p.name for p in Path("m").iterdir()}
    assert {"confusion.png", "graph.svg", "costs.png", "report.html"} <= names
    page = Path("m/report.html").read_text(encoding="utf-8")
    assert "Confusion matrix" in page
    for words in (
        "draw m/model.h5 --data three.h5 --backward -o d.svg",
        "explore m/model.h5 --data three.h5 -o e.html",
        "derive m/model.h5 --data three.h5 -o f.txt",
        "compile m/model.h5 --data three.h5 -o net.py",
        "export m/model.h5 net.npz",
        "predict m/model.h5 three.h5 --split train",
    ):
        assert call(*words.split()) == DONE, words
    assert "log_softmax" in Path("f.txt").read_text(encoding="utf-8")
    assert "vdW1" in Path("net.py").read_text()
    space: dict[str, Any] = {}
    exec(Path("net.py").read_text(), space)
    model = run_file.load("m/model.h5")
    settings = Settings.of(model.layer_dims, model.settings)
    X = np.ascontiguousarray(x[:8].T)
    AL = space["forward"](model.parameters, X)
    np.testing.assert_allclose(AL, settings.predict(X, model.parameters), rtol=1e-12)
    zeros = {name: np.zeros_like(p) for name, p in model.parameters.items()}
    given = {"masks": {"D1": np.ones((5, 8))}, "learning_rate": np.asarray(0.1)}
    Y = np.eye(3)[:, y[:8]]
    state = {"v": zeros, "s": zeros, "t": np.zeros((), int)}
    _, after, _ = space["step"](model.parameters, state, X, Y, given)
    # Adam's first step is α sign(g).
    moved = model.parameters["W2"] - after["W2"]
    np.testing.assert_allclose(np.abs(moved), 0.1, rtol=1e-4)
    assert "none of the document's network" in complaint(capsys, "check", "m/model.h5")


def test_numbers_are_predicted_under_a_linear_head(folder: Path, capsys: Out) -> None:
    x = np.linspace(-1, 1, 40).reshape(-1, 1)
    write_arrays(folder / "curve.h5", train_set_x=x, train_set_y=x[:, 0] * 2 - 0.5)
    words = ("--head", "huber", "--layers", "1,1", "--learning-rate", "0.1", "--epochs", "80")
    assert call("train", "curve.h5", *words, "--out", "m", "--eager") == DONE
    out = capsys.readouterr().out
    error = float(re.findall(r"Root mean squared error on the 40 training .*: (.*)", out)[0])
    assert error < 0.01
    assert not Path("m/accuracies.csv").exists()
    assert call("predict", "m/model.h5", "curve.h5") == DONE
    assert "Root mean squared error: " in capsys.readouterr().out


# --- the config file ------------------------------------------------------------------------------


def test_s183_a_runs_config_repeats_it_bit_for_bit(folder: Path) -> None:
    assert quick("--epochs", 4, "--out", "one") == DONE
    (folder / "elsewhere").mkdir()
    assert call("train", "--config", "one/config.toml", "--out", "elsewhere/two") == DONE
    assert content("elsewhere/two") == content("one")
    values = tomllib.loads(Path("one/config.toml").read_text())
    assert values["optimizer"] == "adamw"
    assert values["class_weight"] == "balanced"
    stored = Settings.of((48, 6, 1), run_file.load("one/model.h5").settings)
    assert stored.beta1 == values["beta1"] == 0.8


def test_what_the_command_line_says_wins(folder: Path, capsys: Out) -> None:
    text = 'train = "train.h5"\nlayers = [48, 3, 1]\nepochs = 7\nlearning-rate = 1\neager = true\n'
    Path("run.toml").write_text(text + "no_pictures = true\n")
    assert call("train", "--config", "run.toml", "--iterations", 2, "--seed", 5) == DONE
    model = run_file.load("run/model.h5")
    assert (model.iteration, model.layer_dims) == (2, (48, 3, 1))
    assert model.settings["seed"] == 5
    assert model.settings["learning_rate"] == 1.0
    assert model.settings["compiled"] is False


def test_every_option_of_a_run_is_a_key_with_a_kind() -> None:
    from tinygrad_dnn.cli.choices import Choice
    from tinygrad_dnn.cli.config import KINDS

    keys = {k: a for _, group in _groups() for k, a in group.items()}
    assert all(a.nargs == 0 or a.type in KINDS or isinstance(a.type, Choice) for a in keys.values())
    settings = {f for f in Settings.__dataclass_fields__ if f != "layer_dims"} - {"compiled"}
    assert settings | {"layers", "head", "eager", "iterations", "epochs"} <= keys.keys()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("learning_rat = 1", "unknown key 'learning_rat'; did you mean learning_rate?"),
        ("zzz = 1", "unknown key 'zzz'; expected some of train, test, "),
        ("version = 2", "its version is 2, this tinygrad-dnn reads up to 1; update it"),
        ("version = 'x'", "version: expected 1, got 'x'"),
        ("learning_rate = '0.1'", 'learning_rate: expected a number, got "0.1"'),
        ("batch_size = true", 'batch_size: expected an integer from 1, or "all", got true'),
        ("batch_size = 0", "batch_size: expected an integer from 1, got '0'"),
        ("layers = 5", "layers: expected sizes such as [12288, 20, 7, 5, 1], got 5"),
        ("eager = 1", "eager: expected true or false, got 1"),
        (
            "[optimizer]\nname = 'adam'",
            'optimizer: expected text, in quotes as "adam", got a table',
        ),
        ("learning_rate 0.1", "expected TOML, keys and values: "),
        ("resume = true", "unknown key 'resume'"),
        ("batch_size = 31", "--batch-size: expected up to the number of training examples, 30"),
        (
            "schedule = 'cosine'\nfinal_learning_rate = 0.0",
            "a schedule that ends above 0",
        ),
        ("optimizer = 'adm'", "got 'adm'; did you mean adam?"),
        ("head = 'softmax'\ncost = 'document'", "the cost 'document' belongs to the head"),
        ("iterations = 3\nepochs = 2", "--iterations and --epochs both say how long"),
        ("train = 'none.h5'", "none.h5"),
    ],
)
def test_s184_a_config_that_cannot_be_used_says_why(text: str, told: str, capsys: Out) -> None:
    first = "" if "train =" in text else "train = 'train.h5'\n"
    Path("run.toml").write_text(first + text)
    assert told in complaint(capsys, "train", "--config", "run.toml", "--no-pictures")
    assert not Path("run/model.h5").exists()


def test_a_config_that_is_no_text_or_not_there(capsys: Out) -> None:
    Path("run.toml").write_bytes(b"train = '\xff.h5'")
    assert "expected TOML, which is UTF-8" in complaint(capsys, "train", "--config", "run.toml")
    assert "none.toml" in complaint(capsys, "train", "--config", "none.toml")


# --- data that can't be learned -------------------------------------------------------------------


def test_labels_of_one_class_or_outside_the_heads(folder: Path, capsys: Out) -> None:
    x = np.random.default_rng(0).random((6, 4))
    write_arrays(folder / "one.h5", train_set_x=x, train_set_y=np.ones(6, int))
    told = complaint(capsys, "train", "one.h5")
    assert "expected examples of two classes or more, got only label 1 in 6 examples" in told
    write_arrays(folder / "five.h5", train_set_x=x, train_set_y=np.arange(6))
    assert "expected labels 0 or 1, got 2 for example 2 (4 such" in complaint(
        capsys, "train", "five.h5"
    )
    told = complaint(capsys, "train", "five.h5", "--head", "softmax", "--layers", "4,3")
    assert "expected labels integers from 0 to 2, got 3" in told


def test_units_that_died_are_named(monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    def begun(settings: Settings) -> Any:
        state = begin(settings)
        state.parameters["b1"][...] = -1e6
        return state

    monkeypatch.setattr("tinygrad_dnn.cli.train.begin", begun)
    words = ("--layers", "48,3,1", "--eager", "--iterations", 2, "--no-pictures")
    assert call("train", "train.h5", *words) == DONE
    assert "layer 1: all its units are 0 for every training example" in capsys.readouterr().out


# --- resumed --------------------------------------------------------------------------------------


def test_a_run_of_everything_is_resumed_to_the_bit() -> None:
    assert quick("--iterations", 40, "--out", "whole") == DONE
    assert quick("--iterations", 1, "--out", "parts") == DONE
    for n in (2, 4, 17, 40):
        words = ("--iterations", n, "--out", "parts", "--no-pictures", "--resume")
        assert call("train", "train.h5", "test.h5", *words) == DONE
    assert content("parts") == content("whole")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL")
def test_a_killed_run_goes_on_as_if_nothing_had_been(folder: Path) -> None:
    words = ("--iterations", 400, "--checkpoint-every", 7)
    assert quick(*words, "--out", "whole") == DONE
    ours = command("train", "train.h5", "test.h5", *MANY, "--no-pictures", *words, "--out", "parts")
    with subprocess.Popen(
        ours, stdout=subprocess.PIPE, env=os.environ | ALONE, cwd=folder
    ) as process:
        assert process.stdout is not None
        assert any(line.startswith(b"Epoch 5") for line in process.stdout)
        process.kill()
    begun = run_file.load("parts/model.h5").iteration
    assert 0 < begun < 400
    assert quick(*words, "--out", "parts", "--resume") == DONE
    assert content("parts") == content("whole")


def test_other_settings_are_another_run(capsys: Out) -> None:
    assert quick("--iterations", 2) == DONE
    before = content("run")
    for words, told in (
        (["--optimizer", "adam"], "begun with optimizer adamw, not adam"),
        (["--batch-size", "all"], "begun with batch-size 7, not all"),
        (["--head", "softmax"], "begun with head sigmoid, not softmax"),
        (["--beta2", "0.5"], "begun without beta2"),
    ):
        assert call("train", "train.h5", *words, "--resume", "--no-pictures") == UNUSABLE
        assert told in capsys.readouterr().err, words
    assert content("run") == before


def test_the_command_after_an_interrupt_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    genuine, calls = run_file.save, []

    def save(*args: Any) -> None:
        genuine(*args)
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run_file, "save", save)
        assert quick("--epochs", 5, "--checkpoint-every", 9) == 130
    again = capsys.readouterr().err.splitlines()[-1].strip()
    assert call(*shlex.split(again)[1:]) == DONE
    assert run_file.load("run/model.h5").iteration == 20


# --- rates ----------------------------------------------------------------------------------------


def test_rates_are_tried_and_drawn(folder: Path, capsys: Out) -> None:
    with h5py.File("train.h5") as file:
        assert file["train_set_x"].shape[0] == 30
    words = ("--layers", "48,4,1", "--optimizer", "adam", "--batch-size", "10", "--dropout", "0.1")
    assert call("train", "train.h5", *words, "--find-learning-rate") == DONE
    assert re.search(
        r"begin with --learning-rate [\de.-]+, where the mean", capsys.readouterr().out
    )
    assert sorted(content("run")) == ["rates.csv", "rates.png"]
    assert Path("run/rates.csv").read_text().startswith("learning_rate,cost,mean\n")
