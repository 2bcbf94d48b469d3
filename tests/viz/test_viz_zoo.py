"""Pictures of graphs of many kinds: short ids, compact rules, formulas without plumbing, limits."""

from __future__ import annotations

import io
import re
import sys
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import zoo
from derivations import value
from seen import Seen, seen
from zoo_others import OTHERS

import viz
from tinygrad_dnn import Tensor, relu, tanh
from tinygrad_dnn.formula.listing import listed
from tinygrad_dnn.graph import trace
from viz.derivation.derivation import Derivation
from viz.drawing import render
from viz.drawing.picture import Picture
from viz.drawing.render import svg_of
from viz.drawing.svg_dark import adaptive
from viz.palette import DARK, LIGHT
from viz.progress import LARGE, progress

GRAPHS = {**zoo.ZOO, **OTHERS}
SMALL = [name for name in GRAPHS if name != zoo.thousands.__name__]
LIMITS = {  # points: width and height of the forward picture, and of both passes
    "residual": (600, 3800, 1000, 3800), "bottlenecks": (600, 3800, 1300, 3800),
    "attention": (800, 1050, 1600, 1150), "ensemble": (600, 400, 700, 400),
    "experts": (1600, 1100, 4000, 1150), "normalised": (600, 1050, 1100, 1050),
    "moons": (1100, 1150, 2200, 1300), "neural_ode": (800, 600, 800, 600),
    "transformer": (1100, 3300, 2100, 3600), "goldstein_price": (1600, 800, 3000, 900),
    "black_scholes": (1900, 1300, 3200, 1400), "hamming": (1500, 1050, 3100, 1300),
    "gaussian_process": (900, 1050, 1700, 1150), "sine_series": (1200, 800, 1800, 850),
    "lstm": (2700, 3200, 3500, 1900), "kalman": (1900, 3700, 2000, 2600),
    "gaussians": (1900, 1500, 3900, 1800), "micrograd": (2300, 1500, 3300, 1600),
}  # fmt: skip


@lru_cache
def drawn(name: str, backward: bool) -> Picture:
    """A graph of the zoo, drawn once for all tests."""
    return viz.draw(GRAPHS[name](), backward=backward)


def size(picture: Any) -> tuple[float, float]:
    found = re.search(r'<svg width="(\d+)pt" height="(\d+)pt"', svg_of(picture))
    assert found
    return float(found[1]), float(found[2])


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("backward", [False, True])
def test_no_formula_is_cut_and_no_two_boxes_have_one_name(name: str, backward: bool) -> None:
    titles = Seen(drawn(name, backward).source).titles()
    assert not [t for t in titles if re.search(r"… [+−⊙·]|[+−⊙·] …|\(…|… …", t)]
    names = [t.split(" = ")[0] for t in titles if " = " in t and " or " not in t]
    assert len(names) == len(set(names))


@pytest.fixture
def laid_out_by_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits are those of the wheel's layout; that of Graphviz 2.43 is wider."""
    if render._wheel() is None:
        pytest.skip("the wheel graphviz-pure is not installed here")
    monkeypatch.setattr(render, "SYSTEM", "no-such-program")


@pytest.mark.usefixtures("laid_out_by_the_wheel")
@pytest.mark.parametrize("name", LIMITS)
def test_pictures_have_a_bearable_size(name: str) -> None:
    width, height, wide, high = LIMITS[name]
    forward, both = (size(drawn(name, backward)) for backward in (False, True))
    assert forward[0] <= width
    assert forward[1] <= height
    assert both[0] <= wide
    assert both[1] <= high


def test_s240_a_long_unnamed_result_has_the_id_that_the_listing_gives_it() -> None:
    cost = zoo.residual()
    lines = listed(trace([cost.node])).splitlines()
    told = {line.split()[0]: line for line in lines}
    ids = [t.split(" = ") for t in seen(cost).titles() if re.match(r"h\d+ = ", t)]
    assert len(ids) == 12
    for name, formula in ids:
        assert "relu(" in formula
        assert "(4, 3)" in told[name]
    derived = viz.derive(cost)
    assert "dh67 = dh73 + W12ᵀ (dh73 ⊙ 1[W12 h67 + b12 > 0])" in str(derived)
    assert max(len(line.text.plain) for line in derived.lines) < 100


