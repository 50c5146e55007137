"""Benchmark figures as text: a table, and the curve over the turns with its band.

Everything is drawn with characters and colour carries no meaning, so it reads the same in a
terminal, a log and an email. A curve is drawn sideways, one line per turn, so ten turns or thirty
fit any width.
"""

from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.text import Text

from aloe.benchmark.compare import ComparisonRow
from aloe.benchmark.figures import Figure
from aloe.benchmark.inference import LEVEL
from aloe.benchmark.suite_result import MOST_MISSING, SuiteResult
from aloe.config import Condition
from aloe.number_format import counted, format_number
from aloe.views.folding import Table

SHARES = frozenset({
    "recall", "precision", "f1", "taking_up", "mind_reading", "parroting", "over_personalisation",
    "probes_right", "spoiled", "blamed", "user_leaks", "known", "known_scheduled", "known_asked",
    "known_contradicted", "known_volunteered", "unkept", "asked_new", "asked_again", "asked_idle",
    "cut_off",
})  # fmt: skip
"""Figures that are shares, shown in percent."""

LABELS = {
    "gain": "gain: AL own - swapped",
    "gain_ir": "  slope of gain, per turn",
    "al_mean": "average AL",
    "swapped_mean": "  for a swapped persona",
    "ir": "IR: slope of AL, per turn",
    "n_ir": "N-IR",
    "r2": "R2 (and N-R2, the same)",
    "al_last": "AL, last two turns",
    "gain_last": "gain, last two turns",
    "known": "share found out by the end",
    "known_asked": "  came up: asked for",
    "known_contradicted": "  came up: went against it",
    "known_volunteered": "  came up: volunteered",
    "known_scheduled": "  came up: on schedule",
    "unkept": "known wishes not kept",
    "questions": "questions per reply",
    "asked_new": "  that brought something",
    "asked_again": "  asked again",
    "asked_idle": "  that brought nothing",
    "needless": "needless questions per reply",
    "words": "words per reply",
    "length_effect": "  AL per doubled length",
    "ir_at_equal_length": "  IR at equal length",
    "cut_off": "replies cut off at limit",
    "recall": "persona recall",
    "precision": "persona precision",
    "f1": "persona F1",
    "taking_up": "replies taking up a fact",
    "mind_reading": "replies reading minds",
    "parroting": "replies parroting",
    "over_personalisation": "over-personalised probes",
    "probes_right": "probes answered right",
    "spoiled": "dialogues user spoiled",
    "blamed": "low levels where user erred",
    "user_leaks": "messages user leaked in",
    "user_drift": "user's drift, per turn",
}
"""What the figures are called, in the order of the table."""

COMPARED = {**LABELS, "al_at_equal_length": "  AL at equal length"}
"""The same for those of a comparison."""


def suite_view(
    name: str, by_condition: Mapping[Condition, SuiteResult], width: int
) -> RenderableType:
    """Return all there is to say about one suite, within `width` columns."""
    main = next(iter(by_condition.values()))
    parts: list[RenderableType] = [_headline(name, main), "", figures_table(main)]
    if len(by_condition) > 1:
        parts += ["", conditions_table(by_condition), *_lacking(by_condition)]
    if any(figure.value is not None for figure in main.curves["own"]):
        parts += ["", curve(main, width)]
    if "known" in main.curves:
        shares = " ".join(format_number(figure.value, "{:.0%}") for figure in main.curves["known"])
        parts += ["", Text(f"known of the user, by turn: {shares}")]
    return Group(*parts)


