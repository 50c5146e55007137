"""`aloe trace`: see what the agents did."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree as Drawing

from aloe.commands.options import ConfigFile, Json, Seed
from aloe.console import finish, show
from aloe.errors import InputError

if TYPE_CHECKING:
    from aloe.schema import AssistantNode, Tree, UserNode, Verdict


def trace(
    run: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder, or a trees.jsonl.")],
    tree: Annotated[
        str | None, typer.Option("--tree", metavar="ID", help="Draw this one; a prefix is enough.")
    ] = None,
    first: Annotated[bool, typer.Option("--first", help="Draw the first tree.")] = False,
    config: ConfigFile = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """List the trees of a run, or draw one of them.

    Example: `aloe trace runs/first --tree 3fa9`
    """
    from aloe import config as settings
    from memory.trees import read_trees

    del seed
    settings.load(config)
    trees = list(read_trees(run))
    if tree or first:
        found = [each for each in trees if each.id.startswith(tree or "")][: 1 if first else None]
        if not found:
            raise InputError(run, f"no tree whose id starts with '{tree}'; `aloe trace` lists them")
        if len(found) > 1:
            raise InputError(run, f"{len(found)} trees start with '{tree}'; give more of the id")
        show(drawing(found[0]), as_json=as_json)
        finish(found[0].model_dump(mode="json"), as_json=as_json)
        return
    show(listing(trees), as_json=as_json)
    rows = [{"id": t.id, "persona": t.persona.id, "nodes": len(t.nodes)} for t in trees]
    finish({"trees": rows}, as_json=as_json)


def listing(trees: list["Tree"]) -> RenderableType:
    """Return one row a tree."""
    table = Table(box=None, header_style="bold", expand=True)
    table.add_column("tree", no_wrap=True)
    table.add_column("persona", no_wrap=True, overflow="ellipsis", ratio=1)
    for name in ("nodes", "turns", "preferred", "tie", "abstain", "faults"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in trees:
        outcomes = [verdict.outcome for verdict in each.verdicts]
        decided = sum(outcome in ("first", "second") for outcome in outcomes)
        table.add_row(
            each.id,
            escape(each.persona.profile),
            str(len(each.nodes)),
            str(max((node.turn for node in each.nodes), default=0)),
            str(decided),
            str(outcomes.count("tie")),
            str(outcomes.count("abstain")),
            str(sum(len(node.faults) for node in each.nodes)),
        )
    return table


def drawing(tree: "Tree") -> RenderableType:
    """Return the tree: continued replies bright, the judge's margins as bars."""
    root = Drawing(Text(f"tree {tree.id}", style="bold"), guide_style="dim")
    for opening in tree.children(None):
        _grow(root, tree, opening)
    persona = Text.assemble(
        ("profile      ", "bold"), tree.persona.profile, "\n",
        ("personality  ", "bold"), tree.persona.personality,
    )  # fmt: skip
    key = Text("▶ continued   ★ preferred   = tie   ? judge abstains   ⚠ fault   ◆ revealed", "dim")
    return Group(persona, root, key)


def _grow(branch: Drawing, tree: "Tree", node: "UserNode | AssistantNode") -> None:
    label = _user(node) if node.role == "user" else _assistant(tree, node)
    below = branch.add(label)
    for child in tree.children(node.id):
        _grow(below, tree, child)


def _user(node: "UserNode") -> Text:
    text = Text.assemble((f"{node.turn} user ", "bold cyan"), node.content)
    for disclosure in node.revealed:
        text.append(f"\n◆ {disclosure.quote}", "magenta")
    return _with_faults(text, node)


def _assistant(tree: "Tree", node: "AssistantNode") -> Text:
    continued = bool(tree.children(node.id))
    verdicts = [v for v in tree.verdicts_on(node.parent) if node.id in (v.first, v.second)]
    marks = "".join(["▶" if continued else " ", _mark(node, verdicts)])
    text = Text(style="" if continued else "dim")
    text.append(f"{marks} {node.agent} ", "bold green" if continued else "green")
    if bar := _bar(node, verdicts):
        text.append(bar + " ", "yellow")
    text.append(node.content or "(empty)")
    return _with_faults(text, node)


def _mark(node: "AssistantNode", verdicts: list["Verdict"]) -> str:
    if any(verdict.preferred == node.id for verdict in verdicts):
        return "★"
    outcomes = {verdict.outcome for verdict in verdicts}
    return "?" if "abstain" in outcomes else "=" if "tie" in outcomes else " "


def _bar(node: "AssistantNode", verdicts: list["Verdict"]) -> str:
    """Return the mean margin in this node's favour as a number and up to five blocks."""
    margins = [
        verdict.margin if verdict.first == node.id else -verdict.margin
        for verdict in verdicts
        if verdict.margin is not None
    ]
    if not margins:
        return ""
    mean = sum(margins) / len(margins)
    blocks = min(5, round(abs(mean) / 0.2))
    return f"{mean:+.2f}{'▮' * blocks if mean > 0 else '▯' * blocks}"


def _with_faults(text: Text, node: "UserNode | AssistantNode") -> Text:
    if node.faults:
        text.append(f"  ⚠ {', '.join(node.faults)}", "red")
    return text
