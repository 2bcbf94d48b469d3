"""Plants every fault that tests/mutation knows, one at a time, and runs the checks against each.

    python tests/mutants.py [--only TEXT ...] [--files FILE ...] [--every N] [--out FILE]

Prints killed / total for each kind of fault and every survivor with its explanation. The exit code
is 1 if a survivor has none, if the table of explanations names a mutant that is killed or no
longer there, or if a check fails with no fault planted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from mutation.explained import explained
from mutation.run import Verdict, every_mutant, verdicts


def table(found: Sequence[Verdict]) -> str:
    """Killed, explained and all mutants of each kind, as a Markdown table."""
    every = Counter(v.kind for v in found)
    killed = Counter(v.kind for v in found if v.killer is not None)
    known = Counter(v.kind for v in found if v.killer is None and v.mutant in explained())
    rows = [(kind, killed[kind], known[kind], n) for kind, n in sorted(every.items())]
    rows.append(("in all", killed.total(), known.total(), every.total()))
    lines = ["| fault | killed | equivalent | total |", "|---|---:|---:|---:|"]
    return "\n".join([*lines, *(f"| {k} | {a} | {b} | {n} |" for k, a, b, n in rows)]) + "\n"


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="TEXT", help="mutants whose name has such a text"
    )
    parser.add_argument(
        "--files", nargs="+", default=[], metavar="FILE", help="of the ops declared in these files"
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="one of N, evenly spread")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table there as well")
    options = parser.parse_args()

    begun = perf_counter()
    every = every_mutant()
    files = {Path(name).stem for name in options.files}
    chosen = [
        i
        for i, m in enumerate(every)
        if any(text in f"{m.kind} {m.key}" for text in options.only)
        and (not files or any(op.__module__.split(".")[-1] in files for op in m.ops))
    ][:: options.every]
    judged, faulty = verdicts(chosen, options.workers)
    found = [v for v in judged if v.effect]

    survivors = sorted(v.mutant for v in found if v.killer is None)
    unexplained = [m for m in survivors if m not in explained()]
    names = {m.key for m in every}
    asked = {every[i].key for i in chosen}
    wrong = sorted(k for k in explained() if k not in names or (k in asked and k not in survivors))

    told = table(found)
    print(told)
    print(f"{len(judged) - len(found)} more change nothing in any call, and are no faults.")
    for mutant in survivors:
        print(f"survived: {mutant}\n    {explained().get(mutant, 'NOT EXPLAINED')}")
    for call in faulty:
        print(f"fails with no fault planted: {call}")
    for mutant in wrong:
        print(f"explained, but killed or gone: {mutant}")
    print(
        f"{len(found)} faults, {len(survivors)} survivors, {len(unexplained)} of them unexplained, "
        f"{len(wrong)} wrong explanations, {perf_counter() - begun:.0f} s"
    )
    if options.out:
        options.out.write_text(told, encoding="utf-8")
    return 1 if unexplained or wrong or faulty else 0


if __name__ == "__main__":
    sys.exit(main())
