"""Proves every exercise that comes along: how many planted mistakes are found, and how many named.

    python tests/reliability/exercises.py [NAME ...]

Prints a table; the exit code is 1 if a reference does not pass or a mistake is not found.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from time import process_time

from tinygrad_dnn.grading import exercise_of
from tinygrad_dnn.grading.load import shipped
from tinygrad_dnn.grading.prove import Proof, prove


def row(name: str, proofs: Sequence[Proof], seconds: float) -> str:
    """An exercise in one line of the table."""
    made, missed = sum(p.planted for p in proofs), sum(len(p.missed) for p in proofs)
    unnamed = sum(len(p.unnamed) for p in proofs)
    return (
        f"| {name} | {len(proofs)} | {made} | {made - missed} | {made - missed - unnamed} | "
        f"{seconds:.1f} |"
    )


def main(names: Sequence[str]) -> int:
    """The command line; returns the exit code."""
    print("| exercise | functions | mistakes | found | named or refused | seconds |")
    print("|---|---:|---:|---:|---:|---:|")
    holds = True
    for name in names or [n for n in shipped() if n != "document"]:
        begun = process_time()
        proofs = list(prove(exercise_of(name)))
        print(row(name, proofs, process_time() - begun), flush=True)
        holds &= all(p.holds for p in proofs)
        for p in proofs:
            for says in (*p.missed, *p.unseen, *p.unnamed):
                print(f"  {p.name}: {says}", file=sys.stderr)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
