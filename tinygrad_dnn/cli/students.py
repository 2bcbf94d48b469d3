"""Whose file it is: ids of students from the names of files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path


def pattern(text: str) -> re.Pattern[str]:
    """The pattern by which a path gives an id.

    Raises:
        ValueError: it is no regular expression.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(
            f"--student-id {text}: expected a regular expression such as '^[^_]+' or "
            f"'hw1/([^/]+)/': {error}"
        ) from None


def ids(files: Iterable[Path], wanted: re.Pattern[str]) -> Mapping[Path, str]:
    """The id of each file: the pattern's group of the name `id`, else its first, else all of it.

    It is looked for in the name of the file, and where it is not found there, in its path.

    Raises:
        ValueError: a file has none, or an empty one.
    """
    found: dict[Path, str] = {}
    without = []
    for file in files:
        match = wanted.search(file.stem) or wanted.search(file.as_posix())
        id_ = _of(match) if match else ""
        if id_:
            found[file] = id_
        else:
            without.append(file)
    if without:
        more = f" and {len(without) - 1} more" if len(without) > 1 else ""
        raise ValueError(
            f"--student-id {wanted.pattern}: found in neither the name nor the path of "
            f"{without[0]}{more}"
        )
    return found


def _of(match: re.Match[str]) -> str:
    group = "id" if "id" in match.re.groupindex else min(1, match.re.groups)
    return match[group] or ""
