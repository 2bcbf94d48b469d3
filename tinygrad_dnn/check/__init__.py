"""Derivatives measured and compared: is a rule right, and by how much not."""

from tinygrad_dnn.check.columns import measured_gradient
from tinygrad_dnn.check.diagnosis import Diagnosis, compare
from tinygrad_dnn.check.graphs import assert_gradients, check_gradients, check_vjp
from tinygrad_dnn.check.report import GradientReport
from tinygrad_dnn.check.rules import check_op

__all__ = [
    "Diagnosis",
    "GradientReport",
    "assert_gradients",
    "check_gradients",
    "check_op",
    "check_vjp",
    "compare",
    "measured_gradient",
]
