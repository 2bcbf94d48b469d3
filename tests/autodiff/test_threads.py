"""Several threads on the same leaves (lines S107, S133, S140 to S142 of the page)."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_dnn as td
from tinygrad_dnn import FreedGraphError, StaleValueError, Tensor
from tinygrad_dnn.autodiff import reverse


def param(data: Any, name: str | None = None) -> Tensor:
    return Tensor(np.array(data, dtype=float), requires_grad=True, name=name)


class Slow:
    """A gradient of 100 whose addition takes so long that every other thread has its turn."""

    def __init__(self) -> None:
        self.adds = threading.Event()

    def __add__(self, g: Any) -> Any:
        self.adds.set()
        time.sleep(0.05)
        return g + 100.0


def in_threads(n: int, work: Callable[[], None]) -> None:
    failed: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed


def test_s107_threads_lose_no_addition_to_a_gradient() -> None:
    W = param(np.ones(1_000), "W")
    kept = W * 1.0  # an intermediate result that every thread asks for
    W.node.grad = Slow()

    def work() -> None:
        for _ in range(20):
            (W * 1.0).sum().backward()
            (kept * 1.0).sum().backward(keep=[kept], free=False)

    in_threads(4, work)
    np.testing.assert_array_equal(W.grad, np.full(1_000, 260.0))
    np.testing.assert_array_equal(kept.grad, np.full(1_000, 80.0))


def test_a_gradient_forgotten_during_an_addition_does_not_come_back() -> None:
    W = param([1.0])
    W.node.grad = slow = Slow()
    thread = threading.Thread(target=(W * 1.0).sum().backward)
    thread.start()
    assert slow.adds.wait(5)
    W.zero_grad()
    thread.join()
    assert W.grad is None


def test_an_edit_is_counted_although_another_thread_counts_an_older_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    W, other = param([1.0, 2.0], "W"), param([1.0], "other")
    waits = threading.Event()
    tick = reverse.tick
    slow = threading.Thread(target=lambda: other.__setitem__(0, 2.0))

    def paused() -> int:
        now = tick()
        if threading.current_thread() is slow:
            waits.set()
            time.sleep(0.05)
        return now

    monkeypatch.setattr(reverse, "tick", paused)
    slow.start()
    assert waits.wait(5)
    cost = (W * W).sum()
    W[0] = 7.0
    slow.join()
    with pytest.raises(StaleValueError, match="W"):
        cost.backward()


def test_s141_modes_are_each_threads_own() -> None:
    seen = []
    with td.no_grad():
        thread = threading.Thread(target=lambda: seen.append((param([1.0]) * 2).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True]


def test_s142_of_threads_that_sweep_one_graph_each_adds_all_or_nothing() -> None:
    for _ in range(30):
        W = param(np.ones(50), "W")
        t = W
        for _ in range(20):
            t = t * 1.0 + W * 0.0
        cost = t.sum()
        freed: list[Exception] = []

        def work(cost: Any = cost, freed: list[Exception] = freed) -> None:
            try:
                cost.backward()
            except FreedGraphError as error:
                freed.append(error)

        in_threads(4, work)
        np.testing.assert_array_equal(W.grad, np.full(50, 4.0 - len(freed)))
    cost = (W * W).sum()
    W.zero_grad()
    in_threads(4, lambda: cost.backward(free=False))
    np.testing.assert_array_equal(W.grad, np.full(50, 8.0))


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_process_forked_while_a_thread_adds_is_not_stuck() -> None:
    script = (
        "import os, threading, time, warnings\n"
        "warnings.simplefilter('ignore', DeprecationWarning)\n"  # fork beside threads
        "import numpy as np, tinygrad_dnn as td\n"
        "from tinygrad_dnn.autodiff.reverse import SHARED\n"
        "def hold():\n"
        "    with SHARED:\n"
        "        held.set()\n"
        "        time.sleep(0.2)\n"
        "held = threading.Event()\n"
        "threading.Thread(target=hold).start()\n"
        "held.wait()\n"
        "pid = os.fork()\n"
        "W = td.Tensor([1.0], requires_grad=True)\n"
        "(W * W).sum().backward()\n"
        "assert W.grad == [2.0]\n"
        "if pid:\n"
        "    assert os.waitpid(pid, 0)[1] == 0\n"
        "else:\n"
        "    os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)


def test_s140_threads_share_a_compiled_function_and_a_graph() -> None:
    f = td.compile(lambda x: np.exp(x) @ x)
    W = param(np.linspace(0.0, 1.0, 50))
    cost = (W * W).sum()

    def work() -> None:
        x = np.linspace(0.0, 1.0, 50) * threading.get_ident() / 2.0**64
        for _ in range(20):
            assert f(x) == pytest.approx(np.exp(x) @ x)
            np.testing.assert_array_equal(td.gradients(cost, W), 2 * W.data)

    in_threads(4, work)


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_s133_a_process_forked_while_a_thread_compiles_is_not_stuck() -> None:
    script = (
        "import os, signal, threading, warnings\n"
        "warnings.simplefilter('ignore')\n"  # fork beside threads
        "import numpy as np, tinygrad_dnn as td\n"
        "x, done = np.ones(3), []\n"
        "f = td.compile(lambda x, s: np.tanh(x) * s)\n"
        "def spin():\n"
        "    while not done:\n"
        "        f(x, float(len(spun)))\n"
        "        spun.append(0)\n"
        "spun = []\n"
        "threading.Thread(target=spin).start()\n"
        "for k in range(20):\n"
        "    pid = os.fork()\n"
        "    if not pid:\n"
        "        signal.alarm(20)\n"
        "        f(x, -1.0), td.compile(td.grad(lambda x: (x * x).sum()))(x)\n"
        "        os._exit(0)\n"
        "    if os.waitpid(pid, 0)[1]:\n"
        "        done.append(pid)\n"
        "        raise SystemExit('stuck')\n"
        "done.append(0)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
