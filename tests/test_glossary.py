"""What users of NumPy, PyTorch, JAX and autograd try: it works, or the error names what does."""

from __future__ import annotations

import re
import warnings
from operator import attrgetter
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as td
from tinygrad_dnn import Tensor, glossary
from tinygrad_dnn.autodiff.numpy_dispatch import FUNCTIONS, UFUNCS

TABLES = {
    "ATTRIBUTES": glossary.ATTRIBUTES,
    "MODULE": glossary.MODULE,
    "ARGUMENTS": glossary.ARGUMENTS,
    "NUMPY": glossary.NUMPY,
    "OPERATORS": glossary.OPERATORS,
    "UFUNC_METHODS": glossary.UFUNC_METHODS,
    "LOST": {"": glossary.LOST},
    "SCIPY": glossary.SCIPY,
    "PLAIN": {"": glossary.PLAIN},
}


def names() -> dict[str, Any]:
    """What an expression may be about: see the glossary's docstring."""

    def param(data: Any, name: str) -> Tensor:
        return Tensor(np.array(data, dtype=float), requires_grad=True, name=name)

    return {
        "np": np,
        "td": td,
        "Tensor": Tensor,
        "a": np.array([1.0, 2.0, 3.0]),
        "t": param([[1.0, -2.0, 3.0], [0.5, 4.0, -1.5]], "t"),
        "u": param([[2.0, 1.0, 1.0], [3.0, 0.5, 2.5]], "u"),
        "v": param([0.5, 1.5, 2.5], "v"),
        "S": param([[2.0, 0.3, 0.0], [0.1, 1.5, 0.2], [0.4, 0.0, 1.2]], "S"),
        "p": param([0.2, 0.5, 0.9], "p"),
        "s": param(0.7, "s"),
        "mask": np.array([True, False, True]),
        "f": lambda x: (x * x).sum(),
    }


def run(code: str) -> None:
    given = names()
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            program = compile(code, "<tried>", "eval")
        except SyntaxError:
            exec(compile(code, "<tried>", "exec"), given)
        else:
            eval(program, given)


ADVICE = sorted({words for table in TABLES.values() for words in table.values()})


@pytest.mark.parametrize("words", ADVICE)
def test_what_is_advised_works(words: str) -> None:
    for code in re.findall("`(.*?)`", words):
        run(code)


def test_advised_gradients_are_right() -> None:
    given = names()
    for name in ("fft.fft", "erf"):
        *_, code = re.findall("`(.*?)`", glossary.NUMPY[name])
        assert td.check_gradients(eval(code, given).sum()).verdict == "right"


@pytest.mark.parametrize(
    ("module", "name", "words"),
    [
        ("special", "logsumexp", "scipy.special.logsumexp computes on plain arrays"),
        (
            "special",
            "log1p",
            "scipy.special.log1p has no derivative rule here; instead: `np.log1p`",
        ),
        ("special", "expit", "instead: `td.sigmoid(t)`"),
        ("linalg", "det", "instead: `np.linalg.det(S)`"),
        ("stats", "norm.logpdf", "give it derivatives, `td.grad(f)`"),
    ],
)
def test_s322_scipys_functions_say_what_takes_their_place(
    module: str, name: str, words: str
) -> None:
    root = pytest.importorskip(f"scipy.{module}", reason="SciPy is not installed")
    with pytest.raises(TypeError) as refused:
        attrgetter(name)(root)(names()["S"])
    assert words in str(refused.value)


def test_a_solver_that_was_given_a_tensor_is_named() -> None:
    integrate = pytest.importorskip("scipy.integrate", reason="SciPy is not installed")

    def end(p: Any) -> Any:
        return integrate.solve_ivp(lambda t, u: np.stack([-p * u[0]]), (0, 1), [1.0]).y[0, -1]

    with pytest.raises(TypeError, match=r"scipy\.integrate\.solve_ivp computes on plain arrays"):
        td.grad(end)(1.0)
    with pytest.raises(TypeError, match=r"Tensors in a list: `td\.array"):  # a list of one's own
        td.grad(lambda p: integrate.quad(lambda x: np.array([p * x, p])[0], 0, 1)[0])(1.0)


def test_every_advice_has_code_or_says_why_there_is_none() -> None:
    bare = {words for words in ADVICE if "`" not in words}
    assert bare == {
        "an array lies where it was made",
        "arrays of the right kind (NumPy, CuPy, Dask) decide where things are computed",
        "pictures are in a package beside this one: import viz",
        "return the cost alone",
        "values are real numbers",
    }


