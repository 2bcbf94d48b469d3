"""Training on a file that does not fit in memory, interrupted and gone on with, bit for bit.

    python examples/larger_than_memory.py

It writes an HDF5 file of examples, streams them in batches within a tenth of its size, stops in the
midst of an epoch, and goes on from what was saved. The step is one's own; that of a dense network
comes along: `tinygrad-dnn train large.h5 --memory 512`, or `train.train_streamed`.
"""

import json
import tempfile
from pathlib import Path

import h5py
import numpy as np

from tinygrad_dnn import compile, optim, value_and_grad
from tinygrad_dnn.data import Dataset, Stream, read
from tinygrad_dnn.network import cost_of, initialize_parameters

M, N, SIZE = 20_000, 128, 100
MEMORY = 2**20  # bytes; the file has 10 times as many
rule = optim.adam()


def write(path: Path) -> None:
    """Points around three centres, in chunks of 64 rows."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, N))
    with h5py.File(path, "w") as file:
        x = file.create_dataset("train_set_x", (M, N), "f4", chunks=(64, N))
        y = rng.integers(0, 3, M)
        for start in range(0, M, 1000):
            part = y[start : start + 1000]
            x[start : start + 1000] = centres[part] + 2 * rng.normal(size=(len(part), N))
        file["train_set_y"] = y
        file["list_classes"] = np.array(["left", "middle", "right"], "S")


@compile
def step(parameters, state, x, y):
    cost, grads = value_and_grad(lambda p: cost_of(x, y, p, "softmax"))(parameters)
    return cost, *rule.update(parameters, grads, state, 0.001)


def stream_of(data: Dataset) -> Stream:
    rng = np.random.default_rng(1)
    return Stream(data, SIZE, rng, memory=MEMORY, dtype=np.float32)


def train(stream, parameters, state, epochs, stop_after=None):
    """Steps until the epochs are complete, or a number of them; what they left, and the costs."""
    costs = []
    while stream.epoch < epochs:
        for x, y in stream:
            cost, parameters, state = step(parameters, state, x, y)
            costs.append(float(cost))
            if len(costs) == stop_after:
                return parameters, state, costs
    return parameters, state, costs


def main() -> tuple[list[float], list[float]]:
    """The costs of an uninterrupted run, and of one that was interrupted."""
    start = initialize_parameters((N, 16, 3), "he", head="softmax", dtype="float32")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.h5"
        write(path)
        with read(path) as data:
            _, _, whole = train(stream_of(data), start, rule.init(start), epochs=2)
            print(
                f"{len(whole)} steps on {data.m:,} examples: cost {whole[0]:.3f} to {whole[-1]:.3f}"
            )

            stream = stream_of(data)
            parameters, state, first = train(stream, start, rule.init(start), 2, stop_after=270)
            saved = json.dumps(stream.state())  # with the parameters and the optimiser's state

            again = stream_of(data)
            again.restore(json.loads(saved))
            _, _, rest = train(again, parameters, state, epochs=2)
    same = first + rest == whole
    print(f"stopped after step {len(first)} and gone on with: the same costs? {same}")
    return whole, first + rest


if __name__ == "__main__":
    main()
