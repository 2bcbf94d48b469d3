"""The document's backward functions: how each is called, and what it should give."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from tinygrad_dnn.check.diagnosis import Source
from tinygrad_dnn.grading.cases import ACTIVATIONS, GUARDS, Layer, Net, layers, nets
from tinygrad_dnn.grading.function import Case, Function, Setting
from tinygrad_dnn.grading.outcome import Output, array, dictionary, several
from tinygrad_dnn.network import cross_entropy, forward


def _activation(name: str) -> Function:
    def cases() -> Iterator[Case]:
        for q in layers(name):
            yield Case({"dA": q.dA, "Z": q.values["Z"]}, q)

    def judge(case: Case, value: Any) -> list[Output]:
        q: Layer = case.truth
        context = {"dA": q.dA, **q.values, "activation": name}
        source = Source(ACTIVATIONS[name], (q.values["Z"],), 0, q.dA, ("Z",))
        dZ, size = q.back["dZ"], q.sizes["dZ"]
        return [Output("dZ", array(value), dZ, context, size, "dZ", source=source)]

    settings = (
        Setting((f"A, cache = {name}(Z)",), (name,)),
        Setting(("cache = Z",)),
    )
    return Function(f"{name}_backward", f"{name}_backward(dA, cache)", "dZ", cases, settings, judge)


RESULTS = ("dA_prev", "dW", "db")


def _linear_cases() -> Iterator[Case]:
    for q in layers("relu"):
        yield Case({"A_prev": q.A_prev, "W": q.W, "b": q.b, "dZ": q.dA}, q)


def _linear(case: Case, value: Any) -> list[Output]:
    q: Layer = case.truth
    yours = several(value, RESULTS)
    context = {
        "m": q.m, "A_prev": q.A_prev, "W": q.W, "b": q.b, "dZ": q.dA, "Z": q.values["Z"],
        "A": q.values["A"],
    }  # fmt: skip
    return _three(yours, q, context, through_activation=False)


def _three(yours: Any, q: Layer, context: dict[str, Any], through_activation: bool) -> list[Output]:
    truth = q.back if through_activation else q.back_linear
    sizes = q.sizes if through_activation else q.sizes_linear
    named = {"others": {k: truth[k] for k in RESULTS}}

    def forward(A_prev: Any, W: Any, b: Any) -> Any:
        Z = W @ A_prev + b
        return ACTIVATIONS[q.activation](Z) if through_activation else Z

    inputs, called = (q.A_prev, q.W, q.b), ("A_prev", "W", "b")
    return [
        Output(
            name,
            mine,
            truth[name],
            context | named,
            sizes[name],
            name,
            activation=q.activation if through_activation else "",
            source=Source(forward, inputs, k, q.dA, called, 1 / q.m if k else 1.0),
        )
        for k, (name, mine) in enumerate(zip(RESULTS, yours, strict=True))
    ]


def _layer_cases() -> Iterator[Case]:
    for pair in zip(layers("sigmoid"), layers("relu"), strict=True):
        for q in pair:
            given = {"A_prev": q.A_prev, "W": q.W, "b": q.b, "activation": q.activation}
            yield Case(given | {"dA": q.dA, "Z": q.values["Z"]}, q)


def _layer(case: Case, value: Any) -> list[Output]:
    q: Layer = case.truth
    yours = several(value, RESULTS)
    context = {
        "m": q.m, "A_prev": q.A_prev, "W": q.W, "b": q.b, "dA": q.dA, **q.values,
        "dZ": q.back["dZ"], "activation": q.activation,
    }  # fmt: skip
    return _three(yours, q, context, through_activation=True)


def _net_cases() -> Iterator[Case]:
    for net in nets():
        yield Case({"X": net.X, "Y": net.Y, "parameters": dict(net.parameters)}, net)


def _model(case: Case, value: Any) -> list[Output]:
    net: Net = case.truth
    L = net.L
    wanted = [f"d{k}{l}" for l in range(L, 0, -1) for k in "Wb"]
    grads = dictionary(value, wanted)
    # grads["dA2"] is the gradient with respect to A1; a later version of the course calls it dA1.
    shift = 1 if "dA0" in grads else 0
    dictionary(value, [f"dA{l - shift}" for l in range(L, 0, -1)])
    truth = {f"dA{l}": net.grads[f"dA{l - 1}"] for l in range(1, L + 1)}
    truth |= {name: net.grads[name] for name in wanted}
    layered = dict(net.values) | dict(net.parameters)
    layered |= {f"dZ{l}": net.grads[f"dZ{l}"] for l in range(1, L + 1)}
    guarded = cache(lambda: _guarded(net))
    found = []
    for l in range(L, 0, -1):
        local = {
            "m": net.m, "dZ": net.grads[f"dZ{l}"], "dA": net.grads[f"dA{l}"],
            "Z": net.values[f"Z{l}"], "A": net.values[f"A{l}"], "A_prev": net.values[f"A{l - 1}"],
            "W": net.parameters[f"W{l}"], "b": net.parameters[f"b{l}"],
            "activation": "sigmoid" if l == L else "relu",
        }  # fmt: skip
        for name, key in ((f"dW{l}", ""), (f"db{l}", ""), (f"dA{l}", f"dA{l - shift}")):
            context = {**local, **layered, "others": truth}
            slips = _starts(net, name[:2]) if l == L else _from_another(net, l, name[:2])
            context["alternatives"] = slips
            size = net.sizes[name if name[1] != "A" else f"dA{l - 1}"]

            def accepted(name: str = name) -> dict[str, Any]:
                return {words: there[name] for words, there in guarded().items()}

            source = _of_cost(net, name[1:]) if name[1] != "A" else None
            found.append(
                Output(
                    key or name, grads[key or name], truth[name], context, size,
                    f"{name[:2]} {L - l} from the last", L - l, accepted=accepted, source=source,
                )
            )  # fmt: skip
    return found


def _of_cost(net: Net, name: str) -> Source:
    """The cost as a function of the parameters, for the gradient of one."""
    names = [*net.parameters]

    def cost(*parameters: Any) -> Any:
        _, AL = forward(net.X, dict(zip(names, parameters, strict=True)))
        return cross_entropy(AL, net.Y)

    inputs = [np.asarray(p, float) for p in net.parameters.values()]
    return Source(cost, inputs, names.index(name), 1.0, names)


def _through(net: Net, l: int, dZ: Any) -> dict[str, Any]:
    """What dZ of layer l makes of dW, db and dA of the layer before."""
    A_prev, W = net.values[f"A{l - 1}"], net.parameters[f"W{l}"]
    db = dZ.sum(1, keepdims=True) / net.m
    return {"dW": dZ @ A_prev.T / net.m, "db": db, "dA": W.T @ dZ}


def _guarded(net: Net) -> dict[str, dict[str, Any]]:
    """All gradients from a dAL whose denominators have something added, by that."""
    AL, Y, L = net.values[f"A{net.L}"], net.Y, net.L
    found: dict[str, dict[str, Any]] = {}
    for e in GUARDS:
        dZ = -(Y / (AL + e) - (1 - Y) / (1 - AL + e)) * AL * (1 - AL)
        here: dict[str, Any] = {}
        for l in range(L, 0, -1):
            made = _through(net, l, dZ)
            here |= {f"{kind}{l}": x for kind, x in made.items()}
            dZ = made["dA"] * (net.values[f"Z{l - 1}"] > 0) if l > 1 else dZ
        found[f"{e:.0e} added to the denominators of dAL"] = here
    return found


def _from_another(net: Net, l: int, target: str) -> dict[str, Any]:
    """A hidden layer's gradients from another dA than that of the layer above."""
    L, Z = net.L, net.values[f"Z{l}"]
    others = {"dAL": net.grads[f"dA{L}"], "AL": net.values[f"A{L}"]}
    others |= {
        f"the dA that layer {k} passes on": net.grads[f"dA{k - 1}"]
        for k in range(L, 0, -1)
        if k - 1 != l
    }
    found = {}
    for words, dA in others.items():
        if dA.shape[0] in (1, Z.shape[0]):
            says = f"comes from {words} where the dA of the layer above is right: is dA the same "
            says += "in every pass of the loop?"
            found[says] = _through(net, l, dA * (Z > 0))[target]
    return found


