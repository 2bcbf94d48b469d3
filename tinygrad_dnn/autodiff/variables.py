"""One call of a function on fresh variables: what transforms differentiate."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_dnn.autodiff.backward_args import one_of
from tinygrad_dnn.autodiff.pytree import PASSING, flatten, mapped, paths, rebuild
from tinygrad_dnn.autodiff.tensor import Tensor, pull, variable
from tinygrad_dnn.graph import Node, mode, trace, traced
from tinygrad_dnn.graph.mode import MODE
from tinygrad_dnn.graph.node import tick

Argnums = int | str | Sequence[int | str]


class Run:
    """One call of a function on fresh variables: what came out, and the variables themselves.

    Attributes:
        results: the Tensors among what the function returned, in order.
        aux: what it returned beside, with has_aux.
        variables, nodes: one per array that it is differentiated by.

    Args:
        single: whether one Tensor is expected, and no structure of several.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        argnums: Sequence[int | str],
        *,
        single: bool = False,
        has_aux: bool = False,
    ) -> None:
        given: dict[int | str, Any] = dict(enumerate(args))
        given.update(kwargs.items())
        places = [_place(f, i, len(args), kwargs) for i in argnums]
        if len({*places}) < len(places):
            raise ValueError(f"argnums: {[*argnums]} name one argument twice")
        self._trees = [given[place] for place in places]
        self._known: dict[Node, bool] = {}  # what was found to depend on something outside
        self._layouts: list[Any] = []
        self._leaves: list[list[Any]] = []
        self.recording = MODE.get().recording
        began = min(tick(), MODE.get().since)
        with mode(recording=True, since=began):
            for place, tree in zip(places, self._trees, strict=True):
                leaves, layout = flatten(tree, records=True)
                if layout is None:
                    leaves = [variable(tree)]
                else:
                    leaves = [_variable(x, tree, k) for k, x in enumerate(leaves)]
                    _refuse_nothing(leaves, tree)
                self._leaves.append(leaves)
                self._layouts.append(layout)
                given[place] = rebuild(layout, leaves)
            self.variables = [x for leaves in self._leaves for x in leaves if _is_variable(x)]
            self.nodes = [v.node for v in self.variables]  # f may write into a variable
            self._fresh = frozenset(self.nodes)
            value = f(*(given[i] for i in range(len(args))), **{k: given[k] for k in kwargs})
        self.aux: Any = None
        if has_aux:
            if not isinstance(value, tuple) or len(value) != 2:
                raise TypeError(
                    "has_aux=True: expected the function to return (what is differentiated, "
                    f"anything else), got {_kind(value)}"
                )
            value, self.aux = value
        self._out, self._out_layout = flatten(value, records=True)
        if single or self._out_layout is None:
            if not isinstance(value, Tensor):
                raise TypeError(_no_tensor(value))
            self._out, self._out_layout = [value], None
        for k, x in enumerate(self._out):
            if type(x) not in PASSING and not isinstance(x, Tensor):
                at = paths(value, records=True)[k]
                raise TypeError(f"{at} of what the function returned: {_no_tensor(x)}")
        self.results: list[Tensor] = [x for x in self._out if isinstance(x, Tensor)]
        if not self.results:
            raise TypeError(_no_tensor(value))

    def outside(self, ys: Iterable[Tensor]) -> bool:
        """Whether ys depend on Tensors requiring gradients that this run did not make."""
        if traced():
            return True
        if not self.recording:
            return False  # inside no_grad() nothing outside is waiting for a gradient
        return any(self._depends(y.node) for y in ys)

    def _depends(self, node: Node) -> bool:
        if node not in self._known:
            self._known[node] = any(
                leaf.requires_grad and leaf not in self._fresh for leaf in trace([node]).leaves
            )
        return self._known[node]

    def pull(
        self, ys: Sequence[Tensor], seeds: Sequence[Any], create_graph: bool, free: bool = False
    ) -> list[Any]:
        """The gradient for each variable, zeros where ys do not depend on it."""
        roots = [(y.node, g) for y, g in zip(ys, seeds, strict=True) if y.requires_grad]
        found: dict[Node, Any] = {}
        if roots:
            nodes, gs = zip(*roots, strict=True)
            found = pull(nodes, gs, wanted=self.nodes, free=free, create_graph=create_graph)
        return [
            found[node] if node in found else np.zeros_like(v._array)
            for node, v in zip(self.nodes, self.variables, strict=True)
        ]

    def slopes(self, create_graph: bool = False) -> list[Any]:
        """The gradient, for each variable, of the one number that the function returned."""
        (y,) = self.results
        if y.size != 1:
            raise ValueError(
                f"grad: expected the function to return one number, got shape {y.shape}; "
                "reduce it (sum, mean), or use vjp or jacobian"
            )
        create_graph = create_graph or self.outside([y])
        free = not create_graph and not self.needed()
        return self.pull([y], [one_of(y)], create_graph, free)

    def close(self) -> None:
        """Whatever lies around this run sees its variables as constants from now on."""
        for node in self.nodes:
            if node.op is None:
                node.requires_grad = False

    def grouped(self, flat: Sequence[Any], single: bool) -> Any:
        """One value per variable in the structure of the arguments, None for what is none."""
        at = iter(flat)
        groups = [
            rebuild(layout, [next(at) if _is_variable(x) else None for x in leaves])
            for layout, leaves in zip(self._layouts, self._leaves, strict=True)
        ]
        return groups[0] if single else tuple(groups)

    def returned(self, flat: Sequence[Any]) -> Any:
        """One value per result in the structure of what the function returned."""
        at = iter(flat)
        found = [next(at) if isinstance(x, Tensor) else None for x in self._out]
        return rebuild(self._out_layout, found)

    def values(self) -> Any:
        """What the function returned: Tensors where they depend on something outside."""
        return rebuild(self._out_layout, [self.plain(x) for x in self._out])

    def side(self) -> Any:
        """What the function returned beside, in the same way."""
        return mapped(self.plain, self.aux)

    def plain(self, x: Any) -> Any:
        """A Tensor's array, but for one that depends on something outside; others as they are."""
        return x._array if isinstance(x, Tensor) and not self.outside([x]) else x

    def needed(self) -> bool:
        """Whether somebody may still ask for a gradient through what the function returned."""
        tensors = [x for x in flatten(self.aux, records=True)[0] if isinstance(x, Tensor)]
        return self.outside([*self.results, *tensors])

    def of_arguments(self, trees: Sequence[Any], who: str) -> list[Any]:
        """One array per variable from values in the structure of the arguments.

        Raises:
            ValueError: the structure or a shape is another.
        """
        if len(trees) != len(self._trees):
            raise ValueError(f"{who} {len(self._trees)} arrays, got {len(trees)}")
        flat = []
        for tree, leaves, given in zip(self._trees, self._leaves, trees, strict=True):
            found = matched(tree, given, who)
            flat += [x for x, v in zip(found, leaves, strict=True) if _is_variable(v)]
        return [_fitted(x, v, who) for x, v in zip(flat, self.variables, strict=True)]

    def of_results(self, tree: Any, who: str) -> list[Any]:
        """One array per result from values in the structure of what the function returned."""
        if self._out_layout is None:
            flat = [tree]
        else:
            found = matched(rebuild(self._out_layout, self._out), tree, who)
            flat = [x for x, y in zip(found, self._out, strict=True) if isinstance(y, Tensor)]
        return [_fitted(x, y, who) for x, y in zip(flat, self.results, strict=True)]


