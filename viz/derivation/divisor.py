"""The number of examples m, where a cost is divided by it: J = 1/m Σ ...

A number is m where it stands as such: a divisor, or the share of a mean, between the cost and what
is computed from data; and in what the derivative rules of these steps make of it. Another number of
that value, a penalty's 0.1 beside a mean over 10 examples, stays a number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterator, Mapping
from math import prod
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.autodiff.retrace import Backward
from tinygrad_dnn.graph import Graph, Leaf, Node
from tinygrad_dnn.ops import Op, divide, mean, multiply

M = "m"  # examples
N = "n"  # elements


class Divisor(NamedTuple):
    """The number that the total is divided by.

    Attributes:
        name: what it is called.
        value: the number.
        leaf: stands for it in formulas.
        steps: of the forward pass, those that divide by it.
        of_data: what is computed from data, or data.
        of_examples: whether it counts examples; else it counts the elements of a mean.
    """

    name: str
    value: int
    leaf: Leaf
    steps: frozenset[Node]
    of_data: Collection[Node] = ()
    of_examples: bool = True


class _Found(NamedTuple):
    """A step that divides by a number, or is a mean of so many elements."""

    number: int
    step: Node


def divisor_of(graph: Graph, names: Mapping[str, Any] | None) -> Divisor | None:
    """The number that the cost is divided by, if it is the number of examples: the length of an
    axis that the arrays of data have in common.

    Looked for among the numbers that stand between the cost and the first array: `/ 209`,
    `/ (2 * 209)`, `* (1 / 209)`, or a mean over 209 elements. A factor counts only before what is
    computed from data, and where nothing is clearer: 0.1 before a sum of squared weights is a
    penalty's. It is called as the first name of that value among `names`, `m` going before all
    others; without one it is called m. A mean over several axes is over n elements.
    """
    cost = graph.outputs[0]
    of_data = _computed_from_data(graph)
    called = {v for v in (names or {}).values() if is_number(v)}
    # A half is half of a square, unless it is called the number of examples; a mean of nothing
    # has none.
    every = [
        found
        for found in _divisions(cost, of_data)
        if found.number and (found.number != 2 or found.step.op is mean or 2 in called)
    ]
    clear = [found for found in every if found.step.op is not multiply]
    lengths = _lengths(graph)
    sizes = {prod(shape) for shape in _data(graph)} if len(lengths) > 1 else set[int]()
    sizes -= {2 * v for v in called}
    lengths |= called
    for found in (clear, every if not clear else []):
        value = next((v for v in _candidates(found, sizes) if v in lengths), None)
        if value is not None:
            steps = frozenset(step for n, step in found if n in (value, 2 * value))
            return _divisor(value, _called(value, names or {}), cost, steps, of_data)
    means = [found for found in clear if found.step.op is mean]
    if not means:
        return None
    value = means[0].number
    name = _called(value, names or {}, without=_free(N, names or {}))
    steps = frozenset(step for n, step in means if n == value)
    return _divisor(value, name, cost, steps, of_data)._replace(of_examples=False)


def _divisor(
    value: int, name: str, cost: Node, steps: frozenset[Node], of_data: Collection[Node]
) -> Divisor:
    leaf = Leaf(np.asarray(value, cost.dtype), False, name)
    return Divisor(name, value, leaf, steps, of_data)


def _candidates(found: Collection[_Found], sizes: Container[int]) -> Iterator[int]:
    """The numbers, then those of which twice as many were found, 1/(2 m), but for the sizes of
    arrays, of 2 examples say.
    """
    yield from (n for n, _ in found)
    twice = (n for n, step in found if n % 2 == 0 and step.op is not mean)
    yield from (n // 2 for n in twice if n not in sizes)


def _lengths(graph: Graph) -> set[int]:
    """The lengths of axes that most arrays of data have; of all results where there are no data."""
    data = _data(graph)
    if not data:
        return {n for node in graph for n in node.shape if n > 1}
    times = Counter(n for shape in data for n in set(shape) if n > 1)
    return {n for n, k in times.items() if k == max(times.values())}


def _data(graph: Graph) -> list[tuple[int, ...]]:
    """The shapes of the arrays of data that meet parameters: of a batch, not of all examples."""
    met = (x for node in graph if node.requires_grad for x in node.inputs)
    given = {id(x): x for x in met if not (isinstance(x, Node) and x.requires_grad)}
    return [x.shape for x in given.values() if _is_array(x)]


def _computed_from_data(graph: Graph) -> set[Node]:
    """What reads an array that is no parameter; everything where there is none."""
    found: set[Node] = set()
    for node in graph:
        if isinstance(node, Leaf):
            of_data = not node.requires_grad and prod(node.shape) > 1
        else:
            of_data = any(x in found if isinstance(x, Node) else _is_array(x) for x in node.inputs)
        if of_data:
            found.add(node)
    return found or {*graph}


def _is_array(x: Any) -> bool:
    return prod(getattr(x, "shape", ())) > 1


def _divisions(cost: Node, of_data: Container[Node]) -> list[_Found]:
    """The divisions of single numbers on the way to the cost, the nearest first."""
    queue, seen = [cost], {cost}
    found: list[_Found] = []
    for node in queue:
        if node.op is divide or node in of_data:
            found += [_Found(n, node) for n in _numbers(node)]
        for x in node.parents:
            if x not in seen and prod(x.shape) == 1:
                seen.add(x)
                queue.append(x)
    return sorted(found, key=lambda one: one.step.op is not divide)  # the clearest sign first


def _numbers(node: Node) -> list[int]:
    """Return the numbers by which a node divides a single number."""
    if node.op is None:
        return []
    if node.op is mean:
        return [prod(node.inputs[0].shape)]
    if node.op is divide:
        return [int(d) for d in node.inputs[1:] if is_number(d) and float(d).is_integer()]
    if node.op is multiply:
        parts = [abs(1 / float(c)) for c in node.inputs if is_number(c) and c]
        return [round(n) for n in parts if abs(n - round(n)) < 1e-9 * n]
    return []


def rule_steps(backward: Backward, of: Container[Node]) -> set[Node]:
    """The steps of a backward pass that the rules of these nodes are made of."""
    forward = {z for z, _ in backward.contributions}
    found: set[Node] = set()
    for (z, _), contribution in backward.contributions.items():
        stack = [contribution.node] if z in of else []
        while stack:
            node = stack.pop()
            if node.op is None or node in found or node in forward:
                continue
            if node is not backward.gradients[z].node:
                found.add(node)
                stack.extend(node.parents)
    return found


def is_number(x: Any) -> bool:
    """Whether it is a plain number, and no truth value."""
    return isinstance(x, Real) and not isinstance(x, (bool, np.bool_))


def _called(value: int, names: Mapping[str, Any], without: str = M) -> str:
    known = [str(k) for k, v in names.items() if is_number(v) and v == value]
    return M if M in known else known[0] if known else without


def _free(letter: str, names: Container[str]) -> str:
    return next(filter(lambda name: name not in names, free_names(letter)))


def free_names(letter: str) -> Iterator[str]:
    """n, n_2, n_3, ..."""
    yield letter
    k = 1
    while True:
        k += 1
        yield f"{letter}_{k}"


def in_terms_of(op: Op, k: int, x: Any, divisor: Divisor) -> tuple[float, int] | None:
    """The k-th input of a step of the divisor as above · m^power, if it is that constant."""
    if not is_number(x):
        return None
    forms: tuple[tuple[float, int], ...] = ((1, 1), (2, 1))
    if op is not divide or k != 1:
        forms = ((1, -1), (-1, -1), (0.5, -1), (-0.5, -1))
    for above, power in forms:
        value = above * float(divisor.value) ** power
        if float(x) in (value, float(np.asarray(value, divisor.leaf.dtype))):
            return above, power
    return None
