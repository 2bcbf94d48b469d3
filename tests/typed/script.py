# pyright: basic
"""A user's script for checkers of types: a line is faulty if, and only if, it says so."""

import numpy as np

import tinygrad_dnn as td
from tinygrad_dnn import Tensor, concatenate, log, matmul, relu, sigmoid, softmax, where

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(4, 6)), np.array([[0, 1, 1, 0, 1, 0]])
W1, b1 = Tensor(rng.normal(size=(3, 4)), requires_grad=True, name="W1"), Tensor(np.zeros((3, 1)))
W2 = Tensor(rng.normal(size=(1, 3)), True)

# A network, its cost and a step.
A1 = relu(W1 @ X + b1)
AL = sigmoid(W2 @ A1)
cost = -(Y * log(AL) + (1 - Y) * log(1 - AL)).mean()
cost.backward()
A1 = relu(W1 @ X + b1)
Z2 = W2 @ A1
stable = (td.softplus(Z2) - Z2 * Y).sum(axis=1, keepdims=True).mean()
stable.backward(keep=[A1, "W1"])
W1.data -= 0.1 * W1.grad
with td.no_grad():
    W1 -= 0.1 * W1.grad
print(f"{cost.item():.3f}", float(cost), W1.shape[0] + 1, W1.grad.shape)
W1.grad = None
W1.zero_grad()

# NumPy's functions on Tensors, and ours on arrays.
total = np.sum(W1 * W1)
total.backward()
np.mean(np.exp(W1) * X[0, 0]).backward()
np.concatenate([W1, W1], 1).sum().backward()
mask = relu(X[:3, :4]) > 0
print(np.where(mask, 1.0, 0.0).sum(), softmax(X, axis=0).max(), td.max([1.0, 2.0]))
joined = concatenate([W1, W1], axis=1)
picked = where(mask, W1, 0.0)[0].sum()
both = matmul(W1, X) + td.maximum(0.0, W1 @ X)
flat = td.ravel(W1).reshape(2, 6).T
slopes = td.grad(lambda w: (relu(w @ X) ** 2).sum())(W1.data)
value, g = td.value_and_grad(td.tanh)(0.5)
step = td.compile(lambda w: w * 2)
td.check.check_op(td.relu)
td.optim.gradient_descent({"W1": W1.data}, {"W1": slopes}, 0.1)

stable.backwards()  # wrong
relu(W1).backwards()  # wrong
relu(X).backward()  # wrong: an array
A1.sum().unsqueeze(0)  # wrong
A1.sum(dim=0)  # wrong
(W1 @ X).clone()  # wrong
(2 * W1).clone()  # wrong
W1.T.view(3)  # wrong
W2.grad.backwards()  # wrong
W2.data.detach()  # wrong
joined.unsqueeze(0)  # wrong
picked.cuda()  # wrong
both.relu()  # wrong
flat.flatten2()  # wrong
softmax(W1, dim=0)  # wrong
td.maximum(0.0, W1).relu()  # wrong
matmul(X, Y).backward()  # wrong: arrays
td.tensor([1.0])  # wrong
relu(W1, W2)  # wrong
Tensor([1.0], dtype=np.float32)  # wrong
stable.backward(retain_graph=True)  # wrong
td.optim.Adam([W1])  # wrong
A1 ^ 2  # wrong
