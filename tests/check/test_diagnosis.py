"""Diagnosis of wrong gradients: each mistake is recognised by its numbers, and nothing else is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import Tensor
from tinygrad_dnn.check.diagnosis import Diagnosis, Trial, compare, compare_trials
from tinygrad_dnn.check.diagnosis.slopes import sigma

RATE, LAMBDA = 0.0075, 0.7


def layer(n: int = 3, n_prev: int = 4, m: int = 5, seed: int = 2, g: str = "relu") -> Any:
    """One layer of the document's network and its right gradients; Z has an exact 0."""
    rng = np.random.default_rng(seed)
    q = SimpleNamespace(n=n, n_prev=n_prev, m=m, activation=g)
    q.A_prev, q.W, q.b = (rng.normal(size=s) for s in ((n_prev, m), (n, n_prev), (n, 1)))
    q.Z, q.dA = q.W @ q.A_prev + q.b, rng.normal(size=(n, m))
    q.Z[0, 0] = 0.0
    q.A = np.maximum(0, q.Z) if g == "relu" else sigma(q.Z)
    q.slope = (q.Z > 0) * 1.0 if g == "relu" else q.A * (1 - q.A)
    back(q, q.dA * q.slope)
    return q


def back(q: Any, dZ: Any) -> Any:
    """The document's linear_backward."""
    q.dZ = dZ
    q.dW, q.db = dZ @ q.A_prev.T / q.m, np.sum(dZ, axis=1, keepdims=True) / q.m
    q.dA_prev = q.W.T @ dZ
    return q


def context(q: Any) -> dict[str, Any]:
    names = ("m", "activation", "A_prev", "W", "b", "Z", "A", "dA", "dZ")
    return {k: getattr(q, k) for k in names} | {"learning_rate": RATE, "lambd": LAMBDA}


def asked(q: Any, name: str, yours: Any) -> Diagnosis:
    return compare(yours, getattr(q, name), context(q), name=name)


def through(q: Any, name: str, dZ: Any) -> Any:
    return getattr(back(SimpleNamespace(**vars(q)), dZ), name)


ANY = ("dW", "db", "dA_prev", "dZ")


@pytest.mark.parametrize("name", ANY)
@pytest.mark.parametrize(
    ("factor", "mistake", "words"),
    [
        (-1, "opposite sign", "has the opposite sign"),
        (2, "factor 2", "is exactly 2 times too large: is something counted twice?"),
        (0.5, "factor 1/2", "is exactly half of what is right"),
        (5, "factor m", "is exactly 5 = m times too large: was 1/m forgotten"),
        (1 / 5, "factor 1/m", "is exactly m = 5 times too small: was 1/m applied twice"),
        (-5, "factor m and opposite sign", "5 = m times too large and has the opposite sign"),
        (RATE, "factor learning_rate", "is exactly learning_rate = 0.0075 times what is right"),
        (5 / 4, "divided by m − 1", "divided by m − 1 = 4 where m = 5 belongs?"),
        (1.234, "constant factor", "is 1.234 times what is right"),
        (1 + 1e-4, "constant factor", "is 1.0001 times what is right"),
        (1 + 2e-12, "constant factor", "is 1 +2e-12 times what is right"),
        (-3.21, "constant factor and opposite sign", "is -3.21 times what is right"),
    ],
)
def test_a_factor(name: str, factor: float, mistake: str, words: str) -> None:
    q = layer()
    found = asked(q, name, factor * getattr(q, name))
    assert not found.right
    assert [e.name for e in found.explanations] == [mistake]
    assert words in str(found)


@pytest.mark.parametrize("name", ["dW", "dA_prev", "dZ"])
def test_transposed(name: str) -> None:
    q = layer()
    right = getattr(q, name)
    assert str(asked(q, name, right.T)) == f"{name} is transposed"
    assert str(asked(q, name, -right.T)) == f"{name} is transposed and has the opposite sign"
    found = asked(q, name, 5 * right.T)
    assert found.explanation is not None
    assert found.explanation.name == "transposed and factor m"


