"""Declare an op of your own: its forward, its rule, its formula. The checks come for free."""

import numpy as np

from tinygrad_dnn import Tensor, grad, op
from tinygrad_dnn.check import check_op


# Swish (Ramachandran et al. 2017): x σ(x), with slope σ(x) (1 + x (1 − σ(x))).
@op("swish({x})", vjp=lambda g, x, z: g * (z + (1 - z) / (1 + np.exp(-x))), elementwise=True)
def swish(x, /):
    """x σ(x)."""
    return x / (1 + np.exp(-x))


def main():
    check_op(swish)  # first and second derivatives against measured ones, dtypes, broadcasting, ...
    x = Tensor([-1.0, 0.0, 2.0], requires_grad=True, name="x")
    y = swish(x)
    print(y)
    y.sum().backward()
    print("slopes:      ", x.grad)
    print("second slope:", grad(grad(swish))(1.0))
    return x.grad


if __name__ == "__main__":
    main()
