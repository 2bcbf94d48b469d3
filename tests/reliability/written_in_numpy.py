"""Programs as people write them in NumPy: in place, through views and buffers, out of the graph,
called back. `numpy_programs.py` runs them.
"""

from __future__ import annotations

import array
import collections
import contextlib
import copy
import ctypes
import functools
import io
import math
import operator
import statistics
import struct
import threading
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np


class Sub(np.ndarray):
    """An array of another class."""


def slice_write(x: Any) -> Any:
    b = x * 1.0
    b[0] = b[1] ** 2
    return (b * x).sum()


def aug_slice(x: Any) -> Any:
    b = x * 2.0
    b[:, 1] *= b[:, 0]
    b[0, :] += 3 * b[1, :]
    return (b**2).sum()


def write_through_view(x: Any) -> Any:
    b = x * 2.0
    v = b[0]
    v[:] = b[1] * 3
    return (b**2).sum()


def write_after_view(x: Any) -> Any:
    b = x * 2.0
    v = b[0]
    b[0] = b[1] * 3
    return (b * v).sum()


def view_of_view_T(x: Any) -> Any:
    b = (x * 2.0).T
    b[0] = 5 * b[1]
    return (b**2).sum()


def iadd_alias(x: Any) -> Any:
    b = x * 2.0
    c = b
    b += x**2
    return (c * b).sum()


def ipow(x: Any) -> Any:
    b = x + 3.0
    b **= 2
    b -= x
    b /= x + 4
    return b.sum()


def imatmul(x: Any) -> Any:
    b = x @ x.T
    b @= b
    return b.sum()


def ufunc_at(x: Any) -> Any:
    b = x * 1.0
    np.add.at(b, ([0, 0], [1, 1]), x[1, :2])
    return (b**2).sum()


def np_put(x: Any) -> Any:
    b = x * 1.0
    np.put(b, [0, 3], x[0, :2] * 2)
    return (b**2).sum()


def np_put_plain(x: Any) -> Any:
    b = np.zeros(4)
    np.put(b, [0, 3], x[0, :2] * 2)
    return (b**2).sum() + x.sum()


def np_place(x: Any) -> Any:
    b = x * 1.0
    np.place(b, b > 0, x[0, :2])
    return (b**2).sum()


def np_putmask(x: Any) -> Any:
    b = x * 1.0
    np.putmask(b, b > 0, x * 3)
    return (b**2).sum()


def np_copyto(x: Any) -> Any:
    b = x * 1.0
    np.copyto(b, x**2, where=x > 0)
    return (b * x).sum()


def np_copyto_plain(x: Any) -> Any:
    b = np.zeros((2, 3))
    np.copyto(b, x**2)
    return (b * x).sum()


def fill_diag(x: Any) -> Any:
    b = x @ x.T
    np.fill_diagonal(b, x[0, 0])
    return (b**2).sum()


def out_plain(x: Any) -> Any:
    b = np.empty((2, 3))
    np.multiply(x, x, out=b)
    return (b * x).sum()


def out_tensor(x: Any) -> Any:
    b = x * 1.0
    np.exp(x, out=b)
    return (b * x).sum()


def out_sum(x: Any) -> Any:
    b = np.empty(3)
    np.sum(x**2, axis=0, out=b)
    return (b * x[0]).sum()


def nditer_read(x: Any) -> Any:
    s = 0.0
    for e in np.nditer(x):
        s = s + e * e
    return s + x.sum()


def nditer_write(x: Any) -> Any:
    b = x * 1.0
    with np.nditer(b, op_flags=["readwrite"]) as it:
        for e in it:
            e[...] = e**2
    return (b * x).sum()


def vectorize(x: Any) -> Any:
    return np.vectorize(lambda e: e**2 if e > 0 else -e)(x).sum()


def apply_along(x: Any) -> Any:
    return np.apply_along_axis(lambda r: r * r.sum(), 1, x).sum()


def mview(x: Any) -> Any:
    return sum(v * v for v in memoryview(x).tolist()[0]) + x.sum()


def ctypes_ptr(x: Any) -> Any:
    b = x * 1.0
    p = b.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
    p[0] = 7.0
    return (b * x).sum()


def struct_pack(x: Any) -> Any:
    v = struct.unpack("d", struct.pack("d", x[0, 0]))[0]
    return v * x.sum()


def arr_array(x: Any) -> Any:
    v = array.array("d", x[0])
    return v[1] * x.sum()


def npsave(x: Any) -> Any:
    f = io.BytesIO()
    np.save(f, x)
    f.seek(0)
    return (np.load(f) * x).sum()


def tobytes(x: Any) -> Any:
    return (np.frombuffer(x.tobytes()).reshape(2, 3) * x).sum()


