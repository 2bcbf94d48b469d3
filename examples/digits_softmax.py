"""Ten digits: a softmax trained with Adam in mini-batches, each step one compiled program.

python examples/digits_softmax.py
"""

import time

import numpy as np

from tinygrad_dnn import compile, metrics, optim, value_and_grad
from tinygrad_dnn.data import batches, default_dataset, split
from tinygrad_dnn.network import cost_of, forward, initialize_parameters, one_hot
from tinygrad_dnn.threads import blas_threads, largest_product

LAYERS = (64, 64, 10)
EPOCHS, SIZE, RATE = 30, 64, 0.01
RULE = optim.adam()


def digits(part):
    with default_dataset(part, labels="digit") as data:
        return data.columns(), data.labels(binary=False)


@compile(reuse_outputs=True)
def step(parameters, state, X, Y, rate):
    cost, grads = value_and_grad(lambda p: cost_of(X, Y, p, "softmax"))(parameters)
    return cost, *RULE.update(parameters, grads, state, rate)


def predict(X, parameters):
    _, A = forward(X, parameters, head="softmax")
    return A.data.argmax(axis=0).reshape(1, -1)


def train(X, Y, X_val, Y_val):
    """The parameters of the epoch that was best on the validation examples."""
    rng = np.random.default_rng(1)
    parameters = initialize_parameters(LAYERS, "he", head="softmax")
    state = RULE.init(parameters)
    rate = optim.cosine(RATE, EPOCHS * -(-X.shape[1] // SIZE))
    stopping = optim.early_stopping(patience=8)
    best = stopping.init(parameters)
    t = 0
    for epoch in range(EPOCHS):
        costs = []
        for x, y in batches(X, one_hot(Y, 10), SIZE, rng):
            cost, parameters, state = step(parameters, state, x, y, np.asarray(rate(t)))
            costs.append(float(cost))
            t += 1
        held_out = cost_of(X_val, Y_val, parameters, "softmax").item()
        stop, best = stopping.update(parameters, held_out, best)
        if epoch % 5 == 4 or stop:
            print(f"epoch {epoch + 1}: cost {np.mean(costs):.4f}, held out {held_out:.4f}")
        if stop:
            break
    return best["parameters"]


def main():
    (X, Y), (X_test, Y_test) = digits("train"), digits("test")
    X, Y, X_val, Y_val = split(X, Y, 0.1, np.random.default_rng(0))
    began = time.perf_counter()
    with blas_threads(largest_product(LAYERS, X.shape[1])):  # as `train` has it
        parameters = train(X, Y, X_val, Y_val)
    took = time.perf_counter() - began
    predicted = predict(X_test, parameters)
    found = metrics.accuracy(Y_test, predicted)
    print(f"{found:.1%} of the test digits are read correctly after {took:.1f} s")
    print(metrics.confusion_matrix(Y_test, predicted, 10))
    return found, took


if __name__ == "__main__":
    main()
