"""Chat templates of models that think, on a tokenizer whose tags are tokens and not special."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

CHATML = ("<|im_start|>", "<|im_end|>")
GLM = ("<|user|>", "<|assistant|>", "<|system|>", "[gMASK]", "<sop>")
DEEPSEEK = (
    "<\uff5cUser\uff5c>",
    "<\uff5cAssistant\uff5c>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
)
HARMONY = ("<|start|>", "<|end|>", "<|return|>", "<|channel|>", "<|message|>")

LAST_ONLY = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' %}{% set parts = m['content'].split('</think>') %}"
    "{% if loop.last %}{{ '<think>\n' + parts[:-1] | join | replace('<think>', '') | trim }}"
    "{{ '\n</think>\n\n' }}{% endif %}{{ parts[-1] | trim }}"
    "{% else %}{{ m['content'] }}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}"
    "{% endif %}{% endif %}"
)
OPENED = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{{ (m['content'].split('</think>') | last).lstrip('\n') + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}"
)
EVERYWHERE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' and '</think>' not in m['content'] %}{{ '<think></think>' }}"
    "{% endif %}{{ m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
HISTORY_ONLY = EVERYWHERE.replace(
    "m['role'] == 'assistant'", "m['role'] == 'assistant' and not loop.last"
)
OTHER_TAGS = OPENED.replace("</think>", "[/THINK]").replace("<think>\n", "[THINK]")
TOKENS_AS_TAGS = OPENED.replace("</think>", "<|END_THINKING|>").replace(
    "<think>", "<|START_THINKING|>"
)
CLOSED_PROMPT = OPENED.replace("<think>\n", "<think>\n\n</think>\n\n")


@dataclass(frozen=True, kw_only=True)
class Thinking:
    """A template, and what it makes of a reply without thoughts."""

    source: str
    """The template, or the name of one that comes with TRL."""
    marks: tuple[str, ...] = CHATML
    block: str = "<think>\n\n</think>\n\n"
    """What stands before the reply and is not learnt."""
    end: str = "<|im_end|>"
    branches: bool = True
    """Whether a reply reads differently once the conversation goes on."""

    def tokenizer(self) -> Any:
        """Return a tokenizer with this template."""
        import tiny
        from transformers import PreTrainedTokenizerFast

        made = PreTrainedTokenizerFast(
            tokenizer_object=tiny.tokenizer().backend_tokenizer,
            bos_token="<|endoftext|>",
            eos_token="<|im_end|>",
            pad_token="<|endoftext|>",
            additional_special_tokens=list(self.marks),
        )
        made.add_tokens(["<think>", "</think>", "[THINK]", "[/THINK]"])
        made.add_tokens(["<|START_THINKING|>", "<|END_THINKING|>"])
        made.chat_template = self.source
        if "{" not in self.source:
            file = files("trl") / "chat_templates" / f"{self.source}.jinja"
            made.chat_template = file.read_text(encoding="utf-8")
        return made


TEMPLATES = {
    "Qwen3": Thinking(source="qwen3"),
    "Qwen3.5": Thinking(source="qwen3_5_think"),
    "Qwen3.5, not thinking": Thinking(source="qwen3_5_nothink"),
    "DeepSeek-R1": Thinking(source="deepseek_r1_distill", marks=DEEPSEEK, end=DEEPSEEK[-1]),
    "DeepSeek-V3": Thinking(source="deepseekv3", marks=DEEPSEEK, end=DEEPSEEK[-1]),
    "GLM-4.5": Thinking(
        source="glm4moe", marks=GLM, block="\n<think></think>\n", end="<|user|>", branches=False
    ),
    "gpt-oss": Thinking(
        source="gptoss", marks=HARMONY, block="<|channel|>final<|message|>", end="<|return|>"
    ),
    "Nemotron 3": Thinking(source="nemotron_3_nano"),
    "before the last reply only": Thinking(source=LAST_ONLY),
    "opened by the prompt": Thinking(source=OPENED),
    "opened and ended by the prompt": Thinking(source=CLOSED_PROMPT),
    "before every reply": Thinking(source=EVERYWHERE, block="<think></think>", branches=False),
    "in the history only": Thinking(source=HISTORY_ONLY, block=""),
    "other tags": Thinking(source=OTHER_TAGS, block="[THINK][/THINK]"),
    "tokens as tags": Thinking(
        source=TOKENS_AS_TAGS, block="<|START_THINKING|>\n\n<|END_THINKING|>\n\n"
    ),
}
