"""The calls of composed functions in a graph: `median(x, axis=1)` for the ops of one call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, TypeVar

from tinygrad_dnn.formula.template import Formula
from tinygrad_dnn.graph import Call, Graph, Node

T = TypeVar("T")


class Called(NamedTuple):
    """One call whose ops give one result.

    Attributes:
        call: the scope of its ops.
        inputs: the nodes outside that its ops read, in the order of the formula.
    """

    call: Call
    inputs: tuple[Node, ...]


def call_formula(call: Call) -> Formula:
    """The template of a call: its name, its inputs `{xs}`, its settings."""
    settings = call.settings if "{" not in call.settings else "…"
    return Formula(f"{call}({', '.join(filter(None, ['{xs}', settings]))})")


def calls_of(graph: Graph) -> dict[Node, Called]:
    """The results of calls of several ops; a call within a call is a part of that."""
    inside: dict[Call, list[Node]] = {}
    of: dict[Node, Call] = {}
    for node in graph:
        call = next((name for name in node.scope if isinstance(name, Call)), None)
        if call is not None and node.op is not None:
            inside.setdefault(call, []).append(node)
            of[node] = call
    results: dict[Call, dict[Node, None]] = {call: {} for call in inside}
    for node in graph:
        for x in node.parents:
            if x in of and of.get(node) is not of[x]:
                results[of[x]][x] = None
    for node in graph.outputs:
        if node in of:
            results[of[node]][node] = None
    return {
        node: Called(call, read_from_outside(call, node, ops))
        for call, ops in inside.items()
        for node in results[call]
        if len(ops) > 1 and len(results[call]) == 1
    }


def read_from_outside(call: Call, result: Node, ops: Collection[Node]) -> tuple[Node, ...]:
    """The nodes not among ops that a result is computed from, in the order in which the call was
    given them; as often as they were given where each argument is read once.
    """
    inside = set(ops)
    found = _met(result, inside.__contains__)
    once = list(dict.fromkeys(found))
    if call.order is not None and len(call.order) == len(once):
        places = dict(zip(call.order, once, strict=True))
        return tuple(places[i] for i in sorted(places))
    return tuple(found if len(found) == sum(call.given) else once)


def note_order(call: Call, result: Node, given: Sequence[Node]) -> None:
    """Keep the order in which a call's result reads what it was given, where that is another."""
    found = _met(result, lambda n: any(part is call for part in n.scope))
    places = {x: i for i, x in reversed([*enumerate(given)])}
    if all(x in places for x in found):
        order = tuple(places[x] for x in dict.fromkeys(found))
        call.order = None if order == (*sorted(order),) else order


def _met(result: Node, inside: Callable[[Node], bool]) -> list[Node]:
    """The nodes outside that a result is computed from, as one meets them from left to right in
    its formula.
    """
    found, stack, seen = list[Node](), [result], set[Node]()
    while stack:
        node = stack.pop()
        if not inside(node):
            found.append(node)
        elif node not in seen:
            seen.add(node)
            stack += reversed(node.parents)
    return found


def with_constants(call: Call, inputs: Sequence[T], dots: T) -> list[T]:
    """What is written of the inputs of a call, with dots for arrays that are constants: in their
    places where these are known, else behind the others.
    """
    if len(inputs) != sum(call.given):
        return [*inputs, *([] if all(call.given) else [dots])]
    left = iter(inputs)
    return [next(left) if is_tensor else dots for is_tensor in call.given]
