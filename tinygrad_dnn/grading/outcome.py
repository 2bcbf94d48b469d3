"""The outcome of a student's function, taken apart into arrays that can be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_dnn.check.diagnosis import Source
from tinygrad_dnn.check.diagnosis.numbers import as_array, close, precision
from tinygrad_dnn.isolation.messages import Other
from tinygrad_dnn.isolation.replies import visible

LONG_KEY = 40  # characters of a dictionary's key


class Unusable(Exception):
    """A result that is not what the document's function returns, in words."""


@dataclass(frozen=True)
class Output:
    """One array of a result beside the truth.

    Attributes:
        name: "dW", "dW2".
        yours, truth: the arrays.
        context: what `compare` may know of the case.
        size: of the terms, or None.
        group: outputs of one group are compared together over all cases.
        order: groups of a lower order come first in the report; what is computed from a wrong
            value is wrong as well and of a higher one.
        activation: of the layer, where the function is handed one.
        accepted: gives other values that are right too, by what they differ in.
        source: the function that it is a gradient of, in whose backward pass a mistake may lie.
    """

    name: str
    yours: Any
    truth: Any
    context: Mapping[str, Any] = field(default_factory=dict)
    size: Any = None
    group: str = ""
    order: int = 0
    activation: str = ""
    accepted: Callable[[], Mapping[str, Any]] = dict
    source: Source | None = None

    @property
    def right(self) -> bool:
        """Whether it is the truth to rounding."""
        return self.near(self.truth, self.size)

    def near(self, wanted: Any, size: Any, mistaken: bool = False) -> bool:
        """Whether it is that value to rounding.

        Args:
            size: of the terms, see `close`.
            mistaken: the value is what a mistake gives, which is recognised by the digits that are
                there. What is right has those of the truth, which are those of the arguments.
        """
        y, w, truth = map(as_array, (self.yours, wanted, self.truth))
        if y is None or w is None or truth is None or y.shape != w.shape:
            return False
        return bool(np.all(close(y, w, size, eps=0.0 if mistaken else precision(truth))))


def several(value: Any, names: Sequence[str]) -> Sequence[Any]:
    """A tuple of so many values.

    Raises:
        Unusable: it is something else.
    """
    if isinstance(value, (tuple, list)) and len(value) == len(names):
        for name, x in zip(names, value, strict=True):
            if isinstance(x, Other) and "cache" not in name:
                raise Unusable(f"returns {kind(x)} as {name} where an array is expected")
        return value
    wanted = f"{len(names)} values ({', '.join(names)})"
    raise Unusable(f"returns {kind(value)} where {wanted} are expected{_hint(value)}")


def array(value: Any) -> Any:
    """The one array, or number, that a function returns.

    Raises:
        Unusable: it is something else.
    """
    if as_array(value) is None or isinstance(value, Other):
        raise Unusable(f"returns {kind(value)} where an array is expected{_hint(value)}")
    return value


def dictionary(value: Any, names: Sequence[str]) -> Mapping[str, Any]:
    """A dict with these keys.

    Raises:
        Unusable: it is something else, or keys are missing.
    """
    if isinstance(value, tuple) and value and isinstance(value[0], dict):
        value = value[0]  # later versions of the course return the costs as well
    if not isinstance(value, dict):
        raise Unusable(f"returns {kind(value)} where a dictionary is expected{_hint(value)}")
    missing = [n for n in names if n not in value]
    if missing:
        there = ", ".join(visible(key, LONG_KEY) for key in list(value)[:8]) or "empty"
        raise Unusable(f"lacks {', '.join(missing)} in the dictionary that it returns ({there})")
    return value


def kind(value: Any) -> str:
    """Return the kind of a value, in a few words."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array {value.shape}" if value.ndim else "a number"
    if isinstance(value, Other):
        return visible(value.words)
    if isinstance(value, (tuple, list)):
        return f"{len(value)} value{'s' * (len(value) != 1)}"
    if isinstance(value, dict):
        return "a dictionary"
    return f"a {type(value).__name__}"


def _hint(value: Any) -> str:
    return ": was return forgotten?" if value is None else ""
