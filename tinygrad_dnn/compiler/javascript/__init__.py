"""From a recorded graph to straight-line JavaScript over Float64Array.

loops        a kernel's loops over strides, adjoining axes counted as one
elementwise  one expression per elementwise op
helpers      functions that these and kernels call
matrices     solutions, determinants and factorisations
kernels      one writer per other family: reductions, products, moves, positions
sized        one program for any number of examples, made of three that were printed
printer      memory, kernels and one call per op: a program that a page runs
"""

from tinygrad_dnn.compiler.javascript.printer import NotPrintable, Printed, javascript

__all__ = ["NotPrintable", "Printed", "javascript"]
