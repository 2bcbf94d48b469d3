"""Checkpoint files: another program may change one, a bit may flip, a writer may be killed."""

import io
import json
import math
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from tinygrad_dnn.storage import hdf5_archive, sealed_file
from tinygrad_dnn.storage.run_file import Checkpoint, load, save

b1 = np.ones((4, 1))


def example(iteration=300):
    return Checkpoint(
        parameters={
            "W1": np.full((4, 12), 0.5),
            "b1": b1,
            "W2": np.ones((3, 4), order="F"),
            "b2": np.zeros((3, 1)),
            "W3": np.ones((1, 3)),
            "b3": np.zeros((1, 1)),
        },
        layer_dims=(12, 4, 3, 1),
        iteration=iteration,
        costs=((0, 0.7), (100, 0.5), (200, 0.3)),
        random_state=np.random.default_rng(3).bit_generator.state,
        settings={"learning_rate": 0.0075},
        data_fingerprint="0123456789abcdef" * 4,
        class_names=("non-cat", "cat"),
        x_shape=(2, 2, 3),
        x_scale=255.0,
        optimiser_state={"m": np.zeros((4, 12))},
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.h5"


# Correctly sealed, and wrong inside


def reseal(path, edit):
    """Let ``edit`` change the HDF5 file at ``path`` as another program could, and seal it again."""
    buffer = io.BytesIO(path.read_bytes())
    with h5py.File(buffer, "r+") as file:
        edit(file)
    sealed_file.write(path, buffer.getvalue()[sealed_file.USER_BLOCK :])


def put(file, name, value, **how):
    if name in file:
        del file[name]
    file.create_dataset(name, data=value, **how)


def put_text(file, text):
    put(file, "description", np.array(text, dtype=h5py.string_dtype("utf-8", len(text))))


def described(**changes):
    """An edit that changes entries of the description; ``...`` removes one."""

    def edit(file):
        entries = {**json.loads(file["description"][()]), **changes}
        entries = {name: value for name, value in entries.items() if value is not ...}
        put_text(file, json.dumps(entries).encode())

    return edit


def stored(name, value, **how):
    return lambda file: put(file, name, value, **how)


def text(raw):
    return lambda file: put_text(file, raw)


def repeated(file):
    put_text(file, file["description"][()][:-1] + b', "iteration": 5}')


def unwritten(file):
    del file["parameters/b1"]
    file["parameters"].create_dataset("b1", shape=(4, 1), dtype="<f8")  # no byte of it is stored


def vast(file):
    file["optimiser_state"].create_dataset("vast", shape=(10**12,), dtype="<f8")


def outside(file):
    del file["parameters/b1"]
    file["parameters"].create_dataset(
        "b1", shape=(4, 1), dtype="<f8", external=[("/etc/passwd", 0, 32)]
    )


def virtual(file):
    del file["parameters/b1"]
    layout = h5py.VirtualLayout((4, 1), "<f8")
    layout[:] = h5py.VirtualSource("other.h5", "b1", shape=(4, 1))
    file["parameters"].create_virtual_dataset("b1", layout)


def linked(link):
    def edit(file):
        del file["parameters/b1"]
        file["parameters/b1"] = link

    return edit


def multiplied(file):
    for i in range(2000):
        file[f"optimiser_state/again{i}"] = file["parameters/W1"]


def circle(file):
    file["circle"] = file["/"]


def null_space(file):
    del file["parameters/b1"]
    file["parameters/b1"] = h5py.Empty("<f8")


def opaque(file):
    pickled = np.frombuffer(b"cos\nsystem\n.....", dtype="V4").reshape(4, 1)
    put(file, "parameters/b1", pickled)


def variable_text(file):
    put(file, "description", file["description"][()].decode(), dtype=h5py.string_dtype())


TAMPERED = {
    "layer_dims": (described(layer_dims=[12, 5, 3, 1]), r"parameters\['W1'\]: expected shape"),
    "layer_dims kind": (described(layer_dims={"0": 1}), "layer_dims: expected a list"),
    "layer_dims fewer": (described(layer_dims=[12, 4, 1]), "unknown: W3, b3"),
    "layer_dims vast": (described(layer_dims=[12, 10**30, 1]), r"layer_dims\[1\]"),
    "iteration": (described(iteration=-5), "iteration: "),
    "iteration before costs": (described(iteration=7), r"costs\[1\]\[0\]"),
    "random_state": (described(random_state={"bit_generator": "evil"}), "random_state"),
    "random_state position": (
        described(
            random_state={"bit_generator": "MT19937", "state": {"key": [0] * 624, "pos": -9}}
        ),
        r"random_state\['state'\]\['pos'\]",
    ),
    "settings": (described(settings={"a": [1]}), r"settings\['a'\]"),
    "data_fingerprint": (described(data_fingerprint="xyz"), "data_fingerprint"),
    "class_names": (described(class_names=["a", 1]), r"class_names\[1\]"),
    "x_shape": (described(x_shape=[5, 5]), "x_shape"),
    "x_scale": (described(x_scale="255"), "x_scale"),
    "fortran_order kind": (
        described(fortran_order="parameters/W1"),
        "fortran_order: expected a list",
    ),
    "fortran_order path": (described(fortran_order=["parameters/W9"]), "fortran_order: .*W9"),
    "fortran_order entry": (described(fortran_order=[[]]), "fortran_order: "),
    "fortran_order gone": (described(fortran_order=...), "fortran_order: expected a list"),
    "entry gone": (described(x_scale=...), "description: missing: x_scale"),
    "entry too many": (described(source="x"), "description: unknown: source"),
    "entry twice": (repeated, "'iteration' stands there twice"),
    "NaN in text": (described(x_scale=math.nan), "NaN is not a finite number"),
    "inf in text": (text(b'{"x_scale": -Infinity}'), "-Infinity is not a finite number"),
    "vast float in text": (described(x_scale=10**400), "x_scale: expected a finite number"),
    "vast integer in text": (text(b"9" * 5000), "description: "),
    "deep text": (text(b"[" * 100_000), "recursion"),
    "no object": (text(b"[]"), "description: expected an object, got list"),
    "no json": (text(b"pickle"), "description: not the JSON text"),
    "no utf-8": (text(b"\xff\xff"), "utf-8"),
    "long text": (text(b" " * (2**20 + 1)), "description: expected one string of at most"),
    "variable text": (variable_text, "description: expected a string of fixed length"),
    "text as numbers": (stored("description", np.ones(3)), "description: expected a string"),
    "texts": (stored("description", np.array([b"a", b"b"])), "description: expected one string"),
    "no text": (lambda file: file.pop("description"), "description: missing"),
    "text a group": (
        lambda file: (file.pop("description"), file.create_group("description")),
        "description: expected a dataset",
    ),
    "parameter gone": (lambda file: file.pop("parameters/b1"), "missing: b1"),
    "parameter too many": (stored("parameters/W9", b1), "unknown: W9"),
    "parameter other shape": (stored("parameters/b1", b1.T), r"'b1'\].*\(4, 1\), .*got \(1, 4\)"),
    "parameter nan": (stored("parameters/b1", b1 * np.nan), r"'b1'\].* nan at \[0, 0\]"),
    "parameter float32": (stored("parameters/b1", b1.astype("f4")), r"'b1'\].*got float32"),
    "parameter int64": (stored("parameters/b1", b1.astype("i8")), r"'b1'\].*got int64"),
    "parameter big-endian": (stored("parameters/b1", b1.astype(">f8")), "parameters/b1: .*little"),
    "parameter bool": (stored("parameters/b1", b1 > 0), "parameters/b1: .*another type"),
    "parameter text": (stored("parameters/b1", b1.astype("S8")), "parameters/b1: .*another type"),
    "parameter objects": (
        stored("parameters/b1", b1.astype(str).tolist(), dtype=h5py.string_dtype()),
        "parameters/b1: .*another type",
    ),
    "parameter opaque": (opaque, "parameters/b1: .*another type"),
    "parameter complex": (stored("parameters/b1", b1 * 1j), "parameters/b1: .*another type"),
    "parameter null": (null_space, "parameters/b1: expected values, got a null dataspace"),
    "parameter chunked": (
        stored("parameters/b1", b1, chunks=(2, 1)),
        "parameters/b1: .*contiguous",
    ),
    "parameter gzip": (
        stored("parameters/b1", b1, compression="gzip"),
        "parameters/b1: expected plain contiguous storage",
    ),
    "parameter unwritten": (unwritten, "parameters/b1: .* 32 bytes, 0 are stored"),
    "parameter outside": (outside, "parameters/b1: expected plain contiguous storage inside"),
    "parameter virtual": (virtual, "parameters/b1: expected plain contiguous storage inside"),
    "parameter external link": (linked(h5py.ExternalLink("/etc/passwd", "x")), "b1: .*got a link"),
    "parameter soft link": (
        linked(h5py.SoftLink("/parameters/b2")),
        "b1: expected data, got a link",
    ),
    "parameters gone": (
        lambda file: file.pop("parameters"),
        "parameters/W2' is none of the arrays",
    ),
    "parameters a dataset": (stored("parameters", b1), "parameters: expected a group"),
    "group too many": (lambda file: file.create_group("more"), "file: unknown: more"),
    "group in a group": (
        lambda file: file.create_group("optimiser_state/deep"),
        "optimiser_state/deep: expected a dataset",
    ),
    "circle": (circle, "circle/"),
    "costs gone": (lambda file: file.pop("costs"), "file: missing: costs"),
    "costs nan": (stored("costs/cost", [0.1, np.nan, 0.2]), r"costs\[1\]\[1\]"),
    "costs fewer": (stored("costs/cost", [0.1]), r"costs: .*\(3,\) and \(1,\)"),
    "costs rank": (stored("costs/cost", np.ones((3, 1))), r"costs: .*\(3, 1\)"),
    "costs both scalar": (
        lambda file: (put(file, "costs/cost", 1.0), put(file, "costs/iteration", 1)),
        r"costs: .* \(\) and \(\)",
    ),
    "costs float32": (stored("costs/cost", np.ones(3, "f4")), "costs: .*float32"),
    "cost iterations float": (stored("costs/iteration", np.ones(3)), "costs: .*float64"),
    "cost iterations order": (stored("costs/iteration", [0, 2, 1]), r"costs\[2\]\[0\]"),
    "cost iterations gone": (lambda file: file.pop("costs/iteration"), "costs: missing: iteration"),
    "optimiser_state name": (stored("optimiser_state/ä", b1), "optimiser_state: .*'ä'"),
    "optimiser_state inf": (stored("optimiser_state/m", b1 * np.inf), r"optimiser_state\['m'\]"),
    "optimiser_state vast": (vast, "optimiser_state/vast: .* 8000000000000 bytes, 0 are stored"),
    "accuracies rank": (stored("accuracies/test", np.ones(3)), r"accuracies\['test'\]"),
    "one array many times": (multiplied, "more bytes than the file has"),
}


@pytest.mark.parametrize(("edit", "message"), TAMPERED.values(), ids=TAMPERED)
def test_a_tampered_field_is_refused_by_name(path, edit, message):
    save(path, example())
    reseal(path, edit)
    with pytest.raises(OSError, match=message) as refused:
        load(path)
    assert str(refused.value).startswith(f"{path}: not a valid model")
    assert "restore a copy" in str(refused.value)


def test_resealing_alone_is_harmless(path):
    save(path, example())
    reseal(path, lambda file: None)
    assert load(path).iteration == 300
    assert load(path).parameters["W2"].flags.f_contiguous


def test_a_file_from_before_accuracies_were_kept_still_loads(path):
    save(path, example())
    reseal(path, lambda file: file.pop("accuracies"))
    assert load(path).accuracies == {}
    assert load(path).iteration == 300


@pytest.mark.parametrize("name", ["model.h5", "plain.h5"])
def test_a_foreign_hdf5_file_is_refused(tmp_path, name):
    foreign = tmp_path / name
    with h5py.File(foreign, "w", userblock_size=512 if name == "plain.h5" else 0) as file:
        file["train_set_y"] = np.ones(3)
    with pytest.raises(OSError, match=r"HDF5 file.* not a tinygrad_dnn model"):
        load(foreign)


@pytest.mark.parametrize("position", [*range(0, 520, 7), *range(520, 12_000, 91)])
def test_no_flipped_bit_reaches_the_hdf5_library(path, position, monkeypatch):
    save(path, example())
    image = bytearray(path.read_bytes())
    position %= len(image)
    image[position] ^= 1 << position % 8
    path.write_bytes(image)

    def reached(*args, **kwargs):
        pytest.fail("the HDF5 library was given damaged bytes")

    monkeypatch.setattr(hdf5_archive.h5py, "File", reached)
    with pytest.raises(OSError, match=r"damaged|truncated|not a tinygrad_dnn model|newer"):
        load(path)


@pytest.mark.parametrize("share", [0.001, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_truncated_model_is_refused(path, share):
    save(path, example())
    image = path.read_bytes()
    path.write_bytes(image[: int(share * len(image))])
    with pytest.raises(OSError, match=r"truncated|not a tinygrad_dnn model"):
        load(path)


# Writers that are killed, and writers that meet

KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import numpy as np
from tinygrad_dnn.storage.run_file import Checkpoint, load, save

path = Path(sys.argv[1])

def example(iteration):
    return Checkpoint(
        parameters={"W1": np.full((1, 100_000), float(iteration)), "b1": np.ones((1, 1))},
        layer_dims=(100_000, 1), iteration=iteration, costs=(),
        random_state=np.random.default_rng(0).bit_generator.state, settings={},
        data_fingerprint="0" * 64, class_names=(), x_shape=(100_000,), x_scale=1.0,
    )

save(path, example(0))
random.seed(int(sys.argv[2]))
kills = left = 0
while kills < 20 or (left < 3 and kills < 200):  # until some have met a save under way
    kills += 1
    before = set(os.listdir(path.parent))
    start = load(path).iteration
    child = os.fork()
    if child == 0:
        for iteration in range(start + 1, start + 10_000):
            save(path, example(iteration))
        os._exit(0)
    try:
        while load(path).iteration == start:  # until it is at work
            time.sleep(0.001)
        time.sleep(random.uniform(0, 0.05))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    left += bool(set(os.listdir(path.parent)) - before)
    loaded = load(path)
    assert loaded.iteration > start
    assert np.all(loaded.parameters["W1"] == loaded.iteration)
save(path, example(1))
assert os.listdir(path.parent) == [path.name], os.listdir(path.parent)
print(left)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_a_writer_killed_at_any_moment_leaves_a_whole_file(path):
    """Twenty kills or more; every file loads, and the next writer sweeps away what they left."""
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), "1"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) >= 3, "the kills hardly ever met a save under way"


def test_concurrent_savers_and_loaders_do_not_disturb_each_other(path):
    save(path, example(200))
    errors = []

    def work(iteration):
        try:
            for _ in range(15):
                save(path, example(iteration))
                assert load(path).iteration in range(200, 205)
        except Exception as error:  # a thread would only print it
            errors.append(error)

    threads = [threading.Thread(target=work, args=(200 + k,)) for k in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert os.listdir(path.parent) == [path.name]


# Files of earlier formats


def test_a_file_that_an_earlier_version_wrote_is_loaded():
    """It was written by the version before format 2: 64-2-1, 20 iterations on the digits."""
    path = Path(__file__).parents[1] / "golden" / "model_format_1.h5"
    assert path.read_bytes().startswith(b"tinygrad_dnn model, format 1\n")
    loaded = load(path)
    assert (loaded.layer_dims, loaded.iteration) == ((64, 2, 1), 20)
    assert loaded.random_state is not None
    assert loaded.optimiser_state == loaded.loop_state == {}
    assert loaded.accuracies["training"][-1, 1] == 710 / 1437


def test_what_a_loop_left_in_a_file_of_format_1_is_loop_state(path):
    save(path, example())
    reseal(path, lambda file: file.__delitem__("loop_state"))
    loaded = load(path)
    assert loaded.optimiser_state == {}
    np.testing.assert_array_equal(loaded.loop_state["m"], np.zeros((4, 12)))


def test_what_drew_nothing_has_no_generator(path):
    save(path, replace(example(), random_state=None))
    with pytest.raises(ValueError, match=r"model\.h5 holds no random state"):
        load(path).generator()
