"""Curves of a training: a line of blocks for the terminal, a PNG where matplotlib is installed."""

import importlib.util
from collections.abc import Mapping, Sequence
from math import inf, isnan
from pathlib import Path
from typing import Any

from aloe.files.writing import save_picture

BLOCKS = "▁▂▃▄▅▆▇█"

CURVES = {
    "sft": ("loss", "eval_loss"),
    "dpo": ("loss", "rewards/margins", "eval_loss", "eval_rewards/accuracies"),
    "kto": ("loss", "rewards/margins", "eval_loss"),
    "reward": ("loss", "margin", "eval_loss", "eval_accuracy"),
    "grpo": ("reward",),
}
"""What is worth watching, by method; `eval_` is about rows held out, where there are any."""


def collect_values(history: Sequence[dict[str, float]], name: str) -> list[float]:
    """Return the logged values of one figure, without those that are no number.

    TRL logs None where no reply of a step had a reward.
    """
    values = [entry.get(name) for entry in history]
    return [float(value) for value in values if value is not None and not isnan(value)]


def average_ends(history: Sequence[dict[str, float]], name: str) -> tuple[float, float] | None:
    """Return the means of a figure over the first and the last quarter of a training.

    None if it was never logged as a number. What is sampled anew at each step, such as a reward,
    says little in a single entry.
    """
    values = collect_values(history, name)
    quarter = max(1, len(values) // 4)
    return (_mean(values[:quarter]), _mean(values[-quarter:])) if values else None


def find_first_and_last(record: Mapping[str, Any]) -> tuple[str, float, float]:
    """Return what a record says about learning: name of a figure, where it began, where it ended.

    That is the loss but for GRPO, whose loss means nothing: there it is the reward.
    """
    if reward := record.get("reward"):
        return ("reward", reward[0], reward[1])
    return ("loss", record["first_loss"], record["last"]["loss"])


def find_held_out(
    history: Sequence[dict[str, float]], method: str, saved: float = inf
) -> dict[str, Any]:
    """Return the figures of rows held out, of the first evaluation and of the last that is later.

    By name, and of which steps they are; nothing if nothing was evaluated. What was evaluated after
    the step whose model is `saved` is not of that model.
    """
    names = [name for name in CURVES[method] if name.startswith("eval_")]
    evaluated = [e for e in history if any(name in e for name in names) and e["step"] <= saved]
    ends = [e for e in evaluated[-1:] if e["step"] > evaluated[0]["step"]]
    ends = [*evaluated[:1], *ends]
    figures = {
        name: [float(entry[name]) for entry in ends]
        for name in names
        if ends and all(name in entry for entry in ends)
    }
    steps = [int(entry["step"]) for entry in ends]
    return {"held_out_figures": figures, "held_out_steps": steps} if figures else {}


def name_evaluations(record: Mapping[str, Any]) -> list[str]:
    """Return when the figures of rows held out were taken, in words, one for each."""
    steps = record.get("held_out_steps", (0, record["steps"]))  # earlier versions do not say
    ends = {0: "before", record["steps"]: "after"}
    return [ends.get(step, f"at step {step}") for step in steps]


def draw_sparkline(values: Sequence[float], width: int = 40) -> str:
    """Return `values` as blocks between their least and greatest, newest last."""
    if not values:
        return ""
    step = max(1, -(-len(values) // width))
    means = [_mean(values[i : i + step]) for i in range(0, len(values), step)]
    low, high = min(means), max(means)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((value - low) * scale)] for value in means)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def draw_curves(file: Path, method: str, history: Sequence[dict[str, float]]) -> bool:
    """Draw the curves of a training as PNG; returns whether there are any, and matplotlib is."""
    names = [name for name in CURVES[method] if collect_values(history, name)]
    if not names or importlib.util.find_spec("matplotlib") is None:
        return False
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(4.5 * len(names), 3.2), layout="constrained")
    for place, name in enumerate(names, 1):
        axes = figure.add_subplot(1, len(names), place)
        points = [(e["step"], e[name]) for e in history if e.get(name) is not None]
        axes.plot([step for step, _ in points], [value for _, value in points])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="optimizer step", ylabel=name, title=f"{method}: {name}")
    save_picture(figure, file, dpi=150)
    return True
