"""`tinygrad-dnn train`: what it prints, what it leaves, and what it says when it can't."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from commands import DONE, NO, call, examples, run, write_arrays, write_split

from tinygrad_dnn import metrics
from tinygrad_dnn.data import default_dataset, open_dataset
from tinygrad_dnn.storage import run_file
from tinygrad_dnn.train import Settings, begin, predict, predicted_labels, train

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(files: Path) -> Path:
    """Every test runs in a folder of its own."""
    return files


def accuracy(X: Any, Y: Any, parameters: Any) -> float:
    return metrics.accuracy(Y, predicted_labels(predict(X, parameters)))


def quick(*words: Any, n: int = 3) -> int:
    """Train for n iterations, without pictures."""
    return call("train", *words, "--iterations", n, "--no-pictures")


# --- what it leaves and prints --------------------------------------------------------------------


WRITTEN = [
    "model.h5", "config.toml", "costs.csv", "accuracies.csv", "result.json", "costs.png",
    "accuracies.png", "confusion.png", "mislabelled.png", "weights.png", "layers.png",
    "graph.svg", "report.html",
]  # fmt: skip


def test_without_arguments_it_learns_the_digits(folder: Path) -> None:
    done = run("train", "--iterations", "201", cwd=folder)
    assert (done.returncode, done.stderr) == (DONE, "")
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "64-20-7-5-1 on 1437 examples of the digits that come along: "
        "learning rate 0.1, seed 1, init sqrt, float64, document cost"
    )
    assert lines.pop(1).startswith("log σ(Z) is rewritten: the cost stays finite")
    assert [re.sub(r"\d\.\d{6}$", "…", line) for line in lines[1:4]] == [
        "Cost after iteration 0: …",
        "Cost after iteration 100: …",
        "Cost after iteration 200: …",
    ]
    model = run_file.load("run/model.h5")
    assert model.iteration == 201
    assert model.class_names == ("odd", "even")
    assert (model.x_shape, model.x_scale) == ((8, 8, 1), 255)
    assert [f"Cost after iteration {i}: {c:f}" for i, c in model.costs] == lines[1:4]
    for line, start in zip(
        lines[4:6], ("the 1437 training examples: ", "the 360 test examples: "), strict=True
    ):
        share = float(line.removeprefix(f"Accuracy on {start}"))
        assert 0.8 < share < 1
    assert lines[6] == "drawing the pictures into run"
    assert lines[7] == "wrote " + ", ".join(f"run/{name}" for name in WRITTEN)
    python = Path(sys.executable).name
    assert lines[8:] == [f"use it: {python} -m tinygrad_dnn predict run/model.h5"]
    assert sorted(p.name for p in Path("run").iterdir()) == sorted(WRITTEN)
    svg = Path("run/graph.svg").read_text(encoding="utf-8")
    assert all(name in svg for name in ("W1", "b4", "A3", "Z4", "cost", "layer 2"))
    assert Path("run/costs.png").read_bytes().startswith(b"\x89PNG")
    rows = [line.split(",") for line in Path("run/costs.csv").read_text().splitlines()]
    assert rows[0] == ["iteration", "cost"]
    assert tuple((int(i), float(c)) for i, c in rows[1:]) == model.costs


def test_the_model_is_what_the_library_trains() -> None:
    assert quick("--layers", "64,4,1", "--init", "he", "--seed", "5", n=7) == DONE
    with default_dataset() as digits:
        X, Y = digits.columns(), digits.labels()
    state = train(X, Y, Settings((64, 4, 1), 0.1, 5, "he"), 7)
    model = run_file.load("run/model.h5")
    assert (model.iteration, model.costs) == (state.iteration, state.costs)
    for name, p in model.parameters.items():
        np.testing.assert_array_equal(p, state.parameters[name])


def test_files_are_trained_on_at_the_documents_rate(capsys: Out) -> None:
    assert quick("train.h5", "test.h5", n=101) == DONE
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("48-20-7-5-1 on 30 examples of train.h5: learning rate 0.0075, ")
    assert lines[-4].startswith("Accuracy on the 30 training examples: ")
    assert lines[-3].startswith("Accuracy on the 11 test examples: ")
    assert lines[-1] == "use it: tinygrad-dnn predict run/model.h5 test.h5"
    model = run_file.load("run/model.h5")
    assert model.class_names == ("night", "day")
    assert model.settings["learning_rate"] == 0.0075
    with open_dataset("train.h5") as data:
        assert model.data_fingerprint == data.fingerprint()


def test_both_ways_of_naming_files_are_the_same(capsys: Out) -> None:
    assert quick("train.h5", "test.h5", "--out", "a") == DONE
    first = capsys.readouterr().out
    assert quick("--test", "test.h5", "--train", "train.h5", "--out", "b") == DONE
    assert capsys.readouterr().out.replace("b/", "a/") == first
    assert Path("a/model.h5").read_bytes() == Path("b/model.h5").read_bytes()
    assert quick("train.h5", "--test", "test.h5", "--out", "c") == DONE
    assert capsys.readouterr().out.replace("c/", "a/") == first


def test_one_file_alone_or_with_both_parts(folder: Path, capsys: Out) -> None:
    assert quick("train.h5", "--out", "a") == DONE
    assert capsys.readouterr().out.count("Accuracy") == 1
    write_split(folder / "train.h5", "test", 11, seed=2, mode="a")
    assert quick("train.h5", "--out", "b") == DONE
    assert "Accuracy on the 11 test examples" in capsys.readouterr().out
    one, other = (run_file.load(f"{out}/model.h5") for out in "ab")
    np.testing.assert_array_equal(one.parameters["W1"], other.parameters["W1"])
    assert (list(one.accuracies), list(other.accuracies)) == (["training"], ["test", "training"])


def test_named_datasets(folder: Path, capsys: Out) -> None:
    x, y = examples(30, seed=1)
    for name in ("mine", "theirs"):
        write_arrays(folder / f"{name}.h5", pixels=x / 255, label=y, names=np.array([b"n", b"d"]))
    named = ("--x", "pixels", "--y", "label", "--classes", "names")
    assert quick("mine.h5", "theirs.h5", *named) == DONE
    out = capsys.readouterr().out
    assert "Accuracy on the 30 test examples" in out
    used = shlex.split(out.splitlines()[-1].removeprefix("use it: "))
    assert used[1:] == ["predict", "run/model.h5", "theirs.h5", *named]
    model = run_file.load("run/model.h5")
    assert (model.class_names, model.x_shape, model.x_scale) == (("n", "d"), (4, 4, 3), 1.0)
    assert call(*used[1:]) == DONE


def test_more_class_names_than_labels_do_no_harm(folder: Path) -> None:
    with h5py.File(folder / "train.h5", "a") as file:
        del file["list_classes"]
        file["list_classes"] = np.array([b"night", b"day", b"dawn"])
    assert quick("train.h5") == DONE
    assert run_file.load("run/model.h5").class_names == ("night", "day")


def test_every_setting_reaches_the_run(capsys: Out) -> None:
    words = ("--layers", "64,3,1", "--learning-rate", "0.25", "--seed", "9", "--init", "0.01")
    assert (
        quick(*words, "--dtype", "float32", "--cost", "stable", "--eager", "--out", "x/y") == DONE
    )
    assert capsys.readouterr().out.startswith(
        "64-3-1 on 1437 examples of the digits that come along: "
        "learning rate 0.25, seed 9, init 0.01, float32, stable cost, eager\n"
    )
    model = run_file.load("x/y/model.h5")
    assert model.layer_dims == (64, 3, 1)
    assert {p.dtype for p in model.parameters.values()} == {np.dtype("float32")}
    asked = {
        "learning_rate": 0.25, "seed": 9, "init": "0.01", "dtype": "float32", "cost": "stable",
        "compiled": False,
    }  # fmt: skip
    assert model.settings == Settings((64, 3, 1), **asked).described()


def test_float32_has_the_stable_cost_unless_told_otherwise() -> None:
    """An output above 1 − 6e-8 is 1 in float32: the document's cost would end many good fits."""
    for words, cost in (((), "stable"), (("--cost", "document"), "document")):
        assert quick("train.h5", "--dtype", "float32", *words, "--out", cost) == DONE
        assert run_file.load(f"{cost}/model.h5").settings["cost"] == cost


