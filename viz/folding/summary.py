"""The text of a box that stands for several ops: what they do, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

from tinygrad_dnn.formula.calls import read_from_outside, with_constants
from tinygrad_dnn.formula.text import formulas
from tinygrad_dnn.graph import Call, Graph, Leaf, Node
from viz.folding.boxes import feeds
from viz.folding.repeats import NONE, steps_of
from viz.folding.scopes import Scope

LONGEST = 40  # characters of a summary, beyond which there are counts
LONGEST_FORMULA = 60
FEW_SHAPES = 3  # that a box says
DIFFER = "numbers differ"  # of steps that are equal else
# What the document writes in capitals behind LINEAR.
UNITS = ("relu", "sigmoid", "tanh", "leaky_relu", "softplus", "softmax", "log_softmax")


class Summary(NamedTuple):
    """`step` is what one of `times` equal steps does; `text` says all of it; in `differ` is whether
    they are equal but for their numbers.
    """

    text: str
    step: str
    times: int
    differ: bool = False


class Word(NamedTuple):
    """A unit of a step: its name, its first op, and the op that gives its result."""

    text: str
    first: Node
    last: Node


def summary(ops: Sequence[Node]) -> Summary:
    """`LINEAR → RELU × 3` of a chain, `120 add, 80 multiply` of what is none."""
    length, exact = steps_of(ops)
    times = len(ops) // length
    first, second = ops[:length], ops[length : 2 * length]
    units = words(second or first)  # x may still be data in the first
    step = " → ".join(unit.text for unit in units)
    chain = all(one.last in two.first.parents for one, two in pairwise(units))
    if not chain or len(step) > LONGEST:
        step, chain = counts(units), False
    if not second:
        return Summary(step, step, 1)
    differ = exact == NONE
    if not feeds(first, second):
        return Summary(f"{times:,} side by side: {step}", step, times, differ)
    if chain:
        return Summary(f"{step} × {times:,}", step, times, differ)
    return Summary(f"{times:,} × ({step})", f"({step})", times, differ)


def words(ops: Sequence[Node]) -> list[Word]:
    """The units of one step: LINEAR is matmul and the parameter that is added to it."""
    units: list[Word] = []
    for node in ops:
        text = node.op.name
        if units and units[-1].last in node.parents:
            before = units[-1].text
            product = units[-1].last
            alone = units[-1].first is product and product.op.contracts
            if alone and text == "add" and _adds_a_parameter(node, product):
                units[-1] = Word("LINEAR", units[-1].first, node)
                continue
            if before == "LINEAR" and text in UNITS:
                text = text.upper()
        units.append(Word(text, node, node))
    return units


def _adds_a_parameter(add: Node, product: Node) -> bool:
    """Whether something is added to W x that was not computed, and is not x itself."""
    return any(
        isinstance(x, Leaf) or (not isinstance(x, Node) and bool(getattr(x, "shape", ())))
        for x in add.inputs
        if all(x is not y for y in product.inputs)
    )


def _is_everyday(op: Any) -> bool:
    """Whether it is a sign between two values, or moves elements: what every step is full of."""
    return not op.contracts and bool(op.infix or op.view or op.spreads or op.keeps_order)


def counts(units: Sequence[Word]) -> str:
    """How often each occurs: `80 exp, 120 add, 7 more`; first what tells one step from another."""
    text, times = "", Counter(unit.text for unit in units)
    everyday = {
        unit.text for unit in units if unit.first is unit.last and _is_everyday(unit.last.op)
    }
    left = times.total()
    for name, n in sorted(times.most_common(), key=lambda one: one[0] in everyday):
        item = f"{n:,} {name}" if n > 1 else name
        longer = f"{text}, {item}" if text else item
        if text and len(longer) > LONGEST and left > n:  # the last kind is named
            return f"{text}, {left:,} more"
        text, left = longer, left - n
    return text


def result_of(ops: Sequence[Node], read_by: Mapping[Node, Sequence[Node]], outputs: Any) -> Any:
    """The one op whose value is asked for or read elsewhere; None where there are several."""
    inside = set(ops)
    found = [
        node
        for node in ops
        if node in outputs or any(user not in inside for user in read_by.get(node, ()))
    ]
    return found[0] if len(found) == 1 else None


class _Outside(Mapping[Node, str]):
    """The names of the nodes that are not inside: no copy, as each of many boxes has its own."""

    def __init__(self, named: Mapping[Node, str], inside: Collection[Node]) -> None:
        self.named, self.inside = named, inside

    def __getitem__(self, node: Node) -> str:
        if node in self.inside:
            raise KeyError(node)
        return self.named[node]

    def __iter__(self) -> Iterator[Node]:
        return (node for node in self.named if node not in self.inside)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def formula_of(result: Node, ops: Collection[Node], named: Mapping[Node, str]) -> str:
    """`A1 = relu(W1 X + b1)`: what comes from outside by name, what is inside written out."""
    given = _Outside(named, set(ops))
    text = formulas(Graph(list(ops), (result,)), given, LONGEST_FORMULA)[result]
    return f"{named[result]} = {text}" if result in named else text


def step_of(
    ops: Sequence[Node], times: int, named: Mapping[Node, str], place: Mapping[Node, int]
) -> str:
    """`12 × h13 = h7 + V1 relu(W1 h7)`: the last of equal steps in the names of what it reads, by
    ids where these have none; or nothing, where that is too long.

    Args:
        place: of the nodes in the graph, counted from 1 as in h1.
    """
    step = ops[-(len(ops) // times) :]
    read = [x for node in step for x in node.parents if x not in step and x.op is not None]
    ids = {x: f"h{place[x]}" for x in (*read, step[-1])}
    text = formula_of(step[-1], step, {**ids, **named})
    short = "…" not in text and len(text) <= LONGEST_FORMULA
    return f"{times:,} × {text}" if short else ""


def shapes_of(ops: Sequence[Node], read_by: Mapping[Node, Sequence[Node]], outputs: Any) -> str:
    """`(4, 3) → (4, 1)`: the shapes of the data that come in and of what goes out."""
    inside = set(ops)
    given = dict.fromkeys(
        x for node in ops for x in node.parents if x not in inside and not _is_parameter(x)
    )
    made = [
        x for x in ops if x in outputs or any(user not in inside for user in read_by.get(x, ()))
    ]
    ends = [_shapes(given), _shapes(made)]
    return " → ".join(ends) if all(ends) else ""


def _is_parameter(x: Node) -> bool:
    return isinstance(x, Leaf) and x.requires_grad


def _shapes(nodes: Collection[Node]) -> str:
    """The different shapes; nothing where there are many."""
    shapes = list(dict.fromkeys(str(tuple(x.shape)) if x.shape else "a number" for x in nodes))
    return ", ".join(shapes) if len(shapes) <= FEW_SHAPES else ""


def call_of(call: Call, result: Node, ops: Collection[Node], named: Mapping[Node, str]) -> str:
    """`m = median(x, axis=1)`: a composed function of what comes from outside."""
    inputs = [named.get(x, "…") for x in read_from_outside(call, result, ops)]
    given = with_constants(call, inputs, "…")
    text = f"{call}({', '.join([*given, *filter(None, [call.settings])])})"
    return f"{named[result]} = {text}" if result in named else text


def title_of(
    ops: Sequence[Node],
    steps: Summary,
    paths: Sequence[Scope | None],
    place: Mapping[Node, int],
) -> str:
    """`layer 1`, `layer 1 … layer 3`, `3 × step`, `ops 120 … 360`, of which the last is h360.

    Args:
        paths: for each op the folded scope it is in, if any.
        place: see `step_of`.
    """
    one, other = paths[0], paths[-1]
    if one and len(set(paths)) == 1:
        # Each `with scope("step"):` makes a tuple of its own, which tells how often it was entered.
        entered = len({id(node.scope) for node in ops if node.scope == one})
        many = entered > 1 and steps.times % entered == 0
        return f"{entered:,} × {one[-1]}" if many else str(one[-1])
    if one and other and one != other:
        return f"{one[-1]} … {other[-1]}"
    numbers = [place[node] for node in ops]
    several = f"ops {min(numbers):,} … {max(numbers):,}"
    if steps.differ:
        return f"{several}, {DIFFER}"
    return several if len(ops) > 1 else f"op {numbers[0]:,}"


def words_of_leaves(
    leaves: Sequence[Node], path: Scope | None, named: Mapping[Node, str]
) -> tuple[str, str]:
    """Title and summary of leaves alone: `5,000 inputs`, `x0 … x4999`."""
    kind = "parameters" if leaves[0].requires_grad else "inputs"
    title = path[-1] if path else f"{len(leaves):,} {kind}"
    ends = [named.get(node, "") for node in (leaves[0], leaves[-1])]
    return title, " … ".join(dict.fromkeys(ends)) if all(ends) else ""


def size(leaves: Collection[Node]) -> tuple[int, int]:
    """The elements of those that require a gradient, and their bytes."""
    trained = [node for node in leaves if node.op is None and node.requires_grad]
    elements = [prod(node.shape) for node in trained]
    bytes_each = [node.dtype.itemsize for node in trained]
    return sum(elements), sum(n * b for n, b in zip(elements, bytes_each, strict=True))
