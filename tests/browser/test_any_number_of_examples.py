"""A page's program for any number of examples: printed for three, and right for others."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import Any

import numpy as np
from printed_programs import RUN, packed

from tinygrad_dnn import Tensor, exp, log, log_softmax, mean, relu, softmax, tanh
from tinygrad_dnn.autodiff.retrace import backward_again, forward_again
from tinygrad_dnn.graph import trace
from viz.explorer.examples import Examples
from viz.explorer.many import Many

M, OTHER = 6, 11

EXPRESSIONS: dict[str, Callable[[Any, Any], Any]] = {
    "a mean over rows and examples": lambda Z, Y: mean((Z - Y) ** 2),
    "means of rows": lambda Z, Y: ((Z - Y) ** 2).mean(axis=1).sum(),
    "sums over m written as a number": lambda Z, Y: ((Z - Y) ** 2).sum() / M,
    "a half of that": lambda Z, Y: (relu(Z) * Y).sum() / (2 * Y.shape[1]),
    "log softmax": lambda Z, Y: -mean((Y * log_softmax(Z, axis=0)).sum(axis=0)),
    "a variance": lambda Z, Y: Z.var() + (Z.std(axis=1) * 2).sum() + mean(Y * 0),
    "a norm of the batch": lambda Z, Y: mean(
        ((Z - Z.mean(axis=1, keepdims=True)) / np.sqrt(Z.var(axis=1, keepdims=True) + 0.1) - Y) ** 2
    ),
    "the largest": lambda Z, Y: Z.max() + Z.max(axis=1).sum() + mean(tanh(Y * Z)),
    "joined": lambda Z, Y: mean(np.concatenate([Z, Y * Z, Z[:1]]) ** 2),
    "products": lambda Z, Y: (Z @ Y.T / M).sum() + mean(np.einsum("km,km->m", Z, Y)),
    "a mixture": lambda Z, Y: -mean(log((softmax(Z, axis=0) * exp(-(Y**2))).sum(axis=0))),
    "in rows": lambda Z, Y: mean((Z.T.reshape(-1, 3) - Y.T) ** 2),
}  # fmt: skip


def recorded(expression: Callable[[Any, Any], Any]) -> tuple[Examples, Tensor]:
    rng = np.random.default_rng(5)
    X, Y = Tensor(rng.normal(size=(2, M)), name="X"), Tensor(rng.normal(size=(3, M)), name="Y")
    W = Tensor(rng.normal(size=(3, 2)), requires_grad=True, name="W")
    cost = expression(W @ X, Y)
    return Examples(trace([cost.node]), X.node, Y.node), cost


def test_costs_and_gradients_are_right_for_other_numbers_of_examples(
    open_page: Any, tmp_path: Any
) -> None:
    programs: list[dict[str, Any]] = []
    expected = []
    for name, expression in EXPRESSIONS.items():
        examples, cost = recorded(expression)
        forward = forward_again(trace([cost.node]))
        again = dict(zip(examples.graph, forward.graph, strict=True))
        many = Many(forward, backward_again(forward), {}, examples)
        inputs = many.inputs()
        for m in (M, OTHER):
            there = examples.recorded(m)
            backward = backward_again(there)
            values = {x: t.numpy() for x, t in zip(examples.graph, there.tensors, strict=True)}
            slopes = dict(zip(there.graph, examples.graph, strict=True))
            (W,) = (x for x in examples.graph.leaves if x.requires_grad)
            slope = next(g for x, g in backward.gradients.items() if slopes[x] is W)
            wanted = [
                many.place(again[cost.node]),
                many.place(many.backward.gradients[again[W]].node),
            ]
            constants = many.constants()
            fills = "".join(
                f"p.memory.{k}.fill({x[0]} * m ** {x[1]});"
                for k, x in constants.items()
                if not isinstance(x, str)
            )
            constants = {k: x for k, x in constants.items() if isinstance(x, str)}
            given = {inputs[again[x]]: packed(values[x]) for x in examples.graph.leaves}
            source = f"((m) => {{ const p = {many.source}; {fills} return p; }})({m})"
            programs.append({"source": source, "given": given | constants, "wanted": wanted})
            expected.append((name, m, [values[cost.node], slope.numpy()]))
    blank = tmp_path / "blank.html"
    blank.write_text("<!doctype html><title>programs</title>")
    answers = open_page(blank).evaluate(RUN, programs)
    for (name, m, arrays), texts in zip(expected, answers, strict=True):
        for x, text in zip(arrays, texts, strict=True):
            ours = np.frombuffer(b64decode(text)).reshape(x.shape)
            np.testing.assert_allclose(ours, x, rtol=1e-12, err_msg=f"{name}, m = {m}")
