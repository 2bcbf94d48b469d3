"""Pages of graphs of many kinds: what can be measured, a link to a step, neighbours, the map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import zoo
from legibility import hex_of, overlapping_texts, script, small_texts, sticking_out
from legibility import read as texts_of
from nets import two_layers
from stepper import Stepper

from viz.palette import contrast

Open = Callable[..., Stepper]

# At each step, when the picture stands still: whether its box is in sight, whole or as much of it
# as there is place for, and at some of them the texts.
LOOK = """
async ([steps, read]) => {
  const texts = %s;
  const frame = document.getElementById("graph");
  const slider = document.getElementById("slider");
  const at = () => `${document.body.dataset.step} ${frame.scrollLeft} ${frame.scrollTop}`;
  const still = async () => {
    for (let before = ""; before !== at(); ) {
      before = at();
      await new Promise(requestAnimationFrame);
      await new Promise(requestAnimationFrame);
    }
  };
  const seen = (low, high, from, to) =>
    Math.min(high, to) - Math.max(low, from) >= Math.min(high - low, 0.7 * (to - from)) - 1;
  const found = [];
  for (const k of steps) {
    slider.value = k;
    slider.dispatchEvent(new Event("input"));
    await still();
    const box = frame.querySelector("[data-state=current]")?.getBoundingClientRect();
    const sight = frame.getBoundingClientRect();
    found.push({
      step: Number(document.body.dataset.step),
      lost: box !== undefined && !(seen(box.left, box.right, sight.left, sight.right) &&
        seen(box.top, box.bottom, sight.top, sight.bottom)),
      texts: read.includes(k) ? texts() : [],
    });
  }
  return found;
}
"""
LOOKS = 6  # steps, and texts are read at three of them


@pytest.mark.parametrize("name", zoo.ZOO)
def test_the_box_is_in_sight_and_no_text_overlaps_another_or_is_cut(
    stepper: Open, name: str
) -> None:
    page = stepper(zoo.ZOO[name], width=1100, height=700)
    steps = sorted({page.steps * k // (LOOKS - 1) for k in range(LOOKS)})
    read = [steps[0], steps[len(steps) // 2], steps[-1]]
    found = page.page.evaluate(LOOK % script(), [steps, read])
    assert [look["step"] for look in found] == steps
    assert [look["step"] for look in found if look["lost"]] == []
    for look in found:
        seen = texts_of(look["texts"])
        assert bool(seen) == (look["step"] in read)
        assert overlapping_texts(seen) == []
        assert sticking_out(seen) == []
        assert small_texts(seen) == []
        assert not [one.text for one in seen if "… + …" in one.text]


def test_s278_of_thousands_of_nodes_each_part_unfolds_and_every_node_is_found(
    stepper: Open,
) -> None:
    page = stepper(zoo.thousands, width=1100, height=700)
    parts = page.find("#graph g.folded")
    whole = parts.count()
    assert whole == 20
    part = parts.nth(3).get_attribute("id")
    parts.nth(3).dblclick()
    page.page.wait_for_function("document.querySelectorAll('#graph g.folded').length == 19")
    assert page.find(f"#graph #{part}").count() == 0
    assert 100 < len(page.things()) < 200
    page.page.wait_for_selector("#map:not([hidden])")
    page.page.fill("#search", "h500")
    page.find("#search").press("Enter")
    page.page.wait_for_function("document.querySelector('#panel h2').textContent == 'h500'")
    sight: Any = page.find("#graph").bounding_box()
    page.page.wait_for_function(
        "([id, low, high]) => { const box = document.getElementById(id).getBoundingClientRect();"
        " return box.top >= low && box.bottom <= high; }",
        arg=[page.named("h500"), sight["y"], sight["y"] + sight["height"]],
    )
    page.find("#panel [data-key^=fold-]").first.click()
    page.page.wait_for_function("document.querySelectorAll('#graph g.folded').length == 20")


def test_the_address_says_the_step_and_opens_there(stepper: Open) -> None:
    page = stepper(two_layers).press("ArrowRight*3")
    page.page.wait_for_url("**#3")  # the browser tells of its address when it has time
    page.page.evaluate("location.hash = '#7'")
    page.page.wait_for_selector("[data-step='7']")
    page.press("Home").page.wait_for_url("**.html")


def test_the_panel_leads_to_what_a_node_reads_and_who_reads_it(stepper: Open) -> None:
    page = stepper(two_layers).to(1).select("Z1")
    said = page.find("#panel .around").all_inner_texts()
    assert said == ["reads W1 X, b1", "read by A1"]
    page.click("#panel .around button:has-text('A1')")
    assert page.panel.startswith("A1")


def test_there_is_a_map_of_a_picture_much_larger_than_the_window(stepper: Open) -> None:
    assert stepper(two_layers).find("#map").is_hidden()
    page = stepper(zoo.residual, width=1100, height=620)
    assert page.find("#map").is_visible()
    box: Any = page.find("#map svg").bounding_box()
    sight: Any = page.find("#map .sight").bounding_box()
    assert box["x"] - 1 <= sight["x"] <= sight["x"] + sight["width"] <= box["x"] + box["width"] + 1
    page.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 2)
    assert page.find("#graph").evaluate("one => one.scrollTop") > 1000


INK = """
() => [...document.querySelectorAll("#graph text, #panel h2, #status")]
  .filter((one) => one.checkVisibility())
  .map((one) => getComputedStyle(one)[one instanceof SVGElement ? "fill" : "color"])
"""


def test_paper_is_white(stepper: Open) -> None:
    page = stepper(zoo.residual, width=700, height=900, scheme="dark")
    light = "#ffffff"
    assert contrast(ink(page, INK), light) < 4.5  # for the dark
    page.page.emulate_media(media="print")
    try:
        assert contrast(ink(page, INK), light) >= 4.5
    finally:
        page.page.emulate_media(media="screen")


def ink(page: Stepper, script: str) -> str:
    """The colour of letters that is the lightest."""
    found: set[str] = set(page.page.evaluate(script))
    return max(map(hex_of, found), key=lambda colour: contrast(colour, "#000000"))


def test_playing_has_a_speed(stepper: Open) -> None:
    page = stepper(two_layers)
    page.page.select_option("#pace", "220")
    page.click("#play")
    done = f"#{page.named('Z2')}:not([data-state='unknown'])"  # step 5, and it stays so
    page.page.wait_for_selector(done, timeout=3000)
