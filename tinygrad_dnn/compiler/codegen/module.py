"""Printed functions put together as a Python module that needs NumPy alone, or CuPy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tinygrad_dnn.compiler.codegen.blocks import HEAD as BLOCKS
from tinygrad_dnn.compiler.codegen.constants import Constants
from tinygrad_dnn.compiler.codegen.naming import Called
from tinygrad_dnn.compiler.python_text import filled
from tinygrad_dnn.graph import Leaf

# What every module has at its head; nothing of it is called while all is well.
HEAD = '''
class _Apart(threading.local):
    """A program with buffers of its own in each thread, made at the first call there."""

    def __init__(self, make):
        self.make = make

    def __getattr__(self, name):
        self.run = self.make()
        return self.run


def _unfit(who, takes, given):
    """The error for arguments that are not those that a program was written for."""
    for path, (shape, dtype) in takes.items():
        x, name = given, "".join([path[0], *(f"[{k!r}]" for k in path[1:])])
        try:
            for key in path:
                x = x[key]
            got = f"{x.shape} {x.dtype}"
        except (IndexError, KeyError):
            got = "is missing"
        except (AttributeError, TypeError):
            got = type(x).__name__
        if got != f"{shape} {dtype}":
            return ValueError(
                f"{who}: {name} {got}: this program was written for {shape} {dtype}; "
                "compile it again for other shapes and dtypes"
            )
    return ValueError(f"{who}: more keys than this program was written for; compile it again")


def _layout(arrays):
    try:
        return [(x.shape, x.dtype, x.strides) for x in arrays]
    except (AttributeError, TypeError):
        return None


def _check_out(who, out, makes, given):
    """A set of results may be written to where nothing that is given lies in it."""
    if _layout(out) != makes:
        raise ValueError(f"{who}: out: expected arrays as its function for results makes them")
    for i, x in enumerate(out):
        if any(np.may_share_memory(x, y) for y in (*given, *out[:i])):
            raise ValueError(
                f"{who}: out[{i}] {x.shape} shares memory with an argument or with another result; "
                "take turns with two sets"
            )
'''
UNPACK = '''
def _array(text):
    """A constant array from its text."""
    return np.load(io.BytesIO(zlib.decompress(base64.b85decode(text))))
'''


@dataclass
class Source:
    """A printed function.

    Attributes:
        lines: its definitions.
        signature: the arguments it takes, their shapes and dtypes.
        called: the names in it.
        constants: what it refers to.
        captured: the keyword arguments for what the recorded function closed over.
        blocks: which of its lines run block by block, in words.
        imports: the array module whose functions it calls.
    """

    lines: list[str]
    signature: str
    called: Called
    constants: Constants
    captured: dict[Leaf, str]
    blocks: Sequence[str] = ()
    imports: str = "numpy"

    @property
    def text(self) -> str:
        """A module of this function alone."""
        return module([self])


def module(sources: Sequence[Source], head: str = "") -> str:
    """The text of a module with these functions, which were printed with the same constants."""
    return "\n".join([*_module(sources, head), ""])


def _module(sources: Sequence[Source], head: str) -> Iterator[str]:
    constants = sources[0].constants
    yield from ('"""Written by tinygrad_dnn.compile.', "")
    yield from ([head, ""] if head else [])
    yield from (line for source in sources for line in filled(source.signature))
    packing = ["base64", "io", "zlib"] if constants.packed else []
    blocks = any(source.blocks for source in sources)
    threads = ["collections", "contextlib", "contextvars", "os"] if blocks else []
    needed = sorted([*packing, *threads, "threading"])
    yield from ('"""', "", *(f"import {name}" for name in needed), "")
    yield from (f"import {sources[0].imports} as np", "")
    yield from (UNPACK.splitlines() if constants.packed else [])
    yield from HEAD.splitlines()
    yield from (BLOCKS.splitlines() if blocks else [])
    for function in constants.functions:
        yield from ("", "", *function.splitlines())
    if constants.arrays:
        yield from ("", "", *(f"{name} = {value}" for name, value in constants.arrays.items()))
    for source in sources:
        yield from source.lines
