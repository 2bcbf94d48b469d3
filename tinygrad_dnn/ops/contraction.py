"""Sums of products in Einstein's notation; long ones become matrix products."""

from functools import lru_cache
from itertools import islice
from math import prod
from string import ascii_lowercase, ascii_uppercase

import numpy as np

from tinygrad_dnn.ops.cases import Case
from tinygrad_dnn.ops.declare import op
from tinygrad_dnn.ops.indexing import scatter
from tinygrad_dnn.ops.nested import recorded, tensors

__all__ = ["einsum"]


@lru_cache(256)
def einsum_terms(subscripts, shapes):
    """'ij,jk->ik' as (('ij', 'jk'), 'ik'); an implicit result and an ellipsis are written out."""
    given, arrow, result = subscripts.replace(" ", "").partition("->")
    terms = given.split(",")
    letters = [t.replace("...", "") for t in terms]
    hides = [len(s) - len(n) for s, n in zip(shapes, letters, strict=True)]
    spare = (c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in subscripts)
    hidden = "".join(islice(spare, max(hides)))
    if not arrow:
        every = "".join(letters)
        result = ("..." if hidden else "") + "".join(
            sorted(c for c in every if every.count(c) == 1)
        )
    written = []
    for term, shape, named in zip(terms, shapes, letters, strict=True):
        if "..." in term:
            own = len(shape) - len(named)
            term = term.replace("...", hidden[len(hidden) - own :])
        written.append(term)
    return tuple(written), result.replace("...", hidden)


def _shapes(operands):
    return tuple(x.shape for x in operands)


@lru_cache(256)
def _back(i, subscripts, shapes):
    """The gradient of factor i, g times all the others summed to that factor's letters: an einsum,
    the axes that it lacks, the lengths, and the letters.
    """
    terms, result = einsum_terms(subscripts, shapes)
    mine = terms[i]
    length = dict(zip(mine, shapes[i], strict=True))
    others = terms[:i] + terms[i + 1 :]
    reached = "".join(c for c in length if c in result or any(c in t for t in others))
    # Along a letter that only this factor has, or that the others have with length 1, the
    # gradient is the same everywhere.
    lone = tuple(k for k, c in enumerate(length) if c not in reached)
    return f"{','.join([result, *others])}->{reached}", lone, length, mine


def _of_factor(i, g, others, shapes, subscripts):
    spelled, lone, length, mine = _back(i, subscripts, tuple(shapes))
    term, _, reached = spelled.partition("->")
    gx = g if term == reached else contracted(spelled, [g, *others])
    gx = np.expand_dims(gx, lone) if lone else gx
    lengths = np.broadcast_shapes(gx.shape, tuple(length.values()))
    gx = np.broadcast_to(gx, lengths) if lengths != gx.shape else gx
    if len(length) == len(mine):
        return gx
    # A repeated letter reads a diagonal, so its gradient goes back onto that diagonal.
    grid = dict(zip(length, np.ix_(*(np.arange(n) for n in length.values())), strict=True))
    return scatter(gx, tuple(grid[c] for c in mine), shapes[i])


def _einsum(i, g, operands, operands_shape, subscripts):
    others = [x for j, x in enumerate(operands) if j != i]
    return _of_factor(i, g, others, operands_shape, subscripts)


