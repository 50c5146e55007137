from datetime import date
from importlib.resources import files

import pytest

pytest.importorskip("torch")

import tiny
from transformers import PreTrainedTokenizerFast

from aloe.errors import ConfigError
from aloe.models.control_tokens import ChatEncoder
from aloe.training.packing import count_nodes
from aloe.training.templates import ChatTokens

pytestmark = pytest.mark.train

CONVERSATION = [
    {"role": "user", "content": "What should I bake?"},
    {"role": "assistant", "content": "Bread, with rye."},
    {"role": "user", "content": " And then? "},
    {"role": "assistant", "content": "\n\nA cake. \n"},
    {"role": "user", "content": "Thanks!"},
    {"role": "assistant", "content": "Any time, I like to help."},
]

SMOLLM2 = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are kind.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}"
    "{{ '[INST] ' + m['content'] + ' [/INST]' }}{% elif m['role'] == 'assistant' %}"
    "{{ ' ' + m['content'] + eos_token }}{% else %}"
    "{{ raise_exception('only user and assistant') }}{% endif %}{% endfor %}"
)
CLOSING = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"
)
ZEPHYR = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + eos_token + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
LLAMA2 = (
    "{% for m in messages %}{% if m['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + ' ' + eos_token }}{% endif %}{% endfor %}"
)
VICUNA = (
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ 'USER: ' + m['content'] + ' ' }}"
    "{% else %}{{ 'ASSISTANT: ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
BLANK_BEFORE = VICUNA.replace("'ASSISTANT:'", "'ASSISTANT: '")
TRIMMING = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + (m['content'] | trim) }}"
    "{{ '<|im_end|>   \n\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
GLM4 = (
    "[gMASK]<sop>{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
DEEPSEEK_V3 = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}"
    "{{ '<\uff5cUser\uff5c>' + m['content'] }}{% else %}"
    "{{ '<\uff5cAssistant\uff5c>' + m['content'] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<\uff5cAssistant\uff5c>' }}{% endif %}"
)
COMMAND = (
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ '<|TURN|><|USER|>' + m['content'] }}"
    "{% else %}{{ '<|TURN|><|BOT|><|RESPONSE|>' + m['content'] + '<|/RESPONSE|>' }}{% endif %}"
    "{{ eos_token }}{% endfor %}{% if add_generation_prompt %}{{ '<|TURN|><|BOT|>' }}{% endif %}"
)
LAST_ONLY = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif %}"
)
ENDLESS = (
    "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
FORGETFUL = SMOLLM2.replace("for m in messages", "for m in messages[-3:]")
OPENING = SMOLLM2.replace(
    "{{ '<|im_start|>assistant\n' }}", "{{ '<|im_start|>assistant\nSure: ' }}"
)
JSON = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] | tojson }}"
    "{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
JSON_MESSAGES = (
    "{% for m in messages %}{{ m | tojson + '<|im_end|>\n' }}{% endfor %}"
    '{% if add_generation_prompt %}{{ \'{"role": "assistant", "content": \' }}{% endif %}'
)
JSON_USERS = SMOLLM2.replace("m['content']", "(m['content'] if m['role'] == 'assistant' "
                             "else m['content'] | tojson)")  # fmt: skip


