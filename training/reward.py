"""What GRPO maximises.

Every reward is a function with TRL's signature: lists of prompts and completions and a list for
each further column of the rows, and a number for each completion, or None where there is none to
be had (TRL then learns nothing from that completion), as of replies that were cut off
(`aloe.training.whole_replies`). `rules` and `judge` are made of agents, which
`aloe.training.rollout_agents` opens; a reward model and a custom function are found here.

With a horizon the reward of a reply is what comes of it: the user answers, the model under training
answers again, and the mean over the reply and the `horizon` replies after it counts (CollabLLM, Wu
et al. 2025, arXiv 2502.00640, looks ahead like this with rewards for whole conversations). Credit
is given turn by turn: the replies that are compared in a group answer the same message, each plays
its own future, and only the tokens of that one reply are reinforced, not those of the turns after
it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import iscoroutinefunction
from pathlib import Path
from statistics import fmean
from typing import Any, cast

from aloe.errors import AloeError, ConfigError
from aloe.files.json_objects import load_json
from aloe.models.control_tokens import ChatEncoder
from aloe.models.thoughts import split_thoughts
from aloe.number_format import counted
from aloe.plugins import describe_error, import_named
from aloe.signatures import check_call
from aloe.training.columns import show_value
from aloe.training.export import ChatMessage
from aloe.training.model_folder import ModelFolder
from aloe.training.whole_replies import take_rows

Messages = Sequence[ChatMessage]
Reward = Callable[..., Sequence[float | None]]
"""TRL's reward function, called with keywords only."""
Speak = Callable[..., Sequence[str | None]]
"""From conversations and the columns of their rows to what the users say next, None for nothing."""
Policy = Callable[[Sequence[Messages]], Sequence[list[int]]]
"""From conversations to the token ids of one reply each."""

READY = ("rules", "judge")
"""Rewards by name: wishes that a program can check, and a model that rates."""


def find_reward(name: str | None, ready: Reward | None = None) -> Reward:
    """Return what `training.reward` names.

    Args:
        name: as the settings have it.
        ready: what agents made of it, if they did.

    Raises:
        ConfigError: nothing, or something that cannot be found.
    """
    if ready is not None:
        return ready
    if not name:
        raise ConfigError(
            "grpo needs --reward: rules, judge, MODULE:FUNCTION, or the folder of a reward model"
        )
    if Path(name).is_dir():
        return RewardModel(name)
    return _named(name)


def check_reward(name: str) -> None:
    """Make sure that what `training.reward` names is there; a model in a folder is not loaded.

    Raises:
        ConfigError: it is not, or cannot be called as a reward is.
    """
    if name not in READY and not Path(name).is_dir():
        _named(name)


def _named(name: str) -> Reward:
    """Return a reward of the user's own."""
    if ":" not in name:
        raise ConfigError(
            f"there is no reward {name}: it is neither {' nor '.join(READY)}, nor a folder, nor "
            "MODULE:FUNCTION"
        )
    return guard_reward(name, import_named(name, f"there is no reward {name}"))


def guard_reward(name: str, reward: Any) -> Reward:
    """Return a reward of the user's own that says in one line what is wrong with it.

    Args:
        name: how it is called in errors.
        reward: the function or object, sync or async.

    Raises:
        ConfigError: it cannot be called as a reward is.
    """
    check_call("rewards", name, reward)

    @contextmanager
    def explained() -> Iterator[None]:
        try:
            yield
        except AloeError:
            raise
        except Exception as error:
            raise ConfigError(f"the reward {name} failed: {describe_error(error)}") from error

    def rate(**given: Any) -> list[float | None]:
        with explained():
            found = reward(**given)
        return _read_rewards(name, found, len(given["completions"]))

    async def rate_async(**given: Any) -> list[float | None]:
        with explained():
            found = await reward(**given)
        return _read_rewards(name, found, len(given["completions"]))

    rate.__name__ = rate_async.__name__ = getattr(reward, "__name__", type(reward).__name__)
    is_async = iscoroutinefunction(reward) or iscoroutinefunction(type(reward).__call__)
    return cast("Reward", rate_async) if is_async else rate


def _read_rewards(name: str, found: Any, replies: int) -> list[float | None]:
    """Return what a reward returned, if that is a number or None for each reply.

    Raises:
        ConfigError: it is something else.
    """
    try:
        values = [*found]
    except TypeError:
        raise ConfigError(
            f"the reward {name} returned {type(found).__name__}; it has to return a list with a "
            "number for each reply"
        ) from None
    if len(values) != replies:
        raise ConfigError(
            f"the reward {name} returned {counted(len(values), 'value')} for "
            f"{counted(replies, 'reply')}; it has to return one for each"
        )
    return [None if value is None else _read_number(name, value) for value in values]


def _read_number(name: str, value: Any) -> float:
    try:
        if not isinstance(value, str):
            return float(value)
    except (TypeError, ValueError):
        pass
    raise ConfigError(
        f"the reward {name} returned {show_value(value)}; it has to return a number or None for "
        "each reply"
    )


