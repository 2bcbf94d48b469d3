"""How long `tinygrad-dnn train` takes beside what nobody can do without; writes answers.md.

    TINYGRAD_DNN_CATS=FOLDER python tests/benchmarks/answers.py [ROUNDS]

The cat files (2,500 iterations), with pictures and without, between two programs that only import:
NumPy with h5py, and matplotlib's smallest picture. All figures are seconds of processor, the least
of the rounds: on a busy machine they hold where those of the clock do not. As in an installed
package, every module is compiled to bytecode before: a round that is not counted sees to that.
"""

from __future__ import annotations

import datetime
import os
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from measure import load, machine

TABLE = Path(__file__).with_suffix(".md")
PICTURE = "import matplotlib.pyplot as p; p.plot([1]); p.savefig('x.png')"
LOOP = """
import sys, time
import numpy as np
from tinygrad_dnn.data import open_dataset
from tinygrad_dnn.train import Settings, train
with open_dataset(sys.argv[1], split="train") as data:
    X, Y = data.columns(), data.labels()
settings = Settings((12288, 20, 7, 5, 1))
train(X, Y, settings, 1)
begun = time.process_time()
train(X, Y, settings, 2500)
print(time.process_time() - begun)
"""


def seconds(command: list[str], folder: str) -> tuple[float, float, str]:
    """Seconds of processor and of the clock, and what was printed."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = f"{folder}/bytecode"
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True)
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used, ended - begun, done.stdout


def main() -> None:
    before = os.getloadavg()[0]
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    cats = Path(os.environ["TINYGRAD_DNN_CATS"])
    files = [str(cats / f"{split}_catvnoncat.h5") for split in ("train", "test")]
    python, ours = [sys.executable, "-c"], [sys.executable, "-m", "tinygrad_dnn", "train"]
    commands = {
        "`import numpy, h5py`": [*python, "import numpy, h5py"],
        "`pyplot`, one picture": [*python, PICTURE],
        "the loop itself": [*python, LOOP, files[0]],
        "`train --no-pictures`": [*ours, *files, "--no-pictures"],
        "`train`": [*ours, *files],
        "`train`, the digits": ours,
        "`train --head softmax --no-pictures`": [*ours, "--head", "softmax", "--no-pictures"],
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        for counted in [False, *[True] * rounds]:
            for name, command in commands.items():
                used, clock, told = seconds(command, folder)
                if LOOP in command:
                    used = clock = float(told)
                if counted:
                    found[name].append((used, clock))
    least = {name: min(used for used, _ in times) for name, times in found.items()}
    imports, picture, loop, plain, whole, *_ = least.values()
    rows = [f"| {n} | {s:.2f} | {min(c for _, c in found[n]):.2f} |" for n, s in least.items()]
    verdict = (
        f"Without pictures, less the loop: {(plain - loop) / imports:.1f} times the imports. "
        f"The pictures add {(whole - plain) / picture:.1f} times matplotlib's smallest one."
    )
    packages = ("tinygrad-dnn", "numpy", "h5py", "matplotlib")
    head = [
        "# How soon `train` answers",
        "",
        f"Written by `python tests/benchmarks/answers.py` on {datetime.date.today():%-d %B %Y}.",
        "",
        f"- Machine: {machine()}; {load(before)}.",
        f"- Versions: {', '.join(f'{n} {version(n)}' for n in packages)}.",
        "",
        "| | processor, s | clock, s |",
        "|---|---|---|",
    ]
    text = "\n".join([*head, *rows, "", verdict, ""])
    TABLE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
