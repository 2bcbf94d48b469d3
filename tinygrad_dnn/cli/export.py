"""`tinygrad-dnn export`: a model for other programs, as ONNX or as `.npz`."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from tinygrad_dnn import network
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.cli.output import check_output
from tinygrad_dnn.cli.status import DONE
from tinygrad_dnn.export.weights import save_npz
from tinygrad_dnn.train import Model, load_model


def run(args: argparse.Namespace) -> int:
    """Write the file; the exit status."""
    out = check_output(args.file or args.out, ("onnx", "npz"), "FILE")
    model = load_model(args.model)
    saved = model.checkpoint
    layers = "-".join(map(str, saved.layer_dims))
    if out.suffix.lower() == ".npz":
        save_npz(out, saved.parameters)
        print(f"{args.model}, {layers}: {', '.join(saved.parameters)}\nwrote {out}")
        return DONE
    _write_onnx(model, out)
    n_x = saved.layer_dims[0]
    print(
        f"{args.model}, {layers}: from X ({n_x}, m), examples in columns divided by "
        f"{saved.x_scale:g}, to AL ({saved.layer_dims[-1]}, m), for any m\nwrote {out}"
    )
    return DONE


def _write_onnx(model: Model, out: Path) -> None:
    try:
        from tinygrad_dnn.export.onnx_graph import onnx_model, save_onnx
    except ImportError as error:
        raise ValueError(str(error)) from None
    given, settings = model.checkpoint.parameters, model.settings
    X = Tensor(np.zeros((settings.layer_dims[0], 2), dtype=given["W1"].dtype), name="X")
    parameters = {name: Tensor(p, name=name) for name, p in given.items()}
    _, AL = network.forward(X, parameters, activation=settings.activation, head=settings.head)
    save_onnx(out, onnx_model({"AL": AL}, {"X": X}, free={"X": 1}))
