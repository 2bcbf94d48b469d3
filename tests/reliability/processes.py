"""Threads, forked and spawned processes: each computes the bits that one alone computes.

In every case a random network's gradients, compiled and not, a loop's steps and a saved module are
computed by several threads at once that share the compiled functions, in a forked process, and (in
one case of ten, since it takes a second) in a spawned one that is sent them as pickles.

    python tests/reliability/processes.py 50
"""

from __future__ import annotations

import multiprocessing
from collections import Counter
from typing import Any

import numpy as np
from attack import Figures, in_child, main
from turns import at_once

import tinygrad_dnn as td
from tinygrad_dnn.network import cost_of, initialize_parameters

THREADS, ROUNDS = 4, 50


def gradients(p: Any, X: Any, Y: Any) -> Any:
    return td.value_and_grad(lambda q: cost_of(X, Y, q, "stable"))(p)


def bits(found: Any) -> bytes:
    value, slopes = found
    return b"".join(np.asarray(x).tobytes() for x in (value, *slopes.values()))


def steps(p: Any, X: Any, Y: Any) -> bytes:
    """The bits after some steps of a loop of one's own."""

    def one(p: Any, X: Any, Y: Any) -> Any:
        value, slopes = gradients(p, X, Y)
        return {k: v - 0.1 * slopes[k] for k, v in p.items()}, value

    loop = td.compile_loop(one, carry=dict(p), constants={"X": X, "Y": Y})
    for _ in range(3):
        value = loop.step()
    return bits((value, loop.carry))


def answers(ways: list[Any], arguments: Any) -> list[bytes]:
    """The bits that each way gives, and a loop."""
    return [*(bits(way(*arguments)) for way in ways), steps(*arguments)]


def sent(ways: list[Any], arguments: Any, queue: Any) -> None:
    queue.put(answers(ways, arguments))


def compare(ways: list[Any], arguments: Any, expected: list[bytes]) -> int:
    return answers(ways, arguments) != expected


def threaded(ways: list[Any], each: list[Any]) -> list[set[Any]]:
    """What threads find that share the ways, each with arguments of its own."""
    found: list[set[Any]] = [set() for _ in each]

    def work(k: int) -> None:
        found[k].add(tuple(answers(ways, each[k])))
        for way in ways * ROUNDS:
            found[k].add(bits(way(*each[k])))

    at_once(work, len(each))
    return found


def attack(n: int) -> Figures:
    """Compute n networks' gradients."""
    counted, failures = Counter[str](), []
    spawn = multiprocessing.get_context("spawn")
    for k in range(n):
        rng = np.random.default_rng(k)
        layers = (*rng.integers(2, 30, 3).tolist(), 1)
        m = int(rng.integers(1, 200))
        Y = rng.integers(0, 2, (1, m)).astype(float)
        p = initialize_parameters(layers, seed=k)
        each = [(p, rng.random((layers[0], m)), Y) for _ in range(THREADS)]
        ways: list[Any] = [gradients, td.compile(gradients), td.compile(gradients, rewrite=False)]
        known = [answers(ways, arguments) for arguments in each]
        arguments, expected = each[0], known[0]
        counted["threads"] += THREADS
        if threaded(ways, each) != [{tuple(answer), *answer[:-1]} for answer in known]:
            failures.append(f"case {k}: threads differ")
        counted["forked"] += 1
        if in_child(compare, ways, arguments, expected) != (0, ""):
            failures.append(f"case {k}: a forked process differs")
        if k % 10 == 0:
            counted["spawned"] += 1
            queue = spawn.Queue()
            process = spawn.Process(target=sent, args=(ways, arguments, queue))
            process.start()
            there = queue.get(timeout=60)
            process.join()
            if there != expected:
                failures.append(f"case {k}: a spawned process differs")
    return Figures(n, dict(counted), failures)


if __name__ == "__main__":
    main(attack, 20)