class RewardModel:
    """The score that a model of `aloe train reward` gives a conversation with its reply.

    Args:
        folder: of the reward model.

    Raises:
        ConfigError: it holds another kind of model, which would score at random, or one that is
            not finished.
    """

    __name__ = "reward_model"

    def __init__(self, folder: str) -> None:
        from aloe.models.checkpoint import load_checkpoint

        if not is_scoring(Path(folder)):
            raise ConfigError(f"{folder} is not a reward model; make one with `aloe train reward`")
        ModelFolder(Path(folder)).check_finished()
        loaded = load_checkpoint(folder, scoring=True)
        self._model, self._tokenizer = loaded.model.eval(), loaded.tokenizer
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._model.config.pad_token_id = self._tokenizer.pad_token_id
        self._encoder = ChatEncoder(self._tokenizer)

    def __call__(
        self, *, prompts: Sequence[Messages], completions: Sequence[Messages], **_columns: Any
    ) -> list[float]:
        """Return a score for each completion, any number."""
        import torch

        said = (
            [*prompt, *_without_thoughts(reply)]
            for prompt, reply in zip(prompts, completions, strict=True)
        )
        batch = self._tokenizer.pad(
            {"input_ids": [self._encoder.encode(each) for each in said]},
            padding_side="right",
            return_tensors="pt",
        ).to(self._model.device)
        with torch.inference_mode():
            scores: list[float] = self._model(**batch).logits[:, 0].float().tolist()
        return scores


def is_scoring(folder: Path) -> bool:
    """Return whether a folder holds a trained score, as an adapter or as a whole model."""
    for name in ("adapter_config.json", "config.json"):
        if (folder / name).is_file():
            try:
                settings = dict(load_json(folder / name))
            except (ValueError, TypeError):
                raise ConfigError(f"{folder / name} holds no settings of a model") from None
            kinds = [settings.get("task_type"), *(settings.get("architectures") or ())]
            return any(str(k).endswith(("SEQ_CLS", "ForSequenceClassification")) for k in kinds)
    return False


class LookAhead:
    """A reward over several turns; `policy` must be set before the first call.

    Args:
        reward: of one reply.
        speak: the users.
        horizon: replies after the first that count as well.
        decode: from token ids to text.
        is_whole: whether the reply of these token ids ended by itself.
    """

    def __init__(
        self,
        reward: Reward,
        speak: Speak,
        horizon: int,
        decode: Callable[[list[int]], str],
        is_whole: Callable[[Sequence[int]], bool] = lambda _ids: True,
    ) -> None:
        if iscoroutinefunction(reward):
            raise ConfigError("with a horizon the reward must be a plain function, not async")
        self._reward, self._speak = reward, speak
        self._horizon, self._decode, self._is_whole = horizon, decode, is_whole
        self.policy: Policy | None = None
        self.__name__ = getattr(reward, "__name__", type(reward).__name__)

    def __call__(
        self, *, prompts: Sequence[Messages], completions: Sequence[Messages], **columns: Any
    ) -> list[float | None]:
        """Return the mean reward of each completion and the replies that follow it.

        A turn without a reward is left out of the mean. Where a user falls silent or a reply was
        cut off, the talk is over and what was gained by then counts: nobody is asked about it any
        more but the model, since with a sharded model every process has to generate equally often.
        """
        assert self.policy is not None
        gained: list[list[float]] = [[] for _ in prompts]
        prompts, going_on = list(prompts), list(range(len(prompts)))
        for turn in range(self._horizon + 1):
            if ids := columns.get("completion_ids"):
                going_on = [place for place in going_on if self._is_whole(ids[place])]
            there = take_rows(going_on, columns, len(prompts))
            asked = {"prompts": prompts, "completions": completions}
            rewards = (
                self._reward(**take_rows(going_on, asked, len(prompts)), **there)
                if going_on
                else []
            )
            for place, reward in zip(going_on, rewards, strict=True):
                if reward is not None:
                    gained[place].append(float(reward))
            if turn == self._horizon:
                break
            said = [[*prompts[n], *_without_thoughts(completions[n])] for n in going_on]
            words = self._speak(said, **there) if going_on else []
            for place, talk, text in zip(going_on, said, words, strict=True):
                if text:
                    prompts[place] = [*talk, {"role": "user", "content": text}]
            going_on = [place for place, text in zip(going_on, words, strict=True) if text]
            replies = self.policy(prompts)
            completions = [
                [{"role": "assistant", "content": self._decode(each)}] for each in replies
            ]
            columns |= {"completion_ids": replies}
        return [fmean(each) if each else None for each in gained]


def _without_thoughts(reply: Messages) -> list[ChatMessage]:
    """Return a reply as users and reward models read it, and as it appears in a history."""
    return [{**each, "content": split_thoughts(each["content"]).answer} for each in reply]


def make_policy(trainer: Any) -> Policy:
    """Return the model that a `trl.GRPOTrainer` trains, sampled as the trainer samples it.

    TRL has no public way to ask for another turn; these two methods are what it uses itself, be it
    transformers or vLLM that generates.
    """

    def reply(conversations: Sequence[Messages]) -> Sequence[list[int]]:
        ids, images, fields = trainer._tokenize_prompts([list(each) for each in conversations])
        replies: list[list[int]] = trainer._generate_single_turn(ids, images, fields, 1)[0]
        return replies

    return reply
