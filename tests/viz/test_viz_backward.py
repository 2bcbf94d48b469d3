"""The backward pass in a picture: the engine's own, beside the values, and nothing else changed.

`PYTHONPATH=tests python tests/viz/test_viz_backward.py` writes the golden files anew; look at the
difference first.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from drawings import WEIRD, named, neuron, parameter, shared, two_layers
from seen import Seen, seen

import viz
from tinygrad_dnn import StaleValueError, Tensor, exp, gradients, no_grad, relu, stop_gradient
from tinygrad_dnn.graph import trace

GOLDEN = Path(__file__).parents[1] / "golden"
PICTURES = {
    "neuron_backward": lambda: viz.draw(neuron(), backward=True, values=True),
    "two_layers_backward": lambda: viz.draw(two_layers(), backward=True, merge=True),
    "shared_backward": lambda: viz.draw(shared(), backward=True),
}


@pytest.mark.parametrize("name", PICTURES)
def test_ids_labels_and_structure_are_those_of_the_golden_file(name: str) -> None:
    golden = (GOLDEN / f"{name}.dot").read_text(encoding="utf-8")
    source = PICTURES[name]().source
    assert Seen(source).structure() == Seen(golden).structure()
    assert source == PICTURES[name]().source


def test_every_gradient_of_backward_is_there_beside_its_value_in_its_box() -> None:
    cost = two_layers()
    graph = trace([cost.node])
    picture = seen(cost, backward=True, values=True)
    cost.backward(keep=True)
    for i, node in enumerate(graph):
        value, slope = f"n{i}", f"d{i}"
        if node.grad is None:
            assert slope not in picture.nodes
            continue
        if slope not in picture.nodes:  # add hands on what it got: dZ1 is the gradient of W1 X too
            assert node.name is None
            continue
        assert picture.nodes[slope]["class"] == "gradient"
        assert picture.home[slope] == picture.home[value]
        assert any({value, slope} <= level for level in picture.levels)
        if node.name:
            title = picture.lines[slope][0]
            assert title.startswith(f"d{node.name} = ")
        if np.size(node.grad) == 1:
            shown = picture.lines[slope][2].replace("−", "-")
            assert float(shown) == pytest.approx(node.grad.item(), rel=1e-3)


def test_formulas_are_the_backward_formulas_in_the_users_names() -> None:
    titles = seen(two_layers(), backward=True, merge=True).titles()
    assert {"dW1 = dZ1 Xᵀ", "db1 = Σ dZ1", "dA1 = W2ᵀ dZ2", "dW2 = dZ2 A1ᵀ", "db2 = Σ dZ2"} <= {
        *titles
    }
    assert "dcost = 1" in titles
    assert len(titles) == 11 + 9  # and each of them once


def test_the_forward_half_is_the_picture_without_backward() -> None:
    alone, both = seen(two_layers()), seen(two_layers(), backward=True)
    forward = {k for k in both.nodes if k.startswith("n")}
    assert forward == set(alone.nodes)
    assert {k: both.lines[k] for k in forward} == alone.lines
    assert [a for a in both.arrows if {a[0], a[1]} <= forward] == alone.arrows


def test_arrows_say_which_way_the_gradient_flows_and_what_a_rule_reads() -> None:
    x = Tensor([2.0], requires_grad=True, name="x")
    y = named(exp(x), "y")
    source = viz.draw(y, backward=True).source
    arrows = {(tail, head) for tail, head, _ in Seen(source).arrows}
    assert arrows == {("n0", "n1"), ("d1", "d0"), ("n1", "d0")}  # dx = dy ⊙ y
    (read,) = re.findall(r"n1 -> d0 \[.*", source)
    assert "dashed" in read
    assert "class=read" in read
    (back,) = re.findall(r".*id=\"d1-d0-0\".*", source)
    assert "class=backward" in back


def test_the_graph_is_left_alone_and_a_freed_one_is_drawn_again() -> None:
    cost = two_layers()
    before = viz.draw(cost, backward=True).source
    saved = [node.saved for node in trace([cost.node])]
    assert [node.saved for node in trace([cost.node])] == saved
    assert all(node.grad is None for node in trace([cost.node]))
    cost.backward()
    slopes = [None if n.grad is None else n.grad.copy() for n in trace([cost.node])]
    assert viz.draw(cost, backward=True).source == before
    for node, slope in zip(trace([cost.node]), slopes, strict=True):
        np.testing.assert_equal(node.grad, slope)


def test_variables_name_gradients_too() -> None:
    u, v = parameter(2), parameter(2)
    total = (u * v).sum()
    titles = seen(total, {"u": u, "v": v, "total": total}, backward=True).titles()
    assert any(t.startswith("du = ") for t in titles)
    assert "dtotal = 1" in titles


def test_a_sum_over_uses_is_drawn_as_one() -> None:
    lines = seen(shared(), backward=True).lines.values()
    (slope,) = [" ".join(line) for line in lines if line[0].startswith("dW = ")]
    assert " + " in slope


def test_several_outputs_start_from_one_each() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    y, z = named(x * 2.0, "y"), named(exp(x), "z")
    titles = seen([y, z], backward=True).titles()
    assert {"dy = 1", "dz = 1"} <= {*titles}


def test_the_seed_of_a_result_without_a_name_is_called_after_it() -> None:
    z = parameter(2, name="z")
    titles = seen(np.sqrt(z).sum(), backward=True).titles()
    assert "d(Σ √z) = 1" in titles
    assert not [t for t in titles if "tensor" in t]


def test_what_a_rule_reads_alone_stands_beside_the_gradient_it_is_for() -> None:
    """Below it, it would reach into the next layer's rows and push that layer's box aside."""
    picture = seen(two_layers(), backward="full")
    rows = [{picture.lines[name][0].split(" = ")[0] for name in row} for row in picture.levels]
    for pair in ({"W1 X", "dW1", "Xᵀ"}, {"Z1", "dZ1", "Z1 &gt; 0"}, {"A1", "dA1", "W2ᵀ"}):
        assert any(pair <= row for row in rows), pair


def test_a_rule_is_one_box_unless_every_op_is_asked_for() -> None:
    alone, full = (seen(two_layers(), backward=how) for how in (True, "full"))
    inner = {name for name in full.nodes if name.startswith("b")}
    assert {full.lines[name][0] for name in inner} >= {"Xᵀ", "W2ᵀ"}
    repeats = set(full.nodes) - set(alone.nodes) - inner
    assert [full.lines[name][:2] for name in repeats] == [["dcost / 5", "scalar float64"]]
    assert {k: v for k, v in full.lines.items() if k not in inner | repeats} == alone.lines
    (slope,) = [name for name, lines in alone.lines.items() if lines[0] == "dW1 = dZ1 Xᵀ"]
    assert ("n0", slope) in {(tail, head) for tail, head, _ in alone.arrows}  # it reads X
    with pytest.raises(ValueError, match="expected backward as True, False or 'full', got 'all'"):
        viz.draw(two_layers(), backward="all")


def test_a_gradient_that_repeats_another_one_looks_like_it_and_has_no_box() -> None:
    w = parameter(3, name="w")
    by_itself = seen(named((w * np.ones(3)).sum() / 3.0, "y"), backward=True)
    assert [t for t in by_itself.titles() if t[0] == "d"] == [
        "dy = 1",
        "dy / 3",
        "dw = dy / 3 ⊙ ones(3)",
    ]
    for square in (w**2, w * w):  # one rule reads it beside a number, two read it
        lines = seen(named(square.sum() / 3.0, "y"), backward=True).lines.values()
        assert [line[1] for line in lines if line[0] == "dy / 3"] == ["(3,) float64"]


def test_rules_show_no_turning_to_and_fro_and_call_what_is_not_a_number_so() -> None:
    x, W = parameter(4, 3, name="x"), parameter(2, 3, name="W")
    turned = seen(named((x @ W.T) @ parameter(2, 5, name="V"), "y"), backward=True)
    assert "dx = dy Vᵀ W" in turned.titles()
    top = seen(named(x - x.max(axis=1, keepdims=True), "y"), backward=True)
    assert any("where(x = maxⱼ(x) or isnan(x)," in title for title in top.titles())


def test_the_box_of_a_call_cites_what_it_reads_as_other_boxes_do() -> None:
    x = parameter(4, 4, name="a_matrix_with_a_name_that_is_long_enough")
    y = named(np.log(np.diag(np.exp(x @ x.T) + x @ x.T)).sum(), "y")
    lines = [line for back in (False, True) for line in seen(y, backward=back).lines.values()]
    assert [line[1] for line in lines if line[0] == "diag"] == ["diag(h7)", "h9 = diag(h7)"]


def test_what_has_no_gradient_has_none_and_nothing_to_differentiate_is_said() -> None:
    w, x = parameter(2, name="w"), Tensor(np.ones(2), name="x")
    picture = seen(named(w * x + stop_gradient(w), "y"), backward=True)
    assert {t.split(" =")[0] for t in picture.titles() if t.startswith("d")} == {"dw", "dy"}
    with pytest.raises(ValueError, match="requires a gradient"):
        viz.draw(x + 1.0, backward=True)


def test_a_changed_leaf_is_named() -> None:
    w = parameter(2, name="w")
    y = w * 2.0
    with no_grad():
        w -= 1.0
    with pytest.raises(StaleValueError, match="w"):
        viz.draw(y, backward=True)


@pytest.mark.parametrize("name", WEIRD)
def test_a_name_is_just_a_name(name: str) -> None:
    x = parameter(1, name=name)
    source = viz.draw(named(relu(x * 2.0), name), backward=True).source
    source.encode()
    assert {"n0", "n1", "n2", "d0", "d2"} <= set(Seen(source).nodes)


if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (GOLDEN / f"{name}.dot").write_text(draw().source, encoding="utf-8", newline="\n")


@pytest.mark.parametrize("shape", [(), (2,)])
def test_the_seed_of_an_output_that_another_output_reads_is_one(shape: tuple[int, ...]) -> None:
    x = Tensor(np.ones(shape), requires_grad=True, name="x")
    a = named(x * x, "a")
    titles = Seen(viz.draw([a, named(a * 2, "b")], backward=True).source).titles()
    assert "da = 1 + db · 2" in titles
    assert "1" in titles
    assert "db = 1" in titles
    assert not [title for title in titles if "tensor" in title]


def test_a_number_that_a_mean_repeats_is_written_as_the_number() -> None:
    h = named(parameter(2, 3, name="W") @ parameter(3, 4, name="X"), "h")
    titles = seen(named((h**2).mean(), "J"), backward=True).titles()
    assert "dh = dJ · 0.125 · 2 ⊙ h" in titles  # not broadcast(dJ · 0.125 → (2, 4)) · 2 ⊙ h


def test_the_gradient_of_what_has_one_inside_has_one_name_everywhere(tmp_path: Path) -> None:
    w = Tensor(np.array([0.5, 2.0]), requires_grad=True, name="w")
    (dw,) = gradients((w**3).sum(), [w], create_graph=True)
    assert dw.node.name == "dw"
    cost = ((w - 0.1 * dw) ** 2).sum()
    drawn = [t.split(" = ")[0] for t in seen(cost, backward=True).titles()]
    assert drawn.count("dw") == drawn.count("δw") == 1
    assert "δw" in {line.name for line in viz.derive(cost).lines}
    page = viz.explore(cost, tmp_path / "page.html").read_text(encoding="utf-8")
    assert '"gradientName":"δw"' in page.replace(": ", ":")
    assert '"gradientName":"dw"' not in page.replace(": ", ":")
    assert re.search("δw: ", page)  # beside the box too
    boxes = Seen(viz.draw(cost, backward=True).source).lines.values()
    (start,) = [lines for lines in boxes if re.fullmatch(r"x\d+", lines[0])]
    assert start[1:] == ["scalar float64", "1"]  # what the inner gradient starts from
