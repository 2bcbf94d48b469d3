"""The public names: all there, loaded on first use, each with its docstring and its signature."""

from __future__ import annotations

import inspect
import subprocess
import sys
import tomllib
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn
from tinygrad_dnn import REGISTRY, Op, Tensor, api

# What the project promises by name; NumPy's functions have NumPy's names.
PYTHONS = {
    "abs",
    "compile",
    "max",
    "min",
    "sum",
    "divmod",
    "round",
}  # not in __all__: a star import must not shadow Python's
NUMPYS = [
    "add", "subtract", "multiply", "divide", "negative", "power", "square", "sqrt", "abs", "sign",
    "exp", "expm1", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "tanh", "arcsin",
    "arccos", "arctan", "sinh", "cosh", "maximum", "minimum", "where", "clip", "sum", "mean",
    "var", "std", "max", "min", "prod", "cumsum", "matmul", "dot", "outer", "einsum", "trace",
    "reshape", "transpose", "swapaxes", "expand_dims", "squeeze", "broadcast_to", "concatenate",
    "stack", "split", "pad", "flip", "roll", "repeat", "tile", "take",
]  # fmt: skip
OURS = [
    "logsumexp", "getitem", "relu", "leaky_relu", "sigmoid", "log_sigmoid", "softplus", "softmax",
    "log_softmax", "grad", "value_and_grad", "vjp", "jvp", "hvp", "jacobian", "hessian",
    "gradients", "per_example_gradients", "stop_gradient", "custom_vjp", "no_grad", "debug", "op",
    "scope", "Tensor",
]  # fmt: skip
ATTRIBUTES = [
    "data", "grad", "shape", "dtype", "ndim", "size", "T", "mT", "name", "op", "inputs",
    "requires_grad", "backward", "detach", "item", "numpy", "sum", "mean", "var", "max", "min",
    "reshape", "transpose",
]  # fmt: skip


@pytest.mark.parametrize("name", [*NUMPYS, *OURS])
def test_a_promised_name_is_there(name: str) -> None:
    assert (name in tinygrad_dnn.__all__) != (name in PYTHONS)
    assert callable(getattr(tinygrad_dnn, name))


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_tensor_has_the_promised_attributes(name: str) -> None:
    assert hasattr(Tensor(np.ones((2, 3)), requires_grad=True, name="t"), name)


def test_every_public_name_comes_from_the_api() -> None:
    assert sorted(set(tinygrad_dnn.__all__)) == sorted(tinygrad_dnn.__all__)
    for name in {*tinygrad_dnn.__all__, *PYTHONS}:
        assert getattr(tinygrad_dnn, name) is getattr(api, name)
    public = {n for n in vars(api) if not n.startswith("_") and not inspect.ismodule(vars(api)[n])}
    assert public == set(tinygrad_dnn.__all__) | PYTHONS
    assert set(tinygrad_dnn.__all__) <= set(dir(tinygrad_dnn))


@pytest.mark.parametrize("name", tinygrad_dnn.__all__)
def test_a_public_name_has_a_docstring(name: str) -> None:
    thing = getattr(tinygrad_dnn, name)
    if name != "REGISTRY":
        assert inspect.getdoc(thing)


def test_public_ops_are_the_declared_ones() -> None:
    for name in tinygrad_dnn.__all__:
        thing = getattr(tinygrad_dnn, name)
        if isinstance(thing, Op) and name != "absolute":  # NumPy's other name for abs
            assert REGISTRY[thing.name] is thing
            assert thing.name == name


@pytest.mark.parametrize("name", NUMPYS)
def test_an_op_accepts_numpys_arguments_under_numpys_names(name: str) -> None:
    """Every setting of ours is one of NumPy's, so that `np.f(t, setting=...)` reaches it."""
    ours = getattr(tinygrad_dnn, name)
    theirs = getattr(np, name)
    if isinstance(theirs, np.ufunc):
        assert len(ours.arrays) == theirs.nin
        assert not ours.settings
    elif name != "einsum":  # which takes anything
        known = inspect.signature(theirs).parameters
        named_in_its_docstring = {"constant_values"} if name == "pad" else set()
        assert set(getattr(ours, "settings", ())) <= {*known} | named_in_its_docstring


def test_a_star_import_brings_exactly_the_public_names() -> None:
    brought: dict[str, Any] = {}
    exec("from tinygrad_dnn import *", brought)
    del brought["__builtins__"]
    assert brought.keys() == set(tinygrad_dnn.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'tinygrad_dnn' has no attribute 'softmix'"):
        _ = tinygrad_dnn.softmix


def test_numpy_is_loaded_with_the_first_name_not_before() -> None:
    script = (
        "import sys, tinygrad_dnn\n"
        "assert 'numpy' not in sys.modules\n"
        "tinygrad_dnn.__version__\n"
        "assert 'numpy' not in sys.modules\n"
        "tinygrad_dnn.exp\n"
        "assert 'numpy' in sys.modules\n"
        "heavy = {'h5py', 'graphviz', 'viz', 'tqdm', 'matplotlib', 'dask'} & {*sys.modules}\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_dir_lists_what_there_is_and_hides_what_is_inside() -> None:
    names = {n for n in dir(tinygrad_dnn) if not n.startswith("_")}
    assert names >= PYTHONS
    assert {"optim", "network", "train", "textbook", "Tensor", "compile_loop"} <= names
    assert not {"Any", "Path", "import_module", "typing", "importlib", "api", "autodiff"} & names
    for name in names:
        getattr(tinygrad_dnn, name)


def test_modules_need_no_import_of_their_own() -> None:
    script = (
        "import tinygrad_dnn as td\n"
        "assert td.optim.gradient_descent and td.network.cost_of and td.check.check_op\n"
        "assert td.optim is __import__('tinygrad_dnn.optim').optim\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_version_is_said_in_one_voice() -> None:
    assert metadata.version("tinygrad-dnn") == tinygrad_dnn.__version__
    project = Path(__file__).parents[1] / "pyproject.toml"
    assert tomllib.loads(project.read_text("utf-8"))["project"]["version"] == (
        tinygrad_dnn.__version__
    )


def test_the_types_are_shipped() -> None:
    for package in ("tinygrad_dnn", "viz"):
        assert (files(package) / "py.typed").is_file()


def test_the_project_in_one_breath() -> None:
    from tinygrad_dnn import log, relu, sigmoid

    rng = np.random.default_rng(0)
    X, Y, m = rng.normal(size=(4, 6)), np.array([[0, 1, 1, 0, 1, 0]]), 6
    W1, b1 = Tensor(rng.normal(size=(3, 4)), True), Tensor(np.zeros((3, 1)), True)
    W2, b2 = Tensor(rng.normal(size=(1, 3)), True), Tensor(np.zeros((1, 1)), True)
    A1 = relu(W1 @ X + b1)
    AL = sigmoid(W2 @ A1 + b2)
    cost = -(Y * log(AL) + (1 - Y) * log(1 - AL)).sum() / m
    cost.backward()
    np.testing.assert_allclose(W2.grad, (AL.data - Y) @ A1.data.T / m, rtol=1e-13)
    np.testing.assert_allclose(b2.grad, (AL.data - Y).sum(axis=1, keepdims=True) / m, rtol=1e-13)
    assert isinstance(W1.grad, np.ndarray)
    assert W1.grad.shape == (3, 4)
