"""Whether a student's function can be called as the document's is, and how."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tinygrad_dnn.grading.function import Function
from tinygrad_dnn.isolation.borrowing import spelling

_ARGUMENTS = r"\b{}\(([^()]*)\)"


def order_of(function: Function, parameters: Sequence[str], required: int) -> Sequence[str] | None:
    """The names by which a function is to be given its arguments, in the document's order.

    They are empty where it takes them as the document's does; None where it can't be called.

    Args:
        function: of the document.
        parameters: of the student's function, `*` for any number more.
        required: how many of them must be given.
    """
    wanted, given = function.parameters, _arguments(function)
    names = [p for p in parameters if p != "*"]
    if required > len(given) or (len(names) < len(given) and "*" not in parameters):
        return None
    return _order(wanted[: len(given)], names)


def by_name(code: str, function: str, order: Sequence[str]) -> str:
    """The code with the arguments of the function given by these names, if there are any."""

    def named(found: re.Match[str]) -> str:
        values = [a.strip() for a in found[1].split(",")]
        return f"{function}({', '.join(f'{n}={v}' for n, v in zip(order, values, strict=True))})"

    return re.sub(_ARGUMENTS.format(function), named, code) if order else code


def _order(wanted: Sequence[str], names: Sequence[str]) -> list[str] | None:
    """The student's name of each of the document's parameters; empty where they stand in the
    document's order, None where they are others.
    """
    there = {spelling(name): name for name in names}
    found = {w: there[spelling(w)] for w in wanted if spelling(w) in there}
    if all(names.index(name) == wanted.index(w) for w, name in found.items()):
        return []
    lacking = [w for w in wanted if w not in found]
    others = [n for n in names[: len(wanted)] if n not in found.values()]
    if len(lacking) != len(others) or len(lacking) > 1:
        return None
    found |= dict(zip(lacking, others, strict=True))
    return [found[w] for w in wanted]


def _arguments(function: Function) -> list[str]:
    found = re.search(_ARGUMENTS.format(function.name), function.call)
    return [a.strip() for a in found[1].split(",")] if found else []
