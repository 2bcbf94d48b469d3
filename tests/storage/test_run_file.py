"""Checkpoints: what goes in comes out bit for bit, and nothing else comes out at all."""

import dataclasses
import json
import math
import time
from itertools import pairwise

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_dnn.storage.run_file import Checkpoint, load, save

FINGERPRINT = "0123456789abcdef" * 4


def initial(layer_dims, dtype="float64", order="C", seed=0):
    rng = np.random.default_rng(seed)
    parameters = {}
    for layer, (n_in, n_out) in enumerate(pairwise(layer_dims), start=1):
        W = rng.standard_normal((n_out, n_in)).astype(dtype)
        parameters[f"W{layer}"] = np.asarray(W, order=order)
        parameters[f"b{layer}"] = np.zeros((n_out, 1), dtype)
    return parameters


def example(**changes):
    fields = {
        "parameters": initial((12, 4, 3, 1)),
        "layer_dims": (12, 4, 3, 1),
        "iteration": 300,
        "costs": ((0, 0.7), (100, 0.5), (200, 0.1 + 0.2)),
        "random_state": np.random.default_rng(3).bit_generator.state,
        "settings": {
            "learning_rate": 0.0075,
            "seed": 1,
            "dtype": "float64",
            "plot": True,
            "x": None,
        },
        "data_fingerprint": FINGERPRINT,
        "class_names": ("non-cat", "chat à neuf queues"),
        "x_shape": (2, 2, 3),
        "x_scale": 255.0,
        "optimiser_state": {"W1.m": np.full((4, 12), 0.25), "step": np.array(300)},
        "loop_state": {"S_W1": np.full((4, 5), 0.5), "W1_start": np.zeros((4, 12))},
        "accuracies": {
            "training": np.array([[0, 0.5], [100, 0.75]]),
            "test": np.array([[0, 0.25]]),
        },
    }
    return Checkpoint(**{**fields, **changes})


def assert_same_array(got, expected):
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert got.tobytes() == expected.tobytes()  # bit for bit, -0.0 included
    assert got.flags.c_contiguous == expected.flags.c_contiguous
    assert got.flags.f_contiguous == expected.flags.f_contiguous
    assert got.flags.writeable


def assert_same(got, expected):
    for field in dataclasses.fields(Checkpoint):
        a, b = getattr(got, field.name), getattr(expected, field.name)
        if field.name in ("parameters", "optimiser_state", "loop_state", "accuracies"):
            assert list(a) == list(b)
            for name in a:
                assert_same_array(a[name], b[name])
        elif field.name == "random_state":
            assert repr(a) == repr(b)
        elif field.name != "source":
            assert a == b
            assert type(a) is type(b)
    assert {k: type(v) for k, v in got.settings.items()} == {
        k: type(v) for k, v in expected.settings.items()
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.h5"


# What goes in comes out


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_round_trip_keeps_every_bit_and_the_memory_order(path, dtype, order):
    parameters = initial((12, 4, 3, 1), dtype, order)
    parameters["W1"][0, 0] = -0.0
    parameters["b1"][0, 0] = np.finfo(dtype).smallest_subnormal
    saved = example(parameters=parameters)
    save(path, saved)
    loaded = load(path)
    assert_same(loaded, saved)
    assert loaded.parameters["W1"].flags.f_contiguous == (order == "F")
    assert loaded.source == str(path)


def test_round_trip_of_the_barest_run(path):
    saved = example(
        iteration=0,
        costs=(),
        settings={},
        class_names=(),
        optimiser_state={},
        accuracies={},
        x_shape=[12],
    )
    save(path, saved)
    assert_same(load(path), saved)
    assert load(path).costs == ()


finite = {"allow_nan": False, "allow_infinity": False}
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**256) + 1, 2**256 - 1),
    st.floats(**finite),
    st.text(st.characters(exclude_categories=["Cs"])),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    data=st.data(),
    layer_dims=st.lists(st.integers(1, 6), min_size=2, max_size=6),
    dtype=st.sampled_from(["float32", "float64"]),
    chosen=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), scalars, max_size=5),
    costs=st.dictionaries(st.integers(0, 2**63 - 1), st.floats(**finite), max_size=6),
)
def test_round_trip_of_anything(path, data, layer_dims, dtype, chosen, costs):
    def array(shape, dtype):
        drawn = data.draw(hnp.arrays(dtype, shape, elements={} if dtype == "int64" else finite))
        return np.asarray(drawn, order=data.draw(st.sampled_from("CF")))

    shapes = {name: value.shape for name, value in initial(layer_dims).items()}
    names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
    optimiser_state = {
        name: array(
            data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)),
            data.draw(st.sampled_from(["float32", "float64", "int64"])),
        )
        for name in data.draw(st.sets(names, max_size=3))
    }
    saved = example(
        layer_dims=layer_dims,
        parameters={name: array(shape, dtype) for name, shape in shapes.items()},
        settings=chosen,
        iteration=2**63 - 1,
        costs=sorted(costs.items()),
        class_names=(),
        x_shape=(layer_dims[0],),
        optimiser_state=optimiser_state,
    )
    save(path, saved)
    assert_same(load(path), saved)