def shallow(x: Any) -> Any:
    b = copy.copy(x * 2)
    b[0] = x[1] ** 2
    return (b * x).sum()


def npcopy(x: Any) -> Any:
    b = np.copy(x)
    b[0] = b[1] * b[0]
    return (b * x).sum()


def nparray(x: Any) -> Any:
    b = np.array(x)
    b[0] = b[1] * b[0]
    return (b * x).sum()


def nparray_list(x: Any) -> Any:
    return (np.array([x[0, 0] * x[0, 1], x[1, 1], 3.0]) ** 2).sum()


def fromiter(x: Any) -> Any:
    return (np.fromiter((e for e in x.ravel()), float) ** 2).sum() + x.sum()


def fromfunction(x: Any) -> Any:
    return np.fromfunction(lambda i, j: x[i.astype(int), j.astype(int)] * i, (2, 3)).sum()


def exc_middle(x: Any) -> Any:
    b = x * 1.0
    try:
        b[0] = x[1] * 2
        b[5] = 3.0
    except IndexError:
        b[1] = b[0] * x[0]
    return (b**2).sum()


def exc_bad_shape(x: Any) -> Any:
    b = x * 1.0
    with contextlib.suppress(ValueError):
        b[0] = np.ones(7)
    return (b**2).sum()


def thread(x: Any) -> Any:
    out = {}

    def w(i):
        out[i] = (x[i] ** 2).sum()

    ts = [threading.Thread(target=w, args=(i,)) for i in range(2)]
    [t.start() for t in ts]
    [t.join() for t in ts]
    return out[0] * out[1]


def thread_write(x: Any) -> Any:
    b = x * 1.0

    def w(i):
        b[i] = x[i] ** 2 * (i + 1)

    for i in range(2):
        t = threading.Thread(target=w, args=(i,))
        t.start()
        t.join()
    return (b**2).sum()


def pool(x: Any) -> Any:
    with ThreadPoolExecutor(2) as p:
        return sum(p.map(lambda r: (r**3).sum(), x), 0.0)


def ctx(x: Any) -> Any:
    @contextlib.contextmanager
    def c():
        b = x * 1.0
        yield b
        b[0] = 0.0

    with c() as b:
        s = (b**2).sum()
    return s + b.sum()


def subclass_mul(x: Any) -> Any:
    a = np.arange(6.0).reshape(2, 3).view(Sub)
    return (a * x * x).sum()


def subclass_write(x: Any) -> Any:
    a = np.zeros((2, 3)).view(Sub)
    a[0] = x[0]
    return (a * x).sum()


def pymax(x: Any) -> Any:
    return max(x.ravel()) * min(x[0]) + functools.reduce(operator.mul, x[1])


def pysum_math(x: Any) -> Any:
    return math.fsum(x.ravel()) * x.sum()


def mprod(x: Any) -> Any:
    return math.prod(x[0]) * x.sum()


def fmean(x: Any) -> Any:
    return statistics.fmean(x[0]) * x.sum()


def divmodpy(x: Any) -> Any:
    q, r = divmod(x[1, 0], 0.5)
    return r * x.sum() + q


def flat_write(x: Any) -> Any:
    b = x * 1.0
    b.flat[2] = x[0, 0] ** 2
    return (b**2).sum()


def flat_read(x: Any) -> Any:
    return sum((e * e for e in x.flat), 0.0)


def ravel_write(x: Any) -> Any:
    b = x * 1.0
    b.ravel()[2] = 9.0
    return (b**2).sum()


def reshape_write(x: Any) -> Any:
    b = x * 1.0
    b.reshape(-1)[2] = x[0, 1] * 9.0
    return (b**2).sum()


def shape_set(x: Any) -> Any:
    b = x * 1.0
    b.shape = (3, 2)
    return (b[0] * b[1]).sum()


def sort_inplace(x: Any) -> Any:
    b = x * x
    b.sort(axis=1)
    return (b * np.arange(3.0)).sum()


def partition_inplace(x: Any) -> Any:
    b = (x * x).ravel()
    b.partition(2)
    return b[2] * 3


def shuffle(x: Any) -> Any:
    b = x * x
    np.random.default_rng(0).shuffle(b, axis=1)
    return (b * np.arange(3.0)).sum()


def permuted(x: Any) -> Any:
    return (np.random.default_rng(0).permuted(x * x, axis=1) * np.arange(3.0)).sum()


def resize_m(x: Any) -> Any:
    b = x * 1.0
    b.resize((3, 2))
    return (b[:, 0] * b[:, 1]).sum()


def operator_iadd(x: Any) -> Any:
    b = x * 1.0
    c = operator.iadd(b, x**2)
    return (b * c).sum()


def operator_setitem(x: Any) -> Any:
    b = x * 1.0
    operator.setitem(b, (slice(None), 0), x[:, 1] ** 2)
    return (b * x).sum()


