"""Threads that take turns as often as Python lets them, in the middle of a step."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable


def at_once(work: Callable[[int], None], n: int) -> None:
    """Call work(0), ..., work(n − 1), each in a thread of its own; return when all are done."""
    threads = [threading.Thread(target=work, args=(k,)) for k in range(n)]
    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(often)
