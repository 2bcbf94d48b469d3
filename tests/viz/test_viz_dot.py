"""The picture of a graph: what is in it, what it says, and that nothing in it can go wrong.

`PYTHONPATH=tests python tests/viz/test_viz_dot.py` writes the golden files anew; look at the
difference before you commit it.
"""

from __future__ import annotations

import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import graphviz
import numpy as np
import pytest
from drawings import WEIRD, after_backward, named, neuron, parameter, shared, two_layers
from seen import Seen, seen

import viz
from tinygrad_dnn import StaleValueError, Tensor, exp, no_grad, relu, scope
from tinygrad_dnn.graph import trace
from viz.drawing.labels import brief
from viz.palette import BOX, INK, LOOKS, MUTED, PAPER, contrast
from viz.subject import names_of

GOLDEN = Path(__file__).parents[1] / "golden"


# --- golden files, stability ----------------------------------------------------------------------

PICTURES = {
    "neuron": lambda: viz.draw(neuron()),
    "two_layers": lambda: viz.draw(two_layers()),
    "two_layers_merged": lambda: viz.draw(two_layers(), merge=True),
    "shared": lambda: viz.draw(shared()),
    "neuron_values": lambda: viz.draw(after_backward(neuron()), values=True),
}


@pytest.mark.parametrize("name", PICTURES)
def test_ids_labels_and_structure_are_those_of_the_golden_file(name: str) -> None:
    golden = (GOLDEN / f"{name}.dot").read_text(encoding="utf-8")
    assert Seen(PICTURES[name]().source).structure() == Seen(golden).structure()


def test_the_comparison_with_golden_files_sees_a_difference() -> None:
    source = PICTURES["two_layers"]().source
    for one, other in (
        ("Z1 = ", "Z9 = "),
        ("class=param", "class=input"),
        ("n0 -> n4", "n1 -> n4"),
        ("layer 2", "layer 3"),
        ("rank=same n2", "rank=same n1"),
    ):
        assert source.count(one)
        changed = source.replace(one, other, 1)
        assert Seen(source).structure() != Seen(changed).structure(), one


@pytest.mark.parametrize("name", PICTURES)
def test_the_same_graph_gives_the_same_text(name: str) -> None:
    assert PICTURES[name]().source == PICTURES[name]().source
    cost = two_layers()
    assert viz.draw(cost).source == viz.draw(cost).source


# --- what is in it --------------------------------------------------------------------------------


def test_every_node_of_the_graph_is_there_with_its_id_kind_formula_shape_and_dtype() -> None:
    cost = two_layers()
    graph = trace([cost.node])
    picture = seen(cost)
    assert set(picture.nodes) == {f"n{i}" for i in range(len(graph))}
    for i, node in enumerate(graph):
        kind = ("param" if node.requires_grad else "input") if node.op is None else "op"
        assert picture.nodes[f"n{i}"]["class"] == ("output" if node is cost.node else kind)
        assert picture.nodes[f"n{i}"]["id"] == f"n{i}"
        size = f"{node.shape} float64" if node.shape else "scalar float64"
        assert picture.lines[f"n{i}"][1:] == [size]
        assert picture.lines[f"n{i}"][0].startswith(node.name or "")
    assert {"Z1 = W1 X + b1", "A1 = relu(Z1)", "W2 A1", "A2 = σ(Z2)", "X"} <= {*picture.titles()}


def test_an_arrow_for_each_use_says_which_input_it_is() -> None:
    x = Tensor(1.0, name="x")
    picture = seen((x - 2.0 * x) * x)
    assert picture.arrows == [
        ("n0", "n1", "n0-n1-1"),  # 2 x: the number is the first input
        ("n0", "n2", "n0-n2-0"),
        ("n1", "n2", "n1-n2-1"),
        ("n2", "n3", "n2-n3-0"),
        ("n0", "n3", "n0-n3-1"),
    ]


def test_the_drawing_is_a_digraph_that_one_may_restyle() -> None:
    picture = viz.draw(neuron())
    assert isinstance(picture, graphviz.Digraph)
    picture.graph_attr["rankdir"] = "LR"
    assert "rankdir=LR" in picture.source
    assert "rankdir" not in viz.draw(neuron()).source


