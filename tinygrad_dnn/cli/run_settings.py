"""The settings of a training run: what was asked for, what a resumed run had, else the defaults."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from typing import Any

from tinygrad_dnn.array_modules import CPU
from tinygrad_dnn.cli.kinds import ALL
from tinygrad_dnn.data import Dataset
from tinygrad_dnn.network import COSTS, HEADS
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.train import RATES, Settings, count_kept, steps_per_epoch

HIDDEN = (20, 7, 5, 1)  # the document's layers after the input
WIDE = 64  # the hidden layer under another head
DIGITS_RATE = 0.1  # of plain gradient descent on the embedded digits
ITERATIONS, EPOCHS, BATCH = 2500, 50, 64
KEPT_APART = 0.1  # for early stopping, where no share is given
OPTIONS = {"out": "run", "checkpoint_every": 500, "device": CPU}
# A cost of numbers says its head.
NAMED_HEADS = (*HEADS, *(name for name, cost in COSTS.items() if cost.head == "linear"))
NAMES = tuple(f.name for f in fields(Settings) if f.name != "layer_dims")


@dataclass(frozen=True)
class Plan:
    """The settings of a run, and how many iterations it has in all."""

    settings: Settings
    iterations: int


def head_of(args: argparse.Namespace, resumed: run_file.Checkpoint | None) -> str:
    """The head that was asked for; a cost by itself says its own.

    Raises:
        ValueError: head and cost contradict each other.
    """
    asked, cost = args.head, args.cost
    if asked is not None and asked not in HEADS:  # squared
        if cost not in (None, asked):
            raise ValueError(f"--head {asked} is the cost {asked}, not {cost}; leave one out")
        args.cost = cost = asked
        asked = "linear"
    if resumed is not None:
        # A cost that is none is refused with the other settings.
        begun = COSTS.get(str(resumed.settings.get("cost")), COSTS["document"]).head
        if asked not in (None, begun):
            _refuse_change("head", begun, asked)
    if cost is not None:
        said = COSTS[cost].head
        if asked not in (None, said):
            raise ValueError(f"--head {asked}: the cost {cost!r} belongs to the head {said!r}")
        return said
    return begun if resumed is not None else asked or "sigmoid"


def plan_of(
    args: argparse.Namespace, data: Dataset, resumed: run_file.Checkpoint | None, head: str
) -> Plan:
    """The run that the arguments ask for."""
    chosen = _defaults(args, data, head)
    layers: tuple[int, ...] = args.layers or (data.n_x, *_layers_after(data, head))
    if resumed is not None:
        chosen = _had(resumed)
        resumed.require_layers(args.layers or resumed.layer_dims)
        layers = resumed.layer_dims
    for name in NAMES:
        asked = getattr(args, name)
        if asked is None:
            continue
        asked = None if asked == ALL else asked
        if resumed is not None and asked != chosen[name]:
            _refuse_change(name, chosen[name], asked)
        chosen[name] = asked
    if layers[0] != data.n_x:
        raise ValueError(
            f"layers: the first size must be the {data.n_x} numbers per example of {data.path}, "
            f"got {layers[0]}"
        )
    kept = chosen["validation"] is not None or chosen["fold"] is not None
    if chosen["early_stopping"] is not None and not kept:
        chosen["validation"] = KEPT_APART
    m = data.m - count_kept(data.m, chosen["validation"], chosen["fold"])
    iterations = _iterations(args, chosen["batch_size"], m)
    if resumed is None and chosen["schedule_steps"] is None:
        if chosen["schedule"] == "cosine":
            chosen["schedule_steps"] = max(1, iterations - (chosen["warm_up"] or 0))
        elif chosen["schedule"] == "step":
            chosen["schedule_steps"] = max(1, iterations // 3)
    return Plan(Settings(layers, **chosen), iterations)


def _defaults(args: argparse.Namespace, data: Dataset, head: str) -> dict[str, Any]:
    chosen: dict[str, Any] = {f.name: f.default for f in fields(Settings) if f.name in NAMES}
    # In float32 an output above 1 − 6e-8 is 1, and the document's cost NaN: a good fit gets there.
    by_head = {
        "sigmoid": "stable" if args.dtype == "float32" else "document",
        "softmax": "softmax",
        "linear": "squared",
    }
    chosen["cost"] = by_head[head]
    if head != "sigmoid":
        chosen |= {"optimizer": "adam", "init": "he"}
    if head != "sigmoid" or args.memory is not None:
        chosen["batch_size"] = min(BATCH, data.m)
    optimizer = args.optimizer or chosen["optimizer"]
    digits = not (args.train or args.files)
    chosen["learning_rate"] = RATES.get(optimizer, RATES["sgd"])
    if optimizer == "sgd" and digits:
        chosen["learning_rate"] = DIGITS_RATE
    return chosen


def _layers_after(data: Dataset, head: str) -> tuple[int, ...]:
    """The layers after the input where none are asked for."""
    if head == "sigmoid":
        return HIDDEN
    return WIDE, data.count_classes() if head == "softmax" else 1


def _had(resumed: run_file.Checkpoint) -> dict[str, Any]:
    """The settings of a run that is gone on with; older files lack those that came later."""
    if missing := {"learning_rate", "seed", "init", "dtype", "cost"} - resumed.settings.keys():
        raise ValueError(
            f"--resume: {resumed.source} has no setting {', '.join(sorted(missing))}; "
            "only what `tinygrad-dnn train` saved can be gone on with"
        )
    return Settings.of(resumed.layer_dims, resumed.settings).described()


def _refuse_change(name: str, before: Any, asked: Any) -> None:
    option = name.replace("_", "-")
    begun = f"with {option} {before}, not {ALL if asked is None else asked}"
    if name == "compiled":
        begun = "compiled, not eager"
    elif name == "batch_size" and before is None:
        begun = f"with the full batch, not with batches of {asked}"
    elif before is None:
        begun = f"without {option}"
    raise ValueError(
        f"--resume: the run was begun {begun}; leave it out, or begin a new run in another folder"
    )


def _iterations(args: argparse.Namespace, batch_size: int | None, m: int) -> int:
    if args.iterations is not None and args.epochs is not None:
        raise ValueError("--iterations and --epochs both say how long; leave one out")
    steps = 1 if batch_size is None else -(-m // batch_size)
    if args.epochs is not None:
        return int(args.epochs) * steps
    if args.iterations is not None:
        return int(args.iterations)
    return ITERATIONS if batch_size is None else EPOCHS * steps


def description(settings: Settings, m: int, name: str) -> str:
    """A run in a line."""
    s = settings
    parts = [f"learning rate {s.learning_rate:g}"]
    if s.schedule != "constant" or s.warm_up:
        warm = f" after {s.warm_up} iterations of warm-up" if s.warm_up else ""
        parts.append(f"{s.schedule} schedule{warm}")
    if s.optimizer != "sgd":
        parts.insert(0, s.optimizer)
    if s.batch_size is not None:
        within = f" read within {s.memory} MB" if s.memory else ""
        parts.append(f"batches of {s.batch_size}{within}")
    parts += [f"seed {s.seed}", f"init {s.init}", s.dtype, f"{s.cost} cost"]
    if s.activation != "relu":
        parts.append(s.activation)
    for words, value in (
        ("L2", s.l2),
        ("weight decay", s.weight_decay),
        ("dropout", s.dropout),
        ("label smoothing", s.label_smoothing),
        ("clipped at norm", s.clip_norm),
        ("clipped at", s.clip_value),
    ):
        if value:
            parts.append(f"{words} {value:g}")
    if s.class_weight:
        parts.append(f"class weight {s.class_weight}")
    if s.fold is not None:
        parts.append(f"fold {s.fold}")
    if s.early_stopping is not None:
        parts.append(f"early stopping after {s.early_stopping}")
    if s.shards is not None:
        parts.append(f"{s.shards} shard{'s' * (s.shards > 1)}")
    if s.local_steps is not None:
        parts.append(f"local SGD of {s.local_steps} steps")
    if not s.compiled:
        parts.append("eager")
    layers = "-".join(map(str, s.layer_dims))
    return f"{layers} on {m} examples of {name}: {', '.join(parts)}"


def epochs_of(settings: Settings, m: int, iteration: int) -> int:
    """How many epochs are complete."""
    return iteration // steps_per_epoch(settings, m)
