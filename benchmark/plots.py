"""The curves as PNG and SVG, for papers. matplotlib comes with the extra `plots`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aloe.benchmark.figures import Figure
from aloe.benchmark.folder import Bench
from aloe.benchmark.tables import name_columns
from aloe.files.writing import save_picture

PANELS = {"own": "AL(k)", "gain": "gain: own - swapped"}


def write_plots(bench: Bench, folder: Path) -> list[Path]:
    """Draw one picture a suite, as PNG and as SVG; the same numbers give the same SVG.

    Raises:
        ImportError: matplotlib is not installed.
        StoreError: a file cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure as Picture

    matplotlib.rcParams["svg.hashsalt"] = "aloe"
    written = []
    for suite, by_condition in bench.result.suites.items():
        picture = Picture(figsize=(9, 3.6), layout="constrained")
        results = (result.curves for result in by_condition.values())
        curves = dict(zip(name_columns(by_condition), results, strict=True))
        draw_panels(picture, PANELS, curves).legend(frameon=False)
        picture.suptitle(suite)
        for ending in ("png", "svg"):
            path = folder / f"{suite}.{ending}"
            metadata = {"Date": None} if ending == "svg" else {}
            save_picture(picture, path, dpi=200, metadata=metadata)
            written.append(path)
    return written


def draw_panels(
    picture: Any, panels: Mapping[str, str], curves: Mapping[str, Mapping[str, Sequence[Figure]]]
) -> Any:
    """Draw curves over the turns side by side and return the last axes.

    Args:
        picture: where to draw.
        panels: labels of the levels, by the name of a curve in `SuiteResult.curves`.
        curves: by what is told apart (condition or model), then by that name.
    """
    for place, (name, label) in enumerate(panels.items(), 1):
        axes = picture.add_subplot(1, len(panels), place)
        for who, by_name in curves.items():
            draw_band(axes, range(1, len(by_name[name]) + 1), by_name[name], who)
        if name == "gain":
            axes.axhline(0, color="grey", linewidth=0.8)
        axes.set(xlabel="turn k", ylabel=label)
        axes.grid(alpha=0.3)
    return axes


def draw_band(axes: Any, at: Sequence[int], levels: Sequence[Figure], name: str) -> None:
    """Draw figures as a line and their intervals as a band around it."""
    (line,) = axes.plot(at, take_numbers(levels, "value"), marker="o", markersize=3, label=name)
    low, high = take_numbers(levels, "low"), take_numbers(levels, "high")
    axes.fill_between(at, low, high, color=line.get_color(), alpha=0.15, linewidth=0)


def take_numbers(levels: Sequence[Figure], name: str) -> list[float]:
    """Return a number of every figure, such as its value, and NaN where there is none."""
    found = (getattr(each, name) for each in levels)
    return [float("nan") if value is None else value for value in found]
