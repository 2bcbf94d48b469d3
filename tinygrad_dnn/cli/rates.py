"""`tinygrad-dnn train --find-learning-rate`: cost against a rate that grows, as a curve."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_dnn import optim
from tinygrad_dnn.array_modules import device_module
from tinygrad_dnn.autodiff.transforms import value_and_grad
from tinygrad_dnn.cli.output import Log, complain
from tinygrad_dnn.cli.run_data import Examples
from tinygrad_dnn.cli.run_settings import Plan
from tinygrad_dnn.cli.status import DONE
from tinygrad_dnn.compiler import compile
from tinygrad_dnn.storage.whole_file import write_text
from tinygrad_dnn.train import Settings, begin
from tinygrad_dnn.train.examples import Examples as Batches

TRIED = 200  # rates, from 1e-6 to 10
SUGGESTED = "begin with --learning-rate {:.2g}, where the mean cost falls most steeply"


def find_learning_rate(
    args: argparse.Namespace, plan: Plan, examples: list[Examples], out: Path, log: Log
) -> int:
    """Try rates, write rates.csv and rates.png, say the best; the exit status."""
    curve = tried(plan.settings, examples[0], device_module(args.device))
    rows = zip(curve.rates, curve.costs, curve.smoothed, strict=True)
    lines = "".join(f"{rate!r},{cost!r},{mean!r}\n" for rate, cost, mean in rows)
    written = [write_text(out / "rates.csv", f"learning_rate,cost,mean\n{lines}")]
    if not args.no_pictures:
        try:
            from viz import curves
        except ImportError as error:
            complain(f"rates.png is left out: {error}")
        else:
            written.append(curves.rates(curve, out / "rates.png"))
    log.say(f"{len(curve.rates)} rates from {curve.rates[0]:g} to {curve.rates[-1]:g}")
    log.say(SUGGESTED.format(curve.best))
    log.say("wrote " + ", ".join(map(str, written)))
    return DONE


def tried(settings: Settings, data: Examples, device: Any = np) -> optim.RateCurve:
    """The costs of rates that grow, on the batches of a run, computed with an array module."""
    batches = Batches(data.X, data.Y, settings, None, device.asarray)
    parameters = {name: device.asarray(p) for name, p in begin(settings).parameters.items()}

    @compile(reuse_outputs=True)
    def value_and_gradients(p: Any, X: Any, Y: Any, given: Any) -> Any:
        def cost(q: Any) -> Any:
            more = {"masks": given.get("masks"), "weights": given.get("weights")}
            return settings.cost_of(X, Y, q, m=batches.m, **more)

        return value_and_grad(cost)(p)

    def arrays() -> Iterator[tuple[Any, ...]]:
        for batch in batches.batches(parameters, batches.begin(), 0):
            yield batch.X, batch.Y, batch.given

    return optim.find_learning_rate(
        value_and_gradients, parameters, arrays(), optimizer=settings.rule(), steps=TRIED
    )
