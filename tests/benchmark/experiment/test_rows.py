"""Rows and verdicts changed on purpose."""

from typing import Any, get_args

import pytest

from aloe.benchmark.experiment.rows import (
    first_message_everywhere,
    fixed_order,
    identify_pair,
    keep_unbeaten,
    of_first_trees,
    one_character_rejected,
    prefer_anew,
    shuffle_wishes,
    unparsed_is_second,
    up_to_turn,
)
from aloe.config import Phrases
from aloe.memory.verifiable.catalogue import find_wish
from aloe.memory.verifiable.generation import generate
from aloe.memory.verifiable.phrases import find_remarks, find_stated, find_traits
from aloe.schema import Verdict, Vote


def row(persona: Any, *said: str, **given: Any) -> dict[str, Any]:
    prompt: list[dict[str, str]] = []
    for text in said:
        prompt += [{"role": "user", "content": text}, {"role": "assistant", "content": "Hm."}]
    answer = [{"role": "assistant", "content": "Fine then."}]
    return {"persona": persona.id, "prompt": prompt[:-1], "rejected": answer, **given}


PERSONAS = [generate(seed) for seed in range(6)]


def test_shuffled_users_voice_the_wishes_of_somebody_else() -> None:
    rows = []
    for persona in PERSONAS:
        wishes = [find_wish(*each) for each in persona.preferences.items()]
        rows.append(row(persona, f"I sing. {wishes[0].trait} Why?", f"{wishes[1].remark} How?"))
    found = shuffle_wishes(rows, PERSONAS, 1)
    assert found == shuffle_wishes(rows, PERSONAS, 1)
    assert found != shuffle_wishes(rows, PERSONAS, 2)
    voiced = []
    for before, after in zip(rows, found, strict=True):
        texts = [message["content"] for message in after["prompt"][::2]]
        (one,), (two,) = (find_stated(text).items() for text in texts)
        voiced.append({one, two})
        assert texts[0].startswith("I sing. ")
        assert texts[0].endswith(" Why?")
        assert {**after, "prompt": None} == {**before, "prompt": None}
        assert after["prompt"][1] == before["prompt"][1]
    firsts = [set([*p.preferences.items()][:2]) for p in PERSONAS]
    donors = [firsts.index(each) for each in voiced]
    assert sorted(donors) == [*range(len(PERSONAS))]  # everybody's once, and nobody's own
    assert all(donor != own for own, donor in enumerate(donors))


def test_shuffled_wishes_are_the_opposite_no_more_often_than_the_same() -> None:
    """Else the control learns to do what users do not want, and is no control."""
    named = ("apology", "closing", "emoji", "emphasis", "example", "greeting", "lists", "thanks")
    people = [generate(seed, about=named) for seed in range(300)]
    rows = [row(p, " ".join(find_wish(*w).trait for w in p.preferences.items())) for p in people]
    same = opposite = 0
    for persona, after in zip(people, shuffle_wishes(rows, people, 0), strict=True):
        for name, value in find_stated(after["prompt"][0]["content"]).items():
            same += persona.preferences.get(name) == value
            opposite += name in persona.preferences and persona.preferences[name] != value
    assert 0.8 < same / opposite < 1.25


@pytest.mark.parametrize("half", get_args(Phrases))
def test_every_way_to_voice_a_wish_is_shuffled(half: Phrases) -> None:
    persona, other = PERSONAS[0], PERSONAS[1]
    wishes = {*persona.preferences.items()} - {*other.preferences.items()}
    said = [
        phrase
        for wish in sorted(wishes)
        for find in (find_traits, find_remarks)
        for phrase in find(*wish, half)
    ]
    rows = [row(persona, f"I sing. As I said: {phrase} Why?") for phrase in said]
    for after in shuffle_wishes(rows, [persona, other], 1):
        ((name, value),) = find_stated(after["prompt"][0]["content"]).items()
        assert other.preferences[name] == value


def test_another_label_prefers_among_the_same_pairs() -> None:
    pairs = [pair("A", "B", "Hi"), pair("C", "A", "Hi"), pair("D", "E", "Hi", "So?")]
    labelled = [pair("B", "A", "Hi"), pair("X", "Y", "Hi"), pair("D", "E", "Hi", tree="other")]
    found = [
        [each["chosen"][0]["content"] for each in prefer_anew(pairs, labelled, seed)]
        for seed in range(40)
    ]
    assert {first for first, *_ in found} == {"B"}
    assert {second for _, second, _ in found} == {"A", "C"}
    assert {third for *_, third in found} == {"D", "E"}
    for before, after in zip(pairs, prefer_anew(pairs, labelled, 1), strict=True):
        replies = [sorted(str(each[part]) for part in ("chosen", "rejected"))
                   for each in (before, after)]  # fmt: skip
        assert replies[0] == replies[1]
        assert {**after, "chosen": 0, "rejected": 0} == {**before, "chosen": 0, "rejected": 0}


