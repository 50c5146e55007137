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
from aloe.schema import Tree, UserNode, Verdict
from aloe.verdict import is_human


def check_alike(runs: Iterable[Path]) -> None:
    """Make sure that runs were made with the same prompts, models and code, and judged alike.

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
    _check_hashes(folders, RunFolder.read_models, "other files of models or other code")
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
    found: dict[str, _Union] = {}
    for tree in trees:
        if tree.id in found:
            found[tree.id].add(tree)
        else:
            found[tree.id] = _Union(tree)
    return [union.build() for union in found.values()]


class _Union:
    """Trees of one id. Their parts are gathered, and one tree is built of them at the end.

    Args:
        tree: the first.
    """

    def __init__(self, tree: Tree) -> None:
        self._first = tree
        self._id = tree.id
        self._models = tree.models
        self._nodes = dict(tree.by_id)
        self._openings = _openings(tree)
        self._verdicts = [*tree.verdicts]
        self._compared = set(map(_pair, tree.verdicts))

    def add(self, tree: Tree) -> None:
        """Take what is new in `tree`.

        Raises:
            ConfigError: it is another conversation, or was made otherwise.
        """
        self._check_openings(tree)
        self._check_makers(tree)
        self._models = self._models | tree.models
        for node in tree.nodes:
            self._nodes.setdefault(node.id, node)
        self._openings |= _openings(tree)
        self._verdicts += [v for v in tree.verdicts if _pair(v) not in self._compared]
        self._compared.update(map(_pair, tree.verdicts))

    def build(self) -> Tree:
        """Return the tree of all that was added."""
        first, nodes = self._first, tuple(self._nodes.values())
        grown = len(nodes) > len(first.nodes) or len(self._verdicts) > len(first.verdicts)
        if not grown and self._models == first.models:
            return first
        verdicts = forget_returns(self._verdicts) if grown else self._verdicts
        return replace_fields(first, models=self._models, nodes=nodes, verdicts=tuple(verdicts))

    def _check_makers(self, tree: Tree) -> None:
        """Make sure that a tree has the models and the user of those before it."""
        first = self._first
        for agent in self._models.keys() & tree.models.keys():
            if self._models[agent] != tree.models[agent]:
                raise ConfigError(
                    f"tree {self._id}: '{agent}' is {self._models[agent]} in one run and "
                    f"{tree.models[agent]} in another; such trees cannot be merged"
                )
        for name, same in (
            ("persona", first.persona.plays_like(tree.persona) and self._is_played_alike(tree)),
            ("mood", first.mood == tree.mood or self._is_played_by_rule()),
        ):
            if not same:
                raise ConfigError(
                    f"tree {self._id}: its {name} in one run is not that in another; such trees "
                    "cannot be merged"
                )
        if self._is_another_chat(tree):
            raise ConfigError(
                f"tree {self._id}: two chats have this id, as first chats of earlier versions do, "
                "or those with one --seed; merging them would drop preferences, so leave one out"
            )
        if first.disclosure != tree.disclosure:
            ours, theirs = (each.disclosure or "schedule" for each in (first, tree))
            raise ConfigError(
                f"tree {self._id}: user.disclosure is {ours} in one run and {theirs} in another; "
                "such trees cannot be merged"
            )

    def _check_openings(self, tree: Tree) -> None:
        """Make sure that trees whose id was given to them, as in imported data, begin alike.

        An id that follows from persona and seed stands for one user, who may open differently in
        another run; a given one, such as a number in a file, says nothing about the conversation.
        """
        first, openings = self._first, _openings(tree)
        if self._openings.keys() == openings.keys():
            return
        if self._id == Tree.id_for(first.persona, first.seed):
            return
        ours, theirs = (
            shorten(next(iter(texts.values()), ""), 40, placeholder=" ...")
            for texts in (self._openings, openings)
        )
        raise ConfigError(
            f"tree {self._id}: it begins with {ours!r} in one file and with {theirs!r} in another, "
            "so these are two conversations; give each an 'id' of its own and import them again"
        )

    def _is_another_chat(self, tree: Tree) -> bool:
        """Whether people chatted in all trees, and the last is no later or earlier state of one."""
        models = (self._models, tree.models)
        roles = [held.get(role, "") for held in models for role in ("user", "judge")]
        ours, theirs = self._nodes.keys(), tree.by_id.keys()
        return all(map(is_human, roles)) and not (ours <= theirs or theirs <= ours)

    def _is_played_by_rule(self) -> bool:
        """Whether a rule plays the user, which has no mood, whatever older trees say."""
        users = [node for node in self._nodes.values() if isinstance(node, UserNode)]
        if self._first.disclosure is None or not users:
            return False
        return all((user.played or self._first.persona).preferences for user in users)

    def _is_played_alike(self, tree: Tree) -> bool:
        """Whether the user is the same in every message that the trees share."""
        shared = ((self._nodes.get(user.id), user) for user in tree.users)
        return all(
            (mine.played or self._first.persona).plays_like(user.played or tree.persona)
            for mine, user in shared
            if isinstance(mine, UserNode)
        )


def _pair(verdict: Verdict) -> frozenset[str]:
    return frozenset((verdict.first, verdict.second))


def _openings(tree: Tree) -> dict[str, str]:
    return {node.id: node.content for node in tree.children(None)}


def replace_fields(tree: Tree, **update: Any) -> Tree:
    """Return a tree with other fields; `model_copy` would keep the index of the old nodes."""
    return Tree(**{name: getattr(tree, name) for name in Tree.model_fields} | update)