def test_numpy_scalars_count_as_the_numbers_they_are(path):
    saved = example(
        layer_dims=np.array([12, 4, 3, 1]).tolist(),
        iteration=np.int64(300),
        costs=[(np.int32(0), np.float32(0.5))],
        settings={"rate": np.float32(0.1), "seed": np.uint8(3), "on": np.True_},
        x_scale=np.float64(255),
    )
    assert saved.costs == ((0, 0.5),)
    assert type(saved.iteration) is int
    assert saved.settings == {"rate": float(np.float32(0.1)), "seed": 3, "on": True}
    save(path, saved)
    assert_same(load(path), saved)


def test_a_checkpoint_is_a_snapshot():
    parameters = initial((12, 4, 3, 1))
    settings = {"seed": 1}
    snapshot = example(parameters=parameters, settings=settings)
    before = parameters["W1"].copy()
    parameters["W1"] += 1
    parameters["W2"] = None
    settings["seed"] = 2
    np.testing.assert_array_equal(snapshot.parameters["W1"], before)
    assert snapshot.parameters["W2"].shape == (3, 4)
    assert snapshot.settings == {"seed": 1}


def test_the_same_checkpoint_gives_the_same_bytes(tmp_path):
    def reversed_fields(saved):
        return dataclasses.replace(
            saved,
            settings=dict(reversed(saved.settings.items())),
            optimiser_state=dict(reversed(saved.optimiser_state.items())),
            parameters=dict(reversed(saved.parameters.items())),
        )

    saved = example()
    save(tmp_path / "a.h5", saved)
    time.sleep(1.1)  # HDF5 keeps time in whole seconds
    save(tmp_path / "b.h5", reversed_fields(load(tmp_path / "a.h5")))
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_any_hdf5_reader_opens_the_file(path):
    saved = example()
    save(path, saved)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["parameters/W1"], saved.parameters["W1"])
        np.testing.assert_array_equal(file["costs/cost"], [0.7, 0.5, 0.1 + 0.2])
        assert json.loads(file["description"][()])["layer_dims"] == [12, 4, 3, 1]
        assert file.userblock_size == 512


# What a model was trained for


def test_other_layers_are_refused_by_name(path):
    save(path, example())
    model = load(path)
    model.require_layers([12, 4, 3, 1])
    with pytest.raises(
        ValueError, match=r"model\.h5 was trained with layers 12-4-3-1, not 12-7-1:"
    ):
        model.require_layers([12, 7, 1])
    with pytest.raises(ValueError, match=r"layer_dims\[1\]: .* from 1 .* got 0"):
        model.require_layers([12, 0, 1])


def test_other_data_are_refused_by_name(path):
    save(path, example())
    model = load(path)
    model.require_data(FINGERPRINT)
    with pytest.raises(ValueError, match=r"model\.h5 was trained on data .*0123456789ab.*ffffff"):
        model.require_data("f" * 64)
    with pytest.raises(ValueError, match="64 lower-case"):
        model.require_data("f" * 63)


# Fields that are refused when a checkpoint is made


def with_array(name, value):
    return {"parameters": {**initial((12, 4, 3, 1)), name: value}}


def poisoned(value):
    W2 = np.ones((3, 4))
    W2[1, 2] = value
    return with_array("W2", W2)


