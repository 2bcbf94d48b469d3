"""How mathematics is laid out: a template with places, filled in any script.

`{x} ⊙ {y}` or `exp({x})`; `_{axis}` is lowered and `{x}^{y}` raised, `{x} / {y}` and `1 / {x}` are
fractions, `√{x}` and `∛{x}` roots, `{x}ᵀ` a transpose, `{x}⁺` a pseudoinverse, `f^({n})` the
derivative of order n. What a template is follows here, once; a script says how each of these is
written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Protocol

# How tightly an operator binds; its right operand must bind tighter where (a - b) - c differs
# from a - (b - c).
_INFIX = {
    "or": (1, 1), "and": (2, 2),
    "=": (3, 4), "≠": (3, 4), "<": (3, 4), "≤": (3, 4), ">": (3, 4), "≥": (3, 4),
    "+": (4, 5), "−": (4, 5), "⊙": (6, 6), "⊗": (6, 7), "/": (6, 7), "": (7, 7), "·": (7, 7),
}  # fmt: skip
# −x ⊙ y is (−x) ⊙ y either way, but Σ x ⊙ y is read as Σ (x ⊙ y).
MINUS, SUM, _POSTFIX, ATOM = 6, 5, 8, 9
FACTOR = (SUM, (MINUS, SUM))  # 1/m · Σ x: level and needs of a number in front
_FIGURE = 7  # a fraction drawn as one
_CONDITION = 3  # this loosely or looser binds what is true or false
_PARTS = re.compile(r"([_^]?)\{(\w+)\}|\^\(\{(\w+)\}\)|([ᵀ²⁺])")
_ABOVE = {"²": "2", "⁺": "+"}
_ROOTS = {"√": "", "∛": "3"}
# What stands lower or higher is nobody's operand.
_BESIDE = re.compile(r"[_^]\{\w+\}|\^\(\{\w+\}\)")
_SIGNED = re.compile(r"(<(?!mfrac)[^>]*>)*[−-]")  # a fraction holds its signs together
_CLOSING = (")", "]", "}", "|")
_LAST = re.compile(r"(?s)(.*?)([^\W\d_]\w*|\S)$")

RATIO = re.compile(r"(-?)(\d+)/(\d+)")  # constants that are drawn as figures: 1/3
POWER = re.compile(r"(-?)(\d+(?:\.\d+)?)e([-+]?\d+)")  # 1e-05
Part = tuple[str, str, str]  # kind; signs, or what bears an index; place
# A piece of mathematics in some script, and how tightly it binds.
Piece = tuple[str, int]


class Script(Protocol):
    """A way to write: as plain text, as LaTeX, as MathML.

    Attributes:
        gap: what stands between the factors of a matrix product.
    """

    gap: str

    def name(self, name: str) -> str:
        """The name of a node."""

    def plain(self, text: str) -> str:
        """A constant, a setting, or an ellipsis."""

    def listed(self, texts: Sequence[str]) -> str:
        """Several operands, one after another."""

    def numbers(self, rows: Sequence[Sequence[str]], matrix: bool) -> str:
        """A matrix, or its only row as a vector, in brackets."""

    def signs(self, text: str) -> str:
        """Words and signs of a template."""

    def held(self, text: str, brackets: tuple[str, str]) -> str:
        """An operand in brackets."""

    def row(self, parts: Sequence[str]) -> str:
        """Several pieces as one."""

    def lowered(self, base: str, below: str) -> str:
        """With an index below."""

    def raised(self, base: str, above: Piece) -> str:
        """A power."""

    def transposed(self, base: str) -> str:
        """With a T above."""

    def fraction(self, above: str, below: str) -> str | None:
        """One above the other; None where all stands in one line, with a sign between."""

    def root(self, text: str, index: str) -> str | None:
        """A root, of an index that is said if it is not 2; None where it is a sign in front."""


class Formula:
    """A template, split once into its places and what stands between them.

    How tightly it binds, and what its places need to stand without brackets, may be said instead
    of found.
    """

    def __init__(
        self, template: str, level: int | None = None, needs: Sequence[int] | None = None
    ) -> None:
        self.template = template
        self.parts = _parts(template)
        self.mentioned = frozenset(
            found[2] or found[3] for found in _PARTS.finditer(template) if not found[4]
        )
        self.has_axis = "_{axis}" in template  # below a sign an axis is a letter
        pieces = re.split(r"\{(\w+)\}", _BESIDE.sub("", template))
        places = pieces[1::2]
        between = [p.strip() for p in pieces[2:-1:2]]
        first = pieces[0].strip()
        open_left, open_right = not first, not pieces[-1].strip()
        self.kind = ""  # what may be one figure: "fraction", "inverse", "root"
        if between == ["/"] and open_left:
            self.kind = "fraction"
        elif places and not between and open_right:
            self.kind = "inverse" if first == "1 /" else "root" if first in _ROOTS else ""
        self.index = _ROOTS.get(first, "")
        if len(between) == 1 and open_left and open_right and between[0] in _INFIX:
            self.level, right = _INFIX[between[0]]
            needed = [self.level, right]
        elif between == ["mod"] and open_left and open_right:
            self.level, needed = _INFIX["+"][0], [7, 7]  # 2 · (x mod y), x y mod (x + y)
        elif self.kind == "root":
            self.level, needed = _POSTFIX, [ATOM]  # √x / y is (√x) / y
        elif len(places) == 1 and open_right and first and pieces[0][-1] != "(":
            self.level = SUM if first in "ΣΠ" else MINUS
            needed = [self.level + (self.level == MINUS)]  # Σ Σ x, but −(−x)
        elif open_left and places:
            self.level, needed = _POSTFIX, [ATOM, *(0 for _ in between)]  # xᵀ, x^y, x[i]
        else:
            self.level, needed = ATOM, [0 for _ in places]  # exp(x)
            if len(between) == 1 and between[0] in _INFIX:  # ⌊(x + y) / z⌋
                needed = [*_INFIX[between[0]]]
        signs = between in (["+"], ["−"], ["·"], ["⊙"]) or (needed == [SUM] and first in "ΣΠ")
        self.after_sign = places[-1] if signs else ""
        if level is not None:
            self.level = level
        self.places = places
        self.needs = dict(zip(places, needed if needs is None else needs, strict=True))

    def level_in(self, script: Script) -> int:
        """How tightly it binds as that script draws it."""
        fraction = self.kind in ("fraction", "inverse")
        return self.level if not fraction or script.fraction("", "") is None else _FIGURE

    def brackets(self, place: str, level: int) -> tuple[str, str] | None:
        """Return the brackets around an operand of that level: nothing, ( ), or 1[ ].

        A condition in arithmetic is its indicator, 1[x > 0]: 1 where it holds, else 0.
        """
        if level >= self.needs[place]:
            return None
        return ("1[", "]") if level <= _CONDITION < self.level else ("(", ")")

    def fill(self, script: Script, values: Mapping[str, Piece]) -> str:
        """The template with a (text, level) in each place, in brackets if it binds too loosely."""
        whole = self._whole(script, [bare(script, values[place]) for place in self.places])
        if whole is not None:
            return whole
        done: list[str] = []
        for kind, text, place in self._shown(values):
            if kind == "place":
                done.append(self._operand(script, place, values[place]))
            elif kind == "gap":
                done.append(script.gap)
            elif kind == "signs":
                done.append(script.signs(text))
            elif kind == "lowered" and text in _CLOSING:  # below all that is bracketed
                done = [script.lowered(script.row([*done, script.signs(text)]), values[place][0])]
            elif kind == "lowered":
                done.append(script.lowered(script.signs(text), values[place][0]))
            elif kind == "transposed":
                done[-1] = script.transposed(done[-1])
            else:
                above = values[place] if place else (script.plain(text), ATOM)
                if kind == "order":
                    above = script.held(above[0], ("(", ")")), ATOM
                done[-1] = script.raised(done[-1], above)
        return script.row(done)

    def _shown(self, values: Mapping[str, Piece]) -> Iterator[Part]:
        """The parts; of an index that there is not, what bears it, as one with the signs beside."""
        signs = ""
        for kind, text, place in self.parts:
            if kind == "signs" or (kind == "lowered" and not values[place][0]):
                signs += text
                continue
            if signs:
                yield "signs", signs, ""
            signs = ""
            yield kind, text, place
        if signs:
            yield "signs", signs, ""

    def _whole(self, script: Script, operands: Sequence[str]) -> str | None:
        """Return the formula as one figure in scripts that know it: a fraction, a root."""
        if self.kind == "root":
            return script.root(operands[0], self.index)
        if self.kind == "inverse":
            return script.fraction(script.plain("1"), *operands)
        return script.fraction(*operands) if self.kind == "fraction" else None

    def _operand(self, script: Script, place: str, given: Piece) -> str:
        text, level = given
        around = self.brackets(place, level)
        if around is None and place == self.after_sign and _SIGNED.match(text):
            around = ("(", ")")  # x + (−y), x ⊙ (−y), Σ (−x)
        return text if around is None else script.held(text, around)


@cache
def formula_of(template: str) -> Formula:
    """The formula of a template; there are as many as ops are declared."""
    return Formula(template)


def indicator(level: int) -> tuple[str, str]:
    """The brackets around an exponent: of a condition it is the indicator."""
    return ("1[", "]") if level <= _CONDITION else ("(", ")")


def bare(script: Script, given: Piece) -> str:
    """An operand that needs no brackets where it stands, unless it is a condition."""
    text, level = given
    return script.held(text, indicator(level)) if level <= _CONDITION else text


def _parts(template: str) -> list[Part]:
    """A template's places, the signs between them, and what is raised or lowered."""
    parts: list[Part] = []
    at = 0
    for found in _PARTS.finditer(template):
        between, (sign, place, order, above) = template[at : found.start()], found.groups()
        bearer = _LAST.match(between) if sign == "_" else None
        before, base = bearer.groups() if bearer else (between, "")
        if before.strip() or (before and (not parts or parts[-1][0] != "place")):
            parts.append(("signs", before, ""))
        elif before:
            parts.append(("gap", "", ""))
        if above == "ᵀ":
            parts.append(("transposed", "", ""))
        elif above:
            parts.append(("raised", _ABOVE[above], ""))
        elif order:
            parts.append(("order", "", order))
        else:
            parts.append(({"_": "lowered", "^": "raised"}.get(sign, "place"), base, place))
        at = found.end()
    return [*parts, *([("signs", template[at:], "")] if template[at:] else [])]


