"""Printed programs run in the browser: many of them in one page, and what they computed."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_dnn.compiler.javascript import Printed
from tinygrad_dnn.compiler.javascript.loops import Ref

if TYPE_CHECKING:
    from playwright.sync_api import Page

RUN = """
(programs) => {
  const numbers = (text) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.codePointAt(0));
    return new Float64Array(bytes.buffer);
  };
  const text = (array) => {
    let all = "";
    for (const byte of new Uint8Array(Float64Array.from(array).buffer)) {
      all += String.fromCodePoint(byte);
    }
    return btoa(all);
  };
  return programs.map(({ source, given, wanted }) => {
    const program = (0, eval)(source);
    for (const [name, data] of Object.entries(given)) {
      program.memory[name].set(numbers(data));
    }
    program.run();
    return wanted.map((name) => text(program.memory[name]));
  });
}
"""


def packed(x: Any) -> str:
    return b64encode(np.ascontiguousarray(x, "<f8").tobytes()).decode()


def placed(ref: Ref, memory: Any) -> Any:
    """An array as it lies in a buffer."""
    if ref.number:
        return np.float64(ref.name)
    memory = memory if memory.size else np.empty(1)
    step = 8
    return np.ndarray(ref.shape, float, memory, ref.offset * step, [s * step for s in ref.strides])


def computed(
    page: Page, programs: Sequence[tuple[Printed, Mapping[str, Any], Sequence[Any]]]
) -> list[list[Any]]:
    """For each program, what lies in some nodes' places after a run from some inputs.

    Args:
        programs: what was printed, values in place of inputs', and the nodes.
    """
    told, wanted = [], []
    for printed, others, nodes in programs:
        given = {name: leaf.value for name, leaf in printed.inputs.items()}
        given |= printed.constants | dict(others)
        refs = [printed.places[node] for node in nodes]
        told.append({
            "source": printed.source,
            "given": {name: packed(x) for name, x in given.items()},
            "wanted": [ref.name for ref in refs],
        })  # fmt: skip
        wanted.append(refs)
    answers = page.evaluate(RUN, told)
    return [
        [placed(r, np.frombuffer(b64decode(data))) for r, data in zip(refs, texts, strict=True)]
        for refs, texts in zip(wanted, answers, strict=True)
    ]
