"""The measures themselves: each finds what is planted, and nothing in its good counterpart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from legibility import low_contrast, overlapping_texts, small_texts, sticking_out, texts

HEAD = "<!doctype html><title>page</title><style>html { font: 16px 'Liberation Sans', sans-serif }"


@pytest.fixture
def seen(open_page: Any, tmp_path: Path) -> Callable[[str], list[Any]]:
    def measured(body: str) -> list[Any]:
        path = tmp_path / "page.html"
        path.write_text(f"{HEAD}</style>{body}", encoding="utf-8")
        return texts(open_page(path))

    return measured


def svg(*inside: str) -> str:
    return f'<svg width="400" height="200" viewBox="0 0 300 150">{"".join(inside)}</svg>'


def node(width: int, fill: str = "#ffffff", ink: str = "#000000") -> str:
    return (
        f'<g class="node"><polygon points="10,10 {width},10 {width},60 10,60" fill="{fill}"/>'
        f'<text x="20" y="40" font-size="14" fill="{ink}">W1 X + b1</text></g>'
    )


def lines(gap: int) -> str:
    return svg(
        '<text x="10" y="50" font-size="14">upper</text>',
        f'<text x="10" y="{50 + gap}" font-size="14">lower</text>',
    )


def span(top: int, text: str) -> str:
    return f'<p style="position: absolute; margin: 0; top: {top}px">{text}</p>'


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        pytest.param(span(0, "one") + span(6, "two"), span(0, "one") + span(20, "two"), id="html"),
        pytest.param(lines(6), lines(16), id="svg"),
        pytest.param(
            '<div style="line-height: 6px">one<br><b>two</b></div>',
            "<div>one<br><b>two</b></div>",
            id="lines of different elements",
        ),
    ],
)
def test_texts_that_collide(seen: Callable[[str], list[Any]], bad: str, good: str) -> None:
    assert len(overlapping_texts(seen(bad))) == 1
    assert overlapping_texts(seen(good)) == []


def test_what_is_hidden_or_cut_off_does_not_collide(seen: Callable[[str], list[Any]]) -> None:
    hidden = f"<div hidden>{span(0, 'one')}</div>{span(0, 'two')}"
    scroll = '<div style="height: 20px; overflow: auto">one<br>two<br>three</div>'
    cut = f'{scroll}<p style="margin: 0">four'
    shadow = f'<div style="visibility: hidden">{span(0, "one")}</div>{span(0, "two")}'
    formula = "<math><msub><mi>W</mi><mn>1</mn></msub></math>"
    bar = (
        '<div style="height: 50px; overflow: auto"><p>one<p>two<p>three'
        '<p style="position: sticky; bottom: 0; background: white">bar</div>'
    )
    for body in (hidden, cut, shadow, formula, bar):
        found = seen(body)
        assert found != []
        assert overlapping_texts(found) == []


def test_a_dialog_covers_the_page(seen: Callable[[str], list[Any]]) -> None:
    body = "<p>below</p><dialog>above</dialog><script>"
    opened = seen(f"{body}document.querySelector('dialog').showModal()</script>")
    assert [one.text for one in opened] == ["above"]


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        pytest.param(svg(node(60)), svg(node(120)), id="a node"),
        pytest.param(
            '<svg><g class="node"><ellipse cx="60" cy="40" rx="34" ry="20" fill="#fff"/>'
            '<text x="30" y="44" font-size="14">W1 X + b1</text></g></svg>',
            '<svg><g class="node"><ellipse cx="60" cy="40" rx="50" ry="20" fill="#fff"/>'
            '<text x="30" y="44" font-size="14">W1 X + b1</text></g></svg>',
            id="an ellipse",
        ),
        pytest.param(
            '<button style="width: 40px; white-space: nowrap">Unfold layers</button>',
            '<button style="white-space: nowrap">Unfold layers</button>',
            id="a button",
        ),
        pytest.param(
            '<input type="search" style="width: 60px" placeholder="Find a name or formula">',
            '<input type="search" style="width: 300px" placeholder="Find a name or formula">',
            id="a hint",
        ),
    ],
)  # fmt: skip
def test_texts_that_stick_out(seen: Callable[[str], list[Any]], bad: str, good: str) -> None:
    assert len(sticking_out(seen(bad))) == 1
    assert sticking_out(seen(good)) == []


@pytest.mark.parametrize(
    ("bad", "good", "size"),
    [
        ('<p style="font-size: 11px">x', '<p style="font-size: 12px">x', 11.0),
        # 400 pixels for 300 units: 4/3 of 8 is less than 12, 4/3 of 9 is not.
        (svg('<text y="20" font-size="8">x</text>'),
         svg('<text y="20" font-size="9">x</text>'), 10.67),
        ("<math><msup><mi>x</mi><mn>2</mn></msup></math>",
         "<math style='font-size: 20px'><msup><mi>x</mi><mn>2</mn></msup></math>", 11.36),
    ],
    ids=["html", "svg", "an exponent"],
)  # fmt: skip
def test_texts_that_are_too_small(
    seen: Callable[[str], list[Any]], bad: str, good: str, size: float
) -> None:
    ((_, found),) = small_texts(seen(bad))
    assert found == pytest.approx(size, abs=0.05)
    assert small_texts(seen(good)) == []


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        pytest.param('<p style="color: #787878">x', '<p style="color: #767676">x', id="on white"),
        pytest.param(
            '<div style="background: #222222"><p style="color: #777777">x</div>',
            '<div style="background: #222222"><p style="color: #999999">x</div>',
            id="on dark",
        ),
        pytest.param(
            svg(node(120, fill="#0072b2")), svg(node(120, fill="#e8f3fb")), id="on a shape"
        ),
        pytest.param(
            svg(node(120, ink="#d0d0d0")), svg(node(120, "#202020", "#d0d0d0")), id="on a dark one"
        ),
        pytest.param(
            "<style>input::placeholder { color: #bbbbbb }</style><input type=search placeholder=x>",
            "<style>input::placeholder { color: #555555 }</style><input type=search placeholder=x>",
            id="a hint",
        ),
    ],
)
def test_texts_that_are_too_faint(seen: Callable[[str], list[Any]], bad: str, good: str) -> None:
    assert len(low_contrast(seen(bad))) == 1
    assert low_contrast(seen(good)) == []


def test_a_faint_button_is_an_error_unless_it_is_disabled(seen: Callable[[str], list[Any]]) -> None:
    faint = '<button {} style="color: #aaaaaa; background: #ffffff">x</button>'
    assert low_contrast(seen(faint.format(""))) == [("x", 2.32)]
    assert low_contrast(seen(faint.format("disabled"))) == []


def test_a_page_that_complains_or_asks_for_something_is_caught(
    open_page: Any, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    for body, complaint in (
        ("<script>console.warn('oh')</script>", "warning: oh"),
        ("<script>throw new Error('oh')</script>", "error: oh"),
        ("<img src='http://example.org/x.png'>", "request: http://example.org/x.png"),
        ("<img src='beside.png'>", f"request: {(tmp_path / 'beside.png').as_uri()}"),
    ):
        path.write_text(body, encoding="utf-8")
        open_page(path)
        assert complaint in open_page.complaints
        open_page.complaints.clear()
