"""What one types who has used other programs: near-misses of options, folders, sizes, models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import DONE, UNUSABLE, call, complaint

from tinygrad_dnn.cli.arguments import parser
from tinygrad_dnn.cli.unknown_options import MEANT
from tinygrad_dnn.data.dataset import Dataset

Out = pytest.CaptureFixture[str]


def options() -> dict[str, set[str]]:
    """Of each command."""
    (commands,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    return {name: set(one._option_string_actions) for name, one in commands.choices.items()}


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["train", "--lr", "0.1"], "--lr; did you mean --learning-rate?"),
        (["train", "--momentum=0.9"], "--momentum=0.9; did you mean --optimizer momentum?"),
        (["train", "--optimiser", "adam"], "--optimiser; did you mean --optimizer?"),
        (["check", "--patience=3"], "--patience=3\n"),  # train's own would help no one
    ],
)
def test_an_unknown_option_is_answered_with_this_commands_own(
    words: list[str], meant: str, capsys: Out
) -> None:
    with pytest.raises(SystemExit) as left:
        call(*words)
    assert left.value.code == UNUSABLE
    told = capsys.readouterr().err
    assert told.startswith(f"usage: tinygrad-dnn {words[0]} ")
    assert f"tinygrad-dnn {words[0]}: error: unrecognized arguments: {meant}" in told
    assert len(told.splitlines()) <= 2


def test_what_is_meant_exists_and_what_is_not_known_does_not() -> None:
    has = options()
    for asked, meant in MEANT.items():
        those = [known for known in has.values() if meant.split()[0] in known]
        assert those, meant
        assert not any(asked in known for known in those), asked


def test_more_units_than_the_classes_that_have_names_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("shapes.npz", X=np.eye(6), y=np.arange(6) % 3, classes=["disc", "ring", "star"])
    words: Any = ("--head", "softmax", "--batch-size", "2", "--iterations", "2", "--no-pictures")
    told = complaint(capsys, "train", "shapes.npz", *words, "--layers", "6,10")
    assert "expected 3 units in the last layer, one for each class of shapes.npz (disc, " in told
    told = complaint(capsys, "train", "shapes.npz", "--layers", "6,3")
    assert "under a sigmoid, got 3; a softmax has one for each class" in told
    assert call("train", "shapes.npz", *words) == DONE


def test_examples_larger_than_memory_are_told_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    def too_large(self: Dataset, dtype: Any = None) -> Any:
        raise MemoryError("Unable to allocate 15.6 GiB")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Dataset, "columns", too_large)
    told = complaint(capsys, "train", "--no-pictures")
    assert "1,437 examples of 64 numbers. Unable to allocate 15.6 GiB" in told
    assert "with --memory MB an HDF5 file of any size is read" in told


def test_a_class_that_is_not_there_is_said_not_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.chdir(tmp_path)
    told = complaint(capsys, "check", "clas", "--exercise", "l2", "--csv", "class.csv")
    assert told.endswith("clas: no such folder or file\n")
    assert not Path("class.csv").exists()


def test_a_folder_of_pictures_is_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow (the extra image) is not installed")
    monkeypatch.chdir(tmp_path)
    assert call("train", "--iterations", "1", "--layers", "64,1", "--no-pictures") == DONE
    for name in ("b.png", "a.png"):
        Path("mine").mkdir(exist_ok=True)
        image.fromarray(np.zeros((8, 8), np.uint8)).save(Path("mine", name))
    Path("mine", ".hidden").touch()
    capsys.readouterr()
    assert call("predict", "run/model.h5", "mine", "mine/a.png") == DONE
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("3 pictures, ")
    assert [Path(line.split()[0]).name for line in lines[1:]] == ["a.png", "b.png", "a.png"]
    Path("mine", "notes.txt").touch()
    assert "notes.txt" in complaint(capsys, "predict", "run/model.h5", "mine")
