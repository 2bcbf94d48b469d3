"""The command line's arguments: commands, options and what each accepts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from tinygrad_dnn import __version__
from tinygrad_dnn.cli.choices import Choice, chosen
from tinygrad_dnn.cli.kinds import ALL, count, depth, layer_list, names, seconds, seed
from tinygrad_dnn.cli.train_arguments import dataset_arguments, scheduler_arguments, train_arguments
from tinygrad_dnn.cli.unknown_options import refusal

# Of Gradescope; the grader, which knows them too, is not loaded before arguments are parsed.
SPLITS = ("train", "test")
VISIBILITIES = ("visible", "hidden", "after_due_date", "after_published")


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The arguments; leaves with a message where they are not understood."""
    top = parser()
    commands: Any = next(a.choices for a in top._actions if a.dest == "command")
    if words and not words[0].startswith("-"):
        try:
            words = [chosen(words[0], commands), *words[1:]]
        except ValueError as error:
            top.error(f"command: {error}")
    if not words:
        top.print_help(sys.stderr)
        top.exit(2, f"\n{top.prog}: error: the following arguments are required: COMMAND\n")
    args, unknown = top.parse_known_args(spelled_out(words))
    if unknown:
        command = commands[args.command]
        command.error(refusal(unknown, command._option_string_actions))
    return args


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; `command` names the one that was chosen."""
    top = argparse.ArgumentParser(
        prog="tinygrad-dnn",
        description="Train, use and check the L-layer network [LINEAR -> RELU] x (L-1) -> LINEAR "
        "-> SIGMOID; draw, explore and derive the graph of any expression.",
        epilog="The document is the deep-learning exercise whose names, files and results are "
        "kept here: a network of L layers, by hand in NumPy, that tells cats from other pictures.",
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    train_arguments(
        commands.add_parser(
            "train",
            usage="%(prog)s [OPTION ...] [FILE [TEST_FILE]]",
            help="train a network; without files on the digits that come along",
            description="Train on HDF5 files in the document's layout (train_set_x, train_set_y, "
            "list_classes; test_set_x, test_set_y), on .npz, .npy, .csv, .tsv, .parquet, or on a "
            "folder with a folder of pictures for each class. Without files: 8x8 handwritten "
            "digits, even against odd, or with --head softmax all ten. Leaves in the output "
            "folder model.h5, config.toml, costs.csv, accuracies.csv and result.json, the pictures "
            "graph.svg, costs.png, accuracies.png, confusion.png, mislabelled.png, layers.png and, "
            "of images, weights.png, and report.html, one page that shows them all.",
        )
    )
    _sweep_arguments(
        commands.add_parser(
            "sweep",
            help="many runs of train from one file, one table and one picture",
            description="Carry out the runs that a file asks for, on the cores of this machine or "
            "on a Dask cluster. Its keys are those of a config file of train; a list of values is "
            "an axis, each combination a setting, compared on validation examples or folds. What "
            "is complete is not repeated, what was interrupted goes on. Leaves table.csv, "
            "runs.csv, sweep.png, a folder for each run, and in `best` the best setting, trained "
            "on all training examples and measured on the test examples. Exit status 1 if runs "
            "failed.",
        )
    )
    _predict_arguments(
        commands.add_parser(
            "predict",
            help="classes and probabilities for data files or pictures",
            description="Predict the class of every example of a data file, or of pictures and "
            "folders of them, which are resized to what the model was trained on. Without files: "
            "the test examples of the digits that come along.",
        )
    )
    _check_arguments(
        commands.add_parser(
            "check",
            usage="%(prog)s [OPTION ...] [FILE ...]",
            help="the gradients of a network three ways, or your own code graded",
            description="Compare every gradient of a network three ways: the document's "
            "hand-written backward formulas, the engine, and a measurement (complex step). "
            "Or grade the document's functions in a Python file, a notebook, or a folder of "
            "them: which are right, which are wrong, and what the mistake probably is. "
            "Exit status 1 if gradients disagree or a function is not right, 2 if there is "
            "nothing to check.",
        )
    )
    _draw_arguments(
        commands.add_parser(
            "draw",
            help="the graph of a model, or of your own expression, as a picture",
            description="Draw what a cost is computed from: the network of a model file, on its "
            "data, or what a function of yours returns. Nodes with NaN, and parameters that get "
            "no gradient, are marked in red with the reason.",
        )
    )
    _explore_arguments(
        commands.add_parser(
            "explore",
            help="a page on which backpropagation is stepped through, with all numbers",
            description="Write one HTML page, which needs no network, on which the forward and "
            "the backward pass of a model file, or of what a function of yours returns, are "
            "stepped through node by node.",
        )
    )
    _derive_arguments(
        commands.add_parser(
            "derive",
            help="the formulas of the backward pass: dZ3 = A3 - Y",
            description="Derive the backward pass of a model file, or of what a function of yours "
            "returns, line by line: to the terminal, or to a file as a page of mathematics, "
            "LaTeX or text.",
        )
    )
    _compile_arguments(
        commands.add_parser(
            "compile",
            help="a model's forward, backward and training step as readable NumPy source",
            description="Write the forward and backward pass and the training step of a model "
            "file as one Python module: straight-line NumPy, which needs nothing of this package.",
        )
    )
    _exercise_arguments(
        commands.add_parser(
            "exercise",
            help="an exercise of your own: begun, proved, listed",
            description="Write the file of an exercise and the students' starter file, prove that "
            "it finds mistakes, or list the exercises that come along.",
        )
    )
    exported = commands.add_parser(
        "export",
        help="a model for other programs: ONNX, or its weights as .npz",
        description="Write the network of a model file as an ONNX model that takes any number of "
        "examples (needs the extra `onnx`), or its parameters as an .npz that NumPy alone reads.",
    )
    exported.add_argument("model", metavar="MODEL", help="a model.h5 that train left")
    where = exported.add_mutually_exclusive_group(required=True)
    where.add_argument("file", nargs="?", metavar="FILE", help="where to: model.onnx or model.npz")
    where.add_argument("-o", "--out", metavar="FILE", help="the same")
    return top


def _predict_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="a model.h5 that train left")
    add("files", nargs="*", metavar="FILE", help="data files, or pictures (PNG, JPEG, ...)")
    dataset_arguments(parser)
    add(
        "--split",
        type=Choice(SPLITS),
        choices=SPLITS,
        help="which part of a file that holds both (default test)",
    )
    add(
        "--invert",
        action="store_true",
        help="pictures are dark on light where the training data are light on dark",
    )


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "what",
        nargs="*",
        metavar="FILE",
        help="a model.h5 (default: random weights); or hand-written code: .py, .ipynb, a folder",
    )
    add("--layers", type=layer_list, metavar="SIZES", help="layer sizes (default 12288,20,7,5,1)")
    add("--examples", type=count, metavar="M", default=209, help="examples drawn (default 209)")
    add("--seed", type=seed, default=1, help="of weights and examples (default 1)")
    code = parser.add_argument_group("for hand-written code")
    code.add_argument("--json", action="store_true", help="print JSON")
    code.add_argument("--html", metavar="FILE", help="write a page with every finding as well")
    code.add_argument("--csv", metavar="FILE", help="write a table as well, a row for each file")
    code.add_argument(
        "--exercise",
        metavar="SPEC",
        help="what is asked for: a spec.py, or one of `exercise list` (default: the document's)",
    )
    code.add_argument(
        "--pages", metavar="FOLDER",
        help="write a page for each student, without other names, and index.html of the class",
    )  # fmt: skip
    code.add_argument(
        "--gradescope", metavar="FILE",
        help="write Gradescope's results.json as well; the files are one submission",
    )  # fmt: skip
    code.add_argument(
        "--gradescope-setup", metavar="FILE",
        help="instead of grading, write the autograder.zip that has Gradescope do it",
    )  # fmt: skip
    code.add_argument(
        "--visibility", type=Choice(VISIBILITIES), choices=VISIBILITIES, default="visible",
        help="when students see Gradescope's tests (default visible)",
    )  # fmt: skip
    code.add_argument(
        "--points", metavar="POINTS",
        help="name=N,name=N or a file of such lines; other functions have none (default: 1 each)",
    )  # fmt: skip
    code.add_argument(
        "--partial", action="store_true",
        help="where some results of a function are right, that share of its points",
    )  # fmt: skip
    code.add_argument(
        "--student-id", metavar="PATTERN",
        help="a regular expression that finds the student's id in the name or path of a file",
    )  # fmt: skip
    code.add_argument(
        "--jobs", type=count, metavar="N", help="files graded at once (default: one a processor)"
    )
    code.add_argument(
        "--require",
        type=names,
        default=[],
        metavar="A,B",
        help="functions that count",
    )
    code.add_argument(
        "--alias", action="append", default=[], metavar="NAME=OTHER",
        help="a function that may bear another name; as often as needed",
    )  # fmt: skip
    code.add_argument(
        "--limit", type=seconds, default=10.0, metavar="S", help="seconds for a call (default 10)"
    )
    code.add_argument(
        "--memory", type=count, default=2048, metavar="MB", help="of memory (default 2048; Linux)"
    )


def _exercise_arguments(parser: argparse.ArgumentParser) -> None:
    does = parser.add_subparsers(dest="does", required=True, metavar="new|test|list")
    new = does.add_parser("new", help="write a spec.py, or the starter file of one that is there")
    new.add_argument("spec", metavar="SPEC", help="where to: spec.py; what is there stays as it is")
    new.add_argument(
        "--like", metavar="NAME", help="begin with a copy of one that comes along (exercise list)"
    )
    new.add_argument(
        "--starter", metavar="FILE", help="the students' file (default: starter.py beside SPEC)"
    )
    test = does.add_parser(
        "test", help="does the reference pass, and are mistakes found and named?"
    )
    test.add_argument("spec", metavar="SPEC", help="a spec.py, or the name of one that comes along")
    test.add_argument("--json", action="store_true", help="print JSON")
    does.add_parser("list", help="the exercises that come along")


CHOICES = COMPACT, FULL = ("compact", "full")  # of --backward
WHAT = (
    "a model.h5 that train left; or module:function or file.py:function, a function without "
    "arguments that returns a Tensor (its variables and the module's give names), or a Tensor"
)


def spelled_out(words: Sequence[str]) -> list[str]:
    """The words with what `--backward` and `--cluster` alone mean, so that a file may follow."""

    def alone(word: str, other: str) -> bool:
        if word == "--backward":
            return other.lower() not in CHOICES
        return word == "--cluster" and other.lower() != ALL and not other.lstrip("-").isdecimal()

    meant = {"--backward": COMPACT, "--cluster": ALL}
    return [
        f"{word}={meant[word]}" if alone(word, other) else word
        for word, other in pairwise([*words, ""])
    ]


def _draw_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("what", metavar="WHAT", help=WHAT)
    _out_argument(
        parser,
        "the ending says the format: .svg, .png, .pdf, .dot (default graph.svg)",
        "graph.svg",
    )
    add(
        "--backward",
        nargs="?",
        const=COMPACT,
        type=Choice(CHOICES),
        choices=CHOICES,
        help="the backward pass as well: dW1, dZ1, dA1; --backward full draws every op of a "
        "derivative rule, as the transposed W2 and a mask",
    )
    add("--values", action="store_true", help="the numbers too")
    _steps_arguments(parser)
    add("--no-scopes", dest="scopes", action="store_false", help="no boxes around layers")
    folds = parser.add_mutually_exclusive_group()
    folds.add_argument(
        "--fold",
        metavar="NAME",
        action="append",
        help='draw this layer or scope as one node ("layer 1"); may be repeated',
    )
    folds.add_argument(
        "--all", action="store_true", help="never fold (default: what is too large to be read is)"
    )
    add("--depth", type=depth, metavar="N", help="levels of scopes to keep open; 0 folds all")
    _model_arguments(parser, "all of them")


def _explore_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("what", metavar="WHAT", help=WHAT)
    _out_argument(parser, "the page (default backprop.html)", "backprop.html")
    add("--title", help="of the page (default: what is explored)")
    add(
        "--live",
        action="store_true",
        help="a page that trains as well: steps, learning rate, optimiser, the cost's curve",
    )
    _steps_arguments(parser)
    _model_arguments(parser, "5, whose numbers the eye can follow; with --live up to 200")


def _derive_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("what", metavar="WHAT", help=WHAT)
    _out_argument(parser, "a .html, .tex or .txt file instead of the terminal")
    add("--wrt", metavar="NAME", action="append", help="only what leads to the gradient of this")
    add("--title", help="of the page (default: the name of the result)")
    add(
        "--plain",
        action="store_true",
        help="every line the derivative itself (default: as in the document, dA and dZ are m "
        "times that)",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--raw", action="store_true", help="as the rules give it, not simplified")
    shown.add_argument("--steps", action="store_true", help="with the steps of simplifying")
    _model_arguments(parser, "all of them")


def _compile_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="a model.h5 that train left")
    _out_argument(parser, "the module (default net.py)", "net.py")
    add(
        "--literal",
        action="store_true",
        help="compute exactly what is written (default: rewritten, e.g. log σ(Z) from Z)",
    )
    _model_arguments(parser, "all of them")


def _out_argument(parser: argparse.ArgumentParser, text: str, default: str | None = None) -> None:
    parser.add_argument("-o", "--out", metavar="FILE", default=default, help=text)


def _steps_arguments(parser: argparse.ArgumentParser) -> None:
    steps = parser.add_mutually_exclusive_group()
    steps.add_argument(
        "--merge",
        action="store_true",
        default=None,
        help="named results only, Z1 = W1 X + b1 as one node (default for a model)",
    )
    steps.add_argument(
        "--steps",
        dest="merge",
        action="store_false",
        help="every step a node of its own (default for a function)",
    )


def _model_arguments(parser: argparse.ArgumentParser, default: str) -> None:
    model = parser.add_argument_group("for a model file")
    add = model.add_argument
    add(
        "--data",
        metavar="FILE",
        help="compute its cost on the examples of this data file (default: the digits that come "
        "along where they fit, else random examples)",
    )
    add("--x", metavar="NAME", help="dataset of examples, where it is not the document's")
    add("--y", metavar="NAME", help="dataset of labels")
    add(
        "--split",
        type=Choice(SPLITS),
        choices=SPLITS,
        help="which part of a file that holds both (default train)",
    )
    add(
        "--examples", type=count, metavar="M", help=f"the first M examples only (default {default})"
    )


def _sweep_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", metavar="FILE", help="a TOML file: the keys of train's, lists of values as axes")
    add("--out", metavar="FOLDER", help="output folder (default: the file's name without .toml)")
    add("--dry-run", action="store_true", help="list the runs, and begin none")
    add(
        "--jobs",
        type=count,
        metavar="N",
        help="runs at once (default: as many as there are cores; half of that where products are "
        "so large that each takes two)",
    )
    scheduler_arguments(parser)
    add(
        "--no-best",
        action="store_true",
        help="do not train the best setting on all training examples in the end, and leave the "
        "test examples alone",
    )
    add("--no-pictures", action="store_true", help="leave out the picture, and those of the best")
