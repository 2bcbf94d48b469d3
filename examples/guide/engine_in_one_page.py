"""The whole idea on one screen: record, sweep backward, differentiate twice, draw.

Each part names where the real one lives. `python examples/guide/engine_in_one_page.py`
"""

import numpy as np


class Tensor:
    """A value and its recipe: the op that made it, and from what (autodiff/tensor.py)."""

    def __init__(self, value, op=None, inputs=()):
        self.value, self.op, self.inputs = np.asarray(value, float), op, inputs

    def __add__(self, other):
        return record("add", self, other)

    def __mul__(self, other):
        return record("multiply", self, other)


# An op is its forward and a rule for each argument: g is the cotangent, z the result. Rules are
# made of ops, so that what they give is recorded too (ops/*.py, an op in each declaration).
OPS = {
    "add": (np.add, (lambda g, z, x, y: g, lambda g, z, x, y: g)),
    "multiply": (np.multiply, (lambda g, z, x, y: g * y, lambda g, z, x, y: g * x)),
    "exp": (np.exp, (lambda g, z, x: g * z,)),
}


def record(op, *inputs):
    """Compute and remember (autodiff/tensor.py: record)."""
    return Tensor(OPS[op][0](*(x.value for x in inputs)), op, inputs)


def exp(x):
    return record("exp", x)


def trace(z):
    """Everything that z was computed from, inputs first, no recursion (graph/recorded.py)."""
    order, seen, stack = [], set(), [(z, False)]
    while stack:
        node, complete = stack.pop()
        if complete:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack += [(node, True), *((x, False) for x in node.inputs)]
    return order


def gradient(z, x):
    """∂z/∂x as a Tensor: rules against the order, summed over uses (autodiff/reverse.py: sweep)."""
    found = {z: Tensor(1.0)}
    for node in reversed(trace(z)):
        if node.op and node in found:
            for input_, rule in zip(node.inputs, OPS[node.op][1], strict=True):
                term = rule(found[node], node, *node.inputs)
                found[input_] = found[input_] + term if input_ in found else term
    return found.get(x, Tensor(0.0))


def draw(z):
    """The graph in Graphviz's language (viz/drawing/dot.py)."""
    names = {node: f"n{k}" for k, node in enumerate(trace(z))}
    boxes = [f'{n} [label="{node.op or "leaf"} {node.value:.4g}"]' for node, n in names.items()]
    arrows = [f"{names[x]} -> {n}" for node, n in names.items() for x in node.inputs]
    return "digraph {\n  " + "\n  ".join(boxes + arrows) + "\n}"


if __name__ == "__main__":
    x = Tensor(0.5)
    z = x * exp(x * x)  # z' = (1 + 2x²) exp(x²), z'' = (6x + 4x³) exp(x²)
    dz = gradient(z, x)
    print(z.value, dz.value, gradient(dz, x).value)  # a gradient is a graph: sweep it again
    print(draw(z))
