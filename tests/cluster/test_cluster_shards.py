"""Shards on workers, here threads of this process: what is computed, and what is refused.

Real processes that die are tried by `tests/reliability/cluster.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

pytest.importorskip("distributed")

from distributed import Client, LocalCluster

from tinygrad_dnn.cluster import ClusterError, ClusterShards, Source, work
from tinygrad_dnn.data import open_dataset
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.train import (
    DivergedError,
    Settings,
    check_examples,
    keep_validation,
    train,
    train_in_shards,
)
from tinygrad_dnn.train.shards import Shard

M = 40
SETTINGS = Settings((6, 4, 3), 0.1, cost="softmax", compiled=False, shards=3)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False}, memory_limit=0,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):  # fmt: skip
        yield client


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    path = tmp_path_factory.mktemp("data") / "data.h5"
    x = np.random.default_rng(0).normal(size=(M, 2, 3))
    with h5py.File(path, "w") as file:
        file.create_dataset("train_set_x", data=x, chunks=(7, 2, 3), compression="gzip")
        file["train_set_y"] = x.reshape(M, -1)[:, :3].argmax(axis=1)
        file["list_classes"] = np.array(["a", "b", "c"], "S")
    return Source(str(path), split="train")


def examples(source: Source, settings: Settings) -> tuple[Any, Any]:
    with source.open() as data:
        y = data.targets() if settings.head == "linear" else data.labels(classes=3)
        return check_examples(data.columns(settings.dtype), y, settings)


def same(one: Any, other: Any) -> bool:
    """Whether two states have the same parameters, bit for bit, and costs."""
    equal = [one.parameters[n].tobytes() == p.tobytes() for n, p in other.parameters.items()]
    return all(equal) and one.costs == other.costs


@pytest.mark.parametrize(
    "change",
    [
        {"shards": 7},
        {"batch_size": 9, "optimizer": "adam"},
        {"local_steps": 4, "optimizer": "momentum"},
        {"class_weight": "balanced", "l2": 0.5, "clip_norm": 0.2},
        {"cost": "squared", "layer_dims": (6, 4, 1)},
        {"dtype": "float32", "schedule": "cosine", "schedule_steps": 6},
    ],
    ids=str,
)
def test_s280_workers_compute_the_bits_of_one_process(
    client: Any, source: Source, change: dict[str, Any]
) -> None:
    settings = replace(SETTINGS, **change)
    X, Y = examples(source, settings)
    with ClusterShards(client, source, Y, settings) as shards:
        there = train_in_shards(shards, settings, 6)
        assert same(there, train(X, Y, settings, 6))
        AL = shards.predict(there.parameters)
        np.testing.assert_allclose(AL, settings.predict(X, there.parameters), rtol=1e-5)
        assert shards.steps == (2 if settings.local_steps else 6)
        assert "one process would take about" in shards.advice()
    assert not work._HELD  # nothing is left on a worker


def test_a_run_that_diverges_on_workers_says_where(client: Any, source: Source) -> None:
    settings = replace(SETTINGS, learning_rate=1e308)
    X, Y = examples(source, settings)
    with pytest.raises(DivergedError, match=r"In shard 1: matmul\(W2") as here:
        train(X, Y, settings, 9)
    with (
        ClusterShards(client, source, Y, settings) as shards,
        pytest.raises(DivergedError) as there,
    ):
        train_in_shards(shards, settings, 9)
    assert str(there.value) == str(here.value)


def test_the_rows_of_a_file_that_are_trained_on(client: Any, source: Source) -> None:
    settings = replace(SETTINGS, validation=0.25)
    X, Y = examples(source, settings)
    x, y, held_out = keep_validation(X, Y, settings)
    rows = keep_validation(np.arange(M)[None], Y, settings)[0][0]
    with ClusterShards(client, source, y, settings, rows=rows) as shards:
        there = train_in_shards(shards, settings, 4, validation=held_out)
    assert same(there, train(x, y, settings, 4, validation=held_out))


def test_s282_workers_come_and_go(source: Source) -> None:
    _, Y = examples(source, SETTINGS)
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False}, memory_limit=0,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
        ClusterShards(client, source, Y, SETTINGS) as shards,
    ):  # fmt: skip

        def after(state: Any, cost: float) -> None:
            shards._looked = 0  # look at once
            if state.iteration == 3:
                cluster.scale(3)
                client.wait_for_workers(3)
            elif state.iteration == 6:
                client.retire_workers([shards._workers[0]])

        there = train_in_shards(shards, SETTINGS, 9, after=after)
        assert len(shards._workers) == 2
    assert same(there, train(*examples(source, SETTINGS), SETTINGS, 9))


def test_what_cannot_be_is_refused(client: Any, source: Source, tmp_path: Path) -> None:
    _, Y = examples(source, SETTINGS)
    with pytest.raises(ValueError, match=r"shards: expected up to .* 40, got 41"):
        ClusterShards(client, source, Y, replace(SETTINGS, shards=41))
    with pytest.raises(ValueError, match="how many shards there are, got None"):
        ClusterShards(client, source, Y, replace(SETTINGS, shards=None))
    with pytest.raises(FileNotFoundError):
        ClusterShards(client, Source(str(tmp_path / "none.h5")), Y, SETTINGS)


def test_a_file_that_a_worker_does_not_see_is_refused_by_its_name(
    client: Any, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, Y = examples(source, SETTINGS)
    answers = iter([source.seen(), OSError("no such file"), (1, (2, 3), "float64")])
    run = client.run

    def blind(function: Any, **options: Any) -> dict[str, Any]:
        (first, *_) = run(function, **options).keys()
        return {first: next(answers)}

    with monkeypatch.context() as patched:
        patched.setattr(client, "run", blind)
        patched.setattr(ClusterShards, "_put", lambda *given: None)
        ClusterShards(client, source, Y, SETTINGS)
        with pytest.raises(ValueError, match=r"worker \d .*does not see .*data.h5: no such file"):
            ClusterShards(client, source, Y, SETTINGS)
        with pytest.raises(ValueError, match=r"another file there: .*got \(1, \(2, 3\)"):
            ClusterShards(client, source, Y, SETTINGS)


def test_a_shard_that_cannot_be_read_ends_the_run_and_says_who(client: Any, tmp_path: Path) -> None:
    path = tmp_path / "nan.h5"
    x = np.ones((M, 6))
    x[30, 2] = np.nan
    with h5py.File(path, "w") as file:
        file["train_set_x"], file["train_set_y"] = x, np.arange(M) % 3
    Y = np.eye(3)[:, np.arange(M) % 3]
    with ClusterShards(client, Source(str(path), split="train"), Y, SETTINGS) as shards:
        words = (
            r"worker \d .* can't read examples 26 to 40: .*from example 26 on: .*nan in example 4"
        )
        with pytest.raises(ClusterError, match=words):
            train_in_shards(shards, SETTINGS, 2)


def test_a_step_that_is_waited_for_can_be_ended(
    client: Any, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, Y = examples(source, SETTINGS)

    def stop() -> None:
        raise KeyboardInterrupt

    with ClusterShards(client, source, Y, SETTINGS) as shards:
        shards.waiting = stop
        monkeypatch.setattr(shards, "_submitted", lambda *given: [client.submit(_never)])
        with pytest.raises(KeyboardInterrupt):
            train_in_shards(shards, SETTINGS, 2)


def _never() -> None:
    import time

    time.sleep(1.2)


def test_what_pays_is_measured_against_one_process_at_its_best(client: Any, source: Source) -> None:
    _, Y = examples(source, SETTINGS)
    with ClusterShards(client, source, Y, SETTINGS) as shards:
        shards.seconds = [(9.0, 9.0, 9.0)] * 2 + [(0.6, 0.5, 1.0)] * 3
        assert "about 1e+03 ms: the cluster is 1.7 times as fast" in shards.advice()
        shards._threads = 2  # of large products
        assert "about 500 ms: the cluster does not pay here" in shards.advice()


def test_a_worker_holds_so_many_shards(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    shard = Shard(np.ones((6, 1)), np.ones((3, 1)))
    monkeypatch.setattr(work.ShardSource, "read", lambda self: read.append(self.key) or shard)
    of = [work.ShardSource(k, source, 0, 1, None, None, SETTINGS, M) for k in "abc"]
    for k in (0, 1, 0, 2, 0, 1):
        work._held(of[k], 2)
    assert read == ["a", "b", "c", "b"]  # b was used longest ago when c came
    work.forget("")
    assert not work._HELD


def test_a_part_of_a_file(source: Source) -> None:
    assert source.path is not None
    with open_dataset(source.path) as data:
        part = data.part(5, 20)
        assert np.array_equal(part.columns(), data.columns()[:, 5:20])
        assert np.array_equal(part.labels(classes=3), data.labels(classes=3)[:, 5:20])
        for start, stop in ((-1, 3), (3, 3), (0, M + 1)):
            with pytest.raises(ValueError, match=f"a part of its 40 examples, got {start} to"):
                data.part(start, stop)


def test_the_command_line(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from contextlib import nullcontext

    import tinygrad_dnn.cluster
    from tinygrad_dnn.cli.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tinygrad_dnn.cluster, "connect", lambda *_, **__: nullcontext(client))
    words = ["train", "--iterations", "15", "--validation", "0.2", "--layers", "64,5,1", "--eager"]
    words.append("--no-pictures")
    assert main([*words, "--cluster", "2", "--out", "there"]) == 0
    told = capsys.readouterr().out
    assert "2 shards" in told
    assert told.count("the cluster does not pay here") == 1
    assert main([*words, "--shards", "2", "--out", "here"]) == 0
    models = [run_file.load(f"{where}/model.h5") for where in ("there", "here")]
    assert models[0].settings == models[1].settings
    for name, p in models[0].parameters.items():
        assert p.tobytes() == models[1].parameters[name].tobytes()


def test_s342_what_can_be_refused_is_before_processes_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import tinygrad_dnn.cluster
    from tinygrad_dnn.cli.main import main

    def begun(*_: Any, **__: Any) -> Any:
        raise AssertionError("processes are started, or a scheduler asked")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tinygrad_dnn.cluster, "connect", begun)
    words = ["train", "--iterations", "15", "--layers", "64,5,1", "--eager", "--no-pictures"]
    assert main([*words, "--shards", "2", "--out", "here"]) == 0
    assert main([*words, "--out", "whole"]) == 0
    with h5py.File("one.h5", "w") as file:
        file["train_set_x"], file["train_set_y"] = np.ones((6, 64)), np.ones(6, int)
    with h5py.File("nan.h5", "w") as file:
        file["train_set_x"], file["train_set_y"] = np.full((6, 64), np.nan), np.arange(6) % 2
    capsys.readouterr()
    for refused, why in (
        (["--cluster", "--scheduler", "tcp://127.0.0.1:1"], "leave out one"),
        (["--insecure"], "there is no address"),
        (["--scheduler", "tcp://10.0.0.1:1"], "another machine's and not encrypted"),
        (["--scheduler", "10.0.0.1"], "expected tls://HOST:PORT or tcp://HOST:PORT"),
        (["--cluster", "--test-share", "0.2"], "--test-share: workers read"),
        (["--cluster", "--find-learning-rate"], "it runs in one process"),
        (["--cluster", "--dropout", "0.5"], "dropout: its masks"),
        (["--cluster", "--train", "table.csv"], "expected an HDF5 file"),
        (["--local-steps", "3"], "they are taken by shards"),
        (["--cluster", "--layers", "3,1"], "the first size must be the 64 numbers per example"),
        (["--cluster", "--layers", "64,5,2"], "layers: expected 1 unit in the last layer"),
        (["--cluster", "--shards", "2000"], "shards: expected up to the number of"),
        (["--cluster", "2000"], "shards: expected up to the number of"),
        (["--cluster", "--batch-size", "9999"], "--batch-size: expected up to the number of"),
        (["--cluster", "nan.h5"], "got nan in example 0, number 0 of it"),
        (["--cluster", "one.h5"], "expected examples of two classes or more"),
        (["--cluster", "--validation", "1e-9"], "validation: expected a share that leaves"),
        (["--cluster", "--device", "nothing"], "device: expected cpu, cuda, or the name"),
        (["--cluster", "--resume", "--out", "here", "--shards", "3"], "begun with shards 2, not"),
        (["--cluster", "--resume", "--out", "whole"], "the run was begun without shards"),
        (["--cluster", "--resume", "--out", "away"], "away"),
    ):
        out = [] if "--out" in refused else ["--out", "new/folder"]
        assert main([*words, *refused, *out]) == 2
        assert why in capsys.readouterr().err
        assert sorted(p.name for p in Path().iterdir()) == ["here", "nan.h5", "one.h5", "whole"]
