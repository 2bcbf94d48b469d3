"""XOR: the smallest problem that one neuron can't solve and a few can.

python examples/xor.py     # trains a 2-4-1 network and draws its graph into xor.svg
"""

import sys

import numpy as np

import viz
from tinygrad_dnn import Tensor, scope, tanh
from tinygrad_dnn.network import logistic_cost

X = Tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]], name="X")
Y = Tensor([[0.0, 1.0, 1.0, 0.0]], name="Y")


def cost_of(W1, b1, W2, b2):
    with scope("layer 1"):
        A1 = tanh(W1 @ X + b1)
    with scope("layer 2"):
        Z2 = W2 @ A1 + b2
    A1.name, Z2.name = "A1", "Z2"
    return logistic_cost(Z2, Y), Z2


def main(picture: str = "xor.svg") -> list[int]:
    rng = np.random.default_rng(0)
    shapes = {"W1": (4, 2), "b1": (4, 1), "W2": (1, 4), "b2": (1, 1)}
    p = {name: Tensor(rng.normal(size=s), True, name) for name, s in shapes.items()}
    for i in range(501):
        cost, Z2 = cost_of(**p)
        cost.backward()
        for t in p.values():
            t.data -= 0.5 * t.grad
            t.zero_grad()
        if i % 100 == 0:
            print(f"iteration {i}: cost {cost:.4f}")
    answers = [int(z > 0) for z in Z2.data[0]]
    print(f"XOR of (0,0), (0,1), (1,0), (1,1): {answers}")
    print(f"wrote {viz.save(viz.draw(cost), picture)}")
    return answers


if __name__ == "__main__":
    main(*sys.argv[1:])
