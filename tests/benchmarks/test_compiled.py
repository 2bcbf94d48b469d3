"""The benchmarks of compiled functions run, compare like with like, and keep their promises."""

import subprocess
import sys
from pathlib import Path

import compiled
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


def test_the_page_names_command_versions_and_rows():
    text = compiled.page([Row("w", "P", "1 s", "2 s", 0.5, 0.5, 0.6)], "the command", 3.0)
    assert "the command" in text
    assert "jax" in text
    assert "| w | P | 1 s | 2 s | 0.50 | 0.50 | ≤ 0.6 | met |" in text


def test_a_smoke_run_measures_and_writes_nothing():
    before = {p.name: p.stat().st_mtime for p in HERE.iterdir()}
    command = [sys.executable, str(HERE / "compiled.py"), "--quick", "--only", "memory"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "optimised by hand" in done.stdout
    after = {p.name: p.stat().st_mtime for p in HERE.iterdir() if p.name != "__pycache__"}
    assert after == {name: when for name, when in before.items() if name in after}
