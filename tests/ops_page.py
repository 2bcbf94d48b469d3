"""The page of all ops: formula and derivative of each, and the functions that are composed of them.

`python tests/ops_page.py` writes examples/guide/ops.md; tests/ops/test_ops_page.py compares.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_dnn import COMPOSED, REGISTRY, Op, Tensor, gradients
from tinygrad_dnn.check.op_check import cases_of, sampled
from tinygrad_dnn.formula.text import formulas
from tinygrad_dnn.graph import trace

PAGE = Path(__file__).parents[1] / "examples" / "guide" / "ops.md"
WRITE = "python tests/ops_page.py"
LETTERS = ("x", "y", "w", "v")

HEAD = f"""# All ops

Written by `{WRITE}` from the registry: how each op is written in formulas, and what
its rules make of the cotangent `g` of its result `z`, recorded on named Tensors. A line is for one
case of arguments; *none* is a constant. The sweep sums a gradient back over broadcast axes, which
no rule says. What happens at kinks stands in the docstrings.
"""


def written(t: Tensor) -> str:
    """The formula of a recorded Tensor in the names of what it is made of."""
    graph = trace([t.node])
    names = {node: node.name for node in graph if node.name}
    text = formulas(graph, names, longest=300).get(t.node) or names.get(t.node)
    return text or f"{t.data.flat[0]:g}"  # a constant, the same everywhere


def first_sentence(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split()).split(". ")[0].rstrip(".:")


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def line_of(op: Op) -> tuple[str, str]:
    """An op's formula, and its derivatives by each argument."""
    case = cases_of(op)[0]
    arrays = sampled(op, case)
    names: Sequence[str] = LETTERS if op.many else op.arrays
    xs = [
        Tensor(x, x.dtype.kind == "f" and op.rule(i) is not None, name)
        for i, (x, name) in enumerate(zip(arrays, names, strict=False))
    ]
    z: Any = op(xs, **case.meta) if op.many else op(*xs, **case.meta)
    formula = written(z)
    wanted = [x for x in xs if x.requires_grad]
    if not z.requires_grad:
        return formula, "none"
    z.name = "z"
    g = Tensor(np.ones(z.shape), True, "g")
    found = gradients(z, wanted, gradient=g, create_graph=True)
    return formula, "; ".join(
        f"{x.name}: {written(gx)}" for x, gx in zip(wanted, found, strict=True)
    )


def kinds(things: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """The ops or functions of each module, under the first sentence of its docstring."""
    for module in dict.fromkeys(x.__module__ for x in things):
        title = first_sentence(sys.modules[module].__doc__)
        yield title, [x for x in things if x.__module__ == module]


def page() -> str:
    lines = [HEAD]
    for title, ops in kinds([op for op in REGISTRY.values() if op.builtin]):
        lines += [f"## {title}", "", "| op | formula | derivatives | |", "|---|---|---|---|"]
        for op in ops:
            texts = (f"`{op.name}`", *line_of(op), first_sentence(op.__doc__))
            lines.append(f"| {' | '.join(map(cell, texts))} |")
        lines.append("")
    lines += ["# Functions composed of ops", ""]
    lines += [
        "They have no rules of their own, those of their ops do; a picture draws each as one box.",
        "",
    ]
    for title, functions in kinds(list(COMPOSED.values())):
        lines += [f"## {title}", ""]
        lines += [f"- `{f.shown}`: {first_sentence(f.__doc__)}" for f in functions]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
