"""`check_gradients`: every op of a recorded computation alone, every sum over uses, and whether
the graph holds all that the result depends on.

If each rule is the derivative of its op, each gradient the sum over its uses, and nothing was left
out of the graph, then the chain rule makes the whole right. That is checked, rather than the whole
end to end, because twenty ops together are badly conditioned where each of them is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_dnn.check import faults
from tinygrad_dnn.check.faults import Blame
from tinygrad_dnn.check.hidden import hidden
from tinygrad_dnn.check.alone import Alone, Point, forward_trouble, widened
from tinygrad_dnn.check.large import check_argument
from tinygrad_dnn.check.local import Told
from tinygrad_dnn.check.measured import WIDE, bits
from tinygrad_dnn.check.recorded import Inputs, called, values_of
from tinygrad_dnn.check.report import (
    CANNOT_TELL,
    RIGHT,
    WRONG,
    GradientReport,
    Row,
    number,
    share,
)
from tinygrad_dnn.check.swept import Seen, contribution_trouble, sum_trouble, watched
from tinygrad_dnn.formula import formulas
from tinygrad_dnn.graph import Leaf, Node, mode, trace
from tinygrad_dnn.passes import forward_again
from tinygrad_dnn.tensor import Tensor, pull, record
from tinygrad_dnn.tree import flatten

LONGEST = 40  # of a formula in a message


def check_gradients(f: Any, *inputs: Any, order: int = 1, seed: int = 0) -> GradientReport:
    """Whether the gradients of f are right: each op that it records, and the sweep, measured.

    Args:
        f: takes the inputs and returns a Tensor of any shape, or several in dicts, lists, tuples.
            Or a recorded Tensor, without inputs: its parameters are checked.
        inputs: arrays, Tensors, or dicts, lists and tuples of them. Whole numbers are data.
        order: 2 checks second derivatives as well: the gradient of a graph is again a graph.
        seed: of the random cotangents and directions.

    Returns:
        A report: its verdict is "right", "wrong" or "cannot tell", and it is true if "right".

    Raises:
        TypeError: f returns something else than Tensors of floats; an array is not NumPy's.
        ValueError: there is nothing to differentiate, or order is below 1.
    """
    if order < 1:
        raise ValueError(f"check_gradients: expected order 1 or more, got {order}")
    if isinstance(f, Tensor):
        if inputs:
            raise TypeError("check_gradients: a recorded Tensor has its inputs in its graph")
        return _of_tensor(f, order, seed)
    return _of_every_order(f, Inputs(f, inputs), order, seed)


def assert_gradients(
    f: Any, *inputs: Any, order: int = 1, seed: int = 0, allow_cannot_tell: bool = False
) -> GradientReport:
    """`check_gradients`, for tests.

    Args:
        allow_cannot_tell: pass where nothing was found wrong but not everything could be measured.

    Raises:
        AssertionError: the printed report, unless the verdict is "right".
    """
    report = check_gradients(f, *inputs, order=order, seed=seed)
    if report.verdict == WRONG or (report.verdict == CANNOT_TELL and not allow_cannot_tell):
        raise AssertionError(str(report))
    return report


class _Recorder:
    """A recorded Tensor as a function of its parameters."""

    def __init__(self, y: Tensor) -> None:
        self.y = y
        self.graph = trace([y.node])
        self.parameters = [leaf for leaf in self.graph.leaves if leaf.requires_grad]
        if not self.parameters:
            raise ValueError(
                "check_gradients: the tensor depends on nothing that requires a gradient; make "
                "its parameters with Tensor(..., requires_grad=True)"
            )
        forward_again(self.graph)  # refuses a graph whose leaves were changed since
        self.origin: dict[Node, Node] = {}  # of every node of every call

    def __call__(self, *values: Tensor) -> Tensor:
        again: dict[Node, Any] = dict(zip(self.parameters, values, strict=True))
        for node in self.graph:
            if node in again:
                t = again[node]
            elif isinstance(node, Leaf):
                t = again[node] = Tensor(node.value)
            else:
                args = [again[x] if isinstance(x, Node) else x for x in node.inputs]
                t = again[node] = record(node.op, args, node.meta)
            t.node.name, t.node.scope = node.name, node.scope
            self.origin[t.node] = node
        result: Tensor = again[self.y.node]
        return result


def _of_tensor(y: Tensor, order: int, seed: int) -> GradientReport:
    """The check of a recorded result, in terms of its own nodes."""
    f = _Recorder(y)
    report = _of_every_order(f, Inputs(f, [leaf.value for leaf in f.parameters]), order, seed)
    blame = [
        replace(b, node=f.origin.get(b.node, b.node) if b.node else None) for b in report.blame
    ]
    rows = report.rows
    return replace(report, blame=blame, rows=rows, graph=f.graph)


def _of_every_order(f: Any, given: Inputs, order: int, seed: int) -> GradientReport:
    report = _checked(f, given, seed)
    for k in range(2, order + 1):
        if report.verdict == WRONG:
            break
        f = _slopes_of(f)
        report = _checked(f, given, seed, k)
    return report


def _slopes_of(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function whose values are f's gradients, recorded: what a higher order checks."""

    def slopes(*args: Any) -> list[Tensor]:
        outputs = [y for y in flatten(f(*args))[0] if isinstance(y, Tensor)]
        roots = [y.node for y in outputs if y.requires_grad]
        seeds = [Tensor(_seed(y)) for y in outputs if y.requires_grad]
        wanted = [leaf for leaf in trace(roots).leaves if leaf.requires_grad]
        found = pull(roots, seeds, wanted=wanted, create_graph=True)
        return [found[leaf] for leaf in wanted if leaf in found]

    return slopes


