"""The architecture as a picture: which package imports which, read from the code.

    python tests/architecture.py   # writes examples/pictures/architecture.svg

An arrow leads from a package to one that it imports; what follows from other arrows is left out.
Needs the extra `dev` (import-linter brings the reader of imports).
"""

from __future__ import annotations

from pathlib import Path

import graphviz
import grimp

import viz

PICTURE = Path(__file__).parents[1] / "examples" / "pictures" / "architecture.svg"


def imports() -> dict[str, set[str]]:
    """The packages and top modules of tinygrad_dnn and viz, and what each imports directly."""
    graph = grimp.build_graph("tinygrad_dnn", "viz", cache_dir=None)
    found: dict[str, set[str]] = {}
    for module in sorted(graph.modules):
        a = place(module)
        for other in graph.find_modules_directly_imported_by(module):
            b = place(other)
            if a != b and "tinygrad_dnn" not in (a, b) and "__main__" not in (a, b):
                found.setdefault(a, set()).add(b)
                found.setdefault(b, set())
    return found


def place(module: str) -> str:
    """`autodiff` of tinygrad_dnn.autodiff.tensor; all of viz is one."""
    parts = module.split(".")
    return "viz" if parts[0] == "viz" else parts[min(1, len(parts) - 1)]


def reduced(found: dict[str, set[str]]) -> list[tuple[str, str]]:
    """The arrows that do not follow from others."""
    return [
        (a, b)
        for a in sorted(found)
        for b in sorted(found[a])
        if b not in below(found[a] - {b}, found)
    ]


def below(names: set[str], found: dict[str, set[str]]) -> set[str]:
    """All that names import, directly or not."""
    reached: set[str] = set()
    stack = [*names]
    while stack:
        new = found[stack.pop()] - reached
        reached |= new
        stack += new
    return reached


def picture() -> graphviz.Digraph:
    """The packages with arrows down to what they import."""
    found = imports()
    drawn = graphviz.Digraph(
        graph_attr={"rankdir": "TB", "ranksep": "0.45", "nodesep": "0.3", "bgcolor": "white"},
        node_attr={
            "shape": "box", "style": "rounded,filled", "fillcolor": "#eaf2fb",
            "fontname": "Helvetica", "fontsize": "13",
        },
        edge_attr={"color": "#5a6b7d", "arrowsize": "0.7"},
    )  # fmt: skip
    for name in sorted(found):
        package = (PICTURE.parents[2] / "tinygrad_dnn" / name).is_dir() or name == "viz"
        drawn.node(name, f"{name}/" if package else f"{name}.py")
    for a, b in reduced(found):
        drawn.edge(a, b)
    return drawn


if __name__ == "__main__":
    print(viz.save(picture(), PICTURE))