@pytest.mark.parametrize("name", ANY)
@pytest.mark.parametrize(
    ("g", "mistake", "slip"),
    [
        ("relu", "missing derivative", lambda q: q.dA),
        ("relu", "≥ for > at zero", lambda q: q.dA * (q.Z >= 0)),
        ("relu", "mask inverted", lambda q: q.dA * (q.Z < 0)),
        ("relu", "mask of dA", lambda q: q.dA * (q.dA > 0)),
        ("relu", "Z instead of 1[Z > 0]", lambda q: q.dA * q.Z),
        ("relu", "A instead of 1[Z > 0]", lambda q: q.dA * q.A),
        ("relu", "missing dA", lambda q: q.slope),
        ("relu", "derivative of sigmoid", lambda q: q.dA * sigma(q.Z) * (1 - sigma(q.Z))),
        ("sigmoid", "missing derivative", lambda q: q.dA),
        ("sigmoid", "doubled derivative", lambda q: q.dA * q.slope * q.slope),
        ("sigmoid", "Z instead of A", lambda q: q.dA * q.Z * (1 - q.Z)),
        ("sigmoid", "sigmoid twice", lambda q: q.dA * sigma(q.A) * (1 - sigma(q.A))),
        ("sigmoid", "sigmoid's derivative", lambda q: q.dA * q.A),
        ("sigmoid", "sigmoid's derivative", lambda q: q.dA * (1 - q.A)),
        ("sigmoid", "missing dA", lambda q: q.slope),
        ("sigmoid", "derivative of relu", lambda q: q.dA * (q.Z > 0)),
    ],
)
def test_the_activations_derivative(name: str, g: str, mistake: str, slip: Any) -> None:
    q = layer(g=g)
    for known in ({}, {"activation": None}):
        found = compare(through(q, name, slip(q)), getattr(q, name), context(q) | known, name=name)
        assert not found.right
        assert found.explanation is not None, str(found)
        assert found.explanation.name == mistake
    opposite = asked(q, name, -through(q, name, slip(q)))
    assert opposite.explanation is not None
    assert opposite.explanation.name == f"{mistake} and opposite sign"


@pytest.mark.parametrize("g", ["relu", "sigmoid"])
@pytest.mark.parametrize(
    ("mistake", "wrong"),
    [
        ("keepdims forgotten", lambda q: q.db[:, 0]),
        ("factor m and keepdims forgotten", lambda q: q.dZ.sum(axis=1)),
        ("not summed", lambda q: q.dZ / q.m),
        ("not summed and factor m", lambda q: q.dZ),
        ("summed over the wrong axis", lambda q: q.dZ.sum(axis=0, keepdims=True) / q.m),
        ("averaged over the wrong axis", lambda q: q.dZ.mean(axis=0, keepdims=True)),
        ("summed over the wrong axis", lambda q: np.full(q.db.shape, q.dZ.sum() / q.m)),
        ("factor 1/m", lambda q: q.dZ.mean(axis=1, keepdims=True) / q.m),
        ("factor m", lambda q: q.dZ.sum(axis=1, keepdims=True)),
    ],
)
def test_a_broadcast_gradient(g: str, mistake: str, wrong: Any) -> None:
    q = layer(g=g)
    found = asked(q, "db", wrong(q))
    assert found.explanation is not None, str(found)
    assert found.explanation.name == mistake


def test_summed_over_the_wrong_axis_of_a_square_matrix() -> None:
    q = layer(n=4, n_prev=4, m=4)
    found = asked(q, "db", q.dZ.sum(axis=0) / 4)
    assert str(found) == "db is summed over axis 0 where axis 1 is right"
    found = asked(q, "db", q.dZ.sum(axis=0)[:, None] / 4)
    assert str(found) == "db is summed over axis 0 where axis 1 is right"


def test_any_broadcast_gradient_with_what_it_was_before_summing() -> None:
    whole = np.random.default_rng(1).normal(size=(2, 3, 4))
    truth = whole.sum(axis=(0, 2), keepdims=True)[0]  # of a (3, 1) in a (2, 3, 4)
    for yours, mistake in [
        (whole, "not summed"),
        (whole.sum(axis=0), "summed over the wrong axis"),
        (whole.mean(axis=(0, 2), keepdims=True)[0], "averaged instead of summed"),
        (whole.sum(axis=(0, 2)), "keepdims forgotten"),
    ]:
        found = compare(yours, truth, {"unsummed": whole})
        assert found.explanation is not None, (mistake, str(found))
        assert found.explanation.name == mistake


