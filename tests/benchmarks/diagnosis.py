"""What is named of planted mistakes, and whether what has no name, or is right, is left alone.

    export PYTHONPATH=tests:tests/check
    python tests/benchmarks/diagnosis.py             # minutes; writes diagnosis.md beside this file
    python tests/benchmarks/diagnosis.py --print     # prints, writes nothing
    RANDOM=200 python tests/benchmarks/diagnosis.py  # fewer random gradients

Every entry to the one engine of diagnosis is given the same faults: `check_vjp`,
`check_gradients`, `compare` with the function at hand, `compare` with the function and three
gradients of it. `grade` has its own, those of the document's functions. A fault counts as named
where the words that a person would expect stand in what is said; random wrong gradients and
awkward right ones must get none.
"""

from __future__ import annotations

import datetime
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from awkward_gradients import AWKWARD, Awkward
from measure import machine, write_page
from planted_gradients import faults, inputs, random_gradients
from planted_layers import faults as faults_of_layers
from students import FAULTS, WAYS, planted

from tinygrad_dnn import check_gradients, check_vjp, custom_vjp
from tinygrad_dnn.check.diagnosis import Source, Trial, compare_trials
from tinygrad_dnn.check.diagnosis.slips.backward import Backward
from tinygrad_dnn.grading import grade
from tinygrad_dnn.ops.handwritten import Handwritten

RANDOM, FEWER = (
    int(os.environ.get("RANDOM", "2000")),
    100,
)  # random gradients, for the first entry and for the others
Said = tuple[str, list[str]]  # a verdict, and words for each thing that is wrong


def by_check_vjp(forward: Any, backward: Any, xs: Sequence[Any]) -> Said:
    report = check_vjp(forward, backward, *xs)
    return report.verdict, [b.reason for b in report.blame]


def by_check_gradients(forward: Any, backward: Any, xs: Sequence[Any]) -> Said:
    report = check_gradients(custom_vjp(forward, backward), *xs)
    return report.verdict, [b.reason for b in report.blame]


def by_compare(forward: Any, backward: Any, xs: Sequence[Any]) -> Said:
    """The gradients for one cotangent, and a function to be asked for more."""
    return _compared(forward, backward, [xs], ask=True)


def by_numbers(forward: Any, backward: Any, xs: Sequence[Any]) -> Said:
    """The gradients at three points, and nobody to be asked: what `grade` has."""
    rng = np.random.default_rng(7)
    near = [[x * rng.uniform(0.8, 1.2, np.shape(x)) for x in xs] for _ in range(2)]
    return _compared(forward, backward, [xs, *near], ask=False)


def _compared(forward: Any, backward: Any, points: Sequence[Sequence[Any]], ask: bool) -> Said:
    rng = np.random.default_rng(5)
    gradient = Handwritten(forward, backward, len(points[0]), {}, "compare")
    names = [*_parameters(forward)]

    def asked(g: Any, xs: Sequence[Any]) -> list[Any]:
        found = gradient(np.array(g), np.asarray(forward(*xs)), [np.array(x) for x in xs])
        return [*found] if isinstance(found, tuple) else [found]

    trials: list[list[Trial]] = [[] for _ in points[0]]
    for xs in points:
        p = Backward(forward, xs)
        z = np.asarray(forward(*xs))
        g = rng.uniform(0.5, 1.5, z.shape) * rng.choice([-1.0, 1.0], z.shape)
        for k, yours in enumerate(asked(g, xs)):
            more = (lambda g, xs, k=k: asked(g, xs)[k]) if ask else None
            source = Source(forward, xs, k, g, names, ask=more)
            truth = p.gradient(g, k, {})
            trials[k].append(Trial(yours, truth, None, _size(truth), names[k], source))
    found = [compare_trials(t) for t in trials]
    wrong = [d for d in found if not d.right]
    said = [
        f"Probably it {d.explanation}" if d.explanation else "; ".join(d.lines()) for d in wrong
    ]
    return ("wrong" if wrong else "right"), said


def _size(truth: Any) -> Any:
    return np.full(np.shape(truth), 16 * np.max(np.abs(truth), initial=0))


def _parameters(forward: Any) -> Iterator[str]:
    code = forward.__code__
    return iter(code.co_varnames[: code.co_argcount])


class Way(NamedTuple):
    """An entry to the engine, which awkward gradients it can be given, how many random ones."""

    name: str
    said: Callable[[Any, Any, Sequence[Any]], Said]
    takes: Callable[[Awkward], bool] | None
    random: int = FEWER


