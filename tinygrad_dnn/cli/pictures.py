"""The pictures of a training run, and a report that holds them all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

import viz
from tinygrad_dnn import metrics
from tinygrad_dnn.autodiff.retrace import values_and_gradients
from tinygrad_dnn.autodiff.tensor import Tensor
from tinygrad_dnn.cli.descent import Run
from tinygrad_dnn.cli.output import complain
from tinygrad_dnn.cli.run_data import Examples
from tinygrad_dnn.network import predicted_labels
from tinygrad_dnn.train import Settings
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
    with TemporaryDirectory() as folder:
        with np.errstate(all="ignore"):  # a run that diverged is drawn as well
            sections = [
                *_curves(out, Path(folder), settings, examples, run),
                *_graph(out, settings, examples[0], run),
            ]
        page = _report(out, settings, examples, run, story, sections)
    return [*(s.picture for s in sections if s.picture is not None), page]


def _report(
    out: Path,
    settings: Settings,
    examples: list[Examples],
    run: Run,
    story: Story,
    sections: list[Section],
) -> Path:
    facts = {"run": story.description, "iterations": f"{run.state.iteration:,}"}
    if run.stopped:
        facts["stopped"] = run.stopped
    if run.state.costs:
        facts["last recorded cost"] = "{1:.6f} (iteration {0:,})".format(*run.state.costs[-1])
    facts |= {what: f"{value}" for what, value in story.reached.items()}
    title = f"{'-'.join(map(str, settings.layer_dims))} on {Path(examples[0].name).name}"
    commands = {"command": story.typed, "use it": story.use}
    return report(out / "report.html", title, facts, commands, sections)


def _leaves(run: Run) -> dict[str, Tensor]:
    return {name: Tensor(p, requires_grad=True, name=name) for name, p in run.state.chosen.items()}


def _cost(settings: Settings, data: Examples, run: Run, most: int | None = None) -> Tensor:
    m = data.X.shape[1] if most is None else min(most, data.X.shape[1])
    X, Y = Tensor(data.X[:, :m], name="X"), Tensor(data.Y[:, :m], name="Y")
    return settings.cost_of(X, Y, _leaves(run), weights=settings.weights_of(Y.data))


def _graph(out: Path, settings: Settings, data: Examples, run: Run) -> list[Section]:
    heading = "The graph"
    try:
        path = viz.save(viz.draw(_cost(settings, data, run), merge=True), out / "graph.svg")
    except OSError as error:
        complain(f"graph.svg is left out: {error}")
        return [Section(heading, f"It was not drawn: {error}", None)]
    return [Section(heading, "The expression that was trained, as the engine recorded it.", path)]


def _when(settings: Settings) -> str:
    return "every 100 iterations" if settings.batch_size is None else "after each epoch"


def _costs(curves: Any, settings: Settings, run: Run) -> tuple[str, Callable[..., Path]]:
    """What the curve of costs shows, and how it is drawn."""
    state = run.state
    label = f"learning rate {settings.learning_rate:g}"
    if settings.batch_size is None and not state.validation:
        text = f"{_when(settings).capitalize()}."
        return text, partial(curves.costs, {label: state.costs})
    lines: dict[str, Any] = {"training": state.costs}
    behind: dict[str, Any] = {}
    if run.steps[1]:
        steps = run.step_costs
        every = max(1, len(steps) // 2000)  # more points than that no picture shows
        behind["each step"] = [(t, steps[t]) for t in range(0, len(steps), every)]
        lines = {"mean of each epoch": state.costs}
    if state.validation:
        lines["validation"] = state.validation
    text = f"{_when(settings).capitalize()}; {label}."
    if state.validation:
        text += " The validation examples are not trained on; their cost has no penalty."
    return text, partial(curves.costs, lines, behind=behind)


def _curves(
    out: Path, darks: Path, settings: Settings, examples: list[Examples], run: Run
) -> list[Section]:
    """The sections with curves, which need matplotlib; `darks` gets their copies for dark pages."""
    try:
        from viz import curves
    except ImportError as error:
        complain(f"costs.png and the other curves are left out: {error}")
        return [Section("Curves", f"They were left out: {error}", None)]
    data, tested = examples[0], examples[-1]
    what = tested.what
    sections = []

    def add(
        name: str, heading: str, text: str, draw: Callable[..., Path], *args: Any, **options: Any
    ) -> None:
        picture = draw(*args, out / name, **options)
        sections.append(Section(heading, text, picture, options.get("dark")))

    if run.state.costs:
        add("costs.png", "Cost", *_costs(curves, settings, run))
    if run.shares:
        text = f"The share of right answers, {_when(settings)}."
        add("accuracies.png", "Accuracy", text, curves.accuracies, run.shares)
    names = data.classes or tuple(map(str, range(settings.classes)))
    images = len(data.shape) in (2, 3) and (*data.shape, 1)[2] in (1, 3)
    P = tested.predict(settings, run.state.chosen)
    if tested.labels is not None:
        counts = metrics.confusion_matrix(tested.labels, predicted_labels(P), settings.classes)
        text = f"The {what} examples by their label (row) and what they were taken for (column)."
        add(
            "confusion.png", "Confusion matrix", text, curves.confusion, counts, classes=names,
            dark=darks / "confusion.png",
        )  # fmt: skip
    if tested.labels is not None and images:
        k = tested.X.shape[1]
        text = f"The {what} examples that are predicted wrongly."
        if k < tested.m:
            text = f"Of the first {k} {what} examples those that are predicted wrongly."
        text += " Above each: what it was taken for, with what probability, and what it is."
        add(
            "mislabelled.png", "Mistakes", text, curves.mislabelled, tested.X, tested.labels[:, :k],
            P[:, :k],
            shape=data.shape, classes=names, dark=darks / "mislabelled.png",
        )  # fmt: skip
    if images:
        text = (
            "What each unit of the first layer looks for: its weight of each pixel, for the "
            "unit where it is above 0, against it where it is below."
        )
        add(
            "weights.png",
            "First-layer weights",
            text,
            curves.weights,
            run.state.chosen["W1"],
            shape=data.shape,
            dark=darks / "weights.png" if len(data.shape) == 3 and data.shape[2] == 3 else None,
        )
    values, slopes = values_and_gradients(_cost(settings, data, run, SAMPLE))
    layers = range(1, len(settings.layer_dims))
    rows = {
        "activations": {f"A{l}": values[f"A{l}"] for l in layers if f"A{l}" in values},
        "gradients": {f"dZ{l}": slopes[f"Z{l}"] for l in layers},
    }
    shown = min(SAMPLE, data.X.shape[1])
    text = (
        f"How large the numbers of each layer are, on the first {shown:,} training examples: where "
        "gradients vanish, the lower row walks to the left."
    )
    add("layers.png", "Activations and gradients by layer", text, curves.histograms, rows)
    return sections
