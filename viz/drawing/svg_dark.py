"""A drawn SVG that turns dark where its reader's system is: for a notebook's dark mode."""

from __future__ import annotations

from viz.palette import DARK, LIGHT


def adaptive(svg: str) -> str:
    """The same drawing with a style of its own: in the dark each colour has its counterpart.

    It asks the system (prefers-color-scheme), which reaches into a picture that stands for itself.
    """
    rules = "".join(
        f'[{paint}="{colour.lower()}" i] {{ {paint}: {DARK[name]} }} '
        for name, colour in LIGHT.items()
        for paint in ("fill", "stroke")
    )
    # Graphviz writes white as a name, and black where nothing was said.
    rules += (
        f'[fill="white"] {{ fill: {DARK["paper"]} }} text:not([fill]) {{ fill: {DARK["ink"]} }} '
    )
    style = f"<style>@media screen and (prefers-color-scheme: dark) {{ {rules}}}</style>"
    head = svg.index(">", svg.index("<svg")) + 1
    return f"{svg[:head]}{style}{svg[head:]}"
