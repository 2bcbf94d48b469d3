"""In a notebook a `tinygrad_dnn.Graph` shows itself: as its picture."""

from __future__ import annotations

import sys
from typing import Any

from tinygrad_dnn.graph import Graph

KIND = "image/svg+xml"


def show_graphs() -> None:
    """Tell a running IPython how to show a Graph; without one nothing is done.

    The engine does not know the pictures, so they register here, in IPython's own registry.
    """
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None:
        shell.display_formatter.formatters[KIND].for_type(Graph, _svg)


def _svg(graph: Graph) -> str | None:
    """The picture; None where nothing can draw it, and the notebook shows the text it has."""
    from viz.drawing.draw import draw

    shown: dict[str, str] = draw(graph)._repr_mimebundle_(include=[KIND])
    return shown.get(KIND)
