"""Names that users of NumPy, PyTorch, JAX and autograd try, and what they are called here.

Each table maps the names that an error may be about to what works instead. Code stands in
backquotes; a test runs it, with `t` and `u` Tensors of one shape (2, 3), `v` of (3,), `S` of (3, 3)
and `p` between 0 and 1. A name leaves its table when it comes to work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def _by_name(advice: Mapping[str, str]) -> dict[str, str]:
    """From words to lists of names, to names to words."""
    return {name: words for words, names in advice.items() for name in names.split()}


_EDIT = "results are read-only, and a leaf is written through `t.data[...] = 0.0` or `t[0] = 0.0`"
_PLAIN = "the values alone, without a gradient, are `t.data`"

# Attributes of a Tensor.
ATTRIBUTES = _by_name(
    {
        "`np.expand_dims(t, 0)` or `t[None]`": "unsqueeze unsqueeze_",
        "`t.reshape(3, 2)`": "view view_as reshape_as resize resize_ unflatten",
        "`t.T`, `t.mT` or `t.transpose(1, 0)`": "t permute adjoint H mH transpose_ movedim",
        "`t.swapaxes(0, 1)`": "swapdims",
        "`t.clip(0.0, 1.0)`": "clamp clamp_ clip_ clamp_min clamp_max",
        "`t.copy()`, or `t.data.copy()` for the values": "clone contiguous",
        "`t.detach()`": "detach_ stop_gradient",
        "the array is `t.data`, a leaf's own one": "untyped_storage storage data_ptr ctypes",
        "`t.data.nbytes`, and so on: the array is `t.data`": (
            "nbytes itemsize flags base tobytes tofile dump dumps byteswap "
            "newbyteorder element_size is_contiguous storage_offset getfield setfield"
        ),
        "`np.lib.stride_tricks.sliding_window_view(t, 2, axis=1)`, or `t.data.strides`": (
            "strides stride unfold"
        ),
        "`t.ravel()`, whose elements have one index": "flat",
        "values are real numbers": "is_complex",
        "`t.size`": "numel nelement",
        "`t.ndim`": "dim ndimension rank",
        "`np.sort(t, axis=1)`, a new Tensor; `t.argsort()` are positions": (
            "sort topk kthvalue msort partition"
        ),
        "`t.nonzero()`, plain positions": "argwhere",
        "`t.take([0, 1], axis=1)`": "index_select gather take_along_dim",
        "`np.where(t > 0, t, 0.0)`": "masked_fill masked_fill_ where masked_select",
        "`td.scatter_add(v, [0, 0, 1], shape=(2,))`": "scatter scatter_ scatter_add scatter_add_",
        "`t.round()`, `np.trunc(t)`; rounding passes no gradient": (
            "round_ trunc rint frac floor_ ceil_"
        ),
        "`np.logaddexp.accumulate(t)`, `np.maximum.accumulate(t)`": "logcumsumexp cummax cummin",
        "`np.ptp(t)`, `t.max()`, `t.min()`": "ptp aminmax",
        "`np.diag(v)`": "diag diag_embed",
        "`np.linalg.norm(t)`": "norm renorm",
        f"{_EDIT}; inside `td.no_grad()` also `t *= 0.5`": (
            "fill fill_ zero_ copy_ add_ sub_ mul_ div_ addcmul_ addcdiv_ put put_ itemset "
            "index_put_ index_add_ index_fill_ set_ normal_ uniform_ random_ "
            "setflags"
        ),
        "`t.requires_grad = True`, or `td.Tensor(v.data, requires_grad=True)`": "requires_grad_",
        "`t.zero_grad()`, or `t.grad = None`": "zero_grad_ clear_grad zerograd cleargrad null_grad",
        "leaves keep gradients, others when asked: `t.sum().backward(keep=[t])`": (
            "retain_grad retains_grad register_hook register_full_backward_hook"
        ),
        "`t.op`, and `t.inputs` for what went in": (
            "grad_fn creator _ctx ctx prev _prev _op parents children is_leaf aval"
        ),
        "`t.data`, or `t.numpy()`": "value values primal asnumpy to_numpy array nd get",
        "a Tensor lies where its array lies (NumPy, CuPy, Dask): `td.Tensor(t.data)` of an array "
        "that is there": "cuda cpu to gpu xpu mps device to_device is_cuda pin_memory get_device",
        "`t.astype(np.float32)`": "float double half bfloat16 type type_as cast",
        "`t.data.astype(int)`; integers carry no gradient": "int long short char bool byte",
        "`t @ v`": "mm mv matmul bmm inner vdot __dot__ addmm addmv",
        "`np.outer(v, v)`": "outer ger",
        "`t + u`": "add",
        "`t - u`": "sub subtract rsub",
        "`t * u`": "mul multiply",
        "`t / u`": "div divide true_divide",
        "`t ** 2`": "pow power square",
        "`-t`": "neg negative",
        "`abs(t)`": "abs absolute fabs",
        "`np.maximum(t, u)`": "maximum fmax",
        "`np.minimum(t, u)`": "minimum fmin",
        "`1 / t`": "reciprocal",
        "`1 / np.sqrt(t)`": "rsqrt",
        "`t == u`, `t < u` and so on": "eq ne lt le gt ge equal less greater isclose allclose",
        "`np.broadcast_to(t, (4, 2, 3))`; arithmetic broadcasts by itself": (
            "expand expand_as broadcast_to"
        ),
        "`np.split(t, 3, axis=1)`": "split chunk unbind tensor_split",
        "`np.concatenate([t, u])`": "cat concatenate append extend",
        "`np.stack([t, u])`": "stack",
        "`np.flip(t, 1)`": "flip fliplr flipud",
        "`np.roll(t, 1)`": "roll",
        "`np.tile(t, 2)` for the whole array": "tile repeat_interleave",
        "`np.median(t)`": "median",
        "`np.quantile(t, 0.5)`": "quantile",
        "the values alone are plain: `np.unique(t.data)`": "unique",
        "counts are plain: `np.bincount(v.data.astype(int))`": "bincount",
        "counts are plain: `np.histogram(t.data)`": "histogram",
        "`np.unique(t.data, return_counts=True)` counts each value": "mode",
        f"{_PLAIN}; pandas and SciPy take that": "to_frame to_pandas toarray todense iloc loc",
    }
    | {
        f"`np.{name}(t)` or `td.{name}(t)`": name
        for name in (
            "exp", "expm1", "sin", "cos", "tan", "tanh", "sinh", "cosh", "arctan", "sign", "floor",
            "ceil", "isnan", "isfinite", "isinf",
        )
    }
    | {
        f"`np.{name}(p)` or `td.{name}(p)`": name
        for name in ("sqrt", "log", "log1p", "log2", "log10", "arcsin", "arccos")
    }
    | {
        f"`td.{name}(t)`": name
        for name in (
            "relu", "sigmoid", "softmax", "log_softmax", "softplus", "logsumexp", "leaky_relu",
        )
    }
)  # fmt: skip

_ARRAY = "`td.Tensor(np.zeros(3))`: arrays are NumPy's"
_LAYER = (
    "a layer is an expression: `td.relu(t @ S + v)`; "
    "`td.network.initialize_parameters([4, 3, 1])` makes parameters"
)
_DESCENT = (
    "`td.optim.gradient_descent({'W': S}, {'W': np.ones((3, 3))}, 0.1)` returns the next "
    "parameters, or write `S.data -= 0.1 * np.ones((3, 3))`"
)
_RULES = (
    "`td.optim.adam().init({'W': S})` makes a state, `td.optim.adam().update` a step from it; "
    "`td.optim.OPTIMISERS` names the rules"
)
_NEW_OP = "write it in ops that there are, or declare it with `td.custom_vjp` or `td.op`"

# Names at the top of the package, and in `tinygrad_dnn.optim`.
MODULE = _by_name(
    {
        "`td.Tensor([1.0, 2.0], requires_grad=True)`": (
            "tensor Variable Parameter parameter variable as_tensor from_numpy asarray "
            "FloatTensor DoubleTensor LongTensor Value constant asnumpy nparray ndarray Buffer"
        ),
        _ARRAY: ("zeros ones empty full arange eye zeros_like ones_like empty_like full_like tri"),
        "`td.Tensor(np.random.default_rng(0).normal(size=(2, 3)))`: numbers come from NumPy's "
        "generators": (
            "rand randn randint randperm normal uniform random manual_seed seed bernoulli PRNGKey "
            "key Generator multinomial"
        ),
        "the arrays are NumPy's, and `np.sum(t)` works on Tensors: `import numpy as np`": (
            "numpy np jnp scipy lax"
        ),
        "`np.float64`, `np.float32`: dtypes are NumPy's": (
            "float32 float64 float16 float double half int32 int64 long bool uint8 dtype "
            "bfloat16 complex64 complex128 set_default_dtype finfo iinfo"
        ),
        _LAYER: (
            "nn Module Linear Sequential Dense Layer Model layers MLP functional F Neuron "
            "Embedding ReLU Sigmoid Tanh Softmax Flatten init models keras modules Params"
        ),
        _DESCENT: ("SGD sgd step apply_updates GradientDescent Adadelta"),
        "`td.ravel_tree({'W': S})` makes a vector for scipy.optimize.minimize": "LBFGS",
        _RULES: (
            "Adam AdamW RMSprop Adagrad Optimizer adam optimizers optimizer Momentum NAdam optax "
            "adamw rmsprop adagrad momentum nesterov"
        ),
        "`td.optim.cosine(0.1, 100)`, a function from the step to the rate": (
            "lr_scheduler StepLR CosineAnnealingLR LambdaLR exponential_decay cosine_decay_schedule"
        ),
        "`td.optim.reduce_on_plateau(0.1)`": "ReduceLROnPlateau",
        "`td.optim.clip_by_norm({'W': S}, 1.0)`": (
            "clip_grad_norm_ clip_grad_norm clip_by_global_norm"
        ),
        "`td.optim.clip_by_value({'W': S}, 1.0)`": "clip_grad_value_ clip_by_value",
        "`-(v * np.log(p) + (1 - v) * np.log(1 - p)).mean()`, or from logits "
        "`(td.softplus(t) - v * t).mean()`": (
            "binary_cross_entropy BCELoss BCEWithLogitsLoss bce_loss bce "
            "binary_cross_entropy_with_logits sigmoid_cross_entropy"
        ),
        "`-td.log_softmax(t)[[0, 1], [2, 0]].mean()`": (
            "cross_entropy CrossEntropyLoss nll_loss NLLLoss softmax_cross_entropy"
        ),
        "`((t - u) ** 2).mean()`": "mse_loss MSELoss mse l2_loss",
        "`abs(t - u).mean()`": "l1_loss L1Loss",
        "`np.where(t > 0, t, np.expm1(t))` and the like": "elu ELU selu celu",
        "`td.network.swish(t)`": "silu swish SiLU",
        "`td.network.gelu(t)`": "gelu GELU",
        "`td.relu(t)`": "relu_",
        "`t.clip(0.0, 6.0)`": "relu6 hardtanh",
        "`t * (np.random.default_rng(0).random(t.shape) < 0.8) / 0.8`": "dropout Dropout",
        "`(t - t.mean(axis=1, keepdims=True)) / t.std(axis=1, keepdims=True)`": (
            "layer_norm LayerNorm batch_norm BatchNorm1d normalize instance_norm group_norm"
        ),
        "`np.eye(3)[[0, 2]]`, in columns `td.network.one_hot(np.array([[0, 2]]), 3)`": "one_hot",
        _NEW_OP: (
            "conv1d conv2d conv3d Conv2d max_pool2d MaxPool2d avg_pool2d conv LSTM GRU RNN "
            "MultiheadAttention scaled_dot_product_attention embedding fft linalg special erf topk"
        ),
        "`td.grad(lambda x: (x * x).sum())(v)` of a function, or `t.sum().backward()`": (
            "autograd Function backward differentiate deriv derivative "
            "elementwise_grad egrad multigrad"
        ),
        "`td.vjp(np.sin, v)`": "make_vjp vjp_fun linear_transpose",
        "`td.jvp(np.sin, v, v)`": "make_jvp fwd_grad forward_ad",
        "`td.checkpoint(np.sin)(t)`": "checkpoint_sequential recompute_grad checkpoint_wrapper",
        "`td.jacobian(np.sin)(v)`": "jacrev jacfwd jac make_ggnvp",
        "`td.hvp(lambda x: (x ** 3).sum(), v, v)`": (
            "hessian_vector_product make_hvp hessian_tensor_product vhp"
        ),
        "`td.per_example_gradients(lambda w, x: (w @ x).sum(), v, S)`, or broadcasting": (
            "vmap pmap per_sample_gradients"
        ),
        "`td.custom_vjp(np.exp, lambda g, z: g * z)`": (
            "custom_jvp custom_gradient defvjp defjvp primitive"
        ),
        "`td.check_gradients(lambda x: (x * x).sum(), v)`": (
            "gradcheck check_grads check_grad test_util gradgradcheck numerical_grad approx_fprime"
        ),
        "`td.compile(lambda x: np.exp(x).sum())`": "jit script make_jaxpr njit dynamo",
        "`td.compile_loop`, or Python's own loops": "scan while_loop fori_loop switch",
        "`td.debug()`": (
            "set_detect_anomaly detect_anomaly debug_nans checkify set_printoptions profiler"
        ),
        "recording is on but inside `td.no_grad()`": (
            "enable_grad set_grad_enabled inference_mode is_grad_enabled GradientTape tape"
        ),
        "`t.detach()` or `td.stop_gradient(t)`": "detach stop_grad",
        "`np.concatenate([t, u])`": "cat concat",
        "`np.expand_dims(t, 0)`": "unsqueeze",
        "`t @ S`": "mm bmm mv addmm linear einsum_path",
        "`t.clip(0.0, 1.0)`": "clamp",
        "`t ** 2`": "pow",
        "`t.T`": "t permute",
        "`t.ravel()`": "flatten",
        "np.savez('net.npz', W=`t.data`) and np.load, or pickle, which takes Tensors; a model that "
        "train left is read by `td.train.load_model`": (
            "save load state_dict load_state_dict serialization"
        ),
        "arrays of the right kind (NumPy, CuPy, Dask) decide where things are computed": (
            "device cuda cpu backends devices device_put device_get set_num_threads mps xpu "
            "default_device is_available"
        ),
        "dicts, lists and tuples of arrays are taken as they are: "
        "`td.grad(lambda q: (q['W'] ** 2).sum())({'W': v})`": (
            "tree_map tree_util tree tree_flatten tree_leaves pytree"
        ),
        "`td.data.read`, and `td.data.batches` or, from files, `td.data.Stream`": (
            "utils DataLoader Dataset TensorDataset datasets"
        ),
        "pictures are in a package beside this one: import viz": (
            "draw derive explore viz make_dot plot make_graph show summary visualize"
        ),
        "`td.textbook`": "sigmoid_backward relu_backward linear_forward L_model_forward",
    }
)

# Keyword arguments.
ARGUMENTS = _by_name(
    {
        "`t.sum(axis=0)`": "dim dims reduction_indices",
        "`t.sum(axis=0)`, `t.transpose(1, 0)`": "axes",
        "`t.reshape(3, 2)`": "shape newshape",
        "`t.zero_grad()` sets None": "set_to_none",
        "`t.sum(axis=0, keepdims=True)`": "keepdim keep_dims",
        "cast the Tensor: `t.astype(np.float32)`": "dtype",
        "results are new arrays: `t + u`": "out inplace",
        "leave elements out with `np.where(t > 0, t, 0.0)`": "where mask",
        "`np.maximum(t.max(), 0.0)`, `t.sum() + 1.0` and the like": "initial",
        "`t.std(ddof=1)`": "unbiased correction",
        "`t.reshape(3, 2, order='F')`, `np.reshape(t, (3, 2), order='F')`": "order",
        "`td.grad(lambda a, b: (a * b).sum(), argnums='b')(v, v)`": ("argnum argnames wrt"),
        "`t.sum().backward(free=False)` keeps the values for another one, `keep=True` gradients "
        "too": "retain_graph retain_grad retain_grads",
        "name them in `td.gradients((t * u).sum(), [t, u])`": "inputs",
        "`t.sum().backward(np.ones(()))`, its first argument, is called gradient": (
            "grad_tensors grad_outputs grad_output grad_tensor grads seed cotangent grad_variables"
        ),
        "return the cost alone": (
            "allow_unused is_grads_batched materialize_grads holomorphic allow_int strict"
        ),
        "`td.jacobian(np.sin, chunk_size=2)(v)`": "vectorize chunk batched",
        "`td.compile(lambda x: x * 2, rewrite=False)` leaves the program as it is written; what "
        "is no array is a setting by itself": (
            "static_argnums static_argnames fullgraph mode backend dynamic donate_argnums nopython "
            "cache parallel fastmath"
        ),
        "an array lies where it was made": "device pin_memory",
        "`td.checkpoint(np.sin)(t)` computes all again, with the same random numbers": (
            "use_reentrant preserve_rng_state determinism_check policy prevent_cse concrete"
        ),
        "`td.Tensor([1.0], requires_grad=True)`": "requires_grad",
        "`td.where(t > 0, t, 0.0)`": "other input",
        "`td.leaky_relu(t, slope=0.1)`": "negative_slope alpha",
        "`t.clip(a_min=0.0, a_max=1.0)`": "min max min_value max_value",
    }
)

# NumPy's functions and ufuncs, and SciPy's, by the name after the module's.
NUMPY = _by_name(
    {
        "`np.linalg.eigh(S)` of a symmetric matrix": "linalg.eig linalg.eigvals roots",
        "a `td.custom_vjp` of it and its gradient, e.g. "
        "`td.custom_vjp(np.linalg.inv, lambda g, z: -z.T @ g @ z.T)(S)`": (
            "fft.fft fft.ifft fft.rfft fft.irfft fft.fft2 erf erfc erfinv gamma gammaln loggamma "
            "digamma psi betaln j0 ndtr log_ndtr"
        ),
        "`np.linalg.lstsq(np.vander(v.data, 2), v)[0]`": "polyfit",
        "`np.vstack([t, u])`": "row_stack",
        "`np.sort(v)`": "sort_complex",
        "`np.where(t > 0, t, 0.0)`": "place putmask",
        "a slice, from the first that is not 0: `v[np.flatnonzero(v.data)[0]:]`": "trim_zeros",
        "`np.copy(t)`, or `t.data.copy()` for the values": "array_copy",
        "the values alone are plain: `np.unique(t.data)`": (
            "unique histogram_bin_edges in1d intersect1d "
            "union1d setdiff1d setxor1d unique_all unique_counts unique_inverse unique_values"
        ),
        "the values alone, np.savez('net.npz', W=`t.data`)": "savetxt save savez savez_compressed",
        "`np.logical_xor(t > 0, u > 0)`": "bitwise_xor",
        "`td.sigmoid(t)`": "expit",
        "`td.log_sigmoid(t)`": "log_expit",
        "`td.softmax(t, axis=1)`": "softmax",
        "`np.log(p) - np.log1p(-p)`": "logit",
        "`t * np.log(p)`": "xlogy xlog1py entr rel_entr",
        "the same on the values: `np.frexp(t.data)`": "frexp",
        "the same on the values: `np.nextafter(t.data, np.inf)`": "nextafter",
        "the same on the values: `np.spacing(t.data)`": "spacing",
        "the same on the values: `np.unravel_index([1, 2], t.shape)`": "unravel_index",
        "the same on the values: `np.einsum_path('ij,j->i', S.data, v.data)`": "einsum_path",
    }
)

# Python's operators that have no rule.
OPERATORS = {
    "^": "`t ** 2` is a power, `(t > 0) != (u > 0)` exclusive or",
}

# What to do where a Tensor would become a plain array.
LOST = (
    "Tensors in a list: `td.array([[v, v], [v, v]])`, `td.mean([v, v])`, `td.r_[v, 1.0]`; "
    "a product with an array: `S.data @ v`; a value everywhere: `v[0] * np.ones(3)`; random "
    "numbers: `v + np.random.default_rng(0).normal(size=3)`; a sparse matrix of SciPy's: "
    "td.matmul(sparse, t); pandas: first .to_numpy() of theirs; windows by as_strided: "
    "np.lib.stride_tricks.sliding_window_view(t, 3, axis=1)"
)

# Functions of SciPy's that are no ufuncs, by name; what the others want is in `PLAIN`.
SCIPY = _by_name(
    {
        "`td.logsumexp(t, axis=1)`": "logsumexp",
        "`td.softmax(t, axis=1)`": "softmax",
        "`td.log_softmax(t, axis=1)`": "log_softmax",
        "`np.linalg.solve(S, v)`": "solve",
        "`np.linalg.inv(S)`": "inv",
        "`np.linalg.det(S)`": "det",
        "`np.linalg.cholesky(S @ S.T)`": "cholesky cho_factor",
        "`np.linalg.eigh(S @ S.T)`": "eigh",
        "`np.linalg.norm(S)`": "norm",
    }
)

# What to do where SciPy computes.
PLAIN = (
    "give it derivatives, `td.grad(f)`, `td.jacobian(f)`, and a function of plain arrays; a "
    "gradient through its result is a `td.custom_vjp`, or steps that you write in NumPy"
)

# Methods of NumPy's ufuncs: `np.add.reduce` and the like.
UFUNC_METHODS = {
    "reduce": "`np.sum(t)`, `np.prod(t)`, `np.max(t)` or `np.min(t)`",
    "accumulate": "`np.cumsum(t)`, `np.maximum.accumulate(t)` and the like",
    "at": "`td.scatter_add(v, [0, 0, 1], shape=(2,))`, which adds at positions in a new array",
    "reduceat": "`np.sum(t[:, :2], axis=1)` for each part",
}


def advice(table: Mapping[str, str], name: str, known: Iterable[str] = ()) -> str:
    """What an error about a name adds: `; instead: ...`, or the known name that is nearest."""
    if name in table:
        return f"; instead: {table[name]}"
    from difflib import get_close_matches  # an error may take its time, an import may not

    near = get_close_matches(name, [k for k in known if not k.startswith("_")], n=1, cutoff=0.75)
    return f"; did you mean {near[0]!r}?" if near else ""