def _starts(net: Net, target: str) -> dict[str, Any]:
    """The last layer's gradients from a mistaken dAL."""
    AL, Y = net.values[f"A{net.L}"], net.Y
    slope = AL * (1 - AL)
    start = "comes from dAL = {} where −(Y/AL − (1 − Y)/(1 − AL)) is right"
    mistaken = {
        "−(Y/AL + (1 − Y)/(1 − AL))": -(Y / AL + (1 - Y) / (1 - AL)) * slope,
        "−Y/AL": -Y / AL * slope,
        "(1 − Y)/(1 − AL)": (1 - Y) / (1 - AL) * slope,
        "AL − Y": (AL - Y) * slope,
        "AL": AL * slope,
        "Y": Y * slope,
        "Y − AL": (Y - AL) * slope,
        "2 (AL − Y)": 2 * (AL - Y) * slope,
        "−((1 − Y)/AL − Y/(1 − AL))": -((1 - Y) / AL - Y / (1 - AL)) * slope,
    }
    return {start.format(words): _through(net, net.L, dZ)[target] for words, dZ in mistaken.items()}


def _update_cases() -> Iterator[Case]:
    for i, net in enumerate(nets()):
        small = not any(p.dtype.kind == "f" and np.any(p % 1) for p in net.parameters.values())
        grads = {k: net.grads[k] for k in net.grads if k[1] in "Wb"}
        if small:
            draw = np.random.default_rng(i)
            some = [-2.0, -1.0, 1.0, 2.0]
            grads = {k: draw.choice(some, size=g.shape) for k, g in grads.items()}
        # The document's grads hold dA as well, and people count or look at them.
        grads |= {f"dA{l}": net.grads[f"dA{l - 1}"] for l in range(1, net.L + 1)}
        given = {"parameters": dict(net.parameters), "grads": grads}
        yield Case(given | {"learning_rate": 0.5 if small else 0.0075}, net)


