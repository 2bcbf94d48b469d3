"""The update rules: each against scalar loops written anew, on trees, compiled, and refusals."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import compile, compile_loop, grad, optim, tanh, value_and_grad

RATE = 0.05
STEPS = 200


# --- the reference: one number at a time, in Python -----------------------------------------------


def by_hand(name: str, p: float, slopes: list[float], rate: float, **k: float) -> list[float]:
    """The values of one parameter that the rule goes through, from its paper's formula."""
    seen, v, s = [], 0.0, 0.0
    for t, g in enumerate(slopes, start=1):
        if name == "sgd":
            p = p - rate * g
        elif name == "momentum":
            v = k["beta"] * v + (1 - k["dampening"]) * g
            p = p - rate * v
        elif name == "nesterov":
            v = k["beta"] * v + g
            p = p - rate * (g + k["beta"] * v)
        elif name == "rmsprop":
            s = k["beta"] * s + (1 - k["beta"]) * g**2
            p = p - rate * g / (math.sqrt(s) + k["epsilon"])
        elif name == "adagrad":
            s = s + g**2
            p = p - rate * g / (math.sqrt(s) + k["epsilon"])
        else:
            if name == "adamw":
                p = p - rate * k["decay"] * p
            v = k["beta1"] * v + (1 - k["beta1"]) * g
            s = k["beta2"] * s + (1 - k["beta2"]) * g**2
            corrected = v / (1 - k["beta1"] ** t), s / (1 - k["beta2"] ** t)
            p = p - rate * corrected[0] / (math.sqrt(corrected[1]) + k["epsilon"])
        seen.append(p)
    return seen


SETTINGS: list[tuple[str, dict[str, float]]] = [
    ("sgd", {}),
    ("momentum", {"beta": 0.9, "dampening": 0.0}),
    ("momentum", {"beta": 0.8, "dampening": 0.8}),
    ("nesterov", {"beta": 0.9}),
    ("rmsprop", {"beta": 0.99, "epsilon": 1e-8}),
    ("rmsprop", {"beta": 0.5, "epsilon": 0.1}),
    ("adagrad", {"epsilon": 1e-10}),
    ("adam", {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}),
    ("adam", {"beta1": 0.5, "beta2": 0.7, "epsilon": 0.1}),
    ("adamw", {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "decay": 0.3}),
]
IDS = [f"{name}-{i}" for i, (name, _) in enumerate(SETTINGS)]


def test_every_rule_has_a_reference() -> None:
    assert {name for name, _ in SETTINGS} == optim.OPTIMISERS.keys()


def tree(dtype: Any = np.float64) -> Any:
    rng = np.random.default_rng(3)
    return {
        "layers": [{"W": rng.normal(size=(2, 3)), "b": rng.normal(size=(2, 1))}],
        "scale": (rng.normal(size=()), rng.normal(size=4)),
    } | ({} if dtype == np.float64 else {"scale": (rng.normal(size=4).astype(dtype),)})


def like(given: Any, rng: np.random.Generator) -> Any:
    if isinstance(given, dict):
        return {key: like(x, rng) for key, x in given.items()}
    if isinstance(given, (list, tuple)):
        return type(given)(like(x, rng) for x in given)
    return np.asarray(rng.normal(size=given.shape) * 3, dtype=given.dtype)


def numbers(given: Any) -> list[float]:
    if isinstance(given, dict):
        given = [*given.values()]
    if isinstance(given, (list, tuple)):
        return [x for part in given for x in numbers(part)]
    return np.ravel(given).tolist()


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=IDS)
def test_a_rule_is_its_formula_on_a_tree(name: str, settings: dict[str, float]) -> None:
    rng = np.random.default_rng(1)
    rule = optim.OPTIMISERS[name](**settings)
    parameters: Any = tree()
    begun = numbers(parameters)
    slopes, seen = [], []
    state = rule.init(parameters)
    for _ in range(STEPS):
        gradients = like(parameters, rng)
        before = numbers(parameters), numbers(gradients), numbers(state)
        after, new = rule.update(parameters, gradients, state, RATE)
        assert (numbers(parameters), numbers(gradients), numbers(state)) == before
        assert type(after["scale"]) is tuple
        parameters, state = after, new
        slopes.append(numbers(gradients))
        seen.append(numbers(parameters))
    for i, p in enumerate(begun):
        expected = by_hand(name, p, [g[i] for g in slopes], RATE, **settings)
        np.testing.assert_allclose([x[i] for x in seen], expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=IDS)