@pytest.mark.parametrize("g", ["relu", "sigmoid"])
def test_the_wrong_matrix(g: str) -> None:
    q = layer(n=4, n_prev=4, g=g)
    found = asked(q, "dW", q.dZ @ q.A.T / q.m)
    assert str(found).startswith("dW has A where A_prev is right")
    found = asked(q, "dA_prev", q.W @ q.dZ)
    assert str(found).startswith("dA_prev has W where Wᵀ is right")
    found = asked(q, "dA_prev", -q.W @ q.dZ)
    assert found.explanation is not None
    assert found.explanation.name == "W not transposed and opposite sign"
    q = layer(n=4, n_prev=4, m=4, g=g)
    found = asked(q, "dW", q.dZ @ q.A_prev / q.m)
    assert str(found).startswith("dW has A_prev where A_prevᵀ is right")


def test_another_layers_formula() -> None:
    one, two = layer(n=4, n_prev=4, seed=1), layer(n=4, n_prev=4, seed=2)
    known = {"m": 5, "A0": one.A_prev, "A1": two.A_prev, "A2": two.A, "W1": one.W, "W2": two.W}
    known |= {"dZ1": one.dZ, "dZ2": two.dZ, "others": {"dW1": one.dW, "db1": one.db}}
    for name, truth, yours, words in [
        ("dW2", two.dW, one.dW, "dW2 is exactly dW1: is it a layer off by one?"),
        ("db2", two.db, one.db, "db2 is exactly db1: is it a layer off by one?"),
        ("dW2", two.dW, two.dZ @ one.A_prev.T / 5, "dW2 is the product of dZ2 and A0ᵀ"),
        ("dW1", one.dW, two.dZ @ one.A_prev.T / 5, "dW1 is the product of dZ2 and A0ᵀ"),
        ("db1", one.db, two.dZ.sum(1, keepdims=True) / 5, "db1 is summed from dZ2"),
        ("dW2", two.dW, two.dZ @ two.A.T / 5, "dW2 has A where A_prev is right"),
    ]:
        assert str(compare(yours, truth, known, name=name)).startswith(words)


def test_one_gradient_in_place_of_another() -> None:
    q = layer(n=4, n_prev=4, m=4)
    known = context(q) | {"others": {"dA_prev": q.dA_prev, "dW": q.dW}}
    found = compare(q.dA_prev, q.dW, known, name="dW")
    assert str(found).startswith("dW is exactly dA_prev: was it returned in place of another?")


@pytest.mark.parametrize("name", ["dW", "dZ"])
def test_only_one_of_two_uses(name: str) -> None:
    first, second = getattr(layer(seed=1), name), getattr(layer(seed=2), name)
    for parts in ([first, second], {"the square": first, "the sum": second}):
        for yours, words in [
            (first, "only the first of 2 contributions"),
            (second, "only the second of 2 contributions"),
            (2 * first + second, "twice"),
            (first - second, "with the wrong sign"),
        ]:
            assert words in str(compare(yours, first + second, {"parts": parts}, name=name))


@pytest.mark.parametrize(("name", "p"), [("dW", "W"), ("db", "b")])
def test_what_was_added(name: str, p: str) -> None:
    q = layer()
    right, parameter = getattr(q, name), getattr(q, p)
    found = asked(q, name, right + LAMBDA / q.m * parameter)
    assert found.explanation is not None
    assert found.explanation.name == "regularisation"
    assert str(found).startswith(f"{name} has lambd/m · {p} added: is that regularisation in the")
    found = asked(q, name, right + 0.123 * parameter)
    assert f"has 0.123 · {p} added" in str(found)
    found = asked(q, name, right - 0.3)
    assert str(found).startswith(f"{name} has the constant -0.3 added")


