"""The curves of an experiment as SVG: the same numbers, the same file. Needs the extra `plots`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure as Picture
from matplotlib.ticker import PercentFormatter

from aloe.benchmark.figures import Figure
from aloe.benchmark.plots import draw_band, draw_panels, take_numbers
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


def draw_adaptation(
    path: Path, curves: Mapping[str, Mapping[str, Sequence[Figure]]], panels: Mapping[str, str]
) -> None:
    """Draw shares by turn, a plain line for each model: the README's picture.

    Args:
        path: the SVG.
        curves: by model, then by name as in `SuiteResult.curves`.
        panels: labels of the shares, 0 to 1, by that name.
    """
    picture = Picture(figsize=(1.5 + 4.5 * len(panels), 2.6), layout="constrained")
    for place, (name, label) in enumerate(panels.items(), 1):
        axes = picture.add_subplot(1, len(panels), place)
        for model, by_name in curves.items():
            _draw_plain(axes, take_numbers(by_name[name], "value"), model)
        axes.set(xlabel="turn", title=label, ylim=(0, 1))
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
        axes.spines[["top", "right"]].set_visible(False)
    _save(picture, path)


def _draw_plain(axes: Any, values: Sequence[float], name: str) -> None:
    (line,) = axes.plot(range(1, len(values) + 1), values, marker="o", linewidth=2)
    axes.annotate(
        name, (len(values), values[-1]), (8, 0), textcoords="offset points",
        va="center", color=line.get_color(),
    )  # fmt: skip


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
