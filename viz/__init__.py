"""Draw, explore and derive what the engine recorded.

    import viz
    viz.save(viz.draw(cost), "graph.svg")
    viz.explore(cost, "backprop.html")
    print(viz.derive(cost))

`viz.curves` needs matplotlib (the extra `plot`) and is imported when it is first asked for.
"""

from importlib import import_module
from types import ModuleType

from viz.derivation import derive
from viz.drawing import draw
from viz.explorer import explore
from viz.notebook import show_graphs
from viz.render import save

__all__ = ["derive", "draw", "explore", "save"]

show_graphs()


def __getattr__(name: str) -> ModuleType:
    if name == "curves":
        return import_module("viz.curves")
    raise AttributeError(f"module 'viz' has no attribute {name!r}")