def test_a_compiled_step_is_the_same_update(name: str, settings: dict[str, float]) -> None:
    rule = optim.OPTIMISERS[name](**settings)
    rng = np.random.default_rng(4)
    X, Y = rng.normal(size=(3, 20)), rng.normal(size=(2, 20))

    def step(p: Any, state: Any, rate: Any) -> Any:
        cost = value_and_grad(lambda q: ((q[0]["W"] @ X + q[0]["b"] - Y) ** 2).mean())
        value, gradients = cost(p)
        return value, *rule.update(p, gradients, state, rate)

    p = eager = [{"W": rng.normal(size=(2, 3)), "b": np.zeros((2, 1))}]
    state = told = rule.init(p)
    f = compile(step, reuse_outputs=True)
    for t in range(30):
        rate = np.asarray(0.1 / (t + 1))
        _, p, state = f(p, state, rate)
        _, eager, told = step(eager, told, rate)
        np.testing.assert_allclose(numbers(p), numbers(eager), rtol=1e-9, atol=1e-12)
    assert state.keys() == told.keys()
    assert f.source.count("def step(") == 2  # no second program: rate and t are arguments


def test_no_rule_computes_a_gradient_twice() -> None:
    """A number that is multiplied into a product makes another one of it."""
    rng = np.random.default_rng(4)
    X, Y = rng.normal(size=(30, 20)), rng.normal(size=(2, 20))
    p: Any = {"W1": rng.normal(size=(40, 30)), "W2": rng.normal(size=(2, 40))}

    def products(rule: optim.Optimiser) -> int:
        def step(p: Any, state: Any) -> Any:
            cost = value_and_grad(lambda q: ((q["W2"] @ tanh(q["W1"] @ X) - Y) ** 2).mean())
            return rule.update(p, cost(p)[1], state, 0.01)

        f = compile(step)
        f(p, rule.init(p))
        return f.source.count("np.matmul(")

    found = {name: products(make()) for name, make in optim.OPTIMISERS.items()}
    assert set(found.values()) == {5}, found


def test_a_loop_carries_the_state() -> None:
    rule = optim.adam()
    rng = np.random.default_rng(4)
    X, Y = rng.normal(size=(3, 20)), rng.normal(size=(2, 20))

    def step(carry: Any, X: Any, Y: Any) -> Any:
        p, state = carry["parameters"], carry["state"]
        value, gradients = value_and_grad(lambda q: ((q["W"] @ X - Y) ** 2).mean())(p)
        p, state = rule.update(p, gradients, state, 0.01)
        return {"parameters": p, "state": state}, value

    p: Any = {"W": rng.normal(size=(2, 3))}
    carry = {"parameters": p, "state": rule.init(p)}
    loop = compile_loop(step, carry=carry, constants={"X": X, "Y": Y})
    for _ in range(50):
        loop.step()
        carry, _ = step(carry, X, Y)
    np.testing.assert_allclose(numbers(loop.carry), numbers(carry), rtol=1e-9)
    assert loop.carry["state"]["t"] == 50


