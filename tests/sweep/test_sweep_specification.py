"""Lists become runs: every combination once, named so that a reader knows it, found again later."""

from __future__ import annotations

import re

import pytest

from tinygrad_dnn.sweep import Sweep, identity_of, specification


def names(sweep: Sweep) -> list[str]:
    return [run.name for run in sweep.runs()]


def test_every_combination_is_a_run_and_repeats_change_fastest() -> None:
    base = {"seed": [1, 2], "learning_rate": [0.1, 0.01], "head": ["softmax"]}
    assert names(Sweep(base)) == [
        "learning_rate=0.1 seed=1",
        "learning_rate=0.1 seed=2",
        "learning_rate=0.01 seed=1",
        "learning_rate=0.01 seed=2",
    ]
    runs = Sweep(base, folds=3).runs()
    assert [run.name.partition("seed=")[2] for run in runs[:4]] == [
        "1 fold=1/3", "1 fold=2/3", "1 fold=3/3", "2 fold=1/3",
    ]  # fmt: skip
    assert len(runs) == 12
    assert len({run.setting for run in runs}) == 2
    assert runs[0].settings == {
        "learning_rate": 0.1, "head": "softmax", "seed": 1, "fold": "1/3",
    }  # fmt: skip


def test_grids_have_their_own_values_and_what_two_of_them_ask_for_is_one_run() -> None:
    grids = [
        {"optimizer": ["adam"], "learning_rate": [0.01]},
        {"optimizer": ["momentum"], "beta": [0.9, 0.95]},
        {"optimizer": ["adam"], "learning_rate": [0.01, 0.1]},
    ]
    assert names(Sweep({"learning_rate": [0.1]}, grids)) == [
        "learning_rate=0.01 optimizer=adam",
        "learning_rate=0.1 optimizer=momentum beta=0.9",
        "learning_rate=0.1 optimizer=momentum beta=0.95",
        "learning_rate=0.1 optimizer=adam",
    ]


def test_a_folder_is_a_name_that_any_system_takes_and_an_identity() -> None:
    run, other = Sweep({"layers": [[64, 10], [64, 7, 10]], "classes": ["é/:*", "a"]}).runs()[:2]
    assert re.fullmatch(r"layers=64-10_classes=-[0-9a-f]{12}", run.folder(identity_of({})))
    long = Sweep({"classes": ["x" * 300, "y"]}).runs()[0]
    assert len(long.folder(identity_of({}))) < 100
    assert identity_of(run.settings) != identity_of(other.settings)
    assert identity_of({"a": 1, "b": (2, 3)}) == identity_of({"b": [2, 3], "a": 1})


def test_a_sweep_without_axes_is_one_run() -> None:
    assert names(Sweep({"l2": [0.1], "seed": [1]})) == ["the only one"]


def test_more_runs_than_anybody_means_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specification, "MOST_RUNS", 3)
    with pytest.raises(ValueError, match="more than 3 runs; take fewer values"):
        Sweep({"l2": [1, 2], "seed": [1, 2]}).runs()


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.1, "0.1"), (1e9, "1000000000"), (1e-8, "1e-08"), ([64, 10], "64,10"), (True, "true"),
     ("adam", "adam"), (2, "2"), (0.1 + 0.2, "0.3")],
)  # fmt: skip
def test_values_are_shown_as_they_are_written(value: object, shown: str) -> None:
    assert specification.shown(value) == shown
