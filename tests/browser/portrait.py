"""Photograph the pages that examples show: python tests/browser/portrait.py [FOLDER]."""

import importlib.util
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from playwright.sync_api import Browser, sync_playwright

import viz
from tinygrad_dnn import Tensor
from tinygrad_dnn.network import cost_of, initialize_parameters

HERE = Path(__file__).parents[2] / "examples" / "pictures"
GALLERY = HERE.parent / "playgrounds.py"


def network() -> Tensor:
    """The cost of a 3-4-1 network on four examples."""
    X = Tensor(np.random.default_rng(1).normal(size=(3, 4)).round(1), name="X")
    Y = Tensor(np.array([[1.0, 0.0, 1.0, 0.0]]), name="Y")
    start = initialize_parameters((3, 4, 1))
    return cost_of(X, Y, {k: Tensor(p, requires_grad=True, name=k) for k, p in start.items()})


def stepping(browser: Browser, folder: Path) -> Path:
    """Step back to where dZ1 is computed, and take the picture."""
    path = folder / "backprop.png"
    with TemporaryDirectory() as scratch:
        page = browser.new_page(
            viewport={"width": 1280, "height": 800}, color_scheme="light", reduced_motion="reduce"
        )
        page.goto(viz.explore(network(), Path(scratch) / "page.html", merge=True).as_uri())
        page.keyboard.press("End")
        while "gives dZ1" not in page.inner_text("#status"):
            page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(500)
        page.screenshot(path=path)
    return path


def training(browser: Browser, folder: Path) -> Path:
    """The spiral after 400 steps."""
    path = folder / "playground.png"
    with TemporaryDirectory() as scratch:
        page = browser.new_page(
            viewport={"width": 1280, "height": 800}, color_scheme="light", reduced_motion="reduce"
        )
        spec = importlib.util.spec_from_file_location("playgrounds", GALLERY)
        assert spec is not None
        assert spec.loader is not None
        gallery = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(gallery)
        page.goto(gallery.spiral(Path(scratch) / "page.html").as_uri())
        page.evaluate("trainer.advance(400)")
        page.wait_for_timeout(200)
        page.screenshot(path=path)
    return path


def derivation(browser: Browser, folder: Path) -> Path:
    """The page that examples/gallery.py writes, with the steps that lead to dZ4."""
    path = folder / "derivation.png"
    page = browser.new_page(viewport={"width": 960, "height": 800}, color_scheme="light")
    page.goto((HERE / "derivation.html").as_uri())
    page.locator("summary").nth(1).click()
    page.screenshot(path=path, full_page=True)
    return path


def main(folder: str | Path = HERE) -> list[Path]:
    """All pictures."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        taken = [take(browser, Path(folder)) for take in (stepping, training, derivation)]
        browser.close()
    return taken


if __name__ == "__main__":
    for path in main(*sys.argv[1:]):
        print(f"wrote {path}")