def _einsum_led(one, xs, led):
    terms, result = einsum_terms(one.meta["subscripts"], tuple(one.shapes))
    used = "".join(terms)
    new = next(c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkjihgfedcba" if c not in used)
    terms = [new + term if on else term for term, on in zip(terms, led, strict=True)]
    return one(*xs, subscripts=f"{','.join(terms)}->{new}{result}")


@op(
    "einsum({subscripts}; {xs})",
    vjp=_einsum,
    carries=_einsum_led,
    cases=(
        Case((2, 3), (3, 4), subscripts="ij,jk->ik"),
        Case((2, 3), (3, 4), subscripts="ij,jk"),
        Case((2, 3), subscripts="ij->j"),
        Case((2, 3), subscripts="ij->ji"),
        Case((2, 3), (3,), (2,), subscripts="ij,j,i->"),
        Case((5, 2, 3), (5, 3, 4), subscripts="...ij,...jk->...ik"),
        Case((5, 2, 3), (3,), subscripts="...j,j->..."),
        Case((3, 3), subscripts="ii->i"),
        Case((2, 3, 2), (2,), subscripts="iji,i->j"),
        Case((2, 1), (3, 4), subscripts="ij,jk->ik"),
        Case((2, 3), subscripts="ij->i"),
        Case((5, 2, 3), (5, 3, 4), subscripts="...AB,...BC->...AC"),
        Case((5, 2, 3), (5, 3, 4), subscripts="...ij,...jk"),
        Case((5, 2, 3), (2, 3), subscripts="...j,...j->..."),
        Case((5, 3), (3,), subscripts="...j,...j->..."),
        Case((5, 4, 2, 3), (4, 2, 3), subscripts="...ij,...ij->..."),
        Case((2, 3), subscripts="ba"),
    ),
    name="einsum",
)
def einsum_of(*operands, subscripts):
    """Sums of products in Einstein's notation."""
    z = np.einsum(subscripts, *operands)
    return z.copy() if len(operands) == 1 else z  # "ij->ji" alone would share x's memory


# Products of numbers in one einsum, from which on it is made of matrix products, two factors at a
# time: a fixed rule.
MANY = 1 << 14


@lru_cache(256)
def _steps(subscripts, shapes, optimize):
    """How an einsum is computed: for each step the positions of its factors, their letters and
    those of the result, and whether it is a matrix product. One step of all factors is literal.
    """
    terms, result = einsum_terms(subscripts, shapes)
    lengths = [*zip("".join(terms), (n for s in shapes for n in s), strict=True)]
    length: dict[str, int] = {}
    for c, n in lengths:
        length[c] = n if length.get(c, 1) == 1 else length[c]
    even = all(n == length[c] for c, n in lengths)  # none of length 1 is repeated
    left, found = list(terms), []
    path = [tuple(range(len(terms)))]
    if len(terms) > 2 and (optimize or prod(length.values()) > MANY):
        stand_ins = [np.broadcast_to(0.0, s) for s in shapes]
        spelled = f"{','.join(terms)}->{result}"
        wanted = list(optimize) if isinstance(optimize, tuple) else optimize or "greedy"
        path = np.einsum_path(spelled, *stand_ins, optimize=wanted)[0][1:]
    for k, places in enumerate(path):
        chosen = [left[p] for p in places]
        for p in sorted(places, reverse=True):
            del left[p]
        needed = "".join(left) + result
        made = "".join(dict.fromkeys(c for c in "".join(chosen) if c in needed))
        made = result if k == len(path) - 1 else made
        left.append(made)
        product = even and _is_product(chosen, made, length)
        found.append((places, tuple(chosen), made, product))
    return found


def _is_product(terms, result, length):
    """Whether two factors are matrices, with free letters each, and letters that are summed."""
    if len(terms) != 2:
        return False
    x, y = map(set, terms)
    once = all(len({*t}) == len(t) for t in (*terms, result))
    summed = (x & y) - {*result}
    return (
        once
        and bool(summed and x - y and y - x)
        and (x ^ y) <= {*result}
        and prod(length[c] for c in x | y) > MANY
    )


@op(
    "einsum({subscripts}; {x}, {y})",
    vjp=(
        lambda g, x_shape, y, subscripts: _of_factor(0, g, [y], (x_shape, y.shape), subscripts),
        lambda g, x, y_shape, subscripts: _of_factor(1, g, [x], (x.shape, y_shape), subscripts),
    ),
    composite=True,
    carries=_einsum_led,
    cases=(
        Case((2, 3), (3, 4), subscripts="ij,jk->ik"),
        Case((3, 2, 4), (2, 4, 5), subscripts="bij,ijk->kb"),
        Case((5, 2, 3), (4, 5, 3), subscripts="bij,kbj->bik"),
        Case((2, 4, 3), (5, 3), subscripts="hij,...j->...hi"),
        Case((5, 3), (2, 4, 3), subscripts="...j,hij->...hi"),
    ),
)
def contract(x, y, /, subscripts):
    """An einsum of two factors by matrix products, of letters that both have and it sums over."""
    (one, other), result = einsum_terms(subscripts, (x.shape, y.shape))
    both = [c for c in one if c in other and c in result]
    summed = [c for c in one if c not in result]
    left, right = [c for c in one if c not in other], [c for c in other if c not in one]
    x, left_shape = _arranged(x, one, both, left, summed)
    y, right_shape = _arranged(y, other, both, summed, right)
    z = np.matmul(x, y)
    written = [*both, *left, *right]
    shape = (*z.shape[: len(both)], *left_shape[0], *right_shape[1])
    z = z if z.shape == shape else np.reshape(z, shape)
    order = tuple(written.index(c) for c in result)
    return z if order == (*sorted(order),) else np.transpose(z, order)


def _arranged(x, term, both, rows, columns):
    """x as matrices (*both, rows, columns), and the lengths that were merged into those two."""
    order = tuple(term.index(c) for c in (*both, *rows, *columns))
    x = x if order == (*sorted(order),) else np.transpose(x, order)
    n, m = len(both), len(both) + len(rows)
    parts = x.shape[n:m], x.shape[m:]
    shape = (*x.shape[:n], prod(parts[0]), prod(parts[1]))
    return (x if x.shape == shape else np.reshape(x, shape)), parts


def contracted(subscripts, operands, optimize=False):
    """An einsum of arrays or Tensors: literally, or where that is long, by matrix products."""
    left = [*operands]
    steps = _steps(subscripts, _shapes(operands), optimize)
    if len(steps) > 1:  # a product on the way of truth values alone, say, would be a truth value
        dtype = np.result_type(*(x.dtype for x in left))
        left = [x if x.dtype == dtype else x.astype(dtype) for x in left]
    for places, terms, result, product in steps:
        chosen = [left[p] for p in places]
        for p in sorted(places, reverse=True):
            del left[p]
        spelled = subscripts if len(steps) == 1 else f"{','.join(terms)}->{result}"
        if product:
            left.append(contract(*chosen, subscripts=spelled))
        else:
            left.append(einsum_of(chosen, subscripts=spelled))
    (z,) = left
    return z


LABELS = ascii_uppercase + ascii_lowercase  # in the order of an implicit result


def _of_sublists(operands):
    """NumPy's other spelling, (x, [0, 1], y, [1, 2], [0, 2]), as subscripts and operands."""
    *pairs, result = operands if len(operands) % 2 else (*operands, None)

    def word(numbers):
        return "".join("..." if n is Ellipsis else LABELS[n] for n in numbers)

    spelled = ",".join(map(word, pairs[1::2]))
    return spelled if result is None else f"{spelled}->{word(result)}", pairs[::2]


def einsum(*operands, optimize=False):
    """Sums of products in Einstein's notation: `einsum("ij,jk->ik", x, y)` is `x @ y`.

    Long ones are computed by matrix products, two factors at a time, in the order that `optimize`
    says, as NumPy's does: True, "greedy", "optimal" or a path.

    Example: `einsum("ij,jk->ik", W, W)` is `W @ W`.
    """
    if not tensors(operands):
        return np.einsum(*operands, optimize=optimize)
    subscripts, *arrays = operands
    if not isinstance(subscripts, str):
        if len(operands) < 2 or not isinstance(operands[1], (list, tuple)):
            raise TypeError(
                "einsum: expected subscripts like 'ij,jk->ik', or arrays each with a list, got "
                f"{type(subscripts).__name__}"
            )
        subscripts, arrays = _of_sublists(operands)
    arrays = [x if hasattr(x, "shape") else np.asarray(x) for x in arrays]
    path = tuple(optimize) if isinstance(optimize, list) else optimize
    try:
        steps = _steps(subscripts, _shapes(arrays), path)
    except ValueError:  # what does not fit is NumPy's to say
        return einsum_of(arrays, subscripts=subscripts)
    if len(steps) == 1:
        return contracted(subscripts, arrays, path)
    settings = f"subscripts={subscripts!r}"
    return recorded("einsum", settings, arrays, lambda: contracted(subscripts, arrays, path))
