"""Progress bars, by tqdm: in a terminal as text, in a notebook as a widget where ipywidgets is installed."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any


def in_notebook() -> bool:
    """Whether this runs in a Jupyter kernel."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def progress_bar(total: int | None, description: str) -> Any:
    """A bar over `total` steps (None if unknown) with `update`, `set_postfix_str` and `close`."""
    from tqdm import notebook, std

    widget = in_notebook() and importlib.util.find_spec("ipywidgets") is not None
    # Without tqdm's thread, beside which Variables would not be updated where they are.
    bar: Any = type("Bar", (notebook.tqdm if widget else std.tqdm,), {"monitor_interval": 0})
    return bar(total=total, desc=description, file=sys.stdout, dynamic_ncols=True, leave=True, mininterval=0.1)
