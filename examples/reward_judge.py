"""A reward model as judge: the reply with the higher score is better.

    [judge]
    use = "reward_judge:RewardJudge"
    options = { folder = "models/reward" }
    min_margin = 0.2

It needs the extra `train`. The model (from `aloe train reward`) scores the conversation, as it was
trained on: without the persona; a difference below `min_margin` is not a preference. It scores one
reply at a time, so their order changes nothing: `symmetric` says so, and aloe asks once a pair.
"""

import asyncio

from aloe.agents.judge import Comparison
from aloe.agents.roles import RoleModel
from aloe.agents.transcript import chat_messages
from aloe.training.reward import RewardModel


class RewardJudge:
    """Returns by how much the first reply scores higher; the work is done in a thread."""

    symmetric = True

    def __init__(self, folder: str) -> None:
        self.model = RewardModel(folder)

    async def __call__(self, asked: Comparison, model: RoleModel) -> float:
        first, second = asked.first.content, asked.second.content
        return await asyncio.to_thread(lambda: self.score(asked, first) - self.score(asked, second))

    def score(self, asked: Comparison, reply: str) -> float:
        said = chat_messages([*asked.path, asked.user])
        prompt = [{"role": role, "content": text} for role, text in said]
        completion = [{"role": "assistant", "content": reply}]
        return self.model(prompts=[prompt], completions=[completion])[0]
