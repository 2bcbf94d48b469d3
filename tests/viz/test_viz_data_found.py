"""Which arrays of a graph a playground takes for examples and answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from derivations import handle

import viz
from tinygrad_dnn import Tensor, gradients, log_softmax, softmax
from tinygrad_dnn.autodiff.evaluate import replay
from tinygrad_dnn.graph import Leaf, trace
from viz.explorer.data_found import Found, data_found, variables_as_leaves
from viz.explorer.prediction import answer_of
from viz.subject import names_of

m = 12
rng = np.random.default_rng(0)
X = rng.normal(size=(2, m))
y = np.arange(m) % 3
t = (X[0] > 0) * 1.0
W = Tensor(rng.normal(size=(3, 2)), requires_grad=True, name="W")
w = Tensor(rng.normal(size=2), requires_grad=True, name="w")


def found_in(cost: Tensor, data: Any = None, **names: Any) -> Found:
    graph = trace([cost.node])
    return data_found(graph, names_of(graph, names), data, 2, names)


def bernoulli(p: Any) -> Any:
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()


SPELLINGS: dict[str, Callable[[], Tensor]] = {
    "labels, examples in columns": lambda: -np.log(softmax(W @ X, axis=0)[y, np.arange(m)]).mean(),
    "labels, in rows": lambda: -log_softmax(X.T @ W.T, axis=1)[range(m), y].sum() / m,
    "labels along an axis": lambda: (
        -np.log(np.take_along_axis(softmax(W @ X, 0), y[None], 0)).mean()
    ),
    "one column for each class": lambda: -(np.eye(3)[:, y] * log_softmax(W @ X, axis=0)).sum() / m,
    "answers and what they lack to 1": lambda: bernoulli(1 / (1 + np.exp(-(w @ X)))),
    "a column of answers": lambda: ((X.T @ w[:, None] - t[:, None]) ** 2).mean(),
    "two columns of answers, in rows": lambda: ((np.eye(2)[y % 2] - X.T @ W[:2].T) ** 2).mean(),
    "signs": lambda: np.log1p(np.exp((1 - 2 * t) * (w @ X))).mean(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_s330_arrays_of_numpys_and_labels_in_an_index_are_found(spelling: str) -> None:
    cost = SPELLINGS[spelling]()
    graph, named, again, x, answers = found_in(cost)
    assert isinstance(x, Leaf)
    assert isinstance(answers, Leaf)
    assert (named[x], named[answers]) == ("X", "Y")
    assert {x, answers} < {*graph.leaves}
    assert graph.outputs == (again[cost.node],)
    assert replay(graph)[graph.outputs[0]] == pytest.approx(cost.item(), rel=1e-14)
    known = answer_of(graph, named, x, answers)
    assert known is not None
    assert known.shape[-1 if "rows" not in spelling else 0] in (m, 1)
    arrays = [v for node in graph if node.op for v in node.inputs if isinstance(v, np.ndarray)]
    assert [v for v in arrays if v.size >= m] == []  # all of them hang on the two


def test_the_numbers_are_the_same_and_the_old_nodes_are_known() -> None:
    A = softmax(W @ X, axis=0)
    cost = -np.log(A[y, np.arange(m)]).mean()
    graph, named, again, x, answers = found_in(cost, kinds=y)
    assert x is not None
    assert answers is not None
    assert named[answers] == "kinds"
    np.testing.assert_array_equal(answers.value, y)
    assert answer_of(graph, {}, x, answers) is again[A.node]
    assert again[W.node].name == "W"


def test_the_last_value_that_all_of_the_cost_hangs_on_is_the_answer() -> None:
    p = 1 / (1 + np.exp(-(w @ Tensor(X, name="X"))))
    graph, named, again, x, answers = found_in(bernoulli(p))
    assert x is not None
    assert answers is not None
    assert answer_of(graph, {}, x, answers) is again[p.node]  # not log(1 − p)
    assert answer_of(graph, {again[p.node.inputs[1]]: "e"}, x, answers) is again[p.node.inputs[1]]
    assert named[x] == "X"
    twice = [1 / (1 + np.exp(-(w @ X))) for _ in range(2)]
    cost = -(t * np.log(twice[0]) + (1 - t) * np.log(1 - twice[1])).mean()
    graph, named, again, x, answers = found_in(cost)
    assert x is not None
    assert answers is not None
    assert answer_of(graph, {}, x, answers) is again[twice[0].node]


def test_long_positions_that_differ_in_the_middle_are_no_equal_settings() -> None:
    m, rng = 2000, np.random.default_rng(0)
    given = Tensor(rng.normal(size=(2, m)), name="X")
    target = Tensor(rng.normal(size=(1, m)), name="Y")
    one, two = np.arange(m), np.arange(m)
    two[[900, 1100]] = two[[1100, 900]]
    u = Tensor([[1.0, 2.0]], requires_grad=True) @ given
    cost = ((u[:, one] - target) ** 2 + (u[:, two] - target) ** 2).mean()
    graph = trace([cost.node])
    assert answer_of(graph, {}, given.node, target.node) is u.node


def test_what_is_given_comes_before_what_is_likely(tmp_path: Path) -> None:
    other, counts = np.linspace(0, 1, m), np.arange(m) + 2.0
    cost = ((w @ X - t) ** 2 * other).mean()
    likely = found_in(cost).Y  # of two arrays with a number for each example the whole numbers
    assert likely is not None
    np.testing.assert_array_equal(likely.value, t)
    assert found_in(((w @ X - t) ** 2 * counts).mean()).Y is None
    found = found_in(cost, (X, other))
    assert found.Y is not None
    np.testing.assert_array_equal(found.Y.value, other)
    named = found_in(cost, y=t)
    assert named.Y is not None
    np.testing.assert_array_equal(named.Y.value, t)
    with pytest.raises(ValueError, match=r"the cost was not computed from an array \(4,\)"):
        viz.playground(cost, data=(X, np.ones(4)), path=tmp_path / "p.html")
    with pytest.raises(TypeError, match="expected data as Tensors or arrays, got str"):
        viz.playground(cost, data=("X", "y"), path=tmp_path / "p.html")
    with pytest.raises(ValueError, match=r"expected data=\(X, Y\), got 3"):
        viz.playground(cost, data=(X, t, t), path=tmp_path / "p.html")


def test_a_graph_without_examples_stays_as_it_is() -> None:
    cost = (W @ X).sum()
    graph, _, again, x, _ = found_in(cost)
    assert (x, again[cost.node]) == (None, cost.node)
    assert graph.outputs == (cost.node,)


def test_arrays_that_variables_hold_are_leaves_of_a_page() -> None:
    # t stands as 1 − t too; the row of ones has no variable, the positions are none to drag.
    cost = bernoulli(1 / (1 + np.exp(-(w @ X)))) + (W[y % 3] @ X + np.ones((1, m)) / 7).sum()
    graph, held = trace([cost.node]), {"X": X, "t": t, "w": w}
    opened, named, again = variables_as_leaves(graph, names_of(graph, held), held, 10_000)
    there = {named[leaf]: leaf.value for leaf in opened.leaves if isinstance(leaf, Leaf)}
    assert there.keys() == {"X", "t", "w", "W"}
    assert there["t"] is t or np.array_equal(there["t"], t)
    assert opened.outputs == (again[cost.node],)
    np.testing.assert_array_equal(replay(opened)[opened.outputs[0]], cost.numpy())
    slopes = gradients(handle(opened.outputs[0]), handle(again[w.node]))
    np.testing.assert_allclose(slopes, gradients(cost, w))
    same, *_ = variables_as_leaves(graph, names_of(graph, held), held, 100)  # too many bytes
    assert same is graph


def test_an_array_of_which_only_the_transpose_is_read_is_found_by_its_name() -> None:
    cost = ((X.T @ w - y) ** 2).mean()
    graph, held = trace([cost.node]), {"X": X, "w": w}
    for more in (cost, cost + (W[:2] @ X).sum()):  # read as it is, too: one leaf
        graph = trace([more.node])
        opened, named, _ = variables_as_leaves(graph, names_of(graph, held), held, 10_000)
        there = [leaf.value for leaf in opened.leaves if named.get(leaf) == "X"]
        assert [x.shape for x in there] == [X.shape]
        assert replay(opened)[opened.outputs[0]] == pytest.approx(more.item(), rel=1e-14)
    _, named, _, x, _ = found_in(cost, X=X)
    assert x is not None
    assert named[x] == "Xᵀ"
