"""Labels as people write them, integers or texts, made into 0, 1, ... and the names of these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.data.examples import such
from tinygrad_dnn.escapes import printable

Array = NDArray[Any]
MAX_CLASSES = 10_000
SHOWN_NAMES = 8


def check_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """The names of two classes or more, each once.

    Raises:
        ValueError: fewer, a name twice, or something that is no text.
    """
    names = tuple(classes)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"classes: expected texts in the order of the labels, got {names!r}")
    if len(set(names)) < max(2, len(names)):
        raise ValueError(
            f"classes: expected the names of two classes or more, each once, got {list(names)}"
        )
    return names


def numbered(y: Array, classes: Sequence[str] | None, where: str) -> tuple[Array, tuple[str, ...]]:
    """Labels as numbers, and the names of the classes 0, 1, ...; () where they are no classes.

    Texts are numbered by the list of classes. Integers are the positions in that list, unless it
    names integers itself: classes ["3", "7"] of labels 3 and 7. Without a list integers from 0 on
    are classes of those names, at least 0 and 1, and other numbers are to be predicted as such.

    Raises:
        ValueError: texts without a list, or labels that are not in it, counted and named.
    """
    names = None if classes is None else check_classes(classes)
    if y.dtype.kind not in "biuf":
        return _texts(y, names, where)
    if y.dtype.kind == "b":
        y = y.astype(np.uint8)
    if wrong := np.flatnonzero(~np.isfinite(y)).tolist():
        raise ValueError(
            f"{where}: expected labels, got {y.flat[wrong[0]]} for example {wrong[0]}"
            f"{such(wrong, y.size)}; complete them, or leave these examples out"
        )
    if names is not None and not all(name.lstrip("-").isdecimal() for name in names):
        return y, names
    whole = bool(np.all(y == np.floor(y)))
    if names is None:
        if not whole or not np.all((y >= 0) & (y < MAX_CLASSES)):
            return y, ()
        return y, tuple(map(str, range(int(y.max(initial=1)) + 1)))
    if not whole:
        raise ValueError(f"{where}: expected labels {', '.join(names)}, got numbers in between")
    return _texts(y.astype(np.int64).astype(str), names, where)


def _texts(y: Array, names: tuple[str, ...] | None, where: str) -> tuple[Array, tuple[str, ...]]:
    texts = np.array([_text(value) for value in y.ravel()], dtype=object)
    if names is None:
        found = sorted({text for text in texts if text is not None})
        names = tuple(map(printable, found[:SHOWN_NAMES]))
        more = ("...",) if len(found) > SHOWN_NAMES else ()
        raise ValueError(
            f"{where}: its labels are texts; say in which order they are the classes 0, 1, ...: "
            f"classes=[{', '.join([*map(repr, names), *more])}] "
            f"(--classes {','.join(names + more)})"
        )
    number = {name: k for k, name in enumerate(names)}
    labels = np.array([number.get(text, -1) for text in texts], dtype=np.int64)
    wrong: list[int] = np.flatnonzero(labels < 0).tolist()
    if wrong:
        first = texts[wrong[0]]
        got = "none" if first is None else repr(printable(first))
        raise ValueError(
            f"{where}: expected one of the classes {', '.join(names[:SHOWN_NAMES])}, got {got} for "
            f"example {wrong[0]}{such(wrong, len(labels))}"
        )
    return labels.reshape(y.shape), names


def _text(value: Any) -> str | None:
    """A label as a text; None where it is missing."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if value is None or value != value:  # NaN, NaT
        return None
    return str(value)