REFUSED = {
    "parameters not a dict": ({"parameters": [1]}, TypeError, "parameters: expected a dict"),
    "missing parameter": (
        {"parameters": initial((12, 4, 3))},
        ValueError,
        r"parameters of layers 12-4-3-1: missing: W3, b3",
    ),
    "one parameter too many": (with_array("W4", np.ones((1, 1))), ValueError, "unknown: W4"),
    "other shape": (
        with_array("W1", np.ones((12, 4))),
        ValueError,
        r"'W1'\]: expected shape \(4, 12\).*got \(12, 4\)",
    ),
    "rank 1 bias": (with_array("b1", np.ones(4)), ValueError, r"'b1'\].*\(4, 1\).*got \(4,\)"),
    "nan": (poisoned(np.nan), ValueError, r"'W2'\]: expected finite numbers, got nan at \[1, 2\]"),
    "inf": (poisoned(-np.inf), ValueError, r"'W2'\].*got -inf at \[1, 2\]"),
    "mixed dtypes": (
        with_array("b2", np.zeros((3, 1), np.float32)),
        TypeError,
        r"'b2'\]: expected float64, as W1, got float32",
    ),
    "integers": (with_array("b2", np.zeros((3, 1), int)), TypeError, r"'b2'\].*got int64"),
    "half": (with_array("b2", np.zeros((3, 1), "f2")), TypeError, "got float16"),
    "foreign bytes": (with_array("b2", np.zeros((3, 1), ">f8")), TypeError, "got >f8"),
    "objects": (with_array("b2", np.zeros((3, 1), object)), TypeError, "got object"),
    "list": (with_array("b2", [[0], [0], [0]]), TypeError, "expected a numpy.ndarray, got list"),
    "masked": (with_array("b2", np.ma.zeros((3, 1))), TypeError, "got MaskedArray"),
    "strided": (
        with_array("W2", np.ones((3, 8))[:, ::2]),
        ValueError,
        r"'W2'\]: expected an array contiguous .* np\.ascontiguousarray",
    ),
    "number for layers": ({"layer_dims": 12}, TypeError, "layer_dims: expected a list"),
    "text for layers": ({"layer_dims": "12"}, TypeError, "layer_dims: expected a list"),
    "one layer": ({"layer_dims": (12,)}, ValueError, "layer_dims: .* got 1 sizes"),
    "empty layer": ({"layer_dims": (12, 0, 1)}, ValueError, r"layer_dims\[1\]"),
    "half a neuron": ({"layer_dims": (12, 4.5, 1)}, TypeError, r"layer_dims\[1\].*got float"),
    "true neurons": ({"layer_dims": (12, True, 1)}, TypeError, r"layer_dims\[1\].*got bool"),
    "negative iteration": ({"iteration": -1}, ValueError, "iteration: .* got -1"),
    "fractional iteration": ({"iteration": 1.0}, TypeError, "iteration: .* got float"),
    "endless iteration": ({"iteration": 2**63}, ValueError, "iteration: "),
    "costs as an array": ({"costs": np.ones((2, 2))}, TypeError, "costs: expected a list"),
    "bare costs": ({"costs": [0.7]}, TypeError, r"costs\[0\]: expected a list or tuple"),
    "triple": ({"costs": [(0, 0.7, 1)]}, ValueError, r"costs\[0\]: .* got 3 values"),
    "cost of the future": ({"costs": [(301, 0.7)]}, ValueError, r"costs\[0\]\[0\].*300.* got 301"),
    "costs out of order": ({"costs": [(5, 1.0), (5, 1.0)]}, ValueError, r"costs\[1\]\[0\].* got 5"),
    "nan cost": ({"costs": [(0, math.nan)]}, ValueError, r"costs\[0\]\[1\]: .*finite.* got nan"),
    "cost in words": ({"costs": [(0, "low")]}, TypeError, r"costs\[0\]\[1\]: .* got str"),
    "random state as text": ({"random_state": "x"}, TypeError, "random_state: expected a dict"),
    "bad loop name": ({"loop_state": {"a/b": np.ones(1)}}, ValueError, "loop_state: .*'a/b'"),
    "foreign generator": (
        {"random_state": {"bit_generator": "os.system"}},
        ValueError,
        r"random_state\['bit_generator'\]: expected one of PCG64, .*os\.system",
    ),
    "settings not a dict": ({"settings": [("seed", 1)]}, TypeError, "settings: expected a dict"),
    "nested settings": ({"settings": {"a": {}}}, TypeError, r"settings\['a'\].* got dict"),
    "array setting": ({"settings": {"a": np.ones(2)}}, TypeError, r"settings\['a'\].* got ndarray"),
    "nan setting": ({"settings": {"rate": math.nan}}, ValueError, r"settings\['rate'\]"),
    "vast setting": ({"settings": {"seed": 2**256}}, ValueError, r"settings\['seed'\]"),
    "numbered setting": ({"settings": {1: 1}}, TypeError, "settings, key 1: expected a string"),
    "surrogate setting": ({"settings": {"a": "\ud800"}}, ValueError, r"'a'\].* UTF-8"),
    "surrogate name": ({"settings": {"\ud800": 1}}, ValueError, "settings, key .* UTF-8"),
    "short fingerprint": ({"data_fingerprint": "abc"}, ValueError, "data_fingerprint: .* 'abc'"),
    "upper fingerprint": ({"data_fingerprint": "A" * 64}, ValueError, "data_fingerprint: "),
    "bytes fingerprint": ({"data_fingerprint": b"a" * 64}, TypeError, "data_fingerprint: "),
    "one class": ({"class_names": ["cat"]}, ValueError, "class_names: expected 2 .* got 1"),
    "bytes class": ({"class_names": [b"a", b"b"]}, TypeError, r"class_names\[0\]: .* got bytes"),
    "classes in a row": ({"class_names": "ab"}, TypeError, "class_names: expected a list"),
    "other x_shape": ({"x_shape": (2, 2, 2)}, ValueError, r"x_shape: .* n_x = 12 .*\(2, 2, 2\)"),
    "negative x_shape": ({"x_shape": (-3, -4)}, ValueError, r"x_shape\[0\]"),
    "x_scale 0": ({"x_scale": 0}, ValueError, "x_scale: expected more than 0"),
    "x_scale vast": ({"x_scale": 10**400}, ValueError, "x_scale: expected a finite number"),
    "x_scale true": ({"x_scale": True}, TypeError, "x_scale: .* got bool"),
    "bad moment name": ({"optimiser_state": {"a/b": np.ones(1)}}, ValueError, "'a/b'"),
    "dot": ({"optimiser_state": {".": np.ones(1)}}, ValueError, "optimiser_state: expected names"),
    "inf moment": (
        {"optimiser_state": {"m": np.array(np.inf)}},
        ValueError,
        r"optimiser_state\['m'\]: .* got inf at \[\]",
    ),
    "accuracy name": ({"accuracies": {"a b": np.ones((1, 2))}}, ValueError, "accuracies: .*'a b'"),
    "accuracy rows": (
        {"accuracies": {"t": np.ones(2)}},
        ValueError,
        r"'t'\]: expected rows .*\(2,\)",
    ),
    "accuracy high": ({"accuracies": {"t": np.array([[1, 1.5]])}}, ValueError, "from 0 to 1"),
    "accuracy late": ({"accuracies": {"t": np.array([[301, 0.5]])}}, ValueError, "up to .* 300"),
    "accuracy order": (
        {"accuracies": {"t": np.array([[100, 0.5], [100, 0.5]])}},
        ValueError,
        "expected increasing",
    ),
    "accuracy between": ({"accuracies": {"t": np.array([[0.5, 0.5]])}}, ValueError, "iterations"),
    "accuracy nan": ({"accuracies": {"t": np.array([[1, np.nan]])}}, ValueError, "nan"),
    "accuracy float32": (
        {"accuracies": {"t": np.ones((1, 2), np.float32)}},
        TypeError,
        "float64.*float32",
    ),
    "complex moment": (
        {"optimiser_state": {"m": np.ones(1, complex)}},
        TypeError,
        r"optimiser_state\['m'\]: .* got complex128",
    ),
}


