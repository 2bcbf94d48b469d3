"""The checker checked: faults planted in derivative rules and in the sweep, one at a time."""

import sys
from pathlib import Path

# The checks that are run against each fault are tests, and lie with them.
sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("autodiff", "ops")]
