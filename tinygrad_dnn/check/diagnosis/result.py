"""The result of a comparison, in data and in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SHOWN, EVERY = 9, 17  # digits of a number: as a rule, and all that a float has
TIES = 3  # explanations listed where several fit equally well


@dataclass(frozen=True)
class Explanation:
    """A mistake that explains the numbers to rounding.

    Attributes:
        name: of the mistake, "opposite sign", "factor m", "transposed and factor 2".
        says: what one sees, to follow the gradient's name: "is exactly 209 = m times too large".
        hint: what to ask oneself, or "".
        rank: the lower, the simpler.
    """

    name: str
    says: str
    hint: str = ""
    rank: int = 1

    def __str__(self) -> str:
        return f"{self.says}: {self.hint}" if self.hint else self.says


@dataclass(frozen=True)
class Worst:
    """The element that is furthest from the truth."""

    index: tuple[int, ...]
    yours: Any
    truth: Any

    def __str__(self) -> str:
        at = f"at {list(self.index)} it is" if self.index else "it is"
        for digits in (SHOWN, EVERY):  # more where they would look alike
            yours, truth = _number(self.yours, digits), _number(self.truth, digits)
            if yours != truth:
                break
        return f"{at} {yours}, right is {truth}"


@dataclass(frozen=True)
class Diagnosis:
    """The result of `compare`. `print` shows it in words.

    Attributes:
        name: of the gradient, such as "dW1".
        right: whether it agrees with the truth to rounding.
        explanations: the simplest mistakes that explain every number to rounding; several where
            these data can't tell them apart, none where nothing explains them.
        possible: mistakes that fit, but on so few numbers that many others would as well.
        pattern: which elements are wrong and what they have in common.
        worst: the worst element, or None where the shapes differ.
        trial: which of several comparisons it speaks of.
        shape, truth_shape: of the two arrays; `shape` is None where yours is no array.
    """

    name: str
    right: bool
    explanations: tuple[Explanation, ...] = ()
    possible: tuple[Explanation, ...] = ()
    pattern: tuple[str, ...] = ()
    worst: Worst | None = None
    shape: tuple[int, ...] | None = None
    truth_shape: tuple[int, ...] = ()
    trial: int = 0
    problem: str = field(default="", repr=False)

    @property
    def explanation(self) -> Explanation | None:
        """The first explanation, or None."""
        return self.explanations[0] if self.explanations else None

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """The diagnosis as sentences."""
        if self.right:
            return [f"{self.name} is right"]
        if self.problem:
            return [f"{self.name} {self.problem}"]
        if self.explanations:
            first, *others = self.explanations
            said = [f"{self.name} {first}"]
            if others:
                more = "; or it ".join(e.says for e in others[:TIES])
                said.append(f"These numbers fit as well if it {more}")
            return said
        said = []
        if self.shape != self.truth_shape:
            said.append(f"{self.name} has shape {self.shape} where {self.truth_shape} is right")
        only = [str(self.worst)] if self.worst and all(n == 1 for n in self.truth_shape) else []
        if self.pattern:
            said.append(f"{self.name}: {'; '.join([*self.pattern, *only])}")
        if self.worst is not None and not only:
            said.append(f"The worst: {self.worst}")
        if self.possible:
            said.append(
                f"It {self.possible[0].says}, but so few numbers would fit other mistakes as well"
            )
        return said

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "name": self.name,
            "right": self.right,
            "explanations": [
                {"name": e.name, "says": e.says, "hint": e.hint} for e in self.explanations
            ],
            "pattern": list(self.pattern),
            "words": self.lines(),
            "shape": None if self.shape is None else list(self.shape),
            "truth_shape": list(self.truth_shape),
        }


def _number(x: Any, digits: int) -> str:
    return f"{x:.{digits}g}" if isinstance(x, float) else str(x)
