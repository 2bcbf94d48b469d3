"""Derivatives measured and compared: is a rule right, and by how much not."""

from tinygrad_dnn.check.diagnosis import Diagnosis, Source, compare
from tinygrad_dnn.check.gradient_check import assert_gradients, check_gradients
from tinygrad_dnn.check.numeric.jacobian import measured_gradient
from tinygrad_dnn.check.op_check import check_op
from tinygrad_dnn.check.report import GradientReport
from tinygrad_dnn.check.vjp_check import check_vjp

__all__ = [
    "Diagnosis",
    "GradientReport",
    "Source",
    "assert_gradients",
    "check_gradients",
    "check_op",
    "check_vjp",
    "compare",
    "measured_gradient",
]
