"""A module of one's own for the tests of `draw` and `explore`, and the pictures they leave."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from commands import DONE, call

NET = """\
from __future__ import annotations
from dataclasses import dataclass
from functools import wraps
import numpy as np
from tinygrad_dnn import Tensor, log, relu, scope, stop_gradient

X = Tensor(np.ones((3, 2)))
W1 = Tensor(np.full((4, 3), 0.5), requires_grad=True)
unused = Tensor([1.0])

def hidden():
    with scope("layer 1"):
        Z1 = W1 @ X
        A1 = relu(Z1)
    return A1

def cost():
    with scope("layer 1"):
        Z1 = W1 @ X
        A1 = relu(Z1)
    with scope("layer 2"):
        J = (A1 * A1).sum()
    return J

def several():
    return hidden(), W1 * 2

def by_name():
    return {"first": W1 * 2, "second": W1 + 1}

def broken():
    Z1 = W1 * 0.0
    return (log(Z1) + stop_gradient(W1)).sum()

def trained():
    J = (W1 * W1).sum()
    J.backward()
    W1.data -= W1.grad
    return J

def zeroed():
    J = (W1 * W1).sum()
    J.backward()
    W1.zero_grad()
    return J

def weighted():
    J = (W1 * 2.0).sum()
    J.backward(np.array(5.0), keep=True)
    return J

def dead():
    return relu(W1 - 9.0).sum()

def deep():
    y = W1
    for _ in range(200):
        y = y * 1.0
    return y

def decorate(f):
    @wraps(f)
    def decorated(*args, **kwargs):
        return f(*args, **kwargs)
    return decorated

@decorate
def dressed(*args, **kwargs):
    Q = W1 * 4
    return Q

@dataclass
class Settings:
    rate: float = 1.0

class Model:
    @staticmethod
    def loss(scale=2.0):
        return (W1 * scale).sum()

value = W1 * 3
"""


def enter(folder: Path, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder with the model, its data and mynet.py, which no test has imported yet."""
    for path in trained.glob("*.h5"):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "mynet.py").write_text(NET, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.delitem(sys.modules, "mynet", raising=False)


def drawn(*words: object) -> str:
    """The DOT text that `draw` writes."""
    assert call("draw", *words, "--out", "drawn.dot") == DONE
    return Path("drawn.dot").read_text(encoding="utf-8")


def labels(dot: str) -> list[str]:
    """The first line of each box."""
    return re.findall(r"label=<<TABLE[^>]*><TR><TD>([^<]*)</TD>", dot)
