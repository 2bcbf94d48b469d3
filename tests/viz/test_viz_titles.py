"""Titles of scopes and boxes, measured in the drawn picture: no arrow crosses one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import zoo
from drawings import named, shared
from zoo import weights

import viz
from tinygrad_dnn import Tensor, exp, relu, scope, tanh
from viz.drawing import render
from viz.drawing.render import svg_of

SVG = "{http://www.w3.org/2000/svg}"
LETTER = 5.7  # points, about, of a title's letters
Box = tuple[float, float, float, float]  # left, top, right, bottom


def unrolled() -> Tensor:
    """Four steps of a recurrent net, each in a scope, with shared weights."""
    rng = np.random.default_rng(2)
    W, U, b = (weights(rng, *s, name=k) for k, s in (("W", (3, 2)), ("U", (3, 3)), ("b", (3, 1))))
    h, loss = Tensor(np.zeros((3, 1)), name="h0"), 0.0
    for t in range(4):
        with scope(f"time step {t}"):
            h = tanh(W @ Tensor(rng.normal(size=(2, 1)), name=f"x{t}") + U @ h + b)
            loss = loss + (h**2).sum()
    return named(loss, "loss")


def flow() -> Tensor:
    """A normalising flow: three couplings, each with a net for the scale and one for the shift."""
    rng = np.random.default_rng(4)
    x, logdet = Tensor(rng.normal(size=(7, 4)), name="x"), 0.0
    for k in range(3):
        with scope(f"coupling {k}"):
            a, b = x[:, :2], x[:, 2:]
            with scope("scale"):
                s = tanh(tanh(a @ weights(rng, 2, 4, name="Ws1")) @ weights(rng, 4, 2, name="Ws2"))
            with scope("shift"):
                t = relu(a @ weights(rng, 2, 4, name="Wt1")) @ weights(rng, 4, 2, name="Wt2")
            x, logdet = np.concatenate([b * exp(s) + t, a], axis=1), logdet + s.sum(axis=1)
    with scope("density"):
        return named(-(-0.5 * (x**2).sum(axis=1) + logdet).mean(), "nll")


SCOPED: list[Callable[[], Tensor]] = [shared, unrolled, flow, zoo.experts]


def drawing(svg: str) -> tuple[dict[str, Box], dict[str, Any], dict[str, Box]]:
    """Titles of scopes, the points of arrows, and the boxes of nodes."""
    titles: dict[str, Box] = {}
    arrows: dict[str, Any] = {}
    boxes: dict[str, Box] = {}
    for g in ET.fromstring(svg).iter(f"{SVG}g"):
        kind, name = (g.get("class") or "").split(" "), g.get("id") or ""
        if "cluster" in kind:
            (text,) = g.iter(f"{SVG}text")
            x, y, said = float(text.get("x", 0)), float(text.get("y", 0)), text.text or ""
            half = LETTER * len(said) / 2
            titles[f"{name} {said}"] = x - half, y - 9, x + half, y + 2
        elif "edge" in kind:
            arrows[name] = np.concatenate(
                [curve(path.get("d", "")) for path in g.iter(f"{SVG}path")]
            )
        elif "node" in kind and (outline := next(g.iter(f"{SVG}path"), None)) is not None:
            points = numbers(outline.get("d", ""))
            boxes[name] = (*(points.min(0) + 2), *(points.max(0) - 2))
    return titles, arrows, boxes


def numbers(text: str) -> Any:
    return np.array(re.findall(r"(-?[\d.]+),(-?[\d.]+)", text), float)


def curve(text: str) -> Any:
    """Points along cubic Bézier curves, by their polynomial."""
    points, t = numbers(text), np.linspace(0, 1, 40)[:, None]
    parts = [points[k : k + 4] for k in range(0, len(points) - 3, 3)]
    return np.concatenate(
        [
            a + t * (3 * (b - a) + t * (3 * (c - 2 * b + a) + t * (d - 3 * c + 3 * b - a)))
            for a, b, c, d in parts
        ]
    )


def crossed(what: dict[str, Box], arrows: dict[str, Any]) -> list[tuple[str, str]]:
    """Which of these an arrow crosses that neither begins nor ends there."""
    return [
        (name, arrow)
        for name, (left, top, right, bottom) in what.items()
        for arrow, p in arrows.items()
        if name not in arrow.split("-")
        and ((left < p[:, 0]) & (p[:, 0] < right) & (top < p[:, 1]) & (p[:, 1] < bottom)).any()
    ]


@pytest.mark.parametrize("make", SCOPED)
@pytest.mark.parametrize("backward", [False, True])
def test_s298_no_arrow_crosses_a_title_or_a_box(make: Callable[[], Tensor], backward: bool) -> None:
    titles, arrows, boxes = drawing(svg_of(viz.draw(make(), backward=backward)))
    assert len(titles) > 1
    assert crossed(titles, arrows) == []
    assert crossed(boxes, arrows) == []


def test_titles_that_stay_where_graphviz_puts_them_are_crossed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = viz.draw(unrolled(), backward=True)
    moved, *_ = drawing(svg_of(picture))
    monkeypatch.setattr(render, "clear_titles", lambda svg: svg)
    titles, arrows, _ = drawing(svg_of(picture))
    assert crossed(titles, arrows)
    for name, (left, top, *_) in titles.items():
        assert moved[name][0] >= left  # along its line
        assert moved[name][1] == top


def test_a_title_that_has_no_room_stays() -> None:
    x = Tensor(np.ones(2), True, name="x")
    with scope("a title as wide as all of its scope"):
        y = relu(x)
    titles, *_ = drawing(svg_of(viz.draw(y)))
    ((left, *_),) = titles.values()
    assert left < 60
