"""Arguments that may be nested lists of Tensors, which NumPy's own functions can't look into."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tinygrad_dnn.formula.calls import note_order
from tinygrad_dnn.graph import Call, scope

__all__: list[str] = []


def tensors(arguments: Sequence[Any]) -> int:
    """How many Tensors there are among the arguments, and in lists of lists of them."""
    stack, found = list(arguments), 0
    while stack:
        x = stack.pop()
        if _is_tensor(x):
            found += 1
        elif isinstance(x, (list, tuple)):
            stack += x
    return found


def _in_order(arguments: Sequence[Any]) -> Iterator[Any]:
    """The arguments, and what lists of lists among them hold."""
    stack = list(reversed(arguments))
    while stack:
        x = stack.pop()
        if isinstance(x, (list, tuple)):
            stack += reversed(x)
        else:
            yield x


def recorded(name: str, settings: str, arguments: Sequence[Any], compute: Callable[[], Any]) -> Any:
    """What a function computes from arguments, recorded in the scope of one call."""
    given = [x for x in _in_order(arguments) if getattr(x, "shape", ()) or _is_tensor(x)]
    call = Call(name, settings, tuple(map(_is_tensor, given)))
    with scope(call):
        z = compute()
    first = z
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    if sum(call.given) > 1 and _is_tensor(first):
        note_order(call, first.node, [x.node for x in given if _is_tensor(x)])
    return z


def _is_tensor(x: Any) -> bool:
    return hasattr(type(x), "__record__")


def joined(x: Any, stack: Callable[[Sequence[Any]], Any]) -> Any:
    """A list of Tensors, or of lists of them, as one; what holds none as it is."""
    if isinstance(x, (list, tuple)) and tensors(x):
        return stack([joined(y, stack) for y in x])
    return x
