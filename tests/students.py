"""Students' files for the tests of grading: a right one, faults to plant, other right ways."""

from __future__ import annotations

from typing import NamedTuple

FEW = """\
import numpy as np


def linear_forward(A, W, b):
    return np.dot(W, A) + b, (A, W, b)


def relu(Z):
    return np.maximum(0, Z), Z


def relu_backward(dA, cache):
    return dA * (cache > 0)
"""

RIGHT = """\
import numpy as np


def sigmoid(Z):
    A = 1 / (1 + np.exp(-Z))
    cache = Z
    return A, cache


def relu(Z):
    A = np.maximum(0, Z)
    cache = Z
    return A, cache


def relu_backward(dA, cache):
    Z = cache
    dZ = np.array(dA, copy=True)
    dZ[Z <= 0] = 0
    return dZ


def sigmoid_backward(dA, cache):
    Z = cache
    s = 1 / (1 + np.exp(-Z))
    dZ = dA * s * (1 - s)
    return dZ


def initialize_parameters(n_x, n_h, n_y):
    np.random.seed(1)
    W1 = np.random.randn(n_h, n_x) * 0.01
    b1 = np.zeros((n_h, 1))
    W2 = np.random.randn(n_y, n_h) * 0.01
    b2 = np.zeros((n_y, 1))
    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}


def initialize_parameters_deep(layer_dims):
    np.random.seed(3)
    parameters = {}
    L = len(layer_dims)
    for l in range(1, L):
        parameters["W" + str(l)] = np.random.randn(layer_dims[l], layer_dims[l - 1]) * 0.01
        parameters["b" + str(l)] = np.zeros((layer_dims[l], 1))
    return parameters


def linear_forward(A, W, b):
    Z = np.dot(W, A) + b
    cache = (A, W, b)
    return Z, cache


def linear_activation_forward(A_prev, W, b, activation):
    Z, linear_cache = linear_forward(A_prev, W, b)
    if activation == "sigmoid":
        A, activation_cache = sigmoid(Z)
    elif activation == "relu":
        A, activation_cache = relu(Z)
    cache = (linear_cache, activation_cache)
    return A, cache


def L_model_forward(X, parameters):
    caches = []
    A = X
    L = len(parameters) // 2
    for l in range(1, L):
        A_prev = A
        A, cache = linear_activation_forward(
            A_prev, parameters["W" + str(l)], parameters["b" + str(l)], "relu")
        caches.append(cache)
    AL, cache = linear_activation_forward(
        A, parameters["W" + str(L)], parameters["b" + str(L)], "sigmoid")
    caches.append(cache)
    return AL, caches


def compute_cost(AL, Y):
    m = Y.shape[1]
    cost = -(1 / m) * (np.dot(Y, np.log(AL).T) + np.dot((1 - Y), np.log(1 - AL).T))
    cost = np.squeeze(cost)
    return cost


def linear_backward(dZ, cache):
    A_prev, W, b = cache
    m = A_prev.shape[1]
    dW = (1 / m) * np.dot(dZ, A_prev.T)
    db = (1 / m) * np.sum(dZ, axis=1, keepdims=True)
    dA_prev = np.dot(W.T, dZ)
    return dA_prev, dW, db


def linear_activation_backward(dA, cache, activation):
    linear_cache, activation_cache = cache
    if activation == "relu":
        dZ = relu_backward(dA, activation_cache)
    elif activation == "sigmoid":
        dZ = sigmoid_backward(dA, activation_cache)
    dA_prev, dW, db = linear_backward(dZ, linear_cache)
    return dA_prev, dW, db


def L_model_backward(AL, Y, caches):
    grads = {}
    L = len(caches)
    m = AL.shape[1]
    Y = Y.reshape(AL.shape)
    dAL = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))
    current_cache = caches[L - 1]
    dA_prev_temp, dW_temp, db_temp = linear_activation_backward(dAL, current_cache, "sigmoid")
    grads["dA" + str(L)] = dA_prev_temp
    grads["dW" + str(L)] = dW_temp
    grads["db" + str(L)] = db_temp
    for l in reversed(range(L - 1)):
        current_cache = caches[l]
        dA = grads["dA" + str(l + 2)]
        dA_prev_temp, dW_temp, db_temp = linear_activation_backward(dA, current_cache, "relu")
        grads["dA" + str(l + 1)] = dA_prev_temp
        grads["dW" + str(l + 1)] = dW_temp
        grads["db" + str(l + 1)] = db_temp
    return grads


def update_parameters(parameters, grads, learning_rate):
    L = len(parameters) // 2
    for l in range(L):
        W, b = parameters["W" + str(l + 1)], parameters["b" + str(l + 1)]
        parameters["W" + str(l + 1)] = W - learning_rate * grads["dW" + str(l + 1)]
        parameters["b" + str(l + 1)] = b - learning_rate * grads["db" + str(l + 1)]
    return parameters


def predict(X, y, parameters):
    m = X.shape[1]
    p = np.zeros((1, m))
    probas, caches = L_model_forward(X, parameters)
    for i in range(m):
        p[0, i] = 1 if probas[0, i] > 0.5 else 0
    print("Accuracy: " + str(np.sum((p == y) / m)))
    return p


def two_layer_model(X, Y, layers_dims, learning_rate=0.0075, num_iterations=3000,
                    print_cost=False):
    np.random.seed(1)
    n_x, n_h, n_y = layers_dims
    parameters = initialize_parameters(n_x, n_h, n_y)
    for i in range(num_iterations):
        A1, cache1 = linear_activation_forward(X, parameters["W1"], parameters["b1"], "relu")
        A2, cache2 = linear_activation_forward(A1, parameters["W2"], parameters["b2"], "sigmoid")
        cost = compute_cost(A2, Y)
        dA2 = -(np.divide(Y, A2) - np.divide(1 - Y, 1 - A2))
        dA1, dW2, db2 = linear_activation_backward(dA2, cache2, "sigmoid")
        dA0, dW1, db1 = linear_activation_backward(dA1, cache1, "relu")
        grads = {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}
        parameters = update_parameters(parameters, grads, learning_rate)
    return parameters


def L_layer_model(X, Y, layers_dims, learning_rate=0.0075, num_iterations=3000,
                  print_cost=False):
    np.random.seed(1)
    parameters = initialize_parameters_deep(layers_dims)
    for i in range(0, num_iterations):
        AL, caches = L_model_forward(X, parameters)
        cost = compute_cost(AL, Y)
        grads = L_model_backward(AL, Y, caches)
        parameters = update_parameters(parameters, grads, learning_rate)
        if print_cost and i % 100 == 0:
            print("Cost after iteration %i: %f" % (i, cost))
    return parameters
"""


