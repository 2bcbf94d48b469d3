"""A page that computes: what is changed there has the engine's consequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nets
import numpy as np
import pytest
import zoo
from stepper import Stepper

import viz
from tinygrad_dnn import Tensor, log, sigmoid, tanh
from tinygrad_dnn.autodiff.retrace import backward_again, forward_again
from tinygrad_dnn.graph import Leaf, trace

Open = Callable[..., Stepper]
NUMBERS = """
() => Object.fromEntries(Object.entries(story.nodes).map(([id, { value, gradient }]) =>
  [id, [value, gradient].map((k) => (k === null ? null : [...(live.values[k] ?? [])]))]))
"""

AS_RECORDED = """
() => Object.keys(live.data.places).every((k) =>
  live.values[k].every((v, i) => Object.is(v, live.recorded[k][i])))
"""
SLIDE = """
(one) => {
  one.step = "any";
  one.value = 5;
  one.dispatchEvent(new Event("input"));
  one.dispatchEvent(new Event("change"));
}
"""


def engine(make: Callable[[], Tensor], changed: dict[str, tuple[int, float]]) -> dict[str, Any]:
    """By id the value and gradient of every node, with some elements of leaves changed."""
    graph = trace([make().node])
    for leaf in graph.leaves:
        assert isinstance(leaf, Leaf)
        if leaf.name in changed:
            i, value = changed[leaf.name]
            leaf.value = leaf.value.copy()
            leaf.value.reshape(-1)[i] = value
    forward = forward_again(graph)
    slopes = backward_again(forward).gradients
    return {
        f"n{k}": [t.numpy(), slopes[t.node].numpy() if t.node in slopes else None]
        for k, t in enumerate(forward.tensors)
    }


def same(page: Stepper, expected: dict[str, Any]) -> None:
    found = page.settled().page.evaluate(NUMBERS)
    for name, pair in expected.items():
        for ours, theirs in zip(found[name], pair, strict=True):
            assert (ours is None) == (theirs is None)
            if ours:
                np.testing.assert_allclose(ours, np.ravel(theirs), rtol=1e-12, atol=1e-15)


def typed(page: Stepper, name: str, i: int, text: str) -> Stepper:
    """Type a number of an input."""
    page.select(name)
    if page.find("#panel td[data-i]").count():
        page.find(f'#panel section.value td[data-i="{i}"]').click()
    page.page.fill("#number", text)
    return page.press("Tab").settled()


@pytest.mark.parametrize("make", [nets.two_layers, zoo.attention])
def test_a_typed_number_has_the_engines_consequences(stepper: Open, make: Any) -> None:
    page = stepper(make).press("End")
    name = next(n.name for n in trace([make().node]).leaves if n.name and n.requires_grad)
    typed(page, name, 1, "0.75")
    same(page, engine(make, {name: (1, 0.75)}))
    page.click("#undo")
    same(page, engine(make, {}))


def test_s232_a_drag_changes_a_number_at_once_and_what_follows_is_coloured(stepper: Open) -> None:
    page = stepper(nets.two_layers).press("End").select("W1")
    box = page.find('#panel section.value td[data-i="4"]').bounding_box()
    assert box
    mouse = page.page.mouse
    mouse.move(box["x"] + 9, box["y"] + 5)
    mouse.down()
    mouse.move(box["x"] + 49, box["y"] + 5, steps=4)
    page.find("#graph [data-moved=true]").first.wait_for()
    value = float(page.page.evaluate("live.memory.W1[4]"))
    assert page.find('#panel section.value td[data-i="4"][data-moved="up"]').count() == 1
    same(page, engine(nets.two_layers, {"W1": (4, value)}))
    mouse.up()
    page.settled()
    assert page.find("#changed").inner_text().startswith("W1[1, 1]: ")
    assert "cost: " in page.find("#changed").inner_text()
    lines = page.things()[page.named("Z1")]["lines"]
    slopes = np.array(engine(nets.two_layers, {"W1": (4, value)})["n7"][1])
    low, high = (float(t.replace("−", "-")) for t in lines[-1].removeprefix("dZ1: ").split(" … "))
    assert [low, high] == pytest.approx([slopes.min(), slopes.max()], rel=0.05)
    page.click("#reset").settled()
    assert page.page.evaluate(AS_RECORDED)
    assert page.find("[data-moved=true], [data-moved=up], [data-moved=down]").count() == 0


def test_a_gradient_without_a_name_is_called_as_before_once_it_is_another_one(
    open_page: Any, tmp_path: Any
) -> None:
    W, V = (Tensor(np.eye(2), requires_grad=True, name=name) for name in ("weight", "another"))
    cost = (tanh(W @ np.ones((2, 1)) + V @ np.zeros((2, 1))) ** 2).sum()
    page = Stepper(open_page(viz.explore(cost, tmp_path / "page.html"))).press("End")
    read = "() => [...document.querySelectorAll('#graph text.slope')].map((one) => one.textContent)"
    before = [said.partition(": ")[0] for said in page.page.evaluate(read)]
    typed(page, "weight", 1, "0.75")
    assert page.find("#graph text.slope[data-moved=true]").count() > 3
    assert [said.partition(": ")[0] for said in page.page.evaluate(read)] == before
    assert "gradient" in before


def test_single_numbers_have_a_slider(stepper: Open) -> None:
    page = stepper(nets.thrice).press("End").select("x")
    page.find("#range").evaluate(SLIDE)
    page.settled()
    assert page.find("#changed").inner_text() == "x: 3 → 5 · y: 12 → 30 (+18)"
    assert page.cells()["slope"] == {0: "11"}  # 2x + 1


def test_s302_whole_numbers_stay_whole_and_truth_is_0_or_1(open_page: Any, tmp_path: Any) -> None:
    w = Tensor([0.5, -1.0, 2.0], requires_grad=True, name="w")
    k = Tensor(np.array([1, 2, 3]), name="k")
    M = Tensor(np.array([True, False, True]), name="M")
    cost = (np.where(M, w * k, 0.0) ** 2).sum()
    page = Stepper(open_page(viz.explore(cost, tmp_path / "kinds.html"))).press("End")
    typed(page, "k", 1, "5.6")
    typed(page, "M", 1, "0.75")
    typed(page, "w", 1, "-0.25")
    found = page.page.evaluate("['k', 'M', 'w'].map((name) => live.memory[name][1])")
    assert found == [6, 1, -0.25]
    assert page.page.evaluate("live.values[story.nodes[live.data.outputs[0]].value][0]") == 38.5
    page.find("#number").focus()
    page.press("ArrowUp")  # as a hand does in 10 pixels
    assert page.page.evaluate("live.memory.w[1]") == -0.2
    page.click("#undo").settled()
    typed(page, "w", 1, "1e309")  # no number of a field: it is left alone
    assert page.page.evaluate("live.memory.w[1]") == -0.25


def test_a_name_that_every_object_of_javascript_has(open_page: Any, tmp_path: Any) -> None:
    names = ("__proto__", "constructor", "length", "toString")
    leaves = [Tensor([0.5, 1.0], requires_grad=True, name=name) for name in names]
    cost = sum((tanh(x) * (k + 1.0)).sum() for k, x in enumerate(leaves))
    page = Stepper(open_page(viz.explore(cost, tmp_path / "names.html"))).press("End")
    typed(page, "__proto__", 0, "2")
    expected = np.tanh(0.5) * 9 + np.tanh(1) * 10 + np.tanh(2)
    out = "live.values[story.nodes[live.data.outputs[0]].value][0]"
    assert page.page.evaluate(out) == pytest.approx(expected, rel=1e-12)


def test_keys_are_numbers_in_a_field_and_commands_elsewhere(stepper: Open) -> None:
    page = stepper(nets.two_layers).press("End").select("W2")
    page.find("#panel section.value table").focus()
    page.press("ArrowRight", "Enter")
    assert page.focus() == "number"
    page.page.keyboard.type("1.5")
    step = page.step
    page.press("Enter")
    assert (page.page.evaluate("live.memory.W2[1]"), page.step) == (1.5, step)


def test_the_lines_of_the_present_step_are_lit(stepper: Open) -> None:
    page = stepper(nets.two_layers).click("text=Program")
    lines = page.find("#program .lit")
    assert [line.strip() for line in page.to(1).find("#program .lit").all_inner_texts()] == [
        "matmul(t1, W1, X);"
    ]
    page.to(2)
    assert [line.strip() for line in lines.all_inner_texts()] == ["add(Z1, t1, b1);"]
    page.to(page.steps)
    assert "dW1, dZ1, X" in lines.all_inner_texts()[-1]
    page.find("#n0").evaluate("one => one.dispatchEvent(new Event('click', { bubbles: true }))")
    assert (page.find("#program").is_hidden(), page.find("#panel").is_visible()) == (True, True)


def test_s231_what_can_not_be_computed_stays_recorded_and_is_named(
    open_page: Any, tmp_path: Any
) -> None:
    A = Tensor(np.eye(2) * 2, requires_grad=True, name="A")
    part = (A * np.argpartition(A, 1)).sum()
    page = Stepper(open_page(viz.explore(part, tmp_path / "part.html")))
    said = page.find("#changed").inner_text()
    assert "a page can't compute np.argpartition, which gives a result (2, 2): of the many" in said
    page.press("End").select("A")
    assert page.find("#number, #undo").count() == 0
    wide = Tensor(np.zeros((1000, 700)), requires_grad=True, name="W")
    page = Stepper(open_page(viz.explore((wide * 2.0).sum(), tmp_path / "wide.html")))
    assert "its inputs hold 5.6 MB" in page.find("#changed").inner_text()


def test_what_takes_long_is_computed_beside_the_page(open_page: Any, tmp_path: Any) -> None:
    W = Tensor(np.full((400, 400), 0.01), requires_grad=True, name="W")
    x = Tensor(np.ones((400, 1)), name="x")
    b = Tensor(0.5, requires_grad=True, name="b")
    y = (np.tanh(W @ (W @ x)) * b).sum()
    y.name = "y"
    page = Stepper(open_page(viz.explore(y, tmp_path / "wide.html"))).press("End").select("b")
    page.page.fill("#number", "1")
    page.press("Tab")
    page.find("#changed", has_text="y: ").wait_for()
    expected = float(np.tanh(16.0) * 400)
    assert page.page.evaluate(
        "live.values[story.nodes[live.data.outputs[0]].value][0]"
    ) == pytest.approx(expected)


def test_numbers_that_nobody_may_change(open_page: Any, tmp_path: Any) -> None:
    page = Stepper(open_page(viz.explore(nets.two_layers(), tmp_path / "still.html", live=False)))
    assert page.find("#live, #number").count() == 0


def test_s357_an_array_that_a_variable_holds_can_be_changed(open_page: Any, tmp_path: Any) -> None:
    X, Y = np.array([[0.5, -1.0, 2.0]]), np.array([[1.0, 0.0, 1.0]])
    w = Tensor(np.array([[0.3]]), requires_grad=True, name="w")

    def cost(X: Any, Y: Any) -> Tensor:
        A = sigmoid(w @ X)
        return -(Y * log(A) + (1 - Y) * log(1 - A)).mean()

    for names, changed in (({"X": X, "Y": Y}, True), (None, False)):
        page = Stepper(open_page(viz.explore(cost(X, Y), tmp_path / "held.html", names)))
        page.press("End")
        if not changed:
            page.page.evaluate("document.querySelector('svg g.node.const').dispatchEvent("
                               "new MouseEvent('click', {bubbles: true}))")  # fmt: skip
            assert "names=locals()" in page.find("#panel").inner_text()
            assert page.find("#number").count() == 0
            continue
        typed(page, "Y", 1, "0.25")  # 1 − Y follows
        Y[0, 1] = 0.25
        found = page.page.evaluate("live.values[story.nodes[live.data.outputs[0]].value][0]")
        assert found == pytest.approx(cost(X, Y).item(), rel=1e-14)


def test_the_first_rows_of_an_array_are_a_part_of_its_memory(stepper: Open) -> None:
    page = stepper(zoo.experts).press("End")  # P[0:1], P[1:2], ...
    typed(page, "Wg", 0, "0.5")
    same(page, engine(zoo.experts, {"Wg": (0, 0.5)}))


def test_captions_lead_through_the_page(open_page: Any, tmp_path: Any) -> None:
    cost = nets.two_layers()
    steps = ["A network of two layers.", ("Z1", "First the product."), ("dW1", "Its gradient.")]
    path = viz.explore(cost, tmp_path / "lesson.html", steps=[*steps, (cost, "The cost.")])
    page = Stepper(open_page(path))
    assert (page.find("#caption").inner_text(), page.step) == ("A network of two layers.", 0)
    page.click("#caption-next")
    assert (page.find("#caption").inner_text(), page.panel) == ("First the product.", "Z1")
    assert "forward · Z1 = " in page.status
    page.click("#caption-next")
    assert (page.panel, "slope" in page.cells()) == ("W1", True)
    page.click("#caption-next")
    assert (page.find("#lesson .meta").inner_text(), page.panel) == ("4 of 4", "cost")
    page.click("#caption-back")
    assert page.find("#caption").inner_text() == "Its gradient."
    step = page.step
    page.page.reload()  # its address says the step
    assert (page.find("#caption").inner_text(), page.step) == ("Its gradient.", step)
    page.press("ArrowLeft").page.reload()
    assert page.step == step - 1


def test_captions_of_what_is_not_there_are_refused(tmp_path: Any) -> None:
    cost, path = nets.two_layers(), tmp_path / "lesson.html"
    with pytest.raises(ValueError, match="nothing is called 'Z9'; there are X"):
        viz.explore(cost, path, steps=[("Z9", "text")])
    with pytest.raises(ValueError, match="is not in this graph"):
        viz.explore(cost, path, steps=[(Tensor(1.0, name="other"), "text")])
    with pytest.raises(TypeError, match="as a list of captions"):
        viz.explore(cost, path, steps="text")
    with pytest.raises(TypeError, match="expected a step as a text, or as"):
        viz.explore(cost, path, steps=[("Z1", 3)])  # type: ignore[list-item]
    assert not path.exists()
