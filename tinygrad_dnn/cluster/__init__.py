"""Work on several processes or machines, by Dask: a `connect` that is safe unless told otherwise.

Needs the extra `cluster`: `pip install "tinygrad-dnn[cluster]"`. Everything that a run computes is
computed by the same functions as in one process; Dask carries them to the workers.
"""

from tinygrad_dnn.cluster.connect import connect

__all__ = ["connect"]
