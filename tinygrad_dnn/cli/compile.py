"""`tinygrad-dnn compile`: a model's passes as a NumPy module that needs nothing of this package."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from tinygrad_dnn import network
from tinygrad_dnn.autodiff.transforms import value_and_grad
from tinygrad_dnn.cli.models import load_model
from tinygrad_dnn.cli.output import check_output
from tinygrad_dnn.cli.status import DONE
from tinygrad_dnn.cli.subject import examples_of
from tinygrad_dnn.compiler.build import module_of
from tinygrad_dnn.compiler.tracing.record import record
from tinygrad_dnn.escapes import printable
from tinygrad_dnn.network import cost_of
from tinygrad_dnn.storage.run_file import Checkpoint
from tinygrad_dnn.train import Settings, iteration_of

USE = """\
Use, with parameters {{"W1": ..., "b1": ..., ...}} and examples as columns:

    AL = forward(parameters, X)                       # probabilities
    cost, gradients = backward(parameters, X, Y)      # {{"W1": dW1, "b1": db1, ...}}
    cost, parameters = step(parameters, X, Y)         # W1 - {rate:g} dW1, ...

They are for {m} examples; the program of another number has the same lines and other buffers."""


def run(args: argparse.Namespace) -> int:
    """Write the module; the exit status."""
    out = check_output(args.out, ("py",))
    model = load_model(args.model)
    X, Y, _ = examples_of(model, args)
    X, Y = X[:, : args.examples], Y[:, : args.examples]
    text = source(model, X, Y, rewriting=not args.literal)
    out.write_text(text, encoding="utf-8")
    layers = "-".join(map(str, model.layer_dims))
    lines = text.count("\n")
    print(
        f"{args.model}, {layers}, for {X.shape[1]:,} examples: forward, backward and step\n"
        f"wrote {printable(str(out))}, {lines} lines that need NumPy alone"
    )
    return DONE


def source(model: Checkpoint, X: Any, Y: Any, rewriting: bool = True) -> str:
    """The module for a model and examples like X (n_x, m) and Y (1, m)."""
    cost = str(model.settings.get("cost", "document"))
    rate = float(model.settings.get("learning_rate") or Settings.learning_rate)

    def forward(parameters: Mapping[str, Any], X: Any) -> Any:
        return network.forward(X, parameters)[1]

    def backward(parameters: Mapping[str, Any], X: Any, Y: Any) -> Any:
        return value_and_grad(lambda p: cost_of(X, Y, p, cost))(parameters)

    step = iteration_of(Settings(model.layer_dims, rate, cost=cost))
    p = dict(model.parameters)
    calls: list[tuple[Callable[..., Any], tuple[Any, ...]]]
    calls = [(forward, (p, X)), (backward, (p, X, Y)), (step, (p, X, Y))]
    recordings = [record(f, arguments, {}, rewriting) for f, arguments in calls]
    return module_of(recordings, USE.format(rate=rate, m=X.shape[1]), rewriting)
