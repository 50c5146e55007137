"""What an experiment on asking was to show, and whether it did."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aloe.benchmark.elicitation_figures import measure_each
from aloe.benchmark.experiment.asking import IMMEDIATE
from aloe.benchmark.experiment.goals import Goal, compute_differences, is_above
from aloe.benchmark.experiment.pipeline import BASE, CONTROL, Cell
from aloe.benchmark.experiment.rows import identify_pair, read_rows
from aloe.benchmark.experiment.tested import Tested
from aloe.benchmark.experiment.transfer import measure_gains
from aloe.benchmark.figures import Figure, sample
from aloe.benchmark.markdown import format_interval
from aloe.benchmark.rare_events import COUNT
from aloe.benchmark.scores import Elicitation
from aloe.config import Disclosing

KNOWN = 0.6
"""Share of the wishes that is to be known by the last turn."""
MORE_KNOWN = 0.2
"""By how much that is to exceed what the immediate label gives."""
QUESTIONS = 1.0
"""Most questions a reply, at any turn."""
NEEDLESS = 0.2
"""Most questions a reply once all is known."""
LOST = 1 / 3
"""Most of the gain that may be lost with phrases that training has not heard."""


def judge_asking_goals(
    by_name: Mapping[str, Tested],
    best: str,
    cells: Sequence[Cell],
    disclosure: Disclosing,
    pairs: Mapping[str, Path],
) -> list[Goal]:
    """Return what was to be shown, with what was found.

    Args:
        by_name: what was tested.
        best: name of the model that was chosen.
        cells: the matrix of transfer.
        disclosure: of the users of the experiment.
        pairs: rows of DPO, by model.
    """
    base, tuned, immediate = by_name[BASE], by_name[best], by_name[IMMEDIATE]
    more = compute_differences(immediate.side, tuned.side)
    return [
        *_knowing(base, immediate, tuned, more["known"]),
        Goal.above("AL in the last two turns above that of the immediate label", more["al_last"]),
        *_personal(tuned, by_name[CONTROL]),
        *_sparing(tuned),
        _transferring(cells, disclosure),
        _by_label(pairs[best], pairs[IMMEDIATE], more["known"]),
    ]


def _knowing(base: Tested, immediate: Tested, tuned: Tested, more: Figure) -> list[Goal]:
    known, *others = (_figure(each, "known") for each in (tuned, immediate, base))
    beside = ", ".join(
        f"{name} {format_interval(figure)}"
        for name, figure in zip(("immediate", "base"), others, strict=True)
    )
    return [
        Goal(
            name=f"wishes known by the last turn: at least {KNOWN:.0%}",
            found=f"{format_interval(known)} ({beside})",
            reached=(known.value or 0.0) >= KNOWN,
        ),
        Goal(
            name=f"that is at least {MORE_KNOWN:.2f} above the immediate label, and surely above",
            found=format_interval(more),
            reached=(more.value or 0.0) >= MORE_KNOWN and is_above(more),
        ),
    ]


def _personal(tuned: Tested, control: Tested) -> list[Goal]:
    return [
        Goal.above("own - swapped above 0", _figure(tuned, "gain")),
        Goal.not_above("shuffled: own - swapped not above 0", _figure(control, "gain")),
    ]


def _sparing(tuned: Tested) -> list[Goal]:
    most = max(count_questions(tuned), key=lambda figure: figure.value or 0.0)
    needless = _figure(tuned, "needless")
    return [
        Goal(
            name=f"at most {QUESTIONS:g} question a reply at every turn",
            found=f"{format_interval(most)} where most",
            reached=most.value is not None and most.value <= QUESTIONS,
        ),
        Goal(
            name=f"at most {NEEDLESS:g} questions a reply once all is known",
            found=format_interval(needless) if needless.count else "of nobody all was known",
            reached=needless.value is not None and needless.value <= NEEDLESS,
        ),
    ]


def _transferring(cells: Sequence[Cell], disclosure: Disclosing) -> Goal:
    gains = {
        cell.phrases: measure_gains(cell)["gain"]
        for cell in cells
        if cell.trained == cell.tested == disclosure
    }
    name = "phrases never heard lose at most a third of the gain"
    if not gains:
        return Goal(
            name=name,
            found=f"not measured (experiment.transfer names no {disclosure} users)",
            reached=False,
        )
    seen, unseen = gains["train"], gains["test"]
    return Goal(
        name=name,
        found=f"{format_interval(unseen)} instead of {format_interval(seen)}",
        reached=is_above(seen) and (unseen.value or 0.0) >= (1 - LOST) * (seen.value or 0.0),
    )


def _by_label(pairs: Path, others: Path, more: Figure) -> Goal:
    """Only the label may differ, so both models must have learnt from the same pairs."""
    rows, other = read_rows(pairs), read_rows(others)
    same = [*map(identify_pair, rows)] == [*map(identify_pair, other)]
    turned = sum(one["chosen"] != two["chosen"] for one, two in zip(rows, other, strict=False))
    said = f"the same {len(rows):,}, {turned:,} the other way round" if same else "not the same"
    return Goal(
        name="it is the label: known above immediate, with the same pairs of replies",
        found=f"{format_interval(more)}; pairs: {said}",
        reached=same and is_above(more),
    )


def count_questions(tested: Tested, *, known: bool | None = None) -> tuple[Figure, ...]:
    """Return the questions a reply by turn.

    Args:
        tested: a model under one condition.
        known: only of replies to users of whom all is known, or to the others.
    """

    def count(found: Elicitation) -> int | None:
        if known is not None and known != (found.known == found.knowable):
            return None
        return found.questions

    data = sample(tested.rows)
    return data.curve(measure_each(data, count), bounds=COUNT)


def _figure(tested: Tested, name: str) -> Figure:
    return tested.result.figures.get(name, Figure(value=None, count=0))
