"""Draw, explore and derive what the engine recorded.

    import viz
    viz.save(viz.draw(cost), "graph.svg")
    viz.explore(cost, "backprop.html")
    print(viz.derive(cost))

`viz.curves` needs matplotlib (the extra `plot`) and is imported when it is first asked for.
"""

from importlib import import_module
from types import ModuleType

from viz.derivation.derivation import derive
from viz.drawing.draw import draw
from viz.drawing.render import save
from viz.explorer.page import explore
from viz.notebook import show_graphs

__all__ = ["derive", "draw", "explore", "save"]

show_graphs()


def __getattr__(name: str) -> ModuleType:
    if name == "curves":
        return import_module("viz.curves")
    raise AttributeError(f"module 'viz' has no attribute {name!r}")
