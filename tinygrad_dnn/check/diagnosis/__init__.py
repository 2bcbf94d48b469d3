"""The probable mistake in a hand-written gradient: hypotheses tested against the numbers.

One engine for `check_gradients`, `check_vjp`, `compare` and `grade`: rows of the table of
hypotheses, made of arrays that are known by name; terms added; slips in the backward pass of the
function, where that is known.
"""

from tinygrad_dnn.check.diagnosis.result import Diagnosis, Explanation, Worst
from tinygrad_dnn.check.diagnosis.source import Source
from tinygrad_dnn.check.diagnosis.verdict import Trial, compare, compare_trials

__all__ = ["Diagnosis", "Explanation", "Source", "Trial", "Worst", "compare", "compare_trials"]
