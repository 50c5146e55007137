"""Dialogues on a page of results: the best model's beside the base's with the same user."""

import re

from aloe.benchmark.dialogue_pair import measure_changes, rank_changes
from aloe.benchmark.experiment.pipeline import BASE, Made
from aloe.benchmark.folder import read_bench
from aloe.memory.verifiable.scoring import measure_satisfaction
from aloe.number_format import format_number
from aloe.schema import AssistantNode, Tree


def show_examples(made: Made) -> str:
    """Return two dialogues of the best model beside the base's with the same user."""
    before, after = (read_bench(made.test[name]) for name in (BASE, made.best))
    change = measure_changes(before.rows(), after.rows())
    ranked = rank_changes(change)
    picked = {"Median": ranked[(len(ranked) - 1) // 2], "Worst": ranked[0]}
    trees = [{t.id: t for t in bench.trees()} for bench in (before, after)]
    parts = [
        "## Dialogues\n\nThose whose average AL rose by the median and by the least over the base."
    ]
    for title, id_ in picked.items():
        wishes = trees[0][id_].persona.preferences
        told = ", ".join(f"{name}: {value}" for name, value in wishes.items())
        parts.append(f"### {title} ({format_number(change[id_], '{:+.3f}')})\n\nWishes: {told}.")
        for name, found in zip((BASE, made.best), trees, strict=True):
            parts.append(f"**{name}**\n\n{_dialogue(found[id_])}")
    return "\n\n".join(parts)


def _dialogue(tree: Tree) -> str:
    """Return the turns of a dialogue; the question after the last turn is left out."""
    lines = []
    for node in tree.nodes[:-2]:
        text = "\n> ".join(map(_without_markup, node.content.splitlines()))
        if isinstance(node, AssistantNode):
            level = measure_satisfaction(tree.persona.preferences, node.content)
            lines.append(f"> **Assistant ({level:.2f}):** {text}")
        else:
            lines.append(f"> **User:** {text}")
    return "\n>\n".join(lines)


def _without_markup(line: str) -> str:
    """Return a line of a dialogue that is no heading, fence, picture or HTML; lists stay lists."""
    line = line.replace("<", "&lt;").replace("![", "!\\[")
    return re.sub(r"^(\s*)(?=#|=|```|~~~|-+\s*$)", r"\1\\", line)
