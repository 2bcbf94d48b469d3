"""A derivation computed from what it prints: every line read back, against the engine's gradients.

Values of leaves and the printed text are all that goes in; a gradient that a line reads is the one
that was computed from the line before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from derivations import handle, net
from printed import evaluated
from test_viz_derive_any import applied

import tinygrad_dnn as tg
import viz
from tinygrad_dnn import REGISTRY, Tensor
from tinygrad_dnn.check.op_check import cases_of
from tinygrad_dnn.formula import settings
from viz.derivation.derivation import Derivation

LINE = re.compile(r" *(\S+) = (.*?) +(\([\d, ]*\)|a number) +from ")


def read_back(derived: Derivation, values: dict[str, Any]) -> dict[str, Any]:
    """The gradients by name, from the text that is printed."""
    remark, _, *rows = str(derived).splitlines()
    known = {k: np.asarray(v) for k, v in {**values, **derived.arrays}.items()}
    for letter, number in re.findall(r"\b(\w+) = (\d+)\b", remark):
        known[letter] = np.float64(number)
    found = {}
    for row in rows:
        if line := LINE.match(row):
            shape = () if line[3] == "a number" else eval(line[3])
            value = evaluated(line[2], known, shape)
            if np.size(value) < np.prod(shape):  # what is the same along an axis is written once
                value = np.broadcast_to(value, shape)
            if np.size(value) == 1:  # a number has no axes on paper
                value = np.reshape(value, shape)
            found[line[1]] = known[line[1]] = value
    return found


def by_id(cost: Tensor) -> dict[str, Tensor]:
    """The results by their short ids."""
    graph = enumerate(tg.graph.trace([cost.node]), 1)
    return {f"h{k}": handle(node) for k, node in graph if node.op}


def compared(
    derived: Derivation, cost: Tensor, named: dict[str, Tensor], rtol: float = 1e-5
) -> None:
    named = by_id(cost) | named
    found = read_back(derived, {k: t.data for k, t in named.items()})
    assert list(found) == [line.name for line in derived.lines]
    m = derived.divisor.value if derived.divisor else 1
    for line in derived.lines:
        of = named[re.sub("^[dδ]", "", line.name)]
        wanted = tg.gradients(cost, of) * (m if line.times_m else 1)
        got = found[line.name]
        assert np.shape(got) == line.shape or np.broadcast_shapes(np.shape(got)) == line.shape
        np.testing.assert_allclose(got, wanted, rtol, 1e-7, err_msg=f"{line.name}: {line.text}")


rng = np.random.default_rng(0)
START = rng.bit_generator.state


@pytest.fixture(autouse=True)
def from_the_start() -> None:
    """The same numbers whichever tests ran before."""
    rng.bit_generator.state = START


ROW = "range(5), [2, 0, 1, 2, 2]"


def parameter(name: str, *shape: int) -> Tensor:
    return Tensor(rng.uniform(0.2, 1.5, shape) * np.sign(rng.normal(size=shape)), True, name=name)


def softmax_cross_entropy() -> tuple[Tensor, dict[str, Any]]:
    X = Tensor(rng.normal(size=(4, 4)), name="X")
    Y = Tensor(rng.dirichlet(np.ones(4), 4) * 3, name="Y")  # whose rows do not sum to 1
    W, b = parameter("W", 4, 4), parameter("b", 4)
    Z = X @ W + b
    P = tg.softmax(Z, axis=1)
    return -(Y * np.log(P)).sum() / 4, locals()


def softmax_over_rows() -> tuple[Tensor, dict[str, Any]]:
    X, Y = Tensor(rng.normal(size=(3, 5)), name="X"), Tensor(np.eye(5)[:4], name="Y")
    W, b = parameter("W", 4, 3), parameter("b", 4, 1)
    Z = W @ X + b
    return -(Y * tg.log_softmax(Z, axis=0)).sum() / 5, locals()


def layer_norm() -> tuple[Tensor, dict[str, Any]]:
    X, gamma, beta = parameter("X", 4, 4), parameter("gamma", 4), parameter("beta", 4)
    mu = X.mean(axis=1, keepdims=True)
    v = ((X - mu) ** 2).mean(axis=1, keepdims=True)
    H = (X - mu) / np.sqrt(v + 1e-5)
    return ((H * gamma + beta) ** 3).sum(), locals()


def batch_norm() -> tuple[Tensor, dict[str, Any]]:
    X, gamma = parameter("X", 3, 6), parameter("gamma", 3, 1)
    H = (X - X.mean(axis=1, keepdims=True)) / (tg.std(X, axis=1, keepdims=True) + 0.25)
    A = np.tanh(H * gamma)
    return (A * A).sum() / 6, locals()


def statistics() -> tuple[Tensor, dict[str, Any]]:
    X = parameter("X", 4, 4)
    v, s = X.var(axis=0), tg.std(X, axis=1, ddof=1)
    return (v * s * X.sum(axis=1) / X.max(axis=0)).sum(), locals()


def attention() -> tuple[Tensor, dict[str, Any]]:
    X = Tensor(rng.normal(size=(3, 3)), name="X")
    WQ, WK, WV = (parameter(n, 3, 3) for n in ("WQ", "WK", "WV"))
    S = (X @ WQ) @ (X @ WK).T / np.sqrt(3)
    A = tg.softmax(S)
    O = A @ (X @ WV)
    return (O * O).sum(), locals()


def heads() -> tuple[Tensor, dict[str, Any]]:
    X, Q = Tensor(rng.normal(size=(2, 5, 4)), name="X"), parameter("Q", 4, 6)
    H = np.transpose(np.reshape(X @ Q, (2, 5, 2, 3)), (0, 2, 1, 3))
    A = tg.softmax(H @ np.swapaxes(H, -1, -2))
    return (A @ H).sum(axis=-1).max(axis=(1, 2)).sum(), locals()


def picked() -> tuple[Tensor, dict[str, Any]]:
    X, k = parameter("X", 4, 5), np.array([3, 0, 3])
    Y = X[:, 1:4] * X[k][:1, :3]
    Z = np.concatenate([Y, np.roll(X, 1, axis=1)], axis=1)
    V = np.pad(Z, ((0, 1), (0, 0)))
    W = np.repeat(V, 2, axis=0).T
    pairs = np.stack([X, -X], axis=1) * X[0]
    return ((W + 9) ** -2).sum(axis=1)[1:3].sum() + X[1].sum() ** 3 + pairs.sum(), locals()


def second() -> tuple[Tensor, dict[str, Any]]:
    """A Hessian-vector product."""
    W, X = parameter("W", 3, 3), Tensor(rng.normal(size=(3, 3)), name="X")
    D = Tensor(rng.normal(size=(3, 3)), name="D")
    P = tg.softmax(W @ X, axis=0)
    slope = tg.gradients((P * P).sum() / 3, W, create_graph=True)
    return (slope * D).sum(), {"W": W, "X": X, "D": D, "P": P, "dW": slope}


NETS: list[Callable[[], tuple[Tensor, dict[str, Any]]]] = [
    softmax_cross_entropy, softmax_over_rows, layer_norm, batch_norm, statistics, attention, heads,
    picked, second,
]  # fmt: skip


def tensors(names: dict[str, Any]) -> dict[str, Tensor]:
    return {k: v for k, v in names.items() if isinstance(v, Tensor)}


def of_graph(cost: Tensor) -> dict[str, Tensor]:
    return {n.name: handle(n) for n in tg.graph.trace([cost.node]) if n.name}


@pytest.mark.parametrize("make", NETS)
@pytest.mark.parametrize("convention", ["document", "plain"])
@pytest.mark.parametrize("simplify", [True, False])
def test_the_printed_lines_give_the_gradients(make: Any, convention: str, simplify: bool) -> None:
    cost, names = make()
    held = tensors(names)
    compared(viz.derive(cost, names=held, convention=convention, simplify=simplify), cost, held)


@pytest.mark.parametrize("make", NETS)
def test_the_printed_forward_pass_gives_the_results(make: Any) -> None:
    cost, names = make()
    held = tensors(names) | {"cost": cost}
    derived = viz.derive(cost, names=held, convention="plain")
    values = {k: t.data for k, t in (by_id(cost) | held).items()}
    told = {k: v for k, v in derived.forward if k in values}
    assert "cost" in told
    if derived.divisor:
        values[derived.divisor.name] = derived.divisor.value
    for called, text in told.items():
        np.testing.assert_allclose(evaluated(text.plain, values), values[called], rtol=1e-5)


# --- as others write it: the line that a textbook has, nothing of how it is computed --------------

LABELS = np.array([0, 2, 1, 1])
AT = "→ (4, 3)[range(4), [0, 2, 1, 1]]"


def a_sigmoid() -> tuple[Tensor, dict[str, Any]]:
    Z = parameter("Z", 3, 4)
    A = 1 / (1 + np.exp(-Z))
    return np.sum(A**3), {"A": A}


def log_of_a_complement() -> tuple[Tensor, dict[str, Any]]:
    return -np.sum(np.log(1 - 1 / (1 + np.exp(-parameter("z", 4))))), {}


def log_shares_in_an_index() -> tuple[Tensor, dict[str, Any]]:
    return -np.sum(parameter("L", 4, 3)[np.arange(4), LABELS]) / 4, {}


def quotients_in_an_index() -> tuple[Tensor, dict[str, Any]]:
    x = Tensor(rng.uniform(0.2, 1, (4, 3)), requires_grad=True, name="x")
    P = x * 1.0
    return -np.sum(np.log(P[np.arange(4), LABELS])) / 4, {"P": P}


def soft_plus() -> tuple[Tensor, dict[str, Any]]:
    return np.sum(np.logaddexp(0, parameter("z", 4))), {}


def named_logsumexp() -> tuple[Tensor, dict[str, Any]]:
    L = tg.logsumexp(parameter("S", 4, 3), axis=0)
    return np.sum(L * L), {"L": L}


def dots() -> tuple[Tensor, dict[str, Any]]:
    u, v, w = (parameter(k, 3) for k in "uvw")
    return np.dot(u, v) + 0.5 * (w @ w), {}


def one_weight() -> tuple[Tensor, dict[str, Any]]:
    X, w = Tensor(rng.normal(size=(20, 1)), name="X"), parameter("w", 1, 1)
    return ((X @ w - 3) ** 2).mean(), {}


def penalty() -> tuple[Tensor, dict[str, Any]]:
    """0.1 is no 1/10, though q has 10 elements, nor 0.2 a fifth of W's."""
    X, W, q = Tensor(rng.normal(size=(7, 5)), name="X"), parameter("W", 5, 2), parameter("q", 10)
    return 0.1 * (q**2).sum() + 0.2 * (W**2).sum() + ((X @ W) ** 2).sum() / 3, {}


