"""Hand-written code graded: a student's file, function by function, against the engine."""

from tinygrad_dnn.grading.grader import FUNCTIONS, grade
from tinygrad_dnn.grading.grades import STATUSES, Grade, Grades

__all__ = ["FUNCTIONS", "STATUSES", "Grade", "Grades", "grade"]
