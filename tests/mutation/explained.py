"""The table of survivors: mutants that change nothing a test could see, and why.

`equivalent.md` holds paragraphs, each a reason followed by the mutants it explains.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("equivalent.md")


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
