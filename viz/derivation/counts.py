"""The numbers of elements that inner means are over: 1/n where a rule multiplied by 0.125."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.autodiff.retrace import Backward
from tinygrad_dnn.graph import Leaf, Node
from tinygrad_dnn.ops import multiply
from viz.derivation.divisor import Divisor, N, free_names, is_number

FEWEST = 3  # elements: a half is read at once, and is half of a square too


class Share(NamedTuple):
    """A step's constant as mathematics: `above`/n; `leaf` stands for n."""

    above: int
    leaf: Leaf


def shares_of(
    backward: Backward, divisor: Divisor | None, taken: Collection[str]
) -> tuple[dict[Node, Share], dict[Leaf, str]]:
    """The steps of a backward pass that multiply by 1/n or 2/n, as the rules of a mean and of a
    variance over n elements do; and what each n is called: m where the cost is divided by as many
    and it is an axis of that length, the only one; else n, n_2, ..., as far as no name in `taken`
    is that.
    """
    leaves: dict[int, Leaf] = {}
    found: dict[Node, Share] = {}
    called: dict[Leaf, str] = {}
    free = (name for name in free_names(N) if name not in taken)
    for (z, i), contribution in backward.contributions.items():
        n, rest = divmod(prod(z.inputs[i].shape), prod(z.shape) or 1)
        step = _multiplied(contribution.node, backward.gradients[z].node)
        if rest or n < FEWEST or step is None:
            continue
        above = next((a for a in (1, 2) if _constant(step) == a / n), None)
        if above is None or (divisor is not None and z in divisor.steps):
            continue
        if divisor is not None and _counts_the_same(z.inputs[i], n, divisor):
            found[step] = Share(above, divisor.leaf)
            continue
        if n not in leaves:
            leaves[n] = Leaf(np.asarray(n, contribution.dtype), False, next(free))
            called[leaves[n]] = str(leaves[n].name)
        found[step] = Share(above, leaves[n])
    return found, called


def remark(called: Mapping[Leaf, str]) -> str:
    """A sentence that says what the letters are, or nothing."""
    letters = ", ".join(f"{name} = {int(leaf.value)}" for leaf, name in called.items())
    if len(called) > 1:
        return f"{letters} are the numbers of elements that inner means are over."
    return f"{letters} is the number of elements that an inner mean is over." if letters else ""


def _counts_the_same(x: Node, n: int, divisor: Divisor) -> bool:
    """Whether a mean over n elements of an array is over what the cost's divisor counts."""
    if n != divisor.value or x not in divisor.of_data:
        return False
    return x.shape.count(n) == 1 if divisor.of_examples else n == prod(x.shape)


def _multiplied(node: Node, cotangent: Node) -> Node | None:
    """The step that multiplies by a number, at the end of a rule or before its result is spread;
    none that came before the rule, as a penalty's factor before a sum does.
    """
    while (
        node is not cotangent and node.op is not None and (node.op.keeps_order or node.op.spreads)
    ):
        if not isinstance(node.inputs[0], Node):
            return None
        node = node.inputs[0]
    return node if node is not cotangent and _constant(node) is not None else None


def _constant(node: Node) -> float | None:
    """The number that a step multiplies by."""
    if node.op is not multiply:
        return None
    numbers = [float(x) for x in node.inputs if is_number(x)]
    return numbers[0] if len(numbers) == 1 == len(node.parents) else None


def as_share(x: Any, share: Share) -> bool:
    """Whether an input of a step is the number that stands for its share."""
    return is_number(x) and float(x) == share.above / int(share.leaf.value)
