"""The measured gradient of every tensor of a graph, carried back by measured Jacobians alone, and
the rows of a report that compare it with the engine's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_dnn.check.isolated_op import index_of_largest, widened
from tinygrad_dnn.check.numeric.derivative import WIDE, Method, in_words
from tinygrad_dnn.check.report import Row
from tinygrad_dnn.check.rule_elementwise import ArgumentCheck
from tinygrad_dnn.graph import Node

Methods = dict[Method, None]  # in the order in which they were met


class Ledger:
    """The true gradients, as far as known; outputs come before what they were made of.

    Args:
        seeds: the cotangents of the outputs.
    """

    def __init__(self, seeds: dict[Node, Any]) -> None:
        self._truth = {node: widened(g) for node, g in seeds.items()}
        self._doubt: dict[Node, Any] = {}
        self._methods: dict[Node, Methods] = {}

    def truth(self, node: Node) -> Any:
        """The measured gradient of a node, all of whose uses were carried back."""
        found = self._truth.get(node)
        return np.zeros(node.shape, WIDE) if found is None else found

    def carry(self, node: Node, x: Node, check: ArgumentCheck) -> None:
        """Add what comes to the input x from its use by node."""
        doubt = check.truth.uncertainty
        if node in self._doubt:
            doubt = doubt + check.carried(self._doubt[node])
        for book, entry in ((self._truth, check.truth.value), (self._doubt, doubt)):
            book[x] = book[x] + entry if x in book else entry
        methods = self._methods.setdefault(x, {})
        methods |= self._methods.get(node, {}) | ({check.method: None} if check.method else {})

    def correct(self, node: Node, truth: Any, doubt: Any, method: Method) -> None:
        """Put another measurement in the place of what was carried back."""
        self._truth[node], self._doubt[node] = truth, doubt
        self._methods[node] = {method: None}

    def row(self, leaf: Node, name: str, mine: Any, verdict: str) -> Row:
        """The engine's gradient of a leaf beside the measured one.

        Args:
            mine: the engine's; None where its backward pass broke off.
        """
        truth = self.truth(leaf)
        method = in_words(self._methods.get(leaf, ()))
        what = (name, leaf.shape, str(leaf.dtype), verdict)
        if not truth.size or mine is None or mine.shape != leaf.shape:
            return Row(*what, None, None, None, None, 0.0, method, None)
        yours = mine.astype(WIDE)
        apart = np.abs(yours - truth)
        at = index_of_largest(apart)
        off = float(apart[at])
        size = abs(float(truth[at])) or abs(float(yours[at]))
        largest = float(np.max(np.abs(np.where(np.isfinite(truth), truth, 0)), initial=0.0))
        return Row(
            *what,
            at,
            float(yours[at]),
            float(truth[at]),
            off / size if size else 0.0,
            off / largest if largest else off,
            method,
            float(np.broadcast_to(self._doubt.get(leaf, 0.0), leaf.shape)[at]),
        )
