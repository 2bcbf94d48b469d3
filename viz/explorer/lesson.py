"""Captions that lead through a page: what is said, and at which step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.graph import Node, describe

Caption = str | tuple[Any, str]
Fields = dict[str, Any]


def checked(captions: Sequence[Caption] | None, who: str) -> list[tuple[Any, str]]:
    """Each caption as where it belongs, None for where one is, and what it says.

    Raises:
        TypeError: it is neither a text nor a pair of a Tensor or name and a text.
    """
    if isinstance(captions, str):
        raise TypeError(f"{who}: expected steps as a list of captions, got one text; write [text]")
    found = []
    for caption in captions or ():
        pair = (None, caption) if isinstance(caption, str) else caption
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], str)):
            raise TypeError(
                f"{who}: expected a step as a text, or as (Tensor or name, text), got {caption!r}"
            )
        if not isinstance(pair[0], (Tensor, str, type(None))):
            raise TypeError(
                f"{who}: a step is about a Tensor or a name, got {type(pair[0]).__name__}"
            )
        found.append(pair)
    return found


def lesson(
    captions: Sequence[tuple[Any, str]],
    again: Mapping[Node, Node],
    story: Mapping[str, Any],
    ids: Mapping[Node, str],
    who: str,
) -> list[Fields]:
    """The captions with the id of the node and the step after which it, or its gradient, is there.

    Args:
        again: for each node of the graph that was given the one that the page shows.
        story: the page's nodes and steps.

    Raises:
        ValueError: nothing on the page has that name, or was computed from that Tensor.
    """
    values, slopes = _there(story)
    called = {node["name"]: name for name, node in story["nodes"].items() if node["name"]}
    gradients = {
        node["gradientName"]: name for name, node in story["nodes"].items() if node["gradientName"]
    }
    found: list[Fields] = []
    for where, text in captions:
        about: Fields = {"node": None, "step": None}
        if isinstance(where, Tensor):
            if where.node not in again:
                raise ValueError(f"{who}: steps: {describe(where.node)} is not in this graph")
            name = ids[again[where.node]]
            about = {"node": name, "step": values.get(name, 0)}
        elif where in called:
            about = {"node": called[where], "step": values.get(called[where], 0)}
        elif where in gradients:
            about = {"node": gradients[where], "step": slopes[gradients[where]]}
        elif where is not None:
            raise ValueError(
                f"{who}: steps: nothing is called {where!r}; there are {', '.join(called)}"
            )
        found.append(about | {"text": text})
    return found


def _there(story: Mapping[str, Any]) -> tuple[dict[str, int], dict[str, int]]:
    """By id the step after which a value is there, and the one after which its gradient is."""
    values: dict[str, int] = {}
    sent: dict[str, int] = {}
    slopes: dict[str, int] = {}
    for k, step in enumerate(story["steps"], 1):
        of = {"forward": values, "seed": slopes, "backward": sent}[step["phase"]]
        of[step["node"]] = k
    for name, node in story["nodes"].items():
        done = [sent[part["from"]] for part in node["contributions"]]
        slopes[name] = max([slopes.get(name, 0), *done])
    return values, slopes
