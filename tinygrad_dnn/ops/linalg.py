"""Products of matrices and vectors."""

from functools import lru_cache
from itertools import islice
from math import prod
from string import ascii_lowercase, ascii_uppercase

import numpy as np

from tinygrad_dnn.graph import Call, scope
from tinygrad_dnn.ops.declare import Case, op
from tinygrad_dnn.ops.indexing import scatter
from tinygrad_dnn.ops.leading import elementwise, lined_up
from tinygrad_dnn.ops.nested import tensors
from tinygrad_dnn.ops.shape import pair_moved
from tinygrad_dnn.ops.sparse import is_sparse, sparse_product

__all__ = [
    "dot",
    "einsum",
    "matmul",
    "outer",
    "trace",
]


def _columns(x):
    """Matrix transpose of a stack of matrices."""
    return x.T if len(x.shape) == 2 else np.swapaxes(x, -1, -2)


# With a vector on either side: x (k,) is a row (1, k), y (k,) is a column (k, 1), and the axis of
# length 1 is dropped from the result; so it is put back into g, and dropped from the gradient.


def _matmul_x(g, y, x_shape, y_shape):
    if len(y_shape) == 1:
        g, y = np.expand_dims(g, -1), np.expand_dims(y, -1)
    if len(x_shape) == 1:
        g = np.expand_dims(g, -2)  # the sweep drops the gradient's leading axis of length 1
    return np.matmul(g, _columns(y))


def _matmul_y(g, x, x_shape, y_shape):
    if len(x_shape) == 1:
        g, x = np.expand_dims(g, -2 if len(y_shape) > 1 else -1), np.expand_dims(x, -2)
    if len(y_shape) == 1:
        gy = np.matmul(_columns(x), np.expand_dims(g, -1))
        return np.reshape(gy, (*gy.shape[:-2], y_shape[0]))
    return np.matmul(_columns(x), g)


def _matmul_led(one, xs, led):
    (x, y), (x_shape, y_shape) = xs, one.shapes
    if not led[1] and len(y_shape) <= 2:
        # One product of all rows.
        rows = one.n * prod(x_shape[:-1])
        return one.whole(one(np.reshape(x, (rows, x_shape[-1])), y))
    if not led[0] and len(x_shape) == 2 and y_shape[1:] in ((), (1,)):
        # One product for all columns.
        return one.whole(one(np.reshape(y, (one.n, x_shape[-1])), _columns(x)))
    x_shape = x_shape if len(x_shape) > 1 else (1, *x_shape)
    y_shape = y_shape if len(y_shape) > 1 else (*y_shape, 1)
    rank = max(len(x_shape), len(y_shape))
    if led[0]:
        x = lined_up(np.reshape(x, (one.n, *x_shape)), x_shape, rank)
    if led[1]:
        y = lined_up(np.reshape(y, (one.n, *y_shape)), y_shape, rank)
    if all(led) and x_shape[-1] == 1:  # a sum of one product
        return one.whole(x * y)
    return one.whole(one(x, y))


def _product_shape(x_shape, y_shape):
    """(n, k) and (k, m) -> (n, m); None for other ranks."""
    if min(len(x_shape), len(y_shape)) != 2 or len(x_shape) != len(y_shape):
        return None
    if x_shape[1] != y_shape[0]:
        raise ValueError(f"matmul: inner sizes {x_shape[1]} and {y_shape[0]} differ")
    return x_shape[0], y_shape[1]


@op(
    "{x} {y}",
    shape=_product_shape,
    contracts=True,
    infix="@",
    vjp=(_matmul_x, _matmul_y),  # dW = dZ Aᵀ, dA = Wᵀ dZ
    carries=_matmul_led,
    of_others=(is_sparse, sparse_product),
    cases=(
        Case((2, 3), (3, 4)),
        Case((3,), (3,)),
        Case((2, 3), (3,)),
        Case((3,), (3, 2)),
        Case((5, 2, 3), (5, 3, 4)),
        Case((2, 1, 2, 3), (4, 3, 2)),
        Case((3,), (5, 3, 2)),
        Case((5, 2, 3), (3,)),
    ),
)
def matmul(x, y, /):
    """Matrix product; (n, k) @ (k, m) -> (n, m). Leading axes broadcast."""
    return np.matmul(x, y)


def _dot_x(g, y, x_shape, y_shape):
    if not x_shape or not y_shape:
        return g * y
    if len(y_shape) == 1:
        return np.expand_dims(g, -1) * y
    # z[i…, j…, m] = Σₖ x[i…, k] y[j…, k, m]
    width = prod(y_shape[:-2]) * y_shape[-1]
    y = np.reshape(np.swapaxes(y, -1, -2), (width, y_shape[-2]))  # (j m, k)
    return np.matmul(np.reshape(g, (*x_shape[:-1], width)), y)


def _dot_y(g, x, x_shape, y_shape):
    if not x_shape or not y_shape:
        return g * x
    height = prod(x_shape[:-1])
    rows = np.reshape(x, (height, x_shape[-1]))  # (i, k)
    g = np.reshape(g, (height, prod(g.shape[len(x_shape) - 1 :])))  # (i, j m)
    gy = np.matmul(rows.T, g)  # (k, j m)
    if len(y_shape) == 1:
        return np.reshape(gy, y_shape)
    gy = np.reshape(gy, (y_shape[-2], *y_shape[:-2], y_shape[-1]))
    order = (*range(1, len(y_shape) - 1), 0, len(y_shape) - 1)
    return np.transpose(gy, order)


