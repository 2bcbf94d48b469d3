"""Faults in the source of the rules: lambdas, named rules, and the helpers they call."""

from __future__ import annotations

import dis
from collections.abc import Iterable, Iterator
from functools import partial
from types import CodeType, FunctionType
from typing import Any

from mutation.planted import Mutant, rewritten
from mutation.syntax import Change, changes
from tinygrad_dnn.ops import Op


def called(function: FunctionType) -> list[FunctionType]:
    """The project's own functions that a function's code names, forwards of ops among them."""
    found = []
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        codes += [c for c in code.co_consts if isinstance(c, CodeType)]
        for instruction in dis.get_instructions(code):
            if instruction.opname != "LOAD_GLOBAL":
                continue
            value = function.__globals__.get(instruction.argval)
            value = value.forward if isinstance(value, Op) else value
            if isinstance(value, FunctionType) and value.__module__.startswith("tinygrad_dnn."):
                found.append(value)
    return found


def reached(op: Op) -> list[FunctionType]:
    """The rules of an op and everything of the project's that they call."""
    stack = [rule for rule in op.rules if isinstance(rule, FunctionType)]
    seen = dict.fromkeys(stack)
    while stack:
        for function in called(stack.pop()):
            if function not in seen:
                seen[function] = None
                stack.append(function)
    return list(seen)


def source_mutants(ops: Iterable[Op]) -> Iterator[Mutant]:
    """Every single change in the source of the rules of these ops."""
    users: dict[FunctionType, list[Op]] = {}
    for op in ops:
        for function in reached(op):
            users.setdefault(function, []).append(op)
    for function, by in users.items():
        direct = [op for op in by if function in op.rules]
        where = _name(function, direct)
        extra = _spare(direct)
        for change in changes(function, extra):
            plant = partial(_plant, function, change, direct)
            yield Mutant(f"source: {change.kind}", where, change.reads, plant, tuple(by), [True])


def _plant(function: FunctionType, change: Change, direct: list[Op]) -> Any:
    return rewritten(function, change.compiled(), direct)


def _name(function: FunctionType, direct: list[Op]) -> str:
    if function.__name__ != "<lambda>":
        return function.__name__
    op = direct[0]
    return f"{op.name}.{op.arrays[op.rules.index(function)]}"


def _spare(direct: list[Op]) -> tuple[str, ...]:
    """What a rule might have asked for: the arrays and the result of every op it serves."""
    if not direct or any(op.many for op in direct):
        return ()
    return tuple(a for a in ("z", *direct[0].arrays) if all(a in ("z", *o.arrays) for o in direct))
