"""Functions of functions: what comes beside, several outputs, arguments by name, trees, pickles."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_dnn as td
from tinygrad_dnn import Tensor, debug, grad, no_grad
from tinygrad_dnn.autodiff.pytree import flatten

rng = np.random.default_rng(5)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(expected, float), 1e-12, 1e-13)


# --- what comes beside ----------------------------------------------------------------------------


def test_s120_what_comes_beside_is_plain_and_as_it_was_returned() -> None:
    def f(x: Any) -> Any:
        z = x * x
        return z.sum(), {"z": z, "rows": [z[0], 3, None], "text": "t", "array": np.ones(2)}

    x = np.array([1.0, 2.0])
    g, aux = grad(f, has_aux=True)(x)
    close(g, 2 * x)
    assert type(aux["z"]) is np.ndarray
    close(aux["z"], x * x)
    assert aux["rows"][1:] == [3, None]
    assert aux["text"] == "t"
    assert type(aux["array"]) is np.ndarray
    (value, aux), g = td.value_and_grad(f, has_aux=True)(x)
    assert type(value) is np.ndarray
    close(value, 5.0)
    close(aux["rows"][0], 1.0)
    value, pullback, aux = td.vjp(f, x, has_aux=True)
    close(pullback(2.0)[0], 4 * x)
    close(aux["z"], x * x)
    value, along, aux = td.jvp(f, x, np.array([1.0, 0.0]), has_aux=True)
    close(along, 2.0)
    close(aux["z"], x * x)
    J, aux = td.jacobian(lambda x: (x * x, x.sum()), has_aux=True)(x)
    close(J, np.diag(2 * x))
    assert type(aux) is np.ndarray
    H, aux = td.hessian(f, has_aux=True)(x)
    close(H, 2 * np.eye(2))
    assert type(aux["z"]) is np.ndarray
    value, along, aux = td.linearize(f, x, has_aux=True)
    close(along(x), 10.0)
    close(aux["array"], np.ones(2))


def test_what_comes_beside_keeps_the_gradient_of_what_lies_outside() -> None:
    W = Tensor([3.0, 4.0], requires_grad=True)
    g, aux = grad(lambda x: ((x * x).sum(), x * W), has_aux=True)(np.ones(2))
    assert type(g) is np.ndarray
    assert isinstance(aux, Tensor)
    close(td.gradients(aux.sum(), W), [1.0, 1.0])

    def beside(x: Any) -> Any:
        u = np.exp(x)
        return u.sum(), u * W

    aux = grad(beside, has_aux=True)(np.zeros(2))[1]
    aux.sum().backward()
    close(W.grad, [1.0, 1.0])
    value, (g, aux) = (
        td.value_and_grad(
            lambda y: grad(lambda x: ((x * x * y).sum(), x * y), has_aux=True)(np.ones(2))[1].sum(),
            0,
        )(2.0),
        grad(lambda x: ((x * W).sum(), W), has_aux=True)(np.ones(2)),
    )
    close(value[1], 2.0)
    assert isinstance(g, Tensor)
    assert aux is W


@pytest.mark.parametrize(
    "returned", [lambda x: x.sum(), lambda x: (x.sum(),), lambda x: [x.sum(), 1]]
)
def test_has_aux_wants_a_pair(returned: Any) -> None:
    for transform in (grad, td.value_and_grad, td.jacobian, td.hessian):
        with pytest.raises(TypeError, match=r"has_aux=True: expected .* \(what is differentiated"):
            transform(returned, has_aux=True)(np.ones(2))


# --- several outputs ------------------------------------------------------------------------------


class Layer(NamedTuple):
    W: Any
    b: Any


def two(W: Any, x: Any) -> Any:
    return {"y": W @ x, "norms": ((W * W).sum(), [x * x, None])}


def test_s121_several_outputs_have_their_structure() -> None:
    W, x = rng.normal(size=(3, 2)), rng.normal(size=2)
    y, pullback = td.vjp(two, W, x)
    assert type(y["y"]) is np.ndarray
    assert y["norms"][1][1] is None
    v = {"y": rng.normal(size=3), "norms": (2.0, [rng.normal(size=2), None])}
    dW, dx = pullback(v)
    close(dW, np.outer(v["y"], x) + 4 * W)
    close(dx, v["y"] @ W + 2 * x * v["norms"][1][0])
    dy = td.jvp(two, [W, x], [np.ones_like(W), x])[1]
    close(dy["y"], np.full(3, x.sum()) + W @ x)
    close(dy["norms"][0], 2 * W.sum())
    close(dy["norms"][1][0], 2 * x * x)
    J = td.jacobian(two, argnums=("x", 0))(W, x)
    close(J["y"][0], W)
    assert J["y"][1].shape == (3, 3, 2)
    close(J["norms"][0][1], 2 * W)
    close(J["norms"][1][0][0], 2 * np.diag(x))
    assert J["norms"][1][1] is None
    layer = td.jacobian(lambda p: Layer(p.W * 2, p.b.sum()))(Layer(np.ones(2), np.ones(3)))
    assert type(layer) is type(layer.W) is Layer
    close(layer.W.W, 2 * np.eye(2))
    close(layer.b.b, np.ones(3))
    close(layer.b.W, np.zeros(2))


def test_a_cotangent_has_the_structure_of_the_outputs() -> None:
    pullback = td.vjp(two, np.ones((3, 2)), np.ones(2))[1]
    with pytest.raises(
        ValueError, match=r"vjp: expected a cotangent of 4 arrays.*\['norms'\]\[0\]"
    ):
        pullback({"y": np.ones(3)})
    with pytest.raises(ValueError, match=r"vjp: expected a cotangent of shape \(3,\), got \(2,\)"):
        pullback({"y": np.ones(2), "norms": (1.0, [np.ones(2), None])})
    with pytest.raises(TypeError, match=r"\['a'\] of what the function returned: .*got float"):
        td.vjp(lambda x: {"a": 3.0, "b": x}, 1.0)


# --- which arguments ------------------------------------------------------------------------------


def test_s122_arguments_by_name() -> None:
    def f(W: Any, x: Any, *, b: Any = 1.0) -> Any:
        return ((W @ x + b) ** 2).sum()

    W, x, b = rng.normal(size=(3, 2)), rng.normal(size=2), rng.normal(size=3)
    r = 2 * (W @ x + b)
    close(grad(f, "b")(W, x, b=b), r)
    close(grad(f, argnums="x")(W, x, b=b), r @ W)
    close(grad(f, argnums="x")(W, x=x, b=b), r @ W)
    db, dW = grad(f, ["b", 0])(W, x, b=b)
    close(db, r)
    close(dW, np.outer(r, x))
    close(td.hessian(f, "b")(W, x, b=b), 2 * np.eye(3))
    H = td.hessian(f, ("x", "b"))(W, x, b=b)
    close(H[0][0], 2 * W.T @ W)
    close(H[0][1], 2 * W.T)
    close(H[1][0], 2 * W)
    close(td.hessian(f, 1)(W, x, b=b), 2 * W.T @ W)
    close(td.jacobian(lambda x, y: x * y, "y")(x, y=x), np.diag(x))
    assert type(td.value_and_grad(f, "x")(W, x)[1]) is np.ndarray


@pytest.mark.parametrize(
    ("argnums", "told"),
    [
        ("V", r"no argument 'V' was given; by position there are W, x"),
        ("b", r"no argument 'b' was given"),
        ((0, "W"), r"name one argument twice"),
        ((0, -2), r"name one argument twice"),
        (("x", "x"), r"different arguments"),
        ((), r"at least one"),
    ],
)
def test_names_that_are_no_arguments(argnums: Any, told: str) -> None:
    with pytest.raises(ValueError, match=f"argnums: .*{told}"):
        grad(lambda W, x, b=1.0: (W @ x).sum() * b, argnums)(np.ones((2, 2)), np.ones(2))


def test_a_cotangent_takes_on_the_kind_of_floats() -> None:
    x = np.ones(2, np.float32)
    assert td.vjp(lambda x: x, x)[1](np.ones(2))[0].dtype == np.float32
    assert td.jvp(lambda x: x, x, np.ones(2))[1].dtype == np.float32


def test_positions_are_numbers_or_names() -> None:
    with pytest.raises(TypeError, match=r"argnums: expected the position .* or its name"):
        grad(np.sin, argnums=1.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"no argument 'x' was given; say its position"):
        grad(max, argnums="x")(1.0, 2.0)


def test_what_is_given_bare_is_the_one_argument() -> None:
    def f(x: Any) -> Any:
        return (x**3).sum()

    x, t = np.array([1.0, 2.0]), np.array([0.5, -1.0])
    close(td.jvp(f, x, t)[1], td.jvp(f, [x], [t])[1])
    close(td.hvp(f, x, t), 6 * x * t)
    close(td.hvp(f, [x], [t])[0], 6 * x * t)
    assert type(td.hvp(f, [x], [t])) is tuple
    params, along = {"W": x, "b": t}, {"W": t, "b": x}

    def g(p: Any) -> Any:
        return (p["W"] ** 2 * p["b"]).sum()

    close(td.jvp(g, params, along)[1], (2 * x * t * t + x * x * x).sum())
    close(td.hvp(g, params, along)["b"], 2 * x * t)
    close(td.jvp(lambda p: p.W * p.b, Layer(x, t), Layer(t, x))[1], t * t + x * x)
    with pytest.raises(TypeError, match=r"hvp\(f, \[x\], \[t\]\), or both bare, hvp\(f, x, t\)"):
        td.hvp(f, [x], t)


# --- trees ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Net:
    W: Any
    b: Any
    layers: int = 2
    title: str | None = None
    inner: Any = field(default_factory=dict)


@dataclass(slots=True)
class Slotted:
    W: Any
    on: bool = True


@dataclass
class Counted:
    W: Any

    def __post_init__(self) -> None:
        self.size = len(self.W)


def test_s124_none_numbers_and_texts_stay_and_have_no_gradient() -> None:
    tree = {"W": np.ones(2), "n": 3, "kind": "relu", "none": None, "on": True, "in": [None, 2.0]}

    def f(p: Any) -> Any:
        assert (p["n"], p["kind"], p["none"], p["on"]) == (3, "relu", None, True)
        return (p["W"] * p["n"]).sum() * p["in"][1]

    expected = {"n": None, "kind": None, "none": None, "on": None}
    g = grad(f)(tree)
    close(g["W"], [6.0, 6.0])
    close(g["in"][1], 6.0)
    assert {k: g[k] for k in expected} == expected
    assert g["in"][0] is None
    H = td.hessian(f)(tree)
    close(H["W"]["in"][1], [3.0, 3.0])
    assert H["n"] is None
    assert H["W"]["n"] is None
    along = td.jvp(f, tree, g)[1]
    close(along, 6.0 * 6 * 2 + 6.0 * 6)
    close(td.hvp(f, tree, g)["W"], [18.0, 18.0])
    assert td.vjp(f, tree)[1](1.0)[0]["kind"] is None
    each = td.per_example_gradients(lambda p, x: (p["W"] * x[:, 0]).sum() * p["n"], tree, np.eye(2))
    close(each["W"], 3 * np.eye(2))
    assert each["kind"] is None


def test_what_else_is_no_parameter_is_named_by_its_key() -> None:
    for x, told in ((np.array([1, 2]), "int64"), (1j, "complex"), ({1, 2}, "object")):
        with pytest.raises(
            (TypeError, ValueError), match=rf"^\['p'\]\[1\] of what is diff.*{told}"
        ):
            grad(lambda p: p["W"].sum())({"W": np.ones(2), "p": [None, x]})
    with pytest.raises(ValueError, match=r"\.b of what is differentiated: .*int64"):
        grad(lambda p: p.W.sum())(Net(np.ones(2), np.array([1])))
    assert grad(lambda p: Tensor(1.0))({}) == {}


def test_s125_dataclasses_and_named_tuples_are_trees() -> None:
    net = Net(np.ones(2), np.array(3.0), inner={"c": np.ones(1)})

    def f(p: Any) -> Any:
        assert isinstance(p, Net)
        assert (p.layers, p.title) == (2, None)
        return (p.W**2 * p.b).sum() + p.inner["c"].sum()

    g = grad(f)(net)
    assert type(g) is Net
    close(g.W, [6.0, 6.0])
    close(g.b, 2.0)
    close(g.inner["c"], [1.0])
    assert (g.layers, g.title) == (None, None)
    close(td.hessian(f)(net).W.b, [2.0, 2.0])
    close(td.jvp(f, net, g)[1], 36 * 2 + 4 + 1)
    close(grad(lambda p: (p.W * 2).sum())(Slotted(np.ones(2))).W, [2.0, 2.0])
    counted = grad(lambda p: (p.W * p.size).sum())(Counted(np.ones(2)))
    close(counted.W, [2.0, 2.0])
    assert counted.size == 2
    assert td.vjp(lambda p: (p, p.W), net)[0][0].layers == 2
    rows = td.jacobian(lambda p: Layer(p.W * p.b, p))(net)
    assert type(rows.b) is Net
    assert (rows.b.layers, rows.W.layers) == (None, None)
    close(rows.b.W.W, np.eye(2))
    compiled = td.compile(td.grad(lambda x: f(Net(x, 3.0, inner=net.inner))))
    assert compiled(np.ones(2)).tolist() == [6.0, 6.0]


# --- pickles, methods -----------------------------------------------------------------------------


def cubes(x: Any) -> Any:
    return (x**3).sum()


def pair(x: Any) -> Any:
    return (x**3).sum(), x


@pytest.mark.parametrize(
    "made",
    [
        grad(cubes), td.value_and_grad(cubes, "x"),
        td.jacobian(cubes, chunk_size=2), td.hessian(cubes), td.grad(pair, has_aux=True),
        td.checkpoint(cubes), td.jacobian(grad(cubes)), td.hessian(td.checkpoint(cubes)),
    ],
)  # fmt: skip
def test_s126_what_transforms_make_pickles(made: Any) -> None:
    x = np.array([1.0, 2.0])
    again = pickle.loads(pickle.dumps(made))
    expected, found = made(x), again(x)
    for a, b in zip(flatten((expected,))[0], flatten((found,))[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert again.__name__ in ("cubes", "pair")
    assert copy.deepcopy(made)(x) is not None


def test_they_are_methods_too() -> None:
    class Model:
        scale = 3.0

        def cost(self, x: Any) -> Any:
            return (x * self.scale).sum()

        slope = grad(cost, argnums="x")

    close(Model().slope(np.ones(2)), [3.0, 3.0])
    assert grad(Model().cost)(1.0) == 3.0
    assert isinstance(Model.slope, type(grad(cubes)))


# --- linearize ------------------------------------------------------------------------------------


def test_s127_linearize_calls_the_function_once() -> None:
    calls = []

    def f(x: Any, p: Any) -> Any:
        calls.append(1)
        return np.sin(x) * p["a"], (x * x).sum()

    x, p = rng.normal(size=3), {"a": rng.normal(size=3), "n": 2}
    (y, square), along = td.linearize(f, x, p)
    close(y, np.sin(x) * p["a"])
    close(square, (x * x).sum())
    for _ in range(3):
        t, s = rng.normal(size=3), {"a": rng.normal(size=3), "n": None}
        dy, dsquare = along(t, s)
        close(dy, np.cos(x) * t * p["a"] + np.sin(x) * s["a"])
        close(dsquare, 2 * (x * t).sum())
    assert len(calls) == 1
    with pytest.raises(ValueError, match=r"linearize: tangent: expected shape \(3,\), got \(2,\)"):
        along(np.ones(2), p)
    with pytest.raises(ValueError, match=r"linearize: tangent: expected 2 arrays, got 1"):
        along(np.ones(3))
    with pytest.raises(TypeError, match="expected the point too"):
        td.linearize(np.sin)
    with pytest.raises(TypeError, match="expected a function, got ndarray"):
        td.linearize(x, x)


def test_a_linear_part_is_differentiable_by_what_lies_outside_and_by_its_tangent() -> None:
    def outer(w: Any) -> Any:
        return td.linearize(lambda x: (x**2 * w).sum(), 3.0)[1](1.0)  # 6 w

    close(grad(outer)(2.0), 6.0)
    along = td.linearize(lambda x: x**3, 2.0)[1]
    close(grad(lambda t: along(t) ** 2)(1.0), 2 * 12.0**2)
    close(td.linearize(lambda x: Tensor([3.0]), 2.0)[1](1.0), [0.0])
    close(td.linearize(lambda x: np.floor(x), 2.5)[1](1.0), 0.0)
    with no_grad():
        close(td.linearize(np.sin, 0.0)[1](2.0), 2.0)
    with debug():
        close(td.linearize(np.sin, 0.0)[1](2.0), 2.0)
