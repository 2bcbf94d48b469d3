"""Titles of scopes and boxes, measured in the drawn picture: no arrow crosses one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
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
from viz.drawing.placed import Box, Curve, Placed
from viz.drawing.render import svg_of
from viz.drawing.titles import clear

SVG = "{http://www.w3.org/2000/svg}"
LETTER = 5.2  # points at least, on an average, of a title's letters
Sides = tuple[float, float, float, float]  # left, top, right, bottom


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


def wide() -> Tensor:
    """One op in a scope whose title is as wide."""
    x = tanh(Tensor(np.ones(2), True, name="x"))
    with scope("a title as wide as all of its scope"):
        return relu(x)


def nested() -> Tensor:
    """A title in a title, both wider than what stands there, and one beside them."""
    x = Tensor(np.ones((2, 2)), True, name="x")
    with scope("a decoder of several layers, each like this"), scope("the first one of its layers"):
        y = relu(x)
    with scope("an encoder beside it, as wide as that"):
        z = tanh(x)
    return (y @ z).sum()


SCOPED: list[Callable[[], Tensor]] = [shared, unrolled, flow, zoo.experts]


def drawing(svg: str) -> tuple[dict[str, Sides], dict[str, Any], dict[str, Sides]]:
    """Titles of scopes, the points of arrows, and the boxes of nodes."""
    titles: dict[str, Sides] = {}
    arrows: dict[str, Any] = {}
    boxes: dict[str, Sides] = {}
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


def crossed(what: dict[str, Sides], arrows: dict[str, Any]) -> list[tuple[str, str]]:
    """Which of these an arrow crosses that neither begins nor ends there."""
    return [
        (name, arrow)
        for name, (left, top, right, bottom) in what.items()
        for arrow, p in arrows.items()
        if name not in arrow.split("-")
        and ((left < p[:, 0]) & (p[:, 0] < right) & (top < p[:, 1]) & (p[:, 1] < bottom)).any()
    ]


@pytest.mark.parametrize("make", [*SCOPED, wide, nested])
@pytest.mark.parametrize("backward", [False, True])
def test_s298_no_arrow_crosses_a_title_or_a_box(make: Callable[[], Tensor], backward: bool) -> None:
    titles, arrows, boxes = drawing(svg_of(viz.draw(make(), backward=backward)))
    assert titles
    assert crossed(titles, arrows) == []
    assert crossed(boxes, arrows) == []


@pytest.mark.parametrize("make", [unrolled, wide])
def test_s334_a_png_is_drawn_from_the_same_places(
    make: Callable[[], Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, str] = {}  # the last text that was drawn, by format
    run = render._run

    def kept(command: list[str], source: str, kind: str, timeout: float) -> bytes:
        drawn[kind] = source
        return run(command, source, kind, timeout)

    monkeypatch.setattr(render, "_run", kept)
    picture = viz.draw(make())
    data = viz.save(picture, tmp_path / "g.png").read_bytes()
    svg = svg_of(picture)
    assert drawn["png"] == drawn["svg"]
    found = re.search(r'<svg width="(\d+)pt" height="(\d+)pt"', svg)
    assert found
    size = [int.from_bytes(data[k : k + 4], "big") for k in (16, 20)]
    assert size == pytest.approx([2 * int(x) for x in found.groups()], abs=2)


def test_titles_that_stay_where_graphviz_puts_them_are_crossed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = viz.draw(wide())
    moved, *_ = drawing(svg_of(picture))
    monkeypatch.setattr(render, "clear", lambda placed: None)
    titles, arrows, _ = drawing(svg_of(picture))
    assert crossed(titles, arrows)
    for name, (left, top, *_) in titles.items():
        assert moved[name][0] >= left - 1  # along its line
        assert moved[name][1] == top


def test_a_picture_is_parted_and_nothing_in_it_comes_nearer() -> None:
    title = Box(0, 0, 60, 100, 25, 90, 40, 16)  # 40 points wide in a scope of 60, an arrow at 30
    inside, right = Box(10, 0, 50, 70, 22, 60, 6, 16), Box(80, 0, 120, 100, 90, 90, 10, 16)
    placed = Placed(b"{}")
    placed.scopes = {"outer": title, "inner": inside, "right": right}
    placed.nodes = {"above": (30.0, 140.0), "below": (30.0, 20.0), "far": (100.0, 20.0)}
    straight = [(30.0, 130.0), (30.0, 100.0), (30.0, 60.0), (30.0, 38.0)]
    placed.curves = [Curve("above", "below", straight, None, (30.0, 30.0))]
    clear(placed)
    assert title.right - title.left > 60 + 20
    assert abs(placed.nodes["below"][0] - title.x) > 20 + 5
    assert placed.nodes["above"][0] == placed.nodes["below"][0]  # the arrow is straight still
    assert {x for x, _ in placed.curves[0].points} == {placed.nodes["below"][0]}
    assert placed.curves[0].end == (placed.nodes["below"][0], 30.0)
    assert placed.nodes["far"][0] - placed.nodes["below"][0] >= 70
    assert right.left - title.right == pytest.approx(20)
    assert inside.right - inside.left == pytest.approx(40)


@pytest.mark.parametrize("style", [{"splines": "none"}, {"ratio": "fill", "size": "4,4"}])
def test_a_style_of_ones_own_that_has_no_such_places_is_drawn_as_it_is(
    style: dict[str, str],
) -> None:
    picture = viz.draw(unrolled())
    picture.graph_attr.update(style)
    titles, *_ = drawing(svg_of(picture))
    assert len(titles) == 4
