"""Derivatives measured and compared: is a rule right, and by how much not."""

from tinygrad_dnn.check.diagnosis import Diagnosis, compare
from tinygrad_dnn.check.rules import check_op, measured_gradient

__all__ = ["Diagnosis", "check_op", "compare", "measured_gradient"]
