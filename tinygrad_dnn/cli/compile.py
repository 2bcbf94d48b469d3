"""`tinygrad-dnn compile`: a model's passes as a NumPy module that needs nothing of this package."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_dnn import network
from tinygrad_dnn.autodiff.transforms import value_and_grad
from tinygrad_dnn.cli.output import check_output
from tinygrad_dnn.cli.status import DONE
from tinygrad_dnn.cli.subject import examples_of
from tinygrad_dnn.compiler.build import module_of
from tinygrad_dnn.compiler.tracing.record import record
from tinygrad_dnn.escapes import printable
from tinygrad_dnn.storage.whole_file import write_text
from tinygrad_dnn.train import Model, Settings, iteration_of, load_model, step_of

USE = """\
Use, with parameters {{"W1": ..., "b1": ..., ...}} and examples as columns:

    AL = forward(parameters, X)                       # {answers}
    cost, gradients = backward(parameters, X, Y)      # {{"W1": dW1, "b1": db1, ...}}
{step}

They are for {m} examples; the program of another number has the same lines and other buffers."""
DESCENT = """\
    cost, parameters = step(parameters, X, Y)         # W1 - {rate:g} dW1, ..."""
# {given} is what changes from step to step.
UPDATE = """\
    cost, parameters, state = step(parameters, state, X, Y{given})

The step is that of {rule}, whose state before the first one is {state}.{also}"""
ALSO = {
    "masks": 'given["masks"] are {"D1": (n_1, m), ...} of 0 and 1/keep, drawn for each step.',
    "weights": 'given["weights"] (1, m) belong to the examples.',
    "learning_rate": 'given["learning_rate"] is the learning rate, a 0-d array.',
}


def run(args: argparse.Namespace) -> int:
    """Write the module; the exit status."""
    out = check_output(args.out, ("py",))
    model = load_model(args.model)
    X, Y, _ = examples_of(model, args)
    m = args.examples or model.settings.batch_size
    text = source(model, X[:, :m], Y[:, :m], not args.literal, X.shape[1])
    write_text(out, text)
    layers = "-".join(map(str, model.settings.layer_dims))
    lines = text.count("\n")
    print(
        f"{args.model}, {layers}, for {X[:, :m].shape[1]:,} examples: forward, backward and step\n"
        f"wrote {printable(str(out))}, {lines} lines that need NumPy alone"
    )
    return DONE


def source(
    model: Model,
    X: Any,
    Y: Any,
    rewriting: bool = True,
    all_examples: int | None = None,
) -> str:
    """The module for a model and examples like X (n_x, m) and Y (n_L, m).

    Args:
        all_examples: of which these are a mini-batch; L2 is divided by their number.
    """
    settings, m = model.settings, all_examples or X.shape[1]

    def forward(parameters: Mapping[str, Any], X: Any) -> Any:
        return network.forward(X, parameters, activation=settings.activation, head=settings.head)[1]

    def backward(parameters: Mapping[str, Any], X: Any, Y: Any) -> Any:
        return value_and_grad(lambda p: settings.cost_of(X, Y, p, m=m))(parameters)

    p = dict(model.checkpoint.parameters)
    calls: list[tuple[Callable[..., Any], tuple[Any, ...]]]
    calls = [(forward, (p, X)), (backward, (p, X, Y))]
    given = _given(settings, p, X, Y)
    state = settings.rule().init(p)
    if state or given:
        extra = (given,) if given else ()
        calls.append((step_of(settings, m) if given else _without_given(settings, m),
                      (p, state, X, Y, *extra)))  # fmt: skip
    else:
        calls.append((iteration_of(settings, m), (p, X, Y)))
    recordings = [record(f, arguments, {}, rewriting) for f, arguments in calls]
    return module_of(recordings, _use(settings, X.shape[1], state, given), rewriting)


def _without_given(settings: Settings, m: int) -> Callable[..., Any]:
    whole = step_of(settings, m)

    def step(parameters: Mapping[str, Any], state: Mapping[str, Any], X: Any, Y: Any) -> Any:
        return whole(parameters, state, X, Y)

    return step


def _given(settings: Settings, parameters: Mapping[str, Any], X: Any, Y: Any) -> dict[str, Any]:
    """Examples of what changes from step to step."""
    given: dict[str, Any] = {}
    if settings.dropout:
        rng = np.random.default_rng(settings.seed)
        given["masks"] = network.dropout_masks(parameters, X.shape[1], 1 - settings.dropout, rng)
    if (weights := settings.weights_of(Y)) is not None:
        given["weights"] = weights
    if not settings.rate_is_constant:
        given["learning_rate"] = np.asarray(settings.learning_rate)
    return given


def _use(settings: Settings, m: int, state: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    answers = {"sigmoid": "probabilities", "softmax": "probabilities", "linear": "numbers"}
    if not state and not given:
        step = DESCENT.format(rate=settings.learning_rate)
    else:
        trees = [f'"{part}": zeros like the parameters' for part in state if part != "t"]
        trees += ['"t": np.zeros((), int)'] if "t" in state else []
        also = "".join(f"\n{ALSO[name]}" for name in given)
        step = UPDATE.format(
            given=", given" if given else "",
            rule=settings.optimizer,
            state=f"{{{', '.join(trees)}}}",
            also=also,
        )
    return USE.format(answers=answers[settings.head], step=step, m=m)
