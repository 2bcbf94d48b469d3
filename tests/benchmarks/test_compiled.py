"""The benchmarks of compiled functions run, compare like with like, and keep their promises."""

import subprocess
import sys
from pathlib import Path

import compiled
import growth
import inductor
import numpy as np
import programs
import pytest
import workloads
from eager import Row
from measure import agree

HERE = Path(__file__).parent


def test_the_networks_agree_step_for_step():
    steps = programs.networks(*workloads.two_clouds(), (2, 16, 16, 1))
    assert [*steps][:3] == ["ours", "optimised", "eager"]
    for _ in range(3):
        agree(steps)


@pytest.mark.parametrize("link", workloads.LINKS)
def test_the_chains_agree_and_none_is_rewritten_away(link):
    steps = programs.chains(link)
    agree(steps)
    text = programs.compiled_chain(workloads.LINKS[link], 200)
    text()
    compiled_function = text.__closure__[[*text.__code__.co_freevars].index("both")].cell_contents
    assert compiled_function.source.count("out=") >= 200


def test_a_training_loop_holds_no_more_than_the_one_optimised_by_hand():
    held = {
        name: int(subprocess.check_output([sys.executable, str(HERE / "held.py"), name, "20"]))
        for name in ("ours", "optimised", "hand")
    }
    assert held["ours"] <= 1.1 * held["optimised"]
    assert held["ours"] < held["hand"] / 2


def test_torch_compile_that_does_not_work_is_a_row_with_the_reason(monkeypatch):
    class Torch:
        class compiler:
            reset = staticmethod(lambda: None)

    def fails(torch):
        raise OSError("no compiler | here\nand more")

    monkeypatch.setattr(workloads, "peer", lambda name: Torch)
    also = inductor.tried(fails)
    (row,) = (r for r in compiled.rows("w", {"ours": float}, also, {}, rounds=1, burst=1))
    assert "| torch.compile |" in str(row)
    assert "| OSError: no compiler / here | | | | |" in str(row)
    assert inductor.tried(lambda torch: float).label.startswith("torch.compile, compiled in 0.")
    monkeypatch.setattr(workloads, "peer", lambda name: None)
    (row,) = compiled.rows("w", {"ours": float}, inductor.tried(fails), {}, rounds=1, burst=1)
    assert "| not installed | | | | |" in str(row)


def test_torch_compile_is_given_the_same_work(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "compile", lambda f: f)  # which would take seconds
    X, Y = workloads.two_clouds()
    steps = workloads.networks(X, Y, (2, 16, 16, 1))
    steps["inductor"] = inductor.network(torch, X, Y, (2, 16, 16, 1))
    for _ in range(3):
        agree(steps)
    for link in workloads.LINKS.values():
        agree({"ours": workloads.ours_chain(link, 20), "it": inductor.chain(torch, link, 20)})


def test_the_page_names_command_versions_and_rows():
    row = Row("w", "P", "1 s", "2 s", 0.5, 0.5, 0.6)
    text = compiled.page([row], ["| grown |"], "the command", 3.0)
    assert "| grown |" in text
    assert "the command" in text
    assert "jax" in text
    assert "| w | P | 1 s | 2 s | 0.50 | 0.50 | ≤ 0.6 | met |" in text


def test_the_exponent_of_growth_is_that_of_the_cost():
    sizes = (1, 2, 4, 8, 16)
    found = np.array([[5 * n, 7 * n**2, 3, max(n, 4)] for n in sizes], float)
    line = growth.exponents("ops", sizes, found, 2)
    assert line == "| ops | 1 to 16 | 1.00, 1.00 | 2.00, 2.00 | 0.00, 0.00 | 0.50, 1.00 | 2 |"


def test_a_smoke_run_measures_and_writes_nothing():
    before = {p.name: p.stat().st_mtime for p in HERE.iterdir()}
    command = [sys.executable, str(HERE / "compiled.py"), "--quick", "--only", "memory"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "optimised by hand" in done.stdout
    after = {p.name: p.stat().st_mtime for p in HERE.iterdir() if p.name != "__pycache__"}
    assert after == {name: when for name, when in before.items() if name in after}