def _headline(name: str, result: SuiteResult) -> Text:
    low, high = result.scale
    text = Text()
    text.append(f"{name}", "bold")
    text.append(
        f"  {counted(result.cases, 'case')}, {counted(result.dialogues, 'dialogue')}, "
        f"levels {low:g} to {high:g}\n"
        f"missing ratings: {result.describe_missing()}"
    )
    if result.incomplete:
        missed = f"\nINCOMPLETE: more than {MOST_MISSING:.0%} of the ratings are missing"
        text.append(missed, "bold red")
    agreement = result.agreement
    if agreement.single is not None:
        levels = ", ".join(f"{judge} {format_number(v)}" for judge, v in agreement.judges.items())
        text.append(
            f"\njudges agree at ICC {format_number(agreement.single, '{:.2f}')} one by one, "
            f"{format_number(agreement.average)} as a mean ({levels})"
        )
    if len(result.by_seed) > 1:
        text.append(f"\nby seed: {', '.join(map(format_number, result.by_seed))}")
    if result.spoiled_cases or result.empty:
        text.append(
            f"\nthe simulated user spoiled {counted(result.spoiled_cases, 'case')}; "
            f"empty replies: {result.empty}"
        )
    return text


def figures_table(result: SuiteResult) -> Table:
    """Return every figure with its interval."""
    table = _table("figure", "value", "95% interval", "of")
    for name, label in LABELS.items():
        if figure := result.figures.get(name):
            form = "{:.1%}" if name in SHARES else "{:.3f}"
            table.add_row(
                label,
                format_number(figure.value, form),
                interval(figure, form),
                f"{figure.count}",
                style="bold" if name == "gain" else "",
            )
    return table


def conditions_table(by_condition: Mapping[Condition, SuiteResult]) -> Table:
    """Return candidate and controls, one line each."""
    table = _table("condition", "gain", "average AL", "IR")
    table.columns[0].no_wrap = False
    for name, result in zip(name_columns(by_condition), by_condition.values(), strict=True):
        cells = [result.figures.get(figure) for figure in ("gain", "al_mean", "ir")]
        table.add_row(name, *(_compact(figure) for figure in cells))
    return table


def _lacking(by_condition: Mapping[Condition, SuiteResult]) -> list[Text]:
    """Return a line for each control that lacks ratings; the candidate's are in the headline."""
    return [
        Text(f"missing ratings, {name}: {result.describe_missing()}")
        for name, result in [*by_condition.items()][1:]
        if result.missing
    ]


def name_columns(by_condition: Mapping[Condition, SuiteResult]) -> list[str]:
    """Return the conditions with what is to be known before their figures are read.

    That is how many dialogues one has, if fewer than the first, and whether it is incomplete.
    """
    whole = next(iter(by_condition.values())).dialogues
    found = []
    for name, result in by_condition.items():
        few = f"{result.dialogues} of {whole}" if result.dialogues != whole else ""
        notes = ", ".join(filter(None, (few, "incomplete" if result.incomplete else "")))
        found.append(f"{name} ({notes})" if notes else name)
    return found


def _compact(figure: Figure | None) -> str:
    """Return a figure with its interval in few characters."""
    if figure is None or figure.value is None:
        return "-"
    text = format_number(figure.value, "{:.2f}")
    if figure.low is None:
        return text
    return f"{text} [{format_number(figure.low, '{:.2f}')}, {format_number(figure.high, '{:.2f}')}]"


def curve(result: SuiteResult, width: int) -> Table:
    """Return AL(k) for the own persona with its band, and for a swapped one, one line a turn."""
    own, swapped = result.curves["own"], result.curves["swapped"]
    ends = [v for f in (*own, *swapped) for v in (f.low, f.high, f.value) if v is not None]
    low, high = min(ends), max(ends)
    room = max(20, min(60, width - 22))
    span = (high - low) or 1.0

    def place(value: float) -> int:
        return round((value - low) / span * (room - 1))

    table = Table(box=None, pad_edge=False, padding=(0, 1))
    table.add_column("turn", justify="right", no_wrap=True)
    ends_line = f"{low:.2f}".ljust(room - len(f"{high:.2f}")) + f"{high:.2f}"
    table.add_column(ends_line, no_wrap=True)
    table.add_column("AL", justify="right", no_wrap=True)
    for turn, (mine, theirs) in enumerate(zip(own, swapped, strict=True), 1):
        cells = [" "] * room
        if mine.low is not None and mine.high is not None:
            for at in range(place(mine.low), place(mine.high) + 1):
                cells[at] = "─"
        if theirs.value is not None:
            cells[place(theirs.value)] = "○"
        if mine.value is not None:
            cells[place(mine.value)] = "●"
        table.add_row(f"{turn}", "".join(cells), format_number(mine.value))
    table.caption = "● AL(k), ─ its 95% band, ○ AL(k) for a swapped persona"
    table.caption_justify = "left"
    return table


