"""A guided walk: derive a gradient, write it, make the classic mistakes, read the diagnosis.

A script in cells; lesson_backprop.ipynb is the same as a notebook.
"""

# %% [markdown]
# # Backpropagation by hand, and its classic mistakes
#
# We derive the gradients of one layer, write them down, make the mistakes that everybody makes, and
# read what the numbers say about each. The layer is the document's: examples are columns,
#
# $$Z = W A_{prev} + b, \qquad A = g(Z),$$
#
# with `A_prev` $(n_{prev}, m)$, `W` $(n, n_{prev})$, `b` $(n, 1)$, and `Z`, `A` $(n, m)$.

# %%
import tempfile
from pathlib import Path

import numpy as np

from tinygrad_dnn import Tensor, gradients, relu
from tinygrad_dnn.check import compare
from tinygrad_dnn.grading import grade

rng = np.random.default_rng(0)
n = n_prev = 3  # square on purpose: some mistakes hide in square matrices
m = 4
A_prev, W = rng.normal(size=(n_prev, m)), rng.normal(size=(n, n_prev))
b, dA = rng.normal(size=(n, 1)), rng.normal(size=(n, m))
b[0] = -(W @ A_prev)[0, 0]  # so that one element of Z is exactly 0
Z = W @ A_prev + b
A = np.maximum(0, Z)

# %% [markdown]
# ## Derive
#
# `dA` is given: how the cost changes with each element of `A`. Each `A[i, k]` depends on its own
# `Z[i, k]` alone, so
#
# $$dZ_{ik} = dA_{ik} \; g'(Z_{ik}), \qquad g'(Z) = 1 \text{ where } Z > 0, \text{ else } 0.$$
#
# `W[i, j]` enters every `Z[i, k]` of its row, multiplied by `A_prev[j, k]`. What a number does in
# several places adds up:
#
# $$dW_{ij} = \tfrac1m \sum_k dZ_{ik} \, A_{prev,jk}
#   \quad\text{or}\quad dW = \tfrac1m \, dZ \, A_{prev}^T.$$
#
# `b[i]` is added to every example: $db_i = \frac1m \sum_k dZ_{ik}$. And `A_prev[j, k]` enters all
# rows of its column: $dA_{prev,jk} = \sum_i W_{ij} \, dZ_{ik}$, that is $W^T dZ$.
#
# The factor $1/m$ is the document's convention: its cost is an average over the examples, its `dZ`
# and `dA` leave the $1/m$ out, and it enters at `dW` and `db`.

# %% [markdown]
# ## Write


# %%
def relu_backward(dA, Z):
    return dA * (Z > 0)


def linear_backward(dZ, A_prev, W):
    dW = dZ @ A_prev.T / m
    db = np.sum(dZ, axis=1, keepdims=True) / m
    return W.T @ dZ, dW, db


# %% [markdown]
# ## Compare
#
# The truth comes from the engine, which recorded the layer and goes back through the record.

# %%
tensors = [Tensor(x, requires_grad=True) for x in (A_prev, W, b)]
layer = relu(tensors[1] @ tensors[0] + tensors[2])
true_dA_prev, true_dW, true_db = gradients(layer, tensors, gradient=dA)
truth = {"dA_prev": true_dA_prev, "dW": true_dW / m, "db": true_db / m}
known = {"m": m, "learning_rate": 0.0075, "lambd": 0.7, "activation": "relu"}
known |= {"A_prev": A_prev, "W": W, "b": b, "Z": Z, "A": A, "dA": dA, "dZ": relu_backward(dA, Z)}


def check(name, yours):
    print(compare(yours, truth[name], known, name=name))


dZ = relu_backward(dA, Z)
for name, mine in zip(("dA_prev", "dW", "db"), linear_backward(dZ, A_prev, W), strict=True):
    check(name, mine)

# %% [markdown]
# ## The mistakes
#
# **A factor.** The average was forgotten, the sign lost, the learning rate taken for a part of the
# gradient. A factor is the same in all elements, which is how it is recognised.

# %%
check("dW", dZ @ A_prev.T)
check("dW", -dZ @ A_prev.T / m)
check("dW", 0.0075 * dZ @ A_prev.T / m)

# %% [markdown]
# **A shape.** `np.sum` drops the axis it sums over unless told otherwise. An `(n,)` for an `(n, 1)`
# does not fail: `W - rate * db` broadcasts it in silence.

# %%
check("db", np.sum(dZ, axis=1) / m)
check("db", np.sum(dZ, axis=0, keepdims=True) / m)
check("db", dZ / m)

# %% [markdown]
# **The wrong matrix.** Where `W` is square, `W @ dZ` is computed as readily as `W.T @ dZ`. With
# other sizes Python complains, which is why one tests with other sizes too.

# %%
check("dA_prev", W @ dZ)
check("dW", dZ @ A.T / m)

# %% [markdown]
# **The activation's derivative.** Forgotten, or wrong just where `Z` is exactly 0: there relu has a
# corner, and the document decides for 0.

# %%
check("dW", dA @ A_prev.T / m)
check("dW", (dA * (Z >= 0)) @ A_prev.T / m)
check("db", np.sum(dA * Z, axis=1, keepdims=True) / m)

# %% [markdown]
# **Only one of two uses.** What enters the cost twice gets the sum of both gradients; in code that
# is `+=` where a mere `=` overwrites. Here the weights serve in a second layer as well.

# %%
second = rng.normal(size=W.shape)
parts = {"the first layer": truth["dW"], "the second layer": second}
print(compare(second, truth["dW"] + second, {"parts": parts}, name="dW"))

# %% [markdown]
# **Regularisation** in the gradient, but not in the cost that is checked.

# %%
check("dW", truth["dW"] + 0.7 / m * W)

# %% [markdown]
# **Anything else.** Where nothing explains every number, nothing is claimed. Then it helps to see
# where the wrong elements lie.

# %%
odd = truth["dW"].copy()
odd[0] = 0
check("dW", odd)

# %% [markdown]
# ## Your own
#
# `tinygrad-dnn check homework.py` does this with every function of the document that a file
# defines, on many shapes, and shows the smallest example that goes wrong. From Python:

# %%
HOMEWORK = """
import numpy as np

def relu_backward(dA, cache):
    return dA * (cache >= 0)
"""
with tempfile.TemporaryDirectory() as folder:
    homework = Path(folder) / "homework.py"
    homework.write_text(HOMEWORK, encoding="utf-8")
    found = grade(homework)["relu_backward"]
print(found.status, *found.words, found.example, sep="\n")
