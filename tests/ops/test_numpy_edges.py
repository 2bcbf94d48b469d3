"""NumPy's answers where arguments are odd: several values at one place, too few numbers or none,
conditions that are no truth values.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as td
from tinygrad_dnn import Tensor

rng = np.random.default_rng(26)
GIVEN = {
    "a": rng.normal(size=(3, 4)),
    "v": rng.normal(size=4),
    "s": np.array(0.3),
    "e": np.zeros(0),
    "n": np.array([1.0, np.nan, -2.0, np.nan]),
    "f": rng.normal(size=(3, 4)).astype(np.float32),
    "S": rng.normal(size=(3, 3)),
}

CALLS = """
np.insert(v,[3,0,3],[1.0,2.0,3.0]) | np.insert(v,1,[7.0,8.0]) | np.insert(v,np.array([1]),[7.0,8.0])
np.insert(a,1,[[1.0],[2.0],[3.0]],axis=1) | np.insert(a,[1],[[1.0],[2.0],[3.0]],axis=1)
np.insert(a,1,v,axis=0) | np.insert(v,slice(1,2),[7.0,8.0]) | np.insert(v,slice(None,None,2),s)
np.insert(v,np.array([True,False,True,False]),9.0) | np.insert(v,[],[]) | np.insert(a,-1,s)
np.insert(f,1,2.5,axis=0) | np.insert(s,0,1.0) | np.insert(v,[2,-1,0],v[:3])
np.trace(a,dtype=np.float32) | np.trace(a,1) | np.linspace(f[0],1,3) | np.linspace(f[0],a[1],3)
np.float_power(abs(s),[1.0,2.0]) | np.float_power(abs(f),2)
np.logaddexp.reduce(e) | np.logaddexp.reduce(a,axis=1) | np.add.accumulate(v,axis=None)
np.cov(e) | np.nanmedian(e) | np.nanmedian(n) | np.linalg.cond(0*S) | np.linalg.cond(S)
np.var(a,ddof=12) | np.var(a,ddof=20) | np.std(v,ddof=9) | np.cov(a,ddof=9) | np.var(n,ddof=9)
np.cov(a,ddof=9,aweights=[1.0,2.0,1.0,1.0]) | np.nanstd(n,ddof=2) | np.nanvar(n,ddof=1)
np.insert(v,np.array([1,2]),np.array([[1.0,2.0]])) | np.linalg.norm(a[:0],2)
np.linalg.lstsq(a,[1.0,2.0,3.0])[0] | np.nanvar(a,axis=0,ddof=3)
np.trace(a,-1) | np.nanstd(f,axis=1,ddof=4) | np.where(a>0)[1]
"""
LINES = [call.strip() for call in re.split(r"\n| \| ", CALLS) if call.strip()]

WHOLE = {
    "i": np.array([[4, -1, 3], [2, 15, -26]]),
    "u": np.array([[4, 1, 3], [2, 200, 255]], np.uint8),
    "b": np.array([[True, False, True], [True, True, True]]),
}
OF_WHOLE = """
np.median(x) | np.median(x,axis=-1,keepdims=True) | np.nanmedian(x) | np.nanmedian(x,axis=0)
np.quantile(x,0.3) | np.percentile(x,[10,90],axis=1) | np.quantile(x,0.3,method="lower")
np.nanquantile(x,0.3,axis=0) | np.nanmax(x) | np.nanmin(x,axis=0) | np.nanmean(x) | np.nanstd(x)
np.nanvar(x,axis=0) | np.nanvar(x,dtype=np.float32) | np.nanvar(x,ddof=1) | np.nansum(x)
np.max(x,axis=0,where=w,initial=1) | np.min(x,where=w,initial=1.0) | np.nanmax(x,initial=1,where=w)
np.mean(x,where=w) | np.std(x,axis=1,where=w) | np.var(x,where=w) | np.average(x,0,returned=True)[1]
np.linalg.norm(x) | np.linalg.norm(x,3,axis=0) | np.linalg.norm(x,np.inf) | np.linalg.norm(x,0,1)
np.linalg.lstsq(x,[1.0,2.0])[0] | np.linalg.vector_norm(x,ord=1) | np.linalg.matrix_norm(x,ord=1)
np.pad(x,2,"mean") | np.pad(x,3,"linear_ramp",end_values=(7,1)) | np.pad(x,1,"median")
np.pad(x,((0,1),(2,0)),"maximum") | np.pad(x,1,"linear_ramp",end_values=3)
np.fabs(x) | np.modf(x)[0] | np.round(x) | np.nan_to_num(x) | np.ldexp(x,3) | np.ldexp(x,-1)
"""
LINES_OF_WHOLE = [call.strip() for call in re.split(r"\n| \| ", OF_WHOLE) if call.strip()]
# A truth value has no sign and no quarter.
NOT_OF_TRUTHS = ("np.quantile(x,0.3)", "np.percentile", "np.nanquantile", "np.pad")

REFUSED = """
np.select([a],[a]) | np.choose([0.0,1.0,0.0,1.0],[v,v]) | np.add.accumulate(s)
np.add.accumulate(a,axis=None) | a.reshape() | np.insert(v,9,1.0) | np.insert(v,1.5,1.0)
np.insert(v,[1,2],[1.0,2.0,3.0]) | a.item(3,9) | a.item()
np.pad(v,2,"mean",stat_length=-1)
"""
BAD = [call.strip() for call in re.split(r"\n| \| ", REFUSED) if call.strip()]


def named(call: str) -> list[str]:
    return [n for n in GIVEN if re.search(rf"(?<![\w.]){n}\b", call)]


def answer(call: str, arrays: dict[str, Any]) -> Any:
    return eval(call, {"np": np, **arrays})


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("call", LINES)
def test_values_and_slopes_are_numpys(call: str) -> None:
    arrays = {n: GIVEN[n] for n in named(call)}
    leaves = {n: Tensor(x, True, name=n) for n, x in arrays.items()}
    ours, theirs = answer(call, leaves), np.asarray(answer(call, arrays))
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    near = 1e-6 if theirs.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(np.asarray(getattr(ours, "data", ours)), theirs, near, near)
    if not (isinstance(ours, Tensor) and ours.requires_grad and np.isfinite(theirs).all()):
        return
    g = np.cos(np.arange(theirs.size)).reshape(theirs.shape).astype(theirs.dtype)
    total, h = (ours * g).sum(), 1e-4
    along = {n: np.sin(1 + np.arange(x.size)).reshape(x.shape) for n, x in arrays.items()}
    found = td.gradients(total, list(leaves.values()))
    mine = sum(float((gx * along[n]).sum()) for n, gx in zip(leaves, found, strict=True))
    ends = []
    for sign in (1, -1):
        moved = {n: x + sign * h * along[n] for n, x in arrays.items()}
        ends.append(float((np.asarray(answer(call, moved)) * g).sum()))
    coarse = 2e-3 if "float32" in call else 1e-6
    assert mine == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=coarse, abs=coarse)


@pytest.mark.parametrize("call", BAD)
def test_what_numpy_refuses_is_refused_as_it_does(call: str) -> None:
    arrays = {n: GIVEN[n] for n in named(call)}
    with pytest.raises((TypeError, ValueError, IndexError)) as theirs:
        answer(call, arrays)
    with pytest.raises(theirs.type):
        answer(call, {n: Tensor(x, True, name=n) for n, x in arrays.items()})


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("call", LINES_OF_WHOLE)
def test_s310_of_whole_numbers_and_truth_values_answers_are_numpys(call: str) -> None:
    w = np.array([True, False, True])
    for name, x in WHOLE.items():
        if name == "b" and call.startswith(NOT_OF_TRUTHS):
            continue
        ours, theirs = (eval(call, {"np": np, "w": w, "x": v}) for v in (Tensor(x), x))
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), name
        near = {"f2": 1e-3, "f4": 1e-6}.get(ours.dtype.str[1:], 1e-13)
        np.testing.assert_allclose(ours.data, theirs, near, 0, err_msg=name)
        if name == "i":
            again = td.compile(lambda v: eval(call, {"np": np, "w": w, "x": v}))(x)
            np.testing.assert_array_equal(again, ours.data)


def test_decimals_before_the_point_of_whole_numbers() -> None:
    x = np.array([14, 16, -25, 35])
    rounded = np.round(Tensor(x), -1)
    assert rounded.dtype == x.dtype
    np.testing.assert_array_equal(rounded, np.round(x, -1))


def test_the_middle_of_a_number_and_infinity() -> None:
    x = np.array([[1.0, np.inf, np.nan], [-np.inf, 2.0, 3.0]])
    np.testing.assert_array_equal(np.nanmedian(Tensor(x), axis=1), np.nanmedian(x, axis=1))


def test_a_power_of_two_beyond_all_floats_times_a_small_number() -> None:
    x, by = np.array([5e-324, 1e-300, 1e300]), [1074, 1500, -1500]
    np.testing.assert_array_equal(np.ldexp(Tensor(x), by), np.ldexp(x, by))


def test_extremes_of_nothing() -> None:
    none = Tensor(np.zeros((0, 3)))
    np.testing.assert_array_equal(np.max(none, axis=0, initial=-9.0), [-9.0] * 3)
    for call in (np.nanmax, np.nanmin, np.max):
        with pytest.raises(ValueError, match="zero-size array"):
            call(none, axis=0)


NO_AXIS = (
    "np.sum(t,5) | np.median(t,5) | np.sort(t,3) | t.swapaxes(0,4) | np.median(s,0) | "
    "np.linalg.norm(s,axis=0) | np.stack([t,t],9)"
)


@pytest.mark.parametrize("call", NO_AXIS.split(" | "))
def test_s311_an_axis_that_is_not_there_is_an_axis_error(call: str) -> None:
    t, s = Tensor(GIVEN["a"], name="t"), Tensor(GIVEN["s"])
    with pytest.raises(np.exceptions.AxisError, match="axis"):
        eval(call, {"np": np, "t": t, "s": s})


def test_s261_places_are_numpys() -> None:
    x = GIVEN["a"]
    t = Tensor(x, requires_grad=True)
    slopes = td.grad(lambda v: (np.insert(np.zeros(2), [2, 0], v) * np.arange(4)).sum())(np.ones(2))
    np.testing.assert_array_equal(slopes, [3, 0])  # the first of them comes last
    np.testing.assert_array_equal(np.where(t > 0), np.where(x > 0))
    assert (t.item(5), t.item(1, 2), t.item((2, -1))) == (x.item(5), x[1, 2], x[2, -1])


@pytest.mark.parametrize("period", [None, 2.5])
def test_interp_between_points_that_are_plain_lists_is_compiled(period: float | None) -> None:
    slope = td.grad(lambda x: np.interp(x, [0.0, 1.0, 3.0], [1.0, 2.0, 5.0], period=period).sum())
    x = np.array([[0.5, 2.0], [-1.0, 1.0]])
    np.testing.assert_array_equal(td.compile(slope)(x), slope(x))


def test_s262_too_few_numbers_are_not_taken_for_more() -> None:
    v = Tensor(GIVEN["v"], requires_grad=True)
    with np.errstate(all="ignore"):
        for f in (np.var, np.std):
            assert f(v, ddof=9).data == np.inf
        assert np.isnan(np.nanvar(v, ddof=4).data)
        assert np.cov(v, ddof=9).data == np.inf


def test_a_reduction_starts_in_the_dtype_of_its_result() -> None:
    for x in (np.array([1.0, 2.0], np.float32), np.array([1, 2], np.uint8), np.array([True])):
        for f in (np.sum, np.prod, np.max, np.min, np.nansum):
            for initial in (1.5, np.float64(1.5), np.array(2), np.float32(0.5)):
                ours, theirs = f(Tensor(x), initial=initial), f(x, initial=initial)
                assert (ours.dtype, ours.data) == (theirs.dtype, theirs)


def test_a_mean_of_some_numbers_of_float16_is_added_up_in_more_digits() -> None:
    x = np.tile(np.array([1.0, 301.0], np.float16), 30_000)
    some = np.arange(60_000) % 10 > 0
    ours, theirs = (np.mean(v, where=some) for v in (Tensor(x), x))
    assert (ours.dtype, ours.data) == (theirs.dtype, theirs)


@pytest.mark.parametrize("shapes", [((2, 4, 3), (4, 3)), ((4,), (3, 4)), ((3, 4), (4,))])
def test_trapezia_broadcast(shapes: Any) -> None:
    y, x = (np.cos(np.arange(np.prod(s))).reshape(s) for s in shapes)
    found, its = np.trapezoid(Tensor(y), x), np.trapezoid(y, x)
    assert found.shape == its.shape
    np.testing.assert_allclose(found.data, its, 1e-14, 1e-14)


@pytest.mark.parametrize(
    ("f", "shapes"),
    [("vecdot", [(2, 3), (2, 1)]), ("matvec", [(2, 3), (1,)]), ("vecmat", [(1,), (3, 2)])],
)
def test_a_length_of_1_is_not_repeated_in_a_product(f: str, shapes: Any) -> None:
    x, y = map(np.ones, shapes)
    for given in ((x, y), (Tensor(x), Tensor(y))):
        with pytest.raises(ValueError, match=f):
            getattr(np, f)(*given)


@pytest.mark.parametrize("optimize", [False, True])
def test_a_long_einsum_of_several_dtypes_loses_nothing_on_the_way(optimize: bool) -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=(30, 30))
    for x in (rng.random((30, 30)) < 0.5, rng.integers(0, 200, (30, 30)).astype(np.uint8)):
        z = np.einsum("ij,jk,kl->il", Tensor(x), Tensor(x), Tensor(w), optimize=optimize)
        np.testing.assert_allclose(z.data, (1.0 * x) @ (1.0 * x) @ w, 1e-12, 1e-7)


def test_s260_a_determinants_slopes_are_its_minors() -> None:
    assert td.grad(np.linalg.det)(np.diag([2.0, 3.0, 0.0]))[2, 2] == 6
    np.testing.assert_array_equal(td.grad(np.linalg.det)(np.zeros((3, 3))), np.zeros((3, 3)))
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        td.hessian(np.linalg.det)(np.zeros((2, 2)))
