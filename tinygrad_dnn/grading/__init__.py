"""Hand-written code graded: a student's file, function by function, against the engine."""

from tinygrad_dnn.grading.entry import grade
from tinygrad_dnn.grading.exercise import Exercise
from tinygrad_dnn.grading.grades import STATUSES, Grade, Grades
from tinygrad_dnn.grading.in_memory import check_function, points
from tinygrad_dnn.grading.inputs import array, choice, labels, length, mask, one_hot
from tinygrad_dnn.grading.load import FUNCTIONS, exercise_of
from tinygrad_dnn.grading.magic import load_ipython_extension
from tinygrad_dnn.grading.spec_errors import SpecError

__all__ = [
    "FUNCTIONS",
    "STATUSES",
    "Exercise",
    "Grade",
    "Grades",
    "SpecError",
    "array",
    "check_function",
    "choice",
    "exercise_of",
    "grade",
    "labels",
    "length",
    "load_ipython_extension",
    "mask",
    "one_hot",
    "points",
]
