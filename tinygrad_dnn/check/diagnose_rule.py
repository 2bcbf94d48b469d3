"""The probable mistake in a rule, from its wrong numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_dnn.check.diagnosis import Source, compare
from tinygrad_dnn.check.diagnosis.slips import Wrong, probable_slip
from tinygrad_dnn.check.isolated_op import Alone
from tinygrad_dnn.check.rule_elementwise import ArgumentCheck
from tinygrad_dnn.graph import Node

ACTIVATIONS = ("sigmoid", "relu", "tanh")


def argument_of(node: Node, i: int, words: Mapping[Node, str]) -> str:
    """Return an op's name for its input i; one of many by what stands there."""
    x = node.inputs[i]
    there = words.get(x) if isinstance(x, Node) else None
    name: str = (there or f"input {i}") if node.op.many else node.op.arrays[i]
    return name


def _source(alone: Alone, i: int, words: Mapping[Node, str]) -> Source:
    """The op's forward and its rule for argument i, as functions to be asked."""

    def forward(*xs: Any) -> Any:
        return alone.op.forward(*xs, **alone.meta)

    def ask(g: Any, xs: Sequence[Any]) -> Any:
        return alone.rule(g, (np.asarray(forward(*xs)), *xs), i)

    names = [argument_of(alone.node, k, words) for k in range(len(alone.arrays))]
    return Source(forward, alone.arrays, i, None, names, ask=ask)


def probably(
    alone: Alone,
    i: int,
    checks: Mapping[int, ArgumentCheck],
    words: Mapping[Node, str],
    slips: bool = True,
) -> str:
    """The mistake in the rule of argument i, where one explains its numbers to rounding; or "".

    Args:
        checks: what the check of each argument came to.
        words: what the nodes of the graph are called.
        slips: whether to look for them in the backward pass of the op's forward as well.
    """
    wrong = checks[i].wrong
    node = alone.node
    source = _source(alone, i, words) if slips and not alone.op.builtin else None
    if wrong is None:
        slip = probable_slip([Wrong(source, alone.arrays[i])]) if source else None
        return "" if slip is None else slip.says
    yours, truth, size, g = (np.asarray(x, float) for x in wrong)
    context: dict[str, Any] = {
        f"the length of axis {k}": n for k, n in enumerate(truth.shape) if n > 2
    }
    if truth.size > 2:
        context["the number of elements"] = truth.size
    context |= {
        x.name: value
        for x, value in zip(node.inputs, alone.arrays, strict=True)
        if isinstance(x, Node) and x.name
    }
    name = f"d{argument_of(node, i, words)}"
    activation = next((a for a in ACTIVATIONS if a in alone.op.name), None)
    if activation is not None and g.shape == truth.shape:
        name = "dZ"
        context |= {"activation": activation, "Z": alone.arrays[i], "dA": g}
    context["alternatives"] = {
        f"is the gradient for {argument_of(node, j, words)}": np.asarray(other.wrong[1], float)
        for j, other in checks.items()
        if j != i and other.wrong is not None
    }
    found = compare(yours, truth, context, name=name, size=size, source=source).explanation
    if found is None or found.says.startswith("is 1 times"):
        return ""
    # What is as close as narrow floats would be was computed in them if it fits into them.
    narrow = next((kind for kind in ("float16", "float32") if kind in found.says), None)
    if narrow is not None and not np.array_equal(yours, yours.astype(narrow)):
        return ""
    return str(found)
