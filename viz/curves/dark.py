"""The same figure for dark paper: every colour of the palette replaced by its counterpart."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure

from viz.palette import IN_THE_DARK

COLOURS = ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor")
_CHOSEN: WeakKeyDictionary[Artist, str] = WeakKeyDictionary()


def choose_dark(artist: Artist, colour: str) -> None:
    """Say which colour an artist has on dark paper, where the palette can't say: on a cell."""
    _CHOSEN[artist] = colour


def darken(figure: Figure) -> None:
    """Turn the figure dark; images and mixed colours stay."""
    for artist in _drawn(figure):
        if artist in _CHOSEN:
            _set(artist, "color", _CHOSEN[artist])
            continue
        for name in COLOURS:
            if hasattr(artist, f"get_{name}") and hasattr(artist, f"set_{name}"):
                _set(artist, name, _dark(getattr(artist, f"get_{name}")()))


def _drawn(figure: Figure) -> Iterator[Artist]:
    """The figure and all in it; of axes that are off no ticks, which would be made only now."""
    stack: list[Artist] = [figure]
    while stack:
        artist = stack.pop()
        yield artist
        inside = artist.get_children()
        if isinstance(artist, Axes) and not artist.axison:
            inside = [x for x in inside if not isinstance(x, Axis)]
        stack += inside


def _set(artist: Any, name: str, colour: Any) -> None:
    if colour is not None:
        getattr(artist, f"set_{name}")(colour)


def _dark(found: Any) -> Any:
    """The counterpart of a colour, or of several; None where there is none."""
    if isinstance(found, str) and found.lower() in ("none", "auto"):
        return None
    if getattr(found, "ndim", 1) != 2:
        return _counterpart(to_rgba(found))
    turned = [(c, _counterpart(c)) for c in map(to_rgba, found)]
    return [new or c for c, new in turned] if any(new for _, new in turned) else None


@cache
def _counterpart(colour: tuple[float, float, float, float]) -> Any:
    dark = IN_THE_DARK.get(to_hex(colour).upper())
    return to_rgba(dark, colour[3]) if dark and colour[3] else None
