"""`aloe export`: trees in, training rows out."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from aloe.console import finish, show
from aloe.errors import ConfigError
from aloe.number_format import counted
from aloe.options import DryRun, Json, Public, PushToHub, RunOrTrees, refuse_unread, with_flags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aloe.training.preflight import Preflight
    from aloe.training.release import Split

FORMATS = ("sft", "dpo", "kto", "grpo", "rm", "step", "aloe")
"""Those of `aloe.training.export`, which is not loaded to show them."""

LENGTH = 1024
"""What TRL's DPO takes, unless told otherwise."""


def complete_format() -> list[str]:
    """Return the formats that a shell offers."""
    from aloe.training.layouts import LAYOUTS

    return [*FORMATS, *LAYOUTS]


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """The flags of `aloe export`."""

    run: RunOrTrees
    row_format: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="|".join(FORMATS),
            help="Rows for TRL, or for another trainer, as in llamafactory-dpo "
            "(also messages, sharegpt, axolotl, openrlhf, verl), or MODULE:FUNCTION.",
            autocompletion=complete_format,
        ),
    ]
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="PATH", help="FILE.jsonl[.gz], FILE.parquet, or a folder with a card."
        ),
    ]
    label: Annotated[
        str,
        typer.Option(
            "--label",
            metavar="judge|return|mixed|people",
            help="Whose labels: the judge's, those of `aloe relabel`, or those of `aloe label`.",
        ),
    ] = "judge"
    columns: Annotated[
        bool, typer.Option("--columns", help="Add tree, persona, turn, margin, confidence, length.")
    ] = False
    roles: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="ROLE", help="Add this custom role's notes."),
    ] = None
    min_margin: Annotated[
        float, typer.Option("--min-margin", min=0, help="Leave out pairs with a smaller margin.")
    ] = 0.0
    test_share: Annotated[
        float,
        typer.Option(
            "--test-share",
            min=0,
            max=1,
            help="Personas held out (folder only); who share words stay together.",
        ),
    ] = 0.0
    tokenizer: Annotated[
        Path | None,
        typer.Option("--tokenizer", metavar="DIR", help="Count tokens with this tokenizer."),
    ] = None
    max_length: Annotated[
        int | None,
        typer.Option(
            "--max-length", min=1, help=f"With --tokenizer: the trainer's limit [{LENGTH}]."
        ),
    ] = None
    least_accuracy: Annotated[
        float | None,
        typer.Option(
            "--require-judge-accuracy",
            min=0,
            max=1,
            help="Refuse if the run's judge passport shows less, or there is none.",
        ),
    ] = None
    restraint: Annotated[
        float,
        typer.Option(
            "--restraint",
            metavar="SHARE",
            min=0,
            max=0.9,
            help="Share of rows that teach not to be personal where it is out of place.",
        ),
    ] = 0.0
    licence: Annotated[
        str | None, typer.Option("--licence", help="Licence of the data, for the card [other].")
    ] = None
    push_to_hub: PushToHub = None
    public: Public = False
    dry_run: DryRun = False
    as_json: Json = False


@with_flags
def export(options: ExportOptions) -> None:
    """Turn trees into rows that TRL or another trainer loads directly.

    The prompt is what the deployed assistant would see: no hints, no instructions. Ties,
    abstentions, and empty and truncated replies are left out and counted.

    Example: `aloe export runs/first --format dpo --out dpo.jsonl`
    """
    from aloe.training.commands.push import plan_push, push_or_show
    from aloe.training.dataset_export import FILE_TYPES, ExportPlan, export_trees
    from aloe.training.labels import check_label
    from aloe.training.preflight import make_token_counter, preflight
    from aloe.training.release import format_left_out

    if not options.tokenizer:
        refuse_unread({"--max-length": options.max_length}, "without --tokenizer")
    if options.out.name.endswith(FILE_TYPES):
        refuse_unread({"--licence": options.licence}, "beside a file as --out, which has no card")
    if options.tokenizer and options.row_format == "aloe":
        raise ConfigError("the aloe format has no prompts to count; leave out --tokenizer")
    check_label(options.label)
    push = plan_push(options.push_to_hub, "dataset", public=options.public, dry_run=options.dry_run)
    if push and options.out.name.endswith(FILE_TYPES):
        raise ConfigError("--push-to-hub needs a folder with a card: give --out a folder's name")
    count = make_token_counter(options.tokenizer) if options.tokenizer else None
    given = {each.name: getattr(options, each.name) for each in fields(ExportPlan)}
    plan = ExportPlan(**{name: value for name, value in given.items() if value is not None})
    done = export_trees(plan)
    left_out = dict(done.skipped)
    result: dict[str, Any] = {"out": str(plan.out), "rows": len(done.rows), "left_out": left_out}
    if options.restraint:
        result["restraint"] = done.restraint
    if done.splits is not None:
        result["splits"] = done.splits
    show(
        f"{plan.out}: {counted(len(done.rows), f'{plan.row_format} row')}"
        f"{_sizes(done.splits) if plan.test_share else ''}; left out: "
        f"{format_left_out(left_out) or 'none'}",
        as_json=options.as_json,
        lines=True,
        cut=False,
    )
    if why := _explain_blind(left_out):
        show(Text(why), as_json=options.as_json, lines=True, cut=False)
    if plan.settings:
        result["settings"] = plan.settings
        show(Text("\n".join(plan.settings)), as_json=options.as_json, lines=True)
    if count:
        length = options.max_length or LENGTH
        found = preflight(done.rows, count, length, options.row_format)
        result["preflight"] = asdict(found)
        show(_explain_lengths(found, length, options.row_format), as_json=options.as_json)
    if push:
        result |= push_or_show(plan.out, push, dry_run=options.dry_run, as_json=options.as_json)
    finish(result, as_json=options.as_json)


def _sizes(splits: "Mapping[Split, int] | None") -> str:
    """Return how many rows are on each side."""
    return f" ({', '.join(f'{count} {split}' for split, count in (splits or {}).items())})"


def _explain_blind(left_out: "Mapping[str, int]") -> str:
    """Return what the number of comparisons without a return means; empty if there are none."""
    from aloe.verdict import NOT_CONTINUED

    count = left_out.get(NOT_CONTINUED, 0)
    if not count:
        return ""
    return (
        f"{NOT_CONTINUED}: {counted(count, 'comparison')} in which the conversation did not "
        "continue from one of the replies, so there is no return to compare "
        "(--label mixed: the judge's label)"
    )


def _explain_lengths(found: "Preflight", max_length: int, row_format: str) -> str:
    from aloe.training.preflight import LIMITLESS

    longest = f"longest row {found.longest:,} tokens"
    if row_format == LIMITLESS:
        return f"{longest}; TRL's GRPO has no limit for prompts"
    return (
        f"{longest}; at max_length {max_length} a trainer would cut {counted(found.cut, 'row')} "
        f"and drop {found.dropped}"
    )
