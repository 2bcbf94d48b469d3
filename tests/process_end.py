"""Whether processes that a test knows by number still run; read from /proc, as Linux has it."""

from __future__ import annotations

import time
from pathlib import Path


def is_running(pid: int | str) -> bool:
    """Whether there is such a process, and no mere remnant of it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def ends(pid: int | str) -> bool:
    """Whether it ends within seconds."""
    for _ in range(200):
        if not is_running(pid):
            return True
        time.sleep(0.02)
    return False
