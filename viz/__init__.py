"""Draw, explore and derive what the engine recorded.

    import viz
    viz.save(viz.draw(cost), "graph.svg")
    viz.explore(cost, "backprop.html")
    viz.playground(cost, [W, b], "train.html")
    print(viz.derive(cost))

Each is loaded when it is first asked for; `viz.curves` needs matplotlib (the extra `plot`).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from viz.notebook import show_graphs

if TYPE_CHECKING:
    from viz.derivation.derivation import derive
    from viz.drawing.draw import draw
    from viz.drawing.render import save
    from viz.explorer.page import explore
    from viz.explorer.playground import playground

__all__ = ["derive", "draw", "explore", "playground", "save"]

_HOMES = {
    "derive": "viz.derivation.derivation",
    "draw": "viz.drawing.draw",
    "explore": "viz.explorer.page",
    "playground": "viz.explorer.playground",
    "save": "viz.drawing.render",
}

show_graphs()


def __getattr__(name: str) -> Any:
    if name == "curves":
        return import_module("viz.curves")
    if name not in _HOMES:
        raise AttributeError(f"module 'viz' has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