def walrus_loop(x: Any) -> Any:
    b = np.zeros(3)
    for i in range(2):
        b = b + x[i] * (i + 1)
    b[0] = b[1] * b[2]
    return (b**2).sum()


def buf_zeros_like(x: Any) -> Any:
    b = np.zeros_like(x)
    for i in range(2):
        for j in range(3):
            b[i, j] = x[i, j] ** 2
    return (b * x).sum()


def buf_empty(x: Any) -> Any:
    b = np.empty(3)
    b[:] = x[0] * 2
    return (b * x[1]).sum()


def dict_state(x: Any) -> Any:
    d = {"s": 0.0}
    for r in x:
        d["s"] += (r**2).sum()
    return d["s"]


def bool_mask_write(x: Any) -> Any:
    b = x * 1.0
    b[b > 0] = 0.5 * b[b > 0] ** 2
    return b.sum() * x[0, 0]


def newaxis_write(x: Any) -> Any:
    b = x * 1.0
    b[None, :, 0] = x[:, 2] * 3
    return (b**2).sum()


def rev_overlap(x: Any) -> Any:
    b = x * 1.0
    b[:, ::-1][0] = b[0] * x[1]
    return (b * np.arange(3)).sum()


def overlap_shift(x: Any) -> Any:
    b = (x * x).ravel()
    b[1:] = b[:-1]
    return (b * np.arange(6.0)).sum()


def overlap_iadd(x: Any) -> Any:
    b = (x * x).ravel()
    b[1:] += b[:-1]
    return (b * np.arange(6.0)).sum()


def swap(x: Any) -> Any:
    b = x * 1.0
    b[0], b[1] = b[1] * 2, b[0] * 3
    return (b**2 * np.arange(3.0)).sum()


def swap_views(x: Any) -> Any:
    b = x * 1.0
    b[0], b[1] = b[1], b[0]
    return (b**2 * np.arange(3.0) * np.array([[1.0], [5.0]])).sum()


def swap_cols(x: Any) -> Any:
    b = x * 1.0
    b[:, [0, 1]] = b[:, [1, 0]]
    return (b**2 * np.arange(3.0)).sum()


def closure_acc(x: Any) -> Any:
    a = np.zeros(3)

    def add(r):
        nonlocal a
        a += r

    add(x[0])
    add(x[1] ** 2)
    return (a**2).sum()


def aug_plain(x: Any) -> Any:
    a = np.zeros(3)
    a += x[0]
    return (a**2).sum()


def piecewise(x: Any) -> Any:
    return np.piecewise(x, [x < 0, x >= 0], [lambda v: v**2, lambda v: 3 * v]).sum()


def argsort_take(x: Any) -> Any:
    o = np.argsort(x.ravel())
    return (x.ravel()[o] * np.arange(6.0)).sum()


def bincount(x: Any) -> Any:
    return (np.bincount([0, 1, 0], weights=x[0]) ** 2).sum() + x.sum()


def helper(x: Any) -> Any:
    def acc(buf, r):
        buf += r

    b = x * 0.0
    acc(b, x**2)
    acc(b, x)
    return (b * x).sum()


def in_list(x: Any) -> Any:
    L = [x * 1.0, x * 2.0]
    first = L[0]
    L[0] += L[1]
    return (first * L[0]).sum()


def loop_alias(x: Any) -> Any:
    h = x * 1.0
    trace = []
    for _i in range(3):
        trace.append(h)
        h *= x
    return sum((t * (k + 1)).sum() for k, t in enumerate(trace))


def loop_copy(x: Any) -> Any:
    h = x * 1.0
    trace = []
    for _i in range(3):
        trace.append(h.copy() if hasattr(h, "copy") else h)
        h *= x
    return sum((t * (k + 1)).sum() for k, t in enumerate(trace))


def used_before(x: Any) -> Any:
    h = x * 1.0
    a = h * 3
    h += 1
    return (a * h).sum()


def saved_by_rule(x: Any) -> Any:
    h = x + 0.5
    a = np.exp(h)
    a *= h
    return (a * a).sum()


def defaultdict_(x: Any) -> Any:
    d: Any = collections.defaultdict(lambda: x * 0.0)
    z = d["a"]
    for r in range(3):
        d["a"] += x**r
    return (z * d["a"]).sum()


def reduce_iadd(x: Any) -> Any:
    return (functools.reduce(operator.iadd, [x * 1.0, x**2, x**3]) * x).sum()


def variable_alias(x: Any) -> Any:
    y = x
    x = x * 1
    x += 1
    return (y * x).sum()


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    name: f
    for name, f in list(globals().items())
    if isinstance(f, types.FunctionType) and f.__module__ == __name__
}