def cut_off_view(shares: Mapping[str, Mapping[str, Figure]]) -> RenderableType:
    """Return how many replies of each side were cut off, one table for each suite."""
    parts: list[RenderableType] = []
    for suite, each in shares.items():
        table = _table("replies cut off at limit", "value", "95% interval", "of")
        table.columns[0].no_wrap = False
        for name, figure in each.items():
            value = format_number(figure.value, "{:.1%}")
            table.add_row(name, value, interval(figure, "{:.1%}"), f"{figure.count}")
        parts += ["", Text(suite, "bold"), table]
    return Group(*parts)


def comparison_view(lines: Sequence[ComparisonRow]) -> RenderableType:
    """Return every difference with its interval and p-values, one table for each pair and suite."""
    groups: dict[tuple[str, str, str], list[ComparisonRow]] = {}
    for line in lines:
        groups.setdefault((line.suite, line.other, line.base), []).append(line)
    parts: list[RenderableType] = []
    for (suite, other, base), each in groups.items():
        title = Text.assemble((suite, "bold"), f"  {other} minus {base}")
        parts += ["", title, _differences(each), "", *_conclude(each, other)]
    return Group(*parts)


def _differences(lines: Sequence[ComparisonRow]) -> Table:
    table = _table("difference", "value", "95% interval", "of", "p", "Holm")
    for line in lines:
        found = line.difference
        if found.value is None:
            continue
        p_values = (_format_p(p) for p in (line.p_value, line.p_holm))
        style = "bold" if line.metric == "gain" else ""
        table.add_row(
            COMPARED[line.metric],
            format_number(found.value, "{:+.3f}"),
            interval(found, "{:+.3f}"),
            f"{found.count}",
            *p_values,
            style=style,
        )
    return table


def _format_p(value: float | None) -> str:
    if value is None:
        return "-"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _conclude(lines: Sequence[ComparisonRow], other: str) -> Iterator[Text]:
    """Yield a sentence about what is significant, and one about what could not be compared."""
    tested = [line for line in lines if line.p_holm is not None]
    sides: dict[str, list[str]] = {"higher": [], "lower": []}
    for line in tested:
        if line.p_holm is not None and line.p_holm <= LEVEL and line.difference.value:
            sides["higher" if line.difference.value > 0 else "lower"].append(line.metric)
    said = [
        f"{side} in {len(each)} of {counted(len(tested), 'figure')}"
        f" ({'; '.join(COMPARED[name].strip() for name in each)})"
        for side, each in sides.items()
        if each
    ]
    if tested:
        rest = "" if sum(map(len, sides.values())) == len(tested) else "; the rest may be chance"
        found = " and ".join(said) + rest if said else "higher or lower in none: all may be chance"
        yield Text(f"after Holm's correction, at {LEVEL:.0%}, {other} is {found}")
    if empty := [COMPARED[line.metric].strip() for line in lines if line.difference.value is None]:
        yield Text(
            f"left out: {counted(len(empty), 'figure')} that no dialogue has on both sides "
            f"({'; '.join(empty)})",
            "dim",
        )


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def interval(figure: Figure, form: str = "{:.3f}") -> str:
    """Return the ends of an interval as text; `-` where there is none."""
    if figure.low is None:
        return "-"
    return f"{format_number(figure.low, form)} to {format_number(figure.high, form)}"