# --- plain text -----------------------------------------------------------------------------------

_HYPHEN = re.compile(r"-(?=[\d.]|inf)")
_HIGH = dict(zip("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻", strict=True))
_LOW = dict(zip("0123456789()ijklprstuv ", [*"₀₁₂₃₄₅₆₇₈₉₍₎ᵢⱼₖₗₚᵣₛₜᵤᵥ", ""], strict=True))


class Unicode:
    """Plain text, as errors and pictures show it."""

    gap = " "

    def name(self, name: str) -> str:
        """The name as it is."""
        return name

    def plain(self, text: str) -> str:
        """The text, with signs of minus where there are hyphens before figures: −0.5, 1e−05."""
        return _HYPHEN.sub("−", text)

    def listed(self, texts: Sequence[str]) -> str:
        """`x, y, z`."""
        return ", ".join(texts)

    def numbers(self, rows: Sequence[Sequence[str]], matrix: bool) -> str:
        """`[[1, 1], [0, 1]]`, `[1, 0]`."""
        lines = [f"[{', '.join(row)}]" for row in rows]
        return f"[{', '.join(lines)}]" if matrix else lines[0]

    def signs(self, text: str) -> str:
        """The text as it is."""
        return text

    def held(self, text: str, brackets: tuple[str, str]) -> str:
        """`(x + y)`."""
        return f"{brackets[0]}{text}{brackets[1]}"

    def row(self, parts: Sequence[str]) -> str:
        """One after another."""
        return "".join(parts)

    def lowered(self, base: str, below: str) -> str:
        """`Σⱼ`; what has no small letters stands after a low line."""
        low = all(c in _LOW for c in below)
        return base + ("".join(_LOW[c] for c in below) if low else f"_({below})")

    def raised(self, base: str, above: Piece) -> str:
        """`x²`, `x⁻¹`; what has no small digits stands after a caret: `x^0.5`, `x^(y − 1)`."""
        text, level = above
        if all(c in _HIGH for c in text):
            return base + "".join(_HIGH[c] for c in text)
        return f"{base}^{text if level >= ATOM else self.held(text, indicator(level))}"

    def transposed(self, base: str) -> str:
        """`xᵀ`."""
        return f"{base}ᵀ"

    def fraction(self, above: str, below: str) -> None:
        """`x / y` stands in a line."""

    def root(self, text: str, index: str) -> None:
        """`√x` stands in a line."""


UNICODE = Unicode()
