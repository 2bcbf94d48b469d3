r"""Graph -> mathematics as LaTeX, for paper: what stands between two $.

The structure follows from an op's one template, as it does for MathML: `{x} / {y}` is \frac,
`{x}^({y})` a power, `√{x}` a root. It needs amsmath and amssymb.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tinygrad_dnn.formula import Formula, printable

_PLACE = re.compile(r"\{(\w+)\}")
_NAME = re.compile(r"([dδ]?)([A-Za-z]+)_?([0-9]*)")
_PREFIX = {"d": r"\mathrm{d}", "δ": r"\delta ", "": ""}
_WORD = re.compile(r"[A-Za-z][A-Za-z_]+")
_NO_GAP = re.compile(r"(\\[A-Za-z]+) (?=[^A-Za-z\s])")  # a command ends where no letter follows
_RAISED = {"ᵀ": r"\top", "²": "2"}
_LARGE = {"Σ": r"\sum ", "Π": r"\prod "}
_SIGNS = {
    "⊙": r"\odot ", "⊗": r"\otimes ", "·": r"\cdot ", "−": "-", "≠": r"\neq ",
    "≤": r"\leq ", "≥": r"\geq ", "…": r"\ldots ", "σ": r"\sigma ", "Σ": r"\sum ", "∞": r"\infty ",
    "₂": "_{2}", "₁₀": "_{10}", "%": r"\%", "#": r"\#", "&": r"\&", "_": r"\_", "$": r"\$",
}  # fmt: skip
_SIGN = re.compile("|".join(sorted(_SIGNS, key=len, reverse=True)).replace("$", r"\$"))
_FUNCTIONS = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "max", "min"}
_WORDS = {"and": r"\wedge ", "or": r"\vee "}
_SPECIAL = re.compile(r"[\\{}$&#%_^~]")
_SPELT = {
    "\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
}  # fmt: skip


class LaTeX:
    """The script: fills templates with commands."""

    def name(self, name: str) -> str:
        r"""W1 as `W_{1}`, dW1 as `\mathrm{d}W_{1}`, what is no plain name as text."""
        found = _NAME.fullmatch(name)
        if not found:
            return rf"\text{{{latex_text(printable(name))}}}"
        prefix, letters, index = found.groups()
        own = letters if len(letters) == 1 else rf"\mathit{{{letters}}}"
        lowered = f"_{{{index}}}" if index else ""
        return _PREFIX[prefix] + own + lowered

    def plain(self, text: str) -> str:
        """Numbers and words."""
        return _signs(text.replace("-", "−"))

    def listed(self, texts: Sequence[str]) -> str:
        """Several operands between commas."""
        return ", ".join(texts)

    def fill(self, formula: Formula, values: Mapping[str, tuple[str, int]]) -> str:
        """The template as commands."""
        pieces = _PLACE.split(formula.template)
        first, last = pieces[0].strip(), pieces[-1].strip()
        bare = [values[place][0] for place in formula.places]
        held = [self._held(formula, place, *values[place]) for place in formula.places]
        between = [piece.strip() for piece in pieces[2:-1:2]]
        if between == ["/"] and not first:
            return rf"\frac{{{bare[0]}}}{{{bare[1]}}}"
        if first == "1 /":
            return rf"\frac{{1}}{{{bare[0]}}}"
        if between == ["^("]:
            return f"{{{held[0]}}}^{{{bare[1]}}}"
        if first == "√":
            return rf"\sqrt{{{bare[0]}}}"
        if not first and last in _RAISED and len(held) == 1:
            return f"{_base(held[0])}^{{{_RAISED[last]}}}"
        if between == [""] and not first:
            return rf"{held[0]} \, {held[1]}"
        if first in _LARGE:
            return _LARGE[first] + held[0]
        parts = [_signs(pieces[0])]
        for text, piece in zip(held, pieces[2::2], strict=True):
            parts += [text, _signs(piece)]
        return "".join(parts)

    def _held(self, formula: Formula, place: str, text: str, level: int) -> str:
        """An operand, in brackets where it binds too loosely."""
        brackets = formula.brackets(place, level)
        if brackets is None:
            return text
        left, right = (r"\mathbf{1}\left[", r"\right]") if "[" in brackets[0] else (
            r"\left(", r"\right)"
        )  # fmt: skip
        return f"{left}{text}{right}"


LATEX = LaTeX()


def _base(text: str) -> str:
    """What bears an exponent: a name as it is, anything longer grouped."""
    return text if _is_name(text) else f"{{{text}}}"


def _is_name(text: str) -> bool:
    return re.fullmatch(r"\w(_\{\d+\})?", text) is not None


def latex_text(words: str) -> str:
    """Words outside of mathematics, with what LaTeX would take for a command made harmless."""
    return _SPECIAL.sub(lambda found: _SPELT.get(found[0], "\\" + found[0]), words)


def _signs(text: str) -> str:
    """Words and signs of a template as commands: `log₂(` is \\log_{2}(."""

    def word(found: re.Match[str]) -> str:
        name = latex_text(found[0])
        if name in _WORDS:
            return _WORDS[name]
        return rf"\{name} " if name in _FUNCTIONS else rf"\operatorname{{{name}}}"

    pieces = []
    at = 0
    for found in _WORD.finditer(text):
        pieces += [_plain(text[at : found.start()]), word(found)]
        at = found.end()
    return _NO_GAP.sub(r"\1", "".join([*pieces, _plain(text[at:])]).replace("  ", " "))


def _plain(text: str) -> str:
    return _SIGN.sub(lambda found: _SIGNS[found[0]], text)