def _dot_led(one, xs, led):
    x_shape, y_shape = one.shapes
    if not x_shape or not y_shape:
        return elementwise(one._replace(apply=lambda xs, meta: xs[0] * xs[1]), xs, led)
    if len(y_shape) > 2:
        return NotImplemented
    return _matmul_led(one._replace(apply=lambda xs, meta: np.matmul(*xs)), xs, led)


def _dot_written(z_shape, numbers):
    """As a product of matrices where it is one; of two vectors, or with a number, with a dot."""
    return "{x} · {y}" if numbers or not z_shape else "{x} {y}"


@op(
    _dot_written,
    vjp=(_dot_x, _dot_y),
    carries=_dot_led,
    contracts=True,
    infix="·",
    cases=(
        Case((2, 3), (3, 4)),
        Case((3,), (3,)),
        Case((2, 3), (3,)),
        Case((3,), (3, 2)),
        Case((), (2, 3)),
        Case((2, 3), ()),
        Case((2, 3, 4), (5, 4, 2)),
        Case((4,), (5, 4, 2)),
        Case((2, 3, 4), (4,)),
        Case((2, 5, 3), (3, 2)),
    ),
)
def dot(x, y, /):
    """NumPy's dot: the last axis of x against the last but one of y; a scalar multiplies."""
    return np.dot(x, y)


def _outer_led(one, xs, led):
    rows, columns = one.shape
    x = np.reshape(xs[0], (one.n if led[0] else 1, rows, 1))
    return x * np.reshape(xs[1], (one.n if led[1] else 1, 1, columns))


@op(
    "{x} ⊗ {y}",
    vjp=(
        lambda g, y, x_shape: np.reshape(np.matmul(g, np.reshape(y, (-1,))), x_shape),
        lambda g, x, y_shape: np.reshape(np.matmul(np.reshape(x, (-1,)), g), y_shape),
    ),
    carries=_outer_led,
    cases=(Case((3,), (4,)), Case((2, 2), (3,)), Case((3,), (2, 2)), Case((2,), (3, 3))),
)
def outer(x, y, /):
    """Outer product of two vectors, (n,) and (m,) -> (n, m); others are flattened first."""
    return np.outer(x, y)


def _trace(g, x_shape, offset, axis1, axis2):
    rows = np.arange(max(0, -offset), min(x_shape[axis1], x_shape[axis2] - offset))
    index = [slice(None)] * len(x_shape)
    index[axis1], index[axis2] = rows, rows + offset
    # NumPy moves the axis of paired indices to the front unless the two stand side by side.
    first, second = sorted((axis1 % len(x_shape), axis2 % len(x_shape)))
    at = first if second == first + 1 else 0
    return scatter(np.expand_dims(g, at), tuple(index), x_shape)


@op(
    "tr({x})",
    vjp=_trace,
    carries=pair_moved,
    cases=(
        Case((3, 3)),
        Case((2, 4), offset=1),
        Case((4, 2), offset=-1),
        Case((2, 3, 4), axis1=1, axis2=2),
        Case((3, 2, 3), axis1=0, axis2=2),
        Case((2, 3, 4), axis1=2, axis2=0),
        Case((2, 3, 3), axis1=-1, axis2=-2),
    ),
)
def trace(x, /, offset=0, axis1=0, axis2=1):
    """Sum along a diagonal."""
    return np.trace(x, offset=offset, axis1=axis1, axis2=axis2)


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


def _einsum(i, g, operands, operands_shape, subscripts):
    spelled, lone, length, mine = _back(i, subscripts, tuple(operands_shape))
    factors = [x for j, x in enumerate(operands) if j != i]
    gx = contracted(spelled, [g, *factors])
    gx = np.expand_dims(gx, lone) if lone else gx
    lengths = np.broadcast_shapes(gx.shape, tuple(length.values()))
    gx = np.broadcast_to(gx, lengths) if lengths != gx.shape else gx
    if len(length) == len(mine):
        return gx
    # A repeated letter reads a diagonal, so its gradient goes back onto that diagonal.
    grid = dict(zip(length, np.ix_(*(np.arange(n) for n in length.values())), strict=True))
    return scatter(gx, tuple(grid[c] for c in mine), operands_shape[i])


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
    even = all(n == length[c] > 1 for c, n in lengths)
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


def _product(x, y, terms, result):
    """A step that is a matrix product, of every letter that both have and the result keeps."""
    one, other = terms
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
    for places, terms, result, product in _steps(subscripts, _shapes(operands), optimize):
        chosen = [left[p] for p in places]
        for p in sorted(places, reverse=True):
            del left[p]
        if product:
            left.append(_product(chosen[0], chosen[1], terms, result))
        else:
            left.append(einsum_of(chosen, subscripts=f"{','.join(terms)}->{result}"))
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
    if len(steps) == 1 and not steps[0][3]:
        return einsum_of(arrays, subscripts=subscripts)
    with scope(Call("einsum", f"subscripts={subscripts!r}", tensors(arrays))):
        return contracted(subscripts, arrays, path)
