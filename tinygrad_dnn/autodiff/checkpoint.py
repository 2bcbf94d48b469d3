"""`checkpoint`: a function whose intermediate values are let go, and computed again going backward.

What it computes is recorded as always; then the values are let go and the structure is kept, as one
op, whose rule records the structure again from the same inputs and pulls the cotangent back through
it. So the function itself runs once, and random numbers that it drew stay the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tinygrad_dnn.autodiff.errors import refuse_others
from tinygrad_dnn.autodiff.evaluate import evaluate
from tinygrad_dnn.autodiff.pytree import flatten, ravel_tree, rebuild
from tinygrad_dnn.autodiff.retrace import recorded_again
from tinygrad_dnn.autodiff.tensor import Tensor, handle, pull, record, variable
from tinygrad_dnn.autodiff.transforms import Transformed
from tinygrad_dnn.graph import NO_META, Leaf, Node, Observer, behind, mode, rebuilt, traced
from tinygrad_dnn.graph.mode import MODE
from tinygrad_dnn.graph.node import tick
from tinygrad_dnn.ops import Op


def checkpoint(f: Callable[..., Any], *args: None, **others: None) -> Transformed:
    """f, of which only arguments and results are kept in memory until the gradient is computed.

    The backward pass computes the values on the way again (about one more forward pass), so that a
    chain of n such functions needs the memory of n results and one inside. Derivatives of every
    order and pictures (one box) go with it; a compiled program, whose buffers are its own business,
    has f as it is, and so have `debug` and `per_example_gradients`. `remat` is another name of this
    function. (`storage.run_file` has files of training runs.)

    Args:
        f: any function of Tensors, arrays and structures of them; Tensors that it closes over get
            their gradients too. It returns a Tensor, or a structure of Tensors and anything else.

    Raises:
        TypeError: it is given the arguments of f as well, which are for what it returns.

    Example: `for W in layers: A = checkpoint(layer)(W, A)`.
    """
    refuse_others("checkpoint", others)
    if args:
        raise TypeError(
            f"checkpoint: expected a function alone, got {len(args)} more; "
            "it returns a function: checkpoint(f)(x)"
        )
    return Transformed(checkpoint, f, _run)


remat = checkpoint


def _run(f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    now = MODE.get()
    watched = now.watch is not None and not isinstance(now.watch, _Read)
    if not now.recording or watched or traced():
        return f(*args, **kwargs)
    read = _Read(tick())
    with mode(watch=read):
        value = f(*args, **kwargs)
        out, layout = flatten(value, records=True)
        made = [x for x in out if isinstance(x, Tensor) and read.is_inside(x.node)]
        if not any(x.requires_grad for x in made):
            return value
        made = [x for x in made if x.requires_grad]
        whole, apart = (made[0], _alone) if len(made) == 1 else ravel_tree(made)
    named = getattr(f, "__name__", "checkpoint").strip("<>")
    found = _forgotten(named, whole, read)
    parts = iter(apart(found))
    ours = {id(x) for x in made}
    return rebuild(layout, [next(parts) if id(x) in ours else x for x in out])


class _Read(Observer):
    """The values that a function reads and did not compute.

    Args:
        began: when it was called.
    """

    def __init__(self, began: int) -> None:
        self.began = began
        self.values: dict[Node, Any] = {}
        self._arrays: Sequence[Any] = ()

    def is_inside(self, node: Node) -> bool:
        """Whether the function computed it."""
        return node.index > self.began and not isinstance(node, Leaf)

    def after_op(self, op: Any, inputs: Sequence[Any], arrays: Sequence[Any], z: Any) -> None:
        """Remember the values until the node is there."""
        self._arrays = arrays

    def after_record(self, node: Node) -> None:
        """Keep those that came from outside."""
        for x, value in zip(node.inputs, self._arrays, strict=True):
            if isinstance(x, Node) and not self.is_inside(x):
                self.values[x] = value


def _alone(whole: Tensor) -> list[Any]:
    return [whole]


def _forgotten(named: str, whole: Tensor, read: _Read) -> Tensor:
    """The same value as the result of one op, of which the inputs alone are kept."""
    inputs, structure = _structure(whole.node, read)
    last = structure[-1]
    ready = [whole._array]  # what f gave; computed again where it is needed again

    def forward(*arrays: Any) -> Any:
        return (
            ready.pop() if ready else evaluate([last], dict(zip(inputs, arrays, strict=True)))[last]
        )

    def gradients(g: Any, saved: tuple[Any, ...]) -> list[Any]:
        with mode(recording=True):
            given = [
                variable(x) if node.requires_grad and node.dtype.kind == "f" else Tensor(x)
                for node, x in zip(inputs, saved[1:], strict=True)
            ]
            starts = [t.node for t in given]
            # Of all that is recorded no more is held here: the sweep frees what it passes.
            end = recorded_again(structure, _applied, zip(inputs, given, strict=True))[last].node
            found = pull([end], [g], wanted=starts, create_graph=isinstance(g, Tensor))
        return [found.get(node) for node in starts]

    op = Op(forward, f"{named}({{xs}})", lambda i, g, arrays: None, name=named)
    op.joint = gradients
    return record(op, [handle(x, read.values[x]) for x in inputs], NO_META)


def _applied(node: Node, inputs: Sequence[Any]) -> Tensor:
    return record(node.op, inputs, node.meta)


def _structure(whole: Node, read: _Read) -> tuple[list[Node], list[Node]]:
    """What a function read from outside, and its ops without their values, in order."""
    ordered = behind([whole], lambda node: not read.is_inside(node))
    bare: dict[Node, Node] = {}
    for node in ordered:
        if read.is_inside(node):
            xs = [bare.get(x, x) if isinstance(x, Node) else x for x in node.inputs]
            bare[node] = rebuilt(node, xs)
    return [node for node in ordered if node not in bare], [*bare.values()]
