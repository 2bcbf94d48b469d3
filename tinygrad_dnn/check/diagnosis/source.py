"""The function that a gradient belongs to: in its backward pass mistakes can be made on purpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Source(NamedTuple):
    """Where a gradient comes from: scale · Σ g · ∂forward(*inputs)/∂inputs[k].

    Attributes:
        forward: takes the inputs and returns one array; mistakes at single uses of a value are
            looked for where it takes Tensors.
        inputs: arrays, and whatever else it takes.
        k: which of them the gradient is for.
        g: the cotangent, of the shape of the result.
        names: of the inputs, for the words; `x0`, `x1`, ... without them.
        scale: the document's dW is 1/m times the gradient that its dA leads to.
        ask: the gradient in question for another cotangent at other inputs, where there is a
            function to be asked.
    """

    forward: Callable[..., Any]
    inputs: Sequence[Any]
    k: int
    g: Any
    names: Sequence[str] = ()
    scale: float = 1.0
    ask: Callable[[Any, Sequence[Any]], Any] | None = None

    @property
    def called(self) -> Sequence[str]:
        """The names of the inputs."""
        return self.names or [f"x{n}" for n in range(len(self.inputs))]
