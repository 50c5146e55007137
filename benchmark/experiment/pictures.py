"""The curves of an experiment as SVG: the same numbers, the same file. Needs the extra `plots`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import PercentFormatter

from aloe.benchmark.figures import Figure
from aloe.benchmark.plots import draw_band, draw_panels
from aloe.files.writing import save_picture

PANELS = {"own": "AL(k)", "gain": "own - swapped"}


def draw_levels(
    path: Path, curves: Mapping[str, Mapping[str, Sequence[Figure]]], more: Mapping[str, str]
) -> None:
    """Draw AL and the gain by turn, one line with a band for each model.

    Args:
        path: the SVG.
        curves: by model, then by name as in `SuiteResult.curves`.
        more: labels of further curves, by that name.
    """
    panels = {**PANELS, **more}
    picture = Picture(figsize=(5 * len(panels), 4.2), layout="constrained")
    axes = draw_panels(picture, panels, curves)
    axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    _save(picture, path)


def draw_adaptation(path: Path, levels: Mapping[str, Sequence[Figure]]) -> None:
    """Draw the share of wishes kept by turn, a plain line for each model: the README's picture."""
    picture = Picture(figsize=(6, 2.6), layout="constrained")
    axes = picture.add_subplot()
    for name, figures in levels.items():
        values = [float("nan") if each.value is None else each.value for each in figures]
        (line,) = axes.plot(range(1, len(values) + 1), values, marker="o", linewidth=2)
        axes.annotate(
            name, (len(values), values[-1]), (8, 0), textcoords="offset points",
            va="center", color=line.get_color(),
        )  # fmt: skip
    axes.set(xlabel="turn", ylabel="wishes kept", ylim=(0, 1))
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    axes.spines[["top", "right"]].set_visible(False)
    _save(picture, path)


def draw_scaling(path: Path, points: Mapping[int, Figure]) -> None:
    """Draw the average AL on the validation users by number of trees."""
    picture = Picture(figsize=(5, 3.6), layout="constrained")
    axes = picture.add_subplot()
    counts = sorted(points)
    draw_band(axes, counts, [points[count] for count in counts], "sft")
    axes.set(xlabel="trees", ylabel="average AL", xscale="log", xticks=counts)
    axes.set_xticklabels([str(count) for count in counts])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    _save(picture, path)


def _save(picture: Any, path: Path) -> None:
    matplotlib.rcParams.update({"svg.hashsalt": "aloe", "svg.fonttype": "none"})
    save_picture(picture, path, metadata={"Date": None})
