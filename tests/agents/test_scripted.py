"""The stand-in plays every role, so that what rests on it rests on something."""

import pytest
from builders import PERSONAS, config, grow, scripted_model

from aloe.agents.scripted import reply
from aloe.schema import AssistantNode, UserNode


def test_it_plays_every_role() -> None:
    tree = grow(config(turns=3))
    users = [node for node in tree.nodes if isinstance(node, UserNode)]
    replies = [node for node in tree.nodes if isinstance(node, AssistantNode)]
    facts = {fact.text for fact in PERSONAS[0].facts}
    assert all({d.quote for d in node.revealed} <= facts for node in users)
    assert all(node.revealed for node in users)
    assert all((node.hint is not None) == (node.agent == "a0") for node in replies)
    assert all(node.hint in node.content for node in replies if node.hint)
    assert {verdict.outcome for verdict in tree.verdicts} == {"first"}  # the hint is taken up
    assert all(vote.choice for verdict in tree.verdicts for vote in verdict.votes)


def test_its_judge_has_a_liking_for_a_that_the_average_must_cancel() -> None:
    (verdict,) = grow(config(turns=1)).verdicts
    odds = [vote.logprobs[0] - vote.logprobs[1] for vote in verdict.votes if vote.logprobs]
    assert sum(odds) / 2 == pytest.approx(2.0)
    assert verdict.margin == pytest.approx(odds[0] - 2.0)


def test_the_same_prompt_and_seed_give_the_same_words() -> None:
    model = scripted_model(reply)
    assert grow(config(turns=3), model=model) == grow(config(turns=3), model=model)
    assert grow(config(turns=3), seed=1) != grow(config(turns=3), seed=2)