def test_several_outputs_a_graph_nodes_and_a_leaf_can_be_drawn() -> None:
    a = neuron()
    z = a.inputs[0]
    assert seen([a, z]).kinds()["z = w x + b"] == "output"
    assert seen(a).kinds()["z = w x + b"] == "op"
    assert viz.draw(trace([a.node])).source == viz.draw(a.node).source == viz.draw(a).source
    assert viz.draw(iter([a])).source == viz.draw(a).source
    assert seen(Tensor(1.0, name="x")).kinds() == {"x": "input"}


def test_a_variable_whose_object_is_gone_is_passed_over() -> None:
    gone = weakref.proxy(set())
    assert viz.draw(neuron(), names={"gone": gone}).source == viz.draw(neuron()).source


def test_a_freed_graph_is_drawn_as_before() -> None:
    a = neuron()
    before = viz.draw(a).source
    a.backward()
    assert viz.draw(a).source == before


# --- constants ------------------------------------------------------------------------------------


def test_numbers_stand_in_the_formula_and_arrays_have_a_box() -> None:
    x = Tensor(np.ones((2, 1)), name="x")
    table = np.arange(6.0).reshape(2, 3)
    picture = seen(named((2.5 * x + table) * np.float64(3.0) - table, "y"))
    assert [k for k, v in picture.nodes.items() if v["class"] == "const"] == ["n2c1"]
    assert picture.lines["n2c1"] == ["c1", "(2, 3) float64", "0  1  2", "3  4  5"]
    used = [(tail, head) for tail, head, _ in picture.arrows if tail == "n2c1"]
    assert used == [("n2c1", "n2"), ("n2c1", "n4")]  # one array, used twice
    assert {"2.5 · x", "y = (2.5 · x + c1) · 3 − c1"} <= set(picture.titles())


def test_equal_arrays_and_their_transposes_have_one_box() -> None:
    x, table = Tensor(np.ones((2, 2)), name="x"), np.arange(4.0).reshape(2, 2)
    picture = seen(table @ x + table.copy() @ table.T)
    assert picture.titles()[-1] == "c1 x + c2"
    picture = seen(table @ (x * table.copy()) @ table.T)
    assert picture.titles() == ["x", "c1", "x ⊙ c1", "c1 (x ⊙ c1)", "c1 (x ⊙ c1) c1ᵀ"]
    assert sum(tail == "n1c1" for tail, _, _ in picture.arrows) == 3


# --- names ----------------------------------------------------------------------------------------


def test_names_come_from_the_tensors_and_then_from_variables() -> None:
    u, v, own = Tensor(1.0), Tensor(2.0), Tensor(3.0, name="own")
    both = u * v + own
    variables = {
        "_hidden": u, "u": u, "again": u, "v": v, "other": own, "both": both,
        "number": 3, "array": np.ones(3), "nothing": None,
    }  # fmt: skip
    assert seen(both, variables).titles() == ["u", "v", "own", "u · v", "both = u · v + own"]
    assert seen(both, names=locals()).titles()[-1] == "both = u · v + own"
    assert seen(both).titles()[0] == "x1"
    assert both.name is None  # drawing names nothing for good


def test_s346_names_are_found_in_dictionaries_lists_and_tuples() -> None:
    W1 = np.ones((2, 3))  # another object than the parameter of that name
    params = {"W1": Tensor(W1, requires_grad=True), "_b": parameter(2, 1)}
    nets = {"f": [(parameter(2, 2), parameter(2, 1))], "g": ((parameter(2, 2), parameter(2, 1)),)}
    layers = [{"scale": parameter(1)}, {"scale": parameter(1)}]
    xs, hs = {0: np.arange(21.0).reshape(3, 7)}, {-1: params["_b"]}
    hs[0] = params["W1"] @ xs[0] + hs[-1]
    for k, ((W, b),) in enumerate(nets.values()):
        hs[k + 1] = W @ hs[k] + b * layers[k]["scale"]
    del W, b, k
    called = names_of(trace([hs[2].node]), locals())
    assert {"W1", "xs0", "hs0", "hs1", "hs2", "layers0_scale", "layers1_scale"} <= {
        *called.values()
    }
    assert {"f0_0", "f0_1", "g0_0", "g0_1"} <= {*called.values()}
    assert called[params["_b"].node] == "x2"
    everything: list[Any] = [[0] * 1000] * 1000
    everything.append(everything)  # which a look at all of it would not come out of
    assert names_of(trace([hs[2].node]), {"everything": everything})


