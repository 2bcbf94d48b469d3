"""Hand-written code graded: a student's file, function by function, against the engine."""

from tinygrad_dnn.grading.exercise import Exercise, SpecError
from tinygrad_dnn.grading.grader import FUNCTIONS, grade
from tinygrad_dnn.grading.grades import STATUSES, Grade, Grades
from tinygrad_dnn.grading.inputs import array, choice, labels, length, mask, one_hot
from tinygrad_dnn.grading.load import exercise_of

__all__ = [
    "FUNCTIONS",
    "STATUSES",
    "Exercise",
    "Grade",
    "Grades",
    "SpecError",
    "array",
    "choice",
    "exercise_of",
    "grade",
    "labels",
    "length",
    "mask",
    "one_hot",
]
