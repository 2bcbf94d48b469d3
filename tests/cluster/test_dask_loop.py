"""A training loop on Dask arrays: nothing is computed but by one `persist` a step.

`tests/benchmarks/cluster.py` takes 200 of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("dask.array")

import dask
import dask.array as da
from dask.local import get_sync

from tinygrad_dnn import value_and_grad
from tinygrad_dnn.network import cost_of
from tinygrad_dnn.optim import OPTIMISERS


class Computed:
    """A scheduler of Dask that notes how many tasks it was given, each time."""

    def __init__(self) -> None:
        self.tasks: list[int] = []

    def __call__(self, graph: Any, keys: Any, **options: Any) -> Any:
        self.tasks.append(len(graph.__dask_graph__()))
        return get_sync(graph, keys, **options)


def data() -> tuple[Any, Any]:
    x = np.random.default_rng(0).normal(size=(3, 20))
    return (da.from_array(a, chunks=(len(a), 10)) for a in (x, (x[:1] > 0) * 1.0))


def test_the_graph_of_a_loop_does_not_grow() -> None:
    X, Y = data()
    p, computed, costs = {"W1": np.zeros((1, 3)), "b1": np.zeros((1, 1))}, Computed(), []
    with dask.config.set(scheduler=computed):
        for step in range(12):
            cost, grads = value_and_grad(lambda p: cost_of(X, Y, p, "stable"))(p)
            p = {name: p[name] - 0.5 * grads[name] for name in p}
            assert len(computed.tasks) == step  # no shape, float or bool computed any
            ((cost, p),) = dask.persist((cost, p))
            assert len(p["W1"].__dask_graph__()) == 1
            costs.append(cost)
    assert len({*computed.tasks[1:]}) == 1  # each step is as many tasks as the second
    assert costs[-1].compute() < 0.5 < 0.6 < costs[0].compute()


def test_without_persist_it_grows() -> None:
    """The count above can see it."""
    X, Y = data()
    p, tasks = {"W1": np.zeros((1, 3)), "b1": np.zeros((1, 1))}, []
    for _ in range(3):
        _, grads = value_and_grad(lambda p: cost_of(X, Y, p, "stable"))(p)
        p = {name: p[name] - 0.5 * grads[name] for name in p}
        tasks.append(len(p["W1"].__dask_graph__()))
    assert tasks[0] < tasks[1] < tasks[2]


@pytest.mark.parametrize("name", OPTIMISERS)
def test_no_optimiser_forces_a_lazy_value(name: str) -> None:
    X, Y = data()
    rule, p = OPTIMISERS[name](), {"W1": np.zeros((1, 3)), "b1": np.zeros((1, 1))}
    state, computed = rule.init(p), Computed()
    with dask.config.set(scheduler=computed):
        for _ in range(2):
            _, grads = value_and_grad(lambda p: cost_of(X, Y, p, "stable", l2=0.1))(p)
            p, state = rule.update(p, grads, state, 0.1)
        assert computed.tasks == []
        assert isinstance(p["W1"], da.Array)
        p["W1"].compute()
    assert len(computed.tasks) == 1  # as it would have been seen
