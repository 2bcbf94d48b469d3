"""Contenders for the network whole compute the same, and the table says what was found."""

import batches
import inductor
import loops
import numpy as np
from gram import by_hand
from loops import Problem, contenders, differences, measured, page, rows

from tinygrad_dnn import textbook


def small(monkeypatch) -> Problem:
    monkeypatch.delenv("TINYGRAD_DNN_CATS", raising=False)
    monkeypatch.setattr(loops, "LAYERS", (60, 6, 5, 1))
    draw = np.random.default_rng(0)
    X, Y = draw.random((60, 20)), (draw.random((1, 20)) > 0.5) * 1.0
    monkeypatch.setattr("workloads.cats", lambda: (X, Y, "small"))
    return Problem()


def test_all_contenders_compute_the_same_and_the_page_says_so(monkeypatch):
    wholes = contenders(small(monkeypatch))
    times, answers = measured(wholes, iterations=40, rounds=1)
    expected = answers["hand"]
    for costs, shares in answers.values():
        np.testing.assert_allclose(costs, expected[0], rtol=1e-9)
        assert shares == expected[1]
    also = inductor.Tried(None, reason="E: none")
    goals = loops.GOALS | {"inductor": (also.label, None)}
    lines = rows(times, 40, "small", goals, also.reason)
    text = page(lines, differences(answers, goals), 1, 3.0)
    assert "40 iterations, start to accuracies | written by hand |" in text
    assert text.count("≤ 0.05") == 1
    assert f"| torch.compile | {loops.told(times['ours'][0])} | E: none |" in text
    assert "| ours |" in text
    assert f"numpy {np.__version__}" in text


def test_on_batches_they_compute_the_same_too(monkeypatch):
    monkeypatch.setattr(batches, "SIZE", 6)
    assert [len(b) for b in batches.order(20, 4)] == [6] * 4
    wholes = batches.contenders(small(monkeypatch), 0.1)
    times, answers = measured(wholes, iterations=40, rounds=1)
    for costs, shares in answers.values():
        np.testing.assert_allclose(costs, answers["hand"][0], rtol=1e-9)
        assert shares == answers["hand"][1]
    assert len(rows(times, 40, "small", batches.GOALS)) == 2


def test_the_yardstick_is_the_documents_iteration(monkeypatch):
    problem = small(monkeypatch)
    costs, parameters = by_hand(problem.X, problem.Y, problem.start, 0.5, 50)
    p = {name: value.copy() for name, value in problem.start.items()}
    for cost in costs:
        AL, caches = textbook.L_model_forward(problem.X, p)
        np.testing.assert_allclose(cost, textbook.compute_cost(AL, problem.Y), rtol=1e-12)
        p = textbook.update_parameters(p, textbook.L_model_backward(AL, problem.Y, caches), 0.5)
    for name, value in p.items():
        np.testing.assert_allclose(parameters[name], value, rtol=1e-10, atol=1e-13)


def test_a_contender_that_strays_is_seen():
    (line, *_) = differences({"hand": ([1.0, 2.0], [1.0]), "ours": ([1.0, 2.002], [0.5])})[1:]
    assert line == "| ours | 1.0e-03 | 1.0e-03 | 0.5 |"