def test_s241_a_rule_is_one_box_with_its_formula_and_full_draws_every_op() -> None:
    cost = zoo.logistic()
    titles = seen(cost, backward=True).titles()
    assert "Xᵀ" not in titles
    assert "Xᵀ" in seen(cost, backward="full").titles()


def test_s242_a_vector_is_a_column_and_what_moves_no_element_is_not_written() -> None:
    derived = str(viz.derive(zoo.logistic()))
    assert "dw = 1/m · Xᵀ (p − y)" in derived
    assert not re.search("reshape|expand_dims|squeeze", derived)
    for name in ("normalised", "autoencoder", "experts"):
        assert not re.search(
            r"reshape|expand_dims|(?<![/\w])m · \(", str(viz.derive(zoo.ZOO[name]()))
        )
    W = Tensor(np.eye(2), requires_grad=True, name="W")
    product = np.dot(np.dot(Tensor([[1.0, 2.0]]), W) ** 2, W).sum()
    rules = seen(product, backward=True).titles()  # np.dot's leaves axes where they are
    assert not [title for title in rules if "transpose(" in title]
    x = Tensor(np.arange(3.0), requires_grad=True, name="x")  # the author's own axes stay
    gaps = tanh(x[:, None] - x[None, :])
    gaps.name = "gaps"
    assert "gaps = tanh(x[:, None] − x[None, :])" in seen(gaps).titles()


DERIVED = ("black_scholes", "bodies", "gaussian_process", "gaussians", "kalman", "skips")


@lru_cache
def derived_from(name: str) -> tuple[Tensor, Derivation]:
    """A model of others, and the derivation of its gradients; made once for all tests."""
    cost = OTHERS[name]()
    return cost, viz.derive(cost)


@pytest.mark.parametrize("name", DERIVED)
def test_s277_every_line_gives_its_gradient_and_cites_the_lines_before(name: str) -> None:
    cost, derived = derived_from(name)
    cost.backward(keep=True)
    graph = trace([cost.node])
    slopes = {str(place): node.grad for place, node in enumerate(graph, 1)}
    slopes |= {node.name: node.grad for node in graph if node.name}
    m = 1 if derived.divisor is None else derived.divisor.value
    told: set[str] = set()
    for line in derived.lines:
        of = line.name.removeprefix("d")
        slope = slopes[of if of in slopes else of[1:]] * (m if line.times_m else 1)
        np.testing.assert_allclose(value(line), slope, rtol=1e-7, atol=1e-9)
        for inside in re.findall(r"(?<!\w)1\[([^\[\]]*)", text := line.text.plain):
            assert re.search("[<>=≤≥≠]", inside), text  # an indicator is of a condition
        assert not re.search(r"reshape\((?!d?h|scatter)|expand_dims|broadcast|…", text)
        assert len(text) <= 360
        gradients = set(re.findall(r"\bd[a-z]\w*", text)) & {one.name for one in derived.lines}
        assert gradients <= told
        told.add(line.name)


def test_an_index_of_a_sum_is_in_plain_brackets() -> None:
    x = Tensor(np.ones((3, 4)), requires_grad=True, name="x")
    s = (x + 1.0).sum(axis=1)
    assert str(viz.derive((s**3).sum())).count("dx = 3 · ((Σ₍ⱼ₎ (x + 1))²)[:, None]") == 1


def test_new_axes_that_an_index_gave_are_dropped_by_one() -> None:
    x = Tensor(np.ones(3), requires_grad=True, name="x")
    s = tanh(x[:, None] * np.arange(12.0).reshape(3, 4))
    derived = {line.name: line.text.plain for line in viz.derive((s * s).sum()).lines}
    assert derived["dx"].endswith(")[:, 0]")
    assert not re.search("scatter", derived["dx"])
    titles = seen((s * s).sum(), backward=True).titles()
    assert not [t for t in titles if "scatter" in t]


def test_one_that_is_broadcast_is_an_array_of_ones() -> None:
    x = Tensor(np.ones((3, 2)), requires_grad=True, name="x")
    (line,) = viz.derive((np.arange(20.0).reshape(4, 5)[:, :3] @ x).sum()).lines
    assert line.text.plain == "c1ᵀ ones(4, 2)"


