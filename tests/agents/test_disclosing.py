"""What users put on the table: properties over many personas, and each rule by itself."""

import random
from collections.abc import Callable, Sequence
from statistics import mean
from typing import Any

import pytest
from builders import PERSONAS, assistant, user
from demonstration import demonstrate

from aloe.agents.disclosing import (
    Act,
    CheckableWishes,
    Matter,
    Statements,
    check_users,
    choose_act,
    find_known,
    note_told,
    open_matcher,
    schedule_fact,
)
from aloe.config import UserConfig
from aloe.errors import ConfigError
from aloe.memory.disclosures import default_checker, order_facts
from aloe.memory.verifiable.catalogue import DIMENSIONS
from aloe.memory.verifiable.generation import generate
from aloe.memory.verifiable.phrases import find_questions, find_traits
from aloe.memory.verifiable.scoring import check_wishes
from aloe.schema import Node, Persona, Telling, UserNode

LIFE = PERSONAS[0]
HELP = "Oil the chain first. Then check the brakes, both tyres and the lights before you set off."
DISCLOSURES = ("answering", "reticent")


def wishes(**values: str) -> CheckableWishes:
    return CheckableWishes(persona=LIFE.model_copy(update={"preferences": values}))


def statements(persona: Persona = LIFE, tree: str = "t") -> Statements:
    return Statements(
        persona=persona, tree=tree, matcher=open_matcher("minilm"), checker=default_checker()
    )


def after(*replies: str, told: Sequence[str] = ()) -> list[Node]:
    """Return a path that ends with these replies to somebody who told something at first."""
    path: list[Node] = []
    for turn, reply in enumerate(replies, 1):
        tellings = tuple(Telling(about=each, why="volunteered") for each in told if turn == 1)
        parent = path[-1].id if path else None
        path.append(user(f"Message {turn}.", parent, turn=turn, told=tellings))
        path.append(assistant(reply, path[-1]))
    return path


def act(matter: Matter, path: Sequence[Node] = (), tree: str = "t", **given: Any) -> Act:
    return choose_act(matter, tree, path, UserConfig(**given))


def play(
    matter: Matter, reply: Callable[[int], str], turns: int, tree: str, **given: Any
) -> list[Act]:
    """Return what a user does who is answered so, each message carrying what it was to tell."""
    path: list[Node] = []
    found = []
    for turn in range(1, turns + 1):
        found.append(act(matter, path, tree, **given))
        parent = path[-1].id if path else None
        message = user(f"Message {turn}.", parent, turn=turn, told=found[-1].told)
        path += [message, assistant(reply(turn), message)]
    return found


def old_reaction(persona: Persona, known: set[str], reply: str | None) -> tuple[str, str] | None:
    """Return what users did before they could answer: the wish and how it was put."""
    unsaid = [name for name in persona.preferences if name not in known]
    kept = check_wishes(persona.preferences, reply) if reply is not None else {}
    if broken := [name for name, fine in kept.items() if not fine]:
        return next((each for each in broken if each in unsaid), broken[0]), "remark"
    return (unsaid[0], "trait") if unsaid else None


def some_reply(persona: Persona, rng: random.Random) -> str:
    asked = rng.choice(list(DIMENSIONS))
    kept = {name: value for name, value in persona.preferences.items() if rng.random() < 0.7}
    question = rng.choice([*find_questions(asked, "train"), "Does that help?", ""])
    return f"{demonstrate(kept)} {question}"


def test_an_empty_reply_goes_against_the_wishes_that_miss_something_in_it() -> None:
    persona = generate(0).model_copy(update={"preferences": {"emoji": "none", "question": "asked"}})
    assert CheckableWishes(persona=persona).find_opposed("") == ["question"]