def counted_numbers() -> tuple[Tensor, dict[str, Any]]:
    return np.sum(np.log(Tensor(0.7, True, name="s")) + np.ones((7, 5))) / 7, {}


def norms() -> tuple[Tensor, dict[str, Any]]:
    """A call is one function, and its root of 0 no matter of choice."""
    U, V = parameter("U", 4, 2), parameter("V", 3, 2)
    return np.linalg.norm(U) ** 2 + 3 * np.linalg.norm(V), {}


WRITTEN: dict[Callable[[], tuple[Tensor, dict[str, Any]]], dict[str, str]] = {
    a_sigmoid: {"dA": "3 · A²", "dZ": "dA ⊙ A ⊙ (1 − A)"},
    log_of_a_complement: {"dz": "σ(z)"},
    log_shares_in_an_index: {"dL": f"scatter(−(1/m) {AT})"},
    quotients_in_an_index: {
        "dP": f"scatter(−1 / P[range(4), [0, 2, 1, 1]] {AT})",
        "dx": "1/m · dP",
    },
    soft_plus: {"dz": "σ(z)"},
    named_logsumexp: {"dL": "2 · L", "dS": "dL[None, :] ⊙ exp(S − L[None, :])"},
    dots: {"du": "v", "dv": "u", "dw": "w"},
    norms: {"dU": "2 · U", "dV": "3 / √(Σ V²) · V"},
    one_weight: {"dw": "2/m · Xᵀ (X w − 3)"},
    penalty: {"dq": "0.2 · q", "dW": "2/3 · Xᵀ X W + 0.4 · W"},
    counted_numbers: {"ds": "35 / (m · s)"},
}


