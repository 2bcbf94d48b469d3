"""`tinygrad-dnn sweep`: real processes, one of them killed; stopped and gone on with."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import (
    ALONE,
    DONE,
    INTERRUPTED,
    NO,
    call,
    command,
    complaint,
    heed_interrupts,
    timeless,
    write_arrays,
    write_split,
)

import viz
from tinygrad_dnn.cli import run_data, sweep, sweep_worker
from tinygrad_dnn.cli.sweep_worker import carry_out
from tinygrad_dnn.data import read
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.sweep import Job, Outcome
from tinygrad_dnn.sweep.processes import DONE as COMPLETE
from tinygrad_dnn.sweep.results import seconds_of
from tinygrad_dnn.train import Settings, keep_validation

Out = pytest.CaptureFixture[str]
# Op by op: what is written takes no time to compile.
HEAD = 'train = "train.h5"\neager = true\nlayers = [48, 3, 1]\niterations = 4\n'


@pytest.fixture(autouse=True)
def folder(files: Path) -> Path:
    """Every test runs in a folder of its own."""
    return files


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Runs are carried out in this process; the list of them."""
    found: list[Job] = []

    def run_here(jobs: Any, *_: Any) -> Iterator[Outcome]:
        for job in jobs:
            found.append(job)
            answer = carry_out(job.folder, job.config)
            yield Outcome(job, "" if answer == COMPLETE else answer)

    monkeypatch.setattr(sweep, "run_in_processes", run_here)
    return found


def write(text: str, head: str = HEAD) -> str:
    Path("sweep.toml").write_text(head + text, encoding="utf-8")
    return "sweep.toml"


def rows(name: str) -> list[dict[str, str]]:
    with Path("sweep", f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file)]


def pid_at_work(folder: Path) -> int:
    """The process that trains in a folder, which writes its log."""
    log = (folder / "log.txt").resolve()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if link.resolve() == log:
                return int(link.parts[2])
    raise AssertionError(f"nobody is at work in {folder}")


def wait_until(true: Callable[[], Any]) -> Any:
    end = time.monotonic() + 90
    while not (found := true()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


# --- processes ------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")
def test_s287_what_fails_names_itself_and_stops_no_other_and_ctrl_c_saves(capsys: Out) -> None:
    """Two runs without end: one is killed, whose place others take; one is at work at Ctrl-C."""
    text = """
validation = 0.2
[[grid]]
iterations = [10_000_000, 20_000_000]
[[grid]]
iterations = 4
learning_rate = [0.01, 0.02, 1e9]
[[grid]]
learning_rate = 0.03
beta = 0.9
"""
    process = subprocess.Popen(
        command("sweep", write(text), "--jobs", 2, "--no-pictures"),
        env=os.environ | ALONE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=heed_interrupts,
    )  # fmt: skip
    with process, contextlib.ExitStack() as at_the_end:
        at_the_end.callback(process.kill)
        there = Path("sweep/runs")
        (killed,) = wait_until(lambda: [*there.glob("iterations=1*-*/model.h5")])
        (saved,) = wait_until(lambda: [*there.glob("iterations=2*-*/model.h5")])
        os.kill(pid_at_work(killed.parent), signal.SIGKILL)
        wait_until(lambda: len([*there.glob("*/result.json")]) == 3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=90)
    assert process.returncode == INTERRUPTED, err
    assert "Traceback" not in out + err
    # What failed says so, and why; nothing else did.
    assert out.startswith("6 runs: 6 settings; accuracy on the validation examples; 2 at once")
    failed = {row["iterations"] + row["learning_rate"]: row["failed"] for row in rows("runs")}
    assert failed.pop("10000000") == "its process ended: SIGKILL"
    assert failed.pop("41000000000").startswith("the cost became nan in iteration")
    assert failed.pop("40.03") == "beta: the optimizer 'sgd' has no such setting; leave it out"
    assert failed == {"20000000": "", "40.01": "", "40.02": ""}
    for name, why in (("iterations=10000000", "its process ended: SIGKILL"), ("beta=0.9", "beta:")):
        assert any(name in line and why in line for line in out.splitlines()), out
    assert seconds_of(killed.parent) > 0
    # What was at work is saved, and the command that goes on is said.
    assert run_file.load(saved).iteration > 0
    assert "interrupted; 3 of 6 runs are complete. Go on with:\n" in err
    assert err.splitlines()[-1].endswith("tinygrad_dnn sweep sweep.toml --jobs 2 --no-pictures")
    assert [row["failed"] for row in rows("table")] == ["0", "0", "0", "1", "1", "1"]
    assert call("sweep", "sweep.toml", "--dry-run") == DONE
    told = [line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]]
    assert told == ["begun", "begun", "complete", "complete", "diverged", "refused"]