@pytest.mark.parametrize(
    "rule",
    [optim.sgd(), optim.momentum(), optim.nesterov(), optim.weight_decay(optim.sgd(), 0.1)],
    ids=lambda rule: f"{rule.name}-{rule.decay}",
)
def test_linear_rules_are_strength_reduced(rule: optim.Optimiser) -> None:
    """A matrix that only meets constant data is carried as a smaller one."""
    rng = np.random.default_rng(4)
    X, Y = rng.normal(size=(500, 8)), rng.normal(size=(2, 8))

    def step(carry: Any, X: Any, Y: Any) -> Any:
        value, gradients = value_and_grad(lambda q: ((tanh(q["W"] @ X) - Y) ** 2).mean())(carry[0])
        return rule.update(carry[0], gradients, carry[1], 0.01), value

    p: Any = {"W": rng.normal(size=(2, 500)) / 30}
    carry = (p, rule.init(p))
    loop = compile_loop(step, carry=carry, constants={"X": X, "Y": Y})
    assert loop.summary.startswith("strength reduction")
    for _ in range(20):
        loop.step()
        carry, _ = step(carry, X, Y)
    np.testing.assert_allclose(loop.carry[0]["W"], carry[0]["W"], rtol=1e-9)


@pytest.mark.parametrize("name", optim.OPTIMISERS)
def test_a_compiled_update_allocates_nothing(name: str) -> None:
    rule = optim.OPTIMISERS[name]()
    p = {"W": np.ones((200, 500))}
    g = {"W": np.full((200, 500), 0.5)}
    state = rule.init(p)
    f = compile(rule.update, reuse_outputs=True)
    rate = np.asarray(0.1)
    for _ in range(3):
        p, state = f(p, g, state, rate)
    tracemalloc.start()
    try:
        for _ in range(5):
            p, state = f(p, g, state, rate)
        assert tracemalloc.get_traced_memory()[1] < p["W"].nbytes / 4
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", optim.OPTIMISERS)
@pytest.mark.parametrize("rate", [0.1, np.float64(0.1), np.asarray(0.1)], ids=type)
def test_s145_an_update_keeps_structure_and_dtype(name: str, rate: Any) -> None:
    rule = optim.OPTIMISERS[name]()
    p = {"W": np.ones((2, 3), np.float32), "b": np.ones(3)}
    g = {"b": np.ones(3), "W": np.ones((2, 3), np.float32), "X": np.ones(9)}
    state = rule.init(p)
    for _ in range(3):
        p, state = rule.update(p, g, state, rate)
    assert [*p] == ["W", "b"]
    assert (p["W"].dtype, p["b"].dtype) == (np.float32, np.float64)
    for part in rule.remembers:
        assert {k: x.dtype for k, x in state[part].items()} == {k: x.dtype for k, x in p.items()}


@pytest.mark.parametrize("name", optim.OPTIMISERS)
def test_float32_follows_float64(name: str) -> None:
    """The corrections of the first steps, 1 − βᵗ, lose nothing."""
    rule = optim.OPTIMISERS[name]()
    rng = np.random.default_rng(0)
    wide: Any = {"W": rng.normal(size=50)}
    narrow: Any = {"W": wide["W"].astype(np.float32)}
    states = [rule.init(wide), rule.init(narrow)]
    for _ in range(20):
        g = rng.normal(size=50).astype(np.float32)
        wide, states[0] = rule.update(wide, {"W": g.astype(float)}, states[0], 0.01)
        narrow, states[1] = rule.update(narrow, {"W": g}, states[1], 0.01)
    np.testing.assert_allclose(narrow["W"], wide["W"], rtol=1e-5, atol=1e-6)


def test_weight_decay_is_apart_from_the_gradient_and_where_it_is_asked_for() -> None:
    p = {"W1": np.array([2.0]), "b1": np.array([2.0])}
    g = {"W1": np.zeros(1), "b1": np.zeros(1)}
    rule = optim.weight_decay(optim.momentum(), 0.5, decays=lambda path: "W" in path)
    after, _ = rule.update(p, g, rule.init(p), 0.1)
    assert after == {"W1": 2.0 * (1 - 0.1 * 0.5), "b1": 2.0}
    assert rule.decay == 0.5
    # Under gradient descent it is L2; under Adam it is not.
    g = {"W1": np.array([0.3]), "b1": np.array([0.3])}
    for base, same in ((optim.sgd(), True), (optim.adam(), False)):
        decayed, _ = optim.weight_decay(base, 0.5).update(p, g, base.init(p), 0.1)
        with_l2 = {k: x + 0.5 * p[k] for k, x in g.items()}
        l2, _ = base.update(p, with_l2, base.init(p), 0.1)
        assert np.allclose(decayed["W1"], l2["W1"]) == same


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", optim.OPTIMISERS)
def test_a_gradient_of_0_moves_nothing(name: str, dtype: Any) -> None:
    """In float16 an ε of 1e-8 is 0."""
    rule = optim.OPTIMISERS[name](**({"decay": 0.0} if name == "adamw" else {}))
    p = {"W": np.array([1.5], dtype)}
    after, state = rule.update(p, {"W": np.zeros(1, dtype)}, rule.init(p), 0.1)
    after, _ = rule.update(after, {"W": np.zeros(1, dtype)}, state, 0.1)
    assert after == p
    assert after["W"].dtype == dtype