def test_the_schedule_is_what_it_was_whatever_is_asked() -> None:
    for seed in range(40):
        persona = generate(seed, wishes=5)
        matter, rng, path, known = CheckableWishes(persona=persona), random.Random(seed), [], set()
        for turn in range(1, 9):
            reply = path[-1].content if path else None
            expected = old_reaction(persona, known, reply)
            found = act(matter, path, "t")
            name = found.repeats or (found.told[0].about if found.told else None)
            remarked = found.repeats or (found.told and found.told[0].why == "contradicted")
            assert (name and (name, "remark" if remarked else "trait")) == expected
            assert found.asked is None
            known |= {each.about for each in found.told}
            parent = path[-1].id if path else None
            path.append(user(f"Message {turn}.", parent, turn=turn, told=found.told))
            path.append(assistant(some_reply(persona, rng), path[-1]))
    facts = [schedule_fact(LIFE, "t", turn) for turn in range(1, 7)]
    expected_ids = [fact.id for fact in order_facts(LIFE, "t")]
    assert [each.about for one in facts for each in one] == expected_ids


@pytest.mark.parametrize("disclosure", DISCLOSURES)
def test_nothing_is_told_twice_and_every_telling_has_its_reason(disclosure: str) -> None:
    for seed in range(40):
        persona = generate(seed, wishes=4)
        rng = random.Random(seed)
        replies = [some_reply(persona, rng) for _ in range(8)]
        matter = CheckableWishes(persona=persona)
        found = play(matter, lambda k, said=replies: said[k - 1], 8, str(seed),
                     disclosure=disclosure)  # fmt: skip
        told = [each for one in found for each in one.told]
        assert len({each.about for each in told}) == len(told)
        assert {each.about for each in told} <= persona.preferences.keys()
        for one in found:
            assert len(one.told) <= 1
            assert (one.asked == "told") == any(each.why == "asked" for each in one.told)
            because = [each.reply is not None for each in one.told]
            assert because == [each.why in ("asked", "contradicted") for each in one.told]
        own = "volunteered" if disclosure == "reticent" else "scheduled"
        assert {each.why for each in told} <= {"asked", "contradicted", own}


def measure_known(users: int, *, asks: bool) -> float:
    """Return the share of their wishes that reticent users have told by turn six, at the defaults.

    Replies show nothing special, which keeps half of the wishes, and ask for a wish a turn or not.
    """
    shares = []
    for seed in range(users):
        persona = generate(seed)
        wanted = [*persona.preferences] * 2
        questions = [f" {find_questions(name, 'train')[0]}" if asks else "" for name in wanted]
        found = play(
            CheckableWishes(persona=persona),
            lambda turn, ask=questions: demonstrate({}) + ask[turn - 1],
            6,
            str(seed),
            disclosure="reticent",
        )
        shares.append(len({each.about for one in found for each in one.told}) / len(wanted) * 2)
    return mean(shares)


def test_who_never_asks_learns_about_a_quarter_of_a_reticent_user_by_turn_six() -> None:
    assert measure_known(120, asks=False) == pytest.approx(0.22, abs=0.06)
    assert measure_known(20, asks=True) == 1.0


def test_chance_follows_from_tree_turn_and_reply_alone() -> None:
    matter = wishes(emoji="some", lists="list")
    one, other = after("Fine."), after("Fine.", told=())
    other[-1] = assistant("Fine.", other[0], agent="another")
    same = [act(matter, path, str(n), disclosure="reticent") for path in (one, other)
            for n in range(200)]  # fmt: skip
    assert [a.told and a.told[0].about for a in same[:200]] == [
        a.told and a.told[0].about for a in same[200:]
    ]
    assert 0 < sum(bool(a.told) for a in same[:200]) < 100


@pytest.mark.parametrize("disclosure", DISCLOSURES)
def test_a_question_gets_what_it_asks_for(disclosure: str) -> None:
    matter = wishes(emoji="some", lists="list", thanks="none")
    asked = f"{HELP} {find_questions('thanks', 'train')[0]}"
    path = after(asked)
    found = act(matter, path, disclosure=disclosure)
    assert found.told == (Telling(about="thanks", why="asked", reply=path[-1].id),)
    assert found.asked == "told"
    again = act(matter, after(asked, told=["thanks"]), disclosure=disclosure)
    assert (again.told, again.asked, again.repeats) == ((), "again", "thanks")
    other = f"{HELP} {find_questions('spelling', 'train')[0]}"
    assert act(matter, after(other), disclosure=disclosure) == Act(asked="indifferent")