# --- runs -----------------------------------------------------------------------------------------


def test_s285_a_run_is_one_of_train_and_its_config_repeats_it_bit_for_bit(
    here: list[Job], capsys: Out
) -> None:
    text = 'folds = 2\nbatch_size = 5\noptimizer = ["adam", "sgd"]\nseed = 3\n'
    assert call("sweep", write(text), "--no-pictures") == DONE
    assert len(here) == 5
    for job in here[::2]:  # the last one is the best
        config = job.folder / "config.toml"
        assert call("train", "--config", config, "--out", job.name) == DONE
        for name in ("model.h5", "costs.csv", "config.toml", "result.json"):
            assert Path(job.name, name).read_bytes() == (job.folder / name).read_bytes()
    log = (here[0].folder / "log.txt").read_text(encoding="utf-8")
    assert "48-3-1 on 15 examples of" in log
    out = capsys.readouterr().out
    assert "best: optimizer=" in out
    assert "sweep/best/model.h5" in out.replace("\\", "/")


def test_s286_what_was_begun_goes_on_and_what_is_complete_is_not_repeated(
    here: list[Job], capsys: Out
) -> None:
    name = write("validation = 0.2\nlearning_rate = [0.1, 0.2]\n")
    assert call("sweep", name, "--no-pictures") == DONE
    whole = {path: path.read_bytes() for path in Path("sweep").rglob("*") if path.is_file()}
    first = here[0].folder
    del here[:]
    capsys.readouterr()
    assert call("sweep", name, "--no-pictures") == DONE
    assert here == []
    assert "2 are complete" in capsys.readouterr().out
    # As a run is left that was killed after its second iteration.
    words = ("--config", first / "config.toml", "--iterations", 2, "--out", "two")
    assert call("train", *words) == DONE
    (first / "model.h5").write_bytes(Path("two/model.h5").read_bytes())
    (first / "result.json").unlink()
    assert call("sweep", name, "--no-pictures") == DONE
    assert [job.folder for job in here] == [first]
    assert "going on from" in (first / "log.txt").read_text(encoding="utf-8")
    for path, content in whole.items():
        if path.name not in ("log.txt", "seconds.txt"):
            assert timeless(path.read_bytes()) == timeless(content), path
    assert seconds_of(first) > 0
    # More values: only what is new is run, and another best takes the place of the first.
    del here[:]
    more = write("validation = 0.2\nlearning_rate = [0.2, 0.1, 0.15]\nseed = [1]\n")
    assert call("sweep", more, "--no-pictures", "--no-best") == DONE
    assert [job.name for job in here] == ["learning_rate=0.15"]
    # Other examples in the file: nothing that was learned from the first is taken for it.
    write_split(Path("train.h5"), "train", 20, seed=9)
    del here[:]
    assert call("sweep", more, "--no-pictures") == DONE
    assert len(here) == 4
    assert [p.name for p in sorted(Path("sweep").glob("best*"))] == ["best", "best.1"]


