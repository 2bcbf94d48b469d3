"""What a sweep file asks for: lists are axes, every combination of their values is a run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

REPEATS = ("seed", "fold")  # runs that differ in these alone are runs of one setting
MOST_RUNS = 100_000
LONGEST = 80  # letters of a folder's name, beside its digits


@dataclass(frozen=True)
class Run:
    """One training: the settings that are asked for, by keys of the config file.

    Attributes:
        settings: all of them.
        axes: the names of those that differ among the runs of the sweep.
    """

    settings: Mapping[str, Any]
    axes: tuple[str, ...]

    @property
    def setting(self) -> str:
        """What is the same for runs that differ in seed or fold alone."""
        return _canonical({k: x for k, x in self.settings.items() if k not in REPEATS})

    @property
    def name(self) -> str:
        """What tells it from the others: `learning_rate=0.01 seed=2`."""
        return name_of(self.settings, self.axes)

    def folder(self, identity: str) -> str:
        """A folder's name: what a reader knows it by, and its identity."""
        readable = re.sub(r"[^A-Za-z0-9.=+-]+", "_", self.name.replace(",", "-"))
        return f"{readable[:LONGEST].strip('_')}-{identity}"


def identity_of(described: Mapping[str, Any]) -> str:
    """12 hex digits of all that decides what a run computes."""
    whole = _canonical(described).encode()
    return hashlib.sha256(whole).hexdigest()[:12]


def name_of(settings: Mapping[str, Any], axes: Sequence[str]) -> str:
    """The values of some axes in a line."""
    return " ".join(f"{k}={shown(settings[k])}" for k in axes if k in settings) or "the only one"


def shown(value: Any) -> str:
    """A value as a table has it: layers [64, 10] are 64,10."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(shown, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.12g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Sweep:
    """A sweep file, its keys and values checked.

    Attributes:
        base: for each key its values; one where it is no axis.
        grids: the same, each in place of those in `base`; the runs are those of all grids.
        folds: of cross-validation; None without.
    """

    base: Mapping[str, Sequence[Any]]
    grids: Sequence[Mapping[str, Sequence[Any]]] = ()
    folds: int | None = None

    def runs(self) -> list[Run]:
        """Every run once, in the order of the file; seeds and folds change fastest.

        Raises:
            ValueError: there are more of them than anybody can mean.
        """
        found: dict[str, dict[str, Any]] = {}
        for grid in self.grids or ({},):
            axes = {**self.base, **grid}
            if self.folds is not None:
                axes["fold"] = [f"{k}/{self.folds}" for k in range(1, self.folds + 1)]
            # Repeats last: what is interrupted has whole settings.
            names = sorted(axes, key=lambda k: (k in REPEATS, k == "fold"))
            for values in product(*(axes[k] for k in names)):
                settings = dict(zip(names, values, strict=True))
                found.setdefault(_canonical(settings), settings)
                if len(found) > MOST_RUNS:
                    raise ValueError(f"a sweep of more than {MOST_RUNS:,} runs; take fewer values")
        axes_found = tuple(_varied([*found.values()]))
        return [Run(settings, axes_found) for settings in found.values()]


def _varied(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The keys that differ among runs, repeats last."""
    names = dict.fromkeys(k for settings in runs for k in settings)
    for k in sorted(names, key=lambda k: (k in REPEATS, k == "fold")):
        if len({_canonical(settings.get(k)) for settings in runs}) > 1:
            yield k


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
