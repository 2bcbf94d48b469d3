"""The settings of a run, each checked when they are made, and the network that they describe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from tinygrad_dnn import network, optim
from tinygrad_dnn.array_modules import to_host
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.former_names import former_arguments, warn_former
from tinygrad_dnn.graph import no_grad
from tinygrad_dnn.network import ACTIVATIONS, COSTS, INITIALISERS, check_layers
from tinygrad_dnn.optim import OPTIMISERS, Optimiser, Plateau, Schedule, check_learning_rate

DTYPES = ("float64", "float32")
SCHEDULES = ("constant", "step", "cosine", "plateau")
# The numbers of each update rule, which have the defaults of `optim`.
NUMBERS = {
    "sgd": (),
    "momentum": ("beta", "dampening"),
    "nesterov": ("beta",),
    "rmsprop": ("beta", "epsilon"),
    "adagrad": ("epsilon",),
    "adam": ("beta1", "beta2", "epsilon"),
    "adamw": ("beta1", "beta2", "epsilon"),
}
FORMER = {"final_rate": "final_learning_rate"}  # settings, by the names that they had
# Learning rates to begin with; that of plain gradient descent depends on the problem most.
RATES = {
    "sgd": 0.0075,
    "momentum": 0.01,
    "nesterov": 0.01,
    "rmsprop": 0.001,
    "adagrad": 0.01,
    "adam": 0.001,
    "adamw": 0.001,
}


@dataclass(frozen=True)
class Settings:
    """The settings that determine a run, besides its data. Checked when made.

    None leaves a thing out, or to the rule's own default. A setting that nothing would read is
    refused: `beta1` with "momentum", `schedule_patience` with "cosine".

    Attributes:
        layer_dims: (n_x, n_1, ..., n_L).
        learning_rate: the step α.
        seed: of `network.initialize_parameters`, and of the stream that shuffles and drops.
        init: of `network.initialize_parameters`.
        dtype: "float64" or "float32", of parameters and arithmetic.
        cost: a row of `network.COSTS`, which also says the head.
        compiled: run the iteration as a compiled program, whose rewritten cost stays finite where
            an output is 0 or 1; otherwise exactly what is written, op by op.
        activation: of the hidden layers, a row of `network.ACTIVATIONS`.
        optimizer: a row of `optim.OPTIMISERS`; its numbers are `beta`, `dampening`, `beta1`,
            `beta2` and `epsilon`.
        weight_decay: λ of `optim.weight_decay`, on the weights Wl; 0.01 by default under "adamw".
        batch_size: of mini-batches, drawn anew in each epoch; None for the full batch.
        l2: λ of λ/2m Σ W², with m all training examples whatever the size of a batch.
        dropout: the share of hidden units that are left out, 0 ≤ · < 1.
        label_smoothing: ε of the labels, see `network.labels.smoothed`.
        class_weight: "balanced", or a weight for each class, "1,5"; see `network.example_weights`.
        clip_norm, clip_value: of `optim.clip_by_norm` and `optim.clip_by_value`.
        schedule: "constant", "step", "cosine" or "plateau", of `optim`.
        schedule_steps: iterations that "cosine" takes, or from cut to cut of "step".
        schedule_factor: of a cut; 0.1 by default.
        schedule_patience: records without gain before "plateau" cuts; 10 by default.
        final_learning_rate: where the schedule ends, above 0.
        warm_up: iterations in which the rate grows to the first of the schedule.
        validation: the share of the examples kept apart, see `keep_validation`.
        fold: instead of a share the kth of n folds, "k/n", of `data.fold`; which examples it holds
            does not depend on the seed.
        early_stopping: records without gain on the validation examples before training ends.
        shards: parts of the examples whose gradients are computed apart, on other machines if one
            likes, and summed in the order of the parts; None for all at once. See `train.shards`.
        local_steps: K of local SGD: each shard takes K steps by itself, then the parameters and
            the optimiser's arrays are averaged.
        memory: megabytes (2**20 bytes) in which the batches are read from a file by
            `train_streamed`; their order hangs on it. None for examples in memory.

    Raises:
        ValueError: one of them can't be used; the message names it.
    """

    layer_dims: tuple[int, ...]
    learning_rate: float = 0.0075
    seed: int = 1
    init: str = "sqrt"
    dtype: str = "float64"
    cost: str = "document"
    compiled: bool = True
    activation: str = "relu"
    optimizer: str = "sgd"
    beta: float | None = None
    dampening: float | None = None
    beta1: float | None = None
    beta2: float | None = None
    epsilon: float | None = None
    weight_decay: float | None = None
    batch_size: int | None = None
    l2: float = 0.0
    dropout: float = 0.0
    label_smoothing: float = 0.0
    class_weight: str | None = None
    clip_norm: float | None = None
    clip_value: float | None = None
    schedule: str = "constant"
    schedule_steps: int | None = None
    schedule_factor: float | None = None
    schedule_patience: int | None = None
    final_learning_rate: float | None = None
    warm_up: int = 0
    validation: float | None = None
    fold: str | None = None
    early_stopping: int | None = None
    shards: int | None = None
    local_steps: int | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        known = {
            "init": INITIALISERS, "dtype": DTYPES, "cost": COSTS, "activation": ACTIVATIONS,
            "optimizer": OPTIMISERS, "schedule": SCHEDULES,
        }  # fmt: skip
        for name, rows in known.items():
            if getattr(self, name) not in rows:
                raise ValueError(
                    f"{name}: expected one of {', '.join(rows)}, got {getattr(self, name)!r}"
                )
        self._set(
            layer_dims=check_layers(self.layer_dims, self.head),
            learning_rate=check_learning_rate(self.learning_rate),
        )
        if not isinstance(self.compiled, (bool, np.bool_)):
            raise ValueError(f"compiled: expected True or False, got {self.compiled!r}")
        self._set(compiled=bool(self.compiled))
        for name, least in (("seed", 0), ("warm_up", 0), ("batch_size", 1), ("schedule_steps", 1),
                            ("schedule_patience", 0), ("early_stopping", 0), ("shards", 1),
                            ("local_steps", 1), ("memory", 1)):  # fmt: skip
            self._whole(name, least, 2**32 - 1 if name == "seed" else None)
        for name, least, below in (
            ("beta", 0, 1), ("dampening", 0, 1), ("beta1", 0, 1), ("beta2", 0, 1),
            ("epsilon", 0, math.inf), ("weight_decay", 0, math.inf), ("l2", 0, math.inf),
            ("dropout", 0, 1), ("label_smoothing", 0, 1), ("clip_norm", 0, math.inf),
            ("clip_value", 0, math.inf), ("schedule_factor", 0, 1),
            ("final_learning_rate", 0, math.inf), ("validation", 0, 1),
        ):  # fmt: skip
            self._real(name, least, below)
        self._check_used()
        if self.fold is not None:
            parse_fold(self.fold)
            if self.validation is not None:
                raise ValueError(
                    "fold: it is what is kept for validation; leave out it or `validation`"
                )
        final = self.final_learning_rate
        if final is not None and not 0 < final <= self.learning_rate:
            raise ValueError(
                "final_learning_rate: expected a schedule that ends above 0 and not above its "
                f"learning rate {self.learning_rate}, got {final}; at 0 nothing is learnt: end the "
                "run there instead"
            )
        self.rule()
        self.rate()
        self.class_weights()

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)  # the dataclass is frozen

    def _whole(self, name: str, least: int, most: int | None) -> None:
        value = getattr(self, name)
        if value is None:
            return
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or value < least or (most is not None and value > most):
            span = f"to {'2**32 - 1' if most == 2**32 - 1 else most}" if most else "on"
            raise ValueError(f"{name}: expected an integer from {least} {span}, got {value!r}")
        self._set(**{name: int(value)})

    def _real(self, name: str, least: float, below: float) -> None:
        value = getattr(self, name)
        if value is None:
            return
        # What must not be 0 either says so below; NaN compares false.
        if isinstance(value, (bool, str)) or not least <= value < below:
            span = f"to below {below}" if below < math.inf else "on"
            raise ValueError(f"{name}: expected a number from {least} {span}, got {value!r}")
        self._set(**{name: float(value)})

    def _check_used(self) -> None:
        """Each setting is read by something."""
        for name in {n for numbers in NUMBERS.values() for n in numbers}:
            self._refuse_unless(name in NUMBERS[self.optimizer], name, "optimizer", self.optimizer)
        readers = {
            "schedule_steps": ("step", "cosine"),
            "schedule_factor": ("step", "plateau"),
            "schedule_patience": ("plateau",),
            "final_learning_rate": ("step", "cosine", "plateau"),
        }
        for name, rows in readers.items():
            self._refuse_unless(self.schedule in rows, name, "schedule", self.schedule)
        if self.schedule in ("step", "cosine") and self.schedule_steps is None:
            raise ValueError(
                f"schedule_steps: the schedule {self.schedule!r} needs the iterations that it takes"
            )
        for name in ("label_smoothing", "class_weight"):
            labels = COSTS[self.cost].head != "linear"
            self._refuse_unless(labels or not getattr(self, name), name, "cost", self.cost)
        if self.dropout and len(self.layer_dims) == 2:
            raise ValueError("dropout: there is no hidden layer to drop units of")
        if self.dropout and self.shards:
            raise ValueError(
                "dropout: its masks are drawn for all examples at once; leave it out, or the "
                "shards (--cluster, --scheduler, --shards)"
            )
        if self.local_steps and not self.shards:
            raise ValueError("local_steps: they are taken by shards; say how many, --shards")
        if self.local_steps and self.batch_size is not None:
            raise ValueError(
                "local_steps: each is on the whole shard; leave out the batch size (--batch-size "
                "all) or the local steps"
            )
        if self.memory and self.batch_size is None:
            raise ValueError("memory: batches are read within it; say their size, --batch-size N")
        if self.memory and self.shards:
            raise ValueError(
                "memory: shards are held by workers; leave out it, or the shards (--cluster, "
                "--scheduler, --shards)"
            )
        for name in ("clip_norm", "clip_value", "validation", "schedule_factor"):
            if getattr(self, name) == 0:
                raise ValueError(f"{name}: expected a number above 0, got 0")

    def _refuse_unless(self, used: bool, name: str, reader: str, row: str) -> None:
        if not used and getattr(self, name) is not None:
            raise ValueError(f"{name}: the {reader} {row!r} has no such setting; leave it out")

    # --- what they describe ----------------------------------------------------------------------

    @property
    def final_rate(self) -> float | None:
        """The former name of `final_learning_rate`."""
        warn_former("Settings", "final_rate", "final_learning_rate")
        return self.final_learning_rate

    @classmethod
    def of(cls, layer_dims: tuple[int, ...], described: Mapping[str, Any]) -> Settings:
        """The settings that `described` gave; what older ones lack has its default.

        Before there were compiled programs, a run was eager.
        """
        defaults = {f.name: f.default for f in fields(cls)}
        now = {FORMER.get(name, name): x for name, x in described.items()}
        given = {
            name: x
            for name, x in now.items()
            if name in defaults and (x is not None or defaults[name] is None)
        }
        return cls(layer_dims, **({"compiled": False} | given))

    def described(self) -> dict[str, Any]:
        """The settings as a flat dict, without the layers."""
        values = asdict(self)
        del values["layer_dims"]
        return values

    @property
    def head(self) -> str:
        """A row of `network.HEADS`, which the cost says."""
        return COSTS[self.cost].head

    @property
    def classes(self) -> int:
        """How many classes the labels tell apart; 0 where they are numbers."""
        return {"sigmoid": 2, "linear": 0}.get(self.head, self.layer_dims[-1])

    @property
    def keeps_validation(self) -> bool:
        """Whether examples are kept apart to measure on."""
        return self.validation is not None or self.fold is not None

    @property
    def loops(self) -> bool:
        """Whether every iteration computes the same of the same data, as the document's does."""
        return (
            self.batch_size is None
            and not self.dropout
            and self.optimizer == "sgd"
            and self.rate_is_constant
            and self.shards is None
        )

    @property
    def rate_is_constant(self) -> bool:
        """Whether the rate can be written into the program."""
        return self.schedule == "constant" and not self.warm_up

    def rule(self) -> Optimiser:
        """The update rule; weights decay, biases don't."""
        given = {n: getattr(self, n) for n in NUMBERS[self.optimizer]}
        numbers = {n: x for n, x in given.items() if x is not None}
        make: Callable[..., Optimiser] = OPTIMISERS[self.optimizer]
        if self.optimizer == "adamw":
            if self.weight_decay is not None:
                numbers["decay"] = self.weight_decay
            return make(**numbers, decays=_is_weight)
        rule = make(**numbers)
        if self.weight_decay:
            return optim.weight_decay(rule, self.weight_decay, decays=_is_weight)
        return rule

    def rate(self) -> Schedule | Plateau:
        """The rate of an iteration without its warm-up, or the plateau that cuts it."""
        least = {} if self.final_learning_rate is None else {"least": self.final_learning_rate}
        factor = {} if self.schedule_factor is None else {"factor": self.schedule_factor}
        if self.schedule == "plateau":
            patience = 10 if self.schedule_patience is None else self.schedule_patience
            return optim.reduce_on_plateau(self.learning_rate, patience=patience, **factor, **least)
        if self.schedule == "constant" or self.schedule_steps is None:
            return optim.constant(self.learning_rate)
        if self.schedule == "cosine":
            return optim.cosine(self.learning_rate, self.schedule_steps, **least)
        return optim.step_decay(self.learning_rate, self.schedule_steps, **factor, **least)

    def class_weights(self) -> Any:
        """The weights by class for `network.example_weights`, or None."""
        given = self.class_weight
        if given is None or given == "balanced":
            return given
        try:
            weights = [float(part) for part in given.split(",")]
        except ValueError:
            weights = []
        if len(weights) != self.classes or not all(0 <= w < math.inf for w in weights):
            raise ValueError(
                f"class_weight: expected 'balanced', or {self.classes} numbers such as "
                f"{','.join('1' * self.classes)!r}, got {given!r}"
            )
        return weights

    def weights_of(self, Y: Any) -> Any:
        """The weights (1, m) that `class_weight` gives to examples of labels Y, or None.

        Args:
            Y: labels (1, m), or one-hot columns (n_L, m).
        """
        by_class = self.class_weights()
        if by_class is None:
            return None
        labels = Y.argmax(axis=0)[None] if len(Y) > 1 else Y.astype(int)
        return network.example_weights(labels, by_class).astype(self.dtype)

    def cost_of(
        self,
        X: Any,
        Y: Any,
        parameters: Mapping[str, Any],
        *,
        masks: Any = None,
        weights: Any = None,
        m: int | None = None,
    ) -> Tensor:
        """`network.cost_of` with these settings: the expression that training differentiates."""
        return network.cost_of(
            X,
            Y,
            parameters,
            self.cost,
            activation=self.activation,
            l2=self.l2,
            masks=masks,
            weights=weights,
            smoothing=self.label_smoothing,
            m=m,
        )

    def held_out_cost(self, X: Any, Y: Any, parameters: Mapping[str, Any]) -> float:
        """What predictions cost: without penalty, dropout, weights and smoothing, from ZL."""
        cost = "stable" if self.cost == "document" else self.cost
        with no_grad(), np.errstate(over="ignore"):
            found = network.cost_of(X, Y, parameters, cost, activation=self.activation)
        return float(found.item())

    def predict(self, X: Any, parameters: Mapping[str, Any]) -> Any:
        """AL (n_L, m): probabilities, or under a linear head numbers; a NumPy array."""
        with no_grad(), np.errstate(over="ignore"):
            _, AL = network.forward(X, parameters, activation=self.activation, head=self.head)
        return to_host(AL.data)


def parse_fold(text: Any) -> tuple[int, int]:
    """The numbers of a fold, "2/5": k = 2 of n = 5.

    Raises:
        ValueError: there is no such fold.
    """
    k, _, n = text.partition("/") if isinstance(text, str) else ("", "", "")
    if not (k.isdecimal() and n.isdecimal() and int(n) > 1 and 1 <= int(k) <= int(n)):
        raise ValueError(f"fold: expected one of two or more, such as 2/5, got {text!r}")
    return int(k), int(n)


def count_kept(m: int, validation: float | None, fold: str | None) -> int:
    """How many of m examples are kept apart by these settings.

    Raises:
        ValueError: there are more folds than examples.
    """
    if fold is None:
        return round((validation or 0) * m)
    k, n = parse_fold(fold)
    if n > m:
        raise ValueError(f"fold: expected up to {m} folds, as there are examples, got {fold}")
    return len(range(k - 1, m, n))


Settings.__init__ = former_arguments(**FORMER)(Settings.__init__)  # type: ignore[method-assign]


def _is_weight(path: str) -> bool:
    return "W" in path