def test_s288_folds_are_the_same_for_every_setting_and_seed(here: list[Job]) -> None:
    text = "folds = 2\nseed = [1, 2]\nl2 = [0.0, 0.1]\n"
    assert call("sweep", write(text), "--no-pictures", "--no-best") == DONE
    assert len(here) == 8
    assert not Path("sweep/best").exists()
    with read("train.h5", split="train") as data:
        X, Y = data.columns(), data.labels()
    kept: dict[str, set[bytes]] = {}
    for job in here:
        settings = Settings.of((48, 3, 1), run_file.load(job.folder / "model.h5").settings)
        _, _, (x, y) = keep_validation(X, Y, settings)
        assert sorted([(y == 0).sum(), (y == 1).sum()]) == [7, 8]
        result = json.loads((job.folder / "result.json").read_text(encoding="utf-8"))
        assert result["validation"]["examples"] == 15
        assert result["training"]["examples"] == 15
        kept.setdefault(settings.fold, set()).add(x.tobytes())
    assert sorted(kept) == ["1/2", "2/2"]
    assert [len(found) for found in kept.values()] == [1, 1]
    assert len(set.union(*kept.values())) == 2


@pytest.mark.parametrize("of", ["a test file", "the digits", "a share"])
def test_s289_the_test_examples_are_read_for_the_best_alone(
    of: str, here: list[Job], monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    heads = {
        "a test file": HEAD + 'test = "test.h5"\n',
        "the digits": "eager = true\nlayers = [64, 3, 1]\niterations = 3\n",
        "a share": HEAD + "test_share = 0.4\n",
    }
    read_parts: list[str] = []
    genuine = run_data.read_examples

    def reading(args: Any, what: str, *others: Any) -> Any:
        read_parts.append(what)
        return genuine(args, what, *others)

    monkeypatch.setattr(run_data, "read_examples", reading)
    name = write("folds = 2\nl2 = [0.0, 0.1]\n", heads[of])
    assert call("sweep", name, "--no-pictures") == DONE
    assert read_parts == ["training"] * 5 + ["test"]
    assert "test" not in json.loads((here[0].folder / "result.json").read_text(encoding="utf-8"))
    m = {"a test file": 11, "the digits": 360, "a share": 12}[of]
    told = f"accuracy on the {m} test examples, which nothing else has read: "
    assert told in capsys.readouterr().out
    best = json.loads(Path("sweep/best/result.json").read_text(encoding="utf-8"))
    assert (
        best["training"]["examples"] == {"a test file": 30, "the digits": 1437, "a share": 18}[of]
    )


def test_early_stopping_keeps_its_share_of_the_best(here: list[Job]) -> None:
    text = "early_stopping = 5\nvalidation = 0.2\nl2 = [0.0, 0.1]\n"
    assert call("sweep", write(text), "--no-pictures") == DONE
    assert "validation = 0.2" in here[-1].config
    assert call("sweep", write("folds = 2\nl2 = [0.0, 0.1]\n"), "--no-pictures") == DONE
    assert "validation" not in here[-1].config
    assert "fold" not in here[-1].config.replace("# ", "")


def test_numbers_are_compared_by_their_error(folder: Path, here: list[Job], capsys: Out) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((24, 3))
    write_arrays(folder / "numbers.h5", train_set_x=x, train_set_y=x.sum(axis=1))
    head = 'train = "numbers.h5"\nhead = "linear"\nlayers = [3, 1]\nepochs = 5\neager = true\n'
    text = "folds = 2\nbatch_size = 6\nlearning_rate = [1e-5, 0.1]\n"
    assert call("sweep", write(text, head), "--no-best", "--no-pictures") == DONE
    out = capsys.readouterr().out
    assert "root mean squared error on 2 folds of the training examples" in out
    assert [row["learning_rate"] for row in rows("table")] == ["0.1", "1e-05"]
    assert 'score: these runs have "error" and "cost", no "accuracy"' in complaint(
        capsys, "sweep", write(text + 'score = "accuracy"\n', head)
    )
    assert call("sweep", write(text + 'score = "cost"\n', head), "--no-best") == DONE
    assert len(here) == 4
    assert Path("sweep/sweep.png").stat().st_size > 5000
    both = 'head = ["linear", "sigmoid"]\nlayers = [48, 1]\n'
    mixed = 'train = "train.h5"\nepochs = 1\n'
    assert "sweep them apart" in complaint(capsys, "sweep", write(both, mixed))


def test_a_run_on_a_cluster_that_learned_from_other_examples_is_no_result(
    here: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = carry_out

    def elsewhere(folder: Path, config: str) -> str:
        write_split(Path("train.h5"), "train", 30, seed=7)
        return genuine(folder, config)

    monkeypatch.setattr("test_cli_sweep.carry_out", elsewhere)
    assert call("sweep", write("l2 = 0.1\n"), "--no-pictures") == NO
    assert "it was trained on other examples than those here" in rows("runs")[0]["failed"]


def test_a_scheduler_is_asked_as_it_was_said(
    here: list[Job], monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    """The cluster itself: tests/sweep/test_sweep_processes.py."""
    from tinygrad_dnn import cluster
    from tinygrad_dnn.sweep import cluster as runs_there

    class Client:
        def nthreads(self) -> dict[str, int]:
            return {"tcp://a": 2, "tcp://b": 3}

    connected: list[Any] = []

    @contextlib.contextmanager
    def connect(*address: str, **options: Any) -> Iterator[Client]:
        connected.append((address, options))
        yield Client()

    monkeypatch.setattr(cluster, "connect", connect)
    monkeypatch.setattr(
        runs_there, "run_on_cluster", lambda jobs, *others: sweep.run_in_processes(jobs, *others)
    )
    words = ("--scheduler", "tcp://a:1", "--insecure", "--no-best", "--no-pictures")
    assert call("sweep", write("l2 = [0.1, 0.2]\n"), *words) == DONE
    assert connected == [(("tcp://a:1",), {"insecure": True})]
    assert len(here) == 2
    assert "; 5 at once on tcp://a:1\n" in capsys.readouterr().out


def test_what_a_program_error_says_is_the_runs_own(
    here: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(words: list[str]) -> int:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(sweep_worker, "command", broken)
    assert call("sweep", write("l2 = 0.1\n")) == NO
    assert rows("runs")[0]["failed"] == "RuntimeError: a fault of ours"
    assert "Traceback" in (here[0].folder / "log.txt").read_text(encoding="utf-8")


def test_the_best_may_fail_too(
    here: list[Job], monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    assert call("sweep", write("l2 = 0.1\n"), "--no-pictures") == DONE
    Path("sweep/best/result.json").unlink()
    monkeypatch.setattr("test_cli_sweep.carry_out", lambda *_: "no luck")
    assert call("sweep", "sweep.toml", "--no-pictures") == NO
    assert "best: failed: no luck" in capsys.readouterr().err


def test_lists_that_are_one_value(capsys: Out) -> None:
    text = "class_weight = [1, 5]\n"
    assert call("sweep", write(text), "--dry-run") == DONE
    assert capsys.readouterr().out.startswith("1 runs: 1 settings; accuracy on 0.2 of the training")
    text = 'class_weight = [[1, 5], "balanced"]\nbatch_size = ["all", 5, 5]\n'
    assert call("sweep", write(text), "--dry-run") == DONE
    assert [line.split(maxsplit=3)[-1] for line in capsys.readouterr().out.splitlines()[1:]] == [
        "class_weight=1,5 batch_size=all",
        "class_weight=1,5 batch_size=5",
        "class_weight=balanced batch_size=all",
        "class_weight=balanced batch_size=5",
    ]
    assert not Path("sweep").exists()


def test_without_matplotlib_the_picture_is_left_out(
    here: list[Job], monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.setitem(sys.modules, "viz.curves", None)
    monkeypatch.delattr(viz, "curves", raising=False)
    assert call("sweep", write("l2 = [0.1, 0.2]\n"), "--no-best") == DONE
    assert "sweep.png is left out: " in capsys.readouterr().err
    assert not Path("sweep/sweep.png").exists()
