"""Problems of a graph: NaN and infinities, gradients that are 0 or missing, a checker's blame.

Whoever draws marks these nodes and gives the reason. Only NumPy arrays are looked at: a lazy array
would have to be computed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from tinygrad_dnn.autodiff.debug import birth
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.formula.constants import constant
from tinygrad_dnn.formula.text import formulas
from tinygrad_dnn.graph import Graph, Node, describe, trace

LONGEST = 40  # of a formula in a reason


class Problem(NamedTuple):
    """Why a node is marked, and whether what is wrong begins there or came to it from elsewhere."""

    reason: str
    origin: bool


def problems(
    graph: Graph,
    values: Mapping[Node, Any],
    gradients: Mapping[Node, Any],
    named: Mapping[Node, str],
    blame: Mapping[Any, str] | None = None,
    back: bool = False,
) -> dict[Node, Problem]:
    """Return the problems of a graph by node: values first, then gradients, then what others found.

    Infinities that were given (a mask's −∞) and what follows from them are none, unless a NaN comes
    of them, a gradient that is not finite or an infinite cost.

    Args:
        graph: a `tinygrad_dnn.Graph`.
        values: what its nodes hold. What is not there is not judged, nor is anything said to begin
            in what was computed from it.
        gradients: what came back to them; empty where nothing was differentiated.
        named: what reasons call the nodes; others are called by their formula.
        blame: reasons found elsewhere, by Tensor, node or name.
        back: the backward pass is part of the graph; what is not finite there is reported there.

    Raises:
        ValueError: blame of what is not in the graph.
        TypeError: blame is no mapping, or blames something else than a Tensor, node or name.
    """
    words = Words(graph, named)
    forward, origins, births = _bad_values(graph, values, words)
    slopes, sources = _bad_gradients(graph, {} if back else gradients, origins, words)
    harmless = _given(graph, values, forward, births, sources)
    found: dict[Node, list[Problem]] = {}
    for part in (
        {node: problem for node, problem in forward.items() if node not in harmless},
        slopes,
        _idle_parameters(graph, values, gradients, words),
        _blamed(graph, named, blame),
    ):
        for node, problem in part.items():
            found.setdefault(node, []).append(problem)
    return {
        node: Problem("; ".join(p.reason for p in several), any(p.origin for p in several))
        for node, several in found.items()
    }


def at_hosts(found: Mapping[Node, Problem], hosts: Mapping[Node, Node]) -> dict[Node, Problem]:
    """Problems where they are seen: those of a step drawn inside its host, at the host.

    What began in one of several steps counts, not what came of it in the others.
    """
    together: dict[Node, list[Problem]] = {}
    for node, problem in found.items():
        together.setdefault(hosts.get(node, node), []).append(problem)
    seen: dict[Node, Problem] = {}
    for node, several in together.items():
        began = [p for p in several if p.origin]
        reasons = dict.fromkeys(p.reason for p in began or several[:1])
        seen[node] = Problem("; ".join(reasons), bool(began))
    return seen


class Words:
    """The words for nodes in reasons: a name or, written when first asked for, a formula."""

    def __init__(self, graph: Graph, named: Mapping[Node, str]) -> None:
        self.graph, self.named = graph, named

    @cached_property
    def formulas(self) -> dict[Node, str]:
        """The formula of every op."""
        return formulas(self.graph, self.named, LONGEST)

    def of(self, x: Any) -> str:
        """`A2`, `1 − A2`, `0.5`, `[1, 2]`."""
        if not isinstance(x, Node):
            return constant(x, self.named)[0]
        return self.named.get(x) or self.formulas.get(x) or describe(x)


def _known(x: Any) -> Any:
    """The numbers that may be looked at: a NumPy array; None where there are none."""
    x = x.numpy() if isinstance(x, Tensor) else x
    x = np.asarray(x) if isinstance(x, (np.generic, float, int)) else x
    return x if isinstance(x, np.ndarray) else None


def _is_bad(x: Any) -> bool:
    return x is not None and x.dtype.kind == "f" and not np.isfinite(x).all()


def _amount(x: Any) -> str:
    """`3 NaN and 1 inf, the first at [0, 2]`, `1 NaN at [3]`; of a single number `NaN`."""
    nan, inf = np.isnan(x), np.isinf(x)
    if x.size == 1:
        return "NaN" if nan.any() else str(x.item())
    counts = {"NaN": np.count_nonzero(nan), _infinite(x[inf]): np.count_nonzero(inf)}
    text = " and ".join(f"{n:,} {kind}" for kind, n in counts.items() if n)
    first = [int(i) for i in np.unravel_index(int(np.argmax(nan | inf)), x.shape)]
    return f"{text} at {first}" if sum(counts.values()) == 1 else f"{text}, the first at {first}"


def _holds(x: Any) -> str:
    return "holds" if x.size > 1 else "is"


def _kinds(x: Any) -> str:
    """`NaN`, `inf` or `NaN and inf`."""
    inf = np.isinf(x)
    kinds = {"NaN": np.isnan(x).any(), _infinite(x[inf]): inf.any()}
    return " and ".join(kind for kind, there in kinds.items() if there)


def _infinite(x: Any) -> str:
    return "-inf" if x.size and (x < 0).all() else "inf"


# --- values ---------------------------------------------------------------------------------------

Origins = dict[Node, Node | None]  # for what is not finite: where that began, None if unknown


def _bad_values(
    graph: Graph, values: Mapping[Node, Any], words: Words
) -> tuple[dict[Node, Problem], Origins, set[Node]]:
    """NaN and inf: where they begin and from what numbers, what they came to, and what is new."""
    found: dict[Node, Problem] = {}
    origins: Origins = {}
    new: set[Node] = set()
    for node in graph:
        z = _known(values.get(node))
        if not _is_bad(z):
            continue
        arrays = [_known(values.get(x) if isinstance(x, Node) else x) for x in node.inputs]
        known = all(a is not None for a in arrays)
        born = birth(node.op, node.inputs, arrays, z) if known and node.op else None
        came = next((x for x in node.parents if x in origins), None)
        reason, origin = _amount(z), node if known else None
        if born is not None:
            new.add(node)
            reason += f", from {_numbers(node, born.given, words)}{born.cause}"
        elif came is not None:
            origin = origins[came]
            reason = reason if origin is None else f"{_kinds(z)}, from {words.of(origin)}"
        elif known and node.op is not None:
            held = next(x for x, a in zip(node.inputs, arrays, strict=True) if _is_bad(a))
            reason += f", from {words.of(held)}"
        if origin is node:
            reason = f"{words.of(node)} {_holds(z)} {reason}"
        origins[node] = origin
        found[node] = Problem(reason, origin is node)
    return found, origins, new


def _given(
    graph: Graph,
    values: Mapping[Node, Any],
    bad: Collection[Node],
    new: Collection[Node],
    sources: Collection[Node],
) -> set[Node]:
    """Those of the bad whose infinities were given, or follow from such, and do no harm.

    Harm is a NaN, an infinite cost, and to be the source of a gradient that is not finite.
    """
    given: set[Node] = set()
    harm: list[Node] = [node for node in bad if node in sources]
    for node in bad:
        z = _known(values[node])
        read = [_known(values.get(x) if isinstance(x, Node) else x) for x in node.inputs]
        if _has_nan(z):
            harm.append(node)
        elif node in new:
            continue
        elif (
            all(x in given for x in node.parents if x in bad)
            and not any(x is None or _has_nan(x) for x in read)
            and not (node.op is None and node.requires_grad)
        ):
            given.add(node)
        if node not in given or (z.size == 1 and node in graph.outputs):
            harm.append(node)
    for node in harm:  # and what it came from
        given.discard(node)
        harm += [x for x in node.parents if x in given]
    return given


def _has_nan(x: Any) -> bool:
    return x.dtype.kind == "f" and bool(np.isnan(x).any())


def _numbers(node: Node, given: Iterable[str], words: Words) -> str:
    """The inputs' numbers, `1 − A2 = 0.0`; a constant number says itself."""
    texts = (
        words.of(x) + (number if isinstance(x, Node) or np.shape(x) else "")
        for x, number in zip(node.inputs, given, strict=True)
    )
    return ", ".join(dict.fromkeys(texts))


# --- gradients ------------------------------------------------------------------------------------


def _bad_gradients(
    graph: Graph, gradients: Mapping[Node, Any], forward: Origins, words: Words
) -> tuple[dict[Node, Problem], set[Node]]:
    """NaN and inf on the way back: in which op they began, and what they came to; and of what is
    bad on the way forward, what they come from.
    """
    bad = {node: g for node in graph if _is_bad(g := _known(gradients.get(node)))}
    users: dict[Node, list[Node]] = {}
    for node in graph if bad else ():
        for i in node.wanted:
            users.setdefault(node.inputs[i], []).append(node)
    found: dict[Node, Problem] = {}
    origins: Origins = {}
    for node in reversed(graph):
        if node not in bad:
            continue
        uses = users.get(node, [])
        came = next((origins[u] for u in uses if u in origins), None)
        came = came or next((forward[x] for x in [node, *uses] if x in forward), None)
        known = all(_known(gradients.get(u)) is not None for u in uses)
        reason = f"gradient {_holds(bad[node])} {_amount(bad[node])}"
        origins[node] = came
        if came is None and known and uses:
            origins[node] = u = next((u for u in uses if u.op.remedy), uses[0])
            slope = f"the slope of {words.of(u)}{u.op.remedy}"
            reason = reason.replace("gradient", f"gradient of {words.of(node)}", 1)
            reason += f", from {slope}"
        elif came is None and not known:
            came = origins[node] = next(iter(forward.values()), None)
        if came is not None:
            reason = f"gradient {_kinds(bad[node])}, from {words.of(came)}"
        found[node] = Problem(reason, came is None and known)
    return found, {x for x in origins.values() if x in forward}


def _idle_parameters(
    graph: Graph, values: Mapping[Node, Any], gradients: Mapping[Node, Any], words: Words
) -> dict[Node, Problem]:
    """Parameters that would not learn: a gradient of exactly 0, or none though others have one."""
    parameters = [leaf for leaf in graph.leaves if leaf.requires_grad]
    moving = next((p for p in parameters if gradients.get(p) is not None), None)
    if moving is None:
        return {}
    idle: dict[Node, str] = {}
    for p in parameters:
        g = _known(gradients.get(p))
        if gradients.get(p) is None:
            idle[p] = f"no gradient, although {words.of(moving)} has one"
        elif g is not None and g.size and not g.any():
            idle[p] = "gradient is exactly 0"
    ways = _ways_back(graph, values, words) if idle else {}
    return {p: Problem(f"{what}: {ways[p]}" if ways[p] else what, True) for p, what in idle.items()}


def _ways_back(graph: Graph, values: Mapping[Node, Any], words: Words) -> dict[Node, str]:
    """For what a gradient should flow to: "" where one can, or else what is in its way.

    Of several obstacles in a row it is the one nearest to the output: behind it all is 0.
    """
    ways = dict.fromkeys(graph.outputs, "")
    for node in reversed(trace(graph.outputs)):  # a backward pass drawn beside it is no way back
        wanted = frozenset(node.wanted)
        for i, x in enumerate(node.inputs):
            if not isinstance(x, Node) or not x.requires_grad or ways.get(x) == "":
                continue
            if i not in wanted:
                way = _withheld(node, i, words)
            else:
                way = ways.get(node) or _flat(node, i, values, words)
            if not way or x not in ways:
                ways[x] = way
    return ways


def _withheld(node: Node, i: int, words: Words) -> str:
    """Why an op passes no gradient to its input i at all."""
    formula = words.formulas[node]
    if node.op.stops:
        return f"{formula} lets none through"
    if node.op.differentiable and not node.op.many and node.op.rule(i) is None:
        return f"{formula} has no slope in its {node.op.arrays[i]}"
    return f"{formula} has no slope"


def _flat(node: Node, i: int, values: Mapping[Node, Any], words: Words) -> str:
    """Why a rule gives its input i exactly 0 whatever comes back to it; "" if it does not."""
    z, *xs = (_known(values.get(x) if isinstance(x, Node) else x) for x in (node, *node.inputs))
    if z is None or node.op.many or any(x is None for x in xs):
        return ""
    g = np.random.default_rng(0).standard_normal(z.shape).astype(z.dtype)
    with np.errstate(all="ignore"):
        back = _known(node.op.pulls[i](g, (z, *xs), node, i))
    if back is None or back.any():
        return ""
    formula = words.formulas[node]
    if node.op.flat:
        return str(node.op.flat).format(formula)
    if node.op.selects:
        return f"{formula} takes nothing of it"
    for k, x in enumerate(xs):
        if k != i and not x.any():
            return f"{words.of(node.inputs[k])} is 0 everywhere"
    return f"{formula} has slope 0 everywhere"


# --- what others found ----------------------------------------------------------------------------


def _blamed(
    graph: Graph, named: Mapping[Node, str], blame: Mapping[Any, str] | None
) -> dict[Node, Problem]:
    """Blame by Tensor, node or name (of all that bear it)."""
    if not isinstance(blame, (Mapping, type(None))):
        raise TypeError(
            f"blame: expected a mapping of Tensor, node or name to a reason, got "
            f"{type(blame).__name__}; write blame={{'W1': 'differs from the measured gradient'}}"
        )
    there = set(graph)
    bearers: dict[str, list[Node]] = {}
    for node in graph:
        if node in named:
            bearers.setdefault(named[node], []).append(node)
    found: dict[Node, Problem] = {}
    for who, reason in (blame or {}).items():
        node = who.node if isinstance(who, Tensor) else who
        if not isinstance(node, (Node, str)):
            raise TypeError(f"blame: expected a Tensor, node or name, got {type(who).__name__}")
        nodes = bearers.get(node, []) if isinstance(node, str) else [node]
        if not nodes or not there.issuperset(nodes):
            known = ", ".join([*bearers][:20]) + (", ..." if len(bearers) > 20 else "")
            what = repr(node) if isinstance(node, str) else describe(node)
            raise ValueError(f"blame: {what} is not in this graph; its names are {known or 'none'}")
        found |= {node: Problem(str(reason), True) for node in nodes}
    return found
