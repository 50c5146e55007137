"""The model-card snippet: a bench run as a page of Markdown, with everything needed to repeat it.

Whoever copies a figure also copies what it depends on: the simulator, the judges, the cases and
prompts by hash, the seeds, missing ratings and warnings. It is written from the folder alone.
"""

from collections.abc import Mapping, Sequence

from aloe.benchmark.bench_result import PlayedCondition
from aloe.benchmark.figures import Figure
from aloe.benchmark.folder import Bench
from aloe.benchmark.markdown import escape, format_table
from aloe.benchmark.suite_result import SuiteResult
from aloe.benchmark.tables import LABELS, SHARES, name_columns
from aloe.config import Condition
from aloe.number_format import counted, format_number, say_cost
from aloe.passport import Passport
from aloe.players import RULE

UNKNOWN_JUDGE = (
    "No judge passport came with the run: how far its judges can be trusted is unknown "
    "(`aloe judge audit`)."
)
RULES_JUDGED = (
    "Rules played the users and rated the replies: the figures rest on no model's opinion."
)


def describe_judges(bench: Bench) -> str:
    """Return what is to be said of the judges of a bench beside which there is no passport."""
    return RULES_JUDGED if bench.by_rule else UNKNOWN_JUDGE


def format_named(name: str, figure: Figure | None) -> str:
    """Return a figure with its interval as a person reads it; a dash where there is none."""
    if figure is None or figure.value is None:
        return "-"
    unit = "{:.1%}" if name in SHARES else "{:.2f}" if name == "words" else "{:.3f}"
    value, low, high = (format_number(n, unit) for n in (figure.value, figure.low, figure.high))
    return f"{value} (no interval)" if "-" in (low, high) else f"{value} ({low} to {high})"


def figure_rows(by_condition: Mapping[Condition, SuiteResult]) -> list[list[str]]:
    """Return the table of figures: a label, then one cell a condition."""
    names = [
        name for name in LABELS if any(name in result.figures for result in by_condition.values())
    ]
    return [
        [
            LABELS[name].strip(),
            *(format_named(name, result.figures.get(name)) for result in by_condition.values()),
        ]
        for name in names
    ]


def collect_provenance(bench: Bench) -> dict[str, str]:
    """Return what a run depends on, by name, so that it can be repeated."""
    result, spent = bench.result, bench.result.spent
    return {
        "aloe": result.version,
        "Python": result.python,
        **result.packages,
        **{f"{name} (condition)": each.model for name, each in result.conditions.items()},
        "user simulator": RULE if bench.by_rule else result.user,
        "judges": RULE if bench.by_rule else ", ".join(result.judges),
        "cases": f"{result.cases}, {len(bench.cases)} played, hash {result.cases_hash}",
        "repetitions": f"{result.seeds}, from seed {result.seed}",
        **{f"prompt {name}": sha for name, sha in result.prompts.items()},
        "calls": f"{spent.calls:,}",
        "tokens": f"{spent.input_tokens:,} read, {spent.output_tokens:,} written",
        "cost": say_cost(spent.cost),
        "again with": _command(result.conditions),
    }


def _command(conditions: Mapping[Condition, PlayedCondition]) -> str:
    """Return the command that repeats a run from its folder's settings."""
    controls = [name for name in conditions if name != "candidate"]
    named = [
        f" --control {name}" + (f"={conditions[name].model}" if name == "floor" else "")
        for name in controls
    ]
    return f"aloe bench run --config config.toml{''.join(named)} --out NEW"


def render_card(bench: Bench, passports: Sequence[Passport]) -> str:
    """Return the snippet.

    Args:
        bench: a finished bench.
        passports: of its judges, as far as there are any.

    Raises:
        InputError: the bench has no result yet.
    """
    result = bench.result
    parts = [f"## ALOE benchmark: {escape(result.candidate)}\n"]
    if gaps := result.describe_gaps():
        parts.append(f"**Incomplete**: {gaps}.\n")
    parts += [f"- Warning: {escape(text)}" for text in bench.warnings]
    for suite, by_condition in result.suites.items():
        parts += [f"\n### {escape(suite)}\n", _suite(by_condition)]
    parts.append("\n### Judges\n")
    for passport in passports:
        parts.append(format_table(["", ""], passport.summary().items()) + "\n")
    if not passports:
        parts.append(describe_judges(bench) + "\n")
    rows = [[name, f"`{value}`"] for name, value in collect_provenance(bench).items()]
    parts += ["\n### To repeat it\n", format_table(["", ""], rows) + "\n"]
    return "\n".join(parts)


def _suite(by_condition: Mapping[Condition, SuiteResult]) -> str:
    main = next(iter(by_condition.values()))
    low, high = main.scale
    about = (
        f"{counted(main.cases, 'case')}, {counted(main.dialogues, 'dialogue')}, "
        f"levels {low:g} to {high:g}; 95% intervals from "
        f"{counted(main.clusters, 'cluster')} (profiles x personalities); missing ratings: "
        + "; ".join(
            (f"{name} " if len(by_condition) > 1 else "") + result.describe_missing()
            for name, result in by_condition.items()
        )
        + ".\n"
    )
    curve = [
        [str(turn), format_named("al_mean", figure)]
        for turn, figure in enumerate(main.curves["own"], 1)
    ]
    head = ["k", "AL(k)"]
    if known := main.curves.get("known"):
        head.append("known")
        for row, figure in zip(curve, known, strict=True):
            row.append(format_named("known", figure))
    return "\n".join(
        [
            about,
            format_table(["", *name_columns(by_condition)], figure_rows(by_condition)) + "\n",
            format_table(head, curve) + "\n",
        ]
    )
