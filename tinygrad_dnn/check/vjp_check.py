"""`check_vjp`: a gradient written by hand against the function that it belongs to.

It is checked at the given inputs; where it is right there, also near them, since a function can be
called elsewhere. What is wrong is named, with a small example to be pasted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_dnn.array_modules import as_numpy
from tinygrad_dnn.autodiff.black_box import custom_vjp
from tinygrad_dnn.check import faults
from tinygrad_dnn.check.diagnosis.slips import NEAR, moved
from tinygrad_dnn.check.faults import Blame
from tinygrad_dnn.check.graph_check import Work
from tinygrad_dnn.check.literal import literal, numbers
from tinygrad_dnn.check.numeric.jacobian import measured_gradient, summed_to
from tinygrad_dnn.check.report import RIGHT, WRONG, GradientReport
from tinygrad_dnn.check.traced_call import Inputs
from tinygrad_dnn.ops.handwritten import Handwritten

LARGE = 20_000  # numbers of inputs that are checked at one further point alone
MOST_TRIES = 12  # smaller inputs for the example
LONGEST = 60  # numbers of an example


def check_vjp(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    *inputs: Any,
    seed: int = 0,
    **options: Any,
) -> GradientReport:
    """Whether a hand-written gradient of any function of arrays is right.

    Each gradient must have its input's shape. Where all are right at the given inputs, points near
    them are tried as well, and the report says which point showed a mistake.

    Args:
        forward: (*inputs, **options) -> one array.
        backward: the gradient for each input of floats, a tuple (a single one may be bare). It asks
            for `g`, the gradient with respect to forward's result and of its shape, for the result
            `z`, and for forward's own parameters by their names; else it is given exactly
            (g, z, *inputs). Of a forward that has a parameter z, the result is `out`.
        inputs: arrays of floats, for which gradients are checked; whole numbers are data.
        seed: of the random cotangents, directions and points.
        options: keyword arguments of forward, which backward may ask for as well.

    Returns:
        A report with a verdict for each input, what each mistake probably is, and in `example` the
        smallest call that was found to show the mistake, as Python to be pasted.

    Raises:
        TypeError: forward returns something else than one array, or backward asks for something
            else.
        ValueError: no input is an array of floats.

    Example: `check_vjp(lambda x: x**3, lambda g, x: 3 * g * x**2, np.array([1.0, 2.0]))`.
    """
    pair = _Pair(forward, backward, len(inputs), options)
    report = pair.report(inputs, seed)
    with np.errstate(all="ignore"):  # at points of our own choice
        if report.verdict == WRONG:
            return pair.explained(report, inputs, inputs, seed)
        for point in _near(pair, inputs, seed) if report.verdict == RIGHT else ():
            try:
                there = pair.report(point, seed)
            except Exception:  # the function may not be defined there
                continue
            if there.verdict == WRONG:
                return pair.explained(there, point, inputs, seed)
    return report


class _Pair:
    """A function and its gradient."""

    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        n: int,
        options: Mapping[str, Any],
    ) -> None:
        self.forward, self.options = forward, options
        self.name = getattr(backward, "__name__", "backward").strip("<>")
        self.gradient = Handwritten(forward, backward, n, options, f"check_vjp: {self.name}")

    def value(self, inputs: Sequence[Any]) -> Any:
        """The forward's one array.

        Raises:
            TypeError: it returns something else.
        """
        z = self.forward(*inputs, **self.options)
        if isinstance(z, (tuple, list, dict)):
            raise TypeError(
                f"check_vjp: expected forward to return one array, got a {type(z).__name__}; "
                "return what the gradient g belongs to: lambda *xs: forward(*xs)[0]"
            )
        return z

    def _with_options(self, *inputs: Any) -> Any:
        return self.forward(*inputs, **self.options)

    def asked(self, g: Any, inputs: Sequence[Any]) -> list[Any]:
        """The gradients for a cotangent, of copies of everything."""
        held = [np.array(x) if isinstance(x, np.ndarray) else x for x in inputs]
        given = self.gradient(np.array(g), np.array(self.value(held)), held)
        return [*given] if isinstance(given, (tuple, list)) else [given]

    def report(self, inputs: Sequence[Any], seed: int, slips: bool = True) -> GradientReport:
        """The check at one point, where what is wrong is named if `slips`."""
        floats = [k for k, x in enumerate(inputs) if as_numpy(x, "check_vjp").dtype.kind == "f"]

        def with_floats(arrays: Any) -> list[Any]:
            given = list(inputs)
            for k, x in zip(floats, arrays, strict=True):
                given[k] = x
            return given

        def back(g: Any, z: Any, *arrays: Any) -> Any:
            given = self.gradient(g, z, with_floats(arrays))
            # A buffer that the next call writes again is right here.
            return tuple(map(_copied, given)) if isinstance(given, tuple) else _copied(given)

        op = custom_vjp(lambda *arrays: self.value(with_floats(arrays)), back, name=self.name)
        given = Inputs(self.forward, inputs)
        work = Work(lambda *xs: op(*(xs[k] for k in floats)), given, seed, slips=slips)
        report = work.run()
        report = replace(report, blame=[_of_function(b, self.name) for b in report.blame])
        return self._with_shapes(report, inputs, floats)

    def _with_shapes(
        self, report: GradientReport, inputs: Sequence[Any], floats: Sequence[int]
    ) -> GradientReport:
        """The report, with blame for each gradient that has not its input's shape."""
        try:
            g = np.ones(np.shape(self.value(inputs)))
            slopes = self.asked(g, inputs)
        except Exception:  # told already
            return report
        rows, blame = [*report.rows], [*report.blame]
        for row, (k, s) in enumerate(zip(floats, slopes, strict=False)):
            shape, got = np.shape(inputs[k]), np.shape(s)
            if s is None or got == shape:
                continue
            name = rows[row].name
            if any(b.kind == faults.WRONG_SHAPE and b.argument in (name, None) for b in blame):
                continue
            ask = ""
            try:
                summed_to(shape, np.asarray(s))
            except ValueError:
                pass
            else:
                axes = [a for a in range(len(got)) if a < len(got) - len(shape) or (
                    shape[a - (len(got) - len(shape))] == 1 != got[a])]  # fmt: skip
                ask = (
                    f": it is not summed over axis {', '.join(map(str, axes))}, along which "
                    f"{name} was repeated"
                )
            reason = f"{self.name}: the gradient for {name} has shape {got} where the input has "
            blame.append(
                Blame(faults.WRONG_SHAPE, self.name, None, name, name, f"{reason}{shape}{ask}")
            )
            rows[row] = replace(rows[row], verdict=WRONG)
        verdict = WRONG if blame else report.verdict
        return replace(report, rows=rows, blame=blame, verdict=verdict)

    # --- what is wrong ---------------------------------------------------------------------------

    def explained(
        self, report: GradientReport, point: Sequence[Any], given: Sequence[Any], seed: int
    ) -> GradientReport:
        """The report with an example."""
        names = [row.name for row in report.rows]
        floats = [k for k, x in enumerate(point) if np.asarray(x).dtype.kind == "f"]
        notes = [*report.notes]
        if point is not given:
            notes.insert(0, "right at the given inputs, wrong at a point near them, which the "
                            "example shows")  # fmt: skip
        shapes = any(b.kind == faults.WRONG_SHAPE for b in report.blame)
        example = self._example(point, floats, names, seed, shapes)
        return replace(report, notes=notes, example=example)

    # --- the example -----------------------------------------------------------------------------

    def _example(
        self,
        point: Sequence[Any],
        floats: Sequence[int],
        names: Sequence[str],
        seed: int,
        shapes: bool,
    ) -> str | None:
        """The smallest call that was found to be wrong, as Python; None where none is small.

        Unless `shapes` are what is wrong, a gradient of another shape shows no more than that the
        function closes over arrays that the smaller inputs do not fit.
        """
        smallest = point
        for smaller in _smaller(point):
            try:
                found = self.report(smaller, seed, slips=False)
            except Exception:  # the shapes may not fit
                continue
            fits = shapes or all(b.kind != faults.WRONG_SHAPE for b in found.blame)
            if found.verdict == WRONG and fits:
                smallest = smaller
                break
        if sum(np.size(x) for x in smallest) > LONGEST:
            return None
        try:
            return self._program(smallest, floats, names)
        except Exception:  # as above
            return None

    def _program(self, point: Sequence[Any], floats: Sequence[int], names: Sequence[str]) -> str:
        z = np.asarray(self.value(point))
        g = np.ones(z.shape) + np.arange(z.size).reshape(z.shape)  # 1, 2, 3, ...
        slopes = self.asked(g, point)
        arrays = [np.asarray(x) for x in point]
        own = dict(zip(floats, names, strict=True))
        called = [own.get(k, f"x{k}") for k in range(len(point))]
        forward = getattr(self.forward, "__name__", "forward").replace("<lambda>", "forward")
        backward = self.name.replace("lambda", "backward")
        settings = [f"{name}={value!r}" for name, value in self.options.items()]

        def written(slot: Any) -> str:
            if isinstance(slot, int):
                return called[slot]
            return repr(self.gradient.options[slot[0]]) if isinstance(slot, tuple) else str(slot)

        positional, keyword = self.gradient.call
        given = [*map(written, positional), *(f"{n}={written(s)}" for n, s in keyword.items())]
        results = [f"d{own[k]}" for k in floats]
        lines = ["import numpy as np", ""]
        lines += [f"{name} = {literal(x)}" for name, x in zip(called, point, strict=True)]
        lines += [
            f"g = {literal(g)}",
            f"z = {forward}({', '.join([*called, *settings])})",
            f"{', '.join(results)} = {backward}({', '.join(given)})",
        ]
        for k, mine, name in zip(floats, slopes, results, strict=False):
            right = np.asarray(measured_gradient(self._with_options, arrays, k, g), float)
            yours = np.asarray(mine, float)
            if yours.shape != right.shape or not np.allclose(yours, right, rtol=1e-9, atol=0):
                lines.append(f"# {name} is {_short(yours)}, right is {_short(right)}")
        return "\n".join(lines)


