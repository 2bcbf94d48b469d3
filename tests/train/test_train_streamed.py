"""Training on a file that is read in batches: as in memory in the same order, and gone on with."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tinygrad_dnn.data import Dataset, Stream, read
from tinygrad_dnn.train import (
    DivergedError,
    Settings,
    State,
    StreamedPredictor,
    check_examples,
    train,
    train_streamed,
)
from tinygrad_dnn.train.streamed import MEGABYTE, TRAINING

M, N = 2000, 120  # 1.9 MB in float64
SETTINGS = Settings(
    (N, 6, 3), 0.05, cost="softmax", optimizer="adam", batch_size=128, compiled=False, memory=1
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    found = tmp_path_factory.mktemp("large") / "large.h5"
    with h5py.File(found, "w") as file:
        x = rng.normal(size=(M, N))
        file.create_dataset("train_set_x", data=x, chunks=(50, N))
        file["train_set_y"] = x[:, :3].argmax(axis=1)
        file["list_classes"] = np.array(["a", "b", "c"], "S")
    return found


@pytest.fixture
def data(path: Path) -> Iterator[Dataset]:
    with read(path) as opened:
        yield opened


def in_memory(
    data: Dataset, settings: Settings, iterations: int, monkeypatch: pytest.MonkeyPatch
) -> State:
    """`train` in the order of a stream of the file."""
    x = Dataset(data.path, data.x)

    def positions(m: int, size: int, rng: np.random.Generator) -> list[Any]:
        memory = int(settings.memory * MEGABYTE * TRAINING) if settings.memory else 0
        at = Stream(x, size, rng, memory=memory, dtype=settings.dtype).positions()
        return [at[i : i + size] for i in range(0, m, size)]

    monkeypatch.setattr("tinygrad_dnn.train.examples.batch_positions", positions)
    y = data.targets() if settings.head == "linear" else data.labels(classes=settings.classes)
    X, Y = check_examples(data.columns(settings.dtype), y, settings)
    return train(X, Y, replace(settings, memory=None), iterations)


def same(one: State, other: State) -> bool:
    """Whether two states have the same parameters, bit for bit, and costs."""
    equal = [one.parameters[n].tobytes() == p.tobytes() for n, p in other.parameters.items()]
    return all(equal) and one.costs == other.costs


@pytest.mark.parametrize(
    "change",
    [
        {"compiled": True},
        {"dropout": 0.2, "class_weight": "balanced", "optimizer": "momentum"},
        {"dtype": "float32", "schedule": "step", "schedule_steps": 15, "l2": 0.1},
        {"cost": "squared", "layer_dims": (N, 4, 1), "batch_size": 90},
    ],
    ids=str,
)
def test_s343_the_costs_are_those_of_the_same_order_in_memory_and_it_goes_on(
    data: Dataset, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SETTINGS, **change)
    whole = train_streamed(data, settings, 40)
    assert len(whole.costs) == 40 // -(-M // (settings.batch_size or M))
    assert same(whole, in_memory(data, settings, 40, monkeypatch))
    # From the midst of an epoch, as a file has it.
    kept = train_streamed(data, settings, 21)
    begun = State.restored(
        kept.chosen,
        kept.carried(),
        iteration=21,
        costs=kept.costs,
        random_state=kept.random_state,
    )
    assert same(train_streamed(data, settings, 40, start=begun), whole)


def test_rows_of_the_file_and_the_others_for_validation(data: Dataset) -> None:
    kept = np.zeros(M, bool)
    kept[::7] = True
    settings = replace(SETTINGS, validation=0.1)
    training, validation = (data.rows(np.flatnonzero(k)) for k in (~kept, kept))
    X, Y = check_examples(data.columns(), data.labels(classes=3), settings)
    assert np.array_equal(training.columns(), X[:, ~kept])
    assert np.array_equal(training.images(), data.images()[~kept])
    state = train_streamed(training, settings, 28, validation=validation)
    (_, first), (_, last) = state.validation
    assert last < first
    assert np.isclose(last, settings.held_out_cost(X[:, kept], Y[:, kept], state.parameters))
    AL = StreamedPredictor(validation, settings)(state.parameters)
    np.testing.assert_allclose(AL, settings.predict(X[:, kept], state.parameters), rtol=1e-12)
    for at in ([], [-1, 3], [3, 3], [0, M], [0.5]):
        with pytest.raises(ValueError, match="expected increasing positions from 0 to 1999, got"):
            data.rows(np.array(at))


def test_s344_it_stays_within_its_memory(tmp_path: Path) -> None:
    m, n = 2200, 1000  # 2.1 MiB of uint8, 17 in float64
    with h5py.File(tmp_path / "d.h5", "w") as file:
        x = np.random.default_rng(0).integers(0, 255, (m, n), np.uint8)
        file.create_dataset("train_set_x", data=x, chunks=(16, n))
        file["train_set_y"] = (x[:, 0] > 127).astype(np.uint8)
    del x
    settings = Settings((n, 2, 1), batch_size=32, compiled=False, memory=1)
    with read(tmp_path / "d.h5") as data:
        train_streamed(data, settings, 1)  # what is loaded once
        gc.collect()
        tracemalloc.start()
        train_streamed(data, settings, 69, validation=data)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    # Beside it labels, their positions, and a step.
    assert peak < MEGABYTE + 6 * 8 * m + 3 * 8 * n * 32


def test_no_thread_is_left(data: Dataset) -> None:
    def stop(state: State, cost: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_streamed(data, SETTINGS, 9, after=stop)
    with pytest.raises(DivergedError):
        train_streamed(data, replace(SETTINGS, learning_rate=1e308), 9)
    assert not any("reading ahead" in thread.name for thread in threading.enumerate())


def test_what_cannot_be_is_refused(data: Dataset, tmp_path: Path) -> None:
    for change, words in (
        ({"batch_size": None}, "memory: batches are read within it; say their size"),
        ({"shards": 2}, "memory: shards are held by workers; leave out it, or the shards"),
        ({"memory": 0}, "memory: expected an integer from 1"),
    ):
        with pytest.raises(ValueError, match=words):
            replace(SETTINGS, **change)
    with pytest.raises(ValueError, match="train_streamed does"):
        train(data.columns(), data.labels(classes=3), SETTINGS, 1)
    with pytest.raises(ValueError, match="expected how many megabytes to read within, got None"):
        train_streamed(data, replace(SETTINGS, memory=None), 1)
    with pytest.raises(ValueError, match=r"memory: 75% of the 1 MB .* bytes or more, got 786,432"):
        train_streamed(data, replace(SETTINGS, batch_size=M), 1)
    state = train_streamed(data, SETTINGS, 1)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_dataset("train_set_x", data=data.images(), chunks=(30, N))
        file["train_set_y"] = data.labels(classes=3)
        file["list_classes"] = np.array(["a", "b", "c"], "S")
    with (
        read(tmp_path / "other.h5") as other,
        pytest.raises(ValueError, match="go on with a file in the same chunks, and its memory"),
    ):
        train_streamed(other, SETTINGS, 2, start=state)
