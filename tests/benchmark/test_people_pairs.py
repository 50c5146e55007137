"""A judge held against people's choices, from imported scores and from labels."""

from pathlib import Path

import pytest
from command import RunAloe

from aloe.benchmark.agreement import clustered_share, wilson
from aloe.benchmark.passport import JudgedPair, issue
from aloe.benchmark.people_pairs import count_agreement, holds_choices, pick_people, read_people
from aloe.errors import InputError
from aloe.labels import SEEN, Answer, Label, append_labels, pair_id
from aloe.memory.formats.conversation import Conversation, ConversationTurn, ScoredReply, unknown
from aloe.memory.formats.known import import_trees
from aloe.passport import JudgeIdentity, Passport, read_passport
from aloe.schema import AssistantNode, Persona, Tree, UserNode, Verdict

GOLDEN = Path(__file__).parents[1] / "golden" / "formats"
JUDGE = JudgeIdentity(models=("m",), prompts={}, criteria={}, min_margin=0.0)
LONGER = '''
import re

def reply(messages, arguments):
    """Prefer the longer reply; answer a user in a few words."""
    found = re.search(r"\\[A\\] (.*?)\\n\\n\\[B\\] (.*?)(\\n\\n|$)", messages[-1].text, re.S)
    return "Well." if not found else "A" if len(found[1]) > len(found[2]) else "B"
'''


def write(folder: Path, *names: str) -> list[Tree]:
    trees = import_trees([GOLDEN / name for name in names]).trees
    (folder / "trees.jsonl").write_text("".join(each.model_dump_json() + "\n" for each in trees))
    return trees


def label(folder: Path, tree: Tree, verdict: Verdict, **said: Answer) -> None:
    for rater, answer in said.items():
        append_labels(
            folder / "labels.jsonl",
            [
                Label(
                    pair=pair_id(tree.id, verdict),
                    tree=tree.id,
                    node=verdict.node,
                    first=verdict.first,
                    second=verdict.second,
                    rater=rater,
                    answer=answer,
                    shown="first-second",
                    seconds=1,
                )
            ],
        )


def test_scores_of_people_are_what_a_judge_is_held_against(
    aloe: RunAloe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "prism_conversations.jsonl", "prism_survey.jsonl")
    (tmp_path / "longer_judge.py").write_text(LONGER)
    monkeypatch.syspath_prepend(tmp_path)
    out = tmp_path / "passport.json"
    given = ("judge", "audit", "--model", "scripted:longer_judge:reply", "--pairs")
    ran = aloe(*given, tmp_path / "trees.jsonl", "--own", 1, "--out", out, "--json")
    assert ran.code == 0, ran.err
    found = read_passport(out)
    # four pairs, and one tie that is left out
    assert (found.pairs, found.outcomes) == (4, {"right": 4})
    assert {kind: share.count for kind, share in found.by_kind.items()} == {
        "turn 1": 3,
        "turn 2": 1,
    }
    assert found.against == "against 2 people's choices"
    assert found.choices
    assert (found.choices.people, found.choices.choices, found.choices.left_out) == (2, 4, 1)
    assert found.choices.agreement
    assert (found.choices.agreement.value, found.choices.ceiling.value) == (1, None)
    assert found.summary()["gold pairs"] == "4, against 2 people's choices"
    assert found.summary()["two people agree"] == "no cases"
    assert found.length_effect.count == 4
    shown = aloe(*given, tmp_path, "--limit", 2, "--own", 0, "--out", out)
    assert "against" in shown.out
    assert read_passport(out).pairs == 2


def test_several_people_label_the_same_pairs(tmp_path: Path) -> None:
    trees = write(tmp_path, "ultrafeedback.jsonl")
    one, two, three = ((tree, tree.verdicts[0]) for tree in trees)
    label(tmp_path, *one, ann="first", ben="first", cy="second")
    label(tmp_path, *two, ann="first", ben="second")
    turned = three[1].model_copy(update={"first": three[1].second, "second": three[1].first})
    label(tmp_path, *three, ann="second")
    label(tmp_path, three[0], turned, ben="first", cy="tie")
    label(tmp_path, *one, **{SEEN: "second"})  # given beside the judge's marks: not asked
    gold = read_people(tmp_path)
    assert [pair.answers for pair in gold.pairs] == [
        {"ann": "first", "ben": "first", "cy": "second"},
        {"ann": "second", "ben": "second", "cy": "tie"},
    ]
    assert [pair.better_is_first for pair in gold.pairs] == [True, False]
    assert gold.pairs[0].better == trees[0].by_id[one[1].first].content
    assert (gold.choices.people, gold.choices.choices, gold.choices.left_out) == (3, 6, 1)
    # ann and ben agree twice, and once not, on the pair that is left out for it; cy agrees with
    # neither once, and a tie does not count
    assert (gold.choices.ceiling.value, gold.choices.ceiling.count) == (0.4, 5)
    assert gold.choices.alpha is not None
    verdicts = [pair.verdict.model_copy(update={"outcome": "first"}) for pair in gold.pairs]
    assert count_agreement(gold.pairs, verdicts).value == pytest.approx(2 / 5)
    assert read_people(tmp_path / "labels.jsonl").choices == gold.choices
    fewer = pick_people(gold, 1)
    assert (len(fewer.pairs), fewer.choices.left_out) == (1, 1)
    assert fewer.choices.ceiling == gold.choices.ceiling
    judged = [JudgedPair(pair=p, verdict=v) for p, v in zip(gold.pairs, verdicts, strict=True)]
    assert issue(JUDGE, judged, gold.choices).accuracy.value == 0.5