@pytest.mark.parametrize("make", WRITTEN)
def test_what_others_write_has_the_lines_of_a_textbook(make: Any) -> None:
    cost, names = make()
    derived = viz.derive(cost, names=names)
    assert {line.name: line.text.plain for line in derived.lines} == WRITTEN[make]
    compared(derived, cost, of_graph(cost) | names)


def gradient_penalty() -> Tensor:
    X, W, v = Tensor(rng.normal(size=(3, 5)), name="X"), parameter("W", 2, 3), parameter("v", 1, 2)
    cost = ((v @ np.tanh(W @ X)) ** 2).mean()
    return cost + 0.1 * (tg.gradients(cost, W, create_graph=True) ** 2).sum()


def stacked_heads() -> Tensor:
    x = Tensor(rng.normal(size=(2, 5, 4)), name="x")
    Q, K, V = (x @ parameter(f"W{n}", 4, 4) for n in "QKV")
    Q.name, K.name, V.name = "QKV"
    S = Q @ K.transpose(0, 2, 1) / 2.0
    P = tg.softmax(S, axis=-1)
    S.name, P.name = "SP"
    return ((P @ V) ** 2).sum()


def of_a_length() -> Tensor:
    v = parameter("v", 6)
    r = np.sqrt((v**2).sum())
    return r**3 + (v / r * Tensor(rng.normal(size=6), name="c")).sum()


