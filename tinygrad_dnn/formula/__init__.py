"""Graph -> mathematics: Unicode text, LaTeX, MathML, HTML."""

from tinygrad_dnn.formula.text import formula

__all__ = ["formula"]
