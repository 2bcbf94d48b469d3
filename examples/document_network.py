"""The document's 4-layer network, written as an expression and trained on the embedded digits.

python examples/document_network.py            # 8x8 digits, even against odd
python examples/document_network.py cats/      # a folder with the two cat/non-cat files
"""

import sys
from pathlib import Path

from tinygrad_dnn import Tensor, log, no_grad, relu, sigmoid
from tinygrad_dnn.data import default_dataset, open_dataset
from tinygrad_dnn.network import initialize_parameters


def read(split: str):
    if len(sys.argv) > 1:
        return open_dataset(Path(sys.argv[1]) / f"{split}_catvnoncat.h5")
    return default_dataset(split)


def forward(X, W1, b1, W2, b2, W3, b3, W4, b4):
    A1 = relu(W1 @ X + b1)
    A2 = relu(W2 @ A1 + b2)
    A3 = relu(W3 @ A2 + b3)
    return sigmoid(W4 @ A3 + b4)


def main(iterations: int = 500) -> float:
    with read("train") as train, read("test") as test:
        X, Y = train.columns(), train.labels()
        X_test, Y_test = test.columns(), test.labels()
    m = X.shape[1]
    start = initialize_parameters((X.shape[0], 20, 7, 5, 1))
    parameters = {name: Tensor(p, requires_grad=True, name=name) for name, p in start.items()}
    rate = 0.0075 if len(sys.argv) > 1 else 0.1

    for i in range(iterations):
        AL = forward(X, **parameters)
        cost = -(Y * log(AL) + (1 - Y) * log(1 - AL)).sum() / m
        cost.backward()
        for p in parameters.values():
            p.data -= rate * p.grad
            p.zero_grad()
        if i % 100 == 0:
            print(f"Cost after iteration {i}: {cost:f}")

    with no_grad():
        right = (forward(X_test, **parameters).data > 0.5) == Y_test
    print(f"Accuracy on {Y_test.size} test examples: {right.mean():.3f}")
    return float(right.mean())


if __name__ == "__main__":
    main()