def _seed(y: Tensor) -> Any:
    """The cotangent of an output: 1 of a cost, else numbers without a pattern."""
    if y.size == 1:
        return np.ones(y.shape, y.dtype)
    return np.asarray(np.cos(1 + np.arange(y.size))).reshape(y.shape).astype(y.dtype)


class _Work:
    """The check of one recorded call."""

    def __init__(self, f: Callable[..., Any], given: Inputs, seed: int, order: int) -> None:
        self.f, self.given, self.order = f, given, order
        self.rng = np.random.default_rng(seed)
        self.call = called(f, given)
        if not self.call.parameters:
            raise ValueError(
                "check_gradients: there is nothing to differentiate; give arrays of floats "
                "(whole numbers are data: write 3.0 for 3)"
            )
        self.graph = self.call.graph
        self.roots = [y for y in self.call.outputs if y.requires_grad]
        self.seeds: dict[Node, Any] = {}
        for y in self.roots:
            self.seeds[y.node] = self.seeds.get(y.node, 0) + _seed(y)
        self.blame: list[Blame] = []
        self.notes: list[str] = []
        self.varies = False  # called again, the function gave other values
        self.blind: list[tuple[Node, int]] = []  # arguments of which nothing can be said
        self.truth: dict[Node, Any] = {n: widened(s) for n, s in self.seeds.items()}
        self.doubt: dict[Node, Any] = {}
        self.methods: dict[Node, dict[str, None]] = {}
        names = {n: n.name for n in self.graph if n.name}
        self.words = {**formulas(self.graph, names, LONGEST), **names}

    def run(self) -> GradientReport:
        """Everything in its order: first what a backward pass does, then whether it is right."""
        self._look_for_edits()
        nodes = [y.node for y in self.roots]
        seen, raised = watched(nodes, [_seed(y) for y in self.roots])
        grads, again = self._backward()
        self._judge_ops(seen)
        if raised is None and not self.varies:
            self._judge_sums(seen, grads)
        error = raised or again
        if error is not None and not self.blame:
            self._blame(
                faults.SWEEP_RAISED, None, None, f"backward: {type(error).__name__}: {error}"
            )
        if not self.varies:
            self._look_for_hidden()
        rows = [self._row(leaf, name, grads) for leaf, name in self._named_parameters()]
        verdict = WRONG if self.blame else CANNOT_TELL if self.blind else RIGHT
        return GradientReport(verdict, rows, self.blame, self.notes, self.order, self.graph)

    # --- what is blamed -----------------------------------------------------------------------

    def _blame(
        self, kind: str, node: Node | None, i: int | None, reason: str, worst: Any = None
    ) -> None:
        op = node.op if node is not None else None
        argument = None
        if op is not None and i is not None:
            argument = f"{op.arrays[0]}[{i}]" if op.many else op.arrays[i]
        numbers = () if worst is None else tuple(worst)
        where = "" if node is None else self.words.get(node, "")
        self.blame.append(
            Blame(kind, op.name if op else None, node, where, argument, reason, *numbers)
        )

    def _told(self, node: Node, i: int, kind: str, words: str, worst: Any) -> None:
        """Blame of the rule of one argument, in a sentence."""
        op = node.op
        of = f" for {op.arrays[0]}[{i}]" if op.many else f" for {op.arrays[i]}"
        of = of if len(node.inputs) > 1 else ""
        who = f"the rule of '{op.name}'{of} at {self.words[node]}"
        if worst is None:
            self._blame(kind, node, i, f"{who} {words}")
            return
        off = abs(worst.yours - worst.truth)
        part = off / abs(worst.truth) if worst.truth else 1.0
        at = f"element {list(worst.element)}" if worst.element else "it"
        is_wrong = "is missing" if kind == faults.MISSING_RULE else "is wrong"
        self._blame(
            kind,
            node,
            i,
            f"{who} {is_wrong}: {at} is {number(worst.yours)}, measured {number(worst.truth)} "
            f"(off by {share(part)})",
            worst,
        )

    # --- the parts of the check ---------------------------------------------------------------

    def _look_for_edits(self) -> None:
        for t, v in zip(self.call.variables, self.given.variables, strict=True):
            if not np.array_equal(t.numpy(), v.value, equal_nan=True):
                reason = f"the function changes its input {v.name} in place"
                self._blame(faults.MUTATED, t.node, None, reason)

    def _backward(self) -> tuple[dict[Node, Any], Exception | None]:
        """What `backward` leaves in `.grad`, of a call of its own; by the leaves of the first."""
        again = called(self.f, self.given)
        for was, now in zip(self.call.outputs, again.outputs, strict=False):
            if not np.array_equal(was.numpy(), now.numpy(), equal_nan=True):
                self.notes.append(
                    "the function gave other values when called again with the same inputs, so "
                    "it has no derivative to measure: fix its random numbers"
                )
                self.varies = True
                self.blind.append((was.node, -1))
                break
        first, second = self.call.parameters, again.parameters
        held = [(leaf, leaf.grad) for leaf in second]
        raised = None
        outputs = [y for y in again.outputs if y.requires_grad]
        with mode(recording=True, watch=None), np.errstate(all="ignore"):
            try:
                for k, y in enumerate(outputs):
                    y.backward(_seed(y), free=k == len(outputs) - 1)
            except Exception as error:
                raised = error
        grads = {a: b.grad for a, b in zip(first, second, strict=False)}
        for leaf, grad in held:
            leaf.grad = grad
        return {
            leaf: np.zeros(leaf.shape, leaf.dtype) if g is None else np.asarray(g)
            for leaf, g in grads.items()
        }, raised

    def _judge_ops(self, seen: Seen) -> None:
        values = values_of(self.graph)
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
        local = Alone(point)
        truth = self.truth.get(node)
        truth = np.zeros(node.shape, WIDE) if truth is None else truth
        for i, x in enumerate(node.inputs):
            if not isinstance(x, Node) or not x.requires_grad:
                continue
            told = check_argument(local, i, truth, self.rng)
            self._pass_on(node, x, told)
            trouble = told.trouble
            if trouble is None and i in node.wanted:
                swept = contribution_trouble(local, i, seen)
                trouble = swept and (*swept, None)
            if trouble is not None:
                self._told(node, i, *trouble)
            elif not told.decided and told.kinks + told.unknown:
                self.blind.append((node, i))
            if told.trouble is None:
                self._note_left_out(node, x, told)

    def _pass_on(self, node: Node, x: Node, told: Told) -> None:
        """The measured gradient, and what is known of it, to the input."""
        if node.op.stops:
            return
        value = told.truth.value
        self.truth[x] = self.truth[x] + value if x in self.truth else value
        doubt = told.truth.uncertainty
        if node in self.doubt:
            doubt = doubt + told.carried(self.doubt[node])
        self.doubt[x] = self.doubt[x] + doubt if x in self.doubt else doubt
        methods = self.methods.setdefault(x, {})
        methods.update(self.methods.get(node, {}))
        if told.method:
            methods[told.method] = None

    def _note_left_out(self, node: Node, x: Node, told: Told) -> None:
        size = int(np.prod(x.shape))
        who = f"{self.words[node]}: {{}} of {size} elements" if size > 1 else f"{self.words[node]}:"
        if told.kinks:
            self.notes.append(
                f"{who.format(told.kinks)} on a corner, where the slopes from both sides differ; "
                "left out"
            )
        if told.unknown:
            self.notes.append(
                f"{who.format(told.unknown)} without a slope that can be measured "
                "(NaN, infinite, or lost in rounding); left out"
            )

    def _judge_sums(self, seen: Seen, grads: Mapping[Node, Any]) -> None:
        for x, words in sum_trouble(self.graph, self.seeds, grads, seen):
            reason = f"the gradient of {self.words[x]} is not the sum over its uses: {words}"
            self._blame(faults.MISSING_ACCUMULATION, x, None, reason)

    def _look_for_hidden(self) -> None:
        by_name = dict(
            zip((v.name for v in self.given.variables), self.call.variables, strict=True)
        )
        for name, moved, recorded in hidden(self.f, self.given, self.call, self.order):
            reason = (
                f"the result depends on {name} in a way that was never recorded: along a random "
                f"direction it changes by {number(moved)}, in the graph by {number(recorded)}; was "
                "a value taken out with .data, .item() or float()?"
            )
            self._blame(faults.NOT_RECORDED, by_name[name].node, None, reason)

    # --- the rows -----------------------------------------------------------------------------

    def _named_parameters(self) -> list[tuple[Node, str]]:
        names = [v.name for v in self.given.variables]
        others = self.call.parameters[len(names) :]
        return [
            *zip((t.node for t in self.call.variables), names, strict=True),
            *((leaf, leaf.name or "a tensor") for leaf in others),
        ]

    def _row(self, leaf: Node, name: str, grads: Mapping[Node, Any]) -> Row:
        yours = _of_shape(grads[leaf], leaf.shape).astype(WIDE)
        truth = self.truth.get(leaf)
        truth = np.zeros(leaf.shape, WIDE) if truth is None else truth
        doubt = self.doubt.get(leaf, np.zeros(leaf.shape))
        wrong = self._reached([b.node for b in self.blame if b.node is not None], leaf)
        blind = self._reached([node for node, _ in self.blind], leaf)
        verdict = WRONG if wrong else CANNOT_TELL if blind else RIGHT
        methods = " and ".join(dict.fromkeys(m for m in self.methods.get(leaf, {})))
        method = f"{methods}, {bits(WIDE)} bits" if methods else "nothing depends on it"
        shape, dtype = leaf.shape, str(leaf.dtype)
        if not yours.size:
            return Row(name, shape, dtype, verdict, None, None, None, None, 0.0, method, None)
        apart = np.where(np.isnan(yours - truth), -1, np.abs(yours - truth))
        at = tuple(int(k) for k in np.unravel_index(int(np.argmax(apart)), shape))
        largest = float(np.nanmax(np.abs(truth), initial=0.0))
        off = float(apart[at])
        size = abs(float(truth[at])) or abs(float(yours[at]))
        return Row(
            name, shape, dtype, verdict, at, float(yours[at]), float(truth[at]),
            off / size if size else 0.0, off / largest if largest else off, method,
            float(doubt[at]),
        )  # fmt: skip

    def _reached(self, nodes: Sequence[Node], leaf: Node) -> bool:
        """Whether one of the nodes was computed from the leaf, or is it."""
        return leaf in set(trace(nodes)) if nodes else False


def _of_shape(g: Any, shape: tuple[int, ...]) -> Any:
    """A gradient as it is, or NaN for one of another shape, of which the blame tells."""
    return g if g.shape == shape else np.full(shape, np.nan)


def _on_the_way(node: Node) -> bool:
    return node.dtype.kind == "f" and any(
        isinstance(x, Node) and x.requires_grad for x in node.inputs
    )


def _checked(f: Callable[..., Any], given: Inputs, seed: int, order: int = 1) -> GradientReport:
    return _Work(f, given, seed, order).run()