@pytest.mark.parametrize("disclosure", DISCLOSURES)
def test_an_open_question_gets_the_first_thing_not_yet_said(disclosure: str) -> None:
    matter = wishes(emoji="some", lists="list")
    asked = f"{HELP} How would you like me to answer you?"
    told = [act(matter, after(asked, told=known), disclosure=disclosure)
            for known in ([], ["emoji"], ["emoji", "lists"])]  # fmt: skip
    assert [each.told[0].about for each in told[:2]] == ["emoji", "lists"]
    assert (told[2].told, told[2].asked) == ((), "again")


@pytest.mark.parametrize(
    "closing",
    [
        "Is there anything else I can help you with?",
        "How else may I assist you today?",
        "Shall I explain further?",
        "What would you like to know more about?",
        "What can I help you with?",
        "Does that help?",
    ],
)
def test_an_offer_of_help_asks_nothing(closing: str) -> None:
    sleepless = Persona.of(
        "I live in Leeds. I am trying to sleep eight hours again.",
        "I want plain answers. I ask for help only when it is nearly too late.",
    )
    for matter in (statements(sleepless), wishes(emoji="some", lists="list")):
        found = act(matter, after(f"{HELP} {closing}"), disclosure="reticent", complains=0,
                    volunteers=0)  # fmt: skip
        assert found == Act()


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("Should I start each answer with a hello?", "greeting"),
        ("Shall I continue to use emoji?", "emoji"),
        ("Should I explain things with an example?", "example"),
        ("Is there anything else I should change about my answers?", "emoji"),
        ("Would you like to know more about writing lists?", None),
    ],
)
def test_a_question_about_a_wish_is_no_offer_however_it_begins(
    question: str, about: str | None
) -> None:
    matter = wishes(emoji="some", greeting="greeted", example="given", lists="list")
    path = after(f"{HELP} {question}")
    found = act(matter, path, disclosure="reticent", complains=0, volunteers=0)
    assert [each.about for each in found.told] == ([about] if about else [])


def test_only_the_first_question_about_the_user_is_answered() -> None:
    matter = wishes(emoji="some", lists="list")
    questions = [find_questions(name, "train")[0] for name in ("lists", "emoji")]
    reply = f"{HELP} Does that help? {' '.join(questions)}"
    assert [each.about for each in act(matter, after(reply), disclosure="reticent").told] == [
        "lists"
    ]


@pytest.mark.parametrize("disclosure", DISCLOSURES)
def test_a_reply_that_repeats_the_users_question_has_asked_nothing(disclosure: str) -> None:
    matter = wishes(emoji="some")
    question = find_questions("emoji", "train")[0]
    given = {"disclosure": disclosure, "complains": 0, "volunteers": 0}
    for said, asked in ((f"Well. {question.upper()}", None), ("Well.", "told")):
        said_first = user(said)
        path = [said_first, assistant(f"{question} {HELP}", said_first)]
        assert act(matter, path, **given).asked == asked


def test_a_reticent_user_objects_as_often_as_settings_say() -> None:
    matter = wishes(emoji="some")
    path = after("A reply without one.")
    for complains in (0.0, 0.15, 1.0):
        given = {"disclosure": "reticent", "complains": complains, "volunteers": 0.0}
        found = [act(matter, path, str(n), **given) for n in range(600)]
        told = [each.told[0] for each in found if each.told]
        assert len(told) / 600 == pytest.approx(complains, abs=0.05)
        assert {(each.why, each.reply) for each in told} <= {("contradicted", path[-1].id)}
    once_more = act(matter, after("None.", told=["emoji"]), disclosure="reticent", complains=1)
    assert once_more == Act(repeats="emoji")


def test_after_two_replies_that_only_ask_the_user_asks_for_the_answer() -> None:
    matter = wishes(emoji="some", lists="list")
    asks = find_questions("emoji", "train")[0]
    helps = f"{HELP} {asks}"
    for disclosure in DISCLOSURES:
        assert act(matter, after(asks, asks), disclosure=disclosure) == Act(presses=True)
        for replies in ([helps, asks], [asks, helps], [asks]):
            assert act(matter, after(*replies), disclosure=disclosure).asked == "told"
    assert not act(matter, after(asks, asks)).presses  # by the schedule, as before


