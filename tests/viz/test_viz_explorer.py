"""The page as a file: what Python decides of it."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from drawings import named, parameter, two_layers

import viz
from tinygrad_dnn import Tensor, relu, scope
from viz.explorer import page_file
from viz.explorer.page import LONGEST_TITLE


def page(what: Any, folder: Path, **options: Any) -> tuple[str, dict[str, Any]]:
    """The title of a page and what its script is given."""
    text = viz.explore(what, folder / "page.html", **options).read_text(encoding="utf-8")
    story = re.search(r'id="trace">(.*?)</script>', text, re.DOTALL)
    title = re.search("<title>(.*?)</title>", text, re.DOTALL)
    assert story
    assert title
    told: dict[str, Any] = json.loads(story[1])
    return unescape(title[1]), told


@pytest.mark.parametrize(
    ("name", "title", "expected"),
    [
        ("cost", None, "cost"),
        ("cost", "  one  two ", "one  two"),
        ("cost", "", "cost"),
        ("cost", "  \n ", "cost"),
        ("   ", None, "backpropagation"),
        ("   ", " ", "backpropagation"),
        (None, None, "backpropagation"),
        ("cost", "a\nb", "a\\nb"),
        ("cost", "x" * 5000, f"{'x' * 79}…{'x' * (LONGEST_TITLE - 80)}"),
    ],
)
def test_a_title_is_one_short_line_and_never_blank(
    name: str | None, title: str | None, expected: str, tmp_path: Path
) -> None:
    y = parameter(2, name="x").sum()
    found, told = page(named(y, name) if name else y, tmp_path, title=title)
    assert found == told["title"] == expected


def test_many_results_have_a_title_of_bearable_length(tmp_path: Path) -> None:
    x = parameter(2, name="x")
    found, _ = page([named(x * float(k), f"result {k}") for k in range(50)], tmp_path)
    assert found.startswith("result 0, result 1, ")
    assert len(found) == LONGEST_TITLE


def test_every_scope_that_is_drawn_is_told_with_what_it_holds(tmp_path: Path) -> None:
    x = parameter(2, name="x")
    with scope("a"), scope("b"), scope("c"), scope("d"), scope("e"):
        y = named(relu(x * 2.0), "y")
    _, told = page(y + 1.0, tmp_path)
    assert [group["title"] for group in told["groups"].values()] == ["a", "b", "c", "d", "e"]
    ids = {node["name"]: id for id, node in told["nodes"].items()}
    assert all(ids["y"] in group["members"] for group in told["groups"].values())


def test_a_group_tells_formula_parameters_and_bytes(tmp_path: Path) -> None:
    _, told = page(two_layers(), tmp_path)
    layer = next(group for group in told["groups"].values() if group["title"] == "layer 1")
    assert layer["formula"] == "A1 = relu(W1 X + b1)"
    assert layer["summary"] == "LINEAR → RELU"
    assert layer["owned"] == "16 parameters, 128 bytes"


def test_where_a_problem_begins_is_told(tmp_path: Path) -> None:
    x = Tensor([float("nan")], requires_grad=True, name="x")
    _, told = page(named(x * 2.0, "y"), tmp_path)
    found = {node["name"]: node for node in told["nodes"].values()}
    assert (found["x"]["origin"], found["y"]["origin"]) == (True, False)
    assert "NaN" in found["y"]["problem"]


def test_s366_what_a_notebook_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    written = viz.explore((x * x).sum(), tmp_path / "a & b.html")
    assert written == tmp_path / "a & b.html"
    text = written._repr_html_()
    assert text is not None
    assert 'title="a &amp; b.html"' in text
    assert text.count("<") == 2  # the page is in an attribute of the frame
    assert written.parent._repr_html_() is None
    monkeypatch.setattr(page_file, "LARGEST", 1000)
    assert written._repr_html_() is None
    monkeypatch.undo()
    written.unlink()
    assert written._repr_html_() is None
