"""Compile so many ways to write the cross-entropies, and compare them with 80-bit arithmetic.

    python tests/reliability/spellings.py 2000 --seed 1

The last line counts them; the exit status is 1 where one is wrong.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1]))

import cost_spellings as spellings


def main() -> int:
    """Run as the arguments say; how many are wrong decides the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", type=int, nargs="?", default=500, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="which are drawn")
    chosen = parser.parse_args()
    warnings.simplefilter("error")
    began = perf_counter()
    wrong = 0
    every = spellings.sample(chosen.cases, chosen.seed)
    for spelling in every:
        fault = spellings.fault(spelling)
        if fault is not None:
            wrong += 1
            print(f"{spelling.name}: {fault}")
    print(f"{len(every)} spellings, {wrong} wrong, {perf_counter() - began:.0f} s")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