def matched(tree: Any, given: Any, who: str) -> list[Any]:
    """The leaves of what is given, whose structure must be that of a tree."""
    expected = paths(tree, records=True)
    if expected == [""]:
        return [given]
    found = dict(zip(paths(given, records=True), flatten(given, records=True)[0], strict=True))
    if found.keys() != {*expected}:
        missing = [path for path in expected if path not in found]
        more = [path for path in found if path not in expected]
        told = f"{missing[0]} is missing" if missing else f"there is no {more[0]}"
        raise ValueError(f"{who} {len(expected)} arrays, got {len(found)}: {told}")
    return [found[path] for path in expected]


def _fitted(x: Any, v: Tensor, who: str) -> Any:
    """An array of the shape and dtype of a Tensor's; a Tensor stays one."""
    x = x if isinstance(x, Tensor) else np.asarray(x) if not hasattr(x, "dtype") else x
    if x.shape != v.shape:
        raise ValueError(f"{who} shape {v.shape}, got {x.shape}")
    return x if x.dtype == v.dtype else x.astype(v.dtype)


def _is_variable(x: Any) -> bool:
    return isinstance(x, Tensor)


def _variable(x: Any, tree: Any, k: int) -> Any:
    """The variable for leaf k of a tree; None, a whole number or a text stays what it is."""
    if type(x) in PASSING:
        return x
    try:
        return variable(x)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"{paths(tree, records=True)[k]} of what is differentiated: {error}; what is no "
            "parameter goes into an argument of its own"
        ) from None


