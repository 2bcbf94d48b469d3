"""Ops with a planted fault, and awkward functions whose gradients are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_dnn as tg
from tinygrad_dnn import Op
from tinygrad_dnn.check import faults

RNG = np.random.default_rng(1)
X = RNG.normal(size=(3, 4))
P = np.abs(X) + 0.5
S = RNG.normal(size=(4, 4))
F32 = X.astype(np.float32)
HOLED = np.where(X > 0.5, np.nan, X)


def unary(forward: Callable[..., Any], vjp: Any, **traits: Any) -> Op:
    def f(x, /):
        return forward(x)

    return Op(f, "f({x})", vjp, name="planted", **traits)


def binary(forward: Callable[..., Any], vjp: Any, **traits: Any) -> Op:
    def f(x, y, /):
        return forward(x, y)

    return Op(f, "f({x}, {y})", vjp, name="planted", **traits)


def square_with(rule: Any, **traits: Any) -> Op:
    return unary(lambda x: x**2, rule, **traits)


def _changes_g(g, x):
    g *= 2 * x
    return g


def _changes_x(g, x):
    gx = g * 2 * x
    x += 1
    return gx


def _one_element(g, x):
    gx = np.array(g * 2 * x)
    gx.flat[-1] *= 1.001
    return gx


class Stale:
    """A forward that remembers its first argument, and a rule that reads it there."""

    def __init__(self) -> None:
        self.x = None

    def forward(self, x):
        if self.x is None:
            self.x = x.copy()
        return x**2


def _stale() -> Op:
    memory = Stale()
    memory.forward(X + 1)
    return unary(memory.forward, lambda g: g * 2 * memory.x)


def _mutating(x):
    if x.flags.writeable:
        x += 1
        return x.copy()
    return x + 1


Planted = tuple[Callable[[], Any], tuple[Any, ...], str]

# name: (the function, its inputs, the kind of fault)
FAULTS: dict[str, Planted] = {
    "factor 1 + 1e-4": (
        lambda: square_with(lambda g, x: g * 2 * x * 1.0001),
        (X,),
        faults.WRONG_RULE,
    ),
    "factor 1 + 1e-6": (
        lambda: square_with(lambda g, x: g * 2 * x * (1 + 1e-6)),
        (X,),
        faults.WRONG_RULE,
    ),
    "factor 1 + 1e-10": (
        lambda: square_with(lambda g, x: g * 2 * x * (1 + 1e-10)),
        (X,),
        faults.WRONG_RULE,
    ),
    "factor 1 + 1e-4, float32": (
        lambda: square_with(lambda g, x: g * 2 * x * 1.0001),
        (F32,),
        faults.WRONG_RULE,
    ),
    "factor 1 + 1e-6, float32": (
        lambda: square_with(lambda g, x: g * 2 * x * (1 + 1e-6)),
        (F32,),
        faults.WRONG_RULE,
    ),
    "float32 alone": (
        lambda: square_with(
            lambda g, x: g * 2 * x * np.float32(1.001 if x.dtype == np.float32 else 1)
        ),
        (F32,),
        faults.WRONG_RULE,
    ),
    "float64 alone": (
        lambda: square_with(lambda g, x: g * 2 * x * (1.001 if x.dtype == np.float64 else 1)),
        (X,),
        faults.WRONG_RULE,
    ),
    "computed in float32": (
        lambda: square_with(lambda g, x: (g * 2 * x).astype(np.float32)),
        (X,),
        faults.WRONG_RULE,
    ),
    "sign": (lambda: unary(np.sin, lambda g, x: -g * np.cos(x)), (X,), faults.WRONG_RULE),
    "no factor 2": (lambda: square_with(lambda g, x: g * x), (X,), faults.WRONG_RULE),
    "wrong for negative x": (
        lambda: square_with(lambda g, x: g * 2 * abs(x)),
        (X,),
        faults.WRONG_RULE,
    ),
    "integer power": (
        lambda: unary(lambda x: x**3, lambda g, x: g * 3 * abs(x) * x),
        (X,),
        faults.WRONG_RULE,
    ),
    "one element": (lambda: square_with(_one_element), (X,), faults.WRONG_RULE),
    "transposed square matrix": (
        lambda: binary(np.matmul, (lambda g, y: g @ y, lambda g, x: x.T @ g)),
        (S, S + 1),
        faults.WRONG_RULE,
    ),
    "swapped factors": (
        lambda: binary(lambda x, y: x * y, (lambda g, x: g * x, lambda g, y: g * y)),
        (P, P + 1),
        faults.WRONG_RULE,
    ),
    "swapped quotient": (
        lambda: binary(lambda x, y: x / y, (lambda g, x, y: -g * x / y**2, lambda g, y: g / y)),
        (P, P + 1),
        faults.WRONG_RULE,
    ),
    "wrong axis": (
        lambda: unary(
            lambda x: np.sum(x, axis=0),
            lambda g, x_shape: np.broadcast_to(np.reshape(g, (-1, 1)), x_shape),
        ),
        (S,),
        faults.WRONG_RULE,
    ),
    "mean without 1/n": (
        lambda: unary(np.mean, lambda g, x_shape: np.broadcast_to(g, x_shape)),
        (X,),
        faults.WRONG_RULE,
    ),
    "max to all": (
        lambda: unary(np.max, lambda g, x_shape: np.broadcast_to(g, x_shape)),
        (X,),
        faults.WRONG_RULE,
    ),
    "softmax without its sum": (
        lambda: unary(
            lambda x: np.exp(x) / np.sum(np.exp(x), -1, keepdims=True), lambda g, z: g * z * (1 - z)
        ),
        (X,),
        faults.WRONG_RULE,
    ),
    "threshold at −0.5": (
        lambda: unary(lambda x: np.maximum(x, 0), lambda g, x: g * (x > -0.5)),
        (X - 0.4,),
        faults.WRONG_RULE,
    ),
    "|x| x as x²": (
        lambda: unary(lambda x: np.abs(x) * x, lambda g, x: 2 * g * x),
        (X,),
        faults.WRONG_RULE,
    ),
    "a small |x| dropped": (
        lambda: unary(lambda x: x + 1e-7 * np.abs(x), lambda g: g),
        (X,),
        faults.WRONG_RULE,
    ),
    "a small real part dropped": (
        lambda: unary(lambda x: np.exp(x) + 1e-6 * np.real(x), lambda g, z: g * z),
        (X,),
        faults.WRONG_RULE,
    ),
    "forward constant": (lambda: unary(np.ones_like, lambda g: g), (X,), faults.WRONG_RULE),
    "zeros": (lambda: square_with(lambda g: np.zeros_like(g)), (X,), faults.WRONG_RULE),
    "None": (lambda: square_with(lambda g: None), (X,), faults.WRONG_RULE),
    "no rule": (
        lambda: binary(lambda x, y: x * y, (lambda g, y: g * y, None)),
        (X, P),
        faults.MISSING_RULE,
    ),
    "scale 1e-8": (
        lambda: unary(lambda x: 1e-8 * x**2, lambda g, x: g * 1e-8 * x),
        (X,),
        faults.WRONG_RULE,
    ),
    "scale 1e-30": (
        lambda: unary(lambda x: 1e-30 * x**2, lambda g, x: g * 1e-30 * x),
        (X,),
        faults.WRONG_RULE,
    ),
    "inputs of 1e-12": (lambda: square_with(lambda g, x: g * x), (X * 1e-12,), faults.WRONG_RULE),
    "beside 1e8": (lambda: unary(lambda x: x + 1e8, lambda g: g * 1.0001), (X,), faults.WRONG_RULE),
    "NaN elsewhere": (
        lambda: square_with(lambda g, x: g * 2 * x * (1.5 if np.isnan(x).any() else 1)),
        (HOLED,),
        faults.WRONG_RULE,
    ),
    "without g": (lambda: unary(np.sin, lambda g, x: np.cos(x)), (X,), faults.NOT_LINEAR),
    "weight decay": (
        lambda: square_with(lambda g, x: g * 2 * x + 0.01 * x),
        (X,),
        faults.NOT_LINEAR,
    ),
    "g squared": (lambda: square_with(lambda g, x: g * g * 2 * x), (X,), faults.NOT_LINEAR),
    "|g|": (lambda: square_with(lambda g, x: abs(g) * 2 * x), (X,), faults.NOT_LINEAR),
    "clipped g": (
        lambda: square_with(lambda g, x: np.clip(g, -1, 1) * 2 * x),
        (X,),
        faults.NOT_LINEAR,
    ),
    "axis lost": (
        lambda: unary(
            lambda x: np.sum(x, axis=1, keepdims=True), lambda g, x: (g * np.ones_like(x)).T
        ),
        (X,),
        faults.WRONG_SHAPE,
    ),
    "raises": (lambda: square_with(lambda g, x: g.nowhere), (X,), faults.RAISED),
    "random": (
        lambda: square_with(lambda g, x: g * 2 * x * (1 + 1e-9 * np.random.default_rng().random())),
        (X,),
        faults.RULE_VARIES,
    ),
    "changes g": (lambda: square_with(_changes_g), (X,), faults.MUTATED),
    "changes x": (lambda: square_with(_changes_x), (X,), faults.MUTATED),
    "forward changes x": (lambda: unary(_mutating, lambda g: g), (X,), faults.MUTATED),
    "forward random": (
        lambda: unary(lambda x: x**2 + np.random.default_rng().random(), lambda g, x: g * 2 * x),
        (X,),
        faults.FORWARD_VARIES,
    ),
    "stale memory": (_stale, (X,), faults.WRONG_RULE),
    ".data taken out": (lambda: lambda x: (x * x.data).sum(), (X,), faults.NOT_RECORDED),
    ".item() taken out": (lambda: lambda x: x * x.sum().item(), (X,), faults.NOT_RECORDED),
    "detached": (lambda: lambda x: x * np.tanh(x).detach(), (X,), faults.NOT_RECORDED),
    "one of two taken out": (lambda: lambda x, y: x * y.data + y, (X, P), faults.NOT_RECORDED),
    "input changed by f": (
        lambda: lambda x: (x.data.__iadd__(1), (x * x).sum())[1],
        (X,),
        faults.MUTATED,
    ),
}


def _deep(x):
    for _ in range(30):
        x = np.tanh(x) * np.float32(1.1) + x * x * np.float32(0.1)
    return x


RIGHT: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "x² at 0": (lambda x: x**2, (np.zeros(3),)),
    "x³ at 0": (lambda x: x**3, (np.zeros(3),)),
    "relu at 0": (tg.relu, (np.array([0.0, 1, -1]),)),
    "√ near 0": (np.sqrt, (np.array([1e-12, 1e-30, 1.0]),)),
    "√ at 0": (np.sqrt, (np.array([0.0, 1.0]),)),
    "log near 0": (np.log, (np.array([1e-300, 1e-12, 1.0]),)),
    "|x|³ at 0": (lambda x: np.abs(x) ** 3, (np.array([0.0, 1e-3, -2]),)),
    "|x| x": (unary(lambda x: np.abs(x) * x, lambda g, x: 2 * g * np.abs(x)), (X,)),
    "|x| x, elementwise": (
        unary(lambda x: np.abs(x) * x, lambda g, x: 2 * g * np.abs(x), elementwise=True),
        (X,),
    ),
    "a real part": (unary(lambda x: np.exp(np.real(x)), lambda g, z: g * z), (X,)),
    "exp(50 x)": (lambda x: np.exp(50 * x), (X,)),
    "exp(50 x), differences": (
        unary(lambda x: np.exp(50 * x), lambda g, z: g * 50 * z, analytic=False),
        (X,),
    ),
    "sin(1e4 x)": (lambda x: np.sin(1e4 * x), (X,)),
    "sin(1e4 x), differences": (
        unary(lambda x: np.sin(1e4 * x), lambda g, x: g * 1e4 * np.cos(1e4 * x), analytic=False),
        (X,),
    ),
    "1e-12": (lambda x: (x * x).sum(), (X * 1e-12,)),
    "1e12": (lambda x: (np.tanh(x) * x * x).sum(), (X * 1e12,)),
    "1e150": (lambda x: (x * x).sum(), (X * 1e150,)),
    "1e-200": (lambda x: (x * x).sum(), (X * 1e-200,)),
    "result of 1e-12": (lambda x: (x * 1e-12).sum(), (X,)),
    "float32, deep": (_deep, (F32,)),
    "float32 product": (np.matmul, (F32, S.astype(np.float32))),
    "float16": (lambda x: (x * x).sum(), (X.astype(np.float16),)),
    "longdouble": (lambda x: (x * x).sum(), (X.astype(np.longdouble),)),
    "log1p near 0": (np.log1p, (X * 1e-10,)),
    "expm1 near 0": (np.expm1, (X * 1e-10,)),
    "softmax": (tg.softmax, (X,)),
    "softmax saturated": (tg.softmax, (X * 100,)),
    "log of softmax": (lambda x: np.log(tg.softmax(x)).sum(), (X * 10,)),
    "log_softmax": (tg.log_softmax, (X * 300,)),
    "logsumexp": (tg.logsumexp, (X * 300,)),
    "logaddexp": (np.logaddexp, (X * 100, -X)),
    "sigmoid saturated": (tg.sigmoid, (X * 40,)),
    "sigmoid at ±1000": (tg.sigmoid, (X * 1000,)),
    "softplus": (tg.softplus, (X * 40,)),
    "tanh saturated": (np.tanh, (X * 30,)),
    "ties in max": (np.max, (np.array([1.0, 1, 0, -1]),)),
    "ties in maximum": (np.maximum, (np.array([1.0, 2, 0]), np.array([1.0, 0, 1]))),
    "NaN in the branch not taken": (lambda x: np.where(x > 0, np.sqrt(x), 0.0), (X,)),
    "NaN among the inputs": (np.sin, (HOLED,)),
    "empty": (lambda x: (x * x).sum(), (np.zeros((0, 3)),)),
    "0-d": (np.sin, (np.array(0.3),)),
    "a Python float": (np.sin, (0.3,)),
    "whole numbers as data": (lambda x, i: x[i], (X, np.array([0, 2, 2]))),
    "(1,) against (3, 4)": (lambda x, y: (x * y + x).sum(), (np.ones(1), X)),
    "1e16 − 1e16": (lambda x: ((x + 1e16) - 1e16) * x, (X,)),
    "x − y at 1e16": (np.subtract, (X + 1e16, X + 1e16)),
    "var of large numbers": (np.var, (X + 1e8,)),
    "a large sum": (np.sum, (np.linspace(-1e10, 1e10, 30),)),
    "product with a 0": (np.prod, (np.array([0.0, 2, 3]),)),
    "x to the y": (np.power, (P, X)),
    "arcsin at its edge": (np.arcsin, (np.array([0.999999999, -0.5]),)),
    "arctan2": (np.arctan2, (X, P)),
    "sign": (np.sign, (X,)),
    "floor": (lambda x: np.floor(x) * x, (X * 3,)),
    "clip": (lambda x: np.clip(x, -0.5, 0.7), (X,)),
    "stop_gradient": (lambda x: x * tg.stop_gradient(x), (X,)),
    "cast down": (lambda x: np.sin(x.astype(np.float32)), (X,)),
    "cast up": (lambda x: np.sin(x.astype(np.float64)), (F32,)),
    "dicts and lists": (lambda p: (p["a"] * p["b"][0]).sum(), ({"a": X, "b": [P]},)),
    "several outputs": (lambda x: {"y": x * x, "z": [np.sin(x)]}, (X,)),
    "an input that is not used": (lambda x, y: x * 2, (X, P)),
    "inverse, in float64 alone": (unary(np.linalg.inv, lambda g, z: -z.T @ g @ z.T), (S,)),
    "determinant": (unary(np.linalg.det, lambda g, z, x: g * z * np.linalg.inv(x).T), (S,)),
    "a rule that cancels": (
        unary(lambda x: np.exp(x) - 1 - x, lambda g, x: g * (np.exp(x) - 1)),
        (X * 1e-5,),
    ),
}

V = RNG.normal(size=4)
SPREAD = np.array([1e-20, 1.0, 1e20, 1e5])
LONG_SPREAD = 10.0 ** np.linspace(-20, 20, 300)
LONG = RNG.normal(size=300)
HOLES = np.where(RNG.random((20, 20)) < 0.3, 0, RNG.normal(size=(20, 20)))
ROWS = np.round(RNG.normal(size=(30, 20)), 1)
EDGES = np.array([0.0, 6.0, 3.0, -1.0, 7.0])


def _huber(x):
    return np.where(np.abs(x) < 1, 0.5 * x * x, np.abs(x) - 0.5)


def _winners(g, x):
    hit = x == np.max(x, axis=1, keepdims=True)
    return g[:, None] * hit / np.sum(hit, axis=1, keepdims=True)


FAULTS |= {
    "a mean left out": (
        lambda: unary(lambda x: x - np.mean(x), lambda g: g, elementwise=True),
        (X,),
        faults.WRONG_RULE,
    ),
    "sorted": (lambda: unary(np.sort, lambda g: g), (V,), faults.WRONG_RULE),
    "cumsum forwards": (lambda: unary(np.cumsum, lambda g: np.cumsum(g)), (V,), faults.WRONG_RULE),
    "batch statistics frozen": (
        lambda: unary(lambda x: (x - x.mean(0)) / x.std(0), lambda g, x: g / x.std(0)),
        (X,),
        faults.WRONG_RULE,
    ),
    "inverse not transposed": (
        lambda: unary(np.linalg.inv, lambda g, z: -z @ g @ z),
        (S,),
        faults.WRONG_RULE,
    ),
    "threshold at 1e-6": (
        lambda: unary(lambda x: np.maximum(x, 0), lambda g, x: g * (x > 1e-6)),
        (np.array([5e-7, 1, -1.0]),),
        faults.WRONG_RULE,
    ),
    "wrong beyond 3": (
        lambda: square_with(lambda g, x: g * 2 * np.clip(x, -3, 3)),
        (np.array([1.0, 3.5]),),
        faults.WRONG_RULE,
    ),
    "1e-20 beside 1e20": (
        lambda: unary(
            lambda x: np.sum(x * SPREAD), lambda g: g * np.where(SPREAD < 1, 2, 1) * SPREAD
        ),
        (V,),
        faults.WRONG_RULE,
    ),
    "1e-20 beside 1e20, 300 elements": (
        lambda: unary(
            lambda x: np.sum(x * LONG_SPREAD),
            lambda g: g * np.where(np.arange(300) == 0, 2, 1) * LONG_SPREAD,
        ),
        (LONG,),
        faults.WRONG_RULE,
    ),
    "beside many corners": (
        lambda: unary(
            lambda x: np.maximum(x, 0) @ np.ones((20, 3)),
            lambda g, x: g @ np.ones((3, 20)) * (x > -0.5),
        ),
        (HOLES,),
        faults.WRONG_RULE,
    ),
}


RIGHT |= {
    "a mean declared elementwise": (
        unary(lambda x: x - np.mean(x), lambda g: g - np.mean(g), elementwise=True),
        (X,),
    ),
    "sort": (unary(np.sort, lambda g, x: g[np.argsort(np.argsort(x))]), (V,)),
    "norm": (unary(lambda x: np.sqrt(np.sum(x * x)), lambda g, z, x: g * x / z), (V,)),
    "singular values": (
        unary(
            lambda x: np.linalg.svd(x, compute_uv=False),
            lambda g, x: (lambda u, s, vt: (u * g) @ vt)(*np.linalg.svd(x)),
        ),
        (S,),
    ),
    "one number at a time": (
        unary(lambda x: np.array([float(v) ** 2 for v in x]), lambda g, x: 2 * g * x),
        (V,),
    ),
    "Huber at its joint": (
        unary(_huber, lambda g, x: g * np.clip(x, -1, 1)),
        (np.array([0.5, -3, 1.0, 2]),),
    ),
    "relu6 at its edges": (
        unary(lambda x: np.clip(x, 0, 6), lambda g, x: g * ((x > 0) & (x < 6))),
        (EDGES,),
    ),
    "relu 5e-15 from its corner": (
        unary(lambda x: np.maximum(x, 0), lambda g, x: g * (x > 0)),
        (np.array([5e-15, 1, -1e-15]),),
    ),
    "many corners": (
        unary(
            lambda x: np.maximum(x, 0) @ np.ones((20, 3)),
            lambda g, x: g @ np.ones((3, 20)) * (x > 0),
        ),
        (HOLES,),
    ),
    "many ties": (unary(lambda x: np.max(x, axis=1), _winners), (ROWS,)),
    "1e-20 beside 1e20": (unary(lambda x: np.sum(x * SPREAD), lambda g: g * SPREAD), (V,)),
    "exp(x) − 1 − x at 1e-8": (
        unary(lambda x: np.exp(x) - 1 - x, lambda g, x: g * np.expm1(x)),
        (V * 1e-8,),
    ),
    "(x − 1)³ written out": (
        unary(lambda x: x**3 - 3 * x**2 + 3 * x - 1, lambda g, x: g * (3 * x**2 - 6 * x + 3)),
        (1 + V * 1e-3,),
    ),
    "1 − tanh²": (unary(np.tanh, lambda g, z: g * (1 - z * z)), (V * 20,)),
    "a shift that cancels": (
        lambda x: np.log(np.sum(np.exp(x - x.data.max()))) + x.data.max(),
        (V,),
    ),
    "a branch on a value": (lambda x: x * 2 if x.data[0] > 0 else x * 3, (V,)),
    "overflow": (lambda x: np.exp(x * 1e3), (V,)),
    "a pole nearby": (np.tan, (np.array([1.5707]),)),
    "var in float32": (np.var, (F32 + 1000,)),
}

UNDECIDED: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "relu at 0 alone": (tg.relu, (np.zeros(3),)),
    "std of equal numbers": (np.std, (np.array([3.0, 3.0]),)),
    "NaN alone": (np.sin, (np.full(3, np.nan),)),
    "random function": (lambda x: x * np.random.default_rng().random(), (X,)),
    "computed in float32": (
        unary(lambda x: (x.astype(np.float32) ** 2).astype(x.dtype), lambda g, x: 2 * g * x),
        (V,),
    ),
}

# Right, but of terms that cancel so far that floats of 64 bits alone can't tell.
NEEDS_WIDER = ("a rule that cancels", "exp(x) − 1 − x at 1e-8")
