"""Cutting and merging: whatever is done, what is left is a tree."""

import json
import random
from pathlib import Path

import pytest
from builders import PERSONAS, assistant, config, grow, user
from hypothesis import given, settings
from hypothesis import strategies as st

from aloe.config import EXPANSION_NAMES
from aloe.errors import ConfigError
from aloe.memory.merge import check_alike, merge, replace_fields
from aloe.memory.prune import prune, prune_all
from aloe.memory.returns import ReturnRule, label_returns
from aloe.memory.run_folder import RunFolder
from aloe.schema import AssistantNode, Persona, Tree, UserNode, Verdict

WIDE = grow(config(turns=3, expansion="both"))


def well_formed(tree: Tree) -> bool:
    seen: set[str] = set()
    for node in tree.nodes:
        assert node.parent is None or node.parent in seen
        assert node.id not in seen
        seen.add(node.id)
    for verdict in tree.verdicts:
        parents = {tree.by_id[each].parent for each in (verdict.first, verdict.second)}
        assert parents == {verdict.node}
    pairs = [frozenset((v.first, v.second)) for v in tree.verdicts]
    return len(pairs) == len(set(pairs))


def without(tree: Tree, cut: set[str]) -> Tree:
    """Return `tree` without the user nodes in `cut` and what is below them."""
    kept: dict[str, bool] = {}
    for node in tree.nodes:
        kept[node.id] = (node.parent is None or kept[node.parent]) and node.id not in cut
    nodes = tuple(node for node in tree.nodes if kept[node.id])
    verdicts = tuple(v for v in tree.verdicts if kept[v.first] and kept[v.second])
    fields = {name: getattr(tree, name) for name in Tree.model_fields}
    return Tree(**fields | {"nodes": nodes, "verdicts": verdicts})


@settings(max_examples=40)
@given(chance=st.randoms(use_true_random=False))
def test_parts_of_a_tree_merge_into_it(chance: random.Random) -> None:
    later = [node.id for node in WIDE.nodes if isinstance(node, UserNode) and node.parent]
    parts = [without(WIDE, set(chance.sample(later, chance.randrange(len(later))))) for _ in "abc"]
    (whole,) = merge([*parts, WIDE])
    assert well_formed(whole)
    assert {node.id: node for node in whole.nodes} == {node.id: node for node in WIDE.nodes}
    assert {v.model_dump_json() for v in whole.verdicts} == {
        v.model_dump_json() for v in WIDE.verdicts
    }
    (again,) = merge([whole, *parts])
    assert again == whole


@settings(max_examples=10)
@given(expansion=st.sampled_from(EXPANSION_NAMES), turns=st.integers(1, 4))
def test_a_pruned_tree_is_the_shorter_tree(expansion: str, turns: int) -> None:
    tree = grow(config(turns=3, expansion=expansion))
    left = prune(tree, turns=turns)
    assert left is not None
    assert well_formed(left)
    assert left == grow(config(turns=min(turns, 3), expansion=expansion))
    assert merge([left, tree]) == [tree]


def spoilt_at(turn: int) -> Tree:
    opening = user("Hello", faults=("echo",) if turn == 1 else ("over_long",))
    a, b = (assistant(name, opening, agent=name) for name in "ab")
    below = user("More", a.id, turn=2, faults=("role_confusion",) if turn == 2 else ())
    c, d = (assistant(name, below, agent=name) for name in "cd")
    verdicts = tuple(
        Verdict(node=up.id, first=x.id, second=y.id, votes=(), outcome="tie")
        for up, x, y in ((opening, a, b), (below, c, d))
    )
    return Tree(
        id=f"t{turn}", persona=PERSONAS[0], seed=0, models={}, nodes=(opening, a, b, below, c, d),
        verdicts=verdicts,
    )  # fmt: skip