def _refuse_nothing(leaves: Sequence[Any], tree: Any) -> None:
    if leaves and not any(map(_is_variable, leaves)):
        raise ValueError(
            "argnums: nothing here can be differentiated by: "
            + ", ".join(
                f"{at} is {x!r}" for at, x in zip(paths(tree, records=True), leaves, strict=True)
            )
            + "; parameters are floats, write 3.0 for 3"
        )


def _kind(value: Any) -> str:
    several = isinstance(value, (tuple, list))
    return f"a {type(value).__name__}" + (f" of {len(value)}" if several else "")


def _no_tensor(value: Any) -> str:
    several = isinstance(value, (tuple, list, dict))
    return (
        "expected the function to return a Tensor computed from the arguments it is "
        f"differentiated by, got {type(value).__name__}: "
        + (
            "return the one that is differentiated, and the others beside it with has_aux=True"
            if several
            else "either it does not use them, or it leaves the graph (.item(), .data)"
        )
    )


def _place(f: Any, i: int | str, n: int, kwargs: Mapping[str, Any]) -> int | str:
    """Where an argument is among those given: its position, or its name among the keywords."""
    if isinstance(i, int):
        if not -n <= i < n:
            raise ValueError(f"argnums: there is no argument {i} among the {n} given")
        return i % n
    if i in kwargs:
        return i
    try:
        names = [
            p.name
            for p in inspect.signature(f).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
    except ValueError:  # some of those written in C do not tell
        names = []
    if i in names[:n]:
        return names.index(i)
    raise ValueError(
        f"argnums: no argument {i!r} was given"
        + (f"; by position there are {', '.join(names[:n])}" if names else "; say its position")
    )


def selected(argnums: Argnums) -> tuple[list[int | str], bool]:
    """The arguments that are asked for, and whether it is one alone."""
    if isinstance(argnums, (int, str)):
        return [argnums], True
    numbers = list(argnums) if isinstance(argnums, Iterable) else [argnums]
    if not all(isinstance(i, (int, str)) for i in numbers):
        raise TypeError(
            f"argnums: expected the position of an argument (0 is the first) or its name, or "
            f"several, got {argnums!r}"
        )
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"argnums: expected different arguments, at least one, got {argnums}")
    return numbers, False


def refuse_no_function(f: Any, who: str) -> None:
    """Raise TypeError for what can't be called."""
    if not callable(f):
        raise TypeError(
            f"{who}: expected a function, got {type(f).__name__}; of a recorded Tensor y that is "
            "y.backward() or gradients(y, x)"
        )
