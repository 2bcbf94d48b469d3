"""Pieces of Python text: arrays to be allocated, long lines, quotes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

WIDTH = 100
_CALL = re.compile(r"\w+\(.*\)")
# What stands in quotes, else one character.
_TOKENS = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|.""", re.DOTALL)


def quoted(x: Any) -> str:
    """A text in double quotes where that is possible; else as Python writes it."""
    return f'"{x}"' if isinstance(x, str) and '"' not in x and repr(x)[1:-1] == x else repr(x)


def dtype_text(dtype: Any) -> str:
    """Return the text that follows a shape: nothing for float64."""
    if dtype == np.float64:
        return ""
    return ", bool" if dtype.kind == "b" else f", {quoted(dtype_word(dtype))}"


def dtype_word(dtype: Any) -> str:
    """Return the word for a dtype: float32, or >f8 where the bytes lie in the other order."""
    return str(dtype.name if dtype.isnative else dtype.str)


def _order(shape: Sequence[int], strides: Sequence[int]) -> list[int]:
    """The axes from the outermost in memory to the innermost; those of length 1 stay in place."""
    free = [i for i, n in enumerate(shape) if n != 1]
    inner = iter(sorted(free, key=lambda i: (-abs(strides[i]), i)))
    order = list(range(len(shape)))
    for i in free:
        order[i] = next(inner)
    return order


def empty(shape: tuple[int, ...], dtype: Any, strides: Sequence[int]) -> str:
    """New memory in the order that strides tell."""
    order = _order(shape, strides)
    if order == sorted(order) or prod(shape) == 0:
        return f"np.empty({shape}{dtype_text(dtype)})"
    if order == sorted(order, reverse=True):
        return f'np.empty({shape}{dtype_text(dtype)}, order="F")'
    inner = tuple(shape[i] for i in order)
    return f"np.empty({inner}{dtype_text(dtype)}).transpose{_inverse(order)}"


def shaped(part: str, shape: tuple[int, ...], strides: Sequence[int]) -> str:
    """A flat part of a buffer as an array of that shape and order."""
    order = _order(shape, strides)
    if order == sorted(order):
        return f"{part}.reshape({shape})"
    return f"{part}.reshape({tuple(shape[i] for i in order)}).transpose{_inverse(order)}"


def _inverse(order: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort(order))


def filled(text: str) -> list[str]:
    """Prose in lines of the page's width."""
    # A shape stays in one line.
    whole = re.sub(r"\([^()]*\)", lambda m: m[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(whole, WIDTH - 4, subsequent_indent="    ")
    return [line.replace("\0", " ") for line in lines]


def wrapped(line: str) -> str:
    """A long `return`, assignment, `def` or call over several lines, broken at commas."""
    body = line.lstrip()
    if len(line) <= WIDTH or body.startswith("#"):
        return line
    indent = line[: len(line) - len(body)]
    if body.startswith("def ") or _CALL.fullmatch(body):
        name, _, rest = body.partition("(")
        inside, _, end = rest.rpartition(")")
        return f"{indent}{name}({_broken(inside, indent)}\n{indent}){end}"
    if body.startswith("return "):
        *first, last = pieces = [*_pieces(body.removeprefix("return "))]
        head = f"{indent}return {''.join(f'{x}, ' for x in first)}{last[0]}"
        if body[-1] == last[-1] and last[0] in "{[" and len(head) <= WIDTH:
            return f"{head}{_broken(last[1:-1], indent)}\n{indent}{last[-1]}"
        if not first and body[-1] != ",":
            return line  # one value, and no tuple of it
        return f"{indent}return ({_broken(', '.join(pieces), indent)}\n{indent})"
    names, equals, values = body.partition(" = ")
    several, many = (len([*_pieces(side)]) > 1 for side in (names, values))
    if not equals or not (many or several):
        return line  # a part of one array, x[0, 1:3], is no tuple
    left = f"({_broken(names, indent)}\n{indent})" if several else names
    left = names if len(names) < WIDTH // 2 else left
    right = f"({_broken(values, indent)}\n{indent})" if many else values
    return f"{indent}{left} = {right}"


def assigned(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Names and what they are bound to, in as few lines as they fit, all about as long."""
    for lines in range(1, len(pairs) + 1):
        each = -(-len(pairs) // lines)
        parts = [pairs[i : i + each] for i in range(0, len(pairs), each)]
        texts = [
            f"{', '.join(name for name, _ in part)} = {', '.join(value for _, value in part)}"
            for part in parts
        ]
        if each == 1 or all(len(text) <= WIDTH - 8 for text in texts):
            yield from texts
            return


def _broken(text: str, indent: str) -> str:
    rows, row = [], ""
    for piece in _pieces(text):
        if len(indent) + 5 + len(piece) > WIDTH and piece[0] in "{[(" and piece[-1] in "}])":
            within = f"{indent}    "
            piece = f"{piece[0]}{_broken(piece[1:-1], within)}\n{within}{piece[-1]}"
        if row and len(indent) + 4 + len(row) + len(piece) + 2 > WIDTH:
            rows.append(row)
            row = ""
        row += f"{' ' * bool(row)}{piece},"
    return "".join(f"\n{indent}    {r}" for r in [*rows, row])


def _pieces(text: str) -> Iterator[str]:
    """Yield the pieces of a text between the commas outside all brackets and quotes."""
    depth, piece = 0, ""
    for token in _TOKENS.findall(text):
        depth += (token in "([{") - (token in ")]}")
        if token == "," and not depth:
            yield piece.strip()
            piece = ""
        else:
            piece += token
    if piece.strip():
        yield piece.strip()
