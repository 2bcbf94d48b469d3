"""Graph -> mathematics as MathML, which browsers draw by themselves.

The structure follows from an op's one template: `{x} / {y}` is a fraction, `{x}^({y})` a power,
`√{x}` a root, `{x}ᵀ` has a T above. Only elements of MathML Core.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

from tinygrad_dnn.formula import UNICODE, Formula, printable, written
from tinygrad_dnn.graph import Graph, Node

_PLACE = re.compile(r"\{(\w+)\}")
_NAME = re.compile(r"(d?)([^\W\d_]+)_?(\d*)", re.ASCII)
_TOKEN = re.compile(r"(?P<mi>[^\W\d_]+|…)|(?P<mn>\d+(?:\.\d+)?(?:e[-+]?\d+)?)|(?P<mo>\S)")
_SINGLE = re.compile(r"<(m[in])[^>]*>[^<]*</\1>")
_RAISED = {"ᵀ": "<mi>T</mi>", "²": "<mn>2</mn>"}
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_LOW = re.compile(r"([^\W\d_]+)([₀-₉]+)")
_LARGE = {"Σ": "<mo>∑</mo>", "Π": "<mo>∏</mo>"}
_D = '<mi mathvariant="normal">d</mi>'
_BETWEEN_FACTORS = '<mspace width="0.2em"></mspace>'


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
    graph: Graph, names: Mapping[Node, str], longest: int, known: Mapping[str, str] | None = None
) -> dict[Node, tuple[str, str]]:
    """Each op node's formula both as text and as `mathml` gives it."""
    both = written(graph, names, longest, [UNICODE, MathML(known or {})])
    return {node: (text, markup) for node, (text, markup) in both.items()}


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
    own = f"<msub>{letter}<mn>{index}</mn></msub>" if index else letter
    return f"<mrow>{_D}{own}</mrow>" if prefix else own


def differential(markup: str) -> str:
    """What the gradient of a formula is called, both as MathML: d(W1 X)."""
    return f"<mrow>{_D}<mrow><mo>(</mo>{markup}<mo>)</mo></mrow></mrow>"


class MathML:
    """The script: fills templates with markup.

    Args:
        known: the markup of certain names.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = known

    def name(self, name: str) -> str:
        """A name, see `identifier`."""
        return self.known.get(name) or identifier(name)

    def plain(self, text: str) -> str:
        """Numbers and words, token by token."""
        return _row(_tokens(text.replace("-", "−")))

    def listed(self, texts: Sequence[str]) -> str:
        """Several operands between commas."""
        return _row("<mo>,</mo>".join(texts))

    def fill(self, formula: Formula, values: Mapping[str, tuple[str, int]]) -> str:
        """The template as a tree of elements."""
        pieces = _PLACE.split(formula.template)
        first, last = pieces[0].strip(), pieces[-1].strip()
        bare = [values[place][0] for place in formula.places]
        held = [self._held(formula, place, *values[place]) for place in formula.places]
        between = [piece.strip() for piece in pieces[2:-1:2]]
        if between == ["/"] and not first:
            return f"<mfrac>{_row(bare[0])}{_row(bare[1])}</mfrac>"
        if first == "1 /":
            return f"<mfrac><mn>1</mn>{_row(bare[0])}</mfrac>"
        if between == ["^("]:
            return f"<msup>{_row(held[0])}{_row(bare[1])}</msup>"
        if first == "√":
            return f"<msqrt>{bare[0]}</msqrt>"
        if not first and last in _RAISED and len(held) == 1:
            return _raised(held[0], _RAISED[last])
        if between == [""] and not first:
            return _row(f"{held[0]}{_BETWEEN_FACTORS}{held[1]}")
        if first in _LARGE:
            return _row(_LARGE[first] + held[0])
        parts = [_tokens(pieces[0])]
        for markup, piece in zip(held, pieces[2::2], strict=True):
            parts += [markup, _tokens(piece)]
        return _row("".join(parts))

    def _held(self, formula: Formula, place: str, markup: str, level: int) -> str:
        """An operand, in brackets where it binds too loosely."""
        brackets = formula.brackets(place, level)
        if brackets is None:
            return markup
        left, right = brackets
        return _row(f"{_tokens(left)}{markup}{_tokens(right)}")


def _raised(base: str, above: str) -> str:
    """A power or transpose; above the index of a name that has one, not beside it."""
    if base.startswith("<msub>") and base.count("<m") == 3:
        return f"<msubsup>{base.removeprefix('<msub>').removesuffix('</msub>')}{above}</msubsup>"
    return f"<msup>{_row(base)}{above}</msup>"


def _row(markup: str) -> str:
    """Elements as one; a single name or number is one already."""
    return markup if _SINGLE.fullmatch(markup) else f"<mrow>{markup}</mrow>"


def _tokens(text: str) -> str:
    """Letters, numbers and signs of a template as elements: `log₂(` is log with a lowered 2, (."""

    def element(found: re.Match[str]) -> str:
        kind = found.lastgroup
        return f"<{kind}>{escape(found[0])}</{kind}>"

    def lowered(found: re.Match[str]) -> str:
        return f"<msub><mi>{found[1]}</mi><mn>{found[2].translate(_LOWERED)}</mn></msub>"

    parts = []
    at = 0
    for low in _LOW.finditer(text):
        parts += ["".join(map(element, _TOKEN.finditer(text[at : low.start()]))), lowered(low)]
        at = low.end()
    return "".join([*parts, *map(element, _TOKEN.finditer(text[at:]))])
