"""The probable mistake in a hand-written gradient: hypotheses tested against the numbers."""

from tinygrad_dnn.check.diagnosis.result import Diagnosis, Explanation, Worst
from tinygrad_dnn.check.diagnosis.verdict import Trial, compare, compare_trials

__all__ = ["Diagnosis", "Explanation", "Trial", "Worst", "compare", "compare_trials"]
