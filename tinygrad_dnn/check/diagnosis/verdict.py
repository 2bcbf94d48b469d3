"""A gradient compared with the truth: right or wrong, and what the mistake probably is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.check.diagnosis.factors import Factor, matching, named_factors, unnamed
from tinygrad_dnn.check.diagnosis.hypotheses import HYPOTHESES, Guess, Hypothesis
from tinygrad_dnn.check.diagnosis.known import Known
from tinygrad_dnn.check.diagnosis.numbers import (
    Array,
    as_array,
    close,
    precision,
    ratio,
    same_number,
)
from tinygrad_dnn.check.diagnosis.offsets import offsets
from tinygrad_dnn.check.diagnosis.pattern import pattern
from tinygrad_dnn.check.diagnosis.result import Diagnosis, Explanation, Worst
from tinygrad_dnn.check.diagnosis.slips import Wrong, probable_slip
from tinygrad_dnn.check.diagnosis.source import Source

BESIDES = ("", "opposite sign", "factor m", "factor 1/m")  # mistakes beside a caller's own
ENOUGH = 2  # numbers that must fit: on a single one every hypothesis with a factor can be made to
DOUBTFUL = 2  # the rank from which another explanation is looked for
OFFSETS = {"added", "rounding"}  # what is found from a difference, not predicted
FACTOR_OF = ("constant factor", "transposed")  # what may be scaled by a number without a name


@dataclass(frozen=True)
class Trial:
    """One comparison: yours, the truth, and what `compare` takes besides."""

    yours: Any
    truth: Any
    context: Mapping[str, Any] | None = None
    size: Any = None
    name: str = "the gradient"
    source: Source | None = None


def compare(
    yours: Any,
    truth: Any,
    context: Mapping[str, Any] | None = None,
    *,
    name: str = "the gradient",
    size: Any = None,
    source: Source | None = None,
) -> Diagnosis:
    """Compare a gradient with the truth and say what the mistake probably is.

    Hypotheses are tested: one is reported only where it gives every number of `yours` to rounding.
    Where the function is given as well, its backward pass is run again with slips made on purpose:
    a use left out, the slope of another function, a factor turned, elements in another order.

    Args:
        yours: the gradient in question, of any shape, with any values.
        truth: the right one.
        context: whatever is known, by name; more of it, more can be recognised. Numbers: `m`,
            `learning_rate`, `lambd`, ...: a factor that is one of them is called so. Arrays: `dZ`,
            `dA`, `Z`, `A`, `A_prev`, `W` of the layer, or numbered ones (`dZ2`, `A1`, ...) for a
            `name` with a number; other gradients by name (also in a mapping of their own);
            `activation`: "relu" or "sigmoid"; `unsummed`: the gradient before it was summed over
            broadcast axes; `parts`: the contributions whose sum it is; `alternatives`: what it
            would be after a mistake of another kind, by what one would see ("lacks b").
        name: of the gradient, for the words; "dW2" also says which layer it belongs to.
        size: for each element the sum of the magnitudes of the terms it is made of, which bounds
            its rounding; without it that of the largest element.
        source: the function that it is the gradient of, its inputs and the cotangent.

    Returns:
        A `Diagnosis`; nothing is raised for what `yours` is.

    Raises:
        TypeError: `truth` is no array of numbers.

    Example: `compare(g * x, 2 * g * x, source=Source(lambda x: x**2, [x], 0, g))`.
    """
    return compare_trials([Trial(yours, truth, context, size, name, source)])


def compare_trials(trials: Iterable[Trial]) -> Diagnosis:
    """Compare the same gradient at several points: a mistake has to explain all of them.

    So that 2 = m in one trial is not mistaken for 2. The first wrong trial gives name and numbers
    of the report.

    Raises:
        TypeError: a `truth` is no array of numbers.
        ValueError: no trial.
    """
    tried = [_Tried(t) for t in trials]
    if not tried:
        raise ValueError("compare_trials: expected at least one trial, got none")
    wrong = [t for t in tried if not t.right]
    if not wrong:
        return tried[0].agreement()
    fitting = _common(tried)
    shown = [f for f in fitting if f.evidence >= ENOUGH]
    chosen = _simplest(shown or fitting)
    asked = any(t.asked for t in wrong)
    if not shown or any(f.fitted or (asked and f.rank >= DOUBTFUL) for f in chosen):
        slip = _slip(wrong)
        if slip is not None:
            told = wrong[0].diagnosis((slip,), ())
            return replace(told, trial=tried.index(wrong[0]))
        if shown and asked and any(f.added for f in chosen):
            shown = chosen = []  # fitted to numbers of which more could be asked for
    # Where something simpler fits as well, as where m = 1, the words would mislead.
    telling = next((t for t in wrong if chosen and t.simplest() >= chosen[0].rank), wrong[0])
    keys = [f.key for f in chosen]
    found = tuple({e.says: e for e in (telling.fits[k].explanation for k in keys)}.values())
    return replace(
        telling.diagnosis(found if shown else (), () if shown else found),
        trial=tried.index(telling),
    )


def _slip(wrong: Sequence[_Tried]) -> Explanation | None:
    """The slip in the backward pass that explains every trial whose function is known."""
    known = [Wrong(t.source, t.yours) for t in wrong if t.source and t.yours is not None]
    fits = all(t.shape == t.known.truth.shape for t in wrong)
    slip = probable_slip(known) if known and fits else None
    if slip is None:
        return None
    says, _, hint = slip.says.partition(": ")
    return Explanation(says, says, hint, slip.rank)


def _common(tried: Sequence[_Tried]) -> list[_Fit]:
    """Return the mistakes that explain every trial; asked first where fewest can."""
    first, *others = sorted(tried, key=lambda t: (t.right, -t.known.truth.size))
    first.test()
    common = first.fits
    for t in others:
        if not common:
            break
        t.test({k[0] for k in common})
        # Where yours is right a mistake must predict that, if it predicts anything.
        common = {
            k: fit
            for k, fit in common.items()
            if k in t.fits or (t.right and k[0] not in t.predicted)
        }
    return [
        fit._replace(numbers=sum(t.fits[k].numbers for t in tried if k in t.fits))
        for k, fit in common.items()
    ]


def _simplest(fitting: Sequence[_Fit]) -> list[_Fit]:
    least = min((f.rank for f in fitting), default=0)
    return [f for f in fitting if f.rank == least]


class _Fit(NamedTuple):
    """An explanation, on how many numbers it was tried, and how many were fitted to them."""

    key: Any
    explanation: Explanation
    numbers: int
    free: int = 0

    @property
    def rank(self) -> int:
        return self.explanation.rank

    @property
    def evidence(self) -> int:
        return self.numbers - self.free

    @property
    def added(self) -> bool:
        """Whether it is a term whose factor was fitted."""
        return self.key[0][0] == "added" and self.free > 0

    @property
    def fitted(self) -> bool:
        """Whether a number in it was fitted, which a slip may give a reason for."""
        return self.free > 0


class _Tried:
    """One trial taken apart: which hypotheses predict its numbers."""

    def __init__(self, trial: Trial) -> None:
        truth = as_array(trial.truth)
        if truth is None:
            raise TypeError(
                f"compare: expected an array of numbers as truth, got {type(trial.truth).__name__}"
            )
        self.name = trial.name
        self.source = trial.source
        self.given = trial.yours
        self.yours = as_array(trial.yours)
        self.known = Known(truth, trial.context, trial.name)
        self.shape = None if self.yours is None else self.yours.shape
        size = as_array(trial.size)
        self.agrees = (
            close(self.yours, truth, size, eps=self.known.precision())
            if self.yours is not None and self.shape == truth.shape
            else None
        )
        self.right = self.agrees is not None and bool(np.all(self.agrees))
        self.fits: dict[Any, _Fit] = {}
        self.predicted: set[Any] = set()

    @property
    def asked(self) -> bool:
        """Whether there is a function to be asked for more."""
        return self.source is not None and self.source.ask is not None

    def test(self, wanted: Set[Any] | None = None) -> None:
        """Put every hypothesis to the numbers, or those that are wanted: row and guess."""
        self.fits, self.predicted = {}, set()
        if self.yours is not None:
            with np.errstate(all="ignore"):
                self._try_all(self.yours, wanted)

    def _try_all(self, yours: Array, wanted: Set[Any] | None) -> None:
        factors = named_factors(self.known)
        rows = None if wanted is None else {row for row, _ in wanted}
        for row in HYPOTHESES:
            if rows is not None and row.name not in rows:
                continue
            for guess in _guesses(row, self.known):
                key = (row.name, guess.key or guess.says)
                if wanted is not None and key not in wanted:
                    continue
                if not self.right or np.any(guess.array):  # from 0 nothing can be told
                    self.predicted.add(key)
                for shaped, extra in _shapes(guess.array, yours):
                    self._try(yours, row, guess, shaped, extra, factors)
        if self.agrees is not None and (rows is None or rows & OFFSETS):
            self.predicted.add(("added", ""))
            for o in offsets(yours, self.known):
                of = "added" if o.visible else "rounding"
                found = Explanation(o.name, o.says, o.hint, o.rank)
                size = np.ones(self.known.truth.shape)
                self._found(((of, ""), o.says), found, size, o.parameters)

    def _try(
        self,
        yours: Array,
        row: Hypothesis,
        guess: Guess,
        shaped: Array,
        extra: Explanation | None,
        factors: list[Factor],
    ) -> None:
        c = ratio(yours, shaped)
        if c is None:
            return
        eps = precision(yours)
        found = matching(c, factors, eps) if np.any(shaped) else factors  # 0 is any multiple of 0
        if row.name in FACTOR_OF and not same_number(c, 1, eps):
            found = [*found, unnamed(c)]  # another number may have a name elsewhere, as 2 = m here
        if row.name == "alternative":
            found = [f for f in found if f.name in BESIDES]
        for factor in found:
            parts = [(guess.name or (row.name if guess.says else ""), guess.says, guess.hint)]
            parts += [(factor.name, factor.says, factor.hint)]
            parts += [(extra.name, extra.says, extra.hint)] if extra else []
            name, says, hint = zip(*parts, strict=True)
            if not any(says) and not self.right:
                continue  # equal within the looser bound
            explanation = Explanation(
                " and ".join(filter(None, name)),
                " and ".join(filter(None, says)),
                "; ".join(filter(None, hint)),
                row.rank + guess.rank + factor.rank + (extra.rank if extra else 0),
            )
            free = factor not in factors
            label = f"{c:.6e}" if free else factor.name
            key = ((row.name, guess.key or guess.says), label, extra.name if extra else "")
            # A shape says something even of zeros.
            self._found(key, explanation, np.ones(shaped.shape) if extra else shaped, int(free))

    def _found(self, key: Any, explanation: Explanation, predicted: Array, free: int) -> None:
        numbers = np.count_nonzero(predicted) or np.count_nonzero(self.known.truth)
        self.fits.setdefault(key, _Fit(key, explanation, int(numbers), free))

    def simplest(self) -> int:
        """The rank of what explains this trial, taken alone."""
        self.test()
        return min((fit.rank for fit in self.fits.values()), default=0)

    def agreement(self) -> Diagnosis:
        """Return the diagnosis of a gradient that is right."""
        return Diagnosis(self.name, True, shape=self.shape, truth_shape=self.known.truth.shape)

    def diagnosis(
        self, explanations: tuple[Explanation, ...], possible: tuple[Explanation, ...]
    ) -> Diagnosis:
        truth = self.known.truth
        if self.yours is None:
            return Diagnosis(
                self.name,
                False,
                problem=_no_array(self.given, truth.shape),
                truth_shape=truth.shape,
            )
        seen: tuple[str, ...] = ()
        worst = None
        if self.agrees is not None:
            wrong = ~self.agrees
            seen = tuple(pattern(self.yours, self.known, wrong))
            worst = _worst(self.yours, truth, wrong)
        return Diagnosis(
            self.name, False, explanations, possible, seen, worst, self.shape, truth.shape
        )


def _guesses(row: Hypothesis, known: Known) -> Iterator[Guess]:
    """A row's guesses; one that stumbles over unusual shapes has none."""
    try:
        yield from row.guesses(known)
    except (ValueError, IndexError, TypeError):
        return