def repeated_and_tiled() -> Tensor:
    a = parameter("a", 2, 3)
    h, t = np.repeat(a[:1], 3, axis=0), np.tile(a, (2, 1))
    h.name, t.name = "ht"
    return (h**3).sum() + (t**3).sum() + (np.repeat(a, 2, axis=1) ** 3).sum()


def shifted_softmax() -> Tensor:
    Z, Y = parameter("Z", 4, 3), Tensor(np.eye(3)[[0, 2, 1, 1]] * 2, name="Y")
    S = Z - Z.max(axis=1, keepdims=True)
    P = np.exp(S) / np.exp(S).sum(axis=1, keepdims=True)
    P.name = "P"
    return -(Y * np.log(P)).sum()


def shifted_log_softmax() -> Tensor:
    Z, Y = parameter("Z", 4, 3), Tensor(np.eye(3)[[0, 2, 1, 1]] * 2, name="Y")
    S = Z - Z.max(axis=1, keepdims=True)
    return -(Y * (S - np.log(np.exp(S).sum(axis=1, keepdims=True)))).sum()


def shifted_log_sum() -> Tensor:
    Z = parameter("Z", 4, 3)
    top = Z.max(axis=1, keepdims=True)
    return ((np.log(np.exp(Z - top).sum(axis=1, keepdims=True)) + top) ** 2).sum()


def maxima_that_count() -> Tensor:
    Z = parameter("Z", 4, 3)
    top, e = Z.max(axis=1, keepdims=True), np.exp(Z - Z.max(axis=1, keepdims=True))
    return (top * e / e.sum(axis=1, keepdims=True)).sum() + (np.exp(Z - top) ** 2).sum()


PAPER = {
    shifted_softmax: {"dZ": "(Σⱼ Y) ⊙ P − Y"},
    shifted_log_softmax: {
        "dZ": "(Σⱼ Y) ⊙ exp(Z − maxⱼ(Z)) / (Σⱼ exp(Z − maxⱼ(Z))) − Y",
    },
    shifted_log_sum: {"dZ": None},
    maxima_that_count: {"dZ": None},
    gradient_penalty: {"dv": None},
    stacked_heads: {"dQ": "0.5 · dS K", "dK": "0.5 · dSᵀ Q", "dWQ": "Σ xᵀ dQ"},
    of_a_length: {"dv": "1 / √(Σ v²) · c + (3 · Σ v² − (Σ v ⊙ c) / (Σ v²)) / √(Σ v²) · v"},
    repeated_and_tiled: {"da": None},
}


@pytest.mark.parametrize("make", PAPER)
def test_lines_are_as_in_a_paper(make: Callable[[], Tensor]) -> None:
    cost = make()
    derived = viz.derive(cost, convention="plain")
    said = {line.name: line.text.plain for line in derived.lines}
    for name, line in PAPER[make].items():
        assert line is None or said[name] == line
    assert "swapaxes" not in str(derived)
    assert ("1[" in str(derived)) == (make is maxima_that_count)
    compared(derived, cost, of_graph(cost))


def picked(L: Tensor, y: Any) -> Tensor:
    return -L[np.arange(5), y].mean()