def test_an_optimiser_says_what_it_is() -> None:
    shown = repr(optim.adam(beta1=0.8))
    assert shown.startswith("Optimiser(name='adam', settings={'beta1': 0.8")
    assert optim.adamw().name == "adamw"
    assert optim.adamw().decay == 0.01


# --- refusals -------------------------------------------------------------------------------------


P = {"W1": np.ones((3, 4)), "b1": np.ones((3, 1))}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda s: s["v"].update(W1=np.ones((3, 5))),
            r", as init.* whose 'v' is of shape \(3, 4\) for W1, got \(3, 5\)",
        ),
        (lambda s: s["s"].pop("b1"), r".* 's' is of shape \(3, 1\) for b1, got none"),
        (
            lambda s: s["s"].update(W1=np.ones((3, 4), np.float32)),
            ".* 's' is of float64 for W1, got float32",
        ),
        (lambda s: s.pop("t"), r" of v, s, t, as init\(parameters\) makes it, got s, v"),
        (lambda s: s.update(m=1), " of v, s, t, .* got m, s, t, v"),
    ],
)
def test_s146_a_state_of_other_parameters_is_refused_by_name(change: Any, told: str) -> None:
    rule = optim.adam()
    state = rule.init(P)
    change(state)
    with pytest.raises(ValueError, match=f"^adam: expected a state{told}"):
        rule.update(P, P, state, 0.1)


def test_a_state_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^sgd: expected a state of nothing, \{\}, .*NoneType"):
        optim.sgd().update(P, P, None, 0.1)  # type: ignore[arg-type]


def test_gradients_that_do_not_fit_are_refused_by_name() -> None:
    rule = optim.momentum()
    for wrong, told in (
        ({"W1": np.ones((4, 3)), "b1": P["b1"]}, r"of shape \(3, 4\) for W1, got \(4, 3\)"),
        ({"W1": P["W1"]}, r"of shape \(3, 1\) for b1, got none"),
        ({"W1": P["W1"], "b1": 1.0}, r"of shape \(3, 1\) for b1, got float"),
        ({"W1": np.ones((3, 4), int), "b1": P["b1"]}, r"of float64 for W1, got int64; data and"),
    ):
        with pytest.raises(ValueError, match=f"^momentum: expected a gradient {told}"):
            rule.update(P, wrong, rule.init(P), 0.1)
    deep = {"a": [np.ones(2)]}
    with pytest.raises(ValueError, match=r"for \['a'\]\[0\], got \(3,\)"):
        rule.update(deep, {"a": [np.ones(3)]}, rule.init(deep), 0.1)


@pytest.mark.parametrize("wrong", [np.ones(3, int), 3.0, {1.0}])
def test_parameters_that_are_no_floats_are_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"^adam: expected arrays of floats .* for W; make it one"):
        optim.adam().init({"W": wrong})


@pytest.mark.parametrize("rate", [0, -0.1, np.asarray(0.0), np.float64(-1), float("nan"), math.inf])
def test_s147_a_rate_that_is_not_above_0_is_refused(rate: Any) -> None:
    rule = optim.adam()
    with pytest.raises(ValueError, match="learning rate: expected a finite number above 0, got"):
        rule.update(P, P, rule.init(P), rate)
    with pytest.raises(ValueError, match="learning rate: expected a finite number above 0, got"):
        optim.gradient_descent(P, P, rate)


