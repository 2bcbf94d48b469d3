"""Rows that keep values and gradients finite where sigmoid, softmax or exponentials saturate.

A logarithm goes down, through what lies between it and the exponentials that its argument comes
from, to where it cancels them: log(σ(z)ᵀ) is log(σ(z))ᵀ is (−softplus(−z))ᵀ. A row asks first
whether the logarithm will arrive, see `saturation`; else all stays as it is written.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from math import log as logarithm
from typing import Any

from tinygrad_dnn.ops import (
    REGISTRY,
    Op,
    astype,
    concatenate,
    cosh,
    exp,
    log,
    log1p,
    log2,
    log10,
    log_sigmoid,
    log_softmax,
    log_weighted_sum,
    logaddexp,
    logsumexp,
    mean,
    power,
    prod,
    reciprocal,
    sigmoid,
    softmax,
    softplus,
    sqrt,
    square,
    stack,
    sum,
    tanh,
    where,
)
from tinygrad_dnn.rewrite import stable_conditions as when
from tinygrad_dnn.rewrite.rows import AXES, MINUS_MINUS, NOT_FINITE
from tinygrad_dnn.rewrite.saturation import MOVES
from tinygrad_dnn.rewrite.terms import Row

OVERFLOWS = "where an exponential overflows or underflows"
EINSUM, LOG_OTHERS = REGISTRY["einsum"], REGISTRY["log_others"]
LN2, LN10 = logarithm(2), logarithm(10)

form = partial(Row, rounds=True, awkward=OVERFLOWS)
down = partial(Row, rounds=True, exponential="x")
exact = partial(Row, exponential="x")
below_one = partial(Row, where=when.x_is_within_one, rounds=True, hyperbolic="x")
above = partial(Row, rounds=True, awkward="where tanh rounds to 1")

EXP_OF_LOG_SOFTMAX = Row(
    "exponential of a log of a softmax",
    lambda x, axis: (exp(log_softmax(x, axis)), softmax(x, axis)),
    rounds=True,
    cases=({"x": (3, 4), "axis": 0},),
)
# What is written with exponentials, as one op that does not overflow.
FORMS = (
    Row("sigmoid", lambda x: (1 / (1 + exp(x)), sigmoid(-x))),
    form("sigmoid, exponentials above and below", lambda x: (exp(x) / (1 + exp(x)), sigmoid(x))),
    Row("minus a sigmoid", lambda x: (-1 / (1 + exp(x)), -sigmoid(-x))),
    Row("reciprocal sigmoid", lambda x: (reciprocal(1 + exp(x)), sigmoid(-x))),
    Row("sigmoid as a power", lambda x: (power(1 + exp(x), -1), sigmoid(-x))),
    Row("sigmoid by tanh", lambda x: (0.5 * (1 + tanh(x)), sigmoid(2 * x)), rounds=True),
    Row("half of tanh and 1", lambda x: ((1 + tanh(x)) / 2, sigmoid(2 * x)), rounds=True),
    Row("half of tanh and a half", lambda x: (0.5 * tanh(x) + 0.5, sigmoid(2 * x)), rounds=True),
    Row("half of tanh over 2", lambda x: (tanh(x) / 2 + 0.5, sigmoid(2 * x)), rounds=True),
    Row("sigmoid by −tanh", lambda x: (0.5 * (1 - tanh(x)), sigmoid(-2 * x)), rounds=True),
    Row("half of 1 − tanh", lambda x: ((1 - tanh(x)) / 2, sigmoid(-2 * x)), rounds=True),
    form(
        "tanh", lambda x: ((exp(x) - exp(-x)) / (exp(x) + exp(-x)), tanh(x)), awkward=NOT_FINITE
    ),
    form(
        "softmax by logsumexp",
        lambda x, axis, keepdims: (
            exp(x - logsumexp(x, axis, keepdims=keepdims)), softmax(x, axis)
        ),
        when.log_sum_stands_in_place, awkward=NOT_FINITE,
        cases=({"x": (3, 4), "axis": 0, "keepdims": True},),
    ),
    form(
        "softmax",
        lambda x, axis, keepdims: (exp(x) / sum(exp(x), axis, keepdims=keepdims), softmax(x, axis)),
        when.sum_stands_in_place, cases=({"x": (3, 4), "axis": 0, "keepdims": True},),
    ),
    Row("exponential of log σ", lambda x: (exp(log_sigmoid(x)), sigmoid(x)), rounds=True),
    Row("exponential of −softplus", lambda x: (exp(-softplus(x)), sigmoid(-x)), rounds=True),
    EXP_OF_LOG_SOFTMAX,
    exact("1 and a negative", lambda x: (1 + -x, 1 - x), when.x_has_complement),
    exact("negative difference", lambda x: (-(x - 1), 1 - x), when.x_has_complement, zeros=True),
    down(
        "quotient of exponentials", lambda x, y: (x / y, exp(log(x) - log(y))),
        when.quotient_overflows, exponential="xy",
    ),
    Row("times a sigmoid", lambda x, y: (x / (1 + exp(y)), x * sigmoid(-y)), rounds=True),
    down(
        "divided by an exponential", lambda x, y: (x / y, x * exp(-log(y))),
        when.divisor_overflows, exponential="y",
    ),
)  # fmt: skip


LOG_OF_EXP = form("log of an exponential", lambda x: (log(exp(x)), x))
# Where the logarithm arrives.
ARRIVED = (
    Row(
        "log of a sigmoid", lambda x: (log(sigmoid(x)), -softplus(-x)),
        rounds=True, awkward="where the sigmoid rounds to 0",
    ),
    Row(
        "log of a sigmoid's complement", lambda x: (log(1 - sigmoid(x)), -softplus(x)),
        rounds=True, awkward="where the sigmoid rounds to 1",
    ),
    Row(
        "log of a softmax", lambda x, axis: (log(softmax(x, axis)), log_softmax(x, axis)),
        rounds=True, awkward="where the softmax rounds to 0", cases=({"x": (3, 4), "axis": 0},),
    ),
    Row(
        "log of a sum of exponentials",
        lambda x, axis, keepdims: (
            log(sum(exp(x), axis, keepdims=keepdims)), logsumexp(x, axis, keepdims=keepdims)
        ),
        rounds=True, awkward="where every exponential underflows or one overflows", cases=AXES,
    ),
    Row(
        "log of a softmax's complement",
        lambda x, axis: (log(1 - softmax(x, axis)), LOG_OTHERS(x, axis)),
        rounds=True, awkward="where the softmax rounds to 1", cases=({"x": (3, 4), "axis": 0},),
    ),
    Row(
        "log of a share's complement",
        lambda x, axis, keepdims: (
            log(1 - exp(x) / sum(exp(x), axis, keepdims=keepdims)), LOG_OTHERS(x, axis)
        ),
        when.share_of_a_sum, rounds=True, awkward=f"where a share rounds to 1, and {OVERFLOWS}",
        cases=({"x": (3, 4), "axis": 0, "keepdims": True},),
    ),
    above("log of 1 − tanh", lambda x: (log(1 - tanh(x)), LN2 - softplus(2 * x))),
    above("log of 1 + tanh", lambda x: (log(1 + tanh(x)), LN2 - softplus(-2 * x))),
    form("log of cosh", lambda x: (log(cosh(x)), logaddexp(x, -x) - LN2)),
    LOG_OF_EXP,
    form("softplus", lambda x: (log(1 + exp(x)), softplus(x))),
    form("softplus by log1p", lambda x: (log1p(exp(x)), softplus(x))),
)  # fmt: skip

# What it goes through.
ARITHMETIC = (
    down("log1p of a negative", lambda x: (log1p(-x), log(1 - x)), when.x_has_complement),
    down(
        "log1p of what is above −1", lambda x: (log1p(x), log(1 + x)), when.x_is_above,
        exponential="", hyperbolic="x",
    ),
    down("log1p", lambda x: (log1p(x), softplus(log(x))), when.x_overflows),
    down("log of 1 more", lambda x: (log(1 + x), softplus(log(x))), when.x_overflows),
    below_one(
        "log of 1 − a square", lambda x: (log(1 - square(x)), log(1 - x) + log(1 + x)),
    ),
    below_one(
        "log of 1 − a second power", lambda x: (log(1 - power(x, 2)), log(1 - x) + log(1 + x)),
    ),
    below_one(
        "log of 1 − a product with itself", lambda x: (log(1 - x * x), log(1 - x) + log(1 + x)),
    ),
    Row(
        "log of 1 − a tanh computed twice",
        lambda x: (log(1 - tanh(x) * tanh(x)), log(1 - tanh(x)) + log(1 + tanh(x))), rounds=True,
    ),
    down("log of a complement's complement", lambda x: (log(1 - (1 - x)), log(x)), when.x_has_log),
    down("log to base 2", lambda x: (log2(x), log(x) * (1 / LN2)), when.x_saturates),
    down("log to base 10", lambda x: (log10(x), log(x) * (1 / LN10)), when.x_saturates),
    down(
        "log of a product", lambda x, y: (log(x * y), log(x) + log(y)), when.x_and_y_have_logs,
        exponential="xy",
    ),
    down("log of 1 over", lambda x: (log(1 / x), -log(x)), when.x_has_log),
    down(
        "log of a quotient", lambda x, y: (log(x / y), log(x) - log(y)), when.x_and_y_have_logs,
        exponential="xy",
    ),
    down("log of a reciprocal", lambda x: (log(reciprocal(x)), -log(x)), when.x_has_log),
    down(
        "log of a power", lambda x, y: (log(power(x, y)), y * log(x)), when.x_has_log,
        awkward=OVERFLOWS,
    ),
    down("log of a square", lambda x: (log(square(x)), 2 * log(x)), when.x_has_log),
    down("log of a root", lambda x: (log(sqrt(x)), 0.5 * log(x)), when.x_has_log),
    down(
        "log of two terms", lambda x, y: (log(x + y), logaddexp(log(x), log(y))),
        when.terms_have_logs, exponential="xy",
    ),
    down(
        "log of a sum",
        lambda x, axis, keepdims: (
            log(sum(x, axis, keepdims=keepdims)), logsumexp(log(x), axis, keepdims=keepdims)
        ),
        when.x_has_log, cases=AXES,
    ),
    down(
        "log of a mean",
        lambda x, axis, keepdims, k=None: (
            log(mean(x, axis, keepdims=keepdims)),
            logsumexp(log(x), axis, keepdims=keepdims) - k,
        ),
        when.log_of_length, cases=AXES,
    ),
    down(
        "log of a product over an axis",
        lambda x, axis, keepdims: (
            log(prod(x, axis, keepdims=keepdims)), sum(log(x), axis, keepdims=keepdims)
        ),
        when.x_has_log, cases=AXES,
    ),
    down(
        "log of a weighted sum",
        lambda x, y, axis, keepdims: (
            log(sum(x * y, axis, keepdims=keepdims)),
            log_weighted_sum(log(x), y, axis, keepdims=keepdims),
        ),
        when.x_has_log, cases=AXES, positive="y", awkward=OVERFLOWS,
    ),
    down(
        "log of two weighted terms",
        lambda x, y, a, b: (
            log(x * a + y * b),
            log_weighted_sum(
                stack((log(x), log(y)), axis=0), stack((a, b), axis=0), 0, keepdims=False
            ),
        ),
        when.weighted_terms, exponential="xy", positive="ab", cases=({},),
        awkward=OVERFLOWS, floats=False,  # the weights may be labels, which are joined alone
    ),
    exact(
        "log of an elementwise einsum",
        lambda x, y, subscripts, axis=None: (
            log(EINSUM((x, y), subscripts=subscripts)), log(sum(x * y, axis, keepdims=False))
        ),
        when.summed_elementwise,
        cases=({"x": (3, 4), "y": (3, 4), "subscripts": "ij,ij->j"},), positive="y",
    ),
    exact("log of a choice", lambda p, x, y: (log(where(p, x, y)), where(p, log(x), log(y))),
         when.choices_have_logs, exponential="xy"),
    exact("log of a choice's complement",
         lambda p, x, y: (log(1 - where(p, x, y)), where(p, log(1 - x), log(1 - y))),
         when.choices_have_complements, exponential="xy"),
)  # fmt: skip


def _line(op: Op, outer: Callable[[Any], Any]) -> Callable[..., tuple[Any, Any]]:
    """f(op(x, ...)) and op(f(x), ...), with all settings of the op as variables."""
    letters = "xijk"[: len(op.arrays)]

    def line(**given: Any) -> tuple[Any, Any]:
        x, *others = (given[letter] for letter in letters)
        meta = {name: given[name] for name in op.settings}
        return outer(op(x, *others, **meta)), op(outer(x), *others, **meta)

    kind = inspect.Parameter.KEYWORD_ONLY
    names = [inspect.Parameter(name, kind) for name in (*letters, *op.settings)]
    line.__signature__ = inspect.Signature(names)  # type: ignore[attr-defined]
    return line


def _moved(op: Op) -> tuple[Row, ...]:
    """Rows of an op that moves elements, or casts them: the logarithm goes before it."""
    cases = tuple(dict(zip("xi", c.shapes, strict=False)) | op.defaults | c.meta for c in op.cases)
    if op is astype:
        cases = ({"x": (2, 3), "dtype": "longdouble"},)
    row = partial(exact, rounds=op is astype, floats=False, cases=cases)
    name = op.name
    return (
        row(f"log before {name}", _line(op, log), when.float_has_log),
        row(f"log of a complement before {name}", _line(op, _log_of_complement),
            when.float_has_complement),
        row(f"log of 1 more before {name}", _line(op, lambda x: log(1 + x)), when.float_is_above,
            exponential="", hyperbolic="x"),
    )  # fmt: skip


def _log_of_complement(x: Any) -> Any:
    return log(1 - x)


def _joined(op: Op) -> Row:
    """Logarithms of two arrays go before they are joined."""
    return exact(
        f"logs before {op.name}",
        lambda x, y, axis: (log(op((x, y), axis=axis)), op((log(x), log(y)), axis=axis)),
        when.x_and_y_have_logs,
        exponential="xy",
        cases=({"x": (3, 4), "y": (3, 4), "axis": 0},),
    )


MOVED = tuple(row for op in (*MOVES, astype) for row in _moved(op))
JOINED = (_joined(concatenate), _joined(stack))
STABLE: tuple[Row, ...] = (MINUS_MINUS, *FORMS, *ARRIVED, *ARITHMETIC, *MOVED, *JOINED)
