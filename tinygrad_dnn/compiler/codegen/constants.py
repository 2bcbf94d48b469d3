"""The top of a printed module: constant arrays, and functions of the user's ops."""

from __future__ import annotations

import ast
import base64
import builtins
import io
import zlib
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np

from tinygrad_dnn.compiler.codegen.lower import uniform
from tinygrad_dnn.compiler.codegen.naming import Names
from tinygrad_dnn.compiler.codegen.numpy_source import Unspeakable, forward_of, literal, settings
from tinygrad_dnn.compiler.python_text import dtype_word, quoted
from tinygrad_dnn.graph import Node

SHORT = 8  # characters of a number that a name may tell
SPELLED = 32  # elements of a constant that are written as numbers
NUMBERS = {0: "zero", 1: "one", -1: "minus_one", 2: "two", 0.5: "half"}


class Constants:
    """Definitions that lines refer to, each made once.

    Attributes:
        arrays: the text of each constant array, by name.
        functions: the texts of the helper functions.
        objects: what has no text, by name.
        packed: whether an array is written as compressed bytes.
        written: the numbers that the recorded functions wrote.

    Args:
        strided: whether an array can be made over given memory and strides.
    """

    def __init__(self, names: Names, strided: bool = True) -> None:
        self.names, self.strided = names, strided
        self.arrays: dict[str, str] = {}
        self.functions: list[str] = []
        self.objects: dict[str, Any] = {}
        self.packed = False
        self.written: set[float] = set()
        self._known: dict[tuple[Any, ...], str] = {}
        self._helpers: dict[Any, str] = {}

    def text(self, x: Any) -> str:
        """A number as it is, an array by its name."""
        if isinstance(x, (np.ndarray, np.generic)):
            return self.array(np.asarray(x))
        return setting_text(x)

    def array(self, x: Any) -> str:
        """The name of a constant array."""
        # NaN has many bits, and −0 is not 0.
        key = (x.shape, x.dtype.str, x.strides, x.tobytes())
        if key not in self._known:
            literal = _literal(x, self.written)
            word = None if literal is None else _word(literal)
            name = self.names.counted("c") if word is None else self.names.fresh(word)
            self.names.shared(name)
            self._known[key] = name
            self.arrays[name] = self._text(x, literal)
        return self._known[key]

    def _text(self, x: Any, literal: str | None) -> str:
        word = quoted(dtype_word(x.dtype))
        x = x if self.strided or x.flags.f_contiguous else np.ascontiguousarray(x)
        if not (x.flags.c_contiguous or x.flags.f_contiguous):
            memory, first = _memory(x)
            whole = self._text(memory, None)
            return f"np.ndarray({x.shape}, {word}, {whole}, {first}, {x.strides})"
        kind = "" if x.dtype == np.float64 else f", {word}"
        order = "" if x.flags.c_contiguous else ', order="F"'
        if literal is not None:
            return f"np.array({literal}{kind})"
        if x.dtype.char != "g" and not x.ndim:
            return f"np.array({setting_text(x.item())}{kind})"
        if x.dtype.char != "g" and uniform(x):
            return f"np.full({x.shape}, {setting_text(x.reshape(-1)[0].item())}{kind}{order})"
        if x.dtype.char != "g" and 0 < x.size <= SPELLED and np.isfinite(x).all():
            return f"np.array({x.tolist()}{kind}{order})"
        self.packed = True
        file = io.BytesIO()
        np.save(file, x, allow_pickle=False)
        return f'_array("{base64.b85encode(zlib.compress(file.getvalue(), 9)).decode()}")'

    def object(self, wanted: str, x: Any) -> str:
        """The name of something that has no text."""
        name = self.names.shared(self.names.fresh(wanted))
        self.objects[name] = x
        return name

    def settings(self, node: Node) -> dict[str, str]:
        """Names for settings that are arrays: positions in an index."""
        return settings(node.meta, self.array)

    def setting(self, value: Any) -> str:
        """A setting as it is written, or the name of what can't be."""
        try:
            return setting_text(value)
        except Unspeakable:
            return self.object("setting", value)

    def function(self, wanted: str, parameters: str, body: Sequence[str]) -> str:
        """The name of a function with this text."""
        key = (parameters, *body)
        if key not in self._helpers:
            name = self._helpers[key] = self.names.shared(self.names.fresh(wanted))
            text = "\n".join(f"    {line}" for line in body)
            self.functions.append(f"def {name}({parameters}):\n{text}")
        return self._helpers[key]

    def helper(self, op: Any) -> str:
        """The name of a function with an op's own text."""
        if op not in self._helpers:
            try:
                definition = _definition(op)
            except Unspeakable:
                self._helpers[op] = self.object(op.name, op.compute)
            else:
                name = self.names.shared(self.names.fresh(op.name))
                self._helpers[op] = definition.name = name
                self.functions.append(ast.unparse(definition))
        return self._helpers[op]