def _copied(x: Any) -> Any:
    return x.copy() if isinstance(x, np.ndarray) else x


def _short(x: Any) -> str:
    return numbers(np.asarray(x).tolist(), digits=10)


def _near(pair: _Pair, inputs: Sequence[Any], seed: int) -> Iterator[list[Any]]:
    """Points near the given one at which the function is finite where it was."""
    rng = np.random.default_rng([seed, 1])
    there = np.isfinite(np.asarray(pair.value(inputs)))
    large = sum(np.size(x) for x in inputs) > LARGE
    for n in range(1 if large else 3):
        point = moved(inputs, rng)
        if n == 2:  # zeros too
            point = [
                np.asarray(x + NEAR * rng.normal(size=np.shape(x))).astype(np.asarray(x).dtype)
                if np.asarray(x).dtype.kind == "f"
                else x
                for x in inputs
            ]
        try:
            with np.errstate(all="ignore"):
                z = np.asarray(pair.value(point))
        except Exception:  # it is not defined there
            continue
        if z.shape == there.shape and np.array_equal(np.isfinite(z), there):
            yield point


def _smaller(point: Sequence[Any]) -> Iterator[list[Any]]:
    """The point with axes of one length cut to 1, 2 or 3, and short numbers; smallest first."""
    lengths = sorted({n for x in point for n in np.shape(x) if n > 1})
    cuts: list[dict[int, int]] = [dict.fromkeys(lengths, n) for n in (1, 2, 3)]
    cuts += [{length: n} for length in lengths for n in (1, 2)]
    cuts = [{a: min(a, n) for a, n in cut.items()} for cut in cuts]
    tried = 0
    for cut in cuts:
        if tried >= MOST_TRIES:
            return
        part = [
            np.asarray(x)[tuple(slice(cut.get(n, n)) for n in np.shape(x))] if np.ndim(x) else x
            for x in point
        ]
        tried += 2
        yield [np.round(x, 1) if np.asarray(x).dtype.kind == "f" else x for x in part]
        yield part


def _of_function(b: Blame, name: str) -> Blame:
    """Blame of the one op that a hand-written gradient is, in its author's words."""
    of = f" for {b.argument}" if b.argument else ""
    for who in (f"the rule of '{name}'{of} at {b.where}", f"the rule of '{name}' at {b.where}"):
        if b.reason.startswith(who):
            return replace(b, reason=f"{name}: the gradient{of}{b.reason.removeprefix(who)}")
    return b
