"""Messages between the grader and a student's process: JSON and raw arrays; answers are limited.

A frame is two lengths, JSON text and the bytes of the arrays in the order in which the text names
them. Reading one builds numbers, text, arrays and their containers and runs nothing; what is no
such frame is refused.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

HEAD = struct.Struct("<II")
MOST_TEXT = 1 << 20  # of an answer
MOST_BYTES = 4 << 20
DEEP = 8  # levels of a result that are looked into
DEEPEST = DEEP + 6  # and of the message around it
WIDEST = 32  # axes of an array
MOST_BITS = 1024  # of an integer
DTYPES = frozenset(
    ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
)


class Malformed(ValueError):
    """Bytes that are no message, in words."""


class TooLarge(ValueError):
    """A message that is longer than the other side takes."""


@dataclass(frozen=True)
class Other:
    """Stands for a value that is no plain data.

    Attributes:
        words: what it is: "a generator".
    """

    words: str


def plain(x: Any, depth: int = 0) -> Any:
    """Arrays, numbers, text and their containers as they are; `Other` for all else."""
    if isinstance(x, np.ndarray):
        return _plain_array(x)
    if isinstance(x, np.generic):
        return plain(np.asarray(x))
    if type(x) is int and x.bit_length() > MOST_BITS:
        return Other(f"an integer of {x.bit_length()} bits")
    if x is None or type(x) in (bool, int, float, complex, str):
        return x
    if depth < DEEP and isinstance(x, (tuple, list)):
        items = [plain(v, depth + 1) for v in x]
        return tuple(items) if isinstance(x, tuple) else items
    if depth < DEEP and isinstance(x, dict):
        return {str(k): plain(v, depth + 1) for k, v in x.items()}
    return Other(f"a {type(x).__name__}")


def _plain_array(x: Any) -> Any:
    if x.dtype.str[1:] not in DTYPES:
        if x.dtype.kind not in "fc":
            return Other(f"an array of {'objects' if x.dtype.hasobject else x.dtype.name}")
        # The widest floats have no form that all machines share.
        x = x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)
    if x.nbytes > MOST_BYTES or x.ndim > WIDEST:
        return Other(f"an array {x.shape} of {x.nbytes >> 20} MiB")
    return np.array(x, copy=True, subok=False)


def encode(message: Any, *, limited: bool) -> bytes:
    """A frame.

    Raises:
        TooLarge: the other side takes no more than so much, and would refuse it.
    """
    arrays: list[bytes] = []
    text = json.dumps(_tagged(message, arrays), separators=(",", ":")).encode("ascii")
    raw = b"".join(arrays)
    if limited and (len(text) > MOST_TEXT or len(raw) > MOST_BYTES):
        raise TooLarge(f"a message of {len(text)} characters and {len(raw)} bytes of arrays")
    return HEAD.pack(len(text), len(raw)) + text + raw


def _tagged(x: Any, arrays: list[bytes]) -> Any:
    """A value as JSON; what JSON has no form for is an object of one key, the tag."""
    if isinstance(x, np.ndarray):
        arrays.append(x.astype(x.dtype.newbyteorder("<"), order="C", copy=False).tobytes())
        return {"array": [x.dtype.str[1:], list(x.shape)]}
    if isinstance(x, dict):
        return {"dict": {k: _tagged(v, arrays) for k, v in x.items()}}
    if isinstance(x, tuple):
        return {"tuple": [_tagged(v, arrays) for v in x]}
    if isinstance(x, list):
        return [_tagged(v, arrays) for v in x]
    if isinstance(x, complex):
        return {"complex": [x.real, x.imag]}
    return {"other": x.words} if isinstance(x, Other) else x


def lengths(head: bytes, *, limited: bool) -> tuple[int, int]:
    """The lengths of text and arrays that the first bytes of a frame announce.

    Raises:
        Malformed: more than is taken.
    """
    text, raw = HEAD.unpack(head)
    if limited and (text > MOST_TEXT or raw > MOST_BYTES):
        raise Malformed(f"a message of {text + raw} bytes")
    return text, raw


def decode(text: bytes, raw: bytes) -> Any:
    """The message of a frame.

    Raises:
        Malformed: it is none.
    """
    try:
        return _Reader(raw).message(json.loads(text))
    except Malformed:
        raise
    except (ValueError, RecursionError, MemoryError) as error:
        raise Malformed(f"no message ({type(error).__name__})") from None


class _Reader:
    """Turns the JSON of a frame into values, taking the arrays from its bytes in turn."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def message(self, data: Any) -> Any:
        found = self.value(data, 0)
        if self.at != len(self.raw):
            raise Malformed("bytes that belong to no array")
        return found

    def value(self, data: Any, depth: int) -> Any:
        if depth > DEEPEST:
            raise Malformed("values within values without end")
        if isinstance(data, list):
            return [self.value(v, depth + 1) for v in data]
        if not isinstance(data, dict):
            return data
        if len(data) != 1:
            raise Malformed("an object without a tag")
        ((tag, inside),) = data.items()
        if tag == "dict" and isinstance(inside, dict):
            return {k: self.value(v, depth + 1) for k, v in inside.items()}
        if not isinstance(inside, list):
            if tag == "other" and isinstance(inside, str):
                return Other(inside)
            raise Malformed("an object with a tag that is none")
        if tag == "tuple":
            return tuple(self.value(v, depth + 1) for v in inside)
        if tag == "complex" and len(inside) == 2 and all(type(v) is float for v in inside):
            return complex(*inside)
        if tag == "array" and len(inside) == 2:
            return self.array(*inside)
        raise Malformed("an object with a tag that is none")

    def array(self, name: Any, shape: Any) -> Any:
        known = isinstance(name, str) and name in DTYPES
        if not known or not isinstance(shape, list) or len(shape) > WIDEST:
            raise Malformed("an array of no dtype or shape that is known")
        if any(type(n) is not int or not 0 <= n <= MOST_BYTES for n in shape):
            raise Malformed("an array of an impossible shape")
        dtype = np.dtype(name).newbyteorder("<")
        size = math.prod(shape) * dtype.itemsize
        part = self.raw[self.at : self.at + size]
        if len(part) != size:
            raise Malformed("an array that lacks its numbers")
        self.at += size
        if name == "b1":  # a byte is any number, a truth value 0 or 1
            return (np.frombuffer(part, np.uint8) != 0).reshape(shape)
        return np.frombuffer(part, dtype).astype(np.dtype(name), copy=True).reshape(shape)
