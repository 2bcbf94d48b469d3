"""The page without a mouse: every key of its dialog does what the dialog says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from nets import four_layers, nested, thrice, two_layers
from stepper import Stepper

Open = Callable[..., Stepper]


def focused(page: Stepper) -> Any:
    return page.page.evaluate("() => document.activeElement.dataset.key ?? null")


def tab_to(page: Stepper, wanted: str) -> Stepper:
    """Press the tab key until something has the focus: an id, or the key of a button."""
    for _ in range(60):
        page.press("Tab")
        if wanted in (page.focus(), focused(page)):
            return page
    raise AssertionError(f"the tab key does not reach {wanted}")


def test_the_keys_that_step(stepper: Open) -> None:
    page = stepper(thrice)
    for key, step in (
        ("ArrowRight", 1),
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
        ("End", 5),
        ("ArrowRight", 5),
        ("Home", 0),
        ("ArrowLeft", 0),
    ):
        assert page.press(key).step == step


def test_space_plays_and_pauses(stepper: Open) -> None:
    page = stepper(thrice)
    page.press("Space")
    assert page.find("#play").inner_text() == "Pause"
    page.press("Space")
    assert page.find("#play").inner_text() == "Play"
    page.find("#play").focus()
    page.press("Space")  # the button presses itself, once
    assert page.find("#play").inner_text() == "Pause"


def test_every_control_can_be_reached_with_the_tab_key(stepper: Open) -> None:
    page = stepper(two_layers).press("ArrowRight")
    there = page.page.evaluate(
        "() => [...document.querySelectorAll(':is(header, footer) :is(button, input),"
        " :is(#live, #panel) button')]"
        ".filter((one) => !one.disabled && one.checkVisibility()).length"
    )
    reached = []
    for _ in range(there + 4):
        page.press("Tab")
        reached.append(page.focus() if focused(page) is None else focused(page))
    first = reached.index(reached[-1])
    around = set(reached[first:])
    assert len(set(reached)) >= there + 1  # one thing of the graph, too
    assert {"search", "theme", "help", "slider", "follow", "n0"} <= set(reached) | around


def test_arrows_go_from_node_to_node_in_the_order_of_the_computation(stepper: Open) -> None:
    page = tab_to(stepper(two_layers), "n0")
    order = [page.focus()]
    for _ in range(len(page.things()) - 1):
        order.append(page.press("ArrowDown").focus())
        assert page.things()[order[-1]]["tab"] == "0"
    assert sorted(order) == sorted(page.things())
    nodes = [int(name[1:]) for name in order if name[0] == "n" and "c" not in name]
    assert nodes == sorted(nodes)
    assert page.press("ArrowDown").focus() == order[-1]
    assert page.press("ArrowUp").focus() == order[-2]
    assert page.step == 0
    assert sum(one["tab"] == "0" for one in page.things().values()) == 1


def test_the_graph_as_a_whole_can_be_entered(stepper: Open) -> None:
    page = stepper(thrice)
    page.find("#graph").focus()
    assert page.press("ArrowDown").focus() == "n0"


def test_enter_selects_escape_follows_again(stepper: Open) -> None:
    page = tab_to(stepper(two_layers).to(3), "n0").press("ArrowDown*4")
    at = page.focus()
    page.press("Enter")
    assert page.chosen == at
    assert page.things()[at]["pressed"] == "true"
    page.press("ArrowRight")
    assert (page.chosen, page.step) == (at, 4)
    page.press("Escape")
    assert [page.chosen] == page.current()
    page.press("ArrowRight")
    assert [page.chosen] == page.current()


def test_enter_folds_and_unfolds_and_keeps_the_focus(stepper: Open) -> None:
    page = stepper(nested)
    tab_to(page, page.focus() if page.focus() != "BODY" else next(iter(page.things())))
    for name in ("s0", "s1", "s2"):
        page.find(f"#{name}").focus()
        page.press("Enter")
        assert page.focus() == name
        assert page.things()[name]["kind"].split()[-1:] != ["cluster"]
        page.press("Enter")
        assert page.focus() == name
        assert page.things()[name]["label"].endswith("open")
    inner = page.named("h1")
    page.find(f"#{inner}").focus()
    page.find("#fold-all").evaluate("one => one.click()")  # the focus is on what is folded away
    assert page.focus() in page.things()
    page.find("#unfold-all").evaluate("one => one.click()")
    assert page.focus() in page.things()


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_folding_with_the_panels_button_keeps_the_focus_there(stepper: Open, key: str) -> None:
    page = stepper(two_layers).to(2)
    for _ in range(3):
        tab_to(page, "fold-s0")
        page.press(key)
        assert focused(page) == "fold-s0"


@pytest.mark.parametrize("button", ["fold-all", "unfold-all"])
def test_a_button_that_is_disabled_by_its_own_press_hands_the_focus_on(
    stepper: Open, button: str
) -> None:
    page = stepper(two_layers)
    if button == "unfold-all":
        page.click("#fold-all")
    page.find(f"#{button}").focus()
    page.press("Enter")
    assert page.find(f"#{button}").is_disabled()
    assert page.focus() == {"fold-all": "unfold-all", "unfold-all": "fold-all"}[button]


def test_the_buttons_of_the_ends_hand_the_focus_on(stepper: Open) -> None:
    page = stepper(thrice)
    for button, step, other in (("last", 5, "back"), ("first", 0, "forward")):
        page.find(f"#{button}").focus()
        page.press("Enter")
        assert (page.step, page.focus()) == (step, other)


def test_find_goes_from_hit_to_hit(stepper: Open) -> None:
    page = stepper(two_layers).press("/")
    assert page.focus() == "search"
    page.page.keyboard.type("Z1")
    hits = page.find("#hits")
    total = int(hits.inner_text().split()[0])
    assert total > 1
    seen = []
    for k in range(total):
        page.press("Enter")
        assert hits.inner_text() == f"{k + 1} of {total}"
        seen.append(page.chosen)
    assert len(set(seen)) == total
    assert seen[0] == page.named("Z1")
    assert page.press("Enter").chosen == seen[0]
    assert page.press("Shift+Enter").chosen == seen[-1]
    assert page.focus() == "search"
    page.press("ArrowLeft", "Home", "t", "f")  # in the box keys write and move as everywhere
    assert page.find("#search").input_value() == "tfZ1"
    assert page.step == 0
    page.press("Escape")
    assert page.find("#search").input_value() == ""
    assert hits.inner_text() == ""
    assert page.find("#graph .hit").count() == 0


def test_the_keys_that_zoom(stepper: Open) -> None:
    page = stepper(four_layers)

    def width() -> float:
        return float(page.find("#graph svg").bounding_box()["width"])

    page.press("1")
    natural = width()
    points = float(page.find("#graph svg").get_attribute("viewBox").split()[2])
    assert natural == pytest.approx(points * 4 / 3, rel=1e-3)
    page.press("+")
    assert width() == pytest.approx(1.25 * natural, rel=1e-3)
    page.press("-")
    assert width() == pytest.approx(natural, rel=1e-3)
    page.press("f")
    frame, svg = page.find("#graph").bounding_box(), page.find("#graph svg").bounding_box()
    assert svg["height"] <= frame["height"] + 1
    assert svg["width"] <= frame["width"] + 1
    assert min(frame["height"] - svg["height"], frame["width"] - svg["width"]) < 2
    page.press("f")  # again: its width
    assert width() == pytest.approx(frame["width"], abs=20)


def test_the_key_of_light_and_dark(stepper: Open) -> None:
    page = stepper(thrice)
    for theme in ("dark", "light"):
        page.press("t")
        assert page.find("html").get_attribute("data-theme") == theme


def test_the_dialog_of_the_keys_opens_and_closes(stepper: Open) -> None:
    page = stepper(thrice)
    dialog = page.find("#keys")
    page.press("?")
    assert dialog.is_visible()
    page.press("ArrowRight", "t")  # the page below has no keys now
    assert page.step == 0
    assert page.find("html").get_attribute("data-theme") == "light"
    page.press("Escape")
    assert not dialog.is_visible()
    page.press("?", "Enter")  # on Close
    assert not dialog.is_visible()
    assert page.press("ArrowRight").step == 1


def test_the_dialog_names_every_key(stepper: Open) -> None:
    page = stepper(thrice).press("?")
    told = set(page.find("#keys kbd").all_inner_texts())
    assert told == {
        "→", "←", "↑", "↓", "Home", "End", "Space", "Tab", "Enter", "Esc",
        "/", "+", "−", "1", "f", "t", "Ctrl", "z",
    }  # fmt: skip


@pytest.mark.parametrize(("make", "columns"), [(two_layers, 3), (four_layers, 12)])
def test_arrows_go_from_cell_to_cell_in_numbers(stepper: Open, make: Any, columns: int) -> None:
    page = stepper(make).press("End").select("W1")
    tab_to(page, "W1")

    def cell() -> str:
        line = page.find("#panel .readout .value").inner_text()
        return line.partition(" = ")[0].removeprefix("W1")

    step = page.step
    way = [cell()]
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowUp", "ArrowLeft"):
        way.append(page.press(key) and cell())
        assert page.step == step  # arrows in numbers do not step
    assert way == ["[0, 0]", "[0, 1]", "[1, 1]", "[1, 0]", "[0, 0]", "[0, 0]", "[0, 0]"]
    page.press(f"ArrowRight*{columns}")
    assert cell() == "[1, 0]"
    tab_to(page, "dW1")
    assert cell() == "[1, 0]"
    page.press("ArrowDown")
    told = page.find("#panel .readout").inner_text()
    assert "W1[2, 0]" in told
    assert "dW1[2, 0]" in told


def test_the_cursor_stays_in_its_cell_when_a_step_adds_numbers(stepper: Open) -> None:
    page = stepper(two_layers).to(6).select("W2")
    tab_to(page, "W2").press("ArrowRight*2")
    lines = []
    for _ in range(page.steps - 6):
        page.find("#forward").evaluate("one => one.click()")
        assert focused(page) == "W2"
        lines.append(page.find("#panel .readout").inner_text())
    assert all("W2[0, 2]" in line for line in lines)
    assert "dW2[0, 2]" in lines[-1]


def test_keys_with_a_modifier_are_the_browsers(stepper: Open) -> None:
    page = stepper(thrice).press("Control+ArrowRight", "Alt+t", "Meta+f")
    assert page.step == 0
    assert page.find("html").get_attribute("data-theme") == "light"
