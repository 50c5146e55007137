"""Which trees a run grows: new ones, or the continuations of a finished run's."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle, islice
from pathlib import Path

from aloe.agents.mood import recorded_mood
from aloe.config import Config
from aloe.errors import ConfigError
from aloe.memory.run_folder import RunFolder, read_trees
from aloe.memory.run_inputs import holds_benchmark
from aloe.models.model_string import ModelString
from aloe.models.open import Model
from aloe.players import is_of_experiment
from aloe.schema import Persona, Tree, derive_seed


@dataclass(frozen=True, kw_only=True)
class PlannedTree:
    """A tree that is wanted."""

    persona: Persona
    seed: int
    start: Tree | None = None
    """The tree as far as it is there; None for one that is new."""

    @cached_property
    def tree(self) -> str:
        """Id of the tree."""
        return Tree.id_for(self.persona, self.seed)

    def begin(self, config: Config, models: dict[str, str]) -> Tree:
        """Return the tree as it is before it grows.

        Args:
            config: settings of the run.
            models: model string of each agent.
        """
        if self.start:
            return self.start
        disclosure = config.user.disclosure
        return Tree(
            id=self.tree,
            persona=self.persona,
            seed=self.seed,
            models=models,
            nodes=(),
            verdicts=(),
            mood=recorded_mood(self.persona, disclosure, config.simulation.moods, self.tree),
            disclosure=None if disclosure == "schedule" else disclosure,
        )


def plan_trees(personas: Sequence[Persona], count: int, seed: int) -> Iterator[PlannedTree]:
    """Yield `count` trees, going round the personas; a persona's returns have other seeds."""
    returns: Counter[str] = Counter()
    for persona in islice(cycle(personas), count):
        tree_seed = derive_seed(seed, persona.id, returns[persona.id])
        returns[persona.id] += 1
        yield PlannedTree(persona=persona, seed=tree_seed)


def names_of(model: Model) -> set[str]:
    """Return what records call a model: earlier ones name only the class of a chat class's."""
    return {model.name, str(ModelString.parse(model.config.model))}


def read_extended(extended: Path) -> list[Tree]:
    """Return the trees of a finished run, all of them as `aloe simulate` grows them.

    Raises:
        ConfigError: another command made them.
        InputError: there are none, or a line is broken (with its number).
    """
    if holds_benchmark(extended):
        raise ConfigError(
            f"--extend: {extended} holds a benchmark, whose dialogues are whole; for trees that "
            "branch, name a run of `aloe simulate`"
        )
    trees = list(read_trees(extended))
    for tree in trees:
        if "user" not in tree.models:
            raise ConfigError(f"--extend: {_explain_origin(extended, tree)}")
    return trees


def _explain_origin(extended: Path, tree: Tree) -> str:
    """Say who made a tree that `aloe simulate` did not grow, and what can be done with it."""
    if not is_of_experiment(tree):
        return f"{extended} holds tree {tree.id}, which `aloe simulate` did not grow"
    rules = ["user", *sorted({reply.agent for reply in tree.replies} - tree.models.keys())]
    return (
        f"{extended} was grown by `aloe experiment`, whose rules ({', '.join(rules)}) cannot be "
        "continued here; label it as it is (`aloe relabel`), or change simulation.turns or "
        "simulation.expansion in the settings of the experiment and run that again"
    )


def plan_extension(trees: Iterable[Tree], models: Mapping[str, Model]) -> list[PlannedTree]:
    """Return a plan that grows finished trees further.

    Raises:
        ConfigError: they were grown with other models.
    """
    names = {name: names_of(model) for name, model in models.items()}
    found = []
    for tree in trees:
        same = names.keys() == tree.models.keys()
        if not same or any(tree.models[name] not in known for name, known in names.items()):
            raise ConfigError(f"tree {tree.id} was grown with other models; use the same ones")
        found.append(PlannedTree(persona=tree.persona, seed=tree.seed, start=tree))
    return found


def check_starts(planned: Iterable[PlannedTree], folder: RunFolder) -> None:
    """Make sure that the trees in a folder were grown from those that are to be grown further.

    Ids say nothing about that: they follow from persona and seed.

    Raises:
        ConfigError: one was grown from a tree with other messages.
        InputError: a line of the folder is broken (with its number).
    """
    starts = {each.tree: each.start.nodes for each in planned if each.start}
    for held in read_trees(folder.path) if starts and folder.trees.exists() else ():
        start = starts.get(held.id, ())
        if held.nodes[: len(start)] != start:
            raise ConfigError(
                f"{folder.path} holds tree {held.id}, grown from another one than that of this id "
                "in the run to extend; name another folder"
            )


def last_turn(tree: Tree) -> int:
    """Return the number of turns on the longest path of `tree`."""
    return max(node.turn for node in tree.nodes)