def _literal(x: Any, written: set[float]) -> str | None:
    """A float in few digits, exactly: 0.5 or 0.0075 / 209; None if it is no such number."""
    if x.ndim or x.dtype.kind != "f" or x.dtype.char == "g" or not np.isfinite(x):
        return None
    text = str(x[()])
    if len(text) <= SHORT:
        return text if np.array(float(text), x.dtype).tobytes() == x.tobytes() else None
    pairs = [(a, b) for a, b in permutations(sorted(written)[:SPELLED], 2) if b]
    with np.errstate(over="ignore"):
        for a, b in pairs:
            if np.array(a / b, x.dtype).tobytes() == x.tobytes():
                return f"{a} / {b}"
            if np.array(a * (1 / b), x.dtype).tobytes() == x.tobytes():  # as the rewrites have it
                return f"{a} * (1 / {b})"
    return None


def _memory(x: Any) -> tuple[Any, int]:
    """The memory that an array lies in, its gaps filled with 0, and where x[0, ...] lies there."""
    reach = [(n - 1) * step for n, step in zip(x.shape, x.strides, strict=True)]
    first = -sum(r for r in reach if r < 0)
    memory = np.zeros((first + sum(r for r in reach if r > 0)) // x.itemsize + 1, x.dtype)
    np.ndarray(x.shape, x.dtype, memory, first, x.strides)[...] = x
    return memory, first


def _word(literal: str) -> str:
    """A name for a number: zero, n0_0075, one_over_209."""
    if "/" in literal:
        above, below = literal.replace(" * (1", "").replace(")", "").split(" / ")
        return f"{_word(above)}_over_{_word(below).removeprefix('n')}"
    if float(literal) in NUMBERS and literal != "-0.0":
        return NUMBERS[float(literal)]
    words = literal.removesuffix(".0").replace(".", "_").replace("-", "_minus_")
    return f"n{words}".replace("n_minus", "minus")


def setting_text(value: Any) -> str:
    """Python's text for a number, a text, a tuple of them, ...

    Raises:
        Unspeakable: there is none.
    """
    return ast.unparse(literal(value))


def quick(x: Any, node: Node) -> Any:
    """A number beside float arrays as an array of their dtype, which NumPy reads twice as fast."""
    dtypes = {y.dtype for y in node.inputs if hasattr(y, "dtype")}
    if type(x) not in (int, float) or len(dtypes) != 1:
        return x
    dtype = dtypes.pop()
    return np.asarray(x, dtype) if dtype.kind == "f" else x


def _definition(op: Any) -> ast.FunctionDef:
    """The text of an op's forward as a function.

    Raises:
        Unspeakable: it has none, or reads names that stand outside it.
    """
    if op.forward.__closure__:
        raise Unspeakable(f"{op.name}: its forward closes over variables")
    text = ast.unparse(forward_of(op).definition)
    definition = ast.parse(text).body[0]
    if not isinstance(definition, ast.FunctionDef):
        raise Unspeakable(f"{op.name}: its forward is no function")
    names = {n.id for n in ast.walk(definition) if isinstance(n, ast.Name)}
    own = {a.arg for n in ast.walk(definition) if isinstance(n, ast.arguments) for a in _all(n)}
    own |= {
        n.id
        for n in ast.walk(definition)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    for word in sorted(names - own - {"np"}):
        if not hasattr(builtins, word) or word in op.forward.__globals__:
            raise Unspeakable(f"{op.name}: its forward reads {word}")
    if "np" in names and op.forward.__globals__.get("np") is not np:
        raise Unspeakable(f"{op.name}: its np is not NumPy")
    return definition


def _all(n: ast.arguments) -> list[ast.arg]:
    more = [a for a in (n.vararg, n.kwarg) if a is not None]
    return [*n.posonlyargs, *n.args, *n.kwonlyargs, *more]