@pytest.mark.parametrize("name", ["dW", "dA_prev"])
def test_narrow_floats(name: str) -> None:
    q = layer()
    right = getattr(q, name)
    narrow = right.astype(np.float32)
    for yours in (narrow, narrow.astype(float)):
        found = asked(q, name, yours)
        assert not found.right
        assert found.explanation is not None
        assert found.explanation.name == "float32 rounding"
        assert str(found).startswith(f"{name} is right to the 7 digits of float32")
    inner = q.dZ.astype(np.float32) @ q.A_prev.T.astype(np.float32) / q.m
    found = asked(q, "dW", inner.astype(float))
    assert found.explanation is not None
    assert found.explanation.name == "float32 rounding"
    assert compare(narrow, right.astype(np.float32)).right
    assert compare(narrow, right, {"W": q.W.astype(np.float32)}).right
    few = right.copy()
    few[0, 0] = 1e-9
    wrong = few.copy()
    wrong[0, 0] = 2e-9  # far below float32's digits of the others, and a wrong element all the same
    found = asked(SimpleNamespace(**vars(q) | {name: few}), name, wrong)
    assert found.explanations == ()


@pytest.mark.parametrize("name", ANY)
def test_mistakes_in_narrow_floats(name: str) -> None:
    q = layer(m=7, n=4)
    right = getattr(q, name)
    for factor, mistake in ((-1, "opposite sign"), (7, "factor m"), (2, "factor 2")):
        found = asked(q, name, (factor * right).astype(np.float32))
        assert found.explanation is not None, str(found)
        assert found.explanation.name == mistake
        narrow = {k: np.float32(v) for k, v in context(q).items() if isinstance(v, np.ndarray)}
        narrow |= {"m": 7}
        found = compare((factor * right).astype(np.float32), right, narrow, name=name)
        assert found.explanation is not None, str(found)
        assert found.explanation.name == mistake


def test_what_is_not_given_is_derived() -> None:
    q = layer(n=4, n_prev=4)
    known = {k: v for k, v in context(q).items() if k not in ("dZ", "m")}
    words = str(compare(q.W @ q.dZ, q.dA_prev, known, name="dA_prev"))
    assert words.startswith("dA_prev has W where Wᵀ is right")
    words = str(compare(5 * q.dW, q.dW, known, name="dW"))
    assert words.startswith("dW is exactly 5 = m times too large")


def test_right_ones_are_right() -> None:
    rng = np.random.default_rng(3)
    for scale in (1e-300, 1e-8, 1.0, 1e8, 1e300):
        x = scale * rng.normal(size=(5, 7))
        assert compare(x, x).right
        assert compare(x * (1 + 1e-16), x).right
        assert not compare(2 * x, x).right
        assert not compare(x + 1e-6 * scale, x).right
    assert compare(Tensor(x), x).right
    assert compare(x.tolist(), x).right
    odd = np.array([np.nan, np.inf, -np.inf, 0.0])
    assert compare(odd, odd.copy()).right
    assert not compare(-odd, odd).right
    assert compare(np.zeros((0, 3)), np.zeros((0, 3))).right
    assert compare(3, np.array(3.0)).right
    assert str(compare(x, x, name="dW")) == "dW is right"


def test_cancellation_is_rounding_where_the_terms_sizes_are_known() -> None:
    truth, size = np.array([[1e-17], [1.0]]), np.array([[1.0], [1.0]])
    yours = np.array([[3e-17], [1.0]])
    assert compare(yours, truth, size=size).right
    tiny = np.array([[1e-17], [1e-17]])
    assert not compare(2 * tiny, tiny).right


def test_one_number_explains_nothing() -> None:
    for truth in (np.array(3.0), np.array([[3.0]])):
        found = compare(2 * truth, truth, {"m": 2}, name="cost")
        assert found.explanations == ()
        assert "so few numbers would fit other mistakes" in str(found)
    two = np.array([[3.0, 4.0]])
    found = compare(1.7 * two, two)
    assert found.explanations == ()  # two numbers, one of them spent on the factor


