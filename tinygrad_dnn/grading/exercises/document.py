"""The document's network: its functions, forward and backward, one by one and together."""

from tinygrad_dnn.grading.backward import BACKWARD
from tinygrad_dnn.grading.exercise import Exercise
from tinygrad_dnn.grading.forward import FORWARD, PREDICT
from tinygrad_dnn.grading.models import INITIAL, MODELS

exercise = Exercise("The document's network", convention="document")
exercise.rows = (*INITIAL, *FORWARD, *BACKWARD, PREDICT, *MODELS)
exercise.stand_ins = True
