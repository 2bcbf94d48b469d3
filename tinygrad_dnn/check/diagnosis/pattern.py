"""Where a gradient is wrong, when no hypothesis says why: rows, columns, and what they share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.check.diagnosis.known import Known
from tinygrad_dnn.check.diagnosis.numbers import Array, close, ratio

NEARLY = 5  # digits that are right by no accident
FEW = 3  # elements, in and out, from which an interval says something
SHOWN = 6  # row or column numbers in a sentence
Mask = NDArray[np.bool_]


def pattern(yours: Array, known: Known, wrong: Mask) -> list[str]:
    """Sentences about the wrong elements: which, where, and what they have in common."""
    truth = known.truth
    count = int(wrong.sum())
    if count == wrong.size:
        said = [f"all {count} elements are wrong" if count > 1 else "its one element is wrong"]
    else:
        said = [f"{count} of {wrong.size} elements {'is' if count == 1 else 'are'} wrong"]
        said += _places(wrong) if count > 1 else []
        said += _condition(known, wrong)
    said += _shared(yours, truth, wrong)
    return said


def _places(wrong: Mask) -> Iterator[str]:
    if wrong.ndim != 2:
        if wrong.ndim == 1 and 1 < wrong.sum() <= SHOWN:
            yield f"those at {_list(np.flatnonzero(wrong))}"
        return
    rows, columns = np.flatnonzero(wrong.any(axis=1)), np.flatnonzero(wrong.any(axis=0))
    if wrong.shape[0] == wrong.shape[1] > 1 and np.array_equal(wrong, np.eye(len(wrong)) > 0):
        yield "those on the diagonal"
    elif (
        wrong.shape[0] == wrong.shape[1] > 1
        and not wrong.diagonal().any()
        and (wrong.sum() == wrong.size - len(wrong))
    ):
        yield "all but those on the diagonal"
    elif 0 < len(rows) < wrong.shape[0] and wrong[rows].all():
        yield f"all of row{'s' * (len(rows) > 1)} {_list(rows)}, the others are right"
    elif 0 < len(columns) < wrong.shape[1] and wrong[:, columns].all():
        yield f"all of column{'s' * (len(columns) > 1)} {_list(columns)}, the others are right"
    elif len(rows) < wrong.shape[0] and len(rows) <= len(columns):
        yield f"all of them in row{'s' * (len(rows) > 1)} {_list(rows)}"
    elif len(columns) < wrong.shape[1]:
        yield f"all of them in column{'s' * (len(columns) > 1)} {_list(columns)}"


def _list(numbers: Any) -> str:
    shown = ", ".join(map(str, numbers[:SHOWN]))
    return f"{shown}, ... ({len(numbers)} of them)" if len(numbers) > SHOWN else shown


def _condition(known: Known, wrong: Mask) -> Iterator[str]:
    """The wrong elements are exactly those where a known quantity is 0, negative, ..."""
    for name, Q in known.arrays.items():
        if np.iscomplexobj(Q):
            continue
        try:
            x = np.broadcast_to(Q, wrong.shape)
        except ValueError:
            continue
        tests = {
            "= 0": x == 0,
            "≠ 0": x != 0,
            "< 0": x < 0,
            "> 0": x > 0,
            "≥ 0": x >= 0,
            "≤ 0": x <= 0,
            "is not finite": ~np.isfinite(x),
        }
        for words, mask in tests.items():
            if np.array_equal(mask, wrong):
                yield f"exactly those where {name} {words}"
                return
    for name, Q in known.arrays.items():
        if Q.shape == wrong.shape and not np.iscomplexobj(Q) and np.all(np.isfinite(Q)):
            low, high = Q[wrong].min(), Q[wrong].max()
            inside = (low <= Q) & (high >= Q)
            if FEW <= wrong.sum() <= wrong.size - FEW and np.array_equal(inside, wrong):
                yield f"exactly those where {name} lies between {low:.3g} and {high:.3g}"
                return


def _shared(yours: Array, truth: Array, wrong: Mask) -> Iterator[str]:
    """One property of all wrong elements."""
    mine, right = yours[wrong], truth[wrong]
    which = "they are" if mine.size > 1 else "it is"
    near = _digits(mine, right)
    if np.all(np.isnan(mine)):
        yield f"{which} NaN"
    elif np.all(np.isinf(mine)):
        yield f"{which} infinite"
    elif np.any(~np.isfinite(mine) & np.isfinite(right)):
        bad = int(np.sum(~np.isfinite(mine)))
        yield f"{bad} of them {'is' if bad == 1 else 'are'} NaN or infinite"
    elif near:
        agree = "they agree" if mine.size > 1 else "it agrees"
        yield f"{agree} to {near} digits: a difference quotient, or something small added?"
    elif mine.size > 1:
        if np.all(mine == 0):
            yield "they are 0"
        elif (c := ratio(mine, right)) is not None:
            yield (
                "they have the opposite sign"
                if c == -1
                else f"they are {c:.6g} times what is right"
            )
        elif np.all(right == 0):
            yield "0 is right there"
        elif np.all(mine == mine.flat[0]):
            yield f"they are all {mine.flat[0]:.6g}"
        elif np.all(close(np.abs(mine), np.abs(right))):
            yield "only their sign is wrong"
        elif np.array_equal(np.sort(mine), np.sort(right)):
            yield "the right numbers stand there in another order"


def _digits(mine: Array, right: Array) -> int:
    """How many digits wrong numbers have in common with the right ones; 0 of fewer than a few."""
    with np.errstate(all="ignore"):
        off = np.max(np.abs(mine - right)) / np.max(np.abs(right))
    return int(-np.log10(off)) if 0 < off < 10.0**-NEARLY else 0


def _times(c: float) -> str:
    return "they have the opposite sign" if c == -1 else f"they are {c:.6g} times what is right"
