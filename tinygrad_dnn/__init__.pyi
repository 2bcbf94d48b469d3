"""The types of the public names, written by tests/stubs.py from the registry of ops."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray


from tinygrad_dnn import check as check
from tinygrad_dnn import checkpoint as checkpoint
from tinygrad_dnn import data as data
from tinygrad_dnn import formula as formula
from tinygrad_dnn import grading as grading
from tinygrad_dnn import graph as graph
from tinygrad_dnn import network as network
from tinygrad_dnn import ops as ops
from tinygrad_dnn import optim as optim
from tinygrad_dnn import rewrite as rewrite
from tinygrad_dnn import textbook as textbook
from tinygrad_dnn import train as train
from tinygrad_dnn.autodiff.black_box import custom_vjp as custom_vjp
from tinygrad_dnn.autodiff.debug import NonFiniteError as NonFiniteError
from tinygrad_dnn.autodiff.debug import debug as debug
from tinygrad_dnn.autodiff.reverse import FreedGraphError as FreedGraphError
from tinygrad_dnn.autodiff.reverse import StaleValueError as StaleValueError
from tinygrad_dnn.autodiff.tensor import Tensor as Tensor
from tinygrad_dnn.autodiff.transforms import grad as grad
from tinygrad_dnn.autodiff.transforms import gradients as gradients
from tinygrad_dnn.autodiff.transforms import hessian as hessian
from tinygrad_dnn.autodiff.transforms import hvp as hvp
from tinygrad_dnn.autodiff.transforms import jacobian as jacobian
from tinygrad_dnn.autodiff.transforms import jvp as jvp
from tinygrad_dnn.autodiff.transforms import per_example_gradients as per_example_gradients
from tinygrad_dnn.autodiff.transforms import value_and_grad as value_and_grad
from tinygrad_dnn.autodiff.transforms import vjp as vjp
from tinygrad_dnn.check.gradient_check import assert_gradients as assert_gradients
from tinygrad_dnn.check.gradient_check import check_gradients as check_gradients
from tinygrad_dnn.check.report import GradientReport as GradientReport
from tinygrad_dnn.check.vjp_check import check_vjp as check_vjp
from tinygrad_dnn.compiler import compile as compile
from tinygrad_dnn.compiler.compiled import Compiled as Compiled
from tinygrad_dnn.compiler.errors import RecordingError as RecordingError
from tinygrad_dnn.compiler.errors import SaturationWarning as SaturationWarning
from tinygrad_dnn.graph import Graph as Graph
from tinygrad_dnn.graph import Leaf as Leaf
from tinygrad_dnn.graph import Node as Node
from tinygrad_dnn.graph import no_grad as no_grad
from tinygrad_dnn.graph import scope as scope
from tinygrad_dnn.loops.loop import Loop as Loop
from tinygrad_dnn.loops.loop_compiler import compile_loop as compile_loop
from tinygrad_dnn.ops import REGISTRY as REGISTRY
from tinygrad_dnn.ops.declare import At as At
from tinygrad_dnn.ops.declare import Case as Case
from tinygrad_dnn.ops.declare import Op as Op
from tinygrad_dnn.ops.declare import Pole as Pole
from tinygrad_dnn.ops.declare import op as op

_Axis = int | tuple[int, ...] | None
_Plain = np.ndarray[Any, Any] | np.generic | float | list[Any] | tuple[Any, ...]
_Operand = Tensor | _Plain

class _Abs(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

abs: _Abs

class _Absolute(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

absolute: _Absolute

class _Add(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

add: _Add

class _Arccos(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

arccos: _Arccos

class _Arcsin(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

arcsin: _Arcsin

class _Arctan(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

arctan: _Arctan

class _Arctan2(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

arctan2: _Arctan2

class _Argmax(Op):
    @overload
    def __call__(self, x: Tensor, axis: _Axis = ..., *, keepdims: bool = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, axis: _Axis = ..., *, keepdims: bool = ...) -> NDArray[Any]: ...

argmax: _Argmax

class _Argmin(Op):
    @overload
    def __call__(self, x: Tensor, axis: _Axis = ..., *, keepdims: bool = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, axis: _Axis = ..., *, keepdims: bool = ...) -> NDArray[Any]: ...

argmin: _Argmin

class _Astype(Op):
    @overload
    def __call__(self, x: Tensor, dtype: Any) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, dtype: Any) -> NDArray[Any]: ...

astype: _Astype

class _BroadcastTo(Op):
    @overload
    def __call__(self, x: Tensor, shape: Any) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, shape: Any) -> NDArray[Any]: ...

broadcast_to: _BroadcastTo

class _Ceil(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

ceil: _Ceil

class _Concatenate(Op):
    @overload
    def __call__(self, arrays: Sequence[Tensor], axis: _Axis = ...) -> Tensor: ...
    @overload
    def __call__(self, arrays: Sequence[_Plain], axis: _Axis = ...) -> NDArray[Any]: ...
    @overload
    def __call__(self, arrays: Any, axis: _Axis = ...) -> Any: ...

concatenate: _Concatenate

class _Cos(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

cos: _Cos

class _Cosh(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

cosh: _Cosh

class _Cumsum(Op):
    @overload
    def __call__(self, x: Tensor, axis: _Axis = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, axis: _Axis = ...) -> NDArray[Any]: ...

cumsum: _Cumsum

class _Divide(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

divide: _Divide

class _Dot(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

dot: _Dot

class _Equal(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

equal: _Equal

class _Exp(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

exp: _Exp

class _ExpandDims(Op):
    @overload
    def __call__(self, x: Tensor, axis: _Axis) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, axis: _Axis) -> NDArray[Any]: ...

expand_dims: _ExpandDims

class _Expm1(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

expm1: _Expm1

class _Flip(Op):
    @overload
    def __call__(self, x: Tensor, axis: _Axis = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, axis: _Axis = ...) -> NDArray[Any]: ...

flip: _Flip

class _Floor(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

floor: _Floor

class _Getitem(Op):
    @overload
    def __call__(self, x: Tensor, index: Any) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, index: Any) -> NDArray[Any]: ...

getitem: _Getitem

class _Greater(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

greater: _Greater

class _GreaterEqual(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

greater_equal: _GreaterEqual

class _Hypot(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

hypot: _Hypot

class _Identity(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

identity: _Identity

class _Isfinite(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

isfinite: _Isfinite

class _Isinf(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

isinf: _Isinf

class _Isnan(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

isnan: _Isnan

class _LeakyRelu(Op):
    @overload
    def __call__(self, x: Tensor, slope: float = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, slope: float = ...) -> NDArray[Any]: ...

leaky_relu: _LeakyRelu

class _Less(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

less: _Less

class _LessEqual(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

less_equal: _LessEqual

class _Log(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

log: _Log

class _Log10(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

log10: _Log10

class _Log1P(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

log1p: _Log1P

class _Log2(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

log2: _Log2

class _LogSigmoid(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

log_sigmoid: _LogSigmoid

class _LogSoftmax(Op):
    @overload
    def __call__(self, x: Tensor, axis: _Axis = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, axis: _Axis = ...) -> NDArray[Any]: ...

log_softmax: _LogSoftmax

class _LogWeightedSum(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand, axis: _Axis = ..., *, keepdims: bool = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor, axis: _Axis = ..., *, keepdims: bool = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain, axis: _Axis = ..., *, keepdims: bool = ...) -> NDArray[Any]: ...

log_weighted_sum: _LogWeightedSum

class _Logaddexp(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

logaddexp: _Logaddexp

class _LogicalAnd(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

logical_and: _LogicalAnd

class _LogicalNot(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

logical_not: _LogicalNot

class _LogicalOr(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

logical_or: _LogicalOr

class _Logsumexp(Op):
    @overload
    def __call__(self, x: Tensor, axis: _Axis = ..., *, keepdims: bool = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, axis: _Axis = ..., *, keepdims: bool = ...) -> NDArray[Any]: ...

logsumexp: _Logsumexp

class _Matmul(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

matmul: _Matmul

class _Max(Op):
    @overload
    def __call__(self, x: Tensor, axis: _Axis = ..., *, keepdims: bool = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, axis: _Axis = ..., *, keepdims: bool = ...) -> NDArray[Any]: ...

max: _Max

class _Maximum(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

maximum: _Maximum

class _Mean(Op):
    @overload
    def __call__(self, x: Tensor, axis: _Axis = ..., *, keepdims: bool = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, axis: _Axis = ..., *, keepdims: bool = ...) -> NDArray[Any]: ...

mean: _Mean

class _Min(Op):
    @overload
    def __call__(self, x: Tensor, axis: _Axis = ..., *, keepdims: bool = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, axis: _Axis = ..., *, keepdims: bool = ...) -> NDArray[Any]: ...

min: _Min

class _Minimum(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

minimum: _Minimum

class _Multiply(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

multiply: _Multiply

class _Negative(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

negative: _Negative

class _NotEqual(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

not_equal: _NotEqual

class _Outer(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

outer: _Outer

class _Pad(Op):
    @overload
    def __call__(self, x: Tensor, pad_width: Any, mode: Any = ..., *, constant_values: Any = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, pad_width: Any, mode: Any = ..., *, constant_values: Any = ...) -> NDArray[Any]: ...

pad: _Pad

class _Power(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

power: _Power

class _Prod(Op):
    @overload
    def __call__(self, x: Tensor, axis: _Axis = ..., *, keepdims: bool = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, axis: _Axis = ..., *, keepdims: bool = ...) -> NDArray[Any]: ...

prod: _Prod

class _Reciprocal(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

reciprocal: _Reciprocal

class _Relu(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

relu: _Relu

class _Repeat(Op):
    @overload
    def __call__(self, x: Tensor, repeats: Any, axis: _Axis = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, repeats: Any, axis: _Axis = ...) -> NDArray[Any]: ...

repeat: _Repeat

class _Reshape(Op):
    @overload
    def __call__(self, x: Tensor, shape: Any) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, shape: Any) -> NDArray[Any]: ...

reshape: _Reshape

class _Roll(Op):
    @overload
    def __call__(self, x: Tensor, shift: Any, axis: _Axis = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, shift: Any, axis: _Axis = ...) -> NDArray[Any]: ...

roll: _Roll

class _Scatter(Op):
    @overload
    def __call__(self, x: Tensor, index: Any, shape: Any) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, index: Any, shape: Any) -> NDArray[Any]: ...

scatter: _Scatter

class _ScatterAdd(Op):
    @overload
    def __call__(self, x: Tensor, indices: _Operand, shape: Any, axis: _Axis = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, indices: Tensor, shape: Any, axis: _Axis = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, indices: _Plain, shape: Any, axis: _Axis = ...) -> NDArray[Any]: ...

scatter_add: _ScatterAdd

class _Setitem(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand, index: Any) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor, index: Any) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain, index: Any) -> NDArray[Any]: ...

setitem: _Setitem

class _Sigmoid(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

sigmoid: _Sigmoid

class _Sign(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

sign: _Sign

class _Sin(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

sin: _Sin

class _Sinh(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

sinh: _Sinh

class _Softmax(Op):
    @overload
    def __call__(self, x: Tensor, axis: _Axis = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, axis: _Axis = ...) -> NDArray[Any]: ...

softmax: _Softmax

class _Softplus(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

softplus: _Softplus

class _Sqrt(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

sqrt: _Sqrt

class _Square(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

square: _Square

class _Squeeze(Op):
    @overload
    def __call__(self, x: Tensor, axis: _Axis = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, axis: _Axis = ...) -> NDArray[Any]: ...

squeeze: _Squeeze

class _Stack(Op):
    @overload
    def __call__(self, arrays: Sequence[Tensor], axis: _Axis = ...) -> Tensor: ...
    @overload
    def __call__(self, arrays: Sequence[_Plain], axis: _Axis = ...) -> NDArray[Any]: ...
    @overload
    def __call__(self, arrays: Any, axis: _Axis = ...) -> Any: ...

stack: _Stack

class _Std(Op):
    @overload
    def __call__(self, x: Tensor, axis: _Axis = ..., *, ddof: int = ..., keepdims: bool = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, axis: _Axis = ..., *, ddof: int = ..., keepdims: bool = ...) -> NDArray[Any]: ...

std: _Std

class _StopGradient(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

stop_gradient: _StopGradient

class _Subtract(Op):
    @overload
    def __call__(self, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, y: _Plain) -> NDArray[Any]: ...

subtract: _Subtract

class _Sum(Op):
    @overload
    def __call__(self, x: Tensor, axis: _Axis = ..., *, keepdims: bool = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, axis: _Axis = ..., *, keepdims: bool = ...) -> NDArray[Any]: ...

sum: _Sum

class _Swapaxes(Op):
    @overload
    def __call__(self, x: Tensor, axis1: int, axis2: int) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, axis1: int, axis2: int) -> NDArray[Any]: ...

swapaxes: _Swapaxes

class _Take(Op):
    @overload
    def __call__(self, x: Tensor, indices: _Operand, axis: _Axis = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, indices: Tensor, axis: _Axis = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, indices: _Plain, axis: _Axis = ...) -> NDArray[Any]: ...

take: _Take

class _Tan(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

tan: _Tan

class _Tanh(Op):
    @overload
    def __call__(self, x: Tensor) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain) -> NDArray[Any]: ...

tanh: _Tanh

class _Tile(Op):
    @overload
    def __call__(self, x: Tensor, reps: Any) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, reps: Any) -> NDArray[Any]: ...

tile: _Tile

class _Trace(Op):
    @overload
    def __call__(self, x: Tensor, offset: int = ..., axis1: int = ..., axis2: int = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, offset: int = ..., axis1: int = ..., axis2: int = ...) -> NDArray[Any]: ...

trace: _Trace

class _Transpose(Op):
    @overload
    def __call__(self, x: Tensor, axes: Any = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, axes: Any = ...) -> NDArray[Any]: ...

transpose: _Transpose

class _Var(Op):
    @overload
    def __call__(self, x: Tensor, axis: _Axis = ..., *, ddof: int = ..., keepdims: bool = ...) -> Tensor: ...
    @overload
    def __call__(self, x: _Plain, axis: _Axis = ..., *, ddof: int = ..., keepdims: bool = ...) -> NDArray[Any]: ...

var: _Var

class _Where(Op):
    @overload
    def __call__(self, condition: Tensor, x: _Operand, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, condition: _Plain, x: Tensor, y: _Operand) -> Tensor: ...
    @overload
    def __call__(self, condition: _Plain, x: _Plain, y: Tensor) -> Tensor: ...
    @overload
    def __call__(self, condition: _Plain, x: _Plain, y: _Plain) -> NDArray[Any]: ...

where: _Where

@overload
def clip(x: Tensor, a_min: Any = None, a_max: Any = None) -> Tensor: ...
@overload
def clip(x: _Plain, a_min: Any = None, a_max: Any = None) -> NDArray[Any]: ...
@overload
def einsum(subscripts: str, *operands: Tensor) -> Tensor: ...
@overload
def einsum(subscripts: str, *operands: _Plain) -> NDArray[Any]: ...
@overload
def einsum(subscripts: str, *operands: Any) -> Any: ...
@overload
def moveaxis(x: Tensor, source: _Axis, destination: _Axis) -> Tensor: ...
@overload
def moveaxis(x: _Plain, source: _Axis, destination: _Axis) -> NDArray[Any]: ...
@overload
def ravel(x: Tensor, order: str = "C") -> Tensor: ...
@overload
def ravel(x: _Plain, order: str = "C") -> NDArray[Any]: ...
@overload
def split(x: Tensor, indices_or_sections: Any, axis: int = 0) -> list[Tensor]: ...
@overload
def split(x: _Plain, indices_or_sections: Any, axis: int = 0) -> list[NDArray[Any]]: ...

__all__: list[str]
__version__: str
