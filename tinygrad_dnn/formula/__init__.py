"""Graph -> mathematics: Unicode text, LaTeX, MathML, HTML, and the listing that `print` shows."""

from typing import TYPE_CHECKING, Any

from tinygrad_dnn.graph import Graph

if TYPE_CHECKING:
    from tinygrad_dnn.formula.text import formula

__all__ = ["formula"]


# What writes is imported by who reads: every import of the project needs the templates alone.


def __getattr__(name: str) -> Any:
    if name != "formula":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tinygrad_dnn.formula.text import formula

    return formula


def _listed(graph: Graph) -> str:
    from tinygrad_dnn.formula.listing import listed

    return listed(graph)


Graph.printer = _listed
