"""Any graph folds, in any way: no circles, nothing twice, right counts, never above the limit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from drawings import parameter
from folding import Step, checked, graph_of, things
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tinygrad_dnn import Tensor, relu, scope, tanh
from viz.folding.scopes import homes_of

MASK = np.ones((3, 3))
UNARY: list[Step] = [np.sin, tanh, relu, lambda x: x * 2.0, lambda x: x + MASK, lambda x: x - 1.0]
BINARY = [np.add, np.multiply, np.matmul]
SCOPES = [(), ("a",), ("a", "b"), ("b",), ("b", "a"), ("c", "b", "a")]
program = st.lists(st.tuples(*(st.integers(0, 99) for _ in range(5))), min_size=1, max_size=60)


def grown(lines: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """A graph with leaves made and ops recorded in changing scopes, and one output or several."""
    x = Tensor(np.ones((3, 3)), name="x")
    pool = [x, parameter(3, 3, name="w")]
    for where, kind, i, j, again in lines:
        path = SCOPES[where % len(SCOPES)]
        one, other = pool[-1 - i % len(pool)], pool[-1 - j % min(len(pool), 4)]
        for _ in range(1 + again % 4):
            with ExitStack() as stack:
                stack.enter_context(np.errstate(all="ignore"))
                for name in path:
                    stack.enter_context(scope(name))
                if kind < 10:
                    pool.append(Tensor(np.ones((3, 3)), kind % 2 == 0))
                elif kind < 60:
                    one = UNARY[kind % len(UNARY)](one)
                else:
                    one = BINARY[kind % len(BINARY)](one, other)
            pool.append(one)
    ends = {id(t): t for t in (pool[-1], *(pool[k % len(pool)] for k in lines[0][:2]))}
    return list(ends.values())


@settings(max_examples=150, deadline=None)
@given(
    program,
    st.sampled_from(
        [{"folded": True}, {"depth": 1}, {"folded": ["a"]}, {"folded": ["b"], "depth": 1}]
    ),
    st.booleans(),
)
def test_any_graph_folds_without_circles(lines: Any, how: Any, runs: bool) -> None:
    graph = graph_of(*grown(lines))
    there = {name for home in homes_of(graph).values() for name in home}
    assume(how.get("folded", True) is True or there.issuperset(how["folded"]))
    checked(graph, **how, runs=runs)


@settings(max_examples=150, deadline=None)
@given(program, st.integers(15, 60))
def test_any_graph_folds_by_itself_to_its_limit(lines: Any, limit: int) -> None:
    graph = graph_of(*grown(lines))
    groups, told = checked(graph, limit=limit)
    drawn = things(graph, groups)
    assert drawn <= limit
    assert bool(groups) == bool(told) == (things(graph, []) > limit)
    if told:
        assert f" drawn as {drawn:,}, folded" in told
    assert checked(graph, limit=limit) == (groups, told)