@pytest.mark.parametrize("rate", ["0.1", None, [0.1]])
def test_a_rate_that_is_no_number_is_refused(rate: Any) -> None:
    with pytest.raises(TypeError, match="learning rate: expected a number, got"):
        optim.adam().update(P, P, optim.adam().init(P), rate)


def test_a_rate_for_each_number_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a number or a 0-d array, got shape \(1,\)"):
        optim.gradient_descent(P, P, np.ones(1))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: optim.momentum(1.0), "momentum: expected beta from 0 to below 1, got 1.0"),
        (lambda: optim.momentum(0.9, -1), "momentum: expected dampening from 0 to below 1"),
        (lambda: optim.nesterov(-0.1), "nesterov: expected beta"),
        (lambda: optim.rmsprop(2), "rmsprop: expected beta"),
        (lambda: optim.rmsprop(epsilon=0), "rmsprop: expected epsilon above 0, got 0"),
        (lambda: optim.adagrad(math.nan), "adagrad: expected epsilon above 0, got nan"),
        (lambda: optim.adam(0), "adam: expected beta1 above 0"),
        (lambda: optim.adam(beta2=1), "adam: expected beta2 from 0 to below 1"),
        (lambda: optim.adamw(decay=-1), "weight_decay: expected a finite decay of 0 or above"),
    ],
)
def test_unusable_settings_are_refused(make: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make()


def test_a_decay_is_not_replaced_by_another() -> None:
    for twice in (optim.adamw(decay=0.01), optim.weight_decay(optim.sgd(), 0.01)):
        with pytest.raises(ValueError, match=rf"{twice.name} decays by 0\.01 already"):
            optim.weight_decay(twice, 0.1)
    assert optim.weight_decay(optim.adamw(decay=0), 0.1).decay == 0.1


@dataclass(frozen=True)
class Line:
    w: Any
    b: Any
    units: int = 3
    title: str = "a line"


@pytest.mark.parametrize("name", optim.OPTIMISERS)
def test_dataclasses_and_what_is_no_array_are_trees_to_the_rules(name: str) -> None:
    """Lines S124 and S125 of the page."""
    rule = optim.OPTIMISERS[name]()
    parts = {"w": np.array([3.0, 1.0]), "b": np.array(0.5)}
    line = {"line": Line(**parts), "none": None}
    slopes = grad(lambda p: (p["line"].w ** 2).sum() * p["line"].b)(line)
    plain = grad(lambda p: (p["w"] ** 2).sum() * p["b"])(parts)
    state, expected = rule.init(line), rule.init(parts)
    for _ in range(3):
        line, state = rule.update(line, slopes, state, 0.1)
        parts, expected = rule.update(parts, plain, expected, 0.1)
    assert (type(line["line"]), line["none"]) == (Line, None)
    assert (line["line"].units, line["line"].title) == (3, "a line")
    np.testing.assert_array_equal(line["line"].w, parts["w"])
    np.testing.assert_array_equal(line["line"].b, parts["b"])
    with pytest.raises(ValueError, match=r"for \['line'\]\.w, got none"):
        rule.update(line, {"none": None}, state, 0.1)


def test_dataclasses_and_what_is_no_array_are_clipped_and_kept() -> None:
    g = {"a": np.array([3.0, 4.0]), "k": None, "line": Line(np.zeros(2), None)}
    assert optim.global_norm(g) == 5.0
    clipped = optim.clip_by_norm(g, 1.0)
    np.testing.assert_allclose(clipped["a"], [0.6, 0.8])
    assert (clipped["k"], clipped["line"].b, clipped["line"].title) == (None, None, "a line")
    np.testing.assert_array_equal(optim.clip_by_value(g, 3.5)["a"], [3.0, 3.5])
    best = optim.early_stopping().init(g)["parameters"]
    assert best["a"] is not g["a"]
    assert (best["k"], best["line"].units) == (None, 3)
