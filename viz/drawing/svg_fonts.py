"""A drawn SVG made independent of the fonts of whoever looks at it."""

from __future__ import annotations

import re

# Fonts as wide as the Helvetica that the boxes were measured for; the last is a little wider, but
# every Linux has it, and without it a viewer would take one that is wider by a sixth.
_FONT_ASKED = b'font-family="Helvetica,sans-Serif"'
_FONTS = (
    b'font-family="Helvetica, Arial, Liberation Sans, Arimo, Nimbus Sans, DejaVu Sans Condensed, '
    b'sans-serif"'
)

# What stands in a node of ours, one thing after another; a box's corners or an ellipse's middle.
_KINDS = rb"param|input|const|op|output|gradient|folded"
_NODE = re.compile(rb'<g id="[^"]*" class="node (?:' + _KINDS + rb").*?(?=<!--|\Z)", re.DOTALL)
_SHAPE = re.compile(rb'<(?:polygon|path|ellipse) [^>]*?(?:points|d|cx)="([^"]*)"')
_POINT = re.compile(rb"(-?[\d.]+)(?:,-?[\d.]+)?")
_START = re.compile(rb'text-anchor="start" x="[^"]*"')


def typeset(svg: bytes) -> bytes:
    """The same drawing, its fonts named as one finds them on any system, each line of a node in
    the middle of it: graphviz only guesses how wide a line will be.
    """
    return _NODE.sub(_centred, svg).replace(_FONT_ASKED, _FONTS)


def _centred(node: re.Match[bytes]) -> bytes:
    shape = _SHAPE.search(node[0])
    if shape is None:
        return node[0]
    across = [float(x) for x in _POINT.findall(shape[1])]
    middle = (min(across) + max(across)) / 2
    return _START.sub(b'text-anchor="middle" x="%.2f"' % middle, node[0])
