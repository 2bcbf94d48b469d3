"""Calls of NumPy's functions, right and wrong: ours answer or refuse as NumPy does."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import Tensor

GIVEN = {
    "A": np.arange(1.0, 7.0).reshape(2, 3),
    "V": np.array([3.0, 1.0, 2.0]),
    "S": np.array([[4.0, 1, 0], [1, 5, 2], [0, 2, 6]]),
    "E": np.zeros((0, 3)),
    "B": np.arange(24.0).reshape(2, 3, 4),
}

CALLS = """
np.sinc(A) | np.i0(A) | np.sinc(0.) | np.i0(E)
np.put_along_axis(A*1,np.array([[0,9]]),1.,1)
np.take_along_axis(A,np.array([[0],[9]]),1)
np.take_along_axis(A,np.array([0]),1)
np.take_along_axis(A,np.array([[0.],[1]]),1)
np.take_along_axis(A,np.array([[0],[1]]),5)
np.take_along_axis(A,np.array([[-4],[1]]),1)
np.pad(A,1,mode="bogus")
np.pad(A,-1,mode="edge")
np.pad(A,(1,2,3),mode="edge")
np.pad(A,1.5,mode="edge")
np.pad(A,1,mode="edge",constant_values=3)
np.pad(A,1,mode="reflect",reflect_type="weird")
np.pad(E,1,mode="edge")
np.pad(E,1,mode="mean")
np.pad(A,1,mode="mean",stat_length=0)
np.pad(A,1,mode="maximum",stat_length=-1)
np.pad(A,((1,2),(0,1)),mode="linear_ramp",end_values=((1,2),(3,4)))
np.pad(A,[[1,0],[0,0]],mode="wrap")
np.pad(A,((1,2),),mode="symmetric")
np.interp(V,V,V[:2]) | np.interp(V,A,A) | np.interp(V,V[:0],V[:0])
np.interp(V,np.sort(V),V,period=0) | np.interp(V,V,V,period=2.5)
np.interp(V,np.sort(V),V,period=-2.5) | np.interp(V*4,np.sort(V),V,-1.,7.)
np.cov(A,fweights=[1,2,3]) | np.cov(A,fweights=[1,2]) | np.cov(A,fweights=[1.5,2,3])
np.cov(A,fweights=[-1,2,3]) | np.cov(A,aweights=[-1.,2,3]) | np.cov(A,aweights=[1.,2])
np.cov(A,ddof=1.5) | np.cov(B) | np.cov(A,A,rowvar=False) | np.cov(V,V)
np.cov(A,aweights=[[1.,2,3]]) | np.cov(A,fweights=[1.,2.,3.])
np.corrcoef(A) | np.corrcoef(V,V) | np.corrcoef(B)
np.average(A,weights=[1.,2]) | np.average(A,axis=1,weights=[1.,2])
np.average(A,axis=1,weights=[1.,2,3],returned=True)[1] | np.average(A,axis=1,weights=[1.,-1,0])
np.average(A,weights=A) | np.average(B,axis=(0,2),weights=np.ones((2,4)))
np.average(B,axis=(2,0),weights=np.arange(8.).reshape(4,2)+1)
np.quantile(A,1.5) | np.quantile(A,-.1) | np.quantile(A,.3,method="bogus")
np.quantile(A,.3,axis=7) | np.percentile(A,120) | np.quantile(A,.3,weights=A)
np.quantile(A,.3,weights=A,method="inverted_cdf")
np.quantile(A,[.3,.5],axis=1,weights=[1,2,3],method="inverted_cdf")
np.quantile(A,.3,weights=V,method="inverted_cdf")
np.quantile(A,.3,axis=1,weights=[-1,2,3],method="inverted_cdf")
np.quantile(A,.3,axis=1,weights=[0,0,0],method="inverted_cdf") | np.quantile(E,.3)
np.quantile(E,.3,axis=1) | np.quantile(A,[[.1,.2],[.3,1]],axis=0)
np.nanquantile(A,.3,axis=1,weights=[1,2,3],method="inverted_cdf")
np.quantile(B,.37,method="inverted_cdf")
np.quantile(B,[0,.25,.37,1],method="averaged_inverted_cdf")
np.quantile(B,[0,.25,.37,1],method="closest_observation",axis=1)
np.quantile(B,[0,.25,.37,1],method="interpolated_inverted_cdf",axis=1)np.quantile(B,[0,.25,.37,1],method="hazen",axis=(0,1))
np.quantile(B,[0,.25,.37,1],method="nearest",axis=1) | np.quantile(B,.5,method="higher",axis=1)
np.quantile(B,.5,method="midpoint",axis=1)
np.block([[A,A],[A]]) | np.block([A,[A]]) | np.block([]) | np.block([[A],[V]]) | np.block(A)
np.resize(A,(3,5)) | np.resize(A,-1) | np.resize(E,(2,2)) | np.resize(A,(0,))
np.unstack(A,axis=3) | np.unstack(A,axis=1)[2] | np.unstack(np.float64(3))
np.stack([A,V]) | np.stack([]) | np.stack([A,A],axis=5) | np.hstack([A,V])
np.vstack([A,V[:2]]) | np.dstack([A,V]) | np.column_stack([V,V[:2]]) | np.concatenate([A,V])
np.concatenate([])
np.reshape(A,(4,2)) | np.reshape(A,(-1,-1)) | np.reshape(A,(3,2),order="Z")
np.ravel(A,order="F") | np.reshape(A,-1,order="F") | A.flatten("F") | A.reshape(3,2,order="F")
np.ravel(A,"K") | np.ravel(A,"A") | A.flatten("K")
np.ldexp(A,2) | np.ldexp(A,np.array([1,2,-3])) | np.ldexp(A,1.5) | np.ldexp(A,2000)
np.ldexp(A,-1080)
np.nan_to_num(A*np.nan,nan=3.) | np.nan_to_num(A/0,posinf=2.,neginf=-1.) | np.nan_to_num(-A/0)
np.float_power(A,2) | np.float_power(V,A) | np.float_power(A,V[:2])
np.divmod(A,2)[1] | np.divmod(A,V)[0] | np.divmod(A,V[:2]) | divmod(A,2)[0] | divmod(7.,A)[1]
np.add.reduce(A) | np.add.reduce(A,axis=(0,1)) | np.multiply.accumulate(A,axis=1)
np.maximum.accumulate(A) | np.subtract.outer(A,V) | np.logaddexp.reduce(A,axis=1)
np.minimum.reduce(A,axis=1,keepdims=True) | np.add.accumulate(A,axis=7)
np.multiply.reduce(A,axis=None) | np.add.reduce(A,initial=3.)
np.maximum.reduce(A,where=A>2,initial=0.) | np.add.reduce(V,where=V>1)
np.logaddexp.accumulate(A,axis=1) | np.maximum.reduce(E) | np.maximum.reduce(E,axis=1)
np.einsum("ij,kj->ik",A,A,optimize=True) | np.einsum("ij,jk",A,A)
np.einsum(A,[0,1],A,[2,1],[0,2]) | np.einsum("ij,kj->ik",A,A,optimize="optimal")
np.einsum("ij,kj->ik",A,A,optimize=["einsum_path",(0,1)]) | np.einsum("ii",A)
np.einsum("ij->ik",A) | np.einsum("i...",A) | np.einsum("...,...",A,V) | np.einsum(A,[0,0])
np.einsum("ij,ij,ij->",A,A,A,optimize=["einsum_path",(0,1),(0,1)])
np.linalg.norm(A,axis=2) | np.linalg.norm(A,ord="bogus") | np.linalg.norm(V,ord="fro")
np.linalg.norm(B,ord=2) | np.linalg.norm(A,ord=3) | np.linalg.norm(V,0)
np.linalg.norm(V,-np.inf) | np.linalg.norm(V,np.inf) | np.linalg.norm(V,.5)
np.linalg.norm(V,-1) | np.linalg.norm(A,-2) | np.linalg.norm(A,-1)
np.linalg.norm(A,1,keepdims=True) | np.linalg.norm(B,"nuc",axis=(0,2))
np.linalg.norm(B,2,axis=(2,0)) | np.linalg.norm(B,-np.inf,axis=(2,0),keepdims=True)
np.linalg.norm(B,axis=(0,0)) | np.linalg.norm(B,axis=(0,1,2)) | np.linalg.norm(E)
np.linalg.norm(E,np.inf) | np.linalg.norm(E.ravel(),np.inf) | np.linalg.norm(B,3,axis=1)
np.linalg.norm(A,ord=2,axis=1) | np.linalg.norm(A,axis=1.5)
np.linalg.norm(A,"f")np.linalg.norm(V,axis=(0,1))
np.linalg.vector_norm(B,axis=(0,2),ord=3) | np.linalg.vector_norm(B,keepdims=True)
np.linalg.vector_norm(B,ord="fro") | np.linalg.matrix_norm(B,ord="nuc")
np.linalg.matrix_norm(V) | np.linalg.matrix_norm(B,ord=7)
np.linalg.matrix_norm(B,ord=-2,keepdims=True)
np.linalg.cond(S) | np.linalg.cond(S,"fro") | np.linalg.cond(S,-1) | np.linalg.cond(A)
np.linalg.cond(A,1) | np.linalg.cond(V) | np.linalg.cond(S*0) | np.linalg.cond(S,"nuc")
np.linalg.cond(S,np.inf) | np.linalg.cond(S,-2)
np.linalg.tensorsolve(np.eye(6).reshape(2,3,6),A)
np.linalg.tensorsolve(np.eye(6).reshape(2,3,2,3)+1,A) | np.linalg.tensorsolve(B,A)
np.linalg.tensorsolve(np.eye(6).reshape(2,3,2,3)+1,A,axes=(0,1))
np.linalg.tensorsolve(np.eye(6).reshape(2,6,3)+1,A,axes=(1,))
np.linalg.tensorinv(np.eye(6).reshape(2,3,6),ind=2) | np.linalg.tensorinv(B,ind=0)
np.linalg.tensorinv(B,ind=1) | np.linalg.tensorinv(np.eye(6).reshape(6,2,3),ind=1)
np.linalg.lstsq(S,V)[0] | np.linalg.lstsq(A,V[:2])[0] | np.linalg.lstsq(A.T,V)[0]
np.linalg.lstsq(A.T,V)[1] | np.linalg.lstsq(A.T,V)[2] | np.linalg.lstsq(A,V)
np.linalg.lstsq(B,V) | np.linalg.lstsq(A.T,np.ones((3,4)))[1]
np.linalg.lstsq(np.ones((3,2)),V)[0] | np.linalg.lstsq(np.ones((3,2)),V)[1]
np.linalg.lstsq(np.ones((3,2)),V)[2] | np.linalg.lstsq(S,V,rcond=-1)[3]
np.linalg.lstsq(A.T,V,rcond=.5)[0]
np.linalg.inv(A) | np.linalg.inv(S*0) | np.linalg.solve(S,V[:2]) | np.linalg.solve(A,V)
np.linalg.det(A) | np.linalg.slogdet(S)[1] | np.linalg.cholesky(-S) | np.linalg.cholesky(A)
np.linalg.eigh(A) | np.linalg.eigh(S,UPLO="X") | np.linalg.eigvalsh(S,"U") | np.linalg.svd(A)[1]
np.linalg.svd(A,full_matrices=False)[2] | np.linalg.qr(A,mode="bogus") | np.linalg.qr(A)[1]
np.linalg.qr(A.T)[0] | np.linalg.qr(A,mode="r") | np.linalg.matrix_power(S,-2)
np.linalg.matrix_power(A,2) | np.linalg.matrix_power(S,1.5) | np.linalg.multi_dot([A])
np.linalg.multi_dot([A,V]) | np.linalg.multi_dot([A,A]) | np.linalg.multi_dot([A,A.T,A])
np.linalg.multi_dot([B,A]) | np.linalg.pinv(A) | np.linalg.pinv(V) | np.linalg.trace(B)
np.linalg.diagonal(B) | np.linalg.cross(A,V) | np.linalg.cross(V[:2],V[:2])
np.linalg.outer(V,V) | np.linalg.outer(A,V) | np.linalg.svdvals(A) | np.linalg.matrix_rank(A)
np.sort(A,axis=5) | np.sort(A,kind="stable") | np.sort(A,kind="bogus") | np.sort(np.float64(3.))
np.sort(A,axis=None) | np.partition(A,5) | np.partition(A,1) | np.partition(A,-1,axis=0)
np.median(A,axis=(0,1)) | np.median(E) | np.median(A,axis=1,keepdims=True)
np.argsort(A,axis=0)
np.cumprod(A,axis=4) | np.cumprod(A) | np.cumprod(A,dtype=np.float32) | np.nancumprod(A*np.nan)
np.cumulative_prod(A) | np.cumulative_prod(A,axis=1,include_initial=True) | A.cumprod(1)
np.kron(A,V) | np.inner(A,V) | np.inner(A,V[:2]) | np.vdot(A,A) | np.vdot(A,V) | np.vecdot(A,V)
np.vecdot(A,V[:2]) | np.matvec(A,V) | np.vecmat(V,A.T) | np.matvec(A,A) | np.tensordot(A,A)
np.tensordot(A,A,axes=1) | np.tensordot(A,A,axes=([0],[0])) | np.tensordot(A,A,axes=([0,1],[0]))
np.tensordot(A,V,axes=0) | np.tensordot(A,A,axes=3) | np.cross(A,A) | np.cross(V[:2],V[:2])
np.diff(A,n=-1) | np.diff(A,n=3) | np.diff(np.float64(3)) | np.diff(A,prepend=0.)
np.gradient(A,axis=5) | np.gradient(V,V) | np.gradient(A,1.,2.,3.) | np.gradient(V,edge_order=3)
np.gradient(V,edge_order=2) | np.gradient(V[:1]) | np.convolve(V,V[:0]) | np.convolve(A,V)
np.convolve(V,V,"bogus") | np.correlate(V,V[:2],"same") | np.polyval(V,A) | np.vander(A)
np.vander(V,-1) | np.vander(V,0) | np.trapezoid(A,V) | np.trapezoid(A,V[:2])
np.trapezoid(A,axis=0,dx=2.) | np.ediff1d(A,to_begin=[0.,1])
np.diag(B) | np.diag(A,7) | np.diag(V,-2) | np.diagonal(V) | np.diagonal(A,axis1=0,axis2=0)
np.tril(V) | np.triu(B,1) | np.rot90(V) | np.rot90(A,axes=(0,0)) | np.fliplr(V)
np.rollaxis(B,5) | np.rollaxis(B,2,7) | np.rollaxis(B,-1,-2) | np.matrix_transpose(V)
np.broadcast_arrays(A,V[:2]) | np.meshgrid(V,V,indexing="kl") | np.meshgrid(A,V)[0]
np.array_split(V,0) | np.hsplit(V,2) | np.vsplit(V,3) | np.dsplit(A,1)
np.split(A,[1],axis=1)[1] | np.array_split(A,4,axis=1)[3]
np.append(A,V) | np.append(A,V,axis=0) | np.insert(V,9,1.) | np.insert(V,[0,1],[1.,2])
np.insert(A,1,V[:2],axis=1) | np.insert(A,1,V,axis=0) | np.insert(A,[1],V,axis=0)
np.insert(V,slice(0,3,2),9.) | np.delete(V,7) | np.delete(V,[0,-1])
np.delete(A,slice(0,1),axis=1) | np.delete(A,1.5) | np.delete(V,[True,False,True])
np.insert(V,np.array([],int),[]) | np.insert(A,-1,0.,axis=5)
np.compress([True],A,axis=1) | np.compress([True,False,True,True],V) | np.extract(A>2,A)
np.extract([1,0],A) | np.select([A>2],[A,A]) | np.select([A>2,A<1],[A,2*A],-1.)
np.choose([0,3],[V[:2],V[:2]]) | np.choose([0,5],[V[:2],V[:2]],mode="wrap")
np.piecewise(V,[V<2],[1.]) | np.piecewise(V,[V<2],[1.,2.,3.])
np.piecewise(V,[V<2,V>=2],[lambda x:x,lambda x:-x])
np.lib.stride_tricks.sliding_window_view(V,4)
np.lib.stride_tricks.sliding_window_view(A,(2,2))
np.lib.stride_tricks.sliding_window_view(A,2)
np.lib.stride_tricks.sliding_window_view(A,-1,axis=0)
np.lib.stride_tricks.sliding_window_view(A,(2,2),axis=(1,1))
np.nansum(A*np.nan) | np.nanmean(A,axis=7) | np.nanmax(A,axis=1) | np.nanvar(A,ddof=1)
np.nanstd(A,axis=0,keepdims=True) | np.nanmin(E) | np.nanprod(A,initial=2.)
np.nanmedian(A,axis=1) | np.ptp(A,axis=1) | np.ptp(E) | np.sum(A,axis=5) | np.sum(A,where=A>2)
np.max(A,where=A>2) | np.max(A,where=A>2,initial=0.) | np.mean(A,where=A>9)
np.std(A,where=A>2,ddof=1) | np.var(A,mean=np.mean(A)) | np.prod(E) | np.max(E)
np.sum(A,dtype=np.float32) | np.mean(A,axis=(0,0)) | np.var(A,ddof=1,correction=1)
np.round(A,1) | np.round(A*100,-1) | np.around(A) | round(A,1) | np.fix(A) | np.modf(-A)[0]
np.modf(A/0)[0] | np.angle(-A) | np.angle(A,deg=True) | np.real_if_close(A) | np.unwrap(A*4)
np.unwrap(V,period=0) | np.heaviside(A,.5) | np.copysign(A,-1) | np.logaddexp2(A,V)
np.hypot(A,V) | np.cbrt(A) | np.fmod(A,2) | np.remainder(A,-2) | A%2 | 7%A | A//2
np.floor_divide(A,0)
np.linspace(V,A,3) | np.linspace(V,1.,-1) | np.logspace(V,1.,3) | np.geomspace(V,1.,3)
np.geomspace(V,-1.,3) | np.linspace(V,A,3,axis=-1) | np.linspace(V,1.,1) | np.linspace(V,1.,0)
np.linspace(V,2,3,retstep=True)[1]
np.apply_along_axis(np.sum,1,A) | np.apply_along_axis(np.sort,0,A)
np.apply_along_axis(np.sum,7,A)
np.polyadd(V,A[0]) | np.polymul(V,V) | np.polyder(V,-1) | np.polyder(V,4) | np.polyint(V,-1)
np.polyint(V,2,[1.,2.]) | np.poly(S) | np.poly(V) | np.polysub(V,1.) | np.polyint(V,2,[1.])
np.histogram(V) | np.fill_diagonal(A*1,1.) | np.trim_zeros(V) | np.tile(A,(2,1,2))
np.repeat(A,[1,2],axis=0) | np.repeat(A,[1,2,3]) | np.repeat(A,-1) | np.roll(A,1,axis=5)
np.swapaxes(A,0,5) | np.moveaxis(A,[0,1],[0]) | np.transpose(A,(0,0)) | np.squeeze(A,axis=0)
np.expand_dims(A,5) | np.flip(A,axis=5) | np.broadcast_to(A,(3,2)) | np.clip(A,2,None)
np.clip(A,None,None) | np.take(A,9) | np.take(A,[1.5]) | np.trace(V) | np.outer(A,V)
np.atleast_3d(V)
"""

# Where we differ from NumPy on purpose, and what is said.
OTHERWISE = {
    # The weights' own slope is 0 nearly everywhere: they are to be plain.
    'np.quantile(A,.3,weights=A,method="inverted_cdf")': "expected weights as plain numbers",
    # Memory that lies in another order is no business of a graph's.
    'np.ravel(A,"K")': "expected order 'C' or 'F'",
    'np.ravel(A,"A")': "expected order 'C' or 'F'",
    'A.flatten("K")': "expected order 'C' or 'F'",
    "np.linalg.norm(A,axis=1.5)": "integer argument expected",
    "np.linalg.svd(A)[1]": "expected full_matrices=False",
    "np.cross(V[:2],V[:2])": "expected vectors of length 3",
    "np.poly(S)": "expected zeros along one axis",
    "np.histogram(V)": "expected edges as bins",
    "np.trim_zeros(V)": "instead",
    "np.take(A,[1.5])": "expected integers as indices",
}
# Where NumPy raises, and we answer; or another value stands where no slope is defined.
MORE = {
    'np.nanquantile(A,.3,axis=1,weights=[1,2,3],method="inverted_cdf")',
    "round(A,1)",
    "np.linalg.cond(S*0)",
    "np.linalg.lstsq(np.ones((3,2)),V)[1]",
    "np.geomspace(V,-1.,3)",
}
# Errors that are one kind: NumPy itself takes now this, now that.
ALIKE = {"AxisError", "ValueError", "IndexError", "LinAlgError", "RuntimeError"}


def tried(code: str, names: dict[str, Any]) -> tuple[Any, Exception | None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return eval(code, {"np": np, **names}), None
        except Exception as error:
            return None, error


@pytest.mark.parametrize("code", [c.strip() for c in re.split(r"\n| \| ", CALLS.strip())])
def test_a_call_answers_or_refuses_as_numpys(code: str) -> None:
    wanted, refused = tried(code, GIVEN)
    tensors = {k: Tensor(x, requires_grad=True, name=k) for k, x in GIVEN.items()}
    z, error = tried(code, tensors)
    if code in OTHERWISE:
        assert error is not None
        assert OTHERWISE[code] in str(error)
    elif code in MORE:
        assert error is None
    elif refused is not None:
        assert error is not None, f"NumPy says: {refused}"
        kinds = {type(refused).__name__, type(error).__name__}
        assert len(kinds) == 1 or kinds <= ALIKE, repr(error)
    else:
        assert error is None, repr(error)
        if hasattr(wanted, "dtype"):
            z = z.data if isinstance(z, Tensor) else np.asarray(z)
            assert (z.shape, z.dtype) == (wanted.shape, wanted.dtype)
            np.testing.assert_allclose(z, wanted, rtol=1e-12, atol=1e-14)