@pytest.mark.parametrize(("changes", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_field_is_refused_by_name(changes, kind, message):
    with pytest.raises(kind, match=message):
        example(**changes)


def test_what_was_changed_after_the_check_is_not_saved(path):
    save(path, example())
    before = path.read_bytes()
    spoilt = example()
    spoilt.parameters["W1"][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"parameters\['W1'\]: .*nan at \[0, 0\]"):
        save(path, spoilt)
    spoilt = example()
    spoilt.random_state["has_uint32"] = 7
    with pytest.raises(ValueError, match="has_uint32"):
        spoilt.generator()
    assert path.read_bytes() == before


def test_too_much_text_is_not_saved(path):
    with pytest.raises(ValueError, match="at most 1048576 bytes of text"):
        save(path, example(settings={"notes": "x" * 2**20}))
    assert not path.exists()


def test_save_takes_a_checkpoint(path):
    with pytest.raises(TypeError, match="save: expected a Checkpoint, got dict"):
        save(path, {})


@pytest.mark.parametrize(
    "fields",
    [
        {"layer_dims": (1,) * 100_000},
        {"x_shape": (1,) * 100_000 + (7,)},
        {"iteration": 10**5000},
        {"x_scale": 10**5000},
        {"settings": {"a" * 100_000: object()}},
        {"settings": {"a": "\udcff" * 100_000}},
    ],
)
def test_a_long_value_gives_a_short_message(fields):
    with pytest.raises((TypeError, ValueError)) as refused:
        example(**fields)
    assert len(str(refused.value)) < 1000
