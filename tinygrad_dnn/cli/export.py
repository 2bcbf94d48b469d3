"""`tinygrad-dnn export`: a model for other programs, as ONNX or as `.npz`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from tinygrad_dnn import network
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.cli.models import load_model
from tinygrad_dnn.cli.output import check_output
from tinygrad_dnn.cli.status import DONE
from tinygrad_dnn.export.weights import save_npz
from tinygrad_dnn.storage.run_file import Checkpoint
from tinygrad_dnn.train import Settings


def run(args: argparse.Namespace) -> int:
    """Write the file; the exit status."""
    out = check_output(args.file, ("onnx", "npz"), "FILE")
    model, settings = load_model(args.model)
    layers = "-".join(map(str, model.layer_dims))
    if out.suffix.lower() == ".npz":
        save_npz(out, model.parameters)
        print(f"{args.model}, {layers}: {', '.join(model.parameters)}\nwrote {out}")
        return DONE
    _write_onnx(model, settings, out)
    n_x = model.layer_dims[0]
    print(
        f"{args.model}, {layers}: from X ({n_x}, m), examples in columns divided by "
        f"{model.x_scale:g}, to AL ({model.layer_dims[-1]}, m), for any m\nwrote {out}"
    )
    return DONE


def _write_onnx(model: Checkpoint, settings: Settings, out: Path) -> None:
    try:
        from tinygrad_dnn.export.onnx_graph import onnx_model, save_onnx
    except ImportError as error:
        raise ValueError(str(error)) from None
    X = Tensor(np.zeros((model.layer_dims[0], 2), dtype=model.parameters["W1"].dtype), name="X")
    parameters = {name: Tensor(p, name=name) for name, p in model.parameters.items()}
    _, AL = network.forward(X, parameters, activation=settings.activation, head=settings.head)
    save_onnx(out, onnx_model({"AL": AL}, {"X": X}, free={"X": 1}))
