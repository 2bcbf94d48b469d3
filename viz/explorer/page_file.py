"""The file of a page; where a notebook shows results, it is the page itself."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    _Path = Path
else:
    _Path = type(Path())  # Python 3.11 makes no paths of a class that is derived from Path

LARGEST = 10_000_000  # characters of a page that goes into a notebook
# Its scripts run, and reach nothing of the notebook around it.
FRAME = (
    '<iframe sandbox="allow-scripts allow-modals" srcdoc="{}" title="{}" '
    'style="width: 100%; height: 720px; border: 1px solid #8884"></iframe>'
)


class PageFile(_Path):
    """The path of a page that was written; as the last value of a notebook's cell, the page.

    The notebook then holds the page, and needs the file no more. Of a page above 10 million
    characters it shows the path.

    Example: `viz.explore((w * w).sum(), "square.html").name` is "square.html".
    """

    def _repr_html_(self) -> str | None:
        if self.suffix.lower() not in (".html", ".htm") or not self.is_file():
            return None  # a path that was made of this one
        text = self.read_text(encoding="utf-8")
        return FRAME.format(escape(text), escape(self.name)) if len(text) <= LARGEST else None
