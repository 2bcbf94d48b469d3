"""Side by side: contenders take turns in one run, so that what disturbs one disturbs all."""

import argparse
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Step = Callable[[], Any]


@dataclass(frozen=True)
class Comparison:
    """Times of ours against those of a peer, seconds a step, turn for turn."""

    ours: list[float]
    peer: list[float]

    @property
    def ratios(self) -> list[float]:
        """Ours / peer, round for round."""
        return [a / b for a, b in zip(self.ours, self.peer, strict=True)]

    @property
    def median(self) -> float:
        """Median of the rounds' ratios: what the goals are held against."""
        return statistics.median(self.ratios)

    @property
    def best(self) -> float:
        """Our best time over the peer's best: what is left where nothing else ran."""
        return min(self.ours) / min(self.peer)


def interleaved(
    steps: Mapping[str, Step],
    rounds: int,
    burst: int,
    pause: float = 0.0,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """For each contender the median time of a step in each round, in seconds.

    Args:
        steps: does the work once.
        rounds: in each of them every contender has one turn; the order changes from round to round.
        burst: timed steps a turn, after one that is not timed.
        pause: rest before a turn, in seconds. The idle threads of one matrix library spin for a
            while before they sleep; without a rest they take the processor from the next one.
        clock: what tells the time in seconds; `time.process_time` where all use one thread.
    """
    order = list(steps)
    shuffle = random.Random(0).shuffle
    times: dict[str, list[float]] = {name: [] for name in order}
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            step = steps[name]
            time.sleep(pause)
            step()
            turn = []
            for _ in range(burst):
                start = clock()
                step()
                turn.append(clock() - start)
            times[name].append(statistics.median(turn))
    return times


def agree(steps: Mapping[str, Step]) -> None:
    """Demand that all contenders compute the same, before anything is timed.

    Raises:
        AssertionError: names who differs from the first.
    """
    (first, step), *others = steps.items()
    expected = step()
    for name, other in others:
        got = other()
        np.testing.assert_allclose(got, expected, rtol=1e-9, err_msg=f"{name} and {first} differ")


def machine() -> str:
    """The kind of machine, without its name: processor, cores, system, Python."""
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        named = [x.partition(":")[2].strip() for x in lines if x.startswith("model name")]
        model = named[0] if named else model
    return (
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def load(others: float) -> str:
    """Whether the machine was busy with something else: of its cores more than a quarter."""
    busy = others > (os.cpu_count() or 1) / 4
    return f"{'busy' if busy else 'idle'} (load {others:.1f} before the first round)"


def write_page(name: str, page: Callable[[], str], about: str) -> None:
    """The command line of a script that measures a page: written beside it, or printed alone."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--print", action="store_true", help="write nothing")
    printed = parser.parse_args().print
    text = page()
    if not printed:
        Path(__file__).with_name(name).write_text(text, encoding="utf-8")
    print(text)