def test_what_works_is_not_in_a_table() -> None:
    t = names()["t"]
    assert not [name for name in glossary.ATTRIBUTES if hasattr(t, name)]
    assert not [name for name in glossary.MODULE if hasattr(td, name)]
    ruled = {f.__name__ for f in (*FUNCTIONS, *UFUNCS)}
    assert not [n for n in glossary.NUMPY if n.rpartition(".")[2] in ruled and "." not in n]


# What people write, and words of the answer: of the error, or "" where it works.
TRIED = """
# --- NumPy: works -----------------------------------------------------------------------
np.concatenate((t, t), 1) |
np.concatenate((t, t), 0, None) |
np.stack((t, u), 1) |
np.stack([t, u], axis=-1, out=None) |
np.sum(a=t, axis=0) |
np.sum(t, 0, None, None, True) |
np.mean(t, axis=(0, 1), keepdims=True) |
np.std(t, correction=1) |
np.var(t, 0, None, None, 1) |
np.dot(a=v, b=v) |
np.outer(a=v, b=v) |
np.transpose(a=t) |
np.reshape(t, (3, 2), 'F') |
np.reshape(t, shape=(3, 2), order='C') |
np.ravel(t, order='F') |
np.split(ary=v, indices_or_sections=3) |
np.moveaxis(a=t, source=0, destination=1) |
np.pad(array=v, pad_width=1) |
np.take(v, [0, 1], mode='raise') |
np.clip(v, 0, 1, out=None) |
np.clip(v, min=0, max=1) |
np.max(t, initial=np._NoValue) |
np.einsum('ij,j->i', t, v, optimize=True) |
np.identity(3, like=v) |
np.zeros((2, 2), like=v) |
np.array([1.0, 2.0], like=v) |
np.exp(v, out=None) |
np.full_like(v, 7.0) |
np.zeros_like(t) |
np.argsort(v) |
np.allclose(v, v.data) |
td.where(condition=mask, x=v, y=v) |
td.softmax(x=t, axis=0) |
td.softmax(np.zeros((2, 0)), axis=1) |
td.log_softmax(Tensor(np.zeros((0, 3)), True)) |
t.sum(out=None) |
t.sum(axis=0, dtype=None, keepdims=True) |
t.reshape(3, 2, order='C') |
t.reshape((3, 2), order='F') |
t.flatten('C') |
t.flatten('F') |
t.ravel(order='F') |
v.clip(min=0, max=1) |
v.astype(np.float32, copy=False) |
v.dot(v, out=None) |
v.cumsum(0, dtype=None) |
v.argmax(out=None) |
a @ v |
a * v |
[1.0, 2.0, 3.0] @ v |
sum([v, v]) |
abs(v) |
max(v) |
td.optim.gradient_descent({'W': v}, {'W': np.ones(3)}, 0.1) |
td.optim.gradient_descent([a], [a], 0.1) |
td.optim.adam().init({'W': a}) |
td.compile(np.sin)(a) |
td.compile(np.add)(a, a) |
# --- NumPy: refused ---------------------------------------------------------------------
np.array([s, s]) | td.array([[
np.array([[s, s], [s, s]]) | td.array([[
np.asarray(v) | .data
np.mean([s, s]) | td.mean([v, v])
np.stack([[s, s], [s, s]]) | td.array([[
np.concatenate([[s, s], [s]]) | td.r_[
[s, s, s] @ v | td.array(
[s, 1.0, 2.0] + v | td.array(
Tensor([s, s]) | td.array(
np.full(3, s) | np.ones(3)
np.full_like(a, v[0]) | np.ones((2, 3))
a.dot(v) | S.data @ v
np.random.default_rng(0).normal(v) | rng(0).normal(size=3)
np.random.normal(v) | normal(size=3)
np.vectorize(lambda x: x)(v) | .detach()
a[v] | .data
a += v | array = array + tensor
np.add.at(a, [0], v[0]) | td.scatter_add
np.add.reduceat(v, [0, 1]) | np.sum(t[
np.fft.fft(v) | td.custom_vjp
np.unique(v) | np.unique(t.data)
np.histogram(v) | .data
np.exp(v, dtype=np.float32) |
td.exp(v, dtype=np.float32) | t.astype(np.float32)
np.exp(v, where=mask) | np.where
v ^ 2 | t ** 2
v == None | is None
v & v | truth values
v.fill(0) | td.no_grad()
v.sort() | np.sort
v.nbytes | t.data.nbytes
v.strides | t.data
v.tobytes() | t.data
v.ptp() | np.ptp(t)
np.angle(v) |
t.to_pandas() | pandas and SciPy take that
t.median() | np.median(t)
t.quantile(0.5) | np.quantile(t, 0.5)
t.unique() | np.unique(t.data)
t.bincount() | np.bincount(v.data
t.histogram() | np.histogram(t.data)
t.mode() | return_counts=True
td.optim.LBFGS([v]) | td.ravel_tree
t.reshape(shape=(3, 2)) | t.reshape(3, 2)
t.transpose(axes=(1, 0)) | t.transpose(1, 0)
t.reshape(3, 2, order='A') | 'C' or 'F'
v.mean(0, True, None) | Tensor.mean()
# --- PyTorch ----------------------------------------------------------------------------
td.tensor([1.0]) | td.Tensor([1.0, 2.0], requires_grad=True)
td.nn.Linear(3, 4) | td.relu(
td.nn.functional.relu(v) | td.relu(
td.nn.Module | td.network
td.optim.SGD([v], lr=0.1) | td.optim.gradient_descent
td.optim.Adam([v]) | td.optim.adam()
td.optim.lr_scheduler.StepLR | td.optim.cosine
td.optim.clip_grad_norm_ | td.optim.clip_by_norm
td.zeros(3) | np.zeros(3)
td.randn(2, 3) | default_rng
td.rand(3) | default_rng
td.arange(3) | np.zeros
td.manual_seed(0) | default_rng
td.from_numpy(a) | td.Tensor(
td.cat([t, u]) | np.concatenate
td.mm(t, S) | t @ S
td.unsqueeze(v, 0) | np.expand_dims
td.clamp(v, 0) | t.clip
td.float32 | np.float32
td.device('cuda') | CuPy
td.cuda.is_available() | CuPy
td.save(v, 'x') | pickle
td.load('x') | pickle
td.enable_grad() | td.no_grad()
td.autograd.grad(v.sum(), v) | td.grad
td.autograd.Function | td.grad
td.utils.data.DataLoader | td.data.Stream
td.vmap(f) | per_example_gradients
td.dropout(v) | default_rng
td.gelu(v) | td.network.gelu(t)
td.silu(v) | td.network.swish(t)
td.mse_loss(v, a) | ((t - u) ** 2).mean()
td.cross_entropy(t, [0, 1]) | td.log_softmax
td.binary_cross_entropy(p, a) | np.log(p)
td.one_hot([0, 2]) | np.eye(3)
td.LayerNorm(3) | t.mean(axis=1, keepdims=True)
td.inference_mode() | td.no_grad()
t.unsqueeze(0) | np.expand_dims
t.view(3, 2) | t.reshape(3, 2)
t.permute(1, 0) | t.transpose(1, 0)
t.t() | t.T
t.clamp(0, 1) | t.clip
t.exp() | np.exp(t)
t.log() | np.log(p)
t.relu() | td.relu(t)
t.sigmoid() | td.sigmoid(t)
t.softmax(dim=1) | td.softmax(t)
t.pow(2) | t ** 2
t.mm(S) | t @ v
t.matmul(S) | t @ v
t.add(u) | t + u
t.mul_(2) | td.no_grad()
t.add_(1.0) | td.no_grad()
t.norm() | np.linalg.norm(t)
t.numel() | t.size
t.dim() | t.ndim
t.clone() | t.copy()
t.contiguous() | t.data.copy()
t.cuda() | CuPy
t.to('cuda') | CuPy
t.cpu() | CuPy
t.float() | t.astype(np.float32)
t.double() | t.astype
t.long() | t.data.astype(int)
t.requires_grad_() | t.requires_grad = True
t.retain_grad() | backward(keep=[t])
t.register_hook(print) | backward(keep=[t])
t.grad_fn | t.op
t.is_leaf | t.op
t.expand(4, 2, 3) | np.broadcast_to
t.masked_fill(t > 0, 0.0) | np.where
t.gather(1, [0]) | t.take
t.chunk(3) | np.split
t.backwards() | no attribute 'backwards'
t.sum(dim=0) | t.sum(axis=0)
t.sum(axis=0, keepdim=True) | keepdims=True
t.mean(dim=1, keepdim=True) | t.sum(axis=0)
td.softmax(t, dim=1) | t.sum(axis=0)
td.sum(t, dim=0) | t.sum(axis=0)
td.leaky_relu(t, negative_slope=0.1) | slope=0.1
np.sum(t, dim=0) | dim
f(v).backward(retain_graph=True) | free=False
f(v).backward(inputs=[v]) | td.gradients
f(v).backward(grad_tensors=1.0) | gradient
td.gradients(f(v), v, retain_graph=True) | free=False
td.gradients(f(v), v, allow_unused=True) | gradients
td.gradients(f(v), v, grad_outputs=1.0) | gradient
Tensor([1.0], dtype=np.float32) | t.astype(np.float32)
Tensor([1.0], device='cuda') | array lies
v.zero_grad(set_to_none=True) | sets None
(v * v).backward() | gradient=
td.gradients(f, v) | grad(f)(x)
td.gradients(f(v), f) | expected recorded Tensors
# --- JAX and autograd -------------------------------------------------------------------
td.jit(f) | td.compile
td.numpy.sin(v) | import numpy as np
td.jnp.sin(v) | import numpy as np
td.random.PRNGKey(0) | default_rng
td.lax.scan | import numpy as np
td.pmap(f) | per_example_gradients
td.jacrev(f) | td.jacobian
td.jacfwd(f) | td.jacobian
td.elementwise_grad(f) | td.grad
td.make_vjp(f) | td.vjp
td.make_jvp(f) | td.jvp
td.hessian_vector_product(f) | td.hvp
td.custom_jvp(f) | td.custom_vjp
td.primitive(f) | td.custom_vjp
td.defvjp(f) | td.custom_vjp
td.tree_map(f, v) | td.grad
td.device_put(a) | CuPy
td.check_grads(f) | td.check_gradients
td.make_jaxpr(f) | td.compile
td.grad(f, argnum=0) | argnums='b'
td.value_and_grad(f, argnum=0) | argnums='b'
td.jacobian(f, argnum=0) | argnums='b'
td.grad(f, argnames='x') | argnums='b'
td.grad(f, allow_int=True) | return the cost alone
td.jacobian(f, vectorize=True) | chunk_size
td.checkpoint_sequential(f, 3, a) | td.checkpoint
td.checkpoint(f, a) | checkpoint(f)(x)
td.checkpoint(f, a, use_reentrant=False) | td.checkpoint(np.sin)(t)
td.grad(f, holomorphic=True) | return the cost alone
td.grad(f, argnums=1.5) | position
td.grad(f(v)) | gradients(y, x)
td.grad(lambda x: (f(x), x))(a) | has_aux=True
td.grad(f)(3) | 3.0
td.grad(lambda q: f(q['W']))({'W': a, 'b': np.array([3])}) | ['b']
td.grad(lambda q: f(q['W']))({'W': a, 'act': np.tanh}) | ['act']
td.grad(lambda q: f(q[0]['W']))([{'W': a}, (a, [{1, 2}])]) | [1][1][0]
td.vjp(f) | vjp(f, x)
td.jvp(f, [a], a) | jvp(f, [x], [t])
td.compile(f, static_argnums=0) | rewrite=False
td.compile(3) | expected a function
td.compile_loop(lambda W: (W, W), carry=None) | carry
td.compile_loop(lambda W: (W, W), carry={'W': a, 'b': 'x'}) | carry['b']
td.custom_vjp(lambda x, y: x * y, lambda g, x, y: (g * y, g * x))(a, y=v) | by position
td.optim.gradient_descent([a], {'W': a}, 0.1) | [0]
td.optim.gradient_descent({'W': [1.0]}, {'W': a}, 0.1) | ['W'][0]
td.optim.gradient_descent(3, 3, 0.1) | np.asarray(x, dtype=float)
td.check.check_op(np.sin) | check_gradients
td.relu6(v) | t.clip(0.0, 6.0)
td.softmix | softmax
"""
LINES = [line.split(" | ") for line in TRIED.replace(" |\n", " | \n").splitlines() if " | " in line]


def test_enough_was_tried() -> None:
    assert len(LINES) >= 150


@pytest.mark.parametrize(("code", "said"), LINES, ids=[code for code, _ in LINES])
def test_what_people_write_works_or_is_told_what_does(code: str, said: str) -> None:
    if not said:
        return run(code)
    with pytest.raises((TypeError, ValueError, AttributeError)) as caught:
        run(code)
    told = str(caught.value)
    assert said in told
    assert type(caught.value) is not Exception
    return None
