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


def test_s260_a_determinants_slopes_are_its_minors() -> None:
    assert td.grad(np.linalg.det)(np.diag([2.0, 3.0, 0.0]))[2, 2] == 6
    np.testing.assert_array_equal(td.grad(np.linalg.det)(np.zeros((3, 3))), np.zeros((3, 3)))
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        td.hessian(np.linalg.det)(np.zeros((2, 2)))
