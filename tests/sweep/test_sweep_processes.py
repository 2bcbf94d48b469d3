"""Processes that carry out runs: one that dies, one that is stopped, one that talks; and Dask's."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tinygrad_dnn.sweep import Job, Outcome, run_in_processes

# Does what the config of a run says. It loads nothing, so that a test takes no time.
WORKER = """
import json, os, signal, sys, time

def main():
    number, of = sys.argv[1:]
    print("a library's own words")
    for line in sys.stdin:
        request = json.loads(line)
        if request["config"] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if request["config"] == "crash":
            raise RuntimeError("no more")
        if request["config"] == "wait":
            print('{"not": "an answer"}', flush=True)
            sys.stdin.read()
            print(json.dumps({"answer": "interrupted"}), flush=True)
            return
        os.makedirs(request["folder"], exist_ok=True)
        with open(os.path.join(request["folder"], "who"), "w") as file:
            file.write(f"{os.getpid()} {number} {of}")
        print(json.dumps({"answer": request["config"]}), flush=True)
"""


@pytest.fixture(autouse=True)
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "worker_of_a_test.py").write_text(WORKER, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "worker_of_a_test"


def jobs(folder: Path, *configs: str) -> list[Job]:
    return [Job(f"run {k}", folder / str(k), config) for k, config in enumerate(configs)]


def by_name(outcomes: Iterator[Outcome]) -> dict[str, Outcome]:
    return {o.job.name: o for o in outcomes}


def who(folder: Path, k: int) -> str:
    return (folder / str(k) / "who").read_text(encoding="utf-8")


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_process_that_dies_fails_its_run_alone(worker: str, tmp_path: Path) -> None:
    asked = jobs(tmp_path, "done", "die", "done", "crash", "done", "it diverged", "done")
    found = by_name(run_in_processes(asked, worker, 2))
    assert {name: o.failed for name, o in found.items() if o.failed} == {
        "run 1": "its process ended: SIGKILL",
        "run 3": "its process ended: exit status 1: RuntimeError: no more",
        "run 5": "it diverged",
    }
    assert len(found) == 7
    assert {who(tmp_path, k).split()[2] for k in (0, 2, 4, 6)} == {"2"}
    assert not any(o.interrupted for o in found.values())


def test_a_process_goes_from_run_to_run(worker: str, tmp_path: Path) -> None:
    found = by_name(run_in_processes(jobs(tmp_path, *["done"] * 4), worker, 1))
    assert all(o.seconds > 0 and not o.failed for o in found.values())
    assert len({who(tmp_path, k) for k in range(4)}) == 1
    assert [*run_in_processes([], worker, 3)] == []


def test_what_is_stopped_saves_and_begins_nothing_more(worker: str, tmp_path: Path) -> None:
    stop = False
    found = {}
    running = run_in_processes(
        jobs(tmp_path, "done", "wait", "wait", "done"), worker, 2, lambda: stop
    )
    for outcome in running:
        found[outcome.job.name] = outcome
        stop = True  # after the first
    assert [o.interrupted for o in found.values()] == [False, *[True] * (len(found) - 1)]
    assert "run 3" not in found
    assert not (tmp_path / "3").exists()


def test_who_stops_reading_ends_the_processes(worker: str, tmp_path: Path) -> None:
    running = run_in_processes(jobs(tmp_path, "done", "wait", "done"), worker, 2)
    first = next(running)
    running.close()  # type: ignore[attr-defined]
    pid = int(who(tmp_path, int(first.job.name[-1])).split()[0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.fixture
def client() -> Iterator[Any]:
    """A cluster in this process: its workers are threads, those of its runs are processes."""
    distributed = pytest.importorskip("distributed")
    import dask

    from tinygrad_dnn.cluster.connect import NO_PAGES

    with (
        dask.config.set(NO_PAGES),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=False,
            dashboard_address="127.0.0.1:0",  # None would take port 8787
            scheduler_kwargs={"dashboard": False},
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_a_cluster_brings_back_what_runs_left(client: Any, worker: str, tmp_path: Path) -> None:
    from tinygrad_dnn.sweep.cluster import run_on_cluster

    asked = jobs(tmp_path, "done", "die", "done")
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "model.h5").write_bytes(b"begun")
    found = by_name(run_on_cluster(asked, worker, client))
    assert [o.failed.partition(" (worker")[0] for _, o in sorted(found.items())] == [
        "", "its process ended: SIGKILL", "",
    ]  # fmt: skip
    assert len({who(tmp_path, k).split()[0] for k in (0, 2)}) == 2
    assert (tmp_path / "2" / "model.h5").read_bytes() == b"begun"
    stop = time.monotonic() + 0.3
    waiting = jobs(tmp_path, "wait", "wait", "wait")
    found = by_name(run_on_cluster(waiting, worker, client, lambda: time.monotonic() > stop))
    assert [o.interrupted for o in found.values()] == [True] * 3