def test_the_command_it_ends_with_runs(capsys: Out) -> None:
    for words in ((), ("train.h5", "test.h5"), ("train.h5",)):
        assert quick(*words, "--out", "a folder") == DONE
        told = capsys.readouterr().out.splitlines()[-1].removeprefix("use it: ")
        assert call(*shlex.split(told)[1:]) == DONE
        assert "Accuracy: " in capsys.readouterr().out


def test_a_checkpoint_is_saved_every_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    saved = []
    monkeypatch.setattr(run_file, "save", lambda path, c: saved.append(c.iteration))
    assert quick("train.h5", "--checkpoint-every", "3", n=10) == DONE
    assert saved == [0, 3, 6, 9, 10]


def test_another_run_in_the_same_folder_keeps_the_earlier_models(capsys: Out) -> None:
    assert quick("train.h5", "--seed", "1") == DONE
    first = Path("run/model.h5").read_bytes()
    assert "kept" not in capsys.readouterr().out
    assert quick("train.h5", "--seed", "2") == DONE
    second = Path("run/model.h5").read_bytes()
    assert "the model that was there is kept as run/model.1.h5\n" in capsys.readouterr().out
    assert quick("train.h5", "--seed", "3") == DONE
    assert "kept as run/model.2.h5\n" in capsys.readouterr().out
    assert Path("run/model.1.h5").read_bytes() == first
    assert Path("run/model.2.h5").read_bytes() == second