def test_a_product_with_one_number_is_that_number_times_the_vector() -> None:
    x, y = (Tensor(np.ones(4), requires_grad=True, name=name) for name in "xy")
    h = zoo.named(tanh(x), "h")
    derived = viz.derive(0.5 * (y @ h))
    assert {line.name: line.text.plain for line in derived.lines}["dh"] == "0.5 · y"
    _, derived = derived_from("gaussian_process")
    said = {line.name: line.text.plain for line in derived.lines}
    assert said["dh17"] == "0.5 · y"
    assert said["dh14"] == "0.5 · inv(h14)ᵀ − solve(h14ᵀ, dh17[:, None]) (h17[:, None])ᵀ"


def test_s337_products_are_written_as_on_paper() -> None:
    rng = np.random.default_rng(0)
    X, W = Tensor(rng.normal(size=(5, 4)), name="X"), zoo.weights(rng, 3, 4, name="W")
    Z = np.dot(X, W.T)
    Z.name = "Z"  # a matrix product is one however it is spelt
    assert "Z = X Wᵀ" in seen(Z).titles()
    lines = {line.name: line.text.plain for line in viz.derive(tanh(Z).mean()).lines}
    assert lines == {"dZ": "1/n · (1 − tanh(Z)²)", "dW": "dZᵀ X"}
    c = rng.normal(size=(5, 3))
    assert str(viz.derive((Z * c).sum() / 7)).count("c1 · ") == 0  # numbers stand first
    (indicator, _) = viz.derive(relu(Z + 0.2).mean()).lines
    assert indicator.text.plain == "1/n · 1[Z + 0.2 > 0]"


def test_s338_what_is_repeated_beside_a_matrix_product_is_taken_out_of_it() -> None:
    rng = np.random.default_rng(0)
    X, W = Tensor(rng.normal(size=(7, 4)), name="X"), zoo.weights(rng, 4, 3, name="W")
    w, c = zoo.weights(rng, 4, name="w"), zoo.weights(rng, 3, name="c")
    said = {
        "dW = 2/n · (Σⱼ Xᵀ) mean₍ᵢ₎(X W)[None, :]": ((X @ W).mean(axis=0) ** 2).sum(),
        "dW = 2/n · Xᵀ mean₍ⱼ₎(X W)[:, None]": ((X @ W).mean(axis=1) ** 2).sum(),
        "dW = 1/m · Xᵀ ((c[:, None])ᵀ ⊙ (1 − tanh(X W)²))": (tanh(X @ W) @ c).mean(),
        "dw = 1/m · (Σⱼ Xᵀ)[:, 0]": (X @ w).sum() / 7,
    }
    for line, cost in said.items():
        derived = viz.derive(cost)
        assert line in [f"{x.name} = {x.text.plain}" for x in derived.lines]
        cost.backward()
        for one in derived.lines:
            leaf = {"dW": W, "dw": w, "dc": c}[one.name]
            np.testing.assert_allclose(value(one), leaf.grad, rtol=1e-12)
            leaf.zero_grad()


def test_numbers_before_and_in_a_repeated_number_meet() -> None:
    z = Tensor(np.arange(8.0).reshape(4, 2, 1), requires_grad=True, name="z")
    loglik = -0.5 * ((z - 1.0) ** 2).sum(axis=(1, 2)) / 0.01
    (line,) = viz.derive(loglik.mean()).lines
    assert line.text.plain == "−100/m · (z − 1)"


def test_terms_of_one_place_are_added_there() -> None:
    x = Tensor(np.ones(2), requires_grad=True, name="x")
    derived = viz.derive(100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2)
    (line,) = derived.lines
    assert line.text.plain.count("scatter") == 2
    x = Tensor(np.ones((4, 2)), requires_grad=True, name="x")
    rng, one, other = np.random.default_rng(0), np.array([1, 2, 2]), np.array([[0, 3], [1, 1]])
    total = (x[one] * rng.normal(size=(3, 2))).sum() + (x[other] * rng.normal(size=(2, 2, 2))).sum()
    line = viz.derive(total).lines[-1]
    assert line.text.plain.count("scatter") == 2  # positions in arrays stay apart
    total.backward()
    np.testing.assert_allclose(value(line), x.grad)


def test_a_half_is_no_number_of_examples() -> None:
    x = Tensor(np.ones(2), requires_grad=True, name="x")
    assert viz.derive(0.5 * (x * x).sum()).divisor is None
    assert viz.derive((x * x).sum() / 2, names={"n": 2}).divisor is not None
    assert viz.derive((x * x).mean()).divisor is not None


