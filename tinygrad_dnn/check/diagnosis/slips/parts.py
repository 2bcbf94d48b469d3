"""The parts of a formula, and what may stand in place of each by mistake.

A part is a value that others are computed from. In its place may stand an operand of its own (a
factor, a term, a function forgotten), its twin (+ for −, · for /, x³ for x², 1 − x for x) or
another quantity that is at hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tinygrad_dnn.autodiff.evaluate import evaluate
from tinygrad_dnn.formula.text import formulas
from tinygrad_dnn.graph import Node, trace
from tinygrad_dnn.ops import REGISTRY, Op
from tinygrad_dnn.rewrite.nodes import Unfit, build

LONG = 60  # characters of a part
OPERAND, TWIN, ANOTHER, FUNCTION = 3, 4, 5, 6  # ranks: the lower, the simpler
# What is written for an op of two operands by mistake: ops, and whether the operands change places.
TWINS: Mapping[Op, Sequence[tuple[str, bool]]] = {
    REGISTRY["add"]: (("subtract", False), ("subtract", True), ("multiply", False)),
    REGISTRY["subtract"]: (("add", False), ("subtract", True)),
    REGISTRY["multiply"]: (("divide", False), ("divide", True), ("add", False)),
    REGISTRY["divide"]: (("multiply", False), ("divide", True)),
    REGISTRY["power"]: (("multiply", False),),
    REGISTRY["matmul"]: (("multiply", False), ("matmul", True)),
    REGISTRY["greater"]: (("less", False),),
    REGISTRY["less"]: (("greater", False),),
}
# What is lost where one of two operands stands alone; of these in ONE_SIDED, the second.
LOST: Mapping[Op, str] = {
    REGISTRY["multiply"]: "factor", REGISTRY["divide"]: "division by",
    REGISTRY["add"]: "term", REGISTRY["subtract"]: "term −",
}  # fmt: skip
ONE_SIDED = ("division by", "term −")
FUNCTIONS = ("square", "sqrt", "exp", "log")

Use = tuple[Node, int]


class Edit(NamedTuple):
    """What stands in place of a part, at which uses; without uses, of the result itself. Or nodes
    that work along the axis `other` where it is the axis `part`.
    """

    rank: int
    part: Any
    other: Any
    uses: tuple[Use, ...]
    along: tuple[Node, ...] = ()

    def meta(self, node: Node) -> Mapping[str, Any]:
        """The settings of a node."""
        return {**node.meta, "axis": self.other} if node in self.along else node.meta


class Formula:
    """Nodes that end in a result, computed from nodes that are named.

    Args:
        nodes: in the order of their computation, the result last.
        names: of those whose values are given.
        around: other values that are at hand.
    """

    def __init__(
        self, nodes: Sequence[Node], names: Mapping[Node, str], around: Iterable[Node] = ()
    ) -> None:
        self.names, self.root = names, nodes[-1]
        needed = {self.root}
        for n in reversed(nodes):
            if n in needed and n not in names:
                needed.update(x for x in n.inputs if isinstance(x, Node))
        self.nodes = [n for n in nodes if n in needed and n.op is not None and n not in names]
        self.at_hand = list(dict.fromkeys([*names, *around, *self.nodes]))

    def values(self, given: Mapping[Node, Any]) -> dict[Node, Any]:
        """All values, from those of the named nodes."""
        return evaluate([*self.nodes, *self.at_hand], given)

    def edited(self, edit: Edit, values: Mapping[Node, Any]) -> Any:
        """The result with an edit, from the values without it."""
        other = edit.other
        if isinstance(other, Node):
            other = values[other] if other in values else evaluate([other], values)[other]
        if not edit.uses and not edit.along:
            return other
        new: dict[Node, Any] = {}
        for node in self.nodes:
            at = {i for n, i in edit.uses if n is node}
            touched = at or node in edit.along
            if touched or any(isinstance(x, Node) and x in new for x in node.inputs):
                arrays = [
                    other if i in at
                    else new.get(x, values[x]) if isinstance(x, Node) else x
                    for i, x in enumerate(node.inputs)
                ]  # fmt: skip
                new[node] = node.op.compute(*arrays, **edit.meta(node))
        return new[self.root]

    def edits(self) -> Iterator[Edit]:
        """Every edit: of a part at all of its uses, and at each."""
        uses: dict[Node, list[Use]] = {self.root: []}
        for node in self.nodes:
            for i, x in enumerate(node.inputs):
                if isinstance(x, Node):
                    uses.setdefault(x, []).append((node, i))
                elif isinstance(x, (int, float)) and not isinstance(x, bool):
                    for c in dict.fromkeys((1, 2 * x, x / 2, -x, x + 1, x - 1)):
                        yield Edit(ANOTHER, x, c, ((node, i),))
        for part, name in self.names.items():
            if name != "g" and uses.get(part):
                yield Edit(TWIN, part, 0, tuple(uses[part]))
        yield from self._axes()
        for part, there in uses.items():
            single = [(use,) for use in there] if len(there) > 1 else []
            for rank, other in self._others(part):
                yield Edit(rank, part, other, tuple(there))
                yield from (Edit(rank + 1, part, other, use) for use in single)

    def _axes(self) -> Iterator[Edit]:
        """Another axis for all that works along one, or for what is made of the cotangent."""
        of_g = {n for n, name in self.names.items() if name == "g"}
        along: dict[int, list[Node]] = {}
        for node in self.nodes:
            if any(isinstance(x, Node) and x in of_g for x in node.inputs):
                of_g.add(node)
            axis = node.meta.get("axis")
            if isinstance(axis, int):
                along.setdefault(axis % max(_ndim(node), 1), []).append(node)
        most = max(map(_ndim, self.nodes), default=0)
        for axis, nodes in along.items():
            for other in range(most):
                for some in (nodes, [n for n in nodes if n in of_g]):
                    if other != axis and some:
                        yield Edit(TWIN, axis, other, (), tuple(some))

    def _others(self, part: Node) -> Iterator[tuple[int, Node]]:
        """What may stand in place of a part, with a rank."""
        inputs = () if part.op is None or part in self.names else part.inputs
        for x in inputs:
            if isinstance(x, Node) and x.dtype == part.dtype and (
                x.shape == part.shape or part.op.elementwise
            ):  # fmt: skip
                yield OPERAND, x
        yield from _made(part, inputs)
        for other in self.at_hand:
            if (
                (other.shape, other.dtype) == (part.shape, part.dtype)
                and other is not part
                and not any(other is x for x in inputs)
            ):
                yield ANOTHER, other

    def says(self, edit: Edit) -> str:
        """What is wrong with the edit, in words."""
        part, other = edit.part, edit.other
        if edit.along:
            return f"works along axis {other} where axis {part} is right"
        if part in self.names and not isinstance(other, Node):
            return f"leaves {self.text(part)} out, as if it were {other}"
        for x, y in ((part, other), (other, part)):
            if isinstance(y, Node) and y.op is REGISTRY["negative"] and y.inputs[0] is x:
                return f"has the wrong sign at {self.text(x)}"
        inputs = part.inputs if isinstance(part, Node) and edit.rank <= OPERAND + 1 else ()
        lost = [x for x in inputs if x is not other]
        what = LOST.get(part.op) if len(inputs) == 2 and len(lost) == 1 else None
        whole = self.text(part)
        if what is None or (lost[0] is inputs[0] and what in ONE_SIDED):
            return f"has {self.text(other)} where {whole} is right"
        within = "" if "…" in whole else f" in {whole}"
        return f"lacks the {what} {self.text(lost[0])}{within}"

    def text(self, x: Any) -> str:
        """A part, or what stands in its place, in the names of what is given."""
        if not isinstance(x, Node):
            return f"{x:g}"
        if x in self.names:
            return self.names[x]
        graph = trace([x])
        steps = {n for n in graph if n.op is not None and n not in self.names}
        return formulas(graph, self.names, LONG, quiet=steps).get(x, "it")


def _ndim(node: Node) -> int:
    """Axes of what the node works on, or makes."""
    return max(len(x.shape) for x in (node, *node.inputs) if isinstance(x, Node))


def _made(part: Node, inputs: Sequence[Any]) -> Iterator[tuple[int, Node]]:
    """The twins of a part and functions of it, with a rank."""
    op: Any = part.op if inputs else None
    wanted: list[tuple[int, str, Sequence[Any]]] = [
        (TWIN, other, inputs[::-1] if turned else inputs) for other, turned in TWINS.get(op, ())
    ]
    if op is REGISTRY["power"] and not isinstance(inputs[1], Node):
        wanted += [(TWIN, "power", (inputs[0], inputs[1] + c)) for c in (1, -1)]
    if op is REGISTRY["square"]:
        wanted += [(TWIN, "power", (*inputs, 3)), (TWIN, "multiply", (*inputs, 2))]
    if op is REGISTRY["where"]:
        wanted.append((TWIN, "where", (inputs[0], inputs[2], inputs[1])))
    if part.dtype == bool:
        wanted.append((OPERAND, "logical_not", (part,)))
    else:
        wanted += [(TWIN, "negative", (part,)), (TWIN, "reciprocal", (part,))]
        wanted += [(TWIN, "subtract", (1, part)), *((FUNCTION, f, (part,)) for f in FUNCTIONS)]
    for rank, name, given in wanted:
        try:
            yield rank, build(REGISTRY[name], given, {}, ())
        except Unfit:
            continue
