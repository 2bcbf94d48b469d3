"""How many threads BLAS has follows from sizes alone, in every command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from tinygrad_dnn import threads
from tinygrad_dnn.threads import LARGE, blas_threads, largest_product


def blas_now() -> set[int]:
    found = threadpool_info()
    return {blas["num_threads"] for blas in found if blas["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def unsaid(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in threads.VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.skipif(not blas_now(), reason="a BLAS that threadpoolctl does not know")
def test_s155_the_threads_of_blas_follow_from_sizes_never_from_the_machine() -> None:
    rng = np.random.default_rng(0)
    A, B = rng.normal(size=(20, 12288)), rng.normal(size=(209, 12288)).T
    small, large = [], []
    for cores in (1, 2, 3, 4):  # what a machine of so many would begin with
        with threadpool_limits(cores, "blas"):
            with blas_threads(LARGE - 1):
                assert blas_now() == {1}
                small.append((A @ B).tobytes())
            with blas_threads(LARGE), blas_threads(0), blas_threads(LARGE):
                assert blas_now() == {2}
                large.append((A @ B).tobytes())
            assert blas_now() == {cores}
    assert len({*small}) == len({*large}) == 1


@pytest.mark.parametrize("name", threads.VARIABLES)
def test_whoever_says_how_many_decides(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "3")
    before = blas_now()
    with blas_threads(1), blas_threads(2 * LARGE):
        assert blas_now() == before


def test_the_largest_product_of_a_network_is_that_of_its_widest_pair_of_layers() -> None:
    assert largest_product((12288, 20, 7, 5, 1), 209) == 12288 * 20 * 209
    assert largest_product((2, 30, 40, 1), 7) == 30 * 40 * 7


def test_an_error_leaves_the_threads_as_they_were() -> None:
    before = blas_now()
    with pytest.raises(KeyError), blas_threads(1):
        raise KeyError
    assert blas_now() == before


def test_a_command_runs_on_one_thread(tmp_path: Path) -> None:
    source = """
from threadpoolctl import threadpool_info
from tinygrad_dnn import Tensor

def cost():
    print([b["num_threads"] for b in threadpool_info() if b["user_api"] == "blas"])
    return Tensor([1.0], requires_grad=True).sum()
"""
    (tmp_path / "mine.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "tinygrad_dnn", "derive", "mine.py:cost"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert told.stdout.splitlines()[0] in ("[1]", "[]")
