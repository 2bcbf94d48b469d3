"""`tinygrad-dnn sweep`: many runs of `train`, one table and one picture."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from textwrap import shorten

from tinygrad_dnn.cli.folders import output_folder
from tinygrad_dnn.cli.on_cluster import require_address
from tinygrad_dnn.cli.output import Log, command_line, complain, program_words
from tinygrad_dnn.cli.progress import progress
from tinygrad_dnn.cli.signals import Stop
from tinygrad_dnn.cli.status import DONE, NO
from tinygrad_dnn.cli.sweep_file import read_sweep
from tinygrad_dnn.cli.sweep_plan import DIVERGED, Planned, planned, score_of
from tinygrad_dnn.cli.sweep_report import RUNS_TABLE, Carried, Sweeping, tabulate_runs, train_best
from tinygrad_dnn.cli.train import MODEL
from tinygrad_dnn.escapes import printable
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.storage.platform import cores
from tinygrad_dnn.sweep import Job, Outcome, run_in_processes
from tinygrad_dnn.sweep.results import WORDS

WORKER = "tinygrad_dnn.cli.sweep_worker"
MOST_TOLD, LONGEST = 10, 240  # runs that failed before are told of, letters of what is told


def run(args: argparse.Namespace) -> int:
    """Carry out what is not done yet, tabulate, draw; the exit status."""
    path = Path(args.file)
    require_address(args)
    if args.jobs and args.scheduler is not None:
        raise ValueError("--jobs: the cluster's workers have as many as they have threads")
    asked = read_sweep(path)
    out = Path(args.out or path.stem)
    if out.resolve() == path.resolve():
        raise ValueError(f"{path}: give the folder a name of its own with --out")
    runs = planned(asked, path, out)
    score = score_of(asked, runs, path)
    log = Log()
    sweeping = Sweeping(args, asked, runs, score, out, log)
    sweeping.failures = {i: p.refused for i, p in enumerate(runs) if p.refused}
    if args.dry_run:
        _list(sweeping)
        return DONE
    with ExitStack() as opened:
        opened.enter_context(output_folder(str(out), "sweep"))
        carried, how = _carriers(args, runs, opened)
        stop = opened.enter_context(Stop())
        log.say(f"{_described(sweeping)}; {how}")
        _carry_out(sweeping, carried, stop)
        table = tabulate_runs(sweeping)
        good = not sweeping.failures
        if stop.asked is None and not args.no_best and table.best is not None:
            good &= train_best(sweeping, table, carried, stop)
        if stop.asked is not None:
            complete = sum(p.status in ("complete", DIVERGED) for p in runs)
            complain(
                f"interrupted; {complete} of {len(runs)} runs are complete. Go on with:\n"
                f"  {_again(args)}"
            )
            return stop.status
    log.close()
    return DONE if good else NO


# --- before ---------------------------------------------------------------------------------------


def _carriers(
    args: argparse.Namespace, runs: Sequence[Planned], opened: ExitStack
) -> tuple[Carried, str]:
    """What carries out runs, and that in words."""
    if args.scheduler is not None:
        from tinygrad_dnn.cluster import connect
        from tinygrad_dnn.sweep.cluster import run_on_cluster, told_by_us

        opened.enter_context(told_by_us())
        client = opened.enter_context(connect(args.scheduler, insecure=bool(args.insecure)))
        n = sum(client.nthreads().values())
        how = f"{n} at once on {args.scheduler}"
        return (lambda jobs, stopped: run_on_cluster(jobs, WORKER, client, stopped)), how
    threads = {p.folder: p.threads for p in runs}
    at_once = {k: args.jobs or max(1, len(cores()) // k) for k in sorted({*threads.values()})}

    def carried(jobs: Sequence[Job], stopped: Callable[[], bool]) -> Iterator[Outcome]:
        for k, n in at_once.items():  # so many threads of each as there are cores
            group = [job for job in jobs if threads.get(job.folder, min(at_once)) == k]
            yield from run_in_processes(group, WORKER, n, stopped)

    least, most = min(at_once.values()), max(at_once.values())
    return carried, f"{most} at once" if least == most else f"{least} or {most} at once"


def _described(sweeping: Sweeping) -> str:
    """The sweep in a line."""
    runs = sweeping.runs
    settings = len({p.run.setting for p in runs})
    each = f", {len(runs) // settings} of each" if len(runs) > settings else ""
    counts = f"{len(runs)} runs: {settings} settings{each}"
    done = sum(p.status in ("complete", DIVERGED) for p in runs)
    begun = sum(p.status == "begun" for p in runs)
    parts = [f"{counts}; {WORDS[sweeping.score]} on {sweeping.asked.kept}"]
    parts += [f"{done} are complete"] if done else []
    parts += [f"{begun} were begun"] if begun else []
    return "; ".join(parts)


def _list(sweeping: Sweeping) -> None:
    """Say what would be done."""
    sweeping.log.say(_described(sweeping))
    wide = len(str(len(sweeping.runs)))
    for k, p in enumerate(sweeping.runs, start=1):
        why = f": {p.refused}" if p.refused else ""
        sweeping.log.say(printable(f"{k:{wide}}  {p.status:8}  {p.run.name}{why}"))


# --- the runs -------------------------------------------------------------------------------------


def _carry_out(sweeping: Sweeping, carried: Carried, stop: Stop) -> None:
    """Carry out the runs that are not complete, saying how each ended."""
    runs, log = sweeping.runs, sweeping.log
    for i, p in enumerate(runs):
        if p.status == DIVERGED and (result := p.result) is not None:
            sweeping.failures[i] = result.stopped  # it would do so again
    for i, why in [*sweeping.failures.items()][:MOST_TOLD]:
        log.say(_line(f"{runs[i].run.name}: {runs[i].status}: {why}"))
    if (others := len(sweeping.failures) - MOST_TOLD) > 0:
        log.say(f"… and {others} more; see {RUNS_TABLE}")
    places = {p.folder: i for i, p in enumerate(runs)}
    jobs = [p.job for p in runs if p.status in ("begun", "to do")]
    ended, begun = len(runs) - len(jobs), time.monotonic()
    with progress(len(runs), ended, "run") as bar:
        for done, outcome in enumerate(carried(jobs, lambda: stop.asked is not None), start=1):
            if outcome.interrupted:
                continue
            i = places[outcome.job.folder]
            if told := outcome.failed or _wrong(runs[i]):
                sweeping.failures[i] = told
            said = f"failed: {told}" if told else _reached(sweeping, i)
            left = (time.monotonic() - begun) / done * (len(jobs) - done)
            more = f"; about {_minutes(left)} left" if done < len(jobs) else ""
            with bar.external_write_mode():
                log.say(
                    f"[{ended + done}/{len(runs)}] {_line(f'{outcome.job.name}: {said}')}{more}"
                )
            bar.update()


def _wrong(p: Planned) -> str:
    """What is wrong with a run that says it is complete; empty where nothing is."""
    if p.result is None:
        return "it left no result"
    if run_file.load(p.folder / MODEL).data_fingerprint != p.data:
        return "it was trained on other examples than those here: is the data file another there?"
    return ""


def _line(text: str) -> str:
    """The text in a line; all of it stands in the table of runs."""
    return shorten(printable(text), LONGEST, placeholder=" …")


def _reached(sweeping: Sweeping, i: int) -> str:
    result = sweeping.runs[i].result
    assert result is not None
    return f"{sweeping.score} {result.score(sweeping.score):.4f}"


def _minutes(seconds: float) -> str:
    """A time as h:mm:ss, without hours where there are none."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


# --- going on -------------------------------------------------------------------------------------


def _again(args: argparse.Namespace) -> str:
    """The command that goes on."""
    words = [*program_words(), "sweep", args.file]
    for name in ("out", "jobs", "scheduler"):
        if getattr(args, name):
            words += [f"--{name}", str(getattr(args, name))]
    switches = ("insecure", "no_pictures", "no_best")
    words += [f"--{name.replace('_', '-')}" for name in switches if getattr(args, name)]
    return command_line(words, sys.stderr)
