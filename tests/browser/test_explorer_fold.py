"""Folding, finding, zooming, light and dark, and what a screen reader is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from drawings import parameter
from nets import four_layers, nested, thrice, two_layers, weird
from stepper import Stepper

from tinygrad_dnn import Tensor, scope
from viz.drawing.labels import LONGEST_FORMULA

Open = Callable[..., Stepper]


def folded(page: Stepper) -> set[str]:
    return {name for name, one in page.things().items() if "folded" in one["kind"]}


# --- folding --------------------------------------------------------------------------------------


def test_a_layer_folds_to_one_box_and_unfolds_to_what_was_there(stepper: Open) -> None:
    page = stepper(two_layers)

    def seen() -> dict[str, Any]:
        things = page.things()
        return {name: (one["kind"], one["label"], one["lines"]) for name, one in things.items()}

    before = seen()
    page.page.dblclick("#s0 text")
    assert folded(page) == {"s0"}
    inside = {"W1", "b1", "W1 X", "Z1", "A1"}
    shown = {one["lines"][0].split(" = ")[0] for one in page.things().values()}
    assert not inside & shown
    lines = page.things()["s0"]["lines"]
    assert lines == [
        "layer 1", "A1 = relu(W1 X + b1)", "LINEAR → RELU", "(3, 4) → (4, 4)",
        "16 parameters, 128 bytes",
    ]  # fmt: skip
    page.page.dblclick("#s0 text")
    assert seen() == before


def test_all_layers_fold_and_unfold(stepper: Open) -> None:
    page = stepper(four_layers)
    assert page.find("#unfold-all").is_disabled()
    page.click("#fold-all")
    assert folded(page) == {"s0", "s1", "s2", "s3"}
    assert page.find("#fold-all").is_disabled()
    page.click("#unfold-all")
    assert folded(page) == set()
    assert not page.find("#fold-all").is_disabled()


def test_a_folded_layer_is_one_step_each_way(stepper: Open) -> None:
    page = stepper(four_layers)
    page.click("#fold-all").press("ArrowRight")
    assert page.current() == ["s0"]
    assert page.step == 3
    order = []
    while page.press("ArrowRight").step < page.steps:
        order += page.current()
    order += page.current()
    layers = [name for name in order if name[0] == "s"]
    assert layers == ["s1", "s2", "s3", "s3", "s2", "s1", "s0"]
    assert page.states("gradient")["s0"] == "complete"
    page.press("ArrowLeft")
    assert page.current() == ["s1"]
    assert page.states("gradient")["s0"] == "partial"


def test_arrows_to_and_from_a_folded_layer_light_up(stepper: Open) -> None:
    page = stepper(four_layers)
    page.click("#fold-all").press("ArrowRight*2")
    assert page.current() == ["s1"]
    assert list(page.arrows().values()) == ["forward"]
    page.press("End", "ArrowLeft")
    assert page.current() == ["s1"]
    assert list(page.arrows().values()) == ["backward"]


def test_the_present_step_stays_when_its_layer_is_folded(stepper: Open) -> None:
    page = stepper(four_layers).to(5)
    (at,) = page.current()
    status = page.status
    layer = page.find("#panel .meta").first.inner_text().split(" · ")[-1]
    page.find("#panel").get_by_role("button", name=f"Fold {layer}").click()
    assert page.step == 5
    assert page.status == status
    (box,) = page.current()
    assert page.things()[box]["lines"][0] == layer
    seen, room = page.find(f"#{box}").bounding_box(), page.find("#graph").bounding_box()
    assert seen["y"] >= room["y"]
    assert seen["y"] + seen["height"] <= room["y"] + room["height"]
    page.find("#panel").get_by_role("button", name=f"Unfold {layer}").click()
    assert page.current() == [at]
    assert page.step == 5


def test_scopes_in_scopes_fold_one_by_one(stepper: Open) -> None:
    page = stepper(nested)
    assert [one["lines"][0] for name, one in page.things().items() if name[0] == "s"] == [
        "outer", "first", "second",
    ]  # fmt: skip
    page.page.dblclick("#s1 text")
    assert "s1" in folded(page)
    assert "outer, open" in page.things()["s0"]["label"]
    page.page.dblclick("#s0 > text")
    assert folded(page) == {"s0"}
    assert not {"s1", "s2"} & set(page.things())
    page.page.dblclick("#s0 text")
    assert folded(page) == set()
    page.page.dblclick("#s2 text")
    assert "s2" in folded(page)


def test_what_is_selected_stays_selected_when_it_is_folded_and_unfolded(stepper: Open) -> None:
    page = stepper(two_layers).select("Z1")
    at = page.chosen
    page.click("#fold-all")
    assert page.chosen == at
    assert page.things()["s0"]["pressed"] == "true"
    page.click("#unfold-all")
    assert page.chosen == at
    assert page.things()[at]["lines"][0].startswith("Z1")


def test_what_is_on_show_stays_where_it_is(stepper: Open) -> None:
    page = stepper(four_layers).to(9)
    page.page.wait_for_timeout(50)
    for _ in range(2):
        group = page.find("#panel [data-key^=fold-]").first
        name = (group.get_attribute("data-key") or "").removeprefix("fold-")
        group.click()
        room, box = page.find("#graph").bounding_box(), page.find(f"#{name}").bounding_box()
        assert box["y"] < room["y"] + room["height"]
        assert box["y"] + box["height"] > room["y"]


# --- search ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "first", "hits"),
    [
        ("Z1", "Z1", None),
        ("b2", "b2", None),
        ("relu", "A1", 1),
        ("dw2", "W2", 1),
        ("W1 X", "W1 X", 2),
        ("nowhere", None, 0),
    ],
)
def test_search_by_name_formula_op_and_gradient(
    stepper: Open, text: str, first: str | None, hits: int | None
) -> None:
    page = stepper(two_layers)
    page.page.fill("#search", text)
    said = page.find("#hits").inner_text()
    marked = page.find("#graph .hit")
    if hits is not None:
        assert said == f"{hits} found"
        assert marked.count() == hits
    page.find("#search").press("Enter")
    if first is None:
        assert page.chosen == ""
    else:
        assert page.chosen == page.named(first)
        box, room = page.find(f"#{page.chosen}").bounding_box(), page.find("#graph").bounding_box()
        assert room["y"] <= box["y"] <= room["y"] + room["height"]


def test_search_finds_what_is_folded(stepper: Open) -> None:
    page = stepper(four_layers).click("#fold-all")
    page.page.fill("#search", "Z3")
    page.find("#search").press("Enter")
    assert page.panel == "Z3"
    assert "hit" in page.things()["s2"]["kind"]
    page.click("#unfold-all")
    assert "hit" in page.things()[page.named("Z3")]["kind"]


# --- pointer --------------------------------------------------------------------------------------


def test_links_in_the_panel_lead_to_other_nodes(stepper: Open) -> None:
    page = stepper(thrice).press("End").select("x")
    page.find("#panel .parts .link").first.click()
    assert page.chosen == "n2"
    assert page.things()["n2"]["pressed"] == "true"
    pin = page.find("#panel .pin")
    assert pin.inner_text() == "Follow the steps"
    pin.click()
    assert pin.inner_text() == "Stay here"
    assert [page.chosen] == page.current()


def test_a_drag_moves_the_picture_and_selects_nothing(stepper: Open) -> None:
    page = stepper(four_layers)
    frame = page.find("#graph")
    box = frame.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] - 40
    mouse = page.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(x, y - 150, steps=4)
    mouse.up()
    assert frame.evaluate("one => one.scrollTop") == pytest.approx(150, abs=2)
    assert page.chosen == ""


def test_the_wheel_scrolls_and_with_control_zooms_about_the_pointer(stepper: Open) -> None:
    page = stepper(four_layers).press("1")
    target = page.find(f"#{page.named('Z1')}")
    box = target.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.page.mouse.move(x, y)
    page.page.keyboard.down("Control")
    page.page.mouse.wheel(0, -200)
    page.page.keyboard.up("Control")
    page.page.wait_for_timeout(100)
    now = target.bounding_box()
    assert now["width"] > 1.2 * box["width"]
    assert now["y"] + now["height"] / 2 == pytest.approx(y, abs=3)
    page.page.mouse.wheel(0, 60)
    page.page.wait_for_timeout(200)
    assert target.bounding_box()["width"] == now["width"]
    assert target.bounding_box()["y"] == pytest.approx(now["y"] - 60, abs=2)


def test_a_picture_that_is_zoomed_by_hand_keeps_its_zoom(stepper: Open) -> None:
    page = stepper(two_layers)
    page.click("#zoom-in").click("#zoom-in")

    def scale() -> float:
        return float(page.find("#graph svg").evaluate("one => one.getScreenCTM().a"))

    before = scale()
    page.click("#fold-all").click("#unfold-all")
    assert scale() == pytest.approx(before)
    page.click("#zoom-out").click("#zoom-out")
    assert scale() < before
    page.click("#zoom-one")
    assert scale() == pytest.approx(4 / 3, rel=1e-3)
    page.click("#fit")
    assert page.find("#graph svg").bounding_box()["height"] <= 800


# --- light and dark -------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_in_the_readers_scheme(stepper: Open, scheme: str) -> None:
    page = stepper(thrice, scheme=scheme)
    paper = "getComputedStyle(document.body).backgroundColor"
    colours = {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 24, 28)"}
    other = "dark" if scheme == "light" else "light"
    assert page.find("html").get_attribute("data-theme") == scheme
    assert page.page.evaluate(paper) == colours[scheme]
    assert page.find("#theme").inner_text() == other.title()
    page.click("#theme")
    assert page.page.evaluate(paper) == colours[other]
    assert page.find("#theme").inner_text() == scheme.title()
    assert page.find("#theme").get_attribute("aria-pressed") is None  # its text says it


def test_a_heat_map_changes_its_colours_with_the_theme(stepper: Open) -> None:
    page = stepper(four_layers).select("W1")
    pixels = "one => one.toDataURL()"
    canvas = page.find("#panel canvas")
    light = canvas.evaluate(pixels)
    page.press("t")
    assert canvas.evaluate(pixels) != light
    page.press("t")
    assert canvas.evaluate(pixels) == light


# --- what a screen reader is told -----------------------------------------------------------------


def test_every_box_has_a_role_and_says_what_it_is_and_what_is_there(stepper: Open) -> None:
    page = stepper(two_layers)
    for one in page.things().values():
        assert one["role"] == "button"
        assert one["label"]
    z1 = page.named("Z1")

    def said() -> Any:
        return page.things()[z1]["label"]

    assert said() == "Z1 = W1 X + b1, op, shape 4 by 4, not yet computed"
    page.to(2)
    assert said() == "Z1 = W1 X + b1, op, shape 4 by 4, computed"
    assert page.find(f"#{z1}").get_attribute("aria-current") == "step"
    page.press("End")
    assert said() == "Z1 = W1 X + b1, op, shape 4 by 4, computed, gradient complete"
    assert page.find(f"#{z1}").get_attribute("aria-current") == "false"
    assert page.things()["s0"]["label"] == "layer 1, open"
    page.click("#fold-all")
    assert page.things()["s0"]["label"] == "layer 1, folded: LINEAR → RELU"


def test_the_accessibility_tree_has_the_parts_of_the_page(stepper: Open) -> None:
    page = stepper(two_layers).press("ArrowRight").page
    for role, name in (
        ("searchbox", "Find a name, formula or layer"),
        ("slider", "Step"),
        ("group", "Steps"),
        ("group", "Zoom"),
        ("group", "Graph of cost"),
        ("button", "Step forward"),
        ("button", "Z1 = W1 X + b1, op, shape 4 by 4, not yet computed"),
    ):
        assert page.get_by_role(role, name=name, exact=True).count() == 1, (role, name)
    said = page.get_by_role("status").all_inner_texts()
    assert [text for text in said if text.startswith("step 1 of ")]


# --- hard names -----------------------------------------------------------------------------------


def test_names_are_only_ever_text(stepper: Open) -> None:
    page = stepper(weird)
    count = page.page.evaluate("() => document.querySelectorAll('img, b, script').length")
    page.press("ArrowRight*4")
    leaves = [one["lines"][0] for one in page.things().values() if "param" in one["kind"]]
    for name in (
        "<script>alert(1)</script>", 'q"uo"te', "back\\slash", "\\N \\G", "new\\nline", "tab\\t",
        "größe", "層", "&amp;", "]; x [label=1", "<b>x</b>", "\\x00\\x07", "\\ud800", "\\u202ertl",
        "%s", f"{'x' * 26}…{'x' * 13}",
    ):  # fmt: skip
        assert name in leaves
    for name in page.things():
        page.page.locator(f"#{name}").dispatch_event("click")
    page.press("End")
    page.page.fill("#search", "<script>")
    page.find("#search").press("Enter")
    page.click("#fold-all").press("Home", "ArrowRight*9")
    lines = [line for one in page.things().values() for line in one["lines"]]
    assert max(map(len, lines)) <= LONGEST_FORMULA
    assert page.page.evaluate("() => window.hacked") is None
    assert page.page.evaluate("() => document.querySelectorAll('img, b, script').length") == count


def test_a_scope_of_leaves_alone_tells_their_names_as_text(stepper: Open) -> None:
    def leaves() -> Tensor:
        with scope("\ud800data"):
            all_of_them = [parameter(2, name=f"<b>\ud800\n{k}") for k in range(3)]
        total = all_of_them[0] * all_of_them[1]
        return (total * all_of_them[2]).sum()

    page = stepper(leaves).click("#fold-all")
    (box,) = folded(page)
    assert page.things()[box]["lines"][0] == "\\ud800data"
    page.page.click(f"#{box}")
    assert page.find("#panel .meta").first.inner_text() == "<b>\\ud800\\n0 … <b>\\ud800\\n2"
