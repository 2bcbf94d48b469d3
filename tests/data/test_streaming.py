"""`Stream`: the examples of a file in batches, in the order that it says, within its memory."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import traceback
import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tinygrad_dnn import value_and_grad
from tinygrad_dnn.data import Dataset, Stream, read
from tinygrad_dnn.network import cost_of, initialize_parameters
from tinygrad_dnn.optim import gradient_descent

M, N = 1003, 12
MEMORY = 40_000  # less than half of what the examples take


@pytest.fixture(scope="module")
def values() -> Any:
    rng = np.random.default_rng(0)
    return rng.normal(size=(M, N)), rng.integers(0, 3, M)


LAYOUTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "chunks": {"chunks": (10, N)},
    "gzip": {"chunks": (7, 5), "compression": "gzip", "shuffle": True, "fletcher32": True},
}


@pytest.fixture(scope="module")
def files(values: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, found = tmp_path_factory.mktemp("stream"), {}
    for name, layout in LAYOUTS.items():
        found[name] = folder / f"{name}.h5"
        with h5py.File(found[name], "w") as file:
            file.create_dataset("x", data=values[0], **layout)
            file["y"] = values[1].reshape(1, M) if name == "gzip" else values[1]
            file["classes"] = np.array(["a", "b", "c"], "S")
    return found


@pytest.fixture
def opened(files: dict[str, Path]) -> Any:
    with open_(files["chunks"]) as data:
        yield data


def open_(path: Path) -> Dataset:
    return read(path, "x", "y", "classes")


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("order", ["drawn", "file"])
def test_an_epoch_has_every_example_once_in_the_order_it_says(
    layout: str, order: Any, files: dict[str, Path], values: Any
) -> None:
    X, Y = values[0].T, values[1].reshape(1, M)
    with open_(files[layout]) as data:
        stream = Stream(data, 64, rng(), memory=MEMORY, order=order)
        seen = []
        for epoch in range(2):
            positions = stream.positions()
            assert sorted(positions) == [*range(M)]
            batches = [*stream]
            assert [x.shape[1] for x, _ in batches] == [64] * 15 + [43]
            assert len(batches) == len(stream)
            np.testing.assert_array_equal(
                np.concatenate([x for x, _ in batches], 1), X[:, positions]
            )
            labels: Any = [y for _, y in batches]
            np.testing.assert_array_equal(np.concatenate(labels, 1), Y[:, positions])
            assert labels[0].dtype == np.int64
            assert batches[0][0].flags.f_contiguous
            assert (stream.epoch, stream.batch) == (epoch + 1, 0)
            seen.append(positions)
    assert (seen[0] != seen[1]).mean() > 0.9
    first = seen[0][:64]
    assert (np.diff(first) != 1).sum() > 50  # shuffled, and from far apart only where drawn
    assert (np.ptp(first) > 150) == (order == "drawn")


def test_without_a_generator_it_is_the_order_of_the_file(opened: Dataset, values: Any) -> None:
    X = np.concatenate([x for x, _ in Stream(opened, 100, None, memory=MEMORY)], axis=1)
    np.testing.assert_array_equal(X, values[0].T)


def test_other_sources_stream_as_well(values: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", values[0].astype(">f4"))
    with read(tmp_path / "x.npy") as data:
        stream = Stream(data, 50, rng(), dtype=np.float32)
        at = stream.positions()
        batches = [*stream]
    assert all(y is None for _, y in batches)
    np.testing.assert_array_equal(
        np.concatenate([x for x, _ in batches], 1), values[0].astype("f4").T[:, at]
    )
    numbers = read({"x": values[0], "y": values[0][:, 0]})
    with pytest.raises(ValueError, match=r"expected labels of classes, got numbers.*targets=True"):
        Stream(numbers, 50, rng())
    x, y = next(iter(Stream(numbers, 50, rng(), targets=True)))
    assert y is not None
    np.testing.assert_array_equal(x[:1], y)


# --- the same costs -------------------------------------------------------------------------------


def trained(batches: Any) -> list[float]:
    parameters, costs = initialize_parameters((N, 5, 3), "he", head="softmax"), []
    for x, y in batches:
        cost, grads = value_and_grad(lambda p, x=x, y=y: cost_of(x, y, p, "softmax"))(parameters)
        parameters = gradient_descent(parameters, grads, 0.1)
        costs.append(float(cost))
    return costs


def test_s193_the_costs_are_those_of_the_same_order_in_memory(opened: Dataset) -> None:
    X, Y = opened.columns(), opened.labels(binary=False)
    stream = Stream(opened, 100, rng(), memory=MEMORY)
    at = stream.positions()
    cut = [at[i : i + 100] for i in range(0, M, 100)]
    assert trained(stream) == trained((X.T[p].T, Y[:, p]) for p in cut)  # bit for bit


# --- state ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PCG64", "MT19937", None])
def test_s194_it_goes_on_bit_for_bit(opened: Dataset, kind: str | None) -> None:
    def made(seed: int) -> Stream:
        bits = None if kind is None else getattr(np.random, kind)(seed)
        return Stream(opened, 64, bits and np.random.Generator(bits), memory=MEMORY)

    def taken(stream: Stream, epochs: int) -> list[Any]:
        return [x.tobytes() for _ in range(epochs) for x, _ in stream]

    whole = taken(made(3), 3)
    for stop in (0, 7, 15, 16, 33):
        stream, first = made(3), []
        while len(first) < stop:
            for x, _ in stream:
                first.append(x.tobytes())
                if len(first) == stop:
                    break
        saved = json.loads(json.dumps(stream.state()))
        assert (saved["epoch"], saved["batch"]) == divmod(stop, 16)
        again = made(99)
        again.restore(saved)
        assert first + taken(again, 3 - stop // 16) == whole
        assert taken(stream, 3 - stop // 16) == whole[stop:]  # as after a break


def test_states_that_are_not_of_this_stream(opened: Dataset) -> None:
    stream = Stream(opened, 64, rng(), memory=MEMORY)
    next(iter(stream))
    state = stream.state()
    for change, words in (
        ({"size": 32}, "with size 32, not 64; go on with the same data, size, memory"),
        ({"m": 5}, "with m 5, not 1003"),
        ({"order": "file"}, "with order file, not drawn"),
        ({"batch": 16}, "stream: batch: expected an integer from 0 to 15"),
        ({"seed": None}, "shuffled otherwise"),
        ({"seed": [-1]}, "stream: seed"),
        ({"random_state": None}, "shuffled otherwise"),
        ({"random_state": {"bit_generator": "x"}}, "expected one of PCG64"),
    ):
        with pytest.raises(ValueError, match=words):
            stream.restore(state | change)
    with pytest.raises(ValueError, match="expected the entries m, size"):
        stream.restore({})
    other = Stream(opened, 64, np.random.Generator(np.random.SFC64(1)), memory=MEMORY)
    with pytest.raises(ValueError, match="the state is of a PCG64, the Generator a SFC64"):
        other.restore(state)
    assert stream.state() == state


# --- memory, threads, faults ----------------------------------------------------------------------


def test_s195_it_stays_within_its_memory(tmp_path: Path) -> None:
    memory = 2**20
    with h5py.File(tmp_path / "d.h5", "w") as file:
        x = file.create_dataset("x", (20 * memory // 512, 512), "u1", chunks=(64, 512))
        for start in range(0, len(x), 4096):
            x[start : start + 4096] = start // 4096
    with read(tmp_path / "d.h5", "x") as data:
        stream = Stream(data, 32, rng(), memory=memory, dtype=np.float32)
        [x for x, _ in zip(stream, range(3), strict=False)]
        gc.collect()
        tracemalloc.start()
        try:
            total = sum(float(x[0].sum()) for x, _ in stream)
            assert tracemalloc.get_traced_memory()[1] < memory + 2**18  # and what Python takes
        finally:
            tracemalloc.stop()
    assert total > 0


def running() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("reading ahead")]


def open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


def test_s196_no_thread_and_no_file_is_left(files: dict[str, Path]) -> None:
    before = open_files()
    with open_(files["chunks"]) as data:
        stream = Stream(data, 10, rng(), memory=MEMORY)
        for _ in stream:
            assert len(running()) == 1
            break
        assert not running()
        with pytest.raises(KeyboardInterrupt):
            _interrupted(stream)
        assert not running()
        assert stream.batch == 5  # 1, and what the interrupted loop was given
        left = iter(stream)
        next(left)
        with pytest.raises(ValueError, match="it is being read already; one loop at a time"):
            next(iter(stream))
        with pytest.raises(ValueError, match="being read; restore it before"):
            stream.restore(stream.state())
        del left
        assert len([*stream]) == len(stream) - 6
    assert not running()
    assert open_files() == before


def _interrupted(stream: Stream) -> None:
    for k, _ in enumerate(stream):
        if k == 3:
            raise KeyboardInterrupt


def test_an_error_of_the_thread_reaches_the_loop(opened: Dataset) -> None:
    stream = Stream(opened, 64, rng(), memory=MEMORY)
    whole = opened.x.read_rows
    calls = 0

    def fails(start: int, out: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 20:
            raise OSError("the disk is gone")
        whole(start, out)

    opened.x.read_rows = fails  # type: ignore[method-assign]
    got: list[Any] = []
    with pytest.raises(OSError, match="the disk is gone") as caught:
        got.extend(stream)
    assert 0 < len(got) == stream.batch < len(stream)  # what was read before is not lost
    assert "in fails" in "".join(traceback.format_exception(caught.value))
    assert not running()
    assert len([*stream]) == len(stream) - len(got)  # and the loop can go on


def test_a_damaged_chunk_is_found_when_it_is_read(files: dict[str, Path], tmp_path: Path) -> None:
    data = bytearray(files["gzip"].read_bytes())
    with h5py.File(files["gzip"]) as file:
        info = file["x"].id.get_chunk_info(30)
    data[info.byte_offset + 20] ^= 0xFF
    (tmp_path / "d.h5").write_bytes(data)
    with (
        open_(tmp_path / "d.h5") as opened,
        pytest.raises(OSError, match="dataset 'x': cannot be read, damaged"),
    ):
        list(Stream(opened, 64, None, memory=MEMORY))


def test_wrong_examples_are_named_by_their_place_in_the_file(values: Any) -> None:
    x, y = values[0].copy(), values[1].copy()
    x[501, 3] = np.inf
    stream = Stream(read({"x": x, "y": y}), 64, rng(), memory=MEMORY)
    with pytest.raises(ValueError, match=r"array 'x': .* in example 501$"):
        list(stream)
    y[77] = -1
    labels = read({"x": values[0], "y": y}, classes=["a", "b", "c"])
    with pytest.raises(ValueError, match=r"integers from 0 to 2, got -1 for example 77$"):
        list(Stream(labels, 64, rng(), memory=MEMORY))
    with pytest.raises(ValueError, match="the file of this dataset is closed"):
        _after_closing()


def _after_closing() -> None:
    from tinygrad_dnn.data import default_dataset

    with default_dataset() as digits:
        stream = Stream(digits, 10, rng())
    next(iter(stream))


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"size": 0}, ValueError, "size: expected an integer from 1|from 1 to the number of ex"),
        ({"size": M + 1}, ValueError, "from 1 to the number of examples, 1003, got 1004"),
        ({"size": 2.0}, TypeError, "size: expected an integer"),
        ({"memory": 100}, ValueError, r"two chunks of 10 examples and the batches, [\d,]+ bytes"),
        ({"rng": 3}, TypeError, "stream: expected a NumPy Generator"),
        ({"order": "any"}, ValueError, "expected order 'drawn' or 'file', got 'any'"),
        ({"dtype": "i8"}, TypeError, "expected dtype float64 or float32"),
    ],
)
def test_arguments_that_are_refused(opened: Dataset, changes: Any, error: Any, words: str) -> None:
    given = {"size": 64, "rng": rng(), "memory": MEMORY} | changes
    with pytest.raises(error, match=words):
        Stream(opened, given.pop("size"), given.pop("rng"), **given)
