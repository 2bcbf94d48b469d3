"""Where a run stands: everything that going on bit for bit needs, as arrays by name too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_dnn.array_modules import to_host
from tinygrad_dnn.loops.loop import Snapshot
from tinygrad_dnn.optim.schedules import Waiting

Array = NDArray[Any]
RULE, BEST, LAST = "rule", "best", "last"  # heads of names in `State.carried`


@dataclass(frozen=True)
class State:
    """Where a run stands after `iteration` complete iterations; never changed, only replaced.

    Attributes:
        parameters: W1, b1, ..., as they are trained on.
        costs: (iteration, cost): of the full batch every 100th, before its update; of mini-batches
            the mean of each epoch, after its last iteration.
        accumulators: what a loop of fewer operations carries in place of a parameter, see
            `loops.Snapshot`.
        optimizer: the state of the update rule.
        random_state: of the Generator where the present epoch began; None where nothing is drawn.
        epoch_cost, epoch_examples: Σ cost · examples, and their number, over the iterations of the
            present epoch.
        validation: (iteration, cost) on the validation examples, where costs are.
        plateau: where "plateau" stands; None before the first cost.
        best: what early stopping remembers, {"parameters", "cost", "waited"}; None before.
        stopped: whether it has ended the run.
        layout: of examples that are read in batches, (rows of a block, blocks of a window), which
            the order hangs on; None where they are in memory.
    """

    parameters: Mapping[str, Array]
    iteration: int = 0
    costs: tuple[tuple[int, float], ...] = ()
    accumulators: Mapping[str, Array] = field(default_factory=dict)
    optimizer: Mapping[str, Any] = field(default_factory=dict)
    random_state: Mapping[str, Any] | None = None
    epoch_cost: float = 0.0
    epoch_examples: int = 0
    validation: tuple[tuple[int, float], ...] = ()
    plateau: Waiting | None = None
    best: Mapping[str, Any] | None = None
    stopped: bool = False
    layout: tuple[int, int] | None = None

    @property
    def chosen(self) -> Mapping[str, Array]:
        """The parameters to predict with: the best that early stopping saw, else the present."""
        parameters: Mapping[str, Array]
        parameters = self.parameters if self.best is None else self.best["parameters"]
        return parameters

    def carried(self) -> dict[str, Array]:
        """All but `chosen`, counts, costs and the random state, as arrays by name."""
        found: dict[str, Array] = {}
        for part, x in self.optimizer.items():
            if isinstance(x, Mapping):
                found |= {f"{RULE}.{part}.{name}": p for name, p in x.items()}
            else:
                found[f"{RULE}.{part}"] = np.asarray(to_host(x), dtype=np.int64)
        if self.epoch_examples:
            found["epoch.cost"] = np.asarray(self.epoch_cost)
            found["epoch.examples"] = np.asarray(self.epoch_examples)
        for head, numbers in (("plateau", self.plateau), (BEST, self.best)):
            if numbers is not None:
                found |= {
                    f"{head}.{name}": np.asarray(x)
                    for name, x in numbers.items()
                    if name != "parameters"
                }
        if self.layout is not None:
            found["layout"] = np.asarray(self.layout, dtype=np.int64)
        if self.best is not None:
            found |= {f"{LAST}.{name}": p for name, p in self.parameters.items()}
            found["stopped"] = np.asarray(int(self.stopped))
        return found

    def moved(self, move: Callable[[Any], Any]) -> State:
        """The same state with `move` of every array that is computed with, when it is looked at."""

        def later(tree: Mapping[str, Any]) -> Mapping[str, Any]:
            return LazyArrays(lambda: _moved(move, tree))

        best = self.best
        return replace(
            self,
            parameters=later(self.parameters),
            accumulators=later(self.accumulators),
            optimizer=later(self.optimizer) if self.optimizer else {},
            best=best and {**best, "parameters": later(best["parameters"])},
        )

    @classmethod
    def restored(
        cls, chosen: Mapping[str, Array], carried: Mapping[str, Array], **others: Any
    ) -> State:
        """The state whose `chosen` and `carried()` these are; `others` are its other fields."""
        optimizer: dict[str, Any] = {}
        for name, x in _under(RULE, carried).items():
            part, _, parameter = name.partition(".")
            if parameter:
                optimizer.setdefault(part, {})[parameter] = x
            else:
                optimizer[part] = x
        plateau = {name: x.item() for name, x in _under("plateau", carried).items()}
        best = {name: x.item() for name, x in _under(BEST, carried).items()}
        return cls(
            _under(LAST, carried) if best else chosen,
            optimizer=optimizer,
            epoch_cost=float(carried.get("epoch.cost", 0.0)),
            epoch_examples=int(carried.get("epoch.examples", 0)),
            plateau=Waiting(**plateau) if plateau else None,  # type: ignore[typeddict-item]
            best={"parameters": dict(chosen), **best} if best else None,
            stopped=bool(carried.get("stopped", False)),
            layout=tuple(carried["layout"].tolist()) if "layout" in carried else None,
            **others,
        )


def _under(head: str, carried: Mapping[str, Array]) -> dict[str, Array]:
    return {n.removeprefix(f"{head}."): x for n, x in carried.items() if n.startswith(f"{head}.")}


def _moved(move: Callable[[Any], Any], tree: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _moved(move, x) if isinstance(x, Mapping) else move(x) for name, x in tree.items()
    }


class LazyArrays(Mapping[str, Any]):
    """Arrays by name, put together when they are first looked at.

    Attributes:
        snapshot: of the loop that carries them; None where they are of none.
    """

    def __init__(
        self, make: Callable[[], dict[str, Any]], snapshot: Snapshot | None = None
    ) -> None:
        self._make, self.snapshot = make, snapshot

    @cached_property
    def _found(self) -> dict[str, Any]:
        return self._make()

    def __getitem__(self, name: str) -> Any:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __reduce__(self) -> Any:
        return dict, (self._found,)
