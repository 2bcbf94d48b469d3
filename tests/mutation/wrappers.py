"""Faults around a rule: its gradient a little off, of another sign, shape, order or type."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from mutation.planted import Mutant, redeclared
from tinygrad_dnn import Tensor
from tinygrad_dnn.ops import Op
from tinygrad_dnn.ops.rules import Rule

Spoil = Callable[[Any, tuple[int, ...]], Any]


def _one_element(gx: Any, shape: tuple[int, ...]) -> Any:
    """gx with its last element 0; a gradient of one element has no other part that is right."""
    if len(gx.shape) == 0 or 0 in gx.shape:
        return gx
    size = int(np.prod(gx.shape))
    return gx * np.reshape(np.arange(size) < max(size - 1, 1), gx.shape)


def _first_row(gx: Any, shape: tuple[int, ...]) -> Any:
    if len(gx.shape) == 0:
        return gx
    row = np.reshape(np.arange(gx.shape[0]) == 0, (-1,) + (1,) * (len(gx.shape) - 1))
    return gx * row


def _transposed(gx: Any, shape: tuple[int, ...]) -> Any:
    square = len(gx.shape) > 1 and gx.shape[-1] == gx.shape[-2]
    return np.swapaxes(gx, -1, -2) if square else gx


def _not_summed(gx: Any, shape: tuple[int, ...]) -> Any:
    """The first of the repeated gradients where their sum belongs."""
    if gx.shape == shape:
        return gx
    gx = gx[(0,) * (len(gx.shape) - len(shape))]
    return gx[tuple(slice(0, 1) if n == 1 else slice(None) for n in shape)]


SPOILS: dict[str, Spoil] = {
    "scaled by 1 + 1e-6": lambda gx, shape: gx * (1 + 1e-6),
    "1e-6 added": lambda gx, shape: gx + 1e-6,
    "sign flipped": lambda gx, shape: -gx,
    "zeros returned": lambda gx, shape: gx * 0,
    "only the first row right": _first_row,
    "the last element 0": _one_element,
    "transposed where square": _transposed,
    "broadcast not summed": _not_summed,
    "float64 returned": lambda gx, shape: gx.astype(np.result_type(gx.dtype, np.float64)),
}


def spoiled_rule(op: Op, i: int, rule: Rule, spoil: Spoil, effects: list[bool]) -> Rule:
    """The rule with its gradient put through `spoil`; `effects` gets whether that changed it."""
    names = list(inspect.signature(rule).parameters)
    shape = f"{op.arrays[i]}_shape"
    asks = list(dict.fromkeys([*names, shape, *(["i"] if op.many else [])]))

    def wrapped(*values: Any) -> Any:
        given = dict(zip(asks, values, strict=True))
        gx = rule(*values[: len(names)])
        spoiled = spoil(gx, given[shape][given["i"]] if op.many else given[shape])
        effects.append(not _equal(gx, spoiled))
        return spoiled

    return _asking(wrapped, asks)


def _equal(x: Any, y: Any) -> bool:
    x, y = (t.data if isinstance(t, Tensor) else t for t in (x, y))
    return x.dtype == y.dtype and np.array_equal(x, y, equal_nan=True)


def _asking(wrapped: Callable[..., Any], names: list[str]) -> Rule:
    """A function of these names, for an op reads off a rule's names what to give it."""
    asks = ", ".join(names)
    rule: Rule = eval(f"lambda {asks}: wrapped({asks})", {"wrapped": wrapped})
    return rule


def _of_next(op: Op, rule: Rule) -> Rule:
    """The rule of a many-array op answering for its neighbour."""
    names = list(inspect.signature(rule).parameters)
    asks = list(dict.fromkeys([*names, "i", f"{op.arrays[0]}_shape"]))

    def wrapped(*values: Any) -> Any:
        given = dict(zip(asks, values, strict=True))
        given["i"] = (given["i"] + 1) % len(given[f"{op.arrays[0]}_shape"])
        return rule(*(given[n] for n in names))

    return _asking(wrapped, asks)


def _same_rule(rule: Rule, other: Rule) -> bool:
    mine, its = rule.__code__, other.__code__
    return (mine.co_code, mine.co_consts, mine.co_names, mine.co_varnames) == (
        its.co_code, its.co_consts, its.co_names, its.co_varnames)  # fmt: skip


def _with(op: Op, i: int, rule: Rule | None) -> tuple[Rule | None, ...]:
    return (*op.rules[:i], rule, *op.rules[i + 1 :])


def wrappers(op: Op) -> Iterator[Mutant]:
    """Every fault around the rules of an op, and every trait of it declared otherwise."""

    def mutant(kind: str, i: int, rules: tuple[Rule | None, ...], effects: list[bool]) -> Mutant:
        where = f"{op.name}.{op.arrays[i]}"
        plant = partial(redeclared, op, rules)
        return Mutant("rule wrapped", where, kind, plant, (op,), effects)

    for i, rule in enumerate(op.rules):
        if rule is None:
            continue
        for kind, spoil in SPOILS.items():
            effects: list[bool] = []
            yield mutant(kind, i, _with(op, i, spoiled_rule(op, i, rule, spoil, effects)), effects)
        yield mutant("no rule", i, _with(op, i, None), [True])
        for j, other in enumerate(op.rules):
            if j != i and other is not None and not _same_rule(rule, other):
                yield mutant(f"rule of {op.arrays[j]}", i, _with(op, i, other), [True])
        if op.many:
            yield mutant("rule of the next array", i, _with(op, i, _of_next(op, rule)), [True])
    yield from _traits(op)


def _traits(op: Op) -> Iterator[Mutant]:
    matters = {
        "selects": op.selects and op.differentiable,
        "elementwise": op.elementwise and any(op.masks),
        "view": bool(op.view) and op.differentiable,
    }
    for trait, there in matters.items():
        if there:
            plant = partial(redeclared, op, None, **{trait: False})
            yield Mutant("trait dropped", op.name, trait, plant, (op,), [True])
