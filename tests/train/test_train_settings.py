"""The settings of a run: what is refused, and that each reaches the step."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn.optim import OPTIMISERS
from tinygrad_dnn.train import RATES, Settings, train
from tinygrad_dnn.train.settings import NUMBERS

DIMS = (4, 6, 3)
SOFTMAX = Settings(DIMS, 0.05, cost="softmax", compiled=False)


@pytest.fixture(scope="module")
def problem() -> tuple[Any, Any]:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(4, 30))
    return X, X[:3].argmax(axis=0).reshape(1, -1)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"optimizer": "adm"}, "optimizer: expected one of sgd, .*, got 'adm'"),
        ({"activation": "relv"}, "activation: expected one of relu, "),
        ({"schedule": "linear"}, "schedule: expected one of constant, step"),
        ({"batch_size": 0}, "batch_size: expected an integer from 1 on, got 0"),
        ({"batch_size": 2.0}, "batch_size: expected an integer .* got 2.0"),
        ({"beta1": 0.9}, "beta1: the optimizer 'sgd' has no such setting; leave it out"),
        ({"optimizer": "adam", "beta1": 1.0}, "beta1: expected a number from 0 to below 1"),
        ({"dropout": 1}, "dropout: expected a number from 0 to below 1, got 1"),
        ({"dropout": float("nan")}, "dropout: .* got nan"),
        ({"l2": -1}, "l2: expected a number from 0 on, got -1"),
        ({"l2": "0.1"}, "l2: expected a number .* got '0.1'"),
        ({"clip_norm": 0}, "clip_norm: expected a number above 0"),
        ({"schedule": "cosine"}, "schedule_steps: the schedule 'cosine' needs"),
        ({"schedule_steps": 5}, "schedule_steps: the schedule 'constant' has no such"),
        (
            {"schedule": "cosine", "schedule_steps": 5, "final_learning_rate": 0.0},
            "a schedule that ends above 0",
        ),
        ({"class_weight": "1,2"}, "class_weight: expected 'balanced', or 3 numbers"),
        ({"cost": "squared", "class_weight": "balanced"}, "class_weight: the cost 'squared'"),
        ({"validation": 0}, "validation: expected a number above 0"),
        ({"fold": "6/5"}, "fold: expected one of two or more, such as 2/5, got '6/5'"),
        ({"fold": 2}, "fold: expected one of two or more, such as 2/5, got 2"),
        ({"fold": "1/2", "validation": 0.1}, "leave out it or `validation`"),
        ({"early_stopping": -1}, "early_stopping: expected an integer from 0"),
        ({"shards": 0}, "shards: expected an integer from 1 on"),
        ({"shards": 2, "dropout": 0.5}, "dropout: its masks .* leave it out, or the shards"),
        ({"local_steps": 2}, "local_steps: they are taken by shards; say how many"),
        ({"local_steps": 2, "shards": 2, "batch_size": 7}, "local_steps: each is on the whole"),
        ({"optimizer": "adamw", "weight_decay": -1}, "weight_decay: expected a number from 0"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(setting: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(SOFTMAX, **setting)
    with pytest.raises(ValueError, match="dropout: there is no hidden layer"):
        Settings((4, 1), dropout=0.5)


def test_the_tables_name_every_rule_and_its_numbers() -> None:
    assert NUMBERS.keys() == RATES.keys() == OPTIMISERS.keys()
    for name, numbers in NUMBERS.items():
        assert set(OPTIMISERS[name]().settings) == set(numbers)


# Each setting to a value that must change where three iterations lead.
CHANGES: dict[str, dict[str, Any]] = {
    "learning_rate": {"learning_rate": 0.5},
    "seed": {"seed": 2},
    "init": {"init": "he"},
    "dtype": {"dtype": "float32"},
    "cost": {"cost": "squared"},
    "activation": {"activation": "tanh"},
    "optimizer": {"optimizer": "adam"},
    "beta": {"optimizer": "momentum", "beta": 0.5},
    "dampening": {"optimizer": "momentum", "dampening": 0.5},
    "beta1": {"optimizer": "adam", "beta1": 0.5},
    "beta2": {"optimizer": "adam", "beta2": 0.5},
    "epsilon": {"optimizer": "rmsprop", "epsilon": 0.1},
    "weight_decay": {"weight_decay": 0.5},
    "batch_size": {"batch_size": 7},
    "l2": {"l2": 1.0},
    "dropout": {"dropout": 0.5},
    "label_smoothing": {"label_smoothing": 0.1},
    "class_weight": {"class_weight": "balanced"},
    "clip_norm": {"clip_norm": 0.01},
    "clip_value": {"clip_value": 0.01},
    "schedule": {"schedule": "step", "schedule_steps": 1},
    "schedule_steps": {"schedule": "step", "schedule_steps": 2},
    "schedule_factor": {"schedule": "step", "schedule_steps": 1, "schedule_factor": 0.5},
    "final_learning_rate": {"schedule": "cosine", "schedule_steps": 2, "final_learning_rate": 0.04},
    "warm_up": {"warm_up": 2},
    "local_steps": {"shards": 3, "local_steps": 3},
}
# The network, and what decides of the rest of a run or of roundings; they have tests of their own.
OTHERS = {
    "layer_dims", "compiled", "schedule_patience", "validation", "fold", "early_stopping", "shards",
    "memory",
}  # fmt: skip


def test_every_setting_changes_where_training_leads(problem: tuple[Any, Any]) -> None:
    assert CHANGES.keys() | OTHERS == {f.name for f in fields(Settings)}
    X, Y = problem
    seen: dict[bytes, str] = {}
    for name, change in {"": {}, **CHANGES}.items():
        settings = replace(SOFTMAX, **change)
        y = Y if settings.head == "softmax" else np.vstack([Y, Y, Y]) * 1.0
        end = train(X, y, settings, 3).parameters["W1"].tobytes()
        assert end not in seen, f"{name} as {seen[end]}"
        seen[end] = name


def test_compiled_and_eager_agree_to_rounding(problem: tuple[Any, Any]) -> None:
    settings = replace(
        SOFTMAX, optimizer="adamw", batch_size=7, l2=0.1, dropout=0.2, label_smoothing=0.1,
        class_weight="balanced", clip_norm=0.1, clip_value=0.05, activation="gelu", warm_up=2,
    )  # fmt: skip
    ends = [train(*problem, replace(settings, compiled=c), 6).parameters for c in (True, False)]
    for name, p in ends[0].items():
        np.testing.assert_allclose(p, ends[1][name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_what_an_older_file_lacks_has_its_default() -> None:
    older = {"learning_rate": 0.5, "seed": 3, "init": "he", "dtype": "float64", "cost": "stable"}
    assert Settings.of((4, 1), older) == Settings((4, 1), compiled=False, **older)  # type: ignore[arg-type]
    described = replace(SOFTMAX, optimizer="adam", beta1=0.5, batch_size=4).described()
    assert Settings.of(DIMS, described).described() == described
