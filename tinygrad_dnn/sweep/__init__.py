"""Many runs of `train` from one file: which they are, the processes that run them, their table.

A file's keys are those of `train`; a list is an axis, and each combination a setting, which is run
for every seed and fold. `specification` makes the runs, `processes` and `cluster` carry them out,
`results` and `table` say what came of them. What a run computes is `train`'s business alone.
"""

from tinygrad_dnn.sweep.jobs import Job, Outcome
from tinygrad_dnn.sweep.processes import run_in_processes
from tinygrad_dnn.sweep.results import SCORES, Result, result_of
from tinygrad_dnn.sweep.specification import Run, Sweep, identity_of
from tinygrad_dnn.sweep.table import Row, Table, tabulate

__all__ = [
    "SCORES",
    "Job",
    "Outcome",
    "Result",
    "Row",
    "Run",
    "Sweep",
    "Table",
    "identity_of",
    "result_of",
    "run_in_processes",
    "tabulate",
]
