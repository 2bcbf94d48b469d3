"""The meaning of the signs in formulas, where a reader may not know them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tinygrad_dnn.formula.constants import figures

_LETTERS = re.compile("[ᵢⱼₖₗₚᵣₛₜᵤᵥ]")
_ALONG = re.compile("(?:take|scatter)[ᵢⱼₖₗₚᵣₛₜᵤᵥ]")
_AXES = (
    "i, j, k, ... run along the first, second, third axis: Σⱼ x adds up each row of a matrix and "
    "keeps that axis, with length 1"
)
_GONE = "in brackets, Σ₍ⱼ₎ x, the axis is gone"
_ALONE = "Σ without a letter is over all; on a line of its own, down to the shape beside it."
_PUT = "scatter(x → s[p]) is an array of shape s, 0 but for x added at the positions p."
_EACH = (
    "takeⱼ(x, p) takes from each row of x the positions that the same row of p holds; "
    "scatterⱼ(x → s, p) adds x at these positions of zeros of shape s."
)
_STACK = "Of a stack of matrices xᵀ is the transpose of each."
_SET = "set(x[p] = y) is x with y in place of what stood at the positions p."


_FIGURES = 60  # characters of an array's numbers
_ARRAYS = 8  # that are told of


def legend(
    texts: Iterable[str], arrays: Mapping[str, Any] | None = None, stacked: bool = False
) -> str:
    """Sentences about the signs that occur in formulas as plain text, or nothing.

    Args:
        arrays: by name, which are told as well.
        stacked: whether there are arrays of more than two axes.
    """
    whole = "\n".join(texts)
    sentences: list[str] = []
    if _LETTERS.search(whole):
        sentences += [f"{_AXES}; {_GONE}." if "₍" in whole else f"{_AXES}.", _ALONE]
    if _ALONG.search(whole):
        sentences.append(_EACH)
    if stacked and "ᵀ" in whole:
        sentences.append(_STACK)
    sentences += [told for word, told in (("scatter(", _PUT), ("set(", _SET)) if word in whole]
    read = [
        f"{name} = {text}" if (text := figures(x, _FIGURES)) else f"{name} {tuple(x.shape)}"
        for name, x in (arrays or {}).items()
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", whole)
    ]
    if read:
        more = ["..."] if len(read) > _ARRAYS else []
        sentences.append(f"Constant arrays: {'; '.join([*read[:_ARRAYS], *more])}.")
    return " ".join(sentences)
