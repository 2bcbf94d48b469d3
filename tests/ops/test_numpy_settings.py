"""NumPy's settings by every name that has them: `np.f(t, ...)` and `td.f(t, ...)` alike."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as td
from tinygrad_dnn import Tensor

rng = np.random.default_rng(14)
GIVEN = {
    "a": rng.normal(size=(3, 4)),
    "b": rng.normal(size=(3, 4)),
    "v": rng.normal(size=4),
    "s": np.array(0.3),
    "S": rng.normal(size=(3, 3)),
    "P": np.diag([2.0, -3.0, 5.0]) + 0.1,  # symmetric, not definite
    "T": rng.normal(size=(2, 3, 4)),
}
POSITIONS = np.array([2, 0, 1, 1])
MASK = rng.uniform(size=(3, 4)) > 0.3

CALLS = """
np.vstack([a,b],dtype=float) | np.hstack([a,b],dtype="f8",casting="safe")
np.concatenate([a,b],dtype=float) | np.stack([a,b],axis=1,dtype=float) | td.stack(arrays=[a,b])
td.concatenate([a,b],1,dtype=float) | np.concat([a,b],axis=1,dtype=float)
td.reshape(a,(4,3),order="F") | td.reshape(a,(4,-1),"F") | td.reshape(a,shape=(2,6))
td.sort(a,kind="stable") | td.sort(a,0,stable=True) | td.argsort(a,axis=0,kind="stable")
td.sum(a,where=MASK) | td.sum(a,-1,None,None,True) | td.sum(a,initial=2.0,dtype=float)
td.mean(a,1,where=MASK) | td.prod(a,1,where=MASK,initial=3.0) | td.max(a,initial=0.3)
td.std(a,axis=1,correction=1) | td.var(a,0,mean=np.mean(a,axis=0,keepdims=True))
td.min(a,0,where=MASK,initial=9.0)
np.cumsum(a,axis=0,dtype=float) | td.cumprod(a,1,dtype=float) | td.cumsum(a,1,float)
td.clip(a,min=-0.5,max=0.3) | np.clip(a,max=0.2)
np.take(a,[0,19],mode="clip") | td.take(a,[[-1,13]],mode="wrap") | np.take(a,[-9,7],1,mode="clip")
np.take(a,[-1,7],axis=1,mode="wrap")
np.bincount(POSITIONS,weights=v) | np.bincount(POSITIONS,v,6)
np.apply_over_axes(np.sum,T,[0,2]) | np.apply_over_axes(np.mean,T,-1)
np.apply_over_axes(lambda x,k: x*2,T,0)
np.vecdot(a,b,axis=0) | np.vecdot(T,v,axis=-1,keepdims=True) | td.vecdot(a,b,axis=0,keepdims=True)
np.add(a,b,where=True,casting="same_kind",order="K",subok=True) | np.exp(a,dtype=float)
np.multiply(a,[1,2,3,4],dtype=float)
np.linalg.pinv(a,rtol=1e-9) | np.linalg.pinv(P,hermitian=True) | np.linalg.pinv(a,1e-9,False)
np.linalg.svd(P,hermitian=True)[1] | np.abs(np.linalg.svd(S,hermitian=True).U)
np.linalg.svd(P,compute_uv=False,hermitian=True)
(lambda u,s,v: u*s@v)(*np.linalg.svd(S,hermitian=True))
np.linalg.qr(S,mode="complete") | np.linalg.qr(a,"complete").R
np.select([a>0.5,b>0],[a,b*2]) | np.select([a>0.5],[1.0],s) | np.select([MASK,b>0],[s,v],default=1)
np.choose(POSITIONS,[v,1.0,v*v]) | np.choose(POSITIONS,[v,v*v,1.0])
np.percentile(a,30,1,method="midpoint") | np.quantile(a,0.3,method="hazen")
np.gradient(v,np.array([0.0,1.0,3.0,4.0])) | np.gradient(a,np.array([0,1.0,3]),axis=0)
td.r_[v,1.0,s] | td.r_[0:3,v] | td.c_[v,1.0*v]
"""
LINES = [call.strip() for call in re.split(r"\n| \| ", CALLS) if call.strip()]


def results(call: str, arrays: dict[str, Any], of: Any = td) -> list[Any]:
    found = eval(call, {"np": np, "td": of, "MASK": MASK, "POSITIONS": POSITIONS, **arrays})
    return list(found) if isinstance(found, (tuple, list)) else [found]


@pytest.mark.parametrize("call", LINES)
def test_s170_values_dtypes_and_slopes_are_numpys(call: str) -> None:
    names = [n for n in GIVEN if re.search(rf"(?<![\w.]){n}\b", call)]
    for dtype in (np.float64, np.float32):
        arrays = {n: GIVEN[n].astype(dtype) for n in names}
        leaves = {n: Tensor(x, True, name=n) for n, x in arrays.items()}
        ours = results(call, leaves)
        for x, y in zip(ours, results(call, arrays, np), strict=True):
            assert (x.shape, x.dtype) == (np.shape(y), y.dtype)
            np.testing.assert_allclose(x.data, y, 1e-4 if dtype is np.float32 else 1e-12, 1e-5)
    arrays = {n: GIVEN[n] for n in names}
    leaves = {n: Tensor(x, True, name=n) for n, x in arrays.items()}
    ours = [x for x in results(call, leaves) if x.requires_grad]
    if not ours:
        assert "argsort" in call
        return
    ws = [np.cos(np.arange(x.size)).reshape(x.shape) for x in ours]
    total = sum((w * x).sum() for w, x in zip(ws, ours, strict=True))
    total.backward()

    def number(step: float, directions: dict[str, Any]) -> Any:
        moved = {n: x + step * directions[n] for n, x in arrays.items()}
        found = results(call, moved, np)
        return sum((w * x).sum() for w, x in zip(ws, found, strict=True))

    for seed in range(2):
        draws = np.random.default_rng(seed)
        along = {n: np.asarray(draws.normal(size=x.shape)) for n, x in arrays.items()}
        measured = (number(1e-5, along) - number(-1e-5, along)) / 2e-5
        slope = sum((leaves[n].grad * along[n]).sum() for n in names if leaves[n].grad is not None)
        assert abs(slope - measured) <= 1e-6 * max(1, abs(measured))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("np.vstack([a,b],dtype=int)", "float64 is not cast to int64"),
        ("np.concatenate([a,b],out=3)", "out="),
        ("np.take(a,[0],mode='x')", "'raise', 'wrap' or 'clip'"),
        ("np.bincount(POSITIONS,weights=a)", r"a weight for each of \(4,\)"),
        ("np.bincount([-1,0,1,1],weights=v)", "negative"),
        ("np.linalg.pinv(a,rcond=1,rtol=1)", "both"),
        ("np.linalg.qr(np.swapaxes(a,0,1),'complete')", "not determined"),
        ("np.apply_over_axes(lambda x,k: x.sum(),T,[0])", "keep 3 axes or leave out one"),
        ("np.add(a,b,where=MASK)", "np.where"),
        ("td.sum(a,dim=0)", r"t\.sum\(axis=0\)"),
        ("td.sum(a,foo=0)", "no argument 'foo'"),
    ],
)
def test_what_is_refused_says_why(call: str, said: str) -> None:
    leaves = {n: Tensor(x, True, name=n) for n, x in GIVEN.items()}
    with pytest.raises((TypeError, ValueError), match=said):
        results(call, leaves)


def test_a_call_with_numpys_settings_is_compiled() -> None:
    def f(a: Any) -> Any:
        return td.sum(np.take(a, [0, 9], 1, mode="clip"), where=MASK[:, :2]) + np.exp(a).sum()

    a = GIVEN["a"]
    np.testing.assert_array_equal(td.compile(td.grad(f))(a), td.grad(f)(a))
