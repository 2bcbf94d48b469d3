"""What a loop carries, looked at through a constant: W C without putting W together.

A matrix that is carried as W = a W0 + S Xᵀ is whole only when it is asked for, which takes a
product with all of X. Where just W C is wanted, as in predictions on examples that stay the same,
there is a (W0 C) + S (XᵀC), of which W0 C is computed once for each start and XᵀC once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.evaluate import evaluate
from tinygrad_dnn.autodiff.pytree import rebuild
from tinygrad_dnn.autodiff.tensor import Tensor, value_of
from tinygrad_dnn.graph import Leaf, Node, trace
from tinygrad_dnn.loops.linear_forms import Constant
from tinygrad_dnn.loops.loop import Loop, Snapshot
from tinygrad_dnn.loops.step_graph import StepGraph, computed_once


class Factored:
    """A matrix W that is known by its product with one matrix C."""

    def __init__(self, like: Leaf, C: Any, product: Any) -> None:
        self.shape, self.dtype = like.shape, like.dtype
        self._C, self._product = C, product

    def __matmul__(self, C: Any) -> Tensor:
        """W C, a Tensor as everything in a network.

        Raises:
            ValueError: it is another matrix.
        """
        if not _is_same(value_of(C), self._C):
            raise ValueError(
                f"view: expected the matrix {self._C.shape} that it was made for, got another one "
                f"{np.shape(C)}; put W together by snapshot.carry"
            )
        return Tensor(self._product)


class View:
    """The carry of a loop's snapshots, for products with C.

        view = View(loop, X_test)
        parameters = view(loop.snapshot())
        Z1 = parameters["W1"] @ X_test + parameters["b1"]

    C must not be changed while the view is in use. The product is that of the whole matrix but for
    rounding.
    """

    def __init__(self, loop: Loop, C: Any) -> None:
        self.loop, self._C = loop, C
        less = loop._less
        given = (x for x in loop._step.constants if _is_same(x.value, C))
        self._leaf = next(given, None) or Leaf(C, False, None)
        self._products: dict[Leaf, Node] = {}
        forms = less.forms if less else {}
        # All or none, and a product of two dtypes is left to NumPy's rules.
        if less and all(
            form.opens(False) and (q.shape[1], q.dtype) == (C.shape[0], C.dtype)
            for q, form in forms.items()
        ):
            for q, form in forms.items():
                self._products[q] = less.products.apply(form, False, Constant(self._leaf))
        self._starts: dict[Leaf, Any] = {}
        self._once: dict[Node, Any] = {}

    def __call__(self, snapshot: Snapshot) -> Any:
        """The carried values in their structure, a `Factored` in place of each such matrix."""
        loop = self.loop
        if snapshot.loop is not loop:
            raise ValueError("view: expected a snapshot of the loop that it was made for")
        if not self._products:
            return snapshot.carry
        known = self._known(snapshot)
        found = evaluate(self._products.values(), {**known, **snapshot._carry})
        values: dict[Node, Any] = {**snapshot._carry}
        values |= {q: Factored(q, self._C, found[x]) for q, x in self._products.items()}
        return rebuild(loop._layout, [values[q] for q in loop._step.carry])

    def _known(self, snapshot: Snapshot) -> Mapping[Node, Any]:
        """The constants and what is made of them alone, computed where the starts are others."""
        less = self.loop._less
        assert less is not None
        known = {**snapshot._known, self._leaf: self._C}
        starts = {x: snapshot._known[x] for x in less.starts}
        moved = {x for x, value in starts.items() if value is not self._starts.get(x)}
        if moved or not self._once:
            step = StepGraph({}, [*less.step.constants, self._leaf], [], [*self._products.values()])
            asked = computed_once(step)
            kept = {n: x for n, x in self._once.items() if not moved & set(trace([n]))}
            # XᵀX and W0 X are the loop's already, if these are its starts of now.
            hoisted = self.loop._hoisted
            done = hoisted.once if snapshot._known is hoisted.known else {}
            found = evaluate(asked, {**known, **done, **kept})
            self._once, self._starts = {n: found[n] for n in asked}, starts
        return {**known, **self._once}


def _is_same(x: Any, C: Any) -> bool:
    """Whether it is that array, or another view of the same elements."""
    if x is C:
        return True
    arrays = isinstance(x, np.ndarray) and isinstance(C, np.ndarray)
    return arrays and x.__array_interface__ == C.__array_interface__
