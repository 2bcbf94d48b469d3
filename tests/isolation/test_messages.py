"""Messages of a student's process: what they carry, and that nothing else is taken for one."""

from __future__ import annotations

import json
import pickle
import random
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn.isolation.borrowing import NAMES
from tinygrad_dnn.isolation.messages import (
    DTYPES,
    HEAD,
    MOST_BYTES,
    MOST_TEXT,
    Malformed,
    Other,
    TooLarge,
    decode,
    encode,
    lengths,
    plain,
)
from tinygrad_dnn.isolation.replies import Told, loaded, reply, visible

REPLY = {"value": (np.eye(2), {"W1": [1.5, None, "x", True, 2j]}), "changed": ["b"], "borrowed": [],
         "fired": [3]}  # fmt: skip
RELU = {"line": 3, "own": "Relu", "calls": ["sigmoid"], "foreign": False, "parameters": ["Z"],
        "required": 1}  # fmt: skip
LOADED = {"functions": {"relu": RELU}, "notes": []}


def parts(frame: bytes) -> tuple[bytes, bytes]:
    text, raw = lengths(frame[: HEAD.size], limited=True)
    body = frame[HEAD.size :]
    assert len(body) == text + raw
    return body[:text], body[text:]


def there_and_back(x: Any) -> Any:
    return decode(*parts(encode(plain(x), limited=True)))


def test_values_come_back_as_they_are() -> None:
    for x in (
        None,
        True,
        3,
        -1.5,
        1j,
        "σ\x1b\udcff",
        [1, (2, [3.0])],
        {"a": {"b": ()}},
        float("inf"),
    ):
        back = there_and_back(x)
        assert back == x
        assert type(back) is type(x)
    assert np.isnan(there_and_back(float("nan")))


@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_arrays_come_back_bit_for_bit(dtype: str) -> None:
    rng = np.random.default_rng(0)
    for shape in ((), (0, 3), (2, 3), (1, 1, 2)):
        x = (9 * rng.normal(size=shape)).astype(dtype)
        for sent in (x, x.T, x.astype(x.dtype.newbyteorder(">")), np.asfortranarray(x)):
            back = there_and_back(sent)
            assert back.dtype == x.dtype
            np.testing.assert_array_equal(back, sent)
            assert back.flags.writeable


def test_what_is_no_plain_data_is_told_in_words() -> None:
    assert there_and_back(iter([])) == Other("a list_iterator")
    assert there_and_back(np.array([object()])) == Other("an array of objects")
    assert there_and_back(np.zeros(MOST_BYTES + 1, np.int8)) == Other(
        "an array (4194305,) of 4 MiB"
    )
    assert there_and_back(10**5000) == Other("an integer of 16610 bits")
    assert there_and_back(np.longdouble(1.5)).dtype == np.float64
    endless: list[Any] = []
    endless.append(endless)
    assert "a list" in str(there_and_back(endless))
    with pytest.raises(TooLarge):
        encode("x" * (MOST_TEXT + 1), limited=True)


ARRAY = '{"array":["f8",[2]]}'


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("", b""), ("{", b""), ("{}", b""), ('{"a":1}', b""), ('{"tuple":1}', b""),
        ("[" * 9999, b""), ('{"dict":[1]}', b""), ('{"dict":{},"tuple":[]}', b""), ("1", b"x"),
        ("9" * 5000, b""),
        (ARRAY, b""), (ARRAY, bytes(15)), (ARRAY, bytes(17)), ('{"other":[]}', b""),
        (ARRAY.replace("[2]", "[-1,-2]"), bytes(16)), (ARRAY.replace("[2]", "[true]"), bytes(8)),
        (ARRAY.replace("[2]", '["2"]'), bytes(16)), (ARRAY.replace("f8", "O"), bytes(16)),
        (ARRAY.replace("[2]", "[0,99999999999]"), b""), (ARRAY.replace('"f8"', "[]"), b""),
        (ARRAY.replace("[2]", json.dumps([1] * 33)), bytes(8)), ('{"complex":["1",2]}', b""),
        ('{"tuple":[' * 20 + "]}" * 20, b""),
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(text: str, raw: bytes) -> None:
    with pytest.raises(Malformed):
        decode(text.encode(), raw)


def test_a_message_longer_than_any_answer_is_refused_before_it_is_read() -> None:
    for head in (HEAD.pack(MOST_TEXT + 1, 0), HEAD.pack(1, MOST_BYTES + 1), b"\xff" * HEAD.size):
        with pytest.raises(Malformed, match="a message of"):
            lengths(head, limited=True)


def test_mutated_answers_are_answers_or_refused() -> None:
    """Whatever the bytes, nothing but Malformed is raised, and what passes has the right parts."""
    rng = random.Random(0)
    passed = 0
    for seed in range(3000):
        what: Any = [[4, REPLY], LOADED][seed % 2]
        text, raw = parts(encode({"id": "n", "kind": "ran", "what": what}, limited=True))
        mutated = bytearray(text)
        for _ in range(rng.randrange(4)):
            where = rng.randrange(len(mutated))
            mutated[where : where + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
        try:
            told = Told(decode(bytes(mutated), raw))
            if seed % 2:
                loaded(told.what, ["line"], NAMES)
            else:
                assert reply(told.what, 4, ["line"]).keys() == REPLY.keys()
            passed += 1
        except Malformed:
            pass
    assert 500 < passed < 2000


def test_an_answer_has_the_parts_that_it_must_have() -> None:
    functions, notes = loaded(LOADED, [], NAMES)
    assert (functions, notes) == (LOADED["functions"], [])
    error = {"kind": "error", "type": "E\x1b", "message": "m" * 999, "lines": [(2, "f")]}
    found = reply([0, {"error": error, "early": False}], 0, ["", " the line "])["error"]
    assert found["type"] == "E\\x1b"
    assert found["message"] == "m" * 300 + " ..."
    assert found["lines"] == [(2, "f", "the line")]
    for what in (
        [1, REPLY], REPLY, [0, REPLY | {"more": 1}], [0, {**REPLY, "borrowed": ["x"]}], [0, {}],
        [0, {"error": error, "early": 1}], [0, {"error": error | {"kind": "x"}, "early": True}],
        [0, {"error": error | {"lines": [(1, "f")] * 9}, "early": True}],
    ):  # fmt: skip
        with pytest.raises(Malformed):
            reply(what, 0, [])
    for what in ({}, {"functions": {"print": LOADED["functions"]["relu"]}, "notes": []}, None):
        with pytest.raises(Malformed):
            loaded(what, [], NAMES)


def test_a_pickle_is_no_message() -> None:
    data = pickle.dumps(("ran", {"value": 1}))
    with pytest.raises(Malformed):
        decode(data, b"")


def test_texts_are_shown_with_their_control_characters_escaped_and_cut() -> None:
    assert visible("a\x1b[2J\x9b\r\n\tσ\u202e") == "a\\x1b[2J\\x9b\\r\n\tσ\\u202e"
    assert visible("x" * 10**6) == "x" * 300 + " ..."