def test_a_pair_is_the_same_whichever_reply_is_preferred() -> None:
    pair = {"tree": "t", "prompt": [], "turn": 1, "chosen": ["A"], "rejected": ["B"]}
    turned = {**pair, "chosen": ["B"], "rejected": ["A"]}
    assert identify_pair(pair) == identify_pair(turned)
    assert identify_pair(pair) != identify_pair({**pair, "rejected": ["C"]})
    assert identify_pair(pair) != identify_pair({**pair, "tree": "u"})


def test_smaller_amounts_are_the_first_trees_and_turns() -> None:
    rows = [{"tree": tree, "turn": turn} for tree in "abc" for turn in (1, 2)]
    assert {each["tree"] for each in of_first_trees(rows, 2)} == {"a", "b"}
    assert [each["turn"] for each in up_to_turn(rows, 1)] == [1, 1, 1]


def test_defects_spoil_what_they_are_said_to_spoil() -> None:
    sound = row(PERSONAS[0], "One?", "Two?")
    (first,) = first_message_everywhere([sound])
    assert [m["content"] for m in first["prompt"]] == ["One?", "Hm.", "One?"]
    (short,) = one_character_rejected([sound], 0)
    assert len(short["rejected"][0]["content"]) == 1
    assert sound["rejected"][0]["content"] == "Fine then."


def verdict(*choices: Any) -> Verdict:
    orders: Any = ("first-second", "second-first")
    votes = [
        Vote(judge="j", order=order, raw="?", choice=choice)
        for order, choice in zip(orders, choices, strict=True)
    ]
    return Verdict(node="u", first="a", second="b", votes=tuple(votes), outcome="abstain")


def test_defects_of_the_judge() -> None:
    assert fixed_order(verdict("first", "second")) == "first"
    assert fixed_order(verdict(None, "second")) == "abstain"
    assert unparsed_is_second(verdict("first", "second")) == "abstain"
    assert unparsed_is_second(verdict(None, "second")) == "second"
    assert unparsed_is_second(verdict("first", None)) == "first"
    assert unparsed_is_second(verdict(None, None)) == "abstain"


def pair(chosen: str, rejected: str, *said: str, tree: str = "t") -> dict[str, Any]:
    answers = {
        name: [{"role": "assistant", "content": text}]
        for name, text in (("chosen", chosen), ("rejected", rejected))
    }
    return {**row(PERSONAS[0], *said, tree=tree, turn=len(said)), **answers}


def best(pairs: list[dict[str, Any]], seed: int = 0, **given: Any) -> list[str]:
    labelled = given.get("labelled", pairs)
    found = keep_unbeaten(pairs, labelled, seed)
    return [each["completion"][0]["content"] for each in found]


def test_the_best_reply_is_below_no_other() -> None:
    pairs = [pair("A", "B", "Hi"), pair("C", "A", "Hi"), pair("D", "E", "Hi", "So?")]
    assert best(pairs) == ["C", "D"]
    found = keep_unbeaten(pairs, pairs, 0)[0]
    assert found["prompt"] == pairs[0]["prompt"]
    assert {"tree", "persona", "turn"} <= found.keys()
    assert best([pair("A", "B", "Hi"), pair("B", "A", "Hi")]) == []


def test_of_replies_that_a_label_does_not_tell_apart_one_is_drawn() -> None:
    pairs = [pair("A", "C", "Hi"), pair("B", "C", "Hi")]
    drawn = [best(pairs, seed)[0] for seed in range(40)]
    assert set(drawn) == {"A", "B"}
    assert best(pairs, 3) == best(pairs[::-1], 3)
    with_other_trees = best([*pairs, *(pair("A", "C", "Hi", tree=str(n)) for n in range(5))], 3)
    assert with_other_trees[0] == best(pairs, 3)[0]


def test_two_labels_choose_among_the_same_replies_to_the_same_messages() -> None:
    by_return = [pair("asks", "plain", "Hi"), pair("asks", "plain", "Hi", "So?")]
    by_judge = [pair("plain", "asks", "Hi"), pair("plain", "bad", "Hi", "More?")]
    assert best(by_return) == ["asks", "asks"]
    drawn = [best(by_return, seed, labelled=by_judge) for seed in range(30)]
    assert {first for first, _ in drawn} == {"plain"}  # the judge decides it
    assert {second for _, second in drawn} == {"asks", "plain"}  # the judge says nothing of it
