"""What the tests of derivations share: the document's network, its formulas, lines and values."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np

from tinygrad_dnn import Tensor, network
from tinygrad_dnn.autodiff.evaluate import replay
from tinygrad_dnn.autodiff.tensor import handle as handle_of
from viz.derivation.derivation import Derivation

M = 6
SIZES = {L: (*(4, 5, 3, 6, 2)[:L], 1) for L in range(1, 6)}


def net(L: int, cost: str = "document", m: int = M) -> tuple[Tensor, dict[str, Any], Any, Any]:
    """The document's network with L layers: its cost, parameters, X and Y."""
    rng = np.random.default_rng(L)
    parameters = network.initialize_parameters(SIZES[L])
    X, Y = rng.normal(size=(4, m)), rng.integers(0, 2, (1, m)).astype(float)
    held = {name: Tensor(p, requires_grad=True, name=name) for name, p in parameters.items()}
    result = network.cost_of(Tensor(X, name="X"), Tensor(Y, name="Y"), held, cost)
    return result, parameters, X, Y


def lines(derived: Derivation) -> dict[str, str]:
    return {line.name: line.text.plain for line in derived.lines}


def value(line: Any) -> Any:
    return replay([line.result])[line.result]


def handle(node: Any) -> Tensor:
    return handle_of(node)


def the_documents(L: int) -> dict[str, str]:
    """Its formulas, in its order and its convention, written down from its listings:

    dAL = −(Y/AL − (1 − Y)/(1 − AL)); of a sigmoid dZ = dA s (1 − s), which is AL − Y; of a relu dZ
    is dA where Z > 0; dW = 1/m dZ A_prevᵀ, db = 1/m Σ dZ, dA_prev = Wᵀ dZ.
    """
    told = {f"dA{L}": f"(1 − Y) / (1 − A{L}) − Y / A{L}"}
    for l in range(L, 0, -1):
        told[f"dZ{l}"] = f"A{L} − Y" if l == L else f"dA{l} ⊙ 1[Z{l} > 0]"
        told[f"dW{l}"] = f"1/m · dZ{l} {f'A{l - 1}' if l > 1 else 'X'}ᵀ"
        told[f"db{l}"] = f"1/m · Σ dZ{l}"
        if l > 1:
            told[f"dA{l - 1}"] = f"W{l}ᵀ dZ{l}"
    return told


def balanced(text: str) -> bool:
    """Whether every brace and every \\left of a piece of LaTeX is closed."""
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    return depth == 0 and text.count(r"\left") == text.count(r"\right")


def well_formed(mathml: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<math>{mathml}</math>")
