"""What several test files share."""

import os
from pathlib import Path

import pytest
from commands import train_model


@pytest.fixture(scope="session")
def cats() -> Path:
    """The folder of the cat/non-cat files, which are not ours to publish."""
    folder = os.environ.get("TINYGRAD_DNN_CATS")
    if not folder:
        pytest.skip("TINYGRAD_DNN_CATS names no folder with train_catvnoncat.h5")
    return Path(folder)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data files and the model that was trained on them; tests run in copies."""
    folder = tmp_path_factory.mktemp("trained")
    train_model(folder)
    return folder
