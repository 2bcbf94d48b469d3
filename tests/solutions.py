"""Right answers to the exercises that come along, written as people do, and mistakes in them."""

from __future__ import annotations

from typing import NamedTuple


class Slip(NamedTuple):
    """A mistake: what stands where what is right stood, whose it is, and what must be said."""

    right: str
    wrong: str
    function: str
    words: str


SOLUTIONS = {
    "softmax": """
def softmax(Z):
    e = np.exp(Z - Z.max(axis=0))
    return e / e.sum(axis=0)

def cross_entropy(A, Y):
    return -np.mean(np.log(np.sum(A * Y, axis=0)))

def softmax_backward(dA, Z):
    A = softmax(Z)
    return A * (dA - np.sum(A * dA, axis=0))

def gradients(W, b, X, Y):
    dZ = softmax(np.dot(W, X) + b) - Y
    m = X.shape[1]
    return np.dot(dZ, X.T) / m, dZ.sum(axis=1, keepdims=True) / m
""",
    "logistic": """
def sigmoid(Z):
    return 0.5 * (1 + np.tanh(0.5 * Z))

def forward(w, b, X):
    return sigmoid(np.dot(w.T, X) + b)

def compute_cost(A, Y):
    return np.mean(np.where(Y == 1, -np.log(A), -np.log(1 - A)))

def backward(w, b, X, Y):
    dZ = forward(w, b, X) - Y
    return X @ dZ.T / X.shape[1], np.mean(dZ)

def update(w, b, dw, db, learning_rate):
    return w - learning_rate * dw, b - learning_rate * db
""",
    "batch_norm": """
def batch_norm_forward(Z, gamma, beta):
    mean, variance = Z.mean(axis=1, keepdims=True), Z.var(axis=1, keepdims=True)
    x = (Z - mean) / np.sqrt(variance + 1e-5)
    return gamma * x + beta, (x, variance, gamma)

def batch_norm_backward(dZ_norm, cache):
    x, variance, gamma = cache
    m = dZ_norm.shape[1]
    dgamma = np.sum(dZ_norm * x, axis=1, keepdims=True)
    dbeta = np.sum(dZ_norm, axis=1, keepdims=True)
    dZ = gamma / np.sqrt(variance + 1e-5) / m * (m * dZ_norm - dbeta - x * dgamma)
    return dZ, dgamma, dbeta
""",
    "dropout": """
def dropout_forward(A, D, keep_prob):
    A = A * D
    return A / keep_prob

def dropout_backward(dA_drop, D, keep_prob):
    return dA_drop * D / keep_prob
""",
    "l2": """
def l2_cost(W1, W2, lambd, m):
    return sum(np.sum(np.square(W)) for W in (W1, W2)) * lambd / m / 2

def l2_gradient(dZ, A_prev, W, lambd):
    return (np.dot(dZ, A_prev.T) + lambd * W) / dZ.shape[1]
""",
    "convolution": """
def conv_forward(X, W, b):
    f, g = W.shape
    Z = np.zeros((X.shape[0] - f + 1, X.shape[1] - g + 1))
    for i in range(Z.shape[0]):
        for j in range(Z.shape[1]):
            Z[i, j] = (X[i:i + f, j:j + g] * W).sum() + b
    return Z

def conv_backward(dZ, X, W, b):
    f, g = W.shape
    dX, dW = np.zeros_like(X), np.zeros_like(W)
    for i in range(dZ.shape[0]):
        for j in range(dZ.shape[1]):
            dX[i:i + f, j:j + g] += W * dZ[i, j]
            dW += X[i:i + f, j:j + g] * dZ[i, j]
    return dX, dW, dZ.sum()
""",
    "rnn": """
def rnn_cell_forward(xt, a_prev, Wax, Waa, ba):
    return np.tanh(np.dot(Waa, a_prev) + np.dot(Wax, xt) + ba)

def rnn_cell_backward(da_next, xt, a_prev, Wax, Waa, ba):
    dz = da_next * (1 - rnn_cell_forward(xt, a_prev, Wax, Waa, ba) ** 2)
    return Wax.T @ dz, Waa.T @ dz, dz @ xt.T, dz @ a_prev.T, dz.sum(axis=1, keepdims=True)
""",
    "adam": """
def momentum_step(W, dW, v, beta, learning_rate):
    v = beta * v + (1 - beta) * dW
    return W - learning_rate * v, v

def adam_step(W, dW, v, s, t, learning_rate, beta1, beta2, epsilon):
    v = beta1 * v + (1 - beta1) * dW
    s = beta2 * s + (1 - beta2) * np.power(dW, 2)
    step = np.divide(v / (1 - beta1**t), np.sqrt(s / (1 - beta2**t)) + epsilon)
    return W - learning_rate * step, v, s
""",
    "micrograd": """
class Value:
    def __init__(self, data, parents=()):
        self.data, self.grad, self.parents = data, 0.0, parents  # (parent, slope)

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    def __pow__(self, n):
        return Value(self.data**n, ((self, n * self.data ** (n - 1)),))

    def relu(self):
        return Value(max(self.data, 0.0), ((self, float(self.data > 0)),))

    def backward(self):
        order, seen = [], set()
        def visit(v):
            if id(v) not in seen:
                seen.add(id(v))
                for parent, _ in v.parents:
                    visit(parent)
                order.append(v)
        visit(self)
        self.grad = 1.0
        for v in reversed(order):
            for parent, slope in v.parents:
                parent.grad += slope * v.grad

    def __sub__(self, other):
        return self + other * -1

    def __truediv__(self, other):
        return self * other**-1

    __radd__ = __add__
    __rmul__ = __mul__
""",
}

