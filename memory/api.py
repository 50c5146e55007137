"""Personas and trees in Python: drawn, read from a run folder, as a table of their messages."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aloe.errors import ConfigError
from aloe.memory import run_folder
from aloe.memory.relabelling import relabel_trees
from aloe.memory.returns import ReturnRule
from aloe.memory.verifiable.generation import generate_all
from aloe.schema import Node, Persona, Tree

if TYPE_CHECKING:
    import pandas


def draw_personas(
    count: int, *, wishes: int = 4, about: Iterable[str] | None = None, seed: int = 0
) -> list[Persona]:
    """Return personas whose wishes a program can check, as `aloe personas verifiable` writes them.

    Rules judge the replies that they get unless settings name a judge. With
    `disclosure="answering"` or `"reticent"`, rules play them as well.

    Args:
        count: how many, at least 1.
        wishes: wishes of each, at least 1.
        about: dimensions to draw from, such as `["emoji", "length"]`; None for all.
        seed: the same seed gives the same personas.

    Raises:
        ConfigError: a number is too small, a dimension is unknown, or there are fewer than wishes.
    """
    return generate_all(count, wishes=wishes, about=about, seed=seed)


def read_trees(path: str | Path) -> list[Tree]:
    """Return the trees of a run folder, or of a trees.jsonl.

    Raises:
        InputError: there are none, or a line is not a tree (with its number).
    """
    return list(run_folder.read_trees(Path(path)))


def relabel(
    trees: Iterable[Tree],
    *,
    horizon: int = 3,
    discount: float = 0.9,
    z: float = 1.0,
    question_cost: float = 0.0,
    levels: Mapping[str, float] | None = None,
) -> list[Tree]:
    """Return `trees` with a label by return on each comparison, as `aloe relabel` does.

    Args:
        trees: finished trees; they stay as they are.
        horizon: turns that are looked at, the reply's own included; at least 1.
        discount: weight in [0, 1] of each further turn.
        z: standard errors that a difference has to exceed to be a label; at least 0.
        question_cost: what each question that brought nothing takes off a reply's level; at least
            0. Only for users who answer questions.
        levels: how good each reply was, by node id, for personas without checkable wishes.

    Raises:
        ConfigError: a number is out of range, the horizon is longer than the trees, no two replies
            to one message were both continued, none of the `levels` belongs to a reply, or
            questions are to cost something though no user answers them.
    """
    rule = ReturnRule.checked(horizon, discount, z, question_cost)
    return list(relabel_trees(trees, rule, levels))


def to_frame(trees: Iterable[Tree]) -> "pandas.DataFrame":
    """Return a pandas.DataFrame with one row for each message of `trees`.

    Columns: `tree`, `persona`, `node`, `parent` (None opens a tree), `turn` (from 1), `role`,
    `agent`, `content`, `revealed` (what a user message reveals, in its own words), `won` and `lost`
    (comparisons of a reply with a sibling; ties and abstentions count for neither) and `faults`.

    Raises:
        ConfigError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise ConfigError("to_frame needs pandas: pip install pandas") from None
    rows = [_row(tree, node) for tree in trees for node in tree.nodes]
    return pandas.DataFrame(rows, columns=list(COLUMNS))


COLUMNS = ("tree", "persona", "node", "parent", "turn", "role", "agent", "content", "revealed",
           "won", "lost", "faults")  # fmt: skip
"""Of `to_frame`."""


def _row(tree: Tree, node: Node) -> dict[str, Any]:
    verdicts = list(tree.verdicts_on(node.parent)) if node.parent else []
    return {
        "tree": tree.id,
        "persona": tree.persona.id,
        "node": node.id,
        **{name: getattr(node, name) for name in ("parent", "turn", "role", "agent", "content")},
        "revealed": [each.quote for each in getattr(node, "revealed", ())],
        "won": sum(verdict.preferred == node.id for verdict in verdicts),
        "lost": sum(verdict.rejected == node.id for verdict in verdicts),
        "faults": list(node.faults),
    }