class Fault(NamedTuple):
    """A mistake planted in a function: what is written there, what instead, what must be said."""

    function: str
    old: str
    new: str
    words: str


def planted(*faults: Fault, source: str = RIGHT) -> str:
    """The file with these faults."""
    for f in faults:
        start = source.index(f"def {f.function}(")
        end = source.find("\n\n\ndef ", start)
        end = len(source) if end < 0 else end
        body = source[start:end]
        assert f.old in body, f
        source = source[:start] + body.replace(f.old, f.new) + source[end:]
    return source


SIGN, HALF = "has the opposite sign", "is exactly half of what is right"
TWICE, WITHOUT_M = "is exactly 2 times too large", "m times too large: was 1/m forgotten"
FAULTS = (
    # opposite sign
    Fault("linear_backward", "(1 / m) * np.dot(dZ", "-(1 / m) * np.dot(dZ", f"dW {SIGN}"),
    Fault("sigmoid_backward", "dA * s", "-dA * s", f"dZ {SIGN}"),
    Fault("L_model_backward", "dAL = -(", "dAL = (", f"dW2 {SIGN}"),
    Fault("compute_cost", "-(1 / m)", "(1 / m)", f"cost {SIGN}"),
    Fault("update_parameters", "W - learning", "W + learning", "has the gradient added"),
    # constant factors
    Fault("linear_backward", "(1 / m) * np.dot(dZ", "np.dot(dZ", f"dW is exactly 2 = {WITHOUT_M}"),
    Fault("linear_backward", "(1 / m) * np.sum(dZ", "np.sum(dZ", "a sum taken where an average"),
    Fault("compute_cost", "-(1 / m) *", "-1 *", WITHOUT_M),
    Fault("compute_cost", "-(1 / m)", "-(1 / (2 * m))", HALF),
    Fault("sigmoid_backward", "dA * s * (1 - s)", "2 * dA * s * (1 - s)", TWICE),
    Fault("linear_backward", "m = A_prev.shape[1]", "m = A_prev.shape[0]",
          "was it divided by n_prev = 2 where m = 3 belongs?"),
    Fault("L_model_backward", "dAL = -(", "dAL = -(1 / m) * (", "was 1/m applied twice"),
    # transposed
    Fault("linear_backward", "np.dot(dZ, A_prev.T)", "np.dot(A_prev, dZ.T)", "dW is transposed"),
    Fault("linear_backward", "np.dot(W.T, dZ)", "np.dot(dZ.T, W)", "dA_prev is transposed"),
    Fault("linear_activation_forward", "    cache =", "    A = A.T\n    cache =",
          "A is transposed"),
    # the activation's derivative
    Fault("sigmoid_backward", "dA * s * (1 - s)", "dA", "lacks the factor σ'(Z)"),
    Fault("sigmoid_backward", "dA * s * (1 - s)", "dA * (s * (1 - s))**2", "σ'(Z) twice"),
    Fault("sigmoid_backward", "s = 1 / (1 + np.exp(-Z))", "s = Z", "has Z (1 − Z) where"),
    Fault("sigmoid_backward", "dA * s * (1 - s)", "dA * s", "lacks the factor (1 − A)"),
    Fault("relu_backward", "dZ[Z <= 0] = 0", "pass", "lacks the factor 1[Z > 0]"),
    Fault("relu_backward", "dZ[Z <= 0] = 0", "dZ = dA * np.maximum(0, Z)", "has A where"),
    Fault("linear_activation_backward", "dZ = relu_backward(dA, activation_cache)", "dZ = dA",
          "lacks the factor 1[Z > 0]"),
    Fault("linear_activation_backward", "dZ = sigmoid_backward(dA, activation_cache)", "dZ = dA",
          "lacks the factor σ'(Z)"),
    Fault("L_model_backward", 'current_cache, "relu")', 'current_cache, "sigmoid")',
          "has σ'(Z), the derivative of sigmoid, where 1[Z > 0] is right"),
    # at zero
    Fault("relu_backward", "Z <= 0", "Z < 0", "has 1[Z ≥ 0] where 1[Z > 0] is right"),
    Fault("linear_activation_backward", "relu_backward(dA, activation_cache)",
          "dA * (activation_cache >= 0)", "has 1[Z ≥ 0] where 1[Z > 0] is right"),
    # broadcasting
    Fault("linear_backward", "np.sum(dZ, axis=1, keepdims=True)", "dZ", "db is not summed"),
    Fault("linear_backward", "np.sum(dZ, axis=1, keepdims=True)",
          "np.sum(dZ, axis=0, keepdims=True)", "is summed over axis 0 where axis 1 is right"),
    Fault("linear_backward", "np.sum(dZ, axis=1, keepdims=True)",
          "np.mean(dZ, axis=1, keepdims=True)", "an average taken where a sum belongs"),
    Fault("linear_backward", "np.sum(dZ, axis=1, keepdims=True)", "np.sum(dZ)", "over all axes"),
    Fault("linear_activation_backward", "dA_prev, dW, db = linear_backward(dZ, linear_cache)",
          "dA_prev, dW, db = linear_backward(dZ, linear_cache)\n"
          "    db = np.sum(dZ, axis=0, keepdims=True) / dZ.shape[1]", "is summed over axis 0"),
    Fault("linear_activation_backward", "    return dA_prev, dW, db",
          "    return dA_prev, dW, dZ / dZ.shape[1]", "db is not summed"),
    # keepdims
    Fault("linear_backward", ", keepdims=True", "", "was keepdims=True forgotten?"),
    Fault("linear_activation_backward", "    return dA_prev, dW, db",
          "    return dA_prev, dW, db[:, 0]", "was keepdims=True forgotten?"),
    Fault("compute_cost", "cost = np.squeeze(cost)", "pass", "of length 1 to be squeezed?"),
    # a layer off by one, another matrix
    Fault("L_model_backward", 'grads["dW" + str(l + 1)] = dW_temp',
          'grads["dW" + str(l + 1)] = grads["dW" + str(L)]', "is exactly dW2: is it a layer off"),
    Fault("update_parameters", 'grads["dW" + str(l + 1)]', 'grads["dW" + str(max(l, 1))]',
          "takes the gradient of the previous layer"),
    Fault("linear_backward", "np.dot(dZ, A_prev.T)", "np.dot(dZ, (W @ A_prev + b).T)",
          "has Z where A_prev is right"),
    Fault("linear_backward", "np.dot(W.T, dZ)", "np.dot(W, dZ)", "has W where Wᵀ is right"),
    Fault("linear_activation_backward", "    return dA_prev, dW, db",
          "    return linear_cache[1] @ dZ, dW, db", "has W where Wᵀ is right"),
    Fault("linear_forward", "np.dot(W, A)", "np.dot(W.T, A)", "has Wᵀ where W is right"),
    # only one of two
    Fault("compute_cost", " + np.dot((1 - Y), np.log(1 - AL).T)", "", "only the first of 2"),
    Fault("L_model_backward", " - np.divide(1 - Y, 1 - AL)", "", "comes from dAL = −Y/AL where"),
    # a constant or a regularisation added
    Fault("linear_backward", "np.dot(dZ, A_prev.T)", "np.dot(dZ, A_prev.T) + 0.1 * W",
          "W added: is that regularisation in the gradient but not in the cost?"),
    Fault("linear_activation_backward", "    return dA_prev, dW, db",
          "    return dA_prev, dW + 0.3 * linear_cache[1], db", "has 0.3 · W added"),
    Fault("sigmoid_backward", "dA * s * (1 - s)", "dA * s * (1 - s) + 0.25",
          "has the constant 0.25 added"),
    # float32
    Fault("linear_backward", "    return dA_prev, dW, db",
          "    return dA_prev, dW.astype(np.float32), db", "is right to the 7 digits of float32"),
    Fault("sigmoid_backward", "dZ = dA * s * (1 - s)",
          "dZ = (dA * s * (1 - s)).astype(np.float32)", "dZ is right to the 7 digits of float32"),
    # loops over the examples
    Fault("linear_backward", "    return dA_prev",
          "    for i in range(m):\n        dW = np.outer(dZ[:, i], A_prev[:, i]) / m\n"
          "    return dA_prev", "dW holds only the last example: is it overwritten in a loop"),
    Fault("linear_backward", "    return dA_prev",
          "    db = np.zeros(b.shape)\n    for i in range(m - 1):\n"
          "        db[:, 0] += dZ[:, i] / m\n    return dA_prev",
          "db leaves out the last example: does a loop end too early?"),
    # others
    Fault("linear_backward", "np.dot(dZ, A_prev.T)", "(np.dot(dZ, A_prev.T) + 0.7 * W)",
          "dW has 0.7/m · W added"),
    Fault("relu_backward", "dZ[Z <= 0] = 0", "dZ[dA <= 0] = 0", "has 1[dA > 0] where 1[Z > 0] is"),
    Fault("relu_backward", "dZ[Z <= 0] = 0", "dZ = dA * np.sign(Z)", "has the sign of Z where"),
    Fault("sigmoid_backward", "dA * s * (1 - s)", "dA / (s * (1 - s))", "is divided by A (1 − A)"),
    Fault("sigmoid_backward", "dA * s", "dA + s", "has dA + σ'(Z) where their product is right"),
    Fault("sigmoid_backward", "    dZ", "    s = 1 / (1 + np.exp(-s))\n    dZ", "has σ'(A) where"),
    Fault("compute_cost", "np.log", "np.log10", "is log10 used for the natural log?"),
    Fault("compute_cost", " + np.dot(", " - np.dot(", "(1 − Y) log(1 − AL) with the wrong sign"),
    Fault("compute_cost", "    return cost", "    return np.float32(cost)", "digits of float32"),
    Fault("linear_forward", "np.dot(W, A) + b", "W * A + b", "the elementwise W * A where W·A is"),
    Fault("linear_forward", "+ b", "+ b.T", "has b added along the rows"),
    Fault("L_model_backward", "dAL = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))",
          "dAL = AL - Y", "dW2 comes from dAL = AL − Y where"),
    Fault("L_model_backward", 'dAL, current_cache, "sigmoid"', 'dAL, current_cache, "relu"',
          "has 1[Z > 0], the derivative of relu, where σ'(Z) is right"),
    Fault("L_model_backward", 'str(l + 1)] = db_temp', 'str(l + 1)] = dW_temp', "exactly dW1"),
    Fault("linear_activation_backward", "linear_backward(dZ", "linear_backward(-dZ", SIGN),
    Fault("update_parameters", 'grads["db" ', 'grads["dW" ', "b1 has dW in place of db"),
    Fault("initialize_parameters_deep", "np.zeros", "np.ones", "is 1 everywhere where 0 is right"),
    Fault("initialize_parameters_deep", "randn", "rand", "np.random.rand in place of randn?"),
    Fault("relu", "np.maximum(0, Z)", "np.maximum(0.01 * Z, Z)", "that is leaky relu"),
    Fault("linear_backward", "return dA_prev, dW, db", "return dW, db, dA_prev",
          "is exactly dW: was it returned in place of another?"),
    Fault("linear_backward", "return dA_prev, dW, db", "return dW, db",
          "returns 2 values where 3 values (dA_prev, dW, db) are expected"),
    Fault("linear_forward", " + b", "", "Z lacks b"),
    Fault("linear_forward", "return Z, cache", "return Z", "where 2 values (Z, cache) are"),
    Fault("linear_forward", "    return Z, cache", "    pass", "was return forgotten?"),
    Fault("linear_activation_forward", "A, activation_cache = sigmoid(Z)",
          "A, activation_cache = relu(Z)", "is relu(Z) where sigmoid(Z) is right"),
    Fault("L_model_forward", '"sigmoid")', '"relu")', "relu in every layer"),
    Fault("L_model_forward", '"relu")', '"sigmoid")', "has sigmoid in every layer"),
    Fault("sigmoid", "np.exp(-Z)", "np.exp(Z)", "has e^Z where e^−Z is right"),
    Fault("relu", "np.maximum(0, Z)", "np.abs(Z)", "is |Z|"),
    Fault("update_parameters", "W - learning_rate * grads", "W - grads",
          "lacks the learning rate"),
    Fault("update_parameters", "range(L)", "range(L - 1)", "W2 is not updated: does the loop end"),
    Fault("update_parameters", "    return parameters", "    pass", "was return forgotten?"),
    Fault("relu_backward", "np.array(dA, copy=True)", "dA", "It changes dA in place"),
    Fault("predict", "> 0.5", "< 0.5", "has 0 and 1 exchanged"),
    Fault("initialize_parameters_deep", "np.zeros((layer_dims[l], 1))", "np.zeros(layer_dims[l])",
          "was keepdims=True forgotten?"),
    Fault("initialize_parameters_deep", "layer_dims[l], layer_dims[l - 1]) * 0.01",
          "layer_dims[l - 1], layer_dims[l]) * 0.01", "are its sizes exchanged?"),
    Fault("initialize_parameters_deep", " * 0.01", "", "was * 0.01 forgotten?"),
    Fault("initialize_parameters_deep", "np.random.randn(layer_dims[l], layer_dims[l - 1])",
          "np.zeros((layer_dims[l], layer_dims[l - 1]))", "every unit of a layer computes the"),
    Fault("initialize_parameters", "np.random.randn(n_h, n_x)", "np.random.randn(n_x, n_h)",
          "are its sizes exchanged?"),
    Fault("L_layer_model", "learning_rate)", "-learning_rate)", "moves up the gradient"),
    Fault("two_layer_model", '"dW2": dW2, "db2": db2', '"dW2": -dW2, "db2": db2',
          "W2 after 101 iterations moves up the gradient, not down"),
)  # fmt: skip


