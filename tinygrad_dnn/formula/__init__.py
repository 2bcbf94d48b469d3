"""Graph -> mathematics: Unicode text, LaTeX, MathML, HTML, and the listing that `print` shows."""

from tinygrad_dnn.formula.listing import listed
from tinygrad_dnn.formula.text import formula
from tinygrad_dnn.graph import Graph

__all__ = ["formula"]

Graph.printer = listed