def test_where_nothing_was_noted_the_words_say_what_was_told() -> None:
    matter = wishes(emoji="some", lists="list")
    said = user(f"Hello. {find_traits('lists', 'list', 'test')[0]}")
    assert find_known(matter, [said]) == {"lists"}
    turned = user(find_traits("emoji", "none", "test")[0], told=(Telling(about="emoji",
                  why="scheduled"),))  # fmt: skip
    assert find_known(matter, [turned]) == set()  # said by who was somebody else then
    mends, swims = LIFE.facts[1], LIFE.facts[3]
    told = user(f"Well, {mends.text}", told=(Telling(about=swims.id, why="asked"),))
    assert find_known(statements(), [told]) == {swims.id}
    assert find_known(statements(), [user(mends.text)]) == set()  # simulations note what is told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("I mend bicycles down in Porto. Which oil is best?", ["I mend bicycles in Porto."]),
        ("I swim a lot, so what should I eat?", ["I swim a lot."]),
        ("I am 34 years old. I have a son called Rui.", ["I am 34 years old.",
                                                         "I have a son called Rui."]),
        ("Where can I swim a lot?", []),
        ("You mend bicycles in Porto.", []),
        ("Fine, and then?", []),
    ],
)  # fmt: skip
def test_plain_messages_get_a_note_of_what_their_words_tell(text: str, told: list[str]) -> None:
    (noted,) = note_told(LIFE, [user(text)])
    assert isinstance(noted, UserNode)
    facts = {fact.id: fact.text for fact in LIFE.facts}
    assert [facts[each.about] for each in noted.told] == told


@pytest.mark.parametrize("disclosure", DISCLOSURES)
def test_statements_are_asked_for_by_their_meaning(disclosure: str) -> None:
    path = after(f"{HELP} Do you have any children?")
    found = act(statements(), path, disclosure=disclosure)
    son = next(fact for fact in LIFE.facts if "Rui" in fact.text)
    assert found.told == (Telling(about=son.id, why="asked", reply=path[-1].id),)


@pytest.mark.parametrize(
    ("reply", "opposed"),
    [
        ("You are 52 years old, so rest.", ["I am 34 years old."]),
        ("As you do not swim, take the bus.", ["I swim a lot."]),
        ("You mend bicycles in Lisbon, so you know.", ["I mend bicycles in Porto."]),
        ("If you are 52 years old, rest.", []),
        ("Are you 52 years old?", []),
        ("My friend is 52 years old.", []),
        ("You are 34 years old, so go on.", []),
        ("Swim less.", []),
    ],
)
def test_only_what_is_wrong_about_the_user_goes_against_a_statement(
    reply: str, opposed: list[str]
) -> None:
    matter = statements()
    facts = {fact.id: fact.text for fact in LIFE.facts}
    assert [facts[each] for each in matter.find_opposed(reply)] == opposed
    if "?" not in reply:
        found = act(matter, after(f"{HELP} {reply}"), disclosure="reticent", complains=1,
                    volunteers=0)  # fmt: skip
        why = [(facts[each.about], each.why) for each in found.told]
        assert why == [(each, "contradicted") for each in opposed]


def test_who_answers_tells_the_next_fact_where_nothing_is_asked() -> None:
    found = play(statements(), lambda _: HELP, 6, "t", disclosure="answering")
    assert [each.about for one in found for each in one.told] == list(statements().upcoming)
    assert {each.why for one in found for each in one.told} == {"scheduled"}


def test_users_who_cannot_answer_are_refused() -> None:
    nobody = Persona.of("", "")
    check_users([nobody], "schedule", "nonsense")
    for disclosure in DISCLOSURES:
        check_users(PERSONAS, disclosure, "minilm")
        with pytest.raises(ConfigError, match=f'"{disclosure}", and persona {nobody.id} states'):
            check_users([nobody], disclosure, "minilm")
        with pytest.raises(ConfigError, match="unknown embedder 'nonsense'"):
            check_users(PERSONAS, disclosure, "nonsense")
        check_users([generate(1)], disclosure, "nonsense")  # by rule; nothing is embedded
