"""The training loop with batches, rules, schedules, dropout, early stopping; resumed to the bit."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import metrics
from tinygrad_dnn.cli.descent import Run, as_checkpoint, from_checkpoint
from tinygrad_dnn.cli.run_data import Examples
from tinygrad_dnn.data import batches
from tinygrad_dnn.network import cost_of
from tinygrad_dnn.optim import OPTIMISERS
from tinygrad_dnn.storage.run_file import load, save
from tinygrad_dnn.train import (
    Settings,
    State,
    begin,
    keep_validation,
    predicted_labels,
    step_of,
    train,
)
from tinygrad_dnn.train.examples import DRAWING

DIMS = (4, 6, 3)
# Op by op: writing a program takes longer than all that is trained here.
ADAM = Settings(DIMS, 0.02, cost="softmax", optimizer="adam", batch_size=8, compiled=False)


@pytest.fixture(scope="module")
def problem() -> tuple[Any, Any]:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(4, 45))
    return X, X[:3].argmax(axis=0).reshape(1, -1)


def through_a_file(state: State, settings: Settings, path: Path) -> State:
    """What a run that stopped here finds when it goes on."""
    data = Examples("training", "", None, None, None, (4,), 1.0, (), "0" * 64)
    save(path, as_checkpoint(settings, data, Run(state)))
    return from_checkpoint(load(path)).state


def assert_same(one: Any, other: Any, where: str = "") -> None:
    """Two states, or parts of them, bit for bit."""
    if isinstance(one, dict) or hasattr(one, "keys"):
        assert dict(one).keys() == dict(other).keys(), where
        for name in one:
            assert_same(one[name], other[name], f"{where}.{name}")
    elif isinstance(one, np.ndarray):
        assert (one.dtype, one.shape) == (other.dtype, other.shape), where
        assert one.tobytes() == np.asarray(other).tobytes(), where
    else:
        assert one == other, where


RESUMED = {name: {"optimizer": name} for name in OPTIMISERS} | {
    "full batch": {"batch_size": None},
    "dropout in batches": {"dropout": 0.3, "l2": 0.1, "class_weight": "balanced"},
    "dropout in the full batch": {"dropout": 0.3, "batch_size": None, "optimizer": "sgd"},
    "step": {"schedule": "step", "schedule_steps": 4, "warm_up": 3},
    "cosine": {"schedule": "cosine", "schedule_steps": 10, "dtype": "float32"},
    "plateau": {"schedule": "plateau", "schedule_patience": 0, "learning_rate": 0.5},
    "early stopping": {"early_stopping": 1, "validation": 0.2, "learning_rate": 0.3},
    "clipped": {"clip_norm": 0.1, "clip_value": 0.05, "label_smoothing": 0.1},
    "compiled": {"compiled": True, "dropout": 0.2, "schedule": "step", "schedule_steps": 4},
    "compiled full batch": {"compiled": True, "batch_size": None},
}


@pytest.mark.parametrize("name", RESUMED)
def test_s180_a_run_is_resumed_to_the_bit_at_any_iteration(
    name: str, problem: tuple[Any, Any], tmp_path: Path
) -> None:
    settings = replace(ADAM, **RESUMED[name])
    X, Y, kept = keep_validation(*problem, settings)
    states = [begin(settings)]
    n = 20
    whole = train(X, Y, settings, n, validation=kept, after=lambda state, _: states.append(state))
    assert [s.iteration for s in states] == list(range(len(states)))
    for k in (7,) if settings.compiled else (1, 5, 6, 7, 11, len(states) - 1):
        start = through_a_file(states[k], settings, tmp_path / "m.h5")
        assert_same(vars(start), vars(replace(states[k])), name)
        resumed = train(X, Y, settings, n, start=start, validation=kept)
        assert_same(vars(resumed), vars(whole), f"{name} from {k}")


def test_mini_batches_are_those_of_the_seed_written_out(problem: tuple[Any, Any]) -> None:
    """An epoch takes one permutation, a rule its own steps: the loop by hand, op by op."""
    X, Y = problem
    settings = replace(ADAM, l2=0.3)
    rng = np.random.default_rng((settings.seed, DRAWING))
    parameters: Any = dict(begin(settings).parameters)
    rule, step = settings.rule(), step_of(settings, X.shape[1])
    state = rule.init(parameters)
    means = []
    for _ in range(2):
        costs = []
        for x, y in batches(X, Y, 8, rng):
            by_hand = cost_of(x, y, parameters, "softmax", l2=0.3, m=X.shape[1]).item()
            cost, parameters, state = step(parameters, state, x, y)
            assert float(cost) == by_hand
            costs.append(by_hand * x.shape[1])
        means.append(reduce(add, costs) / X.shape[1])  # Python 3.12's sum rounds once
    trained = train(X, Y, settings, 12)
    assert_same(trained.parameters, parameters)
    assert trained.costs == ((6, means[0]), (12, means[1]))


def test_s181_l2_has_the_same_minimum_for_every_batch_size(problem: tuple[Any, Any]) -> None:
    """The penalty of a batch is that of all examples: its mean over an epoch is the full cost."""
    X, Y = problem
    parameters = begin(ADAM).parameters
    whole = cost_of(X, Y, parameters, "softmax", l2=2.0).item()
    parts = [
        cost_of(x, y, parameters, "softmax", l2=2.0, m=45).item() * x.shape[1]
        for x, y in batches(X, Y, 8, np.random.default_rng(0))
    ]
    assert sum(parts) / 45 == pytest.approx(whole, rel=1e-12)


def test_s182_early_stopping_keeps_the_best_parameters(problem: tuple[Any, Any]) -> None:
    settings = replace(ADAM, learning_rate=0.3, validation=0.3, early_stopping=2)
    X, Y, kept = keep_validation(*problem, settings)
    assert kept is not None
    state = train(X, Y, settings, 10_000, validation=kept)
    assert state.stopped
    assert state.iteration < 10_000
    found = [cost for _, cost in state.validation]
    assert found.index(min(found)) == len(found) - 4  # more than 2 records without gain
    assert settings.held_out_cost(*kept, state.chosen) == min(found)
    assert settings.held_out_cost(*kept, state.parameters) == found[-1]
    assert train(X, Y, settings, 20_000, start=state, validation=kept) is state
    with pytest.raises(ValueError, match="early_stopping: it needs examples"):
        train(X, Y, settings, 5)


def test_a_plateau_cuts_the_rate(problem: tuple[Any, Any]) -> None:
    """With a threshold that no cost reaches each record after the first is one without gain."""
    settings = replace(ADAM, schedule="plateau", schedule_patience=0, learning_rate=30.0)
    state = train(*problem, settings, 60)
    assert state.plateau is not None
    assert state.plateau["rate"] < 30.0


def test_classes_weigh_alike_when_balanced(problem: tuple[Any, Any]) -> None:
    X, Y = problem
    rare = np.flatnonzero(Y[0] == 2)[:2]
    kept = np.r_[np.flatnonzero(Y[0] < 2), rare]
    settings = replace(ADAM, class_weight="balanced", batch_size=None)
    weights = settings.weights_of(Y[:, kept])
    for c in range(3):
        assert weights[Y[:, kept] == c].sum() == pytest.approx(len(kept) / 3)
    state = train(X[:, kept], Y[:, kept], settings, 200)
    predicted = predicted_labels(settings.predict(X[:, rare], state.chosen))
    assert metrics.accuracy(Y[:, rare], predicted) == 1


def test_s185_validation_is_stratified_and_drawn_from_the_seed(problem: tuple[Any, Any]) -> None:
    settings = replace(ADAM, validation=0.2)
    X, _, kept = keep_validation(*problem, settings)
    again = keep_validation(*problem, settings)
    np.testing.assert_array_equal(X, again[0])
    assert kept is not None
    assert (X.shape[1], kept[0].shape[1]) == (36, 9)
    for c in range(3):
        assert abs((kept[1] == c).sum() - 0.2 * (problem[1] == c).sum()) < 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch_size": 46}, "batch_size: expected up to the number of training examples, 45"),
        ({"layer_dims": (4, 2)}, r"Y: expected labels 0 and 1, got 2 \(\d+ such in all\)"),
    ],
)
def test_data_that_do_not_fit_are_refused(
    change: dict[str, Any], words: str, problem: tuple[Any, Any]
) -> None:
    with pytest.raises(ValueError, match=words):
        train(*problem, replace(ADAM, **change), 1)
    bad = problem[0].copy()
    bad[1, [4, 9]] = np.nan
    with pytest.raises(ValueError, match="in 2 of 45 examples, first in example 4"):
        train(bad, problem[1], ADAM, 1)


def test_s326_what_training_is_given_is_looked_at(problem: tuple[Any, Any]) -> None:
    X, Y = problem
    one = np.ones_like(Y, float)
    refused: list[tuple[type[Exception], str, Any]] = [
        (TypeError, "Y: expected real numbers, got texts; as labels", lambda: (X, Y.astype(str))),
        (TypeError, "X: expected real numbers, got complex", lambda: (X * 1j, Y)),
        (TypeError, "iterations: expected an integer, got float", lambda: (X, Y, ADAM, 2.5)),
        (ValueError, "validation: the settings keep 0.2 of the examples from training; give",
         lambda: (X, Y, replace(ADAM, validation=0.2))),
        (ValueError, "fold: the settings keep 1/3", lambda: (X, Y, replace(ADAM, fold="1/3"))),
    ]  # fmt: skip
    for kind, words, given in refused:
        with pytest.raises(kind, match=words):
            train(*given()) if len(given()) > 2 else train(*given(), ADAM, 1)
    for weights, got in ((one[0], r"got \(45,\)"), (-one, "got -1.0 to -1.0"),
                         (0 * one, "got 0.0 to 0.0"), (np.nan * one, "got nan")):  # fmt: skip
        with pytest.raises(ValueError, match=f"weights: expected .*, {got}"):
            train(X, Y, ADAM, 1, weights=weights)


def test_a_bar_shows_the_rate(problem: tuple[Any, Any], capsys: pytest.CaptureFixture[str]) -> None:
    train(*problem, ADAM, 3, progress=True)
    assert "3/3" in capsys.readouterr().err
