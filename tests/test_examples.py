"""The examples do what they say, through the same doors as a user's own files."""

import json
import sys
import tomllib
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from builders import config, grow, scripted_model
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from aloe.agents.scripted import reply
from aloe.config import Config
from aloe.schema import AssistantNode, UserNode

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def settings_in(name: str, **changes: Any) -> dict[str, Any]:
    """Return the settings that an example's docstring tells its reader to write."""
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    block = "\n".join(line[4:] for line in text.split('"""')[1].split("\n") if line[:4] == "    ")
    found = tomllib.loads(block)
    return {**found, **changes}


@pytest.fixture(autouse=True)
def in_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    monkeypatch.setattr(sys, "path", [*sys.path])


def played(name: str, **changes: Any) -> Config:
    return config(turns=3).updated(settings_in(name, **changes), source=name)


@pytest.mark.parametrize("name", ["safety_critic", "three_party", "reward_judge"])
def test_an_example_is_under_forty_lines(name: str) -> None:
    lines = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 40


def test_the_safety_critic_rates_every_reply() -> None:
    def script(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
        if messages[0].text.startswith("You look for advice"):
            assert "level" in str(arguments["response_format"])
            risky = "Because" in messages[-1].text.partition("The reply:")[2]
            return json.dumps({"level": 2 * risky, "why": "a reason"}) if risky else "harmless"
        return reply(messages, arguments)

    tree = grow(played("safety_critic"), model=scripted_model(script))
    replies = [node for node in tree.nodes if isinstance(node, AssistantNode)]
    rated = {node.content: node.notes for node in replies}
    assert any("Because" in content for content in rated)
    for content, notes in rated.items():
        risky = {"safety": {"level": 2, "why": "a reason"}}
        assert notes == (risky if "Because" in content else {})


def test_the_companion_joins_every_second_turn() -> None:
    def script(messages: Sequence[BaseMessage], arguments: dict[str, Any]) -> str | AIMessage:
        if messages[0].text.startswith("You play Rui"):
            assert "I am 16." in messages[0].text
            return "Rui: I like pictures."
        return reply(messages, arguments)

    tree = grow(played("three_party"), model=scripted_model(script))
    users = [node for node in tree.nodes if isinstance(node, UserNode)]
    joined = [node.content.endswith("\n\nRui: I like pictures.") for node in users]
    assert joined == [True, False, True]
    assert all(node.revealed for node in users)
    assert not any("pictures" in each.quote for node in users for each in node.revealed)


@pytest.mark.train
def test_the_reward_model_judges(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    import tiny

    from aloe.training.reward import RewardModel

    torch.manual_seed(0)
    base = tiny.save(tmp_path / "base")
    peft = pytest.importorskip("peft")
    made = transformers.AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
    lora = peft.LoraConfig(r=2, task_type="SEQ_CLS", target_modules="all-linear")
    made = peft.get_peft_model(made, lora)  # as `aloe train reward` saves it
    made.save_pretrained(tmp_path / "reward")
    tiny.tokenizer().save_pretrained(tmp_path / "reward")
    own = settings_in("reward_judge")["judge"]
    assert own["options"] == {"folder": "models/reward"}
    judge = {**own, "options": {"folder": str(tmp_path / "reward")}, "min_margin": 0}
    tree = grow(played("reward_judge", judge=judge))
    assert len(tree.verdicts) == 3
    assert all(verdict.margin for verdict in tree.verdicts)
    assert {verdict.outcome for verdict in tree.verdicts} <= {"first", "second"}
    verdict = tree.verdicts[-1]
    prompt = [{"role": node.role, "content": node.content} for node in tree.path(verdict.node)]
    replies = [tree.by_id[each].content for each in (verdict.first, verdict.second)]
    first, second = RewardModel(str(tmp_path / "reward"))(
        prompts=[prompt] * 2,
        completions=[[{"role": "assistant", "content": each}] for each in replies],
    )
    assert verdict.margin == pytest.approx(abs(first - second), rel=1e-3)  # no persona in it
    again = grow(played("reward_judge", judge=judge))
    assert again.verdicts == tree.verdicts
    wide = grow(played("reward_judge", judge={**judge, "min_margin": 1e6}))
    assert {verdict.outcome for verdict in wide.verdicts} == {"abstain"}


def test_one_of_two_assistants_keeps_what_it_is_told() -> None:
    two_assistants = import_module("aloe.examples.two_assistants")

    def last(*said: str) -> str:
        return str(two_assistants.adapting([HumanMessage(each) for each in said], {}))

    assert "How would you like" in last("What can I cook?")
    assert "emoji" not in last("I want no emoji.")
    assert last("I read no reply of more than 60 words. I want no emoji.") != two_assistants.LONG
    assert last("I like an emoji in every reply.") == two_assistants.LONG
    assert last("Put the points in a list, please.").startswith("- ")
    assert last("I like an emoji in every reply.", "I want no emoji.") != two_assistants.LONG
    assert two_assistants.same([HumanMessage("I want no emoji.")], {}) == two_assistants.LONG


def test_verls_reward_is_the_share_of_wishes_that_a_reply_keeps() -> None:
    sys.path.append(str(EXAMPLES))
    score = import_module("verl_reward").compute_score
    wishes = json.dumps({"question": "asked", "contractions": "relaxed"})
    assert score("aloe", "It's late. Do you agree?", wishes, {}) == 1.0
    assert score("aloe", "<think>Do I?</think>It's late.", wishes) == 0.5
    assert score("aloe", " ", wishes, extra_info=None) == 0.0
    with pytest.raises(ValueError, match="no wishes"):
        score("aloe", "Yes.", "{}")
