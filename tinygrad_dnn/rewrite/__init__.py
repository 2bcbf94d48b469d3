"""Algebra on graphs: a table of rows, each one line of mathematics, and what applies them."""

from tinygrad_dnn.rewrite.engine import Rewritten, Step, rewrite
from tinygrad_dnn.rewrite.explain import explain
from tinygrad_dnn.rewrite.saturation import Saturation
from tinygrad_dnn.rewrite.stable import STABLE
from tinygrad_dnn.rewrite.table import PAPER, PROGRAM
from tinygrad_dnn.rewrite.terms import Match, Row

__all__ = [
    "PAPER",
    "PROGRAM",
    "STABLE",
    "Match",
    "Rewritten",
    "Row",
    "Saturation",
    "Step",
    "explain",
    "rewrite",
]
