import asyncio

from builders import assistant
from demonstration import demonstrate
from learners import WISHES, cases

from aloe.agents.rule_user import RuleUser
from aloe.memory.verifiable.catalogue import find_wish
from aloe.memory.verifiable.talk import find_revealed

PERSONA = cases()[0].persona


def speak(path):
    return asyncio.run(RuleUser().speak(PERSONA, "t", path))


def test_opens_with_a_fact_and_the_first_wish() -> None:
    node = speak([])
    assert node.parent is None
    assert (node.turn, node.agent) == (1, "rule")
    assert any(fact.text in node.content for fact in PERSONA.facts if fact.kind == "fact")
    assert find_wish("emoji", "some").trait in node.content
    assert node.content.endswith("?")


def test_voices_one_more_wish_a_turn_to_who_learns() -> None:
    path = []
    for turn in range(1, len(WISHES) + 1):
        message = speak(path)
        said = [node.content for node in path[::2]] + [message.content]
        learnt = find_revealed(PERSONA, said)
        assert len(learnt) == turn
        path += [message, assistant(demonstrate(learnt), message)]
    wishes = [find_wish(name, value) for name, value in WISHES.items()]
    last = speak(path).content
    assert not any(each.trait in last or each.remark in last for each in wishes)


def test_insists_on_what_is_broken_again() -> None:
    path = []
    for _ in range(12):
        message = speak(path)
        path += [message, assistant(demonstrate({}), message)]
    assert len(find_revealed(PERSONA, [node.content for node in path[::2]])) == len(WISHES)
    assert find_wish("emoji", "some").remark in path[-2].content
