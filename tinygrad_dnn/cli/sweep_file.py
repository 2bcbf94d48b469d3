"""The file of `tinygrad-dnn sweep`: the config file of `train`, with lists of values as axes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinygrad_dnn.cli.choices import Choice, chosen
from tinygrad_dnn.cli.config import FILES, checked, keys, known_key, parsed
from tinygrad_dnn.escapes import printable
from tinygrad_dnn.sweep import SCORES, Sweep

FOLDS, SCORE, GRID = OWN = ("folds", "score", "grid")  # keys that `train` has not
LISTS = ("layers", "class_weight")  # whose one value may be a list of numbers
SHARE = 0.2  # kept for validation, where nothing is said
# What a sweep decides by itself.
REFUSED = {
    "fold": "write folds = 5",
    "no_test": "the test examples are read for the best setting alone",
}
# Of each run; a sweep has pictures of its own.
FIXED: dict[str, Any] = {"no_test": True, "no_pictures": True}


@dataclass(frozen=True)
class Asked:
    """What a sweep file asks for.

    Attributes:
        sweep: the runs.
        score: what they are compared by; None for what fits their head.
        kept: what they are measured on, in words.
    """

    sweep: Sweep
    score: str | None
    kept: str


def read_sweep(path: Path) -> Asked:
    """The sweep that a file asks for; files in it by their whole paths.

    Raises:
        ValueError: no TOML, an unknown key, a value of another kind, no value at all.
        OSError: it can't be read.
    """
    given = parsed(path)
    known = keys()
    base, grids = _values(path, given, known), []
    tables = given.get(GRID, [])
    tables = [tables] if isinstance(tables, dict) else tables
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise ValueError(f"{path}: {GRID}: expected tables, each under [[{GRID}]]")
    for table in tables:
        for name in OWN:
            if name in table:
                raise ValueError(f"{path}: {name}: of the whole sweep; write it above [[{GRID}]]")
        grids.append(_values(path, table, known))
    folds, score = given.get(FOLDS), given.get(SCORE)
    if folds is not None and (type(folds) is not int or folds < 2):
        raise ValueError(f"{path}: {FOLDS}: expected an integer from 2, got {folds!r}")
    if score is not None:
        try:
            if not isinstance(score, str):
                raise ValueError(f"expected one of {', '.join(SCORES)}, got {score!r}")
            score = chosen(score, SCORES)
        except ValueError as error:
            raise ValueError(f"{path}: {SCORE}: {error}") from None
    said = any("validation" in values for values in (base, *grids))
    if said and folds is not None:
        raise ValueError(
            f"{path}: {FOLDS} and validation both say what is kept to measure on; leave one out"
        )
    if folds is None and not said:
        base["validation"] = [SHARE]
    kept = f"{folds} folds of the training examples" if folds else "the validation examples"
    if not (folds or said):
        kept = f"{SHARE} of the training examples (say validation or folds for another part)"
    return Asked(Sweep(base, grids, folds), score, kept)


def _values(
    path: Path, given: Mapping[str, Any], known: Mapping[str, argparse.Action]
) -> dict[str, list[Any]]:
    """The values of each key of `train`, one where it is no axis."""
    found: dict[str, list[Any]] = {}
    for name, value in given.items():
        key = known_key(path, name, [*known, *OWN])
        if key in OWN:
            continue
        if key in REFUSED:
            raise ValueError(f"{path}: {key}: not in a sweep; {REFUSED[key]}")
        values = value if _is_axis(key, value) else [value]
        if not values:
            raise ValueError(f"{path}: {key}: expected a value or a list of values, got []")
        if key in FILES and len(values) > 1:
            raise ValueError(f"{path}: {key}: expected one file, runs on others can't be compared")
        found[key] = [_value(path, key, known[key], x) for x in values]
        once = {json.dumps(x): x for x in found[key]}
        found[key] = list(once.values())
    return found


def _is_axis(key: str, value: Any) -> bool:
    """Whether it is a list of values, and not one value that is a list."""
    if not isinstance(value, list):
        return False
    numbers = all(isinstance(x, (int, float)) for x in value)
    return not (key in LISTS and value and numbers)


def _value(path: Path, key: str, action: argparse.Action, value: Any) -> Any:
    """A value as the config file of a run has it, the same for what means the same: 1 and 1.0."""
    meant = checked(path, key, action, value)
    if key in FILES:
        whole = str((path.parent / meant).absolute())
        try:
            whole.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"{path}: {key}: {printable(whole)} is no Unicode, and the config file of a run "
                "can't name it; rename the folder"
            ) from None
        return whole
    return meant if action.type is float or isinstance(action.type, Choice) else value