def bundled(name: str) -> str:
    return (files("trl") / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


def tokenizer(template: str, marks: tuple[str, ...] = ()) -> PreTrainedTokenizerFast:
    made = PreTrainedTokenizerFast(
        tokenizer_object=tiny.tokenizer().backend_tokenizer,
        bos_token="<s>" if "</s>" in marks else "<|begin_of_text|>",
        eos_token="</s>" if "</s>" in marks else "<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(marks),
    )
    made.chat_template = template
    return made


CHATML = ("<|im_start|>", "<|im_end|>")
GEMMA = ("<start_of_turn>", "<end_of_turn>")
ROLES = ("<|user|>", "<|assistant|>")
GLM = (*ROLES, "<|system|>", "[gMASK]", "<sop>")
COHERE = ("<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>")
DEEPSEEK = ("<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>", "</s>")
TURNS = ("<|TURN|>", "<|USER|>", "<|BOT|>", "<|RESPONSE|>", "<|/RESPONSE|>", "</s>")
LLAMA = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")

# What the model has to write before and behind its text.
FAMILIES = [
    ("SmolLM2", SMOLLM2, CHATML, "", "<|im_end|>"),
    ("Qwen2.5", "qwen2_5", CHATML, "", "<|im_end|>"),
    ("Qwen3, without thinking", "qwen3_instruct_2507", CHATML, "", "<|im_end|>"),
    ("Llama 3", "llama3", LLAMA, "", "<|eot_id|>"),
    ("Llama 3.1", "llama3_1", LLAMA, "", "<|eot_id|>"),
    ("Llama 3.2", "llama3_2", LLAMA, "", "<|eot_id|>"),
    ("Mistral", MISTRAL, ("[INST]", "[/INST]", "</s>"), " ", "</s>"),
    ("Mistral v1", MISTRAL, ("</s>",), " ", "</s>"),
    ("Llama 2", LLAMA2, ("</s>",), " ", " </s>"),
    ("Zephyr", ZEPHYR, ("</s>",), "", "</s>"),
    ("Vicuna", VICUNA, ("</s>",), " ", "</s>"),
    ("a blank ends the prompt", BLANK_BEFORE, ("</s>",), "", "</s>"),
    ("blanks behind the end", TRIMMING, CHATML, "", "<|im_end|>"),
    ("Gemma", "gemma", GEMMA, "", "<end_of_turn>"),
    ("Gemma, line breaks are tokens", "gemma", (*GEMMA, "\n"), "", "<end_of_turn>"),
    ("Phi-3", "phi3", (*ROLES, "<|end|>"), "", "<|end|>"),
    ("closes the text", CLOSING, CHATML, "", "<|im_end|>"),
    ("GLM-4", GLM4, GLM, "", "<|user|>"),
    ("the last one closed", LAST_ONLY, (*CHATML, *ROLES), "", "<|im_end|>"),
    ("Cohere", "cohere", COHERE, "", "<|END_OF_TURN_TOKEN|>"),
    ("DeepSeek", DEEPSEEK_V3, DEEPSEEK, "", "</s>"),
    ("two marks, the second stops", COMMAND, TURNS, "<|RESPONSE|>", "<|/RESPONSE|></s>"),
    ("users in JSON", JSON_USERS, CHATML, "", "<|im_end|>"),
    ("tiny", tiny.CHATML, CHATML, "", "<|im_end|>"),
]


def template(source: str) -> str:
    return source if "{" in source else bundled(source)


@pytest.mark.parametrize(("family", "source", "marks", "lead", "end"), FAMILIES)
def test_exactly_what_the_model_has_to_write_is_learnt(family, source, marks, lead, end):
    made = tokenizer(template(source), marks)
    chat = ChatTokens(made)
    for turn in (1, 3, 5):
        answer = chat.answer(CONVERSATION[:turn], CONVERSATION[turn]["content"])
        learnt = made.decode(answer.ids[answer.start :])
        said = CONVERSATION[turn]["content"]
        whole = made.apply_chat_template(CONVERSATION[: turn + 1], tokenize=False)
        assert learnt == lead + (said if said in whole else said.strip()) + end
        assert answer.ids[-1] == chat.end
        served = made.apply_chat_template(CONVERSATION[:turn], add_generation_prompt=True)
        served = served["input_ids"]
        assert ChatEncoder(made).encode(CONVERSATION[:turn], open_turn=True) == served
        assert list(answer.ids[: answer.start]) == served
        assert chat.prompt(CONVERSATION[:turn]) == answer.ids[: answer.start]


@pytest.mark.parametrize(("family", "source", "marks", "lead", "end"), FAMILIES)
def test_a_template_that_leaves_earlier_turns_alone_costs_no_token_more(
    family, source, marks, lead, end
):
    chat = ChatTokens(tokenizer(template(source), marks))
    answers = [chat.answer(CONVERSATION[:t], CONVERSATION[t]["content"]) for t in (1, 3, 5)]
    ends = 2 if family == "the last one closed" else 0
    assert count_nodes(answers) == len(answers[-1].ids) + ends


@pytest.mark.parametrize("family", ["qwen2_5", "llama3", "gemma"])
def test_trls_marked_templates_learn_the_same_tokens(family):
    marks = next(marks for _, source, marks, *_ in FAMILIES if source == family)
    plain, marked = (
        tokenizer(bundled(family), marks),
        tokenizer(bundled(f"{family}_training"), marks),
    )
    whole = marked.apply_chat_template(
        CONVERSATION, return_assistant_tokens_mask=True, return_dict=True
    )
    theirs = [t for t, m in zip(whole["input_ids"], whole["assistant_masks"], strict=True) if m]
    answers = [
        ChatTokens(plain).answer(CONVERSATION[:t], CONVERSATION[t]["content"]) for t in (1, 3, 5)
    ]
    ours = [token for answer in answers for token in answer.ids[answer.start :]]
    breaks = set(plain("\n", add_special_tokens=False)["input_ids"])  # TRL counts some of these
    assert [token for token in ours if token not in breaks] == [
        token for token in theirs if token not in breaks
    ]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (FORGETFUL, "drops 'Hello there.' once the conversation goes on"),
        (OPENING, "does not begin where the generation prompt ends"),
        (JSON, "it writes replies as JSON"),
        (JSON_MESSAGES, "it writes replies as JSON"),
        (SMOLLM2.replace("m['content']", "m['content'] | tojson"), "it writes replies as JSON"),
        (ZEPHYR.replace("eos_token + ", ""), "no special token ends a reply"),
        (SMOLLM2.replace("m['content']", "m['content'] | upper"), "does not write a reply as it"),
        (ENDLESS, "no special token ends a reply"),
        ("{% for m in messages %}{{ m['content'] }}{% endfor %}?", "does not begin where"),
    ],
)
def test_a_template_that_cannot_be_trained_on_is_refused_with_the_reason(source, reason):
    with pytest.raises(ConfigError, match=reason):
        ChatTokens(tokenizer(template(source), CHATML))