# Right in other ways: naive formulas, loops, other orders, in place.
OTHERS = {
    "softmax": [
        """
def softmax(Z):
    return np.exp(Z) / np.exp(Z).sum(0)

def cross_entropy(A, Y):
    m = Y.shape[1]
    c = 0.0
    for i in range(m):
        c -= np.log(A[np.argmax(Y[:, i]), i])
    return c / m

def softmax_backward(dA, Z):
    A = softmax(Z)
    out = np.zeros(Z.shape)
    for i in range(Z.shape[1]):
        a = A[:, [i]]
        J = np.diagflat(a) - a @ a.T
        out[:, i] = J @ dA[:, i]
    return out

def gradients(W, b, X, Y):
    m = X.shape[1]
    A = softmax(W @ X + b)
    dZ = (A - Y) / m
    return np.einsum("im,jm->ij", dZ, X), np.sum(dZ, 1).reshape(-1, 1)
""",
        """
def softmax(Z):
    return np.array([np.exp(z) / sum(np.exp(z)) for z in Z.T]).T

def cross_entropy(A, Y):
    return -np.trace(Y.T @ np.log(A)) / Y.shape[1]

def softmax_backward(dA, Z):
    e = np.exp(Z)
    s = e.sum(0)
    return dA * e / s - e * np.sum(dA * e, 0) / s**2

def gradients(W, b, X, Y):
    m = X.shape[1]
    Z = W.dot(X) + b
    A = np.exp(Z - Z.max()) / np.sum(np.exp(Z - Z.max()), axis=0)
    return np.multiply(1 / m, (A - Y)).dot(X.T), 1 / m * np.sum(A - Y, axis=1, keepdims=True)
""",
    ],
    "logistic": [
        """
def sigmoid(z):
    return np.exp(z) / (1 + np.exp(z))

def forward(w, b, X):
    return 1 / (1 + np.exp(-(np.dot(w.T, X) + b)))

def compute_cost(A, Y):
    m = Y.shape[1]
    return -(np.dot(Y, np.log(A).T) + np.dot(1 - Y, np.log(1 - A).T)) / m

def backward(w, b, X, Y):
    m = X.shape[1]
    A = forward(w, b, X)
    return (1 / m) * np.dot(X, (A - Y).T), (1 / m) * np.sum(A - Y, axis=1, keepdims=True)

def update(w, b, dw, db, learning_rate):
    w -= learning_rate * dw
    b -= learning_rate * db
    return w, b
""",
    ],
    "batch_norm": [
        """
def batch_norm_forward(Z, gamma, beta):
    mu = np.mean(Z, axis=1, keepdims=True)
    xmu = Z - mu
    var = np.mean(xmu**2, axis=1, keepdims=True)
    sqrtvar = np.sqrt(var + 1e-5)
    ivar = 1.0 / sqrtvar
    xhat = xmu * ivar
    return gamma * xhat + beta, (xhat, gamma, xmu, ivar, sqrtvar, var)

def batch_norm_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var = cache
    D, N = dout.shape
    dbeta = np.sum(dout, axis=1, keepdims=True)
    dgamma = np.sum(dout * xhat, axis=1, keepdims=True)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=1, keepdims=True)
    dxmu1 = dxhat * ivar
    dsqrtvar = -1.0 / (sqrtvar**2) * divar
    dvar = 0.5 * 1.0 / np.sqrt(var + 1e-5) * dsqrtvar
    dsq = 1.0 / N * np.ones((D, N)) * dvar
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dxmu1 + dxmu2, axis=1, keepdims=True)
    dx2 = 1.0 / N * np.ones((D, N)) * dmu
    return dx1 + dx2, dgamma, dbeta
""",
        """
def batch_norm_forward(Z, gamma, beta):
    var = np.mean(Z**2, axis=1, keepdims=True) - np.mean(Z, axis=1, keepdims=True) ** 2
    return gamma * (Z - Z.mean(1, keepdims=True)) * (var + 1e-5) ** -0.5 + beta, None
""",
    ],
    "rnn": [
        """
def rnn_cell_forward(xt, a_prev, Wax, Waa, ba):
    z = np.concatenate([Wax, Waa], 1) @ np.concatenate([xt, a_prev]) + ba
    return (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z))

def rnn_cell_backward(da_next, xt, a_prev, Wax, Waa, ba):
    a = rnn_cell_forward(xt, a_prev, Wax, Waa, ba)
    dt = (1 - a) * (1 + a) * da_next
    return (
        np.dot(Wax.T, dt),
        np.dot(Waa.T, dt),
        np.dot(dt, xt.T),
        np.dot(dt, a_prev.T),
        np.sum(dt, 1, keepdims=True),
    )
""",
    ],
    "adam": [
        """
def momentum_step(W, dW, v, beta, learning_rate):
    v *= beta
    v += (1 - beta) * dW
    W -= learning_rate * v
    return W, v

def adam_step(W, dW, v, s, t, learning_rate, beta1, beta2, epsilon):
    v = v + (1 - beta1) * (dW - v)
    s = s - (1 - beta2) * (s - dW * dW)
    lr = learning_rate / (1 - beta1**t)
    W = W - lr * v / (np.sqrt(s) / np.sqrt(1 - beta2**t) + epsilon)
    return W, v, s
""",
    ],
    "convolution": [
        """
def conv_forward(X, W, b):
    from numpy.lib.stride_tricks import sliding_window_view

    return np.einsum("ijkl,kl->ij", sliding_window_view(X, W.shape), W) + b

def conv_backward(dZ, X, W, b):
    f, g = W.shape
    P = np.pad(dZ, ((f - 1, f - 1), (g - 1, g - 1)))
    return conv_forward(P, W[::-1, ::-1], 0), conv_forward(X, dZ, 0), np.sum(dZ)
""",
    ],
    "l2": [
        """
def l2_cost(W1, W2, lambd, m):
    return (np.linalg.norm(W1) ** 2 + np.linalg.norm(W2) ** 2) * lambd / 2 / m

def l2_gradient(dZ, A_prev, W, lambd):
    m = dZ.shape[1]
    return 1.0 / m * np.dot(dZ, A_prev.T) + (lambd * W) / m
""",
    ],
    "dropout": [
        """
def dropout_forward(A, D, keep_prob):
    return np.multiply(A, D) * (1 / keep_prob)

def dropout_backward(dA_drop, D, keep_prob):
    return np.where(D > 0, dA_drop / keep_prob, 0)
""",
    ],
}

