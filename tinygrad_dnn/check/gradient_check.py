"""`check_gradients`: every op of a recorded computation alone, every sum over uses, and whether
the graph holds all that the result depends on.

If each rule is the derivative of its op, each gradient the sum over its uses, and nothing was left
out of the graph, then the chain rule makes the whole right. That is checked, rather than the whole
end to end, because twenty ops together are badly conditioned where each of them is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tinygrad_dnn.autodiff.pytree import flatten
from tinygrad_dnn.autodiff.retrace import forward_again, recorded_again, unchanged
from tinygrad_dnn.autodiff.tensor import Tensor, pull
from tinygrad_dnn.check.graph_check import Work
from tinygrad_dnn.check.report import CANNOT_TELL, WRONG, GradientReport
from tinygrad_dnn.check.traced_call import Inputs, seed_for
from tinygrad_dnn.graph import Node, trace


def check_gradients(f: Any, *inputs: Any, order: int = 1, seed: int = 0) -> GradientReport:
    """Whether the gradients of f are right: each op that it records, and the sweep, measured.

    What is taken out of the graph (.data, .item(), .detach()) makes them wrong; `stop_gradient`
    says that it is meant, and is taken at its word.

    Args:
        f: takes the inputs and returns a Tensor of any shape, or several in dicts, lists, tuples.
            Parameters that it closes over are checked as well. Or a recorded Tensor, without
            inputs: its parameters are checked, but not whether something was taken out.
        inputs: arrays, Tensors, or dicts, lists and tuples of them. Whole numbers are data.
        order: 2 checks second derivatives as well: the gradient of a graph is again a graph.
        seed: of the random cotangents and directions.

    Returns:
        A report: its verdict is "right", "wrong" or "cannot tell", and it is true if "right".

    Raises:
        TypeError: f returns something else than Tensors of floats; an array is not NumPy's.
        ValueError: there is nothing to differentiate, or order is below 1.

    Example: `check_gradients(lambda W: (W @ W).sum(), W).verdict` is `"right"`.
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
        allow_cannot_tell: pass as well where nothing was found wrong but something could not be
            measured.

    Raises:
        AssertionError: the printed report, if the verdict is "wrong", or "cannot tell" unless that
            is allowed.

    Example: `assert_gradients(np.tanh, x)` says nothing.
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
        given: dict[Node, Tensor] = dict(zip(self.parameters, values, strict=True))
        again = recorded_again(
            self.graph, lambda node, xs: given[node] if node in given else unchanged(node, xs)
        )
        self.origin |= {t.node: node for node, t in again.items()}
        return again[self.y.node]


def _of_tensor(y: Tensor, order: int, seed: int) -> GradientReport:
    """The check of a recorded result, in terms of its own nodes."""
    f = _Recorder(y)
    given = Inputs(f, [leaf.value for leaf in f.parameters])
    given.variables = [
        v._replace(name=leaf.name or v.name)
        for v, leaf in zip(given.variables, f.parameters, strict=True)
    ]
    report = _of_every_order(f, given, order, seed)
    blame = [
        replace(b, node=f.origin.get(b.node, b.node) if b.node else None) for b in report.blame
    ]
    return replace(report, blame=blame, graph=f.graph)


def _of_every_order(f: Any, given: Inputs, order: int, seed: int) -> GradientReport:
    report = Work(f, given, seed, 1, last=order == 1).run()
    for k in range(2, order + 1):
        if report.verdict == WRONG:
            break
        f = _Slopes(f)
        report = Work(f, given, seed, k, last=order == k).run()
    return report


class _Slopes:
    """The function whose values are f's gradients, recorded: what a higher order checks.

    Attributes:
        own_nodes: of the last call, the nodes that f itself recorded; all others are of rules.
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f
        self.own_nodes: set[Node] = set()

    def __call__(self, *args: Any) -> list[Tensor]:
        outputs = [y for y in flatten(self.f(*args))[0] if isinstance(y, Tensor)]
        roots = [y.node for y in outputs if y.requires_grad]
        seeds = [Tensor(seed_for(y)) for y in outputs if y.requires_grad]
        graph = trace(roots)
        self.own_nodes = set(graph)
        wanted = [leaf for leaf in graph.leaves if leaf.requires_grad]
        found = pull(roots, seeds, wanted=wanted, create_graph=True)
        return [found[leaf] for leaf in wanted if leaf in found]
