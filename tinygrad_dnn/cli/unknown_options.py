"""An option that a command does not have, and the one that was probably meant."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tinygrad_dnn.cli.choices import nearest

# What others call it, and what it is called here.
MEANT = {
    "--lr": "--learning-rate",
    "--rate": "--learning-rate",
    "--alpha": "--learning-rate",
    "--eta": "--learning-rate",
    "--optim": "--optimizer",
    "--solver": "--optimizer",
    "--momentum": "--optimizer momentum",
    "--steps": "--iterations",
    "--max-iter": "--iterations",
    "--num-iterations": "--iterations",
    "--num-epochs": "--epochs",
    "--batch": "--batch-size",
    "--hidden": "--layers",
    "--hidden-layer-sizes": "--layers",
    "--loss": "--cost",
    "--patience": "--early-stopping",
    "--val-split": "--validation",
    "--validation-split": "--validation",
    "--test-size": "--test-share",
    "--test-split": "--test-share",
    "--output": "--out",
    "--keep-prob": "--dropout",
    "--regularization": "--l2",
    "--lambda": "--l2",
    "--lambd": "--l2",
    "--gpu": "--device cuda",
    "--cuda": "--device cuda",
    "--random-state": "--seed",
    "--image-size": "--size",
    "--img-size": "--size",
    "--target": "--label",
    "--precision": "--dtype",
    "--students": "--student-id",
    "--spec": "--exercise",
    "--inverted": "--invert",
    "--format": "--out",
}


def refusal(unknown: Sequence[str], known: Collection[str]) -> str:
    """What is said of words that were not understood.

    Args:
        unknown: those words.
        known: the options of the command.
    """
    message = f"unrecognized arguments: {' '.join(unknown)}"
    wrong = next((word.split("=")[0] for word in unknown if word.startswith("--")), "")
    wrong = wrong.replace("_", "-").lower()
    meant = MEANT.get(wrong, "")
    if meant.split(" ")[0] not in known:
        meant = nearest(wrong, known, 0.7)
    return f"{message}; did you mean {meant}?" if meant else message