def test_what_the_simulator_spoiled_is_cut_and_blemishes_stay() -> None:
    first, second, third = (spoilt_at(turn) for turn in (1, 2, 3))
    left = list(prune_all([first, second, third], turns=None, spoiled=True))
    assert [tree.id for tree in left] == ["t2", "t3"]
    assert (len(left[0].nodes), len(left[0].verdicts)) == (3, 1)
    assert left[1] == third
    assert list(prune_all([first], turns=None, spoiled=False)) == [first]


def test_a_node_that_two_trees_hold_is_the_firsts() -> None:
    tree = spoilt_at(3)
    other = tree.model_copy(
        update={"verdicts": tuple(v.model_copy(update={"outcome": "first"}) for v in tree.verdicts)}
    )
    assert merge([tree, other]) == [tree]
    assert merge([other, tree]) == [other]


def test_verdicts_that_are_added_take_labels_by_return_away() -> None:
    opening = user("Hello")
    a, b, c = (assistant(name, opening, agent=name) for name in "abc")

    def judged(*pairs: tuple[AssistantNode, AssistantNode]) -> Tree:
        verdicts = tuple(
            Verdict(node=opening.id, first=x.id, second=y.id, votes=(), outcome="first")
            for x, y in pairs
        )
        tree = Tree(
            id="t", persona=PERSONAS[0], seed=0, models={}, nodes=(opening, a, b, c),
            verdicts=verdicts,
        )  # fmt: skip
        return label_returns(tree, ReturnRule(horizon=1, z=0))

    one, two = judged((a, b)), judged((c, a), (c, b))
    assert merge([one, one]) == [one]
    assert one.verdicts[0].by_return
    (both,) = merge([one, two])
    assert [verdict.by_return for verdict in both.verdicts] == [None] * 3


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("prompts.json", r"one and .*two were made with other prompts \(judge\)"),
        (
            "models.json",
            r"one and .*two were made with other files of models or other code \(judge\)",
        ),
    ],
)
def test_folders_made_with_other_files_are_not_merged(tmp_path: Path, file: str, said: str) -> None:
    for run, held in (("one", {"judge": "a", "x": "b"}), ("two", {"judge": "c"}), ("old", {})):
        (tmp_path / run).mkdir()
        (tmp_path / run / "config.toml").touch()
        if held:
            (tmp_path / run / file).write_text(json.dumps(held))
        (tmp_path / run / "trees.jsonl").write_text(WIDE.model_dump_json() + "\n")
    one, two, old = (tmp_path / run for run in ("one", "two", "old"))
    check_alike([one, old, tmp_path / "elsewhere.jsonl", one / "trees.jsonl"])
    with pytest.raises(ConfigError, match=said):
        check_alike([one, old, two / "trees.jsonl"])


def test_confidences_of_several_passports_do_not_mix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunFolder, "calibration", lambda folder: by[folder.path.name])
    by = {"one": (1.0, 0.8), "two": (1.0, 0.8), "other": (2.0, 0.8), "none": None, "chat": None}
    for name in by:
        tree = WIDE.model_copy(update={"verdicts": ()}) if name == "chat" else WIDE
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.toml").touch()
        (tmp_path / name / "trees.jsonl").write_text(tree.model_dump_json() + "\n")
    check_alike(tmp_path / name for name in ("one", "chat", "two"))
    for name in ("other", "none"):
        with pytest.raises(ConfigError, match=rf"one and .*{name} go by other passports"):
            check_alike(tmp_path / each for each in ("one", "chat", name))


def test_other_models_do_not_mix() -> None:
    tree = spoilt_at(3)
    mine = tree.model_copy(update={"models": {"a": "x", "b": "y"}})
    theirs = tree.model_copy(update={"models": {"a": "z"}})
    with pytest.raises(ConfigError, match="'a' is x in one run and z in another"):
        merge([mine, theirs])
    (both,) = merge([mine, tree.model_copy(update={"models": {"c": "z"}})])
    assert both.models == {"a": "x", "b": "y", "c": "z"}


