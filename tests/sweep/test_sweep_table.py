"""The table: means and deviations, the best first, what failed below; and what a run left."""

from __future__ import annotations

import csv
import io
import math
import os
from pathlib import Path

import pytest

from tinygrad_dnn.sweep import Result, Run, Sweep, Table, result_of, tabulate
from tinygrad_dnn.sweep.results import note_seconds, seconds_of
from tinygrad_dnn.sweep.table import SHOWN, runs_csv


def result(score: float, cost: float = 1.0, name: str = "accuracy", stopped: str = "") -> Result:
    numbers = {name: score, "cost": cost, "examples": 10}
    return Result(5, stopped, {"validation": numbers, "training": numbers}, 2.5)


def made(
    scores: list[list[float | None]], name: str = "accuracy", costs: list[float] | None = None
) -> tuple[Table, list[Run]]:
    """A setting for each list, a seed for each number; None for a run that failed."""
    seeds = len(scores[0])
    runs = Sweep({"l2": [*range(len(scores))], "seed": [*range(seeds)]}).runs()
    of = dict(enumerate(costs or []))
    found = [
        None if x is None else result(x, of.get(k, 1.0), name)
        for k, s in enumerate(scores)
        for x in s
    ]
    return tabulate(name, runs, found, [r is None for r in found]), runs


def order(table: Table) -> list[int]:
    return [row.run.settings["l2"] for row in table.rows]


def test_the_best_stands_first_with_mean_and_deviation() -> None:
    table, _ = made([[0.5, 0.7], [0.9, 0.7], [0.1, 0.1]])
    assert order(table) == [1, 0, 2]
    assert table.best is table.rows[0]
    assert table.rows[0].score == pytest.approx(0.8)
    assert table.rows[0].deviation == pytest.approx(math.sqrt(0.02))  # n − 1
    assert table.text().splitlines() == [
        "   l2  accuracy         runs  seconds",
        "1  1   0.8000 ± 0.1414  2     2.5",
        "2  0   0.6000 ± 0.1414  2     2.5",
        "3  2   0.1000 ± 0.0000  2     2.5",
    ]


def test_of_errors_and_costs_less_is_better_and_the_cost_decides_between_equals() -> None:
    assert order(made([[0.5], [0.2], [0.9]], "error")[0]) == [1, 0, 2]
    assert order(made([[0.9], [0.9], [0.8]], costs=[0.3, 0.2, 0.1])[0]) == [1, 0, 2]


def test_a_setting_with_a_failed_run_stands_below_whatever_is_left_of_it() -> None:
    table, _ = made([[0.99, None], [0.5, 0.5], [None, None]])
    assert order(table) == [1, 0, 2]
    assert [" ".join(line.split()) for line in table.text().splitlines()[2:]] == [
        "2 0 0.9900 1 of 2, 1 failed 2.5",
        "3 2 – 0 of 2, 2 failed –",
    ]
    assert made([[0.9, None]])[0].best is None


def test_what_two_standard_errors_do_not_tell_apart_is_counted() -> None:
    assert made([[0.90, 0.92], [0.91, 0.89], [0.5, 0.5]])[0].close == 1
    assert made([[0.9], [0.9]])[0].close == 0  # of single runs nobody knows
    # The second fold is harder for both, and one of them is better on each.
    assert made([[0.9, 0.5, 0.7], [0.89, 0.48, 0.69]])[0].close == 0


def test_other_seeds_are_compared_by_their_means() -> None:
    runs = Sweep({}, [{"l2": [1], "seed": [1, 2]}, {"l2": [2], "seed": [3, 4]}]).runs()
    found = [result(x) for x in (0.9, 0.5, 0.89, 0.49)]
    assert tabulate("accuracy", runs, found, [False] * 4).close == 1


def test_the_tables_as_files_hold_every_digit_and_every_reason() -> None:
    table, runs = made([[0.1 + 0.2, None], [0.5, 0.5]])
    rows = [*csv.DictReader(io.StringIO(table.csv()))]
    assert [row["l2"] for row in rows] == ["1", "0"]
    assert rows[1]["validation_accuracy"] == repr(0.1 + 0.2)
    counts = ("deviation", "runs", "complete", "failed", "seconds")
    assert [rows[1][k] for k in counts] == ["", "2", "1", "1", "2.500"]
    results = [result(0.3), None, result(0.5), result(0.5)]
    text = runs_csv("accuracy", runs, results, {1: 'a, "b"'}, ["f"] * 4)
    found = [*csv.DictReader(io.StringIO(text))]
    assert [row["failed"] for row in found] == ["", 'a, "b"', "", ""]
    assert found[0]["validation_accuracy"] == "0.3"
    assert [row["seconds"] for row in found] == ["2.5", "", "2.5", "2.5"]
    assert found[1]["validation_accuracy"] == found[1]["iterations_done"] == ""


def test_a_cost_as_the_score_is_no_column_twice() -> None:
    table, runs = made([[0.5]], "cost")
    for text in (table.csv(), runs_csv("cost", runs, [result(0.5)], {}, ["f"])):
        head = text.splitlines()[0].split(",")
        assert len(head) == len({*head})
        assert head.count("validation_cost") == 1


def test_of_many_rows_the_first_are_printed() -> None:
    table, _ = made([[x / 100] for x in range(SHOWN + 5)])
    assert len(table.text().splitlines()) == SHOWN + 2
    assert table.text().endswith("\n… and 5 more")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"iteration": 1}', '{"iteration": "x", "stopped": ""}', "\xff",
     '{"iteration": 1, "stopped": "", "validation": {"cost": "x"}}'],
)  # fmt: skip
def test_a_result_that_is_not_what_train_writes_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(text, encoding="latin-1")
    assert result_of(tmp_path) is None


def test_a_number_that_is_not_finite_is_nan(tmp_path: Path) -> None:
    text = '{"iteration": 1, "stopped": "", "validation": {"cost": null}}'
    (tmp_path / "result.json").write_text(text, encoding="utf-8")
    found = result_of(tmp_path)
    assert found is not None
    assert math.isnan(found.score("cost"))
    assert math.isnan(found.score("accuracy"))
    assert math.isnan(found.seconds)
    for text, seconds in (("1.5\n", 1.5), ("soon", math.nan), ("", math.nan)):
        (tmp_path / "seconds.txt").write_text(text, encoding="utf-8")
        found = result_of(tmp_path)
        assert found is not None
        assert str(found.seconds) == str(seconds)
    assert result_of(tmp_path / "none") is None


def test_s340_a_sitting_that_was_killed_counts_up_to_its_last_file(tmp_path: Path) -> None:
    assert math.isnan(seconds_of(tmp_path))
    note_seconds(tmp_path, 1.5, at_work=True)
    (tmp_path / "model.h5").write_bytes(b"")
    for name, at in (("seconds.txt", 1000), ("model.h5", 1004)):
        os.utime(tmp_path / name, (at, at))
    assert seconds_of(tmp_path) == 5.5
    note_seconds(tmp_path, seconds_of(tmp_path))  # the next sitting ends
    assert seconds_of(tmp_path) == 5.5