def test_an_underscored_variable_names_nothing() -> None:
    u = Tensor(1.0)
    assert seen(u, {"_": u, "_1": u}).titles() == ["x1"]


@pytest.mark.parametrize("name", WEIRD)
def test_a_name_is_just_a_name(name: str) -> None:
    x = Tensor(1.0, name=name)
    with scope(name):
        y = named(x + 1.0, name)
    source = viz.draw(y, fold=False).source
    source.encode()
    assert all(c.isprintable() or c in "\n\t" for c in source)
    picture = Seen(source)
    assert set(picture.nodes) == {"n0", "n1"}
    assert picture.arrows == [("n0", "n1", "n0-n1-0")]
    assert len(picture.boxes) == 1
    assert max(len(lines[0]) for lines in picture.lines.values()) < 400


def test_an_empty_name_is_none() -> None:
    assert seen(Tensor(1.0, name="") + 1.0).titles()[0] == "x1"


# --- scopes ---------------------------------------------------------------------------------------


def test_scopes_are_boxes_around_their_nodes_and_parameters_stand_where_they_are_used() -> None:
    picture = seen(two_layers())
    where = {title.split(" = ")[0]: picture.home[k] for k, (title, *_) in picture.lines.items()}
    assert where["Z1"] == where["W1"] == where["b1"] == ("layer 1",)
    assert where["A2"] == where["W2"] == ("layer 2",)
    assert where["cost"] == ("cost",)
    assert where["X"] == where["Y"] == ()
    assert picture.boxes == {"s0": ["layer 1"], "s1": ["layer 2"], "s2": ["cost"]}
    assert seen(two_layers(), scopes=False).boxes == {}


def test_scopes_nest_and_one_that_is_entered_again_is_one_box() -> None:
    x = Tensor(1.0, name="x")
    with scope("outer"):
        with scope("inner"):
            y = named(exp(x), "y")
        z = named(-y, "z")
        with scope("inner"):
            u = named(relu(z), "u")
    with scope("inner"):
        v = named(u * 2, "v")
    picture = seen(v)
    homes = [picture.home[f"n{i}"] for i in range(5)]
    both = ("outer", "inner")
    assert homes == [(), both, ("outer",), both, ("inner",)]
    assert sorted(picture.boxes.values()) == [["inner"], ["outer"], ["outer", "inner"]]


def test_a_parameter_of_several_scopes_stands_outside_them() -> None:
    picture = seen(shared())
    assert picture.home["n0"] == ()
    with scope("own"):
        w = parameter(2, name="w")
    with scope("user"):
        y = w * 2.0
    assert seen(y).home["n0"] == ("own",)
    v = parameter(2, name="v")
    with scope("outer"):
        with scope("a"):
            a = v * 2.0
        with scope("b"):
            y = a + v
    assert seen(y).home["n0"] == ("outer",)


# --- beside, straight -----------------------------------------------------------------------------


def test_a_parameter_used_once_stands_beside_the_op_and_a_shared_one_does_not() -> None:
    picture = seen(two_layers())
    at = {title.split(" = ")[0]: k for k, (title, *_) in picture.lines.items()}
    for beside in (("W1", "W1 X"), ("b1", "Z1"), ("W2", "W2 A1"), ("b2", "Z2")):
        assert {at[x] for x in beside} in picture.levels
    assert len(picture.levels) == 4
    assert not any("n0" in level for level in seen(shared()).levels)
    w = parameter(2, name="w")
    assert seen(w * 2.0).levels == []  # something has to come from above
    assert seen(w + parameter(2)).levels == [{"n0", "n2"}]


def test_each_layer_of_a_network_stands_in_one_straight_line() -> None:
    picture = seen(two_layers())
    lines: dict[str, list[str]] = {}
    for k, v in picture.nodes.items():
        if "group" in v:
            lines.setdefault(v["group"], []).append(picture.lines[k][0].split(" = ")[0])
    assert sorted(lines.values()) == [["W1 X", "Z1", "A1"], ["W2 A1", "Z2", "A2"]]


# --- merging --------------------------------------------------------------------------------------


