"""Splits: nobody knows anybody on the other side, and as many as can stay where they were."""

import json
from pathlib import Path

import pytest
from branching import compared
from builders import PERSONAS, config, grow
from command import RunAloe
from hypothesis import given
from hypothesis import strategies as st

from aloe.errors import ConfigError
from aloe.schema import AssistantNode, Persona, Tree, UserNode
from aloe.training.export import Skipped
from aloe.training.sides import (
    REPEATED,
    choose_sides,
    choose_split,
    drop_repeated,
    split_rows,
)


def tree_of(profile: str, personality: str, opening: str) -> Tree:
    """Return a tree with one comparison."""
    persona = Persona.of(profile, personality)
    name = Tree.id_for(persona, 0) + opening
    said = UserNode.of(None, opening, tree=name, turn=1)
    pair = [AssistantNode.of(said.id, text, agent=text, turn=1) for text in ("Yes.", "No.")]
    return Tree(
        id=name, persona=persona, seed=0, models={}, nodes=(said, *pair),
        verdicts=(compared(pair[0], pair[1]),),
    )  # fmt: skip


WORDS = st.integers(0, 12).map(str)
TREES = st.lists(st.builds(tree_of, WORDS, WORDS, WORDS), min_size=1, max_size=12)
SHARES = st.sampled_from((0.1, 0.3, 0.5, 0.9))


def said_by(trees: list[Tree], side: str, sides: dict[str, str]) -> list[set[str]]:
    """Return the profiles, personalities and openings on one side."""
    held = [tree for tree in trees if sides[tree.persona.id] == side]
    return [
        {tree.persona.profile for tree in held},
        {tree.persona.personality for tree in held},
        {tree.nodes[0].content for tree in held},
    ]


def test_whoever_shares_nothing_keeps_its_side_and_the_share_is_met() -> None:
    sides = {str(i): choose_split(str(i), 0.3) for i in range(2000)}
    assert 0.25 < list(sides.values()).count("test") / 2000 < 0.35
    assert {choose_split(name, 0.0) for name in sides} == {"train"}
    assert {choose_split(name, 1.0) for name in sides} == {"test"}
    assert all(choose_split(name, 0.5) == "test" for name, side in sides.items() if side == "test")
    alone = [tree_of(f"I am {n}.", f"I like {n}.", f"Hello {n}") for n in range(50)]
    assert choose_sides(alone, 0.3) == {
        tree.persona.id: choose_split(tree.persona.id, 0.3) for tree in alone
    }


@given(trees=TREES, share=SHARES)
def test_nothing_that_is_said_of_or_by_a_persona_is_on_both_sides(
    trees: list[Tree], share: float
) -> None:
    sides = choose_sides(trees, share)
    pairs = zip(said_by(trees, "train", sides), said_by(trees, "test", sides), strict=True)
    assert not any(train & test for train, test in pairs)
    assert choose_sides(trees[::-1], share) == sides, "whatever the order"


@given(trees=TREES, more=TREES, share=SHARES)
def test_more_trees_move_only_whom_they_touch(
    trees: list[Tree], more: list[Tree], share: float
) -> None:
    before, after = choose_sides(trees, share), choose_sides(trees + more, share)
    touched = {word for tree in more for word in words_of(tree)}
    while True:  # whom they link to, too
        linked = {w for tree in trees if touched & words_of(tree) for w in words_of(tree)}
        if linked <= touched:
            break
        touched |= linked
    for tree in trees:
        if not touched & words_of(tree):
            assert before[tree.persona.id] == after[tree.persona.id]


def words_of(tree: Tree) -> set[tuple[str, str]]:
    persona, opening = tree.persona, tree.nodes[0].content
    return {("a", persona.profile), ("b", persona.personality), ("c", opening)}


def test_who_is_played_counts_and_what_an_import_left_empty_does_not() -> None:
    guests = [Persona.of("", ""), Persona.of("", "").model_copy(update={"id": "other"})]
    empty = [
        tree_of("x", "y", f"Hello {n}").model_copy(update={"persona": guest})
        for n, guest in enumerate(guests)
    ]
    sides = {share: choose_sides(empty, share) for share in [n / 50 for n in range(50)]}
    assert any(len(set(each.values())) == 2 for each in sides.values())
    played = [
        tree_of(f"I am {n}.", f"I like {n}.", f"Hello {n}").model_copy(
            update={"nodes": (tree_of(f"{n}", "", f"Hello {n}").nodes[0].model_copy(
                update={"played": PERSONAS[0]}),)}
        )
        for n in range(20)
    ]  # fmt: skip
    assert all(len(set(choose_sides(played, n / 20).values())) == 1 for n in range(20))


def test_a_side_to_train_on_has_to_be_left() -> None:
    trees = [tree_of(f"I am {n}.", "I like tea.", f"Hello {n}") for n in range(3)]
    rows = [{"persona": tree.persona.id} for tree in trees]
    assert len(split_rows(rows, trees, 0.0)["train"]) == 3
    with pytest.raises(ConfigError, match="leaves no row to train on: the 1 group of personas"):
        split_rows(rows, trees, 1.0)


def test_rows_that_repeat_are_dropped_and_counted_whatever_their_origin() -> None:
    rows = [
        {"prompt": [{"role": "user", "content": text}], "completion": [], "tree": str(number)}
        for number, text in enumerate(("a", "b", "a", "a", "A"))
    ]
    skipped = Skipped({REPEATED: 1})
    assert [row["tree"] for row in drop_repeated(rows, "sft", skipped)] == ["0", "1", "4"]
    assert skipped == {REPEATED: 3}


def test_the_command_says_how_large_both_sides_are_and_refuses_none_to_train_on(
    aloe: RunAloe, tmp_path: Path
) -> None:
    trees = [grow(config(turns=2), persona=persona) for persona in PERSONAS]
    file, out = tmp_path / "trees.jsonl", tmp_path / "set"
    twice = [*trees, *(tree.model_copy(update={"id": f"{tree.id}-2"}) for tree in trees)]
    file.write_text("".join(tree.model_dump_json() + "\n" for tree in twice))
    export = ["export", file, "--format", "dpo", "--out", out]
    ran = aloe(*export, "--test-share", 0.5)
    assert ran.code == 0, ran.err
    lines = {side: (out / f"{side}.jsonl").read_text().splitlines() for side in ("train", "test")}
    counts = ", ".join(f"{len(held)} {side}" for side, held in lines.items())
    assert f"{sum(map(len, lines.values()))} dpo rows ({counts}); left out: " in ran.out
    assert f"{REPEATED}: {sum(map(len, lines.values()))}" in ran.out
    prompts = {side: {json.loads(line)["prompt"][0]["content"] for line in held}
               for side, held in lines.items()}  # fmt: skip
    assert not prompts["train"] & prompts["test"]
    said = (out / "README.md").read_text()
    assert "none has the profile, the personality or the first message\nof one in the other" in said
    assert aloe(*export, "--test-share", 1).is_one_line_about("--test-share 1", "no row to train")