def test_several_points_tell_apart_what_one_cannot() -> None:
    trials = []
    for m in (2, 3, 4):
        q = layer(m=m, seed=m)
        trials.append(Trial(m * q.dW, q.dW, context(q), name="dW"))
    at_once = compare_trials(trials[:1])
    assert [e.name for e in at_once.explanations] == ["factor 2", "factor m"]
    assert "These numbers fit as well if it is exactly 2 = m times too large" in str(at_once)
    assert [e.name for e in compare_trials(trials).explanations] == ["factor m"]
    q = layer()
    with_right = [*trials, Trial(q.dW, q.dW, context(q))]
    assert compare_trials(with_right).explanations == ()
    one = layer(m=1)
    assert compare_trials([*trials, Trial(one.dW, one.dW, context(one))]).explanation is not None
    scalars = [Trial(-float(c), float(c), name="cost") for c in (1.5, 2.5, 3.25)]
    assert str(compare_trials(scalars)) == "cost has the opposite sign"


def test_where_it_is_wrong_when_nothing_says_why() -> None:
    q = layer()

    def changed(at: Any, value: Any) -> str:
        yours = q.dW.copy()
        yours[at] = value
        return str(asked(q, "dW", yours))

    assert "4 of 12 elements are wrong; all of row 1, the others are right" in changed(1, 7)
    assert "they are 0" in changed(1, 0)
    assert "all of column 2, the others are right" in changed((slice(None), 2), 7)
    assert "1 of 12 elements is wrong; it is NaN" in changed((0, 1), np.nan)
    assert "at [0, 1] it is 5, right is" in changed((0, 1), 5)
    assert "they have the opposite sign" in changed(2, -q.dW[2])
    assert "the right numbers stand there in another order" in changed(2, q.dW[2, ::-1])
    yours = np.where(q.Z < 0, 3.0, q.dZ)
    assert "exactly those where Z < 0" in str(asked(q, "dZ", yours))
    assert str(asked(q, "dW", np.ones((2, 2)))).startswith("dW has shape (2, 2) where (3, 4) is")
    square = np.random.default_rng(1).normal(size=(3, 3))
    assert "those on the diagonal" in str(compare(square + np.diag([1, 2, 4]), square))


@pytest.mark.parametrize(
    "yours",
    [
        None, "text", object(), [[1], [2, 3]], {}, [], np.array(["a"]), np.array([None, 1]),
        np.array([1 + 2j]), np.full((3, 4), np.nan), np.full((3, 4), np.inf), np.empty((0,)),
        np.zeros((3, 4), bool), np.ones((3, 4), int), np.ones((1, 3, 4, 1)), lambda: 0, b"x",
        np.full((3, 4), 1e308), np.ma.masked_array(np.ones((3, 4)), True), 10**400,
        np.datetime64("2020-01-01"), np.ones((3, 4), np.longdouble),
    ],
)  # fmt: skip
def test_nothing_makes_it_stumble(yours: Any) -> None:
    q = layer()
    found = asked(q, "dW", yours)
    assert not found.right
    assert str(found).startswith(("dW", "The worst"))
    assert found.to_dict()["words"]
    nothing = dict.fromkeys(context(q), yours)
    assert not compare(q.dW + 1, q.dW, nothing | {"parts": yours, "unsummed": yours}).right


def test_a_truth_that_is_none() -> None:
    with pytest.raises(TypeError, match="expected an array of numbers as truth, got NoneType"):
        compare(1.0, None)
    with pytest.raises(ValueError, match="at least one trial"):
        compare_trials([])


def test_large_arrays_are_quick_and_exact() -> None:
    rng = np.random.default_rng(5)
    truth = rng.normal(size=(500, 500))
    assert str(compare(500 * truth, truth, {"m": 500}, name="dW")).startswith(
        "dW is exactly 500 = m"
    )
    yours = truth.copy()
    yours[123, 45] *= 1 + 1e-6
    found = compare(yours, truth, {"m": 500, "W": rng.normal(size=(500, 500))})
    assert found.worst is not None
    assert found.worst.index == (123, 45)


def test_random_errors_are_not_explained() -> None:
    """A thousand wrong gradients without a reason: none is given one."""
    rng = np.random.default_rng(11)
    for i in range(1000):
        q = layer(*rng.integers(1, 5, size=3), seed=i, g=("relu", "sigmoid")[i % 2])
        name = ANY[i % 4]
        right = getattr(q, name)
        yours = right + rng.normal(size=right.shape)
        found = asked(q, name, yours)
        if right.size > 2:
            assert found.explanations == (), f"{i}: {found}"
