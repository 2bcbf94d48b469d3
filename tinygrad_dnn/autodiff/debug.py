"""`debug()`: the first NaN or inf by op, element, inputs and likely cause; silent edits named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.autodiff.errors import operand
from tinygrad_dnn.autodiff.reverse import StaleValueError, fingerprint
from tinygrad_dnn.graph import Leaf, Node, Observer, describe, mode
from tinygrad_dnn.ops import Op, sigmoid


class NonFiniteError(FloatingPointError):
    """A NaN or an infinity that was not there before an op."""


@contextmanager
def debug() -> Iterator[None]:
    """Inside the block every op, forward and backward, is checked for NaN and inf, and every value
    that a derivative rule will read for edits behind the engine's back.

    Costs a pass over every result and a checksum of every saved value; nothing when off. Values of
    NumPy arrays only: a lazy array would have to be computed.

    Raises:
        NonFiniteError: the first result or gradient with a NaN or inf that its inputs did not have.
        StaleValueError: a saved value was edited in place (through an alias) before backward.

    Example: `with debug(): cost = np.sum(np.exp(Tensor(x)))`.
    """
    with mode(watch=Watch()):
        yield


class Watch(Observer):
    """The observer behind `debug`, with what it has seen so far."""

    def __init__(self) -> None:
        # Checksums of saved values, for as long as their node has them.
        self.seen: dict[Node, tuple[int | None, ...]] = {}

    def after_op(self, op: Op, inputs: Sequence[Any], arrays: Sequence[Any], z: Any) -> None:
        """The forward result of an op: where it first went wrong, and why."""
        bad = birth(op, inputs, arrays, z)
        if bad is None:
            return
        operands = list(map(operand, inputs))
        given = ", ".join(name + number for name, number in zip(operands, bad.given, strict=True))
        raise NonFiniteError(
            f"debug: {op.name}({', '.join(operands)}) gave {z[bad.at]} at {_place(bad.at)}, from "
            f"{given}{bad.cause}"
        )

    def after_record(self, node: Node) -> None:
        """Remember what the saved values look like."""
        if node.saved is not None:
            self.seen[node] = tuple(map(fingerprint, node.saved))

    def before_rule(self, node: Node) -> None:
        """Compare the saved values with what they looked like when they were recorded."""
        prints = self.seen.get(node, ())
        for who, was, value in zip((node, *node.inputs), prints, node.saved or (), strict=False):
            if was is not None and fingerprint(value) != was:
                from tinygrad_dnn.formula.text import formula

                alias = " (through an alias of its array)" if isinstance(who, Leaf) else ""
                raise StaleValueError(
                    f"debug: {operand(who)}{alias} was edited in place after {describe(node)} = "
                    f"{formula(node)} was computed; call backward() before the edit, or edit a copy"
                )

    def after_rule(self, node: Node, i: int, g: Any, gx: Any) -> None:
        """The gradient that a rule gave: where it first went wrong, and why."""
        at = _new_bad(gx, [g])
        if at is None:
            return
        from tinygrad_dnn.formula.text import formula

        x = node.inputs[i]
        slope = "" if not node.op.elementwise else "; its slope there is not finite"
        value = x.value[at] if isinstance(x, Leaf) else None
        shown = "" if value is None else f" (where it is {value})"
        raise NonFiniteError(
            f"debug: backward through {node.op.name} = {formula(node)}: the gradient of "
            f"{operand(x)} is {gx[at]} at {_place(at)}{shown}{slope}{node.op.remedy}"
        )


class Birth(NamedTuple):
    """Where a result went wrong first: the element, each input's numbers there, the likely cause.

    The numbers read on after the input's name (` = 0.0`), the cause after them (`; ...`, or "").
    """

    at: tuple[int, ...]
    given: tuple[str, ...]
    cause: str


def birth(op: Op, inputs: Sequence[Any], arrays: Sequence[Any], z: Any) -> Birth | None:
    """The first NaN or inf of `z = op(*arrays)` that its inputs did not have; None if none is new.

    A NaN from infinities (∞ − ∞) is new. Of an elementwise op an element is compared with those
    that it is made of, so that an overflow beside a mask's −∞ is found. Only NumPy arrays are
    looked at.
    """
    at = _new_bad(z, arrays, op.elementwise)
    if at is None:
        return None
    given = tuple(_number_at(op.elementwise, array, at, z.shape) for array in arrays)
    return Birth(at, given, _cause(op, inputs, arrays, at, z))


def _new_bad(z: Any, sources: Sequence[Any], elementwise: bool = False) -> tuple[int, ...] | None:
    """The first NaN of z if no source had one (∞ − ∞ is new), or its first ∞ if all were finite."""
    new = []
    for is_bad, known in ((np.isnan, np.isnan), (np.isinf, lambda x: ~np.isfinite(x))):
        bad = _bad(is_bad, z)
        for x in sources:
            there = _bad(known, x)
            if bad is not None and there is not None:
                bad = bad & ~there if elementwise else None
        if bad is not None and bad.any():
            new.append(tuple(int(i) for i in np.unravel_index(bad.argmax(), bad.shape)))
    return min(new, default=None)


def _bad(is_bad: Callable[[Any], Any], x: Any) -> Any:
    """Which elements are bad; None if none is, or x is no NumPy array of floats."""
    x = np.asarray(x) if isinstance(x, (np.generic, float)) else x
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
        return None
    bad = is_bad(x)
    return bad if bad.any() else None


def _place(at: tuple[int, ...]) -> str:
    return f"element {list(at)}" if at else "its only element"


def _at(x: Any, at: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    try:
        return np.broadcast_to(x, shape)[at]
    except ValueError:
        return None  # not elementwise: no single input element belongs to this result


def _number_at(elementwise: bool, x: Any, at: tuple[int, ...], shape: tuple[int, ...]) -> str:
    value = _at(x, at, shape) if elementwise else None
    if value is None and np.size(x) == 0:
        return ", which is empty"
    return f" in [{np.min(x)}, {np.max(x)}]" if value is None else f" = {value}"


def _cause(
    op: Op, inputs: Sequence[Any], arrays: Sequence[Any], at: tuple[int, ...], z: Any
) -> str:
    """The likely reason and a remedy, where the numbers give one away."""
    pole = op.pole
    if pole is not None and _at(arrays[pole.argument], at, z.shape) == pole.value:
        saturated = any(x.op is sigmoid for x in _ancestry(inputs[pole.argument]))
        return f"; {(saturated and pole.saturated) or pole.cause}"
    if not op.elementwise:
        return "" if np.isnan(z[at]) else f"; the sum is too large for {z.dtype}"
    if np.isnan(z[at]):
        return f"; {op.undefined or op.name} is not defined there"
    return f"; too large for {z.dtype}"


def _ancestry(x: Any, steps: int = 3) -> Iterator[Node]:
    """The node and a few of those before it along first operands (`1 − σ(z)` is one step away)."""
    for _ in range(steps):
        if not isinstance(x, Node):
            return
        yield x
        x = next(iter(x.parents), None)
