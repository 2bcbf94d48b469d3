"""`tinygrad-dnn compile`: a module of NumPy alone that computes what the model's network does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import DONE, call, complaint

from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.autodiff.transforms import value_and_grad
from tinygrad_dnn.data import open_dataset
from tinygrad_dnn.network import cost_of, forward
from tinygrad_dnn.optim import gradient_descent
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.train import Settings, State, train

RATE = 0.1  # of the model that the tests share
Out = pytest.CaptureFixture[str]
pytestmark = pytest.mark.usefixtures("folder")  # every test runs in a copy of its own


def module(path: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(Path(path).read_text(encoding="utf-8"), path, "exec"), names)
    return names


def data() -> tuple[Any, Any, Any]:
    model = run_file.load("model.h5")
    with open_dataset("train.h5") as file:
        return dict(model.parameters), file.columns(), file.labels(np.float64)


def test_the_module_computes_the_models_passes(capsys: Out) -> None:
    assert call("compile", "model.h5", "--data", "train.h5", "-o", "own.py", "--literal") == DONE
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("model.h5, 48-")
    assert told[1].startswith("wrote own.py, ")
    p, X, Y = data()
    names = module("own.py")
    _, AL = forward(X, p)
    cost, slopes = value_and_grad(lambda p: cost_of(Tensor(X), Y, p))(p)
    assert names["forward"](p, X).tobytes() == AL.numpy().tobytes()
    value, found = names["backward"](p, X, Y)
    assert value == cost
    assert {k: v.tobytes() for k, v in found.items()} == {k: v.tobytes() for k, v in slopes.items()}
    _, new = names["step"](p, X, Y)
    for name, w in gradient_descent(p, slopes, RATE).items():
        assert new[name].tobytes() == w.tobytes()


def test_rewritten_it_trains_as_train_does() -> None:
    assert call("compile", "model.h5", "--data", "train.h5") == DONE
    p, X, Y = data()
    model = run_file.load("model.h5")
    rate = float(model.settings["learning_rate"] or 0)
    expected = train(X, Y, Settings(model.layer_dims, rate), 20, start=State(p, 0))
    step = module("net.py")["step"]
    for _ in range(20):
        _, p = step(p, X, Y)
    for name, w in expected.parameters.items():  # train carries W1 as W1_start + S_W1 Xᵀ
        np.testing.assert_allclose(p[name], w, rtol=1e-12, atol=1e-15)


def test_it_runs_where_nothing_of_this_package_is() -> None:
    assert call("compile", "model.h5", "--data", "train.h5", "--examples", "7") == DONE
    np.savez("p.npz", **data()[0])
    program = (
        "import sys\n"
        "for name in ('tinygrad_dnn', 'viz', 'h5py'):\n    sys.modules[name] = None\n"
        "sys.path.insert(0, '.')\n"
        "import net\n"
        "assert '7 examples' in net.__doc__\n"
        "with net.np.load('p.npz') as file:\n    p = {k: file[k] for k in file}\n"
        "AL = net.forward(p, net.np.ones((7, 48)).T)\n"
        "assert AL.shape == (1, 7) and ((AL > 0) & (AL < 1)).all()\n"
    )
    subprocess.run([sys.executable, "-I", "-c", program], check=True)


def test_without_data_random_examples_tell_the_shape(capsys: Out) -> None:
    assert call("compile", "model.h5") == DONE
    assert "for 209 examples" in capsys.readouterr().out


def test_what_it_can_not_do_is_told(capsys: Out) -> None:
    assert "expected a name ending in .py" in complaint(
        capsys, "compile", "model.h5", "-o", "a.txt"
    )
    assert "there is no folder" in complaint(capsys, "compile", "model.h5", "-o", "no/net.py")
    assert "give --data FILE" in complaint(capsys, "compile", "model.h5", "--x", "a")
    assert "missing.h5" in complaint(capsys, "compile", "missing.h5")
    assert not Path("net.py").exists()
