"""The textbook of derivatives: every op, its forward and its rules."""

from tinygrad_dnn.ops import (
    activation,
    cases,
    choice,
    compose,
    contraction,
    declare,
    division,
    elementwise,
    factorization,
    indexing,
    joining,
    linalg,
    logic,
    numpy_functions,
    positions,
    reduction,
    running,
    shape,
    sparse,
    special,
    trigonometry,
    windows,
)
from tinygrad_dnn.ops.activation import *
from tinygrad_dnn.ops.cases import *
from tinygrad_dnn.ops.choice import *
from tinygrad_dnn.ops.compose import *
from tinygrad_dnn.ops.contraction import *
from tinygrad_dnn.ops.declare import *
from tinygrad_dnn.ops.division import *
from tinygrad_dnn.ops.elementwise import *
from tinygrad_dnn.ops.elementwise import absolute
from tinygrad_dnn.ops.factorization import *
from tinygrad_dnn.ops.indexing import *
from tinygrad_dnn.ops.joining import *
from tinygrad_dnn.ops.linalg import *
from tinygrad_dnn.ops.logic import *
from tinygrad_dnn.ops.numpy_functions import *
from tinygrad_dnn.ops.positions import *
from tinygrad_dnn.ops.reduction import *
from tinygrad_dnn.ops.running import *
from tinygrad_dnn.ops.shape import *
from tinygrad_dnn.ops.sparse import *
from tinygrad_dnn.ops.special import *
from tinygrad_dnn.ops.trigonometry import *
from tinygrad_dnn.ops.windows import *

abs = absolute

__all__ = ["abs"]
__all__ += activation.__all__
__all__ += cases.__all__
__all__ += choice.__all__
__all__ += compose.__all__
__all__ += numpy_functions.__all__
__all__ += contraction.__all__
__all__ += declare.__all__
__all__ += division.__all__
__all__ += elementwise.__all__
__all__ += factorization.__all__
__all__ += indexing.__all__
__all__ += joining.__all__
__all__ += linalg.__all__
__all__ += logic.__all__
__all__ += positions.__all__
__all__ += reduction.__all__
__all__ += running.__all__
__all__ += shape.__all__
__all__ += sparse.__all__
__all__ += special.__all__
__all__ += trigonometry.__all__
__all__ += windows.__all__
