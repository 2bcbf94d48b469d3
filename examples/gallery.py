"""Draw the gallery: every picture of examples/README.md.

python examples/gallery.py [FOLDER]     # default examples/pictures
"""

import sys
from pathlib import Path

import numpy as np

import viz
from tinygrad_dnn import Tensor, log, scope, sigmoid, tanh
from tinygrad_dnn.network import cost_of, dropout_masks, initialize_parameters

HERE = Path(__file__).parent / "pictures"


def network(*layers, m, seed=0):
    """The cost of the L-layer network on m random examples."""
    rng = np.random.default_rng(seed)
    X = Tensor(rng.random((layers[0], m)).round(2), name="X")
    Y = Tensor(rng.integers(0, 2, (1, m)), name="Y")
    weights = initialize_parameters(layers)
    return cost_of(X, Y, {k: Tensor(p, requires_grad=True, name=k) for k, p in weights.items()})


def neuron():
    """One neuron, with every number."""
    x = Tensor([[1.0], [2.0]], name="x")
    w = Tensor([[0.5, -0.25]], requires_grad=True, name="w")
    b = Tensor([[0.1]], requires_grad=True, name="b")
    a = sigmoid(w @ x + b)
    a.name = "a"
    a.backward(keep=True)
    return viz.draw(a, values=True)


def xor():
    """A network for XOR, every operation a node."""
    X = Tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]], name="X")
    Y = Tensor([[0.0, 1.0, 1.0, 0.0]], name="Y")
    p = {k: Tensor(v, True, k) for k, v in initialize_parameters((2, 4, 1)).items()}
    with scope("layer 1"):
        A1 = tanh(p["W1"] @ X + p["b1"])
    with scope("layer 2"):
        A2 = sigmoid(p["W2"] @ A1 + p["b2"])
    with scope("cost"):
        cost = -(Y * log(A2) + (1 - Y) * log(1 - A2)).sum() / 4
    return viz.draw(cost, names=locals())


def folded():
    """The document's network, equal layers in a row folded to one box."""
    return viz.draw(network(12288, 20, 7, 5, 1, m=209), merge=True, fold=True)


def unfolded():
    """The same, every operation a node."""
    return viz.draw(network(12288, 20, 7, 5, 1, m=209), fold=False)


def both_passes():
    """Forward and backward: dZ1 stands beside Z1."""
    return viz.draw(network(3, 4, 1, m=5), merge=True, backward=True)


def shared():
    """A parameter used twice: its gradient is the sum of two contributions."""
    w = Tensor(0.5, requires_grad=True, name="w")
    x = Tensor(2.0, name="x")
    h1 = tanh(w * x)
    h2 = tanh(w * h1)
    return viz.draw(h2, names=locals(), backward=True, values=True)


def regularized():
    """A softmax over three classes, with L2 and with dropout in layer 1."""
    rng = np.random.default_rng(0)
    weights = initialize_parameters((4, 6, 3), "he", head="softmax")
    masks = dropout_masks(weights, 5, 0.8, rng)
    X, Y = Tensor(rng.random((4, 5)), name="X"), Tensor(np.eye(3)[[0, 1, 2, 2, 0]].T, name="Y")
    parameters = {k: Tensor(p, requires_grad=True, name=k) for k, p in weights.items()}
    return viz.draw(cost_of(X, Y, parameters, "softmax", l2=0.7, masks=masks), merge=True)


def nan():
    """A NaN hunted down to the saturated sigmoid in which it began."""
    Z = Tensor([[2.0, 40.0, -3.0]], requires_grad=True, name="Z")
    Y = Tensor([[1.0, 1.0, 0.0]], name="Y")
    A = sigmoid(Z)
    with np.errstate(all="ignore"):
        cost = -(Y * log(A) + (1 - Y) * log(1 - A)).sum() / 3
        cost.backward()
    return viz.draw(cost, names=locals())


def derivation():
    """The backward pass of the document's network as formulas."""
    return viz.derive(network(12288, 20, 7, 5, 1, m=209), title="The document's network")


GALLERY = {
    f.__name__: f for f in (neuron, xor, folded, unfolded, both_passes, regularized, shared, nan)
}


def main(folder=HERE):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [viz.save(draw(), folder / f"{name}.svg") for name, draw in GALLERY.items()]
    return [*drawn, derivation().save(folder / "derivation.html")]


if __name__ == "__main__":
    for path in main(*sys.argv[1:]):
        print(f"wrote {path}")
