"""Training: gradient descent on the network's cost and what practitioners use, resumable anywhere.

    settings = Settings((64, 64, 10), 0.003, cost="softmax", optimizer="adam", batch_size=64)
    state = train(X, Y, settings, iterations=1000)
    labels = predicted_labels(settings.predict(X_test, state.parameters))

`load_model` reads a model file. The document's network is `Settings((12288, 20, 7, 5, 1))`: the
full batch, plain gradient descent.
"""

from tinygrad_dnn.network import predicted_labels
from tinygrad_dnn.train.divergence import DivergedError
from tinygrad_dnn.train.evaluation import Predictor, accuracy, predict
from tinygrad_dnn.train.examples import check_examples, check_labels, keep_validation
from tinygrad_dnn.train.loop import (
    RECORD_EVERY,
    begin,
    steps_per_epoch,
    train,
    train_in_shards,
    train_streamed,
)
from tinygrad_dnn.train.model import Model, load_model
from tinygrad_dnn.train.settings import RATES, SCHEDULES, Settings, count_kept
from tinygrad_dnn.train.state import LazyArrays, State
from tinygrad_dnn.train.step import iteration_of, step_of
from tinygrad_dnn.train.streamed import StreamedPredictor

__all__ = [
    "RATES",
    "RECORD_EVERY",
    "SCHEDULES",
    "DivergedError",
    "LazyArrays",
    "Model",
    "Predictor",
    "Settings",
    "State",
    "StreamedPredictor",
    "accuracy",
    "begin",
    "check_examples",
    "check_labels",
    "count_kept",
    "iteration_of",
    "keep_validation",
    "load_model",
    "predict",
    "predicted_labels",
    "step_of",
    "steps_per_epoch",
    "train",
    "train_in_shards",
    "train_streamed",
]
