"""Your own data: a CSV file, arrays, a folder of pictures, a pandas frame; `read` takes them all.

    python examples/own_data.py

It writes the digits that come along in each of these forms, reads them back and trains the same
small network on each. A table's labels are a column; those of pictures are their folders' names.
Needs the extras `pandas` and `image`.
"""

import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tinygrad_dnn import compile, metrics, optim, value_and_grad
from tinygrad_dnn.data import Dataset, batches, default_dataset, read
from tinygrad_dnn.network import cost_of, forward, initialize_parameters, one_hot


def write(folder: Path) -> None:
    """The digits as people have their data."""
    import pandas
    from PIL import Image

    with default_dataset("train", labels="digit") as digits:
        x, y = digits.images()[..., 0], digits.labels(binary=False)[0]
    table = pandas.DataFrame(x.reshape(len(x), -1) / 255, columns=[f"p{k}" for k in range(64)])
    table.assign(digit=y).to_csv(folder / "digits.csv", index=False)
    np.savez(folder / "digits.npz", X=x, y=y)
    for k in range(len(x)):
        place = folder / "pictures" / str(y[k])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x[k]).save(place / f"{k:04}.png")


def sources(folder: Path) -> dict[str, Dataset]:
    """The same examples from four sources."""
    import pandas

    return {
        "CSV": read(folder / "digits.csv", y="digit"),
        ".npz": read(folder / "digits.npz"),
        "pictures": read(folder / "pictures"),
        "frame": read(pandas.read_csv(folder / "digits.csv"), y="digit"),
    }


def accuracy(data: Dataset) -> float:
    """The share of a fifth of the examples that a network trained on the others gets right."""
    train, test = data.split(0.2, np.random.default_rng(0))
    X, Y = train.columns(), one_hot(train.labels(binary=False), len(data.classes))
    rule, rng = optim.adam(), np.random.default_rng(1)

    @compile
    def step(parameters, state, x, y):
        cost, grads = value_and_grad(lambda p: cost_of(x, y, p, "softmax"))(parameters)
        return cost, *rule.update(parameters, grads, state, 0.01)

    parameters = initialize_parameters((data.n_x, 32, len(data.classes)), "he", head="softmax")
    state = rule.init(parameters)
    for _ in range(10):
        for x, y in batches(X, Y, 64, rng):
            _, parameters, state = step(parameters, state, x, y)
    _, A = forward(test.columns(), parameters, head="softmax")
    predicted = A.data.argmax(axis=0).reshape(1, -1)
    return metrics.accuracy(test.labels(binary=False), predicted)


def main() -> dict[str, float]:
    if not (find_spec("pandas") and find_spec("PIL")):
        print("left out: pandas or Pillow is missing; pip install 'tinygrad-dnn[pandas,image]'")
        return {}
    with tempfile.TemporaryDirectory() as name:
        write(Path(name))
        right = {}
        for kind, data in sources(Path(name)).items():
            with data:
                right[kind] = accuracy(data)
                print(f"{kind:8}  {data.m} examples of {data.x_shape[1:]}: {right[kind]:.3f} right")
    return right


if __name__ == "__main__":
    main()
