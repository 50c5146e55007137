"""Nothing vanishes from an export: rows and what was left out are what there was."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from branching import compared, drawn, tree_of
from builders import assistant, user
from command import RunAloe
from hypothesis import given, settings
from hypothesis import strategies as st

from aloe.errors import InputError
from aloe.memory.returns import ReturnRule, label_returns
from aloe.schema import Node, Outcome, Tree, Verdict
from aloe.training.api import to_dataset
from aloe.training.dataset import read_training_data
from aloe.training.export import ROWS, Format
from aloe.training.labels import COMPARING, label_rows
from aloe.training.usable import NO_PLACE, NOT_BEST, NOTHING, WON_AND_LOST, Skipped

OUTCOMES: tuple[Outcome, ...] = ("first", "second", "tie", "abstain")

CHAT = {"messages": [
    {"role": role, "content": text} for role, text in (
        ("user", "Hello"), ("assistant", "Hi."), ("user", "Tea?"), ("assistant", "No."),
    )
]}  # fmt: skip


def judged(chance: random.Random) -> Tree:
    """Return a tree with one to four replies to each message, any of which may be compared."""
    nodes: list[Node] = [user("Hello")]
    verdicts: list[Verdict] = []
    for turn in (1, 2):
        for said in [node for node in nodes if node.role == "user" and node.turn == turn]:
            replies = [
                assistant(f"r{len(nodes)} {n}", said, agent=f"a{n}")
                for n in range(chance.randrange(1, 5))
            ]
            verdicts += [
                compared(one, other, chance.choice(OUTCOMES))
                for n, one in enumerate(replies)
                for other in replies[n + 1 :]
                if chance.random() < 0.7
            ]
            nodes += replies
            if turn == 1:
                nodes += [
                    user(f"m{reply.content}", reply.id, turn=2)
                    for reply in replies
                    if chance.random() < 0.6
                ]
    return tree_of(nodes, *verdicts)


def export(tree: Tree, row_format: Format) -> tuple[list[dict[str, object]], Skipped]:
    skipped = Skipped()
    return list(label_rows(row_format, ROWS[row_format], "judge")(tree, skipped)), skipped


@settings(max_examples=60)
@given(chance=st.randoms(use_true_random=False), row_format=st.sampled_from(sorted(ROWS)))
def test_rows_and_what_is_left_out_are_all_there_was(
    chance: random.Random, row_format: Format
) -> None:
    tree = judged(chance)
    rows, skipped = export(tree, row_format)
    decided = [v for v in tree.verdicts if v.preferred]
    asked = {v.node for v in tree.verdicts}
    bare = sum(bool(tree.children(u.id)) and u.id not in asked for u in tree.users)
    expected = Counter({v.outcome: 0 for v in tree.verdicts})
    expected.update(v.outcome for v in tree.verdicts if not v.preferred)
    if row_format in COMPARING:
        assert skipped.pop(NOTHING, 0) == bare
        undecided = {name: skipped.pop(name, 0) for name in ("tie", "abstain")}
        assert undecided == {name: expected[name] for name in undecided}
    own = {
        "grpo": len(tree.users),
        "dpo": len(decided),
        "rm": len(decided),
        "sft": len({v.node for v in decided}),
        "kto": len({each for v in decided for each in (v.preferred, v.rejected)}),
        "step": len({each for v in decided for each in (v.preferred, v.rejected)}),
    }
    reasons = {"sft": {NOT_BEST}, "kto": {WON_AND_LOST}, "aloe": {NO_PLACE}}
    assert skipped.keys() <= reasons.get(row_format, set())
    if row_format == "aloe":
        pairs = {json.dumps([turn["user"], turn["assistant"]])
                 for row in rows for turn in row["conversations"]}  # type: ignore[attr-defined]  # fmt: skip
        assert len(pairs) + skipped[NO_PLACE] == len(decided)
    else:
        assert len(rows) + skipped.total() == own[row_format]


@pytest.mark.parametrize("row_format", sorted(COMPARING))
def test_a_chat_without_siblings_is_refused_with_a_way_out(
    aloe: RunAloe, tmp_path: Path, row_format: Format
) -> None:
    chats, trees, out = (tmp_path / name for name in ("chats.jsonl", "trees.jsonl", "out.jsonl"))
    chats.write_text(json.dumps(CHAT) + "\n")
    assert aloe("trees", "import", chats, "--out", trees).code == 0
    ran = aloe("export", trees, "--format", row_format, "--out", out)
    assert ran.is_one_line_about("trees.jsonl gives no", f"{NOTHING}: 2", "`aloe train sft --data")
    assert not out.exists()
    assert len(read_training_data(chats, "sft").rows) == 2, "the way out is one"
    with pytest.raises(InputError, match=f"no rows to train sft on; left out: {NOTHING}: 2"):
        read_training_data(trees, "sft")


def test_labels_by_return_count_a_message_once() -> None:
    tree, levels = drawn(random.Random(3))
    labelled = label_returns(tree, ReturnRule(horizon=2), levels)
    bare = labelled.model_copy(update={"verdicts": labelled.verdicts[1:]})
    for made in ("return", "mixed"):
        skipped = Skipped()
        list(label_rows("dpo", ROWS["dpo"], made)(bare, skipped))  # type: ignore[arg-type]
        assert skipped[NOTHING] == 1


def test_a_dataset_of_nothing_says_why() -> None:
    pytest.importorskip("datasets")
    opening = user("Hello")
    tree = tree_of([opening, assistant("Hi.", opening)])
    with pytest.warns(UserWarning, match=f"{NOTHING}: 1"):
        to_dataset([tree], "sft")