def _update(case: Case, value: Any) -> list[Output]:
    parameters, grads = case.given["parameters"], case.given["grads"]
    rate = case.given["learning_rate"]
    new = dictionary(value, list(parameters))
    L = len(parameters) // 2
    found = []
    for name, p in parameters.items():
        g = grads[f"d{name}"]
        l = int(name[1:])
        others = {
            f"takes the gradient of the {which} layer: is it a layer off by one?": grads[near]
            for which, near in (("previous", f"d{name[0]}{l - 1}"), ("next", f"d{name[0]}{l + 1}"))
            if near in grads and grads[near].shape == p.shape
        }
        slips = {words: p - rate * other for words, other in others.items()} | {
            "has the gradient added: it is subtracted": p + rate * g,
            "lacks the learning rate": p - g,
            "lacks the learning rate, and the gradient is added": p + g,
            _not_updated(l == L and L > 1): p,
            "is the step alone: is it to be subtracted from the old value?": rate * g,
            "is the negative step, without the old value": -rate * g,
            "is updated twice": p - 2 * rate * g,
            "has the learning rate twice": p - rate * rate * g,
            "is divided by the learning rate": p - g / rate,
            "takes its own value for the gradient": p - rate * p,
            "is rate · (old value − gradient)": rate * (p - g),
        }
        if name[0] == "b":
            slips["has dW in place of db"] = p - rate * grads[f"dW{l}"]
        where = "the last layer" if l == L else "hidden layers"
        context = {"learning_rate": rate, "alternatives": slips}
        size = np.abs(p) + rate * np.abs(g)
        truth = p - rate * g
        found.append(Output(name, new[name], truth, context, size, f"{name[0]} of {where}"))
    return found


def _not_updated(last: bool) -> str:
    return f"is not updated{': does the loop end a layer too early?' if last else ''}"


OWN_NET = Setting(("AL, caches = L_model_forward(X, parameters)",), ("L_model_forward",))
BACKWARD = (
    _activation("sigmoid"),
    _activation("relu"),
    Function(
        "linear_backward", "linear_backward(dZ, cache)", "dA_prev, dW, db", _linear_cases,
        (Setting(("Z, cache = linear_forward(A_prev, W, b)",), ("linear_forward",)),
         Setting(("cache = (A_prev, W, b)",))), _linear,
    ),
    Function(
        "linear_activation_backward", "linear_activation_backward(dA, cache, activation)",
        "dA_prev, dW, db", _layer_cases,
        (Setting(("A, cache = linear_activation_forward(A_prev, W, b, activation)",),
                 ("linear_activation_forward",)),
         Setting(("cache = ((A_prev, W, b), Z)",))), _layer,
    ),
    Function(
        "L_model_backward", "L_model_backward(AL, Y, caches)", "grads", _net_cases,
        (OWN_NET, Setting(("AL, caches = textbook.L_model_forward(X, parameters)",))), _model,
    ),
    Function(
        "update_parameters", "update_parameters(parameters, grads, learning_rate)", "parameters",
        _update_cases, (Setting(),), _update, may_change=("parameters",),
    ),
)  # fmt: skip
