"""HTML files that need nothing beside them: templates filled, data made safe to stand in a page."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any


def asset(name: str) -> str:
    """A file of this package as text."""
    return files("viz").joinpath(name).read_text(encoding="utf-8")


def script(name: str) -> str:
    """A script of this package without what its authors alone read: comments, indentation."""
    code = re.sub(r"^ *(?:/\*\*(?:(?!\*/)[\s\S])*\*/|//.*)$", "", asset(name), flags=re.MULTILINE)
    return re.sub(r"\n\s+", "\n", code)


def page(template: str, **parts: str) -> str:
    """A template with each {{part}} in place; what is put in is not looked at again."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], asset(template))


def escaped(words: str, keep: str = "") -> str:
    """Words as text of a page or an attribute: what neither prints nor is in `keep` is blank."""
    return html.escape("".join(c if c.isprintable() or c in keep else " " for c in words))


def properties(theme: Mapping[str, str]) -> str:
    """The colours of a theme as custom properties of CSS."""
    return " ".join(f"--{name}: {colour};" for name, colour in theme.items())


def json_in_html(data: Any) -> str:
    """JSON that may stand in a script element: nothing in it can end the element, or seem to
    begin a comment or another one (HTML, 13.2.5.4: script data state).
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return re.sub("<(?=[!sS]|/[sS])", r"\\u003c", text)
