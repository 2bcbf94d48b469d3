"""Photograph the stepping page for the README: python tests/browser/portrait.py [FILE.png]."""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from playwright.sync_api import sync_playwright

import viz
from tinygrad_dnn import Tensor
from tinygrad_dnn.network import cost_of, initialize_parameters

HERE = Path(__file__).parents[2] / "examples" / "pictures" / "backprop.png"


def network() -> Tensor:
    """The cost of a 3-4-1 network on four examples."""
    X = Tensor(np.random.default_rng(1).normal(size=(3, 4)).round(1), name="X")
    Y = Tensor(np.array([[1.0, 0.0, 1.0, 0.0]]), name="Y")
    start = initialize_parameters((3, 4, 1))
    return cost_of(X, Y, {k: Tensor(p, requires_grad=True, name=k) for k, p in start.items()})


def main(path: str | Path = HERE) -> Path:
    """Step back to where dZ1 is computed, and take the picture."""
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = viz.explore(network(), Path(folder) / "page.html", merge=True)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(
            viewport={"width": 1280, "height": 800}, color_scheme="light", reduced_motion="reduce"
        )
        page.goto(page_file.as_uri())
        page.keyboard.press("End")
        while "gives dZ1" not in page.inner_text("#status"):
            page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(500)
        page.screenshot(path=path)
        browser.close()
    return Path(path)


if __name__ == "__main__":
    print(f"wrote {main(*sys.argv[1:])}")
