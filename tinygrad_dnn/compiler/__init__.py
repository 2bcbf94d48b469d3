"""From a recorded function to a NumPy program that one can read.

record   a function, run once       -> a plain graph with named inputs and outputs
lower    composites and constants   -> primitives, each one NumPy call
plan     lifetimes                  -> which memory every value gets
printer  lines in the user's names  -> the text of a module
program  the module loaded          -> a function for any thread
"""

from tinygrad_dnn.compiler.compiled import Compiled, compile
from tinygrad_dnn.compiler.errors import RecordingError, SaturationWarning

__all__ = ["Compiled", "RecordingError", "SaturationWarning", "compile"]
