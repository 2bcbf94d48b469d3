"""The picture that `viz.draw` returns: a graphviz graph that a notebook can show.

The package graphviz asks the system's `dot` for what a notebook shows, and raises where there is
none. This one is drawn as `viz.save` draws.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import graphviz

from viz.drawing.render import svg_of
from viz.drawing.svg_dark import adaptive


class Picture(graphviz.Digraph):
    """A `graphviz.Digraph`, shown in notebooks without the system's `dot` as well."""

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None, **_: Any
    ) -> dict[str, str]:
        """The picture as SVG, dark where the system is, and its DOT text; the text alone where
        nothing can draw it.
        """
        bundle = {"text/plain": self.source}
        try:
            bundle["image/svg+xml"] = adaptive(svg_of(self))
        except OSError as error:
            bundle["text/plain"] = f"{error}\n\n{self.source}"
        wanted = set(include) if include else set(bundle)
        return {kind: data for kind, data in bundle.items() if kind in wanted - set(exclude or ())}