def test_merging_draws_unnamed_steps_inside_the_named_result() -> None:
    picture = seen(two_layers(), merge=True)
    assert [t for t in picture.titles() if "=" in t] == [
        "Z1 = W1 X + b1", "A1 = relu(Z1)", "Z2 = W2 A1 + b2", "A2 = σ(Z2)",
        next(t for t in picture.titles() if t.startswith("cost = ")),
    ]  # fmt: skip
    assert len(picture.nodes) == 6 + 5
    graph = trace([two_layers().node])
    assert set(picture.nodes) < {f"n{i}" for i in range(len(graph))}  # ids stay as they were
    assert {(tail, head) for tail, head, _ in picture.arrows} >= {("n0", "n5"), ("n2", "n5")}
    assert len({name for *_, name in picture.arrows}) == len(picture.arrows)


def test_merging_leaves_alone_what_is_used_twice_or_named_or_elsewhere_or_asked_for() -> None:
    x = Tensor(1.0, name="x")
    twice = exp(x)
    with scope("elsewhere"):
        step = -twice
    y = named(twice * step, "y")
    assert len(seen(y, merge=True).nodes) == 4
    unnamed = relu(exp(x))
    assert len(seen(unnamed, merge=True).nodes) == 2  # the output is shown, named or not
    middle = exp(x)
    assert len(seen([named(relu(middle), "r"), middle], merge=True).nodes) == 3


def test_merging_leads_arrows_of_constants_to_the_host() -> None:
    x = Tensor(np.ones(2), name="x")
    picture = seen(named(relu(x * np.array([0.1234, 2.3456])), "y"), merge=True)
    assert picture.arrows == [("n0", "n2", "n0-n1-0"), ("n1c1", "n2", "n1c1-n1-1")]


# --- values ---------------------------------------------------------------------------------------


def test_values_and_gradients_are_shown_on_request_small_arrays_in_full() -> None:
    w, x = Tensor([[1.0, -2.5]], requires_grad=True, name="w"), Tensor([[3.0], [4.0]], name="x")
    y = named(w @ x, "y")
    y.backward()
    plain, full = seen(y), seen(y, values=True)
    assert plain.lines["n0"] == ["w", "(1, 2) float64"]
    assert full.lines["n0"] == ["w", "(1, 2) float64", "1  −2.5", "gradient 3  4"]
    assert full.lines["n1"] == ["x", "(2, 1) float64", "3", "4"]
    assert full.lines["n2"] == ["y = w x", "(1, 1) float64", "−7"]


def test_large_arrays_are_summed_up_and_odd_ones_do_no_harm() -> None:
    x = Tensor(np.arange(100.0).reshape(10, 10), name="x")
    assert seen(x, values=True).lines["n0"][2] == "0 … 99, mean 49.5, norm 573"
    empty, bad = Tensor(np.ones((0, 3)), name="e"), Tensor(np.full(20, np.inf), name="bad")
    assert seen(empty, values=True).lines["n0"][2] == "empty"
    assert seen(bad, values=True).lines["n0"][2] == "all ∞, mean ∞, norm ∞"
    flags = Tensor(np.array([True, False]), name="flags")
    assert seen(flags, values=True).lines["n0"][1:] == ["(2,) bool", "1  0"]
    y = x + x.data
    assert seen(y, values=True).lines["n1c1"][2] == "0 … 99, mean 49.5, norm 573"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([2.699e-8], "2.699e−8"), ([3904000.0], "3.904e6"), ([-5.498e11], "−5.498e11"),
        ([123456.0], "123456"), ([1e100], "1e100"), ([0.0001], "0.0001"), ([-0.0], "0"),
        ([np.nan], "NaN"), ([-np.inf], "−∞"),
        ([0.0, -0.0], "all 0"), ([1.0, 1.0], "all 1"), ([0.3, 0.3 + 1e-7], "about 0.3"),
        ([np.nan, np.nan], "all NaN"), ([1.0, np.nan], "some NaN"), ([np.inf, 1.0], "1 … ∞"),
        ([-1.0, 2.5], "−1 … 2.5"), ([], "empty"),
    ],
)  # fmt: skip
def test_an_array_in_a_few_characters(values: list[float], told: str) -> None:
    assert brief(np.array(values)) == told


def test_the_value_of_a_sum_and_recorded_gradients_are_shown_as_numbers() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    y = named((x * x).sum(), "y")
    y.backward(create_graph=True)
    picture = seen(y, values=True)
    assert picture.lines["n2"][2:] == ["5"]
    assert picture.lines["n0"][2:] == ["1  2", "gradient 2  4"]


def test_a_column_of_gradients_has_a_heading() -> None:
    b = Tensor([[1.0], [2.0]], requires_grad=True, name="b")
    (b * b).sum().backward()
    assert seen(b, values=True).lines["n0"][2:] == ["1", "2", "gradient", "2", "4"]