def test_positions_have_the_names_of_variables() -> None:
    L, y = parameter("L", 5, 3), np.array([2, 0, 1, 2, 2])
    Y, mask = Tensor(y, name="Y"), np.array([True, False, True, True, False])
    rows = np.array([0, 0, 3])
    for cost, names, line in (
        (picked(L, y), {"y": y}, "scatter(−1/m → (5, 3)[range(5), y])"),
        (picked(L, y.copy()), {"y": y}, "scatter(−1/m → (5, 3)[range(5), y])"),
        (picked(L, Y), {"Y": Y}, "scatter(−1/m → (5, 3)[range(5), Y])"),
        (picked(L, y), {"y": y, "z": y[:]}, "scatter(−1/m → (5, 3)[range(5), [2, 0, 1, 2, 2]])"),
        ((L[mask] ** 2).sum(), {"mask": mask}, "2 · scatter(L[mask] → (5, 3)[mask])"),
        ((L[range(5), y] ** 2).sum(), {}, f"2 · scatter(L[{ROW}] → (5, 3)[{ROW}])"),
        (
            (np.take(L, rows, axis=0) ** 2).sum(), {"rows": rows},
            "scatter(2 · take(L, rows, axis=0) → (5, 3), rows, axis=0)",
        ),
    ):  # fmt: skip
        derived = viz.derive(cost, names=names, convention="plain")
        assert [x.text.plain for x in derived.lines if x.name == "dL"] == [line]
        compared(derived, cost, of_graph(cost) | names)


@pytest.mark.parametrize("cost_of", ["document", "stable"])
def test_the_documents_network(cost_of: str) -> None:
    cost, *_ = net(3, cost_of)
    compared(viz.derive(cost), cost, of_graph(cost), rtol=1e-9)


# Lines with what a formula names and does not define: sparse matrices that nobody named are printed
# by their shape alone, factors of a matrix as one array of parts.
UNDEFINED = ("…](", "S(", "eigh(", "qr(", "svd(")
WITH_UNDEFINED = (
    "cholesky_lower", "cumprod", "eigenvalues", "eigh_parts", "prod", "qr_parts", "recurrence",
    "setitem", "sign", "singular_values", "sparse_matmul", "svd_parts", "triangular",
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(n for n, o in REGISTRY.items() if o.differentiable))
def test_the_lines_of_every_op(name: str) -> None:
    declared = REGISTRY[name]
    for case in cases_of(declared):
        z = applied(declared, case)
        if not z.requires_grad:
            continue
        cost = (z * Tensor(np.cos(np.arange(z.size)).reshape(z.shape), name="g")).sum()
        derived = viz.derive(cost, convention="plain")
        if any(re.search(rf"(?<![A-Za-z]){re.escape(word)}", str(derived)) for word in UNDEFINED):
            assert name in WITH_UNDEFINED
            continue
        compared(derived, cost, of_graph(cost))


def test_a_line_that_does_not_say_its_axis_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    cost, names = softmax_cross_entropy()
    monkeypatch.setattr(settings, "over", lambda *_: "")
    derived = viz.derive(cost, names=tensors(names))
    assert "(Σ Y) ⊙ P − Y" in str(derived)
    with pytest.raises(AssertionError, match="dZ"):
        compared(derived, cost, tensors(names))


def test_a_reader_takes_the_shape_beside_a_line_for_nothing_within_it() -> None:
    x = np.arange(6.0).reshape(2, 3)
    names = {"x": x, "n": np.float64(4.0), "y": np.ones((2, 1))}
    down = x.sum(axis=1, keepdims=True)
    for text in ("Σ x", "(Σ x)", "Σⱼ x"):
        np.testing.assert_allclose(evaluated(text, names, (2, 1)), down)
    for text in ("−Σ x / n", "(−Σ x) / n", "−(Σ x) / n", "−1/n · Σ x", "1/n · (−Σ x)"):
        np.testing.assert_allclose(evaluated(text, names, (2, 1)), -down / 4, err_msg=text)
    for text in ("mean(x)", "mean(x) / 1", "1 · mean(x)"):
        np.testing.assert_allclose(evaluated(text, names, (2, 1)), down / 3)
    for text in ("(Σ x) ⊙ y", "y ⊙ (Σ x)", "Σ x + 0 · y", "mean(x) ⊙ y ⊙ 6", "6 · mean(x) ⊙ y"):
        np.testing.assert_allclose(evaluated(text, names, (2, 1)) - 15 + 0 * down, 0, err_msg=text)
    assert evaluated("Σ x", names) == 15
