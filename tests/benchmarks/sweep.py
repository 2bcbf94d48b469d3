"""A sweep of 12 runs against the same runs one after the other; writes sweep.md.

    TINYGRAD_DNN_CATS=FOLDER python tests/benchmarks/sweep.py [ROUNDS]

One after the other each run is a `tinygrad-dnn train` of its own, with the config file that the
sweep left; its model has the same bytes, or this ends. The ways take turns; of each the least time
is shown.
"""

from __future__ import annotations

import datetime
import os
import sys
import tempfile
from pathlib import Path

from answers import load, seconds
from measure import machine

TABLE = Path(__file__).with_suffix(".md")
RATES = "learning_rate = [0.001, 0.002, 0.003, 0.004, 0.005, 0.006]\nseed = [1, 2]\n"
SWEEPS = {
    "digits, 64-64-10, 20 epochs": 'head = "softmax"\nepochs = 20\n',
    "cats, 12288-20-7-5-1, 500 iterations": 'train = "{cats}"\niterations = 500\n',
}
TRAIN = """
import subprocess, sys
for folder in sys.argv[1:]:
    command = [sys.executable, "-m", "tinygrad_dnn", "train", "--config", f"{folder}/config.toml"]
    subprocess.run([*command, "--out", f"alone/{folder}"], check=True, stdout=subprocess.DEVNULL)
"""


def measured(text: str, rounds: int) -> dict[str, tuple[float, float]]:
    """By the way it was done the least seconds of the clock and of the processor."""
    found: dict[str, list[tuple[float, float]]] = {}
    ours = [sys.executable, "-m", "tinygrad_dnn", "sweep", "sweep.toml", "--no-pictures"]
    ours.append("--no-best")
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "sweep.toml").write_text(text, encoding="utf-8")
            for jobs in ("1", "2"):
                command = [*ours, "--jobs", jobs, "--out", f"sweep{jobs}"]
                used, clock, _ = seconds(command, folder)
                found.setdefault(f"`sweep --jobs {jobs}`", []).append((clock, used))
            runs = [str(p.relative_to(folder)) for p in sorted(Path(folder).glob("sweep2/runs/*"))]
            used, clock, _ = seconds([sys.executable, "-c", TRAIN, *runs], folder)
            found.setdefault("12 × `train`", []).append((clock, used))
            for run in runs:
                models = [Path(folder, p, run, "model.h5") for p in ("", "alone")]
                models.append(Path(folder, run.replace("sweep2", "sweep1"), "model.h5"))
                if len({p.read_bytes() for p in models}) > 1:
                    raise AssertionError(f"{run}: not the same bits")
    return {way: (min(c for c, _ in t), min(u for _, u in t)) for way, t in found.items()}


def main() -> None:
    before = os.getloadavg()[0]
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    cats = Path(os.environ["TINYGRAD_DNN_CATS"], "train_catvnoncat.h5").absolute()
    rows = []
    for name, text in SWEEPS.items():
        found = measured(text.format(cats=cats) + RATES, rounds)
        alone = found["12 × `train`"][0]
        for way in reversed(found):
            clock, used = found[way]
            rows.append(f"| {name} | {way} | {clock:.1f} | {used:.1f} | {clock / alone:.2f} |")
    head = [
        "# A sweep of 12 runs against the same runs one after the other",
        "",
        f"Written by `python tests/benchmarks/sweep.py` on {datetime.date.today():%-d %B %Y}.",
        "",
        f"- Machine: {machine()}; {load(before)}.",
        "",
        "| 12 runs | how | clock, s | processor, s | of `train`s |",
        "|---|---|---|---|---|",
    ]
    end = "\nAll three ways leave models of the same bytes.\n"
    text = "\n".join([*head, *rows]) + "\n" + end
    TABLE.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
