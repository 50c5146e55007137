"""The curves as PNG and SVG, for papers. matplotlib comes with the extra `plots`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aloe.benchmark.figures import Figure
from aloe.benchmark.folder import Bench

PANELS = {"own": "AL(k)", "gain": "gain: own - swapped"}


def write_plots(bench: Bench, folder: Path) -> list[Path]:
    """Draw one picture a suite, as PNG and as SVG; the same numbers give the same SVG.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib
    from matplotlib.figure import Figure as Picture

    matplotlib.rcParams["svg.hashsalt"] = "aloe"
    written = []
    for suite, by_condition in bench.result.suites.items():
        picture = Picture(figsize=(9, 3.6), layout="constrained")
        for place, (name, label) in enumerate(PANELS.items(), 1):
            axes = picture.add_subplot(1, len(PANELS), place)
            for condition, result in by_condition.items():
                levels = result.curves[name]
                draw_band(axes, range(1, len(levels) + 1), levels, condition)
            if name == "gain":
                axes.axhline(0, color="grey", linewidth=0.8)
            axes.set(xlabel="turn k", ylabel=label)
            axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        picture.suptitle(suite)
        for ending in ("png", "svg"):
            path = folder / f"{suite}.{ending}"
            metadata = {"Date": None} if ending == "svg" else {}
            picture.savefig(path, dpi=200, metadata=metadata)
            written.append(path)
    return written


def draw_band(axes: Any, at: Sequence[int], levels: Sequence[Figure], name: str) -> None:
    """Draw figures as a line and their intervals as a band around it."""
    (line,) = axes.plot(at, _numbers(levels, "value"), marker="o", markersize=3, label=name)
    low, high = _numbers(levels, "low"), _numbers(levels, "high")
    axes.fill_between(at, low, high, color=line.get_color(), alpha=0.15, linewidth=0)


def _numbers(levels: Sequence[Figure], name: str) -> list[float]:
    found = (getattr(each, name) for each in levels)
    return [float("nan") if value is None else value for value in found]