# --- pictures -------------------------------------------------------------------------------------


def test_without_pictures_none_are_drawn(capsys: Out) -> None:
    assert quick("train.h5") == DONE
    names = ["accuracies.csv", "config.toml", "costs.csv", "model.h5", "result.json"]
    assert sorted(p.name for p in Path("run").iterdir()) == names
    assert (
        "wrote run/model.h5, run/config.toml, run/costs.csv, run/accuracies.csv, run/result.json\n"
        in capsys.readouterr().out
    )


def test_without_matplotlib_the_curve_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.delattr("viz.curves")
    for name in [m for m in sys.modules if m.startswith("viz.curves")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [m for m in sys.modules if m.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert call("train", "train.h5", "--iterations", 3) == DONE
    out, err = capsys.readouterr()
    assert err.startswith("costs.png and the other curves are left out: ")
    assert "pip install 'tinygrad-dnn[plot]'" in err
    assert out.count("run/graph.svg, run/report.html\n") == 1
    assert "costs.png" not in out
    assert "pip install &#x27;tinygrad-dnn[plot]&#x27;" in Path("run/report.html").read_text()


def test_without_graphviz_the_graph_is_left_as_text(
    monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.setattr("viz.drawing.render.shutil.which", lambda *_: None)
    monkeypatch.setattr("viz.drawing.render._wheel", lambda: None)
    assert call("train", "train.h5", "--iterations", 3) == DONE
    out, err = capsys.readouterr()
    assert err.startswith("graph.svg is left out: ")
    assert "pip install graphviz-pure" in err
    assert "run/graph.dot" in err
    assert "digraph" in Path("run/graph.dot").read_text(encoding="utf-8")
    assert "graph.svg" not in out
    assert "run/costs.png" in out
    assert "pip install graphviz-pure" in Path("run/report.html").read_text(encoding="utf-8")


def test_the_report_holds_every_picture_and_what_was_done(capsys: Out) -> None:
    assert call("train", "train.h5", "--iterations", 201, "--layers", "48,4,1") == DONE
    page = Path("run/report.html").read_text(encoding="utf-8")
    for name in ("costs.png", "accuracies.png", "mislabelled.png", "weights.png", "layers.png"):
        data = b64encode((Path("run") / name).read_bytes()).decode()
        assert page.count(data) == 1
    assert b64encode(Path("run/graph.svg").read_bytes()).decode() in page
    shares = re.findall(r"Accuracy on the .* examples: (.*)", capsys.readouterr().out)
    assert all(f"<dd>{share}</dd>" in page for share in shares)
    assert "predict run/model.h5 train.h5" in re.sub("</?span>", "", page)
    assert "<script" not in page


def test_accuracies_belong_to_the_iteration_their_cost_was_taken_in() -> None:
    assert call("train", "train.h5", "--iterations", 101, "--no-pictures") == DONE
    head, first, second = Path("run/accuracies.csv").read_text().splitlines()
    assert head == "iteration,training"
    assert call("train", "train.h5", "--iterations", 100, "--no-pictures", "--out", "to") == DONE
    with open_dataset("train.h5") as file:
        X, Y = file.columns(), file.labels()
    reached = accuracy(X, Y, run_file.load("to/model.h5").parameters)
    assert second == f"100,{reached!r}"
    begun = accuracy(X, Y, begin(Settings((X.shape[0], 20, 7, 5, 1))).parameters)
    assert first == f"0,{begun!r}"


# --- a cost that is no number ---------------------------------------------------------------------


WILD = ("--learning-rate", "500", "--eager")


def test_compiled_a_rate_far_too_large_gives_no_nan(capsys: Out) -> None:
    assert quick("train.h5", *WILD[:2], n=30) == DONE
    assert "stopped" not in capsys.readouterr().err
    assert all(np.isfinite(c) for _, c in run_file.load("run/model.h5").costs)


def test_a_model_from_before_compiling_goes_on_eager() -> None:
    assert quick("train.h5", "--eager", n=3) == DONE
    model = run_file.load("run/model.h5")
    del model.settings["compiled"]
    run_file.save("run/model.h5", model)
    assert quick("train.h5", "--resume", n=5) == DONE
    assert run_file.load("run/model.h5").settings["compiled"] is False


def test_a_run_that_diverges_keeps_its_last_good_model(capsys: Out) -> None:
    assert call("train", "train.h5", *WILD, "--checkpoint-every", "1") == NO
    out, err = capsys.readouterr()
    assert out.count("Accuracy") == 1
    stopped, kept = err.splitlines()
    assert re.match(r"stopped: the cost became (nan|-?inf) in iteration \d+\. log\(", stopped)
    assert stopped.endswith('Try the cost "stable", or a learning rate below 500.0.')
    model = run_file.load("run/model.h5")
    assert kept == (
        f"run/model.h5 holds the last good parameters, after iteration {model.iteration}."
    )
    bad = int(re.findall(r"in iteration (\d+)", stopped)[0])
    assert model.iteration == bad - 1
    assert Path("run/graph.svg").exists()
    before = Path("run/model.h5").read_bytes()
    assert quick("train.h5", "--resume", n=2500) == NO
    assert capsys.readouterr().err.splitlines() == [stopped, kept]
    assert Path("run/model.h5").read_bytes() == before


def test_a_run_that_diverges_at_once_has_no_curve(
    monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    """Weights so large that the very first cost is no number."""

    def begin(settings: Settings) -> Any:
        state = train(*data, settings, 0)
        state.parameters["b4"][...] = 800
        return state

    with open_dataset("train.h5") as file:
        data = file.columns(), file.labels()
    monkeypatch.setattr("tinygrad_dnn.cli.train.begin", begin)
    assert call("train", "train.h5", "--iterations", "5", "--eager") == NO
    out, err = capsys.readouterr()
    assert "in iteration 0." in err
    assert "after iteration 0." in err
    assert "costs.png" not in out
    assert "<dt>stopped</dt><dd>the cost became" in Path("run/report.html").read_text()
    assert Path("run/costs.csv").read_text() == "iteration,cost\n"


# --- as a program ---------------------------------------------------------------------------------


def test_a_diverging_run_warns_of_nothing_but_that(folder: Path) -> None:
    done = run("train", "train.h5", "--learning-rate", "1e300", cwd=folder)
    assert done.returncode == NO
    assert len(done.stderr.splitlines()) == 2
    assert done.stderr.startswith("stopped: ")


@pytest.mark.cats
def test_the_documents_section_5(cats: Path, folder: Path) -> None:
    files = [str(cats / f"{split}_catvnoncat.h5") for split in ("train", "test")]
    done = run("train", "--train", files[0], "--test", files[1], cwd=folder)
    assert (done.returncode, done.stderr) == (DONE, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(
        f"12288-20-7-5-1 on 209 examples of {files[0]}: learning rate 0.0075, seed 1, "
    )
    assert "is rewritten" in lines.pop(1)
    assert "102 times fewer" in lines.pop(1)
    assert lines[1:4] == [
        "Cost after iteration 0: 0.771749",
        "Cost after iteration 100: 0.672053",
        "Cost after iteration 200: 0.648263",
    ]
    assert lines[25] == "Cost after iteration 2400: 0.092878"
    assert lines[26:28] == [
        "Accuracy on the 209 training examples: 0.985645933014",
        "Accuracy on the 50 test examples: 0.8",
    ]
    used = shlex.split(lines[-1].removeprefix("use it: "))
    assert run(*used[3:], cwd=folder).stdout.endswith("Accuracy: 0.8\n")


def test_what_draws_is_loaded_only_by_who_draws() -> None:
    heavy = ("matplotlib", "graphviz", "tqdm", "PIL", "viz.drawing", "tinygrad_dnn.check")
    code = f"import tinygrad_dnn.cli.train, sys; print(*[m for m in {heavy} if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert told.stdout == "\n"


def test_it_is_said_that_pictures_are_being_drawn(capsys: Out) -> None:
    assert call("train", "train.h5", "--iterations", 1) == DONE
    lines = capsys.readouterr().out.splitlines()
    assert "drawing the pictures into run" in lines
    assert quick("train.h5") == DONE
    assert "drawing" not in capsys.readouterr().out
