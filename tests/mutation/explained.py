"""The table of survivors: mutants that change nothing a test could see, and why.

`equivalent.md` holds paragraphs, each a reason followed by the mutants it explains.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("equivalent.md")
# Ways that are taken from some size on, and what several rules share: not every survivor of theirs
# is killed or explained yet.
OPEN = frozenset((
    "_argsort_large", "_arranged", "_cumprod", "_in_blocks", "_log_others", "_lowered", "_product",
    "_without_the_largest", "argsort", "contracted", "reverse.pulls_of",
    "scatter_along_axis", "setitem", "sinc_derivative", "_by_products",
))  # fmt: skip


def is_open(mutant: str) -> bool:
    """Whether it is of a function whose survivors are not all killed or explained yet."""
    return mutant.split(": ", 1)[0] in OPEN


@cache
def explained() -> dict[str, str]:
    """The reason for each mutant of the table.

    Raises:
        ValueError: a mutant stands there twice, or without a reason.
    """
    reasons: dict[str, str] = {}
    reason: list[str] = []
    listing = False
    for line in TABLE.read_text(encoding="utf-8").splitlines()[1:]:  # below the title
        if line.startswith("    "):
            key = line.strip()
            if key in reasons or not reason:
                raise ValueError(f"{TABLE.name}: {key!r} stands there twice, or without a reason")
            reasons[key] = " ".join(reason)
            listing = True
        elif line.strip():
            reason = [line.strip()] if listing else [*reason, line.strip()]
            listing = False
    return reasons
