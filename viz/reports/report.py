"""A training run on one page that needs no network: what was done, what came out, every picture."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tinygrad_dnn.storage.whole_file import write_text
from viz.page import asset, escaped, page, properties
from viz.palette import DARK, IN_THE_DARK, LIGHT

MEDIA = {".png": "image/png", ".svg": "image/svg+xml"}


class Section(NamedTuple):
    """A picture of the report: heading, what one sees, the file; or None and why there is none.

    Attributes:
        dark: the file for dark pages, of photographs, whose light and dark stay, and of words on
            grounds of many colours. What is lines and words on white is turned dark by the page.
    """

    heading: str
    text: str
    picture: Path | None
    dark: Path | None = None


def report(
    path: str | os.PathLike[str],
    title: str,
    facts: Mapping[str, str],
    commands: Mapping[str, str],
    sections: Iterable[Section],
) -> Path:
    """Write the page. Pictures are part of it, so the file may be sent around alone.

    Args:
        path: where to.
        title: one line.
        facts: by name, what is to be known of the run.
        commands: by what they do, commands to be typed.
        sections: the pictures, .png or .svg files.

    Returns:
        The path.

    Raises:
        ValueError: a picture of another kind.
        OSError: a picture can't be read, or the page not be written.
    """
    rows = [
        *(f"<dt>{escaped(name)}</dt><dd>{escaped(fact)}</dd>" for name, fact in facts.items()),
        *(
            f"<dt>{escaped(name)}</dt><dd><code>{_words(command)}</code></dd>"
            for name, command in commands.items()
        ),
    ]
    filled = page(
        "reports/report.html",
        title=escaped(title),
        palette=f":root {{ {properties(LIGHT)} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {properties(DARK)} }} }}",
        style=asset("page.css") + asset("reports/report.css"),
        facts="\n".join(rows),
        sections="\n".join(map(_section, sections)),
    )
    return write_text(Path(path), filled)


def _words(command: str) -> str:
    """A command whose lines break between words: not within --out, unless that is all there is."""
    return " ".join(f"<span>{escaped(word)}</span>" for word in command.split(" "))


def _section(section: Section) -> str:
    heading, text, picture, dark = section
    if picture is None:
        shown = f'<p class="missing">{escaped(text)}</p>'
    else:
        kind = MEDIA.get(picture.suffix.lower())
        if kind is None:
            raise ValueError(f"report: {picture.name}: expected a .png or .svg picture")
        drawn = picture.read_bytes()
        other = dark.read_bytes() if dark else _darkened(drawn) if "svg" in kind else b""
        # Two, of which the style shows one: a <picture> is too late for a page that is printed.
        images = {"on-light": drawn, "on-dark": other} if other else {"lines": drawn}
        shown = f"<p>{escaped(text)}</p>\n" + "\n".join(
            f'<img class="{where}" src="{_url(kind, data)}" alt="{escaped(heading)}">'
            for where, data in images.items()
        )
    return f"<section>\n<h2>{escaped(heading)}</h2>\n{shown}\n</section>"


def _url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{b64encode(data).decode()}"


def _darkened(svg: bytes) -> bytes:
    """A picture of graphviz's in the colours of dark paper."""
    return re.sub(
        rb'(?<=")#[0-9a-fA-F]{6}(?=")',
        lambda found: IN_THE_DARK.get(found[0].decode().upper(), found[0].decode()).encode(),
        svg,
    )
