"""Graph -> mathematics as MathML, which browsers draw by themselves.

Only elements of MathML Core.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Mapping, Sequence
from functools import lru_cache
from html import escape

from tinygrad_dnn.escapes import printable
from tinygrad_dnn.formula.template import POWER, RATIO, UNICODE, Piece, Script, bare
from tinygrad_dnn.formula.text import Written, pieces, written
from tinygrad_dnn.graph import Graph, Node

_NAME = re.compile(r"(d?)([^\W\d_]+)_?(\d*(?<=\d)(?:_\d+)?|)", re.ASCII)
_TOKEN = re.compile(
    r"(?P<mi>[^\W\d_]+(?:_[^\W\d_]+)*|…)|(?P<mn>\d+(?:\.\d+)?(?:e[-+]?\d+)?)|(?P<mo>\S)"
)
_SINGLE = re.compile(r"<(m[ino])[^>]*>[^<]*</\1>")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_LOW = re.compile(r"([^\W\d_]+)([₀-₉]+)")
_NO_SPACE = ' lspace="0" rspace="0"'  # of a slice
# Few fonts have brackets as high as a matrix.
_BRACKETS = ' style="border: solid; border-width: 0 1.5px; border-radius: 0.5em; margin: 0 0.15em"'
_LARGE = str.maketrans("ΣΠ", "∑∏")
_D = '<mi mathvariant="normal">d</mi>'


def mathml(
    graph: Graph,
    names: Mapping[Node, str],
    longest: int = 72,
    known: Mapping[str, str] | None = None,
) -> dict[Node, str]:
    """Each op node's formula as `formulas` writes it, as the content of a <math> element.

    Args:
        known: the markup of names that are formulas themselves, as d(W1 X) is.
    """
    both = text_and_mathml(graph, names, longest, known)
    return {node: markup for node, (_, markup) in both.items()}


def text_and_mathml(
    graph: Graph,
    names: Mapping[Node, str],
    longest: int,
    known: Mapping[str, str] | None = None,
    beside: bool = True,
    within: dict[Node, Written] | None = None,
    quiet: Container[Node] = (),
    only: Collection[Node] | None = None,
) -> dict[Node, tuple[str, str]]:
    """Each op node's formula both as text and as `mathml` gives it.

    Args:
        within: `text_and_mathml_pieces` of this graph, or of another, which it is computed from.
        quiet: steps of derivative rules, whose plumbing is not written.
        only: the nodes that are asked for, see `formulas`.
    """
    scripts: list[Script] = [UNICODE, MathML(known or {})]
    both = written(
        graph, names, longest, scripts, beside=beside, known=within, quiet=quiet, only=only
    )
    return {node: (text, markup) for node, (text, markup) in both.items()}


def text_and_mathml_pieces(
    graph: Graph, names: Mapping[Node, str], longest: int
) -> dict[Node, Written]:
    """What stands within other formulas for each op node, both as text and as MathML."""
    return pieces(graph, names, longest, [UNICODE, MathML({})])


def equation(left: str, right: str | None = None, sign: str = "=") -> str:
    """A <math> element, displayed: `left`, or `left = right`; both are MathML."""
    body = left if right is None else f"{left}<mo>{sign}</mo>{right}"
    return f'<math display="block"><mrow>{body}</mrow></math>'


def identifier(name: str) -> str:
    """A name as one writes it: W with a lowered 1, dW with a lowered 1, cost upright."""
    found = _NAME.fullmatch(name)
    if not found:  # not as <mtext>, which counts as space: signs beside it would have none
        return f'<mi mathvariant="normal">{escape(printable(name))}</mi>'
    prefix, letters, index = found.groups()
    letter = f"<mi>{letters}</mi>"
    below = index.replace("_", "</mn><mo>,</mo><mn>")
    own = f"<msub>{letter}{_row(f'<mn>{below}</mn>')}</msub>" if index else letter
    return f"<mrow>{_D}{own}</mrow>" if prefix else own


def differential(markup: str) -> str:
    """Return the name of a formula's gradient, both as MathML: d(W1 X)."""
    return f"<mrow>{_D}<mrow><mo>(</mo>{markup}<mo>)</mo></mrow></mrow>"


