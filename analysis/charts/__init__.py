"""The pictures: one module a chart, found by looking in this folder. Adding a chart touches one file.

A chart module (any whose name does not start with an underscore) holds `CHART`, a `Chart` whose `draw` is a pure function of a
frame and a sheet: it reads no file, keeps no state, and draws the same picture from the same rows. What it returns is a `Scene`;
`analysis.pictures` makes PNG and SVG of it.
"""

import importlib
import pkgutil

from analysis.charts._chart import FRAME_COLUMNS, Chart, Sheet
from analysis.charts._frames import frame
from analysis.charts._scene import Scene

__all__ = ["FRAME_COLUMNS", "Chart", "Scene", "Sheet", "discover", "frame"]


def discover() -> tuple[Chart, ...]:
    """All charts, in the order in which a reader should meet them."""
    names = (module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    charts: list[Chart] = [importlib.import_module(f"{__name__}.{name}").CHART for name in names]
    return tuple(sorted(charts, key=lambda chart: (chart.order, chart.name)))
