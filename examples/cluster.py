"""Training on several processes: arrays in chunks, and a file of which each worker holds a part.

    python examples/cluster.py

Needs the extras `dask` and `cluster`. On data this small one process is faster, and it says so.
"""

import tempfile
from pathlib import Path

import dask
import dask.array as da
import h5py
import numpy as np

from tinygrad_dnn import optim, value_and_grad
from tinygrad_dnn.cluster import ClusterShards, Source, connect
from tinygrad_dnn.network import cost_of, initialize_parameters
from tinygrad_dnn.train import Settings, check_examples, train, train_in_shards

M, N = 3000, 8
rule = optim.momentum()


def points() -> tuple[np.ndarray, np.ndarray]:
    """Two classes that no line parts: X (N, M) and labels (1, M)."""
    X = np.random.default_rng(0).normal(size=(N, M))
    return X, (X[:1] * X[1:2] > 0).astype(int)


def on_arrays(X, Y, steps: int, chunk: int = 1000) -> tuple[list[float], list[int]]:
    """The engine on Dask arrays, which are computed once a step; costs, and tasks that are left.

    Nothing is computed before `persist`, which then leaves finished chunks in place of the graph:
    without it each step would compute all that came before it again.
    """
    X, Y = (da.from_array(x, chunks=(len(x), chunk)) for x in (X, Y))  # or da.from_zarr, a file
    parameters = initialize_parameters((N, 6, 1), "he")
    state = rule.init(parameters)
    costs, tasks = [], []
    for _ in range(steps):
        cost, grads = value_and_grad(lambda p: cost_of(X, Y, p, "stable"))(parameters)
        parameters, state = rule.update(parameters, grads, state, 0.2)
        ((cost, parameters, state),) = dask.persist((cost, parameters, state))
        costs.append(float(cost.compute()))  # it is there already
        tasks.append(len(parameters["W1"].__dask_graph__()))
    return costs, tasks


def write(path: Path, X, Y) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("train_set_x", data=X.T, chunks=(500, N))
        file["train_set_y"] = Y[0]


def on_workers(client, path: Path, iterations: int) -> bool:
    """Two shards on the workers of a cluster: are the parameters those of one process, in bits?"""
    settings = Settings((N, 6, 1), 0.2, cost="stable", init="he", optimizer="momentum", shards=2)
    source = Source(str(path), split="train")
    with source.open() as data:  # X only to compare: a run needs no more than the labels here
        X, Y = check_examples(data.columns(), data.labels(), settings)
    with ClusterShards(client, source, Y, settings) as shards:
        there = train_in_shards(shards, settings, iterations)
        print(shards.advice())
    here = train(X, Y, settings, iterations)
    print(f"after {iterations} iterations: cost {there.costs[-1][1]:.4f} at the last record")
    return all(np.array_equal(p, here.parameters[name]) for name, p in there.parameters.items())


def main() -> None:
    X, Y = points()
    costs, tasks = on_arrays(X, Y, steps=20)
    print(f"on Dask arrays: cost {costs[0]:.4f} to {costs[-1]:.4f}")
    print(f"tasks in the graph of W1 after each step: {tasks[0]} ... {tasks[-1]}")
    with tempfile.TemporaryDirectory() as folder, connect(workers=2) as client:
        path = Path(folder) / "points.h5"
        write(path, X, Y)
        print(f"the same bits as in one process? {on_workers(client, path, 150)}")


if __name__ == "__main__":  # the processes of `connect` import this file
    main()