def test_what_holds_no_choices(tmp_path: Path) -> None:
    write(tmp_path, "ultrafeedback.jsonl")
    file = tmp_path / "trees.jsonl"
    with pytest.raises(InputError, match=r"no choice of a person \(its judges are imported\)"):
        read_people(file)
    (tree, *_) = write(tmp_path, "ultrafeedback.jsonl")
    label(tmp_path, tree, tree.verdicts[0], ann="first", ben="second")
    with pytest.raises(InputError, match="no pair in which most people prefer the same reply"):
        read_people(tmp_path)
    file.write_text(file.read_text().replace('"judge":"imported"', '"judge":"human"'))  # a chat's
    chat = read_people(file).choices
    assert (chat.people, chat.choices, chat.left_out) == (1, 2, 1)
    assert holds_choices(file)
    assert holds_choices(tmp_path / "labels.jsonl")
    assert not holds_choices(GOLDEN / "messages.jsonl")


def test_a_passport_of_constructed_pairs_says_so() -> None:
    found = issue(JUDGE, [])
    assert found.against == "against constructed pairs"
    assert "choices" not in found.model_dump()
    assert Passport.model_validate_json(found.model_dump_json()) == found


def of_one_message(number: int) -> Tree:
    """Return a tree in which somebody scored four replies to one message: six pairs."""
    replies = tuple(
        ScoredReply(text=f"Answer {number} {'very ' * k}long.", agent=f"m{k}", score=k)
        for k in range(4)
    )
    turn = ConversationTurn(message=f"Question {number}?", replies=replies)
    return Conversation(
        id=f"c{number}",
        exchanges=(turn,),
        persona=unknown(f"p{number}"),
        user="human",
        rater=f"human:u{number}",
    ).tree()


def test_pairs_on_one_message_make_intervals_no_narrower_than_one_of_them(tmp_path: Path) -> None:
    file = tmp_path / "trees.jsonl"
    file.write_text("".join(of_one_message(n).model_dump_json() + "\n" for n in range(20)))
    gold = read_people(file)
    known = {message for pair in gold.pairs if int((message := pair.group), 16) % 2}
    judged = []
    for pair in gold.pairs:  # all pairs on a message are judged alike
        right = pair.better_is_first == (pair.group in known)
        verdict = pair.comparison.verdict("first" if right else "second")
        judged.append(JudgedPair(pair=pair, verdict=verdict))
    assert (len(gold.pairs), len({pair.group for pair in gold.pairs})) == (120, 20)
    found = issue(JUDGE, judged, gold.choices)
    apart = wilson(6 * len(known), 120)
    for share in (
        found.accuracy,
        found.by_kind["turn 1"],
        count_agreement(gold.pairs, [each.verdict for each in judged]),
    ):
        assert (share.value, share.count) == (apart.value, 120)
        assert share.high - share.low > 2 * (apart.high - apart.low)
    assert found.coverage == clustered_share((n // 6, True) for n in range(120))


def with_emoji(number: int) -> Tree:
    """Return a tree whose persona wants no emoji and whose longer reply has one."""
    persona = Persona.of(f"I live at {number}.", "I want no emoji.", preferences={"emoji": "none"})
    tree = Tree.id_for(persona, 0)
    user = UserNode.of(None, "How do I knit?", tree=tree, turn=1)
    texts = {"a": "Cast on, and knit row by row. \U0001f642", "b": "No idea."}
    first, second = (
        AssistantNode.of(user.id, text, agent=name, turn=1) for name, text in texts.items()
    )
    verdict = Verdict(node=user.id, first=first.id, second=second.id, votes=(), outcome="abstain")
    nodes = (user, first, second)
    return Tree(id=tree, persona=persona, seed=0, models={}, nodes=nodes, verdicts=(verdict,))


def test_rules_do_not_judge_in_place_of_the_judge_that_is_audited(
    aloe: RunAloe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trees = [with_emoji(number) for number in range(4)]
    (tmp_path / "trees.jsonl").write_text("".join(t.model_dump_json() + "\n" for t in trees))
    for tree in trees:
        label(tmp_path, tree, tree.verdicts[0], ann="first")
    (tmp_path / "longer_judge.py").write_text(LONGER)
    monkeypatch.syspath_prepend(tmp_path)
    settings, out = tmp_path / "my.toml", tmp_path / "passport.json"
    settings.write_text('[models]\njudge = "scripted:longer_judge:reply"\n')
    ran = aloe("judge", "audit", "--config", settings, "--pairs", tmp_path, "--out", out)
    assert ran.code == 0, ran.err
    found = read_passport(out)
    assert found.outcomes == {"right": 4}
    assert found.flips.count == 4
