"""What a teacher begins with, a template, and what the students do: a stub for each function."""

from __future__ import annotations

import textwrap

from tinygrad_dnn.grading.asked import Asked
from tinygrad_dnn.grading.exercise import Exercise
from tinygrad_dnn.grading.inputs import described
from tinygrad_dnn.grading.truth import Derived

WIDTH = 96

TEMPLATE = '''"""What is asked for and what is right; `tinygrad-dnn exercise test` proves it."""

import numpy as np

from tinygrad_dnn.grading import Exercise, array

exercise = Exercise("My exercise")  # hidden_until="2026-12-01": until then only points are told

# Arrays by their axes: the same letter is the same length, m counts the examples. Small whole
# numbers, zeros, m = 1, squares, large and small numbers and float32 are tried by themselves.
X, W, b = array("k", "m"), array("n", "k"), array("n", 1)


# A function whose result is that of a reference. The docstring goes to the students.
@exercise.function("Z = linear(X, W, b)", inputs={"X": X, "W": W, "b": b}, hint="look at shapes")
def linear(X, W, b):
    """W X + b, of the shape (n, m)."""
    return W @ X + b


# A gradient: only the forward is needed, its derivative is derived. dZ is what arrives from above.
exercise.gradient(
    "dX, dW, db = linear_backward(dZ, X, W, b)",
    of=linear,
    doc="The gradients with respect to X, W and b, for dZ, that with respect to linear(X, W, b).",
    points=3,
    parts={"dX": 1, "dW": 1, "db": 1},
)


# A mistake that students make, and how to say so.
@exercise.mistake("linear_backward", "is averaged over the examples where the sum is right")
def _(dZ, X, W, b):
    m = X.shape[1]
    return W.T @ dZ, dZ @ X.T / m, np.sum(dZ, axis=1, keepdims=True) / m
'''


def starter(exercise: Exercise) -> str:
    """The students' file: a stub with a docstring for each function."""
    holders: dict[str, list[Asked]] = {}
    parts = [f'"""{exercise.title}."""\n\nimport numpy as np\n']
    for asked in exercise.asked.values():
        holder, _, method = asked.call.name.partition(".")
        if method or asked.program:
            holders.setdefault(holder, []).append(asked)
        else:
            parts.append(_stub(asked))
    parts += [_class(name, members) for name, members in holders.items()]
    return "\n\n".join(parts)


def _stub(asked: Asked) -> str:
    call = asked.call
    shapes = [
        f"    {name}: {described(asked.inputs[name])}"
        for name in call.parameters if name in asked.inputs
    ]  # fmt: skip
    if isinstance(asked.truth, Derived) and asked.truth.cotangent:
        shapes.insert(0, f"    {asked.truth.cotangent}: of the shape of the forward's result")
    returns = "" if call.results == ("result",) else f"Returns {', '.join(call.results)}."
    doc = [asked.doc or f"{call.name}.", *(["", *shapes] if shapes else [])]
    doc += ["", returns] if returns else []
    return f"def {call.code}:\n{_docstring(doc)}    raise NotImplementedError\n"


def _class(name: str, members: list[Asked]) -> str:
    """A class with a stub for each method; what its parameters are, its docstring says."""
    about = next((a.doc for a in members if a.call.name == name), "")
    lines = [f"class {name}:", _docstring([about or f"{name}."]).rstrip("\n"), ""]
    lines += ["    def __init__(self, data):", "        raise NotImplementedError", ""]
    for asked in members:
        method = asked.call.name.partition(".")[2]
        if method:
            other = ", other" if method in OF_TWO else ""
            lines += [f"    def {method}(self{other}):",
                      textwrap.indent(_docstring([asked.doc]), "    ").rstrip("\n"),
                      "        raise NotImplementedError", ""]  # fmt: skip
    return "\n".join(lines).rstrip() + "\n"


OF_TWO = {
    f"__{side}{name}__"
    for side in ("", "r", "i")
    for name in ("add", "sub", "mul", "truediv", "pow", "matmul")
}


def _docstring(lines: list[str]) -> str:
    wrapped = [
        part
        for line in lines
        for part in (textwrap.wrap(line, WIDTH - 7, subsequent_indent=_margin(line)) or [""])
    ]
    safe = [line.replace("\\", "\\\\").replace('"""', "'''") for line in wrapped]
    if len(safe) == 1:
        return f'    """{safe[0]}"""\n'
    return "\n".join([f'    """{safe[0]}', *(f"    {x}".rstrip() for x in safe[1:]), '    """\n'])


def _margin(line: str) -> str:
    return " " * (len(line) - len(line.lstrip()))
