"""Data files of every kind at the command line: trained on, predicted, refused."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import DONE, call, complaint

from tinygrad_dnn.data import default_dataset
from tinygrad_dnn.storage import run_file

pytest.importorskip("pandas", reason="pandas (the extra pandas) is not installed")
pytest.importorskip("PIL", reason="Pillow (the extra image) is not installed")

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """40 digits for training and 20 for the test, as tables, arrays and pictures."""
    import pandas
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    arrays: dict[str, Any] = {}
    for part, m in (("train", 40), ("test", 20)):
        with default_dataset(part) as digits:  # type: ignore[arg-type]
            x, y = digits.images()[:m, ..., 0], digits.labels()[0, :m]
        arrays |= {f"x_{part}": x, f"y_{part}": y}
        names = [str(k) for k in range(64)]
        table = pandas.DataFrame(x.reshape(m, 64) / 255, columns=names).assign(label=y)
        table.to_csv(f"{part}.csv", index=False)
        words = np.array(["odd", "even"])[y]
        table.assign(label=words).rename(columns={"label": "kind"}).to_parquet(f"{part}.parquet")
        for k in range(m):
            Path(part, words[k]).mkdir(parents=True, exist_ok=True)
            Image.fromarray(x[k]).save(Path(part, words[k], f"{k:02}.png"))
    np.savez("digits.npz", **arrays)
    return tmp_path


def quick(*words: Any, n: int = 30) -> int:
    return call("train", *words, "--iterations", n, "--learning-rate", 0.1, "--no-pictures")


def costs() -> Any:
    return Path("run/costs.csv").read_text()


def test_the_same_examples_train_alike(capsys: Out) -> None:
    seen = set()
    for files in (
        ["train.csv", "test.csv"],
        ["digits.npz"],
        ["train.parquet", "--test", "test.parquet", "--label", "kind", "--classes", "odd,even"],
    ):
        assert quick(*files) == DONE
        told = capsys.readouterr().out
        assert "on 40 examples of" in told
        seen.add(told[told.index("Accuracy") : told.index("wrote")] + costs())
    assert len(seen) == 1


def test_a_folder_of_pictures_by_class(capsys: Out) -> None:
    assert quick("train", "test", "--size", "6x5") == DONE
    model = run_file.load("run/model.h5")
    assert (model.x_shape, model.x_scale, model.class_names) == ((6, 5), 255, ("even", "odd"))
    use = capsys.readouterr().out.splitlines()[-1]
    assert call(*shlex.split(use)[shlex.split(use).index("predict") :]) == DONE
    told = capsys.readouterr().out
    assert told.startswith("20 examples of test, class and probability of 'odd':")
    assert call("predict", "run/model.h5", next(Path("test/odd").iterdir())) == DONE
    assert call("draw", "run/model.h5", "--data", "train", "-o", "graph.dot") == DONE


def test_one_file_is_cut_and_resumed(capsys: Out) -> None:
    files = ["train.parquet", "--y", "kind", "--classes", "odd,even", "--test-share", "0.25"]
    assert quick(*files) == DONE
    told = capsys.readouterr().out
    assert "on 30 examples of train.parquet" in told
    assert "on the 10 test examples" in told
    whole = run_file.load("run/model.h5").parameters["W1"]
    assert quick(*files, n=10) == DONE
    assert quick(*files, "--resume", n=30) == DONE
    np.testing.assert_array_equal(run_file.load("run/model.h5").parameters["W1"], whole)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["train.parquet"], "column 'kind': holds text, got 'even' in example 0 (40 of the 40"),
        (["train.parquet", "--label", "kind"], "(--classes even,odd)"),
        (["train.csv", "--label", "kinds"], "no column 'kinds'; the table has 0, 1, 2"),
        (["train.csv", "test.csv", "--test-share", "0.2"], "there is a test file; leave out one"),
        (["digits.npz", "--x", "x_train,y_train"], "expected one name"),
        (["train.csv", "--size", "3x3"], "size makes no sense for a .csv"),
        (["train"], "--size 64x64"),
        (["digits.txt"], "got .txt"),
    ],
)
def test_what_cannot_be_trained_on(words: list[str], told: str, capsys: Out) -> None:
    Path("digits.txt").touch()
    from PIL import Image

    Image.new("L", (3, 3)).save("train/odd/99.png")
    assert told in complaint(capsys, "train", *words)
    assert not Path("run").exists()


@pytest.mark.parametrize(
    "words", [["--size", "0x3"], ["--size", "a"], ["--test-share", "1"], ["--test-share", "x"]]
)
def test_options_that_are_none(words: list[str], capsys: Out) -> None:
    with pytest.raises(SystemExit):
        call("train", "train.csv", *words)
    assert "expected" in capsys.readouterr().err
