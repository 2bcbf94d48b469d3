"""A micrograd of your own: a class Value of numbers that remember how they were computed."""

from tinygrad_dnn.grading import Exercise, array

exercise = Exercise("A micrograd of your own")
a, b, c = array(within=(-3, 3)), array(within=(-3, 3)), array(within=(-3, 3))
positive = array(within=(0.5, 3))
KINDS = ("zeros", "one", "square")


@exercise.program("Value", "a = Value(a)", "a.data", inputs={"a": a}, kinds=KINDS)
def _(a):
    """Value(data) holds a number in .data, and in .grad its gradient, 0 at first."""
    return a


@exercise.program("Value.__add__", "a, b = Value(a), Value(b); c = a + b; c.backward()",
                  "c.data, a.grad, b.grad", inputs={"a": a, "b": b}, kinds=KINDS)  # fmt: skip
def _(a, b):
    """The sum of two values, or of a value and a number."""
    return a + b


@exercise.program("Value.__radd__", "a = Value(a); c = 2 + a; c.backward()", "c.data, a.grad",
                  inputs={"a": a}, kinds=KINDS)  # fmt: skip
def _(a):
    """A number plus a value."""
    return 2 + a


@exercise.program("Value.__mul__", "a, b = Value(a), Value(b); c = a * b; c.backward()",
                  "c.data, a.grad, b.grad", inputs={"a": a, "b": b}, kinds=KINDS)  # fmt: skip
def _(a, b):
    """The product of two values, or of a value and a number."""
    return a * b


@exercise.program("Value.__rmul__", "a = Value(a); c = 3 * a; c.backward()", "c.data, a.grad",
                  inputs={"a": a}, kinds=KINDS)  # fmt: skip
def _(a):
    """A number times a value."""
    return 3 * a


@exercise.program("Value.__sub__", "a, b = Value(a), Value(b); c = a - b; c.backward()",
                  "c.data, a.grad, b.grad", inputs={"a": a, "b": b}, kinds=KINDS)  # fmt: skip
def _(a, b):
    """The difference of two values."""
    return a - b


@exercise.program("Value.__pow__", "a = Value(a); c = a**3; c.backward()", "c.data, a.grad",
                  inputs={"a": positive}, kinds=KINDS)  # fmt: skip
def _(a):
    """A value to the power of a number."""
    return a**3


@exercise.program("Value.__truediv__", "a, b = Value(a), Value(b); c = a / b; c.backward()",
                  "c.data, a.grad, b.grad", inputs={"a": a, "b": positive},
                  kinds=KINDS)  # fmt: skip
def _(a, b):
    """The quotient of two values."""
    return a / b


@exercise.program("Value.relu", "a = Value(a); c = a.relu(); c.backward()", "c.data, a.grad",
                  inputs={"a": a}, kinds=KINDS)  # fmt: skip
def _(a):
    """max(a, 0), with the slope 0 at 0."""
    return a * (a > 0)


@exercise.program(
    "Value.backward",
    "a, b, c = Value(a), Value(b), Value(c)\nd = a * b\ne = d + a\nf = e * d + e * c\nf.backward()",
    "f.data, a.grad, b.grad, c.grad",
    inputs={"a": a, "b": b, "c": c},
    kinds=KINDS,
    points=3,
    hint="a value that is used twice gets the sum of both gradients (+=), and passes it on only "
    "when all of it has come",
)
def _(a, b, c):
    """Set .grad of everything that this value was computed from, in the right order."""
    d = a * b
    e = d + a
    return e * d + e * c


# e is used twice; whichever of its gradients comes last stays, and all others follow from it.
@exercise.mistake("Value.backward", "is overwritten where gradients are added: = for +=")
def _(a, b, c):
    d = a * b
    e = d + a
    return e * d + e * c, b * c, a * c, e


@exercise.mistake("Value.backward", "is overwritten where the parts are added: = for +=")
def _(a, b, c):
    d = a * b
    e = d + a
    return e * d + e * c, b * d, a * d, e