class Way(NamedTuple):
    """Another way to be right."""

    what: str
    text: str


def _way(what: str, *changes: tuple[str, str, str], head: str = "") -> Way:
    faults = [Fault(function, old, new, "") for function, old, new in changes]
    return Way(what, head + planted(*faults))


def _body(function: str, text: str) -> tuple[str, str, str]:
    """The whole function replaced."""
    start = RIGHT.index(f"def {function}(")
    end = RIGHT.find("\n\n\ndef ", start)
    return function, RIGHT[start : len(RIGHT) if end < 0 else end], text


DOT, SUM = "(1 / m) * np.dot(dZ, A_prev.T)", "(1 / m) * np.sum(dZ, axis=1, keepdims=True)"
STABLE = """def sigmoid(Z):
    A = np.empty(Z.shape)
    A[Z >= 0] = 1 / (1 + np.exp(-Z[Z >= 0]))
    A[Z < 0] = np.exp(Z[Z < 0]) / (1 + np.exp(Z[Z < 0]))
    return A, Z"""
LATER_NAMES = """def L_model_backward(AL, Y, caches):
    grads = {}
    L = len(caches)
    Y = Y.reshape(AL.shape)
    grads["dA" + str(L)] = dAL = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))
    dA, dW, db = linear_activation_backward(dAL, caches[L - 1], "sigmoid")
    grads["dA" + str(L - 1)], grads["dW" + str(L)], grads["db" + str(L)] = dA, dW, db
    for l in reversed(range(L - 1)):
        dA, dW, db = linear_activation_backward(grads["dA" + str(l + 1)], caches[l], "relu")
        grads["dA" + str(l)], grads["dW" + str(l + 1)], grads["db" + str(l + 1)] = dA, dW, db
    return grads"""