SLIPS = {
    "softmax": (
        Slip("return A * (dA - np.sum(A * dA, axis=0))", "return A * dA", "softmax_backward",
             "dZ lacks what comes through Z"),
        Slip("dZ.sum(axis=1, keepdims=True) / m", "dZ.sum(axis=1, keepdims=True)", "gradients",
             "db is exactly 2 = m times too large"),
        Slip("dZ.sum(axis=1, keepdims=True)", "dZ.sum(axis=1)", "gradients",
             "was keepdims=True forgotten?"),
    ),
    "logistic": (
        Slip("forward(w, b, X) - Y", "Y - forward(w, b, X)", "backward", "has the opposite sign"),
        Slip("np.where(Y == 1, -np.log(A), -np.log(1 - A))", "-Y * np.log(A)", "compute_cost",
             "lacks the examples of class 0"),
    ),
    "batch_norm": (
        Slip("* x + beta", "* x", "batch_norm_forward",
             "Z_norm lacks the term beta in gamma * (Z - mean)"),
    ),
    "dropout": (
        Slip("dA_drop * D / keep_prob", "dA_drop * D", "dropout_backward", "dA "),
        Slip("return A / keep_prob", "return A", "dropout_forward",
             "A_drop lacks the division by keep_prob"),
    ),
    "l2": (Slip("+ lambd * W) / dZ.shape[1]", ") / dZ.shape[1] + lambd * W", "l2_gradient",
                "dW has λ W where λ W / m is right"),),
    "convolution": (
        Slip("* W).sum()", "* W[::-1, ::-1]).sum()", "conv_forward", "Z has the filter"),
        Slip("dX[i:i + f, j:j + g] +=", "dX[i:i + f, j:j + g] =", "conv_backward",
             "dX overwrites where windows overlap"),
    ),
    "rnn": (Slip("da_next * (1 - rnn_cell_forward(xt, a_prev, Wax, Waa, ba) ** 2)", "da_next",
                 "rnn_cell_backward", "dxt lacks the derivative of tanh"),),
    "adam": (
        Slip("np.sqrt(s / (1 - beta2**t)) + epsilon", "np.sqrt(s / (1 - beta2**t) + epsilon)",
             "adam_step", "W has epsilon under the root"),
        Slip("(1 - beta) * dW", "dW", "momentum_step", "lacks the factor 1 - beta"),
    ),
    "micrograd": (
        Slip("parent.grad += slope", "parent.grad = slope", "Value.backward",
             "a.grad is overwritten where "),
        Slip("n * self.data ** (n - 1)", "self.data ** (n - 1)", "Value.__pow__", "a.grad "),
        Slip("((self, other.data), (other, self.data))", "((self, self.data), (other, other.data))",
             "Value.__mul__", "a.grad "),
    ),
}  # fmt: skip


def solution(name: str, slip: Slip | None = None) -> str:
    """A file that solves an exercise, with a mistake in it."""
    text = SOLUTIONS[name]
    if slip is not None:
        assert text.count(slip.right) >= 1, slip
        text = text.replace(slip.right, slip.wrong)
    return f"import numpy as np\n{text}"
