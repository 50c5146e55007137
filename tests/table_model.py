"""A real but tiny Llama that speaks by a table: what a test wants said, through real servers.

What comes next depends on the last token, and on the role that the chat template names in front of
a conversation, which one attention head reads; the template also says which of two replies is the
longer one. Nothing is trained, and all that a server does stays real: templates, tokens, sampling,
grammars, log-probabilities, limits. Every sentence is a token of its own, so replies cost little.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gguf_files
import tiny

from aloe.agents.prompt import shipped

THINK, END = "<think>\n", "</think>\n\n"
SECRET = "Hm, the ZEBRA plan would do."
USER = (
    "I mend bicycles in Porto. How do I find more customers?",
    "My son Rui helps me at noon. What could he learn first?",
    "I swim before work. Where should I leave my bag?",
    "I want plain answers. What is the first step?",
    "That sounds like a lot of work. Is there a cheaper way?",
    "Fine, I will try it on Monday. What comes after that?",
    "I did that last year. Why did nobody come?",
    "The street is steep here. Would a map on the door help?",
)
ASSISTANT = (
    "Put a sign out by the river and tell your neighbours.",
    "Ask at the pool first, they lend lockers.",
    "Begin with the brakes, since they are the easiest part to learn.",
    "Write your prices on the door.",
)
TERSE = ("Buy a bell.", "Wait for rain.", "Ask Rui.", "Open on Sundays.")
SAID: dict[str, Sequence[str]] = {
    "user": USER,
    "inducer": ('{"1": "user", "2": "topic"}',),
    "first": ("A", "B"),
    "second": ("B", "A"),
    "terse": TERSE,
    "other": ASSISTANT,
}
"""What each role says: all of it is equally likely, but a judge says the first in 9 of 10 cases."""
ROLES = tuple(SAID)
STYLE = "Use one sentence."
"""In the style of an assistant that is to be terse: a seed draws the same for all others."""

TEMPLATE = (
    "{% set said = messages[0]['content'] %}{% set asked = messages[-1]['content'] %}"
    "{% if said.startswith(USER_PROMPT) %}<|user|>"
    "{% elif said.startswith(INDUCER_PROMPT) %}<|inducer|>"
    "{% elif said.startswith(JUDGE_PROMPT) %}"
    "{% set pair = asked.split('\n\n[B] ') %}{% set a = pair[0].split('[A] ') %}"
    "{% set b = pair[-1].split('\n\n') %}"
    "{% if a[-1] | length > b[0] | length %}<|first|>{% else %}<|second|>{% endif %}"
    "{% elif STYLE in said %}<|terse|>{% else %}<|other|>{% endif %}"
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}HISTORY"
    "{{ m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}OPENING{% endif %}"
)
HISTORY = (
    "{% if m['role'] == 'assistant' and m['reasoning_content'] %}"
    "{{ '<think>\n' + m['reasoning_content'] + '\n</think>\n\n' }}{% endif %}"
)
OPENING = (
    "{% if enable_thinking is not defined or enable_thinking %}{{ '<think>\n' }}"
    "{% else %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
)
STRONG = 60.0
"""Weight of what is certain to come next."""
LIKELY = 15.0
"""Weight of what a role says, where nothing else is certain."""


@dataclass(frozen=True)
class TableModel:
    """The model and its tokenizer.

    Args:
        thinks: whether its template opens thoughts.
        shows: whether the template says how thoughts are written, by which llama.cpp parts them,
            and opens none where `enable_thinking` is false.
    """

    thinks: bool = False
    shows: bool = False

    @property
    def template(self) -> str:
        opening = OPENING if self.shows else "{{ '<think>\n' }}"
        template = TEMPLATE.replace("OPENING", opening if self.thinks else "")
        template = template.replace("HISTORY", HISTORY if self.shows else "")
        for role in ("user", "inducer", "judge"):
            opening = shipped(role).messages[0][1].split(".")[0]
            template = template.replace(f"{role.upper()}_PROMPT", repr(opening))
        return template.replace("STYLE", repr(STYLE))

    @property
    def added(self) -> list[str]:
        """The tokens that it has beside those of `tiny`."""
        sentences = [text for said in SAID.values() for text in said if len(text) > 1]
        return [*(f"<|{role}|>" for role in ROLES), THINK, END, SECRET, *sentences]

    @cached_property
    def tokenizer(self) -> Any:
        made = deepcopy(tiny.tokenizer())
        made.add_tokens(self.added)
        made.chat_template = self.template
        return made

    @cached_property
    def model(self) -> Any:
        """The weights: of the residual, one dimension is constant, others are roles and tokens."""
        ids = self.tokenizer.convert_tokens_to_ids
        made = tiny.model(
            hidden_size=64,
            intermediate_size=96,
            vocab_size=len(self.tokenizer),
            tie_word_embeddings=False,
        )
        for name, weight in made.named_parameters():
            weight.data.fill_(1.0 if "norm" in name else 0.0)
        place = {ids(each): at for at, each in enumerate([*self.added, "A", "B"], 1 + len(ROLES))}
        embed, head = made.model.embed_tokens.weight.data, made.lm_head.weight.data
        embed[:, 0] = 1.0
        for token, at in place.items():
            embed[token, at] = 1.0
        for at, said in enumerate(SAID.values(), 1):
            for text in said:
                head[ids(text), at] = LIKELY - 0.4 * (len(text) == 1 and text != said[0])
                head[made.config.eos_token_id, place[ids(text)]] = STRONG
        head[ids(SECRET), place[ids(THINK)]] = STRONG
        head[ids(END), place[ids(SECRET)]] = STRONG
        _look_at(made.model.layers[0].self_attn, [place[ids(f"<|{role}|>")] for role in ROLES])
        made.generation_config.do_sample = True
        return made

    def save(self, folder: Path) -> Path:
        """Write it as a checkpoint folder."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        return folder

    def write_gguf(self, path: Path) -> Path:
        """Write it as a GGUF file."""
        head = {"vocab_size": len(self.tokenizer)}
        output = {"output.weight": self.model.lm_head.weight.data.numpy()}
        return gguf_files.write(
            path, of=self.model, head=head, tensors=output, added=self.added, template=self.template
        )


def _look_at(attention: Any, roles: Sequence[int]) -> None:
    """Let every token look at the one that names the role, and copy which it is.

    Args:
        attention: of a layer, with four heads, of which two share keys and values.
        roles: dimensions of the tokens that name the roles, in order.
    """
    slow = attention.head_dim // 2 - 1  # which rotary embedding turns least
    for head in range(4):
        attention.q_proj.weight.data[head * attention.head_dim + slow, 0] = 8.0
    for number, dimension in enumerate(roles):
        for head in range(2):
            attention.k_proj.weight.data[head * attention.head_dim + slow, dimension] = 8.0
        attention.v_proj.weight.data[number, dimension] = 1.0
        attention.o_proj.weight.data[1 + number, number] = 0.25
