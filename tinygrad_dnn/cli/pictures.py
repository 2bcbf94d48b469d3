"""The pictures of a training run, and a report that holds them all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import viz
from tinygrad_dnn.autodiff.retrace import values_and_gradients
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.cli.descent import Examples, Run
from tinygrad_dnn.cli.output import complain
from tinygrad_dnn.network import cost_of
from tinygrad_dnn.train import Settings, predict
from viz.reports.report import Section, report

# Examples whose activations and gradients are drawn: enough for a histogram, cheap for any data.
SAMPLE = 500


class Story(NamedTuple):
    """The texts of a report: the run in a line, accuracies reached, the commands."""

    description: str
    reached: dict[str, float]
    typed: str
    use: str


def draw_pictures(
    out: Path, settings: Settings, examples: list[Examples], run: Run, story: Story
) -> list[Path]:
    """Draw the pictures and the report; what can't be drawn here is said, and fails nothing."""
    with np.errstate(all="ignore"):  # a run that diverged is drawn as well
        sections = [
            *_curves(out, settings, examples, run),
            *_graph(out, settings, examples[0], run),
        ]
    facts = {"run": story.description, "iterations": f"{run.state.iteration:,}"}
    if run.stopped:
        facts["stopped"] = run.stopped
    if run.state.costs:
        facts["last recorded cost"] = "{1:.6f} (iteration {0:,})".format(*run.state.costs[-1])
    facts |= {
        f"accuracy on the {data.Y.shape[1]:,} {what} examples": f"{story.reached[what]}"
        for data, what in zip(examples, story.reached, strict=False)
    }
    title = f"{'-'.join(map(str, settings.layer_dims))} on {Path(examples[0].name).name}"
    commands = {"command": story.typed, "use it": story.use}
    page = report(out / "report.html", title, facts, commands, sections)
    return [*(s.picture for s in sections if s.picture is not None), page]


def _leaves(run: Run) -> dict[str, Tensor]:
    return {
        name: Tensor(p, requires_grad=True, name=name) for name, p in run.state.parameters.items()
    }


def _cost(settings: Settings, data: Examples, run: Run, most: int | None = None) -> Tensor:
    X, Y = Tensor(data.X[:, :most], name="X"), Tensor(data.Y[:, :most], name="Y")
    return cost_of(X, Y, _leaves(run), settings.cost)


def _graph(out: Path, settings: Settings, data: Examples, run: Run) -> list[Section]:
    heading = "The graph"
    try:
        path = viz.save(viz.draw(_cost(settings, data, run), merge=True), out / "graph.svg")
    except OSError as error:
        complain(f"graph.svg is left out: {error}")
        return [Section(heading, f"It was not drawn: {error}", None)]
    return [Section(heading, "The expression that was trained, as the engine recorded it.", path)]


def _curves(out: Path, settings: Settings, examples: list[Examples], run: Run) -> list[Section]:
    """Return the sections with curves, which need matplotlib."""
    try:
        from viz import curves
    except ImportError as error:
        complain(f"costs.png and the other curves are left out: {error}")
        return [Section("Curves", f"They were left out: {error}", None)]
    data, tested = examples[0], examples[-1]
    what = "test" if len(examples) > 1 else "training"
    sections = []

    def add(
        name: str, heading: str, text: str, draw: Callable[..., Path], *args: Any, **options: Any
    ) -> None:
        sections.append(Section(heading, text, draw(*args, out / name, **options)))

    if run.state.costs:
        label = f"learning rate {settings.learning_rate:g}"
        add("costs.png", "Cost", "Every 100 iterations.", curves.costs, {label: run.state.costs})
    if run.shares:
        text = "The share of right answers, every 100 iterations."
        add("accuracies.png", "Accuracy", text, curves.accuracies, run.shares)
    if len(data.shape) in (2, 3) and (*data.shape, 1)[2] in (1, 3):
        P = predict(tested.X, run.state.parameters)
        text = f"The {what} examples that are predicted wrongly."
        add(
            "mislabelled.png", "Mistakes", text, curves.mislabelled, tested.X, tested.Y, P,
            shape=data.shape, classes=data.classes or ("0", "1"),
        )  # fmt: skip
        text = "What each unit of the first layer looks for."
        add(
            "weights.png",
            "First-layer weights",
            text,
            curves.weights,
            run.state.parameters["W1"],
            shape=data.shape,
        )
    values, slopes = values_and_gradients(_cost(settings, data, run, SAMPLE))
    layers = range(1, len(settings.layer_dims))
    rows = {
        "activations": {f"A{l}": values[f"A{l}"] for l in layers},
        "gradients": {f"dZ{l}": slopes[f"Z{l}"] for l in layers},
    }
    shown = min(SAMPLE, data.X.shape[1])
    text = (
        f"How large the numbers of each layer are, on the first {shown:,} training examples: where "
        "gradients vanish, the lower row walks to the left. The mark below a "
        "histogram is its median."
    )
    add("layers.png", "Activations and gradients by layer", text, curves.histograms, rows)
    return sections
