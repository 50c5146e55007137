"""A reward model as judge: the reply with the higher score is better.

    [judge]
    use = "reward_judge:RewardJudge"
    options = { folder = "models/reward" }
    min_margin = 0.2

It needs the extra `train`. The model (from `aloe train reward`) scores a whole conversation, with
the persona as its first message; a difference below `min_margin` is not a preference.
"""

import asyncio

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from aloe.agents.judge import Comparison
from aloe.agents.roles import RoleModel
from aloe.agents.transcript import chat_messages


class RewardJudge:
    """Returns by how much the first reply scores higher; the work is done in a thread."""

    def __init__(self, folder: str) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.scorer = AutoModelForSequenceClassification.from_pretrained(folder).eval()

    async def __call__(self, asked: Comparison, model: RoleModel) -> float:
        first, second = asked.first.content, asked.second.content
        return await asyncio.to_thread(lambda: self.score(asked, first) - self.score(asked, second))

    def score(self, asked: Comparison, reply: str) -> float:
        persona = asked.persona.text
        messages = [("system", persona), *chat_messages([*asked.path, asked.user])]
        chat = [{"role": role, "content": text} for role, text in [*messages, ("assistant", reply)]]
        tokens = self.tokenizer.apply_chat_template(chat, return_tensors="pt", return_dict=True)
        with torch.inference_mode():
            return float(self.scorer(**tokens).logits[0, 0])
