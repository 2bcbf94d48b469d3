"""The options of `tinygrad-dnn train`; each is a key of its config file, too."""

from __future__ import annotations

import argparse
from typing import Any

from tinygrad_dnn.cli.choices import ACTIVATION, COST, DTYPE, HEAD, INIT, OPTIMIZER, SCHEDULE
from tinygrad_dnn.cli.kinds import (
    class_weight,
    count,
    depth,
    device,
    layer_list,
    picture_size,
    processes,
    seed,
    share,
    size,
)
from tinygrad_dnn.cli.output import complain


class Former(argparse.Action):
    """An option by its former name: taken, and said."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Set it."""
        complain(f"{option_string} is now called --{self.dest.replace('_', '-')}")
        setattr(namespace, self.dest, values)


def train_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them. None stands for what was not said, so that a config file may say it."""
    add = parser.add_argument
    add("files", nargs="*", metavar="FILE", help="training file, and optionally a test file")
    add("--config", metavar="FILE", help="a TOML file of options, as config.toml of a run; "
        "what is said here wins")  # fmt: skip
    add("--train", metavar="FILE", help="training file")
    add("--test", metavar="FILE", help="test file")
    add(
        "--test-share",
        type=share,
        metavar="SHARE",
        help="keep this share of a single file for the test, of each class alike: 0.2",
    )
    add(
        "--no-test",
        action="store_true",
        default=None,
        help="leave the test examples alone: they are not read",
    )
    dataset_arguments(parser)
    _network(parser)
    _descent(parser)
    _against_overfitting(parser)
    _processes(parser)
    run = parser.add_argument_group("the run").add_argument
    run("--seed", type=seed, help="of weights, batches and dropout (default 1)")
    run("--dtype", type=DTYPE, metavar="TYPE", help="float64 (default) or float32")
    run(
        "--eager",
        dest="compiled",
        action="store_false",
        default=None,
        help="compute op by op, exactly as the formulas are written (default: a compiled program, "
        "faster, whose cost is never NaN)",
    )
    run(
        "--device",
        type=device,
        metavar="DEVICE",
        help="where to compute: cpu (default), cuda (an NVIDIA GPU, by CuPy), or the name of "
        "another module that has CuPy's functions",
    )
    run("--out", metavar="FOLDER", help="output folder (default run)")
    run(
        "--checkpoint-every",
        type=count,
        metavar="N",
        help="iterations between saves of model.h5 (default 500)",
    )
    run(
        "--resume",
        action="store_true",
        default=None,
        help="go on from the model.h5 in the output folder",
    )
    run(
        "--find-learning-rate",
        action="store_true",
        default=None,
        help="do not train: try rates that grow, draw the cost against them (rates.png) and say "
        "which to begin with",
    )
    run(
        "--no-pictures",
        action="store_true",
        default=None,
        help="leave out the pictures and the report",
    )


def _network(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("the network").add_argument
    add(
        "--layers",
        type=layer_list,
        metavar="SIZES",
        help="all layer sizes, input first: 12288,20,7,5,1 (default: the data's, then 20,7,5,1; "
        "under another head 64 and the number of classes)",
    )
    add(
        "--head",
        type=HEAD,
        metavar="HEAD",
        help="sigmoid (default: two classes), softmax (many), or linear (numbers), also said as "
        "squared, absolute or huber",
    )
    add(
        "--cost",
        type=COST,
        metavar="COST",
        help="of a sigmoid document (default), or stable: from the pre-activations, never NaN "
        "(default with float32, where an output soon rounds to 1); of a linear head squared "
        "(default), absolute or huber",
    )
    add(
        "--activation",
        type=ACTIVATION,
        metavar="NAME",
        help="of the hidden layers: relu (default), leaky_relu, tanh, sigmoid, gelu or swish",
    )
    add(
        "--init",
        type=INIT,
        metavar="NAME",
        help="sqrt (default), he (default under softmax and linear), glorot, orthogonal, or the "
        "document's 0.01",
    )


def _descent(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("the descent").add_argument
    add(
        "--optimizer",
        type=OPTIMIZER,
        metavar="NAME",
        help="sgd (default), momentum, nesterov, rmsprop, adagrad, adam (default under softmax "
        "and linear) or adamw",
    )
    add(
        "--learning-rate",
        type=float,
        metavar="RATE",
        help="default 0.0075, the document's (0.1 on the embedded digits); 0.01 for momentum, "
        "nesterov and adagrad, 0.001 for rmsprop, adam and adamw",
    )
    add("--iterations", type=count, metavar="N", help="updates in all (default 2500)")
    add(
        "--epochs",
        type=count,
        metavar="N",
        help="instead: passes over the training data in all (default 50 with mini-batches)",
    )
    add(
        "--batch-size",
        type=size,
        metavar="N",
        help="examples of an update, shuffled for each epoch; or all (default; 64 under softmax "
        "and linear)",
    )
    add(
        "--memory",
        type=count,
        metavar="MB",
        help="leave the examples in their HDF5 file and read the batches within so many megabytes, "
        "shuffled by blocks; for files larger than memory",
    )
    add("--beta", type=float, metavar="B", help="of momentum, nesterov (0.9) and rmsprop (0.99)")
    add("--dampening", type=float, metavar="D", help="of momentum (0)")
    add("--beta1", type=float, metavar="B", help="of adam and adamw (0.9)")
    add("--beta2", type=float, metavar="B", help="of adam and adamw (0.999)")
    add("--epsilon", type=float, metavar="E", help="of rmsprop, adam, adamw (1e-8), adagrad")
    add("--clip-norm", type=float, metavar="C", help="gradients of a larger norm are scaled to C")
    add("--clip-value", type=float, metavar="C", help="gradients are cut off at -C and C")
    add(
        "--schedule",
        type=SCHEDULE,
        metavar="NAME",
        help="of the rate: constant (default), step, cosine or plateau",
    )
    add(
        "--schedule-steps",
        type=count,
        metavar="N",
        help="iterations of cosine (default: all), or from cut to cut of step (default: a third)",
    )
    add("--schedule-factor", type=float, metavar="F", help="of a cut by step or plateau (0.1)")
    add(
        "--schedule-patience",
        type=depth,
        metavar="N",
        help="records of the cost without gain before plateau cuts (10); there is one each epoch, "
        "or of the full batch every 100 iterations",
    )
    add(
        "--final-learning-rate",
        type=float,
        metavar="RATE",
        help="where the schedule ends, above 0",
    )
    add("--final-rate", dest="final_learning_rate", type=float, action=Former,
        help=argparse.SUPPRESS)  # fmt: skip
    add("--warm-up", type=depth, metavar="N", help="iterations in which the rate grows (0)")


def _against_overfitting(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("against overfitting").add_argument
    add("--l2", type=float, metavar="L", help="adds L/2m times the squared weights to the cost")
    add("--weight-decay", type=float, metavar="L", help="apart from the gradient (adamw 0.01)")
    add("--dropout", type=float, metavar="P", help="share of hidden units left out in training")
    add("--label-smoothing", type=float, metavar="E", help="share that goes to all classes alike")
    add(
        "--class-weight",
        type=class_weight,
        metavar="W",
        help="balanced: all classes count alike; or a weight for each, 1,5",
    )
    add(
        "--validation",
        type=float,
        metavar="SHARE",
        help="of the training examples, of each class alike, kept apart to measure on",
    )
    add(
        "--fold",
        metavar="K/N",
        help="keep the Kth of N folds of them apart instead, whatever the seed: 2/5",
    )
    add(
        "--early-stopping",
        type=depth,
        metavar="N",
        help="end after more than N records without gain on the validation examples (0.1 of all "
        "where no share is given), and keep the best parameters",
    )


def _processes(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("several processes or machines (the extra `cluster`)")
    add = group.add_argument
    add(
        "--cluster",
        nargs="?",
        type=processes,
        const=0,
        metavar="N",
        help="train on N processes of this machine, by default as many as cores, all; says when "
        "that does not pay",
    )
    scheduler_arguments(group)
    add(
        "--shards",
        type=count,
        metavar="S",
        help="parts of the training examples whose gradients are computed apart and summed in "
        "order: the same S gives the same bits on any number of workers, and without a cluster "
        "(default: as many as workers)",
    )
    add(
        "--local-steps",
        type=count,
        metavar="K",
        help="local SGD: each shard takes K steps by itself, then parameters are averaged",
    )


def scheduler_arguments(parser: argparse._ActionsContainer) -> None:
    """The address of a Dask scheduler."""
    add = parser.add_argument
    add(
        "--scheduler",
        metavar="ADDRESS",
        help="work on the workers of the Dask scheduler at tls://HOST:PORT, or tcp://HOST:PORT; "
        "they must find the data under the same names",
    )
    add(
        "--insecure",
        action="store_true",
        default=None,
        help="allow a tcp:// address of another machine: anybody in between could read the data "
        "and run code",
    )


def dataset_arguments(parser: argparse.ArgumentParser) -> None:
    """Names of datasets in a file."""
    add = parser.add_argument
    add(
        "--x",
        metavar="NAME",
        help="dataset or array of examples, where it has no usual name; of a table the columns",
    )
    add("--y", "--label", metavar="NAME", help="dataset, array or column of labels")
    add(
        "--classes",
        metavar="NAME",
        help="dataset of class names, or the names themselves, no,yes, of labels 0, 1, ...",
    )
    add(
        "--size",
        type=picture_size,
        metavar="HxW",
        help="pictures of a folder are resized to it, height x width: 64x64",
    )
