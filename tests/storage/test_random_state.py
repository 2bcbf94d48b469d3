"""States of bit generators: NumPy's own go through JSON and on; anything else is refused."""

import json

import numpy as np
import pytest

from tinygrad_dnn.storage import random_state

BIT_GENERATORS = [
    np.random.PCG64,
    np.random.PCG64DXSM,
    np.random.MT19937,
    np.random.Philox,
    np.random.SFC64,
]


@pytest.mark.parametrize("kind", BIT_GENERATORS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("drawn", [0, 1, 3, 700])
def test_a_generator_goes_on_where_it_was(kind, drawn):
    rng = np.random.Generator(kind(5))
    rng.integers(0, 2**32, drawn, dtype=np.uint32)  # odd counts leave half a word in the buffer
    checked = random_state.checked(rng.bit_generator.state, "state")
    text = json.dumps(random_state.as_json(checked))
    restored = random_state.generator(json.loads(text))
    assert type(restored.bit_generator) is kind
    np.testing.assert_array_equal(
        restored.integers(0, 2**32, 1500, dtype=np.uint32),
        rng.integers(0, 2**32, 1500, dtype=np.uint32),
    )
    np.testing.assert_array_equal(restored.standard_normal(9), rng.standard_normal(9))


def test_a_checked_state_is_a_copy():
    state = np.random.MT19937(1).state
    checked = random_state.checked(state, "state")
    state["state"]["key"][0] += 1
    assert checked["state"]["key"][0] != state["state"]["key"][0]


def outer(kind=np.random.PCG64, **changes):
    return {**kind(1).state, **changes}


def inner(kind, **changes):
    genuine = kind(1).state
    return {**genuine, "state": {**genuine["state"], **changes}}


REFUSED = {
    "none": (None, TypeError, "random_state: expected a dict, got NoneType"),
    "generator": (np.random.default_rng(1), TypeError, "expected a dict, got Generator"),
    "foreign": (outer(bit_generator="os.system"), ValueError, r"one of PCG64, .*os\.system"),
    "unhashable": (outer(bit_generator=[]), ValueError, "one of PCG64"),
    "nameless": ({}, ValueError, "one of PCG64, .* got None"),
    "entry too many": (outer(gauss=0.0), ValueError, "random_state: expected the entries .* gauss"),
    "legacy": (
        np.random.RandomState(1).get_state(legacy=False),
        ValueError,
        "random_state: expected the entries .* gauss",
    ),
    "other entries": (outer(state={"key": 1}), ValueError, r"\['state'\].* state, inc, got key"),
    "no entries": (outer(state={}), ValueError, r"\['state'\].* got none"),
    "state a number": (outer(state=1), TypeError, r"\['state'\]: expected a dict, got int"),
    "129 bits": (inner(np.random.PCG64, inc=2**128), ValueError, r"\['state'\]\['inc'\]"),
    "negative": (inner(np.random.PCG64, state=-1), ValueError, r"\['state'\]\['state'\]"),
    "fraction": (inner(np.random.PCG64, state=1.5), TypeError, r"\['state'\]\['state'\].* float"),
    "flag 2": (outer(has_uint32=2), ValueError, r"random_state\['has_uint32'\]"),
    "flag true": (outer(has_uint32=True), TypeError, r"random_state\['has_uint32'\].* bool"),
    "33 bits": (outer(uinteger=2**32), ValueError, r"random_state\['uinteger'\]"),
    "pos beyond": (inner(np.random.MT19937, pos=625), ValueError, r"\['pos'\].* got 625"),
    "pos before": (inner(np.random.MT19937, pos=-1), ValueError, r"\['pos'\].* got -1"),
    "short key": (inner(np.random.MT19937, key=[1, 2]), ValueError, "expected 624 .* got 2"),
    "wide word": (inner(np.random.SFC64, state=[2**64] * 4), ValueError, r"\['state'\]\[0\]"),
    "float words": (inner(np.random.SFC64, state=np.ones(4)), TypeError, r"\[0\].* got float"),
    "one word": (inner(np.random.SFC64, state=1), TypeError, "expected an array, got int"),
    "scalar array": (inner(np.random.SFC64, state=np.array(1)), TypeError, "expected an array"),
    "buffer_pos": (outer(np.random.Philox, buffer_pos=-1), ValueError, r"\['buffer_pos'\]"),
    "buffer_pos beyond": (outer(np.random.Philox, buffer_pos=5), ValueError, r"\['buffer_pos'\]"),
}


@pytest.mark.parametrize(("state", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_another_state_is_refused_by_name(state, kind, message):
    with pytest.raises(kind, match=message):
        random_state.checked(state, "random_state")
    with pytest.raises(kind, match=message):
        random_state.generator(state)
