"""A page that trains: after a hundred steps its parameters are the engine's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from legibility import low_contrast, overlapping_texts, small_texts, sticking_out, texts
from numpy.lib.stride_tricks import sliding_window_view
from stepper import Stepper

import viz
from tinygrad_dnn import Tensor, gradients, log, log_softmax, optim, relu, scope, sigmoid, tanh
from tinygrad_dnn.graph import trace
from tinygrad_dnn.network import initialize_parameters

RULES = {
    "gradient descent": optim.sgd(),
    "momentum": optim.momentum(),
    "adam": optim.adam(),
}
X = np.array([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]])
Y = np.array([[0.0, 1.0, 1.0, 0.0]])
START = initialize_parameters((2, 3, 1), seed=3)


def cost_of(
    values: dict[str, Any], act: Any = tanh, inputs: Any = X, answers: Any = Y
) -> tuple[Tensor, dict[str, Tensor]]:
    """The cost of a 2-3-1 network on XOR, and its parameters."""
    p = {k: Tensor(v, True, k) for k, v in values.items()}
    x, y = Tensor(inputs, name="X"), Tensor(answers, name="Y")
    with scope("layer 1"):
        A1 = act(p["W1"] @ x + p["b1"])
    with scope("layer 2"):
        A2 = sigmoid(p["W2"] @ A1 + p["b2"])
    A1.name, A2.name = "A1", "A2"
    cost = -(y * log(A2) + (1 - y) * log(1 - A2)).sum() / y.shape[1]
    cost.name = "cost"
    return cost, p


def engine(
    rule: Any, rate: float, steps: int, *data: Any, start: dict[str, Any] = START
) -> dict[str, Any]:
    values, state = start, rule.init(start)
    for _ in range(steps):
        cost, p = cost_of(values, tanh, *data)
        slopes = gradients(cost, [*p.values()])
        found = {k: np.asarray(g) for k, g in zip(p, slopes, strict=True)}
        values, state = rule.update(values, found, state, rate)
    return values


@pytest.fixture(scope="module")
def xor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "xor.html"
    return viz.playground(cost_of(START)[0], path=path, learning_rate=0.5)


def test_s233_a_hundred_steps_lead_where_the_engines_lead(open_page: Any, xor: Path) -> None:
    page = Stepper(open_page(xor))
    for name, rule in RULES.items():
        page.page.select_option("#rule", name)
        page.page.evaluate("trainer.advance(100)")
        assert page.find("#trained").inner_text().startswith("step 100 · cost ")
        expected = engine(rule, 0.5, 100)
        for k, theirs in expected.items():
            ours = page.page.evaluate("(name) => [...live.memory[name]]", k)
            np.testing.assert_allclose(ours, np.ravel(theirs), rtol=1e-9, atol=1e-12)
        page.click("#reset").settled()
        assert page.page.evaluate("[...live.memory.W1]") == START["W1"].ravel().tolist()


@pytest.mark.parametrize("width", [1366, 1024])
def test_the_plane_is_in_sight_whole_on_a_projector(open_page: Any, xor: Path, width: int) -> None:
    page = open_page(xor, width=width, height=768)
    below, above = page.evaluate(
        """() => [".plane", "#training"].map((one) =>
          document.querySelector(one).getBoundingClientRect().bottom)"""
    )
    assert below <= above
    assert page.locator(".plane").first.bounding_box()["width"] >= 240


def test_s333_of_float32_every_step_is_rounded_as_the_engine_rounds(
    open_page: Any, tmp_path: Path
) -> None:
    start = {k: v.astype(np.float32) for k, v in START.items()}
    x, y = X.astype(np.float32), Y.astype(np.float32)
    made = cost_of(start, tanh, x, y)[0]
    page = Stepper(
        open_page(viz.playground(made, path=tmp_path / "single.html", learning_rate=0.5))
    )
    for name, rule in RULES.items():
        page.page.select_option("#rule", name)
        page.page.evaluate("trainer.advance(100)")
        for k, theirs in engine(rule, 0.5, 100, x, y, start=start).items():
            assert theirs.dtype == np.float32
            ours = page.page.evaluate("(name) => [...live.memory[name]]", k)
            near = 1e-4 if name == "adam" else 3e-6
            np.testing.assert_allclose(ours, np.ravel(theirs), rtol=near, atol=near)
        page.click("#reset").settled()
    page.page.select_option("#rule", "gradient descent")
    page.page.evaluate("live.add({ X: [0.1, 0.5], Y: [1] })")  # 1/m is another float32, too
    page.page.evaluate("trainer.advance(100)")
    more = np.column_stack([x, np.float32([0.1, 0.5])]), np.column_stack([y, np.float32([1])])
    theirs = engine(optim.sgd(), 0.5, 100, *more, start=start)["W1"]
    np.testing.assert_allclose(page.page.evaluate("[...live.memory.W1]"), theirs.ravel(), 3e-6)
    page.click("text=Numbers").select("X")
    assert page.find('#panel section.value td[data-i="4"]').get_attribute("title") == "0.1"
    assert "of float32 is rounded" in page.click("text=Program").find("#program").inner_text()
    page.find("#slopes").evaluate("one => (one.open = true)")
    least = page.page.evaluate("Math.min(...slopes.measure().found.map(({ errors }) => errors[1]))")
    assert 1e-7 < least < 1e-3  # no nearer in float32, and no mistake
    assert "wrong" not in page.find("#slopes").text_content()


def filtered(values: dict[str, Any], m: int) -> tuple[Tensor, dict[str, Tensor]]:
    """A convolution of pictures of 6 x 6, the largest of each 2 x 2, and a softmax of 3 classes."""
    rng = np.random.default_rng(5)
    p = {k: Tensor(v, True, k) for k, v in values.items()}
    x, y = Tensor(rng.random((36, m)), name="X"), Tensor(np.eye(3)[:, np.arange(m) % 3], name="Y")
    parts = sliding_window_view(x.T.reshape(-1, 6, 6), (3, 3), axis=(1, 2))
    Z1 = np.einsum("mhwij,nij->mnhw", parts, p["W1"]) + p["b1"]
    A1 = relu(Z1).reshape(-1, 8, 2, 2, 2, 2).max(axis=(3, 5))
    cost = -(y * log_softmax(p["W2"] @ A1.reshape(-1, 32).T, axis=0)).sum() / m
    return cost, p


def test_a_convolution_trains_on_a_page_as_in_the_engine(open_page: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    values = {"W1": (8, 3, 3), "b1": (8, 1, 1), "W2": (3, 32)}
    start = values = {k: rng.normal(size=shape) for k, shape in values.items()}
    made = filtered(start, 60)[0]
    assert "contract" in {n.op.name for n in trace([made.node]) if n.op}  # as matrix products
    page = Stepper(open_page(viz.playground(made, path=tmp_path / "page.html", learning_rate=0.1)))
    page.page.evaluate("trainer.advance(100)")
    state = RULES["gradient descent"].init(values)
    for _ in range(100):
        cost, p = filtered(values, 60)
        slopes = dict(zip(p, map(np.asarray, gradients(cost, [*p.values()])), strict=True))
        values, state = RULES["gradient descent"].update(values, slopes, state, 0.1)
    for k, theirs in values.items():
        assert not np.allclose(theirs, start[k])
        ours = page.page.evaluate("(name) => [...live.memory[name]]", k)
        np.testing.assert_allclose(ours, np.ravel(theirs), rtol=1e-9, atol=1e-12)


def test_it_plays_and_pauses_and_the_curve_grows(open_page: Any, xor: Path) -> None:
    page = Stepper(open_page(xor))
    page.click("#one-step").settled()
    assert page.find("#trained").inner_text().startswith("step 1 · ")
    page.click("#train")
    assert page.find("#train").inner_text() == "Pause"
    page.page.wait_for_function("() => training.state.steps >= 4")
    page.click("#train")
    done = page.find("#trained").inner_text()
    page.page.wait_for_timeout(60)
    assert (page.find("#trained").inner_text(), page.find("#train").inner_text()) == (done, "Train")
    assert page.find("#training .chart").first.get_attribute("aria-label").startswith("cost after")


def test_s270_a_step_is_taken_op_by_op_and_stands_in_its_midst(open_page: Any, xor: Path) -> None:
    page = Stepper(open_page(xor))
    status = page.find("#trained")
    page.settled().click("#one-op").settled()  # all ops are done: the parameters move
    assert page.step == 0
    assert status.inner_text() == f"step 1 · op 0 of {page.steps} · cost not yet computed"
    moved = engine(RULES["gradient descent"], 0.5, 1)
    np.testing.assert_allclose(page.page.evaluate("[...live.memory.W1]"), np.ravel(moved["W1"]))
    page.click("#one-op").click("#one-op")
    assert page.page.evaluate("story.words(Number(slider.value))").startswith("step ")
    assert "forward" in page.status
    assert "unknown" in page.states("state").values()
    page.page.select_option("#training [aria-label=Speed]", "op by op")
    page.page.select_option("#pace", "220")
    at = page.step
    page.click("#train")
    page.page.wait_for_function("(at) => Number(document.body.dataset.step) > at + 1", arg=at)
    page.click("#train")
    paused = page.step
    page.page.wait_for_timeout(300)
    assert (page.step, page.find("#train").inner_text()) == (paused, "Train")
    while page.step < page.steps:
        page.click("#one-op")
    expected = cost_of(moved)[0].item()
    steps = page.steps
    assert status.inner_text() == f"step 1 · op {steps} of {steps} · cost {expected:.4g}"
    page.click("#one-op").settled()
    assert page.page.evaluate("training.state.steps") == 2
    moved = engine(RULES["gradient descent"], 0.5, 2)
    np.testing.assert_allclose(page.page.evaluate("[...live.memory.W1]"), np.ravel(moved["W1"]))


def test_a_point_is_flipped_and_moved(open_page: Any, xor: Path) -> None:
    page = Stepper(open_page(xor))
    colours = "document.querySelector('.plane canvas').toDataURL()"
    before = page.page.evaluate(colours)
    page.find(".plane path").first.click()
    assert page.page.evaluate("[...live.memory.Y]") == [1, 1, 1, 0]
    page.press("Enter", "ArrowRight")
    assert page.page.evaluate("[...live.memory.Y]") == [0, 1, 1, 0]
    assert page.page.evaluate("live.memory.X[0]") > 0
    assert page.find(".plane path").first.get_attribute("aria-label").endswith("class 0")
    page.page.evaluate("trainer.advance(300)")
    assert page.page.evaluate(colours) != before


def test_s271_points_are_added_and_taken_away(open_page: Any, xor: Path) -> None:
    page = Stepper(open_page(xor))
    box = page.find(".plane svg").bounding_box()
    assert box
    page.page.mouse.click(box["x"] + 100, box["y"] + 200)
    page.press("Enter", "Insert").settled()  # of the other class, and one beside it
    page.find(".plane path").nth(1).click(modifiers=["Shift"])
    page.settled()
    x, y = map(np.array, page.page.evaluate("[[...live.memory.X], [...live.memory.Y]]"))
    assert (x.size, y.tolist()) == (10, [0, 1, 0, 1, 1])
    assert "(2, 5) float64" in page.things()[page.named("X")]["lines"]
    assert page.find(".plane path").count() == 5
    page.page.evaluate("trainer.advance(100)")
    expected = engine(optim.sgd(), 0.5, 100, x.reshape(2, 5), y.reshape(1, 5))
    for k, theirs in expected.items():
        ours = page.page.evaluate("(name) => [...live.memory[name]]", k)
        np.testing.assert_allclose(ours, np.ravel(theirs), rtol=1e-9, atol=1e-12)
    page.click("#undo").settled().click("#undo").settled()
    assert page.page.evaluate("[live.m(), live.memory.X[1]]") == [6, 0]
    page.click("#reset").settled()
    assert page.page.evaluate("[...live.memory.X]") == X.ravel().tolist()
    assert page.find("#trained").inner_text() == f"step 0 · cost {cost_of(START)[0].item():.4g}"
    assert "(2, 4) float64" in page.things()[page.named("X")]["lines"]


def test_s300_what_has_a_number_for_each_example_gets_another_one(
    open_page: Any, tmp_path: Path
) -> None:
    weight = np.array([0.5, 2.0, 1.0, 3.0])

    def cost_of_points(values: Any, x: Any, y: Any, weights: Any) -> tuple[Tensor, Tensor]:
        w = Tensor(values, requires_grad=True, name="w")
        share = Tensor(np.full(y.shape[1], 1 / y.shape[1]), name="share")
        A = sigmoid(w @ Tensor(x, name="X"))
        A.name = "A"
        return (share * (weights * (A - Tensor(y, name="Y")) ** 2)).sum(), w

    start = np.array([[0.5, -0.25]])
    made = cost_of_points(start, X, Y, weight)[0]
    page = Stepper(open_page(viz.playground(made, path=tmp_path / "w.html", learning_rate=0.5)))
    page.find(".plane path").nth(1).click()  # what is added is like the one that was chosen
    page.press("Insert").settled()
    x, y = map(np.array, page.page.evaluate("[[...live.memory.X], [...live.memory.Y]]"))
    page.page.evaluate("trainer.advance(100)")
    w = start
    for _ in range(100):
        made, parameter = cost_of_points(w, x.reshape(2, 5), y[None], np.append(weight, weight[1]))
        w = w - 0.5 * np.asarray(gradients(made, [parameter])[0])
    np.testing.assert_allclose(page.page.evaluate("[...live.memory.w]"), w[0], rtol=1e-9)
    page.click("#undo").settled().click("#undo").settled()
    assert page.page.evaluate("[...live.memory.share]") == [0.25] * 4


def test_s301_what_was_done_last_is_undone_at_once(open_page: Any, xor: Path) -> None:
    page = Stepper(open_page(xor))
    point = page.find(".plane path").nth(2).bounding_box()
    assert point
    mouse = page.page.mouse
    mouse.move(point["x"] + 7, point["y"] + 7)
    mouse.down()
    mouse.move(point["x"] - 60, point["y"] + 40, steps=8)  # both coordinates, many times
    mouse.up()
    moved = page.settled().page.evaluate("[...live.memory.X]")
    assert "X[0, 2]: 1 → " in page.find("#changed").inner_text()
    page.find("#break summary").click()
    rule = page.page.get_by_label("The rule of W1 X → dW1")
    rule.select_option("sign forgotten")
    rule.select_option("transpose forgotten: X gᵀ, reshaped")
    page.settled().click("#undo").settled()
    assert rule.input_value() == "sign forgotten"
    assert "dW1" in page.find("#break ul").inner_text()
    page.click("#undo").settled()
    assert rule.input_value() == "right"
    assert page.page.evaluate("[...live.memory.X]") == moved
    page.click("#undo").settled()
    assert page.page.evaluate("[...live.memory.X]") == X.ravel().tolist()
    assert page.find("#undo").get_attribute("aria-disabled") == "true"


def test_s329_training_is_undone_by_the_run(open_page: Any, xor: Path) -> None:
    page = Stepper(open_page(xor))
    where = """[training.state.steps, training.state.t, live.memory.W1[0], training.cost(),
        training.state.v[0][0], training.state.curve.length]"""
    page.page.select_option("#rule", "adam")
    page.click("#one-step").settled().click("#one-step").settled()
    two = page.page.evaluate(where)
    assert page.find("#changed").inner_text().startswith("1 step of training · cost: ")
    page.click("#train")
    page.page.wait_for_function("() => training.state.steps >= 5")
    some = page.page.evaluate("live.set('X', 0, 0.25); training.state.steps")
    later = "(some) => training.state.steps >= some + 3"
    page.page.wait_for_function(later, arg=some)
    page.click("#train").click("#undo").settled()  # the steps with that number
    assert page.page.evaluate("[training.state.steps, live.memory.X[0]]") == [some, 0.25]
    page.click("#train")
    page.page.wait_for_function(later, arg=some)
    page.click("#undo").settled()  # which pauses it
    assert page.find("#train").inner_text() == "Train"
    assert page.page.evaluate("[training.state.steps, live.memory.X[0]]") == [some, 0.25]
    page.click("#undo").settled().click("#undo").settled()  # the number; the steps before it
    assert page.page.evaluate(where) == two
    page.page.evaluate("trainer.advance(98)")
    for k, theirs in engine(RULES["adam"], 0.5, 100).items():
        ours = page.page.evaluate("(name) => [...live.memory[name]]", k)
        np.testing.assert_allclose(ours, np.ravel(theirs), rtol=1e-9, atol=1e-12)
    page.page.select_option("#rule", "momentum")
    for _ in range(3):
        page.click("#undo").settled()
    assert page.page.evaluate("[training.state.optimiser, training.state.steps]") == ["momentum", 0]
    assert page.page.evaluate("[...live.memory.W1]") == START["W1"].ravel().tolist()
    assert page.find("#undo").get_attribute("aria-disabled") == "true"


def test_a_point_is_dragged_out_of_the_plane(open_page: Any, xor: Path) -> None:
    page = Stepper(open_page(xor))
    point = page.find(".plane path").nth(2).bounding_box()
    assert point
    page.page.mouse.move(point["x"] + 7, point["y"] + 7)
    page.page.mouse.down()
    page.page.mouse.move(point["x"] - 600, point["y"], steps=3)
    page.page.mouse.up()
    assert page.page.evaluate("[live.m(), ...live.memory.Y]") == [3, 0, 1, 0]


def test_a_cost_that_is_finite_in_the_engine_is_finite_here(open_page: Any, tmp_path: Path) -> None:
    path = viz.playground(cost_of(START)[0], path=tmp_path / "fast.html", learning_rate=900.0)
    page = Stepper(open_page(path))
    page.page.evaluate("trainer.advance(60)")
    assert page.find("#trained").inner_text().startswith("step 60 · cost ")
    assert "log of a sigmoid" in page.click("text=Program").find("#program").inner_text()


def line(x: Any, y: Any) -> Tensor:
    """The mean error of w x, for answers that are numbers."""
    p = Tensor([[0.5, -0.25]], requires_grad=True, name="w") @ Tensor(x, name="X")
    p.name = "p"
    return ((p - Tensor(y, name="Y")) ** 2).mean()


def test_answers_that_are_numbers_are_shades(open_page: Any, tmp_path: Path) -> None:
    y = np.array([[-1.0, 0.5, 2.0, 1.0]])
    page = Stepper(open_page(viz.playground(line(X, y), path=tmp_path / "line.html")))
    page.find(".plane path").nth(1).click()  # it has no other class
    assert page.page.evaluate("[...live.memory.Y]") == y[0].tolist()
    assert page.find(".plane path").nth(1).get_attribute("aria-label") == "point 1: 0, 1, 0.5"
    fills = [page.find(".plane path").nth(k).get_attribute("fill") for k in range(4)]
    assert len({*fills}) == 4
    assert fills[1] == "rgb(255 255 255)"  # 0.5 lies in the middle of −1 and 2
    page.press("Insert").settled()
    assert page.page.evaluate("[...live.memory.Y]") == [*y[0].tolist(), 0.5]


@pytest.mark.parametrize("classes", [1, 3])
def test_examples_may_lie_in_rows(open_page: Any, tmp_path: Path, classes: int) -> None:
    x = np.array([[0.0, 0.0], [0.5, 1.0], [1.0, 0.25], [1.0, 1.0], [0.25, 0.5]])
    y = np.eye(3)[[0, 1, 2, 1, 0]] if classes == 3 else np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    W = np.random.default_rng(0).normal(size=(2, classes) if classes == 3 else 2)

    def made(values: Any, points: Any, answers: Any) -> tuple[Tensor, Tensor]:
        w = Tensor(values, requires_grad=True, name="w")
        A = sigmoid(Tensor(points, name="x") @ w)
        A.name = "A"
        return ((A - Tensor(answers, name="y")) ** 2).mean(), w

    cost = made(W, x, y)[0]
    page = Stepper(open_page(viz.playground(cost, path=tmp_path / "rows.html", learning_rate=0.5)))
    shares = """[[0, 0], [1, 0], [0, 1]].map(([a, b]) =>
        training.predicted((given) => { given[0] = a; given[1] = b; })[0])"""
    ends = 1 / (1 + np.exp(-np.array([[0, 0], [1, 0], [0, 1]]) @ W.reshape(2, -1)))
    np.testing.assert_allclose(page.page.evaluate(shares), ends[:, 0], rtol=1e-12)
    page.find(".plane path").nth(1).click()  # the next class
    page.press("Insert").settled()
    page.press("PageUp*2", "ArrowLeft").settled()
    points, answers = map(np.array, page.page.evaluate("[[...live.memory.x], [...live.memory.y]]"))
    points, answers = points.reshape(6, 2), answers.reshape((6, *y.shape[1:]))
    step = points[3] - x[3]
    assert step[0] < 0
    assert step[1] == 0
    np.testing.assert_array_equal(answers[1], np.eye(3)[2] if classes == 3 else 0.0)
    np.testing.assert_array_equal(np.delete(answers, [1, 5], 0), np.delete(y, 1, 0))
    np.testing.assert_array_equal(answers[5], answers[1])
    page.page.evaluate("trainer.advance(50)")
    values = W
    for _ in range(50):
        found, w = made(values, points, answers)
        values = values - 0.5 * np.asarray(gradients(found, [w])[0])
    ours = page.page.evaluate("[...live.memory.w]")
    np.testing.assert_allclose(ours, values.ravel(), rtol=1e-9)


def test_s332_labels_in_an_index_are_points_to_flip_and_logits_are_shares(
    open_page: Any, tmp_path: Path
) -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 9)), np.arange(9) % 3
    start = np.random.default_rng(0).normal(size=(3, 2))

    def made(values: Any, points: Any, labels: Any) -> tuple[Tensor, Tensor]:
        W = Tensor(values, requires_grad=True, name="W")
        return -log_softmax(W @ points, axis=0)[labels, np.arange(labels.size)].mean(), W

    page = Stepper(open_page(viz.playground(made(start, x, y)[0], path=tmp_path / "labels.html")))
    fills = [page.find(".plane path").nth(k).get_attribute("fill") for k in range(9)]
    assert fills == fills[:3] * 3
    assert len({*fills}) == 3
    shares = "[...training.predicted((given) => { given.fill(0); given[0] = 0.5; })]"
    found = np.reshape(page.page.evaluate(shares), (3, -1))
    z = start @ [0.5, 0]
    np.testing.assert_allclose(found[:, 0], np.exp(z) / np.exp(z).sum(), rtol=1e-12)
    page.find(".plane path").nth(2).click()  # of the last class the next one is the first
    page.press("Insert").settled()
    points, labels = map(np.array, page.page.evaluate("[[...live.memory.X], [...live.memory.Y]]"))
    assert labels.tolist() == [0, 1, 0, 0, 1, 2, 0, 1, 2, 0]
    page.page.evaluate("trainer.advance(50)")
    values = start
    for _ in range(50):
        cost, W = made(values, points.reshape(2, 10), labels)
        values = values - 0.1 * np.asarray(gradients(cost, [W])[0])
    np.testing.assert_allclose(page.page.evaluate("[...live.memory.W]"), values.ravel(), rtol=1e-9)
    page.click("text=Numbers").select("Y")
    page.find('#panel section.value td[data-i="4"]').click()
    page.page.fill("#number", "7")  # there is no such class
    page.press("Tab").settled()
    assert page.page.evaluate("live.memory.Y[4]") == 2


@pytest.mark.parametrize("kind", [np.float32, float])
def test_with_as_many_examples_as_recorded_all_is_as_recorded(
    open_page: Any, tmp_path: Path, kind: Any
) -> None:
    x = np.random.default_rng(1).normal(size=(2, 49)).astype(kind)
    W = Tensor(np.zeros((3, 2), kind), requires_grad=True, name="W")
    cost = -log_softmax(W @ x, axis=0)[np.arange(49) % 3, np.arange(49)].mean()
    page = Stepper(open_page(viz.playground(cost, path=tmp_path / "labels.html")))
    page.page.evaluate("live.add({ X: [1, 1], Y: [0] }, 0)")
    assert page.settled().find("#graph [data-resized=true]").count() > 0
    page.click("#undo").settled()
    assert page.find("#graph [data-moved=true], #graph [data-resized=true]").count() == 0


def net(answers: Any) -> Tensor:
    """Two or three numbers predicted of a point, by their squares."""
    rng = np.random.default_rng(1)
    W = Tensor(rng.normal(size=(len(answers), 2)), requires_grad=True, name="W")
    return ((W @ Tensor(X, name="X") - Tensor(answers, name="Y")) ** 2).mean()


def test_answers_of_several_numbers_are_classes_where_one_stands_out(
    open_page: Any, tmp_path: Path
) -> None:
    numbers = np.array([[0.5, 2.0, 1.0, -1.0], [1.0, 0.0, 3.0, 0.25]])
    page = Stepper(open_page(viz.playground(net(numbers), path=tmp_path / "p.html")))
    assert page.find(".plane").count() == 0
    one_of_three = np.where(np.eye(3)[:, [0, 1, 2, 0]] == 1, 1.0, -1.0)
    page = Stepper(open_page(viz.playground(net(one_of_three), path=tmp_path / "p.html")))
    page.find(".plane path").nth(1).focus()
    page.press("Enter").settled()
    of_point = "[0, 1, 2].map((k) => live.memory.Y[4 * k + 1])"
    assert page.page.evaluate(of_point) == [-1, -1, 1]
    page.page.evaluate("live.set('X', 0, 1e300)")  # what is too far away to be drawn
    assert page.settled().find(".plane path[hidden]").count() == 1
    assert page.click("#undo").settled().find(".plane path[hidden]").count() == 0


FINGER = """
() => {
  const point = document.querySelector(".plane path");
  const { x, y } = point.getBoundingClientRect();
  const send = (kind, by) => {
    const at = { pointerId: 7, buttons: 1, bubbles: true, clientX: x + by, clientY: y };
    (kind === "pointerdown" ? point : window).dispatchEvent(new PointerEvent(kind, at));
  };
  const touch = new TouchEvent("touchstart", { cancelable: true, bubbles: true });
  point.dispatchEvent(touch);
  const found = [];
  const ways = [
    ["pointerdown", 0], ["pointermove", 30], ["pointercancel", 30], ["pointermove", 60],
  ];
  for (const [kind, by] of ways) {
    send(kind, by);
    found.push(live.memory.X[0]);
  }
  return [touch.defaultPrevented, found];
}
"""


def test_a_finger_moves_a_point_until_it_is_taken_away(open_page: Any, xor: Path) -> None:
    page = Stepper(open_page(xor, 390, 844))
    page.find(".plane path").first.scroll_into_view_if_needed()
    held, found = page.page.evaluate(FINGER)
    assert held  # the page does not scroll
    assert found[0] == 0 < found[1]
    assert found[2:] == [found[1]] * 2
    page.settled()
    assert page.page.evaluate("[live.memory.Y[0], live.m()]") == [0, 4]  # no click, no way out
    page.click("#undo").settled()
    assert page.page.evaluate("live.memory.X[0]") == 0


def test_axes_of_unlike_lengths_have_scales_of_their_own(open_page: Any, tmp_path: Path) -> None:
    wide = X * [[1000.0], [0.5]]
    page = Stepper(open_page(viz.playground(line(wide, Y), path=tmp_path / "p.html")))
    places = page.page.evaluate("[...document.querySelectorAll('.plane path')].map((one) => "
                                "[one.getBBox().x, one.getBBox().y])")  # fmt: skip
    (x0, y0), (x1, y1), *_ = places
    assert page.find(".plane path").count() == 4
    assert {round(x) for x, _ in places} == {round(x0), round(places[2][0])}
    assert (x1 - x0, y0 - y1 > 200, places[2][0] - x0 > 200) == (0, True, True)
    told = page.find("#training").inner_text()
    assert "first number of a point, from −150 to 1150; up the second one, from −0.075 to" in told
    page.find(".plane path").nth(1).focus()
    page.press("ArrowUp").settled()
    moved = page.page.evaluate("[live.memory.X[1], live.memory.X[5]]")
    assert moved == [0, pytest.approx(0.5 + 0.65 / 40)]


def normalised() -> Tensor:
    """A layer that is normalised over the batch."""
    Z = Tensor(np.eye(2), requires_grad=True, name="W") @ Tensor(X, name="X")
    N = (Z - Z.mean(axis=1, keepdims=True)) / np.sqrt(Z.var(axis=1, keepdims=True) + 0.1)
    return ((N.sum(axis=0, keepdims=True) - Tensor(Y, name="Y")) ** 2).mean()


def in_a_kernel() -> Tensor:
    """Answers that are sums over all examples, from weights that are 0."""
    x, a = Tensor(X, name="X"), Tensor(np.zeros((1, 4)), requires_grad=True, name="a")
    K = np.exp(-((x[:, :, None] - x[:, None, :]) ** 2).sum(axis=0))
    return ((a @ K - Tensor(Y, name="Y")) ** 2).mean()


def masked() -> Tensor:
    """A mask as dropout draws it, recorded."""
    Z = Tensor(np.eye(2), requires_grad=True, name="W") @ Tensor(X, name="X")
    kept = Z * np.array([[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.0]])
    return ((kept.sum(axis=0, keepdims=True) - Tensor(Y, name="Y")) ** 2).mean()


@pytest.mark.parametrize("make", [normalised, in_a_kernel, masked])
def test_s354_what_hangs_on_other_examples_is_not_foretold_of_new_ones(
    open_page: Any, tmp_path: Path, make: Any
) -> None:
    page = Stepper(open_page(viz.playground(make(), path=tmp_path / "p.html")))
    assert page.find(".plane path").count() == 4
    assert page.find(".plane canvas").evaluate("(one) => [one.width, one.height]") == [300, 150]
    assert "What is predicted hangs on the other examples" in page.find("#training").inner_text()
    path = viz.playground(make(), path=tmp_path / "p.html", picture=(1, 2))
    page = Stepper(open_page(path))
    assert page.find(".pad").count() == 0
    assert "What is predicted hangs on the other examples" in page.find("#training").inner_text()


def test_costs_below_0_and_costs_that_are_none(open_page: Any, tmp_path: Path) -> None:
    p = Tensor(0.1, requires_grad=True, name="p")
    cost = log(p) * 3.0  # no number where ε is larger than p
    page = Stepper(open_page(viz.playground(cost, path=tmp_path / "log.html")))
    marks = page.find("#training .chart").first.locator("text").all_text_contents()
    assert marks[:2] == ["0", "−6.908"]
    page.page.evaluate("training.state.curve.push([0, 1.7e308], [1, -1.7e308]); trainer.advance(1)")
    assert "Infinity" not in (page.find("#training .one").first.get_attribute("d") or "")
    page.click("#undo").settled().find("#slopes summary").click()
    told = page.find("#slopes .meta")
    page.page.wait_for_selector("#slopes .chart .other", state="attached")
    assert "The gradient is wrong" not in told.inner_text()
    page.page.get_by_label("ε, as a power").fill("0")
    assert page.find("#slopes circle").count() < 2


def test_of_many_layers_those_are_told_of_that_have_something_to_tell(
    open_page: Any, tmp_path: Path
) -> None:
    W = Tensor(np.eye(2) * 0.5, requires_grad=True, name="W")
    h = Tensor(X, name="X")
    for _ in range(8):
        h = relu(W @ h)
    made = ((h - 1.0) ** 2).mean()
    page = Stepper(open_page(viz.playground(made, path=tmp_path / "deep.html")))
    assert page.find(".units").inner_text() == "8 layers, no unit dead or saturated"
    page.page.evaluate("live.set('W', 0, -0.5)")
    page.settled()
    told = page.find(".units li").all_inner_texts()
    assert len(told) == 8
    assert all("1 of 2 units dead" in one for one in told)


def test_s353_arrays_of_variables_are_inputs(open_page: Any, tmp_path: Path) -> None:
    ratings, known = np.array([[3.0, 1.0, 2.0], [4.0, 5.0, 1.0]]), np.ones((2, 3))
    U = Tensor(np.ones((2, 1)), requires_grad=True, name="U")
    cost = (known * (U @ np.ones((1, 3)) - ratings) ** 2).sum()
    page = Stepper(open_page(viz.playground(cost, path=tmp_path / "m.html", names=locals())))
    page.page.evaluate("live.set('known', 4, 0)")
    page.settled()
    assert page.page.evaluate("training.cost()") == 14.0
    page.page.evaluate("live.set('ratings', 0, 1.5)")
    page.settled()
    assert page.page.evaluate("training.cost()") == 14.0 - 4.0 + 0.25


def test_pictures_and_units_of_examples_in_rows(open_page: Any, tmp_path: Path) -> None:
    W = Tensor(np.eye(4) * 3, requires_grad=True, name="W")
    b = Tensor([0.0, -9.0, 0.0, -9.0], requires_grad=True, name="b")
    A1 = relu(Tensor(np.eye(4), name="X") @ W + b)
    A1.name = "A1"
    A2 = A1 / 3.0
    cost = ((A2 - Tensor(np.eye(4), name="Y")) ** 2).mean()
    where = tmp_path / "rows.html"
    path = viz.playground(cost, path=where, names={"A2": A2}, prediction=A2, picture=(2, 2))
    page = Stepper(open_page(path))
    assert "A1: 2 of 4 units dead" in page.find(".units").inner_text()
    for example, answer in ((0, "0"), (2, "2")):
        page.page.get_by_label("Example").fill(str(example))
        assert page.find(".bars .best .digit").inner_text() == answer


def test_of_very_many_points_some_are_shown(open_page: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 2500))
    page = Stepper(open_page(viz.playground(line(x, x[:1]), path=tmp_path / "many.html")))
    assert page.find(".plane path").count() == 625
    assert "One of 4 points is shown." in page.find("#training").inner_text()
    page.find(".plane path").nth(2).focus()
    page.press("Insert", "Insert").settled()  # what is added is shown
    assert page.find(".plane path").count() == 627
    page.press("PageUp", "PageUp", "Delete").settled()
    assert page.page.evaluate("[live.m(), plane.some.length > 0]") == [2501, True]


def test_a_cost_that_is_no_number_from_the_beginning(open_page: Any, tmp_path: Path) -> None:
    with np.errstate(invalid="ignore"):
        path = viz.playground(line(X * [[1], [np.nan]], Y), path=tmp_path / "nan.html")
    page = Stepper(open_page(path))
    page.page.evaluate("trainer.advance(3)")
    assert "no number when it was recorded" in page.find("#trained").inner_text()
    assert "the cost is nan" in page.find("#training").inner_text()
    assert page.find(".plane path:visible").count() == 0


def test_finite_differences_come_near_and_break_down(open_page: Any, xor: Path) -> None:
    page = Stepper(open_page(xor))
    errors = page.page.evaluate("slopes.measure().found.map(({ errors }) => errors)")
    forward, central = zip(*errors, strict=True)
    assert min(central) < 1e-8 < min(forward) < 1e-5
    assert forward[0] > 1e-2
    assert forward[-1] > 1e-5
    weights = page.page.evaluate("[...live.memory.W1]")
    assert weights == START["W1"].ravel().tolist()
    page.find("#slopes summary").click()
    page.find("#slopes [role=status]", has_text="central difference").wait_for()


def test_a_planted_mistake_is_found_by_the_differences_and_trains_another_way(
    open_page: Any, xor: Path
) -> None:
    page = Stepper(open_page(xor))
    page.page.evaluate("trainer.advance(40)")
    right = page.page.evaluate("training.cost()")
    page.click("#reset").settled()
    page.find("#slopes summary").click()
    page.find("#break summary").click()
    rule = page.page.get_by_label("The rule of W1 X → dW1")
    rule.select_option("transpose forgotten: X gᵀ, reshaped")
    page.settled()
    assert page.find("#slopes [role=status]").inner_text().startswith("The gradient is wrong")
    page.page.evaluate("trainer.advance(40)")
    assert page.page.evaluate("training.cost()") != pytest.approx(right, rel=1e-3)
    assert page.find("#training .chart path.other").count() == 2  # the run before; the differences
    rule.select_option("right")
    page.settled()
    assert page.find("#slopes [role=status]").inner_text().startswith("ε = ")


def test_s272_a_rule_with_a_mistake_is_the_graphs_own(open_page: Any, xor: Path) -> None:
    page = Stepper(open_page(xor))
    slope = "training.parameters.map((one) => [...training.slope(one)])"
    right = page.page.evaluate(slope)
    page.find("#break summary").click()
    rule = page.page.get_by_label("The rule of A1 →")
    rule.select_option("input for output: g (1 − x²)")
    page.settled()
    A1 = np.tanh(Z1 := START["W1"] @ X + START["b1"])
    dZ2 = (1 / (1 + np.exp(-START["W2"] @ A1 - START["b2"])) - Y) / 4
    dW1 = ((START["W2"].T @ dZ2) * (1 - Z1**2)) @ X.T
    np.testing.assert_allclose(page.page.evaluate(slope)[0], dW1.ravel(), rtol=1e-9)
    assert "dx has 1 − x², tanh's from its value" in page.find("#break ul").inner_text()
    page.page.evaluate("live.add({ X: [0.5, 0.5], Y: [1] })")  # the program with it, too, takes m
    assert page.page.evaluate("live.m()") == 5
    page.click("#undo").settled()
    np.testing.assert_allclose(page.page.evaluate(slope)[0], dW1.ravel(), rtol=1e-9)
    rule.select_option("right")
    page.settled()
    assert page.page.evaluate(slope) == right
    assert page.find("#break ul li").count() == 0


def test_s273_a_second_run_takes_the_engines_steps_on_the_same_data(
    open_page: Any, tmp_path: Path
) -> None:
    other = {k: v + 0.25 for k, v in START.items()}
    path = viz.playground(
        cost_of(START)[0], path=tmp_path / "two.html", learning_rate=0.5, starts={"wider": other}
    )
    page = Stepper(open_page(path))
    page.find("#compare summary").click()
    page.page.get_by_label("Start of the second run").select_option("wider")
    page.page.get_by_label("Learning rate of the second run").fill("0.25")
    page.page.evaluate("trainer.advance(100)")
    theirs = engine(optim.sgd(), 0.25, 100, start=other)
    ours = page.page.evaluate("training.second().own.map((x) => [...x])")
    for k, x in zip(START, ours, strict=True):
        np.testing.assert_allclose(x, np.ravel(theirs[k]), rtol=1e-9, atol=1e-12)
    first = engine(optim.sgd(), 0.5, 100)
    np.testing.assert_allclose(
        page.page.evaluate("[...live.memory.W1]"), np.ravel(first["W1"]), rtol=1e-9, atol=1e-12
    )
    assert page.find(".chart path.second").count() == 1
    assert page.find("#compare [role=status]").inner_text().endswith("after 99 steps")
    page.click("#reset").settled()  # both begin again
    assert page.page.evaluate("training.second().own[1][0]") == other["b1"][0, 0]
    page.page.get_by_label("Start of the second run").select_option("no second run")
    assert page.find(".planes [role=img]").is_hidden()


def test_what_takes_long_trains_beside_the_page(open_page: Any, tmp_path: Path) -> None:
    start = np.random.default_rng(0).normal(size=(400, 400)) / 20
    x = Tensor(np.ones((400, 1)), name="x")

    def cost(W: Tensor) -> Tensor:
        return (tanh(W @ tanh(W @ x)) ** 2).mean()

    W = Tensor(start, requires_grad=True, name="W")
    page = Stepper(
        open_page(viz.playground(cost(W), path=tmp_path / "slow.html", learning_rate=0.5))
    )
    values = start
    for k in (1, 2):
        page.page.wait_for_function("() => !live.busy()")
        page.click("#one-step")
        page.page.wait_for_function("(k) => !live.busy() && training.state.steps === k", arg=k)
        W = Tensor(values, requires_grad=True)
        values = values - 0.5 * np.asarray(gradients(cost(W), [W])[0])
    ours = page.page.evaluate("[...live.memory.W.slice(0, 800)]")
    np.testing.assert_allclose(ours, values[:2].ravel(), rtol=1e-9, atol=1e-12)
    expected = cost(Tensor(values)).item()
    assert page.page.evaluate("training.cost()") == pytest.approx(expected, rel=1e-9)
    page.click("#undo").settled().click("#undo").settled()
    assert page.page.evaluate("[...live.memory.W.slice(0, 800)]") == start[:2].ravel().tolist()
    assert page.find("#graph [data-moved=true]").count() == 0


def test_a_digit_is_drawn_and_answered(open_page: Any, tmp_path: Path) -> None:
    X = Tensor(np.eye(4), name="X")  # four pictures of one bright pixel each
    W = Tensor(np.eye(4) * 3, requires_grad=True, name="W")
    A = np.exp(W @ X) / np.exp(W @ X).sum(axis=0)
    cost = -(Tensor(np.eye(4), name="Y") * log(A)).sum()
    page = Stepper(
        open_page(
            viz.playground(
                cost, path=tmp_path / "pad.html", names={"A": A}, prediction=A, picture=(2, 2)
            )
        )
    )
    assert page.find(".bars .best .digit").inner_text() == "0"
    page.page.get_by_label("Example").fill("2")
    assert page.find(".bars .best .digit").inner_text() == "2"
    page.click("#clear")
    page.find(".pad canvas").click(position={"x": 150, "y": 50})  # top right
    assert page.find(".bars .best .digit").inner_text() == "1"
    page.click("#clear")
    page.find(".pad canvas").focus()
    page.press("ArrowDown", "Space")
    assert page.find(".bars .best .digit").inner_text() in ("2", "3")


def coloured(tmp_path: Path, ends: tuple[float, float] = (0.0, 1.0), **options: Any) -> Path:
    """Two pictures (1, 2) in colours, and one number that is predicted of each."""
    X = Tensor(np.array([[1.0, 0, 0, 0, 0, 1], [0, 1.0, 0, 1, 1, 0]]).T, name="X")
    Y = Tensor([[*ends]], name="Y")
    w = Tensor(np.array([[0.25, 0, 0, 0, 0, 0]]), requires_grad=True, name="w")
    cost = (((A := w @ X + 0.5) - Y) ** 2).mean()
    return viz.playground(
        cost, path=tmp_path / "p.html", prediction=A, picture=(1, 2, 3), **options
    )


def test_pictures_in_colours_are_shown_with_the_names_of_classes(
    open_page: Any, tmp_path: Path
) -> None:
    page = Stepper(open_page(coloured(tmp_path, classes=("dog", "cat"))))
    assert page.find(".bars").inner_text().split() == ["dog", "25%", "cat", "75%"]
    page.page.get_by_label("Example").fill("1")
    assert page.find(".bars").inner_text().split() == ["dog", "50%", "cat", "50%"]
    context = "document.querySelector('.paper canvas').getContext('2d')"
    shown = page.page.evaluate(f"[...{context}.getImageData(0, 0, 2, 1).data]")
    assert shown == [0, 255, 0, 255, 255, 255, 0, 255]
    page.find(".paper canvas").click(position={"x": 9, "y": 9})  # a pen has no colours
    assert page.find(".bars").inner_text().split() == ["dog", "50%", "cat", "50%"]
    assert page.find("#clear").count() == 0
    with pytest.raises(ValueError, match="expected classes as 2 names, got 'cat'"):
        coloured(tmp_path, classes="cat")
    with pytest.raises(ValueError, match=r"height, width\), or with 3 for colours"):
        viz.playground(line(X, Y), path=tmp_path / "p.html", picture=(2, 1, 2))


@pytest.mark.parametrize(
    ("ends", "said"),
    [((-1.0, 1.0), ["0", "13%", "1", "88%"]), ((7.5, 20.25), ["answer", "0.75"])],
)
def test_an_answer_between_other_ends_and_one_that_is_a_number(
    open_page: Any, tmp_path: Path, ends: Any, said: list[str]
) -> None:
    page = Stepper(open_page(coloured(tmp_path, ends)))
    assert page.find(".bars").inner_text().split() == said


def test_a_rate_too_large_is_said_and_ends_it(open_page: Any, tmp_path: Path) -> None:
    w = Tensor(np.array([3.0]), requires_grad=True, name="w")
    page = Stepper(
        open_page(viz.playground((w**4).sum(), path=tmp_path / "p.html", learning_rate=1e3))
    )
    page.page.evaluate("trainer.advance(50)")
    assert "the cost is no number any more" in page.find("#trained").inner_text()
    assert page.find(".plane").count() == 0


def test_units_that_answer_no_more_are_counted(open_page: Any, tmp_path: Path) -> None:
    dead = START | {"b1": np.array([[-9.0], [0.5], [-9.0]])}
    path = viz.playground(cost_of(dead, relu)[0], path=tmp_path / "relu.html")
    page = Stepper(open_page(path))
    assert "A1: 2 of 3 units dead" in page.find(".units").inner_text()
    assert page.find('#graph [data-dead="most"]').count() == 1


def test_an_answer_near_0_or_1_is_no_trouble(open_page: Any, tmp_path: Path) -> None:
    sure = START | {"b1": np.full((3, 1), 9.0), "b2": np.array([[30.0]])}
    cost = cost_of(sure, tanh)[0] + 0.1  # A2 is 1 everywhere, as A1 nearly is
    page = Stepper(open_page(viz.playground(cost, path=tmp_path / "sure.html")))
    assert page.find(".units").inner_text() == "A1: 100% saturated"
    assert (page.find("svg.chart").first.text_content() or "").endswith("1 step")


@pytest.mark.parametrize("size", [(1280, 800), (700, 560)], ids=str)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sheet_is_legible(open_page: Any, xor: Path, size: Any, scheme: str) -> None:
    page = Stepper(open_page(xor, *size, scheme))
    for one in ("#break", "#compare", "#slopes"):
        page.find(f"{one} summary").click()
    page.page.get_by_label("The rule of A1 →").select_option(index=1)
    page.page.get_by_label("Start of the second run").select_option("as recorded")
    page.page.evaluate("trainer.advance(20)")
    for sheet in ("Train", "Program", "Numbers"):
        page.click(f"#live button:text-is('{sheet}')")
        seen = texts(page.page)
        assert overlapping_texts(seen) == []
        assert sticking_out(seen) == []
        assert small_texts(seen) == []
        assert low_contrast(seen) == []


def test_s304_captions_lead_through_a_page_that_trains(open_page: Any, tmp_path: Path) -> None:
    cost, p = cost_of(START)
    shares = np.array([0.5, 1.0, 1.0, 1.5])  # for each example: the page has the graph again
    steps = ["Train it.", (p["W1"], "The first weights."), ("dA1", "Their layer's gradient.")]
    loss = (shares * (cost_of(START)[0] * 0.0 + cost)).sum() / 4
    page = Stepper(open_page(viz.playground(loss, path=tmp_path / "l.html", steps=steps)))
    assert (page.find("#caption").inner_text(), page.step) == ("Train it.", page.steps)
    page.click("#caption-next")
    assert (page.find("#caption").inner_text(), page.panel) == ("The first weights.", "W1")
    page.click("#caption-next")
    assert page.panel == "A1"
    assert 0 < page.step < page.steps
    page.page.evaluate("trainer.advance(3)")
    assert page.find("#trained").inner_text().startswith("step 3 · cost ")
    with pytest.raises(ValueError, match="playground: steps: nothing is called 'Z9'"):
        viz.playground(cost, path=tmp_path / "n.html", steps=[("Z9", "text")])


def test_the_address_says_at_which_step_it_opens(open_page: Any, xor: Path) -> None:
    page = Stepper(open_page(xor))
    assert page.step == page.steps
    page.to(3).page.reload()
    assert page.step == 3
