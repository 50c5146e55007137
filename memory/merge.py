"""Trees of several runs put together.

Node ids are content hashes that cover the parent, so two trees of one id are two views of the same
conversations: putting them together is a union, and what both hold appears once. Where they
disagree about the same node or the same comparison, the one named first is kept. Labels by return
are left out of a tree that got nodes or verdicts: they say what came of replies, and how replies
were ranked, and there is more of it. Trees do not say what all of a run's were made with, its
folder does; so folders are compared before.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any

from aloe.errors import ConfigError
from aloe.memory.returns import forget_returns
from aloe.memory.run_folder import RunFolder, find_home, read_trees
from aloe.schema import Tree
from aloe.verdict import is_human


def check_alike(runs: Iterable[Path]) -> None:
    """Make sure that runs were made with the same prompts and files of models, and judged alike.

    Args:
        runs: run folders, or their trees.jsonl. Of other files nothing is known.

    Raises:
        ConfigError: two differ in what both say, or have confidences of two calibrations, or only
            one has any.
        InputError: what a folder says is broken.
    """
    homes = map(RunFolder, map(find_home, runs))
    folders = [folder for folder in homes if folder.config.exists()]
    _check_hashes(folders, RunFolder.read_prompts, "other prompts")
    _check_hashes(folders, RunFolder.read_models, "other files of models")
    calibrations = [folder.calibration() for folder in folders]
    if len(set(calibrations)) < 2:
        return
    judged = [
        (folder, by)
        for folder, by in zip(folders, calibrations, strict=True)
        if any(verdict.preferred for tree in read_trees(folder.path) for verdict in tree.verdicts)
    ]
    for folder, by in judged[1:]:
        first, held = judged[0]
        if by != held:
            raise ConfigError(
                f"the confidences of {first.path} and {folder.path} go by other passports, or only "
                "one has any; `aloe rejudge` judges one of them like the other"
            )


def _check_hashes(
    folders: Iterable[RunFolder], read: Callable[[RunFolder], Mapping[str, str]], what: str
) -> None:
    held: dict[str, tuple[str, RunFolder]] = {}
    for folder in folders:
        for name, found in read(folder).items():
            before, first = held.setdefault(name, (found, folder))
            if before != found:
                raise ConfigError(
                    f"{first.path} and {folder.path} were made with {what} ({name}); merge runs "
                    "that were made alike"
                )


def merge(trees: Iterable[Tree]) -> list[Tree]:
    """Return one tree for each id, in order of first appearance.

    Raises:
        ConfigError: two trees of one id are different conversations, an agent of one tree is played
            by different models, or its user is not the same one: another persona or mood, one who
            answers in one run and not in the other, or another person in a chat.
    """
    found: dict[str, Tree] = {}
    for tree in trees:
        found[tree.id] = _unite(found[tree.id], tree) if tree.id in found else tree
    return list(found.values())


def _unite(one: Tree, other: Tree) -> Tree:
    _check_openings(one, other)
    for agent in one.models.keys() & other.models.keys():
        if one.models[agent] != other.models[agent]:
            raise ConfigError(
                f"tree {one.id}: '{agent}' is {one.models[agent]} in one run and "
                f"{other.models[agent]} in another; such trees cannot be merged"
            )
    for name, same in (
        ("persona", one.persona.plays_like(other.persona) and _is_played_alike(one, other)),
        ("mood", one.mood == other.mood or _is_played_by_rule(one)),
    ):
        if not same:
            raise ConfigError(
                f"tree {one.id}: its {name} in one run is not that in another; such trees cannot "
                "be merged"
            )
    if _are_two_chats(one, other):
        raise ConfigError(
            f"tree {one.id}: two chats have this id, as first chats of earlier versions do, or "
            "those with one --seed; merging them would drop preferences, so leave one out"
        )
    if one.disclosure != other.disclosure:
        ours, theirs = (each.disclosure or "schedule" for each in (one, other))
        raise ConfigError(
            f"tree {one.id}: user.disclosure is {ours} in one run and {theirs} in another; such "
            "trees cannot be merged"
        )
    pairs = {frozenset((verdict.first, verdict.second)) for verdict in one.verdicts}
    new = [v for v in other.verdicts if frozenset((v.first, v.second)) not in pairs]
    nodes = [node for node in other.nodes if node.id not in one.by_id]
    verdicts = [*one.verdicts, *new]
    return replace_fields(
        one,
        models=one.models | other.models,
        nodes=(*one.nodes, *nodes),
        verdicts=tuple(forget_returns(verdicts) if nodes or new else verdicts),
    )


def _are_two_chats(one: Tree, other: Tree) -> bool:
    """Whether people chatted in both trees, and neither is how the other was before."""
    roles = [tree.models.get(role, "") for tree in (one, other) for role in ("user", "judge")]
    return all(map(is_human, roles)) and not (
        one.by_id.keys() <= other.by_id.keys() or other.by_id.keys() <= one.by_id.keys()
    )


def _check_openings(one: Tree, other: Tree) -> None:
    """Make sure that trees whose id was given to them, as in imported data, begin alike.

    An id that follows from persona and seed stands for one user, who may open differently in
    another run; a given one, such as a number in a file, says nothing about the conversation.
    """
    first, second = (
        {node.id: node.content for node in tree.children(None)} for tree in (one, other)
    )
    if first.keys() == second.keys() or one.id == Tree.id_for(one.persona, one.seed):
        return
    ours, theirs = (
        shorten(next(iter(texts.values()), ""), 40, placeholder=" ...") for texts in (first, second)
    )
    raise ConfigError(
        f"tree {one.id}: it begins with {ours!r} in one file and with {theirs!r} in another, so "
        "these are two conversations; give each an 'id' of its own and import them again"
    )


def _is_played_by_rule(tree: Tree) -> bool:
    """Whether a rule plays the user, which has no mood, whatever older trees say."""
    users = [user.id for user in tree.users]
    if tree.disclosure is None or not users:
        return False
    return all(tree.played(node).preferences for node in users)


def _is_played_alike(one: Tree, other: Tree) -> bool:
    """Whether the user is the same in every message that both trees have."""
    shared = (user.id for user in one.users if user.id in other.by_id)
    return all(one.played(node).plays_like(other.played(node)) for node in shared)


def replace_fields(tree: Tree, **update: Any) -> Tree:
    """Return a tree with other fields; `model_copy` would keep the index of the old nodes."""
    return Tree(**{name: getattr(tree, name) for name in Tree.model_fields} | update)
