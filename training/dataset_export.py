"""An export: trees of a run in, a file of rows or a dataset folder out.

Anything that would make it useless (a missing exporter, notes that no role left, a judge that is
not good enough) is found before anything is written.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from aloe.errors import ConfigError
from aloe.memory.out_files import check_out
from aloe.memory.run_folder import RunFolder, find_home, read_trees
from aloe.number_format import counted
from aloe.plugins import describe_error, entry_points, load_plugin
from aloe.schema import Tree
from aloe.training.export import (
    COLUMNS,
    ROWS,
    Origin,
    Row,
    Rows,
    Skipped,
    take_all_columns,
    take_trainer_columns,
    wrap_exporter,
)
from aloe.training.export_checks import check_judge, check_notes
from aloe.training.features import KINDS, Features, infer_features
from aloe.training.labels import Label, check_relabelled, check_rewards, label_rows
from aloe.training.layouts import LAYOUTS, RowFormat, find_format, keep_learnt_whole
from aloe.training.people import read_people, take_people
from aloe.training.release import (
    Split,
    explain_empty,
    render_dataset_card,
    write_folder,
    write_rows,
)
from aloe.training.sides import drop_repeated, split_rows
from aloe.training.spreading import spread_prompts

FILE_TYPES = (".jsonl", ".jsonl.gz", ".parquet")

ORIGIN = tuple(name for name in Origin.__dataclass_fields__ if name != "nodes")
"""The columns that say where a row comes from."""

RESTRAINED = ("sft", "dpo", "kto", "rm", "step")
"""Methods that can learn not to be personal."""

OTHER_TYPES = (".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow", ".gz", ".zip")
"""Endings by which nobody calls a folder, in any case."""


@dataclass(frozen=True, kw_only=True)
class ExportPlan:
    """What is to be exported."""

    run: Path
    """A run folder, or a file of trees."""
    row_format: str
    """One of `aloe.training.export` or `aloe.training.layouts`, or a custom exporter as
    `MODULE:FUNCTION`."""
    out: Path
    """A file by its ending, else a folder with a card."""
    label: Label = "judge"
    """Whose labels rows are made from."""
    columns: bool = False
    """Whether rows say where they come from."""
    roles: Sequence[str] | None = None
    """Custom roles whose notes become columns."""
    min_margin: float = 0.0
    """Pairs with a smaller margin are left out."""
    test_share: float = 0.0
    """Share of the groups of personas (`aloe.training.sides`) that is held out; of a folder."""
    least_accuracy: float | None = None
    """What the judge's passport must show at least, in [0, 1]; None: anything."""
    licence: str = "other"
    restraint: float = 0.0
    """Share in [0, 1) of the rows that teach not to be personal (`aloe.agents.restraint`)."""

    @property
    def to_file(self) -> bool:
        """Whether a file is wanted and no folder."""
        return self.out.name.endswith(FILE_TYPES)

    @property
    def passport(self) -> Path | None:
        """Where the run's judge passport is; None if it has none, or this is a file elsewhere."""
        file = RunFolder(find_home(self.run)).passport
        return file if file.exists() else None

    @property
    def chosen(self) -> RowFormat:
        """What the format's name stands for."""
        return find_format(self.row_format)

    @property
    def known(self) -> Features:
        """Kinds of the columns, as far as they hold for any row."""
        kinds = KINDS if self.chosen.method in COLUMNS else {}
        if self.chosen.layout is None:
            return kinds
        origin = {name: kinds[name] for name in ORIGIN}
        return {**origin, **self.chosen.layout.kinds}

    @property
    def settings(self) -> list[str]:
        """What the trainer has to be told; nothing if that is TRL."""
        layout = self.chosen.layout
        file = self.out if self.to_file else self.out / f"train{self.suffix}"
        return layout.explain(str(file)) if layout else []

    @property
    def suffix(self) -> str:
        """Kind of the files in a folder."""
        return self.chosen.layout.suffix if self.chosen.layout else ".jsonl"

    def shape(self, row: Row) -> Row:
        """Return the columns of a row that are written."""
        method, layout = self.chosen.method, self.chosen.layout
        notes = {role: row[role] for role in self.roles or ()}
        if layout:
            origin = {name: row[name] for name in ORIGIN if self.columns}
            return {**origin, **layout.render(row), **notes}
        if self.columns:
            return take_all_columns(row, method)
        return take_trainer_columns(row, method) | notes


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export came to."""

    rows: list[Row]
    """With the columns that say where they come from, also those that were not written."""
    skipped: Skipped
    splits: dict[Split, int] | None
    """Rows by split; None for a file."""
    restraint: int = 0
    """Rows that teach not to be personal."""


def export_trees(plan: ExportPlan) -> Exported:
    """Write the rows of a run's trees.

    Raises:
        ConfigError: something asked for is not there, or there would be no rows (to train on).
        StoreError: `out` cannot be written, or holds something else than a dataset.
    """
    _check_out(plan)
    method, layout = plan.chosen.method, plan.chosen.layout
    make = label_rows(method, find_exporter(method), plan.label)
    if layout and layout.whole:
        make = keep_learnt_whole(make)
    skipped: Skipped = Counter()
    trees = list(read_trees(plan.run))
    if plan.label == "people":
        said = read_people(plan.run)
        trees = [take_people(tree, said, skipped) for tree in trees]
    check_relabelled(trees, plan.label, str(plan.run))
    check_rewards(trees, method, plan.label, restrained=bool(plan.restraint))
    check_notes(trees, plan.roles or ())
    if plan.least_accuracy is not None:
        check_judge(plan.run, plan.passport, plan.least_accuracy)
    found = [
        {**row, **_collect_notes(tree, row, plan)} for tree in trees for row in make(tree, skipped)
    ]
    rows = _above_margin(found, plan.min_margin, skipped)
    if not rows:
        raise ConfigError(f"{plan.run} gives no {plan.row_format} rows{explain_empty(skipped)}")
    rows += (added := _teach_restraint(plan, trees, len(rows)))
    rows = drop_repeated(rows, method, skipped) if plan.test_share else rows
    rows = spread_prompts(rows) if method == "kto" else rows
    splits = None
    if plan.to_file:
        write_rows(plan.out, [plan.shape(row) for row in rows], plan.known)
    else:
        splits = _write_splits(plan, trees, rows, skipped, len(added))
    return Exported(rows=rows, skipped=skipped, splits=splits, restraint=len(added))


def _collect_notes(tree: Tree, row: Row, plan: ExportPlan) -> Row:
    """Return what custom roles noted on the messages of a row: a column for each role.

    A column holds the notes by what the message is in the row (`user`, `chosen` and so on), None
    where there is none.

    Raises:
        ConfigError: there are such roles, and the row does not say which messages it holds.
    """
    if plan.roles and not row["nodes"]:
        raise ConfigError(
            f"--with {plan.roles[0]}: rows of {plan.row_format} do not say which messages they "
            "hold; leave it out, or let a custom exporter write the notes itself (node.notes)"
        )
    return {
        role: {part: tree.by_id[node].notes.get(role) for part, node in row["nodes"].items()}
        for role in plan.roles or ()
    }


def _above_margin(found: list[Row], least: float, skipped: Skipped) -> list[Row]:
    """Return the rows with a margin of at least `least`; all of them if that is 0.

    Raises:
        ConfigError: none of them has a margin.
    """
    if not least or not found:
        return found
    known = [row for row in found if row["margin"] is not None]
    if not known:
        raise ConfigError("--min-margin: no row here has a margin; leave the flag out")
    rows = [row for row in known if row["margin"] >= least]
    for reason, count in (
        ("no margin", len(found) - len(known)),
        ("below the margin", len(known) - len(rows)),
    ):
        if count:
            skipped[reason] = count
    return rows


def _teach_restraint(plan: ExportPlan, trees: Sequence[Tree], count: int) -> list[Row]:
    """Return the rows that make up `plan.restraint` of all, beside `count` others.

    Raises:
        ConfigError: the trees give fewer.
    """
    if not plan.restraint:
        return []
    from aloe.agents.restraint import make_restraint

    wanted = round(count * plan.restraint / (1 - plan.restraint))
    make = ROWS[plan.chosen.method]  # type: ignore[index]
    found = (
        {**row, **dict.fromkeys(plan.roles or ())}
        for tree in make_restraint(trees)
        for row in make(tree, Counter())
    )
    rows = list(islice(found, wanted))
    if len(rows) < wanted:
        most = len(rows) / max(1, len(rows) + count)
        raise ConfigError(
            f"--restraint {plan.restraint}: beside {counted(count, 'row')} that takes {wanted} "
            f"more, and these trees give {len(rows)}: at most {most:.2f}"
        )
    return rows


def find_exporter(name: str) -> Rows:
    """Return what makes the rows: one of ours, or a custom one.

    Raises:
        ConfigError: there is none of that name; the custom one raises it also where it fails.
    """
    if ours := {str(key): rows for key, rows in ROWS.items()}.get(name):
        return ours
    installed = [point.name for point in entry_points("exporters")]
    if ":" not in name and name not in installed:
        known = ", ".join([*ROWS, *LAYOUTS, *installed])
        raise ConfigError(f"--format: '{name}' is none of {known}, MODULE:FUNCTION")
    make = wrap_exporter(load_plugin("exporters", name))

    def rows(tree: Tree, skipped: Skipped) -> Iterator[Row]:
        try:
            yield from make(tree, skipped)
        except Exception as error:
            problem = f"exporter '{name}' failed at tree {tree.id}"
            raise ConfigError(f"{problem}: {describe_error(error)}") from None

    return rows


def _write_splits(
    plan: ExportPlan,
    trees: Sequence[Tree],
    rows: Sequence[Row],
    skipped: Skipped,
    restraint: int,
) -> dict[Split, int]:
    sides = split_rows(rows, trees, plan.test_share)
    if plan.chosen.method == "kto":
        sides = {split: spread_prompts(held) for split, held in sides.items()}
    features = infer_features(map(plan.shape, rows), plan.known)
    layout = plan.chosen.layout
    card = render_dataset_card(
        trees,
        sides,
        skipped,
        plan.row_format,
        label=plan.label,
        features=features,
        suffix=plan.suffix,
        settings=layout.explain(f"train{plan.suffix}") if layout else (),
        restraint=restraint,
        passport=plan.passport.read_text(encoding="utf-8") if plan.passport else None,
        licence=plan.licence,
    )
    shaped = {split: list(map(plan.shape, held)) for split, held in sides.items()}
    return write_folder(plan.out, shaped, card, plan.suffix, features)


def _check_out(plan: ExportPlan) -> None:
    """Make sure that `out` is what its name says, and not what is read."""
    out, types = plan.out, ", ".join(FILE_TYPES)
    layout = plan.chosen.layout
    if layout and plan.to_file and layout.suffix not in (".jsonl", out.suffix):
        raise ConfigError(f"--out {out}: {plan.row_format} is read from {layout.suffix} files only")
    if plan.restraint and (plan.chosen.method not in RESTRAINED or (layout and layout.whole)):
        raise ConfigError(f"--restraint: {plan.row_format} has no place for it; it teaches a reply "
                          f"after a history, in {', '.join(RESTRAINED)}")  # fmt: skip
    if plan.to_file and plan.test_share:
        raise ConfigError("a split needs a folder: give --out a name without .jsonl or .parquet")
    check_out(out, [plan.run])
    if not plan.to_file and out.is_file():
        raise ConfigError(f"{out} is a file; name a folder, or a file ending in {types}")
    if not plan.to_file and out.name.lower().endswith(OTHER_TYPES) and not out.is_dir():
        raise ConfigError(f"{out} looks like a file, not a folder; files end in {types}")
