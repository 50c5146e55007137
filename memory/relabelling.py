"""Trees with labels by return, in memory and on disk; no model is asked.

Labels follow from what is stored, so doing it again changes nothing, and other settings replace
what was there. The file is written in one step: a command that was stopped has changed nothing, and
the same command does all of it.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from math import isfinite
from pathlib import Path
from typing import Any

from aloe.errors import ConfigError, StoreError
from aloe.files.records import read_records
from aloe.files.writing import replace_chunks, replace_folder
from aloe.labels import LABELS
from aloe.memory.label_agreement import LabelAgreement
from aloe.memory.returns import NO_LEVEL_BELOW, ReturnRule, forget_returns, label_returns
from aloe.memory.run_folder import RunFolder, find_home, read_trees
from aloe.number_format import counted
from aloe.schema import Tree

COMPANIONS = (
    "config.toml", "prompts.json", "models.json", "passport.json", "events.jsonl", LABELS,
)  # fmt: skip
"""What goes with the trees of a run to another folder."""


def relabel_trees(
    trees: Iterable[Tree],
    rule: ReturnRule,
    rated: Mapping[str, float] | None = None,
    found: LabelAgreement | None = None,
) -> Iterator[Tree]:
    """Yield trees with labels by return, one at a time.

    Args:
        trees: any trees.
        rule: how far to look.
        rated: levels by node id; see `aloe.memory.levels`.
        found: counts what the labels come to.

    Raises:
        ConfigError: after the last tree, if nothing could be compared: the horizon is longer than
            the trees, or no siblings were continued, or no level belongs to a reply; or questions
            are to cost something though no user answers them.
    """
    found, deepest, answering = found or LabelAgreement(), 0, False
    for tree in trees:
        labelled = label_returns(tree, rule, rated)
        found.add(labelled)
        deepest = max((deepest, *(node.turn for node in tree.nodes)))
        answering = answering or tree.disclosure is not None
        yield labelled
    if not found.comparisons:
        raise ConfigError("the trees hold no comparisons, so there is nothing to label")
    if rule.question_cost and not answering:
        raise ConfigError(
            f"question_cost: {rule.question_cost:g} for a question that brings nothing, but the "
            "users of these trees answer none; grow trees with `--disclosure answering` or "
            "`reticent`, or leave it at 0"
        )
    if rule.turns > deepest:
        raise ConfigError(
            f"horizon: {rule.turns} turns are longer than the trees, which have "
            f"{counted(deepest, 'turn')}; look less far, or grow them with `aloe simulate --extend`"
        )
    if rated and not any(levels == "rated" for _, levels in found.settings):
        raise ConfigError("the levels given belong to no reply that needs one")
    if not found.compared:
        reasons = ", ".join(f"{count} {why}" for why, count in found.undecided.most_common())
        remedy = "continue them with `aloe simulate --extend DIR --rollouts N`"
        if NO_LEVEL_BELOW in found.undecided:
            remedy = "give the levels of what follows them with --levels FILE"
        raise ConfigError(
            f"no two replies to one message can be compared by what came of them ({reasons}); "
            f"{remedy}"
        )


def read_levels(path: Path) -> dict[str, float]:
    """Return the levels in a file of objects with `node` and `level`.

    Raises:
        InputError: there is none, or a record is no level or contradicts another (with its line).
    """
    found: dict[str, float] = {}
    for place, record in read_records(path):
        fields = record if isinstance(record, dict) else {}
        node, level = fields.get("node"), _read_level(fields.get("level"))
        if not isinstance(node, str):
            raise place.error("has no 'node', the id of a reply")
        if level is None:
            raise place.error("has no 'level', a number that says how good the reply was")
        if found.setdefault(node, level) != level:
            raise place.error(f"gives the reply {node} another level than a line before it")
    return found


def _read_level(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        level = float(value)
    except OverflowError:
        return None
    return level if isfinite(level) else None


def relabel_file(
    source: Path, out: Path | None, rule: ReturnRule, rated: Mapping[str, float] | None = None
) -> LabelAgreement:
    """Label the trees of a run folder or a file, there or in `out`; return what it came to.

    Args:
        source: run folder, or a trees.jsonl.
        out: folder, or a file that ends in .jsonl; None: the source itself. What it holds already
            may differ from the source in labels by return alone.
        rule: how far to look.
        rated: levels by node id; see `aloe.memory.levels`.

    Raises:
        ConfigError: nothing could be compared; nothing is written then.
        InputError: there are no trees, or a line is broken (with its number).
        StoreError: `out` cannot be written, is in use or holds other trees.
    """
    next(read_trees(source), None)  # before anything is made
    target = find_home(out or source)
    if target.suffix == ".gz":
        raise ConfigError(f"{target} is compressed; name another file with --out")
    if target.is_file() or target.suffix == ".jsonl":
        _check_same(source, target)
        return _write(source, target, rule, rated)
    if target.is_dir() and any(target.iterdir()):
        _check_same(source, target)
        with RunFolder(target).locked():
            return _write(source, target / "trees.jsonl", rule, rated)
    with replace_folder(target) as part:
        for name in COMPANIONS if source.is_dir() else ():
            if (source / name).is_file():
                shutil.copyfile(source / name, part / name)
        return _write(source, part / "trees.jsonl", rule, rated)


def _write(
    source: Path, file: Path, rule: ReturnRule, rated: Mapping[str, float] | None
) -> LabelAgreement:
    found = LabelAgreement()
    labelled = relabel_trees(read_trees(source), rule, rated, found)
    replace_chunks(file, (f"{tree.model_dump_json()}\n".encode() for tree in labelled))
    return found


def _check_same(source: Path, target: Path) -> None:
    """Make sure that what is written over are labels of these very trees."""
    if not target.exists() or find_home(source).resolve() == target.resolve():
        return
    there = target.is_file() or (target / "trees.jsonl").exists()
    held = read_trees(target) if there else iter(())
    for mine, theirs in zip_longest(map(_forget, read_trees(source)), map(_forget, held)):
        if mine != theirs:
            raise StoreError(
                f"{target} holds other things than these trees, or other verdicts on them; name "
                "another folder"
            )


def _forget(tree: Tree) -> Tree:
    return tree.model_copy(update={"verdicts": tuple(forget_returns(tree.verdicts))})
