"""The reverse sweep as it runs for everybody, watched: what each rule gave, and what was summed.

Nothing here knows a derivative: of every tensor it is asked whether its gradient is the sum over
its uses, and of every contribution whether it is what the rule gives, summed over broadcast axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.tensor import pull
from tinygrad_dnn.check.faults import MISSING_ACCUMULATION, NOT_SUMMED, RULE_VARIES, Broken
from tinygrad_dnn.check.isolated_op import Alone, index_of_largest
from tinygrad_dnn.check.numeric.jacobian import summed_to
from tinygrad_dnn.check.rule_elementwise import BOUND
from tinygrad_dnn.graph import Graph, Node, Observer, mode

Use = tuple[Node, int]


class Seen(Observer):
    """Writes down what each rule was given and what it gave."""

    def __init__(self) -> None:
        self.given: dict[Node, list[Any]] = {}  # the cotangents a node came to its turn with
        self.contributions: dict[Use, list[Any]] = {}

    def before_rule(self, node: Node) -> None:
        """The rules of a node are about to run."""
        self.given.setdefault(node, []).append(None)

    def after_rule(self, node: Node, i: int, g: Any, gx: Any) -> None:
        """The rule of a node, given g, gave gx for its input i."""
        self.given[node][-1] = _plain(g)
        self.contributions.setdefault((node, i), []).append(_plain(gx))


def _plain(x: Any) -> Any:
    return np.array(x.numpy() if hasattr(x, "numpy") else x)


def watched(
    roots: Sequence[Node], seeds: Sequence[Any], create_graph: bool = False
) -> tuple[Seen, Exception | None]:
    """A backward pass, plain or recorded, what it did, and the error it ended with, if any."""
    seen = Seen()
    raised = None
    with mode(watch=seen), np.errstate(all="ignore"):
        try:
            pull(roots, [s.copy() for s in seeds], free=False, create_graph=create_graph)
        except Exception as error:  # a rule may raise anything; it is asked alone afterwards
            raised = error
    return seen, raised


def contribution_trouble(alone: Alone, i: int, seen: Seen) -> tuple[str, str] | None:
    """Whether the sweep made of a rule's answer what it should: (kind, words) if not."""
    node = alone.node
    given, gave = seen.given.get(node, []), seen.contributions.get((node, i), [])
    shape = node.inputs[i].shape
    if len(gave) < len(given):
        try:
            missed = bool(np.any(alone.rule(np.ones(node.shape, alone.z.dtype), alone.saved, i)))
        except Broken:
            missed = False  # reported of the rule itself
        return (MISSING_ACCUMULATION, "was passed over in the backward pass") if missed else None
    for g, gx in zip(given, gave, strict=True):
        if gx.shape != shape:
            words = f"is not summed over its broadcast axes: {gx.shape} came to an input of {shape}"
            return NOT_SUMMED, words
        try:
            expected, size, spread = raw(alone, g, i)
        except Broken:
            return None  # reported of the rule itself
        eps = float(np.finfo(gx.dtype).eps)
        apart = np.abs(gx.astype(expected.dtype) - expected)
        hidden = ~np.isfinite(expected)  # the sweep may leave out what is undefined
        if np.all((apart <= BOUND * eps * size) | hidden):
            continue
        at = index_of_largest(apart)
        example = f"element {list(at)} is {gx[at]:.6g}, summed it would be {expected[at]:.6g}"
        if spread:
            return NOT_SUMMED, f"is not summed over its broadcast axes: {example}"
        return RULE_VARIES, (
            f"gave {gx[at]:.6g} at element {list(at)} in the backward pass, but "
            f"{expected[at]:.6g} when asked again: it reads something that it is not given"
        )
    return None


def recorded_trouble(node: Node, plain: Seen, recorded: Seen) -> tuple[int, str] | None:
    """The argument for which a rule gives something else when it is recorded, and what."""
    for i in node.wanted:
        for mine, other in zip(
            plain.contributions.get((node, i), []),
            recorded.contributions.get((node, i), []),
            strict=False,
        ):
            apart = np.abs(mine - other)
            eps = float(np.finfo(mine.dtype).eps)
            if np.all((apart <= BOUND * eps * np.max(np.abs(mine))) | ~np.isfinite(mine)):
                continue
            at = index_of_largest(apart)
            return i, (
                f"gives {other[at]:.6g} at element {list(at)} when the backward pass is recorded, "
                f"but {mine[at]:.6g} when it is not"
            )
    return None


def raw(alone: Alone, g: Any, i: int) -> tuple[Any, Any, bool]:
    """The rule's answer to the graph's own g, its scale, and whether it had to be summed."""
    kept: list[Any] = []

    def keep(shape: tuple[int, ...], gx: Any) -> Any:
        kept.append(np.abs(gx))
        return summed_to(shape, gx)

    gx = alone.rule(g, alone.saved, i, fitted=keep)
    size = summed_to(gx.shape, kept[0]) if kept else np.abs(gx)
    return gx, size, bool(kept) and kept[0].shape != gx.shape


def sum_trouble(
    graph: Graph,
    seeds: Mapping[Node, Any],
    leaf_grads: Mapping[Node, Any],
    seen: Seen,
) -> list[tuple[Node, str]]:
    """The tensors whose gradient is not the sum over their uses, and what it is instead.

    Args:
        leaf_grads: what `backward` left in `.grad`; 0 where it left nothing.
    """
    uses: dict[Node, list[Use]] = {}
    for node in graph:
        for i in node.wanted:
            uses.setdefault(node.inputs[i], []).append((node, i))
    found = []
    for x in graph:
        if not x.requires_grad:
            continue
        terms = [g for use in uses.get(x, []) for g in seen.contributions.get(use, [])]
        if x in seeds:
            terms.append(np.asarray(seeds[x]))
        mine = leaf_grads.get(x)
        if not terms or any(
            g.shape != x.shape for g in (*terms, *([] if mine is None else [mine]))
        ):
            continue
        total, size = sum(terms), sum(map(np.abs, terms))
        if x in leaf_grads:
            mine = leaf_grads[x]
        elif x in seen.given:
            mine = sum(g for g in seen.given[x] if g is not None)
            if isinstance(mine, int):  # its rules gave nothing
                continue
        else:
            found.append((x, "its own rules never ran"))
            continue
        words = _sum_words(mine, total, size, terms)
        if words:
            found.append((x, words))
    return found


def _sum_words(mine: Any, total: Any, size: Any, terms: Sequence[Any]) -> str | None:
    eps = float(np.finfo(total.dtype).eps)

    def same(a: Any, b: Any) -> bool:
        unequal = ~((np.abs(a - b) <= BOUND * eps * size) | ~np.isfinite(b))
        return not np.any(unequal)

    if same(mine, total):
        return None
    n = len(terms)
    if n > 1:
        for k, term in enumerate(terms):
            if same(mine, term):
                return f"of its {n} uses only one, the {_nth(k, n)}, was counted"
        for k, term in enumerate(terms):
            if same(mine, total - term):
                return f"of its {n} uses one, the {_nth(k, n)}, was left out"
    apart = np.abs(mine - total)
    at = index_of_largest(apart)
    return f"element {list(at)} is {mine[at]:.6g}, the sum over its {n} uses is {total[at]:.6g}"


def _nth(k: int, n: int) -> str:
    return "first" if k == 0 else "last" if k == n - 1 else f"{k + 1}th"
