"""What several test files share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cats() -> Path:
    """The folder of the cat/non-cat files, which are not ours to publish."""
    folder = os.environ.get("TINYGRAD_DNN_CATS")
    if not folder:
        pytest.skip("TINYGRAD_DNN_CATS names no folder with train_catvnoncat.h5")
    return Path(folder)
