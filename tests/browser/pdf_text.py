"""The text of a PDF that Chromium printed, sheet by sheet, each piece with its size.

Just what Skia writes: compressed streams, fonts of glyph numbers with a table to Unicode.
"""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

_OBJECT = re.compile(rb"(?<!\d)(\d+) 0 obj\s*(.*?)endobj", re.DOTALL)
_STREAM = re.compile(rb"stream\r?\n(.*)\r?\nendstream", re.DOTALL)
_TOKEN = re.compile(rb"/[^\s/<>\[\]()]+|<[0-9A-Fa-f]*>|\[|\]|-?[\d.]+|[A-Za-z*'\"]+")
Matrix = tuple[float, float, float, float, float, float]
ONE: Matrix = (1, 0, 0, 1, 0, 0)


class Piece(NamedTuple):
    """Glyphs that are drawn together: what they say, and the height of their font in points."""

    text: str
    size: float


def sheets(pdf: bytes) -> list[list[Piece]]:
    """The pieces of text on each sheet."""
    objects = {int(k): body for k, body in _OBJECT.findall(pdf)}
    waiting = [k for k, body in objects.items() if b"/Kids" in body and b"/Parent" not in body]
    pages = []
    while waiting:
        page = objects[waiting.pop()]
        kids = _numbered(page, b"Kids")
        waiting += reversed(kids)
        pages += [] if kids else [page]
    return [_pieces(objects, page, _numbered(page, b"Contents"), ONE) for page in pages]


def text_of(pieces: list[Piece]) -> str:
    """All that stands on a sheet, without spaces, which are no glyphs everywhere."""
    return "".join("".join(piece.text for piece in pieces).split())


def _numbered(body: bytes, name: bytes) -> list[int]:
    found = re.search(rb"/" + name + rb"\s*(\[[^\]]*\]|\d+ 0 R)", body)
    return [int(k) for k in re.findall(rb"(\d+) 0 R", found[1])] if found else []


def _stream(body: bytes) -> bytes:
    found = _STREAM.search(body)
    if found is None:
        return b""
    return zlib.decompress(found[1]) if b"FlateDecode" in body[: found.start()] else found[1]


def _resources(objects: dict[int, bytes], body: bytes, kind: bytes) -> dict[bytes, int]:
    """The fonts, or the pictures, that a page calls by a name."""
    head = body.partition(b"stream")[0]
    for k in _numbered(head, b"Resources"):
        head += objects[k]
    found = re.search(rb"/" + kind + rb"\s*<<(.*?)>>", head, re.DOTALL)
    pairs = re.findall(rb"(/[^\s/]+)\s+(\d+) 0 R", found[1]) if found else []
    return {name: int(k) for name, k in pairs}


def _letters(objects: dict[int, bytes], font: int) -> dict[int, str]:
    """The characters of a font's glyphs."""
    letters: dict[int, str] = {}
    for k in _numbered(objects[font], b"ToUnicode"):
        table = _stream(objects[k])
        for rows in re.findall(rb"beginbfchar(.*?)endbfchar", table, re.DOTALL):
            for glyph, said in re.findall(rb"<(\w+)>\s*<(\w+)>", rows):
                letters[int(glyph, 16)] = bytes.fromhex(said.decode()).decode("utf-16-be")
        for rows in re.findall(rb"beginbfrange(.*?)endbfrange", table, re.DOTALL):
            for first, last, said in re.findall(rb"<(\w+)>\s*<(\w+)>\s*<(\w+)>", rows):
                for i in range(int(last, 16) - int(first, 16) + 1):
                    letters[int(first, 16) + i] = chr(int(said, 16) + i)
    return letters


def _pieces(objects: dict[int, bytes], page: bytes, streams: list[int], by: Matrix) -> list[Piece]:
    """What a page draws, and what stands in pictures that it draws."""
    fonts = {name: _letters(objects, k) for name, k in _resources(objects, page, b"Font").items()}
    drawn = _resources(objects, page, b"XObject")
    pieces: list[Piece] = []
    stack, given, now, letters, size = [], [], by, {}, 0.0
    line = ONE
    for token in _TOKEN.findall(b"\n".join(_stream(objects[k]) for k in streams)):
        if token[:1] in b"/<-.0123456789":
            given.append(token)
            continue
        match token:
            case b"q":
                stack.append(now)
            case b"Q":
                now = stack.pop()
            case b"cm":
                now = _times(_matrix(given), now)
            case b"Tf":
                letters, size = fonts[given[-2]], float(given[-1])
            case b"BT":
                line = ONE
            case b"Tm":
                line = _matrix(given)
            case b"Tj" | b"TJ":
                glyphs = b"".join(x[1:-1] for x in given if x.startswith(b"<"))
                said = (int(glyphs[i : i + 4], 16) for i in range(0, len(glyphs), 4))
                a, b, c, d, *_ = _times(line, now)
                text = "".join(letters.get(glyph, "") for glyph in said)
                pieces.append(Piece(text, size * abs(a * d - b * c) ** 0.5))
            case b"Do" if b"/Form" in objects[drawn[given[-1]]].partition(b"stream")[0]:
                form = objects[drawn[given[-1]]]
                pieces += _pieces(objects, form, [drawn[given[-1]]], now)
        if token not in b"[]":
            given = []
    return pieces


def _matrix(given: list[bytes]) -> Matrix:
    a, b, c, d, e, f = map(float, given[-6:])
    return a, b, c, d, e, f


def _times(one: Matrix, other: Matrix) -> Matrix:
    """First the one, then the other."""
    a, b, c, d, e, f = one
    p, q, r, s, t, u = other
    return (
        a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s,
        e * p + f * r + t, e * q + f * s + u,
    )  # fmt: skip
