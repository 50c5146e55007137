"""What a person sees of a training: its progress and its result."""

import time
from pathlib import Path

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar

from aloe.console import Display, say
from aloe.number_format import counted, format_number, to_go
from aloe.training.curves import (
    CURVES,
    collect_values,
    draw_sparkline,
    find_first_and_last,
    name_evaluations,
)
from aloe.training.model_folder import Record
from aloe.training.progress import TrainingProgress
from aloe.training.release import format_left_out
from aloe.views.folding import Table


class TrainingDisplay(Display):
    """Steps done, and the curves worth watching."""

    def __init__(self, progress: TrainingProgress, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self.progress = progress
        self._began: tuple[str, float, int] | None = None
        """The phase, and when its first step here was done, and which that was."""
        self._noted = 0

    def follow(self, progress: TrainingProgress) -> None:
        """Take notice of how far the training is."""
        self.progress = progress
        for note in progress.notes[self._noted :]:
            say(note)
        self._noted = len(progress.notes)
        if progress.step and (self._began is None or self._began[0] != progress.phase):
            self._began = progress.phase, time.monotonic(), progress.step
        self.update()

    def to_go(self) -> str:
        """Say how long the rest of a phase takes at its pace so far; empty if that is not known."""
        p = self.progress
        phase, started, step = self._began or ("", 0.0, 0)
        if phase != p.phase or not p.steps or not step < p.step < p.steps:
            return ""
        seconds = (time.monotonic() - started) / (p.step - step) * (p.steps - p.step)
        return to_go(seconds)

    def line(self) -> str:
        """Return phase, step and newest figures in one line."""
        p = self.progress
        newest = p.history[-1] if p.history else {}
        figures = [
            f"{name} {format_number(value, '{:.4g}')}"
            for name, value in newest.items()
            if name in self._names()
        ]
        figures += filter(None, [self.to_go()])
        return ", ".join([f"train {p.method}: {p.phase} {p.step}/{p.steps or '?'}", *figures])

    def panel(self) -> RenderableType:
        """Return a bar and a sparkline for each curve."""
        p = self.progress
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            p.phase, ProgressBar(total=p.steps or None, completed=p.step, width=30),
            f"{p.step}/{p.steps or '?'}", self.to_go(),
        )  # fmt: skip
        curves = Table.grid(padding=(0, 1))
        for name in self._names():
            if values := collect_values(p.history, name):
                curves.add_row(name, draw_sparkline(values), format_number(values[-1], "{:.4g}"))
        return Group(bar, curves)

    def _names(self) -> tuple[str, ...]:
        return CURVES[self.progress.method]


def summarise(out: Path, record: Record) -> str:
    """Return what came of a training, in a line; another where texts hold control tokens."""
    saved = record["flat_tokens"] / record["tokens"] if record["tokens"] else 0
    packed = f", {saved:.1f}x fewer tokens by tree packing" if saved else ""
    name, *ends = find_first_and_last(record)
    first, last = (format_number(each, "{:.4g}") for each in ends)
    when = name_evaluations(record)
    told = "" if when == ["before", "after"] else f" ({' and '.join(when)})"
    held_out = "".join(
        f", {each} {' to '.join(format_number(value, '{:.4g}') for value in values)}{told}"
        for each, values in record.get("held_out_figures", {}).items()
    )
    left_out = f"; left out: {format_left_out(record['left_out'])}" if "left_out" in record else ""
    return (
        f"{out}: {record['method']} on {counted(record['rows'], 'row')}, "
        f"{counted(record['steps'], 'step')}{_saved_step(record)}, {name} "
        f"{first} to {last}{held_out}{packed}{_cut_off(record)}{left_out}{_control_tokens(record)}"
    )


def _saved_step(record: Record) -> str:
    """Return which model was saved; empty if it is that of the last step."""
    return f" (saved: that of step {record['saved_step']})" if "saved_step" in record else ""


def _cut_off(record: Record) -> str:
    """Return how many of GRPO's replies did not end by themselves; empty if all did."""
    share = record.get("cut_off")
    return f", {share:.1%} of the replies cut off (max_completion_length)" if share else ""


def _control_tokens(record: Record) -> str:
    """Return a line about texts that hold control tokens; empty if none do."""
    if not (held := record.get("control_tokens")):
        return ""
    number, tokens = held["texts"], ", ".join(held["tokens"])
    return f"\ncontrol tokens ({tokens}) in {counted(number, 'text')}: encoded as plain text"