SHORTCUT = """def L_model_backward(AL, Y, caches):
    grads, L = {}, len(caches)
    for l in range(L, 0, -1):
        (A_prev, W, b), Z = caches[l - 1]
        dZ = AL - Y if l == L else np.where(Z > 0, grads["dA" + str(l + 1)], 0)
        m = Y.shape[1]
        grads["dW" + str(l)] = dZ.dot(A_prev.T) / m
        grads["db" + str(l)] = dZ.mean(axis=1, keepdims=True)
        grads["dA" + str(l)] = W.T.dot(dZ)
    return grads"""
WAYS = (
    _way("@ for np.dot", ("linear_forward", "np.dot(W, A)", "W @ A"),
         ("linear_backward", DOT, "dZ @ A_prev.T / m"),
         ("linear_backward", "np.dot(W.T, dZ)", "W.T @ dZ"),
         ("relu_backward", "dZ = np.array(dA, copy=True)\n    dZ[Z <= 0] = 0",
          "dZ = np.multiply(dA, Z > 0)"),
         ("compute_cost", "np.squeeze(cost)", "float(np.squeeze(cost))")),
    _way("einsum, mean, np.where",
         ("linear_backward", DOT, "np.einsum('im,jm->ij', dZ, A_prev) / m"),
         ("linear_backward", SUM, "np.mean(dZ, axis=1, keepdims=True)"),
         ("relu_backward", "dZ = np.array(dA, copy=True)\n    dZ[Z <= 0] = 0",
          "dZ = np.where(Z > 0, dA, 0)"),
         ("sigmoid_backward", "dA * s * (1 - s)", "dA * np.exp(-Z) / (1 + np.exp(-Z)) ** 2"),
         ("relu", "np.maximum(0, Z)", "Z * (Z > 0)"),
         ("predict", "    p = np.zeros((1, m))", "    p = np.zeros((1, m), dtype=bool)")),
    _way("1/m first", ("linear_backward", DOT, "np.dot(dZ / m, A_prev.T)"),
         ("linear_backward", SUM, "np.sum(dZ / m, axis=1).reshape(-1, 1)"),
         ("compute_cost",
          "-(1 / m) * (np.dot(Y, np.log(AL).T) + np.dot((1 - Y), np.log(1 - AL).T))",
          "np.mean(-Y * np.log(AL) - (1 - Y) * np.log(1 - AL))")),
    _way("1/m at the output instead of at every layer",
         ("linear_backward", DOT, "np.dot(dZ, A_prev.T)"),
         ("linear_backward", SUM, "np.sum(dZ, axis=1, keepdims=True)"),
         ("L_model_backward", "-(np.divide", "-(1 / m) * (np.divide"),
         ("two_layer_model", "-(np.divide", "-(1 / Y.shape[1]) * (np.divide")),
    _way("caches as dictionaries",
         ("linear_forward", "= (A, W, b)", '= {"A": A, "W": W, "b": b}'),
         ("linear_backward", "A_prev, W, b = cache",
          'A_prev, W, b = cache["A"], cache["W"], cache["b"]'),
         ("linear_activation_forward", "(linear_cache, activation_cache)",
          '{"linear": linear_cache, "Z": activation_cache}'),
         ("linear_activation_backward", "linear_cache, activation_cache = cache",
          'linear_cache, activation_cache = cache["linear"], cache["Z"]')),
    _way("caches in another order, with more in them",
         ("linear_forward", "= (A, W, b)", "= [b, W, A, Z, 'linear']"),
         ("linear_backward", "A_prev, W, b = cache", "b, W, A_prev, _, _ = cache"),
         ("sigmoid", "cache = Z", "cache = A"),
         ("sigmoid_backward", "Z = cache\n    s = 1 / (1 + np.exp(-Z))", "s = cache"),
         ("relu", "cache = Z", "cache = (Z > 0, Z)"),
         ("relu_backward", "Z = cache", "_, Z = cache")),
    _way("caches as objects", ("linear_forward", "= (A, W, b)", "= Cache(A, W, b)"),
         ("linear_backward", "A_prev, W, b = cache", "A_prev, W, b = cache.A, cache.W, cache.b"),
         head="from dataclasses import dataclass\n@dataclass\nclass Cache:\n    A: object\n"
         "    W: object\n    b: object\n\n\n"),
    _way("e^Z / (1 + e^Z), a cost that stays finite",
         ("compute_cost", "np.log(AL)", "np.log(AL + 1e-8)"),
         ("compute_cost", "np.log(1 - AL)", "np.log(1 - AL + 1e-8)"),
         ("sigmoid", "1 / (1 + np.exp(-Z))", "np.exp(Z) / (1 + np.exp(Z))"),
         ("sigmoid", "cache = Z", "cache = Z.copy()")),
    _way("tanh for sigmoid, clipped outputs",
         ("sigmoid", "1 / (1 + np.exp(-Z))", "0.5 * (1 + np.tanh(Z / 2))"),
         ("compute_cost", "    cost = -",
          "    AL = np.clip(AL, 1e-12, 1 - 1e-12)\n    cost = -"),
         ("predict", "for i in range(m):\n        p[0, i] = 1 if probas[0, i] > 0.5 else 0",
          "p = (probas > 0.5).astype(int)"),
         ("initialize_parameters_deep", "* 0.01", "/ np.sqrt(layer_dims[l - 1])"),
         ("initialize_parameters", "np.random.randn(n_h, n_x) * 0.01",
          "np.random.default_rng(0).normal(0, 0.01, (n_h, n_x))")),
    _way("later names of dA, a sigmoid that does not overflow",
         _body("L_model_backward", LATER_NAMES), _body("sigmoid", STABLE)),
    _way("dZ = AL − Y at once, parameters updated in place",
         _body("L_model_backward", SHORTCUT),
         _body("update_parameters", "def update_parameters(parameters, grads, learning_rate):\n"
               "    for name in parameters:\n"
               "        parameters[name] -= learning_rate * grads['d' + name]\n"
               "    return parameters")),
    _way("keywords, more arguments, annotations",
         ("linear_activation_backward", "def linear_activation_backward(dA, cache, activation):",
          "def linear_activation_backward(dA: np.ndarray, cache, activation='relu', lambd=0.0):"),
         ("L_model_backward", 'current_cache, "relu")', 'cache=current_cache, activation="relu")'),
         head="from __future__ import annotations\n"),
    _way("copies, loops, in place",
         ("update_parameters", "    L = len(parameters) // 2",
          "    import copy\n    parameters = copy.deepcopy(parameters)\n"
          "    L = len(parameters) // 2"),
         ("linear_backward", SUM, "np.zeros(b.shape)\n    for i in range(m):\n"
          "        db[:, 0] += dZ[:, i] / m")),
    _way("He's initialisation, costs returned as well",
         ("initialize_parameters_deep", "* 0.01", "* np.sqrt(2 / layer_dims[l - 1])"),
         ("L_layer_model", "    return parameters", "    return parameters, [1.0]")),
    Way("lambdas, decorated functions",
        "import functools\nimport numpy as np\n\n\ndef timed(f):\n    @functools.wraps(f)\n"
        "    def g(*a, **k):\n        return f(*a, **k)\n    return g\n\n\n"
        "sigmoid = lambda Z: (1 / (1 + np.exp(-Z)), Z)\n"
        "@timed\ndef relu(Z):\n    return np.maximum(Z, 0), Z\n"),
    Way("activations that return no cache",
        "import numpy as np\n\n\ndef sigmoid(Z):\n    return 1 / (1 + np.exp(-Z))\n\n\n"
        "def linear_activation_forward(A_prev, W, b, activation):\n    Z = W @ A_prev + b\n"
        "    A = sigmoid(Z) if activation == 'sigmoid' else np.maximum(Z, 0)\n"
        "    return A, ((A_prev, W, b), Z)\n"),
)  # fmt: skip
