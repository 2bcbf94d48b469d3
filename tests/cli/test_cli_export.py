"""`tinygrad-dnn export`: a model as ONNX and as .npz."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import DONE, call, complaint

from tinygrad_dnn.data import open_dataset
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.train import predict

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(folder: Path) -> Path:
    """Every test runs in a copy of it; the test examples are of no use here."""
    (folder / "test.h5").unlink()
    return folder


def test_the_exported_model_predicts_as_ours(capsys: Out) -> None:
    pytest.importorskip("onnx", reason="onnx (the extra onnx) is not installed")
    ort: Any = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    assert call("export", "model.h5", "model.onnx") == DONE
    told = capsys.readouterr().out
    assert "from X (48, m), examples in columns divided by 255, to AL (1, m), for any m" in told
    assert told.endswith("wrote model.onnx\n")
    model = run_file.load("model.h5")
    with open_dataset("train.h5", split="train") as data:
        X = data.columns()
    session = ort.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    (AL,) = session.run(["AL"], {"X": X})
    np.testing.assert_allclose(AL, predict(X, model.parameters), rtol=1e-11)


def test_weights_as_npz_are_the_parameters(capsys: Out) -> None:
    assert call("export", "model.h5", "model.npz") == DONE
    parameters = run_file.load("model.h5").parameters
    with np.load("model.npz") as stored:
        assert sorted(stored) == sorted(parameters)
        assert all(stored[name].tobytes() == parameters[name].tobytes() for name in stored)
    assert call("export", "model.h5", "-o", "again.npz") == DONE
    assert Path("again.npz").read_bytes() == Path("model.npz").read_bytes()
    names = ["again.npz", "model.h5", "model.npz", "train.h5"]
    assert sorted(p.name for p in Path().iterdir()) == names


def test_without_onnx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    for name in [m for m in sys.modules if m.partition(".")[0] == "onnx"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "tinygrad_dnn.export.onnx_graph", raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)
    told = complaint(capsys, "export", "model.h5", "model.onnx")
    assert "pip install 'tinygrad-dnn[onnx]'" in told


def test_other_endings_and_files_that_are_no_models_are_refused(capsys: Out) -> None:
    assert "FILE model.pb: expected a name ending in .onnx, .npz" in complaint(
        capsys, "export", "model.h5", "model.pb"
    )
    assert complaint(capsys, "export", "train.h5", "model.npz")
    assert not Path("model.npz").exists()