class MathML:
    """The script: markup.

    Args:
        known: the markup of certain names.
    """

    gap = '<mspace width="0.2em"></mspace>'

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = known

    def name(self, name: str) -> str:
        """A name, see `identifier`."""
        return self.known.get(name) or identifier(name)

    def plain(self, text: str) -> str:
        """Numbers and words, token by token; 1/3 as a fraction, 1e-05 as a power of ten."""
        if ratio := RATIO.fullmatch(text):
            fraction = self.fraction(_tokens(ratio[2]), _tokens(ratio[3]))
            return _row(f"{_minus(ratio[1])}{fraction}")
        if power := POWER.fullmatch(text):
            ten = f"<msup><mn>10</mn>{_row(_minus(str(int(power[3]))))}</msup>"
            times = "" if power[2] == "1" else f"<mn>{power[2]}</mn><mo>·</mo>"
            return _row(f"{_minus(power[1])}{times}{ten}")
        return _row(_minus(text))

    def listed(self, texts: Sequence[str]) -> str:
        """Several operands between commas."""
        return _row("<mo>,</mo>".join(texts))

    def numbers(self, rows: Sequence[Sequence[str]], matrix: bool) -> str:
        """`<mtable>`; a vector between commas."""
        if not matrix:
            return f"<mrow><mo>[</mo>{self.listed(rows[0])}<mo>]</mo></mrow>"
        cells = ("".join(f"<mtd>{x}</mtd>" for x in row) for row in rows)
        return f"<mtable{_BRACKETS}>{''.join(f'<mtr>{row}</mtr>' for row in cells)}</mtable>"

    def signs(self, text: str) -> str:
        """Words and signs of a template, token by token."""
        return _tokens(text)

    def held(self, text: str, brackets: tuple[str, str]) -> str:
        """An operand in brackets."""
        return _row(f"{_tokens(brackets[0])}{text}{_tokens(brackets[1])}")

    def row(self, parts: Sequence[str]) -> str:
        """Elements as one."""
        return _row("".join(parts))

    def lowered(self, base: str, below: str) -> str:
        """`<msub>`."""
        return f"<msub>{_row(base)}{below}</msub>"

    def raised(self, base: str, above: Piece) -> str:
        """`<msup>`."""
        return _raised(base, _row(bare(self, above)))

    def transposed(self, base: str) -> str:
        """`<msup>` with a T."""
        return _raised(base, "<mi>T</mi>")

    def fraction(self, above: str, below: str) -> str:
        """`<mfrac>`."""
        return f"<mfrac>{_row(above)}{_row(below)}</mfrac>"

    def root(self, text: str, index: str) -> str:
        """`<msqrt>`, `<mroot>`."""
        if index:
            return f"<mroot>{_row(text)}<mn>{index}</mn></mroot>"
        return f"<msqrt>{text}</msqrt>"


def _raised(base: str, above: str) -> str:
    """A power or transpose; above the index of a name that has one, not beside it."""
    if base.startswith("<msub>") and base.count("<m") == 3:
        return f"<msubsup>{base.removeprefix('<msub>').removesuffix('</msub>')}{above}</msubsup>"
    return f"<msup>{_row(base)}{above}</msup>"


def _row(markup: str) -> str:
    """Elements as one; a single name, number or sign is one already."""
    return markup if _SINGLE.fullmatch(markup) else f"<mrow>{markup}</mrow>"


def _minus(text: str) -> str:
    return _tokens(text.replace("-", "−"))


@lru_cache(maxsize=1000)  # the signs of templates and small numbers come again and again
def _tokens(text: str) -> str:
    """Letters, numbers and signs of a template as elements: `log₂(` is log with a lowered 2, (."""

    def element(found: re.Match[str]) -> str:
        kind = found.lastgroup
        space = _NO_SPACE if found[0] == ":" else ""
        return f"<{kind}{space}>{escape(found[0])}</{kind}>"

    def lowered(found: re.Match[str]) -> str:
        return f"<msub><mi>{found[1]}</mi><mn>{found[2].translate(_LOWERED)}</mn></msub>"

    text = text.translate(_LARGE)
    parts = []
    at = 0
    for low in _LOW.finditer(text):
        parts += ["".join(map(element, _TOKEN.finditer(text[at : low.start()]))), lowered(low)]
        at = low.end()
    return "".join([*parts, *map(element, _TOKEN.finditer(text[at:]))])
