"""The program with classic mistakes in its rules, for a page on which one breaks them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinygrad_dnn.autodiff.retrace import Backward, Forward, backward_again
from tinygrad_dnn.graph import Node
from viz.explorer.arrays import Arrays
from viz.explorer.live import Fields, Live
from viz.explorer.many import Many
from viz.explorer.mistakes import Mistake, planted, said


class Broken:
    """A second program, of the passes as they were recorded: what was rewritten has other rules.

    Args:
        forward, backward, names: see `Live`.
        right: the page's own program.

    Attributes:
        source: the program's text.

    Raises:
        NotPrintable: see `Live`.
    """

    def __init__(
        self, forward: Forward, backward: Backward, names: Mapping[Node, str], right: Live
    ) -> None:
        prefix = "mistake"
        while any(name.startswith(prefix) for name in names.values()):
            prefix += "_"
        wrong, self.switches = planted(forward, backward, prefix)
        tensors = [*forward.tensors, *wrong.gradients.values(), *wrong.contributions.values()]
        pairs = zip(tensors, right.tensors, strict=True)
        named = {t.node: names[u.node] for t, u in pairs if u.node in names}
        self.right = right.inputs()
        named |= self.right  # what is given is called the same in both
        self.live: Live
        if isinstance(right, Many):
            self.live = Many(
                forward, wrong, named, right.examples, False, right.tensors,
                lambda other: planted(other, backward_again(other), prefix)[0],
            )  # fmt: skip
        else:
            self.live = Live(forward, wrong, named, False, right.tensors)
        self.source = self.live.source

    def data(self, arrays: Arrays, ids: Mapping[Node, str], whole: list[Fields]) -> Fields:
        """See `Live.data`; with the rules that have a switch, and what the checker says."""
        told: dict[tuple[str, str], int] = {}  # each once

        def number(op: Any, one: Mistake) -> int:
            return told.setdefault((one.name, said(op, one)), len(told))

        rules = [
            {
                "node": ids[z],
                "to": ids[z.inputs[i]],
                "switch": leaf.name,
                "mistakes": [number(z.op, one) for one in mistakes],
            }
            for z, i, leaf, mistakes in self.switches
        ]
        words = [{"name": name, "says": says} for name, says in told]
        data = self.live.data(arrays, ids, whole)
        there = set(self.right.values())
        own = {name: x for name, x in data["inputs"].items() if name not in there}
        return {**data, "inputs": own, "rules": rules, "mistakes": words}
