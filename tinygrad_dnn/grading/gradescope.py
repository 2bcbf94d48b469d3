"""Results for Gradescope, and the two scripts that have it grade each submission.

The fields are those of its page "Autograder Specifications"
(https://gradescope-autograders.readthedocs.io/en/latest/specs/).
"""

from __future__ import annotations

import io
import re
import shlex
import zipfile
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from tinygrad_dnn.grading.grades import MISSING, RIGHT, Grade, Grades, number_of, points_of
from tinygrad_dnn.isolation.replies import visible

VISIBILITIES = ("visible", "hidden", "after_due_date", "after_published")
PACKAGES = ("tinygrad_dnn", "viz")
RUN = """\
#!/usr/bin/env bash
# Grades one submission. What it prints is for the instructor; students see results.json.
root="${{AUTOGRADER:-/autograder}}"
python="$root/python/bin/python"
[ -x "$python" ] || python=python3
export PYTHONPATH="$root/source" PYTHONDONTWRITEBYTECODE=1
results="$root/results/results.json"
cd "$root/source" || exit 1
"$python" -m tinygrad_dnn check "$root/submission" --gradescope "$results"{options}
[ -s "$results" ]  # that something is wrong is no failure of the autograder
"""
SETUP = """\
#!/usr/bin/env bash
# Installs Python 3.11 or later with what the grader needs; run once, when the image is built.
set -euo pipefail
root="${{AUTOGRADER:-/autograder}}"
apt-get update
apt-get install -y python3.11 python3.11-venv || apt-get install -y python3 python3-venv
python="$(command -v python3.11 || command -v python3)"
"$python" -m venv "$root/python"
"$root/python/bin/python" -m pip install {needs}
"""


def results(
    found: Sequence[Grades], seconds: float | None = None, visibility: str = "visible"
) -> dict[str, Any]:
    """What goes into results.json for one submission.

    Args:
        found: the grades of its files; where several define a function the best one counts.
        seconds: that grading took.
        visibility: of all tests for students: "visible", "hidden", "after_due_date",
            "after_published".

    Raises:
        ValueError: there is no file, or no such visibility.
    """
    if not found:
        raise ValueError("results: expected the grades of a submission, got none")
    if visibility not in VISIBILITIES:
        expected = ", ".join(VISIBILITIES)
        raise ValueError(f"visibility: expected one of {expected}, got {visibility!r}")
    best = _best(found)
    tests = [_test(n, g) for n, g in enumerate(best, 1)]
    data: dict[str, Any] = {
        "score": round(sum(t["score"] for t in tests), 6),
        "output": _of_all(found),
        "output_format": "text",
        "visibility": visibility,
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {"files": [str(r.path.name) for r in found]},
    }
    if seconds is not None:
        data["execution_time"] = round(seconds, 3)
    return data


def _best(found: Iterable[Grades]) -> list[Grade]:
    """Each function once: from the file in which it earns most, else where it is at all."""
    best: dict[str, Grade] = {}
    for g in (g for r in found for g in r.grades):
        if g.name not in best or _worth(g) > _worth(best[g.name]):
            best[g.name] = g
    return list(best.values())


def _worth(g: Grade) -> tuple[float, bool]:
    return points_of(g)[0], g.present


def _test(n: int, g: Grade) -> dict[str, Any]:
    score, possible = points_of(g)
    return {
        "name": g.name,
        "number": str(n),
        "score": round(score, 6),
        "max_score": possible,
        "status": "passed" if g.status == RIGHT else "failed",
        "output": told(g),
        "output_format": "text",
        "tags": [g.status],
        "extra_data": {"status": g.status},
    }


def told(g: Grade) -> str:
    """A grade in words, with its example, as lines of text."""
    said = [f"{g.status}{f' ({g.place})' if g.place else ''}", *g.words, *g.notes]
    if g.status == MISSING:
        said = ["missing: the file does not define it"]
    said += [f"  {step}" for step in g.lines]
    if g.example:
        said += ["", "The smallest example that was found:", "", g.example]
    return visible("\n".join(said), None)


def _of_all(found: Sequence[Grades]) -> str:
    said = []
    for r in found:
        points = f"{number_of(r.points)} of {number_of(r.possible)} points"
        said.append(f"{r.path.name}: {points}; {r.summary}")
        said += [f"  {note}" for note in r.notes]
    return visible("\n".join(said), None)


def autograder(options: Sequence[str], files: Sequence[Path] = ()) -> bytes:
    """A zip file to be uploaded: the two scripts, this package, and files that options name.

    Args:
        options: of `tinygrad-dnn check` for each submission.
        files: to stand beside the scripts, in whose folder the grader runs.
    """
    quoted = "".join(f" {shlex.quote(option)}" for option in options)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        needs = " ".join(map(shlex.quote, _needs()))
        scripts = {
            "run_autograder": RUN.format(options=quoted),
            "setup.sh": SETUP.format(needs=needs),
        }
        for name, text in scripts.items():
            _put(archive, name, text.encode(), 0o755)
        for path in files:
            _put(archive, path.name, path.read_bytes(), 0o644)
        root = Path(__file__).parents[2]
        for package in PACKAGES:
            for path in sorted((root / package).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    name = path.relative_to(root).as_posix()
                    _put(archive, name, path.read_bytes(), 0o644)
    return packed.getvalue()


def _put(archive: zipfile.ZipFile, name: str, data: bytes, mode: int) -> None:
    about = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))  # the same file from the same content
    about.external_attr = (0o100000 | mode) << 16
    about.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(about, data)


def _needs() -> list[str]:
    """What this package requires, without its extras."""
    try:
        wanted = requires("tinygrad-dnn") or []
    except PackageNotFoundError:  # run from its folder
        wanted = ["numpy", "h5py"]
    return [re.sub(r"\s*;.*", "", w) for w in wanted if "extra ==" not in w]
