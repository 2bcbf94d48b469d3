r"""Graph -> mathematics as LaTeX, for paper: what stands between two $.

It needs amsmath and amssymb.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tinygrad_dnn.escapes import printable
from tinygrad_dnn.formula.template import POWER, RATIO, Piece, bare

GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta",
    "θ": "theta", "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi",
    "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi",
    "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi",
    "Π": "Pi", "Σ": "Sigma", "Υ": "Upsilon", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip
_LETTER = rf"{'|'.join(GREEK.values())}|[{''.join(GREEK)}]|[A-Za-z]"
# A letter, in Greek spelt or not, with an index or a word below; or a word. delta is no d of elta.
_NAME = re.compile(
    rf"((?!delta(?![A-Za-z]))[dδ]|)(?:({_LETTER})(?:_?([0-9]+(?:_[0-9]+)?)|_([A-Za-z]+))?"
    r"|([A-Za-z]+)(?:_?([0-9]+(?:_[0-9]+)?))?)"
)
_PREFIX = {"d": r"\mathrm{d}", "δ": r"\delta ", "": ""}
_WORD = re.compile(r"[A-Za-z][A-Za-z_]+")
_NO_GAP = re.compile(r"(\\[A-Za-z]+) (?=[^A-Za-z\s])")  # a command ends where no letter follows
_SIGNS = {
    "⊙": r"\odot ", "⊗": r"\otimes ", "·": r"\cdot ", "−": "-", "≠": r"\neq ",
    "≤": r"\leq ", "≥": r"\geq ", "…": r"\ldots ", "σ": r"\sigma ", "Σ": r"\sum ", "Π": r"\prod ",
    "→": r"\to ", "∞": r"\infty ", "×": r"\times ", "⌊": r"\lfloor ", "⌋": r"\rfloor ",
    "₀": "_{0}", "₂": "_{2}", "₁₀": "_{10}",
    "%": r"\%", "#": r"\#", "&": r"\&", "_": r"\_", "$": r"\$",
}  # fmt: skip
_SIGN = re.compile("|".join(sorted(_SIGNS, key=len, reverse=True)).replace("$", r"\$"))
_FUNCTIONS = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "max", "min"}
_WORDS = {"and": r"\wedge ", "or": r"\vee "}
_MATHS = re.compile("([Σ→])([ᵢⱼₖₗₚᵣₛₜᵤᵥ₍₎]*)")
_LOW = str.maketrans("ᵢⱼₖₗₚᵣₛₜᵤᵥ₍₎", "ijklprstuv()")
_SPECIAL = re.compile(r"[\\{}$&#%_^~]")
_SPELT = {
    "\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
}  # fmt: skip


class LaTeX:
    """The script: commands."""

    gap = r" \, "

    def name(self, name: str) -> str:
        r"""W1 as `W_{1}`, dW1 as `\mathrm{d}W_{1}`, theta as `\theta`, z_in as `z_{\text{in}}`;
        what is no plain name as text.
        """
        found = _NAME.fullmatch(name)
        if not found:
            return rf"\text{{{latex_text(printable(name))}}}"
        prefix, letter, index, below, word, number = found.groups()
        own = rf"\mathit{{{word}}}" if word else letter
        greek = GREEK.get(own, own)
        own = rf"{{\{greek}}}" if len(greek) > 1 and not word else own
        if below:
            return rf"{_PREFIX[prefix]}{own}_{{\text{{{below}}}}}"
        low = (index or number or "").replace("_", ",")
        return f"{_PREFIX[prefix]}{own}_{{{low}}}" if low else _PREFIX[prefix] + own

    def plain(self, text: str) -> str:
        """Numbers and words; 1/3 as a fraction, 1e-05 as a power of ten."""
        if ratio := RATIO.fullmatch(text):
            return rf"{ratio[1]}\frac{{{ratio[2]}}}{{{ratio[3]}}}"
        if power := POWER.fullmatch(text):
            sign, above = power[1], f"10^{{{int(power[3])}}}"
            return sign + (above if power[2] == "1" else rf"{power[2]} \cdot {above}")
        return _signs(text.replace("-", "−"))

    def listed(self, texts: Sequence[str]) -> str:
        """Several operands between commas."""
        return ", ".join(texts)

    def numbers(self, rows: Sequence[Sequence[str]], matrix: bool) -> str:
        r"""A `bmatrix`; a vector between commas."""
        if not matrix:
            return rf"\left[{', '.join(rows[0])}\right]"
        lines = r" \\ ".join(" & ".join(row) for row in rows)
        return rf"\begin{{bmatrix}} {lines} \end{{bmatrix}}"

    def signs(self, text: str) -> str:
        """Words and signs of a template as commands."""
        return _signs(text)

    def held(self, text: str, brackets: tuple[str, str]) -> str:
        """An operand in brackets as high as it is."""
        left, right = (r"\mathbf{1}\left[", r"\right]") if "[" in brackets[0] else (
            r"\left(", r"\right)"
        )  # fmt: skip
        return f"{left}{text}{right}"

    def row(self, parts: Sequence[str]) -> str:
        """One after another."""
        return "".join(parts)

    def lowered(self, base: str, below: str) -> str:
        r"""`\sum_{j}`."""
        return f"{base.rstrip()}_{{{below}}}"

    def raised(self, base: str, above: Piece) -> str:
        """`x^{2}`."""
        return f"{_base(base)}^{{{bare(self, above)}}}"

    def transposed(self, base: str) -> str:
        r"""`X^{\top}`."""
        return rf"{_base(base)}^{{\top}}"

    def fraction(self, above: str, below: str) -> str:
        r"""`\frac{x}{y}`."""
        return rf"\frac{{{above}}}{{{below}}}"

    def root(self, text: str, index: str) -> str:
        r"""`\sqrt{x}`, `\sqrt[3]{x}`."""
        return rf"\sqrt{f'[{index}]' if index else ''}{{{text}}}"


LATEX = LaTeX()


def _base(text: str) -> str:
    """Return the base of an exponent: a name as it is, anything longer grouped."""
    return text if _is_name(text) else f"{{{text}}}"


def _is_name(text: str) -> bool:
    return re.fullmatch(r"\w(_\{\d+\})?", text) is not None


def latex_text(words: str) -> str:
    """Words outside of mathematics, with what LaTeX would take for a command made harmless."""
    return _SPECIAL.sub(lambda found: _SPELT.get(found[0], "\\" + found[0]), words)


def latex_words(words: str) -> str:
    """The same with signs of mathematics between dollars, which no text font has: $\\sum_{j}$."""

    def sign(found: re.Match[str]) -> str:
        below = found[2].translate(_LOW)
        return f"${_signs(found[1]).strip()}{f'_{{{below}}}' if below else ''}$"

    return _MATHS.sub(sign, latex_text(words))


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
