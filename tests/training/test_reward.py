"""What a reply is worth: by name, by a reward model, and with the turns that follow from it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import tiny
import torch

from aloe.errors import ConfigError
from aloe.training.reward import LookAhead, RewardModel, find_reward, guard_reward
from aloe.training.whole_replies import reward_whole

pytestmark = pytest.mark.train


def said(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def test_what_comes_after_a_reply_counts_as_much_as_the_reply() -> None:
    talked: list[list[str]] = []

    def length(*, completions: Any, completion_ids: Any, **_: Any) -> list[float]:
        assert [len(ids) for ids in completion_ids] == [len(c[0]["content"]) for c in completions]
        return [float(len(completion[0]["content"])) for completion in completions]

    def speak(conversations: Any, **columns: Any) -> list[str]:
        assert columns["tree"] == ["t1", "t2"]
        return [f"u{len(conversation)}" for conversation in conversations]

    def policy(conversations: Any) -> list[list[int]]:
        talked.append([" ".join(m["content"] for m in talk) for talk in conversations])
        return [[7] * len(talk) for talk in conversations]

    reward = LookAhead(length, speak, 2, lambda ids: "x" * len(ids))
    reward.policy = policy
    found = reward(
        prompts=[said("user", "a"), said("user", "b")],
        completions=[said("assistant", "k"), said("assistant", "llll")],
        completion_ids=[[1], [1] * 4],
        tree=["t1", "t2"],
    )
    assert found == [(1 + 3 + 5) / 3, (4 + 3 + 5) / 3]
    assert talked == [["a k u2", "b llll u2"], ["a k u2 xxx u4", "b llll u2 xxx u4"]]
    assert reward.__name__ == "length"


def test_a_talk_ends_where_its_user_falls_silent() -> None:
    rewards = iter([[1.0, None, None], [3.0, None], [5.0]])
    words = iter([["go on", None, "go on"], [None, "go on"]])
    asked: list[tuple[str, list[str]]] = []

    def policy(conversations: Any) -> list[list[int]]:
        asked.append(("model", ["all"] * len(conversations)))
        return [[1]] * len(conversations)

    def rate(*, prompts: Any, completions: Any, tree: Any, epoch: int, **_: Any) -> Any:
        assert (len(prompts), len(completions), epoch) == (len(tree), len(tree), 7)
        asked.append(("judge", tree))
        return next(rewards)

    def speak(conversations: Any, *, tree: Any, **_: Any) -> Any:
        assert len(conversations) == len(tree)
        asked.append(("user", tree))
        return next(words)

    reward = LookAhead(rate, speak, 2, str)
    reward.policy = policy
    opening = [said("user", "a")] * 3
    given = {"prompts": opening, "completions": opening, "tree": ["s", "t", "u"], "epoch": 7}
    assert reward(**given) == [2.0, None, 5.0]
    assert asked == [
        ("judge", ["s", "t", "u"]), ("user", ["s", "t", "u"]), ("model", ["all"] * 3),
        ("judge", ["s", "u"]), ("user", ["s", "u"]), ("model", ["all"] * 3),
        ("judge", ["u"]),
    ]  # fmt: skip


def test_nobody_is_asked_where_all_users_fell_silent() -> None:
    rewards = iter([[1.0], []])
    reward = LookAhead(lambda **_: next(rewards), lambda *_, **__: [None], 3, str)
    reward.policy = lambda talks: [[1]] * len(talks)
    assert reward(prompts=[said("user", "a")], completions=[said("assistant", "b")]) == [1.0]


def ended(ids: list[int]) -> bool:
    return ids[-1] == 0


@pytest.mark.parametrize("later", [False, True])
def test_a_reply_that_was_cut_off_earns_nothing(later: bool) -> None:
    asked: list[Any] = []

    def plain(*, completions: Any, tree: Any, epoch: int, **_: Any) -> list[float]:
        asked.append(tree)
        return [float(len(each[0]["content"])) for each in completions]

    async def slow(**given: Any) -> list[float]:
        return plain(**given)

    made = reward_whole(slow if later else plain, ended)
    replies = [said("assistant", text) for text in ("a", "bb", "ccc")]
    given = {"prompts": replies, "completions": replies, "tree": ["s", "t", "u"], "epoch": 7}
    for ids, expected in (
        ([[1, 0], [1, 1], [0]], [1.0, None, 3.0]),
        ([[1], [1], [1]], [None, None, None]),
    ):
        found = made(**given, completion_ids=ids)
        assert (asyncio.run(found) if later else found) == expected
    assert asked == [["s", "u"]], "nobody is asked where nothing is whole"
    assert made.__name__ == ("slow" if later else "plain")


class Scores:
    """A reward with a state of its own."""

    def __init__(self, found: Any, *, later: bool) -> None:
        self.found, self.later = found, later

    def __call__(self, *, prompts: Any, completions: Any, **_columns: Any) -> Any:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


class LaterScores(Scores):
    """The same, to be awaited."""

    async def __call__(self, **given: Any) -> Any:  # type: ignore[override]
        return super().__call__(**given)


@pytest.mark.parametrize("kind", [Scores, LaterScores])
@pytest.mark.parametrize("looks_ahead", [False, True])
@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ([1.0], "returned 1 value for 2 replies"),
        ([], "returned 0 values for 2 replies"),
        (None, "returned NoneType; it has to return a list"),
        (1.0, "returned float; it has to return a list"),
        ([1.0, "2"], "returned .*; it has to return a number or None"),
        ([1.0, [2.0]], "returned .*; it has to return a number or None"),
        ([1.0, {}], "returned .*; it has to return a number or None"),
        (ValueError("my reward\nbroke"), r"failed: .*test_reward.py:\d+: ValueError: my reward b"),
        (ConnectionError("refused"), r"failed: .*test_reward.py:\d+: ConnectionError: refused"),
    ],
)
def test_a_reward_that_fails_is_named(
    found: Any, problem: str, looks_ahead: bool, kind: Any
) -> None:
    later = kind is LaterScores
    made = guard_reward("mine:scores", kind(found, later=later))
    if looks_ahead and later:
        return  # refused before
    made = LookAhead(made, lambda *_, **__: [], 0, str) if looks_ahead else made
    if isinstance(made, LookAhead):
        made.policy = lambda _: []
    else:
        made = reward_whole(made, ended)
    replies = [said("assistant", "a")] * 2

    async def ask() -> Any:
        found = made(prompts=replies, completions=replies)
        return await found if later else found

    with pytest.raises(ConfigError, match=f"the reward mine:scores {problem}") as raised:
        asyncio.run(ask())
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is (found if isinstance(found, Exception) else None)


def test_any_number_is_a_reward() -> None:
    found = [1, True, torch.tensor(0.5), None, float("inf")]
    replies = [said("assistant", "a")] * len(found)
    for given in (found, tuple(found), iter(found)):
        made = guard_reward("mine", Scores(given, later=False))
        assert made(prompts=replies, completions=replies) == [1.0, 1.0, 0.5, None, float("inf")]


def test_looking_ahead_ends_where_a_reply_was_cut_off() -> None:
    talked: list[int] = []

    def policy(conversations: Any) -> list[list[int]]:
        return [[1], [2, 0], [3, 0]]

    def speak(conversations: Any, **_: Any) -> list[str]:
        talked.append(len(conversations))
        return ["more"] * len(conversations)

    def rate(*, completions: Any, **_: Any) -> list[float]:
        return [float(len(each[0]["content"])) for each in completions]

    reward = LookAhead(rate, speak, 2, lambda ids: "x" * ids[0], ended)
    reward.policy = policy
    found = reward(
        prompts=[said("user", "a")] * 3,
        completions=[said("assistant", "k" * 5)] * 3,
        completion_ids=[[1, 0], [1, 1], [1, 0]],
    )
    assert found == [5.0, None, (5 + 3 + 3) / 3]
    assert talked == [2, 1]


def test_a_reward_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="needs --reward"):
        find_reward(None)
    with pytest.raises(ConfigError, match="there is no reward rule: it is neither rules nor judge"):
        find_reward("rule")
    with pytest.raises(ConfigError, match="there is no reward nowhere:nothing"):
        find_reward("nowhere:nothing")

    async def later(**_: Any) -> list[float]:
        return []

    with pytest.raises(ConfigError, match="not async"):
        LookAhead(later, lambda *_, **__: [], 1, str)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "7"])
def test_a_broken_folder_is_no_reward_model(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ConfigError, match="holds no settings"):
        RewardModel(str(tmp_path))


def test_a_reward_model_scores_each_conversation_as_if_it_were_alone(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForSequenceClassification

    torch.manual_seed(0)
    config = tiny.model().config.to_dict() | {"num_labels": 1}
    LlamaForSequenceClassification(LlamaConfig.from_dict(config)).save_pretrained(tmp_path)
    tiny.tokenizer().save_pretrained(tmp_path)
    reward = RewardModel(str(tmp_path))
    prompts = [said("user", "Birds?"), said("user", "Tell me more about sailing, please.")]
    replies = [said("assistant", "Yes!"), said("assistant", "The garden needs rain.")]
    together = reward(prompts=prompts, completions=replies, tree=["a", "b"])
    alone = [
        reward(prompts=[prompt], completions=[reply])[0]
        for prompt, reply in zip(prompts, replies, strict=True)
    ]
    assert together == pytest.approx(alone, abs=1e-5)
    assert abs(together[0] - together[1]) > 1e-3
    swapped = reward(prompts=prompts, completions=replies[::-1])
    assert abs(swapped[0] - together[0]) > 1e-3
