"""`tinygrad-dnn sweep`: files and options that ask for what there is not."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from commands import complaint

from tinygrad_dnn.storage import platform

Out = pytest.CaptureFixture[str]
HEAD = 'train = "train.h5"\neager = true\nlayers = [48, 3, 1]\niterations = 4\n'


@pytest.fixture(autouse=True)
def folder(files: Path) -> Path:
    """Every test runs in a folder of its own."""
    return files


def write(text: str, head: str = HEAD) -> str:
    Path("sweep.toml").write_text(head + text, encoding="utf-8")
    return "sweep.toml"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("learning_rat = [1]", "unknown key 'learning_rat'; did you mean learning_rate?"),
        ("fold = 5", "fold: not in a sweep; write folds = 5"),
        ("flods = 5", "unknown key 'flods'; did you mean folds?"),
        ("no-test = true", "no_test: not in a sweep; the test examples are read for the best"),
        ("[[grid]]\nscore = 'cost'", "score: of the whole sweep; write it above [[grid]]"),
        ("[[grid]]\nsed = [1, 2]", "unknown key 'sed'; did you mean seed?"),
        ("grid = 3", "grid: expected tables, each under [[grid]]"),
        ("grid = [1]", "grid: expected tables, each under [[grid]]"),
        ("folds = 1", "folds: expected an integer from 2, got 1"),
        ("folds = true", "folds: expected an integer from 2, got True"),
        ("folds = [3, 5]", "folds: expected an integer from 2, got [3, 5]"),
        ("folds = 5\nvalidation = 0.1", "folds and validation both say what is kept"),
        ("score = 'f1'", "score: expected one of accuracy, error, cost, got 'f1'"),
        ("score = ['cost']", "score: expected one of accuracy, error, cost, got ['cost']"),
        ("l2 = []", "l2: expected a value or a list of values, got []"),
        ("learning_rate = [0.1, 'x']", 'learning_rate: expected a number, got "x"'),
        ("seed = [1, -1]", "seed: expected an integer from 0 to 2**32 - 1, got '-1'"),
        ("test = ['a.h5', 'b.h5']", "test: expected one file, runs on others can't be compared"),
        ("validation = 2.0", "none of the 1 runs can be carried out; the first: the only one: val"),
        ("folds = 99", "none of the 99 runs can be carried out"),
        ("x = 1 =", "expected TOML, keys and values"),
        ("[l2]\na = 1", "l2: expected a number, got a table"),
    ],
)
def test_a_file_that_asks_for_what_there_is_not(text: str, told: str, capsys: Out) -> None:
    said = complaint(capsys, "sweep", write(text))
    assert said.startswith("tinygrad-dnn sweep: sweep.toml: ")
    assert told in said
    assert not Path("sweep").exists()


def test_what_else_is_refused(folder: Path, capsys: Out) -> None:
    write("l2 = 0.1\n")
    assert "none.toml: No such file" in complaint(capsys, "sweep", "none.toml")
    assert "--insecure: there is no address" in complaint(
        capsys, "sweep", "sweep.toml", "--insecure"
    )
    if find_spec("distributed"):
        words = ("--scheduler", "tcp://10.0.0.1:8786")
        assert "not encrypted" in complaint(capsys, "sweep", "sweep.toml", *words)
    words = ("--scheduler", "127.0.0.1:1", "--jobs", 2)
    assert "--jobs: the cluster's workers have" in complaint(capsys, "sweep", "sweep.toml", *words)
    Path("bare").write_text(HEAD, encoding="utf-8")
    assert "give the folder a name of its own" in complaint(capsys, "sweep", "bare")
    Path("taken").write_text("", encoding="utf-8")
    assert "--out taken: not a folder to write to" in complaint(
        capsys, "sweep", "sweep.toml", "--out", "taken"
    )
    missing = HEAD.replace("train.h5", "missing.h5")
    assert "missing.h5" in complaint(capsys, "sweep", write("l2 = [0.1, 0.2]\n", missing))


@pytest.mark.skipif(not platform.LOCKS, reason="needs file locks")
def test_one_sweep_at_a_time_works_in_a_folder(capsys: Out) -> None:
    Path("sweep").mkdir()
    lock = platform.lock_folder(Path("sweep"))
    assert lock is not None
    try:
        told = complaint(capsys, "sweep", write("l2 = 0.1\n"))
    finally:
        os.close(lock)
    assert "another `tinygrad-dnn sweep` is at work in this folder" in told
