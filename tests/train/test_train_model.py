"""A model read from its file, and asked."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_dnn.network import initialize_parameters
from tinygrad_dnn.storage.run_file import Checkpoint, save
from tinygrad_dnn.train import Settings, load_model, predict


def saved(path: Path, cost: str, scale: float = 255.0, classes: tuple[str, ...] = ()) -> Any:
    settings = Settings((12, 4, 3), cost=cost)
    save(
        path,
        Checkpoint(
            parameters=initialize_parameters((12, 4, 3), "he", head=settings.head),
            layer_dims=(12, 4, 3),
            iteration=0,
            costs=(),
            settings=settings.described(),
            data_fingerprint="0" * 64,
            class_names=classes,
            x_shape=(2, 2, 3),
            x_scale=scale,
        ),
    )
    return load_model(path)


def test_s320_a_model_is_asked_by_its_own_head_and_scale(tmp_path: Path) -> None:
    model = saved(tmp_path / "m.h5", "softmax", classes=("cat", "dog", "owl"))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 2, 2, 3), dtype=np.uint8)
    X = model.columns(pixels)
    assert np.array_equal(X, pixels.reshape(5, 12).T / 255)
    assert np.array_equal(model.columns(pixels.reshape(5, 12)), X)
    assert np.array_equal(model.columns(pixels / 255), X)
    assert model.columns(pixels[:0]).shape == (12, 0)
    AL = model.predict(X)
    assert np.allclose(AL.sum(axis=0), 1)
    assert model.names(AL) == [("cat", "dog", "owl")[k] for k in AL.argmax(axis=0)]
    unnamed = saved(tmp_path / "n.h5", "softmax")
    assert unnamed.names(AL) == [str(k) for k in AL.argmax(axis=0)]


def test_what_does_not_fit_a_model_is_refused(tmp_path: Path) -> None:
    model = saved(tmp_path / "m.h5", "squared")
    with pytest.raises(ValueError, match="predicts numbers, not classes"):
        model.names(model.predict(np.ones((12, 1))))
    with pytest.raises(ValueError, match=r"expected examples \(m, 2, 2, 3\), got \(2, 2, 3\); "):
        model.columns(np.ones((2, 2, 3)))
    with pytest.raises(ValueError, match="float64 up to 200; the model was trained on uint8"):
        model.columns(np.full((1, 12), 200.0))
    with pytest.raises(ValueError, match="the last layer has 3 units"):
        predict(np.ones((12, 1)), model.checkpoint.parameters)
    assert saved(tmp_path / "s.h5", "squared", 1.0).columns(np.full((1, 12), 200.0))[0, 0] == 200
