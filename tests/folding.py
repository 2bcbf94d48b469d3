"""Graphs to fold, and what must be true of every folding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from drawings import named, parameter

from tinygrad_dnn import Tensor, relu, scope, tanh
from tinygrad_dnn.graph import Graph, Node, trace
from tinygrad_dnn.network import cost_of, initialize_parameters
from viz.drawing.scene import Scene
from viz.folding.fold import Group, fold
from viz.folding.scopes import homes_of


def graph_of(*outputs: Tensor) -> Graph:
    return trace([t.node for t in outputs])


def folded(*outputs: Tensor, **how: Any) -> list[Group]:
    """The groups, of which each has been checked."""
    return checked(graph_of(*outputs), **how)[0]


def checked(graph: Graph, homes: Any = None, **how: Any) -> tuple[list[Group], str]:
    homes = homes_of(graph) if homes is None else homes
    names = {node: node.name for node in graph if node.name}
    groups, told = fold(graph, homes, names=names, **how)
    place = {node: i for i, node in enumerate(graph)}
    box: dict[Node, Any] = {}
    for k, group in enumerate(groups):
        assert [*group.members] == sorted(group.members, key=place.__getitem__)
        for node in group.members:
            assert node not in box, "in two groups"
            box[node] = k
            assert node.op is None or homes[node][: len(group.home)] == group.home
        trained = {node for node in group.members if node.op is None and node.requires_grad}
        assert group.parameters == sum(node.value.size for node in trained)
        assert group.bytes == sum(node.value.nbytes for node in trained)
    paths = [group.path for group in groups if group.path is not None]
    assert len(paths) == len(set(paths))
    # Without a box of its own, a node is one.
    feeds = {(box.get(x, x), box.get(node, node)) for node in graph for x in node.parents}
    assert not circular({(one, other) for one, other in feeds if one != other})
    return groups, told


def circular(arrows: set[tuple[Any, Any]]) -> bool:
    """Whether there is a way back: then not everything can be put in order."""
    waits = Counter(head for _, head in arrows)
    heads: dict[Any, list[Any]] = {}
    for tail, head in arrows:
        heads.setdefault(tail, []).append(head)
    ready = [tail for tail in heads if not waits[tail]]
    for tail in ready:
        for head in heads.get(tail, ()):
            waits[head] -= 1
            if not waits[head]:
                ready.append(head)
    return any(waits.values())


def things(graph: Graph, groups: Sequence[Group]) -> int:
    """How many things a picture shows."""
    return len(Scene(graph, {}, homes_of(graph), {f"g{k}": g for k, g in enumerate(groups)}).things)


def network(*sizes: int) -> Tensor:
    values = initialize_parameters(sizes, seed=1)
    parameters = {k: Tensor(v, requires_grad=True, name=k) for k, v in values.items()}
    X = Tensor(np.ones((sizes[0], 6)), name="X")
    return cost_of(X, np.ones((1, 6)), parameters)


def said(groups: Sequence[Group]) -> list[tuple[str, str]]:
    return [(group.title, group.summary) for group in groups]


Step = Callable[[Tensor], Tensor]


def layers(*steps: Step) -> Tensor:
    """Each step in a scope, and something after the last."""
    x = Tensor(np.ones((3, 3)), name="X")
    for k, step in enumerate(steps, start=1):
        with scope(f"layer {k}"):
            x = step(x)
    return named(x.sum(), "cost")


def linear(x: Tensor) -> Tensor:
    return relu(parameter(3, 3) @ x + parameter(3, 1))


def steps(n: int) -> Tensor:
    x = Tensor(np.ones(3), name="x")
    for k in range(n):
        with scope(f"step {k}"):
            x = relu(x * parameter(3))
    return named(x.sum(), "cost")


def loop(times: int) -> Tensor:
    x = Tensor(np.ones(3), name="x")
    w, c = parameter(3, name="w"), parameter(3, name="c")
    for _ in range(times):
        x = relu(x * w + c)
    return named(x.sum(), "cost")


LEAVES = 1100  # more than Python lets functions call each other


def sum_of_many() -> Tensor:
    total = parameter(3, name="t0")
    for k in range(LEAVES):
        total = total + parameter(3, name=f"t{k + 1}")
    return total


def many_into_one(what: str) -> Tensor:
    if what == "arrays":
        arrays: Any = [parameter(5), *(np.arange(5.0) + k / 7 for k in range(LEAVES))]
        return np.concatenate(arrays)  # type: ignore[return-value]
    leaves: Any = [Tensor(np.ones(1), what == "parameters", name=f"x{k}") for k in range(LEAVES)]
    return np.concatenate(leaves)  # type: ignore[return-value]


def read_twice() -> Tensor:
    leaves: Any = [parameter(1) for _ in range(LEAVES)]
    return (np.concatenate(leaves) * np.concatenate(leaves[::-1])).sum()  # type: ignore[no-any-return]


def wild(n: int, x: Tensor | None = None, seed: int = 0) -> list[Tensor]:
    """Ops without any order."""
    rng = np.random.default_rng(seed)
    pool = [Tensor(np.ones(3), name="x") if x is None else x, parameter(3, name="w")]
    fs = [np.minimum, np.add, np.subtract, np.maximum]
    for _ in range(n):
        i, j = rng.integers(max(0, len(pool) - 3), len(pool), 2)
        pool.append(fs[rng.integers(4)](tanh(pool[i]), pool[j]))
    return pool


def tangle(n: int) -> Tensor:
    return named(wild(n)[-1].sum(), "cost")


def tangled_parameters() -> Tensor:
    rng = np.random.default_rng(0)
    weights = [parameter(3) for _ in range(1000)]
    x = Tensor(np.ones(3), name="x")
    for i, k in enumerate(rng.integers(0, 1000, 1500)):
        x = tanh(x) * weights[k] if rng.integers(2) else x + float(i) * weights[k]
    return x.sum()


def three_wild_scopes() -> Tensor:
    x = Tensor(np.ones(3), name="x")
    for k in range(3):
        with scope(f"part {k}"):
            x = wild(300, x, k)[-1]
    return x
