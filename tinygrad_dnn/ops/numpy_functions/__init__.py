"""NumPy's functions that are composed of ops: no derivative rules, those of their ops do."""

from tinygrad_dnn.ops.numpy_functions import (
    choosing,
    elementwise,
    joining,
    linalg,
    norms,
    numerics,
    order,
    padding,
    polynomials,
    products,
    reductions,
    shaping,
)
from tinygrad_dnn.ops.numpy_functions.choosing import *
from tinygrad_dnn.ops.numpy_functions.elementwise import *
from tinygrad_dnn.ops.numpy_functions.joining import *
from tinygrad_dnn.ops.numpy_functions.linalg import *
from tinygrad_dnn.ops.numpy_functions.norms import *
from tinygrad_dnn.ops.numpy_functions.numerics import *
from tinygrad_dnn.ops.numpy_functions.order import *
from tinygrad_dnn.ops.numpy_functions.padding import *
from tinygrad_dnn.ops.numpy_functions.polynomials import *
from tinygrad_dnn.ops.numpy_functions.products import *
from tinygrad_dnn.ops.numpy_functions.reductions import *
from tinygrad_dnn.ops.numpy_functions.shaping import *

__all__: list[str] = []
__all__ += choosing.__all__
__all__ += elementwise.__all__
__all__ += joining.__all__
__all__ += linalg.__all__
__all__ += norms.__all__
__all__ += numerics.__all__
__all__ += order.__all__
__all__ += padding.__all__
__all__ += polynomials.__all__
__all__ += products.__all__
__all__ += reductions.__all__
__all__ += shaping.__all__
