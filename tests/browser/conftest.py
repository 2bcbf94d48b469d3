"""A browser for all tests of this folder; its pages may neither complain nor ask for anything."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from stepper import Stepper

import viz

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

NAMES = ("chromium", "chromium-browser", "google-chrome")


def _missing(what: str) -> None:
    """Skip, or fail where a browser is required."""
    if os.environ.get("TINYGRAD_DNN_BROWSER") == "required":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, driven by Playwright."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("playwright is not there; pip install 'tinygrad-dnn[browser]'")
    found = [os.environ.get("TINYGRAD_DNN_CHROMIUM"), *map(shutil.which, NAMES)]
    chromium = next(filter(None, found), None)
    if chromium is None:
        _missing("no Chromium; apt install chromium, or name one in TINYGRAD_DNN_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


class Pages:
    """Opens pages; whatever they say in the console or ask the network for is a complaint.

    The windows of one test serve the next one: a new one takes longer than most tests.
    """

    def __init__(self, browser: Browser) -> None:
        self.context = browser.new_context(reduced_motion="reduce", offline=True)
        self.context.route("**/*", self._asked)
        self.complaints: list[str] = []
        self.windows: list[Page] = []
        self.used = 0
        self.address = ""  # of the page that is being opened

    def __call__(
        self, path: Path, width: int = 1280, height: int = 800, scheme: str = "light"
    ) -> Page:
        if self.used == len(self.windows):
            self.windows.append(self._window())
        page = self.windows[self.used]
        self.used += 1
        page.bring_to_front()  # one in the background is not painted
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        page.mouse.move(0, 0)
        self.address = path.as_uri()
        page.goto(self.address)
        return page

    def _window(self) -> Page:
        page = self.context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        return page

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning", "assert"):
            self.complaints.append(f"{kind}: {text}")

    def _asked(self, route: Route) -> None:
        if route.request.url.partition("#")[0] == self.address:
            route.continue_()
        else:
            self.complaints.append(f"request: {route.request.url}")
            route.abort()


@pytest.fixture(scope="session")
def pages(browser: Browser) -> Iterator[Pages]:
    """The windows of the session."""
    pages = Pages(browser)
    yield pages
    pages.context.close()


@pytest.fixture
def open_page(pages: Pages) -> Iterator[Pages]:
    """`open_page(path, width, height, scheme)`; a page that complains fails the test."""
    pages.complaints, pages.used = [], 0
    yield pages
    for page in pages.windows[: pages.used]:
        page.goto("about:blank")  # what it still does is over, and what it says has arrived
    assert pages.complaints == []


@pytest.fixture(scope="session")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`explored(make, **options)`: the page of what `make()` returns, written once a session."""
    folder = tmp_path_factory.mktemp("pages")
    written: dict[tuple[Any, ...], Path] = {}

    def page(make: Callable[[], Any], **options: Any) -> Path:
        key = (make, *sorted(options.items()))
        if key not in written:
            path = folder / f"{len(written)}-{make.__name__}.html"
            written[key] = viz.explore(make(), path, **options)
        return written[key]

    return page


@pytest.fixture
def stepper(open_page: Pages, explored: Callable[..., Path]) -> Callable[..., Stepper]:
    """`stepper(make, **window)`: the page of what `make()` returns, open."""

    def opened(make: Callable[[], Any], merge: bool = False, **window: Any) -> Stepper:
        return Stepper(open_page(explored(make, merge=merge), **window))

    return opened
