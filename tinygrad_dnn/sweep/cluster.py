"""Runs on a Dask cluster: each is a task, which has a process of its own on the worker's machine.

What a run leaves comes back as bytes, so that no folder need be shared; what it reads must be there
under the same name.
"""

from __future__ import annotations

import logging
import queue
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from tinygrad_dnn.storage.whole_file import write
from tinygrad_dnn.sweep.jobs import Job, Outcome
from tinygrad_dnn.sweep.processes import POLL, Process, program_of
from tinygrad_dnn.sweep.results import note_seconds, seconds_of

ASKED = 0.5  # seconds between two looks of a task at whether it is still wanted


class There(NamedTuple):
    """What comes back of a run.

    Attributes:
        failed: why, in words; empty where it is complete or interrupted.
        worker: the address of the worker that it ran on.
        files: what it left, by name.
    """

    failed: str
    interrupted: bool
    seconds: float
    worker: str
    files: dict[str, bytes]


@contextmanager
def told_by_us() -> Iterator[None]:
    """Within the block Dask logs nothing: a scheduler that is gone is told of, run by run."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def run_on_cluster(
    jobs: Sequence[Job],
    module: str,
    client: Any,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Outcome]:
    """As `run_in_processes`, by the workers of a `distributed.Client`.

    A worker that dies has its run begun anew by another one.
    """
    from distributed import Event

    stop = Event(f"stop-sweep-{uuid.uuid4().hex}", client=client)
    ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
    at_work: dict[Any, Job] = {}
    try:
        for job in jobs:
            files = _files(job.folder)
            future = client.submit(
                carry_out_there, module, job.name, job.config, files, stop.name, pure=False
            )
            at_work[future] = job
            future.add_done_callback(ended.put)
        asked = False
        while at_work:
            if stopped() and not asked:
                asked = True
                stop.set()
            try:
                future = ended.get(timeout=POLL)
            except queue.Empty:
                continue
            yield _outcome(at_work.pop(future), future)
    finally:
        client.cancel([*at_work])


def _files(folder: Path) -> dict[str, bytes]:
    """What an interrupted run left, to be gone on with."""
    if not folder.is_dir():
        return {}
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def _outcome(job: Job, future: Any) -> Outcome:
    """How a task ended; its files are written into the run's folder."""
    if future.status != "finished":
        error = future.exception() if future.status == "error" else None
        why = (
            " ".join(str(error).split())
            if error
            else ("the scheduler is gone; the same command goes on once it is there again")
        )
        return Outcome(job, f"the cluster: {why}")
    there: There = future.result()
    if there.files:
        job.folder.mkdir(parents=True, exist_ok=True)
    for name, data in there.files.items():
        write(job.folder / Path(name).name, data)
    failed = f"{there.failed} (worker {there.worker})" if there.failed else ""
    return Outcome(job, failed, there.interrupted, there.seconds)


def carry_out_there(
    module: str, name: str, config: str, files: dict[str, bytes], stop: str
) -> There:
    """The task: a run in a process and a folder of this worker's machine; what became of it.

    Args:
        files: that are there already, of an earlier beginning.
        stop: the name of the event that has it save and end.
    """
    from distributed import Event, get_worker

    worker = get_worker()
    task, wanted = worker.get_current_task(), Event(stop)
    if wanted.is_set():
        return There("", True, 0.0, worker.address, {})
    with TemporaryDirectory(prefix="tinygrad-dnn-") as made, ThreadPoolExecutor(1) as thread:
        folder = Path(made) / "run"
        folder.mkdir()
        for file, data in files.items():
            write(folder / Path(file).name, data)
        process = Process([*program_of(module), "0", "1"])
        try:
            found = thread.submit(process.carry_out, Job(name, folder, config))
            looked = time.monotonic()
            while not found.done():
                time.sleep(POLL / 2)
                if time.monotonic() - looked > ASKED:
                    looked = time.monotonic()
                    if wanted.is_set() or _released(worker, task):
                        process.end()
            outcome = found.result()
        finally:
            process.close()
        note_seconds(folder, seconds_of(folder))  # of files that travel nobody knows the times
        return There(
            outcome.failed, outcome.interrupted, outcome.seconds, worker.address, _files(folder)
        )


def _released(worker: Any, task: Any) -> bool:
    """Whether nobody waits for a task any more: the sweep was killed."""
    found = worker.state.tasks.get(task)
    return found is None or found.state == "cancelled"
