"""The script for machines with a GPU runs here too, on the stand-in: that it has no mistakes."""

import sys

import numpy as np
import pytest
from gpu import TABLE, main, same_costs


def test_a_dry_run_measures_and_compares(monkeypatch, capsys):
    before = TABLE.exists()
    words = ["gpu.py", "--quick", "--device", "device_array", "--ops", "2"]
    monkeypatch.setattr(sys, "argv", words)
    assert main() == 0
    told = capsys.readouterr().out
    assert "a stand-in, no GPU" in told
    assert "0 do not" in told
    assert "no time was left" not in told
    assert TABLE.exists() == before


def test_without_a_gpu_it_says_so(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    assert main() == 2
    assert "Nothing was measured, nothing was written." in capsys.readouterr().err


def test_contenders_that_differ_are_not_timed():
    one, other = np.array(1.0), np.array(1.1)
    with pytest.raises(SystemExit, match="different things"):
        same_costs("work", {"a": lambda: one, "b": lambda: other}, "float64")
