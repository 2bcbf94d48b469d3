"""The training loop: equal to the hand-written, resumable bit for bit, honest when it breaks."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from tinygrad_dnn import metrics, textbook, threads
from tinygrad_dnn.data import open_dataset
from tinygrad_dnn.network import initialize_parameters
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.train import (
    DivergedError,
    Settings,
    State,
    accuracy,
    begin,
    check_examples,
    predict,
    predicted_labels,
    train,
)

DIMS = (6, 5, 3, 1)


@pytest.fixture
def problem() -> tuple[Any, Any]:
    """X (6, 40) and labels that a network can learn."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(6, 40))
    return X, (X[:1] * X[1:2] > 0).astype(int)


def all_costs(X: Any, Y: Any, settings: Settings, iterations: int) -> list[float]:
    """The cost of every iteration, not of every hundredth."""
    costs: list[float] = []
    train(X, Y, settings, iterations, after=lambda state, cost: costs.append(cost))
    return costs


def hand_written_costs(
    monkeypatch: pytest.MonkeyPatch, X: Any, Y: Any, dims: Any, rate: float, iterations: int
) -> tuple[list[float], dict[str, Any]]:
    """The cost of every iteration of `L_layer_model`, and the parameters it ends with."""
    costs = []
    compute = textbook.compute_cost

    def noted(AL: Any, Y: Any) -> Any:
        costs.append(float(compute(AL, Y)))
        return compute(AL, Y)

    monkeypatch.setattr(textbook, "compute_cost", noted)
    parameters = textbook.L_layer_model(X, Y, dims, rate, iterations)
    return costs, parameters


def assert_same_bits(ours: Any, theirs: Any) -> None:
    assert ours.keys() == theirs.keys()
    for name, p in ours.items():
        assert p.dtype == theirs[name].dtype
        assert p.shape == theirs[name].shape
        assert p.tobytes() == theirs[name].tobytes(), name


# --- equal to the hand-written --------------------------------------------------------------------


