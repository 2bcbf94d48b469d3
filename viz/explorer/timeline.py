"""A forward and a backward pass, step by step, as plain data: what the stepping page shows.

Numbers, formulas and names, no layout. Everything stands under the id of its node: n0, n1, ... by
position in the graph, n4c1 for the constant array that is the second input of n4.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Container, Mapping
from typing import Any

from tinygrad_dnn.autodiff.retrace import Backward, Forward
from tinygrad_dnn.escapes import printable
from tinygrad_dnn.formula.constants import constant
from tinygrad_dnn.formula.mathml import (
    differential,
    equation,
    identifier,
    text_and_mathml,
    text_and_mathml_pieces,
)
from tinygrad_dnn.graph import Graph, Node, by_index
from viz.derivation.legend import legend
from viz.derivation.lines import Lines
from viz.drawing.backward import LONGEST_INNER, Both
from viz.drawing.problems import Problem
from viz.drawing.scene import Scene
from viz.explorer.arrays import Arrays
from viz.subject import slope_name, visible

LONGEST = 100  # characters of a formula
MANY, SHORT = 1000, 40  # of so many nodes a page tells less: formulas of so many characters
STEPS = 40  # nodes that a formula is made of
LONGEST_SIMPLER = 240  # of a simplified one, which a reader sees at a glance or not at all
DERIVED = 300  # named values at most whose gradients are simplified

Fields = dict[str, Any]


class Story:
    """The story of a graph: what is said of each node, and the steps.

    Args:
        forward: both passes, recorded; the second is None where nothing requires a gradient.
        together: both passes as one graph, with the names of their nodes.
        scene: gives the ids and says in whose box a node is drawn.
        problems: what is wrong with a node.
    """

    def __init__(
        self,
        forward: Forward,
        backward: Backward | None,
        together: Both,
        scene: Scene,
        problems: Mapping[Node, Problem],
    ) -> None:
        named = {x: n for x, n in together.named.items() if x not in together.slopes}
        self.quiet = together.slopes
        self.graph = forward.graph
        self.values = {t.node: t.numpy() for t in forward.tensors}
        self.backward = backward or Backward({}, {}, [])
        self.named, self.scene, self.problems = named, scene, problems
        self.arrays = Arrays()
        self.longest = LONGEST if len(self.graph) <= MANY else SHORT
        unnamed = [x for x in self.backward.gradients if x not in named]
        inner = text_and_mathml(self.graph, named, LONGEST_INNER, beside=False, only=unnamed)
        taken = set(named.values())
        self.slopes = {  # what the gradient of a node is called
            x: visible(
                slope_name(named[x], taken)
                if x in named
                else f"d({inner[x][0] if x in inner else 'tensor'})"
            )
            for x in self.backward.gradients
        }
        self.marks = {  # of those that are formulas
            name: differential(inner[x][1])
            for x, name in self.slopes.items()
            if x not in named and x in inner
        }
        self.named_slopes = together.named.keys() & together.beside.keys()
        names = {g: self.slopes[x] for g, x in together.beside.items()} | named
        # Other steps back are none of the page: they are written out where they are read.
        names |= {g: together.named[g] for g in self.named_slopes}
        self.names = {node: visible(name) for node, name in names.items()}
        self.simpler = {} if backward is None else self._simpler(forward, backward)
        self._pieces = text_and_mathml_pieces(self.graph, self.names, self.longest)
        self.formulas = text_and_mathml(
            self.graph, self.names, self.longest, within=self._pieces, quiet=self.quiet
        )
        self._given: dict[tuple[Node, int], tuple[str, str]] = {}
        self.parts: dict[Node, list[tuple[Node, int]]] = {}  # the uses whose contributions add up
        self.sent: dict[Node, list[int]] = {}  # the inputs that a node's rule gives something
        for z, i in self.backward.contributions:
            self.parts.setdefault(z.inputs[i], []).append((z, i))
            self.sent.setdefault(z, []).append(i)

    def data(self, budget: int) -> Fields:
        """The whole story: `budget` numbers in full; of larger arrays what is typical."""
        nodes: dict[str, Fields] = {}
        edges: dict[str, list[str]] = {}
        for node in self.graph:
            for k, x in enumerate(node.inputs):
                name = self.scene.id_of(x)
                if name is None:
                    continue
                edges[self._edge(node, k)] = [name, self.scene.ids[node]]
                if not isinstance(x, Node) and name not in nodes:
                    called = visible(constant(x, self.names)[0])
                    nodes[name] = self._bare(x, name, "const") | {"title": called}
            nodes[self.scene.ids[node]] = self._node(node)
        return {
            "nodes": nodes,
            "edges": edges,
            "steps": self._steps(),
            "arrays": self.arrays.data(budget),
        }

    @property
    def legend(self) -> str:
        """The meaning of the signs in the formulas, as far as one may not know them."""
        return legend(text for text, _ in [*self.formulas.values(), *self._given.values()])

    def _simpler(self, forward: Forward, backward: Backward) -> dict[Node, str]:
        """Gradients whose formula gets shorter by algebra: dZ2 = 0.2 · (A2 − Y)."""
        if len(self.named) > DERIVED:
            return {}
        lines = Lines(forward, backward, self.named, None, scaled=False, counted=False)
        every = lines.all(STEPS)
        shorter = (x for x in every if len(x.text.plain) < min(len(x.raw.plain), LONGEST_SIMPLER))
        return {x.node: equation(identifier(x.name), x.text.mathml) for x in shorter}

    def _edge(self, node: Node, k: int) -> str:
        return f"{self.scene.id_of(node.inputs[k])}-{self.scene.ids[node]}-{k}"

    def _edges(self, node: Node) -> list[str]:
        """The ids of a node's uses of values."""
        known = (self.scene.id_of(x) is not None for x in node.inputs)
        return [self._edge(node, k) for k, there in enumerate(known) if there]

    def _bare(self, x: Any, name: str, kind: str) -> Fields:
        return {
            "kind": kind, "name": "", "title": "", "formula": "", "op": "", "says": "",
            "shape": list(x.shape), "dtype": str(x.dtype), "scope": [], "host": name, "inputs": [],
            "value": self.arrays.add(x), "gradient": None, "gradientName": "",
            "gradientFormula": "", "contributions": [], "rules": [], "problem": "",
            "origin": False,
        }  # fmt: skip

    def _node(self, node: Node) -> Fields:
        fields = self._bare(self.values[node], self.scene.ids[node], self.scene.kind(node))
        name = self.names.get(node, "")
        fields |= {
            "name": name,
            "title": name or "tensor",
            "formula": equation(identifier(name)) if name else "",
            "scope": list(map(visible, node.scope)),
            "host": self.scene.ids[self.scene.hosts.get(node, node)],
            "inputs": [at for x in node.inputs if (at := self.scene.id_of(x)) is not None],
        }
        if wrong := self.problems.get(node):
            fields |= {"problem": printable(wrong.reason), "origin": wrong.origin}
        if node.op is not None:
            text, math = self.formulas[node]
            fields |= {
                "title": f"{name} = {text}" if name else text,
                "formula": equation(identifier(name), math) if name else equation(math),
                "op": node.op.name,
                "says": (node.op.__doc__ or "").strip().partition("\n")[0].replace("`", ""),
            }
        return fields | (self._slope(node) if node in self.slopes else {})

    def _slope(self, x: Node) -> Fields:
        parts = [(*self._part(z, i), z, i) for z, i in self.parts.get(x, [])]
        terms = [math for _, math, _, _ in parts]
        if x in self.graph.outputs:
            terms = ["<mn>1</mn>", *terms]
        name = self._mark(x)
        return {
            "gradient": self.arrays.add(self.backward.gradients[x].numpy()),
            "gradientName": self.slopes[x],
            "gradientFormula": equation(name, "<mo>+</mo>".join(terms)),
            **({"simpler": self.simpler[x]} if x in self.simpler else {}),
            "rules": [self._rule(x, i) for i in self.sent.get(x, [])],
            "contributions": [
                {
                    "from": self.scene.ids[z],
                    "edge": self._edge(z, i),
                    "text": text,
                    "formula": equation(math),
                    "value": self.arrays.add(self.backward.contributions[z, i].numpy()),
                }
                for text, math, z, i in parts
            ],
        }

    def _rule(self, z: Node, i: int) -> dict[str, str]:
        """The gradient z gives its input i: dZ1 = dA1 ⊙ 1[Z1 > 0]; += where others give as well."""
        x = z.inputs[i]
        alone = len(self.parts[x]) == 1 and x not in self.graph.outputs
        left, right = self._mark(x), self._part(z, i)[1]
        return {
            "to": self.scene.ids[x],
            "formula": equation(left, right, "=" if alone else "+="),
        }

    def _mark(self, x: Node) -> str:
        """The name of a node's gradient, typeset."""
        name = self.slopes[x]
        return self.marks.get(name) or identifier(name)

    def _part(self, z: Node, i: int) -> tuple[str, str]:
        """The answer of z's rule for input i, text and typeset, in the names of what it reads."""
        if (z, i) not in self._given:
            self._given[z, i] = self._contribution(z, i)
        return self._given[z, i]

    def _contribution(self, z: Node, i: int) -> tuple[str, str]:
        part = self.backward.contributions[z, i].node
        g = self.backward.gradients[z].node
        if part is g:  # handed on as it came
            return self.slopes[z], self._mark(z)
        if part.op is None:
            name = self.names.get(part, "constant")
            return name, self.marks.get(name) or identifier(name)
        # One gradient may be that of several nodes. Here it goes by the name of z's, unless z has
        # no name and another has: dW1 = dZ1 Xᵀ, where dZ1 is that of W1 X too.
        own = z in self.named or g not in self.named_slopes
        names = ChainMap({g: self.slopes[z]} if own else {}, self.names)
        rule = _until(part, names, self._pieces)
        alone = len(self.parts[z.inputs[i]]) == 1 and z.inputs[i] not in self.graph.outputs
        written = text_and_mathml(
            rule, names, self.longest, self.marks, alone, self._pieces, self.quiet
        )
        return written[part]

    def _steps(self) -> list[Fields]:
        forward = [
            {"phase": "forward", "node": self.scene.ids[node], "edges": self._edges(node)}
            for node in self.graph
            if node.op is not None
        ]
        seeds = [
            {"phase": "seed", "node": self.scene.ids[node], "edges": []}
            for node in self.graph.outputs
            if node in self.slopes
        ]
        back = [
            {
                "phase": "backward",
                "node": self.scene.ids[z],
                "edges": [self._edge(z, i) for i in self.sent[z]],
            }
            for z in self.backward.order
            if z in self.sent
        ]
        return [*forward, *seeds, *back]


def _until(end: Node, *known: Container[Node]) -> Graph:
    """The steps that lead to a node from what is known; of very many the last ones."""
    found = {end}
    queue = [end]
    for node in queue:
        steps = (x for x in node.parents if x.op is not None and x not in found)
        new = [x for x in steps if not any(x in there for there in known)]
        if len(found) + len(new) > STEPS:
            break
        found.update(new)
        queue += new
    return Graph(sorted(found, key=by_index), (end,))