def test_s279_a_product_with_a_number_is_a_dot_and_numbers_alone_need_no_brackets() -> None:
    assert not [t for t in seen(OTHERS["goldstein_price"](), backward=True).titles() if "⊙" in t]
    lines = {line.name: line.text.plain for line in derived_from("black_scholes")[1].lines}
    assert lines["dh44"] == "K · exp(−r · T) · σ(h44) · (1 − σ(h44))"
    assert lines["dh30"] == "0.07056 · dh31"
    x, a = Tensor(np.ones(3), requires_grad=True, name="x"), Tensor(2.0, name="a")
    assert seen(a * x).titles()[-1] == "a · x"
    assert viz.derive(a * (a * x.sum())).lines[-1].text.plain == "a²"


def test_s275_scopes_of_one_name_stand_in_their_order() -> None:
    options: tuple[dict[str, Any], ...] = ({}, {"backward": True}, {"fold": True})
    for shown in options:
        svg = svg_of(viz.draw(zoo.experts(), **shown))
        found = re.findall(r'<text [^>]*x="([-\d.]+)"[^>]*>(expert \d)</text>', svg)
        places = sorted((float(x), name) for x, name in found)
        assert [name for _, name in places] == [f"expert {k}" for k in range(4)]
        assert "order" not in re.sub("<!--.*?-->", "", svg)  # what keeps them so is not drawn


def test_between_two_boxes_of_a_backward_pass_is_one_arrow() -> None:
    lines = re.findall(r"\td\d+ -> d\d+|\tb\d+ -> d\d+", draw_of(OTHERS["hamming"]()))
    assert lines
    assert len(set(lines)) == len(lines)
    full = viz.draw(OTHERS["hamming"](), backward="full", fold=False).source
    assert "where(" in full


def draw_of(cost: Tensor) -> str:
    return str(viz.draw(cost, backward=True).source)


def test_folding_on_demand_draws_no_more_than_folding_unasked() -> None:
    for make in (zoo.micrograd, OTHERS["moons"]):
        asked, unasked = Seen(viz.draw(make(), fold=True).source), Seen(viz.draw(make()).source)
        assert len(asked.nodes) <= len(unasked.nodes)


def test_s243_repeats_fold_without_scopes_and_many_leaves_of_one_op_are_a_box() -> None:
    picture = Seen(viz.draw(zoo.bottlenecks(), fold=True).source)
    (folded,) = [lines for name, lines in picture.lines.items() if name.startswith("f")]
    assert folded[0] == "12 × h73 = h67 + x68 relu(x69 h67)"
    assert folded[2] == "(4, 3) → (4, 3)"
    source = viz.draw(zoo.ensemble(), backward=True).source
    assert {"60 parameters", "60 gradients"} <= set(Seen(source).titles())
    assert "fold=False draws them all" in source
    assert len(Seen(viz.draw(zoo.ensemble(), fold=False).source).nodes) == 63


def test_what_a_folded_box_hands_on_is_cited_by_its_id() -> None:
    titles = Seen(viz.draw(OTHERS["moons"]()).source).titles()
    assert "8 × h299 = h297 + x282 · h274" in titles
    assert "−1 · h299" in titles


def test_a_picture_in_a_notebook_turns_dark_with_the_system() -> None:
    svg = adaptive(svg_of(viz.draw(zoo.bilinear())))
    shown = viz.draw(zoo.bilinear())._repr_mimebundle_()["image/svg+xml"]
    assert shown == svg
    used = set(re.findall(r'(?:fill|stroke)="(#[0-9a-fA-F]{6})"', svg.split("</style>")[1]))
    known = {colour.lower(): DARK[name] for name, colour in LIGHT.items()}
    for colour in used:
        assert f'[fill="{colour.lower()}" i] {{ fill: {known[colour.lower()]} }}' in svg


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def interrupted(nodes: int) -> None:
    with progress("explore", nodes) as say:
        say("picture 2 of 5")
        raise KeyboardInterrupt


@pytest.mark.parametrize("nodes", [LARGE, LARGE + 1])
def test_large_graphs_have_a_line_of_progress_that_goes_away(
    monkeypatch: pytest.MonkeyPatch, nodes: int
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with pytest.raises(KeyboardInterrupt):
        interrupted(nodes)
    said = terminal.getvalue()
    assert ("1,001 nodes, picture 2 of 5" in said) == (nodes > LARGE)
    assert said == "" or said.endswith("\r\x1b[K")