def test_no_template_is_refused():
    made = tokenizer(SMOLLM2)
    made.chat_template = None
    with pytest.raises(ConfigError, match="no chat template"):
        ChatTokens(made)


def test_a_role_that_the_template_does_not_know_is_refused():
    chat = ChatTokens(tokenizer(MISTRAL, ("[INST]", "[/INST]", "</s>")))
    with pytest.raises(ConfigError, match="only user and assistant"):
        chat.answer([{"role": "system", "content": "x"}, *CONVERSATION[:1]], "y")


HALF = SMOLLM2.replace("m['content']", "m['content'].lstrip('\n')")
ROLE = SMOLLM2.replace(
    "m['content']", "(m['content'] | trim if m['role'] == 'user' else m['content'])"
)


@pytest.mark.parametrize(
    ("source", "written"),
    [(SMOLLM2, "\n\n  x\n"), (HALF, "  x\n"), (ROLE, "\n\n  x\n"), (TRIMMING, "x")],
)
def test_blanks_are_learnt_as_the_template_writes_them(source, written):
    made = tokenizer(source, CHATML)
    answer = ChatTokens(made).answer([{"role": "user", "content": " Hm. "}], "\n\n  x\n")
    assert made.decode(answer.ids[answer.start :]) == f"{written}<|im_end|>"


def test_the_day_of_a_training_is_that_of_its_template():
    source = SMOLLM2.replace("You are kind.", "' + strftime_now('%d %b %Y') + '")
    made = tokenizer(source, CHATML)
    prompt = [{"role": "user", "content": "Hm."}]
    for day, written in (("2026-11-30", "30 Nov 2026"), ("2025-01-02", "02 Jan 2025")):
        chat = ChatTokens(made, day=day)
        assert written in made.decode(chat.prompt(prompt))
        assert written in made.decode(chat.answer(prompt, "Yes.").ids)
        assert written in made.decode(chat.encoder.encode(prompt))
    today = ChatEncoder(made).render(prompt)
    assert f"{date.today():%d %b %Y}" in today
    plain = tokenizer(SMOLLM2, CHATML)
    assert ChatEncoder(plain, "2025-01-02").render(prompt) == ChatEncoder(plain).render(prompt)
