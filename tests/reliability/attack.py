"""What the attacks share: a number of cases in, what failed out, and a line for the table.

`python tests/reliability/NAME.py N` runs N cases and shows every failure; the exit status is 1
where there is one. `--json` prints the figures instead, which `figures.py` collects.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

sys.path[:0] = [str(p) for p in (Path(__file__).parents[1], Path(__file__).parents[2])]


class Figures(NamedTuple):
    """How many cases were tried, what was counted on the way, and the failures in words."""

    cases: int
    counted: dict[str, int]
    failures: list[str]


def main(attack: Callable[[int], Figures], default: int) -> None:
    """Run the attack with the number of cases that the command line asks for."""
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    start = time.perf_counter()
    found = attack(int(words[0]) if words else default)
    seconds = time.perf_counter() - start
    if "--json" in sys.argv:
        print(json.dumps({**found._asdict(), "seconds": seconds}))
    else:
        for failure in found.failures:
            print(f"FAILED {failure}")
        counts = ", ".join(f"{n:,} {what}" for what, n in found.counted.items())
        print(f"{found.cases:,} cases in {seconds:.0f} s: {counts}; {len(found.failures)} failed")
    sys.exit(bool(found.failures))


def in_child(work: Callable[..., Any], *args: Any, seconds: float = 60) -> tuple[int, str]:
    """Call it in a forked process; how that ended (as `waitstatus_to_exitcode`), what it printed.

    The child that takes longer is killed, and ends with −SIGKILL as one that kills itself does.
    """
    import_module(
        "tinygrad_dnn.cli.train"
    )  # a child begins with it; loading takes as long as a run
    with tempfile.TemporaryFile() as out:
        pid = os.fork()
        if pid == 0:
            status = 99
            try:
                os.dup2(out.fileno(), 1)
                os.dup2(out.fileno(), 2)
                sys.stdout, sys.stderr = (os.fdopen(n, "w", encoding="utf-8") for n in (1, 2))
                status = int(work(*args) or 0)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        end = time.monotonic() + seconds
        while (reaped := os.waitpid(pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > end:
                os.kill(pid, 9)
            time.sleep(0.002)
        out.seek(0)
        return os.waitstatus_to_exitcode(reaped[1]), out.read().decode(errors="replace")