WRITTEN_AGAIN = ("buffer: tanh", "buffer: product", "buffer: of zeros, added to")


def _in_a_graph(a: Awkward) -> bool:
    """What the next call writes again is a mistake in a graph, which keeps it."""
    floats = all(np.asarray(x).dtype.kind == "f" for x in a.inputs)
    return floats and a.name not in (
        "buffer: tanh",
        "buffer: product",
        "buffer: of zeros, added to",
    )


WAYS_IN = (
    Way("`check_vjp`", by_check_vjp, lambda a: True, RANDOM),
    Way("`check_gradients`", by_check_gradients, _in_a_graph),
    Way("`compare`, a function to be asked", by_compare, None),
    Way("`compare`, three gradients", by_numbers, None),
)


def planted_faults() -> Iterator[tuple[str, Any, Sequence[Any], Any, str]]:
    """Every fault: a name, the function, its inputs, the wrong gradient, what must be said."""
    for name, entry, gradient, words in faults():
        yield name, entry.forward, inputs(entry), gradient, words
    for name, layer, gradient, words in faults_of_layers():
        yield name, layer.forward, layer.inputs, gradient, words


def is_named(said: Said, words: str) -> bool:
    """Whether the words that are expected stand in what is said of a wrong gradient."""
    verdict, reasons = said
    return verdict == "wrong" and any(
        re.search(words, r.partition("Probably")[2] or r) for r in reasons
    )


def figures(way: Way) -> list[str]:
    """A row: found and named, random ones that were given a name, right ones accused."""
    found = named = total = 0
    for name, forward, xs, gradient, words in planted_faults():
        total += 1
        said = way.said(forward, gradient, xs)
        found += said[0] == "wrong"
        named += is_named(said, words)
        if not is_named(said, words):
            print(f"{way.name}: {name}: {said[1]}", file=sys.stderr)
    misnamed = sum(
        any("Probably" in r for r in way.said(e.forward, gradient, inputs(e))[1])
        for e, gradient in random_gradients(way.random)
    )
    row = [way.name, f"{found} of {total}", f"{named} of {total}", f"{misnamed} of {way.random}"]
    if way.takes is None:
        return [*row, "–"]
    given = [a for a in AWKWARD if way.takes(a)]
    accused = [a.name for a in given if way.said(a.forward, a.backward, a.inputs)[0] == "wrong"]
    return [*row, f"{len(accused)} of {len(given)}"]


def graded() -> list[str]:
    """The row of `grade`: a file for each fault, one for each other right way."""
    found = named = accused = 0
    with TemporaryDirectory() as folder:
        path = Path(folder) / "homework.py"
        for fault in FAULTS:
            path.write_text(planted(fault), encoding="utf-8")
            g = grade(path, require=[fault.function])[fault.function]
            found += g.status == "wrong"
            named += fault.words in "\n".join(g.words)
        for way in WAYS:
            path.write_text(way.text, encoding="utf-8")
            accused += not grade(path).right
    of = len(FAULTS)
    return ["`grade`", f"{found} of {of}", f"{named} of {of}", "–", f"{accused} of {len(WAYS)}"]


def row(n: int) -> list[str]:
    """The row of that number."""
    with np.errstate(all="ignore"):
        return figures(WAYS_IN[n]) if n < len(WAYS_IN) else graded()


def page() -> str:
    """The table as a page."""
    with ProcessPoolExecutor(2) as pool:
        rows = [*pool.map(row, range(len(WAYS_IN) + 1))]
    heads = ["entry", "faults found", "called by name", "random ones given a name", "right accused"]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, ["---"] * len(heads), *rows])
    entries = len({e.name for _, e, *_ in [*faults(), *faults_of_layers()]})
    return f"""# What is named of planted mistakes

{entries} functions (layers, losses, normalisations, attention, convolution, recurrent cells,
physics) with the faults of `tests/check/planted_gradients.py` and `planted_layers.py`; for `grade`
those of `tests/students.py`. Random gradients are wrong in no way that has a name. Right ones:
`tests/check/awkward_gradients.py` (corners, float32, buffers, other orders of summation, values
computed again or kept, tiny and huge numbers, odd layouts), and for `grade` other ways to write
the document's functions.

{table}

Measured on {datetime.date.today()} by `python tests/benchmarks/diagnosis.py`. {machine()}
"""


if __name__ == "__main__":
    write_page("diagnosis.md", page, __doc__)
