"""How often an object is held by somebody who may still look at it."""

from __future__ import annotations

import gc
from collections import Counter
from sys import getrefcount
from types import FrameType
from typing import Any

MOST = 100  # objects whose own holders are looked for


def held_beyond(x: object, known: int) -> bool:
    """Whether more than so many hold x, apart from frames of calls that have returned.

    A profiler's thread, a debugger or a traceback keeps such frames and with them all variables of
    the call, for a while: whether somebody looks on must change neither a result nor an error.

    The caller gives x as an expression, `t.data`; a variable that holds it counts as one.
    """
    beyond = getrefcount(x) - _ITSELF - known
    return beyond > 0 and beyond > _held_by_frames(x)


def _counted(x: object) -> int:
    return getrefcount(x)


_ITSELF = _counted(object())  # of an object that nobody else holds


def _held_by_frames(x: object) -> int:
    """How often x is held by frames of calls that have returned, and by what they alone hold."""
    # A frame is found as a holder of its variables only when its call has returned: before that
    # they are the interpreter's.
    found: dict[int, Any] = {}
    new: list[Any] = [x]
    while new and len(found) < MOST:
        holders = [r for r in gc.get_referrers(*new) if r is not found and r is not new]
        frames = [r for r in holders if isinstance(r, FrameType)]
        inner = [r for f in frames for r in gc.get_referents(f) if type(r) in (dict, list, tuple)]
        new = [r for r in holders if id(r) not in found and not isinstance(r, FrameType)]
        found.update((id(r), r) for r in (*holders, *inner))  # inner: the collector may skip some
        del holders, frames, inner
    del new
    # As the cycle collector does: whoever is held from elsewhere lives, and so does what he holds.
    dead = set(found)
    while True:
        held = Counter(id(r) for i in dead for r in gc.get_referents(found[i]))
        living = {
            i for i in dead
            if not isinstance(found[i], FrameType) and getrefcount(found[i]) - 2 > held[i]
        }  # fmt: skip
        if not living:
            return held[id(x)]
        dead -= living
