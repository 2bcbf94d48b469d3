"""Work on several processes or machines, by Dask: a `connect` that is safe unless told otherwise.

Needs the extra `cluster`: `pip install "tinygrad-dnn[cluster]"`. Everything that a run computes is
computed by the same functions as in one process; Dask carries them to the workers.
"""

from tinygrad_dnn.cluster.connect import connect
from tinygrad_dnn.cluster.shards import ClusterError, ClusterShards
from tinygrad_dnn.cluster.work import Source

__all__ = ["ClusterError", "ClusterShards", "Source", "connect"]
