"""Former spellings still work, and say what they are called now."""

from typing import Any

import numpy as np
import pytest

from tinygrad_dnn import Tensor, optim
from tinygrad_dnn.train import Settings, step_of
from viz import playground

p = {"W1": np.ones((2, 2))}
COSINE: Any = {"schedule": "cosine", "schedule_steps": 5}


def update(**named: float) -> Any:
    return optim.sgd().update(p, p, {}, **named)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (lambda: optim.constant(rate=0.1)(3), lambda: optim.constant(0.1)(3)),
        (lambda: optim.step_decay(rate=0.1, every=2)(3), lambda: optim.step_decay(0.1, 2)(3)),
        (lambda: optim.cosine(rate=0.1, steps=9)(3), lambda: optim.cosine(0.1, 9)(3)),
        (lambda: optim.reduce_on_plateau(rate=0.1), lambda: optim.reduce_on_plateau(0.1)),
        (lambda: str(update(rate=0.1)), lambda: str(update(learning_rate=0.1))),
        (lambda: optim.find_rate, lambda: optim.find_learning_rate),
        (
            lambda: Settings((3, 1), final_rate=1e-4, **COSINE),
            lambda: Settings((3, 1), final_learning_rate=1e-4, **COSINE),
        ),
        (lambda: Settings((3, 1)).final_rate, lambda: Settings((3, 1)).final_learning_rate),
    ],
)
def test_s266_a_former_name_answers_with_a_warning(old: Any, new: Any) -> None:
    with pytest.warns(DeprecationWarning, match=r"rate'? is now called .*learning_rate"):
        found = old()
    assert found == new()


def test_a_step_takes_the_former_key() -> None:
    X, Y, W = np.ones((3, 4)), np.ones((1, 4)), {"W1": np.ones((1, 3)), "b1": np.zeros((1, 1))}
    step, rate = step_of(Settings((3, 1))), np.asarray(0.3)
    with pytest.warns(DeprecationWarning, match="'rate' is now called 'learning_rate'"):
        old = step(W, {}, X, Y, {"rate": rate})[1]
    new = step(W, {}, X, Y, {"learning_rate": rate})[1]
    np.testing.assert_array_equal(old["W1"].data, new["W1"].data)


def test_a_page_to_train_on_takes_the_former_argument(tmp_path: Any) -> None:
    w = Tensor(np.ones(2), requires_grad=True, name="w")
    with pytest.warns(DeprecationWarning, match="playground: rate is now called learning_rate"):
        page = playground((w**2).sum(), path=tmp_path / "p.html", rate=0.25)
    assert '"rate":0.25' in page.read_text("utf-8").replace(" ", "")


def test_an_optimizer_has_one_spelling(tmp_path: Any) -> None:
    w = Tensor(np.ones(2), requires_grad=True, name="w")
    with pytest.warns(DeprecationWarning, match="playground: optimiser is now called optimizer"):
        page = playground((w**2).sum(), path=tmp_path / "p.html", optimiser="adam")
    assert '"optimiser":"adam"' in page.read_text("utf-8").replace(" ", "")
    with pytest.warns(DeprecationWarning, match="optimiser is now called optimizer"):
        assert optim.weight_decay(optimiser=optim.adam(), decay=0.1).decay == 0.1


def test_both_spellings_are_refused_and_files_of_before_are_read() -> None:
    with pytest.raises(TypeError, match="rate and learning_rate are one argument"):
        optim.constant(rate=0.1, learning_rate=0.2)
    saved = {"learning_rate": 0.01, "final_rate": 1e-4, **COSINE}
    assert Settings.of((3, 1), saved).final_learning_rate == 1e-4
