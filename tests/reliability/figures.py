"""Run every attack and write the table of figures into README.md.

python tests/reliability/figures.py quick      # as many cases as CI runs; writes nothing
python tests/reliability/figures.py long       # the long run, about an hour and a half
python tests/reliability/figures.py long kill  # some of them; the other rows stay
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
README = HERE / "README.md"


class Size(NamedTuple):
    """How many cases an attack has."""

    quick: int
    long: int


ATTACKS = {
    "kill": Size(50, 1_000),
    "stop_signals": Size(15, 300),
    "locks": Size(20, 500),
    "output_encodings": Size(150, 3_000),
    "mutated_files": Size(1_000, 10_000),
    "random_programs": Size(60, 20_000),
    "numpy_programs": Size(86, 86),
    "memory_growth": Size(200, 5_000),
    "processes": Size(10, 200),
    "cluster": Size(6, 30),
    "sweeps": Size(2, 30),
}


def figures(name: str, n: int) -> dict[str, Any]:
    """What `python NAME.py N --json` prints."""
    command = [sys.executable, str(HERE / f"{name}.py"), str(n), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.startswith("{"):
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def row(name: str, found: dict[str, Any]) -> str:
    """A line of the table."""
    counts = ", ".join(f"{n:,} {what}" for what, n in found["counted"].items())
    failed = len(found["failures"])
    how_long = f"{found['seconds']:,.0f} s"
    return (
        f"| `{name}.py` | {found['cases']:,} | {counts} | {failed or 'none'} | {how_long} "
        f"| {date.today():%d %B %Y} |"
    )


def write(rows: dict[str, str]) -> None:
    """Put the rows in place of those of the same attacks, and say on which machine."""
    text = README.read_text(encoding="utf-8")
    for name, line in rows.items():
        before = re.search(rf"^\| `{name}\.py` \|.*$", text, flags=re.MULTILINE)
        assert before is not None, name
        text = text.replace(before[0], line)
    machine = f"Machine: {platform.system()} {platform.machine()}, Python {sys.version.split()[0]}."
    text = re.sub(r"^Machine: .*$", machine, text, flags=re.MULTILINE)
    README.write_text(text, encoding="utf-8")


def main(size: str, names: list[str]) -> int:
    """Run the attacks; the number of those in which something failed."""
    rows, failed = {}, 0
    asked = [word.partition("=") for word in names or ATTACKS]
    sizes = [(name, int(n or getattr(ATTACKS[name], size))) for name, _, n in asked]
    # The long run measures how long each takes, so one comes after the other.
    pool = ThreadPoolExecutor(1 if size == "long" else 2)
    for (name, _), found in zip(sizes, pool.map(figures, *zip(*sizes, strict=True)), strict=True):
        rows[name] = row(name, found)
        print(rows[name], *found["failures"][:20], sep="\n  ", flush=True)
        failed += bool(found["failures"])
        if size == "long":
            write(rows)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if sys.argv[1:] else "quick", sys.argv[2:]))