def _shapes(guess: Array, yours: Array) -> Iterator[tuple[Array, Explanation | None]]:
    """The guess in the shape of yours: as it is, or with axes of length 1 lost or too many."""
    if guess.shape == yours.shape:
        yield guess, None
    elif guess.ndim != yours.ndim and _long(guess.shape) == _long(yours.shape):
        says = f"has shape {yours.shape} where {guess.shape} is right"
        if yours.ndim < guess.ndim:
            yield (
                guess.reshape(yours.shape),
                Explanation("keepdims forgotten", says, "was keepdims=True forgotten?"),
            )
        else:
            yield (
                guess.reshape(yours.shape),
                Explanation("axis too many", says, "is an axis of length 1 to be squeezed?"),
            )


def _long(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _worst(yours: Array, truth: Array, wrong: Any) -> Worst | None:
    with np.errstate(all="ignore"):
        error = np.where(wrong, np.abs(yours - truth), -1.0)
    error = np.where(wrong & ~np.isfinite(error), np.inf, error)
    if not error.size:
        return None
    at = tuple(int(i) for i in np.unravel_index(np.argmax(error), error.shape))
    return Worst(at, yours[at].item(), truth[at].item())


def _no_array(x: Any, wanted: tuple[int, ...]) -> str:
    if x is None:
        return f"is None where an array {wanted} is expected: was it returned?"
    return f"is a {type(x).__name__} where an array {wanted} of numbers is expected"
