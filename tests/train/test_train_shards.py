"""Training in shards: the same as on all examples at once, but for rounding."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn.network import COSTS
from tinygrad_dnn.optim import OPTIMISERS
from tinygrad_dnn.train import (
    DivergedError,
    Settings,
    check_examples,
    keep_validation,
    train,
    train_in_shards,
)
from tinygrad_dnn.train.shards import Part, ShardsHere, shard_bounds, weighted_sum

M, DIMS = 30, (4, 5, 3)
ADAM = Settings(DIMS, 0.05, cost="softmax", optimizer="adam", compiled=False)
# What a run may have beside its shards.
WAYS: dict[str, dict[str, Any]] = {
    **{name: {"optimizer": name} for name in OPTIMISERS},
    **{f"batches, {name}": {"optimizer": name, "batch_size": 8} for name in ("sgd", "adam")},
    "L2": {"l2": 0.7},
    "class weights": {"class_weight": "balanced"},
    "a class that counts for nothing": {"class_weight": "0,1,2"},
    "clipped": {"clip_norm": 0.1, "clip_value": 0.05},
    "a schedule": {"schedule": "cosine", "schedule_steps": 9, "warm_up": 2},
    "early stopping": {"validation": 0.2, "early_stopping": 1, "batch_size": 6},
    "float32": {"dtype": "float32"},
    "compiled": {"compiled": True, "batch_size": 8},
}


@pytest.fixture(scope="module")
def problem() -> tuple[Any, Any]:
    X = np.random.default_rng(2).normal(size=(4, M))
    return X, X[:3].argmax(axis=0).reshape(1, -1)


def assert_close(one: Mapping[str, Any], other: Mapping[str, Any], dtype: str = "float64") -> None:
    assert one.keys() == other.keys()
    for name, x in one.items():
        limit = 1e-9 if dtype == "float64" else 1e-4
        np.testing.assert_allclose(x, other[name], rtol=limit, atol=limit, err_msg=name)


@pytest.mark.parametrize("way", WAYS)
def test_s281_shards_lead_where_all_examples_do(problem: tuple[Any, Any], way: str) -> None:
    settings = replace(ADAM, optimizer="sgd") if "optimizer" in WAYS[way] else ADAM
    settings = replace(settings, **WAYS[way])
    X, Y, validation = keep_validation(*problem, settings)
    whole = train(X, Y, settings, 9, validation=validation)
    parts = train(X, Y, replace(settings, shards=4), 9, validation=validation)
    assert_close(whole.parameters, parts.parameters, settings.dtype)
    assert len(whole.costs) == len(parts.costs) > 0
    assert_close(dict(whole.costs), dict(parts.costs), settings.dtype)


def test_each_iteration_asks_every_shard_for_its_part(problem: tuple[Any, Any]) -> None:
    settings = replace(ADAM, shards=4, batch_size=9)
    shards, asked = ShardsHere(*check_examples(*problem, settings), settings, None), []
    compute = shards.computed

    def counting(what: str, parts: Any, *given: Any) -> Any:
        asked.append([0 if part.at is None else len(part.at) for part in parts])
        assert sum(part.share for part in parts) == pytest.approx(1)
        return compute(what, parts, *given)

    shards.computed = counting  # type: ignore[method-assign]
    train_in_shards(shards, settings, 4)
    assert [sum(step) for step in asked] == [9, 9, 9, 3]
    assert sum(map(len, asked)) > 12


@pytest.mark.parametrize("cost", COSTS)
def test_every_head(problem: tuple[Any, Any], cost: str) -> None:
    X, Y = problem
    y = {"sigmoid": Y % 2, "softmax": Y, "linear": X[:1]}[COSTS[cost].head]
    n = 3 if cost == "softmax" else 1
    settings = Settings((4, 5, n), 0.1, cost=cost, compiled=False)
    whole, parts = (train(X, y, replace(settings, shards=s), 5) for s in (None, 7))
    assert_close(whole.parameters, parts.parameters)


def test_a_run_that_was_stopped_goes_on_bit_for_bit(problem: tuple[Any, Any]) -> None:
    for settings in (replace(ADAM, shards=4, batch_size=8), replace(ADAM, shards=3, local_steps=2)):
        whole = train(*problem, settings, 8)
        half = train(*problem, settings, 4)
        rest = train(*problem, settings, 8, start=half)
        assert rest.parameters["W1"].tobytes() == whole.parameters["W1"].tobytes()
        assert rest.costs == whole.costs


def test_s284_local_steps_are_averaged(problem: tuple[Any, Any]) -> None:
    """Each shard by itself, then the mean: what the definition says, and what one step is."""
    X, Y = problem
    settings = replace(ADAM, optimizer="sgd", shards=2, local_steps=5)
    found = train(X, Y, settings, 5)
    alone = replace(settings, shards=None, local_steps=None)
    a, b = (train(X[:, at], Y[:, at], alone, 5) for at in (slice(0, 15), slice(15, 30)))
    mean = {name: (a.parameters[name] + b.parameters[name]) / 2 for name in a.parameters}
    assert_close(found.parameters, mean)
    once = train(X, Y, replace(settings, local_steps=1), 5)
    assert_close(once.parameters, train(X, Y, alone, 5).parameters)


def test_local_steps_end_where_the_run_does_and_record_what_was_asked(
    problem: tuple[Any, Any],
) -> None:
    seen: list[int] = []
    settings = replace(ADAM, layer_dims=(4, 3), optimizer="sgd", shards=2, local_steps=60)
    end = train(*problem, settings, 250, after=lambda state, cost: seen.append(state.iteration))
    assert seen == [60, 120, 180, 240, 250]
    assert [t for t, _ in end.costs] == [0, 60, 180]  # the last before 100 and 200 were passed


def test_shards_are_neighbours_of_nearly_one_size() -> None:
    assert shard_bounds(10, 3) == ((0, 3), (3, 6), (6, 10))
    for m, shards in ((17, 5), (209, 16), (1000, 7), (4, 4)):
        bounds = shard_bounds(m, shards)
        assert [0, *(b for _, b in bounds)] == [*(a for a, _ in bounds), m]
        assert {b - a for a, b in bounds} <= {m // shards, m // shards + 1}
    with pytest.raises(ValueError, match=r"shards: expected up to the number .* 3, got 4"):
        shard_bounds(3, 4)


def test_the_sum_has_one_order() -> None:
    parts = [Part(i, None, share) for i, share in enumerate((0.1, 0.2, 0.7))]
    trees = [{"W1": np.array([x]), "t": np.int64(3)} for x in (1e16, 1.0, -1e16)]
    expected = (0.1 * 1e16 + 0.2 * 1.0) + 0.7 * -1e16
    assert weighted_sum(parts, trees) == {"W1": np.array([expected]), "t": 3}


@pytest.mark.parametrize("local", [None, 3])
def test_s306_a_run_that_diverges_says_where(problem: tuple[Any, Any], local: int | None) -> None:
    """The op at which the first shard does that sees it, as one process says its own."""
    settings = replace(ADAM, optimizer="sgd", learning_rate=1e308)
    with pytest.raises(DivergedError) as alone:
        train(*problem, settings, 20)
    words = re.match(r"the cost became \w+ in iteration \d\. (matmul\(W\d)", str(alone.value))
    assert words is not None
    words = r"in iteration \d\. In shard 1: " + re.escape(words[1]) + ".* Try a learning rate below"
    with pytest.raises(DivergedError, match=words):
        train(*problem, replace(settings, shards=2, local_steps=local), 20)
    # The rate is that of the iteration: it is the schedule's, which begins low.
    warm = replace(settings, shards=2, warm_up=300, dtype="float32", learning_rate=3e38)
    with pytest.raises(DivergedError, match=r"In shard \d: "):
        train(*problem, warm, 300)


def test_a_shard_of_which_nobody_hears_any_more(
    problem: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = ShardsHere.computed

    def lost(self: Any, what: str, *given: Any) -> Any:
        if what == "watched":
            raise ConnectionError("the scheduler is gone")
        return compute(self, what, *given)

    monkeypatch.setattr(ShardsHere, "computed", lost)
    settings = replace(ADAM, optimizer="sgd", learning_rate=1e308, shards=2)
    with pytest.raises(DivergedError, match=r"in iteration \d\. Try a learning rate below"):
        train(*problem, settings, 20)
