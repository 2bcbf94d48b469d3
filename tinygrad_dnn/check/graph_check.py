"""The check of one recorded call: every op alone, every sum over uses, what was never recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.evaluate import evaluate
from tinygrad_dnn.check import faults
from tinygrad_dnn.check.accumulation import (
    Seen,
    contribution_trouble,
    recorded_trouble,
    sum_trouble,
    watched,
)
from tinygrad_dnn.check.diagnose_rule import argument_of, probably
from tinygrad_dnn.check.faults import Blame, Trouble
from tinygrad_dnn.check.isolated_op import Alone, Point, forward_trouble
from tinygrad_dnn.check.reference import Ledger
from tinygrad_dnn.check.report import CANNOT_TELL, RIGHT, WRONG, GradientReport, Row, number, share
from tinygrad_dnn.check.rule_directional import check_argument
from tinygrad_dnn.check.rule_elementwise import ArgumentCheck
from tinygrad_dnn.check.traced_call import NOTHING, Inputs, called, seed_for
from tinygrad_dnn.check.untracked import end_to_end, hidden
from tinygrad_dnn.formula.text import formulas
from tinygrad_dnn.graph import Node, mode, trace

LONGEST = 40  # of a formula in a message
# What is wrong with the rule of one input says nothing of the others.
OF_ONE_INPUT = {faults.WRONG_RULE, faults.MISSING_RULE, faults.NOT_LINEAR, faults.RULE_VARIES}


class Work:
    """The check of one recorded call."""

    def __init__(
        self,
        f: Callable[..., Any],
        given: Inputs,
        seed: int,
        order: int = 1,
        last: bool = True,
        slips: bool = True,
    ) -> None:
        self.f, self.given, self.order, self.last = f, given, order, last
        self.slips = slips  # whether what is wrong is compared with slips in the backward pass
        self.rng = np.random.default_rng(seed)
        self.call = called(f, given)
        # What the function itself recorded, without the rules of a backward pass.
        self.own = set(getattr(f, "own_nodes", self.call.graph))
        if not self.call.parameters:
            raise ValueError(NOTHING)
        self.graph = self.call.graph
        self.roots = [y for y in self.call.outputs if y.requires_grad]
        self.seeds: dict[Node, Any] = {}
        for y in self.roots:
            self.seeds[y.node] = self.seeds.get(y.node, 0) + seed_for(y)
        self.blame: list[Blame] = []
        self.faulty: list[Node] = []  # whose gradients are wrong, and all below
        self.notes: list[str] = []
        self.varies = False  # called again, the function gave other values
        # The rules that were judged somewhere, and where one could not be.
        self.decided: set[tuple[Any, int]] = set()
        self.undecided: list[tuple[Node, int]] = []
        self.ledger = Ledger(self.seeds)
        names = {n: n.name for n in self.graph if n.name}
        named = zip((t.node for t in self.call.variables), given.variables, strict=True)
        own = {node: v.name for node, v in named}
        self.words = {**formulas(self.graph, names, LONGEST), **names, **own}

    def run(self) -> GradientReport:
        """Everything in its order: first what a backward pass does, then whether it is right."""
        with np.errstate(all="ignore"):  # what is not finite is left out, and said
            return self._run()

    def _run(self) -> GradientReport:
        nodes, seeds = [y.node for y in self.roots], [seed_for(y) for y in self.roots]
        seen, raised = watched(nodes, seeds)
        grads, again = self._backward()
        self._judge_ops(seen)
        if not self.last and not self.blame:
            recorded, raised = watched(nodes, seeds, create_graph=True)
            self._judge_recorded(seen, recorded)
        if faults.MUTATED not in {b.kind for b in self.blame}:
            self._look_for_edits()
        unsteady = {faults.RULE_VARIES, faults.MUTATED, faults.FORWARD_VARIES}
        steady = not self.varies and not unsteady & {b.kind for b in self.blame}
        if raised is None and steady:
            self._judge_sums(seen, grads)
        error = raised or again
        if error is not None and not self.blame:
            self._blame(
                faults.SWEEP_RAISED, None, None, f"backward: {type(error).__name__}: {error}"
            )
        if steady and faults.MUTATED not in {b.kind for b in self.blame}:
            self._look_for_hidden()
        # A rule that was judged at another place is not blamed for standing on a corner here.
        blind = [node for node, i in self.undecided if (node.op, i) not in self.decided]
        blind += self.graph.outputs if self.varies else []
        if blind and not self.varies:
            self.notes.append("to decide it, check at another point")
        rows = self._rows(grads, blind)
        verdict = WRONG if self.blame else CANNOT_TELL if blind else RIGHT
        return GradientReport(verdict, rows, self.blame, self.notes, self.order, self.graph)

    # --- what is blamed -----------------------------------------------------------------------

    def _which(self, node: Node, i: int) -> int:
        """Which rule of its op serves input i: of an op of many inputs one serves them all."""
        return 0 if node.op.many else i

    def _blame(
        self, kind: str, node: Node | None, i: int | None, reason: str, worst: Any = None
    ) -> None:
        op = node.op if node is not None else None
        argument = None if node is None or i is None else argument_of(node, i, self.words)
        numbers = () if worst is None else tuple(worst)
        where = "" if node is None else self.words.get(node, "")
        self.blame.append(
            Blame(kind, op.name if op else None, node, where, argument, reason, *numbers)
        )
        if node is not None:
            x = node.inputs[i] if i is not None and kind in OF_ONE_INPUT else node
            self.faulty += [x] if isinstance(x, Node) else []

    def _blame_rule(self, node: Node, i: int, trouble: Trouble, probably: str) -> None:
        """Blame of the rule of one argument, in a sentence."""
        kind, words, worst = trouble
        of = f" for {argument_of(node, i, self.words)}" if len(node.inputs) > 1 else ""
        reason = f"the rule of '{node.op.name}'{of} at {self.words[node]} {words}"
        if worst is not None:
            at = f"element {list(worst.element)}" if worst.element else "it"
            off = abs(worst.yours - worst.truth)
            part = off / abs(worst.truth) if worst.truth else 1.0
            reason += (
                f": {at} is {number(worst.yours, worst.truth)}, measured "
                f"{number(worst.truth, worst.yours)} (off by {share(part)})"
            )
        if probably:
            reason += f". Probably it {probably}"
        self._blame(kind, node, i, reason, worst)

    # --- the parts of the check ---------------------------------------------------------------

    def _look_for_edits(self) -> None:
        for t, v in zip(self.call.variables, self.given.variables, strict=True):
            if not np.array_equal(t.numpy(), v.value, equal_nan=True):
                reason = f"the function changes its input {v.name} in place"
                self._blame(faults.MUTATED, t.node, None, reason)

    def _backward(self) -> tuple[dict[Node, Any], Exception | None]:
        """The `.grad` that `backward` leaves, of a call of its own; by the leaves of the first."""
        again = called(self.f, self.given)
        for was, now in zip(self.call.outputs, again.outputs, strict=False):
            if not np.array_equal(was.numpy(), now.numpy(), equal_nan=True):
                self.notes.append(
                    "the function gave other values when called again with the same inputs, so "
                    "it has no derivative to measure: fix its random numbers"
                )
                self.varies = True
                break
        first, second = self.call.parameters, again.parameters
        held = [(leaf, leaf.grad) for leaf in second]
        raised = None
        outputs = [y for y in again.outputs if y.requires_grad]
        with mode(recording=True, watch=None), np.errstate(all="ignore"):
            try:
                for k, y in enumerate(outputs):
                    y.backward(seed_for(y), free=k == len(outputs) - 1)
            except Exception as error:
                raised = error
        grads = {a: b.grad for a, b in zip(first, second, strict=False)}
        for leaf, grad in held:
            leaf.grad = grad
        # Where nothing came there is 0; unless the sweep broke off, and nothing is known.
        return {
            leaf: np.asarray(g) if g is not None else np.zeros(leaf.shape, leaf.dtype)
            for leaf, g in grads.items()
            if g is not None or raised is None
        }, raised

    def _judge_ops(self, seen: Seen) -> None:
        with np.errstate(all="ignore"):
            values = evaluate(self.graph)
        for node in reversed(self.graph):
            if node.op is None or not _on_the_way(node):
                continue
            arrays = [values[x] if isinstance(x, Node) else x for x in node.inputs]
            self._judge(Point(node, arrays, values[node]), seen)

    def _judge(self, point: Point, seen: Seen) -> None:
        node = point.node
        trouble = forward_trouble(point)
        if trouble is not None:
            kind, words = trouble
            self._blame(kind, node, None, f"'{node.op.name}' at {self.words[node]} {words}")
            return
        # What the function says itself is its purpose; in a rule it cuts off higher derivatives.
        stops = node.op.stops and node in self.own
        alone, truth = Alone(point, stops), self.ledger.truth(node)
        checks: dict[int, ArgumentCheck] = {}
        for i, x in enumerate(node.inputs):
            if isinstance(x, Node) and x.requires_grad:
                checks[i] = check_argument(alone, i, truth, self.rng)
                if not stops:
                    self.ledger.carry(node, x, checks[i])
        for i, found in checks.items():
            wrong = found.trouble
            if wrong is None and i in node.wanted:
                swept = contribution_trouble(alone, i, seen)
                wrong = None if swept is None else (*swept, None)
            if wrong is not None:
                self._blame_rule(node, i, wrong, self._probably(alone, i, checks))
                continue
            if found.decided:
                self.decided.add((node.op, self._which(node, i)))
            elif found.kinks + found.unknown:
                self.undecided.append((node, self._which(node, i)))
            self._note_left_out(node, node.inputs[i], found)

    def _probably(self, alone: Alone, i: int, checks: Mapping[int, ArgumentCheck]) -> str:
        """The mistake in the rule of argument i, in words, or ""."""
        return probably(alone, i, checks, self.words, self.slips)

    def _note_left_out(self, node: Node, x: Node, check: ArgumentCheck) -> None:
        size = int(np.prod(x.shape))
        who = f"{self.words[node]}: {{}} of {size} elements" if size > 1 else f"{self.words[node]}:"
        if check.kinks:
            self.notes.append(
                f"{who.format(check.kinks)} on a corner, where the slopes from both sides differ; "
                "left out"
            )
        if check.unknown:
            self.notes.append(
                f"{who.format(check.unknown)} without a slope that can be measured "
                "(NaN, infinite, or lost in rounding); left out"
            )

    def _judge_recorded(self, seen: Seen, recorded: Seen) -> None:
        """Higher derivatives come from what is recorded of a backward pass: is that the same?"""
        for node in reversed(self.graph):
            found = recorded_trouble(node, seen, recorded)
            if found is not None:
                self._blame_rule(node, found[0], (faults.WRONG_RULE, found[1], None), "")

    def _judge_sums(self, seen: Seen, grads: Mapping[Node, Any]) -> None:
        for x, words in sum_trouble(self.graph, self.seeds, grads, seen):
            reason = f"the gradient of {self.words[x]} is not the sum over its uses: {words}"
            self._blame(faults.MISSING_ACCUMULATION, x, None, reason)

    def _look_for_hidden(self) -> None:
        own = [t.node for t in self.call.variables]
        for leaf, moved, recorded in hidden(self.f, self.given, self.call, self.order):
            name = self.words.get(leaf, "a tensor")
            reason = (
                f"the result depends on {name} in a way that was never recorded: along a random "
                f"direction it changes by {number(moved)}, in the graph by {number(recorded)}; was "
                "a value taken out with .data or .item()?"
            )
            self._blame(faults.NOT_RECORDED, leaf, None, reason)
            whole = end_to_end(self.f, self.given, own.index(leaf)) if leaf in own else None
            if whole is not None:
                self.ledger.correct(leaf, *whole)

    # --- the rows -----------------------------------------------------------------------------

    def _rows(self, grads: Mapping[Node, Any], undecided: Sequence[Node]) -> list[Row]:
        names = [v.name for v in self.given.variables]
        parameters = self.call.parameters
        names += [leaf.name or "a tensor" for leaf in parameters[len(names) :]]
        wrong = self._reached(self.faulty)
        blind = self._reached(undecided)
        rows = []
        for leaf, name in zip(parameters, names, strict=True):
            verdict = WRONG if leaf in wrong else CANNOT_TELL if leaf in blind else RIGHT
            rows.append(self.ledger.row(leaf, name, grads.get(leaf), verdict))
        return rows

    def _reached(self, nodes: Sequence[Node]) -> set[Node]:
        """Return the nodes and all they were computed from."""
        return set(trace(nodes)) if nodes else set()


def _on_the_way(node: Node) -> bool:
    return node.dtype.kind == "f" and any(
        isinstance(x, Node) and x.requires_grad for x in node.inputs
    )