def test_lazy_arrays_are_not_computed_for_a_picture() -> None:
    dask = pytest.importorskip("dask.array", reason="dask is not installed")
    x = Tensor(dask.ones((3, 3)), name="x")
    assert seen(x + 1.0, values=True).lines["n1"][2] == "dask array, not computed"


def test_values_of_an_edited_leaf_are_not_shown_as_if_they_were_those_recorded() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    y = w * 2.0
    with no_grad():
        w -= 1.0
    with pytest.raises(StaleValueError, match="w"):
        viz.draw(y, values=True)
    assert len(seen(y).nodes) == 2


# --- size -----------------------------------------------------------------------------------------


def test_forty_doublings_are_41_nodes() -> None:
    y = Tensor(np.ones(3), requires_grad=True, name="y")
    for _ in range(40):
        y = y + y
    picture = seen(y)
    assert len(picture.nodes) == 41
    assert len(picture.arrows) == 80


def test_the_text_of_thousands_of_nodes_costs_no_more_than_its_size() -> None:
    def seconds(steps: int) -> float:
        y = Tensor(np.ones(3), name="x")
        for i in range(steps):
            with scope(f"step {i}"):
                y = relu(y * parameter(3, name=f"w{i}"))
        taken = []
        for _ in range(2):
            start = time.process_time()
            source = viz.draw(y, fold=False).source
            taken.append(time.process_time() - start)
        assert source.count(" -> ") == 3 * steps
        return min(taken)

    assert seconds(800) < 12 * seconds(200)  # four times as many nodes


def test_a_deep_nest_of_scopes_needs_no_recursion() -> None:
    y = Tensor(1.0, name="x")

    def nested(depth: int, y: Tensor) -> Tensor:
        with scope(f"scope {depth}"):
            return nested(depth - 1, y) if depth else y + 1.0

    y = nested(150, y)
    assert len(seen(y).boxes) == 151


# --- colours --------------------------------------------------------------------------------------


def test_every_kind_has_a_shape_and_a_colour_of_its_own_and_legible_text() -> None:
    forms = {(look.shape, look.style, look.outlines) for look in LOOKS.values()}
    assert len(forms) == len(LOOKS) == len({look.line for look in LOOKS.values()})
    for ground in [*(look.fill for look in LOOKS.values()), BOX, PAPER]:
        assert contrast(INK, ground) >= 4.5
        assert contrast(MUTED, ground) >= 4.5
    for look in LOOKS.values():
        assert contrast(look.line, look.fill) >= 2.4


def test_contrast_is_that_of_the_definition() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)
    assert contrast("#123456", "#123456") == 1


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (3, "got int"),
        ("cost", "got str"),
        (np.ones(3), "got ndarray"),
        ([neuron(), 1.0], "got float"),
        (None, "got NoneType"),
    ],
)
def test_what_is_no_tensor_is_refused_with_what_to_do(what: Any, words: str) -> None:
    with pytest.raises(TypeError, match=rf"draw: expected a Tensor.*{words}.*viz\.draw\(cost\)"):
        viz.draw(what)


def test_nothing_to_draw_and_names_that_are_no_mapping_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        viz.draw([])
    with pytest.raises(TypeError, match=r"names=locals\(\)"):
        viz.draw(neuron(), ["w", "b"])  # type: ignore[arg-type]


def test_importing_viz_does_not_import_matplotlib() -> None:
    code = "import sys, viz; viz.draw; assert {'matplotlib', 'numpy'} & {*sys.modules} == {'numpy'}"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (GOLDEN / f"{name}.dot").write_text(draw().source, encoding="utf-8", newline="\n")


# --- names that are alike -------------------------------------------------------------------------


def test_no_two_boxes_have_one_name_and_the_caption_says_so() -> None:
    first, second = (Tensor(np.ones((1, 1)), requires_grad=True, name="W1") for _ in range(2))
    picture = viz.draw(second @ (first @ Tensor(np.ones((1, 1)))) + Tensor(np.ones((1, 1))))
    titles = Seen(picture.source).titles()
    assert titles == ["W1", "W1_2", "x3", "W1 x3", "W1_2 W1 x3", "x6", "W1_2 W1 x3 + x6"]
    assert "2 tensors are named W1: in order of creation W1, W1_2." in picture.source
