"""The estimators in use; scikit-learn's own checks: tests/reliability/estimators.py."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import viz
from tinygrad_dnn import check_gradients
from tinygrad_dnn.graph import trace
from tinygrad_dnn.network import cost_of
from tinygrad_dnn.sklearn import DenseClassifier, DenseRegressor, epochs

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
WORDS = np.array(["no", "perhaps", "yes"])
TWO = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")
THREE = WORDS[np.digitize(X[:, 0], [-0.5, 0.5])]
NUMBERS = X @ [1.0, -2.0, 0.5, 0.0] + 3
QUICK = {"max_iter": 60, "learning_rate_init": 0.02, "random_state": 0, "tol": 0.0}
# scikit-learn's checks that take a moment; all of them are run by the script.
CHECKS = {
    "check_do_not_raise_errors_in_init_or_set_param", "check_no_attributes_set_in_init",
    "check_estimator_tags_renamed", "check_valid_tag_types", "check_estimator_repr",
    "check_fit_score_takes_y", "check_estimators_fit_returns_self", "check_n_features_in",
    "check_requires_y_none", "check_classifiers_one_label", "check_complex_data",
    "check_estimators_empty_data_messages", "check_parameters_default_constructible",
    "check_estimators_partial_fit_n_features", "check_set_params", "check_get_params_invariance",
}  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def quick(kind: Any = DenseClassifier, **settings: Any) -> Any:
    return kind(**{"hidden_layer_sizes": (8,), **QUICK, **settings})


@pytest.mark.parametrize("kind", [DenseClassifier, DenseRegressor])
def test_s202_scikit_learns_quick_checks(kind: Any) -> None:
    """All of them are in tests/reliability/estimators.py."""
    done = set()
    for estimator, check in estimator_checks_generator(kind((4,), max_iter=2, random_state=0)):
        name = check.func.__name__
        if name in CHECKS:
            check(estimator)
            done.add(name)
    assert len(done) >= len(CHECKS) - 2  # some are for classifiers alone


@pytest.mark.parametrize("y", [TWO, THREE, TWO == "yes", np.digitize(X[:, 0], [-0.5, 0.5]) * 10])
def test_labels_of_any_kind_are_learned(y: Any) -> None:
    net = quick().fit(X, y)
    assert net.score(X, y) > 0.9
    assert net.classes_.tolist() == np.unique(y).tolist()
    P = net.predict_proba(X)
    assert P.shape == (60, len(net.classes_))
    np.testing.assert_allclose(P.sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(net.predict_log_proba(X)), P)
    assert net.parameters_["W1"].shape == (8, 4)
    assert [W.shape for W in net.coefs_] == [(4, 8), (8, P.shape[1] if P.shape[1] > 2 else 1)]
    assert net.n_iter_ == len(net.loss_curve_)
    assert net.loss_curve_[-1] == net.loss_


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber"])
def test_one_number_or_several_are_predicted(loss: str) -> None:
    net = quick(DenseRegressor, loss=loss, max_iter=100, learning_rate_init=0.1).fit(X, NUMBERS)
    assert net.predict(X).shape == (60,)
    assert net.score(X, NUMBERS) > 0.9
    both = np.stack([NUMBERS, -NUMBERS], axis=1)
    net.fit(X, both)
    assert net.predict(X).shape == (60, 2)
    assert net.score(X, both) > 0.9


def test_it_is_the_networks_cost_with_its_gradient() -> None:
    """A step of plain gradient descent, by hand."""
    net = quick(max_iter=1, solver="sgd", alpha=0.5).fit(X, THREE)
    before = quick(max_iter=1, solver="sgd", alpha=0.5, learning_rate_init=1e-300).fit(X, THREE)
    cost = before.cost_graph(X, THREE)
    labels = np.searchsorted(net.classes_, THREE).reshape(1, -1)
    wanted = cost_of(X.T, labels, before.parameters_, "softmax", l2=0.5)
    np.testing.assert_allclose(cost.item(), wanted.item(), rtol=1e-14)
    np.testing.assert_allclose(net.loss_, cost.item(), rtol=1e-12)
    leaves = {x.name: x for x in trace([cost.node]).leaves}
    cost.backward()
    for name, p in before.parameters_.items():
        np.testing.assert_allclose(net.parameters_[name], p - 0.02 * leaves[name].grad, rtol=1e-10)


def test_s203_weights_count_as_repetitions() -> None:
    times = RNG.integers(0, 3, size=60)
    weighed = quick(alpha=0.1).fit(X, THREE, sample_weight=times)
    repeated = quick(alpha=0.1).fit(np.repeat(X, times, axis=0), np.repeat(THREE, times))
    np.testing.assert_allclose(weighed.predict_proba(X), repeated.predict_proba(X), rtol=1e-6)
    np.testing.assert_allclose(weighed.loss_curve_, repeated.loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("settings", [{}, {"batch_size": 16}, {"dropout": 0.3, "batch_size": 25}])
def test_s204_a_seed_gives_the_same_bits_and_a_pickle_goes_on(settings: Any) -> None:
    net = quick(max_iter=5, **settings).fit(X, THREE)
    again = clone(net).fit(X, THREE)
    copied = pickle.loads(pickle.dumps(net))
    for a in (net, again, copied):
        a.partial_fit(X, THREE)
    for other in (again, copied):
        assert net.loss_curve_ == other.loss_curve_
        for name, p in net.parameters_.items():
            np.testing.assert_array_equal(p, other.parameters_[name])


def test_partial_fit_learns_from_parts_and_names_the_classes_first() -> None:
    net = quick()
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        net.partial_fit(X[:20], THREE[:20])
    for _ in range(30):
        for i in range(0, 60, 20):
            net.partial_fit(X[i : i + 20], THREE[i : i + 20], classes=WORDS)
    assert net.score(X, THREE) > 0.9
    with pytest.raises(ValueError, match="not the same as on last call"):
        net.partial_fit(X, THREE, classes=["no", "yes"])
    with pytest.raises(ValueError, match=r"among classes_ .* got \['never'\]"):
        net.partial_fit(X[:1], ["never"])
    with pytest.raises(ValueError, match="early_stopping=False"):
        quick(early_stopping=True).partial_fit(X, THREE, classes=WORDS)


def test_warm_start_goes_on_and_refuses_other_layers() -> None:
    net = quick(max_iter=10, warm_start=True).fit(X, THREE)
    first = net.loss_
    assert net.fit(X, THREE).loss_curve_[0] < first + 0.01
    with pytest.raises(ValueError, match=r"expected layers \(8, 3\).*got \(9, 3\).*clone"):
        net.set_params(hidden_layer_sizes=(9,)).fit(X, THREE)


def test_early_stopping_keeps_the_best_on_held_out_examples() -> None:
    net = quick(early_stopping=True, validation_fraction=0.3, n_iter_no_change=5, max_iter=300)
    net.fit(X, THREE)
    assert net.n_iter_ < 300
    assert net.best_validation_score_ == max(net.validation_scores_)
    assert len(net.validation_scores_) == net.n_iter_
    one = quick(DenseRegressor, early_stopping=True, learning_rate_init=0.1).fit(X, NUMBERS)
    assert one.best_validation_score_ > 0.7


def test_it_stops_where_nothing_is_gained_and_says_where_it_does_not() -> None:
    settled = quick(tol=10.0, n_iter_no_change=3).fit(X, THREE)
    assert settled.n_iter_ == 5
    with pytest.warns(ConvergenceWarning, match=r"DenseClassifier: 2 epochs .* converged"):
        quick(max_iter=2, n_iter_no_change=1).fit(X, THREE)


def test_an_interrupted_fit_keeps_what_was_learned(monkeypatch: Any) -> None:
    steps = epochs.training_step

    def interrupted(*args: Any) -> Any:
        if net.__dict__.get("n_iter_") == 3:
            raise KeyboardInterrupt
        return steps(*args)

    net = quick()
    monkeypatch.setattr(epochs, "training_step", interrupted)
    with pytest.warns(UserWarning, match="interrupted by user"):
        net.fit(X, THREE)
    assert net.n_iter_ == 3
    assert net.predict(X).shape == (60,)


def test_pipeline_grid_search_cross_validation_and_frames() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    pipe = make_pipeline(StandardScaler(), quick(max_iter=20)).set_output(transform="pandas")
    pipe.fit(frame, THREE)
    assert pipe[-1].feature_names_in_.tolist() == list("abcd")
    grid = GridSearchCV(pipe, {"denseclassifier__alpha": [0.0, 0.1]}, cv=2).fit(frame, THREE)
    assert grid.best_score_ > 0.7
    assert cross_val_score(quick(DenseRegressor), X, NUMBERS, cv=2).mean() > 0.7


def test_float32_stays_float32() -> None:
    net = quick(max_iter=3).fit(X.astype(np.float32), THREE)
    assert {p.dtype for p in net.parameters_.values()} == {np.dtype(np.float32)}
    assert net.predict_proba(X.astype(np.float32)).dtype == np.float32


def test_the_fitted_estimator_gives_its_graph() -> None:
    net = quick(alpha=0.1).fit(X, THREE)
    cost = net.cost_graph(X[:5], THREE[:5])
    assert {x.name for x in trace([cost.node]).leaves} == {"X", "Y", "W1", "b1", "W2", "b2"}
    assert "layer 2" in viz.draw(cost).source
    assert check_gradients(cost).ok
    source = net.step_source(X, THREE)
    assert "np.matmul(W1, X" in source
    assert "# update" in source
    compile(source, "step", "exec")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation": "logistic"}, "activation: expected one of relu, .*got 'logistic'"),
        ({"solver": "lbfgs"}, "solver: expected one of sgd, .*got 'lbfgs'"),
        ({"batch_size": 0}, "batch_size: expected a whole number from 1 on, got 0"),
        ({"max_iter": True}, "max_iter: expected a whole number from 1 on, got True"),
        ({"alpha": -1}, "alpha: expected a number of 0 or above, got -1"),
        ({"dropout": 1.0}, "dropout: expected a number of 0 or above, below 1, got 1.0"),
        ({"learning_rate_init": 0.0}, "learning rate: expected a finite number above 0"),
        ({"hidden_layer_sizes": (8, 0)}, "layers: expected positive integers, got 0"),
        ({"init": "xavier"}, "init: expected one of"),
        ({"early_stopping": True, "validation_fraction": 1.5}, "validation_fraction: expected"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quick(**settings).fit(X, THREE)


def test_data_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(ValueError, match=r"two classes or more, got one class only, \['yes'\]"):
        quick().fit(X, np.full(60, "yes"))
    with pytest.raises(ValueError, match="at least one non-zero"):
        quick().fit(X, THREE, sample_weight=np.zeros(60))
    with pytest.raises(ValueError, match="loss: expected one of squared, absolute, huber"):
        quick(DenseRegressor, loss="logistic").fit(X, NUMBERS)
    with pytest.raises(ValueError, match=r"expected 1 targets .* got 2"):
        quick(DenseRegressor).fit(X, NUMBERS).partial_fit(X, np.ones((60, 2)))
    with pytest.warns(UserWarning, match="batch_size: 61 is above .*60"):
        quick(max_iter=1, batch_size=61, n_iter_no_change=1).fit(X, THREE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match=r"became NaN or infinite.*learning_rate_init below"):
            quick(DenseRegressor, solver="sgd", learning_rate_init=1e9).fit(X, NUMBERS)


def test_the_engine_does_without_scikit_learn() -> None:
    words = "import sys, tinygrad_dnn as t, viz; t.compile; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", words], check=True)
