"""The stepping page as a reader has it: press keys, see boxes, arrows and the panel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

THINGS = """
() => Object.fromEntries([...document.querySelectorAll("#graph :is(.node, .cluster)")].map((g) => {
  const lines = [...g.querySelectorAll("text")].filter((text) =>
    text.checkVisibility({ visibilityProperty: true }));
  return [g.id, { ...g.dataset, label: g.getAttribute("aria-label"), role: g.getAttribute("role"),
    kind: g.getAttribute("class"), tab: g.getAttribute("tabindex"),
    pressed: g.getAttribute("aria-pressed"), lines: lines.map((text) => text.textContent) }];
}))
"""
ARROWS = """
() => Object.fromEntries([...document.querySelectorAll("#graph .edge")].filter((g) =>
  g.dataset.lit).map((g) => [g.id, g.dataset.lit]))
"""
CELLS = """
() => [...document.querySelectorAll("#panel section[data-kind]")].map((part) => [
  part.dataset.kind, part.querySelector("h3").textContent,
  [...part.querySelectorAll("[data-i]")].map((one) => [Number(one.dataset.i), one.title]),
])
"""


class Stepper:
    """A page that is open."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, *keys: str) -> Stepper:
        """Keys one after the other; `ArrowRight*3` is three of them."""
        for key in keys:
            name, _, times = key.partition("*")
            for _ in range(int(times or 1)):
                self.page.keyboard.press(name)
        return self

    def click(self, selector: str) -> Stepper:
        self.page.click(selector)
        return self

    def find(self, selector: str, **having: Any) -> Locator:
        return self.page.locator(selector, **having)

    def settled(self) -> Stepper:
        """Wait until what was changed is computed: on a loaded machine beside the page."""
        self.page.wait_for_function("() => !('busy' in document.body.dataset)")
        return self

    @property
    def step(self) -> int:
        return int(self.page.evaluate("() => document.body.dataset.step"))

    @property
    def steps(self) -> int:
        return int(self.page.get_attribute("#slider", "max") or 0)

    def to(self, k: int) -> Stepper:
        """Go to a step with the slider."""
        self.page.locator("#slider").evaluate(
            "(one, k) => { one.value = k; one.dispatchEvent(new Event('input')); }", str(k)
        )
        return self

    @property
    def status(self) -> str:
        return self.page.inner_text("#status")

    @property
    def panel(self) -> str:
        """What the panel is about: its heading."""
        return self.page.inner_text("#panel h2")

    @property
    def chosen(self) -> str:
        """The id of what the panel is about."""
        return self.page.get_attribute("#panel", "data-node") or ""

    def things(self) -> dict[str, dict[str, Any]]:
        """What is drawn, by id: its data, label, role and the lines one can see."""
        found: dict[str, dict[str, Any]] = self.page.evaluate(THINGS)
        return found

    def states(self, kind: str = "state") -> dict[str, str]:
        """The state of every box by id: of its value, or of its gradient."""
        return {name: one[kind] for name, one in self.things().items() if kind in one}

    def current(self) -> list[str]:
        return [name for name, state in self.states().items() if state == "current"]

    def arrows(self) -> dict[str, str]:
        """The arrows that are lit, and for which pass."""
        found: dict[str, str] = self.page.evaluate(ARROWS)
        return found

    def named(self, title: str) -> str:
        """The id of the box whose first line is this, or this and a formula."""
        (found,) = [
            name
            for name, one in self.things().items()
            if one["lines"] and one["lines"][0].split(" = ")[0] == title
        ]
        return found

    def select(self, title: str) -> Stepper:
        """Click on a box."""
        self.page.click(f"#{self.named(title)}")
        return self

    def cells(self) -> dict[str, dict[int, str]]:
        """The numbers in the panel in full: by kind, value or slope, and by position."""
        found = self.page.evaluate(CELLS)
        return {kind: dict(cells) for kind, _, cells in found}

    def focus(self) -> str:
        """Where the focus is: an id, or the tag."""
        return str(
            self.page.evaluate("() => document.activeElement.id || document.activeElement.tagName")
        )
