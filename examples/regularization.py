"""A network that is too large for its examples, with L2 and dropout and without.

python examples/regularization.py   # compares them, draws the cost into regularized.svg
"""

import sys

import numpy as np

import viz
from tinygrad_dnn import Tensor, compile, metrics, optim, value_and_grad
from tinygrad_dnn.data import default_dataset, split
from tinygrad_dnn.network import cost_of, dropout_masks, forward, initialize_parameters

LAYERS = (64, 100, 50, 10)
KEEP, L2 = 0.7, 1.5
RULE = optim.adam()


def digits():
    """100 digits to learn from, as many of each, and those to be tested on."""
    with default_dataset("train", labels="digit") as data:
        X, Y = data.columns(), data.labels(binary=False)
    with default_dataset("test", labels="digit") as data:
        X_test, Y_test = data.columns(), data.labels(binary=False)
    _, _, X, Y = split(X, Y, 100 / X.shape[1], np.random.default_rng(0))
    return X, Y, X_test, Y_test


def train(X, Y, l2=0.0, keep=1.0, steps=300):
    """The parameters after `steps` of Adam on all examples; masks are drawn anew for each step."""

    @compile(reuse_outputs=True)
    def step(parameters, state, masks):
        cost = value_and_grad(lambda p: cost_of(X, Y, p, "softmax", l2=l2, masks=masks))
        value, grads = cost(parameters)
        return value, *RULE.update(parameters, grads, state, 0.003)

    rng = np.random.default_rng(1)
    parameters = initialize_parameters(LAYERS, "he", head="softmax")
    state = RULE.init(parameters)
    for _ in range(steps):
        masks = dropout_masks(parameters, X.shape[1], keep, rng) if keep < 1 else None
        _, parameters, state = step(parameters, state, masks)
    return parameters


def measure(X, Y, parameters):
    """Cost and accuracy, with every unit and without the penalty."""
    _, A = forward(X, parameters, head="softmax")
    right = metrics.accuracy(Y, A.data.argmax(axis=0).reshape(1, -1))
    return cost_of(X, Y, parameters, "softmax").item(), right


def draw(X, Y, picture):
    """The regularized cost as a picture, and its gradients as formulas."""
    parameters = initialize_parameters((64, 5, 10), head="softmax")
    leaves = {name: Tensor(p, requires_grad=True, name=name) for name, p in parameters.items()}
    masks = dropout_masks(parameters, X.shape[1], KEEP, np.random.default_rng(0))
    cost = cost_of(X, Tensor(np.eye(10)[Y[0]].T, name="Y"), leaves, "softmax", l2=L2, masks=masks)
    print(viz.derive(cost))
    print(f"wrote {viz.save(viz.draw(cost, merge=True), picture)}")


def main(picture="regularized.svg"):
    X, Y, X_test, Y_test = digits()
    found = {}
    for name, settings in (
        ("neither", {}),
        ("L2", {"l2": L2}),
        ("dropout", {"keep": KEEP}),
        ("both", {"l2": L2, "keep": KEEP}),
    ):
        parameters = train(X, Y, **settings)
        cost, _ = measure(X, Y, parameters)
        found[name] = measure(X_test, Y_test, parameters)
        print(f"{name:8} cost {cost:.4f}; on test digits {found[name][0]:.3f}, ", end="")
        print(f"{found[name][1]:.1%} right")
    draw(X, Y, picture)
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