def test_a_simulated_user_may_open_differently_in_another_run() -> None:
    (node,) = WIDE.children(None)
    other = UserNode.of(None, f"{node.content} Please.", tree=WIDE.id, turn=1)
    (both,) = merge([WIDE, replace_fields(WIDE, nodes=(other,), verdicts=())])
    assert both.children(None) == [node, other]


def test_trees_whose_users_differ_in_what_they_tell_are_not_merged() -> None:
    reticent = WIDE.model_copy(update={"disclosure": "reticent"})
    assert merge([reticent, reticent])[0].disclosure == "reticent"
    with pytest.raises(ConfigError, match=r"user\.disclosure is schedule in one run and reticent"):
        merge([WIDE, reticent])


def test_what_nobody_plays_may_differ() -> None:
    fields = {name: getattr(WIDE, name) for name in Tree.model_fields}
    aged = WIDE.persona.model_copy(update={"axes": {"age": 30}})
    assert len(merge([WIDE, Tree(**fields | {"persona": aged})])) == 1
    wishes = WIDE.persona.model_copy(update={"preferences": {"emoji": "none"}})
    ruled = fields | {"persona": wishes, "disclosure": "answering"}
    # Earlier versions noted a mood that no rule has.
    assert len(merge([Tree(**ruled | {"mood": "typos"}), Tree(**ruled)])) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"persona": WIDE.persona.model_copy(update={"preferences": {"emoji": "none"}})},
        {"persona": PERSONAS[1].model_copy(update={"id": WIDE.persona.id})},
        {"mood": "typos"},
    ],
)
def test_trees_of_other_users_are_not_put_together(change: dict[str, object]) -> None:
    fields = {name: getattr(WIDE, name) for name in Tree.model_fields}
    with pytest.raises(ConfigError, match=f"its {next(iter(change))} in one run is not that"):
        merge([WIDE, Tree(**fields | change)])


def test_trees_whose_roles_let_others_be_played_do_not_merge() -> None:
    other = Persona.of("I am 90.", "I whisper.")
    nodes = tuple(
        node.model_copy(update={"played": other}) if isinstance(node, UserNode) else node
        for node in WIDE.nodes
    )
    played = WIDE.model_copy(update={"nodes": nodes})
    assert merge([played, played]) == [played]
    with pytest.raises(ConfigError, match="its persona in one run is not that in another"):
        merge([WIDE, played])


@settings(max_examples=30)
@given(chance=st.randoms(use_true_random=False), labelled=st.booleans())
def test_many_trees_merge_as_if_one_came_after_the_other(
    chance: random.Random, labelled: bool
) -> None:
    whole = label_returns(WIDE, ReturnRule(horizon=1, z=0)) if labelled else WIDE
    later = [node.id for node in WIDE.nodes if isinstance(node, UserNode) and node.parent]
    parts = [
        without(whole, set(chance.sample(later, chance.randrange(len(later))))) for _ in "abcd"
    ]
    parts[2] = replace_fields(parts[2], models=parts[2].models | {"c": "z"})
    others = [replace_fields(part, id="other") for part in parts[1:]]
    step_by_step = parts[0]
    for part in parts[1:]:
        (step_by_step,) = merge([step_by_step, part])
    assert merge([parts[0], *others, *parts[1:]])[0] == step_by_step


def test_a_tree_is_built_once_however_many_paths_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    opening = user("Hello")
    paths = [
        Tree(
            id="t", persona=PERSONAS[0], seed=0, models={}, verdicts=(),
            nodes=(opening, assistant(f"good {n}", opening, agent="a")),
        )
        for n in range(50)
    ]  # fmt: skip
    built = []
    monkeypatch.setattr(
        "aloe.memory.merge.replace_fields",
        lambda tree, **update: built.append(tree) or replace_fields(tree, **update),
    )
    (whole,) = merge(paths)
    assert (len(whole.nodes), len(built)) == (51, 1)
