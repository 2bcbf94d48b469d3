"""The hand-written network as a whole: seeds, training, prediction, files, the document's costs."""

import builtins
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest

from tinygrad_dnn import textbook as tb


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def problem(rng):
    """X (5, 6) and Y (1, 6)."""
    return rng.normal(size=(5, 6)), np.array([[0, 1, 1, 0, 1, 0]])


def run_script(script):
    """What a program of its own prints, with warnings as errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_initialisation_draws_the_stream_of_the_documents_seeds():
    """Against `numpy.random.seed` itself, in a process whose global state may be disturbed."""
    printed = run_script("""
        from tinygrad_dnn.textbook import *

        def drawn(seed, parameters, scales):
            np.random.seed(seed)
            W1, W2 = np.random.randn(4, 3), np.random.randn(1, 4)
            same_W1 = W1 * scales[0] == parameters["W1"]
            same_W2 = W2 * scales[1] == parameters["W2"]
            print(same_W1.all(), same_W2.all())
            return W1, W2

        drawn(1, initialize_parameters(3, 4, 1), (0.01, 0.01))
        drawn(3, initialize_parameters_deep([3, 4, 1]), (0.01, 0.01))
        drawn(3, initialize_parameters_deep([3, 4, 1], scale=2), (2, 2))
        root = initialize_parameters_deep([3, 4, 1], scale="sqrt", seed=1)
        W1, W2 = drawn(1, initialize_parameters_deep([3, 4, 1], scale=1, seed=1), (1, 1))
        print((W1 / np.sqrt(3) == root["W1"]).all(), (W2 / np.sqrt(4) == root["W2"]).all())
    """)
    assert printed == ["True True"] * 5
    first = tb.initialize_parameters_deep([1, 1], scale=1, seed=1)["W1"][0, 0]
    assert first == 1.6243453636632417


def test_the_global_random_state_is_left_alone():
    printed = run_script("""
        from tinygrad_dnn.textbook import *

        X, Y = np.arange(10.0).reshape(5, 2) / 10, np.array([[0, 1]])
        np.random.seed(5)
        name, before, *rest = np.random.get_state()
        two_layer_model(X, Y, (5, 4, 1), num_iterations=2)
        L_layer_model(X, Y, (5, 4, 1), num_iterations=2)
        initialize_parameters(2, 2, 1)
        initialize_parameters_deep([2, 1])
        name, after, *now = np.random.get_state()
        print((before == after).all(), rest == now)
    """)
    assert printed == ["True True"]


@pytest.mark.parametrize("model", [tb.two_layer_model, tb.L_layer_model])
def test_a_model_is_its_parts_in_the_documents_order(model, problem, capsys):
    X, Y = problem
    dims = (5, 4, 1)
    trained = model(X, Y, dims, learning_rate=0.5, num_iterations=201, print_cost=True)
    printed = capsys.readouterr().out.splitlines()
    parameters = (
        tb.initialize_parameters(*dims)
        if model is tb.two_layer_model
        else tb.initialize_parameters_deep(dims, scale="sqrt", seed=1)
    )
    expected = []
    for i in range(201):
        AL, caches = tb.L_model_forward(X, parameters)
        if i % 100 == 0:
            expected.append(f"Cost after iteration {i}: {tb.compute_cost(AL, Y):f}")
        grads = tb.L_model_backward(AL, Y, caches)
        parameters = tb.update_parameters(parameters, grads, 0.5)
    assert printed == expected
    assert trained.keys() == parameters.keys()
    for name, value in parameters.items():
        np.testing.assert_array_equal(trained[name], value)


def test_models_are_silent_unless_asked(problem, capsys):
    X, Y = problem
    tb.two_layer_model(X, Y, (5, 4, 1), num_iterations=2)
    tb.L_layer_model(X, Y, (5, 4, 1), num_iterations=2)
    assert capsys.readouterr().out == ""


def test_models_refuse_what_does_not_fit(problem):
    X, Y = problem
    words = r"L_layer_model: expected X \(n_x, m\), Y \(1, m\) and layers"
    with pytest.raises(ValueError, match=words):
        tb.L_layer_model(X.T, Y, [5, 4, 1])
    with pytest.raises(ValueError, match=words):
        tb.L_layer_model(X, Y.ravel(), [5, 4, 1])
    with pytest.raises(ValueError, match=words):
        tb.L_layer_model(X, Y, [5, 4, 2])
    with pytest.raises(ValueError, match=r"expected \(n_x, n_h, n_y\), got \(5, 4, 3, 1\)"):
        tb.two_layer_model(X, Y, (5, 4, 3, 1))


def test_plot_has_the_documents_labels(problem, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gca()))
    X, Y = problem
    plt.figure()
    tb.L_layer_model(X, Y, [5, 4, 1], 0.5, num_iterations=201, print_cost=True, plot=True)
    (axes,) = shown
    assert axes.get_xlabel() == "iterations (per tens)"
    assert axes.get_ylabel() == "cost"
    assert axes.get_title() == "Learning rate =0.5"
    assert len(axes.lines[0].get_ydata()) == 3
    plt.close("all")


def test_plot_without_matplotlib_says_what_to_install(problem, monkeypatch):
    genuine = builtins.__import__

    def without(name, *rest, **named):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return genuine(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    X, Y = problem
    with pytest.raises(ImportError, match=r'pip install "tinygrad-dnn\[plot\]"'):
        tb.L_layer_model(X, Y, [5, 1], num_iterations=1, plot=True)


# Prediction and data.


def test_predict_prints_the_accuracy_to_twelve_digits(capsys):
    parameters = {"W1": np.array([[1.0]]), "b1": np.array([[0.0]])}
    X = np.array([[-1.0, 2.0, 3.0]])
    p = tb.predict(X, np.array([[0, 1, 0]]), parameters)
    np.testing.assert_array_equal(p, [[0, 1, 1]])
    assert p.dtype == np.float64
    tb.predict(X, np.array([[0, 1, 1]]), parameters)
    assert capsys.readouterr().out == "Accuracy: 0.666666666667\nAccuracy: 1.0\n"


def test_predict_takes_exactly_one_half_for_zero(capsys):
    p = tb.predict(
        np.zeros((1, 1)), np.zeros((1, 1)), {"W1": np.ones((1, 1)), "b1": np.zeros((1, 1))}
    )
    assert p == 0
    assert capsys.readouterr().out == "Accuracy: 1.0\n"


def test_predict_refuses_other_labels():
    with pytest.raises(
        ValueError, match=r"predict: expected y \(1, 3\) for X \(1, 3\), got \(3, 1\)"
    ):
        tb.predict(
            np.ones((1, 3)), np.ones((3, 1)), {"W1": np.ones((1, 1)), "b1": np.zeros((1, 1))}
        )


@pytest.fixture
def datasets(tmp_path, rng):
    """A folder in the layout and with the file names of the document; images of 2x2."""
    for split, m in (("train", 6), ("test", 4)):
        with h5py.File(tmp_path / f"{split}_catvnoncat.h5", "w") as file:
            file[f"{split}_set_x"] = rng.integers(0, 256, (m, 2, 2, 3)).astype(np.uint8)
            file[f"{split}_set_y"] = np.arange(m) % 2
            file["list_classes"] = np.array([b"non-cat", b"cat"])
    return tmp_path


def test_load_data_returns_the_documents_shapes(datasets, monkeypatch):
    train_x, train_y, test_x, test_y, classes = tb.load_data(folder=datasets)
    assert (train_x.shape, train_x.dtype) == ((6, 2, 2, 3), np.uint8)
    assert (test_x.shape, test_x.dtype) == ((4, 2, 2, 3), np.uint8)
    np.testing.assert_array_equal(train_y, [[0, 1, 0, 1, 0, 1]])
    np.testing.assert_array_equal(test_y, [[0, 1, 0, 1]])
    assert train_y.dtype == np.int64
    assert classes.dtype == np.dtype("S7")
    assert classes[1].decode() == "cat"
    by_name = tb.load_data(
        str(datasets / "train_catvnoncat.h5"), datasets / "test_catvnoncat.h5", folder="nowhere"
    )
    np.testing.assert_array_equal(by_name[0], train_x)
    datasets.rename(datasets.parent / "datasets")
    monkeypatch.chdir(datasets.parent)
    np.testing.assert_array_equal(tb.load_data()[2], test_x)


def test_load_data_names_what_is_missing(tmp_path, datasets, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"elsewhere.train_catvnoncat\.h5: no such file"):
        tb.load_data(folder=tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=r"the digits that come along are one: '") as told:
        tb.load_data()
    digits = str(told.value).split("'")[-2]
    assert tb.load_data(train=digits, test=digits)[0].shape == (1437, 8, 8, 1)
    with pytest.raises(ValueError, match=r"test_set_x.*not there; the file holds list_classes"):
        tb.load_data(test=datasets / "train_catvnoncat.h5", folder=datasets)


def test_a_tutorial_runs_after_one_import(datasets):
    script = """
        from tinygrad_dnn.textbook import *

        np.random.seed(1)
        train_x_orig, train_y, test_x_orig, test_y, classes = load_data(folder=r"FOLDER")
        train_x = train_x_orig.reshape(train_x_orig.shape[0], -1).T / 255
        test_x = test_x_orig.reshape(test_x_orig.shape[0], -1).T / 255
        A, linear_cache = linear_forward(train_x, np.ones((3, 12)), np.zeros((3, 1)))
        A, cache = linear_activation_forward(train_x, np.ones((1, 12)), np.zeros((1, 1)), "sigmoid")
        dA_prev, dW, db = linear_backward(np.ones((3, 6)), linear_cache)
        dA_prev, dW, db = linear_activation_backward(np.ones((1, 6)), cache, "sigmoid")
        print(relu_backward(*relu(A)).shape, sigmoid_backward(*sigmoid(A)).shape)
        parameters = initialize_parameters_deep([12, 4, 1])
        AL, caches = L_model_forward(train_x, parameters)
        print(compute_cost(AL, train_y))
        parameters = update_parameters(parameters, L_model_backward(AL, train_y, caches), 0.1)
        parameters = L_layer_model(train_x, train_y, [12, 4, 1], num_iterations=3, print_cost=True)
        pred_train = predict(train_x, train_y, parameters)
        pred_test = predict(test_x, test_y, parameters)
        two_layer_model(train_x, train_y, (12, 4, 1), num_iterations=3, print_cost=True)
        print(initialize_parameters(12, 4, 1)["W1"].shape)
    """.replace("FOLDER", str(datasets))
    lines = run_script(script)
    assert lines[0] == "(1, 6) (1, 6)"
    assert [line.split(":")[0] for line in lines[2:6]] == [
        "Cost after iteration 0",
        "Accuracy",
        "Accuracy",
        "Cost after iteration 0",
    ]
    assert lines[6] == "(4, 12)"


# The document's own data.


@pytest.fixture(scope="module")
def cat_images(cats):
    train_x, train_y, *_ = tb.load_data(folder=cats)
    return train_x.reshape(train_x.shape[0], -1).T / 255, train_y


@pytest.mark.cats
def test_the_documents_printed_costs(cat_images, capsys):
    X, Y = cat_images
    tb.L_layer_model(X, Y, [12288, 20, 7, 5, 1], num_iterations=201, print_cost=True)
    assert capsys.readouterr().out.splitlines() == [
        "Cost after iteration 0: 0.771749",
        "Cost after iteration 100: 0.672053",
        "Cost after iteration 200: 0.648263",
    ]


@pytest.mark.cats
def test_the_exercises_two_layer_costs(cat_images, capsys):
    X, Y = cat_images
    tb.two_layer_model(X, Y, (12288, 7, 1), num_iterations=101, print_cost=True)
    assert capsys.readouterr().out.splitlines() == [
        "Cost after iteration 0: 0.693050",
        "Cost after iteration 100: 0.646432",
    ]


@pytest.mark.cats
def test_the_listed_initialisation_gets_nowhere(cat_images):
    """0.644 is the entropy of the share of cats: what a constant output costs."""
    X, Y = cat_images
    parameters = tb.initialize_parameters_deep([12288, 20, 7, 5, 1])
    for _ in range(300):
        AL, caches = tb.L_model_forward(X, parameters)
        tb.update_parameters(parameters, tb.L_model_backward(AL, Y, caches), 0.0075)
    assert np.ptp(AL) < 1e-6
    assert tb.compute_cost(AL, Y) > 0.644
