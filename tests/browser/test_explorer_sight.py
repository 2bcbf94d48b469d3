"""The box of the present step is in sight, whatever the graph, while the page moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from stepper import Stepper
from zoo import attention, autoencoder, recurrent, residual, scalar_mlp, siamese

Open = Callable[..., Stepper]

SHORT, STRETCH = 30, 8  # of longer graphs: so many steps at the start, the turn and the end

# Steps one after the other, each when the picture stands still; those whose box is not in sight:
# whole, or as much of it as there is place for. On a busy machine a picture begins to move late.
LOST = """
async (steps) => {
  const frame = document.getElementById("graph");
  const at = () => `${frame.scrollLeft} ${frame.scrollTop}`;
  const seen = (low, high, from, to) =>
    Math.min(high, to) - Math.max(low, from) >= Math.min(high - low, 0.7 * (to - from)) - 1;
  const inSight = () => {
    const box = frame.querySelector("[data-state=current]").getBoundingClientRect();
    const sight = frame.getBoundingClientRect();
    return seen(box.left, box.right, sight.left, sight.right) &&
      seen(box.top, box.bottom, sight.top, sight.bottom);
  };
  const still = async () => {
    const end = performance.now() + 3000;
    for (let [same, before] = [0, ""]; same < 4 && performance.now() < end; ) {
      await new Promise(requestAnimationFrame);
      [same, before] = [at() === before && inSight() ? same + 1 : 0, at()];
    }
  };
  const lost = [];
  for (let k = 0; k < steps; k += 1) {
    const next = new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true });
    document.body.dispatchEvent(next);
    await still();
    if (!inSight()) lost.push(Number(document.body.dataset.step));
  }
  return lost;
}
"""


@pytest.mark.parametrize("make", [scalar_mlp, residual, recurrent, attention, siamese, autoencoder])
def test_the_present_box_is_in_sight_at_every_step(stepper: Open, make: Any) -> None:
    page = stepper(make, width=1100, height=620)
    page.page.emulate_media(reduced_motion="no-preference")
    n = page.steps
    starts = [0] if n <= SHORT else [0, n // 2 - STRETCH // 2, n - STRETCH]
    for start in starts:
        page.to(start)
        assert page.page.evaluate(LOST, min(n, SHORT if len(starts) == 1 else STRETCH)) == []
    assert page.step == n
