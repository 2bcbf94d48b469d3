"""The numbers of the page are the engine's, every bit of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import nets
import numpy as np
import pytest
import zoo
from stepper import Stepper

from tinygrad_dnn import Tensor
from tinygrad_dnn.autodiff.evaluate import replay
from tinygrad_dnn.graph import Node, trace

Open = Callable[..., Stepper]
TABLES = [nets.two_layers, nets.shared, nets.vectors, nets.float32, nets.not_finite, nets.scalars]
MAPS = [nets.cube, nets.four_layers]


def engine(make: Callable[[], Tensor]) -> list[tuple[str, Node, Any, Any]]:
    """For every node: its id, itself, its value and its gradient."""
    t = make()
    graph = trace([t.node])
    with np.errstate(all="ignore"):
        values = replay(graph)
        t.backward(np.ones(t.shape), keep=True)
    return [(f"n{i}", node, values[node], node.grad) for i, node in enumerate(graph)]


def number(text: str) -> float:
    """A number as the page writes it."""
    return float(text.replace("−", "-").replace("∞", "inf"))


def same(told: list[float], x: Any) -> None:
    """Equal bit for bit: −0 is not 0, NaN is NaN; of float32 in as few digits as NumPy writes."""
    expected = np.asarray(x).ravel()
    kind = np.float32 if expected.dtype == np.float32 else np.float64
    found, expected = np.array(told).astype(kind), expected.astype(kind)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found[found == 0]), np.signbit(expected[found == 0]))


def shown(cells: dict[int, str]) -> list[float]:
    assert list(cells) == list(range(len(cells)))
    return [number(text) for text in cells.values()]


@pytest.mark.parametrize("make", TABLES)
def test_every_cell_is_the_engines_number(stepper: Open, make: Any) -> None:
    page = stepper(make).press("End")
    for name, _, value, slope in engine(make):
        page.page.locator(f"#{name}").dispatch_event("click")
        assert page.chosen == name
        cells = page.cells()
        same(shown(cells["value"]), value)
        assert ("slope" in cells) == (slope is not None)
        if slope is not None:
            same(shown(cells["slope"]), slope)


def test_what_a_reader_sees_is_the_number_in_short(stepper: Open) -> None:
    page = stepper(nets.not_finite).press("End").select("x")
    cells = page.find("#panel section.value td[data-i]")
    assert cells.all_inner_texts() == ["0", "0", "∞", "−∞", "NaN", "−1.5"]
    titles = [one.get_attribute("title") for one in cells.all()]
    assert titles == ["0", "−0", "∞", "−∞", "NaN", "−1.5"]
    page = stepper(nets.scalars).press("End")
    for name, _, value, _ in engine(nets.scalars):
        page.page.locator(f"#{name}").dispatch_event("click")
        seen = number(page.find("#panel section.value .scalar").inner_text())
        assert seen == pytest.approx(float(value), rel=5e-4)


def test_contributions_are_the_engines_and_add_up(stepper: Open) -> None:
    page = stepper(nets.shared).press("End").select("W")
    parts = page.find("#panel .parts table").all()
    assert len(parts) == 2
    terms = [
        np.array([number(td.get_attribute("title")) for td in part.locator("td[data-i]").all()])
        for part in parts
    ]
    (slope,) = [g for name, _, _, g in engine(nets.shared) if name == page.chosen]
    same(list(terms[0] + terms[1]), slope)
    h = np.maximum([[0.5 - 4.5], [2.0 + 0.75]], 0)  # relu(W x)
    w = np.array([[0.5, -1.5], [2.0, 0.25]])
    first, second = np.ones((2, 1)) @ h.T, (w.T.sum(1, keepdims=True) * (h > 0)) @ [[1.0, 3.0]]
    assert sorted(map(tuple, terms)) == sorted(map(tuple, (first.ravel(), second.ravel())))


@pytest.mark.parametrize(("make", "name"), [(nets.shared, "W"), (zoo.recurrent, "Wh")])
def test_a_sum_in_a_line_is_that_of_its_terms_or_goes_on(
    stepper: Open, make: Any, name: str
) -> None:
    page = stepper(make).press("End").select(name)
    page.find('#panel section.value td[data-i="1"]').hover()
    line = page.find("#panel .readout .slope").inner_text()
    _, terms, total = line.replace("−", "-").split(" = ")
    *rest, last = terms.split(" + ")
    missing = float(total) - sum(map(float, rest))
    if last == "…":
        assert int(page.find("#panel .way h3").inner_text().split()[-2]) > len(rest)
        return
    assert float(last) == pytest.approx(missing, abs=1e-12)


@pytest.mark.parametrize("make", MAPS)
def test_a_heat_map_tells_each_number_under_the_pointer(stepper: Open, make: Any) -> None:
    page = stepper(make, height=1400).press("End")
    rng = np.random.default_rng(0)
    seen = 0
    for name, node, value, slope in engine(make):
        page.page.locator(f"#{name}").dispatch_event("click")
        for kind, x in (("value", value), ("slope", slope)):
            canvas = page.find(f"#panel section.{kind} canvas")
            if x is None or canvas.count() == 0:
                continue
            seen += 1
            columns = x.shape[-1]
            rows = x.size // columns
            assert canvas.evaluate("one => [one.height, one.width]") == [rows, columns]
            box = canvas.bounding_box()
            for i in (x.size - 1, int(rng.integers(0, x.size))):
                row, column = divmod(i, columns)
                at = {
                    "x": (column + 0.5) * box["width"] / columns,
                    "y": (row + 0.5) * box["height"] / rows,
                }
                canvas.hover(position=at)
                told = page.find(f"#panel .readout .{kind}").inner_text()
                index = ", ".join(map(str, np.unravel_index(i, x.shape)))
                assert f"[{index}] = " in told
                assert number(told.split(" = ")[-1]) == x.ravel()[i]
        assert node.shape == np.shape(value)
    assert seen > 0


def test_a_heat_map_is_blue_below_zero_red_above_and_marks_what_is_not_finite(
    stepper: Open,
) -> None:
    def wild() -> Tensor:
        x = np.linspace(-1, 1, 99)
        x[[10, 20]] = np.nan, np.inf
        with np.errstate(all="ignore"):
            return Tensor(x, requires_grad=True, name="x").sum()

    page = stepper(wild).press("End").select("x")
    pixels = page.find("#panel section.value canvas").evaluate(
        "one => [...one.getContext('2d').getImageData(0, 0, one.width, 1).data]"
    )
    colours = np.reshape(pixels, (-1, 4))[:, :3]
    red, blue = colours[:, 0], colours[:, 2]
    finite = [i for i in range(99) if i not in (10, 20, 49)]
    assert all((blue[i] > red[i]) == (i < 49) for i in finite)
    assert list(colours[49]) == [255, 255, 255]
    assert list(colours[10]) == list(colours[20])
    assert not any(np.array_equal(colours[10], colours[i]) for i in finite)


def test_what_is_told_of_a_cell_is_in_sight_where_the_panel_is_long(stepper: Open) -> None:
    page = stepper(nets.four_layers).press("End").select("W1")
    for canvas in page.find("#panel canvas").all():
        canvas.scroll_into_view_if_needed()
        canvas.hover(position={"x": 5, "y": 5})
        line, room = page.find("#panel .readout"), page.find("#panel").bounding_box()
        box = line.bounding_box()
        assert line.inner_text() != ""
        assert box["y"] >= room["y"]
        assert box["y"] + box["height"] <= room["y"] + room["height"]


def test_statistics_are_those_of_the_array(stepper: Open) -> None:
    def large() -> Tensor:
        rng = np.random.default_rng(3)
        w = Tensor(rng.normal(size=(400, 300)), requires_grad=True, name="w")
        w.data = np.where(w.data > 2, 0.0, w.data)
        return (w * w).sum()

    page = stepper(large).press("End")
    found = {name: (value, slope) for name, _, value, slope in engine(large)}
    page.select("w")
    for kind, x in zip(("value", "slope"), found[page.chosen], strict=True):
        part = page.find(f"#panel section.{kind}")
        terms = part.locator("dt").all_inner_texts()
        told = dict(zip(terms, part.locator("dd").all_inner_texts(), strict=True))
        expected = {"min": x.min(), "mean": x.mean(), "max": x.max(), "norm": np.linalg.norm(x)}
        for term, value in expected.items():
            assert number(told[term]) == pytest.approx(float(value), rel=5e-4)
        assert told["zeros"] == f"{int((x == 0).sum()):,}"
        assert part.locator("td, canvas").count() == 0
        bars = part.locator(".histogram span")
        counts = [int(bar.get_attribute("title").replace(",", "")) for bar in bars.all()]
        assert counts == np.histogram(x, bins=24)[0].tolist()
        heights = bars.evaluate_all("all => all.map((bar) => bar.getBoundingClientRect().height)")
        assert np.argmax(heights) == np.argmax(counts)


def test_an_empty_array_says_so(stepper: Open) -> None:
    page = stepper(nets.empty).press("End").select("e")
    assert page.find("#panel section.value p").inner_text() == "empty"
    assert page.find("#panel section.slope p").inner_text() == "empty"
    assert "(0, 3) float64" in page.find("#panel .meta").first.inner_text()
    page.select("y")
    assert page.cells() == {"value": {0: "0"}, "slope": {0: "1"}}


@pytest.mark.parametrize(
    ("make", "title", "meta"),
    [
        (nets.vectors, "v", "input · (7,) int64"),
        (nets.float32, "a", "parameter · (1, 3) float32"),
        (nets.thrice, "x", "parameter · scalar float64"),
        (nets.cube, "t", "parameter · (2, 3, 4) float64"),
        (nets.two_layers, "Z1", "op · (4, 4) float64 · layer 1"),
    ],
)
def test_shape_dtype_and_scope_are_told(stepper: Open, make: Any, title: str, meta: str) -> None:
    page = stepper(make).select(title)
    assert page.find("#panel .meta").first.inner_text() == meta


def test_every_box_has_the_numbers_in_short(stepper: Open) -> None:
    page = stepper(nets.two_layers).press("End")
    drawn = page.things()
    for name, _, value, slope in engine(nets.two_layers):
        ends = [[x.min(), x.max()] for x in (value, slope) if x is not None]
        told = [re.sub(r"^(.*: )?(all )?", "", line) for line in drawn[name]["lines"][2:]]
        seen = [list(map(number, line.split(" … "))) for line in told]
        for (low, high), numbers in zip(ends, seen, strict=True):
            assert (numbers[0], numbers[-1]) == pytest.approx((low, high), rel=1e-3)


def test_a_box_and_the_panel_write_a_number_alike(stepper: Open) -> None:
    page = stepper(nets.scalars).press("End")
    drawn = page.things()
    for name, _, _, slope in engine(nets.scalars):
        page.page.locator(f"#{name}").dispatch_event("click")
        box = [re.sub(r"^.*: ", "", line) for line in drawn[name]["lines"][2:4]]
        panel = page.find("#panel :is(.value, .slope) > .scalar").all_inner_texts()
        assert box == panel
        assert len(panel) == 1 + (slope is not None)
    assert any("e299" in line for one in drawn.values() for line in one["lines"])
