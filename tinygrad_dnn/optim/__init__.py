"""Update rules, rates and when to stop: from parameters and gradients to the next parameters.

Every rule has one shape:

    rule = optim.adam()
    state = rule.init(parameters)
    parameters, state = rule.update(parameters, gradients, state, learning_rate)

Parameters and gradients are dicts, lists or tuples of arrays, nested as one likes. A state is a
dict of such trees beside a count of steps, so it is carried, compiled and saved as parameters are.
"""

from typing import TYPE_CHECKING, Any

from tinygrad_dnn.former_names import warn_former
from tinygrad_dnn.glossary import MODULE, advice
from tinygrad_dnn.optim.clipping import clip_by_norm, clip_by_value, global_norm
from tinygrad_dnn.optim.optimiser import Optimiser, check_learning_rate
from tinygrad_dnn.optim.rate_finder import RateCurve, find_learning_rate
from tinygrad_dnn.optim.schedules import (
    Plateau,
    Schedule,
    constant,
    cosine,
    reduce_on_plateau,
    step_decay,
    warm_up,
)
from tinygrad_dnn.optim.stopping import EarlyStopping, early_stopping
from tinygrad_dnn.optim.update_rules import (
    OPTIMISERS,
    adagrad,
    adam,
    adamw,
    gradient_descent,
    momentum,
    nesterov,
    rmsprop,
    sgd,
    weight_decay,
)

__all__ = [
    "OPTIMISERS",
    "EarlyStopping",
    "Optimiser",
    "Plateau",
    "RateCurve",
    "Schedule",
    "adagrad",
    "adam",
    "adamw",
    "check_learning_rate",
    "clip_by_norm",
    "clip_by_value",
    "constant",
    "cosine",
    "early_stopping",
    "find_learning_rate",
    "global_norm",
    "gradient_descent",
    "momentum",
    "nesterov",
    "reduce_on_plateau",
    "rmsprop",
    "sgd",
    "step_decay",
    "warm_up",
    "weight_decay",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name == "find_rate":
            warn_former("optim", name, "find_learning_rate")
            return find_learning_rate
        hint = advice(MODULE, name, globals())
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")