@pytest.mark.parametrize("cost", ["document", "stable"])
@pytest.mark.parametrize("dims", [DIMS, (6, 1), (6, 4, 4, 4, 4, 1)])
def test_costs_and_parameters_equal_the_hand_written(
    cost: str, dims: tuple[int, ...], problem: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, Y = problem
    expected, parameters = hand_written_costs(monkeypatch, X, Y, dims, 0.1, 301)
    settings = Settings(dims, learning_rate=0.1, cost=cost)
    np.testing.assert_allclose(all_costs(X, Y, settings, 301), expected, rtol=0, atol=1e-10)
    state = train(X, Y, settings, 301)
    assert state.iteration == 301
    assert [i for i, _ in state.costs] == [0, 100, 200, 300]
    np.testing.assert_allclose([c for _, c in state.costs], expected[::100], rtol=0, atol=1e-10)
    for name, p in parameters.items():
        np.testing.assert_allclose(state.parameters[name], p, rtol=0, atol=1e-9)


@pytest.mark.cats
def test_costs_equal_the_hand_written_on_the_cats(
    cats: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Near iteration 300 the training is at the edge of stability: rounding is amplified there."""
    x, Y, *_ = textbook.load_data(folder=cats)
    X = x.reshape(x.shape[0], -1).T / 255
    expected, _ = hand_written_costs(monkeypatch, X, Y, (12288, 20, 7, 5, 1), 0.0075, 301)
    costs = all_costs(X, Y, Settings((12288, 20, 7, 5, 1)), 301)
    np.testing.assert_allclose(costs, expected, rtol=0, atol=1e-10)
    assert [f"{costs[i]:.6f}" for i in (0, 100, 200)] == ["0.771749", "0.672053", "0.648263"]


@pytest.mark.cats
def test_the_loop_of_fewer_operations_is_the_documents_iteration(cats: Path) -> None:
    """Against the same iterations op by op; the training is at the edge of stability here."""
    with open_dataset(cats / "train_catvnoncat.h5") as file:
        X, Y = file.columns(), file.labels(np.float64)
    said: list[str] = []
    costs: list[list[float]] = []
    for compiled in (True, False):
        settings = Settings((12288, 20, 7, 5, 1), compiled=compiled)
        costs.append([])
        train(X, Y, settings, 60, after=lambda _, c: costs[-1].append(c), note=said.append)
    assert said[-1].startswith("strength reduction: W1 (20, 12288) meets only constants")
    np.testing.assert_allclose(*costs, rtol=3e-15, atol=0)


# --- resumable ------------------------------------------------------------------------------------


def through_a_file(state: State, path: Path) -> State:
    """What a run that stopped here finds when it goes on."""
    dims = (
        state.parameters["W1"].shape[1],
        *(p.shape[0] for k, p in state.parameters.items() if k[0] == "W"),
    )
    run_file.save(
        path,
        run_file.Checkpoint(
            parameters=dict(state.parameters),
            layer_dims=dims,
            iteration=state.iteration,
            costs=state.costs,
            settings={},
            data_fingerprint="0" * 64,
            class_names=(),
            x_shape=dims[:1],
            x_scale=1.0,
            loop_state=dict(state.accumulators),
        ),
    )
    loaded = run_file.load(path)
    return State(loaded.parameters, loaded.iteration, loaded.costs, loaded.loop_state)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compiled", [True, False])
def test_resuming_at_any_iteration_gives_the_same_bits(
    dtype: str, order: Any, compiled: bool, problem: tuple[Any, Any], tmp_path: Path
) -> None:
    X, Y = problem
    X = np.asarray(X, order=order)
    settings = Settings(DIMS, 0.3, dtype=dtype, compiled=compiled)
    states = [begin(settings)]
    whole = train(X, Y, settings, 110, after=lambda state, _: states.append(state))
    assert [s.iteration for s in states] == list(range(111))
    for k in (0, 1, 2, 50, 99, 100, 101, 109, 110):
        resumed = train(X, Y, settings, 110, start=through_a_file(states[k], tmp_path / "m.h5"))
        assert_same_bits(resumed.parameters, whole.parameters)
        assert resumed.costs == whole.costs
        assert resumed.iteration == 110


def test_resuming_many_times_gives_the_same_bits(problem: tuple[Any, Any], tmp_path: Path) -> None:
    X, Y = problem
    settings = Settings((6, 30, 20, 1), 0.05)
    whole = train(X, Y, settings, 24)
    state = begin(settings)
    for i in range(1, 25):
        state = train(X, Y, settings, i, start=through_a_file(state, tmp_path / "m.h5"))
    assert_same_bits(state.parameters, whole.parameters)


def test_training_changes_nobody_elses_arrays(problem: tuple[Any, Any]) -> None:
    X, Y = problem
    settings = Settings(DIMS, 0.3)
    start = begin(settings)
    kept = {name: p.copy() for name, p in start.parameters.items()}
    x, y = X.copy(), Y.copy()
    train(X, Y, settings, 3, start=start)
    assert_same_bits(start.parameters, kept)
    np.testing.assert_array_equal(X, x)
    np.testing.assert_array_equal(Y, y)


def test_a_finished_run_has_nothing_left_to_do(problem: tuple[Any, Any]) -> None:
    X, Y = problem
    state = train(X, Y, Settings(DIMS), 5)
    assert train(X, Y, Settings(DIMS), 5, start=state) is state
    assert train(X, Y, Settings(DIMS), 3, start=state) is state


def test_after_sees_each_new_state_and_the_cost_before_it(problem: tuple[Any, Any]) -> None:
    X, Y = problem
    settings = Settings(DIMS, 0.3)
    seen: list[tuple[int, float]] = []
    train(X, Y, settings, 4, after=lambda state, cost: seen.append((state.iteration, cost)))
    assert [i for i, _ in seen] == [1, 2, 3, 4]
    AL, _ = textbook.L_model_forward(X, initialize_parameters(DIMS))
    assert seen[0][1] == pytest.approx(float(textbook.compute_cost(AL, Y)), rel=1e-14)


def test_an_interrupt_passes_through(problem: tuple[Any, Any]) -> None:
    def stop(state: State, cost: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(*problem, Settings(DIMS), 4, after=stop)


# --- what diverges --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_cost_that_becomes_nan_stops_the_run(dtype: str, problem: tuple[Any, Any]) -> None:
    X, Y = problem
    states: list[State] = []
    settings = Settings(DIMS, 300.0, dtype=dtype, compiled=False)
    with pytest.raises(DivergedError) as stopped:
        train(X, Y, settings, 500, after=lambda state, _: states.append(state))
    message = str(stopped.value)
    bad = states[-1].iteration
    assert f"the cost became nan in iteration {bad}. log(" in message
    assert "a sigmoid saturated to exactly 0 or 1 under a log" in message
    assert message.endswith('Try the cost "stable", or a learning rate below 300.0.')
    good = stopped.value.state
    assert good.iteration == bad - 1
    assert good is states[-2] if bad > 1 else good.iteration == 0
    AL, _ = textbook.L_model_forward(X, dict(good.parameters))
    assert np.isfinite(textbook.compute_cost(AL, Y))


def test_a_parameter_that_overflows_stops_the_run(problem: tuple[Any, Any]) -> None:
    """The cost that led there was finite, so that state is the good one."""
    X, Y = problem
    with pytest.raises(
        DivergedError, match=r"W\d got NaN or inf .* in iteration 0\..* below 1e\+"
    ) as stopped:
        train(X * 1e5, Y, Settings(DIMS, 1e306, cost="stable"), 5)
    assert stopped.value.state.iteration == 0
    assert 'the cost "stable"' not in str(stopped.value)


def test_a_run_that_begins_with_nan_names_the_iteration(problem: tuple[Any, Any]) -> None:
    X, Y = problem
    start = begin(Settings(DIMS))
    start.parameters["b3"][...] = 800.0
    with pytest.raises(DivergedError, match=r"the cost became (nan|inf) in iteration 0") as stopped:
        train(X, Y, Settings(DIMS, compiled=False), 5, start=start)
    assert stopped.value.state is start


def test_compiled_the_documents_cost_survives_saturation_and_says_so_once(
    problem: tuple[Any, Any],
) -> None:
    X, Y = problem
    for cost in ("document", "stable"):
        said: list[str] = []
        settings = Settings(DIMS, 0.1, cost=cost)
        start = begin(settings)
        start.parameters["b3"][...] = 800.0
        state = train(X, Y, settings, 3, start=start, note=said.append)
        assert state.iteration == 3
        assert np.isfinite(state.costs[0][1])
        assert len(said) == (cost == "document")
        assert all("log σ(Z) is rewritten" in words and "eager" in words for words in said)
    said = []
    train(X, Y, Settings(DIMS, compiled=False), 3, note=said.append)
    assert said == []


def test_compiled_and_eager_train_alike(problem: tuple[Any, Any]) -> None:
    X, Y = problem
    found = [all_costs(X, Y, Settings(DIMS, 0.1, compiled=c), 200) for c in (True, False)]
    np.testing.assert_allclose(*found, rtol=1e-12)
    assert found[0] != found[1]  # rewritten, they round differently


def test_a_compiled_run_that_diverges_names_what_and_where(problem: tuple[Any, Any]) -> None:
    X, Y = problem
    with pytest.raises(DivergedError, match=r"got NaN or inf .* in iteration 0\. ") as stopped:
        train(X * 1e5, Y, Settings(DIMS, 1e306), 5)
    assert stopped.value.state.iteration == 0
    assert str(stopped.value).endswith("Try a learning rate below 1e+306.")


def test_the_stable_cost_survives_what_stops_the_documents(problem: tuple[Any, Any]) -> None:
    X, Y = problem
    settings = Settings(DIMS, 0.1, cost="stable")
    start = begin(settings)
    start.parameters["b3"][...] = 800.0
    state = train(X, Y, settings, 3, start=start)
    assert state.iteration == 3


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"layer_dims": (6, 5)}, "layers: expected 1 unit in the last layer"),
        ({"learning_rate": 0}, "learning rate: expected a finite number above 0, got 0"),
        ({"learning_rate": float("nan")}, "learning rate: .* got nan"),
        ({"seed": -1}, r"seed: expected an integer from 0 to 2\*\*32 - 1, got -1"),
        ({"seed": 1.5}, r"seed: .* got 1\.5"),
        ({"seed": True}, "seed: .* got True"),
        (
            {"init": "zeros"},
            r"init: expected one of sqrt, .*, 0\.01, got 'zeros'",
        ),
        ({"dtype": "float16"}, "dtype: expected one of float64, float32, got 'float16'"),
        ({"cost": "hinge"}, "cost: expected one of document, stable, .*, got 'hinge'"),
        ({"compiled": 2}, "compiled: expected True or False, got 2"),
    ],
)
def test_unusable_settings_are_refused_by_name(setting: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings(**{"layer_dims": DIMS} | setting)


def test_settings_become_plain_values() -> None:
    settings = Settings((np.int64(6), 1), np.float32(0.5), np.int64(3))  # type: ignore[arg-type]
    assert settings == Settings((6, 1), 0.5, 3)
    assert {type(v) for v in settings.described().values()} == {float, int, str, bool, type(None)}
    assert "layer_dims" not in settings.described()


def test_unusable_examples_are_refused_by_name(problem: tuple[Any, Any]) -> None:
    X, Y = problem
    bad = X.copy()
    bad[2, 3] = np.nan
    for x, y, words in [
        (X.T, Y, r"X: expected \(6, m\), .* got \(40, 6\)"),
        (X[:, 0], Y, r"X: expected \(6, m\), .* got \(6,\)"),
        (X[:, :0], Y[:, :0], "X: expected at least one example, got none"),
        (X, Y[0], r"Y: expected \(1, 40\), a label for each column of X, got \(40,\)"),
        (X, Y.T, r"Y: expected \(1, 40\), .* got \(40, 1\); .*Y\.reshape\(1, -1\)"),
        (X, Y[:, :9], r"Y: expected \(1, 40\), .* got \(1, 9\)"),
        (X, Y + 1, "Y: expected labels 0 and 1, got 2"),
        (X, Y * 0.5, r"Y: expected labels 0 and 1, got 0\.5"),
        (X, Y * np.nan, "Y: expected labels 0 and 1, got nan"),
        (bad, Y, "X: expected numbers finite in float64, got NaN or inf"),
    ]:
        with pytest.raises(ValueError, match=words):
            train(x, y, Settings(DIMS), 1)
    with pytest.raises(ValueError, match="X: expected numbers finite in float32"):
        train(X * 1e300, Y, Settings(DIMS, dtype="float32"), 1)


@pytest.mark.parametrize("order", ["C", "F"])
def test_examples_keep_their_memory_order(order: Any, problem: tuple[Any, Any]) -> None:
    X, Y = np.asarray(problem[0], order=order), problem[1]
    same, labels = check_examples(X, Y, Settings(DIMS))
    assert same is X
    assert labels.dtype == np.float64
    narrow, labels = check_examples(X, Y, Settings(DIMS, dtype="float32"))
    assert (narrow.dtype, labels.dtype) == (np.float32, np.float32)
    assert narrow.flags[f"{order}_CONTIGUOUS"]


def test_lists_are_examples() -> None:
    state = train([[0.0, 1.0]], [[0, 1]], Settings((1, 1)), 1)  # type: ignore[arg-type]
    assert state.iteration == 1


def test_a_start_that_does_not_fit_is_refused_by_name(problem: tuple[Any, Any]) -> None:
    narrow = begin(Settings(DIMS, dtype="float32"))
    with pytest.raises(
        ValueError, match=r"start: expected W1 \(5, 6\) float64, got \(5, 6\) float32"
    ):
        train(*problem, Settings(DIMS), 1, start=narrow)
    other = begin(Settings((6, 4, 1)))
    with pytest.raises(ValueError, match=r"start: expected W1 \(5, 6\) float64, got \(4, 6\)"):
        train(*problem, Settings(DIMS), 1, start=other)
    with pytest.raises(ValueError, match=r"start: expected W3 \(1, 1\) float64, got none"):
        train(*problem, Settings((6, 4, 1, 1)), 1, start=other)


# --- prediction -----------------------------------------------------------------------------------


def test_predict_and_accuracy_are_the_documents(
    problem: tuple[Any, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    X, Y = problem
    state = train(X, Y, Settings(DIMS, 0.3), 200)
    AL, _ = textbook.L_model_forward(X, dict(state.parameters))
    np.testing.assert_array_equal(predict(X, state.parameters), AL)
    textbook.predict(X, Y, dict(state.parameters))
    share = metrics.accuracy(Y, predicted_labels(predict(X, state.parameters)))
    with pytest.warns(DeprecationWarning, match=r"write metrics\.accuracy"):
        assert accuracy(X, Y, state.parameters) == share
    assert capsys.readouterr().out == f"Accuracy: {float(f'{share:.12g}')}\n"
    assert 0.5 < share <= 1


def test_exactly_one_half_counts_as_0() -> None:
    parameters = {"W1": np.zeros((1, 2)), "b1": np.zeros((1, 1))}
    X = np.ones((2, 4))
    assert (predict(X, parameters) == 0.5).all()
    np.testing.assert_array_equal(predicted_labels(predict(X, parameters)), np.zeros((1, 4)))


def test_far_from_0_the_prediction_is_silent_and_right() -> None:
    parameters = {"W1": np.ones((1, 1)), "b1": np.zeros((1, 1))}
    np.testing.assert_array_equal(predict(np.array([[-1e4, 1e4]]), parameters), [[0, 1]])


def test_accuracy_refuses_a_rank_mistake(problem: tuple[Any, Any]) -> None:
    X, Y = problem
    for labels in (Y[0], Y.T):
        with (
            pytest.raises(ValueError, match=r"Y: expected \(1, 40\)"),
            pytest.warns(DeprecationWarning, match="accuracy"),
        ):
            accuracy(X, labels, begin(Settings(DIMS)).parameters)


# --- memory ---------------------------------------------------------------------------------------


def test_an_iteration_allocates_nothing_where_no_loop_saves_operations() -> None:
    rng = np.random.default_rng(0)
    X, settings = rng.normal(size=(500, 2000)), Settings((500, 300, 1), 0.01)  # wide, many examples
    Y = (X[:1] > 0).astype(int)
    taken: list[int] = []
    before = [0]

    def after(state: State, cost: float) -> None:
        now, peak = tracemalloc.get_traced_memory()
        taken.append(peak - before[-1])
        before.append(now)
        tracemalloc.reset_peak()

    told: list[str] = []
    tracemalloc.start()
    try:
        train(X, Y, settings, 8, after=after, note=told.append)
    finally:
        tracemalloc.stop()
    assert not any("strength reduction" in line for line in told)
    # Where truth values meet numbers NumPy casts 8192 at a time, in each of the threads that run
    # blocks; W1 alone has 1.2 MB.
    threads = min(9, os.cpu_count() or 1)
    assert max(taken[4:]) < threads * 8192 * 8 + 20_000


def test_states_that_are_kept_stay_what_they_were(problem: tuple[Any, Any]) -> None:
    X, Y = problem
    settings = Settings(DIMS, 0.1)
    kept: list[State] = []
    views: list[Any] = []

    def after(state: State, cost: float) -> None:
        if state.iteration % 3:
            kept.append(state)
        else:
            views.append((state.iteration, state.parameters["W1"].T[1:]))

    train(X, Y, settings, 12, after=after)
    for state in kept:
        assert_same_bits(state.parameters, train(X, Y, settings, state.iteration).parameters)
    for iteration, view in views:
        expected = train(X, Y, settings, iteration).parameters["W1"].T[1:]
        assert view.tobytes() == expected.tobytes()


def blas_now() -> set[int]:
    """How many threads BLAS has now."""
    found = threadpool_info()
    return {blas["num_threads"] for blas in found if blas["user_api"] == "blas"}


def test_while_training_the_threads_of_blas_follow_from_the_largest_product(
    problem: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, Y = problem
    for name in threads.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    settings = Settings((X.shape[0], 3, 1))
    seen: list[set[int]] = []
    for largest in (3 * X.size + 1, 3 * X.size):  # the first layer's product is 3 X.size
        monkeypatch.setattr(threads, "LARGE", largest)
        train(X, Y, settings, 1, after=lambda *_: seen.append(blas_now()))
    assert seen in ([{1}, {2}], [set(), set()])  # or a BLAS that threadpoolctl does not know
