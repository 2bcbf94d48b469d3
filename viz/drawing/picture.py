"""The picture that `viz.draw` returns: a graphviz graph that a notebook can show.

The package graphviz asks the system's `dot` for what a notebook shows, and raises where there is
none, and its `save` writes DOT text whatever the ending. This one is drawn as `viz.save` draws.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import graphviz

from viz.drawing.render import FORMATS, save, svg_of
from viz.drawing.svg_dark import adaptive


class Picture(graphviz.Digraph):
    """A `graphviz.Digraph`, shown in notebooks without the system's `dot` as well."""

    def save(
        self,
        filename: str | os.PathLike[str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        *,
        skip_existing: bool | None = False,
    ) -> str:
        """Write the picture where the ending is that of one, else the DOT text; returns the path.

        `viz.draw(cost).save("graph.svg")` is `viz.save(viz.draw(cost), "graph.svg")`, and raises as
        that does. The other arguments are those of the package graphviz.
        """
        path = Path(directory or "", filename or "")
        dot = path.suffix.lower().removeprefix(".") not in FORMATS
        if dot or skip_existing is None:  # None: `render` writes the text that it has drawn
            return str(super().save(filename, directory=directory, skip_existing=skip_existing))
        path.parent.mkdir(parents=True, exist_ok=True)
        return str(path if skip_existing and path.exists() else save(self, path))

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
