"""The benchmarks run, compare like with like, and say what they found."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import workloads
from eager import Row, page, told, versus
from measure import Comparison, agree, interleaved, machine

SCRIPT = Path(__file__).with_name("eager.py")


def test_every_contender_has_its_turns():
    called = []
    steps = {name: lambda name=name: called.append(name) for name in "ab"}
    times = interleaved(steps, rounds=3, burst=2)
    assert {name: len(found) for name, found in times.items()} == {"a": 3, "b": 3}
    assert called.count("a") == called.count("b") == 3 * (1 + 2)
    # in turns, not one after the other
    assert set(called[:6]) == set(called[6:12]) == set(called[12:]) == {"a", "b"}


def test_ratios_are_taken_round_by_round():
    c = Comparison([1.0, 2.0, 9.0], [2.0, 8.0, 10.0])
    assert c.ratios == [0.5, 0.25, 0.9]
    assert c.median == 0.5
    assert c.best == 0.5


def test_contenders_that_compute_something_else_are_not_timed():
    agree({"one": lambda: np.ones(2), "two": lambda: [1.0, 1.0]})
    with pytest.raises(AssertionError, match="two and one differ"):
        agree({"one": lambda: np.ones(2), "two": lambda: [1.0, 1.001]})


@pytest.mark.parametrize("link", workloads.LINKS)
def test_a_chain_has_as_many_ops_as_it_says(link):
    counted = []

    class Counted:
        def __getattr__(self, name):
            return lambda *xs: counted.append(name) or Counted()

        def __add__(self, other):
            return counted.append("op") or Counted()

        __mul__ = __sub__ = __truediv__ = __add__

        def sum(self):
            return self

    workloads.chain(workloads.LINKS[link], Counted(), Counted(), Counted(), 200)
    assert len(counted) == 200 + 1  # x + y, where t begins


def test_a_goal_is_met_or_not_and_a_missing_peer_is_named():
    times = {"ours": [1.0], "peer": [2.0]}
    assert "| 0.50 | 0.50 | ≤ 0.6 | met |" in str(versus("w", times, "peer", "P", 0.6))
    assert "**not met**" in str(versus("w", times, "peer", "P", 0.4))
    assert str(versus("w", times, "peer", "P", None)).endswith("| 0.50 |  |  |")
    assert "| P | 1 s | not installed |" in str(versus("w", times, "absent", "P", 0.4))


def test_times_are_told_with_their_unit():
    assert [told(t) for t in (1.5, 0.0123, 4.56e-6)] == ["1.5 s", "12.3 ms", "4.56 µs"]


def test_without_the_cat_file_numbers_of_its_shape_and_memory_order_serve(monkeypatch):
    monkeypatch.delenv("TINYGRAD_DNN_CATS", raising=False)
    X, Y, source = workloads.cats()
    assert X.shape == (12288, 209)
    assert X.flags.f_contiguous
    assert Y.shape == (1, 209)
    assert "TINYGRAD_DNN_CATS" in source


@pytest.mark.cats
def test_the_cat_file_is_used_where_it_is(cats):
    X, _, source = workloads.cats()
    assert X.shape == (12288, 209)
    assert X.flags.f_contiguous  # the document's own memory order, and the fastest
    assert source == "the cat file"


def test_the_networks_agree_step_for_step():
    steps = workloads.networks(*workloads.two_clouds(), (2, 16, 16, 1))
    for _ in range(3):
        agree(steps)


def test_the_page_names_machine_versions_and_command():
    text = page([Row("w", "P", "1 s", "2 s", 0.5, 0.5, 0.6)], "the command", 3.0)
    assert "the command" in text
    assert machine() in text
    assert f"numpy {np.__version__}" in text
    assert "| w | P | 1 s | 2 s | 0.50 | 0.50 | ≤ 0.6 | met |" in text


def test_a_smoke_run_measures_and_writes(tmp_path):
    out = tmp_path / "table.md"
    command = [sys.executable, str(SCRIPT), "--quick", "--only", "small", "--out", str(out)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C.UTF-8"}
    )
    assert done.returncode == 0, done.stderr
    assert "2-16-16-1" in out.read_text(encoding="utf-8")
