"""What several test files share."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import train_model
from threadpoolctl import threadpool_limits

from tinygrad_dnn.rewrite import Rewritten, engine


def pytest_collection_finish() -> None:
    """Thousands of collected tests stay to the end; the cycle collector need not visit them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def one_thread_of_blas() -> Iterator[None]:
    """Tests run side by side on all cores, where threads that wait for one another only spin."""
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture(scope="session", autouse=True)
def rewritten_graphs_are_well_formed() -> Iterator[None]:
    """What any rewriting gives, whoever asked for it (compile, loops, derive), is verified."""
    finished = engine._finished

    def verified(*args: Any) -> Rewritten:
        done = finished(*args)
        done.graph.verify()
        return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_finished", verified)
        yield


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
