"""Arrays as plain data for a page: exact numbers within a budget, statistics of all."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import numpy as np

from viz.drawing.labels import array_of

BINS = 24


class Arrays:
    """A list of arrays, each held once however often it is added."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[int, int] = {}

    def add(self, x: Any) -> int | None:
        """The place of an array in the list; None for what is lazy or on another device."""
        if not isinstance(x, np.ndarray):
            return None
        place = self._places.setdefault(id(x), len(self.values))
        if place == len(self.values):
            self.values.append(x)
        return place

    def place(self, x: Any) -> int | None:
        """The place of an array that was added; None where it was not."""
        return self._places.get(id(x))

    def data(self, budget: int) -> list[dict[str, Any]]:
        """All of them; the numbers themselves of the smallest, as far as `budget` numbers go, and
        statistics of the others.
        """
        kept = 0
        whole = set()
        for i in sorted(range(len(self.values)), key=lambda i: int(self.values[i].size)):
            kept += self.values[i].size
            if kept <= budget:
                whole.add(i)
        return [
            {
                "shape": list(x.shape),
                "dtype": str(x.dtype),
                "size": x.size,
                "data": encoded(x) if i in whole else None,
                "stats": None if i in whole else statistics(x),
            }
            for i, x in enumerate(self.values)
        ]


def encoded(x: Any) -> str:
    """Little-endian float64 in C order, as base64: every bit of a float64 arrives."""
    return b64encode(np.ascontiguousarray(x, dtype="<f8").tobytes()).decode()


def statistics(x: Any) -> dict[str, Any]:
    """Least, greatest, mean, Euclidean norm and a histogram of the finite elements, and how many
    are zero, NaN or infinite.
    """
    values = array_of(x)
    finite = values[np.isfinite(values)]
    result: dict[str, Any] = {
        "min": None, "max": None, "mean": None, "norm": None, "histogram": [],
        "zeros": int((values == 0).sum()),
        "nan": int(np.isnan(values).sum()),
        "inf": int(np.isinf(values).sum()),
    }  # fmt: skip
    if not finite.size:
        return result
    low, high = float(finite.min()), float(finite.max())
    # In shares of the greatest magnitude nothing overflows on the way.
    scale = max(abs(low), abs(high)) or 1.0
    shares = finite / scale
    with np.errstate(over="ignore"):
        norm = float(np.linalg.norm(shares) * scale)
        mean = float(shares.mean() * scale)
    counts = (
        np.histogram(shares, bins=BINS, range=(low / scale, high / scale))[0].tolist()
        if high / scale - low / scale > 1e-12
        else []
    )
    result |= {"min": low, "max": high, "mean": mean, "histogram": counts}
    return result | {"norm": norm if np.isfinite(norm) else None}
